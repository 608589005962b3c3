//! `runbook plan`: what would change, and nothing is written.

use std::sync::Arc;

use super::Session;
use super::compiled::compiled;
use super::cost::cost;
use super::planned::{Planning, planned, warn};
use crate::arguments::{PlanArguments, PlanFormat};
use crate::exit::Exit;
use crate::state::write_whole;
use crate::target::Target;
use crate::target::clock::real_now;
use crate::trouble::Trouble;
use crate::view;

/// Plans a runbook.
pub(crate) async fn plan(session: &Session, arguments: &PlanArguments) -> Result<Exit, Trouble> {
    let began = real_now();
    let compiled = compiled(session, &arguments.runbook)?;
    let text = arguments.output == PlanFormat::Text;
    let target = Target::open(
        arguments.target.on,
        &arguments.target.sandbox,
        &session.state,
        &session.environment,
        &session.printer,
    )
    .await?;
    session.state.create()?;
    if text {
        session.greet(&target);
        super::run::say_origin(session, &compiled);
    }
    warn(session, &compiled);
    let graph = Arc::new(compiled.graph);
    let key = session.state.secret_key()?;
    let planning = Planning {
        parallelism: arguments.parallelism,
        targets: &arguments.targets,
        bound_to: &[],
        slot: None,
    };
    let plan = planned(session, &target, &graph, &compiled.library, &key, &planning).await;
    let place = plan.as_ref().ok().map(|plan| target.place(plan, began));
    target.close().await;
    let plan = plan?;
    let usage = arguments.cost.usage(session, &plan)?;
    let cost = cost(session, &plan, &usage);
    match arguments.output {
        PlanFormat::Text => {
            if !plan.is_empty() || !plan.orphans.is_empty() {
                session.printer.out("");
                session.printer.out(&view::plan::render(
                    &plan,
                    cost.as_ref(),
                    &session.printer.out,
                ));
            }
            if let (true, Some(place)) = (plan.is_empty(), place) {
                session.printer.out(&view::summary::nothing_to_change(
                    &plan,
                    &place,
                    &session.printer.out,
                ));
            }
        }
        PlanFormat::Json => session.printer.out(&plan.store()),
        PlanFormat::Markdown => {
            session.printer.out(&view::plan::render_markdown(&plan, cost.as_ref()));
        }
    }
    if let Some(out) = &arguments.out {
        write_whole(&session.environment.working_directory.join(out), plan.store().as_bytes())?;
        let allow = if plan.tasks.iter().any(|task| task.kind.destroys()) {
            " --allow-destroy"
        } else {
            ""
        };
        session.printer.note(&format!(
            "plan {} stored\n  next: runbook apply {}{allow}",
            plan.name(),
            out.display()
        ));
    }
    if arguments.detailed_exitcode && !plan.is_empty() { Ok(Exit::Changes) } else { Ok(Exit::Done) }
}
