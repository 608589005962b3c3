//! A FOCUS file of any format, row by row.
//!
//! What a file is, its first bytes say: Parquet, gzip, else CSV. Every cell becomes text, as CSV would
//! have it: numbers plain (a binary one by the shortest decimal that means it), moments in UTC with a
//! `Z`, maps as JSON objects; nothing is the empty text. A file may be read several times and is never
//! held whole.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use flate2::read::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use serde_json::{Map, Value};

use super::decimal::Decimal;

/// Rows that are read at once.
pub(super) const BATCH: usize = 1024;

/// A file that says it is FOCUS.
#[derive(Debug, Clone)]
pub struct Export {
    path: PathBuf,
    kind: Kind,
}

/// What its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    CsvGz,
    Parquet,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// Nothing is in it.
    #[error("{} is empty: a FOCUS file has a header at least", .0.display())]
    Empty(PathBuf),
    /// It breaks off, or is no CSV.
    #[error("failed to read {} as CSV after {rows} rows", path.display())]
    Csv {
        /// Which.
        path: PathBuf,
        /// Rows that were read.
        rows: u64,
        /// Why.
        #[source]
        why: csv::Error,
    },
    /// It is no whole Parquet file.
    #[error("failed to read {} as Parquet", path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        why: ParquetError,
    },
    /// A block of it cannot be decoded.
    #[error("failed to read rows of {}", path.display())]
    Rows {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        why: ArrowError,
    },
    /// A column holds what no FOCUS column holds.
    #[error("column {column} of {} holds {kind}, which is no number, text, moment or map of texts", path.display())]
    ColumnType {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// What it holds.
        kind: String,
    },
    /// It is no bill whose node charges can be found.
    #[error("{} has no column {}: it is no FOCUS bill by resource", path.display(), columns.join(", "))]
    MissingColumns {
        /// Which file.
        path: PathBuf,
        /// What it lacks.
        columns: Vec<String>,
    },
    /// A row says something that cannot be divided.
    #[error("row {row} of {}: {column} is `{value}`: {why}", path.display())]
    Cell {
        /// Which file.
        path: PathBuf,
        /// Which row, from 1, without the header.
        row: u64,
        /// Which column.
        column: String,
        /// What is there.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Export {
    /// Looks at a file's first bytes.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let opening = |why| ExportError::Open { path: path.to_owned(), why };
        let mut first = Vec::new();
        File::open(path).map_err(opening)?.take(4).read_to_end(&mut first).map_err(opening)?;
        let kind = match first.as_slice() {
            [] => return Err(ExportError::Empty(path.to_owned())),
            b"PAR1" => Kind::Parquet,
            [0x1f, 0x8b, ..] => Kind::CsvGz,
            _ => Kind::Csv,
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// The file's name, for reports.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its rows, from the first.
    pub fn rows(&self) -> Result<Rows, ExportError> {
        let source = match self.kind {
            Kind::Csv | Kind::CsvGz => {
                let mut reader = csv::ReaderBuilder::new().from_reader(self.bytes()?);
                let header = reader.headers().map_err(|why| self.csv(0, why))?;
                return Ok(Rows {
                    header: header.iter().map(str::to_owned).collect(),
                    export: self.clone(),
                    row: 0,
                    source: Source::Csv(Box::new(reader), csv::StringRecord::new()),
                });
            }
            Kind::Parquet => self.batches(None)?,
        };
        let header = source.schema().fields().iter().map(|field| field.name().clone()).collect();
        Ok(Rows {
            header,
            export: self.clone(),
            row: 0,
            source: Source::Parquet {
                batches: Box::new(source),
                batch: None,
                at: 0,
                cells: Vec::new(),
            },
        })
    }

    /// The text of a CSV, decompressed.
    pub(super) fn bytes(&self) -> Result<Box<dyn Read + Send>, ExportError> {
        let file = BufReader::new(self.file()?);
        Ok(match self.kind {
            Kind::CsvGz => Box::new(MultiGzDecoder::new(file)),
            Kind::Csv | Kind::Parquet => Box::new(file),
        })
    }

    pub(super) fn file(&self) -> Result<File, ExportError> {
        File::open(&self.path).map_err(|why| ExportError::Open { path: self.path.clone(), why })
    }

    /// The blocks of a Parquet file, of all columns or of some.
    pub(super) fn batches(
        &self,
        columns: Option<&[usize]>,
    ) -> Result<ParquetRecordBatchReader, ExportError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(self.file()?)
            .map_err(|why| self.parquet(why))?;
        let builder = match columns {
            None => builder,
            Some(columns) => {
                let mask = parquet::arrow::ProjectionMask::roots(
                    builder.parquet_schema(),
                    columns.iter().copied(),
                );
                builder.with_projection(mask)
            }
        };
        builder.with_batch_size(BATCH).build().map_err(|why| self.parquet(why))
    }

    fn csv(&self, rows: u64, why: csv::Error) -> ExportError {
        ExportError::Csv { path: self.path.clone(), rows, why }
    }

    pub(super) fn parquet(&self, why: ParquetError) -> ExportError {
        ExportError::Parquet { path: self.path.clone(), why }
    }

    pub(super) fn arrow(&self, why: ArrowError) -> ExportError {
        ExportError::Rows { path: self.path.clone(), why }
    }
}

