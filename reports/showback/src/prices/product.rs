//! A product of the Price List: a JSON text with attributes, and terms of which only the on-demand one
//! is read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use runbook_capacity::money::{Price, Unit};
use serde::Deserialize;

/// A product.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    product: Product,
    #[serde(rename = "serviceCode")]
    pub(super) service_code: String,
    #[serde(default)]
    terms: Terms,
    #[serde(rename = "publicationDate")]
    published: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Product {
    #[serde(rename = "productFamily", default)]
    family: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Debug, Deserialize)]
struct Term {
    #[serde(rename = "priceDimensions", default)]
    dimensions: BTreeMap<String, Dimension>,
}

#[derive(Debug, Deserialize)]
struct Dimension {
    #[serde(default)]
    unit: String,
    #[serde(rename = "pricePerUnit", default)]
    price_per_unit: BTreeMap<String, String>,
}

/// A unit of the list, what a price per it is for us, and how many of ours it is.
pub(super) type ListUnit = (&'static str, i64);

/// Why a product gives no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPrice {
    #[error("{0} different prices: {1}")]
    Several(usize, String),
    #[error("its price is zero")]
    Zero,
    #[error("it is in {0}; only USD is understood")]
    OtherCurrency(String),
    #[error("it is per `{0}`, which is not what is looked for")]
    OtherUnit(String),
    #[error("it has no on-demand price")]
    None,
    #[error("{0}")]
    Unreadable(String),
}

impl Listing {
    /// Reads one.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    pub(super) fn family(&self) -> &str {
        &self.product.family
    }

    /// The value of an attribute; empty without it.
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.product.attributes.get(name).map_or("", String::as_str)
    }

    /// Whether an attribute is absent or has this value.
    pub(super) fn has_at_most(&self, name: &str, value: &str) -> bool {
        self.product.attributes.get(name).is_none_or(|one| one == value)
    }

    pub(super) fn usage_type(&self) -> &str {
        self.attribute("usagetype")
    }

    /// The day it was published.
    pub(super) fn published(&self) -> Date {
        self.published.to_zoned(TimeZone::UTC).date()
    }

    /// Its one on-demand price. A tier that costs nothing is passed over when another one does not.
    pub(super) fn price(&self, units: &[ListUnit], unit: Unit) -> Result<Price, NoPrice> {
        let mut prices = BTreeSet::new();
        let mut otherwise = NoPrice::None;
        let dimensions = self.terms.on_demand.values().flat_map(|term| term.dimensions.values());
        for dimension in dimensions {
            match dimension.price(units, unit) {
                Ok(price) => drop(prices.insert(price)),
                Err(why) => otherwise = why,
            }
        }
        one_of(&prices).unwrap_or(Err(otherwise))
    }
}

/// The only one of some prices; nothing when there is none.
pub(super) fn one_of(prices: &BTreeSet<Price>) -> Option<Result<Price, NoPrice>> {
    let first = prices.first()?;
    if prices.len() == 1 {
        return Some(Ok(*first));
    }
    let all: Vec<String> = prices.iter().map(|price| format!("{price} $")).collect();
    Some(Err(NoPrice::Several(prices.len(), all.join(", "))))
}

impl Dimension {
    fn price(&self, units: &[ListUnit], unit: Unit) -> Result<Price, NoPrice> {
        let Some(text) = self.price_per_unit.get("USD") else {
            let others: Vec<&str> = self.price_per_unit.keys().map(String::as_str).collect();
            return Err(match others.as_slice() {
                [] => NoPrice::None,
                others => NoPrice::OtherCurrency(others.join(", ")),
            });
        };
        let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(&self.unit));
        let Some((_, parts)) = known else {
            return Err(NoPrice::OtherUnit(self.unit.clone()));
        };
        if text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
        {
            return Err(NoPrice::Zero);
        }
        let whole =
            Price::parse(text, unit).map_err(|error| NoPrice::Unreadable(error.to_string()))?;
        let ten_billionths = whole.ten_billionths();
        if ten_billionths % parts != 0 {
            return Err(NoPrice::Unreadable(format!(
                "{whole} $ per {} is no whole number of 10⁻¹⁰ $ for one",
                self.unit
            )));
        }
        Ok(Price::new(ten_billionths / parts, unit))
    }
}
