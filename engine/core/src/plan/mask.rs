//! Values for storage: secrets as keyed hashes, unknown ones by their type.

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::PlannedField;
use crate::change::{Action, Change, FieldChange};
use crate::digest::hex;
use crate::module::Values;
use crate::value::Value;

/// Bytes of a task's outputs, about.
const TYPICAL: usize = 128;

/// The key with which secrets are hashed; it lives beside the journal, in a file of mode 0600.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A value as it may be stored and shown.
    pub fn mask(&self, value: &Value) -> Json {
        value.to_json_with(&|secret| {
            let text = secret.to_json_exposing().to_string();
            json!({"secret": hex(&blake3::keyed_hash(&self.0, text.as_bytes()), 16)})
        })
    }

    /// Arguments or outputs as they may be stored and shown.
    pub fn mask_all(&self, values: &Values) -> serde_json::Map<String, Json> {
        values.iter().map(|(name, value)| (name.clone(), self.mask(value))).collect()
    }

    /// The JSON of outputs, masked.
    pub(crate) fn text_of(&self, values: &Values) -> String {
        let mut bytes = Vec::with_capacity(TYPICAL);
        let shown = values.iter().map(|(name, value)| (name, self.shown(value)));
        let written = serde_json::Serializer::new(&mut bytes).collect_map(shown);
        // Maps with text keys, texts and numbers: this cannot fail.
        written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The JSON of a change, masked. Its digest is a part of the token: keys stand in the order of
    /// the alphabet, as those of a map would.
    pub(crate) fn text_of_change(&self, change: &Change) -> String {
        let fields = change.fields.iter().map(|field| ShownField {
            after: field.after.as_ref().map(|value| self.shown(value)),
            before: field.before.as_ref().map(|value| self.shown(value)),
            forces_replace: field.forces_replace.as_deref(),
            path: &field.path,
        });
        let shown = ShownChange {
            action: change.action,
            fields: fields.collect(),
            reasons: &change.reasons,
        };
        // As above.
        serde_json::to_string(&shown).unwrap_or_default()
    }

    fn shown<'a>(&'a self, value: &'a Value) -> Shown<'a> {
        Shown { key: self, value }
    }

    /// A change's field as it may be stored and shown.
    pub fn mask_field(&self, field: &FieldChange) -> PlannedField {
        PlannedField {
            path: field.path.clone(),
            before: field.before.as_ref().map(|value| self.mask(value)),
            after: field.after.as_ref().map(|value| self.mask(value)),
            forces_replace: field.forces_replace.clone(),
        }
    }
}

#[derive(Serialize)]
struct ShownChange<'a> {
    action: Action,
    fields: Vec<ShownField<'a>>,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct ShownField<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forces_replace: Option<&'a str>,
    path: &'a str,
}

/// A value that is masked while it is written.
struct Shown<'a> {
    key: &'a SecretKey,
    value: &'a Value,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Number(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::List(items) => {
                serializer.collect_seq(items.iter().map(|item| self.key.shown(item)))
            }
            Value::Map(entries) => serializer
                .collect_map(entries.iter().map(|(name, value)| (name, self.key.shown(value)))),
            Value::Unknown(_) | Value::Secret(_) => self.key.mask(self.value).serialize(serializer),
        }
    }
}
