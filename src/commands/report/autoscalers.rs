//! `runbook report autoscalers`: the Cluster Autoscaler beside Karpenter on one trace of pods, a model.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use std::path::PathBuf;

use runbook_capacity::answer::autoscalers::{AUTOSCALERS, AutoscalersAnswer, AutoscalersOptions};
use runbook_capacity::answer::{schema as shapes, written};
use runbook_capacity::autoscalers::Question;
use runbook_capacity::autoscalers::cluster_autoscaler::Expander;
use runbook_capacity::autoscalers::launch_time::LaunchTime;
use runbook_capacity::autoscalers::made::TraceShape;
use runbook_capacity::autoscalers::node_group::NodeGroupSpec;
use runbook_capacity::autoscalers::standard::Setting;
use runbook_capacity::autoscalers::trace::{Trace, read_trace};
use runbook_showback::render;

use super::{deliver, priced_region};
use crate::commands::Session;
use crate::commands::capacity::{
    DEFAULT_REGION, PriceArguments, Problems, exit, files, node_pools, refuse,
};
use crate::exit::Exit;
use crate::target::On;
use crate::trouble::{Trouble, failure_text};

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AutoscalersArguments {
    /// A CSV: t_seconds, action (add or remove), name, cpu, memory, owner
    #[arg(long, value_name = "FILE")]
    trace: Option<String>,
    /// The shape of a made trace: diurnal, burst or deploy [default: diurnal]
    #[arg(long, value_name = "SHAPE", conflicts_with = "trace", value_parser = str::parse::<TraceShape>)]
    shape: Option<TraceShape>,
    /// Of all chance: the same seed gives the same answer on each machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the trace as CSV and do nothing else
    #[arg(long, conflicts_with = "output")]
    print_trace: bool,
    /// A node group of the Cluster Autoscaler, one in each zone; may be given several times
    /// [default: m6i.large:2:100 in three zones]
    #[arg(long = "node-group", value_name = "TYPE:MIN:MAX[:ZONES]", value_parser = NodeGroupSpec::parse)]
    node_groups: Vec<NodeGroupSpec>,
    /// Which group grows: least-waste, random, most-pods or priority
    #[arg(long, value_name = "NAME", default_value = "least-waste", value_parser = str::parse::<Expander>)]
    expander: Expander,
    /// Names of groups, or their beginnings, by falling priority; for the priority expander
    #[arg(long = "priority", value_name = "GROUP")]
    priorities: Vec<String>,
    /// Karpenter's NodePools; may be given several times
    #[arg(long = "node-pool", value_name = "FILE")]
    node_pools: Vec<String>,
    /// Seconds from a launch to a ready node: one number, or percentiles as the model prints them
    #[arg(long, value_name = "SECONDS", value_parser = LaunchTime::parse)]
    launch_time: Option<LaunchTime>,
    /// The region of the prices; else AWS_REGION, else ap-northeast-2
    #[arg(long)]
    region: Option<String>,
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
    /// Every figure.
    Csv,
    /// How many nodes and pods there were, from second to second.
    SeriesCsv,
    /// For programs; `runbook report schema autoscalers` describes it.
    Json,
    /// For a pull request.
    Markdown,
    /// One page to look at.
    Html,
}

pub(super) fn run(session: &Session, arguments: &AutoscalersArguments) -> Result<Exit, Trouble> {
    let asked = trace(session, arguments)
        .and_then(|(trace, source)| question(session, arguments, trace).map(|one| (one, source)));
    let (question, source) = match asked {
        Ok(asked) => asked,
        Err(problems) => return Ok(refuse(&session.printer, &problems, "nothing was modelled")),
    };
    if arguments.print_trace {
        let text = question.trace.csv();
        deliver(session, &text, arguments.out.as_deref(), &source)?;
        return Ok(Exit::Done);
    }
    let region = match region(session, arguments) {
        Ok(region) => region,
        Err(problems) => return Ok(refuse(&session.printer, &problems, "nothing was modelled")),
    };
    let options = AutoscalersOptions {
        region,
        source,
        age: arguments.prices.age(),
        is_strict: arguments.strict_prices,
        notes: Vec::new(),
    };
    let answer = AutoscalersAnswer::new(&question, &options);
    let text = written_as(&answer, arguments.output)?;
    deliver(session, &text, arguments.out.as_deref(), answer.title)?;
    Ok(exit(answer.completeness()))
}

pub(super) fn schema() -> (&'static str, shapes::Shape) {
    ("runbook report autoscalers", AUTOSCALERS)
}

fn written_as(answer: &AutoscalersAnswer, output: Output) -> Result<String, Trouble> {
    Ok(match output {
        Output::Text => answer.text(),
        Output::Csv => answer.csv(),
        Output::SeriesCsv => answer.series_csv(),
        Output::Markdown => answer.markdown(),
        Output::Json => written::json(answer).map_err(|error| Trouble::of(&error))?,
        Output::Html => {
            let value = serde_json::to_value(answer).map_err(|error| Trouble::of(&error))?;
            let page = render::autoscalers(&value);
            page.map_err(|error| Trouble::failed(failure_text(&error)))?.html()
        }
    })
}

fn trace(session: &Session, arguments: &AutoscalersArguments) -> Result<(Trace, String), Problems> {
    let Some(name) = &arguments.trace else {
        let shape = arguments.shape.unwrap_or(TraceShape::Diurnal);
        let source = format!("the made trace `{}`, seed {}", shape.name(), arguments.seed);
        return Ok((shape.trace(arguments.seed), source));
    };
    let file = files::read(name, &session.environment).map_err(|why| vec![why])?;
    let trace = read_trace(&file.name, &file.text).map_err(files::said)?;
    Ok((trace, file.name))
}

fn region(
    session: &Session,
    arguments: &AutoscalersArguments,
) -> Result<runbook_capacity::region::Region, Problems> {
    priced_region(arguments.region.as_deref(), &session.environment, Some(DEFAULT_REGION))
}

fn question(
    session: &Session,
    arguments: &AutoscalersArguments,
    trace: Trace,
) -> Result<Question, Problems> {
    if !arguments.priorities.is_empty() && arguments.expander != Expander::Priority {
        return Err(vec!["--priority is for --expander priority".to_owned()]);
    }
    let mut problems = Vec::new();
    let mut keep = |found: Problems| problems.extend(found);
    let region = region(session, arguments).map_err(&mut keep).ok();
    let pools = node_pools(&arguments.node_pools, &session.environment).map_err(&mut keep).ok();
    let (Some(region), Some(pools)) = (region, pools) else { return Err(problems) };
    let lists = session.price_lists(On::Aws);
    let book = lists.book(Some(region.name())).map_err(|why| vec![why])?;
    let setting = Setting {
        region,
        book: &book,
        node_groups: &arguments.node_groups,
        node_pools: &pools,
        instance_types: None,
        daemonsets: None,
        seed: arguments.seed,
    };
    let mut question =
        Question::standard(trace, &setting).map_err(|error| vec![failure_text(&error)])?;
    question.cluster_autoscaler.expander = arguments.expander;
    question.cluster_autoscaler.priorities.clone_from(&arguments.priorities);
    if let Some(launch_time) = &arguments.launch_time {
        question.launch_time.clone_from(launch_time);
    }
    Ok(question)
}
