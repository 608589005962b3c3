//! One look at one instance: evaluate, connect, observe, diff, verify.
//!
//! Planning looks with reading connections and whatever is known before anything ran; applying
//! looks again right before each write, when everything upstream is known. Both decide by
//! [`Look`], so that what is shown and what is done cannot drift apart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::instances::{Expanded, expand_vertex};
use crate::change::{Action, Change};
use crate::clock::Clock;
use crate::connection::{Access, Connection, Connector};
use crate::failure::{Class, Failure};
use crate::graph::{ConnectionId, Graph, Problem, Read, VertexId};
use crate::module::{Context, Observed, TryObserver, Values, Verdict};
use crate::owner::{Mark, Owner, Ownership};
use crate::task::evaluate::{self, Arguments, Runs, Settings};
use crate::task::{Instance, Knowledge, View};
use crate::turn::Turn;
use crate::value::Value;

/// What looking at an instance needs besides the instance.
#[derive(Clone)]
pub struct Looker {
    /// The graph.
    pub graph: Arc<Graph>,
    /// Whose objects are ours.
    pub owner: Owner,
    /// World time.
    pub clock: Arc<dyn Clock>,
    /// Opens connections.
    pub connections: Arc<Connections>,
    /// Where modules may keep files.
    pub scratch: PathBuf,
    /// Where tries are reported.
    pub tries: Arc<dyn TryObserver>,
}

/// Connections that are open, by declaration and settings.
pub struct Connections {
    connector: Arc<dyn Connector>,
    access: Access,
    /// Held while connecting: a second task that wants the same connection waits for it.
    turn: Turn,
    open: Mutex<BTreeMap<(ConnectionId, String), Connection>>,
}

impl Connections {
    /// Connections of that access through that connector.
    pub fn new(connector: Arc<dyn Connector>, access: Access) -> Self {
        Self { connector, access, turn: Turn::default(), open: Mutex::default() }
    }

    /// Opens the chain of connections that an instance needs; the last one is its own.
    async fn open(
        &self,
        chain: &[(ConnectionId, crate::connection::Kind, BTreeMap<String, Value>)],
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Connection>, Failure> {
        let mut last: Option<Connection> = None;
        for (id, kind, settings) in chain {
            let name = (*id, format!("{settings:?}"));
            if let Some(connection) = self.known(&name) {
                last = Some(connection);
                continue;
            }
            let turn = self.turn.take(clock).await;
            let connection = match self.known(&name) {
                Some(connection) => connection,
                None => self.connector.connect(*kind, settings, last.as_ref(), self.access).await?,
            };
            self.opened().insert(name, connection.clone());
            drop(turn);
            last = Some(connection);
        }
        Ok(last)
    }

    fn opened(&self) -> MutexGuard<'_, BTreeMap<(ConnectionId, String), Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &(ConnectionId, String)) -> Option<Connection> {
        self.opened().get(name).cloned()
    }

    /// Identities of all open connections, sorted.
    pub fn identities(&self) -> Vec<String> {
        let open = self.opened();
        let mut texts: Vec<String> = open.values().map(Connection::identity_text).collect();
        texts.sort();
        texts.dedup();
        texts
    }
}

/// What a look found.
pub enum Look {
    /// It does not run, and why.
    Skipped(String),
    /// Whether it runs waits for these.
    Conditional(Vec<Read>, Values),
    /// It cannot be observed before these are known.
    Deferred(Vec<Read>, Values),
    /// It was observed.
    Seen(Box<Seen>),
}

/// An instance that was observed.
pub struct Seen {
    /// Its arguments; some may be unknown while planning.
    pub arguments: Arguments,
    /// What modules are called with.
    pub context: Context,
    /// What was observed.
    pub observed: Observed,
    /// What is to be done; `Wait` when nothing is to be written and it has not converged.
    pub change: Change,
    /// All outputs, when it has converged; those of an update, as far as they stay.
    pub outputs: Values,
    /// What verify said, when the diff is empty.
    pub not_yet: Option<String>,
}

/// An instance as far as it is known before anything ran.
pub struct Addressed {
    /// Its arguments; some may be unknown.
    pub arguments: Values,
    chain: Vec<(ConnectionId, crate::connection::Kind, BTreeMap<String, Value>)>,
}

/// Why a look failed.
#[derive(Debug)]
pub enum LookError {
    /// Problems of the text, at places.
    Problems(Vec<Problem>),
    /// The world.
    Failure(Failure),
}

