//! Kubernetes manifests: text becomes pods, daemonsets and node pools.
//!
//! YAML and JSON, lists and streams. Each document is found first ([`documents`]), then read by its
//! kind; a kind that stands for pods becomes a [`Workload`], others are passed over and named. What
//! Kubernetes' admission would have done is done here: requests default to limits, a port's protocol
//! to TCP, an object without a namespace is in `default`. Every problem of a file is reported, each
//! with the object it is about.

mod autoscaler;
mod document;
mod existing;
mod inventory_head;
mod job;
mod node_class;
mod node_pool;
mod pod_spec;
mod source;
mod storage;
mod table;
mod workload;

pub use autoscaler::Autoscaler;
pub(crate) use document::Object;
pub use document::documents;
pub(crate) use existing::inventory_objects;
pub use existing::{Existing, read_existing, read_inventory};
pub use inventory_head::{INVENTORY_VERSION, InventoryHead, read_inventory_head};
pub use job::{DURATION_ANNOTATION, JobFacts, Overlap, RunLength};
pub use node_class::read_node_classes;
pub use node_pool::{
    Budget, BudgetReason, BudgetSize, ConsolidationPolicy, Disruption, NodePool, read_node_pools,
};
pub(crate) use node_pool::{order, seconds};
pub use pod_spec::read_pod;
pub use source::{read_daemonsets, read_pods};
pub use storage::{Backing, Storage};
pub(crate) use table::line_of;
pub use table::read_table;
pub use workload::{Manifests, Workload, WorkloadKind, read};

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {object}{message}")]
pub struct Problem {
    source_name: String,
    object: String,
    message: String,
}

impl Problem {
    /// About a whole file.
    pub(crate) fn of_file(source_name: &str, message: impl Into<String>) -> Self {
        Self { source_name: source_name.to_owned(), object: String::new(), message: message.into() }
    }

    /// About one object.
    pub(crate) fn of_object(source_name: &str, object: &str, message: impl Into<String>) -> Self {
        Self {
            source_name: source_name.to_owned(),
            object: format!("{object}: "),
            message: message.into(),
        }
    }
}
