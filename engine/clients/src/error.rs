//! Why a request did not do what it should, in one type for every service.
//!
//! The class is decided by the service's own *code*, never by the HTTP status alone: an
//! unimplemented route that answers 404 with a page is not "the thing is not there". Beside what a
//! person reads, an error knows two things that the retry policy asks: whether the request may have
//! been processed, and whether the cause passes by itself.

use std::fmt;
use std::time::Duration;

use crate::request::Operation;

/// The class of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The thing is not there; the service said so by its code.
    NotFound,
    /// The caller may not do this, or is not who it should be.
    Denied,
    /// Too many requests.
    Throttled,
    /// Something else is in the way: it exists already, another operation runs, fields are owned.
    Conflict,
    /// The request can never succeed as it is.
    Invalid,
    /// The service did not answer, or answered that it cannot now.
    Unavailable,
    /// A deadline passed without an answer.
    Timeout,
    /// We refused to send it: a write on a connection that only reads.
    Refused,
    /// There was an answer and it could not be understood.
    Unreadable,
}

/// What is known about the effect of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processed {
    /// It had none.
    No,
    /// It may have had its effect.
    Unknown,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passes {
    /// The cause passes by itself within seconds.
    Soon,
    /// Not by itself.
    No,
}

/// A field that server-side apply would have to take from another manager.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldConflict {
    /// The manager that owns it, as the server words it: `"eks" using apps/v1`.
    pub manager: String,
    /// The field's path.
    pub field: String,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Facts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    class: Class,
    service: String,
    operation: String,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    status: Option<u16>,
    conflicts: Vec<FieldConflict>,
    processed: Processed,
    passes: Passes,
    retry_after: Option<Duration>,
}

/// What a service or a transport said, before it is an [`Error`].
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) class: Class,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) conflicts: Vec<FieldConflict>,
    pub(crate) processed: Processed,
    pub(crate) passes: Passes,
    pub(crate) retry_after: Option<Duration>,
}

impl Said {
    /// Something that was never sent.
    pub(crate) fn unsent(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            message: message.into(),
            request_id: None,
            status: None,
            conflicts: Vec::new(),
            processed: Processed::No,
            passes: Passes::No,
            retry_after: None,
        }
    }

    /// Something that went out without a usable answer.
    pub(crate) fn unanswered(class: Class, message: impl Into<String>) -> Self {
        Self { processed: Processed::Unknown, passes: Passes::Soon, ..Self::unsent(class, message) }
    }
}

impl Error {
    pub(crate) fn new(operation: &Operation, said: Said) -> Self {
        Self(Box::new(Facts {
            class: said.class,
            service: operation.service.to_owned(),
            operation: operation.to_string(),
            code: said.code,
            message: said.message,
            request_id: said.request_id,
            status: said.status,
            conflicts: said.conflicts,
            processed: said.processed,
            passes: said.passes,
            retry_after: said.retry_after,
        }))
    }

    /// Its class.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// The service: `eks`, `iam`, `kubernetes`, …
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// The operation: `eks:CreateCluster`, `PATCH deployments.apps/kube-system/coredns`.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The service's own code: `ResourceInUseException`; for Kubernetes the Status reason.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What the service said, or what happened to the connection.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The service's request id, for a support case.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The HTTP status. Never decide by it; that is what [`Error::class`] and the code are for.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Fields that other managers own, when a server-side apply was refused because of them.
    pub fn field_conflicts(&self) -> &[FieldConflict] {
        &self.0.conflicts
    }

    /// The thing is not there.
    pub fn is_not_found(&self) -> bool {
        self.0.class == Class::NotFound
    }

    /// The caller may not do this.
    pub fn is_denied(&self) -> bool {
        self.0.class == Class::Denied
    }

    /// It is in the way: exists already, in use, owned by another.
    pub fn is_conflict(&self) -> bool {
        self.0.class == Class::Conflict
    }

    /// A thing of this name exists already.
    pub fn already_exists(&self) -> bool {
        match self.code() {
            Some(
                "EntityAlreadyExists"
                | "EntityAlreadyExistsException"
                | "ResourceAlreadyExistsException"
                | "QueueAlreadyExists"
                | "QueueNameExists"
                | "AlreadyExists",
            ) => true,
            Some("ResourceInUseException" | "ResourceInUse") => {
                self.0.message.contains("already exists")
                    || self.0.message.contains("already in use on this cluster")
            }
            // CreateServiceLinkedRole says it in words only.
            Some("InvalidInput" | "InvalidInputException") => {
                self.0.message.contains("has been taken")
            }
            _ => false,
        }
    }

