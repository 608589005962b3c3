//! What is done about the slots of one schedule now: a pure function of what is recorded and the time.
//!
//! | overlap | an earlier slot is at work | one waits already |
//! |---|---|---|
//! | `skip` | skipped | skipped |
//! | `buffer_one` | waits | skipped |
//! | `buffer_all` | waits | waits, at most `catch_up.max` of them |
//! | `cancel_other` | that one is cancelled, this one waits | the older one is skipped |
//! | `allow_all` | starts | starts |
//!
//! A slot that was due more than [`ON_TIME`] ago and is not recorded was *missed*. By `catch_up` it is
//! run late or skipped with its reason; missed slots run one after another (save under `allow_all`),
//! for a policy that would skip all but the first would catch up nothing.
//!
//! A slot is planned (recorded) when it is due and started when its jitter has passed. Whoever carries
//! the actions out records each first; recording is what two servers compete for, and asking again at
//! the same time gives nothing that was done already.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Overlap, Policy, Schedule};

/// A slot that is recorded so long after it was due is late: it was missed.
pub const ON_TIME: Duration = Duration::from_mins(1);

/// Why a slot is skipped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It was missed, and `catch_up.policy` is `none`.
    Missed,
    /// It was missed, longer ago than `catch_up.window`.
    TooOld,
    /// It was missed, and a newer one is run.
    Superseded {
        /// The newer one.
        by: Timestamp,
    },
    /// It was missed, and more than `catch_up.max` newer ones were, too.
    TooMany,
    /// An earlier slot is still at work or waits.
    Overlap {
        /// The earlier one.
        with: Timestamp,
    },
    /// As many wait as may.
    Full,
    /// It waited for an earlier one to be cancelled, and a newer one takes its place.
    Replaced {
        /// The newer one.
        by: Timestamp,
    },
    /// The schedule is paused after failures in a row.
    Paused {
        /// How many.
        failures: u32,
    },
}

impl Reason {
    /// For metrics: one word.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::TooOld => "too_old",
            Self::Superseded { .. } => "superseded",
            Self::TooMany => "too_many",
            Self::Overlap { .. } => "overlap",
            Self::Full => "full",
            Self::Replaced { .. } => "replaced",
            Self::Paused { .. } => "paused",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missed => formatter.write_str("missed, and catch_up.policy is none"),
            Self::TooOld => formatter.write_str("missed, longer ago than catch_up.window"),
            Self::Superseded { by } => write!(formatter, "missed, and the newer slot {by} is run"),
            Self::TooMany => formatter.write_str("missed, with more newer ones than catch_up.max"),
            Self::Overlap { with } => write!(formatter, "the slot {with} has not ended"),
            Self::Full => formatter.write_str("as many slots wait as may"),
            Self::Replaced { by } => write!(formatter, "the newer slot {by} takes its place"),
            Self::Paused { failures } => {
                write!(formatter, "paused after {failures} failures in a row")
            }
        }
    }
}

/// A recorded slot that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The slot.
    pub slot: Timestamp,
    /// Whether it has started.
    pub is_started: bool,
    /// When it was recorded.
    pub planned_at: Timestamp,
    /// Whether this server recorded it: others' are counted, and left to them.
    pub is_ours: bool,
}

/// What is recorded of one schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// When it was seen first: earlier slots are none of its.
    pub since: Timestamp,
    /// The newest slot that is recorded.
    pub newest: Option<Timestamp>,
    /// Slots that have not ended, ascending.
    pub open: Vec<Open>,
    /// Failures in a row, up to now.
    pub failures: u32,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Record that it is due.
    Plan(Timestamp),
    /// Record that it is skipped.
    Skip(Timestamp, Reason),
    /// Record that it starts, and start it.
    Start(Timestamp),
    /// Ask its run to stop in order.
    Cancel(Timestamp),
}

/// Slots that were missed so long ago that they are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// How many.
    pub count: usize,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

/// So many missed slots are recorded one by one; of a schedule of every minute, that is a week.
pub const MOST_MISSED: usize = 10_000;

/// What to do, and when to ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// In this order.
    pub actions: Vec<Action>,
    /// Missed slots before those: more than anybody would read about.
    pub forgotten: Option<Forgotten>,
    /// When the next slot is due or starts; the end of a run is a reason to ask again, too.
    pub wake: Option<Timestamp>,
}

