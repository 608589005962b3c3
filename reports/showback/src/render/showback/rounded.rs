//! The one place where a showback is rounded; whatever is written is made of this.
//!
//! The total is rounded once. Rows are apportioned from it, the parts and the days of each row from the
//! row, the parts of its pods from the row's parts. Sums of columns are the sums of what is written, so
//! every table adds up at every level. Before that the exact amounts are held against each other: a
//! showback whose parts are not its whole is refused and not rounded into order.

use jiff::civil::Date;
use runbook_capacity::money::Amount;

use super::apportion;
use super::grain::Grain;
use crate::allocate::showback::{Basis, Breakdown, Change, Group, PodLine, Showback};

/// How many parts a [`Breakdown`] has.
const PARTS: usize = 6;

/// Why a showback is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} come to {parts} $, but {of} is {whole} $; nothing was written: this is a mistake of \
     runbook itself, please report it"
)]
pub struct NotConserved {
    /// Which parts.
    what: String,
    /// Of what.
    of: String,
    parts: String,
    whole: String,
}

/// Rounded parts of something, and what they come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// vCPU, memory, Fargate, node overhead, idle, shared.
    pub parts: [i128; PARTS],
}

impl Parts {
    /// What they come to.
    pub fn total(&self) -> i128 {
        self.parts.iter().sum()
    }

    /// What pods asked for or used: vCPU, memory and Fargate.
    pub fn own(&self) -> i128 {
        self.parts[0] + self.parts[1] + self.parts[2]
    }

    /// Its share of node overhead.
    pub fn node_overhead(&self) -> i128 {
        self.parts[3]
    }

    /// Its share of idle cost.
    pub fn idle(&self) -> i128 {
        self.parts[4]
    }

    /// Its share of shared cost.
    pub fn shared(&self) -> i128 {
        self.parts[5]
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (sum, more) in self.parts.iter_mut().zip(other.parts) {
            *sum += more;
        }
        self
    }

    fn of(counts: &[i128]) -> Self {
        let mut parts = [0; PARTS];
        for (part, count) in parts.iter_mut().zip(counts) {
            *part = *count;
        }
        Self { parts }
    }
}

/// A row.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// What it is of.
    pub of: &'a Group,
    /// What it cost.
    pub cost: Parts,
    /// By day; they come to the same.
    pub by_day: Vec<i128>,
    /// In the window before.
    pub before: Option<i128>,
    /// Under the other weight.
    pub under_other_weight: i128,
    /// Its pods, dearest first.
    pub pods: Vec<Pod<'a>>,
    /// What it cost beside its pods; nothing when pods make it up.
    pub beside_pods: Option<Parts>,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod<'a> {
    /// Which.
    pub of: &'a PodLine,
    /// What it cost.
    pub cost: Parts,
}

/// What moved.
#[derive(Debug, Clone)]
pub struct Moved<'a> {
    /// What it is of.
    pub of: &'a Change,
    /// The window before.
    pub before: i128,
    /// Of that, what rows had that are no more.
    pub gone: i128,
    /// Now less then.
    pub difference: i128,
    /// Per cause, in order; they come to the difference.
    pub causes: Vec<i128>,
    /// Of [`Change::largest`].
    pub largest: Vec<i128>,
}

/// A showback in cents; of a rate, in hundredths of them.
#[derive(Debug, Clone)]
pub struct Rounded<'a> {
    /// What was rounded.
    pub of: &'a Showback,
    /// How fine.
    pub grain: Grain,
    /// All of it.
    pub total: Parts,
    /// By class, in the showback's order.
    pub classes: Vec<i128>,
    /// By day, in the order of [`Rounded::dates`].
    pub days: Vec<i128>,
    /// The rows, in the showback's order.
    pub rows: Vec<Row<'a>>,
    /// Against the window before.
    pub change: Option<Moved<'a>>,
}

impl Row<'_> {
    /// Now less then; what was not there then cost nothing.
    pub fn change(&self) -> i128 {
        self.cost.total() - self.before.unwrap_or_default()
    }
}

