//! `runbook report …`: verdicts for people who pay.
//!
//! The figures are made in `runbook-capacity`; here files are read, the verdict is drawn, and what is
//! missing becomes an exit code.

mod compare;
mod text;

use crate::environment::Environment;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) use compare::CompareArguments;

/// What is reported.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum ReportCommand {
    /// What the same pods cost on Fargate, on Karpenter's nodes, in a node group, under Auto Mode.
    Compare(CompareArguments),
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
}

/// Answers a question about money.
pub(crate) fn run(command: ReportCommand, environment: &Environment, printer: &Printer) -> Exit {
    match command {
        ReportCommand::Compare(arguments) => compare::run(&arguments, environment, printer),
        ReportCommand::Schema { answer } => compare::schema(answer, printer),
    }
}
