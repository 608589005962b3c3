//! What a plan relied on: (connection, kind, identity, field) → value.
//!
//! A fact is what a diff compared, an expression read, or a precondition used, after the module's
//! projection. Server-managed fields and connection details are never facts. Secrets are kept as a
//! keyed hash.

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
