//! A showback for programs; [`super::SCHEMA`] describes it.
//!
//! Amounts are dollars with as many places as are written elsewhere: read as decimals they add up.

use serde::Serialize;

use super::rounded::{Moved, NotConserved, Parts, Pod, Rounded, Row};
use super::{core_hours, gib_hours, unit_name, words};
use crate::allocate::charge::PodRef;
use crate::allocate::showback::{Basis, BudgetLine, Showback};
use crate::bill::Class;
use crate::observed::{Finding, Window};

/// Names this form; it changes when a reader of the old one would be wrong.
const FORMAT: &str = "runbook/showback/v1";

#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    format: &'static str,
    title: String,
    from: &'a str,
    basis: &'static str,
    unit: &'static str,
    window: Window,
    as_of: String,
    is_estimate: bool,
    is_provisional: bool,
    clusters: Vec<Cluster<'a>>,
    by: &'a [String],
    weight: String,
    other_weight: String,
    total: Cost,
    classes: Vec<ClassLine>,
    days: Vec<Day>,
    rows: Vec<Line<'a>>,
    change: Option<Change<'a>>,
    budgets: Vec<Budget<'a>>,
    coverage: Coverage,
    prices: Prices<'a>,
    unpriced: Vec<Reasoned<'a>>,
    unmeasured: Vec<PodName<'a>>,
    rules: Vec<Rule<'a>>,
    findings: &'a [Finding],
}

#[derive(Debug, Serialize)]
struct Cluster<'a> {
    account: Option<&'a str>,
    region: &'a str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct Cost {
    cpu: f64,
    memory: f64,
    fargate: f64,
    node_overhead: f64,
    idle: f64,
    shared: f64,
    total: f64,
}

#[derive(Debug, Serialize)]
struct ClassLine {
    class: Class,
    title: &'static str,
    amount: f64,
}

#[derive(Debug, Serialize)]
struct Day {
    day: String,
    amount: f64,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    kind: &'static str,
    key: &'a [String],
    cost: Cost,
    by_day: Vec<f64>,
    before: Option<f64>,
    change: Option<f64>,
    under_other_weight: f64,
    pods: u64,
    cpu_core_hours: f64,
    memory_gib_hours: f64,
    pod_costs: Vec<PodCost<'a>>,
    beside_pods: Option<Cost>,
}

#[derive(Debug, Serialize)]
struct PodName<'a> {
    cluster: String,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    controller_kind: Option<&'a str>,
    controller: Option<&'a str>,
    owner: &'a str,
}

#[derive(Debug, Serialize)]
struct PodCost<'a> {
    pod: PodName<'a>,
    place: &'a str,
    seconds: i64,
    lingering_seconds: i64,
    cost: Cost,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    window: Window,
    total_before: f64,
    of_rows_that_are_gone: f64,
    difference: f64,
    causes: Vec<CauseLine>,
    largest: Vec<Move<'a>>,
}

#[derive(Debug, Serialize)]
struct CauseLine {
    cause: &'static str,
    amount: f64,
}

#[derive(Debug, Serialize)]
struct Move<'a> {
    key: &'a [String],
    amount: f64,
    cause: &'static str,
}

#[derive(Debug, Serialize)]
struct Budget<'a> {
    owner: &'a str,
    budget: f64,
    spent: f64,
    projected: f64,
    breach: Option<String>,
    passed_percent: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Coverage {
    node_seconds_seen: i64,
    node_seconds_billed: i64,
    percent: Option<f64>,
    largest_hole: Option<Window>,
    resolution_seconds: i64,
    pods: u64,
    pods_seen_once: u64,
}

#[derive(Debug, Serialize)]
struct Prices<'a> {
    kind: &'static str,
    oldest: Option<String>,
    newest: Option<String>,
    sources: &'a [String],
    has_spot: bool,
}

#[derive(Debug, Serialize)]
struct Reasoned<'a> {
    name: &'a str,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct Rule<'a> {
    rule: &'a str,
    matched: u64,
    shadowed: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn of(showback: &'a Showback) -> Result<Self, NotConserved> {
        let rounded = Rounded::of(showback)?;
        let number = |count: i128| dollars(&rounded, count);
        let classes = showback.classes.iter().zip(&rounded.classes);
        let days = rounded.dates().iter().zip(&rounded.days);
        Ok(Self {
            format: FORMAT,
            title: words::title(showback),
            from: &showback.from,
            basis: match showback.basis {
                Basis::Period => "period",
                Basis::HourlyRate => "hourly_rate",
            },
            unit: unit_name(showback.basis),
            window: showback.window,
            as_of: showback.as_of.to_string(),
            is_estimate: showback.is_estimate,
            is_provisional: showback.is_provisional,
            clusters: clusters(showback),
            by: &showback.by,
            weight: words::weight(showback.weight),
            other_weight: words::weight(showback.other_weight),
            total: cost(&rounded, &rounded.total),
            classes: classes
                .map(|((class, _), count)| ClassLine {
                    class: *class,
                    title: class.title(),
                    amount: number(*count),
                })
                .collect(),
            days: days
                .map(|(day, count)| Day { day: day.to_string(), amount: number(*count) })
                .collect(),
            rows: rounded.rows.iter().map(|row| line(&rounded, row)).collect(),
            change: rounded.change.as_ref().map(|moved| change(&rounded, moved)),
            budgets: showback.budgets.iter().map(|line| budget(&rounded, line)).collect(),
            coverage: coverage(showback),
            prices: prices(showback),
            unpriced: showback
                .unpriced
                .iter()
                .map(|(name, why)| Reasoned { name, reason: &why.reason })
                .collect(),
            unmeasured: showback.unmeasured.iter().map(|pod| pod_name(pod)).collect(),
            rules: showback
                .rules
                .iter()
                .map(|rule| Rule {
                    rule: &rule.rule,
                    matched: rule.matched,
                    shadowed: rule.shadowed,
                })
                .collect(),
            findings: &showback.findings,
        })
    }
}

