//! Validated tasks and the edges between them, with calls inlined.
//!
//! The graph is static: it is known before anything is evaluated or observed. A call is inlined
//! and is no barrier; what remains of it is a [`Scope`], in which names are looked up. Repetition
//! is not expanded here, since its keys may be known only after other tasks ran: a [`Vertex`]
//! stands for all its instances, and [`Graph::expand`] gives the keys once they can be known.
//!
//! This file is the meeting point of the two halves of the engine. Above it: text, shapes,
//! expressions. Below it: plan, execution, journal, which know expressions only as things that the
//! graph evaluates for them against [`Bindings`].

mod compile;
mod cycle;
mod digest;
mod direct;
mod edges;
mod evaluate;
mod expand;
mod inputs;
mod resolve;
mod template;
mod texts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::address::Address;
use crate::connection::Kind;
use crate::diagnostic::Diagnostic;
use crate::document::{InputDeclaration, Named};
use crate::expression::scope::Files;
use crate::module::Module;
use crate::source::{Sources, Span};
use crate::value::Value;

pub use compile::{CompileInput, Loaded, Loader, Refused, compile};
pub use expand::Expansion;
pub use inputs::{Given, GivenInputs};

use template::{Program, Template};

/// A scope, by its position in [`Graph::scopes`]; 0 is the root runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub u32);

/// A vertex, by its position in [`Graph::vertices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub u32);

/// An expression that was parsed and whose references were resolved. Equal texts in equal scopes
/// are compiled once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpressionId(pub u32);

/// A value of a document whose scalars may hold expressions: `with`, `locks`, connection settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u32);

/// One runbook file in use: the root, or a call.
pub struct Scope {
    /// The scope of the call; `None` for the root.
    pub parent: Option<ScopeId>,
    /// The id of the call in its parent; empty for the root.
    pub id: String,
    /// The name that the file declares.
    pub name: String,
    /// The folder of the file.
    pub folder: PathBuf,
    /// `for_each` of the call, evaluated in the parent.
    pub for_each: Option<ExpressionId>,
    /// Connections by name, after inheritance from the caller.
    pub connections: BTreeMap<String, ConnectionId>,
    /// Its declared inputs with what they are bound to.
    pub(crate) inputs: BTreeMap<String, Bound>,
    /// Its outputs, evaluated in this scope.
    pub(crate) outputs: BTreeMap<String, TemplateId>,
    /// Tasks and calls by id.
    pub(crate) members: IndexMap<String, Member>,
    /// What `file`, `template` and `glob` read.
    pub(crate) files: Arc<dyn Files>,
}

/// What an input is bound to.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// The declaration.
    pub(crate) declaration: InputDeclaration,
    /// Its value or where it is evaluated.
    pub(crate) to: BoundTo,
}

/// The value of an input, or where it comes from.
#[derive(Debug, Clone)]
pub(crate) enum BoundTo {
    /// Given to the root, or a default.
    Value(Value),
    /// An argument of the call, evaluated in the parent.
    Argument(TemplateId),
}

/// What an id of a file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// A task.
    Task(VertexId),
    /// A call.
    Call(ScopeId),
}

/// A connection, by its position in [`Graph::connections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// A declared connection.
#[derive(Debug)]
pub struct ConnectionDeclaration {
    /// Its name, for example `aws`.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Where its settings are evaluated.
    pub scope: ScopeId,
    /// The settings, a map.
    pub settings: TemplateId,
    /// The `aws` connection that a `kubernetes` connection with `eks_cluster` goes through.
    pub through: Option<ConnectionId>,
}

/// A task, standing for all its instances.
pub struct Vertex {
    /// Static path: ids of the calls, then of the task.
    pub path: Vec<String>,
    /// The scope it is declared in.
    pub scope: ScopeId,
    /// Its module.
    pub module: Arc<dyn Module>,
    /// Its outputs while it has not run: unknown, each of its type.
    pub(crate) unknown: Arc<BTreeMap<String, Value>>,
    /// Arguments; for modules with lazily evaluated arguments (`until`) see the fields below.
    pub with: TemplateId,
    /// All conditions, outermost call first, each with the scope in which it is evaluated.
    pub when: Vec<(ScopeId, ExpressionId)>,
    /// Repetition of the task itself.
    pub for_each: Option<ExpressionId>,
    /// At most so many instances at once.
    pub max_parallel: Option<u32>,
    /// The connection it uses.
    pub connection: Option<ConnectionId>,
    /// What it comes after.
    pub edges: Vec<Edge>,
    /// Whether anything refers to it: another task, or an output of the runbook.
    pub is_read: bool,
    /// Repeating failed attempts.
    pub retry: Retry,
    /// Deadline of an attempt, verify included; the module's patience when absent.
    pub timeout: Option<Duration>,
    /// `wait` and `shell` only: done when this is true (`self.outputs` are its own).
    pub until: Option<ExpressionId>,
    /// How often and how long `until` is tried.
    pub poll: Option<Poll>,
    /// Locks beside the module's own: a list of texts.
    pub locks: Option<TemplateId>,
    /// Checked before the task is applied, at plan time where known.
    pub preconditions: Vec<Check>,
    /// Checked after it converged; sees `self.outputs`.
    pub postconditions: Vec<Check>,
    /// Whether an unmarked object of that name may become ours.
    pub adopt: bool,
    /// Where the task is declared.
    pub span: Span,
    /// `needs` and `after` of the task and of the calls around it, by name.
    pub(crate) named: NamedEdges,
}

