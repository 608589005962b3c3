//! What is compared: workloads with their hours, the system apart, and what has no price.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::{Autoscaler, Manifests, Storage, Workload, WorkloadKind};
use crate::money::Unpriced;
use crate::node_requirement::NodeRequirement;
use crate::pod::{Pod, PodTemplate};
use crate::pod_resources::Resources;

use super::options::{Options, WorkloadOptions, suggest};
use super::runs::{self, MONTH_SECONDS, Run, Scaled};
use super::system::System;

/// A workload and how long its pods run.
#[derive(Debug, Clone)]
pub struct Timed {
    /// It; its replicas are all the pods of `runs`.
    pub workload: Workload,
    /// How long they run.
    pub runs: Vec<Run>,
    /// How an autoscaler scales it.
    pub scaled: Option<Scaled>,
    /// What a pod really uses, where that is known.
    pub usage: Option<Resources>,
}

impl Timed {
    /// What all pods run together, in seconds.
    pub fn pod_seconds(&self) -> i64 {
        self.runs.iter().map(|run| i64::from(run.pods) * run.seconds).sum()
    }

    /// What Fargate bills for all pods together, in seconds.
    pub fn billed_seconds(&self) -> i64 {
        self.runs.iter().map(|run| i64::from(run.pods) * run.billed).sum()
    }

    fn with(mut self, runs: Vec<Run>) -> Self {
        self.workload.replicas = runs.iter().map(|run| run.pods).sum();
        self.runs = runs;
        self
    }
}

/// Where every autoscaler stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// At its fewest pods.
    Least,
    /// At its most.
    Most,
}

/// What is compared.
#[derive(Debug, Clone, Default)]
pub struct Workloads {
    /// What has a duration and is neither a daemonset nor of the system.
    pub timed: Vec<Timed>,
    /// Daemonsets that are not of the system.
    pub daemonsets: Vec<Workload>,
    /// The system.
    pub system: System,
    /// Workloads on no bill, and why.
    pub unpriced: Vec<(String, Unpriced)>,
    /// Volumes.
    pub storage: Storage,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// What is to be known about them.
    pub notes: Vec<String>,
}

/// `name`, or `namespace/name` outside of the default namespace.
pub fn full_name(workload: &Workload) -> String {
    if &*workload.namespace == "default" || workload.namespace.is_empty() {
        workload.name.clone()
    } else {
        format!("{}/{}", workload.namespace, workload.name)
    }
}

/// More lengths of runs than this are rounded up to as many: each is a packing of its own.
const MOST_PARTS: usize = 12;

impl Workloads {
    /// Sorts what files said.
    pub fn of(manifests: Manifests) -> Self {
        let mut workloads = Self::default();
        workloads.take(manifests, &Options::default(), &mut Vec::new());
        workloads
    }

    /// The same with a file of options; names in it that mean nothing are problems.
    pub fn with(manifests: Manifests, options: &Options) -> Result<Self, Vec<String>> {
        let mut workloads = Self::default();
        let mut problems = Vec::new();
        workloads.take(manifests, options, &mut problems);
        for name in options.sidecars.keys() {
            let daemonsets = workloads.daemonsets.iter().map(|one| one.name.as_str());
            let at = format!("fargate.sidecar_for.{name}");
            unknown(&at, "DaemonSet", name, daemonsets, &mut problems);
        }
        if problems.is_empty() { Ok(workloads) } else { Err(problems) }
    }

    fn take(&mut self, manifests: Manifests, options: &Options, problems: &mut Vec<String>) {
        let (system, others) = System::taken_from(manifests.workloads);
        self.system = system;
        self.storage = manifests.storage;
        self.namespaces = manifests.namespaces;
        let names: BTreeSet<String> = others.iter().map(full_name).collect();
        for name in options.workloads.keys() {
            let known = names.iter().map(String::as_str);
            unknown(&format!("workloads.{name}"), "workload", name, known, problems);
        }
        let mut scalers = Scalers::new(manifests.autoscalers);
        let nothing = WorkloadOptions::default();
        for workload in others {
            let name = full_name(&workload);
            let said = options.workloads.get(&name).unwrap_or(&nothing);
            if workload.kind == WorkloadKind::DaemonSet {
                problems.extend(
                    said.useless(&workload, false).map(|why| format!("`workloads.{name}{why}")),
                );
                self.daemonsets.push(workload);
                continue;
            }
            let scaled = match scalers.of(&workload).map(|one| Scaled::new(one, said)).transpose() {
                Ok(scaled) => scaled,
                Err(why) => {
                    problems.push(format!("`workloads.{name}`: {why}"));
                    continue;
                }
            };
            let useless = said.useless(&workload, scaled.is_some());
            problems.extend(useless.map(|why| format!("`workloads.{name}{why}")));
            self.add(name, workload, scaled, said);
        }
        self.notes.extend(scalers.left_over());
    }

