//! The sides for every setting that a verdict needs.

use jiff::civil::Date;

use super::CompareOptions;
use crate::compare::lever::{Pair, Reshaped};
use crate::compare::shape::NodeShape;
use crate::compare::side::{Side, SideId};
use crate::compare::sides::side;
use crate::compare::workload::{Scale, Workloads};
use crate::prices::{Coverage, PriceBook, Service};
use crate::region::Region;

/// The shapes that a verdict is repeated for.
const SHAPES: [Option<u32>; 3] = [Some(4), Some(16), None];

/// All of them, each list in the order of [`SideId::ALL`].
pub(super) struct Bills {
    /// By shape of nodes; the first is the one that was asked for.
    pub(super) shapes: Vec<(NodeShape, Vec<Side>)>,
    /// Every autoscaler at its fewest and at its most pods, where there are any.
    pub(super) scaled: Option<(Vec<Side>, Vec<Side>)>,
    /// What the first side could save by itself.
    pub(super) savings: Vec<(String, crate::money::Amount)>,
}

impl Bills {
    pub(super) fn new(workloads: &Workloads, options: &CompareOptions, book: &PriceBook) -> Self {
        let asked = options.setting(options.shape, book);
        let mut shapes = vec![options.shape];
        for vcpus_at_most in SHAPES.into_iter().filter(|one| *one != options.shape.vcpus_at_most) {
            shapes.push(NodeShape { vcpus_at_most, ..options.shape });
        }
        // Fargate has no nodes: one bill does for every shape.
        let on_fargate = side(SideId::Fargate, workloads, &asked);
        let all = |shape: NodeShape| -> Vec<Side> {
            let setting = options.setting(shape, book);
            let of = |id: &SideId| match id {
                SideId::Fargate => on_fargate.clone(),
                other => side(*other, workloads, &setting),
            };
            SideId::ALL.iter().map(of).collect()
        };
        let shapes = shapes.into_iter().map(|shape| (shape, all(shape))).collect();
        let scaled = workloads.is_scaled().then(|| {
            let at = |scale| {
                let scaled = workloads.scaled_to(scale);
                SideId::ALL.iter().map(|id| side(*id, &scaled, &asked)).collect()
            };
            (at(Scale::Least), at(Scale::Most))
        });
        Self { shapes, scaled, savings: super::verdicts::smaller_karpenter(workloads, &asked) }
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
