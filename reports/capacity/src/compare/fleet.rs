//! Nodes of a side for each part of the month: as Karpenter packs one cold batch, and as they settle.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::allocatable::{NodeSettings, allocatable};
use crate::catalogue::{InstanceType, instance_type};
use crate::consolidation::{Arrivals, ConsolidationInput, settled};
use crate::karpenter::{
    ExistingNode, InstanceOption, PackInput, PackOutcome, PackedNode, default_pool, offered_type,
    pack,
};
use crate::launch::{CAPACITY_TYPE, CapacityType};
use crate::manifest::NodePool;
use crate::money::{Amount, Price, Unpriced};
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::Pod;
use crate::pod_resources::Resources;
use crate::prices::{PriceBook, Service};
use crate::region::{Region, zones};

use super::room::{Fullness, Room};
use super::side::{Line, LineKind, NotHeld, Side, SideId};
use super::system::node_overhead;

/// How a side makes nodes.
#[derive(Debug, Clone)]
pub struct Fleet<'a> {
    /// Where.
    pub region: Region,
    /// Prices.
    pub book: &'a PriceBook,
    /// Types it may take.
    pub types: Vec<&'static InstanceType>,
    /// Settings of its nodes.
    pub settings: NodeSettings,
    /// The volume of each node that is billed, in GiB.
    pub volume_gib: i64,
    /// One pod of each daemonset.
    pub daemons: Vec<Pod>,
    /// Nodes that are always there, with what stands on them.
    pub standing: Vec<ExistingNode>,
    /// Pools of the user; without any, one that allows every type.
    pub pools: Vec<NodePool>,
    /// Fewer nodes than this nobody runs.
    pub least_nodes: usize,
    /// Whether pods also arrive in portions, with consolidation to rest after each.
    pub settles: bool,
    /// Whether spot is taken.
    pub spot: bool,
    /// Whether each node costs the fee of Auto Mode.
    pub auto_mode: bool,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// What the types offer and cost, once that is asked; the fields above do not change after it.
    pub offered: OnceCell<Vec<InstanceOption>>,
}

/// A part of the month: its pods, and their nodes, which are enough.
struct Chosen<'p> {
    seconds: i64,
    pods: &'p [Pod],
    cold: PackOutcome,
    settled: Option<PackOutcome>,
}

/// What was asked for and offered, over the seconds of the month.
#[derive(Debug, Default)]
struct Use {
    cpu: (i128, i128),
    memory: (i128, i128),
}

impl Use {
    fn offer(&mut self, offered: &Resources, seconds: i64) {
        self.cpu.1 += i128::from(offered.cpu.unwrap_or_default().0) * i128::from(seconds);
        self.memory.1 += i128::from(offered.memory.unwrap_or_default().0) * i128::from(seconds);
    }

    fn ask(&mut self, pod: &Pod, seconds: i64) {
        let requests = pod.template.resources.kubernetes_requests();
        self.cpu.0 += i128::from(requests.cpu.unwrap_or_default().0) * i128::from(seconds);
        self.memory.0 += i128::from(requests.memory.unwrap_or_default().0) * i128::from(seconds);
    }

    fn thousandths(&self) -> Option<i64> {
        let share = |(asked, offered): (i128, i128)| {
            (offered > 0).then(|| i64::try_from(asked * 1000 / offered).unwrap_or(i64::MAX))
        };
        share(self.cpu).max(share(self.memory))
    }
}

