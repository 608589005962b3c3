//! The `runbook` command: flags in, words out.

mod environment;
mod exit;
mod printer;
mod style;
mod view;

use std::process::ExitCode;

use environment::Environment;
use exit::Exit;
use printer::Printer;

fn main() -> ExitCode {
    let environment = Environment::read();
    let printer = Printer::new(&environment);
    printer.note("not yet");
    Exit::Failed.into()
}
