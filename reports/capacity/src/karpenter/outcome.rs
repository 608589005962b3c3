//! What a packing answers, in the form that others read.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use super::Batch;
use super::amounts::PODS;
use super::claim::{Claim, Refusal};
use super::input::{InstanceOption, PackInput};
use super::scheduler::{NotNew, Scheduler, Unplaced};
use super::shape::ShapeId;
use super::topology::GroupKind;
use crate::money::{Price, Unit};
use crate::pod::Pod;
use crate::prices::Coverage;

/// How many types Karpenter hands to a launch at most.
pub(super) const MOST_TYPES: usize = 600;
/// How far down the list of cheapest types a spot launch may land.
pub(super) const SPOT_DEPTH: usize = 15;

/// A node to launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackedNode {
    /// Its pool.
    pub node_pool: String,
    /// The cheapest type left, of equal prices the lowest name.
    pub instance_type: String,
    /// The zones its claim still allows and the type is offered in.
    pub zones: Vec<String>,
    /// How it would be bought.
    pub capacity_type: String,
    /// What the cheapest type left costs; nothing when none of them has a price.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// What it may cost if spot capacity is taken elsewhere: the fifteenth cheapest type.
    #[serde(rename = "usd_per_hour_at_most", serialize_with = "crate::money::as_dollars_or_null")]
    pub price_at_most: Option<Price>,
    /// Why it has no price, when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its pods, by name, sorted.
    pub pods: Vec<String>,
    /// How many types are left.
    pub candidates: usize,
    /// The pods' positions in the question.
    #[serde(skip)]
    pub positions: Vec<usize>,
}

/// A node that is there and takes pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilledNode {
    /// Its name.
    pub name: String,
    /// Pods it takes, by name, sorted.
    pub pods: Vec<String>,
    /// The pods' positions in the question.
    #[serde(skip)]
    pub positions: Vec<usize>,
}

/// A pod without a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unschedulable {
    /// Its name.
    pub pod: String,
    /// Why.
    pub reason: String,
    /// Its position in the question.
    #[serde(skip)]
    pub position: usize,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackOutcome {
    /// Nodes to launch.
    pub nodes: Vec<PackedNode>,
    /// Nodes that are there and take pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub existing: Vec<FilledNode>,
    /// Pods without a place, by name.
    pub unschedulable: Vec<Unschedulable>,
    /// The sum of the prices, unrounded; nothing when a node has none.
    #[serde(rename = "usd_per_hour", serialize_with = "crate::money::as_dollars_or_null")]
    pub price: Option<Price>,
    /// What was asked for and is not simulated.
    pub not_simulated: Vec<String>,
    /// How much of what the pools allow had a price.
    #[serde(serialize_with = "coverage")]
    pub prices: Coverage,
}

fn coverage<S: Serializer>(prices: &Coverage, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(flatten)]
        prices: &'a Coverage,
        restricted_to_priced_types: bool,
    }
    Written { prices, restricted_to_priced_types: prices.is_restricted() }.serialize(serializer)
}

pub(crate) fn outcome(
    input: &PackInput,
    mut scheduler: Scheduler,
    unplaced: &Unplaced,
    not_simulated: Vec<String>,
) -> PackOutcome {
    let mut unschedulable = unplaced_pods(&input.pods, &mut scheduler, unplaced);
    let mut nodes = Vec::new();
    for claim in std::mem::take(&mut scheduler.claims) {
        match node(input, &mut scheduler, &claim) {
            Ok(node) => nodes.push(node),
            Err(reason) => unschedulable.extend(claim.pods.iter().map(|position| Unschedulable {
                pod: input.pods[*position].to_string(),
                reason: reason.clone(),
                position: *position,
            })),
        }
    }
    unschedulable.sort();
    let total = nodes.iter().try_fold(0_i64, |sum, node| {
        node.price.map(|price| sum.saturating_add(price.ten_billionths()))
    });
    let existing =
        scheduler.nodes.iter().filter(|node| !node.pods.is_empty()).map(|node| FilledNode {
            name: node.name.clone(),
            pods: names(input, &node.pods),
            positions: node.pods.clone(),
        });
    PackOutcome {
        existing: existing.collect(),
        nodes,
        unschedulable,
        price: total.map(|total| Price::new(total, Unit::Hour)),
        not_simulated,
        prices: priced(&input.instance_types, &scheduler),
    }
}

