//! A bill in the form that others read.

use serde::Serialize;

use super::{number, percent};
use crate::compare::side::{Line, LineKind, Packed, Side, SideId};
use crate::compare::sides::{Setting, components, system_on_fargate};
use crate::compare::system::{Component, NODELESS};
use crate::compare::workload::Workloads;
use crate::money::Amount;

/// A bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideAnswer {
    /// Its name.
    pub side: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its total; none when a pod has no place there or a line no price.
    pub usd_per_month: Option<f64>,
    /// Of spot, where it is cheapest.
    pub usd_per_month_low: Option<f64>,
    /// Of spot, where it is dearest.
    pub usd_per_month_high: Option<f64>,
    /// How many nodes at most at a time.
    pub nodes: usize,
    /// How much of them pods ask for.
    pub utilisation_percent: Option<f64>,
    /// How full they are, in the measure of a break-even: pods of those that each node would hold,
    /// full of such.
    pub fullness_percent: Option<f64>,
    /// With the nodes of one cold batch.
    pub cold: Option<PackedAnswer>,
    /// With the nodes that are left when pods arrive in batches and consolidation came to its end.
    pub settled: Option<PackedAnswer>,
    /// What the cluster's own pods cost here.
    pub system: SystemAnswer,
    /// Its lines.
    pub lines: Vec<LineAnswer>,
    /// Pods it cannot run.
    pub not_held: Vec<Reasoned>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The total, exact.
    #[serde(skip)]
    pub total: Option<Amount>,
}

/// What a way of packing comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackedAnswer {
    /// The side's total.
    pub usd_per_month: Option<f64>,
    /// Nodes at most at a time.
    pub nodes: usize,
    /// How much of them pods ask for.
    pub utilisation_percent: Option<f64>,
}

/// The system layer of a side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemAnswer {
    /// What it costs by itself: pods on Fargate, standing nodes, or the fee of Auto Mode; none where
    /// its pods share the nodes of the workloads.
    pub usd_per_month: Option<f64>,
    /// What it runs.
    pub runs: Vec<&'static str>,
    /// What others run and this does not.
    pub replaced: Vec<&'static str>,
    /// What that would cost on Fargate.
    pub replaced_usd_per_month: Option<f64>,
    /// How it is to be read.
    pub note: String,
}

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineAnswer {
    /// What kind of thing.
    pub kind: &'static str,
    /// What is billed.
    pub what: String,
    /// How many.
    pub count: i64,
    /// For how many hours.
    pub hours: f64,
    /// The price of one per hour, of a volume per month.
    pub usd_each: Option<f64>,
    /// What it comes to.
    pub usd_per_month: Option<f64>,
    /// Why there is no figure.
    pub reason: Option<String>,
    /// The type of an instance that is bought on demand.
    #[serde(skip)]
    pub instance_type: Option<String>,
    /// The same exactly: dollars with ten places.
    #[serde(skip)]
    pub exact: Option<String>,
}

/// A name and a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reasoned {
    /// What.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Reasoned {
    pub(super) fn new(name: &str, reason: &str) -> Self {
        Self { name: name.to_owned(), reason: reason.to_owned() }
    }
}

impl SideAnswer {
    pub(super) fn new(side: &Side, workloads: &Workloads, setting: &Setting<'_>) -> Self {
        let total = side.complete();
        let range = side.range.filter(|_| total.is_some());
        Self {
            side: side.id.name(),
            title: side.id.title(),
            usd_per_month: total.map(number),
            usd_per_month_low: range.map(|(low, _)| number(low)),
            usd_per_month_high: range.map(|(_, high)| number(high)),
            nodes: side.peak_nodes,
            utilisation_percent: side.utilisation.map(tenths),
            fullness_percent: side.fullness.map(tenths),
            cold: side.cold.map(PackedAnswer::new),
            settled: side.settled.map(PackedAnswer::new),
            system: SystemAnswer::new(side, workloads, setting),
            lines: side.lines.iter().map(line).collect(),
            not_held: side
                .not_held
                .iter()
                .map(|one| Reasoned::new(&one.pod, &one.reason))
                .collect(),
            notes: side.notes.clone(),
            total,
        }
    }
}

impl PackedAnswer {
    fn new(packed: Packed) -> Self {
        Self {
            usd_per_month: packed.total.map(number),
            nodes: packed.nodes,
            utilisation_percent: packed.utilisation.map(tenths),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousandths; only written out")]
fn tenths(thousandths: i64) -> f64 {
    thousandths as f64 / 10.0
}

impl SystemAnswer {
    fn new(side: &Side, workloads: &Workloads, setting: &Setting<'_>) -> Self {
        let runs = components(side.id);
        let replaced: Vec<Component> =
            NODELESS.into_iter().filter(|one| !runs.contains(one)).collect();
        let on_fargate = |components: &[Component]| {
            system_on_fargate(&workloads.system.workloads(components), setting).complete()
        };
        let saved = if replaced.is_empty() { None } else { on_fargate(&replaced) };
        let (cost, note) = match side.id {
            SideId::Nodeless | SideId::Fargate => {
                (on_fargate(runs), "its pods are on Fargate".to_owned())
            }
            SideId::Karpenter | SideId::KarpenterSpot | SideId::KarpenterGraviton => {
                let standing = side.of(&[LineKind::StandingNode, LineKind::StandingVolume]);
                (
                    Some(standing),
                    "two managed nodes; workloads may use what is left of them".to_owned(),
                )
            }
            SideId::NodeGroup => {
                (None, "its pods share the nodes of the workloads, two at least".to_owned())
            }
            SideId::AutoMode => {
                let fee = side.of(&[LineKind::AutoModeFee]);
                (Some(fee), auto_mode(fee, saved))
            }
        };
        Self {
            usd_per_month: cost.map(number),
            runs: runs.iter().map(|one| one.name()).collect(),
            replaced: replaced.iter().map(|one| one.name()).collect(),
            replaced_usd_per_month: saved.map(number),
            note,
        }
    }
}

/// The fee less the controllers that it replaces.
fn auto_mode(fee: Amount, saved: Option<Amount>) -> String {
    let Some(saved) = saved else { return "the fee".to_owned() };
    let net = fee - saved;
    let share = percent(net, saved).map(|share| format!(" ({share:+.0} %)")).unwrap_or_default();
    format!(
        "the fee {} $ less {} $ for the controllers it replaces, as they cost on Fargate, is {} ${share}",
        fee.dollars(2),
        saved.dollars(2),
        net.dollars(2)
    )
}

fn line(line: &Line) -> LineAnswer {
    let amount = line.amount();
    #[expect(clippy::cast_precision_loss, reason = "seconds of a month; only written out")]
    let hours = line.seconds as f64 / 3600.0;
    LineAnswer {
        kind: line.kind.name(),
        what: line.what.clone(),
        instance_type: line.instance_type.clone(),
        count: line.count,
        hours,
        usd_each: line.price.as_ref().ok().map(|price| price.dollars()),
        usd_per_month: amount.as_ref().ok().map(|amount| number(*amount)),
        exact: amount.as_ref().ok().map(|amount| amount.dollars(10)),
        reason: amount.err().map(|why| why.reason),
    }
}
