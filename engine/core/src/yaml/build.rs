//! From events to nodes, within budgets.

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span as EventSpan};

use super::{Entry, Node, NodeKind, Scalar, Style};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// Bytes of one file.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Bytes of one line.
pub(super) const MOST_LINE: usize = 1 << 20;
/// Nesting.
pub(super) const MOST_DEPTH: usize = 64;
/// Nodes, those that aliases copy included.
pub(super) const MOST_NODES: usize = 1_000_000;
/// Nodes that aliases may copy.
const MOST_COPIED: usize = 10_000;

/// Keys of a mapping that are looked through one by one.
const FEW_KEYS: usize = 16;

/// Builds the node tree of a text. Duplicate keys and the like are collected; a syntax error ends
/// the parse, since nothing after it can be trusted.
pub fn parse(file: FileId, text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    match super::plain::read(file, text) {
        Some(root) => (Some(root), Vec::new()),
        None => parse_all(file, text),
    }
}

/// The same by the parser of all of YAML.
pub(super) fn parse_all(file: FileId, text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    if let Some(problem) = unreadable(file, text) {
        return (None, vec![problem]);
    }
    let text_without_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
    let shift = text.len() - text_without_mark.len();
    let mut builder = Builder::new(file, text, shift);
    let mut options = Options::default();
    options.emit_comments = false;
    for event in Parser::new_from_str_with_options(text_without_mark, options) {
        let outcome = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0) + shift;
                Err(syntax(file, text, at, &error.info()))
            }
        };
        if let Err(problem) = outcome {
            builder.problems.push(problem);
            return (None, builder.problems);
        }
    }
    (builder.root, builder.problems)
}

/// What no YAML parser needs to see.
fn unreadable(file: FileId, text: &str) -> Option<Diagnostic> {
    let at = |start: usize, length: usize| span(file, start, start + length);
    if text.len() > MOST_BYTES {
        let message = format!("the file has {} bytes, more than {MOST_BYTES}", text.len());
        return Some(Diagnostic::error(Code("RB0001"), message).at(at(0, 1), "too large"));
    }
    if let Some(position) = text.find('\0') {
        let problem = Diagnostic::error(Code("RB0002"), "the file holds a NUL byte");
        return Some(problem.at(at(position, 1), "here").help("save it as UTF-8 text"));
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.len() > MOST_LINE {
            let message = format!("a line of {} bytes, more than {MOST_LINE}", line.len());
            return Some(
                Diagnostic::error(Code("RB0001"), message).at(at(start, 1), "begins here"),
            );
        }
        start += line.len();
    }
    None
}

fn syntax(file: FileId, text: &str, at: usize, info: &str) -> Diagnostic {
    let at = at.min(text.len());
    let line_start =
        text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |found| found + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let mut problem = Diagnostic::error(Code("RB0003"), format!("not YAML: {info}"))
        .at(span(file, at, at + 1), "here");
    if line.contains("${{") {
        problem = problem.help("quote this expression: YAML reads `: `, ` #`, `{` and `[` itself");
    } else if line.contains('\t') {
        problem = problem.help("YAML does not indent by tabs, use spaces");
    }
    problem
}

pub(super) fn span(file: FileId, start: usize, end: usize) -> Span {
    let byte = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file, start: byte(start), end: byte(end) }
}

/// A collection that is being filled.
enum Open {
    Sequence {
        span: Span,
        anchor: usize,
        items: Vec<Node>,
    },
    Mapping {
        span: Span,
        anchor: usize,
        entries: Vec<Entry>,
        /// Its keys, once there are many.
        keys: Keys,
        key: Option<(String, Span)>,
        drop_value: bool,
    },
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    shift: usize,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    copied: usize,
    root: Option<Node>,
    problems: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(file: FileId, text: &'a str, shift: usize) -> Self {
        Self {
            file,
            text,
            shift,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            nodes: 0,
            copied: 0,
            root: None,
            problems: Vec::new(),
        }
    }

    fn span(&self, event: EventSpan) -> Span {
        let start = event.start.byte_offset().unwrap_or(0) + self.shift;
        let end = event.end.byte_offset().unwrap_or(0) + self.shift;
        span(self.file, start, end.max(start))
    }

