//! What a node of a type offers to pods, by Karpenter's formula.
//!
//! Karpenter 1.14 packs on a prediction: memory as sold, less 64 MiB on arm64, less an overhead for
//! the hypervisor (7.5 %, replaced by the real figure once a node of that type was seen), less what
//! the kubelet reserves for itself and for eviction. [`Allocatable`] keeps every term, so that the
//! arithmetic can be shown. What Karpenter does not know (prefix delegation) enters as `max_pods`,
//! just as its users must do.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalogue::{Architecture, InstanceType};
use crate::quantity::{Bytes, Millicores};

/// The image family of an `EC2NodeClass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFamily {
    /// Amazon Linux 2023.
    #[default]
    Al2023,
    /// Bottlerocket: reserves memory by its pod limit, ignores `podsPerCore`.
    Bottlerocket,
}

/// How many pods a node may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PodDensity {
    /// As many as its interfaces have addresses.
    #[default]
    Interfaces,
    /// The same, but no more than that.
    InterfacesUpTo(u32),
    /// `kubelet.maxPods` of the `EC2NodeClass`.
    MaxPods(u32),
    /// What EKS recommends with prefix delegation: 110 below 30 vCPUs, else 250, on Nitro.
    PrefixDelegation,
}

/// When the kubelet evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvictionSignal {
    /// Below so much.
    Amount(Bytes),
    /// Below so many thousandths of the capacity; 1000 switches the signal off.
    Thousandths(i64),
}

impl EvictionSignal {
    fn of(self, capacity: Bytes) -> Bytes {
        match self {
            Self::Amount(bytes) => bytes,
            Self::Thousandths(1000) => Bytes::ZERO,
            Self::Thousandths(thousandths) => share_up(capacity, thousandths),
        }
    }
}

fn share_up(of: Bytes, thousandths: i64) -> Bytes {
    let product = i128::from(of.0) * i128::from(thousandths);
    Bytes(
        i64::try_from(product.div_euclid(1000) + i128::from(product.rem_euclid(1000) != 0))
            .unwrap_or(i64::MAX),
    )
}

/// What is set aside; absent means Karpenter's own figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Reserved {
    /// CPU.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Disk.
    pub ephemeral_storage: Option<Bytes>,
}

/// What decides about a node besides its type: an `EC2NodeClass` and Karpenter's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeSettings {
    /// Image family.
    pub image_family: ImageFamily,
    /// Pods per node.
    pub pod_density: PodDensity,
    /// `kubelet.podsPerCore`.
    pub pods_per_core: Option<u32>,
    /// `RESERVED_ENIS` of Karpenter: interfaces kept for something else.
    pub reserved_enis: u32,
    /// `kubelet.kubeReserved`.
    pub kube_reserved: Reserved,
    /// `kubelet.systemReserved`.
    pub system_reserved: Reserved,
    /// `kubelet.evictionHard["memory.available"]`.
    pub eviction_memory: EvictionSignal,
    /// `kubelet.evictionHard["nodefs.available"]`.
    pub eviction_storage: EvictionSignal,
    /// `VM_MEMORY_OVERHEAD_PERCENT`, in thousandths.
    pub memory_overhead_thousandths: i64,
    /// Root volume.
    pub root_volume: Bytes,
    /// Memory that nodes of a type were seen to have: the warm state of Karpenter's cache.
    pub discovered_memory: BTreeMap<String, Bytes>,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            image_family: ImageFamily::default(),
            pod_density: PodDensity::default(),
            pods_per_core: None,
            reserved_enis: 0,
            kube_reserved: Reserved::default(),
            system_reserved: Reserved::default(),
            eviction_memory: EvictionSignal::Amount(Bytes::mebibytes(100)),
            eviction_storage: EvictionSignal::Thousandths(100),
            memory_overhead_thousandths: 75,
            root_volume: Bytes::gibibytes(20),
            discovered_memory: BTreeMap::new(),
        }
    }
}