fn names(input: &PackInput, positions: &[usize]) -> Vec<String> {
    let mut names: Vec<String> =
        positions.iter().map(|position| input.pods[*position].to_string()).collect();
    names.sort();
    names
}

/// A node of a claim; or why its pods have none after all: cut to what a launch may list, too few
/// values of a label are left.
fn node(input: &PackInput, scheduler: &mut Scheduler, claim: &Claim) -> Result<PackedNode, String> {
    let Batch { types, sets, labels, .. } = &mut scheduler.batch;
    let list = types.price_list(claim.set, sets, labels);
    let mut priced: Vec<(i64, usize)> =
        list.cheapest_first(&claim.types).take(MOST_TYPES + 1).collect();
    let candidates = claim.types.count().min(MOST_TYPES);
    let batch = &scheduler.batch;
    let set = batch.sets.get(claim.set);
    let pool = &scheduler.templates[claim.template].pool.name;
    if priced.len() > MOST_TYPES {
        priced.truncate(MOST_TYPES);
        let mut kept = batch.types.none();
        for (_, index) in &priced {
            kept.insert(*index);
        }
        if let Some((key, values)) = batch.types.first_lacking_values(&kept, set) {
            let label = batch.labels.key_name(key);
            return Err(format!(
                "pool `{pool}`: the {MOST_TYPES} cheapest types have only {values} values of `{label}`, fewer than its `minValues`"
            ));
        }
    }
    let Some((price, index)) = priced.first().copied() else {
        return Err(format!("pool `{pool}`: no type is left"));
    };
    let row = &batch.types.rows[index];
    let name = &row.name;
    let offerings: Vec<_> = row.compatible_offerings(set, &batch.labels).collect();
    let without_price = (!row.is_priced).then(|| match candidates {
        1 => format!("`{name}` has no price"),
        count => format!("none of its {count} types has a price; the lowest name is shown"),
    });
    let zones: BTreeSet<&str> =
        offerings.iter().map(|one| batch.labels.value_name(one.zone)).collect();
    let capacity_type = offerings
        .iter()
        .find(|one| one.price == price)
        .map_or("", |one| batch.labels.value_name(one.capacity_type));
    let depth = if capacity_type == "spot" { SPOT_DEPTH } else { 1 };
    let at_most = priced.iter().take(depth).next_back().map_or(price, |(price, _)| *price);
    Ok(PackedNode {
        node_pool: pool.clone(),
        instance_type: name.clone(),
        zones: zones.into_iter().map(str::to_owned).collect(),
        capacity_type: capacity_type.to_owned(),
        price: row.is_priced.then(|| Price::new(price, Unit::Hour)),
        price_at_most: row.is_priced.then(|| Price::new(at_most, Unit::Hour)),
        reason: without_price,
        pods: names(input, &claim.pods),
        candidates,
        positions: claim.pods.clone(),
    })
}

pub(super) fn unplaced_pods(
    pods_of: &[Pod],
    scheduler: &mut Scheduler,
    unplaced: &[(usize, ShapeId)],
) -> Vec<Unschedulable> {
    let mut known: Vec<(usize, String)> = Vec::new();
    let mut pods = Vec::new();
    for (position, shape) in unplaced {
        let reason = if let Some((_, reason)) = known.iter().find(|(known, _)| known == shape) {
            reason.clone()
        } else {
            let reason = reason(scheduler, *shape);
            known.push((*shape, reason.clone()));
            reason
        };
        pods.push(Unschedulable {
            pod: pods_of[*position].to_string(),
            reason,
            position: *position,
        });
    }
    pods
}

