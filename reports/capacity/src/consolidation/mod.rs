//! Consolidation: what Karpenter 1.14 would take away or replace to pay less, and why not more.
//!
//! [`consolidate`] answers for nodes that are there, [`settled`] for pods that arrive in portions,
//! with consolidation to rest after each; [`pack_settled`] is the latter in
//! the form of a packing. All follow Karpenter's disruption controller: the methods
//! in their order ([`method`]: empty nodes, several nodes at once, single nodes), which nodes may be
//! disrupted at all and how many at once ([`candidate`]), what the `Balanced` policy thinks worth it
//! ([`balanced`]), each question answered by a trial of the same scheduler that packs
//! ([`crate::karpenter`]).
//!
//! What is simpler here than there: a step is over before the next begins, so budgets start afresh at
//! each; nothing changes during the fifteen seconds in which Karpenter looks again; no method runs
//! out of time. Where Karpenter takes nodes or pools of equal standing in the order of a Go map, this
//! takes them by name. A node that is launched is called `new-00001` and so on, in that order.

mod balanced;
mod candidate;
mod guards;
mod method;
mod outcome;
mod question;
mod settle;
#[cfg(test)]
mod tests;
mod why_not;
mod world;

pub use guards::read_guards;
pub use outcome::{Consolidation, End, Method, NewNode, RemovedNode, Settled, SettledNode, Step};
pub use question::{
    Arrivals, ConsolidationInput, ConsolidationOptions, Guards, PodDisruptionBudget,
};
pub use settle::{consolidate, pack_settled, settled};
pub use why_not::WhyNot;
