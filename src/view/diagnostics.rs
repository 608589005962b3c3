//! Diagnostics with their source: a place, a reason and a way out.
//!
//! The source is foreign text. Control characters are made visible, and of a line that nobody can
//! read whole (a minified file is one line of megabytes) only what lies around the place is shown.

use std::collections::BTreeSet;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use runbook_core::diagnostic::{Diagnostic, Label, Severity};
use runbook_core::source::{FileId, Sources, Span};

use super::words;
use crate::style::{Meaning, Style};

/// A line longer than this is cut around its labels.
const LONG_LINE: usize = 1000;
/// What is shown on either side of a label in such a line, in bytes.
const AROUND: usize = 60;
/// Labels of one file further apart than this are not shown in one piece.
const MOST_BETWEEN: usize = 64 * 1024;
/// The longest part of a place that is marked.
const MOST_MARKED: usize = 400;

/// All diagnostics, and a last line that counts them.
pub(crate) fn render(diagnostics: &[Diagnostic], sources: &Sources, style: &Style) -> String {
    let mut text = String::new();
    let mut explained = BTreeSet::new();
    for diagnostic in diagnostics {
        let explain = explained.insert(diagnostic.code);
        let shown = one(diagnostic, sources, style, explain);
        text.push_str(&words::lines(shown.lines()));
        text.push('\n');
    }
    if !diagnostics.is_empty() {
        text.push_str(&summary(diagnostics, style));
        text.push('\n');
    }
    text
}

/// `2 problems in 1 file; nothing was run`
fn summary(diagnostics: &[Diagnostic], style: &Style) -> String {
    let files: BTreeSet<FileId> = diagnostics
        .iter()
        .filter_map(|one| one.primary.as_ref())
        .map(|label| label.span.file)
        .collect();
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let mut counted = Vec::new();
    if errors > 0 {
        counted.push(words::count(errors, "problem"));
    }
    if warnings > 0 {
        counted.push(words::count(warnings, "warning"));
    }
    let mut text = words::list(&counted);
    if !files.is_empty() {
        text.push_str(&format!(" in {}", words::count(files.len(), "file")));
    }
    if errors > 0 {
        text.push_str("; nothing was run");
        return style.paint(Meaning::Bad, &text);
    }
    style.paint(Meaning::Waiting, &text)
}

fn one(diagnostic: &Diagnostic, sources: &Sources, style: &Style, explain: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = crate::printer::harmless(&diagnostic.message);
    let mut group =
        Group::with_title(level.primary_title(message.replace('\n', " ")).id(diagnostic.code.0));
    for (file, labels) in by_file(diagnostic) {
        for piece in pieces(file, &labels, sources) {
            group = add(group, piece);
        }
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(crate::printer::harmless(help)));
    }
    if explain {
        let text = format!("runbook explain {}", diagnostic.code.0);
        group = group.element(Level::NOTE.no_name().message(text));
    }
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    renderer
        .decor_style(DecorStyle::Unicode)
        .hyperlink(false)
        .term_width(style.width)
        .render(&[group])
}

/// A label, and whether it is the primary one.
type Marked<'a> = (&'a Label, bool);

