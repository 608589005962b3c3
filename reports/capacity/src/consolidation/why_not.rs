//! Why a node stays.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// The reason, as Karpenter would find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// No pool of Karpenter's made it.
    NotManaged,
    /// Its pool is not known.
    UnknownPool {
        /// The pool.
        pool: String,
    },
    /// It is not ready for pods yet.
    NotInitialized,
    /// Its annotation forbids it.
    NodeProtected,
    /// A pod's annotation forbids it.
    PodProtected {
        /// The pod.
        pod: String,
    },
    /// A pod disruption budget allows none to go, or several speak of one pod.
    PodDisruptionBudget {
        /// The budget, or the budgets.
        budget: String,
        /// The pod.
        pod: String,
    },
    /// Its pool has a fixed number of nodes.
    StaticPool,
    /// Its type is not known.
    UnknownType {
        /// The type, as its label says.
        instance_type: String,
    },
    /// A label that its price depends on is missing.
    MissingLabel {
        /// The label.
        label: &'static str,
    },
    /// Its pool says `consolidateAfter: Never`.
    Disabled,
    /// Its pool lets it rest longer than it has.
    TooEarly {
        /// `consolidateAfter` in seconds.
        seconds: i64,
    },
    /// It has pods, and its pool consolidates empty nodes only.
    OnlyWhenEmpty,
    /// The pool's budget allows none now.
    Budget {
        /// The pool.
        pool: String,
    },
    /// What a removal would save is not worth the disruption, as its pool weighs them.
    NotWorthIt,
    /// A pod would find no place.
    NoPlace {
        /// The pod.
        pod: String,
        /// Why, in words.
        reason: String,
    },
    /// A pod would have to wait for a node that is not ready.
    UnreadyTarget {
        /// The pod.
        pod: String,
        /// The node.
        node: String,
    },
    /// It would take more than one new node.
    MoreThanOneNode,
    /// The pods left over need a node of their own, and none is strictly cheaper.
    NoneCheaper,
    /// Cheaper types have too few values of a label for its `minValues`.
    MinValues,
    /// It is spot, its replacement would be too, and that is switched off.
    SpotToSpot,
    /// Of spot for spot, fewer types than Karpenter asks for are cheaper.
    TooFewSpotTypes {
        /// How many are.
        cheaper: usize,
    },
    /// The steps were cut off before this was known.
    NotAsked,
}

impl WhyNot {
    /// The kind of reason, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotManaged => "not_managed",
            Self::UnknownPool { .. } => "unknown_pool",
            Self::NotInitialized => "not_initialized",
            Self::NodeProtected => "node_protected",
            Self::PodProtected { .. } => "pod_protected",
            Self::PodDisruptionBudget { .. } => "pod_disruption_budget",
            Self::StaticPool => "static_pool",
            Self::UnknownType { .. } => "unknown_type",
            Self::MissingLabel { .. } => "missing_label",
            Self::Disabled => "disabled",
            Self::TooEarly { .. } => "too_early",
            Self::OnlyWhenEmpty => "only_when_empty",
            Self::Budget { .. } => "budget",
            Self::NotWorthIt => "not_worth_it",
            Self::NoPlace { .. } => "no_place",
            Self::UnreadyTarget { .. } => "unready_target",
            Self::MoreThanOneNode => "more_than_one_node",
            Self::NoneCheaper => "none_cheaper",
            Self::MinValues => "min_values",
            Self::SpotToSpot => "spot_to_spot",
            Self::TooFewSpotTypes { .. } => "too_few_spot_types",
            Self::NotAsked => "not_asked",
        }
    }

    /// All kinds.
    pub const KINDS: [&'static str; 22] = [
        "not_managed",
        "unknown_pool",
        "not_initialized",
        "node_protected",
        "pod_protected",
        "pod_disruption_budget",
        "static_pool",
        "unknown_type",
        "missing_label",
        "disabled",
        "too_early",
        "only_when_empty",
        "budget",
        "not_worth_it",
        "no_place",
        "unready_target",
        "more_than_one_node",
        "none_cheaper",
        "min_values",
        "spot_to_spot",
        "too_few_spot_types",
        "not_asked",
    ];
}

impl fmt::Display for WhyNot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotManaged => formatter.write_str("no NodePool made it"),
            Self::UnknownPool { pool } => write!(formatter, "its NodePool `{pool}` is not known"),
            Self::NotInitialized => formatter.write_str("it is not ready for pods yet"),
            Self::NodeProtected => {
                formatter.write_str("its annotation `karpenter.sh/do-not-disrupt` forbids it")
            }
            Self::PodProtected { pod } => {
                write!(formatter, "`{pod}` has the annotation `karpenter.sh/do-not-disrupt`")
            }
            Self::PodDisruptionBudget { budget, pod } => {
                write!(formatter, "pod disruption budget {budget} keeps `{pod}` where it is")
            }
            Self::StaticPool => formatter.write_str("its NodePool has a fixed number of nodes"),
            Self::UnknownType { instance_type } => {
                write!(formatter, "its instance type `{instance_type}` is not known")
            }
            Self::MissingLabel { label } => write!(formatter, "it has no label `{label}`"),
            Self::Disabled => formatter.write_str("its NodePool says `consolidateAfter: Never`"),
            Self::TooEarly { seconds } => {
                write!(formatter, "its NodePool lets it rest for {seconds} s after a change")
            }
            Self::OnlyWhenEmpty => {
                formatter.write_str("it has pods, and its NodePool says `WhenEmpty`")
            }
            Self::Budget { pool } => {
                write!(formatter, "the disruption budget of NodePool `{pool}` allows none")
            }
            Self::NotWorthIt => {
                formatter.write_str("it would save too little for the disruption (`Balanced`)")
            }
            Self::NoPlace { pod, reason } => {
                write!(formatter, "`{pod}` would find no place: {reason}")
            }
            Self::UnreadyTarget { pod, node } => {
                write!(formatter, "`{pod}` would have to wait for `{node}`, which is not ready")
            }
            Self::MoreThanOneNode => {
                formatter.write_str("its pods would need more than one new node")
            }
            Self::NoneCheaper => {
                formatter.write_str("no type that would hold its pods is strictly cheaper")
            }
            Self::MinValues => {
                formatter.write_str("cheaper types alone have too few values for its `minValues`")
            }
            Self::SpotToSpot => formatter.write_str(
                "it is spot and would be again, which the gate `SpotToSpotConsolidation` forbids",
            ),
            Self::TooFewSpotTypes { cheaper } => write!(
                formatter,
                "{cheaper} spot types are cheaper, fewer than the {} that are asked for",
                super::method::LEAST_SPOT_TYPES
            ),
            Self::NotAsked => formatter.write_str("the steps were cut off before this was known"),
        }
    }
}

impl Serialize for WhyNot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("WhyNot", 2)?;
        written.serialize_field("kind", self.kind())?;
        written.serialize_field("words", &self.to_string())?;
        written.end()
    }
}
