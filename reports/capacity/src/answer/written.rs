//! Writing what came from elsewhere without letting it do anything.
//!
//! A name or label may carry control characters that drive a terminal, or begin like a formula that
//! a spreadsheet would run. Control characters become U+FFFD in tables and CSV and `\u` escapes in
//! JSON; a page shows them and everything else that cannot be seen as what it is ([`visible`]); a CSV cell that begins with `=`, `+`, `-` or `@` gets an apostrophe before it.

use std::borrow::Cow;

use serde::Serialize;

use crate::money::Price;

/// The same as [`visible`], owned.
pub fn harmless(text: &str) -> String {
    visible(text).into_owned()
}

/// Text in which every character can be seen: what drives a terminal, turns the direction of text
/// round or has no width is written as `\u{202e}`, so that no name looks like another one.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for one in text.chars() {
        if is_unseen(one) {
            safe.push_str(&format!("\\u{{{:x}}}", u32::from(one)));
        } else {
            safe.push(one);
        }
    }
    Cow::Owned(safe)
}

/// Controls, marks and overrides of direction, and what has no width.
fn is_unseen(one: char) -> bool {
    let is_format = matches!(
        u32::from(one),
        0xad | 0x034f
            | 0x061c
            | 0x115f
            | 0x1160
            | 0x17b4
            | 0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffb
            | 0xfffe
            | 0xffff
            | 0xe0000..=0xe0fff
    );
    one.is_control() || is_format
}

/// A cell that no spreadsheet takes for a formula.
pub fn cell(text: &str) -> String {
    let text = harmless(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

/// A table as CSV; every cell is made harmless.
pub fn csv<Row: AsRef<[String]>>(header: &[&str], rows: impl IntoIterator<Item = Row>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and each row has as many cells as the header.
    let _ = writer.write_record(header);
    for row in rows {
        let _ = writer.write_record(row.as_ref().iter().map(|text| cell(text)));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// JSON with line ends, without any control character inside.
pub fn json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(text
        .chars()
        .map(|one| match one {
            '\n' => one.to_string(),
            one if one.is_control() => format!("\\u{:04x}", u32::from(one)),
            one => one.to_string(),
        })
        .collect())
}

/// A price with all its digits, at least six behind the point.
pub fn dollars(price: Price) -> String {
    let text = price.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{fraction:0<6}")
}

/// The same where there may be none: empty.
pub fn dollars_or_nothing(price: Option<Price>) -> String {
    price.map(dollars).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Unit;

    #[test]
    fn cells_are_defused_and_quoted() {
        let row = |cells: &[&str]| cells.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let text = csv(
            &["a", "b"],
            [
                row(&["=1+1", "+cmd|' /C calc'!A0"]),
                row(&["-2", "@sum(a)"]),
                row(&["x,\"y\"", "a\nb\u{1b}[31m\u{9b}2J"]),
            ],
        );
        assert_eq!(
            text,
            "a,b\n'=1+1,'+cmd|' /C calc'!A0\n'-2,'@sum(a)\n\"x,\"\"y\"\"\",a\\u{a}b\\u{1b}[31m\\u{9b}2J\n"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\u{1b}[31mb\n\u{7f}"), "a\\u{1b}[31mb\\u{a}\\u{7f}");
        assert_eq!(
            visible("x\u{202e}gnp.exe\u{9b}2J\u{200b}"),
            "x\\u{202e}gnp.exe\\u{9b}2J\\u{200b}"
        );
        assert!(matches!(visible("plain – 名 é \u{1f600}"), Cow::Borrowed(_)));
        let ranges = [0x202a..=0x202e, 0x2066..=0x2069, 0x200b..=0x200f, 0..=0x1f, 0x7f..=0x9f];
        for code in ranges.into_iter().flatten().chain([0xfeff, 0x2060, 0x061c]) {
            let one = char::from_u32(code).expect("a character");
            assert_eq!(visible(&one.to_string()), format!("\\u{{{code:x}}}"));
        }
    }

    #[test]
    fn json_has_no_control_characters_and_reads_back() {
        let written = json(&["a\u{1b}[31m\u{9b}\u{7f}\n"]).expect("JSON");
        assert_eq!(written, "[\n  \"a\\u001b[31m\\u009b\\u007f\\n\"\n]");
        let back: Vec<String> = serde_json::from_str(&written).expect("JSON");
        assert_eq!(back, ["a\u{1b}[31m\u{9b}\u{7f}\n"]);
    }

    #[test]
    fn dollars_have_six_places_or_more() {
        let price = |text: &str| Price::parse(text, Unit::Hour).expect("a price");
        assert_eq!(dollars(price("0.118")), "0.118000");
        assert_eq!(dollars(price("12")), "12.000000");
        assert_eq!(dollars(price("0.0141950001")), "0.0141950001");
        assert_eq!(dollars_or_nothing(None), "");
    }
}