impl From<Problem> for LookError {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl From<Failure> for LookError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The part of a look that needs no I/O: what is known decides it, or says what to observe. It
/// borrows nothing, so that whatever guards the knowledge is free again before anything is awaited.
pub struct Given(GivenKind);

enum GivenKind {
    Ended(Look),
    Observe(Arguments, Vec<(ConnectionId, crate::connection::Kind, BTreeMap<String, Value>)>),
}

impl Looker {
    /// Looks at an instance, from what it is [`given`](Self::given).
    pub async fn look(
        &self,
        instance: &Instance,
        given: Result<Given, LookError>,
    ) -> Result<Look, LookError> {
        self.look_observed(instance, given, &self.tries).await
    }

    /// The same, with another observer of what is tried.
    pub async fn look_observed(
        &self,
        instance: &Instance,
        given: Result<Given, LookError>,
        tries: &Arc<dyn TryObserver>,
    ) -> Result<Look, LookError> {
        let (arguments, chain) = match given?.0 {
            GivenKind::Ended(look) => return Ok(look),
            GivenKind::Observe(arguments, chain) => (arguments, chain),
        };
        let connection = self.connections.open(&chain, &self.clock).await?;
        let context = self.context(instance, connection, tries);
        self.observe(instance, arguments, context).await
    }

    /// What would be asked of an instance, without looking: for a task that follows others which
    /// still have something to do.
    pub fn defer(&self, instance: &Instance, view: &View<'_>) -> Result<Look, LookError> {
        Ok(match self.given(instance, view)?.0 {
            GivenKind::Ended(look) => look,
            GivenKind::Observe(arguments, _) => Look::Deferred(arguments.unknown, arguments.values),
        })
    }

    fn context(
        &self,
        instance: &Instance,
        connection: Option<Connection>,
        tries: &Arc<dyn TryObserver>,
    ) -> Context {
        let vertex = self.graph.vertex(instance.vertex);
        Context {
            connection,
            owner: self.owner.clone(),
            address: instance.address(&self.graph),
            clock: self.clock.clone(),
            folder: self.graph.scopes[vertex.scope.0 as usize].folder.clone(),
            scratch: self.scratch.clone(),
            tries: tries.clone(),
        }
    }

    /// The instances of a vertex, as far as inputs alone say them; none of one that hangs on another task.
    pub fn instances(
        &self,
        knowledge: &mut Knowledge,
        vertex: VertexId,
    ) -> Result<Vec<Instance>, Problem> {
        Ok(match expand_vertex(&self.graph, knowledge, vertex)? {
            Expanded::Instances(instances) => instances,
            Expanded::Unknown(_) | Expanded::Skipped(_) => Vec::new(),
        })
    }

    /// The arguments of an instance as far as they are known, and what it talks to: for who works for a
    /// task outside of a run. Nothing is looked at. None when it does not run, or when that or its
    /// connection hangs on another task.
    pub fn addressed(
        &self,
        instance: &Instance,
        view: &View<'_>,
    ) -> Result<Option<Addressed>, LookError> {
        let graph = &self.graph;
        if evaluate::runs(graph, instance, view)? != Runs::Yes {
            return Ok(None);
        }
        let arguments = evaluate::arguments(graph, instance, view).map_err(LookError::Problems)?;
        let chain = match evaluate::settings(graph, instance, view)? {
            Settings::Known(chain) => chain,
            Settings::None => Vec::new(),
            Settings::Unknown(_) | Settings::Skipped(_) => return Ok(None),
        };
        Ok(arguments.skipped.is_none().then_some(Addressed { arguments: arguments.values, chain }))
    }

    /// What a module would be called with for an instance, its connection opened.
    pub async fn reach(
        &self,
        instance: &Instance,
        addressed: &Addressed,
    ) -> Result<Context, Failure> {
        let connection = self.connections.open(&addressed.chain, &self.clock).await?;
        Ok(self.context(instance, connection, &self.tries))
    }

    /// Whether looking at an instance costs money. What is wrong with its arguments costs nothing: the
    /// look says it.
    pub fn costs(&self, instance: &Instance, view: &View<'_>) -> bool {
        let module = &self.graph.vertex(instance.vertex).module;
        let is_free = || {
            let arguments = evaluate::arguments(&self.graph, instance, view);
            arguments.map_or(true, |arguments| module.is_free(&arguments.values))
        };
        module.looking_costs() && !is_free()
    }

    /// What an instance is given, from what is known.
    pub fn given(&self, instance: &Instance, view: &View<'_>) -> Result<Given, LookError> {
        self.given_kind(instance, view).map(Given)
    }

