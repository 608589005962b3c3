//! Time, injected: the world's clock, and what may not be missed when it jumps.
//!
//! On a real target world time is real time. On the sandbox it is simulated: it stands still while
//! anything is being done, and jumps to the earliest deadline when everything waits. Whoever does
//! something *holds* the clock; [`Clock::sleep_until`] lets one hold go for as long as it sleeps.
//! The executor keeps the hold of a finished effect until it has started what follows from it, so
//! time can never jump between a result and its consequences.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

/// The world's clock.
pub trait Clock: Send + Sync {
    /// World time.
    fn now(&self) -> Timestamp;

    /// Real time: for events, leases between machines, and what a person reads as "today".
    fn real_now(&self) -> Timestamp;

    /// Waits until world time has reached `at`. Must be called under a [`Hold`], which does not
    /// count while this waits. Dropping the future abandons the wait.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()>;

    /// Keeps world time from jumping until it is dropped.
    fn hold(&self) -> Hold;

    /// The hold under which this is called does not count until what is returned is dropped: for who
    /// waits for another one of ours (see [`crate::turn`]).
    fn aside(&self) -> Hold;

    /// Lets a child process of ours wait in world time by itself: the hold under which this is
    /// called does not count while the returned guard lives, and the child is told by its
    /// environment how to take part. On a real clock the environment is empty.
    fn delegate(&self) -> BoxFuture<'_, Delegation>;
}

/// Something is being done; see [`Clock::hold`].
pub struct Hold(Option<Box<dyn FnOnce() + Send>>);

impl Hold {
    /// A hold that calls `release` when it is dropped.
    pub fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(release)))
    }

    /// A hold on a clock that never jumps.
    pub fn none() -> Self {
        Self(None)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

/// What a child process needs in order to wait in world time; see [`Clock::delegate`].
pub struct Delegation {
    /// Variables for the child's environment.
    pub environment: Vec<(String, String)>,
    /// Ends the delegation when dropped.
    pub guard: Hold,
}

/// A clock's sleep by duration.
pub async fn sleep(clock: &dyn Clock, duration: Duration) {
    let at = clock.now().saturating_add(
        jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX),
    );
    if let Ok(at) = at {
        clock.sleep_until(at).await;
    }
}
