//! Leases: which replica of a stand-in leads, and that nodes are alive.
//!
//! A real holder renews its Lease every few seconds. Written down, that would fill the world's log
//! while hours pass in a second, and wake every watch; so a Lease is stored when its holder changes,
//! and what is read of it says when a holder that still lives would have renewed it last.

use serde_json::{Value, json};

use super::super::object;
use super::{Cluster, is_true};
use crate::store::{State, Transaction};
use crate::world::ids;

const GROUP: &str = "coordination.k8s.io";
/// Where the Leases of nodes live.
const NODES: &str = "kube-node-lease";
/// How often a holder renews.
const RENEWED_EVERY: i64 = 2;

/// The first ready pod of an application leads, until it is ready no more.
pub(super) fn elect(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    application: &str,
    name: &str,
) {
    let mut ready = cluster.see(transaction, "", "pods");
    ready.retain(|pod| {
        object::label(pod, "app.kubernetes.io/name") == Some(application)
            && is_true(pod, "Ready")
            && !object::is_deleting(pod)
    });
    let Some(first) = ready.first() else { return };
    let namespace = first["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let there = cluster.get(transaction, GROUP, "leases", &format!("{namespace}/{name}"));
    let holder = there.as_ref().and_then(holder).unwrap_or_default();
    if ready.iter().any(|pod| pod["metadata"]["name"] == holder) {
        return;
    }
    let pod = first["metadata"]["name"].as_str().unwrap_or_default();
    let session = ids::uuid(cluster.context, &["leader", cluster.name, pod]);
    let transitions = there
        .as_ref()
        .map_or(0, |lease| lease["spec"]["leaseTransitions"].as_i64().unwrap_or(0) + 1);
    let now = micro(transaction.now());
    let mut lease = there.unwrap_or_else(|| {
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": namespace}})
    });
    lease["spec"] = json!({
        "holderIdentity": format!("{pod}_{session}"), "leaseDurationSeconds": 15,
        "acquireTime": now, "renewTime": now, "leaseTransitions": transitions,
    });
    cluster.put(transaction, GROUP, "leases", lease);
}

/// Every node has a Lease, as long as it is there.
pub(super) fn nodes(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for node in cluster.see(transaction, "", "nodes") {
        let name = node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = format!("{NODES}/{name}");
        if cluster.get(transaction, GROUP, "leases", &key).is_some() {
            continue;
        }
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]});
        let now = micro(transaction.now());
        cluster.put(
            transaction,
            GROUP,
            "leases",
            json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": NODES, "ownerReferences": [owner]},
                "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now},
            }),
        );
    }
    for lease in cluster.see(transaction, GROUP, "leases") {
        let meta = &lease["metadata"];
        let name = meta["name"].as_str().unwrap_or_default().to_owned();
        if meta["namespace"] == NODES && cluster.get(transaction, "", "nodes", &name).is_none() {
            cluster.remove(transaction, GROUP, "leases", &object::key(&lease));
        }
    }
}

/// The pod that holds a Lease.
fn holder(lease: &Value) -> Option<String> {
    let identity = lease["spec"]["holderIdentity"].as_str()?;
    Some(identity.split_once('_').map_or(identity, |(pod, _)| pod).to_owned())
}

fn micro(at: jiff::Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

/// What is read of a Lease: renewed just now, when one of ours holds it and lives.
pub(crate) fn renewed(state: &State, cluster: &str, lease: &mut Value, now: jiff::Timestamp) {
    let namespace = lease["metadata"]["namespace"].as_str().unwrap_or_default();
    let Some(holder) = holder(lease) else { return };
    let lives = if namespace == NODES {
        state.get(&super::super::collection(cluster, "", "nodes"), &holder).is_some()
    } else {
        let pods = super::super::collection(cluster, "", "pods");
        let pod = state.get(&pods, &format!("{namespace}/{holder}"));
        pod.is_some_and(|pod| is_true(&pod.value, "Ready") && !object::is_deleting(&pod.value))
    };
    let second = now.as_second() - now.as_second().rem_euclid(RENEWED_EVERY);
    let last = jiff::Timestamp::from_second(second).unwrap_or(now);
    let stored: Option<jiff::Timestamp> =
        lease["spec"]["renewTime"].as_str().and_then(|text| text.parse().ok());
    if lives && stored.is_none_or(|stored| stored < last) {
        lease["spec"]["renewTime"] = micro(last);
    }
}
