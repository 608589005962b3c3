//! What is on offer: for each price inside this program the product that carries it, and those that
//! stand beside it in the real list.

use runbook_capacity::catalogue::{InstanceType, instance_type};
use runbook_capacity::money::{Price, Unit};
use runbook_capacity::prices::{PriceBook, Quote, Service};
use runbook_capacity::region::{REGIONS, Region};
use serde_json::{Map, Value, json};

use super::digest;

/// Each service, and some of what its products can be asked by.
pub(super) const SERVICES: [(&str, &[&str]); 5] = [
    (
        "AWSDataTransfer",
        &[
            "fromRegionCode",
            "operation",
            "productFamily",
            "toRegionCode",
            "transferType",
            "usagetype",
        ],
    ),
    (
        "AmazonEC2",
        &[
            "capacitystatus",
            "instanceType",
            "marketoption",
            "operatingSystem",
            "operation",
            "preInstalledSw",
            "productFamily",
            "regionCode",
            "tenancy",
            "usagetype",
            "volumeApiName",
        ],
    ),
    ("AmazonECS", &["operation", "productFamily", "regionCode", "usagetype"]),
    ("AmazonEKS", &["operation", "productFamily", "regionCode", "usagetype"]),
    ("AmazonVPC", &["group", "operation", "regionCode", "usagetype"]),
];

/// The on-demand term, and its rate.
const ON_DEMAND: &str = "JRTCKXETXF";
const ON_DEMAND_RATE: &str = "6YS6EN2CT7";
/// One year, no upfront.
const RESERVED: &str = "4NA7Y494T4";

/// A product with its price.
pub(super) struct Offer {
    service: &'static str,
    family: Option<&'static str>,
    attributes: Vec<(&'static str, String)>,
    /// 10⁻¹⁰ $ per unit.
    price: i64,
    unit: &'static str,
    published: String,
    peculiarity: Peculiarity,
}

/// What a product has beside its price.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peculiarity {
    None,
    /// A first tier that costs nothing.
    FreeTier,
    /// The price in a second currency.
    SecondCurrency,
    /// A cheaper price for who commits.
    Reserved,
}

/// All products of a service, or those that are offered in a region.
pub(super) fn offers(service: &str, only: Option<&str>) -> impl Iterator<Item = Offer> {
    let is_asked = move |offer: &Offer| offer.service == service;
    let has_types = service == "AmazonEC2";
    let is_meant = move |region: &Region| only.is_none_or(|only| only == region.name());
    REGIONS.into_iter().filter(is_meant).flat_map(move |region| {
        let types = PriceBook::embedded()
            .on_demand_in(region.name())
            .filter(move |_| has_types)
            .flat_map(move |(name, quote)| instances(region, name, quote));
        types.chain(services(region).into_iter().filter(is_asked))
    })
}

impl Offer {
    /// The value that a filter looks at.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        match name {
            "serviceCode" | "ServiceCode" | "servicecode" => Some(self.service),
            "productFamily" => self.family,
            _ => self
                .attributes
                .iter()
                .find(|(attribute, _)| *attribute == name)
                .map(|(_, value)| value.as_str()),
        }
    }

    /// Its number: the same for the same product.
    pub(super) fn sku(&self) -> String {
        digest(&format!("{} {:?}", self.service, self.attributes)).to_uppercase()
    }

    /// As the list has it.
    pub(super) fn product(&self, sku: &str) -> Value {
        let mut attributes: Map<String, Value> = self
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        attributes.insert("servicecode".to_owned(), json!(self.service));
        let mut product = json!({"attributes": attributes, "sku": sku});
        if let Some(family) = self.family {
            product["productFamily"] = json!(family);
        }
        let published = format!("{}T00:00:00Z", self.published);
        let mut terms = json!({"OnDemand": {format!("{sku}.{ON_DEMAND}"): {
            "priceDimensions": self.dimensions(sku), "sku": sku, "effectiveDate": published,
            "offerTermCode": ON_DEMAND, "termAttributes": {},
        }}});
        if self.peculiarity == Peculiarity::Reserved {
            terms["Reserved"] = self.reserved(sku, &published);
        }
        json!({
            "product": product, "serviceCode": self.service, "terms": terms,
            "version": format!("{}000000", self.published.replace('-', "")),
            "publicationDate": published,
        })
    }

    fn dimensions(&self, sku: &str) -> Value {
        let first = if self.peculiarity == Peculiarity::FreeTier { "750" } else { "0" };
        let mut price = json!({"USD": dollars(self.price)});
        if self.peculiarity == Peculiarity::SecondCurrency {
            price["CNY"] = json!(dollars(self.price * 7));
        }
        let rate = format!("{sku}.{ON_DEMAND}.{ON_DEMAND_RATE}");
        let mut dimensions = json!({&rate: {
            "unit": self.unit, "beginRange": first, "endRange": "Inf", "appliesTo": [],
            "description": format!("${} per {}", dollars(self.price), self.unit),
            "rateCode": rate, "pricePerUnit": price,
        }});
        if self.peculiarity == Peculiarity::FreeTier {
            let rate = format!("{sku}.{ON_DEMAND}.FREE000000");
            dimensions[&rate] = json!({
                "unit": self.unit, "beginRange": "0", "endRange": first, "appliesTo": [],
                "description": format!("$0.00 per {} of the free tier", self.unit),
                "rateCode": rate, "pricePerUnit": {"USD": "0.0000000000"},
            });
        }
        dimensions
    }

    fn reserved(&self, sku: &str, published: &str) -> Value {
        let rate = format!("{sku}.{RESERVED}.{ON_DEMAND_RATE}");
        json!({format!("{sku}.{RESERVED}"): {
            "priceDimensions": {&rate: {
                "unit": self.unit, "beginRange": "0", "endRange": "Inf", "appliesTo": [],
                "description": "Linux/UNIX, reserved instance applied", "rateCode": rate,
                "pricePerUnit": {"USD": dollars(self.price / 100 * 63)},
            }},
            "sku": sku, "effectiveDate": published, "offerTermCode": RESERVED,
            "termAttributes": {
                "LeaseContractLength": "1yr", "OfferingClass": "standard",
                "PurchaseOption": "No Upfront",
            },
        }})
    }
}

