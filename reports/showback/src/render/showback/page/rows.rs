//! The rows, and what of each is idle, overhead or shared.

use super::{cost_cells, cost_columns, fitting, more};
use crate::allocate::showback::Basis;
use crate::render::chart::{Arrangement, Bar, BarRow, Bars, Chart, Drawing};
use crate::render::figures::grouped;
use crate::render::markup::written_length;
use crate::render::page::{Block, Section};
use crate::render::showback::rounded::{Parts, Rounded, Row};
use crate::render::showback::words;
use crate::render::table::{Cell, Column, Row as Line, Table};

/// Rows that a page has at most, and bytes of their names.
const MOST_ROWS: usize = 400;
const MOST_BYTES: usize = 300_000;
/// Rows of the chart.
const MOST_BARS: usize = 12;

pub(super) fn section(rounded: &Rounded<'_>) -> Section {
    Section::new("rows", format!("Who pays, {}", words::dimensions(rounded.of)))
        .with(Block::Table(table(rounded)))
        .with(Block::Text(under(rounded)))
}

fn under(rounded: &Rounded<'_>) -> String {
    let mut text = String::from(
        "Requested is what pods asked for or used, whichever is more: vCPU and memory of nodes, and \
         Fargate. Overhead is of nodes: DaemonSets, boot, drain, system reserve, volumes.",
    );
    if rounded.rows.iter().any(|row| row.under_other_weight != row.cost.total()) {
        text.push_str(&format!(
            " The last column is the total with a node’s price divided {} instead of {}.",
            words::weight(rounded.of.other_weight),
            words::weight(rounded.of.weight)
        ));
    }
    text
}

fn table(rounded: &Rounded<'_>) -> Table {
    let showback = rounded.of;
    let dimensions = showback.by.len().max(1);
    let mut columns: Vec<Column> = showback.by.iter().map(Column::words).collect();
    columns.resize(dimensions, Column::words(""));
    columns.push(Column::count("pods"));
    columns.extend(cost_columns(rounded));
    let has_change = rounded.change.is_some();
    if has_change {
        columns.push(Column::figure("before", rounded.unit()));
        columns.push(Column::figure("change", rounded.unit()));
    }
    let other = format!("at {}", words::weight(showback.other_weight));
    columns.push(Column::figure(other, rounded.unit()));
    let mut table = Table::new(format!("{}, {}", words::window(showback), rounded.unit()), columns);
    let shown = fitting(&rounded.rows, MOST_ROWS, MOST_BYTES, |row| {
        row.of.key.iter().map(|key| 2 * written_length(key)).sum::<usize>() + 500
    });
    for row in &rounded.rows[..shown] {
        let names = words::keys(row.of, dimensions).into_iter().map(Cell::Name).collect();
        table.add(Line::plain(cells(rounded, names, &Sum::of(std::slice::from_ref(row)))));
    }
    let named = |name: String| {
        let mut cells = vec![Cell::Text(name)];
        cells.resize(dimensions, Cell::Text(String::new()));
        cells
    };
    if shown < rounded.rows.len() {
        let rest = &rounded.rows[shown..];
        let name = format!("{}, each in the CSV and the JSON", more(rest.len(), "rows"));
        table.add(Line::subtotal(cells(rounded, named(name), &Sum::of(rest))));
    }
    if let Some(moved) = rounded.change.as_ref().filter(|moved| moved.gone != 0) {
        let gone = Sum { before: Some(moved.gone), ..Sum::default() };
        table.add(Line::plain(cells(rounded, named("rows that are no more".to_owned()), &gone)));
    }
    let whole =
        Sum { before: rounded.change.as_ref().map(|moved| moved.before), ..Sum::of(&rounded.rows) };
    table.add(Line::total(cells(rounded, named("total".to_owned()), &whole)));
    table
}

/// Rows together.
#[derive(Default)]
struct Sum {
    pods: u64,
    cost: Parts,
    before: Option<i128>,
    other: i128,
}

