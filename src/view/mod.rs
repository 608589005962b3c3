//! What people see: pure functions from the engine's values to text.

pub(crate) mod diagnostics;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod json;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod runs;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod value;
pub(crate) mod words;

/// The small world of the engine's own tests: real plans, events and diagnostics.
#[cfg(test)]
#[path = "../../engine/core/tests/support/mod.rs"]
mod support;
