//! One rule, and how many pods are where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::identity::Identity;
use super::selects;
use crate::karpenter::batch::{Batch, HostName};
use crate::karpenter::requirement::{Key, Labels, Requirement, Value};
use crate::karpenter::requirement_sets::{SetId, Undefined};
use crate::pod::{LabelSelector, NodeInclusion, Taint, Toleration, untolerated};

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GroupKind {
    /// Even numbers in the domains.
    Spread,
    /// Where such pods are.
    Affinity,
    /// Where such pods are not.
    AntiAffinity,
}

/// Which nodes count for a spread.
#[derive(Debug, Clone)]
pub(crate) struct NodeFilter {
    /// A node counts if it goes with any of these.
    pub(crate) alternatives: Vec<(SetId, Option<Requirement>)>,
    pub(crate) affinity_policy: NodeInclusion,
    pub(crate) taints_policy: NodeInclusion,
    pub(crate) tolerations: Vec<Toleration>,
}

/// A rule and its counts.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) kind: GroupKind,
    pub(crate) key: Key,
    /// The domains are the nodes themselves.
    pub(crate) is_hostname: bool,
    pub(crate) max_skew: i64,
    pub(crate) min_domains: Option<i32>,
    pub(crate) namespaces: Vec<Arc<str>>,
    pub(crate) selector: Option<LabelSelector>,
    pub(crate) filter: Option<NodeFilter>,
    pub(super) identity: Identity,
    /// Domains, sorted by name, so that ties fall to the lowest.
    domains: Vec<Domain>,
    /// Pods per host.
    hosts: Vec<i64>,
    /// Domains, or hosts, with a pod.
    occupied: usize,
    /// The last trial in which a pod of this rule took part; in others it counts only what runs.
    pub(super) awake: u32,
}

/// A value of the label, and how many pods are there.
#[derive(Debug, Clone, Copy)]
struct Domain {
    value: Value,
    pods: i64,
    /// A pool's nodes could be there.
    is_lasting: bool,
    /// How many nodes are there, where no pool makes it known.
    nodes: u32,
}

impl Group {
    pub(super) fn new(
        kind: GroupKind,
        key: Key,
        is_hostname: bool,
        namespaces: Vec<Arc<str>>,
        selector: Option<LabelSelector>,
        identity: Identity,
    ) -> Self {
        Self {
            kind,
            key,
            is_hostname,
            max_skew: i64::from(i32::MAX),
            min_domains: None,
            namespaces,
            selector,
            filter: None,
            identity,
            domains: Vec::new(),
            hosts: Vec::new(),
            occupied: 0,
            awake: 0,
        }
    }

    /// Whether it chooses pods like that.
    pub(super) fn selects(&self, namespace: &Arc<str>, labels: &BTreeMap<String, String>) -> bool {
        self.namespaces.binary_search(namespace).is_ok() && selects(self.selector.as_ref(), labels)
    }

    /// Whether it counts pods like that when they run already.
    pub(super) fn lists(&self, namespace: &Arc<str>, labels: &BTreeMap<String, String>) -> bool {
        self.namespaces.binary_search(namespace).is_ok()
            && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }

    /// Whether a node like that counts.
    pub(super) fn counts_node(
        &self,
        taints: &[Taint],
        set: SetId,
        name: HostName,
        batch: &mut Batch,
    ) -> bool {
        let Some(filter) = &self.filter else { return true };
        let by_affinity = filter.affinity_policy == NodeInclusion::Ignore
            || filter.alternatives.iter().any(|(wanted, hostname)| {
                name.passes(hostname.as_ref(), &batch.labels)
                    && batch.sets.tighten(set, *wanted, Undefined::Deny, &batch.labels).is_ok()
            });
        by_affinity
            && (filter.taints_policy == NodeInclusion::Ignore
                || untolerated(taints, &filter.tolerations).is_none())
    }

    /// Makes a domain known for good.
    pub(super) fn register(&mut self, domain: Value, labels: &Labels) {
        let index = self.index_of(domain, labels);
        self.domains[index].is_lasting = true;
    }

    fn position(&self, domain: Value, labels: &Labels) -> Result<usize, usize> {
        let name = labels.value_name(domain);
        self.domains.binary_search_by(|known| labels.value_name(known.value).cmp(name))
    }

    fn index_of(&mut self, domain: Value, labels: &Labels) -> usize {
        self.position(domain, labels).unwrap_or_else(|index| {
            self.domains
                .insert(index, Domain { value: domain, pods: 0, is_lasting: false, nodes: 0 });
            index
        })
    }

    /// Forgets a domain that nothing speaks for any more.
    fn tidy(&mut self, index: usize) {
        let domain = self.domains[index];
        if domain.pods == 0 && domain.nodes == 0 && !domain.is_lasting {
            self.domains.remove(index);
        }
    }

    /// Counts a pod in a domain.
    pub(super) fn note(&mut self, domain: Value, labels: &Labels) {
        let index = self.index_of(domain, labels);
        self.domains[index].pods += 1;
        self.occupied += usize::from(self.domains[index].pods == 1);
    }

    /// Takes a pod back out of a domain.
    pub(super) fn take_back(&mut self, domain: Value, labels: &Labels) {
        if let Ok(index) = self.position(domain, labels) {
            self.domains[index].pods -= 1;
            self.occupied -= usize::from(self.domains[index].pods == 0);
            self.tidy(index);
        }
    }

    /// Counts a pod on a host.
    pub(super) fn note_host(&mut self, host: usize) {
        if self.hosts.len() <= host {
            self.hosts.resize(host + 1, 0);
        }
        self.hosts[host] += 1;
        self.occupied += usize::from(self.hosts[host] == 1);
    }

