//! The figures of both autoscalers beside each other.

use runbook_capacity::money::Amount;

use crate::render::figures::{Cents, grouped, lasting};
use crate::render::page::{Block, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};

/// One autoscaler's run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub title: String,
    pub total: Option<Amount>,
    pub reason: Option<String>,
    pub node_hours: String,
    pub billed_hours: String,
    pub launched: i64,
    pub peak: i64,
    pub pending: Pending,
    pub evictions: i64,
    pub ends: [i64; 4],
    pub types: Vec<Type>,
    pub series: Vec<Point>,
    pub first_pod: Option<String>,
    pub steps: Vec<Step>,
    pub not_held: Vec<(String, String)>,
}

/// How long pods waited, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub half: Option<i64>,
    pub most: Option<i64>,
    pub longest: Option<i64>,
    pub total: i64,
}

/// The nodes of a type.
#[derive(Debug, Clone)]
pub(super) struct Type {
    name: String,
    bought: String,
    nodes: i64,
    hours: String,
    each: Option<String>,
    amount: Option<Amount>,
    reason: Option<String>,
}

/// How many there were from a second on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub at: i64,
    pub nodes: i64,
    pub pending: i64,
}

/// A step of the first pod's way.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub title: String,
    pub after: Option<i64>,
    pub text: String,
}

pub(super) fn read(node: &Node<'_>) -> Result<Run, Unreadable> {
    let ends = node.field("pods")?;
    let run = Run {
        title: node.text("title")?,
        total: node.maybe_money("usd")?,
        reason: node.maybe_text("reason")?,
        node_hours: node.decimal("node_hours", 2)?,
        billed_hours: node.decimal("billed_node_hours", 2)?,
        launched: node.integer("nodes_launched")?,
        peak: node.integer("peak_nodes")?,
        pending: pending(&node.field("pending_pod_seconds")?)?,
        evictions: node.integer("evictions")?,
        ends: [
            ends.integer("running")?,
            ends.integer("pending")?,
            ends.integer("removed")?,
            ends.integer("lost")?,
        ],
        types: node.list("instance_types")?.iter().map(of_type).collect::<Result<_, _>>()?,
        series: node.list("series")?.iter().map(point).collect::<Result<_, _>>()?,
        first_pod: node.maybe_text("first_pending_pod")?,
        steps: node.list("steps")?.iter().map(step).collect::<Result<_, _>>()?,
        not_held: node
            .list("not_held")?
            .iter()
            .map(|one| Ok((one.text("pod")?, one.text("reason")?)))
            .collect::<Result<_, _>>()?,
    };
    adds_up(node, &run)?;
    Ok(run)
}

/// Rows that are not their total are not shown to anybody.
fn adds_up(node: &Node<'_>, run: &Run) -> Result<(), Unreadable> {
    let Some(total) = run.total else { return Ok(()) };
    let parts: Vec<Amount> = run.types.iter().filter_map(|one| one.amount).collect();
    if Cents::parts(Cents::of(total), &parts).is_some() {
        return Ok(());
    }
    let lines = Cents::of(parts.into_iter().sum());
    Err(node.does_not_add_up(lines.text(), Cents::of(total).text()))
}

fn pending(node: &Node<'_>) -> Result<Pending, Unreadable> {
    Ok(Pending {
        half: node.maybe_integer("p50")?,
        most: node.maybe_integer("p95")?,
        longest: node.maybe_integer("longest")?,
        total: node.integer("total")?,
    })
}

fn of_type(node: &Node<'_>) -> Result<Type, Unreadable> {
    Ok(Type {
        name: node.text("instance_type")?,
        bought: node.text("capacity_type")?,
        nodes: node.integer("nodes")?,
        hours: node.decimal("billed_node_hours", 2)?,
        each: node.maybe("usd_per_hour")?.map(|_| node.decimal("usd_per_hour", 6)).transpose()?,
        amount: node.maybe_money("usd")?,
        reason: node.maybe_text("reason")?,
    })
}

fn point(node: &Node<'_>) -> Result<Point, Unreadable> {
    Ok(Point {
        at: node.integer("t_seconds")?,
        nodes: node.integer("nodes")?,
        pending: node.integer("pending")?,
    })
}

fn step(node: &Node<'_>) -> Result<Step, Unreadable> {
    Ok(Step {
        title: node.text("title")?,
        after: node.maybe_integer("after_seconds")?,
        text: node.text("text")?,
    })
}

