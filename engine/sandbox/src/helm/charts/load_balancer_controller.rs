//! The AWS Load Balancer Controller: the controller, its webhooks, and the ingress class `alb`.

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::objects::{Identity, Rendered};
use super::{Rendering, certificate, is_set, pairs, printed, put, rule, with};

const READ: [&str; 3] = ["get", "list", "watch"];
const CHANGE: [&str; 5] = ["get", "list", "patch", "update", "watch"];
const STATUS: [&str; 2] = ["patch", "update"];

/// Where the names of the webhooks' objects begin.
fn prefix(rendering: &Rendering<'_>) -> String {
    rendering.text("/nameOverride").unwrap_or_else(|| "aws-load-balancer".to_owned())
}

fn tls_secret(rendering: &Rendering<'_>) -> String {
    format!("{}-tls", prefix(rendering))
}

/// The Secret of an earlier revision, when it shall be kept.
pub(super) fn looks_up(rendering: &Rendering<'_>) -> Option<Identity> {
    rendering.is_on("/keepTLSSecret").then(|| Identity {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        namespace: rendering.namespace.to_owned(),
        name: tls_secret(rendering),
    })
}

pub(super) fn render(rendering: &Rendering<'_>) -> Result<Vec<Rendered>, Failure> {
    let Some(cluster_name) = rendering.text("/clusterName") else {
        return Err(Failure::told(
            "execution error at (aws-load-balancer-controller/templates/deployment.yaml): the value clusterName is required",
        ));
    };
    if rendering.is_on("/enableCertManager") {
        return Err(Failure::told(
            "execution error at (aws-load-balancer-controller/templates/webhook.yaml): the sandbox has no cert-manager; leave enableCertManager false",
        ));
    }
    let tls = tls(rendering)?;
    let mut objects = vec![
        ("templates/deployment.yaml", deployment(rendering, &cluster_name)),
        ("templates/service.yaml", service(rendering)),
        ("templates/webhook.yaml", secret(rendering, &tls)),
        ("templates/webhook.yaml", mutating(rendering, &tls)),
        ("templates/webhook.yaml", validating(rendering, &tls)),
    ];
    if rendering.is_on("/serviceAccount/create") {
        objects.push(("templates/serviceaccount.yaml", service_account(rendering)));
    }
    if rendering.is_on("/rbac/create") {
        objects.extend(roles(rendering).map(|object| ("templates/rbac.yaml", object)));
    }
    let replicas = rendering.value("/replicaCount").as_i64().unwrap_or_default();
    if rendering.is_on("/podDisruptionBudget") && replicas > 1 {
        objects.push(("templates/pdb.yaml", budget(rendering)));
    }
    if rendering.is_on("/createIngressClassResource") {
        objects.push(("templates/ingressclass.yaml", ingress_class(rendering)));
        if rendering.is_on("/ingressClassParams/create") {
            objects.push(("templates/ingressclass.yaml", class_parameters(rendering)));
        }
    }
    Ok(objects.into_iter().map(|(source, object)| Rendered { source, object }).collect())
}

/// The data of the webhooks' Secret: given, kept, or new.
fn tls(rendering: &Rendering<'_>) -> Result<Value, Failure> {
    let given = rendering.value("/webhookTLS");
    if is_set(&given["caCert"]) && is_set(&given["cert"]) && is_set(&given["key"]) {
        use base64::Engine as _;
        let encoded =
            |value: &Value| base64::engine::general_purpose::STANDARD.encode(printed(value));
        return Ok(json!({
            "ca.crt": encoded(&given["caCert"]), "tls.crt": encoded(&given["cert"]),
            "tls.key": encoded(&given["key"]),
        }));
    }
    if let Some(kept) = rendering.there.as_ref().map(|secret| &secret["data"])
        && ["ca.crt", "tls.crt", "tls.key"].iter().all(|name| kept[*name].is_string())
    {
        return Ok(kept.clone());
    }
    let host = format!("{}-webhook-service.{}", prefix(rendering), rendering.namespace);
    let domain = rendering.text("/cluster/dnsDomain").unwrap_or_default();
    let names = [format!("{host}.svc"), host.clone(), format!("{host}.svc.{domain}")];
    certificate::make(&format!("{}-ca", rendering.full_name()), &names, rendering.now)
}

