//! Karpenter's leader: one of its ready pods holds the Lease `karpenter-leader-election`.
//!
//! It is taken when there is none, or when its holder is gone. It is not renewed every other
//! second, which would fill the world's log with nothing.

use serde_json::{Value, json};

use super::super::object;
use super::Cluster;
use super::workloads::is_ready;
use crate::store::Transaction;

/// The Lease that Karpenter's replicas compete for.
const LEASE: &str = "karpenter-leader-election";

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    let ready: Vec<(String, String)> = cluster
        .list(transaction, "", "pods")
        .iter()
        .filter(|pod| object::label(pod, "app.kubernetes.io/name") == Some("karpenter"))
        .filter(|pod| is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| (text(pod, "namespace"), text(pod, "name")))
        .collect();
    let Some((namespace, name)) = ready.first() else { return };
    let key = format!("{namespace}/{LEASE}");
    let lease = cluster.get(transaction, "coordination.k8s.io", "leases", &key);
    let holder = lease.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str());
    if holder.is_some_and(|holder| ready.iter().any(|(_, pod)| pod == holder)) {
        return;
    }
    let transitions = lease
        .as_ref()
        .map_or(0, |lease| lease["spec"]["leaseTransitions"].as_i64().unwrap_or(0) + 1);
    let now = transaction.now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let mut taken = lease.unwrap_or_else(|| {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": LEASE, "namespace": namespace},
        })
    });
    taken["spec"] = json!({
        "holderIdentity": name, "leaseDurationSeconds": 15, "acquireTime": now,
        "renewTime": now, "leaseTransitions": transitions,
    });
    cluster.put(transaction, "coordination.k8s.io", "leases", taken);
}

fn text(pod: &Value, field: &str) -> String {
    pod["metadata"][field].as_str().unwrap_or_default().to_owned()
}
