//! All that a plan is billed for at one moment, priced.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::civil::Date;
use runbook_capacity::allocatable::NodeSettings;
use runbook_capacity::fargate;
use runbook_capacity::karpenter::{PackInput, PackedNode, offered_types, pack};
use runbook_capacity::money::{Amount, MONTH_HOURS, Price, Unpriced};
use runbook_capacity::pod::Pod;
use runbook_capacity::prices::{PriceBook, Quote, Service};
use runbook_capacity::region::{Region, zones};
use runbook_core::module::Charge;
use serde_json::Value as Json;

use super::place::{Pods, node_pools};
use super::{Certainty, ExpectedUsage};

/// GB of a node's root volume, as AL2023 and Karpenter have it by default.
const ROOT_VOLUME: i64 = 20;
/// Requests that Karpenter's two pods make of their queue in a month by asking each 20 seconds.
const QUEUE_REQUESTS: u64 = 2 * 3 * 60 * 730;
/// Requests that an account has free each month.
const FREE_REQUESTS: u64 = 1_000_000;

/// Something that is billed, with its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Priced {
    pub(super) address: String,
    pub(super) words: String,
    pub(super) certainty: Certainty,
    pub(super) basis: Option<String>,
    pub(super) monthly: Result<Amount, Unpriced>,
}

