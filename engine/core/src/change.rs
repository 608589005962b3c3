//! What applying a task would do to the world.

use crate::value::Value;

/// What a module does to one object.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: the diff is empty and the object has converged.
    None,
    /// Nothing to write; wait until the object has converged.
    Wait,
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Delete it and make it anew.
    Replace,
    /// Delete it.
    Delete,
}

impl Action {
    /// Whether carrying it out sends a write.
    pub fn writes(self) -> bool {
        !matches!(self, Self::None | Self::Wait)
    }

    /// Whether it wants `--allow-destroy`.
    pub fn destroys(self) -> bool {
        matches!(self, Self::Replace | Self::Delete)
    }
}

/// One field that changes. Secrets stay secret here; rendering masks them.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// Dotted path in the module's projection, for example `trust` or `tags.team`.
    pub path: String,
    /// What is there; `None` where the field is absent.
    pub before: Option<Value>,
    /// What shall be there; `None` where the field is to be removed. May be unknown.
    pub after: Option<Value>,
    /// Why this field cannot be changed in place.
    pub forces_replace: Option<String>,
}

/// What a module would do, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The kind of change.
    pub action: Action,
    /// The fields that change, sorted by path.
    pub fields: Vec<FieldChange>,
    /// Reasons beyond the fields ("2 of 2 pods are not on Fargate nodes").
    pub reasons: Vec<String>,
}

impl Change {
    /// No change.
    pub fn none() -> Self {
        Self { action: Action::None, fields: Vec::new(), reasons: Vec::new() }
    }

    /// A change of that kind without fields.
    pub fn of(action: Action) -> Self {
        Self { action, fields: Vec::new(), reasons: Vec::new() }
    }
}
