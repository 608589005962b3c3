//! Who pays: worked examples by hand, rules, tables, and the laws that hold for any input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod change;
mod coverage;
mod properties;
mod rules;
mod scene;
mod tables;
mod worked;
