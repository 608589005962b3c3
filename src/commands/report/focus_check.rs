//! `runbook report focus-check`: what is wrong with a FOCUS file, whoever wrote it.

use std::path::PathBuf;

use runbook_showback::focus::{Checked, Export, ExportError, Violation, check};

use crate::arguments::TableFormat;
use crate::commands::Session;
use crate::exit::Exit;
use crate::trouble::Trouble;
use crate::view;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FocusCheckArguments {
    /// A FOCUS file: CSV, CSV compressed by gzip, or Parquet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = TableFormat::Text)]
    output: TableFormat,
}

const COLUMNS: [&str; 5] = ["RULE", "COLUMN", "FIRST ROW", "ROWS", "WHAT"];

pub(super) fn run(session: &Session, arguments: &FocusCheckArguments) -> Result<Exit, Trouble> {
    let path = session.environment.working_directory.join(&arguments.file);
    let checked = Export::open(&path).and_then(|export| check(&export)).map_err(unreadable)?;
    let rows: Vec<Vec<String>> = checked.violations.iter().map(cells).collect();
    match arguments.output {
        TableFormat::Json => {
            session.printer.out(&view::json::pretty(&json(&checked)));
        }
        format if format == TableFormat::Csv || !rows.is_empty() => {
            session.tabular(&COLUMNS, &rows, format)?;
        }
        _ => {}
    }
    if arguments.output == TableFormat::Text {
        session.printer.out(&headline(&checked, &arguments.file.display().to_string()));
    }
    Ok(if checked.violations.is_empty() { Exit::Done } else { Exit::Failed })
}

fn cells(violation: &Violation) -> Vec<String> {
    vec![
        violation.rule.name().to_owned(),
        violation.column.clone().unwrap_or_default(),
        violation.row.map(|row| row.to_string()).unwrap_or_default(),
        violation.rows.to_string(),
        violation.message.clone(),
    ]
}

fn headline(checked: &Checked, file: &str) -> String {
    let rows = match checked.rows {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    };
    match checked.violations.len() {
        0 => format!("✓ {file}: FOCUS {}, {rows}, nothing is wrong with it", checked.version),
        1 => format!("✗ {file}: FOCUS {}, {rows}, 1 mistake", checked.version),
        count => format!("✗ {file}: FOCUS {}, {rows}, {count} mistakes", checked.version),
    }
}

fn json(checked: &Checked) -> serde_json::Value {
    let violation = |violation: &Violation| {
        serde_json::json!({
            "rule": violation.rule.name(),
            "column": violation.column,
            "row": violation.row,
            "rows": violation.rows,
            "message": violation.message,
        })
    };
    serde_json::json!({
        "v": 1,
        "focus_version": checked.version.name(),
        "rows": checked.rows,
        "violations": checked.violations.iter().map(violation).collect::<Vec<_>>(),
    })
}

/// A file that cannot be read is bad input.
fn unreadable(error: ExportError) -> Trouble {
    Trouble::of(&error).exit(Exit::Usage)
}
