//! `runbook report reconcile`: what the samples say against what AWS bills, class by class.
//!
//! The bill is a file (a CUR 2.0 or FOCUS export), else Cost Explorer is asked, within a budget of
//! requests and at most once a day for the same; what asking cost is on the report. Exit 8 says that a
//! class has more than 2 % unexplained.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use runbook_capacity::answer::schema::Shape;
use runbook_capacity::prices::PriceBook;
use runbook_clients::aws::Connection;
use runbook_core::connection::{Access, Kind};
use runbook_core::value::Value;
use runbook_showback::allocate::Rules;
use runbook_showback::bill::cost_explorer::AskError;
use runbook_showback::observed::{Period, SETTLED, Window};
use runbook_showback::reconcile::{Reconciliation, Refused};
use runbook_showback::render::reconcile as forms;
use runbook_tasks::comparison::{Comparison, NotCompared, Source, compare};

use super::deliver;
use super::seen::{Seen, SeenArguments};
use crate::commands::capacity::{Problems, files, refuse};
use crate::commands::{Session, block_on};
use crate::exit::Exit;
use crate::target::{On, SandboxOptions, Target};
use crate::trouble::Trouble;

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
    let found = held(session, arguments, seen, book, (rules, window, slot), target.as_ref()).await;
    if let Some(target) = target {
        target.close().await;
    }
    found
}

async fn held(
    session: &Session,
    arguments: &ReconcileArguments,
    seen: &Seen,
    book: &PriceBook,
    (rules, window, slot): (Rules, Window, Timestamp),
    target: Option<&Target>,
) -> Result<Reconciliation, Trouble> {
    let observed = seen.observed(window)?;
    let comparison = Comparison {
        observed: &observed,
        book,
        rules,
        window,
        slot,
        from: &seen.from,
        owners: &arguments.owner,
        account_scope: arguments.account_scope,
    };
    let Some(target) = target.filter(|_| arguments.bills.is_empty()) else {
        let folder = &session.environment.working_directory;
        let files: Vec<PathBuf> = arguments.bills.iter().map(|file| folder.join(file)).collect();
        return compare(&comparison, &Source::Files(&files)).await.map_err(not_compared);
    };
    let region = observed.clusters.first().map_or("us-east-1", |one| one.id.region.as_str());
    let settings = BTreeMap::from([("region".to_owned(), Value::from(region))]);
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
    let cache = session.state.asked_costs(target.on, aws.endpoint_url(), aws.account());
    let source = Source::CostExplorer {
        aws,
        cache: &cache,
        most_requests: arguments.ask_at_most,
        now: target.clock.now(),
    };
    compare(&comparison, &source).await.map_err(not_compared)
}

fn not_compared(why: NotCompared) -> Trouble {
    let trouble = match why {
        NotCompared::Asking(error) => return refused(error),
        other => (Trouble::of(&other), other),
    };
    match trouble {
        (trouble, NotCompared::Ours(_)) => {
            trouble.hint("runbook collect --every 5m observes from now on")
        }
        (trouble, NotCompared::OtherTime(_)) => trouble
            .exit(Exit::Usage)
            .hint("is it of another month? --window names the one to compare"),
        (trouble, NotCompared::Price(_)) => trouble.exit(Exit::Unpriced),
        (trouble, NotCompared::Refused(Refused::NotBilled { .. })) => trouble,
        (trouble, _) => trouble.exit(Exit::Usage),
    }
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
