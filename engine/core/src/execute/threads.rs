//! Writes that occupy a thread each.
//!
//! Such a thread performs one write after the other: when one has ended it carries the run's loop on
//! ([`Relay`]), and takes what that has made ready. There are never more of them than writes
//! under way, and with nothing to do they go back to the runtime.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::runtime::Handle;

use super::driver::{Message, Outcome};
use super::relay::Relay;
use super::waits::Work;
use crate::thread::OwnThread;

/// The threads of one run, and what they have told.
pub(super) struct Threads {
    queue: Mutex<Queue>,
    /// Seen by the loop without being woken: who tells carries it on.
    told: Mutex<VecDeque<Message>>,
    relay: OnceLock<Weak<Relay<Outcome>>>,
    /// What is to end with the run.
    pub(super) keeping: OwnThread,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<Work>,
    /// Threads that will look here next.
    coming: usize,
}

thread_local! {
    static IS_ONE: Cell<bool> = const { Cell::new(false) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            told: Mutex::default(),
            relay: OnceLock::new(),
            keeping: OwnThread::default(),
        })
    }

    /// Says which loop they carry on.
    pub(super) fn belong_to(&self, relay: &Arc<Relay<Outcome>>) {
        // There is one loop, and it is told once.
        drop(self.relay.set(Arc::downgrade(relay)));
    }

    /// What has been told and not been taken yet, the oldest.
    pub(super) fn told(&self) -> Option<Message> {
        lock(&self.told).pop_front()
    }

    /// Has a write performed: by a thread that looks for the next one in any case, or by a new one.
    pub(super) fn perform(self: &Arc<Self>, write: Work) {
        let mut queue = lock(&self.queue);
        queue.writes.push_back(write);
        if queue.coming >= queue.writes.len() {
            return;
        }
        queue.coming += 1;
        drop(queue);
        let threads = self.clone();
        tokio::task::spawn_blocking(move || threads.work());
    }

    /// Whether this thread is one that performs writes.
    pub(super) fn is_one() -> bool {
        IS_ONE.get()
    }

    fn work(&self) {
        IS_ONE.set(true);
        self.work_on();
        // The runtime has other uses for it.
        IS_ONE.set(false);
    }

    fn work_on(&self) {
        let runtime = Handle::current();
        while let Some(write) = self.next() {
            let message = runtime.block_on(write);
            lock(&self.queue).coming += 1;
            lock(&self.told).push_back(message);
            if let Some(relay) = self.relay.get().and_then(Weak::upgrade) {
                relay.go_on();
            }
        }
    }

    fn next(&self) -> Option<Work> {
        let mut queue = lock(&self.queue);
        queue.coming -= 1;
        queue.writes.pop_front()
    }
}

/// Ends the run's loop and what its threads keep, when the run is dropped.
pub(super) struct Abandon {
    pub(super) relay: Arc<Relay<Outcome>>,
    pub(super) threads: Arc<Threads>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        // The loop first: it starts nothing in place of what is ended then.
        self.relay.abandon();
        lock(&self.threads.queue).writes.clear();
        self.threads.keeping.abandon();
    }
}
