//! Each workload by itself: its size on Fargate, its break-even, what a step of its size costs.

use serde::Serialize;

use crate::catalogue::Architecture;
use crate::compare::break_even::{Ground, break_even};
use crate::compare::sides::Setting;
use crate::compare::system::{DAEMONS, node_overhead};
use crate::compare::workload::{Timed, Workloads, full_name};
use crate::fargate::{self, Size, Sized};
use crate::manifest::Workload;
use crate::money::Amount;
use crate::pod::Pod;
use crate::quantity::Bytes;

/// A workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkloadRow {
    /// Its name.
    pub workload: String,
    /// How many pods.
    pub pods: u32,
    /// For how many hours each.
    pub hours: i64,
    /// What Fargate bills for each.
    pub fargate_size: Option<String>,
    /// What all of them cost there.
    pub fargate_usd_per_month: Option<f64>,
    /// CPU of the size that no container asks for.
    pub free_cpu_m: Option<i64>,
    /// Memory of it.
    pub free_memory_mib: Option<i64>,
    /// How full a node must be for it to be cheaper there.
    pub break_even_percent: Option<f64>,
    /// The type of that node.
    pub break_even_type: Option<&'static str>,
    /// `fargate` or `nodes`, at the utilisation of the first side's nodes.
    pub cheaper: Option<&'static str>,
    /// Why there are no figures.
    pub reason: Option<String>,
}

/// A request that could cost a step less.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// The workload.
    pub workload: String,
    /// What is billed for each pod.
    pub from: String,
    /// The next cheaper size that is no larger.
    pub to: String,
    /// What a pod may ask for then at most.
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
    utilisation: Option<i64>,
) -> (Vec<WorkloadRow>, Vec<Move>) {
    let mut daemons = workloads.system.workloads(&DAEMONS);
    daemons.extend(workloads.daemonsets.clone());
    let daemons: Vec<Pod> = daemons.iter().flat_map(Workload::pods).collect();
    let ground = Ground {
        region: setting.region,
        book: setting.book,
        shape: setting.shape,
        architectures: &[Architecture::Amd64],
        overhead: node_overhead(&daemons),
    };
    let mut rows = Vec::new();
    let mut moves = Vec::new();
    for one in &workloads.timed {
        let (row, step) = row(one, workloads, &ground, utilisation);
        rows.push(row);
        moves.extend(step);
    }
    moves.sort_by(|one, other| {
        other.saves.cmp(&one.saves).then_with(|| one.workload.cmp(&other.workload))
    });
    moves.truncate(MOST_MOVES);
    (rows, moves)
}

fn row(
    timed: &Timed,
    workloads: &Workloads,
    ground: &Ground<'_>,
    utilisation: Option<i64>,
) -> (WorkloadRow, Option<Move>) {
    let workload = &timed.workload;
    let mut row = WorkloadRow {
        workload: full_name(workload),
        pods: workload.replicas,
        hours: timed.hours,
        fargate_size: None,
        fargate_usd_per_month: None,
        free_cpu_m: None,
        free_memory_mib: None,
        break_even_percent: None,
        break_even_type: None,
        cheaper: None,
        reason: None,
    };
    let Some(first) = workload.pods().into_iter().next() else {
        row.reason = Some("it has no pods".to_owned());
        return (row, None);
    };
    if let Some(obstacle) =
        fargate::fitness(&first, workload.kind, &workloads.storage).obstacles.first()
    {
        row.reason = Some(format!("cannot run on Fargate: {}", obstacle.reason));
        row.cheaper = Some("nodes");
        return (row, None);
    }
    let resources = &workload.template.resources;
    let sized = match fargate::size(resources) {
        Ok(sized) => sized,
        Err(too_big) => {
            row.reason = Some(format!("cannot run on Fargate: {too_big}"));
            row.cheaper = Some("nodes");
            return (row, None);
        }
    };
    let requests = resources.kubernetes_requests();
    row.fargate_size = Some(sized.size.to_string());
    row.free_cpu_m = Some(sized.size.vcpu.0 - requests.cpu.unwrap_or_default().0);
    let free = sized.size.memory - SYSTEM_MEMORY - requests.memory.unwrap_or_default();
    row.free_memory_mib = Some(free.in_mebibytes_down());
    match fargate::price(&sized, ground.region.name(), ground.book) {
        Ok(price) => {
            let all = price.amount(i64::from(workload.replicas), timed.hours * 3600);
            row.fargate_usd_per_month = Some(super::number(all));
        }
        Err(why) => row.reason = Some(why.reason),
    }
    match break_even(resources, ground) {
        Ok(found) => {
            #[expect(clippy::cast_precision_loss, reason = "per cent; only written out")]
            let percent = found.ten_thousandths as f64 / 100.0;
            row.break_even_percent = Some(percent);
            row.break_even_type = Some(found.instance_type);
            row.cheaper = utilisation.map(|thousandths| {
                if thousandths * 10 > found.ten_thousandths { "nodes" } else { "fargate" }
            });
        }
        Err(why) => row.reason = Some(why.reason),
    }
    let step = step(timed, &sized, ground);
    (row, step)
}

/// The next cheaper size that is no larger in either, and what it saves.
fn step(timed: &Timed, sized: &Sized, ground: &Ground<'_>) -> Option<Move> {
    let price = |size: Size| {
        let one = Sized { size, ..sized.clone() };
        fargate::price(&one, ground.region.name(), ground.book).ok()
    };
    let now = price(sized.size)?;
    let (to, then) = fargate::sizes()
        .iter()
        .filter(|size| size.vcpu <= sized.size.vcpu && size.memory <= sized.size.memory)
        .filter_map(|size| Some((*size, price(*size)?)))
        .filter(|(_, price)| price.ten_billionths() < now.ten_billionths())
        .max_by_key(|(_, price)| price.ten_billionths())?;
    let month = |price: crate::money::Price| {
        price.amount(i64::from(timed.workload.replicas), timed.hours * 3600)
    };
    let saves = month(now) - month(then);
    Some(Move {
        workload: full_name(&timed.workload),
        from: sized.size.to_string(),
        to: to.to_string(),
        cpu_at_most_m: to.vcpu.0,
        memory_at_most_mib: (to.memory - SYSTEM_MEMORY).in_mebibytes_down(),
        saves_usd_per_month: super::number(saves),
        saves,
    })
}
