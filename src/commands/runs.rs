//! `runbook runs` and `runbook show`: what was done, from the journal.

use serde_json::json;

use super::Session;
use super::carry_out::journal;
use super::resume::find_run;
use crate::arguments::{DataFormat, RunsArguments, ShowArguments};
use crate::exit::Exit;
use crate::target::clock::real_now;
use crate::trouble::Trouble;
use crate::view;

/// Lists runs.
pub(crate) fn runs(session: &Session, arguments: &RunsArguments) -> Result<Exit, Trouble> {
    let runs = if session.state.path.is_dir() {
        journal(session)?.runs().map_err(|error| Trouble::of(&error))?
    } else {
        Vec::new()
    };
    match arguments.output {
        DataFormat::Json => {
            let rows: Vec<_> = runs
                .iter()
                .map(|run| json!({"run": run.run, "first": run.first, "last": run.last}))
                .collect();
            session.printer.out(&view::json::pretty(&json!({"v": 1, "runs": rows})));
        }
        DataFormat::Text if runs.is_empty() => {
            session.printer.out(&format!("no runs yet in {}", session.state.shown));
        }
        DataFormat::Text => {
            session.printer.out(&view::runs::list(&runs, real_now(), &session.printer.out));
        }
    }
    Ok(Exit::Done)
}

/// Shows one run.
pub(crate) fn show(session: &Session, arguments: &ShowArguments) -> Result<Exit, Trouble> {
    let journal = journal(session)?;
    let runs = journal.runs().map_err(|error| Trouble::of(&error))?;
    let run = match &arguments.run {
        Some(asked) => find_run(&runs, asked)?,
        None => runs.first().ok_or_else(|| {
            Trouble::usage(format!("there is no run in {}", session.state.shown))
                .hint("runbook run nodeless.yaml")
        })?,
    };
    let mut events = journal.read(&run.run).map_err(|error| Trouble::of(&error))?;
    if let Some(task) = &arguments.task {
        if !events.iter().any(|event| event.address.as_deref() == Some(task)) {
            return Err(Trouble::usage(format!("the run {} has no task `{task}`", run.run))
                .hint(format!("runbook show {} names them", run.run)));
        }
        events.retain(|event| event.address.as_deref() == Some(task) || event.address.is_none());
    }
    match arguments.output {
        DataFormat::Json => {
            for event in &events {
                session.printer.out(&json!(event).to_string());
            }
        }
        DataFormat::Text => {
            let shown = view::runs::Show {
                task: arguments.task.as_deref(),
                requests: arguments.requests,
                noted: journal.noted(&run.run).map_err(|error| Trouble::of(&error))?,
            };
            session.printer.out(&view::runs::show(&events, shown, &session.printer.out));
        }
    }
    Ok(Exit::Done)
}
