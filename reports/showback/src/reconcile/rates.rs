//! What the account pays of list, where the bill does not say its list cost (Cost Explorer does not).
//!
//! A discount is a ratio below list that several usage types share: those that make up half of the money
//! of the whole bill, or all of a family's. One usage type alone that deviates is a price: the book's is
//! wrong, or the bill's is its own. Spot is left out, its price moves.

use std::collections::BTreeMap;

use runbook_capacity::money::Amount;

use super::cells::{Cells, Of};
use crate::bill::Class;

/// How near two ratios must be to be one, in millionths.
const NEAR: i128 = 1_500;
/// A whole, in millionths.
const WHOLE: i128 = 1_000_000;

/// A usage type of a class; its region is in it.
type Kind = (Class, String);

/// Ratios by kind, and what the account pays in general.
#[derive(Debug, Default)]
pub(super) struct Rates {
    ratios: BTreeMap<Kind, (i128, Amount)>,
    account: Option<i128>,
    families: BTreeMap<&'static str, i128>,
}

/// How `at_book - billed` is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) price: Amount,
    pub(super) discount: Amount,
}

impl Rates {
    /// Looks at all cells.
    pub(super) fn of(cells: &Cells) -> Self {
        let mut sums: BTreeMap<Kind, (Amount, Amount)> = BTreeMap::new();
        for (place, cell) in &cells.cells {
            if cell.list.is_some()
                || cell.is_spot
                || !cell.is_priced
                || cell.at_book <= Amount::ZERO
            {
                continue;
            }
            let sum = sums.entry(kind(place.class, &place.of, &cell.usage)).or_default();
            sum.0 += cell.at_book;
            sum.1 += cell.billed;
        }
        let ratios: BTreeMap<Kind, (i128, Amount)> = sums
            .into_iter()
            .map(|(kind, (at_book, billed))| (kind, (ratio(billed, at_book), at_book)))
            .collect();
        let account = shared(ratios.values().copied());
        let mut families = BTreeMap::new();
        for name in ["compute", "fargate"] {
            let of = ratios.iter().filter(|((class, _), _)| family(*class) == Some(name));
            if let Some(ratio) = shared(of.map(|(_, one)| *one)) {
                families.insert(name, ratio);
            }
        }
        Self { ratios, account, families }
    }

    /// The ratio of a class below list, in millionths, if the account has one.
    pub(super) fn discount(&self, class: Class) -> Option<i128> {
        family(class).and_then(|name| self.families.get(name).copied()).or(self.account)
    }

    /// Divides a cell's difference.
    pub(super) fn parts(
        &self,
        class: Class,
        of: &Of,
        usage: &str,
        (at_book, billed): (Amount, Amount),
    ) -> Parts {
        let all = at_book - billed;
        let as_price = Parts { price: all, discount: Amount::ZERO };
        let known = self.ratios.get(&kind(class, of, usage)).map(|(ratio, _)| *ratio);
        let (Some(discount), Some(own)) = (self.discount(class), known) else { return as_price };
        if (own - discount).abs() <= NEAR {
            return Parts { price: Amount::ZERO, discount: all };
        }
        if (own - WHOLE).abs() <= NEAR {
            return as_price;
        }
        let expected = Amount::from_raw(at_book.raw().saturating_mul(discount) / WHOLE);
        Parts { price: expected - billed, discount: at_book - expected }
    }
}

fn kind(class: Class, of: &Of, usage: &str) -> Kind {
    let region = match of {
        Of::Kind { region, .. } => region.as_str(),
        Of::Resource(_) => "",
    };
    (class, format!("{region} {usage}"))
}

fn family(class: Class) -> Option<&'static str> {
    match class {
        Class::Ec2Compute => Some("compute"),
        Class::FargateVcpu | Class::FargateMemory | Class::FargateStorage => Some("fargate"),
        _ => None,
    }
}

fn ratio(part: Amount, whole: Amount) -> i128 {
    part.raw().saturating_mul(WHOLE) / whole.raw().max(1)
}

/// The ratio below list that at least two share, which are at least half of the money.
fn shared(ratios: impl Iterator<Item = (i128, Amount)>) -> Option<i128> {
    let ratios: Vec<(i128, Amount)> = ratios.collect();
    let all: Amount = ratios.iter().map(|(_, amount)| *amount).sum();
    let support = |of: i128| {
        let near = ratios.iter().filter(move |(ratio, _)| (ratio - of).abs() <= NEAR);
        (near.clone().map(|(_, amount)| *amount).sum::<Amount>(), near.count())
    };
    ratios
        .iter()
        .filter(|(ratio, _)| *ratio < WHOLE - NEAR)
        .map(|(ratio, _)| (support(*ratio), *ratio))
        .filter(|((amount, count), _)| *count >= 2 && amount.times(2) >= all)
        .max_by_key(|((amount, _), ratio)| (*amount, *ratio))
        .map(|(_, ratio)| ratio)
}
