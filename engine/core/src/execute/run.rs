//! The loop around the reducer: performs effects, records events, keeps the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::attempt::{Ended, Worker};
use super::resume::Resumed;
use super::state::{Counts, Effect, Happened, Looked, Record, Settings, State, Verified, Written};
use crate::change::Action;
use crate::clock::{Clock, Hold};
use crate::event::{Body, Event, Outcome, Step, TaskState};
use crate::failure::{Class, Failure};
use crate::graph::{Graph, VertexId};
use crate::journal::{self, Batch, Blob, Store};
use crate::lease::Leases;
use crate::plan::look::Looker;
use crate::plan::{Expanded, Plan, SecretKey, estimate, expand_vertex};
use crate::task::{InstanceKey, Knowledge, Writes};
use crate::value::Value;

/// How often other tasks of this process get their turn before a commit.
const TURNS: usize = 4;

/// Version of the events' form.
const EVENT_FORM: u32 = 1;

/// Told when the person asks to stop: once to end in order, twice to exit now.
#[derive(Clone)]
pub struct Cancel {
    sender: Arc<watch::Sender<Option<String>>>,
    receiver: watch::Receiver<Option<String>>,
}

impl Default for Cancel {
    fn default() -> Self {
        let (sender, receiver) = watch::channel(None);
        Self { sender: Arc::new(sender), receiver }
    }
}

impl Cancel {
    /// Asks to stop, naming the signal.
    pub fn request(&self, signal: &str) {
        self.sender.send_replace(Some(signal.to_owned()));
    }

    /// Waits until it is asked.
    pub async fn requested(&mut self) {
        // The sender lives as long as any clone of this.
        if self.receiver.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn is_requested(&self) -> bool {
        self.receiver.borrow().is_some()
    }

    fn signal(&self) -> String {
        self.receiver.borrow().clone().unwrap_or_default()
    }
}

/// What a run needs.
pub struct RunInput {
    /// Looks at instances, with writing connections.
    pub looker: Looker,
    /// What is known beforehand: the environment's secrets.
    pub knowledge: Knowledge,
    /// The plan that is applied.
    pub plan: Plan,
    /// Where events go first.
    pub journal: Arc<dyn Store>,
    /// Sees each event after its commit.
    pub observer: Arc<dyn Fn(&Event) + Send + Sync>,
    /// Takes leases where it writes; the caller gives them back.
    pub leases: Arc<dyn Leases>,
    /// Told when the person asks to stop.
    pub cancel: Cancel,
    /// The run's id.
    pub run: String,
    /// Hashes secrets.
    pub secret_key: SecretKey,
    /// Looks and writes at once.
    pub parallelism: usize,
    /// A failure starts nothing new.
    pub fail_fast: bool,
    /// What earlier processes recorded, when the run is taken up again.
    pub resumed: Option<Resumed>,
}

/// Why a run stopped without an end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What happens could not be recorded any more; nothing was written after that.
    #[error("the run `{run}` stopped: what it does cannot be recorded")]
    Journal {
        /// The run; it can be resumed.
        run: String,
        /// Why.
        source: journal::Error,
    },
}

/// A task at the end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskReport {
    /// Its address.
    pub address: String,
    /// Its state.
    pub state: TaskState,
    /// What was done.
    pub action: Action,
    /// Why, for skipped, blocked and failed tasks.
    pub because: Option<String>,
    /// The failure in full, for failed tasks.
    pub failure: Option<Failure>,
}

/// A run at its end.
#[derive(Debug)]
pub struct RunReport {
    /// Its id.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How many tasks ended how.
    pub counts: Counts,
    /// All tasks, in graph order.
    pub tasks: Vec<TaskReport>,
    /// World time from start to end.
    pub took: Duration,
    /// The root's outputs; unknown where tasks did not run.
    pub outputs: BTreeMap<String, Value>,
}

/// What effects tell the loop. World time stands until it has taken note: an event bears the time
/// at which it happened.
pub(super) enum Message {
    Ended(Ended, Hold),
    Side(InstanceKey, Body, Hold),
}

