//! How often a cron schedule is due in a month, counted over whole years.
//!
//! Read as Kubernetes reads it: five fields with lists, ranges, steps and names, `@daily` and the like,
//! `@every 10m`. When day of month and day of week are both restricted, either makes a day. Weekdays
//! and months of 28 years (any, between 1901 and 2099) are all combinations there are, so the count is
//! exact; a billing month is 730 hours of them.

use std::fmt;

use crate::money::MONTH_HOURS;
use crate::plural::counted;

/// Years after which weekdays fall on the same days again.
const CYCLE_YEARS: i64 = 28;
/// Its hours: 28 years with seven leap days.
const CYCLE_HOURS: i64 = (CYCLE_YEARS * 365 + 7) * 24;

/// How often something is due, as a fraction: so many times in so many months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    /// Times.
    pub times: i64,
    /// Months.
    pub months: i64,
}

impl Frequency {
    /// So many seconds each time, as seconds in a month, rounded up.
    pub fn seconds(self, each: i64) -> i64 {
        let all = i128::from(self.times) * i128::from(each);
        let months = i128::from(self.months.max(1));
        i64::try_from((all + months - 1) / months).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Frequency {
    /// Times a month with at most one place: `30.4`, `8760`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.times * 20 + self.months) / (2 * self.months.max(1));
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(formatter, "{whole}"),
            (whole, rest) => write!(formatter, "{whole}.{rest}"),
        }
    }
}

/// Values that a field allows, as bits, and whether it was a star.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    bits: u64,
    is_any: bool,
}

impl Allowed {
    fn has(self, value: u32) -> bool {
        self.bits & (1 << value) != 0
    }

    fn count(self) -> i64 {
        i64::from(self.bits.count_ones())
    }
}

/// A field: its name, its least and most value, and names for values, the first for the least.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    least: 0,
    most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// Reads a schedule.
pub fn frequency(schedule: &str) -> Result<Frequency, String> {
    let text = schedule.trim();
    // A time zone moves the times and leaves their number.
    let text = match text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
        Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest).trim(),
        None => text,
    };
    let plain = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        other => other,
    };
    if let Some(every) = plain.strip_prefix("@every ") {
        let seconds = crate::manifest::seconds(every.trim())
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| format!("`{schedule}`: `{every}` is no duration"))?;
        return Ok(Frequency { times: MONTH_HOURS * 3600, months: seconds });
    }
    let cells: Vec<&str> = plain.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = cells.as_slice() else {
        return Err(format!(
            "`{schedule}` is no schedule: it has {}, not 5",
            counted(cells.len(), "field", "fields")
        ));
    };
    let read = |field: &Field, text: &str| {
        allowed(field, text).map_err(|why| format!("`{schedule}`: {}: {why}", field.name))
    };
    let (minutes, hours) = (read(&MINUTE, minute)?, read(&HOUR, hour)?);
    let days = days(read(&DAY, day)?, read(&MONTH, month)?, read(&WEEKDAY, weekday)?);
    // So many times in the hours of the cycle, so many months of 730 hours of it.
    let times = minutes.count() * hours.count() * days * MONTH_HOURS;
    Ok(Frequency { times, months: CYCLE_HOURS })
}

/// How many days of the cycle pass.
fn days(day: Allowed, month: Allowed, weekday: Allowed) -> i64 {
    let mut count = 0;
    // 1 January 2001 was a Monday.
    let mut on = 1;
    for year in 2001..2001 + CYCLE_YEARS {
        for one in 1..=12 {
            for date in 1..=length(year, one) {
                let (by_day, by_weekday) = (day.has(date), weekday.has(on));
                let passes = if day.is_any || weekday.is_any {
                    by_day && by_weekday
                } else {
                    by_day || by_weekday
                };
                count += i64::from(passes && month.has(one));
                on = (on + 1) % 7;
            }
        }
    }
    count
}

