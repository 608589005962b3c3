//! Which window a report is for: a function of its slot, never of the clock.
//!
//! Windows are whole UTC days, as bills are. AWS changes what it says for up to [`SETTLED`] after a day
//! has ended, so `previous_day`, `previous_week` and `month_to_date` end that long before the slot (or
//! as long as `settle` says); `previous_month` is the month before the slot's whenever that is. A window
//! that had not settled at the slot is *provisional*.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::Window;

/// How long after a day's end its bill may still move.
pub const SETTLED: SignedDuration = SignedDuration::from_hours(48);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// The moment itself: a rate per hour, nothing of the past.
    Now,
    /// The last UTC day that had settled.
    PreviousDay,
    /// The last week, Monday to Sunday, that had settled.
    PreviousWeek,
    /// The month of the last settled day, up to that day.
    MonthToDate,
    /// The month before the slot's.
    PreviousMonth,
    /// From one day to another, both of them in it.
    Days(Date, Date),
}

/// A period as of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// The whole days; for [`Period::Now`] empty, at the slot.
    pub window: Window,
    /// Whether it had not settled at the slot.
    pub is_provisional: bool,
}

/// Why a text names no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It is none of the names, and no days.
    #[error(
        "`{0}` is no window: previous_day, previous_week, month_to_date, previous_month, now, a month \
         (2026-10), a day (2026-10-05) or days (2026-10-01..2026-10-31)"
    )]
    Unknown(String),
    /// Its days are the wrong way round.
    #[error("the window `{0}` ends before it begins")]
    Backwards(String),
}

impl Period {
    /// The window as of a slot.
    pub fn at(self, slot: Timestamp, settle: SignedDuration) -> Resolved {
        let settled_until = day_of(slot.saturating_sub(settle).unwrap_or(Timestamp::MIN));
        let window = match self {
            Self::Now => Window { start: slot, end: slot },
            Self::PreviousDay => days(before(settled_until, 1), settled_until),
            Self::PreviousWeek => {
                let since_monday = i32::from(settled_until.weekday().to_monday_zero_offset());
                let monday = before(settled_until, since_monday);
                days(before(monday, 7), monday)
            }
            Self::MonthToDate => {
                let last = before(settled_until, 1);
                days(last.first_of_month(), settled_until)
            }
            Self::PreviousMonth => {
                let this = day_of(slot).first_of_month();
                days(before(this, 1).first_of_month(), this)
            }
            Self::Days(first, last) => days(first, last.tomorrow().unwrap_or(Date::MAX)),
        };
        let is_settled = slot.saturating_sub(SETTLED).is_ok_and(|limit| window.end <= limit);
        Resolved { window, is_provisional: self != Self::Now && !is_settled }
    }

    /// The window of the same kind before it, with which it is compared.
    pub fn before(self, window: Window) -> Window {
        let first = day_of(window.start);
        match self {
            Self::Now => window,
            Self::PreviousMonth => days(before(first, 1).first_of_month(), first),
            Self::MonthToDate => {
                // As many days of the month before; a shorter month ends earlier.
                let start = before(first, 1).first_of_month();
                let length = window.seconds() / 86_400;
                let end = start.checked_add(length.days()).unwrap_or(first);
                days(start, end.min(first))
            }
            Self::Days(start, end) if start.day() == 1 && end == start.last_of_month() => {
                days(before(first, 1).first_of_month(), first)
            }
            Self::PreviousDay | Self::PreviousWeek | Self::Days(..) => {
                let length = window.seconds() / 86_400;
                days(first.checked_sub(length.days()).unwrap_or(Date::MIN), first)
            }
        }
    }

