//! The journal's format, with its history.
//!
//! | version | change |
//! |---|---|
//! | 1 | `events(run, seq, event)`, `blobs(digest, bytes)`, zlib |

/// `user_version` of the database.
pub const FORMAT: i64 = 1;
/// `application_id` of the database: "rbkj".
pub(super) const APPLICATION: i64 = 0x7262_6b6a;
/// The largest event, in bytes of JSON; what is larger belongs into a blob.
pub const MOST_EVENT: usize = 4096;

/// Statements that make each version from the one before.
pub(super) const MIGRATIONS: [&str; 1] = ["
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
"];
