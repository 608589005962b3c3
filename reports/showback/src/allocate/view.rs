//! The time that costs: a window up to the moment of asking, or one moment as an hour.
//!
//! All of an allocation counts in whole seconds of UTC. A rate per hour is the cost of an hour in which
//! everything stays as it was at the moment, laid at the beginning of that UTC day, so that the rest of
//! an allocation needs not to know about rates.

use jiff::Timestamp;
use jiff::civil::Date;

use super::showback::Basis;
use super::{Refused, Request};
use crate::observed::Window;

const HOUR: i64 = 3600;

pub(super) struct View {
    /// The first second that costs.
    pub(super) start: i64,
    /// The first one that does not any more.
    pub(super) end: i64,
    /// The moment, of a rate.
    at: Option<i64>,
    /// The UTC days, with their first second and the one after their last.
    days: Vec<(Date, i64, i64)>,
}

impl View {
    pub(super) fn new(request: &Request) -> Result<Self, Refused> {
        let window = request.window;
        if request.basis == Basis::HourlyRate {
            let at = window.start.as_second();
            let (day, start) = Window { start: window.start, end: Timestamp::MAX }
                .days()
                .next()
                .map_or((Date::MIN, at), |(day, _)| (day, Window::day(day).start.as_second()));
            let days = vec![(day, start, start + HOUR)];
            return Ok(Self { start, end: start + HOUR, at: Some(at), days });
        }
        if window.is_empty() {
            return Err(Refused::Empty { at: window.start });
        }
        if request.as_of <= window.start {
            return Err(Refused::Future { window, as_of: request.as_of });
        }
        let days = window
            .days()
            .map(|(day, part)| (day, part.start.as_second(), part.end.as_second()))
            .collect();
        let end = window.end.min(request.as_of).as_second();
        Ok(Self { start: window.start.as_second(), end, at: None, days })
    }

    /// What of a stretch of time costs; without an end it goes on.
    pub(super) fn span(&self, start: i64, end: Option<i64>) -> Option<(i64, i64)> {
        if let Some(at) = self.at {
            let is_there = start <= at && end.is_none_or(|end| end > at);
            return is_there.then_some((self.start, self.end));
        }
        let span = (start.max(self.start), end.unwrap_or(self.end).min(self.end));
        (span.0 < span.1).then_some(span)
    }

    /// Where a moment lies in the time that costs.
    pub(super) fn moment(&self, moment: i64) -> i64 {
        match self.at {
            Some(at) if moment <= at => self.start,
            Some(_) => self.end,
            None => moment.clamp(self.start, self.end),
        }
    }

    /// Whether this is the rate of a moment.
    pub(super) fn is_rate(&self) -> bool {
        self.at.is_some()
    }

    /// The UTC days.
    pub(super) fn dates(&self) -> Vec<Date> {
        self.days.iter().map(|(day, _, _)| *day).collect()
    }

    /// The parts of a stretch by day, with the day's index.
    pub(super) fn by_day(&self, start: i64, end: i64) -> impl Iterator<Item = (usize, i64, i64)> {
        let first = self.days.partition_point(|(_, _, after)| *after <= start);
        self.days[first..]
            .iter()
            .enumerate()
            .take_while(move |(_, (_, begin, _))| *begin < end)
            .map(move |(offset, (_, begin, after))| {
                (first + offset, start.max(*begin), end.min(*after))
            })
    }

    /// The date of a day of that index.
    pub(super) fn date(&self, index: usize) -> Date {
        self.days.get(index).map_or(Date::MIN, |(day, _, _)| *day)
    }
}

/// A stretch of seconds as a window.
pub(super) fn window(start: i64, end: i64) -> Window {
    let moment = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    Window { start: moment(start), end: moment(end) }
}
