//! The command line, as a person types it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::capacity::{CapacityCommand, PricesCommand};
use crate::commands::collect::CollectArguments;
use crate::commands::cost::CostArguments;
use crate::commands::report::ReportCommand;
use crate::commands::schedule::ScheduleCommand;
use crate::commands::serve::ServeArguments;
use crate::target::{On, SandboxOptions};

/// Below the list of commands: where to begin, and how the program ends.
const AFTER_HELP: &str = "\
Begin with:
  runbook run nodeless.yaml             the whole job, on a simulated AWS account
  runbook plan nodeless.yaml --on aws   what it would do to your account; it only reads

Exit codes: 0 done, 1 failed, 2 there are changes (plan --detailed-exitcode), 3 the plan is stale,
4 waits for you, 6 and 7 capacity (not placed, no price), 8 not reconciled,
64 wrong command line or file, 130 and 143 cancelled";

/// Runs runbooks: see what will change, what it takes, and rehearse it, before anything real is
/// touched
#[derive(Debug, Parser)]
#[command(
    name = "runbook",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
pub(crate) struct CommandLine {
    /// The folder of runs and of the sandbox's world
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global",
        help = "The folder of runs and of the sandbox's world [default: the nearest .runbook above, else ./.runbook] [env: RUNBOOK_STATE]"
    )]
    pub(crate) state_dir: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plan a runbook and apply it; on AWS it asks in between
    Run(RunArguments),
    /// Show what a runbook would change; sends no write
    Plan(PlanArguments),
    /// Apply a stored plan, if what it relied on has not moved
    Apply(ApplyArguments),
    /// Carry on with a run that was stopped or has failed; nothing is done twice
    Resume(ResumeArguments),
    /// Check the text of a runbook and its parts: all problems at once, no account is asked
    Check(CheckArguments),
    /// Draw a runbook's tasks and what waits for what
    Graph(GraphArguments),
    /// List runs, newest first
    Runs(RunsArguments),
    /// Show what a run did, task by task
    Show(ShowArguments),
    /// List runbooks: the shipped ones and those of a folder
    List(ListArguments),
    /// Write the shipped runbooks into a folder, to be edited
    Init(InitArguments),
    /// What is scheduled: list it, preview its slots, run one, hand it to others' programs
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Run what is scheduled, with nobody there, until it is told to stop
    Serve(ServeArguments),
    /// The simulated AWS account: serve it to other clients, look into it, forget it
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// What pods cost on Fargate, and on which nodes Karpenter would put them
    #[command(subcommand)]
    Capacity(CapacityCommand),
    /// Reports: what the same pods cost in each way of running them
    #[command(subcommand)]
    Report(ReportCommand),
    /// Look at a cluster again and again, or once, and keep what was seen for reports
    Collect(CollectArguments),
    /// Prices, with their source and date
    #[command(subcommand)]
    Prices(PricesCommand),
    /// Say what a problem's code means, such as RB0107
    Explain(ExplainArguments),
    /// Print the JSON Schema of runbooks, for editors
    Schema,
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Print a token for an EKS cluster, as kubectl and helm ask for it
    EksToken(EksTokenArguments),
    /// The sandbox's helm
    #[command(hide = true, disable_help_flag = true, disable_version_flag = true)]
    SandboxHelm(SandboxHelmArguments),
}

/// A runbook and its inputs.
#[derive(Debug, Args)]
pub(crate) struct RunbookArguments {
    /// A runbook: a path, or the name of a shipped one (runbook list)
    #[arg(value_name = "RUNBOOK")]
    pub(crate) runbook: String,
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
}

/// Given inputs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InputArguments {
    /// A value for an input of the runbook; `name=@file` reads it from a file; may be repeated
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// A YAML file of inputs; may be repeated, the last one wins, and `-i` wins over all
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,
}

/// Where it works.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArguments {
    /// Which world the tasks look at and change
    #[arg(long, value_enum, default_value = "sandbox", value_name = "TARGET")]
    pub(crate) on: On,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
}

/// How a plan is applied.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyOptions {
    /// Allow changes that delete or replace something; without it such a plan is only stored
    #[arg(long)]
    pub(crate) allow_destroy: bool,
    /// How many tasks look or write at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) parallelism: u16,
    /// Start nothing new after the first failure; else only what needs the failed task stops
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Show no progress, only what came of it
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Form of the output: `json` is one event per line
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: EventFormat,
}

/// `runbook run`
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) runbook: RunbookArguments,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) apply: ApplyOptions,
    /// Apply on AWS without asking; what deletes or replaces wants `--allow-destroy` as well
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Only this task, by its address (karpenter/queue), and what it needs; may be repeated
    #[arg(long = "target", value_name = "ADDRESS")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) cost: CostArguments,
}

