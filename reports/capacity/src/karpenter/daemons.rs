//! What daemonsets take from every node of a pool.
//!
//! Types are grouped by the daemonsets that could run on them, whatever zone a node gets. Karpenter
//! gives up the alternatives of a daemonset's required node affinity for good while it goes through
//! the types, so the order of pools and types counts; that is kept.

use super::Batch;
use super::amounts::{self, Amounts};
use super::input::ExistingNode;
use super::requirement::Requirement;
use super::requirement_sets::{RequirementSet, SetId, Undefined};
use super::type_set::TypeSet;
use crate::pod::{Effect, HostPort, Pod, Taint, Toleration, TolerationOperator, untolerated};

/// A daemonset's pod.
#[derive(Debug)]
pub(crate) struct Daemon {
    requests: Amounts,
    host_ports: Vec<HostPort>,
    tolerations: Vec<Toleration>,
    /// What it requires, one set per alternative that is left, with what it asks of the hostname.
    alternatives: Vec<(SetId, Option<Requirement>)>,
}

/// Types on which the same daemonsets run.
#[derive(Debug)]
pub(crate) struct DaemonGroup {
    pub(crate) types: TypeSet,
    /// Their requests, and how many they are.
    pub(crate) overhead: Amounts,
    pub(crate) host_ports: Vec<HostPort>,
}

impl Daemon {
    pub(crate) fn new(pod: &Pod, batch: &mut Batch) -> Self {
        let template = &pod.template;
        let terms: Vec<&[_]> = if template.node_affinity.is_empty() {
            vec![&[]]
        } else {
            template.node_affinity.iter().map(Vec::as_slice).collect()
        };
        let alternatives = terms
            .into_iter()
            .map(|term| batch.requirements_of(&template.node_selector, &[term]))
            .collect();
        let mut tolerations = template.tolerations.clone();
        // A daemonset does not respect a taint that only prefers.
        tolerations.push(Toleration {
            operator: TolerationOperator::Exists,
            effect: Some(Effect::PreferNoSchedule),
            ..Toleration::default()
        });
        let requests = batch.columns.row(&template.resources.kubernetes_requests(), 1);
        Self { requests, host_ports: template.host_ports.clone(), tolerations, alternatives }
    }

    fn runs_on(
        &mut self,
        template: SetId,
        taints: &[Taint],
        types_set: &RequirementSet,
        batch: &mut Batch,
    ) -> bool {
        if untolerated(taints, &self.tolerations).is_some() {
            return false;
        }
        loop {
            let Some((wanted, hostname)) = self.alternatives.first() else { return false };
            let hostname_open = hostname.as_ref().is_none_or(Requirement::is_negative);
            let compatible = hostname_open
                && batch
                    .sets
                    .tighten(template, *wanted, Undefined::AllowWellKnown, &batch.labels)
                    .is_ok()
                && types_set.first_conflict(batch.sets.get(*wanted), &batch.labels).is_none();
            if compatible {
                return true;
            }
            if self.alternatives.len() == 1 {
                return false;
            }
            self.alternatives.remove(0);
        }
    }
}

/// Groups the types of a pool.
pub(crate) fn groups(
    template: SetId,
    taints: &[Taint],
    types: &TypeSet,
    daemons: &mut [Daemon],
    batch: &mut Batch,
) -> Vec<DaemonGroup> {
    let mut groups: Vec<(Vec<usize>, DaemonGroup)> = Vec::new();
    for index in types.iter() {
        let row_set = batch.types.rows[index].requirements.clone();
        let mut running = Vec::new();
        for (position, daemon) in daemons.iter_mut().enumerate() {
            if daemon.runs_on(template, taints, &row_set, batch) {
                running.push(position);
            }
        }
        if let Some((_, group)) = groups.iter_mut().find(|(known, _)| *known == running) {
            group.types.insert(index);
            continue;
        }
        let mut types = batch.types.none();
        types.insert(index);
        let mut overhead = vec![0; batch.columns.len()];
        for position in &running {
            amounts::add(&mut overhead, &daemons[*position].requests);
        }
        let host_ports =
            running.iter().flat_map(|position| daemons[*position].host_ports.clone()).collect();
        groups.push((running, DaemonGroup { types, overhead, host_ports }));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What daemonsets will still take from a node that is there: what could run on it, less what does.
pub(crate) fn remaining_on(
    node: &ExistingNode,
    node_set: SetId,
    taints: &[Taint],
    daemons: &[Daemon],
    batch: &mut Batch,
) -> Amounts {
    let mut requests = vec![0; batch.columns.len()];
    for daemon in daemons {
        if untolerated(taints, &daemon.tolerations).is_some() {
            continue;
        }
        let Some((wanted, hostname)) = daemon.alternatives.first() else { continue };
        let here = batch.labels.value(&node.name);
        let at_home = hostname.as_ref().is_none_or(|one| one.has(here, &batch.labels));
        if at_home && batch.sets.tighten(node_set, *wanted, Undefined::Deny, &batch.labels).is_ok()
        {
            amounts::add(&mut requests, &daemon.requests);
        }
    }
    for pod in node.pods.iter().filter(|pod| pod.is_daemon) {
        let running = batch.columns.row(&pod.pod.template.resources.kubernetes_requests(), 1);
        for (left, amount) in requests.iter_mut().zip(running) {
            *left = left.saturating_sub(amount);
        }
    }
    for amount in &mut requests {
        *amount = (*amount).max(0);
    }
    requests
}
