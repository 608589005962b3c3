//! The world's state: one durable store of keyed JSON documents.
//!
//! Everything that the sandbox knows (an IAM role, a pod, a timer) is a document under a
//! [`Key`]. A [`Transaction`] reads through its own writes and buffers them; when it commits, the
//! whole of it becomes **one line of the log**, handed to the operating system before anybody is
//! told, and only then is it applied to memory and published to watchers. A kill therefore loses
//! nothing that was acknowledged, and "it happened, the reply was lost" arises by itself.
//!
//! Every committed change has a revision, one counter for the whole store. It is also what
//! Kubernetes' clients see as `resourceVersion`.
//!
//! Opening is snapshot plus log ([`durable`]); a torn last line is dropped, a damaged earlier one
//! refused with its place. Watchers read a bounded history ([`history`]); one that falls behind is
//! told so, and memory stays bounded.

mod durable;
mod history;
mod texts;
mod transaction;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use durable::OpenError;
pub(crate) use history::{Change, Subscription, TooOld};
pub(crate) use texts::{Form, Texts};
pub(crate) use transaction::Transaction;

use durable::Durable;
use history::History;

/// Where a document is: `iam/role` and `myeks-cluster`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub(crate) struct Key {
    /// A slash path; Kubernetes' are `kubernetes/<cluster>/<group>/<resource>`.
    pub(crate) collection: Arc<str>,
    /// The name inside the collection; namespaced objects are `namespace/name`.
    pub(crate) name: Arc<str>,
}

impl Key {
    pub(crate) fn new(collection: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { collection: collection.into(), name: name.into() }
    }
}

/// A document with the revision of its last change.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) value: Arc<Value>,
    pub(crate) revision: u64,
    pub(crate) texts: Texts,
}

impl Document {
    fn new(value: Arc<Value>, revision: u64) -> Self {
        Self { value, revision, texts: Texts::default() }
    }
}

/// All documents, by collection and name.
#[derive(Debug, Default)]
pub(crate) struct State {
    collections: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Document>>,
    revision: u64,
    time: Timestamp,
}

impl State {
    /// The document, if it is there.
    pub(crate) fn get(&self, collection: &str, name: &str) -> Option<&Document> {
        self.collections.get(collection)?.get(name)
    }

    /// The document as a type of ours; `None` when absent or of another shape, which only a
    /// defect can cause, since each collection is written through one type.
    pub(crate) fn get_as<T: DeserializeOwned>(&self, collection: &str, name: &str) -> Option<T> {
        T::deserialize(&*self.get(collection, name)?.value).ok()
    }

    /// All documents of a collection, by name.
    pub(crate) fn list(&self, collection: &str) -> impl Iterator<Item = (&Arc<str>, &Document)> {
        self.collections.get(collection).into_iter().flatten()
    }

    /// The names of all collections that begin with the prefix and hold something.
    pub(crate) fn collections(&self, prefix: &str) -> impl Iterator<Item = &Arc<str>> {
        self.collections
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
            .take_while(move |(name, _)| name.starts_with(prefix))
            .filter(|(_, documents)| !documents.is_empty())
            .map(|(name, _)| name)
    }

    /// The revision of the last committed change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// World time of the last committed change or tick.
    pub(crate) fn time(&self) -> Timestamp {
        self.time
    }

    fn put(&mut self, key: &Key, document: Document) -> Option<Arc<Value>> {
        self.collections
            .entry(key.collection.clone())
            .or_default()
            .insert(key.name.clone(), document)
            .map(|old| old.value)
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        self.collections.get_mut(&key.collection)?.remove(&key.name).map(|old| old.value)
    }
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError<E> {
    /// The body refused; nothing happened.
    #[error("{0}")]
    Refused(E),
    /// The log could not be written; nothing happened.
    #[error("failed to append to the world's log")]
    Log(#[source] std::io::Error),
}

/// The store; see the module documentation.
#[derive(Debug)]
pub(crate) struct Store {
    state: RwLock<State>,
    /// Held over a whole write: one transaction at a time. Taken before `state`.
    durable: Mutex<Durable>,
    history: History,
}

impl Store {
    /// Opens the files in that folder, or begins a world at that time.
    pub(crate) fn open(folder: &Path, begins: Timestamp) -> Result<Self, OpenError> {
        let (durable, state) = Durable::open(folder, begins)?;
        let history = History::new(state.revision);
        Ok(Self { state: RwLock::new(state), durable: Mutex::new(durable), history })
    }

    /// Reads; never waits for the disk.
    pub(crate) fn read<R>(&self, body: impl FnOnce(&State) -> R) -> R {
        body(&self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Runs a transaction at that world time and commits it when the body says `Ok`. Returns the
    /// committed changes as well.
    pub(crate) fn write<R, E>(
        &self,
        now: Timestamp,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<(R, Vec<Change>), WriteError<E>> {
        let mut durable = self.lock_durable();
        let (answer, writes, first) = {
            let state = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut transaction = Transaction::new(&state, now);
            let answer = body(&mut transaction).map_err(WriteError::Refused)?;
            (answer, transaction.finish(), state.revision + 1)
        };
        if writes.is_empty() {
            return Ok((answer, Vec::new()));
        }
        let bytes = durable.append(first, now, &writes).map_err(WriteError::Log)?;
        let changes = self.commit(first, now, writes);
        self.history.publish(changes.clone(), bytes);
        if durable.is_long() {
            self.read(|state| durable.compact(state)).map_err(WriteError::Log)?;
        }
        Ok((answer, changes))
    }

    fn commit(
        &self,
        first: u64,
        now: Timestamp,
        writes: Vec<(Key, Option<Arc<Value>>)>,
    ) -> Vec<Change> {
        let mut state = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.time = state.time.max(now);
        (first..)
            .zip(writes)
            .map(|(revision, (key, after))| {
                let after = after.map(|value| Document::new(value, revision));
                let before = match &after {
                    Some(document) => state.put(&key, document.clone()),
                    None => state.remove(&key),
                };
                state.revision = revision;
                // What is gone is told with the revision at which it went.
                let before = before.map(|value| Document::new(value, revision));
                Change { revision, first, key, before, after }
            })
            .collect()
    }

    /// Changes under a prefix of collections after that revision.
    pub(crate) fn subscribe(&self, prefix: &str, after: u64) -> Result<Subscription, TooOld> {
        self.history.subscribe(prefix, after)
    }

    /// Marks the latest revision, and says which it is: who follows [`Self::marked`] tells how far it is.
    pub(crate) fn mark(&self) -> u64 {
        self.history.mark()
    }

    /// The revision that was marked last.
    pub(crate) fn marked(&self) -> tokio::sync::watch::Receiver<u64> {
        self.history.marked()
    }

    /// The remembered changes of the last transaction that changed something under a prefix.
    pub(crate) fn last_changes(&self, prefix: &str) -> Vec<Arc<Change>> {
        self.history.last_changes(prefix)
    }

    fn lock_durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
