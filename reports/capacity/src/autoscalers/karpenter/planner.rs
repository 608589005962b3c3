//! Which nodes Karpenter's scheduler would launch for some pods.
//!
//! Pods of a trace have sizes and no rules between them, so one packing falls into two parts that do
//! not touch: nodes that are there take pods first ([`super::view`]), what they do not hold goes to
//! new claims, which is asked of [`pack`]. The second part depends on the sizes only and is
//! remembered, unless a pool has limits that nodes are charged to.
//!
//! With one *plain* pool ([`Plain`]) it is simpler still: pods that one machine holds together become
//! one claim, whose machine is the cheapest that holds them; that needs no packing at all.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::KarpenterSettings;
use crate::autoscalers::machine::{Machine, Overhead, Room};
use crate::autoscalers::world::World;
use crate::karpenter::{
    ExistingNode, InstanceOption, PackInput, PackOutcome, PackedNode, default_pool, pack,
};
use crate::launch::CapacityType;
use crate::manifest::{ConsolidationPolicy, NodePool};
use crate::money::Unpriced;
use crate::pod::{Pod, PodTemplate};
use crate::pod_resources::{PodResources, Resources};
use crate::prices::Coverage;
use crate::quantity::{Bytes, Millicores};

/// A node to launch.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The machines of a pool in which price and size are all there is to a choice: one pool, on-demand
/// only, every type priced alike in all zones, no limits, no `minValues`, and not `Balanced`.
#[derive(Debug)]
pub(super) struct Plain {
    pool: String,
    /// By price, then name.
    machines: Vec<Machine>,
}

impl Plain {
    /// The cheapest machine that holds so much.
    pub(super) fn cheapest(&self, asked: Room) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.free().holds(asked))
    }

    /// The machines that hold so much and cost less.
    pub(super) fn below(&self, asked: Room, price: i64) -> impl Iterator<Item = &Machine> {
        let holds = move |machine: &&Machine| machine.free().holds(asked);
        self.machines.iter().take_while(move |machine| price_of(machine) < price).filter(holds)
    }

    /// A claim for a machine.
    pub(super) fn claim(&self, machine: &Machine, pods: usize) -> Claim {
        Claim { pool: self.pool.clone(), machine: machine.clone(), pods }
    }
}

/// The price of a machine as consolidation compares it: an unknown one counts as nothing.
pub(super) fn price_of(machine: &Machine) -> i64 {
    machine.price.as_ref().map_or(0, |price| price.ten_billionths())
}

/// Asks the scheduler and remembers.
#[derive(Debug)]
pub(super) struct Planner {
    pub(super) input: PackInput,
    pub(super) plain: Option<Plain>,
    overhead: Overhead,
    types: BTreeMap<String, usize>,
    has_limits: bool,
    templates: BTreeMap<Room, Arc<PodTemplate>>,
    known: BTreeMap<Vec<Room>, Rc<Plan>>,
}

impl Planner {
    pub(super) fn new(settings: &KarpenterSettings, daemonsets: &[Pod]) -> Self {
        let node_pools = if settings.node_pools.is_empty() {
            vec![default_pool()]
        } else {
            settings.node_pools.clone()
        };
        let overhead = Overhead::of(daemonsets);
        let input = PackInput {
            node_pools,
            daemonsets: daemonsets.to_vec(),
            instance_types: settings.instance_types.clone(),
            ..PackInput::default()
        };
        let named = settings.instance_types.iter().enumerate();
        Self {
            plain: if settings.is_thorough { None } else { plain(&input, overhead) },
            overhead,
            types: named.map(|(index, one)| (one.name.clone(), index)).collect(),
            has_limits: input.node_pools.iter().any(|pool| !pool.limits.is_empty()),
            templates: BTreeMap::new(),
            known: BTreeMap::new(),
            input,
        }
    }

    /// The pool of that name.
    pub(super) fn pool(&self, name: &str) -> Option<&NodePool> {
        self.input.node_pools.iter().find(|pool| pool.name == name)
    }

    /// The type of that name.
    pub(super) fn option(&self, name: &str) -> Option<&InstanceOption> {
        self.types.get(name).and_then(|index| self.input.instance_types.get(*index))
    }

