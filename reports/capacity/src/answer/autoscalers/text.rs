//! The answer for a terminal: figures side by side, both ways step by step, nodes over time.

use super::{AutoscalersAnswer, RunAnswer, SeriesPoint, StepAnswer};
use crate::answer::written::harmless;
use crate::plural::counted;

/// How wide a timeline is.
const COLUMNS: i64 = 60;
/// Pods without a place that are shown.
pub(super) const MOST_PODS: usize = 10;
/// Of parts of a line, how full.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn text(answer: &AutoscalersAnswer) -> String {
    let mut text = format!(
        "{}\npods: {}, events: {} · {} · from {}\n{}\n\n",
        answer.title,
        answer.pod_count,
        answer.event_count,
        answer.region,
        harmless(&answer.source),
        answer.money
    );
    let titles: Vec<String> = answer.runs.iter().map(|run| run.title.to_owned()).collect();
    let mut rows = vec![(String::new(), titles)];
    rows.extend(figures(answer));
    text.push_str(&aligned(&rows));
    text.push_str("\nnodes over time\n");
    text.push_str(&timelines(answer));
    text.push_str("\nthe first pod that waited\n");
    text.push_str(&ways(answer));
    text.push('\n');
    text.push_str(&remarks(answer));
    text
}

fn timelines(answer: &AutoscalersAnswer) -> String {
    let mut text = String::new();
    let most = answer.runs.iter().map(|run| run.peak_nodes).max().unwrap_or(0);
    let longest = answer.runs.iter().map(|run| run.title.len()).max().unwrap_or(0);
    for run in &answer.runs {
        let line = timeline(&run.series, answer.until_seconds, most);
        text.push_str(&format!("  {:<longest$}  {line}  peak {}\n", run.title, run.peak_nodes));
    }
    text.push_str(&format!(
        "  {:<longest$}  0 to {} s, a column is {} s, a full one is {}\n",
        "",
        answer.until_seconds,
        column_seconds(answer.until_seconds),
        counted(most, "node", "nodes")
    ));
    text
}

/// Pods without a place, parameters, what is left out, notes, prices.
fn remarks(answer: &AutoscalersAnswer) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for run in &answer.runs {
        let named = run.not_held.iter().take(MOST_PODS);
        lines.extend(
            named.map(|one| ("not held", format!("{}: {}: {}", run.title, one.pod, one.reason))),
        );
        lines.extend(more(run).map(|more| ("not held", format!("{}: {more}", run.title))));
    }
    lines.extend(answer.parameters.iter().map(|one| {
        let whose = one.of.replace('_', " ");
        ("parameter", format!("{whose}: {}: {}", one.name, one.value))
    }));
    lines.extend(answer.not_modelled.iter().map(|line| ("not modelled", line.clone())));
    lines.extend(answer.notes.iter().map(|line| ("note", line.clone())));
    lines.push(("prices", answer.prices.sentence("instance types")));
    let written = lines.iter().map(|(label, line)| format!("  {label:<14} {}\n", harmless(line)));
    written.collect()
}

/// How many pods without a place are not shown, if any.
pub(super) fn more(run: &RunAnswer) -> Option<String> {
    let more = run.not_held.len().saturating_sub(MOST_PODS);
    (more > 0).then(|| format!("and {more} more; JSON and CSV have them all"))
}

/// The figures of both, each with its name.
pub(super) fn figures(answer: &AutoscalersAnswer) -> Vec<(String, Vec<String>)> {
    let seconds =
        |value: Option<i64>| value.map_or_else(|| "none".to_owned(), |one| one.to_string());
    type Figure<'a> = (&'a str, &'a dyn Fn(&RunAnswer) -> String);
    let listed: [Figure<'_>; 13] = [
        ("pending pod-seconds, p50", &|run| seconds(run.pending_pod_seconds.p50)),
        ("pending pod-seconds, p95", &|run| seconds(run.pending_pod_seconds.p95)),
        ("pending pod-seconds, longest", &|run| seconds(run.pending_pod_seconds.longest)),
        ("pending pod-seconds, all pods", &|run| run.pending_pod_seconds.total.to_string()),
        ("node-hours", &|run| format!("{:.2}", run.node_hours)),
        ("node-hours billed", &|run| format!("{:.2}", run.billed_node_hours)),
        ("$", &|run| run.total.map_or_else(|| "none".to_owned(), |total| total.dollars(4))),
        ("nodes launched", &|run| run.nodes_launched.to_string()),
        ("nodes at most", &|run| run.peak_nodes.to_string()),
        ("pods evicted", &|run| run.evictions.to_string()),
        ("pods pending at the end", &|run| run.pods.pending.to_string()),
        ("pods that never ran", &|run| run.pods.never_ran.to_string()),
        ("pods lost", &|run| run.pods.lost.to_string()),
    ];
    listed
        .into_iter()
        .map(|(name, figure)| (name.to_owned(), answer.runs.iter().map(figure).collect()))
        .collect()
}

