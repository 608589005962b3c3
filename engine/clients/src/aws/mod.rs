//! An AWS account and region.
//!
//! [`Connection::open`] takes the credentials of the environment (or given ones, or a role),
//! asks STS who they are *before anything else*, and refuses another account than the expected
//! one. The SDK's own retries are off; timeouts are set; one endpoint override serves every
//! service. Each service has a small client ([`Connection::eks`], [`Connection::iam`], …) with one
//! typed function per operation that a module needs. Paging happens inside, and what they return
//! are plain structs of ours.
//!
//! A function that looks for one thing returns `Option`: absent means that the service said so by
//! its error code. A write returns an [`Outcome`](crate::Outcome).

pub mod autoscaling;
pub mod cost_explorer;
pub mod ec2;
pub mod eks;
pub mod events;
pub mod iam;
pub mod pricing;
pub mod s3;
pub mod sqs;
pub mod sts;

mod call;
mod classify;
mod connection;
mod document;
mod interceptor;
mod operation;
mod partition;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use connection::{Connection, OpenError, Settings, StaticCredentials};
pub(crate) use interceptor::RUN_HEADER;
pub use partition::Partition;

/// Tags: names to values.
pub type Tags = BTreeMap<String, String>;

/// Health, as EKS reports it of clusters, profiles and add-ons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthIssue {
    /// For example `AccessDenied` or `InsufficientNumberOfReplicas`.
    pub code: String,
    /// What AWS says about it.
    pub message: String,
    /// What it is about.
    pub resources: Vec<String>,
}

/// The SDK's maps are unsorted; ours are not.
fn sorted<M>(map: Option<M>) -> Tags
where
    M: IntoIterator<Item = (String, String)>,
{
    map.into_iter().flatten().collect()
}

/// Whatever map the SDK asks for.
fn unsorted<M>(tags: &Tags) -> M
where
    M: FromIterator<(String, String)>,
{
    tags.clone().into_iter().collect()
}

fn timestamp(time: Option<&aws_smithy_types::DateTime>) -> Option<jiff::Timestamp> {
    let time = time?;
    jiff::Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}
