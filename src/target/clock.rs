//! The clocks behind the targets: real time, and the sandbox's, which jumps when all of us wait.
//!
//! The engine's many holds are one client of the sandbox's clock. As long as one hold counts, the
//! client is busy and world time stands; when all of them sleep, the client is idle until the
//! earliest of their deadlines. A child process that waits in world time by itself (helm) gets a
//! client of its own *before* it starts, so time cannot run away while it comes up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_sandbox::{ControlClient, ControlError, Registration};
use runbook_showback::collect::Mark;
use tokio::sync::{Notify, oneshot};

/// The one place that asks the machine what time it is.
#[expect(clippy::disallowed_methods, reason = "here time is injected from")]
pub(crate) fn real_now() -> Timestamp {
    Timestamp::now()
}

/// Real time, on a target that has no other.
pub(crate) struct RealTime;

impl Clock for RealTime {
    fn now(&self) -> Timestamp {
        real_now()
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        async move {
            // Suspended machines and stepped clocks: look again until it is so.
            while let Some(left) = left_until(at) {
                tokio::time::sleep(left).await;
            }
        }
        .boxed()
    }

    fn hold(&self) -> Hold {
        Hold::none()
    }

    fn aside(&self) -> Hold {
        Hold::none()
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        async { Delegation { environment: Vec::new(), guard: Hold::none() } }.boxed()
    }
}

fn left_until(at: Timestamp) -> Option<Duration> {
    Duration::try_from(at.duration_since(real_now())).ok().filter(|left| !left.is_zero())
}

/// The sandbox's clock, as a client of it.
#[derive(Clone)]
pub(crate) struct SandboxTime(Arc<Shared>);

struct Shared {
    control: ControlClient,
    registration: Registration,
    /// Where a child process finds the control endpoint.
    address: String,
    token: String,
    state: Mutex<State>,
    changed: Arc<Notify>,
    /// Told when the sandbox cannot be reached any more: waiting would never end.
    lost: tokio::sync::watch::Sender<Option<String>>,
}

#[derive(Default)]
struct State {
    /// Holds that count.
    holds: usize,
    sleepers: BTreeMap<u64, (Timestamp, oneshot::Sender<()>)>,
    last: u64,
    /// Children that take part by themselves.
    children: usize,
}

/// What all of us together do.
enum Together {
    /// Somebody works.
    Work,
    /// Everybody sleeps, at most until then.
    SleepUntil(Timestamp),
    /// Nobody works or sleeps; children do.
    Children,
}

impl SandboxTime {
    /// Takes part in the clock of a served world until the last clone is gone.
    pub(crate) async fn join(
        control: ControlClient,
        address: String,
        token: String,
    ) -> Result<Self, ControlError> {
        let registration = control.register("runbook").await?;
        let shared = Arc::new(Shared {
            control,
            registration,
            address,
            token,
            state: Mutex::default(),
            changed: Arc::default(),
            lost: tokio::sync::watch::Sender::new(None),
        });
        tokio::spawn(drive(Arc::downgrade(&shared), shared.changed.clone()));
        Ok(Self(shared))
    }

    /// Ready, with the reason, when the sandbox is gone.
    pub(crate) async fn lost(&self) -> String {
        let mut receiver = self.0.lost.subscribe();
        // The sender lives in `self`.
        let reason = receiver.wait_for(Option::is_some).await.map(|reason| reason.clone());
        reason.ok().flatten().unwrap_or_default()
    }
}

impl Mark for SandboxTime {
    fn mark(&self) -> BoxFuture<'_, Option<u64>> {
        // A sandbox that is gone, or older than marks, has none to wait for.
        async { self.0.control.mark().await.ok() }.boxed()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn together(&self) -> Together {
        let state = self.state();
        if state.holds > 0 {
            return Together::Work;
        }
        match state.sleepers.values().map(|(at, _)| *at).min() {
            Some(until) => Together::SleepUntil(until),
            None if state.children > 0 => Together::Children,
            None => Together::Work,
        }
    }

    /// Wakes those whose time has come; each gets its hold back before anything can jump again.
    fn wake(&self, now: Timestamp) {
        let mut state = self.state();
        let due: Vec<u64> =
            state.sleepers.iter().filter(|(_, (at, _))| *at <= now).map(|(id, _)| *id).collect();
        for id in due {
            if let Some((_, sender)) = state.sleepers.remove(&id) {
                state.holds += 1;
                // A sleeper that was dropped meanwhile takes its hold back by itself: see `Asleep`.
                let _ = sender.send(());
            }
        }
    }

    fn hold(&self) {
        self.hold_instead(|_| true);
    }

    /// One hold more in place of something, if that is there still. Whoever drives the clock looks again
    /// only when it changes what all together do: waking it for each hold costs more than what is done
    /// under most of them.
    fn hold_instead(&self, of: impl FnOnce(&mut State) -> bool) {
        let is_first = {
            let mut state = self.state();
            let is_due = of(&mut state);
            state.holds += usize::from(is_due);
            is_due && state.holds == 1
        };
        if is_first {
            // Time may be on its way to a deadline: it stops before the next one.
            self.changed.notify_one();
        }
    }

    fn release(&self) {
        self.release_and(|_| {});
    }

