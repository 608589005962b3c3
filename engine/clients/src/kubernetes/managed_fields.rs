//! Who owns which field: `metadata.managedFields`, read into trees of paths.
//!
//! The server notes for each manager the fields that it has set, as a tree whose keys say what a
//! step of a path is: `f:` a field, `k:` an item of a list by its keys, `v:` a member of a set, `i:`
//! an item by its position, `.` the thing itself. The union over all managers therefore also tells
//! how the server understands each list, which the object alone does not.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field.
    Field(String),
    /// The item of a list with these keys, each as JSON text.
    Keys(BTreeMap<String, String>),
    /// A member of a set, as JSON text.
    Member(String),
    /// An item by its position.
    Index(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if name.contains(['.', '/']) => write!(formatter, "[\"{name}\"]"),
            Self::Field(name) => write!(formatter, ".{name}"),
            Self::Keys(keys) => {
                formatter.write_str("[")?;
                for (position, (key, value)) in keys.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(formatter, "{comma}{key}={value}")?;
                }
                formatter.write_str("]")
            }
            Self::Member(value) => write!(formatter, "[={value}]"),
            Self::Index(position) => write!(formatter, "[{position}]"),
        }
    }
}

/// A tree of owned fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whether the thing itself is owned, besides what is in it.
    pub itself: bool,
    /// What is in it.
    pub children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// From `fieldsV1`. Steps of a form that is not known are left out.
    pub fn from_fields_v1(fields: &Value) -> Self {
        let mut set = Self::default();
        for (key, value) in fields.as_object().into_iter().flatten() {
            if key == "." {
                set.itself = true;
            } else if let Some(step) = step(key) {
                set.children.insert(step, Self::from_fields_v1(value));
            }
        }
        set
    }

    /// Whether there is nothing in it.
    pub fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    /// What is owned below a step.
    pub fn child(&self, step: &Step) -> Option<&Self> {
        self.children.get(step)
    }

    /// What is owned below a path.
    pub fn at(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |set, step| set.child(step))
    }

    /// Both together.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.itself |= other.itself;
        for (step, theirs) in &other.children {
            let ours = self.children.remove(step).unwrap_or_default();
            self.children.insert(step.clone(), ours.union(theirs));
        }
        self
    }

    /// The names of the keys by which the items of this list are told apart; empty when its items
    /// have none.
    pub(crate) fn item_keys(&self) -> Vec<&BTreeMap<String, String>> {
        self.children
            .keys()
            .filter_map(|step| match step {
                Step::Keys(keys) => Some(keys),
                _ => None,
            })
            .collect()
    }

    /// Whether this list is a set.
    pub(crate) fn is_set(&self) -> bool {
        self.children.keys().any(|step| matches!(step, Step::Member(_)))
    }
}

fn step(key: &str) -> Option<Step> {
    let (kind, rest) = key.split_once(':')?;
    match kind {
        "f" => Some(Step::Field(rest.to_owned())),
        "k" => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
            let keys = keys.into_iter().map(|(name, value)| (name, value.to_string()));
            Some(Step::Keys(keys.collect()))
        }
        // Through a value and back, so that the same member is always the same text.
        "v" => Some(Step::Member(serde_json::from_str::<Value>(rest).ok()?.to_string())),
        "i" => rest.parse().ok().map(Step::Index),
        _ => None,
    }
}

/// A manager of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The subresource that it wrote through; empty for the object itself.
    pub subresource: String,
    /// What it owns.
    pub fields: FieldSet,
}

/// All managers of an object.
pub fn managers(object: &Value) -> Vec<Manager> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let text =
                |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Manager {
                name: text("manager"),
                operation: text("operation"),
                subresource: text("subresource"),
                fields: entry.get("fieldsV1").map(FieldSet::from_fields_v1).unwrap_or_default(),
            }
        })
        .collect()
}

/// What a manager owns through server-side apply, over all versions of the API that it used.
pub fn applied_by(object: &Value, manager: &str) -> FieldSet {
    managers(object)
        .iter()
        .filter(|one| one.name == manager && one.operation == "Apply" && one.subresource.is_empty())
        .fold(FieldSet::default(), |set, one| set.union(&one.fields))
}

/// What is owned by anyone.
pub fn owned_by_anyone(object: &Value) -> FieldSet {
    managers(object).iter().fold(FieldSet::default(), |set, one| set.union(&one.fields))
}

/// The other managers that own exactly this field (or something in it), as the server would name
/// them in a conflict: `"eks" using apps/v1` is told here as `eks (Update)`.
pub fn other_owners(object: &Value, path: &[Step], manager: &str) -> Vec<String> {
    let mut owners: Vec<String> = managers(object)
        .into_iter()
        .filter(|one| one.name != manager && one.fields.at(path).is_some())
        .map(|one| format!("{} ({})", one.name, one.operation))
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

/// A path as a person reads it: `.spec.template.spec.containers[name="coredns"].image`.
pub fn display(path: &[Step]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_every_kind_of_step() {
        let set = FieldSet::from_fields_v1(&json!({
            "f:metadata": {"f:labels": {".": {}, "f:app.kubernetes.io/name": {}},
                           "f:finalizers": {"v:\"a\"": {}}},
            "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
                       "f:list": {"i:0": {}}},
            "x:unknown": {},
        }));
        let field = |name: &str| Step::Field(name.to_owned());
        let labels = set.at(&[field("metadata"), field("labels")]).unwrap();
        assert!(labels.itself);
        assert!(labels.child(&field("app.kubernetes.io/name")).unwrap().is_leaf());
        assert!(set.at(&[field("metadata"), field("finalizers")]).unwrap().is_set());
        let ports = set.at(&[field("spec"), field("ports")]).unwrap();
        let keys = ports.item_keys();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0]["port"], "80");
        assert_eq!(keys[0]["protocol"], "\"TCP\"");
        assert_eq!(set.children.len(), 2);
    }

    #[test]
    fn says_who_applied_what() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "runbook", "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}},
            {"manager": "runbook", "operation": "Update", "fieldsV1": {"f:spec": {"f:b": {}}}},
            {"manager": "eks", "operation": "Apply", "fieldsV1": {"f:spec": {"f:c": {}}}},
            {"manager": "kubelet", "operation": "Update", "subresource": "status",
             "fieldsV1": {"f:status": {"f:d": {}}}},
        ]}});
        let field = |name: &str| Step::Field(name.to_owned());
        let ours = applied_by(&object, "runbook");
        assert!(ours.at(&[field("spec"), field("a")]).is_some());
        assert!(ours.at(&[field("spec"), field("b")]).is_none());
        let path = [field("spec"), field("c")];
        assert_eq!(other_owners(&object, &path, "runbook"), ["eks (Apply)"]);
        assert_eq!(display(&path), ".spec.c");
        assert!(owned_by_anyone(&object).at(&[field("status"), field("d")]).is_some());
    }
}
