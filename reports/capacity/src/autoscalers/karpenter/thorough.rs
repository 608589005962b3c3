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
use crate::karpenter::{ExistingNode, NodePod, PackInput};
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
    let mut existing = Vec::new();
    let mut protected = BTreeSet::new();
    for (node, _) in &view.ready {
        let one = &world.cluster.nodes[*node];
        let room = one.machine.allocatable;
        let mut written = existing_node(planner, *node, one, room, true);
        for pod in &one.pods {
            let template = planner.template(world.cluster.asked[*pod]);
            let pod = Pod { template, ..Pod::new(&format!("pod-{pod}"), PodTemplate::default()) };
            written.pods.push(NodePod { pod, is_daemon: false });
        }
        if !may_go.contains(node) {
            protected.insert(written.name.clone());
        }
        existing.push(written);
    }
    for (node, free) in &view.coming {
        let one = &world.cluster.nodes[*node];
        let room = free.and(one.machine.overhead);
        existing.push(existing_node(planner, *node, one, room, false));
    }
    let waiting = view.waiting.iter().enumerate().map(|(index, size)| {
        let template = planner.template(*size);
        Pod { template, ..Pod::new(&format!("waiting-{index}"), PodTemplate::default()) }
    });
    let pods = waiting.collect();
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
        guards: Guards { protected_nodes: protected, ..Guards::default() },
        options: ConsolidationOptions { most_steps: 1, ..ConsolidationOptions::default() },
    };
    consolidate(&input).steps.first().and_then(|step| read(planner, step))
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
        name: format!("node-{id:06}"),
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