    /// What pods of that size have in common.
    pub(super) fn template(&mut self, size: Room) -> Arc<PodTemplate> {
        Arc::clone(self.templates.entry(size).or_insert_with(|| template(size)))
    }

    /// New nodes for pods of these sizes, largest first.
    pub(super) fn plan(&mut self, world: &World<'_>, sizes: &[Room]) -> Rc<Plan> {
        if let Some(plain) = &self.plain {
            let all = sizes.iter().fold(Room::default(), |sum, size| sum.and(*size));
            if let Some(machine) = plain.cheapest(all) {
                let claims = vec![plain.claim(machine, sizes.len())];
                return Rc::new(Plan { claims, refused: Vec::new() });
            }
        }
        if !self.has_limits
            && let Some(plan) = self.known.get(sizes)
        {
            return Rc::clone(plan);
        }
        self.input.existing = if self.has_limits { self.charged(world) } else { Vec::new() };
        self.input.pods = pods(sizes, |size| self.template(size));
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
            if let Some(option) = self.option(&node.instance_type) {
                plan.claims.push(claim(&node, option, self.overhead));
            }
        }
        plan
    }

    /// A machine of a type in a zone.
    pub(super) fn machine(&self, name: &str, zone: &str, capacity_type: &str) -> Option<Machine> {
        let option = self.option(name)?;
        let offering = option
            .offerings
            .iter()
            .find(|one| one.zone == zone && one.capacity_type.label() == capacity_type)?;
        Machine::offered(option, zone, offering.capacity_type, self.overhead)
    }

    /// Nodes that count against limits and have room for nothing.
    fn charged(&self, world: &World<'_>) -> Vec<ExistingNode> {
        let cluster = &world.cluster;
        let nodes = cluster.alive.iter().map(|id| {
            let node = &cluster.nodes[*id];
            let option = self.option(&node.machine.instance_type);
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

const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";

/// The machines of a plain pool; none when the pools are anything more.
fn plain(input: &PackInput, overhead: Overhead) -> Option<Plain> {
    let [pool] = input.node_pools.as_slice() else { return None };
    let is_plain = pool.replicas.is_none()
        && pool.limits.is_empty()
        && pool.requirements.iter().all(|one| one.min_values.is_none())
        && pool.disruption.policy != ConsolidationPolicy::Balanced;
    if !is_plain {
        return None;
    }
    // Which types the pool allows, and in which zones, its scheduler says: a pod for each type.
    let ask = |option: &InstanceOption| {
        let node_selector = BTreeMap::from([(INSTANCE_TYPE.to_owned(), option.name.clone())]);
        Pod::new(&option.name, PodTemplate { node_selector, ..PodTemplate::default() })
    };
    let asked = input.instance_types.iter().map(ask).collect();
    let outcome = pack(&PackInput { pods: asked, ..input.clone() });
    let mut machines = Vec::new();
    for node in &outcome.nodes {
        let named = |option: &&InstanceOption| option.name == node.instance_type;
        let option = input.instance_types.iter().find(named)?;
        let mut prices = option
            .offerings
            .iter()
            .filter(|one| one.capacity_type == CapacityType::OnDemand)
            .map(|one| one.price);
        if node.capacity_type != CapacityType::OnDemand.label()
            || !prices.all(|price| price == node.price)
        {
            return None;
        }
        if node.price.is_none() {
            // It is launched only where nothing else holds a pod, and never to save anything.
            continue;
        }
        machines.push(claim(node, option, overhead).machine);
    }
    machines.sort_by(|left, right| {
        (price_of(left), &left.instance_type).cmp(&(price_of(right), &right.instance_type))
    });
    Some(Plain { pool: pool.name.clone(), machines })
}

/// Pods of these sizes, named by their places.
fn pods(sizes: &[Room], mut template: impl FnMut(Room) -> Arc<PodTemplate>) -> Vec<Pod> {
    let named = sizes.iter().enumerate();
    let pods = named.map(|(index, size)| Pod {
        template: template(*size),
        ..Pod::new(&index.to_string(), PodTemplate::default())
    });
    pods.collect()
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
