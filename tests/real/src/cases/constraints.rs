//! What the pods, pools and daemonsets of a case ask for.

use serde_json::{Value, json};

use crate::random::Random;

const ARCH: &str = "kubernetes.io/arch";
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";
const CATEGORY: &str = "karpenter.k8s.aws/instance-category";
const FAMILY: &str = "karpenter.k8s.aws/instance-family";
const CAPACITY: &str = "karpenter.sh/capacity-type";

/// Adds constraints of one kind to pods.
pub(super) struct Constrain {
    kind: &'static str,
    apps: usize,
}

impl Constrain {
    pub(super) fn new(kind: &'static str, random: &mut Random) -> Self {
        Self { kind, apps: random.between(2, 7) }
    }

    pub(super) fn apply(&mut self, pod: &mut Value, index: usize, random: &mut Random) {
        let app = format!("app-{}", random.below(self.apps));
        pod["metadata"]["labels"]["app"] = json!(app);
        let kind = match self.kind {
            "mix" => *random.one(&[
                "generic",
                "zone-spread",
                "hostname-spread",
                "affinity",
                "anti-affinity",
            ]),
            other => other,
        };
        match kind {
            "architectures" => architecture(pod, random),
            "zone-spread" => spread(pod, ZONE, &app, "DoNotSchedule", random),
            "hostname-spread" => spread(pod, HOSTNAME, &app, "DoNotSchedule", random),
            "affinity" => affinity(pod, &app, random),
            "anti-affinity" => anti_affinity(pod, &app, index, random),
            "taints" => tolerate(pod, random),
            "preferences" => prefer(pod, &app, random),
            "host-ports" => host_port(pod, random),
            "pools" | "limits" | "min-values" | "spot" => select(pod, random),
            _ => {}
        }
    }
}

fn architecture(pod: &mut Value, random: &mut Random) {
    match random.below(4) {
        0 => pod["spec"]["nodeSelector"] = json!({ARCH: "arm64"}),
        1 => pod["spec"]["nodeSelector"] = json!({ARCH: "amd64"}),
        2 => require(pod, json!([{"key": ARCH, "operator": "NotIn", "values": ["arm64"]}])),
        _ => {}
    }
}

fn require(pod: &mut Value, expressions: Value) {
    pod["spec"]["affinity"]["nodeAffinity"] = json!({
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    });
}

fn spread(pod: &mut Value, key: &str, app: &str, otherwise: &str, random: &mut Random) {
    if random.once_in(4) {
        return;
    }
    pod["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": random.between(1, 2), "topologyKey": key, "whenUnsatisfiable": otherwise,
        "labelSelector": {"matchLabels": {"app": app}},
    }]);
}

fn affinity(pod: &mut Value, app: &str, random: &mut Random) {
    let key = if random.once_in(3) { HOSTNAME } else { ZONE };
    if random.once_in(2) {
        pod["spec"]["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
        ]}});
    }
}

fn anti_affinity(pod: &mut Value, app: &str, index: usize, random: &mut Random) {
    // Few enough that an answer keeps below a hundred claims.
    if index < 45 && random.once_in(2) {
        pod["spec"]["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app": app}}}
        ]}});
    } else if random.once_in(40) {
        pod["metadata"]["labels"]["alone"] = json!("yes");
        pod["spec"]["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"alone": "yes"}}}
        ]}});
    }
}

fn tolerate(pod: &mut Value, random: &mut Random) {
    match random.below(4) {
        0 => {
            pod["spec"]["tolerations"] = json!([{"key": "team", "operator": "Equal", "value": "data", "effect": "NoSchedule"}]);
        }
        1 => pod["spec"]["tolerations"] = json!([{"key": "team", "operator": "Exists"}]),
        2 => {
            pod["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
            pod["spec"]["nodeSelector"] = json!({"team": "data"});
        }
        _ => {}
    }
}

fn prefer(pod: &mut Value, app: &str, random: &mut Random) {
    match random.below(5) {
        0 => {
            pod["spec"]["affinity"] = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 10, "preference": {"matchExpressions": [{"key": ARCH, "operator": "In", "values": ["arm64"]}]}},
                {"weight": 1, "preference": {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["zone-nowhere"]}]}},
            ]}});
        }
        1 => {
            pod["spec"]["affinity"] = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 5, "podAffinityTerm": {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": app}}}}
            ]}});
        }
        2 => spread(pod, ZONE, app, "ScheduleAnyway", random),
        3 => {
            pod["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": FAMILY, "operator": "In", "values": ["x9"]}]},
                {"matchExpressions": [{"key": FAMILY, "operator": "In", "values": ["m5", "m6i"]}]},
            ]}}});
        }
        _ => {}
    }
}

