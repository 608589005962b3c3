//! The loop: pods in order, each to a node that is there, else to an open claim, else to a new one.
//!
//! Pods come by CPU, then memory, descending, then by age and UID. A pod that finds no place gives up
//! its wishes one by one, goes back to the end of the queue as it was, and the loop goes on as long
//! as any pod finds a place. Open claims are sorted by their number of pods before every pod, in
//! Go's order ([`super::go_sort`]), the list keeping its order from pod to pod.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

use super::Batch;
use super::amounts::{Amounts, CPU, MEMORY};
use super::claim::{Claim, Fit, Refusal, Template};
use super::daemons::{self, Daemon};
use super::go_sort;
use super::input::{MinValues, PackInput};
use super::limits::Remaining;
use super::requirement::Requirement;
use super::requirement_sets::{RequirementSet, SetId, Undefined};
use super::shape::{ShapeId, Shapes};
use super::standing::{self, NodeState};
use super::topology::{Place, Resident, Topology};
use super::trial::Before;
use super::type_set::TypeSet;
use crate::manifest::NodePool;
use crate::pod::{Effect, Pod};

/// An open claim in the order in which claims are tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pods: u32,
    claim: u32,
}

/// A packing under way.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) batch: Batch,
    /// Pools in the order in which they are tried; behind them, once more, those that have types
    /// without a price.
    pub(crate) templates: Vec<Template>,
    /// How many of them have prices.
    pub(super) priced_templates: usize,
    /// How many of them may be opened: those without prices only for what fits nowhere else.
    pub(super) open_templates: usize,
    /// Pools none of whose types remain, with the reason.
    pub(crate) closed_pools: Vec<(String, String)>,
    pub(super) remaining: Vec<Remaining>,
    pub(crate) topology: Topology,
    pub(crate) shapes: Shapes,
    pub(crate) nodes: Vec<NodeState>,
    pub(crate) claims: Vec<Claim>,
    pub(super) order: Vec<Open>,
    strict_min_values: bool,
    /// What is still to be asked of daemonsets when a node comes to stand.
    pub(crate) daemons: Vec<Daemon>,
    /// What nodes had before a trial; nothing is kept without one.
    pub(super) before: Option<Before>,
    /// Pods of the trial that run nowhere yet, ascending.
    pub(super) pending: Vec<usize>,
    /// Counts the states of the cluster between trials.
    pub(super) version: u32,
    /// What is left on nodes, without what another has more of in every respect.
    pub(super) frontier: Vec<Amounts>,
}

/// Where pods found no place: pod, and the shape in which it was tried last.
pub(crate) type Unplaced = Vec<(usize, ShapeId)>;

impl Scheduler {
    /// Prepares pools, daemonsets, nodes and rules.
    pub(crate) fn new(input: &PackInput, pools: Vec<NodePool>, mut batch: Batch) -> Self {
        let mut topology = Topology::new(input.preferences, input.namespaces.clone());
        for pool in &pools {
            add_domains(&mut topology, pool, &mut batch);
        }
        let a_pool_prefers = pools
            .iter()
            .flat_map(|pool| &pool.taints)
            .any(|taint| taint.effect == Effect::PreferNoSchedule);
        let strict_min_values = input.min_values == MinValues::Strict;
        let mut scheduler = Self {
            templates: Vec::new(),
            priced_templates: 0,
            open_templates: 0,
            closed_pools: Vec::new(),
            remaining: Vec::new(),
            topology,
            shapes: Shapes::default(),
            nodes: Vec::new(),
            claims: Vec::new(),
            order: Vec::new(),
            strict_min_values,
            daemons: Vec::new(),
            before: None,
            pending: Vec::new(),
            version: 1,
            frontier: Vec::new(),
            batch,
        };
        scheduler.open_pools(input, pools);
        let taints =
            scheduler.templates.iter().map(|template| template.pool.taints.clone()).collect();
        scheduler.shapes = Shapes::new(taints, a_pool_prefers);
        scheduler
    }

