//! Karpenter mode: what Karpenter 1.14 would launch for these pods, by its own algorithm.
//!
//! [`pack`] answers a [`PackInput`]. Pods are sorted by size ([`scheduler`]) and placed one by one: on
//! a node that is there ([`standing`]), on an open claim ([`claim`]), on a new claim of the first
//! pool that can ([`limits`], [`daemons`]). Requirements are sets ([`requirement`],
//! [`requirement_sets`]), types are bits ([`type_set`], [`type_table`]), pods that are alike are one
//! [`shape`], rules between pods are [`topology`]. The answer is in [`outcome`].
//!
//! [`cluster`] keeps a scheduler for many questions about the same nodes ([`trial`]), and
//! [`replacement`] says what a claim may be launched as; [`crate::consolidation`] asks them.
//!
//! Two things are taken from Karpenter although they look like accidents, for they decide nodes and
//! prices: the order in which Go's sort leaves claims with equally many pods ([`go_sort`]), and which
//! spreads it takes for one ([`topology`]). Where Karpenter takes a zone by chance, this takes the
//! lowest name.

mod amounts;
mod batch;
mod claim;
pub(crate) mod cluster;
mod daemons;
mod go_sort;
mod input;
mod instance_table;
mod limits;
mod outcome;
mod quick_hash;
mod relax;
pub(crate) mod replacement;
mod requirement;
mod requirement_sets;
mod scheduler;
mod shape;
mod standing;
mod topology;
mod trial;
mod type_set;
mod type_table;

use std::collections::BTreeSet;

pub(crate) use batch::Batch;
pub use input::{
    ExistingNode, InstanceOption, MinValues, NodePod, OfferingOption, PackInput, Preferences,
    default_pool, offered_type, offered_types,
};
pub use instance_table::{TableProblem, read_instance_types};
pub use outcome::{FilledNode, PackOutcome, PackedNode, Unschedulable};

use amounts::Columns;
use requirement::Labels;
use scheduler::Scheduler;
use type_table::TypeTable;

use crate::manifest::{self, NodePool};
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::Pod;
use crate::pod_resources::Resources;

/// What Karpenter would launch.
pub fn pack(input: &PackInput) -> PackOutcome {
    let mut scheduler = prepared(input, columns(input));
    let unplaced = scheduler.solve(&input.pods);
    outcome::outcome(input, scheduler, &unplaced, not_simulated(input))
}

/// The pools that take part, in the order in which they are tried.
pub(crate) fn pools(input: &PackInput) -> Vec<NodePool> {
    let mut pools =
        if input.node_pools.is_empty() { vec![default_pool()] } else { input.node_pools.clone() };
    pools.retain(|pool| pool.replicas.is_none());
    manifest::order(&mut pools);
    pools
}

/// A scheduler that has placed nothing yet.
pub(crate) fn prepared(input: &PackInput, columns: Columns) -> Scheduler {
    let mut labels = Labels::default();
    let types = TypeTable::new(&input.instance_types, &columns, &mut labels);
    Scheduler::new(input, pools(input), Batch::new(columns, labels, types))
}

/// A column for every resource that anybody mentions.
pub(crate) fn columns(input: &PackInput) -> Columns {
    let mut asked: Vec<Resources> = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let on_nodes = input.existing.iter().flat_map(|node| node.pods.iter().map(|one| &one.pod));
    for pod in input.pods.iter().chain(&input.daemonsets).chain(on_nodes) {
        // The four that every node has need no asking.
        if pod.template.resources.mentions_others()
            && seen.insert(std::sync::Arc::as_ptr(&pod.template) as usize)
        {
            asked.push(pod.template.resources.kubernetes_requests());
        }
    }
    let types = input.instance_types.iter().flat_map(|one| [&one.capacity, &one.allocatable]);
    let nodes = input.existing.iter().flat_map(|node| [&node.capacity, &node.allocatable]);
    Columns::of(asked.iter().chain(types).chain(nodes))
}

/// About so many mixed pods Karpenter packs within the minute it gives a batch.
const ONE_SOLVE: usize = 14_000;

/// What these pods and pools use that this does not simulate, by name.
pub(crate) fn not_simulated(input: &PackInput) -> Vec<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let pools = &input.node_pools;
    for pool in pools {
        if pool.replicas.is_some() {
            found.insert(format!(
                "static NodePool `{}`: it launches its replicas whatever the pods",
                pool.name
            ));
        }
    }
    for pool in pools {
        let reserved = |one: &NodeRequirement| {
            one.key == crate::launch::CAPACITY_TYPE
                && one.operator == Operator::In
                && one.values.iter().any(|value| value == "reserved")
        };
        if pool.requirements.iter().any(reserved) {
            found.insert(format!("reserved capacity (NodePool `{}`)", pool.name));
        }
    }
    if input.pods.len() > ONE_SOLVE {
        found.insert(format!(
            "the minute after which Karpenter ends a batch: {} pods may take it several",
            input.pods.len()
        ));
    }
    let uses = |test: fn(&Pod) -> bool| input.pods.iter().find(|pod| test(pod));
    if let Some(pod) = uses(|pod| {
        !pod.template.traits.volume_claims.is_empty()
            || !pod.template.traits.claim_templates.is_empty()
    }) {
        found.insert(format!("zones of persistent volumes (pod `{pod}`)"));
    }
    if let Some(pod) = uses(|pod| pod.template.traits.has_resource_claims) {
        found.insert(format!("dynamic resource allocation (pod `{pod}`)"));
    }
    let selects_namespaces = |pod: &Pod| {
        let template = &pod.template;
        let wishes = template
            .preferred_affinity
            .iter()
            .chain(&template.preferred_anti_affinity)
            .map(|(_, term)| term);
        template
            .affinity
            .iter()
            .chain(&template.anti_affinity)
            .chain(wishes)
            .any(|term| term.namespace_selector.is_some())
    };
    if input.namespaces.is_empty()
        && let Some(pod) = input.pods.iter().find(|pod| selects_namespaces(pod))
    {
        found.insert(format!(
            "namespace selectors, for the namespaces' labels are not known (pod `{pod}`)"
        ));
    }
    found.into_iter().collect()
}
