//! How OpenCost's clients name a time and its steps: `7d`, `lastmonth`, two moments; `1d`.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::observed::Window;

/// More steps than this are nothing that a dashboard draws.
pub const MOST_STEPS: usize = 1_000;

/// Why a time cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It is no window.
    #[error(
        "`{0}` is no window: today, yesterday, week, month, lastweek, lastmonth, 24h, 7d, 2w, or two \
         moments as 2026-10-01T00:00:00Z,2026-10-08T00:00:00Z"
    )]
    Window(String),
    /// It is no step.
    #[error("`{0}` is no step: 1h, 1d, 1w")]
    Step(String),
    /// It has too many.
    #[error("the window has {0} steps, and {MOST_STEPS} at most are answered; ask for longer ones")]
    TooMany(i64),
}

/// The window that a client names, as of now. Days are UTC's, weeks begin on Sunday as OpenCost's do.
pub fn window(text: &str, now: Timestamp) -> Result<Window, AskError> {
    let wrong = || AskError::Window(text.to_owned());
    let today = now.to_zoned(TimeZone::UTC).date();
    let since = |day: Date| Window { start: Window::day(day).start, end: now };
    let between = |first: Date, after: Date| Window {
        start: Window::day(first).start,
        end: Window::day(after).start,
    };
    let sunday = ago(today, i32::from(today.weekday().since(Weekday::Sunday)));
    let month = today.first_of_month();
    Ok(match text {
        "today" => since(today),
        "yesterday" => between(ago(today, 1), today),
        "week" => since(sunday),
        "month" => since(month),
        "lastweek" => between(ago(sunday, 7), sunday),
        "lastmonth" => between(ago(month, 1).first_of_month(), month),
        _ => {
            if let Some((start, end)) = text.split_once(',') {
                let (start, end) = (moment(start), moment(end));
                let (start, end) = start.zip(end).ok_or_else(wrong)?;
                Window::new(start, end).map_err(|_| wrong())?
            } else {
                let long = duration(text).ok_or_else(wrong)?;
                let start = now.checked_sub(long).map_err(|_| wrong())?;
                Window { start, end: now }
            }
        }
    })
}

/// The parts of a window, the last one as long as it may be; without a step all of it.
pub fn steps(window: Window, step: Option<&str>) -> Result<Vec<Window>, AskError> {
    let Some(text) = step.filter(|text| !text.is_empty() && *text != "window") else {
        return Ok(vec![window]);
    };
    let text = match text {
        "hour" => "1h",
        "day" => "1d",
        "week" => "1w",
        other => other,
    };
    let step = duration(text).ok_or_else(|| AskError::Step(text.to_owned()))?;
    let seconds = step.as_secs().max(1);
    let count = (window.seconds() + seconds - 1) / seconds;
    if usize::try_from(count).is_ok_and(|count| count > MOST_STEPS) {
        return Err(AskError::TooMany(count));
    }
    let mut parts = Vec::new();
    let mut at = window.start;
    while at < window.end {
        let end = at.checked_add(step).map_or(window.end, |end| end.min(window.end));
        parts.push(Window { start: at, end });
        at = end;
    }
    Ok(parts)
}

fn ago(day: Date, days: i32) -> Date {
    day.checked_sub(days.days()).unwrap_or(Date::MIN)
}

/// A moment, or seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

/// `90m`, `24h`, `7d`, `2w`: a whole number, not nothing.
fn duration(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last()?;
    let count: i64 =
        text[..text.len() - unit.len_utf8()].parse().ok().filter(|count| *count > 0)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    count.checked_mul(seconds).filter(|all| *all < 400 * 86_400).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> String {
        // A Wednesday.
        let now = "2026-11-04T06:15:00Z".parse().expect("a moment");
        window(text, now).map_or_else(|why| why.to_string(), |window| window.to_string())
    }

    #[test]
    fn windows_are_as_opencosts_clients_name_them() {
        for (text, wanted) in [
            ("today", "2026-11-04T00:00:00Z to 2026-11-04T06:15:00Z"),
            ("yesterday", "2026-11-03"),
            ("week", "2026-11-01T00:00:00Z to 2026-11-04T06:15:00Z"),
            ("lastweek", "2026-10-25 to 2026-10-31"),
            ("month", "2026-11-01T00:00:00Z to 2026-11-04T06:15:00Z"),
            ("lastmonth", "2026-10-01 to 2026-10-31"),
            ("24h", "2026-11-03T06:15:00Z to 2026-11-04T06:15:00Z"),
            ("7d", "2026-10-28T06:15:00Z to 2026-11-04T06:15:00Z"),
            ("2026-10-01T00:00:00Z,2026-10-08T00:00:00Z", "2026-10-01 to 2026-10-07"),
            ("1790812800,1791417600", "2026-10-01 to 2026-10-07"),
        ] {
            assert_eq!(asked(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_window_or_step_is_refused() {
        for wrong in [
            "",
            "d",
            "0d",
            "-1d",
            "7y",
            "1é",
            "99999999999999999999d",
            "b,a",
            "2026-10-02T00:00:00Z,2026-10-01T00:00:00Z",
        ] {
            assert!(asked(wrong).contains("is no window"), "{wrong}");
        }
        let day = Window::day("2026-10-01".parse().expect("a day"));
        assert_eq!(steps(day, Some("soon")), Err(AskError::Step("soon".to_owned())));
        assert_eq!(steps(day, Some("1m")), Err(AskError::TooMany(1_440)));
    }

    #[test]
    fn steps_make_up_the_window() {
        let day = Window::day("2026-10-01".parse().expect("a day"));
        assert_eq!(steps(day, None), Ok(vec![day]));
        assert_eq!(steps(day, Some("1d")), Ok(vec![day]));
        let parts = steps(day, Some("7h")).expect("steps");
        assert_eq!(
            parts.iter().map(|part| part.seconds()).collect::<Vec<_>>(),
            [25_200, 25_200, 25_200, 10_800]
        );
        assert!(parts.windows(2).all(|two| two[0].end == two[1].start));
        assert_eq!(parts.last().map(|part| part.end), Some(day.end));
    }
}