    fn open_pools(&mut self, input: &PackInput, pools: Vec<NodePool>) {
        let batch = &mut self.batch;
        let mut daemons: Vec<Daemon> =
            input.daemonsets.iter().map(|pod| Daemon::new(pod, batch)).collect();
        let mut all_remaining: Vec<(String, Remaining)> =
            pools.iter().map(|pool| (pool.name.clone(), Remaining::new(pool, batch))).collect();
        let mut unpriced: Vec<(NodePool, SetId, TypeSet)> = Vec::new();
        for pool in pools {
            let set = template_set(&pool, batch);
            let set = batch.sets.intern(set);
            let satisfying = batch.types.satisfying(set, &batch.sets, &batch.labels).clone();
            let mut types = satisfying.clone();
            batch.types.keep_priced(&mut types, true);
            let mut without_price = satisfying;
            batch.types.keep_priced(&mut without_price, false);
            if !without_price.is_empty() {
                unpriced.push((pool.clone(), set, without_price.clone()));
            }
            let lacking = if self.strict_min_values {
                batch.types.first_lacking_values(&types, batch.sets.get(set))
            } else {
                None
            };
            if let (false, Some((key, values))) = (types.is_empty(), lacking) {
                let label = batch.labels.key_name(key).to_owned();
                self.closed_pools.push((pool.name, format!("its types have only {values} values of `{label}`, fewer than its `minValues`")));
            } else if types.is_empty() {
                self.closed_pools.push((
                    pool.name,
                    match without_price.iter().count() {
                        0 => "no instance type meets its requirements with an offering".to_owned(),
                        count => {
                            format!(
                                "{count} instance types meet its requirements, but have no price"
                            )
                        }
                    },
                ));
            } else {
                let groups = daemons::groups(set, &pool.taints, &types, &mut daemons, batch);
                self.templates.push(Template::new(pool, set, types, groups, batch));
            }
        }
        self.priced_templates = self.templates.len();
        self.open_templates = self.templates.len();
        self.stand_nodes(input, &daemons, &mut all_remaining);
        let batch = &mut self.batch;
        for (pool, set, types) in unpriced {
            let groups = daemons::groups(set, &pool.taints, &types, &mut daemons, batch);
            self.templates.push(Template::new(pool, set, types, groups, batch));
        }
        let of_pool = |name: &String| {
            all_remaining
                .iter()
                .find(|(pool, _)| pool == name)
                .map(|(_, remaining)| remaining.clone())
        };
        self.remaining =
            self.templates.iter().filter_map(|template| of_pool(&template.pool.name)).collect();
        self.daemons = daemons;
    }

    /// Nodes in the order in which they are tried: ready ones first, then by name.
    fn stand_nodes(
        &mut self,
        input: &PackInput,
        daemons: &[Daemon],
        remaining: &mut [(String, Remaining)],
    ) {
        let batch = &mut self.batch;
        self.topology.hosts = input.existing.len();
        let comes = input.pods.iter().filter(|_| !input.existing.is_empty());
        let moving: BTreeSet<&String> = comes.filter_map(|pod| pod.uid.as_ref()).collect();
        let moves = |pod: &Pod| pod.uid.as_ref().is_some_and(|uid| moving.contains(uid));
        for (host, node) in input.existing.iter().enumerate() {
            let standing = standing::standing(node, batch);
            self.nodes.push(NodeState::new(host, node, &standing, daemons, batch));
            self.topology.standing.push(standing);
            if let Some((_, left)) =
                remaining.iter_mut().find(|(pool, _)| Some(pool) == node.node_pool.as_ref())
            {
                left.charge_node(&node.capacity, node.max_pods, batch);
            }
            for on_it in node.pods.iter().filter(|on_it| !moves(&on_it.pod)) {
                let class = self.topology.class(&on_it.pod.namespace, &on_it.pod.template.labels);
                self.topology.residents.push(Resident { class, node: Some(host) });
            }
        }
        for (host, node) in input.existing.iter().enumerate() {
            for on_it in node.pods.iter().filter(|on_it| !moves(&on_it.pod)) {
                let template = &on_it.pod.template;
                if !template.anti_affinity.is_empty() {
                    self.topology.inverse_of(&on_it.pod.namespace, template, Some(host), batch);
                }
            }
        }
        self.nodes.sort_by(|left, right| {
            right.is_initialized.cmp(&left.is_initialized).then_with(|| left.name.cmp(&right.name))
        });
    }

    /// Places the pods; what found no place comes back.
    pub(crate) fn solve(&mut self, pods: &[Pod]) -> Unplaced {
        let shapes: Vec<ShapeId> = pods
            .iter()
            .map(|pod| self.shapes.of(pod, &mut self.topology, &mut self.batch))
            .collect();
        let order: Vec<(usize, ShapeId)> =
            self.in_order(pods, &shapes).into_iter().map(|pod| (pod, shapes[pod])).collect();
        self.place_in_order(&order, usize::MAX)
    }