pub(super) fn reason(scheduler: &mut Scheduler, shape: usize) -> String {
    if scheduler.shapes.all[shape].template.traits.has_resource_claims {
        return "it asks for devices by resource claims, which Karpenter does not provision for"
            .to_owned();
    }
    let refused = scheduler.why_not_new(shape);
    let mut reasons: Vec<String> = refused
        .iter()
        .map(|(pool, why)| format!("pool `{pool}`: {}", describe(scheduler, shape, *why)))
        .collect();
    reasons
        .extend(scheduler.closed_pools.iter().map(|(pool, why)| format!("pool `{pool}`: {why}")));
    if reasons.is_empty() {
        // A new claim would take it now: the loop ended because nothing else moved any more.
        return "it found no place before the packing came to rest".to_owned();
    }
    reasons.join("; ")
}

fn describe(scheduler: &Scheduler, shape: usize, why: NotNew) -> String {
    let batch = &scheduler.batch;
    let shape = &scheduler.shapes.all[shape];
    let label = |key| batch.labels.key_name(key).to_owned();
    match why {
        NotNew::Limits => "its limits leave no instance type".to_owned(),
        NotNew::Refused(Refusal::Taint) => {
            "it does not tolerate the taints of its nodes".to_owned()
        }
        NotNew::Refused(Refusal::Hostname) => "it wants a node of a certain name".to_owned(),
        NotNew::Refused(Refusal::Conflict(key)) => {
            let wanted = batch
                .sets
                .get(shape.set)
                .get(key)
                .map(|one| one.describe(&batch.labels))
                .unwrap_or_default();
            format!("it wants `{}` {wanted}, which its nodes do not have", label(key))
        }
        NotNew::Refused(Refusal::Undefined(key)) => {
            format!("it wants a value of `{}`, and its nodes have none", label(key))
        }
        NotNew::Refused(Refusal::Topology(kind, key)) => {
            let rule = match kind {
                GroupKind::Spread => "topology spread",
                GroupKind::Affinity => "pod affinity",
                GroupKind::AntiAffinity => "pod anti-affinity",
            };
            format!("{rule} over `{}` leaves no domain", label(key))
        }
        NotNew::Refused(Refusal::HostPort) => "a daemonset takes a host port it wants".to_owned(),
        NotNew::Refused(Refusal::Types) => {
            let asked: Vec<String> = shape
                .requests
                .iter()
                .enumerate()
                // That it is one pod goes without saying.
                .filter(|(column, amount)| **amount > 0 && *column != PODS)
                .map(|(column, amount)| amount_text(batch.columns.name(column), *amount))
                .collect();
            let asked = if asked.is_empty() { "it".to_owned() } else { asked.join(", ") };
            format!(
                "no instance type that meets the requirements has enough for {asked} and the daemonsets"
            )
        }
        NotNew::Refused(Refusal::MinValues(key)) => {
            format!("too few values of `{}` would be left for its `minValues`", label(key))
        }
    }
}

fn amount_text(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" => format!("cpu {}", crate::quantity::Millicores(amount)),
        "memory" | "ephemeral-storage" => format!("{resource} {}", crate::quantity::Bytes(amount)),
        other => format!("{other} {amount}"),
    }
}

/// The types that some pool allows, and which of them have a price there.
pub(super) fn priced(options: &[InstanceOption], scheduler: &Scheduler) -> Coverage {
    let batch = &scheduler.batch;
    let mut coverage = Coverage::default();
    for (option, row) in options.iter().zip(&batch.types.rows) {
        let pools = scheduler.templates.iter().map(|template| batch.sets.get(template.set));
        let allowing: Vec<_> = pools.filter(|set| row.is_compatible(set, &batch.labels)).collect();
        if allowing.is_empty() {
            continue;
        }
        coverage.offered += 1;
        if !allowing.iter().any(|set| row.cheapest(set, &batch.labels).is_some()) {
            continue;
        }
        coverage.priced += 1;
        for day in
            option.offerings.iter().filter(|one| one.price.is_some()).filter_map(|one| one.as_of)
        {
            coverage.oldest = Some(coverage.oldest.map_or(day, |oldest| oldest.min(day)));
            coverage.newest = Some(coverage.newest.map_or(day, |newest| newest.max(day)));
        }
    }
    coverage
}
