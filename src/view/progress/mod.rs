//! Progress while a run goes on: a few lines that stay, or one line per change of state.
//!
//! Everything is driven by events (and by [`Progress::tick`], when only time passes). On a
//! terminal what is under way is redrawn in place and nothing scrolls but failures; elsewhere each
//! change of state is a line, with a heartbeat while nothing changes; as JSON each event is one.

mod board;
mod lines;
mod terminal;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runbook_core::event::{Body, Event, Step};
use runbook_core::plan::Plan;

use self::board::Board;
use self::terminal::Terminal;
use crate::style::Style;

/// Where lines go; the line end is the sink's business.
pub(crate) type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Redrawn in place on stderr.
    Terminal,
    /// One line per change of state.
    Lines,
    /// One event per line.
    Json,
    /// Nothing at all.
    Quiet,
}

/// Between two heartbeats, world time.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Shows a run while it goes on.
pub(crate) struct Progress {
    mode: Mode,
    style: Style,
    simulated: bool,
    sink: Sink,
    state: Mutex<State>,
}

struct State {
    board: Board,
    terminal: Option<Terminal>,
    /// World time of the last line.
    last_line: Duration,
}

impl Progress {
    /// For a run of that plan. Lines go to the sink; the terminal's own lines to stderr.
    pub(crate) fn new(plan: &Plan, mode: Mode, style: Style, sink: Sink) -> Self {
        let terminal = (mode == Mode::Terminal).then(Terminal::stderr);
        let state = State { board: Board::new(plan), terminal, last_line: Duration::ZERO };
        let simulated = plan.target.on == "sandbox";
        Self { mode, style, simulated, sink, state: Mutex::new(state) }
    }

    /// Takes an event; events come in order.
    pub(crate) fn on_event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.mode {
            Mode::Quiet => {}
            Mode::Json => {
                // Texts and numbers: this cannot fail.
                (self.sink)(&serde_json::to_string(event).unwrap_or_default());
            }
            Mode::Lines => {
                state.board.apply(event);
                match lines::change(&state.board, event, &self.style) {
                    Some(line) => {
                        state.last_line = state.board.elapsed();
                        (self.sink)(&line);
                    }
                    // The next event of the task says that it ended.
                    None if matches!(event.body, Body::Step(Step::Converged { .. })) => {}
                    None => self.beat(&mut state),
                }
            }
            Mode::Terminal => {
                state.board.apply(event);
                let failed = lines::failure(event, &self.style);
                let rows = lines::rows(&mut state.board, &self.style, self.simulated);
                if let Some(terminal) = &mut state.terminal {
                    if let Some(line) = failed {
                        terminal.aside(|| (self.sink)(&line));
                    }
                    terminal.draw(&rows);
                }
            }
        }
    }

    /// World time went on without an event.
    pub(crate) fn tick(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.board.advance(now);
        match self.mode {
            Mode::Json | Mode::Quiet => {}
            Mode::Lines => self.beat(&mut state),
            Mode::Terminal => {
                let rows = lines::rows(&mut state.board, &self.style, self.simulated);
                if let Some(terminal) = &mut state.terminal {
                    terminal.draw(&rows);
                }
            }
        }
    }

    /// Does something that writes to the terminal, with the lines that stay out of the way.
    pub(crate) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.terminal {
            Some(terminal) => terminal.aside(act),
            None => act(),
        }
    }

    /// The run is over: the lines that stay go away.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(terminal) = &mut state.terminal {
            terminal.clear();
        }
    }

    /// A heartbeat, when it is time for one and something is under way.
    fn beat(&self, state: &mut State) {
        let now = state.board.elapsed();
        if now.saturating_sub(state.last_line) < HEARTBEAT {
            return;
        }
        if let Some(line) = lines::heartbeat(&state.board, &self.style) {
            state.last_line = now;
            (self.sink)(&line);
        }
    }
}

#[cfg(test)]
mod tests;
