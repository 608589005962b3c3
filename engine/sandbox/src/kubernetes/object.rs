//! An object's metadata.

use serde_json::{Value, json};

use crate::store::Transaction;
use crate::world::{Context, ids};

/// Its place in a collection: `namespace/name`, or `name`.
pub(super) fn key(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => format!("{namespace}/{name}"),
        _ => name.to_owned(),
    }
}

/// A label's value.
pub(super) fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(name)?.as_str()
}

/// Whether it is being deleted.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Whether its first owner is of that kind, and its name.
pub(super) fn owner<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["kind"] == kind)?["name"].as_str()
}

/// A reference to an object as its owner.
pub(super) fn reference(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// World time as Kubernetes writes it.
pub(super) fn timestamp(transaction: &Transaction<'_>) -> Value {
    let second =
        jiff::Timestamp::from_second(transaction.now().as_second()).unwrap_or(transaction.now());
    json!(second.to_string())
}

/// Gives a new object its identity, keeps an old one's, and raises the generation with the spec.
pub(super) fn complete(
    context: &Context,
    transaction: &Transaction<'_>,
    collection: &str,
    object: &mut Value,
    before: Option<&Value>,
) {
    let name = key(object);
    match before {
        None => {
            let born = transaction.now().to_string();
            object["metadata"]["uid"] = json!(ids::uuid(context, &[collection, &name, &born]));
            object["metadata"]["creationTimestamp"] = timestamp(transaction);
            if has_generation(object) {
                object["metadata"]["generation"] = json!(1);
            }
        }
        Some(before) => {
            for field in ["uid", "creationTimestamp"] {
                object["metadata"][field] = before["metadata"][field].clone();
            }
            for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
                if !before["metadata"][field].is_null() {
                    object["metadata"][field] = before["metadata"][field].clone();
                }
            }
            let generation = before["metadata"]["generation"].as_i64();
            if let Some(generation) = generation {
                let bare = |value: &Value| -> Value {
                    let mut bare = value.clone();
                    if let Some(entries) = bare.as_object_mut() {
                        entries.remove("metadata");
                        entries.remove("status");
                    }
                    bare
                };
                let changed = bare(object) != bare(before);
                object["metadata"]["generation"] = json!(generation + i64::from(changed));
            }
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // The revision is the store's business and is written into answers only.
        metadata.remove("resourceVersion");
        for field in ["annotations", "labels", "ownerReferences", "finalizers"] {
            let is_empty = |value: &Value| {
                value.as_object().is_some_and(serde_json::Map::is_empty)
                    || value.as_array().is_some_and(Vec::is_empty)
            };
            if metadata.get(field).is_some_and(is_empty) {
                metadata.remove(field);
            }
        }
    }
}

fn has_generation(object: &Value) -> bool {
    !object["spec"].is_null()
        && !matches!(
            object["kind"].as_str(),
            Some("Service" | "Node" | "Namespace" | "Lease" | "ServiceAccount")
        )
        || object["kind"] == "CustomResourceDefinition"
}
