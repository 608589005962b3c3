//! What a new list changes: prices that moved, that are new, that were not answered.

use std::collections::BTreeSet;

use jiff::civil::Date;
use runbook_capacity::catalogue::catalogue;
use runbook_capacity::money::{Price, Unpriced};
use runbook_capacity::prices::{PriceBook, PriceList, Quote, Service};
use runbook_capacity::region::Region;

use super::asked_services;

/// A price that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// An instance type or a service.
    pub item: String,
    /// What it was.
    pub before: Price,
    /// What it is.
    pub after: Price,
}

impl Change {
    /// By how much, in thousandths of what it was, rounded.
    pub fn thousandths(&self) -> i64 {
        let before = i128::from(self.before.ten_billionths().max(1));
        let by = i128::from(self.after.ten_billionths()) - before;
        let sign = by.signum();
        let rounded = (by.abs() * 2000 + before) / (2 * before);
        i64::try_from(rounded * sign).unwrap_or(i64::MAX)
    }
}

/// Something that was expected and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// An instance type or a service.
    pub item: String,
    /// The day of the price that it keeps; none if it has none.
    pub known_since: Option<Date>,
}

/// What a list changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Prices that moved, the largest move first.
    pub changed: Vec<Change>,
    /// What had no price before.
    pub added: Vec<String>,
    /// What was not answered.
    pub missing: Vec<Missing>,
}

impl Changes {
    /// Of a list that was just answered, against the book as it was.
    pub fn of(answered: &PriceList, before: &PriceBook) -> Self {
        let region = answered.region.as_str();
        let mut changes = Self::default();
        for (name, listed) in &answered.on_demand {
            changes.count(name, before.on_demand(region, name), listed.price);
        }
        for (service, listed) in &answered.services {
            changes.count(service.name(), before.service(region, *service), listed.price);
        }
        changes.changed.sort_by(|one, other| {
            let by = |change: &Change| std::cmp::Reverse(change.thousandths().abs());
            by(one).cmp(&by(other)).then_with(|| one.item.cmp(&other.item))
        });
        for name in expected_types(region, before) {
            if !answered.on_demand.contains_key(name) {
                changes.miss(answered, name, before.on_demand(region, name));
            }
        }
        let missing = |service: &Service| !answered.services.contains_key(service);
        for service in asked_services().filter(missing) {
            changes.miss(answered, service.name(), before.service(region, service));
        }
        changes
    }

    fn count(&mut self, item: &str, before: Result<&Quote, Unpriced>, after: Price) {
        match before {
            Err(_) => self.added.push(item.to_owned()),
            Ok(quote) if quote.price != after => {
                self.changed.push(Change { item: item.to_owned(), before: quote.price, after });
            }
            Ok(_) => {}
        }
    }

    /// What is left open is told by its reason, not as missing.
    fn miss(&mut self, answered: &PriceList, item: &str, before: Result<&Quote, Unpriced>) {
        if !answered.unpriced.contains_key(item) {
            let known_since = before.ok().map(|quote| quote.provenance.as_of);
            self.missing.push(Missing { item: item.to_owned(), known_since });
        }
    }
}

/// Types that have a price there, or are offered.
fn expected_types<'a>(region: &str, before: &'a PriceBook) -> BTreeSet<&'a str> {
    let known: Option<Region> = region.parse().ok();
    let offered = catalogue()
        .iter()
        .filter(move |one| known.is_some_and(|region| one.zone_count(region) > 0))
        .map(|one| one.name.as_str());
    before.on_demand_in(region).map(|(name, _)| name).chain(offered).collect()
}
