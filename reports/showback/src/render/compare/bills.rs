//! Every side with the lines of its bill, which add up to its total.

use std::collections::BTreeMap;

use runbook_capacity::money::Amount;

use super::side::{Line, Side, System};
use crate::render::figures::{Cents, grouped};
use crate::render::page::{Block, Fold, Section};
use crate::render::read::Unreadable;
use crate::render::table::{Cell, Column, Row, Table};
use crate::render::text::counted;

/// A bill with more lines shows its largest, and the others summed by kind.
const MOST_LINES: usize = 60;
/// How many pods that cannot run are named.
const MOST_NAMES: usize = 20;

pub(super) fn section(sides: &[Side]) -> Result<Section, Unreadable> {
    let mut section = Section::new("bills", "The bills").with(Block::Text(
        "Each side carries its whole system layer. Lines add up to the total; a line without a price \
         has its reason and is never nothing."
            .to_owned(),
    ));
    for side in sides {
        let mut aside = match side.total {
            Some(total) => format!("{} $ a month", Cents::of(total).text()),
            None => "no total".to_owned(),
        };
        if side.nodes > 0 {
            aside.push_str(&format!(" · {}", counted(side.nodes, "node", "nodes")));
        }
        if let Some(asked) = side.asked_for {
            aside.push_str(&format!(", {} of them asked for", asked.text()));
        }
        let title = side.title.clone();
        section = section.with(Block::Fold(Fold { title, aside, blocks: blocks(side) }));
    }
    Ok(section)
}

fn blocks(side: &Side) -> Vec<Block> {
    let mut blocks = vec![Block::Table(bill(side))];
    if let Some(system) = &side.system {
        blocks.push(Block::Text(layer(system)));
    }
    if !side.not_held.is_empty() {
        let mut table = Table::new(
            "Pods that this side cannot run",
            vec![Column::words("pod"), Column::words("why")],
        );
        for (name, reason) in side.not_held.iter().take(MOST_NAMES) {
            table.add(Row::plain(vec![Cell::Name(name.clone()), Cell::Text(reason.clone())]));
        }
        if side.not_held.len() > MOST_NAMES {
            let more = grouped((side.not_held.len() - MOST_NAMES) as i128);
            let cells = vec![Cell::Text(format!("and {more} more")), Cell::Nothing];
            table.add(Row::subtotal(cells));
        }
        blocks.push(Block::Table(table));
    }
    if !side.notes.is_empty() {
        blocks.push(Block::List(side.notes.clone()));
    }
    blocks
}

fn layer(system: &System) -> String {
    let mut text = match system.amount {
        Some(amount) => format!("The system layer, {} $ of it", Cents::of(amount).text()),
        None => "The system layer".to_owned(),
    };
    text.push_str(&match system.runs.as_slice() {
        [] => ", runs nothing of its own".to_owned(),
        runs => format!(", runs {}", runs.join(", ")),
    });
    if !system.replaced.is_empty() {
        text.push_str(&format!("; it has no need of {}", system.replaced.join(", ")));
    }
    if let Some(note) = &system.note {
        text.push_str(&format!("; {note}"));
    }
    text.push('.');
    text
}

/// A line or the sum of some.
struct Shown {
    what: Cell,
    kind: String,
    count: Cell,
    hours: Cell,
    each: Cell,
    amount: Option<Amount>,
    reason: String,
}

fn bill(side: &Side) -> Table {
    let mut table = Table::new(
        format!("The bill of {}", side.title),
        vec![
            Column::words("what"),
            Column::words("kind"),
            Column::count("count"),
            Column::figure("for", "hours"),
            Column::figure("each", "$"),
            Column::figure("comes to", "$/month"),
        ],
    );
    let lines = shown(&side.lines);
    let amounts: Vec<Amount> = lines.iter().filter_map(|line| line.amount).collect();
    let sum = Cents::of(amounts.iter().copied().sum());
    let whole = side.total.map_or(sum, Cents::of);
    let mut cents = Cents::parts(whole, &amounts).unwrap_or_default().into_iter();
    let holes = lines.iter().filter(|line| line.amount.is_none()).count();
    for line in lines {
        let amount = match line.amount.and_then(|_| cents.next()) {
            Some(cents) => Cell::Money(cents),
            None => Cell::Missing(line.reason),
        };
        let kind = Cell::Text(line.kind);
        table.add(Row::plain(vec![line.what, kind, line.count, line.hours, line.each, amount]));
    }
    let mut last = |words: String, amount: Cell| {
        let cells =
            vec![Cell::Text(words), Cell::Nothing, Cell::Nothing, Cell::Nothing, Cell::Nothing];
        table.add(Row::total(cells.into_iter().chain([amount]).collect()));
    };
    if side.total.is_some() {
        last("total".to_owned(), Cell::Money(whole));
    } else {
        let holes = counted(i64::try_from(holes).unwrap_or(i64::MAX), "line", "lines");
        let words = format!("known, without {holes} and what cannot run; no total");
        last(words, Cell::Money(sum));
    }
    table
}

fn shown(lines: &[Line]) -> Vec<Shown> {
    let whole = |line: &Line| Shown {
        what: Cell::Name(line.what.clone()),
        kind: kind(&line.kind),
        count: Cell::Count(line.count.into()),
        hours: Cell::Figure(line.hours.clone()),
        each: line.each.clone().map_or(Cell::Nothing, Cell::Figure),
        amount: line.amount,
        reason: line.reason.clone().unwrap_or_else(|| "no price".to_owned()),
    };
    if lines.len() <= MOST_LINES {
        return lines.iter().map(whole).collect();
    }
    let mut ordered: Vec<&Line> = lines.iter().collect();
    // What has no price stays in sight; then the largest.
    ordered.sort_by_key(|line| (line.amount.is_some(), std::cmp::Reverse(line.amount)));
    let (large, small) = ordered.split_at(MOST_LINES);
    let mut rest: BTreeMap<(&str, bool), (usize, i64, Amount)> = BTreeMap::new();
    for line in small {
        let sum = rest.entry((&line.kind, line.amount.is_some())).or_default();
        sum.0 += 1;
        sum.1 += line.count;
        sum.2 += line.amount.unwrap_or_default();
    }
    let summed = rest.into_iter().map(|((name, has_price), (lines, count, amount))| Shown {
        what: Cell::Text(format!("{} smaller lines", grouped(lines as i128))),
        kind: kind(name),
        count: Cell::Count(count.into()),
        hours: Cell::Nothing,
        each: Cell::Nothing,
        amount: has_price.then_some(amount),
        reason: "no price".to_owned(),
    });
    large.iter().map(|line| whole(line)).chain(summed).collect()
}

/// A kind of line for people.
fn kind(name: &str) -> String {
    match name {
        "fargate_pod" => "pod on Fargate".to_owned(),
        "auto_mode_fee" => "Auto Mode fee".to_owned(),
        other => other.replace('_', " "),
    }
}
