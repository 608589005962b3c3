//! Which machine Karpenter starts for some pods that shall share one: the cheapest offering whose
//! labels pass and whose allocatable holds them.
//!
//! This is the question of the sandbox's Karpenter, which launches node by node; what a whole batch
//! of pods becomes is the packer's business. A type without a price cannot be compared and is left
//! out and counted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::allocatable::{Allocatable, NodeSettings, allocatable};
use crate::catalogue::{InstanceType, catalogue};
use crate::money::Price;
use crate::node_requirement::NodeRequirement;
use crate::pod_resources::Resources;
use crate::prices::PriceBook;
use crate::quantity::{Bytes, Millicores};
use crate::region::Region;

/// How capacity is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityType {
    /// May be taken back.
    Spot,
    /// By the second.
    OnDemand,
}

impl CapacityType {
    /// Its value in `karpenter.sh/capacity-type`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::OnDemand => "on-demand",
        }
    }
}

/// A type in a zone at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offering {
    /// The type.
    pub instance_type: &'static str,
    /// The zone.
    pub zone: &'static str,
    /// How it is bought.
    pub capacity_type: CapacityType,
    /// What it costs per hour; of spot, the middle of what was seen.
    pub price: Price,
    /// What its node offers to pods.
    pub allocatable: Allocatable,
}

/// The question.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    /// The region.
    pub region: Region,
    /// The zones the cluster has subnets in; others are not considered.
    pub zones: &'a [String],
    /// Requirements of the `NodePool` and of the pods together: every one of them must pass. Keys that
    /// are no label of an instance type are the caller's business and pass here.
    pub requirements: &'a [NodeRequirement],
    /// The sum of the pods' requests, daemonsets included.
    pub requests: &'a Resources,
    /// How many pods that is.
    pub pods: u32,
    /// The `EC2NodeClass`.
    pub settings: &'a NodeSettings,
    /// Prices.
    pub prices: &'a PriceBook,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Launched {
    /// The cheapest fitting offering; of equal prices the lowest type name, then the lowest zone.
    pub offering: Option<Offering>,
    /// How many offerings would have done.
    pub fitting: usize,
    /// Types that would have done and have no price.
    pub unpriced: Vec<&'static str>,
    /// Why there is none, when there is none.
    pub reason: Option<String>,
}

/// Answers it.
pub fn cheapest(launch: &Launch<'_>) -> Launched {
    let mut answer = Launched { offering: None, fitting: 0, unpriced: Vec::new(), reason: None };
    let (mut passed, mut held) = (0_usize, 0_usize);
    for instance_type in catalogue() {
        let Some(labels) = labels(instance_type, launch.region) else { continue };
        let zones: Vec<&'static str> = instance_type
            .zones(launch.region)
            .filter(|zone| launch.zones.iter().any(|open| open == zone))
            .collect();
        if zones.is_empty() || !passes(launch.requirements, &labels) {
            continue;
        }
        passed += 1;
        let offered = allocatable(instance_type, launch.settings);
        if !holds(instance_type, &offered, launch.requests, launch.pods) {
            continue;
        }
        held += 1;
        offer(launch, instance_type, offered, &zones, &mut answer);
    }
    if answer.offering.is_none() {
        answer.reason = Some(match (passed, held, answer.unpriced.len()) {
            (0, _, _) => "no instance type met all requirements".to_owned(),
            (_, 0, _) => {
                "no instance type which met the requirements has enough resources".to_owned()
            }
            (_, _, 0) => {
                "no instance type which had enough resources has the required offering".to_owned()
            }
            (_, _, unpriced) => format!("{unpriced} instance types would do, but have no price"),
        });
    }
    answer
}

