//! What a consolidation is asked.

use std::collections::BTreeSet;

use crate::karpenter::PackInput;
use crate::pod::{LabelSelector, Pod};

/// The question.
#[derive(Debug, Clone, Default)]
pub struct ConsolidationInput {
    /// Pools, daemonsets, instance types and the nodes that are there with their pods. Its `pods` wait
    /// for a place ([`super::consolidate`]) or are still to come ([`super::settled`]).
    pub pack: PackInput,
    /// What forbids disruption.
    pub guards: Guards,
    /// How it is done.
    pub options: ConsolidationOptions,
}

/// What forbids disruption, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guards {
    /// Nodes with the annotation `karpenter.sh/do-not-disrupt: "true"`, by name.
    pub protected_nodes: BTreeSet<String>,
    /// Pods that a node runs by itself and that go with it: namespace and name.
    pub static_pods: BTreeSet<(String, String)>,
    /// Pod disruption budgets.
    pub budgets: Vec<PodDisruptionBudget>,
}

/// A `PodDisruptionBudget`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodDisruptionBudget {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which pods; none chooses no pod.
    pub selector: Option<LabelSelector>,
    /// Its `status.disruptionsAllowed`: how many pods may go at once. Karpenter asks whether it is
    /// zero.
    pub disruptions_allowed: i64,
}

impl PodDisruptionBudget {
    /// Whether it speaks of this pod.
    pub fn chooses(&self, pod: &Pod) -> bool {
        self.namespace == *pod.namespace
            && self.selector.as_ref().is_some_and(|one| one.matches(&pod.template.labels))
    }
}

/// How consolidation is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolidationOptions {
    /// Karpenter's gate `SpotToSpotConsolidation`; off by default, as there.
    pub spot_to_spot: bool,
    /// For how many seconds no pod has come to a node or left it; none means for long enough, whatever
    /// a pool's `consolidateAfter`.
    pub quiet_seconds: Option<i64>,
    /// After how many steps it stops without having come to rest.
    pub most_steps: usize,
}

impl Default for ConsolidationOptions {
    fn default() -> Self {
        Self { spot_to_spot: false, quiet_seconds: None, most_steps: 10_000 }
    }
}

/// In which portions pods arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals {
    /// How many pods at once, in the order of the question; the last portion has what is left.
    pub pods_at_once: usize,
}

impl Arrivals {
    /// The default for so many pods: ten portions, none below 25 pods.
    pub fn default_for(pods: usize) -> Self {
        Self { pods_at_once: pods.div_ceil(10).max(25) }
    }
}
