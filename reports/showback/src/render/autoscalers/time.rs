//! Nodes and waiting pods over time.

use super::runs::{Point, Run};
use crate::render::chart::{Chart, Drawing, Timeline, TimelineLine};
use crate::render::figures::{clock, grouped};
use crate::render::page::{Block, Section};
use crate::render::table::{Cell, Column, Row, Table};

/// How many rows a table of a timeline has at most.
const MOST_ROWS: i64 = 48;
/// Steps between rows, in seconds.
const STEPS: [i64; 11] = [10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];

pub(super) fn section(runs: &[Run], until: i64) -> Section {
    let nodes = |point: &Point| point.nodes;
    let pending = |point: &Point| point.pending;
    let peaks: Vec<String> = runs
        .iter()
        .map(|run| format!("{} at most {}", run.title, grouped(run.peak.into())))
        .collect();
    let waiting: Vec<String> = runs
        .iter()
        .map(|run| {
            let most = run.series.iter().map(pending).max().unwrap_or(0);
            format!("{} at most {}", run.title, grouped(most.into()))
        })
        .collect();
    Section::new("time", "Over time")
        .with(chart(
            "Nodes over time",
            "nodes launched and not terminated",
            runs,
            until,
            &peaks,
            nodes,
        ))
        .with(chart("Pods that wait", "pods that wait for a node", runs, until, &waiting, pending))
}

fn chart(
    title: &str,
    up: &str,
    runs: &[Run],
    until: i64,
    said: &[String],
    pick: fn(&Point) -> i64,
) -> Block {
    let lines = runs
        .iter()
        .map(|run| TimelineLine {
            name: run.title.clone(),
            points: run.series.iter().map(|point| (point.at, pick(point))).collect(),
        })
        .collect();
    Block::Chart(Box::new(Chart {
        title: title.to_owned(),
        description: format!("Both from the same trace: {}.", said.join(", ")),
        drawing: Drawing::Timeline(Timeline { up: up.to_owned(), until, lines }),
        table: table(title, runs, until, pick),
    }))
}

/// The timeline at round times; what happens between two of them is in the most since the one before.
fn table(title: &str, runs: &[Run], until: i64, pick: fn(&Point) -> i64) -> Table {
    let step = STEPS
        .into_iter()
        .find(|step| until / step < MOST_ROWS)
        .unwrap_or(86_400 * (until / 86_400 / MOST_ROWS + 1));
    let mut columns = vec![Column::figure("time", "h:min")];
    for run in runs {
        columns.push(Column::figure(run.title.clone(), "then"));
        columns.push(Column::figure(run.title.clone(), "most since"));
    }
    let mut table = Table::new(format!("{title}, read at round times"), columns);
    let mut next = Some(0);
    while let Some(at) = next.filter(|at| *at <= until) {
        let mut cells = vec![Cell::Figure(clock(at))];
        for run in runs {
            let then = run.series.iter().take_while(|point| point.at <= at).last().map(pick);
            let most = run
                .series
                .iter()
                .filter(|point| point.at > at - step && point.at <= at)
                .map(pick)
                .chain(state_before(run, at - step, pick))
                .max();
            cells.push(then.map_or(Cell::Nothing, |count| Cell::Count(count.into())));
            cells.push(most.map_or(Cell::Nothing, |count| Cell::Count(count.into())));
        }
        table.add(Row::plain(cells));
        next = at.checked_add(step);
    }
    table
}

/// What held when a stretch began.
fn state_before(run: &Run, at: i64, pick: fn(&Point) -> i64) -> Option<i64> {
    run.series.iter().take_while(|point| point.at <= at).last().map(pick)
}
