//! `runbook completions`: a script for the shell, generated from the command line itself.

use clap::CommandFactory as _;

use super::Session;
use crate::arguments::{CommandLine, CompletionsArguments};
use crate::exit::Exit;
use crate::trouble::Trouble;

/// Prints a completion script.
pub(crate) fn completions(
    session: &Session,
    arguments: &CompletionsArguments,
) -> Result<Exit, Trouble> {
    let mut script = Vec::new();
    let mut command = CommandLine::command();
    clap_complete::generate(arguments.shell, &mut command, "runbook", &mut script);
    session.printer.raw(&script);
    Ok(Exit::Done)
}
