//! Nodes that go: empty ones after their pool's patience, deleted ones when they are drained.

use serde_json::{Value, json};

use super::{GROUP, is_running};
use crate::aws::ec2;
use crate::kubernetes::controllers::{Cluster, is_true, lifecycle};
use crate::kubernetes::object;
use crate::store::Transaction;

/// Claims whose emptiness is being waited out.
const EMPTYING: &str = "sandbox/emptying";
/// Claims that are being terminated.
const TERMINATING: &str = "sandbox/terminating";
/// How long a machine takes to go.
const TERMINATION_SECONDS: i64 = 35;

/// Pods that keep a node from being empty.
fn occupants(cluster: &Cluster<'_>, transaction: &Transaction<'_>, claim: &Value) -> usize {
    let node = &claim["status"]["nodeName"];
    cluster
        .see(transaction, "", "pods")
        .iter()
        .filter(|pod| {
            pod["spec"]["nodeName"] == *node
                && object::owner(pod, "DaemonSet").is_none()
                && pod["status"]["phase"] != "Succeeded"
        })
        .count()
}

/// Empty nodes are watched for as long as their pool says.
pub(super) fn watch_emptiness(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for claim in cluster.see(transaction, GROUP, "nodeclaims") {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let is_empty = is_true(&claim, "Initialized")
            && !object::is_deleting(&claim)
            && occupants(cluster, transaction, &claim) == 0;
        let key = format!("{}/{name}", cluster.name);
        if !is_empty {
            transaction.delete(EMPTYING, &key);
            continue;
        }
        if transaction.get(EMPTYING, &key).is_none() {
            let since = transaction.now().to_string();
            transaction.put(EMPTYING, &key, json!(since));
            let seconds = consolidate_after(cluster, transaction, &claim);
            cluster.schedule(transaction, seconds + 15, "karpenter.empty", &name);
        }
    }
}

fn consolidate_after(cluster: &Cluster<'_>, transaction: &Transaction<'_>, claim: &Value) -> i64 {
    let pool = object::label(claim, "karpenter.sh/nodepool")
        .and_then(|pool| cluster.get(transaction, GROUP, "nodepools", pool))
        .unwrap_or_default();
    let text = pool["spec"]["disruption"]["consolidateAfter"].as_str().unwrap_or("0s");
    let (digits, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    digits.parse::<i64>().unwrap_or(0) * factor
}

/// A node was empty long enough: its claim, itself and its machine go.
pub(in crate::kubernetes::controllers) fn empty(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    name: &str,
) {
    let Some(claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    let key = format!("{}/{name}", cluster.name);
    let Some(since) = transaction.get(EMPTYING, &key) else { return };
    let since: Option<jiff::Timestamp> = since.as_str().and_then(|text| text.parse().ok());
    let waited = since.map_or(0, |since| transaction.now().duration_since(since).as_secs());
    if waited < consolidate_after(cluster, transaction, &claim)
        || occupants(cluster, transaction, &claim) > 0
    {
        return;
    }
    transaction.delete(EMPTYING, &key);
    lifecycle::delete(cluster.context, transaction, cluster.name, GROUP, "nodeclaims", name, None);
}

/// Drains the nodes of claims that are being deleted; their machines go a moment later.
pub(super) fn terminate(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for claim in cluster.see(transaction, GROUP, "nodeclaims") {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = format!("{}/{name}", cluster.name);
        if !object::is_deleting(&claim) || transaction.get(TERMINATING, &key).is_some() {
            continue;
        }
        transaction.put(TERMINATING, &key, json!(true));
        cluster.schedule(transaction, TERMINATION_SECONDS, "karpenter.terminated", &name);
        let node = claim["status"]["nodeName"].as_str().unwrap_or_default().to_owned();
        if let Some(mut cordoned) = cluster.get(transaction, "", "nodes", &node) {
            cordoned["spec"]["unschedulable"] = json!(true);
            cluster.put(transaction, "", "nodes", cordoned);
        }
        for pod in pods_on(cluster, transaction, &node) {
            if object::owner(&pod, "DaemonSet").is_none() {
                let key = object::key(&pod);
                lifecycle::delete(
                    cluster.context,
                    transaction,
                    cluster.name,
                    "",
                    "pods",
                    &key,
                    None,
                );
            }
        }
    }
}

fn pods_on(cluster: &Cluster<'_>, transaction: &Transaction<'_>, node: &str) -> Vec<Value> {
    let all = cluster.list(transaction, "", "pods");
    all.into_iter().filter(|pod| !node.is_empty() && pod["spec"]["nodeName"] == node).collect()
}

/// The machine of a deleted claim is gone: so are its node, what ran on it, and the claim.
pub(in crate::kubernetes::controllers) fn terminated(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    name: &str,
) {
    let key = format!("{}/{name}", cluster.name);
    transaction.delete(TERMINATING, &key);
    let Some(claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    if !is_running(cluster, transaction) {
        // The next Karpenter begins again.
        return;
    }
    let provider = claim["status"]["providerID"].as_str().unwrap_or_default();
    if let Some(id) = provider.rsplit('/').next().filter(|id| !id.is_empty()) {
        transaction.delete(ec2::INSTANCES, id);
    }
    let node = claim["status"]["nodeName"].as_str().unwrap_or_default();
    for pod in pods_on(cluster, transaction, node) {
        cluster.remove(transaction, "", "pods", &object::key(&pod));
    }
    if !node.is_empty() {
        cluster.remove(transaction, "", "nodes", node);
    }
    cluster.remove(transaction, GROUP, "nodeclaims", name);
}
