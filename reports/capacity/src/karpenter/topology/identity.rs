//! When two rules are one.
//!
//! Karpenter tells rules apart by a hash, and the hash does not see everything: of the nodes that
//! count it sees which labels are asked for, but not which values, and `minDomains` not at all. So
//! rules that differ only there share their counts. That is kept, for it decides where pods go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::group::{GroupKind, NodeFilter};
use crate::karpenter::batch::Batch;
use crate::karpenter::requirement::Key;
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::{LabelSelector, NodeInclusion, Toleration};

type Selected = (Vec<(String, String)>, BTreeSet<(String, Operator, BTreeSet<String>)>);

/// What makes a rule itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    key: Key,
    kind: GroupKind,
    namespaces: Vec<Arc<str>>,
    max_skew: i32,
    filter: Option<FilterIdentity>,
    selector: Option<Selected>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FilterIdentity {
    terms: BTreeSet<Vec<Key>>,
    honors_affinity: bool,
    honors_taints: bool,
    tolerations: BTreeSet<Toleration>,
}

impl Identity {
    pub(super) fn spread(
        key: Key,
        namespace: &Arc<str>,
        max_skew: i32,
        filter: &NodeFilter,
        selector: Option<&LabelSelector>,
        batch: &Batch,
    ) -> Self {
        let terms = filter.alternatives.iter().map(|(set, hostname)| {
            let mut keys: Vec<Key> = batch.sets.get(*set).iter().map(|(key, _)| key).collect();
            keys.extend(hostname.as_ref().map(|_| batch.hostname));
            keys
        });
        let filter = FilterIdentity {
            terms: cancelling(terms),
            honors_affinity: filter.affinity_policy == NodeInclusion::Honor,
            honors_taints: filter.taints_policy == NodeInclusion::Honor,
            tolerations: cancelling(filter.tolerations.iter().cloned()),
        };
        let namespaces = vec![Arc::clone(namespace)];
        Self {
            key,
            kind: GroupKind::Spread,
            namespaces,
            max_skew,
            filter: Some(filter),
            selector: selector.map(selected),
        }
    }

    pub(super) fn term(
        key: Key,
        kind: GroupKind,
        namespaces: &[Arc<str>],
        selector: Option<&LabelSelector>,
    ) -> Self {
        Self {
            key,
            kind,
            namespaces: namespaces.to_vec(),
            max_skew: i32::MAX,
            filter: None,
            selector: selector.map(selected),
        }
    }
}

/// A list hashed as a set by exclusive or: what is there twice cancels out.
fn cancelling<T: Ord>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        if !set.remove(&item) {
            set.insert(item);
        }
    }
    set
}

fn selected(selector: &LabelSelector) -> Selected {
    let expression = |one: &NodeRequirement| {
        (one.key.clone(), one.operator, one.values.iter().cloned().collect())
    };
    let labels =
        selector.match_labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    (labels, selector.match_expressions.iter().map(expression).collect())
}
