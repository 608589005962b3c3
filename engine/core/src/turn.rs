//! Taking turns in world time.
//!
//! Whoever does something holds the clock, and whoever sleeps in world time lets go of it for as long.
//! A task that waits for another one does neither: were its hold to count, and were the other asleep
//! (a connection that is being opened is throttled, and tries again in five seconds), time would
//! stand for ever. So a waiter steps aside, and who passes the turn on takes a hold for the next one
//! before it lets go of anything itself: time cannot jump in between.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::clock::{Clock, Hold};

/// One at a time, in the order of asking.
#[derive(Default)]
pub struct Turn(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    is_taken: bool,
    waiting: VecDeque<oneshot::Sender<(Taken, Hold)>>,
}

/// The turn; passed on when dropped.
pub struct Taken {
    queue: Arc<Mutex<Queue>>,
    clock: Arc<dyn Clock>,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    /// Waits for the turn. Must be called under a hold of that clock, which does not count meanwhile.
    pub async fn take(&self, clock: &Arc<dyn Clock>) -> Taken {
        let mine = || Taken { queue: self.0.clone(), clock: clock.clone() };
        let receiver = {
            let mut queue = lock(&self.0);
            if !queue.is_taken {
                queue.is_taken = true;
                return mine();
            }
            let (sender, receiver) = oneshot::channel();
            queue.waiting.push_back(sender);
            receiver
        };
        let aside = clock.aside();
        let passed = receiver.await;
        drop(aside);
        // A sender is dropped unsent only with the queue, which `self` keeps.
        passed.map_or_else(|_| mine(), |(taken, _hold)| taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        let Some(next) = queue.waiting.pop_front() else {
            queue.is_taken = false;
            return;
        };
        drop(queue);
        let taken = Self { queue: self.queue.clone(), clock: self.clock.clone() };
        // Who has given up waiting gives the turn back, and that passes it on to the one after.
        drop(next.send((taken, self.clock.hold())));
    }
}
