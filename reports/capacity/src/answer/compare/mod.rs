//! What the same workloads cost on each side, in the forms that others read.
//!
//! Every figure is a line of a bill; the lines of a side add up to its total. What is not simulated
//! and what is not priced is part of the answer.

mod markdown;
mod remarks;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use serde::Serialize;

pub use rows::{Move, WorkloadRow};
pub use schema::COMPARE;

use super::written;
use super::{Completeness, PriceAge, PriceCoverage};
use crate::compare::shape::NodeShape;
use crate::compare::side::{Line, Side, SideId};
use crate::compare::sides::{Setting, side, system_on_fargate};
use crate::compare::system::{Component, NODELESS};
use crate::compare::verdict::{Answer, Reshaped, Verdict, verdict};
use crate::compare::workload::Workloads;
use crate::money::{Amount, MONTH_HOURS};
use crate::prices::{Coverage, PriceBook, Service};
use crate::region::Region;

/// What is asked besides the workloads.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// The region.
    pub region: Region,
    /// At most so many vCPUs in a node; none means any.
    pub vcpus_at_most: Option<u32>,
    /// Daemonsets that run as a sidecar in each pod on Fargate.
    pub sidecars: Vec<String>,
    /// Whether an answer that an unpriced type could change counts as unpriced.
    pub is_strict: bool,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The region.
    pub region: String,
    /// What the dollars are.
    pub money: String,
    /// Hours of the month.
    pub hours_per_month: i64,
    /// How many workloads are on the bills.
    pub workload_count: usize,
    /// How many pods they have.
    pub pod_count: usize,
    /// Which nodes.
    pub node_shape: String,
    /// The bills; the first is what the others are held against.
    pub sides: Vec<SideAnswer>,
    /// A verdict on each other side.
    pub verdicts: Vec<VerdictAnswer>,
    /// Each workload.
    pub workloads: Vec<WorkloadRow>,
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

/// A bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideAnswer {
    /// Its name.
    pub side: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its total; none when a pod has no place there or a line no price.
    pub usd_per_month: Option<f64>,
    /// Of spot, where it is cheapest.
    pub usd_per_month_low: Option<f64>,
    /// Of spot, where it is dearest.
    pub usd_per_month_high: Option<f64>,
    /// How many nodes at most at a time.
    pub nodes: usize,
    /// How much of them pods ask for.
    pub utilisation_percent: Option<f64>,
    /// Its lines.
    pub lines: Vec<LineAnswer>,
    /// Pods it cannot run.
    pub not_held: Vec<Reasoned>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The total, exact.
    #[serde(skip)]
    pub total: Option<Amount>,
}

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineAnswer {
    /// What kind of thing.
    pub kind: &'static str,
    /// What is billed.
    pub what: String,
    /// How many.
    pub count: i64,
    /// For how many hours.
    pub hours: i64,
    /// The price of one per hour, of a volume per month.
    pub usd_each: Option<f64>,
    /// What it comes to.
    pub usd_per_month: Option<f64>,
    /// Why there is no figure.
    pub reason: Option<String>,
    /// The same exactly: dollars with ten places.
    #[serde(skip)]
    pub exact: Option<String>,
}

/// A name and a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reasoned {
    /// What.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictAnswer {
    /// On which side.
    pub side: &'static str,
    /// `cheaper`, `dearer`, `within_uncertainty` or `cannot_say`, against the first side.
    pub answer: &'static str,
    /// Its total less the first side's.
    pub difference_usd: Option<f64>,
    /// That in per cent of the first side's.
    pub difference_percent: Option<f64>,
    /// The largest step towards zero that one lever takes.
    pub uncertainty_usd: Option<f64>,
    /// That in per cent of the first side's.
    pub uncertainty_percent: Option<f64>,
    /// Each lever, the largest first.
    pub levers: Vec<LeverAnswer>,
    /// The answer for each shape of nodes, by all other levers.
    pub by_node_shape: Vec<ShapeAnswer>,
    /// Why nothing can be said.
    pub reason: Option<String>,
}

