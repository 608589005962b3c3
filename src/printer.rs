//! The one place that writes: stdout is the thing that was asked for, stderr is the rest.
//!
//! A closed pipe (`| head`) is no failure: what cannot be read any more need not be written, and
//! the work goes on. Text that comes from the world is made harmless first: control characters
//! could drive the terminal.

use std::io::Write as _;
use std::sync::Mutex;

use crate::environment::Environment;
use crate::style::Style;

/// Writes to stdout and stderr.
pub(crate) struct Printer {
    /// How stdout shows text.
    pub(crate) out: Style,
    /// How stderr shows text.
    pub(crate) err: Style,
    /// One writer at a time: lines do not mix.
    turn: Mutex<()>,
}

impl Printer {
    /// For the streams of this process.
    pub(crate) fn new(environment: &Environment) -> Self {
        Self {
            out: Style::of_stdout(environment),
            err: Style::of_stderr(environment),
            turn: Mutex::new(()),
        }
    }

    /// Writes text to stdout as it is; a line end is added when there is none.
    pub(crate) fn out(&self, text: &str) {
        let _turn = self.turn.lock();
        write(std::io::stdout().lock(), text);
    }

    /// Writes bytes to stdout, nothing added.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let _turn = self.turn.lock();
        let mut stdout = std::io::stdout().lock();
        // See `write`: a reader that has gone is no failure.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    /// Writes a line to stderr.
    pub(crate) fn note(&self, text: &str) {
        let _turn = self.turn.lock();
        write(std::io::stderr().lock(), text);
    }
}

fn write(mut stream: impl std::io::Write, text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    // The reader of a closed pipe has what it wanted; a full disk behind a redirection shows in
    // the file that is cut off, and the journal knows what was done.
    let _ = stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.write_all(end.as_bytes()))
        .and_then(|()| stream.flush());
}

/// Text of foreign origin without control characters, except line ends and tabs.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|one| if one.is_control() && one != '\n' && one != '\t' { '\u{fffd}' } else { one })
        .collect()
}
