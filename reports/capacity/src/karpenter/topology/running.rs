//! Groups while the cluster changes under them: pods start and stop to run, nodes come and go, and what
//! a trial counted is taken back.

use super::group::Group;
use super::{ClassId, GroupId, Topology, at, id};
use crate::karpenter::batch::{Batch, HostName};
use crate::karpenter::requirement::{Requirement, Value};

/// A pod that a trial counted somewhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noted {
    Domain { is_inverse: bool, group: GroupId, domain: Value },
    Host { is_inverse: bool, group: GroupId, host: usize },
}

impl Topology {
    /// A pod of a class starts to run on a node, or runs there no more.
    pub(crate) fn count_running(
        &mut self,
        class: ClassId,
        inverse: &[GroupId],
        host: usize,
        is_there: bool,
        batch: &mut Batch,
    ) {
        let Some((namespace, labels)) = self.classes.get_index(at(class)) else { return };
        let chosen = &mut self.chosen_running[at(class)];
        for (index, group) in self.groups.iter().enumerate().skip(chosen.asked) {
            if group.lists(namespace, labels) {
                chosen.by.push(id(index));
            }
        }
        chosen.asked = self.groups.len();
        let node = &self.standing[host];
        let domain_of =
            |key, batch: &Batch| batch.sets.get(node.set).get(key).and_then(Requirement::only);
        for group in &chosen.by {
            let group = &mut self.groups[at(*group)];
            if group.counts_node(&node.taints, node.set, HostName::Known(node.name), batch) {
                count(group, domain_of(group.key, batch), host, is_there, batch);
            }
        }
        for group in inverse {
            let group = &mut self.inverse[at(*group)];
            count(group, domain_of(group.key, batch), host, is_there, batch);
        }
    }

    /// A node without pods appears that was not there before.
    pub(crate) fn show_new_node(&mut self, host: usize, batch: &mut Batch) {
        let node = &self.standing[host];
        for group in &mut self.groups {
            if group.counts_node(&node.taints, node.set, HostName::Known(node.name), batch) {
                let domain = batch.sets.get(node.set).get(group.key).and_then(Requirement::only);
                self.knows_by_nodes |= group.see_node(domain, &batch.labels);
            }
        }
    }

    /// A node without pods disappears, or is there again.
    pub(crate) fn show_node(&mut self, host: usize, is_there: bool, batch: &mut Batch) {
        self.standing[host].is_gone = !is_there;
        if !self.knows_by_nodes {
            return;
        }
        let node = &self.standing[host];
        for group in &mut self.groups {
            if group.counts_node(&node.taints, node.set, HostName::Known(node.name), batch) {
                let domain = batch.sets.get(node.set).get(group.key).and_then(Requirement::only);
                if is_there {
                    group.see_node(domain, &batch.labels);
                } else {
                    group.lose_node(domain, &batch.labels);
                }
            }
        }
    }

    /// The number of the trial.
    pub(crate) fn trial(&self) -> u32 {
        self.trial
    }

    /// Begins a trial: what is counted from now on can be taken back.
    pub(crate) fn begin_trial(&mut self) {
        self.trial += 1;
        self.journal = Some(Vec::new());
    }

    /// Takes back what the trial counted.
    pub(crate) fn end_trial(&mut self, batch: &Batch) {
        for noted in self.journal.take().unwrap_or_default().into_iter().rev() {
            let (is_inverse, group) = match noted {
                Noted::Domain { is_inverse, group, .. } | Noted::Host { is_inverse, group, .. } => {
                    (is_inverse, group)
                }
            };
            let groups = if is_inverse { &mut self.inverse } else { &mut self.groups };
            match noted {
                Noted::Domain { domain, .. } => {
                    groups[at(group)].take_back(domain, &batch.labels);
                }
                Noted::Host { host, .. } => groups[at(group)].take_back_host(host),
            }
        }
    }

    /// Pods of these groups take part in the trial: a group counts what is placed only from then on,
    /// as one that is made then would.
    pub(crate) fn wake(&mut self, groups: &[GroupId]) {
        for group in groups {
            self.groups[at(*group)].awake = self.trial;
        }
    }
}

pub(super) fn note_host(
    group: &mut Group,
    (is_inverse, id): (bool, GroupId),
    host: usize,
    noted: &mut Option<Vec<Noted>>,
) {
    group.note_host(host);
    if let Some(noted) = noted {
        noted.push(Noted::Host { is_inverse, group: id, host });
    }
}

pub(super) fn note_all(
    group: &mut Group,
    (is_inverse, id): (bool, GroupId),
    domains: &[Value],
    noted: &mut Option<Vec<Noted>>,
    batch: &Batch,
) {
    for domain in domains {
        group.note(*domain, &batch.labels);
        if let Some(noted) = noted {
            noted.push(Noted::Domain { is_inverse, group: id, domain: *domain });
        }
    }
}

fn count(group: &mut Group, domain: Option<Value>, host: usize, is_there: bool, batch: &Batch) {
    if is_there {
        group.note_node(domain, host, &batch.labels);
    } else {
        group.take_back_node(domain, host, &batch.labels);
    }
}
