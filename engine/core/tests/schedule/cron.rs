//! Cron expressions beside `cronexpr`, and what is refused.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use runbook_core::schedule::Cron;

fn refused(text: &str) -> String {
    let wrong = Cron::parse(text).unwrap_err();
    let marked = text.get(wrong.range.clone()).unwrap();
    let help = wrong.help.clone().unwrap_or_default();
    format!("`{marked}`: {wrong} ({help})")
}

#[test]
fn mistakes_name_the_field_and_the_way_out() {
    let table = [
        (
            "15 6 * *",
            "`15 6 * *`: a cron expression has five fields, this one has 4 (minute, hour, day of month, month, day of week: `15 6 * * 1-5`)",
        ),
        ("@daily", "`@daily`: `@daily` is not known to every cron (write `0 0 * * *`)"),
        ("60 6 * * *", "`60`: `60` is not a minute (0 to 59)"),
        ("0 24 * * *", "`24`: `24` is not a hour (0 to 23)"),
        (
            "0 6 L * *",
            "`L`: `L` is not a day of month (1 to 31; `L`, `W`, `#`, `?` and `H` are not known to every cron)",
        ),
        (
            "0 6 * * fri-mon",
            "`fri-mon`: the day of week `fri-mon` runs backwards (write two ranges: `5-7,0-1`)",
        ),
        ("*/0 6 * * *", "`*/0`: the step `0` of the minute is not a number (from 1 to 59)"),
        ("5/15 6 * * *", "`5/15`: cron programs disagree about `5/15` (write `5-59/15`)"),
        (
            "0 6 *,10 * *",
            "`*`: `*` in a list of the day of month (cron programs disagree about it; `*` stands alone)",
        ),
        (
            "0 6 */2 * 1",
            "`*/2`: cron programs disagree about `*/2` beside the other day field (write `1-31/2`: then a day matches when one of the two fields does)",
        ),
        ("0 6 30 2 *", "`30 2`: `30 2` never comes: no such day ()"),
        ("0 6 31 4,jun,9,11 *", "`31 4,jun,9,11`: `31 4,jun,9,11` never comes: no such day ()"),
    ];
    for (text, expected) in table {
        assert_eq!(refused(text), expected, "{text}");
    }
    // One of two day fields is enough, and 29 February comes.
    Cron::parse("0 6 30 2 1").unwrap();
    Cron::parse("0 6 29 feb *").unwrap();
}

/// The same expression, matched by somebody else's program.
fn reference(text: &str, from: Date, days: i8) -> Vec<String> {
    let crontab = cronexpr::parse_crontab(&format!("{text} UTC")).unwrap();
    let begin = from.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap();
    let end = begin.timestamp() + jiff::SignedDuration::from_hours(24 * i64::from(days));
    let before = begin.timestamp() - jiff::SignedDuration::from_secs(1);
    crontab
        .iter_after(before)
        .unwrap()
        .map_while(Result::ok)
        .take_while(|time| time.timestamp() < end)
        .map(|time| time.datetime().to_string())
        .collect()
}

fn ours(text: &str, from: Date, days: i8) -> Vec<String> {
    let begin = from.at(0, 0, 0, 0);
    let end = begin + jiff::Span::new().days(days);
    let cron = Cron::parse(text).unwrap();
    cron.between(begin, end).map(|time| time.to_string()).collect()
}

/// A field: `*`, `*/n`, a value, a range with or without a step, or a list.
fn field(low: u8, high: u8) -> impl Strategy<Value = String> {
    let item = (low..=high, 0..=high - low, 1..=high).prop_map(move |(first, width, step)| {
        let last = first.saturating_add(width).min(high);
        match step % 3 {
            0 => first.to_string(),
            1 => format!("{first}-{last}"),
            _ => format!("{first}-{last}/{step}"),
        }
    });
    let list = proptest::collection::vec(item, 1..4).prop_map(|items| items.join(","));
    prop_oneof![Just("*".to_owned()), (1..=high).prop_map(|step| format!("*/{step}")), list]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn matches_are_those_of_cronexpr(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12),
        weekday in field(0, 7), start in 0_i64..3000,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        // Where programs disagree ours refuses.
        prop_assume!(Cron::parse(&text).is_ok());
        let from = date(2024, 1, 1) + jiff::Span::new().days(start);
        prop_assert_eq!(ours(&text, from, 20), reference(&text, from, 20), "{}", text);
    }

    #[test]
    fn no_text_is_a_panic(text in "[-*/,0-9a-z@# ]{0,24}") {
        if let Err(wrong) = Cron::parse(&text) {
            prop_assert!(text.get(wrong.range.clone()).is_some(), "{:?}", wrong);
        }
    }
}

#[test]
fn one_meaning_however_it_is_written() {
    let meaning = |text: &str| Cron::parse(text).unwrap().meaning();
    assert_eq!(meaning("0 6 * * mon-fri"), meaning("0  06 * jan-dec 1,2,3-5"));
    assert_eq!(meaning("0 6 * * 0"), meaning("0 6 * * 7"));
    assert_ne!(meaning("0 6 * * *"), meaning("0 6 1-31 * *"));
}
