//! Which nodes may be disrupted, in which order, and how many at once.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::why_not::WhyNot;
use super::world::World;
use crate::manifest::{Budget, BudgetReason, ConsolidationPolicy, NodePool};
use crate::pod::Pod;

/// The cost of draining a node, and of evicting a pod that nothing is said of: 2²⁷, so that Karpenter's
/// fractions of it are whole numbers.
pub(super) const UNIT: i64 = 1 << 27;

/// What evicting a pod counts: one, its deletion cost over 2²⁷, its priority over 2²⁵, held between
/// −10 and 10, times 2²⁷.
pub(super) fn eviction_cost(pod: &Pod) -> i64 {
    const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let deletion = pod.template.annotations.get(DELETION_COST);
    // Kubernetes takes a whole number only; what is none counts for nothing, as in Karpenter.
    let deletion = deletion.and_then(|text| text.parse::<i32>().ok()).unwrap_or_default();
    let cost = UNIT + i64::from(deletion) + 4 * i64::from(pod.template.priority);
    cost.clamp(-10 * UNIT, 10 * UNIT)
}

/// What forbids to take a pod's node, if something does.
pub(super) fn pod_guard(
    pod: &Pod,
    budgets: &[super::PodDisruptionBudget],
    is_static: bool,
) -> Option<WhyNot> {
    const DISRUPTED: &str = "karpenter.sh/disrupted";
    let annotation = pod.template.annotations.get("karpenter.sh/do-not-disrupt");
    if annotation.is_some_and(|value| value == "true") {
        return Some(WhyNot::PodProtected { pod: pod.to_string() });
    }
    let disrupted = crate::pod::Taint {
        key: DISRUPTED.to_owned(),
        value: String::new(),
        effect: crate::pod::Effect::NoSchedule,
    };
    // Such a pod is never evicted, so no budget is asked.
    if is_static || pod.template.tolerations.iter().any(|one| one.tolerates(&disrupted)) {
        return None;
    }
    let of_it: Vec<_> = budgets.iter().filter(|one| one.chooses(pod)).collect();
    let named = || {
        let names: Vec<String> = of_it.iter().map(|one| format!("`{}`", one.name)).collect();
        WhyNot::PodDisruptionBudget { budget: names.join(" and "), pod: pod.to_string() }
    };
    (of_it.len() > 1 || of_it.iter().any(|one| one.disruptions_allowed <= 0)).then(named)
}

/// How many nodes of a pool may go at once for a reason. A budget on a schedule counts as not in
/// force.
pub(super) fn allowed(budgets: &[Budget], reason: BudgetReason, nodes: usize) -> usize {
    let of_reason = budgets.iter().filter(|budget| {
        !budget.is_scheduled && (budget.reasons.is_empty() || budget.reasons.contains(&reason))
    });
    of_reason.map(|budget| budget.size.of(nodes)).min().unwrap_or(usize::MAX)
}

impl World {
    /// How many nodes of each pool may go for a reason.
    pub(super) fn budgets(&self, reason: BudgetReason) -> BTreeMap<String, usize> {
        let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
        for host in self.there() {
            let node = &self.cluster.hosts[host].node;
            if let (true, Some(pool)) = (node.is_initialized, &node.node_pool) {
                *nodes.entry(pool).or_default() += 1;
            }
        }
        let of_pool = |pool: &NodePool| {
            let count = nodes.get(pool.name.as_str()).copied().unwrap_or(0);
            (pool.name.clone(), allowed(&pool.disruption.budgets, reason, count))
        };
        self.pools.iter().map(of_pool).collect()
    }

    /// Notes what the pods on a node mean for its disruption.
    pub(super) fn weigh(&mut self, host: usize) {
        let pods = self.cluster.hosts[host].pods.iter();
        let cost =
            pods.clone().map(|pod| self.eviction_cost[*pod].max(0)).fold(UNIT, i64::saturating_add);
        let is_guarded = pods.into_iter().any(|pod| self.pod_guard[*pod].is_some());
        self.facts[host].disruption_cost = cost;
        self.facts[host].is_guarded = is_guarded;
    }

