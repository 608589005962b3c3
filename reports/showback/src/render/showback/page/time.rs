//! Cost over time: a column for each day, in it the dearest of the first dimension's values.

use std::collections::BTreeMap;

use crate::allocate::showback::RowKind;
use crate::render::chart::{Chart, Columns, Drawing, Stack};
use crate::render::page::{Block, Section};
use crate::render::showback::rounded::{Rounded, Row};
use crate::render::showback::words;
use crate::render::table::{Cell, Column, Row as Line, Table};

/// Series that can be told apart; the last one is the rest.
const MOST_SERIES: usize = 4;
/// Columns that can be told apart.
const MOST_COLUMNS: usize = 62;

/// None of a rate, and of a single day.
pub(super) fn section(rounded: &Rounded<'_>) -> Option<Section> {
    let days = rounded.dates();
    if days.len() < 2 || rounded.total.total() <= 0 {
        return None;
    }
    let series = series(rounded);
    let stretch = days.len().div_ceil(MOST_COLUMNS);
    let stacks: Vec<(String, Vec<i128>)> = (0..days.len())
        .step_by(stretch)
        .map(|first| {
            let last = (first + stretch).min(days.len());
            let sums = series.iter().map(|(_, by_day)| by_day[first..last].iter().sum()).collect();
            (days[first].to_string(), sums)
        })
        .collect();
    let first = rounded.of.by.first().map_or("row", String::as_str);
    let per = if stretch == 1 { "a day".to_owned() } else { format!("per {stretch} days") };
    let columns = Columns {
        up: format!("$ {per}"),
        series: series.iter().map(|(name, _)| name.clone()).collect(),
        stacks: stacks
            .iter()
            .map(|(day, counts)| Stack {
                label: day.get(5..).unwrap_or(day).to_owned(),
                amounts: counts.iter().map(|count| rounded.grain.amount((*count).max(0))).collect(),
            })
            .collect(),
    };
    let chart = Chart {
        title: format!("Dollars {per}, by {first}"),
        description: described(rounded, &stacks, &per),
        drawing: Drawing::Columns(columns),
        table: table(rounded, &series, &stacks, &per),
    };
    Some(Section::new("time", "Over time").with(Block::Chart(Box::new(chart))))
}

/// Rows by the first value of their keys; those beyond what can be told apart are one.
fn series(rounded: &Rounded<'_>) -> Vec<(String, Vec<i128>)> {
    let days = rounded.dates().len();
    let mut sums: BTreeMap<String, Vec<i128>> = BTreeMap::new();
    for row in &rounded.rows {
        let sum = sums.entry(first_value(row)).or_insert_with(|| vec![0; days]);
        for (sum, count) in sum.iter_mut().zip(&row.by_day) {
            *sum += count;
        }
    }
    let mut series: Vec<(String, Vec<i128>)> = sums.into_iter().collect();
    // What cost nothing on any day is no part of a column.
    series.retain(|(_, by_day)| by_day.iter().any(|count| *count != 0));
    series.sort_by_key(|(name, by_day)| (-by_day.iter().sum::<i128>(), name.clone()));
    if series.len() > MOST_SERIES + 1 {
        let rest = series.split_off(MOST_SERIES);
        let mut sum = vec![0; days];
        for (_, by_day) in &rest {
            for (sum, count) in sum.iter_mut().zip(by_day) {
                *sum += count;
            }
        }
        series.push((format!("the other {}", rest.len()), sum));
    }
    series
}

fn first_value(row: &Row<'_>) -> String {
    match row.of.kind {
        RowKind::Owned | RowKind::Unowned => words::keys(row.of, 1).swap_remove(0),
        other => words::kind_title(other).to_owned(),
    }
}

fn described(rounded: &Rounded<'_>, stacks: &[(String, Vec<i128>)], per: &str) -> String {
    let whole = |stack: &&(String, Vec<i128>)| stack.1.iter().sum::<i128>();
    let (Some(most), Some(least)) =
        (stacks.iter().max_by_key(whole), stacks.iter().min_by_key(whole))
    else {
        return String::new();
    };
    format!(
        "Most {per}: {} $ from {} on; least: {} $ from {} on.",
        rounded.text(whole(&most)),
        most.0,
        rounded.text(whole(&least)),
        least.0
    )
}

fn table(
    rounded: &Rounded<'_>,
    series: &[(String, Vec<i128>)],
    stacks: &[(String, Vec<i128>)],
    per: &str,
) -> Table {
    let mut columns = vec![Column::words("from")];
    columns.extend(series.iter().map(|(name, _)| {
        let visible = crate::render::text::visible(name);
        Column::figure(crate::render::text::elided(&visible, 24), "$")
    }));
    columns.push(Column::figure("total", "$"));
    let mut table = Table::new(format!("Dollars {per}"), columns);
    let cells = |name: String, counts: &[i128]| {
        let mut cells = vec![Cell::Text(name)];
        cells.extend(counts.iter().map(|count| Cell::Figure(rounded.text(*count))));
        cells.push(Cell::Figure(rounded.text(counts.iter().sum())));
        cells
    };
    for (day, counts) in stacks {
        table.add(Line::plain(cells(day.clone(), counts)));
    }
    let sums: Vec<i128> = series.iter().map(|(_, by_day)| by_day.iter().sum()).collect();
    table.add(Line::total(cells("total".to_owned(), &sums)));
    table
}
