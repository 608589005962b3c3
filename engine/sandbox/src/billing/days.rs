//! UTC hours, days and months as seconds since 1970: the periods in which a bill counts.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Seconds of an hour.
pub(crate) const HOUR: i64 = 3600;

/// The beginning of the hour in which a moment lies.
pub(crate) const fn hour_of(second: i64) -> i64 {
    second - second.rem_euclid(HOUR)
}

/// The beginning of the UTC day in which a moment lies.
pub(crate) const fn day_of(second: i64) -> i64 {
    second - second.rem_euclid(24 * HOUR)
}

/// The UTC date of a moment.
pub(crate) fn date(second: i64) -> Date {
    let at = Timestamp::from_second(second).unwrap_or_default();
    TimeZone::UTC.to_datetime(at).date()
}

/// The first second of a UTC date.
pub(crate) fn start_of(date: Date) -> i64 {
    let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    midnight.map_or(i64::MAX, Timestamp::as_second)
}

/// The beginning of the month in which a moment lies.
pub(crate) fn month_of(second: i64) -> i64 {
    start_of(date(second).first_of_month())
}

/// The beginning of the month after the one in which a moment lies.
pub(crate) fn month_after(second: i64) -> i64 {
    date(second).last_of_month().tomorrow().map_or(i64::MAX, start_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_each_other() {
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let at = second("2026-02-28T23:59:59Z");
        assert_eq!(month_of(at), second("2026-02-01T00:00:00Z"));
        assert_eq!(month_after(at), second("2026-03-01T00:00:00Z"));
        assert_eq!(day_of(at), second("2026-02-28T00:00:00Z"));
        assert_eq!(hour_of(at), second("2026-02-28T23:00:00Z"));
    }
}
