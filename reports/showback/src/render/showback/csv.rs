//! A showback for a spreadsheet: a line for each row, a column for each day, figures as numbers.

use runbook_capacity::answer::written::cell;

use super::rounded::{Rounded, Row};
use super::words;

/// Columns behind the row's key and before the days.
const FIGURES: [&str; 17] = [
    "cpu",
    "memory",
    "fargate",
    "node_overhead",
    "idle",
    "shared",
    "total",
    "before",
    "under_other_weight",
    "unit",
    "pods",
    "cpu_core_hours",
    "memory_gib_hours",
    "from",
    "window_start",
    "window_end",
    "marks",
];

pub(super) fn csv(rounded: &Rounded<'_>) -> String {
    let showback = rounded.of;
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut head = vec!["kind".to_owned()];
    head.extend(showback.by.iter().map(|name| cell(name)));
    head.extend(FIGURES.map(str::to_owned));
    head.extend(rounded.dates().iter().map(ToString::to_string));
    // Writing to memory cannot fail, and each line has as many cells as the head.
    let _ = writer.write_record(&head);
    for row in &rounded.rows {
        let _ = writer.write_record(line(rounded, row));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn line(rounded: &Rounded<'_>, row: &Row<'_>) -> Vec<String> {
    let showback = rounded.of;
    let plain = |count: i128| rounded.grain.plain(count);
    let mut line = vec![words::kind_name(row.of.kind).to_owned()];
    let keys = (0..showback.by.len()).map(|at| row.of.key.get(at).map(|key| cell(key)));
    line.extend(keys.map(Option::unwrap_or_default));
    line.extend(row.cost.parts.map(plain));
    line.push(plain(row.cost.total()));
    line.push(row.before.map(plain).unwrap_or_default());
    line.push(plain(row.under_other_weight));
    line.push(super::unit_name(showback.basis).to_owned());
    line.push(row.of.pods.to_string());
    line.push(super::core_hours(row.of));
    line.push(super::gib_hours(row.of));
    line.push(cell(&showback.from));
    line.push(showback.window.start.to_string());
    line.push(showback.window.end.to_string());
    line.push(words::marks(showback).join(" "));
    line.extend(
        (0..rounded.dates().len())
            .map(|day| row.by_day.get(day).map(|count| plain(*count)).unwrap_or_default()),
    );
    line
}
