//! What changed lately, for those who watch.
//!
//! The history is bounded: a watcher that asks for a revision older than its beginning, or falls
//! behind by more than its length, is told [`TooOld`] and lists again, as Kubernetes' clients do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::{Document, Key};

/// How many changes are remembered.
const LENGTH: usize = 16_384;
/// How many bytes of changes are remembered, as the log writes them. The texts that watchers and
/// lists were told of them live as long, each about as long again.
const BYTES: usize = 64 << 20;
/// How many bytes of changes are handed out at once: what a watcher that does not read can hold.
const BYTES_AT_ONCE: usize = 1 << 20;

/// A committed change of one document.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    /// The first revision of its transaction.
    pub(crate) first: u64,
    pub(crate) key: Key,
    /// What was there, told as what is gone at this revision.
    pub(crate) before: Option<Document>,
    pub(crate) after: Option<Document>,
}

/// The asked revision is no longer remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("revision {asked} is too old, the history begins after {oldest}")]
pub(crate) struct TooOld {
    pub(crate) asked: u64,
    pub(crate) oldest: u64,
}

#[derive(Debug)]
struct Remembered {
    /// Changes, and how long they are.
    changes: VecDeque<(Arc<Change>, usize)>,
    bytes: usize,
    /// Changes up to and including this revision are forgotten.
    forgotten: u64,
}

/// The bounded history, shared with its subscriptions.
#[derive(Debug, Clone)]
pub(super) struct History {
    remembered: Arc<Mutex<Remembered>>,
    latest: watch::Sender<u64>,
    /// The revision that was marked last: watchers that want it are told that they have seen all of it.
    marked: watch::Sender<u64>,
}

impl History {
    pub(super) fn new(revision: u64) -> Self {
        let remembered = Remembered { changes: VecDeque::new(), bytes: 0, forgotten: revision };
        Self {
            remembered: Arc::new(Mutex::new(remembered)),
            latest: watch::Sender::new(revision),
            marked: watch::Sender::new(0),
        }
    }

    /// Marks the latest revision, and says which it is.
    pub(super) fn mark(&self) -> u64 {
        let latest = *self.latest.borrow();
        self.marked.send_modify(|marked| *marked = latest.max(*marked));
        latest
    }

    pub(super) fn marked(&self) -> watch::Receiver<u64> {
        self.marked.subscribe()
    }

    /// Remembers the changes of a transaction, which are so many bytes together.
    pub(super) fn publish(&self, changes: Vec<Change>, bytes: usize) {
        let Some(latest) = changes.last().map(|change| change.revision) else { return };
        {
            let mut remembered = lock(&self.remembered);
            let (added, each) = (changes.len(), bytes / changes.len().max(1));
            remembered.bytes += each * added;
            remembered.changes.extend(changes.into_iter().map(|one| (Arc::new(one), each)));
            // The last transaction stays whole, however long it is.
            while remembered.changes.len() > added
                && (remembered.changes.len() > LENGTH || remembered.bytes > BYTES)
            {
                if let Some((gone, bytes)) = remembered.changes.pop_front() {
                    remembered.forgotten = gone.revision;
                    remembered.bytes -= bytes;
                }
            }
        }
        self.latest.send_replace(latest);
    }

    pub(super) fn last_changes(&self, prefix: &str) -> Vec<Arc<Change>> {
        let remembered = lock(&self.remembered);
        let of_interest = |change: &&Arc<Change>| change.key.collection.starts_with(prefix);
        let changes = || remembered.changes.iter().map(|(change, _)| change);
        let Some(last) = changes().rev().find(of_interest).map(|one| one.first) else {
            return Vec::new();
        };
        changes().filter(|change| change.first == last).filter(of_interest).cloned().collect()
    }

    pub(super) fn subscribe(&self, prefix: &str, after: u64) -> Result<Subscription, TooOld> {
        let oldest = lock(&self.remembered).forgotten;
        if after < oldest {
            return Err(TooOld { asked: after, oldest });
        }
        Ok(Subscription {
            history: self.clone(),
            latest: self.latest.subscribe(),
            prefix: prefix.into(),
            after,
        })
    }
}

/// A reader of changes under a prefix of collections.
pub(crate) struct Subscription {
    history: History,
    latest: watch::Receiver<u64>,
    prefix: Arc<str>,
    after: u64,
}

impl Subscription {
    /// Changes since the last call, oldest first; empty when there are none now. When there are
    /// very many, only the first of them: the next call has more.
    pub(crate) fn drain(&mut self) -> Result<Vec<Arc<Change>>, TooOld> {
        let remembered = lock(&self.history.remembered);
        if self.after < remembered.forgotten {
            return Err(TooOld { asked: self.after, oldest: remembered.forgotten });
        }
        let from = remembered.changes.partition_point(|(change, _)| change.revision <= self.after);
        let (mut found, mut taken) = (Vec::new(), 0);
        for (change, bytes) in remembered.changes.range(from..) {
            self.after = change.revision;
            if change.key.collection.starts_with(&*self.prefix) {
                found.push(change.clone());
                taken += bytes;
                if taken > BYTES_AT_ONCE {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Waits until something was committed after the last [`Self::drain`]. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        while *self.latest.borrow_and_update() <= self.after {
            if self.latest.changed().await.is_err() {
                // The store is gone; the connection that waits will be closed by its server.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The revision up to which everything was seen.
    pub(crate) fn revision(&self) -> u64 {
        self.after
    }
}

/// A poisoned lock means that a thread panicked while it held it; the data is whole all the same,
/// since every critical section here is a sequence of infallible moves.
fn lock(remembered: &Mutex<Remembered>) -> std::sync::MutexGuard<'_, Remembered> {
    remembered.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
