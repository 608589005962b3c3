//! A plan for people: grouped by call, one line per task, and the fields of what is updated.
//!
//! What is unchanged takes one line, what is skipped another; deferred tasks say what they wait
//! for; the summary counts everything apart. [`markdown`] is the same for a pull request.

pub(crate) mod cost;
mod markdown;
mod rows;

use std::collections::BTreeSet;

use runbook_core::plan::{Kind, Plan, PlannedTask};
use runbook_tasks::plan_cost::PlanCost;

use self::rows::Row;
use super::words;
use crate::style::{Meaning, Style};

pub(crate) use markdown::{escaped, render as render_markdown};

/// Between two columns.
const GAP: usize = 2;
/// No column gets narrower than this.
const LEAST: usize = 8;
/// What the details of a task get at least.
const DETAILS: usize = 14;

/// The plan as text; ends with a line end.
pub(crate) fn render(plan: &Plan, cost: Option<&PlanCost>, style: &Style) -> String {
    let mut lines: Vec<String> = words::wrap(&heading(plan), " · ", style.width, 2)
        .iter()
        .map(|line| style.paint(Meaning::Strong, line))
        .collect();
    lines.extend(body(&rows::rows(&plan.tasks), style));
    lines.extend(one_line_each(plan, style));
    let room = style.width.saturating_sub(2);
    lines.extend(
        words::wrap(&summary(plan), ", ", room, 2)
            .into_iter()
            .chain(time(plan, room))
            .chain(cost_lines(plan, cost, room))
            .map(|line| words::fit(&format!("  {line}"), style.width)),
    );
    words::lines(lines)
}

/// `plan for nodeless/myeks · aws 111122223333 ap-northeast-2`, in parts.
fn heading(plan: &Plan) -> Vec<String> {
    let mut parts = vec![format!("plan for {}", words::one_line(&plan.owner))];
    if plan.target.connections.is_empty() {
        parts.push(format!("on {}", plan.target.on));
    }
    parts.extend(plan.target.connections.iter().map(|connection| words::one_line(connection)));
    parts
}

fn body(rows: &[Row], style: &Style) -> Vec<String> {
    let widest = |cell: fn(&Row) -> &str| {
        rows.iter().map(|row| words::width(cell(row))).max().unwrap_or_default()
    };
    let sign = widest(|row| row.sign);
    let expected = widest(|row| &row.expected);
    let wanted = [
        widest(|row| &row.group),
        widest(|row| &row.module),
        widest(|row| &row.subject),
        widest(|row| &row.detail),
    ];
    // Before each column a gap; the line begins with one.
    let fixed = GAP * 6 + sign + expected;
    // What it is comes before what is said about it: the details take what is left.
    let available = style.width.saturating_sub(fixed);
    let details = wanted[3].min(DETAILS);
    let mut widths = words::squeeze(&wanted[..3], LEAST, available.saturating_sub(details));
    widths.push(wanted[3].min(available.saturating_sub(widths.iter().sum())).max(details));
    let gap = " ".repeat(GAP);
    let mut lines = Vec::with_capacity(rows.len());
    let mut group = "";
    for row in rows {
        let shown = if row.group == group { "" } else { row.group.as_str() };
        group = &row.group;
        let mut line = String::with_capacity(style.width);
        for cell in [
            words::left(shown, widths[0]),
            style.paint(row.meaning, &words::left(row.sign, sign)),
            words::left(&row.module, widths[1]),
            words::left(&row.subject, widths[2]),
            style.paint(Meaning::Quiet, &words::left(&row.detail, widths[3])),
            words::right(&row.expected, expected),
        ] {
            line.push_str(&gap);
            line.push_str(&cell);
        }
        lines.push(line);
        let indent = GAP * 3 + widths[0] + sign;
        for line in &row.below {
            let line = words::fit_path(line, style.width.saturating_sub(indent));
            lines.push(format!("{}{line}", " ".repeat(indent)));
        }
    }
    // A quiet, empty cell leaves escape sequences at the end; a line ends with what it says.
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Unchanged and skipped tasks, and orphans.
fn one_line_each(plan: &Plan, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    let of = |kind: Kind| -> Vec<&PlannedTask> {
        plan.tasks.iter().filter(|task| task.kind == kind).collect()
    };
    let unchanged = of(Kind::NoChange);
    if !unchanged.is_empty() {
        let text =
            format!("{} converged, nothing to change", words::count(unchanged.len(), "task"));
        lines.push(format!("  {} {text}", style.paint(Meaning::Good, "✓")));
    }
    let skipped = of(Kind::Skipped);
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.iter().map(|task| task.address.as_str()).collect();
        let reasons: BTreeSet<&str> =
            skipped.iter().flat_map(|task| &task.reasons).map(String::as_str).collect();
        let mut text =
            format!("{} skipped: {}", words::count(skipped.len(), "task"), words::some(&names, 4));
        if let [reason] = reasons.iter().collect::<Vec<_>>()[..] {
            text.push_str(&format!(" ({})", words::one_line(reason)));
        }
        let text = words::fit(&text, style.width.saturating_sub(4));
        lines.push(format!("  {} {text}", style.paint(Meaning::Quiet, "↷")));
    }
    if !plan.orphans.is_empty() {
        let text = format!(
            "{} of ours that nothing declares any more; nothing deletes what is listed here",
            words::count(plan.orphans.len(), "object")
        );
        let text = words::fit(&text, style.width.saturating_sub(4));
        lines.push(format!("  {} {text}", style.paint(Meaning::Waiting, "◆")));
    }
    for orphan in &plan.orphans {
        let text = format!("{}  {}  made as {}", orphan.module, orphan.identity, orphan.address);
        let text = words::fit(&words::one_line(&text), style.width.saturating_sub(6));
        lines.push(format!("      {text}"));
    }
    lines
}

