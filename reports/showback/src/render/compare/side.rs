//! A side as the comparison has it, with its bill.

use runbook_capacity::money::Amount;

use crate::render::figures::{Cents, Percent};
use crate::render::read::{Node, Unreadable};
use crate::render::table::Cell;
use crate::render::text::counted;

/// A side.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub id: String,
    pub title: String,
    pub total: Option<Amount>,
    pub range: Option<(Amount, Amount)>,
    pub nodes: i64,
    pub asked_for: Option<Percent>,
    pub cold: Option<Batch>,
    pub settled: Option<Batch>,
    pub system: Option<System>,
    pub lines: Vec<Line>,
    pub not_held: Vec<(String, String)>,
    pub notes: Vec<String>,
}

/// One of Karpenter's two runs.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub total: Option<Amount>,
    pub nodes: i64,
    pub asked_for: Option<Percent>,
}

/// The system layer of a side.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub amount: Option<Amount>,
    pub runs: Vec<String>,
    pub replaced: Vec<String>,
    pub note: Option<String>,
}

/// A line of a bill.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub kind: String,
    pub what: String,
    pub count: i64,
    pub hours: String,
    pub each: Option<String>,
    pub amount: Option<Amount>,
    pub reason: Option<String>,
}

pub(super) fn read(answer: &Node<'_>) -> Result<Vec<Side>, Unreadable> {
    answer.list("sides")?.iter().map(side).collect()
}

fn side(node: &Node<'_>) -> Result<Side, Unreadable> {
    let range =
        match (node.maybe_money("usd_per_month_low")?, node.maybe_money("usd_per_month_high")?) {
            (Some(low), Some(high)) => Some((low, high)),
            _ => None,
        };
    let batch = |name: &str| node.maybe(name)?.as_ref().map(batch).transpose();
    let side = Side {
        id: node.text("side")?,
        title: node.text("title")?,
        total: node.maybe_money("usd_per_month")?,
        range,
        nodes: node.integer("nodes")?,
        asked_for: node.maybe_percent("utilisation_percent")?,
        cold: batch("cold")?,
        settled: batch("settled")?,
        system: node.maybe("system")?.as_ref().map(system).transpose()?,
        lines: node.list("lines")?.iter().map(line).collect::<Result<_, _>>()?,
        not_held: node
            .list("not_held")?
            .iter()
            .map(|one| Ok((one.text("name")?, one.text("reason")?)))
            .collect::<Result<_, _>>()?,
        notes: node.texts("notes")?,
    };
    adds_up(node, &side)?;
    Ok(side)
}

/// A bill whose lines are not its total is not shown to anybody.
fn adds_up(node: &Node<'_>, side: &Side) -> Result<(), Unreadable> {
    let Some(total) = side.total else { return Ok(()) };
    let lines: Amount = side.lines.iter().filter_map(|line| line.amount).sum();
    let parts: Vec<Amount> = side.lines.iter().filter_map(|line| line.amount).collect();
    if Cents::parts(Cents::of(total), &parts).is_some() {
        return Ok(());
    }
    Err(node.does_not_add_up(Cents::of(lines).text(), Cents::of(total).text()))
}

fn batch(node: &Node<'_>) -> Result<Batch, Unreadable> {
    Ok(Batch {
        total: node.maybe_money("usd_per_month")?,
        nodes: node.integer("nodes")?,
        asked_for: node.maybe_percent("utilisation_percent")?,
    })
}

fn system(node: &Node<'_>) -> Result<System, Unreadable> {
    Ok(System {
        amount: node.maybe_money("usd_per_month")?,
        runs: node.texts("runs")?,
        replaced: node.texts("replaced")?,
        note: node.maybe_text("note")?,
    })
}

fn line(node: &Node<'_>) -> Result<Line, Unreadable> {
    let each = node.maybe("usd_each")?.map(|_| node.decimal("usd_each", 6)).transpose()?;
    Ok(Line {
        kind: node.text("kind")?,
        what: node.text("what")?,
        count: node.integer("count")?,
        hours: node.decimal("hours", 2)?,
        each,
        amount: node.maybe_money("usd_per_month")?,
        reason: node.maybe_text("reason")?,
    })
}

impl Side {
    /// Why there is no total.
    pub(super) fn gap(&self) -> String {
        if !self.not_held.is_empty() {
            let count = i64::try_from(self.not_held.len()).unwrap_or(i64::MAX);
            return format!("cannot run {}", counted(count, "pod", "pods"));
        }
        let unpriced = self.lines.iter().filter(|line| line.amount.is_none()).count();
        let count = i64::try_from(unpriced).unwrap_or(i64::MAX);
        format!("{} without a price", counted(count, "line", "lines"))
    }

    pub(super) fn money(&self) -> Cell {
        match self.total {
            Some(total) => Cell::Money(Cents::of(total)),
            None => Cell::Missing(self.gap()),
        }
    }
}