fn aligned(rows: &[(String, Vec<String>)]) -> String {
    let wide = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let first = wide(&mut rows.iter().map(|(name, _)| name));
    let columns = rows.first().map_or(0, |(_, values)| values.len());
    let widths: Vec<usize> = (0..columns)
        .map(|column| wide(&mut rows.iter().filter_map(|(_, values)| values.get(column))))
        .collect();
    let mut text = String::new();
    for (name, values) in rows {
        text.push_str(&format!("  {name:<first$}"));
        for (value, width) in values.iter().zip(&widths) {
            text.push_str(&format!("  {value:>width$}"));
        }
        text.push('\n');
    }
    text
}

const fn column_seconds(until: i64) -> i64 {
    (until + COLUMNS - 1) / COLUMNS
}

/// The most nodes of each stretch of time, of the most at all.
fn timeline(series: &[SeriesPoint], until: i64, most: usize) -> String {
    let wide = column_seconds(until).max(1);
    let mut line = String::new();
    let mut next = 0;
    let mut now = 0;
    for column in 0..(until + wide - 1) / wide {
        let end = (column + 1) * wide;
        let mut here = now;
        while let Some(point) = series.get(next).filter(|point| point.t_seconds < end) {
            // A stretch shows the most that lasted into it or began in it.
            here =
                if point.t_seconds == column * wide { point.nodes } else { here.max(point.nodes) };
            now = point.nodes;
            next += 1;
        }
        line.push(match (here * BARS.len()).div_ceil(most.max(1)) {
            0 => ' ',
            filled => BARS[filled.min(BARS.len()) - 1],
        });
    }
    line
}

/// What, and when.
type Half = Option<(String, String)>;

/// The steps of both, beside each other: those that both take stand in one row.
pub(super) fn side_by_side(answer: &AutoscalersAnswer) -> Vec<(Half, Half)> {
    let steps = |index: usize| -> &[StepAnswer] {
        answer.runs.get(index).map(|run| run.steps.as_slice()).unwrap_or_default()
    };
    let half = |step: &StepAnswer| {
        let at = match (step.t_seconds, step.after_seconds) {
            (Some(at), Some(after)) => format!("{at} s (+{after})"),
            _ => "not needed".to_owned(),
        };
        (format!("{}: {}", step.title, step.text), at)
    };
    let (left, right) = (steps(0), steps(1));
    let mut rows = Vec::new();
    let (mut at, mut from) = (0, 0);
    while at < left.len() || from < right.len() {
        let (one, other) = (left.get(at), right.get(from));
        let same = one.zip(other).is_some_and(|(one, other)| one.step == other.step);
        let is_shared =
            |step: &StepAnswer, of: &[StepAnswer]| of.iter().any(|other| other.step == step.step);
        // A step of one's own waits for nobody; a shared one waits for the other to come to it.
        let take_left = one.is_some_and(|step| same || !is_shared(step, right));
        let take_right = other.is_some_and(|step| same || !is_shared(step, left));
        let (take_left, take_right) = if take_left || take_right {
            (take_left, take_right)
        } else {
            (one.is_some(), other.is_some())
        };
        rows.push((one.filter(|_| take_left).map(half), other.filter(|_| take_right).map(half)));
        at += usize::from(take_left);
        from += usize::from(take_right);
    }
    rows
}

fn ways(answer: &AutoscalersAnswer) -> String {
    let mut text = String::new();
    for run in &answer.runs {
        let Some(pod) = &run.first_pending_pod else {
            text.push_str(&format!("  {}: no pod ever waited\n", run.title));
            continue;
        };
        text.push_str(&format!("  {}: {}\n", run.title, harmless(pod)));
        let wide = run.steps.iter().map(|step| step.title.chars().count()).max().unwrap_or(0);
        for (index, step) in run.steps.iter().enumerate() {
            let mark = if index + 1 == run.steps.len() { "└" } else { "├" };
            let when = match (step.t_seconds, step.after_seconds) {
                (Some(at), Some(after)) => format!("{at:>7} s  +{after:<5}"),
                _ => format!("{:>9}  {:<6}", "no", ""),
            };
            let what = harmless(&step.text);
            text.push_str(&format!("    {mark} {when} {:<wide$}  {what}\n", step.title));
        }
    }
    text
}
