//! The world: the store, its clock, what is due, and what reacts.
//!
//! A request changes the world in one transaction, and everything that follows from it at the same
//! instant (controllers creating pods, a scheduler binding them) happens inside that transaction,
//! by [`Reactor`]s run to a fixpoint in a fixed order. What follows later is a [`Timer`], a document
//! like any other. So the world's log alone says what happened, and the same requests at the same
//! times give the same world.

mod clockwork;
pub(crate) mod ids;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) use clockwork::{ClientId, Clockwork};

use crate::addresses::Addresses;
use crate::notice::{Notice, Notices};
use crate::store::{Change, State, Store, Transaction, WriteError};

/// The collection of timers; names sort by time.
const TIMERS: &str = "timer";
/// How often reactors may follow each other at one instant before that is a defect.
const MOST_ROUNDS: usize = 500;

/// Something that is due at a world time.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Timer {
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    pub(crate) subject: String,
    #[serde(default)]
    pub(crate) payload: Value,
}

/// What follows from a change at the same instant. Must reach a fixpoint: a second call without
/// another change writes nothing.
pub(crate) trait Reactor: Send + Sync {
    /// What it is called in a notice.
    fn name(&self) -> &'static str {
        "controllers"
    }

    /// Looks at the world and changes what follows. It is called when something was written since
    /// it looked last.
    fn react(&self, context: &Context, transaction: &mut Transaction<'_>);
}

/// What a timer does.
pub(crate) type TimerHandler = fn(&Context, &mut Transaction<'_>, &Timer);

/// What never changes in a world.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) seed: String,
    /// Where things are served, for URLs in answers; nothing stored depends on it.
    pub(crate) addresses: Arc<Addresses>,
    /// The certificate authority of the clusters: base64 of PEM, as `DescribeCluster` answers it.
    pub(crate) authority: String,
    /// Who is told what a person should know.
    pub(crate) notices: Notices,
}

/// The world; see the module documentation.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) context: Context,
    reactors: Vec<Box<dyn Reactor>>,
    handler: TimerHandler,
    now: std::sync::RwLock<Timestamp>,
    /// Held while time moves: several clients may be the last to wait at once.
    advancing: Mutex<()>,
}

/// The log cannot be written: the world stops rather than forget.
#[derive(Debug, thiserror::Error)]
#[error("failed to append to the world's log")]
pub(crate) struct LogError(#[source] pub(crate) std::io::Error);

impl World {
    pub(crate) fn new(
        store: Store,
        context: Context,
        reactors: Vec<Box<dyn Reactor>>,
        handler: TimerHandler,
    ) -> Self {
        let now = store.read(State::time);
        Self {
            store,
            context,
            reactors,
            handler,
            now: std::sync::RwLock::new(now),
            advancing: Mutex::default(),
        }
    }

    /// World time.
    pub(crate) fn now(&self) -> Timestamp {
        *self.now.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes the world now, with all that follows at once.
    pub(crate) fn transact<R, E>(
        &self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<Result<R, E>, LogError> {
        Ok(self.transact_at(self.now(), body)?.map(|(answer, _)| answer))
    }

    fn transact_at<R, E>(
        &self,
        now: Timestamp,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<Result<(R, Vec<Change>), E>, LogError> {
        let outcome = self.store.write(now, |transaction| {
            let answer = body(transaction)?;
            self.settle(transaction);
            crate::billing::meter::record(transaction);
            Ok(answer)
        });
        match outcome {
            Ok(committed) => Ok(Ok(committed)),
            Err(WriteError::Refused(refusal)) => Ok(Err(refusal)),
            Err(WriteError::Log(error)) => Err(LogError(error)),
        }
    }

    /// What a change would lead to, without committing it: reads, and server-side dry run.
    pub(crate) fn rehearse<R, E>(
        &self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let now = self.now();
        self.store.read(|state| body(&mut Transaction::new(state, now)))
    }

    /// A read that sees the world as it was before the last change to those collections.
    pub(crate) fn read_stale<R>(
        &self,
        prefix: &str,
        body: impl FnOnce(&mut Transaction<'_>) -> R,
    ) -> R {
        let now = self.now();
        let last = self.store.last_changes(prefix);
        self.store.read(|state| {
            let mut transaction = Transaction::new(state, now);
            transaction.overlook(&last);
            body(&mut transaction)
        })
    }

    /// Runs the reactors to their fixpoint, in their fixed order.
    fn settle(&self, transaction: &mut Transaction<'_>) {
        let mut seen = vec![0; self.reactors.len()];
        for _ in 0..MOST_ROUNDS {
            let before = transaction.writes();
            for (reactor, seen) in self.reactors.iter().zip(&mut seen) {
                transaction.look_from(*seen);
                *seen = transaction.writes();
                if transaction.unseen().next().is_some() {
                    reactor.react(&self.context, transaction);
                }
            }
            if transaction.writes() == before {
                return;
            }
        }
        let names: Vec<&str> = self.reactors.iter().map(|one| one.name()).collect();
        self.context.notices.tell(Notice::Restless {
            reactors: names.join(", "),
            rounds: MOST_ROUNDS,
            at: transaction.now(),
        });
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        self.store.read(|state| {
            let (_, document) = state.list(TIMERS).next()?;
            serde_json::from_value::<Timer>((*document.value).clone()).ok().map(|timer| timer.at)
        })
    }

    /// Moves world time forward, carrying out what is due on the way, each at its own instant.
    pub(crate) fn advance(&self, to: Timestamp) -> Result<(), LogError> {
        let _advancing = self.advancing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while let Some(due) = self.next_timer().filter(|due| *due <= to) {
            let at = due.max(self.now());
            self.set_now(at);
            self.transact_at(at, |transaction| -> Result<(), std::convert::Infallible> {
                self.carry_out_first(transaction);
                Ok(())
            })?
            .unwrap_or_else(|never| match never {});
        }
        if to > self.now() {
            self.set_now(to);
            self.transact_at(to, |transaction| -> Result<(), std::convert::Infallible> {
                transaction.put("clock", "now", json!(to.to_string()));
                Ok(())
            })?
            .unwrap_or_else(|never| match never {});
        }
        Ok(())
    }

    /// The first timer, if it is still due: a request may have taken away the one that was.
    fn carry_out_first(&self, transaction: &mut Transaction<'_>) {
        let Some((name, value)) = transaction.list(TIMERS).into_iter().next() else { return };
        let timer = serde_json::from_value::<Timer>((*value).clone());
        if timer.as_ref().is_ok_and(|timer| timer.at > transaction.now()) {
            return;
        }
        transaction.delete(TIMERS, &name);
        if let Ok(timer) = timer {
            (self.handler)(&self.context, transaction, &timer);
        }
    }

    fn set_now(&self, to: Timestamp) {
        *self.now.write().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
    }
}

impl Transaction<'_> {
    /// Files a timer. One of the same time, kind and subject is the same timer.
    pub(crate) fn schedule(&mut self, timer: &Timer) {
        let name = format!("{:020}/{}/{}", timer.at.as_millisecond(), timer.kind, timer.subject);
        self.put_as(TIMERS, &name, timer);
    }

    /// Files a timer that is due after some seconds.
    pub(crate) fn schedule_in(&mut self, seconds: i64, kind: &str, subject: &str, payload: Value) {
        let wait = SignedDuration::from_secs(seconds.saturating_mul(self.slowness()));
        let at = self.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.schedule(&Timer { at, kind: kind.to_owned(), subject: subject.to_owned(), payload });
    }
}
