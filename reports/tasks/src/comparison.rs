//! What was seen, held against a bill: from files, or asked of Cost Explorer within a budget. The command
//! and the task of that name do the same, and word what went wrong in their own ways.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use runbook_capacity::money::Unpriced;
use runbook_capacity::prices::{PriceBook, Service};
use runbook_clients::aws::Connection;
use runbook_showback::allocate::showback::Basis;
use runbook_showback::allocate::{self, Charges, PriceOptions, Request, Rules};
use runbook_showback::bill::cost_explorer::{self, AskError, Cache, Question};
use runbook_showback::bill::{Bill, BillError, Wanted, read_files};
use runbook_showback::observed::{Finding, Observed, SETTLED, Severity, Window};
use runbook_showback::reconcile::{Ours, Reconciliation, Refused, reconcile};

/// What is compared.
pub struct Comparison<'a> {
    /// What was seen in the window.
    pub observed: &'a Observed,
    /// Prices.
    pub book: &'a PriceBook,
    /// Shared cost and owners.
    pub rules: Rules,
    /// Of which time.
    pub window: Window,
    /// As of when.
    pub slot: Timestamp,
    /// `sandbox`, `aws`: said in the title.
    pub from: &'a str,
    /// The owners whose tag counts. Without any, Cost Explorer is asked for each cluster's `nodeless/NAME`,
    /// and of files every owner counts.
    pub owners: &'a [String],
    /// Whether everything in the account counts.
    pub account_scope: bool,
}

/// Where the bill comes from.
pub enum Source<'a> {
    /// The files of one bill.
    Files(&'a [PathBuf]),
    /// Cost Explorer.
    CostExplorer {
        /// Through which account.
        aws: &'a Connection,
        /// Where answers are kept.
        cache: &'a Path,
        /// Requests at most.
        most_requests: u32,
        /// The world's time, by which a day's answers grow old.
        now: Timestamp,
    },
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    /// There is nothing of ours.
    #[error(transparent)]
    Ours(#[from] allocate::Refused),
    /// The files are no bill.
    #[error(transparent)]
    Files(#[from] BillError),
    /// The files are of another time.
    #[error("the bill has no line of {0}")]
    OtherTime(Window),
    /// What asking costs is not known.
    #[error("what a request to Cost Explorer costs is not known: {0}")]
    Price(Unpriced),
    /// Cost Explorer did not answer.
    #[error(transparent)]
    Asking(#[from] AskError),
    /// The two cannot be compared.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// A bill, and what of it is not known.
struct Billed {
    bill: Bill,
    unknown: Vec<jiff::civil::Date>,
    findings: Vec<Finding>,
}

/// Compares.
pub async fn compare(
    comparison: &Comparison<'_>,
    source: &Source<'_>,
) -> Result<Reconciliation, NotCompared> {
    let Comparison { observed, book, window, slot, .. } = comparison;
    let request = Request {
        window: *window,
        basis: Basis::Period,
        by: vec![allocate::Dimension::Namespace],
        weight: None,
        as_of: *slot,
        from: comparison.from.to_owned(),
        is_provisional: false,
        rules: comparison.rules.clone(),
        prices: PriceOptions::default(),
    };
    let charges = allocate::charges(observed, book, &request)?;
    let billed = match source {
        Source::Files(paths) => read(comparison, paths)?,
        Source::CostExplorer { .. } => asked(comparison, source).await?,
    };
    let ours =
        Ours { charges: &charges.charges, clusters: &observed.clusters, without: &billed.unknown };
    let mut found = reconcile(ours, &billed.bill, book, *slot)?;
    found.findings = findings(observed, &charges, billed.findings);
    Ok(found)
}

/// The bill of files.
fn read(comparison: &Comparison<'_>, paths: &[PathBuf]) -> Result<Billed, NotCompared> {
    let clusters = comparison.observed.clusters.iter();
    let clusters: BTreeSet<String> = clusters.map(|cluster| cluster.id.name.clone()).collect();
    let account_scope = comparison.account_scope;
    let wanted = Wanted {
        window: comparison.window,
        owner: comparison.owners.first().cloned(),
        clusters: (!account_scope && !clusters.is_empty()).then_some(clusters),
        account_scope,
    };
    let read = read_files(paths, &wanted)?;
    if read.bill.lines.is_empty() {
        return Err(NotCompared::OtherTime(comparison.window));
    }
    Ok(Billed { bill: read.bill, unknown: Vec::new(), findings: read.observed.findings })
}

/// The bill that Cost Explorer tells.
async fn asked(comparison: &Comparison<'_>, source: &Source<'_>) -> Result<Billed, NotCompared> {
    let Source::CostExplorer { aws, cache, most_requests, now } = source else {
        return Err(Refused::NotBilled { window: comparison.window }.into());
    };
    let (window, slot) = (comparison.window, comparison.slot);
    let asked_for = settled(window, slot);
    if asked_for.is_empty() {
        return Err(Refused::NothingSettled { window, slot }.into());
    }
    let clusters = &comparison.observed.clusters;
    let regions: BTreeSet<String> = clusters.iter().map(|one| one.id.region.clone()).collect();
    let region = regions.first().map_or("us-east-1", String::as_str);
    let price = comparison.book.service(region, Service::CostExplorerRequest);
    let price = price.map_err(NotCompared::Price)?.price;
    let owners = match (comparison.account_scope, comparison.owners) {
        (true, _) => Vec::new(),
        (false, []) => clusters.iter().map(|one| format!("nodeless/{}", one.id.name)).collect(),
        (false, named) => named.to_vec(),
    };
    let question = Question {
        window: asked_for,
        owners,
        regions: regions.into_iter().collect(),
        most_requests: *most_requests,
        price,
        now: *now,
    };
    let asked = cost_explorer::ask(aws, &Cache::at(cache), &question).await?;
    let bill = Bill { window, ..asked.bill };
    Ok(Billed { bill, unknown: asked.unknown, findings: asked.findings })
}

/// The days of a window that may be compared: nothing is paid for others.
fn settled(window: Window, slot: Timestamp) -> Window {
    let until = slot.saturating_sub(SETTLED).unwrap_or(Timestamp::MIN);
    let last = window.days().map(|(_, part)| part.end).take_while(|end| *end <= until).last();
    Window { start: window.start, end: last.unwrap_or(window.start) }
}

/// What a reader has to know of either side.
fn findings(observed: &Observed, charges: &Charges, billed: Vec<Finding>) -> Vec<Finding> {
    let mut all = billed;
    all.extend(charges.unpriced.iter().map(|(what, why)| Finding {
        severity: Severity::Loss,
        code: "unpriced",
        subject: what.clone(),
        message: format!("it is in none of our figures: {}", why.reason),
    }));
    let grave = observed.findings.iter().chain(&charges.findings);
    all.extend(grave.filter(|one| one.severity == Severity::Loss).cloned());
    all.sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.cmp(other)));
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use runbook_showback::observed::Period;

    use super::*;

    #[test]
    fn only_settled_days_are_paid_for() {
        let month = Period::Days("2026-10-01".parse().unwrap(), "2026-10-31".parse().unwrap());
        let slot: Timestamp = "2026-10-08T12:00:00Z".parse().unwrap();
        let window = month.at(slot, SignedDuration::ZERO).window;
        assert_eq!(settled(window, slot).to_string(), "2026-10-01 to 2026-10-05");
        let early: Timestamp = "2026-10-02T00:00:00Z".parse().unwrap();
        assert!(settled(window, early).is_empty());
    }
}