/// A lever.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeverAnswer {
    /// What.
    pub what: String,
    /// The difference then.
    pub difference_usd: f64,
    /// Whether it has another sign then.
    pub turns: bool,
}

/// The answer for one shape of nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShapeAnswer {
    /// The shape.
    pub node_shape: String,
    /// The answer.
    pub answer: &'static str,
    /// The difference.
    pub difference_usd: Option<f64>,
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

/// The shapes that a verdict is repeated for.
const SHAPES: [Option<u32>; 3] = [Some(4), Some(16), None];

impl Comparison {
    /// Bills every side and judges.
    pub fn new(
        workloads: &Workloads,
        options: &CompareOptions,
        book: &PriceBook,
        age: PriceAge,
        notes: Vec<String>,
    ) -> Self {
        let setting = |vcpus_at_most| Setting {
            region: options.region,
            book,
            shape: NodeShape::up_to(vcpus_at_most),
            sidecars: &options.sidecars,
        };
        let asked = setting(options.vcpus_at_most);
        let bills = |setting: &Setting<'_>| -> Vec<Side> {
            SideId::ALL.iter().map(|id| side(*id, workloads, setting)).collect()
        };
        let sides = bills(&asked);
        let mut shapes = vec![(asked.shape, sides.clone())];
        for vcpus in SHAPES.into_iter().filter(|vcpus| *vcpus != options.vcpus_at_most) {
            let one = setting(vcpus);
            shapes.push((one.shape, bills(&one)));
        }
        let savings = smaller_karpenter(workloads, &asked);
        let verdicts = (1..sides.len()).map(|at| judged(at, &shapes, &savings)).collect();
        let (rows, moves) = rows::rows(workloads, &asked, sides[0].utilisation);
        let mut comparison = Self {
            region: options.region.name().to_owned(),
            money: "list prices in USD before tax, discounts and credits".to_owned(),
            hours_per_month: MONTH_HOURS,
            workload_count: workloads.timed.len(),
            pod_count: workloads.pod_count(),
            node_shape: asked.shape.title(),
            verdicts,
            workloads: rows,
            moves,
            unpriced: workloads
                .unpriced
                .iter()
                .map(|(name, why)| reasoned(name, &why.reason))
                .collect(),
            held_by_no_side: held_by_none(&sides),
            same_on_every_side: remarks::same(options.region, book),
            not_priced: remarks::NOT_PRICED.map(str::to_owned).to_vec(),
            not_simulated: remarks::NOT_SIMULATED.map(str::to_owned).to_vec(),
            prices: PriceCoverage::new(&coverage(&sides, options.region, book), age),
            sides: sides.iter().map(SideAnswer::new).collect(),
            notes,
            is_strict: options.is_strict,
        };
        let own = remarks::own_notes(workloads, &comparison);
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

impl SideAnswer {
    fn new(side: &Side) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "thousandths; only written out")]
        let utilisation = side.utilisation.map(|thousandths| thousandths as f64 / 10.0);
        let total = side.complete();
        let range = side.range.filter(|_| total.is_some());
        Self {
            side: side.id.name(),
            title: side.id.title(),
            usd_per_month: total.map(number),
            usd_per_month_low: range.map(|(low, _)| number(low)),
            usd_per_month_high: range.map(|(_, high)| number(high)),
            nodes: side.peak_nodes,
            utilisation_percent: utilisation,
            lines: side.lines.iter().map(line).collect(),
            not_held: side.not_held.iter().map(|one| reasoned(&one.pod, &one.reason)).collect(),
            notes: side.notes.clone(),
            total,
        }
    }
}

fn line(line: &Line) -> LineAnswer {
    let amount = line.amount();
    LineAnswer {
        kind: line.kind.name(),
        what: line.what.clone(),
        count: line.count,
        hours: line.hours,
        usd_each: line.price.as_ref().ok().map(|price| price.dollars()),
        usd_per_month: amount.as_ref().ok().map(|amount| number(*amount)),
        exact: amount.as_ref().ok().map(|amount| amount.dollars(10)),
        reason: amount.err().map(|why| why.reason),
    }
}

