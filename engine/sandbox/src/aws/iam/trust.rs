//! What a trust policy says.

use serde_json::{Map, Value};

use super::simulate::{is_like, is_met, many};
use crate::aws::Refusal;

/// Whether a role's trust policy lets a principal of the account assume it.
pub(crate) fn allows_principal(trust: &str, principal: &str, account: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(trust) else { return false };
    let root = format!("arn:aws:iam::{account}:root");
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        one => vec![one.clone()],
    };
    let names = |value: &Value| match value {
        Value::String(one) => one == principal || *one == root || one == account || one == "*",
        Value::Array(many) => {
            many.iter().filter_map(Value::as_str).any(|one| one == principal || one == root)
        }
        _ => false,
    };
    statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && (names(&statement["Principal"]) || names(&statement["Principal"]["AWS"]))
    })
}

/// Whether a role's trust policy lets a federated principal take it by that action, with what its
/// token says as the context of the conditions.
pub(crate) fn allows_federated(
    trust: &str,
    provider: &str,
    action: &str,
    context: &Map<String, Value>,
) -> Result<bool, Refusal> {
    let Ok(document) = serde_json::from_str::<Value>(trust) else { return Ok(false) };
    let mut is_allowed = false;
    for statement in many(&document["Statement"]) {
        let names = |value: &Value, wanted: &str| {
            many(value).into_iter().filter_map(Value::as_str).any(|one| is_like(one, wanted))
        };
        if names(&statement["Principal"]["Federated"], provider)
            && names(&statement["Action"], action)
            && is_met(&statement["Condition"], context, &mut Vec::new())?
        {
            if statement["Effect"] == "Deny" {
                return Ok(false);
            }
            is_allowed = true;
        }
    }
    Ok(is_allowed)
}
