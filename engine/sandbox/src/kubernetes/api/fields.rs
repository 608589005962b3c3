//! What a written object may hold: fields that its schema knows, of the types it gives them.
//!
//! The apiserver learns this while it decodes into Go structs, and so do its words sound.

use serde_json::Value;

use super::super::kinds::Kind;
use super::super::schema::{self, Place};
use super::{Request, Status, duplicates};

/// Drops what means nothing, refuses what has another type, and deals with unknown fields as the
/// request asks: refused when strict, pruned from custom resources, warned of otherwise.
pub(super) fn check(
    kind: &Kind,
    wanted: &mut Value,
    request: &Request,
) -> Result<Vec<String>, Status> {
    if !wanted["metadata"].is_object() {
        let field = "ObjectMeta.metadata".to_owned();
        let found = type_name(&wanted["metadata"]);
        let wanted = "v1.ObjectMeta".to_owned();
        return Err(mistyped(kind, &Mistyped { field, found, wanted }));
    }
    if kind.definition.is_none() {
        drop_nulls(wanted);
    } else {
        drop_nulls(&mut wanted["metadata"]);
    }
    let root = schema::root(kind);
    find_mistyped(&kind.kind, wanted, &root, "").map_err(|wrong| mistyped(kind, &wrong))?;
    let mut unknown = Vec::new();
    find_unknown(wanted, &root, "", &mut unknown);
    // A patch is decoded by another way, and a text that is no JSON by another parser.
    let doubled = match request.method.as_str() {
        "POST" | "PUT" => duplicates::of(&request.body),
        _ => Vec::new(),
    };
    let doubled = doubled.iter().map(|path| format!("duplicate field \"{path}\""));
    let unknown = unknown.iter().map(|path| format!("unknown field \"{path}\""));
    let texts: Vec<String> = unknown.chain(doubled).collect();
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    match request.get("fieldValidation") {
        Some("Strict") => {
            let message = format!(
                "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                kind.kind,
                kind.version,
                kind.kind,
                texts.join(", ")
            );
            Err(Status::bad_request(message))
        }
        Some("Ignore") => Ok(Vec::new()),
        _ => Ok(texts),
    }
}

/// A strategic merge patch is decoded by another way of the apiserver, with other words.
pub(super) fn check_patch(kind: &Kind, patch: &Value) -> Result<(), Status> {
    let mut bare = patch.clone();
    drop_nulls(&mut bare);
    let Err(wrong) = find_mistyped(&kind.kind, &bare, &schema::root(kind), "") else {
        return Ok(());
    };
    let why = match (wrong.wanted.as_str(), wrong.found) {
        ("string" | "[]string" | "map[string]string", "number") => {
            "cannot convert int64 to string".to_owned()
        }
        ("int32" | "int64" | "bool" | "string", _) => {
            format!("unrecognized type: {}", wrong.wanted)
        }
        _ => format!("cannot restore struct from: {}", wrong.found),
    };
    let message = format!("patch: Invalid value: \"{}\": {why}", as_go(patch));
    Err(Status::new(422, "Invalid", message))
}

/// A value as Go prints it.
fn as_go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(as_go).collect::<Vec<_>>().join(" "))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|(name, value)| format!("{name}:{}", as_go(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

fn find_unknown(value: &mut Value, place: &Place, path: &str, unknown: &mut Vec<String>) {
    let Some(entries) = value.as_object_mut() else { return };
    let mut gone = Vec::new();
    for (name, inner) in entries.iter_mut() {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        if place.knows(name) == Some(false) {
            unknown.push(full);
            gone.push(name.clone());
            continue;
        }
        match inner {
            Value::Object(_) => find_unknown(inner, &place.field(name), &full, unknown),
            Value::Array(items) => {
                let items_place = place.list(name).1;
                for (index, item) in items.iter_mut().enumerate() {
                    find_unknown(item, &items_place, &format!("{full}[{index}]"), unknown);
                }
            }
            _ => {}
        }
    }
    for name in gone {
        entries.remove(&name);
    }
}

/// A null in a typed object is the field's zero value: nothing.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|_, inner| !inner.is_null());
            entries.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// A value of another type than its field's.
struct Mistyped {
    field: String,
    found: &'static str,
    wanted: String,
}

/// Types of the built-in kinds; definitions are validated by their own schemas.
fn find_mistyped(kind: &str, value: &Value, place: &Place, path: &str) -> Result<(), Mistyped> {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let Some(wanted) = place.type_of(name) else { continue };
        if let Some(wrong) = wanted.refuses(inner) {
            let field = format!("{}.{full}", place.short_name().unwrap_or(kind));
            return Err(Mistyped { field, found: type_name(wrong), wanted: wanted.go_name() });
        }
        match inner {
            Value::Object(_) => find_mistyped(kind, inner, &place.field(name), &full)?,
            Value::Array(items) => {
                let items_place = place.list(name).1;
                for item in items {
                    find_mistyped(kind, item, &items_place, &full)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn mistyped(kind: &Kind, wrong: &Mistyped) -> Status {
    Status::bad_request(format!(
        "{} in version \"{}\" cannot be handled as a {}: json: cannot unmarshal {} into Go struct field {} of type {}",
        kind.kind, kind.version, kind.kind, wrong.found, wrong.field, wrong.wanted
    ))
}
