//! Refusals, in the words of the apiserver.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::kinds::Kind;

/// A `Status` that is a failure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(super) fn no_path() -> Self {
        let mut status =
            Self::new(404, "NotFound", "the server could not find the requested resource");
        status.details = json!({});
        status
    }

    fn of(code: u16, reason: &'static str, kind: &Kind, name: &str, message: String) -> Self {
        let mut status = Self::new(code, reason, message);
        status.details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        if kind.group.is_empty() {
            status.details = json!({"name": name, "kind": kind.plural});
        }
        status
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::of(404, "NotFound", kind, name, format!("{} \"{name}\" not found", kind.qualified()))
    }

    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::of(
            409,
            "AlreadyExists",
            kind,
            name,
            format!("{} \"{name}\" already exists", kind.qualified()),
        )
    }

    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        Self::of(
            409,
            "Conflict",
            kind,
            name,
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified()),
        )
    }

    pub(super) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        Self::of(
            403,
            "Forbidden",
            kind,
            name,
            format!("{} \"{name}\" is forbidden: {why}", kind.qualified()),
        )
    }

    /// Invalid fields: (field, what is wrong).
    pub(super) fn invalid(kind: &Kind, name: &str, causes: &[(String, String, &str)]) -> Self {
        let full = if kind.group.is_empty() {
            kind.kind.clone()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        let mut status = Self::invalid_review(&full, causes);
        status.message = status.message.replacen("\"\"", &format!("\"{name}\""), 1);
        status.details["name"] = json!(name);
        status.details["group"] = json!(kind.group);
        status.details["kind"] = json!(kind.kind);
        status
    }

    /// Invalid fields of what is posted for its answer alone, and has no name.
    pub(super) fn invalid_review(full: &str, causes: &[(String, String, &str)]) -> Self {
        let texts: Vec<String> =
            causes.iter().map(|(field, message, _)| format!("{field}: {message}")).collect();
        let listed =
            if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let mut status = Self::new(422, "Invalid", format!("{full} \"\" is invalid: {listed}"));
        let causes: Vec<Value> = causes.iter().map(|(field, message, reason)| json!({"reason": reason, "message": message, "field": field})).collect();
        let (kind, group) = full.split_once('.').unwrap_or((full, ""));
        status.details = json!({"group": group, "kind": kind, "causes": causes});
        status
    }

    /// Fields that other managers own: (manager as it is named, field).
    pub(super) fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let message = if let [(manager, field)] = conflicts {
            format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
        } else {
            let mut by_manager: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (manager, field) in conflicts {
                by_manager.entry(manager).or_default().push(field);
            }
            let mut lines = Vec::new();
            for (manager, fields) in by_manager {
                lines.push(format!("conflicts with {manager}:"));
                lines.extend(fields.iter().map(|field| format!("- {field}")));
            }
            format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
        };
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": field}))
            .collect();
        let mut status = Self::new(409, "Conflict", message);
        status.details = json!({"causes": causes});
        status
    }

    /// A patch that does not apply; why is not said.
    pub(super) fn rejected() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// As the wire has it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}
