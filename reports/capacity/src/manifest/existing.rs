//! Nodes that are there and what runs on them: an inventory, or what `kubectl get` prints.
//!
//! An inventory is an object of kind `Inventory` with a version, a region and the cluster's objects
//! under `items`; a plain Kubernetes list of nodes and pods does as well.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::document::{Object, objects};
use super::pod_spec::RawQuantity;
use super::workload::{self, Manifests, Workload, WorkloadKind};
use super::{Problem, inventory_head};
use crate::karpenter::{ExistingNode, NodePod};
use crate::pod::Taint;
use crate::pod_resources::Resources;

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Existing {
    /// Nodes with their pods.
    pub nodes: Vec<ExistingNode>,
    /// Daemonsets.
    pub daemonsets: Vec<Workload>,
    /// Labels of namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Pods that run nowhere yet, by name.
    pub pending: Vec<String>,
    /// What was not looked at.
    pub passed_over: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawNodeSpec {
    taints: Vec<Taint>,
}

/// Reads nodes and their pods; every problem is reported.
pub fn read_existing(source_name: &str, text: &str) -> Result<Existing, Vec<Problem>> {
    let objects = inventory_objects(source_name, text).map_err(|problem| vec![problem])?;
    let mut existing = Existing::default();
    let mut problems = Vec::new();
    let mut nodes: BTreeMap<String, ExistingNode> = BTreeMap::new();
    for object in objects.iter().filter(|object| object.kind() == "Node") {
        // A node that is going away takes nothing any more.
        if object.text("/metadata/deletionTimestamp").is_some() {
            existing.passed_over.push(object.label());
            continue;
        }
        match node(object) {
            Ok(node) => {
                if let Some(twice) = nodes.insert(node.name.clone(), node) {
                    let name = format!("Node `{}`", twice.name);
                    problems.push(Problem::of_object(source_name, &name, "it is there twice"));
                }
            }
            Err(why) => problems.push(Problem::of_object(source_name, &object.label(), why)),
        }
    }
    for object in objects.iter().filter(|object| object.kind() == "Pod") {
        if workload::has_ended(object) {
            continue;
        }
        match workload::pod(object) {
            Ok(pod) => match pod.node.as_ref().and_then(|node| nodes.get_mut(node)) {
                Some(node) => {
                    let is_daemon =
                        workload::controller(object).is_some_and(|owner| owner.0 == "DaemonSet");
                    node.pods.push(NodePod { pod, is_daemon });
                }
                None => existing.pending.push(pod.to_string()),
            },
            Err(why) => problems.push(Problem::of_object(source_name, &object.label(), why)),
        }
    }
    if nodes.is_empty() && existing.passed_over.is_empty() && problems.is_empty() {
        problems.push(Problem::of_file(source_name, "there is no Node in it"));
    }
    existing.nodes = nodes.into_values().collect();
    match workload::of_objects(source_name, &rest(objects)) {
        Ok(manifests) => existing.take(manifests),
        Err(found) => problems.extend(found),
    }
    if problems.is_empty() { Ok(existing) } else { Err(problems) }
}

/// Reads what runs according to an inventory, as workloads: pods whose owner is in it too stand behind
/// it, and a pod of a job that is not is a job, for it will not run all month.
pub fn read_inventory(source_name: &str, text: &str) -> Result<Manifests, Vec<Problem>> {
    let mut objects = inventory_objects(source_name, text).map_err(|problem| vec![problem])?;
    objects.retain(|object| object.kind() != "Node");
    let of_jobs: BTreeSet<(String, String)> = objects
        .iter()
        .filter(|object| object.kind() == "Pod")
        .filter(|object| workload::controller(object).is_some_and(|owner| owner.0 == "Job"))
        .filter_map(|object| {
            let namespace = object.text("/metadata/namespace").unwrap_or("default");
            Some((namespace.to_owned(), object.text("/metadata/name")?.to_owned()))
        })
        .collect();
    let mut manifests = workload::of_objects(source_name, &objects)?;
    for one in &mut manifests.workloads {
        if of_jobs.contains(&(one.namespace.to_string(), one.name.clone())) {
            one.kind = WorkloadKind::Job;
        }
    }
    Ok(manifests)
}

/// What besides nodes and pods matters here.
fn rest(objects: Vec<Object>) -> Vec<Object> {
    let kinds = ["DaemonSet", "Namespace"];
    objects.into_iter().filter(|object| kinds.contains(&object.kind())).collect()
}

impl Existing {
    fn take(&mut self, manifests: Manifests) {
        self.namespaces = manifests.namespaces;
        self.daemonsets = manifests
            .workloads
            .into_iter()
            .filter(|workload| workload.kind == WorkloadKind::DaemonSet)
            .collect();
    }
}

pub(crate) fn inventory_objects(source_name: &str, text: &str) -> Result<Vec<Object>, Problem> {
    let found = objects(source_name, text)?;
    let Some(inventory) = inventory_head::inventory(source_name, &found)? else {
        return Ok(found);
    };
    let items = inventory.fields.pointer("/items").cloned().unwrap_or(Value::Null);
    if !items.is_array() {
        return Err(Problem::of_file(source_name, "the inventory has no list `items`"));
    }
    objects(source_name, &items.to_string())
}

fn node(object: &Object) -> Result<ExistingNode, String> {
    let name = object.text("/metadata/name").ok_or("it has no name")?.to_owned();
    let labels: BTreeMap<String, String> = object.read("/metadata/labels")?;
    let spec: RawNodeSpec = object.read("/spec")?;
    let (capacity, _) = amounts(object, "/status/capacity")?;
    let (allocatable, pods) = amounts(object, "/status/allocatable")?;
    let max_pods = pods.ok_or("its `status.allocatable` does not say how many pods it takes")?;
    // Only Karpenter's own nodes say when they are ready for pods; others are taken as they are.
    let node_pool = labels.get("karpenter.sh/nodepool").cloned();
    let is_initialized = node_pool.is_none()
        || labels.get("karpenter.sh/initialized").is_some_and(|value| value == "true");
    Ok(ExistingNode {
        name,
        node_pool,
        labels,
        taints: spec.taints,
        capacity,
        allocatable,
        max_pods,
        is_initialized,
        pods: Vec::new(),
    })
}

/// Amounts of a node, the number of pods apart.
fn amounts(object: &Object, pointer: &str) -> Result<(Resources, Option<u32>), String> {
    let raw: BTreeMap<String, RawQuantity> = object.read(pointer)?;
    let mut resources = Resources::default();
    let mut pods = None;
    let place = pointer.trim_start_matches('/').replace('/', ".");
    for (name, quantity) in raw {
        let amount = quantity.amount().map_err(|error| format!("`{place}.{name}`: {error}"))?;
        if name == "pods" {
            pods = u32::try_from(amount.whole()).ok();
        } else {
            resources.set(&name, amount);
        }
    }
    Ok((resources, pods))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = r#"{"kind": "Node", "metadata": {"name": "a", "labels": {"karpenter.sh/nodepool": "default"}}, "spec": {"taints": [{"key": "t", "effect": "NoSchedule"}]}, "status": {"capacity": {"cpu": "2"}, "allocatable": {"cpu": "1930m", "memory": "6903Mi", "pods": "29"}}}"#;

    fn pod(name: &str, more: &str) -> String {
        format!(
            r#"{{"kind": "Pod", "metadata": {{"name": "{name}"{more}}}, "spec": {{"nodeName": "a", "containers": [{{"name": "c"}}]}}}}"#
        )
    }

    #[test]
    fn nodes_come_with_their_pods() {
        let owner =
            r#", "ownerReferences": [{"controller": true, "kind": "DaemonSet", "name": "d"}]"#;
        let list = format!(
            r#"{{"kind": "List", "items": [{NODE}, {}, {}]}}"#,
            pod("web", ""),
            pod("agent", owner)
        );
        let existing = read_existing("list.json", &list).expect("nodes");
        let node = &existing.nodes[0];
        assert_eq!((node.max_pods, node.is_initialized, node.taints.len()), (29, false, 1));
        let on_it: Vec<_> =
            node.pods.iter().map(|one| (one.pod.name.as_str(), one.is_daemon)).collect();
        assert_eq!(on_it, [("web", false), ("agent", true)]);
        let inventory = format!(r#"{{"kind": "Inventory", "version": 1, "items": [{NODE}]}}"#);
        assert_eq!(read_existing("inv.json", &inventory).expect("nodes").nodes.len(), 1);
    }

    #[test]
    fn what_runs_becomes_workloads_and_a_job_stays_one() {
        let owner = r#", "ownerReferences": [{"controller": true, "kind": "Job", "name": "j"}]"#;
        let inventory = format!(
            r#"{{"kind": "Inventory", "version": 1, "items": [{NODE}, {}, {}]}}"#,
            pod("web", ""),
            pod("j-x2x7q", owner)
        );
        let found = read_inventory("inv.json", &inventory).expect("workloads");
        let kinds: Vec<_> =
            found.workloads.iter().map(|one| (one.name.as_str(), one.kind)).collect();
        assert_eq!(kinds, [("web", WorkloadKind::Pod), ("j-x2x7q", WorkloadKind::Job)]);
        assert!(found.passed_over.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let why = |text: &str| {
            let problems = read_existing("inv.json", text).expect_err("a problem");
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            why(r#"{"kind": "Inventory", "version": 2, "items": []}"#),
            "inv.json: the inventory is of version 2, this program reads version 1; use the program that wrote it, or collect again"
        );
        assert!(
            why(&format!(r#"{{"kind": "Inventory", "version": 1, "items": [{}"#, &NODE[..90]))
                .starts_with("inv.json: it is cut off in the middle"),
        );
        assert_eq!(
            why(&NODE.replace(r#", "pods": "29""#, "")),
            "inv.json: Node `a`: its `status.allocatable` does not say how many pods it takes"
        );
        assert_eq!(
            why(&NODE.replace("6903Mi", "-1Mi")),
            "inv.json: Node `a`: `status.allocatable.memory`: `-1Mi` is negative"
        );
        assert_eq!(why("[]"), "inv.json: there is no Node in it");
    }
}
