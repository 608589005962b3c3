//! Which thing of ours a product is the price of. Reading is as strict as asking: what the service
//! was asked to leave out is left out here too.

use runbook_capacity::money::Unit;
use runbook_capacity::prices::Service;

use super::product::{ListUnit, Listing};

/// What a product is the price of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// An instance type, on demand.
    Instance(String),
    /// A service.
    Service(Service),
    /// What a cluster in extended support costs on top of one that is not.
    ExtendedSupport,
}

const HOURS: &[ListUnit] = &[("Hrs", 1), ("Hours", 1), ("Hour", 1)];
const VCPU_HOURS: &[ListUnit] = &[("Hours", 1), ("Hrs", 1), ("vCPU-Hours", 1)];
const GB_HOURS: &[ListUnit] = &[("Hours", 1), ("Hrs", 1), ("GB-Hours", 1)];
const GB_MONTHS: &[ListUnit] = &[("GB-Mo", 1), ("GB-month", 1)];
const IOPS_MONTHS: &[ListUnit] = &[("IOPS-Mo", 1)];
/// Throughput is listed by the GiB/s.
const THROUGHPUT_MONTHS: &[ListUnit] = &[("GiBps-mo", 1024), ("MiBps-mo", 1)];
const GB: &[ListUnit] = &[("GB", 1), ("Gigabytes", 1)];

/// A line of the table: service, usage type without its region, attributes that must be so, item.
type Line = (&'static str, &'static str, &'static [(&'static str, &'static str)], Item);

const LINES: [Line; 14] = [
    ("AmazonEKS", "Fargate-vCPU-Hours:perCPU", &[], Item::Service(Service::FargateVcpu)),
    ("AmazonEKS", "Fargate-GB-Hours", &[], Item::Service(Service::FargateMemory)),
    (
        "AmazonEKS",
        "Fargate-EphemeralStorage-GB-Hours",
        &[],
        Item::Service(Service::FargateEphemeralStorage),
    ),
    // The disk of a Fargate pod is listed with the container service that had Fargate first.
    (
        "AmazonECS",
        "Fargate-EphemeralStorage-GB-Hours",
        &[],
        Item::Service(Service::FargateEphemeralStorage),
    ),
    ("AmazonEKS", "AmazonEKS-Hours:perCluster", &[], Item::Service(Service::EksControlPlane)),
    ("AmazonEKS", "AmazonEKS-Hours:extendedSupport", &[], Item::ExtendedSupport),
    ("AmazonEC2", "EBS:VolumeUsage.gp3", &[], Item::Service(Service::EbsGp3)),
    ("AmazonEC2", "EBS:VolumeUsage.gp2", &[], Item::Service(Service::EbsGp2)),
    ("AmazonEC2", "EBS:VolumeP-IOPS.gp3", &[], Item::Service(Service::EbsGp3Iops)),
    ("AmazonEC2", "EBS:VolumeP-Throughput.gp3", &[], Item::Service(Service::EbsGp3Throughput)),
    (
        "AmazonEC2",
        "NatGateway-Hours",
        &[("operation", "NatGateway")],
        Item::Service(Service::NatGateway),
    ),
    (
        "AmazonEC2",
        "NatGateway-Bytes",
        &[("operation", "NatGateway")],
        Item::Service(Service::NatGatewayData),
    ),
    (
        "AWSDataTransfer",
        "DataTransfer-Regional-Bytes",
        &[("transferType", "IntraRegion")],
        Item::Service(Service::CrossZoneData),
    ),
    ("AmazonVPC", "PublicIPv4:InUseAddress", &[], Item::Service(Service::PublicIpv4)),
];

/// What the on-demand price of an instance is told by.
const INSTANCE: [(&str, &str); 5] = [
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("preInstalledSw", "NA"),
    ("capacitystatus", "Used"),
    ("operation", "RunInstances"),
];

impl Item {
    /// What a product of this region is the price of, if it is of something that is looked for.
    pub(super) fn of(listing: &Listing, region: &str) -> Option<Self> {
        let regions = ["regionCode", "fromRegionCode", "toRegionCode"];
        let is_here = regions.iter().any(|name| listing.attribute(name) == region)
            && regions.iter().all(|name| listing.has_at_most(name, region))
            && listing.has_at_most("locationType", "AWS Region");
        let usage = without_region(region, listing.usage_type()).filter(|_| is_here)?;
        if listing.family().starts_with("Compute Instance") {
            let name = listing.attribute("instanceType");
            let is_plain = listing.service_code == "AmazonEC2"
                && usage.strip_prefix("BoxUsage:") == Some(name)
                && listing.has_at_most("marketoption", "OnDemand")
                && INSTANCE.iter().all(|(name, value)| listing.attribute(name) == *value);
            return is_plain.then(|| Self::Instance(name.to_owned()));
        }
        LINES
            .iter()
            .find(|(service, ends, attributes, _)| {
                listing.service_code == *service
                    && usage == *ends
                    && attributes.iter().all(|(name, value)| listing.attribute(name) == *value)
            })
            .map(|(_, _, _, item)| item.clone())
    }

    /// Its name in our tables.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Instance(name) => name,
            Self::Service(service) => service.name(),
            Self::ExtendedSupport => Service::EksControlPlaneExtendedSupport.name(),
        }
    }

    /// The units its price may be listed by, and what our price is per.
    pub(super) fn units(&self) -> (&'static [ListUnit], Unit) {
        let service = match self {
            Self::Instance(_) | Self::ExtendedSupport => return (HOURS, Unit::Hour),
            Self::Service(service) => *service,
        };
        let listed = match service {
            Service::FargateVcpu => VCPU_HOURS,
            Service::FargateMemory | Service::FargateEphemeralStorage => GB_HOURS,
            Service::EbsGp3 | Service::EbsGp2 => GB_MONTHS,
            Service::EbsGp3Iops => IOPS_MONTHS,
            Service::EbsGp3Throughput => THROUGHPUT_MONTHS,
            Service::NatGatewayData | Service::CrossZoneData => GB,
            Service::EksControlPlane
            | Service::EksControlPlaneExtendedSupport
            | Service::NatGateway
            | Service::PublicIpv4
            | Service::CostExplorerRequest => HOURS,
        };
        (listed, Service::parse(service.name()).map_or(Unit::Hour, |(_, unit)| unit))
    }
}