    /// Places pods that are in order; what found no place comes back, by pod. It stops when more than
    /// so many claims are open: then what came back is not all.
    pub(crate) fn place_in_order(
        &mut self,
        order: &[(usize, ShapeId)],
        most_claims: usize,
    ) -> Unplaced {
        let mut failed: Vec<Option<ShapeId>> = vec![None; order.len()];
        self.place_all((0..order.len()).collect(), order, &mut failed, most_claims);
        if self.open_templates < self.templates.len() && self.claims.len() <= most_claims {
            self.open_templates = self.templates.len();
            let left = (0..order.len()).filter(|index| failed[*index].is_some()).collect();
            self.place_all(left, order, &mut failed, most_claims);
        }
        let found = order.iter().zip(failed);
        let mut unplaced: Unplaced =
            found.filter_map(|((pod, _), shape)| shape.map(|shape| (*pod, shape))).collect();
        unplaced.sort_unstable();
        unplaced
    }

    /// Goes round the queue as long as any pod finds a place.
    fn place_all(
        &mut self,
        mut queue: VecDeque<usize>,
        order: &[(usize, ShapeId)],
        failed: &mut [Option<ShapeId>],
        most_claims: usize,
    ) {
        let mut last_length = vec![0_usize; failed.len()];
        while let Some(index) = queue.front().copied() {
            // It came round to the same place without any other pod finding one.
            if last_length[index] == queue.len() || self.claims.len() > most_claims {
                break;
            }
            queue.pop_front();
            let (pod, shape) = order[index];
            failed[index] = self.place_relaxing(pod, shape);
            if failed[index].is_some() {
                queue.push_back(index);
                last_length[index] = queue.len();
            }
        }
    }

    fn in_order(&self, pods: &[Pod], shapes: &[ShapeId]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..pods.len()).collect();
        let key = |pod: &usize| {
            let requests = &self.shapes.all[shapes[*pod]].requests;
            let Pod { created, uid, .. } = &pods[*pod];
            (Reverse(requests[CPU]), Reverse(requests[MEMORY]), created, uid)
        };
        order.sort_by(|left, right| key(left).cmp(&key(right)));
        order
    }

    /// The shape in which it failed last, if it found no place.
    fn place_relaxing(&mut self, pod: usize, mut shape: ShapeId) -> Option<ShapeId> {
        if self.shapes.all[shape].template.traits.has_resource_claims {
            return Some(shape);
        }
        loop {
            if self.place(pod, shape) {
                return None;
            }
            match self.shapes.relaxed(shape, &mut self.topology, &mut self.batch) {
                Some(relaxed) => {
                    shape = relaxed;
                    self.topology.wake(&self.shapes.all[shape].groups);
                }
                None => return Some(shape),
            }
        }
    }

    fn place(&mut self, pod: usize, shape: ShapeId) -> bool {
        self.topology.refresh_class(self.shapes.all[shape].class);
        if self.place_on_node(pod, shape) {
            return true;
        }
        go_sort::sort(&mut self.order, |left, right| left.pods < right.pods);
        self.place_on_claim(pod, shape) || self.place_on_new_claim(pod, shape)
    }

    fn place_on_node(&mut self, pod: usize, id: ShapeId) -> bool {
        let trial = self.topology.trial();
        let shape = &self.shapes.all[id];
        let first = shape.first_room(self.version, trial);
        let (mut with_room, mut fit) = (None, None);
        for (index, node) in self.nodes.iter().enumerate().skip(first) {
            // The cheapest test first: most nodes are full.
            if node.is_out || !node.has_room(&shape.requests) {
                continue;
            }
            with_room = with_room.or(Some(index));
            if node.rests && self.pending.binary_search(&pod).is_err() {
                continue;
            }
            fit = node.try_shape(shape, &self.topology, &mut self.batch).map(|set| (index, set));
            if fit.is_some() {
                break;
            }
        }
        self.shapes.all[id].note_room(trial, with_room.unwrap_or(self.nodes.len()));
        let shape = &self.shapes.all[id];
        let Some((index, set)) = fit else { return false };
        if let Some(before) = &mut self.before
            && self.nodes[index].pods.is_empty()
        {
            before.nodes.push(self.nodes[index].before(index));
        }
        self.nodes[index].take(pod, shape, set, &mut self.topology, &mut self.batch);
        true
    }

    fn place_on_claim(&mut self, pod: usize, id: ShapeId) -> bool {
        for position in 0..self.order.len() {
            let claim = usize::try_from(self.order[position].claim).unwrap_or(usize::MAX);
            if self.shapes.all[id].is_refused_by(claim) {
                continue;
            }
            let open = &self.claims[claim];
            let template = &self.templates[open.template];
            let shape = &self.shapes.all[id];
            match open.try_shape(shape, template, &self.topology, true, &mut self.batch) {
                Ok(fit) => {
                    self.take(claim, pod, id, fit);
                    self.order[position].pods += 1;
                    return true;
                }
                Err(refused) if refused.is_lasting => self.shapes.refuse(id, claim),
                Err(_) => {}
            }
        }
        false
    }

    fn place_on_new_claim(&mut self, pod: usize, id: ShapeId) -> bool {
        for template in 0..self.open_templates {
            if let Ok((claim, fit)) = self.try_new(template, id) {
                let number = self.claims.len();
                self.claims.push(claim);
                self.order.push(Open { pods: 1, claim: u32::try_from(number).unwrap_or(u32::MAX) });
                self.topology.hosts += 1;
                self.take(number, pod, id, fit);
                self.charge(template, number);
                return true;
            }
        }
        false
    }

    /// Charges a new claim to its pool, which may stand among the templates twice.
    fn charge(&mut self, template: usize, claim: usize) {
        let types = &self.claims[claim].types;
        for other in 0..self.templates.len() {
            if self.templates[other].pool.name == self.templates[template].pool.name {
                self.remaining[other].charge_claim(types, &self.batch);
            }
        }
    }

    fn try_new(&mut self, template: usize, id: ShapeId) -> Result<(Claim, Fit), NotNew> {
        let of = &self.templates[template];
        let remaining = &self.remaining[template];
        let mut types: TypeSet = of.types.clone();
        if remaining.is_limited {
            remaining.keep_affordable(&mut types, &self.batch);
            if remaining.is_out_of_nodes() || types.is_empty() {
                return Err(NotNew::Limits);
            }
        }
        let claim = Claim::new(template, of, types, self.topology.hosts, &self.batch);
        let shape = &self.shapes.all[id];
        let fit = claim
            .try_shape(shape, of, &self.topology, self.strict_min_values, &mut self.batch)
            .map_err(|refused| NotNew::Refused(refused.why))?;
        Ok((claim, fit))
    }

    fn take(&mut self, claim: usize, pod: usize, id: ShapeId, fit: Fit) {
        let shape = &self.shapes.all[id];
        let open = &mut self.claims[claim];
        open.take(pod, shape, fit, &self.batch);
        let place = Place {
            taints: &self.templates[open.template].pool.taints,
            set: open.set,
            host: open.host,
            name: super::batch::HostName::ToCome,
            undefined: Undefined::AllowWellKnown,
        };
        self.topology.record(shape.class, &shape.inverse, place, &mut self.batch);
    }

    /// Why a new node of each pool would not take a pod of this shape.
    pub(crate) fn why_not_new(&mut self, id: ShapeId) -> Vec<(String, NotNew)> {
        let class = self.shapes.all[id].class;
        self.topology.refresh_class(class);
        let mut reasons = Vec::new();
        for template in 0..self.priced_templates {
            if let Err(why) = self.try_new(template, id) {
                reasons.push((self.templates[template].pool.name.clone(), why));
            }
        }
        reasons
    }
}

