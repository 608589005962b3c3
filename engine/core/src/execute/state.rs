//! The reducer: (state, what happened) → (events, effects).
//!
//! Dependencies, locks, the number of tasks at work, failure and cancellation are decided here and
//! nowhere else. The order is deterministic: of the tasks that can start, the one with the longest
//! way behind it goes first, then the order of the graph.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::ahead::may_go_ahead;
pub use super::happened::{Happened, Looked, Verified, Written};
use crate::change::Action;
use crate::event::{Body, Outcome, TaskState};
use crate::graph::{EdgeKind, Graph, VertexId};
use crate::module::Lock;
use crate::plan::related;
use crate::task::{ByInstance, InstanceKey};

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Find the instances of a vertex.
    Expand(VertexId),
    /// Look at an instance.
    Look(InstanceKey),
    /// Write, with the locks held and `intended` durable.
    Write(InstanceKey),
    /// Wait until it has converged.
    Verify(InstanceKey),
    /// Wait before the next attempt.
    Pause(InstanceKey, Duration),
}

/// An event that is to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The instance it is about.
    pub key: Option<InstanceKey>,
    /// The attempt.
    pub attempt: Option<u32>,
    /// What happened.
    pub body: Body,
}

/// Where an instance is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// Its dependencies are not done.
    Pending,
    /// It can start.
    Ready,
    /// It is looked at.
    Looking,
    /// It wants to write and waits for locks.
    Locking(Intended),
    /// It writes.
    Writing,
    /// It converges.
    Verifying,
    /// It pauses before another attempt.
    Pausing,
    /// It ended.
    Ended(TaskState),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intended {
    pub(super) action: Action,
    pub(super) change: String,
    pub(super) token: String,
    pub(super) locks: Vec<Lock>,
}

/// An instance in the run.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) phase: Phase,
    pub(super) attempt: u32,
    /// The longest way behind it goes first.
    pub(super) urgency: Reverse<Duration>,
    pub(super) action: Action,
    /// What it waits for, as last told.
    pub(super) told: Option<String>,
    /// Whether it observed while it held its locks.
    pub(super) looked_with_locks: bool,
    /// Whether this process has looked at it.
    pub(super) started: bool,
    /// Why it ended so, for what was skipped, blocked or failed.
    pub(super) because: Option<String>,
    /// Whether its last write may have happened, or never began: the next look belongs to the same
    /// attempt, and so does its token.
    pub(super) goes_on: bool,
}

impl Task {
    pub(super) fn state(&self) -> TaskState {
        match &self.phase {
            Phase::Pending | Phase::Ready => TaskState::Pending,
            Phase::Ended(state) => *state,
            _ => TaskState::Running,
        }
    }
}

/// What the reducer is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Looks and writes at once; waits do not count.
    pub parallelism: usize,
    /// A failure starts nothing new.
    pub fail_fast: bool,
    /// Longest time from each vertex to the end, by static path and key (addresses).
    pub urgency: BTreeMap<String, Duration>,
    /// Attempts that earlier processes of the run brought to an end, by address.
    pub attempts: BTreeMap<String, u32>,
    /// Tasks that are wanted; all when empty.
    pub wanted: BTreeSet<VertexId>,
    /// Whether the store takes notes of what begins: nothing is intended ahead without.
    pub notes: bool,
}

/// The state of a run.
pub struct State {
    pub(super) graph: Arc<Graph>,
    pub(super) settings: Settings,
    pub(super) followers: Vec<Vec<VertexId>>,
    /// Instances of each vertex; `None` while they are unknown.
    pub(super) instances: Vec<Option<Vec<InstanceKey>>>,
    pub(super) expanding: BTreeSet<VertexId>,
    pub(super) tasks: ByInstance<Task>,
    /// Instances that have not ended, by vertex.
    pub(super) unended: Vec<usize>,
    pub(super) ready: BTreeSet<(Reverse<Duration>, InstanceKey)>,
    /// Instances that are being looked at.
    pub(super) looking: BTreeSet<InstanceKey>,
    pub(super) locking: BTreeSet<(Reverse<Duration>, InstanceKey)>,
    pub(super) locks: BTreeMap<String, InstanceKey>,
    /// Locks that end with the acknowledgement.
    pub(super) early: BTreeMap<InstanceKey, Vec<String>>,
    pub(super) busy: usize,
    /// Of each vertex, whether its writes may be intended ahead of their turn.
    pub(super) may_go_ahead: Vec<bool>,
    /// How many may be, now.
    pub(super) ahead: usize,
    pub(super) open: usize,
    pub(super) cancelled: Option<String>,
    pub(super) stopped: bool,
    pub(super) uncovered: bool,
    pub(super) asks: bool,
    pub(super) counts: Counts,
}

