//! What every diagnostic code means: `runbook explain CODE`.
//!
//! The catalogue is complete: a test reads the engine's sources and wants an entry for each code.

mod expressions;
mod files;
mod inputs;
mod shapes;

use super::{table, words};
use crate::style::{Meaning, Style};

/// One code.
pub(crate) struct Entry {
    /// `RB0107`.
    pub(crate) code: &'static str,
    /// What it says, in a few words.
    pub(crate) title: &'static str,
    /// Why it happens.
    why: &'static str,
    /// What to do.
    what_to_do: &'static str,
    /// The mistake, and how it is right.
    example: &'static str,
}

/// All entries, by code.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    files::ENTRIES.iter().chain(shapes::ENTRIES).chain(expressions::ENTRIES).chain(inputs::ENTRIES)
}

/// The list of all codes, a table.
pub(crate) fn list(style: &Style) -> String {
    let rows: Vec<Vec<String>> =
        all().map(|entry| vec![entry.code.to_owned(), entry.title.to_owned()]).collect();
    table::render(&["CODE", "MEANING"], &rows, style)
}

/// What a code means; `None` when there is no such code. `rb107` and `107` are understood.
pub(crate) fn explain(code: &str, style: &Style) -> Option<String> {
    let digits = code.trim().trim_start_matches(['r', 'R', 'b', 'B']);
    let number: u16 = digits.parse().ok()?;
    let wanted = format!("RB{number:04}");
    let entry = all().find(|entry| entry.code == wanted)?;
    let mut lines = vec![style.paint(Meaning::Strong, &format!("{}  {}", entry.code, entry.title))];
    for (head, text) in [("why", entry.why), ("what to do", entry.what_to_do)] {
        lines.push(String::new());
        lines.push(style.paint(Meaning::Quiet, head));
        lines.extend(
            wrapped(text, style.width.min(100)).into_iter().map(|line| format!("  {line}")),
        );
    }
    lines.push(String::new());
    lines.push(style.paint(Meaning::Quiet, "for example"));
    lines.extend(entry.example.lines().map(|line| format!("  {line}")));
    Some(words::lines(lines))
}

/// Text in lines of at most so many columns, an indent of two left for the caller.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let most = columns.saturating_sub(2).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && words::width(last) + 1 + words::width(word) > most {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn engine_sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                engine_sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn codes_in(text: &str) -> impl Iterator<Item = String> {
        text.match_indices("\"RB").filter_map(|(at, _)| {
            let code = text.get(at + 1..at + 7)?;
            let digits = code.get(2..)?;
            (text.as_bytes().get(at + 7) == Some(&b'"')
                && digits.bytes().all(|one| one.is_ascii_digit()))
            .then(|| code.to_owned())
        })
    }

    #[test]
    fn every_code_of_the_engine_has_an_entry_and_no_entry_is_without_a_code() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("engine/core/src");
        let mut sources = Vec::new();
        engine_sources(&folder, &mut sources);
        let used: BTreeSet<String> = sources.iter().flat_map(|text| codes_in(text)).collect();
        assert!(used.len() > 50, "the sources were not found: {used:?}");
        let explained: BTreeSet<String> = all().map(|entry| entry.code.to_owned()).collect();
        assert_eq!(used, explained);
    }

    #[test]
    fn entries_are_sorted_complete_and_fit() {
        let codes: Vec<&str> = all().map(|entry| entry.code).collect();
        assert!(codes.is_sorted() && codes.windows(2).all(|pair| pair[0] != pair[1]));
        for entry in all() {
            for text in [entry.title, entry.why, entry.what_to_do, entry.example] {
                assert!(!text.trim().is_empty(), "{}", entry.code);
            }
            assert!(entry.title.chars().count() <= 70, "{}", entry.code);
            assert!(entry.example.lines().all(|line| line.chars().count() <= 76), "{}", entry.code);
        }
    }

    #[test]
    fn a_code_is_explained_however_it_is_typed() {
        let whole = explain("RB0009", &Style::plain()).unwrap();
        assert_eq!(
            whole,
            "RB0009  a key stands twice\n\
             \n\
             why\n\
             \x20 A map has each key once. YAML readers that take the last one hide the first without a word.\n\
             \n\
             what to do\n\
             \x20 Remove one of the two, or rename it. Both places are shown.\n\
             \n\
             for example\n\
             \x20 with:\n\
             \x20   name: a\n\
             \x20   name: b        # RB0009\n"
        );
        assert_eq!(explain("rb9", &Style::plain()).as_ref(), Some(&whole));
        assert_eq!(explain("RB9999", &Style::plain()), None);
        assert_eq!(explain("nonsense", &Style::plain()), None);
    }

    #[test]
    fn long_texts_are_wrapped() {
        assert_eq!(wrapped("aaaa bbbb cccc dddd eeee", 22), ["aaaa bbbb cccc dddd", "eeee"]);
    }
}
