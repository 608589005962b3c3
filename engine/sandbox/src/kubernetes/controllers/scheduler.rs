//! The default scheduler: binds pods to nodes that hold them, and says why none does.

use runbook_capacity::quantity::Quantity;
use serde_json::{Value, json};

use super::super::object;
use super::{Cluster, is_true, set_condition};
use crate::store::Transaction;

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    let nodes = cluster.list(transaction, "", "nodes");
    for pod in cluster.see(transaction, "", "pods") {
        let mine = pod["spec"]["schedulerName"].as_str().unwrap_or("default-scheduler")
            == "default-scheduler";
        if !mine || pod["spec"]["nodeName"].is_string() || object::is_deleting(&pod) {
            continue;
        }
        let fitting = nodes.iter().find(|node| {
            is_true(node, "Ready")
                && tolerates(&pod, node)
                && selects(&pod, node)
                && fits(cluster, transaction, &pod, node)
        });
        let now = object::timestamp(transaction);
        if let Some(node) = fitting {
            let mut pod = (*pod).clone();
            let name = node["metadata"]["name"].clone();
            pod["spec"]["nodeName"] = name.clone();
            set_condition(&mut pod["status"], "PodScheduled", true, "", "", &now);
            cluster.event(
                transaction,
                &pod,
                "Normal",
                "Scheduled",
                &format!(
                    "Successfully assigned {} to {}",
                    object::key(&pod),
                    name.as_str().unwrap_or_default()
                ),
                "default-scheduler",
            );
            cluster.put(transaction, "", "pods", pod);
            continue;
        }
        let message = why(&pod, &nodes);
        if is_known_to_wait(&pod, &message) {
            continue;
        }
        let mut pod = (*pod).clone();
        if set_condition(&mut pod["status"], "PodScheduled", false, "Unschedulable", &message, &now)
        {
            cluster.event(
                transaction,
                &pod,
                "Warning",
                "FailedScheduling",
                &message,
                "default-scheduler",
            );
            cluster.put(transaction, "", "pods", pod);
        }
    }
}

/// Whether a pod says already that it waits, and why. Most that wait do, and are not copied.
fn is_known_to_wait(pod: &Value, message: &str) -> bool {
    pod["status"]["conditions"].as_array().into_iter().flatten().any(|one| {
        one["type"] == "PodScheduled" && one["status"] == "False" && one["message"] == message
    })
}

fn why(pod: &Value, nodes: &[Value]) -> String {
    if nodes.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    let untolerated = nodes.iter().filter(|node| !tolerates(pod, node)).count();
    let unselected =
        nodes.iter().filter(|node| tolerates(pod, node) && !selects(pod, node)).count();
    let rest = nodes.len() - untolerated - unselected;
    let mut parts = Vec::new();
    if rest > 0 {
        parts.push(format!("{rest} Insufficient cpu"));
    }
    if unselected > 0 {
        parts.push(format!("{unselected} node(s) didn't match Pod's node affinity/selector"));
    }
    if untolerated > 0 {
        parts.push(format!("{untolerated} node(s) had untolerated taint(s)"));
    }
    format!(
        "0/{} nodes are available: {}. no new claims to deallocate, preemption: 0/{} nodes are available: {} Preemption is not helpful for scheduling.",
        nodes.len(),
        parts.join(", "),
        nodes.len(),
        nodes.len()
    )
}

/// Whether a pod tolerates all taints of a node that keep pods away.
pub(super) fn tolerates(pod: &Value, node: &Value) -> bool {
    let tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    node["spec"]["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|taint| taint["effect"] != "PreferNoSchedule")
        .all(|taint| {
            tolerations.iter().any(|one| {
                let key = one["key"].is_null() || one["key"] == taint["key"];
                let value = one["operator"] == "Exists" || one["value"] == taint["value"];
                let effect = one["effect"].is_null() || one["effect"] == taint["effect"];
                key && value && effect
            })
        })
}

/// Whether a node's labels are what a pod requires.
pub(super) fn selects(pod: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let plain = pod["spec"]["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].as_array().cloned().unwrap_or_default();
    plain
        && (terms.is_empty()
            || terms.iter().any(|term| {
                term["matchExpressions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .all(|one| expression(labels, one))
            }))
}

fn expression(labels: &Value, one: &Value) -> bool {
    let value = labels.get(one["key"].as_str().unwrap_or_default());
    let listed = value
        .is_some_and(|value| one["values"].as_array().is_some_and(|values| values.contains(value)));
    let number = |value: Option<&Value>| {
        value.and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok())
    };
    let bound = number(one["values"].get(0));
    match one["operator"].as_str() {
        Some("In") => listed,
        Some("NotIn") => !listed,
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        Some("Gt") => number(value).zip(bound).is_some_and(|(value, bound)| value > bound),
        Some("Lt") => number(value).zip(bound).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// A quantity in thousandths of its unit; what cannot be read is nothing.
pub(super) fn millis(value: &Value) -> i64 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Quantity::parse(&text).map_or(0, Quantity::millis)
}

/// What a pod requests of a resource, in thousandths.
pub(crate) fn request(pod: &Value, resource: &str) -> i64 {
    let of = |container: &Value| millis(&container["resources"]["requests"][resource]);
    let running: i64 = pod["spec"]["containers"].as_array().into_iter().flatten().map(of).sum();
    let first =
        pod["spec"]["initContainers"].as_array().into_iter().flatten().map(of).max().unwrap_or(0);
    running.max(first)
}

fn fits(cluster: &Cluster<'_>, transaction: &Transaction<'_>, pod: &Value, node: &Value) -> bool {
    let there: Vec<_> = cluster
        .see(transaction, "", "pods")
        .into_iter()
        .filter(|one| {
            one["spec"]["nodeName"] == node["metadata"]["name"]
                && one["status"]["phase"] != "Succeeded"
        })
        .collect();
    let offered = &node["status"]["allocatable"];
    let room = |resource: &str| {
        millis(&offered[resource]) - there.iter().map(|one| request(one, resource)).sum::<i64>()
    };
    let slots = millis(&offered["pods"]) / 1000 - i64::try_from(there.len()).unwrap_or(i64::MAX);
    request(pod, "cpu") <= room("cpu")
        && request(pod, "memory") <= room("memory")
        && slots >= 1
        && !json!(node["spec"]["unschedulable"]).as_bool().unwrap_or(false)
}
