//! A clock that is simulated as the sandbox's is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use jiff::Timestamp;
use runbook_core::clock::{Clock, Delegation, Hold};

/// A clock that jumps when everything waits.
pub(crate) struct JumpingClock {
    state: Mutex<ClockState>,
    changed: tokio::sync::Notify,
}

struct ClockState {
    now: Timestamp,
    busy: usize,
    sleepers: BTreeMap<u64, Timestamp>,
    last: u64,
}

impl JumpingClock {
    pub(crate) fn new() -> Arc<Self> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let state = ClockState { now, busy: 0, sleepers: BTreeMap::new(), last: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: tokio::sync::Notify::new() })
    }

    fn turn(&self) {
        let mut state = self.state.lock().unwrap();
        if state.busy == 0
            && let Some(at) = state.sleepers.values().min().copied()
        {
            state.now = state.now.max(at);
            drop(state);
            self.changed.notify_waiters();
        }
    }
}

/// A handle, so that holds can own the clock.
pub(crate) struct TestClock(pub(crate) Arc<JumpingClock>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.state.lock().unwrap().now
    }

    fn real_now(&self) -> Timestamp {
        self.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let id = {
                let mut state = self.0.state.lock().unwrap();
                state.busy -= 1;
                state.last += 1;
                let id = state.last;
                state.sleepers.insert(id, at);
                id
            };
            let _awake = Awake { clock: self.0.clone(), id };
            self.0.turn();
            loop {
                let notified = self.0.changed.notified();
                if self.now() >= at {
                    return;
                }
                notified.await;
            }
        })
    }

    fn hold(&self) -> Hold {
        self.0.state.lock().unwrap().busy += 1;
        let clock = self.0.clone();
        Hold::new(move || {
            clock.state.lock().unwrap().busy -= 1;
            clock.turn();
        })
    }

    fn aside(&self) -> Hold {
        self.0.state.lock().unwrap().busy -= 1;
        self.0.turn();
        let clock = self.0.clone();
        Hold::new(move || clock.state.lock().unwrap().busy += 1)
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        Box::pin(async { Delegation { environment: Vec::new(), guard: Hold::none() } })
    }
}

/// Ends a sleep, also when it is abandoned.
struct Awake {
    clock: Arc<JumpingClock>,
    id: u64,
}

impl Drop for Awake {
    fn drop(&mut self) {
        let mut state = self.clock.state.lock().unwrap();
        state.sleepers.remove(&self.id);
        state.busy += 1;
    }
}
