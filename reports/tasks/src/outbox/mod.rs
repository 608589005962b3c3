//! The outbox: what is to be delivered, and what came of it.
//!
//! One `SQLite` file, `outbox.db`, in WAL mode with `synchronous=FULL`. A message goes in once, with the
//! bytes of its files (compressed, each content once); for each destination it has a delivery, whose
//! steps ([`step`]) are appended. A step is durable before the effect that it announces and after the
//! effect that it tells of. So a process that is killed anywhere leaves one of two things: a delivery
//! that was not begun, or one that was *attempting*, and that is sent again under the same key. That is
//! at least once; the key lets the destination make it once.
//!
//! Nothing secret gets in: of a destination only its name is known here. A database of a newer version,
//! or of something else, is refused unharmed.

pub mod format;
pub mod step;

mod deliver;
mod owed;
mod read;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use crate::message::{Key, Message, sha256};
use format::{APPLICATION, FORMAT, MIGRATIONS};
use step::{IllegalStep, Standing, Step};

pub use deliver::{Backoff, Delivering, PATIENCE, Pass, Silent, Watch, deliver};
pub use owed::{KEPT, Owed};
pub use read::{Delivery, Sent};

/// The database's name in its folder.
const FILE: &str = "outbox.db";
/// Who delivers.
const LOCK: &str = "outbox.lock";

/// Why the outbox could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database says no.
    #[error("failed to {action} the outbox `{}`", path.display())]
    Database {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// The disk says no.
    #[error("failed to {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another program's.
    #[error("`{}` is a database of something else; it was left alone", path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
    },
    /// A later version's.
    #[error(
        "the outbox `{}` has format {found}, and this version reads up to {FORMAT}; a newer runbook reads it",
        path.display()
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// What is in it makes no sense.
    #[error("the outbox `{}` is damaged: {what}", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// Another process is at it.
    #[error("another process delivers from the outbox `{}`", path.display())]
    Busy {
        /// Where.
        path: PathBuf,
    },
    /// Bytes that are needed no more.
    #[error(
        "the files of `{subject}` were forgotten {} days after all had it; what it said is where it was delivered",
        KEPT.as_hours() / 24
    )]
    Forgotten {
        /// The message.
        subject: String,
    },
    /// The same revision twice, with other content.
    #[error(
        "revision {revision} of the report `{report}` is in the outbox `{}` with other content",
        path.display()
    )]
    OtherContent {
        /// Where.
        path: PathBuf,
        /// Which report.
        report: String,
        /// Which revision.
        revision: u32,
    },
}

