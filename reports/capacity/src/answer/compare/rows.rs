//! Each workload by itself: its size on Fargate, its break-even, its cliffs, what a smaller step saves.

use serde::Serialize;

use super::number;
use crate::compare::break_even::Nodes;
use crate::compare::on_fargate::{self, Sidecar};
use crate::compare::sides::{self, Setting};
use crate::compare::workload::{Timed, Workloads, full_name};
use crate::fargate::{self, Size, Sized};
use crate::money::{Amount, Price, Unpriced};
use crate::pod_resources::PodResources;
use crate::quantity::{Bytes, Millicores};

/// A workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkloadRow {
    /// Its name.
    pub workload: String,
    /// Its kind; `Row` is one of a table.
    pub kind: String,
    /// How many pods.
    pub pods: u32,
    /// For how many hours each, on average.
    pub hours: f64,
    /// Between how many pods it is scaled.
    pub replicas: Option<Replicas>,
    /// What Fargate bills for each.
    pub fargate_size: Option<String>,
    /// What all of them cost there.
    pub fargate_usd_per_month: Option<f64>,
    /// What they cost on nodes that are as full as those of the first side.
    pub karpenter_usd_per_month: Option<f64>,
    /// What they cost on nodes full of them.
    pub node_usd_per_month_full: Option<f64>,
    /// CPU of the size that no container asks for.
    pub free_cpu_m: Option<i64>,
    /// Memory of it.
    pub free_memory_mib: Option<i64>,
    /// What asking for more costs.
    pub cliffs: Vec<Cliff>,
    /// How full a node must be for it to be cheaper there.
    pub break_even_percent: Option<f64>,
    /// The type of that node.
    pub break_even_type: Option<&'static str>,
    /// `fargate` or `nodes`, as full as the first side's nodes are.
    pub cheaper: Option<&'static str>,
    /// Why there are no figures.
    pub reason: Option<String>,
    /// The same as amounts, for sums.
    #[serde(skip)]
    pub(super) both: Option<Both>,
}

/// What a workload costs on Fargate, and on nodes full of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Both {
    pub(super) fargate: Amount,
    pub(super) full_nodes: Amount,
}

/// How many pods an autoscaler runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replicas {
    /// At least.
    pub min: u32,
    /// On average.
    pub mean: f64,
    /// At most.
    pub max: u32,
    /// Where the average is from.
    pub how: String,
}

/// The next step of Fargate's sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cliff {
    /// `cpu` or `memory`.
    pub resource: &'static str,
    /// A request above this is billed as the next size.
    pub above: String,
    /// That size.
    pub to: String,
    /// What all pods cost more then.
    pub adds_usd_per_month: f64,
    /// That in per cent of what they cost.
    pub adds_percent: f64,
}

/// A request that could cost a step less.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// The workload.
    pub workload: String,
    /// Why: `usage` that is known, or only the next `step` down.
    pub by: &'static str,
    /// What is billed for each pod.
    pub from: String,
    /// What would be.
    pub to: String,
    /// What a pod may ask for then at most, besides its sidecars.
    pub cpu_at_most_m: i64,
    /// What a pod may ask for then at most.
    pub memory_at_most_mib: i64,
    /// What that saves for all of them.
    pub saves_usd_per_month: f64,
    #[serde(skip)]
    saves: Amount,
}

/// What Fargate adds to a pod's memory.
const SYSTEM_MEMORY: Bytes = Bytes::mebibytes(256);
/// How many moves are worth reading.
const MOST_MOVES: usize = 10;

pub(super) fn rows(
    workloads: &Workloads,
    setting: &Setting<'_>,
    fullness: Option<i64>,
) -> (Vec<WorkloadRow>, Vec<Move>) {
    let nodes = sides::nodes(workloads, setting);
    let sidecars = on_fargate::sidecars(&workloads.daemonsets, setting);
    let table = Table { workloads, setting, sidecars, nodes, fullness };
    let mut rows = Vec::new();
    let mut moves = Vec::new();
    for one in &workloads.timed {
        let (row, found) = table.row(one);
        rows.push(row);
        moves.extend(found);
    }
    moves.sort_by(|one, other| {
        other.saves.cmp(&one.saves).then_with(|| one.workload.cmp(&other.workload))
    });
    moves.truncate(MOST_MOVES);
    (rows, moves)
}