fn reasoned(name: &str, reason: &str) -> Reasoned {
    Reasoned { name: name.to_owned(), reason: reason.to_owned() }
}

/// The verdict on the side at a position; the first shape is the one that was asked for.
fn judged(
    at: usize,
    shapes: &[(NodeShape, Vec<Side>)],
    savings: &[(String, Amount)],
) -> VerdictAnswer {
    let (_, sides) = &shapes[0];
    let reshaped: Vec<Reshaped<'_>> = shapes
        .iter()
        .skip(1)
        .map(|(shape, sides)| Reshaped { shape: *shape, first: &sides[0], other: &sides[at] })
        .collect();
    let Verdict { side, answer, difference, uncertainty, levers, reason } =
        verdict(&sides[0], &sides[at], &reshaped, savings);
    let first = sides[0].complete();
    let of_first = |amount: Amount| first.and_then(|first| percent(amount, first));
    let mut in_order: Vec<&(NodeShape, Vec<Side>)> = shapes.iter().collect();
    in_order.sort_by_key(|(shape, _)| shape.vcpus_at_most.unwrap_or(u32::MAX));
    let by_node_shape = in_order
        .into_iter()
        .map(|(shape, sides)| {
            let found = verdict(&sides[0], &sides[at], &[], savings);
            ShapeAnswer {
                node_shape: shape.title(),
                answer: found.answer.name(),
                difference_usd: found.difference.map(number),
            }
        })
        .collect();
    VerdictAnswer {
        side: side.name(),
        answer: answer.name(),
        difference_usd: difference.map(number),
        difference_percent: difference.and_then(of_first),
        uncertainty_usd: uncertainty.map(number),
        uncertainty_percent: uncertainty.and_then(of_first),
        levers: levers
            .into_iter()
            .map(|one| LeverAnswer {
                what: one.what,
                difference_usd: number(one.difference),
                turns: one.turns,
            })
            .collect(),
        by_node_shape,
        reason,
    }
}

/// What `NodeLess` saves when Karpenter's pods ask for no more than they use.
fn smaller_karpenter(workloads: &Workloads, setting: &Setting<'_>) -> Vec<(String, Amount)> {
    if workloads.system.found().contains(Component::Karpenter.name()) {
        return Vec::new();
    }
    let now = workloads.system.workloads(&NODELESS);
    let mut then = now.clone();
    for one in then.iter_mut().filter(|one| one.name == Component::Karpenter.name()) {
        *one = Component::small_karpenter();
    }
    let cost = |system: &[crate::manifest::Workload]| system_on_fargate(system, setting).complete();
    match (cost(&now), cost(&then)) {
        (Some(now), Some(then)) => {
            vec![("NodeLess with Karpenter's pods at 250m/700Mi".to_owned(), now - then)]
        }
        _ => Vec::new(),
    }
}

fn held_by_none(sides: &[Side]) -> Vec<String> {
    let Some((first, others)) = sides.split_first() else { return Vec::new() };
    let refuses = |side: &Side, pod: &str| side.not_held.iter().any(|one| one.pod == pod);
    first
        .not_held
        .iter()
        .map(|one| one.pod.clone())
        .filter(|pod| others.iter().all(|side| refuses(side, pod)))
        .collect()
}

/// The nodes' candidates, and Fargate's two prices and the volume's.
fn coverage(sides: &[Side], region: Region, book: &PriceBook) -> Coverage {
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

/// What a verdict is called by people.
pub fn in_words(answer: &str) -> &'static str {
    let all = [
        (Answer::Cheaper, "cheaper"),
        (Answer::Dearer, "dearer"),
        (Answer::Within, "within the uncertainty"),
        (Answer::CannotSay, "cannot say"),
    ];
    all.into_iter().find(|(one, _)| one.name() == answer).map_or("", |(_, words)| words)
}