    /// What its pods count, with the node itself.
    pub(super) fn disruption_cost(&self, host: usize) -> i64 {
        self.facts[host].disruption_cost
    }

    /// Whether no pod on it counts for anything.
    pub(super) fn is_empty(&self, host: usize) -> bool {
        self.disruption_cost(host) <= UNIT
    }

    pub(super) fn pool_of(&self, host: usize) -> Option<&NodePool> {
        let name = self.cluster.hosts[host].node.node_pool.as_ref()?;
        self.pools.iter().find(|pool| pool.name == *name)
    }

    /// Why a node may not be disrupted at all, if it may not.
    fn barrier(&self, host: usize) -> Option<WhyNot> {
        let node = &self.cluster.hosts[host].node;
        let Some(pool) = &node.node_pool else { return Some(WhyNot::NotManaged) };
        if !node.is_initialized {
            return Some(WhyNot::NotInitialized);
        }
        if self.guards.protected_nodes.contains(&node.name) {
            return Some(WhyNot::NodeProtected);
        }
        if self.pool_of(host).is_none() {
            return Some(WhyNot::UnknownPool { pool: pool.clone() });
        }
        if let Some(guard) = &self.facts[host].guard {
            return Some(guard.clone());
        }
        if !self.facts[host].is_guarded {
            return None;
        }
        self.cluster.hosts[host].pods.iter().find_map(|pod| self.pod_guard[*pod].clone())
    }

    /// Why consolidation does not look at a node, if it does not.
    pub(super) fn exclusion(&self, host: usize) -> Option<WhyNot> {
        if let Some(barrier) = self.barrier(host) {
            return Some(barrier);
        }
        let pool = self.pool_of(host)?;
        if pool.replicas.is_some() {
            return Some(WhyNot::StaticPool);
        }
        let after = pool.disruption.consolidate_after;
        let too_early = |seconds: i64| self.options.quiet_seconds.is_some_and(|one| one < seconds);
        if self.is_empty(host) {
            return match after {
                None => Some(WhyNot::Disabled),
                Some(seconds) if too_early(seconds) => Some(WhyNot::TooEarly { seconds }),
                Some(_) => None,
            };
        }
        if let Some(unknown) = &self.facts[host].unknown {
            return Some(unknown.clone());
        }
        match after {
            None => Some(WhyNot::Disabled),
            Some(_) if pool.disruption.policy == ConsolidationPolicy::WhenEmpty => {
                Some(WhyNot::OnlyWhenEmpty)
            }
            Some(seconds) if too_early(seconds) => Some(WhyNot::TooEarly { seconds }),
            Some(_) => None,
        }
    }

    /// Nodes that may go, empty ones or others, by price over disruption, descending, then by name.
    pub(super) fn candidates(&self, empty: bool) -> Vec<usize> {
        let mut found: Vec<(i64, i64, usize)> = self
            .there()
            .filter(|host| self.is_empty(*host) == empty && self.exclusion(*host).is_none())
            .map(|host| (self.facts[host].price_or_zero(), self.disruption_cost(host), host))
            .collect();
        found.sort_by(|left, right| {
            by_ratio((left.0, left.1), (right.0, right.1)).then_with(|| {
                let name = |host: usize| &self.cluster.hosts[host].node.name;
                name(left.2).cmp(name(right.2))
            })
        });
        found.into_iter().map(|(_, _, host)| host).collect()
    }
}

/// The larger quotient first.
fn by_ratio((left, left_cost): (i64, i64), (right, right_cost): (i64, i64)) -> Ordering {
    let left_scaled = i128::from(left) * i128::from(right_cost);
    (i128::from(right) * i128::from(left_cost)).cmp(&left_scaled)
}
