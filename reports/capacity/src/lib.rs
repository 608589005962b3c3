//! Instance catalogue, price book, Fargate sizing and Karpenter packing: pure functions over data.
//!
//! Nothing here knows a cloud client, a clock or a file. [`catalogue`] and [`prices`] are embedded
//! tables; [`allocatable`] says what a node of a type offers; [`fargate`] what size a pod gets there
//! and what that costs; [`launch`] which machine Karpenter would start for some pods, [`karpenter`]
//! what it would make of a whole batch, [`consolidation`] what it would take away again. [`answer`] puts all this into the forms that others read.
//!
//! Money and resources are integers ([`money`], [`quantity`]); an unknown price is
//! [`money::Unpriced`] with its reason, never zero.

pub mod allocatable;
pub mod answer;
pub mod autoscalers;
pub mod catalogue;
pub mod compare;
pub mod consolidation;
mod embedded;
pub mod fargate;
pub mod karpenter;
pub mod launch;
pub mod manifest;
pub mod money;
pub mod node_requirement;
pub mod plural;
pub mod pod;
pub mod pod_resources;
pub mod prices;
pub mod quantity;
pub mod region;
