//! Consolidation asked of [`crate::consolidation`]: several pools, spot, limits, `minValues`, `Balanced`.
//!
//! The cluster is put down as it is: nodes that may not go now are protected, nodes on their way are
//! there but not ready, with the room that is left on them, and what the budgets leave at this moment
//! stands in their place. The first step that comes back is the decision.

use std::collections::{BTreeMap, BTreeSet};

use super::disruption::Command;
use super::planner::{Claim, Planner};
use super::view::View;
use crate::autoscalers::cluster::{Node, NodeId};
use crate::autoscalers::machine::Room;
use crate::autoscalers::world::World;
use crate::consolidation::{
    ConsolidationInput, ConsolidationOptions, Guards, Method, Step, consolidate,
};
use crate::karpenter::{ExistingNode, NodePod, PackInput, pack};
use crate::launch::{CAPACITY_TYPE, ZONE};
use crate::manifest::{Budget, BudgetReason, BudgetSize, NodePool};
use crate::pod::{Pod, PodTemplate};
use crate::pod_resources::Resources;
use crate::quantity::{Bytes, Millicores};

/// The first step of Karpenter's methods for the nodes that may go.
pub(super) fn command(
    planner: &mut Planner,
    world: &World<'_>,
    may_go: &[NodeId],
    budgets: impl Fn(&NodePool, BudgetReason) -> usize,
) -> Option<Command> {
    let view = View::of(world);
    let existing = existing(planner, world, &view, &[]);
    let ready = existing.iter().zip(&view.ready);
    let protected_nodes: BTreeSet<String> = ready
        .filter(|(_, (node, _))| !may_go.contains(node))
        .map(|(written, _)| written.name.clone())
        .collect();
    let pods = view.waiting.iter().map(|size| pod(planner, *size)).collect();
    let node_pools = planner.input.node_pools.iter().map(|pool| {
        let mut pool = pool.clone();
        let left = |reason| budget(reason, budgets(&pool, reason));
        pool.disruption.budgets =
            vec![left(BudgetReason::Empty), left(BudgetReason::Underutilized)];
        pool
    });
    let input = ConsolidationInput {
        pack: PackInput {
            pods,
            node_pools: node_pools.collect(),
            existing,
            ..planner.input.clone()
        },
        guards: Guards { protected_nodes, ..Guards::default() },
        options: ConsolidationOptions { most_steps: 1, ..ConsolidationOptions::default() },
    };
    consolidate(&input).steps.first().and_then(|step| read(planner, step))
}

/// Whether a decision about nodes that are not empty holds: packed without them, their pods take no
/// new node again, or one that the replacement can stand for, and none that is not ready.
pub(super) fn still_holds(planner: &mut Planner, world: &World<'_>, command: &Command) -> bool {
    let view = View::of(world);
    let existing = existing(planner, world, &view, &command.nodes);
    let on_nodes = command.nodes.iter().flat_map(|node| &world.cluster.nodes[*node].pods);
    let mut sizes: Vec<Room> = on_nodes.map(|pod| world.cluster.asked[*pod]).collect();
    let moving = sizes.len();
    sizes.extend(&view.waiting);
    let pods = sizes.iter().map(|size| pod(planner, *size)).collect();
    let outcome = pack(&PackInput { pods, existing, ..planner.input.clone() });
    let moves = |position: &usize| *position < moving;
    let coming: BTreeSet<String> = view.coming.iter().map(|(node, _)| name(*node)).collect();
    let on_unready = outcome
        .existing
        .iter()
        .any(|node| coming.contains(&node.name) && node.positions.iter().any(moves));
    if on_unready || outcome.unschedulable.iter().any(|one| moves(&one.position)) {
        return false;
    }
    match (&command.replacement, outcome.nodes.as_slice()) {
        (None, []) => true,
        (Some(claim), [node]) => {
            let asked = node.positions.iter().map(|position| sizes[*position]);
            claim.machine.free().holds(asked.fold(Room::default(), Room::and))
        }
        _ => false,
    }
}

fn name(node: NodeId) -> String {
    format!("node-{node:06}")
}

fn pod(planner: &mut Planner, size: Room) -> Pod {
    Pod { template: planner.template(size), ..Pod::new("pod", PodTemplate::default()) }
}

/// The nodes, ready ones with their pods first, then those on their way; some left out.
fn existing(
    planner: &mut Planner,
    world: &World<'_>,
    view: &View,
    without: &[NodeId],
) -> Vec<ExistingNode> {
    let mut existing = Vec::new();
    for (node, free) in view.ready.iter().filter(|(node, _)| !without.contains(node)) {
        let one = &world.cluster.nodes[*node];
        // Pods of nodes that are being replaced may count on some of it.
        let room = one.machine.allocatable.less(one.free.less(*free));
        let mut written = existing_node(planner, *node, one, room, true);
        written.pods = one
            .pods
            .iter()
            .map(|id| NodePod { pod: pod(planner, world.cluster.asked[*id]), is_daemon: false })
            .collect();
        existing.push(written);
    }
    for (node, free) in &view.coming {
        let one = &world.cluster.nodes[*node];
        let room = free.and(one.machine.overhead);
        existing.push(existing_node(planner, *node, one, room, false));
    }
    existing
}

fn read(planner: &Planner, step: &Step) -> Option<Command> {
    let number = |name: &str| name.strip_prefix("node-").and_then(|digits| digits.parse().ok());
    let nodes: Vec<NodeId> = step.removed.iter().filter_map(|one| number(&one.name)).collect();
    let replacement = match step.launched.as_slice() {
        [] => None,
        [new, ..] => Some(Claim {
            pool: new.node_pool.clone(),
            machine: planner.machine(&new.instance_type, &new.zone, &new.capacity_type)?,
            pods: step.pods.len(),
        }),
    };
    let reason = match step.method {
        Method::Empty => BudgetReason::Empty,
        Method::MultiNode | Method::SingleNode => BudgetReason::Underutilized,
    };
    Some(Command { reason, nodes, replacement, asked: Room::default(), below: 0 })
}

fn budget(reason: BudgetReason, nodes: usize) -> Budget {
    let size = BudgetSize::Nodes(u32::try_from(nodes).unwrap_or(u32::MAX));
    Budget { size, reasons: vec![reason], is_scheduled: false }
}

fn existing_node(
    planner: &Planner,
    id: NodeId,
    node: &Node,
    room: Room,
    is_initialized: bool,
) -> ExistingNode {
    let machine = &node.machine;
    let option = planner.option(&machine.instance_type);
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    let of_type = option.map(|one| one.labels.as_slice()).unwrap_or_default();
    for (key, values) in of_type {
        if let [value] = values.as_slice() {
            labels.insert(key.clone(), value.clone());
        }
    }
    labels.insert(ZONE.to_owned(), machine.zone.clone());
    labels.insert(CAPACITY_TYPE.to_owned(), machine.capacity_type.clone());
    ExistingNode {
        name: name(id),
        node_pool: Some(node.group.clone()),
        labels,
        taints: Vec::new(),
        capacity: option.map(|one| one.capacity.clone()).unwrap_or_default(),
        allocatable: Resources::of(Millicores(room.cpu), Bytes(room.memory)),
        max_pods: u32::try_from(room.pods).unwrap_or(0),
        is_initialized,
        pods: Vec::new(),
    }
}
