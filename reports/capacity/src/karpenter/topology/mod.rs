//! Where pods may go because of where other pods are: spreads, affinity, anti-affinity.
//!
//! Pods with the same rule share a [`Group`], which counts pods per domain. Before a pod goes
//! somewhere, every group it belongs to narrows the node's requirements to the domains it allows; so
//! does every group of an anti-affinity that another pod has against it ([`Topology::inverse`]).
//! Afterwards every group that counts the pod notes the domain, if it is certain by then.
//!
//! Groups count what is in the cluster when they are made, and what is placed from then on, as
//! Karpenter does: a rule that only appears when a preference is given up starts without this batch.

mod domains;
mod group;
mod identity;
mod running;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexSet;

pub(crate) use domains::DomainGroups;
pub(crate) use group::{Group, GroupKind, NodeFilter};
use identity::Identity;
use running::{Noted, note_all, note_host};

use super::batch::{Batch, HostName};
use super::input::Preferences;
use super::quick_hash::QuickHash;
use super::requirement::{Key, Requirement, Value};
use super::requirement_sets::{Clash, RequirementSet, SetId, Undefined};
use crate::node_requirement::{NodeRequirement, Operator};
use crate::pod::{
    LabelSelector, NodeInclusion, PodTemplate, PodTerm, Spread, Taint, Toleration,
    WhenUnsatisfiable,
};

/// A group of [`Topology::groups`] or [`Topology::inverse`].
pub(crate) type GroupId = u32;
/// A namespace and labels, by which selectors choose.
pub(crate) type ClassId = u32;

fn at(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Where a pod is about to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) taints: &'a [Taint],
    /// What its node asks already, the pod's own requirements included.
    pub(crate) set: SetId,
    /// Its number among all nodes and claims.
    pub(crate) host: usize,
    pub(crate) name: HostName,
    pub(crate) undefined: Undefined,
}

/// Why a rule forbids a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forbidden {
    pub(crate) kind: GroupKind,
    pub(crate) key: Key,
    /// Whether it will stay so however the batch goes on.
    pub(crate) is_lasting: bool,
}

/// A pod on a node of the cluster, counted when a group is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident {
    pub(crate) class: ClassId,
    /// Its node, if it is on one.
    pub(crate) node: Option<usize>,
}

/// A node of the cluster as groups see it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) set: SetId,
    pub(crate) name: Value,
    pub(crate) taints: Vec<Taint>,
    /// It was there once.
    pub(crate) is_gone: bool,
}

/// Which groups choose a class of pods.
#[derive(Debug, Default)]
struct Chosen {
    by: Vec<GroupId>,
    asked: usize,
}

/// All rules of a batch.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    pub(crate) groups: Vec<Group>,
    by_identity: BTreeMap<Identity, GroupId>,
    /// Anti-affinity seen from the other side: groups count the pods that have it.
    pub(crate) inverse: Vec<Group>,
    inverse_by_identity: BTreeMap<Identity, GroupId>,
    classes: IndexSet<(Arc<str>, BTreeMap<String, String>), QuickHash>,
    chosen: Vec<Chosen>,
    chosen_inverse: Vec<Chosen>,
    /// Which groups count a class of pods when it runs already.
    chosen_running: Vec<Chosen>,
    /// The number of the trial; without trials, zero.
    trial: u32,
    /// What a trial counted; nothing is kept without one.
    journal: Option<Vec<Noted>>,
    /// Whether some group knows a domain by its nodes only.
    knows_by_nodes: bool,
    pub(crate) domains: DomainGroups,
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) preferences: Preferences,
    pub(crate) residents: Vec<Resident>,
    pub(crate) standing: Vec<Standing>,
    /// How many hosts are known.
    pub(crate) hosts: usize,
}

impl Topology {
    /// Without rules, domains and nodes.
    pub(crate) fn new(
        preferences: Preferences,
        namespaces: BTreeMap<String, BTreeMap<String, String>>,
    ) -> Self {
        Self { namespaces, preferences, ..Self::default() }
    }

