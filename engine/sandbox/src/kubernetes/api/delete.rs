//! Deleting one object, or all of a selection.

use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::body::parse;
use super::read::{self, with_revision};
use super::write::Written;
use super::{Request, Status, Target};
use crate::store::Transaction;
use crate::world::Context;

/// The options in the body of a deletion, or in an eviction.
pub(super) fn options(request: &Request) -> Result<Value, Status> {
    let body = parse(request, "DeleteOptions").map_err(Status::of_options)?;
    Ok(if body["kind"] == "Eviction" { body["deleteOptions"].clone() } else { body })
}

pub(super) fn delete_one(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    key: &str,
    request: &Request,
) -> Written {
    let collection = kind.collection(cluster);
    let name = key.rsplit('/').next().unwrap_or(key).to_owned();
    let Some(found) = transaction.get(&collection, key) else {
        return Err(Status::not_found(kind, &name));
    };
    let options = options(request)?;
    if let Some(uid) = options["preconditions"]["uid"].as_str()
        && found["metadata"]["uid"] != uid
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            found["metadata"]["uid"].as_str().unwrap_or_default()
        );
        return Err(Status::precondition(kind, &name, &why));
    }
    if kind.plural == "namespaces"
        && matches!(name.as_str(), "default" | "kube-system" | "kube-public")
    {
        return Err(Status::forbidden(kind, &name, "this namespace may not be deleted"));
    }
    let policy = request
        .get("propagationPolicy")
        .map(str::to_owned)
        .or_else(|| options["propagationPolicy"].as_str().map(str::to_owned));
    super::super::controllers::delete(
        context,
        transaction,
        cluster,
        kind.group.as_str(),
        &kind.plural,
        key,
        policy.as_deref(),
    );
    let after = transaction.get(&collection, key);
    if let Some(still) = after {
        return Ok((200, (*still).clone(), Vec::new()));
    }
    let mut details = json!({"name": name, "kind": kind.plural, "uid": found["metadata"]["uid"]});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    let gone = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    Ok((200, gone, Vec::new()))
}

pub(super) fn delete_all(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    target: &Target,
    request: &Request,
) -> Written {
    let collection = kind.collection(cluster);
    let mut deleted = Vec::new();
    for (key, value) in transaction.list(&collection) {
        if read::selected(&value, target, request)? {
            let revision = transaction.committed(&collection, &key).map(|found| found.revision);
            deleted.push(with_revision(&value, revision.unwrap_or_default()));
            super::super::controllers::delete(
                context,
                transaction,
                cluster,
                kind.group.as_str(),
                &kind.plural,
                &key,
                None,
            );
        }
    }
    let list = json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": {},
        "items": read::without_types(kind, deleted),
    });
    Ok((200, list, Vec::new()))
}
