//! Properties of the engine: random runbooks, random happenings, random worlds, each held against
//! a rule that was written without looking at the code that obeys it.
//!
//! Each module takes one stage: the graph, the evaluator, the reducer, resuming, the plan. Cases
//! are counted, so the whole takes seconds; a failing case prints what it was made from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod support;

#[path = "properties/dice.rs"]
mod dice;
#[path = "properties/evaluator.rs"]
mod evaluator;
#[path = "properties/expressions.rs"]
mod expressions;
#[path = "properties/graph.rs"]
mod graph;
#[path = "properties/plan.rs"]
mod plan;
#[path = "properties/reducer.rs"]
mod reducer;
#[path = "properties/reference.rs"]
mod reference;
#[path = "properties/resume.rs"]
mod resume;
#[path = "properties/skipped.rs"]
mod skipped;

use proptest::test_runner::Config;

/// So many cases, and no file beside the test: what failed is printed. A seed does not shrink.
fn cases(count: u32) -> Config {
    Config { cases: count, failure_persistence: None, max_shrink_iters: 0, ..Config::default() }
}
