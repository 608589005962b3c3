//! Text that is written as most runbooks are, read in one pass.
//!
//! Block maps and lists, scalars and flow collections that begin and end on one line, comments. A
//! parser of all of YAML looks at each character several times and builds tokens and events on the
//! way to the nodes, which is most of what a long runbook costs. Whatever is not plain here (tags,
//! anchors, several documents, block scalars, values over several lines, empty values, tabs, a key
//! that stands twice) is left to that parser, which also has the words for what is wrong: nothing is
//! refused here, and what is read here is what the parser would have read.

use std::sync::Arc;

use super::build::{Keys, MOST_BYTES, MOST_DEPTH, MOST_LINE, MOST_NODES, first_of, span};
use super::{Entry, Node, NodeKind, Scalar, Style};
use crate::source::{FileId, Span};

/// Bytes of a key, and of what may yet turn out to be one, that no YAML parser gives up.
const MOST_KEY: usize = 128;

/// The tree of a text; `None` when the text is not plain.
pub(super) fn read(file: FileId, text: &str) -> Option<Node> {
    if text.len() > MOST_BYTES || !has_plain_characters(text) {
        return None;
    }
    let mut reader = Reader { file, text, at: 0, column: None, nodes: 0 };
    reader.next_line()?;
    let root = reader.block(reader.column?, 0)?;
    reader.column.is_none().then_some(root)
}

