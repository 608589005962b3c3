//! One autoscaler's run, in the form that others read.

use serde::Serialize;

use crate::autoscalers::Sample;
use crate::autoscalers::run::{PodEnd, Run, TypeRun};
use crate::autoscalers::steps::{Step, StepKind};
use crate::money::{Amount, Price};
use crate::plural::counted;

/// One autoscaler's run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunAnswer {
    /// `cluster_autoscaler` or `karpenter`.
    pub autoscaler: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How long pods waited.
    pub pending_pod_seconds: Pending,
    /// Hours of nodes: the area under the series.
    pub node_hours: f64,
    /// The same as billed, a minute at least for each node.
    pub billed_node_hours: f64,
    /// What that costs; none when a node has no price, or a pod no node.
    pub usd: Option<f64>,
    /// Why there is no figure.
    pub reason: Option<String>,
    /// How many nodes there were in all.
    pub nodes_launched: usize,
    /// Most nodes at a time.
    pub peak_nodes: usize,
    /// How the pods ended.
    pub pods: Ends,
    /// How often a pod was evicted.
    pub evictions: u64,
    /// The nodes by type; the rows add up to the totals.
    pub instance_types: Vec<TypeAnswer>,
    /// How many there were, from second to second.
    pub series: Vec<SeriesPoint>,
    /// The pod whose way is drawn, the first that waited.
    pub first_pending_pod: Option<String>,
    /// Its way.
    pub steps: Vec<StepAnswer>,
    /// Pods that no node of this autoscaler can hold.
    pub not_held: Vec<NotHeldPod>,
    /// The dollars, exact.
    #[serde(skip)]
    pub total: Option<Amount>,
    /// Seconds of nodes.
    #[serde(skip)]
    pub node_seconds: i64,
    /// Seconds that are billed.
    #[serde(skip)]
    pub billed_seconds: i64,
}

/// How long pods waited, each pod by itself, all its waiting together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// What half of the pods do not exceed.
    pub p50: Option<i64>,
    /// What 95 of 100 do not exceed.
    pub p95: Option<i64>,
    /// The longest.
    pub longest: Option<i64>,
    /// Of all pods together.
    pub total: i64,
}

/// How the pods of the trace ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// They run.
    pub running: usize,
    /// They wait.
    pub pending: usize,
    /// The trace removed them.
    pub removed: usize,
    /// They were evicted, and nothing made them again.
    pub lost: usize,
    /// Of those that wait or were removed, those that never ran.
    pub never_ran: usize,
}

/// The nodes of a type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeAnswer {
    /// The type.
    pub instance_type: String,
    /// How it is bought.
    pub capacity_type: String,
    /// How many.
    pub nodes: usize,
    /// Their hours as billed.
    pub billed_node_hours: f64,
    /// What an hour costs.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// What they cost.
    pub usd: Option<f64>,
    /// Why there is no figure.
    pub reason: Option<String>,
    /// The same exactly: dollars with ten places.
    #[serde(skip)]
    pub exact: Option<String>,
    /// Seconds that are billed.
    #[serde(skip)]
    pub billed_seconds: i64,
}

/// How many there were from a second on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SeriesPoint {
    /// From then on.
    pub t_seconds: i64,
    /// Nodes that are launched and not terminated.
    pub nodes: usize,
    /// Of them, those that take pods.
    pub ready: usize,
    /// Pods that wait.
    pub pending: usize,
    /// Pods that run.
    pub running: usize,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepAnswer {
    /// What kind of step.
    pub step: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// When; none when it did not come to that.
    pub t_seconds: Option<i64>,
    /// Seconds since the pod began to wait.
    pub after_seconds: Option<i64>,
    /// What happened.
    pub text: String,
}

/// A pod without a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotHeldPod {
    /// Its name.
    pub pod: String,
    /// Why.
    pub reason: String,
}

/// Hours with ten places at most, as the nearest number; nothing is added up in it.
#[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2⁵³; only written out")]
fn hours(seconds: i64) -> f64 {
    seconds as f64 / 3600.0
}

fn number(amount: Amount) -> f64 {
    // Written by us with ten places, so it is a number.
    amount.dollars(10).parse().unwrap_or(f64::NAN)
}