pub(super) fn section(runs: &[Run]) -> Section {
    let mut columns = vec![Column::words("what")];
    columns.extend(runs.iter().map(|run| Column::count(run.title.clone())));
    let mut table = Table::new("One trace, two autoscalers", columns);
    let mut row = |what: &str, cell: &dyn Fn(&Run) -> Cell| {
        let mut cells = vec![Cell::Text(what.to_owned())];
        cells.extend(runs.iter().map(cell));
        table.add(Row::plain(cells));
    };
    let time = |seconds: Option<i64>| {
        Cell::Figure(seconds.map_or_else(|| "no pod waited".to_owned(), lasting))
    };
    row("nodes cost, $", &|run| match run.total {
        Some(total) => Cell::Money(Cents::of(total)),
        None => Cell::Missing("no total".to_owned()),
    });
    row("half of the pods waited at most (p50)", &|run| time(run.pending.half));
    row("95 of 100 waited at most (p95)", &|run| time(run.pending.most));
    row("the longest wait", &|run| time(run.pending.longest));
    row("all waiting together, pod-seconds", &|run| Cell::Count(run.pending.total.into()));
    row("node-hours", &|run| Cell::Figure(run.node_hours.clone()));
    row("node-hours billed, a minute at least each", &|run| Cell::Figure(run.billed_hours.clone()));
    row("nodes launched", &|run| Cell::Count(run.launched.into()));
    row("most nodes at a time", &|run| Cell::Count(run.peak.into()));
    row("evictions", &|run| Cell::Count(run.evictions.into()));
    for (index, what) in ["pods that run at the end", "that wait", "removed by the trace", "lost"]
        .into_iter()
        .enumerate()
    {
        row(what, &|run| Cell::Count(run.ends[index].into()));
    }
    Section::new("figures", "Both at a glance").with(Block::Table(table))
}

/// The nodes of each by type.
pub(super) fn by_type(runs: &[Run]) -> Section {
    let mut section = Section::new("nodes", "The nodes");
    for run in runs {
        section.blocks.push(Block::Heading(run.title.clone()));
        section.blocks.push(Block::Table(type_table(run)));
        if !run.not_held.is_empty() {
            let columns = vec![Column::words("pod"), Column::words("why")];
            let mut table = Table::new(format!("Pods without a node of {}", run.title), columns);
            for (pod, reason) in run.not_held.iter().take(20) {
                table.add(Row::plain(vec![Cell::Name(pod.clone()), Cell::Text(reason.clone())]));
            }
            if let Some(more) = run.not_held.len().checked_sub(20).filter(|more| *more > 0) {
                let words = format!("and {} more", grouped(more as i128));
                table.add(Row::subtotal(vec![Cell::Text(words), Cell::Nothing]));
            }
            section.blocks.push(Block::Table(table));
        }
    }
    section
}

fn type_table(run: &Run) -> Table {
    let mut table = Table::new(
        format!("Nodes of {} by type", run.title),
        vec![
            Column::words("type"),
            Column::words("bought"),
            Column::count("nodes"),
            Column::figure("billed", "hours"),
            Column::figure("each", "$/hour"),
            Column::figure("comes to", "$"),
        ],
    );
    let amounts: Vec<Amount> = run.types.iter().filter_map(|one| one.amount).collect();
    let sum = run.total.unwrap_or_else(|| amounts.iter().copied().sum());
    let mut cents = Cents::parts(Cents::of(sum), &amounts).unwrap_or_default().into_iter();
    for one in &run.types {
        let amount = match one.amount.and_then(|_| cents.next()) {
            Some(cents) => Cell::Money(cents),
            None => Cell::Missing(one.reason.clone().unwrap_or_else(|| "no price".to_owned())),
        };
        table.add(Row::plain(vec![
            Cell::Name(one.name.clone()),
            Cell::Text(one.bought.clone()),
            Cell::Count(one.nodes.into()),
            Cell::Figure(one.hours.clone()),
            one.each.clone().map_or(Cell::Nothing, Cell::Figure),
            amount,
        ]));
    }
    let words = if run.total.is_some() { "total" } else { "known; no total" };
    table.add(Row::total(vec![
        Cell::Text(words.to_owned()),
        Cell::Nothing,
        Cell::Count(run.launched.into()),
        Cell::Figure(run.billed_hours.clone()),
        Cell::Nothing,
        Cell::Money(Cents::of(sum)),
    ]));
    table
}