fn length(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn allowed(field: &Field, text: &str) -> Result<Allowed, String> {
    let mut all = Allowed { bits: 0, is_any: false };
    for part in text.split(',') {
        let one = range(field, part)?;
        all.bits |= one.bits;
        all.is_any |= one.is_any;
    }
    Ok(all)
}

/// `*`, `?`, `3`, `1-5`, each with a step: `*/10`, `8-18/2`, `3/15`.
fn range(field: &Field, text: &str) -> Result<Allowed, String> {
    let (values, step) = match text.split_once('/') {
        Some((values, step)) => {
            let step: u32 = step.parse().map_err(|_| format!("`{step}` is no step"))?;
            (values, Some(step).filter(|step| *step > 0).ok_or("a step of 0 never comes")?)
        }
        None => (text, 1),
    };
    let has_step = text.contains('/');
    let (from, to, is_any) = if values == "*" || values == "?" {
        (field.least, field.most, !has_step || step == 1)
    } else if let Some((from, to)) = values.split_once('-') {
        (value(field, from)?, value(field, to)?, false)
    } else {
        let from = value(field, values)?;
        (from, if has_step { field.most } else { from }, false)
    };
    if from > to {
        return Err(format!("`{values}` ends before it begins"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let bits = (from..=to).step_by(step).fold(0_u64, |bits, value| bits | 1 << value);
    Ok(Allowed { bits, is_any })
}

fn value(field: &Field, text: &str) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(at) = field.names.iter().position(|name| *name == lower) {
        return Ok(field.least + u32::try_from(at).unwrap_or(0));
    }
    text.parse::<u32>()
        .ok()
        .filter(|value| (field.least..=field.most).contains(value))
        .ok_or_else(|| format!("`{text}` is not from {} to {}", field.least, field.most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn monthly(schedule: &str) -> String {
        frequency(schedule).map_or_else(|why| why, |found| found.to_string())
    }

    #[test]
    fn schedules_are_counted_over_whole_years() {
        // A month of 730 hours has 30.4 days and 4.3 weeks.
        assert_eq!(monthly("0 3 * * *"), "30.4");
        assert_eq!(monthly("@hourly"), "730");
        assert_eq!(monthly("*/15 * * * *"), "2920");
        assert_eq!(monthly("0 0 1 * *"), "1");
        assert_eq!(monthly("0 0 29 2 *"), "0");
        assert_eq!(frequency("0 0 29 2 *").expect("7 in 28 years").times, 7 * 730);
        assert_eq!(monthly("0 9-17/2 * * mon-fri"), "108.6");
        assert_eq!(monthly("CRON_TZ=Asia/Seoul 30 2 * * SUN"), "4.3");
        assert_eq!(monthly("@every 10m"), "4380");
    }

    #[test]
    fn either_day_makes_a_day_when_both_are_restricted() {
        let count = |schedule: &str| frequency(schedule).expect("a schedule").times / 730;
        // The 13th or a Friday, less those that are both: 336 + 1,461 − 48.
        assert_eq!(count("0 0 13 * 5"), 336 + 1461 - 48);
        assert_eq!(count("0 0 13 * *"), 336);
        // A star with a step is a restriction, as Kubernetes reads it.
        assert!(count("0 0 */2 * 5") > count("0 0 */2 * *"));
    }

    #[test]
    fn what_is_no_schedule_is_named() {
        assert_eq!(monthly("0 3 * *"), "`0 3 * *` is no schedule: it has 4 fields, not 5");
        assert_eq!(monthly("60 * * * *"), "`60 * * * *`: minute: `60` is not from 0 to 59");
        assert_eq!(monthly("0 9-5 * * *"), "`0 9-5 * * *`: hour: `9-5` ends before it begins");
        assert_eq!(monthly("*/0 * * * *"), "`*/0 * * * *`: minute: a step of 0 never comes");
        assert_eq!(monthly("0 0 * foo *"), "`0 0 * foo *`: month: `foo` is not from 1 to 12");
        assert_eq!(monthly("@every never"), "`@every never`: `never` is no duration");
    }

    #[test]
    fn seconds_of_a_month_are_rounded_up() {
        // 730 / 24 times 300 s.
        assert_eq!(frequency("@daily").expect("a schedule").seconds(300), 9125);
        assert_eq!(frequency("@daily").expect("a schedule").seconds(1), 31);
        assert_eq!(frequency("@hourly").expect("a schedule").seconds(3600), 730 * 3600);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_otherwise_than_by_saying_so(text in "[-0-9*/,?a-z@ ]{0,24}") {
            if let Ok(found) = frequency(&text) {
                prop_assert!(found.times >= 0 && found.months > 0);
            }
        }
    }
}
