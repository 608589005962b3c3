//! What a consolidation answers.

use serde::Serialize;

use super::why_not::WhyNot;
use crate::karpenter::{FilledNode, PackOutcome, PackedNode, Unschedulable};
use crate::money::{Price, Unit};
use crate::prices::Coverage;

/// Which of Karpenter's methods made a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Nodes without pods go.
    Empty,
    /// Several nodes go, at most one comes.
    MultiNode,
    /// One node goes, at most one comes.
    SingleNode,
}

impl Method {
    /// All of them, in a word.
    pub const WORDS: [&'static str; 3] = ["empty", "multi_node", "single_node"];

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::MultiNode => "multi_node",
            Self::SingleNode => "single_node",
        }
    }
}

/// A node that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedNode {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub node_pool: String,
    /// Its type.
    pub instance_type: String,
    /// How it is bought.
    pub capacity_type: String,
    /// What it costs, if that is known.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
}

/// A node that comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewNode {
    /// The name it is given here.
    pub name: String,
    /// Its pool.
    pub node_pool: String,
    /// The cheapest type that may be launched.
    pub instance_type: String,
    /// Its zone.
    pub zone: String,
    /// How it is bought.
    pub capacity_type: String,
    /// What it costs.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// How many types might be launched.
    pub candidates: usize,
}

/// A step: nodes go, at most one comes, their pods move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which method.
    pub method: Method,
    /// Nodes that go.
    pub removed: Vec<RemovedNode>,
    /// Nodes that come: none or one; more only where pods that count for nothing lose their nodes.
    pub launched: Vec<NewNode>,
    /// What it saves per hour, exactly; nothing when a price is not known.
    #[serde(rename = "usd_per_hour_saved", serialize_with = "crate::money::as_dollars_or_null")]
    pub saved: Option<Price>,
    /// Pods that are evicted and start elsewhere, by name, sorted.
    pub pods: Vec<String>,
}

/// A node that is there in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettledNode {
    /// Its name.
    pub name: String,
    /// Its pool, if Karpenter made it.
    pub node_pool: Option<String>,
    /// Its type; empty when its labels do not say.
    pub instance_type: String,
    /// Its zone; empty when its labels do not say.
    pub zone: String,
    /// How it is bought; empty when its labels do not say.
    pub capacity_type: String,
    /// What it costs, if that is known.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// What it may cost if spot capacity is taken elsewhere.
    #[serde(skip)]
    pub price_at_most: Option<Price>,
    /// How many types might have been launched; nothing for a node that was there.
    #[serde(skip)]
    pub candidates: Option<usize>,
    /// Its pods that could move, by name, sorted.
    pub pods: Vec<String>,
    /// Their positions in the question, where they come from it.
    #[serde(skip)]
    pub positions: Vec<usize>,
    /// Why it stays.
    pub why_not: WhyNot,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// No method finds anything any more.
    AtRest,
    /// The bound on the number of steps was hit: there may be more to save.
    StepBound,
}

impl End {
    /// All ends, in a word.
    pub const WORDS: [&'static str; 2] = ["at_rest", "step_bound"];
}

/// The answer for nodes that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consolidation {
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What is there in the end, by name.
    pub nodes: Vec<SettledNode>,
    /// Pods that waited and wait still, by name; consolidation does not wait for them.
    pub waiting: Vec<String>,
    /// The price before: of those nodes that Karpenter made; nothing when one of them has none.
    pub before: Option<Price>,
    /// The price after.
    pub after: Option<Price>,
    /// How it ended.
    pub end: End,
    /// What was asked for and is not simulated.
    pub not_simulated: Vec<String>,
    /// How much of what the pools allow had a price.
    pub prices: Coverage,
}

/// The answer for pods that arrive in portions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// All at once on a cold cluster, without consolidation.
    pub cold: PackOutcome,
    /// What is done between the portions, in order.
    pub steps: Vec<Step>,
    /// What is there in the end, by name.
    pub nodes: Vec<SettledNode>,
    /// Pods without a place.
    pub unschedulable: Vec<Unschedulable>,
    /// The price in the end: of the nodes that Karpenter made; nothing when one of them has none.
    pub price: Option<Price>,
    /// In how many portions the pods came.
    pub portions: usize,
    /// How it ended; the bound if it was hit after any portion.
    pub end: End,
}

impl Settled {
    /// The end in the form of a packing: nodes that were launched, nodes that were there and took
    /// pods, pods without a place.
    pub fn outcome(&self) -> PackOutcome {
        let not_simulated = self.cold.not_simulated.clone();
        packing(&self.nodes, self.unschedulable.clone(), not_simulated, self.cold.prices)
    }
}

/// Nodes in the form of a packing.
pub(super) fn packing(
    nodes: &[SettledNode],
    unschedulable: Vec<Unschedulable>,
    not_simulated: Vec<String>,
    prices: Coverage,
) -> PackOutcome {
    let new = nodes.iter().filter(|node| node.candidates.is_some());
    let launched: Vec<PackedNode> = new
        .map(|node| PackedNode {
            node_pool: node.node_pool.clone().unwrap_or_default(),
            instance_type: node.instance_type.clone(),
            zones: vec![node.zone.clone()],
            capacity_type: node.capacity_type.clone(),
            price: node.price,
            price_at_most: node.price_at_most,
            reason: node.price.is_none().then(|| format!("`{}` has no price", node.instance_type)),
            pods: node.pods.clone(),
            candidates: node.candidates.unwrap_or_default(),
            positions: node.positions.clone(),
        })
        .collect();
    let old = nodes.iter().filter(|node| node.candidates.is_none());
    let filled = old.filter(|node| !node.positions.is_empty()).map(|node| FilledNode {
        name: node.name.clone(),
        pods: node.pods.clone(),
        positions: node.positions.clone(),
    });
    PackOutcome {
        price: sum(launched.iter().map(|node| node.price)),
        existing: filled.collect(),
        nodes: launched,
        unschedulable,
        not_simulated,
        prices,
    }
}

/// The sum of prices per hour; nothing when one of them is not known.
pub(super) fn sum(mut prices: impl Iterator<Item = Option<Price>>) -> Option<Price> {
    let total = prices.try_fold(0_i64, |sum, price| {
        price.map(|price| sum.saturating_add(price.ten_billionths()))
    });
    total.map(|total| Price::new(total, Unit::Hour))
}