fn host_port(pod: &mut Value, random: &mut Random) {
    if random.once_in(6) {
        let port = 8000 + random.below(4);
        pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": port}]);
    }
}

fn select(pod: &mut Value, random: &mut Random) {
    match random.below(8) {
        0 => require(pod, json!([{"key": CATEGORY, "operator": "In", "values": ["c", "m"]}])),
        1 => require(pod, json!([{"key": ZONE, "operator": "In", "values": ["zone-b", "zone-c"]}])),
        2 => pod["spec"]["nodeSelector"] = json!({ARCH: "amd64"}),
        _ => {}
    }
}

fn pool(name: &str, requirements: Vec<Value>) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
            "requirements": requirements,
        }}},
    })
}

fn on_demand() -> Value {
    json!({"key": CAPACITY, "operator": "In", "values": ["on-demand"]})
}

/// The pools of a case; none means the default pool.
pub(super) fn node_pools(kind: &str, random: &mut Random) -> Vec<Value> {
    match kind {
        "taints" => tainted(random),
        "pools" => weighted(random),
        "limits" => limited(random),
        "min-values" => vec![pool(
            "flexible",
            vec![
                on_demand(),
                json!({"key": "node.kubernetes.io/instance-type", "operator": "Exists", "minValues": random.between(2, 12)}),
                json!({"key": FAMILY, "operator": "Exists", "minValues": random.between(1, 4)}),
            ],
        )],
        "spot" => vec![pool(
            "spot",
            vec![
                json!({"key": CAPACITY, "operator": "In", "values": ["spot", "on-demand"]}),
                json!({"key": CATEGORY, "operator": "In", "values": ["c", "m", "r"]}),
            ],
        )],
        _ => Vec::new(),
    }
}

fn tainted(random: &mut Random) -> Vec<Value> {
    let mut data = pool(
        "data",
        vec![on_demand(), json!({"key": CATEGORY, "operator": "In", "values": ["r", "m"]})],
    );
    data["spec"]["template"]["metadata"] = json!({"labels": {"team": "data"}});
    data["spec"]["template"]["spec"]["taints"] =
        json!([{"key": "team", "value": "data", "effect": "NoSchedule"}]);
    data["spec"]["weight"] = json!(random.between(1, 20));
    vec![data, pool("open", vec![on_demand()])]
}

fn weighted(random: &mut Random) -> Vec<Value> {
    let mut arm =
        pool("arm", vec![on_demand(), json!({"key": ARCH, "operator": "In", "values": ["arm64"]})]);
    arm["spec"]["weight"] = json!(random.between(1, 3));
    let mut small = pool(
        "small",
        vec![
            on_demand(),
            json!({"key": "karpenter.k8s.aws/instance-size", "operator": "In", "values": ["large", "xlarge", "2xlarge"]}),
        ],
    );
    small["spec"]["weight"] = json!(random.between(1, 3));
    vec![arm, small, pool("rest", vec![on_demand()])]
}

fn limited(random: &mut Random) -> Vec<Value> {
    let mut first = pool("bounded", vec![on_demand()]);
    first["spec"]["limits"] = json!({"cpu": random.between(40, 400).to_string()});
    first["spec"]["weight"] = json!(10);
    if random.once_in(3) {
        return vec![first];
    }
    let mut second = pool(
        "overflow",
        vec![on_demand(), json!({"key": CATEGORY, "operator": "In", "values": ["c"]})],
    );
    second["spec"]["limits"] = json!({"memory": format!("{}Gi", random.between(64, 512))});
    vec![first, second]
}

/// The daemonsets of a case.
pub(super) fn daemonsets(kind: &str, random: &mut Random) -> Vec<Value> {
    if !matches!(kind, "daemonsets" | "mix" | "taints") {
        return Vec::new();
    }
    let count = random.between(1, 4);
    (0..count)
        .map(|index| {
            let mut spec = json!({"containers": [{
                "name": "agent", "image": "example",
                "resources": {"requests": {"cpu": format!("{}m", 20 * random.between(1, 10)), "memory": format!("{}Mi", 32 * random.between(1, 10))}},
            }]});
            match random.below(4) {
                0 => spec["nodeSelector"] = json!({ARCH: "amd64"}),
                1 => spec["tolerations"] = json!([{"operator": "Exists"}]),
                2 => spec["containers"][0]["ports"] = json!([{"containerPort": 9100, "hostPort": 9100 + index}]),
                _ => {}
            }
            json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet",
                "metadata": {"name": format!("agent-{index}"), "namespace": "kube-system"},
                "spec": {
                    "selector": {"matchLabels": {"agent": format!("agent-{index}")}},
                    "template": {"metadata": {"labels": {"agent": format!("agent-{index}")}}, "spec": spec},
                },
            })
        })
        .collect()
}
