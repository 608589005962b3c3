//! The rules of a definition: whether each can be judged, in the words of the apiserver.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;

use super::super::validate::Problem;
use super::bounds::parts;
use super::{compile, values};

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// The most rules of one schema: they are compiled while the world waits.
const MOST_RULES: usize = 1000;

/// What is wrong with the rules of a definition.
pub(in super::super) fn problems(definition: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    // The apiserver sees one schema where all versions have the same.
    let is_one = versions.iter().all(|version| schema(version) == schema(&versions[0]));
    for (index, version) in versions.iter().enumerate().take(if is_one { 1 } else { usize::MAX }) {
        let path = if is_one {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("spec.versions[{index}].schema.openAPIV3Schema")
        };
        let schema = &version["schema"]["openAPIV3Schema"];
        if count(schema) > MOST_RULES {
            let why = format!("Forbidden: the sandbox takes at most {MOST_RULES} validation rules");
            found.push((path, why, "FieldValueForbidden"));
        } else {
            node(schema, &path, true, None, &mut found);
        }
    }
    found
}

/// How many rules there are in a schema.
fn count(schema: &Value) -> usize {
    let own = schema["x-kubernetes-validations"].as_array().map_or(0, Vec::len);
    let inner = match schema {
        Value::Object(entries) => entries.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    };
    own + inner
}

/// The rules of a schema and of those in it; `loose` is where former values cannot be told.
fn node(schema: &Value, path: &str, is_root: bool, loose: Option<&str>, found: &mut Vec<Problem>) {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    for (index, one) in rules.enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{index}]");
        rule(one, schema, &path, is_root, loose, found);
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        node(inner, &format!("{path}.properties[{name}]"), false, loose, found);
    }
    if schema["additionalProperties"].is_object() {
        let path = format!("{path}.additionalProperties");
        node(&schema["additionalProperties"], &path, false, loose, found);
    }
    if schema["items"].is_object() {
        let loose = loose.or((schema["x-kubernetes-list-type"] != "map").then_some(path));
        node(&schema["items"], &format!("{path}.items"), false, loose, found);
    }
}

fn rule(
    rule: &Value,
    schema: &Value,
    path: &str,
    is_root: bool,
    loose: Option<&str>,
    found: &mut Vec<Problem>,
) {
    let text = rule["rule"].as_str().unwrap_or_default();
    if let Some(problem) = form(rule, text, schema, path) {
        found.push(problem);
        return;
    }
    let invalid = |field: &str, value: String, why: String| {
        (format!("{path}.{field}"), format!("Invalid value: {value}: {why}"), "FieldValueInvalid")
    };
    let uses_old = match checked(text, schema, is_root, "bool") {
        Ok(uses_old) => uses_old,
        Err(why) => return found.push(invalid("rule", whole(rule), why)),
    };
    if let Some(text) = rule["messageExpression"].as_str()
        && let Err(why) = checked(text, schema, is_root, "string")
    {
        let is_compiled = why.starts_with(' ');
        let why = format!("messageExpression{}{why}", if is_compiled { "" } else { " " });
        found.push(invalid("messageExpression", whole(rule), why));
    }
    if let Some(loose) = loose.filter(|_| uses_old) {
        let why = format!(
            "oldSelf cannot be used on the uncorrelatable portion of the schema within {loose}"
        );
        found.push(invalid("rule", escaped(&rule["rule"]), why));
    }
    if !uses_old && !rule["optionalOldSelf"].is_null() {
        let why = "may not be set if oldSelf is not used in rule".to_owned();
        found.push(invalid("optionalOldSelf", rule["optionalOldSelf"].to_string(), why));
    }
}

/// What is wrong with the form of a rule.
fn form(rule: &Value, text: &str, schema: &Value, path: &str) -> Option<Problem> {
    let required = |field: &str, why: &str| {
        Some((format!("{path}.{field}"), format!("Required value: {why}"), "FieldValueRequired"))
    };
    let has_lines = |text: &str| text.trim().contains(['\n', '\r']);
    let message = rule["message"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return required("rule", "rule is not specified");
    }
    if has_lines(message) {
        let why = format!("Invalid value: {}: must not contain line breaks", rule["message"]);
        return Some((format!("{path}.message"), why, "FieldValueInvalid"));
    }
    if has_lines(text) && message.trim().is_empty() {
        return required("message", "message must be specified if rule contains line breaks");
    }
    let reason = &rule["reason"];
    if !reason.is_null() && !REASONS.iter().any(|known| reason == known) {
        let known = REASONS.map(|known| format!("\"{known}\"")).join(", ");
        let why = format!("Unsupported value: {reason}: supported values: {known}");
        return Some((format!("{path}.reason"), why, "FieldValueNotSupported"));
    }
    let inner = rule["fieldPath"].as_str().unwrap_or_default().trim();
    if !inner.is_empty() && !leads(inner, schema) {
        let why = format!("Invalid value: {}: must be a valid path", rule["fieldPath"]);
        return Some((format!("{path}.fieldPath"), why, "FieldValueInvalid"));
    }
    None
}

