//! A managed node group with Cluster Autoscaler: nodes of one type, of the size that comes out
//! cheapest.

use std::collections::BTreeMap;

use crate::allocatable::allocatable;
use crate::catalogue::{Architecture, InstanceType, catalogue};
use crate::money::Amount;
use crate::pod::Pod;
use crate::prices::Service;

use super::fleet::Fleet;
use super::side::{NotHeld, Side, SideId};
use super::sides::{Setting, fleet};
use super::system::{self, node_overhead};
use super::workload::{Images, Workloads};

/// What is to be known where nodes are not made by Karpenter of the cluster's own.
pub(super) const NO_POOLS: &str =
    "the given NodePools are for Karpenter's own nodes and are not used here";

/// The types of a family, or the one of that name.
fn group(name: &str) -> impl Iterator<Item = &'static InstanceType> {
    catalogue().iter().filter(move |one| one.family() == name || one.name == name)
}

/// The types that the group may have, smallest first.
pub fn types(setting: &Setting<'_>) -> Vec<&'static InstanceType> {
    let mut types: Vec<&InstanceType> = group(setting.node_group)
        .filter(|one| !one.name.contains(".metal") && setting.shape.allows(one, setting.region))
        .collect();
    types.sort_by_key(|one| (one.vcpus, &one.name));
    types
}

/// The side.
pub fn side(workloads: &Workloads, setting: &Setting<'_>) -> Side {
    sides(workloads, std::slice::from_ref(setting)).pop().unwrap_or_else(|| none(setting))
}

/// The side for each setting; these differ in the shape of their nodes only. A type is billed once for
/// all of them, and not at all where others that are allowed wherever it is are better than it can be.
pub fn sides(workloads: &Workloads, settings: &[Setting<'_>]) -> Vec<Side> {
    let allowed: Vec<Vec<&'static InstanceType>> = settings.iter().map(types).collect();
    let mut billed: BTreeMap<&str, Side> = BTreeMap::new();
    if let Some(group) = settings.first().map(|setting| Group::new(workloads, setting)) {
        let mut all: Vec<&'static InstanceType> = allowed.iter().flatten().copied().collect();
        all.sort_by_key(|one| (std::cmp::Reverse(one.vcpus), &one.name));
        all.dedup_by_key(|one| &one.name);
        for one in all {
            let bound = group.bound(one);
            let is_beaten = |types: &Vec<&'static InstanceType>| {
                types.iter().any(|other| {
                    billed.get(other.name.as_str()).is_some_and(|side| rank(side) < bound)
                })
            };
            let mut where_allowed =
                allowed.iter().filter(|types| types.iter().any(|other| other.name == one.name));
            if !where_allowed.all(is_beaten) {
                billed.insert(&one.name, group.bill(one));
            }
        }
    }
    let of = |(types, setting): (&Vec<&'static InstanceType>, &Setting<'_>)| {
        let known = types.iter().filter_map(|one| billed.get(one.name.as_str()));
        known.min_by_key(|side| rank(side)).cloned().unwrap_or_else(|| none(setting))
    };
    allowed.iter().zip(settings).map(of).collect()
}

/// Less is better: pods without a place, lines without a price, the sum.
type Rank = (usize, usize, Amount);

fn rank(side: &Side) -> Rank {
    let total = side.total();
    (side.not_held.len(), total.holes.len(), total.amount)
}

fn none(setting: &Setting<'_>) -> Side {
    let mut side = Side::new(SideId::NodeGroup);
    side.not_held.push(NotHeld {
        pod: "cluster-autoscaler".to_owned(),
        reason: format!("no {} is {} here", setting.node_group, setting.shape.title()),
    });
    side
}

/// What all types of a group have in common.
struct Group<'a> {
    asked_for: &'a str,
    has_pools: bool,
    fleet: Fleet<'a>,
    amd64: Vec<(i64, Vec<Pod>)>,
    any: Vec<(i64, Vec<Pod>)>,
}

impl<'a> Group<'a> {
    fn new(workloads: &Workloads, setting: &Setting<'a>) -> Self {
        let system = workloads.system.workloads(&system::NODE_GROUP);
        let mut fleet = fleet(workloads, setting, &[Architecture::Amd64]);
        fleet.pools = Vec::new();
        fleet.settles = false;
        // Not of the types that one shape allows: another shape may allow the others.
        let is_arm = group(setting.node_group).any(|one| one.architecture == Architecture::Arm64);
        let parts = |images| workloads.parts(&system, images);
        Self {
            asked_for: setting.node_group,
            has_pools: !setting.pools.is_empty(),
            fleet,
            amd64: if is_arm { Vec::new() } else { parts(Images::Amd64) },
            any: if is_arm { parts(Images::Both) } else { Vec::new() },
        }
    }

    fn parts(&self, one: &InstanceType) -> &[(i64, Vec<Pod>)] {
        if one.architecture == Architecture::Arm64 { &self.any } else { &self.amd64 }
    }

    fn bill(&self, one: &'static InstanceType) -> Side {
        let mut side = Side::new(SideId::NodeGroup);
        let fleet =
            Fleet { types: vec![one], offered: std::cell::OnceCell::new(), ..self.fleet.clone() };
        fleet.bill_cold(self.parts(one), &mut side);
        side.notes.push(if one.name == self.asked_for {
            format!("nodes of {}, as asked for", one.name)
        } else {
            format!(
                "nodes of {}: of the sizes of {} that is the cheapest in a steady state",
                one.name, self.asked_for
            )
        });
        if self.has_pools {
            side.notes.push(NO_POOLS.to_owned());
        }
        side
    }

    /// What a group of the type cannot be better than: pods that are too large for it have no place,
    /// and of the others no node holds more than it offers.
    fn bound(&self, one: &InstanceType) -> Rank {
        let region = self.fleet.region.name();
        let price = self.fleet.book.on_demand(region, &one.name);
        let volume = self.fleet.book.service(region, Service::EbsGp3);
        let (Ok(price), Ok(volume)) = (price, volume) else { return (0, 0, Amount::ZERO) };
        let offered = allocatable(one, &self.fleet.settings);
        let overhead = node_overhead(&self.fleet.daemons);
        let room = (
            i128::from((offered.cpu.0 - overhead.cpu.0).max(1)),
            i128::from((offered.memory.0 - overhead.memory.0).max(1)),
            i128::from(offered.pods.saturating_sub(overhead.pods).max(1)),
        );
        let (mut too_large, mut least) = (0, Amount::ZERO);
        for (seconds, pods) in self.parts(one) {
            let (mut cpu, mut memory, mut count) = (0_i128, 0_i128, 0_i128);
            for pod in pods {
                let requests = pod.template.resources.kubernetes_requests();
                let (of_cpu, of_memory) = (
                    i128::from(requests.cpu.unwrap_or_default().0),
                    i128::from(requests.memory.unwrap_or_default().0),
                );
                if of_cpu > room.0 || of_memory > room.1 {
                    too_large += 1;
                } else {
                    cpu += of_cpu;
                    memory += of_memory;
                    count += 1;
                }
            }
            let up = |asked: i128, room: i128| (asked + room - 1) / room;
            let nodes = up(cpu, room.0).max(up(memory, room.1)).max(up(count, room.2));
            let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
            least += price.price.amount(nodes, *seconds);
            least += volume.price.times(self.fleet.volume_gib).amount(nodes, *seconds);
        }
        // A pod is named once, however many parts of the month it runs in.
        let parts = self.parts(one).len().max(1);
        (too_large / parts, 0, least)
    }
}
