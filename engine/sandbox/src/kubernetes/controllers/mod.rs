//! Controllers: what follows from a change of a cluster.
//!
//! They run inside the transaction that changed something, in a fixed order, until nothing follows
//! any more. What takes time (a pod starting, a machine registering) is a timer.

mod cronjobs;
mod events;
mod fargate;
mod jobs;
mod karpenter;
pub(super) mod leases;
mod lifecycle;
mod namespaces;
mod network;
mod pods;
mod scheduler;
mod workloads;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::store::Transaction;
use crate::world::{Context, Reactor, Timer, ids};

pub(super) use fargate::admit as admit_to_fargate;
pub(crate) use lifecycle::delete;
pub(crate) use scheduler::request;

/// All controllers of all clusters.
pub(crate) struct Controllers;

/// One cluster, for its controllers.
pub(super) struct Cluster<'a> {
    pub(super) context: &'a Context,
    pub(super) name: &'a str,
}

impl Reactor for Controllers {
    fn react(&self, context: &Context, transaction: &mut Transaction<'_>) {
        let touched = Touched::of(transaction);
        for (name, cluster) in transaction.list("eks/cluster") {
            if cluster["status"] == "CREATING" || !touched.concerns(&name) {
                continue;
            }
            let cluster = Cluster { context, name: &name };
            lifecycle::definitions(&cluster, transaction);
            namespaces::react(&cluster, transaction);
            cronjobs::react(&cluster, transaction);
            workloads::react(&cluster, transaction);
            fargate::react(&cluster, transaction);
            karpenter::react(&cluster, transaction);
            scheduler::react(&cluster, transaction);
            pods::react(&cluster, transaction);
            network::react(&cluster, transaction);
            leases::nodes(&cluster, transaction);
        }
    }
}

/// Which clusters have something to react to: a change inside of one is nothing to the others,
/// a change of the account (a profile, a subnet, an instance) may be something to each.
enum Touched {
    All,
    Some(BTreeSet<Arc<str>>),
}

impl Touched {
    fn of(transaction: &Transaction<'_>) -> Self {
        let mut names = BTreeSet::new();
        for key in transaction.unseen() {
            let inside = key.collection.strip_prefix("kubernetes/");
            let Some((name, _)) = inside.and_then(|rest| rest.split_once('/')) else {
                return Self::All;
            };
            if !names.contains(name) {
                names.insert(Arc::from(name));
            }
        }
        Self::Some(names)
    }

    fn concerns(&self, cluster: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(cluster),
        }
    }
}

/// A timer of a cluster is due; subjects are `cluster|key`.
pub(crate) fn due(context: &Context, transaction: &mut Transaction<'_>, timer: &Timer) {
    let Some((name, key)) = timer.subject.split_once('|') else { return };
    let cluster = Cluster { context, name };
    match timer.kind.as_str() {
        "kubernetes.definition" => lifecycle::establish(&cluster, transaction, key),
        "kubernetes.pod" => pods::start(&cluster, transaction, key),
        "kubernetes.gone" => pods::gone(&cluster, transaction, key),
        "kubernetes.job" => jobs::finish(&cluster, transaction, key),
        "kubernetes.cron" => cronjobs::due(&cluster, transaction, key),
        "kubernetes.expired" => jobs::expire(&cluster, transaction, key),
        "kubernetes.events" => events::sweep(&cluster, transaction),
        "fargate.pod" => fargate::schedule(&cluster, transaction, key),
        "fargate.pull" => fargate::pull(&cluster, transaction, key),
        "karpenter.batch" => karpenter::batch(&cluster, transaction, key),
        "karpenter.launched" => karpenter::launched(&cluster, transaction, key),
        "karpenter.registered" => karpenter::registered(&cluster, transaction, key),
        "karpenter.initialized" => karpenter::initialized(&cluster, transaction, key),
        "karpenter.terminated" => karpenter::terminated(&cluster, transaction, key),
        "karpenter.empty" => karpenter::empty(&cluster, transaction, key),
        _ => {}
    }
}

impl Cluster<'_> {
    pub(super) fn put(
        &self,
        transaction: &mut Transaction<'_>,
        group: &str,
        plural: &str,
        object: Value,
    ) {
        super::put(self.context, transaction, self.name, group, plural, object);
    }

    pub(super) fn get(
        &self,
        transaction: &Transaction<'_>,
        group: &str,
        plural: &str,
        key: &str,
    ) -> Option<Value> {
        super::get(transaction, self.name, group, plural, key)
    }

    pub(super) fn list(
        &self,
        transaction: &Transaction<'_>,
        group: &str,
        plural: &str,
    ) -> Vec<Value> {
        super::list(transaction, self.name, group, plural)
    }

    /// All objects of a kind, to look at: nothing is copied.
    pub(super) fn see(
        &self,
        transaction: &Transaction<'_>,
        group: &str,
        plural: &str,
    ) -> Vec<Arc<Value>> {
        let all = transaction.list(&super::collection(self.name, group, plural)).into_iter();
        all.map(|(_, value)| value).collect()
    }

    pub(super) fn remove(
        &self,
        transaction: &mut Transaction<'_>,
        group: &str,
        plural: &str,
        key: &str,
    ) {
        transaction.delete(&super::collection(self.name, group, plural), key);
    }

    pub(super) fn schedule(
        &self,
        transaction: &mut Transaction<'_>,
        seconds: i64,
        kind: &str,
        key: &str,
    ) {
        transaction.schedule_in(seconds, kind, &format!("{}|{key}", self.name), Value::Null);
    }

    /// How long the cluster has been there: what names that must differ from time to time derive
    /// from, so that they, and the durations that derive from them, are the same in every world.
    pub(super) fn age(&self, transaction: &Transaction<'_>) -> String {
        let created = transaction
            .get(crate::aws::eks::CLUSTERS, self.name)
            .and_then(|cluster| cluster["createdAt"].as_i64());
        (transaction.now().as_second() - created.unwrap_or_default()).to_string()
    }

    /// A number of seconds, spread by name.
    pub(super) fn seconds(&self, kind: &str, key: &str, least: i64, spread: u64) -> i64 {
        least
            + i64::try_from(ids::below(self.context, &[kind, self.name, key], spread))
                .unwrap_or_default()
    }
}

/// Sets a condition; its time changes with its status only. Whether anything changed.
pub(super) fn set_condition(
    status: &mut Value,
    kind: &str,
    value: bool,
    reason: &str,
    message: &str,
    now: &Value,
) -> bool {
    let text = if value { "True" } else { "False" };
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return false };
    if let Some(one) = conditions.iter_mut().find(|one| one["type"] == kind) {
        if one["status"] == text && one["reason"] == reason && one["message"] == message {
            return false;
        }
        if one["status"] != text {
            one["lastTransitionTime"] = now.clone();
        }
        one["status"] = json!(text);
        one["reason"] = json!(reason);
        one["message"] = json!(message);
        return true;
    }
    conditions.push(json!({"type": kind, "status": text, "reason": reason, "message": message, "lastTransitionTime": now}));
    true
}

/// Whether a condition is true.
pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == kind && one["status"] == "True")
}
