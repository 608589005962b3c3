//! What the same workloads cost on each side, in the forms that others read.
//!
//! Every figure is a line of a bill; the lines of a side add up to its total. What is not simulated
//! and what is not priced is part of the answer. `bills` makes the sides for every setting that a
//! verdict needs, `verdicts` judges, `rows` and `curve` look at each workload by itself.

mod bills;
mod curve;
mod markdown;
mod rates;
mod remarks;
mod rows;
mod schema;
mod sides;
#[cfg(test)]
mod tests;
pub mod tornado;
mod verdicts;

use std::collections::BTreeMap;

use serde::Serialize;

pub use curve::{Curve, Point};
pub use rows::{Cliff, Move, Replicas, WorkloadRow};
pub use schema::COMPARE;
pub use sides::{LineAnswer, PackedAnswer, Reasoned, SideAnswer, SystemAnswer};
pub use verdicts::{BarAnswer, EndAnswer, ShapeAnswer, VerdictAnswer, in_words};

use super::written;
use super::{Completeness, PriceAge, PriceCoverage};
use crate::compare::options::Options;
use crate::compare::shape::NodeShape;
use crate::compare::sides::{NODE_GROUP_FAMILY, Setting};
use crate::compare::workload::{Images, Workloads};
use crate::manifest::NodePool;
use crate::money::{Amount, MONTH_HOURS};
use crate::pod_resources::Resources;
use crate::prices::{PlanTerm, PriceBook, UserPlan};
use crate::region::Region;

/// What is asked besides the workloads.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// The region.
    pub region: Region,
    /// Where the workloads are from: a file, or `sandbox`.
    pub source: String,
    /// Whether they run in the sandbox, where nothing is real.
    pub is_sandbox: bool,
    /// Which nodes.
    pub shape: NodeShape,
    /// Daemonsets that run as a sidecar in each pod on Fargate, and what the sidecar asks for.
    pub sidecars: BTreeMap<String, Option<Resources>>,
    /// Karpenter's pools; without any, one that allows the types of the shape.
    pub node_pools: Vec<NodePool>,
    /// For which processors images are, where that is known.
    pub images: Option<Images>,
    /// The family of the managed node group, or its type.
    pub node_group: String,
    /// Discounts of Savings Plans that the user has.
    pub plans: BTreeMap<PlanTerm, UserPlan>,
    /// Whether an answer that an unpriced type could change counts as unpriced.
    pub is_strict: bool,
}

impl CompareOptions {
    /// Nodes up to 16 vCPU, no sidecars, no pools.
    pub fn new(region: Region) -> Self {
        Self {
            region,
            source: String::new(),
            is_sandbox: false,
            shape: NodeShape::REALISTIC,
            sidecars: BTreeMap::new(),
            node_pools: Vec::new(),
            images: None,
            node_group: NODE_GROUP_FAMILY.to_owned(),
            plans: BTreeMap::new(),
            is_strict: false,
        }
    }

    /// With what a file of options says.
    #[must_use]
    pub fn with(mut self, file: Options) -> Self {
        self.shape = file.shape.on(self.shape);
        self.sidecars.extend(file.sidecars);
        self.images = file.images.or(self.images);
        self.node_group = file.node_group.unwrap_or(self.node_group);
        self.plans.extend(file.plans);
        self
    }

