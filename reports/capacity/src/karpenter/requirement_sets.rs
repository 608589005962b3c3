//! Requirements on several labels together, each distinct set once.
//!
//! A batch has few distinct sets (what its pools, pods and their combinations ask), and the same two
//! meet again and again. So a set is a small number ([`SetId`]), and what becomes of two of them is
//! looked up the second time. The label of the node's own name is kept out: every claim has its own.

use indexmap::IndexSet;

use super::quick_hash::QuickHash;
use super::requirement::{Key, Labels, Requirement};

/// A distinct set of requirements.
pub(crate) type SetId = u32;

/// The set that asks nothing.
pub(crate) const EMPTY: SetId = 0;

/// Requirements by key, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct RequirementSet(Vec<(Key, Requirement)>);

impl RequirementSet {
    /// What is asked of a label.
    pub(crate) fn get(&self, key: Key) -> Option<&Requirement> {
        self.0.binary_search_by_key(&key, |(key, _)| *key).ok().map(|index| &self.0[index].1)
    }

    /// Asks it too.
    pub(crate) fn add(&mut self, key: Key, requirement: Requirement, labels: &Labels) {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(index) => {
                let both = requirement.intersection(&self.0[index].1, labels);
                self.0[index].1 = both;
            }
            Err(index) => self.0.insert(index, (key, requirement)),
        }
    }

    /// Asks all that `other` asks.
    pub(crate) fn add_all(&mut self, other: &Self, labels: &Labels) {
        for (key, requirement) in &other.0 {
            self.add(*key, requirement.clone(), labels);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Requirement)> {
        self.0.iter().map(|(key, requirement)| (*key, requirement))
    }

    /// The first key on which the two cannot both be had; keys that only one of them mentions pass.
    pub(crate) fn first_conflict(&self, other: &Self, labels: &Labels) -> Option<Key> {
        let conflicts = |(key, incoming): (Key, &Requirement)| {
            let existing = self.get(key)?;
            let excused = incoming.is_negative() && existing.is_negative();
            (!excused && !existing.intersects(incoming, labels)).then_some(key)
        };
        if self.0.len() < other.0.len() {
            self.iter()
                .find_map(|(key, _)| other.get(key).and_then(|incoming| conflicts((key, incoming))))
        } else {
            other.iter().find_map(conflicts)
        }
    }

    /// A key that `other` wants to have a value and this one does not mention.
    fn first_undefined(&self, other: &Self, undefined: Undefined, labels: &Labels) -> Option<Key> {
        let excused = |key| undefined == Undefined::AllowWellKnown && labels.is_well_known(key);
        let missing = |(key, wanted): &(Key, &Requirement)| {
            !excused(*key) && !wanted.is_negative() && self.get(*key).is_none()
        };
        other.iter().find(missing).map(|(key, _)| key)
    }
}

/// What may be asked of a label that is not mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undefined {
    /// A value, if Karpenter knows the label: a claim will get one.
    AllowWellKnown,
    /// No value: a node has the labels it has.
    Deny,
}

/// Why two sets do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clash {
    /// They want different values of this label; that will stay so.
    Conflict(Key),
    /// One wants a value of this label and the other does not mention it.
    Undefined(Key),
}

#[derive(Debug, Clone, Copy)]
enum Memo {
    Unknown,
    Becomes(SetId),
    Clashes(Clash),
}

/// All sets seen so far.
#[derive(Debug)]
pub(crate) struct RequirementSets {
    sets: IndexSet<RequirementSet, QuickHash>,
    on_claims: Vec<Vec<Memo>>,
    on_nodes: Vec<Vec<Memo>>,
}

impl Default for RequirementSets {
    fn default() -> Self {
        Self {
            sets: std::iter::once(RequirementSet::default()).collect(),
            on_claims: Vec::new(),
            on_nodes: Vec::new(),
        }
    }
}

fn at(id: SetId) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

impl RequirementSets {
    pub(crate) fn intern(&mut self, set: RequirementSet) -> SetId {
        let (index, _) = self.sets.insert_full(set);
        SetId::try_from(index).unwrap_or(SetId::MAX)
    }