    fn event(&mut self, event: Event<'_>, at: EventSpan) -> Result<(), Diagnostic> {
        let place = self.span(at);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag {
                    self.refuse_tag(&tag.to_string(), place);
                }
                let scalar = Scalar { text: text.into(), style: self::style(style), span: place };
                self.add(Node { kind: NodeKind::Scalar(scalar), span: place }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Open::Sequence { span: place, anchor, items: Vec::new() })
            }
            Event::MappingStart(_, anchor, _) => self.begin(Open::Mapping {
                span: place,
                anchor,
                entries: Vec::new(),
                keys: Keys::new(),
                key: None,
                drop_value: false,
            }),
            Event::SequenceEnd | Event::MappingEnd => self.end(place),
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Diagnostic::error(Code("RB0004"), "more than one document in the file")
                    .at(place, "the second one begins here")
                    .help("one runbook per file"))
            }
            _ => Ok(()),
        }
    }

    fn refuse_tag(&mut self, tag: &str, place: Span) {
        if !tag.starts_with("tag:yaml.org,2002:") && tag != "!" {
            let problem =
                Diagnostic::error(Code("RB0005"), format!("the tag `{tag}` means nothing here"));
            self.problems.push(problem.at(place, "tagged"));
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), Diagnostic> {
        if self.open.len() >= MOST_DEPTH {
            let place = match &open {
                Open::Sequence { span, .. } | Open::Mapping { span, .. } => *span,
            };
            let message = format!("nested more than {MOST_DEPTH} deep");
            return Err(Diagnostic::error(Code("RB0001"), message).at(place, "here"));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, place: Span) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        match open {
            Open::Sequence { span, anchor, items } => {
                let count = items.len() + 1;
                self.add(
                    Node { kind: NodeKind::Sequence(items.into()), span: join(span, place) },
                    anchor,
                    count,
                )
            }
            Open::Mapping { span, anchor, entries, .. } => {
                let count = entries.len() + 1;
                self.add(
                    Node { kind: NodeKind::Mapping(entries.into()), span: join(span, place) },
                    anchor,
                    count,
                )
            }
        }
    }

    fn alias(&mut self, anchor: usize, place: Span) -> Result<(), Diagnostic> {
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
        self.copied += size;
        if self.copied > MOST_COPIED {
            let message = format!("aliases copy more than {MOST_COPIED} values");
            return Err(Diagnostic::error(Code("RB0006"), message)
                .at(place, "this alias goes beyond it")
                .help("write the values out, or use an input"));
        }
        self.add(node, 0, size)
    }

    fn add(&mut self, node: Node, anchor: usize, own: usize) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            let message = format!("more than {MOST_NODES} values in one file");
            return Err(Diagnostic::error(Code("RB0001"), message).at(node.span, "here"));
        }
        if anchor != 0 {
            let size = own.max(count(&node));
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { .. }) => self.add_to_mapping(node),
        }
        Ok(())
    }

    fn add_to_mapping(&mut self, node: Node) {
        let Some(Open::Mapping { entries, keys, key, drop_value, .. }) = self.open.last_mut()
        else {
            return;
        };
        if let Some((name, key_span)) = key.take() {
            if !std::mem::take(drop_value) {
                entries.push(Entry { key: name, key_span, value: node });
            }
            return;
        }
        let NodeKind::Scalar(scalar) = &node.kind else {
            self.problems.push(
                Diagnostic::error(Code("RB0007"), "a key must be text")
                    .at(node.span, "this is a key"),
            );
            *key = Some((String::new(), node.span));
            *drop_value = true;
            return;
        };
        let name = scalar.text.to_string();
        if name == "<<" && scalar.style == Style::Plain {
            let problem = Diagnostic::error(Code("RB0008"), "merge keys (`<<`) are not read");
            self.problems.push(problem.at(node.span, "here").help("write the keys out"));
            *drop_value = true;
        } else if let Some(first) = first_of(entries, keys, &name, node.span) {
            self.problems.push(
                Diagnostic::error(Code("RB0009"), format!("the key `{name}` stands twice"))
                    .at(node.span, "again here")
                    .and_at(first, "first here"),
            );
            *drop_value = true;
        }
        *key = Some((name, node.span));
        let _ = self.text;
    }
}

/// The keys of a mapping, once there are many.
pub(super) type Keys = BTreeMap<String, Span>;

/// Where a key stands already; else it is noted. Most mappings are small: looking through them is
/// faster than keeping an index, which begins where they are not.
pub(super) fn first_of(
    entries: &[Entry],
    keys: &mut Keys,
    name: &str,
    place: Span,
) -> Option<Span> {
    let few = entries.get(..FEW_KEYS).unwrap_or(entries);
    let first = few
        .iter()
        .find(|entry| entry.key == name)
        .map(|entry| entry.key_span)
        .or_else(|| keys.get(name).copied());
    if first.is_none() && entries.len() >= FEW_KEYS {
        keys.insert(name.to_owned(), place);
    }
    first
}

fn join(start: Span, end: Span) -> Span {
    Span { file: start.file, start: start.start, end: end.start.max(start.end) }
}

fn count(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Scalar(_) => 1,
        NodeKind::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        NodeKind::Mapping(entries) => {
            1 + entries.iter().map(|entry| count(&entry.value)).sum::<usize>()
        }
    }
}

fn style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        ScalarStyle::Plain => Style::Plain,
    }
}
