//! Where pods run: the facts on which "it runs on Fargate" stands.
//!
//! A pod is on Fargate when its *node* says so by its label; the pod's own label, annotation or
//! scheduler only say what was meant. Karpenter's nodes carry the name of their `NodePool`. Pods of
//! `DaemonSets` are told apart: they belong to a node, not to a place.

use jiff::Timestamp;
use serde_json::Value;

use super::objects::Selection;
use super::open::Connection;
use super::reference::Kind;
use crate::error::Error;

/// The label by which a Fargate node is known.
pub const COMPUTE_TYPE_LABEL: &str = "eks.amazonaws.com/compute-type";
/// The label by which Fargate marks the pods that it takes.
pub const FARGATE_PROFILE_LABEL: &str = "eks.amazonaws.com/fargate-profile";
/// The label by which a node of Karpenter is known.
pub const NODE_POOL_LABEL: &str = "karpenter.sh/nodepool";
/// The scheduler that the Fargate webhook gives a pod.
pub const FARGATE_SCHEDULER: &str = "fargate-scheduler";

/// What kind of node it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// Fargate's.
    Fargate,
    /// Karpenter's, of that `NodePool`.
    Karpenter(String),
    /// Neither: a managed or self-managed node.
    Other,
}

/// What counts about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub kind: NodeKind,
    /// Its zone.
    pub zone: Option<String>,
    /// Its instance type.
    pub instance_type: Option<String>,
    /// `on-demand` or `spot`, where Karpenter says so.
    pub capacity_type: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
}

/// What counts about a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels' value of `eks.amazonaws.com/fargate-profile`.
    pub fargate_profile: Option<String>,
    /// Its scheduler.
    pub scheduler: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is going.
    pub is_deleting: bool,
    /// The kind of its owner, for example `ReplicaSet`.
    pub owner_kind: Option<String>,
    /// The name of its owner.
    pub owner_name: Option<String>,
    /// Its node; `None` while it has none, or when the node is gone.
    pub node: Option<Node>,
    /// The name of its node, whether or not that is (still) there.
    pub node_name: Option<String>,
    /// Why it was not placed, in the scheduler's words.
    pub unschedulable: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

impl Pod {
    /// Whether it is on a Fargate node.
    pub fn is_on_fargate(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.kind == NodeKind::Fargate)
    }

    /// The `NodePool` whose node it is on.
    pub fn node_pool(&self) -> Option<&str> {
        match &self.node.as_ref()?.kind {
            NodeKind::Karpenter(pool) => Some(pool),
            _ => None,
        }
    }

    /// Whether it belongs to a `DaemonSet`, or to the node itself.
    pub fn belongs_to_a_node(&self) -> bool {
        matches!(self.owner_kind.as_deref(), Some("DaemonSet" | "Node"))
    }

    /// Whether the Fargate webhook has seen it. One made before its profile was active has not
    /// been, and stays pending until it is made again.
    pub fn is_meant_for_fargate(&self) -> bool {
        self.scheduler == FARGATE_SCHEDULER
    }
}

impl Connection {
    /// The nodes.
    pub async fn nodes(&self) -> Result<Vec<Node>, Error> {
        let nodes = self.list(&Kind::new("v1", "Node"), &Selection::default()).await?;
        Ok(nodes.iter().map(node).collect())
    }

    /// The selected pods, each with its node.
    pub async fn placement(&self, selection: &Selection) -> Result<Vec<Pod>, Error> {
        let pods = self.list(&Kind::new("v1", "Pod"), selection).await?;
        let nodes = self.list(&Kind::new("v1", "Node"), &Selection::default()).await?;
        Ok(placed(&pods, &nodes))
    }
}

/// Pods with their nodes.
pub fn placed(pods: &[Value], nodes: &[Value]) -> Vec<Pod> {
    let nodes: Vec<Node> = nodes.iter().map(node).collect();
    pods.iter().map(|one| pod(one, &nodes)).collect()
}

