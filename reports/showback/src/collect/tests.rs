//! What samples keep of objects, and what not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::{Value, json};

use super::{Annotations, observed_of_inventory};
use crate::observed::{CapacityType, Observed, Place, Source};

const AT: &str = "2026-11-26T07:00:00Z";

fn inventory(items: Value) -> String {
    json!({
        "kind": "Inventory", "version": 1, "madeBy": "runbook 0.1.0", "source": "aws",
        "account": "111122223333", "region": "ap-northeast-2", "cluster": "demo",
        "collectedAt": AT, "missing": ["batch/v1 Job: forbidden"], "items": items,
    })
    .to_string()
}

fn observed(items: Value) -> Observed {
    let annotations = Annotations::named(["cost/center".to_owned()]);
    observed_of_inventory("inventory.json", &inventory(items), None, annotations).unwrap()
}

fn owned(kind: &str, name: &str, uid: &str) -> Value {
    json!([{"controller": true, "kind": kind, "name": name, "uid": uid}])
}

fn pod(name: &str, node: &str, owner: Value, spec: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "uid": format!("uid-{name}"), "name": name, "namespace": "shop",
            "labels": {"team": "a", "pod-template-hash": "6d8"},
            "annotations": {
                "cost/center": "42", "vault.example.com/token": "hunter2",
                "kubectl.kubernetes.io/last-applied-configuration": "hunter2",
            },
            "ownerReferences": owner,
        },
        "spec": spec,
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-26T06:00:00Z"}],
            "containerStatuses": [
                {"state": {"running": {"startedAt": "2026-11-26T06:30:00Z"}},
                 "lastState": {"terminated": {"startedAt": "2026-11-26T06:00:40Z", "finishedAt": "2026-11-26T06:20:00Z"}}},
                {"state": {"running": {"startedAt": "2026-11-26T06:00:45Z"}}},
            ],
        },
    });
    pod["spec"]["nodeName"] = json!(node);
    pod
}

fn asking(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{
        "name": "c", "env": [{"name": "TOKEN", "value": "hunter2"}], "command": ["hunter2"],
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
    }]})
}

