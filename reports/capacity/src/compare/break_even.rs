//! How full a node must be for a pod to be cheaper on it than on Fargate.
//!
//! The cheapest fully packed node's price per pod over Fargate's price of the pod: above that
//! utilisation of the node the node is cheaper, below it Fargate is. Above 100 % Fargate is cheaper
//! than even a full node. One shape of pod on one type of node; real mixes are packed elsewhere.

use super::allowed::Allowed;
use super::room::Room;
use super::runs::MONTH_SECONDS;
use super::shape::NodeShape;
use crate::catalogue::{Architecture, InstanceType};
use crate::fargate;
use crate::money::{Amount, Unpriced};
use crate::pod::PodTemplate;
use crate::pod_resources::PodResources;
use crate::prices::{PriceBook, Service};
use crate::quantity::{Bytes, Millicores};
use crate::region::Region;

/// What each node runs besides the pods it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeOverhead {
    /// CPU.
    pub cpu: Millicores,
    /// Memory.
    pub memory: Bytes,
    /// Pods.
    pub pods: u32,
}

/// A break-even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakEven {
    /// Utilisation in units of 1/10 000.
    pub ten_thousandths: i64,
    /// The type whose full node is cheapest per pod.
    pub instance_type: &'static str,
    /// How many of the pods it holds.
    pub pods: i64,
    /// What the node costs for a month, its volume included where the shape has one.
    pub node: Amount,
    /// What one pod costs for a month on Fargate.
    pub fargate: Amount,
}

/// Where the question is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The region.
    pub region: Region,
    /// The prices.
    pub book: &'a PriceBook,
    /// Which nodes.
    pub shape: NodeShape,
    /// Of which architectures.
    pub architectures: &'a [Architecture],
    /// What runs on each of them.
    pub overhead: NodeOverhead,
}

/// A full node: its type, how many of a pod it holds, and what it costs for a month with its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullNode {
    /// The type.
    pub instance_type: &'static str,
    /// How many of the pods.
    pub pods: i64,
    /// What it costs.
    pub cost: Amount,
}

/// What a node of each type leaves to workloads, and what it costs.
#[derive(Debug, Clone)]
pub struct Nodes<'a> {
    ground: Ground<'a>,
    types: Vec<NodeType>,
    volume: Result<Amount, Unpriced>,
    allowed: Option<Allowed>,
}

#[derive(Debug, Clone)]
struct NodeType {
    one: &'static InstanceType,
    room: Room,
    cost: Amount,
}

impl<'a> Nodes<'a> {
    /// The types of a ground that have a price.
    pub fn of(ground: Ground<'a>) -> Self {
        let types = ground.shape.types(ground.region, ground.architectures);
        Self::among(ground, types.collect(), None)
    }

    /// Of these types those that have a price; where that is given, each pod on what it is allowed.
    pub(super) fn among(
        ground: Ground<'a>,
        types: Vec<&'static InstanceType>,
        allowed: Option<Allowed>,
    ) -> Self {
        let region = ground.region.name();
        let volume = match ground.shape.root_volume_gib {
            Some(gib) => ground
                .book
                .service(region, Service::EbsGp3)
                .map(|quote| quote.price.amount(gib, MONTH_SECONDS)),
            None => Ok(Amount::ZERO),
        };
        let settings = ground.shape.settings();
        let priced = types.into_iter().filter_map(|one| {
            let quote = ground.book.on_demand(region, &one.name).ok()?;
            let cost = quote.price.monthly() + volume.clone().unwrap_or_default();
            Some(NodeType { one, room: Room::of(one, &settings, ground.overhead), cost })
        });
        Self { types: priced.collect(), ground, volume, allowed }
    }

    /// The node that is cheapest per pod when it is full of this one.
    pub fn cheapest(&self, pod: &PodTemplate) -> Result<FullNode, Unpriced> {
        let chosen = self
            .allowed
            .as_ref()
            .map(|allowed| allowed.of(pod, self.types.iter().map(|one| one.one)));
        let is_allowed = |at: usize| chosen.as_ref().is_none_or(|chosen| chosen[at]);
        self.cheapest_of(&pod.resources, is_allowed)
    }