    /// The class of a namespace and labels.
    pub(crate) fn class(
        &mut self,
        namespace: &Arc<str>,
        labels: &BTreeMap<String, String>,
    ) -> ClassId {
        let (index, _) = self.classes.insert_full((Arc::clone(namespace), labels.clone()));
        if self.chosen.len() <= index {
            self.chosen.resize_with(index + 1, Chosen::default);
            self.chosen_inverse.resize_with(index + 1, Chosen::default);
            self.chosen_running.resize_with(index + 1, Chosen::default);
        }
        id(index)
    }

    /// The groups a pod belongs to, made where they are new.
    pub(crate) fn groups_of(
        &mut self,
        namespace: &Arc<str>,
        template: &PodTemplate,
        batch: &mut Batch,
    ) -> Vec<GroupId> {
        let mut owned = Vec::new();
        for spread in &template.spread {
            let is_wish = spread.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway;
            if is_wish && self.preferences == Preferences::Ignore {
                continue;
            }
            let group = self.spread_group(namespace, template, spread, batch);
            owned.push(self.group(group, batch));
        }
        let wishes = |terms: &[(i32, PodTerm)]| -> Vec<PodTerm> {
            match self.preferences {
                Preferences::Respect => terms.iter().map(|(_, term)| term.clone()).collect(),
                Preferences::Ignore => Vec::new(),
            }
        };
        let near = template.affinity.iter().cloned().chain(wishes(&template.preferred_affinity));
        let far =
            template.anti_affinity.iter().cloned().chain(wishes(&template.preferred_anti_affinity));
        let terms: Vec<_> = near
            .map(|term| (GroupKind::Affinity, term))
            .chain(far.map(|term| (GroupKind::AntiAffinity, term)))
            .collect();
        for (kind, term) in terms {
            let group = self.term_group(kind, namespace, template, &term, batch);
            owned.push(self.group(group, batch));
        }
        owned.sort_unstable();
        owned.dedup();
        owned
    }

    /// The inverse groups of a pod's required anti-affinity. A resident is at its node's domain.
    pub(crate) fn inverse_of(
        &mut self,
        namespace: &Arc<str>,
        template: &PodTemplate,
        resident: Option<usize>,
        batch: &mut Batch,
    ) -> Vec<GroupId> {
        let mut owned = Vec::new();
        for term in &template.anti_affinity {
            let group = self.term_group(GroupKind::AntiAffinity, namespace, template, term, batch);
            let identity = group.identity.clone();
            let new = id(self.inverse.len());
            let known = *self.inverse_by_identity.entry(identity).or_insert(new);
            if known == new {
                self.inverse.push(group);
            }
            if let Some(node) = resident {
                let standing = &self.standing[node];
                let key = self.inverse[at(known)].key;
                let domain = batch.sets.get(standing.set).get(key).and_then(Requirement::only);
                self.inverse[at(known)].note_node(domain, node, &batch.labels);
            }
            owned.push(known);
        }
        owned.sort_unstable();
        owned.dedup();
        owned
    }

    fn group(&mut self, mut group: Group, batch: &mut Batch) -> GroupId {
        if let Some(known) = self.by_identity.get(&group.identity) {
            return *known;
        }
        self.count_cluster(&mut group, batch);
        group.awake = self.trial;
        let new = id(self.groups.len());
        self.by_identity.insert(group.identity.clone(), new);
        self.groups.push(group);
        new
    }

    fn spread_group(
        &self,
        namespace: &Arc<str>,
        template: &PodTemplate,
        spread: &Spread,
        batch: &mut Batch,
    ) -> Group {
        let key = batch.labels.key(&spread.topology_key);
        let mut selector = spread.selector.clone();
        for label in &spread.match_label_keys {
            if let (Some(value), Some(selector)) = (template.labels.get(label), selector.as_mut()) {
                selector.match_expressions.push(NodeRequirement::new(
                    label,
                    Operator::In,
                    &[value],
                ));
            }
        }
        let filter = node_filter(template, spread, batch);
        let identity =
            Identity::spread(key, namespace, spread.max_skew, &filter, selector.as_ref(), batch);
        let mut group = Group::new(
            GroupKind::Spread,
            key,
            key == batch.hostname,
            vec![Arc::clone(namespace)],
            selector,
            identity,
        );
        group.max_skew = i64::from(spread.max_skew);
        group.min_domains = spread.min_domains;
        let tolerations = match filter.taints_policy {
            NodeInclusion::Ignore => None,
            NodeInclusion::Honor => Some(template.tolerations.as_slice()),
        };
        group.filter = Some(filter);
        self.fill_domains(&mut group, tolerations, batch);
        group
    }

