//! Everything that costs in a window, priced, with who held it: the input of every division.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use runbook_capacity::fargate::INCLUDED_STORAGE;
use runbook_capacity::money::{Amount, Price, Unpriced};
use runbook_capacity::prices::{PriceBook, Service};
use runbook_capacity::quantity::Bytes;

use super::charge::Part;
use super::divide::divide;
use super::division::{Division, How, Share, To};
use super::node::{Life, NodeRemarks, lives};
use super::priced::Priced;
use super::rules::{OwnerTable, Spread};
use super::showback::{PriceBasis, RuleUse, Weight};
use super::standing::{Standing, standing};
use super::stay::{FargateStay, Holder, PodRemarks, stays};
use super::view::{View, window};
use super::{Refused, Request};
use crate::bill::Class;
use crate::observed::{ClusterId, Finding, Observed};

/// What pods of the system layer cost, as a shared cost.
pub(super) const SYSTEM_LAYER: usize = 1;
const FARGATE_BILLED_FROM: Bytes = INCLUDED_STORAGE;

/// Prices of a Fargate pod, by the hour.
#[derive(Clone)]
struct FargatePrices {
    vcpu: Result<Price, Unpriced>,
    memory: Result<Price, Unpriced>,
    storage: Result<Price, Unpriced>,
}

pub(super) struct World {
    pub(super) clusters: Vec<Arc<ClusterId>>,
    pub(super) view: View,
    pub(super) lives: Vec<Life>,
    pub(super) holders: Vec<Holder>,
    pub(super) on_fargate: Vec<FargateStay>,
    pub(super) standing: Vec<Standing>,
    /// The shared costs: their names, and how they are handed on. The control plane is the first, the
    /// system layer the second.
    pub(super) shared: Vec<(Arc<str>, Spread)>,
    pub(super) prices: PriceBasis,
    pub(super) unpriced: BTreeMap<String, Unpriced>,
    pub(super) rules: Vec<RuleUse>,
    pub(super) node_remarks: NodeRemarks,
    pub(super) pod_remarks: PodRemarks,
    /// Pods whose node nobody saw.
    pub(super) without_node: Vec<String>,
    /// Findings of rules and of standing costs.
    pub(super) findings: Vec<Finding>,
    fargate_prices: Vec<Option<FargatePrices>>,
}

impl World {
    pub(super) fn new(
        observed: &Observed,
        book: &PriceBook,
        request: &Request,
    ) -> Result<Self, Refused> {
        let view = View::new(request)?;
        let clusters = clusters(observed);
        let mut priced = Priced::new(book);
        let mut findings = Vec::new();
        let mut node_remarks = NodeRemarks::default();
        let priced_by = (&mut priced, request.rules.root_volume);
        let mut lives = lives(&observed.nodes, &clusters, &view, priced_by, &mut node_remarks);
        let mut owners = OwnerTable::new(&request.rules.owners);
        let mut stays = stays(&observed.pods, &clusters, &view, &request.rules, &mut owners);
        let mut without_node = Vec::new();
        seat(&mut lives, &mut stays.on_nodes, &stays.holders, &mut without_node);
        let mut shared = vec![
            (Arc::from("control plane"), request.rules.control_plane.clone()),
            (
                Arc::from("system layer"),
                request.rules.system_layer.as_ref().map_or(Spread::Apart, |(_, how)| how.clone()),
            ),
        ];
        let given = request.rules.given.iter();
        shared.extend(given.map(|given| (Arc::from(given.name.as_str()), given.spread.clone())));
        let known = (&*clusters, &*lives, &view);
        let standing = standing(observed, known, &mut priced, &request.rules, &mut findings);
        let mut world = Self {
            view,
            lives,
            holders: stays.holders,
            on_fargate: stays.on_fargate,
            standing,
            shared,
            prices: priced.basis(),
            unpriced: BTreeMap::new(),
            rules: owners.used(&mut findings),
            node_remarks,
            pod_remarks: stays.remarks,
            without_node,
            findings,
            fargate_prices: vec![None; clusters.len()],
            clusters,
        };
        world.price_fargate(&mut priced);
        world.prices = priced.basis();
        world.unpriced = priced.unpriced;
        Ok(world)
    }

    /// The UTC days.
    pub(super) fn days(&self) -> Vec<Date> {
        self.view.dates()
    }

    /// What a vCPU and a GiB weigh, by cluster.
    pub(super) fn ratios(
        &self,
        weight: Weight,
        book: &PriceBook,
    ) -> Result<Vec<(i128, i128)>, Refused> {
        self.clusters.iter().map(|cluster| weight.ratio(&cluster.region, book)).collect()
    }

