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
#[path = "properties/reducer.rs"]
mod reducer;

use proptest::test_runner::Config;

/// So many cases, and no file beside the test: what failed is printed.
fn cases(count: u32) -> Config {
    Config { cases: count, failure_persistence: None, ..Config::default() }
}
