//! Taking nodes away: which are not needed, since when, and how many may go now.
//!
//! A node is not needed when pods ask for less than the threshold of it, CPU and memory both, its
//! daemonsets among them, and all its pods fit on other nodes. Nodes are looked at one after the
//! other: empty ones first, then those that were not needed before; the pods of one found not needed
//! stay moved for the next, so that two nodes never count on the same room. A pod on its own cannot
//! be moved and holds its node.

use std::collections::{BTreeMap, BTreeSet};

use super::ClusterAutoscaler;
use crate::autoscalers::cluster::{Node, NodeId, NodeState};
use crate::autoscalers::machine::Room;
use crate::autoscalers::world::{Wake, World};

impl ClusterAutoscaler<'_> {
    /// Looks for nodes that are not needed, and removes those that were not for long enough.
    pub(super) fn scale_down(&mut self, world: &mut World<'_>) {
        self.find_unneeded(world);
        let is_cooling =
            self.last_scale_up.is_some_and(|last| last + self.settings.delay_after_add > world.now);
        if !is_cooling {
            self.remove(world);
        }
    }

    /// Keeps the list of nodes that are not needed, each with the scan that found it so first.
    pub(super) fn find_unneeded(&mut self, world: &World<'_>) {
        let known = self.unremovable.len();
        self.unremovable.retain(|_, until| *until > world.now);
        if self.looked_at == Some(world.cluster.version) && self.unremovable.len() == known {
            // Nothing has changed; the same nodes are not needed.
            return;
        }
        self.looked_at = Some(world.cluster.version);
        let cluster = &world.cluster;
        let mut candidates: Vec<NodeId> = cluster
            .in_state(NodeState::Ready)
            .filter(|node| !self.drains.contains_key(node))
            .filter(|node| !self.unremovable.contains_key(node))
            .filter(|node| is_below(&cluster.nodes[*node], self.settings.threshold))
            .collect();
        candidates.sort_by_key(|node| {
            (!cluster.nodes[*node].is_empty(), !self.unneeded.contains_key(node), *node)
        });
        let mut room: BTreeMap<NodeId, Room> = cluster
            .in_state(NodeState::Ready)
            .filter(|node| !self.drains.contains_key(node))
            .map(|node| (node, cluster.nodes[node].free))
            .collect();
        let mut found = BTreeMap::new();
        for node in candidates {
            if moved(world, node, &mut room) {
                found.insert(node, self.unneeded.get(&node).copied().unwrap_or(world.now));
            } else {
                self.unremovable.insert(node, world.now + self.settings.recheck_after);
            }
        }
        self.unneeded = found;
    }

    /// Removes what was not needed for longer than the time: empty nodes together, others one by one.
    fn remove(&mut self, world: &mut World<'_>) {
        self.drains.retain(|node, _| world.cluster.alive.contains(node));
        let mut sizes: Vec<usize> = (0..self.groups.len())
            .map(|group| {
                let leaving =
                    self.drains.keys().filter(|node| self.group_of[**node] == group).count();
                self.size(world, group) - leaving
            })
            .collect();
        let mut going: BTreeSet<NodeId> = BTreeSet::new();
        let mut deletions = self.settings.most_deletions.saturating_sub(self.drains.len());
        let draining = self.drains.values().filter(|holds| **holds).count();
        let mut drains = self.settings.most_drains.saturating_sub(draining);
        for empty in [true, false] {
            for (node, since) in &self.unneeded {
                let group = self.group_of[*node];
                if world.cluster.nodes[*node].is_empty() != empty
                    || since + self.settings.unneeded_time >= world.now
                    || sizes[group] <= self.groups[group].least
                {
                    continue;
                }
                // The size is reckoned with although the budget may keep the node for now.
                sizes[group] -= 1;
                if deletions == 0 || (!empty && drains == 0) {
                    continue;
                }
                deletions -= 1;
                drains -= usize::from(!empty);
                going.insert(*node);
            }
        }
        for node in going {
            self.unneeded.remove(&node);
            self.drains.insert(node, !world.cluster.nodes[node].is_empty());
            world.cluster.cordon(node);
            world.wake_in(self.settings.delete_delay, Wake::Drain(node));
        }
    }
}

/// Whether pods and daemonsets ask for less than the threshold of the node, in CPU and in memory.
fn is_below(node: &Node, threshold: i64) -> bool {
    let all = node.machine.allocatable;
    let below =
        |free: i64, of: i64| i128::from(of - free) * 1000 < i128::from(of) * i128::from(threshold);
    below(node.free.cpu, all.cpu) && below(node.free.memory, all.memory)
}

/// Moves the pods of a node to other ones in `room` and takes the node out; whether that went.
fn moved(world: &World<'_>, node: NodeId, room: &mut BTreeMap<NodeId, Room>) -> bool {
    let cluster = &world.cluster;
    let mut taken: Vec<(NodeId, Room)> = Vec::new();
    let own = room.remove(&node);
    for pod in &cluster.nodes[node].pods {
        let asked = cluster.asked[*pod];
        let is_alone = cluster.trace.pods[*pod].owner.is_empty();
        let place = room.iter_mut().find(|(_, free)| free.holds(asked));
        match place {
            Some((other, free)) if !is_alone => {
                *free = free.less(asked);
                taken.push((*other, asked));
            }
            _ => {
                for (other, asked) in taken {
                    if let Some(free) = room.get_mut(&other) {
                        *free = free.and(asked);
                    }
                }
                room.extend(own.map(|own| (node, own)));
                return false;
            }
        }
    }
    true
}
