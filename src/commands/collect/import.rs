//! `runbook collect --prometheus`: whole days out of a Prometheus, into the store of samples.
//!
//! A day of which there are samples is left as it is: nothing is counted twice.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::SilentObserver;
use runbook_showback::observed::{ClusterId, Period, Window};
use runbook_showback::samples::prometheus::Prometheus;
use runbook_showback::samples::{Store, StoreError};

use super::series::{store, unusable};
use super::{CollectArguments, Session};
use crate::exit::Exit;
use crate::style::Meaning;
use crate::target::On;
use crate::target::clock::{ClientTime, RealTime, real_now};
use crate::trouble::Trouble;
use crate::view::words;

/// Imports the days of a window.
pub(super) async fn run(
    session: &Session,
    arguments: &CollectArguments,
    url: &str,
    window: Period,
) -> Result<Exit, Trouble> {
    let now = real_now();
    // A Prometheus does not change its mind about days that are over.
    let window = window.at(now, SignedDuration::ZERO).window;
    if window.is_empty() {
        return Err(Trouble::usage("a Prometheus is asked about days that are over")
            .hint("--window previous_day"));
    }
    // Nothing simulated has a Prometheus.
    let store = store(session, arguments, On::Aws)?;
    let id = identity(session, arguments, &store)?;
    let token = token(session, arguments)?;
    let prometheus = Prometheus::new(
        url,
        token.as_deref(),
        Arc::new(ClientTime(Arc::new(RealTime))),
        Arc::new(SilentObserver),
    )
    .map_err(|error| Trouble::usage(error.to_string()))?;
    let mut writer = store.writer(&id, arguments.keep).map_err(|error| unusable(&error))?;
    let (mut imported, mut left) = (0_usize, 0_usize);
    for (day, part) in window.days() {
        if !is_over(part, now) {
            session.printer.note(&format!("{day} is not over, and was not imported"));
            left += 1;
            continue;
        }
        if writer.has_day(day).map_err(|error| unusable(&error))? {
            let cluster = id.to_string();
            session.printer.note(&StoreError::DayIsThere { cluster, day }.to_string());
            left += 1;
            continue;
        }
        let looks = prometheus.day(day).await.map_err(|error| {
            Trouble::of(&error).hint(format!(
                "{} imported; the same command goes on from there",
                words::count(imported, "day")
            ))
        })?;
        let count = writer.import_day(day, looks.into_iter()).map_err(|error| unusable(&error))?;
        imported += 1;
        let printer = &session.printer;
        let mark = printer.out.paint(Meaning::Good, "✓");
        printer.out(&format!("{mark} {day} {}: {}", id.name, words::count_of(count, "look")));
    }
    let rest = if left == 0 { String::new() } else { format!(", {left} left as they are") };
    session.printer.out(&format!("{}: {} imported{rest}", id.name, words::count(imported, "day")));
    Ok(Exit::Done)
}

fn is_over(part: Window, now: Timestamp) -> bool {
    part.end <= now && part.end.to_zoned(TimeZone::UTC).time() == jiff::civil::Time::midnight()
}

/// Of which cluster the Prometheus tells: the one of that name in the store, else one by name and region.
fn identity(
    session: &Session,
    arguments: &CollectArguments,
    store: &Store,
) -> Result<ClusterId, Trouble> {
    let name = arguments.cluster.cluster.clone().ok_or_else(|| {
        Trouble::usage("of which cluster does the Prometheus tell?").hint("--cluster NAME")
    })?;
    let region = arguments
        .region
        .clone()
        .or_else(|| session.environment.get("AWS_REGION").map(str::to_owned));
    let known = store.clusters().map_err(|error| unusable(&error))?;
    let is_it = |id: &ClusterId| {
        id.name == name && region.as_ref().is_none_or(|region| *region == id.region)
    };
    let mut matching = known.into_iter().filter(is_it);
    if let (Some(only), None) = (matching.next(), matching.next()) {
        return Ok(only);
    }
    let region = region.ok_or_else(|| {
        Trouble::usage(format!("in which region is the cluster `{name}`?"))
            .hint("--region ap-northeast-2")
    })?;
    Ok(ClusterId { account: None, region, name })
}

fn token(session: &Session, arguments: &CollectArguments) -> Result<Option<String>, Trouble> {
    let Some(path) = &arguments.token_file else { return Ok(None) };
    let path = session.environment.working_directory.join(path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Trouble::usage(format!("failed to read `{}`: {error}", path.display())))?;
    Ok(Some(text.trim().to_owned()))
}
