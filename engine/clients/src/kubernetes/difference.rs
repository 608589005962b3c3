//! What server-side apply would change, found by reading only.
//!
//! The declared fields are compared with the live object; a field that nobody declared is the
//! business of whoever set it. Lists are compared as the server understands them, which
//! `managedFields` tells: items by their keys, sets by their members, everything else as a whole,
//! in order. What we applied once and declare no longer is to be removed.
//!
//! The server may store a value in another form than it was declared in: quantities
//! (`0.5` → `500m`), numbers, `stringData`. Those are no difference. A manifest's `null` and its
//! empty maps and lists ask for nothing when the field is not there. Nor is a declared `false`, `0`
//! or `""` a difference that the server has left out of what it stores, as it does where such a
//! value means the same as none: it is noted as ours although it is not there.
//!
//! This needs `get` only. What it cannot see is what defaulting and admission webhooks would add;
//! those are not declared, so they are no difference either.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::managed_fields::{FieldSet, Step, applied_by, display, other_owners, owned_by_anyone};
use super::quantity;

/// The parts of `metadata` that a manifest may declare; the rest names the object or is the
/// server's.
const DECLARABLE_METADATA: [&str; 4] = ["annotations", "finalizers", "labels", "ownerReferences"];
/// Fields whose values are quantities.
const QUANTITIES: [&str; 9] = [
    "requests",
    "limits",
    "capacity",
    "allocatable",
    "hard",
    "overhead",
    "sizeLimit",
    "divisor",
    "memoryLimit",
];

/// One field that would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where: `.spec.template.spec.containers[name="coredns"].image`.
    pub path: String,
    /// What is there; `None` when nothing is.
    pub before: Option<Value>,
    /// What is declared; `None` when it would be removed.
    pub after: Option<Value>,
    /// The other managers that own it: setting it needs `force`, unless the value is the same.
    pub owners: Vec<String>,
}

/// All declared fields, compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compared {
    /// The fields that would change.
    pub different: Vec<Difference>,
    /// The fields that would not, by their place, with what is there.
    pub equal: BTreeMap<String, Value>,
}

/// What an apply of `declared` by `manager` would change in `live`.
pub fn difference(declared: &Value, live: &Value, manager: &str) -> Vec<Difference> {
    compare(declared, live, manager).different
}

/// What an apply of `declared` by `manager` would change in `live`, and what it would not.
pub fn compare(declared: &Value, live: &Value, manager: &str) -> Compared {
    let declared = stored_form(declared);
    let guide = owned_by_anyone(live);
    let ours = applied_by(live, manager);
    let found = Compared::default();
    let mut comparison = Comparison { live_object: live, manager, ours: &ours, found };
    for (name, want) in declared.as_object().into_iter().flatten() {
        let step = Step::Field(name.clone());
        let below = guide.child(&step);
        match name.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                for name in DECLARABLE_METADATA {
                    let Some(want) = want.get(name) else { continue };
                    let inner = Step::Field(name.to_owned());
                    let below = below.and_then(|set| set.child(&inner));
                    let have = live.pointer("/metadata").and_then(|it| it.get(name));
                    comparison.field(&[step.clone(), inner], want, have, below);
                }
            }
            _ => comparison.field(&[step], want, live.get(name), below),
        }
    }
    comparison.removed(&ours, Some(&declared), Some(live), &mut Vec::new());
    comparison.found
}

/// Whether a declared value of the field at `path` is what is there, which the server may have
/// written in another form and filled in.
pub fn is_same(path: &[Step], declared: &Value, live: &Value) -> bool {
    same_whole(path, declared, live)
}

/// A manifest as the server stores it: a Secret's `stringData` goes into `data`.
fn stored_form(declared: &Value) -> Value {
    let mut stored = declared.clone();
    let is_secret = declared.get("kind").is_some_and(|kind| kind == "Secret");
    if let Some(fields) = stored.as_object_mut().filter(|_| is_secret)
        && let Some(Value::Object(texts)) = fields.remove("stringData")
    {
        let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(data) = data {
            for (name, text) in texts {
                let text = text.as_str().unwrap_or_default();
                data.insert(name, STANDARD.encode(text).into());
            }
        }
    }
    stored
}

struct Comparison<'a> {
    live_object: &'a Value,
    manager: &'a str,
    /// What the manager has applied before.
    ours: &'a FieldSet,
    found: Compared,
}

