//! Who owns which field: `managedFields`, and server-side apply on top of it.
//!
//! A manager owns the leaves it has set. Applying merges the declared fields in, takes away what the
//! same manager declared before and declares no more (unless another owns it too), and conflicts
//! where another manager owns a leaf with another value.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema::{ListType, Place};

/// A step of a path, as `fieldsV1` writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// `f:name`
    Field(String),
    /// `k:{"name":"x"}`, canonical JSON.
    Key(String),
    /// `v:"x"`
    Value(String),
}

/// A path of steps.
pub(super) type Path = Vec<Step>;
/// A set of owned leaves; an item of a list that is a map is owned by itself too.
pub(super) type Fields = BTreeSet<Path>;

/// Fields that nobody owns.
const UNOWNED: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
];

/// The leaves of an object.
pub(super) fn fields(object: &Value, place: &Place) -> Fields {
    let mut found = Fields::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (inner, value) in value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(inner, _)| !UNOWNED.contains(&inner.as_str()))
                {
                    let path = vec![Step::Field("metadata".to_owned()), Step::Field(inner.clone())];
                    walk(value, inner, &place.field("metadata"), path, &mut found);
                }
            }
            _ => walk(value, name, place, vec![Step::Field(name.clone())], &mut found),
        }
    }
    found
}

/// Collects the leaves of the value of a field of `parent`.
fn walk(value: &Value, field: &str, parent: &Place, path: Path, found: &mut Fields) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let place = parent.field(field);
            if matches!(place, Place::Atomic) {
                found.insert(path);
                return;
            }
            for (name, inner) in entries {
                let mut path = path.clone();
                path.push(Step::Field(name.clone()));
                walk(inner, name, &place, path, found);
            }
        }
        Value::Array(items) if !items.is_empty() => match parent.list(field) {
            (ListType::Map(keys), place) => {
                for item in items {
                    let mut path = path.clone();
                    path.push(Step::Key(item_key(item, &keys)));
                    found.insert(path.clone());
                    for (name, inner) in item.as_object().into_iter().flatten() {
                        let mut path = path.clone();
                        path.push(Step::Field(name.clone()));
                        walk(inner, name, &place, path, found);
                    }
                }
            }
            (ListType::Set, _) => {
                for item in items {
                    let mut path = path.clone();
                    path.push(Step::Value(item.to_string()));
                    found.insert(path);
                }
            }
            (ListType::Atomic, _) => {
                found.insert(path);
            }
        },
        _ => {
            found.insert(path);
        }
    }
}

/// The key of an item of a list that is a map; a missing protocol is TCP.
fn item_key(item: &Value, keys: &[String]) -> String {
    let mut key = Map::new();
    for name in keys {
        let value = match &item[name] {
            Value::Null if name == "protocol" => json!("TCP"),
            value => value.clone(),
        };
        key.insert(name.clone(), value);
    }
    Value::Object(key).to_string()
}

/// As `fieldsV1`.
pub(super) fn encode(fields: &Fields) -> Value {
    let mut root = json!({});
    for path in fields {
        let mut at = &mut root;
        for (position, step) in path.iter().enumerate() {
            let name = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Key(key) => format!("k:{key}"),
                Step::Value(value) => format!("v:{value}"),
            };
            at = &mut at[name.as_str()];
            if at.is_null() {
                *at = json!({});
            }
            if position + 1 == path.len() && matches!(step, Step::Key(_)) {
                at["."] = json!({});
            }
        }
    }
    root
}

/// From `fieldsV1`.
pub(super) fn decode(value: &Value) -> Fields {
    fn down(value: &Value, path: &Path, found: &mut Fields) {
        let entries = value.as_object();
        if entries.is_none_or(Map::is_empty) {
            if !path.is_empty() {
                found.insert(path.clone());
            }
            return;
        }
        for (name, inner) in entries.into_iter().flatten() {
            if name == "." {
                found.insert(path.clone());
                continue;
            }
            let step = match name.split_at_checked(2) {
                Some(("f:", rest)) => Step::Field(rest.to_owned()),
                Some(("k:", rest)) => Step::Key(rest.to_owned()),
                Some(("v:", rest)) => Step::Value(rest.to_owned()),
                _ => continue,
            };
            let mut path = path.clone();
            path.push(step);
            down(inner, &path, found);
        }
    }
    let mut found = Fields::new();
    down(value, &Path::new(), &mut found);
    found
}