fn dollars(units: i64) -> String {
    format!("{}.{:010}", units / 10_000_000_000, units % 10_000_000_000)
}

/// The beginning of a usage type. EC2 leaves it out in its first region; later services do not.
pub(crate) fn prefix(region: Region, service: &str) -> &'static str {
    match region {
        Region::ApNortheast2 => "APN2-",
        Region::EuWest1 => "EU-",
        Region::UsEast1 if matches!(service, "AmazonEC2" | "AWSDataTransfer") => "",
        Region::UsEast1 => "USE1-",
        Region::UsWest2 => "USW2-",
    }
}

/// One way of running an instance, among those of its type.
struct Variant {
    usage: &'static str,
    system: &'static str,
    software: &'static str,
    tenancy: &'static str,
    capacity: &'static str,
    operation: &'static str,
    /// Hundredths of the price of the first one.
    hundredths: i64,
}

const fn variant(usage: &'static str, capacity: &'static str, hundredths: i64) -> Variant {
    Variant {
        usage,
        capacity,
        hundredths,
        system: "Linux",
        software: "NA",
        tenancy: "Shared",
        operation: "RunInstances",
    }
}

const VARIANTS: [Variant; 7] = [
    variant("BoxUsage", "Used", 100),
    Variant { tenancy: "Dedicated", ..variant("DedicatedUsage", "Used", 110) },
    Variant {
        system: "Windows",
        operation: "RunInstances:0002",
        ..variant("BoxUsage", "Used", 190)
    },
    Variant { system: "RHEL", operation: "RunInstances:0010", ..variant("BoxUsage", "Used", 130) },
    Variant {
        software: "SQL Std",
        operation: "RunInstances:0200",
        ..variant("BoxUsage", "Used", 350)
    },
    variant("UnusedBox", "UnusedCapacityReservation", 100),
    variant("Reservation", "AllocatedCapacityReservation", 0),
];

fn instances(region: Region, name: &str, quote: &Quote) -> impl Iterator<Item = Offer> {
    let known = instance_type(name);
    let is_metal = known.is_some_and(|one| one.bare_metal);
    let family = if is_metal { "Compute Instance (bare metal)" } else { "Compute Instance" };
    VARIANTS.iter().enumerate().map(move |(place, variant)| {
        let usage = format!("{}{}:{name}", prefix(region, "AmazonEC2"), variant.usage);
        let mut attributes = vec![
            ("regionCode", region.name().to_owned()),
            ("locationType", "AWS Region".to_owned()),
            ("instanceType", name.to_owned()),
            ("operatingSystem", variant.system.to_owned()),
            ("preInstalledSw", variant.software.to_owned()),
            ("tenancy", variant.tenancy.to_owned()),
            ("capacitystatus", variant.capacity.to_owned()),
            ("marketoption", "OnDemand".to_owned()),
            ("licenseModel", "No License required".to_owned()),
            ("operation", variant.operation.to_owned()),
            ("usagetype", usage),
        ];
        if let Some(known) = known {
            attributes.extend(about(known));
        }
        Offer {
            service: "AmazonEC2",
            family: Some(family),
            attributes,
            price: quote.price.ten_billionths() * variant.hundredths / 100,
            unit: "Hrs",
            published: quote.provenance.as_of.to_string(),
            peculiarity: if place == 0 { Peculiarity::Reserved } else { Peculiarity::None },
        }
    })
}

