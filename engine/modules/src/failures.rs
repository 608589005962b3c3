//! From what a client says to what the engine decides by.
//!
//! The class is carried over; what passes by itself (IAM propagation, another operation on the same
//! cluster) says for how long the engine may go on trying.

use std::time::Duration;

use runbook_clients::{Class as ClientClass, Error, Undone};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::Applied;

/// How long a new role may stay unknown to the services that are to assume it.
const IAM_PROPAGATION: Duration = Duration::from_mins(2);
/// How long another operation may be in the way: a profile's deletion has taken more than 20
/// minutes.
const IN_PROGRESS: Duration = Duration::from_mins(40);
/// How long a webhook's endpoints may take to come up.
const WEBHOOK: Duration = Duration::from_mins(5);

/// A client's error as a failure.
pub(crate) fn failure(error: &Error) -> Failure {
    let class = match error.class() {
        ClientClass::NotFound => Class::NotFound,
        ClientClass::Denied | ClientClass::Refused => Class::Denied,
        ClientClass::Throttled => Class::Throttled,
        ClientClass::Conflict => Class::Conflict,
        ClientClass::Invalid => Class::Invalid,
        ClientClass::Unavailable | ClientClass::Unreadable => Class::Unavailable,
        ClientClass::Timeout => Class::Timeout,
    };
    let mut failure = Failure::new(class, error.to_string());
    failure.code = error.code().map(str::to_owned);
    failure.evidence.extend(
        error
            .field_conflicts()
            .iter()
            .map(|one| format!("{} is owned by {}", one.field, one.manager)),
    );
    if error.iam_propagation() {
        return failure.passes_within(IAM_PROPAGATION);
    }
    if error.in_progress() {
        return failure.passes_within(IN_PROGRESS);
    }
    if error.webhook_unavailable() {
        return failure.passes_within(WEBHOOK);
    }
    failure
}

/// A write that was not done, as the module contract words it.
pub(crate) fn undone(undone: &Undone) -> Applied {
    match undone {
        Undone::Rejected(error) => Applied::Rejected(failure(error)),
        Undone::Ambiguous(error) => Applied::Ambiguous(failure(error)),
    }
}

/// A failed read.
pub(crate) trait Read<T> {
    /// The same with a failure of the engine's kind.
    fn read(self) -> Result<T, Failure>;
}

impl<T> Read<T> for Result<T, Error> {
    fn read(self) -> Result<T, Failure> {
        self.map_err(|error| failure(&error))
    }
}
