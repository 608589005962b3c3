//! Errors as AWS tells them: a code, a message, a status.

/// A refusal of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl AwsError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// A 400 of that code.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// What is not simulated says so.
    pub(crate) fn unknown_operation(service: &str, operation: &str) -> Self {
        Self::new(501, "NotSimulated", format!("the sandbox does not simulate {service}:{operation} (runbook sandbox coverage lists what it does)"))
    }
}
