//! What each side costs.

use runbook_capacity::money::Amount;

use super::decide::{Answer, Verdict};
use crate::render::chart::{Arrangement, Bar, BarRow, Bars, Chart, Drawing};
use crate::render::figures::{Cents, Percent};
use crate::render::page::{Block, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};
use crate::render::text::counted;

/// A side.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub id: String,
    pub title: String,
    pub total: Option<Amount>,
    pub range: Option<(Amount, Amount)>,
    pub nodes: i64,
    pub full: Option<Percent>,
    pub twice: Option<(Batch, Batch)>,
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
    pub full: Option<Percent>,
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
        full: node.maybe_percent("utilisation_percent")?,
        twice: batch("cold")?.zip(batch("settled")?),
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
        full: node.maybe_percent("utilisation_percent")?,
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
    fn gap(&self) -> String {
        if !self.not_held.is_empty() {
            let count = i64::try_from(self.not_held.len()).unwrap_or(i64::MAX);
            return format!("cannot run {}", counted(count, "pod", "pods"));
        }
        let unpriced = self.lines.iter().filter(|line| line.amount.is_none()).count();
        let count = i64::try_from(unpriced).unwrap_or(i64::MAX);
        format!("{} without a price", counted(count, "line", "lines"))
    }

    fn money(&self) -> Cell {
        match self.total {
            Some(total) => Cell::Money(Cents::of(total)),
            None => Cell::Missing(self.gap()),
        }
    }
}

/// The others by what they cost, those without a total last; the first side stays first.
fn in_order(sides: &[Side]) -> Vec<&Side> {
    let Some((first, others)) = sides.split_first() else { return Vec::new() };
    let mut others: Vec<&Side> = others.iter().collect();
    others.sort_by_key(|side| (side.total.is_none(), side.total));
    std::iter::once(first).chain(others).collect()
}

pub(super) fn section(
    answer: &Node<'_>,
    sides: &[Side],
    verdicts: &[Verdict],
) -> Result<Section, Unreadable> {
    let ordered = in_order(sides);
    let mut section = Section::new("sides", "What each side costs")
        .with(Block::Chart(Box::new(chart(&ordered, verdicts))))
        .with(Block::Table(against(&ordered, verdicts)));
    if verdicts.iter().any(|verdict| !verdict.by_shape.is_empty()) {
        section = section
            .with(Block::Heading("The same question for other nodes".to_owned()))
            .with(Block::Table(by_shape(&ordered, verdicts)));
    }
    if sides.iter().any(|side| side.twice.is_some()) {
        section = section
            .with(Block::Heading("Karpenter, cold and settled".to_owned()))
            .with(Block::Text(
                "Cold is one batch of all pods on an empty cluster. Settled is after arrivals in \
                 batches and consolidation until nothing more is saved; that is what is billed here."
                    .to_owned(),
            ))
            .with(Block::Table(twice(&ordered)));
    }
    if answer.maybe("shape")?.is_some() {
        section = section.with(Block::Text(shape(&answer.field("shape")?)?));
    }
    Ok(section)
}

/// The nodes that were allowed, in a sentence.
fn shape(node: &Node<'_>) -> Result<String, Unreadable> {
    let vcpus = match node.maybe_integer("vcpus_at_most")? {
        Some(most) => format!("at most {most} vCPU"),
        None => "any number of vCPU".to_owned(),
    };
    let count = |name: &str, one: &str, many: &str| -> Result<String, Unreadable> {
        Ok(counted(node.integer(name)?, one, many))
    };
    Ok(format!(
        "Nodes have {vcpus} and {} at most, a root volume of {} GiB; there are at least {} in {}.",
        count("pods_at_most", "pod", "pods")?,
        node.integer("root_volume_gib")?,
        count("nodes_at_least", "node", "nodes")?,
        count("zones_at_least", "zone", "zones")?,
    ))
}

fn chart(sides: &[&Side], verdicts: &[Verdict]) -> Chart {
    let rows = sides
        .iter()
        .enumerate()
        .map(|(index, side)| {
            let note = match verdicts.iter().find(|verdict| verdict.side == side.id) {
                Some(verdict) => verdict.short(),
                None if index == 0 => "the others are held against it".to_owned(),
                None => String::new(),
            };
            BarRow { name: side.title.clone(), note, bars: parts(side), range: side.range }
        })
        .collect();
    let mut table = Table::new(
        "Dollars a month of each side",
        vec![
            Column::words("side"),
            Column::figure("system layer", "$/month"),
            Column::figure("workloads", "$/month"),
            Column::figure("total", "$/month"),
            Column::figure("of spot, from", "$/month"),
            Column::figure("to", "$/month"),
        ],
    );
    for side in sides {
        table.add(Row::plain(split_cells(side)));
    }
    Chart {
        title: "Dollars a month, by side".to_owned(),
        description: described(sides),
        drawing: Drawing::Bars(Bars {
            unit: "$ a month".to_owned(),
            series: vec!["system layer".to_owned(), "workloads".to_owned()],
            arrangement: Arrangement::Stacked,
            rows,
        }),
        table,
    }
}