fn secret(rendering: &Rendering<'_>, tls: &Value) -> Value {
    let rest = json!({"type": "kubernetes.io/tls", "data": tls});
    rendering.object("v1", "Secret", &tls_secret(rendering), rest)
}

fn service_account(rendering: &Rendering<'_>) -> Value {
    let automount = rendering.value("/serviceAccount/automountServiceAccountToken");
    let rest = json!({"automountServiceAccountToken": automount});
    let mut account = rendering.object("v1", "ServiceAccount", &rendering.service_account(), rest);
    put(&mut account["metadata"], "annotations", rendering.value("/serviceAccount/annotations"));
    account
}

fn service(rendering: &Rendering<'_>) -> Value {
    let name = format!("{}-webhook-service", prefix(rendering));
    let rest = json!({"spec": {
        "selector": rendering.selector_labels(),
        "ports": [{"name": "webhook-server", "port": 443, "targetPort": "webhook-server", "protocol": "TCP"}],
    }});
    let mut service = rendering.object("v1", "Service", &name, rest);
    service["metadata"]["labels"]["app.kubernetes.io/component"] = json!("webhook");
    put(&mut service["metadata"], "annotations", rendering.value("/serviceAnnotations"));
    service
}

fn budget(rendering: &Rendering<'_>) -> Value {
    let selector = json!({"selector": {"matchLabels": rendering.selector_labels()}});
    let spec = with(selector, rendering.value("/podDisruptionBudget"));
    let name = rendering.full_name();
    rendering.object("policy/v1", "PodDisruptionBudget", &name, json!({"spec": spec}))
}

fn parameters_name(rendering: &Rendering<'_>) -> String {
    rendering
        .text("/ingressClassParams/name")
        .or_else(|| rendering.text("/ingressClass"))
        .unwrap_or_else(|| "alb".to_owned())
}

fn ingress_class(rendering: &Rendering<'_>) -> Value {
    let name = rendering.text("/ingressClass").unwrap_or_else(|| "alb".to_owned());
    let mut spec = json!({"controller": "ingress.k8s.aws/alb"});
    if rendering.is_on("/ingressClassParams/create") {
        spec["parameters"] = json!({
            "apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams",
            "name": parameters_name(rendering),
        });
    }
    let rest = json!({"spec": spec});
    let mut class = rendering.cluster_object("networking.k8s.io/v1", "IngressClass", &name, rest);
    if rendering.is_on("/ingressClassConfig/default") {
        class["metadata"]["annotations"] =
            json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    }
    class
}

fn class_parameters(rendering: &Rendering<'_>) -> Value {
    let mut rest = json!({});
    put(&mut rest, "spec", rendering.value("/ingressClassParams/spec"));
    let name = parameters_name(rendering);
    rendering.cluster_object("elbv2.k8s.aws/v1beta1", "IngressClassParams", &name, rest)
}

fn roles(rendering: &Rendering<'_>) -> [Value; 4] {
    let name = rendering.full_name();
    let leader = "aws-load-balancer-controller-leader";
    let election = json!([
        rule("", &["configmaps"], &["create"]),
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [leader], "verbs": ["get", "patch", "update"]},
        rule("coordination.k8s.io", &["leases"], &["create"]),
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [leader], "verbs": ["get", "patch", "update"]},
    ]);
    let mut rules = vec![
        rule("", &["endpoints", "namespaces", "nodes", "pods"], &READ),
        rule("", &["events"], &["create", "patch"]),
        rule("", &["pods/status", "services/status"], &STATUS),
        rule("", &["services"], &CHANGE),
        rule("", &["configmaps"], &["create", "delete", "get", "update"]),
        rule("discovery.k8s.io", &["endpointslices"], &READ),
        rule("elbv2.k8s.aws", &["ingressclassparams"], &READ),
        rule(
            "elbv2.k8s.aws",
            &["targetgroupbindings"],
            &["create", "delete", "get", "list", "patch", "update", "watch"],
        ),
        rule("elbv2.k8s.aws", &["targetgroupbindings/status"], &STATUS),
        rule("networking.k8s.io", &["ingresses"], &CHANGE),
        rule("networking.k8s.io", &["ingresses/status"], &STATUS),
        rule("networking.k8s.io", &["ingressclasses"], &READ),
    ];
    if rendering.is_on("/clusterSecretsPermissions/allowAllSecrets") {
        rules.push(rule("", &["secrets"], &READ));
    }
    let [role, binding] = rendering.role(
        false,
        &format!("{name}-leader-election-role"),
        &format!("{name}-leader-election-rolebinding"),
        election,
    );
    let [cluster_role, cluster_binding] =
        rendering.role(true, &format!("{name}-role"), &format!("{name}-rolebinding"), json!(rules));
    [role, binding, cluster_role, cluster_binding]
}

