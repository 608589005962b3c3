//! Schedules of cron jobs: five fields, or a word for them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// How far ahead a next time is looked for: a leap day comes within eight years.
const MOST_DAYS: usize = 366 * 8;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// Values that are meant, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    is_any: bool,
}

impl Field {
    const fn has(self, value: i8) -> bool {
        value >= 0 && self.bits >> value & 1 == 1
    }

    fn parse(text: &str, least: u32, most: u32, names: &[&str]) -> Result<Self, String> {
        let mut bits = 0_u64;
        for part in text.split(',') {
            let (range, step) =
                part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let step: u32 =
                match step {
                    None => 1,
                    Some(step) => step.parse().ok().filter(|step| *step > 0).ok_or_else(|| {
                        format!("step of range should be a positive number: {part}")
                    })?,
                };
            let (from, to) = match range {
                "*" | "?" => (least, most),
                _ => match range.split_once('-') {
                    Some((from, to)) => (number(from, names)?, number(to, names)?),
                    None if part.contains('/') => (number(range, names)?, most),
                    None => (number(range, names)?, number(range, names)?),
                },
            };
            if from < least || to > most || from > to {
                return Err(format!("range {range} is not within {least} to {most}"));
            }
            let mut value = from;
            while value <= to {
                bits |= 1 << value;
                value += step;
            }
        }
        Ok(Self { bits, is_any: text == "*" || text == "?" })
    }
}

fn number(text: &str, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(place) = names.iter().position(|name| *name == lower) {
        let first = usize::from(names.len() == MONTHS.len());
        return u32::try_from(place + first).map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| format!("failed to parse int from {text}"))
}

impl Schedule {
    /// Reads it; why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!(
                "expected exactly 5 fields, found {}: [{}]",
                fields.len(),
                fields.join(" ")
            ));
        };
        Ok(Self {
            minutes: Field::parse(minutes, 0, 59, &[])?,
            hours: Field::parse(hours, 0, 23, &[])?,
            days: Field::parse(days, 1, 31, &[])?,
            months: Field::parse(months, 1, 12, &MONTHS)?,
            weekdays: Field::parse(weekdays, 0, 6, &DAYS)?,
        })
    }

    /// When a day of the month and a day of the week are both given, either will do.
    fn is_on(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        let either =
            if self.days.is_any || self.weekdays.is_any { day && weekday } else { day || weekday };
        self.months.has(date.month()) && either
    }

    /// The first time after a moment.
    pub(super) fn after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let now = zone.to_datetime(moment);
        let mut date = now.date();
        for _ in 0..MOST_DAYS {
            if self.is_on(date) {
                let times = (0..24).filter(|hour| self.hours.has(*hour)).flat_map(|hour| {
                    (0..60)
                        .filter(|minute| self.minutes.has(*minute))
                        .map(move |minute| (hour, minute))
                });
                for (hour, minute) in times {
                    let at: DateTime = date.at(hour, minute, 0, 0);
                    let at = zone.to_timestamp(at).ok()?;
                    if at > moment {
                        return Some(at);
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let found =
            Schedule::parse(schedule).unwrap().after(after.parse().unwrap(), &TimeZone::UTC);
        found.map_or_else(|| "never".to_owned(), |at| at.to_string())
    }

    #[test]
    fn next_times() {
        let after = "2026-10-07T10:03:20Z";
        assert_eq!(next("*/5 * * * *", after), "2026-10-07T10:05:00Z");
        assert_eq!(next("0 4 * * mon-fri", after), "2026-10-08T04:00:00Z");
        assert_eq!(next("30 2 1 * *", after), "2026-11-01T02:30:00Z");
        assert_eq!(next("@hourly", "2026-12-31T23:00:00Z"), "2027-01-01T00:00:00Z");
        assert_eq!(next("0 0 29 feb *", after), "2028-02-29T00:00:00Z");
        assert_eq!(next("0 0 31 2 *", after), "never");
        // A day of the month or one of the week.
        assert_eq!(next("0 0 9 * thu", after), "2026-10-08T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule() {
        assert_eq!(
            Schedule::parse("soon").unwrap_err(),
            "expected exactly 5 fields, found 1: [soon]"
        );
        assert_eq!(Schedule::parse("61 * * * *").unwrap_err(), "range 61 is not within 0 to 59");
        assert_eq!(Schedule::parse("x * * * *").unwrap_err(), "failed to parse int from x");
        assert!(Schedule::parse("*/0 * * * *").is_err());
    }
}
