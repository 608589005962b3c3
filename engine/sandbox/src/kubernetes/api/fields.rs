//! What a written object may hold: fields that its schema knows, of the types it gives them.
//!
//! The apiserver learns this while it decodes into Go structs, and so do its words sound.

use serde_json::Value;

use super::super::kinds::Kind;
use super::super::schema::{self, Place};
use super::{Request, Status};

/// Drops what means nothing, refuses what has another type, and deals with unknown fields as the
/// request asks: refused when strict, pruned from custom resources, warned of otherwise.
pub(super) fn check(
    kind: &Kind,
    wanted: &mut Value,
    request: &Request,
) -> Result<Vec<String>, Status> {
    if !wanted["metadata"].is_object() {
        return Err(mistyped(kind, "ObjectMeta.metadata", &wanted["metadata"], "v1.ObjectMeta"));
    }
    if kind.definition.is_none() {
        drop_nulls(wanted);
    } else {
        drop_nulls(&mut wanted["metadata"]);
    }
    let root = schema::root(kind);
    check_types(kind, wanted, &root, "")?;
    let mut unknown = Vec::new();
    find_unknown(wanted, &root, "", &mut unknown);
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<String> =
        unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    match request.get("fieldValidation") {
        Some("Strict") => {
            let full = format!("strict decoding error: {}", texts.join(", "));
            let message = if kind.definition.is_some() {
                full
            } else {
                format!(
                    "{} in version \"{}\" cannot be handled as a {}: {full}",
                    kind.kind, kind.version, kind.kind
                )
            };
            Err(Status::bad_request(message))
        }
        Some("Ignore") => Ok(Vec::new()),
        _ => Ok(texts),
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

/// Types of the built-in kinds; definitions are validated by their own schemas.
fn check_types(kind: &Kind, value: &Value, place: &Place, path: &str) -> Result<(), Status> {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let Some(wanted) = place.type_of(name) else { continue };
        if let Some(wrong) = wanted.refuses(inner) {
            let field = format!("{}.{full}", place.short_name().unwrap_or(&kind.kind));
            return Err(mistyped(kind, &field, wrong, &wanted.go_name()));
        }
        match inner {
            Value::Object(_) => check_types(kind, inner, &place.field(name), &full)?,
            Value::Array(items) => {
                let items_place = place.list(name).1;
                for item in items {
                    check_types(kind, item, &items_place, &full)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn mistyped(kind: &Kind, field: &str, found: &Value, wanted: &str) -> Status {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Status::bad_request(format!(
        "{} in version \"{}\" cannot be handled as a {}: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}",
        kind.kind, kind.version, kind.kind
    ))
}