/// An entry of `managedFields`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: String,
    pub(super) subresource: String,
    pub(super) time: Value,
    pub(super) fields: Fields,
}

/// The managers of an object.
pub(super) fn managers(object: &Value) -> Vec<Manager> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| Manager {
            name: text(entry, "manager"),
            operation: text(entry, "operation"),
            subresource: text(entry, "subresource"),
            time: entry["time"].clone(),
            fields: decode(&entry["fieldsV1"]),
        })
        .collect()
}

/// Writes the managers into an object; those that own nothing are left out.
pub(super) fn set_managers(object: &mut Value, managers: &[Manager]) {
    let api_version = object["apiVersion"].clone();
    let entries: Vec<Value> = managers
        .iter()
        .filter(|one| !one.fields.is_empty())
        .map(|one| {
            let mut entry = json!({
                "manager": one.name, "operation": one.operation, "apiVersion": api_version, "time": one.time,
                "fieldsType": "FieldsV1", "fieldsV1": encode(&one.fields),
            });
            if !one.subresource.is_empty() {
                entry["subresource"] = json!(one.subresource);
            }
            entry
        })
        .collect();
    object["metadata"]["managedFields"] = json!(entries);
}

/// After an update by a manager: it owns every leaf that it changed, the others lose those.
pub(super) fn track_update(
    before: Option<&Value>,
    after: &mut Value,
    place: &Place,
    manager: &str,
    subresource: &str,
    time: &Value,
) {
    let had = before.map(|before| fields(before, place)).unwrap_or_default();
    let has = fields(after, place);
    let changed: Fields = has
        .iter()
        .filter(|path| {
            !had.contains(*path) || before.is_none_or(|before| at(before, path) != at(after, path))
        })
        .cloned()
        .collect();
    let mut all = match before {
        // Who writes the list itself means it: kubectl does so when it takes to applying.
        Some(before) if !managers(after).is_empty() && managers(after) != managers(before) => {
            managers(after)
        }
        Some(before) => managers(before),
        None => Vec::new(),
    };
    for one in &mut all {
        one.fields
            .retain(|path| has.contains(path) && !(changed.contains(path) && one.name != manager));
    }
    if !changed.is_empty() {
        match all.iter_mut().find(|one| {
            one.name == manager && one.operation == "Update" && one.subresource == subresource
        }) {
            Some(one) => {
                one.fields.extend(changed);
                one.time = time.clone();
            }
            None => all.push(Manager {
                name: manager.to_owned(),
                operation: "Update".to_owned(),
                subresource: subresource.to_owned(),
                time: time.clone(),
                fields: changed,
            }),
        }
    }
    set_managers(after, &all);
}

/// The value at a path.
fn at<'a>(object: &'a Value, path: &[Step]) -> Option<&'a Value> {
    let mut value = object;
    for step in path {
        value = match step {
            Step::Field(name) => value.get(name)?,
            Step::Key(key) => {
                let key: Map<String, Value> = serde_json::from_str(key).ok()?;
                value.as_array()?.iter().find(|item| has_key(item, &key))?
            }
            Step::Value(text) => value.as_array()?.iter().find(|item| item.to_string() == *text)?,
        };
    }
    Some(value)
}

fn has_key(item: &Value, key: &Map<String, Value>) -> bool {
    key.iter().all(|(name, wanted)| {
        item[name] == *wanted || (item[name].is_null() && name == "protocol" && wanted == "TCP")
    })
}

/// A manager as conflicts name it: who updates says in which version.
fn describe(manager: &Manager, declared: &Value) -> String {
    let mut text = format!("\"{}\"", manager.name);
    if !manager.subresource.is_empty() {
        text.push_str(&format!(" with subresource \"{}\"", manager.subresource));
    }
    if manager.operation == "Update" {
        let version = declared["apiVersion"].as_str().unwrap_or_default();
        text.push_str(&format!(" using {version}"));
    }
    text
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) manager: String,
    pub(super) field: String,
}

