//! What a trust policy says.

use serde_json::Value;

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
