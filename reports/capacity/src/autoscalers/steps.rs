//! The way of the first pod that waited, step by step: the two flows beside each other, with the
//! second of each step.
//!
//! The way is drawn from its end: the node to which the pod was bound knows when and why it was
//! launched. A pod that found room on an older node needed none of the steps between.

use super::cluster::{Cluster, Node};

/// A step on the way of the first pod that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What kind of step.
    pub kind: StepKind,
    /// When; none when it did not come to that.
    pub at: Option<i64>,
    /// What happened.
    pub text: String,
}

/// A kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    /// The pod waits.
    PodPending,
    /// The Cluster Autoscaler's loop sees it.
    Scan,
    /// The desired size of a group grows.
    GroupGrows,
    /// Karpenter opens a batch.
    BatchOpens,
    /// The batch is closed.
    BatchCloses,
    /// Karpenter asks for a machine.
    CreateFleet,
    /// A `NodeClaim` stands for it.
    NodeClaim,
    /// EC2 launches it.
    Launch,
    /// The kubelet joins and the node is ready.
    NodeReady,
    /// The pod is bound.
    Bound,
}

/// Which steps lead from a pod to a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    ClusterAutoscaler,
    Karpenter,
}

fn step(kind: StepKind, at: Option<i64>, text: impl Into<String>) -> Step {
    Step { kind, at, text: text.into() }
}

/// The way of a pod that waited.
pub(crate) fn steps(cluster: &Cluster<'_>, pod: usize, way: Way) -> Vec<Step> {
    let record = &cluster.pods[pod];
    let name = &cluster.trace.pods[pod].name;
    let waits = record.first_pending;
    let is_since = |at: i64| waits.is_some_and(|since| at >= since);
    let bound = record.first_bound.filter(|(at, _)| is_since(*at));
    let launched =
        bound.map(|(_, node)| &cluster.nodes[node]).filter(|node| is_since(node.launched));
    let comes = format!("pod {name} comes and kube-scheduler finds no node for it");
    let mut steps = vec![step(StepKind::PodPending, waits, comes)];
    match way {
        Way::ClusterAutoscaler => steps.extend(by_scan(launched)),
        Way::Karpenter => steps.extend(by_batch(launched)),
    }
    let machine = launched
        .map(|node| format!(" {} in {}", node.machine.instance_type, node.machine.zone))
        .unwrap_or_default();
    let at = launched.map(|node| node.launched);
    steps.push(step(StepKind::Launch, at, format!("EC2 launches{machine}")));
    let ready = launched.and_then(|node| node.ready);
    steps.push(step(StepKind::NodeReady, ready, "the kubelet joins, the node is Ready"));
    let end = match bound {
        Some((_, node)) if launched.is_some() => {
            format!("kube-scheduler binds the pod to node {}", node + 1)
        }
        Some((_, node)) => {
            format!("kube-scheduler binds the pod to node {}, where room was freed", node + 1)
        }
        None => "kube-scheduler never binds the pod".to_owned(),
    };
    steps.push(step(StepKind::Bound, bound.map(|(at, _)| at), end));
    steps
}

fn what(node: Option<&Node>) -> String {
    node.map(|node| format!("; {}", node.origin.what)).unwrap_or_default()
}

fn by_scan(node: Option<&Node>) -> Vec<Step> {
    let grows =
        format!("the expander picks a node group, its Auto Scaling group grows{}", what(node));
    vec![
        step(
            StepKind::Scan,
            node.map(|node| node.origin.seen),
            "the scan counts it as unschedulable",
        ),
        step(StepKind::GroupGrows, node.map(|node| node.origin.decided), grows),
    ]
}

fn by_batch(node: Option<&Node>) -> Vec<Step> {
    let (seen, decided) = (node.map(|node| node.origin.seen), node.map(|node| node.origin.decided));
    let asks = format!("the cheapest types that hold the pods are asked of EC2{}", what(node));
    vec![
        step(StepKind::BatchOpens, seen, "Karpenter opens a batch of pending pods"),
        step(StepKind::BatchCloses, decided, "the batch closes: idle, or at its longest"),
        step(StepKind::CreateFleet, decided, asks),
        step(StepKind::NodeClaim, decided, "the NodeClaim is launched"),
    ]
}