    fn term_group(
        &self,
        kind: GroupKind,
        namespace: &Arc<str>,
        template: &PodTemplate,
        term: &PodTerm,
        batch: &mut Batch,
    ) -> Group {
        let key = batch.labels.key(&term.topology_key);
        let namespaces = self.namespaces_of(namespace, term);
        let identity = Identity::term(key, kind, &namespaces, term.selector.as_ref());
        let mut group = Group::new(
            kind,
            key,
            key == batch.hostname,
            namespaces,
            term.selector.clone(),
            identity,
        );
        self.fill_domains(&mut group, Some(&template.tolerations), batch);
        group
    }

    fn fill_domains(&self, group: &mut Group, tolerations: Option<&[Toleration]>, batch: &Batch) {
        for value in self.domains.of(group.key, tolerations) {
            group.register(value, &batch.labels);
        }
    }

    /// The namespaces a term means, sorted.
    fn namespaces_of(&self, own: &Arc<str>, term: &PodTerm) -> Vec<Arc<str>> {
        let mut namespaces: Vec<Arc<str>> =
            term.namespaces.iter().map(|name| Arc::from(name.as_str())).collect();
        match &term.namespace_selector {
            None if namespaces.is_empty() => namespaces.push(Arc::clone(own)),
            None => {}
            Some(selector) => {
                let chosen = self.namespaces.iter().filter(|(_, labels)| selector.matches(labels));
                namespaces.extend(chosen.map(|(name, _)| Arc::from(name.as_str())));
            }
        }
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }

    /// Domains of nodes that are there, and the pods on them that the selector chooses. Without a
    /// selector Karpenter lists all pods here, although it will choose none later.
    fn count_cluster(&mut self, group: &mut Group, batch: &mut Batch) {
        let mut counted: Vec<Option<Option<Value>>> = Vec::with_capacity(self.standing.len());
        for node in &self.standing {
            let counts = !node.is_gone
                && group.counts_node(&node.taints, node.set, HostName::Known(node.name), batch);
            let domain = batch.sets.get(node.set).get(group.key).and_then(Requirement::only);
            if counts {
                self.knows_by_nodes |= group.see_node(domain, &batch.labels);
            }
            counted.push(counts.then_some(domain));
        }
        let chosen: Vec<bool> =
            self.classes.iter().map(|(namespace, labels)| group.lists(namespace, labels)).collect();
        for resident in self.residents.iter().filter(|resident| chosen[at(resident.class)]) {
            if let Some(node) = resident.node
                && let Some(domain) = counted[node]
            {
                group.note_node(domain, node, &batch.labels);
            }
        }
    }

    fn refresh(
        chosen: &mut Chosen,
        groups: &[Group],
        (namespace, labels): &(Arc<str>, BTreeMap<String, String>),
    ) {
        for (index, group) in groups.iter().enumerate().skip(chosen.asked) {
            if group.selects(namespace, labels) {
                chosen.by.push(id(index));
            }
        }
        chosen.asked = groups.len();
    }

    /// Brings up to date which groups choose a class; to be called before the two below.
    pub(crate) fn refresh_class(&mut self, class: ClassId) {
        let Some(key) = self.classes.get_index(at(class)) else { return };
        Self::refresh(&mut self.chosen[at(class)], &self.groups, key);
        Self::refresh(&mut self.chosen_inverse[at(class)], &self.inverse, key);
    }

