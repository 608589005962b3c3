//! What is wrong with a text, where, and what to do about it.
//!
//! A diagnostic carries a stable code that `runbook explain CODE` describes, a primary place and
//! any number of further ones. Rendering is the command's business; here it is data.

use crate::source::Span;

/// A stable code such as `RB0107`; see [`crate::diagnostic`] and the catalogue beside the shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Code(pub &'static str);

/// Whether a diagnostic stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is run.
    Error,
    /// Worth saying; the work goes on.
    Warning,
}

/// A place with what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there, short.
    pub text: String,
}

/// One problem, with its place and its way out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// Whether it stops the work.
    pub severity: Severity,
    /// What is wrong, lower case, the thing in backticks.
    pub message: String,
    /// The place of the mistake; absent where there is no text to point at (a missing input).
    pub primary: Option<Label>,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// What to do: a suggestion, the allowed values, the command to type.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            help: Vec::new(),
        }
    }

    /// The same with its place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// The same with another place that explains it.
    #[must_use]
    pub fn and_at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}
