//! What the billed quantity would cost at the prices of our book.
//!
//! A bill's month of a volume is a calendar month, and so it is in an allocation.

use runbook_capacity::money::{Amount, Price, Unit};
use runbook_capacity::prices::{PriceBook, Service};

use crate::bill::{Class, Line, split_region};

/// Throughput is billed by the GiB/s and priced by the MiB/s.
const MEBIBYTES: i64 = 1024;

/// A line's quantity at the book's price; none where either is not known.
pub(super) fn at_book(line: &Line, book: &PriceBook) -> Option<Amount> {
    let quantity = line.quantity_billionths?;
    let price = unit_price(line, book)?;
    let one = match price.unit() {
        Unit::Hour => price.hourly(),
        Unit::Month => price.monthly(),
        Unit::Piece => price.amount(1, 0),
    };
    Some(Amount::from_raw(times(one.raw(), quantity)))
}

/// What one of a line's unit costs by the book.
pub(super) fn unit_price(line: &Line, book: &PriceBook) -> Option<Price> {
    let (region, name) = split_region(&line.usage_type);
    let region = region?;
    let service = |service| book.service(region, service).ok().map(|quote| quote.price);
    match line.class {
        Class::Ec2Compute => {
            let (how, kind) = name.split_once(':')?;
            match how {
                "BoxUsage" => book.on_demand(region, kind).ok().map(|quote| quote.price),
                "SpotUsage" => book.spot(region, kind).ok().map(|quote| quote.median),
                _ => None,
            }
        }
        Class::Ebs => match name {
            "EBS:VolumeUsage.gp3" => service(Service::EbsGp3),
            "EBS:VolumeUsage.gp2" => service(Service::EbsGp2),
            "EBS:VolumeP-IOPS.gp3" => service(Service::EbsGp3Iops),
            "EBS:VolumeP-Throughput.gp3" => {
                let price = service(Service::EbsGp3Throughput)?;
                let is_large = line.unit.to_ascii_lowercase().starts_with("gib");
                Some(if is_large { price.times(MEBIBYTES) } else { price })
            }
            _ => None,
        },
        Class::FargateVcpu => service(Service::FargateVcpu),
        Class::FargateMemory => service(Service::FargateMemory),
        Class::FargateStorage => service(Service::FargateEphemeralStorage),
        Class::ControlPlane => {
            let standard = service(Service::EksControlPlane)?;
            match name {
                "AmazonEKS-Hours:perCluster" => Some(standard),
                // The bill has what comes on top, the book the whole fee.
                "AmazonEKS-Hours:extendedSupport" => {
                    Some(service(Service::EksControlPlaneExtendedSupport)?.less(standard))
                }
                _ => None,
            }
        }
        Class::AutoModeFee => {
            let kind = kind_of(line)?;
            book.auto_mode_fee(region, &kind).ok().map(|quote| quote.price)
        }
        Class::Nat if name.ends_with("Hours") => service(Service::NatGateway),
        Class::Nat if name.ends_with("Bytes") => service(Service::NatGatewayData),
        Class::Transfer if name == "DataTransfer-Regional-Bytes" => service(Service::CrossZoneData),
        Class::Nat | Class::LoadBalancer | Class::Transfer | Class::Other => None,
    }
}

/// The instance type that a usage type names.
pub(super) fn kind_of(line: &Line) -> Option<String> {
    let (_, name) = split_region(&line.usage_type);
    name.rsplit_once(':').map(|(_, kind)| kind.to_owned())
}

/// Whether a line is of spare capacity, whose price is the market's.
pub(super) fn is_spot(line: &Line) -> bool {
    split_region(&line.usage_type).1.starts_with("SpotUsage")
}

/// `raw` times billionths, rounded half away from zero, without leaving 128 bits.
fn times(raw: i128, billionths: i128) -> i128 {
    const ONE: i128 = 1_000_000_000;
    let (whole, rest) = (billionths / ONE, billionths % ONE);
    let part = raw.saturating_mul(rest);
    let rounded = part / ONE + if (part % ONE).abs() * 2 >= ONE { part.signum() } else { 0 };
    raw.saturating_mul(whole).saturating_add(rounded)
}
