//! Patches: merge, strategic merge, JSON patch.

use serde_json::{Value, json};

use super::schema::Place;

/// RFC 7386: null removes.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(entries) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in entries {
        if value.is_null() {
            if let Some(there) = target.as_object_mut() {
                there.remove(name);
            }
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// Strategic merge: lists with a merge key are merged item by item; `$patch: delete` and
/// `$patch: replace` mean what they say.
pub(super) fn strategic(target: &mut Value, patch: &Value, place: &Place) {
    let Value::Object(entries) = patch else {
        *target = patch.clone();
        return;
    };
    if patch["$patch"] == "replace" {
        let mut whole = patch.clone();
        if let Some(entries) = whole.as_object_mut() {
            entries.remove("$patch");
        }
        *target = whole;
        return;
    }
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in entries.iter().filter(|(name, _)| !name.starts_with('$')) {
        match (value, place.patch_key(name)) {
            (Value::Null, _) => {
                if let Some(there) = target.as_object_mut() {
                    there.remove(name);
                }
            }
            (Value::Array(items), Some(key)) => {
                let inner = place.list(name).1;
                merge_list(&mut target[name], items, &key, &inner);
            }
            (Value::Array(items), None) if name == "finalizers" => {
                let mut there = target[name].as_array().cloned().unwrap_or_default();
                there.extend(
                    items
                        .iter()
                        .filter(|item| {
                            !target[name].as_array().is_some_and(|there| there.contains(item))
                        })
                        .cloned(),
                );
                target[name] = json!(there);
            }
            (Value::Object(_), _) => strategic(&mut target[name], value, &place.field(name)),
            (value, _) => target[name] = value.clone(),
        }
    }
}

fn merge_list(target: &mut Value, items: &[Value], key: &str, place: &Place) {
    if !target.is_array() {
        *target = json!([]);
    }
    let Some(there) = target.as_array_mut() else { return };
    let order: Vec<Value> = there.iter().map(|one| one[key].clone()).collect();
    let mut patched = Vec::new();
    for item in items {
        let found = there.iter().position(|one| one[key] == item[key]);
        let mut one = found.map(|at| there.remove(at));
        if item["$patch"] == "delete" {
            continue;
        }
        let one = one.get_or_insert_with(|| json!({}));
        strategic(one, item, place);
        patched.push(one.take());
    }
    let place_of = |one: &Value| order.iter().position(|name| *name == one[key]);
    *there = merged(std::mem::take(there), patched, place_of);
}

/// Items of the patch go before those that only the server has, unless both were there and stood the
/// other way round; the order among themselves stays.
fn merged(
    kept: Vec<Value>,
    patched: Vec<Value>,
    place_of: impl Fn(&Value) -> Option<usize>,
) -> Vec<Value> {
    let (mut kept, mut patched) = (kept.into_iter().peekable(), patched.into_iter().peekable());
    std::iter::from_fn(|| {
        let kept_first = match (kept.peek(), patched.peek()) {
            (Some(left), Some(right)) => {
                place_of(left).zip(place_of(right)).is_some_and(|(left, right)| left < right)
            }
            (left, _) => left.is_some(),
        };
        if kept_first { kept.next() } else { patched.next() }
    })
    .collect()
}

/// RFC 6902. The error is what the apiserver says of it.
pub(super) fn json_patch(target: &mut Value, operations: &Value) -> Result<(), String> {
    for operation in operations.as_array().ok_or("a JSON patch is a list")? {
        let path = operation["path"].as_str().ok_or("an operation has no path")?;
        let kind = operation["op"].as_str().unwrap_or_default();
        match kind {
            "test" => {
                if target.pointer(path) != Some(&operation["value"]) {
                    return Err(format!("testing path {path} failed"));
                }
            }
            "add" | "replace" => put(target, path, operation["value"].clone(), kind == "add")?,
            "remove" => drop(take(target, path)?),
            "move" | "copy" => {
                let from = operation["from"].as_str().ok_or("an operation has no from")?;
                let value =
                    target.pointer(from).cloned().ok_or_else(|| format!("missing path: {from}"))?;
                if kind == "move" {
                    take(target, from)?;
                }
                put(target, path, value, true)?;
            }
            other => return Err(format!("unexpected kind: {other}")),
        }
    }
    Ok(())
}

/// Sets what a path leads to, and makes the objects on the way.
pub(super) fn set(target: &mut Value, path: &str, value: Value) {
    let patch =
        path.split('/').filter(|part| !part.is_empty()).rev().fold(value, |inner, part| {
            Value::Object([(part.to_owned(), inner)].into_iter().collect())
        });
    merge(target, &patch);
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn put(target: &mut Value, path: &str, value: Value, add: bool) -> Result<(), String> {
    let Some((parent, last)) = split(path) else {
        *target = value;
        return Ok(());
    };
    let missing = || {
        format!(
            "{} operation does not apply: doc is missing path: {path}: missing value",
            if add { "add" } else { "replace" }
        )
    };
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(entries) => {
            if !add && !entries.contains_key(&last) {
                return Err(missing());
            }
            entries.insert(last, value);
            Ok(())
        }
        Value::Array(items) => {
            let index =
                if last == "-" { items.len() } else { last.parse().map_err(|_| missing())? };
            if add && index <= items.len() {
                items.insert(index, value);
            } else if index < items.len() {
                items[index] = value;
            } else {
                return Err(missing());
            }
            Ok(())
        }
        _ => Err(missing()),
    }
}

fn take(target: &mut Value, path: &str) -> Result<Value, String> {
    let missing =
        || format!("remove operation does not apply: doc is missing path: {path}: missing value");
    let (parent, last) = split(path).ok_or_else(missing)?;
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(entries) => entries.remove(&last).ok_or_else(missing),
        Value::Array(items) => {
            let index: usize = last.parse().map_err(|_| missing())?;
            if index < items.len() { Ok(items.remove(index)) } else { Err(missing()) }
        }
        _ => Err(missing()),
    }
}
