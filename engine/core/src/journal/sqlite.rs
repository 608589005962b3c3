//! The journal in `SQLite`: WAL, `synchronous=FULL`, one writer thread.
//!
//! The writer takes everything that has queued while it was writing and commits it in one
//! transaction, so many tasks share one flush to the disk. Whoever appended waits for the commit
//! that holds its batch. After an error the writer stops: nothing may be done that could not be
//! recorded.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::format::{APPLICATION, FORMAT, MIGRATIONS, MOST_EVENT};
use super::{Batch, Error, RunSummary, Store};
use crate::event::{Body, Event};

/// The database's name in the state folder.
const FILE: &str = "journal.db";

type Job = (Batch, oneshot::Sender<Result<(), Error>>);

/// The journal of a state folder.
pub struct Journal {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Mutex<Option<Sender<Job>>>,
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
        let reader = connect(&path)?;
        let (writer, jobs) = channel();
        let name = path.clone();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(connection, &name, &jobs))
            .map_err(|source| Error::File { action: "open", path: path.clone(), source })?;
        Ok(Self { path, reader: Mutex::new(reader), writer: Mutex::new(Some(writer)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn query<R>(
        &self,
        action: &'static str,
        body: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<R, Error> {
        let reader = self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        body(&reader).map_err(|source| Error::Database { action, path: self.path.clone(), source })
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let database = |action| move |source| Error::Database { action, path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(database("open"))?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(database("open"))?;
    Ok(connection)
}

/// Checks whose database it is and brings it to our version, in one transaction.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
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
    connection.pragma_update(None, "journal_mode", "WAL").map_err(database("write"))?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(database("write"))?;
    // Digests come in no order: with the default of 2 MB a long run reads its own pages again.
    connection.pragma_update(None, "cache_size", CACHE).map_err(database("write"))?;
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

/// The writer's life: take what has queued, commit it, tell everybody.
fn write(mut connection: Connection, path: &Path, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut taken = vec![first];
        taken.extend(jobs.try_iter());
        let (batches, answers): (Vec<Batch>, Vec<_>) = taken.into_iter().unzip();
        match commit(&mut connection, path, &batches) {
            Ok(()) => answers.into_iter().for_each(|answer| {
                // Whoever appended may have gone; the batch is there all the same.
                let _ = answer.send(Ok(()));
            }),
            Err(error) => {
                let mut answers = answers.into_iter();
                if let Some(answer) = answers.next() {
                    let _ = answer.send(Err(error));
                }
                answers.for_each(|answer| drop(answer.send(Err(Error::Stopped))));
                return;
            }
        }
    }
}

fn commit(connection: &mut Connection, path: &Path, batches: &[Batch]) -> Result<(), Error> {
    let database = |source| Error::Database { action: "write", path: path.to_owned(), source };
    let transaction = connection.transaction().map_err(database)?;
    {
        let mut event = transaction
            .prepare_cached("INSERT INTO events (run, seq, event) VALUES (?1, ?2, ?3)")
            .map_err(database)?;
        let mut blob = transaction
            .prepare_cached("INSERT OR IGNORE INTO blobs (digest, bytes) VALUES (?1, ?2)")
            .map_err(database)?;
        for batch in batches {
            for one in &batch.blobs {
                let bytes = compress(&one.bytes).map_err(|source| Error::File {
                    action: "compress for",
                    path: path.to_owned(),
                    source,
                })?;
                blob.execute(params![one.digest, bytes]).map_err(database)?;
            }
            for one in &batch.events {
                let text = encode(one);
                match event.execute(params![
                    one.run,
                    i64::try_from(one.seq).unwrap_or(i64::MAX),
                    text
                ]) {
                    Ok(_) => {}
                    Err(rusqlite::Error::SqliteFailure(error, _))
                        if error.code == ErrorCode::ConstraintViolation =>
                    {
                        return Err(Error::Conflict { run: one.run.clone(), expected: one.seq });
                    }
                    Err(source) => return Err(database(source)),
                }
            }
        }
    }
    transaction.commit().map_err(database)
}

/// An event as JSON, within its bound: texts from the world are cut, never the event's structure.
fn encode(event: &Event) -> String {
    let text = serde_json::to_string(event).unwrap_or_default();
    if text.len() <= MOST_EVENT {
        return text;
    }
    let mut json = serde_json::to_value(event).unwrap_or_default();
    shorten(&mut json, 400);
    let text = json.to_string();
    if text.len() <= MOST_EVENT {
        return text;
    }
    shorten(&mut json, 80);
    json.to_string()
}

fn shorten(json: &mut serde_json::Value, most: usize) {
    match json {
        serde_json::Value::String(text) if text.chars().count() > most => {
            *text = text.chars().take(most).chain("…".chars()).collect();
        }
        serde_json::Value::Array(items) => {
            items.truncate(10);
            for item in items {
                shorten(item, most);
            }
        }
        serde_json::Value::Object(entries) => {
            for value in entries.values_mut() {
                shorten(value, most);
            }
        }
        _ => {}
    }
}

/// Pages that the writer keeps, in the unit of `SQLite`: KiB when negative.
const CACHE: i64 = -8_000;

/// Bytes below which compressing costs more than it saves.
const SMALL: usize = 512;

/// The first byte says how the rest is kept: 0 as it is, 1 zlib.
fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    if bytes.len() < SMALL {
        return Ok([&[0], bytes].concat());
    }
    let mut encoder = ZlibEncoder::new(vec![1], Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn decompress(stored: &[u8]) -> std::io::Result<Vec<u8>> {
    match stored.split_first() {
        Some((0, bytes)) => Ok(bytes.to_vec()),
        Some((1, packed)) => {
            let mut bytes = Vec::new();
            ZlibDecoder::new(packed).read_to_end(&mut bytes)?;
            Ok(bytes)
        }
        _ => Err(std::io::Error::from(std::io::ErrorKind::InvalidData)),
    }
}

impl Store for Journal {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sent = writer.as_ref().is_some_and(|writer| writer.send((batch, answer)).is_ok());
        drop(writer);
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
                .prepare_cached("SELECT seq, event FROM events WHERE run = ?1 ORDER BY seq")?;
            let rows = statement
                .query_map([run], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if rows.is_empty() {
            return Err(Error::NoRun { run: run.to_owned() });
        }
        rows.into_iter()
            .zip(1_u64..)
            .map(|((seq, text), expected)| match serde_json::from_str(&text) {
                Ok(event) if u64::try_from(seq) == Ok(expected) => Ok(event),
                _ => Err(Error::Damaged { run: run.to_owned(), seq: expected }),
            })
            .collect()
    }

    fn blob(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let stored: Option<Vec<u8>> = self.query("read", |connection| {
            connection
                .query_row("SELECT bytes FROM blobs WHERE digest = ?1", [digest], |row| row.get(0))
                .optional()
        })?;
        let Some(stored) = stored else { return Ok(None) };
        let file =
            |source| Error::File { action: "read a blob of", path: self.path.clone(), source };
        decompress(&stored).map(Some).map_err(file)
    }

    fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        let rows = self.query("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT first.run, first.event, last.event FROM events first
                 JOIN (SELECT run, max(seq) AS seq FROM events GROUP BY run) newest ON newest.run = first.run
                 JOIN events last ON last.run = newest.run AND last.seq = newest.seq
                 WHERE first.seq = 1",
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
            let (first, last): (Event, Event) = (read(&first)?, read(&last)?);
            if matches!(first.body, Body::RunStarted { .. }) {
                runs.push(RunSummary { run, first, last });
            }
        }
        runs.sort_by(|left, right| {
            right.first.time.cmp(&left.first.time).then_with(|| left.run.cmp(&right.run))
        });
        Ok(runs)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The writer ends when its channel does; what it was told to write is written.
        self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }
}
