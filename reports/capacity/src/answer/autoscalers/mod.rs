//! The Cluster Autoscaler beside Karpenter, in the forms that others read.
//!
//! The answer says first that it is a model, shows every parameter it was made with, and names what
//! is left out. Its series hold from each second to the next one listed, so that a timeline can be
//! drawn of them and the node-hours can be checked against them.

mod markdown;
mod parameters;
mod schema;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

pub use schema::AUTOSCALERS;

use super::written;
use super::{Completeness, PriceAge, PriceCoverage};
use crate::autoscalers::run::{PodEnd, Run, Step, StepKind};
use crate::autoscalers::{Question, Sample, not_modelled, simulate};
use crate::money::{Amount, Price};
use crate::region::Region;

/// What every form of it is headed with.
pub const TITLE: &str = "model: the Cluster Autoscaler beside Karpenter";

/// What is to be said besides the model's own question.
#[derive(Debug, Clone)]
pub struct AutoscalersOptions {
    /// The region of the prices.
    pub region: Region,
    /// Where the trace comes from: a file, or a shape and a seed.
    pub source: String,
    /// How old prices may be.
    pub age: PriceAge,
    /// Whether an answer that an unpriced type could change counts as unpriced.
    pub is_strict: bool,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AutoscalersAnswer {
    /// [`TITLE`].
    pub title: &'static str,
    /// The region.
    pub region: String,
    /// What the dollars are.
    pub money: String,
    /// Where the trace comes from.
    pub source: String,
    /// How many pods it brings.
    pub pod_count: usize,
    /// How many events it has.
    pub event_count: usize,
    /// The second of its last event.
    pub last_event_seconds: i64,
    /// The second at which the clock was stopped.
    pub until_seconds: i64,
    /// Every parameter.
    pub parameters: Vec<Parameter>,
    /// The Cluster Autoscaler's run, then Karpenter's.
    pub runs: Vec<RunAnswer>,
    /// What is left out.
    pub not_modelled: Vec<String>,
    /// Which types that Karpenter may launch had a price.
    pub prices: PriceCoverage,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Whether a result that an unpriced type could change counts as unpriced.
    #[serde(skip)]
    pub is_strict: bool,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Whose: `both`, `cluster_autoscaler` or `karpenter`.
    pub of: &'static str,
    /// What.
    pub name: String,
    /// Its value.
    pub value: String,
}

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
    /// What that costs; none when a node has no price.
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

impl AutoscalersAnswer {
    /// Runs the model.
    pub fn new(question: &Question, options: &AutoscalersOptions) -> Self {
        let outcome = simulate(question);
        let runs = vec![
            RunAnswer::new("cluster_autoscaler", "Cluster Autoscaler", &outcome.cluster_autoscaler),
            RunAnswer::new("karpenter", "Karpenter", &outcome.karpenter),
        ];
        let mut answer = Self {
            title: TITLE,
            region: options.region.name().to_owned(),
            money: "list prices in USD before tax, discounts and credits; nodes only".to_owned(),
            source: options.source.clone(),
            pod_count: question.trace.pods.len(),
            event_count: question.trace.events.len(),
            last_event_seconds: question.trace.end(),
            until_seconds: outcome.karpenter.until,
            parameters: parameters::parameters(question),
            runs,
            not_modelled: not_modelled(&question.karpenter.node_pools),
            prices: PriceCoverage::new(&outcome.prices, options.age),
            notes: options.notes.clone(),
            is_strict: options.is_strict,
        };
        let own = answer.own_notes(question);
        answer.notes.extend(own);
        answer
    }

    fn own_notes(&self, question: &Question) -> Vec<String> {
        let mut notes = vec![
            "on neither bill: root volumes, traffic, the cluster's fee, and the pods of the autoscalers themselves".to_owned(),
        ];
        let least: usize = question.node_groups.iter().map(|group| group.least).sum();
        if least > 0 {
            notes.push(format!(
                "the Cluster Autoscaler's {least} least nodes stand from the beginning and are billed; Karpenter begins with none"
            ));
        }
        for run in &self.runs {
            if run.pods.lost > 0 {
                notes.push(format!(
                    "{}: {} pods without an owner were evicted and are lost",
                    run.title, run.pods.lost
                ));
            }
            let unheld = run.not_held.len();
            if run.pods.never_ran > unheld {
                notes.push(format!(
                    "{}: {} pods that a node could hold never ran: they went or the clock stopped before a node had room",
                    run.title,
                    run.pods.never_ran - unheld
                ));
            }
        }
        if self.prices.restricted_to_priced_types {
            notes.push(format!(
                "restricted to priced types: of {} that Karpenter may launch, {} have no known price",
                self.prices.offered,
                self.prices.offered - self.prices.priced
            ));
        }
        notes
    }

