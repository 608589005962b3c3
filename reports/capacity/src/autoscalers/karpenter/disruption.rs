//! Nodes that Karpenter gives up, when and how.
//!
//! A node may go when no pod came or went for `consolidateAfter`, by as many at once as its pool's
//! budget leaves. What goes is decided by Karpenter's three methods in their order, empty nodes,
//! several at once, a single one: for a plain pool here ([`super::plain`]), else by
//! [`crate::consolidation`] ([`super::thorough`]); where both can answer, they answer the same. After
//! the validation time the decision is made again for the same nodes, and carried out if it holds. A
//! node that is replaced keeps its pods until the new one is ready.

use super::planner::Claim;
use super::{Karpenter, plain, thorough};
use crate::autoscalers::cluster::{NodeId, NodeState, Origin};
use crate::autoscalers::machine::Room;
use crate::autoscalers::world::{Autoscaler, Wake, World};
use crate::manifest::{BudgetReason, ConsolidationPolicy, NodePool};
use crate::plural::counted;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) reason: BudgetReason,
    pub(super) nodes: Vec<NodeId>,
    pub(super) replacement: Option<Claim>,
    /// What a replacement has to hold, for a plain pool.
    pub(super) asked: Room,
    /// What it has to cost less than, for a plain pool.
    pub(super) below: i64,
}

/// Nodes that wait for their replacement.
#[derive(Debug, Clone)]
pub(super) struct Replacing {
    by: NodeId,
    nodes: Vec<NodeId>,
}

