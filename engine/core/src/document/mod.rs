//! A runbook file, decoded: every key where it belongs, every problem reported, nothing resolved.
//!
//! A document knows its own file only. Whether a module exists, whether a reference leads
//! somewhere, whether an argument fits, is for the graph to say.

mod decode;
mod inputs;

pub use decode::decode;
pub(crate) use inputs::{is_name as is_identifier, plain};

use std::time::Duration;

use crate::connection::Kind;
use crate::graph::{Poll, Retry};
use crate::schedule::Schedule;
use crate::source::{FileId, Span};
use crate::value::{Type, Value};
use crate::yaml::{Node, Scalar};

/// A decoded file.
#[derive(Debug)]
pub struct Document {
    /// The file.
    pub file: FileId,
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `inputs`, in order.
    pub inputs: Vec<InputDeclaration>,
    /// `connections`, in order.
    pub connections: Vec<Declared<Kind>>,
    /// `tasks`, in order.
    pub tasks: Vec<TaskDeclaration>,
    /// `outputs`, in order.
    pub outputs: Vec<Declared<()>>,
    /// `schedule`, in order.
    pub schedules: Vec<Schedule>,
}

/// A name with a value that is decided later.
#[derive(Debug)]
pub struct Declared<T> {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// What is known of it.
    pub kind: T,
    /// Its value.
    pub node: Node,
}

/// A declared input.
#[derive(Debug, Clone)]
pub struct InputDeclaration {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// Its type, `nullable` included.
    pub r#type: Type,
    /// `default`.
    pub default: Option<Value>,
    /// `enum`.
    pub allowed: Vec<Value>,
    /// `pattern`, compiled.
    pub pattern: Option<regex::Regex>,
    /// `min`.
    pub min: Option<f64>,
    /// `max`.
    pub max: Option<f64>,
    /// `sensitive`.
    pub sensitive: bool,
    /// `identity`.
    pub identity: bool,
    /// `description`.
    pub description: String,
}

/// A name in a list, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// What a task uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// A module.
    Module(String),
    /// A runbook beside this one.
    Runbook(String),
}

/// A declared task or call.
#[derive(Debug)]
pub struct TaskDeclaration {
    /// `id`.
    pub id: String,
    /// Where the id stands.
    pub id_span: Span,
    /// `uses`.
    pub uses: Uses,
    /// Where it stands.
    pub uses_span: Span,
    /// `with`.
    pub with: Option<Node>,
    /// `needs`.
    pub needs: Vec<Named>,
    /// `after`.
    pub after: Vec<Named>,
    /// `when`.
    pub when: Option<Scalar>,
    /// `for_each`.
    pub for_each: Option<Node>,
    /// `max_parallel`.
    pub max_parallel: Option<u32>,
    /// `connection`.
    pub connection: Option<Named>,
    /// `connections` of a call: (theirs, ours).
    pub connections: Vec<(String, Named)>,
    /// `retry` without its `when`.
    pub retry: Retry,
    /// `retry.when`.
    pub retry_when: Option<Scalar>,
    /// `timeout`.
    pub timeout: Option<Duration>,
    /// `until`.
    pub until: Option<Scalar>,
    /// `poll`.
    pub poll: Option<Poll>,
    /// `locks`.
    pub locks: Option<Node>,
    /// `preconditions`: (that, message).
    pub preconditions: Vec<(Scalar, Node)>,
    /// `postconditions`.
    pub postconditions: Vec<(Scalar, Node)>,
    /// `adopt`.
    pub adopt: bool,
    /// The whole task.
    pub span: Span,
}
