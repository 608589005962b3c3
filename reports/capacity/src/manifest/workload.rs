//! Objects that stand for pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::autoscaler::{Autoscaler, autoscaler};
use super::document::{Object, objects};
use super::job::{self, JobFacts};
use super::storage::Storage;
use super::{Problem, pod_spec};
use crate::pod::{Pod, PodTemplate};

/// What a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// A pod by itself.
    Pod,
    /// Deployment.
    Deployment,
    /// `ReplicaSet` or `ReplicationController` by itself.
    ReplicaSet,
    /// `StatefulSet`.
    StatefulSet,
    /// One pod per node.
    DaemonSet,
    /// Runs to its end.
    Job,
    /// Starts jobs by a schedule.
    CronJob,
    /// A row of a table.
    Row,
}

/// A workload of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// What it is.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: String,
    /// How many pods it runs at a time; a `DaemonSet` counts as one.
    pub replicas: u32,
    /// How many hours a month it runs, where it says so.
    pub hours: Option<u32>,
    /// Of a `Job` or `CronJob`, how often and how long it runs.
    pub job: JobFacts,
    /// The pod, when it is one by itself.
    pub pod: Option<Pod>,
    /// What its pods look like.
    pub template: Arc<PodTemplate>,
}

impl Workload {
    /// The first of its pods, which all are alike; none when it has none.
    pub fn first_pod(&self) -> Option<Pod> {
        match &self.pod {
            Some(pod) => Some(pod.clone()),
            None if self.replicas == 0 => None,
            None => Self { replicas: 1, ..self.clone() }.pods().pop(),
        }
    }

    /// Its pods. Replicas are named `name-0`, `name-1`; a single row or `DaemonSet` keeps its name.
    pub fn pods(&self) -> Vec<Pod> {
        if let Some(pod) = &self.pod {
            return vec![pod.clone()];
        }
        let keeps_name = match self.kind {
            WorkloadKind::DaemonSet | WorkloadKind::Pod => true,
            WorkloadKind::Row => self.replicas == 1,
            _ => false,
        };
        (0..self.replicas)
            .map(|index| Pod {
                namespace: Arc::clone(&self.namespace),
                name: if keeps_name { self.name.clone() } else { format!("{}-{index}", self.name) },
                uid: None,
                created: None,
                node: None,
                template: Arc::clone(&self.template),
            })
            .collect()
    }
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifests {
    /// What stands for pods, in the order of the file.
    pub workloads: Vec<Workload>,
    /// Objects that do not, as ``Kind `name` ``.
    pub passed_over: Vec<String>,
    /// Labels of the namespaces in it.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// What it says about volumes.
    pub storage: Storage,
    /// What scales workloads.
    pub autoscalers: Vec<Autoscaler>,
}

impl Manifests {
    /// All pods, in the order of the file.
    pub fn pods(&self) -> Vec<Pod> {
        self.workloads.iter().flat_map(Workload::pods).collect()
    }
}

/// Reads all workloads of a text; every problem of it is reported.
pub fn read(source_name: &str, text: &str) -> Result<Manifests, Vec<Problem>> {
    let objects = objects(source_name, text).map_err(|problem| vec![problem])?;
    of_objects(source_name, &objects)
}

pub(super) fn of_objects(source_name: &str, objects: &[Object]) -> Result<Manifests, Vec<Problem>> {
    let mut manifests = Manifests {
        namespaces: namespaces(objects),
        storage: Storage::of(objects),
        ..Manifests::default()
    };
    let mut problems = Vec::new();
    let present: BTreeSet<Identity<'_>> = objects.iter().filter_map(identity).collect();
    let mut daemonsets: BTreeSet<Identity<'_>> = BTreeSet::new();
    for object in objects {
        if let Some(owner) = controller(object)
            && (present.contains(&owner) || owner.0 == "Node" || has_ended(object))
        {
            manifests.passed_over.push(object.label());
            continue;
        }
        // Each node has a pod of a daemonset; one of them stands for it.
        if let Some(owner) = controller(object).filter(|owner| owner.0 == "DaemonSet") {
            if daemonsets.insert(owner) {
                match standing_daemonset(object, owner) {
                    Ok(workload) => manifests.workloads.push(workload),
                    Err(why) => {
                        problems.push(Problem::of_object(source_name, &object.label(), why));
                    }
                }
            } else {
                manifests.passed_over.push(object.label());
            }
            continue;
        }
        if object.kind() == "HorizontalPodAutoscaler" {
            match autoscaler(object) {
                Ok(one) => manifests.autoscalers.push(one),
                Err(why) => {
                    problems.push(Problem::of_object(source_name, &object.label(), why));
                }
            }
            continue;
        }
        match workload(object) {
            Ok(Some(workload)) => manifests.workloads.push(workload),
            Ok(None) => manifests.passed_over.push(object.label()),
            Err(message) => {
                problems.push(Problem::of_object(source_name, &object.label(), message));
            }
        }
    }
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

fn workload(object: &Object) -> Result<Option<Workload>, String> {
    let (kind, at) = match object.kind() {
        "Pod" if has_ended(object) => return Ok(None),
        "Pod" => return standing_pod(object).map(Some),
        "Deployment" => (WorkloadKind::Deployment, "/spec/template"),
        "ReplicaSet" | "ReplicationController" => (WorkloadKind::ReplicaSet, "/spec/template"),
        "StatefulSet" => (WorkloadKind::StatefulSet, "/spec/template"),
        "DaemonSet" => (WorkloadKind::DaemonSet, "/spec/template"),
        "Job" => (WorkloadKind::Job, "/spec/template"),
        "CronJob" => (WorkloadKind::CronJob, "/spec/jobTemplate/spec/template"),
        "" => return Err("it has no kind".to_owned()),
        _ => return Ok(None),
    };
    let replicas = match kind {
        WorkloadKind::DaemonSet => 1,
        WorkloadKind::Job => job_pods(object, "/spec")?,
        WorkloadKind::CronJob => job_pods(object, "/spec/jobTemplate/spec")?,
        _ => count(object, "/spec/replicas")?.unwrap_or(1),
    };
    let job = match kind {
        WorkloadKind::Job => job::facts(object, "/spec")?,
        WorkloadKind::CronJob => job::facts(object, "/spec/jobTemplate/spec")?,
        _ => JobFacts::default(),
    };
    let mut template = pod_spec::template(object, at)?;
    if kind == WorkloadKind::StatefulSet {
        pod_spec::add_claim_templates(object, &mut template)?;
    }
    Ok(Some(Workload {
        kind,
        namespace: namespace(object),
        name: name(object)?,
        replicas,
        hours: None,
        job,
        pod: None,
        template: Arc::new(template),
    }))
}

/// A job's pods at a time: its parallelism, but no more than it has to complete.
fn job_pods(object: &Object, at: &str) -> Result<u32, String> {
    let parallelism = count(object, &format!("{at}/parallelism"))?.unwrap_or(1);
    let completions = count(object, &format!("{at}/completions"))?;
    Ok(completions.map_or(parallelism, |completions| parallelism.min(completions)))
}

/// Kind, namespace and name.
type Identity<'a> = (&'a str, &'a str, &'a str);

fn identity(object: &Object) -> Option<Identity<'_>> {
    let namespace = object.text("/metadata/namespace").unwrap_or("default");
    Some((object.kind(), namespace, object.text("/metadata/name")?))
}

