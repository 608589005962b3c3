//! Runs of the journal: the list, and one run task by task. Both are folds of events.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use runbook_core::change::Action;
use runbook_core::event::{Body, Event, Outcome, Step, TaskState};
use runbook_core::failure::Failure;
use runbook_core::journal::{Note, Noted, RunSummary};

use super::{table, words};
use crate::style::{Meaning, Style};

/// What is shown of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Show<'a> {
    /// Only this task.
    pub(crate) task: Option<&'a str>,
    /// Requests that were tried, too.
    pub(crate) requests: bool,
    /// What the notes beside the journal say of writes that were intended.
    pub(crate) noted: Noted,
}

/// All runs, newest first as given.
pub(crate) fn list(runs: &[RunSummary], now: Timestamp, style: &Style) -> String {
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let (owner, target, tasks) = match &run.first.body {
                Body::RunStarted { owner, target, tasks, .. } => {
                    (owner.clone(), target.clone(), tasks.to_string())
                }
                _ => (String::new(), String::new(), String::new()),
            };
            let (state, changed) = match &run.last.body {
                Body::RunFinished { outcome, changed, .. } => {
                    (outcome_word(*outcome).to_owned(), changed.to_string())
                }
                // No end was recorded: it runs elsewhere, or its process is gone.
                _ => ("not ended".to_owned(), String::new()),
            };
            let took = between(run.first.world_time, run.last.world_time);
            let age = between(run.first.time, now);
            vec![
                run.run.clone(),
                owner,
                target,
                state,
                tasks,
                changed,
                words::duration(took),
                format!("{} ago", words::duration(age)),
            ]
        })
        .collect();
    table::render(
        &["RUN", "OWNER", "ON", "STATE", "TASKS", "CHANGED", "TOOK", "STARTED"],
        &rows,
        style,
    )
}

/// One run from its events: what became of each task, and its failures in full.
pub(crate) fn show(events: &[Event], show: Show<'_>, style: &Style) -> String {
    let mut lines = vec![heading(events, style), String::new()];
    let told = fold(events, &show.noted);
    let wanted: Vec<&Told> =
        told.iter().filter(|told| show.task.is_none_or(|task| told.address == task)).collect();
    if let (Some(task), true) = (show.task, wanted.is_empty()) {
        lines.push(format!("this run has no task `{}`", words::one_line(task)));
        return words::lines(lines);
    }
    lines.extend(table_of(&wanted, style).lines().map(str::to_owned));
    for told in &wanted {
        lines.extend(failure(told, style));
    }
    if show.requests {
        for told in wanted.iter().filter(|told| !told.tries.is_empty()) {
            lines.push(String::new());
            let text = format!(
                "{}: {}",
                told.address,
                words::count(told.tries.values().sum::<usize>(), "request")
            );
            lines.push(style.paint(Meaning::Strong, &words::one_line(&text)));
            let rows: Vec<Vec<String>> = told
                .tries
                .iter()
                .map(|((class, operation, outcome), number)| {
                    vec![number.to_string(), class.clone(), operation.clone(), outcome.clone()]
                })
                .collect();
            let table = table::render(&["TRIES", "CLASS", "OPERATION", "OUTCOME"], &rows, style);
            lines.extend(table.lines().map(|line| format!("  {line}")));
        }
    }
    words::lines(lines)
}

/// `run 7k3f of nodeless/myeks on sandbox · failed · 31 tasks changed · 14m 22s`
fn heading(events: &[Event], style: &Style) -> String {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return "no events".to_owned();
    };
    let mut text = format!("run {}", first.run);
    if let Body::RunStarted { owner, target, .. } = &first.body {
        text.push_str(&format!(" of {owner} on {target}"));
    }
    text = style.paint(Meaning::Strong, &words::one_line(&text));
    let resumed = events.iter().filter(|one| matches!(one.body, Body::RunResumed { .. })).count();
    if resumed > 0 {
        text.push_str(&format!(" · resumed {}", words::count(resumed, "time")));
    }
    match &last.body {
        Body::RunFinished { outcome, changed, .. } => {
            let changed = words::count_of(*changed, "task");
            text.push_str(&format!(" · {} · {changed} changed", outcome_word(*outcome)));
        }
        _ => text.push_str(" · not ended"),
    }
    let took = words::duration(between(first.world_time, last.world_time));
    text.push_str(&format!(" · {took} from {}", first.world_time.strftime("%Y-%m-%d %H:%M")));
    text
}

