//! A scalar with expressions in it: `${{ … }}` and the text between.

/// A piece of a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text, as it is.
    Text(String),
    /// The expression between `${{` and `}}`, and the byte in the scalar at which it begins.
    Expression {
        /// Without the braces, not trimmed.
        text: String,
        /// Byte offset of `text` in the scalar.
        start: usize,
    },
}

/// What is wrong with a scalar's braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclosed {
    /// `${{` without `}}`, at that byte.
    Expression(usize),
}

/// Splits a scalar into pieces. A `}}` inside a string literal of the expression does not end it.
pub fn split(scalar: &str) -> Result<Vec<Piece>, Unclosed> {
    let mut pieces = Vec::new();
    let mut rest = 0;
    let opens = |from: usize| scalar.as_bytes()[from..].windows(3).position(|at| at == b"${{");
    while let Some(found) = opens(rest) {
        let open = rest + found;
        if open > rest {
            pieces.push(Piece::Text(scalar[rest..open].to_owned()));
        }
        let start = open + 3;
        let length = end_of(&scalar[start..]).ok_or(Unclosed::Expression(open))?;
        pieces.push(Piece::Expression { text: scalar[start..start + length].to_owned(), start });
        rest = start + length + 2;
    }
    if rest < scalar.len() {
        pieces.push(Piece::Text(scalar[rest..].to_owned()));
    }
    Ok(pieces)
}

/// The length of an expression up to its `}}`. A dictionary's own braces are counted.
fn end_of(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut depth = 0usize;
    let mut at = 0;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(bytes[at]),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}
