//! The journal's format, with its history.
//!
//! | version | change |
//! |---|---|
//! | 1 | `events(run, seq, event)`, `blobs(digest, bytes)`, zlib |
//! | 2 | `commits`: a row holds all events that were appended together, one line of JSON each, and the small blobs that they name ([`super::pack`]) |

/// `user_version` of the database.
pub const FORMAT: i64 = 2;
/// `application_id` of the database: "rbkj".
pub(super) const APPLICATION: i64 = 0x7262_6b6a;
/// The largest event, in bytes of JSON; what is larger belongs into a blob.
pub const MOST_EVENT: usize = 4096;

/// Statements that make each version from the one before.
pub(super) const MIGRATIONS: [&str; 2] = [
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
];
