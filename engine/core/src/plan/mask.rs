//! Values for storage: secrets as keyed hashes, unknown ones by their type.

use serde_json::{Value as Json, json};

use super::PlannedField;
use crate::change::FieldChange;
use crate::module::Values;
use crate::value::Value;

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
            let hash = blake3::keyed_hash(&self.0, text.as_bytes()).to_hex();
            json!({"secret": hash.as_str().get(..16).unwrap_or_default()})
        })
    }

    /// Arguments or outputs as they may be stored and shown.
    pub fn mask_all(&self, values: &Values) -> serde_json::Map<String, Json> {
        values.iter().map(|(name, value)| (name.clone(), self.mask(value))).collect()
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
