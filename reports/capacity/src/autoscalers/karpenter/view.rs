//! The nodes as Karpenter's scheduler sees them: ready ones first, then those on their way, each in
//! the order of launching, and what room they have for pods it has to place.

use std::cmp::Reverse;

use crate::autoscalers::cluster::{NodeId, NodeState, PodId};
use crate::autoscalers::machine::Room;
use crate::autoscalers::world::World;

/// Rooms by node.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) ready: Vec<(NodeId, Room)>,
    /// Those on their way, with the pods on them that wait for them.
    pub(super) coming: Vec<(NodeId, Room)>,
    /// Sizes of pods that wait and that no node holds, largest first.
    pub(super) waiting: Vec<Room>,
}

impl View {
    /// As things are: pods that wait, and pods of nodes that are being replaced, are put on nodes that
    /// hold them.
    pub(super) fn of(world: &World<'_>) -> Self {
        let cluster = &world.cluster;
        let rooms = |state| cluster.in_state(state).map(|node| (node, cluster.nodes[node].free));
        let mut view = Self {
            ready: rooms(NodeState::Ready).collect(),
            coming: rooms(NodeState::Coming).collect(),
            waiting: Vec::new(),
        };
        let replaced = cluster.in_state(NodeState::Cordoned);
        let moving: Vec<PodId> = cluster
            .pending
            .values()
            .copied()
            .chain(replaced.flat_map(|node| cluster.nodes[node].pods.iter().copied()))
            .collect();
        let sizes = by_size(moving.iter().map(|pod| cluster.asked[*pod]));
        let left = place(&sizes, &mut view.ready, &[]);
        view.waiting = place(&left, &mut view.coming, &[]);
        view
    }
}

/// Largest CPU first, then largest memory.
pub(super) fn by_size(sizes: impl Iterator<Item = Room>) -> Vec<Room> {
    let mut sizes: Vec<Room> = sizes.collect();
    sizes.sort_by_key(|size| Reverse((size.cpu, size.memory)));
    sizes
}

/// Puts pods of these sizes on the first of some nodes that holds each, some nodes left out. Answers
/// the sizes that none holds.
pub(super) fn place(sizes: &[Room], rooms: &mut [(NodeId, Room)], without: &[NodeId]) -> Vec<Room> {
    let mut left = Vec::new();
    let (mut last, mut from) = (None, 0);
    for asked in sizes {
        // What did not hold a pod does not hold the next one of the same size.
        if last != Some(*asked) {
            from = 0;
        }
        last = Some(*asked);
        let at = rooms[from..]
            .iter()
            .position(|(node, free)| free.holds(*asked) && !without.contains(node));
        if let Some(at) = at {
            from += at;
            rooms[from].1 = rooms[from].1.less(*asked);
        } else {
            from = rooms.len();
            left.push(*asked);
        }
    }
    left
}