impl<'a> Rounded<'a> {
    /// Rounds a showback, when its parts are its whole.
    pub fn of(showback: &'a Showback) -> Result<Self, NotConserved> {
        conserved(showback)?;
        let grain = Grain::of(showback.basis);
        let unit = grain.unit();
        let groups = &showback.groups;
        let exact: Vec<[Amount; PARTS]> = groups.iter().map(|group| amounts(&group.cost)).collect();
        let wholes: Vec<Amount> = exact.iter().map(|parts| parts.iter().copied().sum()).collect();
        let total = grain.round(wholes.iter().copied().sum());
        let totals = apportion::parts(total, &wholes, unit);
        let cells = apportion::table(&totals, &exact, unit);
        let dates = dates(showback);
        let of_days = |group: &'a Group| group.by_day.get(..dates.len()).unwrap_or_default();
        let by_day: Vec<&[Amount]> = groups.iter().map(of_days).collect();
        let by_day = apportion::table(&totals, &by_day, unit);
        let other: Vec<Amount> = groups.iter().map(|group| group.under_other_weight).collect();
        let other = apportion::parts(grain.round(other.iter().copied().sum()), &other, unit);
        let change = showback.change.as_ref().map(|change| moved(change, total, grain));
        let (befores, gone) = befores(showback, change.as_ref().map(|change| change.before), grain);
        let pods = pods_of(showback);
        let rows: Vec<Row<'a>> = groups
            .iter()
            .zip(cells)
            .zip(by_day)
            .zip(befores.into_iter().zip(other))
            .zip(pods)
            .map(|((((group, cells), by_day), (before, under_other_weight)), pods)| {
                let cost = Parts::of(&cells);
                let (pods, beside_pods) = of_pods(&group.cost, cost, pods, unit);
                Row { of: group, cost, by_day, before, under_other_weight, pods, beside_pods }
            })
            .collect();
        let days = (0..dates.len())
            .map(|day| rows.iter().filter_map(|row| row.by_day.get(day)).sum())
            .collect();
        let classes: Vec<Amount> = showback.classes.iter().map(|(_, amount)| *amount).collect();
        Ok(Self {
            of: showback,
            grain,
            total: rows.iter().fold(Parts::default(), |sum, row| sum.and(&row.cost)),
            classes: apportion::parts(total, &classes, unit),
            days,
            rows,
            change: change.map(|change| Moved { gone, ..change }),
        })
    }

    /// The days; a rate is of none.
    pub fn dates(&self) -> &'a [Date] {
        dates(self.of)
    }

    /// `$`, or `$ an hour`.
    pub fn unit(&self) -> &'static str {
        match self.of.basis {
            Basis::Period => "$",
            Basis::HourlyRate => "$/hour",
        }
    }

    /// A figure for people.
    pub fn text(&self, count: i128) -> String {
        self.grain.text(count)
    }
}

fn dates(showback: &Showback) -> &[Date] {
    match showback.basis {
        Basis::Period => &showback.days,
        Basis::HourlyRate => &[],
    }
}

fn amounts(cost: &Breakdown) -> [Amount; PARTS] {
    cost.parts().map(|(_, amount)| amount)
}

fn whole(cost: &Breakdown) -> Amount {
    amounts(cost).into_iter().sum()
}

/// Pods by the index of their row, in order.
fn pods_of(showback: &Showback) -> Vec<Vec<&PodLine>> {
    let mut pods = vec![Vec::new(); showback.groups.len()];
    for pod in &showback.pods {
        if let Some(pods) = pods.get_mut(pod.group) {
            pods.push(pod);
        }
    }
    pods
}