struct Table<'a> {
    workloads: &'a Workloads,
    setting: &'a Setting<'a>,
    sidecars: Vec<Sidecar>,
    nodes: Nodes<'a>,
    fullness: Option<i64>,
}

impl Table<'_> {
    fn row(&self, timed: &Timed) -> (WorkloadRow, Option<Move>) {
        let workload = &timed.workload;
        let mut row = empty(timed);
        let Some(first) = workload.first_pod().filter(|_| !timed.runs.is_empty()) else {
            row.reason = Some("it has no pods".to_owned());
            return (row, None);
        };
        let on_nodes = self.on_full_nodes(timed);
        let full = on_nodes.as_ref().ok().copied();
        row.node_usd_per_month_full = full.map(number);
        row.karpenter_usd_per_month = full.zip(self.fullness).map(|(full, used)| {
            number(Amount::from_raw(full.raw() * 1000 / i128::from(used.max(1))))
        });
        let storage = &self.workloads.storage;
        let obstacle =
            fargate::fitness(&first, workload.kind, storage).obstacles.into_iter().next();
        let resources = &workload.template.resources;
        let there = on_fargate::with(resources, &self.sidecars);
        let sized = match (obstacle, fargate::size(&there)) {
            (Some(obstacle), _) => Err(obstacle.reason),
            (None, sized) => sized.map_err(|too_big| too_big.to_string()),
        };
        let sized = match sized {
            Ok(sized) => sized,
            Err(why) => {
                let also = on_nodes
                    .as_ref()
                    .err()
                    .map(|why| format!("; unpriced on nodes: {}", why.reason));
                row.reason =
                    Some(format!("cannot run on Fargate: {why}{}", also.unwrap_or_default()));
                row.cheaper = on_nodes.is_ok().then_some("nodes");
                return (row, None);
            }
        };
        self.on_fargate(timed, &there, &sized, full, &mut row);
        match self.nodes.break_even(&workload.template, &there) {
            Ok(found) => {
                row.break_even_percent = Some(percent(found.ten_thousandths));
                row.break_even_type = Some(found.instance_type);
                row.cheaper = self.fullness.map(|thousandths| {
                    if thousandths * 10 > found.ten_thousandths { "nodes" } else { "fargate" }
                });
            }
            Err(why) => row.reason = Some(format!("unpriced: {}", why.reason)),
        }
        let found = self.by_usage(timed, &sized).or_else(|| self.by_step(timed, &sized));
        (row, found)
    }

    /// Its pods on nodes that hold nothing else and are full.
    fn on_full_nodes(&self, timed: &Timed) -> Result<Amount, Unpriced> {
        let node = self.nodes.cheapest(&timed.workload.template)?;
        let month = i128::from(crate::compare::runs::MONTH_SECONDS);
        let pod_seconds = i128::from(timed.pod_seconds());
        Ok(Amount::from_raw(node.cost.raw() * pod_seconds / month / i128::from(node.pods)))
    }

    fn price(&self, sized: &Sized, size: Size) -> Option<Price> {
        let one = Sized { size, ..sized.clone() };
        fargate::price(&one, self.setting.region.name(), self.setting.book).ok()
    }

    fn on_fargate(
        &self,
        timed: &Timed,
        there: &PodResources,
        sized: &Sized,
        full: Option<Amount>,
        row: &mut WorkloadRow,
    ) {
        let requests = there.kubernetes_requests();
        let cpu = requests.cpu.unwrap_or_default();
        let memory = requests.memory.unwrap_or_default();
        row.fargate_size = Some(sized.size.to_string());
        row.free_cpu_m = Some(sized.size.vcpu.0 - cpu.0);
        let free = sized.size.memory - SYSTEM_MEMORY - memory;
        row.free_memory_mib = Some(free.in_mebibytes_down());
        let price = fargate::price(sized, self.setting.region.name(), self.setting.book);
        match price {
            Ok(price) => {
                let all = price.amount(1, timed.billed_seconds());
                row.fargate_usd_per_month = Some(number(all));
                row.both = full.map(|full_nodes| Both { fargate: all, full_nodes });
            }
            Err(why) => row.reason = Some(why.reason),
        }
        let needed = memory + SYSTEM_MEMORY;
        let size = sized.size;
        let next = [
            (
                "cpu",
                Size::holding(Millicores(size.vcpu.0 + 1), needed),
                format!("{}m", size.vcpu.0),
            ),
            (
                "memory",
                Size::holding(cpu, Bytes(size.memory.0 + 1)),
                format!("{}Mi", (size.memory - SYSTEM_MEMORY).in_mebibytes_down()),
            ),
        ];
        let cliffs = next.into_iter().filter_map(|(resource, to, above)| {
            let (to, now) = (to?, self.price(sized, size)?);
            let then = self.price(sized, to)?;
            let (now, then) =
                (now.amount(1, timed.billed_seconds()), then.amount(1, timed.billed_seconds()));
            Some(Cliff {
                resource,
                above,
                to: to.to_string(),
                adds_usd_per_month: number(then - now),
                adds_percent: super::percent(then - now, now)?,
            })
        });
        row.cliffs = cliffs.collect();
    }

    /// The next cheaper size that is no larger in either, and what it saves.
    fn by_step(&self, timed: &Timed, sized: &Sized) -> Option<Move> {
        let now = self.price(sized, sized.size)?;
        let (to, _) = fargate::sizes()
            .iter()
            .filter(|size| size.vcpu <= sized.size.vcpu && size.memory <= sized.size.memory)
            .filter_map(|size| Some((*size, self.price(sized, *size)?)))
            .filter(|(_, price)| price.ten_billionths() < now.ten_billionths())
            .max_by_key(|(_, price)| price.ten_billionths())?;
        self.moved(timed, sized, to, "step")
    }

    /// The size that what a pod really uses would get, with 15 % more memory to be safe; its sidecars
    /// need what they ask for.
    fn by_usage(&self, timed: &Timed, sized: &Sized) -> Option<Move> {
        let usage = timed.usage.as_ref()?;
        let requests = timed.workload.template.resources.kubernetes_requests();
        let beside = on_fargate::requests(&self.sidecars);
        let cpu = usage.cpu.or(requests.cpu).unwrap_or_default() + beside.cpu.unwrap_or_default();
        let memory = match usage.memory {
            Some(memory) => Bytes(memory.0.saturating_mul(115) / 100),
            None => requests.memory.unwrap_or_default(),
        };
        let memory = memory + beside.memory.unwrap_or_default();
        let to = Size::holding(cpu, memory + SYSTEM_MEMORY)?;
        self.moved(timed, sized, to, "usage")
    }

    fn moved(&self, timed: &Timed, sized: &Sized, to: Size, by: &'static str) -> Option<Move> {
        let month = |size: Size| Some(self.price(sized, size)?.amount(1, timed.billed_seconds()));
        let saves = month(sized.size)? - month(to)?;
        let beside = on_fargate::requests(&self.sidecars);
        let cpu = to.vcpu.0 - beside.cpu.unwrap_or_default().0;
        let memory = to.memory - SYSTEM_MEMORY - beside.memory.unwrap_or_default();
        let is_room = cpu >= 0 && memory >= Bytes::ZERO;
        (saves > Amount::ZERO && is_room).then(|| Move {
            workload: full_name(&timed.workload),
            by,
            from: sized.size.to_string(),
            to: to.to_string(),
            cpu_at_most_m: cpu,
            memory_at_most_mib: memory.in_mebibytes_down(),
            saves_usd_per_month: number(saves),
            saves,
        })
    }
}

fn empty(timed: &Timed) -> WorkloadRow {
    let pods = timed.workload.replicas;
    #[expect(clippy::cast_precision_loss, reason = "hours and replicas; only written out")]
    let (hours, replicas) = (
        timed.pod_seconds() as f64 / 3600.0 / f64::from(pods.max(1)),
        timed.scaled.as_ref().map(|scaled| Replicas {
            min: scaled.least,
            mean: scaled.mean_thousandths as f64 / 1000.0,
            max: scaled.most,
            how: scaled.how.clone(),
        }),
    );
    WorkloadRow {
        workload: full_name(&timed.workload),
        kind: format!("{:?}", timed.workload.kind),
        pods,
        hours,
        replicas,
        fargate_size: None,
        fargate_usd_per_month: None,
        karpenter_usd_per_month: None,
        node_usd_per_month_full: None,
        free_cpu_m: None,
        free_memory_mib: None,
        cliffs: Vec::new(),
        break_even_percent: None,
        break_even_type: None,
        cheaper: None,
        reason: None,
        both: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "per cent; only written out")]
fn percent(ten_thousandths: i64) -> f64 {
    ten_thousandths as f64 / 100.0
}
