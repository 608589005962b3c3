//! Whether what we say it cost agrees with what AWS says, and why it does not.
//!
//! Classes are compared, never pods: EC2 compute, EBS, Fargate vCPU and so on, over whole UTC days that
//! ended at least 48 hours ago. Of each class stand beside each other what we charge at list prices, the
//! same at the rate the bill really had, and the bill. The difference is split into its causes, and the
//! causes add up to it exactly: `ours = bill + causes`, in every cell and every sum.
//!
//! # How a difference is divided
//! Between what we say and the bill stand two figures: the billed *quantity at our prices*, and the
//! bill's own list cost. From ours to the first it is volume, from the first to the second price, from
//! the second to the bill discount. Volume has a cause of its own: time in which nobody looked (at most
//! its share of the day), what is outside the scope, what AWS may still change; what is left of it is
//! unexplained.
//!
//! | module | what it is |
//! |---|---|
//! | `cells` | both sides by day, class, and resource or kind |
//! | `price` | a billed quantity at the book's prices |
//! | `rates` | what the account pays of list, where the bill does not say its list cost |
//! | `causes` | a cell's difference by cause |
//! | `remarks` | the causes in sentences |

mod answer;
mod causes;
mod cells;
mod price;
mod rates;
mod remarks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use runbook_capacity::money::Amount;
use runbook_capacity::prices::PriceBook;

use crate::allocate::charge::Charge;
use crate::bill::{Bill, Category, Class, Scope};
use crate::observed::{ClusterObserved, SETTLED, Window};

pub use answer::{
    Cause, Causes, ClassLine, NotCompared, Reconciliation, ResourceLine, Side, TOLERANCE,
};
use causes::Judge;
use cells::{Cell, Cells, Of, Place};
use rates::Rates;

/// What we say: the finest charges, and when the clusters were looked at.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// The charges at list prices.
    pub charges: &'a [Charge],
    /// What is known of each cluster's coverage.
    pub clusters: &'a [ClusterObserved],
    /// Days of which the bill is not known (the budget for asking was used up): they are left out.
    pub without: &'a [Date],
}

/// Why nothing was compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No day of the bill's window has settled.
    #[error(
        "no day of {window} can be compared yet: AWS may change a UTC day until 48 h after its end, and \
         it is {slot}; ask for an earlier --window"
    )]
    NothingSettled {
        /// The window.
        window: Window,
        /// When it was asked.
        slot: Timestamp,
    },
    /// The bill of none of the days is known.
    #[error(
        "the bill of no day of {window} is known: the budget of requests was used up before; --ask-at-most \
         allows more, and what was answered is kept"
    )]
    NotBilled {
        /// The window.
        window: Window,
    },
}

/// Compares what we say with a bill, as of a moment.
pub fn reconcile(
    ours: Ours<'_>,
    bill: &Bill,
    prices: &PriceBook,
    slot: Timestamp,
) -> Result<Reconciliation, Refused> {
    let (mut days, unsettled) = days(bill.window, slot);
    if days.is_empty() {
        return Err(Refused::NothingSettled { window: bill.window, slot });
    }
    days.retain(|day| !ours.without.contains(day));
    if days.is_empty() {
        return Err(Refused::NotBilled { window: bill.window });
    }
    let cells = Cells::of(ours.charges, bill, &days, prices);
    let rates = Rates::of(&cells);
    let judge = Judge { cells: &cells, rates: &rates, scope: &bill.scope, clusters: ours.clusters };
    let mut lines: BTreeMap<Class, ClassLine> = BTreeMap::new();
    for (place, cell) in &cells.cells {
        let line = lines.entry(place.class).or_insert_with(|| ClassLine::empty(place.class));
        line.list += cell.ours;
        line.effective += causes::at_rate(cell);
        line.billed += cell.billed;
        line.causes.add_all(&judge.causes(place, cell));
    }
    for (class, amount) in &cells.foreign {
        let line = lines.entry(*class).or_insert_with(|| ClassLine::empty(*class));
        line.list += *amount;
        line.effective += *amount;
        line.causes.add(Cause::OutsideScope, *amount);
    }
    for line in lines.values_mut() {
        line.is_account_scope = judge.is_account_scope(line.class);
        line.judge();
        line.remarks = remarks::of(line, &judge, &days);
    }
    let classes: Vec<ClassLine> = lines
        .into_values()
        .filter(|line| line.list != Amount::ZERO || line.billed != Amount::ZERO)
        .collect();
    Ok(Reconciliation {
        window: bill.window,
        days,
        unsettled,
        as_of: slot,
        source: bill.source.clone(),
        scope: bill.scope.clone(),
        total: ClassLine::total(&classes),
        classes,
        not_compared: not_compared(bill),
        by_resource: !cells.by_resource.is_empty(),
        resources: resources(&cells),
        asking: bill.asking,
        findings: Vec::new(),
    })
}

