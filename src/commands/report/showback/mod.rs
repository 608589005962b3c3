//! `runbook report showback`: who pays, from the samples that were collected.
//!
//! The window is a function of the slot: the same slot, store and prices are the same report. Without
//! `--window` the settled days of the month are taken; where none of them was observed, as after a first
//! `runbook collect --once`, what an hour costs now.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

mod written;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook_capacity::prices::{PriceBook, PriceList};
use runbook_showback::allocate::showback::{Basis, Showback, Weight};
use runbook_showback::allocate::{self, Dimension, Refused, Request, Rules};
use runbook_showback::focus::Version;
use runbook_showback::observed::{Observed, Period, Resolved, Window};

use super::seen::{Seen, SeenArguments};
use crate::commands::capacity::{Problems, files, refuse};
use crate::commands::{Session, block_on};
use crate::exit::Exit;
use crate::price_lists::PriceLists;
use crate::style::Meaning;
use crate::target::{On, SandboxOptions, Target};
use crate::trouble::Trouble;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShowbackArguments {
    /// What a row stands for: team, namespace, cluster, controller, pod, node, label:KEY,
    /// annotation:KEY; several make up a key
    #[arg(long, value_name = "KEYS", default_value = "team,namespace")]
    by: String,
    /// For which time: previous_day, previous_week, month_to_date, previous_month, a month (2026-10),
    /// a day, days (2026-10-01..2026-10-31), or now: what an hour costs [default: month_to_date, or
    /// now where no day of it was observed]
    #[arg(long, value_name = "PERIOD")]
    window: Option<Period>,
    /// The moment that the window follows from [default: now, the target's time]
    #[arg(long, value_name = "TIME")]
    slot: Option<Timestamp>,
    /// How long before the slot days count as settled
    #[arg(long, value_name = "DURATION", default_value = "48h", value_parser = settle)]
    settle: Duration,
    /// Owners, shared cost, idle and budgets: a YAML file
    #[arg(long, value_name = "FILE")]
    rules: Option<String>,
    /// How a node's price is divided over vCPU and GiB: 9:1, 7.46:1, by_price [default: what the rules
    /// say, else 9:1]
    #[arg(long, value_name = "WEIGHT")]
    weight: Option<Weight>,
    /// The prices of the window before, as a list that prices refresh wrote; again for another region
    /// [default: the lists that were kept when that window was reported]
    #[arg(long, value_name = "FILE")]
    prices_before: Vec<String>,
    #[command(flatten)]
    seen: SeenArguments,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Of -o focus: the account that would pay, without which there is no such file
    #[arg(long, value_name = "ACCOUNT")]
    billing_account: Option<String>,
    /// Of -o focus: its version, 1.2 or 1.3
    #[arg(long, value_name = "VERSION", default_value = "1.2")]
    focus_version: Version,
    /// Where the answer goes [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For a spreadsheet: a line for each row, a column for each day.
    Csv,
    /// For programs; `runbook report schema showback` describes it.
    Json,
    /// One page to look at, for a mail or a wiki.
    Html,
    /// For a pull request or a message.
    Markdown,
    /// A table for SQL: a line for each row and day, decimal money.
    Parquet,
    /// The same of what is below the rows: what each pod got of each node on each day.
    Charges,
    /// FOCUS from list prices, as CSV, or by the name of --out as .csv.gz or .parquet.
    Focus,
    /// What OpenCost gives at /allocation, for dashboards that are there.
    Allocation,
}

fn settle(text: &str) -> Result<Duration, String> {
    let settle = runbook_core::value::duration(text)
        .ok_or_else(|| format!("`{text}` is no duration such as 48h"))?;
    if settle > Duration::from_hours(24 * 31) {
        return Err("it is 31 days at most".to_owned());
    }
    Ok(settle)
}

/// What is asked for, read and held against itself.
struct Asked {
    by: Vec<Dimension>,
    rules: Rules,
    slot: Timestamp,
    period: Option<Period>,
    prices_before: PricesBefore,
}

