//! How the program ends: the exit codes of the command line, in one place.

use std::process::ExitCode;

/// An exit code; the README documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, nothing left to change.
    Done,
    /// Failed.
    Failed,
    /// `plan --detailed-exitcode`: there are changes.
    Changes,
    /// The plan is stale, or did not cover what was found.
    Stale,
    /// Waits for a person.
    Paused,
    /// Capacity: something cannot be placed.
    Unplaced,
    /// Capacity: something has no price.
    Unpriced,
    /// `report reconcile`: more than 2 % of a class is unexplained.
    NotReconciled,
    /// The command line, the runbook or an input file is wrong.
    Usage,
    /// Cancelled by that signal; the run can be resumed.
    Cancelled(Signal),
}

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `SIGINT`: Ctrl-C.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
}

impl Signal {
    /// As journals and people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Stale => 3,
            Self::Paused => 4,
            Self::Unplaced => 6,
            Self::Unpriced => 7,
            Self::NotReconciled => 8,
            Self::Usage => 64,
            Self::Cancelled(Signal::Interrupt) => 130,
            Self::Cancelled(Signal::Terminate) => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
