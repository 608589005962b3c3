//! Why a bill could not be read: the file, the line, what is wrong with it.

use std::path::PathBuf;

/// A bill that is none, or is not whole.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// The file cannot be opened or read.
    #[error("failed to read the bill `{}`", .file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is neither of the formats.
    #[error("`{}` is no bill: {why}", .file.display())]
    WrongFile {
        /// Which.
        file: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// A column that is needed is not there.
    #[error(
        "`{}` has no column `{column}`, which a {format} export must have; choose it in the export's \
         settings, and export again", .file.display()
    )]
    MissingColumn {
        /// Which file.
        file: PathBuf,
        /// The column, or those of which one is needed.
        column: String,
        /// `CUR 2.0` or `FOCUS`.
        format: &'static str,
    },
    /// It ends in the middle.
    #[error(
        "`{}` is cut off at line {line}: {why}; nothing was used of it: download it again", .file.display()
    )]
    CutOff {
        /// Which file.
        file: PathBuf,
        /// Where.
        line: u64,
        /// How that was seen.
        why: String,
    },
    /// A value cannot be read.
    #[error("`{}`, line {line}: {column} `{value}` {why}", .file.display())]
    Value {
        /// Which file.
        file: PathBuf,
        /// Which line; of a Parquet file the row.
        line: u64,
        /// In which column.
        column: String,
        /// What it says, as far as it is worth showing.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two currencies, or one that is not ours.
    #[error(
        "`{}`, line {line}: the amount is in `{found}`, and prices are in `{expected}`; amounts are \
         never converted: give a bill in one currency", .file.display()
    )]
    Currency {
        /// Which file.
        file: PathBuf,
        /// Which line.
        line: u64,
        /// What it is in.
        found: String,
        /// What it must be in.
        expected: String,
    },
    /// One file twice.
    #[error("the bill `{}` is given twice; its lines would count twice", .file.display())]
    Twice {
        /// Which.
        file: PathBuf,
    },
    /// More than fits in memory.
    #[error(
        "the bills have more than {most} different lines; give a shorter --window", most = super::collect::MOST_LINES
    )]
    TooMany,
}
