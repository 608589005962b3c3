//! A bill in CSV: rows that pass keep their bytes.
//!
//! The reader says where each row ends; a copy of what it took is kept until then, so that a row leaves
//! as it came, quotes and line ends included, with the added cells before its line end.

use std::cell::RefCell;
use std::io::{self, BufWriter, Read, Write};
use std::rc::Rc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::export::{Cells, Export, ExportError, Kind};
use super::super::{WriteError, Written};
use super::{PartCells, Plan, Replacement, Tally};

/// Writes the bill anew.
pub(super) fn write<W: Write + Send>(
    bill: &Export,
    replacement: &Replacement<'_>,
    out: W,
) -> Result<Written, WriteError> {
    if bill.kind() == Kind::CsvGz {
        let mut encoder = GzEncoder::new(BufWriter::new(out), Compression::default());
        let written = rows(bill, replacement, &mut encoder)?;
        encoder.finish().and_then(|mut out| out.flush()).map_err(WriteError::Write)?;
        return Ok(written);
    }
    let mut out = BufWriter::new(out);
    let written = rows(bill, replacement, &mut out)?;
    out.flush().map_err(WriteError::Write)?;
    Ok(written)
}

fn rows(
    bill: &Export,
    replacement: &Replacement<'_>,
    out: &mut impl Write,
) -> Result<Written, WriteError> {
    let reading =
        |rows, why| WriteError::Bill(ExportError::Csv { path: bill.path().to_owned(), rows, why });
    let kept = Kept::default();
    let tee = Tee { inner: bill.bytes().map_err(WriteError::Bill)?, kept: kept.clone() };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(tee);
    let mut record = csv::StringRecord::new();
    if !reader.read_record(&mut record).map_err(|why| reading(0, why))? {
        return Err(WriteError::Bill(ExportError::Empty(bill.path().to_owned())));
    }
    // A byte order mark is no part of the first column's name.
    let header: Vec<String> =
        record.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let plan = Plan::new(bill, &header, replacement).map_err(WriteError::Bill)?;
    let raw = kept.until(reader.position().byte());
    let end = line_end(&raw);
    let writer = Writer { plan: &plan, end };
    Writer::passed(&raw, &plan.names[plan.of_bill..], out)?;
    let (mut tally, mut row) = (Tally::default(), 0);
    while reader.read_record(&mut record).map_err(|why| reading(row, why))? {
        row += 1;
        let raw = kept.until(reader.position().byte());
        let cells = Cells::Csv(&record);
        match plan.group(cells, &mut tally) {
            None => {
                tally.untouched += 1;
                Writer::passed(&raw, &writer.cells_added(cells), out)?;
            }
            Some(group) => {
                let parts = plan.parts(bill, row, cells, group).map_err(WriteError::Bill)?;
                tally.replaced += 1;
                tally.allocated += parts.len() as u64;
                writer.replaced(&raw, &record, parts, out)?;
            }
        }
    }
    Ok(plan.written(tally))
}

struct Writer<'a> {
    plan: &'a Plan<'a>,
    end: &'static [u8],
}

impl Writer<'_> {
    /// The added cells of a row that passes.
    fn cells_added(&self, cells: Cells<'_>) -> Vec<String> {
        let names = &self.plan.names[self.plan.of_bill..];
        let mut added = vec![String::new(); names.len()];
        for (name, value) in self.plan.added(cells) {
            if let Some(at) = names.iter().position(|column| *column == name) {
                added[at] = value;
            }
        }
        added
    }

    /// A row as it was, with more cells before its end.
    fn passed(raw: &[u8], added: &[String], out: &mut impl Write) -> Result<(), WriteError> {
        let (before, body, after) = line(raw);
        out.write_all(before).and_then(|()| out.write_all(body)).map_err(WriteError::Write)?;
        if !added.is_empty() {
            let cells = record_bytes(added);
            out.write_all(b",").and_then(|()| out.write_all(&cells)).map_err(WriteError::Write)?;
        }
        out.write_all(after).map_err(WriteError::Write)
    }

    /// Its parts in its place.
    fn replaced(
        &self,
        raw: &[u8],
        record: &csv::StringRecord,
        parts: Vec<PartCells>,
        out: &mut impl Write,
    ) -> Result<(), WriteError> {
        let (before, _, after) = line(raw);
        out.write_all(before).map_err(WriteError::Write)?;
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
            cells.resize(self.plan.names.len(), String::new());
            for (at, figure) in self.plan.summable.iter().zip(&part.figures) {
                if let Some(figure) = figure {
                    cells[*at] = figure.to_string();
                }
            }
            for (name, value) in part.allocation {
                if let Some(at) = self.plan.position(&name) {
                    cells[at] = value;
                }
            }
            out.write_all(&record_bytes(&cells)).map_err(WriteError::Write)?;
            let end = if index + 1 == count { after } else { self.end };
            out.write_all(end).map_err(WriteError::Write)?;
        }
        Ok(())
    }
}

/// Cells as CSV, without a line end; quoted where they must be.
fn record_bytes(cells: &[String]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(cells.iter().map(|cell| cell.len() + 1).sum());
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            bytes.push(b'"');
            bytes.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            bytes.push(b'"');
        } else {
            bytes.extend_from_slice(cell.as_bytes());
        }
    }
    bytes
}

/// What is before a row (ends of lines that were empty), the row, its line end.
fn line(raw: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = raw.iter().position(|byte| !is_end(byte)).unwrap_or(raw.len());
    let end = raw.iter().rposition(|byte| !is_end(byte)).map_or(start, |last| last + 1);
    (&raw[..start], &raw[start..end], &raw[end..])
}

/// How lines of the file end.
fn line_end(header: &[u8]) -> &'static [u8] {
    // The reader stops between `\r` and `\n`.
    if header.contains(&b'\r') { b"\r\n" } else { b"\n" }
}

/// Bytes that a reader took and that have not left yet.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<(u64, Vec<u8>)>>);

impl Kept {
    /// Takes what is before a place of the file.
    fn until(&self, place: u64) -> Vec<u8> {
        let mut kept = self.0.borrow_mut();
        let count = usize::try_from(place.saturating_sub(kept.0)).unwrap_or(usize::MAX);
        let length = kept.1.len();
        let rest = kept.1.split_off(count.min(length));
        kept.0 = place;
        std::mem::replace(&mut kept.1, rest)
    }
}

/// A reader that keeps a copy.
struct Tee {
    inner: Box<dyn Read + Send>,
    kept: Kept,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.kept.0.borrow_mut().1.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}
