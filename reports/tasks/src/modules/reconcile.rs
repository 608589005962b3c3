//! `report.reconcile`: what the samples say against what AWS bills, rendered and delivered as
//! `report.showback` is.
//!
//! The bill comes from files (a CUR 2.0 or FOCUS export), else Cost Explorer is asked as `runbook report
//! reconcile` asks: within a budget of requests, each answer kept and asked for again at most once a UTC
//! day. Asking costs money, so without files the task is deferred in every plan.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runbook_core::change::Action;
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Context, Description, Nature, Schema, Values};
use runbook_core::value::{Type, Value};
use runbook_showback::allocate::Rules;
use runbook_showback::bill::cost_explorer::AskError;
use runbook_showback::observed::{Period, SETTLED};
use runbook_showback::reconcile::Reconciliation;
use runbook_showback::render::reconcile as render;
use runbook_showback::samples::Store;

use super::report::{Format, Report, check_formats, files};
use super::schema::{
    argument, defaulted, identity, list, report_arguments, report_outputs, slot, slot_argument,
    text, text_list, texts,
};
use super::sending::{Sending, read_destinations};
use super::showback::store_failure;
use crate::comparison::{Comparison, NotCompared, Source, compare};
use crate::message::{About, Basis, Rendered, Totals, micros, sha256};
use crate::owed::scope;
use crate::restate::Restate;
use crate::surroundings::{Surroundings, aws};

/// The formats, with file name and media type.
const FORMATS: [Format; 5] = [
    ("html", "reconcile.html", "text/html; charset=utf-8"),
    ("text", "reconcile.txt", "text/plain; charset=utf-8"),
    ("markdown", "reconcile.md", "text/markdown; charset=utf-8"),
    ("csv", "reconcile.csv", "text/csv; charset=utf-8"),
    ("json", "reconcile.json", "application/json"),
];

/// See the module documentation.
pub(super) struct Reconcile {
    schema: Schema,
    surroundings: Arc<dyn Surroundings>,
}

/// Requests to Cost Explorer at most, where nobody says it.
const ASK_AT_MOST: u32 = 10;

/// What a task asks for.
pub(super) struct Asked {
    window: Period,
    bills: Vec<PathBuf>,
    owners: Vec<String>,
    account_scope: bool,
    ask_at_most: u32,
    clusters: Vec<String>,
    formats: Vec<String>,
    rules: Rules,
    sending: Sending,
}