impl Sum {
    fn of(rows: &[Row<'_>]) -> Self {
        let known: Vec<i128> = rows.iter().filter_map(|row| row.before).collect();
        Self {
            pods: rows.iter().map(|row| row.of.pods).sum(),
            cost: rows.iter().fold(Parts::default(), |sum, row| sum.and(&row.cost)),
            before: (!known.is_empty()).then(|| known.iter().sum()),
            other: rows.iter().map(|row| row.under_other_weight).sum(),
        }
    }
}

fn cells(rounded: &Rounded<'_>, mut cells: Vec<Cell>, sum: &Sum) -> Vec<Cell> {
    cells.push(Cell::Count(sum.pods.into()));
    cells.extend(cost_cells(rounded, &sum.cost));
    if rounded.change.is_some() {
        let before = sum.before.map(|count| rounded.text(count));
        cells.push(before.map_or(Cell::Nothing, Cell::Figure));
        let change = sum.cost.total() - sum.before.unwrap_or_default();
        cells.push(Cell::Figure(rounded.grain.signed(change)));
    }
    cells.push(Cell::Figure(rounded.text(sum.other)));
    cells
}

/// What of each row is its own, and what is shared out. A rate is often below a cent and has no chart.
pub(super) fn idle(rounded: &Rounded<'_>) -> Option<Section> {
    if rounded.of.basis == Basis::HourlyRate || rounded.total.total() <= 0 {
        return None;
    }
    let series = ["requested", "idle", "node overhead", "shared"];
    let amount = |count: i128| rounded.grain.amount(count.max(0));
    let figures = |cost: &Parts| [cost.own(), cost.idle(), cost.node_overhead(), cost.shared()];
    let mut chart_rows = Vec::new();
    let mut columns = vec![Column::words("row"), Column::figure("total", "$")];
    columns.extend(series.iter().map(|name| Column::figure(*name, "$")));
    let mut table = Table::new("What each row is made of, dollars", columns);
    let mut add = |name: String, note: String, cost: &Parts| {
        let bars = figures(cost).map(|count| Bar::of(amount(count))).into();
        let mut cells = vec![Cell::Name(name.clone())];
        cells.push(Cell::Figure(rounded.text(cost.total())));
        cells.extend(figures(cost).map(|count| Cell::Figure(rounded.text(count))));
        table.add(Line::plain(cells));
        chart_rows.push(BarRow { name, note, bars, range: None });
    };
    let rows: Vec<&Row<'_>> = rounded.rows.iter().filter(|row| row.cost.total() != 0).collect();
    let shown = rows.len().min(MOST_BARS);
    for row in &rows[..shown] {
        let note = format!("{} idle", rounded.text(row.cost.idle()));
        add(words::name(row.of, rounded.of.by.len()), note, &row.cost);
    }
    let rest = &rows[shown..];
    if !rest.is_empty() {
        let cost = rest.iter().fold(Parts::default(), |sum, row| sum.and(&row.cost));
        let note = format!("{} idle", rounded.text(cost.idle()));
        add(more(rest.len(), "rows"), note, &cost);
    }
    let description = format!(
        "{} $ of {} $ were asked for by nobody. Node overhead is {} $, shared cost {} $.",
        rounded.text(rounded.total.idle()),
        rounded.text(rounded.total.total()),
        rounded.text(rounded.total.node_overhead()),
        rounded.text(rounded.total.shared())
    );
    let bars = Bars {
        unit: "$".to_owned(),
        series: series.map(str::to_owned).into(),
        arrangement: Arrangement::Stacked,
        rows: chart_rows,
    };
    let title = format!("What the {} dearest rows are made of", grouped(shown as i128));
    let chart = Chart { title, description, drawing: Drawing::Bars(bars), table };
    Some(Section::new("idle", "Idle, overhead, shared").with(Block::Chart(Box::new(chart))))
}
