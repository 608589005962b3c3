//! The question as it is asked when nothing else is said.
//!
//! Three zones, `m6i.large` from 2 to 100 in each of them; for Karpenter what operators run, amd64
//! only, for the groups are: families c, m and r from generation 5 on, at most 16 vCPUs. Pools of the
//! user are taken as they are. Both sides have the daemonsets of every cluster on each node.

use super::cluster_autoscaler::ClusterAutoscalerSettings;
use super::karpenter::KarpenterSettings;
use super::launch_time::LaunchTime;
use super::machine::Overhead;
use super::node_group::{NodeGroup, NodeGroupError, NodeGroupSpec};
use super::trace::Trace;
use super::{AFTER_THE_END, DRAIN_TIME, Question};
use crate::catalogue::{Architecture, InstanceType, catalogue, instance_type};
use crate::compare::shape::NodeShape;
use crate::compare::system::{DAEMONS, System};
use crate::compare::workload::ARCH;
use crate::karpenter::{InstanceOption, offered_type};
use crate::manifest::{NodePool, Workload};
use crate::pod::Pod;
use crate::prices::PriceBook;
use crate::region::{Region, zones};

/// Zones that are used when none is named.
const ZONES: usize = 3;

/// What may be said.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// Where.
    pub region: Region,
    /// Prices.
    pub book: &'a PriceBook,
    /// Node groups; without any, [`NodeGroupSpec::standard`].
    pub node_groups: &'a [NodeGroupSpec],
    /// Karpenter's pools; without any, its default one.
    pub node_pools: &'a [NodePool],
    /// Types with what they offer instead of the catalogue's; the groups' types are looked up here
    /// too.
    pub instance_types: Option<&'a [InstanceOption]>,
    /// One pod of each daemonset instead of those of every cluster.
    pub daemonsets: Option<&'a [Pod]>,
    /// Of all chance.
    pub seed: u64,
}

impl Question {
    /// The standard question about a trace; single settings may be changed in it.
    pub fn standard(trace: Trace, setting: &Setting<'_>) -> Result<Self, NodeGroupError> {
        let daemonsets =
            setting.daemonsets.map_or_else(daemonsets_of_every_cluster, <[Pod]>::to_vec);
        let overhead = Overhead::of(&daemonsets);
        let open = open_zones(setting);
        let standard = [NodeGroupSpec::standard()];
        let specs: &[NodeGroupSpec] =
            if setting.node_groups.is_empty() { &standard } else { setting.node_groups };
        let mut node_groups = Vec::new();
        for spec in specs {
            let offered = offered(setting, &spec.instance_type);
            node_groups.extend(NodeGroup::of(spec, offered.as_ref(), &open, overhead)?);
        }
        Ok(Self {
            trace,
            node_groups,
            cluster_autoscaler: ClusterAutoscalerSettings::default(),
            karpenter: KarpenterSettings {
                node_pools: setting.node_pools.to_vec(),
                instance_types: launchable(setting, &open),
                ..KarpenterSettings::default()
            },
            daemonsets,
            launch_time: LaunchTime::default(),
            seed: setting.seed,
            drain_time: DRAIN_TIME,
            after_the_end: AFTER_THE_END,
        })
    }
}

fn daemonsets_of_every_cluster() -> Vec<Pod> {
    System::default().workloads(&DAEMONS).iter().flat_map(Workload::pods).collect()
}

/// The first three zones; of a table of types, those in it.
fn open_zones(setting: &Setting<'_>) -> Vec<String> {
    let mut open: Vec<String> = match setting.instance_types {
        Some(types) => {
            let mut all: Vec<String> = types
                .iter()
                .flat_map(|one| one.offerings.iter().map(|offering| offering.zone.clone()))
                .collect();
            all.sort();
            all.dedup();
            all
        }
        None => zones(setting.region).iter().map(|zone| (*zone).to_owned()).collect(),
    };
    open.truncate(ZONES);
    open
}

/// A group's type, in every zone of the region.
fn offered(setting: &Setting<'_>, name: &str) -> Option<InstanceOption> {
    if let Some(types) = setting.instance_types {
        return types.iter().find(|one| one.name == name).cloned();
    }
    let everywhere: Vec<String> =
        zones(setting.region).iter().map(|zone| (*zone).to_owned()).collect();
    let settings = NodeShape::REALISTIC.settings();
    offered_type(instance_type(name)?, setting.region, &everywhere, &settings, setting.book)
}

/// What Karpenter may launch.
fn launchable(setting: &Setting<'_>, open: &[String]) -> Vec<InstanceOption> {
    if let Some(types) = setting.instance_types {
        return types.to_vec();
    }
    let shape = NodeShape::REALISTIC;
    let settings = shape.settings();
    let of = |one: &'static InstanceType| {
        offered_type(one, setting.region, open, &settings, setting.book)
    };
    if setting.node_pools.is_empty() {
        return shape.types(setting.region, &[Architecture::Amd64]).filter_map(of).collect();
    }
    // What pools allow is theirs to say, also how large a node is; only where none says for which
    // processors it is, images are for amd64.
    let names_architecture = |pool: &NodePool| pool.requirements.iter().any(|one| one.key == ARCH);
    let is_open = setting.node_pools.iter().any(names_architecture);
    let is_allowed = |one: &&InstanceType| is_open || one.architecture == Architecture::Amd64;
    catalogue().iter().filter(is_allowed).filter_map(of).collect()
}
