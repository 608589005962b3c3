//! The `runbook` command: flags in, words out.
//!
//! | file | what it is |
//! |---|---|
//! | `arguments` | the command line |
//! | `commands` | one file per command |
//! | `target` | what stands behind the connections: the sandbox, or AWS; clocks |
//! | `library` | where runbooks come from: files, the binary, a stored plan |
//! | `view` | what people see: pure functions from the engine's values to text |
//! | `surroundings` | what the report tasks are told of this command |
//! | `state`, `environment`, `printer`, `style`, `exit`, `trouble` | the surroundings, each in one place |

mod arguments;
mod commands;
mod environment;
mod exit;
mod library;
mod price_lists;
mod printer;
mod state;
mod style;
mod surroundings;
mod target;
mod trouble;
mod view;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use clap::error::ErrorKind;

use environment::Environment;
use exit::Exit;
use printer::Printer;
pub(crate) use trouble::failure_text;

/// Plans, graphs and journals are many small values; with this allocator a plan takes a third less
/// CPU than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = Environment::read();
    let printer = Arc::new(Printer::new(&environment));
    match arguments::CommandLine::try_parse() {
        Ok(line) => commands::run(line, environment, printer).into(),
        Err(error) => misunderstood(&error, &printer).into(),
    }
}

/// Help and version are what was asked for; everything else is a wrong command line, which is not
/// clap's own 2: that means "there are changes".
fn misunderstood(error: &clap::Error, printer: &Printer) -> Exit {
    let styled = |colour: bool| {
        if colour { error.render().ansi().to_string() } else { error.render().to_string() }
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.out(&styled(printer.out.colour));
            Exit::Done
        }
        _ => {
            printer.note(&styled(printer.err.colour));
            Exit::Usage
        }
    }
}
