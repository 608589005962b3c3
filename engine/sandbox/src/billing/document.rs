//! A bill as a file: its window, its form.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use runbook_capacity::money::Unpriced;

use super::lines::Account;
use super::{cur, focus, month_after, month_of, start_of, summary};
use crate::store::Transaction;
use crate::world::Context;

/// The form of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillFormat {
    /// A cost and usage report, CUR 2.0, hourly, with resources and split cost allocation.
    Cur,
    /// FOCUS 1.2.
    Focus,
    /// Sums by service and usage type.
    Summary,
}

impl BillFormat {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("cur", Self::Cur), ("focus", Self::Focus), ("summary", Self::Summary)];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for BillFormat {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text);
        let why = "a bill is written as cur, focus or summary";
        known.map(|(_, format)| *format).ok_or_else(|| WindowError::new(text, why))
    }
}

/// Whole UTC days: `2026-10`, `2026-10-07`, or `2026-10-01..2026-10-08` without its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Date,
    to: Date,
}

/// A text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {why}")]
pub struct WindowError {
    text: String,
    why: &'static str,
}

impl WindowError {
    fn new(text: &str, why: &'static str) -> Self {
        Self { text: text.to_owned(), why }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let why = "give a month (2026-10), a day (2026-10-07), or days (2026-10-01..2026-10-08, without the last)";
        let day = |part: &str| part.parse::<Date>().map_err(|_| WindowError::new(text, why));
        let (from, to) = if let Some((from, to)) = text.split_once("..") {
            (day(from)?, day(to)?)
        } else if text.len() == "2026-10".len() {
            let first = day(&format!("{text}-01"))?;
            (first, super::date(month_after(start_of(first))))
        } else {
            let one = day(text)?;
            (one, one.tomorrow().map_err(|_| WindowError::new(text, why))?)
        };
        if from >= to {
            return Err(WindowError::new(text, "the window ends before it begins"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// A bill could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Something has no price.
    #[error("{0}; the scenario's billing.prices can name one")]
    Unpriced(#[from] Unpriced),
    /// Writing into memory.
    #[error("failed to write the bill: {0}")]
    Csv(#[from] csv::Error),
    /// Packing in memory.
    #[error("failed to pack the bill: {0}")]
    Pack(#[from] std::io::Error),
}

/// The bill of a window, packed by gzip when asked.
pub(crate) fn write(
    context: &Context,
    transaction: &Transaction<'_>,
    window: Window,
    format: BillFormat,
    is_packed: bool,
) -> Result<Vec<u8>, WriteError> {
    let (from, to) = (start_of(window.from), start_of(window.to));
    let account = Account::of(context, transaction, month_of(from));
    let lines = account.lines(from, to)?;
    let mut out = csv::Writer::from_writer(Vec::new());
    match format {
        BillFormat::Cur => cur::write(&account, &lines, &mut out)?,
        BillFormat::Focus => focus::write(&account, &lines, &mut out)?,
        BillFormat::Summary => summary::write(&lines, &mut out)?,
    }
    let text = out.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    if !is_packed {
        return Ok(text);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&text)?;
    Ok(packed.finish()?)
}

/// A moment as exports write it.
pub(super) fn moment(second: i64) -> String {
    jiff::Timestamp::from_second(second).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_months_days_and_ranges() {
        let read = |text: &str| text.parse::<Window>().map(|one| one.to_string());
        assert_eq!(read("2026-10").unwrap(), "2026-10-01..2026-11-01");
        assert_eq!(read("2026-12").unwrap(), "2026-12-01..2027-01-01");
        assert_eq!(read("2026-10-07").unwrap(), "2026-10-07..2026-10-08");
        assert_eq!(read("2026-10-01..2026-10-08").unwrap(), "2026-10-01..2026-10-08");
        assert!(read("2026-13").is_err() && read("october").is_err());
        let why = read("2026-10-08..2026-10-01").unwrap_err().to_string();
        assert_eq!(why, "`2026-10-08..2026-10-01`: the window ends before it begins");
    }
}
