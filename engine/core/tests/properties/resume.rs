//! Killed anywhere, taken up again: what is decided of each task, held against the table.
//!
//! | journal says | decision |
//! |---|---|
//! | converged | never written again |
//! | acknowledged, no later step | verify only |
//! | intended without later step, ambiguous | write only what the world lacks, under the same token |
//! | the same or not converged, blind | ask a person |
//! | intended, blind, and nothing notes that it began | run, under the same token |
//! | intended, blind, and its answer is noted | as that answer says |
//! | rejected | run again, new attempt |
//! | never intended | run, after its dependencies |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use proptest::prelude::*;
use runbook_core::event::{Body, Event, Outcome, Step, TaskState};
use runbook_core::execute::{Cancel, RunError, resume};
use runbook_core::journal::{Batch, Error, Journal, Noted, Notes, RunSummary, Store};

use crate::cases;
use crate::dice::Dice;
use crate::support::{Fault, Workshop};

/// A journal in memory that takes so many batches and then stops, as a killed process does. What begins
/// is noted where a real one does.
struct Memory(Mutex<Kept>, Journal);

#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    blobs: BTreeMap<String, Vec<u8>>,
    left: usize,
}

impl Store for Memory {
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), Error>> {
        let mut kept = self.0.lock().unwrap();
        let answer = if let Some(left) = kept.left.checked_sub(1) {
            kept.left = left;
            let next = kept.events.len() as u64 + 1;
            assert_eq!(batch.events.first().map(|event| event.seq), Some(next), "a hole");
            kept.events.extend(batch.events.iter().cloned());
            kept.blobs.extend(batch.blobs.into_iter().map(|blob| (blob.digest, blob.bytes)));
            Ok(())
        } else {
            Err(Error::Stopped)
        };
        Box::pin(async { answer })
    }

    fn read(&self, run: &str) -> Result<Vec<Event>, Error> {
        let events = self.0.lock().unwrap().events.clone();
        if events.is_empty() { Err(Error::NoRun { run: run.to_owned() }) } else { Ok(events) }
    }

    fn blob(&self, _: &str, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.lock().unwrap().blobs.get(digest).cloned())
    }

    fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        Ok(Vec::new())
    }

    fn note(&self, run: &str, from: u64) -> Result<Option<Arc<dyn Notes>>, Error> {
        self.1.note(run, from)
    }

    fn noted(&self, run: &str) -> Result<Noted, Error> {
        self.1.noted(run)
    }
}

/// A task of a drawn runbook.
#[derive(Debug, Clone)]
struct Drawn {
    blind: bool,
    needs: BTreeSet<usize>,
}

fn draw(dice: &mut Dice) -> Vec<Drawn> {
    let count = 2 + dice.roll(5);
    (0..count)
        .map(|at| Drawn {
            blind: dice.percent(40),
            needs: (0..at).filter(|_| dice.percent(35)).collect(),
        })
        .collect()
}

fn text(tasks: &[Drawn], dice: &mut Dice) -> String {
    let mut text = "apiVersion: runbook/v1\nname: random\ntasks:\n".to_owned();
    for (at, task) in tasks.iter().enumerate() {
        let needs: Vec<String> = task.needs.iter().map(|on| format!("t{on}")).collect();
        let needs = needs.join(", ");
        if task.blind {
            writeln!(
                text,
                "  - {{id: t{at}, uses: fake.blind, needs: [{needs}], with: {{name: n{at}}}}}"
            )
            .unwrap();
        } else {
            let takes = dice.pick(&["0s", "30s", "2m"]);
            let lock = dice.pick(&["''", "''", "only-one"]);
            writeln!(text, "  - {{id: t{at}, uses: fake.thing, needs: [{needs}], with: {{name: n{at}, takes: {takes}, lock: {lock}}}}}").unwrap();
        }
    }
    text
}

/// What the events say of one task: read here with other eyes than the engine's.
#[derive(Debug, Clone, Default, PartialEq)]
struct Last {
    step: &'static str,
    attempt: u32,
    token: String,
}

/// `notes` is the text of what lies beside the journal.
fn last_steps(events: &[Event], notes: &str) -> BTreeMap<String, Last> {
    let mut all: BTreeMap<String, Last> = BTreeMap::new();
    for event in events {
        let (Some(address), Body::Step(step)) = (&event.address, &event.body) else { continue };
        let last = all.entry(address.clone()).or_default();
        last.attempt = event.attempt.unwrap();
        last.step = match step {
            Step::Intended { token, noted, .. } => {
                last.token.clone_from(token);
                let seq = event.seq.to_string();
                let says = |what: &str| notes.lines().any(|line| line == seq.clone() + what);
                match noted {
                    true if says(" acknowledged") => "acknowledged",
                    true if says(" rejected") => "rejected",
                    true if !says("") => "intended only",
                    _ => "intended",
                }
            }
            Step::Acknowledged => "acknowledged",
            Step::Rejected { .. } => "rejected",
            Step::Withdrawn => "withdrawn",
            Step::Ambiguous { .. } => "ambiguous",
            Step::Converged { .. } => "converged",
            Step::NotConverged { .. } => "not converged",
        };
    }
    all
}

/// The first write of each task in a part of a run: its attempt and its token.
fn first_writes(events: &[Event]) -> BTreeMap<String, (u32, String)> {
    let mut all = BTreeMap::new();
    for event in events {
        if let (Some(address), Body::Step(Step::Intended { token, .. })) =
            (&event.address, &event.body)
        {
            all.entry(address.clone()).or_insert((event.attempt.unwrap(), token.clone()));
        }
    }
    all
}