/// By which prices the window before was reported.
#[derive(Clone)]
enum PricesBefore {
    /// Those of these lists.
    Given(Arc<PriceBook>),
    /// Those that were kept then.
    Kept(PriceLists),
}

pub(super) fn run(session: &Session, arguments: &ShowbackArguments) -> Result<Exit, Trouble> {
    let nothing = "nothing was reported";
    let asked = match asked(session, arguments)? {
        Ok(asked) => asked,
        Err(problems) => return Ok(refuse(&session.printer, &problems, nothing)),
    };
    let seen = match Seen::open(session, &arguments.seen)? {
        Ok(seen) => seen,
        Err(problems) => return Ok(refuse(&session.printer, &problems, nothing)),
    };
    let book = match session.price_lists(seen.on).book(None) {
        Ok(book) => book,
        Err(why) => return Ok(refuse(&session.printer, &[why], nothing)),
    };
    let made = made(session, arguments, &asked, &seen, &book)?;
    let exit = if made.showback.unpriced.is_empty() { Exit::Done } else { Exit::Unpriced };
    written::deliver(session, arguments, &made)?;
    Ok(exit)
}

fn asked(
    session: &Session,
    arguments: &ShowbackArguments,
) -> Result<Result<Asked, Problems>, Trouble> {
    let mut problems = Vec::new();
    let by = allocate::dimensions(&arguments.by).map_err(|why| problems.push(why.to_string())).ok();
    let rules = rules(session, arguments).map_err(|found| problems.extend(found)).ok();
    let given = given_prices(session, arguments).map_err(|why| problems.push(why)).ok();
    let (Some(by), Some(rules), Some(given)) = (by, rules, given) else { return Ok(Err(problems)) };
    let prices_before = given.map_or_else(
        || PricesBefore::Kept(session.price_lists(arguments.seen.on)),
        |book| PricesBefore::Given(Arc::new(book)),
    );
    let slot = match (arguments.slot, &arguments.seen.inventory) {
        (Some(slot), _) => slot,
        // An inventory has a moment of its own.
        (None, Some(_)) => Timestamp::UNIX_EPOCH,
        (None, None) => block_on(now(session, arguments.seen.on))?,
    };
    Ok(Ok(Asked { by, rules, slot, period: arguments.window, prices_before }))
}

/// The prices of the window before, where files say them.
fn given_prices(
    session: &Session,
    arguments: &ShowbackArguments,
) -> Result<Option<PriceBook>, String> {
    let mut book = None;
    for name in &arguments.prices_before {
        let file = files::read(name, &session.environment)?;
        let list = PriceList::read(&format!("`{}`", file.name), &file.text)
            .map_err(|error| error.to_string())?;
        book = Some(book.unwrap_or_else(|| PriceBook::embedded().clone()).refreshed(&list));
    }
    Ok(book)
}

fn rules(session: &Session, arguments: &ShowbackArguments) -> Result<Rules, Problems> {
    let Some(name) = &arguments.rules else { return Ok(Rules::default()) };
    let file = files::read(name, &session.environment).map_err(|why| vec![why])?;
    Rules::read(&file.name, &file.text)
}

/// The target's time.
async fn now(session: &Session, on: On) -> Result<Timestamp, Trouble> {
    let options = SandboxOptions::default();
    let (state, printer) = (&session.state, &session.printer);
    let target = Target::open(on, &options, state, &session.environment, printer).await?;
    let now = target.clock.now();
    target.close().await;
    Ok(now)
}

/// A showback, and what it was made of.
struct Made {
    showback: Showback,
    request: Request,
    observed: Observed,
    book: PriceBook,
}

