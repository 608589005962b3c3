//! The price book: list prices with their source and day, and which are missing.
//!
//! The default one is embedded; a [`PriceList`] that was asked for replaces the prices of its region.
//! A price that is not in the book is [`Unpriced`]: there is no falling back to another region, and
//! an answer says by its [`Coverage`] how much of what it looked at had a price.

mod currency;
mod list;
mod plans;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use currency::{Currency, OtherCurrency};
pub use list::{ListSource, ListedPrice, PriceList, PriceListError};
pub use plans::{Discount, PlanTerm, UserPlan};

use crate::embedded;
use crate::money::{Price, Unit, Unpriced};
use crate::region::Region;

/// Where a figure comes from, and of which day it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The day the figure was current.
    pub as_of: Date,
    /// Who said so, and whether it was seen or derived.
    pub source: String,
}

/// A price with its provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The price.
    pub price: Price,
    /// Where it comes from.
    pub provenance: Arc<Provenance>,
}

/// What spot was seen to cost, in thousandths of the on-demand price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpotRatio {
    /// In the cheapest zone.
    pub low: i64,
    /// In the middle.
    pub median: i64,
    /// In the dearest zone.
    pub high: i64,
    /// Where it comes from.
    pub provenance: Arc<Provenance>,
}

/// A spot price as a range over zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpotQuote {
    /// In the cheapest zone.
    pub low: Price,
    /// In the middle.
    pub median: Price,
    /// In the dearest zone.
    pub high: Price,
    /// Where the ratio comes from.
    pub provenance: Arc<Provenance>,
}

/// What a burstable type may use for ever, and what it pays beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// Thousandths of a vCPU per vCPU.
    pub baseline_thousandths: i64,
    /// Price of a vCPU-hour above that.
    pub surplus: Price,
}

/// What is billed besides instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// A vCPU of a Fargate pod, per hour.
    FargateVcpu,
    /// A GB of a Fargate pod's memory, per hour.
    FargateMemory,
    /// A GB of a Fargate pod's disk above 20, per hour.
    FargateEphemeralStorage,
    /// An EKS cluster, per hour.
    EksControlPlane,
    /// An EKS cluster in extended support, the whole fee, per hour.
    EksControlPlaneExtendedSupport,
    /// A GB of gp3 volume, per month.
    EbsGp3,
    /// An IOPS of gp3 above 3,000, per month.
    EbsGp3Iops,
    /// A MiB/s of gp3 above 125, per month.
    EbsGp3Throughput,
    /// A GB of gp2 volume, per month.
    EbsGp2,
    /// A NAT gateway, per hour.
    NatGateway,
    /// A GB through it.
    NatGatewayData,
    /// A GB from zone to zone, each way.
    CrossZoneData,
    /// A public IPv4 address, per hour.
    PublicIpv4,
    /// A page of a Cost Explorer answer.
    CostExplorerRequest,
}

impl Service {
    const ALL: [(Self, &str, Unit); 14] = [
        (Self::FargateVcpu, "fargate_vcpu", Unit::Hour),
        (Self::FargateMemory, "fargate_memory", Unit::Hour),
        (Self::FargateEphemeralStorage, "fargate_ephemeral_storage", Unit::Hour),
        (Self::EksControlPlane, "eks_control_plane", Unit::Hour),
        (Self::EksControlPlaneExtendedSupport, "eks_control_plane_extended_support", Unit::Hour),
        (Self::EbsGp3, "ebs_gp3", Unit::Month),
        (Self::EbsGp3Iops, "ebs_gp3_iops", Unit::Month),
        (Self::EbsGp3Throughput, "ebs_gp3_throughput", Unit::Month),
        (Self::EbsGp2, "ebs_gp2", Unit::Month),
        (Self::NatGateway, "nat_gateway", Unit::Hour),
        (Self::NatGatewayData, "nat_gateway_data", Unit::Piece),
        (Self::CrossZoneData, "cross_zone_data", Unit::Piece),
        (Self::PublicIpv4, "public_ipv4", Unit::Hour),
        (Self::CostExplorerRequest, "cost_explorer_request", Unit::Piece),
    ];

    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _, _)| *one == self).map_or("", |(_, name, _)| name)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().map(|(one, _, _)| *one)
    }

    /// The one of that name, and what its price is for.
    pub fn parse(name: &str) -> Option<(Self, Unit)> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(one, _, unit)| (*one, *unit))
    }
}

