//! The one place that writes: stdout is the thing that was asked for, stderr is the rest.
//!
//! A closed pipe (`| head`) is no failure: what cannot be read any more need not be written, and
//! the work goes on. Text that comes from the world is made harmless first: control characters
//! could drive the terminal.

use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use runbook_capacity::answer::written::visible;

use crate::environment::Environment;
use crate::style::Style;

/// Writes to stdout and stderr.
pub(crate) struct Printer {
    /// How stdout shows text.
    pub(crate) out: Style,
    /// How stderr shows text.
    pub(crate) err: Style,
    /// One writer at a time: lines do not mix. Holds why stdout could not be written, when it could
    /// not: then the answer is not where it was asked for, and the program has not done its work.
    turn: Mutex<Option<std::io::Error>>,
}

impl Printer {
    /// For the streams of this process.
    pub(crate) fn new(environment: &Environment) -> Self {
        Self {
            out: Style::of_stdout(environment),
            err: Style::of_stderr(environment),
            turn: Mutex::new(None),
        }
    }

    /// Writes text to stdout as it is; a line end is added when there is none.
    pub(crate) fn out(&self, text: &str) {
        self.raw(&lines(text));
    }

    /// Writes bytes to stdout, nothing added.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut turn = self.turn();
        let written = write(std::io::stdout().lock(), bytes);
        if let Err(error) = written
            && turn.is_none()
        {
            *turn = Some(error);
        }
    }

    /// Writes a line to stderr.
    pub(crate) fn note(&self, text: &str) {
        let _turn = self.turn();
        // There is no place left to say that nothing can be said.
        drop(write(std::io::stderr().lock(), &lines(text)));
    }

    /// Why something that was asked for could not be written to stdout.
    pub(crate) fn failure(&self) -> Option<String> {
        self.turn().as_ref().map(ToString::to_string)
    }

    fn turn(&self) -> MutexGuard<'_, Option<std::io::Error>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines(text: &str) -> Vec<u8> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    [text.as_bytes(), end.as_bytes()].concat()
}

/// The reader of a closed pipe has what it wanted: that is no failure. A full disk is.
fn write(mut stream: impl std::io::Write, bytes: &[u8]) -> std::io::Result<()> {
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Text of foreign origin in which everything can be seen, line ends and tabs kept.
pub(crate) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for part in text.split_inclusive(['\n', '\t']) {
        let body = part.trim_end_matches(['\n', '\t']);
        safe.push_str(&visible(body));
        safe.push_str(&part[body.len()..]);
    }
    safe
}
