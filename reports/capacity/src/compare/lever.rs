//! What may be otherwise than it is billed, and what the difference of two sides is then.
//!
//! A lever has ends; the base is what was billed. Its break-even is the setting at which the
//! difference is nothing: computed where the lever is a number, the first end with another sign where
//! it is a choice.

use std::collections::BTreeMap;

use crate::money::{Amount, Unpriced};
use crate::prices::{PlanTerm, PriceBook, UserPlan};
use crate::region::Region;

use super::shape::NodeShape;
use super::side::{LineKind, Side, SideId};

/// Two sides.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// What the other is held against.
    pub first: &'a Side,
    /// The other.
    pub other: &'a Side,
}

impl Pair<'_> {
    /// The other's total less the first one's, if both are complete.
    pub fn difference(self) -> Option<Amount> {
        self.with(Side::complete)
    }

    /// The same with the nodes of one cold batch.
    fn cold_difference(self) -> Option<Amount> {
        self.with(|side| match side.cold {
            Some(cold) => cold.total,
            None => side.complete(),
        })
    }

    fn is_settled(self) -> bool {
        self.first.settled.is_some() || self.other.settled.is_some()
    }

    /// The difference of a pair in which something else is otherwise than in this one, of which the
    /// difference is given. Where only this one settled, what is otherwise moves it by as much as it
    /// moves one cold batch.
    fn difference_of(self, otherwise: Self, difference: Amount) -> Option<Amount> {
        if self.is_settled() == otherwise.is_settled() {
            return otherwise.difference();
        }
        Some(difference + (otherwise.cold_difference()? - self.cold_difference()?))
    }

    /// The same of something else than the totals.
    fn with(self, of: impl Fn(&Side) -> Option<Amount>) -> Option<Amount> {
        Some(of(self.other)? - of(self.first)?)
    }
}

/// The same two sides with nodes of another shape.
#[derive(Debug, Clone, Copy)]
pub struct Reshaped<'a> {
    /// The shape.
    pub shape: NodeShape,
    /// The sides.
    pub pair: Pair<'a>,
}

/// Where discounts of Savings Plans are from.
#[derive(Debug, Clone, Copy)]
pub struct Plans<'a> {
    /// The region.
    pub region: Region,
    /// The rates that are known.
    pub book: &'a PriceBook,
    /// The user's own.
    pub own: &'a BTreeMap<PlanTerm, UserPlan>,
}

/// What is otherwise.
#[derive(Debug, Clone, Default)]
pub struct Otherwise<'a> {
    /// Nodes of another shape.
    pub reshaped: Vec<Reshaped<'a>>,
    /// Autoscalers at their fewest and at their most pods.
    pub scaled: Option<(Pair<'a>, Pair<'a>)>,
    /// What the first could save by itself.
    pub savings: Vec<(String, Amount)>,
    /// Savings Plans.
    pub plans: Option<Plans<'a>>,
}

/// One end of a lever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What is set.
    pub setting: String,
    /// The difference then.
    pub difference: Amount,
}

/// A lever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lever {
    /// What.
    pub what: String,
    /// What was billed.
    pub base: String,
    /// Where the difference is least.
    pub low: End,
    /// Where it is most.
    pub high: End,
    /// Where it is nothing, if it is anywhere.
    pub break_even: Option<String>,
    /// Whether it has another sign at an end.
    pub turns: bool,
}

impl Lever {
    /// From the base and its other ends; none when nothing changes.
    fn new(
        what: &str,
        base: &str,
        difference: Amount,
        ends: Vec<End>,
        break_even: Option<String>,
    ) -> Option<Self> {
        let chosen = |one: &&End| is_turned(difference, one.difference);
        let turned = ends.iter().find(chosen).map(|end| format!("at {}", end.setting));
        let mut all = vec![End { setting: base.to_owned(), difference }];
        all.extend(ends);
        let low = all.iter().min_by_key(|end| end.difference)?.clone();
        let high = all.iter().max_by_key(|end| end.difference)?.clone();
        if low.difference == high.difference {
            return None;
        }
        Some(Self {
            what: what.to_owned(),
            base: base.to_owned(),
            turns: turned.is_some(),
            break_even: break_even.or(turned),
            low,
            high,
        })
    }

    /// How far apart its ends are.
    pub fn width(&self) -> Amount {
        self.high.difference - self.low.difference
    }

    /// How far it moves a difference towards zero and beyond.
    pub fn towards_zero(&self, difference: Amount) -> Amount {
        let step = if difference < Amount::ZERO {
            self.high.difference - difference
        } else {
            difference - self.low.difference
        };
        step.max(Amount::ZERO)
    }
}

fn is_turned(difference: Amount, then: Amount) -> bool {
    then.raw().signum() != difference.raw().signum()
}

