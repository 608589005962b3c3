//! What modules bill for, as charges: pods of what a chart, an add-on or a manifest brings, and the rest.
//!
//! Of a pod only what its price depends on is kept: what it asks for, where it may run, how often it is
//! there. What a chart or an add-on asks for by itself is known for those that the shipped runbooks
//! install; of another one it is said that it is not known, never that it is nothing.

use runbook_core::module::Charge;
use serde_json::{Map, Value as Json, json};

/// JSON objects as arguments come.
pub(crate) type Arguments = Map<String, Json>;

/// One of something that is billed by itself.
pub(crate) fn one(item: &str, words: impl Into<String>) -> Charge {
    Charge { item: item.to_owned(), count: Some(1), words: words.into(), details: Map::new() }
}

/// Something of which nobody can say what it is billed.
pub(crate) fn unknown(words: impl Into<String>, why: &str) -> Charge {
    Charge {
        item: "unknown".to_owned(),
        count: None,
        words: words.into(),
        details: details(json!({ "why": why })),
    }
}

/// The details of a charge.
pub(crate) fn details(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// Pods that are alike.
pub(crate) struct Pods<'a> {
    /// `Deployment`, `Job` …
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// None when that is not known yet.
    pub(crate) count: Option<i64>,
    pub(crate) labels: Json,
    /// A pod's `spec`.
    pub(crate) spec: Json,
}

/// What of a pod's `spec` decides its price and its place.
const KEPT: [&str; 10] = [
    "activeDeadlineSeconds",
    "affinity",
    "hostNetwork",
    "nodeSelector",
    "overhead",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "tolerations",
    "topologySpreadConstraints",
];

impl Pods<'_> {
    /// As a charge.
    pub(crate) fn charge(self) -> Charge {
        let mut spec = Map::new();
        for name in KEPT {
            if let Some(value) = self.spec.get(name) {
                spec.insert(name.to_owned(), value.clone());
            }
        }
        for name in ["initContainers", "containers"] {
            if let Some(containers) = self.spec.get(name).and_then(Json::as_array) {
                spec.insert(name.to_owned(), containers.iter().map(container).collect());
            }
        }
        Charge {
            item: "pods".to_owned(),
            count: self.count,
            words: format!("{} {}/{}", self.kind, self.namespace, self.name),
            details: details(json!({
                "kind": self.kind,
                "namespace": self.namespace,
                "name": self.name,
                "labels": self.labels,
                "spec": spec,
            })),
        }
    }
}

fn container(container: &Json) -> Json {
    let kept = ["name", "resources", "restartPolicy"].into_iter();
    kept.filter_map(|name| Some((name.to_owned(), container.get(name)?.clone())))
        .collect::<Map<String, Json>>()
        .into()
}

/// What an EKS add-on brings, with its configuration.
pub(crate) fn of_addon(arguments: &Arguments) -> Vec<Charge> {
    let name = arguments.get("name").and_then(Json::as_str).unwrap_or_default();
    // The service takes it as a text, a runbook as either.
    let configuration = match arguments.get("configuration") {
        Some(Json::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(other) => other.clone(),
        None => Json::Null,
    };
    match name {
        "coredns" => {
            // 100m and 70Mi are what the add-on asks for by itself.
            let resources = configuration.get("resources").cloned().unwrap_or_else(
                || json!({"requests": {"cpu": "100m", "memory": "70Mi"}, "limits": {"memory": "170Mi"}}),
            );
            vec![Pods {
                kind: "Deployment",
                namespace: "kube-system",
                name,
                count: replicas(configuration.get("replicaCount"), 2),
                labels: json!({"k8s-app": "kube-dns", "eks.amazonaws.com/component": "coredns"}),
                spec: json!({"containers": [{"name": "coredns", "resources": resources}]}),
            }
            .charge()]
        }
        // DaemonSets: they take room on nodes that others pay for.
        "vpc-cni" | "kube-proxy" | "eks-pod-identity-agent" | "eks-node-monitoring-agent" => {
            Vec::new()
        }
        other => vec![unknown(
            format!("pods of the add-on {other}"),
            "what this add-on asks for is not known here",
        )],
    }
}

/// What a chart brings, with its values.
pub(crate) fn of_chart(arguments: &Arguments) -> Vec<Charge> {
    let text = |name: &str| arguments.get(name).and_then(Json::as_str).unwrap_or_default();
    let values = arguments.get("values").unwrap_or(&Json::Null);
    let chart = text("chart").trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let (count, resources, container) = match chart {
        "karpenter-crd" => return Vec::new(),
        "karpenter" => ("replicas", values.pointer("/controller/resources"), "controller"),
        "aws-load-balancer-controller" => ("replicaCount", values.get("resources"), chart),
        _ => {
            return vec![unknown(
                format!("pods of the chart {chart}"),
                "what this chart asks for is not known before helm has rendered it",
            )];
        }
    };
    let mut labels = details(json!({"app.kubernetes.io/name": chart}));
    if let Some(Json::Object(more)) = values.get("podLabels") {
        labels.extend(more.clone());
    }
    let resources = resources.cloned().unwrap_or(Json::Null);
    vec![
        Pods {
            kind: "Deployment",
            namespace: text("namespace"),
            name: text("name"),
            count: replicas(values.get(count), 2),
            labels: labels.into(),
            spec: json!({"containers": [{"name": container, "resources": resources}]}),
        }
        .charge(),
    ]
}

/// What Kubernetes objects bring.
pub(crate) fn of_objects<'a>(objects: impl IntoIterator<Item = &'a Json>) -> Vec<Charge> {
    objects.into_iter().filter_map(of_object).collect()
}

