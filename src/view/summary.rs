//! The last lines of a run: how it ended, where it ran, and what to type next.

use std::collections::BTreeSet;
use std::time::Duration;

use runbook_core::event::{Outcome, TaskState};
use runbook_core::execute::{RunReport, TaskReport};
use runbook_core::fact::Fact;
use runbook_core::failure::Failure;
use runbook_core::plan::{Kind, Plan};

use super::{value, words};
use crate::style::{Meaning, Style};

/// Where a run ran and how long somebody waited for it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `<runbook>/<instance>`.
    pub(crate) owner: String,
    /// Where, for a person: `the sandbox`, `aws 111122223333 ap-northeast-2`.
    pub(crate) target: String,
    /// Whether the world's time is simulated.
    pub(crate) simulated: bool,
    /// Real time from start to end.
    pub(crate) waited: Duration,
}

/// The end of a run: the failures in full, then one line with the outcome.
pub(crate) fn run(report: &RunReport, place: &Place, style: &Style) -> String {
    let mut lines = Vec::new();
    for task in report.tasks.iter().filter(|task| task.state == TaskState::Failed) {
        lines.extend(failed(task, style));
    }
    for task in report.tasks.iter().filter(|task| asks(task)) {
        let why = task.because.as_deref().unwrap_or("was interrupted");
        let sign = style.paint(Meaning::Changed, "◆");
        lines.push(format!("{sign} {}   {}", task.address, words::one_line(why)));
    }
    lines.extend(next(report));
    lines.push(outcome(report, place, style));
    words::lines(lines)
}

/// Interrupted, and not merely because the person stopped the run.
fn asks(task: &TaskReport) -> bool {
    task.state == TaskState::Interrupted && task.because.as_deref() != Some("the run was cancelled")
}

fn failed(task: &TaskReport, style: &Style) -> Vec<String> {
    if let Some(failure) = &task.failure {
        return failure_lines(&task.address, failure, style);
    }
    let why = task.because.as_deref().unwrap_or("failed");
    let sign = style.paint(Meaning::Bad, "✗");
    vec![format!("{sign} {}   {}", words::one_line(&task.address), words::one_line(why))]
}

fn failure_lines(address: &str, failure: &Failure, style: &Style) -> Vec<String> {
    let sign = style.paint(Meaning::Bad, "✗");
    let address = words::one_line(address);
    let mut message = words::one_line(&failure.message);
    if let Some(code) = failure.code.as_ref().filter(|code| !message.contains(code.as_str())) {
        message.push_str(&format!(" ({})", words::one_line(code)));
    }
    let mut lines = vec![format!("{sign} {}   {message}", style.paint(Meaning::Strong, &address))];
    lines.extend(failure.evidence.iter().map(|line| format!("    {}", words::one_line(line))));
    lines.extend(failure.hint.iter().map(|hint| format!("    {}", words::one_line(hint))));
    lines
}

/// What to type next.
fn next(report: &RunReport) -> Vec<String> {
    let run = &report.run;
    let done = count(report, TaskState::Succeeded);
    let resume = format!("runbook resume {run}");
    let mut lines = match report.outcome {
        Outcome::Succeeded => Vec::new(),
        Outcome::Failed => {
            let mut after = vec![format!("{} done", words::count(done, "task"))];
            let blocked = count(report, TaskState::Blocked);
            if blocked > 0 {
                after.push(format!("{blocked} blocked"));
            }
            after.push("nothing will be repeated".to_owned());
            vec![format!("    → {resume}          carries on from here; {}", after.join(", "))]
        }
        Outcome::Cancelled => vec![format!(
            "    → {resume}          carries on from here; {} done",
            words::count(done, "task")
        )],
        Outcome::Paused => {
            vec![format!("    → {resume}          carries on when you have looked")]
        }
        Outcome::Uncovered => {
            vec!["    → runbook plan           what is there now, and what would change".to_owned()]
        }
    };
    if let Some(task) = report.tasks.iter().find(|task| task.state == TaskState::Failed) {
        lines.push(format!("      runbook show {run} --task {} --requests", quoted(&task.address)));
    }
    lines
}

/// An address as a shell takes it.
fn quoted(address: &str) -> String {
    if address.contains(['"', '[', ' ', '\'', '$', '`', '\\']) {
        format!("'{}'", address.replace('\'', r"'\''"))
    } else {
        address.to_owned()
    }
}

fn count(report: &RunReport, state: TaskState) -> usize {
    report.tasks.iter().filter(|task| task.state == state).count()
}

fn outcome(report: &RunReport, place: &Place, style: &Style) -> String {
    let (sign, meaning, what) = match report.outcome {
        Outcome::Succeeded => ("✓", Meaning::Good, succeeded(report)),
        Outcome::Failed => ("✗", Meaning::Bad, unfinished(report)),
        Outcome::Uncovered => (
            "✗",
            Meaning::Bad,
            format!("stopped, the plan did not cover what is there: {}", unfinished(report)),
        ),
        Outcome::Paused => {
            ("◆", Meaning::Changed, format!("waits for you: {}", unfinished(report)))
        }
        Outcome::Cancelled => ("◆", Meaning::Changed, format!("cancelled: {}", unfinished(report))),
    };
    let changed_nothing = report.outcome == Outcome::Succeeded && report.counts.changed == 0;
    let time = match (place.simulated, changed_nothing) {
        (_, true) => words::waited(place.waited),
        (true, false) => {
            format!("{} simulated in {}", words::duration(report.took), words::waited(place.waited))
        }
        (false, false) => words::duration(report.took),
    };
    let line = format!(
        "{} {}: {what} · {time} · on {}",
        style.paint(meaning, sign),
        style.paint(Meaning::Strong, &words::one_line(&place.owner)),
        words::one_line(&place.target)
    );
    words::prose(&line, style)
}