/// Decides.
pub fn decide(schedule: &Schedule, identity: &str, ledger: &Ledger, now: Timestamp) -> Decision {
    let paused = schedule
        .pause_after_failures
        .filter(|most| ledger.failures >= *most)
        .map(|_| Reason::Paused { failures: ledger.failures });
    let mut actions = Vec::new();
    let mut open = ledger.open.clone();
    let mut missed = due(schedule, ledger, now);
    let forgotten = forget(&mut missed);
    for (slot, verdict) in missed {
        if let Some(reason) = paused.clone().or(verdict) {
            actions.push(Action::Skip(slot, reason));
            continue;
        }
        actions.push(Action::Plan(slot));
        open.push(Open { slot, is_started: false, planned_at: now, is_ours: true });
    }
    open.sort_by_key(|one| one.slot);
    let starts_at = |one: &Open| schedule.starts_at(identity, one.slot);
    let later = open.iter().filter(|one| !one.is_started).map(starts_at).filter(|at| *at > now);
    let wake = later.chain(after(schedule, now)).min();
    let ready: Vec<Open> = open
        .iter()
        .filter(|one| !one.is_started && one.is_ours && starts_at(one) <= now)
        .cloned()
        .collect();
    if let Some(reason) = paused {
        actions.extend(ready.into_iter().map(|one| Action::Skip(one.slot, reason.clone())));
        return Decision { actions, forgotten, wake };
    }
    // Whoever has started, and whoever waits in front.
    let mut ahead: Vec<Ahead> = open
        .iter()
        .filter(|one| one.is_started)
        .map(|one| Ahead { slot: one.slot, is_started: true, is_ours: one.is_ours })
        .collect();
    let newest_ready = ready.last().map(|one| one.slot);
    for one in ready {
        let verdict = admitted(schedule, &one, &ahead, newest_ready);
        match verdict {
            Admitted::Start => {
                actions.push(Action::Start(one.slot));
                ahead.push(Ahead { slot: one.slot, is_started: true, is_ours: true });
            }
            Admitted::Wait => {
                ahead.push(Ahead { slot: one.slot, is_started: false, is_ours: true });
            }
            Admitted::Skip(reason) => actions.push(Action::Skip(one.slot, reason)),
            Admitted::Cancel => {
                let ours = ahead.iter().filter(|other| other.is_started && other.is_ours);
                actions.extend(ours.map(|other| Action::Cancel(other.slot)));
                ahead.push(Ahead { slot: one.slot, is_started: false, is_ours: true });
            }
        }
    }
    Decision { actions, forgotten, wake }
}

/// Takes the oldest away when there are too many.
fn forget(missed: &mut Vec<(Timestamp, Option<Reason>)>) -> Option<Forgotten> {
    let count = missed.len().checked_sub(MOST_MISSED).filter(|count| *count > 0)?;
    let mut old = missed.drain(..count);
    let (first, _) = old.next()?;
    let last = old.next_back().map_or(first, |(last, _)| last);
    Some(Forgotten { count, first, last })
}

fn after(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    let next = now.checked_add(SignedDuration::from_nanos(1)).ok()?;
    schedule.following(next).map(|slot| slot.at)
}

/// The slots that are due and not recorded, with the reason to skip them where there is one.
fn due(schedule: &Schedule, ledger: &Ledger, now: Timestamp) -> Vec<(Timestamp, Option<Reason>)> {
    let tick = SignedDuration::from_nanos(1);
    let beyond = |at: Timestamp| at.saturating_add(tick).unwrap_or(at);
    let from = ledger.newest.map_or(ledger.since, |newest| beyond(newest).max(ledger.since));
    // What is older than the window is told as far back as there is any use in it.
    let slots: Vec<Timestamp> =
        schedule.slots(from, beyond(now)).into_iter().map(|slot| slot.at).collect();
    let age = |slot: Timestamp| Duration::try_from(now.duration_since(slot)).unwrap_or_default();
    let catch_up = schedule.catch_up;
    let newest = slots.last().copied();
    let missed_within: Vec<Timestamp> = slots
        .iter()
        .copied()
        .filter(|slot| age(*slot) > ON_TIME && age(*slot) <= catch_up.window)
        .collect();
    let oldest_kept = missed_within
        .len()
        .checked_sub(catch_up.max)
        .map_or(missed_within.first(), |at| missed_within.get(at))
        .copied();
    slots
        .into_iter()
        .map(|slot| {
            let reason = match (age(slot) <= ON_TIME, catch_up.policy) {
                (true, _) => None,
                (false, Policy::None) => Some(Reason::Missed),
                (false, _) if age(slot) > catch_up.window => Some(Reason::TooOld),
                (false, Policy::Last) => {
                    newest.filter(|newest| *newest != slot).map(|by| Reason::Superseded { by })
                }
                (false, Policy::All) => {
                    oldest_kept.filter(|oldest| slot < *oldest).map(|_| Reason::TooMany)
                }
            };
            (slot, reason)
        })
        .collect()
}

/// A slot in front of another one.
struct Ahead {
    slot: Timestamp,
    is_started: bool,
    is_ours: bool,
}

/// What becomes of a slot whose time has come.
enum Admitted {
    Start,
    Wait,
    Skip(Reason),
    /// Whoever is at work is cancelled, and this one waits.
    Cancel,
}

fn admitted(
    schedule: &Schedule,
    one: &Open,
    ahead: &[Ahead],
    newest_ready: Option<Timestamp>,
) -> Admitted {
    if schedule.overlap == Overlap::AllowAll {
        return Admitted::Start;
    }
    let late = Duration::try_from(one.planned_at.duration_since(one.slot)).unwrap_or_default();
    let waiting = ahead.iter().filter(|other| !other.is_started).count();
    let Some(first) = ahead.first() else { return Admitted::Start };
    if late > ON_TIME && schedule.overlap != Overlap::CancelOther {
        return Admitted::Wait;
    }
    match schedule.overlap {
        Overlap::AllowAll => Admitted::Start,
        Overlap::Skip => Admitted::Skip(Reason::Overlap { with: first.slot }),
        Overlap::BufferOne if waiting > 0 => Admitted::Skip(Reason::Full),
        Overlap::BufferAll if waiting >= schedule.catch_up.max => Admitted::Skip(Reason::Full),
        Overlap::BufferOne | Overlap::BufferAll => Admitted::Wait,
        Overlap::CancelOther => match newest_ready.filter(|newest| *newest != one.slot) {
            Some(by) => Admitted::Skip(Reason::Replaced { by }),
            None => Admitted::Cancel,
        },
    }
}
