//! `runbook schedule`: what is scheduled, when it comes, one slot by hand, and the same for others'
//! programs.

mod export;
mod preview;
mod run;
pub(crate) mod sources;

use clap::{Args, Subcommand};
use runbook_core::journal::Slots;
use runbook_core::journal::slots::State;
use serde_json::json;

use super::{Session, block_on};
use crate::arguments::{ApplyOptions, TableFormat, TargetArguments};
use crate::exit::Exit;
use crate::target::clock::real_now;
use crate::trouble::Trouble;
use crate::view;

/// `runbook schedule …`
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List schedules, with their next slot and what became of the newest
    List(ListArguments),
    /// Print the next slots; those that daylight saving moves, doubles or drops are marked
    Preview(PreviewArguments),
    /// Run one slot now; each slot runs once
    Run(RunArguments),
    /// Print the schedules for Kubernetes, Argo Workflows or systemd
    Export(ExportArguments),
}

/// Which runbooks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Paths {
    /// Runbooks with a schedule, and folders of such [default: the working directory]
    #[arg(value_name = "FILE|DIR")]
    pub(crate) paths: Vec<String>,
}

/// `runbook schedule list`
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    paths: Paths,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: TableFormat,
}

/// `runbook schedule preview`
#[derive(Debug, Args)]
pub(crate) struct PreviewArguments {
    #[command(flatten)]
    paths: Paths,
    /// How many slots of each schedule
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    number: u16,
    /// From when on, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: TableFormat,
}

/// `runbook schedule run`
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The schedule: its name, or the beginning of it
    #[arg(value_name = "SCHEDULE")]
    schedule: String,
    #[command(flatten)]
    paths: Paths,
    /// The slot: RFC 3339, or `last` for the newest that is due; without it, a slot of its own
    #[arg(long, value_name = "TIME")]
    slot: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    apply: ApplyOptions,
    /// Apply on AWS without asking, when the schedule's mode is `apply`
    #[arg(short = 'y', long)]
    yes: bool,
}

/// `runbook schedule export`
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    paths: Paths,
    /// For which program
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: export::Format,
    /// The container image that has this program as its entry point
    #[arg(long, value_name = "IMAGE", default_value = "runbook:latest")]
    image: String,
    /// The namespace of the objects
    #[arg(long, value_name = "NAME", default_value = "runbook")]
    namespace: String,
    /// Write one file per object into this folder instead of printing them
    #[arg(long, value_name = "DIR")]
    out: Option<std::path::PathBuf>,
}

/// Does what the command line says.
pub(super) fn run(session: &Session, command: ScheduleCommand) -> Result<Exit, Trouble> {
    match command {
        ScheduleCommand::List(arguments) => list(session, &arguments),
        ScheduleCommand::Preview(arguments) => preview::preview(session, &arguments),
        ScheduleCommand::Run(arguments) => block_on(run::run(session, &arguments)),
        ScheduleCommand::Export(arguments) => export::export(session, &arguments),
    }
}

/// What became of the newest slot, in words.
fn newest(slots: Option<&Slots>, identity: &str) -> Result<String, Trouble> {
    let Some(slots) = slots else { return Ok(String::new()) };
    let rows = slots.rows(identity, 1).map_err(|error| Trouble::of(&error))?;
    Ok(rows.first().map_or_else(String::new, |row| {
        let what = match &row.state {
            State::Planned => "planned".to_owned(),
            State::Started { run } => format!("at work, run {run}"),
            State::Ended { how, .. } => how.name().replace('_', " "),
            State::Skipped { why } => format!("skipped: {why}"),
        };
        format!("{} {what}", row.slot)
    }))
}

fn list(session: &Session, arguments: &ListArguments) -> Result<Exit, Trouble> {
    let sources = sources::all(session, &arguments.paths.paths)?;
    // A list makes no journal.
    let slots =
        session.state.path.join("journal.db").is_file().then(|| Slots::open(&session.state.path));
    let slots = slots.transpose().map_err(|error| Trouble::of(&error))?;
    let now = real_now();
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for entry in sources.iter().flat_map(|source| &source.entries) {
        let one = &entry.schedule;
        let next = one.following(now).map(|slot| slot.at);
        let last = newest(slots.as_ref(), &entry.identity)?;
        documents.push(json!({
            "schedule": entry.identity, "runbook": entry.runbook, "cron": one.cron.text(),
            "timezone": one.zone.name(), "mode": one.mode, "next": next, "newest": last,
        }));
        rows.push(vec![
            entry.identity.clone(),
            entry.runbook.clone(),
            one.cron.text().to_owned(),
            one.zone.name().to_owned(),
            one.mode.name().to_owned(),
            next.map_or_else(|| "never".to_owned(), |next| local(one, next)),
            last,
        ]);
    }
    if arguments.output == TableFormat::Json {
        session.printer.out(&view::json::pretty(&json!({"v": 1, "schedules": documents})));
        return Ok(Exit::Done);
    }
    let columns = ["SCHEDULE", "RUNBOOK", "CRON", "TIME ZONE", "MODE", "NEXT", "NEWEST SLOT"];
    session.tabular(&columns, &rows, arguments.output)?;
    Ok(Exit::Done)
}

/// An instant in the schedule's own time: `Mon 2026-03-30 06:15 +09:00`.
pub(crate) fn local(schedule: &runbook_core::schedule::Schedule, at: jiff::Timestamp) -> String {
    at.to_zoned(schedule.zone.rules().clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}
