//! What goes on the page of a reconciliation: the table with its causes, what only one side has, and
//! what a reader has to know.

use super::{Rounded, Row, money, remarks, scope, title, visible, window};
use crate::reconcile::{Cause, Reconciliation, Side};
use crate::render::figures::Cents;
use crate::render::page::{Block, Origin, Page, Section};
use crate::render::table::{self, Cell, Column, Table};

/// Resources on the page; JSON and CSV have them all.
const MOST_RESOURCES: usize = 200;

/// One page to look at, for a mail or a wiki.
pub fn html(of: &Reconciliation, from: &str) -> String {
    let rounded = Rounded::of(of);
    let is_sandbox = from.starts_with("sandbox");
    let verdict = if of.is_reconciled() { "Reconciled" } else { "Not reconciled" };
    let unexplained = money(rounded.total.causes[Cause::Unexplained as usize]);
    let mut sections =
        vec![Section::new("classes", "Class by class").with(Block::Table(classes(&rounded)))];
    if !of.resources.is_empty() {
        sections
            .push(Section::new("resources", "On one side only").with(Block::Table(resources(of))));
    }
    let known = remarks(&rounded).into_iter().map(|(label, words)| format!("{label}: {words}"));
    sections.push(Section::new("known", "What to know").with(Block::List(known.collect())));
    Page {
        title: title(of, from),
        origin: Origin {
            words: if is_sandbox {
                from.replacen("sandbox", "sandbox: a simulated account", 1)
            } else {
                from.to_owned()
            },
            is_sandbox,
        },
        heading: format!("Does it agree with the bill? {}", window(of)),
        answer: format!(
            "{verdict}: {unexplained} $ unexplained of {} $ billed.",
            money(rounded.total.billed)
        ),
        besides: Vec::new(),
        about: vec![visible(&of.source), scope(of), format!("{} UTC days", of.days.len())],
        sections,
    }
    .html()
}

fn classes(rounded: &Rounded<'_>) -> Table {
    let mut columns = vec![Column::words("class")];
    for name in ["at list", "at the bill's rate", "bill", "difference"] {
        columns.push(Column::figure(name, "$"));
    }
    columns.extend(Cause::ALL.map(|cause| Column::figure(cause.title(), "$")));
    columns.push(Column::words("verdict"));
    let mut table = Table::new("What we say less what the bill says, by cause", columns);
    for row in &rounded.rows {
        table.add(table::Row::plain(cells(row)));
    }
    table.add(table::Row::total(cells(&rounded.total)));
    table
}

fn cells(row: &Row<'_>) -> Vec<Cell> {
    let verdict = if row.of.is_reconciled { "reconciled" } else { "not reconciled" };
    let figures = [row.list, row.effective, row.billed, row.difference()];
    std::iter::once(Cell::Text(row.title.to_owned()))
        .chain(figures.into_iter().chain(row.causes).map(|cents| Cell::Figure(money(cents))))
        .chain([Cell::Text(verdict.to_owned())])
        .collect()
}

fn resources(of: &Reconciliation) -> Table {
    let columns = vec![
        Column::words("resource"),
        Column::words("side"),
        Column::words("class"),
        Column::words("kind"),
        Column::figure("cost", "$"),
    ];
    let mut table = Table::new("Resources that only the bill or only the samples have", columns);
    for one in of.resources.iter().take(MOST_RESOURCES) {
        let side = if one.side == Side::Billed { "billed, not seen" } else { "seen, not billed" };
        table.add(table::Row::plain(vec![
            Cell::Name(one.id.clone()),
            Cell::Text(side.to_owned()),
            Cell::Text(one.class.title().to_owned()),
            Cell::Name(one.kind.clone()),
            Cell::Money(Cents::of(one.amount)),
        ]));
    }
    let more = of.resources.len().saturating_sub(MOST_RESOURCES);
    if more > 0 {
        let words = format!("and {more} more, each in the JSON");
        let rest = std::iter::repeat_n(Cell::Nothing, 4);
        table.add(table::Row::subtotal(std::iter::once(Cell::Text(words)).chain(rest).collect()));
    }
    table
}
