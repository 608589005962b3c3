//! A comparison for people: the bills, the verdicts, what would decide them.

use runbook_capacity::answer::compare::tornado::COLUMNS;
use runbook_capacity::answer::compare::{Comparison, SideAnswer, VerdictAnswer, in_words};
use runbook_capacity::answer::written::harmless;

use crate::commands::capacity::remark;
use crate::commands::capacity::table::{Align, table};
use crate::style::{Meaning, Style};

/// Workloads that are shown one by one; JSON has them all.
const MOST_WORKLOADS: usize = 20;
/// Levers that are shown for a verdict.
const MOST_LEVERS: usize = 4;

pub(super) fn text(comparison: &Comparison, style: Style) -> String {
    let mut text = headline(comparison, style);
    text.push_str(&bills(comparison));
    text.push('\n');
    for verdict in &comparison.verdicts {
        text.push_str(&judged(verdict, comparison, style));
    }
    text.push('\n');
    text.push_str(&tornado(comparison, style));
    text.push_str(&workloads(comparison, style));
    text.push_str(&moves(comparison));
    text.push_str(&missing(comparison, style));
    for side in &comparison.sides {
        for note in &side.notes {
            text.push_str(&remark(style, &format!("{:<16}", side.title), note));
        }
    }
    let labelled = [
        ("same everywhere ", &comparison.same_on_every_side),
        ("not priced      ", &comparison.not_priced),
        ("not simulated   ", &comparison.not_simulated),
        ("note            ", &comparison.notes),
    ];
    for (label, lines) in labelled {
        for line in lines {
            text.push_str(&remark(style, label, line));
        }
    }
    text.push_str(&remark(style, "prices          ", &comparison.prices.sentence("prices")));
    text
}

fn headline(comparison: &Comparison, style: Style) -> String {
    let question = style.paint(Meaning::Strong, "nodeless or nodes?");
    format!(
        "{question}   workloads: {}, pods: {} · {} · from {}\n{} · a month of {} h · nodes {}\n\n",
        comparison.workload_count,
        comparison.pod_count,
        comparison.region,
        harmless(&comparison.source),
        comparison.money,
        comparison.hours_per_month,
        comparison.node_shape
    )
}

fn bills(comparison: &Comparison) -> String {
    let rows: Vec<Vec<String>> = comparison
        .sides
        .iter()
        .map(|side| {
            let verdict = comparison.verdicts.iter().find(|one| one.side == side.side);
            let against = verdict.and_then(|one| share(one.difference_usd, comparison));
            vec![
                side.title.to_owned(),
                total(side),
                against.map(signed).unwrap_or_default(),
                side.nodes.to_string(),
                side.fullness_percent.map(|one| format!("{one:.0} %")).unwrap_or_default(),
            ]
        })
        .collect();
    let columns = [
        ("", Align::Left),
        ("$/month", Align::Right),
        ("against NodeLess", Align::Right),
        ("nodes", Align::Right),
        ("full", Align::Right),
    ];
    let mut text = table(&columns, &rows);
    for side in &comparison.sides {
        if let (Some(low), Some(high)) = (side.usd_per_month_low, side.usd_per_month_high) {
            text.push_str(&format!("  {}: {low:.2} to {high:.2} by what was seen\n", side.title));
        }
    }
    text
}

fn total(side: &SideAnswer) -> String {
    side.total.map_or_else(|| "none".to_owned(), |total| total.dollars(2))
}

/// Dollars in per cent of the first side's, rounded once when they are written: the answer's own
/// percentages are rounded already.
fn share(usd: Option<f64>, comparison: &Comparison) -> Option<f64> {
    let first = comparison.sides.first()?.usd_per_month.filter(|first| *first > 0.0)?;
    Some(usd? / first * 100.0)
}

fn signed(percent: f64) -> String {
    let sign = if percent < 0.0 { '−' } else { '+' };
    format!("{sign} {:.1} %", percent.abs())
}

fn judged(verdict: &VerdictAnswer, comparison: &Comparison, style: Style) -> String {
    let title = comparison
        .sides
        .iter()
        .find(|side| side.side == verdict.side)
        .map_or(verdict.side, |side| side.title);
    let meaning = match verdict.answer {
        "cheaper" => Meaning::Good,
        "dearer" => Meaning::Bad,
        _ => Meaning::Waiting,
    };
    let words = style.paint(meaning, in_words(verdict.answer));
    let of_first = |usd| share(usd, comparison);
    let figures = (of_first(verdict.difference_usd), of_first(verdict.uncertainty_usd));
    let mut text = match figures {
        (Some(difference), Some(uncertainty)) => format!(
            "  {title}: {words} ({}, the uncertainty is {uncertainty:.1} %)\n",
            signed(difference)
        ),
        _ => format!(
            "  {title}: {words}: {}\n",
            harmless(verdict.reason.as_deref().unwrap_or("something is missing"))
        ),
    };
    let turning: Vec<String> = verdict
        .tornado
        .iter()
        .filter(|bar| bar.turns)
        .take(MOST_LEVERS)
        .map(|bar| match &bar.break_even {
            Some(at) => format!("{} (even {at})", bar.lever),
            None => bar.lever.clone(),
        })
        .collect();
    if !turning.is_empty() {
        text.push_str(&format!("      what would decide it   {}\n", turning.join("  │  ")));
    }
    let others: Vec<String> = verdict
        .by_node_shape
        .iter()
        .filter(|one| one.answer != verdict.answer)
        .map(|one| format!("{}: {}", one.node_shape, in_words(one.answer)))
        .collect();
    if !others.is_empty() {
        text.push_str(&format!("      with nodes of          {}\n", others.join("  │  ")));
    }
    text
}

