//! Lines that stay at the bottom of a terminal.
//!
//! indicatif owns the cursor: it redraws a few times per second at most, hides what it drew while
//! something else is written, and leaves nothing behind.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Redraws per second.
const REDRAWS: u8 = 12;

/// The lines that stay.
pub(super) struct Terminal {
    all: MultiProgress,
    rows: Vec<ProgressBar>,
}

impl Terminal {
    /// On stderr.
    pub(super) fn stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(REDRAWS))
    }

    fn on(target: ProgressDrawTarget) -> Self {
        Self { all: MultiProgress::with_draw_target(target), rows: Vec::new() }
    }

    /// Shows these lines in place of those before.
    pub(super) fn draw(&mut self, lines: &[String]) {
        while self.rows.len() > lines.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.all.remove(&row);
            }
        }
        while self.rows.len() < lines.len() {
            let row = self.all.add(ProgressBar::no_length());
            // The template has one field that every version of the library knows.
            row.set_style(
                ProgressStyle::with_template("{msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            self.rows.push(row);
        }
        for (row, line) in self.rows.iter().zip(lines) {
            if row.message() != *line {
                row.set_message(line.clone());
            }
        }
    }

    /// Does something that writes, with the lines out of the way.
    pub(super) fn aside<T>(&mut self, act: impl FnOnce() -> T) -> T {
        self.all.suspend(act)
    }

    /// Takes the lines away.
    pub(super) fn clear(&mut self) {
        self.draw(&[]);
        // The terminal is gone when this fails, and with it the lines.
        let _ = self.all.clear();
    }

    /// What is shown, for tests.
    #[cfg(test)]
    fn shown(&self) -> Vec<String> {
        self.rows.iter().map(ProgressBar::message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_replace_each_other() {
        let mut terminal = Terminal::on(ProgressDrawTarget::hidden());
        terminal.draw(&["a".to_owned(), "b".to_owned()]);
        terminal.draw(&["c".to_owned()]);
        assert_eq!(terminal.shown(), ["c"]);
        assert_eq!(terminal.aside(|| 7), 7);
        terminal.clear();
        assert_eq!(terminal.shown(), Vec::<String>::new());
    }
}
