//! The cluster while it is consolidated: nodes, what they cost, what is known of their pods.

use super::candidate;
use super::outcome::{Method, NewNode, RemovedNode, SettledNode, Step, sum};
use super::question::{ConsolidationInput, ConsolidationOptions, Guards};
use super::why_not::WhyNot;
use crate::karpenter::cluster::{Cluster, Target};
use crate::karpenter::replacement::Launched;
use crate::karpenter::{self, ExistingNode, NodePod};
use crate::launch::CAPACITY_TYPE;
use crate::manifest::NodePool;
use crate::money::{Price, Unit};

const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What is known of a node besides what the packer knows.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) instance_type: String,
    pub(super) type_number: Option<usize>,
    pub(super) zone: String,
    pub(super) capacity_type: String,
    pub(super) price: Option<i64>,
    pub(super) price_at_most: Option<i64>,
    /// Of a node that was launched here.
    pub(super) candidates: Option<usize>,
    /// Why its price cannot be compared.
    pub(super) unknown: Option<WhyNot>,
    /// What a pod that stays on it forbids.
    pub(super) guard: Option<WhyNot>,
    /// What was last found to need a new node for it alone, and the least that costs.
    pub(super) stuck: (Vec<i64>, Option<i64>),
    /// What disrupting it counts, and whether a pod on it forbids that.
    pub(super) disruption_cost: i64,
    pub(super) is_guarded: bool,
    /// Its pool among [`World::pools`].
    pub(super) pool: Option<usize>,
    /// Whether consolidation does not look at it.
    pub(super) is_excluded: bool,
}

impl Facts {
    /// An unknown price counts as nothing, as in Karpenter.
    pub(super) fn price_or_zero(&self) -> i64 {
        self.price.unwrap_or(0)
    }
}

/// The cluster.
#[derive(Debug)]
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) pools: Vec<NodePool>,
    pub(super) guards: Guards,
    pub(super) options: ConsolidationOptions,
    /// By host.
    pub(super) facts: Vec<Facts>,
    /// The nodes that are there, those that are best taken away first.
    pub(super) ranking: Vec<usize>,
    /// By pod.
    pub(super) eviction_cost: Vec<i64>,
    pub(super) pod_guard: Vec<Option<WhyNot>>,
    /// Pods that wait for a place, by number.
    pub(super) waiting: Vec<usize>,
    pub(super) steps: Vec<Step>,
    /// How many pods were on nodes in the beginning; the others come from the question.
    pub(super) first_pod: usize,
    launches: usize,
}

impl World {
    pub(super) fn new(input: &ConsolidationInput) -> Self {
        let is_static = |pod: &crate::pod::Pod| {
            let name = (pod.namespace.to_string(), pod.name.clone());
            input.guards.static_pods.contains(&name)
        };
        let stays = |on_it: &NodePod| on_it.is_daemon || is_static(&on_it.pod);
        let cluster = Cluster::new(&input.pack, stays);
        let budgets = &input.guards.budgets;
        let facts = input.pack.existing.iter().map(|node| {
            let guard =
                node.pods.iter().filter(|on_it| stays(on_it)).find_map(|on_it| {
                    candidate::pod_guard(&on_it.pod, budgets, is_static(&on_it.pod))
                });
            facts(node, guard, &cluster)
        });
        let mut world = Self {
            facts: facts.collect(),
            ranking: Vec::new(),
            pools: all_pools(input),
            guards: input.guards.clone(),
            options: input.options.clone(),
            eviction_cost: cluster.pods.iter().map(candidate::eviction_cost).collect(),
            pod_guard: cluster
                .pods
                .iter()
                .map(|pod| candidate::pod_guard(pod, budgets, false))
                .collect(),
            waiting: Vec::new(),
            steps: Vec::new(),
            first_pod: cluster.pods.len() - input.pack.pods.len(),
            launches: 0,
            cluster,
        };
        let hosts: Vec<usize> = (0..world.facts.len()).collect();
        for host in &hosts {
            let name = &world.cluster.hosts[*host].node.node_pool;
            world.facts[*host].pool =
                world.pools.iter().position(|pool| Some(&pool.name) == name.as_ref());
            world.weigh(*host);
        }
        world.rank(&hosts);
        world
    }

