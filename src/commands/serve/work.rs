//! One slot's run: the same steps as `runbook plan` and `runbook run`, with nobody to ask.
//!
//! World time may not jump between a result and its consequences. While a slot is planned, nobody but
//! its own looks moves time; a run holds the clock by itself; and from its last event on a hold is kept
//! until the end is recorded ([`Gate`]).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use runbook_core::clock::{Clock, Hold};
use runbook_core::event::{Body, Event, Outcome};
use runbook_core::execute::Cancel;
use runbook_core::execute::resume::prepare;
use runbook_core::journal::slots::Ending;
use runbook_core::plan::Plan;
use runbook_core::schedule::Mode;
use tokio::sync::Notify;

use crate::arguments::{ApplyOptions, EventFormat, InputArguments};
use crate::commands::Session;
use crate::commands::apply::graph_in;
use crate::commands::carry_out::{Work, carried_out, journal};
use crate::commands::planned::{Planning, planned};
use crate::commands::run::paused;
use crate::commands::schedule::sources::{Entry, graph_now};
use crate::library::Library;
use crate::target::clock::real_now;
use crate::target::{On, Target};
use crate::trouble::Trouble;
use crate::view::words;

/// Slots that are being planned, and who wants to know when that changes.
#[derive(Default)]
pub(crate) struct Planners {
    count: AtomicUsize,
    /// Told when one has passed on to applying.
    pub(crate) changed: Notify,
}

impl Planners {
    /// Whether any slot is being planned.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }
}

/// What one slot's run keeps of the clock; see the head of this file.
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    planners: Arc<Planners>,
    state: Mutex<Passed>,
}

#[derive(Default)]
struct Passed {
    is_planned: bool,
    end: Option<Hold>,
}

impl Gate {
    /// A slot begins to be planned.
    pub(crate) fn new(clock: Arc<dyn Clock>, planners: Arc<Planners>) -> Self {
        planners.count.fetch_add(1, Ordering::SeqCst);
        Self { clock, planners, state: Mutex::default() }
    }

    fn planned(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut state.is_planned, true) {
            self.planners.count.fetch_sub(1, Ordering::SeqCst);
            self.planners.changed.notify_one();
        }
    }

    /// Sees the run's events, while the run holds the clock.
    fn on_event(&self, event: &Event) {
        match event.body {
            Body::RunStarted { .. } | Body::RunResumed { .. } => self.planned(),
            Body::RunFinished { .. } => {
                let hold = self.clock.hold();
                self.state.lock().unwrap_or_else(PoisonError::into_inner).end = Some(hold);
            }
            _ => {}
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.planned();
    }
}

/// A slot that is to be run.
pub(crate) struct Due {
    /// Of which schedule.
    pub(crate) entry: Arc<Entry>,
    /// The slot.
    pub(crate) slot: Timestamp,
    /// The run.
    pub(crate) run: String,
    /// Whether the journal has the run already: an earlier server has died.
    pub(crate) is_resumed: bool,
    /// Asks it to stop in order.
    pub(crate) cancel: Cancel,
    /// Its part of the clock.
    pub(crate) gate: Arc<Gate>,
}

/// How slots are run.
pub(crate) struct Manner {
    /// As `runbook run` has it.
    pub(crate) options: ApplyOptions,
    /// Apply on a real target.
    pub(crate) yes: bool,
}

/// What came of a slot.
pub(crate) struct Done {
    /// How it ended; none when it was told to stop, and can be resumed.
    pub(crate) how: Option<Ending>,
    /// In words.
    pub(crate) words: String,
}

/// Runs a slot. The caller holds the lease when its mode is `apply`.
pub(crate) async fn work(session: &Session, target: &Target, due: &Due, manner: &Manner) -> Done {
    match steps(session, target, due, manner).await {
        Ok(done) => done,
        Err(trouble) => {
            if !trouble.told {
                session.printer.note(&trouble.render(&session.printer.err));
            }
            let words = if trouble.told {
                "failed".to_owned()
            } else {
                format!("failed: {}", words::one_line(&trouble.message))
            };
            Done { how: Some(Ending::Failed), words }
        }
    }
}