/// Applies a plan.
pub async fn run(input: RunInput) -> Result<RunReport, RunError> {
    let (sender, receiver) = unbounded_channel();
    let clock = input.looker.clock.clone();
    let hold = clock.hold();
    let mut knowledge = input.knowledge;
    knowledge.run_id = Some(input.run.clone());
    knowledge.slot = Some(input.plan.slot());
    let graph = input.looker.graph.clone();
    let wanted = wanted(&graph, &input.plan);
    for id in left_out(&graph, &wanted) {
        knowledge.learn_writes(id, Writes::No);
    }
    let resumed = input.resumed.unwrap_or_default();
    let plan_blob = Blob::new(input.plan.store());
    let opening = opening(&input.plan, &plan_blob, &resumed);
    let urgency = urgency(&input.plan);
    let attempts = resumed
        .earlier
        .iter()
        .map(|(address, earlier)| (address.clone(), earlier.attempts))
        .collect();
    let worker = Arc::new(Worker {
        looker: input.looker,
        knowledge: RwLock::new(knowledge),
        planned: input.plan.tasks.into_iter().map(|task| (task.address.clone(), task)).collect(),
        secret_key: input.secret_key,
        run: input.run.clone(),
        earlier: resumed.earlier,
        cancel: input.cancel.clone(),
        leases: input.leases,
        messages: sender.clone(),
        instances: RwLock::default(),
        seen: Mutex::default(),
        doubtful: Mutex::default(),
        passing: Mutex::default(),
        failed: Mutex::default(),
    });
    let settings = Settings {
        parallelism: input.parallelism.max(1),
        fail_fast: input.fail_fast,
        urgency,
        attempts,
        wanted,
    };
    let began = clock.now();
    let mut driver = Driver {
        state: State::new(graph.clone(), settings),
        worker,
        journal: input.journal,
        observer: input.observer,
        clock,
        run: input.run.clone(),
        seq: resumed.seq,
        pending: Vec::new(),
        blobs: vec![plan_blob],
        gathers: input.parallelism.max(1),
        sender,
        finished: BTreeMap::new(),
        tokens: BTreeMap::new(),
        failures: BTreeMap::new(),
        cancelled: false,
    };
    driver.record(Record { key: None, attempt: None, body: opening });
    let (driver, outcome) = among_workers(driver, receiver, input.cancel, hold).await;
    outcome.map_err(|source| RunError::Journal { run: input.run.clone(), source })?;
    let took = driver.clock.now().duration_since(began).try_into().unwrap_or_default();
    Ok(driver.report(&graph, took))
}

/// The first event of this process: the run begins, or is taken up again.
fn opening(plan: &Plan, blob: &Blob, resumed: &Resumed) -> Body {
    if resumed.seq > 0 {
        return Body::RunResumed { skipped: resumed.converged };
    }
    Body::RunStarted {
        runbook: plan.runbook.clone(),
        owner: plan.owner.clone(),
        target: plan.target.on.clone(),
        plan: blob.digest.clone(),
        graph: plan.graph.clone(),
        tasks: plan.tasks.len() as u64,
        slot: Some(plan.slot()),
    }
}

/// Runs the loop as one task among those that it starts.
///
/// On the thread that waits for the whole runtime, each effect would be handed to another thread
/// and its end handed back; and giving others their turn before a commit would give it to nobody,
/// for nobody else runs there. Abandoning the run ends the loop.
async fn among_workers(
    mut driver: Driver,
    receiver: UnboundedReceiver<Message>,
    cancel: Cancel,
    hold: Hold,
) -> (Driver, Result<(), journal::Error>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let outcome = driver.drive(receiver, cancel, hold).await;
        (driver, outcome)
    });
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and this with it.
        Some(Err(_)) | None => std::future::pending().await,
    }
}

fn urgency(plan: &Plan) -> BTreeMap<String, Duration> {
    let remaining = estimate::remaining(&plan.tasks);
    plan.tasks.iter().map(|task| task.address.clone()).zip(remaining).collect()
}

