//! How much was seen, and what else a reader has to know.

use crate::allocate::showback::Basis;
use crate::observed::Severity;
use crate::render::figures::{grouped, lasting};
use crate::render::page::{Block, Section};
use crate::render::showback::rounded::Rounded;
use crate::render::showback::words::{self, Remark};
use crate::render::table::{Cell, Column, Row, Table, Tone};
use crate::render::text::{elided, sentence, visible};

/// Things of a remark that are named, and columns of each.
const MOST_ITEMS: usize = 60;
const ITEM: usize = 160;
/// Remarks that a page has.
const MOST_REMARKS: usize = 100;
/// Sources of prices that are named.
const MOST_SOURCES: usize = 20;

pub(super) fn sections(rounded: &Rounded<'_>) -> Vec<Section> {
    let mut sections = vec![
        Section::new("seen", "How much was seen")
            .with(Block::Table(seen(rounded)))
            .with(Block::Table(made_of(rounded))),
    ];
    sections.extend(remarked(rounded));
    sections
}

fn seen(rounded: &Rounded<'_>) -> Table {
    let showback = rounded.of;
    let known = &showback.coverage;
    let columns = vec![Column::words("what"), Column::words("is")];
    let mut table = Table::new("Coverage and prices", columns);
    let mut add = |what: &str, cell: Cell| {
        table.add(Row::plain(vec![Cell::Text(what.to_owned()), cell]));
    };
    if showback.basis == Basis::Period {
        add("nodes", Cell::Text(words::coverage_text(showback)));
        let hole = known.largest_hole.map_or_else(
            || "none".to_owned(),
            |hole| format!("{} to {}, {}", hole.start, hole.end, lasting(hole.seconds())),
        );
        add("largest hole", Cell::Text(hole));
        add(
            "longest time between two looks otherwise",
            Cell::Text(lasting(known.resolution_seconds)),
        );
        let once =
            format!("{} of {}", grouped(known.pods_seen_once.into()), grouped(known.pods.into()));
        add("pods that one look saw", Cell::Text(once));
        let words = if showback.is_provisional { "no: provisional" } else { "yes" };
        add("had the window settled?", Cell::Text(words.to_owned()));
    } else {
        add(
            "basis",
            Cell::Text("one look: a rate per hour, of no time that has passed".to_owned()),
        );
    }
    add("made", Cell::Text(showback.as_of.to_string()));
    add("prices", Cell::Text(words::prices(showback)));
    add("things without a price", Cell::Text(grouped(showback.unpriced.len() as i128)));
    for source in showback.prices.sources.iter().take(MOST_SOURCES) {
        add("prices are from", Cell::Text(elided(&visible(source), ITEM).into_owned()));
    }
    table
}

fn made_of(rounded: &Rounded<'_>) -> Table {
    let columns = vec![Column::words("class"), Column::figure("comes to", rounded.unit())];
    let mut table = Table::new("The total as a bill would have it", columns);
    for ((class, _), count) in rounded.of.classes.iter().zip(&rounded.classes) {
        let cells = vec![Cell::Text(class.title().to_owned()), Cell::Figure(rounded.text(*count))];
        table.add(Row::plain(cells));
    }
    let total = rounded.text(rounded.total.total());
    table.add(Row::total(vec![Cell::Text("total".to_owned()), Cell::Figure(total)]));
    table
}

fn remarked(rounded: &Rounded<'_>) -> Option<Section> {
    let remarks = words::remarks(rounded);
    if remarks.is_empty() {
        return None;
    }
    let columns = vec![Column::words("matter"), Column::words("about"), Column::words("what")];
    let mut table = Table::new("Each with how much it matters", columns);
    for remark in remarks.iter().take(MOST_REMARKS) {
        table.add(Row::plain(vec![
            mark(remark.severity),
            Cell::Text(remark.label.to_owned()),
            Cell::Text(remark.sentence(4 * ITEM)),
        ]));
    }
    let mut section = Section::new("known", "What else is to be known").with(Block::Table(table));
    if remarks.len() > MOST_REMARKS {
        let text = format!("{} more are in the JSON.", remarks.len() - MOST_REMARKS);
        section = section.with(Block::Text(text));
    }
    for remark in remarks.iter().filter(|remark| !remark.items.is_empty()) {
        section = section
            .with(Block::Heading(sentence(remark.label).trim_end_matches('.').to_owned()))
            .with(Block::List(items(remark)));
    }
    Some(section)
}

fn items(remark: &Remark) -> Vec<String> {
    let shown = remark.items.iter().take(MOST_ITEMS);
    let mut items: Vec<String> =
        shown.map(|item| elided(&visible(item), ITEM).into_owned()).collect();
    if remark.items.len() > MOST_ITEMS {
        let more = grouped((remark.items.len() - MOST_ITEMS) as i128);
        items.push(format!("and {more} more, each in the JSON"));
    }
    items
}

fn mark(severity: Severity) -> Cell {
    match severity {
        Severity::Note => Cell::Mark("·", "note".to_owned(), Tone::Faint),
        Severity::Warning => Cell::Mark("◆", "less sure".to_owned(), Tone::Open),
        Severity::Loss => Cell::Mark("✗", "missing".to_owned(), Tone::Bad),
    }
}
