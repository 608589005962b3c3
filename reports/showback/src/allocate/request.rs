//! What is asked of an allocation, and why it may be refused.

use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::money::{Amount, Unpriced};
use runbook_capacity::prices::PriceBook;

use super::showback::{Basis, Weight};
use super::{Dimension, Rules};
use crate::observed::Window;

/// What else there is to know of prices.
#[derive(Debug, Clone, Default)]
pub struct PriceOptions {
    /// The prices at which the window before was reported, where those were others: what has moved
    /// between the two books is the cause *price*.
    pub before: Option<Arc<PriceBook>>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The window; of an hourly rate the moment, as an empty window.
    pub window: Window,
    /// A period, or the rate of a moment.
    pub basis: Basis,
    /// What a row of the table stands for.
    pub by: Vec<Dimension>,
    /// The weight, where it is not that of the rules.
    pub weight: Option<Weight>,
    /// When this is made, as a moment of the world: nothing costs after it.
    pub as_of: Timestamp,
    /// `sandbox`, `aws`, a file's name.
    pub from: String,
    /// Whether the window had not settled.
    pub is_provisional: bool,
    /// Owners, shared cost, idle, budgets.
    pub rules: Rules,
    /// What else there is to know of prices.
    pub prices: PriceOptions,
}

impl Request {
    /// The weight that is used: asked for, else of the rules, else 9:1.
    pub fn weight(&self) -> Weight {
        self.weight.or(self.rules.weight).unwrap_or(Weight::SPLIT_COST_ALLOCATION)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The store has nothing for that window.
    #[error(
        "nothing was observed in {window}; `runbook collect` observes from now on, Prometheus or a bill may know the past"
    )]
    NothingSeen {
        /// Which window.
        window: Window,
    },
    /// A single look is no period.
    #[error(
        "cluster {clusters} was looked at once: that is a rate per hour (`--window now`) and says nothing about {window}; `runbook collect --every 5m` looks again and again"
    )]
    OneLook {
        /// The clusters, each by its name.
        clusters: String,
        /// The window that was asked for.
        window: Window,
    },
    /// It has not begun.
    #[error("the window {window} has not begun at {as_of}")]
    Future {
        /// Which window.
        window: Window,
        /// When that was asked.
        as_of: Timestamp,
    },
    /// A period without any time in it.
    #[error(
        "the window at {at} is empty; a moment can only be asked for as a rate per hour (`now`)"
    )]
    Empty {
        /// Where it is.
        at: Timestamp,
    },
    /// No dimension.
    #[error("`--by` names nothing to group by: {}", super::Dimension::KNOWN)]
    NoDimension,
    /// A weight by price without a price.
    #[error("the weight `by_price` needs Fargate's prices in `{region}`: {why}")]
    NoWeight {
        /// The region.
        region: String,
        /// Which price is missing.
        why: Unpriced,
    },
    /// A mistake of this program: some money was lost or made. Nothing is shown then.
    #[error(
        "not conserved: {step} makes {found} of {expected} (in 1/2628000 of 10⁻¹⁰ $); this is a mistake in runbook, so no table is shown"
    )]
    NotConserved {
        /// Where.
        step: String,
        /// What went in.
        expected: i128,
        /// What came out.
        found: i128,
    },
}

impl Refused {
    /// Checks that what came out of a step is what went in.
    pub(super) fn unless_conserved(
        step: impl FnOnce() -> String,
        expected: Amount,
        found: Amount,
    ) -> Result<(), Self> {
        if expected == found {
            return Ok(());
        }
        Err(Self::NotConserved { step: step(), expected: expected.raw(), found: found.raw() })
    }
}
