//! The policy `Balanced`: a step must save a share of its pool's price that is at least half of its
//! share of the pool's disruption.

use std::collections::BTreeMap;

use super::world::World;
use crate::manifest::ConsolidationPolicy;

/// Karpenter's `BalancedK`.
const FACTOR: i128 = 2;

/// What a pool's nodes cost, and what disrupting all of them would count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    price: i64,
    disruption: i64,
}

/// Totals of the pools.
pub(super) type PoolTotals = BTreeMap<String, Totals>;

impl World {
    pub(super) fn totals(&self) -> PoolTotals {
        let mut totals = PoolTotals::new();
        if self.pools.iter().all(|pool| pool.disruption.policy != ConsolidationPolicy::Balanced) {
            return totals;
        }
        for host in self.there() {
            if let Some(pool) = &self.cluster.hosts[host].node.node_pool {
                let of_pool = totals.entry(pool.clone()).or_default();
                of_pool.price += self.facts[host].price_or_zero();
                of_pool.disruption += self.disruption_cost(host);
            }
        }
        totals
    }

    fn is_balanced(&self, host: usize) -> bool {
        self.pool_of(host)
            .is_some_and(|pool| pool.disruption.policy == ConsolidationPolicy::Balanced)
    }

    /// Whether removing a node for nothing would be worth it; less never is.
    pub(super) fn can_be_worth_it(&self, host: usize, totals: &PoolTotals) -> bool {
        !self.is_balanced(host)
            || self.is_worth_it(&[host], self.facts[host].price_or_zero(), totals)
    }

    /// Whether every `Balanced` pool among the nodes finds the step worth it. What is saved is divided
    /// among pools by what their nodes cost.
    pub(super) fn is_worth_it(&self, hosts: &[usize], saved: i64, totals: &PoolTotals) -> bool {
        let mut of_pools: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        let mut all = 0_i64;
        for host in hosts {
            let price = self.facts[*host].price_or_zero();
            all += price;
            let pool = self.cluster.hosts[*host].node.node_pool.as_deref().unwrap_or_default();
            let of_pool = of_pools.entry(pool).or_default();
            of_pool.0 += price;
            of_pool.1 += self.disruption_cost(*host);
        }
        let is_several = of_pools.len() > 1;
        let balanced = of_pools.iter().filter(|(name, _)| {
            self.pools.iter().any(|pool| {
                pool.name == **name && pool.disruption.policy == ConsolidationPolicy::Balanced
            })
        });
        let approve = |(name, (price, disruption)): (&&str, &(i64, i64))| {
            let Some(of_pool) = totals.get(*name) else { return false };
            let saved = if is_several && all > 0 {
                i128::from(saved) * i128::from(*price) / i128::from(all)
            } else {
                i128::from(saved)
            };
            of_pool.price > 0
                && saved > 0
                && FACTOR * saved * i128::from(of_pool.disruption)
                    >= i128::from(of_pool.price) * i128::from(*disruption)
        };
        balanced.into_iter().all(approve)
    }
}