/// The region whose usage types have nothing before them in the older services.
pub(crate) const UNNAMED_REGION: &str = "us-east-1";

/// How usage types of a region begin. The first region's have nothing before them in the older
/// services, the second one's no number.
pub(crate) const PREFIXES: [(&str, &[&str]); 22] = [
    ("af-south-1", &["AFS1-"]),
    ("ap-east-1", &["APE1-"]),
    ("ap-northeast-1", &["APN1-"]),
    ("ap-northeast-2", &["APN2-"]),
    ("ap-northeast-3", &["APN3-"]),
    ("ap-south-1", &["APS3-"]),
    ("ap-southeast-1", &["APS1-"]),
    ("ap-southeast-2", &["APS2-"]),
    ("ca-central-1", &["CAN1-"]),
    ("eu-central-1", &["EUC1-"]),
    ("eu-north-1", &["EUN1-"]),
    ("eu-south-1", &["EUS1-"]),
    ("eu-west-1", &["EU-", "EUW1-"]),
    ("eu-west-2", &["EUW2-"]),
    ("eu-west-3", &["EUW3-"]),
    ("me-south-1", &["MES1-"]),
    ("sa-east-1", &["SAE1-"]),
    ("us-east-1", &["USE1-", ""]),
    ("us-east-2", &["USE2-"]),
    ("us-gov-west-1", &["UGW1-"]),
    ("us-west-1", &["USW1-"]),
    ("us-west-2", &["USW2-"]),
];

/// A usage type without what stands for the region; none if it is of another region. Of a region
/// that is not in the table any word of capitals and digits will do: the product names its region.
fn without_region<'a>(region: &str, usage_type: &'a str) -> Option<&'a str> {
    if let Some((_, prefixes)) = PREFIXES.iter().find(|(known, _)| *known == region) {
        return prefixes.iter().find_map(|prefix| usage_type.strip_prefix(prefix));
    }
    let (prefix, rest) = usage_type.split_once('-')?;
    let is_code = prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (is_code && prefix.bytes().any(|byte| byte.is_ascii_digit())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_types_begin_with_their_region() {
        let rest = |region, usage| without_region(region, usage);
        assert_eq!(rest("us-east-1", "BoxUsage:m7g.large"), Some("BoxUsage:m7g.large"));
        assert_eq!(rest("us-east-1", "USE1-Fargate-GB-Hours"), Some("Fargate-GB-Hours"));
        assert_eq!(rest("eu-west-1", "EU-BoxUsage:m7g.large"), Some("BoxUsage:m7g.large"));
        assert_eq!(rest("ap-northeast-2", "APN2-BoxUsage:t4g.nano"), Some("BoxUsage:t4g.nano"));
        assert_eq!(rest("ap-northeast-2", "APN1-BoxUsage:t4g.nano"), None);
        assert_eq!(rest("ap-northeast-2", "BoxUsage:t4g.nano"), None);
        assert_eq!(rest("mx-central-1", "MXC1-BoxUsage:t4g.nano"), Some("BoxUsage:t4g.nano"));
        assert_eq!(rest("mx-central-1", "EBS:VolumeUsage.gp3"), None);
    }
}
