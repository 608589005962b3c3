//! Rows into a file: CSV, the same compressed, or Parquet.
//!
//! A row is text by column name, empty where there is nothing; what a column holds decides how Parquet
//! stores it: numbers as DECIMAL(38, 12), moments as UTC timestamps, the rest as text. Rows leave in
//! blocks, so that a file of any length takes the same memory.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::columns::{Kind, kind_of};
use super::decimal::Decimal;

/// Digits behind the point of every number in Parquet.
pub(super) const PLACES: u32 = 12;
/// Rows that are held before they are written.
const BLOCK: usize = 4096;
/// Rows of a row group: what a reader holds at once.
pub(crate) const ROW_GROUP: usize = 65_536;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma separated, in UTF-8, with a header.
    Csv,
    /// The same, compressed by gzip.
    CsvGz,
    /// Apache Parquet, compressed by zstd.
    Parquet,
}

impl Format {
    /// By a file's name: `.parquet`, `.csv.gz`, else CSV.
    pub fn of(name: &str) -> Self {
        let ends = |end: &str| {
            name.len() >= end.len()
                && name.is_char_boundary(name.len() - end.len())
                && name[name.len() - end.len()..].eq_ignore_ascii_case(end)
        };
        if ends(".parquet") {
            Self::Parquet
        } else if ends(".gz") {
            Self::CsvGz
        } else {
            Self::Csv
        }
    }
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An estimate has no bill that would name the account.
    #[error(
        "a FOCUS file needs a BillingAccountId and an estimate has no bill to take it from: name the \
         account that pays, with --billing-account"
    )]
    NoBillingAccount,
    /// Bytes could not be written.
    #[error("failed to write the rows")]
    Write(#[source] io::Error),
    /// A row could not be written as CSV.
    #[error("failed to write the rows as CSV")]
    Csv(#[source] csv::Error),
    /// Rows could not be written as Parquet.
    #[error("failed to write the rows as Parquet")]
    Parquet(#[source] ParquetError),
    /// Rows do not fit their columns.
    #[error("failed to put the rows into columns")]
    Columns(#[source] ArrowError),
    /// A value does not fit its column.
    #[error("`{value}` does not fit the column {column}: {why}")]
    Misfit {
        /// Which column.
        column: String,
        /// What was to go into it.
        value: String,
        /// Why it does not.
        why: String,
    },
    /// The bill could not be read.
    #[error("failed to read the bill")]
    Bill(#[source] super::ExportError),
}

/// A row by column name.
#[derive(Debug, Clone)]
pub(super) struct Row {
    positions: Arc<BTreeMap<String, usize>>,
    cells: Vec<String>,
}

impl Row {
    /// Puts a value in a column; a version that does not have the column leaves it out.
    pub(super) fn set(&mut self, column: &str, value: impl Into<String>) {
        if let Some(at) = self.positions.get(column) {
            self.cells[*at] = value.into();
        }
    }

    /// Puts a value there, or nothing.
    pub(super) fn set_or_null(&mut self, column: &str, value: Option<impl Into<String>>) {
        self.set(column, value.map(Into::into).unwrap_or_default());
    }
}

/// A file that is being written.
pub(super) struct Sheet<W: Write + Send> {
    positions: Arc<BTreeMap<String, usize>>,
    sink: Sink<W>,
    /// Rows so far.
    pub(super) rows: u64,
}

enum Sink<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    CsvGz(Box<csv::Writer<GzEncoder<W>>>),
    Parquet(Box<Columns<W>>),
}

impl<W: Write + Send> Sheet<W> {
    /// A file with these columns; `metadata` is kept where the format has a place for it.
    pub(super) fn new(
        out: W,
        format: Format,
        names: &[String],
        metadata: &[(&str, String)],
    ) -> Result<Self, WriteError> {
        let positions = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let mut sink = match format {
            Format::Csv => Sink::Csv(Box::new(csv::Writer::from_writer(out))),
            Format::CsvGz => Sink::CsvGz(Box::new(csv::Writer::from_writer(GzEncoder::new(
                out,
                Compression::default(),
            )))),
            Format::Parquet => Sink::Parquet(Box::new(Columns::new(out, names, metadata)?)),
        };
        match &mut sink {
            Sink::Csv(writer) => writer.write_record(names).map_err(WriteError::Csv)?,
            Sink::CsvGz(writer) => writer.write_record(names).map_err(WriteError::Csv)?,
            Sink::Parquet(_) => {}
        }
        Ok(Self { positions: Arc::new(positions), sink, rows: 0 })
    }

    /// An empty row of it.
    pub(super) fn row(&self) -> Row {
        Row {
            positions: Arc::clone(&self.positions),
            cells: vec![String::new(); self.positions.len()],
        }
    }

    /// Writes a row.
    pub(super) fn write(&mut self, row: &Row) -> Result<(), WriteError> {
        self.rows += 1;
        match &mut self.sink {
            Sink::Csv(writer) => writer.write_record(&row.cells).map_err(WriteError::Csv),
            Sink::CsvGz(writer) => writer.write_record(&row.cells).map_err(WriteError::Csv),
            Sink::Parquet(columns) => columns.write(&row.cells),
        }
    }

    /// Ends the file; what is not ended is not whole.
    pub(super) fn finish(self) -> Result<W, WriteError> {
        match self.sink {
            Sink::Csv(writer) => flushed(*writer),
            Sink::CsvGz(writer) => flushed(*writer)?.finish().map_err(WriteError::Write),
            Sink::Parquet(columns) => columns.finish(),
        }
    }
}

fn flushed<W: Write>(writer: csv::Writer<W>) -> Result<W, WriteError> {
    writer.into_inner().map_err(|error| WriteError::Write(error.into_error()))
}

/// The columns of a Parquet file, filled row by row.
struct Columns<W: Write + Send> {
    names: Vec<String>,
    builders: Vec<Builder>,
    held: usize,
    schema: Arc<Schema>,
    writer: ArrowWriter<W>,
}

enum Builder {
    Text(StringBuilder),
    Decimal(Decimal128Builder),
    Time(TimestampMillisecondBuilder),
}

impl<W: Write + Send> Columns<W> {
    fn new(out: W, names: &[String], metadata: &[(&str, String)]) -> Result<Self, WriteError> {
        let fields: Vec<Field> =
            names.iter().map(|name| Field::new(name, data_type(kind_of(name)), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties(metadata)))
            .map_err(WriteError::Parquet)?;
        let builders = names.iter().map(|name| Builder::new(kind_of(name))).collect();
        Ok(Self { names: names.to_vec(), builders, held: 0, schema, writer })
    }

    fn write(&mut self, cells: &[String]) -> Result<(), WriteError> {
        for ((name, builder), cell) in self.names.iter().zip(&mut self.builders).zip(cells) {
            builder.push(cell).map_err(|why| WriteError::Misfit {
                column: name.clone(),
                value: cell.clone(),
                why,
            })?;
        }
        self.held += 1;
        if self.held == BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.held = 0;
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(WriteError::Columns)?;
        self.writer.write(&batch).map_err(WriteError::Parquet)
    }

    fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        self.writer.into_inner().map_err(WriteError::Parquet)
    }
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Decimal => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type(Kind::Decimal)))
            }
            Kind::Time => Self::Time(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            Kind::Text | Kind::Json | Kind::Currency => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, cell: &str) -> Result<(), String> {
        match self {
            Self::Text(builder) if cell.is_empty() => builder.append_null(),
            Self::Decimal(builder) if cell.is_empty() => builder.append_null(),
            Self::Time(builder) if cell.is_empty() => builder.append_null(),
            Self::Text(builder) => builder.append_value(cell),
            Self::Decimal(builder) => {
                let number = Decimal::parse(cell).map_err(|why| why.to_string())?;
                let units = number
                    .units_at(PLACES)
                    .ok_or_else(|| format!("it has more than {PLACES} places"))?;
                builder.append_value(units);
            }
            Self::Time(builder) => {
                let moment: Timestamp = cell.parse().map_err(|why: jiff::Error| why.to_string())?;
                builder.append_value(moment.as_millisecond());
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
        }
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Decimal => DataType::Decimal128(38, 12),
        Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Kind::Text | Kind::Json | Kind::Currency => DataType::Utf8,
    }
}

/// How Parquet is written here: zstd, row groups that fit in memory, no trace of a clock.
pub(crate) fn properties(metadata: &[(&str, String)]) -> WriterProperties {
    let pairs = metadata
        .iter()
        .map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()))
        .collect();
    WriterProperties::builder()
        .set_compression(Codec::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_created_by(format!("runbook {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(pairs))
        .build()
}