    fn cheapest_of(
        &self,
        pod: &PodResources,
        is_allowed: impl Fn(usize) -> bool,
    ) -> Result<FullNode, Unpriced> {
        self.volume.clone()?;
        let requests = pod.kubernetes_requests();
        let mut best: Option<(bool, FullNode)> = None;
        for (_, one) in self.types.iter().enumerate().filter(|(at, _)| is_allowed(*at)) {
            let pods = one.room.holds(&requests);
            if pods == 0 {
                continue;
            }
            // Whole machines and accelerators are launched only where nothing else will do.
            let is_exotic = one.one.is_exotic();
            // Price per pod by cross multiplication: nothing is rounded before the end.
            let is_better = best.is_none_or(|(exotic, known)| {
                (is_exotic, one.cost.times(known.pods)) < (exotic, known.cost.times(pods))
            });
            if is_better {
                let node = FullNode { instance_type: &one.one.name, pods, cost: one.cost };
                best = Some((is_exotic, node));
            }
        }
        best.map(|(_, node)| node).ok_or_else(|| {
            Unpriced::because(format!(
                "no node {} with a price in `{}` may hold it",
                self.ground.shape.title(),
                self.ground.region.name()
            ))
        })
    }

    /// The break-even of a pod, which on Fargate may ask for more: its sidecars.
    pub fn break_even(
        &self,
        pod: &PodTemplate,
        there: &PodResources,
    ) -> Result<BreakEven, Unpriced> {
        self.against(self.cheapest(pod)?, there)
    }

    fn against(&self, node: FullNode, there: &PodResources) -> Result<BreakEven, Unpriced> {
        let sized = fargate::size(there).map_err(|why| Unpriced::because(why.to_string()))?;
        let region = self.ground.region.name();
        let on_fargate = fargate::price(&sized, region, self.ground.book)?.monthly();
        let FullNode { instance_type, pods, cost } = node;
        let ten_thousandths = cost.ratio(on_fargate.times(pods)).unwrap_or(i64::MAX);
        Ok(BreakEven { ten_thousandths, instance_type, pods, node: cost, fargate: on_fargate })
    }
}