/// How many tasks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Wrote something.
    pub changed: u64,
    /// Failed.
    pub failed: u64,
    /// Were blocked by a failure.
    pub blocked: u64,
}

/// What a step gives.
pub type Stepped = (Vec<Record>, Vec<Effect>);

impl State {
    /// The state of a run that has not begun.
    pub fn new(graph: Arc<Graph>, settings: Settings) -> Self {
        let mut followers = vec![Vec::new(); graph.vertices.len()];
        for (index, vertex) in graph.vertices.iter().enumerate() {
            for edge in &vertex.edges {
                let id = VertexId(u32::try_from(index).unwrap_or(u32::MAX));
                let list: &mut Vec<VertexId> = &mut followers[edge.on.0 as usize];
                if !list.contains(&id) {
                    list.push(id);
                }
            }
        }
        let may_go_ahead = graph
            .vertices
            .iter()
            .map(|vertex| settings.notes && may_go_ahead(&graph, vertex))
            .collect();
        let vertices = graph.vertices.len();
        let instances = vec![None; vertices];
        let unended = vec![0; vertices];
        Self {
            graph,
            settings,
            followers,
            instances,
            expanding: BTreeSet::new(),
            tasks: ByInstance::for_vertices(vertices),
            unended,
            ready: BTreeSet::new(),
            looking: BTreeSet::new(),
            locking: BTreeSet::new(),
            locks: BTreeMap::new(),
            early: BTreeMap::new(),
            busy: 0,
            may_go_ahead,
            ahead: 0,
            open: 0,
            cancelled: None,
            stopped: false,
            uncovered: false,
            asks: false,
            counts: Counts::default(),
        }
    }

    /// Takes one step.
    pub fn step(&mut self, happened: Happened) -> Stepped {
        let mut out = (Vec::new(), Vec::new());
        match happened {
            Happened::Begun => self.begin(&mut out),
            Happened::Expanded(vertex, instances) => self.expanded(vertex, instances, &mut out),
            Happened::Looked(key, looked) => self.looked(&key, looked, &mut out),
            Happened::Written(key, written) => self.written(&key, written, &mut out),
            Happened::Verified(key, verified) => self.verified(&key, verified, &mut out),
            Happened::Paused(key) => {
                if self.tasks.get(&key).is_some_and(|task| task.phase == Phase::Pausing) {
                    self.make_ready(&key);
                }
            }
            Happened::Cancelled(signal) => self.cancel(signal, &mut out),
            Happened::Paced(ahead) => self.ahead = ahead,
        }
        self.start(&mut out);
        out
    }

    /// Whether nothing is under way and nothing can start.
    pub fn is_over(&self) -> bool {
        self.open == 0 && self.expanding.is_empty()
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        if self.uncovered {
            Outcome::Uncovered
        } else if self.counts.failed > 0 {
            Outcome::Failed
        } else if self.cancelled.is_some() {
            Outcome::Cancelled
        } else if self.asks {
            Outcome::Paused
        } else {
            Outcome::Succeeded
        }
    }

    /// How many tasks ended how.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The state of each instance.
    pub fn states(&self) -> impl Iterator<Item = (&InstanceKey, TaskState)> {
        self.tasks.iter().map(|(key, task)| (key, task.state()))
    }

    /// The attempt that an instance is in.
    pub fn attempt(&self, key: &InstanceKey) -> u32 {
        self.tasks.get(key).map_or(1, |task| task.attempt)
    }

    pub(super) fn wants(&self, id: VertexId) -> bool {
        self.settings.wanted.is_empty() || self.settings.wanted.contains(&id)
    }

    fn begin(&mut self, out: &mut Stepped) {
        for index in 0..self.graph.vertices.len() {
            let id = VertexId(u32::try_from(index).unwrap_or(u32::MAX));
            if self.wants(id) {
                self.try_expand(id, out);
            } else {
                self.instances[index] = Some(Vec::new());
            }
        }
    }

