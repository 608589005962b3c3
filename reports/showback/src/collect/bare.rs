//! What of an object bears on cost.

use serde_json::{Map, Value};

/// Annotations that repeat the whole object, or grow without end.
const NOISE: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision-history",
    "control-plane.alpha.kubernetes.io/leader",
];

/// What a container says that bears on where it may run and what it takes.
const OF_CONTAINERS: &[&str] =
    &["name", "image", "resources", "ports", "restartPolicy", "securityContext", "volumeMounts"];

/// Fields of metadata that matter.
const OF_METADATA: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
];

/// Fields of a status that matter, of whatever kind.
const OF_STATUS: &[&str] = &[
    "phase",
    "startTime",
    "completionTime",
    "conditions",
    "capacity",
    "allocatable",
    "replicas",
    "currentReplicas",
    "desiredReplicas",
    "desiredNumberScheduled",
    "disruptionsAllowed",
    "nodeName",
    "providerID",
    "qosClass",
];

/// The object without what does not bear on cost; none for a `ReplicaSet` that a rollout left empty.
pub(super) fn bare(object: Value) -> Option<Value> {
    let Value::Object(mut object) = object else { return None };
    let is_left_over = object.get("kind").and_then(Value::as_str) == Some("ReplicaSet")
        && object.get("spec").is_some_and(|spec| spec["replicas"] == 0);
    if is_left_over {
        return None;
    }
    if let Some(metadata) = object.get_mut("metadata") {
        keep(metadata, OF_METADATA);
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| !NOISE.contains(&name.as_str()));
        }
    }
    if let Some(status) = object.get_mut("status") {
        keep(status, OF_STATUS);
    }
    if let Some(spec) = object.get_mut("spec") {
        bare_containers(spec);
    }
    object.retain(|name, _| {
        matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "spec" | "status")
    });
    Some(Value::Object(object))
}

fn keep(value: &mut Value, fields: &[&str]) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|name, _| fields.contains(&name.as_str()));
    }
}

/// Strips the containers of a pod, and of whatever template is inside.
fn bare_containers(spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    for name in ["containers", "initContainers", "ephemeralContainers"] {
        for container in map.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            keep(container, OF_CONTAINERS);
        }
    }
    for volume in map.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        bare_volume(volume);
    }
    for name in ["template", "jobTemplate", "spec"] {
        if let Some(inner) = map.get_mut(name) {
            bare_containers(inner);
        }
    }
}

/// A volume's kind and, where it is a claim, its name; what a projected or literal one holds stays
/// where it is.
fn bare_volume(volume: &mut Value) {
    let Some(map) = volume.as_object_mut() else { return };
    for (kind, source) in map.iter_mut() {
        let matters = ["persistentVolumeClaim", "ephemeral", "emptyDir", "csi", "hostPath"];
        if kind != "name" && !matters.contains(&kind.as_str()) && source.is_object() {
            *source = Value::Object(Map::new());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_workload_is_told_is_left_out() {
        let container = json!({
            "name": "app", "image": "app:1", "resources": {"requests": {"cpu": "1"}},
            "env": [{"name": "TOKEN", "value": "hunter2"}], "envFrom": [{"secretRef": {"name": "s"}}],
            "command": ["app", "--password=hunter2"], "args": ["hunter2"],
            "livenessProbe": {"exec": {"command": ["hunter2"]}},
        });
        let pod = json!({
            "containers": [container], "initContainers": [container], "nodeName": "n",
            "volumes": [
                {"name": "a", "configMap": {"name": "hunter2", "items": []}},
                {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
            ],
        });
        let annotations = json!({
            "kubectl.kubernetes.io/last-applied-configuration": "hunter2", "CapacityProvisioned": "0.25vCPU 0.5GB",
        });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "app", "annotations": annotations, "managedFields": [{"manager": "hunter2"}]},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}},
            "status": {"replicas": 2, "observedGeneration": 7},
        });
        let kept =
            json!({"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "1"}}});
        assert_eq!(
            bare(deployment).unwrap(),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "app", "annotations": {"CapacityProvisioned": "0.25vCPU 0.5GB"}},
                "spec": {"replicas": 2, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
                    "containers": [kept], "initContainers": [kept], "nodeName": "n",
                    "volumes": [
                        {"name": "a", "configMap": {}},
                        {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
                    ],
                }}},
                "status": {"replicas": 2},
            })
        );
    }

    #[test]
    fn what_a_rollout_left_behind_is_no_workload() {
        let set = |replicas: u32| json!({"kind": "ReplicaSet", "metadata": {"name": "r"}, "spec": {"replicas": replicas}});
        assert_eq!(bare(set(0)), None);
        assert!(bare(set(1)).is_some());
    }
}