async fn steps(
    session: &Session,
    target: &Target,
    due: &Due,
    manner: &Manner,
) -> Result<Done, Trouble> {
    if due.is_resumed {
        return resumed(session, target, due, manner).await;
    }
    let (graph, library, broken) = graph_now(session, &due.entry)?;
    if let Some(why) = broken {
        session.printer.note(&format!(
            "{why}\n{}: the text is broken now; the slot runs what it said before",
            due.entry.runbook
        ));
    }
    let graph = Arc::new(graph);
    let secret_key = session.state.secret_key()?;
    let planning = Planning {
        parallelism: manner.options.parallelism,
        targets: &[],
        bound_to: &[],
        slot: Some(due.slot),
    };
    let plan = planned(session, target, &graph, &library, &secret_key, &planning).await?;
    if plan.is_empty() {
        return Ok(ended(Ending::NothingToChange, "nothing to change"));
    }
    let waiting = words::count(left_to_do(&plan), "task");
    if due.entry.schedule.mode == Mode::Plan {
        let path = session.state.store_plan(&plan.name(), &plan.store())?;
        let words = format!("{waiting} to change; plan {} is stored: {path}", plan.name());
        return Ok(Done { how: Some(Ending::Changes), words });
    }
    if let Some(why) = unattended(&plan, target, manner) {
        paused(session, &plan, why, manner.options.allow_destroy)?;
        return Ok(ended(Ending::Paused, "waits for a person"));
    }
    let work = Work {
        target,
        graph,
        plan: Arc::new(plan),
        run: due.run.clone(),
        resumed: None,
        secret_key,
        options: &manner.options,
        began: real_now(),
    };
    applied(session, due, work).await
}

fn left_to_do(plan: &Plan) -> usize {
    use runbook_core::plan::Kind;
    let done = |kind| matches!(kind, Kind::NoChange | Kind::Skipped);
    plan.tasks.iter().filter(|task| !done(task.kind)).count()
}

fn ended(how: Ending, words: &str) -> Done {
    Done { how: Some(how), words: words.to_owned() }
}

/// Why a plan may not be applied when nobody is there.
fn unattended(plan: &Plan, target: &Target, manner: &Manner) -> Option<&'static str> {
    if plan.tasks.iter().any(|task| task.kind.destroys()) && !manner.options.allow_destroy {
        return Some("it would delete or replace what is there; that wants `--allow-destroy`");
    }
    (target.on == On::Aws && !manner.yes)
        .then_some("this target is real, nobody is there to ask, and no `--yes`")
}

/// Carries on with the run of a server that has died.
async fn resumed(
    session: &Session,
    target: &Target,
    due: &Due,
    manner: &Manner,
) -> Result<Done, Trouble> {
    let (plan, resumed) = {
        let journal = journal(session)?;
        prepare(journal.as_ref(), &due.run).map_err(|error| Trouble::of(&error))?
    };
    let secret_key = session.state.secret_key()?;
    let folder = due.entry.folder.clone();
    let library = Library::stored_of(plan.root_file.clone(), plan.files.clone(), folder);
    let graph = graph_in(session, &library, &plan, &InputArguments::default(), &secret_key)?;
    let work = Work {
        target,
        graph,
        plan: Arc::new(plan),
        run: due.run.clone(),
        resumed: Some(resumed),
        secret_key,
        options: &manner.options,
        began: real_now(),
    };
    applied(session, due, work).await
}

async fn applied(session: &Session, due: &Due, work: Work<'_>) -> Result<Done, Trouble> {
    let gate = due.gate.clone();
    let printer = session.printer.clone();
    let json = work.options.output == EventFormat::Json;
    let observer = Arc::new(move |event: &Event| {
        gate.on_event(event);
        if json {
            // Texts and numbers: this cannot fail.
            printer.out(&serde_json::to_string(event).unwrap_or_default());
        }
    });
    let report = carried_out(session, &work, due.cancel.clone(), observer).await?;
    let took = words::duration(report.took);
    Ok(match report.outcome {
        Outcome::Succeeded => {
            Done { how: Some(Ending::Succeeded), words: format!("applied in {took}") }
        }
        Outcome::Failed => Done {
            how: Some(Ending::Failed),
            words: format!("failed; runbook resume {}", work.run),
        },
        Outcome::Uncovered => ended(Ending::Uncovered, "the plan did not cover what was found"),
        Outcome::Paused => ended(Ending::Paused, "waits for a person"),
        Outcome::Cancelled => Done { how: None, words: "stopped in order".to_owned() },
    })
}
