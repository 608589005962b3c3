//! Some hours of all metrics, put together step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::fargate;
use runbook_capacity::pod_resources::{ContainerResources, PodResources, Resources};
use runbook_capacity::quantity::{Bytes, Millicores, Quantity};

use super::answer::Series;
use crate::observed::{CapacityType, Controller};
use crate::samples::look::{FargateState, Labels, NodeState, PodState, UsageSample};

/// Series of one metric by what they are about.
type By = BTreeMap<String, Vec<Series>>;

/// Some hours of all metrics.
pub(super) struct Chunk {
    steps: usize,
    metrics: BTreeMap<&'static str, By>,
}

/// What was put together at the step before: what is the same stays the same object.
#[derive(Default)]
pub(super) struct Known {
    pods: BTreeMap<String, Arc<PodState>>,
    nodes: BTreeMap<String, Arc<NodeState>>,
    namespaces: BTreeMap<String, Labels>,
}

impl Chunk {
    pub(super) fn new(steps: i64) -> Self {
        Self { steps: usize::try_from(steps).unwrap_or(0), metrics: BTreeMap::new() }
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Takes a metric's series in.
    pub(super) fn take(&mut self, metric: &'static str, series: Vec<Series>) {
        let about: &[&str] = match metric {
            "container_cpu_usage_seconds_total" | "container_memory_working_set_bytes" => {
                &["namespace", "pod"]
            }
            "kube_replicaset_owner" => &["namespace", "replicaset"],
            "kube_job_owner" => &["namespace", "job_name"],
            "kube_namespace_labels" => &["namespace"],
            _ if metric.starts_with("kube_node") => &["node"],
            _ => &["uid"],
        };
        let by = self.metrics.entry(metric).or_default();
        for one in series {
            let parts: Option<Vec<&str>> = about.iter().map(|name| one.label(name)).collect();
            // What does not say what it is about is about nothing that can be told apart.
            if let Some(parts) = parts {
                by.entry(parts.join("/")).or_default().push(one);
            }
        }
    }

    fn there<'c>(
        &'c self,
        metric: &'static str,
        about: &str,
        step: usize,
    ) -> impl Iterator<Item = &'c Series> {
        let found = self.metrics.get(metric).and_then(|by| by.get(about));
        found.into_iter().flatten().filter(move |one| one.is_there(step))
    }

    fn value(&self, metric: &'static str, about: &str, step: usize) -> Option<Quantity> {
        self.there(metric, about, step).find_map(|one| one.at(step))
    }

    fn moment(&self, metric: &'static str, about: &str, step: usize) -> Option<Timestamp> {
        let seconds = self.value(metric, about, step)?.whole();
        Timestamp::from_second(seconds).ok()
    }

    fn amounts(&self, metric: &'static str, about: &str, step: usize) -> Resources {
        let mut resources = Resources::default();
        for one in self.there(metric, about, step) {
            if let (Some(name), Some(amount)) = (one.label("resource"), one.at(step)) {
                match name {
                    "pods" => {}
                    // So kube-state-metrics writes `ephemeral-storage` and `nvidia.com/gpu`.
                    "ephemeral_storage" => resources.set("ephemeral-storage", amount),
                    "nvidia_com_gpu" => resources.set("nvidia.com/gpu", amount),
                    other => resources.set(other, amount),
                }
            }
        }
        resources
    }

    fn labels(&self, metric: &'static str, about: &str, step: usize) -> BTreeMap<String, String> {
        let of = |one: &Series| {
            let labels = one.labels.iter();
            let named = labels.filter_map(|(name, value)| {
                Some((name.strip_prefix("label_")?.to_owned(), value.clone()))
            });
            named.filter(|(_, value)| !value.is_empty()).collect()
        };
        self.there(metric, about, step).next().map(of).unwrap_or_default()
    }

    /// The pods of a step.
    pub(super) fn pods(&self, step: usize, known: &mut Known) -> Vec<Arc<PodState>> {
        let uids = self.metrics.get("kube_pod_info").into_iter().flat_map(BTreeMap::keys);
        let mut pods = BTreeMap::new();
        for uid in uids {
            if let Some(info) = self.info(uid, step) {
                let pod = self.pod(uid, info, step);
                let kept = known.pods.get(uid).filter(|known| ***known == pod).cloned();
                pods.insert(uid.clone(), kept.unwrap_or_else(|| Arc::new(pod)));
            }
        }
        known.pods = pods;
        known.pods.values().cloned().collect()
    }

    /// Of a pod that was bound during a step two series may be there: the one with a node is newer.
    fn info(&self, uid: &str, step: usize) -> Option<&Series> {
        self.there("kube_pod_info", uid, step).max_by_key(|one| one.label("node").is_some())
    }

    fn pod(&self, uid: &str, info: &Series, step: usize) -> PodState {
        let text = |name: &str| info.label(name).map(str::to_owned);
        let namespace = text("namespace").unwrap_or_default();
        let requests = self.amounts("kube_pod_container_resource_requests", uid, step);
        let node = text("node");
        let is_fargate = node.as_deref().is_some_and(|node| node.starts_with("fargate-"));
        let phase =
            self.there("kube_pod_status_phase", uid, step).find_map(|one| one.label("phase"));
        PodState {
            uid: uid.to_owned(),
            name: text("pod").unwrap_or_default(),
            controller: self.controller(&namespace, info, step),
            namespace,
            labels: Arc::new(self.labels("kube_pod_labels", uid, step)),
            annotations: Labels::default(),
            fargate: is_fargate.then(|| fargate_of(&requests)),
            node,
            requests,
            phase: phase.unwrap_or("Unknown").to_owned(),
            // It is bound a moment before its node knows.
            scheduled: self.moment("kube_pod_start_time", uid, step),
            started: None,
            finished: self.moment("kube_pod_completion_time", uid, step),
        }
    }

    fn controller(&self, namespace: &str, info: &Series, step: usize) -> Option<Controller> {
        let is_said = |text: &&str| *text != "<none>";
        let kind = info.label("created_by_kind").filter(is_said)?;
        let name = info.label("created_by_name").filter(is_said)?;
        let metric = match kind {
            "ReplicaSet" => Some("kube_replicaset_owner"),
            "Job" => Some("kube_job_owner"),
            _ => None,
        };
        let above = metric.and_then(|metric| {
            let one = self.there(metric, &format!("{namespace}/{name}"), step).next()?;
            let kind = one.label("owner_kind").filter(is_said)?.to_owned();
            Some(Controller { kind, name: one.label("owner_name").filter(is_said)?.to_owned() })
        });
        Some(above.unwrap_or_else(|| Controller { kind: kind.to_owned(), name: name.to_owned() }))
    }

    /// The nodes of a step, without Fargate's.
    pub(super) fn nodes(
        &self,
        step: usize,
        at: Timestamp,
        known: &mut Known,
    ) -> Vec<Arc<NodeState>> {
        let names = self.metrics.get("kube_node_info").into_iter().flat_map(BTreeMap::keys);
        let mut nodes = BTreeMap::new();
        for name in names.filter(|name| !name.starts_with("fargate-")) {
            if let Some(info) = self.there("kube_node_info", name, step).next() {
                // Of a node whose creation nobody says, the first look has to do.
                let seen = known.nodes.get(name).map_or(at, |known| known.launched);
                let created = self.moment("kube_node_created", name, step);
                let node = self.node(name, info, step, created.unwrap_or(seen));
                let kept = known.nodes.get(name).filter(|known| ***known == node).cloned();
                nodes.insert(name.clone(), kept.unwrap_or_else(|| Arc::new(node)));
            }
        }
        known.nodes = nodes;
        known.nodes.values().cloned().collect()
    }

    fn node(&self, name: &str, info: &Series, step: usize, launched: Timestamp) -> NodeState {
        let labels = self.labels("kube_node_labels", name, step);
        let label = |names: &[&str]| names.iter().find_map(|name| labels.get(*name).cloned());
        let instance_id = info
            .label("provider_id")
            .and_then(|id| id.rsplit('/').next())
            .filter(|id| id.starts_with("i-"))
            .map(str::to_owned);
        let capacity_type =
            match label(&["karpenter_sh_capacity_type", "eks_amazonaws_com_capacityType"])
                .as_deref()
            {
                Some("spot" | "SPOT") => CapacityType::Spot,
                Some("reserved" | "CAPACITY_BLOCK") => CapacityType::Reserved,
                _ => CapacityType::OnDemand,
            };
        NodeState {
            uid: instance_id.clone().unwrap_or_else(|| name.to_owned()),
            name: name.to_owned(),
            instance_id,
            instance_type: label(&["node_kubernetes_io_instance_type"]),
            capacity_type,
            zone: label(&["topology_kubernetes_io_zone"]),
            pool: label(&["karpenter_sh_nodepool", "eks_amazonaws_com_nodegroup"]),
            is_auto_mode: label(&["eks_amazonaws_com_compute_type"]).as_deref() == Some("auto"),
            is_claim: false,
            capacity: self.amounts("kube_node_status_capacity", name, step),
            allocatable: self.amounts("kube_node_status_allocatable", name, step),
            volume: None,
            launched,
            ready: None,
            drained: None,
        }
    }

    /// The labels of namespaces at a step.
    pub(super) fn namespaces(&self, step: usize, known: &mut Known) -> BTreeMap<String, Labels> {
        let names = self.metrics.get("kube_namespace_labels").into_iter().flat_map(BTreeMap::keys);
        let mut namespaces = BTreeMap::new();
        for name in names {
            if self.there("kube_namespace_labels", name, step).next().is_some() {
                let labels = self.labels("kube_namespace_labels", name, step);
                let kept = known.namespaces.get(name).filter(|known| ***known == labels).cloned();
                namespaces.insert(name.clone(), kept.unwrap_or_else(|| Arc::new(labels)));
            }
        }
        known.namespaces.clone_from(&namespaces);
        namespaces
    }

    /// What pods used up to a step. cAdvisor knows pods by name; kube-state-metrics says which pod had it.
    pub(super) fn usage(&self, step: usize, seconds: i64) -> Vec<UsageSample> {
        let uids = self.metrics.get("kube_pod_info").into_iter().flat_map(BTreeMap::keys);
        let of = |uid: &String| {
            let info = self.info(uid, step)?;
            let name = format!("{}/{}", info.label("namespace")?, info.label("pod")?);
            let cpu = self.value("container_cpu_usage_seconds_total", &name, step);
            let memory = self.value("container_memory_working_set_bytes", &name, step);
            (cpu.is_some() || memory.is_some()).then(|| UsageSample {
                uid: uid.clone(),
                seconds,
                cpu: cpu.map(|cpu| Millicores::from(cpu).0),
                memory: memory.map(|memory| Bytes::from(memory).0),
            })
        };
        uids.filter_map(of).collect()
    }
}

/// What the requests come to on Fargate; init containers are not among them.
fn fargate_of(requests: &Resources) -> FargateState {
    let resources = PodResources {
        containers: vec![ContainerResources::requesting("all", requests.clone())],
        ..PodResources::default()
    };
    let sized = fargate::size(&resources).ok();
    FargateState {
        size: sized.as_ref().map(|sized| sized.size.into()),
        storage: sized.map(|sized| sized.storage),
        is_annotated: false,
    }
}
