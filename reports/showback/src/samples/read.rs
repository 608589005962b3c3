//! Reading one file of a day, line by line.
//!
//! A file is read up to where it is whole. What follows a cut, a line that is no record, or an archive
//! that breaks off is lost: the records are changes, so nothing can be said of what comes after a lost
//! one. The next file begins with a whole state again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};

use flate2::read::MultiGzDecoder;

use super::names::Part;
use super::record::{Head, Header, KIND, Note, Record};
use super::{StoreError, VERSION};
use crate::observed::{Finding, Severity, Source, Window};

/// The longest line: far more than the whole state of a large cluster.
const LONGEST_LINE: u64 = 256 << 20;

/// A file of a day, being read.
pub(super) struct Reader {
    pub(super) part: Part,
    pub(super) header: Header,
    lines: Lines,
    last: Option<jiff::Timestamp>,
    source: Source,
    every: i64,
    /// How many bytes of whole lines were read.
    pub(super) whole: u64,
    is_over: bool,
    /// Whether it stopped at something else than a cut: what follows is left where it is.
    pub(super) is_damaged: bool,
    /// What was found on the way.
    pub(super) findings: Vec<Finding>,
}

/// A look out of a file.
pub(super) struct Read {
    pub(super) record: Record,
    pub(super) source: Source,
    pub(super) every: i64,
}

/// A file of a day: its records, or why there are none.
pub(super) enum Opened {
    Records(Box<Reader>),
    /// It holds no whole header: nothing of it can be read.
    Nothing(Finding),
}

struct Lines(Box<dyn BufRead>);

/// The next line.
enum Line {
    Whole(Vec<u8>),
    End,
    /// It stops in the middle, and why.
    Cut(String),
}

/// Opens a file. A writer may have compressed it since it was listed: then it is beside its place.
fn opened(part: &Part) -> Result<(Part, Lines), StoreError> {
    match Lines::open(part) {
        Err(StoreError::System { source, .. })
            if source.kind() == io::ErrorKind::NotFound && !part.is_sealed =>
        {
            let sealed = Part { is_sealed: true, path: part.sealed_path(), ..part.clone() };
            let lines = Lines::open(&sealed)?;
            Ok((sealed, lines))
        }
        lines => Ok((part.clone(), lines?)),
    }
}

impl Lines {
    fn open(part: &Part) -> Result<Self, StoreError> {
        let file = File::open(&part.path).map_err(StoreError::system("open", &part.path))?;
        Ok(if part.is_sealed {
            Self(Box::new(BufReader::with_capacity(
                1 << 16,
                MultiGzDecoder::new(BufReader::new(file)),
            )))
        } else {
            Self(Box::new(BufReader::with_capacity(1 << 16, file)))
        })
    }

    fn next(&mut self, part: &Part) -> Result<Line, StoreError> {
        let mut line = Vec::new();
        match (&mut self.0).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => Ok(Line::End),
            Ok(_) if line.last() == Some(&b'\n') => Ok(Line::Whole(line)),
            Ok(_) => Ok(Line::Cut("its last line is not whole".to_owned())),
            Err(error) if part.is_sealed && is_of_archive(&error) => {
                Ok(Line::Cut(format!("the archive breaks off: {error}")))
            }
            Err(error) => Err(StoreError::system("read", &part.path)(error)),
        }
    }
}

/// Whether the archive is at fault, and not the disk.
fn is_of_archive(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

impl Reader {
    pub(super) fn open(part: &Part) -> Result<Opened, StoreError> {
        let (part, mut lines) = opened(part)?;
        let part = &part;
        let line = match lines.next(part)? {
            Line::Whole(line) => line,
            Line::End => return Ok(Opened::Nothing(cut_off(part, "it is empty"))),
            Line::Cut(why) => return Ok(Opened::Nothing(cut_off(part, &why))),
        };
        let Ok(head) = serde_json::from_slice::<Head>(&line) else {
            return Ok(Opened::Nothing(damaged(part, "its first line cannot be read")));
        };
        if head.kind != KIND {
            let problem = format!("it is of kind `{}`, not {KIND}", head.kind);
            return Err(StoreError::Foreign { path: part.path.clone(), problem });
        }
        if head.version > VERSION {
            return Err(StoreError::Newer { path: part.path.clone(), version: head.version });
        }
        let Ok(header) = serde_json::from_slice::<Header>(&line) else {
            return Ok(Opened::Nothing(damaged(part, "its first line cannot be read")));
        };
        if header.day != part.day {
            let why = format!("it is of {}, whatever its name says, and was not read", header.day);
            return Ok(Opened::Nothing(damaged(part, &why)));
        }
        Ok(Opened::Records(Box::new(Self {
            part: part.clone(),
            header,
            lines,
            last: None,
            source: Source::Poll,
            every: 0,
            whole: line.len() as u64,
            is_over: false,
            is_damaged: false,
            findings: Vec::new(),
        })))
    }

    /// The next look; none at the end, and where the file is not whole.
    pub(super) fn next(&mut self) -> Result<Option<Read>, StoreError> {
        while !self.is_over {
            let line = match self.lines.next(&self.part)? {
                Line::Whole(line) => line,
                Line::End => return Ok(self.stop(None)),
                Line::Cut(why) => {
                    let finding = cut_off(&self.part, &why);
                    return Ok(self.stop(Some(finding)));
                }
            };
            let Ok(record) = serde_json::from_slice::<Record>(&line) else {
                let finding = damaged(&self.part, "a line in it is no record");
                self.is_damaged = true;
                return Ok(self.stop(Some(finding)));
            };
            if !self.is_in_order(&record) {
                let why = format!("the look at {} is out of its place", record.at);
                let finding = damaged(&self.part, &why);
                self.is_damaged = true;
                return Ok(self.stop(Some(finding)));
            }
            self.whole += line.len() as u64;
            if let Some(note) = &record.note {
                self.note(note, &record);
                continue;
            }
            self.last = Some(record.at);
            self.source = record.source.unwrap_or(self.source);
            self.every = record.every.unwrap_or(self.every);
            return Ok(Some(Read { record, source: self.source, every: self.every }));
        }
        Ok(None)
    }

    fn stop(&mut self, finding: Option<Finding>) -> Option<Read> {
        self.is_over = true;
        self.findings.extend(finding);
        None
    }

    /// Whether a record may follow the one before.
    fn is_in_order(&self, record: &Record) -> bool {
        Window::day(self.header.day).contains(record.at)
            && self.last.is_none_or(|last| last <= record.at)
    }

    fn note(&mut self, note: &Note, record: &Record) {
        let at = record.at;
        self.findings.push(match note {
            Note::Failed(why) => Finding {
                severity: Severity::Warning,
                code: "look_failed",
                subject: self.header.cluster.to_string(),
                message: format!("a look at {at} failed: {why}"),
            },
            Note::CutOff => {
                cut_off(&self.part, &format!("what was written after {at} was not whole"))
            }
        });
    }
}

fn cut_off(part: &Part, why: &str) -> Finding {
    Finding {
        severity: Severity::Loss,
        code: "store_cut_off",
        subject: part.path.display().to_string(),
        message: format!("the file is cut off, and read up to there: {why}"),
    }
}

fn damaged(part: &Part, why: &str) -> Finding {
    Finding {
        severity: Severity::Loss,
        code: "store_damaged",
        subject: part.path.display().to_string(),
        message: format!("the file is damaged, and read up to there: {why}"),
    }
}