/// Applies what a manager declares.
pub(super) fn apply(
    live: Option<&Value>,
    declared: &Value,
    place: &Place,
    manager: &str,
    force: bool,
    time: &Value,
) -> Result<Value, Vec<Conflict>> {
    let wanted = fields(declared, place);
    let mut all = live.map(managers).unwrap_or_default();
    let empty = json!({});
    let before = live.unwrap_or(&empty);
    let mut conflicts = Vec::new();
    for one in all.iter_mut().filter(|one| !(one.name == manager && one.operation == "Apply")) {
        let clashing: Vec<Path> = wanted
            .iter()
            .filter(|path| {
                one.fields.contains(*path)
                    && at(before, path) != at(declared, path)
                    && !matches!(path.last(), Some(Step::Key(_)))
            })
            .cloned()
            .collect();
        if force {
            one.fields.retain(|path| !clashing.contains(path));
        } else {
            conflicts.extend(
                clashing
                    .iter()
                    .map(|path| Conflict { manager: describe(one, declared), field: show(path) }),
            );
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut merged = before.clone();
    merge(&mut merged, declared, place);
    let dropped: Vec<Path> = all
        .iter()
        .filter(|one| one.name == manager && one.operation == "Apply")
        .flat_map(|one| one.fields.iter().filter(|path| !wanted.contains(*path)).cloned())
        .filter(|path| {
            !all.iter().any(|one| {
                !(one.name == manager && one.operation == "Apply")
                    && one.fields.iter().any(|other| other.starts_with(path))
            })
        })
        .collect();
    // An item goes as a whole, before its key does.
    for path in &dropped {
        let goes_with = |other: &Path| other.len() < path.len() && path.starts_with(other);
        if !dropped.iter().any(goes_with) {
            remove(&mut merged, path);
        }
    }
    all.retain(|one| !(one.name == manager && one.operation == "Apply"));
    all.insert(
        0,
        Manager {
            name: manager.to_owned(),
            operation: "Apply".to_owned(),
            subresource: String::new(),
            time: time.clone(),
            fields: wanted,
        },
    );
    set_managers(&mut merged, &all);
    Ok(merged)
}

fn show(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) => text.push_str(&format!(".{name}")),
            Step::Key(key) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let pairs: Vec<String> =
                    key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                text.push_str(&format!("[{}]", pairs.join(",")));
            }
            Step::Value(value) => text.push_str(&format!("[={value}]")),
        }
    }
    text
}

/// Merges declared fields into an object.
fn merge(target: &mut Value, declared: &Value, place: &Place) {
    for (name, value) in declared.as_object().into_iter().flatten() {
        merge_field(target, name, value, place);
    }
}

fn merge_field(target: &mut Value, name: &str, value: &Value, parent: &Place) {
    if !target.is_object() {
        *target = json!({});
    }
    match value {
        Value::Object(_) if target[name].is_object() => {
            let place = parent.field(name);
            if matches!(place, Place::Atomic) {
                target[name] = value.clone();
            } else {
                merge(&mut target[name], value, &place);
            }
        }
        Value::Array(items) if target[name].is_array() => match parent.list(name) {
            (ListType::Map(keys), place) => merge_items(&mut target[name], items, &keys, &place),
            (ListType::Set, _) => {
                if let Some(there) = target[name].as_array_mut() {
                    for item in items {
                        if !there.contains(item) {
                            there.push(item.clone());
                        }
                    }
                }
            }
            (ListType::Atomic, _) => target[name] = value.clone(),
        },
        _ => target[name] = value.clone(),
    }
}

fn merge_items(target: &mut Value, items: &[Value], keys: &[String], place: &Place) {
    let Some(there) = target.as_array_mut() else { return };
    for item in items {
        let key: Map<String, Value> =
            serde_json::from_str(&item_key(item, keys)).unwrap_or_default();
        match there.iter_mut().find(|one| has_key(one, &key)) {
            Some(one) => merge(one, item, place),
            None => there.push(item.clone()),
        }
    }
}

/// Takes away what a path leads to, and what was there for its sake alone.
fn remove(value: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    let is_empty = |value: &Value| {
        value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
    };
    match step {
        Step::Field(name) => {
            let Some(entries) = value.as_object_mut() else { return };
            let Some(inner) = entries.get_mut(name) else { return };
            remove(inner, rest);
            if rest.is_empty() || is_empty(inner) {
                entries.remove(name);
            }
        }
        Step::Key(key) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let Some(items) = value.as_array_mut() else { return };
            match items.iter_mut().find(|item| has_key(item, &key)) {
                Some(item) if !rest.is_empty() => remove(item, rest),
                _ => items.retain(|item| !has_key(item, &key)),
            }
        }
        Step::Value(text) => {
            if let Some(items) = value.as_array_mut() {
                items.retain(|item| !is_item(item, text));
            }
        }
    }
}

/// A value of a set is named by its JSON text.
fn is_item(item: &Value, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|wanted| wanted == *item)
}
