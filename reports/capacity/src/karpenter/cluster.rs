//! A cluster that is asked again and again: where would these pods go if those nodes were gone?
//!
//! Karpenter's consolidation answers that with its scheduler, from scratch each time. Here one
//! scheduler stays: a trial takes nodes out, places their pods, and is taken back, so that it costs
//! what it moves and not what the cluster has. Types, requirements, shapes and rules are prepared
//! once. What a trial finds is the same as that of a scheduler made for it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::amounts::{self, Amounts, CPU, MEMORY};
use super::input::{ExistingNode, InstanceOption, NodePod, PackInput};
use super::outcome::{self, Unschedulable};
use super::scheduler::{Scheduler, Unplaced};
use super::shape::{Shape, ShapeId};
use super::standing::{self, NodeState};
use super::topology::{ClassId, GroupId, Resident};
use crate::pod::Pod;
use crate::prices::Coverage;

/// A node that is there or was.
#[derive(Debug)]
pub(crate) struct Host {
    /// As it was found or launched, its pods apart.
    pub(crate) node: ExistingNode,
    /// Pods that can go elsewhere, by their numbers.
    pub(crate) pods: Vec<usize>,
    pub(crate) is_gone: bool,
    /// Pods that go with it: of daemonsets, and static ones.
    staying: Vec<Staying>,
    row: Amounts,
}

/// A pod that never leaves its node, as rules see it.
#[derive(Debug)]
struct Staying {
    class: ClassId,
    inverse: Vec<GroupId>,
    resident: usize,
}

/// Where a pod goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A node that is there, by its number.
    Host(usize),
    /// A node to come, by its number in the trial.
    Claim(usize),
}

/// What came of a trial.
#[derive(Debug)]
pub(crate) struct Trial {
    out: Vec<usize>,
    /// Pods without a place; not all of them when there are too many claims.
    pub(crate) unplaced: Unplaced,
    /// How many nodes it would take.
    pub(crate) claims: usize,
}

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) scheduler: Scheduler,
    pub(crate) pods: Vec<Pod>,
    pub(crate) hosts: Vec<Host>,
    pub(super) options: Vec<InstanceOption>,
    pub(super) option_of: BTreeMap<String, usize>,
    /// What each type costs at least, in any pool, ascending.
    least_prices: Vec<(i64, usize)>,
    /// By pod, once it is known.
    shapes: Vec<Option<ShapeId>>,
    /// By pod, its place in the order in which pods are tried.
    rank: Vec<u32>,
    /// By pod, its entry among the residents.
    resident: Vec<usize>,
    /// By host, where it stands among the scheduler's nodes.
    position: Vec<usize>,
    /// The first host of those launched last.
    first_new: usize,
    /// By shape, whether no node has room for it, as of a version of the cluster.
    stuck_shapes: (u32, Vec<bool>),
}

impl Cluster {
    /// Prepares a cluster. Its pods are those on the nodes that may move, in the order of the nodes,
    /// then those of the question, which are not there yet.
    pub(crate) fn new(input: &PackInput, stays: impl Fn(&NodePod) -> bool) -> Self {
        let nobody = PackInput { pods: Vec::new(), ..input.clone() };
        let mut scheduler = super::prepared(&nobody, super::columns(input));
        let (mut pods, mut hosts, mut resident) = (Vec::new(), Vec::new(), Vec::new());
        let mut residents = 0;
        for node in &input.existing {
            let mut host = Host {
                row: scheduler.batch.columns.row(&node.capacity, i64::from(node.max_pods)),
                node: ExistingNode { pods: Vec::new(), ..node.clone() },
                pods: Vec::new(),
                staying: Vec::new(),
                is_gone: false,
            };
            for on_it in &node.pods {
                if stays(on_it) {
                    host.staying.push(staying(&on_it.pod, residents, &mut scheduler));
                } else {
                    host.pods.push(pods.len());
                    pods.push(on_it.pod.clone());
                    resident.push(residents);
                }
                residents += 1;
            }
            hosts.push(host);
        }
        let on_nodes = pods.len();
        for pod in &input.pods {
            let class = scheduler.topology.class(&pod.namespace, &pod.template.labels);
            resident.push(scheduler.topology.residents.len());
            scheduler.topology.residents.push(Resident { class, node: None });
            pods.push(pod.clone());
        }
        let mut cluster = Self {
            rank: ranks(&pods, &scheduler),
            shapes: vec![None; pods.len()],
            option_of: input
                .instance_types
                .iter()
                .enumerate()
                .map(|(index, one)| (one.name.clone(), index))
                .collect(),
            options: input.instance_types.clone(),
            least_prices: least_prices(&scheduler),
            position: Vec::new(),
            first_new: 0,
            stuck_shapes: (0, Vec::new()),
            scheduler,
            pods,
            hosts,
            resident,
        };
        cluster.arrange();
        cluster.scheduler.nodes_changed();
        for pod in 0..on_nodes {
            cluster.shape(pod);
        }
        cluster
    }

