//! Nodes that Karpenter gives up: empty ones, and such whose pods fit elsewhere or on a cheaper node.
//!
//! A node may go when no pod came or went for `consolidateAfter`, by as many at once as its pool's
//! budget leaves. Empty nodes go together; else one node at a time, the one with fewest pods first:
//! deleted when other ready nodes hold its pods, replaced when one strictly cheaper new node does. A
//! replaced node keeps its pods until the new one is ready.

use super::planner::{Claim, not_held};
use super::{Karpenter, planner::Planner};
use crate::autoscalers::cluster::{NodeId, NodeState, Origin};
use crate::autoscalers::world::{Wake, World};
use crate::launch::CapacityType;
use crate::manifest::{BudgetReason, ConsolidationPolicy, NodePool};

/// What was decided and is looked at again.
#[derive(Debug, Clone)]
struct Command {
    nodes: Vec<NodeId>,
    replacement: Option<Claim>,
    decided: i64,
}

/// A node that waits for its replacement.
#[derive(Debug, Clone)]
pub(super) struct Replacing {
    by: NodeId,
    nodes: Vec<NodeId>,
}

/// Between two looks.
#[derive(Debug, Default)]
pub(super) struct Disruption {
    command: Option<Command>,
    /// The state of the cluster in which there was nothing to do, and until when that holds.
    nothing: Option<(u64, i64)>,
}