/// `runbook plan`
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) runbook: RunbookArguments,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Only this task, by its address (karpenter/queue), and what it needs; may be repeated
    #[arg(long = "target", value_name = "ADDRESS")]
    pub(crate) targets: Vec<String>,
    /// Store the plan in a file, for `runbook apply`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 2 instead of 0 when there are changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// How many tasks look at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) parallelism: u16,
    #[command(flatten)]
    pub(crate) cost: CostArguments,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: PlanFormat,
}

/// `runbook apply`
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// A file that `runbook plan --out` wrote
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Sensitive inputs, which a plan does not hold
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
    #[command(flatten)]
    pub(crate) apply: ApplyOptions,
}

/// `runbook resume`
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run, or the beginning of its name [default: the newest that has not ended well]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Sensitive inputs, which a journal does not hold
    #[command(flatten)]
    pub(crate) inputs: InputArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxOptions,
    #[command(flatten)]
    pub(crate) apply: ApplyOptions,
}

/// `runbook check`
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) runbook: RunbookArguments,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}

/// `runbook graph`
#[derive(Debug, Args)]
pub(crate) struct GraphArguments {
    #[command(flatten)]
    pub(crate) runbook: RunbookArguments,
    /// Say why each edge exists: which expression, or which `needs`
    #[arg(long)]
    pub(crate) why: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "mermaid", value_name = "FORMAT")]
    pub(crate) output: GraphFormat,
}

/// `runbook runs`
#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}

/// `runbook show`
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The run, or the beginning of its name [default: the newest]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only this task
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) task: Option<String>,
    /// Show the requests that were sent, too
    #[arg(long)]
    pub(crate) requests: bool,
    /// Form of the output: `json` is the run's events, one per line
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}

/// `runbook list`
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// A folder with runbooks
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TableFormat,
}

/// `runbook init`
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The folder; made when it is not there
    #[arg(value_name = "DIR", default_value = "runbooks")]
    pub(crate) folder: PathBuf,
    /// Overwrite files that differ from the shipped ones
    #[arg(long)]
    pub(crate) force: bool,
}

/// `runbook explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A code, for example RB0107; without one, all are listed
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// `runbook completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `runbook eks-token`
#[derive(Debug, Args)]
pub(crate) struct EksTokenArguments {
    /// The cluster's name
    #[arg(long)]
    pub(crate) cluster: String,
    /// Its region [default: the environment's]
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// A role to take on
    #[arg(long)]
    pub(crate) role_arn: Option<String>,
}

/// `runbook sandbox-helm`
#[derive(Debug, Args)]
pub(crate) struct SandboxHelmArguments {
    /// Helm's own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// `runbook sandbox …`
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Serve the world for other clients, until Ctrl-C
    Up {
        /// World seconds per real second, for clients other than runbook's own runs
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        speed: u32,
        #[command(flatten)]
        options: SandboxOptions,
    },
    /// Print the environment that points other clients at a served world: `eval "$(runbook sandbox env)"`
    Env,
    /// Forget the world: the next command begins with a new one
    Reset,
    /// List the requests that the simulated account and cluster have answered
    Log {
        /// Only requests that could change something
        #[arg(long)]
        writes: bool,
        /// Only requests of this run
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Form of the output: `json` is one request per line
        #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
        output: TableFormat,
    },
    /// Write the simulated bill: a cost and usage report (CUR 2.0), FOCUS 1.2, or sums
    Bill {
        /// A month (2026-10), a day (2026-10-07), or days without the last (2026-10-01..2026-10-08)
        #[arg(long, value_name = "WINDOW")]
        window: runbook_sandbox::BillWindow,
        /// Form of the bill
        #[arg(long, value_name = "FORMAT", default_value = "summary", value_parser = ["cur", "focus", "summary"])]
        format: String,
        /// Where it goes, packed if the name ends in .gz; standard output if absent
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Bill by this YAML file from now on, the past included: discounts, prices, lost days,
        /// credits, tax, delay, as the scenario's `billing:` has them
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
    },
    /// Let world time pass: time goes on while no other client of the clock works
    Advance {
        /// Until then, 2026-11-01T00:00:00Z
        #[arg(long, value_name = "WORLD_TIME")]
        until: jiff::Timestamp,
    },
    /// List what is simulated, and what is refused
    Coverage {
        /// Form of the output
        #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
        output: TableFormat,
    },
}

/// Text or events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventFormat {
    /// For people
    #[value(alias = "table")]
    Text,
    /// One event per line
    Json,
}

/// Text or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// For people
    #[value(alias = "table")]
    Text,
    /// For programs
    Json,
}

/// Text, JSON or CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For people
    #[value(alias = "table")]
    Text,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

/// Forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    #[value(alias = "table")]
    Text,
    /// The plan itself, as `apply` reads it
    Json,
    /// For a pull request
    Markdown,
}

/// Forms of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Mermaid
    Mermaid,
    /// Graphviz
    Dot,
    /// Indented text
    #[value(alias = "table")]
    Text,
    /// Tasks and edges
    Json,
}
