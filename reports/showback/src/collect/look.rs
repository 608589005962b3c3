//! One look at a cluster, of a series or from an inventory.
//!
//! Of a series, as little as possible is asked for: nodes, claims, namespaces and pods page by page, the
//! metadata of `ReplicaSet`s and Jobs only when a pod has an owner that is not known yet, and EC2 only
//! about instances that are new. Of a page nothing stays but what a sample keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::manifest::{Problem, documents, read_inventory_head};
use runbook_clients::Error;
use runbook_clients::kubernetes::{Connection, Kind, Page, Selection};
use runbook_clients::{Class, aws};
use serde_json::Value;

use super::account::Account;
use super::object::{self, Annotations, Machines, Owners, owned_by};
use super::{CollectError, Inventory};
use crate::observed::{ClusterId, Observed, Source};
use crate::samples::{self, Labels, Look, NodeState, PodState};

/// Looks at a cluster again and again.
pub struct Looker {
    cluster: Connection,
    id: ClusterId,
    account: Option<Account>,
    seen: Seen,
}

/// What is known from one look to the next, and what a look finds.
#[derive(Default)]
struct Seen {
    annotations: Annotations,
    owners: Owners,
    machines: Machines,
}

/// A pod, and what may own its owner.
pub(super) struct Found {
    pub(super) pod: Arc<PodState>,
    /// The pod as it was read, while its owner's owner is not known.
    unowned: Option<Value>,
}

impl Looker {
    /// Looks at a cluster. With an AWS connection, its account says when instances were launched, what
    /// volumes they have, and whether the cluster's version is in extended support.
    pub fn new(
        cluster: Connection,
        id: ClusterId,
        aws: Option<aws::Connection>,
        annotations: Annotations,
    ) -> Self {
        let account = aws.map(|connection| Account::new(connection, &id.name));
        Self { cluster, id, account, seen: Seen { annotations, ..Seen::default() } }
    }

    /// Which cluster.
    pub fn id(&self) -> &ClusterId {
        &self.id
    }

    pub(super) fn cluster(&self) -> &Connection {
        &self.cluster
    }

    /// A pod of the cluster, as a sample keeps it.
    pub(super) fn found(&self, pod: &Value, problems: &mut Vec<String>) -> Option<Found> {
        self.seen.pod(pod, problems)
    }

    /// Nodes, and machines without one.
    pub(super) async fn nodes(
        &mut self,
        nodes: Vec<Value>,
        claims: Vec<Value>,
        missing: &mut Vec<String>,
    ) -> Vec<Arc<NodeState>> {
        self.learn_machines(&nodes, &claims, missing).await;
        self.seen.nodes(nodes, claims)
    }

    /// The cluster's time.
    pub fn now(&self) -> Timestamp {
        self.cluster.now()
    }

    /// Looks once. There is no look without nodes and pods; other kinds that cannot be read are named in
    /// it.
    pub async fn look(&mut self, source: Source, every_seconds: i64) -> Result<Look, CollectError> {
        let at = self.cluster.now();
        let mut missing = Vec::new();
        let namespaces = self.namespaces(&mut missing).await?;
        let claims = self.optional("karpenter.sh/v1", "NodeClaim", &mut missing).await?;
        let nodes = self.needed("Node").await?;
        let nodes = self.nodes(nodes, claims, &mut missing).await;
        let pods = self.pods(&mut missing).await?;
        let is_in_extended_support = self.extended_support(&mut missing).await;
        Ok(Look {
            at,
            source,
            every_seconds,
            is_after_gap: false,
            pods,
            nodes,
            created: namespaces.get("kube-system").and_then(|(_, created)| *created),
            namespaces: namespaces.into_iter().map(|(name, (labels, _))| (name, labels)).collect(),
            is_in_extended_support,
            usage: Vec::new(),
            missing,
        })
    }

    async fn needed(&self, kind: &'static str) -> Result<Vec<Value>, CollectError> {
        self.cluster
            .list(&Kind::new("v1", kind), &Selection::default())
            .await
            .map_err(|source| self.failed(kind, source))
    }

    fn failed(&self, kind: &'static str, source: Error) -> CollectError {
        CollectError { kind, cluster: self.id.name.clone(), source }
    }

    /// Objects that may be denied, but not fail for a moment: a claim that is missing from one look would
    /// be a machine that ended.
    async fn optional(
        &self,
        api_version: &str,
        kind: &'static str,
        missing: &mut Vec<String>,
    ) -> Result<Vec<Value>, CollectError> {
        match self.cluster.list(&Kind::new(api_version, kind), &Selection::default()).await {
            Ok(found) => Ok(found),
            Err(error) if error.class() == Class::Denied => {
                missing.push(format!("{api_version} {kind}: {error}"));
                Ok(Vec::new())
            }
            Err(source) => Err(self.failed(kind, source)),
        }
    }

