//! From Kubernetes objects to what a sample keeps of them.
//!
//! Of a pod that is its names, its owner at the top, its labels, the annotations that were asked for,
//! what it requests, where it runs and its own times; of a node its instance and sizes. Nothing of what a
//! workload is told (environment, commands, probes, other annotations) gets this far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::fargate::{self, Size};
use runbook_capacity::manifest::read_pod;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Quantity};
use serde_json::Value;

use super::account::Instances;
use crate::observed::{CapacityType, Controller};
use crate::samples::{FargateState, Labels, NodeState, PodState};

/// Holds whole manifests, with what workloads are told.
const NEVER: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Which annotations are kept: none but those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotations(BTreeSet<String>);

impl Annotations {
    /// Those of these names. `kubectl`'s copy of the whole manifest is never kept, for it holds what the
    /// workload is told.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().filter(|name| name != NEVER).collect())
    }

    fn of(&self, metadata: &Value) -> Labels {
        let mut kept = texts(&metadata["annotations"]);
        kept.retain(|name, _| self.0.contains(name));
        Arc::new(kept)
    }
}

/// What owns the owners of pods, by UID: the Deployment of a `ReplicaSet`, the `CronJob` of a Job; none
/// for one that stands for itself. With the owner's own kind, since kinds are listed one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners(BTreeMap<String, (&'static str, Option<Controller>)>);

impl Owners {
    /// Takes what was listed of a kind, in place of what was known of it.
    pub(super) fn learn<'o>(
        &mut self,
        kind: &'static str,
        listed: impl IntoIterator<Item = &'o Value>,
    ) {
        self.0.retain(|_, (of, _)| *of != kind);
        for object in listed {
            if let Some(uid) = text(object, "/metadata/uid") {
                let above = reference(object).map(|(_, controller)| controller);
                self.0.insert(uid.to_owned(), (kind, above));
            }
        }
    }

    /// An owner that is not there any more is not asked for again.
    pub(super) fn give_up(&mut self, kind: &'static str, uid: String) {
        self.0.entry(uid).or_insert((kind, None));
    }

    pub(super) fn knows(&self, uid: &str) -> bool {
        self.0.contains_key(uid)
    }

    /// The owner at the top. Where a `ReplicaSet` is gone or may not be read, its name and the hash of its
    /// template say the Deployment's; one that stands for itself has no such hash.
    pub(super) fn top(&self, pod: &Value) -> Option<Controller> {
        let (uid, controller) = reference(pod)?;
        if let Some((_, Some(above))) = self.0.get(&uid) {
            return Some(above.clone());
        }
        let deployment = text(pod, "/metadata/labels/pod-template-hash")
            .filter(|_| controller.kind == "ReplicaSet")
            .and_then(|hash| controller.name.strip_suffix(hash)?.strip_suffix('-'))
            .map(|name| Controller { kind: "Deployment".to_owned(), name: name.to_owned() });
        Some(deployment.unwrap_or(controller))
    }
}

/// The UID of what controls an object when it is of a kind that something else may own.
pub(super) fn owned_by(pod: &Value) -> Option<(String, &'static str)> {
    let (uid, controller) = reference(pod)?;
    let kind = ["ReplicaSet", "Job"].into_iter().find(|kind| *kind == controller.kind)?;
    Some((uid, kind))
}

fn reference(object: &Value) -> Option<(String, Controller)> {
    let references = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let one = references.iter().find(|one| one["controller"] == true)?;
    let of = |name: &str| one[name].as_str().map(str::to_owned);
    Some((of("uid").unwrap_or_default(), Controller { kind: of("kind")?, name: of("name")? }))
}

