//! Down to the pods: a fold for each row, its dearest pods by name and the others summed.

use std::cmp::Reverse;

use super::{cost_cells, cost_columns, more};
use crate::render::figures::grouped;
use crate::render::markup::written_length;
use crate::render::page::{Block, Fold, Section};
use crate::render::showback::rounded::{Parts, Pod, Rounded, Row};
use crate::render::showback::words;
use crate::render::table::{Cell, Column, Row as Line, Table};
use crate::render::text::{counted, elided, visible};

/// Rows that can be opened.
const MOST_FOLDS: usize = 200;
/// Pods of a row that are named.
const MOST_PODS: usize = 300;
/// Bytes of the page that pods may take.
const MOST_BYTES: usize = 1_000_000;
/// What a line of the table takes besides its names.
const LINE: usize = 300;

pub(super) fn section(rounded: &Rounded<'_>) -> Option<Section> {
    let with_pods: Vec<&Row<'_>> = rounded.rows.iter().filter(|row| !row.pods.is_empty()).collect();
    if with_pods.is_empty() {
        return None;
    }
    let named = named(rounded, &with_pods);
    let mut section = Section::new("pods", "Down to the pods").with(Block::Text(
        "Each pod carries its share of what is idle, overhead or shared; the pods of a row add up to it."
            .to_owned(),
    ));
    for (row, count) in with_pods.iter().zip(&named).take(MOST_FOLDS) {
        let name = words::name(row.of, rounded.of.by.len());
        let aside = format!(
            "{} {} · {}",
            rounded.text(row.cost.total()),
            rounded.unit(),
            counted(i64::try_from(row.pods.len()).unwrap_or(i64::MAX), "pod", "pods")
        );
        let title = elided(&visible(&name), 60).into_owned();
        let blocks = vec![Block::Table(table(rounded, row, *count))];
        section = section.with(Block::Fold(Fold { title, aside, blocks }));
    }
    if with_pods.len() > MOST_FOLDS {
        let rest = &with_pods[MOST_FOLDS..];
        let text = format!(
            "{} with {} come to {} {}; each is in the JSON.",
            more(rest.len(), "rows"),
            grouped(rest.iter().map(|row| row.pods.len()).sum::<usize>() as i128),
            rounded.text(rest.iter().map(|row| row.cost.total()).sum()),
            rounded.unit()
        );
        section = section.with(Block::Text(text));
    }
    Some(section)
}

/// How many pods of each row are named: the dearest of all, as many as there is room for.
fn named(rounded: &Rounded<'_>, rows: &[&Row<'_>]) -> Vec<usize> {
    let mut all: Vec<(i128, usize, usize)> = Vec::new();
    for (index, row) in rows.iter().enumerate().take(MOST_FOLDS) {
        let pods = row.pods.iter().enumerate().take(MOST_PODS);
        all.extend(pods.map(|(place, pod)| (pod.cost.total(), index, place)));
    }
    all.sort_by_key(|(cost, index, place)| (Reverse(*cost), *index, *place));
    let mut counts = vec![0; rows.len()];
    let mut room = MOST_BYTES;
    for (_, index, place) in all {
        let pod = &rows[index].pods[place];
        let name = words::pod(&pod.of.pod, rounded.of);
        let bytes = LINE + 2 * written_length(&name) + 2 * written_length(&pod.of.place);
        // Pods of a row are named from the dearest on, without a gap.
        if bytes <= room && counts[index] == place {
            room -= bytes;
            counts[index] += 1;
        }
    }
    counts
}

fn table(rounded: &Rounded<'_>, row: &Row<'_>, named: usize) -> Table {
    let mut columns =
        vec![Column::words("pod"), Column::words("on"), Column::figure("for", "hours")];
    columns.extend(cost_columns(rounded));
    let name = words::name(row.of, rounded.of.by.len());
    let caption = format!("Pods of {}", elided(&visible(&name), 80));
    let mut table = Table::new(caption, columns);
    for pod in &row.pods[..named] {
        table.add(Line::plain(line(rounded, pod)));
    }
    let mut sum = |kind: fn(Vec<Cell>) -> Line, name: String, cost: &Parts| {
        let mut cells = vec![Cell::Text(name), Cell::Text(String::new()), Cell::Nothing];
        cells.extend(cost_cells(rounded, cost));
        table.add(kind(cells));
    };
    let rest = &row.pods[named..];
    if !rest.is_empty() {
        let cost = rest.iter().fold(Parts::default(), |sum, pod| sum.and(&pod.cost));
        sum(Line::subtotal, format!("{}, each in the JSON", more(rest.len(), "pods")), &cost);
    }
    if let Some(beside) = &row.beside_pods {
        sum(Line::subtotal, "beside its pods".to_owned(), beside);
    }
    sum(Line::total, "total".to_owned(), &row.cost);
    table
}

fn line(rounded: &Rounded<'_>, pod: &Pod<'_>) -> Vec<Cell> {
    let hours = words::hours(pod.of.seconds);
    let mut cells = vec![
        Cell::Name(words::pod(&pod.of.pod, rounded.of)),
        Cell::Name(pod.of.place.clone()),
        Cell::Figure(hours),
    ];
    cells.extend(cost_cells(rounded, &pod.cost));
    cells
}
