//! Time, injected. On a simulated target world time jumps, protocol time does not: delays between
//! tries and deadlines are world time, signatures and tokens are protocol time.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

/// The clock that a connection waits and signs by.
pub trait Clock: Send + Sync {
    /// World time: ages and deadlines.
    fn now(&self) -> Timestamp;

    /// Real time: what a signature or a token is dated with.
    fn real_now(&self) -> Timestamp;

    /// Waits for so long in world time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// World time that long after `start`, saturating.
pub(crate) fn after(start: Timestamp, duration: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| start.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