fn deployment(rendering: &Rendering<'_>, cluster_name: &str) -> Value {
    let port = metrics_port(rendering);
    let mut annotations = json!({});
    if !rendering.is_on("/serviceMonitor/enabled") {
        annotations =
            json!({"prometheus.io/scrape": "true", "prometheus.io/port": port.to_string()});
    }
    let mut metadata =
        json!({"labels": with(rendering.selector_labels(), rendering.value("/podLabels"))});
    put(&mut metadata, "annotations", &with(annotations, rendering.value("/podAnnotations")));
    let mut volumes = vec![
        json!({"name": "cert", "secret": {"secretName": tls_secret(rendering), "defaultMode": 420}}),
    ];
    volumes.extend(rendering.value("/extraVolumes").as_array().into_iter().flatten().cloned());
    let mut pod = json!({
        "serviceAccountName": rendering.service_account(),
        "volumes": volumes,
        "containers": [container(rendering, cluster_name, port)],
    });
    for (field, pointer) in [
        ("imagePullSecrets", "/imagePullSecrets"),
        ("securityContext", "/podSecurityContext"),
        ("hostNetwork", "/hostNetwork"),
        ("dnsPolicy", "/dnsPolicy"),
        ("terminationGracePeriodSeconds", "/terminationGracePeriodSeconds"),
        ("nodeSelector", "/nodeSelector"),
        ("tolerations", "/tolerations"),
        ("priorityClassName", "/priorityClassName"),
        ("topologySpreadConstraints", "/topologySpreadConstraints"),
    ] {
        put(&mut pod, field, rendering.value(pointer));
    }
    if rendering.is_on("/affinity") {
        pod["affinity"] = rendering.value("/affinity").clone();
    } else if rendering.is_on("/configureDefaultAffinity") {
        let own = json!({"key": "app.kubernetes.io/name", "operator": "In", "values": [rendering.name()]});
        pod["affinity"] = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchExpressions": [own]}}},
        ]}});
    }
    let mut spec = json!({
        "replicas": rendering.value("/replicaCount"),
        "revisionHistoryLimit": rendering.value("/revisionHistoryLimit"),
        "selector": {"matchLabels": rendering.selector_labels()},
        "template": {"metadata": metadata, "spec": pod},
    });
    put(&mut spec, "strategy", rendering.value("/updateStrategy"));
    let name = rendering.full_name();
    let mut deployment = rendering.object("apps/v1", "Deployment", &name, json!({"spec": spec}));
    put(&mut deployment["metadata"], "annotations", rendering.value("/deploymentAnnotations"));
    deployment
}

/// The port of an address such as `:8080`.
fn metrics_port(rendering: &Rendering<'_>) -> u16 {
    let address = rendering.text("/metricsBindAddr").unwrap_or_default();
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(8080)
}

