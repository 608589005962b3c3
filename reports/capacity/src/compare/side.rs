//! A side of the comparison: its lines, which add up to its total.

use std::collections::BTreeSet;

use crate::money::{Amount, Price, Total, Unpriced};

/// A way to run the workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SideId {
    /// The system on Fargate, the rest on Karpenter's nodes.
    Nodeless,
    /// Two managed nodes for the system, Karpenter for the rest, on-demand.
    Karpenter,
    /// The same with spot.
    KarpenterSpot,
    /// The same on-demand with arm64 where images allow it.
    KarpenterGraviton,
    /// Everything on Fargate.
    Fargate,
    /// One managed node group with Cluster Autoscaler.
    NodeGroup,
    /// EKS Auto Mode.
    AutoMode,
}

impl SideId {
    /// All of them; the first is what the others are held against.
    pub const ALL: [Self; 7] = [
        Self::Nodeless,
        Self::Karpenter,
        Self::KarpenterSpot,
        Self::KarpenterGraviton,
        Self::Fargate,
        Self::NodeGroup,
        Self::AutoMode,
    ];

    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodeless => "nodeless",
            Self::Karpenter => "karpenter_on_demand",
            Self::KarpenterSpot => "karpenter_spot",
            Self::KarpenterGraviton => "karpenter_graviton",
            Self::Fargate => "fargate",
            Self::NodeGroup => "node_group",
            Self::AutoMode => "auto_mode",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Nodeless => "NodeLess",
            Self::Karpenter => "all on Karpenter, on-demand",
            Self::KarpenterSpot => "all on Karpenter, spot",
            Self::KarpenterGraviton => "all on Karpenter, arm64 where images allow",
            Self::Fargate => "all on Fargate",
            Self::NodeGroup => "managed nodes, Cluster Autoscaler",
            Self::AutoMode => "EKS Auto Mode",
        }
    }
}

/// What a line is for; levers move some kinds and not others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// A pod on Fargate.
    FargatePod,
    /// Its disk above what is included.
    FargateStorage,
    /// What a daemonset that became a sidecar adds to it.
    Sidecar,
    /// A node that is always there.
    StandingNode,
    /// A node that comes and goes with the pods.
    Node,
    /// The fee of Auto Mode.
    AutoModeFee,
    /// The root volume of a standing node.
    StandingVolume,
    /// The root volume of a node.
    Volume,
}

impl LineKind {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::FargatePod => "fargate_pod",
            Self::FargateStorage => "fargate_storage",
            Self::Sidecar => "sidecar",
            Self::StandingNode => "standing_node",
            Self::Node => "node",
            Self::AutoModeFee => "auto_mode_fee",
            Self::StandingVolume => "standing_root_volume",
            Self::Volume => "root_volume",
        }
    }
}

/// A line of a bill for a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is for.
    pub kind: LineKind,
    /// What is billed.
    pub what: String,
    /// The type of an instance that is bought on demand, for which Savings Plans have rates.
    pub instance_type: Option<String>,
    /// How many units at a time: pods, nodes, GiB.
    pub count: i64,
    /// For how many seconds of the month.
    pub seconds: i64,
    /// The price of one; absent with a reason.
    pub price: Result<Price, Unpriced>,
}

impl Line {
    /// What it comes to.
    pub fn amount(&self) -> Result<Amount, Unpriced> {
        self.price.clone().map(|price| price.amount(self.count, self.seconds))
    }
}

/// A pod that a side cannot run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotHeld {
    /// The pod.
    pub pod: String,
    /// Why.
    pub reason: String,
}

/// What a way of packing comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// The side's total, if nothing is missing from it.
    pub total: Option<Amount>,
    /// How many nodes at most at a time.
    pub nodes: usize,
    /// How much of them pods ask for, in thousandths.
    pub utilisation: Option<i64>,
}

/// A side with its bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Which.
    pub id: SideId,
    /// Its bill.
    pub lines: Vec<Line>,
    /// Of spot: the total where capacity is cheapest, and where it is dearest.
    pub range: Option<(Amount, Amount)>,
    /// Pods it cannot run, which are not in the bill.
    pub not_held: Vec<NotHeld>,
    /// How much of its nodes the pods ask for, in thousandths: of CPU or memory, whichever is more.
    pub utilisation: Option<i64>,
    /// How full the nodes are that come and go with pods, in thousandths: pods of those that each
    /// node would hold, full of such. A break-even is in the same measure.
    pub fullness: Option<i64>,
    /// How many nodes it has at most at a time.
    pub peak_nodes: usize,
    /// Where Karpenter makes its nodes: those of one cold batch.
    pub cold: Option<Packed>,
    /// And those that are left when pods arrived in batches and consolidation came to its end.
    pub settled: Option<Packed>,
    /// How many types its nodes were chosen from, and how many had a price.
    pub coverage: crate::prices::Coverage,
    /// What is not simulated of its nodes.
    pub not_simulated: BTreeSet<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

impl Side {
    /// One without anything.
    pub fn new(id: SideId) -> Self {
        Self {
            id,
            lines: Vec::new(),
            range: None,
            not_held: Vec::new(),
            utilisation: None,
            fullness: None,
            peak_nodes: 0,
            cold: None,
            settled: None,
            coverage: crate::prices::Coverage::default(),
            not_simulated: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    /// The sum and its holes.
    pub fn total(&self) -> Total {
        let mut total = Total::default();
        for line in &self.lines {
            total.add(line.amount());
        }
        total
    }

    /// The sum, if the side runs every pod and all of it has a price.
    pub fn complete(&self) -> Option<Amount> {
        if self.not_held.is_empty() { self.total().complete() } else { None }
    }

    /// It as a way of packing comes to.
    pub fn packed(&self) -> Packed {
        Packed { total: self.complete(), nodes: self.peak_nodes, utilisation: self.utilisation }
    }

    /// The sum of some kinds of lines.
    pub fn of(&self, kinds: &[LineKind]) -> Amount {
        self.lines
            .iter()
            .filter(|line| kinds.contains(&line.kind))
            .filter_map(|line| line.amount().ok())
            .sum()
    }

    /// Adds a line, or to the line that says the same.
    pub fn add(&mut self, line: Line) {
        let same = |one: &&mut Line| {
            (one.kind, &one.what, one.seconds, &one.price)
                == (line.kind, &line.what, line.seconds, &line.price)
        };
        match self.lines.iter_mut().find(same) {
            Some(known) => known.count += line.count,
            None => self.lines.push(line),
        }
    }
}
