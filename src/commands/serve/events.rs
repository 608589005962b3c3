//! What a server says: one line per change of a slot, or one event of JSON.

use std::sync::Arc;

use jiff::Timestamp;
use runbook_core::journal::slots::Ending;
use runbook_core::schedule::decide::Reason;
use runbook_tasks::outbox::Owed;
use serde_json::json;

use crate::arguments::EventFormat;
use crate::commands::schedule::local;
use crate::commands::schedule::sources::Entry;
use crate::printer::Printer;
use crate::style::Meaning;
use crate::target::clock::real_now;
use crate::view::words;

/// What happened to a slot.
pub(crate) enum Happened<'a> {
    /// It is due; it starts now or, by its jitter or an earlier one, later.
    Planned,
    /// Its run starts, or is taken up again.
    Started { run: &'a str, is_resumed: bool },
    /// It does not run.
    Skipped(&'a Reason),
    /// It ended.
    Ended { run: &'a str, how: Ending, words: &'a str },
    /// It was told to stop and can be taken up again.
    Stopped { run: &'a str },
    /// It could start, and has to wait for another process.
    Waits(&'a str),
}

/// A delivery that was owed and was sent again, or could not be.
pub(crate) struct Delivery<'a> {
    pub(crate) owed: &'a Owed,
    /// `delivered`, `failed`, `refused`, `unresolved`.
    pub(crate) outcome: &'static str,
    pub(crate) why: &'a str,
}

/// Says it.
pub(crate) struct Speaker {
    pub(crate) printer: Arc<Printer>,
    pub(crate) format: EventFormat,
    pub(crate) quiet: bool,
}

impl Speaker {
    /// Says what happened to a slot.
    pub(crate) fn say(&self, entry: &Entry, slot: Timestamp, now: Timestamp, what: &Happened<'_>) {
        match self.format {
            EventFormat::Json => self.printer.out(&document(entry, slot, now, what).to_string()),
            EventFormat::Text => {
                if let Some(line) = self.line(entry, slot, what) {
                    self.printer.out(&line);
                }
            }
        }
    }

    /// Says what became of a delivery that was owed.
    pub(crate) fn say_delivery(&self, delivery: &Delivery<'_>, now: Timestamp) {
        let Delivery { owed, outcome, why } = delivery;
        if self.format == EventFormat::Json {
            let document = json!({
                "v": 1, "event": "delivery_retried", "time": real_now(), "world_time": now,
                "report": owed.report, "window": owed.window.to_string(),
                "destination": owed.destination, "outcome": outcome, "because": why,
            });
            self.printer.out(&document.to_string());
            return;
        }
        let (meaning, mark) = match *outcome {
            "delivered" => (Meaning::Good, "✓"),
            "failed" => (Meaning::Waiting, "◔"),
            "unresolved" => (Meaning::Waiting, "◆"),
            _ => (Meaning::Bad, "✗"),
        };
        let to = words::one_line(&owed.destination);
        let text = match *outcome {
            "delivered" => format!("delivered to {to}"),
            "failed" => format!("not delivered to {to}, and tried again: {why}"),
            "unresolved" => format!("waits for {to}: {why}"),
            _ => format!("refused by {to}: {why}"),
        };
        self.printer.out(&format!(
            "{now:.0} {}  {} of {}  {}",
            self.printer.out.paint(meaning, mark),
            words::one_line(&owed.report),
            owed.window,
            words::one_line(&text)
        ));
    }

    fn line(&self, entry: &Entry, slot: Timestamp, what: &Happened<'_>) -> Option<String> {
        let (meaning, mark, text) = match what {
            Happened::Planned => return None,
            Happened::Started { .. } | Happened::Waits(_) if self.quiet => return None,
            Happened::Started { run, is_resumed } => {
                let verb = if *is_resumed { "carries on" } else { "starts" };
                (Meaning::Running, "▶", format!("run {run} {verb}"))
            }
            Happened::Skipped(why) => (Meaning::Quiet, "↷", format!("skipped: {why}")),
            Happened::Ended { how, words, .. } => {
                let (meaning, mark) = if how.is_failure() {
                    (Meaning::Bad, "✗")
                } else if *how == Ending::Paused {
                    (Meaning::Waiting, "◆")
                } else {
                    (Meaning::Good, "✓")
                };
                (meaning, mark, (*words).to_owned())
            }
            Happened::Stopped { run } => (
                Meaning::Waiting,
                "◔",
                format!("run {run} stopped; it is resumed by the next server"),
            ),
            Happened::Waits(why) => (Meaning::Waiting, "◔", (*why).to_owned()),
        };
        Some(format!(
            "{} {}  {}  {}",
            local(&entry.schedule, slot),
            self.printer.out.paint(meaning, mark),
            words::one_line(&entry.identity),
            words::one_line(&text)
        ))
    }
}

fn document(
    entry: &Entry,
    slot: Timestamp,
    now: Timestamp,
    what: &Happened<'_>,
) -> serde_json::Value {
    let (event, more) = match what {
        Happened::Planned => ("slot_planned", json!({})),
        Happened::Started { run, is_resumed } => {
            ("slot_started", json!({"run": run, "resumed": is_resumed}))
        }
        Happened::Skipped(why) => {
            ("slot_skipped", json!({"reason": why.label(), "because": why.to_string()}))
        }
        Happened::Ended { run, how, words } => {
            ("slot_ended", json!({"run": run, "outcome": how, "because": words}))
        }
        Happened::Stopped { run } => ("slot_stopped", json!({"run": run})),
        Happened::Waits(why) => ("slot_waiting", json!({"reason": why})),
    };
    let mut document = json!({
        "v": 1, "event": event, "time": real_now(), "world_time": now,
        "schedule": entry.identity, "slot": slot,
    });
    if let (Some(document), Some(more)) = (document.as_object_mut(), more.as_object()) {
        document.extend(more.clone());
    }
    document
}
