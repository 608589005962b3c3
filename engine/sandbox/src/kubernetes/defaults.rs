//! Defaults of the kinds that are served.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::{object, structural};
use crate::store::Transaction;
use crate::world::{Context, ids};

/// Sets a field when it is absent.
fn or(target: &mut Value, field: &str, value: Value) {
    if target[field].is_null() {
        target[field] = value;
    }
}

/// The items of a list, when there is one; to index a field to change it would make it.
fn items<'a>(value: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Completes an object as the apiserver does.
pub(super) fn apply(
    context: &Context,
    transaction: &Transaction<'_>,
    cluster: &str,
    kind: &Kind,
    wanted: &mut Value,
    before: Option<&Value>,
) {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => {
            pod_spec(&mut wanted["spec"]);
            if before.is_none() {
                super::admission::pod(context, transaction, cluster, wanted);
                or(&mut wanted["status"], "phase", json!("Pending"));
                let class = quality(&wanted["spec"]);
                or(&mut wanted["status"], "qosClass", json!(class));
            }
        }
        ("apps", "deployments") => deployment(&mut wanted["spec"]),
        ("apps", "replicasets") => {
            or(&mut wanted["spec"], "replicas", json!(1));
            pod_spec(&mut wanted["spec"]["template"]["spec"]);
        }
        ("apps", "daemonsets") => {
            let spec = &mut wanted["spec"];
            or(spec, "revisionHistoryLimit", json!(10));
            or(
                spec,
                "updateStrategy",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
            );
            pod_spec(&mut spec["template"]["spec"]);
        }
        ("batch", "jobs") => job(context, wanted),
        ("batch", "cronjobs") => {
            cron_job(&mut wanted["spec"]);
            or(wanted, "status", json!({}));
        }
        ("", "services") => service(context, cluster, wanted),
        ("", "namespaces") => {
            or(&mut wanted["spec"], "finalizers", json!(["kubernetes"]));
            or(&mut wanted["status"], "phase", json!("Active"));
            let name = wanted["metadata"]["name"].clone();
            wanted["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            or(wanted, "preemptionPolicy", json!("PreemptLowerPriority"));
        }
        ("", "secrets") => {
            or(wanted, "type", json!("Opaque"));
            encode_texts(wanted);
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(wanted),
        _ => {
            if let Some(definition) = &kind.definition {
                structural::fill(wanted, &definition["schema"]["openAPIV3Schema"]);
            }
        }
    }
}

fn deployment(spec: &mut Value) {
    or(spec, "replicas", json!(1));
    or(spec, "revisionHistoryLimit", json!(10));
    or(spec, "progressDeadlineSeconds", json!(600));
    or(spec, "strategy", json!({"type": "RollingUpdate"}));
    or(&mut spec["strategy"], "type", json!("RollingUpdate"));
    if spec["strategy"]["type"] == "RollingUpdate" {
        or(&mut spec["strategy"], "rollingUpdate", json!({}));
        or(&mut spec["strategy"]["rollingUpdate"], "maxSurge", json!("25%"));
        or(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", json!("25%"));
    }
    pod_spec(&mut spec["template"]["spec"]);
}

fn cron_job(spec: &mut Value) {
    or(spec, "concurrencyPolicy", json!("Allow"));
    or(spec, "failedJobsHistoryLimit", json!(1));
    or(spec, "successfulJobsHistoryLimit", json!(3));
    or(spec, "suspend", json!(false));
    or(&mut spec["jobTemplate"], "metadata", json!({}));
    let template = &mut spec["jobTemplate"]["spec"]["template"];
    or(template, "metadata", json!({}));
    pod_spec(&mut template["spec"]);
}

/// What is given as text in a secret is stored encoded.
fn encode_texts(secret: &mut Value) {
    use base64::Engine as _;
    let Some(texts) = secret["stringData"].as_object().cloned() else { return };
    for (key, text) in texts {
        let text = text.as_str().unwrap_or_default();
        secret["data"][key] = json!(base64::engine::general_purpose::STANDARD.encode(text));
    }
    if let Some(entries) = secret.as_object_mut() {
        entries.remove("stringData");
    }
}

/// A pod's class of service: by what its containers ask for, and whether that is also their limit.
pub(super) fn quality(spec: &Value) -> &'static str {
    let all = ["containers", "initContainers"];
    let mut containers = all.iter().filter_map(|list| spec[*list].as_array()).flatten();
    let resources = |container: &Value, kind: &str, name: &str| {
        container["resources"][kind][name].as_str().map(str::to_owned)
    };
    let (mut none, mut guaranteed) = (true, true);
    containers.by_ref().for_each(|container| {
        for name in ["cpu", "memory"] {
            let (request, limit) =
                (resources(container, "requests", name), resources(container, "limits", name));
            none &= request.is_none() && limit.is_none();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    });
    match (none, guaranteed) {
        (true, _) => "BestEffort",
        (_, true) => "Guaranteed",
        _ => "Burstable",
    }
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    or(spec, "restartPolicy", json!("Always"));
    or(spec, "dnsPolicy", json!("ClusterFirst"));
    or(spec, "schedulerName", json!("default-scheduler"));
    or(spec, "securityContext", json!({}));
    or(spec, "terminationGracePeriodSeconds", json!(30));
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        or(spec, "serviceAccount", json!(account));
    }
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            let latest = container["image"].as_str().is_some_and(|image| {
                image.ends_with(":latest")
                    || !image.rsplit('/').next().unwrap_or_default().contains(':')
            });
            or(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
            or(container, "resources", json!({}));
            or(container, "terminationMessagePath", json!("/dev/termination-log"));
            or(container, "terminationMessagePolicy", json!("File"));
            for port in items(container, "ports") {
                or(port, "protocol", json!("TCP"));
            }
            if let Some(limits) = container["resources"]["limits"].as_object().cloned() {
                for (name, limit) in limits {
                    or(&mut container["resources"]["requests"], &name, limit);
                }
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if container[probe].is_object() {
                    for (field, value) in [
                        ("timeoutSeconds", 1),
                        ("periodSeconds", 10),
                        ("successThreshold", 1),
                        ("failureThreshold", 3),
                    ] {
                        or(&mut container[probe], field, json!(value));
                    }
                    if container[probe]["httpGet"].is_object() {
                        or(&mut container[probe]["httpGet"], "scheme", json!("HTTP"));
                        or(&mut container[probe]["httpGet"], "path", json!("/"));
                    }
                }
            }
            for variable in items(container, "env") {
                if variable["valueFrom"]["fieldRef"].is_object() {
                    or(&mut variable["valueFrom"]["fieldRef"], "apiVersion", json!("v1"));
                }
            }
        }
    }
    for volume in items(spec, "volumes") {
        for source in ["configMap", "secret", "projected"] {
            if volume[source].is_object() {
                or(&mut volume[source], "defaultMode", json!(420));
            }
        }
    }
}

