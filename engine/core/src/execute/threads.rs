//! Writes that occupy a thread each.
//!
//! Such a thread performs one write after the other: when one has ended it carries the run's loop on
//! ([`Relay`]), and takes what that has made ready. There are never more of them than may be at work
//! at once, and with nothing to do they go back to the runtime.
//!
//! What was intended ahead of its turn waits here ([`super::ahead`]). While there is enough of it, what
//! has ended well is left lying for the loop, which then takes note of several at once. It looks again
//! soon in any case: where one takes long, those behind it are taken back. What did not end well is
//! told at once: it may stop the run.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::runtime::Handle;

use super::ahead::{PATIENCE, Pace};
use super::driver::{Message, Outcome};
use super::relay::Relay;
use super::state::{Happened, Written};
use super::waits::Work;
use crate::clock::Clock;
use crate::task::InstanceKey;
use crate::thread::OwnThread;

/// The threads of one run, and what they have told.
pub(super) struct Threads {
    /// How many writes may be performed at once.
    abreast: usize,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// Seen by the loop without being woken: who tells carries it on.
    told: Mutex<Told>,
    relay: OnceLock<Weak<Relay<Outcome>>>,
    /// What is to end with the run.
    pub(super) keeping: OwnThread,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<(InstanceKey, Work)>,
    /// Threads that will look here next.
    coming: usize,
    /// All threads.
    threads: usize,
    /// How many writes threads have taken from here.
    taken: u64,
    pace: Pace,
}

#[derive(Default)]
struct Told {
    messages: VecDeque<Message>,
    /// They may not lie any longer: one did not end well, or they have lain for some time.
    is_urgent: bool,
}

impl Queue {
    /// Whether some wait for which no thread is coming.
    fn has_some_ahead(&self) -> bool {
        self.writes.len() > self.coming
    }
}

thread_local! {
    static IS_ONE: Cell<bool> = const { Cell::new(false) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Threads {
    pub(super) fn new(abreast: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            abreast,
            clock,
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

    /// What has been told and not been taken yet, the oldest; none while it may lie.
    pub(super) fn told(&self) -> Option<Message> {
        let has_enough = lock(&self.queue).writes.len() > self.abreast;
        let mut told = lock(&self.told);
        if has_enough && !told.is_urgent {
            return None;
        }
        let message = told.messages.pop_front();
        told.is_urgent &= message.is_some();
        message
    }

    /// Has a write performed: by a thread that looks for the next one in any case, by a new one, or when
    /// there are enough of them, in its turn.
    pub(super) fn perform(self: &Arc<Self>, key: InstanceKey, write: Work) {
        let mut queue = lock(&self.queue);
        queue.writes.push_back((key, write));
        if queue.coming >= queue.writes.len() || queue.threads >= self.abreast {
            return;
        }
        queue.coming += 1;
        queue.threads += 1;
        drop(queue);
        let threads = self.clone();
        tokio::task::spawn_blocking(move || threads.work());
    }

    /// How many writes more may be intended than are performed at once; and whether those that wait here
    /// should have begun by now.
    pub(super) fn pace(&self) -> (usize, bool) {
        let queue = lock(&self.queue);
        (queue.pace.ahead(self.abreast), queue.pace.is_broken() && queue.has_some_ahead())
    }

    /// Whether some wait for their turn.
    pub(super) fn has_some_ahead(&self) -> bool {
        lock(&self.queue).has_some_ahead()
    }

    /// Takes back what waits for its turn. What a thread is coming for goes on.
    pub(super) fn take_back(&self) -> Vec<InstanceKey> {
        let mut queue = lock(&self.queue);
        let awaited = queue.coming.min(queue.writes.len());
        let writes = queue.writes.split_off(awaited);
        drop(queue);
        taken_back(writes)
    }

    /// Takes back whatever has not begun: nothing more shall.
    pub(super) fn take_all_back(&self) -> Vec<InstanceKey> {
        let writes = std::mem::take(&mut lock(&self.queue).writes);
        taken_back(writes)
    }

    /// Waits until what has ended may not lie any longer, while there is enough to go on with.
    pub(super) async fn grow_impatient(&self) {
        let taken = {
            let queue = lock(&self.queue);
            queue.has_some_ahead().then_some(queue.taken)
        };
        let Some(taken) = taken else { return std::future::pending().await };
        // Of real time: world time stands until the loop has taken note of what ended.
        tokio::time::sleep(PATIENCE).await;
        let mut queue = lock(&self.queue);
        if queue.taken == taken {
            queue.pace.is_slower();
        }
        drop(queue);
        lock(&self.told).is_urgent = true;
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
            let began = self.clock.real_now();
            let message = runtime.block_on(write);
            let left = {
                let mut queue = lock(&self.queue);
                queue.coming += 1;
                let took = self.clock.real_now().duration_since(began);
                queue.pace.took(took.try_into().unwrap_or_default());
                queue.writes.len()
            };
            let is_urgent = !ended_well(&message);
            {
                let mut told = lock(&self.told);
                told.messages.push_back(message);
                told.is_urgent |= is_urgent;
            }
            if left > self.abreast && !is_urgent {
                continue;
            }
            let Some(relay) = self.relay.get().and_then(Weak::upgrade) else { continue };
            if left > 0 && !is_urgent {
                relay.go_on_unless_it_does();
            } else {
                relay.go_on();
            }
        }
    }

    fn next(&self) -> Option<Work> {
        let mut queue = lock(&self.queue);
        queue.coming -= 1;
        let next = queue.writes.pop_front();
        match next {
            Some(_) => queue.taken += 1,
            None => queue.threads -= 1,
        }
        next.map(|(_, write)| write)
    }
}

fn taken_back(writes: VecDeque<(InstanceKey, Work)>) -> Vec<InstanceKey> {
    writes.into_iter().map(|(key, _)| key).collect()
}

fn ended_well(message: &Message) -> bool {
    matches!(message, Message::Ended((Happened::Written(_, Written::Acknowledged), _), _))
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
