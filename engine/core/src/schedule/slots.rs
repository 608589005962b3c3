//! Slots: the moments at which a schedule is due, as a function of the schedule and an interval.
//!
//! A civil time that exists once is one slot. One that clocks are put forward over does not exist: by
//! `dst.gap` it is read with the offset from before the change (02:30 becomes 03:30), with the one
//! after it (01:30), or dropped. One that comes twice is read with the first offset, the second, or
//! both. When two civil times fall on one instant (02:30 moved to 03:30, where `30 * * * *` is due
//! anyway) they are one slot, which says for whom else it stands. An interval is half open, and
//! cutting it in two gives the same slots: nothing is carried from one to the next.

use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{Span, Timestamp, ToSpan as _};

use super::{Fold, Gap, Schedule};

/// What daylight saving did to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Daylight {
    /// Nothing.
    Kept,
    /// The civil time does not exist; it runs later.
    MovedLater,
    /// The civil time does not exist; it runs earlier.
    MovedEarlier,
    /// The civil time does not exist; it does not run.
    Dropped,
    /// The civil time comes twice; it runs the first time only.
    OnlyFirst,
    /// The civil time comes twice; it runs the second time only.
    OnlySecond,
    /// The civil time comes twice and it runs twice: this is the first.
    FirstOfTwo,
    /// The second of those.
    SecondOfTwo,
}

/// One moment at which a schedule is due, or would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The instant: what it is known by.
    pub at: Timestamp,
    /// The civil time of the cron expression that it stands for.
    pub civil: DateTime,
    /// What daylight saving did to it.
    pub daylight: Daylight,
    /// Further civil times that fall on the same instant.
    pub also: Vec<DateTime>,
}

impl Slot {
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.daylight != Daylight::Dropped
    }
}

/// How far a civil time may be from the instant it stands for, beyond the zone's offset: the largest
/// change of a clock skipped a whole day.
fn margin() -> Span {
    26.hours()
}

/// Days that are looked through at once for the next slots.
const STRIDE: i64 = 40;
/// The longest time between two slots: from a 29 February to the next over a year like 2100.
const LONGEST: i64 = 366 * 9;

/// Hours that are looked through one after another: few first, since most schedules come often, and
/// as far as the rarest one comes.
fn strides() -> impl Iterator<Item = i64> {
    let most = 24 * STRIDE;
    let growing = std::iter::successors(Some(1), move |hours| Some((hours * 2).min(most)));
    growing.take(12 + usize::try_from(LONGEST / STRIDE).unwrap_or(0))
}

impl Schedule {
    /// The slots from `from` on and before `to`, those that daylight saving drops among them.
    pub fn occurrences(&self, from: Timestamp, to: Timestamp) -> Vec<Slot> {
        if from >= to {
            return Vec::new();
        }
        let zone = self.zone.rules();
        let civil = |at: Timestamp| zone.to_datetime(at);
        let margin = if self.is_steady(from, to) { 0.hours() } else { margin() };
        let first = civil(from).saturating_sub(margin);
        let last = civil(to).saturating_add(margin);
        let mut found: Vec<Slot> = self
            .cron
            .between(first, last)
            .flat_map(|time| self.instants(time))
            .filter(|slot| slot.at >= from && slot.at < to)
            .collect();
        found.sort_by_key(|slot| (slot.at, slot.daylight, slot.civil));
        merged(found)
    }

    /// Whether no clock is changed in the interval or near it: then a civil time is one instant.
    fn is_steady(&self, from: Timestamp, to: Timestamp) -> bool {
        let (Ok(first), Ok(last)) = (from.checked_sub(margin()), to.checked_add(margin())) else {
            return false;
        };
        let changed = self.zone.rules().following(first).next();
        changed.is_none_or(|change| change.timestamp() > last)
    }

    /// The slots from `from` on and before `to` that run.
    pub fn slots(&self, from: Timestamp, to: Timestamp) -> Vec<Slot> {
        let mut slots = self.occurrences(from, to);
        slots.retain(Slot::runs);
        slots
    }

    /// The next `count` occurrences from `from` on, dropped ones among them.
    pub fn next(&self, from: Timestamp, count: usize) -> Vec<Slot> {
        let mut found = Vec::new();
        let mut begin = from;
        let mut quiet = 0;
        while found.len() < count && quiet < LONGEST {
            let Ok(end) = begin.checked_add((24 * STRIDE).hours()) else { break };
            let more = self.occurrences(begin, end);
            quiet = if more.is_empty() { quiet + STRIDE } else { 0 };
            found.extend(more);
            begin = end;
        }
        found.truncate(count);
        found
    }

    /// The first slot from `from` on that runs.
    pub fn following(&self, from: Timestamp) -> Option<Slot> {
        let mut begin = from;
        for hours in strides() {
            let end = begin.checked_add(hours.hours()).ok()?;
            if let Some(slot) = self.slots(begin, end).into_iter().next() {
                return Some(slot);
            }
            begin = end;
        }
        None
    }

    /// The newest slot before `to` that runs.
    pub fn previous(&self, to: Timestamp) -> Option<Slot> {
        let mut end = to;
        for hours in strides() {
            let begin = end.checked_sub(hours.hours()).ok()?;
            if let Some(slot) = self.slots(begin, end).pop() {
                return Some(slot);
            }
            end = begin;
        }
        None
    }

    /// What becomes of one civil time.
    fn instants(&self, civil: DateTime) -> Vec<Slot> {
        let slot = |offset: jiff::tz::Offset, daylight| {
            // Beyond the year 9999 there are no slots.
            let at = offset.to_timestamp(civil).ok()?;
            Some(Slot { at, civil, daylight, also: Vec::new() })
        };
        let found = match self.zone.rules().to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => [slot(offset, Daylight::Kept), None],
            AmbiguousOffset::Gap { before, after } => match self.gap {
                Gap::RunAfter => [slot(before, Daylight::MovedLater), None],
                Gap::RunBefore => [slot(after, Daylight::MovedEarlier), None],
                Gap::Skip => [slot(before, Daylight::Dropped), None],
            },
            AmbiguousOffset::Fold { before, after } => match self.fold {
                Fold::First => [slot(before, Daylight::OnlyFirst), None],
                Fold::Second => [slot(after, Daylight::OnlySecond), None],
                Fold::Both => {
                    [slot(before, Daylight::FirstOfTwo), slot(after, Daylight::SecondOfTwo)]
                }
            },
        };
        found.into_iter().flatten().collect()
    }
}

/// Slots of one instant as one; a dropped one stays apart.
fn merged(found: Vec<Slot>) -> Vec<Slot> {
    let mut merged: Vec<Slot> = Vec::with_capacity(found.len());
    for slot in found {
        let same = merged.iter_mut().rev().find(|one| one.runs()).filter(|one| one.at == slot.at);
        match same {
            Some(one) if slot.runs() => one.also.push(slot.civil),
            _ => merged.push(slot),
        }
    }
    merged
}
