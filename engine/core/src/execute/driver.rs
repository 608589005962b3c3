//! The loop around the reducer: performs effects, records events, keeps the clock.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::attempt::{Ended, Worker};
use super::cancel::Cancel;
use super::state::{Counts, Effect, Happened, Looked, Record, State, Verified, Written};
use crate::clock::{Clock, Hold};
use crate::event::{Body, Event, Step};
use crate::failure::{Class, Failure};
use crate::journal::{self, Batch, Blob, Store};
use crate::plan::{Expanded, expand_vertex};
use crate::task::{InstanceKey, Writes};

/// How often other tasks of this process get their turn before a commit, when some are new: what needs no
/// I/O has ended then.
const TURNS: usize = 2;

/// Version of the events' form.
const EVENT_FORM: u32 = 1;

/// What effects tell the loop. World time stands until it has taken note: an event bears the time
/// at which it happened.
pub(super) enum Message {
    Ended(Ended, Hold),
    Side(InstanceKey, Body, Hold),
}

/// The loop of one run, with what it needs and what it has taken note of.
pub(super) struct Driver {
    pub(super) state: State,
    pub(super) worker: Arc<Worker>,
    pub(super) journal: Arc<dyn Store>,
    pub(super) observer: Arc<dyn Fn(&Event) + Send + Sync>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) run: String,
    pub(super) seq: u64,
    /// Recorded and not yet durable.
    pub(super) pending: Vec<Event>,
    /// Blobs that those name.
    pub(super) blobs: Vec<Blob>,
    /// Writes that one commit may hold back for others to join it.
    pub(super) gathers: usize,
    pub(super) sender: UnboundedSender<Message>,
    pub(super) tokens: BTreeMap<InstanceKey, String>,
    pub(super) failures: BTreeMap<InstanceKey, Failure>,
    /// An effect became a task, and has not had its turn yet.
    pub(super) has_new_tasks: bool,
    /// The wish to stop has been taken note of.
    pub(super) cancelled: bool,
}

impl Driver {
    /// Drives the run to its end.
    pub(super) async fn drive(
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
                    other => self.start(other),
                }
            }
            let may_gather = !writes.is_empty() && writes.len() < self.gathers;
            if may_gather && let Some(message) = self.next_soon(&mut receiver).await {
                effects.extend(self.take(message, &cancel, &mut holds));
                continue;
            }
            if !writes.is_empty() || self.state.is_over() {
                self.commit().await?;
            }
            for effect in writes.drain(..) {
                self.start(effect);
            }
            if self.state.is_over() {
                break;
            }
            if let Some(message) = self.next_soon(&mut receiver).await {
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

    pub(super) fn record(&mut self, record: Record) {
        self.seq += 1;
        let address = record.key.as_ref().map(|key| {
            let graph = &self.worker.looker.graph;
            graph.vertex(key.vertex).name(graph, &key.keys, key.own.as_deref())
        });
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

    /// Starts an effect. What ends at once, as looks and verifies that need no I/O do, is no task of its
    /// own: making one and handing its end back costs more than they do. Writes are: what they do before
    /// they first wait (a process is started) takes its time, and others need not wait for it.
    fn start(&mut self, effect: Effect) {
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
        let may_end_at_once = !matches!(effect, Effect::Write(_));
        let mut work = Box::pin(async move {
            let performed = perform(&worker, effect.clone(), attempt, token);
            let ended = AssertUnwindSafe(performed).catch_unwind().await;
            let ended = ended.unwrap_or_else(|_| (panicked(effect), Vec::new()));
            // The loop ends only when nothing is under way, so it is there.
            let _ = sender.send(Message::Ended(ended, hold));
        });
        // Nobody is woken by this poll: what does not end is polled again by its task.
        let unheard = &mut Context::from_waker(Waker::noop());
        if may_end_at_once && work.as_mut().poll(unheard).is_ready() {
            return;
        }
        tokio::spawn(work);
        self.has_new_tasks = true;
    }

    /// The next message, when it comes while whatever can run without waiting for the world runs.
    ///
    /// Writes that need no I/O end within a few turns; one commit for all of them costs as much as one
    /// for each. A turn is not free: it wakes other threads, which find nothing to do when everything
    /// waits for the world.
    async fn next_soon(&mut self, receiver: &mut UnboundedReceiver<Message>) -> Option<Message> {
        let turns = if std::mem::take(&mut self.has_new_tasks) { TURNS } else { 1 };
        for _ in 0..turns {
            if let Ok(message) = receiver.try_recv() {
                return Some(message);
            }
            tokio::task::yield_now().await;
        }
        receiver.try_recv().ok()
    }
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
fn panicked(effect: Effect) -> Happened {
    let failure = Failure::new(Class::Bug, "a defect of runbook: the module panicked")
        .hint("please report this with the run's `runbook show`");
    match effect {
        Effect::Look(key) => Happened::Looked(key, Looked::Failed(failure)),
        Effect::Write(key) => Happened::Written(key, Written::Ambiguous(failure)),
        Effect::Verify(key) => Happened::Verified(key, Verified::NotConverged(failure, None)),
        Effect::Pause(key, _) => Happened::Paused(key),
        Effect::Expand(id) => Happened::Expanded(id, Err(failure.message)),
    }
}
