//! A scalar: its decoded text, its style, and the map from its characters to the file.

use std::sync::Arc;

use crate::source::Span;
use crate::value::Value;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may mean a number, a boolean or null.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A scalar of a YAML text.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text after YAML's own decoding.
    pub text: Arc<str>,
    /// How it is written.
    pub style: Style,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl Scalar {
    /// The value by YAML's core schema: plain text may be null, a boolean or a number.
    pub fn value(&self) -> Value {
        if self.style != Style::Plain {
            return Value::String(self.text.clone());
        }
        match &*self.text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Boolean(true),
            "false" | "False" | "FALSE" => Value::Boolean(false),
            text => number(text).unwrap_or_else(|| Value::String(self.text.clone())),
        }
    }

    /// Where the bytes `start..end` of the decoded text stand in the file, whose whole text is
    /// `source`.
    pub fn place(&self, source: &str, start: usize, end: usize) -> Span {
        let raw = source.get(self.span.start as usize..self.span.end as usize).unwrap_or_default();
        if self.style == Style::Plain && raw == &*self.text {
            return self.at(start, end);
        }
        if end <= self.text.len() && self.is_between_quotes(raw) {
            return self.at(start + 1, end.max(start + 1) + 1);
        }
        let map = self.align(raw);
        let find = |byte: usize| {
            let index = map.partition_point(|(decoded, _)| *decoded <= byte);
            index.checked_sub(1).and_then(|index| map.get(index)).map_or(0, |(_, raw)| *raw)
        };
        let from = find(start);
        let last = find(end.saturating_sub(1).max(start));
        let width = raw.get(last..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        self.at(from, last + width)
    }

    /// Whether the text stands between quotes as it is, byte by byte.
    fn is_between_quotes(&self, raw: &str) -> bool {
        matches!(self.style, Style::SingleQuoted | Style::DoubleQuoted)
            && raw.is_ascii()
            && raw.get(1..raw.len().saturating_sub(1)) == Some(&*self.text)
    }

    fn at(&self, start: usize, end: usize) -> Span {
        let byte = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            self.span.start.saturating_add(offset).min(self.span.end)
        };
        Span { file: self.span.file, start: byte(start), end: byte(end) }
    }

    /// Pairs of (byte in the decoded text, byte in the raw text), ascending in both.
    fn align(&self, raw: &str) -> Vec<(usize, usize)> {
        let mut position = match self.style {
            Style::Plain => 0,
            Style::SingleQuoted | Style::DoubleQuoted => 1,
            Style::Literal | Style::Folded => {
                raw.find('\n').map_or(raw.len(), |newline| newline + 1)
            }
        };
        let mut pairs = Vec::with_capacity(self.text.len());
        for (decoded, character) in self.text.char_indices() {
            let (at, next) = self.next(raw, position, character);
            pairs.push((decoded, at));
            position = next;
        }
        pairs
    }

    /// Where the next decoded character stands from `position` on, and where to go on after it.
    fn next(&self, raw: &str, position: usize, wanted: char) -> (usize, usize) {
        let mut at = position;
        while let Some(found) = raw.get(at..).and_then(|rest| rest.chars().next()) {
            match (self.style, found) {
                (Style::DoubleQuoted, '\\') => {
                    let length = escape_length(raw.get(at..).unwrap_or_default());
                    if raw.get(at + 1..).is_some_and(|rest| rest.starts_with('\n')) {
                        at += length; // an escaped line break stands for nothing
                        continue;
                    }
                    return (at, at + length);
                }
                (Style::SingleQuoted, '\'') => return (at, at + 2),
                _ if found == wanted && !(found == ' ' && self.is_margin(raw, at)) => {
                    return (at, at + found.len_utf8());
                }
                // A folded line break reads as a space; the indentation after it as nothing.
                (_, '\n') if wanted == ' ' => return (at, at + 1),
                _ => at += found.len_utf8(),
            }
        }
        (raw.len(), raw.len())
    }

    /// Whether the space at `at` is indentation or trails before a line break.
    fn is_margin(&self, raw: &str, at: usize) -> bool {
        if matches!(self.style, Style::Literal | Style::Folded) {
            return false;
        }
        let line = raw.get(..at).unwrap_or_default();
        line.contains('\n') && line.rsplit('\n').next().is_some_and(|start| start.trim().is_empty())
    }
}

/// The length of the escape at the beginning of `raw`, which begins with a backslash.
fn escape_length(raw: &str) -> usize {
    match raw.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        Some(b'\n') => {
            2 + raw
                .get(2..)
                .map_or(0, |rest| rest.len() - rest.trim_start_matches([' ', '\t']).len())
        }
        _ => 1 + raw.get(1..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
    }
}

/// A number of YAML's core schema. `1_000`, `0o17` and `.inf` are text, as in JSON.
fn number(text: &str) -> Option<Value> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || first == b'-' || first == b'+') {
        return None;
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
        return text.strip_prefix('+').unwrap_or(text).parse().ok().map(Value::Integer);
    }
    let shape = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let number: f64 = if shape { text.parse().ok()? } else { return None };
    number.is_finite().then_some(Value::Number(number))
}
