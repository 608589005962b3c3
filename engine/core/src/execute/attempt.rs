//! The effects: looking at one instance and verifying it; writing has a file of its own.
//!
//! Nothing here decides what comes next; each effect ends in a [`Happened`] for the reducer. A look
//! right before a write may only refine what was planned: an action that the plan allows for this
//! address, else the task stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use super::bounds::{Planned, after, covers, delay, gave_up};
use super::driver::Message;
use super::resume::Last;
use super::state::{Happened, Looked, Verified};
use crate::change::{Action, Change};
use crate::clock::Clock;
use crate::digest::hex;
use crate::event::Body;
use crate::failure::{Class, Failure};
use crate::graph::TaskOutputs;
use crate::journal::Blob;
use crate::lease::Leases;
use crate::module::{Nature, Try, TryObserver, Values, Verdict};
use crate::plan::look::{Look, LookError, Looker, Seen};
use crate::plan::{SecretKey, check_one};
use crate::task::{ByInstance, Instance, InstanceKey, Knowledge, Writes};
use crate::value::Value;

/// Between two tries of something that passes by itself.
const PASSING: Duration = Duration::from_secs(5);

/// What earlier processes of this run recorded of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier {
    /// Attempts that came to an end: rejected, or not converged. One that did not goes on under its
    /// number, so that its token is kept.
    pub(super) attempts: u32,
    /// Outputs, when its last step was `converged`.
    pub(super) converged: Option<Values>,
    /// Its last durable step.
    pub(super) last: Last,
    /// It wrote something.
    pub(super) wrote: bool,
}

impl Earlier {
    /// It was intended, and what came of it is not known.
    pub(super) fn interrupted(&self) -> bool {
        matches!(self.last, Last::Intended(_) | Last::Ambiguous)
    }
}

/// Performs effects.
pub(super) struct Worker {
    pub(super) looker: Looker,
    pub(super) knowledge: RwLock<Knowledge>,
    pub(super) planned: Planned,
    pub(super) secret_key: SecretKey,
    pub(super) run: String,
    pub(super) earlier: BTreeMap<String, Earlier>,
    pub(super) leases: Arc<dyn Leases>,
    pub(super) messages: UnboundedSender<Message>,
    pub(super) instances: RwLock<ByInstance<Arc<Instance>>>,
    /// What was seen last, by instance: what its write and its verify work with.
    pub(super) seen: Mutex<ByInstance<Arc<Seen>>>,
    /// How many attempts failed for good.
    pub(super) failed: Mutex<BTreeMap<InstanceKey, u32>>,
    /// Of which it is not known whether their last write happened.
    pub(super) doubtful: Mutex<BTreeSet<InstanceKey>>,
    /// When a passing rejection was seen first.
    pub(super) passing: Mutex<BTreeMap<InstanceKey, Timestamp>>,
}