impl Comparison<'_> {
    fn field(
        &mut self,
        path: &[Step],
        want: &Value,
        have: Option<&Value>,
        guide: Option<&FieldSet>,
    ) {
        match (want, have) {
            (Value::Null, _) => {}
            (Value::Object(fields), None) if fields.is_empty() => {}
            (Value::Array(items), None) if items.is_empty() => {}
            (want, None) if is_zero(want) && self.ours.at(path).is_some() => {}
            (Value::Object(want), Some(Value::Object(have))) => {
                for (name, want) in want {
                    let step = Step::Field(name.clone());
                    let below = guide.and_then(|set| set.child(&step));
                    self.field(&joined(path, step), want, have.get(name), below);
                }
            }
            (Value::Array(want), Some(Value::Array(have))) => {
                self.list(path, want, have, guide);
            }
            (want, Some(have)) if same_value(path, want, have) => self.equal(path, have),
            (want, have) => self.note(path, have, Some(want)),
        }
    }

    fn list(&mut self, path: &[Step], want: &[Value], have: &[Value], guide: Option<&FieldSet>) {
        let item_keys = guide.map(FieldSet::item_keys).unwrap_or_default();
        if let Some(names) = item_keys.first().map(|keys| keys.keys().collect::<Vec<_>>()) {
            for item in want {
                let found = have.iter().find(|one| same_item(&names, item, one));
                let step = Step::Keys(keys_of(&names, found.unwrap_or(item)));
                let below = guide.and_then(|set| set.child(&step));
                self.field(&joined(path, step), item, found, below);
            }
        } else if guide.is_some_and(FieldSet::is_set) {
            for member in want {
                let path = joined(path, Step::Member(member.to_string()));
                if have.contains(member) {
                    self.equal(&path, member);
                } else {
                    self.note(&path, None, Some(member));
                }
            }
        } else if want.len() != have.len()
            || !want.iter().zip(have).all(|(want, have)| same_whole(path, want, have))
        {
            self.note(path, Some(&Value::Array(have.to_vec())), Some(&Value::Array(want.to_vec())));
        } else {
            self.equal(path, &Value::Array(have.to_vec()));
        }
    }

    fn equal(&mut self, path: &[Step], live: &Value) {
        self.found.equal.insert(display(path), live.clone());
    }

    /// What is in `owned` and in the live object, and not declared any more.
    fn removed(
        &mut self,
        owned: &FieldSet,
        declared: Option<&Value>,
        live: Option<&Value>,
        path: &mut Vec<Step>,
    ) {
        for (step, below) in &owned.children {
            let Some(live) = live.and_then(|live| enter(live, step, Missing::IsNotThere)) else {
                continue;
            };
            let declared =
                declared.and_then(|declared| enter(declared, step, Missing::IsDefaulted));
            path.push(step.clone());
            // An item of a list goes as a whole; of a map only what was ours.
            let whole = below.is_leaf() || (below.itself && matches!(step, Step::Keys(_)));
            match declared {
                None if whole => self.note(path, Some(live), None),
                Some(_) if below.is_leaf() => {}
                declared => self.removed(below, declared, Some(live), path),
            }
            path.pop();
        }
    }

    fn note(&mut self, path: &[Step], before: Option<&Value>, after: Option<&Value>) {
        self.found.different.push(Difference {
            path: display(path),
            before: before.cloned(),
            after: after.cloned(),
            owners: other_owners(self.live_object, path, self.manager),
        });
    }
}

/// What a key that an item does not have means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The item is another one.
    IsNotThere,
    /// The server has filled it in: a port's protocol.
    IsDefaulted,
}

fn enter<'a>(value: &'a Value, step: &Step, missing: Missing) -> Option<&'a Value> {
    match step {
        Step::Field(name) => value.get(name).filter(|value| !value.is_null()),
        Step::Index(position) => value.get(position),
        Step::Member(member) => value.as_array()?.iter().find(|one| json_text(one) == *member),
        Step::Keys(keys) => value.as_array()?.iter().find(|item| {
            keys.iter().all(|(name, value)| match item.get(name) {
                Some(have) => json_text(have) == *value,
                None => missing == Missing::IsDefaulted,
            })
        }),
    }
}

/// A value as the steps of a path write it.
fn json_text(value: &Value) -> String {
    value.to_string()
}

/// Whether a live item is the declared one: every key that is declared is equal.
fn same_item(names: &[&String], want: &Value, have: &Value) -> bool {
    names.iter().all(|name| match (want.get(*name), have.get(*name)) {
        (Some(want), Some(have)) => want == have,
        (None, _) => true,
        (Some(_), None) => false,
    })
}

fn keys_of(names: &[&String], item: &Value) -> BTreeMap<String, String> {
    names.iter().filter_map(|name| Some(((*name).clone(), item.get(*name)?.to_string()))).collect()
}

/// Whether an item of a list without keys is the declared one; fields in it that were not declared
/// were filled in by the server.
fn same_whole(path: &[Step], want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => want.iter().all(|(name, want)| {
            let path = joined(path, Step::Field(name.clone()));
            match have.get(name) {
                Some(have) => same_whole(&path, want, have),
                None => is_nothing(want) || is_zero(want),
            }
        }),
        (Value::Array(want), Value::Array(have)) => {
            want.len() == have.len()
                && want.iter().zip(have).all(|(want, have)| same_whole(path, want, have))
        }
        (want, have) => same_value(path, want, have),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// What a server leaves out when it means the same as none.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn same_value(path: &[Step], want: &Value, have: &Value) -> bool {
    if want == have {
        return true;
    }
    if let (Value::Number(want), Value::Number(have)) = (want, have) {
        return want.as_f64() == have.as_f64();
    }
    holds_quantities(path)
        && quantity_text(want)
            .zip(quantity_text(have))
            .is_some_and(|(want, have)| quantity::same(&want, &have))
}

fn holds_quantities(path: &[Step]) -> bool {
    path.iter()
        .rev()
        .take(2)
        .any(|step| matches!(step, Step::Field(name) if QUANTITIES.contains(&name.as_str())))
}

fn quantity_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn joined(path: &[Step], step: Step) -> Vec<Step> {
    let mut joined = path.to_vec();
    joined.push(step);
    joined
}

#[cfg(test)]
mod tests;
