//! From what a cluster says to what the engine decides by, with the ways out that a cluster has.
//!
//! What passes by itself: a kind whose definition was installed a moment ago, and an API server
//! whose name is not known everywhere yet.

use std::time::Duration;

use runbook_clients::{Class as ClientClass, Error, Outcome, Undone};
use runbook_core::failure::Failure;
use runbook_core::module::{Applied, Values};

/// How long a kind may take to be served after its definition was installed.
const KIND_APPEARS: Duration = Duration::from_mins(1);
/// How long the API server of a new cluster may not be found.
const SERVER_APPEARS: Duration = Duration::from_mins(2);

/// A cluster's error as a failure.
pub(super) fn failure(error: &Error) -> Failure {
    let failure = crate::failures::failure(error);
    if !error.field_conflicts().is_empty() {
        return failure.hint(
            "leave these fields to their owner, or take them over with `force: true` on the task",
        );
    }
    if error.code() == Some("NoKindMatch") {
        return failure
            .hint("install the definition of the kind in a task before this one")
            .passes_within(KIND_APPEARS);
    }
    let unanswered = error.status().is_none() && error.code().is_none();
    if unanswered && matches!(error.class(), ClientClass::Unavailable | ClientClass::Timeout) {
        return failure
            .hint("is the cluster's API endpoint reachable from here?")
            .passes_within(SERVER_APPEARS);
    }
    if error.message().contains("field is immutable") {
        return failure
            .hint("Kubernetes cannot change this field: give the object another name, or delete it and run again");
    }
    failure
}

/// A write that was not done, as the module contract words it.
pub(super) fn undone(undone: &Undone) -> Applied {
    match undone {
        Undone::Rejected(error) => Applied::Rejected(failure(error)),
        Undone::Ambiguous(error) => Applied::Ambiguous(failure(error)),
    }
}

/// The end of an `apply` that is one write.
pub(super) fn applied(outcome: Outcome<Values>) -> Applied {
    match outcome {
        Ok(outputs) => Applied::Acknowledged(outputs),
        Err(error) => undone(&error),
    }
}

/// A failed read.
pub(super) trait Read<T> {
    /// The same with a failure of the engine's kind.
    fn read(self) -> Result<T, Failure>;
}

impl<T> Read<T> for Result<T, Error> {
    fn read(self) -> Result<T, Failure> {
        self.map_err(|error| failure(&error))
    }
}
