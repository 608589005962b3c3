//! `runbook capacity pack`: what Karpenter would launch for these pods, and what that costs.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

mod question;
mod text;

use runbook_capacity::karpenter;

use super::node::NodeArguments;
use super::{Output, PriceArguments, exit, json, refuse, remark};
use crate::commands::Session;
use crate::exit::Exit;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PackArguments {
    /// Manifests (YAML or JSON, lists and streams), CSV tables, folders of them, or - for stdin.
    #[arg(value_name = "PODS", required = true)]
    pods: Vec<String>,
    /// NodePools; may be given several times. Without it there is one, on-demand and open.
    #[arg(long = "node-pool", value_name = "FILE")]
    node_pools: Vec<String>,
    /// DaemonSets, or Pods of which each stands for one.
    #[arg(long, value_name = "FILE")]
    daemonsets: Vec<String>,
    /// A CSV that replaces the catalogue: instance_type, arch, allocatable_cpu_m,
    /// allocatable_memory_mib, pods, usd_per_hour, zones, optionally capacity_type.
    #[arg(long, value_name = "FILE")]
    instance_types: Option<String>,
    /// Nodes that are there with their pods: an inventory, or `kubectl get nodes,pods -A -o json`.
    #[arg(long, value_name = "INVENTORY")]
    existing: Option<String>,
    /// The region of the catalogue and its prices; else the inventory's, AWS_REGION, ap-northeast-2.
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    node: NodeArguments,
    /// What preferences are worth, as Karpenter's setting of that name.
    #[arg(long, value_enum, default_value_t = Preferences::Respect)]
    preferences: Preferences,
    /// What minValues is worth, as Karpenter's setting of that name.
    #[arg(long, value_enum, default_value_t = MinValues::Strict)]
    min_values: MinValues,
    #[command(flatten)]
    prices: PriceArguments,
    /// Exit 7 when a type without a price could change the answer.
    #[arg(long)]
    strict_prices: bool,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What preferences are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Preferences {
    /// Treated as requirements, then given up one by one.
    Respect,
    /// Not looked at.
    Ignore,
}

/// What minValues is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MinValues {
    /// A node that cannot keep so many values is not made.
    Strict,
    /// It is made all the same.
    BestEffort,
}

impl From<Preferences> for karpenter::Preferences {
    fn from(preferences: Preferences) -> Self {
        match preferences {
            Preferences::Respect => Self::Respect,
            Preferences::Ignore => Self::Ignore,
        }
    }
}

impl From<MinValues> for karpenter::MinValues {
    fn from(min_values: MinValues) -> Self {
        match min_values {
            MinValues::Strict => Self::Strict,
            MinValues::BestEffort => Self::BestEffort,
        }
    }
}

pub(super) fn run(arguments: &PackArguments, session: &Session) -> Exit {
    let printer = &*session.printer;
    let question = match question::question(arguments, session) {
        Ok(question) => question,
        Err(problems) => return refuse(printer, &problems, "nothing was packed"),
    };
    let answer = question.answer(arguments.prices.age(), arguments.strict_prices);
    let exit = exit(answer.completeness());
    match arguments.output {
        Output::Csv => {
            printer.raw(answer.csv().as_bytes());
            for note in &answer.notes {
                printer.note(remark(printer.err, "note", note).trim_end());
            }
            for what in &answer.not_simulated {
                printer.note(remark(printer.err, "not simulated", what).trim_end());
            }
        }
        Output::Json => return json(printer, &answer, exit),
        Output::Table => printer.out(&text::text(&answer, &question.place, printer.out)),
    }
    exit
}
