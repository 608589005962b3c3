//! The lease of a run in a cluster, against the sandbox: one run of an owner writes at a time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod cluster;

use std::time::Duration;

use cluster::World;
use runbook_clients::Access;
use runbook_clients::kubernetes::{Kind, Reference};
use runbook_core::failure::Class;
use runbook_core::lease::Leases as _;
use runbook_modules::ClusterLeases;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn one_run_of_an_owner_writes_in_a_cluster_at_a_time() {
    let world = World::with_cluster().await;
    let context = world.task("k8s.apply", json!({"manifests": []})).await.context;
    let kubernetes = world.kubernetes(Access::Read).await;
    let object = Reference::new(
        Kind::new("coordination.k8s.io/v1", "Lease"),
        Some("kube-system"),
        "runbook-nodeless-myeks",
    );
    let (first, second) = (ClusterLeases::new("first"), ClusterLeases::new("second"));

    first.before_write(&context).await.unwrap();
    let lease = kubernetes.get(&object).await.unwrap().expect("a Lease");
    assert_eq!(lease["spec"]["holderIdentity"], "first");
    assert_eq!(lease["metadata"]["annotations"]["runbook/owner"], "nodeless/myeks");
    let version = |lease: &serde_json::Value| lease["metadata"]["resourceVersion"].clone();

    // A fresh lease is not shown again; another run is refused, and may try again.
    first.before_write(&context).await.unwrap();
    assert_eq!(version(&kubernetes.get(&object).await.unwrap().unwrap()), version(&lease));
    let refused = second.before_write(&context).await.unwrap_err();
    assert_eq!(refused.class, Class::Conflict);
    assert!(
        refused
            .message
            .starts_with("the cluster's lease of nodeless/myeks is held by run `first` until "),
        "{refused}"
    );
    assert!(refused.passes_within.is_some_and(|time| time > Duration::from_mins(5)));

    // It is renewed by a later write, and by the same run in another process.
    world.sleep(Duration::from_mins(4)).await;
    first.before_write(&context).await.unwrap();
    ClusterLeases::new("first").before_write(&context).await.unwrap();
    world.sleep(Duration::from_mins(4)).await;
    second.before_write(&context).await.unwrap_err();

    // A run that died is waited for no longer than its lease lasts; one that was only slow has lost
    // it, and stops before it writes.
    world.sleep(Duration::from_mins(1)).await;
    second.before_write(&context).await.unwrap();
    let lost = first.before_write(&context).await.unwrap_err();
    assert!(lost.message.contains("is held by run `second`"), "{lost}");
    let lease = kubernetes.get(&object).await.unwrap().unwrap();
    assert_eq!(lease["spec"]["leaseTransitions"], 1);

    // What one gave up is not taken from who has it now; what one has is given back.
    first.give_back().await;
    assert!(kubernetes.get(&object).await.unwrap().is_some());
    second.give_back().await;
    assert!(kubernetes.get(&object).await.unwrap().is_none());
    first.before_write(&context).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_answer_was_lost_is_looked_at_again() {
    let world = World::with_cluster().await;
    let context = world.task("k8s.apply", json!({"manifests": []})).await.context;
    let lost = "- {operation: 'kubernetes:create leases*', kind: lost_reply}\n\
                - {operation: 'kubernetes:patch leases*', kind: lost_reply}\n";
    world.served.control().load_faults(runbook_sandbox::parse_faults(lost).unwrap()).await.unwrap();
    let leases = ClusterLeases::new("only");
    leases.before_write(&context).await.unwrap();
    let other = ClusterLeases::new("other").before_write(&context).await.unwrap_err();
    assert!(other.message.contains("is held by run `only`"), "{other}");
}
