//! What came of a trace under one autoscaler: each node, each pod, and the figures of both.

use super::cluster::{Node, PodState};
use super::machine::Machine;
use super::steps::{Step, Way, steps};
use super::world::{Sample, World};
use crate::money::{Amount, Total};

/// A node is billed for at least so many seconds.
pub const LEAST_BILLED: i64 = 60;

/// A node, from launch to termination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRun {
    /// What it was.
    pub machine: Machine,
    /// Its node group or `NodePool`.
    pub group: String,
    /// When it was launched.
    pub launched: i64,
    /// When it was ready.
    pub ready: Option<i64>,
    /// When it was terminated; none when it is there at the end.
    pub terminated: Option<i64>,
    /// For how many seconds it was there.
    pub seconds: i64,
    /// For how many it is billed.
    pub billed: i64,
}

/// How a pod ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodEnd {
    /// It runs.
    Bound,
    /// It waits.
    Pending,
    /// The trace removed it.
    Removed,
    /// It was evicted, and nothing made it again.
    Lost,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRun {
    /// How it ended.
    pub end: PodEnd,
    /// For how many seconds it waited in all.
    pub waited: i64,
    /// How often it was evicted.
    pub evictions: u32,
    /// Whether it ever ran.
    pub ran: bool,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Each node in the order of launching.
    pub nodes: Vec<NodeRun>,
    /// Each pod of the trace.
    pub pods: Vec<PodRun>,
    /// How many there were, from second to second; a sample holds until the next.
    pub samples: Vec<Sample>,
    /// The end.
    pub until: i64,
    /// Pods that never ran because no node can hold them, and why.
    pub refused: Vec<(String, String)>,
    /// The pod whose way is drawn.
    pub first_pending: Option<String>,
    /// Its way.
    pub steps: Vec<Step>,
}

impl Run {
    pub(crate) fn of(
        world: World<'_>,
        until: i64,
        refused: Vec<(String, String)>,
        way: Way,
    ) -> Self {
        let cluster = world.cluster;
        let nodes = cluster.nodes.iter().map(|node| node_run(node, until)).collect();
        let pods = cluster
            .pods
            .iter()
            .filter_map(|pod| {
                let end = match pod.state {
                    // The trace brings every pod before the end.
                    PodState::ToCome => return None,
                    PodState::Pending(_) => PodEnd::Pending,
                    PodState::Bound(_) => PodEnd::Bound,
                    PodState::Removed => PodEnd::Removed,
                    PodState::Lost => PodEnd::Lost,
                };
                let ran = pod.first_bound.is_some();
                Some(PodRun { end, waited: pod.waited, evictions: pod.evictions, ran })
            })
            .collect();
        let first = cluster.first_pending;
        Self {
            nodes,
            pods,
            until,
            refused,
            first_pending: first.map(|pod| cluster.trace.pods[pod].name.clone()),
            steps: first.map(|pod| steps(&cluster, pod, way)).unwrap_or_default(),
            samples: world.samples,
        }
    }

    /// Seconds of nodes: the area under their number.
    pub fn node_seconds(&self) -> i64 {
        self.nodes.iter().map(|node| node.seconds).sum()
    }

    /// The area under the samples' number of nodes, for those who want to check it.
    pub fn sampled_node_seconds(&self) -> i64 {
        let ends = self.samples.iter().skip(1).map(|next| next.at).chain([self.until]);
        self.samples
            .iter()
            .zip(ends)
            .map(|(sample, end)| (end - sample.at) * i64::try_from(sample.nodes).unwrap_or(0))
            .sum()
    }

    /// What the nodes cost, and which have no price.
    pub fn total(&self) -> Total {
        let mut total = Total::default();
        for node in &self.nodes {
            let price = node.machine.price.clone();
            total.add(price.map(|price| price.amount(1, node.billed)));
        }
        total
    }

    /// What each type cost: nodes, seconds billed and dollars, by type and price.
    pub fn by_type(&self) -> Vec<TypeRun> {
        let mut all: Vec<TypeRun> = Vec::new();
        for node in &self.nodes {
            let machine = &node.machine;
            let same = |one: &&mut TypeRun| {
                one.machine.instance_type == machine.instance_type
                    && one.machine.capacity_type == machine.capacity_type
                    && one.machine.price == machine.price
            };
            if let Some(known) = all.iter_mut().find(same) {
                known.nodes += 1;
                known.seconds += node.seconds;
                known.billed += node.billed;
            } else {
                all.push(TypeRun {
                    machine: machine.clone(),
                    nodes: 1,
                    seconds: node.seconds,
                    billed: node.billed,
                });
            }
        }
        all.sort_by(|one, other| one.machine.instance_type.cmp(&other.machine.instance_type));
        all
    }

    /// The waiting of all pods together.
    pub fn pending_seconds(&self) -> i64 {
        self.pods.iter().map(|pod| pod.waited).sum()
    }

    /// The waiting that so many of a hundred pods do not exceed, by nearest rank.
    pub fn pending_percentile(&self, percent: usize) -> Option<i64> {
        let mut waited: Vec<i64> = self.pods.iter().map(|pod| pod.waited).collect();
        waited.sort_unstable();
        let rank = (waited.len() * percent).div_ceil(100).max(1);
        waited.get(rank - 1).copied()
    }

    /// How many pods ended so.
    pub fn ended(&self, end: PodEnd) -> usize {
        self.pods.iter().filter(|pod| pod.end == end).count()
    }

    /// How many pods never ran.
    pub fn never_ran(&self) -> usize {
        self.pods.iter().filter(|pod| !pod.ran).count()
    }

    /// Most nodes at a time.
    pub fn peak_nodes(&self) -> usize {
        self.samples.iter().map(|sample| sample.nodes).max().unwrap_or(0)
    }
}

/// The nodes of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRun {
    /// One of them.
    pub machine: Machine,
    /// How many.
    pub nodes: usize,
    /// For how many seconds together.
    pub seconds: i64,
    /// For how many they are billed.
    pub billed: i64,
}

impl TypeRun {
    /// What they cost.
    pub fn amount(&self) -> Option<Amount> {
        self.machine.price.as_ref().ok().map(|price| price.amount(1, self.billed))
    }
}

fn node_run(node: &Node, until: i64) -> NodeRun {
    let seconds = node.terminated.unwrap_or(until) - node.launched;
    NodeRun {
        machine: node.machine.clone(),
        group: node.group.clone(),
        launched: node.launched,
        ready: node.ready,
        terminated: node.terminated,
        seconds,
        billed: seconds.max(LEAST_BILLED),
    }
}