impl Error {
    /// With what is behind it, in one line.
    pub fn told(&self) -> String {
        match self {
            Self::Database { source, .. } => format!("{self}: {source}"),
            Self::File { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// The outbox of a state folder.
pub struct Outbox {
    path: PathBuf,
    connection: Connection,
}

impl Outbox {
    /// Opens the outbox of a folder, and makes it when there is none.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|source| Error::File {
            action: "create",
            path: folder.to_owned(),
            source,
        })?;
        Self::connect(folder.join(FILE), OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// The outbox of a folder if there is one; makes nothing.
    pub fn look(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        match path.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => Self::connect(path, OpenFlags::empty()).map(Some),
            Err(source) => Err(Error::File { action: "look for", path, source }),
        }
    }

    fn connect(path: PathBuf, flags: OpenFlags) -> Result<Self, Error> {
        let usual = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = |action| {
            let path = path.clone();
            move |source| Error::Database { action, path, source }
        };
        let connection =
            Connection::open_with_flags(&path, usual | flags).map_err(database("open"))?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(database("open"))?;
        let mut outbox = Self { path, connection };
        outbox.prepare()?;
        Ok(outbox)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn database(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::Database { action, path: path.clone(), source }
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), what: what.into() }
    }

    /// Checks whose database it is and brings it to our version, in one transaction.
    fn prepare(&mut self) -> Result<(), Error> {
        let (read, write) = (self.database("read"), self.database("write"));
        let number = |sql: &str| {
            self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(&read)
        };
        let application = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        let tables = number("SELECT count(*) FROM sqlite_master")?;
        if application != APPLICATION && tables > 0 {
            return Err(Error::NotOurs { path: self.path.clone() });
        }
        if version > FORMAT {
            return Err(Error::Newer { path: self.path.clone(), found: version });
        }
        self.connection.pragma_update(None, "journal_mode", "WAL").map_err(&write)?;
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(&write)?;
        self.connection.pragma_update(None, "foreign_keys", true).map_err(&write)?;
        let migrate = self.database("migrate");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&write)?;
        // Another process may have migrated it meanwhile.
        let version: i64 =
            transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&read)?;
        let done = usize::try_from(version).unwrap_or_default();
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(&migrate)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(&write)?;
        transaction.pragma_update(None, "user_version", FORMAT).map_err(&write)?;
        transaction.commit().map_err(&write)
    }

    /// Puts a message in, with a delivery for each destination that has none yet. The same message
    /// again adds nothing but the missing deliveries; another content under the same revision is
    /// refused.
    pub fn put(
        &mut self,
        message: &Message,
        destinations: &[String],
        at: Timestamp,
    ) -> Result<(), Error> {
        let write = self.database("write");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&write)?;
        let (about, rendered) = (&message.about, &message.rendered);
        let digest = rendered.digest();
        let known: Option<(i64, String)> = transaction
            .query_row(
                "SELECT id, digest FROM messages
                 WHERE scope = ?1 AND report = ?2 AND start = ?3 AND end = ?4 AND revision = ?5",
                params![
                    about.scope,
                    about.report,
                    about.window.start.to_string(),
                    about.window.end.to_string(),
                    message.revision
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(&write)?;
        let id = match known {
            Some((_, other)) if other != digest => {
                return Err(Error::OtherContent {
                    path: self.path.clone(),
                    report: about.report.clone(),
                    revision: message.revision,
                });
            }
            Some((id, _)) => id,
            None => {
                insert_message(&transaction, message, &digest).map_err(&write)?;
                let id = transaction.last_insert_rowid();
                insert_files(&transaction, id, message, &self.path)?;
                id
            }
        };
        for destination in destinations {
            let key = Key::new(about, message.revision, destination);
            let added = transaction
                .execute(
                    "INSERT OR IGNORE INTO deliveries (key, message, destination) VALUES (?1, ?2, ?3)",
                    params![key.as_str(), id, destination],
                )
                .map_err(&write)?;
            if added > 0 {
                append(&transaction, &key, 1, at, &Step::Queued).map_err(&write)?;
            }
        }
        transaction.commit().map_err(&write)
    }

    /// Appends a step to a delivery; durable when this returns. A step that cannot follow is refused.
    pub fn record(&mut self, key: &Key, step: &Step, at: Timestamp) -> Result<Standing, Error> {
        let write = self.database("write");
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&write)?;
        let steps = read::steps(&transaction, key).map_err(&write)?;
        let standing = fold(&steps)
            .and_then(|standing| {
                Standing::after(standing, step).map_err(|illegal: IllegalStep| illegal.to_string())
            })
            .map_err(|what| Error::Damaged {
                path: self.path.clone(),
                what: format!("delivery {key}: {what}"),
            })?;
        append(&transaction, key, steps.len() + 1, at, step).map_err(&write)?;
        transaction.commit().map_err(&write)?;
        Ok(standing)
    }
}

/// Where a delivery stands, from its steps as they are stored.
fn fold(steps: &[String]) -> Result<Option<Standing>, String> {
    let mut standing = None;
    for (text, number) in steps.iter().zip(1..) {
        let step: Step =
            serde_json::from_str(text).map_err(|_| format!("its step {number} cannot be read"))?;
        standing = Some(Standing::after(standing, &step).map_err(|illegal| illegal.to_string())?);
    }
    Ok(standing)
}

fn append(
    connection: &Connection,
    key: &Key,
    seq: usize,
    at: Timestamp,
    step: &Step,
) -> rusqlite::Result<()> {
    // Steps are texts, numbers and times: there is nothing that JSON could not say.
    let text = serde_json::to_string(step).unwrap_or_default();
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    connection
        .prepare_cached("INSERT INTO steps (key, seq, at, step) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![key.as_str(), seq, at.to_string(), text])
        .map(drop)
}

fn insert_message(
    connection: &Connection,
    message: &Message,
    digest: &str,
) -> rusqlite::Result<()> {
    let (about, rendered) = (&message.about, &message.rendered);
    let totals = serde_json::to_string(&rendered.totals).unwrap_or_default();
    let basis = serde_json::to_string(&rendered.basis).unwrap_or_default();
    connection
        .execute(
            "INSERT INTO messages
             (scope, report, start, end, revision, made, subject, summary, totals, basis, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                about.scope,
                about.report,
                about.window.start.to_string(),
                about.window.end.to_string(),
                message.revision,
                message.made.to_string(),
                rendered.subject,
                rendered.summary,
                totals,
                basis,
                digest
            ],
        )
        .map(drop)
}

fn insert_files(
    connection: &Connection,
    id: i64,
    message: &Message,
    path: &Path,
) -> Result<(), Error> {
    let write = |source| Error::Database { action: "write", path: path.to_owned(), source };
    for (file, position) in message.rendered.files.iter().zip(0_i64..) {
        let digest = sha256(&file.bytes);
        let packed = pack(&file.bytes).map_err(|source| Error::File {
            action: "compress for",
            path: path.to_owned(),
            source,
        })?;
        connection
            .execute(
                "INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?1, ?2)",
                params![digest, packed],
            )
            .map_err(write)?;
        connection
            .execute(
                "INSERT INTO files (message, position, name, media_type, digest)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, position, file.name, file.media_type, digest],
            )
            .map_err(write)?;
    }
    Ok(())
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut bytes)?;
    Ok(bytes)
}
