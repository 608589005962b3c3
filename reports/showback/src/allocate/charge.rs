//! The finest grain of an allocation: what one origin cost on one UTC day, and to whom that goes.
//!
//! All charges of an origin and a day add up to what it cost, exactly. Idle and shared cost are charges
//! like any other here; rules that hand them on to teams come after ([`mod@super::showback`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::money::Amount;

use crate::bill::Class;
use crate::observed::{ClusterId, Controller, Window};

/// What costs: an instance, a volume, a Fargate pod, a control plane, a named shared cost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Of which cluster.
    pub cluster: Arc<ClusterId>,
    /// The id on a bill: the instance's, the pod's ARN; none where no source told.
    pub resource_id: Option<String>,
    /// Its name in the cluster: the node's, `namespace/pod`, or the shared cost's.
    pub name: String,
    /// The instance type or the Fargate size.
    pub kind: String,
}

/// A pod that is charged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodRef {
    /// Of which cluster.
    pub cluster: Arc<ClusterId>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// What owns it.
    pub controller: Option<Controller>,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Who answers for it, by the rules of owners; `unowned` where none matched.
    pub owner: Arc<str>,
}

/// Why a node costs before, beside and after its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Overhead {
    /// Pods of `DaemonSets`.
    DaemonSets,
    /// From launch to ready.
    Boot,
    /// From the beginning of its deletion to its end.
    Drain,
    /// What the system keeps of its capacity.
    SystemReserve,
    /// Its root volume.
    Volume,
}

/// To whom a charge goes at first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A pod: what it asked for, or used.
    Pod(Arc<PodRef>),
    /// Nobody asked for it.
    Idle,
    /// The node itself.
    Node(Overhead),
    /// Everybody: a shared cost of that name (`control plane`, `nat`).
    Shared(Arc<str>),
}

/// Which part of its origin's price a charge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The vCPU's.
    Cpu,
    /// The memory's.
    Memory,
    /// All of it, where the price has no parts.
    Whole,
}

/// An amount that goes from an origin to a recipient, for a part of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The UTC day.
    pub day: Date,
    /// When in it the origin cost.
    pub period: Window,
    /// As what it is billed.
    pub class: Class,
    /// What costs.
    pub origin: Arc<Origin>,
    /// To whom it goes.
    pub recipient: Recipient,
    /// Which part of the price.
    pub part: Part,
    /// How much, at the price book's prices.
    pub amount: Amount,
}
