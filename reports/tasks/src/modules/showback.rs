//! `report.showback`: who pays for a window, rendered and delivered, once per revision.
//!
//! The window is a function of the slot. What was rendered is kept in the outbox until every destination
//! has it, so a destination that fails is tried again without asking samples or prices anew.

use async_trait::async_trait;
use jiff::SignedDuration;
use runbook_core::change::Action;
use runbook_core::connection::Kind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Context, Description, Nature, Schema, Values};
use runbook_core::value::{Type, Value, duration};
use runbook_showback::allocate::showback::{Basis as Figures, Breakdown, RowKind, Showback};
use runbook_showback::allocate::{self, PriceOptions, Request, Rules, dimensions};
use runbook_showback::observed::{Observed as Seen, Period, SETTLED};
use runbook_showback::render::showback as render;
use runbook_showback::samples::{Store, StoreError};
use std::sync::Arc;

use super::report::{Format, Report, check_formats, files};
use super::schema::{
    defaulted, identity, list, report_arguments, report_outputs, slot, slot_argument, text,
    text_list, texts,
};
use super::sending::{Sending, read_destinations};
use crate::message::{About, Rendered, Totals, micros, one_line};
use crate::owed::scope;
use crate::restate::Restate;
use crate::surroundings::{Places, Surroundings};

/// The formats that a report may have, with file name and media type.
const FORMATS: [Format; 5] = [
    ("html", "showback.html", "text/html; charset=utf-8"),
    ("text", "showback.txt", "text/plain; charset=utf-8"),
    ("markdown", "showback.md", "text/markdown; charset=utf-8"),
    ("csv", "showback.csv", "text/csv; charset=utf-8"),
    ("json", "showback.json", "application/json"),
];
/// How wide the summary is, so that mail and chats need not wrap it.
const SUMMARY: usize = 78;

/// See the module documentation.
pub(super) struct Showbacks {
    schema: Schema,
    surroundings: Arc<dyn Surroundings>,
}

impl Showbacks {
    pub(super) fn new(surroundings: Arc<dyn Surroundings>) -> Self {
        let schema = Schema {
            name: "report.showback",
            summary: "Says who pays for a window, and delivers that to each destination once.",
            nature: Nature::Observable,
            follows: true,
            connection: Some(Kind::Aws),
            arguments: [
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
                defaulted(
                    "by",
                    texts(),
                    text_list(["team", "namespace"]),
                    "What a row stands for: team, namespace, cluster, controller, label:KEY …",
                ),
            ]
            .into_iter()
            .chain(report_arguments())
            .collect(),
            outputs: report_outputs("All of it in dollars; of a rate, per hour."),
            may: &[Action::Create, Action::Update],
            iam_actions: &["s3:GetObject", "s3:PutObject"],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema, surroundings }
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
        let mut request = asked.request.clone();
        if before.is_some() {
            let day = asked.period.known_before(request.window, asked.sending.slot);
            request.prices.before = self.surroundings.prices_on(context, day)?.map(Arc::new);
        }
        allocate::showback(&observed, before.as_ref(), &prices, &request).map_err(|refused| {
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
pub(super) struct Asked {
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
        let about = About {
            scope: scope(context),
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
impl Report for Showbacks {
    type Asked = Asked;

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = check_formats(arguments, &FORMATS);
        let mut tell = |name: &str, problem: String| problems.push((name.to_owned(), problem));
        if let Some(window) = text(arguments, "window")
            && let Err(error) = window.parse::<Period>()
        {
            tell("window", error.to_string());
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
        let all = read_destinations(arguments, std::path::Path::new(".")).unwrap_or_default();
        let fixed = all.iter().find(|one| !one.takes_revisions());
        let restate = arguments.get("restate").map(Restate::read);
        if let (Some(fixed), Some(Ok(Some(_)))) = (fixed, &restate) {
            let problem = format!(
                "`{}` has no place for {{revision}} in its key, and `restate` would need one",
                fixed.identity()
            );
            tell("destinations", problem);
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

    fn asked(&self, context: &Context, arguments: &Values) -> Result<Asked, Failure> {
        let places = self.surroundings.places(context)?;
        Asked::read(context, arguments, places).map_err(|problem| {
            Failure::new(Class::Invalid, format!("`report.showback` cannot do that: {problem}"))
        })
    }

    fn sending<'a>(&self, asked: &'a Asked) -> &'a Sending {
        &asked.sending
    }

    async fn render(&self, context: &Context, asked: &Asked) -> Result<Rendered, Failure> {
        let showback = self.showback(context, asked)?;
        let told = |error: render::Unwritten| Failure::new(Class::Bug, error.to_string());
        let files = files(&asked.formats, &FORMATS, |format| {
            let text = match format {
                "html" => render::html(&showback),
                "markdown" => render::markdown(&showback),
                "csv" => render::csv(&showback),
                "json" => render::json(&showback),
                _ => render::text(&showback, &render::Layout::plain(None)),
            };
            text.map_err(told)
        })?;
        let summary = render::text(&showback, &render::Layout::plain(Some(SUMMARY)));
        Ok(Rendered {
            subject: render::title(&showback),
            summary: summary.map_err(told)?,
            files,
            totals: totals(&showback),
            basis: basis(&showback, asked),
        })
    }
}
