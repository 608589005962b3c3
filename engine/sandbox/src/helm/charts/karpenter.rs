//! Karpenter, and the definitions of its custom resources.

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::objects::Rendered;
use super::{
    CAPACITY_BUFFERS, NODE_CLAIMS, NODE_CLASSES, NODE_OVERLAYS, NODE_POOLS, Rendering, pairs, put,
    read, rule, with,
};

const READ: [&str; 3] = ["get", "list", "watch"];

/// The objects of the chart `karpenter-crd`.
pub(super) fn render_definitions(rendering: &Rendering<'_>) -> Result<Vec<Rendered>, Failure> {
    let files = [
        ("templates/karpenter.sh_nodepools.yaml", NODE_POOLS),
        ("templates/karpenter.sh_nodeclaims.yaml", NODE_CLAIMS),
        ("templates/karpenter.sh_nodeoverlays.yaml", NODE_OVERLAYS),
        ("templates/karpenter.k8s.aws_ec2nodeclasses.yaml", NODE_CLASSES),
        ("templates/autoscaling.x-k8s.io_capacitybuffers.yaml", CAPACITY_BUFFERS),
    ];
    files
        .into_iter()
        .map(|(source, text)| {
            let mut object = read(text)?;
            put(&mut object["metadata"], "annotations", rendering.value("/additionalAnnotations"));
            Ok(Rendered { source, object })
        })
        .collect()
}

/// The objects of the chart `karpenter`.
pub(super) fn render(rendering: &Rendering<'_>) -> Result<Vec<Rendered>, Failure> {
    let mut objects = vec![
        ("templates/deployment.yaml", deployment(rendering)),
        ("templates/service.yaml", service(rendering)),
        ("templates/poddisruptionbudget.yaml", budget(rendering)),
        ("templates/aggregate-clusterrole.yaml", administrators(rendering)),
    ];
    if rendering.is_on("/serviceAccount/create") {
        objects.push(("templates/serviceaccount.yaml", service_account(rendering)));
    }
    let name = rendering.full_name();
    let of_provider = rendering.role(true, &name, &name, provider_rules());
    objects.extend(of_provider.map(|object| ("templates/clusterrole.yaml", object)));
    let core = format!("{name}-core");
    let of_core = rendering.role(true, &core, &core, core_rules());
    objects.extend(of_core.map(|object| ("templates/clusterrole-core.yaml", object)));
    objects.extend(roles(rendering, &name).map(|object| ("templates/role.yaml", object)));
    for (_, object) in &mut objects {
        let annotations = object["metadata"]["annotations"].take();
        let annotations = if annotations.is_object() { annotations } else { json!({}) };
        let annotations = with(annotations, rendering.value("/additionalAnnotations"));
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("annotations");
        }
        put(&mut object["metadata"], "annotations", &annotations);
    }
    Ok(objects.into_iter().map(|(source, object)| Rendered { source, object }).collect())
}

fn service_account(rendering: &Rendering<'_>) -> Value {
    let name = rendering.service_account();
    let mut account = rendering.object("v1", "ServiceAccount", &name, json!({}));
    put(&mut account["metadata"], "annotations", rendering.value("/serviceAccount/annotations"));
    account
}

fn service(rendering: &Rendering<'_>) -> Value {
    let port = rendering.value("/controller/metrics/port");
    let rest = json!({"spec": {
        "type": "ClusterIP", "selector": rendering.selector_labels(),
        "ports": [{"name": "http-metrics", "port": port, "targetPort": "http-metrics", "protocol": "TCP"}],
    }});
    rendering.object("v1", "Service", &rendering.full_name(), rest)
}

fn budget(rendering: &Rendering<'_>) -> Value {
    let name = rendering.text("/podDisruptionBudget/name");
    let mut spec = json!({"selector": {"matchLabels": rendering.selector_labels()}});
    put(&mut spec, "maxUnavailable", rendering.value("/podDisruptionBudget/maxUnavailable"));
    let name = name.unwrap_or_else(|| rendering.full_name());
    rendering.object("policy/v1", "PodDisruptionBudget", &name, json!({"spec": spec}))
}

/// What administrators of the cluster may do with Karpenter's objects.
fn administrators(rendering: &Rendering<'_>) -> Value {
    let all = ["get", "list", "watch", "create", "delete", "update", "patch"];
    let rules = json!([
        rule(
            "karpenter.sh",
            &["nodepools", "nodepools/status", "nodeclaims", "nodeclaims/status"],
            &all
        ),
        rule("karpenter.k8s.aws", &["ec2nodeclasses"], &all),
    ]);
    let name = format!("{}-admin", rendering.full_name());
    let mut role = rendering.cluster_object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        &name,
        json!({"rules": rules}),
    );
    role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"] = json!("true");
    role
}

