//! A plan as a comment on a pull request.

use runbook_core::plan::{Kind, Plan, PlannedTask};
use runbook_tasks::plan_cost::PlanCost;

use super::rows::{after, field, group, sign};
use super::{cost_lines, heading, is_check, one_line_each, summary, time, words};
use crate::style::Style;

/// Nobody reads a critical path beyond this, and nothing wraps it.
const WIDE: usize = 400;

/// The plan as Markdown; ends with a line end.
pub(crate) fn render(plan: &Plan, cost: Option<&PlanCost>) -> String {
    let mut text = format!(
        "### {}\n\n**{}**\n",
        escaped(&heading(plan).join(" · ")),
        escaped(&summary(plan).join(", "))
    );
    let shown: Vec<&PlannedTask> = plan
        .tasks
        .iter()
        .filter(|task| !matches!(task.kind, Kind::NoChange | Kind::Skipped))
        .collect();
    if !shown.is_empty() {
        text.push_str(
            "\n| | call | module | object | detail | expected |\n|---|---|---|---|---|--:|\n",
        );
        text.push_str(&shown.iter().map(|task| row(task)).collect::<String>());
    }
    let notes: Vec<String> =
        one_line_each(plan, &Style { colour: false, terminal: true, width: WIDE })
            .into_iter()
            .chain(time(plan, WIDE))
            .chain(cost_lines(plan, cost, WIDE))
            .collect();
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(
            &notes.iter().map(|note| format!("- {}\n", escaped(note.trim()))).collect::<String>(),
        );
    }
    text.push_str(&changes(&shown));
    text
}

fn row(task: &PlannedTask) -> String {
    let (sign, _) = sign(task.kind);
    let mut detail = vec![words::one_line(&task.detail)];
    if matches!(task.kind, Kind::Deferred | Kind::Expands | Kind::Conditional) {
        detail.push(after(&[task]));
    }
    if is_check(task) {
        detail.push("a check".to_owned());
    }
    detail.extend(task.reasons.iter().map(|reason| words::one_line(reason)));
    detail.retain(|one| !one.is_empty());
    format!(
        "| `{sign}` | {} | {} | {} | {} | {} |\n",
        escaped(group(&task.address)),
        escaped(&task.module),
        escaped(&words::one_line(&task.subject)),
        escaped(&detail.join(" · ")),
        words::expected(task.expected)
    )
}

/// What is changed in place or replaced, field by field, folded away.
fn changes(tasks: &[&PlannedTask]) -> String {
    let changed: Vec<&&PlannedTask> = tasks
        .iter()
        .filter(|task| matches!(task.kind, Kind::Update | Kind::Replace))
        .filter(|task| !task.fields.is_empty())
        .collect();
    if changed.is_empty() {
        return String::new();
    }
    let fields: usize = changed.iter().map(|task| task.fields.len()).sum();
    let mut text = format!(
        "\n<details><summary>{} of {}</summary>\n\n",
        words::count(fields, "changed field"),
        words::count(changed.len(), "task")
    );
    for task in changed {
        text.push_str(&format!("- {}\n", escaped(&task.address)));
        for one in &task.fields {
            text.push_str(&format!("  - {}\n", escaped(&field(one).join(";"))));
        }
    }
    text.push_str("\n</details>\n");
    text
}

/// Text that Markdown and HTML show as it is.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in words::one_line(text).chars() {
        match one {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // `@name` would call somebody to the pull request.
            '@' => out.push_str("&#64;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' => {
                out.push('\\');
                out.push(one);
            }
            other => out.push(other),
        }
    }
    out
}