    pub(crate) fn get(&self, id: SetId) -> &RequirementSet {
        &self.sets[at(id)]
    }

    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The set that asks what both ask, if they go together.
    pub(crate) fn tighten(
        &mut self,
        base: SetId,
        added: SetId,
        undefined: Undefined,
        labels: &Labels,
    ) -> Result<SetId, Clash> {
        if added == EMPTY {
            return Ok(base);
        }
        match self.memo(base, added, undefined) {
            Memo::Becomes(id) => return Ok(*id),
            Memo::Clashes(clash) => return Err(*clash),
            Memo::Unknown => {}
        }
        let (left, right) = (&self.sets[at(base)], &self.sets[at(added)]);
        let result = if let Some(key) = left.first_conflict(right, labels) {
            Err(Clash::Conflict(key))
        } else if let Some(key) = left.first_undefined(right, undefined, labels) {
            Err(Clash::Undefined(key))
        } else {
            let mut both = left.clone();
            both.add_all(right, labels);
            Ok(self.intern(both))
        };
        *self.memo(base, added, undefined) = match result {
            Ok(id) => Memo::Becomes(id),
            Err(clash) => Memo::Clashes(clash),
        };
        result
    }

    fn memo(&mut self, base: SetId, added: SetId, undefined: Undefined) -> &mut Memo {
        let table = match undefined {
            Undefined::AllowWellKnown => &mut self.on_claims,
            Undefined::Deny => &mut self.on_nodes,
        };
        if table.len() <= at(added) {
            table.resize_with(at(added) + 1, Vec::new);
        }
        let row = &mut table[at(added)];
        if row.len() <= at(base) {
            row.resize(at(base) + 1, Memo::Unknown);
        }
        &mut row[at(base)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_requirement::{NodeRequirement, Operator};

    #[test]
    fn sets_go_together_or_say_on_which_label_they_do_not() {
        let mut labels = Labels::default();
        let mut sets = RequirementSets::default();
        let set = |written: &[(&str, Operator, &[&str])], labels: &mut Labels| {
            let mut set = RequirementSet::default();
            for (key, operator, values) in written {
                let (key, requirement) =
                    labels.requirement(&NodeRequirement::new(key, *operator, values));
                set.add(key, requirement, labels);
            }
            set
        };
        let zone = "topology.kubernetes.io/zone";
        let claim = set(&[(zone, Operator::In, &["a", "b"])], &mut labels);
        let claim = sets.intern(claim);
        let one_zone = sets.intern(set(&[(zone, Operator::In, &["b", "c"])], &mut labels));
        let other_zone = sets.intern(set(&[(zone, Operator::In, &["d"])], &mut labels));
        let team = sets.intern(set(&[("team", Operator::In, &["x"])], &mut labels));
        let not_team = sets.intern(set(&[("team", Operator::NotIn, &["x"])], &mut labels));
        let arch =
            sets.intern(set(&[("kubernetes.io/arch", Operator::In, &["arm64"])], &mut labels));
        let known = Undefined::AllowWellKnown;
        let tightened = sets.tighten(claim, one_zone, known, &labels).expect("zone b");
        let zone_key = labels.key(zone);
        let team_key = labels.key("team");
        assert_eq!(
            sets.get(tightened).get(zone_key).map(|one| one.describe(&labels)).as_deref(),
            Some("In [b]")
        );
        assert_eq!(sets.tighten(claim, other_zone, known, &labels), Err(Clash::Conflict(zone_key)));
        assert_eq!(sets.tighten(claim, team, known, &labels), Err(Clash::Undefined(team_key)));
        // Asking not to be there defines the label, as in Karpenter.
        let without = sets.tighten(claim, not_team, known, &labels).expect("no team");
        assert_eq!(sets.tighten(without, team, known, &labels), Err(Clash::Conflict(team_key)));
        assert!(sets.tighten(claim, arch, known, &labels).is_ok());
        assert!(matches!(
            sets.tighten(claim, arch, Undefined::Deny, &labels),
            Err(Clash::Undefined(_))
        ));
        assert_eq!(sets.tighten(claim, EMPTY, known, &labels), Ok(claim));
    }
}
