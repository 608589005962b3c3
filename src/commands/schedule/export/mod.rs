//! `runbook schedule export`: the same schedules for Kubernetes, Argo Workflows and systemd.
//!
//! Their program says when, ours does what: each object runs `runbook schedule run SCHEDULE --slot
//! last`, which finds the slot by itself and runs it once, so that a scheduler that fires twice (in an
//! hour that comes twice, or to catch up) does no harm. What the other program cannot do is said in a
//! comment and on stderr, never left out in silence. The state folder is a volume: slots and runs are
//! in it.

mod argo;
mod kubernetes;
mod systemd;

use std::time::Duration;

use jiff::Timestamp;
use runbook_core::schedule::{Daylight, Mode, Overlap, Policy};
use serde_json::Value;

use super::ExportArguments;
use super::sources::{self, Entry, Source};
use crate::commands::Session;
use crate::exit::Exit;
use crate::state::write_whole;
use crate::target::clock::real_now;
use crate::trouble::Trouble;

/// For which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// `CronJob` objects
    Kubernetes,
    /// `CronWorkflow` objects of Argo Workflows
    Argo,
    /// Timers with their services
    Systemd,
}

/// A file of the export.
struct Unit {
    name: String,
    text: String,
}

/// What an export knows.
struct Order<'a> {
    image: &'a str,
    namespace: &'a str,
    now: Timestamp,
}

/// Prints the schedules, or writes them.
pub(super) fn export(session: &Session, arguments: &ExportArguments) -> Result<Exit, Trouble> {
    let sources = sources::all(session, &arguments.paths.paths)?;
    let order = Order { image: &arguments.image, namespace: &arguments.namespace, now: real_now() };
    let mut units: Vec<Unit> = Vec::new();
    for source in &sources {
        let made = match arguments.format {
            Format::Kubernetes => kubernetes::units(source, &order)?,
            Format::Argo => argo::units(source, &order)?,
            Format::Systemd => systemd::units(source, &order),
        };
        // Account and state are the same for all.
        let is_known = |unit: &Unit| units.iter().any(|known| known.name == unit.name);
        let new: Vec<Unit> = made.into_iter().filter(|unit| !is_known(unit)).collect();
        units.extend(new);
        for entry in &source.entries {
            for note in notes(entry, arguments.format, order.now) {
                session.printer.note(&format!("{}: {note}", entry.identity));
            }
        }
    }
    let Some(out) = &arguments.out else {
        let texts: Vec<String> = units
            .iter()
            .map(|unit| match arguments.format {
                Format::Systemd => format!("# {}\n{}", unit.name, unit.text),
                Format::Kubernetes | Format::Argo => format!("---\n{}", unit.text),
            })
            .collect();
        session.printer.raw(texts.concat().as_bytes());
        return Ok(Exit::Done);
    };
    let folder = session.environment.working_directory.join(out);
    std::fs::create_dir_all(&folder).map_err(|error| {
        Trouble::failed(format!("failed to create `{}`: {error}", out.display()))
    })?;
    for unit in &units {
        write_whole(&folder.join(&unit.name), unit.text.as_bytes())?;
        session.printer.out(&out.join(&unit.name).display().to_string());
    }
    Ok(Exit::Done)
}

/// A name that every program takes: the runbook's, and the letters of the schedule.
fn name(entry: &Entry) -> String {
    let (owner, letters) = entry.identity.rsplit_once('#').unwrap_or((&entry.identity, ""));
    let plain: String = owner
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' })
        .collect();
    // 52 is what a CronJob's name may have; the letters tell schedules apart.
    let plain: String = plain.trim_matches('-').chars().take(52 - 8 - letters.len()).collect();
    format!("runbook-{}-{letters}", plain.trim_matches('-')).replace("--", "-")
}

/// The command line, without the program.
fn command(entry: &Entry, runbook: &str, slot: &str) -> Vec<String> {
    let mut words = vec![
        "schedule".to_owned(),
        "run".to_owned(),
        entry.identity.clone(),
        runbook.to_owned(),
        "--slot".to_owned(),
        slot.to_owned(),
        "--on".to_owned(),
        "aws".to_owned(),
    ];
    if entry.schedule.mode == Mode::Apply {
        words.push("--yes".to_owned());
    }
    words
}

/// How long after its time a slot may still be begun.
fn deadline(entry: &Entry) -> Duration {
    let late = match entry.schedule.catch_up.policy {
        Policy::None => runbook_core::schedule::decide::ON_TIME,
        Policy::Last | Policy::All => entry.schedule.catch_up.window,
    };
    // Kubernetes looks every ten seconds and misses what has less.
    late.max(Duration::from_mins(1))
}

/// What the other program does in another way than `runbook serve`.
fn notes(entry: &Entry, format: Format, now: Timestamp) -> Vec<String> {
    let one = &entry.schedule;
    let mut notes = Vec::new();
    let (program, jitters) = match format {
        Format::Kubernetes => ("Kubernetes", false),
        Format::Argo => ("Argo", false),
        Format::Systemd => ("systemd", true),
    };
    if moved(entry, now) {
        notes.push(format!(
            "daylight saving moves slots of it; {program} has rules of its own there, not `dst`"
        ));
    }
    let is_exact = match (format, one.overlap) {
        (Format::Systemd, overlap) => overlap == Overlap::Skip,
        (_, overlap) => !matches!(overlap, Overlap::BufferOne | Overlap::BufferAll),
    };
    if !is_exact {
        notes.push(format!("{program} cannot do its `overlap`; a slot is skipped instead"));
    }
    if !one.jitter.is_zero() && !jitters {
        notes.push(format!("{program} has no `jitter`; it starts at its time"));
    }
    if one.catch_up.policy == Policy::All {
        notes.push(format!("{program} catches up the newest missed slot, not all"));
    }
    notes
}

/// Whether daylight saving touches a slot in the two years to come.
fn moved(entry: &Entry, now: Timestamp) -> bool {
    let two_years = jiff::SignedDuration::from_hours(2 * 366 * 24);
    let until = now.saturating_add(two_years).unwrap_or(now);
    let touched = |slot: &runbook_core::schedule::Slot| {
        slot.daylight != Daylight::Kept || !slot.also.is_empty()
    };
    let mut at = now;
    // Only around the changes: a schedule of every minute has a million slots.
    while let Some(change) = entry.schedule.zone.rules().following(at).next() {
        at = change.timestamp();
        if at > until {
            break;
        }
        let day = jiff::SignedDuration::from_hours(27);
        let (from, to) = (at.saturating_sub(day), at.saturating_add(day));
        if let (Ok(from), Ok(to)) = (from, to)
            && entry.schedule.occurrences(from, to).iter().any(touched)
        {
            return true;
        }
    }
    false
}

/// Comment lines above an object.
fn comments(entry: &Entry, format: Format, now: Timestamp) -> String {
    let head =
        format!("{}, mode {}, from {}", entry.identity, entry.schedule.mode.name(), entry.runbook);
    std::iter::once(head)
        .chain(notes(entry, format, now))
        .map(|line| format!("# {}\n", crate::view::words::one_line(&line)))
        .collect()
}

/// An object as YAML.
fn yaml(object: &Value) -> Result<String, Trouble> {
    serde_saphyr::to_string(object).map_err(|error| Trouble::failed(error.to_string()))
}

/// The texts of a source by a key that a `ConfigMap` takes, with the path of each.
fn files(source: &Source) -> Vec<(String, String, String)> {
    source
        .files
        .iter()
        .enumerate()
        .map(|(at, (path, text))| (format!("file-{at}"), path.clone(), text.clone()))
        .collect()
}
