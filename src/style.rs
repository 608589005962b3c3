//! Colour and width: what a stream can show. Text says everything that colour says.

use anstyle::{AnsiColor, Effects, Style as Ansi};

use crate::environment::Environment;

/// What a piece of text means; the colour follows from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Done, created.
    Good,
    /// Waiting, deferred.
    Waiting,
    /// Failed, destroyed.
    Bad,
    /// Running.
    Running,
    /// Changed, wants approval.
    Changed,
    /// Of little weight.
    Quiet,
    /// A heading or the name of the thing.
    Strong,
}

/// How a stream shows text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences are understood.
    pub(crate) colour: bool,
    /// Whether somebody looks at it as it comes: then rows are folded rather than broken anywhere.
    pub(crate) terminal: bool,
    /// Columns.
    pub(crate) width: usize,
}

/// Columns when nobody can tell: wide enough for our tables, narrow enough for a pull request.
const PLAIN_WIDTH: usize = 100;

impl Style {
    /// No colour, a fixed width.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { colour: false, terminal: false, width: PLAIN_WIDTH }
    }

    /// Of stdout.
    pub(crate) fn of_stdout(environment: &Environment) -> Self {
        Self::of(environment, environment.stdout_is_terminal, &console::Term::stdout())
    }

    /// Of stderr.
    pub(crate) fn of_stderr(environment: &Environment) -> Self {
        Self::of(environment, environment.stderr_is_terminal, &console::Term::stderr())
    }

    fn of(environment: &Environment, is_terminal: bool, terminal: &console::Term) -> Self {
        let forced = environment.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = environment.get("NO_COLOR").is_some()
            || environment.get("CLICOLOR").is_some_and(|value| value == "0")
            || environment.get("TERM").is_some_and(|value| value == "dumb");
        let width = if is_terminal {
            terminal.size_checked().map_or(PLAIN_WIDTH, |(_, columns)| usize::from(columns))
        } else {
            PLAIN_WIDTH
        };
        Self { colour: forced || (is_terminal && !refused), terminal: is_terminal, width }
    }

    /// The text in the colour of its meaning, or as it is.
    pub(crate) fn paint(&self, meaning: Meaning, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match meaning {
            Meaning::Good => Ansi::new().fg_color(Some(AnsiColor::Green.into())),
            Meaning::Waiting => Ansi::new().fg_color(Some(AnsiColor::Yellow.into())),
            Meaning::Bad => Ansi::new().fg_color(Some(AnsiColor::Red.into())),
            Meaning::Running => Ansi::new().fg_color(Some(AnsiColor::Blue.into())),
            Meaning::Changed => Ansi::new().fg_color(Some(AnsiColor::Magenta.into())),
            Meaning::Quiet => Ansi::new().effects(Effects::DIMMED),
            Meaning::Strong => Ansi::new().effects(Effects::BOLD),
        };
        format!("{style}{text}{style:#}")
    }
}
