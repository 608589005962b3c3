//! What each side costs.

use runbook_capacity::money::Amount;

use super::decide::{Answer, Verdict};
use super::side::Side;
use crate::render::chart::{Arrangement, Bar, BarRow, Bars, Chart, Drawing};
use crate::render::figures::{Cents, Percent};
use crate::render::page::{Block, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};
use crate::render::text::{counted, joined};

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
    if sides.iter().any(|side| side.settled.is_some()) {
        section = section
            .with(Block::Heading("Karpenter, cold and settled".to_owned()))
            .with(Block::Text(
                "Cold is one batch of all pods on an empty cluster. Settled is after arrivals in \
                 batches and consolidation until nothing more is saved; where there is both, settled \
                 is what is billed."
                    .to_owned(),
            ))
            .with(Block::Table(twice(&ordered)));
    } else if sides.iter().any(|side| side.cold.is_some()) {
        let text =
            "Karpenter’s nodes are those of one cold batch: all pods at once on an empty cluster.";
        section = section.with(Block::Text(text.to_owned()));
    }
    if answer.maybe("shape")?.is_some() {
        section = section.with(Block::Text(shape(&answer.field("shape")?)?));
    }
    Ok(section)
}

/// The nodes that were allowed, in a sentence.
fn shape(node: &Node<'_>) -> Result<String, Unreadable> {
    let mut most = Vec::new();
    if let Some(vcpus) = node.maybe_integer("vcpus_at_most")? {
        most.push(format!("{vcpus} vCPU"));
    }
    if let Some(pods) = node.maybe_integer("pods_at_most")? {
        most.push(counted(pods, "pod", "pods"));
    }
    let mut text = match most.as_slice() {
        [] => "Nodes may have any size".to_owned(),
        some => format!("Nodes have at most {}", joined(some)),
    };
    if let Some(volume) = node.maybe_integer("root_volume_gib")? {
        text.push_str(&format!(" and a root volume of {volume} GiB"));
    }
    text.push_str(&format!(
        "; there are at least {} in {}. Karpenter’s pools: {}.",
        counted(node.integer("nodes_at_least")?, "node", "nodes"),
        counted(node.integer("zones_at_least")?, "zone", "zones"),
        match node.texts("node_pools")? {
            names if names.is_empty() => "none".to_owned(),
            names => joined(&names),
        }
    ));
    Ok(text)
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
        description: format!("{}{}", described(sides), shared(sides)),
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

/// What it means that a side has no system layer of its own.
fn shared(sides: &[&Side]) -> &'static str {
    let is_shared = |side: &&&Side| {
        side.total.is_some() && side.system.as_ref().and_then(|system| system.amount).is_none()
    };
    if sides.iter().any(|side| is_shared(&side)) {
        " Where no system layer is drawn, its pods share the nodes of the workloads."
    } else {
        ""
    }
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
        columns.push(Column::figure("asked for", "%"));
    }
    let mut table = Table::new("Karpenter in one cold batch, and settled", columns);
    for side in sides {
        if side.cold.is_none() && side.settled.is_none() {
            continue;
        }
        let mut cells = vec![Cell::Name(side.title.clone())];
        for run in [&side.cold, &side.settled] {
            let asked = run.as_ref().and_then(|run| run.asked_for);
            cells.push(Cell::money(run.as_ref().and_then(|run| run.total).map(Cents::of)));
            cells.push(run.as_ref().map_or(Cell::Nothing, |run| Cell::Count(run.nodes.into())));
            cells.push(asked.map_or(Cell::Nothing, Cell::Share));
        }
        table.add(Row::plain(cells));
    }
    table
}
