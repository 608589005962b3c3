//! `runbook report compare`: NodeLess or nodes, with every line of every bill.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use runbook_capacity::answer::compare::{COMPARE, CompareOptions, Comparison};
use runbook_capacity::answer::schema as shapes;
use runbook_capacity::compare::workload::Workloads;
use runbook_capacity::manifest::{Manifests, read_inventory};
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::{Region, UnknownRegion};

use super::{Answer, text};
use crate::commands::capacity::{
    PriceArguments, Problems, exit, files, json, pods, refuse, region, remark,
};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::printer::Printer;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CompareArguments {
    /// Manifests, CSV tables (name, cpu, memory, replicas, hours), folders of them, or - for stdin.
    #[arg(value_name = "PODS", required_unless_present_any = ["manifests", "inventory"])]
    pods: Vec<String>,
    /// A folder of manifests.
    #[arg(long, value_name = "DIR")]
    manifests: Vec<String>,
    /// What runs in a cluster: an inventory, or what kubectl get prints as JSON.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pods", "manifests"])]
    inventory: Option<String>,
    /// The region of the prices; else AWS_REGION.
    #[arg(long)]
    region: Option<String>,
    /// The largest node in vCPUs, or any.
    #[arg(long, value_name = "VCPUS", default_value = "16", value_parser = largest)]
    largest_node: Largest,
    /// A DaemonSet that runs as a sidecar in each pod on Fargate.
    #[arg(long, value_name = "DAEMONSET")]
    sidecar_for: Vec<String>,
    #[command(flatten)]
    prices: PriceArguments,
    /// Exit 7 when a type without a price could change the answer.
    #[arg(long)]
    strict_prices: bool,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// Every line of every bill.
    Csv,
    /// For programs; `runbook report schema compare` describes it.
    Json,
    /// For a pull request.
    Markdown,
}

/// The largest node; none means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Largest(Option<u32>);

fn largest(text: &str) -> Result<Largest, String> {
    if text == "any" {
        return Ok(Largest(None));
    }
    match text.parse::<u32>() {
        Ok(vcpus) if vcpus >= 2 => Ok(Largest(Some(vcpus))),
        _ => Err("a number of vCPUs from 2 on, or any".to_owned()),
    }
}

pub(super) fn run(
    arguments: &CompareArguments,
    environment: &Environment,
    printer: &Printer,
) -> Exit {
    let comparison = match comparison(arguments, environment) {
        Ok(comparison) => comparison,
        Err(problems) => return refuse(printer, &problems, "nothing was compared"),
    };
    let exit = exit(comparison.completeness());
    match arguments.output {
        Output::Text => printer.out(&text::text(&comparison, &source(arguments), printer.out)),
        Output::Markdown => printer.out(&comparison.markdown()),
        Output::Json => return json(printer, &comparison, exit),
        Output::Csv => {
            printer.raw(comparison.csv().as_bytes());
            let labelled =
                [("not simulated", &comparison.not_simulated), ("note", &comparison.notes)];
            for (label, lines) in labelled {
                for line in lines {
                    printer.note(remark(printer.err, label, line).trim_end());
                }
            }
        }
    }
    exit
}

pub(super) fn schema(answer: Answer, printer: &Printer) -> Exit {
    let (title, shape) = match answer {
        Answer::Compare => ("runbook report compare", COMPARE),
    };
    json(printer, &shapes::schema(title, shape), Exit::Done)
}

/// Where the pods are from, for the headline.
fn source(arguments: &CompareArguments) -> String {
    match &arguments.inventory {
        Some(inventory) => inventory.clone(),
        None => arguments
            .manifests
            .iter()
            .chain(&arguments.pods)
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn comparison(
    arguments: &CompareArguments,
    environment: &Environment,
) -> Result<Comparison, Problems> {
    let named = region(arguments.region.as_deref(), environment)
        .map_err(|why| vec![why])?
        .ok_or_else(|| {
            vec!["which region's prices? give --region, such as --region ap-northeast-2".to_owned()]
        })?;
    let region: Region = named.parse().map_err(|error: UnknownRegion| vec![error.to_string()])?;
    let (manifests, notes) = read(arguments, environment)?;
    let workloads = Workloads::of(manifests);
    for named in &arguments.sidecar_for {
        if workloads.daemonsets.iter().all(|one| &one.name != named) {
            return Err(vec![format!("--sidecar-for {named}: there is no DaemonSet `{named}`")]);
        }
    }
    let options = CompareOptions {
        region,
        vcpus_at_most: arguments.largest_node.0,
        sidecars: arguments.sidecar_for.clone(),
        is_strict: arguments.strict_prices,
    };
    Ok(Comparison::new(&workloads, &options, PriceBook::embedded(), arguments.prices.age(), notes))
}

fn read(
    arguments: &CompareArguments,
    environment: &Environment,
) -> Result<(Manifests, Vec<String>), Problems> {
    let Some(inventory) = &arguments.inventory else {
        let names: Vec<String> =
            arguments.manifests.iter().chain(&arguments.pods).cloned().collect();
        return pods(&names, environment);
    };
    let source = files::read(inventory, environment).map_err(|why| vec![why])?;
    let manifests = read_inventory(&source.name, &source.text).map_err(files::said)?;
    let mut notes = Vec::new();
    if manifests.workloads.is_empty() {
        notes.push("there are no pods".to_owned());
    }
    Ok((manifests, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_node_is_a_number_or_any() {
        assert_eq!(largest("any"), Ok(Largest(None)));
        assert_eq!(largest("4"), Ok(Largest(Some(4))));
        assert!(["1", "0", "-4", "many", ""].into_iter().all(|text| largest(text).is_err()));
    }
}
