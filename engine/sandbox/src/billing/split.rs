//! Split cost allocation: an instance's hour divided over the pods that ran on it.
//!
//! As AWS does it without usage metrics: a vCPU weighs nine times a GB, a pod's part is what it
//! requested for as long as it ran, and what nobody requested is given to the pods in proportion.
//! Parts are of the instance's amortised cost; rounded by largest remainder, so that parts and unused
//! parts of an hour are its cost to the last digit.

use std::collections::BTreeMap;

use runbook_capacity::money::Amount;

use super::lines::{Account, Line, Record};
use super::meter::{Pod, Usage, What};

/// Weight of a vCPU against a GB.
const VCPU_WEIGHT: i64 = 9;

/// What is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Vcpu,
    Memory,
}

/// A pod's part of an instance's hour; money in 10⁻¹⁰ $, quantities in 10⁻¹⁰ of a unit-hour.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) owner: &'a (String, String),
    pub(crate) resource: Resource,
    pub(crate) reserved: i128,
    /// Of the instance's resource in the hour, in 10⁻¹⁰.
    pub(crate) ratio: i128,
    pub(crate) cost: Money,
    pub(crate) unused: Money,
}

/// A part at each of the three prices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) unblended: i128,
    pub(crate) net: i128,
    pub(crate) list: i128,
}

/// Pods by the instance that they ran on.
pub(crate) fn by_instance(account: &Account) -> BTreeMap<&str, Vec<&Usage>> {
    let mut found: BTreeMap<&str, Vec<&Usage>> = BTreeMap::new();
    for usage in &account.usages {
        if let What::Pod { instance, .. } = &usage.what {
            found.entry(instance).or_default().push(usage);
        }
    }
    found
}

/// The parts of a line, if it is an instance's hour with pods in it.
pub(crate) fn parts<'a>(account: &Account, line: &Line, pods: &[&'a Usage]) -> Vec<Part<'a>> {
    let (Record::Usage, Some((vcpus, gib))) = (line.record, line.capacity()) else {
        return Vec::new();
    };
    let until = |usage: &Usage| usage.to.unwrap_or(account.now).min(line.end);
    let running: Vec<(&'a Usage, i64)> = pods
        .iter()
        .map(|usage| (*usage, until(usage) - usage.from.max(line.start)))
        .filter(|(_, seconds)| *seconds > 0)
        .collect();
    let weights =
        [VCPU_WEIGHT.saturating_mul(vcpus), gib].map(|one| u64::try_from(one).unwrap_or(0));
    let whole = Money { unblended: line.unblended, net: line.net, list: line.list };
    let split = whole.split(&weights);
    let mut parts = Vec::new();
    for (resource, money) in [Resource::Vcpu, Resource::Memory].into_iter().zip(split) {
        parts.extend(of_resource(resource, money, (vcpus, gib, line.seconds), &running));
    }
    parts
}

fn of_resource<'a>(
    resource: Resource,
    money: Money,
    (vcpus, gib, seconds): (i64, i64, i64),
    running: &[(&'a Usage, i64)],
) -> Vec<Part<'a>> {
    // In thousandths of a vCPU, or MiB, times seconds.
    let requested = |usage: &Usage| match (&usage.what, resource) {
        (What::Pod { cpu, .. }, Resource::Vcpu) => *cpu,
        (What::Pod { mebibytes, .. }, Resource::Memory) => *mebibytes,
        _ => 0,
    };
    let (scale, capacity) = match resource {
        Resource::Vcpu => (1000, vcpus * 1000 * seconds),
        Resource::Memory => (1024, gib * 1024 * seconds),
    };
    let used: Vec<u64> = running
        .iter()
        .map(|(usage, seconds)| u64::try_from(requested(usage) * seconds).unwrap_or(0))
        .collect();
    let all: u64 = used.iter().sum();
    let capacity = u64::try_from(capacity).unwrap_or(0).max(all).max(1);
    let rest = capacity - all;
    let mut weights = used.clone();
    weights.push(rest);
    let mut costs = money.split(&weights);
    let unused = costs.pop().unwrap_or_default().split(&used);
    let tenth = |value: u64, of: u64| i128::from(value) * 10_000_000_000 / i128::from(of.max(1));
    running
        .iter()
        .zip(used)
        .zip(costs.into_iter().zip(unused))
        .filter_map(|(((usage, _), used), (cost, unused))| {
            let What::Pod { pod, owner, .. } = &usage.what else { return None };
            Some(Part {
                pod,
                owner,
                resource,
                reserved: tenth(used, scale * 3600),
                ratio: tenth(used, capacity),
                cost,
                unused,
            })
        })
        .collect()
}

impl Money {
    fn split(self, weights: &[u64]) -> Vec<Self> {
        let each = |whole: i128| {
            Amount::from_raw(whole).split(weights).into_iter().map(Amount::raw).collect::<Vec<_>>()
        };
        let (unblended, net, list) = (each(self.unblended), each(self.net), each(self.list));
        unblended
            .into_iter()
            .zip(net)
            .zip(list)
            .map(|((unblended, net), list)| Self { unblended, net, list })
            .collect()
    }
}
