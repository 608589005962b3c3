//! Looks at a cluster. One of them, kept as an inventory: everything downstream runs from it, offline.
//!
//! An inventory is one JSON document of kind `Inventory`: from where and when, and under `items` the
//! cluster's objects as far as they bear on cost (nodes, pods, what owns and scales pods, what Karpenter
//! may launch). What a workload is told (its environment, commands, probes) does not, and may hold
//! secrets: it is left out before anything is written ([`bare`]), and so are annotations that nobody
//! here reads. A kind that may not be read is listed
//! under `missing`, so that nobody takes its absence for a fact.
//!
//! A [`Looker`] looks again and again, for the store of samples; [`Inventory::observed`] is what one
//! inventory says was there.

mod account;
mod bare;
mod look;
mod object;
mod series;
#[cfg(test)]
mod tests;
mod watch;

use jiff::Timestamp;
use runbook_capacity::manifest::INVENTORY_VERSION;
use runbook_clients::Error;
use runbook_clients::kubernetes::{Connection, Kind, Selection};
use serde::Serialize;
use serde_json::Value;

pub use look::{InventoryError, Looker, observed_of_inventory};
pub use object::Annotations;
pub use series::{Mark, Series, Step, Told, poll, watch};

/// What is read, in this order: apiVersion, kind, whether there is no inventory without it.
const KINDS: &[(&str, &str, bool)] = &[
    ("v1", "Namespace", false),
    ("v1", "Node", true),
    ("karpenter.sh/v1", "NodePool", false),
    ("karpenter.k8s.aws/v1", "EC2NodeClass", false),
    ("karpenter.sh/v1", "NodeClaim", false),
    ("apps/v1", "Deployment", false),
    ("apps/v1", "ReplicaSet", false),
    ("apps/v1", "StatefulSet", false),
    ("apps/v1", "DaemonSet", false),
    ("batch/v1", "CronJob", false),
    ("batch/v1", "Job", false),
    ("autoscaling/v2", "HorizontalPodAutoscaler", false),
    ("policy/v1", "PodDisruptionBudget", false),
    ("v1", "Pod", true),
];

/// From where an inventory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// `sandbox` or `aws`; `kubeconfig` for a cluster that is reached by one.
    pub source: String,
    /// The account, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region, whose prices apply; where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The cluster.
    pub cluster: String,
}

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    kind: &'static str,
    version: u64,
    made_by: String,
    /// From where it is.
    #[serde(flatten)]
    pub origin: Origin,
    /// The cluster's time when the look began. One look says what runs now, nothing of the past.
    pub collected_at: Timestamp,
    /// Kinds that could not be read, and why.
    pub missing: Vec<String>,
    /// The objects.
    pub items: Vec<Value>,
}

impl Inventory {
    /// As it is stored: one object per line, so that two inventories can be compared.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let whole = serde_json::to_value(self)?;
        let mut text = String::from("{\n");
        for (name, value) in whole.as_object().into_iter().flatten() {
            if name != "items" {
                text.push_str(&format!("  {}: {value},\n", Value::from(name.as_str())));
            }
        }
        text.push_str("  \"items\": [\n");
        let items: Vec<String> = self.items.iter().map(|item| format!("    {item}")).collect();
        text.push_str(&items.join(",\n"));
        text.push_str("\n  ]\n}\n");
        Ok(text)
    }
}

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
#[error("failed to list {kind}s of the cluster `{cluster}`")]
pub struct CollectError {
    /// What could not be read.
    pub kind: &'static str,
    /// Where.
    pub cluster: String,
    /// Why.
    pub source: Error,
}

/// Looks at a cluster once.
pub async fn collect(cluster: &Connection, origin: Origin) -> Result<Inventory, CollectError> {
    let collected_at = cluster.now();
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    for (api_version, kind, is_needed) in KINDS.iter().copied() {
        match cluster.list(&Kind::new(api_version, kind), &Selection::default()).await {
            Ok(found) => items.extend(found.into_iter().filter_map(bare::bare)),
            Err(source) if is_needed => {
                return Err(CollectError { kind, cluster: origin.cluster, source });
            }
            Err(error) => missing.push(format!("{api_version} {kind}: {error}")),
        }
    }
    let made_by = format!("runbook {}", env!("CARGO_PKG_VERSION"));
    let version = INVENTORY_VERSION;
    Ok(Inventory { kind: "Inventory", version, made_by, origin, collected_at, missing, items })
}