/// The terms and the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Allocatable {
    /// CPU of the machine.
    pub capacity_cpu: Millicores,
    /// Memory as sold.
    pub sold_memory: Bytes,
    /// Taken by the hypervisor, predicted or discovered.
    pub memory_overhead: Bytes,
    /// Memory of the node.
    pub capacity_memory: Bytes,
    /// Disk of the node.
    pub capacity_storage: Bytes,
    /// Reserved for the kubelet.
    pub kube_reserved_cpu: Millicores,
    /// Reserved for the kubelet.
    pub kube_reserved_memory: Bytes,
    /// Reserved for the kubelet.
    pub kube_reserved_storage: Bytes,
    /// Reserved for the system.
    pub system_reserved_cpu: Millicores,
    /// Reserved for the system.
    pub system_reserved_memory: Bytes,
    /// Reserved for the system.
    pub system_reserved_storage: Bytes,
    /// Kept free before eviction.
    pub eviction_memory: Bytes,
    /// Kept free before eviction.
    pub eviction_storage: Bytes,
    /// What pods may ask for.
    pub cpu: Millicores,
    /// What pods may ask for.
    pub memory: Bytes,
    /// What pods may ask for.
    pub storage: Bytes,
    /// How many pods.
    pub pods: u32,
}

/// What a node of that type offers.
pub fn allocatable(instance_type: &InstanceType, settings: &NodeSettings) -> Allocatable {
    let capacity_cpu = Millicores::cores(i64::from(instance_type.vcpus));
    let capacity_memory = node_memory(instance_type, settings);
    let capacity_storage = settings.root_volume;
    let pods = pods(instance_type, settings);
    // AL2023 reserves by what its interfaces allow, whatever maxPods and RESERVED_ENIS say.
    let reserved_for = match settings.image_family {
        ImageFamily::Al2023 => interface_pods(instance_type, 0),
        ImageFamily::Bottlerocket => pods,
    };
    let kube_reserved_cpu = settings.kube_reserved.cpu.unwrap_or_else(|| kubelet_cpu(capacity_cpu));
    let kube_reserved_memory = settings
        .kube_reserved
        .memory
        .unwrap_or_else(|| Bytes::mebibytes(11 * i64::from(reserved_for) + 255));
    let kube_reserved_storage =
        settings.kube_reserved.ephemeral_storage.unwrap_or(Bytes::gibibytes(1));
    let system_reserved_cpu = settings.system_reserved.cpu.unwrap_or_default();
    let system_reserved_memory = settings.system_reserved.memory.unwrap_or_default();
    let system_reserved_storage = settings.system_reserved.ephemeral_storage.unwrap_or_default();
    let eviction_memory = settings.eviction_memory.of(capacity_memory);
    let eviction_storage = settings.eviction_storage.of(capacity_storage);
    Allocatable {
        capacity_cpu,
        sold_memory: instance_type.memory,
        memory_overhead: instance_type.memory - capacity_memory,
        capacity_memory,
        capacity_storage,
        kube_reserved_cpu,
        kube_reserved_memory,
        kube_reserved_storage,
        system_reserved_cpu,
        system_reserved_memory,
        system_reserved_storage,
        eviction_memory,
        eviction_storage,
        cpu: capacity_cpu - kube_reserved_cpu - system_reserved_cpu,
        memory: capacity_memory - kube_reserved_memory - system_reserved_memory - eviction_memory,
        storage: capacity_storage
            - kube_reserved_storage
            - system_reserved_storage
            - eviction_storage,
        pods,
    }
}

fn node_memory(instance_type: &InstanceType, settings: &NodeSettings) -> Bytes {
    if let Some(seen) = settings.discovered_memory.get(&instance_type.name) {
        return *seen;
    }
    let firmware = match instance_type.architecture {
        Architecture::Arm64 => Bytes::mebibytes(64),
        _ => Bytes::ZERO,
    };
    let memory = instance_type.memory - firmware;
    let overhead = share_up(memory, settings.memory_overhead_thousandths);
    memory - Bytes::mebibytes(overhead.in_mebibytes_up())
}

fn interface_pods(instance_type: &InstanceType, reserved_enis: u32) -> u32 {
    match instance_type.enis.saturating_sub(reserved_enis) {
        0 => 0,
        usable => usable * instance_type.ipv4_per_eni.saturating_sub(1) + 2,
    }
}

fn pods(instance_type: &InstanceType, settings: &NodeSettings) -> u32 {
    let interfaces = interface_pods(instance_type, settings.reserved_enis);
    let pods = match settings.pod_density {
        PodDensity::Interfaces => interfaces,
        PodDensity::InterfacesUpTo(most) => interfaces.min(most),
        PodDensity::MaxPods(pods) => pods,
        PodDensity::PrefixDelegation => {
            prefix_delegation_pods(instance_type, settings.reserved_enis)
        }
    };
    match (settings.pods_per_core, settings.image_family) {
        (Some(per_core), ImageFamily::Al2023) if per_core > 0 => {
            pods.min(per_core * instance_type.vcpus)
        }
        _ => pods,
    }
}

