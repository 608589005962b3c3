//! What nodes offer to pods, with the arithmetic, in the forms that others read.

use serde::Serialize;

use super::written;
use crate::allocatable::{Allocatable, NodeSettings, allocatable};
use crate::catalogue::{InstanceType, catalogue, instance_type};

/// What a node of a type offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// The type.
    pub instance_type: String,
    /// CPU for pods, in millicores.
    pub allocatable_cpu_m: Option<i64>,
    /// Memory for pods, in whole MiB.
    pub allocatable_memory_mib: Option<i64>,
    /// How many pods.
    pub pods: Option<u32>,
    /// Every term, in millicores and bytes.
    pub arithmetic: Option<Allocatable>,
    /// Why there are no figures, when there are none.
    pub reason: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AllocatableAnswer {
    /// What was assumed about the node besides its type.
    pub settings: NodeSettings,
    /// Each type.
    pub instance_types: Vec<Offer>,
}

/// A type that is not in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no instance type `{name}` in the catalogue{}", near(family))]
pub struct UnknownType {
    name: String,
    /// Types of the same family.
    family: Vec<&'static str>,
}

fn near(family: &[&str]) -> String {
    if family.is_empty() {
        String::new()
    } else {
        format!("; of its family there are: {}", family.join(", "))
    }
}

/// The type of that name, or which ones there are.
pub fn known_type(name: &str) -> Result<&'static InstanceType, UnknownType> {
    let family = name.split_once('.').map_or(name, |(family, _)| family);
    instance_type(name).ok_or_else(|| UnknownType {
        name: written::harmless(name),
        family: catalogue()
            .iter()
            .filter(|one| one.family() == family)
            .map(|one| one.name.as_str())
            .collect(),
    })
}

const HEADER: [&str; 14] = [
    "instance_type",
    "allocatable_cpu_m",
    "allocatable_memory_mib",
    "pods",
    "capacity_cpu_m",
    "kube_reserved_cpu_m",
    "system_reserved_cpu_m",
    "sold_memory_mib",
    "memory_overhead_mib",
    "kube_reserved_memory_mib",
    "system_reserved_memory_mib",
    "eviction_memory_mib",
    "allocatable_storage_mib",
    "reason",
];

impl AllocatableAnswer {
    /// For these types; without any, for the whole catalogue.
    pub fn new(names: &[String], settings: NodeSettings) -> Result<Self, Vec<UnknownType>> {
        let mut types: Vec<&InstanceType> = Vec::new();
        let mut unknown = Vec::new();
        for name in names {
            match known_type(name) {
                Ok(one) => types.push(one),
                Err(error) => unknown.push(error),
            }
        }
        if !unknown.is_empty() {
            return Err(unknown);
        }
        if names.is_empty() {
            types.extend(catalogue());
        }
        let instance_types = types.into_iter().map(|one| offer(one, &settings)).collect();
        Ok(Self { settings, instance_types })
    }

    /// A row for each type.
    pub fn csv(&self) -> String {
        written::csv(&HEADER, self.instance_types.iter().map(row))
    }
}

fn offer(one: &InstanceType, settings: &NodeSettings) -> Offer {
    let mut offer = Offer {
        instance_type: one.name.clone(),
        allocatable_cpu_m: None,
        allocatable_memory_mib: None,
        pods: None,
        arithmetic: None,
        reason: None,
    };
    if one.architecture.kubernetes().is_none() {
        offer.reason = Some("a Mac runs no Kubernetes node".to_owned());
        return offer;
    }
    let terms = allocatable(one, settings);
    if terms.cpu.0 <= 0 || terms.memory.0 <= 0 {
        offer.reason = Some("what is reserved is more than it has: it offers nothing".to_owned());
        return offer;
    }
    offer.allocatable_cpu_m = Some(terms.cpu.0);
    offer.allocatable_memory_mib = Some(terms.memory.in_mebibytes_down());
    offer.pods = Some(terms.pods);
    offer.arithmetic = Some(terms);
    offer
}

fn row(offer: &Offer) -> Vec<String> {
    let mut row = vec![offer.instance_type.clone()];
    let figure = |one: Option<i64>| one.map(|one| one.to_string()).unwrap_or_default();
    row.push(figure(offer.allocatable_cpu_m));
    row.push(figure(offer.allocatable_memory_mib));
    row.push(figure(offer.pods.map(i64::from)));
    let terms = offer.arithmetic.map(|terms| {
        [
            terms.capacity_cpu.0,
            terms.kube_reserved_cpu.0,
            terms.system_reserved_cpu.0,
            terms.sold_memory.in_mebibytes_down(),
            terms.memory_overhead.in_mebibytes_up(),
            terms.kube_reserved_memory.in_mebibytes_up(),
            terms.system_reserved_memory.in_mebibytes_up(),
            terms.eviction_memory.in_mebibytes_up(),
            terms.storage.in_mebibytes_down(),
        ]
    });
    for index in 0..9 {
        row.push(figure(terms.map(|terms| terms[index])));
    }
    row.push(offer.reason.clone().unwrap_or_default());
    row
}