impl Karpenter<'_> {
    /// Looks for nodes to give up.
    pub(super) fn look(&mut self, world: &mut World<'_>) {
        let known = self
            .disruption
            .nothing
            .is_some_and(|(version, until)| version == world.cluster.version && world.now < until);
        let command = if known { None } else { self.command(world) };
        if command.is_some() {
            self.disruption.command = command;
            world.wake_in(self.settings.validation, Wake::Validate);
            return;
        }
        if !known {
            self.disruption.nothing = Some((world.cluster.version, self.next_due(world)));
        }
        world.wake_in(self.settings.look_interval.max(1), Wake::Look);
    }

    /// Acts on what was decided, if it still holds.
    pub(super) fn validate(&mut self, world: &mut World<'_>) {
        let Some(command) = self.disruption.command.take() else { return };
        let holds = match command.nodes.as_slice() {
            [node] if !world.cluster.nodes[*node].is_empty() || command.replacement.is_some() => {
                let again = if self.may_go(world, *node, BudgetReason::Underutilized) {
                    self.single(world, *node, command.decided)
                } else {
                    None
                };
                let same =
                    |again: &Command| again.replacement.is_some() == command.replacement.is_some();
                again.as_ref().is_some_and(same)
            }
            nodes => nodes.iter().all(|node| {
                world.cluster.nodes[*node].is_empty()
                    && self.may_go(world, *node, BudgetReason::Empty)
            }),
        };
        if !holds {
            world.wake_in(self.settings.look_interval.max(1), Wake::Look);
            return;
        }
        match &command.replacement {
            None => self.give_up(world, &command.nodes),
            Some(claim) => {
                let what = format!(
                    "NodeClaim of pool {} in place of a dearer node; CreateFleet: {} in {}",
                    claim.pool, claim.machine.instance_type, claim.machine.zone
                );
                let origin = Origin { seen: command.decided, decided: world.now, what };
                let by = world.launch(claim.machine.clone(), &claim.pool, origin);
                for node in &command.nodes {
                    world.cluster.cordon(*node);
                }
                self.replacing.push(Replacing { by, nodes: command.nodes });
            }
        }
        world.wake_in(0, Wake::Look);
    }

    /// A replacement is ready: what it stands in for goes.
    pub(super) fn replaced(&mut self, world: &mut World<'_>, by: NodeId) {
        let Some(at) = self.replacing.iter().position(|one| one.by == by) else { return };
        let replacing = self.replacing.remove(at);
        self.give_up(world, &replacing.nodes);
    }

    fn give_up(&mut self, world: &mut World<'_>, nodes: &[NodeId]) {
        for node in nodes {
            let holds = !world.cluster.nodes[*node].is_empty();
            let waiting = world.drain(*node, if holds { self.drain_time } else { 0 });
            for _ in waiting {
                super::Autoscaler::pod_waits(self, world);
            }
        }
    }

    fn command(&mut self, world: &World<'_>) -> Option<Command> {
        let decided = world.now;
        let mut empty = Vec::new();
        for pool in self.planner.pools() {
            let of_pool = |node: &NodeId| world.cluster.nodes[*node].group == pool.name;
            let nodes = world.cluster.in_state(NodeState::Ready).filter(of_pool);
            let candidates = nodes
                .filter(|node| world.cluster.nodes[*node].is_empty() && due(world, *node, pool));
            empty.extend(candidates.take(allowed(world, pool, BudgetReason::Empty)));
        }
        if !empty.is_empty() {
            return Some(Command { nodes: empty, replacement: None, decided });
        }
        let mut candidates: Vec<NodeId> = world
            .cluster
            .in_state(NodeState::Ready)
            .filter(|node| !world.cluster.nodes[*node].is_empty())
            .filter(|node| self.may_go(world, *node, BudgetReason::Underutilized))
            .collect();
        candidates.sort_by_key(|node| (world.cluster.nodes[*node].pods.len(), *node));
        candidates.into_iter().find_map(|node| self.single(world, node, decided))
    }

    /// Whether rules and budget let a node go.
    fn may_go(&self, world: &World<'_>, node: NodeId, reason: BudgetReason) -> bool {
        let one = &world.cluster.nodes[node];
        let Some(pool) = self.planner.pool(&one.group) else { return false };
        let by_policy = reason == BudgetReason::Empty
            || pool.disruption.policy != ConsolidationPolicy::WhenEmpty;
        one.state == NodeState::Ready
            && by_policy
            && due(world, node, pool)
            && allowed(world, pool, reason) > 0
    }

    /// What giving up one node takes; none when it cannot go or saves nothing.
    fn single(&mut self, world: &World<'_>, node: NodeId, decided: i64) -> Option<Command> {
        let one = &world.cluster.nodes[node];
        let pods: Vec<usize> = one.pods.iter().copied().collect();
        let left = not_held(world, &pods, &[NodeState::Ready], &[node]);
        if left.is_empty() {
            return Some(Command { nodes: vec![node], replacement: None, decided });
        }
        let plan = self.planner.plan(world, &left);
        let [claim] = plan.claims.as_slice() else { return None };
        let (now, then) = (one.machine.price.as_ref().ok()?, claim.machine.price.as_ref().ok()?);
        // A spot node is replaced by another one only behind a feature gate that is off.
        let is_spot = one.machine.capacity_type == CapacityType::Spot.label();
        let is_cheaper = then.ten_billionths() < now.ten_billionths();
        (plan.refused.is_empty() && is_cheaper && !is_spot).then(|| Command {
            nodes: vec![node],
            replacement: Some(claim.clone()),
            decided,
        })
    }

    /// When the next node's time is over, if nothing else happens.
    fn next_due(&self, world: &World<'_>) -> i64 {
        let pools: &Planner = &self.planner;
        world
            .cluster
            .in_state(NodeState::Ready)
            .filter_map(|node| {
                let one = &world.cluster.nodes[node];
                let after = pools.pool(&one.group)?.disruption.consolidate_after?;
                Some(one.changed + after).filter(|due| *due > world.now)
            })
            .min()
            .unwrap_or(i64::MAX)
    }
}

/// Whether no pod came or went for the pool's time.
fn due(world: &World<'_>, node: NodeId, pool: &NodePool) -> bool {
    pool.disruption
        .consolidate_after
        .is_some_and(|after| world.cluster.nodes[node].changed + after <= world.now)
}

/// How many nodes of a pool may be disrupted now: the smallest budget, less those that leave or are
/// not ready. A budget that holds at some times only is taken to hold.
fn allowed(world: &World<'_>, pool: &NodePool, reason: BudgetReason) -> usize {
    let cluster = &world.cluster;
    let (mut all, mut busy) = (0, 0);
    for node in &cluster.alive {
        let one = &cluster.nodes[*node];
        if one.group == pool.name {
            all += 1;
            busy += usize::from(one.state != NodeState::Ready);
        }
    }
    pool.disruption
        .budgets
        .iter()
        .filter(|budget| budget.reasons.is_empty() || budget.reasons.contains(&reason))
        .map(|budget| budget.size.of(all))
        .min()
        .unwrap_or(all)
        .saturating_sub(busy)
}