/// Rows of a file, one after another.
pub struct Rows {
    header: Vec<String>,
    export: Export,
    row: u64,
    source: Source,
}

enum Source {
    Csv(Box<csv::Reader<Box<dyn Read + Send>>>, csv::StringRecord),
    Parquet {
        batches: Box<ParquetRecordBatchReader>,
        batch: Option<RecordBatch>,
        at: usize,
        cells: Vec<String>,
    },
}

/// One row: its cells, in the order of the header.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    /// Of a CSV.
    Csv(&'a csv::StringRecord),
    /// Of Parquet, as text.
    Text(&'a [String]),
}

impl<'a> Cells<'a> {
    /// A cell; the empty text is nothing.
    pub fn get(self, at: usize) -> &'a str {
        match self {
            Self::Csv(record) => record.get(at).unwrap_or(""),
            Self::Text(cells) => cells.get(at).map_or("", String::as_str),
        }
    }
}

impl Rows {
    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row and its number, from 1.
    pub fn read(&mut self) -> Result<Option<(u64, Cells<'_>)>, ExportError> {
        self.row += 1;
        let row = self.row;
        match &mut self.source {
            Source::Csv(reader, record) => {
                let is_there =
                    reader.read_record(record).map_err(|why| self.export.csv(row - 1, why))?;
                Ok(is_there.then_some((row, Cells::Csv(record))))
            }
            Source::Parquet { batches, batch, at, cells } => {
                while batch.as_ref().is_none_or(|batch| *at >= batch.num_rows()) {
                    match batches.next() {
                        None => return Ok(None),
                        Some(next) => {
                            *batch = Some(next.map_err(|why| self.export.arrow(why))?);
                            *at = 0;
                        }
                    }
                }
                let Some(batch) = batch else { return Ok(None) };
                cells.clear();
                for (column, name) in batch.columns().iter().zip(&self.header) {
                    let text = text(column, *at).ok_or_else(|| ExportError::ColumnType {
                        path: self.export.path.clone(),
                        column: name.clone(),
                        kind: column.data_type().to_string(),
                    })?;
                    cells.push(text);
                }
                *at += 1;
                Ok(Some((row, Cells::Text(cells))))
            }
        }
    }
}

/// A cell as text; nothing is the empty text. None where the type is none of a bill's.
pub(super) fn text(column: &dyn Array, at: usize) -> Option<String> {
    if column.is_null(at) {
        return Some(String::new());
    }
    Some(match column.data_type() {
        DataType::Null => String::new(),
        DataType::Utf8 => column.as_string::<i32>().value(at).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(at).to_owned(),
        DataType::Utf8View => column.as_string_view().value(at).to_owned(),
        DataType::Boolean => column.as_boolean().value(at).to_string(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(at).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(at).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(at).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(at).to_string(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(at).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(at).to_string(),
        DataType::Decimal128(_, scale) => {
            let units = column.as_primitive::<Decimal128Type>().value(at);
            match u32::try_from(*scale) {
                Ok(scale) => Decimal::new(units, scale).to_string(),
                Err(_) => format!("{units}e{}", scale.unsigned_abs()),
            }
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(at);
            let moment = SignedDuration::from_secs(i64::from(days) * 86_400);
            Timestamp::UNIX_EPOCH.checked_add(moment).ok()?.strftime("%Y-%m-%d").to_string()
        }
        DataType::Timestamp(unit, _) => moment(column, at, *unit)?,
        DataType::Map(_, _) => object(column, at)?,
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            let key = dictionary.normalized_keys().get(at).copied()?;
            text(dictionary.values(), key)?
        }
        _ => return None,
    })
}

fn moment(column: &dyn Array, at: usize, unit: TimeUnit) -> Option<String> {
    let moment = match unit {
        TimeUnit::Second => {
            Timestamp::from_second(column.as_primitive::<TimestampSecondType>().value(at)).ok()?
        }
        TimeUnit::Millisecond => {
            let value = column.as_primitive::<TimestampMillisecondType>().value(at);
            Timestamp::from_millisecond(value).ok()?
        }
        TimeUnit::Microsecond => {
            let value = column.as_primitive::<TimestampMicrosecondType>().value(at);
            Timestamp::from_microsecond(value).ok()?
        }
        TimeUnit::Nanosecond => {
            let value = column.as_primitive::<TimestampNanosecondType>().value(at);
            Timestamp::from_nanosecond(value.into()).ok()?
        }
    };
    Some(moment.to_string())
}

/// A map of texts as a JSON object.
fn object(column: &dyn Array, at: usize) -> Option<String> {
    let entries = column.as_map().value(at);
    let (keys, values) = (entries.column(0), entries.column(1));
    let mut object = Map::new();
    for index in 0..entries.len() {
        let value =
            if values.is_null(index) { Value::Null } else { Value::String(text(values, index)?) };
        object.insert(text(keys, index)?, value);
    }
    Some(Value::Object(object).to_string())
}
