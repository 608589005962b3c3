//! World time, for a helm that waits in it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::failure::Failure;
use super::{CLIENT, CONTROL, TOKEN};
use crate::control::{ControlClient, Registration};

/// Between two looks at what is being waited for, as the real helm has it.
const INTERVAL: SignedDuration = SignedDuration::from_secs(2);

/// The world's clock, with this process among its clients.
pub(super) struct WorldClock(Registration);

impl WorldClock {
    /// Takes part as the environment tells; see the [module](super).
    pub(super) async fn join(
        environment: &(dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<Self, Failure> {
        let needed = |name: &str| {
            environment(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                Failure::told(format!(
                    "{name} is not set: the sandbox's helm is run by runbook, which tells it where the world's clock is"
                ))
            })
        };
        let control = ControlClient::new(needed(CONTROL)?, needed(TOKEN)?);
        let registration = match environment(CLIENT).filter(|value| !value.is_empty()) {
            None => control.register("helm").await?,
            Some(id) => {
                let id = id.parse().map_err(|_| {
                    Failure::told(format!("{CLIENT} is not the number of a client: {id}"))
                })?;
                control.adopt(id).await?
            }
        };
        Ok(Self(registration))
    }

    /// World time.
    pub(super) fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// The moment when a timeout that begins now is over.
    pub(super) fn after(&self, timeout: Duration) -> Timestamp {
        let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
        self.now().saturating_add(timeout).unwrap_or(Timestamp::MAX)
    }

    /// Waits a moment, and not beyond a deadline; whether the deadline has come.
    pub(super) async fn pause(&self, deadline: Timestamp) -> Result<bool, Failure> {
        let next = self.now().saturating_add(INTERVAL).unwrap_or(deadline).min(deadline);
        Ok(self.0.idle_until(next).await? >= deadline)
    }
}
