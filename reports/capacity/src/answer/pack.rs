//! What Karpenter would launch, in the forms that others read.

use serde::Serialize;

use super::written::{self, dollars_or_nothing};
use super::{Completeness, PriceAge, PriceCoverage};
use crate::karpenter::{FilledNode, PackInput, PackOutcome, PackedNode, Unschedulable, pack};
use crate::money::Price;
use crate::plural::counted;
use crate::pod::{Pod, PodTemplate};

/// The answer of a packing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackAnswer {
    /// Nodes to launch.
    pub nodes: Vec<PackedNode>,
    /// Nodes that are there and take pods.
    pub existing: Vec<FilledNode>,
    /// Pods without a place.
    pub unschedulable: Vec<Unschedulable>,
    /// The sum of the nodes' prices, unrounded; nothing when a node has none.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// What was asked for and is not simulated.
    pub not_simulated: Vec<String>,
    /// Which types had a price.
    pub prices: PriceCoverage,
    /// What else is to be known about the answer.
    pub notes: Vec<String>,
    /// Whether a result that an unpriced type could change counts as unpriced.
    #[serde(skip)]
    pub is_strict: bool,
}

const HEADER: [&str; 11] = [
    "node",
    "node_pool",
    "instance_type",
    "zones",
    "capacity_type",
    "usd_per_hour",
    "usd_per_hour_at_most",
    "candidates",
    "pod_count",
    "pods",
    "reason",
];

impl PackAnswer {
    /// Packs.
    pub fn new(input: &PackInput, age: PriceAge, is_strict: bool, notes: Vec<String>) -> Self {
        let PackOutcome { nodes, existing, unschedulable, price, not_simulated, prices } =
            pack(input);
        let prices = PriceCoverage::new(&prices, age);
        let mut answer =
            Self { nodes, existing, unschedulable, price, not_simulated, prices, notes, is_strict };
        let own = answer.own_notes(input);
        answer.notes.extend(own);
        answer
    }

    fn own_notes(&self, input: &PackInput) -> Vec<String> {
        let mut notes = Vec::new();
        let silent: Vec<&Pod> = input
            .pods
            .iter()
            .filter(|pod| pod.template.resources.kubernetes_requests().is_empty())
            .collect();
        match silent.as_slice() {
            [] => {}
            [one] => notes
                .push(format!("`{one}` requests nothing and takes a place only by its number")),
            [first, ..] => notes.push(format!(
                "{} pods request nothing and take a place only by their number, `{first}` among them",
                silent.len()
            )),
        }
        if input.pods.iter().any(|pod| chooses_zones(&pod.template)) {
            notes.push(
                "where Karpenter takes a zone by chance, this takes the lowest name".to_owned(),
            );
        }
        if self.prices.restricted_to_priced_types {
            notes.push(format!(
                "restricted to priced types: of {} that are offered, {} no known price",
                self.prices.offered,
                counted(self.prices.offered - self.prices.priced, "has", "have")
            ));
        }
        let unpriced = self.nodes.iter().filter(|node| node.price.is_none()).count();
        if unpriced > 0 {
            notes.push(format!(
                "no price for {unpriced} of {}, so there is no total",
                counted(self.nodes.len(), "node", "nodes")
            ));
        }
        notes
    }

    /// Whether anything is missing.
    pub fn completeness(&self) -> Completeness {
        if !self.unschedulable.is_empty() {
            Completeness::Unplaced
        } else if self.price.is_none() || (self.is_strict && self.prices.restricted_to_priced_types)
        {
            Completeness::Unpriced
        } else {
            Completeness::Complete
        }
    }

    /// A row for each node, then one for each pod without a place. The prices add up to the total.
    pub fn csv(&self) -> String {
        let nodes = self.nodes.iter().enumerate().map(|(index, node)| {
            vec![
                (index + 1).to_string(),
                node.node_pool.clone(),
                node.instance_type.clone(),
                node.zones.join(";"),
                node.capacity_type.clone(),
                dollars_or_nothing(node.price),
                dollars_or_nothing(node.price_at_most),
                node.candidates.to_string(),
                node.pods.len().to_string(),
                node.pods.join(";"),
                node.reason.clone().unwrap_or_default(),
            ]
        });
        let existing = self.existing.iter().map(|node| {
            let mut row = vec![String::new(); HEADER.len()];
            row[0].clone_from(&node.name);
            row[8] = node.pods.len().to_string();
            row[9] = node.pods.join(";");
            "this node is there already".clone_into(&mut row[10]);
            row
        });
        let unplaced = self.unschedulable.iter().map(|one| {
            let mut row = vec![String::new(); HEADER.len()];
            "1".clone_into(&mut row[8]);
            row[9].clone_from(&one.pod);
            row[10].clone_from(&one.reason);
            row
        });
        written::csv(&HEADER, nodes.chain(existing).chain(unplaced))
    }
}

/// Whether rules between pods choose its zone.
fn chooses_zones(template: &PodTemplate) -> bool {
    let zone = |key: &str| key == crate::launch::ZONE;
    template.spread.iter().any(|one| zone(&one.topology_key))
        || template.affinity.iter().any(|one| zone(&one.topology_key))
        || template.preferred_affinity.iter().any(|(_, one)| zone(&one.topology_key))
}
