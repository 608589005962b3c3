//! Endpoint slices, and the state of disruption budgets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{object, selector};
use super::workloads::is_ready;
use super::{Cluster, fargate};
use crate::store::Transaction;
use crate::world::ids;

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    let pods = cluster.see(transaction, "", "pods");
    for service in cluster.see(transaction, "", "services") {
        if service["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty()) {
            slice(cluster, transaction, &service, &pods);
        }
    }
    for budget in cluster.see(transaction, "policy", "poddisruptionbudgets") {
        let mine: Vec<&Value> = pods
            .iter()
            .map(|pod| &**pod)
            .filter(|pod| {
                pod["metadata"]["namespace"] == budget["metadata"]["namespace"]
                    && fargate::set_matches(pod, &budget["spec"]["selector"])
            })
            .collect();
        let healthy = mine.iter().filter(|pod| is_ready(pod)).count();
        let most =
            budget["spec"]["maxUnavailable"].as_u64().and_then(|most| usize::try_from(most).ok());
        let least =
            budget["spec"]["minAvailable"].as_u64().and_then(|least| usize::try_from(least).ok());
        let wanted = least.unwrap_or_else(|| mine.len().saturating_sub(most.unwrap_or(0)));
        let status = json!({
            "currentHealthy": healthy, "desiredHealthy": wanted, "expectedPods": mine.len(), "disruptionsAllowed": healthy.saturating_sub(wanted),
            "observedGeneration": budget["metadata"]["generation"],
        });
        if budget["status"] != status {
            let mut budget = (*budget).clone();
            budget["status"] = status;
            cluster.put(transaction, "policy", "poddisruptionbudgets", budget);
        }
    }
}

fn slice(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    service: &Value,
    pods: &[Arc<Value>],
) {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = service["metadata"]["namespace"].as_str().unwrap_or_default();
    let wanted = json!({"matchLabels": service["spec"]["selector"]});
    let endpoints: Vec<Value> = pods
        .iter()
        .filter(|pod| pod["metadata"]["namespace"] == namespace && selector::matches(pod, &wanted) && pod["status"]["podIP"].is_string() && !object::is_deleting(pod))
        .map(|pod| json!({
            "addresses": [pod["status"]["podIP"]], "conditions": {"ready": is_ready(pod), "serving": is_ready(pod), "terminating": false}, "nodeName": pod["spec"]["nodeName"],
            "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": namespace, "uid": pod["metadata"]["uid"]},
        }))
        .collect();
    let ports: Vec<Value> = service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| json!({"name": port["name"].as_str().unwrap_or(""), "port": if port["targetPort"].is_i64() { port["targetPort"].clone() } else { port["port"].clone() }, "protocol": port["protocol"]}))
        .collect();
    let slice_name = format!(
        "{name}-{}",
        ids::suffix(cluster.context, &["slice", cluster.name, namespace, name], 5)
    );
    let before = cluster.get(
        transaction,
        "discovery.k8s.io",
        "endpointslices",
        &format!("{namespace}/{slice_name}"),
    );
    if before.as_ref().is_some_and(|before| {
        before["endpoints"] == json!(endpoints) && before["ports"] == json!(ports)
    }) {
        return;
    }
    let made = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name, "namespace": namespace, "generateName": format!("{name}-"), "ownerReferences": [object::reference(service)],
            "labels": {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
        },
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    });
    cluster.put(transaction, "discovery.k8s.io", "endpointslices", made);
}
