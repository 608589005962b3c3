//! What is known of a run while it runs: a fold of its events, without any output.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use runbook_core::change::Action;
use runbook_core::event::{Body, Event, Step, TaskState};
use runbook_core::plan::{Kind, Plan, PlannedTask, estimate};

use crate::view::words::{self, bare_path};

/// A task that is under way.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Since when, world time: since its write when it has written.
    pub(super) since: Timestamp,
    /// Since when it has been looked at.
    pub(super) started: Timestamp,
    /// What it does, or what it waits for, in one line.
    pub(super) doing: String,
    /// Whether it waits for a lock or a pause instead of being worked on.
    pub(super) waits: bool,
}

/// A task that ended.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    /// How.
    pub(super) state: TaskState,
    /// How long it took, world time.
    pub(super) took: Duration,
    /// What was done.
    pub(super) action: Action,
    /// Why, where that needs saying.
    pub(super) because: Option<String>,
}

/// How many tasks are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) done: usize,
    pub(super) running: usize,
    pub(super) waiting: usize,
    pub(super) failed: usize,
    pub(super) blocked: usize,
    pub(super) rest: usize,
}

/// The fold.
pub(super) struct Board {
    /// Tasks with what an estimate needs of them; `expected` goes down as they advance.
    tasks: Vec<PlannedTask>,
    /// As planned, by address or static path.
    planned: BTreeMap<String, (Duration, Kind)>,
    open: BTreeMap<String, Open>,
    closed: BTreeMap<String, Closed>,
    first: Option<Timestamp>,
    now: Option<Timestamp>,
    /// The last estimate of what is left, and when it was made.
    left: Option<(Timestamp, Duration)>,
}

impl Board {
    /// Before the first event.
    pub(super) fn new(plan: &Plan) -> Self {
        let tasks = plan.tasks.iter().map(bare).collect();
        let planned = plan
            .tasks
            .iter()
            .map(|task| (task.address.clone(), (task.expected, task.kind)))
            .collect();
        Self {
            tasks,
            planned,
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            first: None,
            now: None,
            left: None,
        }
    }

    /// Takes an event.
    pub(super) fn apply(&mut self, event: &Event) {
        self.first.get_or_insert(event.world_time);
        self.advance(event.world_time);
        let Some(address) = &event.address else { return };
        let at = event.world_time;
        match &event.body {
            Body::TaskStarted => {
                "looking".clone_into(&mut self.open(address, at).doing);
            }
            Body::TaskWaiting { reason } => {
                let open = self.open(address, at);
                open.doing = waits(reason);
                open.waits = true;
            }
            Body::NotYet { reason } => self.open(address, at).doing = words::first_line(reason),
            Body::Step(step) => self.step(address, at, step),
            Body::TaskFinished { state, action, because } => {
                let started = self.open.remove(address).map_or(at, |open| open.started);
                let closed = Closed {
                    state: *state,
                    took: between(started, at),
                    action: *action,
                    because: because.clone(),
                };
                self.closed.insert(address.clone(), closed);
                self.left = None;
            }
            _ => {}
        }
    }

    fn step(&mut self, address: &str, at: Timestamp, step: &Step) {
        let open = self.open(address, at);
        match step {
            Step::Intended { action, .. } => {
                doing(*action).clone_into(&mut open.doing);
                open.waits = false;
                open.since = at;
                self.left = None;
            }
            Step::Acknowledged => "accepted".clone_into(&mut open.doing),
            Step::Rejected { failure } | Step::NotConverged { failure } => {
                open.doing = words::first_line(&failure.message);
            }
            Step::Ambiguous { .. } => {
                "unknown whether it happened, looking again".clone_into(&mut open.doing);
            }
            Step::Withdrawn => {
                "waits for its turn".clone_into(&mut open.doing);
                open.waits = true;
            }
            Step::Converged { .. } => {}
        }
    }

    fn open(&mut self, address: &str, at: Timestamp) -> &mut Open {
        self.open.entry(address.to_owned()).or_insert_with(|| Open {
            since: at,
            started: at,
            doing: String::new(),
            waits: false,
        })
    }

