//! The three methods, in the order in which Karpenter tries them.

use std::collections::BTreeMap;

use super::balanced::PoolTotals;
use super::outcome::Method;
use super::why_not::WhyNot;
use super::world::World;
use crate::karpenter::cluster::{Cluster, Target, Trial};
use crate::karpenter::replacement::{Launch, Launched};
use crate::launch::CapacityType;
use crate::manifest::BudgetReason;

/// How many cheaper spot types a spot node's replacement by spot must leave open.
pub(super) const LEAST_SPOT_TYPES: usize = 15;
/// How many nodes are considered together.
const MOST_TOGETHER: usize = 100;

/// What may be done with some nodes.
#[derive(Debug)]
pub(super) struct Decision {
    launched: Option<Launched>,
    moves: Vec<(usize, Target)>,
}

/// Whether a refusal is to be put in words: that takes longer than to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Briefly,
    InWords,
}

impl World {
    /// Does the first thing that one of the methods finds; false when none finds any.
    pub(super) fn improve(&mut self) -> bool {
        self.remove_empty() || self.merge() || self.replace_one()
    }

    fn remove_empty(&mut self) -> bool {
        let mut budgets = self.budgets(BudgetReason::Empty);
        let mut hosts = self.candidates(true);
        hosts.retain(|host| self.take_of_budget(*host, &mut budgets));
        if hosts.is_empty() {
            return false;
        }
        let pods: Vec<usize> =
            hosts.iter().flat_map(|host| self.cluster.hosts[*host].pods.clone()).collect();
        let before = self.step(Method::Empty, &hosts, &[], pods.iter().copied());
        let launched = if pods.is_empty() {
            self.carry_out(&hosts, &[], &[]);
            Vec::new()
        } else {
            // They count for nothing, but they are there, and Karpenter finds them a place.
            let waiting = std::mem::take(&mut self.waiting);
            self.take_and_place(&hosts, &waiting)
        };
        let after = self.step(Method::Empty, &[], &launched, std::iter::empty());
        let saved = before.saved.zip(after.saved).map(|(before, after)| {
            let sum = before.ten_billionths() + after.ten_billionths();
            crate::money::Price::new(sum, crate::money::Unit::Hour)
        });
        self.steps.push(super::Step { launched: after.launched, saved, ..before });
        true
    }

