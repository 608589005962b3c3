//! `runbook resume`: carries on with a run that was stopped, and repeats nothing that happened.

use std::sync::Arc;

use runbook_core::event::{Body, Outcome};
use runbook_core::execute::resume::prepare;
use runbook_core::journal::{RunSummary, Store};

use super::Session;
use super::apply::{graph_of, target_of};
use super::carry_out::{Work, carry_out, journal};
use crate::arguments::{EventFormat, ResumeArguments};
use crate::exit::Exit;
use crate::target::clock::real_now;
use crate::trouble::Trouble;

/// Resumes a run.
pub(crate) async fn resume(
    session: &Session,
    arguments: &ResumeArguments,
) -> Result<Exit, Trouble> {
    let began = real_now();
    let (run, plan, resumed) = {
        let journal = journal(session)?;
        let chosen = chosen(session, journal.as_ref(), arguments.run.as_deref())?;
        let Some(run) = chosen else { return Ok(Exit::Done) };
        let (plan, resumed) =
            prepare(journal.as_ref(), &run).map_err(|error| Trouble::of(&error))?;
        (run, plan, resumed)
    };
    let secret_key = session.state.secret_key()?;
    let (graph, _) = graph_of(session, &plan, &arguments.inputs, &secret_key)?;
    let target = target_of(session, &plan, &arguments.sandbox).await?;
    if arguments.apply.output == EventFormat::Text {
        session.greet(&target);
        session.printer.out(&format!("run {run} of {} carries on", plan.owner));
    }
    let work = Work {
        target: &target,
        graph,
        plan: Arc::new(plan),
        run,
        resumed: Some(resumed),
        secret_key,
        options: &arguments.apply,
        began,
    };
    let exit = carry_out(session, work).await;
    target.close().await;
    exit
}

/// The run that is meant; none when there is nothing to resume.
fn chosen(
    session: &Session,
    journal: &dyn Store,
    asked: Option<&str>,
) -> Result<Option<String>, Trouble> {
    let runs = journal.runs().map_err(|error| Trouble::of(&error))?;
    let Some(asked) = asked else {
        let open = runs.iter().find(|run| !ended_well(run));
        if open.is_none() {
            session.printer.out("there is no run that could be resumed: all ended well");
        }
        return Ok(open.map(|run| run.run.clone()));
    };
    let run = find_run(&runs, asked)?;
    if ended_well(run) {
        session.printer.out(&format!("run {} ended well; there is nothing to resume", run.run));
        return Ok(None);
    }
    Ok(Some(run.run.clone()))
}

/// The run of that name, or the only one whose name begins like that.
pub(crate) fn find_run<'a>(runs: &'a [RunSummary], asked: &str) -> Result<&'a RunSummary, Trouble> {
    if let Some(run) = runs.iter().find(|run| run.run == asked) {
        return Ok(run);
    }
    let mut matching = runs.iter().filter(|run| run.run.starts_with(asked));
    match (matching.next(), matching.next()) {
        (Some(run), None) => Ok(run),
        (Some(one), Some(other)) => Err(Trouble::usage(format!(
            "several runs begin with `{asked}`: {}, {} …",
            one.run, other.run
        ))
        .hint("more letters")),
        (None, _) => {
            Err(Trouble::usage(format!("there is no run `{asked}`"))
                .hint("runbook runs lists them"))
        }
    }
}

fn ended_well(run: &RunSummary) -> bool {
    matches!(run.last.body, Body::RunFinished { outcome: Outcome::Succeeded, .. })
}