fn provider_rules() -> Value {
    json!([
        rule("karpenter.k8s.aws", &["ec2nodeclasses"], &READ),
        rule(
            "karpenter.k8s.aws",
            &["ec2nodeclasses", "ec2nodeclasses/status"],
            &["patch", "update"]
        ),
    ])
}

fn core_rules() -> Value {
    json!([
        rule(
            "karpenter.sh",
            &[
                "nodepools",
                "nodepools/status",
                "nodeclaims",
                "nodeclaims/status",
                "nodeoverlays",
                "nodeoverlays/status"
            ],
            &READ
        ),
        rule(
            "karpenter.sh",
            &["nodeclaims", "nodeclaims/status"],
            &["create", "delete", "update", "patch"]
        ),
        rule(
            "karpenter.sh",
            &["nodepools", "nodepools/status", "nodeoverlays", "nodeoverlays/status"],
            &["update", "patch"]
        ),
        rule(
            "autoscaling.x-k8s.io",
            &["capacitybuffers", "capacitybuffers/status"],
            &["get", "list", "watch", "update", "patch"]
        ),
        rule(
            "",
            &[
                "pods",
                "nodes",
                "persistentvolumes",
                "persistentvolumeclaims",
                "replicationcontrollers",
                "namespaces",
                "podtemplates"
            ],
            &READ
        ),
        rule("storage.k8s.io", &["storageclasses", "csinodes", "volumeattachments"], &READ),
        rule("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"], &READ),
        rule("policy", &["poddisruptionbudgets"], &READ),
        rule("", &["events"], &["create", "patch"]),
        rule("", &["nodes"], &["patch", "delete", "update"]),
        rule("", &["pods/eviction"], &["create"]),
        rule("", &["pods"], &["delete"]),
    ])
}

/// Roles in the release's namespace and in those of the cluster's own that Karpenter looks into.
fn roles(rendering: &Rendering<'_>, name: &str) -> [Value; 6] {
    let leases = json!([
        rule("coordination.k8s.io", &["leases"], &["get", "watch", "create"]),
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["karpenter-leader-election"], "verbs": ["patch", "update"]},
    ]);
    let dns = json!([{"apiGroups": [""], "resources": ["services"], "resourceNames": ["kube-dns"], "verbs": ["get"]}]);
    let heartbeats =
        json!([rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "delete"])]);
    let (of_dns, of_leases) = (format!("{name}-dns"), format!("{name}-lease"));
    let [role, binding] = rendering.role(false, name, name, leases);
    let [mut dns, mut dns_binding] = rendering.role(false, &of_dns, &of_dns, dns);
    let [mut lease, mut lease_binding] = rendering.role(false, &of_leases, &of_leases, heartbeats);
    for object in [&mut dns, &mut dns_binding] {
        object["metadata"]["namespace"] = json!("kube-system");
    }
    for object in [&mut lease, &mut lease_binding] {
        object["metadata"]["namespace"] = json!("kube-node-lease");
    }
    [role, binding, dns, dns_binding, lease, lease_binding]
}

fn deployment(rendering: &Rendering<'_>) -> Value {
    let labels = with(rendering.selector_labels(), rendering.value("/podLabels"));
    let mut metadata = json!({"labels": labels});
    put(&mut metadata, "annotations", rendering.value("/podAnnotations"));
    let mut pod = json!({
        "automountServiceAccountToken": true,
        "serviceAccountName": rendering.service_account(),
        "containers": [container(rendering)],
    });
    for (field, pointer) in [
        ("imagePullSecrets", "/imagePullSecrets"),
        ("securityContext", "/podSecurityContext"),
        ("priorityClassName", "/priorityClassName"),
        ("terminationGracePeriodSeconds", "/terminationGracePeriodSeconds"),
        ("dnsPolicy", "/dnsPolicy"),
        ("dnsConfig", "/dnsConfig"),
        ("hostNetwork", "/hostNetwork"),
        ("schedulerName", "/schedulerName"),
        ("nodeSelector", "/nodeSelector"),
        ("tolerations", "/tolerations"),
        ("volumes", "/extraVolumes"),
    ] {
        put(&mut pod, field, rendering.value(pointer));
    }
    put(&mut pod, "affinity", &affinity(rendering));
    put(&mut pod, "topologySpreadConstraints", &spread(rendering));
    let mut spec = json!({
        "replicas": rendering.value("/replicas"),
        "revisionHistoryLimit": rendering.value("/revisionHistoryLimit"),
        "selector": {"matchLabels": rendering.selector_labels()},
        "template": {"metadata": metadata, "spec": pod},
    });
    put(&mut spec, "strategy", rendering.value("/strategy"));
    rendering.object("apps/v1", "Deployment", &rendering.full_name(), json!({"spec": spec}))
}

