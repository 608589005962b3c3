//! Overlap, catch-up and the pause: tables on injected time through the pure core.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runbook_core::schedule::decide::{Action, Ledger, MOST_MISSED, Open, Reason, decide};
use runbook_core::schedule::{Overlap, Schedule};

use super::{at, schedule};

/// A server in miniature: what is recorded, and runs that end when the test says so.
struct Desk {
    schedule: Schedule,
    since: Timestamp,
    newest: Option<Timestamp>,
    open: BTreeMap<Timestamp, Open>,
    failures: u32,
    log: Vec<String>,
    started: Vec<Timestamp>,
    skipped: Vec<Timestamp>,
}

impl Desk {
    fn new(keys: &str, since: &str) -> Self {
        Self {
            schedule: schedule(keys),
            since: at(since),
            newest: None,
            open: BTreeMap::new(),
            failures: 0,
            log: Vec::new(),
            started: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn ledger(&self) -> Ledger {
        Ledger {
            since: self.since,
            newest: self.newest,
            open: self.open.values().cloned().collect(),
            failures: self.failures,
        }
    }

    /// Looks at the time until there is nothing more to do.
    fn look(&mut self, now: Timestamp) -> Option<Timestamp> {
        for _ in 0..100 {
            let decision = decide(&self.schedule, "test", &self.ledger(), now);
            let mut moved = false;
            for action in decision.actions {
                moved |= self.take(&action, now);
            }
            if !moved {
                return decision.wake;
            }
        }
        panic!("it never comes to rest: {:?}", self.log);
    }

    /// Records an action; whether that changed anything.
    fn take(&mut self, action: &Action, now: Timestamp) -> bool {
        let clock = |slot: &Timestamp| slot.strftime("%H:%M").to_string();
        match action {
            Action::Plan(slot) => {
                let one = Open { slot: *slot, is_started: false, planned_at: now, is_ours: true };
                self.newest = self.newest.max(Some(*slot));
                assert!(self.open.insert(*slot, one).is_none(), "planned twice: {slot}");
                return true;
            }
            Action::Skip(slot, why) => {
                self.newest = self.newest.max(Some(*slot));
                self.open.remove(slot);
                self.skipped.push(*slot);
                self.log.push(format!("{} skip {} {}", clock(&now), clock(slot), why.label()));
                return true;
            }
            Action::Start(slot) => {
                let one = self.open.get_mut(slot).unwrap();
                assert!(!one.is_started, "started twice: {slot}");
                one.is_started = true;
                self.started.push(*slot);
                self.log.push(format!("{} start {}", clock(&now), clock(slot)));
                return true;
            }
            Action::Cancel(slot) => {
                let line = format!("{} cancel {}", clock(&now), clock(slot));
                if self.log.last() != Some(&line) {
                    self.log.push(line);
                }
            }
        }
        false
    }

    fn end(&mut self, slot: &str, now: &str) {
        assert!(self.open.remove(&at(slot)).is_some_and(|one| one.is_started), "{slot}");
        self.look(at(now));
    }

    fn told(self) -> Vec<String> {
        self.log
    }
}

/// Three slots at 00:10, 00:20 and 00:30; the first one is at work until 00:35.
fn overlapping(policy: &str) -> Vec<String> {
    let keys = format!("cron: '10,20,30,50 * * * *', timezone: UTC, overlap: {policy}");
    let mut desk = Desk::new(&keys, "2026-01-01T00:00:00Z");
    for now in ["2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:30:00Z"] {
        desk.look(at(now));
    }
    desk.end("2026-01-01T00:10:00Z", "2026-01-01T00:35:00Z");
    desk.look(at("2026-01-01T00:50:00Z"));
    desk.told()
}

#[test]
fn what_becomes_of_a_slot_while_an_earlier_one_is_at_work() {
    assert_eq!(
        overlapping("skip"),
        [
            "00:10 start 00:10",
            "00:20 skip 00:20 overlap",
            "00:30 skip 00:30 overlap",
            "00:50 start 00:50"
        ]
    );
    assert_eq!(
        overlapping("buffer_one"),
        ["00:10 start 00:10", "00:30 skip 00:30 full", "00:35 start 00:20"],
        "00:50 waits for 00:20"
    );
    assert_eq!(overlapping("buffer_all"), ["00:10 start 00:10", "00:35 start 00:20"]);
    assert_eq!(
        overlapping("cancel_other"),
        [
            "00:10 start 00:10",
            "00:20 cancel 00:10",
            "00:30 skip 00:20 replaced",
            "00:30 cancel 00:10",
            "00:35 start 00:30",
            "00:50 cancel 00:30",
        ]
    );
    assert_eq!(
        overlapping("allow_all"),
        ["00:10 start 00:10", "00:20 start 00:20", "00:30 start 00:30", "00:50 start 00:50"]
    );
}

#[test]
fn buffer_all_is_bounded() {
    let keys = "cron: '*/10 * * * *', timezone: UTC, overlap: buffer_all, catch_up: {max: 2}";
    let mut desk = Desk::new(keys, "2026-01-01T00:05:00Z");
    for minute in [10, 20, 30, 40, 50] {
        desk.look(at(&format!("2026-01-01T00:{minute}:00Z")));
    }
    assert_eq!(
        desk.told(),
        ["00:10 start 00:10", "00:40 skip 00:40 full", "00:50 skip 00:50 full"]
    );
}

/// Nobody was there from 00:00 to 03:05, with slots at 01:00, 02:00 and 03:00.
fn missed(catch_up: &str) -> Vec<String> {
    let keys = format!("cron: 0 1-5 * * *, timezone: UTC{catch_up}");
    let mut desk = Desk::new(&keys, "2026-01-01T00:00:00Z");
    desk.look(at("2026-01-01T03:05:00Z"));
    for _ in 0..3 {
        let Some((slot, _)) = desk.open.iter().find(|(_, one)| one.is_started) else { break };
        let slot = slot.to_string();
        desk.end(&slot, "2026-01-01T03:06:00Z");
    }
    desk.told()
}

#[test]
fn what_becomes_of_slots_that_were_missed() {
    assert_eq!(
        missed(""),
        ["03:05 skip 01:00 too_old", "03:05 skip 02:00 too_old", "03:05 start 03:00"],
        "the window is an hour"
    );
    assert_eq!(
        missed(", catch_up: {window: 6h}"),
        ["03:05 skip 01:00 superseded", "03:05 skip 02:00 superseded", "03:05 start 03:00"]
    );
    assert_eq!(
        missed(", catch_up: {window: 6h, policy: all}"),
        ["03:05 start 01:00", "03:06 start 02:00", "03:06 start 03:00"],
        "one after another, though overlap is skip"
    );
    assert_eq!(
        missed(", catch_up: {window: 6h, policy: all, max: 2}"),
        ["03:05 skip 01:00 too_many", "03:05 start 02:00", "03:06 start 03:00"]
    );
    assert_eq!(
        missed(", catch_up: {window: 6h, policy: none}"),
        ["03:05 skip 01:00 missed", "03:05 skip 02:00 missed", "03:05 skip 03:00 missed"]
    );
    assert_eq!(
        missed(", catch_up: {window: 6h, policy: all}, overlap: allow_all"),
        ["03:05 start 01:00", "03:05 start 02:00", "03:05 start 03:00"]
    );
}

#[test]
fn failures_in_a_row_pause_a_schedule_and_nothing_before_it_was_seen_is_its() {
    let keys = "cron: 0 * * * *, timezone: UTC, pause_after_failures: 2";
    let mut desk = Desk::new(keys, "2026-01-01T00:30:00Z");
    desk.look(at("2026-01-01T01:00:00Z"));
    desk.failures = 1;
    desk.end("2026-01-01T01:00:00Z", "2026-01-01T01:01:00Z");
    desk.look(at("2026-01-01T02:00:00Z"));
    desk.failures = 2;
    desk.end("2026-01-01T02:00:00Z", "2026-01-01T02:01:00Z");
    desk.look(at("2026-01-01T03:00:00Z"));
    desk.failures = 0;
    desk.look(at("2026-01-01T04:00:00Z"));
    assert_eq!(
        desk.told(),
        ["01:00 start 01:00", "02:00 start 02:00", "03:00 skip 03:00 paused", "04:00 start 04:00"]
    );
}

#[test]
fn jitter_starts_later_and_says_when_to_ask_again() {
    let keys = "cron: 0 6 * * *, timezone: Asia/Seoul, jitter: 10m";
    let mut desk = Desk::new(keys, "2026-01-01T00:00:00Z");
    let slot = at("2026-01-01T21:00:00Z");
    let starts = desk.schedule.starts_at("test", slot);
    assert!(starts > slot, "this slot has some");
    assert_eq!(desk.look(at("2026-01-01T00:00:00Z")), Some(slot));
    assert_eq!(desk.look(slot), Some(starts));
    assert!(desk.log.is_empty());
    desk.look(starts);
    assert_eq!(desk.started, [slot]);
}

#[test]
fn what_others_do_counts_and_is_left_to_them() {
    let one = schedule("cron: 0 * * * *, timezone: UTC, overlap: cancel_other");
    let (first, second) = (at("2026-01-01T01:00:00Z"), at("2026-01-01T02:00:00Z"));
    let open = |slot, is_started, is_ours| Open { slot, is_started, planned_at: slot, is_ours };
    let ledger = |open: Vec<Open>| Ledger { since: first, newest: Some(second), open, failures: 0 };
    let actions = |one: &Schedule, rows| decide(one, "test", &ledger(rows), second).actions;
    assert_eq!(actions(&one, vec![open(first, true, false), open(second, false, true)]), []);
    assert_eq!(actions(&one, vec![open(second, false, false)]), []);
    let skipping = schedule("cron: 0 * * * *, timezone: UTC");
    assert_eq!(
        actions(&skipping, vec![open(first, true, false), open(second, false, true)]),
        [Action::Skip(second, Reason::Overlap { with: first })]
    );
}

#[test]
fn a_year_of_missed_minutes_is_counted_and_not_told_one_by_one() {
    let one = schedule("cron: '* * * * *', timezone: UTC");
    let ledger =
        Ledger { since: at("2025-01-01T00:00:00Z"), newest: None, open: Vec::new(), failures: 0 };
    let decision = decide(&one, "test", &ledger, at("2025-02-01T00:00:30Z"));
    let minutes = 31 * 24 * 60 + 1;
    let forgotten = decision.forgotten.unwrap();
    assert_eq!(forgotten.count, minutes - MOST_MISSED);
    assert_eq!(forgotten.first, at("2025-01-01T00:00:00Z"));
    let Some(Action::Skip(next, Reason::TooOld)) = decision.actions.first() else {
        panic!("{:?}", decision.actions.first());
    };
    assert_eq!(next.duration_since(forgotten.last), SignedDuration::from_mins(1));
    let newest = at("2025-02-01T00:00:00Z");
    assert_eq!(
        decision.actions[decision.actions.len() - 2..],
        [Action::Plan(newest), Action::Start(newest)]
    );
}

fn any_policy() -> impl Strategy<Value = Schedule> {
    let overlap = prop_oneof![
        Just("skip"),
        Just("buffer_one"),
        Just("buffer_all"),
        Just("cancel_other"),
        Just("allow_all")
    ];
    let policy = prop_oneof![Just("last"), Just("all"), Just("none")];
    (overlap, policy, 1_u32..5, 0_u32..40, 10_u32..200).prop_map(
        |(overlap, policy, max, jitter, window)| {
            schedule(&format!(
                "cron: '*/10 * * * *', timezone: UTC, overlap: {overlap}, jitter: {jitter}m, \
                 catch_up: {{policy: {policy}, max: {max}, window: {window}m}}"
            ))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Looks at any times, runs of any length: each slot is started or skipped once, and only
    /// `allow_all` has two at work.
    #[test]
    fn each_slot_is_started_or_skipped_once(
        schedule in any_policy(), steps in proptest::collection::vec((1_i64..50, any::<bool>()), 1..40),
    ) {
        let since = at("2026-01-01T00:00:00Z");
        let mut desk = Desk::new("cron: 0 0 * * *, timezone: UTC", "2026-01-01T00:00:00Z");
        desk.schedule = schedule;
        let mut now = since;
        for (minutes, ends) in steps {
            now += SignedDuration::from_mins(minutes);
            if ends {
                let ended = desk.open.values().find(|one| one.is_started).map(|one| one.slot);
                if let Some(slot) = ended {
                    desk.open.remove(&slot);
                }
            }
            desk.look(now);
            let at_work = desk.open.values().filter(|one| one.is_started).count();
            prop_assert!(at_work <= 1 || desk.schedule.overlap == Overlap::AllowAll);
        }
        // Whatever waits comes to an end when the runs do.
        for _ in 0..200 {
            let Some(slot) = desk.open.values().find(|one| one.is_started).map(|one| one.slot)
            else { break };
            desk.open.remove(&slot);
            now += SignedDuration::from_secs(1);
            desk.look(now);
        }
        let mut told = [desk.started.clone(), desk.skipped.clone()].concat();
        told.extend(desk.open.keys());
        told.sort();
        let due: Vec<Timestamp> = desk
            .schedule
            .slots(since, now + SignedDuration::from_nanos(1))
            .into_iter()
            .map(|slot| slot.at)
            .collect();
        prop_assert_eq!(told, due);
        let waits = |slot: &Timestamp| desk.schedule.starts_at("test", *slot) > now;
        prop_assert!(desk.open.keys().all(waits), "{:?}", desk.open);
    }
}
