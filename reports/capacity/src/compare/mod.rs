//! What the same workloads cost in each way of running them, and what can be concluded.
//!
//! [`workload`] sorts what files said into workloads with hours, daemonsets and the cluster's own
//! [`system`]. [`sides`] bills each way to run them: pods on Fargate by their sizes, nodes as
//! [`fleet`] packs them in a [`shape`] that operators accept, each with its system layer. Every bill
//! is [`side`]'s lines, whose exact amounts add up. [`break_even`] is about one pod on one node.

mod allowed;
pub mod break_even;
pub mod fleet;
pub mod lever;
pub mod node_group;
pub(crate) mod on_fargate;
pub mod options;
mod room;
pub mod runs;
pub mod schedule;
pub mod shape;
pub mod side;
pub mod sides;
pub mod system;
mod useless;
pub mod verdict;
pub mod workload;

#[cfg(test)]
mod tests;