/// List prices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceBook {
    on_demand: BTreeMap<String, BTreeMap<String, Quote>>,
    spot: BTreeMap<String, BTreeMap<String, SpotRatio>>,
    services: BTreeMap<String, BTreeMap<Service, Quote>>,
    burst: BTreeMap<String, Burst>,
    auto_mode_thousandths: Option<(i64, Arc<Provenance>)>,
    #[serde(default)]
    plans: plans::Plans,
    #[serde(default)]
    currency: Currency,
    /// What has no price for a reason of its own, by region.
    #[serde(default)]
    unpriced: BTreeMap<String, BTreeMap<String, String>>,
}

/// How much of what was looked at had a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// Instance types that were candidates.
    pub offered: usize,
    /// Those with a price.
    pub priced: usize,
    /// The day of the oldest price used.
    pub oldest: Option<Date>,
    /// The day of the newest price used.
    pub newest: Option<Date>,
}

impl Coverage {
    /// Counts one candidate and its quote.
    pub fn count(&mut self, quote: Option<&Provenance>) {
        self.offered += 1;
        if let Some(provenance) = quote {
            self.priced += 1;
            self.oldest =
                Some(self.oldest.map_or(provenance.as_of, |day| day.min(provenance.as_of)));
            self.newest =
                Some(self.newest.map_or(provenance.as_of, |day| day.max(provenance.as_of)));
        }
    }

    /// Whether a candidate had no price, so that the answer holds for priced types only.
    pub fn is_restricted(&self) -> bool {
        self.priced < self.offered
    }

    /// Whether a price is older than so many days.
    pub fn is_older_than(&self, days: i32, today: Date) -> bool {
        self.oldest.is_some_and(|oldest| (today - oldest).get_days() > days)
    }
}

const EVERY_REGION: &str = "*";

static EMBEDDED: LazyLock<PriceBook> = LazyLock::new(embedded_book);

impl PriceBook {
    /// The book inside the program.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// What all of its prices are in.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The on-demand price of a type.
    pub fn on_demand(&self, region: &str, instance_type: &str) -> Result<&Quote, Unpriced> {
        self.on_demand.get(region).and_then(|types| types.get(instance_type)).ok_or_else(|| {
            if let Some(why) = self.why_unpriced(region, instance_type) {
                return Unpriced::because(why);
            }
            Unpriced::because(format!("no on-demand price of `{instance_type}` in `{region}`; `runbook prices refresh --region {region}` asks AWS"))
        })
    }

    /// What spot was seen to cost for a type: its own size if that was seen, else its family.
    pub fn spot(&self, region: &str, instance_type: &str) -> Result<SpotQuote, Unpriced> {
        let on_demand = self.on_demand(region, instance_type)?;
        let family = instance_type.split_once('.').map_or(instance_type, |(family, _)| family);
        let ratio = self
            .spot
            .get(region)
            .and_then(|seen| seen.get(instance_type).or_else(|| seen.get(family)));
        let ratio = ratio.ok_or_else(|| {
            Unpriced::because(format!("no spot price of family `{family}` was seen in `{region}`"))
        })?;
        let of = |thousandths| on_demand.price.fraction(thousandths, 1000);
        Ok(SpotQuote {
            low: of(ratio.low),
            median: of(ratio.median),
            high: of(ratio.high),
            provenance: Arc::clone(&ratio.provenance),
        })
    }

    /// The price of a service in a region.
    pub fn service(&self, region: &str, service: Service) -> Result<&Quote, Unpriced> {
        if let Some(why) = self.why_unpriced(region, service.name()) {
            return Err(Unpriced::because(why));
        }
        let of = |region: &str| self.services.get(region).and_then(|prices| prices.get(&service));
        of(region).or_else(|| of(EVERY_REGION)).ok_or_else(|| {
            Unpriced::because(format!("no price of `{}` in `{region}`; `runbook prices refresh --region {region}` asks AWS", service.name()))
        })
    }

    /// The fee of EKS Auto Mode for a type, on top of the instance. It is a share of the on-demand
    /// price, known to the percent only.
    pub fn auto_mode_fee(&self, region: &str, instance_type: &str) -> Result<Quote, Unpriced> {
        let on_demand = self.on_demand(region, instance_type)?;
        let (thousandths, provenance) = self
            .auto_mode_thousandths
            .as_ref()
            .ok_or_else(|| Unpriced::because("no fee of EKS Auto Mode is known"))?;
        Ok(Quote {
            price: on_demand.price.fraction(*thousandths, 1000),
            provenance: Arc::clone(provenance),
        })
    }

    /// Baseline and surplus price of a burstable type.
    pub fn burst(&self, instance_type: &str) -> Option<&Burst> {
        self.burst.get(instance_type)
    }

