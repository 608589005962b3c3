//! The loop around the reducer: performs effects, records events, keeps the clock.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use futures::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::attempt::{Ended, Worker};
use super::cancel::Cancel;
use super::state::{Counts, Effect, Happened, Looked, Record, State, Verified, Written};
use super::waits::{Waits, Work};
use crate::clock::{Clock, Hold};
use crate::event::{Body, Event, Step};
use crate::failure::{Class, Failure};
use crate::journal::{self, Batch, Blob, Store};
use crate::plan::{Expanded, expand_vertex};
use crate::task::{InstanceKey, Writes};

/// How often other tasks of this process get their turn before a commit, when some are new: what needs no
/// I/O has ended then.
const TURNS: usize = 2;

/// Events of one commit, about: when thousands of tasks converge at the same time, not all of what is
/// recorded of them lies in memory.
const MOST_PENDING: usize = 2048;

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
    pub(super) run: Arc<str>,
    pub(super) seq: u64,
    /// Recorded and not yet durable.
    pub(super) pending: Vec<Event>,
    /// Blobs that those name.
    pub(super) blobs: Vec<Blob>,
    /// Writes that one commit may hold back for others to join it.
    pub(super) gathers: usize,
    pub(super) sender: UnboundedSender<Message>,
    pub(super) waits: Waits,
    /// Of writes that have not begun.
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
            // Everything that has been told by now goes into one commit, within its bound.
            while self.pending.len() < MOST_PENDING
                && let Ok(message) = receiver.try_recv()
            {
                effects.extend(self.take(message, &cancel, &mut holds));
            }
            // A write may start only when its `intended` is durable; nothing else waits for that.
            for effect in self.expand(std::mem::take(&mut effects)) {
                match effect {
                    Effect::Write(_) => writes.push(effect),
                    other => self.start(other),
                }
            }
            let is_full = self.pending.len() >= MOST_PENDING;
            let may_gather = !is_full && !writes.is_empty() && writes.len() < self.gathers;
            if may_gather && let Some(message) = self.next_soon(&mut receiver).await {
                effects.extend(self.take(message, &cancel, &mut holds));
                continue;
            }
            if !writes.is_empty() || is_full || self.state.is_over() {
                self.commit().await?;
            }
            self.start_writes(&mut writes);
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
                // It has told how it ended.
                () = self.waits.ended() => {}
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

    /// Takes note of the wish to stop, once: what waits is dropped.
    fn heed(&mut self, cancel: &Cancel, holds: &mut Vec<Hold>) -> Vec<Effect> {
        if self.cancelled || !cancel.is_requested() {
            return Vec::new();
        }
        self.cancelled = true;
        holds.push(self.clock.hold());
        let mut effects = self.step(Happened::Cancelled(cancel.signal()), Vec::new());
        for wait in self.waits.drop_all() {
            effects.extend(self.step(dropped(wait), Vec::new()));
        }
        effects
    }

    fn take(&mut self, message: Message, cancel: &Cancel, holds: &mut Vec<Hold>) -> Vec<Effect> {
        // Messages may follow each other without a break: the wish does not wait for one.
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

    /// Starts writes, each of which may take its time before it first waits (a process is started): as
    /// many at once as there are threads. Handing each of them to the runtime would wake another
    /// thread for each.
    fn start_writes(&mut self, writes: &mut Vec<Effect>) {
        if writes.is_empty() {
            return;
        }
        let works: Vec<Work> = writes.drain(..).map(|write| self.work(write)).collect();
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let abreast = threads.clamp(1, works.len());
        let queue = Arc::new(Mutex::new(works.into_iter()));
        for _ in 0..abreast {
            tokio::spawn(begin(queue.clone()));
        }
        self.has_new_tasks = true;
    }

    /// Starts an effect that is no write. What ends at once, as looks and verifies that need no I/O do, is no
    /// task of its own: making one and handing its end back costs more than they do. Nor is what waits
    /// for the world.
    fn start(&mut self, effect: Effect) {
        let wait = match &effect {
            Effect::Verify(_) | Effect::Pause(..) => Some(effect.clone()),
            _ => None,
        };
        let Some(work) = unfinished(self.work(effect)) else { return };
        match wait {
            None => {
                tokio::spawn(work);
                self.has_new_tasks = true;
            }
            // Nothing is waited for any more.
            Some(wait) if self.cancelled => {
                let hold = self.clock.hold();
                let _ = self.sender.send(Message::Ended((dropped(wait), Vec::new()), hold));
            }
            Some(wait) => self.waits.add(wait, work),
        }
    }

    /// The work of an effect: it tells how it ended.
    fn work(&mut self, effect: Effect) -> Work {
        let worker = self.worker.clone();
        let told =
            Told { effect: effect.clone(), sender: self.sender.clone(), hold: self.clock.hold() };
        match effect {
            Effect::Look(key) => {
                let attempt = self.state.attempt(&key);
                told.by(async move { worker.look(key, attempt).await })
            }
            Effect::Write(key) => {
                let token = self.tokens.remove(&key).unwrap_or_default();
                told.by(async move { worker.write(key, token).await })
            }
            Effect::Verify(key) => told.by(async move { worker.verify(key).await }),
            Effect::Pause(key, pause) => told.by(async move {
                crate::clock::sleep(worker.looker.clock.as_ref(), pause).await;
                (Happened::Paused(key), Vec::new())
            }),
            // Performed by the loop itself.
            Effect::Expand(id) => {
                let expanded = Happened::Expanded(id, Err("not expanded".to_owned()));
                told.by(std::future::ready((expanded, Vec::new())))
            }
        }
    }

    /// The next message, when it comes while whatever can run without waiting for the world runs.
    ///
    /// Writes that need no I/O end within a few turns; one commit for all of them costs as much as one
    /// for each. A turn is not free: it wakes other threads, which find nothing to do when everything
    /// waits for the world.
    async fn next_soon(&mut self, receiver: &mut UnboundedReceiver<Message>) -> Option<Message> {
        let turns = if std::mem::take(&mut self.has_new_tasks) { TURNS } else { 1 };
        for _ in 0..turns {
            self.waits.go_on().await;
            if let Ok(message) = receiver.try_recv() {
                return Some(message);
            }
            tokio::task::yield_now().await;
        }
        receiver.try_recv().ok()
    }
}

