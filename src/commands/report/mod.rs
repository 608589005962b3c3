//! `runbook report …`: verdicts for people who pay.
//!
//! The figures are made in `runbook-capacity`; here files are read, the verdict is drawn, and what is
//! missing becomes an exit code.

mod autoscalers;
mod compare;
mod focus_check;
mod plan;
mod reconcile;
mod seen;
mod showback;
mod text;

use std::path::Path;

use runbook_capacity::answer::schema;

use super::Session;
use super::capacity::{Problems, json, region};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::state::write_whole;
use crate::trouble::Trouble;

use runbook_capacity::region::{Region, UnknownRegion};

pub(crate) use autoscalers::AutoscalersArguments;
pub(crate) use compare::CompareArguments;
pub(crate) use focus_check::FocusCheckArguments;
pub(crate) use plan::PlanCostArguments;
pub(crate) use reconcile::ReconcileArguments;
pub(crate) use seen::of_target;
pub(crate) use showback::ShowbackArguments;

/// What is reported.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum ReportCommand {
    /// What the same pods cost on Fargate, on Karpenter's nodes, in a node group, under Auto Mode.
    Compare(Box<CompareArguments>),
    /// The Cluster Autoscaler beside Karpenter on one trace of pods: a model.
    Autoscalers(Box<AutoscalersArguments>),
    /// Who pays: what each team, namespace or label cost, from collected samples.
    Showback(Box<ShowbackArguments>),
    /// What a stored plan adds to the month.
    Plan(Box<PlanCostArguments>),
    /// Whether that agrees with what AWS bills, class by class, and why it does not.
    Reconcile(Box<ReconcileArguments>),
    /// What is wrong with a FOCUS file: columns, values, periods, and that parts add up.
    FocusCheck(FocusCheckArguments),
    /// The JSON Schema of an answer.
    Schema {
        /// Of which command.
        #[arg(value_enum)]
        answer: Answer,
    },
}

/// An answer that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Answer {
    /// Of `report compare`.
    Compare,
    /// Of `report autoscalers`.
    Autoscalers,
    /// Of `report showback`.
    Showback,
    /// Of `report reconcile`.
    Reconcile,
}

/// Answers a question about money.
pub(crate) fn run(session: &Session, command: ReportCommand) -> Result<Exit, Trouble> {
    match command {
        ReportCommand::Compare(arguments) => compare::run(session, &arguments),
        ReportCommand::Autoscalers(arguments) => autoscalers::run(session, &arguments),
        ReportCommand::Showback(arguments) => showback::run(session, &arguments),
        ReportCommand::Plan(arguments) => plan::run(session, &arguments),
        ReportCommand::Reconcile(arguments) => reconcile::run(session, &arguments),
        ReportCommand::FocusCheck(arguments) => focus_check::run(session, &arguments),
        ReportCommand::Schema { answer } => {
            let (title, shape) = match answer {
                Answer::Compare => compare::schema(),
                Answer::Autoscalers => autoscalers::schema(),
                Answer::Showback => showback::schema(),
                Answer::Reconcile => reconcile::schema(),
            };
            Ok(json(&session.printer, &schema::schema(title, shape), Exit::Done))
        }
    }
}

/// Prints an answer, or writes it to a file and says so in a line.
fn deliver(
    session: &Session,
    text: &str,
    out: Option<&Path>,
    headline: &str,
) -> Result<(), Trouble> {
    let Some(out) = out.filter(|out| out.as_os_str() != "-") else {
        session.printer.raw(format!("{}\n", text.trim_end()).as_bytes());
        return Ok(());
    };
    write_whole(&session.environment.working_directory.join(out), text.as_bytes())?;
    session.printer.out(&format!("{headline}\nin {}", out.display()));
    Ok(())
}

/// The region whose prices count.
fn priced_region(
    named: Option<&str>,
    environment: &Environment,
    otherwise: Option<&str>,
) -> Result<Region, Problems> {
    let named = region(named, environment)
        .map_err(|why| vec![why])?
        .or_else(|| otherwise.map(str::to_owned))
        .ok_or_else(|| {
            vec!["which region's prices? give --region, such as --region ap-northeast-2".to_owned()]
        })?;
    named.parse().map_err(|error: UnknownRegion| vec![error.to_string()])
}
