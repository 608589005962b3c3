//! Schedules: from text to slots, and from slots to what is done about them. Time is injected.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

#[path = "schedule/cron.rs"]
mod cron;
#[path = "schedule/decisions.rs"]
mod decisions;
#[path = "schedule/mistakes.rs"]
mod mistakes;
#[path = "schedule/rows.rs"]
mod rows;
#[path = "schedule/slots.rs"]
mod slots;

use jiff::Timestamp;
use runbook_core::schedule::{Schedule, read};

/// The only schedule of a runbook with these keys.
pub(crate) fn schedule(keys: &str) -> Schedule {
    let text = format!(
        "apiVersion: runbook/v1\nname: test\ntasks:\n  - {{id: a, uses: assert}}\nschedule:\n  - {{{keys}}}\n"
    );
    read("test.yaml", &text)
        .unwrap_or_else(|refused| panic!("{keys}: {:#?}", refused.problems))
        .pop()
        .unwrap()
}

/// An instant.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
