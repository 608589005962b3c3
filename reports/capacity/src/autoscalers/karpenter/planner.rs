//! Which nodes Karpenter's scheduler would launch for some pods.
//!
//! Pods of a trace have sizes and no rules between them, so one packing falls into two parts that do
//! not touch: nodes that are there take pods first ([`not_held`]), in Karpenter's order of pods and of
//! nodes; what they do not hold goes to new claims, which is asked of [`pack`]. The second part depends
//! on the sizes only, and is remembered, unless a pool has limits that nodes are charged to.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::KarpenterSettings;
use crate::autoscalers::cluster::{NodeId, NodeState, PodId};
use crate::autoscalers::machine::{Machine, Overhead, Room};
use crate::autoscalers::world::World;
use crate::karpenter::{
    ExistingNode, InstanceOption, PackInput, PackOutcome, PackedNode, default_pool, pack,
};
use crate::manifest::NodePool;
use crate::money::Unpriced;
use crate::pod::{Pod, PodTemplate};
use crate::pod_resources::{PodResources, Resources};
use crate::prices::Coverage;
use crate::quantity::{Bytes, Millicores};

/// A node to launch.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) pool: String,
    pub(super) machine: Machine,
    pub(super) pods: usize,
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) claims: Vec<Claim>,
    /// Sizes without a place, and why.
    pub(super) refused: Vec<(Room, String)>,
}

/// Asks the scheduler and remembers.
#[derive(Debug)]
pub(super) struct Planner {
    input: PackInput,
    overhead: Overhead,
    types: BTreeMap<String, usize>,
    has_limits: bool,
    templates: BTreeMap<Room, Arc<PodTemplate>>,
    known: BTreeMap<Vec<Room>, Rc<Plan>>,
}

impl Planner {
    pub(super) fn new(
        settings: &KarpenterSettings,
        daemonsets: &[Pod],
        overhead: Overhead,
    ) -> Self {
        let node_pools = if settings.node_pools.is_empty() {
            vec![default_pool()]
        } else {
            settings.node_pools.clone()
        };
        let named = settings.instance_types.iter().enumerate();
        Self {
            overhead,
            types: named.map(|(index, one)| (one.name.clone(), index)).collect(),
            has_limits: node_pools.iter().any(|pool| !pool.limits.is_empty()),
            templates: BTreeMap::new(),
            known: BTreeMap::new(),
            input: PackInput {
                node_pools,
                daemonsets: daemonsets.to_vec(),
                instance_types: settings.instance_types.clone(),
                ..PackInput::default()
            },
        }
    }

    /// The pool of that name.
    pub(super) fn pool(&self, name: &str) -> Option<&NodePool> {
        self.input.node_pools.iter().find(|pool| pool.name == name)
    }

    /// The pools.
    pub(super) fn pools(&self) -> &[NodePool] {
        &self.input.node_pools
    }

    /// New nodes for pods of these sizes, largest first.
    pub(super) fn plan(&mut self, world: &World<'_>, sizes: &[Room]) -> Rc<Plan> {
        if !self.has_limits
            && let Some(plan) = self.known.get(sizes)
        {
            return Rc::clone(plan);
        }
        self.input.existing = if self.has_limits { self.charged(world) } else { Vec::new() };
        self.input.pods = sizes
            .iter()
            .enumerate()
            .map(|(index, size)| {
                let template = self.templates.entry(*size).or_insert_with(|| template(*size));
                Pod {
                    template: Arc::clone(template),
                    ..Pod::new(&index.to_string(), PodTemplate::default())
                }
            })
            .collect();
        let plan = Rc::new(self.read(pack(&self.input), sizes));
        if !self.has_limits {
            self.known.insert(sizes.to_vec(), Rc::clone(&plan));
        }
        plan
    }

    fn read(&self, outcome: PackOutcome, sizes: &[Room]) -> Plan {
        let mut plan = Plan::default();
        for one in outcome.unschedulable {
            plan.refused.extend(sizes.get(one.position).map(|size| (*size, one.reason)));
        }
        for node in outcome.nodes {
            let option = self.types.get(&node.instance_type);
            let Some(option) = option.and_then(|index| self.input.instance_types.get(*index))
            else {
                continue;
            };
            plan.claims.push(claim(&node, option, self.overhead));
        }
        plan
    }

    /// Nodes that count against limits and have room for nothing.
    fn charged(&self, world: &World<'_>) -> Vec<ExistingNode> {
        let cluster = &world.cluster;
        let nodes = cluster.alive.iter().map(|id| {
            let node = &cluster.nodes[*id];
            let option = self
                .types
                .get(&node.machine.instance_type)
                .and_then(|index| self.input.instance_types.get(*index));
            ExistingNode {
                name: format!("node-{id:06}"),
                node_pool: Some(node.group.clone()),
                labels: BTreeMap::new(),
                taints: Vec::new(),
                capacity: option.map(|one| one.capacity.clone()).unwrap_or_default(),
                allocatable: Resources::of(Millicores::ZERO, Bytes::ZERO),
                max_pods: 0,
                is_initialized: true,
                pods: Vec::new(),
            }
        });
        nodes.collect()
    }

    /// Which of the types that the pools allow have a price.
    pub(super) fn coverage(&self) -> Coverage {
        let input = PackInput { pods: Vec::new(), existing: Vec::new(), ..self.input.clone() };
        pack(&input).prices
    }
}

fn claim(node: &PackedNode, option: &InstanceOption, overhead: Overhead) -> Claim {
    let zone = node.zones.first().map(String::as_str).unwrap_or_default();
    let price = node.price.ok_or_else(|| {
        let unknown = || format!("no price of `{}`", node.instance_type);
        Unpriced::because(node.reason.clone().unwrap_or_else(unknown))
    });
    Claim {
        pool: node.node_pool.clone(),
        machine: Machine::new(option, zone, &node.capacity_type, price, overhead),
        pods: node.pods.len(),
    }
}

fn template(size: Room) -> Arc<PodTemplate> {
    Arc::new(PodTemplate {
        resources: PodResources::one(Millicores(size.cpu), Bytes(size.memory)),
        ..PodTemplate::default()
    })
}

/// The sizes of those of some pods that nodes in these states cannot hold, some nodes left out:
/// largest pods first, ready nodes first, then in their order, as Karpenter goes.
pub(super) fn not_held(
    world: &World<'_>,
    pods: &[PodId],
    states: &[NodeState],
    without: &[NodeId],
) -> Vec<Room> {
    let cluster = &world.cluster;
    let mut room: Vec<Room> = Vec::new();
    for state in states {
        let open = cluster.in_state(*state).filter(|node| !without.contains(node));
        room.extend(open.map(|node| cluster.nodes[node].free));
    }
    let mut sizes: Vec<Room> = pods.iter().map(|pod| cluster.asked[*pod]).collect();
    sizes.sort_by(|left, right| (right.cpu, right.memory).cmp(&(left.cpu, left.memory)));
    let mut left = Vec::new();
    let (mut last, mut from) = (None, 0);
    for asked in sizes {
        // What did not hold a pod does not hold the next one of the same size.
        if last != Some(asked) {
            from = 0;
        }
        last = Some(asked);
        match room[from..].iter().position(|free| free.holds(asked)) {
            Some(at) => {
                from += at;
                room[from] = room[from].less(asked);
            }
            None => {
                from = room.len();
                left.push(asked);
            }
        }
    }
    left
}
