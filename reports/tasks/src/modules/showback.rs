//! `report.showback`: who pays for a window, rendered and delivered, once per revision.
//!
//! The window is a function of the slot. What was rendered is kept in the outbox until every destination
//! has it, so a destination that fails is tried again without asking samples or prices anew.

use async_trait::async_trait;
use jiff::SignedDuration;
use runbook_core::change::{Action, Change};
use runbook_core::connection::{Connection, Kind};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Argument, Context, Description, Intent, Module, Nature, Observed, Schema, Values,
    Verdict,
};
use runbook_core::value::{Type, Value, duration};
use runbook_showback::allocate::showback::{Basis as Figures, Breakdown, RowKind, Showback};
use runbook_showback::allocate::{self, PriceOptions, Request, Rules, dimensions};
use runbook_showback::observed::{Observed as Seen, Period, SETTLED};
use runbook_showback::render::showback as render;
use runbook_showback::samples::{Store, StoreError};
use std::sync::Arc;

use super::schema::{
    argument, check, defaulted, identity, list, output, required, slot, slot_argument, text,
    text_list, texts, volatile,
};
use super::sending::{Sending, change, read_destinations};
use crate::message::{About, File, Rendered, Totals, one_line};
use crate::restate::Restate;
use crate::surroundings::{Places, Surroundings};

/// The formats that a report may have, with file name and media type.
const FORMATS: [(&str, &str, &str); 5] = [
    ("html", "showback.html", "text/html; charset=utf-8"),
    ("text", "showback.txt", "text/plain; charset=utf-8"),
    ("markdown", "showback.md", "text/markdown; charset=utf-8"),
    ("csv", "showback.csv", "text/csv; charset=utf-8"),
    ("json", "showback.json", "application/json"),
];
/// How wide the summary is, so that mail and chats need not wrap it.
const SUMMARY: usize = 78;

/// See the module documentation.
pub(super) struct Report {
    schema: Schema,
    surroundings: Arc<dyn Surroundings>,
}