/// The number nearest to the decimal that is written; written again it is that decimal.
fn dollars(rounded: &Rounded<'_>, count: i128) -> f64 {
    rounded.grain.plain(count).parse().unwrap_or(f64::NAN)
}

fn cost(rounded: &Rounded<'_>, parts: &Parts) -> Cost {
    let [cpu, memory, fargate, node_overhead, idle, shared] =
        parts.parts.map(|count| dollars(rounded, count));
    let total = dollars(rounded, parts.total());
    Cost { cpu, memory, fargate, node_overhead, idle, shared, total }
}

fn clusters(showback: &Showback) -> Vec<Cluster<'_>> {
    showback
        .clusters
        .iter()
        .map(|id| Cluster { account: id.account.as_deref(), region: &id.region, name: &id.name })
        .collect()
}

fn line<'a>(rounded: &Rounded<'a>, row: &Row<'a>) -> Line<'a> {
    let number = |count: i128| dollars(rounded, count);
    Line {
        kind: words::kind_name(row.of.kind),
        key: &row.of.key,
        cost: cost(rounded, &row.cost),
        by_day: row.by_day.iter().map(|count| number(*count)).collect(),
        before: row.before.map(number),
        change: rounded.change.as_ref().map(|_| number(row.change())),
        under_other_weight: number(row.under_other_weight),
        pods: row.of.pods,
        cpu_core_hours: core_hours(row.of).parse().unwrap_or(f64::NAN),
        memory_gib_hours: gib_hours(row.of).parse().unwrap_or(f64::NAN),
        pod_costs: row.pods.iter().map(|pod| pod_cost(rounded, pod)).collect(),
        beside_pods: row.beside_pods.map(|parts| cost(rounded, &parts)),
    }
}

fn pod_name(pod: &PodRef) -> PodName<'_> {
    let controller = pod.controller.as_ref();
    PodName {
        cluster: pod.cluster.to_string(),
        namespace: &pod.namespace,
        name: &pod.name,
        uid: &pod.uid,
        controller_kind: controller.map(|one| one.kind.as_str()),
        controller: controller.map(|one| one.name.as_str()),
        owner: &pod.owner,
    }
}

fn pod_cost<'a>(rounded: &Rounded<'a>, pod: &Pod<'a>) -> PodCost<'a> {
    PodCost {
        pod: pod_name(&pod.of.pod),
        place: &pod.of.place,
        seconds: pod.of.seconds,
        lingering_seconds: pod.of.lingering_seconds,
        cost: cost(rounded, &pod.cost),
    }
}

fn change<'a>(rounded: &Rounded<'a>, moved: &Moved<'a>) -> Change<'a> {
    let number = |count: i128| dollars(rounded, count);
    let causes = moved.of.causes.iter().zip(&moved.causes);
    let largest = moved.of.largest.iter().zip(&moved.largest);
    Change {
        window: moved.of.before,
        total_before: number(moved.before),
        of_rows_that_are_gone: number(moved.gone),
        difference: number(moved.difference),
        causes: causes
            .map(|((cause, _), count)| CauseLine {
                cause: words::cause_name(*cause),
                amount: number(*count),
            })
            .collect(),
        largest: largest
            .map(|((key, _, cause), count)| Move {
                key,
                amount: number(*count),
                cause: words::cause_name(*cause),
            })
            .collect(),
    }
}

fn budget<'a>(rounded: &Rounded<'a>, line: &'a BudgetLine) -> Budget<'a> {
    let number = |amount| dollars(rounded, rounded.grain.round(amount));
    Budget {
        owner: &line.owner,
        budget: number(line.budget),
        spent: number(line.spent),
        projected: number(line.projected),
        breach: line.breach.map(|day| day.to_string()),
        passed_percent: line.passed_percent,
    }
}

fn coverage(showback: &Showback) -> Coverage {
    let known = &showback.coverage;
    let percent = words::coverage(showback)
        .and_then(|share| format!("{}.{:02}", share / 100, share % 100).parse().ok());
    Coverage {
        node_seconds_seen: known.node_seconds_seen,
        node_seconds_billed: known.node_seconds_billed,
        percent,
        largest_hole: known.largest_hole,
        resolution_seconds: known.resolution_seconds,
        pods: known.pods,
        pods_seen_once: known.pods_seen_once,
    }
}

fn prices(showback: &Showback) -> Prices<'_> {
    Prices {
        kind: "list",
        oldest: showback.prices.oldest.map(|day| day.to_string()),
        newest: showback.prices.newest.map(|day| day.to_string()),
        sources: &showback.prices.sources,
        has_spot: showback.prices.has_spot,
    }
}
