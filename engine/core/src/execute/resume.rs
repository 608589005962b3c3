//! Taking up a run again: what its events say of each task, and what is decided from that.
//!
//! | journal says | task in the graph now | decision |
//! |---|---|---|
//! | converged | same | look again: no change is expected, and what drifted is within the plan |
//! | acknowledged, no later step | same | look (reads only): an empty diff goes straight to verify |
//! | intended without later step, ambiguous, not converged | same | observe, diff, apply only what is still needed |
//! | converged, blind | same | skip; outputs from the journal |
//! | acknowledged, blind | same | straight to verify |
//! | interrupted or not converged, blind without a guard | same | ask a person |
//! | intended, and by the notes beside the journal it never began | same | run, the same attempt |
//! | intended, and by those notes it was answered | same | as acknowledged, as rejected |
//! | failed, rejected | same | run again, new attempt |
//! | withdrawn: it never began | same | run, the same attempt |
//! | never started | same | run, after its dependencies |
//! | any | gone | keep the record, do nothing |
//! | any | owned by somebody else | stop: a look refuses it |
//!
//! Looking sends no write, so looking again is always safe; what is never done again without a look
//! is a write.

use std::collections::BTreeMap;

use super::attempt::Earlier;
use crate::event::{Body, Event, Step, TaskState};
use crate::journal::{self, Answer, Note, Store};
use crate::module::Values;
use crate::plan::Plan;
use crate::value::Value;

/// What the reducer and the workers need to know of earlier processes.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    /// The last event.
    pub(super) seq: u64,
    /// How many tasks had converged.
    pub(super) converged: u64,
    /// By address.
    pub(super) earlier: BTreeMap<String, Earlier>,
}

impl Resumed {
    /// The address tags and attempts of tasks that were interrupted.
    pub fn interrupted(&self) -> impl Iterator<Item = &str> {
        self.earlier
            .iter()
            .filter(|(_, earlier)| earlier.interrupted())
            .map(|(address, _)| address.as_str())
    }
}

/// The last durable step of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Last {
    /// It never wrote, or what was intended never began.
    #[default]
    Nothing,
    /// It was intended, and nothing is known after that. The event, when its beginning is noted.
    Intended(Option<u64>),
    /// The service accepted it.
    Acknowledged,
    /// It is known not to have happened.
    Rejected,
    /// It may have happened.
    Ambiguous,
    /// It converged; digest of the outputs.
    Converged(String),
    /// Verify gave up.
    NotConverged,
}

/// What a run's events say of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its last durable step.
    pub last: Last,
    /// Attempts.
    pub attempts: u32,
    /// The attempt of its last durable step; 0 while there is none. A later one may have begun and
    /// not come to a step.
    pub stepped: u32,
    /// Whether anything was intended.
    pub wrote: bool,
    /// How it ended, when it did.
    pub state: Option<TaskState>,
}

/// Folds the events of a run: the one transition function, for live runs and for replay.
pub fn fold(events: &[Event]) -> BTreeMap<String, Told> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for event in events {
        let Some(address) = &event.address else { continue };
        let one = told.entry(address.clone()).or_insert(Told {
            last: Last::Nothing,
            attempts: 0,
            stepped: 0,
            wrote: false,
            state: None,
        });
        one.attempts = one.attempts.max(event.attempt.unwrap_or(0));
        match &event.body {
            Body::Step(step) => {
                one.stepped = event.attempt.unwrap_or(0);
                one.last = match step {
                    Step::Intended { noted, .. } => {
                        one.wrote = true;
                        Last::Intended(noted.then_some(event.seq))
                    }
                    Step::Acknowledged => Last::Acknowledged,
                    Step::Rejected { .. } => Last::Rejected,
                    Step::Withdrawn => Last::Nothing,
                    Step::Ambiguous { .. } => Last::Ambiguous,
                    Step::Converged { outputs } => Last::Converged(outputs.clone()),
                    Step::NotConverged { .. } => Last::NotConverged,
                };
            }
            Body::TaskStarted => one.state = Some(TaskState::Running),
            Body::TaskFinished { state, .. } => one.state = Some(*state),
            _ => {}
        }
    }
    told
}

/// The plan of a run and what its events say.
pub fn prepare(journal: &dyn Store, run: &str) -> Result<(Plan, Resumed), journal::Error> {
    let events = journal.read(run)?;
    let damaged = |seq| journal::Error::Damaged { run: run.to_owned(), seq };
    let Some(Body::RunStarted { plan, .. }) = events.first().map(|event| &event.body) else {
        return Err(damaged(1));
    };
    let bytes = journal.blob(run, plan)?.ok_or_else(|| damaged(1))?;
    let text = String::from_utf8(bytes).map_err(|_| damaged(1))?;
    let plan = Plan::load(&text).map_err(|_| damaged(1))?;
    let mut resumed =
        Resumed { seq: events.last().map_or(0, |event| event.seq), ..Resumed::default() };
    let mut noted = None;
    for (address, mut told) in fold(&events) {
        if let Last::Intended(Some(seq)) = told.last {
            let noted = match &mut noted {
                Some(noted) => noted,
                none => none.insert(journal.noted(run)?),
            };
            told.last = match noted.of(seq) {
                Note::Never => Last::Nothing,
                Note::Answered(Answer::Acknowledged) => Last::Acknowledged,
                Note::Answered(Answer::Rejected) => Last::Rejected,
                Note::Unknown => told.last,
            };
        }
        let converged = match &told.last {
            Last::Converged(digest) => {
                resumed.converged += 1;
                outputs(journal, run, digest)?
            }
            _ => None,
        };
        let ended = matches!(told.last, Last::Rejected | Last::NotConverged);
        let attempts = if ended { told.stepped } else { told.stepped.saturating_sub(1) };
        let earlier = Earlier { attempts, converged, last: told.last, wrote: told.wrote };
        resumed.earlier.insert(address, earlier);
    }
    Ok((plan, resumed))
}

/// Recorded outputs, when none of them is a secret.
fn outputs(journal: &dyn Store, run: &str, digest: &str) -> Result<Option<Values>, journal::Error> {
    let Some(bytes) = journal.blob(run, digest)? else { return Ok(None) };
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if json.to_string().contains("{\"secret\":") {
        return Ok(None);
    }
    Ok(Value::from_json(&json).as_map().cloned())
}
