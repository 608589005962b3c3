//! Rows of a file, one after the other: CSV, gzipped CSV or Parquet, whatever its name says.
//!
//! What a file is stands in its first bytes. Only the columns that are asked for are read, each as text;
//! a row is forgotten when the next one comes, so memory does not grow with the file. A Parquet double
//! is written as the shortest decimal that names it, a map as JSON, a time as RFC 3339.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::error::BillError;

/// How much is read of a file at a time.
const BUFFER: usize = 256 * 1024;

/// An open file, of which the header is known.
pub(super) struct Rows {
    file: PathBuf,
    /// The names of its columns.
    pub(super) header: Vec<String>,
    source: Source,
}

enum Source {
    Csv(Box<csv::Reader<Box<dyn Read>>>),
    Parquet(Box<SerializedFileReader<File>>),
}

/// What is done with a row: its line and its cells, in the order in which columns were asked for.
pub(super) type Visit<'a> = dyn FnMut(u64, &[String]) -> Result<(), BillError> + 'a;

impl Rows {
    /// Opens a file and reads its header.
    pub(super) fn open(file: &Path) -> Result<Self, BillError> {
        let io = |source| BillError::Io { file: file.to_owned(), source };
        let wrong = |why: &str| BillError::WrongFile { file: file.to_owned(), why: why.to_owned() };
        let mut opened = File::open(file).map_err(io)?;
        let mut magic = [0; 4];
        let length = opened.read(&mut magic).map_err(io)?;
        opened.seek(SeekFrom::Start(0)).map_err(io)?;
        match &magic[..length] {
            [] => Err(wrong("it is empty")),
            b"PAR1" => Self::parquet(file, opened),
            [b'P', b'K', ..] => Err(wrong("it is a zip archive: unpack it")),
            [0x1f, 0x8b, ..] => {
                let text = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, opened));
                Self::csv(file, Box::new(text))
            }
            _ => Self::csv(file, Box::new(opened)),
        }
    }

    fn csv(file: &Path, text: Box<dyn Read>) -> Result<Self, BillError> {
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(text);
        let header = reader.headers().map_err(|error| csv_error(file, error))?;
        let header = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned());
        let header = header.collect();
        Ok(Self { file: file.to_owned(), header, source: Source::Csv(Box::new(reader)) })
    }

    fn parquet(file: &Path, opened: File) -> Result<Self, BillError> {
        let reader = SerializedFileReader::new(opened).map_err(|error| BillError::CutOff {
            file: file.to_owned(),
            line: 0,
            why: format!("it has no end that a Parquet file must have ({error})"),
        })?;
        let schema = reader.metadata().file_metadata().schema();
        let header = schema.get_fields().iter().map(|one| one.name().to_owned()).collect();
        Ok(Self { file: file.to_owned(), header, source: Source::Parquet(Box::new(reader)) })
    }

    /// Reads it to its end. `wanted` are places in the header.
    pub(super) fn each(self, wanted: &[usize], visit: &mut Visit<'_>) -> Result<(), BillError> {
        match self.source {
            Source::Csv(reader) => each_csv(&self.file, *reader, wanted, visit),
            Source::Parquet(reader) => each_parquet(&self.file, &reader, wanted, visit),
        }
    }
}

fn each_csv(
    file: &Path,
    mut reader: csv::Reader<Box<dyn Read>>,
    wanted: &[usize],
    visit: &mut Visit<'_>,
) -> Result<(), BillError> {
    let mut record = csv::StringRecord::new();
    let mut cells = vec![String::new(); wanted.len()];
    while reader.read_record(&mut record).map_err(|error| csv_error(file, error))? {
        let line = record.position().map_or(0, csv::Position::line);
        for (cell, place) in cells.iter_mut().zip(wanted) {
            cell.clear();
            cell.push_str(record.get(*place).unwrap_or_default());
        }
        visit(line, &cells)?;
    }
    Ok(())
}

