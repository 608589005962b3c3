//! What is compared: workloads with their hours, the system apart, and what has no price.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifest::{Manifests, Storage, Workload, WorkloadKind};
use crate::money::{MONTH_HOURS, Unpriced};
use crate::pod::{Pod, PodTemplate};

use super::system::System;

/// A workload and its hours.
#[derive(Debug, Clone)]
pub struct Timed {
    /// It.
    pub workload: Workload,
    /// For how many hours of a month each of its pods runs.
    pub hours: i64,
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
}

/// `name`, or `namespace/name` outside of the default namespace.
pub fn full_name(workload: &Workload) -> String {
    if &*workload.namespace == "default" || workload.namespace.is_empty() {
        workload.name.clone()
    } else {
        format!("{}/{}", workload.namespace, workload.name)
    }
}

/// For how many hours of a month a pod of a workload runs.
pub fn hours(workload: &Workload) -> Result<i64, Unpriced> {
    match (workload.hours.map(i64::from), workload.kind) {
        (Some(hours), _) if hours > MONTH_HOURS => Err(Unpriced::because(format!(
            "{hours} hours are more than a month of {MONTH_HOURS} has"
        ))),
        (Some(hours), _) => Ok(hours),
        (None, WorkloadKind::Job | WorkloadKind::CronJob) => Err(Unpriced::because(
            "duration unknown: a manifest does not say how long it runs; give it as a row with `hours`",
        )),
        (None, _) => Ok(MONTH_HOURS),
    }
}

impl Workloads {
    /// Sorts what files said.
    pub fn of(manifests: Manifests) -> Self {
        let (system, others) = System::taken_from(manifests.workloads);
        let mut workloads = Self {
            system,
            storage: manifests.storage,
            namespaces: manifests.namespaces,
            ..Self::default()
        };
        for workload in others {
            if workload.kind == WorkloadKind::DaemonSet {
                workloads.daemonsets.push(workload);
                continue;
            }
            match hours(&workload) {
                Ok(hours) => workloads.timed.push(Timed { workload, hours }),
                Err(why) => workloads.unpriced.push((full_name(&workload), why)),
            }
        }
        workloads
    }

    /// Their pods.
    pub fn pod_count(&self) -> usize {
        self.timed.iter().map(|one| one.workload.replicas as usize).sum()
    }

    /// The month in parts: for so many hours these pods run. Pods that run for a part of the month
    /// are taken to run at the same hours, which is best for nodes that come and go.
    pub fn parts(&self, also: &[Workload], images: Images) -> Vec<(i64, Vec<Pod>)> {
        let timed = self.timed.iter().map(|one| (one.hours, &one.workload));
        let always = also.iter().map(|one| (MONTH_HOURS, one));
        let all: Vec<(i64, Vec<Pod>)> =
            timed.chain(always).map(|(hours, one)| (hours, images.pods(one))).collect();
        let mut marks: Vec<i64> =
            all.iter().map(|(hours, _)| *hours).filter(|one| *one > 0).collect();
        marks.sort_unstable();
        marks.dedup();
        let mut start = 0;
        let mut parts = Vec::new();
        for end in marks {
            let running = all.iter().filter(|(hours, _)| *hours >= end);
            parts.push((end - start, running.flat_map(|(_, pods)| pods.iter().cloned()).collect()));
            start = end;
        }
        parts
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

const ARCH: &str = "kubernetes.io/arch";

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

fn chooses_architecture(template: &PodTemplate) -> bool {
    template.node_selector.contains_key(ARCH)
        || template.node_affinity.iter().flatten().any(|one| one.key == ARCH)
}
