//! What the same workloads cost in each way of running them, and what can be concluded.

pub mod break_even;
pub mod shape;