impl Reconcile {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let schema = Schema {
            name: "report.reconcile",
            summary: "Holds what the samples say against what AWS bills, and delivers that once.",
            nature: Nature::Observable,
            follows: true,
            connection: Some(Kind::Aws),
            arguments: [
                identity("name", "The report's name; stands in paths and keys."),
                identity(
                    "window",
                    "previous_month, month_to_date, previous_week, previous_day, a month, a day or days.",
                ),
                slot_argument(),
                defaulted(
                    "bills",
                    texts(),
                    text_list([""; 0]),
                    "The files of one bill: a CUR 2.0 or FOCUS export as CSV, CSV.gz or Parquet; without any Cost Explorer is asked.",
                ),
                defaulted(
                    "ask_at_most",
                    Type::Integer,
                    Value::from(i64::from(ASK_AT_MOST)),
                    "Requests to Cost Explorer at most; each costs a cent.",
                ),
                argument(
                    "owner",
                    Type::String,
                    "The owner whose tag `runbook/owner` counts, as nodeless/myeks; without it every owner's in files, and each cluster's nodeless/NAME of Cost Explorer.",
                ),
                defaulted(
                    "account_scope",
                    Type::Boolean,
                    Value::from(false),
                    "Compare with everything in the account, whatever carries our tag.",
                ),
            ]
            .into_iter()
            .chain(report_arguments())
            .collect(),
            outputs: report_outputs("What the bill says, in dollars."),
            may: &[Action::Create, Action::Update],
            iam_actions: &[
                "ce:GetCostAndUsage",
                "ce:ListCostAllocationTags",
                "s3:GetObject",
                "s3:PutObject",
            ],
            kubernetes_verbs: &[],
            bills: Some("Cost Explorer, per request"),
        };
        Self { schema, surroundings }
    }

    async fn compared(&self, context: &Context, asked: &Asked) -> Result<Reconciliation, Failure> {
        let Sending { about, slot, places, .. } = &asked.sending;
        let store = Store::open(&places.samples).map_err(|error| store_failure(&error))?;
        let clusters = (!asked.clusters.is_empty()).then_some(asked.clusters.as_slice());
        let observed =
            store.observed(clusters, about.window).map_err(|error| store_failure(&error))?;
        let prices = self.surroundings.prices(context)?;
        let comparison = Comparison {
            observed: &observed,
            book: &prices,
            rules: asked.rules.clone(),
            window: about.window,
            slot: *slot,
            from: &places.target,
            owners: &asked.owners,
            account_scope: asked.account_scope,
        };
        let compared = if asked.bills.is_empty() {
            let aws = aws(context)?;
            let cache = self.surroundings.asked_costs(context, aws.account())?;
            let source = Source::CostExplorer {
                aws: &aws,
                cache: &cache,
                most_requests: asked.ask_at_most,
                now: context.clock.now(),
            };
            compare(&comparison, &source).await
        } else {
            compare(&comparison, &Source::Files(&asked.bills)).await
        };
        compared.map_err(|why| not_compared(&why))
    }
}

fn not_compared(why: &NotCompared) -> Failure {
    let class = match why {
        NotCompared::Ours(_) => Class::NotFound,
        NotCompared::Asking(AskError::Refused { source, .. }) if source.is_denied() => {
            Class::Denied
        }
        NotCompared::Asking(_) => Class::Unavailable,
        NotCompared::Files(_)
        | NotCompared::OtherTime(_)
        | NotCompared::Price(_)
        | NotCompared::Refused(_) => Class::Invalid,
    };
    let cause = std::error::Error::source(why).map_or_else(String::new, |it| format!(": {it}"));
    let failure = Failure::new(class, format!("{why}{cause}"));
    match why {
        NotCompared::OtherTime(_) => {
            failure.hint("is it of another month? `window` names the one to compare")
        }
        NotCompared::Asking(_) => failure
            .hint("what was answered is kept; a CUR or FOCUS file in `bills` needs no asking"),
        _ => failure,
    }
}

fn ask_at_most(arguments: &Values) -> u32 {
    let given = arguments.get("ask_at_most").and_then(Value::as_i64);
    given.and_then(|most| u32::try_from(most).ok()).unwrap_or(ASK_AT_MOST)
}

fn period(arguments: &Values) -> Result<Period, String> {
    match text(arguments, "window").unwrap_or_default().parse() {
        Ok(Period::Now) => Err("`now` is no time that was billed; `previous_month` is".to_owned()),
        Ok(period) => Ok(period),
        Err(error) => Err(error.to_string()),
    }
}

/// The bill, the whole and by class; and what we say.
fn totals(found: &Reconciliation) -> Totals {
    let mut totals = Totals::from([(String::new(), micros(found.total.billed.raw()))]);
    for line in &found.classes {
        totals.insert(format!("bill, {}", line.class.title()), micros(line.billed.raw()));
        totals.insert(format!("ours, {}", line.class.title()), micros(line.list.raw()));
    }
    totals
}

fn basis(found: &Reconciliation, asked: &Asked) -> Basis {
    let files: Vec<String> = asked
        .bills
        .iter()
        .map(|path| std::fs::read(path).map_or_else(|_| "gone".to_owned(), |bytes| sha256(&bytes)))
        .collect();
    let bill = if files.is_empty() {
        "Cost Explorer".to_owned()
    } else {
        sha256(files.join(",").as_bytes()).chars().take(12).collect()
    };
    [
        ("bill".to_owned(), bill),
        ("days compared".to_owned(), found.days.len().to_string()),
        ("window".to_owned(), asked.window.to_string()),
    ]
    .into()
}

