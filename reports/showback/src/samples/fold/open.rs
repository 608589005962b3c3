//! Pods and nodes that are there, until they are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::quantity::{Bytes, Millicores};

use super::Step;
use crate::observed::{ClusterId, NodeInterval, PodInterval, Source, Usage, Window};
use crate::samples::look::{Labels, NodeState, PodState, UsageSample};

/// A pod that is there.
pub(super) struct OpenPod {
    pub(super) state: Arc<PodState>,
    pub(super) namespace_labels: Labels,
    pub(super) since: Timestamp,
    pub(super) first_look: u64,
    pub(super) is_part: bool,
    cpu: Average,
    memory: Average,
}

/// A mean over time.
#[derive(Debug, Clone, Copy, Default)]
struct Average {
    amount_seconds: i128,
    seconds: i64,
}

impl Average {
    fn add(&mut self, amount: Option<i64>, seconds: i64) {
        if let Some(amount) = amount.filter(|_| seconds > 0) {
            self.amount_seconds += i128::from(amount) * i128::from(seconds);
            self.seconds = self.seconds.saturating_add(seconds);
        }
    }

    /// To the nearest.
    fn mean(self) -> Option<i64> {
        let seconds = i128::from(self.seconds);
        (seconds > 0)
            .then(|| i64::try_from((self.amount_seconds + seconds / 2).div_euclid(seconds)).ok())
            .flatten()
    }
}

impl OpenPod {
    pub(super) fn new(
        state: Arc<PodState>,
        namespace_labels: Labels,
        step: Step,
        look: u64,
    ) -> Self {
        Self {
            state,
            namespace_labels,
            since: step.at,
            first_look: look,
            is_part: false,
            cpu: Average::default(),
            memory: Average::default(),
        }
    }

    /// The same pod, later. Its times are those of its first start, however often it started.
    pub(super) fn goes_on_as(&mut self, later: &Arc<PodState>) {
        let scheduled = earliest(self.state.scheduled, later.scheduled);
        let started = earliest(self.state.started, later.started);
        self.state = later.clone();
        if (scheduled, started) != (later.scheduled, later.started) {
            let state = Arc::make_mut(&mut self.state);
            (state.scheduled, state.started) = (scheduled, started);
        }
    }

    pub(super) fn used(&mut self, sample: &UsageSample) {
        self.cpu.add(sample.cpu, sample.seconds);
        self.memory.add(sample.memory, sample.seconds);
    }

    pub(super) fn interval(
        self,
        cluster: &Arc<ClusterId>,
        seen: Window,
        looks: u64,
        ended: Option<Timestamp>,
        source: Source,
    ) -> PodInterval {
        let usage =
            Usage { cpu: self.cpu.mean().map(Millicores), memory: self.memory.mean().map(Bytes) };
        let state = self.state;
        PodInterval {
            cluster: cluster.clone(),
            uid: state.uid.clone(),
            namespace: state.namespace.clone(),
            name: state.name.clone(),
            controller: state.controller.clone(),
            labels: state.labels.clone(),
            annotations: state.annotations.clone(),
            namespace_labels: self.namespace_labels,
            place: state.place(),
            requests: state.requests.clone(),
            usage: Some(usage).filter(|usage| usage.cpu.is_some() || usage.memory.is_some()),
            phase: state.phase.clone(),
            scheduled: state.scheduled,
            started: state.started,
            finished: state.finished,
            ended,
            is_part: self.is_part,
            seen,
            looks,
            source,
        }
    }
}

/// A node that is there.
pub(super) struct OpenNode {
    pub(super) state: Arc<NodeState>,
    pub(super) since: Timestamp,
    pub(super) first_look: u64,
}

impl OpenNode {
    pub(super) fn new(state: Arc<NodeState>, step: Step, look: u64) -> Self {
        Self { state, since: step.at, first_look: look }
    }

    /// The same node, later. It took pods when it first did.
    pub(super) fn goes_on_as(&mut self, later: &Arc<NodeState>) {
        let ready = earliest(self.state.ready, later.ready);
        self.state = later.clone();
        if ready != later.ready {
            Arc::make_mut(&mut self.state).ready = ready;
        }
    }

    pub(super) fn interval(
        self,
        cluster: &Arc<ClusterId>,
        seen: Window,
        looks: u64,
        ended: Option<Timestamp>,
        source: Source,
    ) -> NodeInterval {
        let state = self.state;
        NodeInterval {
            cluster: cluster.clone(),
            name: state.name.clone(),
            uid: state.uid.clone(),
            instance_id: state.instance_id.clone(),
            instance_type: state.instance_type.clone(),
            capacity_type: state.capacity_type,
            zone: state.zone.clone(),
            pool: state.pool.clone(),
            is_auto_mode: state.is_auto_mode,
            capacity: state.capacity.clone(),
            allocatable: state.allocatable.clone(),
            volume: state.volume,
            launched: state.launched,
            ready: state.ready,
            drained: state.drained,
            ended,
            seen,
            looks,
            source,
        }
    }
}

/// A machine that was a `NodeClaim` first and a node later, or left its claim behind, is one machine: its
/// instance says so. It is called as its node, where one was seen.
pub(super) fn join_claims(mut nodes: Vec<(NodeInterval, bool)>) -> Vec<NodeInterval> {
    nodes.sort_by(|(left, _), (right, _)| (left.seen, &left.uid).cmp(&(right.seen, &right.uid)));
    let mut of_instance: BTreeMap<String, usize> = BTreeMap::new();
    let mut joined: Vec<(NodeInterval, bool)> = Vec::with_capacity(nodes.len());
    for (node, is_claim) in nodes {
        let known = node.instance_id.as_ref().and_then(|id| of_instance.get(id)).copied();
        if let Some((earlier, was_claim)) = known.and_then(|index| joined.get_mut(index)) {
            let takes_over = *was_claim || !is_claim;
            join(earlier, node, takes_over);
            *was_claim = *was_claim && is_claim;
            continue;
        }
        if let Some(id) = &node.instance_id {
            of_instance.insert(id.clone(), joined.len());
        }
        joined.push((node, is_claim));
    }
    joined.into_iter().map(|(node, _)| node).collect()
}

/// Makes one interval of two of the same machine, the later of which says what it is if it takes over.
fn join(earlier: &mut NodeInterval, later: NodeInterval, takes_over: bool) {
    let one = NodeInterval {
        launched: earlier.launched.min(later.launched),
        ready: earliest(earlier.ready, later.ready),
        drained: earliest(earlier.drained, later.drained),
        ended: later.ended,
        seen: Window {
            start: earlier.seen.start.min(later.seen.start),
            end: earlier.seen.end.max(later.seen.end),
        },
        looks: earlier.looks + later.looks,
        source: later.source,
        ..if takes_over { later } else { earlier.clone() }
    };
    *earlier = one;
}

/// The earlier of two moments; a container or a node that starts again has started before.
fn earliest(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    left.into_iter().chain(right).min()
}
