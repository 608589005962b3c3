//! An allocation as OpenCost's `/allocation` gives it, for dashboards that are there already.
//!
//! Names, units and fields are OpenCost's: hours, bytes, cores, dollars with five places; `__idle__` is
//! what no container asked for, `__unallocated__` what has no value for the aggregation. Money is rounded
//! once for each set and divided by largest remainder, so the fields of an allocation come to its
//! `totalCost` and the allocations of a set to the set.
//!
//! What is not known here is what OpenCost gives for it:
//!
//! | field | here |
//! |---|---|
//! | `gpu*` | 0: nodes with GPUs are refused |
//! | `network*Bytes` | 0: traffic is not observed; `networkCost` is what NAT and transfer cost, where given |
//! | `pvBytes`, `pvByteHours`, `pvs` | 0 and null: volumes of pods are not observed; `pvCost` is Fargate's disk |
//! | `*CostAdjustment` | 0: nothing is reconciled with a bill |
//! | `cpuCoreUsageAverage`, `ramByteUsageAverage` | 0 where nothing measured usage, and so is the efficiency |
//! | `container`, `services`, `annotations` | absent: the finest grain is a pod |
//! | node overhead, pods of DaemonSets with it | in `__idle__`, as whatever no pod of a team asked for |
//! | control plane and other shared cost | `sharedCost` of `__unallocated__` |

mod ask;
mod filter;
mod measure;
mod question;

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use runbook_capacity::money::{Amount, Price, Unit};
use serde_json::{Map, Number, Value, json};

use crate::allocate::Charges;
use crate::allocate::charge::{Charge, Part, PodRef, Recipient};
use crate::bill::Class;
use crate::observed::{ClusterId, Observed, Window};
use crate::render::showback::apportion;

pub use ask::{AskError, MOST_STEPS, steps, window};
pub use filter::{Filter, FilterError};
use measure::{Measured, Properties};
pub use question::{LONGEST_SET, LONGEST_WINDOW, Question, QuestionError};

/// Places of money and of averages, as OpenCost has them.
const PLACES: usize = 5;

/// By what allocations are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aggregate {
    /// The cluster.
    Cluster,
    /// The node.
    Node,
    /// The namespace.
    Namespace,
    /// The controller, `deployment:web`.
    Controller,
    /// Its kind.
    ControllerKind,
    /// The pod; a container is one too, for nothing finer is known.
    Pod,
    /// The owner, by the rules of owners.
    Team,
    /// The value of a label.
    Label(String),
}

/// Why a text names no aggregation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is nothing to aggregate by: cluster, node, namespace, controller, controllerKind, pod, team, \
     label:KEY"
)]
pub struct UnknownAggregate(String);

impl FromStr for Aggregate {
    type Err = UnknownAggregate;

    fn from_str(text: &str) -> Result<Self, UnknownAggregate> {
        Ok(match text {
            "cluster" => Self::Cluster,
            "node" => Self::Node,
            "namespace" => Self::Namespace,
            "controller" | "deployment" | "statefulset" | "job" => Self::Controller,
            "controllerKind" => Self::ControllerKind,
            "pod" | "container" => Self::Pod,
            "team" | "owner" => Self::Team,
            other => match other.strip_prefix("label:").filter(|key| !key.is_empty()) {
                Some(key) => Self::Label(key.to_owned()),
                None => return Err(UnknownAggregate(other.to_owned())),
            },
        })
    }
}

/// What is asked of `/allocation`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// By what, the names joined by `/`; by nothing is by pod, as in OpenCost.
    pub aggregate: Vec<Aggregate>,
    /// Whether `__idle__` is among the allocations; OpenCost leaves it out unless asked.
    pub include_idle: bool,
    /// Which charges count.
    pub filter: Filter,
}

/// One step of the window.
#[derive(Debug, Clone, Copy)]
pub struct Set<'a> {
    /// Its time.
    pub window: Window,
    /// What it cost, of this time only.
    pub charges: &'a Charges,
    /// What was seen in it, for hours and averages.
    pub observed: &'a Observed,
}

