//! Schedules of cron jobs: five fields, or a word for them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// How far ahead a next time is looked for: a leap day comes within eight years.
const MOST_DAYS: usize = 366 * 8;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Schedule {
    /// At times of the calendar.
    Calendar(Calendar),
    /// So long after the time before.
    Every(SignedDuration),
}

/// Which minutes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Calendar {
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

    /// Reads one; what is wrong is said in the words of the library that Kubernetes uses.
    fn parse(text: &str, least: u32, most: u32, names: &[&str]) -> Result<Self, String> {
        let (mut bits, mut is_any) = (0_u64, false);
        for part in text.split(',') {
            let (range, step) = match part.split('/').collect::<Vec<_>>()[..] {
                [range] => (range, None),
                [range, step] => (range, Some(number(step, &[])?)),
                _ => return Err(format!("too many slashes: {part}")),
            };
            let (from, to) = match range.split('-').collect::<Vec<_>>()[..] {
                ["*" | "?", ..] => (least, most),
                [one] => {
                    let one = number(one, names)?;
                    (one, if step.is_some() { most } else { one })
                }
                [from, to] => (number(from, names)?, number(to, names)?),
                _ => return Err(format!("too many hyphens: {part}")),
            };
            if from < least {
                return Err(format!("beginning of range ({from}) below minimum ({least}): {part}"));
            }
            if to > most {
                return Err(format!("end of range ({to}) above maximum ({most}): {part}"));
            }
            if from > to {
                let why = format!("beginning of range ({from}) beyond end of range ({to}): {part}");
                return Err(why);
            }
            let step = step.unwrap_or(1);
            if step == 0 {
                return Err(format!("step of range should be a positive number: {part}"));
            }
            is_any |= range.starts_with(['*', '?']) && step == 1;
            let mut value = from;
            while value <= to {
                bits |= 1 << value;
                value += step;
            }
        }
        Ok(Self { bits, is_any })
    }
}

fn number(text: &str, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(place) = names.iter().position(|name| *name == lower) {
        let first = usize::from(names.len() == MONTHS.len());
        return u32::try_from(place + first).map_err(|error| error.to_string());
    }
    match text.parse::<i64>() {
        Ok(number) => u32::try_from(number)
            .map_err(|_| format!("negative number ({number}) not allowed: {text}")),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
        )),
    }
}

impl Schedule {
    /// Reads it; why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(every) = text.strip_prefix("@every ") {
            let time: SignedDuration = every.parse().map_err(|_| {
                format!("failed to parse duration {text}: time: invalid duration {every:?}")
            })?;
            return Ok(Self::Every(SignedDuration::from_secs(time.as_secs().max(1))));
        }
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other if other.starts_with('@') => {
                return Err(format!("unrecognized descriptor: {other}"));
            }
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
        Ok(Self::Calendar(Calendar {
            minutes: Field::parse(minutes, 0, 59, &[])?,
            hours: Field::parse(hours, 0, 23, &[])?,
            days: Field::parse(days, 1, 31, &[])?,
            months: Field::parse(months, 1, 12, &MONTHS)?,
            weekdays: Field::parse(weekdays, 0, 6, &DAYS)?,
        }))
    }

    /// The first time after a moment.
    pub(super) fn after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Calendar(calendar) => calendar.after(moment, zone),
            Self::Every(time) => moment.checked_add(*time).ok(),
        }
    }
}

impl Calendar {
    /// When a day of the month and a day of the week are both given, either will do.
    fn is_on(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        let either =
            if self.days.is_any || self.weekdays.is_any { day && weekday } else { day || weekday };
        self.months.has(date.month()) && either
    }

    fn after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
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
        assert_eq!(next("@every 1h30m", after), "2026-10-07T11:33:20Z");
        // A day of the month or one of the week; a star with a step is a day of the month as well.
        assert_eq!(next("0 0 */2 * thu", after), "2026-10-08T00:00:00Z");
        assert_eq!(next("0 0 9 * thu", after), "2026-10-08T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule() {
        let why = |text: &str| Schedule::parse(text).unwrap_err();
        assert_eq!(why("soon"), "expected exactly 5 fields, found 1: [soon]");
        assert_eq!(why("61 * * * *"), "end of range (61) above maximum (59): 61");
        assert_eq!(why("* * 0 * *"), "beginning of range (0) below minimum (1): 0");
        assert_eq!(why("9-3 * * * *"), "beginning of range (9) beyond end of range (3): 9-3");
        assert_eq!(
            why("x * * * *"),
            "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"
        );
        assert_eq!(why("*/0 * * * *"), "step of range should be a positive number: */0");
        assert_eq!(why("1-2-3 * * * *"), "too many hyphens: 1-2-3");
        assert_eq!(why("@often"), "unrecognized descriptor: @often");
    }
}
