//! What became of writes that were intended together: notes beside the journal, for runs of many short
//! commands.
//!
//! `intended` is durable before a write begins, and so is its outcome before anything follows from it.
//! Where commands are short, several of them are intended in one commit, and the outcomes of several
//! lie in the next one; after a kill the journal knows of neither which began nor which ended. A
//! command cannot be observed, and a person would be asked about each of them. So the beginning of such a
//! write, and its answer, are noted here at once: by one `write` to a file each, without a flush.
//!
//! Notes outlive the process, and not the machine. That a write is *not* noted is therefore believed only
//! while the machine has not been started again since; else, and where anything of the file is not as
//! it was written, nothing is known and a person is asked.
//!
//! ```text
//! from 1 boot 6f3c…        a process of this run, whose events begin there
//! 17                       the write that event 17 intends begins
//! 17 acknowledged          and has succeeded
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::Error;

/// Where the kernel says which start of the machine this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// How a write was answered, as far as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded.
    Acknowledged,
    /// It is known not to have happened, or to have failed.
    Rejected,
}

impl Answer {
    const ALL: [Self; 2] = [Self::Acknowledged, Self::Rejected];

    fn word(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Rejected => "rejected",
        }
    }
}

/// Takes the notes of one process of a run.
pub trait Notes: Send + Sync {
    /// Notes that the write which that event intends begins. It may begin only after this.
    fn begins(&self, seq: u64) -> Result<(), Error>;

    /// Notes how it was answered. Where that fails, a person may be asked about it.
    fn answered(&self, seq: u64, answer: Answer);

    /// The run has succeeded: of everything that was intended the journal says what came of it.
    fn settled(&self);
}

/// What the notes say of a write that was intended, and of which the journal says nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// It has not begun.
    Never,
    /// It was answered.
    Answered(Answer),
    /// It may have begun, and was not answered.
    Unknown,
}

/// What the notes of a run say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// Events whose writes began, with how these were answered.
    writes: BTreeMap<u64, Option<Answer>>,
    /// The first event of each process since the machine was started, and of the one after it.
    sure: Vec<(u64, u64)>,
}

impl Noted {
    /// What became of the write that this event intends.
    pub fn of(&self, seq: u64) -> Note {
        match self.writes.get(&seq) {
            Some(Some(answer)) => Note::Answered(*answer),
            Some(None) => Note::Unknown,
            None if self.sure.iter().any(|(from, until)| (*from..*until).contains(&seq)) => {
                Note::Never
            }
            None => Note::Unknown,
        }
    }

    /// Reads the notes of a run that lie in this folder.
    pub(super) fn read(folder: &Path, run: &str) -> Result<Self, Error> {
        let path = file(folder, run);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text, &boot().unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            // Not text: not as it was written.
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Self::default()),
            Err(source) => Err(Error::File { action: "read the notes beside", path, source }),
        }
    }

    /// What the text says after that start of the machine. Nothing, when it is not as it was written.
    fn parse(text: &str, boot: &str) -> Self {
        let mut noted = Self::default();
        let mut is_sure = false;
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        for line in lines.filter(|line| !line.is_empty()) {
            if let Some((seq, answer)) = write_of(line) {
                let known = noted.writes.entry(seq).or_default();
                *known = answer.or(*known);
            } else if let Some((from, named)) = heading(line) {
                if let Some((_, until)) = noted.sure.last_mut().filter(|_| is_sure) {
                    *until = from;
                }
                is_sure = named == boot;
                if is_sure {
                    noted.sure.push((from, u64::MAX));
                }
            } else {
                return Self::default();
            }
        }
        noted
    }
}

fn write_of(line: &str) -> Option<(u64, Option<Answer>)> {
    let Some((seq, word)) = line.split_once(' ') else {
        return line.parse().ok().map(|seq| (seq, None));
    };
    let answer = Answer::ALL.into_iter().find(|answer| answer.word() == word)?;
    Some((seq.parse().ok()?, Some(answer)))
}

fn heading(line: &str) -> Option<(u64, &str)> {
    let (from, boot) = line.strip_prefix("from ")?.split_once(" boot ")?;
    Some((from.parse().ok()?, boot))
}

