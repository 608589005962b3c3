//! The verdicts in the form that others read.

use serde::Serialize;

use super::bills::{self, Bills};
use super::sides::SideAnswer;
use super::{CompareOptions, number, percent};
use crate::compare::lever::{End, Lever, Otherwise, Plans};
use crate::compare::sides::{Setting, system_on_fargate};
use crate::compare::system::{Component, NODELESS};
use crate::compare::verdict::{Answer, Verdict, verdict};
use crate::compare::workload::Workloads;
use crate::manifest::Workload;
use crate::money::Amount;
use crate::plural::counted;
use crate::prices::PriceBook;

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
    /// Each lever, the widest first.
    pub tornado: Vec<BarAnswer>,
    /// The answer for each shape of nodes, by all other levers.
    pub by_node_shape: Vec<ShapeAnswer>,
    /// Why nothing can be said.
    pub reason: Option<String>,
}

/// A lever: a bar of the tornado.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BarAnswer {
    /// What may be otherwise.
    pub lever: String,
    /// What was billed.
    pub base: String,
    /// Where the difference is least.
    pub low: EndAnswer,
    /// Where it is most.
    pub high: EndAnswer,
    /// Where it is nothing.
    pub break_even: Option<String>,
    /// Whether it has another sign at an end.
    pub turns: bool,
}

/// An end of a bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndAnswer {
    /// What is set.
    pub setting: String,
    /// The difference then.
    pub difference_usd: f64,
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

/// A verdict on each side but the first.
pub(super) fn verdicts(
    bills: &Bills,
    options: &CompareOptions,
    book: &PriceBook,
) -> Vec<VerdictAnswer> {
    let plans = Plans { region: options.region, book, own: &options.plans };
    (1..bills.asked().len()).map(|at| judged(at, bills, plans)).collect()
}

fn judged(at: usize, bills: &Bills, plans: Plans<'_>) -> VerdictAnswer {
    let others = Otherwise {
        reshaped: bills.reshaped(at),
        scaled: bills.scaled(at),
        savings: bills.savings.clone(),
        plans: Some(plans),
    };
    let pair = bills::pair(bills.asked(), at);
    let Verdict { side, answer, difference, uncertainty, levers, reason } = verdict(pair, &others);
    let first = pair.first.complete();
    let of_first = |amount: Amount| first.and_then(|first| percent(amount, first));
    let mut in_order: Vec<_> = bills.shapes.iter().collect();
    in_order.sort_by_key(|(shape, _)| shape.vcpus_at_most.unwrap_or(u32::MAX));
    // The other shapes have no bills of scaled workloads.
    let alone = Otherwise { reshaped: Vec::new(), scaled: None, ..others };
    let by_node_shape = in_order
        .into_iter()
        .map(|(shape, sides)| {
            let found = verdict(bills::pair(sides, at), &alone);
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
        tornado: levers.into_iter().map(BarAnswer::new).collect(),
        by_node_shape,
        reason,
    }
}

impl BarAnswer {
    fn new(lever: Lever) -> Self {
        let end =
            |end: End| EndAnswer { setting: end.setting, difference_usd: number(end.difference) };
        Self {
            lever: lever.what,
            base: lever.base,
            low: end(lever.low),
            high: end(lever.high),
            break_even: lever.break_even,
            turns: lever.turns,
        }
    }
}

/// What `NodeLess` saves when Karpenter's pods ask for no more than they use.
pub(super) fn smaller_karpenter(
    workloads: &Workloads,
    setting: &Setting<'_>,
) -> Vec<(String, Amount)> {
    if workloads.system.found().contains(Component::Karpenter.name()) {
        return Vec::new();
    }
    let now = workloads.system.workloads(&NODELESS);
    let mut then = now.clone();
    for one in then.iter_mut().filter(|one| one.name == Component::Karpenter.name()) {
        *one = Component::small_karpenter();
    }
    let cost = |system: &[Workload]| system_on_fargate(system, setting).complete();
    match (cost(&now), cost(&then)) {
        (Some(now), Some(then)) => vec![("250m, 700 MiB on Fargate".to_owned(), now - then)],
        _ => Vec::new(),
    }
}

/// The verdict in a sentence: on the cheapest side that is complete.
pub(super) fn headline(
    workloads: &Workloads,
    sides: &[SideAnswer],
    verdicts: &[VerdictAnswer],
) -> String {
    if workloads.pod_count() == 0 {
        return match workloads.unpriced.len() {
            0 => "there is nothing to compare: there are no workloads".to_owned(),
            count => format!(
                "there is nothing to compare: {} on no bill",
                counted(count, "workload is", "workloads are")
            ),
        };
    }
    let Some((first, others)) = sides.split_first() else { return String::new() };
    let Some(total) = first.total else {
        let why = verdicts.iter().find_map(|one| one.reason.clone()).unwrap_or_default();
        return format!("nothing can be said: {why}");
    };
    let cheapest =
        others.iter().filter_map(|side| Some((side.total?, side))).min_by_key(|(total, _)| *total);
    let Some((other, side)) = cheapest else {
        return format!(
            "{} costs {} $ a month; no other side can run all pods at known prices",
            first.title,
            total.dollars(2)
        );
    };
    let answer = verdicts
        .iter()
        .find(|one| one.side == side.side)
        .map(|one| in_words(one.answer))
        .unwrap_or_default();
    let share = percent(other - total, total).unwrap_or_default();
    let (than, share) = if other < total { ("less", -share) } else { ("more", share) };
    format!(
        "the cheapest besides {} is {}: {} $ a month, {share:.1} % {than} than {} $: {answer}",
        first.title,
        side.title,
        other.dollars(2),
        total.dollars(2)
    )
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
