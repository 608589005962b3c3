//! Answers in the forms that others read: CSV, JSON with a schema, and the figures of a table.
//!
//! Each answer is a plain value with a CSV, a JSON and a verdict on whether anything is missing from
//! it. A figure that does not exist is empty (null in JSON), and the reason stands beside it. Text
//! from manifests is made harmless on its way out ([`written`]).

pub mod allocatable;
pub mod autoscalers;
pub mod compare;
pub mod consolidation;
mod coverage;
pub mod fargate;
pub mod pack;
pub mod prices;
pub mod schema;
pub mod written;

pub use coverage::{PriceAge, PriceCoverage};

#[cfg(test)]
mod tests;

/// Whether something is missing from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Everything is placed and priced.
    Complete,
    /// Some pods have no place; that wins over a missing price.
    Unplaced,
    /// A pod, a node or a total has no price.
    Unpriced,
}
