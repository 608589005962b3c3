//! The answer for a pull request.

use super::text::{MOST_PODS, figures, more, side_by_side};
use super::{AutoscalersAnswer, RunAnswer};
use crate::answer::written::harmless;

/// A cell: nothing in it ends the cell or the line, or is markup.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for one in harmless(text).chars() {
        if matches!(one, '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>') {
            safe.push('\\');
        }
        safe.push(one);
    }
    safe
}

pub(super) fn markdown(answer: &AutoscalersAnswer) -> String {
    let mut text = format!(
        "## Model: the Cluster Autoscaler beside Karpenter\n\npods: {}, events: {} · {} · from {} · {}\n\n",
        answer.pod_count,
        answer.event_count,
        answer.region,
        cell(&answer.source),
        answer.money
    );
    text.push_str("| |");
    for run in &answer.runs {
        text.push_str(&format!(" {} |", run.title));
    }
    text.push_str("\n|---|---:|---:|\n");
    for (name, values) in figures(answer) {
        text.push_str(&format!("| {name} | {} |\n", values.join(" | ")));
    }
    text.push_str("\n**The first pod that waited, step by step**\n\n");
    text.push_str("| Cluster Autoscaler | at | Karpenter | at |\n|---|---:|---|---:|\n");
    for (left, right) in side_by_side(answer) {
        let half = |step: Option<(String, String)>| {
            step.map_or_else(|| " | ".to_owned(), |(what, at)| format!("{} | {at}", cell(&what)))
        };
        text.push_str(&format!("| {} | {} |\n", half(left), half(right)));
    }
    for run in &answer.runs {
        text.push_str(&of_run(run));
    }
    text.push_str(
        "\n<details><summary>Every parameter</summary>\n\n| of | what | value |\n|---|---|---|\n",
    );
    for one in &answer.parameters {
        text.push_str(&format!(
            "| {} | {} | {} |\n",
            cell(one.of),
            cell(&one.name),
            cell(&one.value)
        ));
    }
    text.push_str("\n</details>\n");
    let lists = [("Not modelled", &answer.not_modelled), ("Notes", &answer.notes)];
    for (title, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(&format!("\n**{title}**\n\n"));
        for line in *lines {
            text.push_str(&format!("- {}\n", cell(line)));
        }
    }
    text.push_str(&format!("\nPrices: {}.\n", answer.prices.sentence("instance types")));
    text
}

fn of_run(run: &RunAnswer) -> String {
    let mut text = format!(
        "\n<details><summary>{}: its nodes</summary>\n\n| type | bought | nodes | $/h | hours billed | $ |\n|---|---|---:|---:|---:|---:|\n",
        run.title
    );
    for one in &run.instance_types {
        let price = one.price.map_or_else(|| "none".to_owned(), |price| price.to_string());
        let usd = one.usd.map_or_else(
            || cell(one.reason.as_deref().unwrap_or_default()),
            |usd| format!("{usd:.4}"),
        );
        text.push_str(&format!(
            "| {} | {} | {} | {price} | {:.2} | {usd} |\n",
            cell(&one.instance_type),
            cell(&one.capacity_type),
            one.nodes,
            one.billed_node_hours
        ));
    }
    for one in run.not_held.iter().take(MOST_PODS) {
        text.push_str(&format!(
            "| not held: {}: {} | | | | | |\n",
            cell(&one.pod),
            cell(&one.reason)
        ));
    }
    if let Some(more) = more(run) {
        text.push_str(&format!("| not held: {more} | | | | | |\n"));
    }
    text.push_str("\n</details>\n");
    text
}
