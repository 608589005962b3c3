//! Pods as the modules about placement see them: which ones count, and why one is not where it
//! should be, with its last event.

use runbook_clients::kubernetes::placement::{FARGATE_SCHEDULER, Pod};
use runbook_clients::kubernetes::{Connection, Kind, Reference, Selection};
use runbook_core::failure::Failure;
use runbook_core::value::Value;
use serde_json::Value as Json;

use super::failures::Read as _;
use super::named::last_events;

/// How many pods a reason tells about.
const TOLD: usize = 3;

/// The pods of a selection that are to run somewhere of their own choice: none that are going or
/// have done their work, none of `DaemonSets` or of a node.
pub(super) async fn running(
    kubernetes: &Connection,
    selection: &Selection,
) -> Result<Vec<Pod>, Failure> {
    let mut pods = kubernetes.placement(selection).await.read()?;
    pods.retain(|pod| {
        !pod.is_deleting
            && !pod.belongs_to_a_node()
            && !["Succeeded", "Failed"].contains(&pod.phase.as_str())
    });
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pods)
}

/// `kube-system/coredns-5f6d8c7b9-zzt4p`.
pub(super) fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// Where a pod is: `kube-system/coredns-x is Pending on no node`.
pub(super) fn place(pod: &Pod) -> String {
    let name = name(pod);
    match (&pod.node_name, &pod.node) {
        (None, _) => format!("{name} is {} on no node", pod.phase),
        (Some(node), None) => format!("{name} is {} on {node}, which is gone", pod.phase),
        (Some(node), Some(_)) if pod.ready => format!("{name} is ready on {node}"),
        (Some(node), Some(_)) => format!("{name} is {} on {node}, not ready", pod.phase),
    }
}

/// Why a pod is not on Fargate, in one line.
pub(super) fn not_on_fargate(pod: &Pod) -> String {
    let place = place(pod);
    if pod.node_name.is_none() && !pod.is_meant_for_fargate() {
        let scheduler = if pod.scheduler.is_empty() { "none" } else { &pod.scheduler };
        return format!(
            "{place}; its scheduler is {scheduler}, not {FARGATE_SCHEDULER}: it was made before a Fargate profile took it"
        );
    }
    match &pod.unschedulable {
        Some(why) if !why.is_empty() => format!("{place}: {why}"),
        _ => place,
    }
}

/// A headline, and for the first few pods where they are and what happened last to them.
pub(super) async fn told(
    kubernetes: &Connection,
    headline: String,
    pods: &[&Pod],
) -> Result<String, Failure> {
    let mut lines = vec![headline];
    for pod in pods.iter().take(TOLD) {
        lines.push(place(pod));
        lines.extend(last_event(kubernetes, pod).await?);
    }
    if pods.len() > TOLD {
        lines.push(format!("and {} more", pods.len() - TOLD));
    }
    Ok(lines.join("\n"))
}

async fn last_event(kubernetes: &Connection, pod: &Pod) -> Result<Option<String>, Failure> {
    let object = Reference::new(Kind::new("v1", "Pod"), Some(&pod.namespace), &*pod.name);
    let events = last_events(kubernetes, &object, 1).await?;
    Ok(events.first().map(|event| format!("its last event, {event}")))
}

/// The label selector of a workload, as a query writes it.
pub(super) fn selector(workload: &Json) -> String {
    let labels = workload.pointer("/spec/selector/matchLabels").and_then(Json::as_object);
    let mut terms: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    let expressions = workload.pointer("/spec/selector/matchExpressions").and_then(Json::as_array);
    terms.extend(expressions.into_iter().flatten().filter_map(expression));
    terms.join(",")
}

fn expression(expression: &Json) -> Option<String> {
    let key = expression.get("key")?.as_str()?;
    let values: Vec<&str> = expression
        .get("values")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let values = values.join(",");
    Some(match expression.get("operator")?.as_str()? {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.to_owned(),
        "DoesNotExist" => format!("!{key}"),
        _ => return None,
    })
}

/// The pods of a workload.
pub(super) async fn of_workload(
    kubernetes: &Connection,
    workload: &Json,
) -> Result<Vec<Pod>, Failure> {
    let namespace = workload.pointer("/metadata/namespace").and_then(Json::as_str);
    let selection = Selection::namespace(namespace.unwrap_or("default")).labels(selector(workload));
    running(kubernetes, &selection).await
}

/// Text, or null.
pub(super) fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
