//! What was observed of clusters over time: the input of an allocation, whatever it came from.
//!
//! Samples, Prometheus, split cost allocation and a bill's Fargate rows all become intervals of pods and
//! nodes, each with its [`Source`]. An interval says what was *seen* ([`NodeInterval::seen`]) and what the
//! object says of itself (launched, scheduled, ended); what costs is decided in [`crate::allocate`], not
//! here. Times are UTC, windows half open.

mod billed;
mod period;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::fargate::Size;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Millicores};
use serde::{Deserialize, Serialize};

pub use period::{Period, PeriodError, Resolved, SETTLED};
pub use window::{Window, WindowError};

/// From where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// One look, of which nothing but a rate can be said.
    Snapshot,
    /// Looks at an interval.
    Poll,
    /// A watch.
    Watch,
    /// `kube_pod_*` and `container_*` of a Prometheus.
    Prometheus,
    /// Split cost allocation rows of a CUR 2.0.
    SplitCostAllocation,
    /// Fargate rows of a bill: the pod's ARN and exact seconds.
    FargateBill,
}

/// A cluster; equal names in two accounts or regions are two clusters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId {
    /// The account, where it is known.
    pub account: Option<String>,
    /// The region, whose prices apply.
    pub region: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{account}/{}/{}", self.region, self.name),
            None => write!(f, "{}/{}", self.region, self.name),
        }
    }
}

/// What a set of sources saw in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// What was asked for.
    pub window: Window,
    /// The clusters, by identity.
    pub clusters: Vec<ClusterObserved>,
    /// Nodes, in any order. A node may have several intervals when what is known of it changed.
    pub nodes: Vec<NodeInterval>,
    /// Pods, in any order. A pod whose requests, labels or place changed has several intervals that do
    /// not overlap.
    pub pods: Vec<PodInterval>,
    /// What a reader has to know: damage, holes, clocks, versions.
    pub findings: Vec<Finding>,
}

/// What is known of a cluster itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterObserved {
    /// Which.
    pub id: Arc<ClusterId>,
    /// Times in which it was looked at, within the window, ordered, without overlap.
    pub covered: Vec<Window>,
    /// The longest time between two looks inside `covered`, in seconds: how coarse times are.
    pub resolution_seconds: i64,
    /// How often it was looked at.
    pub looks: u64,
    /// Whether its version is in extended support; none when nobody asked.
    pub is_in_extended_support: Option<bool>,
    /// When it was created, where that is known.
    pub created: Option<Timestamp>,
    /// From where rows of it are.
    pub sources: BTreeSet<Source>,
}

/// How a node's capacity is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityType {
    /// By the hour.
    OnDemand,
    /// Spare capacity; its price moves, so the book's median stands for it.
    Spot,
    /// A capacity reservation.
    Reserved,
}

/// A node over some time. Fargate nodes are no nodes here: their pods say where they run.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeInterval {
    /// Of which cluster.
    pub cluster: Arc<ClusterId>,
    /// Its name in Kubernetes, `ip-192-168-14-9.…`.
    pub name: String,
    /// Its UID in Kubernetes; of a NodeClaim when the node was never seen.
    pub uid: String,
    /// The instance, `i-0abc…`.
    pub instance_id: Option<String>,
    /// `m7g.large`; none when no label says it.
    pub instance_type: Option<String>,
    /// How it is bought.
    pub capacity_type: CapacityType,
    /// `ap-northeast-2a`.
    pub zone: Option<String>,
    /// The NodePool or node group.
    pub pool: Option<String>,
    /// Whether EKS Auto Mode runs it, which has a fee.
    pub is_auto_mode: bool,
    /// All it has; extended resources name its GPUs.
    pub capacity: Resources,
    /// What pods may ask for.
    pub allocatable: Resources,
    /// Its volumes, of type gp3, where that is known.
    pub volume: Option<Bytes>,
    /// The instance's `LaunchTime`, else the creation of its NodeClaim, else of the Node.
    pub launched: Timestamp,
    /// When it first took pods.
    pub ready: Option<Timestamp>,
    /// When its deletion began.
    pub drained: Option<Timestamp>,
    /// When it was gone; none while it is there. Between two looks it is the first look without it.
    pub ended: Option<Timestamp>,
    /// From the first look that saw it to the last.
    pub seen: Window,
    /// How many looks saw it.
    pub looks: u64,
    /// From where this row is.
    pub source: Source,
}

/// What owns a pod, at the top: a Deployment, not its `ReplicaSet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Controller {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob` …
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Where a pod runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On no node yet: it costs nothing.
    Nowhere,
    /// On a node of that name.
    Node(String),
    /// On Fargate.
    Fargate {
        /// The name of its node, `fargate-ip-…`.
        node: String,
        /// What is billed; none when neither the annotation nor the requests give a size.
        size: Option<Size>,
        /// Disk that is provisioned, where that is known.
        storage: Option<Bytes>,
        /// Whether `CapacityProvisioned` says the size, and no arithmetic of ours.
        is_annotated: bool,
    },
}

/// What a pod used, on average over the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Usage {
    /// CPU, where it was measured.
    pub cpu: Option<Millicores>,
    /// Memory, where it was measured.
    pub memory: Option<Bytes>,
}

/// A pod over some time, in which what it asks for and where it runs did not change.
#[derive(Debug, Clone, PartialEq)]
pub struct PodInterval {
    /// Of which cluster.
    pub cluster: Arc<ClusterId>,
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What owns it.
    pub controller: Option<Controller>,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Its annotations, those that were asked to be kept.
    pub annotations: Arc<BTreeMap<String, String>>,
    /// The labels of its namespace.
    pub namespace_labels: Arc<BTreeMap<String, String>>,
    /// Where it runs.
    pub place: Place,
    /// What Kubernetes counts as its requests; a resource that is not mentioned is not zero.
    pub requests: Resources,
    /// What it used; none when nothing measured it.
    pub usage: Option<Usage>,
    /// `Running`, `Succeeded`, `Failed`, `Pending`, as last seen.
    pub phase: String,
    /// When it was bound to a node: the earliest a Fargate pod can cost.
    pub scheduled: Option<Timestamp>,
    /// When its first container started: the latest its cost can begin.
    pub started: Option<Timestamp>,
    /// When its last container ended. On Fargate it is billed until it is deleted.
    pub finished: Option<Timestamp>,
    /// When it was gone, or this interval gave way to the next of the same pod; none while it lasts.
    pub ended: Option<Timestamp>,
    /// Whether another interval of the same pod follows or precedes: its times are then exact.
    pub is_part: bool,
    /// From the first look that saw it to the last.
    pub seen: Window,
    /// How many looks saw it.
    pub looks: u64,
    /// From where this row is.
    pub source: Source,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Figures are less sure by it.
    Warning,
    /// Something is missing from the figures.
    Loss,
}

/// Something a reader of a report has to know, of a named thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable name, `sample_hole`, `clock_backwards`, `store_cut_off`: lower case, `_`.
    pub code: &'static str,
    /// What it is about: a file, a pod, a rule, a tag.
    pub subject: String,
    /// What was found, and what to do about it: a sentence.
    pub message: String,
}