/// What an effect gives: what happened, and blobs that its events will name.
pub(super) type Ended = (Happened, Vec<Blob>);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Worker {
    pub(super) fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        read(&self.instances).get(key).cloned()
    }

    fn address(&self, key: &InstanceKey) -> String {
        let graph = &self.looker.graph;
        graph.vertex(key.vertex).name(graph, &key.keys, key.own.as_deref())
    }

    /// What is known by now. Nothing is awaited while this is held.
    fn known(&self) -> std::sync::RwLockReadGuard<'_, Knowledge> {
        read(&self.knowledge)
    }

    /// Looks at an instance and says what is to be done.
    pub(super) async fn look(&self, key: InstanceKey, attempt: u32) -> Ended {
        let Some(instance) = self.instance(&key) else {
            return (
                Happened::Looked(key, Looked::Failed(bug("an instance without a place"))),
                Vec::new(),
            );
        };
        let address = self.address(&key);
        let earlier = self.earlier.get(&address).cloned().unwrap_or_default();
        let tries: Arc<dyn TryObserver> = Arc::new(InstanceTries {
            key: key.clone(),
            messages: self.messages.clone(),
            clock: self.looker.clock.clone(),
        });
        let looker = &self.looker;
        let given = looker.given(&instance, &self.known().view(&looker.graph, key.vertex));
        let look = looker.look_observed(&instance, given, &tries).await;
        match look {
            Err(error) => (Happened::Looked(key, Looked::Failed(failure_of(error))), Vec::new()),
            Ok(Look::Skipped(why)) => {
                self.learn(&key, TaskOutputs::Skipped(why.clone()), Writes::No);
                (Happened::Looked(key, Looked::Skipped(why)), Vec::new())
            }
            Ok(Look::Conditional(..) | Look::Deferred(..)) => {
                let failure =
                    bug("something is still unknown although everything before it has run");
                (Happened::Looked(key, Looked::Failed(failure)), Vec::new())
            }
            Ok(Look::Seen(seen)) => self.decide(key, &address, attempt, &earlier, *seen),
        }
    }

    fn decide(
        &self,
        key: InstanceKey,
        address: &str,
        attempt: u32,
        earlier: &Earlier,
        mut seen: Seen,
    ) -> Ended {
        let module = &self.looker.graph.vertex(key.vertex).module;
        let blind = module.nature(&seen.arguments.values) == Nature::Blind;
        if blind && let Some(outputs) = &earlier.converged {
            self.learn(&key, TaskOutputs::Known(Arc::new(outputs.clone())), writes(earlier.wrote));
            let blob = self.outputs_blob(outputs);
            return (
                Happened::Looked(key, Looked::Converged { outputs: blob.digest.clone() }),
                vec![blob],
            );
        }
        let doubtful = lock(&self.doubtful).contains(&key);
        if blind && earlier.last == Last::Acknowledged && attempt == earlier.attempts + 1 {
            // It ran, and cannot be observed: straight to verify, never again.
            lock(&self.seen).insert(key.clone(), Arc::new(seen));
            return (Happened::Looked(key, Looked::Wait(String::new())), Vec::new());
        }
        if blind && (doubtful || earlier.interrupted() || earlier.last == Last::NotConverged) {
            let why = "it was interrupted, and whether it ran cannot be observed; give it an `unless` or run it by hand";
            return (Happened::Looked(key, Looked::Asks(why.to_owned())), Vec::new());
        }
        let graph = self.looker.graph.clone();
        if let Err(failure) = self.check_preconditions(&key) {
            return (Happened::Looked(key, Looked::Failed(failure)), Vec::new());
        }
        let action = seen.change.action;
        if let Err(why) = covers(self.planned.of(address, &key), action, &seen) {
            return (Happened::Looked(key, Looked::Uncovered(why)), Vec::new());
        }
        match action {
            Action::None if graph.vertex(key.vertex).until.is_none() => {
                let blob = self.outputs_blob(&seen.outputs);
                let outputs = TaskOutputs::Known(Arc::new(seen.outputs));
                self.learn(&key, outputs, writes(earlier.wrote));
                (
                    Happened::Looked(key, Looked::Converged { outputs: blob.digest.clone() }),
                    vec![blob],
                )
            }
            Action::None | Action::Wait => {
                let reason = seen.not_yet.clone().unwrap_or_default();
                lock(&self.seen).insert(key.clone(), Arc::new(seen));
                (Happened::Looked(key, Looked::Wait(reason)), Vec::new())
            }
            Action::Create | Action::Update | Action::Replace | Action::Delete => {
                if let Some((name, _)) =
                    seen.arguments.values.iter().find(|(_, value)| value.has_unknown())
                {
                    let failure = bug(&format!(
                        "the argument `{name}` is unknown although it is to be written"
                    ));
                    return (Happened::Looked(key, Looked::Failed(failure)), Vec::new());
                }
                let blob = self.change_blob(&seen.change);
                let token = self.token(address, attempt, &blob.digest);
                let mut locks = module.locks(&seen.arguments.values);
                locks.extend(self.declared_locks(&key));
                // Thousands may wait with it: what only the look needed goes.
                seen.arguments.reads = Vec::new();
                lock(&self.seen).insert(key.clone(), Arc::new(seen));
                let looked = Looked::Change { action, change: blob.digest.clone(), token, locks };
                (Happened::Looked(key, looked), vec![blob])
            }
        }
    }

    fn check_preconditions(&self, key: &InstanceKey) -> Result<(), Failure> {
        let graph = &self.looker.graph;
        let checks = &graph.vertex(key.vertex).preconditions;
        if checks.is_empty() {
            return Ok(());
        }
        let Some(instance) = self.instance(key) else { return Ok(()) };
        let known = self.known();
        for check in checks {
            let view = known.view(graph, key.vertex);
            check_one(graph, *check, &instance.place(graph), &view).map_err(|problem| {
                Failure::new(
                    Class::Invalid,
                    format!("a precondition does not hold: {}", problem.message),
                )
            })?;
        }
        Ok(())
    }

    fn declared_locks(&self, key: &InstanceKey) -> Vec<crate::module::Lock> {
        let graph = &self.looker.graph;
        let Some(template) = graph.vertex(key.vertex).locks else { return Vec::new() };
        let Some(instance) = self.instance(key) else { return Vec::new() };
        let known = self.known();
        let view = known.view(graph, key.vertex);
        let names = graph
            .evaluate_template(template, &instance.place(graph), &view)
            .map(|evaluated| evaluated.value);
        names
            .ok()
            .and_then(|value| value.as_list().map(<[Value]>::to_vec))
            .unwrap_or_default()
            .iter()
            .filter_map(|name| name.as_str())
            .map(|name| crate::module::Lock {
                name: name.to_owned(),
                until: crate::module::LockUntil::Converged,
            })
            .collect()
    }

    /// From run, address, attempt and desired change: the same over tries and ambiguity.
    fn token(&self, address: &str, attempt: u32, change: &str) -> String {
        let text = [&self.run, address, &attempt.to_string(), change].join("\n");
        ["rb", &self.run, &hex(&blake3::hash(text.as_bytes()), 24)].join("-")
    }

    fn change_blob(&self, change: &Change) -> Blob {
        Blob::new(self.secret_key.text_of_change(change))
    }

    fn outputs_blob(&self, outputs: &Values) -> Blob {
        Blob::new(self.secret_key.text_of(outputs))
    }

    fn learn(&self, key: &InstanceKey, outputs: TaskOutputs, writes: Writes) {
        let mut knowledge = write(&self.knowledge);
        knowledge.learn(key.clone(), outputs);
        knowledge.learn_writes(key.vertex, writes);
    }

    pub(super) fn timeout(&self, key: &InstanceKey) -> Duration {
        let vertex = self.looker.graph.vertex(key.vertex);
        vertex
            .poll
            .map(|poll| poll.timeout)
            .or(vertex.timeout)
            .unwrap_or_else(|| vertex.module.patience().timeout)
    }

    /// How long to pause before another attempt, when there shall be one.
    pub(super) fn pause(&self, key: &InstanceKey, failure: &Failure) -> Option<Duration> {
        let now = self.looker.clock.now();
        if let Some(budget) = failure.passes_within {
            let since = *lock(&self.passing).entry(key.clone()).or_insert(now);
            if now < after(since, budget) {
                return Some(PASSING);
            }
        }
        let graph = &self.looker.graph;
        let retry = &graph.vertex(key.vertex).retry;
        let attempts = self.attempts(key);
        if attempts >= retry.max_attempts {
            return None;
        }
        if let (Some(when), Some(instance)) = (retry.when, self.instance(key)) {
            let known = self.known();
            let view = known.view(graph, key.vertex).with_error(failure);
            let wanted = graph
                .evaluate(when, &instance.place(graph), &view)
                .map(|one| one.value == Value::Boolean(true));
            if !wanted.unwrap_or(false) {
                return None;
            }
        }
        Some(delay(retry, attempts, &self.address(key)))
    }

    fn attempts(&self, key: &InstanceKey) -> u32 {
        *lock(&self.failed).entry(key.clone()).and_modify(|count| *count += 1).or_insert(1)
    }

    pub(super) fn not_yet(&self, key: &InstanceKey, reason: String) {
        // The loop outlives its workers; when it does not, there is nobody to tell.
        let hold = self.looker.clock.hold();
        let _ = self.messages.send(Message::Side(key.clone(), Body::NotYet { reason }, hold));
    }

    /// Waits until an instance has converged.
    pub(super) async fn verify(&self, key: InstanceKey) -> Ended {
        let Some(seen) = lock(&self.seen).get(&key).cloned() else {
            return (
                Happened::Verified(
                    key,
                    Verified::NotConverged(bug("a verify without a look"), None),
                ),
                Vec::new(),
            );
        };
        match self.wait(&key, &seen).await {
            Ok(outputs) => {
                let blob = self.outputs_blob(&outputs);
                let outputs = TaskOutputs::Known(Arc::new(outputs));
                self.learn(&key, outputs, writes(seen.change.action.writes()));
                // Nothing is done with it any more.
                lock(&self.seen).remove(&key);
                let verified = Verified::Converged { outputs: blob.digest.clone() };
                (Happened::Verified(key, verified), vec![blob])
            }
            Err(failure) => {
                let pause = self.pause(&key, &failure);
                (Happened::Verified(key, Verified::NotConverged(failure, pause)), Vec::new())
            }
        }
    }

    async fn wait(&self, key: &InstanceKey, seen: &Seen) -> Result<Values, Failure> {
        let graph = self.looker.graph.clone();
        let vertex = graph.vertex(key.vertex);
        let interval =
            vertex.poll.map_or_else(|| vertex.module.patience().interval, |poll| poll.interval);
        let timeout = self.timeout(key);
        let asks_more = vertex.until.is_some() || !vertex.postconditions.is_empty();
        let began = self.looker.clock.now();
        let mut last = String::new();
        loop {
            let reason = match vertex.module.verify(&seen.context, &seen.arguments.values).await? {
                Verdict::Terminal(failure) => return Err(failure),
                Verdict::NotYet(reason) => reason,
                Verdict::Converged(outputs) if !asks_more => return Ok(outputs),
                // In a box: few ask more, and thousands may wait.
                Verdict::Converged(outputs) => match Box::pin(self.satisfied(key, &outputs)).await?
                {
                    None => return Ok(outputs),
                    Some(reason) => reason,
                },
            };
            if reason != last {
                self.not_yet(key, reason.clone());
                last.clone_from(&reason);
            }
            if self.looker.clock.now() >= after(began, timeout) {
                return Err(gave_up(timeout, &reason));
            }
            crate::clock::sleep(self.looker.clock.as_ref(), interval).await;
        }
    }

    /// `until` and postconditions; the reason while they do not hold.
    async fn satisfied(
        &self,
        key: &InstanceKey,
        outputs: &Values,
    ) -> Result<Option<String>, Failure> {
        let graph = self.looker.graph.clone();
        let vertex = graph.vertex(key.vertex);
        let Some(instance) = self.instance(key) else { return Ok(None) };
        let place = instance.place(&graph);
        if let Some(until) = vertex.until {
            self.refresh(until, &instance).await?;
            let known = self.known();
            let view = known.view(&graph, key.vertex).with_own_outputs(outputs);
            let evaluated = graph
                .evaluate(until, &place, &view)
                .map_err(|problem| Failure::new(Class::Invalid, problem.message))?;
            if evaluated.value != Value::Boolean(true) {
                return Ok(Some(format!(
                    "`until: {}` does not hold",
                    graph.program(until).text.trim()
                )));
            }
        }
        let known = self.known();
        for check in &vertex.postconditions {
            let view = known.view(&graph, key.vertex).with_own_outputs(outputs);
            check_one(&graph, *check, &place, &view).map_err(|problem| {
                Failure::new(
                    Class::Invalid,
                    format!("a postcondition does not hold: {}", problem.message),
                )
            })?;
        }
        Ok(None)
    }

    /// Looks again at the tasks whose outputs `until` reads.
    async fn refresh(
        &self,
        until: crate::graph::ExpressionId,
        instance: &Instance,
    ) -> Result<(), Failure> {
        let graph = self.looker.graph.clone();
        let reads = {
            let known = self.known();
            let view = known.view(&graph, instance.vertex);
            graph
                .evaluate(until, &instance.place(&graph), &view)
                .map(|evaluated| evaluated.reads)
                .unwrap_or_default()
        };
        let keys: std::collections::BTreeSet<InstanceKey> = reads
            .into_iter()
            .map(|read| InstanceKey { vertex: read.vertex, keys: read.keys, own: read.own })
            .collect();
        for key in keys {
            let Some(other) = self.instance(&key) else { continue };
            let given = self.looker.given(&other, &self.known().view(&graph, key.vertex));
            let look = self.looker.look(&other, given).await.map_err(failure_of)?;
            if let Look::Seen(seen) = look {
                write(&self.knowledge).learn(key, TaskOutputs::Known(Arc::new(seen.outputs)));
            }
        }
        Ok(())
    }
}

/// Reports the tries of one instance's requests as events.
struct InstanceTries {
    key: InstanceKey,
    messages: UnboundedSender<Message>,
    clock: Arc<dyn Clock>,
}

impl TryObserver for InstanceTries {
    fn tried(&self, r#try: Try) {
        // The loop outlives its workers; when it does not, there is nobody to tell.
        let hold = self.clock.hold();
        let _ = self.messages.send(Message::Side(self.key.clone(), Body::Tried(r#try), hold));
    }
}

fn writes(wrote: bool) -> Writes {
    if wrote { Writes::Yes } else { Writes::No }
}

pub(super) fn bug(message: &str) -> Failure {
    Failure::new(Class::Bug, format!("a defect of runbook: {message}"))
}

fn failure_of(error: LookError) -> Failure {
    match error {
        LookError::Failure(failure) => failure,
        LookError::Problems(problems) => {
            let texts: Vec<&str> =
                problems.iter().map(|problem| problem.message.as_str()).collect();
            Failure::new(Class::Invalid, texts.join("; "))
        }
    }
}
