//! The journal in `SQLite`: what is appended together lies together, and is read as if it did not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

use std::sync::Arc;

use runbook_core::event::{Body, Event};
use runbook_core::journal::{Batch, Blob, Error, FORMAT, Journal, Store};

fn event(seq: u64) -> Event {
    let time = "2026-01-01T00:00:00Z".parse().unwrap();
    Event {
        v: 1,
        seq,
        time,
        world_time: time,
        run: "r1".into(),
        address: None,
        attempt: None,
        body: if seq == 1 {
            Body::RunStarted {
                runbook: "work".to_owned(),
                owner: "work/default".to_owned(),
                target: "test".to_owned(),
                plan: "p".to_owned(),
                graph: "g".to_owned(),
                tasks: 1,
                slot: None,
            }
        } else {
            Body::NotYet { reason: format!("a line\nand another, {seq}") }
        },
    }
}

fn batch(from: u64, to: u64, blobs: Vec<Blob>) -> Batch {
    Batch { events: Arc::new((from..=to).map(event).collect()), blobs }
}

fn append(journal: &Journal, batch: Batch) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(journal.append(batch))
}

#[test]
fn events_and_blobs_come_back_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let small = [Blob::new("small"), Blob::new(""), Blob::new("x".repeat(511))];
    let large = [Blob::new("x".repeat(512)), Blob::new("y".repeat(100_000))];
    let late = Blob::new("late");
    append(&journal, batch(1, 3, [small.as_slice(), &large].concat())).unwrap();
    let found = |blob: &Blob| journal.blob("r1", &blob.digest).unwrap();
    for blob in small.iter().chain(&large) {
        assert_eq!(found(blob).as_ref(), Some(&blob.bytes));
    }
    assert_eq!(found(&late), None);
    append(&journal, batch(4, 4, vec![late.clone()])).unwrap();
    assert_eq!(found(&late), Some(late.bytes), "what was appended since is found");
    let all: Vec<Event> = (1..=4).map(event).collect();
    assert_eq!(journal.read("r1").unwrap(), all);
    let runs = journal.runs().unwrap();
    assert_eq!((&runs[0].first, &runs[0].last, runs.len()), (&all[0], &all[3], 1));
}

#[test]
fn a_batch_of_any_size_comes_back_as_it_went_in() {
    for (events, blobs) in [(1, 7), (600, 5), (600, 601), (1_300, 2_000)] {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let blobs: Vec<Blob> = (0..blobs).map(|one| Blob::new(format!("blob {one}"))).collect();
        append(&journal, batch(1, events, blobs.clone())).unwrap();
        assert_eq!(journal.read("r1").unwrap(), (1..=events).map(event).collect::<Vec<_>>());
        for blob in blobs {
            assert_eq!(journal.blob("r1", &blob.digest).unwrap(), Some(blob.bytes));
        }
        append(&journal, batch(events + 1, events + 1, Vec::new())).unwrap();
        assert!(matches!(
            append(&journal, batch(events, events, Vec::new())),
            Err(Error::Conflict { .. })
        ));
        let runs = Journal::open(folder.path()).unwrap().runs().unwrap();
        assert_eq!((runs[0].first.seq, runs[0].last.seq), (1, events + 1));
    }
}

#[test]
fn a_position_that_is_taken_is_a_conflict_wherever_it_lies_in_a_batch() {
    for (from, to) in [(1, 1), (2, 2), (2, 9), (3, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        append(&journal, batch(1, 3, Vec::new())).unwrap();
        let blob = Blob::new("z".repeat(600));
        let other = Journal::open(folder.path()).unwrap();
        let answer = append(&other, batch(from, to, vec![blob.clone()]));
        assert!(
            matches!(answer, Err(Error::Conflict { expected, .. }) if expected == from),
            "{answer:?}"
        );
        assert_eq!(
            journal.blob("r1", &blob.digest).unwrap(),
            None,
            "nothing of the batch is there"
        );
        assert_eq!(journal.read("r1").unwrap().len(), 3);
    }
}

#[test]
fn a_journal_of_format_1_is_read_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let small = Blob::new("small");
    let database = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE events (run TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL,
                 PRIMARY KEY (run, seq)) WITHOUT ROWID;
             CREATE TABLE blobs (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
             PRAGMA application_id = 1919052650; PRAGMA user_version = 1;",
        )
        .unwrap();
    for seq in 1..=2_u64 {
        let text = serde_json::to_string(&event(seq)).unwrap();
        database
            .execute(
                "INSERT INTO events VALUES ('r1', ?1, ?2)",
                rusqlite::params![i64::try_from(seq).unwrap(), text],
            )
            .unwrap();
    }
    let kept = [&[0], small.bytes.as_slice()].concat();
    database
        .execute("INSERT INTO blobs VALUES (?1, ?2)", rusqlite::params![small.digest, kept])
        .unwrap();
    drop(database);
    let journal = Journal::open(folder.path()).unwrap();
    append(&journal, batch(3, 4, Vec::new())).unwrap();
    assert_eq!(journal.read("r1").unwrap(), (1..=4).map(event).collect::<Vec<_>>());
    assert_eq!(journal.blob("r1", &small.digest).unwrap(), Some(small.bytes));
    let version: i64 = rusqlite::Connection::open(journal.path())
        .unwrap()
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, FORMAT);
}
