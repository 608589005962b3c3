//! `runbook capacity …` and `runbook prices …`: what pods cost on Fargate, what Karpenter would launch
//! for them, what a node offers, and what is known about prices.
//!
//! The answers and their CSV and JSON are made in `runbook-capacity`; here files are read, a table
//! for people is drawn, and what is missing becomes an exit code.

mod allocatable;
mod consolidate;
mod fargate;
pub(super) mod files;
mod node;
mod pack;
mod prices;
pub(super) mod table;

use jiff::civil::Date;
use runbook_capacity::answer::consolidation::CONSOLIDATION;
use runbook_capacity::answer::{Completeness, PriceAge, schema, written};
use runbook_capacity::manifest::{InventoryHead, NodePool, read_node_pools};
use serde::Serialize;

use super::Session;
use super::refresh::RefreshArguments;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::printer::{Printer, harmless};
use crate::style::{Meaning, Style};
use crate::target::On;

pub(crate) use allocatable::AllocatableArguments;
pub(crate) use consolidate::ConsolidateArguments;
pub(crate) use fargate::FargateArguments;
pub(super) use fargate::{pods, some};
pub(crate) use pack::PackArguments;
pub(crate) use prices::ShowArguments;

/// What pods need and nodes offer.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum CapacityCommand {
    /// What Karpenter would launch for these pods, and what that costs.
    Pack(Box<PackArguments>),
    /// The size and price Fargate gives each pod, and why.
    Fargate(FargateArguments),
    /// What a node of a type offers to pods, and the arithmetic.
    Allocatable(Box<AllocatableArguments>),
    /// What Karpenter would take away or replace of the nodes that are there, and why not more.
    Consolidate(Box<ConsolidateArguments>),
    /// The JSON Schema of an answer.
    Schema {
        /// Of which command.
        #[arg(value_enum)]
        answer: Answer,
    },
}

/// What is known about prices.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum PricesCommand {
    /// Prices of instance types or services, with source and day.
    Show(ShowArguments),
    /// Ask the Price List for the prices of a region, and use them from then on.
    Refresh(RefreshArguments),
}

/// An answer that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Answer {
    /// Of `capacity pack`.
    Pack,
    /// Of `capacity fargate`.
    Fargate,
    /// Of `capacity allocatable`.
    Allocatable,
    /// Of `capacity consolidate`.
    Consolidate,
    /// Of `prices show`.
    Prices,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For spreadsheets.
    Csv,
    /// For programs; `runbook capacity schema` describes it.
    Json,
}

/// How prices are judged.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PriceArguments {
    /// Flag prices that are older than so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) max_price_age: i32,
}

/// The region of this program's examples, when nothing says which.
pub(super) const DEFAULT_REGION: &str = "ap-northeast-2";

/// What is wrong with what was given.
pub(crate) type Problems = Vec<String>;

/// Answers a question about capacity.
pub(crate) fn run(session: &Session, command: CapacityCommand) -> Exit {
    let (environment, printer) = (&session.environment, &*session.printer);
    match command {
        CapacityCommand::Pack(arguments) => pack::run(&arguments, session),
        CapacityCommand::Fargate(arguments) => {
            fargate::run(&arguments, &session.price_lists(On::Aws), environment, printer)
        }
        CapacityCommand::Allocatable(arguments) => {
            allocatable::run(&arguments, environment, printer)
        }
        CapacityCommand::Consolidate(arguments) => consolidate::run(&arguments, session),
        CapacityCommand::Schema { answer } => {
            let (title, shape) = match answer {
                Answer::Pack => ("runbook capacity pack", schema::PACK),
                Answer::Fargate => ("runbook capacity fargate", schema::FARGATE),
                Answer::Allocatable => ("runbook capacity allocatable", schema::ALLOCATABLE),
                Answer::Consolidate => ("runbook capacity consolidate", CONSOLIDATION),
                Answer::Prices => ("runbook prices show", schema::PRICES),
            };
            json(printer, &schema::schema(title, shape), Exit::Done)
        }
    }
}