/// The answer of `/allocation`: a set of allocations for each step.
pub fn allocation(sets: &[Set<'_>], query: &Query) -> Value {
    let data: Vec<Value> = sets
        .iter()
        .map(|set| {
            let mut all = Map::new();
            of_set(set, query, |name, value| drop(all.insert(name, value)));
            Value::Object(all)
        })
        .collect();
    json!({"code": 200, "status": "success", "data": data})
}

/// One set as text, an allocation at a time: what it takes of memory is the text and no more. None when
/// that would be longer than `most` bytes.
pub fn set_text(set: &Set<'_>, query: &Query, most: usize) -> Option<String> {
    let mut text = String::from("{");
    of_set(set, query, |name, value| {
        if text.len() <= most {
            let comma = if text.len() > 1 { "," } else { "" };
            text.push_str(&format!("{comma}{}:{value}", json!(name)));
        }
    });
    text.push('}');
    (text.len() <= most).then_some(text)
}

/// Costs as OpenCost names them, in the order in which they are divided.
const COSTS: [&str; 7] = [
    "cpuCost",
    "ramCost",
    "pvCost",
    "networkCost",
    "loadBalancerCost",
    "externalCost",
    "sharedCost",
];

/// An allocation under construction.
#[derive(Default)]
struct Allocation {
    costs: [Amount; COSTS.len()],
    measured: Measured,
    properties: Option<Properties>,
}

fn of_set(set: &Set<'_>, query: &Query, mut give: impl FnMut(String, Value)) {
    let mut all: BTreeMap<String, Allocation> = BTreeMap::new();
    let mut names: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for charge in &set.charges.charges {
        let Some(name) = name(charge, query) else { continue };
        let one = all.entry(name.clone()).or_default();
        one.costs[cost(charge)] += charge.amount;
        let properties = Properties::of(charge);
        one.properties = Some(match one.properties.take() {
            Some(known) => known.shared(&properties),
            None => properties,
        });
        if let Recipient::Pod(pod) = &charge.recipient {
            names.insert((&pod.uid, &charge.origin.name), name);
        }
    }
    let mut newest: BTreeMap<&ClusterId, Timestamp> = BTreeMap::new();
    for interval in &set.observed.pods {
        let known = newest.entry(&interval.cluster).or_insert(interval.seen.end);
        *known = interval.seen.end.max(*known);
    }
    for interval in &set.observed.pods {
        // A pod's time counts where its money went.
        let place = measure::place(interval);
        if let Some(name) = names.get(&(interval.uid.as_str(), place.as_str()))
            && let Some(one) = all.get_mut(name)
        {
            let newest = newest.get(&*interval.cluster).copied();
            one.measured.add(interval, set.window, newest);
        }
    }
    let unit = Price::new(100_000, Unit::Piece).amount(1, 0).raw();
    let rows: Vec<[Amount; COSTS.len()]> = all.values().map(|one| one.costs).collect();
    let wholes: Vec<Amount> = rows.iter().map(|costs| costs.iter().copied().sum()).collect();
    let whole: Amount = wholes.iter().copied().sum();
    let total = (whole.raw() * 2 + unit).div_euclid(2 * unit);
    let totals = apportion::parts(total, &wholes, unit);
    let cells = apportion::table(&totals, &rows, unit);
    for (((name, one), total), costs) in all.into_iter().zip(totals).zip(cells) {
        let value = written(&name, &one, set.window, total, &costs);
        give(name, value);
    }
}

/// Which field a charge is in.
fn cost(charge: &Charge) -> usize {
    let name = match (&charge.recipient, charge.part, charge.class) {
        (Recipient::Shared(_), _, _) => "sharedCost",
        (_, Part::Cpu, _) => "cpuCost",
        (_, Part::Memory, _) => "ramCost",
        (_, _, Class::Ec2Compute | Class::AutoModeFee | Class::FargateVcpu) => "cpuCost",
        (_, _, Class::FargateMemory) => "ramCost",
        (_, _, Class::Ebs | Class::FargateStorage) => "pvCost",
        (_, _, Class::Nat | Class::Transfer) => "networkCost",
        (_, _, Class::LoadBalancer) => "loadBalancerCost",
        (_, _, Class::ControlPlane | Class::Other) => "externalCost",
    };
    COSTS.iter().position(|one| *one == name).unwrap_or_default()
}

/// What allocation a charge goes to; none when it is filtered out, or idle and nobody asked for that.
fn name(charge: &Charge, query: &Query) -> Option<String> {
    if !query.filter.admits(charge) {
        return None;
    }
    match &charge.recipient {
        Recipient::Idle | Recipient::Node(_) => query.include_idle.then(|| "__idle__".to_owned()),
        Recipient::Shared(_) => Some("__unallocated__".to_owned()),
        Recipient::Pod(pod) => Some(of_pod(pod, charge, query)),
    }
}

fn of_pod(pod: &PodRef, charge: &Charge, query: &Query) -> String {
    const NONE: &str = "__unallocated__";
    let controller = pod.controller.as_ref();
    let value = |aggregate: &Aggregate| match aggregate {
        Aggregate::Cluster => pod.cluster.name.clone(),
        Aggregate::Node => charge.origin.name.clone(),
        Aggregate::Namespace => pod.namespace.clone(),
        Aggregate::Controller => controller.map_or_else(
            || NONE.to_owned(),
            |one| format!("{}:{}", one.kind.to_lowercase(), one.name),
        ),
        Aggregate::ControllerKind => {
            controller.map_or_else(|| NONE.to_owned(), |one| one.kind.to_lowercase())
        }
        Aggregate::Pod => pod.name.clone(),
        Aggregate::Team => pod.owner.to_string(),
        Aggregate::Label(key) => filter::label(&pod.labels, key).unwrap_or(NONE).to_owned(),
    };
    if query.aggregate.is_empty() {
        let parts = [Aggregate::Cluster, Aggregate::Node, Aggregate::Namespace, Aggregate::Pod];
        return parts.iter().map(value).collect::<Vec<_>>().join("/");
    }
    query.aggregate.iter().map(value).collect::<Vec<_>>().join("/")
}

/// A count over a unit with [`PLACES`] places.
fn number(count: i128, over: i128) -> Value {
    let scale = 10_i128.pow(u32::try_from(PLACES).unwrap_or(0));
    let rounded = (count * scale * 2 + over).div_euclid(2 * over.max(1));
    let sign = if rounded < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:0PLACES$}", rounded.abs() / scale, rounded.abs() % scale);
    let value: Option<f64> = text.parse().ok();
    value.and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

fn written(name: &str, one: &Allocation, window: Window, total: i128, costs: &[i128]) -> Value {
    let money = |count: i128| number(count, 100_000);
    let span = one.measured.span(window);
    let mut fields = one.measured.fields(span);
    fields.insert("name".to_owned(), json!(name));
    let properties = one.properties.as_ref().map(Properties::value);
    fields.insert("properties".to_owned(), properties.unwrap_or_else(|| json!({})));
    fields.insert("window".to_owned(), json!({"start": window.start, "end": window.end}));
    for (name, count) in COSTS.iter().zip(costs) {
        fields.insert((*name).to_owned(), money(*count));
    }
    fields.insert("totalCost".to_owned(), money(total));
    fields.insert("totalEfficiency".to_owned(), one.measured.efficiency(costs[0], costs[1]));
    for zero in [
        "cpuCostAdjustment",
        "gpuCount",
        "gpuHours",
        "gpuCost",
        "gpuCostAdjustment",
        "networkTransferBytes",
        "networkReceiveBytes",
        "networkCrossZoneCost",
        "networkCrossRegionCost",
        "networkInternetCost",
        "networkCostAdjustment",
        "loadBalancerCostAdjustment",
        "pvBytes",
        "pvByteHours",
        "pvCostAdjustment",
        "ramCostAdjustment",
    ] {
        fields.insert(zero.to_owned(), json!(0));
    }
    fields.insert("pvs".to_owned(), Value::Null);
    fields.insert("lbAllocations".to_owned(), Value::Null);
    fields.insert("proportionalAssetResourceCosts".to_owned(), json!({}));
    fields.insert("sharedCostBreakdown".to_owned(), json!({}));
    Value::Object(fields)
}
