//! One transaction: reads through its own writes, buffers them, becomes one line of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Change, Document, Key, State};

/// A set of changes in the making; see the module above.
pub(crate) struct Transaction<'a> {
    state: &'a State,
    now: Timestamp,
    writes: BTreeMap<Key, Option<Arc<Value>>>,
    order: Vec<Key>,
    /// Every write that changed something, also of one key several times.
    written: Vec<Key>,
    seen: usize,
    slowness: i64,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(state: &'a State, now: Timestamp) -> Self {
        Self {
            state,
            now,
            writes: BTreeMap::new(),
            order: Vec::new(),
            written: Vec::new(),
            seen: 0,
            slowness: 1,
        }
    }

    /// World time of this transaction.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The revision that this transaction's first change will have at the earliest.
    pub(crate) fn next_revision(&self) -> u64 {
        self.state.revision() + 1
    }

    /// The value of a document.
    pub(crate) fn get(&self, collection: &str, name: &str) -> Option<Arc<Value>> {
        match self.writes.get(&Key::new(collection, name)) {
            Some(written) => written.clone(),
            None => self.state.get(collection, name).map(|document| document.value.clone()),
        }
    }

    /// The committed document with its revision; `None` when this transaction changed it.
    pub(crate) fn committed(&self, collection: &str, name: &str) -> Option<&'a Document> {
        self.state.get(collection, name)
    }

    /// The document as a type of ours.
    pub(crate) fn get_as<T: DeserializeOwned>(&self, collection: &str, name: &str) -> Option<T> {
        T::deserialize(&*self.get(collection, name)?).ok()
    }

    /// Names and values of a collection, by name, with this transaction's writes.
    pub(crate) fn list(&self, collection: &str) -> Vec<(Arc<str>, Arc<Value>)> {
        // Both are ordered by name: they are merged, a write in the place of what was committed.
        let from = Key::new(collection, "");
        let mut writes = self
            .writes
            .range(from..)
            .take_while(|(key, _)| &*key.collection == collection)
            .peekable();
        let mut found = Vec::new();
        let mut written = |before: Option<&Arc<str>>, found: &mut Vec<_>| {
            let is_next = |key: &Key| before.is_none_or(|name| key.name <= *name);
            let mut is_replaced = false;
            while let Some((key, value)) = writes.next_if(|(key, _)| is_next(key)) {
                is_replaced = before == Some(&key.name);
                found.extend(value.clone().map(|value| (key.name.clone(), value)));
            }
            is_replaced
        };
        for (name, document) in self.state.list(collection) {
            if !written(Some(name), &mut found) {
                found.push((name.clone(), document.value.clone()));
            }
        }
        written(None, &mut found);
        found
    }

    /// A collection as a type of ours, by name.
    pub(crate) fn list_as<T: DeserializeOwned>(&self, collection: &str) -> Vec<(Arc<str>, T)> {
        self.list(collection)
            .into_iter()
            .filter_map(|(name, value)| T::deserialize(&*value).ok().map(|value| (name, value)))
            .collect()
    }

    /// Collections that begin with the prefix and hold something.
    pub(crate) fn collections(&self, prefix: &str) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.state.collections(prefix).cloned().collect();
        for (key, value) in &self.writes {
            if value.is_some() && key.collection.starts_with(prefix) {
                names.push(key.collection.clone());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Writes a document.
    pub(crate) fn put(&mut self, collection: &str, name: &str, value: Value) {
        self.write(Key::new(collection, name), Some(Arc::new(value)));
    }

    /// Writes a document of a type of ours. Our types serialise without fail; one that does not
    /// is stored as null, which every reader reports as damaged.
    pub(crate) fn put_as<T: Serialize>(&mut self, collection: &str, name: &str, value: &T) {
        self.put(collection, name, serde_json::to_value(value).unwrap_or(Value::Null));
    }

    /// Deletes a document; whether it was there.
    pub(crate) fn delete(&mut self, collection: &str, name: &str) -> bool {
        let there = self.get(collection, name).is_some();
        if there {
            self.write(Key::new(collection, name), None);
        }
        there
    }

    /// How many writes changed something: reactors run until it stands still.
    pub(crate) fn writes(&self) -> usize {
        self.written.len()
    }

    /// The next reactor has seen the first `mark` writes.
    pub(crate) fn look_from(&mut self, mark: usize) {
        self.seen = mark;
    }

    /// Every key whose write changed something, in order; a key may come several times.
    pub(crate) fn written(&self) -> &[Key] {
        &self.written
    }

    /// What was written since this reactor looked last, besides the world's own notes: marks, timers,
    /// time, records of use, and events, from which nothing follows at once.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &Key> {
        let is_note = |key: &Key| {
            let collection = &*key.collection;
            ["timer", "clock"].contains(&collection)
                || ["sandbox/", "billing/"].iter().any(|prefix| collection.starts_with(prefix))
                || collection.starts_with("kubernetes/") && collection.ends_with("/core/events")
        };
        self.written.iter().skip(self.seen).filter(move |key| !is_note(key))
    }

    /// Timers that are scheduled from now on are due after so many times their seconds.
    pub(crate) fn slow_down(&mut self, factor: i64) {
        self.slowness = factor;
    }

    /// Reads from now on as if these changes had not been; only for transactions that are never
    /// committed.
    pub(crate) fn overlook(&mut self, changes: &[Arc<Change>]) {
        for change in changes.iter().rev() {
            let before = change.before.as_ref().map(|before| before.value.clone());
            self.writes.insert(change.key.clone(), before);
        }
    }

    /// How much slower things converge.
    pub(crate) fn slowness(&self) -> i64 {
        self.slowness
    }

    fn write(&mut self, key: Key, value: Option<Arc<Value>>) {
        if self.get(&key.collection, &key.name) == value {
            return;
        }
        self.written.push(key.clone());
        if self.writes.insert(key.clone(), value).is_none() {
            self.order.push(key);
        }
    }

    /// The writes that change something, in the order of their first mention.
    pub(super) fn finish(self) -> Vec<(Key, Option<Arc<Value>>)> {
        let Self { state, mut writes, order, .. } = self;
        order
            .into_iter()
            .filter_map(|key| {
                let value = writes.remove(&key)?;
                let before = state.get(&key.collection, &key.name).map(|one| &one.value);
                let same = match (&value, before) {
                    (None, None) => true,
                    (Some(value), Some(before)) => value == before,
                    _ => false,
                };
                (!same).then_some((key, value))
            })
            .collect()
    }
}