/// Who made the object. Where that is in the same file too (a `ReplicaSet` of a Deployment, a pod of
/// a `ReplicaSet`, as in what `kubectl get all` prints), the owner already stands for the pods.
pub(super) fn controller(object: &Object) -> Option<Identity<'_>> {
    let owners = object.fields.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    let owner = owners
        .iter()
        .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    let field = |name: &str| owner.get(name).and_then(Value::as_str);
    let namespace = object.text("/metadata/namespace").unwrap_or("default");
    Some((field("kind")?, namespace, field("name")?))
}

/// A pod that ran to its end asks for nothing any more.
pub(super) fn has_ended(object: &Object) -> bool {
    matches!(object.text("/status/phase"), Some("Succeeded" | "Failed"))
}

fn namespaces(objects: &[Object]) -> BTreeMap<String, BTreeMap<String, String>> {
    objects
        .iter()
        .filter(|object| object.kind() == "Namespace")
        .filter_map(|object| {
            let labels = object.read("/metadata/labels").unwrap_or_default();
            Some((object.text("/metadata/name")?.to_owned(), labels))
        })
        .collect()
}

/// A pod that a daemonset made stands for the daemonset.
fn standing_daemonset(object: &Object, owner: Identity<'_>) -> Result<Workload, String> {
    let mut template = pod_spec::template(object, "")?;
    // Its controller pins each pod to its node; the daemonset itself is not.
    template.node_affinity.clear();
    Ok(Workload {
        kind: WorkloadKind::DaemonSet,
        namespace: owner.1.into(),
        name: owner.2.to_owned(),
        replicas: 1,
        hours: None,
        job: JobFacts::default(),
        pod: None,
        template: Arc::new(template),
    })
}

fn standing_pod(object: &Object) -> Result<Workload, String> {
    let pod = pod(object)?;
    Ok(Workload {
        kind: WorkloadKind::Pod,
        namespace: Arc::clone(&pod.namespace),
        name: pod.name.clone(),
        replicas: 1,
        hours: None,
        job: JobFacts::default(),
        template: Arc::clone(&pod.template),
        pod: Some(pod),
    })
}

pub(super) fn pod(object: &Object) -> Result<Pod, String> {
    let created = match object.text("/metadata/creationTimestamp") {
        None => None,
        Some(text) => Some(
            text.parse::<Timestamp>()
                .map_err(|_| format!("`metadata.creationTimestamp`: `{text}` is no time"))?,
        ),
    };
    Ok(Pod {
        namespace: namespace(object),
        name: name(object)?,
        uid: object.text("/metadata/uid").map(str::to_owned),
        created,
        node: object.text("/spec/nodeName").filter(|node| !node.is_empty()).map(str::to_owned),
        template: Arc::new(pod_spec::template(object, "")?),
    })
}

fn namespace(object: &Object) -> Arc<str> {
    object
        .text("/metadata/namespace")
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or("default")
        .into()
}

fn name(object: &Object) -> Result<String, String> {
    object.text("/metadata/name").map(str::to_owned).ok_or_else(|| "it has no name".to_owned())
}

pub(super) fn count(object: &Object, pointer: &str) -> Result<Option<u32>, String> {
    let Some(value) = object.fields.pointer(pointer) else { return Ok(None) };
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    count.map(Some).ok_or_else(|| {
        format!("`{}`: `{value}` is no count", pointer.trim_start_matches('/').replace('/', "."))
    })
}
