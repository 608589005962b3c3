//! Slots across daylight saving, as tables; and what holds for all of them.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runbook_core::schedule::{Daylight, Fold, Gap, Schedule, Slot};

use super::{at, schedule};

/// A slot in a line: the civil time, what became of it, the local time and the instant.
fn line(schedule: &Schedule, slot: &Slot) -> String {
    let local = schedule.zone.rules().to_datetime(slot.at);
    let also: String = slot.also.iter().map(|time| format!(" and {}", time.time())).collect();
    let daylight = match slot.daylight {
        Daylight::Kept => String::new(),
        other => format!(" {other:?}"),
    };
    format!("{}{also}{daylight} at {} = {}", slot.civil, local.time(), slot.at)
}

fn table(keys: &str, from: &str, to: &str) -> Vec<String> {
    let schedule = schedule(keys);
    let slots = schedule.occurrences(at(from), at(to));
    slots.iter().map(|slot| line(&schedule, slot)).collect()
}

#[test]
fn seoul_has_no_daylight_saving() {
    assert_eq!(
        table(
            "cron: 15 6 * * 1-5, timezone: Asia/Seoul",
            "2026-03-27T00:00:00Z",
            "2026-03-31T00:00:00Z"
        ),
        [
            "2026-03-30T06:15:00 at 06:15:00 = 2026-03-29T21:15:00Z",
            "2026-03-31T06:15:00 at 06:15:00 = 2026-03-30T21:15:00Z",
        ]
    );
    assert_eq!(
        table(
            "cron: 30 2 * * *, timezone: Asia/Seoul",
            "2026-10-24T15:00:00Z",
            "2026-10-26T15:00:00Z"
        ),
        [
            "2026-10-25T02:30:00 at 02:30:00 = 2026-10-24T17:30:00Z",
            "2026-10-26T02:30:00 at 02:30:00 = 2026-10-25T17:30:00Z",
        ]
    );
}

#[test]
fn the_hour_that_paris_skips() {
    let (from, to) = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
    let day = |dst: &str| {
        table(&format!("cron: 30 2 * * *, timezone: Europe/Paris{dst}"), from, to)[0].clone()
    };
    assert_eq!(day(""), "2026-03-29T02:30:00 MovedLater at 03:30:00 = 2026-03-29T01:30:00Z");
    assert_eq!(
        day(", dst: {gap: run_before}"),
        "2026-03-29T02:30:00 MovedEarlier at 01:30:00 = 2026-03-29T00:30:00Z"
    );
    assert_eq!(
        day(", dst: {gap: skip}"),
        "2026-03-29T02:30:00 Dropped at 03:30:00 = 2026-03-29T01:30:00Z"
    );
    assert_eq!(
        table("cron: 30 2 * * *, timezone: Europe/Paris", from, to)[1],
        "2026-03-30T02:30:00 at 02:30:00 = 2026-03-30T00:30:00Z"
    );
}

