//! What a node is: its type, zone and price, and the room it has for pods.

use crate::karpenter::InstanceOption;
use crate::launch::CapacityType;
use crate::money::{Price, Unpriced};
use crate::pod::Pod;
use crate::pod_resources::Resources;

/// CPU in millicores, memory in bytes, and pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Room {
    /// Millicores.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
}

impl Room {
    /// What one pod takes.
    pub(crate) const fn of_pod(cpu: i64, memory: i64) -> Self {
        Self { cpu, memory, pods: 1 }
    }

    /// Whether so much fits into it.
    pub(crate) const fn holds(self, asked: Self) -> bool {
        asked.cpu <= self.cpu && asked.memory <= self.memory && asked.pods <= self.pods
    }

    pub(crate) const fn less(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(other.cpu),
            memory: self.memory.saturating_sub(other.memory),
            pods: self.pods.saturating_sub(other.pods),
        }
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            pods: self.pods.saturating_add(other.pods),
        }
    }
}

/// What daemonsets take of every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overhead(pub Room);

impl Overhead {
    /// One pod of each daemonset, all of them on every node.
    pub fn of(daemonsets: &[Pod]) -> Self {
        Self(daemonsets.iter().fold(Room::default(), |sum, pod| {
            let asked = pod.template.resources.kubernetes_requests();
            sum.and(room(&asked, 1))
        }))
    }
}

fn room(resources: &Resources, pods: i64) -> Room {
    Room {
        cpu: resources.cpu.unwrap_or_default().0,
        memory: resources.memory.unwrap_or_default().0,
        pods,
    }
}

/// A type in a zone, bought one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The type.
    pub instance_type: String,
    /// The zone.
    pub zone: String,
    /// How it is bought.
    pub capacity_type: String,
    /// What the machine has; the least-waste expander counts this.
    pub capacity: Room,
    /// What its node offers to pods, daemonsets among them.
    pub allocatable: Room,
    /// What daemonsets take of that.
    pub overhead: Room,
    /// What it costs per hour.
    pub price: Result<Price, Unpriced>,
}

impl Machine {
    /// A type as it is offered in a zone; none when it is not.
    pub fn offered(
        option: &InstanceOption,
        zone: &str,
        capacity_type: CapacityType,
        overhead: Overhead,
    ) -> Option<Self> {
        let offering = option
            .offerings
            .iter()
            .find(|one| one.zone == zone && one.capacity_type == capacity_type)?;
        let price = offering
            .price
            .ok_or_else(|| Unpriced::because(format!("no price of `{}` in `{zone}`", option.name)));
        Some(Self::new(option, zone, capacity_type.label(), price, overhead))
    }

    pub(crate) fn new(
        option: &InstanceOption,
        zone: &str,
        capacity_type: &str,
        price: Result<Price, Unpriced>,
        overhead: Overhead,
    ) -> Self {
        let pods = i64::from(option.pods);
        Self {
            instance_type: option.name.clone(),
            zone: zone.to_owned(),
            capacity_type: capacity_type.to_owned(),
            capacity: room(&option.capacity, pods),
            allocatable: room(&option.allocatable, pods),
            overhead: overhead.0,
            price,
        }
    }

    /// What is left for pods that no daemonset makes.
    pub(crate) const fn free(&self) -> Room {
        self.allocatable.less(self.overhead)
    }
}