/// The vertices that a plan with targets is about.
fn wanted(graph: &Graph, plan: &Plan) -> BTreeSet<VertexId> {
    let planned: BTreeSet<String> = plan.tasks.iter().map(|task| strip(&task.address)).collect();
    (0..graph.vertices.len())
        .map(|index| VertexId(u32::try_from(index).unwrap_or(u32::MAX)))
        .filter(|id| planned.contains(&graph.vertex(*id).path.join("/")))
        .collect()
}

/// The vertices that have no task in the plan: repeated over nothing, or no part of its targets.
fn left_out<'a>(
    graph: &Graph,
    wanted: &'a BTreeSet<VertexId>,
) -> impl Iterator<Item = VertexId> + use<'a> {
    let all = if wanted.is_empty() { 0 } else { graph.vertices.len() };
    (0..all)
        .map(|index| VertexId(u32::try_from(index).unwrap_or(u32::MAX)))
        .filter(|id| !wanted.contains(id))
}

fn strip(address: &str) -> String {
    let mut bare = String::with_capacity(address.len());
    let mut inside = false;
    for character in address.chars() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            other if !inside => bare.push(other),
            _ => {}
        }
    }
    bare
}

struct Driver {
    state: State,
    worker: Arc<Worker>,
    journal: Arc<dyn Store>,
    observer: Arc<dyn Fn(&Event) + Send + Sync>,
    clock: Arc<dyn Clock>,
    run: String,
    seq: u64,
    /// Recorded and not yet durable.
    pending: Vec<Event>,
    /// Blobs that those name.
    blobs: Vec<Blob>,
    /// Writes that one commit may hold back for others to join it.
    gathers: usize,
    sender: UnboundedSender<Message>,
    finished: BTreeMap<InstanceKey, (TaskState, Action, Option<String>)>,
    tokens: BTreeMap<InstanceKey, String>,
    failures: BTreeMap<InstanceKey, Failure>,
    /// The wish to stop has been taken note of.
    cancelled: bool,
}

impl Driver {
    async fn drive(
        &mut self,
        mut receiver: UnboundedReceiver<Message>,
        mut cancel: Cancel,
        hold: Hold,
    ) -> Result<(), journal::Error> {
        let mut holds = vec![hold];
        let mut effects = self.step(Happened::Begun, Vec::new());
        let mut writes = Vec::new();
        loop {
            // Everything that has been told by now goes into one commit.
            while let Ok(message) = receiver.try_recv() {
                effects.extend(self.take(message, &cancel, &mut holds));
            }
            // A write may start only when its `intended` is durable; nothing else waits for that.
            for effect in self.expand(std::mem::take(&mut effects)) {
                match effect {
                    Effect::Write(_) => writes.push(effect),
                    other => self.spawn(other),
                }
            }
            let may_gather = !writes.is_empty() && writes.len() < self.gathers;
            if may_gather && let Some(message) = next_soon(&mut receiver).await {
                effects.extend(self.take(message, &cancel, &mut holds));
                continue;
            }
            if !writes.is_empty() || self.state.is_over() {
                self.commit().await?;
            }
            for effect in writes.drain(..) {
                self.spawn(effect);
            }
            if self.state.is_over() {
                break;
            }
            if let Some(message) = next_soon(&mut receiver).await {
                effects.extend(self.take(message, &cancel, &mut holds));
                continue;
            }
            self.commit().await?;
            holds.clear();
            tokio::select! {
                message = receiver.recv() => {
                    let Some(message) = message else { break };
                    effects.extend(self.take(message, &cancel, &mut holds));
                }
                () = cancel.requested(), if !self.cancelled => {
                    effects.extend(self.heed(&cancel, &mut holds));
                }
            }
        }
        let Counts { changed, failed, blocked } = self.state.counts();
        let outcome = self.state.outcome();
        self.record(Record {
            key: None,
            attempt: None,
            body: Body::RunFinished { outcome, changed, failed, blocked },
        });
        self.commit().await
    }

    /// Takes note of the wish to stop, once.
    fn heed(&mut self, cancel: &Cancel, holds: &mut Vec<Hold>) -> Vec<Effect> {
        if self.cancelled || !cancel.is_requested() {
            return Vec::new();
        }
        self.cancelled = true;
        holds.push(self.clock.hold());
        self.step(Happened::Cancelled(cancel.signal()), Vec::new())
    }

