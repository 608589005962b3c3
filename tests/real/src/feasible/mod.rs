//! Whether an answer could be carried out, by arithmetic of the judge's own.
//!
//! Nothing of the packer is used here: quantities, requests, labels and rules are read again from
//! the case's own text. A packer and a checker that share a mistake would agree with each other.

mod rules;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use crate::cases::Case;
use crate::records::{Answer, AnsweredNode};
use rules::Counted;
use world::{CaseWorld, Machine, Pod, Pool};

/// What is wrong with the answer to a case; nothing when it could be carried out.
pub fn problems(case: &Case, answer: &Answer) -> Vec<String> {
    found(case, answer, Counted::AsPlaced)
}

/// The same of what is left after pods were moved: of a spread only what pods explain that it counts
/// without their having it, and that may have moved, is no problem.
pub fn problems_after_moves(case: &Case, answer: &Answer) -> Vec<String> {
    found(case, answer, Counted::MayHaveMoved)
}

fn found(case: &Case, answer: &Answer, counted: Counted) -> Vec<String> {
    let world = match CaseWorld::read(case) {
        Ok(world) => world,
        Err(why) => return vec![format!("the case cannot be read: {why}")],
    };
    let mut problems = Vec::new();
    each_pod_once(&world, answer, &mut problems);
    let mut charged: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (number, node) in answer.nodes.iter().enumerate() {
        match check_node(&world, node) {
            Ok((pool, machine)) => {
                let sum = charged.entry(pool).or_default();
                *sum = (sum.0 + machine.cpu, sum.1 + machine.memory);
            }
            Err(found) => {
                problems.extend(found.into_iter().map(|one| format!("node {}: {one}", number + 1)));
            }
        }
    }
    for pool in &world.pools {
        let (cpu, memory) = charged.get(pool.name.as_str()).copied().unwrap_or_default();
        if pool.cpu_limit.is_some_and(|limit| cpu > limit)
            || pool.memory_limit.is_some_and(|limit| memory > limit)
        {
            problems.push(format!("pool `{}` is over its limits: {cpu}m, {memory}", pool.name));
        }
    }
    problems.extend(rules::problems(&world, &answer.nodes, counted));
    problems
}

fn each_pod_once(world: &CaseWorld, answer: &Answer, problems: &mut Vec<String>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let placed = answer.nodes.iter().flat_map(|node| &node.pods);
    for name in placed.chain(&answer.unschedulable) {
        if !world.pods.contains_key(name) {
            problems.push(format!("there is no pod `{name}`"));
        }
        if !seen.insert(name) {
            problems.push(format!("pod `{name}` is there twice"));
        }
    }
    for name in world.pods.keys().filter(|name| !seen.contains(name.as_str())) {
        problems.push(format!("pod `{name}` is lost"));
    }
}

/// Whether the named type in each of the named zones holds the node's pods, at that price.
fn check_node<'a>(
    world: &'a CaseWorld,
    node: &AnsweredNode,
) -> Result<(&'a str, &'a Machine), Vec<String>> {
    let wrong = |text: String| vec![text];
    let machine = world
        .machines
        .get(&node.instance_type)
        .ok_or_else(|| wrong(format!("there is no type `{}`", node.instance_type)))?;
    let pool = match &node.node_pool {
        Some(name) => world.pools.iter().find(|pool| pool.name == *name),
        None => None,
    }
    .ok_or_else(|| wrong(format!("there is no pool `{:?}`", node.node_pool)))?;
    let pods: Vec<&Pod> = node.pods.iter().filter_map(|name| world.pods.get(name)).collect();
    let mut found = Vec::new();
    if pods.is_empty() || node.zones.is_empty() {
        found.push("it has no pods, or no zone".to_owned());
    }
    if let Some(why) = price_problem(machine, pool, &pods, node) {
        found.push(why);
    }
    if let Some(least) = pool.least_types
        && node.candidates < least
    {
        found.push(format!("{} types are left, minValues is {least}", node.candidates));
    }
    for zone in &node.zones {
        let labels = CaseWorld::labels(&node.instance_type, machine, zone, pool);
        let running: Vec<&Pod> = world
            .daemons
            .iter()
            .filter(|one| one.accepts(&labels) && one.tolerates(pool.taint.as_ref()))
            .collect();
        for pod in &pods {
            if !pod.accepts(&labels) || !pod.tolerates(pool.taint.as_ref()) {
                found.push(format!("`{}` may not run there ({zone})", pod.name));
            }
        }
        let all = || pods.iter().chain(&running);
        let cpu: i64 = all().map(|pod| pod.cpu).sum();
        let memory: i64 = all().map(|pod| pod.memory).sum();
        let count = i64::try_from(all().count()).unwrap_or(i64::MAX);
        if cpu > machine.cpu || memory > machine.memory || count > machine.pods {
            found.push(format!(
                "`{}` does not hold {cpu}m, {memory} bytes, {count} pods",
                node.instance_type
            ));
        }
        let mut ports = BTreeSet::new();
        if !all().flat_map(|pod| &pod.host_ports).all(|port| ports.insert(port)) {
            found.push("a host port is taken twice".to_owned());
        }
    }
    if found.is_empty() { Ok((&pool.name, machine)) } else { Err(found) }
}

/// The price is the least that the table asks for the type, bought as the pool allows, in a zone
/// where all its pods may be.
fn price_problem(
    machine: &Machine,
    pool: &Pool,
    pods: &[&Pod],
    node: &AnsweredNode,
) -> Option<String> {
    let allowed = |capacity: &str, zone: &str| {
        pool.capacity_types.iter().any(|one| one == capacity)
            && node.zones.iter().any(|one| one == zone)
            && pods.iter().all(|pod| pod.accepts_zone(zone))
    };
    let least = machine
        .offers
        .iter()
        .filter(|(capacity, zone, _)| allowed(capacity, zone))
        .map(|(_, _, price)| *price)
        .min();
    let said = crate::records::in_hundred_thousandths(node.usd_per_hour);
    (least != Some(said)).then(|| format!("its price is {said}, the table says {least:?}"))
}
