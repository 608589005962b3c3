//! A pod's specification as Kubernetes writes it, and what of it matters here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use super::document::Object;
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::{
    Effect, HostPort, LabelSelector, NodeInclusion, PodTemplate, PodTerm, PodTraits, Protocol,
    Spread, Toleration, TolerationOperator, WhenUnsatisfiable,
};
use crate::pod_resources::{ContainerResources, PodResources, Resources};
use crate::quantity::Quantity;

/// A quantity, which may also be written as a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawQuantity {
    Text(String),
    Number(serde_json::Number),
}

impl RawQuantity {
    pub(super) fn amount(&self) -> Result<Quantity, String> {
        let read = match self {
            Self::Text(text) => Quantity::parse_amount(text),
            Self::Number(number) => Quantity::parse_amount(&number.to_string()),
        };
        read.map_err(|error| error.to_string())
    }
}

type RawResources = BTreeMap<String, RawQuantity>;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawMetadata {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec {
    containers: Vec<RawContainer>,
    init_containers: Vec<RawContainer>,
    resources: Option<RawRequirements>,
    overhead: RawResources,
    node_selector: BTreeMap<String, String>,
    affinity: RawAffinity,
    topology_spread_constraints: Vec<RawSpread>,
    tolerations: Vec<RawToleration>,
    priority: i32,
    host_network: bool,
    resource_claims: Vec<serde_json::Value>,
    volumes: Vec<RawVolume>,
    os: RawOs,
    security_context: RawSecurityContext,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawOs {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawContainer {
    name: String,
    resources: RawRequirements,
    ports: Vec<RawPort>,
    restart_policy: String,
    security_context: RawSecurityContext,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawSecurityContext {
    privileged: bool,
    windows_options: Option<serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawRequirements {
    requests: RawResources,
    limits: RawResources,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawPort {
    container_port: u16,
    host_port: u16,
    #[serde(rename = "hostIP")]
    host_ip: String,
    protocol: Protocol,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawVolume {
    name: String,
    persistent_volume_claim: Option<RawClaim>,
    ephemeral: Option<RawEphemeral>,
    host_path: Option<serde_json::Value>,
    aws_elastic_block_store: Option<serde_json::Value>,
    csi: Option<RawCsi>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawEphemeral {
    volume_claim_template: RawClaimTemplate,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawClaimTemplate {
    metadata: RawNamed,
    spec: RawClaimSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawNamed {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawClaimSpec {
    storage_class_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawClaim {
    claim_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawCsi {
    driver: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawAffinity {
    #[serde(rename = "nodeAffinity")]
    node: RawNodeAffinity,
    #[serde(rename = "podAffinity")]
    pod: RawPodAffinity,
    #[serde(rename = "podAntiAffinity")]
    pod_anti: RawPodAffinity,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawNodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: RawTerms,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<RawPreferredTerm>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawTerms {
    node_selector_terms: Vec<RawTerm>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawTerm {
    match_expressions: Vec<NodeRequirement>,
}

#[derive(Deserialize)]
struct RawPreferredTerm {
    weight: i32,
    #[serde(default)]
    preference: RawTerm,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawPodAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Vec<RawPodTerm>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<RawPreferredPodTerm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPreferredPodTerm {
    weight: i32,
    pod_affinity_term: RawPodTerm,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPodTerm {
    topology_key: String,
    label_selector: Option<LabelSelector>,
    #[serde(default)]
    namespaces: Vec<String>,
    namespace_selector: Option<LabelSelector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpread {
    topology_key: String,
    #[serde(default = "one")]
    max_skew: i32,
    min_domains: Option<i32>,
    when_unsatisfiable: WhenUnsatisfiable,
    label_selector: Option<LabelSelector>,
    #[serde(default)]
    match_label_keys: Vec<String>,
    node_affinity_policy: Option<NodeInclusion>,
    node_taints_policy: Option<NodeInclusion>,
}

fn one() -> i32 {
    1
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawToleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
}

/// Reads the pod at a place of an object (`""` for a Pod, `/spec/template` for a Deployment).
pub(super) fn template(object: &Object, at: &str) -> Result<PodTemplate, String> {
    let metadata: RawMetadata = object.read(&format!("{at}/metadata"))?;
    let spec: RawSpec = object.read(&format!("{at}/spec"))?;
    if spec.containers.is_empty() {
        return Err("it has no containers".to_owned());
    }
    let resources = resources(&spec)?;
    let host_ports = host_ports(&spec.containers)?;
    let tolerations = spec.tolerations.iter().map(toleration).collect::<Result<_, _>>()?;
    let traits = traits(&spec);
    let RawAffinity { node, pod, pod_anti } = spec.affinity;
    let required: Vec<Vec<NodeRequirement>> =
        node.required.node_selector_terms.into_iter().map(|term| term.match_expressions).collect();
    let preferred: Vec<(i32, Vec<NodeRequirement>)> = node
        .preferred
        .into_iter()
        .map(|term| (term.weight, term.preference.match_expressions))
        .collect();
    let all = required.iter().chain(preferred.iter().map(|(_, term)| term)).flatten();
    all.clone().try_for_each(check_requirement)?;
    Ok(PodTemplate {
        labels: metadata.labels,
        annotations: metadata.annotations,
        resources,
        node_selector: spec.node_selector,
        node_affinity: required,
        preferred_node_affinity: preferred,
        affinity: pod.required.into_iter().map(pod_term).collect(),
        preferred_affinity: weighted(pod.preferred),
        anti_affinity: pod_anti.required.into_iter().map(pod_term).collect(),
        preferred_anti_affinity: weighted(pod_anti.preferred),
        spread: spec.topology_spread_constraints.into_iter().map(spread).collect(),
        tolerations,
        host_ports,
        priority: spec.priority,
        traits,
    })
}

/// The claims that a `StatefulSet` makes for each of its pods.
pub(super) fn add_claim_templates(
    object: &Object,
    template: &mut PodTemplate,
) -> Result<(), String> {
    let claims: Vec<RawClaimTemplate> = object.read("/spec/volumeClaimTemplates")?;
    for claim in claims {
        let name = claim.metadata.name;
        if !template.traits.volume_claims.contains(&name) {
            template.traits.volume_claims.push(name.clone());
        }
        template.traits.claim_templates.insert(name, claim.spec.storage_class_name);
    }
    Ok(())
}

/// What the API server refuses: values that do not go with the operator.
pub(super) fn check_requirement(requirement: &NodeRequirement) -> Result<(), String> {
    let NodeRequirement { key, operator, values, .. } = requirement;
    let wrong = |what: &str| Err(format!("requirement on `{key}`: `{operator:?}` {what}"));
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => wrong("needs values"),
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => wrong("takes no values"),
        Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte => match values.as_slice() {
            [one] if one.parse::<i64>().is_ok() => Ok(()),
            _ => wrong("needs one whole number"),
        },
        _ => Ok(()),
    }
}

fn resources(spec: &RawSpec) -> Result<PodResources, String> {
    let containers =
        |raw: &[RawContainer]| raw.iter().map(container).collect::<Result<Vec<_>, _>>();
    let pod_level = match &spec.resources {
        Some(raw) => {
            Some(defaulted(raw, "spec.resources")?.0).filter(|requests| !requests.is_empty())
        }
        None => None,
    };
    Ok(PodResources {
        containers: containers(&spec.containers)?,
        init_containers: containers(&spec.init_containers)?,
        pod_level,
        overhead: amounts(&spec.overhead, "spec.overhead")?,
    })
}

fn container(raw: &RawContainer) -> Result<ContainerResources, String> {
    let (requests, limits) = defaulted(&raw.resources, &format!("container `{}`", raw.name))?;
    Ok(ContainerResources {
        name: raw.name.clone(),
        requests,
        limits,
        is_sidecar: raw.restart_policy == "Always",
    })
}

/// Requests and limits, requests defaulted to limits.
fn defaulted(raw: &RawRequirements, whose: &str) -> Result<(Resources, Resources), String> {
    let limits = amounts(&raw.limits, whose)?;
    let mut requests = amounts(&raw.requests, whose)?;
    requests.default_to(&limits);
    Ok((requests, limits))
}

fn amounts(raw: &RawResources, whose: &str) -> Result<Resources, String> {
    let mut resources = Resources::default();
    for (name, quantity) in raw {
        let amount = quantity.amount().map_err(|error| format!("{whose}, `{name}`: {error}"))?;
        resources.set(name, amount);
    }
    Ok(resources)
}

fn host_ports(containers: &[RawContainer]) -> Result<Vec<HostPort>, String> {
    let taken =
        containers.iter().flat_map(|container| &container.ports).filter(|port| port.host_port != 0);
    taken
        .map(|port| {
            let address = match port.host_ip.as_str() {
                "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                text => text.parse().map_err(|_| {
                    format!("port {}: hostIP `{text}` is no address", port.container_port)
                })?,
            };
            Ok(HostPort { address, port: port.host_port, protocol: port.protocol })
        })
        .collect()
}

fn toleration(raw: &RawToleration) -> Result<Toleration, String> {
    let operator = match raw.operator.as_str() {
        "" | "Equal" => TolerationOperator::Equal,
        "Exists" => TolerationOperator::Exists,
        "Gt" => TolerationOperator::Gt,
        "Lt" => TolerationOperator::Lt,
        other => return Err(format!("toleration of `{}`: unknown operator `{other}`", raw.key)),
    };
    let effect = match raw.effect.as_str() {
        "" => None,
        "NoSchedule" => Some(Effect::NoSchedule),
        "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
        "NoExecute" => Some(Effect::NoExecute),
        other => return Err(format!("toleration of `{}`: unknown effect `{other}`", raw.key)),
    };
    Ok(Toleration { key: raw.key.clone(), operator, value: raw.value.clone(), effect })
}

fn traits(spec: &RawSpec) -> PodTraits {
    let containers = || spec.containers.iter().chain(&spec.init_containers);
    let claims = spec.volumes.iter().filter_map(|volume| {
        match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.clone()),
            (None, Some(_)) => Some(volume.name.clone()),
            (None, None) => None,
        }
    });
    let is_ebs = |volume: &RawVolume| {
        volume.aws_elastic_block_store.is_some()
            || volume.csi.as_ref().is_some_and(|csi| csi.driver == "ebs.csi.aws.com")
    };
    PodTraits {
        is_privileged: containers().any(|container| container.security_context.privileged),
        uses_host_network: spec.host_network,
        mounts_host_path: spec.volumes.iter().any(|volume| volume.host_path.is_some()),
        is_windows: spec.os.name == "windows"
            || spec.security_context.windows_options.is_some()
            || spec.node_selector.get("kubernetes.io/os").is_some_and(|os| os == "windows"),
        has_resource_claims: !spec.resource_claims.is_empty(),
        volume_claims: claims.collect(),
        claim_templates: spec
            .volumes
            .iter()
            .filter_map(|volume| {
                let class = &volume.ephemeral.as_ref()?.volume_claim_template.spec;
                Some((volume.name.clone(), class.storage_class_name.clone()))
            })
            .collect(),
        mounts_ebs: spec.volumes.iter().any(is_ebs),
    }
}

fn pod_term(raw: RawPodTerm) -> PodTerm {
    PodTerm {
        topology_key: raw.topology_key,
        selector: raw.label_selector,
        namespaces: raw.namespaces,
        namespace_selector: raw.namespace_selector,
    }
}

fn weighted(raw: Vec<RawPreferredPodTerm>) -> Vec<(i32, PodTerm)> {
    raw.into_iter().map(|term| (term.weight, pod_term(term.pod_affinity_term))).collect()
}

fn spread(raw: RawSpread) -> Spread {
    Spread {
        topology_key: raw.topology_key,
        max_skew: raw.max_skew,
        min_domains: raw.min_domains,
        when_unsatisfiable: raw.when_unsatisfiable,
        selector: raw.label_selector,
        match_label_keys: raw.match_label_keys,
        node_affinity_policy: raw.node_affinity_policy.unwrap_or(NodeInclusion::Honor),
        node_taints_policy: raw.node_taints_policy.unwrap_or(NodeInclusion::Ignore),
    }
}

/// Reads one pod object, as a list of pods from the API server has it.
pub fn read_pod(fields: serde_json::Value) -> Result<crate::pod::Pod, super::Problem> {
    let object = Object { position: 0, fields };
    super::workload::pod(&object)
        .map_err(|message| super::Problem::of_object("pod", &object.label(), message))
}
