//! Columns by name: which of them a file has, and their cells as what they mean.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::decimal::Decimal;
use super::error::BillError;

/// How much of a wrong value is shown.
const SHOWN: usize = 60;

/// Columns that were looked for, in order; where they stand in the file, for those that are there.
pub(super) struct Columns {
    names: &'static [&'static str],
    /// For each name its place among those that are read.
    places: Vec<Option<usize>>,
    /// Those that are read, as places in the header.
    pub(super) wanted: Vec<usize>,
}

impl Columns {
    /// Finds columns by their names.
    pub(super) fn find(names: &'static [&'static str], header: &[String]) -> Self {
        let mut wanted = Vec::new();
        let places = names
            .iter()
            .map(|name| {
                let at = header.iter().position(|one| one.as_str() == *name)?;
                wanted.push(at);
                Some(wanted.len() - 1)
            })
            .collect();
        Self { names, places, wanted }
    }

    fn place(&self, name: &str) -> Option<usize> {
        let at = self.names.iter().position(|one| *one == name)?;
        self.places.get(at).copied().flatten()
    }

    /// Whether the file has it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// That one of these is there.
    pub(super) fn need(
        &self,
        file: &Path,
        format: &'static str,
        any: &[&str],
    ) -> Result<(), BillError> {
        if any.iter().any(|name| self.has(name)) {
            return Ok(());
        }
        let column = any.join("` or `");
        Err(BillError::MissingColumn { file: file.to_owned(), column, format })
    }
}

/// A row, whose cells are found by the names of their columns.
pub(super) struct Cells<'a> {
    pub(super) file: &'a Path,
    pub(super) line: u64,
    pub(super) columns: &'a Columns,
    pub(super) cells: &'a [String],
}

impl<'a> Cells<'a> {
    /// The text of a cell; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &'a str {
        let cell = self.columns.place(name).and_then(|at| self.cells.get(at));
        cell.map_or("", |cell| cell.trim())
    }

    /// The first of some cells that says something.
    pub(super) fn first(&self, names: &[&'static str]) -> &'a str {
        names.iter().map(|name| self.text(name)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// A number; none where the cell is empty.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<Decimal>, BillError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        Decimal::parse(text).map(Some).ok_or_else(|| self.wrong(name, "is no number"))
    }

    /// The first number of some cells.
    pub(super) fn first_number(
        &self,
        names: &[&'static str],
    ) -> Result<Option<Decimal>, BillError> {
        for name in names {
            if let Some(number) = self.number(name)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// A moment: `2026-10-01T00:00:00Z`, or `2026-10-01 00:00:00` in UTC.
    pub(super) fn moment(&self, name: &'static str) -> Result<Timestamp, BillError> {
        let text = self.text(name);
        moment(text).ok_or_else(|| self.wrong(name, "is no time, such as 2026-10-01T00:00:00Z"))
    }

    /// That a cell cannot be read.
    pub(super) fn wrong(&self, name: &str, why: &str) -> BillError {
        BillError::Value {
            file: self.file.to_owned(),
            line: self.line,
            column: name.to_owned(),
            value: self.text(name).chars().take(SHOWN).collect(),
            why: why.to_owned(),
        }
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Ok(civil) = text.trim_end_matches(" UTC").parse::<DateTime>() {
        return civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    // Nanoseconds, microseconds or milliseconds of a Parquet file that does not say which.
    let count: i64 = text.parse().ok()?;
    match count.unsigned_abs() {
        0..1_000_000_000_000 => None,
        1_000_000_000_000..1_000_000_000_000_000 => Timestamp::from_millisecond(count).ok(),
        1_000_000_000_000_000..1_000_000_000_000_000_000 => Timestamp::from_microsecond(count).ok(),
        _ => Timestamp::from_nanosecond(i128::from(count)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_exports_write_them() {
        let expected = "2026-10-01T05:00:00Z".parse().ok();
        for text in [
            "2026-10-01T05:00:00Z",
            "2026-10-01T05:00:00.000Z",
            "2026-10-01 05:00:00",
            "2026-10-01 05:00:00.000 UTC",
            "1790830800000",
            "1790830800000000",
            "1790830800000000000",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "12"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
