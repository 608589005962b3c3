//! The size EKS Fargate gives a pod, and what it bills for it.
//!
//! Fargate runs each pod on a machine of its own, of one of 74 sizes. The rules are AWS's: the sum of
//! the long-running containers against the largest init container, for CPU and memory apart; 256 MiB
//! more for the kubelet; then the smallest size that holds both. Where AWS is silent (sidecars,
//! pod-level resources, `RuntimeClass` overhead) Kubernetes' own rule is used and the answer says
//! `assumed`. The annotation `CapacityProvisioned` is what is billed, once it exists.

mod fitness;
mod price;

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use fitness::{Fitness, Obstacle, fitness};
pub use price::price;

use crate::embedded;
use crate::pod_resources::{PodResources, Resources};
use crate::quantity::{Bytes, Millicores, Quantity};

/// What Fargate adds for kubelet, kube-proxy and containerd.
const SYSTEM_MEMORY: Bytes = Bytes::mebibytes(256);
/// Disk that is included.
pub const INCLUDED_STORAGE: Bytes = Bytes::gibibytes(20);
/// Disk that can be had at most.
const LARGEST_STORAGE: Bytes = Bytes::gibibytes(175);

/// How sure a size is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Fargate itself wrote it on the running pod.
    Annotated,
    /// Every rule that was used is documented.
    Documented,
    /// A rule was used that AWS does not write down.
    Assumed,
}

impl fmt::Display for Confidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Annotated => "annotated",
            Self::Documented => "documented",
            Self::Assumed => "assumed",
        })
    }
}

/// One of the sizes Fargate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Size {
    /// CPU.
    pub vcpu: Millicores,
    /// Memory; AWS says GB and means GiB.
    pub memory: Bytes,
}

/// What a pod gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sized {
    /// The size that is billed.
    pub size: Size,
    /// Disk that is provisioned; above 20 GiB it is billed.
    pub storage: Bytes,
    /// The arithmetic, in a sentence.
    pub reason: String,
    /// How sure it is.
    pub confidence: Confidence,
}

/// Why no size holds a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum TooBig {
    /// CPU or memory.
    #[error(
        "needs {cpu} vCPU and {memory} with the 256Mi of the system; the largest size is 16 vCPU and 120Gi"
    )]
    Size {
        /// What it needs.
        cpu: Millicores,
        /// What it needs.
        memory: Bytes,
    },
    /// Disk.
    #[error("needs {0} of disk with Fargate's 10 % and 5Gi; the most is 175Gi")]
    Storage(Bytes),
}

#[derive(Deserialize)]
struct SizeRow {
    vcpu: String,
    memory_gib: String,
}

static SIZES: LazyLock<Vec<Size>> = LazyLock::new(|| {
    let read = |text: &str, unit: &str| {
        embedded::expect("fargate_sizes.csv", Quantity::parse(&format!("{text}{unit}")))
    };
    let mut sizes: Vec<Size> = embedded::table::<SizeRow>(
        "fargate_sizes.csv",
        include_str!("../../data/fargate_sizes.csv"),
    )
    .into_iter()
    .map(|row| Size {
        vcpu: read(&row.vcpu, "").into(),
        memory: read(&row.memory_gib, "Gi").into(),
    })
    .collect();
    sizes.sort();
    sizes
});

/// The 74 sizes, smallest first.
pub fn sizes() -> &'static [Size] {
    &SIZES
}

impl Size {
    /// The smallest size with at least so much of both.
    pub fn holding(cpu: Millicores, memory: Bytes) -> Option<Self> {
        sizes().iter().find(|size| size.vcpu >= cpu && size.memory >= memory).copied()
    }

    /// The memory in GiB as AWS writes it: `0.5`, `17`.
    pub fn gibibytes(self) -> String {
        decimal(self.memory.in_mebibytes_up() * 1000 / 1024)
    }

    /// The CPU as AWS writes it: `0.25`, `4`.
    pub fn vcpus(self) -> String {
        decimal(self.vcpu.0)
    }

