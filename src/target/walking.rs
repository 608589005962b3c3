//! The sandbox's clock for who does not take part in it: world time as it passes one to one.
//!
//! A server that waits for its next slot must not make time jump: it looks at the world's time and
//! waits in real time for as long as is left. World time may stand (another client works) or jump
//! (another client's run), so what is left is measured anew every few seconds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_sandbox::ControlClient;

use super::clock::real_now;

/// How long a sleep lasts before the world is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// World time, watched.
pub(crate) struct WalkingTime {
    control: ControlClient,
    address: String,
    token: String,
    /// World time minus real time, in milliseconds, when it was measured last.
    ahead: AtomicI64,
}

impl WalkingTime {
    /// Watches the clock of a served world.
    pub(crate) async fn watch(
        control: ControlClient,
        address: String,
        token: String,
    ) -> Result<Self, runbook_sandbox::ControlError> {
        let watched = Self { control, address, token, ahead: AtomicI64::new(0) };
        let now = watched.control.now().await?;
        watched.measured(now);
        Ok(watched)
    }

    fn measured(&self, world: Timestamp) {
        let ahead = world.as_millisecond() - real_now().as_millisecond();
        self.ahead.store(ahead, Ordering::Relaxed);
    }
}

impl Clock for WalkingTime {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed));
        let real = real_now();
        real.saturating_add(ahead).unwrap_or(real)
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        async move {
            loop {
                // A world that is gone shows in the first request that a run sends to it.
                if let Ok(now) = self.control.now().await {
                    self.measured(now);
                }
                let left = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(ASK_AGAIN)).await;
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
            let environment = runbook_sandbox::helm::environment(&self.address, &self.token, None);
            Delegation { environment, guard: Hold::none() }
        }
        .boxed()
    }
}
