//! What of an object bears on cost.

use serde_json::{Map, Value};

/// Annotations that are read; others may hold anything, tokens of sidecar injectors among it.
const OF_ANNOTATIONS: &[&str] =
    &["CapacityProvisioned", "controller.kubernetes.io/pod-deletion-cost"];
/// Beginnings of further ones.
const OF_ANNOTATION_GROUPS: &[&str] = &["karpenter.sh/", "karpenter.k8s.aws/", "runbook/"];

/// What of a specification may hold more than what it is for: start scripts of nodes, names of hosts.
const NOT_OF_SPECIFICATIONS: &[&str] =
    &["userData", "hostAliases", "imagePullSecrets", "dnsConfig"];

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
        bare_annotations(metadata);
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

fn bare_annotations(metadata: &mut Value) {
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| {
            OF_ANNOTATIONS.contains(&name.as_str())
                || OF_ANNOTATION_GROUPS.iter().any(|group| name.starts_with(group))
        });
    }
}

/// Strips the containers of a pod, and of whatever template is inside.
fn bare_containers(spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    map.retain(|name, _| !NOT_OF_SPECIFICATIONS.contains(&name.as_str()));
    for name in ["containers", "initContainers", "ephemeralContainers"] {
        for container in map.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            keep(container, OF_CONTAINERS);
            bare_image(container);
        }
    }
    for volume in map.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        bare_volume(volume);
    }
    for claim in
        map.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten()
    {
        bare_template(claim);
    }
    for name in ["template", "jobTemplate"] {
        if let Some(template) = map.get_mut(name) {
            bare_template(template);
        }
    }
}

/// A template has metadata and a specification of its own.
fn bare_template(template: &mut Value) {
    if let Some(metadata) = template.get_mut("metadata") {
        keep(metadata, OF_METADATA);
        bare_annotations(metadata);
    }
    if let Some(spec) = template.get_mut("spec") {
        bare_containers(spec);
    }
}

/// An image without what somebody put before its registry: `user:password@`.
fn bare_image(container: &mut Value) {
    // Behind an `@` that is followed by a path; else it is that of a digest.
    if let Some(Value::String(image)) = container.get_mut("image")
        && let Some((before, rest)) = image.split_once('@')
        && !before.contains('/')
        && rest.contains('/')
    {
        *image = rest.to_owned();
    }
}

/// A volume's kind and, where it is a claim, its name; what a projected or literal one holds stays
/// where it is.
fn bare_volume(volume: &mut Value) {
    let Some(map) = volume.as_object_mut() else { return };
    for (kind, source) in map.iter_mut().filter(|(kind, _)| *kind != "name") {
        match kind.as_str() {
            "persistentVolumeClaim" | "emptyDir" | "hostPath" => {}
            "csi" => keep(source, &["driver"]),
            "ephemeral" => {
                keep(source, &["volumeClaimTemplate"]);
                if let Some(template) = source.get_mut("volumeClaimTemplate") {
                    keep(template, &["spec"]);
                }
            }
            _ => *source = Value::Object(Map::new()),
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
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hunter2"]}],
            "volumes": [
                {"name": "a", "configMap": {"name": "hunter2", "items": []}},
                {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "c", "csi": {"driver": "d", "volumeAttributes": {"password": "hunter2"}}},
                {"name": "d", "ephemeral": {"volumeClaimTemplate": {
                    "metadata": {"annotations": {"token": "hunter2"}}, "spec": {"resources": {}}}}},
            ],
        });
        let annotations = json!({
            "kubectl.kubernetes.io/last-applied-configuration": "hunter2",
            "kubernetes.io/change-cause": "kubectl set env TOKEN=hunter2",
            "vault.hashicorp.com/token": "hunter2",
            "CapacityProvisioned": "0.25vCPU 0.5GB", "karpenter.sh/do-not-disrupt": "true",
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
                "metadata": {"name": "app", "annotations": {
                    "CapacityProvisioned": "0.25vCPU 0.5GB", "karpenter.sh/do-not-disrupt": "true"}},
                "spec": {"replicas": 2, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
                    "containers": [kept], "initContainers": [kept], "nodeName": "n",
                    "volumes": [
                        {"name": "a", "configMap": {}},
                        {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
                        {"name": "c", "csi": {"driver": "d"}},
                        {"name": "d", "ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {}}}}},
                    ],
                }}},
                "status": {"replicas": 2},
            })
        );
    }

    #[test]
    fn a_node_class_and_an_image_keep_their_secrets() {
        let class = json!({
            "kind": "EC2NodeClass", "metadata": {"name": "default"},
            "spec": {"role": "nodes", "userData": "export TOKEN=hunter2"},
        });
        assert_eq!(bare(class).unwrap()["spec"], json!({"role": "nodes"}));
        for (image, kept) in [
            ("me:hunter2@registry.example.com/app:1", "registry.example.com/app:1"),
            ("registry.example.com/app@sha256:ab", "registry.example.com/app@sha256:ab"),
            ("app@sha256:ab", "app@sha256:ab"),
        ] {
            let pod = json!({"kind": "Pod", "spec": {"containers": [{"image": image}]}});
            assert_eq!(bare(pod).unwrap()["spec"]["containers"][0]["image"], kept);
        }
    }

    #[test]
    fn what_a_rollout_left_behind_is_no_workload() {
        let set = |replicas: u32| json!({"kind": "ReplicaSet", "metadata": {"name": "r"}, "spec": {"replicas": replicas}});
        assert_eq!(bare(set(0)), None);
        assert!(bare(set(1)).is_some());
    }
}
