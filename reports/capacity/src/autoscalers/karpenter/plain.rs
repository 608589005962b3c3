//! Consolidation of a plain pool, by sizes and prices alone.
//!
//! The methods are those of [`crate::consolidation`], which says why; here a trial is a walk over rooms
//! and a claim is the cheapest machine that holds what is left, so that a day of looks takes no longer
//! than a blink. That both decide the same is tested on random clusters.

use super::disruption::Command;
use super::planner::{Plain, price_of};
use super::view::{View, by_size, place};
use crate::autoscalers::cluster::NodeId;
use crate::autoscalers::machine::{Machine, Room};
use crate::autoscalers::world::World;
use crate::manifest::BudgetReason;

/// How many nodes are considered together.
const MOST_TOGETHER: usize = 100;

/// By price over disruption, descending, then by age: a node counts one, each of its pods one.
pub(super) fn order(world: &World<'_>, mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    let figures = |node: NodeId| {
        let one = &world.cluster.nodes[node];
        let disruption = i128::try_from(one.pods.len() + 1).unwrap_or(i128::MAX);
        (i128::from(price_of(&one.machine)), disruption)
    };
    nodes.sort_by(|left, right| {
        let ((price, cost), (other_price, other_cost)) = (figures(*left), figures(*right));
        (other_price * cost).cmp(&(price * other_cost)).then_with(|| left.cmp(right))
    });
    nodes
}

/// Several nodes at once, of those that the budget leaves together; else one of all.
pub(super) fn command(
    pool: &Plain,
    world: &World<'_>,
    together: &[NodeId],
    all: &[NodeId],
) -> Option<Command> {
    let view = View::of(world);
    merge(pool, world, &view, together)
        .or_else(|| all.iter().find_map(|node| decide(pool, world, &view, &[*node])))
}

/// The longest beginning of the list that a search by halves finds.
fn merge(pool: &Plain, world: &World<'_>, view: &View, nodes: &[NodeId]) -> Option<Command> {
    if nodes.len() < 2 {
        return None;
    }
    let mut best = None;
    let (mut least, mut most) = (1, nodes.len().min(MOST_TOGETHER + 1) - 1);
    while least <= most {
        let middle = usize::midpoint(least, most);
        match decide(pool, world, view, &nodes[..=middle]) {
            Some(command) => {
                best = Some(command);
                least = middle + 1;
            }
            None => most = middle - 1,
        }
    }
    best
}

/// What may be done with these nodes.
fn decide(pool: &Plain, world: &World<'_>, view: &View, nodes: &[NodeId]) -> Option<Command> {
    let command = |replacement, asked, below| Command {
        reason: BudgetReason::Underutilized,
        nodes: nodes.to_vec(),
        replacement,
        asked,
        below,
    };
    let Some((asked, pods)) = left_over(pool, world, view, nodes)? else {
        return Some(command(None, Room::default(), 0));
    };
    let machines = || nodes.iter().map(|node| &world.cluster.nodes[*node].machine);
    let mut below: i64 = machines().map(price_of).sum();
    if nodes.len() > 1 {
        // Not a type among them, or a dearer one: that would be to remove the others.
        let is_listed = |one: &&Machine| {
            pool.below(asked, below).any(|other| other.instance_type == one.instance_type)
        };
        below = machines().filter(is_listed).map(price_of).min().unwrap_or(below);
    }
    let machine = pool.below(asked, below).next()?;
    Some(command(Some(pool.claim(machine, pods)), asked, below))
}

/// What one new node has to hold, with the number of pods.
type Needed = Option<(Room, usize)>;

/// What is needed when these nodes go: nothing, or one node. None when pods would count on a node that
/// is not ready.
fn left_over(pool: &Plain, world: &World<'_>, view: &View, nodes: &[NodeId]) -> Option<Needed> {
    let cluster = &world.cluster;
    let pods = nodes.iter().flat_map(|node| &cluster.nodes[*node].pods);
    let sizes = by_size(pods.map(|pod| cluster.asked[*pod]));
    let left = place(&sizes, &mut view.ready.clone(), nodes);
    let unready = place(&left, &mut view.coming.clone(), &[]);
    if unready.len() < left.len() {
        return None;
    }
    // Pods that wait and have no claim yet need a new node as well; those that nothing holds wait on.
    let waiting = view.waiting.iter().filter(|size| pool.cheapest(**size).is_some());
    let all: Vec<Room> = left.iter().chain(waiting).copied().collect();
    let sum = all.iter().fold(Room::default(), |sum, one| sum.and(*one));
    Some((!all.is_empty()).then_some((sum, all.len())))
}

/// Whether a decision about nodes that are not empty holds: again no new node, or one, and all the
/// machines it might have been hold what there is to hold now.
pub(super) fn still_holds(pool: &Plain, world: &World<'_>, command: &Command) -> bool {
    let view = View::of(world);
    let Some(needed) = left_over(pool, world, &view, &command.nodes) else { return false };
    match (&command.replacement, needed) {
        (None, None) => true,
        (Some(_), Some((asked, _))) => {
            let mut machines = pool.below(command.asked, command.below);
            machines.all(|machine| machine.free().holds(asked))
        }
        _ => false,
    }
}
