//! What happens in a run: one stream of events that feeds the journal first; progress, JSON and
//! console see an event after its commit.
//!
//! The JSON form is documented and only grows: `v, seq, time, world_time, run, address` and the
//! body's own fields beside them under `event`. An event carries at most 4 KiB; what is larger
//! lives in the journal's blob table and is named here by its digest.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Action;
use crate::failure::Failure;
use crate::module::Try;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of this form.
    pub v: u32,
    /// Position in the run, from 1, without holes.
    pub seq: u64,
    /// Real time.
    pub time: Timestamp,
    /// World time.
    pub world_time: Timestamp,
    /// The run; all events of it share its text.
    pub run: Arc<str>,
    /// The task, where the event is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// The attempt, from 1, where the event is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Body {
    /// A run began: its runbook, owner, target, and the digests of plan and graph.
    RunStarted {
        /// The root runbook's name.
        runbook: String,
        /// `<runbook>/<instance>`.
        owner: String,
        /// Where it runs, for a person.
        target: String,
        /// Digest of the plan's blob.
        plan: String,
        /// Digest of the compiled graph.
        graph: String,
        /// How many tasks it has.
        tasks: u64,
        /// `run.slot`; runs of older programs have none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        slot: Option<Timestamp>,
    },
    /// A run was taken up again.
    RunResumed {
        /// How many tasks need nothing any more.
        skipped: u64,
    },
    /// A task cannot start yet: the lock or the task that it waits for.
    TaskWaiting {
        /// For example `eks/myeks/control-plane held by fargate/profile["kube-system"]`.
        reason: String,
    },
    /// A task is being looked at or worked on.
    TaskStarted,
    /// A durable step of an attempt.
    Step(Step),
    /// What verify said last; only recorded when it changes.
    NotYet {
        /// What a person needs to know.
        reason: String,
    },
    /// A request was tried.
    Tried(Try),
    /// A `for_each` was expanded or a condition decided after its inputs became known.
    Decided {
        /// For example `3 instances` or `when is false`.
        what: String,
    },
    /// A task ended.
    TaskFinished {
        /// How.
        state: TaskState,
        /// What was done: the action of its last attempt.
        action: Action,
        /// Why, for skipped, blocked and failed tasks.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        because: Option<String>,
    },
    /// The person asked to stop.
    CancelRequested {
        /// `SIGINT` or `SIGTERM`.
        signal: String,
    },
    /// The run ended.
    RunFinished {
        /// How.
        outcome: Outcome,
        /// Tasks that changed something.
        changed: u64,
        /// Tasks that failed.
        failed: u64,
        /// Tasks that were blocked by a failure.
        blocked: u64,
    },
}

/// A durable step of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// About to write; durable before the effect.
    Intended {
        /// The refined action.
        action: Action,
        /// Digest of the blob with the change and the pre-image of the fields it changes.
        change: String,
        /// The idempotency token.
        token: String,
        /// That it begins is noted beside the journal ([`crate::journal::Notes`]): it may have been
        /// intended ahead of its turn.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        noted: bool,
    },
    /// The service has accepted the write.
    Acknowledged,
    /// The write is known not to have happened.
    Rejected {
        /// Why.
        failure: Failure,
    },
    /// The write may have happened.
    Ambiguous {
        /// Why this is not known.
        failure: Failure,
    },
    /// The diff is empty and verify said converged.
    Converged {
        /// Digest of the blob with the outputs; secrets are references.
        outputs: String,
    },
    /// It never began: what was intended ahead of its turn was taken back.
    Withdrawn,
    /// Verify gave up.
    NotConverged {
        /// Why.
        failure: Failure,
    },
}

/// The state of a task in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Not started.
    Pending,
    /// Being worked on or waited for.
    Running,
    /// Converged.
    Succeeded,
    /// It failed.
    Failed,
    /// An attempt has `intended` without a later step, or the run was stopped while the task waited
    /// (to converge, for a lock, for its next attempt).
    Interrupted,
    /// Its condition is false, or what it reads was skipped.
    Skipped,
    /// A task that it depends on failed.
    Blocked,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything converged.
    Succeeded,
    /// Something failed.
    Failed,
    /// The plan did not cover what was found.
    Uncovered,
    /// Waits for a person.
    Paused,
    /// The person stopped it; it can be resumed.
    Cancelled,
}
