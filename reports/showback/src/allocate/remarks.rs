//! What a reader of a report has to know, in sentences: each about named things, few of them.

use std::collections::{BTreeMap, BTreeSet};

use runbook_capacity::money::Amount;
use runbook_capacity::plural::counted;

use super::division::How;
use super::stay::FargateStay;
use super::world::World;
use crate::bill::Class;
use crate::observed::{Finding, Severity};

/// As many things are named.
const NAMED: usize = 3;

/// The findings of an allocation itself.
pub(super) fn remarks(world: &World) -> Vec<Finding> {
    let mut findings = world.findings.clone();
    nodes(world, &mut findings);
    pods(world, &mut findings);
    fargate(world, &mut findings);
    findings
}

fn finding(severity: Severity, code: &'static str, subject: String, message: &str) -> Finding {
    Finding { severity, code, subject, message: message.to_owned() }
}

/// `56 min`, from two hours on `12 h`.
fn duration(seconds: i64) -> String {
    if seconds < 7200 { format!("{} min", seconds / 60) } else { format!("{} h", seconds / 3600) }
}

/// `a, b, c and 4 more`.
fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn nodes(world: &World, findings: &mut Vec<Finding>) {
    let remarks = &world.node_remarks;
    if !remarks.gpus.is_empty() {
        let mut gpus = remarks.gpus.clone();
        gpus.sort_unstable();
        findings.push(finding(
            Severity::Loss,
            "gpu_node",
            named(&gpus),
            "a node with GPUs or other accelerators is divided among nobody until that split is built: it and the pods on it are in no total",
        ));
    }
    let nodes = |count: u64| counted(i64::try_from(count).unwrap_or(i64::MAX), "node", "nodes");
    if remarks.without_volume > 0 {
        findings.push(finding(
            Severity::Loss,
            "volume_unknown",
            nodes(remarks.without_volume),
            "their root volumes are not known and not in the figures; state root_volume_gib in the rules",
        ));
    }
    if remarks.reserved > 0 {
        findings.push(finding(
            Severity::Warning,
            "reserved_at_list_price",
            nodes(remarks.reserved),
            "they run in capacity reservations; the on-demand price stands for them, discounts are in the bill alone",
        ));
    }
    if remarks.without_allocatable > 0 {
        findings.push(finding(
            Severity::Warning,
            "allocatable_unknown",
            nodes(remarks.without_allocatable),
            "what pods may ask for is not known; all they have is taken, so system reserve is none",
        ));
    }
    if world.prices.has_spot {
        findings.push(finding(
            Severity::Note,
            "spot_at_median",
            "instances on spot".to_owned(),
            "they are priced at the median of what was seen in the region; what AWS charged is in the bill",
        ));
    }
}

fn pods(world: &World, findings: &mut Vec<Finding>) {
    let remarks = &world.pod_remarks;
    let pods = |count: u64| counted(i64::try_from(count).unwrap_or(i64::MAX), "pod", "pods");
    if !world.without_node.is_empty() {
        findings.push(finding(
            Severity::Loss,
            "pod_without_node",
            named(&world.without_node),
            "nobody saw the node while the pod was on it, so the pod is charged nothing",
        ));
    }
    let unpriced = on_unpriced(world);
    if !unpriced.is_empty() {
        findings.push(finding(
            Severity::Loss,
            "pods_on_unpriced_nodes",
            named(&unpriced),
            "the nodes of these namespaces' pods have no price or are not divided; their rows lack that",
        ));
    }
    if !remarks.unmeasured.is_empty() {
        let names: Vec<String> = remarks
            .unmeasured
            .iter()
            .map(|pod| format!("{}/{}", pod.namespace, pod.name))
            .collect();
        findings.push(finding(
            Severity::Warning,
            "unmeasured",
            named(&names),
            "they neither ask for anything nor was their usage measured: they are charged nothing",
        ));
    }
    if remarks.pending > 0 {
        findings.push(finding(
            Severity::Note,
            "pending_on_a_node",
            pods(remarks.pending),
            "they were bound to a node and not running when seen last (images, volumes); they are charged, for they hold room that nobody else can have",
        ));
    }
    if remarks.overlapping > 0 {
        findings.push(finding(
            Severity::Note,
            "overlapping_rows",
            counted(i64::try_from(remarks.overlapping).unwrap_or(i64::MAX), "row", "rows"),
            "several sources speak of the same pods at the same time; the row that was seen later decides",
        ));
    }
    if remarks.seen_once > 0 && !world.view.is_rate() {
        findings.push(finding(
            Severity::Note,
            "seen_once",
            pods(remarks.seen_once),
            "a single look saw them, so how long they lasted is a guess between two looks",
        ));
    }
    if remarks.billed_alone > 0 {
        findings.push(finding(
            Severity::Note,
            "known_by_bill_alone",
            pods(remarks.billed_alone),
            "only the bill knows them: it has neither their labels nor what owns them, so no rule of either matches, and those of daemonsets are charged as others are",
        ));
    }
}

/// Namespaces with pods on nodes that are in no total.
fn on_unpriced(world: &World) -> Vec<String> {
    let mut namespaces: BTreeSet<&str> = BTreeSet::new();
    for life in world.lives.iter().filter(|life| life.facts.is_empty()) {
        for stay in &life.stays {
            if let super::stay::Who::Holder(holder) = stay.who {
                namespaces.insert(&world.holders[holder].pod.namespace);
            }
        }
    }
    namespaces.into_iter().map(str::to_owned).collect()
}

fn fargate(world: &World, findings: &mut Vec<Finding>) {
    let dollars = |costs: Vec<(Class, Amount, How)>| -> Amount {
        costs.into_iter().map(|(_, amount, _)| amount).sum()
    };
    let total = |seconds: fn(&FargateStay) -> i64| -> (i64, Amount) {
        let stays = world.on_fargate.iter().filter(|stay| seconds(stay) > 0);
        stays.fold((0, Amount::ZERO), |(time, amount), stay| {
            let more = dollars(world.fargate_costs(stay, seconds(stay)));
            (time.saturating_add(seconds(stay)), amount + more)
        })
    };
    let mut lingering: BTreeMap<&str, i64> = BTreeMap::new();
    for stay in world.on_fargate.iter().filter(|stay| stay.lingering_seconds > 0) {
        *lingering.entry(&stay.origin.name).or_default() += stay.lingering_seconds;
    }
    if !lingering.is_empty() {
        let mut names: Vec<(i64, &str)> =
            lingering.iter().map(|(name, seconds)| (*seconds, *name)).collect();
        names.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
        let names: Vec<String> = names.into_iter().map(|(_, name)| name.to_owned()).collect();
        let (seconds, amount) = total(|stay| stay.lingering_seconds);
        findings.push(Finding {
            severity: Severity::Warning,
            code: "lingering",
            subject: named(&names),
            message: format!(
                "completed pods on Fargate are billed until they are deleted: {}, {} $ of this; set ttlSecondsAfterFinished on their Jobs",
                duration(seconds),
                amount.dollars(2)
            ),
        });
    }
    let (seconds, amount) = total(|stay| stay.unsure_seconds);
    if seconds > 0 {
        findings.push(Finding {
            severity: Severity::Note,
            code: "fargate_start_bounds",
            subject: "pods on Fargate".to_owned(),
            message: format!(
                "a pod is billed from when its images are pulled, between being scheduled and its first container's start; the earlier is charged, which is at most {} $ too much",
                amount.dollars(2)
            ),
        });
    }
}
