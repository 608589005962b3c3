//! `runbook capacity consolidate`: what Karpenter would take away or replace, what each step saves and
//! whom it disturbs, and why the other nodes stay.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use runbook_capacity::answer::consolidation::ConsolidationAnswer;
use runbook_capacity::answer::written::{dollars, dollars_or_nothing, harmless};
use runbook_capacity::consolidation::{
    ConsolidationInput, ConsolidationOptions, End, SettledNode, Step, read_guards,
};
use runbook_capacity::karpenter::{PackInput, offered_types};
use runbook_capacity::manifest::{Workload, read_existing, read_inventory_head, read_node_pools};
use runbook_capacity::region::{Region, UnknownRegion, zones};

use super::fargate::some;
use super::node::NodeArguments;
use super::table::{Align, table};
use super::{
    DEFAULT_REGION, Output, PriceArguments, Problems, exit, files, json, node_pools, on, refuse,
    region, remark,
};
use crate::commands::Session;
use crate::exit::Exit;
use crate::style::{Meaning, Style};

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConsolidateArguments {
    /// Nodes with their pods: an inventory (runbook collect), what kubectl get prints as JSON, or -
    #[arg(value_name = "INVENTORY")]
    inventory: String,
    /// NodePools in place of those of the inventory; may be given several times
    #[arg(long = "node-pool", value_name = "FILE")]
    node_pools: Vec<String>,
    /// Karpenter's gate SpotToSpotConsolidation
    #[arg(long)]
    spot_to_spot: bool,
    /// For how many seconds no pod has come or gone; without it for long enough, whatever a pool's
    /// consolidateAfter
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    quiet: Option<i64>,
    /// After how many steps it stops
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    most_steps: usize,
    /// The region of the catalogue and its prices; else the inventory's, AWS_REGION, ap-northeast-2
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    node: NodeArguments,
    #[command(flatten)]
    prices: PriceArguments,
    /// Exit 7 when a type without a price could change the answer
    #[arg(long)]
    strict_prices: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) fn run(arguments: &ConsolidateArguments, session: &Session) -> Exit {
    let printer = &*session.printer;
    let (input, notes) = match question(arguments, session) {
        Ok(question) => question,
        Err(problems) => return refuse(printer, &problems, "nothing was consolidated"),
    };
    let age = arguments.prices.age();
    let answer = ConsolidationAnswer::new(&input, age, arguments.strict_prices, notes);
    let exit = exit(answer.completeness());
    match arguments.output {
        Output::Csv => {
            printer.raw(answer.csv().as_bytes());
            for note in answer.notes.iter().chain(&answer.not_simulated) {
                printer.note(remark(printer.err, "note", note).trim_end());
            }
        }
        Output::Json => return json(printer, &answer, exit),
        Output::Table => printer.out(&text(&answer, printer.out)),
    }
    exit
}

/// Reads everything; all that is wrong is said at once.
fn question(
    arguments: &ConsolidateArguments,
    session: &Session,
) -> Result<(ConsolidationInput, Vec<String>), Problems> {
    let environment = &session.environment;
    let file = files::read(&arguments.inventory, environment).map_err(|why| vec![why])?;
    let (name, text) = (file.name.as_str(), file.text.as_str());
    let mut problems = Vec::new();
    let mut keep = |found: Problems| problems.extend(found);
    let existing = read_existing(name, text).map_err(files::said).map_err(&mut keep).ok();
    let guards = read_guards(name, text).map_err(files::said).map_err(&mut keep).ok();
    let pools = if arguments.node_pools.is_empty() {
        read_node_pools(name, text).map_err(files::said)
    } else {
        node_pools(&arguments.node_pools, environment)
    };
    let pools = pools.map_err(&mut keep).ok();
    let settings = arguments.node.settings(environment).map_err(&mut keep).ok();
    let (Some(existing), Some(guards), Some(node_pools), Some(settings)) =
        (existing, guards, pools, settings)
    else {
        return Err(problems);
    };
    let head = read_inventory_head(name, text).map_err(|why| files::said(vec![why]))?;
    let of_inventory = head.as_ref().and_then(|head| head.region.as_deref());
    let named = region(arguments.region.as_deref().or(of_inventory), environment)
        .map_err(|why| vec![why])?;
    let mut notes = Vec::new();
    let named = named.unwrap_or_else(|| {
        notes.push(format!("no region was given, so {DEFAULT_REGION} is taken"));
        DEFAULT_REGION.to_owned()
    });
    let region: Region = named.parse().map_err(|error: UnknownRegion| vec![error.to_string()])?;
    if !existing.pending.is_empty() {
        notes.push(format!("pods that run nowhere are not placed: {}", some(&existing.pending)));
    }
    if let Some(head) = &head {
        notes.extend(head.missing.iter().map(|what| format!("not seen: {what}")));
    }
    let lists = session.price_lists(on(head.as_ref()));
    let book = lists.book(Some(region.name())).map_err(|why| vec![why])?;
    let open: Vec<String> = zones(region).iter().map(|zone| (*zone).to_owned()).collect();
    let pack = PackInput {
        daemonsets: existing.daemonsets.iter().flat_map(Workload::pods).collect(),
        node_pools,
        instance_types: offered_types(region, &open, &settings, &book),
        namespaces: existing.namespaces,
        existing: existing.nodes,
        ..PackInput::default()
    };
    let options = ConsolidationOptions {
        spot_to_spot: arguments.spot_to_spot,
        quiet_seconds: arguments.quiet,
        most_steps: arguments.most_steps,
    };
    Ok((ConsolidationInput { pack, guards, options }, notes))
}

