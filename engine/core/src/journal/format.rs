//! The journal's format, with its history.
//!
//! | version | change |
//! |---|---|
//! | 1 | `events(run, seq, event)`, `blobs(digest, bytes)`, zlib |
//! | 2 | `commits`: a row holds all events that were appended together, one line of JSON each, and the small blobs that they name ([`super::pack`]) |
//! | 3 | `schedules(schedule, since)` and `slots`: a row per schedule and slot ([`super::slots`]) |
//! | 4 | a step may be `withdrawn`, which older programs cannot read |

/// `user_version` of the database.
pub const FORMAT: i64 = 4;
/// `application_id` of the database: "rbkj".
pub(super) const APPLICATION: i64 = 0x7262_6b6a;
/// The largest event, in bytes of JSON; what is larger belongs into a blob.
pub const MOST_EVENT: usize = 4096;

/// Statements that make each version from the one before.
pub(super) const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE events (
        run   TEXT NOT NULL,
        seq   INTEGER NOT NULL,
        event TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID;
    CREATE TABLE blobs (
        digest TEXT PRIMARY KEY,
        bytes  BLOB NOT NULL
    ) WITHOUT ROWID;
",
    "
    CREATE TABLE commits (
        run    TEXT NOT NULL,
        first  INTEGER NOT NULL,
        last   INTEGER NOT NULL,
        events TEXT NOT NULL,
        blobs  BLOB NOT NULL,
        PRIMARY KEY (run, first)
    );
    INSERT INTO commits (run, first, last, events, blobs)
        SELECT run, seq, seq, event, x'' FROM events ORDER BY run, seq;
    DROP TABLE events;
",
    "
    CREATE TABLE schedules (
        schedule TEXT PRIMARY KEY,
        since    INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE slots (
        schedule   TEXT NOT NULL,
        slot       INTEGER NOT NULL,
        state      TEXT NOT NULL,
        server     TEXT NOT NULL,
        run        TEXT,
        detail     TEXT,
        planned_at INTEGER NOT NULL,
        started_at INTEGER,
        ended_at   INTEGER,
        by_hand    INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (schedule, slot)
    ) WITHOUT ROWID;
",
    "",
];