    /// Notes where each host stands among the scheduler's nodes.
    fn arrange(&mut self) {
        self.position.resize(self.hosts.len(), usize::MAX);
        for (index, node) in self.scheduler.nodes.iter().enumerate() {
            self.position[node.host] = index;
        }
    }

    pub(crate) fn shape(&mut self, pod: usize) -> ShapeId {
        if let Some(known) = self.shapes[pod] {
            return known;
        }
        let Scheduler { shapes, topology, batch, .. } = &mut self.scheduler;
        let shape = shapes.of(&self.pods[pod], topology, batch);
        self.shapes[pod] = Some(shape);
        shape
    }

    /// What the pods of a node ask that no node has room for, one by one.
    pub(crate) fn stuck(&mut self, host: usize, into: &mut Amounts) {
        into.resize(self.scheduler.batch.columns.len(), 0);
        let shapes = &self.scheduler.shapes.all;
        if self.stuck_shapes.0 != self.scheduler.version() {
            let is_stuck = |shape: &Shape| !self.scheduler.has_room(&shape.requests);
            self.stuck_shapes = (self.scheduler.version(), shapes.iter().map(is_stuck).collect());
        }
        for pod in &self.hosts[host].pods {
            // A shape that is not known yet is not counted: less is found hopeless, nothing wrongly.
            let Some(shape) = self.shapes[*pod] else { continue };
            if self.stuck_shapes.1.get(shape) == Some(&true) {
                amounts::add(into, &shapes[shape].requests);
            }
        }
    }

    /// The least that any type costs which holds so much; none when no type does.
    pub(crate) fn least_price(&self, requests: &[i64]) -> Option<i64> {
        let rows = &self.scheduler.batch.types.rows;
        let holds = |row: &usize| amounts::fits(requests, &rows[*row].allocatable);
        self.least_prices.iter().find(|(_, row)| holds(row)).map(|(price, _)| *price)
    }

    /// Tries to do without these nodes, placing their pods and those that wait. It stops when that
    /// takes more than so many new nodes. The trial is to be ended before anything else happens.
    pub(crate) fn try_without(
        &mut self,
        hosts: &[usize],
        waiting: &[usize],
        most_claims: usize,
    ) -> Trial {
        let mut moving: Vec<usize> = waiting.to_vec();
        for host in hosts {
            moving.extend(&self.hosts[*host].pods);
        }
        moving.sort_unstable_by_key(|pod| self.rank[*pod]);
        let order: Vec<(usize, ShapeId)> =
            moving.into_iter().map(|pod| (pod, self.shape(pod))).collect();
        self.scheduler.begin_trial(order.iter().map(|(_, shape)| *shape));
        for host in hosts {
            self.take_out(*host);
            let (pool, row) = (&self.hosts[*host].node.node_pool, &self.hosts[*host].row);
            self.scheduler.charge_standing(pool.as_deref().unwrap_or_default(), row, false);
        }
        let unplaced = self.scheduler.place_in_order(&order, most_claims);
        Trial { out: hosts.to_vec(), unplaced, claims: self.scheduler.claims.len() }
    }

