//! From what was observed to who pays: every amount is conserved.

pub mod charge;
mod dimension;
mod request;
pub mod rules;
pub mod showback;
mod weight;

use runbook_capacity::money::Unpriced;
use runbook_capacity::prices::PriceBook;
use std::sync::Arc;

pub use dimension::{Dimension, DimensionError, dimensions};
pub use request::{PriceOptions, Refused, Request};
pub use rules::Rules;
pub use showback::{Showback, Weight};
pub use weight::WeightError;

use crate::observed::{Finding, Observed};
use charge::{Charge, PodRef};
use showback::{Coverage, PriceBasis, RuleUse};

/// The finest grain of an allocation, with what a reader of it has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Charges {
    /// Ordered by cluster, origin, day.
    pub charges: Vec<Charge>,
    /// What has no price, and is in no charge.
    pub unpriced: Vec<(String, Unpriced)>,
    /// Pods with neither request nor usage, which are charged nothing.
    pub unmeasured: Vec<Arc<PodRef>>,
    /// Prices.
    pub prices: PriceBasis,
    /// What was seen.
    pub coverage: Coverage,
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
    let _ = (observed, prices);
    Err(Refused::NothingSeen { window: request.window })
}

/// Who pays for a window; `before` is what was seen in the window before it.
pub fn showback(
    observed: &Observed,
    before: Option<&Observed>,
    prices: &PriceBook,
    request: &Request,
) -> Result<Showback, Refused> {
    let _ = (observed, before, prices);
    Err(Refused::NothingSeen { window: request.window })
}
