//! Refusals as AWS tells them: a code, a message, a status.

use serde_json::{Map, Value};

/// A refusal of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Code,
    pub(crate) message: String,
    /// What the JSON protocols say beside the message.
    pub(crate) details: Map<String, Value>,
}

/// An error code: most are an operation's own; some mean the same everywhere, and each protocol
/// has its own word for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    Own(String),
    /// A parameter is missing or has the wrong form.
    Invalid,
    /// A parameter is missing.
    Missing,
    /// A parameter has another type.
    Untyped,
    /// The sandbox does not simulate it.
    NotSimulated,
    /// No such operation.
    UnknownOperation,
    /// The body cannot be read.
    Unreadable,
    MissingAuthentication,
    IncompleteSignature,
    UnknownAccessKey,
    WrongSignature,
    ExpiredSignature,
    ExpiredToken,
    Throttled,
    Failure,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::of(status, Code::Own(code.to_owned()), message)
    }

    pub(crate) fn of(status: u16, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Map::new() }
    }

    /// A 400 of that code.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A parameter is missing.
    pub(crate) fn missing(name: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        );
        Self::of(400, Code::Missing, message)
    }

    /// A parameter has the wrong form.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::of(400, Code::Invalid, message)
    }

    /// A parameter has another type than its operation takes.
    pub(crate) fn untyped(message: impl Into<String>) -> Self {
        Self::of(400, Code::Untyped, message)
    }

    /// An operation that the service does not have here.
    pub(crate) fn unknown_operation(service: &str, name: &str) -> Self {
        Self::of(400, Code::UnknownOperation, format!("`{service}` has no operation `{name}`"))
    }

    /// A part of a simulated operation that is not simulated.
    pub(crate) fn not_simulated(what: &str) -> Self {
        let message = format!(
            "the sandbox does not simulate {what} (`runbook sandbox coverage` lists what it does)"
        );
        Self::of(501, Code::NotSimulated, message)
    }
}
