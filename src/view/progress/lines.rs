//! The lines of progress, from what is known of the run.

use std::time::Duration;

use runbook_core::event::{Body, Event, Step, TaskState};
use runbook_core::plan::Kind;

use super::board::{Board, Closed, Open, doing, done, waits};
use crate::style::{Meaning, Style};
use crate::view::words;

/// So many tasks are shown at once on a terminal.
const MOST_ROWS: usize = 12;
/// Columns of the bar.
const BAR: usize = 30;
/// The bar shrinks to this before it goes.
const LEAST_BAR: usize = 8;

/// The line of a change of state, when the event is one that people follow.
pub(super) fn change(board: &Board, event: &Event, style: &Style) -> Option<String> {
    let address = words::one_line(event.address.as_deref().unwrap_or_default());
    let (sign, meaning, text) = match &event.body {
        Body::RunStarted { owner, tasks, .. } => {
            // As the last line counts them: what is skipped is not among the tasks.
            let skipped = board.skipped();
            let tasks = words::count_of(tasks.saturating_sub(skipped), "task");
            let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
            ("▶", Meaning::Running, format!("run {} of {owner}, {tasks}{skipped}", event.run))
        }
        Body::RunResumed { skipped } => {
            let text =
                format!("run {} goes on, {} done", event.run, words::count_of(*skipped, "task"));
            ("▶", Meaning::Running, text)
        }
        Body::TaskWaiting { reason } => {
            ("◔", Meaning::Waiting, format!("{address} {}", waits(reason)))
        }
        Body::Step(Step::Intended { action, .. }) => {
            ("▶", Meaning::Running, format!("{address} {}", doing(*action)))
        }
        Body::Step(Step::Ambiguous { failure }) => (
            "◔",
            Meaning::Waiting,
            format!(
                "{address} may have happened, looking again: {}",
                words::first_line(&failure.message)
            ),
        ),
        Body::Decided { what } => ("▶", Meaning::Running, format!("{address} {what}")),
        Body::CancelRequested { signal } => {
            ("◆", Meaning::Changed, format!("{signal}: nothing new starts"))
        }
        Body::TaskFinished { .. } => {
            let closed = board.closed(event.address.as_deref()?)?;
            let kind = board.planned(event.address.as_deref()?).map(|(_, kind)| kind);
            finished(&address, closed, kind)?
        }
        _ => return None,
    };
    let watch = words::watch(board.elapsed());
    Some(format!("{watch} {} {}", style.paint(meaning, sign), words::one_line(&text)))
}

/// How a task ended; what the plan said already is not said again.
fn finished(
    address: &str,
    closed: &Closed,
    kind: Option<Kind>,
) -> Option<(&'static str, Meaning, String)> {
    let why = closed
        .because
        .as_deref()
        .map_or(String::new(), |why| format!(": {}", words::first_line(why)));
    match closed.state {
        TaskState::Succeeded => {
            if kind == Some(Kind::NoChange) && !closed.action.writes() {
                return None;
            }
            let took = match closed.took.as_secs() {
                0 => String::new(),
                _ => format!(" ({})", words::duration(closed.took)),
            };
            Some(("✓", Meaning::Good, format!("{address} {}{took}", done(closed.action))))
        }
        TaskState::Skipped if kind == Some(Kind::Skipped) => None,
        TaskState::Skipped => Some(("↷", Meaning::Quiet, format!("{address} skipped{why}"))),
        TaskState::Failed => Some(("✗", Meaning::Bad, format!("{address} failed{why}"))),
        TaskState::Blocked => Some(("·", Meaning::Quiet, format!("{address} blocked{why}"))),
        TaskState::Interrupted => {
            Some(("◆", Meaning::Changed, format!("{address} interrupted{why}")))
        }
        TaskState::Pending | TaskState::Running => None,
    }
}

/// The line of a failure, which is said at once.
pub(super) fn failure(event: &Event, style: &Style) -> Option<String> {
    let Body::TaskFinished { state: TaskState::Failed, because, .. } = &event.body else {
        return None;
    };
    let address = words::one_line(event.address.as_deref().unwrap_or_default());
    let why = words::first_line(because.as_deref().unwrap_or("failed"));
    // The end of the run says it in full.
    let text = words::fit(&format!("{address}   {why}"), style.width.saturating_sub(3));
    Some(format!("{} {text}", style.paint(Meaning::Bad, "✗")))
}