    /// The nodes that are there, by number.
    pub(super) fn there(&self) -> impl Iterator<Item = usize> + '_ {
        let hosts = self.cluster.hosts.iter().enumerate();
        hosts.filter(|(_, host)| !host.is_gone).map(|(number, _)| number)
    }

    /// The name of the next node to be launched.
    pub(super) fn next_name(&self, further: usize) -> String {
        format!("new-{:05}", self.launches + further + 1)
    }

    /// Places pods that wait, without taking anything away.
    pub(super) fn provision(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.take_and_place(&[], &waiting);
    }

    /// Takes nodes away and places their pods and others, however many nodes that takes. What comes of
    /// it is carried out.
    pub(super) fn take_and_place(&mut self, hosts: &[usize], waiting: &[usize]) -> Vec<Launched> {
        let trial = self.cluster.try_without(hosts, waiting, usize::MAX);
        let mut unplaced: Vec<usize> = trial.unplaced.iter().map(|(pod, _)| *pod).collect();
        let mut moves = self.cluster.moves();
        let mut launched = Vec::new();
        let mut number = vec![None; trial.claims];
        for (claim, number) in number.iter_mut().enumerate() {
            let name = self.next_name(launched.len());
            let launch = self.cluster.launch_of(claim);
            if let Some(new) = launch.and_then(|launch| self.cluster.launched(&launch, name)) {
                *number = Some(launched.len());
                launched.push(new);
            }
        }
        self.cluster.end(&trial);
        // A claim that nothing may be launched for leaves its pods waiting.
        moves.retain_mut(|(pod, target)| {
            let Target::Claim(claim) = *target else { return true };
            let Some(known) = number[claim] else {
                unplaced.push(*pod);
                return false;
            };
            *target = Target::Claim(known);
            true
        });
        unplaced.sort_unstable();
        self.carry_out(hosts, &launched, &moves);
        self.waiting = unplaced;
        launched
    }

    pub(super) fn carry_out(
        &mut self,
        gone: &[usize],
        launched: &[Launched],
        moves: &[(usize, Target)],
    ) {
        let nodes = launched.iter().map(|one| one.node.clone()).collect();
        let new = self.cluster.carry_out(gone, nodes, moves);
        self.launches += launched.len();
        for one in launched {
            self.facts.push(Facts {
                instance_type: one.instance_type.clone(),
                type_number: Some(one.type_number),
                zone: one.zone.clone(),
                capacity_type: one.capacity_type.clone(),
                price: one.price,
                price_at_most: one.price_at_most,
                candidates: Some(one.candidates),
                unknown: None,
                guard: None,
                stuck: (Vec::new(), None),
                disruption_cost: 0,
                is_guarded: false,
                pool: self.pools.iter().position(|pool| pool.name == one.node_pool),
                is_excluded: false,
            });
        }
        let touched = moves.iter().map(|(_, target)| self.cluster.host_of(*target));
        let mut touched: Vec<usize> = touched.collect();
        touched.extend(new);
        touched.sort_unstable();
        touched.dedup();
        for host in &touched {
            self.weigh(*host);
        }
        self.rank(&touched);
    }

    /// Writes a step down that is about to be carried out.
    pub(super) fn step(
        &self,
        method: Method,
        hosts: &[usize],
        launched: &[Launched],
        pods: impl Iterator<Item = usize>,
    ) -> Step {
        let removed: Vec<RemovedNode> = hosts
            .iter()
            .map(|host| {
                let (node, facts) = (&self.cluster.hosts[*host].node, &self.facts[*host]);
                RemovedNode {
                    name: node.name.clone(),
                    node_pool: node.node_pool.clone().unwrap_or_default(),
                    instance_type: facts.instance_type.clone(),
                    capacity_type: facts.capacity_type.clone(),
                    price: dollars(facts.price),
                }
            })
            .collect();
        let launched: Vec<NewNode> = launched
            .iter()
            .map(|one| NewNode {
                name: one.node.name.clone(),
                node_pool: one.node_pool.clone(),
                instance_type: one.instance_type.clone(),
                zone: one.zone.clone(),
                capacity_type: one.capacity_type.clone(),
                price: dollars(one.price),
                candidates: one.candidates,
            })
            .collect();
        let before = sum(removed.iter().map(|one| one.price));
        let after = sum(launched.iter().map(|one| one.price));
        let saved = before.zip(after).map(|(before, after)| {
            Price::new(before.ten_billionths() - after.ten_billionths(), Unit::Hour)
        });
        let mut pods: Vec<String> = pods.map(|pod| self.cluster.pods[pod].to_string()).collect();
        pods.sort();
        Step { method, removed, launched, saved, pods }
    }

    /// What Karpenter's nodes cost; nothing when one of them has no price.
    pub(super) fn price(&self) -> Option<Price> {
        let managed =
            self.there().filter(|host| self.cluster.hosts[*host].node.node_pool.is_some());
        sum(managed.map(|host| dollars(self.facts[host].price)))
    }

    /// The nodes as they are now, by name, with the reasons why they stay.
    pub(super) fn nodes(&self, mut why_not: impl FnMut(usize) -> WhyNot) -> Vec<SettledNode> {
        let nodes = self.there().map(|number| {
            let (host, facts) = (&self.cluster.hosts[number], &self.facts[number]);
            let mut pods: Vec<String> =
                host.pods.iter().map(|pod| self.cluster.pods[*pod].to_string()).collect();
            pods.sort();
            let mut positions: Vec<usize> =
                host.pods.iter().filter_map(|pod| pod.checked_sub(self.first_pod)).collect();
            positions.sort_unstable();
            SettledNode {
                name: host.node.name.clone(),
                node_pool: host.node.node_pool.clone(),
                instance_type: facts.instance_type.clone(),
                zone: facts.zone.clone(),
                capacity_type: facts.capacity_type.clone(),
                price: dollars(facts.price),
                price_at_most: dollars(facts.price_at_most),
                candidates: facts.candidates,
                pods,
                positions,
                why_not: why_not(number),
            }
        });
        let mut nodes: Vec<SettledNode> = nodes.collect();
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        nodes
    }
}