/// A pod, and why its requests cannot be read, where they cannot: then it has none.
pub(super) fn pod(
    object: &Value,
    owners: &Owners,
    annotations: &Annotations,
) -> Option<(PodState, Option<String>)> {
    let metadata = &object["metadata"];
    let uid = metadata["uid"].as_str()?.to_owned();
    let namespace = metadata["namespace"].as_str().unwrap_or("default").to_owned();
    let name = metadata["name"].as_str()?.to_owned();
    let read = read_pod(object.clone());
    let node = text(object, "/spec/nodeName").filter(|node| !node.is_empty()).map(str::to_owned);
    let is_fargate = node.as_deref().is_some_and(is_fargate_name);
    let (requests, fargate, problem) = match read {
        Ok(pod) => {
            let resources = &pod.template.resources;
            let fargate = is_fargate.then(|| fargate_of(object, Some(resources)));
            (resources.kubernetes_requests(), fargate, None)
        }
        Err(problem) => {
            let fargate = is_fargate.then(|| fargate_of(object, None));
            (Resources::default(), fargate, Some(problem.to_string()))
        }
    };
    let state = PodState {
        uid,
        namespace,
        name,
        controller: owners.top(object),
        labels: Arc::new(texts(&metadata["labels"])),
        annotations: annotations.of(metadata),
        node,
        fargate,
        requests,
        phase: text(object, "/status/phase").unwrap_or("Unknown").to_owned(),
        scheduled: since(object, "PodScheduled"),
        started: started(object),
        finished: finished(object),
    };
    Some((state, problem))
}

/// Whether a node of that name is Fargate's.
pub(super) fn is_fargate_name(node: &str) -> bool {
    node.starts_with("fargate-")
}

/// What is billed: what `CapacityProvisioned` says, else what the requests come to.
fn fargate_of(
    pod: &Value,
    resources: Option<&runbook_capacity::pod_resources::PodResources>,
) -> FargateState {
    let said =
        text(pod, "/metadata/annotations/CapacityProvisioned").and_then(Size::from_annotation);
    let sized = resources.and_then(|resources| fargate::size(resources).ok());
    FargateState {
        size: said.or(sized.as_ref().map(|sized| sized.size)).map(Into::into),
        storage: sized.map(|sized| sized.storage),
        is_annotated: said.is_some(),
    }
}

/// The earliest start of any container that is known.
fn started(pod: &Value) -> Option<Timestamp> {
    let of = |status: &Value| {
        [
            "/state/running/startedAt",
            "/state/terminated/startedAt",
            "/lastState/terminated/startedAt",
        ]
        .iter()
        .filter_map(|pointer| time(status, pointer))
        .min()
    };
    statuses(pod).filter_map(of).min()
}

/// When the last container ended, of a pod that has.
fn finished(pod: &Value) -> Option<Timestamp> {
    matches!(text(pod, "/status/phase")?, "Succeeded" | "Failed")
        .then(|| statuses(pod).filter_map(|one| time(one, "/state/terminated/finishedAt")).max())?
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| pod.pointer(pointer)?.as_array())
        .flatten()
}

/// What is known of machines besides their nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Machines {
    /// `NodeClaim`s by instance.
    pub(super) claims: BTreeMap<String, Value>,
    /// What EC2 says of instances.
    pub(super) instances: Instances,
}

impl Machines {
    /// When a machine was launched, as well as it is known.
    fn launched(&self, instance: Option<&str>, object: &Value) -> Option<Timestamp> {
        let of_claim = || time(self.claims.get(instance?)?, "/metadata/creationTimestamp");
        instance
            .and_then(|id| self.instances.launches.get(id).copied())
            .or_else(of_claim)
            .or_else(|| time(object, "/metadata/creationTimestamp"))
    }

    fn volume(&self, instance: Option<&str>) -> Option<Bytes> {
        self.instances.volumes.get(instance?).copied()
    }
}

