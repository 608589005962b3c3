//! The Cluster Autoscaler: a loop that adds nodes to groups and takes them away again.
//!
//! One loop is one scan. Pods that fit on nodes that are there or on their way are passed over; for
//! the others every group says how many nodes it would need ([`scale_up`]), and the expander
//! ([`expander`]) takes one group. A loop that adds nodes does nothing else. One that adds none looks
//! for nodes that are not needed ([`scale_down`]) and removes those that were not for long enough.
//!
//! Modelled after its source as of 2025: the filter of schedulable pods, equivalence groups, the
//! first-fit-decreasing estimate that tries only the newest node, the four expanders with chance
//! between equals, the two seconds in which pods are too new, the strict *longer than* of the unneeded
//! time, the five minutes for which a node that could not be emptied is left alone, ten deletions and
//! one drain at a time. [`NOT_MODELLED`] names what is not.

mod expander;
mod scale_down;
mod scale_up;

pub use expander::Expander;

use std::collections::BTreeMap;

use super::cluster::{NodeId, NodeState, PodState};
use super::machine::Room;
use super::node_group::NodeGroup;
use super::random::Random;
use super::world::{Autoscaler, Wake, World};

/// Its flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterAutoscalerSettings {
    /// `--scan-interval`, in seconds.
    pub scan_interval: i64,
    /// `--expander`.
    pub expander: Expander,
    /// Group names or their beginnings by falling priority, for the priority expander.
    pub priorities: Vec<String>,
    /// `--scale-down-delay-after-add`, in seconds.
    pub delay_after_add: i64,
    /// `--scale-down-unneeded-time`, in seconds.
    pub unneeded_time: i64,
    /// `--scale-down-utilization-threshold`, in thousandths.
    pub threshold: i64,
    /// `--unremovable-node-recheck-timeout`, in seconds.
    pub recheck_after: i64,
    /// `--max-scale-down-parallelism`.
    pub most_deletions: usize,
    /// `--max-drain-parallelism`.
    pub most_drains: usize,
    /// `--node-delete-delay-after-taint`, in seconds.
    pub delete_delay: i64,
    /// `--max-nodes-per-scaleup`.
    pub most_new_nodes: usize,
}

impl Default for ClusterAutoscalerSettings {
    /// Its own defaults.
    fn default() -> Self {
        Self {
            scan_interval: 10,
            expander: Expander::LeastWaste,
            priorities: Vec::new(),
            delay_after_add: 600,
            unneeded_time: 600,
            threshold: 500,
            recheck_after: 300,
            most_deletions: 10,
            most_drains: 1,
            delete_delay: 5,
            most_new_nodes: 1000,
        }
    }
}

/// What of the Cluster Autoscaler is left out.
pub(crate) const NOT_MODELLED: [&str; 5] = [
    "Cluster Autoscaler: the Auto Scaling group launches at once, launches never fail, and a group never runs out of capacity",
    "Cluster Autoscaler: --frequent-loops-enabled, which starts a loop when a pod is unschedulable; the loop then finds the pod too new and waits for the next scan all the same",
    "Cluster Autoscaler: balancing of similar node groups (off by default), soft taints, resource limits over all groups, PodDisruptionBudgets, annotations on pods and nodes",
    "Cluster Autoscaler: where its source iterates a Go map (which of several unneeded nodes goes first) the oldest node is taken",
    "kube-scheduler: all its scores but least allocated, priorities and preemption; calls and bindings take no time",
];

/// What draws of the expander are kept apart by.
const PURPOSE: u64 = 2;
/// Pods younger than this wait for the next loop, in the hope of more.
const TOO_NEW: i64 = 2;

/// The Cluster Autoscaler at work.
#[derive(Debug)]
pub(crate) struct ClusterAutoscaler<'a> {
    settings: &'a ClusterAutoscalerSettings,
    groups: &'a [NodeGroup],
    drain_time: i64,
    random: Random,
    /// The group of each node, by the node's number.
    group_of: Vec<usize>,
    last_scale_up: Option<i64>,
    unneeded: BTreeMap<NodeId, i64>,
    /// Until when a node that could not be emptied is left alone.
    unremovable: BTreeMap<NodeId, i64>,
    drains: BTreeMap<NodeId, bool>,
    /// The state of the cluster in which the unneeded nodes were found.
    looked_at: Option<u64>,
}

impl<'a> ClusterAutoscaler<'a> {
    pub(crate) fn new(
        settings: &'a ClusterAutoscalerSettings,
        groups: &'a [NodeGroup],
        drain_time: i64,
        seed: u64,
    ) -> Self {
        Self {
            settings,
            groups,
            drain_time,
            random: Random::apart(seed, PURPOSE),
            group_of: Vec::new(),
            last_scale_up: None,
            unneeded: BTreeMap::new(),
            unremovable: BTreeMap::new(),
            drains: BTreeMap::new(),
            looked_at: None,
        }
    }

    /// The nodes of a group that are not terminated: its desired size.
    fn size(&self, world: &World<'_>, group: usize) -> usize {
        world.cluster.alive.iter().filter(|node| self.group_of[**node] == group).count()
    }

    fn scan(&mut self, world: &mut World<'_>) {
        let waiting = scale_up::not_helped(world);
        if waiting.is_empty() {
            self.scale_down(world);
            return;
        }
        // A pod that was evicted is another pod to it, as old as its eviction.
        let all_are_new = waiting.iter().all(|pod| match world.cluster.pods[*pod].state {
            PodState::Pending(since) => since + TOO_NEW > world.now,
            _ => false,
        });
        if all_are_new {
            // It waits for more of them, and removes nothing meanwhile.
            self.find_unneeded(world);
            return;
        }
        if self.scale_up(world, &waiting) {
            self.last_scale_up = Some(world.now);
        } else {
            self.scale_down(world);
        }
    }
}

impl Autoscaler for ClusterAutoscaler<'_> {
    fn begin(&mut self, world: &mut World<'_>) {
        for (index, group) in self.groups.iter().enumerate() {
            for _ in 0..group.least {
                world.stand(group.machine.clone(), &group.name);
                self.group_of.push(index);
            }
        }
        world.wake_in(0, Wake::Scan);
    }

    fn pod_waits(&mut self, _world: &mut World<'_>) {}

    fn node_ready(&mut self, _world: &mut World<'_>, _node: NodeId) {}

    fn wake(&mut self, world: &mut World<'_>, wake: Wake) {
        match wake {
            Wake::Scan => {
                self.scan(world);
                world.wake_in(self.settings.scan_interval.max(1), Wake::Scan);
            }
            Wake::Drain(node) => {
                let holds = !world.cluster.nodes[node].is_empty();
                world.drain(node, if holds { self.drain_time } else { 0 });
            }
            Wake::Batch | Wake::Look | Wake::Validate => {}
        }
    }
}

/// Room of the nodes that take pods or will, by node.
fn room_for_pods(world: &World<'_>) -> BTreeMap<NodeId, Room> {
    let cluster = &world.cluster;
    cluster
        .alive
        .iter()
        .filter(|node| matches!(cluster.nodes[**node].state, NodeState::Ready | NodeState::Coming))
        .map(|node| (*node, cluster.nodes[*node].free))
        .collect()
}
