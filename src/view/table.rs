//! Tables: aligned columns for people, CSV for programs.
//!
//! A table is data, so its cells are never cut; what is decoration (plans, progress) is. In a pipe a
//! row is a line. On a terminal a last column of sentences is folded where the line ends, and where
//! the columns do not fit side by side, those that do not go below the others, the same in each row.

use std::ops::Range;

use super::words;
use crate::printer::harmless;
use crate::style::{Meaning, Style};

/// Between two columns.
const GAP: &str = "   ";
/// With less room than this a column of sentences is not folded.
const SENTENCE: usize = 20;
/// Before columns that stand below others.
const BELOW: &str = "    ";

/// Aligned columns, three spaces between them; a column that holds only numbers is right-aligned.
pub(crate) fn render(columns: &[&str], rows: &[Vec<String>], style: &Style) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| (0..columns.len()).map(|at| tidy(row.get(at).map_or("", |cell| cell))).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            rows.iter().map(|row| words::width(&row[at])).chain([words::width(name)]).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let numeric: Vec<bool> = (0..columns.len())
        .map(|at| {
            rows.iter().any(|row| !row[at].is_empty())
                && rows.iter().all(|row| row[at].is_empty() || is_number(&row[at]))
        })
        .collect();
    let aligned = |at: usize, cell: &str| {
        if numeric[at] { words::right(cell, widths[at]) } else { words::left(cell, widths[at]) }
    };
    let line = |cells: &[String], columns: Range<usize>| {
        let indent = if columns.start == 0 { "" } else { BELOW };
        let cells: Vec<String> = columns.map(|at| aligned(at, &cells[at])).collect();
        format!("{indent}{}", cells.join(GAP)).trim_end().to_owned()
    };
    let head: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let last = columns.len().saturating_sub(1);
    let before: usize = widths.iter().take(last).map(|width| width + GAP.len()).sum();
    let room = style.width.saturating_sub(before);
    let longest = |row: &Vec<String>| row[last].split(' ').map(words::width).max();
    let may_fold = !columns.is_empty() && rows.iter().filter_map(longest).all(|word| word <= room);
    let folds = style.terminal && room >= SENTENCE && may_fold;
    let all_beside: Vec<Range<usize>> = std::iter::once(0..columns.len()).collect();
    let side_by_side = if folds { all_beside } else { side_by_side(&widths, style) };
    let lines = |cells: &[String]| -> Vec<String> {
        side_by_side.iter().map(|columns| line(cells, columns.clone())).collect()
    };
    let heads = lines(&head).into_iter().map(|line| style.paint(Meaning::Strong, &line));
    words::lines(heads.chain(rows.iter().flat_map(|row| {
        if !folds || row.last().is_none_or(|cell| words::width(cell) <= room) {
            return lines(row);
        }
        let mut row = row.clone();
        let mut parts = words::folded(&row[last], room).into_iter();
        row[last] = parts.next().unwrap_or_default();
        let first = line(&row, 0..columns.len());
        let rest = parts.map(|part| format!("{}{part}", " ".repeat(before)));
        [first].into_iter().chain(rest).collect()
    })))
}

/// Which columns stand side by side: all of them, or as many as a line of the terminal holds, the
/// others below.
fn side_by_side(widths: &[usize], style: &Style) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut taken = 0;
    for (at, width) in widths.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if !style.terminal || taken + GAP.len() + width <= style.width => {
                group.end = at + 1;
                taken += GAP.len() + width;
            }
            Some(_) => {
                groups.push(at..at + 1);
                taken = BELOW.len() + width;
            }
            None => {
                groups.push(0..1);
                taken = *width;
            }
        }
    }
    groups
}

/// CSV with a head line. A cell that a spreadsheet would take for a formula begins with `'`;
/// numbers stay numbers.
pub(crate) fn csv(columns: &[&str], rows: &[Vec<String>]) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_record(columns.iter().map(|name| defused(name)))?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| defused(cell)))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn defused(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(cell);
    if formula { format!("'{cell}") } else { cell.to_owned() }
}

fn tidy(cell: &str) -> String {
    harmless(cell).replace(['\n', '\t'], " ")
}