/// Fewer fields than the header has are the end of a file that was cut; so is the end of a stream that
/// is not over.
fn csv_error(file: &Path, error: csv::Error) -> BillError {
    let line = error.position().map_or(0, csv::Position::line);
    let file = file.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            BillError::CutOff { file, line, why: "the compressed text has no end".to_owned() }
        }
        csv::ErrorKind::Io(source) if source.kind() == std::io::ErrorKind::InvalidInput => {
            BillError::CutOff {
                file,
                line,
                why: format!("the compressed text is damaged ({source})"),
            }
        }
        csv::ErrorKind::Io(source) => BillError::Io { file, source },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => BillError::CutOff {
            file,
            line,
            why: format!("it has {len} fields, and the header has {expected_len}"),
        },
        csv::ErrorKind::Utf8 { .. } => {
            BillError::WrongFile { file, why: format!("line {line} is no UTF-8 text") }
        }
        other => BillError::WrongFile { file, why: format!("it is no CSV: {other:?}") },
    }
}

fn each_parquet(
    file: &Path,
    reader: &SerializedFileReader<File>,
    wanted: &[usize],
    visit: &mut Visit<'_>,
) -> Result<(), BillError> {
    let mut line = 0;
    let damaged = |line, why: String| BillError::CutOff { file: file.to_owned(), line, why };
    let schema = reader.metadata().file_metadata().schema();
    // A projection keeps the file's order, so what was asked for is found again by its place.
    let mut places = wanted.to_vec();
    places.sort_unstable();
    places.dedup();
    let fields = places.iter().filter_map(|place| schema.get_fields().get(*place).cloned());
    let projection = Type::group_type_builder(schema.name())
        .with_fields(fields.collect())
        .build()
        .map_err(|error| damaged(0, error.to_string()))?;
    let rows =
        reader.get_row_iter(Some(projection)).map_err(|error| damaged(0, error.to_string()))?;
    let mut cells = vec![String::new(); wanted.len()];
    for row in rows {
        line += 1;
        let row = row.map_err(|error| damaged(line, error.to_string()))?;
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        for (cell, place) in cells.iter_mut().zip(wanted) {
            cell.clear();
            let field = places.binary_search(place).ok().and_then(|at| fields.get(at).copied());
            if let Some(field) = field {
                write(field, cell);
            }
        }
        visit(line, &cells)?;
    }
    Ok(())
}

/// A field as the text that a CSV would have.
fn write(field: &Field, cell: &mut String) {
    match field {
        Field::Null => {}
        Field::Str(text) => cell.push_str(text),
        Field::Double(value) => cell.push_str(&format!("{value:e}")),
        Field::Float(value) => cell.push_str(&format!("{value:e}")),
        Field::TimestampMillis(value) => at(Timestamp::from_millisecond(*value), field, cell),
        Field::TimestampMicros(value) => at(Timestamp::from_microsecond(*value), field, cell),
        Field::Bytes(bytes) => cell.push_str(&String::from_utf8_lossy(bytes.data())),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
            cell.push_str(&json(field).to_string());
        }
        other => cell.push_str(&other.to_string()),
    }
}

fn at(moment: Result<Timestamp, jiff::Error>, field: &Field, cell: &mut String) {
    match moment {
        Ok(moment) => cell.push_str(&moment.to_string()),
        // Whoever reads it says that it is no time.
        Err(_) => cell.push_str(&format!("{field:?}")),
    }
}

/// Tags are a map in one export, a list of pairs or a struct in another.
fn json(field: &Field) -> Value {
    let text = |field: &Field| {
        let mut text = String::new();
        write(field, &mut text);
        text
    };
    match field {
        Field::Null => Value::Null,
        Field::Group(row) => fields(row),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(json).collect()),
        Field::MapInternal(map) => {
            Value::Object(map.entries().iter().map(|(key, one)| (text(key), json(one))).collect())
        }
        other => Value::String(text(other)),
    }
}

fn fields(row: &Row) -> Value {
    let fields: Map<String, Value> =
        row.get_column_iter().map(|(name, field)| (name.clone(), json(field))).collect();
    Value::Object(fields)
}
