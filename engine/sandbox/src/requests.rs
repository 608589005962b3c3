//! The request log: each request that was answered, with what it was and what came of it.
//!
//! One JSON line per request in `requests.log`, beside the world's log, handed to the operating
//! system before the answer is sent. It is what proves that a plan wrote nothing. When it has
//! grown beyond [`LIMIT`] it is moved to `requests.log.1`, so that it stays bounded.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FILE: &str = "requests.log";
const OLDER: &str = "requests.log.1";
/// Bytes after which a new file is begun.
const LIMIT: u64 = 64 << 20;

/// What a request may do to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Changes nothing.
    Read,
    /// Is judged as if it changed something, and changes nothing.
    DryRun,
    /// Changes something.
    Write,
}

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Place in the log, from 1.
    pub seq: u64,
    /// Protocol time.
    pub real_time: Timestamp,
    /// World time.
    pub world_time: Timestamp,
    /// `eks`, `iam`, …, or `kubernetes/<cluster>`.
    pub service: String,
    /// `CreateCluster`, or `patch deployments.apps`.
    pub operation: String,
    /// What it may do.
    pub class: Class,
    /// What it was about: a name, an ARN, `namespace/name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The run that sent it, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub principal: String,
    /// HTTP status; 0 when the connection was closed instead of an answer.
    pub status: u16,
    /// The error's code or reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which requests to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only writes.
    pub writes: bool,
    /// Only those after this place.
    pub after: u64,
    /// Only those of this run.
    pub run: Option<String>,
}

impl Query {
    fn wants(&self, request: &Request) -> bool {
        request.seq > self.after
            && (!self.writes || request.class == Class::Write)
            && self.run.as_ref().is_none_or(|run| request.run.as_ref() == Some(run))
    }
}

/// The log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be used.
    #[error("failed to {action} `{path}`")]
    File {
        /// `open` or `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of it cannot be read.
    #[error("`{path}` is damaged at line {line}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Debug)]
struct Tail {
    file: File,
    length: u64,
    last: u64,
}

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct RequestLog {
    folder: PathBuf,
    tail: Mutex<Tail>,
}

impl RequestLog {
    /// Opens the log of a folder.
    pub(crate) fn open(folder: &Path) -> Result<Self, LogError> {
        let last = read(folder, &Query::default())?.last().map_or(0, |request| request.seq);
        let path = folder.join(FILE);
        let failed = |action, source| LogError::File { action, path: path.clone(), source };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| failed("open", source))?;
        let whole = whole_lines(&path).map_err(|source| failed("read", source))?;
        file.set_len(whole).map_err(|source| failed("truncate", source))?;
        let tail = Tail { file, length: whole, last };
        Ok(Self { folder: folder.to_owned(), tail: Mutex::new(tail) })
    }

    /// Appends a request; gives it its place.
    pub(crate) fn append(&self, mut request: Request) -> std::io::Result<()> {
        let mut tail = self.tail.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if tail.length > LIMIT {
            std::fs::rename(self.folder.join(FILE), self.folder.join(OLDER))?;
            let fresh = self.folder.join(FILE);
            tail.file = OpenOptions::new().create(true).append(true).open(fresh)?;
            tail.length = 0;
        }
        request.seq = tail.last + 1;
        let mut text = serde_json::to_vec(&request)?;
        text.push(b'\n');
        if let Err(error) = tail.file.write_all(&text) {
            tail.file.set_len(tail.length)?;
            return Err(error);
        }
        tail.length += text.len() as u64;
        tail.last = request.seq;
        Ok(())
    }
}

/// Reads the log of a folder, held or not.
pub(crate) fn read(folder: &Path, query: &Query) -> Result<Vec<Request>, LogError> {
    let mut found = Vec::new();
    for name in [OLDER, FILE] {
        let path = folder.join(name);
        let mut input = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(LogError::File { action: "open", path, source }),
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let length = input.read_until(b'\n', &mut line).map_err(|source| LogError::File {
                action: "read",
                path: path.clone(),
                source,
            })?;
            if length == 0 || line.last() != Some(&b'\n') {
                break; // the end, or a torn last line: that request was not answered
            }
            let request: Request = serde_json::from_slice(&line)
                .map_err(|source| LogError::Damaged { path: path.clone(), line: number, source })?;
            if query.wants(&request) {
                found.push(request);
            }
        }
    }
    Ok(found)
}

fn whole_lines(path: &Path) -> std::io::Result<u64> {
    let text = std::fs::read(path)?;
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    Ok(end as u64)
}

/// The run that a request says it belongs to: its own header, or `run/<id>` in the user agent.
pub(crate) fn run_of(headers: &http::HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(run) = text("x-runbook-run").filter(|run| !run.is_empty()) {
        return Some(run.to_owned());
    }
    let agent = text("user-agent")?;
    let run = agent.split_whitespace().find_map(|part| part.strip_prefix("run/"))?;
    Some(run.to_owned())
}
