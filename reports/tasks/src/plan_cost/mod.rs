//! What a plan adds to the month.
//!
//! The tasks of a plan say what they are billed for before and after ([`runbook_core::module::Billing`]);
//! here both are priced with one price book, and the difference is shown per line. Whether a pod is on
//! Fargate is decided by the profiles of the same plan; the rest is packed as Karpenter would, on the
//! plan's own `NodePool`s. Three kinds are kept apart: what is fixed as long as it is there, what depends on
//! use (each with its assumption, which [`ExpectedUsage`] replaces), and what is paid once. What has no
//! price is listed, and is in no sum.

mod place;
mod priced;
mod usage;

use std::collections::BTreeMap;

use runbook_capacity::money::{Amount, Total, Unpriced};
use runbook_capacity::prices::PriceBook;
use runbook_core::plan::{Kind, Plan};
use serde::Serialize;

pub use usage::{ExpectedUsage, UsageError};

use priced::{Priced, World};

/// How sure an amount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Each hour costs the same for as long as it is there.
    Fixed,
    /// It depends on how much it is used.
    Usage,
    /// It is paid once, not each month.
    Once,
}

/// What one thing of a plan changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The task; of nodes, which nobody declares, `nodes`.
    pub address: String,
    /// What costs.
    pub words: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// What the amount stands on: sizes, and what is assumed.
    pub basis: Option<String>,
    /// Per month now; nothing when it has no price.
    pub before: Result<Amount, Unpriced>,
    /// Per month then.
    pub after: Result<Amount, Unpriced>,
}

impl Line {
    /// Then less now.
    pub fn difference(&self) -> Result<Amount, Unpriced> {
        match (&self.after, &self.before) {
            (Ok(after), Ok(before)) => Ok(Amount::from_raw(after.raw() - before.raw())),
            (Err(unpriced), _) | (_, Err(unpriced)) => Err(unpriced.clone()),
        }
    }
}

/// What a plan adds to the month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanCost {
    /// The region whose prices were used.
    pub region: String,
    /// What changes: fixed first, then by use, then once; in the plan's order.
    pub lines: Vec<Line>,
    /// Fixed, per month.
    pub fixed: Total,
    /// By use, per month.
    pub usage: Total,
    /// Once.
    pub once: Total,
    /// The days of the prices, oldest and newest.
    pub as_of: Option<(jiff::civil::Date, jiff::civil::Date)>,
    /// Tasks that were counted as new because they can only be looked at later.
    pub deferred: usize,
}

impl PlanCost {
    /// Whether the plan changes no cost.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The months' difference, fixed and by use.
    pub fn monthly(&self) -> Total {
        let amount = self.fixed.amount.raw() + self.usage.amount.raw();
        let holes = self.fixed.holes.iter().chain(&self.usage.holes).cloned().collect();
        Total { amount: Amount::from_raw(amount), holes }
    }
}

/// Why a plan has no cost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanCostError {
    /// No connection says a region, and nobody gave one.
    #[error("the plan names no region, so no prices apply; --region names one")]
    NoRegion,
    /// Several do.
    #[error("the plan reaches several regions ({0}); --region says whose prices apply")]
    SeveralRegions(String),
}

/// Prices a plan, in its own region unless another one is given.
pub fn plan_cost(
    plan: &Plan,
    prices: &PriceBook,
    usage: &ExpectedUsage,
    region: Option<&str>,
) -> Result<PlanCost, PlanCostError> {
    let region = match region {
        Some(region) => region.to_owned(),
        None => region_of(plan)?,
    };
    let world = |is_after: bool| {
        let charges =
            plan.tasks.iter().filter(|task| task.kind != Kind::Skipped).flat_map(|task| {
                let billing = task.billing.as_ref();
                let charges = billing.map(|one| if is_after { &one.after } else { &one.before });
                charges.into_iter().flatten().map(|charge| (task.address.as_str(), charge))
            });
        World::new(charges.collect(), &region, prices, usage)
    };
    let (before, after) = (world(false), world(true));
    let as_of = after.as_of().into_iter().chain(before.as_of());
    let as_of = as_of.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    let (before, after) = (before.priced(), after.priced());
    let mut lines = differences(&before, &after);
    let order: BTreeMap<&str, usize> =
        plan.tasks.iter().enumerate().map(|(at, task)| (task.address.as_str(), at)).collect();
    lines.sort_by_key(|line| {
        (line.certainty, order.get(line.address.as_str()).copied().unwrap_or(usize::MAX))
    });
    let total = |certainty: Certainty| {
        let mut total = Total::default();
        lines.iter().filter(|line| line.certainty == certainty).for_each(|line| {
            total.add(line.difference());
        });
        total
    };
    let open = |kind: Kind| matches!(kind, Kind::Deferred | Kind::Expands | Kind::Conditional);
    let deferred = plan.tasks.iter().filter(|task| open(task.kind) && task.billing.is_some());
    Ok(PlanCost {
        fixed: total(Certainty::Fixed),
        usage: total(Certainty::Usage),
        once: total(Certainty::Once),
        deferred: deferred.count(),
        region,
        lines,
        as_of,
    })
}

/// What is not the same before and after; what has no price shows when it is new.
fn differences(before: &[Priced], after: &[Priced]) -> Vec<Line> {
    let key = |priced: &Priced| (priced.address.clone(), priced.words.clone());
    let index = |all: &[Priced]| -> BTreeMap<(String, String), Priced> {
        all.iter().map(|priced| (key(priced), priced.clone())).collect()
    };
    let (before, after) = (index(before), index(after));
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let nothing = || Ok(Amount::ZERO);
    keys.into_iter()
        .filter_map(|key| {
            let (was, is) = (before.get(key), after.get(key));
            let shown = is.or(was)?;
            let line = Line {
                address: shown.address.clone(),
                words: shown.words.clone(),
                certainty: shown.certainty,
                basis: shown.basis.clone(),
                before: was.map_or_else(nothing, |priced| priced.monthly.clone()),
                after: is.map_or_else(nothing, |priced| priced.monthly.clone()),
            };
            let is_new_or_gone = was.is_none() || is.is_none();
            (line.before != line.after
                || (is_new_or_gone && line.difference().is_err())
                || is_free(&line, is_new_or_gone))
            .then_some(line)
        })
        .collect()
}

/// Something new that is used without a price to pay: worth a line, for its assumption may be wrong.
fn is_free(line: &Line, is_new_or_gone: bool) -> bool {
    is_new_or_gone && line.certainty == Certainty::Usage
}

/// `aws 111122223333 ap-northeast-2` says the region.
fn region_of(plan: &Plan) -> Result<String, PlanCostError> {
    let mut regions: Vec<&str> = plan
        .target
        .connections
        .iter()
        .filter_map(|connection| connection.strip_prefix("aws "))
        .filter_map(|connection| connection.split_whitespace().nth(1))
        .collect();
    regions.sort_unstable();
    regions.dedup();
    match regions.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(PlanCostError::NoRegion),
        several => Err(PlanCostError::SeveralRegions(several.join(", "))),
    }
}