impl Fleet<'_> {
    /// Puts the nodes for these parts of the month on a side's bill: those of one cold batch and those
    /// that settle. The bill is the second's, where there is one; both are kept.
    pub fn bill(&self, parts: &[(i64, Vec<Pod>)], side: &mut Side) {
        let chosen: Vec<Chosen<'_>> =
            parts.iter().map(|(seconds, pods)| self.chosen(*seconds, pods)).collect();
        let before = side.clone();
        self.bill_outcomes(chosen.iter().map(|one| (one, &one.cold)), side);
        let cold = side.packed();
        if self.settles {
            *side = before;
            let settled = chosen.iter().map(|one| (one, one.settled.as_ref().unwrap_or(&one.cold)));
            self.bill_outcomes(settled, side);
            side.settled = Some(side.packed());
        }
        side.cold = Some(cold);
    }

    /// The same with one cold batch only: for nodes that Karpenter does not make.
    pub fn bill_cold(&self, parts: &[(i64, Vec<Pod>)], side: &mut Side) {
        let chosen: Vec<Chosen<'_>> =
            parts.iter().map(|(seconds, pods)| self.chosen(*seconds, pods)).collect();
        self.bill_outcomes(chosen.iter().map(|one| (one, &one.cold)), side);
    }

    fn bill_outcomes<'o>(
        &self,
        outcomes: impl Iterator<Item = (&'o Chosen<'o>, &'o PackOutcome)>,
        side: &mut Side,
    ) {
        let mut used = Use::default();
        let mut full = Fullness::default();
        let overhead = node_overhead(&self.daemons);
        let mut range = (Amount::ZERO, Amount::ZERO);
        let mut refused: BTreeSet<NotHeld> = BTreeSet::new();
        for (chosen, outcome) in outcomes {
            let seconds = chosen.seconds;
            side.peak_nodes = side.peak_nodes.max(outcome.nodes.len() + self.standing.len());
            side.coverage = outcome.prices;
            side.not_simulated.extend(outcome.not_simulated.iter().cloned());
            for node in &outcome.nodes {
                self.bill_node(node, seconds, side);
                if let Some(one) = instance_type(&node.instance_type) {
                    let offered = allocatable(one, &self.settings);
                    used.offer(&Resources::of(offered.cpu, offered.memory), seconds);
                    let room = Room::of(one, &self.settings, overhead);
                    full.add(node, &room, chosen.pods, seconds);
                }
                let (low, high) = self.spot_range(node);
                range.0 += low.map_or(Amount::ZERO, |price| price.amount(1, seconds));
                range.1 += high.map_or(Amount::ZERO, |price| price.amount(1, seconds));
            }
            for node in &self.standing {
                used.offer(&node.allocatable, seconds);
                for on_it in &node.pods {
                    used.ask(&on_it.pod, seconds);
                }
            }
            // A pod without a place uses nothing.
            let without: BTreeSet<usize> =
                outcome.unschedulable.iter().map(|one| one.position).collect();
            let placed = chosen.pods.iter().enumerate().filter(|(at, _)| !without.contains(at));
            placed.for_each(|(_, pod)| used.ask(pod, seconds));
            for one in &outcome.unschedulable {
                let not_held = NotHeld { pod: one.pod.clone(), reason: one.reason.clone() };
                if refused.insert(not_held.clone()) {
                    side.not_held.push(not_held);
                }
            }
        }
        side.utilisation = used.thousandths();
        side.fullness = full.thousandths();
        if self.spot {
            let others = side.total().amount - side.of(&[LineKind::Node]);
            side.range = Some((others + range.0, others + range.1));
        }
    }

    /// Packs one cold batch, and as it settles if that is asked for. Too few nodes are made enough by
    /// leaving larger types out: of all sizes to stop at, the one that comes out cheapest.
    fn chosen<'p>(&self, seconds: i64, pods: &'p [Pod]) -> Chosen<'p> {
        let (whole, settled) = self.packed(self.input(pods, None));
        let is_enough = if self.settles { settled.is_some() } else { self.is_enough(&whole) };
        if is_enough {
            return Chosen { seconds, pods, cold: whole, settled };
        }
        let mut caps: BTreeSet<u32> = self.types.iter().map(|one| one.vcpus).collect();
        if let [one] = whole.nodes.as_slice() {
            // Wherever its type is left, that one node is enough for Karpenter.
            let vcpus = instance_type(&one.instance_type).map_or(u32::MAX, |one| one.vcpus);
            caps.retain(|most| *most < vcpus);
        }
        let tried = caps.into_iter().filter_map(|most| {
            let (cold, settled) = self.packed(self.input(pods, Some(most)));
            let last = match &settled {
                Some(settled) => settled,
                None if self.settles => return None,
                None => &cold,
            };
            let fits = self.is_enough(last)
                && !last.nodes.is_empty()
                && last.unschedulable.len() <= whole.unschedulable.len();
            let price = self.hourly(last)?;
            fits.then_some((price, cold, settled))
        });
        if let Some((_, cold, settled)) = tried.min_by_key(|(price, _, _)| *price) {
            return Chosen { seconds, pods, cold, settled };
        }
        // The one node and as many more of the same.
        let settled = self.settles.then(|| self.with_least_nodes(whole.clone()));
        Chosen { seconds, pods, cold: self.with_least_nodes(whole), settled }
    }

    /// The nodes of one cold batch; and where these are enough, those that are left when pods arrive in
    /// portions, if these still are.
    fn packed(&self, input: PackInput) -> (PackOutcome, Option<PackOutcome>) {
        if !self.settles {
            return (pack(&input), None);
        }
        if !self.are_many(&input) {
            let cold = pack(&input);
            if !self.is_enough(&cold) {
                return (cold, None);
            }
        }
        let arrivals = Arrivals::default_for(input.pods.len());
        let question = ConsolidationInput { pack: input, ..ConsolidationInput::default() };
        let settled = settled(&question, arrivals);
        let outcome = Some(settled.outcome()).filter(|outcome| self.is_enough(outcome));
        (settled.cold, outcome)
    }

    /// Whether the pods are more than fewer nodes than enough could hold, whatever their type.
    fn are_many(&self, input: &PackInput) -> bool {
        let asked: i128 = input
            .pods
            .iter()
            .map(|pod| pod.template.resources.kubernetes_requests())
            .map(|requests| i128::from(requests.cpu.unwrap_or_default().0))
            .sum();
        let offered =
            input.instance_types.iter().map(|one| one.allocatable.cpu.unwrap_or_default().0);
        let largest = i128::from(offered.max().unwrap_or(0));
        let few = i128::try_from(self.least_nodes.saturating_sub(1)).unwrap_or(i128::MAX);
        asked > largest.saturating_mul(few)
    }

    fn is_enough(&self, outcome: &PackOutcome) -> bool {
        outcome.nodes.len() + self.standing.len() >= self.least_nodes || outcome.nodes.is_empty()
    }

    /// Where no smaller types can make enough nodes: more of the first stand beside it, empty.
    fn with_least_nodes(&self, mut outcome: PackOutcome) -> PackOutcome {
        while !self.is_enough(&outcome) {
            let Some(first) = outcome.nodes.first().cloned() else { break };
            outcome.nodes.push(PackedNode { pods: Vec::new(), positions: Vec::new(), ..first });
        }
        outcome
    }

    /// What these nodes cost for an hour, with fee and volumes.
    fn hourly(&self, outcome: &PackOutcome) -> Option<Amount> {
        let mut side = Side::new(SideId::Nodeless);
        for node in &outcome.nodes {
            self.bill_node(node, 3600, &mut side);
        }
        side.complete()
    }

    fn input(&self, pods: &[Pod], most_vcpus: Option<u32>) -> PackInput {
        PackInput {
            pods: pods.to_vec(),
            node_pools: self.node_pools(),
            daemonsets: self.daemons.clone(),
            instance_types: self.offered(most_vcpus),
            existing: self.standing.clone(),
            namespaces: self.namespaces.clone(),
            ..PackInput::default()
        }
    }

    /// What the types offer, up to a size.
    fn offered(&self, most_vcpus: Option<u32>) -> Vec<InstanceOption> {
        let all = self.offered.get_or_init(|| {
            let open: Vec<String> =
                zones(self.region).iter().map(|zone| (*zone).to_owned()).collect();
            let of = |one: &&InstanceType| {
                offered_type(one, self.region, &open, &self.settings, self.book)
            };
            self.types.iter().filter_map(of).collect()
        });
        let most = most_vcpus.map(|most| i64::from(most) * 1000);
        let is_small = |one: &&InstanceOption| {
            most.is_none_or(|most| one.capacity.cpu.unwrap_or_default().0 <= most)
        };
        all.iter().filter(is_small).cloned().collect()
    }

    /// The user's pools, or one that allows everything; of either, on-demand only or spot too.
    fn node_pools(&self) -> Vec<NodePool> {
        let (spot, on_demand) = (CapacityType::Spot.label(), CapacityType::OnDemand.label());
        let values: &[&str] = if self.spot { &[spot, on_demand] } else { &[on_demand] };
        let bought = NodeRequirement::new(CAPACITY_TYPE, Operator::In, values);
        if self.pools.is_empty() {
            return vec![NodePool { requirements: vec![bought], ..default_pool() }];
        }
        let mut pools = self.pools.clone();
        for pool in &mut pools {
            pool.requirements.push(bought.clone());
        }
        pools
    }

    fn bill_node(&self, node: &PackedNode, seconds: i64, side: &mut Side) {
        let name = &node.instance_type;
        let region = self.region.name();
        let missing = || {
            let why = node
                .reason
                .clone()
                .unwrap_or_else(|| format!("no price of `{name}` in `{region}`"));
            Unpriced::because(why)
        };
        let is_spot = node.capacity_type == CapacityType::Spot.label();
        side.add(Line {
            kind: LineKind::Node,
            what: if is_spot { format!("{name}, spot") } else { name.clone() },
            instance_type: (!is_spot).then(|| name.clone()),
            count: 1,
            seconds,
            price: node.price.ok_or_else(missing),
        });
        if self.auto_mode {
            let price = self.book.auto_mode_fee(region, name).map(|quote| quote.price);
            let what = format!("Auto Mode's fee for {name}");
            let kind = LineKind::AutoModeFee;
            side.add(Line { kind, what, instance_type: None, count: 1, seconds, price });
        }
        side.add(self.volume(LineKind::Volume, seconds));
    }

    /// The root volume of a node.
    pub fn volume(&self, kind: LineKind, seconds: i64) -> Line {
        let price = self.book.service(self.region.name(), Service::EbsGp3);
        Line {
            kind,
            what: format!("gp3 volume of {} GiB", self.volume_gib),
            instance_type: None,
            count: 1,
            seconds,
            price: price.map(|quote| quote.price.times(self.volume_gib)),
        }
    }

    /// Of a spot node: what its type costs in the cheapest zone, and the fifteenth cheapest type or
    /// its own dearest zone, whichever is more.
    fn spot_range(&self, node: &PackedNode) -> (Option<Price>, Option<Price>) {
        if node.capacity_type != CapacityType::Spot.label() {
            return (node.price, node.price);
        }
        let seen = self.book.spot(self.region.name(), &node.instance_type).ok();
        let low = seen.as_ref().map(|quote| quote.low).or(node.price);
        let dearest = seen.as_ref().map(|quote| quote.high).or(node.price);
        let more = |one: Price, other: Price| {
            if one.ten_billionths() >= other.ten_billionths() { one } else { other }
        };
        let high = match (node.price_at_most, dearest) {
            (Some(one), Some(other)) => Some(more(one, other)),
            (one, other) => one.or(other),
        };
        (low, high)
    }
}
