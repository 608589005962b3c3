//! The page of a comparison: NodeLess or nodes?
//!
//! | module | what it puts on the page |
//! |---|---|
//! | `sides` | what each side costs, against NodeLess, by node shape, cold and settled |
//! | `decide` | the levers on the difference, as a tornado for each side |
//! | `curve` | how full nodes must be to be cheaper than Fargate |
//! | `workloads` | Fargate against nodes for each workload |
//! | `sizes` | steps of Fargate's sizes |
//! | `bills` | every side with its lines |
//! | `side`, `workload` | what these read |
//!
//! The answer is read as the JSON that programs get, so a page can be made of a file that was kept.

mod bills;
mod curve;
mod decide;
mod side;
mod sides;
mod sizes;
mod workload;
mod workloads;

use serde_json::Value;

use super::figures::{Cents, grouped};
use super::page::{Block, Origin, Page, Section};
use super::read::{Node, Unreadable};
use super::table::{Cell, Column, Row, Table};
use super::text::{counted, joined, sentence};
use side::Side;

/// The page of a comparison.
pub fn compare(answer: &Value) -> Result<Page, Unreadable> {
    let answer = Node::root("comparison", answer);
    // Every figure of a page is written in dollars.
    answer.word("currency", "`USD`", &[("USD", ())])?;
    let sides = side::read(&answer)?;
    let verdicts = decide::read(&answer, sides.first())?;
    let origin = origin(&answer)?;
    let region = answer.text("region")?;
    let headline = answer.text("headline")?;
    let heading = "NodeLess or nodes?".to_owned();
    let place = if origin.is_sandbox { "sandbox, " } else { "" };
    let mut sections = vec![sides::section(&answer, &sides, &verdicts)?];
    sections.extend(decide::section(&headline, &sides, &verdicts));
    sections.extend(curve::section(&answer)?);
    sections.extend(workloads::section(&answer)?);
    sections.extend(sizes::section(&answer)?);
    sections.push(bills::section(&sides)?);
    sections.extend(outside(&answer)?);
    sections.push(super::coverage::section(&answer, "types and rates")?);
    Ok(Page {
        title: format!("{heading} {place}{region}"),
        origin,
        heading,
        answer: decide::sentence(&headline, &sides, &verdicts),
        besides: besides(&answer, &headline, &sides, &verdicts)?,
        about: about(&answer, region)?,
        sections,
    })
}

/// Where the figures are from: `sandbox`, or `sandbox, by inv.json` through an inventory of it.
fn origin(answer: &Node<'_>) -> Result<Origin, Unreadable> {
    let source = answer.text("source")?;
    let is_sandbox = answer.flag("is_sandbox")?;
    if !is_sandbox {
        return Ok(Origin { words: source, is_sandbox });
    }
    let rest = match source.strip_prefix("sandbox") {
        Some(rest) if rest.is_empty() || rest.starts_with(", ") => rest.to_owned(),
        _ => format!(", {source}"),
    };
    Ok(Origin { words: format!("sandbox: a simulated account{rest}"), is_sandbox })
}

fn about(answer: &Node<'_>, region: String) -> Result<Vec<String>, Unreadable> {
    Ok(vec![
        counted(answer.integer("workload_count")?, "workload", "workloads"),
        counted(answer.integer("pod_count")?, "pod", "pods"),
        region,
        format!("nodes {}", answer.text("node_shape")?),
        answer.text("money")?,
        format!("a month of {} hours", grouped(answer.integer("hours_per_month")?.into())),
    ])
}

/// The question as it is asked: what do these pods cost on Fargate, what on Karpenter's nodes?
fn both(sides: &[Side]) -> Option<String> {
    let cost = |id: &str| {
        let side = sides.iter().find(|side| side.id == id)?;
        Some((side.title.as_str(), Cents::of(side.total?).text()))
    };
    let ((one, on_fargate), (other, on_nodes)) = (cost("fargate")?, cost("karpenter_on_demand")?);
    Some(sentence(&format!("{one} costs {on_fargate} $ a month; {other} costs {on_nodes} $")))
}

/// What must not be overlooked beside the headline.
fn besides(
    answer: &Node<'_>,
    headline: &str,
    sides: &[Side],
    verdicts: &[decide::Verdict],
) -> Result<Vec<String>, Unreadable> {
    // Without a verdict there is nothing to be held against each other.
    let mut besides: Vec<String> =
        both(sides).into_iter().filter(|_| !verdicts.is_empty()).collect();
    if let Some(decisive) = decide::primary(headline, sides, verdicts) {
        let turning: Vec<String> = decisive
            .levers
            .iter()
            .filter(|lever| lever.turns)
            .map(|lever| match &lever.break_even {
                Some(at) => format!("{} ({at})", lever.what),
                None => lever.what.clone(),
            })
            .collect();
        if turning.is_empty() {
            besides.push("No lever alone would turn that.".to_owned());
        } else {
            besides.push(format!("What would decide it: {}.", joined(&turning)));
        }
    }
    let nowhere = answer.texts("held_by_no_side")?;
    if let Some(first) = nowhere.first() {
        besides.push(match nowhere.len() {
            1 => format!("1 pod can run on no side and is on no bill: {first}."),
            many => format!(
                "{} pods can run on no side and are on no bill: {first} and others.",
                grouped(many as i128)
            ),
        });
    }
    let unpriced = answer.list("unpriced")?.len();
    if unpriced > 0 {
        let count = i64::try_from(unpriced).unwrap_or(i64::MAX);
        let words = counted(count, "workload is", "workloads are");
        besides.push(format!("{words} on no bill, because a figure is not known."));
    }
    besides.extend(super::coverage::warnings(answer)?);
    Ok(besides)
}

/// How many items of a list a page has; each may be about one of thousands of workloads.
const MOST_ITEMS: usize = 100;

/// What is said of the items that a page leaves out.
fn more(count: usize) -> Option<String> {
    let left = count.checked_sub(MOST_ITEMS).filter(|left| *left > 0)?;
    Some(format!("and {} more, each in the JSON", grouped(left as i128)))
}

/// What is on no bill, and why.
fn outside(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let mut section = Section::new("outside", "Not in these figures");
    let unpriced = answer.list("unpriced")?;
    if !unpriced.is_empty() {
        let columns = vec![Column::words("workload"), Column::words("why")];
        let mut table = Table::new("On no bill", columns);
        for one in unpriced.iter().take(MOST_ITEMS) {
            let cells = vec![Cell::Name(one.text("name")?), Cell::Text(one.text("reason")?)];
            table.add(Row::plain(cells));
        }
        if let Some(more) = more(unpriced.len()) {
            table.add(Row::subtotal(vec![Cell::Text(more), Cell::Nothing]));
        }
        section.blocks.push(Block::Table(table));
    }
    for (title, field) in [
        ("No side can run", "held_by_no_side"),
        ("Same on every side", "same_on_every_side"),
        ("Named, not priced", "not_priced"),
        ("Not simulated", "not_simulated"),
        ("Assumed", "notes"),
    ] {
        let mut items = answer.texts(field)?;
        let more = more(items.len());
        items.truncate(MOST_ITEMS);
        items.extend(more);
        if !items.is_empty() {
            section.blocks.push(Block::Heading(title.to_owned()));
            section.blocks.push(Block::List(items));
        }
    }
    Ok((!section.blocks.is_empty()).then_some(section))
}
