//! The journal in `SQLite`: WAL, `synchronous=FULL`, one writer at a time.
//!
//! A thread takes everything that has queued while it was writing and commits it in one
//! transaction, so many tasks share one flush to the disk. Whoever appended waits for the commit
//! that holds its batch. Where the disk answers sooner than a thread is woken, a few events are
//! committed by whoever appends them. After an error nothing is written any more: nothing may be done
//! that could not be recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::future::BoxFuture;
use indexmap::IndexSet;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::format::{APPLICATION, FORMAT, MIGRATIONS};
use super::notes::{Kept, Noted, Notes};
use super::{Batch, Blob, Error, RunSummary, Store, pack};
use crate::event::{Body, Event};

/// The database's name in the state folder.
pub(super) const FILE: &str = "journal.db";

type Job = (Batch, oneshot::Sender<Result<(), Error>>);

/// The journal of a state folder.
pub struct Journal {
    path: PathBuf,
    /// Opened when it is asked for the first time: most runs are never read by the process that writes them.
    reader: Mutex<Option<Connection>>,
    writer: Arc<Mutex<Writer>>,
    queue: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// The small blobs of the run that was asked for last.
    small: Mutex<(String, BTreeMap<String, Vec<u8>>)>,
}

impl Journal {
    /// Opens the journal of a state folder, and makes it when there is none. A newer or damaged
    /// database is refused unharmed.
    pub fn open(state_dir: &Path) -> Result<Self, Error> {
        let path = state_dir.join(FILE);
        std::fs::create_dir_all(state_dir).map_err(|source| Error::File {
            action: "create",
            path: path.clone(),
            source,
        })?;
        let mut connection = connect(&path)?;
        prepare(&mut connection, &path)?;
        let (queue, jobs) = channel();
        let writer = Writer { connection, path: path.clone(), last: Last::Slow };
        let writer = Arc::new(Mutex::new(writer));
        let of_thread = writer.clone();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(&of_thread, &jobs))
            .map_err(|source| Error::File { action: "open", path: path.clone(), source })?;
        Ok(Self {
            path,
            reader: Mutex::default(),
            writer,
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            small: Mutex::default(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// A small blob of a run. A run that is taken up again asks for thousands of them, and they lie
    /// together: they are read at once. What is not among them may have been appended since.
    fn small(&self, run: &str, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut small = lock(&self.small);
        if small.0 == run
            && let Some(bytes) = small.1.get(digest)
        {
            return Ok(Some(bytes.clone()));
        }
        let rows = self.query("read", |connection| {
            let mut statement =
                connection.prepare_cached("SELECT blobs FROM commits WHERE run = ?1")?;
            let rows = statement.query_map([run], |row| row.get::<_, Vec<u8>>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut blobs = BTreeMap::new();
        for row in rows {
            pack::split(&row, &mut blobs).map_err(|source| Error::File {
                action: "read a blob of",
                path: self.path.clone(),
                source,
            })?;
        }
        let found = blobs.get(digest).cloned();
        *small = (run.to_owned(), blobs);
        Ok(found)
    }

    fn query<R>(
        &self,
        action: &'static str,
        body: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<R, Error> {
        let mut reader = lock(&self.reader);
        let reader = match &mut *reader {
            Some(reader) => reader,
            none => none.insert(connect(&self.path)?),
        };
        body(reader).map_err(|source| Error::Database { action, path: self.path.clone(), source })
    }
}

pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let database = |action| move |source| Error::Database { action, path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(database("open"))?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(database("open"))?;
    // Plans do not depend on the values that are asked for: a statement that is kept is prepared once,
    // not anew for each value.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(database("open"))?;
    Ok(connection)
}

/// Checks whose database it is and brings it to our version, in one transaction.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let database = |action| move |source| Error::Database { action, path: path.to_owned(), source };
    let number = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    let application = number("application_id").map_err(database("read"))?;
    let version = number("user_version").map_err(database("read"))?;
    let tables = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))
        .map_err(database("read"))?;
    if application != APPLICATION && tables > 0 {
        return Err(Error::NotOurs { path: path.to_owned() });
    }
    if version > FORMAT {
        return Err(Error::Newer { path: path.to_owned(), found: version });
    }
    if tables == 0 {
        connection.pragma_update(None, "page_size", PAGE).map_err(database("write"))?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(database("write"))?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(database("write"))?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG).map_err(database("write"))?;
    if version == FORMAT {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(database("write"))?;
    let done = usize::try_from(version).unwrap_or_default();
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration).map_err(database("migrate"))?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(database("write"))?;
    transaction.pragma_update(None, "user_version", FORMAT).map_err(database("write"))?;
    transaction.commit().map_err(database("write"))
}

/// What writes, whichever thread has it.
struct Writer {
    connection: Connection,
    path: PathBuf,
    last: Last,
}

/// How the last commit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// It took less than two threads take to be woken.
    Quick,
    Slow,
    /// It failed, and nothing is written any more.
    Failed,
}

impl Writer {
    /// Commits batches; after a failure it only says that it has stopped.
    #[expect(
        clippy::disallowed_methods,
        reason = "how quick this machine's disk is, not when it is"
    )]
    fn commit(&mut self, batches: &[Batch]) -> Result<(), Error> {
        if self.last == Last::Failed {
            return Err(Error::Stopped);
        }
        // Also when it panics.
        self.last = Last::Failed;
        let began = Instant::now();
        let committed = commit(&mut self.connection, &self.path, batches);
        if committed.is_ok() {
            self.last = if began.elapsed() < QUICK { Last::Quick } else { Last::Slow };
        }
        committed
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's life: take what has queued, commit it, tell everybody.
fn write(writer: &Mutex<Writer>, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut taken = vec![first];
        taken.extend(jobs.try_iter());
        let (batches, answers): (Vec<Batch>, Vec<_>) = taken.into_iter().unzip();
        let committed = lock(writer).commit(&batches);
        drop(batches);
        let mut answers = answers.into_iter();
        // Whoever appended may have gone; the batch is there all the same.
        if let Err(error) = committed {
            drop(answers.next().map(|answer| answer.send(Err(error))));
            answers.for_each(|answer| drop(answer.send(Err(Error::Stopped))));
        } else {
            answers.for_each(|answer| drop(answer.send(Ok(()))));
        }
    }
}

/// What is appended at once becomes one row, as a rule, and to insert it is a transaction by itself.
/// More is written in one that is spelled out.
fn commit(connection: &mut Connection, path: &Path, batches: &[Batch]) -> Result<(), Error> {
    let rows: Vec<Row<'_>> = batches.iter().flat_map(rows).collect();
    let is_large = |blob: &&Blob| !pack::is_small(blob);
    let large: Vec<&Blob> =
        batches.iter().flat_map(|batch| batch.blobs.iter().filter(is_large)).collect();
    if let ([only], []) = (rows.as_slice(), large.as_slice()) {
        return insert(connection, path, only);
    }
    let database = |source| Error::Database { action: "write", path: path.to_owned(), source };
    // Whether a position is free is read before it is taken: nobody may write in between.
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
    for blob in large {
        insert_large(&transaction, path, blob)?;
    }
    for row in &rows {
        insert(&transaction, path, row)?;
    }
    transaction.commit().map_err(database)
}

/// Events of one run that are appended together, and small blobs beside them.
struct Row<'a> {
    events: &'a [Event],
    blobs: Vec<&'a Blob>,
}

/// The rows of a batch. What several of its events name lies in it once.
fn rows(batch: &Batch) -> Vec<Row<'_>> {
    let mut known = IndexSet::new();
    let small: Vec<&Blob> = batch
        .blobs
        .iter()
        .filter(|blob| pack::is_small(blob) && known.insert(blob.digest.as_str()))
        .collect();
    let of_runs = batch.events.chunk_by(|one, next| one.run == next.run);
    let rows: Vec<&[Event]> = of_runs.flat_map(|events| events.chunks(MOST_ROW)).collect();
    let share = small.len().div_ceil(rows.len().max(1)).max(1);
    let mut shares = small.chunks(share);
    let with_blobs = |events| Row { events, blobs: shares.next().unwrap_or_default().to_vec() };
    rows.into_iter().map(with_blobs).collect()
}