/// How much spot saves on Karpenter's nodes, in thousandths.
const SPOT: [i64; 2] = [500, 700];
/// Ten points of utilisation, in thousandths.
const POINTS: i64 = 100;

/// Every lever of two sides.
pub fn levers(pair: Pair<'_>, difference: Amount, others: &Otherwise<'_>) -> Vec<Lever> {
    let mut levers: Vec<Lever> = [
        spot(pair, difference),
        utilisation(pair, difference),
        own_range(pair, difference),
        shape(pair, difference, &others.reshaped),
        others.scaled.and_then(|(least, most)| scale(pair, difference, least, most)),
        others.plans.and_then(|plans| plan(pair, difference, plans).ok().flatten()),
    ]
    .into_iter()
    .flatten()
    .collect();
    levers.extend(others.savings.iter().filter_map(|(what, saved)| {
        let then = End { setting: what.clone(), difference: difference + *saved };
        Lever::new(
            "Karpenter's own pods",
            "1 CPU, 1 GiB as its chart hints",
            difference,
            vec![then],
            None,
        )
    }));
    levers
}

fn spot(pair: Pair<'_>, difference: Amount) -> Option<Lever> {
    // What both save when a dollar of such nodes costs nothing.
    let moved = on_karpenter(pair.first) - on_karpenter(pair.other);
    let ends = SPOT.map(|saved| End {
        setting: format!("−{} %", saved / 10),
        difference: difference + share(moved, saved, 1000),
    });
    // difference + moved × s = 0.
    let thousandths = (moved != Amount::ZERO)
        .then(|| (-difference.raw() * 1000).div_euclid(moved.raw()))
        .filter(|thousandths| (1..=1000).contains(thousandths));
    let break_even = thousandths.map(|thousandths| format!("at −{} %", tenths(thousandths)));
    Lever::new("spot on Karpenter's nodes", "on-demand", difference, ends.into(), break_even)
}

/// Thousandths as per cent with one place, where that is not nothing.
fn tenths(thousandths: i128) -> String {
    match thousandths % 10 {
        0 => (thousandths / 10).to_string(),
        rest => format!("{}.{rest}", thousandths / 10),
    }
}

/// What Karpenter buys on-demand on this side, and could buy as spot.
fn on_karpenter(side: &Side) -> Amount {
    match side.id {
        SideId::Nodeless | SideId::Karpenter | SideId::KarpenterGraviton | SideId::AutoMode => {
            side.of(&[LineKind::Node])
        }
        SideId::KarpenterSpot | SideId::Fargate | SideId::NodeGroup => Amount::ZERO,
    }
}

fn utilisation(pair: Pair<'_>, difference: Amount) -> Option<Lever> {
    let then = |points: i64| pair.with(|side| at_utilisation(side, points));
    let ends = [(-POINTS, "10 points emptier"), (POINTS, "10 points fuller")]
        .into_iter()
        .filter_map(|(points, title)| {
            Some(End { setting: title.to_owned(), difference: then(points)? })
        })
        .collect();
    // The nearest point on either side where the sign is another.
    let turning = (1..=1000)
        .flat_map(|points| [points, -points])
        .find(|points| then(*points).is_some_and(|then| is_turned(difference, then)));
    let used = [pair.first, pair.other]
        .into_iter()
        .filter(|side| on_nodes(side) != Amount::ZERO)
        .filter_map(|side| side.fullness)
        .collect::<Vec<_>>();
    let base = match used.as_slice() {
        [] => "as billed".to_owned(),
        [one] => format!("{} %", (one + 5) / 10),
        [one, ..] => {
            let other = used.last().copied().unwrap_or(*one);
            format!("{} and {} %", (one + 5) / 10, (other + 5) / 10)
        }
    };
    let break_even = turning.map(|points| match used.as_slice() {
        [one] => format!("at {} %", (one + points + 5) / 10),
        _ if points < 0 => format!("at {} points emptier", tenths(i128::from(-points))),
        _ => format!("at {} points fuller", tenths(i128::from(points))),
    });
    Lever::new("how full nodes are", &base, difference, ends, break_even)
}

const ON_NODES: [LineKind; 3] = [LineKind::Node, LineKind::AutoModeFee, LineKind::Volume];

fn on_nodes(side: &Side) -> Amount {
    side.of(&ON_NODES)
}

/// The total if as many points more or fewer of the nodes were filled; none when they cannot be that
/// empty or that full.
fn at_utilisation(side: &Side, points: i64) -> Option<Amount> {
    let total = side.total().amount;
    let nodes = on_nodes(side);
    if nodes == Amount::ZERO {
        return Some(total);
    }
    let used = side.fullness?;
    // Pods of different kinds may fill a node more than pods of one kind do.
    let most = used.max(1000);
    let then = if points.abs() <= POINTS { (used + points).min(most) } else { used + points };
    (1..=most).contains(&then).then(|| total - nodes + share(nodes, used, then))
}

