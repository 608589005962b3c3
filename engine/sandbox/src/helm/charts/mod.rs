//! The stand-in charts: what the real charts install, as far as it matters, rendered natively.
//!
//! Names, labels, the objects and what of the values reaches them are those of the charts; the
//! objects themselves are written here. Values that no object depends on are accepted and kept in
//! the release, as by the real ones.

mod certificate;
mod karpenter;
mod load_balancer_controller;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::arguments::Upgrade;
use super::failure::Failure;
use super::objects::{Identity, Rendered};

/// A chart.
pub(super) struct Chart {
    pub(super) name: &'static str,
    description: &'static str,
    /// `oci://…`, or a name within `repository`.
    reference: &'static str,
    repository: Option<&'static str>,
    /// The versions it stands for, all patches of these.
    series: &'static str,
    newest: &'static str,
    /// What comes before the version in the application's own.
    app_prefix: &'static str,
    /// Default values, YAML.
    defaults: &'static str,
    /// Definitions that are installed before the release and do not belong to it, YAML.
    beside: &'static [&'static str],
    looks_up: fn(&Rendering<'_>) -> Option<Identity>,
    render: fn(&Rendering<'_>) -> Result<Vec<Rendered>, Failure>,
}

/// What a chart is rendered from.
pub(super) struct Rendering<'a> {
    pub(super) chart: &'static str,
    pub(super) version: &'a str,
    pub(super) app_version: &'a str,
    pub(super) release: &'a str,
    pub(super) namespace: &'a str,
    /// The defaults with what was given over them.
    pub(super) values: &'a Value,
    /// The object that the chart looks up, when it is there.
    pub(super) there: Option<Value>,
    pub(super) now: Timestamp,
}

const NODE_POOLS: &str = include_str!("../../../data/charts/nodepools.yaml");
const NODE_CLAIMS: &str = include_str!("../../../data/charts/nodeclaims.yaml");
const NODE_OVERLAYS: &str = include_str!("../../../data/charts/nodeoverlays.yaml");
const NODE_CLASSES: &str = include_str!("../../../data/charts/ec2nodeclasses.yaml");
const CAPACITY_BUFFERS: &str = include_str!("../../../data/charts/capacitybuffers.yaml");
const CLASS_PARAMETERS: &str = include_str!("../../../data/charts/ingressclassparams.yaml");
const TARGET_GROUPS: &str = include_str!("../../../data/charts/targetgroupbindings.yaml");

/// All charts.
static CHARTS: [Chart; 3] = [
    Chart {
        name: "karpenter",
        description: "Stands for the chart of Karpenter on AWS",
        reference: "oci://public.ecr.aws/karpenter/karpenter",
        repository: None,
        series: "1.14.",
        newest: "1.14.1",
        app_prefix: "",
        defaults: include_str!("../../../data/charts/karpenter.values.yaml"),
        beside: &[NODE_POOLS, NODE_CLAIMS, NODE_OVERLAYS, NODE_CLASSES, CAPACITY_BUFFERS],
        looks_up: |_| None,
        render: karpenter::render,
    },
    Chart {
        name: "karpenter-crd",
        description: "Stands for the chart of Karpenter's custom resources",
        reference: "oci://public.ecr.aws/karpenter/karpenter-crd",
        repository: None,
        series: "1.14.",
        newest: "1.14.1",
        app_prefix: "",
        defaults: "{additionalAnnotations: {}}",
        beside: &[],
        looks_up: |_| None,
        render: karpenter::render_definitions,
    },
    Chart {
        name: "aws-load-balancer-controller",
        description: "Stands for the chart of the AWS Load Balancer Controller",
        reference: "aws-load-balancer-controller",
        repository: Some("https://aws.github.io/eks-charts"),
        series: "3.5.",
        newest: "3.5.0",
        app_prefix: "v",
        defaults: include_str!("../../../data/charts/aws-load-balancer-controller.values.yaml"),
        beside: &[CLASS_PARAMETERS, TARGET_GROUPS],
        looks_up: load_balancer_controller::looks_up,
        render: load_balancer_controller::render,
    },
];

/// The charts with the versions that they stand for.
pub(super) fn names() -> impl Iterator<Item = String> {
    CHARTS.iter().map(|chart| format!("{} {}*", chart.name, chart.series))
}

/// The chart that is asked for, and its version.
pub(super) fn find(asked: &Upgrade) -> Result<(&'static Chart, String), Failure> {
    let repository = asked.repository.as_deref().map(|url| url.trim_end_matches('/'));
    let of_place = CHARTS
        .iter()
        .find(|chart| chart.reference == asked.chart && chart.repository == repository);
    let version = |chart: &Chart| asked.version.clone().unwrap_or_else(|| chart.newest.to_owned());
    match of_place.map(|chart| (chart, version(chart))) {
        Some((chart, version)) if chart.stands_for(&version) => Ok((chart, version)),
        _ => Err(Failure::told(not_found(asked))),
    }
}

fn not_found(asked: &Upgrade) -> String {
    let version = asked.version.as_deref().unwrap_or("");
    let place =
        asked.repository.as_deref().map_or_else(String::new, |url| format!(" in {url} repository"));
    let mut text = format!("chart \"{}\" version \"{version}\" not found{place}\n", asked.chart);
    text.push_str("The sandbox's helm renders no templates; it has stand-ins for:");
    for chart in &CHARTS {
        let place = chart.repository.map_or_else(String::new, |url| format!(" --repo {url}"));
        text.push_str(&format!("\n  {}{place} --version {}*", chart.reference, chart.series));
    }
    text
}