/// What is billed at one moment.
pub(super) struct World<'a> {
    charges: Vec<(&'a str, &'a Charge)>,
    region: &'a str,
    prices: &'a PriceBook,
    usage: &'a ExpectedUsage,
    /// The days of the prices that were used.
    days: RefCell<Vec<Date>>,
    priced: Vec<Priced>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        charges: Vec<(&'a str, &'a Charge)>,
        region: &'a str,
        prices: &'a PriceBook,
        usage: &'a ExpectedUsage,
    ) -> Self {
        let days = RefCell::default();
        let mut world = Self { charges, region, prices, usage, days, priced: Vec::new() };
        world.priced = world.price();
        world
    }

    pub(super) fn priced(self) -> Vec<Priced> {
        self.priced
    }

    pub(super) fn as_of(&self) -> Option<(Date, Date)> {
        let days = self.days.borrow();
        Some((*days.iter().min()?, *days.iter().max()?))
    }

    fn price(&self) -> Vec<Priced> {
        let of = |item: &str| -> Vec<&Charge> {
            self.charges
                .iter()
                .filter(|(_, charge)| charge.item == item)
                .map(|(_, one)| *one)
                .collect()
        };
        let profiles = of("fargate_profile");
        let mut priced = Vec::new();
        let mut on_nodes = Vec::new();
        for (address, charge) in self.charges.iter().copied() {
            match charge.item.as_str() {
                "fargate_profile" | "node_pool" => {}
                "pods" => {
                    let pods = Pods::read(address, charge);
                    match (&pods.pod, pods.kind) {
                        (Err(why), _) => priced.push(open(&pods, why)),
                        // It takes room on nodes that others pay for.
                        (_, "DaemonSet") => {}
                        (Ok(pod), _) if pods.is_taken(&profiles) => {
                            priced.push(self.on_fargate(&pods, pod));
                        }
                        (Ok(_), _) => on_nodes.push(pods),
                    }
                }
                _ => priced.push(self.service(address, charge)),
            }
        }
        priced.extend(self.nodes(&on_nodes, &of("node_pool")));
        priced
    }

    fn service(&self, address: &str, charge: &Charge) -> Priced {
        let mut priced = Priced {
            address: address.to_owned(),
            words: charge.words.clone(),
            certainty: Certainty::Fixed,
            basis: None,
            monthly: Err(Unpriced::because(format!("no price is known for `{}`", charge.item))),
        };
        match charge.item.as_str() {
            "eks_control_plane" => {
                priced.monthly = self.quoted(Service::EksControlPlane).map(Price::monthly);
            }
            "sqs_requests" => {
                priced.certainty = Certainty::Usage;
                let given = self.usage.sqs_requests(address);
                let requests = given.unwrap_or(QUEUE_REQUESTS);
                let whose = if given.is_some() { "expected" } else { "assumed" };
                priced.basis = Some(format!(
                    "{requests} requests {whose}; the account's first million a month is free"
                ));
                priced.monthly = if requests <= FREE_REQUESTS {
                    Ok(Amount::ZERO)
                } else {
                    Err(Unpriced::because("requests beyond the free million: no price is known"))
                };
            }
            "load_balancer" => {
                priced.certainty = Certainty::Usage;
                priced.basis = Some("hours and what goes through it".to_owned());
                let why = "a load balancer: neither its price nor what goes through it is known";
                priced.monthly = Err(Unpriced::because(why));
            }
            _ => {
                if let Some(why) = charge.details.get("why").and_then(Json::as_str) {
                    priced.monthly = Err(Unpriced::because(why));
                }
            }
        }
        priced
    }

    fn on_fargate(&self, pods: &Pods<'_>, pod: &Pod) -> Priced {
        let price = fargate::size(&pod.template.resources)
            .map_err(|error| Unpriced::because(error.to_string()))
            .and_then(|sized| {
                // For its day; the price itself is of all parts.
                self.quoted(Service::FargateVcpu)?;
                self.quoted(Service::FargateMemory)?;
                let price = fargate::price(&sized, self.region, self.prices)?;
                Ok((price, sized.size))
            });
        let size = price
            .as_ref()
            .map(|(_, size)| format!("{} vCPU {} GB", size.vcpus(), size.gibibytes()));
        let (certainty, duration, hours) = self.duration(pods);
        let count = pods.charge.count.map_or("?".to_owned(), |count| count.to_string());
        let basis = match (size, duration) {
            (Ok(size), Some(duration)) => Some(format!("{count} × {size}, {duration}")),
            (Ok(size), None) => Some(format!("{count} × {size}")),
            (Err(_), duration) => duration,
        };
        let monthly = price.and_then(|(price, _)| {
            let count = pods.charge.count.ok_or_else(|| {
                Unpriced::because("how many pods there will be is known only when the task runs")
            })?;
            let seconds = hours?;
            Ok(price.amount(count, seconds))
        });
        let words = format!("{} on Fargate", pods.charge.words);
        Priced { address: pods.address.to_owned(), words, certainty, basis, monthly }
    }

    /// For how many seconds a month, or once, pods run.
    fn duration(&self, pods: &Pods<'_>) -> (Certainty, Option<String>, Result<i64, Unpriced>) {
        if let Some(hours) = self.usage.pod_hours(pods.address) {
            let seconds = i64::try_from(hours).unwrap_or(i64::MAX).saturating_mul(3600);
            return (Certainty::Usage, Some(format!("{hours} h a month expected")), Ok(seconds));
        }
        if !pods.is_run_to_completion() {
            return (Certainty::Fixed, None, Ok(MONTH_HOURS * 3600));
        }
        if let ("Pod" | "Job", Some(seconds)) = (pods.kind, pods.deadline()) {
            let text = format!("once, for at most {} min", seconds.div_euclid(60).max(1));
            return (Certainty::Once, Some(text), Ok(seconds));
        }
        let why = "how long it runs is not known; expected usage says it (`pod_hours`)";
        (Certainty::Usage, None, Err(Unpriced::because(why)))
    }

    /// Pods on nodes: those that stay are packed together, each that ends by itself alone.
    fn nodes(&self, pods: &[Pods<'_>], pools: &[&Charge]) -> Vec<Priced> {
        let (ending, staying): (Vec<&Pods<'_>>, Vec<&Pods<'_>>) =
            pods.iter().partition(|pods| pods.is_run_to_completion());
        let mut priced = Vec::new();
        if !staying.is_empty() {
            let count: i64 = staying.iter().filter_map(|pods| pods.charge.count).sum();
            let packed = self.packed(&staying, pools);
            let monthly = packed.and_then(|nodes| {
                self.price_of(&nodes).map(|(price, words)| (price.monthly(), words))
            });
            let basis = match &monthly {
                Ok((_, words)) => {
                    format!("for {count} pods, {words}, all month, nothing else on them")
                }
                Err(_) => format!("for {count} pods"),
            };
            priced.push(Priced {
                address: "nodes".to_owned(),
                words: "nodes as Karpenter makes them".to_owned(),
                certainty: Certainty::Usage,
                basis: Some(basis),
                monthly: monthly.map(|(amount, _)| amount),
            });
        }
        for one in ending {
            let (certainty, basis, seconds) = self.duration(one);
            let monthly = seconds.and_then(|seconds| {
                let (price, words) = self.price_of(&self.packed(&[one], pools)?)?;
                Ok((price.amount(1, seconds), words))
            });
            let basis = match (&monthly, basis) {
                (Ok((_, words)), Some(text)) => Some(format!("{text}, on {words} of its own")),
                (_, text) => text,
            };
            priced.push(Priced {
                address: one.address.to_owned(),
                words: format!("{} on a node", one.charge.words),
                certainty,
                basis,
                monthly: monthly.map(|(amount, _)| amount),
            });
        }
        priced
    }

    fn packed(&self, pods: &[&Pods<'_>], pools: &[&Charge]) -> Result<Vec<PackedNode>, Unpriced> {
        if pools.is_empty() {
            return Err(Unpriced::because(
                "no NodePool is in this plan, so its nodes are not known",
            ));
        }
        let node_pools = node_pools(pools).map_err(Unpriced::because)?;
        let region: Region =
            self.region.parse().map_err(|error| Unpriced::because(format!("{error}")))?;
        let mut input = PackInput {
            node_pools,
            instance_types: offered_types(
                region,
                &zones(region).iter().map(ToString::to_string).collect::<Vec<_>>(),
                &NodeSettings::default(),
                self.prices,
            ),
            ..PackInput::default()
        };
        for one in pods {
            let (Ok(pod), Some(count)) = (&one.pod, one.charge.count) else {
                let why = format!("{}: how many pods is known only when it runs", one.charge.words);
                return Err(Unpriced::because(why));
            };
            input.pods.extend((0..count).map(|at| {
                let mut pod = pod.clone();
                pod.name = format!("{}-{at}", pod.name);
                pod
            }));
        }
        let outcome = pack(&input);
        if let Some(pod) = outcome.unschedulable.first() {
            let why = format!("{} finds no node: {}", pod.pod, pod.reason);
            return Err(Unpriced::because(why));
        }
        self.days.borrow_mut().extend(outcome.prices.oldest);
        Ok(outcome.nodes)
    }

    /// What nodes cost in an hour with their root volumes, and which they are.
    fn price_of(&self, nodes: &[PackedNode]) -> Result<(Price, String), Unpriced> {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let volume = self.quoted(Service::EbsGp3)?.fraction(ROOT_VOLUME, MONTH_HOURS);
        let mut sum = 0;
        for node in nodes {
            let price = node.price.ok_or_else(|| {
                Unpriced::because(node.reason.clone().unwrap_or_else(|| node.instance_type.clone()))
            })?;
            sum += price.ten_billionths() + volume.ten_billionths();
            *kinds.entry(format!("{} {}", node.instance_type, node.capacity_type)).or_default() +=
                1;
        }
        let words: Vec<String> =
            kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        Ok((Price::new(sum, runbook_capacity::money::Unit::Hour), words.join(", ")))
    }

    fn quoted(&self, service: Service) -> Result<Price, Unpriced> {
        let Quote { price, provenance } = self.prices.service(self.region, service)?;
        self.days.borrow_mut().push(provenance.as_of);
        Ok(*price)
    }
}

/// Pods of which something is not known.
fn open(pods: &Pods<'_>, why: &str) -> Priced {
    Priced {
        address: pods.address.to_owned(),
        words: pods.charge.words.clone(),
        certainty: Certainty::Fixed,
        basis: None,
        monthly: Err(Unpriced::because(why)),
    }
}
