//! Commands that are intended ahead of their turn: how many, which, and that it costs nobody anything
//! when the run does not come to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use runbook_core::event::{Body, Event, Outcome, Step, TaskState};
use runbook_core::execute::{Cancel, RunError, RunReport, resume};
use runbook_core::journal::{Batch, Journal, Store};
use support::{Asking, Fault, Instead, Workshop, steps};
use tokio::task::JoinHandle;

/// Commands one after the other: 0, 1, 10, 11, 12 …
fn commands(more: &str) -> String {
    format!(
        r#"
apiVersion: runbook/v1
name: commands
tasks:
  - id: command
    for_each: ${{{{ range(20) | map('string') | list }}}}
    uses: fake.blind
    with: {{name: "${{{{ each.value }}}}"}}
    {more}
"#
    )
}

/// A journal that, where it freezes at all, takes nothing more after it has taken several intentions at
/// once: as if the process was killed there.
fn freezing(journal: Journal, freezes: bool) -> impl Store {
    let is_frozen = AtomicBool::new(false);
    let rule = move |batch: &Batch| -> Instead {
        if is_frozen.load(Ordering::SeqCst) {
            return Some(Box::pin(std::future::pending()));
        }
        let intends = |event: &&Event| matches!(event.body, Body::Step(Step::Intended { .. }));
        let several = batch.events.iter().filter(intends).count() > 5;
        is_frozen.store(several && freezes, Ordering::SeqCst);
        None
    };
    Asking { journal, rule }
}

/// A run that is under way.
struct Running {
    workshop: Arc<Workshop>,
    journal: Arc<dyn Store>,
    cancel: Cancel,
    run: JoinHandle<Result<RunReport, RunError>>,
}

/// Begins a run in which one of the commands does not end by itself.
async fn begin(stuck: &str, how: Fault, freezes: bool) -> Running {
    let workshop = Arc::new(Workshop::new(&commands("")).parallelism(1));
    workshop.world.faults.lock().unwrap().insert(stuck.to_owned(), vec![how]);
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let journal = Journal::open(workshop.state.path()).unwrap();
    let journal: Arc<dyn Store> = Arc::new(freezing(journal, freezes));
    let cancel = Cancel::default();
    let run = {
        let (workshop, journal, cancel) = (workshop.clone(), journal.clone(), cancel.clone());
        tokio::spawn(async move { workshop.run_with(journal, plan, "r1", cancel, None).await })
    };
    Running { workshop, journal, cancel, run }
}

impl Running {
    fn events(&self) -> Vec<Event> {
        self.journal.read("r1").unwrap_or_default()
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        let seen = async {
            while !what(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), seen).await.unwrap();
    }

    fn wrote(&self, what: &str) -> bool {
        self.workshop.writes().iter().any(|write| write == what)
    }

    fn has_step(&self, step: &str) -> bool {
        steps(&self.events()).iter().any(|one| one == step)
    }
}

/// Takes the run up again; what it is told to ask about, and how it ended.
async fn taken_up(workshop: &Workshop, cancel: Cancel) -> (Vec<String>, RunReport, Vec<Event>) {
    let journal = Arc::new(Journal::open(workshop.state.path()).unwrap());
    let (plan, resumed) = resume::prepare(journal.as_ref(), "r1").unwrap();
    let asked = resumed.interrupted().map(str::to_owned).collect();
    let report =
        workshop.run_with(journal.clone(), plan, "r1", cancel, Some(resumed)).await.unwrap();
    (asked, report, journal.read("r1").unwrap())
}

fn check_each_once(workshop: &Workshop) {
    let runs: Vec<String> =
        workshop.writes().into_iter().filter(|write| write.starts_with("run ")).collect();
    let different: BTreeSet<&String> = runs.iter().collect();
    assert_eq!((runs.len(), different.len()), (20, 20), "{runs:?}");
}

