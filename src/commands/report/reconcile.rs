//! `runbook report reconcile`: what the samples say against what AWS bills, class by class.
//!
//! The bill is a file (a CUR 2.0 or FOCUS export), else Cost Explorer is asked, within a budget of
//! requests and at most once a day for the same; what asking cost is on the report. Exit 8 says that a
//! class has more than 2 % unexplained.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use runbook_capacity::answer::schema::Shape;
use runbook_capacity::prices::{PriceBook, Service};
use runbook_clients::aws::Connection;
use runbook_core::connection::{Access, Kind};
use runbook_core::value::Value;
use runbook_showback::allocate::showback::Basis;
use runbook_showback::allocate::{self, Charges, Request, Rules};
use runbook_showback::bill::cost_explorer::{self, AskError, Cache, Question};
use runbook_showback::bill::{Bill, Wanted, read_files};
use runbook_showback::observed::{Finding, Observed, Period, SETTLED, Severity, Window};
use runbook_showback::reconcile::{Ours, Reconciliation, Refused, reconcile};
use runbook_showback::render::reconcile as forms;

use super::deliver;
use super::seen::{Seen, SeenArguments};
use crate::commands::capacity::{Problems, files, refuse};
use crate::commands::{Session, block_on};
use crate::exit::Exit;
use crate::target::{On, SandboxOptions, Target};
use crate::trouble::Trouble;