    fn take(&mut self, message: Message, cancel: &Cancel, holds: &mut Vec<Hold>) -> Vec<Effect> {
        // Workers see the wish as soon as this does. What they dropped because of it must not
        // arrive before the reason: a run that ends with it would pass for one that succeeded.
        let mut effects = self.heed(cancel, holds);
        match message {
            Message::Ended((happened, blobs), hold) => {
                holds.push(hold);
                effects.extend(self.step(happened, blobs));
                effects
            }
            Message::Side(key, body, hold) => {
                holds.push(hold);
                let attempt = Some(self.state.attempt(&key).max(1));
                self.record(Record { key: Some(key), attempt, body });
                effects
            }
        }
    }

    fn step(&mut self, happened: Happened, blobs: Vec<Blob>) -> Vec<Effect> {
        self.blobs.extend(blobs);
        match &happened {
            Happened::Looked(key, Looked::Failed(failure))
            | Happened::Written(key, Written::Rejected(failure, None))
            | Happened::Verified(key, Verified::NotConverged(failure, None)) => {
                self.failures.insert(key.clone(), failure.clone());
            }
            _ => {}
        }
        let (records, effects) = self.state.step(happened);
        for record in records {
            if let (Some(key), Body::Step(Step::Intended { token, .. })) =
                (&record.key, &record.body)
            {
                self.tokens.insert(key.clone(), token.clone());
            }
            self.record(record);
        }
        effects
    }

    /// Finding instances needs no I/O, so it is done here, until nothing more can be found.
    fn expand(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        let mut queue = effects;
        while let Some(effect) = queue.pop() {
            let Effect::Expand(id) = effect else {
                rest.push(effect);
                continue;
            };
            let graph = self.worker.looker.graph.clone();
            let expanded = {
                let mut knowledge = self
                    .worker
                    .knowledge
                    .write()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                let expanded = expand_vertex(&graph, &mut knowledge, id);
                if let Ok(Expanded::Skipped(_)) = expanded {
                    knowledge.learn_writes(id, Writes::No);
                }
                expanded
            };
            let instances = match expanded {
                Ok(Expanded::Instances(found)) => {
                    let mut known = self
                        .worker
                        .instances
                        .write()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    for instance in &found {
                        known.insert(instance.key(), instance.clone());
                    }
                    Ok(found.iter().map(crate::task::Instance::key).collect())
                }
                Ok(Expanded::Skipped(why)) => Err(why),
                Ok(Expanded::Unknown(_)) => {
                    Err("what it is repeated over did not become known".to_owned())
                }
                Err(problem) => Err(problem.message),
            };
            queue.extend(self.step(Happened::Expanded(id, instances), Vec::new()));
        }
        rest.reverse();
        rest
    }

    fn record(&mut self, record: Record) {
        self.seq += 1;
        let address = record.key.as_ref().map(|key| {
            let graph = &self.worker.looker.graph;
            graph.vertex(key.vertex).name(graph, &key.keys, key.own.as_deref())
        });
        if let (Some(key), Body::TaskFinished { state, action, because }) =
            (&record.key, &record.body)
        {
            self.finished.insert(key.clone(), (*state, *action, because.clone()));
        }
        self.pending.push(Event {
            v: EVENT_FORM,
            seq: self.seq,
            time: self.clock.real_now(),
            world_time: self.clock.now(),
            run: self.run.clone(),
            address,
            attempt: record.attempt,
            body: record.body,
        });
    }