/// Whose prices apply to an inventory: those of the place that it is from.
fn on(head: Option<&InventoryHead>) -> On {
    if head.is_some_and(|head| head.is_sandbox) { On::Sandbox } else { On::Aws }
}

/// Answers a question about prices.
pub(crate) fn show(session: &Session, arguments: &ShowArguments) -> Exit {
    prices::run(arguments, &session.price_lists(arguments.on), &session.printer)
}

impl PriceArguments {
    pub(super) fn age(&self) -> PriceAge {
        PriceAge { most_days: self.max_price_age, today: today() }
    }
}

/// The machine's day; prices age in real time, whatever target is used.
#[expect(clippy::disallowed_methods, reason = "the age of a price is counted from the real day")]
pub(super) fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

pub(super) fn exit(completeness: Completeness) -> Exit {
    match completeness {
        Completeness::Complete => Exit::Done,
        Completeness::Unplaced => Exit::Unplaced,
        Completeness::Unpriced => Exit::Unpriced,
    }
}

/// Says what is wrong, each thing in a line, and how much there is of it.
pub(super) fn refuse(printer: &Printer, problems: &[String], undone: &str) -> Exit {
    for problem in problems {
        let label = printer.err.paint(Meaning::Bad, "error");
        printer.note(&format!("{label}: {}", harmless(problem)));
    }
    if problems.len() > 1 {
        printer.note(&format!("{} problems; {undone}", problems.len()));
    }
    Exit::Usage
}

/// Prints JSON.
pub(super) fn json<T: Serialize>(printer: &Printer, answer: &T, exit: Exit) -> Exit {
    match written::json(answer) {
        Ok(text) => {
            printer.out(&text);
            exit
        }
        Err(error) => {
            printer.note(&format!("error: the answer cannot be written as JSON: {error}"));
            Exit::Failed
        }
    }
}

/// A line with a label, for what is said below a table.
pub(super) fn remark(style: Style, label: &str, text: &str) -> String {
    format!("{}  {}\n", style.paint(Meaning::Quiet, label), written::harmless(text))
}

/// The region that is meant: what was given, else what the environment says.
pub(super) fn region(
    given: Option<&str>,
    environment: &Environment,
) -> Result<Option<String>, String> {
    let named = given
        .or_else(|| environment.get("AWS_REGION"))
        .or_else(|| environment.get("AWS_DEFAULT_REGION"));
    match named {
        Some(name) if is_region(name) => Ok(Some(name.to_owned())),
        Some(name) => Err(format!("`{name}` is not the name of a region, such as ap-northeast-2")),
        None => Ok(None),
    }
}

/// The pools of all files; two of one name are refused.
pub(super) fn node_pools(
    names: &[String],
    environment: &Environment,
) -> Result<Vec<NodePool>, Problems> {
    let mut pools: Vec<NodePool> = Vec::new();
    let mut problems = Vec::new();
    for source in files::read_all(names, environment)? {
        match read_node_pools(&source.name, &source.text) {
            Ok(read) => {
                for pool in read {
                    if pools.iter().any(|known| known.name == pool.name) {
                        problems.push(format!(
                            "{}: NodePool `{}` is given twice",
                            source.name, pool.name
                        ));
                    } else {
                        pools.push(pool);
                    }
                }
            }
            Err(found) => problems.extend(files::said(found)),
        }
    }
    if problems.is_empty() { Ok(pools) } else { Err(problems) }
}

/// `ap-northeast-2`, `us-gov-west-1`: words and a number with dashes between.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let is_word =
        |part: &&str| !part.is_empty() && part.bytes().all(|one| one.is_ascii_lowercase());
    match parts.split_last() {
        Some((number, words)) => {
            words.len() >= 2
                && words.iter().all(is_word)
                && !number.is_empty()
                && number.bytes().all(|one| one.is_ascii_digit())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_words_and_a_number() {
        assert!(["ap-northeast-2", "us-gov-west-1", "sa-east-1"].into_iter().all(is_region));
        assert!(
            !["", "seoul", "ap-northeast2", "ap--2", "AP-NORTHEAST-2"].into_iter().any(is_region)
        );
    }
}
