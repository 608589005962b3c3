//! How the account is billed: the scenario's `billing:`.
//!
//! ```yaml
//! billing:
//!   discount: {ec2: 10%, fargate: 5%}   # also ebs, eks, nat, vpc
//!   prices: {m7g.large: 0.12}           # what AWS asks, whatever the price book says
//!   lost_days: [2026-10-07]             # days whose rows are missing
//!   credits: [{day: 2026-10-05, amount: 25}]
//!   tax: 10%
//!   delay: 24h                          # data comes that late, and the month closes that late
//!   net_amortized: false                # no net columns: discounts are in the rates
//!   resources: false                    # no data by resource in Cost Explorer
//!   rows_per_page: 20                   # of Cost Explorer's answers
//! ```
//!
//! What is left out is as a new account has it: list prices, no tax, no delay.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use jiff::civil::Date;
use runbook_capacity::catalogue::instance_type;
use runbook_capacity::money::{Price, Unit};
use runbook_capacity::prices::Service;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::places::DISCOUNTED;
use crate::store::Transaction;

const COLLECTION: &str = "billing/settings";
const NAME: &str = "now";
/// Rows of a page of Cost Explorer's answers.
const ROWS_PER_PAGE: usize = 5000;

/// How the account is billed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Billing {
    pub(crate) discount: BTreeMap<String, Share>,
    pub(crate) prices: BTreeMap<String, Dollars>,
    pub(crate) lost_days: Vec<Date>,
    pub(crate) credits: Vec<Credit>,
    pub(crate) tax: Option<Share>,
    pub(crate) delay: SignedDuration,
    pub(crate) net_amortized: bool,
    pub(crate) resources: bool,
    pub(crate) rows_per_page: usize,
}

impl Default for Billing {
    fn default() -> Self {
        Self {
            discount: BTreeMap::new(),
            prices: BTreeMap::new(),
            lost_days: Vec::new(),
            credits: Vec::new(),
            tax: None,
            delay: SignedDuration::ZERO,
            net_amortized: true,
            resources: true,
            rows_per_page: ROWS_PER_PAGE,
        }
    }
}

/// Money given on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credit {
    pub(crate) day: Date,
    pub(crate) amount: Dollars,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not YAML of that form.
    #[error("the billing settings cannot be read: {0}")]
    Form(String),
    /// Of something that does not exist.
    #[error("billing.{key}: {why}")]
    Senseless {
        /// The key.
        key: String,
        /// What is wrong.
        why: String,
    },
}

impl Billing {
    /// Reads YAML or JSON: the settings themselves, or a map with `billing`.
    pub(crate) fn parse(text: &str) -> Result<Self, SettingsError> {
        #[derive(Deserialize)]
        struct Around {
            billing: Billing,
        }
        let form = |error: serde_saphyr::Error| SettingsError::Form(error.to_string());
        let has_key = text.lines().any(|line| line.trim_start().starts_with("billing:"));
        let settings = if has_key {
            serde_saphyr::from_str::<Around>(text).map_err(form)?.billing
        } else {
            serde_saphyr::from_str(text).map_err(form)?
        };
        settings.check()?;
        Ok(settings)
    }

    /// Refuses what names nothing: a planted error that plants none would prove nothing.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let senseless = |key: String, why: String| Err(SettingsError::Senseless { key, why });
        for name in self.discount.keys() {
            if !DISCOUNTED.contains(&name.as_str()) {
                let known = DISCOUNTED.join(", ");
                return senseless(format!("discount.{name}"), format!("is none of {known}"));
            }
        }
        for name in self.prices.keys() {
            if Service::parse(name).is_none() && instance_type(name).is_none() {
                let why = "is neither an instance type nor a price of the price book";
                return senseless(format!("prices.{name}"), why.to_owned());
            }
        }
        if self.delay < SignedDuration::ZERO {
            return senseless("delay".to_owned(), "must not be negative".to_owned());
        }
        if self.rows_per_page == 0 {
            return senseless("rows_per_page".to_owned(), "must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// The settings of the world.
pub(crate) fn settings(transaction: &Transaction<'_>) -> Billing {
    transaction.get_as(COLLECTION, NAME).unwrap_or_default()
}

/// Bills by these settings from now on, the past included.
pub(crate) fn change(transaction: &mut Transaction<'_>, settings: &Billing) {
    transaction.put_as(COLLECTION, NAME, settings);
}

/// A share in hundredths of a percent, written `7.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(pub(crate) i64);

impl Share {
    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.strip_suffix('%')?.trim().split_once('.').map_or_else(
            || Some((text.strip_suffix('%')?.trim(), "")),
            |(whole, part)| Some((whole, part)),
        )?;
        if part.len() > 2 || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let share = whole.parse::<i64>().ok()?.checked_mul(100)?
            + format!("{part:0<2}").parse::<i64>().ok()?;
        (share <= 10_000).then_some(Self(share))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{:02}%", self.0 / 100, self.0 % 100))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("`{text}` is not a share from 0% to 100%"));
        Self::parse(&text).ok_or_else(wrong)
    }
}

/// Money or a price, in 10⁻¹⁰ $.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dollars(pub(crate) i64);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&super::decimal(i128::from(self.0)))
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DollarsVisitor)
    }
}

struct DollarsVisitor;

impl Visitor<'_> for DollarsVisitor {
    type Value = Dollars;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("dollars, such as 0.12")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Dollars, E> {
        let price = Price::parse(text, Unit::Piece).map_err(E::custom)?;
        Ok(Dollars(price.ten_billionths()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Dollars, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Dollars, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Dollars, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_exactly_and_kept() {
        let read = Billing::parse(
            "billing:\n  discount: {ec2: 10%, fargate: 2.5%}\n  prices: {m7g.large: 0.12}\n  lost_days: [2026-10-07]\n  credits: [{day: 2026-10-05, amount: 25}]\n  tax: 10%\n  delay: 24h\n  net_amortized: false\n",
        )
        .unwrap();
        assert_eq!(read.discount["fargate"], Share(250));
        assert_eq!(read.prices["m7g.large"], Dollars(1_200_000_000));
        assert_eq!(read.credits[0].amount, Dollars(250_000_000_000));
        assert_eq!(read.delay, SignedDuration::from_hours(24));
        let kept = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Billing>(&kept).unwrap(), read);
        assert_eq!(Billing::parse(&kept), Ok(read));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let why = |text: &str| Billing::parse(text).unwrap_err().to_string();
        assert_eq!(
            why("discount: {ec3: 10%}"),
            "billing.discount.ec3: is none of ec2, ebs, fargate, eks, nat, vpc"
        );
        assert_eq!(
            why("prices: {m99.huge: 1}"),
            "billing.prices.m99.huge: is neither an instance type nor a price of the price book"
        );
        assert!(why("discount: {ec2: 110%}").contains("`110%` is not a share from 0% to 100%"));
        assert!(why("discounts: {}").contains("discounts"));
    }
}