/// What is large lies in a table of its own, once, however many runs name it.
fn insert_large(connection: &Connection, path: &Path, blob: &Blob) -> Result<(), Error> {
    let bytes = pack::compress(&blob.bytes).map_err(|source| Error::File {
        action: "compress for",
        path: path.to_owned(),
        source,
    })?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![blob.digest, bytes]))
        .map(drop)
        .map_err(|source| Error::Database { action: "write", path: path.to_owned(), source })
}

/// Inserts a row, unless the position of its first event is taken.
fn insert(connection: &Connection, path: &Path, row: &Row<'_>) -> Result<(), Error> {
    let (Some(first), Some(last)) = (row.events.first(), row.events.last()) else { return Ok(()) };
    let position = |seq| i64::try_from(seq).unwrap_or(i64::MAX);
    let inserted = connection
        .prepare_cached(
            "INSERT INTO commits (run, first, last, events, blobs) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE coalesce((SELECT last FROM commits WHERE run = ?1 ORDER BY first DESC LIMIT 1), 0) < ?2",
        )
        .and_then(|mut statement| {
            let (text, blobs) = (pack::lines(row.events), pack::join(&row.blobs));
            let (first_seq, last_seq) = (position(first.seq), position(last.seq));
            statement.execute(params![&*first.run, first_seq, last_seq, text, blobs])
        })
        .map_err(|source| Error::Database { action: "write", path: path.to_owned(), source })?;
    if inserted == 0 {
        return Err(Error::Conflict { run: first.run.to_string(), expected: first.seq });
    }
    Ok(())
}

