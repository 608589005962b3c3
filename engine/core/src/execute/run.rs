//! A run from its plan to its report.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use indexmap::IndexSet;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use super::ahead::may_go_ahead;
use super::attempt::Worker;
use super::bounds::Planned;
use super::cancel::Cancel;
use super::driver::{Driver, Outcome};
use super::inbox::Inbox;
use super::relay::Relay;
use super::report::RunReport;
use super::resume::Resumed;
use super::state::{Record, Settings, State};
use super::threads::{Abandon, Threads};
use super::waits::Waits;
use crate::clock::Hold;
use crate::event::{Body, Event};
use crate::graph::{Graph, VertexId};
use crate::journal::{self, Blob, Notes, Store};
use crate::lease::Leases;
use crate::plan::look::Looker;
use crate::plan::{Plan, SecretKey, estimate};
use crate::task::{ByInstance, Knowledge, Writes};

/// What a run needs.
pub struct RunInput {
    /// Looks at instances, with writing connections.
    pub looker: Looker,
    /// What is known beforehand: the environment's secrets.
    pub knowledge: Knowledge,
    /// The plan that is applied.
    pub plan: Arc<Plan>,
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

/// Applies a plan.
pub async fn run(input: RunInput) -> Result<RunReport, RunError> {
    let (sender, receiver) = unbounded_channel();
    let clock = input.looker.clock.clone();
    let hold = clock.hold();
    let mut knowledge = input.knowledge;
    knowledge.run_id = Some(input.run.clone());
    knowledge.slot = Some(input.plan.slot());
    let graph = input.looker.graph.clone();
    knowledge.make_room(graph.vertices.len());
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
        planned: Planned::by(&input.plan, &graph),
        secret_key: input.secret_key,
        run: input.run.clone(),
        earlier: resumed.earlier,
        leases: input.leases,
        messages: sender.clone(),
        instances: RwLock::new(ByInstance::for_vertices(graph.vertices.len())),
        seen: Mutex::new(ByInstance::for_vertices(graph.vertices.len())),
        doubtful: Mutex::default(),
        passing: Mutex::default(),
        failed: Mutex::default(),
    });
    let notes = notes(&input.journal, &input.run, resumed.seq + 1, &graph)
        .map_err(|source| RunError::Journal { run: input.run.clone(), source })?;
    let settings = Settings {
        parallelism: input.parallelism.max(1),
        fail_fast: input.fail_fast,
        urgency,
        attempts,
        wanted,
        notes: notes.is_some(),
    };
    let began = clock.now();
    let threads = Threads::new(input.parallelism.max(1), clock.clone());
    let mut driver = Driver {
        state: State::new(graph.clone(), settings),
        worker,
        journal: input.journal,
        observer: input.observer,
        clock,
        run: input.run.as_str().into(),
        seq: resumed.seq,
        pending: Vec::new(),
        has_unnoted: false,
        blobs: vec![plan_blob],
        gathers: input.parallelism.max(1),
        inbox: Inbox { receiver, threads: threads.clone(), own: VecDeque::new() },
        sender,
        threads,
        waits: Waits::default(),
        tokens: BTreeMap::new(),
        notes,
        ahead: 0,
        failures: BTreeMap::new(),
        has_new_tasks: false,
        cancelled: false,
    };
    driver.record(Record { key: None, attempt: None, body: opening });
    let (driver, outcome) = among_workers(driver, input.cancel, hold).await;
    outcome.map_err(|source| RunError::Journal { run: input.run.clone(), source })?;
    let took = driver.clock.now().duration_since(began).try_into().unwrap_or_default();
    Ok(driver.report(&graph, took))
}

/// Takes notes of what begins, when something of this run may be intended ahead of its turn.
fn notes(
    journal: &Arc<dyn Store>,
    run: &str,
    from: u64,
    graph: &Graph,
) -> Result<Option<Arc<dyn Notes>>, journal::Error> {
    if graph.vertices.iter().any(|vertex| may_go_ahead(graph, vertex)) {
        return journal.note(run, from);
    }
    Ok(None)
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
async fn among_workers(mut driver: Driver, cancel: Cancel, hold: Hold) -> Outcome {
    let threads = driver.threads.clone();
    let relay = Arc::new(Relay::new(async move {
        let outcome = driver.drive(cancel, hold).await;
        // Where it could not be recorded what happens, nothing more begins either.
        drop(driver.threads.take_all_back());
        (driver, outcome)
    }));
    threads.belong_to(&relay);
    let _abandon = Abandon { relay: relay.clone(), threads };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { relay.outcome().await });
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
    let planned: IndexSet<Cow<'_, str>> =
        plan.tasks.iter().map(|task| strip(&task.address)).collect();
    let is_planned = |id: &VertexId| match graph.vertex(*id).path.as_slice() {
        [only] => planned.contains(only.as_str()),
        path => planned.contains(path.join("/").as_str()),
    };
    (0..graph.vertices.len())
        .map(|index| VertexId(u32::try_from(index).unwrap_or(u32::MAX)))
        .filter(is_planned)
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

fn strip(address: &str) -> Cow<'_, str> {
    if !address.contains('[') {
        return Cow::Borrowed(address);
    }
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
    Cow::Owned(bare)
}
