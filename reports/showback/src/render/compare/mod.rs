//! The page of a comparison: NodeLess or nodes?
//!
//! | module | what it puts on the page |
//! |---|---|
//! | [`sides`] | what each side costs, against NodeLess, by node shape, cold and settled |
//! | [`decide`] | the levers on the difference, as a tornado for each side |
//! | [`workloads`] | Fargate against nodes: curve, workloads, steps of Fargate's sizes |
//! | [`bills`] | every side with its lines |
//!
//! The answer is read as the JSON that programs get, so a page can be made of a file that was kept.

mod bills;
mod decide;
mod sides;
mod workloads;

use serde_json::Value;

use super::figures::grouped;
use super::page::{Block, Origin, Page, Section};
use super::read::{Node, Unreadable};
use super::table::{Cell, Column, Row, Table};
use super::text::{counted, joined, sentence};
use sides::Side;

/// The page of a comparison.
pub fn compare(answer: &Value) -> Result<Page, Unreadable> {
    let answer = Node::root("comparison", answer);
    let sides = sides::read(&answer)?;
    let verdicts = decide::read(&answer)?;
    let origin = origin(&answer.text("source")?);
    let region = answer.text("region")?;
    let headline = answer.text("headline")?;
    let heading = "NodeLess or nodes?".to_owned();
    let place = if origin.is_sandbox { "sandbox, " } else { "" };
    let mut sections = vec![sides::section(&answer, &sides, &verdicts)?];
    sections.extend(decide::section(&headline, &sides, &verdicts));
    sections.extend(workloads::curve(&answer)?);
    sections.extend(workloads::section(&answer)?);
    sections.extend(workloads::sizes(&answer)?);
    sections.push(bills::section(&sides)?);
    sections.extend(outside(&answer)?);
    sections.push(super::coverage::section(&answer, "types and rates")?);
    Ok(Page {
        title: format!("{heading} {place}{region}"),
        origin,
        heading,
        answer: sentence(&headline),
        besides: besides(&answer, &headline, &sides, &verdicts)?,
        about: about(&answer, region)?,
        sections,
    })
}

/// Where the figures are from.
fn origin(source: &str) -> Origin {
    let is_sandbox = source == "sandbox";
    let words = if is_sandbox { "sandbox: a simulated account" } else { source };
    Origin { words: words.to_owned(), is_sandbox }
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

/// What must not be overlooked beside the headline.
fn besides(
    answer: &Node<'_>,
    headline: &str,
    sides: &[Side],
    verdicts: &[decide::Verdict],
) -> Result<Vec<String>, Unreadable> {
    let mut besides = Vec::new();
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
        let count = i64::try_from(nowhere.len()).unwrap_or(i64::MAX);
        besides.push(format!(
            "{} can run on no side, the first is {first}; they are on no bill.",
            counted(count, "pod", "pods")
        ));
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

/// What is on no bill, and why.
fn outside(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let mut section = Section::new("outside", "Not in these figures");
    let unpriced = answer.list("unpriced")?;
    if !unpriced.is_empty() {
        let columns = vec![Column::words("workload"), Column::words("why")];
        let mut table = Table::new("On no bill", columns);
        for one in &unpriced {
            let cells = vec![Cell::Name(one.text("name")?), Cell::Text(one.text("reason")?)];
            table.add(Row::plain(cells));
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
        let items = answer.texts(field)?;
        if !items.is_empty() {
            section.blocks.push(Block::Heading(title.to_owned()));
            section.blocks.push(Block::List(items));
        }
    }
    Ok((!section.blocks.is_empty()).then_some(section))
}