/// Between two looks.
#[derive(Debug, Default)]
pub(super) struct Disruption {
    /// What was decided, and when.
    command: Option<(Command, i64)>,
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
        if let Some(command) = command {
            self.disruption.command = Some((command, world.now));
            world.wake_in(self.settings.validation, Wake::Validate);
            return;
        }
        if !known {
            self.disruption.nothing = Some((world.cluster.version, self.next_due(world)));
        }
        world.wake_in(self.settings.look_interval.max(1), Wake::Look);
    }

    /// Acts on what was decided, as far as it still holds.
    pub(super) fn validate(&mut self, world: &mut World<'_>) {
        let Some((command, decided)) = self.disruption.command.take() else { return };
        match self.still(world, command) {
            Some(command) => {
                self.carry_out(world, command, decided);
                world.wake_in(0, Wake::Look);
            }
            None => world.wake_in(self.settings.look_interval.max(1), Wake::Look),
        }
    }

    /// What is left of a decision: of empty nodes those that still are, of others all or nothing.
    fn still(&mut self, world: &World<'_>, command: Command) -> Option<Command> {
        if command.reason == BudgetReason::Empty {
            let nodes: Vec<NodeId> = self
                .within_budgets(world, BudgetReason::Empty, command.nodes)
                .into_iter()
                .filter(|node| world.cluster.nodes[*node].is_empty())
                .collect();
            return (!nodes.is_empty()).then_some(Command { nodes, ..command });
        }
        let nodes = self.within_budgets(world, command.reason, command.nodes.clone());
        if nodes.len() != command.nodes.len() {
            return None;
        }
        let holds = match &self.planner.plain {
            Some(pool) => plain::still_holds(pool, world, &command),
            None => thorough::still_holds(&mut self.planner, world, &command),
        };
        holds.then_some(command)
    }

    fn carry_out(&mut self, world: &mut World<'_>, command: Command, decided: i64) {
        let Some(claim) = &command.replacement else {
            self.give_up(world, &command.nodes);
            return;
        };
        let machine = &claim.machine;
        let what = format!(
            "NodeClaim of pool {} in place of {}; CreateFleet: {} in {}",
            claim.pool,
            counted(command.nodes.len(), "node", "nodes"),
            machine.instance_type,
            machine.zone
        );
        let origin = Origin { seen: decided, decided: world.now, what };
        let by = world.launch(machine.clone(), &claim.pool, origin);
        for node in &command.nodes {
            world.cluster.cordon(*node);
        }
        self.replacing.push(Replacing { by, nodes: command.nodes });
    }

    /// A replacement is ready: what it stands in for goes.
    pub(super) fn replaced(&mut self, world: &mut World<'_>, by: NodeId) {
        let Some(at) = self.replacing.iter().position(|one| one.by == by) else { return };
        let replacing = self.replacing.remove(at);
        self.give_up(world, &replacing.nodes);
    }

    fn give_up(&mut self, world: &mut World<'_>, nodes: &[NodeId]) {
        // None of them takes the pods of another.
        for node in nodes {
            if world.cluster.nodes[*node].state == NodeState::Ready {
                world.cluster.cordon(*node);
            }
        }
        for node in nodes {
            let holds = !world.cluster.nodes[*node].is_empty();
            let waiting = world.drain(*node, if holds { self.drain_time } else { 0 });
            for _ in waiting {
                self.pod_waits(world);
            }
        }
    }

    /// What to do now.
    fn command(&mut self, world: &World<'_>) -> Option<Command> {
        let candidates = |reason| -> Vec<NodeId> {
            let ready = world.cluster.in_state(NodeState::Ready);
            ready.filter(|node| self.is_candidate(world, *node, reason)).collect()
        };
        let (empty, others) =
            (candidates(BudgetReason::Empty), candidates(BudgetReason::Underutilized));
        if empty.is_empty() && others.is_empty() {
            return None;
        }
        if self.planner.plain.is_none() {
            let budgets = |pool: &NodePool, reason| allowed(world, pool, reason);
            let may_go: Vec<NodeId> = empty.into_iter().chain(others).collect();
            return thorough::command(&mut self.planner, world, &may_go, budgets);
        }
        let empty = self.within_budgets(world, BudgetReason::Empty, plain::order(world, empty));
        if !empty.is_empty() {
            return Some(Command {
                reason: BudgetReason::Empty,
                nodes: empty,
                replacement: None,
                asked: Room::default(),
                below: 0,
            });
        }
        let others = plain::order(world, others);
        let together = self.within_budgets(world, BudgetReason::Underutilized, others.clone());
        let plain = self.planner.plain.as_ref()?;
        // With one pool the budget that is left for several is what is left for one.
        if together.is_empty() { None } else { plain::command(plain, world, &together, &others) }
    }

    /// As many of these nodes, in their order, as the pools' budgets leave.
    fn within_budgets(
        &self,
        world: &World<'_>,
        reason: BudgetReason,
        nodes: Vec<NodeId>,
    ) -> Vec<NodeId> {
        let mut taken: Vec<(&str, usize)> = Vec::new();
        let mut kept = Vec::new();
        for node in nodes {
            let one = &world.cluster.nodes[node];
            let pool = self.planner.pool(&one.group);
            let Some(pool) = pool.filter(|_| one.state == NodeState::Ready) else { continue };
            let at = taken.iter().position(|(name, _)| *name == pool.name).unwrap_or_else(|| {
                taken.push((&pool.name, allowed(world, pool, reason)));
                taken.len() - 1
            });
            if taken[at].1 > 0 && is_due(world, node, pool) {
                taken[at].1 -= 1;
                kept.push(node);
            }
        }
        kept
    }

    /// Whether a node is empty, or not, and may be looked at for that.
    fn is_candidate(&self, world: &World<'_>, node: NodeId, reason: BudgetReason) -> bool {
        let one = &world.cluster.nodes[node];
        let Some(pool) = self.planner.pool(&one.group) else { return false };
        let for_empty = reason == BudgetReason::Empty;
        one.is_empty() == for_empty
            && (for_empty || pool.disruption.policy != ConsolidationPolicy::WhenEmpty)
            && is_due(world, node, pool)
    }

    /// When the next node's time is over, if nothing else happens.
    fn next_due(&self, world: &World<'_>) -> i64 {
        world
            .cluster
            .in_state(NodeState::Ready)
            .filter_map(|node| {
                let one = &world.cluster.nodes[node];
                let after = self.planner.pool(&one.group)?.disruption.consolidate_after?;
                Some(one.changed + after).filter(|due| *due > world.now)
            })
            .min()
            .unwrap_or(i64::MAX)
    }
}

/// Whether no pod came or went for the pool's time.
fn is_due(world: &World<'_>, node: NodeId, pool: &NodePool) -> bool {
    pool.disruption
        .consolidate_after
        .is_some_and(|after| world.cluster.nodes[node].changed + after <= world.now)
}

/// How many nodes of a pool may be disrupted now: the smallest budget of all its nodes that are or
/// were ready, less those that are already going. A budget on a schedule counts as not in force.
fn allowed(world: &World<'_>, pool: &NodePool, reason: BudgetReason) -> usize {
    let cluster = &world.cluster;
    let (mut all, mut going) = (0, 0);
    for node in &cluster.alive {
        let one = &cluster.nodes[*node];
        if one.group == pool.name && one.state != NodeState::Coming {
            all += 1;
            going += usize::from(one.state != NodeState::Ready);
        }
    }
    pool.disruption
        .budgets
        .iter()
        .filter(|budget| !budget.is_scheduled)
        .filter(|budget| budget.reasons.is_empty() || budget.reasons.contains(&reason))
        .map(|budget| budget.size.of(all))
        .min()
        .unwrap_or(all)
        .saturating_sub(going)
}
