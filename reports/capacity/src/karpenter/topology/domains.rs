//! Which domains there could be: every value of every label that a pool's nodes could have.

use std::collections::BTreeMap;

use crate::karpenter::requirement::{Key, Value};
use crate::karpenter::requirement_sets::RequirementSet;
use crate::pod::{Taint, Toleration, untolerated};

/// The values of each label, with the taints of the pools whose nodes have them.
#[derive(Debug, Default)]
pub(crate) struct DomainGroups(BTreeMap<Key, BTreeMap<Value, Vec<Vec<Taint>>>>);

impl DomainGroups {
    /// Notes that nodes with these taints could have what this names; a pool's own requirements name
    /// a domain only when they list it.
    pub(crate) fn add(&mut self, set: &RequirementSet, taints: &[Taint], only_listed: bool) {
        for (key, requirement) in set.iter() {
            if only_listed && !requirement.is_in() {
                continue;
            }
            let domains = self.0.entry(key).or_default();
            for value in requirement.named() {
                let known = domains.entry(*value).or_default();
                // Nodes without taints are open to every pod: nothing else matters then.
                if taints.is_empty() {
                    *known = vec![Vec::new()];
                } else if !known.iter().any(|one| one.is_empty() || one == taints) {
                    known.push(taints.to_vec());
                }
            }
        }
    }

    /// The values of a label that pods with these tolerations could meet; all without tolerations.
    pub(crate) fn of(&self, key: Key, tolerations: Option<&[Toleration]>) -> Vec<Value> {
        let open = |taints: &Vec<Vec<Taint>>| {
            tolerations.is_none_or(|tolerations| {
                taints.iter().any(|one| untolerated(one, tolerations).is_none())
            })
        };
        let domains = self.0.get(&key).into_iter().flatten();
        domains.filter(|(_, taints)| open(taints)).map(|(value, _)| *value).collect()
    }
}
