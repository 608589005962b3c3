//! Rules between pods: spread, affinity, anti-affinity.
//!
//! The order in which pods were placed is not in an answer, and what counts is how things stood
//! when a pod came. So an answer is refused when no order at all could have led to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::world::{CaseWorld, Pod, list};
use crate::records::AnsweredNode;

const ZONE: &str = "topology.kubernetes.io/zone";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// A pod on a node; the node's number is its hostname.
struct Placed<'a> {
    pod: &'a Pod,
    node: usize,
    zones: &'a [String],
}

/// A rule of pods: over a topology, about pods with these labels.
type Rule<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Where pods are that a spread counts without having it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Where they were when the pods with the spread came.
    AsPlaced,
    /// They may have moved since: Kubernetes asks for a spread when a pod with it is placed, and for
    /// nothing when a pod without it goes.
    MayHaveMoved,
}

pub(super) fn problems(world: &CaseWorld, nodes: &[AnsweredNode], counted: Counted) -> Vec<String> {
    let placed: Vec<Placed<'_>> = nodes
        .iter()
        .enumerate()
        .flat_map(|(node, answered)| {
            answered.pods.iter().filter_map(move |name| {
                world.pods.get(name).map(|pod| Placed { pod, node, zones: &answered.zones })
            })
        })
        .collect();
    let mut problems = Vec::new();
    anti_affinity(&placed, &mut problems);
    let mut affine: BTreeMap<Rule<'_>, Vec<&Placed<'_>>> = BTreeMap::new();
    let mut spread: BTreeMap<Rule<'_>, Vec<(&Placed<'_>, usize)>> = BTreeMap::new();
    for one in &placed {
        for term in list(&one.pod.spec["affinity"]["podAffinity"][REQUIRED]) {
            affine.entry(rule(term)).or_default().push(one);
        }
        for term in list(&one.pod.spec["topologySpreadConstraints"]) {
            if term["whenUnsatisfiable"] == "DoNotSchedule" {
                let skew = term["maxSkew"].as_u64().and_then(|skew| usize::try_from(skew).ok());
                let rule = rule(term);
                // A pod that its own rule does not count may have come before all that it counts.
                if matches(&rule, one.pod) {
                    spread.entry(rule).or_default().push((one, skew.unwrap_or(1)));
                }
            }
        }
    }
    for (rule, members) in &affine {
        affinity(rule, members, &placed, &mut problems);
    }
    for (rule, members) in &spread {
        if rule.0 == ZONE {
            zone_spread(world, rule, members, &placed, counted, &mut problems);
        } else {
            hostname_spread(members, &mut problems);
        }
    }
    problems
}

fn rule(term: &Value) -> Rule<'_> {
    let labels = term["labelSelector"]["matchLabels"].as_object();
    let labels = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    (term["topologyKey"].as_str().unwrap_or_default(), labels)
}

fn matches(rule: &Rule<'_>, pod: &Pod) -> bool {
    rule.1.iter().all(|(key, value)| pod.labels.get(*key).is_some_and(|one| one == value))
}

/// Whether two pods may end up in one domain.
fn may_share(key: &str, one: &Placed<'_>, other: &Placed<'_>) -> bool {
    one.node == other.node
        || (key == ZONE && one.zones.iter().any(|zone| other.zones.contains(zone)))
}