    /// Where the pods of the trial go.
    pub(crate) fn moves(&self) -> Vec<(usize, Target)> {
        let nodes = self.scheduler.nodes.iter();
        let onto =
            nodes.flat_map(|node| node.pods.iter().map(|pod| (*pod, Target::Host(node.host))));
        let claims = self.scheduler.claims.iter().enumerate();
        let into = claims.flat_map(|(claim, open)| {
            open.pods.iter().map(move |pod| (*pod, Target::Claim(claim)))
        });
        let mut moves: Vec<(usize, Target)> = onto.chain(into).collect();
        moves.sort_unstable_by_key(|(pod, _)| *pod);
        moves
    }

    /// The node that is not ready and takes a pod of the trial, with that pod, if one does.
    pub(crate) fn unready_target(&self) -> Option<(usize, usize)> {
        let mut unready = self.scheduler.filled().filter(|node| !node.is_initialized);
        unready.find_map(|node| node.pods.first().map(|pod| (node.host, *pod)))
    }

    /// Why a pod of this shape finds no place.
    pub(crate) fn reason(&mut self, shape: ShapeId) -> String {
        outcome::reason(&mut self.scheduler, shape)
    }

    /// Why these pods have no place.
    pub(crate) fn why_unplaced(&mut self, pods: &[usize]) -> Vec<Unschedulable> {
        let shaped: Unplaced = pods.iter().map(|pod| (*pod, self.shape(*pod))).collect();
        outcome::unplaced_pods(&self.pods, &mut self.scheduler, &shaped)
    }

    /// How much of what the pools allow has a price.
    pub(crate) fn coverage(&self) -> Coverage {
        outcome::priced(&self.options, &self.scheduler)
    }

    /// Puts everything back.
    pub(crate) fn end(&mut self, trial: &Trial) {
        self.scheduler.end_trial();
        for host in trial.out.iter().rev() {
            self.put_back(*host);
        }
    }

    /// Carries a trial out, after its end: its nodes go, others come, pods move.
    pub(crate) fn carry_out(
        &mut self,
        gone: &[usize],
        launched: Vec<ExistingNode>,
        moves: &[(usize, Target)],
    ) -> Vec<usize> {
        self.first_new = self.hosts.len();
        for host in gone {
            self.remove(*host);
        }
        self.scheduler.nodes.retain(|node| !self.hosts[node.host].is_gone);
        let new: Vec<usize> = launched.into_iter().map(|node| self.launch(node)).collect();
        self.arrange();
        for (pod, target) in moves {
            self.settle(*pod, self.host_of(*target));
        }
        self.scheduler.nodes_changed();
        new
    }

    /// Where a pod went that was to go there, after a trial was carried out.
    pub(crate) fn host_of(&self, target: Target) -> usize {
        match target {
            Target::Host(host) => host,
            Target::Claim(claim) => self.first_new + claim,
        }
    }

    fn remove(&mut self, host: usize) {
        self.take_out(host);
        let pool = self.hosts[host].node.node_pool.clone().unwrap_or_default();
        self.scheduler.charge_standing(&pool, &self.hosts[host].row, false);
        self.hosts[host].is_gone = true;
        self.hosts[host].pods.clear();
    }

    fn launch(&mut self, node: ExistingNode) -> usize {
        let host = self.hosts.len();
        let Scheduler { batch, topology, daemons, nodes, .. } = &mut self.scheduler;
        let standing = standing::standing(&node, batch);
        let state = NodeState::new(host, &node, &standing, daemons, batch);
        topology.standing.push(standing);
        topology.hosts += 1;
        topology.show_new_node(host, batch);
        let row = batch.columns.row(&node.capacity, i64::from(node.max_pods));
        let at = nodes.partition_point(|one| one.comes_before(&state));
        nodes.insert(at, state);
        self.scheduler.charge_standing(node.node_pool.as_deref().unwrap_or_default(), &row, true);
        self.hosts.push(Host { node, pods: Vec::new(), staying: Vec::new(), is_gone: false, row });
        host
    }

