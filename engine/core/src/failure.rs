//! Why something that was asked of the world did not happen.
//!
//! One type for every module, so that the engine can decide by class and a person can read the
//! rest: what failed, on which named thing, why, what to do.

use std::fmt;
use std::time::Duration;

/// The class of a failure, by which the engine decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The thing is not there.
    NotFound,
    /// The caller may not do this, or is not who it should be.
    Denied,
    /// Too many requests.
    Throttled,
    /// Something else is in the way (exists already, another operation in progress, a conflict).
    Conflict,
    /// The request can never succeed as it is.
    Invalid,
    /// The service did not answer, or answered that it cannot now.
    Unavailable,
    /// A deadline passed.
    Timeout,
    /// The object is in a state from which it will not recover by waiting.
    Terminal,
    /// The person asked to stop.
    Cancelled,
    /// A defect in our own program.
    Bug,
}

/// A failure, told so that a person can act on it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// Its class.
    pub class: Class,
    /// The service's own code, for example `ResourceInUseException`.
    pub code: Option<String>,
    /// What failed, on which named thing, and why. Lower case, no full stop.
    pub message: String,
    /// What was seen that explains it (last events, statuses), one line each.
    pub evidence: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The service says that the request was not processed and that this passes by itself: how
    /// long to go on trying (IAM propagation, another operation in progress).
    pub passes_within: Option<Duration>,
}

impl Failure {
    /// A failure of that class.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            message: message.into(),
            evidence: Vec::new(),
            hint: None,
            passes_within: None,
        }
    }

    /// The same with the service's code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with something that was seen.
    #[must_use]
    pub fn evidence(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    /// The same, expected to pass within that time.
    #[must_use]
    pub fn passes_within(mut self, time: Duration) -> Self {
        self.passes_within = Some(time);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