    /// Every division: nodes, Fargate pods, what stands; each by day.
    pub(super) fn each<'w>(
        &'w self,
        take: &mut dyn FnMut(Division<'w>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        for life in &self.lives {
            divide(life, &self.view, take)?;
        }
        for stay in &self.on_fargate {
            for (day, start, end) in self.view.by_day(stay.start, stay.end) {
                if let Some(division) = self.fargate(stay, day, (start, end)) {
                    take(division)?;
                }
            }
        }
        for one in &self.standing {
            for (day, start, end) in self.view.by_day(one.start, one.end) {
                let whole = How::Whole(To::Shared(one.shared), Part::Whole);
                take(Division {
                    cluster: one.cluster,
                    origin: &one.origin,
                    day,
                    period: window(start, end),
                    costs: vec![(one.class, one.price.amount(1, end - start), whole)],
                    capacity: [0; 2],
                    shares: Vec::new(),
                })?;
            }
        }
        Ok(())
    }

    /// What a Fargate pod costs for some seconds; none where it has no price.
    pub(super) fn fargate_costs(
        &self,
        stay: &FargateStay,
        seconds: i64,
    ) -> Vec<(Class, Amount, How)> {
        let (Some(size), Some(prices)) = (stay.size, &self.fargate_prices[stay.cluster]) else {
            return Vec::new();
        };
        let to = |part| How::Whole(To::Holder(stay.holder), part);
        let mut costs = Vec::with_capacity(3);
        let (Ok(vcpu), Ok(memory)) = (&prices.vcpu, &prices.memory) else { return Vec::new() };
        let vcpu = vcpu.fraction(size.vcpu.0, 1000).amount(1, seconds);
        let memory = memory.fraction(size.memory.in_mebibytes_up(), 1024).amount(1, seconds);
        costs.push((Class::FargateVcpu, vcpu, to(Part::Cpu)));
        costs.push((Class::FargateMemory, memory, to(Part::Memory)));
        let gibibytes = disk_gibibytes(stay);
        if let (1.., Ok(storage)) = (gibibytes, &prices.storage) {
            let storage = storage.times(gibibytes).amount(1, seconds);
            costs.push((Class::FargateStorage, storage, to(Part::Whole)));
        }
        costs
    }

    fn fargate<'w>(
        &self,
        stay: &'w FargateStay,
        day: usize,
        (start, end): (i64, i64),
    ) -> Option<Division<'w>> {
        let seconds = end - start;
        let costs = self.fargate_costs(stay, seconds);
        let size = stay.size.filter(|_| !costs.is_empty())?;
        let seconds = i128::from(seconds);
        let room = [i128::from(size.vcpu.0), i128::from(size.memory.0)];
        let held = room.map(|amount| amount * seconds);
        let share = Share { to: To::Holder(stay.holder), given: held, asked: held };
        Some(Division {
            cluster: stay.cluster,
            origin: &stay.origin,
            day,
            period: window(start, end),
            costs,
            capacity: room,
            shares: vec![share],
        })
    }

    /// Asks for Fargate's prices where there are pods on Fargate, and lists what has none.
    fn price_fargate(&mut self, priced: &mut Priced<'_>) {
        for stay in &self.on_fargate {
            let region = &self.clusters[stay.cluster].region;
            let prices = self.fargate_prices[stay.cluster].get_or_insert_with(|| FargatePrices {
                vcpu: priced.service(region, Service::FargateVcpu),
                memory: priced.service(region, Service::FargateMemory),
                storage: Err(Unpriced::because("it was not asked for")),
            });
            let name = &stay.origin.name;
            if stay.size.is_none() {
                let why = "neither its annotation CapacityProvisioned nor its requests give a size";
                priced.list(format!("Fargate pod {name}"), Unpriced::because(why));
                continue;
            }
            if let Some(why) =
                [&prices.vcpu, &prices.memory].into_iter().find_map(|one| one.as_ref().err())
            {
                priced.list(format!("Fargate pod {name}"), why.clone());
                continue;
            }
            if disk_gibibytes(stay) > 0 {
                prices.storage = priced.service(region, Service::FargateEphemeralStorage);
                if let Err(why) = &prices.storage {
                    priced.list(format!("disk of Fargate pod {name}"), why.clone());
                }
            }
        }
    }
}

/// The disk that is billed, in GiB begun.
fn disk_gibibytes(stay: &FargateStay) -> i64 {
    let beyond = stay.storage.map_or(0, |disk| disk.0 - FARGATE_BILLED_FROM.0).max(0);
    (Bytes(beyond).in_mebibytes_up() + 1023).div_euclid(1024)
}

/// Every cluster that is mentioned, in order.
fn clusters(observed: &Observed) -> Vec<Arc<ClusterId>> {
    let mut clusters: Vec<Arc<ClusterId>> = observed
        .clusters
        .iter()
        .map(|cluster| &cluster.id)
        .chain(observed.nodes.iter().map(|node| &node.cluster))
        .chain(observed.pods.iter().map(|pod| &pod.cluster))
        .cloned()
        .collect();
    clusters.sort_unstable();
    clusters.dedup();
    clusters
}

type OnNodes = BTreeMap<(usize, Arc<str>), Vec<super::stay::Stay>>;

/// Gives every node the stays of its name that lie in its life; names those of nodes that nobody saw.
fn seat(
    lives: &mut [Life],
    on_nodes: &mut OnNodes,
    holders: &[Holder],
    without_node: &mut Vec<String>,
) {
    for same in
        lives.chunk_by_mut(|left, right| left.cluster == right.cluster && left.name == right.name)
    {
        let Some(first) = same.first() else { continue };
        let key = (first.cluster, Arc::clone(&first.name));
        let Some(stays) = on_nodes.get_mut(&key) else { continue };
        stays.retain(|stay| {
            let mut is_seated = false;
            for life in same.iter_mut() {
                if let Some(part) = stay.within(life.start, life.pods_until) {
                    is_seated = true;
                    life.stays.push(part);
                }
            }
            !is_seated
        });
    }
    for ((_, node), stays) in on_nodes.iter() {
        for stay in stays {
            if let super::stay::Who::Holder(holder) = stay.who {
                let pod = &holders[holder].pod;
                without_node.push(format!("{}/{} on {node}", pod.namespace, pod.name));
            }
        }
    }
    without_node.sort_unstable();
    without_node.dedup();
}
