//! `report.reconcile`: what the samples say against a bill's files, rendered and delivered as
//! `report.showback` is.
//!
//! The bill comes from files (a CUR 2.0 or FOCUS export). Cost Explorer is not asked here: a plan would
//! ask with it, and asking costs money; `runbook report reconcile` asks within a budget.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::connection::{Connection, Kind};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Argument, Context, Description, Intent, Module, Nature, Observed, Schema, Values,
    Verdict,
};
use runbook_core::value::{Type, Value};
use runbook_showback::allocate::showback::Basis as Figures;
use runbook_showback::allocate::{self, PriceOptions, Request, Rules, dimensions};
use runbook_showback::bill::{Wanted, read_files};
use runbook_showback::observed::{Finding, Period, SETTLED, Severity};
use runbook_showback::reconcile::{Ours, Reconciliation, reconcile};
use runbook_showback::render::reconcile as render;
use runbook_showback::samples::Store;

use super::schema::{
    argument, check, defaulted, identity, list, output, required, slot, slot_argument, text,
    text_list, texts, volatile,
};
use super::sending::{Sending, change, read_destinations};
use super::showback::{micros, store_failure};
use crate::message::{About, Basis, File, Rendered, Totals, sha256};
use crate::restate::Restate;
use crate::surroundings::Surroundings;

/// The formats, with file name and media type.
const FORMATS: [(&str, &str, &str); 5] = [
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

/// What a task asks for.
struct Asked {
    window: Period,
    bills: Vec<PathBuf>,
    owner: Option<String>,
    clusters: Vec<String>,
    formats: Vec<String>,
    rules: Rules,
    sending: Sending,
}

impl Reconcile {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let anything = || Type::Nullable(Box::new(Type::Any));
        let schema = Schema {
            name: "report.reconcile",
            summary: "Holds what the samples say against a bill's files, and delivers that once.",
            nature: Nature::Observable,
            follows: true,
            connection: Some(Kind::Aws),
            arguments: vec![
                identity("name", "The report's name; stands in paths and keys."),
                identity(
                    "window",
                    "previous_month, month_to_date, previous_week, previous_day, a month, a day or days.",
                ),
                slot_argument(),
                required(
                    "bills",
                    texts(),
                    "The files of one bill: a CUR 2.0 or FOCUS export as CSV, CSV.gz or Parquet.",
                ),
                argument(
                    "owner",
                    Type::String,
                    "The owner whose tag `runbook/owner` counts, as nodeless/myeks; without it every owner's.",
                ),
                Argument {
                    identity: true,
                    ..argument(
                        "clusters",
                        texts(),
                        "Which clusters; without it all that were looked at.",
                    )
                },
                argument(
                    "rules",
                    Type::String,
                    "Shared cost and owners: the text of a rules file, as `${{ file('rules.yaml') }}`.",
                ),
                defaulted(
                    "formats",
                    texts(),
                    text_list(["html", "csv", "json"]),
                    "html, text, markdown, csv, json; the first one is the one to read.",
                ),
                required(
                    "destinations",
                    Type::List(Box::new(Type::Any)),
                    "Where it goes; see `report.showback`.",
                ),
                argument("restate", anything(), "When it is sent again; see `report.showback`."),
            ],
            outputs: vec![
                output("window", Type::String, "The window."),
                volatile("revision", Type::Integer, "The newest revision, from 1."),
                volatile("subject", Type::String, "One line."),
                volatile("summary", Type::String, "The table as text."),
                volatile(
                    "total",
                    Type::Nullable(Box::new(Type::String)),
                    "What the bill says, in dollars.",
                ),
                volatile("delivered", texts(), "Each destination with what it said."),
            ],
            may: &[Action::Create, Action::Update],
            iam_actions: &["s3:GetObject", "s3:PutObject"],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema, surroundings }
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
        let connection = context.connection.as_ref().map(Connection::identity_text);
        let about = About {
            scope: format!("{} {}", context.owner, connection.unwrap_or_default()),
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
            owner: text(arguments, "owner").map(str::to_owned),
            clusters: list(arguments, "clusters"),
            formats: list(arguments, "formats"),
            rules,
            sending: Sending { about, slot, restate, destinations, places },
        })
    }

    fn compared(&self, context: &Context, asked: &Asked) -> Result<Reconciliation, Failure> {
        let Sending { about, slot, places, .. } = &asked.sending;
        let invalid = |why: String| Failure::new(Class::Invalid, why);
        let store = Store::open(&places.samples).map_err(|error| store_failure(&error))?;
        let clusters = (!asked.clusters.is_empty()).then_some(asked.clusters.as_slice());
        let observed =
            store.observed(clusters, about.window).map_err(|error| store_failure(&error))?;
        let prices = self.surroundings.prices(context)?;
        let request = Request {
            window: about.window,
            basis: Figures::Period,
            by: dimensions("namespace").map_err(|error| invalid(error.to_string()))?,
            weight: None,
            as_of: *slot,
            from: places.target.clone(),
            is_provisional: false,
            rules: asked.rules.clone(),
            prices: PriceOptions::default(),
        };
        let charges = allocate::charges(&observed, &prices, &request)
            .map_err(|refused| Failure::new(Class::NotFound, refused.to_string()))?;
        let names: BTreeSet<String> =
            observed.clusters.iter().map(|cluster| cluster.id.name.clone()).collect();
        let wanted = Wanted {
            window: about.window,
            owner: asked.owner.clone(),
            clusters: (!names.is_empty()).then_some(names),
            account_scope: false,
        };
        let read = read_files(&asked.bills, &wanted).map_err(|error| invalid(error.to_string()))?;
        if read.bill.lines.is_empty() {
            return Err(invalid(format!("the bill has no line of {}", about.window))
                .hint("is it of another month? `window` names the one to compare"));
        }
        let ours = Ours { charges: &charges.charges, clusters: &observed.clusters, without: &[] };
        let mut found = reconcile(ours, &read.bill, &prices, *slot)
            .map_err(|refused| invalid(refused.to_string()))?;
        let mut findings = read.observed.findings;
        findings.extend(charges.unpriced.iter().map(|(what, why)| Finding {
            severity: Severity::Loss,
            code: "unpriced",
            subject: what.clone(),
            message: format!("it is in none of our figures: {}", why.reason),
        }));
        let grave = observed.findings.iter().chain(&charges.findings);
        findings.extend(grave.filter(|one| one.severity == Severity::Loss).cloned());
        found.findings = findings;
        Ok(found)
    }

    fn render(&self, context: &Context, asked: &Asked) -> Result<Rendered, Failure> {
        let found = self.compared(context, asked)?;
        let from = asked.sending.places.target.as_str();
        let mut files = Vec::new();
        for format in &asked.formats {
            let Some((_, name, media_type)) = FORMATS.iter().find(|(one, ..)| one == format) else {
                continue;
            };
            let text = match format.as_str() {
                "html" => render::html(&found, from),
                "markdown" => render::markdown(&found, from),
                "csv" => render::csv(&found, from),
                "json" => render::json(&found, from)
                    .map_err(|error| Failure::new(Class::Bug, error.to_string()))?,
                _ => render::text(&found, from),
            };
            files.push(File {
                name: (*name).to_owned(),
                media_type: (*media_type).to_owned(),
                bytes: text.into_bytes(),
            });
        }
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
    [
        ("bill".to_owned(), sha256(files.join(",").as_bytes()).chars().take(12).collect()),
        ("days compared".to_owned(), found.days.len().to_string()),
        ("window".to_owned(), asked.window.to_string()),
    ]
    .into()
}

