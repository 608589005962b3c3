//! The cluster under an autoscaler: its nodes, its pods, and kube-scheduler.
//!
//! A pod is bound at once when a ready node has room, to the node that is *least allocated*
//! afterwards (the mean of CPU and memory, kube-scheduler's default score), of equal ones the first.
//! Else it is pending. Pending pods are tried again when a node gets room, in the order in which they
//! became pending. Between two events no pending pod fits on a ready node; everything here keeps
//! that, so only the node that got room has to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{Machine, Room};
use super::trace::Trace;
use super::world::Sample;

/// A pod, by its position in the trace.
pub(crate) type PodId = usize;
/// A node, by the order of launching.
pub(crate) type NodeId = usize;

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// Launched, not ready.
    Coming,
    /// Takes pods.
    Ready,
    /// Keeps its pods, takes no more: its replacement is on its way.
    Cordoned,
    /// Drained, on its way out.
    Leaving,
    /// Terminated.
    Gone,
}

/// Why a node was launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// When the autoscaler saw the need: the scan, or the opening of the batch.
    pub(crate) seen: i64,
    /// When it decided.
    pub(crate) decided: i64,
    /// What it decided, for people.
    pub(crate) what: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) machine: Machine,
    /// The node group or `NodePool`.
    pub(crate) group: String,
    pub(crate) origin: Origin,
    pub(crate) launched: i64,
    pub(crate) ready: Option<i64>,
    pub(crate) terminated: Option<i64>,
    pub(crate) state: NodeState,
    pub(crate) free: Room,
    pub(crate) pods: BTreeSet<PodId>,
    /// When a pod came or went last, or it became ready.
    pub(crate) changed: i64,
}

impl Node {
    /// Whether it holds no pod but daemonsets'.
    pub(crate) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }
}

/// What a pod is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PodState {
    /// It has not come yet.
    ToCome,
    /// It waits since then.
    Pending(i64),
    /// It runs there.
    Bound(NodeId),
    /// It was removed.
    Removed,
    /// It was evicted and nothing makes it again.
    Lost,
}

#[derive(Debug, Clone)]
pub(crate) struct PodRecord {
    pub(crate) state: PodState,
    pub(crate) waited: i64,
    pub(crate) evictions: u32,
    /// When it was bound first, and where.
    pub(crate) first_bound: Option<(i64, NodeId)>,
    /// When it became pending first.
    pub(crate) first_pending: Option<i64>,
}