/// The report of the window that was asked for, or of the first that there is something of.
fn made(
    session: &Session,
    arguments: &ShowbackArguments,
    asked: &Asked,
    seen: &Seen,
    book: &PriceBook,
) -> Result<Made, Trouble> {
    if let Some(at) = seen.moment() {
        let period = asked.period.unwrap_or(Period::Now);
        if period != Period::Now {
            return Err(Trouble::usage(format!(
                "an inventory is one look and says nothing about {period}"
            ))
            .hint(
                "--window now says what an hour costs; runbook collect --every 5m makes samples",
            ));
        }
        let asked = Asked {
            by: asked.by.clone(),
            rules: asked.rules.clone(),
            slot: at,
            period: None,
            prices_before: asked.prices_before.clone(),
        };
        return of_period(arguments, &asked, seen, book, Period::Now)
            .map_err(|why| explained(&why));
    }
    if let Some(period) = asked.period {
        return of_period(arguments, asked, seen, book, period).map_err(|why| explained(&why));
    }
    match of_period(arguments, asked, seen, book, Period::MonthToDate) {
        Err(Failed::Refused(Refused::NothingSeen { window } | Refused::OneLook { window, .. })) => {
            let note = format!(
                "no settled day of {window} was observed, so this is what an hour costs now; \
                 `runbook collect --every 5m` or `runbook serve` makes a period, and `--window` names one"
            );
            session.printer.note(&session.printer.err.paint(Meaning::Waiting, &note));
            of_period(arguments, asked, seen, book, Period::Now).map_err(|why| explained(&why))
        }
        made => made.map_err(|why| explained(&why)),
    }
}

/// Why there is no report.
enum Failed {
    Store(Trouble),
    Refused(Refused),
}

fn of_period(
    arguments: &ShowbackArguments,
    asked: &Asked,
    seen: &Seen,
    book: &PriceBook,
    period: Period,
) -> Result<Made, Failed> {
    let settle = SignedDuration::try_from(arguments.settle).unwrap_or(SignedDuration::ZERO);
    let Resolved { window, is_provisional } = period.at(asked.slot, settle);
    let observed = seen.observed(window).map_err(Failed::Store)?;
    let before = before(seen, period, window).map_err(Failed::Store)?;
    let prices_before = match (&before, &asked.prices_before) {
        (None, _) => None,
        (Some(_), PricesBefore::Given(book)) => Some(book.clone()),
        (Some(_), PricesBefore::Kept(lists)) => lists
            .book_on(period.known_before(window, asked.slot))
            .map_err(|why| Failed::Store(Trouble::usage(why)))?
            .map(Arc::new),
    };
    let request = Request {
        window,
        basis: if period == Period::Now { Basis::HourlyRate } else { Basis::Period },
        by: asked.by.clone(),
        weight: arguments.weight,
        as_of: asked.slot,
        from: seen.from.clone(),
        is_provisional,
        rules: asked.rules.clone(),
        prices: allocate::PriceOptions { before: prices_before },
    };
    let showback =
        allocate::showback(&observed, before.as_ref(), book, &request).map_err(Failed::Refused)?;
    Ok(Made { showback, request, observed, book: book.clone() })
}

/// What was seen in the window before; none where nobody looked.
fn before(seen: &Seen, period: Period, window: Window) -> Result<Option<Observed>, Trouble> {
    if period == Period::Now {
        return Ok(None);
    }
    let before = seen.observed(period.before(window))?;
    let has_looks = before.clusters.iter().any(|cluster| !cluster.covered.is_empty());
    Ok(has_looks.then_some(before))
}

fn explained(failed: &Failed) -> Trouble {
    let refused = match failed {
        Failed::Store(trouble) => return trouble.clone(),
        Failed::Refused(refused) => refused,
    };
    let trouble = Trouble::of(refused);
    match refused {
        Refused::NothingSeen { .. } => trouble
            .hint("runbook report showback --window now   what an hour costs as things stand"),
        Refused::OneLook { .. } => trouble.hint("runbook report showback --window now"),
        Refused::NotConserved { .. } => trouble,
        Refused::NoWeight { .. } => trouble.exit(Exit::Unpriced).hint("runbook prices refresh"),
        _ => trouble.exit(Exit::Usage),
    }
}

pub(super) fn schema() -> (&'static str, runbook_capacity::answer::schema::Shape) {
    ("runbook report showback", runbook_showback::render::showback::SCHEMA)
}
