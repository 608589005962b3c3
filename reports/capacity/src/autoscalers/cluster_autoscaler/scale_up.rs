//! Adding nodes: who needs help, how many nodes of each group that takes, which group grows.

use std::collections::{BTreeMap, BTreeSet};

use super::expander::{self, Choice};
use super::{ClusterAutoscaler, room_for_pods};
use crate::autoscalers::cluster::{Origin, PodId};
use crate::autoscalers::machine::Room;
use crate::autoscalers::world::World;

/// Pending pods that find no room on nodes that are there or on their way. Nodes are tried in their
/// order, pods in theirs; what did not fit once is not tried again with another pod alike.
pub(super) fn not_helped(world: &World<'_>) -> Vec<PodId> {
    let cluster = &world.cluster;
    if cluster.pending.is_empty() {
        return Vec::new();
    }
    let mut room = room_for_pods(world);
    let mut hopeless: BTreeSet<Room> = BTreeSet::new();
    let mut waiting = Vec::new();
    for pod in cluster.pending.values() {
        let asked = cluster.asked[*pod];
        if hopeless.contains(&asked) {
            waiting.push(*pod);
            continue;
        }
        if let Some(free) = room.values_mut().find(|free| free.holds(asked)) {
            *free = free.less(asked);
        } else {
            hopeless.insert(asked);
            waiting.push(*pod);
        }
    }
    waiting
}

/// Pods that are alike: one owner, one size. Pods on their own are alike with nobody.
struct Alike {
    asked: Room,
    pods: usize,
}

fn alike(world: &World<'_>, waiting: &[PodId]) -> Vec<Alike> {
    let mut known: BTreeMap<(&str, Room), usize> = BTreeMap::new();
    let mut all: Vec<Alike> = Vec::new();
    for pod in waiting {
        let asked = world.cluster.asked[*pod];
        let owner = world.cluster.trace.pods[*pod].owner.as_str();
        if !owner.is_empty()
            && let Some(index) = known.get(&(owner, asked))
        {
            all[*index].pods += 1;
            continue;
        }
        known.insert((owner, asked), all.len());
        all.push(Alike { asked, pods: 1 });
    }
    all
}

/// New nodes of a group while pods are put on them.
struct Estimate {
    template: Room,
    most: usize,
    nodes: Vec<Room>,
    asked: Room,
}

impl Estimate {
    fn put(&mut self, node: usize, asked: Room) {
        self.nodes[node] = self.nodes[node].less(asked);
        self.asked = self.asked.and(asked);
    }

    /// Puts pods that are alike: while one fits on any new node, there; after that only the newest
    /// node is tried, and a newer one made.
    fn place(&mut self, alike: &Alike) {
        let mut left = alike.pods;
        while left > 0
            && let Some(node) = self.nodes.iter().position(|free| free.holds(alike.asked))
        {
            self.put(node, alike.asked);
            left -= 1;
        }
        while left > 0 {
            let newest_holds = self.nodes.last().is_some_and(|free| free.holds(alike.asked));
            if !newest_holds {
                if self.nodes.len() >= self.most {
                    return;
                }
                self.nodes.push(self.template);
            }
            self.put(self.nodes.len() - 1, alike.asked);
            left -= 1;
        }
    }
}

impl ClusterAutoscaler<'_> {
    /// Grows a group for these pods; whether one grew.
    pub(super) fn scale_up(&mut self, world: &mut World<'_>, waiting: &[PodId]) -> bool {
        let groups = alike(world, waiting);
        let choices: Vec<Choice> = (0..self.groups.len())
            .filter_map(|group| self.estimate(world, group, &groups))
            .collect();
        let settings = self.settings;
        let Some(chosen) = expander::choose(
            settings.expander,
            &choices,
            self.groups,
            &settings.priorities,
            &mut self.random,
        ) else {
            return false;
        };
        let group = &self.groups[chosen.group];
        let before = self.size(world, chosen.group);
        let what = format!("{}: desired {before} to {}", group.name, before + chosen.nodes);
        for _ in 0..chosen.nodes {
            let origin = Origin { seen: world.now, decided: world.now, what: what.clone() };
            world.launch(group.machine.clone(), &group.name, origin);
            self.group_of.push(chosen.group);
        }
        true
    }

    /// What a group would need.
    fn estimate(&self, world: &World<'_>, group: usize, all: &[Alike]) -> Option<Choice> {
        let one = &self.groups[group];
        let room = one.most.saturating_sub(self.size(world, group));
        if room == 0 {
            return None;
        }
        let template = one.machine.free();
        let mut fitting: Vec<&Alike> =
            all.iter().filter(|alike| template.holds(alike.asked)).collect();
        let score = |alike: &Alike| size(alike.asked, one.machine.allocatable);
        fitting.sort_by(|left, right| score(right).total_cmp(&score(left)));
        let most = room.min(self.settings.most_new_nodes);
        let mut estimate = Estimate { template, most, nodes: Vec::new(), asked: Room::default() };
        for alike in fitting {
            estimate.place(alike);
        }
        let nodes = estimate.nodes.len();
        (nodes > 0).then_some(Choice { group, nodes, asked: estimate.asked })
    }
}

/// How large a pod is for a node: its shares of CPU and memory, added.
#[expect(
    clippy::cast_precision_loss,
    reason = "the estimator itself sorts by floating point numbers; the order only"
)]
fn size(asked: Room, of: Room) -> f64 {
    let share = |asked: i64, of: i64| if of > 0 { asked as f64 / of as f64 } else { 0.0 };
    share(asked.cpu, of.cpu) + share(asked.memory, of.memory)
}