    /// World time goes on without an event.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.now = Some(self.now.map_or(now, |known| known.max(now)));
    }

    /// World time since the first event.
    pub(super) fn elapsed(&self) -> Duration {
        match (self.first, self.now) {
            (Some(first), Some(now)) => between(first, now),
            _ => Duration::ZERO,
        }
    }

    /// How long something has lasted.
    pub(super) fn since(&self, at: Timestamp) -> Duration {
        self.now.map_or(Duration::ZERO, |now| between(at, now))
    }

    /// What is under way: what runs, oldest first, then what waits.
    pub(super) fn under_way(&self) -> Vec<(&str, &Open)> {
        let mut all: Vec<(&str, &Open)> =
            self.open.iter().map(|(address, open)| (address.as_str(), open)).collect();
        all.sort_by_key(|(address, open)| (open.waits, open.started, *address));
        all
    }

    /// A task that ended.
    pub(super) fn closed(&self, address: &str) -> Option<&Closed> {
        self.closed.get(address)
    }

    /// What the plan said of a task: expected time and kind.
    pub(super) fn planned(&self, address: &str) -> Option<(Duration, Kind)> {
        self.planned.get(address).or_else(|| self.planned.get(&bare_path(address))).copied()
    }

    /// How many tasks the plan skips.
    pub(super) fn skipped(&self) -> u64 {
        self.planned.values().fold(0, |sum, (_, kind)| sum + u64::from(*kind == Kind::Skipped))
    }

    /// How many tasks are where. A repeated task counts once until its instances are known.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for open in self.open.values() {
            if open.waits {
                counts.waiting += 1;
            } else {
                counts.running += 1;
            }
        }
        for closed in self.closed.values() {
            match closed.state {
                TaskState::Succeeded | TaskState::Skipped => counts.done += 1,
                TaskState::Failed | TaskState::Interrupted => counts.failed += 1,
                TaskState::Blocked => counts.blocked += 1,
                TaskState::Pending | TaskState::Running => {}
            }
        }
        let seen: std::collections::BTreeSet<String> =
            self.open.keys().chain(self.closed.keys()).map(|address| bare_path(address)).collect();
        counts.rest = self
            .tasks
            .iter()
            .filter(|task| {
                let address = &task.address;
                !self.open.contains_key(address)
                    && !self.closed.contains_key(address)
                    && !(self.planned.get(address).is_some_and(|(_, kind)| *kind == Kind::Expands)
                        && seen.contains(address))
            })
            .count();
        counts
    }

    /// What is left by the plan's estimate; made anew at most once per second of world time.
    pub(super) fn left(&mut self) -> Duration {
        let Some(now) = self.now else { return Duration::ZERO };
        if let Some((at, left)) = self.left.filter(|(at, _)| between(*at, now).as_secs() < 1) {
            return left.saturating_sub(between(at, now));
        }
        let mut tasks = std::mem::take(&mut self.tasks);
        for task in &mut tasks {
            task.expected = self.remaining(&task.address, now);
        }
        let left = estimate::estimate(&tasks).duration;
        self.tasks = tasks;
        self.left = Some((now, left));
        left
    }

    /// What is left of one task.
    fn remaining(&self, address: &str, now: Timestamp) -> Duration {
        let Some((expected, kind)) = self.planned.get(address).copied() else {
            return Duration::ZERO;
        };
        if self.closed.contains_key(address) {
            return Duration::ZERO;
        }
        // What waits has not begun.
        let of = |open: &Open| {
            if open.waits { expected } else { expected.saturating_sub(between(open.since, now)) }
        };
        if let Some(open) = self.open.get(address) {
            return of(open);
        }
        if kind == Kind::Expands {
            let mine = |one: &str| bare_path(one) == address;
            let open =
                self.open.iter().filter(|(one, _)| mine(one)).map(|(_, open)| of(open)).max();
            if open.is_some() || self.closed.keys().any(|one| mine(one)) {
                return open.unwrap_or_default();
            }
        }
        expected
    }

    /// How far it is, from 0 to 1000, by time.
    pub(super) fn thousandths(&mut self) -> usize {
        let elapsed = self.elapsed().as_millis();
        let whole = elapsed + self.left().as_millis();
        let counts = self.counts();
        if counts.running + counts.waiting + counts.rest == 0 {
            return 1000;
        }
        if whole == 0 {
            let ended = counts.done + counts.failed + counts.blocked;
            let all = ended + counts.running + counts.waiting + counts.rest;
            return ended * 1000 / all.max(1);
        }
        usize::try_from(elapsed * 1000 / whole).unwrap_or(1000).min(999)
    }
}

/// What a task waits for: `plane held by cluster` is a lock, everything else the failure after
/// which it is tried again. Of that the first line is enough.
pub(super) fn waits(reason: &str) -> String {
    let reason = words::first_line(reason);
    if reason.contains(" held by ") {
        format!("waits for {reason}")
    } else {
        format!("is tried again: {reason}")
    }
}

/// What is done while an action is carried out.
pub(super) fn doing(action: Action) -> &'static str {
    match action {
        Action::None => "looking",
        Action::Wait => "waiting",
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Replace => "replacing",
        Action::Delete => "deleting",
    }
}

/// What was done once it is over.
pub(super) fn done(action: Action) -> &'static str {
    match action {
        Action::None | Action::Wait => "converged",
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    // Negative when clocks were set back: then nothing has passed.
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A task with what an estimate needs.
fn bare(task: &PlannedTask) -> PlannedTask {
    PlannedTask {
        address: task.address.clone(),
        module: String::new(),
        kind: task.kind,
        subject: String::new(),
        detail: String::new(),
        fields: Vec::new(),
        reasons: Vec::new(),
        waits_for: Vec::new(),
        needs: task.needs.clone(),
        may: Vec::new(),
        locks: task.locks.clone(),
        expected: task.expected,
        bills: None,
        billing: None,
        arguments: serde_json::Map::new(),
    }
}