impl Chart {
    fn stands_for(&self, version: &str) -> bool {
        let patch = version.strip_prefix(self.series).unwrap_or_default();
        !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The version of what the chart installs.
    pub(super) fn app_version(&self, version: &str) -> String {
        format!("{}{version}", self.app_prefix)
    }

    /// `Chart.yaml`.
    pub(super) fn metadata(&self, version: &str) -> Value {
        json!({
            "name": self.name, "version": version, "appVersion": self.app_version(version),
            "apiVersion": "v2", "type": "application", "description": self.description,
        })
    }

    pub(super) fn defaults(&self) -> Result<Value, Failure> {
        read(self.defaults)
    }

    /// The definitions beside the release.
    pub(super) fn definitions(&self) -> Result<Vec<Value>, Failure> {
        self.beside.iter().map(|text| read(text)).collect()
    }

    pub(super) fn looks_up(&self, rendering: &Rendering<'_>) -> Option<Identity> {
        (self.looks_up)(rendering)
    }

    pub(super) fn render(&self, rendering: &Rendering<'_>) -> Result<Vec<Rendered>, Failure> {
        (self.render)(rendering)
    }
}

fn read(text: &str) -> Result<Value, Failure> {
    serde_saphyr::from_str(text)
        .map_err(|error| Failure::told(format!("a file of the chart cannot be read: {error}")))
}

impl Rendering<'_> {
    /// A value by its pointer: `/settings/clusterName`.
    fn value(&self, pointer: &str) -> &Value {
        static NONE: Value = Value::Null;
        self.values.pointer(pointer).unwrap_or(&NONE)
    }

    /// A value as a template prints it; none when a template would take it for false.
    fn text(&self, pointer: &str) -> Option<String> {
        let value = self.value(pointer);
        is_set(value).then(|| printed(value))
    }

    fn is_on(&self, pointer: &str) -> bool {
        is_set(self.value(pointer))
    }

    /// The chart's name, unless the values say another.
    fn name(&self) -> String {
        self.text("/nameOverride").unwrap_or_else(|| self.chart.to_owned())
    }

    /// What objects of the release are called.
    fn full_name(&self) -> String {
        let name = self.name();
        self.text("/fullnameOverride").unwrap_or_else(|| {
            if self.release.contains(&name) {
                self.release.to_owned()
            } else {
                format!("{}-{name}", self.release)
            }
        })
    }

    fn service_account(&self) -> String {
        let own = || {
            if self.is_on("/serviceAccount/create") {
                self.full_name()
            } else {
                "default".to_owned()
            }
        };
        self.text("/serviceAccount/name").unwrap_or_else(own)
    }

    /// The labels by which the release's pods are known.
    fn selector_labels(&self) -> Value {
        json!({"app.kubernetes.io/name": self.name(), "app.kubernetes.io/instance": self.release})
    }

    /// The labels of every object.
    fn labels(&self) -> Value {
        let mut labels = self.selector_labels();
        labels["helm.sh/chart"] = json!(format!("{}-{}", self.chart, self.version));
        labels["app.kubernetes.io/version"] = json!(self.app_version);
        labels["app.kubernetes.io/managed-by"] = json!("Helm");
        with(labels, self.value("/additionalLabels"))
    }

    /// An object of the release, in its namespace.
    fn object(&self, api_version: &str, kind: &str, name: &str, rest: Value) -> Value {
        let mut object = self.cluster_object(api_version, kind, name, rest);
        object["metadata"]["namespace"] = json!(self.namespace);
        object
    }

    /// An object of the release that belongs to the cluster.
    fn cluster_object(&self, api_version: &str, kind: &str, name: &str, rest: Value) -> Value {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "labels": self.labels()},
        });
        if let (Some(entries), Value::Object(rest)) = (object.as_object_mut(), rest) {
            entries.extend(rest);
        }
        object
    }

    /// A role, or one of the cluster, and its binding to the release's service account.
    fn role(&self, of_cluster: bool, name: &str, binding: &str, rules: Value) -> [Value; 2] {
        let (role, bound) = if of_cluster {
            ("ClusterRole", "ClusterRoleBinding")
        } else {
            ("Role", "RoleBinding")
        };
        let api_version = "rbac.authorization.k8s.io/v1";
        let rest = json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": self.service_account(), "namespace": self.namespace}],
        });
        let make = |kind: &str, name: &str, rest: Value| {
            if of_cluster {
                self.cluster_object(api_version, kind, name, rest)
            } else {
                self.object(api_version, kind, name, rest)
            }
        };
        [make(role, name, json!({"rules": rules})), make(bound, binding, rest)]
    }
}

/// A rule of a role.
fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// A map with the entries of another.
fn with(mut map: Value, more: &Value) -> Value {
    if let (Some(entries), Some(more)) = (map.as_object_mut(), more.as_object()) {
        entries.extend(more.clone());
    }
    map
}

/// Puts a value into a map when a template would take it for true.
fn put(map: &mut Value, name: &str, value: &Value) {
    if is_set(value) {
        map[name] = value.clone();
    }
}

/// What a template takes for true.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

fn printed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `key=value` pairs, joined by commas.
fn pairs(map: &Map<String, Value>) -> String {
    let pairs: Vec<String> =
        map.iter().map(|(key, value)| format!("{key}={}", printed(value))).collect();
    pairs.join(",")
}
