//! Lines that stay at the bottom of a terminal.
//!
//! indicatif owns the cursor: it redraws a few times per second at most, hides what it drew while
//! something else is written, and leaves nothing behind.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Redraws per second.
const REDRAWS: u8 = 12;

/// The lines that stay.
///
/// They are one bar with a message of several lines, not a bar each: the library drops what is
/// drawn too soon after the last time, and of several bars it would drop the last ones, so that new
/// lines would stand beside old ones.
pub(super) struct Terminal {
    bar: ProgressBar,
}

impl Terminal {
    /// On stderr.
    pub(super) fn stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(REDRAWS))
    }

    fn on(target: ProgressDrawTarget) -> Self {
        // The template has one field that every version of the library knows.
        let style = ProgressStyle::with_template("{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self { bar: ProgressBar::with_draw_target(None, target).with_style(style) }
    }

    /// Shows these lines in place of those before. The same lines are drawn again: what was dropped
    /// because it came too soon shows then.
    pub(super) fn draw(&mut self, lines: &[String]) {
        self.bar.set_message(lines.join("\n"));
    }

    /// Does something that writes, with the lines out of the way.
    pub(super) fn aside<T>(&mut self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }

    /// Takes the lines away.
    pub(super) fn clear(&mut self) {
        self.bar.set_message("");
        self.bar.finish_and_clear();
    }

    /// What is shown, for tests.
    #[cfg(test)]
    fn shown(&self) -> String {
        self.bar.message()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_replace_each_other() {
        let mut terminal = Terminal::on(ProgressDrawTarget::hidden());
        terminal.draw(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(terminal.shown(), "a\nb");
        terminal.draw(&["c".to_owned()]);
        assert_eq!(terminal.shown(), "c");
        assert_eq!(terminal.aside(|| 7), 7);
        terminal.clear();
        assert_eq!(terminal.shown(), "");
    }
}
