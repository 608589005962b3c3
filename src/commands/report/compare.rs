//! `runbook report compare`: NodeLess or nodes, with every line of every bill.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use std::path::PathBuf;

use jiff::{Timestamp, Unit};
use runbook_capacity::answer::compare::{COMPARE, CompareOptions, Comparison};
use runbook_capacity::answer::{schema as shapes, written};
use runbook_capacity::compare::options::{Options, read_options};
use runbook_capacity::compare::workload::Workloads;
use runbook_capacity::manifest::{Manifests, read_inventory, read_inventory_head, read_node_pools};
use runbook_showback::render;

use super::{deliver, priced_region, text};
use crate::commands::capacity::{
    PriceArguments, Problems, exit, files, node_pools, pods, refuse, remark,
};
use crate::commands::collect::{ClusterArguments, inventory};
use crate::commands::{Session, block_on};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::target::On;
use crate::trouble::{Trouble, failure_text};

/// Options that say which cluster is looked at: they mean nothing beside files.
const OF_A_CLUSTER: [&str; 6] = ["on", "cluster", "kubeconfig", "context", "scenario", "faults"];

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CompareArguments {
    /// Manifests, CSV tables (name, cpu, memory, replicas, hours), folders of them, or - for stdin;
    /// without any, what runs in the cluster
    #[arg(value_name = "PODS", conflicts_with_all = OF_A_CLUSTER)]
    pods: Vec<String>,
    /// A folder of manifests
    #[arg(long, value_name = "DIR", conflicts_with_all = OF_A_CLUSTER)]
    manifests: Vec<String>,
    /// What runs in a cluster: an inventory, or what kubectl get prints as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pods", "manifests"], conflicts_with_all = OF_A_CLUSTER)]
    inventory: Option<String>,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// The region of the prices; else the inventory's, else AWS_REGION
    #[arg(long)]
    region: Option<String>,
    /// The largest node in vCPUs, or any [default: what the options say, else 16]
    #[arg(long, value_name = "VCPUS", value_parser = largest)]
    largest_node: Option<Largest>,
    /// NodePools that Karpenter may use; may be given several times. Without it there is one,
    /// on-demand, of types up to the largest node and without burstable ones
    #[arg(long = "node-pool", value_name = "FILE")]
    node_pools: Vec<String>,
    /// A DaemonSet that runs as a sidecar in each pod on Fargate
    #[arg(long, value_name = "DAEMONSET")]
    sidecar_for: Vec<String>,
    /// What neither manifests nor a cluster say: durations, real usage, sidecars, node shape,
    /// discounts
    #[arg(long, value_name = "FILE")]
    options: Option<String>,
    #[command(flatten)]
    prices: PriceArguments,
    /// Exit 7 when a type without a price could change the answer
    #[arg(long)]
    strict_prices: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Where the answer goes [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    /// One page to look at, for a mail or a wiki.
    Html,
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

pub(super) fn run(session: &Session, arguments: &CompareArguments) -> Result<Exit, Trouble> {
    let printer = &session.printer;
    let given = match given(session, arguments)? {
        Ok(given) => given,
        Err(problems) => return Ok(refuse(printer, &problems, "nothing was compared")),
    };
    let comparison = match comparison(session, arguments, given) {
        Ok(comparison) => comparison,
        Err(problems) => return Ok(refuse(printer, &problems, "nothing was compared")),
    };
    let exit = exit(comparison.completeness());
    let written = match arguments.output {
        Output::Text => text::text(&comparison, printer.out),
        Output::Markdown => comparison.markdown(),
        Output::Html => page(&comparison)?,
        Output::Json => written::json(&comparison).map_err(|error| Trouble::of(&error))?,
        Output::Csv => {
            let labelled =
                [("not simulated", &comparison.not_simulated), ("note", &comparison.notes)];
            for (label, lines) in labelled {
                for line in lines {
                    printer.note(remark(printer.err, label, line).trim_end());
                }
            }
            comparison.csv()
        }
    };
    deliver(session, &written, arguments.out.as_deref(), &comparison.headline)?;
    Ok(exit)
}

fn page(comparison: &Comparison) -> Result<String, Trouble> {
    let answer = serde_json::to_value(comparison).map_err(|error| Trouble::of(&error))?;
    let page = render::compare(&answer).map_err(|error| Trouble::failed(failure_text(&error)))?;
    Ok(page.html())
}

pub(super) fn schema() -> (&'static str, shapes::Shape) {
    ("runbook report compare", COMPARE)
}

/// What is compared, and where it is from.
struct Given {
    manifests: Manifests,
    notes: Vec<String>,
    /// For the headline: a file, or the target.
    source: String,
    /// The region that the inventory names.
    region: Option<String>,
    /// Whose prices apply: what is simulated is priced with the sandbox's.
    on: On,
    /// The cluster's own NodePools.
    pools: Vec<String>,
    /// When an inventory was made.
    seen: Option<Timestamp>,
}

fn given(
    session: &Session,
    arguments: &CompareArguments,
) -> Result<Result<Given, Problems>, Trouble> {
    let names: Vec<String> = arguments.manifests.iter().chain(&arguments.pods).cloned().collect();
    if !names.is_empty() {
        let source = names.join(", ");
        return Ok(pods(&names, &session.environment).map(|(manifests, notes)| Given {
            manifests,
            notes,
            source,
            region: None,
            on: On::Aws,
            pools: Vec::new(),
            seen: None,
        }));
    }
    if let Some(name) = &arguments.inventory {
        return Ok(files::read(name, &session.environment)
            .map_err(|why| vec![why])
            .and_then(|file| of_inventory(&file.name, &file.text))
            .map(|given| {
                let seen =
                    given.seen.map(|at| format!("what ran was seen at {at}, the cluster's time"));
                Given { notes: seen.into_iter().chain(given.notes).collect(), ..given }
            }));
    }
    let region = arguments.region.as_deref();
    let inventory = block_on(inventory(session, &arguments.cluster, region))?;
    let source = match inventory.origin.source.as_str() {
        "sandbox" => "sandbox".to_owned(),
        other => format!("{other}, cluster {}", inventory.origin.cluster),
    };
    let text = inventory.text().map_err(|error| Trouble::of(&error))?;
    Ok(of_inventory(&inventory.origin.cluster, &text).map(|given| Given { source, ..given }))
}

/// An inventory says where it is from; what kubectl prints does not.
fn of_inventory(name: &str, text: &str) -> Result<Given, Problems> {
    let manifests = read_inventory(name, text).map_err(files::said)?;
    let head = read_inventory_head(name, text).map_err(|why| files::said(vec![why]))?;
    // Pools that are not used need not be there, nor be readable.
    let pools = read_node_pools(name, text).unwrap_or_default();
    let missing = head.iter().flat_map(|head| &head.missing);
    let mut notes: Vec<String> = missing.map(|what| format!("not seen: {what}")).collect();
    if manifests.workloads.is_empty() {
        notes.push("there are no pods".to_owned());
    }
    let (source, on) = match &head {
        Some(head) if head.is_sandbox => (format!("sandbox, by {name}"), On::Sandbox),
        _ => (name.to_owned(), On::Aws),
    };
    let seen = head.as_ref().and_then(|head| head.collected_at);
    let seen = seen.and_then(|at| at.round(Unit::Second).ok());
    let region = head.and_then(|head| head.region);
    let pools = pools.into_iter().map(|pool| pool.name).collect();
    Ok(Given { manifests, notes, source, region, on, pools, seen })
}

fn comparison(
    session: &Session,
    arguments: &CompareArguments,
    given: Given,
) -> Result<Comparison, Problems> {
    let environment = &session.environment;
    let mut problems = Vec::new();
    let mut keep = |found: Problems| problems.extend(found);
    let named = arguments.region.as_deref().or(given.region.as_deref());
    let region = priced_region(named, environment, None).map_err(&mut keep).ok();
    let file = options(arguments, environment).map_err(&mut keep).ok();
    let pools = node_pools(&arguments.node_pools, environment).map_err(&mut keep).ok();
    let (Some(region), Some(mut file), Some(pools)) = (region, file, pools) else {
        return Err(problems);
    };
    for name in &arguments.sidecar_for {
        file.sidecars.entry(name.clone()).or_insert(None);
    }
    let workloads = Workloads::with(given.manifests, &file)?;
    let mut options = CompareOptions::new(region);
    options.source = given.source;
    options.is_sandbox = given.on == On::Sandbox;
    let mut notes = given.notes;
    if pools.is_empty() && !given.pools.is_empty() {
        notes.push(format!(
            "the cluster's own NodePools are not used ({}); --node-pool names those that Karpenter may use",
            given.pools.join(", ")
        ));
    }
    options.node_pools = pools;
    options.is_strict = arguments.strict_prices;
    let mut options = options.with(file);
    if let Some(Largest(vcpus)) = arguments.largest_node {
        options.shape.vcpus_at_most = vcpus;
    }
    let lists = session.price_lists(given.on);
    let book = lists.book(Some(region.name())).map_err(|why| vec![why])?;
    Ok(Comparison::new(&workloads, &options, &book, arguments.prices.age(), notes))
}

fn options(arguments: &CompareArguments, environment: &Environment) -> Result<Options, Problems> {
    let Some(name) = &arguments.options else { return Ok(Options::default()) };
    let file = files::read(name, environment).map_err(|why| vec![why])?;
    read_options(&file.name, &file.text)
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
