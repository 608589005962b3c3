//! What is posted for its answer alone: reviews of access and identity, tokens.

use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::{Request, Target};
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

/// The review with its status: whoever is let in may do everything.
pub(super) fn review(kind: &Kind, mut wanted: Value, request: &Request) -> Value {
    wanted["apiVersion"] = json!(kind.api_version());
    wanted["kind"] = json!(kind.kind);
    wanted["status"] = match kind.kind.as_str() {
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            json!({"allowed": true})
        }
        "SelfSubjectReview" => {
            json!({"userInfo": {"username": request.user, "groups": ["system:authenticated"]}})
        }
        "SelfSubjectRulesReview" => {
            json!({"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], "nonResourceRules": [], "incomplete": false})
        }
        _ => json!({"authenticated": false}),
    };
    wanted
}