fn succeeded(report: &RunReport) -> String {
    let skipped = count(report, TaskState::Skipped);
    let converged = words::count(report.tasks.len() - skipped, "task");
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    match report.counts.changed {
        0 => format!("nothing to change, {converged} converged{skipped}"),
        changed => format!("{converged}, {changed} changed{skipped}"),
    }
}

/// `31 of 44 tasks done, 1 failed, 2 blocked`
fn unfinished(report: &RunReport) -> String {
    let done = count(report, TaskState::Succeeded) + count(report, TaskState::Skipped);
    let mut text = format!("{done} of {} done", words::count(report.tasks.len(), "task"));
    for (state, word) in [
        (TaskState::Failed, "failed"),
        (TaskState::Interrupted, "interrupted"),
        (TaskState::Blocked, "blocked"),
        (TaskState::Pending, "not started"),
    ] {
        let number = count(report, state);
        if number > 0 {
            text.push_str(&format!(", {number} {word}"));
        }
    }
    text
}

/// One line when a plan has nothing to do.
pub(crate) fn nothing_to_change(plan: &Plan, place: &Place, style: &Style) -> String {
    let skipped = plan.tasks.iter().filter(|task| task.kind == Kind::Skipped).count();
    let converged = words::count(plan.tasks.len() - skipped, "task");
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    format!(
        "{} {}: nothing to change, {converged} converged{skipped} · {} · on {}",
        style.paint(Meaning::Good, "✓"),
        style.paint(Meaning::Strong, &words::one_line(&place.owner)),
        words::waited(place.waited),
        words::one_line(&place.target)
    )
}

/// Why there is no plan: what the world answered, task by task.
pub(crate) fn not_planned(failures: &[(String, Failure)], style: &Style) -> String {
    // What is wrong with a connection is wrong for each task of it, and is said once.
    let mut alike: Vec<(Vec<&str>, &Failure)> = Vec::new();
    for (address, failure) in failures {
        match alike.iter_mut().find(|(_, known)| *known == failure) {
            Some((addresses, _)) => addresses.push(address),
            None => alike.push((vec![address], failure)),
        }
    }
    let mut lines: Vec<String> = alike
        .iter()
        .flat_map(|(addresses, failure)| failure_lines(&words::some(addresses, 3), failure, style))
        .collect();
    lines.push(format!(
        "{} could not be looked at; nothing was written",
        words::count(failures.len(), "task")
    ));
    words::lines(lines)
}

/// A plan that does not hold any more: the facts that moved, old and new.
///
/// `again` is the command that makes a new plan.
pub(crate) fn stale(
    plan: &Plan,
    moved: &[(&Fact, Option<&Fact>)],
    again: &str,
    style: &Style,
) -> String {
    let made = plan.world_time.strftime("%H:%M").to_string();
    let mut lines = vec![format!(
        "{} the plan {} is stale: {} of {} moved since {made}; nothing was written",
        style.paint(Meaning::Bad, "✗"),
        plan.name(),
        words::thousands(moved.len()),
        words::count(plan.facts.len(), "fact"),
    )];
    lines.extend(moved.iter().map(|(old, new)| {
        let readers = words::some(&old.read_by, 2);
        format!("    {}      read by {readers}", moved_fact(old, *new))
    }));
    lines.push(format!("    → {again}"));
    words::lines(lines)
}

/// `iam.role myeks-cluster  trust   a → b`; the field without a name is the object's presence.
fn moved_fact(old: &Fact, new: Option<&Fact>) -> String {
    let object = format!("{} {}", old.key.kind, words::one_line(&old.key.identity));
    if old.key.field.is_empty() {
        let presence = |value: &serde_json::Value| {
            if value == &serde_json::Value::Bool(true) { "there" } else { "absent" }
        };
        let now = new.map_or("not seen", |fact| presence(&fact.value));
        return format!("{object}   {} → {now}", presence(&old.value));
    }
    let field = words::one_line(&old.key.field);
    let shown = |value: &serde_json::Value| words::fit(&value::masked(value), 60);
    let Some(new) = new else {
        return format!("{object}  {field}   {} → not seen", shown(&old.value));
    };
    // Of a whole object only what differs: the rest would fill the line on both sides alike.
    if let (Some(before), Some(now)) = (old.value.as_object(), new.value.as_object()) {
        let none = serde_json::Value::from("(none)");
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let moved: Vec<String> = keys
            .into_iter()
            .map(|key| (key, before.get(key).unwrap_or(&none), now.get(key).unwrap_or(&none)))
            .filter(|(_, before, now)| before != now)
            .map(|(key, before, now)| {
                format!("{}: {} → {}", words::one_line(key), shown(before), shown(now))
            })
            .collect();
        return format!("{object}  {field}   {}", words::some(&moved, 3));
    }
    format!("{object}  {field}   {} → {}", shown(&old.value), shown(&new.value))
}

#[cfg(test)]
mod tests;
