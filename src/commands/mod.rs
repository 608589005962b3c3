//! The commands: each says what it does on its own page; this one hands out the work.

mod apply;
mod carry_out;
mod check;
mod compiled;
mod completions;
mod eks_token;
mod explain;
mod graph;
mod init;
mod list;
mod plan;
mod planned;
mod resume;
mod run;
mod runs;
mod sandbox;
mod schema;

use std::sync::Arc;

use runbook_core::registry::Registry;

use crate::arguments::{Command, CommandLine};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::state::StateFolder;
use crate::trouble::Trouble;

/// What every command has at hand.
pub(crate) struct Session {
    /// The environment.
    pub(crate) environment: Environment,
    /// Where words go.
    pub(crate) printer: Arc<Printer>,
    /// The state folder; made by whoever writes to it.
    pub(crate) state: StateFolder,
    /// The modules.
    pub(crate) registry: Registry,
}

/// Does what the command line says.
pub(crate) fn run(line: CommandLine, environment: Environment, printer: Arc<Printer>) -> Exit {
    let state = StateFolder::find(line.state_dir.as_deref(), &environment);
    let session = Session {
        environment,
        printer: printer.clone(),
        state,
        registry: runbook_modules::registry(),
    };
    match dispatch(&session, line.command) {
        Ok(exit) => exit,
        Err(trouble) => {
            if !trouble.told {
                printer.note(&trouble.render(&printer.err));
            }
            trouble.exit
        }
    }
}

fn dispatch(session: &Session, command: Command) -> Result<Exit, Trouble> {
    match command {
        Command::Check(arguments) => check::check(session, &arguments),
        Command::Graph(arguments) => graph::graph(session, &arguments),
        Command::List(arguments) => list::list(session, &arguments),
        Command::Init(arguments) => init::init(session, &arguments),
        Command::Explain(arguments) => explain::explain(session, &arguments),
        Command::Runs(arguments) => runs::runs(session, &arguments),
        Command::Show(arguments) => runs::show(session, &arguments),
        Command::Schema => schema::schema(session),
        Command::Completions(arguments) => completions::completions(session, &arguments),
        Command::Run(arguments) => block_on(run::run(session, &arguments)),
        Command::Plan(arguments) => block_on(plan::plan(session, &arguments)),
        Command::Apply(arguments) => block_on(apply::apply(session, &arguments)),
        Command::Resume(arguments) => block_on(resume::resume(session, &arguments)),
        Command::Sandbox(command) => sandbox::sandbox(session, command),
        Command::EksToken(arguments) => block_on(eks_token::eks_token(session, &arguments)),
        Command::SandboxHelm(arguments) => block_on(sandbox::helm(session, arguments.arguments)),
    }
}

/// Runs what needs a runtime; only these commands pay for one.
fn block_on<F>(work: F) -> Result<Exit, Trouble>
where
    F: Future<Output = Result<Exit, Trouble>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::failed(format!("failed to start: {error}")))?;
    let outcome = runtime.block_on(work);
    // What still runs (a read that nobody waits for) does not keep the program.
    runtime.shutdown_background();
    outcome
}
