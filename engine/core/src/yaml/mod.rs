//! The node tree of a YAML text: every value with its place.
//!
//! Built from the events of granit-parser within budgets, because serde stops at the first error
//! and loses places behind tagged and flattened types; text that is plain enough is read without them
//! (`plain`). A scalar can tell where each part of its
//! decoded text stands in the file ([`Scalar::place`]), whatever its style, so that an error inside
//! an expression has a true line and column.
//!
//! Decisions: one document per file; aliases are resolved by copying within a budget (an alias
//! bomb is refused, not expanded); merge keys (`<<`) and tags other than the core schema's are
//! refused; keys are text; a duplicate key is an error with both places.

mod build;
mod plain;
mod scalar;
#[cfg(test)]
mod tests;

pub use build::parse;
pub use scalar::{Scalar, Style};

use std::sync::Arc;

use crate::source::Span;

/// A value of a YAML text.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands.
    pub span: Span,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Text, quoted or plain; plain text may mean a number, a boolean or null.
    Scalar(Scalar),
    /// A list. Who keeps a part of a file does not copy it.
    Sequence(Arc<Vec<Node>>),
    /// Entries in the order of the file; keys are unique.
    Mapping(Arc<Vec<Entry>>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The entry of that key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            NodeKind::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The scalar, when this is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// What a person would call it: `a list`, `a map`, `text`, `a number`.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a map",
            NodeKind::Scalar(scalar) => match scalar.value() {
                crate::value::Value::Null => "nothing",
                crate::value::Value::Boolean(_) => "a boolean",
                crate::value::Value::Integer(_) => "a whole number",
                crate::value::Value::Number(_) => "a number",
                _ => "text",
            },
        }
    }
}