fn parts(side: &Side) -> Vec<Bar> {
    let Some(total) = side.total else { return vec![Bar::missing(side.gap())] };
    match side.system.as_ref().and_then(|system| system.amount) {
        Some(system) => vec![Bar::of(system), Bar::of(total - system)],
        None => vec![Bar::of(Amount::ZERO), Bar::of(total)],
    }
}

fn split_cells(side: &Side) -> Vec<Cell> {
    let system = side.system.as_ref().and_then(|system| system.amount);
    let split = side
        .total
        .zip(system)
        .and_then(|(total, system)| Cents::parts(Cents::of(total), &[system, total - system]));
    let (system, rest) = match split.as_deref() {
        Some([system, rest]) => (Cell::Money(*system), Cell::Money(*rest)),
        _ => (Cell::Nothing, Cell::Nothing),
    };
    let range = |pick: fn((Amount, Amount)) -> Amount| {
        Cell::money(side.range.map(|range| Cents::of(pick(range))))
    };
    vec![
        Cell::Name(side.title.clone()),
        system,
        rest,
        side.money(),
        range(|(low, _)| low),
        range(|(_, high)| high),
    ]
}

fn described(sides: &[&Side]) -> String {
    let known: Vec<&&Side> = sides.iter().filter(|side| side.total.is_some()).collect();
    let cheapest = known.iter().min_by_key(|side| side.total);
    let dearest = known.iter().max_by_key(|side| side.total);
    match (cheapest, dearest) {
        (Some(low), Some(high)) if known.len() > 1 => {
            let money =
                |side: &Side| side.total.map(|total| Cents::of(total).text()).unwrap_or_default();
            format!(
                "Of {} with a total, {} costs least, {} $, and {} most, {} $.",
                counted(i64::try_from(known.len()).unwrap_or(0), "side", "sides"),
                low.title,
                money(low),
                high.title,
                money(high)
            )
        }
        _ => "Fewer than two sides have a total, so nothing can be held against each other."
            .to_owned(),
    }
}

fn against(sides: &[&Side], verdicts: &[Verdict]) -> Table {
    let first = sides.first().map_or("the first", |side| &side.title);
    let mut table = Table::new(
        format!("Each side against {first}"),
        vec![
            Column::words("side"),
            Column::figure("total", "$/month"),
            Column::figure("difference", "$/month"),
            Column::figure("difference", "%"),
            Column::figure("uncertainty", "± %"),
            Column::words("verdict"),
            Column::count("nodes"),
        ],
    );
    for side in sides {
        let verdict = verdicts.iter().find(|verdict| verdict.side == side.id);
        let share = |share: Option<Percent>| share.map_or(Cell::Nothing, Cell::ShareChange);
        table.add(Row::plain(vec![
            Cell::Name(side.title.clone()),
            side.money(),
            verdict
                .and_then(|verdict| verdict.difference)
                .map_or(Cell::Nothing, |difference| Cell::Change(Cents::of(difference))),
            share(verdict.and_then(|verdict| verdict.percent)),
            verdict.and_then(|verdict| verdict.uncertainty).map_or(Cell::Nothing, Cell::Share),
            verdict
                .map_or(Cell::Text("held against".to_owned()), |verdict| verdict.answer.mark("")),
            Cell::Count(side.nodes.into()),
        ]));
    }
    table
}

fn by_shape(sides: &[&Side], verdicts: &[Verdict]) -> Table {
    let shapes = verdicts
        .iter()
        .map(|verdict| &verdict.by_shape)
        .max_by_key(|shapes| shapes.len())
        .map(|shapes| shapes.iter().map(|shape| shape.title.clone()).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut columns = vec![Column::words("side")];
    columns.extend(shapes.iter().map(|title| Column::words(shape_title(title))));
    let mut table = Table::new("The verdict for other shapes of nodes", columns);
    for side in sides {
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.side == side.id) else {
            continue;
        };
        let mut cells = vec![Cell::Name(side.title.clone())];
        cells.extend(shapes.iter().map(|title| {
            match verdict.by_shape.iter().find(|shape| shape.title == *title) {
                Some(shape) => shape
                    .answer
                    .mark(&shape.difference.map(|one| Cents::of(one).signed()).unwrap_or_default()),
                None => Answer::CannotSay.mark(""),
            }
        }));
        table.add(Row::plain(cells));
    }
    table
}

/// `≤ 4 vCPU` is of nodes.
fn shape_title(title: &str) -> String {
    if title.starts_with('≤') { format!("nodes {title}") } else { title.to_owned() }
}

fn twice(sides: &[&Side]) -> Table {
    let mut columns = vec![Column::words("side")];
    for run in ["cold", "settled"] {
        columns.push(Column::figure(run, "$/month"));
        columns.push(Column::count("nodes"));
        columns.push(Column::figure("full", "%"));
    }
    let mut table = Table::new("Karpenter in one cold batch, and settled", columns);
    for side in sides {
        let Some((cold, settled)) = &side.twice else { continue };
        let mut cells = vec![Cell::Name(side.title.clone())];
        for run in [cold, settled] {
            cells.push(Cell::money(run.total.map(Cents::of)));
            cells.push(Cell::Count(run.nodes.into()));
            cells.push(run.full.map_or(Cell::Nothing, Cell::Share));
        }
        table.add(Row::plain(cells));
    }
    table
}