    async fn commit(&mut self) -> Result<(), journal::Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let events = Arc::new(std::mem::take(&mut self.pending));
        let blobs = std::mem::take(&mut self.blobs);
        self.journal.append(Batch { events: events.clone(), blobs }).await?;
        for event in events.iter() {
            (self.observer)(event);
        }
        // The store has let go of them: the next commit finds the room that this one made.
        self.pending = Arc::into_inner(events).unwrap_or_default();
        self.pending.clear();
        Ok(())
    }

    fn spawn(&mut self, effect: Effect) {
        let worker = self.worker.clone();
        let sender = self.sender.clone();
        let hold = self.clock.hold();
        let attempt = match &effect {
            Effect::Look(key) => self.state.attempt(key),
            _ => 0,
        };
        let token = match &effect {
            Effect::Write(key) => self.tokens.remove(key).unwrap_or_default(),
            _ => String::new(),
        };
        tokio::spawn(async move {
            let panicked = panicked(&effect);
            let ended =
                AssertUnwindSafe(perform(&worker, effect, attempt, token)).catch_unwind().await;
            let ended = ended.unwrap_or_else(|_| (panicked, Vec::new()));
            // The loop ends only when nothing is under way, so it is there.
            let _ = sender.send(Message::Ended(ended, hold));
        });
    }

    fn report(self, graph: &Graph, took: Duration) -> RunReport {
        let mut tasks = Vec::new();
        for (key, state) in self.state.states() {
            let (state, action, because) =
                self.finished.get(key).cloned().unwrap_or((state, Action::None, None));
            tasks.push(TaskReport {
                address: graph.vertex(key.vertex).name(graph, &key.keys, key.own.as_deref()),
                state,
                action,
                because,
                failure: self.failures.get(key).filter(|_| state == TaskState::Failed).cloned(),
            });
        }
        let knowledge =
            self.worker.knowledge.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let place =
            crate::graph::Place { scope: crate::graph::ScopeId(0), keys: Vec::new(), each: None };
        let outputs = graph
            .outputs
            .iter()
            .filter_map(|(name, template)| {
                let evaluated =
                    graph.evaluate_template(*template, &place, &knowledge.root_view(graph)).ok()?;
                Some((name.clone(), evaluated.value))
            })
            .collect();
        RunReport {
            run: self.run.clone(),
            outcome: self.state.outcome(),
            counts: self.state.counts(),
            tasks,
            took,
            outputs,
        }
    }
}

/// The next message, when it comes while whatever can run without waiting for the world runs.
///
/// Looks and writes that need no I/O end within a few turns; one commit for all of them costs as
/// much as one for each.
async fn next_soon(receiver: &mut UnboundedReceiver<Message>) -> Option<Message> {
    for _ in 0..TURNS {
        if let Ok(message) = receiver.try_recv() {
            return Some(message);
        }
        tokio::task::yield_now().await;
    }
    receiver.try_recv().ok()
}

async fn perform(worker: &Worker, effect: Effect, attempt: u32, token: String) -> Ended {
    match effect {
        // Each in a box: a task is moved several times before it runs, and would be as large as
        // the largest of them.
        Effect::Look(key) => Box::pin(worker.look(key, attempt)).await,
        Effect::Write(key) => Box::pin(worker.write(key, token)).await,
        Effect::Verify(key) => Box::pin(worker.verify(key)).await,
        Effect::Pause(key, pause) => {
            let mut cancelled = worker.cancel.clone();
            tokio::select! {
                () = crate::clock::sleep(worker.looker.clock.as_ref(), pause) => {}
                () = cancelled.requested() => {}
            }
            (Happened::Paused(key), Vec::new())
        }
        // Performed by the loop itself.
        Effect::Expand(id) => (Happened::Expanded(id, Err("not expanded".to_owned())), Vec::new()),
    }
}

/// What is recorded when the effect panics: a defect of a module fails its task and nothing else.
fn panicked(effect: &Effect) -> Happened {
    let failure = Failure::new(Class::Bug, "a defect of runbook: the module panicked")
        .hint("please report this with the run's `runbook show`");
    match effect {
        Effect::Look(key) => Happened::Looked(key.clone(), Looked::Failed(failure)),
        Effect::Write(key) => Happened::Written(key.clone(), Written::Ambiguous(failure)),
        Effect::Verify(key) => {
            Happened::Verified(key.clone(), Verified::NotConverged(failure, None))
        }
        Effect::Pause(key, _) => Happened::Paused(key.clone()),
        Effect::Expand(id) => Happened::Expanded(*id, Err(failure.message)),
    }
}