/// Begins one work after the other; what does not end at once goes on as a task of its own.
async fn begin(queue: Arc<Mutex<std::vec::IntoIter<Work>>>) {
    loop {
        let next = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        let Some(work) = next else { return };
        if let Some(work) = unfinished(work) {
            tokio::spawn(work);
        }
    }
}

/// The work, unless it ends at once. Nobody is woken by this poll: it is to be polled again.
fn unfinished(mut work: Work) -> Option<Work> {
    let unheard = &mut Context::from_waker(Waker::noop());
    work.as_mut().poll(unheard).is_pending().then_some(work)
}

/// What tells the loop how an effect ended.
struct Told {
    effect: Effect,
    sender: UnboundedSender<Message>,
    hold: Hold,
}

impl Told {
    fn by(self, performed: impl Future<Output = Ended> + Send + 'static) -> Work {
        let Self { effect, sender, hold } = self;
        Box::pin(AssertUnwindSafe(performed).catch_unwind().map(move |ended| {
            let ended = ended.unwrap_or_else(|_| (panicked(effect), Vec::new()));
            // The loop ends only when nothing is under way, so it is there.
            let _ = sender.send(Message::Ended(ended, hold));
        }))
    }
}

/// What is recorded of a wait that is dropped because the run stops.
fn dropped(wait: Effect) -> Happened {
    match wait {
        Effect::Verify(key) => Happened::Verified(key, Verified::Dropped),
        Effect::Pause(key, _) => Happened::Paused(key),
        // Nothing else waits.
        other => panicked(other),
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