    fn add(
        &mut self,
        name: String,
        workload: Workload,
        scaled: Option<Scaled>,
        options: &WorkloadOptions,
    ) {
        if asks_for_nothing(&workload) {
            self.notes.push(format!(
                "`{name}` asks for no CPU and no memory: on Fargate that is the smallest size, on a node it counts as a pod and nothing else"
            ));
        }
        let found = match &scaled {
            Some(scaled) => Ok((scaled.runs(), None)),
            None => runs::runs(&workload, options),
        };
        match found {
            Ok((runs, how)) => {
                self.notes.extend(how.map(|how| format!("`{name}`: {how}")));
                let usage = options.usage.clone();
                let timed = Timed { workload, runs: Vec::new(), scaled, usage };
                self.timed.push(timed.with(runs));
            }
            Err(why) => self.unpriced.push((name, why)),
        }
    }

    /// The same with every autoscaler at one end.
    #[must_use]
    pub fn scaled_to(&self, scale: Scale) -> Self {
        let mut workloads = self.clone();
        workloads.timed = workloads
            .timed
            .into_iter()
            .map(|timed| match (&timed.scaled, scale) {
                (None, _) => timed,
                (Some(scaled), Scale::Least) => {
                    let runs = runs::all_month(scaled.least);
                    timed.with(runs)
                }
                (Some(scaled), Scale::Most) => {
                    let runs = runs::all_month(scaled.most);
                    timed.with(runs)
                }
            })
            .collect();
        workloads
    }

    /// Whether anything is autoscaled.
    pub fn is_scaled(&self) -> bool {
        self.timed.iter().any(|one| one.scaled.is_some())
    }

    /// Whether a pod of them says that it may run on arm64, whatever is known of the others' images.
    pub(super) fn ask_for_arm64(&self) -> bool {
        self.timed.iter().any(|one| asks_for_arm64(&one.workload.template))
    }

    /// Their pods.
    pub fn pod_count(&self) -> usize {
        self.timed.iter().map(|one| one.workload.replicas as usize).sum()
    }

    /// The month in parts, as seconds and the pods that run then. Pods that run for a part of the
    /// month are taken to run at the same time, which is best for nodes that come and go; of very many
    /// lengths, each is rounded up to one of a few.
    pub fn parts(&self, also: &[Workload], images: Images) -> Vec<(i64, Vec<Pod>)> {
        let mut all: Vec<(i64, Vec<Pod>)> = Vec::new();
        for timed in &self.timed {
            let mut pods = images.pods(&timed.workload).into_iter();
            for run in &timed.runs {
                all.push((run.seconds, pods.by_ref().take(run.pods as usize).collect()));
            }
        }
        all.extend(also.iter().map(|one| (MONTH_SECONDS, images.pods(one))));
        let mut start = 0;
        let mut parts = Vec::new();
        for end in marks(all.iter().map(|(seconds, _)| *seconds)) {
            let running = all.iter().filter(|(seconds, _)| *seconds > start);
            parts.push((end - start, running.flat_map(|(_, pods)| pods.iter().cloned()).collect()));
            start = end;
        }
        parts
    }
}

/// The lengths at which something ends: all of them, or some when there are very many.
fn marks(lengths: impl Iterator<Item = i64>) -> Vec<i64> {
    let all: BTreeSet<i64> = lengths.filter(|seconds| *seconds > 0).collect();
    let all: Vec<i64> = all.into_iter().collect();
    if all.len() <= MOST_PARTS {
        return all;
    }
    (1..=MOST_PARTS).map(|nth| all[nth * all.len() / MOST_PARTS - 1]).collect()
}

