//! From what was observed to who pays: every amount is conserved.
//!
//! The way of the money, each step a module, each checked in the program and not only in tests:
//!
//! | step | from → to | held against |
//! |---|---|---|
//! | `node`, `stay`, `standing` | rows of any source → lives of nodes, stays of pods, what stands | – |
//! | `divide` | a node's part of a day → quantities by whom they went to | capacity times seconds |
//! | `division` | quantities and a weight → pieces of money | what the origin cost in that part of the day |
//! | `ledger` | pieces → rows; idle, overhead and shared cost by rule | all pieces, in all and by day |
//! | `table`, `change` | rows → the answer | pods against rows, causes against the difference |
//!
//! A sum that does not hold is [`Refused::NotConserved`]: no table is better than a wrong one. Nothing
//! here reads a file or a clock.
//!
//! What costs: an instance from its launch to its end at the on-demand price (spot at the median that was
//! seen), the fee of Auto Mode and the root volume where it is known; a Fargate pod by its size; a
//! cluster's control plane; what the rules state. What has no price is listed and in no total.

mod budget;
mod change;
pub mod charge;
mod coverage;
mod dimension;
mod divide;
mod division;
mod key;
mod ledger;
mod node;
mod priced;
mod remarks;
mod request;
pub mod rules;
mod share;
pub mod showback;
mod standing;
mod stay;
mod table;
mod view;
mod weight;
mod world;

use std::sync::Arc;

use runbook_capacity::money::Unpriced;
use runbook_capacity::prices::PriceBook;

pub use dimension::{Dimension, DimensionError, dimensions};
pub use request::{PriceOptions, Refused, Request};
pub use rules::Rules;
pub use showback::{Showback, Weight};
pub use weight::WeightError;

use crate::observed::{Finding, Observed};
use charge::{Charge, PodRef, Recipient};
use division::To;
use showback::{Coverage, PriceBasis, RuleUse};
use world::World;

/// The finest grain of an allocation, with what a reader of it has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Charges {
    /// Nodes by cluster, name and day, then pods on Fargate, then what stands. Idle and shared cost are
    /// not handed on here, and a pod of the system layer is charged like any other.
    pub charges: Vec<Charge>,
    /// What has no price, and is in no charge.
    pub unpriced: Vec<(String, Unpriced)>,
    /// Pods with neither request nor usage, which are charged nothing.
    pub unmeasured: Vec<Arc<PodRef>>,
    /// Prices.
    pub prices: PriceBasis,
    /// What was seen.
    pub coverage: Coverage,
    /// Less than 95 % was seen.
    pub is_estimate: bool,
    /// How the rules of owners did.
    pub rules: Vec<RuleUse>,
    /// The rest.
    pub findings: Vec<Finding>,
}

/// What every origin cost on every day, and to whom that goes at first.
pub fn charges(
    observed: &Observed,
    prices: &PriceBook,
    request: &Request,
) -> Result<Charges, Refused> {
    coverage::admit(observed, request)?;
    let world = World::new(observed, prices, request)?;
    let ratios = world.ratios(request.weight(), prices)?;
    let mut charges = Vec::new();
    world.each(&mut |division| {
        for piece in division.pieces(ratios[division.cluster])? {
            charges.push(Charge {
                day: world.view.date(division.day),
                period: division.period,
                class: piece.class,
                origin: Arc::clone(division.origin),
                recipient: recipient(&world, piece.to),
                part: piece.part,
                amount: piece.amount,
            });
        }
        Ok(())
    })?;
    let (coverage, is_estimate) = coverage::coverage(observed, &world);
    let mut findings = observed.findings.clone();
    findings.extend(remarks::remarks(&world));
    findings.sort();
    findings.dedup();
    Ok(Charges {
        charges,
        unmeasured: world.pod_remarks.unmeasured.clone(),
        prices: world.prices.clone(),
        coverage,
        is_estimate,
        rules: world.rules.clone(),
        findings,
        unpriced: world.unpriced.into_iter().collect(),
    })
}

fn recipient(world: &World, to: To) -> Recipient {
    match to {
        To::Holder(holder) => Recipient::Pod(Arc::clone(&world.holders[holder].pod)),
        To::Node(overhead) => Recipient::Node(overhead),
        To::Idle => Recipient::Idle,
        To::Shared(shared) => Recipient::Shared(Arc::clone(&world.shared[shared].0)),
    }
}

/// Who pays for a window; `before` is what was seen in the window before it.
pub fn showback(
    observed: &Observed,
    before: Option<&Observed>,
    prices: &PriceBook,
    request: &Request,
) -> Result<Showback, Refused> {
    table::showback(observed, before, prices, request)
}
