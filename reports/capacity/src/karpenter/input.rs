//! What a packing is asked: pods, pools, daemonsets, instance types, nodes that are there.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::allocatable::{NodeSettings, allocatable};
use crate::catalogue::{InstanceType, catalogue};
use crate::launch::{self, CapacityType};
use crate::manifest::{Disruption, NodePool};
use crate::money::Price;
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::{Pod, Taint};
use crate::pod_resources::Resources;
use crate::prices::PriceBook;
use crate::quantity::{Bytes, Millicores};
use crate::region::Region;

/// A type in a zone, bought one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferingOption {
    /// The zone.
    pub zone: String,
    /// How it is bought.
    pub capacity_type: CapacityType,
    /// Its price per hour; without one it cannot be chosen and is counted.
    pub price: Option<Price>,
    /// The day of the price.
    pub as_of: Option<Date>,
}

/// A type that may be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceOption {
    /// Its name.
    pub name: String,
    /// Its labels and their values; no value says that the type does not have it. Zone and capacity
    /// type come from the offerings.
    pub labels: Vec<(String, Vec<String>)>,
    /// What the machine has; limits of a pool count this.
    pub capacity: Resources,
    /// What its node offers to pods.
    pub allocatable: Resources,
    /// How many pods.
    pub pods: u32,
    /// Where and how it is to be had.
    pub offerings: Vec<OfferingOption>,
}

/// A node that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingNode {
    /// Its name; also its hostname, unless a label says otherwise.
    pub name: String,
    /// The pool that made it, if one did.
    pub node_pool: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// What it has; limits of its pool count this.
    pub capacity: Resources,
    /// What it offers.
    pub allocatable: Resources,
    /// How many pods.
    pub max_pods: u32,
    /// Whether it is ready for pods.
    pub is_initialized: bool,
    /// The pods on it, daemonsets' among them.
    pub pods: Vec<NodePod>,
}

/// A pod on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePod {
    /// The pod.
    pub pod: Pod,
    /// Whether a daemonset made it.
    pub is_daemon: bool,
}

/// What preferences are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preferences {
    /// They are treated as requirements first, then given up one by one.
    #[default]
    Respect,
    /// They are not looked at.
    Ignore,
}

/// What `minValues` is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MinValues {
    /// A claim that cannot keep so many values is not made.
    #[default]
    Strict,
    /// It is made all the same.
    BestEffort,
}

/// A packing's question.
#[derive(Debug, Clone, Default)]
pub struct PackInput {
    /// The pods to place, in the order of their files.
    pub pods: Vec<Pod>,
    /// The pools; without any, [`default_pool`].
    pub node_pools: Vec<NodePool>,
    /// One pod for each daemonset.
    pub daemonsets: Vec<Pod>,
    /// The types that may be launched.
    pub instance_types: Vec<InstanceOption>,
    /// The nodes that are there.
    pub existing: Vec<ExistingNode>,
    /// Labels of the namespaces, for selectors of namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// What preferences are worth.
    pub preferences: Preferences,
    /// What `minValues` is worth.
    pub min_values: MinValues,
}

/// The pool that is used when none is given: no requirements but on-demand, no taints, no limits.
pub fn default_pool() -> NodePool {
    NodePool {
        name: "default".to_owned(),
        weight: 0,
        requirements: vec![NodeRequirement::new(
            launch::CAPACITY_TYPE,
            Operator::In,
            &[CapacityType::OnDemand.label()],
        )],
        labels: BTreeMap::new(),
        taints: Vec::new(),
        limits: BTreeMap::new(),
        disruption: Disruption::default(),
        node_class: (
            "karpenter.k8s.aws".to_owned(),
            "EC2NodeClass".to_owned(),
            "default".to_owned(),
        ),
        replicas: None,
    }
}

/// The types of the catalogue that are offered in these zones of a region. A Mac is no node.
pub fn offered_types(
    region: Region,
    zones: &[String],
    settings: &NodeSettings,
    prices: &PriceBook,
) -> Vec<InstanceOption> {
    catalogue()
        .iter()
        .filter_map(|one| offered_type(one, region, zones, settings, prices))
        .collect()
}

/// One of them; none when it is not offered there.
pub fn offered_type(
    one: &InstanceType,
    region: Region,
    zones: &[String],
    settings: &NodeSettings,
    prices: &PriceBook,
) -> Option<InstanceOption> {
    let labels = launch::labels(one, region)?;
    let offered = allocatable(one, settings);
    let on_demand = prices.on_demand(region.name(), &one.name).ok();
    let spot = if one.spot { prices.spot(region.name(), &one.name).ok() } else { None };
    let mut offerings = Vec::new();
    for zone in one.zones(region).filter(|zone| zones.iter().any(|open| open == zone)) {
        offerings.push(OfferingOption {
            zone: zone.to_owned(),
            capacity_type: CapacityType::OnDemand,
            price: on_demand.map(|quote| quote.price),
            as_of: on_demand.map(|quote| quote.provenance.as_of),
        });
        if one.spot {
            offerings.push(OfferingOption {
                zone: zone.to_owned(),
                capacity_type: CapacityType::Spot,
                price: spot.as_ref().map(|quote| quote.median),
                as_of: spot.as_ref().map(|quote| quote.provenance.as_of),
            });
        }
    }
    let extended = launch::extended_resources(one);
    let resources = |cpu: Millicores, memory: Bytes, storage: Bytes| Resources {
        ephemeral_storage: Some(storage),
        extended: extended.clone(),
        ..Resources::of(cpu, memory)
    };
    (!offerings.is_empty()).then(|| InstanceOption {
        name: one.name.clone(),
        labels: labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into_iter().collect()))
            .collect(),
        capacity: resources(
            offered.capacity_cpu,
            offered.capacity_memory,
            offered.capacity_storage,
        ),
        allocatable: resources(offered.cpu, offered.memory, offered.storage),
        pods: offered.pods,
        offerings,
    })
}