/// Whether every character may stand anywhere in a YAML text, and none but the line feed ends a line.
fn has_plain_characters(text: &str) -> bool {
    let (mut plain, mut ascii) = (true, true);
    for byte in text.bytes() {
        plain &= byte >= b' ' && byte != 0x7f || byte == b'\n';
        ascii &= byte < 0x80;
    }
    let may_stand = |one: char| {
        one.is_ascii()
            || ('\u{a0}'..='\u{fffd}').contains(&one)
                && !matches!(one, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    plain && (ascii || text.chars().all(may_stand))
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    /// The next byte.
    at: usize,
    /// Where the line begins that is next, in bytes from its left; `None` at the end. What is left of
    /// it is blank, so that these are characters as well.
    column: Option<usize>,
    nodes: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) -> usize {
        let start = self.at;
        while self.peek(0) == Some(b' ') {
            self.at += 1;
        }
        self.at - start
    }

    fn span(&self, start: usize, end: usize) -> Span {
        span(self.file, start, end)
    }

    fn node(&mut self, kind: NodeKind, span: Span) -> Option<Node> {
        self.nodes += 1;
        (self.nodes <= MOST_NODES).then_some(Node { kind, span })
    }

    /// Goes from the end of a line to the first character of the next one that says something.
    fn next_line(&mut self) -> Option<()> {
        loop {
            let start = self.at;
            self.column = Some(self.skip_blanks());
            match self.peek(0) {
                None => self.column = None,
                Some(b'\n' | b'#') => {}
                // `---`, `...` and `%` at the left have a meaning of their own.
                Some(b'-' | b'.' | b'%') if start == self.at && self.peek(1) != Some(b' ') => {
                    return None;
                }
                Some(_) => {}
            }
            match self.peek(0) {
                Some(b'\n' | b'#') => self.end_line()?,
                _ => return Some(()),
            }
        }
    }

    /// Goes to the beginning of the next line, whatever stands before it.
    fn end_line(&mut self) -> Option<()> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        self.at += length;
        (length < MOST_LINE).then_some(())
    }

    /// What follows a value on its line: nothing, or a comment.
    fn after_value(&mut self) -> Option<()> {
        let blanks = self.skip_blanks();
        match self.peek(0) {
            None | Some(b'\n') => {}
            Some(b'#') if blanks > 0 => {}
            Some(_) => return None,
        }
        self.end_line()?;
        self.next_line()
    }

    /// Whether an item of a list begins here.
    fn is_item(&self) -> bool {
        self.peek(0) == Some(b'-') && self.peek(1).is_none_or(|next| next == b' ' || next == b'\n')
    }

    /// The length of the key that begins here, when one does and a blank follows its colon.
    fn key(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(byte);
        if !rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return None;
        }
        let length = rest.iter().take(MOST_KEY).position(|byte| !is_inside(byte))?;
        let ends = rest.get(length + 1).is_none_or(|next| *next == b' ' || *next == b'\n');
        (rest[length] == b':' && ends).then_some(length)
    }

    /// The key of an entry that begins here, unless the map has it already; goes behind its colon.
    fn entry_key(&mut self, entries: &[Entry], keys: &mut Keys) -> Option<(String, Span)> {
        let length = self.key()?;
        let place = self.span(self.at, self.at + length);
        let key = &self.text[self.at..self.at + length];
        if first_of(entries, keys, key, place).is_some() {
            return None;
        }
        self.nodes += 1;
        self.at += length + 1;
        Some((key.to_owned(), place))
    }

    /// The list or map that begins here, in that column.
    fn block(&mut self, column: usize, depth: usize) -> Option<Node> {
        if depth >= MOST_DEPTH {
            None
        } else if self.is_item() {
            self.list(column, depth, false)
        } else {
            self.map(column, depth)
        }
    }

    fn map(&mut self, column: usize, depth: usize) -> Option<Node> {
        let start = self.at;
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = Keys::new();
        loop {
            let (key, key_span) = self.entry_key(&entries, &mut keys)?;
            let value = self.value(column, depth)?;
            entries.push(Entry { key, key_span, value });
            match self.column {
                Some(next) if next == column => {}
                Some(next) if next > column => return None,
                _ => break,
            }
        }
        self.node(NodeKind::Mapping(entries.into()), self.span(start, self.at))
    }

    /// The value of a key in that column, from behind its colon.
    fn value(&mut self, column: usize, depth: usize) -> Option<Node> {
        if self.is_on_this_line() {
            return self.inline(depth);
        }
        self.after_value()?;
        match self.column? {
            next if next > column => self.block(next, depth + 1),
            next if next == column && self.is_item() => self.list(next, depth + 1, true),
            _ => None,
        }
    }

    /// Goes over blanks, unless nothing but a comment follows them.
    fn is_on_this_line(&mut self) -> bool {
        let start = self.at;
        let blanks = self.skip_blanks();
        let is_blank = match self.peek(0) {
            None | Some(b'\n') => true,
            Some(next) => next == b'#' && blanks > 0,
        };
        if is_blank {
            self.at = start;
        }
        !is_blank
    }

    /// A list; below a key it may stand in the key's own column.
    fn list(&mut self, column: usize, depth: usize, below_key: bool) -> Option<Node> {
        let mut start = self.at;
        if depth >= MOST_DEPTH {
            return None;
        }
        let mut items: Vec<Node> = Vec::new();
        loop {
            let line = self.at - column;
            self.at += 1;
            items.push(self.item(line, column, depth)?);
            match self.column {
                Some(next) if next == column && self.is_item() => {}
                Some(next) if next > column || next == column && !below_key => return None,
                _ => break,
            }
        }
        // Without a column of its own, a list begins where its first item does.
        if let Some(first) = items.first().filter(|_| below_key) {
            start = first.span.start as usize;
        }
        self.node(NodeKind::Sequence(items.into()), self.span(start, self.at))
    }

    /// An item of a list, from behind its dash; its line begins at `line`.
    fn item(&mut self, line: usize, column: usize, depth: usize) -> Option<Node> {
        if self.is_on_this_line() {
            let inner = self.at - line;
            return if self.is_item() || self.key().is_some() {
                self.block(inner, depth + 1)
            } else {
                self.inline(depth)
            };
        }
        self.after_value()?;
        let next = self.column.filter(|next| *next > column)?;
        self.block(next, depth + 1)
    }

    /// A value that begins and ends on this line, and nothing else on it.
    fn inline(&mut self, depth: usize) -> Option<Node> {
        let node = match self.peek(0)? {
            b'"' | b'\'' | b'[' | b'{' => self.flow(depth)?,
            _ => {
                let length = self.plain_length()?;
                self.scalar(length, Style::Plain)?
            }
        };
        self.after_value()?;
        Some(node)
    }

    /// The length of the plain text that begins here.
    fn plain_length(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let first = *rest.first()?;
        let begins = first >= 0x80
            || first.is_ascii_alphanumeric()
            || b"_./$()+~<=^;\\".contains(&first)
            || first == b'-' && rest.get(1).is_some_and(u8::is_ascii_alphanumeric);
        if !begins {
            return None;
        }
        let mut length = 0;
        let mut before = first;
        for (at, byte) in rest.iter().enumerate() {
            match (before, *byte) {
                (_, b'\n') | (b' ', b'#') => break,
                (b':', b' ') => return None,
                (_, b' ') => {}
                _ => length = at + 1,
            }
            before = *byte;
        }
        (rest[length - 1] != b':').then_some(length)
    }

    fn scalar(&mut self, length: usize, style: Style) -> Option<Node> {
        let start = self.at;
        self.at += length;
        let inner = if style == Style::Plain { start..self.at } else { start + 1..self.at - 1 };
        let raw = &self.text[inner];
        let text: Arc<str> = if style == Style::DoubleQuoted && raw.contains('\\') {
            unescape(raw)?.into()
        } else {
            raw.into()
        };
        let span = self.span(start, self.at);
        self.node(NodeKind::Scalar(Scalar { text, style, span }), span)
    }

    /// What begins with a quote or a bracket.
    fn flow(&mut self, depth: usize) -> Option<Node> {
        if depth + 1 >= MOST_DEPTH {
            return None;
        }
        match self.peek(0)? {
            quote @ (b'"' | b'\'') => {
                let length = self.quoted_length(quote)?;
                let style = if quote == b'"' { Style::DoubleQuoted } else { Style::SingleQuoted };
                self.scalar(length, style)
            }
            b'[' => self.flow_list(depth),
            b'{' => self.flow_map(depth),
            _ => {
                let length = self.flow_plain_length()?;
                self.scalar(length, Style::Plain)
            }
        }
    }

    fn quoted_length(&self, quote: u8) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let mut at = 1;
        loop {
            match *rest.get(at)? {
                b'\n' => return None,
                b'\\' if quote == b'"' => at += 1,
                byte if byte == quote => break,
                _ => {}
            }
            at += 1;
        }
        // Two single quotes stand for one.
        let is_doubled = quote == b'\'' && rest.get(at + 1) == Some(&quote);
        (!is_doubled).then_some(at + 1)
    }

    /// The length of the plain text that begins here, inside brackets: letters, digits and what has no
    /// meaning there.
    fn flow_plain_length(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_./".contains(&byte);
        rest.first().filter(|first| is_word(**first))?;
        let mut length = 0;
        for (at, byte) in rest.iter().enumerate() {
            match *byte {
                byte if is_word(byte) || b"-+=()*".contains(&byte) => length = at + 1,
                b':' if rest.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => length = at + 1,
                b' ' => {}
                b',' | b']' | b'}' => return Some(length),
                _ => return None,
            }
        }
        None
    }

    fn flow_list(&mut self, depth: usize) -> Option<Node> {
        let start = self.at;
        let mut items = Vec::new();
        self.at += 1;
        self.skip_blanks();
        while self.peek(0)? != b']' {
            items.push(self.flow(depth + 1)?);
            self.next_of_flow(b']')?;
        }
        self.at += 1;
        self.node(NodeKind::Sequence(items.into()), self.span(start, self.at - 1))
    }

    fn flow_map(&mut self, depth: usize) -> Option<Node> {
        let start = self.at;
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = Keys::new();
        self.at += 1;
        self.skip_blanks();
        while self.peek(0)? != b'}' {
            let (key, key_span) = self.entry_key(&entries, &mut keys)?;
            self.skip_blanks();
            let value = self.flow(depth + 1)?;
            entries.push(Entry { key, key_span, value });
            self.next_of_flow(b'}')?;
        }
        self.at += 1;
        self.node(NodeKind::Mapping(entries.into()), self.span(start, self.at - 1))
    }

    /// Goes to the next item, or to the bracket that ends them.
    fn next_of_flow(&mut self, end: u8) -> Option<()> {
        self.skip_blanks();
        if self.peek(0)? == b',' {
            self.at += 1;
            self.skip_blanks();
            // A comma before the bracket is left to the parser.
            return (self.peek(0)? != end).then_some(());
        }
        (self.peek(0)? == end).then_some(())
    }
}

/// What stands between double quotes; `None` where more is escaped than backslashes and quotes.
fn unescape(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(one) = characters.next() {
        text.push(match one {
            '\\' => characters.next().filter(|next| matches!(next, '\\' | '"'))?,
            other => other,
        });
    }
    Some(text)
}
