//! Kubernetes: the API of each cluster and the controllers behind it.
//!
//! Objects are documents of the world: `kubernetes/<cluster>/<group>/<plural>`, named
//! `namespace/name`. One generic path serves every kind ([`api`]); kinds are tables ([`kinds`],
//! [`schema`]) and, for custom resources, the definitions in the cluster itself. What follows from a
//! change happens in the same transaction ([`controllers`]).

pub(crate) mod addons;
mod admission;
pub(crate) mod api;
mod controllers;
mod cron;
mod defaults;
mod kinds;
mod managed_fields;
mod object;
mod patch;
mod protobuf;
mod rules;
mod schema;
mod selector;
mod serve;
mod structural;
pub(crate) mod suffer;
mod table;
mod validate;

pub(crate) use controllers::{Controllers, due, request};
pub(crate) use serve::serve;

use serde_json::{Value, json};

use crate::store::Transaction;
use crate::world::Context;

/// The collection of a kind in a cluster.
pub(crate) fn collection(cluster: &str, group: &str, plural: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    format!("kubernetes/{cluster}/{group}/{plural}")
}

/// Kinds that are built in, as `plural.group`.
pub(crate) fn built_in_kinds() -> Vec<String> {
    kinds::built_in()
        .iter()
        .map(|kind| format!("{}.{}", kind.plural, kind.group))
        .map(|name| name.trim_end_matches('.').to_owned())
        .collect()
}

/// What every new cluster holds.
pub(crate) fn bootstrap(context: &Context, transaction: &mut Transaction<'_>, cluster: &str) {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        put(context, transaction, cluster, "", "namespaces", namespace(name));
    }
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": "10.100.0.1", "clusterIPs": ["10.100.0.1"], "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}], "type": "ClusterIP", "sessionAffinity": "None"},
        "status": {"loadBalancer": {}},
    });
    put(context, transaction, cluster, "", "services", service);
    for name in ["system-node-critical", "system-cluster-critical"] {
        let value = if name == "system-node-critical" { 2_000_001_000_i64 } else { 2_000_000_000 };
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"});
        put(context, transaction, cluster, "scheduling.k8s.io", "priorityclasses", class);
    }
    let document = transaction.get("eks/cluster", cluster);
    if document.is_some_and(|document| document["bootstrapSelfManagedAddons"] == json!(true)) {
        for addon in ["vpc-cni", "kube-proxy", "coredns"] {
            addons::install(context, transaction, cluster, addon, "bootstrap", &json!({}));
        }
    }
}

fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

/// Everything of a cluster goes with it.
pub(crate) fn delete_cluster(transaction: &mut Transaction<'_>, cluster: &str) {
    for collection in transaction.collections(&format!("kubernetes/{cluster}/")) {
        for (name, _) in transaction.list(&collection) {
            transaction.delete(&collection, &name);
        }
    }
}

/// Writes an object on behalf of a controller: metadata is completed, generation follows spec.
pub(crate) fn put(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    group: &str,
    plural: &str,
    mut object: Value,
) {
    let name = object::key(&object);
    let collection = collection(cluster, group, plural);
    let before = transaction.get(&collection, &name);
    object::complete(context, transaction, &collection, &mut object, before.as_deref());
    transaction.put(&collection, &name, object);
}

/// An object, by its place.
pub(crate) fn get(
    transaction: &Transaction<'_>,
    cluster: &str,
    group: &str,
    plural: &str,
    key: &str,
) -> Option<Value> {
    transaction.get(&collection(cluster, group, plural), key).map(|value| (*value).clone())
}

/// All objects of a kind.
pub(crate) fn list(
    transaction: &Transaction<'_>,
    cluster: &str,
    group: &str,
    plural: &str,
) -> Vec<Value> {
    transaction
        .list(&collection(cluster, group, plural))
        .into_iter()
        .map(|(_, value)| (*value).clone())
        .collect()
}
