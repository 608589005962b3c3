//! What a pod asks for, and what Kubernetes makes of it.
//!
//! [`PodResources`] holds the figures as written, with requests defaulted to limits as admission
//! does. [`PodResources::kubernetes_requests`] is what the scheduler and Karpenter count: sidecars
//! run beside everything after them, init containers one after the other, pod-level requests
//! replace the sum, and the `RuntimeClass` overhead comes on top.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quantity::{Bytes, Millicores, Quantity};

/// Amounts by resource; absent means not mentioned, which is not the same as zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Resources {
    /// CPU.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Disk.
    pub ephemeral_storage: Option<Bytes>,
    /// Everything else by name, in whole units rounded up: GPUs, huge pages, addresses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, i64>,
}

impl Resources {
    /// CPU and memory only.
    pub fn of(cpu: Millicores, memory: Bytes) -> Self {
        Self { cpu: Some(cpu), memory: Some(memory), ..Self::default() }
    }

    /// Sets a resource by its Kubernetes name.
    pub fn set(&mut self, name: &str, quantity: Quantity) {
        match name {
            "cpu" => self.cpu = Some(quantity.into()),
            "memory" => self.memory = Some(quantity.into()),
            "ephemeral-storage" => self.ephemeral_storage = Some(quantity.into()),
            other => {
                self.extended.insert(other.to_owned(), quantity.whole());
            }
        }
    }

    /// Whether nothing is mentioned.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none()
            && self.memory.is_none()
            && self.ephemeral_storage.is_none()
            && self.extended.is_empty()
    }

    /// Fills what is not mentioned from `other`.
    pub fn default_to(&mut self, other: &Self) {
        self.cpu = self.cpu.or(other.cpu);
        self.memory = self.memory.or(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.or(other.ephemeral_storage);
        for (name, amount) in &other.extended {
            self.extended.entry(name.clone()).or_insert(*amount);
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.merge(other, i64::saturating_add);
    }

    /// Takes the larger of each.
    pub fn raise_to(&mut self, other: &Self) {
        self.merge(other, i64::max);
    }

    fn merge(&mut self, other: &Self, with: impl Fn(i64, i64) -> i64) {
        let both = |left: Option<i64>, right: Option<i64>| match (left, right) {
            (Some(left), Some(right)) => Some(with(left, right)),
            (left, right) => left.or(right),
        };
        self.cpu = both(self.cpu.map(|one| one.0), other.cpu.map(|one| one.0)).map(Millicores);
        self.memory = both(self.memory.map(|one| one.0), other.memory.map(|one| one.0)).map(Bytes);
        self.ephemeral_storage =
            both(self.ephemeral_storage.map(|one| one.0), other.ephemeral_storage.map(|one| one.0))
                .map(Bytes);
        for (name, amount) in &other.extended {
            let merged = both(self.extended.get(name).copied(), Some(*amount)).unwrap_or(*amount);
            self.extended.insert(name.clone(), merged);
        }
    }

    /// What pod-level resources may speak about: CPU, memory and huge pages.
    fn replace_by_pod_level(&mut self, pod: &Self) {
        self.cpu = pod.cpu.or(self.cpu);
        self.memory = pod.memory.or(self.memory);
        for (name, amount) in pod.extended.iter().filter(|(name, _)| name.starts_with("hugepages-"))
        {
            self.extended.insert(name.clone(), *amount);
        }
    }
}

/// A container's figures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ContainerResources {
    /// Its name.
    pub name: String,
    /// What it asks for, defaulted to its limits.
    pub requests: Resources,
    /// What it may not exceed.
    pub limits: Resources,
    /// Of an init container: whether it stays (`restartPolicy: Always`).
    pub is_sidecar: bool,
}

impl ContainerResources {
    /// A container with these requests.
    pub fn requesting(name: &str, requests: Resources) -> Self {
        Self { name: name.to_owned(), requests, ..Self::default() }
    }
}

/// A pod's figures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct PodResources {
    /// Containers that run all the time.
    pub containers: Vec<ContainerResources>,
    /// Containers that run before them, in this order.
    pub init_containers: Vec<ContainerResources>,
    /// `spec.resources.requests`, defaulted to its limits.
    pub pod_level: Option<Resources>,
    /// `spec.overhead` of the `RuntimeClass`.
    pub overhead: Resources,
}

impl PodResources {
    /// A pod of one container.
    pub fn one(cpu: Millicores, memory: Bytes) -> Self {
        Self {
            containers: vec![ContainerResources::requesting("main", Resources::of(cpu, memory))],
            ..Self::default()
        }
    }

    /// What Kubernetes' scheduler counts for it.
    pub fn kubernetes_requests(&self) -> Resources {
        let mut requests = self.without_overhead();
        requests.add(&self.overhead);
        requests
    }

    /// Whether it asks for anything but CPU, memory and disk.
    pub(crate) fn mentions_others(&self) -> bool {
        let containers = self.containers.iter().chain(&self.init_containers);
        containers
            .map(|container| &container.requests)
            .chain(&self.pod_level)
            .chain([&self.overhead])
            .any(|requests| !requests.extended.is_empty())
    }

    /// The same before the `RuntimeClass` overhead.
    pub(crate) fn without_overhead(&self) -> Resources {
        let mut running = Resources::default();
        for container in &self.containers {
            running.add(&container.requests);
        }
        let mut sidecars = Resources::default();
        let mut starting = Resources::default();
        for container in &self.init_containers {
            if container.is_sidecar {
                running.add(&container.requests);
                sidecars.add(&container.requests);
                starting.raise_to(&sidecars);
            } else {
                let mut together = container.requests.clone();
                together.add(&sidecars);
                starting.raise_to(&together);
            }
        }
        running.raise_to(&starting);
        if let Some(pod) = &self.pod_level {
            running.replace_by_pod_level(pod);
        }
        running
    }

    /// Whether any init container stays.
    pub fn has_sidecars(&self) -> bool {
        self.init_containers.iter().any(|container| container.is_sidecar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: i64, memory: i64, is_sidecar: bool) -> ContainerResources {
        let requests = Resources::of(Millicores(cpu), Bytes::mebibytes(memory));
        ContainerResources { is_sidecar, ..ContainerResources::requesting("c", requests) }
    }

    #[test]
    fn sidecars_run_beside_what_comes_after_them() {
        let pod = PodResources {
            containers: vec![container(200, 100, false)],
            init_containers: vec![
                container(500, 10, false),
                container(100, 50, true),
                container(300, 400, false),
            ],
            ..PodResources::default()
        };
        // Starting: max(500, 100 + 300); running: 200 + 100.
        assert_eq!(
            pod.kubernetes_requests(),
            Resources::of(Millicores(500), Bytes::mebibytes(450))
        );
    }

    #[test]
    fn pod_level_requests_replace_the_sum_and_overhead_comes_on_top() {
        let pod = PodResources {
            containers: vec![container(200, 100, false), container(300, 100, false)],
            pod_level: Some(Resources { cpu: Some(Millicores(400)), ..Resources::default() }),
            overhead: Resources::of(Millicores(10), Bytes::mebibytes(20)),
            ..PodResources::default()
        };
        assert_eq!(
            pod.kubernetes_requests(),
            Resources::of(Millicores(410), Bytes::mebibytes(220))
        );
    }
}
