//! Shapes: the keys of the runbook language, as tables.
//!
//! One table serves three readers: the decoder, which collects every mistake of a file in one pass;
//! the JSON Schema that editors complete from; and the "did you mean". A key that belongs to a
//! later version is in its table all the same, marked [`Support::NotYet`], so that it is refused by
//! name and never ignored.

mod tables;

pub use tables::{CATCH_UP, CHECK, DST, INPUT, POLL, RETRY, RUNBOOK, SCHEDULE, TASK};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::yaml::{Entry, Node, NodeKind};

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// A whole number from 1.
    Count,
    /// A number from 0.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Text such as `15m`.
    Duration,
    /// One expression, with or without `${{ }}`.
    Expression,
    /// A list of texts.
    Texts,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A map whose shape is decided elsewhere.
    Map,
    /// A list whose items are decided elsewhere.
    List,
    /// Anything, decided elsewhere.
    Any,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It can.
    Here,
    /// It is part of the language and comes later.
    NotYet,
}

/// A key of a shape.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it can be used.
    pub support: Support,
    /// One sentence, for the schema.
    pub text: &'static str,
}

/// The keys of one kind of map.
pub type Shape = &'static [Key];

/// Checks a map against a shape: unknown keys with a suggestion, keys of later versions, keys that
/// are missing, and what each key holds. Returns the entries that passed.
pub fn check<'n>(
    node: &'n Node,
    shape: Shape,
    what: &str,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(&'static Key, &'n Entry)> {
    let NodeKind::Mapping(entries) = &node.kind else {
        problems.push(
            Diagnostic::error(Code("RB0101"), format!("{what} is a map of keys"))
                .at(node.span, format!("found {}", node.describe())),
        );
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.iter() {
        match shape.iter().find(|key| key.name == entry.key) {
            None => problems.push(unknown(entry, shape, what)),
            Some(key) if key.support == Support::NotYet => {
                problems.push(not_yet(&entry.key, entry.key_span));
            }
            Some(key) => {
                if holds(&entry.value, key, problems) {
                    found.push((key, entry));
                }
            }
        }
    }
    for key in shape.iter().filter(|key| key.required) {
        if node.get(key.name).is_none() {
            let at = Span { end: node.span.start + 1, ..node.span };
            problems.push(
                Diagnostic::error(Code("RB0103"), format!("{what} has no `{}`", key.name))
                    .at(at, "begins here")
                    .help(key.text),
            );
        }
    }
    found
}

/// A key or a value of the language that comes later.
pub fn not_yet(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("RB0104"), format!("`{name}` is not supported yet"))
        .at(span, "part of the language, and of a later version")
}

fn unknown(entry: &Entry, shape: Shape, what: &str) -> Diagnostic {
    let names = shape.iter().filter(|key| key.support == Support::Here).map(|key| key.name);
    let mut problem =
        Diagnostic::error(Code("RB0102"), format!("unknown key `{}` of {what}", entry.key))
            .at(entry.key_span, "not a key");
    let replaced = match entry.key.as_str() {
        "depends_on" | "depends" | "dependencies" => Some("needs"),
        "if" => Some("when"),
        "loop" | "with_items" | "foreach" => Some("for_each"),
        "args" | "arguments" | "params" => Some("with"),
        "module" | "action" => Some("uses"),
        "name" => Some("id"),
        _ => None,
    };
    let guess = replaced.map(str::to_owned).or_else(|| suggest(&entry.key, names));
    if let Some(name) = guess {
        problem = problem.help(format!("did you mean `{name}`?"));
    }
    problem
}

/// The closest of some names, when one is close.
pub fn suggest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(wrong.len()) / 3)
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Whether the value is what the key holds; expressions count for text only.
fn holds(node: &Node, key: &Key, problems: &mut Vec<Diagnostic>) -> bool {
    use crate::value::Value;
    let value = node.scalar().map(super::yaml::Scalar::value);
    let right = match key.holds {
        Holds::Any => true,
        Holds::Map => matches!(node.kind, NodeKind::Mapping(_)),
        Holds::List => matches!(node.kind, NodeKind::Sequence(_)),
        Holds::Texts => match &node.kind {
            NodeKind::Sequence(items) => items.iter().all(|item| item.scalar().is_some()),
            _ => false,
        },
        Holds::Text => matches!(value, Some(Value::String(_))),
        Holds::Expression => matches!(value, Some(Value::String(_) | Value::Boolean(_))),
        Holds::Boolean => matches!(value, Some(Value::Boolean(_))),
        Holds::Count => matches!(value, Some(Value::Integer(number)) if number >= 1),
        Holds::Number => matches!(value, Some(Value::Integer(_) | Value::Number(_))),
        Holds::OneOf(words) => {
            matches!(&value, Some(Value::String(text)) if words.contains(&&**text))
        }
        Holds::Duration => {
            node.scalar().is_some_and(|scalar| crate::value::duration(&scalar.text).is_some())
        }
    };
    if !right {
        problems.push(wrong(node, key));
    }
    right
}

fn wrong(node: &Node, key: &Key) -> Diagnostic {
    let wanted = match key.holds {
        Holds::Any => "a value",
        Holds::Map => "a map",
        Holds::List => "a list",
        Holds::Texts => "a list of texts",
        Holds::Text => "text",
        Holds::Expression => "an expression",
        Holds::Boolean => "`true` or `false`",
        Holds::Count => "a whole number from 1",
        Holds::Number => "a number",
        Holds::Duration => "a duration such as `90s`, `15m` or `1h30m`",
        Holds::OneOf(words) => &format!("one of {}", words.join(", ")),
    };
    let mut problem = Diagnostic::error(Code("RB0105"), format!("`{}` is {wanted}", key.name))
        .at(node.span, format!("found {}", node.describe()));
    let text = node.scalar().map(|scalar| scalar.text.to_lowercase()).unwrap_or_default();
    if let Holds::OneOf(words) = key.holds
        && let Some(word) = suggest(&text, words.iter().copied())
    {
        problem = problem.help(format!("did you mean `{word}`?"));
    }
    if key.holds == Holds::Boolean && matches!(text.as_str(), "yes" | "no" | "on" | "off") {
        let meant = if matches!(text.as_str(), "yes" | "on") { "true" } else { "false" };
        problem = problem.help(format!("`{text}` is text in YAML 1.2, write `{meant}`"));
    }
    problem
}
