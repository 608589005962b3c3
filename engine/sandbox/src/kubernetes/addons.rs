//! EKS add-ons as objects of the cluster, owned by the field manager `eks`.

use serde_json::{Value, json};

use super::managed_fields;
use super::object;
use super::schema;
use crate::store::Transaction;
use crate::world::Context;

/// Applies the objects of an add-on.
pub(crate) fn install(
    context: &Context,
    transaction: &mut Transaction<'_>,
    cluster: &str,
    addon: &str,
    version: &str,
    configuration: &Value,
) {
    let objects = match addon {
        "coredns" => coredns(version, configuration),
        "kube-proxy" => {
            vec![daemon("kube-proxy", "kube-proxy", version, configuration, json!({"cpu": "100m"}))]
        }
        "vpc-cni" => {
            vec![daemon("aws-node", "aws-node", version, configuration, json!({"cpu": "50m"}))]
        }
        _ => Vec::new(),
    };
    for declared in objects {
        let (group, plural) = place(&declared);
        let collection = super::collection(cluster, group, plural);
        let key = object::key(&declared);
        let before = transaction.get(&collection, &key);
        let kind = super::kinds::built_in()
            .iter()
            .find(|kind| kind.group == group && kind.plural == plural);
        let Some(kind) = kind else { continue };
        let time = object::timestamp(transaction);
        let merged = managed_fields::apply(
            before.as_deref(),
            &declared,
            &schema::root(kind),
            "eks",
            true,
            &time,
        );
        let Ok(mut merged) = merged else { continue };
        super::defaults::apply(context, transaction, cluster, kind, &mut merged, before.as_deref());
        super::put(context, transaction, cluster, group, plural, merged);
    }
}

fn place(object: &Value) -> (&'static str, &'static str) {
    match object["kind"].as_str() {
        Some("Deployment") => ("apps", "deployments"),
        Some("DaemonSet") => ("apps", "daemonsets"),
        Some("Service") => ("", "services"),
        Some("ConfigMap") => ("", "configmaps"),
        Some("PodDisruptionBudget") => ("policy", "poddisruptionbudgets"),
        _ => ("", "serviceaccounts"),
    }
}

fn objects(addon: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    match addon {
        "coredns" => &[
            ("apps", "deployments", "kube-system/coredns"),
            ("", "services", "kube-system/kube-dns"),
            ("", "configmaps", "kube-system/coredns"),
            ("", "serviceaccounts", "kube-system/coredns"),
            ("policy", "poddisruptionbudgets", "kube-system/coredns"),
        ],
        "kube-proxy" => &[("apps", "daemonsets", "kube-system/kube-proxy")],
        _ => &[("apps", "daemonsets", "kube-system/aws-node")],
    }
}

/// Takes the objects of an add-on away.
pub(crate) fn remove(transaction: &mut Transaction<'_>, cluster: &str, addon: &str) {
    for (group, plural, key) in objects(addon) {
        transaction.delete(&super::collection(cluster, group, plural), key);
    }
}

/// Why an add-on's workload is not ready; `None` when it is.
pub(crate) fn not_ready(
    transaction: &Transaction<'_>,
    cluster: &str,
    addon: &str,
) -> Option<String> {
    let (group, plural, key) = objects(addon).first()?;
    let workload = super::get(transaction, cluster, group, plural, key)?;
    let status = &workload["status"];
    if *plural == "deployments" {
        let wanted = workload["spec"]["replicas"].as_i64().unwrap_or(0);
        let ready = status["readyReplicas"].as_i64().unwrap_or(0);
        let updated = status["updatedReplicas"].as_i64().unwrap_or(0);
        return (ready < wanted || updated < wanted).then(|| {
            "The add-on is unhealthy because it doesn't have the desired number of replicas."
                .to_owned()
        });
    }
    // Without nodes a daemon set is complete.
    let wanted = status["desiredNumberScheduled"].as_i64().unwrap_or(0);
    let ready = status["numberReady"].as_i64().unwrap_or(0);
    (ready < wanted).then(|| {
        "The add-on is unhealthy because it doesn't have the desired number of replicas.".to_owned()
    })
}

fn resources(configuration: &Value, default: Value) -> Value {
    if configuration["resources"].is_object() {
        configuration["resources"].clone()
    } else {
        default
    }
}

fn coredns(version: &str, configuration: &Value) -> Vec<Value> {
    let labels = json!({"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"});
    let replicas = configuration["replicaCount"].as_i64().unwrap_or(2);
    let mut annotations = configuration["podAnnotations"].as_object().cloned().unwrap_or_default();
    if let Some(compute) = configuration["computeType"].as_str() {
        annotations
            .insert("eks.amazonaws.com/compute-type".to_owned(), json!(compute.to_lowercase()));
    }
    let limits = resources(
        configuration,
        json!({"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}}),
    );
    let mut metadata =
        json!({"labels": {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}});
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "template": {"metadata": metadata, "spec": {
                "serviceAccountName": "coredns", "priorityClassName": "system-cluster-critical", "dnsPolicy": "Default",
                "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}, {"key": "CriticalAddonsOnly", "operator": "Exists"}],
                "containers": [{
                    "name": "coredns", "image": format!("602401143452.dkr.ecr.ap-northeast-2.amazonaws.com/eks/coredns:{version}"), "args": ["-conf", "/etc/coredns/Corefile"], "resources": limits,
                    "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9153, "protocol": "TCP"}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"}},
                }],
            }},
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {"clusterIP": "10.100.0.10", "clusterIPs": ["10.100.0.10"], "selector": {"k8s-app": "kube-dns"}, "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]},
    });
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "data": {"Corefile": configuration["corefile"].as_str().unwrap_or(".:53 {\n    errors\n    health\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa\n    forward . /etc/resolv.conf\n    cache 30\n}\n")},
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels}});
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}}},
    });
    vec![account, config, service, budget, deployment]
}

fn daemon(
    name: &str,
    container: &str,
    version: &str,
    configuration: &Value,
    requests: Value,
) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "kube-system", "labels": {"k8s-app": name}},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": name}},
            "template": {"metadata": {"labels": {"k8s-app": name}}, "spec": {
                "hostNetwork": true, "priorityClassName": "system-node-critical", "tolerations": [{"operator": "Exists"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                    {"key": "eks.amazonaws.com/compute-type", "operator": "NotIn", "values": ["fargate", "hybrid", "auto"]},
                ]}]}}},
                "containers": [{"name": container, "image": format!("602401143452.dkr.ecr.ap-northeast-2.amazonaws.com/eks/{name}:{version}"), "resources": resources(configuration, json!({"requests": requests}))}],
            }},
        },
    })
}