fn asks_for_nothing(workload: &Workload) -> bool {
    let requests = workload.template.resources.kubernetes_requests();
    requests.cpu.is_none() && requests.memory.is_none()
}

fn unknown<'a>(
    at: &str,
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    problems: &mut Vec<String>,
) {
    if known.clone().all(|one| one != name) {
        let close = suggest(name, known)
            .map(|close| format!("; did you mean `{close}`?"))
            .unwrap_or_default();
        problems.push(format!("`{at}`: there is no {kind} `{name}`{close}"));
    }
}

/// Autoscalers by what they scale.
struct Scalers {
    by_target: BTreeMap<(String, String), Autoscaler>,
    used: BTreeSet<(String, String)>,
    twice: Vec<String>,
}

impl Scalers {
    fn new(autoscalers: Vec<Autoscaler>) -> Self {
        let mut scalers =
            Self { by_target: BTreeMap::new(), used: BTreeSet::new(), twice: Vec::new() };
        for one in autoscalers {
            let target =
                (one.namespace.clone(), format!("{}/{}", one.target_kind, one.target_name));
            if let Some(known) = scalers.by_target.get(&target) {
                scalers.twice.push(format!(
                    "HorizontalPodAutoscaler `{}` is not looked at: `{}` scales {} already",
                    one.name, known.name, target.1
                ));
            } else {
                scalers.by_target.insert(target, one);
            }
        }
        scalers
    }

    fn of(&mut self, workload: &Workload) -> Option<&Autoscaler> {
        let kind = match workload.kind {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::ReplicaSet => "ReplicaSet",
            _ => return None,
        };
        let target = (workload.namespace.to_string(), format!("{kind}/{}", workload.name));
        let found = self.by_target.get(&target);
        if found.is_some() {
            self.used.insert(target);
        }
        found
    }

    /// What scales nothing that is here, or something twice.
    fn left_over(self) -> Vec<String> {
        let unused = self.by_target.iter().filter(|(target, _)| !self.used.contains(*target));
        let unused = unused.map(|(target, one)| {
            format!(
                "HorizontalPodAutoscaler `{}` scales {}, which is not among the workloads",
                one.name, target.1
            )
        });
        unused.chain(self.twice.iter().cloned()).collect()
    }
}

/// For which processors images are there; a pod that says so itself is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// For amd64 only, unless a pod says something else.
    Amd64,
    /// For both.
    Both,
}

/// The label of a node's processors.
pub(crate) const ARCH: &str = "kubernetes.io/arch";
/// Its name of old, which Karpenter takes for the same.
pub(super) const OLD_ARCH: &str = "beta.kubernetes.io/arch";

impl Images {
    /// The pods of a workload, kept to amd64 where nothing else is known.
    pub fn pods(self, workload: &Workload) -> Vec<Pod> {
        let mut pods = workload.pods();
        if self == Self::Both || chooses_architecture(&workload.template) {
            return pods;
        }
        let mut template = PodTemplate::clone(&workload.template);
        template.node_selector.insert(ARCH.to_owned(), "amd64".to_owned());
        let template = Arc::new(template);
        for pod in &mut pods {
            pod.template = Arc::clone(&template);
        }
        pods
    }
}

fn is_architecture(key: &str) -> bool {
    key == ARCH || key == OLD_ARCH
}

/// Whether a pod says itself for which processors it is.
pub(super) fn chooses_architecture(template: &PodTemplate) -> bool {
    template.node_selector.keys().any(|key| is_architecture(key))
        || template.node_affinity.iter().flatten().any(|one| is_architecture(&one.key))
}

/// Whether a pod says itself that it may run on arm64.
fn asks_for_arm64(template: &PodTemplate) -> bool {
    let arm64 = Some("arm64");
    let is_selected = template
        .node_selector
        .iter()
        .all(|(key, value)| !is_architecture(key) || Some(value.as_str()) == arm64);
    let allows = |term: &Vec<NodeRequirement>| {
        term.iter().all(|one| !is_architecture(&one.key) || one.allows(arm64))
    };
    let affinity = &template.node_affinity;
    chooses_architecture(template)
        && is_selected
        && (affinity.is_empty() || affinity.iter().any(allows))
}