/// The levers of the nearest alternative, with their bars: the verdict that least would turn.
fn tornado(comparison: &Comparison, style: Style) -> String {
    let nearest = comparison
        .verdicts
        .iter()
        .filter(|one| !one.tornado.is_empty())
        .min_by_key(|one| one.difference_percent.map_or(i64::MAX, thousandths));
    let Some(verdict) = nearest else { return String::new() };
    let title = comparison
        .sides
        .iter()
        .find(|side| side.side == verdict.side)
        .map_or(verdict.side, |side| side.title);
    let columns: Vec<(&str, Align)> = COLUMNS.iter().map(|name| (*name, Align::Left)).collect();
    let words = format!("{title} less NodeLess, $/month: ● as billed, │ where both cost the same");
    format!(
        "{}  {}\n\n",
        table(&columns, &comparison.tornado(verdict.side)),
        style.paint(Meaning::Quiet, &words)
    )
}

/// Whole thousandths of a per cent without their sign, to compare by.
#[expect(clippy::cast_possible_truncation, reason = "a percentage far below the bounds")]
fn thousandths(percent: f64) -> i64 {
    (percent.abs() * 1000.0) as i64
}

fn workloads(comparison: &Comparison, style: Style) -> String {
    let rows: Vec<Vec<String>> = comparison
        .workloads
        .iter()
        .take(MOST_WORKLOADS)
        .map(|row| {
            vec![
                row.workload.clone(),
                row.pods.to_string(),
                row.fargate_size.clone().unwrap_or_else(|| "not on Fargate".to_owned()),
                row.fargate_usd_per_month.map(|one| format!("{one:.2}")).unwrap_or_default(),
                row.break_even_percent.map(|one| format!("{one:.0} %")).unwrap_or_default(),
                row.cheaper.unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        ("workload", Align::Left),
        ("pods", Align::Right),
        ("size on Fargate", Align::Left),
        ("$/month", Align::Right),
        ("break-even", Align::Right),
        ("cheaper on", Align::Left),
    ];
    let mut text = table(&columns, &rows);
    if comparison.workloads.len() > MOST_WORKLOADS {
        let more = comparison.workloads.len() - MOST_WORKLOADS;
        text.push_str(&format!("  and {more} more (-o json)\n"));
    }
    let meaning = "break-even: how full a node must be for the pod to be cheaper there";
    text.push_str(&format!("  {}\n\n", style.paint(Meaning::Quiet, meaning)));
    text
}

fn moves(comparison: &Comparison) -> String {
    if comparison.moves.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = comparison
        .moves
        .iter()
        .map(|one| {
            vec![
                one.workload.clone(),
                one.from.clone(),
                one.to.clone(),
                format!("{}m/{}Mi", one.cpu_at_most_m, one.memory_at_most_mib),
                format!("{:.2}", one.saves_usd_per_month),
            ]
        })
        .collect();
    let columns = [
        ("a step of Fargate's sizes", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("if it asks for at most", Align::Left),
        ("saves $/month", Align::Right),
    ];
    format!("{}\n", table(&columns, &rows))
}

/// What is on no bill, and what has no place.
fn missing(comparison: &Comparison, style: Style) -> String {
    const FEW: usize = 3;
    let mut text = String::new();
    for one in &comparison.unpriced {
        let label = style.paint(Meaning::Bad, "unpriced");
        text.push_str(&format!("{label}  {}: {}\n", harmless(&one.name), harmless(&one.reason)));
    }
    for side in &comparison.sides {
        for one in side.not_held.iter().take(FEW) {
            let label = style.paint(Meaning::Bad, "not held");
            text.push_str(&format!(
                "{label}  {}: {}: {}\n",
                side.title,
                harmless(&one.name),
                harmless(&one.reason)
            ));
        }
        if side.not_held.len() > FEW {
            let more = side.not_held.len() - FEW;
            text.push_str(&format!("          {}: and {more} more\n", side.title));
        }
    }
    text
}
