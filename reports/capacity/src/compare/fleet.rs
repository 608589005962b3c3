//! Nodes of a side for each part of the month: as Karpenter packs one cold batch, and as they settle.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocatable::{NodeSettings, allocatable};
use crate::catalogue::{InstanceType, instance_type};
use crate::karpenter::{
    ExistingNode, PackInput, PackOutcome, PackedNode, default_pool, offered_type, pack,
};
use crate::launch::{CAPACITY_TYPE, CapacityType};
use crate::manifest::NodePool;
use crate::money::{Amount, Price, Unpriced};
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::Pod;
use crate::pod_resources::Resources;
use crate::prices::{PriceBook, Service};
use crate::region::{Region, zones};

use super::side::{Line, LineKind, NotHeld, Side, SideId};

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
    /// How pods that arrive one after the other are packed, if that is asked for too.
    pub settled: Option<Packer>,
    /// Whether spot is taken.
    pub spot: bool,
    /// Whether each node costs the fee of Auto Mode.
    pub auto_mode: bool,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// A way of packing.
pub type Packer = fn(&PackInput) -> PackOutcome;

/// A part of the month: its pods, the types that make enough nodes of them, and those nodes.
struct Chosen<'p> {
    seconds: i64,
    pods: &'p [Pod],
    types: Vec<&'static InstanceType>,
    cold: PackOutcome,
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
        side.cold = Some(cold);
        let Some(packer) = self.settled else { return };
        let settled: Vec<PackOutcome> = chosen
            .iter()
            .map(|one| self.with_least_nodes(packer(&self.input(one.pods, &one.types))))
            .collect();
        *side = before;
        self.bill_outcomes(chosen.iter().zip(&settled), side);
        side.cold = Some(cold);
        side.settled = Some(side.packed());
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
        let mut range = (Amount::ZERO, Amount::ZERO);
        let mut refused: BTreeSet<NotHeld> = BTreeSet::new();
        for (chosen, outcome) in outcomes {
            let seconds = chosen.seconds;
            side.peak_nodes = side.peak_nodes.max(outcome.nodes.len() + self.standing.len());
            side.coverage = outcome.prices;
            for node in &outcome.nodes {
                self.bill_node(node, seconds, side);
                self.count_type(&node.instance_type, seconds, &mut used);
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
            for pod in chosen.pods {
                used.ask(pod, seconds);
            }
            for one in &outcome.unschedulable {
                let not_held = NotHeld { pod: one.pod.clone(), reason: one.reason.clone() };
                if refused.insert(not_held.clone()) {
                    side.not_held.push(not_held);
                }
            }
        }
        side.utilisation = used.thousandths();
        if self.spot {
            let others = side.total().amount - side.of(&[LineKind::Node]);
            side.range = Some((others + range.0, others + range.1));
        }
    }

    /// Packs one cold batch. Too few nodes are made enough by leaving larger types out: of all sizes to
    /// stop at, the one that comes out cheapest.
    fn chosen<'p>(&self, seconds: i64, pods: &'p [Pod]) -> Chosen<'p> {
        let whole = pack(&self.input(pods, &self.types));
        let types = self.types.clone();
        if self.is_enough(&whole) {
            return Chosen { seconds, pods, types, cold: whole };
        }
        let caps: BTreeSet<u32> = self.types.iter().map(|one| one.vcpus).collect();
        let tried = caps.into_iter().filter_map(|most| {
            let smaller: Vec<&'static InstanceType> =
                self.types.iter().copied().filter(|one| one.vcpus <= most).collect();
            let outcome = pack(&self.input(pods, &smaller));
            let fits = self.is_enough(&outcome)
                && !outcome.nodes.is_empty()
                && outcome.unschedulable.len() <= whole.unschedulable.len();
            let price = self.hourly(&outcome)?;
            fits.then_some((price, smaller, outcome))
        });
        if let Some((_, types, cold)) = tried.min_by_key(|(price, _, _)| *price) {
            return Chosen { seconds, pods, types, cold };
        }
        Chosen { seconds, pods, types, cold: self.with_least_nodes(whole) }
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

    fn input(&self, pods: &[Pod], types: &[&'static InstanceType]) -> PackInput {
        let open: Vec<String> = zones(self.region).iter().map(|zone| (*zone).to_owned()).collect();
        PackInput {
            pods: pods.to_vec(),
            node_pools: self.node_pools(),
            daemonsets: self.daemons.clone(),
            instance_types: types
                .iter()
                .filter_map(|one| offered_type(one, self.region, &open, &self.settings, self.book))
                .collect(),
            existing: self.standing.clone(),
            namespaces: self.namespaces.clone(),
            ..PackInput::default()
        }
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

    fn count_type(&self, name: &str, seconds: i64, used: &mut Use) {
        if let Some(one) = instance_type(name) {
            let offered = allocatable(one, &self.settings);
            used.offer(&Resources::of(offered.cpu, offered.memory), seconds);
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
