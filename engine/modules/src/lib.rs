//! The tasks a runbook can use: each observes, diffs, applies and verifies one kind of thing.
//!
//! | folder | modules |
//! |---|---|
//! | [`mod@aws`] | `sts.*`, `ec2.*`, `iam.*`, `eks.*`, `sqs.*`, `events.*` |
//! | [`mod@kubernetes`] | `k8s.*`, `helm.release`, `nodeless.verify` |
//! | [`mod@local`] | `http.fetch`, `shell`, `wait`, `assert` |
//!
//! A module is a leaf: nothing imports it but [`registry`]. What they share is small and named:
//! reading arguments, writing schemas, marks of ownership, failures, connections.

mod arguments;
mod aws;
mod charges;
mod connections;
mod failures;
mod kubernetes;
mod lease;
mod local;
mod marks;
mod schema;

use runbook_core::registry::Registry;

pub use connections::Cluster;
pub use lease::ClusterLeases;
pub use local::Machine;

/// All modules, on a machine of which nothing is known.
pub fn registry() -> Registry {
    registry_on(&Machine::default())
}

/// All modules; the processes that they start know this much of the machine.
pub fn registry_on(machine: &Machine) -> Registry {
    let mut registry = Registry::new();
    aws::register(&mut registry);
    kubernetes::register(&mut registry);
    local::register(&mut registry, machine);
    registry
}