/// What Karpenter may do without anything being otherwise: stop after a cold batch; and of spot, be
/// given the cheapest or the dearest capacity that was seen.
fn own_range(pair: Pair<'_>, difference: Amount) -> Option<Lever> {
    let at = |end: fn(&(Amount, Amount)) -> Amount| {
        move |side: &Side| side.range.as_ref().map(end).or_else(|| side.complete())
    };
    let ends = [
        ("one cold batch", pair.cold_difference()),
        ("spot where it is cheapest", pair.with(at(|range| range.0))),
        ("spot where it is dearest", pair.with(at(|range| range.1))),
    ];
    let ends = ends
        .into_iter()
        .filter_map(|(setting, then)| Some(End { setting: setting.to_owned(), difference: then? }))
        .filter(|end| end.difference != difference)
        .collect();
    let base = if pair.is_settled() { "settled" } else { "one cold batch" };
    Lever::new("Karpenter's own range", base, difference, ends, None)
}

fn shape(pair: Pair<'_>, difference: Amount, reshaped: &[Reshaped<'_>]) -> Option<Lever> {
    let ends = reshaped
        .iter()
        .filter_map(|one| {
            let then = pair.difference_of(one.pair, difference)?;
            Some(End { setting: one.shape.title(), difference: then })
        })
        .collect();
    Lever::new("the shape of nodes", "as asked", difference, ends, None)
}

fn scale(pair: Pair<'_>, difference: Amount, least: Pair<'_>, most: Pair<'_>) -> Option<Lever> {
    let ends = [("min", least), ("max", most)]
        .into_iter()
        .filter_map(|(setting, then)| {
            let difference = pair.difference_of(then, difference)?;
            Some(End { setting: setting.to_owned(), difference })
        })
        .collect::<Vec<_>>();
    let turned = ends.iter().find(|end| is_turned(difference, end.difference));
    let break_even = turned.map(|end| format!("between mean and {}", end.setting));
    Lever::new("HorizontalPodAutoscalers", "mean", difference, ends, break_even)
}

fn plan(pair: Pair<'_>, difference: Amount, plans: Plans<'_>) -> Result<Option<Lever>, Unpriced> {
    let mut ends: Vec<End> = Vec::new();
    for term in PlanTerm::ALL {
        let saved = plans.saved(pair.other, term)? - plans.saved(pair.first, term)?;
        ends.push(End { setting: term.title().to_owned(), difference: difference - saved });
    }
    // Between two terms the discount grows evenly; where it crosses, so much of the way is gone.
    let mut before = End { setting: "none".to_owned(), difference };
    let mut break_even = None;
    for end in &ends {
        if break_even.is_none() && is_turned(difference, end.difference) {
            let way = (end.difference - before.difference).raw();
            let gone = if way == 0 { 0 } else { -before.difference.raw() * 100 / way };
            break_even =
                Some(format!("{gone} % of the way from {} to {}", before.setting, end.setting));
        }
        before = end.clone();
    }
    Ok(Lever::new("Savings Plan", "none", difference, ends, break_even))
}

impl Plans<'_> {
    /// What a plan that covers all of it takes off a side.
    pub fn saved(self, side: &Side, term: PlanTerm) -> Result<Amount, Unpriced> {
        let mut saved = Amount::ZERO;
        for line in &side.lines {
            let discount = match (line.kind, &line.instance_type) {
                (LineKind::FargatePod | LineKind::Sidecar, _) => self.of_fargate(term)?,
                (LineKind::Node | LineKind::StandingNode, Some(name)) => {
                    self.of_type(name, term)?
                }
                _ => continue,
            };
            saved += share(line.amount()?, discount, 10_000);
        }
        Ok(saved)
    }

    /// What it takes off Fargate's vCPUs and memory, in 1/10 000.
    pub fn of_fargate(self, term: PlanTerm) -> Result<i64, Unpriced> {
        if let Some(own) = self.own.get(&term) {
            return Ok(own.fargate_ten_thousandths);
        }
        Ok(self.book.plan_for_fargate(self.region.name(), term)?.ten_thousandths)
    }

    /// What it takes off an instance of a type, in 1/10 000.
    pub fn of_type(self, name: &str, term: PlanTerm) -> Result<i64, Unpriced> {
        if let Some(own) = self.own.get(&term) {
            return Ok(own.ec2_ten_thousandths);
        }
        Ok(self.book.plan_for_type(self.region.name(), name, term)?.ten_thousandths)
    }
}

fn share(amount: Amount, numerator: i64, denominator: i64) -> Amount {
    let denominator = i128::from(denominator.max(1));
    Amount::from_raw((amount.raw() * i128::from(numerator)).div_euclid(denominator))
}
