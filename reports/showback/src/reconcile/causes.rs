//! The difference of one cell by cause. `ours - billed` is the sum of what is returned, exactly: each
//! step takes a part of a difference and leaves the rest to the next.

use jiff::civil::Date;
use runbook_capacity::money::Amount;

use super::answer::{Cause, Causes};
use super::cells::{Cell, Cells, Of, Place};
use super::is_account_scope;
use super::rates::{Parts, Rates};
use crate::bill::{Class, Scope};
use crate::observed::{ClusterObserved, Window};

const DAY_SECONDS: i128 = 86_400;
/// A rate, in billionths.
const WHOLE: i128 = 1_000_000_000;

/// Everything that is known when a cell is judged.
pub(super) struct Judge<'a> {
    pub(super) cells: &'a Cells,
    pub(super) rates: &'a Rates,
    pub(super) scope: &'a Scope,
    pub(super) clusters: &'a [ClusterObserved],
}

impl Judge<'_> {
    /// What makes up `ours - billed`.
    pub(super) fn causes(&self, place: &Place, cell: &Cell) -> Causes {
        let mut causes = Causes::default();
        let Parts { price, discount } = self.rate(place, cell);
        causes.add(Cause::Price, price);
        causes.add(Cause::Discount, discount);
        self.volume(place, cell, &mut causes);
        causes
    }

    /// From the billed quantity at our prices to the bill.
    fn rate(&self, place: &Place, cell: &Cell) -> Parts {
        let all = cell.at_book - cell.billed;
        if cell.is_spot {
            // Spare capacity has no list price; what its market did is price.
            return Parts { price: all, discount: Amount::ZERO };
        }
        match cell.list {
            Some(list) => Parts { price: cell.at_book - list, discount: list - cell.billed },
            None => {
                self.rates.parts(place.class, &place.of, &cell.usage, (cell.at_book, cell.billed))
            }
        }
    }

    /// From what we say to the billed quantity at our prices.
    fn volume(&self, place: &Place, cell: &Cell, causes: &mut Causes) {
        let mut left = cell.ours - cell.at_book;
        if left < Amount::ZERO {
            let unseen = i128::from(self.unseen_seconds(place.day, cell.region.as_deref()));
            // Of a day of which nobody saw a part, at most this part can be missing.
            let most = divided_up(cell.at_book.raw().max(0).saturating_mul(unseen), DAY_SECONDS);
            let taken = Amount::from_raw(-most.min(-left.raw()));
            causes.add(Cause::NoSamples, taken);
            left = left - taken;
            if self.is_outside(place) {
                causes.add(Cause::OutsideScope, left);
                return;
            }
        }
        let cause = if cell.is_estimated { Cause::Estimated } else { Cause::Unexplained };
        causes.add(cause, left);
    }

    /// Whether more on the bill than we saw is no surprise: nothing of the class is observed at all, or
    /// the bill is for the whole account and this is not known to be ours.
    fn is_outside(&self, place: &Place) -> bool {
        let is_never_seen = matches!(
            place.class,
            Class::Ebs
                | Class::FargateStorage
                | Class::Nat
                | Class::LoadBalancer
                | Class::Transfer
                | Class::Other
        ) && !self.cells.observed.contains(&place.class);
        let is_ours = match &place.of {
            Of::Resource(id) => self.cells.known.contains(&(place.class, id.clone())),
            Of::Kind { .. } => false,
        };
        is_never_seen || (self.is_account_scope(place.class) && !is_ours)
    }

    /// Whether the bill's lines of a class are the whole account's.
    pub(super) fn is_account_scope(&self, class: Class) -> bool {
        is_account_scope(self.scope, class, self.cells.by_resource.contains(&class))
    }

    /// How long in a day nobody looked at a region's clusters: the longest of any of them. Where a bill
    /// with our tag has a region of which we know no cluster, all of the day.
    pub(super) fn unseen_seconds(&self, day: Date, region: Option<&str>) -> i64 {
        let day = Window::day(day);
        let here = |one: &&ClusterObserved| region.is_none_or(|region| one.id.region == region);
        let unseen = self.clusters.iter().filter(here).map(|cluster| {
            let seen: i64 = cluster
                .covered
                .iter()
                .filter_map(|one| one.overlap(day))
                .map(Window::seconds)
                .sum();
            (day.seconds() - seen).clamp(0, day.seconds())
        });
        let is_whole_account = matches!(self.scope, Scope::Accounts(_));
        let otherwise =
            if is_whole_account && !self.clusters.is_empty() { 0 } else { day.seconds() };
        unseen.max().unwrap_or(otherwise)
    }
}

/// What we say, at the rate that the bill had for the same.
pub(super) fn at_rate(cell: &Cell) -> Amount {
    if cell.at_book <= Amount::ZERO || !cell.is_on_bill() {
        return cell.ours;
    }
    let rate = cell.billed.raw().saturating_mul(WHOLE) / cell.at_book.raw();
    let (whole, rest) = (cell.ours.raw() / WHOLE, cell.ours.raw() % WHOLE);
    Amount::from_raw(whole.saturating_mul(rate).saturating_add(rest.saturating_mul(rate) / WHOLE))
}

fn divided_up(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}