    /// Expands a vertex when its keys can be known: at once when nothing it comes after is needed
    /// for them, else when all that is done.
    pub(super) fn try_expand(&mut self, id: VertexId, out: &mut Stepped) {
        if self.instances[id.0 as usize].is_some()
            || self.expanding.contains(&id)
            || self.cancelled.is_some()
        {
            return;
        }
        let graph = self.graph.clone();
        let static_keys = !self.is_repeated(id);
        let done = graph.vertex(id).edges.iter().all(|edge| self.vertex_is_done(edge.on));
        if static_keys || done {
            self.expanding.insert(id);
            out.1.push(Effect::Expand(id));
        }
    }

    fn is_repeated(&self, id: VertexId) -> bool {
        let vertex = self.graph.vertex(id);
        vertex.for_each.is_some() || self.graph.depth(vertex.scope) > 0
    }

    /// Whether all instances of a vertex are known and have ended. What the run did not come to
    /// has not: nothing can be said of what follows it.
    pub(super) fn vertex_is_done(&self, id: VertexId) -> bool {
        self.instances[id.0 as usize].is_some() && self.unended[id.0 as usize] == 0
    }

    fn expanded(
        &mut self,
        id: VertexId,
        instances: Result<Vec<InstanceKey>, String>,
        out: &mut Stepped,
    ) {
        self.expanding.remove(&id);
        self.tasks.make_room_for(id, instances.as_ref().map_or(0, Vec::len));
        let (instances, skipped) = match instances {
            Ok(instances) => (instances, None),
            Err(why) => (vec![InstanceKey { vertex: id, keys: Vec::new(), own: None }], Some(why)),
        };
        for key in &instances {
            let name = self.name(key);
            let task = Task {
                phase: Phase::Pending,
                attempt: self.settings.attempts.get(&name).copied().unwrap_or(0),
                urgency: self.planned_urgency(key, &name),
                action: Action::None,
                told: None,
                looked_with_locks: false,
                started: false,
                because: None,
                goes_on: false,
            };
            self.tasks.insert(key.clone(), task);
            self.open += 1;
            self.unended[id.0 as usize] += 1;
        }
        self.instances[id.0 as usize] = Some(instances.clone());
        for key in instances {
            match &skipped {
                Some(why) => self.end(&key, TaskState::Skipped, Some(why.clone()), out),
                None => self.consider(&key, out),
            }
        }
        self.after_end(id, out);
    }

    /// Decides whether a pending instance can start, is blocked or skipped.
    pub(super) fn consider(&mut self, key: &InstanceKey, out: &mut Stepped) {
        if self.tasks.get(key).map(|task| &task.phase) != Some(&Phase::Pending) {
            return;
        }
        let graph = self.graph.clone();
        for edge in &graph.vertex(key.vertex).edges {
            let Some(others) = &self.instances[edge.on.0 as usize] else { return };
            let mut verdict = None;
            for other in others.iter().filter(|other| related(&graph, key, other)) {
                match self.tasks.get(other).map(|task| &task.phase) {
                    Some(Phase::Ended(TaskState::Succeeded)) => {}
                    Some(Phase::Ended(TaskState::Pending)) => return,
                    Some(Phase::Ended(_)) if edge.kind == EdgeKind::Ended => {}
                    Some(Phase::Ended(TaskState::Skipped)) => {
                        let needed = edge.why.iter().any(|why| why.text.starts_with("needs "));
                        if needed && !same_condition(&graph, key.vertex, other.vertex) {
                            verdict = Some((
                                TaskState::Skipped,
                                format!("needs `{}`, which was skipped", self.name(other)),
                            ));
                        }
                    }
                    Some(Phase::Ended(state)) => {
                        let how =
                            if *state == TaskState::Failed { "failed" } else { "did not run" };
                        verdict =
                            Some((TaskState::Blocked, format!("`{}` {how}", self.name(other))));
                    }
                    _ => return,
                }
            }
            if let Some((state, why)) = verdict {
                self.end(key, state, Some(why), out);
                return;
            }
        }
        self.make_ready(key);
    }

    pub(super) fn name(&self, key: &InstanceKey) -> String {
        self.graph.vertex(key.vertex).name(&self.graph, &key.keys, key.own.as_deref())
    }

    pub(super) fn urgency(&self, key: &InstanceKey) -> Reverse<Duration> {
        self.tasks.get(key).map_or(Reverse(Duration::ZERO), |task| task.urgency)
    }

    fn planned_urgency(&self, key: &InstanceKey, name: &str) -> Reverse<Duration> {
        let known = self.settings.urgency.get(name).copied();
        let path = || self.graph.vertex(key.vertex).path.join("/");
        Reverse(known.or_else(|| self.settings.urgency.get(&path()).copied()).unwrap_or_default())
    }

