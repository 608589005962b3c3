//! The outbox's format, with its history.
//!
//! | version | change |
//! |---|---|
//! | 1 | `messages`, `files`, `blobs` (zlib, by SHA-256), `deliveries`, `steps` |

/// `user_version` of the database.
pub const FORMAT: i64 = 1;
/// `application_id` of the database: "rbob".
pub(super) const APPLICATION: i64 = 0x7262_6f62;

/// Statements that make each version from the one before.
pub(super) const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE messages (
        id       INTEGER PRIMARY KEY,
        scope    TEXT NOT NULL,
        report   TEXT NOT NULL,
        start    TEXT NOT NULL,
        end      TEXT NOT NULL,
        revision INTEGER NOT NULL,
        made     TEXT NOT NULL,
        subject  TEXT NOT NULL,
        summary  TEXT NOT NULL,
        totals   TEXT NOT NULL,
        basis    TEXT NOT NULL,
        digest   TEXT NOT NULL,
        UNIQUE (scope, report, start, end, revision)
    );
    CREATE TABLE files (
        message    INTEGER NOT NULL REFERENCES messages (id),
        position   INTEGER NOT NULL,
        name       TEXT NOT NULL,
        media_type TEXT NOT NULL,
        digest     TEXT NOT NULL,
        PRIMARY KEY (message, position)
    ) WITHOUT ROWID;
    CREATE TABLE blobs (
        digest TEXT PRIMARY KEY,
        bytes  BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE deliveries (
        key         TEXT PRIMARY KEY,
        message     INTEGER NOT NULL REFERENCES messages (id),
        destination TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE steps (
        key  TEXT NOT NULL REFERENCES deliveries (key),
        seq  INTEGER NOT NULL,
        at   TEXT NOT NULL,
        step TEXT NOT NULL,
        PRIMARY KEY (key, seq)
    ) WITHOUT ROWID;
"];
