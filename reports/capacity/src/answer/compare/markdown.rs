//! A comparison for a pull request.

use super::{Comparison, VerdictAnswer, in_words};
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
        "## NodeLess or nodes?\n\n{}\n\nfrom {} · workloads: {}, pods: {} · {} · {} · nodes {}\n\n",
        cell(&comparison.headline),
        cell(&comparison.source),
        comparison.workload_count,
        comparison.pod_count,
        comparison.region,
        comparison.money,
        comparison.node_shape
    );
    text.push_str(
        "| side | $/month | cold batch | system layer | against NodeLess | verdict |\n|---|---:|---:|---:|---:|---|\n",
    );
    for side in &comparison.sides {
        let verdict = comparison.verdicts.iter().find(|one| one.side == side.side);
        let against = verdict
            .and_then(|one| one.difference_percent)
            .map(|percent| format!("{percent:+.1} %"))
            .unwrap_or_default();
        let total = side.total.map_or_else(|| "none".to_owned(), |total| total.dollars(2));
        let words = verdict.map(|one| in_words(one.answer)).unwrap_or_default();
        let cold = side.cold.as_ref().and_then(|cold| cold.usd_per_month);
        text.push_str(&format!(
            "| {} | {total} | {} | {} | {against} | {words} |\n",
            side.title,
            dollars(cold),
            dollars(side.system.usd_per_month)
        ));
    }
    for verdict in &comparison.verdicts {
        text.push_str(&judged(verdict, comparison));
    }
    text.push_str(&workloads(comparison));
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
                hours(line.hours)
            ));
        }
        for one in &side.not_held {
            text.push_str(&format!(
                "| not held: {}: {} | | | |\n",
                cell(&one.name),
                cell(&one.reason)
            ));
        }
        if !side.notes.is_empty() {
            text.push('\n');
        }
        for note in &side.notes {
            text.push_str(&format!("- {}\n", cell(note)));
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

fn dollars(amount: Option<f64>) -> String {
    amount.map(|dollars| format!("{dollars:.2}")).unwrap_or_default()
}

/// `730`, `7.6`.
fn hours(hours: f64) -> String {
    let text = format!("{hours:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A verdict with its tornado.
fn judged(verdict: &VerdictAnswer, comparison: &Comparison) -> String {
    let side = comparison.sides.iter().find(|side| side.side == verdict.side);
    let title = side.map_or(verdict.side, |side| side.title);
    let mut text = format!("\n**{title}**: {}", in_words(verdict.answer));
    match (verdict.difference_percent, verdict.uncertainty_percent, &verdict.reason) {
        (Some(difference), Some(uncertainty), _) => text.push_str(&format!(
            " ({difference:+.1} % against NodeLess, the uncertainty is {uncertainty:.1} %)"
        )),
        (_, _, Some(reason)) => text.push_str(&format!(": {}", cell(reason))),
        _ => {}
    }
    let shapes: Vec<String> = verdict
        .by_node_shape
        .iter()
        .map(|one| format!("{}: {}", one.node_shape, in_words(one.answer)))
        .collect();
    text.push_str(&format!(" · nodes {}\n", shapes.join(", ")));
    if verdict.tornado.is_empty() {
        return text;
    }
    text.push_str("\n| lever | billed | from | to | difference $/month | break-even |\n|---|---|---|---|---:|---|\n");
    for bar in &verdict.tornado {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {:+.2} to {:+.2} | {} |\n",
            cell(&bar.lever),
            cell(&bar.base),
            cell(&bar.low.setting),
            cell(&bar.high.setting),
            bar.low.difference_usd,
            bar.high.difference_usd,
            cell(bar.break_even.as_deref().unwrap_or("none"))
        ));
    }
    text
}

/// Each workload, and the moves that save most.
fn workloads(comparison: &Comparison) -> String {
    let mut text = String::from(
        "\n<details><summary>each workload</summary>\n\n| workload | pods | hours | size on Fargate | Fargate $/month | nodes $/month | break-even | cheaper on |\n|---|---:|---:|---|---:|---:|---:|---|\n",
    );
    for row in &comparison.workloads {
        let reason = row.reason.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            cell(&row.workload),
            row.pods,
            hours(row.hours),
            cell(row.fargate_size.as_deref().unwrap_or(reason)),
            dollars(row.fargate_usd_per_month),
            dollars(row.karpenter_usd_per_month),
            row.break_even_percent.map(|one| format!("{one:.0} %")).unwrap_or_default(),
            row.cheaper.unwrap_or_default()
        ));
    }
    text.push_str("\n</details>\n");
    if comparison.moves.is_empty() {
        return text;
    }
    text.push_str("\n<details><summary>what smaller requests save on Fargate</summary>\n\n| workload | by | from | to | asks for at most | saves $/month |\n|---|---|---|---|---|---:|\n");
    for one in &comparison.moves {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {}m/{}Mi | {:.2} |\n",
            cell(&one.workload),
            one.by,
            one.from,
            one.to,
            one.cpu_at_most_m,
            one.memory_at_most_mib,
            one.saves_usd_per_month
        ));
    }
    text.push_str("\n</details>\n");
    text
}
