//! What a plan adds to the month, with the prices that are known for its target.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use std::path::Path;

use runbook_core::plan::Plan;
use runbook_tasks::plan_cost::{ExpectedUsage, PlanCost, plan_cost};

use super::Session;
use crate::price_lists::PriceLists;
use crate::target::On;
use crate::trouble::Trouble;

/// Where expected usage comes from, and whose prices apply.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CostArguments {
    /// How much of what is billed by use will be used: a YAML file (usage: {ADDRESS: {pod_hours: 40}})
    #[arg(long, value_name = "FILE")]
    pub(crate) expected_usage: Option<std::path::PathBuf>,
}

impl CostArguments {
    /// The usage that was written down for the tasks of a plan.
    pub(crate) fn usage(&self, session: &Session, plan: &Plan) -> Result<ExpectedUsage, Trouble> {
        match &self.expected_usage {
            Some(path) => read(session, path, plan),
            None => Ok(ExpectedUsage::default()),
        }
    }
}

fn read(session: &Session, path: &Path, plan: &Plan) -> Result<ExpectedUsage, Trouble> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(session.environment.working_directory.join(path))
        .map_err(|error| Trouble::usage(format!("failed to read `{shown}`: {error}")))?;
    let addresses = plan.tasks.iter().map(|task| task.address.as_str());
    ExpectedUsage::read(&shown, &text, addresses).map_err(|error| Trouble::usage(error.to_string()))
}

/// What the plan adds; none of a plan in which nothing is billed, and none that is not known.
pub(crate) fn cost(session: &Session, plan: &Plan, usage: &ExpectedUsage) -> Option<PlanCost> {
    if plan.tasks.iter().all(|task| task.billing.is_none()) {
        return None;
    }
    let on = if plan.target.on == On::Sandbox.name() { On::Sandbox } else { On::Aws };
    // A list of prices that is damaged spoils a report, which says so; a plan has words for it.
    let lists = PriceLists::on(on, &session.state, &session.environment);
    let book = match lists.book(None) {
        Ok(book) => book,
        Err(why) => {
            session.printer.note(&format!("the plan's cost is not known: {why}"));
            return None;
        }
    };
    match plan_cost(plan, &book, usage, None) {
        Ok(cost) => Some(cost),
        Err(error) => {
            session.printer.note(&format!("the plan's cost is not known: {error}"));
            None
        }
    }
}