/// Each part of the row is divided among the pods, so both pods and parts add up.
fn of_pods<'a>(
    exact: &Breakdown,
    rounded: Parts,
    pods: Vec<&'a PodLine>,
    unit: i128,
) -> (Vec<Pod<'a>>, Option<Parts>) {
    if pods.is_empty() {
        return (Vec::new(), None);
    }
    let costs: Vec<[Amount; PARTS]> = pods.iter().map(|pod| amounts(&pod.cost)).collect();
    let by_part: Vec<Vec<Amount>> = amounts(exact)
        .into_iter()
        .enumerate()
        .map(|(part, whole)| {
            let mut column: Vec<Amount> = costs.iter().map(|cost| cost[part]).collect();
            let beside = whole - column.iter().copied().sum();
            column.push(beside);
            column
        })
        .collect();
    let by_part = apportion::table(&rounded.parts, &by_part, unit);
    let of = |index: usize| {
        let counts: Vec<i128> = by_part.iter().map(|column| column[index]).collect();
        Parts::of(&counts)
    };
    let beside = of(pods.len());
    let is_beside = beside != Parts::default();
    let pods = pods.into_iter().enumerate().map(|(index, pod)| Pod { of: pod, cost: of(index) });
    (pods.collect(), is_beside.then_some(beside))
}

fn moved(change: &Change, total: i128, grain: Grain) -> Moved<'_> {
    let before = grain.round(change.total_before);
    let causes: Vec<Amount> = change.causes.iter().map(|(_, amount)| *amount).collect();
    Moved {
        of: change,
        before,
        gone: 0,
        difference: total - before,
        causes: apportion::parts(total - before, &causes, grain.unit()),
        largest: change.largest.iter().map(|(_, amount, _)| grain.round(*amount)).collect(),
    }
}

/// What the rows cost in the window before, and what is left of that window's total.
fn befores(showback: &Showback, whole: Option<i128>, grain: Grain) -> (Vec<Option<i128>>, i128) {
    let mut exact: Vec<Amount> = showback.groups.iter().filter_map(|group| group.before).collect();
    let sum: Amount = exact.iter().copied().sum();
    let exact_whole = showback.change.as_ref().map_or(sum, |change| change.total_before);
    exact.push(exact_whole - sum);
    let whole = whole.unwrap_or_else(|| grain.round(sum));
    let mut counts = apportion::parts(whole, &exact, grain.unit());
    let gone = counts.pop().unwrap_or_default();
    let mut counts = counts.into_iter();
    let befores =
        showback.groups.iter().map(|group| group.before.and_then(|_| counts.next())).collect();
    (befores, gone)
}

/// Holds every list against its whole, exactly.
fn conserved(showback: &Showback) -> Result<(), NotConserved> {
    let total = whole(&showback.total);
    for (index, (part, of_all)) in showback.total.parts().into_iter().enumerate() {
        let rows = showback.groups.iter().map(|group| amounts(&group.cost)[index]).sum();
        same(|| (format!("the rows' {part}"), format!("the total's {part}")), rows, of_all)?;
    }
    let classes = showback.classes.iter().map(|(_, amount)| *amount).sum();
    same(|| ("the classes".to_owned(), "the total".to_owned()), classes, total)?;
    for (group, pods) in showback.groups.iter().zip(pods_of(showback)) {
        if !showback.days.is_empty() {
            let days = group.by_day.iter().take(showback.days.len()).copied().sum();
            let said = || {
                let row = group.key.join("/");
                (format!("the days of `{row}`"), "the row".to_owned())
            };
            same(said, days, whole(&group.cost))?;
        }
        for (index, (part, of_row)) in group.cost.parts().into_iter().enumerate() {
            let of_pods: Amount = pods.iter().map(|pod| amounts(&pod.cost)[index]).sum();
            if of_pods > of_row {
                let row = group.key.join("/");
                let said = || (format!("the pods' {part}"), format!("that of their row `{row}`"));
                same(said, of_pods, of_row)?;
            }
        }
    }
    if let Some(change) = &showback.change {
        let causes = change.causes.iter().map(|(_, amount)| *amount).sum();
        let said = || ("the causes".to_owned(), "the difference".to_owned());
        same(said, causes, total - change.total_before)?;
    }
    Ok(())
}

fn same(
    said: impl FnOnce() -> (String, String),
    parts: Amount,
    whole: Amount,
) -> Result<(), NotConserved> {
    if parts == whole {
        return Ok(());
    }
    let (what, of) = said();
    Err(NotConserved { what, of, parts: parts.dollars(10), whole: whole.dollars(10) })
}
