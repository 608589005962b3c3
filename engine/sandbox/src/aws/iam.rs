//! IAM: roles, policies with versions, OIDC providers, service-linked roles.
//!
//! Documents are answered percent-encoded, as IAM does. A role is not usable at once: consumers ask
//! [`usable`], which is false for some seconds of world time after its creation.

mod policies;
mod providers;
mod roles;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::tags::{self, Tags};
use super::{AwsError, Input};
use crate::store::Transaction;
use crate::world::Context;

pub(crate) const ROLES: &str = "iam/role";
pub(crate) const POLICIES: &str = "iam/policy";
pub(crate) const PROVIDERS: &str = "iam/oidc-provider";
/// Seconds until a new role is known everywhere.
const PROPAGATION_SECONDS: i64 = 8;

/// A role.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    pub(crate) attached: Vec<String>,
    pub(crate) inline: std::collections::BTreeMap<String, String>,
    pub(crate) tags: Tags,
}

/// A customer-managed policy.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) default: u32,
    pub(crate) last: u32,
    pub(crate) versions: std::collections::BTreeMap<u32, String>,
    pub(crate) tags: Tags,
}

/// A role of that ARN, when a service can see it already.
pub(crate) fn usable(transaction: &Transaction<'_>, arn: &str) -> Option<Role> {
    let role: Role = transaction.get_as(ROLES, arn.rsplit('/').next()?)?;
    let age = transaction.now().duration_since(role.created).as_secs();
    (role.arn == arn && age >= PROPAGATION_SECONDS).then_some(role)
}

pub(super) fn call(context: &Context, transaction: &mut Transaction<'_>, name: &str, input: &Input) -> Result<Value, AwsError> {
    if let Some(answer) = roles::call(context, transaction, name, input) {
        return answer;
    }
    if let Some(answer) = policies::call(context, transaction, name, input) {
        return answer;
    }
    if let Some(answer) = providers::call(context, transaction, name, input) {
        return answer;
    }
    Err(AwsError::unknown_operation("iam", name))
}

fn encoded(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

fn missing(what: &str) -> AwsError {
    AwsError::new(404, "NoSuchEntity", what)
}

fn exists(what: String) -> AwsError {
    AwsError::new(409, "EntityAlreadyExists", what)
}

/// A policy document must be JSON with statements.
fn check_document(text: &str) -> Result<(), AwsError> {
    let malformed = |why: &str| Err(AwsError::bad("MalformedPolicyDocument", why));
    let Ok(document) = serde_json::from_str::<Value>(text) else { return malformed("Syntax errors in policy.") };
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        Value::Object(_) => vec![document["Statement"].clone()],
        _ => return malformed("Missing required field Statement"),
    };
    if statements.iter().any(|one| !matches!(one["Effect"].as_str(), Some("Allow" | "Deny"))) {
        return malformed("Statement's Effect must be Allow or Deny");
    }
    if statements.iter().any(|one| one["Action"].is_null() && one["NotAction"].is_null()) {
        return malformed("Policy statement must contain actions.");
    }
    Ok(())
}

/// A page of a list: `Marker` and `IsTruncated`, by `MaxItems`.
fn page(input: &Input, name: &str, items: Vec<Value>) -> Value {
    let start: usize = input.text("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
    let most: usize = input.text("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(100);
    let total = items.len();
    let page: Vec<Value> = items.into_iter().skip(start).take(most).collect();
    let next = start + page.len();
    let mut answer = json!({"IsTruncated": next < total});
    answer[name] = page.into();
    if next < total {
        answer["Marker"] = json!(next.to_string());
    }
    answer
}

fn tag_list(input: &Input) -> Tags {
    tags::from_query(input, "Tags.member")
}