/// The `maxPods` that EKS recommends with prefix delegation; without Nitro there is none.
pub fn prefix_delegation_pods(instance_type: &InstanceType, reserved_enis: u32) -> u32 {
    if instance_type.hypervisor == "xen" {
        return interface_pods(instance_type, reserved_enis);
    }
    let prefixes = instance_type.enis.saturating_sub(reserved_enis)
        * instance_type.ipv4_per_eni.saturating_sub(1);
    (prefixes * 16 + 2).min(if instance_type.vcpus < 30 { 110 } else { 250 })
}

/// 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest, each cut to
/// a millicore.
fn kubelet_cpu(cpu: Millicores) -> Millicores {
    let ranges = [(0, 1000, 600), (1000, 2000, 100), (2000, 4000, 50), (4000, i64::MAX, 25)];
    let reserved =
        ranges.iter().filter(|(start, _, _)| cpu.0 > *start).map(|(start, end, per_10_000)| {
            let within = cpu.0.min(*end) - start;
            within * per_10_000 / 10_000
        });
    Millicores(reserved.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{catalogue, instance_type};
    use crate::embedded;

    fn offers(name: &str, settings: &NodeSettings) -> (i64, i64, u32) {
        let one = allocatable(instance_type(name).expect(name), settings);
        (one.cpu.0, one.memory.in_mebibytes_down(), one.pods)
    }

    #[derive(serde::Deserialize)]
    struct Published {
        instance_type: String,
        cpu_m: i64,
        memory_mib: i64,
        pods: u32,
        storage_gib: i64,
    }

    #[test]
    fn cold_nodes_offer_what_karpenter_publishes() {
        let text = include_str!("../tests/data/karpenter_allocatable.csv");
        let rows: Vec<Published> = embedded::table("karpenter_allocatable.csv", text);
        assert_eq!(rows.len(), 21);
        for row in rows {
            let one = instance_type(&row.instance_type).expect("a type of the catalogue");
            let offered = allocatable(one, &NodeSettings::default());
            assert_eq!(
                (offered.cpu.0, offered.memory, offered.pods, offered.storage),
                (
                    row.cpu_m,
                    Bytes::mebibytes(row.memory_mib),
                    row.pods,
                    Bytes::gibibytes(row.storage_gib)
                ),
                "{}",
                row.instance_type
            );
        }
    }

    #[test]
    fn settings_of_the_node_class_count() {
        let with = |change: fn(&mut NodeSettings)| {
            let mut settings = NodeSettings::default();
            change(&mut settings);
            offers("m6i.large", &settings)
        };
        // AL2023 reserves memory for 29 pods whatever maxPods says; Bottlerocket for what it runs.
        assert_eq!(with(|s| s.pod_density = PodDensity::MaxPods(110)), (1930, 6903, 110));
        assert_eq!(
            with(|s| {
                s.pod_density = PodDensity::MaxPods(110);
                s.image_family = ImageFamily::Bottlerocket;
            }),
            (1930, 6903 - 11 * (110 - 29), 110)
        );
        assert_eq!(with(|s| s.pod_density = PodDensity::PrefixDelegation), (1930, 6903, 110));
        assert_eq!(with(|s| s.reserved_enis = 1), (1930, 6903, 20));
        assert_eq!(with(|s| s.pods_per_core = Some(5)), (1930, 6903, 10));
        assert_eq!(with(|s| s.system_reserved.cpu = Some(Millicores(100))), (1830, 6903, 29));
        assert_eq!(
            with(|s| s.eviction_memory = EvictionSignal::Thousandths(50)),
            (1930, 7577 - 574 - 379, 29)
        );
        // Warm: the node said that it has 7760 MiB.
        assert_eq!(
            with(|s| {
                s.discovered_memory.insert("m6i.large".to_owned(), Bytes::mebibytes(7760));
            }),
            (1930, 7760 - 574 - 100, 29)
        );
    }

    #[test]
    fn nothing_offers_more_than_it_has() {
        for one in catalogue() {
            let offered = allocatable(one, &NodeSettings::default());
            assert!(
                offered.cpu < offered.capacity_cpu && offered.memory < one.memory,
                "{}",
                one.name
            );
            let terms =
                offered.memory_overhead + offered.kube_reserved_memory + offered.eviction_memory;
            assert_eq!(offered.memory + terms, one.memory, "{}", one.name);
        }
    }
}