/// What the table says will come of a task.
#[derive(Debug, Clone, PartialEq)]
enum Decision {
    /// It converges, and nothing is written.
    NoWrite,
    /// It is written again under the attempt and the token it had.
    SameAttempt(u32, String),
    /// The same, since it never began.
    Unbegun(u32, String),
    /// It is written in an attempt of that number.
    Attempt(u32),
    /// A person decides.
    Ask,
    /// What it needs does not converge.
    Blocked,
}

fn decide(task: &Drawn, last: Option<&Last>, is_there: bool, before: &[Decision]) -> Decision {
    let never = Last { step: "nothing", ..Last::default() };
    let last = last.unwrap_or(&never);
    let held = |on: &usize| matches!(before[*on], Decision::Ask | Decision::Blocked);
    if task.needs.iter().any(held) {
        return Decision::Blocked;
    }
    match last.step {
        "converged" | "acknowledged" => Decision::NoWrite,
        "intended" | "ambiguous" | "not converged" if task.blind => Decision::Ask,
        "intended only" | "withdrawn" => Decision::Unbegun(last.attempt, last.token.clone()),
        "intended" | "ambiguous" if !is_there => {
            Decision::SameAttempt(last.attempt, last.token.clone())
        }
        "intended" | "ambiguous" | "not converged" => Decision::NoWrite,
        "rejected" => Decision::Attempt(last.attempt + 1),
        _ => Decision::Attempt(1),
    }
}

fn check(seed: u64) -> Vec<Decision> {
    let mut dice = Dice::new(seed);
    let tasks = draw(&mut dice);
    let text = text(&tasks, &mut dice);
    let workshop = Workshop::new(&text).parallelism(1 + dice.roll(4));
    for at in 0..tasks.len() {
        if dice.percent(40) {
            let fault = dice.pick(&[Fault::Reject, Fault::Passing, Fault::Lost, Fault::Panic]);
            workshop.world.faults.lock().unwrap().insert(format!("n{at}"), vec![fault]);
        }
    }
    let journal = Arc::new(Memory(Mutex::default(), Journal::open(workshop.state.path()).unwrap()));
    journal.0.lock().unwrap().left = dice.roll(4 + 5 * tasks.len());
    // What was under way may still act on the world, at the latest until the runtime is gone.
    alone(async {
        let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
        match workshop.run_with(journal.clone(), plan, "r1", Cancel::default(), None).await {
            Ok(_) | Err(RunError::Journal { .. }) => {}
        }
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    });
    workshop.world.faults.lock().unwrap().clear();

    journal.0.lock().unwrap().left = usize::MAX;
    let (plan, resumed) = match resume::prepare(journal.as_ref(), "r1") {
        Ok(prepared) => prepared,
        Err(Error::NoRun { .. }) => return Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let earlier = journal.read("r1").unwrap();
    let notes = std::fs::read_to_string(workshop.state.path().join("journal.db.notes-r1"))
        .unwrap_or_default();
    let last = last_steps(&earlier, &notes);
    let mut expected = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let is_there = workshop.world.things.lock().unwrap().contains_key(&format!("n{at}"));
        expected.push(decide(task, last.get(&format!("t{at}")), is_there, &expected));
    }
    let again = workshop.run_with(journal.clone(), plan, "r1", Cancel::default(), Some(resumed));
    let report = alone(again).unwrap();
    let events = journal.read("r1").unwrap();
    let written = first_writes(&events[earlier.len()..]);
    for (at, decision) in expected.iter().enumerate() {
        let address = format!("t{at}");
        let state = report.tasks.iter().find(|task| task.address == address).unwrap().state;
        let found = match (state, written.get(&address)) {
            (TaskState::Succeeded, None) => Decision::NoWrite,
            (TaskState::Succeeded, Some((attempt, token))) => match decision {
                Decision::SameAttempt(..) => Decision::SameAttempt(*attempt, token.clone()),
                Decision::Unbegun(..) => Decision::Unbegun(*attempt, token.clone()),
                _ => Decision::Attempt(*attempt),
            },
            (TaskState::Interrupted, None) => Decision::Ask,
            (TaskState::Blocked, None) => Decision::Blocked,
            other => panic!("{address}: {other:?}, expected {decision:?} in\n{text}"),
        };
        assert_eq!(&found, decision, "{address} of {text}\nafter {:?}", last.get(&address));
    }
    let asks = expected.contains(&Decision::Ask);
    assert_eq!(report.outcome, if asks { Outcome::Paused } else { Outcome::Succeeded });
    let mut writes = workshop.writes();
    let all = writes.len();
    writes.sort();
    writes.dedup();
    assert_eq!(writes.len(), all, "made twice: {writes:?} by\n{text}");
    expected
}

/// On a runtime of its own, which ends when everything that it began has.
fn alone<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn what_is_decided_is_what_the_table_says(seed in any::<u64>()) {
        check(seed);
    }
}

/// The property above says little when the dice never reach a row of the table.
#[test]
fn every_row_of_the_table_is_reached() {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in (0..150).flat_map(check) {
        let row = match decision {
            Decision::NoWrite => "no write",
            Decision::SameAttempt(..) => "same attempt",
            Decision::Unbegun(..) => "never began",
            Decision::Attempt(1) => "first attempt",
            Decision::Attempt(_) => "new attempt",
            Decision::Ask => "ask",
            Decision::Blocked => "blocked",
        };
        *rows.entry(row).or_default() += 1;
    }
    assert_eq!(rows.len(), 7, "{rows:?}");
}