fn container(rendering: &Rendering<'_>, cluster_name: &str, metrics_port: u16) -> Value {
    let image = rendering.value("/image");
    let tag = image["tag"].as_str().filter(|tag| !tag.is_empty());
    let image_name = format!(
        "{}:{}",
        image["repository"].as_str().unwrap_or_default(),
        tag.unwrap_or(rendering.app_version)
    );
    let webhook = rendering.value("/webhookBindPort").as_u64().unwrap_or(9443);
    let mut mounts = vec![
        json!({"name": "cert", "mountPath": "/tmp/k8s-webhook-server/serving-certs", "readOnly": true}),
    ];
    mounts.extend(rendering.value("/extraVolumeMounts").as_array().into_iter().flatten().cloned());
    let mut container = json!({
        "name": rendering.chart, "image": image_name, "imagePullPolicy": image["pullPolicy"],
        "args": arguments(rendering, cluster_name),
        "volumeMounts": mounts,
        "ports": [
            {"name": "webhook-server", "containerPort": webhook, "protocol": "TCP"},
            {"name": "metrics-server", "containerPort": metrics_port, "protocol": "TCP"},
        ],
    });
    for (field, pointer) in [
        ("securityContext", "/securityContext"),
        ("resources", "/resources"),
        ("livenessProbe", "/livenessProbe"),
        ("readinessProbe", "/readinessProbe"),
    ] {
        put(&mut container, field, rendering.value(pointer));
    }
    if let Some(variables) = rendering.value("/env").as_object().filter(|map| !map.is_empty()) {
        container["env"] = variables
            .iter()
            .map(|(name, value)| json!({"name": name, "value": printed(value)}))
            .collect();
    }
    container
}

fn arguments(rendering: &Rendering<'_>, cluster_name: &str) -> Vec<String> {
    let mut arguments = vec![format!("--cluster-name={cluster_name}")];
    for (flag, pointer) in [
        ("ingress-class", "/ingressClass"),
        ("aws-region", "/region"),
        ("aws-vpc-id", "/vpcId"),
        ("aws-api-endpoints", "/awsApiEndpoints"),
        ("aws-max-retries", "/awsMaxRetries"),
        ("metrics-bind-addr", "/metricsBindAddr"),
        ("log-level", "/logLevel"),
        ("webhook-bind-port", "/webhookBindPort"),
        ("sync-period", "/syncPeriod"),
        ("watch-namespace", "/watchNamespace"),
        ("default-ssl-policy", "/defaultSSLPolicy"),
        ("backend-security-group", "/backendSecurityGroup"),
    ] {
        if let Some(value) = rendering.text(pointer) {
            arguments.push(format!("--{flag}={value}"));
        }
    }
    // These are told whatever they are, and left to the controller when nobody says.
    for (flag, pointer) in [
        ("enable-pod-readiness-gate-inject", "/enablePodReadinessGateInject"),
        ("enable-shield", "/enableShield"),
        ("enable-waf", "/enableWaf"),
        ("enable-wafv2", "/enableWafv2"),
        ("enable-endpoint-slices", "/enableEndpointSlices"),
        ("enable-backend-security-group", "/enableBackendSecurityGroup"),
        ("disable-ingress-class-annotation", "/disableIngressClassAnnotation"),
        ("disable-restricted-sg-rules", "/disableRestrictedSecurityGroupRules"),
    ] {
        if let Some(value) = rendering.value(pointer).as_bool() {
            arguments.push(format!("--{flag}={value}"));
        }
    }
    for (flag, pointer) in
        [("default-tags", "/defaultTags"), ("feature-gates", "/controllerConfig/featureGates")]
    {
        if let Some(map) = rendering.value(pointer).as_object().filter(|map| !map.is_empty()) {
            arguments.push(format!("--{flag}={}", pairs(map)));
        }
    }
    if let Some(kind) = rendering.text("/defaultTargetType").filter(|kind| kind != "instance") {
        arguments.push(format!("--default-target-type={kind}"));
    }
    arguments
}

/// A webhook: its name, its path, what it is asked about.
struct Webhook {
    name: &'static str,
    path: &'static str,
    failure_policy: Value,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    operations: &'static [&'static str],
    /// The label of namespaces that it acts in.
    namespaces: Option<&'static str>,
    /// Whether it leaves the controller's own objects alone.
    spares_own: bool,
}

