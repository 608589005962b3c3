//! The page of a model: the Cluster Autoscaler beside Karpenter.
//!
//! | module | what it puts on the page |
//! |---|---|
//! | `runs` | the figures of both, and their nodes by type |
//! | `time` | nodes and waiting pods over time |
//! | `steps` | the way of the first pod that waited, on one clock and step by step |

mod runs;
mod steps;
mod time;

use serde_json::Value;

use super::figures::{Cents, grouped, lasting};
use super::page::{Block, Origin, Page, Section};
use super::read::{Node, Unreadable};
use super::table::{Cell, Column, Row, Table};
use super::text::{counted, sentence};
use runs::Run;

/// The page of the model of two autoscalers.
pub fn autoscalers(answer: &Value) -> Result<Page, Unreadable> {
    let answer = Node::root("model of the autoscalers", answer);
    let runs = answer.list("runs")?.iter().map(runs::read).collect::<Result<Vec<_>, _>>()?;
    let until = answer.integer("until_seconds")?;
    let region = answer.text("region")?;
    let mut sections = vec![runs::section(&runs)];
    sections.push(time::section(&runs, until));
    sections.extend(steps::section(&runs));
    sections.push(runs::by_type(&runs));
    sections.push(parameters(&answer)?);
    sections.extend(outside(&answer)?);
    sections.push(super::coverage::section(&answer, "types that Karpenter may launch")?);
    let heading = sentence(&answer.text("title")?).trim_end_matches('.').to_owned();
    Ok(Page {
        title: format!("{heading}, {region}"),
        origin: Origin { words: answer.text("source")?, is_sandbox: false },
        heading,
        answer: verdict(&runs),
        besides: besides(&answer, &runs)?,
        about: vec![
            counted(answer.integer("pod_count")?, "pod", "pods"),
            counted(answer.integer("event_count")?, "event", "events"),
            format!("{} on the clock", lasting(until)),
            region,
            answer.text("money")?,
        ],
        sections,
    })
}

/// Who costs less and whose pods wait less, in words.
fn verdict(runs: &[Run]) -> String {
    let [one, other] = runs else {
        return "There are no two runs to be held against each other.".to_owned();
    };
    let costs = match (one.total, other.total) {
        (Some(left), Some(right)) if Cents::of(left) == Cents::of(right) => {
            format!("Both cost {}\u{a0}$", Cents::of(left).text())
        }
        (Some(left), Some(right)) => {
            let (less, more) = if left < right { (one, other) } else { (other, one) };
            let money =
                |run: &Run| run.total.map(|total| Cents::of(total).text()).unwrap_or_default();
            format!(
                "{} costs {}\u{a0}$, {} {}\u{a0}$",
                less.title,
                money(less),
                more.title,
                money(more)
            )
        }
        _ => "A price is missing, so costs cannot be held against each other".to_owned(),
    };
    // Half of the pods often find room at once; the slow ones are what an autoscaler is judged by.
    match (one.pending.most, other.pending.most) {
        (Some(left), Some(right)) if left != right => {
            let (fast, slow) = if left < right { (one, other) } else { (other, one) };
            let most = |run: &Run| run.pending.most.map(lasting).unwrap_or_default();
            format!(
                "{costs}; 95 of 100 pods wait at most {} with {}, {} with {}.",
                most(fast),
                fast.title,
                most(slow),
                slow.title
            )
        }
        (Some(left), Some(_)) => {
            format!("{costs}; 95 of 100 pods wait at most {} with either.", lasting(left))
        }
        _ => format!("{costs}; the waiting cannot be held against each other."),
    }
}

fn besides(answer: &Node<'_>, runs: &[Run]) -> Result<Vec<String>, Unreadable> {
    let mut besides = vec![
        "This is a model: the same pods, the same launch times, two autoscalers. Nothing of it was measured on a cluster."
            .to_owned(),
    ];
    for run in runs {
        if let Some((pod, _)) = run.not_held.first() {
            let count = i64::try_from(run.not_held.len()).unwrap_or(i64::MAX);
            besides.push(format!(
                "{} has no node for {}, the first is {pod}.",
                run.title,
                counted(count, "pod", "pods")
            ));
        }
        if run.total.is_none() {
            let reason = run.reason.clone().unwrap_or_else(|| "a node has no price".to_owned());
            besides.push(format!("{} has no total: {reason}.", run.title));
        }
    }
    besides.extend(super::coverage::warnings(answer)?);
    Ok(besides)
}

fn parameters(answer: &Node<'_>) -> Result<Section, Unreadable> {
    let columns = vec![Column::words("what"), Column::words("value"), Column::words("of")];
    let mut table = Table::new("Every parameter of the model", columns);
    for one in answer.list("parameters")? {
        let of = match one.text("of")?.as_str() {
            "cluster_autoscaler" => "Cluster Autoscaler".to_owned(),
            "karpenter" => "Karpenter".to_owned(),
            other => other.to_owned(),
        };
        table.add(Row::plain(vec![
            Cell::Text(one.text("name")?),
            Cell::Text(one.text("value")?),
            Cell::Text(of),
        ]));
    }
    let count = grouped(table.rows.len() as i128);
    Ok(Section::new("parameters", "What was assumed")
        .with(Block::Text(format!("{count} parameters, each of which can be set otherwise.")))
        .with(Block::Table(table)))
}

fn outside(answer: &Node<'_>) -> Result<Option<Section>, Unreadable> {
    let mut section = Section::new("outside", "Not in these figures");
    for (title, field) in [("Not modelled", "not_modelled"), ("To be known", "notes")] {
        let items = answer.texts(field)?;
        if !items.is_empty() {
            section.blocks.push(Block::Heading(title.to_owned()));
            section.blocks.push(Block::List(items));
        }
    }
    Ok((!section.blocks.is_empty()).then_some(section))
}
