//! `runbook run`: plan, show, ask where it is real, apply, and say what came of it.

use std::sync::Arc;

use jiff::Timestamp;
use runbook_core::plan::Plan;
use serde_json::json;

use super::Session;
use super::carry_out::{Work, carry_out};
use super::compiled::{Compiled, compiled};
use super::cost::cost;
use super::planned::{Planning, planned, warn};
use crate::arguments::{ApplyOptions, EventFormat, RunArguments};
use crate::exit::Exit;
use crate::library::Origin;
use crate::state::run_name;
use crate::target::clock::real_now;
use crate::target::{On, Target};
use crate::trouble::Trouble;
use crate::view;

/// Says which runbook it is, when that is not plain from what was typed.
pub(crate) fn say_origin(session: &Session, compiled: &Compiled) {
    if compiled.origin == Origin::Shipped {
        session
            .printer
            .out(&format!("{}: the shipped one (runbook init DIR to edit it)", compiled.name));
    }
}

/// Plans and applies a runbook.
pub(crate) async fn run(session: &Session, arguments: &RunArguments) -> Result<Exit, Trouble> {
    let began = real_now();
    let compiled = compiled(session, &arguments.runbook)?;
    let target = Target::open(
        arguments.target.on,
        &arguments.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    let exit = on_target(session, arguments, compiled, &target, began).await;
    target.close().await;
    exit
}

async fn on_target(
    session: &Session,
    arguments: &RunArguments,
    compiled: Compiled,
    target: &Target,
    began: Timestamp,
) -> Result<Exit, Trouble> {
    session.state.create()?;
    let text = arguments.apply.output == EventFormat::Text;
    if text {
        session.greet(target);
        say_origin(session, &compiled);
    }
    warn(session, &compiled);
    let graph = Arc::new(compiled.graph);
    let secret_key = session.state.secret_key()?;
    let planning = Planning {
        parallelism: arguments.apply.parallelism,
        targets: &arguments.targets,
        bound_to: &[],
        slot: None,
    };
    let plan = planned(session, target, &graph, &compiled.library, &secret_key, &planning).await?;
    if plan.is_empty() {
        say_nothing(session, &plan, target, began, text);
        return Ok(Exit::Done);
    }
    if text {
        session.printer.out("");
        let cost = cost(session, &plan, &arguments.cost.usage(session, &plan)?);
        session.printer.out(&view::plan::render(&plan, cost.as_ref(), &session.printer.out));
    }
    let asks = target.on == On::Aws && !arguments.yes;
    if let Some(exit) = approve(session, &plan, asks, &arguments.apply)? {
        return Ok(exit);
    }
    let work = Work {
        target,
        graph,
        plan: Arc::new(plan),
        run: run_name()?,
        resumed: None,
        secret_key,
        options: &arguments.apply,
        began,
    };
    carry_out(session, work).await
}

/// One line when there is nothing to do.
fn say_nothing(session: &Session, plan: &Plan, target: &Target, began: Timestamp, text: bool) {
    if !text {
        session.printer.out(
            &json!({
                "v": 1, "event": "nothing_to_change", "owner": plan.owner, "target": target.on.name(),
                "tasks": plan.tasks.len(), "time": real_now(), "world_time": plan.world_time,
            })
            .to_string(),
        );
        return;
    }
    if !plan.orphans.is_empty() {
        session.printer.out(&view::plan::render(plan, None, &session.printer.out));
    }
    let style = &session.printer.out;
    let place = target.place(plan, began);
    session.printer.out(&view::summary::nothing_to_change(plan, &place, style));
}

/// Whether the plan may be applied; the exit code when not. The plan is stored then, with the
/// command that applies it.
pub(crate) fn approve(
    session: &Session,
    plan: &Plan,
    asks: bool,
    options: &ApplyOptions,
) -> Result<Option<Exit>, Trouble> {
    let destroys = plan.tasks.iter().filter(|task| task.kind.destroys()).count();
    if destroys > 0 && !options.allow_destroy {
        let what = format!(
            "{} would delete or replace what is there; that wants `--allow-destroy`",
            view::words::count(destroys, "change")
        );
        return paused(session, plan, &what, true).map(Some);
    }
    if !asks {
        return Ok(None);
    }
    if session.environment.stdin_is_terminal && session.environment.stderr_is_terminal {
        if ask(session, plan) {
            return Ok(None);
        }
        return paused(session, plan, "not applied", options.allow_destroy).map(Some);
    }
    let what = "this target is real, there is no terminal to ask on, and no `--yes`";
    paused(session, plan, what, destroys > 0).map(Some)
}

/// Stores a plan that a person has to apply, and says why and how.
pub(crate) fn paused(
    session: &Session,
    plan: &Plan,
    why: &str,
    allow_destroy: bool,
) -> Result<Exit, Trouble> {
    let path = session.state.store_plan(&plan.name(), &plan.store())?;
    let allow = if allow_destroy { " --allow-destroy" } else { "" };
    session.printer.note(&format!(
        "{why}\nnothing was written; plan {} is stored\n  → runbook apply {path}{allow}",
        plan.name()
    ));
    Ok(Exit::Paused)
}

fn ask(session: &Session, plan: &Plan) -> bool {
    session.printer.note(&format!(
        "apply this to {}? Only `yes` applies it",
        plan.target.connections.join(", ")
    ));
    let mut answer = String::new();
    // No answer is no.
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