fn offer(
    launch: &Launch<'_>,
    instance_type: &'static InstanceType,
    offered: Allocatable,
    zones: &[&'static str],
    answer: &mut Launched,
) {
    let region = launch.region.name();
    let mut unpriced = false;
    for capacity_type in [CapacityType::Spot, CapacityType::OnDemand] {
        let of_key = |key: &str, value: &str| {
            launch
                .requirements
                .iter()
                .filter(|one| one.key == key)
                .all(|one| one.allows(Some(value)))
        };
        if !of_key(CAPACITY_TYPE, capacity_type.label())
            || (capacity_type == CapacityType::Spot && !instance_type.spot)
        {
            continue;
        }
        let zones: Vec<&'static str> =
            zones.iter().copied().filter(|zone| of_key(ZONE, zone)).collect();
        if zones.is_empty() {
            continue;
        }
        let price = match capacity_type {
            CapacityType::Spot => {
                launch.prices.spot(region, &instance_type.name).map(|quote| quote.median)
            }
            CapacityType::OnDemand => {
                launch.prices.on_demand(region, &instance_type.name).map(|quote| quote.price)
            }
        };
        let Ok(price) = price else {
            unpriced = true;
            continue;
        };
        answer.fitting += zones.len();
        let zone = zones.iter().min().copied().unwrap_or_default();
        if answer.offering.as_ref().is_none_or(|best| price < best.price) {
            answer.offering = Some(Offering {
                instance_type: &instance_type.name,
                zone,
                capacity_type,
                price,
                allocatable: offered,
            });
        }
    }
    if unpriced {
        answer.unpriced.push(&instance_type.name);
    }
}

/// The label of the zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The label of how capacity is bought.
pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";

/// The labels a node of the type has in a region, besides zone and capacity type; none for a Mac,
/// which is no node. A label that Karpenter knows but this type lacks has no value.
pub fn labels(
    instance_type: &InstanceType,
    region: Region,
) -> Option<BTreeMap<&'static str, Option<String>>> {
    let arch = instance_type.architecture.kubernetes()?;
    let number = |value: u64| Some(value.to_string());
    let present = |value: u64| (value > 0).then(|| value.to_string());
    let name = |value: &str| (!value.is_empty()).then(|| value.to_lowercase().replace(' ', "-"));
    let has_gpu = instance_type.gpus > 0;
    let memory = u64::try_from(instance_type.memory.in_mebibytes_down()).unwrap_or(0);
    Some(BTreeMap::from([
        ("node.kubernetes.io/instance-type", Some(instance_type.name.clone())),
        ("kubernetes.io/arch", Some(arch.to_owned())),
        ("kubernetes.io/os", Some("linux".to_owned())),
        ("topology.kubernetes.io/region", Some(region.name().to_owned())),
        ("node.kubernetes.io/windows-build", None),
        ("karpenter.k8s.aws/instance-category", name(instance_type.category())),
        ("karpenter.k8s.aws/instance-family", Some(instance_type.family().to_owned())),
        ("karpenter.k8s.aws/instance-generation", name(instance_type.generation())),
        ("karpenter.k8s.aws/instance-size", Some(instance_type.size().to_owned())),
        ("karpenter.k8s.aws/instance-cpu", number(u64::from(instance_type.vcpus))),
        ("karpenter.k8s.aws/instance-cpu-manufacturer", name(&instance_type.cpu_manufacturer)),
        ("karpenter.k8s.aws/instance-memory", number(memory)),
        ("karpenter.k8s.aws/instance-hypervisor", Some(instance_type.hypervisor.clone())),
        (
            "karpenter.k8s.aws/instance-capability-flex",
            Some(instance_type.family().contains("-flex").to_string()),
        ),
        (
            "karpenter.k8s.aws/instance-ebs-bandwidth",
            instance_type.ebs_mbps.map(|value| value.to_string()),
        ),
        (
            "karpenter.k8s.aws/instance-network-bandwidth",
            instance_type.network_mbps.map(|value| value.to_string()),
        ),
        ("karpenter.k8s.aws/instance-local-nvme", present(instance_type.local_nvme_gb)),
        ("karpenter.k8s.aws/instance-gpu-count", present(u64::from(instance_type.gpus))),
        (
            "karpenter.k8s.aws/instance-gpu-name",
            has_gpu.then_some(()).and_then(|()| name(&instance_type.gpu_name)),
        ),
        (
            "karpenter.k8s.aws/instance-gpu-manufacturer",
            has_gpu.then_some(()).and_then(|()| name(&instance_type.gpu_manufacturer)),
        ),
        (
            "karpenter.k8s.aws/instance-gpu-memory",
            has_gpu.then_some(()).and_then(|()| present(instance_type.gpu_memory_mib)),
        ),
        (
            "karpenter.k8s.aws/instance-accelerator-count",
            present(u64::from(instance_type.neuron_devices)),
        ),
        (
            "karpenter.k8s.aws/instance-accelerator-manufacturer",
            (instance_type.neuron_devices > 0).then(|| "aws".to_owned()),
        ),
    ]))
}

