//! Which nodes a comparison may use: how large, how many pods, with what disk.
//!
//! A break-even over every size ends on machines with hundreds of pods that no operator wants, so the
//! shape of a node is an input, and a verdict is repeated for several. Burstable types are left out:
//! they win every open pool and then pay surplus credits under load.

use crate::allocatable::{NodeSettings, PodDensity};
use crate::catalogue::{Architecture, InstanceType, catalogue};
use crate::quantity::Bytes;
use crate::region::Region;

/// How large a node may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeShape {
    /// At most so many vCPUs; none means any size.
    pub vcpus_at_most: Option<u32>,
    /// Fewer nodes than this nobody runs.
    pub nodes_at_least: u32,
    /// A type must be offered in so many zones of the region.
    pub zones_at_least: u32,
    /// At most so many pods, whatever its interfaces allow.
    pub pods_at_most: Option<u32>,
    /// The root volume in GiB; none leaves it out of the bill.
    pub root_volume_gib: Option<i64>,
}

impl NodeShape {
    /// Every size, as many pods as the interfaces allow, no root volume: a bound, not an operator's
    /// node.
    pub const BOUND: Self = Self {
        vcpus_at_most: None,
        nodes_at_least: 1,
        zones_at_least: 1,
        pods_at_most: None,
        root_volume_gib: None,
    };
    /// What operators run: at most 16 vCPUs.
    pub const REALISTIC: Self = Self::up_to(Some(16));

    /// So many vCPUs, at most 110 pods, a root volume of 20 GiB; two nodes in two zones at least.
    pub const fn up_to(vcpus_at_most: Option<u32>) -> Self {
        Self {
            vcpus_at_most,
            nodes_at_least: 2,
            zones_at_least: 2,
            pods_at_most: Some(110),
            root_volume_gib: Some(20),
        }
    }

    /// `≤ 16 vCPU`, `any size`.
    pub fn title(self) -> String {
        self.vcpus_at_most.map_or_else(|| "any size".to_owned(), |most| format!("≤ {most} vCPU"))
    }

    /// The settings of its nodes.
    pub fn settings(self) -> NodeSettings {
        NodeSettings {
            pod_density: self
                .pods_at_most
                .map_or(PodDensity::Interfaces, PodDensity::InterfacesUpTo),
            root_volume: Bytes::gibibytes(self.root_volume_gib.unwrap_or(20)),
            ..NodeSettings::default()
        }
    }

    /// Whether a type is not too large for it, and offered in enough zones.
    pub fn allows(self, one: &InstanceType, region: Region) -> bool {
        let zones = u32::try_from(one.zone_count(region)).unwrap_or(u32::MAX);
        self.vcpus_at_most.is_none_or(|most| one.vcpus <= most)
            && zones >= self.zones_at_least.max(1)
    }

    /// The types of such nodes where no `NodePool` says which: families c, m and r from generation 5 on, neither burstable nor with
    /// accelerators nor bare metal.
    pub fn types(
        self,
        region: Region,
        architectures: &[Architecture],
    ) -> impl Iterator<Item = &'static InstanceType> {
        catalogue().iter().filter(move |one| {
            ["c", "m", "r"].contains(&one.category())
                && one.generation().parse::<u32>().is_ok_and(|generation| generation >= 5)
                && !one.burstable
                && !one.is_exotic()
                && architectures.contains(&one.architecture)
                && self.allows(one, region)
        })
    }
}
