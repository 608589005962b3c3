//! Declared inputs: their types and what they allow.

use std::collections::BTreeMap;

use super::InputDeclaration;
use crate::diagnostic::{Code, Diagnostic};
use crate::shape::{self, INPUT};
use crate::value::{Field, Type, Value};
use crate::yaml::{Entry, Node, NodeKind};

/// Names that an expression knows already.
const ROOTS: [&str; 7] = ["inputs", "tasks", "each", "self", "run", "error", "loop"];

/// Decodes one entry of `inputs`.
pub(super) fn input(entry: &Entry, problems: &mut Vec<Diagnostic>) -> Option<InputDeclaration> {
    if ROOTS.contains(&entry.key.as_str()) {
        problems.push(
            Diagnostic::error(Code("RB0110"), format!("an input cannot be named `{}`", entry.key))
                .at(entry.key_span, "this name has a meaning in expressions")
                .help("choose another name"),
        );
    }
    if !is_name(&entry.key) {
        problems.push(bad_name(&entry.key, entry.key_span, "an input"));
    }
    let before = problems.len();
    let found = shape::check(&entry.value, INPUT, "an input", problems);
    if problems.len() > before {
        return None;
    }
    let r#type = declared_type(&entry.value, problems)?;
    let mut input = InputDeclaration {
        name: entry.key.clone(),
        span: entry.key_span,
        r#type,
        default: None,
        allowed: Vec::new(),
        pattern: None,
        min: None,
        max: None,
        sensitive: false,
        identity: false,
        description: String::new(),
    };
    for (key, entry) in found {
        set(&mut input, key.name, &entry.value, problems);
    }
    if let (Some(default), Some(node)) = (&input.default, entry.value.get("default"))
        && let Err(wrong) = input.check(default)
    {
        problems.push(
            Diagnostic::error(Code("RB0111"), format!("the default of `{}` {wrong}", input.name))
                .at(node.value.span, "this value"),
        );
    }
    Some(input)
}

fn set(input: &mut InputDeclaration, key: &str, node: &Node, problems: &mut Vec<Diagnostic>) {
    let value = plain(node);
    match (key, &value) {
        ("default", _) => input.default = Some(value),
        ("enum", Value::List(values)) => input.allowed.clone_from(values),
        ("min", _) => input.min = value.as_f64(),
        ("max", _) => input.max = value.as_f64(),
        ("sensitive", Value::Boolean(yes)) => input.sensitive = *yes,
        ("identity", Value::Boolean(yes)) => input.identity = *yes,
        ("description", Value::String(text)) => input.description = text.to_string(),
        ("pattern", Value::String(text)) => match regex::Regex::new(text) {
            Ok(pattern) => input.pattern = Some(pattern),
            Err(error) => problems.push(
                Diagnostic::error(Code("RB0112"), format!("not a regular expression: {error}"))
                    .at(node.span, "this pattern"),
            ),
        },
        _ => {}
    }
}

/// A node as a value, with no expressions in it.
pub(crate) fn plain(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.value(),
        NodeKind::Sequence(items) => Value::list(items.iter().map(plain)),
        NodeKind::Mapping(entries) => {
            Value::map(entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value))))
        }
    }
}

/// The type that a map with `type`, `items`, `values`, `fields`, `nullable` declares.
fn declared_type(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Type> {
    let Some(entry) = node.get("type") else {
        problems
            .push(Diagnostic::error(Code("RB0103"), "a type has no `type`").at(node.span, "here"));
        return None;
    };
    let inner = |key: &str, problems: &mut Vec<Diagnostic>| match node.get(key) {
        Some(entry) => declared_type(&entry.value, problems),
        None => Some(Type::Any),
    };
    let name = entry.value.scalar().map(|scalar| scalar.text.to_string()).unwrap_or_default();
    let declared = match name.as_str() {
        "string" => Type::String,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        "duration" => Type::Duration,
        "bytes" => Type::Bytes,
        "any" => Type::Any,
        "list" => Type::List(Box::new(inner("items", problems)?)),
        "map" => Type::Map(Box::new(inner("values", problems)?)),
        "object" => Type::Object(fields(node, problems)),
        other => {
            let known = [
                "string", "integer", "number", "boolean", "duration", "bytes", "list", "map",
                "object",
            ];
            let mut problem = Diagnostic::error(Code("RB0113"), format!("`{other}` is not a type"))
                .at(entry.value.span, "not a type");
            problem = match shape::suggest(other, known.into_iter()) {
                Some(name) => problem.help(format!("did you mean `{name}`?")),
                None => problem.help(format!("a type is one of {}", known.join(", "))),
            };
            problems.push(problem);
            return None;
        }
    };
    let nullable =
        node.get("nullable").is_some_and(|entry| plain(&entry.value) == Value::Boolean(true));
    Some(if nullable { Type::Nullable(Box::new(declared)) } else { declared })
}

fn fields(node: &Node, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Field> {
    let Some(NodeKind::Mapping(entries)) = node.get("fields").map(|entry| &entry.value.kind) else {
        return BTreeMap::new();
    };
    entries
        .iter()
        .filter_map(|entry| {
            let required = entry
                .value
                .get("required")
                .is_none_or(|required| plain(&required.value) != Value::Boolean(false));
            let r#type = declared_type(&entry.value, problems)?;
            Some((entry.key.clone(), Field { r#type, required }))
        })
        .collect()
}

/// Whether the text is `[a-z][a-z0-9_]*`.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
}

/// A name that is none, with what to write instead.
pub(super) fn bad_name(name: &str, span: crate::source::Span, what: &str) -> Diagnostic {
    let problem = Diagnostic::error(Code("RB0114"), format!("`{name}` cannot name {what}"))
        .at(span, "a name is `[a-z][a-z0-9_]*`");
    if name.contains('-') {
        let better = name.replace('-', "_").to_lowercase();
        return problem.help(format!("a hyphen means minus in an expression, write `{better}`"));
    }
    problem
}

impl InputDeclaration {
    /// Whether the value may be given; else how it is wrong, to follow the input's name.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.r#type.accepts(value).map_err(|wrong| format!("is {wrong}"))?;
        if matches!(value, Value::Null) || value.has_unknown() {
            return Ok(());
        }
        if !self.allowed.is_empty() && !self.allowed.contains(value) {
            let names: Vec<String> = self.allowed.iter().map(ToString::to_string).collect();
            return Err(format!("is not one of {}", names.join(", ")));
        }
        if let (Some(pattern), Value::String(text)) = (&self.pattern, value)
            && !pattern.is_match(text)
        {
            return Err(format!("does not match `{pattern}`"));
        }
        let size = value.as_f64().or_else(|| value.size());
        if let Some(size) = size
            && (self.min.is_some_and(|min| size < min) || self.max.is_some_and(|max| size > max))
        {
            let bound =
                |bound: Option<f64>| bound.map_or_else(|| "…".to_owned(), |one| one.to_string());
            return Err(format!("is not between {} and {}", bound(self.min), bound(self.max)));
        }
        Ok(())
    }
}