/// Labels by file, the file of the primary one first.
fn by_file(diagnostic: &Diagnostic) -> Vec<(FileId, Vec<Marked<'_>>)> {
    let mut files: Vec<(FileId, Vec<Marked<'_>>)> = Vec::new();
    let primary = diagnostic.primary.iter().map(|label| (label, true));
    for (label, first) in primary.chain(diagnostic.secondary.iter().map(|label| (label, false))) {
        match files.iter_mut().find(|(file, _)| *file == label.span.file) {
            Some((_, labels)) => labels.push((label, first)),
            None => files.push((label.span.file, vec![(label, first)])),
        }
    }
    files
}

/// A part of a file that is shown.
struct Piece {
    path: String,
    text: String,
    first_line: usize,
    /// Where the text begins inside of a line: its place is then said apart.
    cut: Option<(usize, usize)>,
    /// Place in the text, what is said of it, whether it is the primary one.
    labels: Vec<(Range<usize>, String, bool)>,
}

fn add(group: Group<'_>, piece: Piece) -> Group<'_> {
    let annotations: Vec<_> = piece
        .labels
        .into_iter()
        .map(|(range, text, primary)| {
            let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            kind.span(range).label(text)
        })
        .collect();
    let snippet = Snippet::source(piece.text).line_start(piece.first_line).annotations(annotations);
    match piece.cut {
        None => group.element(snippet.path(piece.path)),
        Some((line, column)) => {
            group.element(Origin::path(piece.path).line(line).char_column(column)).element(snippet)
        }
    }
}

/// What is shown of a file: one piece with all labels, or one for each where lines are long or
/// the labels far apart.
fn pieces(file: FileId, labels: &[Marked<'_>], sources: &Sources) -> Vec<Piece> {
    let Some(source) = sources.get(file) else { return Vec::new() };
    let text: &str = &source.text;
    let lines: Vec<Range<usize>> =
        labels.iter().map(|(label, _)| lines_of(text, &within(text, label.span))).collect();
    let start = lines.iter().map(|range| range.start).min().unwrap_or_default();
    let end = lines.iter().map(|range| range.end).max().unwrap_or_default();
    let whole = text.get(start..end).unwrap_or_default();
    if end - start <= MOST_BETWEEN && whole.lines().all(|line| line.len() <= LONG_LINE) {
        return vec![piece(sources, file, start..end, labels, false)];
    }
    labels
        .iter()
        .zip(lines)
        .map(|(one, lines)| {
            let place = within(text, one.0.span);
            let shown = around(text, &place, &lines);
            let cut = shown != lines;
            piece(sources, file, shown, std::slice::from_ref(one), cut)
        })
        .collect()
}

fn piece(
    sources: &Sources,
    file: FileId,
    shown: Range<usize>,
    labels: &[Marked<'_>],
    cut: bool,
) -> Piece {
    let source = sources.get(file);
    let text: &str = source.map_or("", |source| &source.text);
    let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let first_line = sources.position(file, byte(shown.start)).map_or(1, |(line, _)| line);
    let place = labels.first().map(|(label, _)| within(text, label.span)).unwrap_or_default();
    let position = sources.position(file, byte(place.start));
    let mut excerpt = visible(text.get(shown.clone()).unwrap_or_default());
    let mut before = 0;
    if cut {
        excerpt = format!("…{excerpt}…");
        before = '…'.len_utf8();
    }
    let length = excerpt.len();
    Piece {
        path: words::one_line(source.map_or("", |source| &source.name)),
        first_line,
        cut: position.filter(|_| cut),
        labels: labels
            .iter()
            .map(|(label, primary)| {
                let place = within(text, label.span);
                let start = (place.start.saturating_sub(shown.start) + before).min(length);
                let end = (place.end.saturating_sub(shown.start) + before).min(length);
                (start..end.max(start), words::one_line(&label.text), *primary)
            })
            .collect(),
        text: excerpt,
    }
}

/// The place inside of the text and on the borders of characters.
fn within(text: &str, span: Span) -> Range<usize> {
    let start = floor(text, span.start as usize);
    let end = floor(text, span.end as usize).max(start);
    start..end
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The lines that a place touches, complete.
fn lines_of(text: &str, place: &Range<usize>) -> Range<usize> {
    let start =
        text.get(..place.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    // A place that ends with a line end ends in that line.
    let from = place.end.saturating_sub(1).max(place.start);
    let from = floor(text, from);
    let end = text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| from + at);
    start..end.max(start)
}

/// What is shown around a place in lines that are too long or too many.
fn around(text: &str, place: &Range<usize>, lines: &Range<usize>) -> Range<usize> {
    let whole = text.get(lines.clone()).unwrap_or_default();
    if whole.len() <= MOST_BETWEEN && whole.lines().all(|line| line.len() <= LONG_LINE) {
        return lines.clone();
    }
    let start = floor(text, place.start.saturating_sub(AROUND)).max(lines.start);
    let marked = place.end.min(place.start + MOST_MARKED);
    let end = floor(text, marked + AROUND).min(lines.end);
    // One line only: a place over many lines is shown by its beginning.
    let start = text
        .get(start..place.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(start, |at| start + at + 1);
    let end = text
        .get(place.start..end)
        .and_then(|rest| rest.find('\n'))
        .map_or(end, |at| place.start + at);
    start..end.max(start)
}

/// The text with characters that could drive a terminal replaced by others of the same length,
/// so that places stay where they are.
fn visible(text: &str) -> String {
    text.chars()
        .map(|one| {
            let harmless = matches!(one, '\n' | '\t') || !(one.is_control() || turns(one));
            match one.len_utf8() {
                _ if harmless => one,
                1 if one == '\r' => ' ',
                1 => '?',
                2 => '¿',
                _ => '\u{fffd}',
            }
        })
        .collect()
}

/// Characters that turn the direction of writing.
fn turns(one: char) -> bool {
    matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use runbook_core::diagnostic::Code;

    use super::*;
    use crate::view::support::Workshop;

    fn shown(root: &str) -> String {
        let refused = Workshop::new(root).compile().err().unwrap();
        render(&refused.problems, &refused.sources, &Style::plain())
    }

    fn lines(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<String> {
        render(diagnostics, sources, &Style::plain()).lines().map(str::to_owned).collect()
    }

    fn span(start: usize, end: usize) -> Span {
        let byte = |at: usize| u32::try_from(at).unwrap();
        Span { file: FileId(0), start: byte(start), end: byte(end) }
    }

    #[test]
    fn every_problem_has_its_place_its_reason_and_a_way_out() {
        let root = "apiVersion: runbook/v1\nname: shop\ntasks:\n  - id: one\n    uses: fake.thing\n    \
                    with:\n      naem: x\n      name: ${{ tasks.two.outputs.id }}\n";
        assert_eq!(
            shown(root).lines().collect::<Vec<_>>(),
            [
                "error[RB0107]: unknown argument `naem` of fake.thing",
                "  ╭▸ root.yaml:7:7",
                "  │",
                "7 │       naem: x",
                "  │       ━━━━ not an argument",
                "  │",
                "  ├ help: did you mean `name`?",
                "  ╰ runbook explain RB0107",
                "",
                "error[RB0211]: tasks.two does not exist",
                "  ╭▸ root.yaml:8:17",
                "  │",
                "8 │       name: ${{ tasks.two.outputs.id }}",
                "  │                 ━━━━━━━━━━━━━━━━━━━━ no task of this id",
                "  │",
                "  ╰ runbook explain RB0211",
                "",
                "2 problems in 1 file; nothing was run",
            ]
        );
    }

    #[test]
    fn other_places_explain_the_first() {
        let root = "apiVersion: runbook/v1\nname: shop\nname: again\ntasks: []\n";
        let text = shown(root);
        assert!(text.contains("first here") && text.contains("again here"), "{text}");
    }

    #[test]
    fn a_line_of_megabytes_is_cut_around_the_place() {
        let mut sources = Sources::default();
        let text = format!("a: 1\nb: \"{}WRONG{}\"\n", "x".repeat(10 << 20), "y".repeat(1 << 20));
        let at = text.find("WRONG").unwrap();
        sources.add("big.yaml", text);
        let problem = Diagnostic::error(Code("RB0003"), "not YAML").at(span(at, at + 5), "here");
        let lines = lines(&[problem], &sources);
        assert!(lines.iter().all(|line| line.len() < 400), "{lines:?}");
        assert_eq!(lines[1], "  ╭▸ big.yaml:2:10485765");
        let (x, y) = ("x".repeat(60), "y".repeat(29));
        assert_eq!(lines[4], format!("2 │ …{x}WRONG{y}…"));
        assert_eq!(lines[5], format!("  │ {}━━━━━ here", " ".repeat(61)));
    }

    #[test]
    fn a_place_over_a_line_of_megabytes_is_marked_in_part() {
        let mut sources = Sources::default();
        sources.add("big.yaml", "z".repeat(3 << 20));
        let problem =
            Diagnostic::error(Code("RB0001"), "too long").at(span(0, 3 << 20), "all of it");
        let lines = lines(&[problem], &sources);
        assert!(lines.iter().map(String::len).sum::<usize>() < 4000, "{lines:?}");
        assert_eq!(lines[1].trim(), "╭▸ big.yaml:1:1");
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        let mut sources = Sources::default();
        sources.add("a\u{1b}]0;x.yaml", "k: \u{1b}[2J\u{9b}31m\u{202e}v\n");
        let problem = Diagnostic::error(Code("RB0003"), "bad \u{1b}[2J text")
            .at(span(3, 5), "label \u{7}")
            .help("help \u{1b}[0m");
        let text = render(&[problem], &sources, &Style::plain());
        let bad = |one: char| (one.is_control() && one != '\n') || turns(one);
        assert!(!text.contains(bad), "{text:?}");
    }

    #[test]
    fn a_problem_may_have_no_place() {
        let problem = Diagnostic::error(Code("RB0302"), "the input `a` is missing").help("-i a=…");
        assert_eq!(
            lines(&[problem], &Sources::default()),
            [
                "error[RB0302]: the input `a` is missing",
                " │",
                " ├ help: -i a=…",
                " ╰ runbook explain RB0302",
                "",
                "1 problem; nothing was run",
            ]
        );
    }

    #[test]
    fn warnings_let_the_work_go_on() {
        let mut sources = Sources::default();
        sources.add("a.yaml", "a: 1\n");
        let mut problem = Diagnostic::error(Code("RB0206"), "odd").at(span(0, 1), "this");
        problem.severity = Severity::Warning;
        let lines = lines(&[problem], &sources);
        assert_eq!(lines.first().map(String::as_str), Some("warning[RB0206]: odd"));
        assert_eq!(lines.last().map(String::as_str), Some("1 warning in 1 file"));
    }
}
