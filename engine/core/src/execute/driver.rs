//! The loop around the reducer: performs effects, records events, keeps the clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::attempt::{Ended, Worker};
use super::cancel::Cancel;
use super::effects::dropped;
use super::inbox::Inbox;
use super::state::{Counts, Effect, Happened, Looked, Record, State, Verified, Written};
use super::threads::Threads;
use super::waits::Waits;
use crate::clock::{Clock, Hold};
use crate::event::{self, Body, Event, Step};
use crate::failure::Failure;
use crate::journal::{self, Batch, Blob, Notes, Store};
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

/// The idempotency token of a write.
pub(super) struct Token {
    pub(super) text: String,
    /// The event that it was intended with, where its beginning is noted.
    pub(super) noted: Option<u64>,
}

/// What the loop leaves: itself, with what it has taken note of, and why it stopped before its end.
pub(super) type Outcome = (Driver, Result<(), journal::Error>);

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
    /// Among them is something that no note tells of.
    pub(super) has_unnoted: bool,
    /// Blobs that those name.
    pub(super) blobs: Vec<Blob>,
    /// Writes that one commit may hold back for others to join it.
    pub(super) gathers: usize,
    /// What effects have told.
    pub(super) inbox: Inbox,
    pub(super) sender: UnboundedSender<Message>,
    pub(super) waits: Waits,
    /// Perform what occupies a thread.
    pub(super) threads: Arc<Threads>,
    /// Of writes that have not begun.
    pub(super) tokens: BTreeMap<InstanceKey, Token>,
    /// Takes notes of what begins, where something may be intended ahead of its turn.
    pub(super) notes: Option<Arc<dyn Notes>>,
    /// What the reducer was told last of how much may be.
    pub(super) ahead: usize,
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
        mut cancel: Cancel,
        hold: Hold,
    ) -> Result<(), journal::Error> {
        let mut holds = vec![hold];
        let mut effects = self.step(Happened::Begun, Vec::new());
        let mut writes = Vec::new();
        loop {
            // Everything that has been told by now goes into one commit, within its bound.
            while self.pending.len() < MOST_PENDING
                && let Some(message) = self.inbox.take()
            {
                effects.extend(self.take(message, &cancel, &mut holds));
            }
            effects.extend(self.pace());
            // A write may start only when its `intended` is durable; nothing else waits for that.
            for effect in self.expand(std::mem::take(&mut effects)) {
                match effect {
                    Effect::Write(_) => writes.push(effect),
                    other => self.start(other),
                }
            }
            let is_full = self.pending.len() >= MOST_PENDING;
            // What these effects came to at once belongs into the same commit.
            if !is_full && self.inbox.has_own() {
                continue;
            }
            let may_gather = !is_full && !writes.is_empty() && writes.len() < self.gathers;
            if may_gather && let Some(message) = self.next_soon().await {
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
            if let Some(message) = self.next_soon().await {
                effects.extend(self.take(message, &cancel, &mut holds));
                continue;
            }
            // While commands are left to begin, what became of others is noted, and one commit will do for
            // several of them.
            if self.has_unnoted || !self.threads.has_some_ahead() {
                self.commit().await?;
                holds.clear();
            }
            tokio::select! {
                message = self.inbox.next() => {
                    effects.extend(self.take(message, &cancel, &mut holds));
                }
                () = self.threads.grow_impatient() => {}
                message = self.waits.ended() => {
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
        self.commit().await?;
        // Else a process that comes later may ask of what an earlier one had intended.
        if let Some(notes) = self.notes.as_ref().filter(|_| outcome == event::Outcome::Succeeded) {
            notes.settled();
        }
        Ok(())
    }

    /// Tells the reducer how many commands may be intended ahead, and takes back those that do not begin
    /// soon, or are not to begin any more.
    fn pace(&mut self) -> Vec<Effect> {
        if self.notes.is_none() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let (ahead, overdue) = self.threads.pace();
        if ahead != std::mem::replace(&mut self.ahead, ahead) {
            effects.extend(self.step(Happened::Paced(ahead), Vec::new()));
        }
        let taken_back = if self.state.is_stopping() {
            self.threads.take_all_back()
        } else if overdue {
            self.threads.take_back()
        } else {
            Vec::new()
        };
        for key in taken_back {
            let withdrawn = Happened::Written(key, Written::Withdrawn);
            effects.extend(self.step(withdrawn, Vec::new()));
        }
        effects
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
            // Also when the module panicked.
            Happened::Written(key, Written::Ambiguous(_)) => self.worker.doubt(key),
            _ => {}
        }
        let (records, effects) = self.state.step(happened);
        for record in records {
            if let (Some(key), Body::Step(Step::Intended { token, noted, .. })) =
                (&record.key, &record.body)
            {
                // Its event is the next.
                let noted = noted.then_some(self.seq + 1);
                self.tokens.insert(key.clone(), Token { text: token.clone(), noted });
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
                    let keys = found.iter().map(crate::task::Instance::key).collect();
                    known.make_room_for(id, found.len());
                    for instance in found {
                        known.insert(instance.key(), Arc::new(instance));
                    }
                    Ok(keys)
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
        self.has_unnoted |= record.key.as_ref().is_none_or(|key| !self.state.is_noted(key));
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
        self.has_unnoted = false;
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

    /// The next message, when it comes while whatever can run without waiting for the world runs.
    ///
    /// Writes that need no I/O end within a few turns; one commit for all of them costs as much as one
    /// for each. A turn is not free: it wakes other threads, which find nothing to do when everything
    /// waits for the world.
    async fn next_soon(&mut self) -> Option<Message> {
        let turns = if std::mem::take(&mut self.has_new_tasks) {
            TURNS
        } else {
            // To wait there for a turn of the others is to leave the loop to another thread.
            usize::from(!Threads::is_one())
        };
        for _ in 0..turns {
            self.waits.go_on(&mut self.inbox).await;
            if let Some(message) = self.inbox.take() {
                return Some(message);
            }
            tokio::task::yield_now().await;
        }
        self.inbox.take()
    }
}