fn dollars(price: Option<i64>) -> Option<Price> {
    price.map(|price| Price::new(price, Unit::Hour))
}

/// Pools that own nodes, static ones among them.
fn all_pools(input: &ConsolidationInput) -> Vec<NodePool> {
    let mut pools = karpenter::pools(&input.pack);
    pools.extend(input.pack.node_pools.iter().filter(|pool| pool.replicas.is_some()).cloned());
    pools.sort_by(|left, right| left.name.cmp(&right.name));
    pools
}

fn facts(node: &ExistingNode, guard: Option<WhyNot>, cluster: &Cluster) -> Facts {
    let label = |key: &str| node.labels.get(key).cloned().unwrap_or_default();
    let (instance_type, zone, how) = (label(INSTANCE_TYPE), label(ZONE), label(CAPACITY_TYPE));
    let type_number = cluster.type_number(&instance_type);
    let unknown = if type_number.is_none() {
        Some(WhyNot::UnknownType { instance_type: instance_type.clone() })
    } else if how.is_empty() {
        Some(WhyNot::MissingLabel { label: CAPACITY_TYPE })
    } else if zone.is_empty() {
        Some(WhyNot::MissingLabel { label: ZONE })
    } else {
        None
    };
    let price = type_number.and_then(|number| cluster.offering_price(number, &zone, &how));
    Facts {
        instance_type,
        zone,
        capacity_type: how,
        price,
        price_at_most: price,
        candidates: None,
        unknown,
        guard,
        stuck: (Vec::new(), None),
        disruption_cost: 0,
        is_guarded: false,
        pool: None,
        is_excluded: false,
        type_number,
    }
}