fn text(answer: &ConsolidationAnswer, style: Style) -> String {
    let mut text = headline(answer);
    if !answer.steps.is_empty() {
        text.push('\n');
        text.push_str(&steps(&answer.steps));
    }
    if !answer.nodes.is_empty() {
        text.push('\n');
        text.push_str(&nodes(&answer.nodes));
    }
    text.push('\n');
    if !answer.waiting.is_empty() {
        text.push_str(&format!("  wait still     {}\n", harmless(&some(&answer.waiting))));
    }
    text.push_str(&remark(style, "prices", &answer.prices.sentence("types")));
    for note in &answer.notes {
        text.push_str(&remark(style, "note", note));
    }
    for what in &answer.not_simulated {
        text.push_str(&remark(style, "not simulated", what));
    }
    if answer.end == End::StepBound {
        text.push_str(&format!(
            "{}\n",
            style.paint(Meaning::Waiting, "cut off before it came to rest")
        ));
    }
    text
}

fn headline(answer: &ConsolidationAnswer) -> String {
    let gone: usize = answer.steps.iter().map(|step| step.removed.len()).sum();
    let come: usize = answer.steps.iter().map(|step| step.launched.len()).sum();
    let saved = match (answer.before, answer.after, answer.saved()) {
        (Some(before), Some(after), Some(saved)) => format!(
            "{} → {} $/h, saves {} $ a month of 730 h",
            dollars(before),
            dollars(after),
            saved.monthly().dollars(2)
        ),
        _ => "no total, for a node has no price".to_owned(),
    };
    let steps = answer.steps.len();
    format!(
        "steps: {steps} · nodes that go: {gone}, that come: {come} · evictions: {} · {saved}\n",
        answer.evictions
    )
}

fn steps(steps: &[Step]) -> String {
    let names = |names: Vec<String>| names.join(", ");
    let rows: Vec<Vec<String>> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let typed = |name: &str, kind: &str| format!("{name} ({kind})");
            vec![
                (index + 1).to_string(),
                step.method.word().replace('_', " "),
                names(
                    step.removed.iter().map(|one| typed(&one.name, &one.instance_type)).collect(),
                ),
                names(
                    step.launched.iter().map(|one| typed(&one.name, &one.instance_type)).collect(),
                ),
                dollars_or_nothing(step.saved),
                some(&step.pods),
            ]
        })
        .collect();
    let columns = [
        ("", Align::Right),
        ("method", Align::Left),
        ("goes", Align::Left),
        ("comes", Align::Left),
        ("saves $/h", Align::Right),
        ("pods that move", Align::Left),
    ];
    table(&columns, &rows)
}

fn nodes(nodes: &[SettledNode]) -> String {
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|node| {
            vec![
                node.name.clone(),
                node.node_pool.clone().unwrap_or_default(),
                node.instance_type.clone(),
                dollars_or_nothing(node.price),
                node.pods.len().to_string(),
                node.why_not.to_string(),
            ]
        })
        .collect();
    let columns = [
        ("stays", Align::Left),
        ("pool", Align::Left),
        ("type", Align::Left),
        ("$/h", Align::Right),
        ("pods", Align::Right),
        ("why", Align::Left),
    ];
    table(&columns, &rows)
}