    pub(super) fn make_ready(&mut self, key: &InstanceKey) {
        let urgency = self.urgency(key);
        if let Some(task) = self.tasks.get_mut(key) {
            task.phase = Phase::Ready;
            self.ready.insert((urgency, key.clone()));
        }
    }

    /// Starts what can start.
    pub(super) fn start(&mut self, out: &mut Stepped) {
        if self.is_stopping() {
            self.drain(out);
            return;
        }
        self.grant_locks(out);
        let mut held_back = Vec::new();
        while let Some((_, first)) = self.ready.first() {
            if self.busy >= self.room(first.vertex) {
                // What comes after it does not overtake it.
                break;
            }
            let Some((urgency, key)) = self.ready.pop_first() else { break };
            if self.too_many(&key) {
                held_back.push((urgency, key));
                continue;
            }
            let Some(task) = self.tasks.get_mut(&key) else { continue };
            task.phase = Phase::Looking;
            if !std::mem::take(&mut task.goes_on) {
                task.attempt += 1;
            }
            task.looked_with_locks = false;
            self.busy += 1;
            if !std::mem::replace(&mut task.started, true) {
                out.0.push(Record {
                    key: Some(key.clone()),
                    attempt: Some(task.attempt),
                    body: Body::TaskStarted,
                });
            }
            self.looking.insert(key.clone());
            out.1.push(Effect::Look(key));
        }
        self.ready.extend(held_back);
    }

    /// Whether what becomes of its writes is noted.
    pub(super) fn is_noted(&self, key: &InstanceKey) -> bool {
        self.may_go_ahead[key.vertex.0 as usize]
    }

    /// How many looks and writes at once leave room for one of this vertex. None goes ahead while others
    /// wait for their turn to write.
    fn room(&self, id: VertexId) -> usize {
        let goes_ahead = self.may_go_ahead[id.0 as usize] && self.locking.is_empty();
        self.settings.parallelism + if goes_ahead { self.ahead } else { 0 }
    }

    /// Whether nothing new starts any more.
    pub(super) fn is_stopping(&self) -> bool {
        self.cancelled.is_some() || self.stopped
    }

    /// What has not started will not; what stands between two effects is interrupted.
    fn drain(&mut self, out: &mut Stepped) {
        self.ready.clear();
        self.locking.clear();
        let mut interrupted = Vec::new();
        for (key, task) in self.tasks.iter_mut() {
            match task.phase {
                Phase::Pending | Phase::Ready if !task.started => {
                    task.phase = Phase::Ended(TaskState::Pending);
                    self.open -= 1;
                }
                Phase::Ready | Phase::Locking(_) | Phase::Pausing => interrupted.push(key.clone()),
                _ => {}
            }
        }
        let why = self.why_it_stops();
        for key in interrupted {
            self.end(&key, TaskState::Interrupted, Some(why.to_owned()), out);
        }
    }

    pub(super) fn why_it_stops(&self) -> &'static str {
        if self.cancelled.is_some() {
            "the run was cancelled"
        } else {
            "the run stopped after a failure"
        }
    }

    fn too_many(&self, key: &InstanceKey) -> bool {
        let Some(most) = self.graph.vertex(key.vertex).max_parallel else { return false };
        let running = self.instances[key.vertex.0 as usize].iter().flatten().filter(|other| {
            let phase = self.tasks.get(other).map(|task| &task.phase);
            !matches!(phase, None | Some(Phase::Pending | Phase::Ready | Phase::Ended(_)))
        });
        running.count() >= most as usize
    }

    fn cancel(&mut self, signal: String, out: &mut Stepped) {
        if self.cancelled.is_none() {
            out.0.push(Record {
                key: None,
                attempt: None,
                body: Body::CancelRequested { signal: signal.clone() },
            });
            self.cancelled = Some(signal);
        }
    }
}

/// Whether a task is skipped by the same condition as one it needs.
fn same_condition(graph: &Graph, dependent: VertexId, on: VertexId) -> bool {
    let texts = |id: VertexId| -> Vec<&str> {
        graph
            .vertex(id)
            .when
            .iter()
            .map(|(_, expression)| graph.program(*expression).text.trim())
            .collect()
    };
    let mine = texts(dependent);
    texts(on).iter().all(|text| mine.contains(text))
}