fn node(object: &Value) -> Node {
    let label = |name: &str| label(object, name);
    let kind = if label(COMPUTE_TYPE_LABEL).as_deref() == Some("fargate") {
        NodeKind::Fargate
    } else {
        label(NODE_POOL_LABEL).map_or(NodeKind::Other, NodeKind::Karpenter)
    };
    Node {
        name: text(object, "/metadata/name").unwrap_or_default(),
        kind,
        zone: label("topology.kubernetes.io/zone"),
        instance_type: label("node.kubernetes.io/instance-type"),
        capacity_type: label("karpenter.sh/capacity-type"),
        ready: super::rollout::condition(object, "Ready")
            .is_some_and(|condition| condition.get("status").is_some_and(|it| it == "True")),
    }
}

fn pod(object: &Value, nodes: &[Node]) -> Pod {
    let node_name = text(object, "/spec/nodeName").filter(|name| !name.is_empty());
    let ready = super::rollout::condition(object, "Ready")
        .is_some_and(|condition| condition.get("status").is_some_and(|it| it == "True"));
    let unschedulable = super::rollout::condition(object, "PodScheduled")
        .filter(|condition| condition.get("status").is_some_and(|it| it == "False"))
        .map(|condition| {
            let message = condition.get("message").and_then(Value::as_str);
            message.or_else(|| condition.get("reason")?.as_str()).unwrap_or_default().to_owned()
        });
    Pod {
        namespace: text(object, "/metadata/namespace").unwrap_or_default(),
        name: text(object, "/metadata/name").unwrap_or_default(),
        fargate_profile: label(object, FARGATE_PROFILE_LABEL),
        scheduler: text(object, "/spec/schedulerName").unwrap_or_default(),
        phase: text(object, "/status/phase").unwrap_or_default(),
        ready,
        is_deleting: text(object, "/metadata/deletionTimestamp").is_some(),
        owner_kind: text(object, "/metadata/ownerReferences/0/kind"),
        owner_name: text(object, "/metadata/ownerReferences/0/name"),
        node: node_name
            .as_ref()
            .and_then(|name| nodes.iter().find(|node| node.name == *name))
            .cloned(),
        node_name,
        unschedulable,
        created_at: text(object, "/metadata/creationTimestamp").and_then(|at| at.parse().ok()),
    }
}

fn label(object: &Value, name: &str) -> Option<String> {
    let value = object.pointer("/metadata/labels")?.get(name)?.as_str()?;
    Some(value.to_owned())
}

fn text(object: &Value, pointer: &str) -> Option<String> {
    object.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_node_decides_and_not_what_the_pod_wishes() {
        let nodes = [
            json!({"metadata": {"name": "fargate-ip-1", "labels": {
                COMPUTE_TYPE_LABEL: "fargate", "topology.kubernetes.io/zone": "a"}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
            json!({"metadata": {"name": "ip-2", "labels": {NODE_POOL_LABEL: "default",
                "node.kubernetes.io/instance-type": "c6g.large"}}}),
        ];
        let pod = |name: &str, node: Option<&str>, scheduler: &str| {
            json!({"metadata": {"namespace": "kube-system", "name": name,
                    "ownerReferences": [{"kind": "ReplicaSet", "name": "coredns"}]},
                "spec": {"nodeName": node, "schedulerName": scheduler},
                "status": {"phase": "Running", "conditions": [
                    {"type": "PodScheduled", "status": if node.is_some() {"True"} else {"False"},
                     "message": "0/0 nodes are available"}]}})
        };
        let pods = placed(
            &[
                pod("a", Some("fargate-ip-1"), FARGATE_SCHEDULER),
                pod("b", Some("ip-2"), "default-scheduler"),
                pod("c", None, FARGATE_SCHEDULER),
                pod("d", Some("gone"), "default-scheduler"),
            ],
            &nodes,
        );
        assert!(pods[0].is_on_fargate() && pods[0].node.as_ref().unwrap().ready);
        assert_eq!((pods[1].node_pool(), pods[1].is_on_fargate()), (Some("default"), false));
        assert!(!pods[2].is_on_fargate() && pods[2].is_meant_for_fargate());
        assert_eq!(pods[2].unschedulable.as_deref(), Some("0/0 nodes are available"));
        assert_eq!((pods[3].node.is_none(), pods[3].node_name.as_deref()), (true, Some("gone")));
    }
}