    /// Every on-demand price of a region, by type.
    pub fn on_demand_in(&self, region: &str) -> impl Iterator<Item = (&str, &Quote)> {
        self.on_demand.get(region).into_iter().flatten().map(|(name, quote)| (name.as_str(), quote))
    }

    /// Puts an on-demand price in, replacing what was there.
    pub fn set_on_demand(&mut self, region: &str, instance_type: &str, quote: Quote) {
        self.forget_why(region, instance_type);
        self.on_demand
            .entry(region.to_owned())
            .or_default()
            .insert(instance_type.to_owned(), quote);
    }

    /// Puts the price of a service in, replacing what was there.
    pub fn set_service(&mut self, region: &str, service: Service, quote: Quote) {
        self.forget_why(region, service.name());
        self.services.entry(region.to_owned()).or_default().insert(service, quote);
    }

    /// Takes the price of an instance type or a service away, with the reason.
    pub fn unprice(&mut self, region: &str, item: &str, why: String) {
        if let Some((service, _)) = Service::parse(item) {
            self.services.get_mut(region).and_then(|prices| prices.remove(&service));
        } else {
            self.on_demand.get_mut(region).and_then(|prices| prices.remove(item));
        }
        self.unpriced.entry(region.to_owned()).or_default().insert(item.to_owned(), why);
    }

    fn why_unpriced(&self, region: &str, item: &str) -> Option<&str> {
        self.unpriced.get(region)?.get(item).map(String::as_str)
    }

    fn forget_why(&mut self, region: &str, item: &str) {
        if let Some(items) = self.unpriced.get_mut(region) {
            items.remove(item);
        }
    }

    /// The book with every price `numerator/denominator` of what it was.
    #[must_use]
    pub fn scaled(&self, numerator: i64, denominator: i64) -> Self {
        let mut book = self.clone();
        let quotes = book.on_demand.values_mut().flat_map(BTreeMap::values_mut);
        for quote in quotes.chain(book.services.values_mut().flat_map(BTreeMap::values_mut)) {
            quote.price = quote.price.fraction(numerator, denominator);
        }
        book
    }
}

#[derive(Deserialize)]
struct SourceRow {
    source: String,
    as_of: Date,
    name: String,
    how: String,
}

#[derive(Deserialize)]
struct OnDemandRow {
    region: String,
    instance_type: String,
    usd_per_hour: String,
    source: String,
}

#[derive(Deserialize)]
struct SpotRow {
    region: String,
    family: String,
    size: String,
    min_ratio: String,
    median_ratio: String,
    max_ratio: String,
    source: String,
}

#[derive(Deserialize)]
struct ServiceRow {
    item: String,
    region: String,
    usd: String,
    as_of: Date,
    source: String,
}

#[derive(Deserialize)]
struct BurstRow {
    instance_type: String,
    baseline_thousandths_per_vcpu: i64,
    surplus_usd_per_vcpu_hour: String,
}

fn embedded_book() -> PriceBook {
    let sources: BTreeMap<String, Arc<Provenance>> = embedded::table::<SourceRow>(
        "price_sources.csv",
        include_str!("../../data/price_sources.csv"),
    )
    .into_iter()
    .map(|row| {
        (
            row.source,
            Arc::new(Provenance {
                as_of: row.as_of,
                source: format!("{} ({})", row.name, row.how),
            }),
        )
    })
    .collect();
    let mut book = PriceBook::default();
    for row in embedded::table::<OnDemandRow>(
        "on_demand_prices.csv",
        include_str!("../../data/on_demand_prices.csv"),
    ) {
        let price =
            embedded::expect("on_demand_prices.csv", Price::parse(&row.usd_per_hour, Unit::Hour));
        let provenance = Arc::clone(&sources[&row.source]);
        book.set_on_demand(&row.region, &row.instance_type, Quote { price, provenance });
    }
    read_spot(&mut book, &sources);
    plans::read_plans(&mut book);
    for row in embedded::table::<ServiceRow>(
        "service_prices.csv",
        include_str!("../../data/service_prices.csv"),
    ) {
        let provenance = Arc::new(Provenance { as_of: row.as_of, source: row.source });
        if row.item == "eks_auto_mode_fee" {
            book.auto_mode_thousandths = Some((thousandths(&row.usd), provenance));
            continue;
        }
        let (service, unit) =
            embedded::expect("service_prices.csv", Service::parse(&row.item).ok_or(row.item));
        let price = embedded::expect("service_prices.csv", Price::parse(&row.usd, unit));
        book.set_service(&row.region, service, Quote { price, provenance });
    }
    for row in embedded::table::<BurstRow>("burst.csv", include_str!("../../data/burst.csv")) {
        let surplus =
            embedded::expect("burst.csv", Price::parse(&row.surplus_usd_per_vcpu_hour, Unit::Hour));
        book.burst.insert(
            row.instance_type,
            Burst { baseline_thousandths: row.baseline_thousandths_per_vcpu, surplus },
        );
    }
    book
}

