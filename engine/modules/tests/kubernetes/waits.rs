//! What is waited for and read: restarts, rollouts, conditions, tables, node pools.

use std::time::Duration;

use runbook_clients::Access;
use runbook_core::change::Action;
use runbook_core::failure::Class;
use runbook_core::module::{Applied, Verdict};
use runbook_core::value::Value;
use serde_json::{Value as Json, json};

use crate::cluster::World;
use crate::{deployment, object};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_puts_pods_on_fargate_that_were_made_before_their_profile() {
    let world = World::with_cluster().await;
    // The pods are made while there is no profile, and wait for a node that never comes.
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 2), "wait": false}))
        .await
        .run()
        .await;
    world.sleep(Duration::from_secs(30)).await;
    let placed = world
        .task("k8s.on_fargate", json!({"namespace": "default", "selector": "app=web", "minimum": 2, "minimum_zones": 4}))
        .await;
    let reason = placed.not_yet().await;
    assert!(reason.starts_with("0 of 2 pods on Fargate\ndefault/web-"), "{reason}");
    assert!(reason.contains("is Pending on no node"), "{reason}");
    assert!(reason.contains("have to be made again"), "{reason}");
    world.profile("default").await;
    let restart =
        world.task("k8s.rollout_restart", json!({"namespace": "default", "name": "web"})).await;
    let (_, change) = restart.look().await;
    assert_eq!((change.action, change.reasons.len()), (Action::Update, 2));
    assert!(change.reasons[0].contains("made before a Fargate profile took it"), "{change:?}");
    let (action, outputs) = restart.run().await;
    assert_eq!(action, Action::Update);
    assert!(outputs["restarted_at"].as_str().is_some());
    let outputs = placed.converge().await;
    assert_eq!(outputs["pods"].as_list().unwrap().len(), 2);
    assert!(outputs["warning"].as_str().unwrap().contains("of the 4 zones"));
    let rollout = world.task("k8s.rollout", json!({"namespace": "default", "name": "web"})).await;
    let outputs = rollout.converge().await;
    assert_eq!((outputs["replicas"].as_i64(), outputs["ready"].as_i64()), (Some(2), Some(2)));
    // A paused Deployment is refused, but only where there is something to do.
    let paused = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "default",
        "name": "web", "patch": {"spec": {"paused": true}}});
    world.task("k8s.patch", paused).await.run().await;
    assert_eq!(restart.action().await, Action::None);
    let always = restart.with(json!({"namespace": "default", "name": "web", "unless": "never"}));
    let failure = always.module.observe(&always.context, &always.arguments).await.unwrap_err();
    assert!(failure.message.contains("is paused"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_came_before_the_webhook_is_a_failure_that_passes() {
    let world = World::with_cluster().await;
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 1), "wait": false}))
        .await
        .run()
        .await;
    world.sleep(Duration::from_secs(30)).await;
    let restart =
        world.task("k8s.rollout_restart", json!({"namespace": "default", "name": "web"})).await;
    assert_eq!(restart.write().await, Action::Update);
    world.sleep(Duration::from_secs(30)).await;
    let failure = restart.wait().await.unwrap_err();
    assert!(failure.passes_within.is_some(), "{failure:?}");
    assert!(failure.message.contains("was restarted, and default/web-"), "{failure:?}");
    // The same attempt again writes nothing: its token is on the template.
    let (observed, change) = restart.look().await;
    let kubernetes = world.kubernetes(Access::Write).await;
    let web = object("apps/v1", "Deployment", Some("default"), "web");
    let before = kubernetes.get(&web).await.unwrap().unwrap()["metadata"]["generation"].clone();
    assert!(matches!(restart.apply(&observed, &change).await, Applied::Acknowledged(_)));
    assert_eq!(kubernetes.get(&web).await.unwrap().unwrap()["metadata"]["generation"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_says_what_it_waits_for() {
    let world = World::with_cluster().await;
    let rollout = world.task("k8s.rollout", json!({"namespace": "default", "name": "web"})).await;
    assert_eq!(rollout.not_yet().await, "there is no Deployment default/web yet");
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 1), "wait": false}))
        .await
        .run()
        .await;
    world.sleep(Duration::from_secs(30)).await;
    let reason = rollout.not_yet().await;
    assert!(reason.starts_with("0 of 1 new pods of `web` are available\ndefault/web-"), "{reason}");
    assert!(reason.contains("its last event, "), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_for_presence_conditions_and_absence() {
    let world = World::with_cluster().await;
    let named = |more: Json| {
        let mut arguments = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let wait = world.task("k8s.wait", named(json!({"condition": "Available"}))).await;
    assert_eq!(wait.not_yet().await, "there is no Deployment default/web yet");
    assert!(matches!(
        wait.with(named(json!({"gone": true}))).verify().await,
        Ok(Verdict::Converged(_))
    ));
    world.profile("default").await;
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 1), "wait": false}))
        .await
        .run()
        .await;
    let reason = wait.not_yet().await;
    assert!(reason.contains("Available"), "{reason}");
    wait.converge().await;
    let pods =
        json!({"api_version": "v1", "kind": "Pod", "namespace": "default", "selector": "app=web"});
    let mut ready = pods.clone();
    ready["condition"] = "Ready".into();
    wait.with(ready).converge().await;
    let mut gone = pods;
    gone["gone"] = true.into();
    let gone = wait.with(gone);
    let reason = gone.not_yet().await;
    assert!(
        reason.starts_with("Pod default/web-") && reason.ends_with("is still there"),
        "{reason}"
    );
    let both = wait.with(named(json!({"selector": "a=b"})));
    assert_eq!(both.module.check(&both.arguments)[0].0, "selector");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_and_one_that_is_not_there_is_no_error() {
    let world = World::with_cluster().await;
    let get = world
        .task("k8s.get", json!({"api_version": "v1", "kind": "Namespace", "name": "kube-system"}))
        .await;
    let outputs = get.converge().await;
    assert_eq!(outputs["exists"], true.into());
    let object = outputs["object"].as_map().unwrap();
    assert_eq!(object["status"].as_map().unwrap()["phase"], "Active".into());
    assert!(!object["metadata"].as_map().unwrap().contains_key("managedFields"));
    for (api_version, kind) in [("v1", "Namespace"), ("nobody.example.com/v1", "Thing")] {
        let outputs = get
            .with(json!({"api_version": api_version, "kind": kind, "name": "no"}))
            .converge()
            .await;
        assert_eq!((&outputs["exists"], &outputs["object"]), (&false.into(), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_what_kubectl_prints() {
    let world = World::with_cluster().await;
    world.profile("default").await;
    world.task("k8s.apply", json!({"manifest": deployment("default", "web", 1)})).await.run().await;
    let texts = |value: &Value| -> Vec<String> {
        value.as_list().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let table = world.task("k8s.table", json!({})).await;
    let outputs = table.converge().await;
    assert_eq!(
        texts(&outputs["columns"]),
        [
            "NAMESPACE",
            "NAME",
            "READY",
            "STATUS",
            "RESTARTS",
            "AGE",
            "IP",
            "NODE",
            "NOMINATED NODE",
            "READINESS GATES"
        ]
    );
    let rows = outputs["rows"].as_list().unwrap();
    let row = texts(&rows[0]);
    assert_eq!(
        (rows.len(), &row[0], &row[2], &row[3]),
        (1, &"default".to_owned(), &"1/1".to_owned(), &"Running".to_owned())
    );
    assert!(row[7].starts_with("fargate-ip-192-168-"), "{row:?}");
    assert_eq!(row[8], "<none>");
    let narrow = table.with(json!({"namespace": "default", "wide": false})).converge().await;
    assert_eq!(texts(&narrow["columns"]), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    let nodes = table.with(json!({"kind": "Node"})).converge().await;
    assert_eq!(texts(&nodes["columns"])[0], "NAME", "nodes have no namespace");
    let unknown = table.with(json!({"api_version": "no.example.com/v1", "kind": "Thing"}));
    assert_eq!(unknown.verify().await.unwrap_err().class, Class::NotFound);
}

/// A definition whose objects may hold anything in spec and status.
fn definition(group: &str, kind: &str, plural: &str) -> Json {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Cluster", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": open, "status": open}}}}]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_pool_is_ready_by_its_own_word_and_its_pods_run_on_its_nodes() {
    let world = World::with_cluster().await;
    world.profile("karpenter").await;
    world.node_role("nodes").await;
    world.addon("vpc-cni").await;
    let mut controller = deployment("karpenter", "karpenter", 1);
    controller["metadata"]["labels"]["app.kubernetes.io/name"] = "karpenter".into();
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "karpenter"}});
    let installed = json!({"manifests": [namespace, controller,
        definition("karpenter.sh", "NodePool", "nodepools"),
        definition("karpenter.sh", "NodeClaim", "nodeclaims"),
        definition("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclasses")]});
    world.task("k8s.apply", installed).await.run().await;
    let class = json!({"apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass",
        "metadata": {"name": "default"},
        "spec": {"role": "nodes", "amiSelectorTerms": [{"alias": "al2023@v20260901"}],
            "subnetSelectorTerms": [{"tags": {"Name": "nothing"}}],
            "securityGroupSelectorTerms": [{"tags": {"aws:eks:cluster-name": "myeks"}}]}});
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "metadata": {"name": "default"},
        "spec": {"limits": {"cpu": 1000},
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"},
            "template": {"spec": {"expireAfter": "720h",
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": [
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]}]}}}});
    // A class that finds no subnet is not ready, and says why.
    let pools = world.task("k8s.apply", json!({"manifests": [class, pool]})).await;
    assert_eq!(pools.write().await, Action::Create);
    let reason = pools.not_yet().await;
    assert!(reason.contains("EC2NodeClass default is not ready: UnhealthyDependents"), "{reason}");
    let mut found = class.clone();
    found["spec"]["subnetSelectorTerms"][0]["tags"]["Name"] = "myeks-PrivateSubnet1".into();
    let pools = pools.with(json!({"manifests": [found, pool]}));
    assert_eq!(pools.run().await.0, Action::Update);
    // Pods that fit nowhere get a node of the pool.
    let placed = world
        .task("k8s.on_karpenter", json!({"namespace": "default", "selector": "app=web"}))
        .await;
    assert_eq!(placed.not_yet().await, "0 of 1 pods on nodes of Karpenter");
    world.task("k8s.apply", json!({"manifest": deployment("default", "web", 1)})).await.run().await;
    let outputs = placed.converge().await;
    let pod = outputs["pods"].as_list().unwrap()[0].as_map().unwrap().clone();
    assert_eq!(
        (&pod["node_pool"], &pod["capacity_type"]),
        (&"default".into(), &"on-demand".into())
    );
    assert_eq!(pod["zone"], "ap-northeast-2a".into());
    assert!(pod["instance_type"].as_str().is_some() && pod["node"].as_str().is_some(), "{pod:?}");
}
