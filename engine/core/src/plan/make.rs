//! Making a plan: level by level along the graph, each level observed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;

use super::billing::billing;
use super::instances::{Expanded, check_one, expand_vertex, related};
use super::levels::{levels, wanted};
use super::look::{Look, LookError, Looker, Seen};
use super::{Estimate, Kind, Plan, PlannedTask, SecretKey, Target, estimate};
use crate::change::Action;
use crate::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::fact::{Facts, ObjectIndex};
use crate::failure::Failure;
use crate::graph::{Graph, Problem, Read, TaskOutputs, VertexId};
use crate::module::{Context, Module, Observed, Values};
use crate::task::{ByInstance, Instance, InstanceKey, Knowledge, knowledge_writes};
use crate::value::Value;

/// What a plan is made from.
pub struct PlanInput<'a> {
    /// Looks at instances, with reading connections.
    pub looker: Looker,
    /// What is known beforehand: the environment's secrets.
    pub knowledge: Knowledge,
    /// Observations at once.
    pub parallelism: usize,
    /// What the plan is bound to; connections are filled in.
    pub target: Target,
    /// Hashes secrets.
    pub secret_key: SecretKey,
    /// The root's inputs as given; stored in the plan.
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// Says what was read, once the plan is made: which files that is shows only then.
    pub sources: Box<dyn FnOnce() -> Sources + Send + 'a>,
    /// Only these tasks and what they need; empty means all.
    pub targets: Vec<String>,
}

/// What a runbook was read from; stored in the plan.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The name of the root runbook among the files.
    pub root_file: String,
    /// The folder that the files lie in; none for files inside the program.
    pub folder: Option<String>,
    /// The files, by name, complete.
    pub files: BTreeMap<String, String>,
}

/// A plan with what is known after it: what an apply in the same process starts from.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Everything known while planning.
    pub knowledge: Knowledge,
}

/// Why there is no plan. All problems that were found are here, with the addresses of the tasks.
#[derive(Debug)]
pub struct PlanError {
    /// Mistakes in the text that show only with values.
    pub problems: Vec<Diagnostic>,
    /// What the world answered.
    pub failures: Vec<(String, Failure)>,
}

/// Makes a plan. Sends no write.
pub async fn make(input: PlanInput<'_>) -> Result<Planned, PlanError> {
    let mut knowledge = input.knowledge;
    knowledge.make_room(input.looker.graph.vertices.len());
    // Nobody scheduled it: it is for the moment at which it is planned.
    let slot = *knowledge.slot.get_or_insert_with(|| input.looker.clock.now());
    let mut maker = Maker {
        graph: input.looker.graph.clone(),
        knowledge,
        secret_key: input.secret_key,
        tasks: BTreeMap::new(),
        seen: ByInstance::for_vertices(input.looker.graph.vertices.len()),
        facts: Facts::default(),
        error: PlanError { problems: Vec::new(), failures: Vec::new() },
        broken: BTreeSet::new(),
        unsettled: BTreeMap::new(),
        listing: BTreeMap::new(),
    };
    let wanted = wanted(&maker.graph, &input.targets)?;
    for level in levels(&maker.graph, &wanted) {
        let instances = maker.expand(&level);
        // Room for all, beforehand: copying them while their number doubles takes as long as looking.
        let mut looks: Vec<Looked> = Vec::with_capacity(instances.len());
        let looking = futures::stream::iter(instances)
            .map(|instance| {
                let looker = &input.looker;
                let view = maker.knowledge.view(&maker.graph, instance.vertex);
                let ahead = maker.ahead_of(instance.vertex);
                let costs = looker.costs(&instance, &view);
                async move {
                    let look = if ahead.is_empty() && !costs {
                        // Time stands while somebody looks, and not while all of them wait for
                        // the world to take another try.
                        let _hold = looker.clock.hold();
                        let given = looker.given(&instance, &view);
                        looker.look(&instance, given).await
                    } else {
                        looker.defer(&instance, &view)
                    };
                    (instance, ahead, costs, look)
                }
            })
            .buffered(input.parallelism.max(1))
            .for_each(|looked| {
                looks.push(looked);
                std::future::ready(())
            });
        standing(&*input.looker.clock, looking).await;
        for (instance, ahead, costs, look) in looks {
            maker.settle(&instance, ahead, costs, look);
        }
    }
    if !maker.error.problems.is_empty() || !maker.error.failures.is_empty() {
        return Err(maker.error);
    }
    let connections = input.looker.connections.identities();
    let target = Target { connections, ..input.target };
    let made_at = input.looker.clock.now();
    let owner = input.looker.owner.to_string();
    let (orphans, unlisted) = if input.targets.is_empty() {
        let _hold = input.looker.clock.hold();
        maker.orphans(&input.looker.owner).await
    } else {
        (Vec::new(), Vec::new())
    };
    let mut planned = maker.finish(target, made_at, owner, input.inputs, (input.sources)());
    planned.plan.orphans = orphans;
    planned.plan.unlisted = unlisted;
    planned.plan.slot = Some(slot);
    planned.plan.seal();
    Ok(planned)
}

