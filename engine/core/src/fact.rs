//! What a plan relied on: (connection, kind, identity, field) → value.
//!
//! A fact is what a diff compared, an expression read, or a precondition used, after the module's
//! projection. Server-managed fields and connection details are never facts. Secrets are kept as a
//! keyed hash.

use indexmap::IndexMap;

/// The name of a fact.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct FactKey {
    /// The connection's identity, for example `aws 111122223333 ap-northeast-2`.
    pub connection: String,
    /// The module, for example `iam.role`.
    pub kind: String,
    /// The object, for example `myeks-cluster`.
    pub identity: String,
    /// Dotted path in the projection; empty for the object's presence.
    pub field: String,
}

/// A fact with its value and who read it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Fact {
    /// Its name.
    pub key: FactKey,
    /// Canonical JSON of the value; for a secret, `{"secret": "<keyed hash>"}`.
    pub value: serde_json::Value,
    /// Addresses of the tasks that read it, sorted.
    pub read_by: Vec<String>,
}

/// An object that facts are about, by the order in which it was seen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectIndex(usize);

/// What is noted of a field: its value and who read it.
type Noted = (serde_json::Value, Vec<String>);

/// Facts while they are gathered: by object, so that its long name is looked up and kept once.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    objects: IndexMap<(&'static str, String, String), ObjectIndex>,
    /// By object: few of each.
    fields: Vec<Vec<(String, Noted)>>,
}

impl Facts {
    /// The object of that name.
    pub(crate) fn object(
        &mut self,
        connection: String,
        kind: &'static str,
        identity: String,
    ) -> ObjectIndex {
        let next = ObjectIndex(self.fields.len());
        let index = *self.objects.entry((kind, identity, connection)).or_insert(next);
        if index == next {
            self.fields.push(Vec::new());
        }
        index
    }

    /// Notes who read a field; the value as it was read first.
    pub(crate) fn note(
        &mut self,
        object: ObjectIndex,
        field: &str,
        value: impl FnOnce() -> serde_json::Value,
        address: &str,
    ) {
        let Some(fields) = self.fields.get_mut(object.0) else { return };
        if let Some((_, (_, read_by))) = fields.iter_mut().find(|(name, _)| name == field) {
            // A task notes what it read in one go. Looking through all who did so before would take
            // longer with each of them.
            if read_by.last().is_none_or(|last| last != address) {
                read_by.push(address.to_owned());
            }
        } else {
            fields.push((field.to_owned(), (value(), vec![address.to_owned()])));
        }
    }

    /// All of them, by name.
    pub(crate) fn into_sorted(mut self) -> Vec<Fact> {
        let mut facts = Vec::with_capacity(self.fields.iter().map(Vec::len).sum());
        for ((kind, identity, connection), index) in self.objects {
            let fields = self.fields.get_mut(index.0).map(std::mem::take).unwrap_or_default();
            for (field, (value, mut read_by)) in fields {
                read_by.sort();
                read_by.dedup();
                let (connection, identity) = (connection.clone(), identity.clone());
                let key = FactKey { connection, kind: kind.to_owned(), identity, field };
                facts.push(Fact { key, value, read_by });
            }
        }
        facts.sort_by(|left, right| left.key.cmp(&right.key));
        facts
    }
}