fn anti_affinity(placed: &[Placed<'_>], problems: &mut Vec<String>) {
    for (index, one) in placed.iter().enumerate() {
        for term in list(&one.pod.spec["affinity"]["podAntiAffinity"][REQUIRED]) {
            let rule = rule(term);
            for (position, other) in placed.iter().enumerate() {
                if position != index && matches(&rule, other.pod) && may_share(rule.0, one, other) {
                    problems
                        .push(format!("`{}` must not be near `{}`", one.pod.name, other.pod.name));
                }
            }
        }
    }
}

/// Pods that must be near a pod with these labels: one domain may have begun with one of
/// themselves, each other needs a pod that did not have to be near anybody. Where several zones
/// have one, a node's zone may still be open between them.
fn affinity(
    rule: &Rule<'_>,
    members: &[&Placed<'_>],
    placed: &[Placed<'_>],
    problems: &mut Vec<String>,
) {
    let is_member = |one: &Placed<'_>| members.iter().any(|member| std::ptr::eq(*member, one));
    let domains = |one: &Placed<'_>| match rule.0 {
        ZONE => one.zones.to_vec(),
        _ => vec![one.node.to_string()],
    };
    let anchors: BTreeSet<Vec<String>> = placed
        .iter()
        .filter(|other| !is_member(other) && matches(rule, other.pod))
        .map(domains)
        .collect();
    let mut begun = BTreeSet::new();
    for member in members {
        let lacking =
            domains(member).into_iter().filter(|domain| !anchors.contains(&vec![domain.clone()]));
        begun.extend(lacking);
    }
    if begun.len() > 1 {
        problems.push(format!("affinity over {} began in {begun:?}", rule.0));
    }
}

/// Pods are taken into zones in the kindest order: always where there are fewest. Pods that match
/// without having the rule help where that is needed, and are passed over where they would not.
fn zone_spread(
    world: &CaseWorld,
    rule: &Rule<'_>,
    members: &[(&Placed<'_>, usize)],
    placed: &[Placed<'_>],
    counted: Counted,
    problems: &mut Vec<String>,
) {
    let mut waiting: Vec<(Vec<usize>, usize)> = Vec::new();
    for zone in &world.zones {
        let here = |one: &Placed<'_>| one.zones.len() == 1 && one.zones[0] == *zone;
        let mut skews: Vec<usize> =
            members.iter().filter(|(one, _)| here(one)).map(|(_, skew)| *skew).collect();
        skews.sort_unstable_by(|left, right| right.cmp(left));
        let all = placed.iter().filter(|one| here(one) && matches(rule, one.pod)).count();
        waiting.push((skews.clone(), all.saturating_sub(skews.len())));
    }
    if let Some((open, _)) = members.iter().find(|(one, _)| one.zones.len() != 1) {
        problems.push(format!("`{}` is spread over zones, and its own is open", open.pod.name));
    }
    // Pods that may have been anywhere help where that is needed, each once.
    let mut elsewhere = 0;
    if counted == Counted::MayHaveMoved {
        let is_member =
            |one: &Placed<'_>| members.iter().any(|(member, _)| std::ptr::eq(*member, one));
        elsewhere = placed.iter().filter(|one| matches(rule, one.pod) && !is_member(one)).count();
        waiting.iter_mut().for_each(|(_, others)| *others = 0);
    }
    let mut counts = vec![0_usize; waiting.len()];
    loop {
        let least = counts.iter().copied().min().unwrap_or(0);
        let next = (0..waiting.len())
            .filter(|zone| counts[*zone] == least)
            .find(|zone| !waiting[*zone].0.is_empty() || waiting[*zone].1 > 0);
        let next = next.or_else(|| (0..waiting.len()).find(|zone| !waiting[*zone].0.is_empty()));
        let Some(zone) = next else { return };
        if let Some(skew) = waiting[zone].0.pop() {
            if counts[zone] + 1 - least > skew && elsewhere > 0 {
                waiting[zone].0.push(skew);
                elsewhere -= 1;
                if let Some(emptiest) = counts.iter().position(|count| *count == least) {
                    counts[emptiest] += 1;
                }
                continue;
            }
            if counts[zone] + 1 - least > skew {
                problems.push(format!("no order gives this spread over zones: {counts:?}"));
                return;
            }
        } else {
            waiting[zone].1 -= 1;
        }
        counts[zone] += 1;
    }
}

/// A node that does not exist yet has none of the pods, so the least is always zero.
fn hostname_spread(members: &[(&Placed<'_>, usize)], problems: &mut Vec<String>) {
    let mut by_node: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (one, skew) in members {
        by_node.entry(one.node).or_default().push(*skew);
    }
    for (node, mut skews) in by_node {
        skews.sort_unstable();
        if skews.iter().enumerate().any(|(before, skew)| before + 1 > *skew) {
            problems.push(format!("node {}: too many pods of one spread", node + 1));
        }
    }
}
