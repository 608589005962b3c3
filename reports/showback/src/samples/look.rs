//! What one look at a cluster saw.
//!
//! A look is the whole state at one moment. What is stored of it is only what changed since the look
//! before ([`super::Writer`]); what is made of many is in [`crate::observed`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::fargate::Size;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::Bytes;
use serde::{Deserialize, Serialize};

use crate::observed::{CapacityType, Controller, Place, Source, Usage};

/// Labels or annotations, shared by all who have the same.
pub type Labels = Arc<BTreeMap<String, String>>;

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The cluster's time.
    pub at: Timestamp,
    /// How it was looked.
    pub source: Source,
    /// When the next look is due, in seconds: more than two and a half times as much without one is a
    /// hole. Zero says that none is.
    pub every_seconds: i64,
    /// Whether nothing is known of the time since the look before, however short: a watch that was
    /// disconnected.
    pub is_after_gap: bool,
    /// Its pods.
    pub pods: Vec<Arc<PodState>>,
    /// Its nodes, and machines whose node never came.
    pub nodes: Vec<Arc<NodeState>>,
    /// The labels of its namespaces.
    pub namespaces: BTreeMap<String, Labels>,
    /// When the cluster was made, where that is known.
    pub created: Option<Timestamp>,
    /// Whether its version is in extended support; none when nobody asked.
    pub is_in_extended_support: Option<bool>,
    /// What pods used since the look before, where it was measured.
    pub usage: Vec<UsageSample>,
    /// Kinds that could not be read, and why.
    pub missing: Vec<String>,
}

/// A pod, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodState {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What owns it, at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "none_of")]
    pub labels: Labels,
    /// Its annotations, those that were asked to be kept.
    #[serde(default, skip_serializing_if = "none_of")]
    pub annotations: Labels,
    /// The node it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What Fargate gave it, when it runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fargate: Option<FargateState>,
    /// What Kubernetes counts as its requests.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub requests: Resources,
    /// `Running`, `Succeeded`, `Failed`, `Pending`.
    pub phase: String,
    /// When it was bound to a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// When its first container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When its last container ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

/// What Fargate gave a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FargateState {
    /// What is billed; none when neither the annotation nor the requests give a size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<FargateSize>,
    /// Disk that is provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
    /// Whether `CapacityProvisioned` says the size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_annotated: bool,
}

/// A size, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FargateSize {
    /// Its vCPUs.
    pub vcpu: runbook_capacity::quantity::Millicores,
    /// Its memory.
    pub memory: Bytes,
}

/// A node, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its UID; of its `NodeClaim` while there is no node.
    pub uid: String,
    /// Its name; of its `NodeClaim` while there is no node.
    pub name: String,
    /// The instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// `m7g.large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// How it is bought.
    pub capacity_type: CapacityType,
    /// `ap-northeast-2a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The `NodePool` or node group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Whether EKS Auto Mode runs it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_auto_mode: bool,
    /// Whether it is a `NodeClaim` whose node has not come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_claim: bool,
    /// All it has.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub capacity: Resources,
    /// What pods may ask for.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub allocatable: Resources,
    /// Its volumes, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Bytes>,
    /// The instance's `LaunchTime`, else the creation of its `NodeClaim`, else of the Node.
    pub launched: Timestamp,
    /// When it first took pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Timestamp>,
    /// When its deletion began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<Timestamp>,
}

/// What a pod used over some time, on average.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSample {
    /// The pod's UID.
    pub uid: String,
    /// Over how many seconds.
    pub seconds: i64,
    /// CPU in thousandths, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<i64>,
    /// Memory in bytes, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
}

impl UsageSample {
    /// As the allocation takes it.
    pub fn usage(&self) -> Usage {
        Usage {
            cpu: self.cpu.map(runbook_capacity::quantity::Millicores),
            memory: self.memory.map(Bytes),
        }
    }
}

impl From<Size> for FargateSize {
    fn from(size: Size) -> Self {
        Self { vcpu: size.vcpu, memory: size.memory }
    }
}

impl PodState {
    /// Where it runs.
    pub fn place(&self) -> Place {
        match (&self.node, self.fargate) {
            (None, _) => Place::Nowhere,
            (Some(node), None) => Place::Node(node.clone()),
            (Some(node), Some(fargate)) => Place::Fargate {
                node: node.clone(),
                size: fargate.size.map(|size| Size { vcpu: size.vcpu, memory: size.memory }),
                storage: fargate.storage,
                is_annotated: fargate.is_annotated,
            },
        }
    }

    /// Whether `later` is this pod gone on in a way that costs otherwise, or belongs to somebody else.
    /// That it was bound, ran or ended is no such thing: the pod says when.
    pub(super) fn gives_way_to(&self, later: &Self) -> bool {
        let has_moved = self.node.is_some() && self.node != later.node;
        has_moved
            || self.requests != later.requests
            || self.labels != later.labels
            || self.annotations != later.annotations
            || self.controller != later.controller
    }
}

fn none_of(labels: &Labels) -> bool {
    labels.is_empty()
}