    fn setting<'a>(&'a self, shape: NodeShape, book: &'a PriceBook) -> Setting<'a> {
        Setting {
            sidecars: &self.sidecars,
            pools: &self.node_pools,
            images: self.images,
            node_group: &self.node_group,
            ..Setting::new(self.region, book, shape)
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Where the workloads are from.
    pub source: String,
    /// Whether they run in the sandbox, where nothing is real.
    pub is_sandbox: bool,
    /// The region.
    pub region: String,
    /// The currency of every figure.
    pub currency: &'static str,
    /// What the dollars are.
    pub money: String,
    /// The verdict in a sentence.
    pub headline: String,
    /// Hours of the month.
    pub hours_per_month: i64,
    /// How many workloads are on the bills.
    pub workload_count: usize,
    /// How many pods they have.
    pub pod_count: usize,
    /// Which nodes, in words.
    pub node_shape: String,
    /// Which nodes.
    pub shape: ShapeFigures,
    /// The bills; the first is what the others are held against.
    pub sides: Vec<SideAnswer>,
    /// A verdict on each other side.
    pub verdicts: Vec<VerdictAnswer>,
    /// Each workload.
    pub workloads: Vec<WorkloadRow>,
    /// What they cost on nodes as these get fuller.
    pub curve: Option<Curve>,
    /// Requests that cost a step of Fargate's sizes, the dearest first.
    pub moves: Vec<Move>,
    /// Workloads on no bill.
    pub unpriced: Vec<Reasoned>,
    /// Pods that no side can run.
    pub held_by_no_side: Vec<String>,
    /// What costs the same everywhere and is on no bill.
    pub same_on_every_side: Vec<String>,
    /// What matters and has no price.
    pub not_priced: Vec<String>,
    /// What is not simulated.
    pub not_simulated: Vec<String>,
    /// How far prices reach.
    pub prices: PriceCoverage,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Whether a result that an unpriced type could change counts as unpriced.
    #[serde(skip)]
    pub is_strict: bool,
}

/// The shape of nodes as figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShapeFigures {
    /// The largest node; none means any.
    pub vcpus_at_most: Option<u32>,
    /// Fewest nodes.
    pub nodes_at_least: u32,
    /// In how many zones a type must be offered.
    pub zones_at_least: u32,
    /// Most pods of a node; none means what its interfaces allow.
    pub pods_at_most: Option<u32>,
    /// The root volume of a node.
    pub root_volume_gib: Option<i64>,
    /// The pools, by name.
    pub node_pools: Vec<String>,
}

/// Dollars as the nearest number, for JSON; nothing is added up in it.
fn number(amount: Amount) -> f64 {
    // Written by us with ten places, so it is a number.
    amount.dollars(10).parse().unwrap_or(f64::NAN)
}

fn percent(part: Amount, of: Amount) -> Option<f64> {
    let positive = Amount::from_raw(part.raw().abs());
    #[expect(clippy::cast_precision_loss, reason = "per cent with two places; only written out")]
    let share = positive.ratio(of).map(|ratio| ratio as f64 / 100.0)?;
    Some(if part.raw() < 0 { -share } else { share })
}

impl Comparison {
    /// Bills every side and judges.
    pub fn new(
        workloads: &Workloads,
        options: &CompareOptions,
        book: &PriceBook,
        age: PriceAge,
        notes: Vec<String>,
    ) -> Self {
        let bills = bills::Bills::new(workloads, options, book);
        let asked = options.setting(options.shape, book);
        let sides = bills.asked();
        // Of nothing there is nothing to say.
        let verdicts = match workloads.pod_count() {
            0 => Vec::new(),
            _ => verdicts::verdicts(&bills, options, book),
        };
        let (rows, moves) = rows::rows(workloads, &asked, sides[0].fullness);
        let answers: Vec<SideAnswer> =
            sides.iter().map(|side| SideAnswer::new(side, workloads, &asked)).collect();
        let prices = PriceCoverage::new(&bills::coverage(sides, options.region, book), age);
        let mut comparison = Self {
            source: options.source.clone(),
            is_sandbox: options.is_sandbox,
            region: options.region.name().to_owned(),
            currency: book.currency().code(),
            money: remarks::money(book, &prices),
            headline: verdicts::headline(workloads, &answers, &verdicts),
            hours_per_month: MONTH_HOURS,
            workload_count: workloads.timed.len(),
            pod_count: workloads.pod_count(),
            node_shape: options.shape.title(),
            shape: ShapeFigures::new(options),
            verdicts,
            curve: curve::curve(&rows, answers[0].fullness_percent),
            workloads: rows,
            moves,
            unpriced: workloads
                .unpriced
                .iter()
                .map(|(name, why)| Reasoned::new(name, &why.reason))
                .collect(),
            held_by_no_side: bills::held_by_none(sides),
            same_on_every_side: remarks::same(options.region, book),
            not_priced: remarks::NOT_PRICED.map(str::to_owned).to_vec(),
            not_simulated: remarks::not_simulated(sides, workloads.pod_count()),
            prices,
            sides: answers,
            notes,
            is_strict: options.is_strict,
        };
        let own = remarks::own_notes(workloads, options, book, &comparison);
        comparison.notes.extend(own);
        comparison
    }

    /// Whether anything is missing.
    pub fn completeness(&self) -> Completeness {
        if !self.held_by_no_side.is_empty() {
            Completeness::Unplaced
        } else if !self.unpriced.is_empty()
            || self.sides.iter().any(|side| side.not_held.is_empty() && side.total.is_none())
            || (self.is_strict && self.prices.restricted_to_priced_types)
        {
            Completeness::Unpriced
        } else {
            Completeness::Complete
        }
    }

    /// A row for each line of each bill, amounts with ten places; the rows of a side add up to it.
    pub fn csv(&self) -> String {
        let header =
            ["side", "kind", "what", "count", "hours", "usd_each", "usd_per_month", "reason"];
        let rows = self.sides.iter().flat_map(|side| {
            side.lines.iter().map(|line| {
                vec![
                    side.side.to_owned(),
                    line.kind.to_owned(),
                    line.what.clone(),
                    line.count.to_string(),
                    line.hours.to_string(),
                    line.usd_each.map(|price| price.to_string()).unwrap_or_default(),
                    line.exact.clone().unwrap_or_default(),
                    line.reason.clone().unwrap_or_default(),
                ]
            })
        });
        written::csv(&header, rows)
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        markdown::markdown(self)
    }
}

impl ShapeFigures {
    fn new(options: &CompareOptions) -> Self {
        let NodeShape {
            vcpus_at_most,
            nodes_at_least,
            zones_at_least,
            pods_at_most,
            root_volume_gib,
        } = options.shape;
        let given = options.node_pools.iter().map(|pool| pool.name.clone());
        let node_pools: Vec<String> = given.collect();
        Self {
            vcpus_at_most,
            nodes_at_least,
            zones_at_least,
            pods_at_most,
            root_volume_gib,
            node_pools: if node_pools.is_empty() { vec!["default".to_owned()] } else { node_pools },
        }
    }
}
