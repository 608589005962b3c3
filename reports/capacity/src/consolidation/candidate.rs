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
        let mut nodes = vec![0; self.pools.len()];
        for host in self.there().filter(|host| self.cluster.hosts[*host].node.is_initialized) {
            if let Some(pool) = self.facts[host].pool {
                nodes[pool] += 1;
            }
        }
        let of_pool = |(pool, count): (&NodePool, usize)| {
            (pool.name.clone(), allowed(&pool.disruption.budgets, reason, count))
        };
        self.pools.iter().zip(nodes).map(of_pool).collect()
    }

    /// Notes what the pods on a node mean for its disruption.
    pub(super) fn weigh(&mut self, host: usize) {
        let pods = self.cluster.hosts[host].pods.iter();
        let cost =
            pods.clone().map(|pod| self.eviction_cost[*pod].max(0)).fold(UNIT, i64::saturating_add);
        let is_guarded = pods.into_iter().any(|pod| self.pod_guard[*pod].is_some());
        self.facts[host].disruption_cost = cost;
        self.facts[host].is_guarded = is_guarded;
        let after = self.pool_of(host).and_then(|pool| pool.disruption.consolidate_after);
        if after.is_some_and(|seconds| self.is_too_early(seconds)) {
            self.cluster.let_rest(host);
        }
        self.facts[host].is_excluded = self.exclusion(host).is_some();
    }

    /// Whether nodes have been left alone for less than that.
    fn is_too_early(&self, seconds: i64) -> bool {
        self.options.quiet_seconds.is_some_and(|quiet| quiet < seconds)
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
        self.facts[host].pool.map(|pool| &self.pools[pool])
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
        if self.is_empty(host) {
            return match after {
                None => Some(WhyNot::Disabled),
                Some(seconds) if self.is_too_early(seconds) => Some(WhyNot::TooEarly { seconds }),
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
            Some(seconds) if self.is_too_early(seconds) => Some(WhyNot::TooEarly { seconds }),
            Some(_) => None,
        }
    }

    /// Nodes that may go, empty ones or others, by price over disruption, descending, then by name.
    pub(super) fn candidates(&self, empty: bool) -> Vec<usize> {
        let ranked = self.ranking.iter().copied();
        ranked
            .filter(|host| !self.facts[*host].is_excluded && self.is_empty(*host) == empty)
            .collect()
    }

    /// Keeps the ranking of nodes true after some of them changed, appeared or went.
    pub(super) fn rank(&mut self, changed: &[usize]) {
        let mut ranking = std::mem::take(&mut self.ranking);
        ranking.retain(|host| {
            !self.cluster.hosts[*host].is_gone && changed.binary_search(host).is_err()
        });
        if changed.len() * 8 > ranking.len() {
            ranking.extend(changed);
            ranking.sort_by(|left, right| self.compare(*left, *right));
        } else {
            for host in changed {
                let at = ranking.partition_point(|one| self.compare(*one, *host).is_lt());
                ranking.insert(at, *host);
            }
        }
        self.ranking = ranking;
    }

    fn compare(&self, left: usize, right: usize) -> Ordering {
        let worth = |host: usize| (self.facts[host].price_or_zero(), self.disruption_cost(host));
        let name = |host: usize| &self.cluster.hosts[host].node.name;
        by_ratio(worth(left), worth(right)).then_with(|| name(left).cmp(name(right)))
    }
}

/// The larger quotient first.
fn by_ratio((left, left_cost): (i64, i64), (right, right_cost): (i64, i64)) -> Ordering {
    let left_scaled = i128::from(left) * i128::from(right_cost);
    (i128::from(right) * i128::from(left_cost)).cmp(&left_scaled)
}
