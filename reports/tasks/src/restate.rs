//! When a report is sent again with other figures.
//!
//! Bills and samples still move after a report was sent. A report that says `restate` is made anew when
//! its task runs again, and sent as the next revision if a total moved beyond the threshold and the time
//! for it is not over. The revision says what each total was, what it is, and what the figures stand on
//! now that they did not then. Without `restate` a window is reported once.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use runbook_core::value::{Value, duration};
use runbook_showback::observed::Window;

use crate::message::{Basis, Totals};

/// Ten-thousandths of a cent in a dollar.
const DOLLAR: i64 = 1_000_000;
/// How many totals are listed.
const MOST_LISTED: usize = 20;

/// From when on a report stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// So long after the end of the month that the window ends in.
    MonthClose(SignedDuration),
    /// So long after the end of the window.
    WindowEnd(SignedDuration),
}

/// From which difference on a total has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threshold {
    /// In hundredths of a percent of what it was.
    Share(i64),
    /// In ten-thousandths of a cent.
    Amount(i64),
}

/// When a report is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restate {
    until: Until,
    threshold: Threshold,
}

/// A total that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name; empty for the whole.
    pub name: String,
    /// What it was; none where it was not there.
    pub before: Option<i64>,
    /// What it is; none where it is not there any more.
    pub after: Option<i64>,
}

impl Restate {
    /// Reads `{until: month_close + 5d, threshold: 1%}`; the threshold may be an amount, `$5`.
    pub fn read(value: &Value) -> Result<Option<Self>, String> {
        let map = match value {
            Value::Null => return Ok(None),
            other => other
                .as_map()
                .ok_or_else(|| format!("is {}, not `{{until: …, threshold: …}}`", other.kind()))?,
        };
        if let Some(unknown) =
            map.keys().find(|key| !["until", "threshold"].contains(&key.as_str()))
        {
            return Err(format!("has the unknown field `{unknown}`; it has until, threshold"));
        }
        let text = |name: &str, usual| map.get(name).map_or(Some(usual), Value::as_str);
        let until = text("until", "month_close + 5d")
            .and_then(until)
            .ok_or("has an `until` that is neither `month_close + 5d` nor `window_end + 5d`")?;
        let threshold = text("threshold", "1%").and_then(threshold).ok_or(
            "has a `threshold` that is neither a share such as `1%` nor an amount such as `$5`",
        )?;
        Ok(Some(Self { until, threshold }))
    }

    /// Whether a window may still be sent again at a slot.
    pub fn is_open(self, window: Window, slot: Timestamp) -> bool {
        let (from, wait) = match self.until {
            Until::WindowEnd(wait) => (window.end, wait),
            Until::MonthClose(wait) => (month_close(window), wait),
        };
        from.saturating_add(wait).is_ok_and(|end| slot <= end)
    }

    /// The totals that moved beyond the threshold, the whole first; those that moved less are none of
    /// them.
    pub fn moved(self, before: &Totals, after: &Totals) -> Vec<Moved> {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        names
            .into_iter()
            .map(|name| Moved {
                name: name.clone(),
                before: before.get(name).copied(),
                after: after.get(name).copied(),
            })
            .filter(|moved| self.is_beyond(moved))
            .collect()
    }

    fn is_beyond(self, moved: &Moved) -> bool {
        let before = i128::from(moved.before.unwrap_or_default());
        let difference = (i128::from(moved.after.unwrap_or_default()) - before).abs();
        match self.threshold {
            Threshold::Amount(least) => difference > i128::from(least),
            Threshold::Share(share) => difference * 10_000 > before.abs() * i128::from(share),
        }
    }
}

fn until(text: &str) -> Option<Until> {
    let (from, wait) = text.split_once('+').unwrap_or((text, "0s"));
    let wait = SignedDuration::try_from(duration(wait)?).ok()?;
    match from.trim() {
        "month_close" => Some(Until::MonthClose(wait)),
        "window_end" => Some(Until::WindowEnd(wait)),
        _ => None,
    }
}

fn threshold(text: &str) -> Option<Threshold> {
    let text = text.trim();
    if let Some(share) = text.strip_suffix('%') {
        return decimal(share.trim(), 2).map(Threshold::Share);
    }
    decimal(text.strip_prefix('$')?.trim(), 6).map(Threshold::Amount)
}

/// A decimal number with at most so many places, as an integer of the last of them.
fn decimal(text: &str, places: u32) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let given = u32::try_from(rest.len()).ok().filter(|given| *given <= places)?;
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(rest) || text.ends_with('.') {
        return None;
    }
    let rest = if rest.is_empty() { 0 } else { rest.parse::<i64>().ok()? };
    let whole = whole.parse::<i64>().ok()?.checked_mul(10_i64.pow(places))?;
    whole.checked_add(rest.checked_mul(10_i64.pow(places - given))?)
}

/// The end of the month that the window's last moment is in.
fn month_close(window: Window) -> Timestamp {
    let last = window.end.checked_sub(1.nanosecond()).unwrap_or(window.end).max(window.start);
    let date = last.to_zoned(TimeZone::UTC).date();
    date.last_of_month()
        .tomorrow()
        .and_then(|first| first.to_zoned(TimeZone::UTC))
        .map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// What a revision says besides its figures: old, new and cause.
pub fn told(revision: u32, moved: &[Moved], before: &Basis, after: &Basis) -> String {
    let mut text = format!("revision {revision}: these totals moved\n");
    for one in moved.iter().take(MOST_LISTED) {
        let name = if one.name.is_empty() { "total" } else { &one.name };
        let difference = one.after.unwrap_or_default() - one.before.unwrap_or_default();
        let sign = if difference < 0 { "−" } else { "+" };
        let amount = |amount: Option<i64>| amount.map_or_else(|| "nothing".to_owned(), cents);
        text.push_str(&format!(
            "  {name}: {} → {} ({sign}{})\n",
            amount(one.before),
            amount(one.after),
            cents(difference.abs())
        ));
    }
    if let Some(more) = moved.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        text.push_str(&format!("  and {more} more\n"));
    }
    text.push_str(&format!("cause: {}\n", cause(before, after)));
    text
}

