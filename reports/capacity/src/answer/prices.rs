//! What is known about prices, each with its source and day.

use serde::Serialize;

use super::allocatable::{UnknownType, known_type};
use super::written::{self, dollars_or_nothing};
use super::{Completeness, PriceAge};
use crate::catalogue::InstanceType;
use crate::money::{Price, Unit};
use crate::prices::{PriceBook, Provenance, Service};
use crate::region::REGIONS;

/// A price, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceRow {
    /// An instance type, or a service.
    pub item: String,
    /// The region.
    pub region: String,
    /// `on-demand`, `spot`, `auto mode fee`, `surplus credits` or `list price`.
    pub kind: &'static str,
    /// Dollars; of spot, the middle of what was seen.
    #[serde(rename = "usd", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// Of spot, in the cheapest zone.
    #[serde(rename = "usd_low", serialize_with = "crate::money::as_dollars_or_null")]
    pub low: Option<Price>,
    /// Of spot, in the dearest zone.
    #[serde(rename = "usd_high", serialize_with = "crate::money::as_dollars_or_null")]
    pub high: Option<Price>,
    /// What it is for one of.
    pub unit: String,
    /// The day it was current.
    pub as_of: Option<String>,
    /// Whether it is older than asked.
    pub too_old: bool,
    /// Who said so.
    pub source: String,
    /// Why there is none.
    pub reason: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PricesAnswer {
    /// Each price.
    pub prices: Vec<PriceRow>,
    /// After how many days a price is flagged.
    pub max_age_days: i32,
    /// What was asked for and has no price anywhere it was looked for.
    pub unpriced: Vec<String>,
}

const HEADER: [&str; 11] = [
    "item", "region", "kind", "usd", "usd_low", "usd_high", "unit", "as_of", "too_old", "source",
    "reason",
];

impl PricesAnswer {
    /// Of these types and services in a region, or in all that are known.
    pub fn new(
        names: &[String],
        region: Option<&str>,
        book: &PriceBook,
        age: PriceAge,
    ) -> Result<Self, Vec<UnknownType>> {
        let known = REGIONS.map(|region| region.name().to_owned());
        let regions: Vec<String> = region.map_or(known.to_vec(), |one| vec![one.to_owned()]);
        let mut answer =
            Self { prices: Vec::new(), max_age_days: age.most_days, unpriced: Vec::new() };
        let mut unknown = Vec::new();
        for name in names {
            let mut rows = Vec::new();
            if let Some((service, unit)) = Service::parse(name) {
                for region in &regions {
                    rows.push(of_service(service, unit, region, book, age));
                }
            } else {
                match known_type(name) {
                    Ok(one) => {
                        for region in &regions {
                            rows.extend(of_type(one, region, book, age));
                        }
                    }
                    Err(error) => unknown.push(error),
                }
            }
            if rows.iter().all(|row| row.price.is_none()) {
                answer.unpriced.push(name.clone());
            }
            answer.prices.extend(rows);
        }
        if unknown.is_empty() { Ok(answer) } else { Err(unknown) }
    }

    /// Whether something has no price.
    pub fn completeness(&self) -> Completeness {
        if self.unpriced.is_empty() { Completeness::Complete } else { Completeness::Unpriced }
    }

    /// A row for each price.
    pub fn csv(&self) -> String {
        let rows = self.prices.iter().map(|row| {
            vec![
                row.item.clone(),
                row.region.clone(),
                row.kind.to_owned(),
                dollars_or_nothing(row.price),
                dollars_or_nothing(row.low),
                dollars_or_nothing(row.high),
                row.unit.clone(),
                row.as_of.clone().unwrap_or_default(),
                row.too_old.to_string(),
                row.source.clone(),
                row.reason.clone().unwrap_or_default(),
            ]
        });
        written::csv(&HEADER, rows)
    }
}

fn row(item: &str, region: &str, kind: &'static str, unit: &str) -> PriceRow {
    PriceRow {
        item: item.to_owned(),
        region: region.to_owned(),
        kind,
        price: None,
        low: None,
        high: None,
        unit: unit.to_owned(),
        as_of: None,
        too_old: false,
        source: String::new(),
        reason: None,
    }
}

impl PriceRow {
    fn from(mut self, provenance: &Provenance, age: PriceAge) -> Self {
        self.too_old = (age.today - provenance.as_of).get_days() > age.most_days;
        self.as_of = Some(provenance.as_of.to_string());
        self.source.clone_from(&provenance.source);
        self
    }

    fn without(mut self, reason: String) -> Self {
        self.reason = Some(reason);
        self
    }
}

fn of_type(one: &InstanceType, region: &str, book: &PriceBook, age: PriceAge) -> Vec<PriceRow> {
    let name = one.name.as_str();
    let new = |kind| row(name, region, kind, "hour");
    let offered = REGIONS
        .into_iter()
        .find(|known| known.name() == region)
        .is_none_or(|known| one.zone_count(known) > 0);
    let quote = match book.on_demand(region, name) {
        Ok(quote) => quote,
        Err(_) if !offered => {
            return vec![new("on-demand").without(format!("it is not offered in {region}"))];
        }
        Err(unpriced) => return vec![new("on-demand").without(unpriced.reason)],
    };
    let mut rows = vec![PriceRow {
        price: Some(quote.price),
        ..new("on-demand").from(&quote.provenance, age)
    }];
    if one.spot {
        rows.push(match book.spot(region, name) {
            Ok(spot) => PriceRow {
                price: Some(spot.median),
                low: Some(spot.low),
                high: Some(spot.high),
                ..new("spot").from(&spot.provenance, age)
            },
            Err(unpriced) => new("spot").without(unpriced.reason),
        });
    }
    rows.push(match book.auto_mode_fee(region, name) {
        Ok(fee) => {
            PriceRow { price: Some(fee.price), ..new("auto mode fee").from(&fee.provenance, age) }
        }
        Err(unpriced) => new("auto mode fee").without(unpriced.reason),
    });
    if let Some(burst) = book.burst(name) {
        rows.push(PriceRow {
            price: Some(burst.surplus),
            source: format!(
                "above a baseline of {}.{} % of each vCPU",
                burst.baseline_thousandths / 10,
                burst.baseline_thousandths % 10
            ),
            ..row(name, region, "surplus credits", "vCPU-hour")
        });
    }
    rows
}

fn of_service(
    service: Service,
    unit: Unit,
    region: &str,
    book: &PriceBook,
    age: PriceAge,
) -> PriceRow {
    let unit = match unit {
        Unit::Hour => "hour",
        Unit::Month => "month of 730 h",
        Unit::Piece => "piece",
    };
    let new = row(service.name(), region, "list price", unit);
    match book.service(region, service) {
        Ok(quote) => PriceRow { price: Some(quote.price), ..new.from(&quote.provenance, age) },
        Err(unpriced) => new.without(unpriced.reason),
    }
}