    async fn namespaces(
        &self,
        missing: &mut Vec<String>,
    ) -> Result<BTreeMap<String, (Labels, Option<Timestamp>)>, CollectError> {
        let kind = Kind::new("v1", "Namespace");
        let found = match self.cluster.list_metadata(&kind, &Selection::default()).await {
            Ok(found) => found,
            Err(error) if error.class() == Class::Denied => {
                missing.push(format!("v1 Namespace: {error}"));
                Vec::new()
            }
            Err(source) => return Err(self.failed("Namespace", source)),
        };
        Ok(found.iter().filter_map(namespace).collect())
    }

    /// Asks the account about instances it was not asked about.
    async fn learn_machines(
        &mut self,
        nodes: &[Value],
        claims: &[Value],
        missing: &mut Vec<String>,
    ) {
        let Some(account) = &mut self.account else { return };
        let of_nodes = nodes.iter().filter_map(|node| object::instance(node, "/spec/providerID"));
        let of_claims =
            claims.iter().filter_map(|claim| object::instance(claim, "/status/providerID"));
        let there: BTreeSet<String> = of_nodes.chain(of_claims).collect();
        let now = self.cluster.now();
        account.instances(&there, &mut self.seen.machines.instances, now, missing).await;
    }

    /// Whether the cluster's version is in extended support, where the account says.
    pub(super) async fn extended_support(&mut self, missing: &mut Vec<String>) -> Option<bool> {
        let now = self.cluster.now();
        self.account.as_mut()?.extended_support(now, missing).await
    }

    async fn pods(
        &mut self,
        missing: &mut Vec<String>,
    ) -> Result<Vec<Arc<PodState>>, CollectError> {
        let kind = Kind::new("v1", "Pod");
        let mut found: Vec<Found> = Vec::new();
        let mut problems: Vec<String> = Vec::new();
        let seen = &self.seen;
        self.cluster
            .each_page(&kind, &Selection::default(), |page: Page| {
                if page.is_first {
                    found.clear();
                    problems.clear();
                }
                found.extend(page.objects.iter().filter_map(|pod| seen.pod(pod, &mut problems)));
            })
            .await
            .map_err(|source| self.failed("Pod", source))?;
        missing.append(&mut problems);
        self.learn_owners(found.iter_mut()).await?;
        Ok(found.into_iter().map(|one| one.pod).collect())
    }

    /// Learns what owns owners that are new, and forgets those that are gone.
    pub(super) async fn learn_owners(
        &mut self,
        found: impl Iterator<Item = &mut Found>,
    ) -> Result<(), CollectError> {
        let mut unowned: Vec<&mut Found> = found.filter(|one| one.unowned.is_some()).collect();
        let mut unknown: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for (uid, kind) in unowned.iter().filter_map(|one| owned_by(one.unowned.as_ref()?)) {
            if !self.seen.owners.knows(&uid) {
                unknown.entry(kind).or_default().insert(uid);
            }
        }
        for (kind, uids) in unknown {
            let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
            let listed =
                self.cluster.list_metadata(&Kind::new(version, kind), &Selection::default()).await;
            match listed {
                Ok(owners) => {
                    self.seen.owners.learn(kind, &owners);
                    uids.into_iter().for_each(|uid| self.seen.owners.give_up(kind, uid));
                }
                // Then their names have to do.
                Err(error) if error.class() == Class::Denied => {}
                Err(source) => return Err(self.failed(kind, source)),
            }
        }
        for one in &mut unowned {
            if let Some(object) = one.unowned.take() {
                let controller = self.seen.owners.top(&object);
                Arc::make_mut(&mut one.pod).controller = controller;
            }
        }
        Ok(())
    }
}

pub(super) fn namespace(object: &Value) -> Option<(String, (Labels, Option<Timestamp>))> {
    let name = object::text(object, "/metadata/name")?.to_owned();
    let labels = Arc::new(object::texts(&object["metadata"]["labels"]));
    Some((name, (labels, object::time(object, "/metadata/creationTimestamp"))))
}

