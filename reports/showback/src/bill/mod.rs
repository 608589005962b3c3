//! What a bill says: charges by class, day and resource, in one currency, whatever it was read from.

mod class;
mod collect;
mod columns;
pub mod cost_explorer;
mod cur;
mod decimal;
mod error;
mod focus;
mod pods;
mod read;
mod rows;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use runbook_capacity::money::Amount;
use serde::{Deserialize, Serialize};

pub use class::classify;
pub(crate) use class::split_region;
pub use error::BillError;
pub use read::{OWNER_TAG, Read, SplitCost, Wanted, read_files};

use crate::observed::Window;

/// What is billed, as far as reports tell it apart. Pods are never compared with a bill, classes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Instances, by the second.
    Ec2Compute,
    /// Volumes, by the GB-month.
    Ebs,
    /// vCPU of Fargate pods.
    FargateVcpu,
    /// Memory of Fargate pods.
    FargateMemory,
    /// Disk of Fargate pods above 20 GB.
    FargateStorage,
    /// The cluster itself, extended support included.
    ControlPlane,
    /// What EKS Auto Mode adds to an instance.
    AutoModeFee,
    /// NAT gateways, by the hour and by the GB.
    Nat,
    /// Load balancers, by the hour and by capacity units.
    LoadBalancer,
    /// Traffic between zones, regions and the internet.
    Transfer,
    /// Whatever has none of these names.
    Other,
}

impl Class {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Ec2Compute,
        Self::Ebs,
        Self::FargateVcpu,
        Self::FargateMemory,
        Self::FargateStorage,
        Self::ControlPlane,
        Self::AutoModeFee,
        Self::Nat,
        Self::LoadBalancer,
        Self::Transfer,
        Self::Other,
    ];

    /// As people read it: `EC2 compute`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ec2Compute => "EC2 compute",
            Self::Ebs => "EBS volumes",
            Self::FargateVcpu => "Fargate vCPU",
            Self::FargateMemory => "Fargate memory",
            Self::FargateStorage => "Fargate storage",
            Self::ControlPlane => "control plane",
            Self::AutoModeFee => "Auto Mode fee",
            Self::Nat => "NAT gateways",
            Self::LoadBalancer => "load balancers",
            Self::Transfer => "data transfer",
            Self::Other => "other",
        }
    }
}

/// What kind of charge a line is; only usage is held against what was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Something was used.
    Usage,
    /// A fee of a commitment.
    CommitmentFee,
    /// Money given.
    Credit,
    /// Money returned.
    Refund,
    /// Tax.
    Tax,
}

/// The pod that a Fargate row or a split row names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BilledPod {
    /// The cluster's name.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// A line of a bill, summed as far as its source sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is for: hours, or whole days.
    pub period: Window,
    /// Of what class.
    pub class: Class,
    /// Of what kind.
    pub category: Category,
    /// The instance, the volume, the pod's ARN; where the source tells.
    pub resource_id: Option<String>,
    /// The pod, where the row names one.
    pub pod: Option<BilledPod>,
    /// The service's own name for it, `APN2-BoxUsage:m7g.large`.
    pub usage_type: String,
    /// How much of `unit` was used, in billionths; none where the source does not say.
    pub quantity_billionths: Option<i128>,
    /// `Hrs`, `GB-Mo` …
    pub unit: String,
    /// At list prices, where the source says it.
    pub list: Option<Amount>,
    /// What is to be paid, net of discounts and with commitments amortised, where the account has
    /// that; else amortised; else unblended.
    pub effective: Amount,
    /// Whether AWS may still change it.
    pub is_estimated: bool,
}

/// How far a bill reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "of")]
pub enum Scope {
    /// What carries the cost allocation tag of an owner.
    Tag(String),
    /// Everything in these accounts: *account scope*.
    Accounts(Vec<String>),
    /// What has these clusters' names in it.
    Clusters(Vec<String>),
}

/// A bill for some days.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// `Cost Explorer`, or the file's name.
    pub source: String,
    /// The whole days it is for.
    pub window: Window,
    /// How far it reaches.
    pub scope: Scope,
    /// The lines.
    pub lines: Vec<Line>,
    /// The day it was asked for, or the file says it was made.
    pub as_of: Option<Date>,
    /// What asking for it cost, at Cost Explorer's price for a page.
    pub asking: Amount,
}