#[test]
fn the_hour_that_paris_has_twice() {
    let day = |dst: &str| {
        let keys = format!("cron: 30 2 25 10 *, timezone: Europe/Paris{dst}");
        table(&keys, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z")
    };
    let (first, second) =
        ("at 02:30:00 = 2026-10-25T00:30:00Z", "at 02:30:00 = 2026-10-25T01:30:00Z");
    let civil = "2026-10-25T02:30:00";
    assert_eq!(day(""), [format!("{civil} OnlyFirst {first}")]);
    assert_eq!(day(", dst: {fold: second}"), [format!("{civil} OnlySecond {second}")]);
    assert_eq!(
        day(", dst: {fold: both}"),
        [format!("{civil} FirstOfTwo {first}"), format!("{civil} SecondOfTwo {second}")]
    );
}

#[test]
fn new_york_moves_on_other_days_and_frequent_slots_meet() {
    let hours = |dst: &str| {
        let keys = format!("cron: '*/30 1-3 * * *', timezone: America/New_York{dst}");
        table(&keys, "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z")
    };
    assert_eq!(
        hours(""),
        [
            "2026-03-08T01:00:00 at 01:00:00 = 2026-03-08T06:00:00Z",
            "2026-03-08T01:30:00 at 01:30:00 = 2026-03-08T06:30:00Z",
            "2026-03-08T03:00:00 and 02:00:00 at 03:00:00 = 2026-03-08T07:00:00Z",
            "2026-03-08T03:30:00 and 02:30:00 at 03:30:00 = 2026-03-08T07:30:00Z",
        ]
    );
    assert_eq!(
        hours(", dst: {gap: run_before}")[1],
        "2026-03-08T01:30:00 and 02:30:00 at 01:30:00 = 2026-03-08T06:30:00Z"
    );
    assert_eq!(
        table(
            "cron: 0 1 * * *, timezone: America/New_York, dst: {fold: both}",
            "2026-11-01T00:00:00Z",
            "2026-11-02T00:00:00Z"
        ),
        [
            "2026-11-01T01:00:00 FirstOfTwo at 01:00:00 = 2026-11-01T05:00:00Z",
            "2026-11-01T01:00:00 SecondOfTwo at 01:00:00 = 2026-11-01T06:00:00Z",
        ]
    );
}

#[test]
fn a_leap_day_and_the_newest_slot_are_found_far_away() {
    let leap = schedule("cron: 0 0 29 2 *, timezone: UTC");
    let next: Vec<String> =
        leap.next(at("2096-03-01T00:00:00Z"), 2).iter().map(|slot| slot.at.to_string()).collect();
    assert_eq!(next, ["2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"], "2100 is no leap year");
    assert_eq!(
        leap.previous(at("2104-02-29T00:00:00Z")).unwrap().at,
        at("2096-02-29T00:00:00Z"),
        "before, not at"
    );
    assert_eq!(leap.following(at("2104-02-29T00:00:00Z")).unwrap().at, at("2104-02-29T00:00:00Z"));
}

#[test]
fn jitter_is_the_same_for_the_same_slot_and_within_its_bound() {
    let one = schedule("cron: 0 * * * *, timezone: UTC, jitter: 5m");
    let begin = at("2026-01-01T00:00:00Z");
    let spread: BTreeSet<i64> = (0..200)
        .map(|hour| {
            let slot = begin + SignedDuration::from_hours(hour);
            assert_eq!(one.starts_at("a", slot), one.starts_at("a", slot));
            one.starts_at("a", slot).duration_since(slot).as_secs()
        })
        .collect();
    assert!(spread.first() >= Some(&0) && spread.last() <= Some(&300), "{spread:?}");
    assert!(spread.len() > 100, "it spreads: {}", spread.len());
    assert_ne!(one.starts_at("a", begin), one.starts_at("b", begin), "schedules are apart");
}

/// Schedules of many kinds in zones with and without daylight saving, half hours among them.
fn any_schedule() -> impl Strategy<Value = Schedule> {
    let cron = prop_oneof![
        Just("'*/7 * * * *'"),
        Just("30 2 * * *"),
        Just("0 0 * * *"),
        Just("'15,45 1-3 * * 0'"),
        Just("'*/30 2 1-31/2 * 6,7'"),
        Just("5 3 29 2 *"),
        Just("59 23 31 * *"),
    ];
    let zone = prop_oneof![
        Just("Asia/Seoul"),
        Just("Europe/Paris"),
        Just("America/New_York"),
        Just("Australia/Lord_Howe"),
        Just("Africa/Casablanca"),
        Just("Pacific/Apia"),
        Just("UTC"),
    ];
    let gap = prop_oneof![Just("run_after"), Just("skip"), Just("run_before")];
    let fold = prop_oneof![Just("first"), Just("second"), Just("both")];
    (cron, zone, gap, fold).prop_map(|(cron, zone, gap, fold)| {
        schedule(&format!("cron: {cron}, timezone: {zone}, dst: {{gap: {gap}, fold: {fold}}}"))
    })
}

/// Somewhere between 2011, when Apia skipped a day, and 2031.
fn moment() -> impl Strategy<Value = Timestamp> {
    (1_293_840_000_i64..1_924_992_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

/// How often a civil time is to appear, by the zone's rules.
fn expected(schedule: &Schedule, zone: &TimeZone, civil: DateTime) -> usize {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { .. } => 1,
        AmbiguousOffset::Gap { .. } => usize::from(schedule.gap != Gap::Skip),
        AmbiguousOffset::Fold { .. } => 1 + usize::from(schedule.fold == Fold::Both),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn slots_strictly_increase_within_their_interval(
        schedule in any_schedule(), from in moment(), hours in 1_i64..900,
    ) {
        let to = from + SignedDuration::from_hours(hours);
        let slots = schedule.slots(from, to);
        prop_assert!(slots.iter().all(|slot| slot.at >= from && slot.at < to));
        prop_assert!(slots.windows(2).all(|pair| pair[0].at < pair[1].at), "{:?}", slots);
    }

    #[test]
    fn cutting_an_interval_changes_nothing(
        schedule in any_schedule(), from in moment(), hours in 1_i64..900, cut in 0_i64..3_240_000,
    ) {
        let to = from + SignedDuration::from_hours(hours);
        let middle = (from + SignedDuration::from_secs(cut)).min(to);
        let whole = schedule.occurrences(from, to);
        let parts = [schedule.occurrences(from, middle), schedule.occurrences(middle, to)].concat();
        prop_assert_eq!(&whole, &parts);
        prop_assert_eq!(schedule.next(from, whole.len()), whole);
    }

    #[test]
    fn every_civil_match_appears_as_often_as_the_clock_and_dst_say(
        schedule in any_schedule(), from in moment(), hours in 60_i64..900,
    ) {
        let zone = schedule.zone.rules().clone();
        let to = from + SignedDuration::from_hours(hours);
        let slots = schedule.slots(from, to);
        let count = |civil: DateTime| {
            let one = |slot: &Slot| {
                usize::from(slot.civil == civil)
                    + slot.also.iter().filter(|other| **other == civil).count()
            };
            slots.iter().map(one).sum::<usize>()
        };
        // A day from each end, so that what moves stays inside.
        let day = SignedDuration::from_hours(28);
        let (first, last) = (zone.to_datetime(from + day), zone.to_datetime(to - day));
        let matches: Vec<DateTime> = schedule.cron.between(first, last).collect();
        for civil in &matches {
            prop_assert_eq!(count(*civil), expected(&schedule, &zone, *civil), "{}", civil);
        }
        // And nothing else appears.
        for slot in &slots {
            for civil in slot.also.iter().chain([&slot.civil]) {
                let next = *civil + jiff::Span::new().minutes(1);
                prop_assert_eq!(schedule.cron.between(*civil, next).count(), 1);
            }
        }
    }
}
