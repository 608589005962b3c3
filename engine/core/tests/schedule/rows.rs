//! Rows of slots: each step happens once, whoever asks.

use jiff::Timestamp;
use runbook_core::journal::slots::{Ending, State};
use runbook_core::journal::{Error, FORMAT, Journal, Slots};
use runbook_core::schedule::decide::Reason;

use super::at;

const ONE: &str = "report/default#aaaaaa";

fn slot(hour: i8) -> Timestamp {
    at(&format!("2026-01-01T{hour:02}:00:00Z"))
}

#[test]
fn two_servers_have_a_slot_once_and_a_dead_ones_go_to_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (Slots::open(folder.path()).unwrap(), Slots::open(folder.path()).unwrap());
    assert_eq!(left.seen(ONE, slot(0)).unwrap(), slot(0));
    assert_eq!(right.seen(ONE, slot(5)).unwrap(), slot(0), "seen before");
    assert!(left.plan(ONE, slot(1), "left", slot(1)).unwrap());
    assert!(!right.plan(ONE, slot(1), "right", slot(1)).unwrap());
    assert!(!right.start(ONE, slot(1), "right", "r2", slot(1)).unwrap());
    let why = Reason::Overlap { with: slot(0) };
    assert_eq!(right.skip(ONE, &[(slot(1), why)], "right", slot(1)).unwrap(), Vec::<&_>::new());
    assert!(left.start(ONE, slot(1), "left", "r1", slot(1)).unwrap());
    assert!(!left.start(ONE, slot(1), "left", "r3", slot(1)).unwrap(), "once");
    assert!(!left.claim(ONE, slot(1), "left", slot(1)).unwrap(), "at work");

    let ledger = right.ledger(ONE, "right", slot(0)).unwrap();
    assert_eq!((ledger.newest, ledger.failures), (Some(slot(1)), 0));
    assert_eq!(ledger.open.len(), 1);
    assert!(ledger.open[0].is_started && !ledger.open[0].is_ours);
    assert_eq!(right.servers().unwrap(), ["left"]);
    assert_eq!(right.take_over("left", "right").unwrap(), 1);
    assert_eq!(right.take_over("left", "third").unwrap(), 0);
    assert!(right.ledger(ONE, "right", slot(0)).unwrap().open[0].is_ours);

    assert!(!right.end(ONE, slot(1), "r2", Ending::Succeeded, slot(2)).unwrap(), "another run");
    assert!(right.end(ONE, slot(1), "r1", Ending::Succeeded, slot(2)).unwrap());
    assert!(!right.end(ONE, slot(1), "r1", Ending::Failed, slot(2)).unwrap(), "once");
    assert!(!right.claim(ONE, slot(1), "right", slot(2)).unwrap(), "done");
    let row = right.row(ONE, slot(1)).unwrap().unwrap();
    assert_eq!(row.state, State::Ended { run: "r1".to_owned(), how: Ending::Succeeded });
    assert_eq!(row.ended_at, Some(slot(2)));
}

#[test]
fn a_skipped_slot_keeps_its_reason_and_a_person_may_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let slots = Slots::open(folder.path()).unwrap();
    let why = Reason::Superseded { by: slot(3) };
    let skipped = [(slot(2), why.clone()), (slot(3), Reason::Full)];
    assert_eq!(slots.skip(ONE, &skipped, "left", slot(3)).unwrap().len(), 2);
    assert_eq!(slots.skip(ONE, &skipped, "left", slot(3)).unwrap().len(), 0, "once");
    assert_eq!(slots.row(ONE, slot(2)).unwrap().unwrap().state, State::Skipped { why });
    assert!(!slots.plan(ONE, slot(2), "left", slot(3)).unwrap());
    assert!(slots.claim(ONE, slot(2), "hand", slot(4)).unwrap());
    assert!(slots.start(ONE, slot(2), "hand", "r1", slot(4)).unwrap());
    // What a person runs does not hide what was missed before it.
    assert!(slots.claim(ONE, slot(9), "hand", slot(9)).unwrap());
    assert_eq!(slots.ledger(ONE, "left", slot(0)).unwrap().newest, Some(slot(3)));
    assert!(slots.withdraw(ONE, slot(2), "r1").unwrap());
    assert_eq!(slots.row(ONE, slot(2)).unwrap().unwrap().state, State::Planned);
}

#[test]
fn failures_in_a_row_are_counted_by_when_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let slots = Slots::open(folder.path()).unwrap();
    let endings = [Ending::Failed, Ending::Changes, Ending::Uncovered, Ending::Failed];
    for (hour, how) in (1..).zip(endings) {
        let run = format!("r{hour}");
        assert!(slots.plan(ONE, slot(hour), "left", slot(hour)).unwrap());
        assert!(slots.start(ONE, slot(hour), "left", &run, slot(hour)).unwrap());
        assert!(slots.end(ONE, slot(hour), &run, how, slot(hour)).unwrap());
    }
    assert_eq!(slots.ledger(ONE, "left", slot(0)).unwrap().failures, 2);
    let rows = slots.rows(ONE, 2).unwrap();
    assert_eq!(rows.iter().map(|row| row.slot).collect::<Vec<_>>(), [slot(4), slot(3)]);
}

#[test]
fn a_journal_of_format_2_gets_its_tables_and_a_newer_one_is_refused_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    drop(Journal::open(folder.path()).unwrap());
    let path = folder.path().join("journal.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("DROP TABLE schedules; DROP TABLE slots; PRAGMA user_version = 2;")
        .unwrap();
    drop(database);
    let slots = Slots::open(folder.path()).unwrap();
    assert!(slots.plan(ONE, slot(1), "left", slot(1)).unwrap());
    drop(slots);
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch(&format!("PRAGMA user_version = {}", FORMAT + 1)).unwrap();
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let refused = Slots::open(folder.path()).err().unwrap();
    assert!(matches!(refused, Error::Newer { found, .. } if found == FORMAT + 1), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