    /// Reads the annotation `CapacityProvisioned`; none if it is no size of the table.
    pub fn from_annotation(text: &str) -> Option<Self> {
        let (vcpu, memory) = text.split_once("vCPU")?;
        let vcpu = Quantity::parse(vcpu).ok()?.into();
        let memory =
            Quantity::parse(&format!("{}Gi", memory.trim().strip_suffix("GB")?)).ok()?.into();
        sizes().binary_search(&Self { vcpu, memory }).ok().map(|index| sizes()[index])
    }
}

/// Thousandths as a short decimal.
fn decimal(thousandths: i64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Size {
    /// As the annotation has it: `0.25vCPU 0.5GB`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}vCPU {}GB", self.vcpus(), self.gibibytes())
    }
}

/// The size Fargate gives a pod with these figures.
pub fn size(pod: &PodResources) -> Result<Sized, TooBig> {
    let (effective, confidence, assumptions) = effective(pod);
    let cpu = effective.cpu.unwrap_or_default();
    let memory = effective.memory.unwrap_or_default();
    let needed = memory + SYSTEM_MEMORY;
    let size = Size::holding(cpu, needed).ok_or(TooBig::Size { cpu, memory: needed })?;
    let storage = provisioned_storage(effective.ephemeral_storage.unwrap_or_default());
    if storage > LARGEST_STORAGE {
        return Err(TooBig::Storage(storage));
    }
    let mut parts = vec![if effective.cpu.is_none() && effective.memory.is_none() {
        "nothing is requested: the smallest size".to_owned()
    } else {
        let decides = deciding(size, cpu, needed);
        format!("{cpu} CPU and {memory} + 256Mi memory, rounded up to {size}; {decides}")
    }];
    if storage > INCLUDED_STORAGE {
        parts.push(format!("{storage} of disk, 20Gi of it included"));
    }
    parts.extend(assumptions.into_iter().map(str::to_owned));
    let reason = parts.join("; ");
    Ok(Sized { size, storage, reason, confidence })
}

/// AWS's rule where it speaks, Kubernetes' where it does not.
fn effective(pod: &PodResources) -> (Resources, Confidence, Vec<&'static str>) {
    let mut assumptions = Vec::new();
    if pod.has_sidecars() {
        assumptions.push("sidecars counted as Kubernetes does, AWS is silent");
    }
    if pod.pod_level.is_some() {
        assumptions.push("pod-level resources counted as Kubernetes does, AWS is silent");
    }
    if !pod.overhead.is_empty() {
        assumptions.push("RuntimeClass overhead added as Kubernetes does, AWS is silent");
    }
    let confidence =
        if assumptions.is_empty() { Confidence::Documented } else { Confidence::Assumed };
    (pod.kubernetes_requests(), confidence, assumptions)
}

/// Which of the two made the size this large.
fn deciding(size: Size, cpu: Millicores, memory: Bytes) -> &'static str {
    let by_cpu = Size::holding(cpu, Bytes::ZERO);
    let by_memory = Size::holding(Millicores::ZERO, memory);
    match (by_cpu == Some(size), by_memory == Some(size)) {
        (true, true) => "both fit it",
        (true, false) => "CPU decides",
        (false, true) => "memory decides",
        (false, false) => "CPU and memory decide together",
    }
}

/// Requests and a tenth, and 5 GiB; never less than what is included.
fn provisioned_storage(requested: Bytes) -> Bytes {
    if requested == Bytes::ZERO {
        return INCLUDED_STORAGE;
    }
    let with_tenth = (i128::from(requested.0) * 11).div_euclid(10)
        + i128::from((i128::from(requested.0) * 11).rem_euclid(10) != 0);
    let provisioned = Bytes(i64::try_from(with_tenth).unwrap_or(i64::MAX)) + Bytes::gibibytes(5);
    provisioned.max(INCLUDED_STORAGE)
}

#[cfg(test)]
mod tests;
