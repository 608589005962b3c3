//! What is said beside the figures: the same everywhere, not priced, not simulated, assumed.

use super::Comparison;
use crate::compare::workload::Workloads;
use crate::money::MONTH_HOURS;
use crate::prices::{PriceBook, Service};
use crate::region::Region;

pub(super) fn same(region: Region, book: &PriceBook) -> Vec<String> {
    let mut lines = Vec::new();
    match book.service(region.name(), Service::EksControlPlane) {
        Ok(quote) => lines.push(format!("control plane {} $", quote.price.monthly().dollars(2))),
        Err(why) => lines.push(format!("control plane: {}", why.reason)),
    }
    lines.push(
        "NAT gateways and public addresses: pods and nodes are in private subnets on every side"
            .to_owned(),
    );
    lines
}

pub(super) const NOT_PRICED: [&str; 3] = [
    "no nodes to patch for the system layer where it is on Fargate",
    "Fargate starts a pod in 45 to 120 s, a new node about as long, a node with room at once",
    "Fargate has no spot, no arm64 and no daemonsets; log and security agents become sidecars",
];

pub(super) const NOT_SIMULATED: [&str; 6] = [
    "arrivals in batches and Karpenter's consolidation: its nodes are those of one cold batch",
    "Savings Plans and reserved instances: there are no rates in the price book",
    "Cluster Autoscaler's own placing: its node count is that of the same pods on one type, packed in Karpenter's order",
    "traffic between zones and through NAT",
    "HorizontalPodAutoscalers: replicas are as written",
    "which zones the two nodes at least are in",
];

pub(super) fn own_notes(workloads: &Workloads, comparison: &Comparison) -> Vec<String> {
    let mut notes = vec![
        "nodes are of families c, m and r from generation 5 on, without burstable types, which pay surplus credits under load".to_owned(),
        "images are taken for amd64 unless a pod says otherwise".to_owned(),
    ];
    let found: Vec<&str> = workloads.system.found().into_iter().collect();
    if !found.is_empty() {
        notes.push(format!("of the system, as the files have it: {}", found.join(", ")));
    }
    if workloads.timed.iter().any(|one| one.hours < MONTH_HOURS) {
        notes.push(
            "pods that run for a part of the month are taken to run at the same hours".to_owned(),
        );
    }
    if comparison.prices.restricted_to_priced_types {
        notes.push(format!(
            "restricted to priced types: of {} that are offered, {} have no known price",
            comparison.prices.offered,
            comparison.prices.offered - comparison.prices.priced
        ));
    }
    notes
}
