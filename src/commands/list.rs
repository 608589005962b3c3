//! `runbook list`: which runbooks there are.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::Session;
use crate::arguments::{ListArguments, TableFormat};
use crate::exit::Exit;
use crate::library::{is_runbook_name, shipped_files};
use crate::trouble::Trouble;
use crate::view;

/// A runbook in the list.
#[derive(Debug, Serialize)]
struct Row {
    /// What to type.
    runbook: String,
    /// `shipped`, or the folder.
    from: String,
    /// The name that the file declares.
    name: String,
    /// What it does.
    description: String,
}

/// What the list reads of a file.
#[derive(serde::Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: String,
    name: String,
    #[serde(default)]
    description: String,
}

/// Lists runbooks.
pub(crate) fn list(session: &Session, arguments: &ListArguments) -> Result<Exit, Trouble> {
    let mut rows = in_folder(session, &arguments.folder)?;
    for (name, bytes) in shipped_files() {
        let text = String::from_utf8_lossy(bytes);
        if let Some(head) = head(&name, &text) {
            rows.push(Row {
                runbook: name,
                from: "shipped".to_owned(),
                name: head.name,
                description: head.description,
            });
        }
    }
    if arguments.output == TableFormat::Json {
        session.printer.out(&view::json::pretty(&json!({"v": 1, "runbooks": rows})));
        return Ok(Exit::Done);
    }
    let cells: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.runbook, row.from, view::words::one_line(&row.description)])
        .collect();
    session.tabular(&["RUNBOOK", "FROM", "WHAT IT DOES"], &cells, arguments.output)?;
    Ok(Exit::Done)
}

fn in_folder(session: &Session, folder: &Path) -> Result<Vec<Row>, Trouble> {
    let path = session.environment.working_directory.join(folder);
    let entries = std::fs::read_dir(&path).map_err(|error| {
        Trouble::usage(format!("failed to list `{}`: {error}", folder.display()))
    })?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_runbook_name(name))
        .collect();
    names.sort();
    Ok(names
        .into_iter()
        .filter_map(|name| {
            // A file that cannot be read is no runbook that could be run; `check` says why.
            let text = std::fs::read_to_string(path.join(&name)).ok()?;
            let head = head(&name, &text)?;
            Some(Row {
                runbook: folder
                    .join(&name)
                    .display()
                    .to_string()
                    .trim_start_matches("./")
                    .to_owned(),
                from: folder.display().to_string(),
                name: head.name,
                description: head.description,
            })
        })
        .collect())
}

fn head(name: &str, text: &str) -> Option<Head> {
    if !is_runbook_name(name) {
        return None;
    }
    let head: Head = serde_saphyr::from_str(text).ok()?;
    (head.api_version == "runbook/v1").then_some(head)
}
