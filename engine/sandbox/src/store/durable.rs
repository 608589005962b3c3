//! The store on disk: a snapshot and the log after it.
//!
//! ```text
//! world.snapshot   {"format": 1, "world": "…", "revision": n, "time": "…"}
//!                  then one line per document: {"c": collection, "n": name, "r": revision, "v": value}
//! world.log        one line per transaction: {"r": first revision, "t": world time, "w": [[c, n, v], …]}
//!                  a deletion has no third element
//! ```
//!
//! A transaction is one `write(2)` of one line: it is whole or it is a torn last line, which is
//! dropped at opening, since nobody was told of it. A damaged line before the last is refused with
//! its place: it was acknowledged, and guessing would lose it. The log is folded into a new
//! snapshot (written beside, synced, renamed) when it has grown beyond [`LOG_LIMIT`] and the snapshot.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Document, Key, State};

/// Version of the two files. 1: as above.
const FORMAT: u32 = 1;
/// Bytes of log after which a snapshot is made.
const LOG_LIMIT: u64 = 8 << 20;
const SNAPSHOT: &str = "world.snapshot";
const LOG: &str = "world.log";

/// Why a store could not be opened; nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The folder or a file in it cannot be used.
    #[error("failed to {action} `{path}`")]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    /// A line that was acknowledged cannot be read.
    #[error("`{path}` is damaged at line {line}")]
    Damaged { path: PathBuf, line: usize, source: serde_json::Error },
    /// A newer program wrote it.
    #[error("`{path}` has format {found}, this program reads up to {FORMAT}")]
    Newer { path: PathBuf, found: u32 },
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    revision: u64,
    time: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Row {
    c: Arc<str>,
    n: Arc<str>,
    r: u64,
    v: Arc<Value>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    r: u64,
    t: Timestamp,
    w: Vec<Written>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    c: Arc<str>,
    n: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<Arc<Value>>,
}

/// The open files.
#[derive(Debug)]
pub(super) struct Durable {
    folder: PathBuf,
    log: File,
    length: u64,
    /// The length of the snapshot: a long one is written more seldom.
    snapshot: u64,
}

impl Durable {
    /// Opens the folder's files, or begins them at that world time.
    pub(super) fn open(folder: &Path, begins: Timestamp) -> Result<(Self, State), OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| file("create", folder, source))?;
        // A world that is there has a time of its own, which may lie before that of a new one.
        let mut state = State { time: Timestamp::MIN, ..State::default() };
        read_snapshot(&folder.join(SNAPSHOT), &mut state)?;
        let path = folder.join(LOG);
        let whole = read_log(&path, &mut state)?;
        if state.time == Timestamp::MIN {
            state.time = begins;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| file("open", &path, source))?;
        log.set_len(whole).map_err(|source| file("truncate", &path, source))?;
        let snapshot = std::fs::metadata(folder.join(SNAPSHOT)).map_or(0, |about| about.len());
        Ok((Self { folder: folder.to_owned(), log, length: whole, snapshot }, state))
    }

    /// Appends one transaction; when this returns the operating system has it. Says how long its
    /// line is.
    pub(super) fn append(
        &mut self,
        revision: u64,
        time: Timestamp,
        writes: &[(Key, Option<Arc<Value>>)],
    ) -> std::io::Result<usize> {
        let rows = writes
            .iter()
            .map(|(key, value)| Written {
                c: key.collection.clone(),
                n: key.name.clone(),
                v: value.clone(),
            })
            .collect();
        let mut text = serde_json::to_vec(&Line { r: revision, t: time, w: rows })?;
        text.push(b'\n');
        if let Err(error) = self.log.write_all(&text) {
            // A part of the line may be there: cut it off, so that a later one stays readable.
            self.log.set_len(self.length)?;
            return Err(error);
        }
        self.length += text.len() as u64;
        Ok(text.len())
    }

    /// Whether the log should be folded into a snapshot.
    pub(super) fn is_long(&self) -> bool {
        self.length > LOG_LIMIT.max(self.snapshot)
    }

    /// Writes a snapshot of the state and empties the log.
    pub(super) fn compact(&mut self, state: &State) -> std::io::Result<()> {
        let beside = self.folder.join("world.snapshot.new");
        let mut out = BufWriter::new(File::create(&beside)?);
        let head = Head { format: FORMAT, revision: state.revision, time: state.time };
        serde_json::to_writer(&mut out, &head)?;
        out.write_all(b"\n")?;
        for (collection, documents) in &state.collections {
            for (name, one) in documents {
                let row = Row {
                    c: collection.clone(),
                    n: name.clone(),
                    r: one.revision,
                    v: one.value.clone(),
                };
                serde_json::to_writer(&mut out, &row)?;
                out.write_all(b"\n")?;
            }
        }
        let out = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        out.sync_all()?;
        self.snapshot = out.metadata()?.len();
        std::fs::rename(&beside, self.folder.join(SNAPSHOT))?;
        // From here on the log's lines are older than the snapshot, and skipped should we die now.
        self.log.set_len(0)?;
        self.length = 0;
        Ok(())
    }
}

fn file(action: &'static str, path: &Path, source: std::io::Error) -> OpenError {
    OpenError::File { action, path: path.to_owned(), source }
}

fn read_snapshot(path: &Path, state: &mut State) -> Result<(), OpenError> {
    let input = match File::open(path) {
        Ok(input) => BufReader::new(input),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file("open", path, error)),
    };
    for (number, line) in input.lines().enumerate() {
        let line = line.map_err(|source| file("read", path, source))?;
        let damaged =
            |source| OpenError::Damaged { path: path.to_owned(), line: number + 1, source };
        if number == 0 {
            let head: Head = serde_json::from_str(&line).map_err(damaged)?;
            if head.format > FORMAT {
                return Err(OpenError::Newer { path: path.to_owned(), found: head.format });
            }
            state.revision = head.revision;
            state.time = head.time;
        } else {
            let row: Row = serde_json::from_str(&line).map_err(damaged)?;
            state.put(&Key { collection: row.c, name: row.n }, Document::new(row.v, row.r));
        }
    }
    Ok(())
}

/// Replays the log; the length of its whole lines.
fn read_log(path: &Path, state: &mut State) -> Result<u64, OpenError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(file("read", path, error)),
    };
    let mut whole = 0;
    for (number, raw) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if raw.last() != Some(&b'\n') {
            break; // torn: nobody was told of it
        }
        let line: Line = serde_json::from_slice(raw).map_err(|source| OpenError::Damaged {
            path: path.to_owned(),
            line: number + 1,
            source,
        })?;
        whole += raw.len() as u64;
        replay(state, line);
    }
    Ok(whole)
}

fn replay(state: &mut State, line: Line) {
    // Of a world that is there its first line says when it began, whatever a new one would begin with.
    state.time = if state.revision == 0 { line.t } else { state.time.max(line.t) };
    for (revision, write) in (line.r..).zip(line.w) {
        if revision <= state.revision {
            continue; // in the snapshot already
        }
        let key = Key { collection: write.c, name: write.n };
        match write.v {
            Some(value) => {
                state.put(&key, Document::new(value, revision));
            }
            None => {
                state.remove(&key);
            }
        }
        state.revision = revision;
    }
}