pub(super) fn job(context: &Context, wanted: &mut Value) {
    let uid = ids::uuid(context, &["job", &object::key(wanted)]);
    let name = wanted["metadata"]["name"].clone();
    let spec = &mut wanted["spec"];
    for (field, value) in [
        ("backoffLimit", json!(6)),
        ("completions", json!(1)),
        ("parallelism", json!(1)),
        ("suspend", json!(false)),
        ("completionMode", json!("NonIndexed")),
    ] {
        or(spec, field, value);
    }
    if spec["selector"].is_null() {
        spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
        spec["template"]["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] = json!(uid);
        spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] = name;
    }
    pod_spec(&mut spec["template"]["spec"]);
}

fn service(context: &Context, cluster: &str, wanted: &mut Value) {
    let key = object::key(wanted);
    let spec = &mut wanted["spec"];
    or(spec, "type", json!("ClusterIP"));
    or(spec, "sessionAffinity", json!("None"));
    or(spec, "internalTrafficPolicy", json!("Cluster"));
    or(spec, "ipFamilyPolicy", json!("SingleStack"));
    or(spec, "ipFamilies", json!(["IPv4"]));
    if spec["clusterIP"].is_null() {
        let number = ids::below(context, &["service", cluster, &key], 60_000) + 20;
        spec["clusterIP"] = json!(format!("10.100.{}.{}", number / 250, number % 250 + 2));
    }
    or(spec, "clusterIPs", json!([spec["clusterIP"]]));
    for port in items(spec, "ports") {
        or(port, "protocol", json!("TCP"));
        let same = port["port"].clone();
        or(port, "targetPort", same);
    }
    if matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
        or(spec, "externalTrafficPolicy", json!("Cluster"));
        for (index, port) in items(spec, "ports").enumerate() {
            let number = ids::below(context, &["port", cluster, &key, &index.to_string()], 2_768);
            or(port, "nodePort", json!(30_000 + number));
        }
    }
    or(&mut wanted["status"], "loadBalancer", json!({}));
}

fn definition(wanted: &mut Value) {
    let spec = &mut wanted["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    or(&mut spec["names"], "singular", json!(kind.to_lowercase()));
    or(&mut spec["names"], "listKind", json!(format!("{kind}List")));
    or(spec, "conversion", json!({"strategy": "None"}));
}