#[async_trait]
impl Report for Reconcile {
    type Asked = Asked;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn rendering_costs(&self) -> bool {
        true
    }

    fn is_free(&self, arguments: &Values) -> bool {
        !list(arguments, "bills").is_empty()
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = check_formats(arguments, &FORMATS);
        if arguments.contains_key("window")
            && let Err(problem) = period(arguments)
        {
            problems.push(("window".to_owned(), problem));
        }
        let most = arguments.get("ask_at_most").and_then(Value::as_i64);
        if let Some(most) = most
            && !(0..=1_000).contains(&most)
        {
            let problem = format!("is {most}; 0 to 1000 requests may be sent");
            problems.push(("ask_at_most".to_owned(), problem));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        let bill = if self.is_free(arguments) { "a bill" } else { "Cost Explorer" };
        Description {
            subject: shown("name"),
            detail: format!("{} against {bill}", shown("window")),
        }
    }

    fn asked(&self, context: &Context, arguments: &Values) -> Result<Asked, Failure> {
        let places = self.surroundings.places(context)?;
        let told = |problem: String| {
            Failure::new(Class::Invalid, format!("`report.reconcile` cannot do that: {problem}"))
        };
        let period = period(arguments).map_err(told)?;
        let slot = slot(arguments).ok_or_else(|| told("`slot` is no moment".to_owned()))?;
        let destinations =
            read_destinations(arguments, &context.folder).map_err(|all| told(all.join("; ")))?;
        if destinations.is_empty() {
            return Err(told("no destination is left".to_owned()));
        }
        let restate = Restate::read(arguments.get("restate").unwrap_or(&Value::Null))
            .map_err(|problem| told(format!("`restate` {problem}")))?;
        let about = About {
            scope: scope(context),
            report: text(arguments, "name").unwrap_or_default().to_owned(),
            window: period.at(slot, SETTLED).window,
        };
        let bills = list(arguments, "bills");
        let bills = bills.iter().map(|path| places.working_directory.join(path)).collect();
        let rules = match text(arguments, "rules") {
            None => Rules::default(),
            Some(text) => Rules::read("rules", text).map_err(|all| told(all.join("; ")))?,
        };
        Ok(Asked {
            window: period,
            bills,
            owners: text(arguments, "owner").map(str::to_owned).into_iter().collect(),
            account_scope: arguments.get("account_scope") == Some(&Value::from(true)),
            ask_at_most: ask_at_most(arguments),
            clusters: list(arguments, "clusters"),
            formats: list(arguments, "formats"),
            rules,
            sending: Sending { about, slot, restate, destinations, places },
        })
    }

    fn sending<'a>(&self, asked: &'a Asked) -> &'a Sending {
        &asked.sending
    }

    async fn render(&self, context: &Context, asked: &Asked) -> Result<Rendered, Failure> {
        let found = self.compared(context, asked).await?;
        let from = asked.sending.places.target.as_str();
        let files = files(&asked.formats, &FORMATS, |format| {
            Ok(match format {
                "html" => render::html(&found, from),
                "markdown" => render::markdown(&found, from),
                "csv" => render::csv(&found, from),
                "json" => render::json(&found, from)
                    .map_err(|error| Failure::new(Class::Bug, error.to_string()))?,
                _ => render::text(&found, from),
            })
        })?;
        let verdict = if found.is_reconciled() { "reconciled" } else { "not reconciled" };
        Ok(Rendered {
            subject: format!("{}: {verdict}", render::title(&found, from)),
            summary: render::text(&found, from),
            files,
            totals: totals(&found),
            basis: basis(&found, asked),
        })
    }
}