/// Whether a path leads to a field of a schema; keys of maps (`['a']`) are not looked into.
fn leads(path: &str, schema: &Value) -> bool {
    let Some(names) = path.strip_prefix('.') else { return path.starts_with('[') };
    let mut place = schema;
    for name in names.split('.') {
        let (name, has_key) = name.split_once('[').map_or((name, false), |(name, _)| (name, true));
        place = &place["properties"][name];
        if has_key || !place.is_object() {
            return place.is_object();
        }
    }
    true
}

/// Whether a rule speaks of the former value; the error is why it cannot be judged.
fn checked(text: &str, schema: &Value, is_root: bool, wanted: &str) -> Result<bool, String> {
    let failed = |why: String| format!("compilation failed: {why}");
    let compiled = compile::compile(text).map_err(failed)?;
    if let Some((id, field)) = undefined(&compiled.expression, schema, is_root) {
        return Err(failed(compiled.at(id, &format!("undefined field '{field}'"))));
    }
    match type_of(&compiled.expression, schema, is_root) {
        Some(made) if made != wanted && wanted == "string" => {
            Err(" must evaluate to a string".to_owned())
        }
        Some(made) if made != wanted => Err("cel expression must evaluate to a bool".to_owned()),
        _ => Ok(compiled.uses_old),
    }
}

/// What an expression evaluates to, where its outermost part tells.
fn type_of(expression: &IdedExpr, schema: &Value, is_root: bool) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => Some("bool"),
        Expr::Literal(LiteralValue::String(_)) => Some("string"),
        Expr::Literal(_) => Some("other"),
        Expr::List(_) | Expr::Map(_) => Some("other"),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
                Some("other")
            }
            operators::ADD => call
                .args
                .iter()
                .find_map(|one| type_of(one, schema, is_root))
                .filter(|made| *made != "bool"),
            "size" | "int" | "double" | "uint" => Some("other"),
            "string" => Some("string"),
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR => Some("bool"),
            _ => None,
        },
        Expr::Ident(_) | Expr::Select(_) => {
            let schema = reached(expression, schema, is_root).ok().flatten()?;
            match schema["type"].as_str()? {
                "boolean" => Some("bool"),
                "string" if schema["format"].is_null() => Some("string"),
                _ => Some("other"),
            }
        }
        _ => None,
    }
}

/// The first field that is selected and that the schema has not.
fn undefined(expression: &IdedExpr, schema: &Value, is_root: bool) -> Option<(u64, String)> {
    if let Expr::Select(_) = expression.expr
        && let Err(field) = reached(expression, schema, is_root)
    {
        // The innermost of the chain is the one that is missing.
        let inner = parts(expression).into_iter().find_map(|one| undefined(one, schema, is_root));
        return inner.or(Some((expression.id, field)));
    }
    parts(expression).into_iter().find_map(|one| undefined(one, schema, is_root))
}

/// The schema of what a chain of selections from `self` leads to; none where nothing is known.
fn reached(expression: &IdedExpr, schema: &Value, is_root: bool) -> Result<Option<Value>, String> {
    match &expression.expr {
        Expr::Ident(name) if name == "self" => Ok(Some(schema.clone())),
        Expr::Select(select) => {
            let Some(outer) = reached(&select.operand, schema, is_root)? else { return Ok(None) };
            let Some(properties) = outer["properties"].as_object() else { return Ok(None) };
            let is_own = is_root && matches!(&select.operand.expr, Expr::Ident(_));
            if is_own && ["apiVersion", "kind", "metadata"].contains(&select.field.as_str()) {
                return Ok(None);
            }
            let named = |(name, _): &(&String, &Value)| values::escaped(name) == select.field;
            match properties.iter().find(named) {
                Some((_, inner)) => Ok(Some(inner.clone())),
                None if outer["additionalProperties"].is_object() => Ok(None),
                None => Err(select.field.clone()),
            }
        }
        _ => Ok(None),
    }
}

/// A rule as the apiserver shows it: its own type, as Go writes it.
fn whole(rule: &Value) -> String {
    let text = |name: &str| escaped(&Value::from(rule[name].as_str().unwrap_or_default()));
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        rule["reason"],
        text("fieldPath"),
        rule["optionalOldSelf"]
    )
}

/// JSON as Go writes it.
fn escaped(value: &Value) -> String {
    value.to_string().replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}