    /// The day by whose prices the window before was reported: as long after its end as the slot is after
    /// the end of this one, a week at most. A report that is made much later was made in time then.
    pub fn known_before(self, window: Window, slot: Timestamp) -> Date {
        let late = slot.duration_since(window.end).clamp(SignedDuration::ZERO, LATEST);
        day_of(self.before(window).end.saturating_add(late).unwrap_or(Timestamp::MAX))
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let unknown = || PeriodError::Unknown(text.to_owned());
        Ok(match text {
            "now" => Self::Now,
            "previous_day" => Self::PreviousDay,
            "previous_week" => Self::PreviousWeek,
            "month_to_date" => Self::MonthToDate,
            "previous_month" => Self::PreviousMonth,
            _ => {
                let (first, last) = text.split_once("..").unwrap_or((text, text));
                let (first, _) = day_or_month(first).ok_or_else(unknown)?;
                let (_, last) = day_or_month(last).ok_or_else(unknown)?;
                if last < first {
                    return Err(PeriodError::Backwards(text.to_owned()));
                }
                Self::Days(first, last)
            }
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::PreviousDay => f.write_str("previous_day"),
            Self::PreviousWeek => f.write_str("previous_week"),
            Self::MonthToDate => f.write_str("month_to_date"),
            Self::PreviousMonth => f.write_str("previous_month"),
            Self::Days(first, last) if first == last => write!(f, "{first}"),
            Self::Days(first, last) => write!(f, "{first}..{last}"),
        }
    }
}

/// A day, or the first and last of a month.
fn day_or_month(text: &str) -> Option<(Date, Date)> {
    if let Ok(day) = text.parse::<Date>() {
        return (text.len() == 10).then_some((day, day));
    }
    let first: Date = format!("{text}-01").parse().ok()?;
    (text.len() == 7).then_some((first, first.last_of_month()))
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

fn before(day: Date, count: i32) -> Date {
    day.checked_sub(count.days()).unwrap_or(Date::MIN)
}

/// Whole days, without the last one.
fn days(first: Date, after: Date) -> Window {
    Window { start: Window::day(first).start, end: Window::day(after).start }
}

/// So long after its window a report is still one that was made in time.
const LATEST: SignedDuration = SignedDuration::from_hours(7 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_before_has_the_prices_of_its_own_report() {
        let day = |period: &str, slot: &str| {
            let period: Period = period.parse().unwrap();
            let slot: Timestamp = slot.parse().unwrap();
            let window = period.at(slot, SETTLED).window;
            period.known_before(window, slot).to_string()
        };
        assert_eq!(day("previous_month", "2026-12-03T06:00:00Z"), "2026-11-03");
        assert_eq!(day("previous_day", "2026-10-06T06:00:00Z"), "2026-10-05");
        assert_eq!(day("2026-10", "2026-10-20T00:00:00Z"), "2026-10-01");
        assert_eq!(day("2026-10", "2027-03-01T00:00:00Z"), "2026-10-08");
    }

    fn at(period: &str, slot: &str, settle_hours: i64) -> String {
        let period: Period = period.parse().unwrap();
        let resolved = period.at(slot.parse().unwrap(), SignedDuration::from_hours(settle_hours));
        let before = period.before(resolved.window);
        let word = if resolved.is_provisional { "provisional" } else { "settled" };
        format!("{} {word}, before {before}", resolved.window)
    }

    #[test]
    fn windows_follow_the_slot() {
        let slot = "2026-11-04T06:15:00Z"; // a Wednesday
        assert_eq!(at("previous_day", slot, 48), "2026-11-01 settled, before 2026-10-31");
        assert_eq!(at("previous_day", slot, 0), "2026-11-03 provisional, before 2026-11-02");
        assert_eq!(
            at("previous_week", slot, 48),
            "2026-10-26 to 2026-11-01 settled, before 2026-10-19 to 2026-10-25"
        );
        assert_eq!(
            at("previous_week", "2026-11-03T06:15:00Z", 48),
            "2026-10-19 to 2026-10-25 settled, before 2026-10-12 to 2026-10-18"
        );
        assert_eq!(at("month_to_date", slot, 48), "2026-11-01 settled, before 2026-10-01");
        assert_eq!(
            at("month_to_date", "2026-11-02T06:15:00Z", 48),
            "2026-10-01 to 2026-10-30 settled, before 2026-09-01 to 2026-09-30"
        );
        assert_eq!(
            at("previous_month", slot, 48),
            "2026-10-01 to 2026-10-31 settled, before 2026-09-01 to 2026-09-30"
        );
        assert_eq!(
            at("previous_month", "2026-11-02T23:59:59Z", 48),
            "2026-10-01 to 2026-10-31 provisional, before 2026-09-01 to 2026-09-30"
        );
    }

    #[test]
    fn days_are_as_they_are_written() {
        let slot = "2026-11-04T06:15:00Z";
        assert_eq!(
            at("2026-10", slot, 48),
            "2026-10-01 to 2026-10-31 settled, before 2026-09-01 to 2026-09-30"
        );
        assert_eq!(at("2026-10-05", slot, 48), "2026-10-05 settled, before 2026-10-04");
        assert_eq!(
            at("2026-10-05..2026-10-06", slot, 48),
            "2026-10-05 to 2026-10-06 settled, before 2026-10-03 to 2026-10-04"
        );
        assert_eq!(at("2026-11-04", slot, 48), "2026-11-04 provisional, before 2026-11-03");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for wrong in ["yesterday", "2026-13", "2026-02-30", "2026-1-1", "2026-10-06..", ""] {
            assert_eq!(wrong.parse::<Period>(), Err(PeriodError::Unknown(wrong.to_owned())));
        }
        assert!(matches!(
            "2026-10-06..2026-10-05".parse::<Period>(),
            Err(PeriodError::Backwards(_))
        ));
    }
}
