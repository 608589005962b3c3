//! What a node leaves to workloads, and how many pods of a kind that holds.
//!
//! The one measure of "full": a node with as many of a pod as it holds is full, whatever the pod asks
//! for; a mix is as full as the sum of such shares. A break-even and how full a side's nodes are can
//! be held against each other only because both are this.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::allocatable::{NodeSettings, allocatable};
use crate::catalogue::InstanceType;
use crate::karpenter::PackedNode;
use crate::launch::extended_resources;
use crate::pod::{Pod, PodTemplate};
use crate::pod_resources::Resources;

use super::break_even::NodeOverhead;

/// What is left of a node when it runs what every node does.
#[derive(Debug, Clone)]
pub(super) struct Room {
    cpu: i64,
    memory: i64,
    pods: i64,
    extended: BTreeMap<String, i64>,
}

impl Room {
    pub(super) fn of(one: &InstanceType, settings: &NodeSettings, overhead: NodeOverhead) -> Self {
        let offered = allocatable(one, settings);
        Self {
            cpu: offered.cpu.0 - overhead.cpu.0,
            memory: offered.memory.0 - overhead.memory.0,
            pods: i64::from(offered.pods.saturating_sub(overhead.pods)),
            extended: extended_resources(one),
        }
    }

    /// How many pods that ask for this.
    pub(super) fn holds(&self, requests: &Resources) -> i64 {
        let by = |offered: i64, asked: Option<i64>| match asked {
            Some(asked) if asked > 0 => offered.max(0) / asked,
            _ => i64::MAX,
        };
        let extended = requests
            .extended
            .iter()
            .map(|(name, asked)| by(self.extended.get(name).copied().unwrap_or(0), Some(*asked)));
        by(self.cpu, requests.cpu.map(|one| one.0))
            .min(by(self.memory, requests.memory.map(|one| one.0)))
            .min(self.pods)
            .min(extended.min().unwrap_or(i64::MAX))
    }
}

/// Shares are counted in millionths.
const WHOLE: i128 = 1_000_000;

/// How full nodes are together: each counts by what it costs, and by how long it is there.
#[derive(Debug, Default)]
pub(super) struct Fullness {
    held: i128,
    paid: i128,
    lacks_a_price: bool,
}

impl Fullness {
    /// Counts a node with the pods that it has of a question.
    pub(super) fn add(&mut self, node: &PackedNode, room: &Room, pods: &[Pod], seconds: i64) {
        let Some(price) = node.price else {
            self.lacks_a_price = true;
            return;
        };
        let weight = i128::from(price.ten_billionths()) * i128::from(seconds);
        self.paid += weight;
        // Pods that are alike stand together more often than not.
        let mut last: Option<(*const PodTemplate, i128)> = None;
        for pod in node.positions.iter().filter_map(|position| pods.get(*position)) {
            let template = Arc::as_ptr(&pod.template);
            let share = match last {
                Some((known, share)) if known == template => share,
                _ => {
                    let of_it = room.holds(&pod.template.resources.kubernetes_requests());
                    weight * (WHOLE / i128::from(of_it.max(1))) / WHOLE
                }
            };
            last = Some((template, share));
            self.held += share;
        }
    }

    /// In thousandths; above a thousand where pods of different kinds leave each other room.
    pub(super) fn thousandths(&self) -> Option<i64> {
        (self.paid > 0 && !self.lacks_a_price).then(|| {
            i64::try_from((self.held * 1000 + self.paid / 2) / self.paid).unwrap_or(i64::MAX)
        })
    }
}
