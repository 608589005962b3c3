//! A plan: what would change, in which order, how long it takes, and what it relied on.
//!
//! A plan is data. It is computed from a graph and read-only observations, can be stored, shown,
//! compared and applied, and there is no flag below the command that says "do not really do it".
//! Applying reads its facts again before the first write and refuses when one has moved.

mod billing;
pub mod estimate;
mod instances;
mod levels;
pub mod look;
mod make;
mod mask;
mod orphans;
mod store;

pub(crate) use instances::{Expanded, check_one, expand_vertex, related};
pub use make::{PlanError, PlanInput, Planned, Sources, make};
pub use mask::SecretKey;
pub use store::{LoadError, moved};

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Action;
use crate::fact::Fact;
use crate::module::Billing;

/// The kind of a planned change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Delete it and make it anew.
    Replace,
    /// Delete it (an orphan with `--prune`).
    Delete,
    /// Nothing to write, but it has not converged.
    Wait,
    /// Nothing to do.
    NoChange,
    /// Its `when` is unknown.
    Conditional,
    /// Its `for_each` is unknown.
    Expands,
    /// It cannot be observed before another task ran.
    Deferred,
    /// Its `when` is false, or what it reads is skipped.
    Skipped,
}

/// A field of a planned change, masked for storage: secrets are `{"secret": "<keyed hash>"}`,
/// unknown values `{"unknown": "<type>"}`, everything else plain JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedField {
    /// Dotted path.
    pub path: String,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<serde_json::Value>,
    /// What shall be there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<serde_json::Value>,
    /// Why it forces a replacement.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forces_replace: Option<String>,
}

/// One task of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// Its address; for `expands`, the static path.
    pub address: String,
    /// Its module.
    pub module: String,
    /// The kind of change.
    pub kind: Kind,
    /// The object.
    pub subject: String,
    /// What matters about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The fields that change (for deferred tasks: the desired state as far as known).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<PlannedField>,
    /// Why, beyond the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The addresses of the tasks that must run first (conditional, expands, deferred: the ones
    /// whose outputs make it known).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Everything it comes after, direct edges only; the executor's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What it may be refined to at apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<Action>,
    /// Locks it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// How long it is expected to take, in world time.
    #[serde(default)]
    pub expected: Duration,
    /// What it bills, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bills: Option<String>,
    /// What it is billed for before it runs and after, where it is billed for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<Billing>,
    /// The arguments, masked like fields.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

/// An object that carries our mark and is no longer in the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orphan {
    /// The address in its mark.
    pub address: String,
    /// Its module.
    pub module: String,
    /// The object.
    pub identity: String,
}

/// How long the plan takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Estimate {
    /// Along the critical path, locks included.
    pub duration: Duration,
    /// Addresses on the critical path, first to last.
    pub critical_path: Vec<String>,
}

/// What an account or cluster a plan is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `aws` or `sandbox`.
    pub on: String,
    /// The sandbox's world, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Identities of all connections that were opened, by their text.
    pub connections: Vec<String>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this form.
    pub format: u32,
    /// Version of the program that made it.
    pub made_by: String,
    /// Digest over everything below; its first characters name the plan to people.
    pub digest: String,
    /// When it was made, world time.
    pub world_time: Timestamp,
    /// `run.slot`: the slot of a schedule that it was made for, else when it was begun. Plans of older
    /// programs have none; theirs is their `world_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Timestamp>,
    /// The root runbook's name.
    pub runbook: String,
    /// `<runbook>/<instance>`.
    pub owner: String,
    /// What it is bound to.
    pub target: Target,
    /// Digest of the compiled graph.
    pub graph: String,
    /// The root's inputs as given, masked; what `apply` compiles the graph with again.
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// The name of the root runbook among the files.
    #[serde(default)]
    pub root_file: String,
    /// The folder that the files lie in, absolute: tasks that run something run it there, whoever applies
    /// the plan and from wherever. None for files inside the program, and in plans of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The files of the runbook, by name, complete: a plan applies what was planned, not what a
    /// file says by then.
    pub files: BTreeMap<String, String>,
    /// Tasks in graph order.
    pub tasks: Vec<PlannedTask>,
    /// What it relied on, sorted.
    pub facts: Vec<Fact>,
    /// Objects of ours that nothing declares any more.
    pub orphans: Vec<Orphan>,
    /// Modules whose marked objects could not be listed, with why: orphans of theirs do not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// How long it takes.
    pub estimate: Estimate,
}