/// What events say of one task.
struct Told {
    address: String,
    state: TaskState,
    action: Action,
    attempts: u32,
    started: Timestamp,
    ended: Timestamp,
    because: Option<String>,
    failure: Option<Failure>,
    /// The event that intended its write, while nothing more is recorded of it.
    intended: Option<u64>,
    /// How often each request was tried, with its class and its outcome.
    tries: BTreeMap<(String, String, String), usize>,
}

/// Tasks in the order in which they were first heard of. Commands are intended ahead of their turn:
/// what has not begun is not under way.
fn fold(events: &[Event], noted: &Noted) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        let Some(address) = event.address.as_deref() else { continue };
        let at = *known.entry(address).or_insert_with(|| {
            told.push(Told {
                address: address.to_owned(),
                state: TaskState::Running,
                action: Action::None,
                attempts: 0,
                started: event.world_time,
                ended: event.world_time,
                because: None,
                failure: None,
                intended: None,
                tries: BTreeMap::new(),
            });
            told.len() - 1
        });
        let Some(one) = told.get_mut(at) else { continue };
        one.attempts = one.attempts.max(event.attempt.unwrap_or(0));
        one.ended = event.world_time;
        if let Body::Step(step) = &event.body {
            let begins = matches!(step, Step::Intended { .. });
            one.intended = begins.then_some(event.seq);
            one.state =
                if *step == Step::Withdrawn { TaskState::Pending } else { TaskState::Running };
        }
        match &event.body {
            Body::TaskStarted => one.state = TaskState::Running,
            Body::Step(
                Step::Rejected { failure }
                | Step::Ambiguous { failure }
                | Step::NotConverged { failure },
            ) => one.failure = Some(failure.clone()),
            Body::Tried(tried) => {
                let key = (tried.class.clone(), tried.operation.clone(), tried.outcome.clone());
                *one.tries.entry(key).or_default() += 1;
            }
            Body::TaskFinished { state, action, because } => {
                one.state = *state;
                one.action = *action;
                one.because.clone_from(because);
            }
            _ => {}
        }
    }
    for one in told.iter_mut().filter(|one| one.state == TaskState::Running) {
        if one.intended.is_some_and(|seq| noted.of(seq) == Note::Never) {
            one.state = TaskState::Pending;
        }
    }
    told
}

fn table_of(told: &[&Told], style: &Style) -> String {
    let rows: Vec<Vec<String>> = told
        .iter()
        .map(|one| {
            let why = one.because.as_deref().unwrap_or_default();
            vec![
                format!("{} {}", sign(one.state), one.address),
                state_word(one).to_owned(),
                one.attempts.to_string(),
                words::duration(between(one.started, one.ended)),
                words::fit(&words::one_line(why), 60),
            ]
        })
        .collect();
    table::render(&["TASK", "STATE", "ATTEMPTS", "TOOK", "BECAUSE"], &rows, style)
}

/// The last failure in full, also of a task that succeeded in the end.
fn failure(told: &Told, style: &Style) -> Vec<String> {
    let Some(failure) = &told.failure else { return Vec::new() };
    let meaning = if told.state == TaskState::Succeeded { Meaning::Waiting } else { Meaning::Bad };
    let mut message = words::one_line(&failure.message);
    if let Some(code) = failure.code.as_ref().filter(|code| !message.contains(code.as_str())) {
        message.push_str(&format!(" ({})", words::one_line(code)));
    }
    let mut lines = vec![
        String::new(),
        format!("last failure of {}", words::one_line(&told.address)),
        format!("  {} {message}", style.paint(meaning, "✗")),
    ];
    let details = failure.evidence.iter().chain(&failure.hint);
    lines.extend(details.map(|line| format!("    {}", words::one_line(line))));
    lines
}

fn sign(state: TaskState) -> &'static str {
    match state {
        TaskState::Succeeded => "✓",
        TaskState::Failed => "✗",
        TaskState::Skipped => "↷",
        TaskState::Running => "▶",
        TaskState::Interrupted => "◆",
        TaskState::Pending | TaskState::Blocked => "·",
    }
}