impl Report {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let anything = || Type::Nullable(Box::new(Type::Any));
        let schema = Schema {
            name: "report.showback",
            summary: "Says who pays for a window, and delivers that to each destination once.",
            nature: Nature::Observable,
            follows: true,
            connection: Some(Kind::Aws),
            arguments: vec![
                identity("name", "The report's name; stands in paths and keys."),
                identity(
                    "window",
                    "previous_day, previous_week, month_to_date, previous_month, now, a month, a day or days.",
                ),
                slot_argument(),
                defaulted(
                    "settle",
                    Type::Duration,
                    Value::from("48h"),
                    "How long before the slot the window ends at the latest.",
                ),
                Argument {
                    identity: true,
                    ..argument(
                        "clusters",
                        texts(),
                        "Which clusters; without it all that were looked at.",
                    )
                },
                defaulted(
                    "by",
                    texts(),
                    text_list(["team", "namespace"]),
                    "What a row stands for: team, namespace, cluster, controller, label:KEY …",
                ),
                argument(
                    "rules",
                    Type::String,
                    "Owners, shared cost, idle and budgets: the text of a rules file, as `${{ file('rules.yaml') }}`.",
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
                    "Where it goes, each a map with `kind`: folder {path}, s3 {bucket, key}, webhook {url, format}, smtp {host, port, tls, from, to, user, password}.",
                ),
                argument(
                    "restate",
                    anything(),
                    "When it is sent again: {until: month_close + 5d, threshold: 1%} or an amount such as $5.",
                ),
            ],
            outputs: vec![
                output("window", Type::String, "The window."),
                volatile("revision", Type::Integer, "The newest revision, from 1."),
                volatile("subject", Type::String, "One line."),
                volatile("summary", Type::String, "The table as text."),
                volatile(
                    "total",
                    Type::Nullable(Box::new(Type::String)),
                    "All of it in dollars; of a rate, per hour.",
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
        Asked::read(context, arguments, places).map_err(|problem| {
            Failure::new(Class::Invalid, format!("`report.showback` cannot do that: {problem}"))
        })
    }

    fn render(&self, context: &Context, asked: &Asked) -> Result<Rendered, Failure> {
        let showback = self.showback(context, asked)?;
        let told = |error: render::Unwritten| Failure::new(Class::Bug, error.to_string());
        let mut files = Vec::new();
        for format in &asked.formats {
            let Some((_, name, media_type)) = FORMATS.iter().find(|(one, ..)| one == format) else {
                continue;
            };
            let text = match format.as_str() {
                "html" => render::html(&showback),
                "markdown" => render::markdown(&showback),
                "csv" => render::csv(&showback),
                "json" => render::json(&showback),
                _ => render::text(&showback, &render::Layout::plain(None)),
            };
            files.push(File {
                name: (*name).to_owned(),
                media_type: (*media_type).to_owned(),
                bytes: text.map_err(told)?.into_bytes(),
            });
        }
        let summary = render::text(&showback, &render::Layout::plain(Some(SUMMARY)));
        Ok(Rendered {
            subject: render::title(&showback),
            summary: summary.map_err(told)?,
            files,
            totals: totals(&showback),
            basis: basis(&showback, asked),
        })
    }

    fn showback(&self, context: &Context, asked: &Asked) -> Result<Showback, Failure> {
        let store =
            Store::open(&asked.sending.places.samples).map_err(|error| store_failure(&error))?;
        let clusters = (!asked.clusters.is_empty()).then_some(asked.clusters.as_slice());
        let observed = store
            .observed(clusters, asked.request.window)
            .map_err(|error| store_failure(&error))?;
        let before = before(&store, clusters, asked)?;
        let prices = self.surroundings.prices(context)?;
        allocate::showback(&observed, before.as_ref(), &prices, &asked.request).map_err(|refused| {
            let class = match refused {
                allocate::Refused::NotConserved { .. } => Class::Bug,
                allocate::Refused::NothingSeen { .. } => Class::NotFound,
                _ => Class::Invalid,
            };
            Failure::new(class, refused.to_string())
        })
    }
}

/// What was seen in the window before; none where nobody looked then.
fn before(
    store: &Store,
    clusters: Option<&[String]>,
    asked: &Asked,
) -> Result<Option<Seen>, Failure> {
    if asked.request.basis == Figures::HourlyRate {
        return Ok(None);
    }
    match store.observed(clusters, asked.period.before(asked.request.window)) {
        Ok(seen) if seen.clusters.iter().all(|cluster| cluster.looks == 0) => Ok(None),
        Ok(seen) => Ok(Some(seen)),
        Err(StoreError::Empty { .. }) => Ok(None),
        Err(error) => Err(store_failure(&error)),
    }
}

pub(super) fn store_failure(error: &StoreError) -> Failure {
    let class = match error {
        StoreError::Empty { .. } | StoreError::UnknownCluster { .. } => Class::NotFound,
        StoreError::InUse { .. } => Class::Conflict,
        StoreError::System { .. } => Class::Unavailable,
        _ => Class::Invalid,
    };
    let cause = std::error::Error::source(error).map_or_else(String::new, |it| format!(": {it}"));
    Failure::new(class, format!("{error}{cause}"))
}

/// What a task asks for.
struct Asked {
    period: Period,
    clusters: Vec<String>,
    formats: Vec<String>,
    request: Request,
    rules_digest: String,
    sending: Sending,
}

impl Asked {
    fn read(context: &Context, arguments: &Values, places: Places) -> Result<Self, String> {
        let period: Period = text(arguments, "window")
            .unwrap_or_default()
            .parse()
            .map_err(|error: runbook_showback::observed::PeriodError| error.to_string())?;
        let slot = slot(arguments).ok_or("`slot` is no moment")?;
        let settle = text(arguments, "settle").and_then(duration);
        let settle = settle.and_then(|it| SignedDuration::try_from(it).ok()).unwrap_or(SETTLED);
        let resolved = period.at(slot, settle);
        let rules_text = text(arguments, "rules").unwrap_or_default();
        let rules = rules(rules_text)?;
        let destinations =
            read_destinations(arguments, &context.folder).map_err(|all| all.join("; "))?;
        if destinations.is_empty() {
            return Err("no destination is left: a webhook without an address is none".to_owned());
        }
        let restate = arguments.get("restate").unwrap_or(&Value::Null);
        let restate = Restate::read(restate).map_err(|problem| format!("`restate` {problem}"))?;
        let connection = context.connection.as_ref().map(Connection::identity_text);
        let about = About {
            scope: format!("{} {}", context.owner, connection.unwrap_or_default()),
            report: text(arguments, "name").unwrap_or_default().to_owned(),
            window: resolved.window,
        };
        let is_rate = period == Period::Now;
        let request = Request {
            window: resolved.window,
            basis: if is_rate { Figures::HourlyRate } else { Figures::Period },
            by: dimensions(&list(arguments, "by").join(",")).map_err(|error| error.to_string())?,
            weight: None,
            as_of: slot,
            from: places.target.clone(),
            is_provisional: resolved.is_provisional,
            rules,
            prices: PriceOptions::default(),
        };
        Ok(Self {
            period,
            clusters: list(arguments, "clusters"),
            formats: list(arguments, "formats"),
            request,
            rules_digest: crate::message::sha256(rules_text.as_bytes()).chars().take(12).collect(),
            sending: Sending { about, slot, restate, destinations, places },
        })
    }
}

fn rules(text: &str) -> Result<Rules, String> {
    if text.is_empty() {
        return Ok(Rules::default());
    }
    Rules::read("rules", text).map_err(|problems| problems.join("; "))
}

/// The totals by which it is told whether something moved: the whole, and each row by its key.
fn totals(showback: &Showback) -> Totals {
    let sum = |cost: &Breakdown| cost.parts().iter().map(|(_, amount)| amount.raw()).sum::<i128>();
    let mut totals = Totals::from([(String::new(), micros(sum(&showback.total)))]);
    for group in &showback.groups {
        let key = group.key.join("/");
        let name = match group.kind {
            RowKind::Owned => key,
            RowKind::Unowned => format!("unowned {key}"),
            RowKind::Idle => format!("idle {key}"),
            RowKind::NodeOverhead => format!("node overhead {key}"),
            RowKind::Shared => format!("shared {key}"),
        };
        *totals.entry(one_line(name.trim_end())).or_default() += micros(sum(&group.cost));
    }
    totals
}

/// Ten-thousandths of a cent, half up. An amount counts 10⁻¹⁰ $ ÷ (730 · 3600).
pub(super) fn micros(raw: i128) -> i64 {
    const UNIT: i128 = 730 * 3_600 * 10_000;
    let rounded = (raw * 2 + UNIT).div_euclid(2 * UNIT);
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

/// What the figures stand on.
fn basis(showback: &Showback, asked: &Asked) -> std::collections::BTreeMap<String, String> {
    let coverage = &showback.coverage;
    let day =
        |date: Option<jiff::civil::Date>| date.map_or("unknown".to_owned(), |it| it.to_string());
    let prices = &showback.prices;
    let entries = [
        ("prices of", format!("{} to {}", day(prices.oldest), day(prices.newest))),
        ("price lists", prices.sources.join(", ")),
        ("node-seconds seen", coverage.node_seconds_seen.to_string()),
        ("node-seconds billed", coverage.node_seconds_billed.to_string()),
        ("pods", coverage.pods.to_string()),
        ("rules", asked.rules_digest.clone()),
        ("figures", if showback.is_provisional { "provisional" } else { "settled" }.to_owned()),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[async_trait]
impl Module for Report {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = check(arguments);
        let mut tell = |name: &str, problem: String| problems.push((name.to_owned(), problem));
        if let Some(window) = text(arguments, "window")
            && let Err(error) = window.parse::<Period>()
        {
            tell("window", error.to_string());
        }
        for format in list(arguments, "formats") {
            if !FORMATS.iter().any(|(one, ..)| *one == format) {
                let known = FORMATS.map(|(one, ..)| one).join(", ");
                tell("formats", format!("holds `{format}`; there are {known}"));
            }
        }
        if arguments.contains_key("by")
            && let Err(error) = dimensions(&list(arguments, "by").join(","))
        {
            tell("by", error.to_string());
        }
        if let Some(text) = text(arguments, "rules")
            && let Err(problem) = rules(text)
        {
            tell("rules", problem);
        }
        let restate = arguments.get("restate").map(Restate::read);
        if let Some(Err(problem)) = &restate {
            tell("restate", problem.clone());
        }
        match read_destinations(arguments, std::path::Path::new(".")) {
            Err(all) => all.into_iter().for_each(|problem| tell("destinations", problem)),
            Ok(all) => {
                let fixed = all.iter().find(|one| !one.takes_revisions());
                if let (Some(fixed), Some(Ok(Some(_)))) = (fixed, &restate) {
                    let problem = format!(
                        "`{}` has no place for {{revision}} in its key, and `restate` would need one",
                        fixed.identity()
                    );
                    tell("destinations", problem);
                }
            }
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let shown = |name: &str| arguments.get(name).map(ToString::to_string).unwrap_or_default();
        let destinations = read_destinations(arguments, std::path::Path::new("."));
        let to: Vec<String> =
            destinations.unwrap_or_default().iter().map(|one| one.identity().to_owned()).collect();
        let to = if to.is_empty() { String::new() } else { format!(", to {}", to.join(", ")) };
        Description { subject: shown("name"), detail: format!("{}{to}", shown("window")) }
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
