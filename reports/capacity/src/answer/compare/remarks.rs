//! What is said beside the figures: the same everywhere, not priced, not simulated, assumed.

use std::collections::BTreeSet;

use super::bills::MOST_SETTLED;
use super::{CompareOptions, Comparison, rates};
use crate::answer::PriceCoverage;
use crate::compare::runs::MONTH_SECONDS;
use crate::compare::side::Side;
use crate::compare::workload::{Timed, Workloads, full_name};
use crate::fargate;
use crate::manifest::WorkloadKind;
use crate::plural::counted;
use crate::prices::{PriceBook, Service};
use crate::region::Region;

/// What the figures are: currency, tax, discounts, days.
pub(super) fn money(book: &PriceBook, prices: &PriceCoverage) -> String {
    let days = match (prices.oldest, prices.newest) {
        (Some(oldest), Some(newest)) if oldest == newest => format!(", of {oldest}"),
        (Some(oldest), Some(newest)) => format!(", of {oldest} to {newest}"),
        _ => String::new(),
    };
    format!("list prices in {} before tax, discounts and credits{days}", book.currency())
}

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

pub(super) const NOT_PRICED: [&str; 4] = [
    "no nodes to patch for the system layer where it is on Fargate, none at all where everything is",
    "who upgrades: node images are yours with Karpenter and a node group, AWS's under Auto Mode and on Fargate",
    "Fargate starts a pod in 45 to 120 s, a new node about as long, a node with room at once",
    "Fargate has no spot, no arm64 and no daemonsets; log and security agents become sidecars",
];

pub(super) fn not_simulated(sides: &[Side], pods: usize) -> Vec<String> {
    let mut lines = vec![
        "Cluster Autoscaler's own placing: its node count is that of the same pods on one type, packed in Karpenter's order".to_owned(),
        "in which zones nodes stand: their types are offered in as many as asked for, and spreads of pods are kept".to_owned(),
        "traffic between zones and through NAT".to_owned(),
        "commitments that cover a part only: a Savings Plan in a tornado covers all of it".to_owned(),
    ];
    if pods > MOST_SETTLED {
        lines.push(format!("consolidation with nodes of other shapes than asked for, and with autoscalers at an end: with more than {MOST_SETTLED} pods those are one cold batch, and a tornado moves by as much"));
    }
    if sides.iter().all(|side| side.settled.is_none()) {
        lines.push("arrivals in batches and Karpenter's consolidation: its nodes are those of one cold batch".to_owned());
    }
    let of_sides: BTreeSet<&String> = sides.iter().flat_map(|side| &side.not_simulated).collect();
    lines.extend(of_sides.into_iter().cloned());
    lines
}

pub(super) fn own_notes(
    workloads: &Workloads,
    options: &CompareOptions,
    book: &PriceBook,
    comparison: &Comparison,
) -> Vec<String> {
    let mut notes = vec![pools(options), images(options)];
    if !workloads.daemonsets.is_empty() {
        notes.push(format!(
            "each node runs {} and the cluster's own daemonsets",
            names(workloads.daemonsets.iter().map(full_name))
        ));
    }
    let found: Vec<&str> = workloads.system.found().into_iter().collect();
    if !found.is_empty() {
        notes.push(format!("of the system, as the files have it: {}", found.join(", ")));
    }
    notes.extend(workloads.notes.iter().cloned());
    notes.extend(workloads.timed.iter().filter_map(scaled));
    let is_part = |one: &Timed| one.runs.iter().any(|run| run.seconds < MONTH_SECONDS);
    if workloads.timed.iter().any(is_part) {
        notes.push(
            "pods that run for a part of the month are taken to run at the same hours".to_owned(),
        );
    }
    notes.extend(lingering(workloads, options, book));
    notes.push(rates::savings_plans(options, book, &comparison.sides));
    if comparison.prices.restricted_to_priced_types {
        notes.push(format!(
            "restricted to priced types: of {} that are offered, {} no known price",
            comparison.prices.offered,
            counted(comparison.prices.offered - comparison.prices.priced, "has", "have")
        ));
    }
    notes
}

fn pools(options: &CompareOptions) -> String {
    let given: Vec<&str> = options.node_pools.iter().map(|pool| pool.name.as_str()).collect();
    if given.is_empty() {
        "nodes are of families c, m and r from generation 5 on, without burstable types, which pay surplus credits under load".to_owned()
    } else {
        format!("Karpenter's nodes are those that NodePools {} allow", given.join(", "))
    }
}

fn images(options: &CompareOptions) -> String {
    match options.images {
        None => "images are taken for amd64 unless a pod or a NodePool says otherwise, and for both on the side that asks what arm64 saves",
        Some(crate::compare::workload::Images::Amd64) => "images are for amd64, as given, unless a pod says otherwise",
        Some(crate::compare::workload::Images::Both) => "images are for amd64 and arm64, as given",
    }
    .to_owned()
}

fn scaled(timed: &Timed) -> Option<String> {
    let scaled = timed.scaled.as_ref()?;
    let (whole, rest) = (scaled.mean_thousandths / 1000, scaled.mean_thousandths % 1000);
    let mean = if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{rest:03}").trim_end_matches('0').to_owned()
    };
    Some(format!(
        "`{}` is scaled from {} to {}; the bills have {mean}: {}",
        full_name(&timed.workload),
        scaled.least,
        counted(scaled.most, "pod", "pods"),
        scaled.how
    ))
}

/// Pods of ended runs keep billing on Fargate until they are deleted.
fn lingering(workloads: &Workloads, options: &CompareOptions, book: &PriceBook) -> Vec<String> {
    let is_kept = |timed: &&Timed| {
        let job = &timed.workload.job;
        matches!(timed.workload.kind, WorkloadKind::Job | WorkloadKind::CronJob)
            && job.kept_seconds.is_none()
            && job.kept_runs > 0
            && !timed.runs.is_empty()
    };
    let kept = workloads.timed.iter().filter(is_kept);
    kept.filter_map(|timed| {
        let sized = fargate::size(&timed.workload.template.resources).ok()?;
        let price = fargate::price(&sized, options.region.name(), book).ok()?;
        let runs = i64::from(timed.workload.job.kept_runs);
        let pods = runs * i64::from(timed.workload.replicas);
        Some(format!(
            "`{}` has no `ttlSecondsAfterFinished`: Fargate bills its ended pods until they are deleted, and {} would add up to {} $ a month, which is on no bill",
            full_name(&timed.workload),
            counted(pods, "that stays", "that stay"),
            price.monthly().times(pods).dollars(2)
        ))
    })
    .collect()
}

fn names(all: impl Iterator<Item = String>) -> String {
    all.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