/// The break-even of one pod.
pub fn break_even(pod: &PodResources, ground: &Ground<'_>) -> Result<BreakEven, Unpriced> {
    let nodes = Nodes::of(*ground);
    nodes.against(nodes.cheapest_of(pod, |_| true)?, pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEOUL_OVERHEAD: NodeOverhead =
        NodeOverhead { cpu: Millicores(180), memory: Bytes::mebibytes(200), pods: 3 };

    /// Pod, what Fargate bills for it, its price for an hour; then per cent for amd64 of any size,
    /// amd64 that is realistic, arm64 of any size, arm64 that is realistic; then the two amd64 types
    /// where the published table names them.
    type Row = (i64, i64, &'static str, &'static str, [i64; 4], [&'static str; 2]);

    const PUBLISHED: [Row; 8] = [
        (100, 128, "0.25vCPU 0.5GB", "0.014195", [31, 33, 27, 30], ["c5a.16xlarge", "c5a.xlarge"]),
        (250, 256, "0.25vCPU 0.5GB", "0.014195", [76, 79, 68, 70], ["", "c5a.4xlarge"]),
        (250, 512, "0.25vCPU 1GB", "0.016750", [72, 77, 65, 69], ["", "c5a.2xlarge"]),
        (500, 1024, "0.5vCPU 2GB", "0.033500", [72, 79, 65, 71], ["", "c5a.4xlarge"]),
        (1000, 1024, "1vCPU 2GB", "0.056780", [77, 81, 69, 73], ["", "c5a.4xlarge"]),
        (1000, 4096, "1vCPU 5GB", "0.072110", [82, 84, 73, 75], ["", "m5a.4xlarge"]),
        (2000, 8192, "2vCPU 9GB", "0.139110", [85, 87, 77, 78], ["", "m5a.4xlarge"]),
        (4000, 16384, "4vCPU 17GB", "0.273110", [89, 104, 79, 92], ["", "m5a.4xlarge"]),
    ];

    const COLUMNS: [(NodeShape, &[Architecture]); 4] = [
        (NodeShape::BOUND, &[Architecture::Amd64]),
        (NodeShape::REALISTIC, &[Architecture::Amd64]),
        (NodeShape::BOUND, &[Architecture::Arm64]),
        (NodeShape::REALISTIC, &[Architecture::Arm64]),
    ];

    fn at(book: &PriceBook, cpu: i64, memory: i64, column: usize) -> BreakEven {
        let (shape, architectures) = COLUMNS[column];
        let region = Region::ApNortheast2;
        let ground = Ground { region, book, shape, architectures, overhead: SEOUL_OVERHEAD };
        let pod = PodResources::one(Millicores(cpu), Bytes::mebibytes(memory));
        break_even(&pod, &ground).expect("a break-even")
    }

    /// Cells of the published table that the book does not give, in row and column.
    fn misses(book: &PriceBook) -> Vec<(usize, usize, i64)> {
        let mut misses = Vec::new();
        for (row, (cpu, memory, _, _, cells, types)) in PUBLISHED.into_iter().enumerate() {
            for (column, published) in cells.into_iter().enumerate() {
                let found = at(book, cpu, memory, column);
                if (found.ten_thousandths + 50) / 100 != published {
                    misses.push((row, column, found.ten_thousandths));
                }
                if let Some(named) = types.get(column).filter(|named| !named.is_empty()) {
                    assert_eq!(found.instance_type, *named, "{cpu}m/{memory}Mi");
                }
            }
        }
        misses
    }

    #[test]
    fn fargate_sizes_and_prices_of_the_published_table_come_out() {
        for (cpu, memory, billed, hourly, _, _) in PUBLISHED {
            let pod = PodResources::one(Millicores(cpu), Bytes::mebibytes(memory));
            let sized = fargate::size(&pod).expect("a size");
            let price = fargate::price(&sized, "ap-northeast-2", PriceBook::embedded());
            assert_eq!(sized.size.to_string(), billed);
            assert_eq!(price.expect("a price").hourly().dollars(6), hourly);
        }
    }

    #[test]
    fn all_four_columns_of_the_published_table_come_out_in_seoul() {
        // 30 of 32 cells to the per cent. The other two are below it by 0.04 and 0.02 points.
        let book = PriceBook::embedded();
        assert_eq!(misses(book), [(1, 1, 7846), (6, 3, 7748)]);
        // Both come out, and all others stay, when the root volume is priced as gp2.
        let gp2 = book.service("ap-northeast-2", Service::EbsGp2).expect("a price").clone();
        let mut as_published = book.clone();
        as_published.set_service("ap-northeast-2", Service::EbsGp3, gp2);
        assert_eq!(misses(&as_published), []);
    }

    #[test]
    fn three_pods_of_four_cores_fill_sixteen_and_fargate_is_cheaper() {
        let ground = Ground {
            region: Region::ApNortheast2,
            book: PriceBook::embedded(),
            shape: NodeShape::REALISTIC,
            architectures: &[Architecture::Amd64],
            overhead: SEOUL_OVERHEAD,
        };
        let pod = PodResources::one(Millicores::cores(4), Bytes::gibibytes(16));
        let found = break_even(&pod, &ground).expect("a break-even");
        assert_eq!(found.pods, 3);
        assert!(found.node > found.fargate.times(3));
        let huge = PodResources::one(Millicores::cores(40), Bytes::gibibytes(16));
        assert!(break_even(&huge, &ground).is_err());
    }
}
