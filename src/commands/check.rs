//! `runbook check`: is the text right? Nothing is looked at, nothing is run.

use serde_json::json;

use super::Session;
use super::compiled::{compiled, given};
use crate::arguments::{CheckArguments, DataFormat};
use crate::exit::Exit;
use crate::library::{Origin, find};
use crate::style::Meaning;
use crate::trouble::Trouble;
use crate::view;
use crate::view::words;

/// Checks a runbook.
pub(crate) fn check(session: &Session, arguments: &CheckArguments) -> Result<Exit, Trouble> {
    match arguments.output {
        DataFormat::Text => text(session, arguments),
        DataFormat::Json => as_json(session, arguments),
    }
}

fn text(session: &Session, arguments: &CheckArguments) -> Result<Exit, Trouble> {
    let compiled = compiled(session, &arguments.runbook)?;
    super::compiled::warn(session, &compiled.graph, &compiled.warnings);
    let style = &session.printer.out;
    let files = compiled.graph.sources.iter().count();
    let schedules = match compiled.graph.schedules.len() {
        0 => String::new(),
        some => format!(", {}", words::count(some, "schedule")),
    };
    let origin = match compiled.origin {
        Origin::Shipped => " (the shipped one)",
        Origin::File(_) => "",
    };
    session.printer.out(&format!(
        "{} {}{origin}: {} in {}{schedules}, no problems",
        style.paint(Meaning::Good, "✓"),
        arguments.runbook.runbook,
        words::count(compiled.graph.vertices.len(), "task"),
        words::count(files, "file"),
    ));
    Ok(Exit::Done)
}

/// The problems with their places, for editors and pipelines.
fn as_json(session: &Session, arguments: &CheckArguments) -> Result<Exit, Trouble> {
    let found = find(&arguments.runbook.runbook, &session.environment.working_directory)
        .map_err(|error| Trouble::usage(error.message).hint(error.hint))?;
    let given = given(session, &arguments.runbook.inputs)?;
    let input = runbook_core::graph::CompileInput {
        root: found.root,
        loader: &found.library,
        registry: &session.registry,
        given: &given,
    };
    let (problems, sources, exit) = match runbook_core::graph::compile(&input) {
        Ok((graph, warnings)) => (warnings, graph.sources, Exit::Done),
        Err(refused) => (refused.problems, refused.sources, Exit::Usage),
    };
    let rows: Vec<_> = problems
        .iter()
        .map(|problem| {
            let place = problem.primary.as_ref().and_then(|label| {
                let file = sources.get(label.span.file)?;
                let (line, column) = sources.position(label.span.file, label.span.start)?;
                Some(
                    json!({"file": file.name, "line": line, "column": column, "label": label.text}),
                )
            });
            json!({
                "code": problem.code, "severity": problem.severity, "message": problem.message,
                "place": place, "help": problem.help,
            })
        })
        .collect();
    session.printer.out(&view::json::pretty(&json!({"v": 1, "problems": rows})));
    Ok(exit)
}