#[async_trait]
impl Module for Reconcile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = check(arguments);
        let mut tell = |name: &str, problem: String| problems.push((name.to_owned(), problem));
        if arguments.contains_key("window")
            && let Err(problem) = period(arguments)
        {
            tell("window", problem);
        }
        if arguments.contains_key("bills") && list(arguments, "bills").is_empty() {
            tell("bills", "names no file".to_owned());
        }
        for format in list(arguments, "formats") {
            if !FORMATS.iter().any(|(one, ..)| *one == format) {
                let known = FORMATS.map(|(one, ..)| one).join(", ");
                tell("formats", format!("holds `{format}`; there are {known}"));
            }
        }
        if let Some(Err(problem)) = arguments.get("restate").map(Restate::read) {
            tell("restate", problem);
        }
        if let Err(all) = read_destinations(arguments, std::path::Path::new(".")) {
            all.into_iter().for_each(|problem| tell("destinations", problem));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        Description {
            subject: shown("name"),
            detail: format!("{} against a bill", shown("window")),
        }
    }

    fn identity(&self, arguments: &Values) -> String {
        let shown = |name| text(arguments, name).unwrap_or_default();
        format!("{} {} {}", shown("name"), shown("window"), shown("slot"))
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let asked = self.asked(context, arguments)?;
        let look = asked.sending.look(|| self.render(context, &asked))?;
        Ok(look.observed(&asked.sending))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        change(observed)
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let asked = match self.asked(context, intent.arguments) {
            Ok(asked) => asked,
            Err(failure) => return Applied::Rejected(failure),
        };
        match asked.sending.look(|| self.render(context, &asked)) {
            Ok(look) => asked.sending.apply(context, look).await,
            Err(failure) => Applied::Rejected(failure),
        }
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        self.asked(context, arguments)?.sending.verdict()
    }
}
