//! Writes that occupy a thread: each on its own, the loop carried on between them, ended with the run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use runbook_core::event::{Outcome, TaskState};
use runbook_core::execute::Cancel;
use runbook_core::journal::Journal;
use support::{Fault, Workshop, steps};

/// Commands among writes that occupy nothing; the last one needs all of them.
const MIXED: &str = r#"
apiVersion: runbook/v1
name: mixed
tasks:
  - id: command
    for_each: ${{ range(300) | map('string') | list }}
    uses: fake.blind
    with: {name: "c${{ each.value }}"}
  - id: thing
    for_each: ${{ range(100) | map('string') | list }}
    uses: fake.thing
    with: {name: "t${{ each.value }}", takes: 30s}
  - id: last
    uses: fake.blind
    with: {name: last}
    needs: [command, thing]
"#;

const TWO: &str = "
apiVersion: runbook/v1
name: two
tasks:
  - {id: one, uses: fake.blind, with: {name: a}}
  - {id: other, uses: fake.blind, with: {name: b}}
  - {id: after, uses: fake.blind, with: {name: c}, needs: [one]}
";

fn workshop(text: &str, faults: &[(&str, Fault)]) -> Workshop {
    let workshop = Workshop::new(text);
    for (name, fault) in faults {
        workshop.world.faults.lock().unwrap().insert((*name).to_owned(), vec![*fault]);
    }
    workshop
}

async fn each_once(parallelism: usize) {
    let workshop = Workshop::new(MIXED).parallelism(parallelism);
    let (report, _) = workshop.plan_and_apply().await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    let mut writes = workshop.writes();
    assert_eq!(writes.last().map(String::as_str), Some("run last"));
    let all = writes.len();
    writes.sort();
    writes.dedup();
    assert_eq!((all, writes.len()), (401, 401));
}

#[tokio::test]
async fn every_write_happens_once_whatever_thread_carries_the_loop_on() {
    for parallelism in [1, 2, 7, 64] {
        each_once(parallelism).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_among_several_threads_of_the_runtime() {
    for parallelism in [1, 2, 7, 64] {
        each_once(parallelism).await;
    }
}

#[tokio::test]
async fn each_has_a_thread_to_itself_and_the_loop_goes_on() {
    // On one thread the two would wait for each other for ever.
    let (report, _) =
        workshop(TWO, &[("a", Fault::Meet), ("b", Fault::Meet)]).plan_and_apply().await;
    assert_eq!(report.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_panic_on_such_a_thread_is_a_recorded_failure() {
    let workshop = workshop(TWO, &[("a", Fault::Panic)]);
    let (report, events) = workshop.plan_and_apply().await;
    // Whether it ran is not known, and it cannot be observed.
    let states: Vec<TaskState> = report.tasks.iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Interrupted, TaskState::Succeeded, TaskState::Blocked]);
    assert!(steps(&events).contains(&"one ambiguous".to_owned()), "{:#?}", steps(&events));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_run_ends_what_its_threads_keep_and_starts_nothing_more() {
    let workshop = Arc::new(workshop(TWO, &[("a", Fault::Hang), ("b", Fault::Hang)]));
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let journal = Arc::new(Journal::open(workshop.state.path()).unwrap());
    let running = workshop.clone();
    let run = tokio::spawn(async move {
        running.run_with(journal, plan, "r1", Cancel::default(), None).await
    });
    let until = async |count: usize| {
        let written = async {
            while workshop.writes().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), written).await.unwrap();
    };
    until(2).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    until(4).await;
    let mut writes = workshop.writes();
    writes.sort();
    assert_eq!(writes, ["end a", "end b", "run a", "run b"]);
}