/// What the figures stand on now that they did not then.
fn cause(before: &Basis, after: &Basis) -> String {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |basis: &Basis, name| basis.get(name).map_or("none", String::as_str).to_owned();
    let differing: Vec<String> = names
        .into_iter()
        .map(|name| (name, value(before, name), value(after, name)))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| format!("{name} {old} → {new}"))
        .collect();
    if differing.is_empty() {
        return "nothing that is recorded of either revision differs".to_owned();
    }
    differing.join("; ")
}

/// Ten-thousandths of a cent as dollars, with all places.
pub fn dollars(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let size = micros.unsigned_abs();
    let dollar = DOLLAR.unsigned_abs();
    format!("{sign}{}.{:06}", size / dollar, size % dollar)
}

/// The same in cents, half up.
fn cents(micros: i64) -> String {
    let hundredths = (i128::from(micros) + 5_000).div_euclid(10_000);
    let sign = if hundredths < 0 { "-" } else { "" };
    let size = hundredths.unsigned_abs();
    format!("{sign}${}.{:02}", size / 100, size % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn restate(until: &str, threshold: &str) -> Result<Option<Restate>, String> {
        Restate::read(&Value::map([
            ("until", Value::from(until)),
            ("threshold", Value::from(threshold)),
        ]))
    }

    fn totals(list: &[(&str, i64)]) -> Totals {
        list.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect()
    }

    #[test]
    fn it_is_open_until_the_month_has_closed() {
        let week = Window::new(
            "2026-10-19T00:00:00Z".parse().unwrap(),
            "2026-10-26T00:00:00Z".parse().unwrap(),
        )
        .unwrap();
        let month = Window::new(
            "2026-10-01T00:00:00Z".parse().unwrap(),
            "2026-11-01T00:00:00Z".parse().unwrap(),
        )
        .unwrap();
        for (rule, window, last) in [
            ("month_close + 5d", week, "2026-11-06T00:00:00Z"),
            ("month_close+5d", month, "2026-11-06T00:00:00Z"),
            ("month_close", month, "2026-11-01T00:00:00Z"),
            ("window_end + 36h", week, "2026-10-27T12:00:00Z"),
        ] {
            let rule = restate(rule, "1%").unwrap().unwrap();
            let last: Timestamp = last.parse().unwrap();
            assert!(rule.is_open(window, last));
            assert!(!rule.is_open(window, last + 1.second()));
        }
    }

    #[test]
    fn a_total_moves_beyond_a_share_or_an_amount() {
        let before = totals(&[("", 100 * DOLLAR), ("a", 50 * DOLLAR), ("gone", DOLLAR)]);
        let after = totals(&[("", 101 * DOLLAR), ("a", 49 * DOLLAR), ("new", DOLLAR)]);
        let names = |threshold: &str| -> Vec<String> {
            let rule = restate("month_close", threshold).unwrap().unwrap();
            rule.moved(&before, &after).into_iter().map(|moved| moved.name).collect()
        };
        assert_eq!(names("1%"), ["a", "gone", "new"]);
        assert_eq!(names("0.99%"), ["", "a", "gone", "new"]);
        assert_eq!(names("$0.999999"), ["", "a", "gone", "new"]);
        assert!(names("$1").is_empty());
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        assert_eq!(Restate::read(&Value::Null).unwrap(), None);
        for (until, threshold) in [
            ("month_end + 5d", "1%"),
            ("month_close - 5d", "1%"),
            ("month_close + 5", "1%"),
            ("month_close", "1"),
            ("month_close", "-1%"),
            ("month_close", "$"),
            ("month_close", "$5."),
            ("month_close", "0.001%"),
        ] {
            assert!(restate(until, threshold).is_err(), "{until}, {threshold}");
        }
    }

    #[test]
    fn a_revision_tells_old_new_and_cause() {
        let rule = restate("month_close", "$1").unwrap().unwrap();
        let before = totals(&[("", 1_234_567_890), ("a", 5_000_000)]);
        let after = totals(&[("", 1_200_000_000), ("b", 2_004_999)]);
        let basis = |date: &str| -> Basis { [("prices of".to_owned(), date.to_owned())].into() };
        assert_eq!(
            told(2, &rule.moved(&before, &after), &basis("2026-10-01"), &basis("2026-11-03")),
            "revision 2: these totals moved\n  \
             total: $1234.57 → $1200.00 (−$34.57)\n  \
             a: $5.00 → nothing (−$5.00)\n  \
             b: nothing → $2.00 (+$2.00)\n\
             cause: prices of 2026-10-01 → 2026-11-03\n"
        );
    }

    proptest! {
        #[test]
        fn nothing_moves_against_itself_and_all_ways_are_alike(
            before in prop::collection::btree_map("[a-c]", -1_000_000_i64..1_000_000, 0..4),
            after in prop::collection::btree_map("[a-c]", -1_000_000_i64..1_000_000, 0..4),
        ) {
            let exact = restate("month_close", "$0").unwrap().unwrap();
            prop_assert!(exact.moved(&before, &before).is_empty());
            let there = exact.moved(&before, &after).len();
            prop_assert_eq!(there, exact.moved(&after, &before).len());
        }
    }
}
