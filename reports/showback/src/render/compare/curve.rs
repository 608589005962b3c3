//! How full nodes must be to be cheaper than Fargate.

use runbook_capacity::money::Amount;

use crate::render::chart::{Chart, Crossing, Curve, CurveLine, Drawing};
use crate::render::figures::{Cents, Percent};
use crate::render::page::{Block, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table};

/// The break-even curve; none when no workload can run on both.
pub(super) fn section(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let Some(curve) = answer.maybe("curve")? else { return Ok(None) };
    let mut points = Vec::new();
    for point in curve.list("points")? {
        points.push((
            point.percent("utilisation_percent")?,
            point.money("karpenter_usd_per_month")?,
            point.money("fargate_usd_per_month")?,
        ));
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(None) };
    let even = curve.maybe_percent("break_even_percent")?;
    let used = curve.maybe_percent("used_percent")?;
    let note = curve.maybe_text("note")?;
    let on_fargate = points.iter().map(|(_, _, fargate)| *fargate).max().unwrap_or_default();
    // Above two and a half times Fargate nothing is decided any more.
    let most = Amount::from_raw(on_fargate.raw() * 5 / 2).max(last.1);
    // Where the curves are far apart there is room for Fargate's name.
    let is_early = even.is_some_and(|even| even.count() < 5_000);
    let named_at = if is_early { last.0 } else { Percent::hundredths(2_600) };
    let drawing = Curve {
        across: "how full the nodes are: pods of those that they would hold".to_owned(),
        up: "$ a month".to_owned(),
        from: first.0,
        to: last.0,
        most,
        lines: vec![
            CurveLine {
                name: format!("Fargate {}", Cents::of(on_fargate).brief()),
                named_at,
                is_named_below: false,
                points: points.iter().map(|(at, _, fargate)| (*at, *fargate)).collect(),
            },
            CurveLine {
                name: format!("nodes, full: {}", Cents::of(last.1).brief()),
                named_at: last.0,
                is_named_below: last.1 <= on_fargate,
                points: points.iter().map(|(at, nodes, _)| (*at, *nodes)).collect(),
            },
        ],
        marks: marks(even, used, on_fargate),
    };
    let chart = Chart {
        title: "Where nodes begin to pay".to_owned(),
        description: described(even, used, note.as_deref()),
        drawing: Drawing::Curve(drawing),
        table: curve_table(&points),
    };
    let title = "Break-even: how full must nodes be?";
    Ok(Some(Section::new("break-even", title).with(Block::Chart(Box::new(chart)))))
}

fn marks(even: Option<Percent>, used: Option<Percent>, on_fargate: Amount) -> Vec<Crossing> {
    let mut marks = Vec::new();
    if let Some(at) = used {
        let label = format!("NodeLess’s nodes: {} full", at.text());
        marks.push(Crossing { at, amount: None, label });
    }
    if let Some(at) = even {
        let label = format!("break-even at {}", at.text());
        marks.push(Crossing { at, amount: Some(on_fargate), label });
    }
    marks
}

fn described(even: Option<Percent>, used: Option<Percent>, note: Option<&str>) -> String {
    let mut text = match even {
        Some(at) if at.count() > 10_000 => {
            "Fargate is cheaper even than nodes that are full.".to_owned()
        }
        Some(at) => format!("Nodes are cheaper than Fargate from {} full on.", at.text()),
        None => "There is no break-even.".to_owned(),
    };
    if let Some(used) = used {
        text.push_str(&format!(" NodeLess’s nodes are {} full.", used.text()));
    }
    if let Some(note) = note {
        text.push_str(&format!(" Counted: {note}."));
    }
    text
}

fn curve_table(points: &[(Percent, Amount, Amount)]) -> Table {
    let mut table = Table::new(
        "Dollars a month over how full nodes are",
        vec![
            Column::figure("full", "%"),
            Column::figure("nodes", "$/month"),
            Column::figure("Fargate", "$/month"),
            Column::figure("nodes less Fargate", "$/month"),
        ],
    );
    for (at, nodes, fargate) in points {
        let (nodes, fargate) = (Cents::of(*nodes), Cents::of(*fargate));
        table.add(Row::plain(vec![
            Cell::Share(*at),
            Cell::Money(nodes),
            Cell::Money(fargate),
            Cell::Change(nodes.less(fargate)),
        ]));
    }
    table
}
