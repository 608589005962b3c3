//! Schedules: when a runbook runs by itself.
//!
//! ```text
//! schedule: in a file → Schedule → slots(from, to) → decide(ledger, now) → actions
//! ```
//!
//! A *slot* is one moment at which a schedule is due. Slots are a pure function of the schedule and an
//! interval ([`slots`]): the cron expression gives civil times ([`cron`]), the time zone makes instants
//! of them, and where daylight saving removes or doubles a civil time, `dst` says what becomes of it.
//! What is done about a slot that is due (start it, let it wait, skip it and why) is a pure function
//! too ([`decide`]); the rows that it reads and writes lie in the journal's database
//! ([`crate::journal::Slots`]). Nothing here asks a clock.
//!
//! A schedule is known by its [`Schedule::identity`], made of what decides *when* and *what* it runs:
//! the owner, cron expression, time zone, mode and inputs. Overlap, catch-up, jitter and the pause can
//! be edited without making another schedule of it.

pub mod cron;
pub mod decide;
mod decode;
pub mod slots;
pub mod zone;

pub use decode::read;
pub(crate) use decode::{decode, inputs_fit};

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest::{hex, of_json};
use crate::source::Span;
use crate::value::Value;

pub use cron::Cron;
pub use slots::{Daylight, Slot};
pub use zone::Zone;

/// What a slot does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Look what would change: a drift report. Writes nothing.
    #[default]
    Plan,
    /// Plan and apply.
    Apply,
}

impl Mode {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
        }
    }
}

/// What becomes of a civil time that does not exist, since clocks are put forward over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gap {
    /// As if the clocks had not been changed yet: 02:30 is 03:30 of the new time.
    #[default]
    RunAfter,
    /// It does not run.
    Skip,
    /// As if the clocks had been changed already: 02:30 is 01:30 of the old time.
    RunBefore,
}

/// What becomes of a civil time that comes twice, since clocks are put back over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    /// The first time.
    #[default]
    First,
    /// The second time.
    Second,
    /// Both times.
    Both,
}

/// What becomes of a slot that is due while an earlier one is still at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// One waits; while it does, further ones are skipped.
    BufferOne,
    /// All wait, at most `catch_up.max`.
    BufferAll,
    /// The earlier one is cancelled in order, then this one starts; of several that wait, the newest.
    CancelOther,
    /// It starts all the same.
    AllowAll,
}

/// Which missed slots are run when there was nobody to run them in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The newest.
    #[default]
    Last,
    /// All, the newest `max` of them, one after another.
    All,
    /// None.
    None,
}

/// What is done about missed slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUp {
    /// Older ones are never run.
    pub window: Duration,
    /// Which are run.
    pub policy: Policy,
    /// At most so many are caught up, and at most so many wait.
    pub max: usize,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { window: Duration::from_hours(1), policy: Policy::Last, max: 20 }
    }
}

/// One entry of `schedule:`.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// `cron`.
    pub cron: Cron,
    /// `timezone`.
    pub zone: Zone,
    /// `mode`.
    pub mode: Mode,
    /// `dst.gap`.
    pub gap: Gap,
    /// `dst.fold`.
    pub fold: Fold,
    /// `overlap`.
    pub overlap: Overlap,
    /// `catch_up`.
    pub catch_up: CatchUp,
    /// `jitter`: a slot starts at most so much later.
    pub jitter: Duration,
    /// `pause_after_failures`.
    pub pause_after_failures: Option<u32>,
    /// `inputs`: given to each run.
    pub inputs: BTreeMap<String, Value>,
    /// Where the entry stands.
    pub span: Span,
    /// Where each input stands.
    pub input_spans: BTreeMap<String, Span>,
}

/// Letters of a digest that tell schedules of one owner apart.
const SHORT: usize = 6;

impl Schedule {
    /// What it is known by: `<runbook>/<instance>#<six letters>`.
    pub fn identity(&self, owner: &str) -> String {
        let inputs: BTreeMap<&String, serde_json::Value> = self
            .inputs
            .iter()
            .map(|(name, value)| (name, value.to_json_with(&|_| serde_json::Value::Null)))
            .collect();
        let meaning = serde_json::json!({
            "v": 1, "owner": owner, "cron": self.cron.meaning(), "timezone": self.zone.name(),
            "mode": self.mode, "inputs": inputs,
        });
        format!("{owner}#{}", hex(&of_json(&meaning), SHORT))
    }

    /// When a slot starts: at its time, or up to `jitter` later; always the same for the same slot.
    pub fn starts_at(&self, identity: &str, slot: Timestamp) -> Timestamp {
        let spread = self.jitter.as_secs();
        if spread == 0 {
            return slot;
        }
        let hash = blake3::hash(format!("{identity} {slot}").as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        let later = u64::from_le_bytes(first) % (spread + 1);
        let later = SignedDuration::from_secs(i64::try_from(later).unwrap_or(0));
        slot.saturating_add(later).unwrap_or(slot)
    }
}
