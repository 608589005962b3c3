//! A reconciliation for a terminal, a spreadsheet and a pull request.

use runbook_capacity::answer::written::cell;

use super::{Rounded, Row, money, remarks, title, visible};
use crate::reconcile::{Cause, Reconciliation, Side};
use crate::render::figures::Cents;
use crate::render::text::{elided, width};

/// Resources that are named; JSON and CSV have them all.
const MOST_RESOURCES: usize = 20;
/// Columns of a name.
const NAME: usize = 60;

/// Columns of the table: those of causes that nobody has are left out.
fn columns(rounded: &Rounded<'_>) -> Vec<(&'static str, usize)> {
    let used = |at: usize| rounded.rows.iter().any(|row| row.causes[at] != 0);
    Cause::ALL
        .iter()
        .enumerate()
        .filter(|(at, cause)| used(*at) || **cause == Cause::Unexplained)
        .map(|(at, cause)| (cause.title(), at))
        .collect()
}

fn head(causes: &[(&'static str, usize)]) -> Vec<String> {
    let fixed = ["$", "at list", "at the bill's rate", "bill", "difference"].map(str::to_owned);
    fixed.into_iter().chain(causes.iter().map(|(title, _)| (*title).to_owned())).collect()
}

fn line(row: &Row<'_>, causes: &[(&'static str, usize)]) -> Vec<String> {
    let figures = [row.list, row.effective, row.billed, row.difference()];
    let mark = if row.of.is_reconciled { "" } else { " !" };
    std::iter::once(format!("{}{mark}", row.title))
        .chain(figures.map(money))
        .chain(causes.iter().map(|(_, at)| money(row.causes[*at])))
        .collect()
}

/// For a terminal or a pipe.
pub fn text(of: &Reconciliation, from: &str) -> String {
    let rounded = Rounded::of(of);
    let causes = columns(&rounded);
    let mut lines = vec![head(&causes)];
    lines.extend(rounded.rows.iter().map(|row| line(row, &causes)));
    lines.push(line(&rounded.total, &causes));
    let count = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..count)
        .map(|at| {
            lines.iter().filter_map(|line| line.get(at)).map(|one| width(one)).max().unwrap_or(0)
        })
        .collect();
    let mut out = format!("{}\n\n", title(of, from));
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(at, (cell, most))| {
            let space = " ".repeat(most.saturating_sub(width(cell)));
            if at == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
        });
        let cells: Vec<String> = cells.collect();
        out.push_str(format!("  {}", cells.join("  ")).trim_end());
        out.push('\n');
    }
    out.push('\n');
    for (label, words) in resources(of).into_iter().chain(remarks(&rounded)) {
        out.push_str(&format!("{label}  {words}\n"));
    }
    out
}

/// Resources of one side only.
fn resources(of: &Reconciliation) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = of
        .resources
        .iter()
        .take(MOST_RESOURCES)
        .map(|one| {
            let label = match one.side {
                Side::Billed => "billed, not seen",
                Side::Seen => "seen, not billed",
            };
            let name = visible(&one.id);
            let kind = if one.kind.is_empty() {
                String::new()
            } else {
                format!(" ({})", visible(&one.kind))
            };
            let words = format!(
                "{}{kind}: {} $ {}",
                elided(&name, NAME),
                Cents::of(one.amount).text(),
                one.class.title()
            );
            (label.to_owned(), words)
        })
        .collect();
    let more = of.resources.len().saturating_sub(MOST_RESOURCES);
    if more > 0 {
        all.push((
            "resources".to_owned(),
            format!("{more} more are on one side only; JSON and CSV have them"),
        ));
    }
    all
}

/// For a spreadsheet: a line for each class, then for each resource of one side only.
pub fn csv(of: &Reconciliation, from: &str) -> String {
    let rounded = Rounded::of(of);
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let fixed = ["row", "name", "list", "effective", "billed", "difference"];
    let rest = ["is_reconciled", "unit", "from", "window_start", "window_end"];
    let head = fixed.into_iter().chain(Cause::ALL.map(Cause::name)).chain(rest);
    // Writing to memory cannot fail, and each line has as many cells as the head.
    let _ = writer.write_record(head);
    let plain = |cents: i128| money(cents).replace(',', "").replace('−', "-");
    let (start, end) = (of.window.start.to_string(), of.window.end.to_string());
    let tail = |is_reconciled: &str| [is_reconciled, "USD", from, &start, &end].map(cell);
    for row in rounded.rows.iter().chain([&rounded.total]) {
        let kind = if row.title == "total" { "total" } else { "class" };
        let figures = [row.list, row.effective, row.billed, row.difference()];
        let cells = [kind.to_owned(), row.title.to_owned()]
            .into_iter()
            .chain(figures.map(plain))
            .chain(row.causes.map(plain))
            .chain(tail(if row.of.is_reconciled { "true" } else { "false" }));
        let _ = writer.write_record(cells);
    }
    for one in &of.resources {
        let amount = one.amount.dollars(2);
        let (kind, list, billed) = match one.side {
            Side::Billed => ("billed_not_seen", String::new(), amount),
            Side::Seen => ("seen_not_billed", amount, String::new()),
        };
        let cells = [kind.to_owned(), cell(&one.id), list, String::new(), billed]
            .into_iter()
            .chain(std::iter::repeat_n(String::new(), 7))
            .chain(tail(""));
        let _ = writer.write_record(cells);
    }
    writer
        .into_inner()
        .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// For a pull request or a message.
pub fn markdown(of: &Reconciliation, from: &str) -> String {
    let rounded = Rounded::of(of);
    let causes = columns(&rounded);
    let row = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|one| safe(one)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = format!("## {}\n\n", safe(&title(of, from)));
    let head = head(&causes);
    out.push_str(&row(head.clone()));
    out.push_str(&format!("|---|{}\n", "---:|".repeat(head.len() - 1)));
    for one in rounded.rows.iter().chain([&rounded.total]) {
        out.push_str(&row(line(one, &causes)));
    }
    out.push('\n');
    for (label, words) in resources(of).into_iter().chain(remarks(&rounded)) {
        out.push_str(&format!("- {}: {}\n", safe(&label), safe(&words)));
    }
    out
}

/// Text in which nothing ends its cell, is markup, or calls somebody.
fn safe(text: &str) -> String {
    let mut out = String::new();
    for one in visible(text).chars() {
        match one {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                out.push('\\');
                out.push(one);
            }
            '@' => out.push_str("&#64;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out
}
