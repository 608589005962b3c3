//! Why helm ended with an error: what stands on its stderr.

use std::error::Error;

use crate::control::ControlError;

/// A refusal of the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) message: String,
}

/// Helm did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// In helm's own words.
    #[error("{0}")]
    Told(String),
    /// The API server refused a request.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The cluster cannot be reached, or nobody says how.
    #[error("Kubernetes cluster unreachable: {0}")]
    Unreachable(String),
    /// The world's clock.
    #[error("the world's clock: {0}")]
    Clock(String),
}

impl Failure {
    pub(super) fn told(text: impl Into<String>) -> Self {
        Self::Told(text.into())
    }

    pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        Self::Unreachable(chain(error))
    }

    /// The same, said to be about something.
    pub(super) fn about(self, what: &str) -> Self {
        Self::Told(format!("{what}: {self}"))
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == 404)
    }

    pub(super) fn already_exists(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.reason == "AlreadyExists")
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        Self::Clock(chain(&error))
    }
}

/// An error with what caused it.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
