//! `nodeless.verify` reads a real cluster of the sandbox; what the judges make of worlds is tested
//! beside them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use serde_json::json;
use support::{CLUSTER, World};

#[tokio::test]
async fn a_cluster_without_karpenter_lacks_exactly_that() {
    let world = World::with_cluster().await;
    world.profile("kube-system").await;
    world.addon("coredns").await;
    let task =
        world.task("nodeless.verify", json!({"cluster": CLUSTER, "profiles": ["kube-system"]}));
    let task = task.await;
    world
        .until("coredns is as it should be", async || !task.not_yet().await.contains(" coredns:"))
        .await;
    let missing = task.not_yet().await;
    let lines: Vec<&str> = missing.lines().skip(1).map(str::trim).collect();
    let subjects: Vec<&str> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        subjects,
        ["A7 OIDC provider", "K5 karpenter", "K5 EC2NodeClass", "K5 NodePool"],
        "{missing}"
    );
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_named() {
    let world = World::with_cluster().await;
    let arguments = json!({"cluster": CLUSTER, "profiles": ["kube-system"],
        "releases": {"karpenter": {"namespace": "karpenter", "version": "1.14.1"}}});
    let task = world.task("nodeless.verify", arguments).await;
    let missing = task.not_yet().await;
    assert!(
        missing.contains("A5 Fargate profile kube-system: there is no such profile"),
        "{missing}"
    );
    assert!(
        missing.contains("K7 release karpenter/karpenter: there is no such release"),
        "{missing}"
    );
}
