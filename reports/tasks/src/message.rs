//! A message: a report for a window, rendered once, and what it is recognised by.
//!
//! A message holds the bytes of its files, so whatever becomes of a delivery, nothing is rendered
//! anew. The same report for the same window may be sent again with other figures: that is its next
//! *revision*. What is sent to one destination carries a key made of scope, report, window, revision
//! and destination and of nothing else, so that a repetition is recognised wherever it arrives.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use runbook_showback::observed::Window;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a message is about, whatever its revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    /// Whose report it is: the runbook's owner and where it ran. Two clusters with a report of the
    /// same name never meet.
    pub scope: String,
    /// The report's name.
    pub report: String,
    /// The window.
    pub window: Window,
}

/// A rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder: `showback.csv`.
    pub name: String,
    /// `text/csv; charset=utf-8`.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Totals by name, in ten-thousandths of a cent of a dollar (10⁻⁶ $): exact enough to tell whether
/// something moved, small enough for `SQLite`'s integers.
pub type Totals = BTreeMap<String, i64>;

/// What figures stand on, by name: the date of prices, node-hours seen. What differs between two
/// revisions is why their totals do.
pub type Basis = BTreeMap<String, String>;

/// A report for a window, rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// A few lines of plain text.
    pub summary: String,
    /// The files, the most readable one first.
    pub files: Vec<File>,
    /// By what it is told whether a total moved; the whole is under the empty name.
    pub totals: Totals,
    /// What the figures stand on.
    pub basis: Basis,
}

/// A revision of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub about: About,
    /// From 1.
    pub revision: u32,
    /// When it was made, in world time.
    pub made: Timestamp,
    /// What it says.
    pub rendered: Rendered,
}

/// The key of a delivery: 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a revision for a destination.
    pub fn new(about: &About, revision: u32, destination: &str) -> Self {
        let mut hash = Sha256::new();
        let window = format!("{}/{}", about.window.start, about.window.end);
        let revision = revision.to_string();
        for part in
            ["runbook delivery 1", &about.scope, &about.report, &window, &revision, destination]
        {
            // With its length, so that no two lists of parts are the same bytes.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut text = hex::encode(hash.finalize());
        text.truncate(32);
        Self(text)
    }

    /// As it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rendered {
    /// One hash over everything that is sent.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        part(self.subject.as_bytes());
        part(self.summary.as_bytes());
        for file in &self.files {
            part(file.name.as_bytes());
            part(file.media_type.as_bytes());
            part(&file.bytes);
        }
        hex::encode(hash.finalize())
    }
}

/// Ten-thousandths of a cent, half up. An amount counts 10⁻¹⁰ $ ÷ (730 · 3600).
pub fn micros(raw: i128) -> i64 {
    const UNIT: i128 = 730 * 3_600 * 10_000;
    let rounded = (raw * 2 + UNIT).div_euclid(2 * UNIT);
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

/// The SHA-256 of some bytes, in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A window as part of a path: `2026-10`, `2026-10-05`, `2026-10-05_2026-10-11`, or its first moment
/// `2026-10-05T06-00-00Z`.
pub fn window_name(window: Window) -> String {
    let day = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).date();
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let (first, after) = (day(window.start), day(window.end));
    let is_of_days = midnight(first).is_ok_and(|start| start == window.start)
        && midnight(after).is_ok_and(|end| end == window.end);
    let Some(last) = after.checked_sub(1.day()).ok().filter(|last| is_of_days && *last >= first)
    else {
        return window.start.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    };
    if first == last {
        first.to_string()
    } else if first == first.first_of_month() && last == first.last_of_month() {
        first.strftime("%Y-%m").to_string()
    } else {
        format!("{first}_{last}")
    }
}

/// A text of the world as one line without control characters and invisible turns of direction.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |letter: char| {
        let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_control() || turns { ' ' } else { letter }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str) -> Window {
        Window::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    #[test]
    fn windows_have_names_that_are_paths() {
        for (start, end, name) in [
            ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-10"),
            ("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z", "2026-10-05"),
            ("2026-10-05T00:00:00Z", "2026-10-12T00:00:00Z", "2026-10-05_2026-10-11"),
            ("2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z", "2026-10-05T00-00-00Z"),
            ("2026-10-05T06:00:01.5Z", "2026-10-06T00:00:00Z", "2026-10-05T06-00-01Z"),
        ] {
            assert_eq!(window_name(window(start, end)), name);
        }
    }

    #[test]
    fn each_part_of_a_key_counts_and_nothing_else() {
        let about = About {
            scope: "a".to_owned(),
            report: "b".to_owned(),
            window: window("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        };
        let key = Key::new(&about, 1, "folder x");
        assert_eq!(key, Key::new(&about.clone(), 1, "folder x"));
        assert_eq!(key.as_str().len(), 32);
        let shifted = About { scope: "ab".to_owned(), report: String::new(), ..about.clone() };
        let others = [
            Key::new(&shifted, 1, "folder x"),
            Key::new(&about, 2, "folder x"),
            Key::new(&about, 1, "folder y"),
            Key::new(&About { report: "c".to_owned(), ..about.clone() }, 1, "folder x"),
            Key::new(
                &About { window: Window::day("2026-10-01".parse().unwrap()), ..about },
                1,
                "folder x",
            ),
        ];
        for other in others {
            assert_ne!(other, key);
        }
    }
}