impl RunAnswer {
    pub(super) fn new(autoscaler: &'static str, title: &'static str, run: &Run) -> Self {
        let total = run.total();
        let billed_seconds = run.nodes.iter().map(|node| node.billed).sum();
        // Dollars of the others would look like those of all.
        let whole = total.complete().filter(|_| run.refused.is_empty());
        let reason = no_total(run);
        let since = run.steps.first().and_then(|step| step.at);
        Self {
            autoscaler,
            title,
            pending_pod_seconds: Pending {
                p50: run.pending_percentile(50),
                p95: run.pending_percentile(95),
                longest: run.pending_percentile(100),
                total: run.pending_seconds(),
            },
            node_hours: hours(run.node_seconds()),
            billed_node_hours: hours(billed_seconds),
            usd: whole.map(number),
            reason,
            nodes_launched: run.nodes.len(),
            peak_nodes: run.peak_nodes(),
            pods: Ends {
                running: run.ended(PodEnd::Bound),
                pending: run.ended(PodEnd::Pending),
                removed: run.ended(PodEnd::Removed),
                lost: run.ended(PodEnd::Lost),
                never_ran: run.never_ran(),
            },
            evictions: run.pods.iter().map(|pod| u64::from(pod.evictions)).sum(),
            instance_types: run.by_type().iter().map(type_answer).collect(),
            series: run.samples.iter().map(point).collect(),
            first_pending_pod: run.first_pending.clone(),
            steps: run.steps.iter().map(|step| step_answer(step, since)).collect(),
            not_held: run
                .refused
                .iter()
                .map(|(pod, reason)| NotHeldPod { pod: pod.clone(), reason: reason.clone() })
                .collect(),
            total: whole,
            node_seconds: run.node_seconds(),
            billed_seconds,
        }
    }
}

/// Why there is no total: pods that no node can hold, nodes without a price.
fn no_total(run: &Run) -> Option<String> {
    let unheld = run.refused.first().map(|(pod, why)| {
        let pods = counted(run.refused.len(), "pod has", "pods have");
        format!("{pods} no node: `{pod}`: {why}")
    });
    let total = run.total();
    let unpriced = total.holes.first().map(|hole| match total.holes.len() {
        1 => hole.reason.clone(),
        holes => format!("{}; {holes} nodes have no price", hole.reason),
    });
    unheld.or(unpriced)
}

fn type_answer(one: &TypeRun) -> TypeAnswer {
    let amount = one.amount();
    TypeAnswer {
        instance_type: one.machine.instance_type.clone(),
        capacity_type: one.machine.capacity_type.clone(),
        nodes: one.nodes,
        billed_node_hours: hours(one.billed),
        price: one.machine.price.clone().ok(),
        usd: amount.map(number),
        reason: one.machine.price.clone().err().map(|why| why.reason),
        exact: amount.map(|amount| amount.dollars(10)),
        billed_seconds: one.billed,
    }
}

fn point(sample: &Sample) -> SeriesPoint {
    SeriesPoint {
        t_seconds: sample.at,
        nodes: sample.nodes,
        ready: sample.ready,
        pending: sample.pending,
        running: sample.bound,
    }
}

fn step_answer(step: &Step, since: Option<i64>) -> StepAnswer {
    let (name, title) = step_name(step.kind);
    StepAnswer {
        step: name,
        title,
        t_seconds: step.at,
        after_seconds: step.at.zip(since).map(|(at, since)| at - since),
        text: step.text.clone(),
    }
}

const fn step_name(kind: StepKind) -> (&'static str, &'static str) {
    match kind {
        StepKind::PodPending => ("pod_pending", "pending pod"),
        StepKind::Scan => ("scan", "scan"),
        StepKind::GroupGrows => ("group_grows", "node group, ASG desired +"),
        StepKind::BatchOpens => ("batch_opens", "batch opens"),
        StepKind::BatchCloses => ("batch_closes", "batch closes"),
        StepKind::CreateFleet => ("create_fleet", "CreateFleet"),
        StepKind::NodeClaim => ("node_claim", "NodeClaim"),
        StepKind::Launch => ("ec2_launch", "EC2 launch"),
        StepKind::NodeReady => ("node_ready", "kubelet joins"),
        StepKind::Bound => ("pod_bound", "scheduler binds"),
    }
}
