//! The sides for every setting that a verdict needs.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::civil::Date;

use super::CompareOptions;
use crate::compare::lever::{Pair, Reshaped};
use crate::compare::node_group;
use crate::compare::shape::NodeShape;
use crate::compare::side::{Side, SideId};
use crate::compare::sides::{Setting, side};
use crate::compare::workload::{Scale, Workloads};
use crate::prices::{Coverage, PriceBook, Service};
use crate::region::Region;

/// The shapes that a verdict is repeated for.
const SHAPES: [Option<u32>; 3] = [Some(4), Some(16), None];

/// With more pods than this, shapes that were not asked for and autoscalers' ends are packed as one
/// cold batch only, for consolidation of very many small nodes takes its time.
pub(super) const MOST_SETTLED: usize = 2000;

/// All of them, each list in the order of [`SideId::ALL`].
pub(super) struct Bills {
    /// By shape of nodes; the first is the one that was asked for.
    pub(super) shapes: Vec<(NodeShape, Vec<Side>)>,
    /// Every autoscaler at its fewest and at its most pods, where there are any.
    pub(super) scaled: Option<(Vec<Side>, Vec<Side>)>,
    /// What the first side could save by itself.
    pub(super) savings: Vec<(String, crate::money::Amount)>,
}

/// Bills to be made, which depend on no others.
enum Task<'a> {
    /// A side with nodes of a shape.
    Side(SideId, &'a Workloads, Setting<'a>),
    /// Node groups with nodes of each shape.
    NodeGroups(&'a Workloads, &'a [Setting<'a>]),
}

impl Task<'_> {
    fn bills(&self) -> Vec<Side> {
        match self {
            Self::Side(id, workloads, setting) => vec![side(*id, workloads, setting)],
            Self::NodeGroups(workloads, settings) => node_group::sides(workloads, settings),
        }
    }
}

/// The sides of some workloads for some shapes, each list in the order of [`SideId::ALL`]. A side
/// without nodes is billed once for all of them.
fn bills(workloads: &Workloads, settings: &[Setting<'_>]) -> Vec<Vec<Side>> {
    let shared = [SideId::Fargate, SideId::NodeGroup];
    let each: Vec<SideId> = SideId::ALL.into_iter().filter(|id| !shared.contains(id)).collect();
    let mut tasks = vec![Task::NodeGroups(workloads, settings)];
    tasks.extend(settings.first().map(|one| Task::Side(SideId::Fargate, workloads, *one)));
    for setting in settings {
        tasks.extend(each.iter().map(|id| Task::Side(*id, workloads, *setting)));
    }
    let mut made = at_once(&tasks).into_iter();
    let groups = made.next().unwrap_or_default();
    let on_fargate = made.next().unwrap_or_default();
    groups
        .into_iter()
        .map(|group| {
            let mut sides: Vec<Side> = made.by_ref().take(each.len()).flatten().collect();
            sides.extend(on_fargate.iter().cloned().chain([group]));
            sides.sort_by_key(|side| SideId::ALL.iter().position(|id| *id == side.id));
            sides
        })
        .collect()
}

/// Does all of them, as many at a time as there are processors, and gives the bills in their order.
fn at_once(tasks: &[Task<'_>]) -> Vec<Vec<Side>> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        while let Some((at, task)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            tasks.get(at).map(|task| (at, task))
        } {
            made.push((at, task.bills()));
        }
        made
    };
    let mut made: Vec<(usize, Vec<Side>)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers.min(tasks.len())).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        for other in others {
            match other.join() {
                Ok(more) => made.extend(more),
                // What went wrong there goes wrong here.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        made
    });
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, bills)| bills).collect()
}

impl Bills {
    pub(super) fn new<'book>(
        workloads: &Workloads,
        options: &'book CompareOptions,
        book: &'book PriceBook,
    ) -> Self {
        let asked = options.setting(options.shape, book);
        let mut shapes = vec![options.shape];
        for vcpus_at_most in SHAPES.into_iter().filter(|one| *one != options.shape.vcpus_at_most) {
            shapes.push(NodeShape { vcpus_at_most, ..options.shape });
        }
        let is_few = workloads.pod_count() <= MOST_SETTLED;
        let beside = |setting: Setting<'book>| Setting { settles: is_few, ..setting };
        let mut settings: Vec<Setting<'_>> =
            shapes.iter().map(|shape| beside(options.setting(*shape, book))).collect();
        settings[0] = asked;
        let scaled = workloads.is_scaled().then(|| {
            let at = |scale| {
                bills(&workloads.scaled_to(scale), &[beside(asked)]).pop().unwrap_or_default()
            };
            (at(Scale::Least), at(Scale::Most))
        });
        Self {
            shapes: shapes.into_iter().zip(bills(workloads, &settings)).collect(),
            scaled,
            savings: super::verdicts::smaller_karpenter(workloads, &asked),
        }
    }

    /// The sides as they were asked for.
    pub(super) fn asked(&self) -> &[Side] {
        self.shapes.first().map_or(&[], |(_, sides)| sides)
    }

    /// The first side and the one at a position, for each shape but the one that was asked for.
    pub(super) fn reshaped(&self, at: usize) -> Vec<Reshaped<'_>> {
        let others = self.shapes.iter().skip(1);
        others.map(|(shape, sides)| Reshaped { shape: *shape, pair: pair(sides, at) }).collect()
    }

    /// The same with every autoscaler at each end.
    pub(super) fn scaled(&self, at: usize) -> Option<(Pair<'_>, Pair<'_>)> {
        self.scaled.as_ref().map(|(least, most)| (pair(least, at), pair(most, at)))
    }
}

/// The first side and the one at a position.
pub(super) fn pair(sides: &[Side], at: usize) -> Pair<'_> {
    Pair { first: &sides[0], other: &sides[at] }
}

/// Pods that no side can run.
pub(super) fn held_by_none(sides: &[Side]) -> Vec<String> {
    let Some((first, others)) = sides.split_first() else { return Vec::new() };
    let refused: Vec<std::collections::BTreeSet<&str>> = others
        .iter()
        .map(|side| side.not_held.iter().map(|one| one.pod.as_str()).collect())
        .collect();
    let mut held_by_none: Vec<String> = Vec::new();
    for one in &first.not_held {
        let is_refused = refused.iter().all(|pods| pods.contains(one.pod.as_str()));
        if is_refused && held_by_none.last() != Some(&one.pod) {
            held_by_none.push(one.pod.clone());
        }
    }
    held_by_none
}

/// The nodes' candidates, and Fargate's two prices and the volume's.
pub(super) fn coverage(sides: &[Side], region: Region, book: &PriceBook) -> Coverage {
    let mut all = sides
        .iter()
        .map(|side| side.coverage)
        .max_by_key(|coverage| coverage.offered)
        .unwrap_or_default();
    let days = |pick: fn(&Coverage) -> Option<Date>| {
        sides.iter().filter_map(move |side| pick(&side.coverage))
    };
    all.oldest = days(|one| one.oldest).min();
    all.newest = days(|one| one.newest).max();
    for service in [Service::FargateVcpu, Service::FargateMemory, Service::EbsGp3] {
        all.count(book.service(region.name(), service).ok().map(|quote| &*quote.provenance));
    }
    all
}