/// Has world time stand while something is polled. Looks that need no I/O begin and end in one poll:
/// without this, time would be let go and held again between any two of them.
async fn standing<T>(clock: &dyn Clock, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        let _hold = clock.hold();
        work.as_mut().poll(context)
    })
    .await
}

/// An instance, what is ahead of it, whether looking at it costs, and the look.
type Looked = (Instance, Vec<String>, bool, Result<Look, LookError>);

/// A module's name and the identity of a connection.
type Listing = (&'static str, String);

pub(super) struct Maker {
    pub(super) graph: Arc<Graph>,
    knowledge: Knowledge,
    secret_key: SecretKey,
    /// By vertex, in the order of instances.
    pub(super) tasks: BTreeMap<VertexId, Vec<(InstanceKey, PlannedTask)>>,
    /// Which object each observed instance is, for facts about its outputs.
    seen: ByInstance<ObjectIndex>,
    facts: Facts,
    error: PlanError,
    /// Vertices of which an instance could not be looked at; what follows is not planned.
    broken: BTreeSet<VertexId>,
    /// Tasks that have something left to do, by vertex.
    unsettled: BTreeMap<VertexId, Vec<String>>,
    /// With what the objects of a module are listed, by module and connection.
    pub(super) listing: BTreeMap<Listing, (Arc<dyn Module>, Context)>,
}

impl Maker {
    /// The instances of a level; vertices whose keys are unknown are planned as `expands`.
    fn expand(&mut self, level: &[VertexId]) -> Vec<Instance> {
        let mut instances = Vec::new();
        for id in level {
            if self.graph.vertex(*id).edges.iter().any(|edge| self.broken.contains(&edge.on)) {
                self.broken.insert(*id);
                continue;
            }
            match expand_vertex(&self.graph.clone(), &mut self.knowledge, *id) {
                Ok(Expanded::Instances(found)) => {
                    self.tasks.entry(*id).or_default().reserve_exact(found.len());
                    self.seen.make_room_for(*id, found.len());
                    instances.extend(found);
                }
                Ok(Expanded::Unknown(reads)) => self.expands(*id, &reads),
                Ok(Expanded::Skipped(why)) => self.skip_all(*id, &why),
                Err(problem) => {
                    self.broken.insert(*id);
                    self.push_problem(*problem);
                }
            }
        }
        instances
    }

    fn push_problem(&mut self, problem: Diagnostic) {
        if !self.error.problems.contains(&problem) {
            self.error.problems.push(problem);
        }
    }

    fn expands(&mut self, id: VertexId, reads: &[Read]) {
        let key = InstanceKey { vertex: id, keys: Vec::new(), own: None };
        let mut task = self.task(&key, Kind::Expands, &Values::new());
        task.address = self.graph.vertex(id).path.join("/");
        task.waits_for = self.names(reads);
        task.may = self.graph.vertex(id).module.schema().may.to_vec();
        self.knowledge.learn_writes(id, knowledge_writes(None));
        self.file(id, key, task);
    }

    fn skip_all(&mut self, id: VertexId, why: &str) {
        let key = InstanceKey { vertex: id, keys: Vec::new(), own: None };
        let mut task = self.task(&key, Kind::Skipped, &Values::new());
        task.reasons.push(why.to_owned());
        self.knowledge.learn_keys(id, &[], Vec::new());
        self.knowledge.learn(key.clone(), TaskOutputs::Skipped(why.to_owned()));
        self.knowledge.learn_writes(id, knowledge_writes(Some(false)));
        self.file(id, key, task);
    }

    /// The nearest tasks before this one that have something left to do, when it follows them.
    fn ahead_of(&self, id: VertexId) -> Vec<String> {
        let schema = self.graph.vertex(id).module.schema();
        if schema.nature != crate::module::Nature::Pure && !schema.follows {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut queue = vec![id];
        while let Some(at) = queue.pop() {
            for edge in &self.graph.vertex(at).edges {
                if !seen.insert(edge.on) {
                    continue;
                }
                match self.unsettled.get(&edge.on) {
                    Some(addresses) => found.extend(addresses.iter().cloned()),
                    None => queue.push(edge.on),
                }
            }
        }
        found.into_iter().collect()
    }

    fn settle(
        &mut self,
        instance: &Instance,
        ahead: Vec<String>,
        costs: bool,
        look: Result<Look, LookError>,
    ) {
        let key = instance.key();
        let id = instance.vertex;
        let mut task = match look {
            Err(LookError::Problems(problems)) => {
                self.broken.insert(id);
                for problem in problems {
                    self.push_problem(*problem);
                }
                return;
            }
            Err(LookError::Failure(failure)) => {
                self.broken.insert(id);
                let address = instance.address(&self.graph).to_string();
                self.error.failures.push((address, failure));
                return;
            }
            Ok(Look::Skipped(why)) => {
                let mut task = self.task(&key, Kind::Skipped, &Values::new());
                task.reasons.push(why.clone());
                self.knowledge.learn(key.clone(), TaskOutputs::Skipped(why));
                self.knowledge.learn_writes(id, knowledge_writes(Some(false)));
                task
            }
            Ok(Look::Conditional(reads, arguments)) => {
                self.open(&key, Kind::Conditional, &reads, &arguments)
            }
            Ok(Look::Deferred(reads, arguments)) => {
                self.open(&key, Kind::Deferred, &reads, &arguments)
            }
            Ok(Look::Seen(seen)) => self.seen(instance, *seen),
        };
        if task.kind == Kind::Deferred {
            if costs {
                let why = "looking costs money: it is looked at when this is applied";
                task.reasons.push(why.to_owned());
            }
            task.waits_for.extend(ahead);
            task.waits_for.sort();
            task.waits_for.dedup();
        }
        self.file(id, key, task);
    }

    /// Files a task; what follows it waits for it when it has something left to do.
    fn file(&mut self, id: VertexId, key: InstanceKey, task: PlannedTask) {
        if !matches!(task.kind, Kind::NoChange | Kind::Skipped) {
            self.unsettled.entry(id).or_default().push(task.address.clone());
        }
        // One is the rule: room for four, which is what a list begins with, would be most of what
        // a plan of thousands takes.
        let tasks = self.tasks.entry(id).or_default();
        if tasks.capacity() == 0 {
            tasks.reserve_exact(1);
        }
        tasks.push((key, task));
    }

    /// A task that is known only after others ran.
    fn open(
        &mut self,
        key: &InstanceKey,
        kind: Kind,
        reads: &[Read],
        arguments: &Values,
    ) -> PlannedTask {
        let module = self.graph.vertex(key.vertex).module.clone();
        let mut task = self.task(key, kind, arguments);
        task.waits_for = self.names(reads);
        task.may = module.schema().may.to_vec();
        task.fields = module
            .desired(arguments)
            .iter()
            .map(|(path, value)| super::PlannedField {
                path: path.clone(),
                before: None,
                after: Some(self.secret_key.mask(value)),
                forces_replace: None,
            })
            .collect();
        task.locks = module.locks(arguments).into_iter().map(|lock| lock.name).collect();
        task.expected = module.expected(Action::Create, arguments);
        task.billing = billing(&*module, &task.arguments, None);
        let pure = module.schema().nature == crate::module::Nature::Pure;
        self.knowledge
            .learn_writes(key.vertex, knowledge_writes(if pure { Some(false) } else { None }));
        task
    }

    fn seen(&mut self, instance: &Instance, seen: Seen) -> PlannedTask {
        let key = instance.key();
        let vertex = self.graph.clone();
        let vertex = vertex.vertex(instance.vertex);
        let module = &vertex.module;
        let kind = match seen.change.action {
            Action::None => Kind::NoChange,
            Action::Wait => Kind::Wait,
            Action::Create => Kind::Create,
            Action::Update => Kind::Update,
            Action::Replace => Kind::Replace,
            Action::Delete => Kind::Delete,
        };
        let mut task = self.task(&key, kind, &seen.arguments.values);
        task.fields =
            seen.change.fields.iter().map(|field| self.secret_key.mask_field(field)).collect();
        task.reasons.clone_from(&seen.change.reasons);
        if kind != Kind::NoChange {
            task.expected = module.expected(seen.change.action, &seen.arguments.values);
        }
        if kind.writes() {
            task.locks =
                module.locks(&seen.arguments.values).into_iter().map(|lock| lock.name).collect();
            task.bills = module.schema().bills.map(str::to_owned);
        }
        if module.schema().bills.is_some() {
            let observed = match &seen.observed {
                Observed::Absent => None,
                Observed::Present(one) => {
                    Some((self.secret_key.mask_all(&one.projection), &one.private))
                }
            };
            let observed = observed.as_ref().map(|(fields, private)| (fields, *private));
            task.billing = billing(&**module, &task.arguments, observed);
        }
        if let Err(problem) = self.check_preconditions(instance) {
            self.push_problem(*problem);
        }
        self.note_facts(&key, &task.address, &seen);
        let mut outputs = vertex.unknown.clone();
        if !seen.outputs.is_empty() {
            Arc::make_mut(&mut outputs).extend(seen.outputs);
        }
        self.knowledge.learn(key, TaskOutputs::Known(outputs));
        self.knowledge.learn_writes(instance.vertex, knowledge_writes(Some(kind.writes())));
        task
    }

    fn check_preconditions(&self, instance: &Instance) -> Result<(), Problem> {
        let view = self.knowledge.view(&self.graph, instance.vertex);
        for check in &self.graph.vertex(instance.vertex).preconditions {
            check_one(&self.graph, *check, &instance.place(&self.graph), &view)?;
        }
        Ok(())
    }

    /// What the plan relies on because of this look.
    fn note_facts(&mut self, key: &InstanceKey, address: &str, seen: &Seen) {
        let module = self.graph.vertex(key.vertex).module.clone();
        let connection = seen
            .context
            .connection
            .as_ref()
            .map(crate::connection::Connection::identity_text)
            .unwrap_or_default();
        let identity = module.identity(&seen.arguments.values);
        self.listing
            .entry((module.schema().name, connection.clone()))
            .or_insert_with(|| (module.clone(), seen.context.clone()));
        let object = self.facts.object(connection, module.schema().name, identity);
        self.seen.insert(key.clone(), object);
        let pure = module.schema().nature == crate::module::Nature::Pure;
        if !pure {
            let present = matches!(seen.observed, Observed::Present(_));
            self.facts.note(object, "", || present.into(), address);
        }
        if let Observed::Present(observation) = &seen.observed {
            for field in module.desired(&seen.arguments.values).keys() {
                let value = observation.projection.get(field).unwrap_or(&Value::Null);
                self.facts.note(object, field, || self.secret_key.mask(value), address);
            }
        }
        for read in &seen.arguments.reads {
            self.note_read(read, address);
        }
    }

    fn note_read(&mut self, read: &Read, address: &str) {
        let key =
            InstanceKey { vertex: read.vertex, keys: read.keys.clone(), own: read.own.clone() };
        let Some(object) = self.seen.get(&key).copied() else { return };
        let Some(TaskOutputs::Known(outputs)) = self.knowledge.outputs_of(&key) else { return };
        let value = follow(&Value::Map(outputs.clone()), &read.path);
        if value.has_unknown() {
            return;
        }
        let field = format!("outputs.{}", read.path);
        self.facts.note(object, &field, || self.secret_key.mask(&value), address);
    }

    fn task(&self, key: &InstanceKey, kind: Kind, arguments: &Values) -> PlannedTask {
        let vertex = self.graph.vertex(key.vertex);
        let description = vertex.module.describe(arguments);
        PlannedTask {
            address: vertex.name(&self.graph, &key.keys, key.own.as_deref()),
            module: vertex.module.schema().name.to_owned(),
            kind,
            subject: description.subject,
            detail: description.detail,
            fields: Vec::new(),
            reasons: Vec::new(),
            waits_for: Vec::new(),
            needs: Vec::new(),
            may: Vec::new(),
            locks: Vec::new(),
            expected: Duration::ZERO,
            bills: None,
            billing: None,
            arguments: self.secret_key.mask_all(arguments),
        }
    }

    fn names(&self, reads: &[Read]) -> Vec<String> {
        let names: BTreeSet<String> = reads
            .iter()
            .map(|read| {
                self.graph.vertex(read.vertex).name(&self.graph, &read.keys, read.own.as_deref())
            })
            .collect();
        names.into_iter().collect()
    }

    /// The addresses of the tasks that an instance comes after.
    fn needs(&self, key: &InstanceKey) -> Vec<String> {
        let edges = &self.graph.vertex(key.vertex).edges;
        let mut needs = Vec::with_capacity(edges.len());
        for (other, task) in edges.iter().filter_map(|edge| self.tasks.get(&edge.on)).flatten() {
            if related(&self.graph, key, other) {
                needs.push(task.address.clone());
            }
        }
        needs.sort();
        needs.dedup();
        needs
    }

    fn finish(
        mut self,
        target: Target,
        made_at: jiff::Timestamp,
        owner: String,
        inputs: BTreeMap<String, serde_json::Value>,
        sources: Sources,
    ) -> Planned {
        // Needs before those who need them: the order of the graph, which is what a reader expects.
        let graph = self.graph.clone();
        let mut needs = graph
            .ordered
            .iter()
            .filter_map(|id| self.tasks.get(id))
            .flatten()
            .map(|(key, _)| self.needs(key))
            .collect::<Vec<_>>()
            .into_iter();
        let mut all = Vec::with_capacity(needs.len());
        for id in &graph.ordered {
            for (_, mut task) in self.tasks.remove(id).unwrap_or_default() {
                task.needs = needs.next().unwrap_or_default();
                all.push(task);
            }
        }
        let mut plan = Plan {
            format: super::store::FORMAT,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            digest: String::new(),
            world_time: made_at,
            slot: None,
            runbook: self.graph.name.clone(),
            owner,
            target,
            graph: self.graph.digest.clone(),
            inputs,
            root_file: sources.root_file,
            folder: sources.folder,
            files: sources.files,
            estimate: Estimate::default(),
            tasks: all,
            facts: self.facts.into_sorted(),
            orphans: Vec::new(),
            unlisted: Vec::new(),
        };
        plan.estimate = estimate::estimate(&plan.tasks);
        Planned { plan, knowledge: self.knowledge }
    }
}

/// A dotted path into a value; null where it leads nowhere.
fn follow(value: &Value, path: &str) -> Value {
    let mut at = value.clone();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        at = match &at {
            Value::Map(entries) => entries.get(part).cloned().unwrap_or(Value::Null),
            Value::List(items) => part
                .parse()
                .ok()
                .and_then(|index: usize| items.get(index).cloned())
                .unwrap_or(Value::Null),
            _ => Value::Null,
        };
    }
    at
}
