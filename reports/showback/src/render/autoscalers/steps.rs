//! The way of the first pod that waited: on one clock, and step by step.

use super::runs::{Run, Step};
use crate::render::chart::{Chart, Drawing, Span, Spans, Way};
use crate::render::figures::lasting;
use crate::render::page::{Block, Flow, Section, Step as Drawn};
use crate::render::table::{Cell, Column, Row, Table};

/// None when no pod had to wait.
pub(super) fn section(runs: &[Run]) -> Option<Section> {
    if runs.iter().all(|run| run.steps.is_empty()) {
        return None;
    }
    let mut section = Section::new("steps", "The two flows, step by step");
    section.blocks.push(Block::Chart(Box::new(chart(runs))));
    section.blocks.push(Block::Flows(runs.iter().map(flow).collect()));
    Some(section)
}

/// Each step lasts from the one before; one that it did not come to has no place on the clock.
fn spans(steps: &[Step]) -> Vec<Span> {
    let mut before = 0;
    let mut spans = Vec::new();
    for step in steps {
        let Some(after) = step.after else { continue };
        spans.push(Span { name: step.title.clone(), from: before.min(after), to: after });
        before = after;
    }
    spans
}

fn chart(runs: &[Run]) -> Chart {
    let ways: Vec<Way> =
        runs.iter().map(|run| Way { name: run.title.clone(), spans: spans(&run.steps) }).collect();
    let ends: Vec<String> = ways
        .iter()
        .filter_map(|way| way.spans.last().map(|last| (way, last)))
        .map(|(way, last)| format!("{}: {} after {}", way.name, last.name, lasting(last.to)))
        .collect();
    let mut table = Table::new(
        "Each step and when it was done",
        vec![
            Column::words("step"),
            Column::words("of"),
            Column::figure("done after", "s"),
            Column::figure("took", "s"),
        ],
    );
    for way in &ways {
        for span in &way.spans {
            table.add(Row::plain(vec![
                Cell::Text(span.name.clone()),
                Cell::Text(way.name.clone()),
                Cell::Count(span.to.into()),
                Cell::Count(i128::from(span.to) - i128::from(span.from)),
            ]));
        }
    }
    Chart {
        title: "From the pod that waits to the pod that runs".to_owned(),
        description: format!("{}.", ends.join("; ")),
        drawing: Drawing::Spans(Spans { across: "since the pod began to wait".to_owned(), ways }),
        table,
    }
}

fn flow(run: &Run) -> Flow {
    let title = match &run.first_pod {
        Some(pod) => format!("{}: {pod}", run.title),
        None => run.title.clone(),
    };
    let steps = run
        .steps
        .iter()
        .map(|step| Drawn {
            when: match step.after {
                Some(after) => format!("after {}", lasting(after)),
                None => "did not come to that".to_owned(),
            },
            what: step.title.clone(),
            detail: step.text.clone(),
        })
        .collect();
    Flow { title, steps }
}
