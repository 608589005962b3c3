//! A command that could not do what it should: what failed, why, what to do, how to exit.

use runbook_core::failure::Failure;

use crate::exit::Exit;
use crate::printer::harmless;
use crate::style::{Meaning, Style};

/// Why a command ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What failed, on which named thing, and why.
    pub(crate) message: String,
    /// What was seen that explains it, one line each.
    pub(crate) evidence: Vec<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// It was told already; only the exit code is left.
    pub(crate) told: bool,
}

impl Trouble {
    /// Something failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.into(),
            evidence: Vec::new(),
            hint: None,
            told: false,
        }
    }

    /// The command line or a file is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(message) }
    }

    /// Everything was said; the program ends like this.
    pub(crate) fn told(exit: Exit) -> Self {
        Self { exit, told: true, ..Self::failed("") }
    }

    /// An error with the causes behind it.
    pub(crate) fn of(error: &dyn std::error::Error) -> Self {
        Self::failed(failure_text(error))
    }

    /// The same with a way out.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// As a person reads it.
    pub(crate) fn render(&self, style: &Style) -> String {
        let mut text =
            format!("{} {}", style.paint(Meaning::Bad, "error:"), harmless(&self.message));
        for line in &self.evidence {
            text.push_str(&format!("\n  {}", harmless(line)));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  → {}", harmless(hint)));
        }
        text
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self {
            exit: Exit::Failed,
            message: failure.message,
            evidence: failure.evidence,
            hint: failure.hint,
            told: false,
        }
    }
}

/// An error and the causes behind it, in one line.
pub(crate) fn failure_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let words = one.to_string();
        // Some libraries repeat their cause in their own words.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = one.source();
    }
    text
}
