//! The instance catalogue: every EC2 type with what Karpenter's formula and labels need.
//!
//! Read from the embedded table on first use; looking a type up is a binary search by name.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use crate::embedded;
use crate::quantity::Bytes;
use crate::region::{self, Region};

/// A processor architecture, as EC2 knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
    /// An Apple processor; no Kubernetes node.
    #[serde(rename = "arm64_mac")]
    Arm64Mac,
    /// An Intel Mac; no Kubernetes node.
    #[serde(rename = "x86_64_mac")]
    X86Mac,
}

impl Architecture {
    /// Its name in `kubernetes.io/arch`; a Mac has none.
    pub const fn kubernetes(self) -> Option<&'static str> {
        match self {
            Self::Amd64 => Some("amd64"),
            Self::Arm64 => Some("arm64"),
            Self::Arm64Mac | Self::X86Mac => None,
        }
    }
}

/// One row of the catalogue.
#[expect(clippy::struct_excessive_bools, reason = "four independent columns of a table")]
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstanceType {
    /// For example `m7g.large`.
    #[serde(rename = "instance_type")]
    pub name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory as sold.
    #[serde(rename = "memory_mib", deserialize_with = "mebibytes")]
    pub memory: Bytes,
    /// Architecture.
    pub architecture: Architecture,
    /// `Intel`, `AMD`, `AWS` or `Apple`.
    pub cpu_manufacturer: String,
    /// Whether EC2 lists it as current.
    #[serde(deserialize_with = "flag")]
    pub current_generation: bool,
    /// Whether it earns and spends CPU credits.
    #[serde(deserialize_with = "flag")]
    pub burstable: bool,
    /// Whether it is a whole machine.
    #[serde(deserialize_with = "flag")]
    pub bare_metal: bool,
    /// `nitro`, `xen`, or empty for bare metal.
    pub hypervisor: String,
    /// Network interfaces of its default card.
    pub enis: u32,
    /// IPv4 addresses of an interface.
    pub ipv4_per_eni: u32,
    /// Branch interfaces, for security groups per pod.
    pub branch_enis: Option<u32>,
    /// Network bandwidth in Mbit/s.
    pub network_mbps: Option<u64>,
    /// Volume bandwidth in Mbit/s.
    pub ebs_mbps: Option<u64>,
    /// Local disks in GB.
    pub local_nvme_gb: u64,
    /// Graphics processors.
    pub gpus: u32,
    /// Their maker.
    pub gpu_manufacturer: String,
    /// Their name.
    pub gpu_name: String,
    /// Memory of each.
    pub gpu_memory_mib: u64,
    /// Trainium or Inferentia devices.
    pub neuron_devices: u32,
    /// Whether it is offered as spot.
    #[serde(deserialize_with = "flag")]
    pub spot: bool,
    zones_ap_northeast_2: u8,
    zones_us_east_1: u8,
    zones_us_west_2: u8,
    zones_eu_west_1: u8,
}

fn mebibytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    i64::deserialize(deserializer).map(Bytes::mebibytes)
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    u8::deserialize(deserializer).map(|digit| digit == 1)
}

impl InstanceType {
    /// What stands before the dot: `m7g`.
    pub fn family(&self) -> &str {
        self.name.split_once('.').map_or(self.name.as_str(), |(family, _)| family)
    }

    /// What stands behind the dot: `large`.
    pub fn size(&self) -> &str {
        self.name.split_once('.').map_or("", |(_, size)| size)
    }

    /// The letters its family begins with: `m`, `inf`, `u`.
    pub fn category(&self) -> &str {
        category_and_generation(self.family()).0
    }

    /// The generation in its family: `7`; empty when there is none.
    pub fn generation(&self) -> &str {
        category_and_generation(self.family()).1
    }

    /// Whether Karpenter launches it only when a pod needs it: accelerators and whole machines.
    pub fn is_exotic(&self) -> bool {
        self.bare_metal || self.gpus > 0 || self.neuron_devices > 0
    }

    /// In how many zones of a region it is offered; none when the region is not in the catalogue.
    pub fn zone_count(&self, region: Region) -> usize {
        usize::from(match region {
            Region::ApNortheast2 => self.zones_ap_northeast_2,
            Region::UsEast1 => self.zones_us_east_1,
            Region::UsWest2 => self.zones_us_west_2,
            Region::EuWest1 => self.zones_eu_west_1,
        })
    }

    /// The zones it is offered in. The catalogue knows how many, not which: they are taken in the
    /// order of their names, which is exact when it is offered in all of them.
    pub fn zones(&self, region: Region) -> impl Iterator<Item = &'static str> {
        region::zones(region).iter().take(self.zone_count(region)).copied()
    }
}

/// `u-6tb1` is category `u`, generation `1`; `mac2-m2pro` is `mac` and `2`.
pub(crate) fn category_and_generation(family: &str) -> (&str, &str) {
    let letters = family.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(family.len());
    let (category, rest) = family.split_at(letters);
    let after_terabytes = rest
        .strip_prefix('-')
        .and_then(|rest| {
            rest.split_once("tb")
                .filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map_or(rest, |(_, rest)| rest);
    let digits =
        after_terabytes.find(|c: char| !c.is_ascii_digit()).unwrap_or(after_terabytes.len());
    (category, &after_terabytes[..digits])
}

static CATALOGUE: LazyLock<Vec<InstanceType>> = LazyLock::new(|| {
    embedded::table("instance_types.csv", include_str!("../data/instance_types.csv"))
});

/// Every type, sorted by name.
pub fn catalogue() -> &'static [InstanceType] {
    &CATALOGUE
}

/// The type of that name.
pub fn instance_type(name: &str) -> Option<&'static InstanceType> {
    let all = catalogue();
    all.binary_search_by(|one| one.name.as_str().cmp(name)).ok().map(|index| &all[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_names_are_sorted() {
        let all = catalogue();
        assert_eq!(all.len(), 1395);
        assert!(all.is_sorted_by(|left, right| left.name < right.name));
        assert!(all.iter().filter(|one| one.bare_metal).count() > 100);
        assert!(all.iter().all(|one| one.vcpus > 0 && one.memory > Bytes::ZERO && one.enis > 0));
    }

    #[test]
    fn names_fall_into_category_generation_and_size() {
        let parts = |name: &str| {
            let one = instance_type(name).expect(name);
            [one.category(), one.generation(), one.family(), one.size()].map(str::to_owned)
        };
        assert_eq!(parts("m7i-flex.large"), ["m", "7", "m7i-flex", "large"]);
        assert_eq!(parts("u7i-12tb.224xlarge"), ["u", "7", "u7i-12tb", "224xlarge"]);
        assert_eq!(parts("c7gn.16xlarge"), ["c", "7", "c7gn", "16xlarge"]);
        assert_eq!(parts("inf2.xlarge"), ["inf", "2", "inf2", "xlarge"]);
        assert_eq!(category_and_generation("u-6tb1"), ("u", "1"));
        assert_eq!(category_and_generation("mac2-m2pro"), ("mac", "2"));
        assert!(instance_type("m99.large").is_none());
    }

    #[test]
    fn zones_are_the_first_names_of_the_region() {
        let zones: Vec<_> =
            instance_type("m6i.large").expect("m6i.large").zones(Region::EuWest1).collect();
        assert_eq!(zones, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
    }
}
