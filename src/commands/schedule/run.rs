//! `runbook schedule run`: one slot, by hand or called by somebody else's scheduler.
//!
//! It records the slot as a server does, so that a slot runs once, whoever comes first. `--slot last`
//! is for programs that only say "now": the slot is the newest that is due. A schedule that is paused
//! after failures skips such a slot; without `--slot` a person asks for a run, and when that ends well
//! the schedule goes on.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runbook_core::execute::Cancel;
use runbook_core::journal::Slots;
use runbook_core::journal::slots::{Ending, Row, State};
use runbook_core::schedule::Mode;
use runbook_core::schedule::decide::Reason;

use super::sources::{self, Entry};
use super::{RunArguments, local};
use crate::commands::Session;
use crate::commands::carry_out::{leave_now, next_signal};
use crate::commands::serve::Presence;
use crate::commands::serve::work::{Done, Due, Gate, Manner, Planners, work};
use crate::exit::{Exit, Signal};
use crate::state::run_name;
use crate::target::Target;
use crate::trouble::Trouble;

/// Runs one slot.
pub(super) async fn run(session: &Session, arguments: &RunArguments) -> Result<Exit, Trouble> {
    let sources = sources::all(session, &arguments.paths.paths)?;
    let entry = sources::chosen(&sources, &arguments.schedule)?;
    let target = Target::open(
        arguments.target.on,
        &arguments.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    session.greet(&target);
    let exit = on_target(session, arguments, &entry, &target).await;
    target.close().await;
    exit
}

/// The slot that is meant.
fn slot_of(entry: &Entry, asked: Option<&str>, now: Timestamp) -> Result<Timestamp, Trouble> {
    match asked {
        // Rows know whole seconds.
        None => Timestamp::from_second(now.as_second())
            .map_err(|error| Trouble::failed(error.to_string())),
        Some("last") => {
            let beyond = now.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(now);
            let slot = entry.schedule.previous(beyond);
            slot.map(|slot| slot.at).ok_or_else(|| {
                Trouble::usage(format!("no slot of {} has come yet", entry.identity))
            })
        }
        Some(text) => {
            let at: Timestamp = text.parse().map_err(|error| {
                Trouble::usage(format!("`{text}` is not a time: {error}"))
                    .hint("RFC 3339, such as 2026-03-30T06:15:00Z, or `last`")
            })?;
            let next = at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at);
            if entry.schedule.slots(at, next).is_empty() {
                return Err(Trouble::usage(format!("{at} is no slot of {}", entry.identity))
                    .hint("runbook schedule preview --from TIME shows its slots"));
            }
            Ok(at)
        }
    }
}

async fn on_target(
    session: &Session,
    arguments: &RunArguments,
    entry: &Arc<Entry>,
    target: &Target,
) -> Result<Exit, Trouble> {
    let failed = |error: runbook_core::journal::Error| Trouble::of(&error);
    let now = target.clock.now();
    let slot = slot_of(entry, arguments.slot.as_deref(), now)?;
    let presence = Presence::new(&session.state)?;
    let slots = Slots::open(&session.state.path).map_err(failed)?;
    let since = slots.seen(&entry.identity, now).map_err(failed)?;
    let shown = local(&entry.schedule, slot);
    let failures = slots.ledger(&entry.identity, &presence.name, since).map_err(failed)?.failures;
    let paused = entry.schedule.pause_after_failures.is_some_and(|most| failures >= most);
    if paused && arguments.slot.is_some() {
        let why = Reason::Paused { failures };
        let skipped = [(slot, why.clone())];
        slots.skip(&entry.identity, &skipped, &presence.name, now).map_err(failed)?;
        session.printer.out(&format!("↷ {shown}  {}  skipped: {why}", entry.identity));
        session.printer.note(&format!(
            "runbook schedule run {} (without --slot) runs it; when that ends well, it goes on",
            entry.identity
        ));
        return Ok(Exit::Done);
    }
    // Held from before the slot is recorded: what cannot start is not taken.
    let lease = match entry.schedule.mode {
        Mode::Plan => None,
        Mode::Apply => Some(session.state.lease(&presence.name)?),
    };
    if !slots.claim(&entry.identity, slot, &presence.name, now).map_err(failed)? {
        let row = slots.row(&entry.identity, slot).map_err(failed)?;
        return taken(session, entry, &shown, row.as_ref());
    }
    let run = run_name()?;
    slots.start(&entry.identity, slot, &presence.name, &run, now).map_err(failed)?;
    let (done, signal) = worked(session, arguments, entry, target, slot, &run).await;
    drop(lease);
    let how = done.how.unwrap_or(Ending::Cancelled);
    slots.end(&entry.identity, slot, &run, how, target.clock.now()).map_err(failed)?;
    session.printer.out(&format!("{shown}  {}  {}", entry.identity, done.words));
    Ok(match how {
        Ending::Succeeded | Ending::NothingToChange | Ending::Changes => Exit::Done,
        Ending::Failed => Exit::Failed,
        Ending::Uncovered => Exit::Stale,
        Ending::Paused => Exit::Paused,
        Ending::Cancelled => Exit::Cancelled(signal.unwrap_or(Signal::Interrupt)),
    })
}

/// The slot is somebody's already.
fn taken(
    session: &Session,
    entry: &Entry,
    shown: &str,
    row: Option<&Row>,
) -> Result<Exit, Trouble> {
    let name = &entry.identity;
    match row.map(|row| &row.state) {
        Some(State::Ended { how, run }) if how.is_failure() => {
            Err(Trouble::failed(format!("the slot {shown} of {name} has run already, and failed"))
                .hint(format!(
                    "runbook resume {run}, or runbook schedule run {name} for a new one"
                )))
        }
        Some(State::Ended { how, run }) => {
            let how = how.name().replace('_', " ");
            session.printer.out(&format!("✓ {shown}  {name}  has run already: {how}, run {run}"));
            Ok(Exit::Done)
        }
        _ => Err(Trouble::failed(format!("the slot {shown} of {name} is somebody else's now"))
            .hint("runbook schedule list shows what becomes of it")),
    }
}

async fn worked(
    session: &Session,
    arguments: &RunArguments,
    entry: &Arc<Entry>,
    target: &Target,
    slot: Timestamp,
    run: &str,
) -> (Done, Option<Signal>) {
    let manner = Manner { options: arguments.apply.clone(), yes: arguments.yes };
    let cancel = Cancel::default();
    let due = Due {
        entry: entry.clone(),
        slot,
        run: run.to_owned(),
        is_resumed: false,
        cancel: cancel.clone(),
        gate: Arc::new(Gate::new(target.clock.clone(), Arc::new(Planners::default()))),
    };
    let mut asked = None;
    let work = work(session, target, &due, &manner);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, asked),
            signal = next_signal() => {
                let Some(signal) = signal else { continue };
                if asked.is_some() {
                    leave_now(signal);
                }
                session.printer.note(&format!(
                    "{}: it ends in order; once more to leave at once", signal.name()
                ));
                asked = Some(signal);
                cancel.request(signal.name());
            }
        }
    }
}