/// A commit that takes less is made by whoever appends: handing it to the thread and being told of it
/// takes two wakings, each some 50 µs.
const QUICK: Duration = Duration::from_micros(150);

/// So many events are few: encoding them takes no longer than that.
const FEW: usize = 32;

/// Events of one row. What a large row takes on its way into the database is taken from the system, and
/// given back, for each of them.
const MOST_ROW: usize = 256;

/// Bytes of a page of a new database: each is written by itself, to the log and from there into the
/// database. What a commit of one event touches is written whole as well.
const PAGE: i64 = 8_192;

/// Pages of the log after which they are written into the database, 32 MB: that is done when a run ends,
/// as a rule, and not in its midst.
const LOG: i64 = 4_096;

impl Store for Journal {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), Error>> {
        if batch.events.len() <= FEW
            && let Ok(mut writer) = self.writer.try_lock()
            && writer.last == Last::Quick
        {
            return Box::pin(std::future::ready(writer.commit(&[batch])));
        }
        let (answer, answered) = oneshot::channel();
        let sent =
            lock(&self.queue).as_ref().is_some_and(|queue| queue.send((batch, answer)).is_ok());
        Box::pin(async move {
            if !sent {
                return Err(Error::Stopped);
            }
            answered.await.unwrap_or(Err(Error::Stopped))
        })
    }

    fn read(&self, run: &str) -> Result<Vec<Event>, Error> {
        let rows = self.query("read", |connection| {
            let mut statement = connection
                .prepare_cached("SELECT events FROM commits WHERE run = ?1 ORDER BY first")?;
            let rows = statement.query_map([run], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if rows.is_empty() {
            return Err(Error::NoRun { run: run.to_owned() });
        }
        rows.iter()
            .flat_map(|lines| lines.lines())
            .zip(1_u64..)
            .map(|(text, expected)| match serde_json::from_str::<Event>(text) {
                Ok(event) if event.seq == expected => Ok(event),
                _ => Err(Error::Damaged { run: run.to_owned(), seq: expected }),
            })
            .collect()
    }

    fn blob(&self, run: &str, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let file =
            |source| Error::File { action: "read a blob of", path: self.path.clone(), source };
        if let Some(bytes) = self.small(run, digest)? {
            return Ok(Some(bytes));
        }
        let stored: Option<Vec<u8>> = self.query("read", |connection| {
            connection
                .query_row("SELECT bytes FROM blobs WHERE digest = ?1", [digest], |row| row.get(0))
                .optional()
        })?;
        stored.map(|stored| pack::decompress(&stored)).transpose().map_err(file)
    }

    fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        let rows = self.query("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT first.run, first.events, last.events FROM commits first
                 JOIN (SELECT run, max(first) AS first FROM commits GROUP BY run) newest ON newest.run = first.run
                 JOIN commits last ON last.run = newest.run AND last.first = newest.first
                 WHERE first.first = 1",
            )?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut runs = Vec::with_capacity(rows.len());
        for (run, first, last) in rows {
            let read = |text: &str| {
                serde_json::from_str(text).map_err(|_| Error::Damaged { run: run.clone(), seq: 1 })
            };
            let first: Event = read(first.lines().next().unwrap_or_default())?;
            let last: Event = read(last.lines().next_back().unwrap_or_default())?;
            if matches!(first.body, Body::RunStarted { .. }) {
                runs.push(RunSummary { run, first, last });
            }
        }
        runs.sort_by(|left, right| {
            right.first.time.cmp(&left.first.time).then_with(|| left.run.cmp(&right.run))
        });
        Ok(runs)
    }

    fn note(&self, run: &str, from: u64) -> Result<Option<Arc<dyn Notes>>, Error> {
        let notes = Kept::begin(self.folder(), run, from)?;
        Ok(notes.map(|notes| Arc::new(notes) as Arc<dyn Notes>))
    }

    fn noted(&self, run: &str) -> Result<Noted, Error> {
        Noted::read(self.folder(), run)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The thread ends when its channel does; what it was told to write is written. Who has dropped the
        // journal finds the database closed.
        lock(&self.queue).take();
        if let Some(thread) = lock(&self.thread).take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what cannot go on here is a failed test")]
mod tests {
    use futures::FutureExt as _;
    use jiff::Timestamp;

    use super::*;

    fn batch(seq: u64) -> Batch {
        let time = Timestamp::UNIX_EPOCH;
        let body = Body::NotYet { reason: "a test".to_owned() };
        let (run, address) = ("r1".into(), None);
        let event = Event { v: 1, seq, time, world_time: time, run, address, attempt: None, body };
        Batch { events: Arc::new(vec![event]), blobs: Vec::new() }
    }

    #[tokio::test]
    async fn who_has_dropped_a_journal_finds_its_database_closed() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let journal = Journal::open(folder.path()).unwrap();
            journal.append(batch(1)).await.unwrap();
            assert!(folder.path().join("journal.db-wal").exists());
            drop(journal);
            // The last connection has written everything into the database itself.
            assert!(!folder.path().join("journal.db-wal").exists());
        }
    }

    #[tokio::test]
    async fn where_the_disk_is_quick_few_events_are_committed_by_whoever_appends_them() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let quickly = |seq| {
            lock(&journal.writer).last = Last::Quick;
            journal.append(batch(seq)).now_or_never()
        };
        assert!(matches!(quickly(1), Some(Ok(()))));
        assert!(matches!(quickly(2), Some(Ok(()))));
        assert_eq!(journal.read("r1").unwrap().len(), 2);
        lock(&journal.writer).last = Last::Slow;
        journal.append(batch(3)).await.unwrap();
        assert!(matches!(quickly(3), Some(Err(Error::Conflict { expected: 3, .. }))));
        let after = journal.append(batch(4)).await;
        assert!(matches!(after, Err(Error::Stopped)), "nothing follows a failure");
        assert_eq!(journal.read("r1").unwrap().len(), 3);
    }
}
