//! A comparison for a pull request.

use super::{Comparison, in_words};
use crate::answer::written::harmless;

/// A cell: nothing in it ends the cell or the line, or is markup.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for one in harmless(text).chars() {
        match one {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' => {
                safe.push('\\');
                safe.push(one);
            }
            other => safe.push(other),
        }
    }
    safe
}

pub(super) fn markdown(comparison: &Comparison) -> String {
    let mut text = format!(
        "## NodeLess or nodes?\n\nworkloads: {}, pods: {} · {} · {} · nodes {}\n\n",
        comparison.workload_count,
        comparison.pod_count,
        comparison.region,
        comparison.money,
        comparison.node_shape
    );
    text.push_str("| side | $/month | against NodeLess | verdict |\n|---|---:|---:|---|\n");
    for side in &comparison.sides {
        let verdict = comparison.verdicts.iter().find(|one| one.side == side.side);
        let against = verdict
            .and_then(|one| one.difference_percent)
            .map(|percent| format!("{percent:+.1} %"))
            .unwrap_or_default();
        let total = side.total.map_or_else(|| "none".to_owned(), |total| total.dollars(2));
        let words = verdict.map(|one| in_words(one.answer)).unwrap_or_default();
        text.push_str(&format!("| {} | {total} | {against} | {words} |\n", side.title));
    }
    for side in &comparison.sides {
        text.push_str(&format!("\n<details><summary>{}: every line</summary>\n\n", side.title));
        text.push_str("| what | count | hours | $/month |\n|---|---:|---:|---:|\n");
        for line in &side.lines {
            let amount = line.usd_per_month.map_or_else(
                || cell(line.reason.as_deref().unwrap_or_default()),
                |dollars| format!("{dollars:.2}"),
            );
            text.push_str(&format!(
                "| {} | {} | {} | {amount} |\n",
                cell(&line.what),
                line.count,
                line.hours
            ));
        }
        for one in &side.not_held {
            text.push_str(&format!(
                "| not held: {}: {} | | | |\n",
                cell(&one.name),
                cell(&one.reason)
            ));
        }
        text.push_str("\n</details>\n");
    }
    let lists = [
        ("Not simulated", &comparison.not_simulated),
        ("Named, not priced", &comparison.not_priced),
        ("Same on every side", &comparison.same_on_every_side),
        ("Notes", &comparison.notes),
    ];
    for (title, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(&format!("\n**{title}**\n\n"));
        for line in *lines {
            text.push_str(&format!("- {}\n", cell(line)));
        }
    }
    text
}
