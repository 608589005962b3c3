//! Values of a custom resource as rules see them: typed by the schema, without what is null.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::CelString;
use cel::objects::Map;
use cel::{Context, Value as CelValue};
use serde_json::Value;

use super::functions;

/// Words that the language keeps for itself.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A value as its schema types it.
pub(super) fn of(value: &Value, schema: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if schema["type"] != "number" => CelValue::Int(whole),
            _ => CelValue::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => of_text(text, schema),
        Value::Array(items) => {
            CelValue::List(Arc::new(items.iter().map(|item| of(item, &schema["items"])).collect()))
        }
        Value::Object(entries) => {
            let properties = &schema["properties"];
            let set = entries.iter().filter(|(_, inner)| !inner.is_null());
            let typed = set.filter_map(|(name, inner)| match properties.get(name) {
                Some(schema) => Some((escaped(name), of(inner, schema))),
                // Fields that the schema does not name cannot be reached.
                None if properties.is_object() => None,
                None => Some((name.clone(), of(inner, &schema["additionalProperties"]))),
            });
            let map = typed.map(|(name, inner)| (name.into(), inner)).collect();
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

/// A whole object: what every object has can be reached too, of its metadata the names.
pub(super) fn of_root(value: &Value, schema: &Value) -> CelValue {
    let mut typed = schema.clone();
    let text = serde_json::json!({"type": "string"});
    typed["properties"]["apiVersion"] = text.clone();
    typed["properties"]["kind"] = text.clone();
    typed["properties"]["metadata"] =
        serde_json::json!({"type": "object", "properties": {"name": text, "generateName": text}});
    of(value, &typed)
}

fn of_text(text: &str, schema: &Value) -> CelValue {
    let plain = || CelValue::String(Arc::new(text.to_owned()));
    match schema["format"].as_str() {
        Some("byte") => {
            STANDARD.decode(text).map_or_else(|_| plain(), |bytes| CelValue::Bytes(Arc::new(bytes)))
        }
        Some("date-time") => converted("timestamp", text).unwrap_or_else(plain),
        Some("date") => converted("timestamp", &format!("{text}T00:00:00Z")).unwrap_or_else(plain),
        Some("duration") => converted("duration", text).unwrap_or_else(plain),
        _ => plain(),
    }
}

/// What a function of the language makes of a text.
fn converted(function: &str, text: &str) -> Option<CelValue> {
    let literal = LiteralValue::String(CelString::from(text.to_owned()));
    let argument = IdedExpr { id: 2, expr: Expr::Literal(literal) };
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![argument] };
    let context = Context::with_env(functions::environment().ok()?.clone());
    CelValue::resolve(&IdedExpr { id: 1, expr: Expr::Call(call) }, &context).ok()
}

/// A field's name as a rule writes it.
pub(super) fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
