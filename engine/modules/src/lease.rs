//! The lease of a run in a cluster: a `coordination.k8s.io/v1` Lease, one per owner.
//!
//! Two machines may apply the same runbook to the same cluster; their state folders know nothing of
//! each other, the cluster does. The Lease is held by the run's name, so that a run that is taken up
//! again finds its own; a run that died is waited for until its lease has run out. Each write shows
//! the lease first, and renews it when it is older than a minute: a run that lost it meanwhile stops
//! before it writes. There is no loop in the background that could go on while the run hangs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use runbook_clients::kubernetes::{Connection, Deletion, Kind, Reference};
use runbook_clients::{Error, Undone};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::{Class, Failure};
use runbook_core::lease::Leases;
use runbook_core::module::Context;
use runbook_core::turn::Turn;
use serde_json::{Value, json};

use crate::connections;
use crate::failures;

/// Every cluster has this namespace, and whoever administers one may write there.
const NAMESPACE: &str = "kube-system";
/// Without a renewal the lease of a run that died blocks others for that long.
const LASTS: Duration = Duration::from_mins(5);
/// A lease that was shown less long ago is not shown again.
const FRESH: Duration = Duration::from_mins(1);
/// How often it is tried to write a Lease that others write, or whose answers are lost.
const TRIES: u32 = 3;
/// Beyond the end of another run's lease, for clocks that differ.
const MARGIN: Duration = Duration::from_secs(30);

/// Takes Leases in the clusters that a run writes to.
pub struct ClusterLeases {
    run: String,
    /// A second task that writes to the same cluster waits for the answer.
    turn: Turn,
    held: Mutex<BTreeMap<String, Held>>,
}

/// A Lease that this run holds.
struct Held {
    cluster: Connection,
    object: Reference,
    shown: Timestamp,
}

impl ClusterLeases {
    /// Leases of that run.
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into(), turn: Turn::default(), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes or renews the Lease. One that somebody else took in between is looked at again, and so
    /// is one whose answer was lost: if it was written, it is ours by now.
    async fn take(&self, cluster: &Connection, owner: &str) -> Result<Reference, Failure> {
        let kind = Kind::new("coordination.k8s.io/v1", "Lease");
        let object = Reference::new(kind, Some(NAMESPACE), name(owner));
        let mut left = TRIES;
        loop {
            left -= 1;
            let now = cluster.now();
            let live = cluster.get(&object).await.map_err(|error| refused(&error))?;
            let written = match live {
                None => cluster.create(&self.manifest(&object, owner, now)).await,
                Some(live) => {
                    if let Some(until) = held_by_another(&live, &self.run, now) {
                        return Err(taken(&live, owner, until));
                    }
                    cluster.merge_patch(&object, &self.renewal(&live, now)).await
                }
            };
            match written {
                Ok(_) => return Ok(object),
                Err(Undone::Ambiguous(_)) if left > 0 => {}
                Err(Undone::Rejected(error))
                    if left > 0 && (error.is_conflict() || error.already_exists()) => {}
                Err(undone) => return Err(refused(undone.error())),
            }
        }
    }

    fn manifest(&self, object: &Reference, owner: &str, now: Timestamp) -> Value {
        json!({
            "apiVersion": object.kind.api_version,
            "kind": object.kind.kind,
            "metadata": {
                "name": object.name,
                "namespace": NAMESPACE,
                "labels": {"app.kubernetes.io/managed-by": "runbook"},
                "annotations": {"runbook/owner": owner},
            },
            "spec": {
                "holderIdentity": self.run,
                "leaseDurationSeconds": LASTS.as_secs(),
                "acquireTime": micro_time(now),
                "renewTime": micro_time(now),
                "leaseTransitions": 0,
            },
        })
    }

    /// Bound to the version that was read: whoever is second is refused.
    fn renewal(&self, live: &Value, now: Timestamp) -> Value {
        let mut spec = json!({
            "holderIdentity": self.run,
            "leaseDurationSeconds": LASTS.as_secs(),
            "renewTime": micro_time(now),
        });
        if live["spec"]["holderIdentity"] != self.run.as_str() {
            spec["acquireTime"] = micro_time(now).into();
            spec["leaseTransitions"] =
                (live["spec"]["leaseTransitions"].as_i64().unwrap_or_default() + 1).into();
        }
        json!({
            "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
            "spec": spec,
        })
    }
}