/// Nodes and pods.
#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    pub(crate) trace: &'a Trace,
    /// What each pod takes.
    pub(crate) asked: Vec<Room>,
    pub(crate) nodes: Vec<Node>,
    /// Nodes that are not terminated.
    pub(crate) alive: BTreeSet<NodeId>,
    pub(crate) pods: Vec<PodRecord>,
    /// Pending pods in the order in which they became so.
    pub(crate) pending: BTreeMap<u64, PodId>,
    place_in_line: Vec<u64>,
    line: u64,
    /// Grows with every change.
    pub(crate) version: u64,
    /// The pod that became pending first of all.
    pub(crate) first_pending: Option<PodId>,
    ready: usize,
    bound: usize,
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(trace: &'a Trace) -> Self {
        let record = PodRecord {
            state: PodState::ToCome,
            waited: 0,
            evictions: 0,
            first_bound: None,
            first_pending: None,
        };
        Self {
            trace,
            asked: trace.pods.iter().map(|pod| Room::of_pod(pod.cpu.0, pod.memory.0)).collect(),
            nodes: Vec::new(),
            alive: BTreeSet::new(),
            pods: vec![record; trace.pods.len()],
            pending: BTreeMap::new(),
            place_in_line: vec![0; trace.pods.len()],
            line: 0,
            version: 0,
            first_pending: None,
            ready: 0,
            bound: 0,
        }
    }

    /// How many there are now.
    pub(crate) fn counts(&self) -> Sample {
        Sample {
            at: 0,
            nodes: self.alive.len(),
            ready: self.ready,
            pending: self.pending.len(),
            bound: self.bound,
        }
    }

    /// Puts a node there that is on its way.
    pub(crate) fn launch(
        &mut self,
        now: i64,
        machine: Machine,
        group: &str,
        origin: Origin,
    ) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node {
            free: machine.free(),
            machine,
            group: group.to_owned(),
            origin,
            launched: now,
            ready: None,
            terminated: None,
            state: NodeState::Coming,
            pods: BTreeSet::new(),
            changed: now,
        });
        self.alive.insert(id);
        self.version += 1;
        id
    }

    /// A node can take pods now, and takes those that wait.
    pub(crate) fn become_ready(&mut self, now: i64, node: NodeId) {
        let one = &mut self.nodes[node];
        one.state = NodeState::Ready;
        one.ready = Some(now);
        one.changed = now;
        self.ready += 1;
        self.version += 1;
        self.fill(now, node);
    }

    /// Terminates a node.
    pub(crate) fn terminate(&mut self, now: i64, node: NodeId) {
        self.nodes[node].state = NodeState::Gone;
        self.nodes[node].terminated = Some(now);
        self.alive.remove(&node);
        self.version += 1;
    }

    /// Closes a node for more pods; those on it stay.
    pub(crate) fn cordon(&mut self, node: NodeId) {
        self.nodes[node].state = NodeState::Cordoned;
        self.ready -= 1;
        self.version += 1;
    }

    /// A pod comes; whether it has to wait.
    pub(crate) fn add(&mut self, now: i64, pod: PodId) -> bool {
        self.version += 1;
        self.offer(now, pod)
    }

    /// A pod goes.
    pub(crate) fn remove(&mut self, now: i64, pod: PodId) {
        self.version += 1;
        match self.pods[pod].state {
            PodState::Bound(node) => {
                let asked = self.asked[pod];
                let one = &mut self.nodes[node];
                one.pods.remove(&pod);
                one.free = one.free.and(asked);
                one.changed = now;
                self.bound -= 1;
                self.pods[pod].state = PodState::Removed;
                if self.nodes[node].state == NodeState::Ready {
                    self.fill(now, node);
                }
            }
            PodState::Pending(since) => {
                self.pending.remove(&self.place_in_line[pod]);
                self.pods[pod].waited += now - since;
                self.pods[pod].state = PodState::Removed;
            }
            PodState::ToCome | PodState::Removed | PodState::Lost => {}
        }
    }

    /// Drains a node: its pods come again elsewhere, if anything makes them again. Answers which of
    /// them have to wait.
    pub(crate) fn drain(&mut self, now: i64, node: NodeId) -> Vec<PodId> {
        self.version += 1;
        if self.nodes[node].state == NodeState::Ready {
            self.ready -= 1;
        }
        self.nodes[node].state = NodeState::Leaving;
        let pods: Vec<PodId> = std::mem::take(&mut self.nodes[node].pods).into_iter().collect();
        let mut waiting = Vec::new();
        for pod in pods {
            self.nodes[node].free = self.nodes[node].free.and(self.asked[pod]);
            self.pods[pod].evictions += 1;
            self.bound -= 1;
            if self.trace.pods[pod].owner.is_empty() {
                self.pods[pod].state = PodState::Lost;
            } else if self.offer(now, pod) {
                waiting.push(pod);
            }
        }
        waiting
    }

    /// Ends the waiting of those that still wait; they stay pending.
    pub(crate) fn close(&mut self, now: i64) {
        for pod in self.pending.values() {
            if let PodState::Pending(since) = self.pods[*pod].state {
                self.pods[*pod].waited += now - since;
                self.pods[*pod].state = PodState::Pending(now);
            }
        }
    }

    /// Nodes in this state, in their order.
    pub(crate) fn in_state(&self, state: NodeState) -> impl Iterator<Item = NodeId> {
        self.alive.iter().copied().filter(move |node| self.nodes[*node].state == state)
    }

    /// Binds a pod or lets it wait; whether it waits.
    fn offer(&mut self, now: i64, pod: PodId) -> bool {
        let asked = self.asked[pod];
        let mut best: Option<(i64, NodeId)> = None;
        for node in self.in_state(NodeState::Ready) {
            let one = &self.nodes[node];
            if one.free.holds(asked) {
                let score = least_allocated(one, asked);
                if best.is_none_or(|(best, _)| score > best) {
                    best = Some((score, node));
                }
            }
        }
        if let Some((_, node)) = best {
            self.bind(now, pod, node);
            return false;
        }
        self.line += 1;
        self.place_in_line[pod] = self.line;
        self.pending.insert(self.line, pod);
        let record = &mut self.pods[pod];
        record.state = PodState::Pending(now);
        record.first_pending.get_or_insert(now);
        self.first_pending.get_or_insert(pod);
        true
    }

    /// Binds pending pods to a node, first come, first served.
    fn fill(&mut self, now: i64, node: NodeId) {
        let mut bound = Vec::new();
        let mut free = self.nodes[node].free;
        for (place, pod) in &self.pending {
            if free.pods < 1 {
                break;
            }
            if free.holds(self.asked[*pod]) {
                free = free.less(self.asked[*pod]);
                bound.push((*place, *pod));
            }
        }
        for (place, pod) in bound {
            self.pending.remove(&place);
            self.bind(now, pod, node);
        }
    }

    fn bind(&mut self, now: i64, pod: PodId, node: NodeId) {
        let record = &mut self.pods[pod];
        if let PodState::Pending(since) = record.state {
            record.waited += now - since;
        }
        record.state = PodState::Bound(node);
        self.bound += 1;
        record.first_bound.get_or_insert((now, node));
        let one = &mut self.nodes[node];
        one.pods.insert(pod);
        one.free = one.free.less(self.asked[pod]);
        one.changed = now;
    }
}

/// kube-scheduler's `LeastAllocated`: how much is left, of a hundred, CPU and memory alike.
fn least_allocated(node: &Node, asked: Room) -> i64 {
    let left = node.free.less(asked);
    let share = |left: i64, of: i64| {
        if of <= 0 {
            return 0;
        }
        i64::try_from(i128::from(left) * 100 / i128::from(of)).unwrap_or(0)
    };
    let of = node.machine.allocatable;
    i64::midpoint(share(left.cpu, of.cpu), share(left.memory, of.memory))
}
