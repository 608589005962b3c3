//! Deletion with all that hangs on it, namespaces, definitions.

use serde_json::{Value, json};

use super::super::{collection, object};
use super::{Cluster, set_condition};
use crate::store::Transaction;
use crate::world::Context;

/// Deletes an object as the apiserver and the garbage collector do together.
pub(crate) fn delete(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    group: &str,
    plural: &str,
    key: &str,
    policy: Option<&str>,
) {
    let name = collection(cluster, group, plural);
    let Some(found) = transaction.get(&name, key) else { return };
    let held =
        found["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    let bound_pod = plural == "pods" && group.is_empty() && found["spec"]["nodeName"].is_string();
    if held || bound_pod {
        if !object::is_deleting(&found) {
            let mut marked = (*found).clone();
            marked["metadata"]["deletionTimestamp"] = object::timestamp(transaction);
            marked["metadata"]["deletionGracePeriodSeconds"] = json!(if bound_pod { 2 } else { 0 });
            transaction.put(&name, key, marked);
            if bound_pod {
                transaction.schedule_in(
                    2,
                    "kubernetes.gone",
                    &format!("{cluster}|{key}"),
                    Value::Null,
                );
            }
        }
        return;
    }
    transaction.delete(&name, key);
    if plural == "namespaces" && group.is_empty() {
        for inner in transaction.collections(&format!("kubernetes/{cluster}/")) {
            for (one, _) in transaction.list(&inner) {
                if one.starts_with(&format!("{key}/")) {
                    transaction.delete(&inner, &one);
                }
            }
        }
        return;
    }
    if plural == "customresourcedefinitions"
        && let Some((plural, group)) = key.split_once('.')
    {
        let custom = collection(cluster, group, plural);
        for (one, _) in transaction.list(&custom) {
            transaction.delete(&custom, &one);
        }
    }
    dependents(context, transaction, cluster, &found, policy);
}

/// Deletes or orphans what the object owns.
fn dependents(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    owner: &Value,
    policy: Option<&str>,
) {
    let uid = &owner["metadata"]["uid"];
    let prefix = format!("kubernetes/{cluster}/");
    for inner in transaction.collections(&prefix) {
        let Some((group, plural)) =
            inner.strip_prefix(&prefix).and_then(|rest| rest.rsplit_once('/'))
        else {
            continue;
        };
        let group = if group == "core" { "" } else { group };
        for (key, value) in transaction.list(&inner) {
            let owners =
                value["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            if !owners.iter().any(|one| one["uid"] == *uid) {
                continue;
            }
            if policy == Some("Orphan") {
                let mut free = (*value).clone();
                free["metadata"]["ownerReferences"] =
                    owners.into_iter().filter(|one| one["uid"] != *uid).collect();
                if free["metadata"]["ownerReferences"].as_array().is_some_and(Vec::is_empty)
                    && let Some(metadata) = free["metadata"].as_object_mut()
                {
                    metadata.remove("ownerReferences");
                }
                transaction.put(&inner, &key, free);
            } else {
                delete(context, transaction, cluster, group, plural, &key, None);
            }
        }
    }
}

/// New definitions are established a moment later.
pub(super) fn definitions(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for definition in cluster.see(transaction, "apiextensions.k8s.io", "customresourcedefinitions")
    {
        if definition["status"]["conditions"].is_array() {
            continue;
        }
        let mut seen = (*definition).clone();
        let now = object::timestamp(transaction);
        let names = seen["spec"]["names"].clone();
        seen["status"] = json!({"acceptedNames": names, "storedVersions": [seen["spec"]["versions"][0]["name"]], "conditions": []});
        set_condition(
            &mut seen["status"],
            "NamesAccepted",
            true,
            "NoConflicts",
            "no conflicts found",
            &now,
        );
        let key = object::key(&seen);
        cluster.put(transaction, "apiextensions.k8s.io", "customresourcedefinitions", seen);
        cluster.schedule(transaction, 1, "kubernetes.definition", &key);
    }
}

pub(super) fn establish(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    let Some(mut definition) =
        cluster.get(transaction, "apiextensions.k8s.io", "customresourcedefinitions", key)
    else {
        return;
    };
    let now = object::timestamp(transaction);
    set_condition(
        &mut definition["status"],
        "Established",
        true,
        "InitialNamesAccepted",
        "the initial names have been accepted",
        &now,
    );
    cluster.put(transaction, "apiextensions.k8s.io", "customresourcedefinitions", definition);
}
