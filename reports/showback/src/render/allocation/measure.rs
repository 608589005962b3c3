//! Hours and averages of pods, and what the pods of an allocation have in common.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::number;
use crate::allocate::charge::{Charge, Recipient};
use crate::bill::Class;
use crate::observed::{Place, PodInterval, Window};

const SECONDS_PER_HOUR: i128 = 3_600;

/// What pods asked for and used, in thousandths of a core or bytes times seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Resource {
    requested: i128,
    used: i128,
    /// Whichever is more, pod by pod: what is charged.
    allocated: i128,
}

impl Resource {
    fn add(&mut self, request: Option<i64>, usage: Option<i64>, seconds: i128) {
        let times = |amount: Option<i64>| i128::from(amount.unwrap_or_default()) * seconds;
        self.requested += times(request);
        self.used += times(usage);
        self.allocated += times(request).max(times(usage));
    }

    /// Usage over request in [`super::PLACES`] places, as OpenCost has it: without a request, all of the
    /// usage is efficient.
    fn efficiency(self) -> (i128, i128) {
        match (self.requested, self.used) {
            (0, 0) => (0, 1),
            (0, _) => (1, 1),
            (requested, used) => (used, requested),
        }
    }
}

/// Pods of an allocation, measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    cpu: Resource,
    memory: Resource,
    span: Option<Window>,
}

/// The origin of a pod's charges: its node, or on Fargate itself.
pub(super) fn place(pod: &PodInterval) -> String {
    match &pod.place {
        Place::Node(node) => node.clone(),
        Place::Fargate { .. } => format!("{}/{}", pod.namespace, pod.name),
        Place::Nowhere => String::new(),
    }
}

/// When a pod held what it asked for: from being bound until it ended, on Fargate until it was deleted. One
/// that the newest look saw holds it until the end of the window, as it is charged.
fn held(pod: &PodInterval, window: Window, newest: Option<Timestamp>) -> Window {
    let start = pod.scheduled.or(pod.started).unwrap_or(pod.seen.start);
    let is_there = newest.is_some_and(|newest| pod.seen.end >= newest);
    let seen = if is_there { window.end.max(pod.seen.end) } else { pod.seen.end };
    let last = pod.ended.unwrap_or(seen);
    let end = match (&pod.place, pod.finished) {
        (Place::Fargate { .. }, _) | (_, None) => last,
        (_, Some(finished)) => finished.min(last),
    };
    // A part of a pod begins where it was first seen so.
    let start = if pod.is_part { start.max(pod.seen.start) } else { start };
    Window { start, end: end.max(start) }
}

impl Measured {
    /// Adds a pod; `newest` is the last moment at which any pod of its cluster was seen in the window.
    pub(super) fn add(&mut self, pod: &PodInterval, window: Window, newest: Option<Timestamp>) {
        let Some(held) = held(pod, window, newest).overlap(window) else { return };
        let seconds = i128::from(held.seconds());
        let usage = pod.usage.unwrap_or_default();
        let requests = &pod.requests;
        self.cpu.add(requests.cpu.map(|one| one.0), usage.cpu.map(|one| one.0), seconds);
        self.memory.add(requests.memory.map(|one| one.0), usage.memory.map(|one| one.0), seconds);
        let span = self.span.unwrap_or(held);
        let (start, end) = (span.start.min(held.start), span.end.max(held.end));
        self.span = Some(Window { start, end });
    }

    /// From the first of its pods to the last; of what has no pods all of the window.
    pub(super) fn span(&self, window: Window) -> Window {
        self.span.unwrap_or(window)
    }

    pub(super) fn fields(&self, span: Window) -> Map<String, Value> {
        let seconds = i128::from(span.seconds());
        let cores = |count: i128| number(count, 1_000 * seconds.max(1));
        let bytes = |count: i128| number(count, seconds.max(1));
        let share = |(part, whole): (i128, i128)| number(part, whole);
        let moment = |at: Timestamp| json!(at);
        [
            ("start", moment(span.start)),
            ("end", moment(span.end)),
            ("minutes", number(seconds, 60)),
            ("cpuCores", cores(self.cpu.allocated)),
            ("cpuCoreRequestAverage", cores(self.cpu.requested)),
            ("cpuCoreUsageAverage", cores(self.cpu.used)),
            ("cpuCoreHours", number(self.cpu.allocated, 1_000 * SECONDS_PER_HOUR)),
            ("cpuEfficiency", share(self.cpu.efficiency())),
            ("ramBytes", bytes(self.memory.allocated)),
            ("ramByteRequestAverage", bytes(self.memory.requested)),
            ("ramByteUsageAverage", bytes(self.memory.used)),
            ("ramByteHours", number(self.memory.allocated, SECONDS_PER_HOUR)),
            ("ramEfficiency", share(self.memory.efficiency())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }

    /// Both efficiencies, each by what it cost.
    pub(super) fn efficiency(&self, cpu_cost: i128, memory_cost: i128) -> Value {
        const FINE: i128 = 100_000;
        let fine = |(part, whole): (i128, i128)| part.saturating_mul(FINE) / whole;
        let weighted =
            cpu_cost * fine(self.cpu.efficiency()) + memory_cost * fine(self.memory.efficiency());
        match cpu_cost + memory_cost {
            0 => json!(0),
            whole => number(weighted, whole.saturating_mul(FINE)),
        }
    }
}

/// What is said of an allocation besides its figures; what its pods do not share is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Properties {
    texts: BTreeMap<&'static str, String>,
    labels: BTreeMap<String, String>,
}

impl Properties {
    pub(super) fn of(charge: &Charge) -> Self {
        let origin = &charge.origin;
        let mut texts = BTreeMap::from([("cluster", origin.cluster.name.clone())]);
        let mut labels = BTreeMap::new();
        if let Some(id) = &origin.resource_id {
            texts.insert("providerID", id.clone());
        }
        if let Recipient::Pod(pod) = &charge.recipient {
            // On Fargate the origin is the pod itself.
            let is_on_fargate = matches!(
                charge.class,
                Class::FargateVcpu | Class::FargateMemory | Class::FargateStorage
            );
            if !is_on_fargate {
                texts.insert("node", origin.name.clone());
            }
            texts.insert("namespace", pod.namespace.clone());
            texts.insert("pod", pod.name.clone());
            if let Some(controller) = &pod.controller {
                texts.insert("controller", controller.name.clone());
                texts.insert("controllerKind", controller.kind.to_lowercase());
            }
            labels =
                pod.labels.iter().map(|(key, value)| (sanitised(key), value.clone())).collect();
        }
        Self { texts, labels }
    }

    /// What both have.
    pub(super) fn shared(mut self, other: &Self) -> Self {
        self.texts.retain(|name, text| other.texts.get(name) == Some(text));
        self.labels.retain(|key, value| other.labels.get(key) == Some(value));
        self
    }

    pub(super) fn value(&self) -> Value {
        let mut fields: Map<String, Value> =
            self.texts.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        if !self.labels.is_empty() {
            fields.insert("labels".to_owned(), json!(self.labels));
        }
        Value::Object(fields)
    }
}

/// A label's key as Prometheus, and so OpenCost, has it.
pub(super) fn sanitised(key: &str) -> String {
    key.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '_' }).collect()
}
