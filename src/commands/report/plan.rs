//! `runbook report plan`: what a stored plan adds to the month, line by line.

use std::path::PathBuf;

use runbook_core::plan::Plan;
use runbook_tasks::plan_cost::{PlanCost, plan_cost};
use serde_json::json;

use super::deliver;
use crate::commands::Session;
use crate::commands::cost::CostArguments;
use crate::exit::Exit;
use crate::price_lists::PriceLists;
use crate::target::On;
use crate::trouble::Trouble;
use crate::view::plan::cost::{Cents, headline, lines, words};

/// `runbook report plan`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlanCostArguments {
    /// A file that `runbook plan --out` wrote
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// Whose prices [default: those of the plan's region]
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    cost: CostArguments,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Form,
    /// Where it goes [default: -, stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Forms of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people
    #[value(alias = "text")]
    Table,
    /// One document
    Json,
    /// For spreadsheets
    Csv,
    /// For a pull request
    Markdown,
}

/// Prices a stored plan.
pub(super) fn run(session: &Session, arguments: &PlanCostArguments) -> Result<Exit, Trouble> {
    let shown = arguments.plan.display();
    let path = session.environment.working_directory.join(&arguments.plan);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Trouble::usage(format!("failed to read the plan `{shown}`: {error}")))?;
    let plan = Plan::load(&text).map_err(|error| {
        Trouble::of(&error)
            .exit(Exit::Usage)
            .hint("runbook plan RUNBOOK --out FILE makes a new one")
    })?;
    let usage = arguments.cost.usage(session, &plan)?;
    let on = if plan.target.on == On::Sandbox.name() { On::Sandbox } else { On::Aws };
    let lists = PriceLists::on(on, &session.state, &session.environment);
    let book = lists.book(None).map_err(Trouble::failed)?;
    let cost = plan_cost(&plan, &book, &usage, arguments.region.as_deref())
        .map_err(|error| Trouble::usage(error.to_string()))?;
    let answer = match arguments.output {
        Form::Table => table(&plan, &cost, session.printer.out.width),
        Form::Json => format!("{:#}", document(&plan, &cost)),
        Form::Csv => csv(&cost)?,
        Form::Markdown => markdown(&plan, &cost),
    };
    let title = title(&plan);
    deliver(session, &answer, arguments.out.as_deref(), &title)?;
    let is_complete = cost.monthly().holes.is_empty() && cost.once.holes.is_empty();
    Ok(if is_complete { Exit::Done } else { Exit::Unpriced })
}

fn title(plan: &Plan) -> String {
    format!("what {} adds to the month · on {}", plan.owner, plan.target.on)
}

fn table(plan: &Plan, cost: &PlanCost, width: usize) -> String {
    let mut all = vec![title(plan)];
    all.extend(lines(cost, width.saturating_sub(2)).iter().map(|line| format!("  {line}")));
    if cost.deferred > 0 {
        let count = crate::view::words::count(cost.deferred, "task");
        all.push(format!("  {count} can be looked at later only and counted as new"));
    }
    crate::view::words::lines(all)
}

fn document(plan: &Plan, cost: &PlanCost) -> serde_json::Value {
    let cents = Cents::of(cost);
    let dollars = |money: runbook_showback::render::figures::Cents| {
        let cents = money.count();
        let sign = if cents < 0 { "-" } else { "" };
        let magnitude = cents.unsigned_abs();
        format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    };
    let rows: Vec<serde_json::Value> = cents
        .lines
        .iter()
        .map(|rounded| {
            let line = rounded.line;
            json!({
                "address": line.address,
                "what": line.words,
                "certainty": line.certainty,
                "basis": line.basis,
                "usd": rounded.money.map(dollars),
                "unpriced": line.difference().err().map(|unpriced| unpriced.reason),
            })
        })
        .collect();
    json!({
        "version": 1,
        "plan": plan.name(),
        "owner": plan.owner,
        "on": plan.target.on,
        "region": cost.region,
        "prices": cost.as_of.map(|(oldest, newest)| json!({"oldest": oldest, "newest": newest})),
        "month": {
            "usd": dollars(cents.month),
            "fixed_usd": dollars(cents.fixed),
            "by_use_usd": dollars(cents.usage),
            "unpriced": cost.monthly().holes.len(),
        },
        "once": {"usd": dollars(cents.once), "unpriced": cost.once.holes.len()},
        "counted_as_new": cost.deferred,
        "lines": rows,
    })
}

fn csv(cost: &PlanCost) -> Result<String, Trouble> {
    let failed =
        |error: &dyn std::fmt::Display| Trouble::failed(format!("failed to write CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["address", "what", "certainty", "basis", "usd", "unpriced"])
        .map_err(|error| failed(&error))?;
    for rounded in Cents::of(cost).lines {
        let line = rounded.line;
        let certainty = serde_json::to_value(line.certainty).unwrap_or_default();
        let unpriced = line.difference().err().map(|unpriced| unpriced.reason);
        let usd = rounded.money.map(|money| money.text().replace('−', "-").replace(',', ""));
        writer
            .write_record([
                &line.address,
                &line.words,
                certainty.as_str().unwrap_or_default(),
                line.basis.as_deref().unwrap_or_default(),
                usd.as_deref().unwrap_or_default(),
                unpriced.as_deref().unwrap_or_default(),
            ])
            .map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn markdown(plan: &Plan, cost: &PlanCost) -> String {
    let cents = Cents::of(cost);
    let mut text = format!("### {}\n\n", title(plan));
    if cost.is_empty() {
        text.push_str("Nothing changes.\n");
        return text;
    }
    let headline = headline(cost, &cents).join(", ");
    text.push_str(&format!(
        "**{}**\n\n| $ | what | task |\n|--:|---|---|\n",
        headline.trim_start_matches("cost  ")
    ));
    for rounded in &cents.lines {
        let money = rounded
            .money
            .map_or("no price".to_owned(), runbook_showback::render::figures::Cents::signed);
        let escaped = |text: &str| crate::view::plan::escaped(text);
        text.push_str(&format!(
            "| {money} | {} | {} |\n",
            escaped(&words(rounded.line)),
            escaped(&rounded.line.address)
        ));
    }
    text
}