/// How many writes were intended and not answered at the same time.
fn most_open(events: &[Event]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for event in events {
        match &event.body {
            Body::Step(Step::Intended { .. }) => open += 1,
            Body::Step(Step::Acknowledged | Step::Withdrawn) => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_commands_that_nothing_else_bounds_are_intended_ahead() {
    for (more, goes_ahead) in [
        ("", true),
        ("retry: {max_attempts: 2}", true),
        ("timeout: 1m", false),
        ("max_parallel: 1", false),
        ("locks: [one]", false),
        ("postconditions: [{that: self.outputs.name == each.value, message: no}]", false),
        ("\noutputs:\n  names: ${{ tasks.command | outputs('name') }}", false),
    ] {
        let workshop = Workshop::new(&commands(more)).parallelism(2);
        let (report, events) = workshop.plan_and_apply().await;
        assert_eq!(report.outcome, Outcome::Succeeded);
        let most = most_open(&events);
        assert_eq!(most > 2, goes_ahead, "{most} at once with `{more}`");
        check_each_once(&workshop);
        assert!(
            !workshop.state.path().join("journal.db.notes-r1").exists(),
            "the notes are done with"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_a_person_is_asked_about_what_had_begun_alone() {
    let running = begin("1", Fault::Hang, true).await;
    running.until(|running| running.wrote("run 1")).await;
    assert!(most_open(&running.events()) > 5, "{:#?}", steps(&running.events()));
    assert!(!running.has_step(r#"command["10"] withdrawn"#), "it only did not begin");
    running.run.abort();
    let workshop = running.workshop.clone();
    running.until(|running| running.wrote("end 1")).await;
    drop(running);

    // Also by a process that comes after one that did not come to it.
    let stopped = Cancel::default();
    stopped.request("SIGINT");
    let (asked, report, _) = taken_up(&workshop, stopped).await;
    assert_eq!(asked, [r#"command["1"]"#]);
    assert_eq!(report.outcome, Outcome::Cancelled);

    let (asked, report, events) = taken_up(&workshop, Cancel::default()).await;
    assert_eq!(asked, [r#"command["1"]"#]);
    assert_eq!(report.outcome, Outcome::Paused);
    check_each_once(&workshop);
    // It goes on under the number, and so the token, that it was intended with.
    let number = |event: &&Event| event.address.as_deref() == Some(r#"command["10"]"#);
    let attempts: BTreeSet<Option<u32>> =
        events.iter().filter(number).map(|event| event.attempt).collect();
    assert_eq!(attempts, BTreeSet::from([Some(1)]));
    let tokens: BTreeSet<&String> = events
        .iter()
        .filter(number)
        .filter_map(|event| match &event.body {
            Body::Step(Step::Intended { token, .. }) => Some(token),
            _ => None,
        })
        .collect();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_begins_nothing_more_and_says_so() {
    let running = begin("1", Fault::Meet, false).await;
    running.until(|running| running.wrote("run 1")).await;
    running.cancel.request("SIGINT");
    let is_told = |event: &Event| matches!(event.body, Body::CancelRequested { .. });
    running.until(|running| running.events().iter().any(is_told)).await;
    assert!(running.has_step(r#"command["10"] withdrawn"#), "{:#?}", steps(&running.events()));
    let workshop = running.workshop.clone();
    let world = workshop.world.clone();
    tokio::task::spawn_blocking(move || world.meet()).await.unwrap();
    let report = running.run.await.unwrap().unwrap();

    assert_eq!(report.outcome, Outcome::Cancelled);
    assert_eq!(workshop.writes(), ["run 0", "run 1"]);
    let of = |state: TaskState| report.tasks.iter().filter(|task| task.state == state).count();
    assert_eq!(of(TaskState::Succeeded), 2);
    assert!(of(TaskState::Interrupted) > 5, "{:#?}", report.tasks);
    let told = report.tasks.iter().find(|task| task.address == r#"command["10"]"#).unwrap();
    let why = told.because.as_deref().unwrap();
    assert!(why.starts_with("the run was cancelled"), "{why}");

    let (asked, report, _) = taken_up(&workshop, Cancel::default()).await;
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(report.outcome, Outcome::Succeeded);
    check_each_once(&workshop);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_is_heard_of_while_the_next_takes_long() {
    let running = begin("10", Fault::Meet, false).await;
    running.until(|running| running.wrote("run 10")).await;
    running.until(|running| running.has_step(r#"command["1"] converged"#)).await;
    // What was intended behind it is not under way, and is not said to be.
    running.until(|running| running.has_step(r#"command["11"] withdrawn"#)).await;
    let begun =
        std::fs::read_to_string(running.workshop.state.path().join("journal.db.notes-r1")).unwrap();
    assert_eq!(begun.lines().count(), 6, "of three commands two were answered: {begun}");
    let world = running.workshop.world.clone();
    tokio::task::spawn_blocking(move || world.meet()).await.unwrap();
    assert_eq!(running.run.await.unwrap().unwrap().outcome, Outcome::Succeeded);
    check_each_once(&running.workshop);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_heard_of_before_the_next_begins() {
    let mut workshop = Workshop::new(&commands("")).parallelism(1);
    workshop.fail_fast = true;
    workshop.world.faults.lock().unwrap().insert("12".to_owned(), vec![Fault::Reject]);
    let (report, events) = workshop.plan_and_apply().await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(most_open(&events) > 5, "{:#?}", steps(&events));
    assert_eq!(workshop.writes(), ["run 0", "run 1", "run 10", "run 11"]);
    let failed = report.tasks.iter().filter(|task| task.state == TaskState::Failed).count();
    assert_eq!(failed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_holds_what_several_commands_tell() {
    let workshop = Workshop::new(&commands("")).parallelism(2);
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let journal = Journal::open(workshop.state.path()).unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let rule = move |batch: &Batch| -> Instead {
        let is_told = |event: &&Event| matches!(event.body, Body::Step(Step::Acknowledged));
        seen.fetch_max(batch.events.iter().filter(is_told).count(), Ordering::SeqCst);
        None
    };
    let journal = Arc::new(Asking { journal, rule });
    let report = workshop.run_with(journal, plan, "r1", Cancel::default(), None).await.unwrap();
    assert_eq!(report.outcome, Outcome::Succeeded);
    // More than there are threads: they lay until there was not enough left to go on with.
    let most = most.load(Ordering::SeqCst);
    assert!(most > 2, "{most} at most in one commit");
}
