//! A pod as the scheduler sees it.
//!
//! What many pods share (the template of a Deployment) is one [`PodTemplate`] behind an `Arc`, so ten
//! thousand replicas are read and compared once. Nothing here decides anything; sizing is in
//! [`crate::fargate`], placing in [`crate::karpenter`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::node_requirement::NodeRequirement;
use crate::pod_resources::PodResources;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its UID, if it exists somewhere.
    pub uid: Option<String>,
    /// When it was made, if it was.
    pub created: Option<Timestamp>,
    /// The node it runs on, if it does.
    pub node: Option<String>,
    /// Everything else.
    pub template: Arc<PodTemplate>,
}

impl Pod {
    /// A pod in the default namespace.
    pub fn new(name: &str, template: PodTemplate) -> Self {
        Self {
            namespace: "default".into(),
            name: name.to_owned(),
            uid: None,
            created: None,
            node: None,
            template: Arc::new(template),
        }
    }
}

impl fmt::Display for Pod {
    /// `name` in the default namespace, `namespace/name` elsewhere.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() || &*self.namespace == "default" {
            formatter.write_str(&self.name)
        } else {
            write!(formatter, "{}/{}", self.namespace, self.name)
        }
    }
}

/// What pods of one workload have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PodTemplate {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations that mean something here: `CapacityProvisioned`, `karpenter.sh/do-not-disrupt`,
    /// the deletion cost.
    pub annotations: BTreeMap<String, String>,
    /// Requests and limits.
    pub resources: PodResources,
    /// `nodeSelector`.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity: one of these terms, each a list of requirements.
    pub node_affinity: Vec<Vec<NodeRequirement>>,
    /// Preferred node affinity with weights.
    pub preferred_node_affinity: Vec<(i32, Vec<NodeRequirement>)>,
    /// Pods it must be near.
    pub affinity: Vec<PodTerm>,
    /// Pods it would like to be near, with weights.
    pub preferred_affinity: Vec<(i32, PodTerm)>,
    /// Pods it must not be near.
    pub anti_affinity: Vec<PodTerm>,
    /// Pods it would like not to be near, with weights.
    pub preferred_anti_affinity: Vec<(i32, PodTerm)>,
    /// Topology spread constraints.
    pub spread: Vec<Spread>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Ports of the node it takes.
    pub host_ports: Vec<HostPort>,
    /// Priority.
    pub priority: i32,
    /// What speaks against Fargate or is not simulated.
    pub traits: PodTraits,
}

/// What a pod needs beyond requests and places.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a pod, each with its own consequence"
)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PodTraits {
    /// A container runs privileged.
    pub is_privileged: bool,
    /// It shares the node's network.
    pub uses_host_network: bool,
    /// It mounts a path of the node.
    pub mounts_host_path: bool,
    /// It wants Windows.
    pub is_windows: bool,
    /// It asks for devices by resource claims.
    pub has_resource_claims: bool,
    /// Volume claims it mounts, by name; ephemeral ones too.
    pub volume_claims: Vec<String>,
    /// Claims of it that are made from a template, by name, with their storage class: those of
    /// ephemeral volumes and of a `StatefulSet`.
    pub claim_templates: BTreeMap<String, Option<String>>,
    /// Volumes of EBS it names itself.
    pub mounts_ebs: bool,
}

/// A selector of labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be there.
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on labels; `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub match_expressions: Vec<NodeRequirement>,
}

impl LabelSelector {
    /// Whether these labels pass.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|one| one.allows(labels.get(&one.key).map(String::as_str)))
    }
}

/// Pods, and the topology in which near is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PodTerm {
    /// The node label whose values are the domains.
    pub topology_key: String,
    /// Which pods; none selects nothing.
    pub selector: Option<LabelSelector>,
    /// In which namespaces; none means the pod's own.
    pub namespaces: Vec<String>,
    /// And in namespaces with such labels.
    pub namespace_selector: Option<LabelSelector>,
}

/// What happens when a spread cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WhenUnsatisfiable {
    /// The pod waits.
    DoNotSchedule,
    /// It is a preference.
    ScheduleAnyway,
}

/// Which nodes count for a spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeInclusion {
    /// Those the pod could run on.
    Honor,
    /// All.
    Ignore,
}

/// A topology spread constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spread {
    /// The node label whose values are the domains.
    pub topology_key: String,
    /// How far the domains may differ.
    pub max_skew: i32,
    /// How many domains there must be.
    pub min_domains: Option<i32>,
    /// What happens when it cannot be had.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which pods are counted; none selects nothing.
    pub selector: Option<LabelSelector>,
    /// Labels of the pod itself that narrow the selector.
    pub match_label_keys: Vec<String>,
    /// Whether node affinity decides which nodes count.
    pub node_affinity_policy: NodeInclusion,
    /// Whether taints decide which nodes count.
    pub node_taints_policy: NodeInclusion,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Keeps pods away.
    NoSchedule,
    /// Would like to.
    PreferNoSchedule,
    /// Also drives them out.
    NoExecute,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(default)]
    pub value: String,
    /// Effect.
    pub effect: Effect,
}

/// How a toleration compares.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum TolerationOperator {
    /// The values are equal.
    #[default]
    Equal,
    /// Any value.
    Exists,
    /// The taint's number is above the toleration's.
    Gt,
    /// The taint's number is below it.
    Lt,
}

/// A toleration of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Toleration {
    /// Key; empty means every key.
    pub key: String,
    /// Operator.
    pub operator: TolerationOperator,
    /// Value.
    pub value: String,
    /// Effect; none means every effect.
    pub effect: Option<Effect>,
}

impl Toleration {
    /// Whether it tolerates the taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if self.effect.is_some_and(|effect| effect != taint.effect)
            || (!self.key.is_empty() && self.key != taint.key)
        {
            return false;
        }
        let numbers = || self.value.parse::<i64>().ok().zip(taint.value.parse::<i64>().ok());
        match self.operator {
            TolerationOperator::Equal => self.value == taint.value,
            TolerationOperator::Exists => true,
            TolerationOperator::Gt => numbers().is_some_and(|(bound, value)| value > bound),
            TolerationOperator::Lt => numbers().is_some_and(|(bound, value)| value < bound),
        }
    }
}

/// The first taint that none of these tolerates.
pub fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    taints.iter().find(|taint| !tolerations.iter().any(|one| one.tolerates(taint)))
}

/// A port of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// On this address; unspecified means on all.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// A protocol of a port.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl HostPort {
    /// Whether both cannot be on one node.
    pub fn conflicts(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.port == other.port
            && (self.address == other.address
                || self.address.is_unspecified()
                || other.address.is_unspecified())
    }
}
