//! A showback for a pull request or a message: short, and harmless whatever names are in it.

use runbook_capacity::answer::written::visible;

use super::rounded::{Parts, Rounded, Row};
use super::words;
use crate::render::figures::grouped;
use crate::render::text::elided;

/// A message has an end: more rows are summed.
const MOST_ROWS: usize = 40;
/// Things of a remark that are named.
const MOST_ITEMS: usize = 10;
/// Remarks that are said.
const MOST_REMARKS: usize = 40;
/// Columns of a name.
const NAME: usize = 60;
/// Columns of a sentence.
const SENTENCE: usize = 400;

/// Text in which nothing ends its cell or line, is markup, or calls somebody.
fn safe(text: &str, most: usize) -> String {
    let mut out = String::new();
    for one in elided(&visible(text), most).chars() {
        match one {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(one);
            }
            // An entity is read as what it stands for, opens nothing and calls nobody.
            '@' => out.push_str("&#64;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn markdown(rounded: &Rounded<'_>) -> String {
    let showback = rounded.of;
    let mut heading = vec![words::window(showback)];
    heading.extend(words::marks(showback).into_iter().map(|mark| format!("*{mark}*")));
    let mut out = format!("## Who pays? {}\n\n", heading.join(" · "));
    out.push_str(&format!(
        "**{} {}** · from {} · {} · {} · {}\n\n",
        rounded.text(rounded.total.total()),
        rounded.unit(),
        safe(&words::source(showback), NAME),
        safe(&words::dimensions(showback), SENTENCE),
        safe(&words::clusters(showback), SENTENCE),
        words::prices(showback)
    ));
    out.push_str(&rows(rounded));
    out.push_str(&change(rounded));
    out.push_str(&budgets(rounded));
    out.push_str(&remarks(rounded));
    out
}

fn rows(rounded: &Rounded<'_>) -> String {
    let showback = rounded.of;
    let dimensions = showback.by.len().max(1);
    let mut head: Vec<String> = showback.by.iter().map(|name| safe(name, NAME)).collect();
    head.resize(dimensions, String::new());
    let has_change = rounded.change.is_some();
    let mut figures = vec!["pods", "requested", "idle", "overhead", "shared", rounded.unit()];
    figures.extend(has_change.then_some("change"));
    let mut out = format!("| {} | {} |\n", head.join(" | "), figures.join(" | "));
    out.push_str(&format!("|{}{}\n", "---|".repeat(dimensions), "---:|".repeat(figures.len())));
    for row in rounded.rows.iter().take(MOST_ROWS) {
        let keys = words::keys(row.of, dimensions);
        let keys = keys.iter().map(|key| safe(key, NAME)).collect();
        out.push_str(&line(rounded, keys, (row.of.pods, row.cost, Some(row.change()))));
    }
    let rest = rounded.rows.get(MOST_ROWS..).unwrap_or_default();
    if !rest.is_empty() {
        let cost = rest.iter().fold(Parts::default(), |sum, row| sum.and(&row.cost));
        let name = format!("{} more rows", grouped(rest.len() as i128));
        let change = rest.iter().map(Row::change).sum();
        out.push_str(&line(rounded, named(name, dimensions), (pods(rest), cost, Some(change))));
    }
    if let Some(moved) = rounded.change.as_ref().filter(|moved| moved.gone != 0) {
        let gone = (0, Parts::default(), Some(-moved.gone));
        out.push_str(&line(rounded, named("rows that are no more".to_owned(), dimensions), gone));
    }
    let change = rounded.change.as_ref().map(|change| change.difference);
    let last = (pods(&rounded.rows), rounded.total, change);
    out.push_str(&line(rounded, named("**total**".to_owned(), dimensions), last));
    out.push('\n');
    out
}

fn pods(rows: &[Row<'_>]) -> u64 {
    rows.iter().map(|row| row.of.pods).sum()
}

fn named(first: String, dimensions: usize) -> Vec<String> {
    let mut cells = vec![first];
    cells.resize(dimensions, String::new());
    cells
}

fn line(
    rounded: &Rounded<'_>,
    mut cells: Vec<String>,
    (pods, cost, change): (u64, Parts, Option<i128>),
) -> String {
    cells.push(grouped(pods.into()));
    let figures = [cost.own(), cost.idle(), cost.node_overhead(), cost.shared(), cost.total()];
    cells.extend(figures.map(|count| rounded.text(count)));
    if rounded.change.is_some() {
        cells.push(change.map(|change| rounded.grain.signed(change)).unwrap_or_default());
    }
    format!("| {} |\n", cells.join(" | "))
}

fn change(rounded: &Rounded<'_>) -> String {
    const MOST_MOVES: usize = 5;
    let Some(moved) = &rounded.change else { return String::new() };
    let causes: Vec<String> = moved
        .of
        .causes
        .iter()
        .zip(&moved.causes)
        .map(|((cause, _), count)| {
            format!("{} {}", words::cause_title(*cause), rounded.grain.signed(*count))
        })
        .collect();
    let mut out = format!(
        "**Change** {} {} against {}: {}\n\n",
        rounded.grain.signed(moved.difference),
        rounded.unit(),
        moved.of.before,
        causes.join(", ")
    );
    for ((key, _, cause), count) in moved.of.largest.iter().zip(&moved.largest).take(MOST_MOVES) {
        let key = safe(&key.join(" / "), NAME);
        let (count, cause) = (rounded.grain.signed(*count), words::cause_title(*cause));
        out.push_str(&format!("- {count} {key} ({cause})\n"));
    }
    if !moved.largest.is_empty() {
        out.push('\n');
    }
    out
}

fn budgets(rounded: &Rounded<'_>) -> String {
    let budgets = &rounded.of.budgets;
    if budgets.is_empty() {
        return String::new();
    }
    let grain = rounded.grain;
    let mut out = String::from(
        "| budget | for the month | spent | at its end | |\n|---|---:|---:|---:|---|\n",
    );
    for line in budgets.iter().take(MOST_ROWS) {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            safe(&line.owner, NAME),
            grain.text(grain.round(line.budget)),
            grain.text(grain.round(line.spent)),
            grain.text(grain.round(line.projected)),
            words::budget_state(line)
        ));
    }
    if budgets.len() > MOST_ROWS {
        out.push_str(&format!("\n{} more budgets\n", budgets.len() - MOST_ROWS));
    }
    out.push('\n');
    out
}

fn remarks(rounded: &Rounded<'_>) -> String {
    let remarks = words::remarks(rounded);
    let mut out = String::new();
    for remark in remarks.iter().take(MOST_REMARKS) {
        out.push_str(&format!("- **{}** {}\n", remark.label, safe(&remark.text, SENTENCE)));
        for item in remark.items.iter().take(MOST_ITEMS) {
            out.push_str(&format!("  - {}\n", safe(item, SENTENCE)));
        }
        if remark.items.len() > MOST_ITEMS {
            out.push_str(&format!("  - and {} more\n", remark.items.len() - MOST_ITEMS));
        }
    }
    if remarks.len() > MOST_REMARKS {
        out.push_str(&format!("- and {} more remarks\n", remarks.len() - MOST_REMARKS));
    }
    out
}
