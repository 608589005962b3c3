//! A charge and its parts: never in one file, and the parts make it up.
//!
//! `x_Origin` of every part says of which charge it is, how many parts that has, and its figures. A
//! charge is open until all of its parts have been seen, in whatever order they come.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::super::decimal::Decimal;
use super::super::export::Cells as Values;
use super::{Found, Layout, Rule};

/// What makes two rows charges for the same.
const SAME: [&str; 6] = [
    "ResourceId",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "SkuPriceId",
    "PricingUnit",
];

/// The charges whose parts are being seen.
pub(super) struct Origins {
    note: Option<usize>,
    method: Option<usize>,
    details: Option<usize>,
    positions: BTreeMap<String, usize>,
    same: Vec<usize>,
    resource: Option<usize>,
    open: BTreeMap<String, Open>,
    parts: BTreeSet<u64>,
}

/// A charge of which some parts were seen.
struct Open {
    first: u64,
    missing: u64,
    expected: Value,
    sums: BTreeMap<String, Option<Decimal>>,
    ratio: Option<Decimal>,
}

/// The charges that were divided, by what they are for.
pub(super) struct Parts {
    method: Option<usize>,
    same: Vec<usize>,
    resource: Option<usize>,
    parts: BTreeSet<u64>,
}

impl Origins {
    pub(super) fn new(layout: &Layout<'_>) -> Self {
        Self {
            note: layout.at("x_Origin"),
            method: layout.allocated("AllocatedMethodId"),
            details: layout.allocated("AllocatedMethodDetails"),
            positions: layout
                .header
                .iter()
                .enumerate()
                .map(|(at, name)| (name.clone(), at))
                .collect(),
            same: SAME.iter().filter_map(|name| layout.at(name)).collect(),
            resource: layout.at("ResourceId"),
            open: BTreeMap::new(),
            parts: BTreeSet::new(),
        }
    }

    /// Sees a row; what is no part of anything is passed over.
    pub(super) fn part(&mut self, row: u64, values: Values<'_>, found: &mut Found) {
        if self.method.is_none_or(|at| values.get(at).is_empty()) {
            return;
        }
        if self.resource.is_some_and(|at| !values.get(at).is_empty()) {
            self.parts.insert(same(&self.same, values));
        }
        let Some(text) = self.note.map(|at| values.get(at)).filter(|text| !text.is_empty()) else {
            return;
        };
        let Some((charge, count, sums)) = note(text) else {
            found.add(Rule::Json, "x_Origin", Some(row), || {
                "x_Origin does not say of which charge a part is, and what that came to".to_owned()
            });
            return;
        };
        let open = self.open.entry(charge.clone()).or_insert_with(|| Open {
            first: row,
            missing: count,
            expected: sums,
            sums: BTreeMap::new(),
            ratio: Some(Decimal::ZERO),
        });
        let names: Vec<String> =
            open.expected.as_object().into_iter().flat_map(|sums| sums.keys().cloned()).collect();
        for name in names {
            let value =
                self.positions.get(&name).and_then(|at| Decimal::parse(values.get(*at)).ok());
            let sum = open.sums.entry(name).or_insert(Some(Decimal::ZERO));
            *sum = sum.zip(value).and_then(|(sum, value)| sum.plus(value));
        }
        let ratio = self.details.and_then(|at| ratio(values.get(at)));
        open.ratio = open.ratio.zip(ratio).and_then(|(sum, ratio)| sum.plus(ratio));
        open.missing = open.missing.saturating_sub(1);
        if open.missing == 0
            && let Some(whole) = self.open.remove(&charge)
        {
            close(&charge, &whole, self.details.is_some(), found);
        }
    }

    /// Judges what was left open, and says which charges were divided.
    pub(super) fn finish(self, found: &mut Found) -> Parts {
        for (charge, open) in &self.open {
            found.add(Rule::SumOfParts, "x_Origin", Some(open.first), || {
                format!(
                    "of the charge `{charge}` {} parts are missing, or one is there too often",
                    open.missing
                )
            });
        }
        Parts { method: self.method, same: self.same, resource: self.resource, parts: self.parts }
    }
}

impl Parts {
    pub(super) fn has_any(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Sees a row again: a charge that has parts elsewhere may not be there itself.
    pub(super) fn whole(&self, row: u64, values: Values<'_>, found: &mut Found) {
        let is_part = self.method.is_some_and(|at| !values.get(at).is_empty());
        let id = self.resource.map_or("", |at| values.get(at));
        if !is_part && !id.is_empty() && self.parts.contains(&same(&self.same, values)) {
            found.add(Rule::OriginBesideParts, "ResourceId", Some(row), || {
                format!("the charge of `{id}` is there, and so are the parts that stand for it: it counts twice")
            });
        }
    }
}

/// Holds the sums of a charge against what it came to.
fn close(charge: &str, open: &Open, has_details: bool, found: &mut Found) {
    for (name, sum) in &open.sums {
        let text = open.expected[name].as_str().unwrap_or("");
        let expected = Decimal::parse(text).ok();
        if sum.is_none() || *sum != expected {
            found.add(Rule::SumOfParts, name, Some(open.first), || {
                let sum = sum.map_or_else(|| "no number".to_owned(), |sum| sum.to_string());
                format!(
                    "the parts of the charge `{charge}` add up to {sum} in {name}, not to {text}"
                )
            });
        }
    }
    let one = Decimal::new(1, 0);
    if has_details && open.ratio != Some(one) {
        found.add(Rule::Ratio, "AllocatedMethodDetails", Some(open.first), || {
            let ratio = open.ratio.map_or_else(|| "no number".to_owned(), |one| one.to_string());
            format!("the ratios of the parts of `{charge}` add up to {ratio}, not to 1")
        });
    }
}

/// The charge, how many parts it has, what it came to.
fn note(text: &str) -> Option<(String, u64, Value)> {
    let mut note: Value = serde_json::from_str(text).ok()?;
    let charge = note["Charge"].as_str()?.to_owned();
    let parts = note["Parts"].as_u64()?;
    let sums = note["Sums"].take();
    sums.is_object().then_some((charge, parts, sums))
}

/// The ratios of a part, added up.
fn ratio(details: &str) -> Option<Decimal> {
    let details: Value = serde_json::from_str(details).ok()?;
    let elements = details["Elements"].as_array()?;
    elements.iter().try_fold(Decimal::ZERO, |sum, element| {
        let Value::Number(ratio) = &element["AllocatedRatio"] else { return None };
        sum.plus(Decimal::parse(&ratio.to_string()).ok()?)
    })
}

/// What a row is for, as a number: of a charge and of its parts the same.
fn same(columns: &[usize], values: Values<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    columns.iter().for_each(|at| values.get(*at).hash(&mut hasher));
    hasher.finish()
}
