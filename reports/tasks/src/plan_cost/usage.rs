//! How much a plan's things will be used, as somebody who knows wrote it down.
//!
//! ```yaml
//! usage:
//!   karpenter/queue: {sqs_requests: 3000000}
//!   reports/nightly: {pod_hours: 40}
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a file of expected usage says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedUsage {
    /// By address of the task.
    #[serde(default)]
    usage: BTreeMap<String, Amounts>,
}

/// Of one task, per month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amounts {
    /// Requests to a queue.
    sqs_requests: Option<u64>,
    /// Hours that one pod of it runs.
    pod_hours: Option<u64>,
}

/// Why a file of expected usage cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// It is not what it should be.
    #[error("{file} says no expected usage: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong, and where.
        why: String,
    },
    /// It speaks of tasks that are not in the plan.
    #[error("{file} speaks of tasks that the plan does not have: {addresses}")]
    Unknown {
        /// The file.
        file: String,
        /// Which.
        addresses: String,
    },
}

impl ExpectedUsage {
    /// Reads a file; each address has to be one of these.
    pub fn read<'a>(
        file: &str,
        text: &str,
        addresses: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UsageError> {
        let usage: Self = serde_saphyr::from_str(text).map_err(|error| UsageError::Unreadable {
            file: file.to_owned(),
            why: error.to_string().lines().next().unwrap_or_default().to_owned(),
        })?;
        let known: std::collections::BTreeSet<&str> = addresses.into_iter().collect();
        let unknown: Vec<&str> =
            usage.usage.keys().map(String::as_str).filter(|one| !known.contains(one)).collect();
        if unknown.is_empty() {
            Ok(usage)
        } else {
            Err(UsageError::Unknown { file: file.to_owned(), addresses: unknown.join(", ") })
        }
    }

    pub(super) fn sqs_requests(&self, address: &str) -> Option<u64> {
        self.usage.get(address)?.sqs_requests
    }

    pub(super) fn pod_hours(&self, address: &str) -> Option<u64> {
        self.usage.get(address)?.pod_hours
    }
}
