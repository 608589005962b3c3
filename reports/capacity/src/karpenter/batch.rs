//! The vocabulary of one packing: its labels, sets of requirements, resources and types.

use std::collections::BTreeMap;

use super::amounts::Columns;
use super::requirement::{HOSTNAME, Key, Labels, Requirement, Value};
use super::requirement_sets::{RequirementSet, RequirementSets, SetId};
use super::type_table::TypeTable;
use crate::node_requirement::NodeRequirement;

/// What everything in a packing is expressed in.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) columns: Columns,
    pub(crate) labels: Labels,
    pub(crate) sets: RequirementSets,
    pub(crate) types: TypeTable,
    pub(crate) hostname: Key,
}

/// The name a node goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostName {
    /// A claim has one that nobody knows yet.
    ToCome,
    /// A node has its own.
    Known(Value),
}

impl HostName {
    /// Whether a requirement allows it.
    pub(crate) fn passes(self, requirement: Option<&Requirement>, labels: &Labels) -> bool {
        match (requirement, self) {
            (None, _) => true,
            (Some(requirement), Self::ToCome) => requirement.has_unnamed(),
            (Some(requirement), Self::Known(name)) => requirement.has(name, labels),
        }
    }
}

impl Batch {
    pub(crate) fn new(columns: Columns, mut labels: Labels, types: TypeTable) -> Self {
        let hostname = labels.key(HOSTNAME);
        Self { columns, labels, sets: RequirementSets::default(), types, hostname }
    }

    /// What a selector and terms ask together; what they ask of the hostname is kept apart.
    pub(crate) fn requirements_of(
        &mut self,
        selector: &BTreeMap<String, String>,
        terms: &[&[NodeRequirement]],
    ) -> (SetId, Option<Requirement>) {
        let mut set = RequirementSet::default();
        let mut hostname: Option<Requirement> = None;
        let mut ask = |key: Key, requirement: Requirement, labels: &Labels| {
            if key == self.hostname {
                hostname = Some(match hostname.take() {
                    Some(known) => requirement.intersection(&known, labels),
                    None => requirement,
                });
            } else {
                set.add(key, requirement, labels);
            }
        };
        for (key, value) in selector {
            let key = self.labels.key(key);
            let value = self.labels.value(value);
            ask(key, Requirement::one_of(vec![value]), &self.labels);
        }
        // Requirements of a term are put together first: two lists on one key in a term intersect.
        for written in terms.iter().copied().flatten() {
            let (key, requirement) =
                self.labels.requirement(&NodeRequirement { min_values: None, ..written.clone() });
            ask(key, requirement, &self.labels);
        }
        (self.sets.intern(set), hostname)
    }
}
