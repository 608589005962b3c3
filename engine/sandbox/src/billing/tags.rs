//! Cost allocation tags: which tags the bill has, and from when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws::tags::Tags;
use crate::store::Transaction;

const COLLECTION: &str = "ce/tag";

/// When a tag key counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activation {
    /// Spans of seconds; the last one is open while the tag is active.
    spans: Vec<(i64, Option<i64>)>,
    /// When it was last changed.
    pub(crate) updated: Timestamp,
}

impl Activation {
    /// Whether it is active now.
    pub(crate) fn is_active(&self) -> bool {
        self.spans.last().is_some_and(|(_, end)| end.is_none())
    }

    /// Whether usage of that second carries it.
    pub(crate) fn counts_at(&self, second: i64) -> bool {
        let counts =
            |(from, to): &(i64, Option<i64>)| *from <= second && to.is_none_or(|to| second < to);
        self.spans.iter().any(counts)
    }
}

/// Every key that was ever activated.
pub(crate) fn activations(transaction: &Transaction<'_>) -> BTreeMap<String, Activation> {
    let all = transaction.list_as(COLLECTION).into_iter();
    all.map(|(key, activation)| (key.to_string(), activation)).collect()
}

/// Switches a key on or off from now on.
pub(crate) fn switch(transaction: &mut Transaction<'_>, key: &str, on: bool) {
    let now = transaction.now();
    let there: Option<Activation> = transaction.get_as(COLLECTION, key);
    let mut activation = there.unwrap_or(Activation { spans: Vec::new(), updated: now });
    if activation.is_active() == on {
        return;
    }
    if on {
        activation.spans.push((now.as_second(), None));
    } else if let Some((_, end)) = activation.spans.last_mut() {
        *end = Some(now.as_second());
    }
    activation.updated = now;
    transaction.put_as(COLLECTION, key, &activation);
}

/// A key that was switched on at that second.
#[cfg(test)]
pub(crate) fn switch_at(transaction: &mut Transaction<'_>, key: &str, second: i64) {
    let spans = vec![(second, None)];
    let activation = Activation { spans, updated: transaction.now() };
    transaction.put_as(COLLECTION, key, &activation);
}

/// Of some tags those that the bill of that second has.
pub(crate) fn counted(
    activations: &BTreeMap<String, Activation>,
    tags: &Tags,
    second: i64,
) -> Tags {
    let counts = |key: &String| activations.get(key).is_some_and(|one| one.counts_at(second));
    tags.iter()
        .filter(|(key, _)| counts(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
