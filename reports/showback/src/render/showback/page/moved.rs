//! What changed against the window before and why, and how owners stand against their budgets.

use crate::render::chart::{Arrangement, Bar, BarRow, Bars, Chart, Drawing, Move, Moves};
use crate::render::page::{Block, Section};
use crate::render::showback::rounded::Rounded;
use crate::render::showback::words;
use crate::render::table::{Cell, Column, Row, Table};

/// Rows that moved most.
const MOST_MOVES: usize = 20;
/// Budgets of the chart, and of the table.
const MOST_BARS: usize = 12;
const MOST_BUDGETS: usize = 200;

pub(super) fn change(rounded: &Rounded<'_>) -> Option<Section> {
    let moved = rounded.change.as_ref()?;
    let grain = rounded.grain;
    let title = format!("What changed against {}", moved.of.before);
    let columns =
        vec![Column::words("why"), Column::words("which means"), Column::figure("difference", "$")];
    let mut table = Table::new("The difference by cause, dollars", columns);
    let mut bars = Vec::new();
    for ((cause, _), count) in moved.of.causes.iter().zip(&moved.causes) {
        let (title, meaning) = (words::cause_title(*cause), words::cause_meaning(*cause));
        table.add(Row::plain(vec![
            Cell::Text(title.to_owned()),
            Cell::Text(meaning.to_owned()),
            Cell::Figure(grain.signed(*count)),
        ]));
        bars.push(Move {
            name: title.to_owned(),
            note: meaning.to_owned(),
            amount: grain.amount(*count),
        });
    }
    table.add(Row::total(vec![
        Cell::Text("in all".to_owned()),
        Cell::Text(String::new()),
        Cell::Figure(grain.signed(moved.difference)),
    ]));
    let amount = grain.amount(moved.difference);
    bars.push(Move { name: "in all".to_owned(), note: String::new(), amount });
    let chart = Chart {
        title: "The difference by cause".to_owned(),
        description: format!(
            "{} $ then, {} $ now: {} $. The causes make up the difference.",
            rounded.text(moved.before),
            rounded.text(rounded.total.total()),
            grain.signed(moved.difference)
        ),
        drawing: Drawing::Moves(Moves {
            unit: "$ more or less than before".to_owned(),
            moves: bars,
        }),
        table,
    };
    let section = Section::new("change", title).with(Block::Chart(Box::new(chart)));
    Some(match largest(rounded) {
        Some(table) => section.with(Block::Table(table)),
        None => section,
    })
}

fn largest(rounded: &Rounded<'_>) -> Option<Table> {
    let moved = rounded.change.as_ref()?;
    let columns =
        vec![Column::words("row"), Column::figure("difference", "$"), Column::words("mainly by")];
    let mut table = Table::new("Rows that moved most", columns);
    for ((key, _, cause), count) in moved.of.largest.iter().zip(&moved.largest).take(MOST_MOVES) {
        table.add(Row::plain(vec![
            Cell::Name(key.join(" / ")),
            Cell::Figure(rounded.grain.signed(*count)),
            Cell::Text(words::cause_title(*cause).to_owned()),
        ]));
    }
    (!table.rows.is_empty()).then_some(table)
}

pub(super) fn budgets(rounded: &Rounded<'_>) -> Option<Section> {
    let budgets = &rounded.of.budgets;
    if budgets.is_empty() {
        return None;
    }
    let money = |amount| Cell::Figure(rounded.text(rounded.grain.round(amount)));
    let columns = vec![
        Column::words("owner"),
        Column::figure("budget", "$/month"),
        Column::figure("spent so far", "$"),
        Column::figure("at its end", "$/month"),
        Column::words("stands"),
    ];
    let mut table = Table::new("Budgets of the month", columns);
    for line in budgets.iter().take(MOST_BUDGETS) {
        table.add(Row::plain(vec![
            Cell::Name(line.owner.clone()),
            money(line.budget),
            money(line.spent),
            money(line.projected),
            Cell::Text(words::budget_state(line)),
        ]));
    }
    let rows = budgets.iter().take(MOST_BARS).map(|line| BarRow {
        name: line.owner.clone(),
        note: words::budget_state(line),
        bars: [line.budget, line.spent, line.projected].map(Bar::of).into(),
        range: None,
    });
    let over = budgets.iter().filter(|line| line.projected > line.budget).count();
    let chart = Chart {
        title: "Budget, spent, and what the month will come to".to_owned(),
        description: format!(
            "{over} of {} will be over their budget if the month goes on as it did.",
            budgets.len()
        ),
        drawing: Drawing::Bars(Bars {
            unit: "$ in the month".to_owned(),
            series: ["budget", "spent so far", "at its end"].map(str::to_owned).into(),
            arrangement: Arrangement::Beside,
            rows: rows.collect(),
        }),
        table,
    };
    Some(Section::new("budgets", "Budgets").with(Block::Chart(Box::new(chart))))
}
