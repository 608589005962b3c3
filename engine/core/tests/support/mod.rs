//! A small world with modules of its own, for tests of the engine.
//!
//! `fake.thing` is observable: it has a name (identity), a colour (immutable), a size, and takes
//! some world time to converge. `fake.lookup` is pure. Faults are scripted by name. The clock is
//! simulated as the sandbox's is: it jumps when everything waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(dead_code, reason = "each test binary uses its part")]

mod blind;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use runbook_core::change::Action;
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_core::connection::{Access, Connection, Connector, Kind};
use runbook_core::event::{Body, Event, Step};
use runbook_core::execute::{Cancel, RunError, RunInput, RunReport, resume, run};
use runbook_core::expression::scope::Files;
use runbook_core::failure::{Class, Failure};
use runbook_core::graph::{
    CompileInput, Given, GivenInputs, Graph, Loaded, Loader, Refused, compile,
};
use runbook_core::journal::{Journal, Store};
use runbook_core::module::{
    Applied, Argument, Context, Description, Intent, Lock, LockUntil, Module, Nature, Observation,
    Observed, Output, Schema, Try, TryObserver, Values, Verdict,
};
use runbook_core::owner::{Owner, Ownership};
use runbook_core::plan::look::{Connections, Looker};
use runbook_core::plan::{self, Plan, PlanError, PlanInput, Planned, SecretKey, Target};
use runbook_core::registry::Registry;
use runbook_core::task::Knowledge;
use runbook_core::value::{Type, Value};

use blind::BlindModule;

/// An object of the fake world.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thing {
    pub(crate) colour: String,
    pub(crate) size: i64,
    pub(crate) owner: Option<String>,
    pub(crate) address: String,
    pub(crate) ready_at: Timestamp,
}

/// The fake world.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) things: Mutex<BTreeMap<String, Thing>>,
    /// Every write that took effect, in order: `create a`, `update a`.
    pub(crate) log: Mutex<Vec<String>>,
    /// By name: what the next writes answer; the effect happens for `Lost`.
    pub(crate) faults: Mutex<BTreeMap<String, Vec<Fault>>>,
}

impl World {
    /// What the next write of that name answers, when it is scripted.
    fn next_fault(&self, name: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let faults = faults.get_mut(name)?;
        (!faults.is_empty()).then(|| faults.remove(0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Known not to have happened.
    Reject,
    /// Passes by itself.
    Passing,
    /// It happened, the reply was lost.
    Lost,
    Panic,
}

/// A clock that jumps when everything waits.
pub(crate) struct JumpingClock {
    state: Mutex<ClockState>,
    changed: tokio::sync::Notify,
}

struct ClockState {
    now: Timestamp,
    busy: usize,
    sleepers: BTreeMap<u64, Timestamp>,
    last: u64,
}

impl JumpingClock {
    pub(crate) fn new() -> Arc<Self> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let state = ClockState { now, busy: 0, sleepers: BTreeMap::new(), last: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: tokio::sync::Notify::new() })
    }

    fn turn(&self) {
        let mut state = self.state.lock().unwrap();
        if state.busy == 0
            && let Some(at) = state.sleepers.values().min().copied()
        {
            state.now = state.now.max(at);
            drop(state);
            self.changed.notify_waiters();
        }
    }
}

/// A handle, so that holds can own the clock.
pub(crate) struct TestClock(pub(crate) Arc<JumpingClock>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.state.lock().unwrap().now
    }

    fn real_now(&self) -> Timestamp {
        self.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let id = {
                let mut state = self.0.state.lock().unwrap();
                state.busy -= 1;
                state.last += 1;
                let id = state.last;
                state.sleepers.insert(id, at);
                id
            };
            let _awake = Awake { clock: self.0.clone(), id };
            self.0.turn();
            loop {
                let notified = self.0.changed.notified();
                if self.now() >= at {
                    return;
                }
                notified.await;
            }
        })
    }

    fn hold(&self) -> Hold {
        self.0.state.lock().unwrap().busy += 1;
        let clock = self.0.clone();
        Hold::new(move || {
            clock.state.lock().unwrap().busy -= 1;
            clock.turn();
        })
    }

    fn aside(&self) -> Hold {
        self.0.state.lock().unwrap().busy -= 1;
        self.0.turn();
        let clock = self.0.clone();
        Hold::new(move || clock.state.lock().unwrap().busy += 1)
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        Box::pin(async { Delegation { environment: Vec::new(), guard: Hold::none() } })
    }
}

/// Ends a sleep, also when it is abandoned.
struct Awake {
    clock: Arc<JumpingClock>,
    id: u64,
}