    /// Whether anything is missing: a pod that one of them cannot hold, that still waits or is lost; a
    /// price. A pod that went before it could run is not missing.
    pub fn completeness(&self) -> Completeness {
        let lacks =
            |run: &RunAnswer| run.pods.pending > 0 || run.pods.lost > 0 || !run.not_held.is_empty();
        if self.runs.iter().any(lacks) {
            Completeness::Unplaced
        } else if self.runs.iter().any(|run| run.total.is_none())
            || (self.is_strict && self.prices.restricted_to_priced_types)
        {
            Completeness::Unpriced
        } else {
            Completeness::Complete
        }
    }

    /// A row for each autoscaler and type, which add up to its dollars and hours, and one for each
    /// other figure of the autoscaler.
    pub fn csv(&self) -> String {
        let header = ["autoscaler", "figure", "of", "value", "unit", "reason"];
        written::csv(&header, self.runs.iter().flat_map(rows))
    }

    /// The series of both, one row for each second in which something changes.
    pub fn series_csv(&self) -> String {
        let header = ["autoscaler", "t_seconds", "nodes", "ready", "pending", "running"];
        let rows = self.runs.iter().flat_map(|run| {
            run.series.iter().map(|point| {
                let counts = [point.nodes, point.ready, point.pending, point.running];
                let mut row = vec![run.autoscaler.to_owned(), point.t_seconds.to_string()];
                row.extend(counts.map(|count| count.to_string()));
                row
            })
        });
        written::csv(&header, rows)
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

impl RunAnswer {
    fn new(autoscaler: &'static str, title: &'static str, run: &Run) -> Self {
        let total = run.total();
        let billed_seconds = run.nodes.iter().map(|node| node.billed).sum();
        let reason = total.holes.first().map(|hole| match total.holes.len() {
            1 => hole.reason.clone(),
            holes => format!("{}; {holes} nodes have no price", hole.reason),
        });
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
            usd: total.complete().map(number),
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
            total: total.complete(),
            node_seconds: run.node_seconds(),
            billed_seconds,
        }
    }
}

fn type_answer(one: &crate::autoscalers::run::TypeRun) -> TypeAnswer {
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

/// The figures of a run, each with its unit.
fn rows(run: &RunAnswer) -> Vec<Vec<String>> {
    let row = |figure: &str, of: &str, value: Option<String>, unit: &str, reason: Option<&str>| {
        vec![
            run.autoscaler.to_owned(),
            figure.to_owned(),
            of.to_owned(),
            value.unwrap_or_default(),
            unit.to_owned(),
            reason.unwrap_or_default().to_owned(),
        ]
    };
    let mut rows = Vec::new();
    for one in &run.instance_types {
        let of = format!("{} {}", one.instance_type, one.capacity_type);
        let reason = one.reason.as_deref();
        rows.push(row("cost", &of, one.exact.clone(), "USD", reason));
        rows.push(row("billed", &of, Some(one.billed_seconds.to_string()), "node-seconds", None));
        rows.push(row("launched", &of, Some(one.nodes.to_string()), "nodes", None));
    }
    let pending = &run.pending_pod_seconds;
    let seconds = |value: Option<i64>| value.map(|value| value.to_string());
    rows.push(row("pending p50", "pod", seconds(pending.p50), "seconds", None));
    rows.push(row("pending p95", "pod", seconds(pending.p95), "seconds", None));
    rows.push(row("pending longest", "pod", seconds(pending.longest), "seconds", None));
    rows.push(row("pending", "all pods", seconds(Some(pending.total)), "pod-seconds", None));
    rows.push(row("there", "all nodes", seconds(Some(run.node_seconds)), "node-seconds", None));
    rows.push(row("peak", "all nodes", Some(run.peak_nodes.to_string()), "nodes", None));
    rows.push(row("evictions", "all pods", Some(run.evictions.to_string()), "evictions", None));
    let ends = [
        ("running", run.pods.running),
        ("pending at the end", run.pods.pending),
        ("removed", run.pods.removed),
        ("lost", run.pods.lost),
        ("never ran", run.pods.never_ran),
    ];
    for (figure, count) in ends {
        rows.push(row(figure, "all pods", Some(count.to_string()), "pods", None));
    }
    for one in &run.not_held {
        rows.push(row("not held", &one.pod, None, "", Some(&one.reason)));
    }
    rows
}
