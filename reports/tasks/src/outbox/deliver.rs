//! One pass over what is due: each delivery is announced, sent, and its outcome recorded.
//!
//! A pass takes the newest revision of each window of a report, oldest first, and of each those
//! deliveries whose destination is at hand. It never waits: what failed gets the time of its next try,
//! and whoever runs the passes waits for it ([`Pass::next`]). One process delivers at a time; the lock
//! is the operating system's, so it dies with its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook_showback::observed::Window;

use super::step::{State, Step};
use super::{Delivery, Error, LOCK, Outbox, Sent};
use crate::destinations::{Destination, Means, Outcome, Parcel};
use crate::message::Key;

/// Told of every step around its commit: what progress shows, and where a test ends the process.
pub trait Watch: Send + Sync {
    /// The step is about to be made durable.
    fn before(&self, key: &Key, step: &Step) {
        let _ = (key, step);
    }

    /// The step is durable.
    fn after(&self, key: &Key, step: &Step) {
        let _ = (key, step);
    }
}

/// Watches nothing.
pub struct Silent;

impl Watch for Silent {}

/// How long a task waits for destinations that fail, in world time: so long after a try nobody else needs
/// to see to it.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// How long a delivery waits after a failed try: doubling, between half and the whole of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first try.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(10), longest: Duration::from_mins(30) }
    }
}

impl Backoff {
    /// After that many tries of that delivery. The spread is a hash, not chance: the same delivery
    /// waits the same times.
    pub fn after(self, key: &Key, tries: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(20);
        let step = self.first.saturating_mul(1 << doublings).min(self.longest);
        let digits: u32 =
            key.as_str().bytes().map(u32::from).sum::<u32>().wrapping_add(tries.wrapping_mul(37));
        step / 2 + (step / 2) * (digits % 256) / 255
    }
}

/// What a pass works with.
pub struct Delivering<'a> {
    /// Whose messages.
    pub scope: &'a str,
    /// Of which report.
    pub report: &'a str,
    /// Where they go.
    pub destinations: &'a [Destination],
    /// What destinations are reached by.
    pub means: &'a Means,
    /// How long a failed one waits.
    pub backoff: Backoff,
    /// The window whose refused deliveries are tried once more, since somebody ran it again; those of
    /// other windows stay refused.
    pub again: Option<Window>,
    /// Who is told of the steps.
    pub watch: &'a dyn Watch,
}

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pass {
    /// How many were delivered in it.
    pub delivered: usize,
    /// Those that wait for their next try: subject, destination, why.
    pub failed: Vec<(String, String, String)>,
    /// Those that were refused in it.
    pub refused: Vec<(String, String, String)>,
    /// The earliest next try.
    pub next: Option<Timestamp>,
}

/// Delivers what is due.
pub async fn deliver(outbox: &mut Outbox, work: &Delivering<'_>) -> Result<Pass, Error> {
    let _lock = outbox.lock()?;
    let mut pass = Pass::default();
    for sent in outbox.current(work.scope, work.report)? {
        for delivery in outbox.deliveries(&sent)? {
            let destination =
                work.destinations.iter().find(|one| one.identity() == delivery.destination);
            let Some(destination) = destination.filter(|_| !delivery.standing.is_delivered())
            else {
                continue;
            };
            if is_due(&delivery.standing.state, &sent, work) {
                attempt(outbox, work, &sent, &delivery, destination).await?;
                note(outbox, &sent, &delivery.key, &mut pass)?;
            } else if matches!(delivery.standing.state, State::Failed { .. }) {
                note(outbox, &sent, &delivery.key, &mut pass)?;
            }
        }
    }
    Ok(pass)
}

fn is_due(state: &State, sent: &Sent, work: &Delivering<'_>) -> bool {
    match state {
        State::Queued | State::Attempting => true,
        State::Failed { retry_at, .. } => *retry_at <= work.means.clock.now(),
        State::Refused { .. } => work.again == Some(sent.about.window),
        State::Delivered { .. } => false,
    }
}

/// Announces, sends, records.
async fn attempt(
    outbox: &mut Outbox,
    work: &Delivering<'_>,
    sent: &Sent,
    delivery: &Delivery,
    destination: &Destination,
) -> Result<(), Error> {
    let message = outbox.message(sent)?;
    let mut replaceable = Vec::new();
    for file in &message.rendered.files {
        replaceable.extend(outbox.earlier_digests(sent, &file.name)?);
    }
    let parcel = Parcel { key: &delivery.key, message: &message, replaceable: &replaceable };
    let standing = outbox.watched(work, &delivery.key, &Step::Attempting)?;
    let step = match destination.deliver(&parcel, work.means).await {
        Outcome::Delivered(said) => Step::Delivered { said },
        Outcome::Refused(why) => Step::Refused { why },
        Outcome::Failed { why, after } => {
            let wait = work.backoff.after(&delivery.key, standing).max(after.unwrap_or_default());
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
            let now = work.means.clock.now();
            Step::Failed { retry_at: now.saturating_add(wait).unwrap_or(Timestamp::MAX), why }
        }
    };
    outbox.watched(work, &delivery.key, &step).map(drop)
}

/// Where a delivery stands after the pass.
fn note(outbox: &Outbox, sent: &Sent, key: &Key, pass: &mut Pass) -> Result<(), Error> {
    let delivery = outbox.deliveries(sent)?.into_iter().find(|one| one.key == *key);
    let Some(Delivery { destination, standing, .. }) = delivery else { return Ok(()) };
    match standing.state {
        State::Delivered { .. } => pass.delivered += 1,
        State::Refused { why } => pass.refused.push((sent.subject.clone(), destination, why)),
        State::Failed { retry_at, why } => {
            pass.next = Some(pass.next.map_or(retry_at, |next| next.min(retry_at)));
            pass.failed.push((sent.subject.clone(), destination, why));
        }
        // Every try ends in an outcome.
        State::Queued | State::Attempting => {}
    }
    Ok(())
}

impl Outbox {
    /// Records a step, telling whoever watches; how many tries were begun.
    fn watched(&mut self, work: &Delivering<'_>, key: &Key, step: &Step) -> Result<u32, Error> {
        work.watch.before(key, step);
        let standing = self.record(key, step, work.means.clock.now())?;
        work.watch.after(key, step);
        Ok(standing.tries)
    }

    /// Held while delivering; given back when dropped, or when the process dies.
    fn lock(&self) -> Result<Held, Error> {
        let path = self.path.with_file_name(LOCK);
        let failed = |source| Error::File { action: "lock", path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path: self.path.clone() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// The outbox's lock, held.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Unlocked and not only closed: a process that is just being started has this file too until it
        // becomes its program. When that fails, closing is what is left.
        drop(self.0.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_being_started_does_not_keep_a_lock_that_was_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let held = outbox.lock().unwrap();
        let inherited = held.0.try_clone().unwrap();
        assert!(matches!(outbox.lock(), Err(Error::Busy { .. })));
        drop(held);
        drop(outbox.lock().unwrap());
        drop(inherited);
    }
}
