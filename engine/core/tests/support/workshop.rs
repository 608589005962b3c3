//! Planning and applying runbooks that lie in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use runbook_core::connection::{Access, Connection, Connector, Kind};
use runbook_core::event::Event;
use runbook_core::execute::{Cancel, RunError, RunInput, RunReport, resume, run};
use runbook_core::expression::scope::Files;
use runbook_core::failure::{Class, Failure};
use runbook_core::graph::{
    CompileInput, Given, GivenInputs, Graph, Loaded, Loader, Refused, compile,
};
use runbook_core::journal::{Journal, Store};
use runbook_core::module::{Try, TryObserver};
use runbook_core::owner::Owner;
use runbook_core::plan::look::{Connections, Looker};
use runbook_core::plan::{self, Plan, PlanError, PlanInput, Planned, SecretKey, Target};
use runbook_core::task::Knowledge;
use runbook_core::value::Value;

use super::{JumpingClock, TestClock, World, registry};

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
    pub(crate) fail_fast: bool,
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
            fail_fast: false,
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
            sources: Box::new(|| plan::Sources {
                files: self.files.0.clone(),
                ..plan::Sources::default()
            }),
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
            plan: Arc::new(plan),
            journal,
            observer: Arc::new(|_| {}),
            cancel,
            run: run_id.to_owned(),
            secret_key: SecretKey::new([7; 32]),
            parallelism: self.parallelism,
            fail_fast: self.fail_fast,
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
