//! The commands: each says what it does on its own page; this one hands out the work.

mod apply;
pub(crate) mod capacity;
mod carry_out;
mod check;
pub(crate) mod collect;
mod compiled;
mod completions;
pub(crate) mod cost;
mod eks_token;
mod explain;
mod graph;
mod init;
mod list;
mod plan;
mod planned;
pub(crate) mod refresh;
pub(crate) mod report;
mod resume;
mod run;
mod runs;
mod sandbox;
pub(crate) mod schedule;
mod schema;
pub(crate) mod serve;

use std::sync::Arc;

use runbook_core::registry::Registry;
use runbook_modules::Machine;

use capacity::PricesCommand;

use crate::arguments::{Command, CommandLine, TableFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::price_lists::PriceLists;
use crate::printer::Printer;
use crate::state::StateFolder;
use crate::target::{On, Target};
use crate::trouble::Trouble;
use crate::view;

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

impl Session {
    /// The price lists for questions about a target.
    pub(crate) fn price_lists(&self, on: On) -> PriceLists {
        PriceLists::on(on, &self.state, &self.environment)
    }

    /// Says where it works, as the first line of the output.
    pub(crate) fn greet(&self, target: &Target) {
        self.printer.out(&view::words::prose(&target.banner, &self.printer.out));
    }

    /// Prints rows as a table or as CSV; JSON is each command's own.
    pub(crate) fn tabular(
        &self,
        columns: &[&str],
        rows: &[Vec<String>],
        format: TableFormat,
    ) -> Result<(), Trouble> {
        if format == TableFormat::Csv {
            let text = view::table::csv(columns, rows).map_err(|error| Trouble::of(&error))?;
            self.printer.raw(text.as_bytes());
        } else {
            self.printer.out(&view::table::render(columns, rows, &self.printer.out));
        }
        Ok(())
    }
}

/// Does what the command line says.
pub(crate) fn run(line: CommandLine, environment: Environment, printer: Arc<Printer>) -> Exit {
    let state = StateFolder::find(line.state_dir.as_deref(), &environment);
    let machine = machine(&environment);
    let registry = crate::surroundings::registry(&machine, &state, &environment);
    let session = Session { environment, printer: printer.clone(), state, registry };
    match dispatch(&session, line.command) {
        Ok(exit) => match printer.failure() {
            None => exit,
            Some(why) => {
                let trouble = Trouble::failed(format!("failed to write to stdout: {why}"));
                printer.note(&trouble.render(&printer.err));
                Exit::Failed
            }
        },
        Err(trouble) => {
            if !trouble.told {
                printer.note(&trouble.render(&printer.err));
            }
            trouble.exit
        }
    }
}

/// What commands of `shell` tasks get of this machine.
fn machine(environment: &Environment) -> Machine {
    let usual = Machine::default();
    Machine {
        path: environment.get("PATH").map_or(usual.path, str::to_owned),
        home: environment.get("HOME").map(std::path::PathBuf::from),
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
        Command::Capacity(command) => Ok(capacity::run(session, command)),
        Command::Report(command) => report::run(session, command),
        Command::Collect(arguments) => block_on(collect::run(session, &arguments)),
        Command::Prices(PricesCommand::Show(arguments)) => Ok(capacity::show(session, &arguments)),
        Command::Prices(PricesCommand::Refresh(arguments)) => {
            block_on(refresh::run(session, &arguments))
        }
        Command::Schedule(command) => schedule::run(session, command),
        Command::Serve(arguments) => block_on(serve::serve(session, &arguments)),
        Command::Sandbox(command) => sandbox::sandbox(session, command),
        Command::EksToken(arguments) => block_on(eks_token::eks_token(session, &arguments)),
        Command::SandboxHelm(arguments) => block_on(sandbox::helm(session, arguments.arguments)),
    }
}

/// So many commands may run at once as `--parallelism` allows, each with a thread; files are read on such
/// threads, too. None is there before it is needed.
const MOST_THREADS: usize = 2 * 1024;

/// Runs what needs a runtime; only these commands pay for one.
fn block_on<T, F>(work: F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(MOST_THREADS)
        .build()
        .map_err(|error| Trouble::failed(format!("failed to start: {error}")))?;
    let outcome = runtime.block_on(work);
    // What still runs (a read that nobody waits for) does not keep the program.
    runtime.shutdown_background();
    outcome
}