#[test]
fn a_pod_is_its_owner_its_requests_and_its_times() {
    let items = json!([
        {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": "gold"}}},
        {"kind": "Namespace", "metadata": {"name": "kube-system", "creationTimestamp": "2026-11-01T00:00:00Z"}},
        {"kind": "ReplicaSet", "metadata": {"uid": "r1", "name": "web-6d8", "ownerReferences": owned("Rollout", "web", "x")}},
        pod("web-1", "ip-1", owned("ReplicaSet", "web-6d8", "r1"), asking("100m", "1Gi")),
        pod("api-1", "ip-1", owned("ReplicaSet", "api-6d8", "gone"), asking("1", "1Gi")),
        pod("bare-1", "ip-1", owned("ReplicaSet", "bare", "gone"), asking("1", "1Gi")),
        pod("agent-1", "ip-1", owned("DaemonSet", "agent", "d1"), json!({"containers": [{"name": "c"}]})),
        pod("alone", "", Value::Null, asking("1", "not-a-size")),
    ]);
    let seen = observed(items);
    let pod = |name: &str| seen.pods.iter().find(|pod| pod.name == name).unwrap();
    let owner = |name: &str| {
        let controller = pod(name).controller.as_ref();
        controller.map(|controller| format!("{}/{}", controller.kind, controller.name))
    };
    assert_eq!(owner("web-1").as_deref(), Some("Rollout/web"));
    // Its ReplicaSet is not there; its name and the hash of its template say whose it was.
    assert_eq!(owner("api-1").as_deref(), Some("Deployment/api"));
    assert_eq!(owner("bare-1").as_deref(), Some("ReplicaSet/bare"));
    assert_eq!(owner("agent-1").as_deref(), Some("DaemonSet/agent"));
    assert_eq!(owner("alone"), None);
    let web = pod("web-1");
    assert_eq!((web.requests.cpu.unwrap().0, web.requests.memory.unwrap().0), (100, 1 << 30));
    assert_eq!(web.scheduled, "2026-11-26T06:00:00Z".parse().ok());
    // It was restarted; it had started before.
    assert_eq!(web.started, "2026-11-26T06:00:40Z".parse().ok());
    assert_eq!(web.namespace_labels.get("tier").map(String::as_str), Some("gold"));
    assert!(pod("agent-1").requests.is_empty());
    assert_eq!(
        (pod("alone").place.clone(), pod("alone").requests.is_empty()),
        (Place::Nowhere, true)
    );
    // What cannot be read is named, and so is what was not seen.
    let named: Vec<_> = seen.findings.iter().map(|one| (one.code, one.subject.as_str())).collect();
    assert_eq!(named, [("not_seen", "batch/v1 Job"), ("not_seen", "v1 Pod")]);
    assert!(seen.findings[1].message.contains("not-a-size"), "{}", seen.findings[1].message);

    // One look: a rate, nothing of the past.
    assert_eq!(seen.clusters[0].looks, 1);
    assert_eq!(seen.clusters[0].covered, []);
    assert_eq!(seen.clusters[0].created, "2026-11-01T00:00:00Z".parse().ok());
    assert!(seen.window.is_empty() && seen.window.start == AT.parse().unwrap());
    assert!(seen.pods.iter().all(|pod| pod.source == Source::Snapshot));
    // Of annotations the one that was asked for; nothing of what the workload is told.
    let kept: Vec<_> = web.annotations.iter().collect();
    assert_eq!(kept, [(&"cost/center".to_owned(), &"42".to_owned())]);
    assert!(!format!("{seen:?}").contains("hunter2"));
    let asked = Annotations::named(["kubectl.kubernetes.io/last-applied-configuration".to_owned()]);
    assert_eq!(asked, Annotations::default());
}

#[test]
fn a_pod_on_fargate_has_the_size_that_is_billed() {
    let mut said = pod("said", "fargate-ip-1", Value::Null, asking("250m", "256Mi"));
    said["metadata"]["annotations"]["CapacityProvisioned"] = json!("0.5vCPU 1GB");
    // On a node the annotation was written by hand, and says nothing.
    let mut forged = pod("forged", "ip-1", Value::Null, asking("250m", "256Mi"));
    forged["metadata"]["annotations"]["CapacityProvisioned"] = json!("0.5vCPU 1GB");
    let reckoned = pod("reckoned", "fargate-ip-2", Value::Null, asking("1", "8Gi"));
    let too_big = pod("big", "fargate-ip-3", Value::Null, asking("64", "8Gi"));
    let seen = observed(json!([said, forged, reckoned, too_big]));
    let place = |name: &str| seen.pods.iter().find(|pod| pod.name == name).unwrap().place.clone();
    let told = |name: &str| match place(name) {
        Place::Fargate { size, is_annotated, .. } => {
            format!(
                "{} {is_annotated}",
                size.map_or_else(|| "none".to_owned(), |size| size.to_string())
            )
        }
        other => format!("{other:?}"),
    };
    assert_eq!(told("said"), "0.5vCPU 1GB true");
    assert_eq!(told("forged"), "Node(\"ip-1\")");
    assert_eq!(told("reckoned"), "2vCPU 9GB false");
    assert_eq!(told("big"), "none false");
}

#[test]
fn a_machine_is_its_instance_whatever_kubernetes_calls_it() {
    let labels = json!({
        "node.kubernetes.io/instance-type": "m7g.large", "karpenter.sh/capacity-type": "spot",
        "topology.kubernetes.io/zone": "ap-northeast-2a", "karpenter.sh/nodepool": "default",
        "eks.amazonaws.com/compute-type": "auto",
    });
    let claim = |name: &str, id: Option<&str>| {
        let provider = id.map(|id| format!("aws:///ap-northeast-2a/{id}"));
        json!({
            "kind": "NodeClaim",
            "metadata": {"uid": format!("claim-{name}"), "name": name, "labels": labels, "creationTimestamp": "2026-11-26T05:00:00Z"},
            "status": {"providerID": provider, "capacity": {"cpu": "2"},
                "conditions": [{"type": "Initialized", "status": "True", "lastTransitionTime": "2026-11-26T05:01:00Z"}]},
        })
    };
    let node = |name: &str, more: Value| {
        let mut node = json!({
            "kind": "Node",
            "metadata": {"uid": format!("node-{name}"), "name": name, "labels": labels, "creationTimestamp": "2026-11-26T05:00:50Z"},
            "spec": {"providerID": format!("aws:///ap-northeast-2a/i-{name}")},
            "status": {"capacity": {"cpu": "2", "memory": "8Gi", "pods": "29", "nvidia.com/gpu": "1"},
                "allocatable": {"cpu": "1930m", "memory": "7Gi", "pods": "29"}, "conditions": []},
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            node["metadata"][name] = value.clone();
        }
        node
    };
    let seen = observed(json!([
        node("one", json!({"deletionTimestamp": "2026-11-26T06:59:00Z"})),
        node(
            "two",
            json!({"labels": {"eks.amazonaws.com/capacityType": "SPOT", "eks.amazonaws.com/nodegroup": "old"}})
        ),
        node("fargate-ip-1", json!({})),
        claim("a", Some("i-one")),
        claim("b", Some("i-alone")),
        claim("c", None),
    ]));
    let mut nodes = seen.nodes.clone();
    nodes.sort_by(|left, right| left.name.cmp(&right.name));
    let names: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.uid.as_str())).collect();
    // A claim whose node has not come is a machine that costs; one that has no machine is none.
    assert_eq!(names, [("b", "claim-b"), ("one", "node-one"), ("two", "node-two")]);
    let one = &nodes[1];
    assert_eq!(one.launched, "2026-11-26T05:00:00Z".parse().unwrap());
    assert_eq!(one.ready, "2026-11-26T05:01:00Z".parse().ok());
    assert_eq!(one.drained, "2026-11-26T06:59:00Z".parse().ok());
    assert_eq!((one.capacity_type, one.is_auto_mode), (CapacityType::Spot, true));
    assert_eq!(one.capacity.extended.get("nvidia.com/gpu"), Some(&1));
    assert_eq!(one.allocatable.cpu.unwrap().0, 1_930);
    assert_eq!((nodes[2].pool.as_deref(), nodes[2].is_auto_mode), (Some("old"), false));
    assert_eq!(nodes[2].launched, "2026-11-26T05:00:50Z".parse().unwrap());
}