impl Seen {
    fn pod(&self, object: &Value, problems: &mut Vec<String>) -> Option<Found> {
        let (pod, problem) = object::pod(object, &self.owners, &self.annotations)?;
        problems.extend(problem.map(|why| format!("v1 Pod: {why}")));
        let is_known = owned_by(object).is_none_or(|(uid, _)| self.owners.knows(&uid));
        Some(Found { pod: Arc::new(pod), unowned: (!is_known).then(|| ownership(object)) })
    }

    fn nodes(&mut self, nodes: Vec<Value>, claims: Vec<Value>) -> Vec<Arc<NodeState>> {
        self.machines.claims = claims
            .into_iter()
            .filter_map(|claim| Some((object::instance(&claim, "/status/providerID")?, claim)))
            .collect();
        let mut found: Vec<NodeState> =
            nodes.iter().filter_map(|node| object::node(node, &self.machines)).collect();
        let with_node: BTreeSet<String> =
            found.iter().filter_map(|node| node.instance_id.clone()).collect();
        let alone = self.machines.claims.iter().filter(|(id, _)| !with_node.contains(*id));
        found.extend(alone.filter_map(|(_, claim)| object::claim(claim, &self.machines)));
        found.into_iter().map(Arc::new).collect()
    }
}

/// What of a pod says who owns it.
fn ownership(pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    serde_json::json!({"metadata": {
        "ownerReferences": metadata["ownerReferences"],
        "labels": {"pod-template-hash": metadata["labels"]["pod-template-hash"]},
    }})
}

/// The look that an inventory is. Annotations are those that it kept.
fn look_of(objects: &[Value], at: Timestamp, annotations: Annotations, missing: &[String]) -> Look {
    let mut seen = Seen { annotations, ..Seen::default() };
    let of = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
    for kind in ["ReplicaSet", "Job"] {
        seen.owners.learn(kind, of(kind));
    }
    let nodes = seen.nodes(of("Node").cloned().collect(), of("NodeClaim").cloned().collect());
    let mut missing = missing.to_vec();
    let pods =
        of("Pod").filter_map(|pod| seen.pod(pod, &mut missing)).map(|found| found.pod).collect();
    let namespaces: BTreeMap<_, _> = of("Namespace").filter_map(namespace).collect();
    Look {
        at,
        source: Source::Snapshot,
        every_seconds: 0,
        is_after_gap: false,
        pods,
        nodes,
        created: namespaces.get("kube-system").and_then(|(_, created)| *created),
        namespaces: namespaces.into_iter().map(|(name, (labels, _))| (name, labels)).collect(),
        is_in_extended_support: None,
        usage: Vec::new(),
        missing,
    }
}

impl Inventory {
    /// What it says was there at its moment: [`Source::Snapshot`], with an empty window, of which nothing
    /// but a rate can be said.
    pub fn observed(&self, annotations: Annotations) -> Observed {
        let id = ClusterId {
            account: self.origin.account.clone(),
            region: self.origin.region.clone().unwrap_or_default(),
            name: self.origin.cluster.clone(),
        };
        let look = look_of(&self.items, self.collected_at, annotations, &self.missing);
        samples::observed_once(id, &look)
    }
}

/// Why an inventory says nothing of a cluster at a moment.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Problem),
    /// It is something else.
    #[error("{0}: it is no inventory; `runbook collect --once --out inventory.json` makes one")]
    None(String),
    /// It lacks something that a cost hangs on.
    #[error("{0}: the inventory does not say {1}")]
    Lacks(String, &'static str),
}

/// The same of an inventory as text. A region given stands in for one that the inventory does not say.
pub fn observed_of_inventory(
    source_name: &str,
    text: &str,
    region: Option<&str>,
    annotations: Annotations,
) -> Result<Observed, InventoryError> {
    let lacks = |what| InventoryError::Lacks(source_name.to_owned(), what);
    let head = read_inventory_head(source_name, text)?
        .ok_or_else(|| InventoryError::None(source_name.to_owned()))?;
    let mut objects = Vec::new();
    for document in documents(source_name, text)? {
        if let Value::Object(mut document) = document
            && let Some(Value::Array(items)) = document.remove("items")
        {
            objects.extend(items);
        }
    }
    let id = ClusterId {
        account: head.account.clone(),
        region: head
            .region
            .clone()
            .or_else(|| region.map(str::to_owned))
            .ok_or_else(|| lacks("of which region it is; `--region` names it"))?,
        name: head.cluster.clone().ok_or_else(|| lacks("of which cluster it is"))?,
    };
    let at = head.collected_at.ok_or_else(|| lacks("of which moment it is"))?;
    let look = look_of(&objects, at, annotations, &head.missing);
    Ok(samples::observed_once(id, &look))
}