    /// Another operation on the same thing runs; the service takes this one afterwards.
    pub fn in_progress(&self) -> bool {
        match self.code() {
            Some("ResourceInUseException" | "ResourceInUse" | "InvalidRequestException") => {
                let message = self.0.message.to_ascii_lowercase();
                ["in status creating", "in status deleting", "in status updating"]
                    .iter()
                    .any(|status| message.contains(status))
                    || message.contains("in progress")
                    || message.contains("is currently being")
            }
            Some(
                "ConcurrentModification"
                | "ConcurrentModificationException"
                | "EntityTemporarilyUnmodifiable"
                | "OperationNotPageable"
                | "QueueDeletedRecently"
                | "AWS.SimpleQueueService.QueueDeletedRecently",
            ) => true,
            _ => false,
        }
    }

    /// A role or policy that was made a moment ago is not known everywhere yet.
    pub fn iam_propagation(&self) -> bool {
        let code = self.code().unwrap_or_default();
        let message = self.0.message.to_ascii_lowercase();
        match code {
            "InvalidParameterException" | "InvalidParameter" => {
                message.contains("could not be assumed")
                    || message.contains("misconfigured podexecutionrole trust policy")
                    || (message.contains("role") && message.contains("does not exist"))
                    || message.contains("is not authorized to perform: sts:assumerole")
                    || (message.contains("principal") && message.contains("invalid"))
            }
            "InvalidRequestException" => {
                message.contains("podexecutionrole") && message.contains("trust policy")
            }
            // A trust policy that names a role which IAM does not see yet.
            "MalformedPolicyDocument" => message.contains("invalid principal in policy"),
            // An attachment right after the creation.
            "NoSuchEntity" | "NoSuchEntityException" => {
                self.0.operation.starts_with("iam:Attach")
                    || self.0.operation.starts_with("iam:Put")
            }
            _ => false,
        }
    }

    /// An admission webhook did not answer; the object was not written.
    pub fn webhook_unavailable(&self) -> bool {
        self.0.service == crate::kubernetes::SERVICE
            && self.0.message.contains("failed calling webhook")
    }

    /// Whether the request may have been processed although it failed.
    pub fn may_have_happened(&self) -> bool {
        self.0.processed == Processed::Unknown
    }

    pub(crate) fn processed(&self) -> Processed {
        self.0.processed
    }

    pub(crate) fn passes(&self) -> Passes {
        self.0.passes
    }

    /// How long the service asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// One word for the record of tries.
    pub(crate) fn outcome(&self) -> String {
        self.0.code.clone().unwrap_or_else(|| {
            match self.0.class {
                Class::Timeout => "no answer in time",
                Class::Unavailable => "no connection",
                Class::Unreadable => "unreadable answer",
                Class::Refused => "refused here",
                _ => "failed",
            }
            .to_owned()
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.0;
        match &facts.code {
            Some(code) => write!(formatter, "`{}` failed with {code}: ", facts.operation)?,
            None => write!(formatter, "`{}` failed: ", facts.operation)?,
        }
        formatter.write_str(facts.message.trim_end_matches('.'))
    }
}

impl std::error::Error for Error {}

/// Why a write is not known to have been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// It is known not to have happened.
    #[error("{0}")]
    Rejected(Error),
    /// It may have happened; only another look can tell.
    #[error("it is not known whether this happened: {0}")]
    Ambiguous(Error),
}

impl Undone {
    /// The error behind it.
    pub fn error(&self) -> &Error {
        match self {
            Self::Rejected(error) | Self::Ambiguous(error) => error,
        }
    }
}

/// Something that could not even be built was not sent.
impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Rejected(error)
    }
}

/// What came of a write.
pub type Outcome<T> = Result<T, Undone>;

/// An error and what is behind it, outermost first.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn std::error::Error + 'static)| {
        (*error).source()
    })
}

/// The innermost cause, in its own words: the outer layers of the libraries only say that
/// something failed.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}