/// Terms about pods that name none mean the release's own.
fn affinity(rendering: &Rendering<'_>) -> Value {
    let mut affinity = rendering.value("/affinity").clone();
    for kind in ["podAffinity", "podAntiAffinity"] {
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        if let Some(terms) = affinity.pointer_mut(&format!("/{kind}/{required}")) {
            select_own(rendering, terms);
        }
    }
    affinity
}

fn spread(rendering: &Rendering<'_>) -> Value {
    let mut constraints = rendering.value("/topologySpreadConstraints").clone();
    select_own(rendering, &mut constraints);
    constraints
}

fn select_own(rendering: &Rendering<'_>, terms: &mut Value) {
    for term in terms.as_array_mut().into_iter().flatten() {
        if term["labelSelector"].is_null() {
            term["labelSelector"] = json!({"matchLabels": rendering.selector_labels()});
        }
    }
}

fn container(rendering: &Rendering<'_>) -> Value {
    let image = rendering.value("/controller/image");
    let repository = image["repository"].as_str().unwrap_or_default();
    let tag = image["tag"].as_str().filter(|tag| !tag.is_empty());
    let mut reference = format!("{repository}:{}", tag.unwrap_or(rendering.app_version));
    if let Some(digest) = image["digest"].as_str().filter(|digest| !digest.is_empty()) {
        reference = format!("{reference}@{digest}");
    }
    let probe = |path: &str, delay: u32| json!({"httpGet": {"path": path, "port": "http"}, "initialDelaySeconds": delay, "timeoutSeconds": 30});
    let mut container = json!({
        "name": "controller", "image": reference,
        "imagePullPolicy": rendering.value("/imagePullPolicy"),
        "securityContext": {
            "privileged": false, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"}, "capabilities": {"drop": ["ALL"]},
        },
        "env": variables(rendering),
        "ports": [
            {"name": "http-metrics", "containerPort": rendering.value("/controller/metrics/port"), "protocol": "TCP"},
            {"name": "http", "containerPort": rendering.value("/controller/healthProbe/port"), "protocol": "TCP"},
        ],
        "livenessProbe": probe("/healthz", 30),
        "readinessProbe": probe("/readyz", 5),
    });
    for (field, pointer) in [
        ("resources", "/controller/resources"),
        ("envFrom", "/controller/envFrom"),
        ("volumeMounts", "/controller/extraVolumeMounts"),
    ] {
        put(&mut container, field, rendering.value(pointer));
    }
    container
}

/// Settings reach the controller by its environment.
fn variables(rendering: &Rendering<'_>) -> Value {
    let port = |pointer: &str| rendering.text(pointer).unwrap_or_default();
    let mut variables = vec![
        json!({"name": "KUBERNETES_MIN_VERSION", "value": "1.19.0-0"}),
        json!({"name": "KARPENTER_SERVICE", "value": rendering.full_name()}),
        json!({"name": "METRICS_PORT", "value": port("/controller/metrics/port")}),
        json!({"name": "HEALTH_PROBE_PORT", "value": port("/controller/healthProbe/port")}),
        json!({"name": "SYSTEM_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}),
        json!({"name": "MEMORY_LIMIT", "valueFrom": {"resourceFieldRef": {"containerName": "controller", "divisor": "0", "resource": "limits.memory"}}}),
    ];
    for (name, pointer) in [
        ("LOG_LEVEL", "/logLevel"),
        ("BATCH_MAX_DURATION", "/settings/batchMaxDuration"),
        ("BATCH_IDLE_DURATION", "/settings/batchIdleDuration"),
        ("PREFERENCE_POLICY", "/settings/preferencePolicy"),
        ("MIN_VALUES_POLICY", "/settings/minValuesPolicy"),
        ("CLUSTER_CA_BUNDLE", "/settings/clusterCABundle"),
        ("CLUSTER_NAME", "/settings/clusterName"),
        ("CLUSTER_ENDPOINT", "/settings/clusterEndpoint"),
        ("ISOLATED_VPC", "/settings/isolatedVPC"),
        ("EKS_CONTROL_PLANE", "/settings/eksControlPlane"),
        ("VM_MEMORY_OVERHEAD_PERCENT", "/settings/vmMemoryOverheadPercent"),
        ("INTERRUPTION_QUEUE", "/settings/interruptionQueue"),
        ("RESERVED_ENIS", "/settings/reservedENIs"),
    ] {
        if let Some(value) = rendering.text(pointer) {
            variables.push(json!({"name": name, "value": value}));
        }
    }
    if let Some(gates) = rendering.value("/settings/featureGates").as_object() {
        let gates: serde_json::Map<String, Value> =
            gates.iter().map(|(name, on)| (capitalised(name), on.clone())).collect();
        variables.push(json!({"name": "FEATURE_GATES", "value": pairs(&gates)}));
    }
    let more = rendering.value("/controller/env").as_array();
    variables.extend(more.into_iter().flatten().cloned());
    json!(variables)
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
