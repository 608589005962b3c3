//! Crashes: the journal stops taking events at every possible point, and resuming reaches the same
//! world with nothing made twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use runbook_core::event::Outcome;
use runbook_core::execute::{Cancel, RunError, resume};
use runbook_core::journal::{Batch, Error, Journal, Store};
use support::{Asking, Fault, Instead, Workshop};

/// A journal that takes so many batches and then stops, as a killed process does.
fn dying(journal: Journal, batches: usize) -> impl Store {
    let left = AtomicUsize::new(batches);
    let rule = move |_: &Batch| -> Instead {
        let alive = left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if alive { None } else { Some(Box::pin(async { Err(Error::Stopped) })) }
    };
    Asking { journal, rule }
}

const WORK: &str = r#"
apiVersion: runbook/v1
name: work
tasks:
  - id: one
    uses: fake.thing
    with: {name: a, takes: 2m}
  - id: many
    uses: fake.thing
    for_each: [x, y, z]
    with: {name: "${{ each.key }}", takes: 30s, lock: only-one, uses: "${{ tasks.one.outputs.id }}"}
  - id: last
    uses: fake.thing
    with: {name: "last", size: "${{ tasks.many | outputs('id') | length }}"}
"#;

/// Runs until the journal dies, then resumes until the end; how often each thing was created.
async fn survive(points: &[usize], faults: &[(&str, Fault)]) -> Workshop {
    let workshop = Workshop::new(WORK);
    for (name, fault) in faults {
        workshop.world.faults.lock().unwrap().entry((*name).to_owned()).or_default().push(*fault);
    }
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    for point in points {
        let journal = Journal::open(workshop.state.path()).unwrap();
        let journal: Arc<dyn Store> = Arc::new(dying(journal, *point));
        let (plan, resumed) = match resume::prepare(journal.as_ref(), "r1") {
            Ok((plan, resumed)) => (plan, Some(resumed)),
            Err(Error::NoRun { .. }) => (plan.clone(), None),
            Err(error) => panic!("{error}"),
        };
        match workshop.run_with(journal, plan, "r1", Cancel::default(), resumed).await {
            Ok(report) => {
                assert_eq!(report.outcome, Outcome::Succeeded, "{:#?}", report.tasks);
                return workshop;
            }
            Err(RunError::Journal { .. }) => {}
        }
    }
    let journal: Arc<dyn Store> = Arc::new(Journal::open(workshop.state.path()).unwrap());
    let (plan, resumed) = match resume::prepare(journal.as_ref(), "r1") {
        Ok((plan, resumed)) => (plan, Some(resumed)),
        Err(Error::NoRun { .. }) => (plan, None),
        Err(error) => panic!("{error}"),
    };
    let report = workshop.run_with(journal, plan, "r1", Cancel::default(), resumed).await.unwrap();
    assert_eq!(report.outcome, Outcome::Succeeded, "{:#?}", report.tasks);
    workshop
}

fn check(workshop: &Workshop) {
    let mut writes = workshop.writes();
    writes.sort();
    assert_eq!(writes, ["create a", "create last", "create x", "create y", "create z"]);
    assert_eq!(workshop.world.things.lock().unwrap()["last"].size, 3);
}

#[tokio::test]
async fn killed_at_every_commit_and_resumed() {
    for point in 0..40 {
        check(&survive(&[point], &[]).await);
    }
}

#[tokio::test]
async fn killed_at_every_commit_while_replies_are_lost() {
    for point in 0..40 {
        check(
            &survive(&[point], &[("a", Fault::Lost), ("y", Fault::Lost), ("z", Fault::Passing)])
                .await,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn killed_again_and_again(points in proptest::collection::vec(0_usize..9, 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { check(&survive(&points, &[("x", Fault::Lost)]).await) });
    }
}