/// `12`, `-3.5`, `1,690.12`, `62 %`, `$4.20`; `–` and `-` stand for "no number".
fn is_number(text: &str) -> bool {
    if matches!(text, "–" | "-") {
        return true;
    }
    let bare = text.trim_end_matches('%').trim().trim_start_matches(['+', '-', '−']).trim_start();
    let bare = bare.strip_prefix('$').unwrap_or(bare);
    bare.starts_with(|one: char| one.is_ascii_digit())
        && bare.chars().all(|one| one.is_ascii_digit() || matches!(one, '.' | ','))
        && bare.matches('.').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned_and_numbers_right() {
        let rows =
            rows(&[&["default", "nginx-7c5d", "0", "41s"], &["kube-system", "coredns", "12"]]);
        assert_eq!(
            render(&["NAMESPACE", "NAME", "RESTARTS", "AGE"], &rows, &Style::plain()),
            "NAMESPACE     NAME         RESTARTS   AGE\n\
             default       nginx-7c5d          0   41s\n\
             kube-system   coredns            12\n"
        );
    }

    #[test]
    fn a_cell_can_neither_break_its_line_nor_drive_the_terminal() {
        let rows = rows(&[&["a\nb\u{1b}[2J"]]);
        assert_eq!(render(&["NAME"], &rows, &Style::plain()), "NAME\na b\\u{1b}[2J\n");
    }

    #[test]
    fn columns_that_do_not_fit_on_a_terminal_stand_below_the_others() {
        let rows = rows(&[
            &["default", "nginx-7c5d", "10.0.0.1", "ip-10-0-0-1.compute.internal"],
            &["kube-system", "coredns", "10.0.12.7", "ip-10-0-12-7.compute.internal"],
        ]);
        let columns = ["NAMESPACE", "NAME", "IP", "NODE"];
        assert_eq!(
            render(&columns, &rows, &Style { colour: false, terminal: true, width: 40 }),
            "NAMESPACE     NAME         IP\n\
             \x20   NODE\n\
             default       nginx-7c5d   10.0.0.1\n\
             \x20   ip-10-0-0-1.compute.internal\n\
             kube-system   coredns      10.0.12.7\n\
             \x20   ip-10-0-12-7.compute.internal\n"
        );
        let piped = Style { colour: false, terminal: false, width: 40 };
        assert_eq!(render(&columns, &rows, &piped).lines().count(), 3);
    }

    #[test]
    fn a_sentence_is_folded_on_a_terminal_only() {
        let rows = rows(&[&["a", "it goes on behind the end of the line"], &["b", "short"]]);
        let narrow = Style { colour: false, terminal: true, width: 26 };
        assert_eq!(
            render(&["N", "WHY"], &rows, &narrow),
            "N   WHY\n\
             a   it goes on behind the\n\
             \x20   end of the line\n\
             b   short\n"
        );
        let pipe = Style { terminal: false, ..narrow };
        assert_eq!(render(&["N", "WHY"], &rows, &pipe).lines().count(), 3);
        let too_narrow = Style { width: 20, ..narrow };
        assert_eq!(
            render(&["N", "WHY"], &rows, &too_narrow),
            "N\n\
             \x20   WHY\n\
             a\n\
             \x20   it goes on behind the end of the line\n\
             b\n\
             \x20   short\n"
        );
    }

    #[test]
    fn an_empty_table_is_its_head() {
        assert_eq!(render(&["RUN", "OWNER"], &[], &Style::plain()), "RUN   OWNER\n");
    }

    #[test]
    fn the_head_is_bold_in_colour() {
        let colour = Style { colour: true, terminal: true, width: 100 };
        assert_eq!(render(&["A"], &[], &colour), "\u{1b}[1mA\u{1b}[0m\n");
    }

    #[test]
    fn csv_quotes_and_defuses() {
        let rows = rows(&[&["=cmd()", "-2.9", "a,\"b\""], &["@x", "+ 2", "-rm"]]);
        assert_eq!(
            csv(&["name", "change", "note"], &rows).unwrap(),
            "name,change,note\n'=cmd(),-2.9,\"a,\"\"b\"\"\"\n'@x,+ 2,'-rm\n"
        );
    }
}
