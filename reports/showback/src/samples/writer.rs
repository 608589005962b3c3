//! Writing: one process per cluster, one line per look, on the disk before it counts.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::look::Look;
use super::names::{Part, parts};
use super::read::{Opened, Reader};
use super::record::{Before, Header, KIND, Note, Record, State, line_of};
use super::{StoreError, VERSION};
use crate::observed::{ClusterId, Source};

/// Who writes.
const LOCK: &str = "writer.lock";
/// So many parts a day may have by a clock that runs backwards; more are written as if it stood still.
const MOST_PARTS: u32 = 16;

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Pods that are new or changed.
    pub changed_pods: usize,
    /// Pods that are gone.
    pub gone_pods: usize,
    /// Nodes that are new, changed or gone.
    pub changed_nodes: usize,
    /// How many bytes it took, uncompressed.
    pub bytes: u64,
    /// Why earlier days could not be compressed or removed; the look itself is written.
    pub untidied: Option<String>,
}

/// The writer of one cluster's samples. There is one at a time; a dropped one lets the next one in.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    cluster: ClusterId,
    keep_days: u32,
    _lock: Held,
    current: Option<Current>,
}

/// The file that is written to, and what it leads to.
#[derive(Debug)]
struct Current {
    part: Part,
    /// None when the file is sealed, or not whole at its beginning: then it is only remembered.
    file: Option<File>,
    length: u64,
    state: State,
    last: Timestamp,
    source: Source,
    every: i64,
}

impl Writer {
    pub(super) fn open(
        folder: PathBuf,
        cluster: ClusterId,
        keep_days: u32,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(&folder).map_err(StoreError::system("create", &folder))?;
        let lock = lock(&folder, &cluster)?;
        let writer = Self { folder, cluster, keep_days, _lock: lock, current: None };
        // What a newer program wrote is not added to, whatever day it is.
        for part in parts(&writer.folder)? {
            Reader::open(&part)?;
        }
        Ok(writer)
    }

    /// Of which cluster.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// Writes a look. When this returns, it is on the disk; when it fails, nothing of it counts.
    pub fn append(&mut self, look: &Look) -> Result<Appended, StoreError> {
        let day = day_of(look.at);
        self.remember(day)?;
        let is_next = self.current.as_ref().is_some_and(|current| {
            current.file.is_some() && current.part.day == day && current.last <= look.at
        });
        if is_next {
            return self.add(look);
        }
        self.turn(look, day)
    }

    /// Notes that a look failed, and why. Where the day has no look yet, there is nothing to add it to.
    pub fn failed(&mut self, at: Timestamp, why: &str) -> Result<(), StoreError> {
        let day = day_of(at);
        self.remember(day)?;
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.part.day != day || current.last > at || current.file.is_none() {
            return Ok(());
        }
        let record = Record { note: Some(Note::Failed(why.to_owned())), ..Record::at(at) };
        current.write(&encoded(&record, &current.part.path)?)
    }

    /// Whether there is something of a day.
    pub fn has_day(&self, day: Date) -> Result<bool, StoreError> {
        Ok(parts(&self.folder)?.iter().any(|part| part.day == day))
    }