/// Where the answers of the sandbox's Cost Explorer are kept, in the state folder.
pub(crate) const SIMULATED_ANSWERS: &str = "sandbox/cost-explorer";

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReconcileArguments {
    /// For which time: previous_month, month_to_date, previous_week, previous_day, a month (2026-10),
    /// a day, days (2026-10-01..2026-10-31); only days that ended 48 h before the slot are compared
    #[arg(long, value_name = "PERIOD", default_value = "previous_month")]
    window: Period,
    /// A bill: a CUR 2.0 or FOCUS export as CSV, CSV.gz or Parquet; may be repeated for the parts of
    /// one [default: Cost Explorer is asked]
    #[arg(long = "bill", value_name = "FILE")]
    bills: Vec<PathBuf>,
    /// The moment that the window follows from [default: now, the target's time]
    #[arg(long, value_name = "TIME")]
    slot: Option<Timestamp>,
    /// Where samples are kept [default: samples in the state folder]
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
    /// Only this cluster, by its name or as account/region/name; may be repeated
    #[arg(long, value_name = "NAME")]
    cluster: Vec<String>,
    /// Owners, shared cost, idle and budgets, as report showback has them: a YAML file
    #[arg(long, value_name = "FILE")]
    rules: Option<String>,
    /// The owner whose tag runbook/owner counts; may be repeated [default: nodeless/CLUSTER]
    #[arg(long, value_name = "OWNER")]
    owner: Vec<String>,
    /// Compare with everything in the account, whatever carries our tag
    #[arg(long, conflicts_with = "owner")]
    account_scope: bool,
    /// Requests to Cost Explorer at most; each costs a cent
    #[arg(long, visible_alias = "budget-requests", value_name = "N", default_value_t = 10)]
    ask_at_most: u32,
    /// Whose clusters, prices, time and bill
    #[arg(long, value_enum, default_value = "sandbox", value_name = "TARGET")]
    on: On,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Where the answer goes [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For a spreadsheet.
    Csv,
    /// For programs; `runbook report schema reconcile` describes it.
    Json,
    /// For a pull request or a message.
    Markdown,
    /// One page to look at, for a mail or a wiki.
    Html,
}

pub(super) fn schema() -> (&'static str, Shape) {
    ("runbook report reconcile", forms::SCHEMA)
}

pub(super) fn run(session: &Session, arguments: &ReconcileArguments) -> Result<Exit, Trouble> {
    let nothing = "nothing was compared";
    let given =
        rules(session, arguments).and_then(|rules| window_is_past(arguments).map(|()| rules));
    let rules = match given {
        Ok(rules) => rules,
        Err(problems) => return Ok(refuse(&session.printer, &problems, nothing)),
    };
    let seen = SeenArguments {
        samples: arguments.samples.clone(),
        // Ours is what was seen without the bill: it is what the bill is held against.
        bills: Vec::new(),
        cluster: arguments.cluster.clone(),
        inventory: None,
        region: None,
        on: arguments.on,
    };
    let seen = match Seen::open(session, &seen)? {
        Ok(seen) => seen,
        Err(problems) => return Ok(refuse(&session.printer, &problems, nothing)),
    };
    let book = match session.price_lists(seen.on).book(None) {
        Ok(book) => book,
        Err(why) => return Ok(refuse(&session.printer, &[why], nothing)),
    };
    let found = block_on(compared(session, arguments, &seen, &book, rules))?;
    let from = &seen.from;
    let text = match arguments.output {
        Output::Table => forms::text(&found, from),
        Output::Csv => forms::csv(&found, from),
        Output::Json => forms::json(&found, from).map_err(|error| Trouble::of(&error))?,
        Output::Markdown => forms::markdown(&found, from),
        Output::Html => forms::html(&found, from),
    };
    deliver(session, &text, arguments.out.as_deref(), &forms::title(&found, from))?;
    Ok(if found.is_reconciled() { Exit::Done } else { Exit::NotReconciled })
}

fn rules(session: &Session, arguments: &ReconcileArguments) -> Result<Rules, Problems> {
    let Some(name) = &arguments.rules else { return Ok(Rules::default()) };
    let file = files::read(name, &session.environment).map_err(|why| vec![why])?;
    Rules::read(&file.name, &file.text)
}

fn window_is_past(arguments: &ReconcileArguments) -> Result<(), Problems> {
    if arguments.window == Period::Now {
        return Err(vec![
            "`now` is no time that was billed; --window previous_month is".to_owned(),
        ]);
    }
    Ok(())
}

/// What is known of both sides, held against each other.
async fn compared(
    session: &Session,
    arguments: &ReconcileArguments,
    seen: &Seen,
    book: &PriceBook,
    rules: Rules,
) -> Result<Reconciliation, Trouble> {
    let needs_target = arguments.slot.is_none() || arguments.bills.is_empty();
    let target = if needs_target {
        let options = SandboxOptions::default();
        let (state, printer) = (&session.state, &session.printer);
        Some(Target::open(arguments.on, &options, state, &session.environment, printer).await?)
    } else {
        None
    };
    let now = target.as_ref().map(|target| target.clock.now());
    let slot = arguments.slot.or(now).unwrap_or_default();
    let window = arguments.window.at(slot, SETTLED).window;
    let both = both(session, arguments, seen, book, (rules, window, slot), target.as_ref()).await;
    if let Some(target) = target {
        target.close().await;
    }
    let Both { observed, charges, billed } = both?;
    let ours =
        Ours { charges: &charges.charges, clusters: &observed.clusters, without: &billed.unknown };
    let mut found = reconcile(ours, &billed.bill, book, slot).map_err(|error| {
        let exit = match error {
            Refused::NothingSettled { .. } => Exit::Usage,
            Refused::NotBilled { .. } => Exit::Failed,
        };
        Trouble::of(&error).exit(exit)
    })?;
    found.findings = findings(&observed, &charges, billed.findings);
    Ok(found)
}

/// Both sides.
struct Both {
    observed: Observed,
    charges: Charges,
    billed: Billed,
}

/// A bill, and what of it is not known.
struct Billed {
    bill: Bill,
    unknown: Vec<jiff::civil::Date>,
    findings: Vec<Finding>,
}

async fn both(
    session: &Session,
    arguments: &ReconcileArguments,
    seen: &Seen,
    book: &PriceBook,
    (rules, window, slot): (Rules, Window, Timestamp),
    target: Option<&Target>,
) -> Result<Both, Trouble> {
    let observed = seen.observed(window)?;
    let by = allocate::dimensions("namespace").map_err(|error| Trouble::of(&error))?;
    let request = Request {
        window,
        basis: Basis::Period,
        by,
        weight: None,
        as_of: slot,
        from: seen.from.clone(),
        is_provisional: false,
        rules,
        prices: allocate::PriceOptions::default(),
    };
    let charges = allocate::charges(&observed, book, &request).map_err(|error| {
        Trouble::of(&error).hint("runbook collect --every 5m observes from now on")
    })?;
    let billed = match target.filter(|_| arguments.bills.is_empty()) {
        Some(target) => asked(session, arguments, target, &observed, (book, window, slot)).await?,
        None => read(session, arguments, &observed, window)?,
    };
    Ok(Both { observed, charges, billed })
}

/// The bill of files.
fn read(
    session: &Session,
    arguments: &ReconcileArguments,
    observed: &Observed,
    window: Window,
) -> Result<Billed, Trouble> {
    let folder = &session.environment.working_directory;
    let paths: Vec<PathBuf> = arguments.bills.iter().map(|file| folder.join(file)).collect();
    let clusters: BTreeSet<String> =
        observed.clusters.iter().map(|cluster| cluster.id.name.clone()).collect();
    let wanted = Wanted {
        window,
        owner: arguments.owner.first().cloned(),
        clusters: (!arguments.account_scope && !clusters.is_empty()).then_some(clusters),
        account_scope: arguments.account_scope,
    };
    let read =
        read_files(&paths, &wanted).map_err(|error| Trouble::of(&error).exit(Exit::Usage))?;
    if read.bill.lines.is_empty() {
        return Err(Trouble::usage(format!("the bill has no line of {window}"))
            .hint("is it of another month? --window names the one to compare"));
    }
    Ok(Billed { bill: read.bill, unknown: Vec::new(), findings: read.observed.findings })
}

/// The bill that Cost Explorer tells.
async fn asked(
    session: &Session,
    arguments: &ReconcileArguments,
    target: &Target,
    observed: &Observed,
    (book, window, slot): (&PriceBook, Window, Timestamp),
) -> Result<Billed, Trouble> {
    let asked_for = settled(window, slot);
    if asked_for.is_empty() {
        return Err(Trouble::of(&Refused::NothingSettled { window, slot }).exit(Exit::Usage));
    }
    let clusters = &observed.clusters;
    let regions: BTreeSet<String> = clusters.iter().map(|one| one.id.region.clone()).collect();
    let region = regions.first().cloned().unwrap_or_else(|| "us-east-1".to_owned());
    let price = book.service(&region, Service::CostExplorerRequest);
    let price = price.map_err(|error| Trouble::of(&error).exit(Exit::Unpriced))?.price;
    let owners = match (arguments.account_scope, arguments.owner.is_empty()) {
        (true, _) => Vec::new(),
        (false, false) => arguments.owner.clone(),
        (false, true) => clusters.iter().map(|one| format!("nodeless/{}", one.id.name)).collect(),
    };
    let settings = BTreeMap::from([("region".to_owned(), Value::from(region.as_str()))]);
    let connection = target
        .connector(None)
        .connect(Kind::Aws, &settings, None, Access::Read)
        .await
        .map_err(Trouble::from)?;
    let aws = connection
        .handle
        .downcast_ref::<Connection>()
        .ok_or_else(|| Trouble::failed("the connection is to no account"))?;
    session.state.create()?;
    let cache = Cache::at(&cache_folder(session, target, aws));
    let question = Question {
        window: asked_for,
        owners,
        regions: regions.into_iter().collect(),
        most_requests: arguments.ask_at_most,
        price,
        now: target.clock.now(),
    };
    let asked = cost_explorer::ask(aws, &cache, &question).await.map_err(refused)?;
    let bill = Bill { window, ..asked.bill };
    Ok(Billed { bill, unknown: asked.unknown, findings: asked.findings })
}

/// The days of a window that may be compared: nothing is paid for others.
fn settled(window: Window, slot: Timestamp) -> Window {
    let until = slot.saturating_sub(SETTLED).unwrap_or(Timestamp::MIN);
    let last = window.days().map(|(_, part)| part.end).take_while(|end| *end <= until).last();
    Window { start: window.start, end: last.unwrap_or(window.start) }
}

/// Answers of an account at one place: of AWS, of whoever stands in, of the sandbox's world, with which
/// they are forgotten.
fn cache_folder(session: &Session, target: &Target, aws: &Connection) -> PathBuf {
    let state = &session.state.path;
    let folder = match (target.on, aws.endpoint_url()) {
        (On::Sandbox, _) => state.join(SIMULATED_ANSWERS),
        (On::Aws, Some(url)) => {
            let hash = blake3::hash(url.as_bytes()).to_hex();
            state.join("cost-explorer").join(format!("at-{}", &hash[..16]))
        }
        (On::Aws, None) => state.join("cost-explorer").join("aws"),
    };
    folder.join(aws.account())
}

fn refused(error: AskError) -> Trouble {
    let trouble = Trouble::of(&error);
    match error {
        AskError::Refused { source, .. } if source.is_denied() => trouble.hint(
            "the caller must be allowed `ce:GetCostAndUsage` and `ce:ListCostAllocationTags`; or give a bill \
             by --bill",
        ),
        AskError::Refused { .. } => trouble.hint(
            "what was answered is kept and not asked for again; a CUR or FOCUS file by --bill needs no asking",
        ),
        AskError::Cache(_) | AskError::Answer { .. } => trouble,
    }
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