fn state_word(told: &Told) -> &'static str {
    match told.state {
        TaskState::Succeeded => match told.action {
            Action::None => "unchanged",
            Action::Wait => "converged",
            Action::Create => "created",
            Action::Update => "updated",
            Action::Replace => "replaced",
            Action::Delete => "deleted",
        },
        TaskState::Pending => "not started",
        TaskState::Running => "running",
        TaskState::Failed => "failed",
        TaskState::Interrupted => "interrupted",
        TaskState::Skipped => "skipped",
        TaskState::Blocked => "blocked",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Uncovered => "uncovered",
        Outcome::Paused => "paused",
        Outcome::Cancelled => "cancelled",
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    // Negative when clocks were set back: then nothing has passed.
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use runbook_core::journal::{Journal, Store as _};
    use runbook_core::module::Try;

    use super::*;
    use crate::view::support::{Fault, Workshop};

    const ROOT: &str = r#"
apiVersion: runbook/v1
name: shop
tasks:
  - id: first
    uses: fake.thing
    with: {name: first, takes: 90s}
  - id: second
    uses: fake.thing
    with: {name: "${{ tasks.first.outputs.id }}-2"}
  - id: third
    uses: fake.thing
    with: {name: "${{ tasks.second.outputs.id }}-3"}
"#;

    async fn failed() -> (Workshop, Vec<Event>) {
        let workshop = Workshop::new(ROOT);
        workshop.world.faults.lock().unwrap().insert("id-first-2".to_owned(), vec![Fault::Reject]);
        let (_, events) = workshop.plan_and_apply().await;
        (workshop, events)
    }

    #[tokio::test]
    async fn the_list_says_how_each_run_ended() {
        let (workshop, _) = failed().await;
        let journal = Journal::open(workshop.state.path()).unwrap();
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let text = list(&journal.runs().unwrap(), now, &Style::plain());
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "RUN   OWNER          ON     STATE    TASKS   CHANGED   TOOK     STARTED",
                "r1    shop/default   test   failed       3         1   1m 30s   1h 00m ago",
            ]
        );
    }

    #[tokio::test]
    async fn a_run_is_shown_task_by_task() {
        let (_, events) = failed().await;
        let text = show(&events, Show::default(), &Style::plain());
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "run r1 of shop/default on test · failed · 1 task changed · 1m 30s from 2026-01-01 00:00",
                "",
                "TASK       STATE     ATTEMPTS   TOOK     BECAUSE",
                "✓ first    created          1   1m 30s",
                "✗ second   failed           1   0s       refused",
                "· third    blocked          1   0s       `second` failed",
                "",
                "last failure of second",
                "  ✗ refused (Refused)",
            ]
        );
    }

    #[tokio::test]
    async fn requests_are_counted_by_outcome() {
        let (_, mut events) = failed().await;
        let at = events.iter().position(|one| one.address.as_deref() == Some("first")).unwrap();
        for (number, outcome) in [(1, "Throttled"), (2, "ok"), (1, "ok")] {
            let tried = Try {
                operation: "fake:Get".to_owned(),
                class: "read".to_owned(),
                number,
                outcome: outcome.to_owned(),
            };
            let event = Event { body: Body::Tried(tried), ..events[at].clone() };
            events.insert(at + 1, event);
        }
        let only = Show { task: Some("first"), requests: true, ..Show::default() };
        let text = show(&events, only, &Style::plain());
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                "TASK      STATE     ATTEMPTS   TOOK     BECAUSE",
                "✓ first   created          1   1m 30s",
                "",
                "first: 3 requests",
                "  TRIES   CLASS   OPERATION   OUTCOME",
                "      1   read    fake:Get    Throttled",
                "      2   read    fake:Get    ok",
            ]
        );
        let none = Show { task: Some("fourth"), ..Show::default() };
        assert!(
            show(&events, none, &Style::plain()).ends_with("\nthis run has no task `fourth`\n")
        );
    }

    #[test]
    fn what_was_intended_ahead_and_has_not_begun_is_not_under_way() {
        let time = Timestamp::UNIX_EPOCH;
        let event = |seq: u64, address: &str, step: Step| Event {
            v: 1,
            seq,
            time,
            world_time: time,
            run: "r1".into(),
            address: Some(address.to_owned()),
            attempt: Some(1),
            body: Body::Step(step),
        };
        let intended = || Step::Intended {
            action: Action::Create,
            change: String::new(),
            token: String::new(),
            noted: true,
        };
        let events = [
            event(1, "begun", intended()),
            event(2, "waiting", intended()),
            event(3, "withdrawn", intended()),
            event(4, "withdrawn", Step::Withdrawn),
        ];
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let notes = journal.note("r1", 1).unwrap().expect("a machine with a boot id");
        notes.begins(1).unwrap();
        let states = |noted: &Noted| -> Vec<TaskState> {
            fold(&events, noted).iter().map(|told| told.state).collect()
        };
        use TaskState::{Pending, Running};
        assert_eq!(states(&journal.noted("r1").unwrap()), [Running, Pending, Pending]);
        assert_eq!(states(&Noted::default()), [Running, Running, Pending], "nothing is known");
    }
}