/// Sizes that were seen, and for the others the middle of their family's sizes.
fn read_spot(book: &mut PriceBook, sources: &BTreeMap<String, Arc<Provenance>>) {
    let mut families: BTreeMap<(String, String), Vec<SpotRatio>> = BTreeMap::new();
    for row in
        embedded::table::<SpotRow>("spot_ratios.csv", include_str!("../../data/spot_ratios.csv"))
    {
        let ratio = SpotRatio {
            low: thousandths(&row.min_ratio),
            median: thousandths(&row.median_ratio),
            high: thousandths(&row.max_ratio),
            provenance: Arc::clone(&sources[&row.source]),
        };
        let name = format!("{}.{}", row.family, row.size);
        book.spot.entry(row.region.clone()).or_default().insert(name, ratio.clone());
        families.entry((row.region, row.family)).or_default().push(ratio);
    }
    for ((region, family), mut ratios) in families {
        ratios.sort_by_key(|ratio| ratio.median);
        let low = ratios.iter().map(|ratio| ratio.low).min().unwrap_or(0);
        let high = ratios.iter().map(|ratio| ratio.high).max().unwrap_or(0);
        let middle = &ratios[ratios.len() / 2];
        let ratio = SpotRatio {
            low,
            high,
            median: middle.median,
            provenance: Arc::clone(&middle.provenance),
        };
        book.spot.entry(region).or_default().insert(family, ratio);
    }
}

/// `0.305` as 305; the tables have three places at most.
fn thousandths(text: &str) -> i64 {
    embedded::expect("a ratio", Price::parse(text, Unit::Piece)).ten_billionths() / 10_000_000
}

/// The regions that have on-demand prices in the embedded book.
pub fn priced_regions() -> impl Iterator<Item = Region> {
    crate::region::REGIONS
        .into_iter()
        .filter(|region| PriceBook::embedded().on_demand.contains_key(region.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_read() {
        let book = PriceBook::embedded();
        assert_eq!(
            crate::region::REGIONS.map(|region| book.on_demand_in(region.name()).count()),
            [690, 924, 1367, 1107]
        );
        assert_eq!(book.burst("t4g.medium").map(|burst| burst.baseline_thousandths), Some(200));
        assert_eq!(priced_regions().count(), 4);
    }

    #[test]
    fn prices_have_a_day_and_a_source() {
        let quote =
            PriceBook::embedded().on_demand("ap-northeast-2", "m7g.large").expect("a price");
        assert_eq!(quote.price.to_string(), "0.1003");
        assert!(quote.provenance.source.contains("skypilot"), "{quote:?}");
        let spot = PriceBook::embedded().spot("ap-northeast-2", "m6i.large").expect("a spot price");
        assert!(
            spot.low <= spot.median && spot.median <= spot.high && spot.high < quote.price.times(2),
            "{spot:?}"
        );
    }

    #[test]
    fn what_is_missing_is_unpriced_and_no_other_region_steps_in() {
        let book = PriceBook::embedded();
        assert_eq!(
            book.on_demand("sa-east-1", "m6i.large").unwrap_err().to_string(),
            "unpriced: no on-demand price of `m6i.large` in `sa-east-1`; `runbook prices refresh --region sa-east-1` asks AWS"
        );
        assert!(book.service("ap-northeast-2", Service::FargateEphemeralStorage).is_err());
        assert_eq!(
            book.service("sa-east-1", Service::EksControlPlane)
                .expect("everywhere")
                .price
                .to_string(),
            "0.1"
        );
    }

    #[test]
    fn coverage_counts_and_dates() {
        let book = PriceBook::embedded();
        let mut coverage = Coverage::default();
        coverage
            .count(book.on_demand("us-east-1", "m6i.large").ok().map(|quote| &*quote.provenance));
        coverage.count(None);
        assert!(coverage.is_restricted());
        assert_eq!((coverage.offered, coverage.priced), (2, 1));
        let day = "2026-11-23".parse().expect("a day");
        assert!(coverage.is_older_than(90, day) && !coverage.is_older_than(180, day));
    }
}
