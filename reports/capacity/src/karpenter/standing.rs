//! Nodes that are there: they take pods first.

use super::Batch;
use super::amounts::{self, Amounts};
use super::batch::HostName;
use super::daemons::{self, Daemon};
use super::input::ExistingNode;
use super::requirement::{HOSTNAME, Requirement, Value};
use super::requirement_sets::{RequirementSet, SetId, Undefined};
use super::shape::Shape;
use super::topology::{Place, Standing, Topology};
use crate::pod::{Effect, HostPort, Taint};

/// A node that is there, while pods are being placed.
#[derive(Debug)]
pub(crate) struct NodeState {
    /// Its number among the nodes, which is its host number.
    pub(crate) host: usize,
    pub(crate) name: String,
    pub(crate) is_initialized: bool,
    hostname: Value,
    set: SetId,
    taints: Vec<Taint>,
    remaining: Amounts,
    host_ports: Vec<HostPort>,
    pub(crate) pods: Vec<usize>,
    /// It is left out of this trial.
    pub(crate) is_out: bool,
}

/// What a node had before a trial put pods on it.
#[derive(Debug)]
pub(crate) struct NodeBefore {
    pub(crate) index: usize,
    set: SetId,
    remaining: Amounts,
    host_ports: usize,
}

/// Taints that a node has while it starts and loses by itself.
fn is_ephemeral(taint: &Taint) -> bool {
    matches!(
        (taint.key.as_str(), taint.effect),
        ("node.kubernetes.io/not-ready", Effect::NoSchedule | Effect::NoExecute)
            | (
                "node.kubernetes.io/unreachable" | "node.cloudprovider.kubernetes.io/uninitialized",
                Effect::NoSchedule
            )
            | ("karpenter.sh/unregistered", Effect::NoExecute)
    ) || taint.key.starts_with("readiness.k8s.io/")
}

/// How a node appears to topology.
pub(crate) fn standing(node: &ExistingNode, batch: &mut Batch) -> Standing {
    let hostname = node.labels.get(HOSTNAME).unwrap_or(&node.name);
    let name = batch.labels.value(hostname);
    let mut set = RequirementSet::default();
    for (key, value) in &node.labels {
        let key = batch.labels.key(key);
        if key != batch.hostname {
            let value = batch.labels.value(value);
            set.add(key, Requirement::one_of(vec![value]), &batch.labels);
        }
    }
    Standing { set: batch.sets.intern(set), name, taints: node.taints.clone(), is_gone: false }
}

impl NodeState {
    pub(crate) fn new(
        host: usize,
        node: &ExistingNode,
        standing: &Standing,
        daemons: &[Daemon],
        batch: &mut Batch,
    ) -> Self {
        let taints: Vec<Taint> = if node.is_initialized {
            node.taints.clone()
        } else {
            node.taints.iter().filter(|taint| !is_ephemeral(taint)).cloned().collect()
        };
        let mut remaining = batch.columns.row(&node.allocatable, i64::from(node.max_pods));
        let mut taken = daemons::remaining_on(node, standing.set, &taints, daemons, batch);
        for on_it in &node.pods {
            amounts::add(
                &mut taken,
                &batch.columns.row(&on_it.pod.template.resources.kubernetes_requests(), 1),
            );
        }
        for (left, taken) in remaining.iter_mut().zip(taken) {
            *left = left.saturating_sub(taken);
        }
        let host_ports =
            node.pods.iter().flat_map(|on_it| on_it.pod.template.host_ports.clone()).collect();
        Self {
            host,
            name: node.name.clone(),
            is_initialized: node.is_initialized,
            hostname: standing.name,
            set: standing.set,
            taints,
            remaining,
            host_ports,
            pods: Vec::new(),
            is_out: false,
        }
    }

    /// The order in which nodes are tried: ready ones first, then by name.
    pub(crate) fn comes_before(&self, other: &Self) -> bool {
        other
            .is_initialized
            .cmp(&self.is_initialized)
            .then_with(|| self.name.cmp(&other.name))
            .is_lt()
    }

    /// What is left on it.
    pub(crate) fn remaining(&self) -> &[i64] {
        &self.remaining
    }

    /// What it has now, to be put back.
    pub(crate) fn before(&self, index: usize) -> NodeBefore {
        NodeBefore {
            index,
            set: self.set,
            remaining: self.remaining.clone(),
            host_ports: self.host_ports.len(),
        }
    }

    /// Puts back what a node had.
    pub(crate) fn put_back(nodes: &mut [Self], before: NodeBefore) {
        let node = &mut nodes[before.index];
        node.set = before.set;
        node.remaining = before.remaining;
        node.host_ports.truncate(before.host_ports);
        node.pods.clear();
    }

    /// A pod runs on it from now on.
    pub(crate) fn keep(&mut self, shape: &Shape) {
        for (left, taken) in self.remaining.iter_mut().zip(&shape.requests) {
            *left = left.saturating_sub(*taken);
        }
        self.host_ports.extend(&shape.host_ports);
    }

    /// Whether it has room for so much.
    pub(crate) fn has_room(&self, requests: &[i64]) -> bool {
        amounts::fits(requests, &self.remaining)
    }

    /// The set it would ask with the pod on it, if it can take it; that it has room is known.
    pub(crate) fn try_shape(
        &self,
        shape: &Shape,
        topology: &Topology,
        batch: &mut Batch,
    ) -> Option<SetId> {
        let tolerated =
            crate::pod::untolerated(&self.taints, &shape.template.tolerations).is_none();
        let port_is_taken = shape
            .host_ports
            .iter()
            .any(|port| self.host_ports.iter().any(|taken| taken.conflicts(port)));
        if !tolerated || port_is_taken {
            return None;
        }
        let name = HostName::Known(self.hostname);
        if !name.passes(shape.hostname.as_ref(), &batch.labels) {
            return None;
        }
        let set = batch.sets.tighten(self.set, shape.set, Undefined::Deny, &batch.labels).ok()?;
        let place =
            Place { taints: &self.taints, set, host: self.host, name, undefined: Undefined::Deny };
        topology
            .narrow(
                &shape.groups,
                shape.class,
                (shape.strict, shape.strict_hostname.as_ref()),
                place,
                batch,
            )
            .ok()
    }

    /// Takes the pod.
    pub(crate) fn take(
        &mut self,
        pod: usize,
        shape: &Shape,
        set: SetId,
        topology: &mut Topology,
        batch: &mut Batch,
    ) {
        self.pods.push(pod);
        self.set = set;
        for (left, taken) in self.remaining.iter_mut().zip(&shape.requests) {
            *left = left.saturating_sub(*taken);
        }
        self.host_ports.extend(&shape.host_ports);
        let place = Place {
            taints: &self.taints,
            set,
            host: self.host,
            name: HostName::Known(self.hostname),
            undefined: Undefined::Deny,
        };
        topology.record(shape.class, &shape.inverse, place, batch);
    }
}
