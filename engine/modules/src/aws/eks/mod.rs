//! EKS: the cluster, who may speak to it, its add-ons and Fargate profiles.
//!
//! What EKS makes lives through statuses over minutes, and three of them change what is to be done:
//! something that is being deleted is made anew when it is gone; something whose creation failed
//! never recovers and is replaced ([`lived`]). A cluster takes one operation on its control plane or
//! its profiles at a time, hence [`control_plane`].

pub(super) mod access_entry;
pub(super) mod addon;
pub(super) mod authentication_mode;
pub(super) mod cluster;
pub(super) mod fargate_profile;
pub(super) mod nodes;
mod updates;

use std::time::Duration;

use runbook_clients::aws::{Connection, HealthIssue};
use runbook_core::change::{Action, Change};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Lock, LockUntil, Observed};
use runbook_core::owner::Owner;

use super::settling::Stopped;
use super::tagged;
use crate::failures::Read as _;

/// How long a deletion may be in the way of a creation.
const DELETION: Duration = Duration::from_mins(40);

/// The exclusivity of a cluster's control plane, kept until its operation is over.
fn control_plane(cluster: &str) -> Vec<Lock> {
    vec![Lock { name: format!("eks/{cluster}/control-plane"), until: LockUntil::Converged }]
}

/// The status that was observed.
fn status(observed: &Observed) -> &str {
    match observed {
        Observed::Present(observation) => {
            observation.private.get("status").and_then(|it| it.as_str()).unwrap_or_default()
        }
        Observed::Absent => "",
    }
}

/// What there is to do in view of the status: see this folder's documentation.
fn lived(change: Change, observed: &Observed) -> Change {
    let (action, reason) = match status(observed) {
        "DELETING" => (Action::Create, "it is being deleted, and is made anew when it is gone"),
        "FAILED" | "CREATE_FAILED" => {
            (Action::Replace, "its creation failed, and it does not recover")
        }
        "DELETE_FAILED" => (Action::Replace, "its deletion failed half-way"),
        _ => return change,
    };
    let reasons = change.reasons.into_iter().chain([reason.to_owned()]).collect();
    Change { action, reasons, ..change }
}

/// Refuses to make what is still being deleted; the engine looks again after a pause.
fn check_gone(kind: &str, name: &str, observed: &Observed) -> Result<(), Stopped> {
    if status(observed) != "DELETING" {
        return Ok(());
    }
    Err(Failure::new(Class::Conflict, format!("{kind} `{name}` is still being deleted"))
        .passes_within(DELETION)
        .into())
}

/// Health issues, one line each.
fn issues(health: &[HealthIssue]) -> Vec<String> {
    health
        .iter()
        .map(|issue| {
            let about = issue.resources.join(", ");
            let about = if about.is_empty() { about } else { format!(" ({about})") };
            format!("{}: {}{about}", issue.code, issue.message.trim_end_matches('.'))
        })
        .collect()
}

/// A status with what is wrong, for a person who waits.
fn waiting(status: &str, health: &[HealthIssue]) -> String {
    let issues = issues(health);
    if issues.is_empty() { status.to_owned() } else { format!("{status}: {}", issues.join("; ")) }
}

/// A status from which nothing recovers.
fn broken(kind: &str, name: &str, status: &str, health: &[HealthIssue]) -> Failure {
    let mut failure = Failure::new(Class::Terminal, format!("{kind} `{name}` is {status}"));
    failure.evidence = issues(health);
    failure
}

/// The names of the clusters that carry the owner's mark.
async fn clusters_of(aws: &Connection, owner: &Owner) -> Result<Vec<String>, Failure> {
    let eks = aws.eks();
    let mut owned = Vec::new();
    for name in eks.clusters().await.read()? {
        let cluster = eks.cluster(&name).await.read()?;
        if cluster.is_some_and(|cluster| tagged::address_of(owner, &cluster.tags).is_some()) {
            owned.push(name);
        }
    }
    Ok(owned)
}
