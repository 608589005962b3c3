//! What the reducer is told: how an effect ended, and what the person and the machine say.

use std::time::Duration;

use crate::change::Action;
use crate::failure::Failure;
use crate::graph::VertexId;
use crate::module::Lock;
use crate::task::InstanceKey;

/// What happened.
#[derive(Debug, Clone)]
pub enum Happened {
    /// The run begins or is taken up again.
    Begun,
    /// The instances of a vertex are known.
    Expanded(VertexId, Result<Vec<InstanceKey>, String>),
    /// An instance was looked at.
    Looked(InstanceKey, Looked),
    /// A write was answered.
    Written(InstanceKey, Written),
    /// Verify came to an end.
    Verified(InstanceKey, Verified),
    /// The pause before the next attempt is over.
    Paused(InstanceKey),
    /// The person asked to stop.
    Cancelled(String),
    /// So many commands may be intended ahead of their turn from now on.
    Paced(usize),
}

/// What a look found.
#[derive(Debug, Clone)]
pub enum Looked {
    /// It does not run.
    Skipped(String),
    /// Nothing to do.
    Converged {
        /// Digest of the outputs' blob.
        outputs: String,
    },
    /// Nothing to write; it has to converge.
    Wait(String),
    /// Something is to be written.
    Change {
        /// The action.
        action: Action,
        /// Digest of the change's blob.
        change: String,
        /// The idempotency token.
        token: String,
        /// The locks that the write needs.
        locks: Vec<Lock>,
    },
    /// The plan does not cover it.
    Uncovered(String),
    /// A blind task without a guard was interrupted: a person decides.
    Asks(String),
    /// It could not be looked at.
    Failed(Failure),
}

/// How a write was answered.
#[derive(Debug, Clone)]
pub enum Written {
    /// Accepted.
    Acknowledged,
    /// Known not to have happened; with a pause when it shall be tried again.
    Rejected(Failure, Option<Duration>),
    /// It may have happened.
    Ambiguous(Failure),
    /// It never began: intended ahead of its turn, it was taken back.
    Withdrawn,
}

/// How verify ended.
#[derive(Debug, Clone)]
pub enum Verified {
    /// Converged.
    Converged {
        /// Digest of the outputs' blob.
        outputs: String,
    },
    /// It gave up; with a pause when it shall be tried again.
    NotConverged(Failure, Option<Duration>),
    /// The run was cancelled during the wait.
    Dropped,
}