/// What a task is said to come after, beyond what it refers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedEdges {
    /// `needs`, each with the scope of the name.
    pub(crate) needs: Vec<(ScopeId, Named)>,
    /// `after`.
    pub(crate) after: Vec<(ScopeId, Named)>,
}

/// A condition with what to say when it is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The condition.
    pub that: ExpressionId,
    /// The message, itself a text with expressions.
    pub message: TemplateId,
}

/// `retry:`; attempts are counted, not retries.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// At most so many attempts; 1 means no repetition.
    pub max_attempts: u32,
    /// Before the second attempt.
    pub delay: Duration,
    /// Factor from one delay to the next, in thousandths (2000 doubles).
    pub backoff_thousandths: u32,
    /// Upper bound of a delay.
    pub max_delay: Duration,
    /// Part of a delay that is spread deterministically by address and attempt, in thousandths.
    pub jitter_thousandths: u32,
    /// Only failures for which this is true (`error.code`, `error.class`, `error.message`).
    pub when: Option<ExpressionId>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            delay: Duration::from_secs(5),
            backoff_thousandths: 2000,
            max_delay: Duration::from_mins(1),
            jitter_thousandths: 0,
            when: None,
        }
    }
}

/// `poll:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Between two looks.
    pub interval: Duration,
    /// Until it gives up.
    pub timeout: Duration,
}

/// A dependency of a vertex, with every reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The vertex that comes first.
    pub on: VertexId,
    /// When the dependency is satisfied.
    pub kind: EdgeKind,
    /// Why it exists, for `runbook graph --why`.
    pub why: Vec<EdgeReason>,
}

/// When a dependency is satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// It succeeded, or was skipped by the same condition (`needs`, references, connections).
    Succeeded,
    /// It ended, however (`after`).
    Ended,
}

/// Why an edge exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeReason {
    /// For example `reads tasks.cluster.outputs.name`, `needs`, `connection kubernetes`.
    pub text: String,
    /// Where that is written.
    pub span: Span,
}

/// The keys of the loops around an evaluation, outermost first: one per repeated call on the way
/// to the scope, then the task's own when it is repeated.
pub type Keys = Vec<(String, Value)>;

/// Where something is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The scope in which names are looked up.
    pub scope: ScopeId,
    /// Keys and values of the loops around it (`each`): for the repeated calls on the way from the
    /// root to the scope, outermost first.
    pub keys: Keys,
    /// The task's own key and value, when it is repeated.
    pub each: Option<(String, Value)>,
}

/// What is known of a task's outputs while something is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskOutputs {
    /// A map of outputs; leaves may be unknown or secret.
    Known(Arc<BTreeMap<String, Value>>),
    /// The task was skipped, and why.
    Skipped(String),
}

/// What evaluation needs to know besides inputs; given by plan and execution.
pub trait Bindings {
    /// Outputs of the instance of a vertex in the scope instance `keys` (texts only), with its own
    /// key when it is repeated.
    fn outputs(&self, vertex: VertexId, keys: &[String], own: Option<&str>) -> TaskOutputs;

    /// The keys of a repeated vertex in that scope instance; `None` while they are unknown.
    fn keys(&self, vertex: VertexId, keys: &[String]) -> Option<Vec<String>>;

    /// The keys and values of a repeated call in that scope instance; `None` while they are
    /// unknown.
    fn call_keys(&self, call: ScopeId, keys: &[String]) -> Option<Vec<(String, Value)>>;

    /// `run.id`, `run.slot`, `run.changed` (unknown while open).
    fn run(&self, field: &str) -> Value;

