//! From the question to the answer: steps until nothing is found any more.

use std::collections::BTreeMap;

use super::method::Ask;
use super::outcome::{Consolidation, End, Settled};
use super::question::{Arrivals, ConsolidationInput};
use super::why_not::WhyNot;
use super::world::World;
use crate::karpenter::{self, PackInput, PackOutcome, Unschedulable, pack};
use crate::manifest::BudgetReason;

/// What Karpenter would do with the nodes that are there. Pods that wait take part in every trial, and
/// take a place when a step makes one; that they have none forbids nothing.
pub fn consolidate(input: &ConsolidationInput) -> Consolidation {
    let mut world = World::new(input);
    world.waiting = (world.first_pod..world.cluster.pods.len()).collect();
    let before = world.price();
    let end = rest(&mut world);
    let reasons = reasons(&mut world);
    let nodes = world.nodes(|host| reasons.get(&host).cloned().unwrap_or(WhyNot::NotAsked));
    let mut waiting: Vec<String> =
        world.waiting.iter().map(|pod| world.cluster.pods[*pod].to_string()).collect();
    waiting.sort();
    Consolidation {
        before,
        after: world.price(),
        nodes,
        waiting,
        end,
        not_simulated: not_simulated(input),
        prices: world.cluster.coverage(),
        steps: world.steps,
    }
}

/// What comes of pods that arrive in portions: each is packed onto the nodes that are there by then
/// and new ones, and consolidation comes to rest before the next.
pub fn settled(input: &ConsolidationInput, arrivals: Arrivals) -> Settled {
    let mut cold = pack(&input.pack);
    cold.not_simulated = not_simulated(input);
    let (mut world, portions, end) = arrived(input, arrivals);
    let reasons = reasons(&mut world);
    let nodes = world.nodes(|host| reasons.get(&host).cloned().unwrap_or(WhyNot::NotAsked));
    Settled {
        unschedulable: unschedulable(&mut world),
        price: world.price(),
        nodes,
        cold,
        steps: world.steps,
        portions,
        end,
    }
}

/// The same in the form of a packing, without steps and reasons: what `pack` is for one cold batch,
/// this is for pods that arrive in the default portions, with default guards and options.
pub fn pack_settled(input: &PackInput) -> PackOutcome {
    let question = ConsolidationInput { pack: input.clone(), ..ConsolidationInput::default() };
    let (mut world, ..) = arrived(&question, Arrivals::default_for(input.pods.len()));
    let unschedulable = unschedulable(&mut world);
    super::outcome::packing(
        &world.nodes(|_| WhyNot::NotAsked),
        unschedulable,
        not_simulated(&question),
        world.cluster.coverage(),
    )
}

fn arrived(input: &ConsolidationInput, arrivals: Arrivals) -> (World, usize, End) {
    let mut world = World::new(input);
    let pods: Vec<usize> = (world.first_pod..world.cluster.pods.len()).collect();
    let (mut end, mut portions) = (End::AtRest, 0);
    for portion in pods.chunks(arrivals.pods_at_once.max(1)) {
        portions += 1;
        world.waiting.extend(portion);
        world.provision();
        if rest(&mut world) == End::StepBound {
            end = End::StepBound;
        }
    }
    (world, portions, end)
}

/// Improves until nothing is found any more, or for so many steps.
fn rest(world: &mut World) -> End {
    for _ in 0..world.options.most_steps {
        if !world.improve() {
            return End::AtRest;
        }
    }
    End::StepBound
}

/// Why each node stays.
fn reasons(world: &mut World) -> BTreeMap<usize, WhyNot> {
    let hosts: Vec<usize> = world.there().collect();
    let (empty, other) =
        (world.budgets(BudgetReason::Empty), world.budgets(BudgetReason::Underutilized));
    let totals = world.totals();
    let mut reasons = BTreeMap::new();
    for host in hosts {
        let reason = match world.exclusion(host) {
            Some(excluded) => excluded,
            None if world.is_empty(host) => {
                let pool = world.cluster.hosts[host].node.node_pool.clone().unwrap_or_default();
                match empty.get(&pool) {
                    Some(0) => WhyNot::Budget { pool },
                    _ => WhyNot::NotAsked,
                }
            }
            // It can be improved only if the steps were cut off.
            None => match world.decide_one(host, &other, &totals, Ask::InWords) {
                Err(why) => why,
                Ok(_) => WhyNot::NotAsked,
            },
        };
        reasons.insert(host, reason);
    }
    reasons
}

fn unschedulable(world: &mut World) -> Vec<Unschedulable> {
    let waiting = world.waiting.clone();
    let mut found = world.cluster.why_unplaced(&waiting);
    for one in &mut found {
        one.position -= world.first_pod;
    }
    found.sort();
    found
}

/// What is not simulated of consolidation, besides what is not of packing.
fn not_simulated(input: &ConsolidationInput) -> Vec<String> {
    let mut found = karpenter::not_simulated(&input.pack);
    for pool in &input.pack.node_pools {
        if pool.disruption.budgets.iter().any(|budget| budget.is_scheduled) {
            found.push(format!(
                "disruption budgets on a schedule (NodePool `{}`): taken as not in force",
                pool.name
            ));
        }
    }
    let on_nodes = input.pack.existing.iter().flat_map(|node| node.pods.iter().map(|one| &one.pod));
    let timed = on_nodes.chain(&input.pack.pods).find(|pod| {
        let value = pod.template.annotations.get("karpenter.sh/do-not-disrupt");
        value.is_some_and(|value| value != "true" && value != "false")
    });
    if let Some(pod) = timed {
        found
            .push(format!("`karpenter.sh/do-not-disrupt` for a time (pod `{pod}`): taken as over"));
    }
    found.sort();
    found
}