fn about(known: &InstanceType) -> [(&'static str, String); 2] {
    let is_current = if known.current_generation { "Yes" } else { "No" };
    [("vcpu", known.vcpus.to_string()), ("currentGeneration", is_current.to_owned())]
}

/// Where a price stands: service, family, usage type, unit, operation.
type Place = (&'static str, Option<&'static str>, &'static str, &'static str, &'static str);

/// Prices that are not of instances; each may stand in several places.
const PLACES: [(Service, &[Place]); 13] = [
    (
        Service::FargateVcpu,
        &[
            ("AmazonEKS", Some("Compute"), "Fargate-vCPU-Hours:perCPU", "hours", ""),
            ("AmazonECS", Some("Compute"), "Fargate-vCPU-Hours:perCPU", "hours", ""),
        ],
    ),
    (
        Service::FargateMemory,
        &[
            ("AmazonEKS", Some("Compute"), "Fargate-GB-Hours", "hours", ""),
            ("AmazonECS", Some("Compute"), "Fargate-GB-Hours", "hours", ""),
        ],
    ),
    (
        Service::FargateEphemeralStorage,
        &[("AmazonECS", Some("Compute"), "Fargate-EphemeralStorage-GB-Hours", "GB-Hours", "")],
    ),
    (
        Service::EksControlPlane,
        &[("AmazonEKS", Some("Compute"), "AmazonEKS-Hours:perCluster", "Hours", "CreateOperation")],
    ),
    (
        Service::EksControlPlaneExtendedSupport,
        &[(
            "AmazonEKS",
            Some("Compute"),
            "AmazonEKS-Hours:extendedSupport",
            "Hours",
            "ExtendedSupport",
        )],
    ),
    (Service::EbsGp3, &[("AmazonEC2", Some("Storage"), "EBS:VolumeUsage.gp3", "GB-Mo", "")]),
    (
        Service::EbsGp3Iops,
        &[("AmazonEC2", Some("System Operation"), "EBS:VolumeP-IOPS.gp3", "IOPS-Mo", "")],
    ),
    (
        Service::EbsGp3Throughput,
        &[(
            "AmazonEC2",
            Some("Provisioned Throughput"),
            "EBS:VolumeP-Throughput.gp3",
            "GiBps-mo",
            "",
        )],
    ),
    (Service::EbsGp2, &[("AmazonEC2", Some("Storage"), "EBS:VolumeUsage.gp2", "GB-Mo", "")]),
    (
        Service::NatGateway,
        &[("AmazonEC2", Some("NAT Gateway"), "NatGateway-Hours", "Hrs", "NatGateway")],
    ),
    (
        Service::NatGatewayData,
        &[("AmazonEC2", Some("NAT Gateway"), "NatGateway-Bytes", "GB", "NatGateway")],
    ),
    (
        Service::CrossZoneData,
        &[("AWSDataTransfer", Some("Data Transfer"), "DataTransfer-Regional-Bytes", "GB", "")],
    ),
    (
        Service::PublicIpv4,
        &[
            ("AmazonVPC", None, "PublicIPv4:InUseAddress", "Hrs", "AllocateAddressVPC"),
            ("AmazonVPC", None, "PublicIPv4:IdleAddress", "Hrs", "AssociateAddressVPC"),
        ],
    ),
];

fn services(region: Region) -> Vec<Offer> {
    let mut offers = Vec::new();
    for (service, places) in PLACES {
        let Ok(quote) = PriceBook::embedded().service(region.name(), service) else { continue };
        for place in places {
            offers.push(of_service(region, service, place, quote));
            if place.0 == "AmazonECS" {
                offers.extend(beside_fargate(region, place, quote));
            }
        }
        if service == Service::CrossZoneData {
            offers.push(to_another_region(region, quote));
        }
    }
    offers
}

fn of_service(region: Region, service: Service, place: &Place, quote: &Quote) -> Offer {
    let (code, family, usage, unit, operation) = *place;
    let name = region.name().to_owned();
    let mut attributes = vec![
        ("usagetype", format!("{}{usage}", prefix(region, code))),
        ("operation", operation.to_owned()),
    ];
    if service == Service::CrossZoneData {
        attributes.extend([
            ("fromRegionCode", name.clone()),
            ("toRegionCode", name),
            ("transferType", "IntraRegion".to_owned()),
        ]);
    } else {
        attributes.extend([("regionCode", name), ("locationType", "AWS Region".to_owned())]);
    }
    if let Some((_, volume)) = usage.split_once('.').filter(|_| usage.starts_with("EBS:")) {
        attributes.push(("volumeApiName", volume.to_owned()));
    }
    if code == "AmazonVPC" {
        attributes.push(("group", "VPCPublicIPv4Address".to_owned()));
    }
    Offer {
        service: code,
        family,
        attributes,
        price: listed(region, service, quote.price),
        unit,
        published: quote.provenance.as_of.to_string(),
        peculiarity: match service {
            Service::PublicIpv4 => Peculiarity::FreeTier,
            Service::EbsGp2 => Peculiarity::SecondCurrency,
            _ => Peculiarity::None,
        },
    }
}

/// The list has throughput by the GiB/s, and of extended support what comes on top.
fn listed(region: Region, service: Service, price: Price) -> i64 {
    let units = price.ten_billionths();
    match service {
        Service::EbsGp3Throughput => units * 1024,
        Service::EksControlPlaneExtendedSupport => {
            let standard = PriceBook::embedded().service(region.name(), Service::EksControlPlane);
            let standard = standard.map_or(Price::new(0, Unit::Hour), |quote| quote.price);
            units - standard.ten_billionths()
        }
        _ => units,
    }
}

/// Fargate of other processors and systems, which EKS does not have.
fn beside_fargate(region: Region, place: &Place, quote: &Quote) -> Vec<Offer> {
    let (code, family, usage, unit, _) = *place;
    let Some(rest) = usage.strip_prefix("Fargate-") else { return Vec::new() };
    [("ARM", 80), ("Windows", 130)]
        .into_iter()
        .map(|(kind, hundredths)| Offer {
            service: code,
            family,
            attributes: vec![
                ("usagetype", format!("{}Fargate-{kind}-{rest}", prefix(region, code))),
                ("operation", String::new()),
                ("regionCode", region.name().to_owned()),
                ("locationType", "AWS Region".to_owned()),
            ],
            price: quote.price.ten_billionths() * hundredths / 100,
            unit,
            published: quote.provenance.as_of.to_string(),
            peculiarity: Peculiarity::None,
        })
        .collect()
}

fn to_another_region(region: Region, quote: &Quote) -> Offer {
    let other = if region == Region::UsWest2 { "us-east-1" } else { "us-west-2" };
    Offer {
        service: "AWSDataTransfer",
        family: Some("Data Transfer"),
        attributes: vec![
            ("usagetype", format!("{}AWS-Out-Bytes", prefix(region, "AWSDataTransfer"))),
            ("operation", String::new()),
            ("fromRegionCode", region.name().to_owned()),
            ("toRegionCode", other.to_owned()),
            ("transferType", "InterRegion Outbound".to_owned()),
        ],
        price: quote.price.ten_billionths() * 8,
        unit: "GB",
        published: quote.provenance.as_of.to_string(),
        peculiarity: Peculiarity::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_has_the_shape_of_the_real_list() {
        let offer = offers("AmazonEC2", None)
            .find(|offer| offer.field("usagetype") == Some("APN2-BoxUsage:m7g.large"))
            .expect("an offer");
        let product = offer.product("S");
        assert_eq!(product["product"]["attributes"]["operatingSystem"], "Linux");
        assert_eq!(
            product["terms"]["OnDemand"]["S.JRTCKXETXF"]["priceDimensions"]["S.JRTCKXETXF.6YS6EN2CT7"]
                ["pricePerUnit"],
            json!({"USD": "0.1003000000"})
        );
        assert!(product["terms"]["Reserved"].is_object());
        assert_eq!(product["publicationDate"], "2026-03-30T00:00:00Z");
    }

    #[test]
    fn no_two_products_have_one_number() {
        for (service, _) in SERVICES {
            let mut skus: Vec<String> = offers(service, None).map(|offer| offer.sku()).collect();
            let all = skus.len();
            skus.sort();
            skus.dedup();
            assert!(all > 0 && skus.len() == all, "{service}: {} of {all}", skus.len());
        }
    }

    #[test]
    fn what_comes_on_top_and_by_the_thousand_is_listed_so() {
        let price = |service: &str, usage: &str| {
            let offer = offers(service, None).find(|offer| offer.field("usagetype") == Some(usage));
            offer.map(|offer| dollars(offer.price)).expect("an offer")
        };
        assert_eq!(price("AmazonEKS", "USE1-AmazonEKS-Hours:extendedSupport"), "0.5000000000");
        assert_eq!(price("AmazonEC2", "APN2-EBS:VolumeP-Throughput.gp3"), "46.6944000000");
    }
}
