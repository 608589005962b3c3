//! Nodes of a side: packed as Karpenter packs one cold batch, for each part of the month.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocatable::{NodeSettings, allocatable};
use crate::catalogue::{InstanceType, instance_type};
use crate::karpenter::{
    ExistingNode, PackInput, PackOutcome, PackedNode, default_pool, offered_type, pack,
};
use crate::launch::{CAPACITY_TYPE, CapacityType};
use crate::money::{Amount, Price, Unpriced};
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::Pod;
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
    /// Whether spot is taken.
    pub spot: bool,
    /// Whether each node costs the fee of Auto Mode.
    pub auto_mode: bool,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// Fewer nodes than this nobody runs.
const LEAST_NODES: usize = 2;

/// What was asked for and offered, over the hours of the month.
#[derive(Debug, Default)]
struct Use {
    cpu: (i128, i128),
    memory: (i128, i128),
}

impl Use {
    fn thousandths(&self) -> Option<i64> {
        let share = |(asked, offered): (i128, i128)| {
            (offered > 0).then(|| i64::try_from(asked * 1000 / offered).unwrap_or(i64::MAX))
        };
        share(self.cpu).max(share(self.memory))
    }
}

impl Fleet<'_> {
    /// Puts the nodes for these parts of the month on a side's bill.
    pub fn bill(&self, parts: &[(i64, Vec<Pod>)], side: &mut Side) {
        let mut used = Use::default();
        let mut range = (Amount::ZERO, Amount::ZERO);
        for (hours, pods) in parts {
            let outcome = self.packed(pods);
            side.peak_nodes = side.peak_nodes.max(outcome.nodes.len() + self.standing.len());
            side.coverage = outcome.prices;
            for node in &outcome.nodes {
                self.bill_node(node, *hours, side);
                self.count_type(&node.instance_type, *hours, &mut used);
                let (low, high) = self.spot_range(node);
                range.0 += low.map_or(Amount::ZERO, |price| price.amount(1, hours * 3600));
                range.1 += high.map_or(Amount::ZERO, |price| price.amount(1, hours * 3600));
            }
            for node in &self.standing {
                used.cpu.1 +=
                    i128::from(node.allocatable.cpu.unwrap_or_default().0) * i128::from(*hours);
                used.memory.1 +=
                    i128::from(node.allocatable.memory.unwrap_or_default().0) * i128::from(*hours);
                for on_it in &node.pods {
                    count_pod(&on_it.pod, *hours, &mut used);
                }
            }
            for pod in pods {
                count_pod(pod, *hours, &mut used);
            }
            for one in outcome.unschedulable {
                let not_held = NotHeld { pod: one.pod, reason: one.reason };
                if !side.not_held.contains(&not_held) {
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

    /// Packs. A single node is made two by leaving larger types out: of all sizes to stop at, the one
    /// that comes out cheapest.
    fn packed(&self, pods: &[Pod]) -> PackOutcome {
        let mut whole = pack(&self.input(pods, &self.types));
        let is_enough = |outcome: &PackOutcome| {
            outcome.nodes.len() + self.standing.len() >= LEAST_NODES || outcome.nodes.is_empty()
        };
        if is_enough(&whole) {
            return whole;
        }
        let caps: BTreeSet<u32> = self.types.iter().map(|one| one.vcpus).collect();
        let tried = caps.into_iter().filter_map(|most| {
            let smaller: Vec<&InstanceType> =
                self.types.iter().copied().filter(|one| one.vcpus <= most).collect();
            let outcome = pack(&self.input(pods, &smaller));
            let fits = is_enough(&outcome)
                && !outcome.nodes.is_empty()
                && outcome.unschedulable.len() <= whole.unschedulable.len();
            let price = self.hourly(&outcome)?;
            fits.then_some((price, outcome))
        });
        if let Some((_, best)) = tried.min_by_key(|(price, _)| *price) {
            return best;
        }
        // No smaller types can: a second one of the same stands beside it.
        if let Some(first) = whole.nodes.first().cloned() {
            whole.nodes.push(PackedNode { pods: Vec::new(), positions: Vec::new(), ..first });
        }
        whole
    }

    /// What these nodes cost for an hour, with fee and volumes.
    fn hourly(&self, outcome: &PackOutcome) -> Option<Amount> {
        let mut side = Side::new(SideId::Nodeless);
        for node in &outcome.nodes {
            self.bill_node(node, 1, &mut side);
        }
        side.complete()
    }

    fn input(&self, pods: &[Pod], types: &[&InstanceType]) -> PackInput {
        let open: Vec<String> = zones(self.region).iter().map(|zone| (*zone).to_owned()).collect();
        let mut pool = default_pool();
        if self.spot {
            pool.requirements = vec![NodeRequirement::new(
                CAPACITY_TYPE,
                Operator::In,
                &[CapacityType::Spot.label(), CapacityType::OnDemand.label()],
            )];
        }
        PackInput {
            pods: pods.to_vec(),
            node_pools: vec![pool],
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

    fn bill_node(&self, node: &PackedNode, hours: i64, side: &mut Side) {
        let name = &node.instance_type;
        let region = self.region.name();
        let missing = || {
            let why = node
                .reason
                .clone()
                .unwrap_or_else(|| format!("no price of `{name}` in `{region}`"));
            Unpriced::because(why)
        };
        let what = if node.capacity_type == CapacityType::Spot.label() {
            format!("{name}, spot")
        } else {
            name.clone()
        };
        let price = node.price.ok_or_else(missing);
        side.add(Line { kind: LineKind::Node, what: what.clone(), count: 1, hours, price });
        if self.auto_mode {
            let price = self.book.auto_mode_fee(region, name).map(|quote| quote.price);
            let what = format!("Auto Mode's fee for {name}");
            side.add(Line { kind: LineKind::AutoModeFee, what, count: 1, hours, price });
        }
        side.add(self.volume(LineKind::Volume, hours));
    }

    /// The root volume of a node.
    pub fn volume(&self, kind: LineKind, hours: i64) -> Line {
        let price = self.book.service(self.region.name(), Service::EbsGp3);
        Line {
            kind,
            what: format!("gp3 volume of {} GiB", self.volume_gib),
            count: 1,
            hours,
            price: price.map(|quote| quote.price.times(self.volume_gib)),
        }
    }

    fn count_type(&self, name: &str, hours: i64, used: &mut Use) {
        if let Some(one) = instance_type(name) {
            let offered = allocatable(one, &self.settings);
            used.cpu.1 += i128::from(offered.cpu.0) * i128::from(hours);
            used.memory.1 += i128::from(offered.memory.0) * i128::from(hours);
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

fn count_pod(pod: &Pod, hours: i64, used: &mut Use) {
    let requests = pod.template.resources.kubernetes_requests();
    used.cpu.0 += i128::from(requests.cpu.unwrap_or_default().0) * i128::from(hours);
    used.memory.0 += i128::from(requests.memory.unwrap_or_default().0) * i128::from(hours);
}