/// `25 to create now, 19 deferred until cluster/cluster ran, 0 to change, 0 to destroy`, in parts.
fn summary(plan: &Plan) -> Vec<String> {
    if plan.is_empty() {
        return vec!["nothing to change".to_owned(), words::count(plan.tasks.len(), "task")];
    }
    let count =
        |kinds: &[Kind]| plan.tasks.iter().filter(|task| kinds.contains(&task.kind)).count();
    let checks = plan.tasks.iter().filter(|task| is_check(task)).count();
    let deferred = count(&[Kind::Deferred, Kind::Expands]) - checks;
    let mut parts = vec![format!("{} to create now", count(&[Kind::Create]))];
    if deferred > 0 {
        parts.push(format!("{deferred} deferred{}", until(plan)));
    }
    if checks > 0 {
        parts.push(format!("{} after that", words::count(checks, "check")));
    }
    for (number, what) in
        [(count(&[Kind::Conditional]), "conditional"), (count(&[Kind::Wait]), "to wait for")]
    {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    parts.push(format!("{} to change", count(&[Kind::Update])));
    let replaced = count(&[Kind::Replace]);
    if replaced > 0 {
        parts.push(format!("{replaced} to replace"));
    }
    parts.push(format!("{} to destroy", count(&[Kind::Delete])));
    parts
}

/// What all deferred tasks wait for in the end: the tasks among their needs that are not deferred
/// themselves.
fn until(plan: &Plan) -> String {
    let open: BTreeSet<&str> = plan
        .tasks
        .iter()
        .filter(|task| is_open(task.kind))
        .map(|task| task.address.as_str())
        .collect();
    let roots: BTreeSet<&str> = plan
        .tasks
        .iter()
        .filter(|task| is_open(task.kind))
        .flat_map(|task| &task.waits_for)
        .map(String::as_str)
        .filter(|address| !open.contains(address))
        .collect();
    match roots.len() {
        0 => String::new(),
        1..=2 => {
            let roots: Vec<&str> = roots.into_iter().collect();
            format!(" until {} ran", words::list(&roots))
        }
        more => format!(" until {more} of these ran"),
    }
}

fn is_open(kind: Kind) -> bool {
    matches!(kind, Kind::Deferred | Kind::Expands | Kind::Conditional)
}

/// A deferred task that can only look.
fn is_check(task: &PlannedTask) -> bool {
    use runbook_core::change::Action;
    matches!(task.kind, Kind::Deferred | Kind::Expands)
        && !task.may.is_empty()
        && task.may.iter().all(|action| *action == Action::None)
}

/// How long it takes, and along which way: a way that does not fit beside the time has a line of
/// its own.
fn time(plan: &Plan, width: usize) -> Vec<String> {
    let estimate = &plan.estimate;
    if estimate.duration.as_secs() == 0 || plan.is_empty() {
        return Vec::new();
    }
    let whose = match plan.target.on.as_str() {
        "sandbox" => " of simulated time",
        "aws" => " of AWS's time",
        _ => "",
    };
    let text = format!("about {}{whose}", words::duration(estimate.duration));
    if estimate.critical_path.len() < 2 {
        return vec![text];
    }
    let text = format!("{text}; the critical path is");
    let beside = format!("{text} {}", estimate.critical_path.join(" → "));
    if words::width(&beside) <= width {
        return vec![beside];
    }
    let below = path(&estimate.critical_path, width.saturating_sub(2));
    vec![text, format!("  {below}")]
}

/// The path, its middle left out where it does not fit.
fn path(addresses: &[String], room: usize) -> String {
    let mut text = addresses.join(" → ");
    let mut left_out = 0;
    while words::width(&text) > room && left_out + 2 < addresses.len() {
        left_out += 1;
        let first = (addresses.len() - left_out).div_ceil(2);
        let last = &addresses[first + left_out..];
        let mut parts: Vec<&str> = addresses[..first].iter().map(String::as_str).collect();
        parts.push("…");
        parts.extend(last.iter().map(String::as_str));
        text = parts.join(" → ");
    }
    text
}

/// What it adds to the month; without prices, what it bills from then on, in words.
fn cost_lines(plan: &Plan, cost: Option<&PlanCost>, width: usize) -> Vec<String> {
    match cost {
        Some(_) if plan.is_empty() => Vec::new(),
        Some(cost) => cost::lines(cost, width),
        None => bills(plan),
    }
}

/// What it bills from then on, in words.
fn bills(plan: &Plan) -> Vec<String> {
    plan.tasks
        .iter()
        .filter(|task| matches!(task.kind, Kind::Create | Kind::Replace))
        .filter_map(|task| {
            let words = task.bills.as_ref()?;
            Some(format!("bills  {words}: {} {}", task.module, words::one_line(&task.subject)))
        })
        .collect()
}

#[cfg(test)]
mod tests;