#[async_trait]
impl Leases for ClusterLeases {
    async fn before_write(&self, context: &Context) -> Result<(), Failure> {
        let Some(connection) = context.connection.as_ref() else { return Ok(()) };
        if connection.kind != ConnectionKind::Kubernetes {
            return Ok(());
        }
        let cluster = connections::cluster(context)?.kubernetes;
        let identity = connection.identity_text();
        let _turn = self.turn.take(&context.clock).await;
        let now = cluster.now();
        if self.held().get(&identity).is_some_and(|one| after(one.shown, FRESH) > now) {
            return Ok(());
        }
        let object = self.take(&cluster, &context.owner.to_string()).await?;
        self.held().insert(identity, Held { cluster, object, shown: now });
        Ok(())
    }

    async fn give_back(&self) {
        let held = std::mem::take(&mut *self.held());
        for Held { cluster, object, .. } in held.into_values() {
            let Ok(Some(live)) = cluster.get(&object).await else { continue };
            if live["spec"]["holderIdentity"] != self.run.as_str() {
                continue;
            }
            let version = live["metadata"]["resourceVersion"].as_str().map(str::to_owned);
            let deletion = Deletion { resource_version: version, ..Deletion::default() };
            // What cannot be given back runs out by itself.
            drop(cluster.delete(&object, &deletion).await);
        }
    }
}

/// The name of an owner's Lease: `runbook-nodeless-myeks`.
fn name(owner: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }
    };
    let mut name = String::from("runbook-");
    name.extend(owner.chars().map(plain).take(200));
    name.trim_end_matches('-').to_owned()
}

fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Until when another run holds the Lease, when one does.
fn held_by_another(live: &Value, run: &str, now: Timestamp) -> Option<Timestamp> {
    let spec = &live["spec"];
    let holder = spec["holderIdentity"].as_str().unwrap_or_default();
    if holder.is_empty() || holder == run {
        return None;
    }
    let renewed: Timestamp = spec["renewTime"].as_str()?.parse().ok()?;
    let lasts = Duration::from_secs(spec["leaseDurationSeconds"].as_u64().unwrap_or_default());
    let until = after(renewed, lasts);
    (until > now).then_some(until)
}

fn taken(live: &Value, owner: &str, until: Timestamp) -> Failure {
    let holder = live["spec"]["holderIdentity"].as_str().unwrap_or_default();
    let message = format!(
        "the cluster's lease of {owner} is held by run `{holder}` until {}",
        until.strftime("%H:%M:%S")
    );
    Failure::new(Class::Conflict, message)
        .hint(format!(
            "wait for that run; when it has died, its lease runs out, or: kubectl delete lease -n {NAMESPACE} {}",
            name(owner)
        ))
        .passes_within(LASTS.saturating_add(MARGIN))
}

fn refused(error: &Error) -> Failure {
    let mut failure = failures::failure(error);
    failure.message = format!("failed to take the cluster's lease: {}", failure.message);
    if failure.class == Class::Denied {
        return failure.hint(format!(
            "a run holds a Lease in `{NAMESPACE}` while it writes: it needs get, create, patch and delete of leases.coordination.k8s.io there"
        ));
    }
    failure
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_lease_is_held_until_it_runs_out_and_never_against_its_own_run() {
        let live = json!({"spec": {
            "holderIdentity": "k3f9xw", "leaseDurationSeconds": 300,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        }});
        let (within, later) = (at("2026-01-01T00:04:59Z"), at("2026-01-01T00:05:00Z"));
        assert_eq!(held_by_another(&live, "other", within), Some(later));
        assert_eq!(held_by_another(&live, "other", later), None);
        assert_eq!(held_by_another(&live, "k3f9xw", within), None);
        for free in [json!({}), json!({"spec": {"holderIdentity": ""}})] {
            assert_eq!(held_by_another(&free, "other", within), None);
        }
    }

    #[test]
    fn names_and_times_are_what_the_api_takes() {
        assert_eq!(name("nodeless/myeks"), "runbook-nodeless-myeks");
        assert_eq!(name("Zoë's/x_"), "runbook-zo--s-x");
        assert_eq!(micro_time(at("2026-01-01T00:00:00.5Z")), "2026-01-01T00:00:00.500000Z");
    }
}