fn of_object(object: &Json) -> Option<Charge> {
    let text = |path: &str| object.pointer(path).and_then(Json::as_str);
    let kind = text("/kind")?;
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName")).unwrap_or("?");
    let namespace = text("/metadata/namespace").unwrap_or("default");
    let (count, template) = match kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" => {
            (replicas(object.pointer("/spec/replicas"), 1), object.pointer("/spec/template"))
        }
        "Pod" => (Some(1), Some(object)),
        "Job" => {
            (replicas(object.pointer("/spec/parallelism"), 1), object.pointer("/spec/template"))
        }
        "CronJob" => (
            replicas(object.pointer("/spec/jobTemplate/spec/parallelism"), 1),
            object.pointer("/spec/jobTemplate/spec/template"),
        ),
        "NodePool" => {
            let mut charge = one("node_pool", format!("NodePool {name}"));
            charge.details = details(json!({
                "metadata": {"name": name},
                "spec": object.get("spec").cloned().unwrap_or(Json::Null),
            }));
            return Some(charge);
        }
        "Service" if text("/spec/type") == Some("LoadBalancer") => {
            return Some(one("load_balancer", format!("Service {namespace}/{name}")));
        }
        "Ingress" => return Some(one("load_balancer", format!("Ingress {namespace}/{name}"))),
        _ => return None,
    };
    let template = template?;
    Some(
        Pods {
            kind,
            namespace,
            name,
            count,
            labels: template.pointer("/metadata/labels").cloned().unwrap_or(Json::Null),
            spec: template.get("spec").cloned().unwrap_or(Json::Null),
        }
        .charge(),
    )
}

/// How many: what is written, what nobody wrote, or not known yet.
fn replicas(written: Option<&Json>, usual: i64) -> Option<i64> {
    match written {
        None | Some(Json::Null) => Some(usual),
        Some(value) => value.as_i64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(charges: &[Charge]) -> Vec<String> {
        charges
            .iter()
            .map(|charge| {
                let count = charge.count.map_or("?".to_owned(), |count| count.to_string());
                format!("{count} {}: {}", charge.item, charge.words)
            })
            .collect()
    }

    #[test]
    fn add_ons_bring_what_they_are_configured_for() {
        let of = |json: Json| words(&of_addon(&details(json)));
        assert_eq!(
            of(json!({"name": "coredns", "configuration": {"replicaCount": 3}})),
            ["3 pods: Deployment kube-system/coredns"]
        );
        assert_eq!(
            of(
                json!({"name": "coredns", "configuration": {"replicaCount": {"unknown": "integer"}}})
            ),
            ["? pods: Deployment kube-system/coredns"]
        );
        assert!(of(json!({"name": "vpc-cni"})).is_empty());
        assert_eq!(of(json!({"name": "aws-efs"})), ["? unknown: pods of the add-on aws-efs"]);
    }

    #[test]
    fn charts_bring_what_their_values_say() {
        let of = |json: Json| of_chart(&details(json));
        let karpenter = of(json!({
            "chart": "oci://public.ecr.aws/karpenter/karpenter", "namespace": "karpenter",
            "name": "karpenter",
            "values": {"replicas": 1, "controller": {"resources": {"requests": {"cpu": "1"}}},
                       "settings": {"token": {"secret": "1234"}}},
        }));
        assert_eq!(words(&karpenter), ["1 pods: Deployment karpenter/karpenter"]);
        assert_eq!(
            Json::from(karpenter[0].details.clone()),
            json!({
                "kind": "Deployment", "namespace": "karpenter", "name": "karpenter",
                "labels": {"app.kubernetes.io/name": "karpenter"},
                "spec": {"containers": [
                    {"name": "controller", "resources": {"requests": {"cpu": "1"}}}
                ]},
            })
        );
        assert_eq!(words(&of(json!({"chart": "./mine"}))), ["? unknown: pods of the chart mine"]);
    }

    #[test]
    fn of_a_manifest_only_what_costs_is_kept() {
        let charges = of_objects(&[
            json!({"kind": "ConfigMap", "metadata": {"name": "a"}}),
            json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
                   "spec": {"replicas": 4, "template": {"metadata": {"labels": {"app": "web"}},
                            "spec": {"containers": [{"name": "web", "image": "i", "env": [{"name": "A", "value": "secret"}],
                                     "resources": {"requests": {"cpu": "250m"}}}]}}}}),
            json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}}),
        ]);
        assert_eq!(
            words(&charges),
            ["4 pods: Deployment shop/web", "1 load_balancer: Service default/web"]
        );
        assert_eq!(
            charges[0].details["spec"],
            json!({"containers": [{"name": "web", "resources": {"requests": {"cpu": "250m"}}}]})
        );
    }
}