    /// What a node must ask once the pod is on it; or the rule that forbids it.
    pub(crate) fn narrow(
        &self,
        owned: &[GroupId],
        class: ClassId,
        (strict, strict_hostname): (SetId, Option<&Requirement>),
        place: Place<'_>,
        batch: &mut Batch,
    ) -> Result<SetId, Forbidden> {
        let inverse =
            self.chosen_inverse[at(class)].by.iter().map(|group| &self.inverse[at(*group)]);
        let mine = owned.iter().map(|group| {
            (&self.groups[at(*group)], self.chosen[at(class)].by.binary_search(group).is_ok())
        });
        let mut set = place.set;
        for (group, selects_itself) in mine.chain(inverse.map(|group| (group, true))) {
            let forbidden =
                Forbidden { kind: group.kind, key: group.key, is_lasting: group.refusal_lasts() };
            if group.is_hostname {
                let open = HostName::passes(place.name, strict_hostname, &batch.labels);
                if group.allows_host(place.host, selects_itself, open) {
                    continue;
                }
                return Err(forbidden);
            }
            let pod_domains = batch.sets.get(strict).get(group.key);
            let node_domains = batch.sets.get(place.set).get(group.key);
            let domains = group
                .next_domains(selects_itself, pod_domains, node_domains, &batch.labels)
                .ok_or(forbidden)?;
            let mut one = RequirementSet::default();
            one.add(group.key, domains, &batch.labels);
            let one = batch.sets.intern(one);
            set =
                batch.sets.tighten(set, one, place.undefined, &batch.labels).map_err(|clash| {
                    Forbidden {
                        is_lasting: forbidden.is_lasting && matches!(clash, Clash::Conflict(_)),
                        ..forbidden
                    }
                })?;
        }
        Ok(set)
    }

    /// Notes that a pod is on a node that asks this by now.
    pub(crate) fn record(
        &mut self,
        class: ClassId,
        inverse: &[GroupId],
        place: Place<'_>,
        batch: &mut Batch,
    ) {
        self.refresh_class(class);
        let mut noted = self.journal.take();
        for id in &self.chosen[at(class)].by {
            let group = &mut self.groups[at(*id)];
            if group.awake != self.trial
                || !group.counts_node(place.taints, place.set, place.name, batch)
            {
                continue;
            }
            if group.is_hostname {
                note_host(group, (false, *id), place.host, &mut noted);
                continue;
            }
            let Some(domains) = batch.sets.get(place.set).get(group.key) else { continue };
            match group.kind {
                GroupKind::AntiAffinity => {
                    note_all(group, (false, *id), domains.named(), &mut noted, batch);
                }
                GroupKind::Spread | GroupKind::Affinity => {
                    if let Some(domain) = domains.only() {
                        note_all(group, (false, *id), &[domain], &mut noted, batch);
                    }
                }
            }
        }
        for id in inverse {
            let group = &mut self.inverse[at(*id)];
            if group.is_hostname {
                note_host(group, (true, *id), place.host, &mut noted);
            } else if let Some(domains) = batch.sets.get(place.set).get(group.key) {
                note_all(group, (true, *id), domains.named(), &mut noted, batch);
            }
        }
        self.journal = noted;
    }
}

/// Which nodes count for a spread of this pod.
fn node_filter(template: &PodTemplate, spread: &Spread, batch: &mut Batch) -> NodeFilter {
    let terms: Vec<&[NodeRequirement]> = template.node_affinity.iter().map(Vec::as_slice).collect();
    let alternatives = if terms.is_empty() {
        vec![batch.requirements_of(&template.node_selector, &[])]
    } else {
        terms
            .into_iter()
            .map(|term| batch.requirements_of(&template.node_selector, &[term]))
            .collect()
    };
    NodeFilter {
        alternatives,
        affinity_policy: spread.node_affinity_policy,
        taints_policy: spread.node_taints_policy,
        tolerations: template.tolerations.clone(),
    }
}

/// Whether a selector would choose pods by labels; `None` chooses none.
fn selects(selector: Option<&LabelSelector>, labels: &BTreeMap<String, String>) -> bool {
    selector.is_some_and(|selector| selector.matches(labels))
}
