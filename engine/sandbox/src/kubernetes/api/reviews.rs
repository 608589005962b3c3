//! What is posted for its answer alone: reviews of access and identity, tokens.

use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::{Request, Status, Target};
use crate::store::Transaction;

/// A token of a service account: opaque, and good for nothing here.
pub(super) fn token(transaction: &Transaction<'_>, name: &str, target: &Target) -> Value {
    let hour = jiff::SignedDuration::from_hours(1);
    let ends = transaction.now().saturating_add(hour).unwrap_or(transaction.now());
    let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let account = format!("{}:{name}", target.namespace.as_deref().unwrap_or_default());
    json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {"name": name}, "spec": {},
        "status": {"token": format!("sandbox.{account}"), "expirationTimestamp": ends}})
}

/// Who is spoken for has no rights.
pub(super) fn denied(kind: &Kind, target: &Target, request: &Request, user: &str) -> Status {
    let verb = match (request.method.as_str(), &target.name) {
        ("GET", _) if request.is("watch") => "watch",
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        (_, None) => "deletecollection",
        (_, Some(_)) => "delete",
    };
    let scope = match &target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let why = format!(
        "User \"{user}\" cannot {verb} resource \"{}\" in API group \"{}\" {scope}",
        kind.plural, kind.group
    );
    match &target.name {
        Some(name) => Status::forbidden(kind, name, &why),
        None => Status::new(403, "Forbidden", format!("{} is forbidden: {why}", kind.qualified())),
    }
}

/// The review with its status: whoever is let in may do everything, whom they speak for nothing.
pub(super) fn review(kind: &Kind, mut wanted: Value, request: &Request) -> Value {
    wanted["apiVersion"] = json!(kind.api_version());
    wanted["kind"] = json!(kind.kind);
    wanted["status"] = match kind.kind.as_str() {
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            json!({"allowed": request.impersonated.is_none()})
        }
        "SelfSubjectReview" => {
            let user = request.impersonated.as_ref().unwrap_or(&request.user);
            json!({"userInfo": {"username": user, "groups": ["system:authenticated"]}})
        }
        "SelfSubjectRulesReview" => {
            json!({"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], "nonResourceRules": [], "incomplete": false})
        }
        _ => json!({"authenticated": false}),
    };
    wanted
}