/// Notes in a file of the state folder.
pub(super) struct Kept {
    file: File,
    path: PathBuf,
}

impl Kept {
    /// Begins the notes of a process whose first event is `from`. None where the machine does not say
    /// when it was started.
    pub(super) fn begin(folder: &Path, run: &str, from: u64) -> Result<Option<Self>, Error> {
        let Some(boot) = boot() else { return Ok(None) };
        let path = file(folder, run);
        let failed =
            |source| Error::File { action: "open the notes beside", path: path.clone(), source };
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        let is_new = file.metadata().map_err(failed)?.len() == 0;
        // What a process that was killed had not written to its end stays a line of its own.
        let gap = if is_new { "" } else { "\n" };
        file.write_all(format!("{gap}from {from} boot {boot}\n").as_bytes()).map_err(failed)?;
        Ok(Some(Self { file, path }))
    }
}

impl Notes for Kept {
    fn begins(&self, seq: u64) -> Result<(), Error> {
        (&self.file).write_all(format!("{seq}\n").as_bytes()).map_err(|source| Error::File {
            action: "note beside",
            path: self.path.clone(),
            source,
        })
    }

    fn answered(&self, seq: u64, answer: Answer) {
        let line = format!("{seq} {}\n", answer.word());
        // The journal will say it, too; only a kill before that makes a difference.
        drop((&self.file).write_all(line.as_bytes()));
    }

    fn settled(&self) {
        // One that stays says nothing that is asked for.
        drop(std::fs::remove_file(&self.path));
    }
}

fn file(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{}.notes-{run}", super::sqlite::FILE))
}

fn boot() -> Option<String> {
    let text = std::fs::read_to_string(BOOT).ok()?;
    Some(text.trim().to_owned()).filter(|boot| !boot.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what cannot go on here is a failed test")]
mod tests {
    use super::*;

    fn never(noted: &Noted) -> Vec<u64> {
        (0..25).filter(|seq| noted.of(*seq) == Note::Never).collect()
    }

    #[test]
    fn what_was_not_noted_never_began_while_the_machine_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let first = Kept::begin(folder.path(), "r1", 1).unwrap().unwrap();
        first.begins(3).unwrap();
        let second = Kept::begin(folder.path(), "r1", 9).unwrap().unwrap();
        second.begins(12).unwrap();
        second.begins(13).unwrap();
        second.answered(13, Answer::Rejected);
        second.answered(12, Answer::Acknowledged);
        let noted = Noted::read(folder.path(), "r1").unwrap();
        let told: Vec<Note> = [3, 12, 13, 0].into_iter().map(|seq| noted.of(seq)).collect();
        let [yes, no] = Answer::ALL.map(Note::Answered);
        assert_eq!(told, [Note::Unknown, yes, no, Note::Unknown]);
        let expected: Vec<u64> = (1..25).filter(|seq| ![3, 12, 13].contains(seq)).collect();
        assert_eq!(never(&noted), expected);
        assert_eq!(Noted::read(folder.path(), "r2").unwrap(), Noted::default());
        second.settled();
        assert!(never(&Noted::read(folder.path(), "r1").unwrap()).is_empty());
    }

    #[test]
    fn of_another_start_of_the_machine_only_what_was_noted_is_known() {
        let text = "from 1 boot a\n3\n3 acknowledged\n\nfrom 9 boot b\n12\n\nfrom 20 boot a\n";
        let noted = Noted::parse(text, "b");
        assert_eq!(never(&noted), [9, 10, 11, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(noted.of(3), Note::Answered(Answer::Acknowledged));
    }

    #[test]
    fn what_was_torn_never_began_and_what_is_damaged_says_nothing() {
        assert_eq!(Noted::parse("from 1 boot a\n1", "a").of(12), Note::Never, "12 was being noted");
        assert_eq!(Noted::parse("from 1 boot a\n12\n12 ackno", "a").of(12), Note::Unknown);
        for damaged in
            ["from 1 boot a\nx\n", "from 1 bo\n", "from 1 boot a\n12 ackno\n", "\0\0\n", ""]
        {
            assert_eq!(Noted::parse(damaged, "a"), Noted::default(), "{damaged}");
        }
    }
}
