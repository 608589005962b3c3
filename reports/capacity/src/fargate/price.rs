//! The price of a Fargate size.

use super::{INCLUDED_STORAGE, Sized};
use crate::money::{Price, Unit, Unpriced};
use crate::prices::{PriceBook, Service};
use crate::quantity::Bytes;

/// What a pod of that size costs for an hour in a region. Disk above the included 20 GiB is billed by
/// the GiB begun; where its price is not known, the whole pod is unpriced.
pub fn price(sized: &Sized, region: &str, book: &PriceBook) -> Result<Price, Unpriced> {
    let of = |service| book.service(region, service).map(|quote| quote.price);
    let vcpu = of(Service::FargateVcpu)?.fraction(sized.size.vcpu.0, 1000);
    let memory = of(Service::FargateMemory)?.fraction(sized.size.memory.in_mebibytes_up(), 1024);
    let beyond = sized.storage - INCLUDED_STORAGE;
    let storage = if beyond > Bytes::ZERO {
        let gibibytes = (beyond.in_mebibytes_up() + 1023).div_euclid(1024);
        of(Service::FargateEphemeralStorage)?.times(gibibytes).ten_billionths()
    } else {
        0
    };
    Ok(Price::new(vcpu.ten_billionths() + memory.ten_billionths() + storage, Unit::Hour))
}
