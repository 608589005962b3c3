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

    /// What the router itself refuses has details, and nothing in them.
    pub(super) fn with_no_details(mut self) -> Self {
        self.details = json!({});
        self
    }

    pub(super) fn no_method() -> Self {
        let why = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", why).with_no_details()
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

    /// A precondition of a deletion does not hold.
    pub(super) fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let full = Self::full(kind);
        let mut status = Self::conflict(kind, name, why);
        status.message = format!("Operation cannot be fulfilled on {full} \"{name}\": {why}");
        status.details["kind"] = json!(kind.kind);
        status
    }

    /// Options of a deletion that cannot be read: of them it is not said where they are from.
    pub(super) fn of_options(mut self) -> Self {
        if let Some((_, rest)) = self.message.split_once("(must be of type DeleteOptions): ") {
            let why = rest.rsplit_once(" (").map_or(rest, |(why, _)| why);
            self.message = why.to_owned();
        }
        self
    }

    fn full(kind: &Kind) -> String {
        if kind.group.is_empty() {
            kind.kind.clone()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        }
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

    /// The same of all objects of a kind.
    pub(super) fn forbidden_all(kind: &Kind, why: &str) -> Self {
        let message = format!("{} is forbidden: {why}", kind.qualified());
        let mut status = Self::new(403, "Forbidden", message);
        status.details = json!({"kind": kind.plural});
        if !kind.group.is_empty() {
            status.details["group"] = json!(kind.group);
        }
        status
    }

    /// Invalid fields: (field, what is wrong).
    pub(super) fn invalid(kind: &Kind, name: &str, causes: &[(String, String, &str)]) -> Self {
        let mut status = Self::invalid_review(&Self::full(kind), causes);
        status.message = status.message.replacen("\"\"", &format!("\"{name}\""), 1);
        if !name.is_empty() {
            status.details["name"] = json!(name);
        }
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
        status.details = json!({"kind": kind, "causes": causes});
        if !group.is_empty() {
            status.details["group"] = json!(group);
        }
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
        Self::new(422, "Invalid", message).with_no_details()
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// As the wire has it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            body["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}