    fn given_kind(&self, instance: &Instance, view: &View<'_>) -> Result<GivenKind, LookError> {
        let graph = &self.graph;
        let vertex = graph.vertex(instance.vertex);
        let condition = match evaluate::runs(graph, instance, view)? {
            Runs::No(why) => return Ok(GivenKind::Ended(Look::Skipped(why))),
            Runs::Yes => None,
            Runs::Unknown(reads) => Some(reads),
        };
        let arguments = evaluate::arguments(graph, instance, view).map_err(LookError::Problems)?;
        if let Some(skipped) = arguments.skipped {
            return Ok(GivenKind::Ended(Look::Skipped(skipped)));
        }
        if let Some(reads) = condition {
            return Ok(GivenKind::Ended(Look::Conditional(reads, arguments.values)));
        }
        let schema = vertex.module.schema();
        let pure = schema.nature == crate::module::Nature::Pure;
        let blocked = schema.arguments.iter().any(|one| {
            (one.identity || pure) && arguments.values.get(one.name).is_some_and(Value::has_unknown)
        });
        if blocked || vertex.module.is_unnamed(&arguments.values) {
            return Ok(GivenKind::Ended(Look::Deferred(arguments.unknown, arguments.values)));
        }
        match evaluate::settings(graph, instance, view)? {
            Settings::None => Ok(GivenKind::Observe(arguments, Vec::new())),
            Settings::Known(chain) => Ok(GivenKind::Observe(arguments, chain)),
            Settings::Unknown(reads) => {
                Ok(GivenKind::Ended(Look::Deferred(reads, arguments.values)))
            }
            Settings::Skipped(why) => Ok(GivenKind::Ended(Look::Skipped(why))),
        }
    }

    async fn observe(
        &self,
        instance: &Instance,
        arguments: Arguments,
        context: Context,
    ) -> Result<Look, LookError> {
        let vertex = self.graph.vertex(instance.vertex);
        let module = &vertex.module;
        let observed = module.observe(&context, &arguments.values).await?;
        let mut change = module.diff(&arguments.values, &observed);
        self.check_ownership(instance, vertex.adopt, &arguments.values, &observed, &mut change)?;
        let mut seen =
            Seen { arguments, context, observed, change, outputs: Values::new(), not_yet: None };
        if let Observed::Present(observation) = &seen.observed {
            seen.outputs.clone_from(&observation.outputs);
        }
        match seen.change.action {
            Action::None if !seen.arguments.values.values().any(Value::has_unknown) => {
                match module.verify(&seen.context, &seen.arguments.values).await? {
                    Verdict::Converged(outputs) => seen.outputs = outputs,
                    Verdict::NotYet(reason) => {
                        seen.change = Change {
                            action: Action::Wait,
                            fields: Vec::new(),
                            reasons: vec![reason.clone()],
                        };
                        seen.not_yet = Some(reason);
                    }
                    Verdict::Terminal(failure) => return Err(failure.into()),
                }
            }
            Action::Update => {
                for output in module.schema().outputs.iter().filter(|output| output.volatile) {
                    seen.outputs.remove(output.name);
                }
            }
            Action::Create | Action::Replace | Action::Delete => seen.outputs.clear(),
            Action::None | Action::Wait => {}
        }
        Ok(Look::Seen(Box::new(seen)))
    }

    /// Ours is updated; an unmarked or a foreign object of that name is not touched.
    fn check_ownership(
        &self,
        instance: &Instance,
        adopt: bool,
        arguments: &Values,
        observed: &Observed,
        change: &mut Change,
    ) -> Result<(), Failure> {
        let Observed::Present(observation) = observed else { return Ok(()) };
        let module = &self.graph.vertex(instance.vertex).module;
        let name = module.identity(arguments);
        let kind = module.schema().name;
        match &observation.ownership {
            Ownership::Setting => Ok(()),
            Ownership::Ours { address } => {
                let mark =
                    Mark { owner: self.owner.clone(), address: instance.address(&self.graph) };
                let tag = mark.address_tag();
                if *address != tag && *address != mark.address.to_string() {
                    change.reasons.push(format!("it was made as `{address}`"));
                }
                Ok(())
            }
            Ownership::Foreign { owner } => Err(Failure::new(
                Class::Conflict,
                format!("{kind} `{name}` exists and belongs to `{owner}`"),
            )
            .hint(format!("choose another name, or let `{owner}` give it up"))),
            Ownership::Unmarked if adopt => {
                change.reasons.push("it exists unmarked and is adopted".to_owned());
                if change.action == Action::None {
                    change.action = Action::Update;
                }
                Ok(())
            }
            Ownership::Unmarked => Err(Failure::new(
                Class::Conflict,
                format!("{kind} `{name}` exists and carries no mark of a runbook"),
            )
            .hint("`adopt: true` on the task makes it ours; or choose another name")),
        }
    }
}
