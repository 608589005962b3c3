//! The lines of a sample file, and the state that they lead through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::look::{Labels, Look, NodeState, PodState, UsageSample};
use crate::observed::{ClusterId, Source};

/// What the first line calls itself.
pub(super) const KIND: &str = "Samples";

/// What any version of a first line says.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) kind: String,
    pub(super) version: u64,
}

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) kind: String,
    pub(super) version: u64,
    pub(super) made_by: String,
    pub(super) cluster: ClusterId,
    pub(super) day: Date,
    /// When its first look was.
    pub(super) first: Timestamp,
    /// Whether nothing is known of the time before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_after_gap: bool,
    /// Of a further part of a day: where the clock stood when it ran backwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) backwards_from: Option<Timestamp>,
}

/// One look, as what changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    /// How it was looked; as before when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source>,
    /// When the next look is due, in seconds; as before when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) every: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_after_gap: bool,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub(super) changes: Changes,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) usage: Vec<UsageSample>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) missing: Vec<String>,
    /// Of a file's first record: the look before it, which is in another file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Before>,
    /// That it is no look, but a word about the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Note>,
}

/// The look before the first one of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) at: Timestamp,
    pub(super) source: Source,
    pub(super) every: i64,
    /// What was otherwise then.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub(super) changes: Changes,
}

/// A word about the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Note {
    /// A look that failed, and why.
    Failed(String),
    /// What followed here was cut off in the middle, and was taken away.
    CutOff,
}

impl Record {
    pub(super) fn at(at: Timestamp) -> Self {
        Self {
            at,
            source: None,
            every: None,
            is_after_gap: false,
            changes: Changes::default(),
            usage: Vec::new(),
            missing: Vec::new(),
            before: None,
            note: None,
        }
    }

    /// What a look says, its changes apart.
    pub(super) fn of(look: &Look) -> Self {
        Self {
            is_after_gap: look.is_after_gap,
            usage: look.usage.clone(),
            missing: look.missing.clone(),
            ..Self::at(look.at)
        }
    }

    /// As a line.
    pub(super) fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        line_of(self)
    }
}

pub(super) fn line_of(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// What is otherwise than in another state: whole objects where they are new or differ, names where they
/// are gone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pods: Vec<Arc<PodState>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gone_pods: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nodes: Vec<Arc<NodeState>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gone_nodes: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) namespaces: BTreeMap<String, Labels>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gone_namespaces: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_in_extended_support: Option<bool>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A cluster as of one look.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State {
    pub(super) pods: BTreeMap<String, Arc<PodState>>,
    pub(super) nodes: BTreeMap<String, Arc<NodeState>>,
    pub(super) namespaces: BTreeMap<String, Labels>,
    pub(super) created: Option<Timestamp>,
    pub(super) is_in_extended_support: Option<bool>,
}

impl State {
    pub(super) fn of(look: &Look) -> Self {
        Self {
            pods: look.pods.iter().map(|pod| (pod.uid.clone(), pod.clone())).collect(),
            nodes: look.nodes.iter().map(|node| (node.uid.clone(), node.clone())).collect(),
            namespaces: look.namespaces.clone(),
            created: look.created,
            is_in_extended_support: look.is_in_extended_support,
        }
    }

    /// What leads from here to another state. That something of the cluster itself is not known any more
    /// is no change.
    pub(super) fn changes_to(&self, next: &Self) -> Changes {
        Changes {
            pods: differing(&self.pods, &next.pods, Arc::ptr_eq),
            gone_pods: gone(&self.pods, &next.pods),
            nodes: differing(&self.nodes, &next.nodes, Arc::ptr_eq),
            gone_nodes: gone(&self.nodes, &next.nodes),
            namespaces: next
                .namespaces
                .iter()
                .filter(|(name, labels)| self.namespaces.get(*name) != Some(labels))
                .map(|(name, labels)| (name.clone(), labels.clone()))
                .collect(),
            gone_namespaces: gone(&self.namespaces, &next.namespaces),
            created: next.created.filter(|_| next.created != self.created),
            is_in_extended_support: next
                .is_in_extended_support
                .filter(|_| next.is_in_extended_support != self.is_in_extended_support),
        }
    }

    pub(super) fn apply(&mut self, changes: &Changes) {
        for uid in &changes.gone_pods {
            self.pods.remove(uid);
        }
        for uid in &changes.gone_nodes {
            self.nodes.remove(uid);
        }
        for name in &changes.gone_namespaces {
            self.namespaces.remove(name);
        }
        self.pods.extend(changes.pods.iter().map(|pod| (pod.uid.clone(), pod.clone())));
        self.nodes.extend(changes.nodes.iter().map(|node| (node.uid.clone(), node.clone())));
        self.namespaces.extend(changes.namespaces.clone());
        self.created = changes.created.or(self.created);
        self.is_in_extended_support =
            changes.is_in_extended_support.or(self.is_in_extended_support);
    }
}

/// Objects of `next` that are new or differ.
fn differing<T: PartialEq>(
    before: &BTreeMap<String, Arc<T>>,
    next: &BTreeMap<String, Arc<T>>,
    is_same: impl Fn(&Arc<T>, &Arc<T>) -> bool,
) -> Vec<Arc<T>> {
    let is_known = |uid: &String, object: &Arc<T>| {
        before.get(uid).is_some_and(|known| is_same(known, object) || known == object)
    };
    next.iter()
        .filter(|(uid, object)| !is_known(uid, object))
        .map(|(_, object)| object.clone())
        .collect()
}

fn gone<T>(before: &BTreeMap<String, T>, next: &BTreeMap<String, T>) -> Vec<String> {
    before.keys().filter(|name| !next.contains_key(*name)).cloned().collect()
}

/// Label sets that were seen, so that all pods of a workload share one.
#[derive(Debug, Default)]
pub(super) struct Shared(BTreeSet<Labels>);

impl Shared {
    pub(super) fn share(&mut self, labels: &mut Labels) {
        match self.0.get(labels) {
            Some(known) => *labels = known.clone(),
            None => {
                self.0.insert(labels.clone());
            }
        }
    }

    /// Shares what a record brought.
    pub(super) fn share_all(&mut self, changes: &mut Changes) {
        for pod in &mut changes.pods {
            if let Some(pod) = Arc::get_mut(pod) {
                self.share(&mut pod.labels);
                self.share(&mut pod.annotations);
            }
        }
        for labels in changes.namespaces.values_mut() {
            self.share(labels);
        }
    }
}