/// Why a pool makes no node for a pod.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotNew {
    /// Its limits are reached.
    Limits,
    /// Its nodes would not take the pod.
    Refused(Refusal),
}

/// What every node of a pool asks and has.
fn template_set(pool: &NodePool, batch: &mut Batch) -> RequirementSet {
    let mut set = written_set(pool, batch);
    let (group, kind, name) = &pool.node_class;
    let class_label = format!("{group}/{}", kind.to_lowercase());
    let own = [
        ("karpenter.sh/nodepool", pool.name.as_str()),
        (class_label.as_str(), name.as_str()),
        ("karpenter.sh/registered", "true"),
        ("karpenter.sh/initialized", "true"),
    ];
    for (key, value) in own {
        let (key, value) = (batch.labels.key(key), batch.labels.value(value));
        set.add(key, Requirement::one_of(vec![value]), &batch.labels);
    }
    set
}

/// What the pool itself writes.
fn written_set(pool: &NodePool, batch: &mut Batch) -> RequirementSet {
    let mut set = RequirementSet::default();
    for written in &pool.requirements {
        let (key, requirement) = batch.labels.requirement(written);
        set.add(key, requirement, &batch.labels);
    }
    for (key, value) in &pool.labels {
        let (key, value) = (batch.labels.key(key), batch.labels.value(value));
        set.add(key, Requirement::one_of(vec![value]), &batch.labels);
    }
    set
}

fn add_domains(topology: &mut Topology, pool: &NodePool, batch: &mut Batch) {
    let written = written_set(pool, batch);
    for row in &batch.types.rows {
        let mut set = written.clone();
        set.add_all(&row.requirements, &batch.labels);
        topology.domains.add(&set, &pool.taints, false);
    }
    topology.domains.add(&written, &pool.taints, true);
}