/// A node; none for Fargate's, whose pods say where they run.
pub(super) fn node(object: &Value, machines: &Machines) -> Option<NodeState> {
    let name = text(object, "/metadata/name")?;
    let labels = &object["metadata"]["labels"];
    if is_fargate_name(name) || labels["eks.amazonaws.com/compute-type"] == "fargate" {
        return None;
    }
    let instance_id = instance(object, "/spec/providerID");
    let claim = instance_id.as_ref().and_then(|id| machines.claims.get(id));
    let initialized = claim.and_then(|claim| since(claim, "Initialized"));
    let drained = claim.and_then(|claim| time(claim, "/metadata/deletionTimestamp"));
    Some(NodeState {
        ready: initialized.or_else(|| since(object, "Ready")),
        drained: drained.or_else(|| time(object, "/metadata/deletionTimestamp")),
        launched: machines.launched(instance_id.as_deref(), object)?,
        volume: machines.volume(instance_id.as_deref()),
        instance_id,
        ..machine(object)?
    })
}

/// A machine whose node has not come, or has gone before it; none of a claim that has no machine yet.
pub(super) fn claim(object: &Value, machines: &Machines) -> Option<NodeState> {
    let instance_id = instance(object, "/status/providerID")?;
    Some(NodeState {
        ready: since(object, "Initialized"),
        drained: time(object, "/metadata/deletionTimestamp"),
        launched: machines.launched(Some(&instance_id), object)?,
        volume: machines.volume(Some(&instance_id)),
        instance_id: Some(instance_id),
        is_claim: true,
        ..machine(object)?
    })
}

/// What a node and its claim say in the same way.
fn machine(object: &Value) -> Option<NodeState> {
    let labels = &object["metadata"]["labels"];
    let label = |name: &str| labels[name].as_str().map(str::to_owned);
    let pools =
        ["karpenter.sh/nodepool", "eks.amazonaws.com/nodegroup", "alpha.eksctl.io/nodegroup-name"];
    Some(NodeState {
        uid: text(object, "/metadata/uid")?.to_owned(),
        name: text(object, "/metadata/name")?.to_owned(),
        instance_id: None,
        instance_type: label("node.kubernetes.io/instance-type"),
        capacity_type: capacity_type(labels),
        zone: label("topology.kubernetes.io/zone"),
        pool: pools.iter().find_map(|name| label(name)),
        is_auto_mode: labels["eks.amazonaws.com/compute-type"] == "auto",
        is_claim: false,
        capacity: amounts(object, "/status/capacity"),
        allocatable: amounts(object, "/status/allocatable"),
        volume: None,
        launched: Timestamp::UNIX_EPOCH,
        ready: None,
        drained: None,
    })
}

/// How Karpenter or EKS says it was bought.
fn capacity_type(labels: &Value) -> CapacityType {
    let said = ["karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType"];
    match said.iter().find_map(|name| labels[*name].as_str()) {
        Some("spot" | "SPOT") => CapacityType::Spot,
        Some("reserved" | "CAPACITY_BLOCK") => CapacityType::Reserved,
        _ => CapacityType::OnDemand,
    }
}

/// `aws:///ap-northeast-2a/i-0abc…`
pub(super) fn instance(object: &Value, pointer: &str) -> Option<String> {
    let id = text(object, pointer)?.rsplit('/').next()?;
    id.starts_with("i-").then(|| id.to_owned())
}

/// Amounts that can be read; the number of pods is none of them.
fn amounts(object: &Value, pointer: &str) -> Resources {
    let mut resources = Resources::default();
    for (name, amount) in object.pointer(pointer).and_then(Value::as_object).into_iter().flatten() {
        let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        if let Ok(quantity) = Quantity::parse(&text)
            && name != "pods"
        {
            resources.set(name, quantity);
        }
    }
    resources
}

/// When a condition came true.
fn since(object: &Value, condition: &str) -> Option<Timestamp> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let one = conditions.iter().find(|one| one["type"] == condition && one["status"] == "True")?;
    time(one, "/lastTransitionTime")
}

pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}

pub(super) fn text<'o>(object: &'o Value, pointer: &str) -> Option<&'o str> {
    object.pointer(pointer)?.as_str()
}

/// The texts of an object; what is none is left out.
pub(super) fn texts(object: &Value) -> BTreeMap<String, String> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