/// The whole days of a window that have settled, and those that have not.
fn days(window: Window, slot: Timestamp) -> (Vec<Date>, Vec<Date>) {
    let whole = window.days().filter(|(day, part)| Window::day(*day) == *part);
    let (settled, unsettled): (Vec<_>, Vec<_>) = whole.partition(|(_, part)| {
        part.end.saturating_add(SETTLED).is_ok_and(|settled| settled <= slot)
    });
    let only_days = |of: Vec<(Date, Window)>| of.into_iter().map(|(day, _)| day).collect();
    (only_days(settled), only_days(unsettled))
}

/// What is no use: one line for each category that has any.
fn not_compared(bill: &Bill) -> Vec<NotCompared> {
    let mut sums: BTreeMap<Category, Amount> = BTreeMap::new();
    for line in bill.lines.iter().filter(|line| line.category != Category::Usage) {
        *sums.entry(line.category).or_default() += line.effective;
    }
    sums.into_iter().map(|(category, amount)| NotCompared { category, amount }).collect()
}

/// Things of one side only, dearest first.
fn resources(cells: &Cells) -> Vec<ResourceLine> {
    let mut both: BTreeMap<(Class, &str), (Amount, Amount, &str)> = BTreeMap::new();
    let mut billed: BTreeSet<(Class, &str)> = BTreeSet::new();
    for (Place { class, of, .. }, cell) in &cells.cells {
        let Of::Resource(id) = of else { continue };
        let sums = both.entry((*class, id)).or_default();
        sums.0 += cell.ours;
        sums.1 += cell.billed;
        if !cell.usage.is_empty() {
            sums.2 = &cell.usage;
            billed.insert((*class, id));
        }
    }
    let mut found: Vec<ResourceLine> = both
        .into_iter()
        .filter_map(|((class, id), (ours, amount, usage))| {
            let is_known = cells.known.contains(&(class, id.to_owned()));
            let is_billed = billed.contains(&(class, id));
            let (side, amount) = match (is_known, is_billed) {
                (true, false) => (Side::Seen, ours),
                (false, true) => (Side::Billed, amount),
                _ => return None,
            };
            Some(ResourceLine { side, class, id: id.to_owned(), kind: usage.to_owned(), amount })
        })
        .collect();
    found.sort_by(|one, other| other.amount.cmp(&one.amount).then_with(|| one.id.cmp(&other.id)));
    found
}

/// Whether a class of a bill reaches as far as the whole account: its scope is, or it is Fargate without
/// pods in Cost Explorer, whose lines never carry a tag.
fn is_account_scope(scope: &Scope, class: Class, by_resource: bool) -> bool {
    let is_fargate =
        matches!(class, Class::FargateVcpu | Class::FargateMemory | Class::FargateStorage);
    match scope {
        Scope::Accounts(_) => true,
        Scope::Tag(_) => is_fargate && !by_resource,
        Scope::Clusters(_) => false,
    }
}

impl Cell {
    /// Whether the bill has anything of it.
    fn is_on_bill(&self) -> bool {
        !self.usage.is_empty() || self.billed != Amount::ZERO
    }
}
