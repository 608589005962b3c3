//! `runbook report …`: verdicts for people who pay.
//!
//! The figures are made in `runbook-capacity`; here files are read, the verdict is drawn, and what is
//! missing becomes an exit code.

mod compare;
mod text;

use super::Session;
use crate::exit::Exit;
use crate::trouble::Trouble;

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
pub(crate) fn run(session: &Session, command: ReportCommand) -> Result<Exit, Trouble> {
    match command {
        ReportCommand::Compare(arguments) => compare::run(session, &arguments),
        ReportCommand::Schema { answer } => Ok(compare::schema(answer, &session.printer)),
    }
}
