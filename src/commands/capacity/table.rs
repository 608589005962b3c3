//! Aligned columns for people.

use crate::printer::harmless;

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with two blanks before it and between its columns; nothing is cut.
pub(crate) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&header)
        .chain(rows)
        .map(|row| row.iter().map(|cell| harmless(cell).replace(['\n', '\t'], " ")).collect())
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| lines.iter().map(|row| width(&row[column])).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &lines {
        let mut line = String::new();
        for ((cell, width_of), (_, align)) in row.iter().zip(&widths).zip(columns) {
            let blanks = " ".repeat(width_of.saturating_sub(width(cell)));
            line.push_str("  ");
            match align {
                Align::Left => line.push_str(&format!("{cell}{blanks}")),
                Align::Right => line.push_str(&format!("{blanks}{cell}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_right_and_nothing_drives_the_terminal() {
        let rows = [
            vec!["web".to_owned(), "7".to_owned()],
            vec!["a\u{1b}[2J\nb".to_owned(), "120".to_owned()],
        ];
        assert_eq!(
            table(&[("pod", Align::Left), ("$/h", Align::Right)], &rows),
            "  pod           $/h\n  web             7\n  a\\u{1b}[2J b  120\n"
        );
    }
}
