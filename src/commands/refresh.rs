//! `runbook prices refresh`: the prices of a region, asked of the Price List and kept.
//!
//! Everything is asked before the list is replaced: a page that fails leaves the old one whole.

use std::collections::BTreeMap;

use runbook_capacity::prices::{ListSource, PriceList};
use runbook_core::connection::{Access, Kind};
use runbook_core::value::Value;
use runbook_showback::prices::{Answered, Change, Changes, Missing, Refreshed, refreshed};

use super::Session;
use super::capacity::{region, remark, some};
use crate::arguments::TargetArguments;
use crate::exit::Exit;
use crate::price_lists::{PriceLists, unknown_endpoint};
use crate::style::{Meaning, Style};
use crate::target::Target;
use crate::trouble::Trouble;
use crate::view::words;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RefreshArguments {
    /// The region of the prices; else that of the environment
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

/// Asks, and keeps what was answered.
pub(super) async fn run(session: &Session, arguments: &RefreshArguments) -> Result<Exit, Trouble> {
    let region = region(arguments.region.as_deref(), &session.environment)
        .map_err(Trouble::usage)?
        .ok_or_else(|| Trouble::usage("which region's prices?").hint("--region ap-northeast-2"))?;
    let on = arguments.target.on;
    // A list that cannot be read is not replaced unseen; better to hear of it before asking.
    let known = PriceLists::on(on, &session.state, &session.environment);
    known.list(&region).map_err(Trouble::usage)?;
    let target = Target::open(
        on,
        &arguments.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    session.printer.note(&words::prose(&target.banner, &session.printer.err));
    let asked = answers(session, &target, &region).await;
    target.close().await;
    let (lists, Refreshed { answered, list }) = asked?;
    let is_first = lists.list(&region).map_err(Trouble::usage)?.is_none();
    let before = lists.book(Some(&region)).map_err(Trouble::usage)?;
    let report = Report { is_first, changes: Changes::of(&answered.list, &before), answered };
    let path = lists.store(&list, &session.state)?;
    session.printer.out(&report.text(&path, session.printer.out));
    Ok(Exit::Done)
}

/// What the Price List of the target says, and where such lists are kept.
async fn answers(
    session: &Session,
    target: &Target,
    region: &str,
) -> Result<(PriceLists, Refreshed), Trouble> {
    let settings = BTreeMap::from([("region".to_owned(), Value::from(region))]);
    let connection = target
        .connector(None)
        .connect(Kind::Aws, &settings, None, Access::Read)
        .await
        .map_err(Trouble::from)?;
    let aws = connection
        .handle
        .downcast_ref::<runbook_clients::aws::Connection>()
        .ok_or_else(|| Trouble::failed("the connection is to no account"))?;
    let client = aws.pricing();
    let lists = PriceLists::on(target.on, &session.state, &session.environment);
    if let Some(why) = unknown_endpoint(lists.source(), client.endpoint()) {
        let url = client.endpoint().unwrap_or_default();
        return Err(Trouble::usage(why).hint(format!("AWS_ENDPOINT_URL={url}")));
    }
    let old = lists.list(region).map_err(Trouble::usage)?;
    // The day of the world: a simulated list is of its own time.
    let today = target.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let asked = refreshed(&client, region, lists.source().clone(), today, old).await;
    let refreshed = asked.map_err(|error| {
        let trouble = Trouble::of(&error);
        if error.is_denied() {
            return trouble.hint(
                "the caller must be allowed `pricing:GetProducts`; the prices that were known stay",
            );
        }
        trouble.hint("the prices that were known stay")
    })?;
    Ok((lists, refreshed))
}

/// What came of it.
struct Report {
    is_first: bool,
    changes: Changes,
    answered: Answered,
}

impl Report {
    fn text(&self, path: &str, style: Style) -> String {
        let list = &self.answered.list;
        let mut text = format!(
            "{} {}: {} prices from the {}{}\n",
            style.paint(Meaning::Good, "✓"),
            list.region,
            list.on_demand.len() + list.services.len(),
            list.source,
            published(list)
        );
        let mut line = |label: &str, said: &str| {
            text.push_str(&remark(style, &format!("  {label:<8}"), said));
        };
        let known = if self.is_first { "against what comes with the program" } else { "" };
        line("changed", &changed(&self.changes.changed, known));
        if !self.changes.added.is_empty() {
            let added = &self.changes.added;
            line("new", &format!("{}: {}", added.len(), some(added)));
        }
        for (label, said) in missing(&self.changes.missing) {
            line(label, &said);
        }
        for (item, why) in &list.unpriced {
            line("open", &format!("{item}: {why}; it has no price now"));
        }
        for refused in &self.answered.refused {
            line("refused", &format!("{}: {}", refused.item, refused.reason));
        }
        text.push_str(&format!("in {path}; {}\n", used(&list.source)));
        text
    }
}

/// The days on which the prices were published.
fn published(list: &PriceList) -> String {
    let days = || {
        let on_demand = list.on_demand.values();
        on_demand.chain(list.services.values()).map(|listed| listed.published)
    };
    match (days().min(), days().max()) {
        (Some(first), Some(last)) if first == last => format!(", published {first}"),
        (Some(first), Some(last)) => format!(", published {first} to {last}"),
        _ => String::new(),
    }
}

fn changed(changed: &[Change], known: &str) -> String {
    let Some(first) = changed.first() else {
        return format!("nothing changed {known}").trim_end().to_owned();
    };
    let thousandths = first.thousandths();
    let sign = if thousandths < 0 { "−" } else { "+" };
    let size = thousandths.abs();
    format!(
        "{} {known}, at most by {sign}{}.{} % ({}: {} → {} $)",
        changed.len(),
        size / 10,
        size % 10,
        first.item,
        first.before,
        first.after
    )
    .replace(" ,", ",")
}

/// What was not answered: what has no price at all is told apart.
fn missing(missing: &[Missing]) -> Vec<(&'static str, String)> {
    let names = |is_known: bool| -> Vec<String> {
        let of = missing.iter().filter(|one| one.known_since.is_some() == is_known);
        of.map(|one| one.item.clone()).collect()
    };
    let oldest = missing.iter().filter_map(|one| one.known_since).min();
    let mut lines = Vec::new();
    let kept = names(true);
    if let Some(oldest) = oldest {
        lines.push((
            "missing",
            format!(
                "{} keep their older price, of {oldest} and later: {}",
                kept.len(),
                some(&kept)
            ),
        ));
    }
    let unknown = names(false);
    if !unknown.is_empty() {
        lines.push(("missing", format!("{} have no price: {}", unknown.len(), some(&unknown))));
    }
    lines
}

/// Which questions are answered with it.
fn used(source: &ListSource) -> String {
    match source {
        ListSource::Aws => "every command that prices something uses it".to_owned(),
        ListSource::Sandbox => "only questions about the sandbox use it".to_owned(),
        ListSource::Endpoint(url) => format!("used only while AWS_ENDPOINT_URL is {url}"),
    }
}