impl Webhook {
    fn render(&self, rendering: &Rendering<'_>, tls: &Value) -> Value {
        let service = format!("{}-webhook-service", prefix(rendering));
        let mut webhook = json!({
            "name": self.name, "admissionReviewVersions": ["v1beta1"], "sideEffects": "None",
            "failurePolicy": self.failure_policy,
            "clientConfig": {
                "caBundle": tls["ca.crt"],
                "service": {"name": service, "namespace": rendering.namespace, "path": self.path},
            },
            "rules": [{
                "apiGroups": [self.group], "apiVersions": [self.version],
                "operations": self.operations, "resources": [self.resource],
            }],
        });
        if let Some(label) = self.namespaces {
            webhook["namespaceSelector"] = json!({"matchExpressions": [
                {"key": label, "operator": "In", "values": ["enabled"]},
            ]});
        }
        if self.spares_own {
            webhook["objectSelector"] = json!({"matchExpressions": [
                {"key": "app.kubernetes.io/name", "operator": "NotIn", "values": [rendering.name()]},
            ]});
        }
        webhook
    }
}

fn mutating(rendering: &Rendering<'_>, tls: &Value) -> Value {
    let mut webhooks = vec![Webhook {
        name: "mpod.elbv2.k8s.aws",
        path: "/mutate-v1-pod",
        failure_policy: rendering.value("/podMutatorWebhookConfig/failurePolicy").clone(),
        group: "",
        version: "v1",
        resource: "pods",
        operations: &["CREATE"],
        namespaces: Some("elbv2.k8s.aws/pod-readiness-gate-inject"),
        spares_own: true,
    }];
    if rendering.is_on("/enableServiceMutatorWebhook") {
        webhooks.push(Webhook {
            name: "mservice.elbv2.k8s.aws",
            path: "/mutate-v1-service",
            failure_policy: rendering.value("/serviceMutatorWebhookConfig/failurePolicy").clone(),
            group: "",
            version: "v1",
            resource: "services",
            operations: &["CREATE"],
            namespaces: None,
            spares_own: true,
        });
    }
    webhooks.push(Webhook {
        name: "mtargetgroupbinding.elbv2.k8s.aws",
        path: "/mutate-elbv2-k8s-aws-v1beta1-targetgroupbinding",
        failure_policy: json!("Fail"),
        group: "elbv2.k8s.aws",
        version: "v1beta1",
        resource: "targetgroupbindings",
        operations: &["CREATE", "UPDATE"],
        namespaces: None,
        spares_own: false,
    });
    configuration(rendering, "MutatingWebhookConfiguration", &webhooks, tls)
}

fn validating(rendering: &Rendering<'_>, tls: &Value) -> Value {
    let webhook = |name, path, group, version, resource, spares_own| Webhook {
        name,
        path,
        failure_policy: json!("Fail"),
        group,
        version,
        resource,
        operations: &["CREATE", "UPDATE"],
        namespaces: None,
        spares_own,
    };
    let webhooks = [
        webhook(
            "vingressclassparams.elbv2.k8s.aws",
            "/validate-elbv2-k8s-aws-v1beta1-ingressclassparams",
            "elbv2.k8s.aws",
            "v1beta1",
            "ingressclassparams",
            true,
        ),
        webhook(
            "vtargetgroupbinding.elbv2.k8s.aws",
            "/validate-elbv2-k8s-aws-v1beta1-targetgroupbinding",
            "elbv2.k8s.aws",
            "v1beta1",
            "targetgroupbindings",
            false,
        ),
        webhook(
            "vingress.elbv2.k8s.aws",
            "/validate-networking-v1-ingress",
            "networking.k8s.io",
            "v1",
            "ingresses",
            false,
        ),
    ];
    configuration(rendering, "ValidatingWebhookConfiguration", &webhooks, tls)
}

fn configuration(
    rendering: &Rendering<'_>,
    kind: &str,
    webhooks: &[Webhook],
    tls: &Value,
) -> Value {
    let webhooks: Vec<Value> = webhooks.iter().map(|one| one.render(rendering, tls)).collect();
    let name = format!("{}-webhook", prefix(rendering));
    let rest = json!({"webhooks": webhooks});
    rendering.cluster_object("admissionregistration.k8s.io/v1", kind, &name, rest)
}
