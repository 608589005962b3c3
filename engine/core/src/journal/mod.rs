//! The journal: the only truth about a run.
//!
//! A run is its events; everything else is a fold of them ([`crate::execute::state`]). The store is
//! a small trait ([`Store`]), so that runs in pods can keep theirs in an object store with
//! conditional writes; on one machine it is `SQLite` ([`sqlite`]), which does durability, torn pages
//! and queries across runs better than files of our own would.
//!
//! What is large (plans, changes, outputs) lives in a content-addressed, compressed blob table and
//! is written in the same transaction as the event that names it; what turns out small lies beside
//! that event.

mod format;
mod notes;
mod pack;
pub mod slots;
mod sqlite;

pub use format::{FORMAT, MOST_EVENT};
pub use notes::{Answer, Note, Noted, Notes};
pub use slots::Slots;
pub use sqlite::Journal;

use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::hex;
use crate::event::Event;

/// A compressed, content-addressed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its digest: the name by which events refer to it.
    pub digest: String,
    /// The bytes, uncompressed.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// A blob of some bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: hex(&blake3::hash(&bytes), 32), bytes }
    }
}

/// What is appended at once: all of it, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Events, in order; shared with who sees them after the commit.
    pub events: Arc<Vec<Event>>,
    /// Blobs that they name.
    pub blobs: Vec<Blob>,
}

/// A run as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its id.
    pub run: String,
    /// Its first event.
    pub first: Event,
    /// Its last event.
    pub last: Event,
}

/// Why the journal cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or the database file cannot be used.
    #[error("failed to {action} the journal `{path}`")]
    File {
        /// `open`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database is not ours.
    #[error("`{path}` is not a journal of runbook")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("the journal `{path}` has format {found}, this program reads up to {FORMAT}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// It is damaged, or the disk is full, or it is read-only.
    #[error("failed to {action} the journal `{path}`")]
    Database {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// Somebody else appended to this run.
    #[error("run `{run}` was continued by another process (event {expected} is there already)")]
    Conflict {
        /// The run.
        run: String,
        /// The position that was expected to be free.
        expected: u64,
    },
    /// There is no such run.
    #[error("there is no run `{run}`")]
    NoRun {
        /// The id as asked.
        run: String,
    },
    /// A row of a slot cannot be read.
    #[error("the slot {slot} of `{schedule}` is damaged: {what}")]
    DamagedSlot {
        /// The schedule.
        schedule: String,
        /// The slot, seconds since 1970.
        slot: i64,
        /// What is wrong.
        what: String,
    },
    /// An event or a blob cannot be read.
    #[error("run `{run}` is damaged at event {seq}")]
    Damaged {
        /// The run.
        run: String,
        /// The event.
        seq: u64,
    },
    /// The writer has stopped after an earlier error.
    #[error("the journal's writer has stopped")]
    Stopped,
}

/// The store of runs. `SQLite` implements it by primary key; an object store can by conditional
/// writes.
pub trait Store: Send + Sync {
    /// Appends a batch; when the returned future is ready, it is durable. An event whose position
    /// is taken is a [`Error::Conflict`], and nothing of the batch is there.
    fn append(&self, batch: Batch) -> futures::future::BoxFuture<'_, Result<(), Error>>;

    /// All events of a run, in order.
    fn read(&self, run: &str) -> Result<Vec<Event>, Error>;

    /// A blob that an event of that run names.
    fn blob(&self, run: &str, digest: &str) -> Result<Option<Vec<u8>>, Error>;

    /// All runs, newest first.
    fn runs(&self) -> Result<Vec<RunSummary>, Error>;

    /// Begins the notes of a process of that run whose first event is `from`. A store that cannot take
    /// notes gives none; nothing is intended ahead then.
    fn note(&self, run: &str, from: u64) -> Result<Option<Arc<dyn Notes>>, Error> {
        let _ = (run, from);
        Ok(None)
    }

    /// What the notes of a run say.
    fn noted(&self, run: &str) -> Result<Noted, Error> {
        let _ = run;
        Ok(Noted::default())
    }
}