    fn settle(&mut self, pod: usize, host: usize) {
        let shape = self.shape(pod);
        self.count(pod, host, true);
        self.scheduler.nodes[self.position[host]].keep(&self.scheduler.shapes.all[shape]);
        self.hosts[host].pods.push(pod);
    }

    fn take_out(&mut self, host: usize) {
        for index in 0..self.hosts[host].pods.len() {
            self.count(self.hosts[host].pods[index], host, false);
        }
        for index in 0..self.hosts[host].staying.len() {
            self.count_staying(host, index, false);
        }
        self.scheduler.topology.show_node(host, false, &mut self.scheduler.batch);
        self.scheduler.nodes[self.position[host]].is_out = true;
    }

    fn put_back(&mut self, host: usize) {
        self.scheduler.nodes[self.position[host]].is_out = false;
        self.scheduler.topology.show_node(host, true, &mut self.scheduler.batch);
        for index in 0..self.hosts[host].pods.len() {
            self.count(self.hosts[host].pods[index], host, true);
        }
        for index in 0..self.hosts[host].staying.len() {
            self.count_staying(host, index, true);
        }
    }

    /// A pod runs on a node from now on, or no more.
    fn count(&mut self, pod: usize, host: usize, is_there: bool) {
        let shape = self.shape(pod);
        let Scheduler { shapes, topology, batch, .. } = &mut self.scheduler;
        let shape = &shapes.all[shape];
        topology.residents[self.resident[pod]].node = is_there.then_some(host);
        topology.count_running(shape.class, &shape.inverse, host, is_there, batch);
    }

    fn count_staying(&mut self, host: usize, index: usize, is_there: bool) {
        let Scheduler { topology, batch, .. } = &mut self.scheduler;
        let Staying { class, inverse, resident } = &self.hosts[host].staying[index];
        topology.residents[*resident].node = is_there.then_some(host);
        topology.count_running(*class, inverse, host, is_there, batch);
    }
}

fn staying(pod: &Pod, resident: usize, scheduler: &mut Scheduler) -> Staying {
    let Scheduler { topology, batch, .. } = scheduler;
    Staying {
        class: topology.class(&pod.namespace, &pod.template.labels),
        inverse: topology.inverse_of(&pod.namespace, &pod.template, None, batch),
        resident,
    }
}

/// The order in which pods are tried: by CPU, then memory, descending, then by age and UID, and last
/// by their numbers.
fn ranks(pods: &[Pod], scheduler: &Scheduler) -> Vec<u32> {
    let mut sizes: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
    let mut size = |pod: &Pod| {
        *sizes.entry(Arc::as_ptr(&pod.template) as usize).or_insert_with(|| {
            let requests = pod.template.resources.kubernetes_requests();
            let row = scheduler.batch.columns.row(&requests, 1);
            (row[CPU], row[MEMORY])
        })
    };
    let mut order: Vec<(Reverse<(i64, i64)>, usize)> =
        pods.iter().enumerate().map(|(index, pod)| (Reverse(size(pod)), index)).collect();
    order.sort_by(|(left_size, left), (right_size, right)| {
        let age = |index: usize| (pods[index].created, &pods[index].uid);
        left_size.cmp(right_size).then_with(|| age(*left).cmp(&age(*right)))
    });
    let mut ranks = vec![0; pods.len()];
    for (rank, (_, pod)) in order.into_iter().enumerate() {
        ranks[pod] = u32::try_from(rank).unwrap_or(u32::MAX);
    }
    ranks
}

fn least_prices(scheduler: &Scheduler) -> Vec<(i64, usize)> {
    let batch = &scheduler.batch;
    let rows = batch.types.rows.iter().enumerate().filter(|(_, row)| row.is_priced);
    let least = rows.filter_map(|(index, row)| {
        let sets = scheduler.templates.iter().map(|template| batch.sets.get(template.set));
        let prices = sets
            .filter(|set| row.is_compatible(set, &batch.labels))
            .filter_map(|set| row.cheapest(set, &batch.labels));
        prices.min().map(|price| (price, index))
    });
    let mut prices: Vec<(i64, usize)> = least.collect();
    prices.sort_unstable();
    prices
}