/// Whether a type with these labels passes; a label that it does not know passes.
pub(crate) fn passes(
    requirements: &[NodeRequirement],
    labels: &BTreeMap<&'static str, Option<String>>,
) -> bool {
    requirements
        .iter()
        .all(|one| labels.get(one.key.as_str()).is_none_or(|value| one.allows(value.as_deref())))
}

/// What a node of the type has besides CPU, memory, disk and pods.
pub(crate) fn extended_resources(instance_type: &InstanceType) -> BTreeMap<String, i64> {
    let gpus =
        |maker: &str| if instance_type.gpu_manufacturer == maker { instance_type.gpus } else { 0 };
    [
        ("nvidia.com/gpu", gpus("NVIDIA")),
        ("amd.com/gpu", gpus("AMD")),
        ("aws.amazon.com/neuron", instance_type.neuron_devices),
        ("vpc.amazonaws.com/pod-eni", instance_type.branch_enis.unwrap_or(0)),
    ]
    .into_iter()
    .filter(|(_, amount)| *amount > 0)
    .map(|(name, amount)| (name.to_owned(), i64::from(amount)))
    .collect()
}

fn holds(
    instance_type: &InstanceType,
    offered: &Allocatable,
    requests: &Resources,
    pods: u32,
) -> bool {
    let has = extended_resources(instance_type);
    requests.cpu.unwrap_or(Millicores::ZERO) <= offered.cpu
        && requests.memory.unwrap_or(Bytes::ZERO) <= offered.memory
        && requests.ephemeral_storage.unwrap_or(Bytes::ZERO) <= offered.storage
        && pods <= offered.pods
        && requests
            .extended
            .iter()
            .all(|(name, amount)| *amount <= has.get(name).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_requirement::Operator;

    fn ask(requirements: &[NodeRequirement], cpu: i64, memory: i64, pods: u32) -> Launched {
        let zones = ["ap-northeast-2a", "ap-northeast-2b", "ap-northeast-2c"].map(str::to_owned);
        cheapest(&Launch {
            region: Region::ApNortheast2,
            zones: &zones,
            requirements,
            requests: &Resources::of(Millicores(cpu), Bytes::mebibytes(memory)),
            pods,
            settings: &NodeSettings::default(),
            prices: PriceBook::embedded(),
        })
    }

    #[test]
    fn the_cheapest_fitting_machine_is_named() {
        let requirements = [
            NodeRequirement::new("kubernetes.io/arch", Operator::In, &["arm64"]),
            NodeRequirement::new(CAPACITY_TYPE, Operator::In, &["on-demand"]),
            NodeRequirement::new(
                "karpenter.k8s.aws/instance-category",
                Operator::In,
                &["c", "m", "r"],
            ),
            NodeRequirement::new("karpenter.k8s.aws/instance-generation", Operator::Gt, &["4"]),
            NodeRequirement::new(ZONE, Operator::In, &["ap-northeast-2b"]),
            NodeRequirement::new("team", Operator::In, &["data"]),
        ];
        let answer = ask(&requirements, 1500, 3000, 10);
        let offering = answer.offering.expect("an offering");
        assert_eq!(
            (offering.instance_type, offering.zone, offering.capacity_type),
            ("c6g.large", "ap-northeast-2b", CapacityType::OnDemand)
        );
        assert!(answer.fitting > 20);
        let crowded = ask(&requirements, 1500, 3000, 100).offering.expect("an offering");
        assert!(crowded.allocatable.pods >= 100 && crowded.price > offering.price);
    }

    #[test]
    fn spot_is_taken_where_it_is_allowed() {
        let requirements =
            [NodeRequirement::new("karpenter.k8s.aws/instance-family", Operator::In, &["m6i"])];
        let offering = ask(&requirements, 1000, 1000, 5).offering.expect("an offering");
        assert_eq!(
            (offering.instance_type, offering.capacity_type),
            ("m6i.large", CapacityType::Spot)
        );
    }

    #[test]
    fn why_there_is_none_is_said() {
        let reason = |requirements: &[NodeRequirement], cpu| ask(requirements, cpu, 100, 1).reason;
        let family = |name| {
            [NodeRequirement::new("karpenter.k8s.aws/instance-family", Operator::In, &[name])]
        };
        assert_eq!(
            reason(&family("x99"), 100).as_deref(),
            Some("no instance type met all requirements")
        );
        assert_eq!(
            reason(&family("m6i"), 500_000).as_deref(),
            Some("no instance type which met the requirements has enough resources")
        );
    }
}