#[test]
fn an_inventory_that_lacks_what_a_cost_hangs_on_is_refused() {
    let why = |text: &str, region| {
        observed_of_inventory("i.json", text, region, Annotations::default())
            .unwrap_err()
            .to_string()
    };
    let whole = inventory(json!([]));
    let without = |field: &str| {
        let mut value: Value = serde_json::from_str(&whole).unwrap();
        value.as_object_mut().unwrap().remove(field);
        value.to_string()
    };
    assert_eq!(
        why(&without("region"), None),
        "i.json: the inventory does not say of which region it is; `--region` names it"
    );
    assert_eq!(
        why(&without("cluster"), None),
        "i.json: the inventory does not say of which cluster it is"
    );
    assert_eq!(
        why(&without("collectedAt"), None),
        "i.json: the inventory does not say of which moment it is"
    );
    assert_eq!(
        why(r#"{"kind": "List", "items": []}"#, None),
        "i.json: it is no inventory; `runbook collect --once --out inventory.json` makes one"
    );
    assert!(why(&whole[..whole.len() - 5], None).contains("cut off in the middle"));
    let named = observed_of_inventory(
        "i.json",
        &without("region"),
        Some("eu-west-1"),
        Annotations::default(),
    );
    assert_eq!(named.unwrap().clusters[0].id.region, "eu-west-1");
}