    /// Takes one of what the pool's budget allows.
    fn take_of_budget(&self, host: usize, budgets: &mut BTreeMap<String, usize>) -> bool {
        let pool = self.cluster.hosts[host].node.node_pool.as_deref().unwrap_or_default();
        match budgets.get_mut(pool) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// Several nodes go: the longest beginning of the list that a search by halves finds.
    fn merge(&mut self) -> bool {
        let mut budgets = self.budgets(BudgetReason::Underutilized);
        let mut hosts = self.candidates(false);
        hosts.retain(|host| self.take_of_budget(*host, &mut budgets));
        if hosts.len() < 2 {
            return false;
        }
        let totals = self.totals();
        let mut best: Option<(usize, Decision)> = None;
        let (mut least, mut most) = (1, hosts.len().min(MOST_TOGETHER + 1) - 1);
        while least <= most {
            let middle = usize::midpoint(least, most);
            let together = &hosts[..=middle];
            let decided = self.decide(together, Ask::Briefly);
            match decided {
                Ok(decision) if self.is_approved(together, &decision, &totals) => {
                    best = Some((middle, decision));
                    least = middle + 1;
                }
                _ => most = middle - 1,
            }
        }
        let Some((last, decision)) = best else { return false };
        self.do_it(Method::MultiNode, &hosts[..=last], decision);
        true
    }

    fn replace_one(&mut self) -> bool {
        let budgets = self.budgets(BudgetReason::Underutilized);
        let totals = self.totals();
        for host in self.interleaved(self.candidates(false)) {
            let decided = self.decide_one(host, &budgets, &totals, Ask::Briefly);
            if let Ok(decision) = decided {
                self.do_it(Method::SingleNode, &[host], decision);
                return true;
            }
        }
        false
    }

    /// One of each pool in turn, pools by name.
    fn interleaved(&self, hosts: Vec<usize>) -> Vec<usize> {
        let mut of_pools: BTreeMap<&str, usize> = BTreeMap::new();
        let mut turns: Vec<(usize, &str, usize)> = Vec::with_capacity(hosts.len());
        for host in hosts {
            let pool = self.cluster.hosts[host].node.node_pool.as_deref().unwrap_or_default();
            let turn = of_pools.entry(pool).or_default();
            turns.push((*turn, pool, host));
            *turn += 1;
        }
        turns.sort_by_key(|(turn, pool, _)| (*turn, *pool));
        turns.into_iter().map(|(_, _, host)| host).collect()
    }

    pub(super) fn decide_one(
        &mut self,
        host: usize,
        budgets: &BTreeMap<String, usize>,
        totals: &PoolTotals,
        ask: Ask,
    ) -> Result<Decision, WhyNot> {
        let pool = self.cluster.hosts[host].node.node_pool.clone().unwrap_or_default();
        if budgets.get(&pool).copied().unwrap_or(0) == 0 {
            return Err(WhyNot::Budget { pool });
        }
        if !self.can_be_worth_it(host, totals) {
            return Err(WhyNot::NotWorthIt);
        }
        let decision = self.decide(&[host], ask)?;
        if self.is_approved(&[host], &decision, totals) {
            Ok(decision)
        } else {
            Err(WhyNot::NotWorthIt)
        }
    }

    fn is_approved(&self, hosts: &[usize], decision: &Decision, totals: &PoolTotals) -> bool {
        let before: i64 = hosts.iter().map(|host| self.facts[*host].price_or_zero()).sum();
        let after = decision.launched.as_ref().and_then(|one| one.price).unwrap_or(0);
        self.is_worth_it(hosts, before - after, totals)
    }

    fn do_it(&mut self, method: Method, hosts: &[usize], decision: Decision) {
        let launched: Vec<Launched> = decision.launched.into_iter().collect();
        let evicted: Vec<usize> =
            hosts.iter().flat_map(|host| self.cluster.hosts[*host].pods.clone()).collect();
        let step = self.step(method, hosts, &launched, evicted.into_iter());
        self.carry_out(hosts, &launched, &decision.moves);
        let placed =
            |pod: &usize| decision.moves.binary_search_by_key(pod, |(moved, _)| *moved).is_ok();
        self.waiting.retain(|pod| !placed(pod));
        self.steps.push(step);
    }

    /// What may be done with these nodes, or why nothing may.
    fn decide(&mut self, hosts: &[usize], ask: Ask) -> Result<Decision, WhyNot> {
        if ask == Ask::Briefly {
            self.may_pay(hosts)?;
        }
        let waiting = self.waiting.clone();
        let trial = self.cluster.try_without(hosts, &waiting, 1);
        let decided = self.judge(hosts, &trial, ask);
        self.cluster.end(&trial);
        decided
    }

    /// Whether one node could hold the pods that no other has room for, and be cheaper. What is refused
    /// here a trial would refuse; it would only take longer.
    fn may_pay(&mut self, hosts: &[usize]) -> Result<(), WhyNot> {
        let mut stuck = Vec::new();
        for host in hosts {
            self.cluster.stuck(*host, &mut stuck);
        }
        if stuck.iter().all(|amount| *amount == 0) {
            return Ok(());
        }
        let price: i64 = hosts.iter().map(|host| self.facts[*host].price_or_zero()).sum();
        let known = match hosts {
            [host] => Some(&mut self.facts[*host].stuck),
            _ => None,
        };
        let least = match known {
            Some((known, least)) if *known == stuck => *least,
            Some(known) => {
                let least = self.cluster.least_price(&stuck);
                *known = (stuck, least);
                least
            }
            None => self.cluster.least_price(&stuck),
        };
        match least {
            None => Err(WhyNot::MoreThanOneNode),
            Some(least) if least >= price => Err(WhyNot::NoneCheaper),
            Some(_) => Ok(()),
        }
    }

    fn judge(&mut self, hosts: &[usize], trial: &Trial, ask: Ask) -> Result<Decision, WhyNot> {
        if trial.claims > 1 {
            return Err(WhyNot::MoreThanOneNode);
        }
        // A pod that waited before may wait on.
        let lost = trial.unplaced.iter().find(|(pod, _)| self.waiting.binary_search(pod).is_err());
        if let Some((pod, shape)) = lost.copied() {
            return Err(match ask {
                Ask::Briefly => WhyNot::NotAsked,
                Ask::InWords => WhyNot::NoPlace {
                    pod: self.cluster.pods[pod].to_string(),
                    reason: self.cluster.reason(shape),
                },
            });
        }
        if let Some((host, pod)) = self.cluster.unready_target() {
            return Err(WhyNot::UnreadyTarget {
                pod: self.cluster.pods[pod].to_string(),
                node: self.cluster.hosts[host].node.name.clone(),
            });
        }
        let moves = self.cluster.moves();
        if trial.claims == 0 {
            return Ok(Decision { launched: None, moves });
        }
        let mut launch = self.cluster.launch_of(0).ok_or(WhyNot::MinValues)?;
        self.keep_cheaper(hosts, &mut launch)?;
        let name = self.next_name(0);
        let launched = self.cluster.launched(&launch, name).ok_or(WhyNot::NoneCheaper)?;
        Ok(Decision { launched: Some(launched), moves })
    }

    /// Keeps what is strictly cheaper than all these nodes together.
    fn keep_cheaper(&mut self, hosts: &[usize], launch: &mut Launch) -> Result<(), WhyNot> {
        let price: i64 = hosts.iter().map(|host| self.facts[*host].price_or_zero()).sum();
        let spot = CapacityType::Spot.label();
        let all_spot = hosts.iter().all(|host| self.facts[*host].capacity_type == spot);
        let may_be_spot = self.cluster.allows(launch, CapacityType::Spot);
        if all_spot && may_be_spot {
            self.keep_cheaper_spot(hosts.len(), price, launch)?;
        } else {
            self.keep_below(launch, price)?;
            // It is compared as spot; on-demand might be dearer than what goes.
            if may_be_spot && self.cluster.allows(launch, CapacityType::OnDemand) {
                self.cluster.only_spot(launch);
            }
        }
        if hosts.len() > 1 { self.leave_out_the_same(hosts, launch) } else { Ok(()) }
    }

    fn keep_cheaper_spot(
        &mut self,
        hosts: usize,
        price: i64,
        launch: &mut Launch,
    ) -> Result<(), WhyNot> {
        if !self.options.spot_to_spot {
            return Err(WhyNot::SpotToSpot);
        }
        self.cluster.only_spot(launch);
        self.keep_below(launch, price)?;
        if hosts == 1 {
            let cheaper = self.cluster.types_left(launch);
            if cheaper < LEAST_SPOT_TYPES {
                return Err(WhyNot::TooFewSpotTypes { cheaper });
            }
            let kept = self.cluster.least_types(launch, LEAST_SPOT_TYPES);
            self.cluster.keep_cheapest(launch, kept);
        }
        Ok(())
    }

    fn keep_below(&mut self, launch: &mut Launch, price: i64) -> Result<(), WhyNot> {
        self.cluster.keep_below(launch, price);
        if self.cluster.types_left(launch) == 0 {
            return Err(WhyNot::NoneCheaper);
        }
        if self.cluster.lacks_values(launch) {
            return Err(WhyNot::MinValues);
        }
        Ok(())
    }

    /// Several nodes are not replaced by one of a type among them, or a dearer one: that would be to
    /// remove the others.
    fn leave_out_the_same(&mut self, hosts: &[usize], launch: &mut Launch) -> Result<(), WhyNot> {
        let same = hosts
            .iter()
            .map(|host| &self.facts[*host])
            .filter(|facts| facts.type_number.is_some_and(|one| Cluster::lists(launch, one)))
            .map(super::world::Facts::price_or_zero)
            .min();
        same.map_or(Ok(()), |price| self.keep_below(launch, price))
    }
}
