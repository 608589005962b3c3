//! Where a task stands: `fargate["a"]/profile["kube-system"]`.
//!
//! A *path* is static (`fargate/profile`), known before anything is evaluated. An *address* is a
//! path whose repeated parts carry their keys. Locks, ownership and the journal know addresses of
//! leaf tasks only.

use std::fmt;

/// One part of an address: the id of a call or a task, and its key when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// `[a-z][a-z0-9_]*`.
    pub id: String,
    /// The key of `for_each`.
    pub key: Option<String>,
}

/// The address of a task, of a call, or of the runbook itself (no parts).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub Vec<Part>);

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            None => formatter.write_str(&self.id),
            Some(key) => write!(formatter, "{}[{}]", self.id, Quoted(key)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("/")?;
            }
            part.fmt(formatter)?;
        }
        Ok(())
    }
}

/// A key in double quotes, with `"` and `\` escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                formatter.write_str("\\")?;
            }
            write!(formatter, "{character}")?;
        }
        formatter.write_str("\"")
    }
}