impl Drop for Awake {
    fn drop(&mut self) {
        let mut state = self.clock.state.lock().unwrap();
        state.sleepers.remove(&self.id);
        state.busy += 1;
    }
}

fn argument(name: &'static str, kind: Type, required: bool) -> Argument {
    Argument {
        name,
        r#type: kind,
        required,
        default: None,
        identity: false,
        immutable: false,
        secret: false,
        allowed: &[],
        description: "for tests",
    }
}

fn output(name: &'static str, kind: Type) -> Output {
    Output { name, r#type: kind, volatile: false, secret: false, description: "for tests" }
}

/// `fake.thing`
pub(crate) struct ThingModule {
    world: Arc<World>,
    schema: Schema,
}

impl ThingModule {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let schema = Schema {
            name: "fake.thing",
            summary: "A thing.",
            nature: Nature::Observable,
            follows: false,
            connection: None,
            arguments: vec![
                Argument { identity: true, ..argument("name", Type::String, true) },
                Argument {
                    immutable: true,
                    default: Some(Value::from("red")),
                    ..argument("colour", Type::String, false)
                },
                Argument {
                    default: Some(Value::Integer(1)),
                    ..argument("size", Type::Integer, false)
                },
                argument("takes", Type::Duration, false),
                argument("lock", Type::String, false),
                argument("uses", Type::Any, false),
            ],
            outputs: vec![
                output("name", Type::String),
                output("id", Type::String),
                output("size", Type::Integer),
            ],
            may: &[Action::Create, Action::Update, Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { world, schema }
    }
}

fn text(arguments: &Values, name: &str) -> String {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[async_trait]
impl Module for ThingModule {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: arguments.get("name").map(ToString::to_string).unwrap_or_default(),
            detail: String::new(),
        }
    }

    fn desired(&self, arguments: &Values) -> Values {
        arguments
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "colour" | "size"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let things = self.world.things.lock().unwrap();
        let Some(thing) = things.get(&text(arguments, "name")) else { return Ok(Observed::Absent) };
        let ownership = match &thing.owner {
            None => Ownership::Unmarked,
            Some(owner) if *owner == context.owner.0 => {
                Ownership::Ours { address: thing.address.clone() }
            }
            Some(owner) => Ownership::Foreign { owner: Owner(owner.clone()) },
        };
        let values = |pairs: Vec<(&str, Value)>| {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        Ok(Observed::Present(Observation {
            projection: values(vec![
                ("colour", thing.colour.as_str().into()),
                ("size", thing.size.into()),
            ]),
            ownership,
            outputs: outputs(&text(arguments, "name"), thing),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let name = text(intent.arguments, "name");
        let fault = self.world.next_fault(&name);
        match fault {
            Some(Fault::Reject) => {
                return Applied::Rejected(Failure::new(Class::Invalid, "refused").code("Refused"));
            }
            Some(Fault::Passing) => {
                return Applied::Rejected(
                    Failure::new(Class::Conflict, "in progress")
                        .passes_within(Duration::from_mins(2)),
                );
            }
            Some(Fault::Panic) => panic!("as the test asked"),
            Some(Fault::Lost) | None => {}
        }
        let mut things = self.world.things.lock().unwrap();
        let mut log = self.world.log.lock().unwrap();
        let takes =
            runbook_core::value::duration(&text(intent.arguments, "takes")).unwrap_or_default();
        if intent.change.action == Action::Delete {
            things.remove(&name);
            log.push(format!("delete {name}"));
            return Applied::Acknowledged(Values::new());
        }
        log.push(format!("{} {name}", format!("{:?}", intent.change.action).to_lowercase()));
        things.insert(
            name,
            Thing {
                colour: text(intent.arguments, "colour"),
                size: intent.arguments.get("size").and_then(Value::as_i64).unwrap_or_default(),
                owner: Some(intent.mark.owner.0.clone()),
                address: intent.mark.address_tag(),
                ready_at: context
                    .clock
                    .now()
                    .saturating_add(SignedDuration::try_from(takes).unwrap())
                    .unwrap(),
            },
        );
        if fault == Some(Fault::Lost) {
            return Applied::Ambiguous(Failure::new(
                Class::Unavailable,
                "the connection was reset",
            ));
        }
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let name = text(arguments, "name");
        let things = self.world.things.lock().unwrap();
        Ok(match things.get(&name) {
            None => Verdict::NotYet("not there".to_owned()),
            Some(thing) if thing.ready_at > context.clock.now() => {
                Verdict::NotYet("MAKING".to_owned())
            }
            Some(thing) => Verdict::Converged(outputs(&name, thing)),
        })
    }

    fn locks(&self, arguments: &Values) -> Vec<Lock> {
        match text(arguments, "lock") {
            name if name.is_empty() => Vec::new(),
            name => vec![Lock { name, until: LockUntil::Converged }],
        }
    }

    fn expected(&self, action: Action, arguments: &Values) -> Duration {
        if action == Action::None {
            Duration::ZERO
        } else {
            runbook_core::value::duration(&text(arguments, "takes")).unwrap_or_default()
        }
    }
}

fn outputs(name: &str, thing: &Thing) -> Values {
    [
        ("name", name.into()),
        ("id", format!("id-{name}").into()),
        ("size", Value::Integer(thing.size)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// `fake.lookup`: the size of a thing, or a failure.
pub(crate) struct LookupModule {
    world: Arc<World>,
    schema: Schema,
}

impl LookupModule {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let schema = Schema {
            name: "fake.lookup",
            summary: "A thing's size.",
            nature: Nature::Pure,
            follows: false,
            connection: None,
            arguments: vec![Argument { identity: true, ..argument("name", Type::String, true) }],
            outputs: vec![
                output("size", Type::Integer),
                output("names", Type::List(Box::new(Type::String))),
            ],
            may: &[Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { world, schema }
    }
}

#[async_trait]
impl Module for LookupModule {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: arguments.get("name").map(ToString::to_string).unwrap_or_default(),
            detail: String::new(),
        }
    }

    async fn observe(&self, _: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let name = text(arguments, "name");
        let things = self.world.things.lock().unwrap();
        let thing = things
            .get(&name)
            .ok_or_else(|| Failure::new(Class::NotFound, format!("there is no thing `{name}`")))?;
        let names = Value::list(things.keys().map(|name| Value::from(name.as_str())));
        let outputs = Values::from([
            ("size".to_owned(), Value::Integer(thing.size)),
            ("names".to_owned(), names),
        ]);
        Ok(Observed::Present(Observation {
            projection: outputs.clone(),
            ownership: Ownership::Setting,
            outputs,
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        Applied::Rejected(Failure::new(Class::Bug, "a lookup does not write"))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        match self.observe(context, arguments).await? {
            Observed::Present(observation) => Ok(Verdict::Converged(observation.outputs)),
            Observed::Absent => Ok(Verdict::NotYet("absent".to_owned())),
        }
    }
}

pub(crate) fn registry(world: &Arc<World>) -> Registry {
    let mut registry = Registry::new();
    registry.add(Arc::new(ThingModule::new(world.clone())));
    registry.add(Arc::new(LookupModule::new(world.clone())));
    registry.add(Arc::new(BlindModule::new(world.clone())));
    registry
}

/// Files in memory.
#[derive(Default, Clone)]
pub(crate) struct MemoryLoader(pub(crate) BTreeMap<String, String>);

impl Files for MemoryLoader {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }
}

impl Loader for MemoryLoader {
    fn load(&self, _: &Path, reference: &str) -> Result<Loaded, String> {
        let name = reference.trim_start_matches("./").to_owned();
        let text = Files::read(self, &name)?;
        Ok(Loaded { name, text, folder: PathBuf::from(".") })
    }

    fn files(&self, _: &Path) -> Arc<dyn Files> {
        Arc::new(self.clone())
    }
}

pub(crate) struct NoConnector;

#[async_trait]
impl Connector for NoConnector {
    async fn connect(
        &self,
        _: Kind,
        _: &BTreeMap<String, Value>,
        _: Option<&Connection>,
        _: Access,
    ) -> Result<Connection, Failure> {
        Err(Failure::new(Class::Bug, "no connection in these tests"))
    }
}

pub(crate) struct NoTries;

impl TryObserver for NoTries {
    fn tried(&self, _: Try) {}
}

/// A workshop: a world, a clock, a state folder, and files.
pub(crate) struct Workshop {
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) files: MemoryLoader,
    pub(crate) given: GivenInputs,
    pub(crate) state: tempfile::TempDir,
    pub(crate) parallelism: usize,
}

impl Workshop {
    pub(crate) fn new(root: &str) -> Self {
        let mut files = MemoryLoader::default();
        files.0.insert("root.yaml".to_owned(), root.to_owned());
        Self {
            world: Arc::default(),
            clock: JumpingClock::new(),
            files,
            given: GivenInputs::default(),
            state: tempfile::tempdir().unwrap(),
            parallelism: 8,
        }
    }

    pub(crate) fn parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = parallelism;
        self
    }

    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.0.insert(name.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn input(mut self, name: &str, text: &str) -> Self {
        self.given.0.insert(name.to_owned(), (Given::Text(text.to_owned()), format!("-i {name}")));
        self
    }

    pub(crate) fn compile(&self) -> Result<Graph, Box<Refused>> {
        let root = self.files.load(Path::new("."), "root.yaml").unwrap();
        let registry = registry(&self.world);
        compile(&CompileInput {
            root,
            loader: &self.files,
            registry: &registry,
            given: &self.given,
        })
        .map(|(graph, _)| graph)
    }

    fn looker(&self, graph: Arc<Graph>) -> Looker {
        Looker {
            owner: Owner(format!(
                "{}/{}",
                graph.name,
                graph.instance.as_deref().unwrap_or("default")
            )),
            graph,
            clock: Arc::new(TestClock(self.clock.clone())),
            connections: Arc::new(Connections::new(Arc::new(NoConnector), Access::Write)),
            scratch: self.state.path().to_owned(),
            tries: Arc::new(NoTries),
        }
    }

    pub(crate) async fn plan(&self) -> Result<Planned, PlanError> {
        let graph =
            Arc::new(self.compile().unwrap_or_else(|refused| panic!("{:#?}", refused.problems)));
        plan::make(PlanInput {
            looker: self.looker(graph),
            knowledge: Knowledge::default(),
            parallelism: 8,
            target: Target { on: "test".to_owned(), world: None, connections: Vec::new() },
            secret_key: SecretKey::new([7; 32]),
            inputs: BTreeMap::new(),
            files: self.files.0.clone(),
            targets: Vec::new(),
        })
        .await
    }

    /// Applies a plan; the events are in the journal and returned.
    pub(crate) async fn apply(
        &self,
        plan: Plan,
        run_id: &str,
        cancel: Cancel,
    ) -> (RunReport, Vec<Event>) {
        self.apply_with(plan, run_id, cancel, None).await
    }

    pub(crate) async fn apply_with(
        &self,
        plan: Plan,
        run_id: &str,
        cancel: Cancel,
        resumed: Option<resume::Resumed>,
    ) -> (RunReport, Vec<Event>) {
        let journal: Arc<dyn Store> = Arc::new(Journal::open(self.state.path()).unwrap());
        let report = self.run_with(journal.clone(), plan, run_id, cancel, resumed).await.unwrap();
        let events = journal.read(run_id).unwrap();
        (report, events)
    }

    /// Runs with a journal of the test's own.
    pub(crate) async fn run_with(
        &self,
        journal: Arc<dyn Store>,
        plan: Plan,
        run_id: &str,
        cancel: Cancel,
        resumed: Option<resume::Resumed>,
    ) -> Result<RunReport, RunError> {
        let graph =
            Arc::new(self.compile().unwrap_or_else(|refused| panic!("{:#?}", refused.problems)));
        self.run_graph(graph, journal, plan, run_id, cancel, resumed).await
    }

    /// Runs a graph that is there already.
    pub(crate) async fn run_graph(
        &self,
        graph: Arc<Graph>,
        journal: Arc<dyn Store>,
        plan: Plan,
        run_id: &str,
        cancel: Cancel,
        resumed: Option<resume::Resumed>,
    ) -> Result<RunReport, RunError> {
        run(RunInput {
            leases: Arc::new(runbook_core::lease::NoLeases),
            looker: self.looker(graph),
            knowledge: Knowledge::default(),
            plan,
            journal,
            observer: Arc::new(|_| {}),
            cancel,
            run: run_id.to_owned(),
            secret_key: SecretKey::new([7; 32]),
            parallelism: self.parallelism,
            fail_fast: false,
            resumed,
        })
        .await
    }

    pub(crate) async fn plan_and_apply(&self) -> (RunReport, Vec<Event>) {
        let planned = self.plan().await.unwrap_or_else(|error| panic!("{error:#?}"));
        self.apply(planned.plan, "r1", Cancel::default()).await
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.world.log.lock().unwrap().clone()
    }
}

/// Events in short: one line each, durable steps and ends only.
pub(crate) fn steps(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| {
            let address = event.address.clone().unwrap_or_default();
            match &event.body {
                Body::Step(Step::Intended { action, .. }) => {
                    Some(format!("{address} intended {action:?}"))
                }
                Body::Step(Step::Acknowledged) => Some(format!("{address} acknowledged")),
                Body::Step(Step::Rejected { .. }) => Some(format!("{address} rejected")),
                Body::Step(Step::Ambiguous { .. }) => Some(format!("{address} ambiguous")),
                Body::Step(Step::Converged { .. }) => Some(format!("{address} converged")),
                Body::Step(Step::NotConverged { .. }) => Some(format!("{address} not converged")),
                Body::TaskFinished { state, because, .. } => Some(
                    format!(
                        "{address} {state:?}{}",
                        because.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
                    )
                    .to_lowercase(),
                ),
                _ => None,
            }
        })
        .collect()
}
