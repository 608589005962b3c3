//! Steps of Fargate's sizes: what a smaller request saves, what a larger one costs.

use super::workload::{self, Cliff, Workload};
use crate::render::figures::Cents;
use crate::render::page::{Block, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};

/// How many edges of Fargate's sizes are worth reading.
const MOST_CLIFFS: usize = 10;

/// None when there is neither.
pub(super) fn section(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let moves = answer.list("moves")?;
    let workloads = workload::read(answer)?;
    let mut cliffs: Vec<(&Workload, &Cliff)> =
        workloads.iter().flat_map(|one| one.cliffs.iter().map(move |cliff| (one, cliff))).collect();
    cliffs.sort_by_key(|(_, cliff)| std::cmp::Reverse(cliff.adds));
    let mut section = Section::new("sizes", "Steps of Fargate’s sizes");
    if !moves.is_empty() {
        section.blocks.push(Block::Heading("Smaller requests that save most".to_owned()));
        section.blocks.push(Block::Table(move_table(&moves)?));
    }
    if !cliffs.is_empty() {
        section.blocks.push(Block::Heading("Edges: a little more that costs most".to_owned()));
        section.blocks.push(Block::Table(cliff_table(&cliffs)));
    }
    Ok((!section.blocks.is_empty()).then_some(section))
}

fn move_table(moves: &[Node<'_>]) -> Result<Table, Unreadable> {
    let mut table = Table::new(
        "Right-sizing on the steps: what a pod may ask for to be billed a smaller size",
        vec![
            Column::words("workload"),
            Column::words("judged by"),
            Column::words("from"),
            Column::words("to"),
            Column::figure("CPU at most", "m"),
            Column::figure("memory at most", "MiB"),
            Column::figure("saves", "$/month"),
        ],
    );
    for one in moves {
        let by = match one.text("by")?.as_str() {
            "step" => "next smaller size".to_owned(),
            "usage" => "what it uses".to_owned(),
            other => other.to_owned(),
        };
        table.add(Row::plain(vec![
            Cell::Name(one.text("workload")?),
            Cell::Text(by),
            Cell::Text(one.text("from")?),
            Cell::Text(one.text("to")?),
            Cell::Count(one.integer("cpu_at_most_m")?.into()),
            Cell::Count(one.integer("memory_at_most_mib")?.into()),
            Cell::Money(Cents::of(one.money("saves_usd_per_month")?)),
        ]));
    }
    Ok(table)
}

fn cliff_table(cliffs: &[(&Workload, &Cliff)]) -> Table {
    let mut table = Table::new(
        "What it costs to ask for a little more than this",
        vec![
            Column::words("workload"),
            Column::words("asking for more than"),
            Column::words("is billed as"),
            Column::figure("adds", "$/month"),
            Column::figure("adds", "%"),
        ],
    );
    for (workload, cliff) in cliffs.iter().take(MOST_CLIFFS) {
        table.add(Row::plain(vec![
            Cell::Name(workload.name.clone()),
            Cell::Text(format!("{} {}", cliff.above, cliff.resource)),
            Cell::Text(cliff.to.clone()),
            Cell::Change(Cents::of(cliff.adds)),
            Cell::ShareChange(cliff.percent),
        ]));
    }
    table
}
