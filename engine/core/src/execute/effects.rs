//! How the loop performs effects: at once, as tasks of the runtime, on threads of their own, or as
//! waits that it polls itself.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::FutureExt as _;
use tokio::sync::mpsc::UnboundedSender;

use super::attempt::Ended;
use super::driver::{Driver, Message};
use super::state::{Effect, Happened, Looked, Verified, Written};
use super::waits::Work;
use crate::clock::Hold;
use crate::failure::{Class, Failure};
use crate::journal::{self, Answer};
use crate::task::InstanceKey;

impl Driver {
    /// Starts writes, each of which may take its time before it first waits (a process is started): as
    /// many at once as there are threads. Handing each of them to the runtime would wake another
    /// thread for each.
    pub(super) fn start_writes(&mut self, writes: &mut Vec<Effect>) {
        let mut works = Vec::new();
        for write in writes.drain(..) {
            match write {
                Effect::Write(key) if self.worker.occupies_thread(&key) => self.occupy(key),
                other => works.push(self.work(other)),
            }
        }
        if works.is_empty() {
            return;
        }
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let abreast = threads.clamp(1, works.len());
        let queue = Arc::new(Mutex::new(works.into_iter()));
        for _ in 0..abreast {
            tokio::spawn(begin(queue.clone(), self.sender.clone()));
        }
        self.has_new_tasks = true;
    }

    /// Starts a write that occupies a thread.
    fn occupy(&mut self, key: InstanceKey) {
        let (worker, thread) = (self.worker.clone(), self.threads.keeping.clone());
        let (token, noted) = self.token(&key);
        let notes = self.notes.clone();
        let ending = Ending { effect: Effect::Write(key.clone()), hold: self.clock.hold() };
        let of = key.clone();
        let noted = notes.zip(noted);
        let written = async move {
            let Some((notes, seq)) = noted else {
                return worker.write(of, token, Some(&thread)).await;
            };
            if let Err(error) = notes.begins(seq) {
                return (not_begun(of, &error), Vec::new());
            }
            let ended = worker.write(of, token, Some(&thread)).await;
            if let Some(answer) = answer(&ended.0).filter(|_| !thread.is_abandoned()) {
                notes.answered(seq, answer);
            }
            ended
        };
        self.threads.perform(key, ending.of(written));
    }

    /// The token of a write, and the event that it was intended with, where its beginning is noted.
    fn token(&mut self, key: &InstanceKey) -> (String, Option<u64>) {
        self.tokens.remove(key).map(|token| (token.text, token.noted)).unwrap_or_default()
    }

    /// Starts an effect that is no write. What ends at once, as looks and verifies that need no I/O do, is no
    /// task of its own: making one and handing its end back costs more than they do. Nor is what waits
    /// for the world.
    pub(super) fn start(&mut self, effect: Effect) {
        let wait = match &effect {
            Effect::Verify(_) | Effect::Pause(..) => Some(effect.clone()),
            _ => None,
        };
        match (begun(self.work(effect)), wait) {
            (ControlFlow::Break(message), _) => self.inbox.keep(message),
            (ControlFlow::Continue(work), None) => {
                go_on(work, self.sender.clone());
                self.has_new_tasks = true;
            }
            // Nothing is waited for any more.
            (ControlFlow::Continue(_), Some(wait)) if self.cancelled => {
                let hold = self.clock.hold();
                self.inbox.keep(Message::Ended((dropped(wait), Vec::new()), hold));
            }
            (ControlFlow::Continue(work), Some(wait)) => self.waits.add(wait, work),
        }
    }

    /// The work of an effect.
    fn work(&mut self, effect: Effect) -> Work {
        let worker = self.worker.clone();
        let ending = Ending { effect: effect.clone(), hold: self.clock.hold() };
        match effect {
            Effect::Look(key) => {
                let attempt = self.state.attempt(&key);
                ending.of(async move { worker.look(key, attempt).await })
            }
            Effect::Write(key) => {
                let (token, _) = self.token(&key);
                ending.of(async move { worker.write(key, token, None).await })
            }
            Effect::Verify(key) => ending.of(async move { worker.verify(key).await }),
            Effect::Pause(key, pause) => ending.of(async move {
                crate::clock::sleep(worker.looker.clock.as_ref(), pause).await;
                (Happened::Paused(key), Vec::new())
            }),
            // Performed by the loop itself.
            Effect::Expand(id) => {
                let expanded = Happened::Expanded(id, Err("not expanded".to_owned()));
                ending.of(std::future::ready((expanded, Vec::new())))
            }
        }
    }
}

/// How a write was answered, where its answer leaves no doubt.
fn answer(happened: &Happened) -> Option<Answer> {
    match happened {
        Happened::Written(_, Written::Acknowledged) => Some(Answer::Acknowledged),
        Happened::Written(_, Written::Rejected(..)) => Some(Answer::Rejected),
        _ => None,
    }
}

/// What is recorded of a write that was not begun, because it could not be noted that it does.
fn not_begun(key: InstanceKey, error: &journal::Error) -> Happened {
    let mut failure = Failure::new(Class::Unavailable, error.to_string());
    if let Some(source) = std::error::Error::source(error) {
        failure.message.push_str(&format!(": {source}"));
    }
    Happened::Written(key, Written::Rejected(failure, None))
}

/// Begins one work after the other; what does not end at once goes on as a task of its own.
async fn begin(queue: Arc<Mutex<std::vec::IntoIter<Work>>>, sender: UnboundedSender<Message>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(work) = next else { return };
        match begun(work) {
            // The loop ends only when nothing is under way, so it is there.
            ControlFlow::Break(message) => drop(sender.send(message)),
            ControlFlow::Continue(work) => go_on(work, sender.clone()),
        }
    }
}

/// Begins a work; the message when it has ended at once. Nobody is woken by this poll: what goes on is to
/// be polled again.
fn begun(mut work: Work) -> ControlFlow<Message, Work> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => ControlFlow::Break(message),
        Poll::Pending => ControlFlow::Continue(work),
    }
}

/// Has a work go on as a task of the runtime, which tells the loop how it ended.
fn go_on(work: Work, sender: UnboundedSender<Message>) {
    tokio::spawn(async move {
        // The loop ends only when nothing is under way, so it is there.
        let _ = sender.send(work.await);
    });
}

/// What becomes of an effect, also when it panics.
struct Ending {
    effect: Effect,
    hold: Hold,
}

impl Ending {
    fn of(self, performed: impl Future<Output = Ended> + Send + 'static) -> Work {
        let Self { effect, hold } = self;
        Box::pin(AssertUnwindSafe(performed).catch_unwind().map(move |ended| {
            let ended = ended.unwrap_or_else(|_| (panicked(effect), Vec::new()));
            Message::Ended(ended, hold)
        }))
    }
}

/// What is recorded of a wait that is dropped because the run stops.
pub(super) fn dropped(wait: Effect) -> Happened {
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
