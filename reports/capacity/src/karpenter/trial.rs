//! Trials: what a scheduler does in one is taken back, and what was prepared for it stays.

use super::amounts;
use super::limits::Remaining;
use super::scheduler::Scheduler;
use super::shape::ShapeId;
use super::standing::{NodeBefore, NodeState};

/// What a trial changes and puts back.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) nodes: Vec<NodeBefore>,
    remaining: Vec<Remaining>,
    hosts: usize,
}

impl Scheduler {
    /// Begins a trial with pods of these shapes: everything it does can be taken back.
    pub(crate) fn begin_trial(&mut self, shapes: impl Iterator<Item = ShapeId>) {
        self.topology.begin_trial();
        let (mut last, hosts) = (ShapeId::MAX, self.topology.hosts);
        for shape in shapes {
            if shape != last {
                self.topology.wake(&self.shapes.all[shape].groups);
                self.standing_room(shape);
            }
            last = shape;
        }
        let remaining = self.remaining.clone();
        self.before = Some(Before { nodes: Vec::new(), remaining, hosts });
    }

    /// Puts everything back as it was before the trial.
    pub(crate) fn end_trial(&mut self) {
        let Some(before) = self.before.take() else { return };
        for node in before.nodes {
            NodeState::put_back(&mut self.nodes, node);
        }
        self.remaining = before.remaining;
        self.topology.hosts = before.hosts;
        self.topology.end_trial(&self.batch);
        self.claims.clear();
        self.order.clear();
        self.open_templates = self.priced_templates;
        self.shapes.forget_claims();
    }

    /// Says that the nodes are others than before, or have other pods.
    pub(crate) fn nodes_changed(&mut self) {
        self.version += 1;
        self.frontier.clear();
        for node in &self.nodes {
            let left = node.remaining();
            if self.frontier.iter().any(|known| dominates(known, left)) {
                continue;
            }
            self.frontier.retain(|known| !dominates(left, known));
            self.frontier.push(left.to_vec());
        }
    }

    /// The state of the cluster between trials.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Whether any node has room for so much between trials.
    pub(crate) fn has_room(&self, requests: &[i64]) -> bool {
        self.frontier.iter().any(|left| amounts::fits(requests, left))
    }

    /// The first node with room for a shape between trials, whatever its rules.
    pub(crate) fn standing_room(&mut self, id: ShapeId) -> usize {
        let shape = &self.shapes.all[id];
        if let Some(known) = shape.standing_room(self.version) {
            return known;
        }
        let first = if self.has_room(&shape.requests) {
            self.nodes.iter().position(|node| node.has_room(&shape.requests))
        } else {
            None
        };
        let first = first.unwrap_or(self.nodes.len());
        self.shapes.all[id].note_standing_room(self.version, first);
        first
    }

    /// The nodes that pods of the trial go to.
    pub(crate) fn filled(&self) -> impl Iterator<Item = &NodeState> {
        let before = self.before.iter().flat_map(|before| &before.nodes);
        before.map(|node| &self.nodes[node.index])
    }

    /// What a node has, charged to its pool or given back.
    pub(crate) fn charge_standing(&mut self, pool: &str, row: &[i64], is_there: bool) {
        for (template, remaining) in self.templates.iter().zip(&mut self.remaining) {
            if template.pool.name == pool {
                remaining.charge_row(row, is_there);
            }
        }
    }
}

/// Whether what one node has left is at least as much, in every respect, as another.
fn dominates(left: &[i64], right: &[i64]) -> bool {
    left.iter().zip(right).all(|(left, right)| left >= right)
}