    /// One hold less, and what takes its place.
    fn release_and<T>(&self, instead: impl FnOnce(&mut State) -> T) -> T {
        let (outcome, was_last) = {
            let mut state = self.state();
            state.holds = state.holds.saturating_sub(1);
            (instead(&mut state), state.holds == 0)
        };
        if was_last {
            self.changed.notify_one();
        }
        outcome
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The driver sees that there is nobody left.
        self.changed.notify_one();
    }
}

/// Idles on behalf of all holds, until the clock is dropped.
async fn drive(shared: Weak<Shared>, changed: Arc<Notify>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let outcome = match strong.together() {
            Together::Work => {
                drop(strong);
                changed.notified().await;
                continue;
            }
            Together::SleepUntil(until) => tokio::select! {
                outcome = strong.registration.idle_until(until) => outcome,
                () = changed.notified() => strong.registration.busy().await,
            },
            Together::Children => match strong.registration.elsewhere().await {
                Ok(elsewhere) => {
                    changed.notified().await;
                    elsewhere.back().await
                }
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(now) => strong.wake(now),
            Err(error) => {
                strong.lost.send_replace(Some(crate::failure_text(&error)));
                return;
            }
        }
    }
}

/// A sleeper; see [`SandboxTime::sleep_until`].
struct Asleep {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.shared.hold_instead(|state| state.sleepers.remove(&self.id).is_some());
    }
}

impl Clock for SandboxTime {
    fn now(&self) -> Timestamp {
        self.0.registration.now()
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        async move {
            let (sender, receiver) = oneshot::channel();
            let id = self.0.release_and(|state| {
                state.last += 1;
                state.sleepers.insert(state.last, (at, sender));
                state.last
            });
            let asleep = Asleep { shared: self.0.clone(), id };
            if receiver.await.is_err() {
                // The sender goes only with the sandbox; whoever runs hears of it by `lost`.
                std::future::pending::<()>().await;
            }
            drop(asleep);
        }
        .boxed()
    }

    fn hold(&self) -> Hold {
        self.0.hold();
        let shared = self.0.clone();
        Hold::new(move || shared.release())
    }

    fn aside(&self) -> Hold {
        self.0.release();
        let shared = self.0.clone();
        Hold::new(move || shared.hold())
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        async move {
            let Ok(child) = self.0.control.register("helm").await else {
                // The child then finds no sandbox either, and says so.
                return Delegation { environment: Vec::new(), guard: Hold::none() };
            };
            let environment =
                runbook_sandbox::helm::environment(&self.0.address, &self.0.token, Some(&child));
            self.0.release_and(|state| state.children += 1);
            let shared = self.0.clone();
            let guard = Hold::new(move || {
                shared.hold_instead(|state| {
                    state.children = state.children.saturating_sub(1);
                    true
                });
                // Busy first, then the child is forgotten: in the other order time could jump to
                // our next deadline in between.
                tokio::spawn(async move {
                    drop(shared.registration.busy().await);
                    drop(child);
                });
            });
            Delegation { environment, guard }
        }
        .boxed()
    }
}

/// The sandbox's clock, followed without taking part in it: it runs 1:1 with real time, or jumps with
/// whoever does take part.
#[derive(Clone)]
pub(crate) struct FollowedTime(Arc<Followed>);

struct Followed {
    control: ControlClient,
    /// Where a child process finds the control endpoint.
    address: String,
    token: String,
    now: Mutex<Timestamp>,
    /// Told when the sandbox cannot be reached any more.
    lost: tokio::sync::watch::Sender<Option<String>>,
}

/// How often the clock is read, in real time.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl FollowedTime {
    /// Follows the clock of a served world.
    pub(crate) async fn follow(
        control: ControlClient,
        address: String,
        token: String,
    ) -> Result<Self, ControlError> {
        let now = Mutex::new(control.now().await?);
        let lost = tokio::sync::watch::Sender::new(None);
        Ok(Self(Arc::new(Followed { control, address, token, now, lost })))
    }

    /// Ready, with the reason, when the sandbox is gone.
    pub(crate) async fn lost(&self) -> String {
        let mut receiver = self.0.lost.subscribe();
        let reason = receiver.wait_for(Option::is_some).await.map(|reason| reason.clone());
        reason.ok().flatten().unwrap_or_default()
    }

    fn read(&self) -> MutexGuard<'_, Timestamp> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for FollowedTime {
    fn now(&self) -> Timestamp {
        *self.read()
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        async move {
            loop {
                match self.0.control.now().await {
                    Ok(now) => *self.read() = now,
                    Err(error) => {
                        self.0.lost.send_replace(Some(crate::failure_text(&error)));
                        // Whoever waits hears of it by `lost`.
                        std::future::pending::<()>().await;
                    }
                }
                let left = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(READ_AGAIN)).await;
            }
        }
        .boxed()
    }

    fn hold(&self) -> Hold {
        Hold::none()
    }

    fn aside(&self) -> Hold {
        Hold::none()
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        async {
            // The child follows, too.
            let (address, token) = (&self.0.address, &self.0.token);
            let environment = runbook_sandbox::helm::environment(address, token, None);
            Delegation { environment, guard: Hold::none() }
        }
        .boxed()
    }
}

/// A clock of the engine, as the clients want it.
pub(crate) struct ClientTime(pub(crate) Arc<dyn Clock>);

impl runbook_clients::Clock for ClientTime {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> Timestamp {
        self.0.real_now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        runbook_core::clock::sleep(self.0.as_ref(), duration).boxed()
    }
}
