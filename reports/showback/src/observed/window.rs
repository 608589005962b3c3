//! A half-open stretch of UTC time.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// From `start` up to, but not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first moment of it.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

/// Why two times make no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window from {start} to {end} ends before it begins")]
pub struct WindowError {
    /// Where it was to begin.
    pub start: Timestamp,
    /// Where it was to end.
    pub end: Timestamp,
}

impl Window {
    /// The same times in order, those that touch as one.
    pub(crate) fn joined(mut times: Vec<Self>) -> Vec<Self> {
        times.sort_by_key(|time| time.start);
        let mut joined: Vec<Self> = Vec::with_capacity(times.len());
        for time in times {
            match joined.last_mut() {
                Some(last) if time.start <= last.end => last.end = last.end.max(time.end),
                _ => joined.push(time),
            }
        }
        joined
    }

    /// A window; an empty one is allowed.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, WindowError> {
        if end < start { Err(WindowError { start, end }) } else { Ok(Self { start, end }) }
    }

    /// A UTC day.
    pub fn day(day: Date) -> Self {
        let start = midnight(day);
        Self { start, end: day.tomorrow().map_or(Timestamp::MAX, midnight) }
    }

    /// How long it is, in whole seconds, down.
    pub fn seconds(self) -> i64 {
        self.end.as_second() - self.start.as_second()
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether a moment is in it.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }

    /// What both have; none when that is nothing.
    pub fn overlap(self, other: Self) -> Option<Self> {
        let both = Self { start: self.start.max(other.start), end: self.end.min(other.end) };
        (!both.is_empty()).then_some(both)
    }

    /// Its parts by UTC day, in order.
    pub fn days(self) -> impl Iterator<Item = (Date, Self)> {
        let mut at = self.start;
        std::iter::from_fn(move || {
            if at >= self.end {
                return None;
            }
            let day = utc_day(at);
            let part = Self { start: at, end: Self::day(day).end.min(self.end) };
            at = part.end;
            Some((day, part))
        })
    }
}

impl fmt::Display for Window {
    /// Whole days as `2026-10-01 to 2026-10-31`, both inclusive; else both moments, or the one that an
    /// empty window is, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, after) = (utc_day(self.start), utc_day(self.end));
        let is_of_days = midnight(first) == self.start && midnight(after) == self.end;
        match after.checked_sub(1.day()) {
            Ok(last) if is_of_days && last == first => write!(f, "{first}"),
            Ok(last) if is_of_days && last > first => write!(f, "{first} to {last}"),
            _ if self.is_empty() => write!(f, "{:.0}", self.start),
            _ => write!(f, "{:.0} to {:.0}", self.start, self.end),
        }
    }
}

/// The UTC day of a moment.
fn utc_day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// When a UTC day begins; the ends of time for days that have none.
fn midnight(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str) -> Window {
        Window::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    #[test]
    fn its_days_make_it_up() {
        let whole = window("2026-10-01T22:00:00Z", "2026-10-04T00:00:00Z");
        let days: Vec<_> =
            whole.days().map(|(day, part)| (day.to_string(), part.seconds())).collect();
        assert_eq!(
            days,
            [
                ("2026-10-01".to_owned(), 7_200),
                ("2026-10-02".to_owned(), 86_400),
                ("2026-10-03".to_owned(), 86_400)
            ]
        );
        assert_eq!(whole.seconds(), days.iter().map(|(_, seconds)| seconds).sum::<i64>());
    }

    #[test]
    fn it_reads_as_days_where_it_is_made_of_them() {
        let month = window("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
        assert_eq!(month.to_string(), "2026-10-01 to 2026-10-31");
        assert_eq!(Window::day("2026-10-01".parse().unwrap()).to_string(), "2026-10-01");
        assert_eq!(
            window("2026-10-01T00:00:00Z", "2026-10-01T05:00:00Z").to_string(),
            "2026-10-01T00:00:00Z to 2026-10-01T05:00:00Z"
        );
    }

    #[test]
    fn backwards_it_is_none() {
        let (later, earlier) = ("2026-10-02T00:00:00Z", "2026-10-01T00:00:00Z");
        assert!(Window::new(later.parse().unwrap(), earlier.parse().unwrap()).is_err());
        let (one, two) = (window(earlier, later), window(later, "2026-10-03T00:00:00Z"));
        assert_eq!(one.overlap(two), None);
        assert_eq!(one.overlap(one), Some(one));
    }
}
