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
        write_part(formatter, &self.id, self.key.as_deref())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.iter().map(|part| (part.id.as_str(), part.key.as_deref()));
        write(formatter, parts)
    }
}

/// The text of an address, from its parts.
pub(crate) fn write<'a>(
    to: &mut impl fmt::Write,
    parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> fmt::Result {
    for (position, (id, key)) in parts.into_iter().enumerate() {
        if position > 0 {
            to.write_str("/")?;
        }
        write_part(to, id, key)?;
    }
    Ok(())
}

fn write_part(to: &mut impl fmt::Write, id: &str, key: Option<&str>) -> fmt::Result {
    to.write_str(id)?;
    let Some(key) = key else { return Ok(()) };
    to.write_str("[")?;
    write_quoted(to, key)?;
    to.write_str("]")
}

/// A key in double quotes, with `"` and `\` escaped.
fn write_quoted(to: &mut impl fmt::Write, key: &str) -> fmt::Result {
    to.write_str("\"")?;
    let mut rest = key;
    while let Some(at) = rest.find(['"', '\\']) {
        to.write_str(&rest[..at])?;
        to.write_str("\\")?;
        to.write_str(&rest[at..=at])?;
        rest = &rest[at + 1..];
    }
    to.write_str(rest)?;
    to.write_str("\"")
}