/// `09:42 ◔ waiting: fargate/profile["kube-system"] CREATING for 1m 30s`
pub(super) fn heartbeat(board: &Board, style: &Style) -> Option<String> {
    let all = board.under_way();
    let (address, open) = all.first()?;
    let mut text = format!(
        "waiting: {} {} for {}",
        words::one_line(address),
        open.doing,
        words::duration(board.since(open.since))
    );
    if all.len() > 1 {
        text.push_str(&format!("; and {}", words::count(all.len() - 1, "other task")));
    }
    let watch = words::watch(board.elapsed());
    Some(format!("{watch} {} {text}", style.paint(Meaning::Waiting, "◔")))
}

/// What stays on a terminal: a line per task under way, and the line of the whole.
pub(super) fn rows(board: &mut Board, style: &Style, simulated: bool) -> Vec<String> {
    // The last column stays free: some terminals wrap when it is written.
    let width = style.width.saturating_sub(1);
    let mut rows = Vec::new();
    let all = board.under_way();
    let shown: Vec<(String, &Open, String)> = all
        .iter()
        .take(MOST_ROWS)
        .map(|(address, open)| (words::one_line(address), *open, time(board, address, open)))
        .collect();
    let widest = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or_default();
    let times = widest(&mut shown.iter().map(|(_, _, time)| words::width(time)));
    let wanted = [
        widest(&mut shown.iter().map(|(address, _, _)| words::width(address))),
        widest(&mut shown.iter().map(|(_, open, _)| words::width(&open.doing))),
    ];
    let widths = words::squeeze(&wanted, 10, width.saturating_sub(2 + 2 + 2 + times));
    for (address, open, time) in &shown {
        let (sign, meaning) =
            if open.waits { ("◔", Meaning::Waiting) } else { ("▶", Meaning::Running) };
        let row = format!(
            "{} {}  {}  {}",
            style.paint(meaning, sign),
            words::left(address, widths[0]),
            words::left(&open.doing, widths[1]),
            words::right(time, times)
        );
        rows.push(row.trim_end().to_owned());
    }
    if all.len() > MOST_ROWS {
        rows.push(format!("  … and {} more", all.len() - MOST_ROWS));
    }
    rows.push(whole(board, style, simulated, width));
    rows
}

/// `6m 40s of ~9m`; a wait for a lock has no end that could be told.
fn time(board: &Board, address: &str, open: &Open) -> String {
    let since = board.since(open.since);
    if open.waits {
        return if since.as_secs() > 0 { words::duration(since) } else { String::new() };
    }
    match board.planned(address).map(|(expected, _)| expected) {
        Some(expected) if expected > Duration::ZERO => {
            format!("{} of {}", words::duration(since), words::expected(expected))
        }
        _ if since.as_secs() > 0 => words::duration(since),
        _ => String::new(),
    }
}

/// `✓ 21  ▶ 2  ◔ 1  · 20    9m 12s simulated, ETA 5m 08s    ━━━╸───  62 %`
fn whole(board: &mut Board, style: &Style, simulated: bool, width: usize) -> String {
    let counts = board.counts();
    let signs = [
        ("✓", Meaning::Good, counts.done),
        ("▶", Meaning::Running, counts.running),
        ("◔", Meaning::Waiting, counts.waiting),
        ("✗", Meaning::Bad, counts.failed),
        ("·", Meaning::Quiet, counts.rest + counts.blocked),
    ];
    let counted: Vec<(&str, Meaning, usize)> =
        signs.into_iter().filter(|(_, _, number)| *number > 0).collect();
    let plain: Vec<String> =
        counted.iter().map(|(sign, _, number)| format!("{sign} {number}")).collect();
    let painted: Vec<String> = counted
        .iter()
        .map(|(sign, meaning, number)| format!("{} {number}", style.paint(*meaning, sign)))
        .collect();
    let mut time = words::duration(board.elapsed());
    if simulated {
        time.push_str(" simulated");
    }
    let left = board.left();
    if left.as_secs() > 0 {
        time.push_str(&format!(", ETA {}", words::duration(left)));
    }
    let used = words::width(&plain.join("  ")) + 4 + words::width(&time);
    let percent = format!("{:>3} %", board.thousandths() / 10);
    let room = width.saturating_sub(used + 4 + 1 + percent.len()).min(BAR);
    let text = format!("{}    {time}", painted.join("  "));
    if room < LEAST_BAR {
        return words::fit(&text, width);
    }
    format!("{text}    {} {percent}", bar(board.thousandths(), room, style))
}

/// `━━━━╸─────`
fn bar(thousandths: usize, columns: usize, style: &Style) -> String {
    let halves = thousandths * columns * 2 / 1000;
    let mut full = "━".repeat(halves / 2);
    if halves % 2 == 1 {
        full.push('╸');
    }
    let rest = "─".repeat(columns.saturating_sub(halves.div_ceil(2)));
    format!("{}{}", style.paint(Meaning::Running, &full), style.paint(Meaning::Quiet, &rest))
}