    /// `self.outputs` in `until` and `postconditions`; `error.*` in `retry.when`.
    fn own(&self, root: &str) -> Option<Value>;

    /// Resolves `secret('env:NAME')` and the like.
    fn secret(&self, reference: &str) -> Result<Value, crate::failure::Failure>;
}

/// One leaf that an evaluation read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Whose output.
    pub vertex: VertexId,
    /// The scope instance.
    pub keys: Vec<String>,
    /// Its own key.
    pub own: Option<String>,
    /// The output and the path inside it, dotted.
    pub path: String,
}

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The value; unknown as a whole when any unknown leaf was read.
    pub value: Value,
    /// What was read of other tasks; facts where they are lookups.
    pub reads: Vec<Read>,
    /// The unknown ones among them: what the result waits for.
    pub unknown: Vec<Read>,
    /// It reads an output of a task that was skipped: why (outside `default`).
    pub skipped: Option<String>,
}

/// The graph of a runbook with everything it calls.
pub struct Graph {
    /// The root runbook's name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Every file that was read.
    pub sources: Sources,
    /// Runbook files in use; 0 is the root.
    pub scopes: Vec<Scope>,
    /// Connections in use.
    pub connections: Vec<ConnectionDeclaration>,
    /// Tasks, in the order of the files, calls in place.
    pub vertices: Vec<Vertex>,
    /// [`Graph::order`], once it is known that there is one.
    pub(crate) ordered: Vec<VertexId>,
    /// The root's inputs, resolved (defaults applied, checked by type).
    pub inputs: BTreeMap<String, Value>,
    /// The value of the root's identity input, when it has one.
    pub instance: Option<String>,
    /// The root's outputs.
    pub outputs: BTreeMap<String, TemplateId>,
    /// When the root runs by itself; no part of what it means.
    pub schedules: Vec<crate::schedule::Schedule>,
    /// Compiled expressions.
    pub(crate) programs: Vec<Program>,
    /// Compiled trees of values and expressions.
    pub(crate) templates: Vec<Template>,
    /// Versioned digest of the meaning: tasks, expressions, inputs, module names. Comments,
    /// order of keys and file names do not show.
    pub digest: String,
}

/// Bytes of the name of an instance, about.
const TYPICAL_NAME: usize = 48;

/// A problem of an evaluation: a diagnostic with its place.
pub type Problem = Box<Diagnostic>;

impl Vertex {
    /// The text of [`Self::address`], which is what state is told and looked up by. Most tasks
    /// stand in the root, and then it is short to make.
    pub fn name(&self, graph: &Graph, keys: &[String], own: Option<&str>) -> String {
        if let (None, [id]) = (own, self.path.as_slice()) {
            return id.clone();
        }
        let mut name = String::with_capacity(TYPICAL_NAME);
        let parts = self.parts(graph, keys.iter().map(String::as_str), own);
        // A string takes everything.
        let _ = crate::address::write(&mut name, parts);
        name
    }

    /// The address of an instance.
    pub fn address(&self, graph: &Graph, keys: &[String], own: Option<&str>) -> Address {
        self.address_of(graph, keys.iter().map(String::as_str), own)
    }

    /// The same, from keys that are kept otherwise.
    pub(crate) fn address_of<'a>(
        &'a self,
        graph: &'a Graph,
        keys: impl Iterator<Item = &'a str>,
        own: Option<&'a str>,
    ) -> Address {
        let parts = self.parts(graph, keys, own).into_iter();
        let owned = |(id, key): (&str, Option<&str>)| crate::address::Part {
            id: id.to_owned(),
            key: key.map(str::to_owned),
        };
        Address(parts.map(owned).collect())
    }

    /// The ids around it and its own, each with its key when it is repeated.
    fn parts<'a>(
        &'a self,
        graph: &'a Graph,
        mut keys: impl Iterator<Item = &'a str>,
        own: Option<&'a str>,
    ) -> Vec<(&'a str, Option<&'a str>)> {
        let mut parts = Vec::with_capacity(self.path.len());
        let mut calls = Vec::new();
        let mut scope = Some(self.scope);
        while let Some(id) = scope {
            let Some(one) = graph.scopes.get(id.0 as usize) else { break };
            if one.parent.is_some() {
                calls.push(one);
            }
            scope = one.parent;
        }
        for call in calls.iter().rev() {
            let key = if call.for_each.is_some() { keys.next() } else { None };
            parts.push((call.id.as_str(), key));
        }
        parts.extend(self.path.last().map(|id| (id.as_str(), own)));
        parts
    }
}