    /// Takes a pod back off a host.
    pub(super) fn take_back_host(&mut self, host: usize) {
        self.hosts[host] -= 1;
        self.occupied -= usize::from(self.hosts[host] == 0);
    }

    /// Makes the domain of a node known. True when only nodes make it known.
    pub(super) fn see_node(&mut self, domain: Option<Value>, labels: &Labels) -> bool {
        let (false, Some(domain)) = (self.is_hostname, domain) else { return false };
        let index = self.index_of(domain, labels);
        if self.domains[index].is_lasting {
            return false;
        }
        self.domains[index].nodes += 1;
        true
    }

    /// The node is gone.
    pub(super) fn lose_node(&mut self, domain: Option<Value>, labels: &Labels) {
        if let (false, Some(domain)) = (self.is_hostname, domain)
            && let Ok(index) = self.position(domain, labels)
            && !self.domains[index].is_lasting
        {
            self.domains[index].nodes -= 1;
            self.tidy(index);
        }
    }

    /// Counts a pod on a node; a node without the label is in no domain.
    pub(super) fn note_node(&mut self, domain: Option<Value>, host: usize, labels: &Labels) {
        if self.is_hostname {
            self.note_host(host);
        } else if let Some(domain) = domain {
            self.note(domain, labels);
        }
    }

    /// The pod is on the node no more.
    pub(super) fn take_back_node(&mut self, domain: Option<Value>, host: usize, labels: &Labels) {
        if self.is_hostname {
            self.take_back_host(host);
        } else if let Some(domain) = domain {
            self.take_back(domain, labels);
        }
    }

    /// Whether a place it refuses now is refused for ever: counts only grow.
    pub(in crate::karpenter) fn refusal_lasts(&self) -> bool {
        match self.kind {
            GroupKind::AntiAffinity => true,
            GroupKind::Spread => self.is_hostname,
            GroupKind::Affinity => false,
        }
    }

    /// Whether a pod may go to a host. `is_open` says whether the pod's own selectors allow it.
    pub(super) fn allows_host(&self, host: usize, selects_itself: bool, is_open: bool) -> bool {
        let count = self.hosts.get(host).copied().unwrap_or(0);
        match self.kind {
            GroupKind::AntiAffinity => count == 0,
            // A new node can always be had, so the least count of all is taken to be zero.
            GroupKind::Spread => count + i64::from(selects_itself) <= self.max_skew,
            GroupKind::Affinity => is_open && (count > 0 || (selects_itself && self.occupied == 0)),
        }
    }

    /// The domains a pod may go to; none when there is none. Where Karpenter takes one by chance,
    /// this takes the one with the lowest name.
    pub(super) fn next_domains(
        &self,
        selects_itself: bool,
        pod: Option<&Requirement>,
        node: Option<&Requirement>,
        labels: &Labels,
    ) -> Option<Requirement> {
        let on_pod = |domain: Value| pod.is_none_or(|one| one.has(domain, labels));
        let on_node = |domain: Value| node.is_none_or(|one| one.has(domain, labels));
        match self.kind {
            GroupKind::Spread => self
                .next_spread(selects_itself, on_pod, on_node)
                .map(|one| Requirement::one_of(vec![one])),
            GroupKind::AntiAffinity => {
                let empty = self
                    .domains
                    .iter()
                    .filter(|one| one.pods == 0 && on_pod(one.value) && on_node(one.value));
                some(empty.map(|one| one.value).collect())
            }
            GroupKind::Affinity => self.next_affinity(selects_itself, on_pod, on_node),
        }
    }

    /// The domain with the fewest pods among those that keep the skew.
    fn next_spread(
        &self,
        selects_itself: bool,
        on_pod: impl Fn(Value) -> bool,
        on_node: impl Fn(Value) -> bool,
    ) -> Option<Value> {
        let eligible = || self.domains.iter().filter(|one| on_pod(one.value));
        let least = eligible().map(|one| one.pods).min().unwrap_or(i64::from(i32::MAX));
        let too_few = self
            .min_domains
            .is_some_and(|wanted| eligible().count() < usize::try_from(wanted).unwrap_or(0));
        let least = if too_few { 0 } else { least };
        let keeps_skew = |count: i64| count + i64::from(selects_itself) - least <= self.max_skew;
        let possible = self.domains.iter().filter(|one| on_node(one.value) && keeps_skew(one.pods));
        possible.min_by_key(|one| one.pods).map(|one| one.value)
    }

    /// Where such pods are; for the first of them, any domain.
    fn next_affinity(
        &self,
        selects_itself: bool,
        on_pod: impl Fn(Value) -> bool,
        on_node: impl Fn(Value) -> bool,
    ) -> Option<Requirement> {
        let occupied = self.domains.iter().filter(|one| one.pods > 0 && on_pod(one.value));
        let reachable: Vec<Value> =
            occupied.clone().filter(|one| on_node(one.value)).map(|one| one.value).collect();
        if !reachable.is_empty() {
            return some(reachable);
        }
        if !selects_itself || (self.occupied > 0 && occupied.count() > 0) {
            return None;
        }
        let first = |test: &dyn Fn(Value) -> bool| {
            self.domains.iter().map(|one| one.value).find(|domain| test(*domain))
        };
        let here = first(&|domain| on_pod(domain) && on_node(domain));
        some(here.into_iter().chain(first(&on_pod)).collect())
    }
}

fn some(domains: Vec<Value>) -> Option<Requirement> {
    (!domains.is_empty()).then(|| Requirement::one_of(domains))
}
