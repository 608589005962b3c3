//! The one retry policy.
//!
//! | request | repeated when |
//! |---|---|
//! | read, dry run | the cause passes by itself: throttling, 5xx, a broken connection, no answer in time |
//! | write with our token | the same |
//! | write without | the answer says that it was not processed (throttling, a connection that never came up) |
//!
//! A write that is given up is *rejected* when no try of it can have had an effect, else
//! *ambiguous*. A refusal after a try of unknown effect stays ambiguous: "exists already" may well
//! be about ourselves.
//!
//! Delays grow by doubling, between half and the whole of the step. The spread is a hash of run,
//! operation and number, not a random number: the same run waits the same times.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::error::{Error, Outcome, Passes, Processed, Undone};
use crate::request::{Observer, Operation, Try};

/// How often and how patiently a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Tries in all, at least 1.
    pub max_tries: u32,
    /// The first delay.
    pub first_delay: Duration,
    /// The longest delay.
    pub max_delay: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_tries: 7,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
        }
    }
}

impl Policy {
    /// The delay after try `number`, between half and the whole of the step.
    fn delay(&self, number: u32, spread: u8) -> Duration {
        let doublings = number.saturating_sub(1).min(16);
        let step = self.first_delay.saturating_mul(1 << doublings).min(self.max_delay);
        step / 2 + (step / 2) * u32::from(spread) / 255
    }
}

/// Whether a write may be repeated when it is not known what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It carries our token: twice is once.
    WithToken,
    /// It does not.
    OnlyIfUnprocessed,
}

/// What to do after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Again,
    Reject,
    Doubt,
}

/// Decides about a write. `doubt`: an earlier try may have had its effect.
fn after_write(policy: Policy, repeat: Repeat, number: u32, error: &Error, doubt: bool) -> Next {
    let tries_left = number < policy.max_tries && error.passes() == Passes::Soon;
    match (error.processed(), repeat) {
        (Processed::No, _) | (Processed::Unknown, Repeat::WithToken) if tries_left => Next::Again,
        (Processed::No, _) if !doubt => Next::Reject,
        _ => Next::Doubt,
    }
}

/// Sends requests under the policy and reports each try.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) policy: Policy,
    /// What the spread of delays hangs on: the run's id.
    pub(crate) seed: Arc<str>,
}

impl Caller {
    /// A read or a dry run.
    pub(crate) async fn read<T, F, R>(&self, operation: &Operation, mut call: F) -> Result<T, Error>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, Error>>,
    {
        let mut number = 1;
        loop {
            let result = Box::pin(call()).await;
            self.report(operation, number, result.as_ref().err());
            match result {
                Err(error) if error.passes() == Passes::Soon && number < self.policy.max_tries => {
                    self.pause(operation, number, &error).await;
                }
                other => return other,
            }
            number += 1;
        }
    }

    /// A write.
    pub(crate) async fn write<T, F, R>(
        &self,
        operation: &Operation,
        repeat: Repeat,
        mut call: F,
    ) -> Outcome<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, Error>>,
    {
        let mut number = 1;
        let mut doubt = false;
        loop {
            let result = Box::pin(call()).await;
            self.report(operation, number, result.as_ref().err());
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let next = after_write(self.policy, repeat, number, &error, doubt);
            doubt |= error.processed() == Processed::Unknown;
            match next {
                Next::Again => self.pause(operation, number, &error).await,
                Next::Reject => return Err(Undone::Rejected(error)),
                Next::Doubt => return Err(Undone::Ambiguous(error)),
            }
            number += 1;
        }
    }

    fn report(&self, operation: &Operation, number: u32, error: Option<&Error>) {
        self.observer.tried(Try {
            operation: operation.to_string(),
            class: operation.class,
            number,
            outcome: error.map_or_else(|| "ok".to_owned(), Error::outcome),
        });
    }

    async fn pause(&self, operation: &Operation, number: u32, error: &Error) {
        let spread = spread(&self.seed, operation, number);
        let delay = self.policy.delay(number, spread);
        let delay = error.retry_after().map_or(delay, |asked| asked.min(self.policy.max_delay));
        self.clock.sleep(delay).await;
    }
}

fn spread(seed: &str, operation: &Operation, number: u32) -> u8 {
    let mut hash = Sha256::new();
    for part in [seed, operation.service, &operation.name] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(number.to_be_bytes());
    hash.finalize().first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