    /// Writes a day that is over as a whole, compressed. A day of which there is something is left as
    /// it is. Of the looks, each is of that day and none earlier than the one before.
    pub fn import_day(
        &mut self,
        day: Date,
        looks: impl Iterator<Item = Look>,
    ) -> Result<u64, StoreError> {
        if self.has_day(day)? {
            let cluster = self.cluster.to_string();
            return Err(StoreError::DayIsThere { cluster, day });
        }
        let part = Part::new(&self.folder, day, 1);
        let mut count = 0;
        let mut state = State::default();
        let mut last: Option<(Source, i64)> = None;
        let header = |look: &Look| self.header(day, look, None);
        into_place(&part.sealed_path(), |out| {
            let mut out = GzEncoder::new(out, Compression::default());
            for look in looks.filter(|look| day_of(look.at) == day) {
                if count == 0 {
                    out.write_all(&line_of(&header(&look))?)?;
                }
                let next = State::of(&look);
                let mut record = Record::of(&look);
                record.changes = state.changes_to(&next);
                let says = (look.source, look.every_seconds);
                if last != Some(says) {
                    (record.source, record.every) = (Some(says.0), Some(says.1));
                }
                out.write_all(&record.line()?)?;
                (state, last, count) = (next, Some(says), count + 1);
            }
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no look in it"));
            }
            out.finish()?;
            Ok(())
        })?;
        // What was last written may be of an earlier day than this one.
        self.current = None;
        Ok(count)
    }

    fn header(&self, day: Date, look: &Look, backwards_from: Option<Timestamp>) -> Header {
        Header {
            kind: KIND.to_owned(),
            version: VERSION,
            made_by: format!("runbook {}", env!("CARGO_PKG_VERSION")),
            cluster: self.cluster.clone(),
            day,
            first: look.at,
            is_after_gap: look.is_after_gap,
            backwards_from,
        }
    }

    /// A line more in the file of the day.
    fn add(&mut self, look: &Look) -> Result<Appended, StoreError> {
        let Some(current) = &mut self.current else { return Ok(Appended::default()) };
        let next = State::of(look);
        let mut record = Record::of(look);
        record.changes = current.state.changes_to(&next);
        record.source = Some(look.source).filter(|source| *source != current.source);
        record.every = Some(look.every_seconds).filter(|every| *every != current.every);
        let line = encoded(&record, &current.part.path)?;
        current.write(&line)?;
        current.state = next;
        current.last = look.at;
        (current.source, current.every) = (look.source, look.every_seconds);
        Ok(appended(&record, line.len()))
    }

    /// A new file: of a new day, or of one whose clock ran backwards.
    fn turn(&mut self, look: &Look, day: Date) -> Result<Appended, StoreError> {
        let there = parts(&self.folder)?;
        let number =
            1 + there.iter().filter(|one| one.day == day).map(|one| one.number).max().unwrap_or(0);
        if let Some(current) = self.current.as_ref().filter(|_| number > MOST_PARTS)
            && current.part.day == day
            && current.file.is_some()
        {
            return self.add(&Look { at: current.last, ..look.clone() });
        }
        let earlier = self.current.as_ref().filter(|current| current.last <= look.at);
        let backwards_from =
            self.current.as_ref().map(|current| current.last).filter(|last| *last > look.at);
        let state = State::of(look);
        let mut record = Record::of(look);
        record.changes = State::default().changes_to(&state);
        (record.source, record.every) = (Some(look.source), Some(look.every_seconds));
        record.before = earlier.map(|before| Before {
            at: before.last,
            source: before.source,
            every: before.every,
            changes: state.changes_to(&before.state),
        });
        let part = Part::new(&self.folder, day, number);
        let header = self.header(day, look, backwards_from);
        let mut lines = line_of(&header).map_err(|error| unwritable(&part.path, error))?;
        lines.extend(encoded(&record, &part.path)?);
        let file = created(&part.path, &lines)?;
        sync_folder(&self.folder)?;
        self.current = Some(Current {
            part,
            file: Some(file),
            length: lines.len() as u64,
            state,
            last: look.at,
            source: look.source,
            every: look.every_seconds,
        });
        let untidied = self.tidy(&there, day).err().map(|error| in_words(&error));
        Ok(Appended { untidied, ..appended(&record, lines.len()) })
    }

    /// Compresses days that are over, and removes those that are kept no longer. Days are counted, not
    /// dated: a clock that is years ahead removes nothing.
    fn tidy(&self, there: &[Part], day: Date) -> Result<(), StoreError> {
        let mut days: Vec<Date> = there.iter().map(|part| part.day).chain([day]).collect();
        days.sort_unstable();
        days.dedup();
        let kept = usize::try_from(self.keep_days).unwrap_or(usize::MAX).max(1);
        let oldest = days.iter().rev().nth(kept - 1).copied().unwrap_or(Date::MIN);
        for part in there {
            if part.day < oldest {
                remove(&part.path)?;
            } else if part.day < day && !part.is_sealed {
                seal(part)?;
            } else if part.is_sealed {
                // Left behind when a kill came between the two.
                remove(&Part::new(&self.folder, part.day, part.number).path)?;
            }
        }
        Ok(())
    }

    /// Reads where an earlier writer stopped, once: today, or yesterday, so that what is gone since is
    /// known to be.
    fn remember(&mut self, day: Date) -> Result<(), StoreError> {
        if self.current.is_some() {
            return Ok(());
        }
        let yesterday = day.yesterday().unwrap_or(day);
        let there = parts(&self.folder)?;
        for part in there.iter().rev().filter(|part| part.day == day || part.day == yesterday) {
            if let Some(current) = Current::resume(part)? {
                self.current = Some(current);
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Current {
    /// Reads a file to its end; a tail that is not whole is taken away, and that is noted.
    fn resume(part: &Part) -> Result<Option<Self>, StoreError> {
        let Opened::Records(mut reader) = Reader::open(part)? else { return Ok(None) };
        let mut state = State::default();
        let mut last = None;
        while let Some(read) = reader.next()? {
            state.apply(&read.record.changes);
            last = Some((read.record.at, read.source, read.every));
        }
        let Some((last, source, every)) = last else { return Ok(None) };
        let mut current = Self {
            part: part.clone(),
            file: None,
            length: reader.whole,
            state,
            last,
            source,
            every,
        };
        // A damaged file is left as it is, for whoever can mend it; the day goes on in a further part.
        if !part.is_sealed && !reader.is_damaged {
            current.file = Some(opened(&part.path)?);
            current.mend()?;
        }
        Ok(Some(current))
    }

    /// Takes away what follows the last whole line.
    fn mend(&mut self) -> Result<(), StoreError> {
        let failed = |error| StoreError::system("mend", &self.part.path)(error);
        let Some(file) = &mut self.file else { return Ok(()) };
        let length = file.metadata().map_err(failed)?.len();
        if length == self.length {
            return Ok(());
        }
        file.set_len(self.length).map_err(failed)?;
        let record = Record { note: Some(Note::CutOff), ..Record::at(self.last) };
        self.write(&encoded(&record, &self.part.path)?)
    }

    /// Adds a line; when that fails, the file is as it was.
    fn write(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let failed = |error| StoreError::system("write", &self.part.path)(error);
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| file.write_all(line))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // A line that stays behind is not whole, and is taken away when the file is opened again.
            drop(file.set_len(self.length));
            return Err(failed(error));
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

fn appended(record: &Record, bytes: usize) -> Appended {
    Appended {
        changed_pods: record.changes.pods.len(),
        gone_pods: record.changes.gone_pods.len(),
        changed_nodes: record.changes.nodes.len() + record.changes.gone_nodes.len(),
        bytes: bytes as u64,
        untidied: None,
    }
}

fn in_words(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The lock of a cluster's samples, held.
#[derive(Debug)]
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Unlocked and not only closed: a process that is just being started has this file too until it
        // becomes its program. When that fails, closing is what is left.
        drop(self.0.unlock());
    }
}

fn lock(folder: &Path, cluster: &ClusterId) -> Result<Held, StoreError> {
    let path = folder.join(LOCK);
    let failed = |error| StoreError::system("lock", &path)(error);
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    let mut file = options.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is worth a word; that it is held is enough.
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "it is just starting".to_owned(),
                said => said.to_owned(),
            };
            return Err(StoreError::InUse { cluster: cluster.to_string(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "process {}", std::process::id()))
        .map_err(failed)?;
    Ok(Held(file))
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn encoded(record: &Record, path: &Path) -> Result<Vec<u8>, StoreError> {
    record.line().map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: serde_json::Error) -> StoreError {
    StoreError::system("write", path)(error.into())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn opened(path: &Path) -> Result<File, StoreError> {
    private().open(path).map_err(StoreError::system("open", path))
}

/// A new file with its first lines. One that could not be written whole is taken away again.
fn created(path: &Path, lines: &[u8]) -> Result<File, StoreError> {
    let mut file =
        private().create_new(true).open(path).map_err(StoreError::system("create", path))?;
    match file.write_all(lines).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(file),
        Err(error) => {
            drop(std::fs::remove_file(path));
            Err(StoreError::system("write", path)(error))
        }
    }
}

/// Compresses a file as a whole or not at all.
fn seal(part: &Part) -> Result<(), StoreError> {
    // A tail that is not whole says so, once compressed.
    drop(Current::resume(part)?);
    let file = File::open(&part.path).map_err(StoreError::system("open", &part.path))?;
    into_place(&part.sealed_path(), |out| {
        let mut out = GzEncoder::new(out, Compression::default());
        io::copy(&mut BufReader::new(file), &mut out)?;
        out.finish()?;
        Ok(())
    })?;
    remove(&part.path)
}

/// Writes a file beside its place, and moves it there when it is whole and on the disk.
fn into_place(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = private().create(true).truncate(true).open(&beside).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        std::fs::rename(&beside, path)
    });
    if let Err(error) = written {
        drop(std::fs::remove_file(&beside));
        return Err(StoreError::system("write", path)(error));
    }
    path.parent().map_or(Ok(()), sync_folder)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::system("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes names durable, where the system can.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    if cfg!(unix) { synced.map_err(StoreError::system("sync", folder)) } else { Ok(()) }
}
