//! Karpenter: node classes become ready, pods that fit nowhere get machines, empty machines go.
//!
//! It acts only while its own pods are ready. A batch of pods closes a second after the last one
//! came; they share one claim when one type holds them all, else each gets its own.

mod claim;
mod going;
mod machine;

use serde_json::{Value, json};

use super::super::{collection, object};
use super::{Cluster, is_true, leases, scheduler, set_condition};
use crate::aws::{ec2, iam};
use crate::store::Transaction;
use crate::world::ids;

use claim::claim;
pub(super) use going::{empty, terminated};
use going::{terminate, watch_emptiness};
pub(super) use machine::{initialized, launched, registered};

const GROUP: &str = "karpenter.sh";
const AWS_GROUP: &str = "karpenter.k8s.aws";
/// What keeps a claim until its machine is gone. Without a running Karpenter nobody takes it away.
const TERMINATION: &str = "karpenter.sh/termination";
/// What keeps a node class until no claim uses it.
const CLASS_TERMINATION: &str = "karpenter.k8s.aws/termination";

/// Whether its controller runs.
fn is_running(cluster: &Cluster<'_>, transaction: &Transaction<'_>) -> bool {
    cluster.see(transaction, "apps", "deployments").iter().any(|one| {
        object::label(one, "app.kubernetes.io/name") == Some("karpenter")
            && one["status"]["readyReplicas"].as_i64().unwrap_or(0) > 0
    })
}

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    leases::elect(cluster, transaction, "karpenter", "karpenter-leader-election");
    if transaction.list(&collection(cluster.name, AWS_GROUP, "ec2nodeclasses")).is_empty()
        || !is_running(cluster, transaction)
    {
        return;
    }
    terminate(cluster, transaction);
    for class in cluster.list(transaction, AWS_GROUP, "ec2nodeclasses") {
        if !release_class(cluster, transaction, &class) {
            reconcile_class(cluster, transaction, class);
        }
    }
    for pool in cluster.list(transaction, GROUP, "nodepools") {
        reconcile_pool(cluster, transaction, pool);
    }
    let waiting = cluster
        .see(transaction, "", "pods")
        .iter()
        .any(|pod| is_waiting(cluster, transaction, pod));
    if waiting && transaction.get("sandbox/batch", cluster.name).is_none() {
        transaction.put("sandbox/batch", cluster.name, json!(true));
        cluster.schedule(transaction, 1, "karpenter.batch", "batch");
    }
    watch_emptiness(cluster, transaction);
}

/// A pod that the default scheduler could not place and that no claim is meant for.
fn is_waiting(cluster: &Cluster<'_>, transaction: &Transaction<'_>, pod: &Value) -> bool {
    let unschedulable = pod["status"]["conditions"].as_array().into_iter().flatten().any(|one| {
        one["type"] == "PodScheduled"
            && one["status"] == "False"
            && one["reason"] == "Unschedulable"
    });
    let nominated = || {
        cluster.see(transaction, GROUP, "nodeclaims").iter().any(|claim| {
            claim["metadata"]["annotations"]["sandbox/pods"]
                .as_str()
                .is_some_and(|names| names.split(' ').any(|name| name == object::key(pod)))
        })
    };
    unschedulable
        && !pod["spec"]["nodeName"].is_string()
        && !object::is_deleting(pod)
        && !nominated()
}

/// Resources that some selector terms mean.
fn selected(
    transaction: &Transaction<'_>,
    collection: &str,
    terms: &Value,
) -> Vec<(String, Value)> {
    transaction
        .list(collection)
        .into_iter()
        .filter(|(id, value)| {
            terms.as_array().into_iter().flatten().any(|term| {
                let by_id = term["id"].as_str().is_some_and(|wanted| *wanted == **id);
                let tags = term["tags"].as_object();
                let by_tags = tags.is_some_and(|tags| {
                    tags.iter().all(|(key, wanted)| {
                        value["tags"].get(key).is_some_and(|value| wanted == "*" || value == wanted)
                    })
                });
                by_id || by_tags
            })
        })
        .map(|(id, value)| (id.to_string(), (*value).clone()))
        .collect()
}

fn reconcile_class(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut class: Value) {
    let spec = class["spec"].clone();
    let now = object::timestamp(transaction);
    let subnets = selected(transaction, ec2::SUBNETS, &spec["subnetSelectorTerms"]);
    let groups = selected(transaction, ec2::SECURITY_GROUPS, &spec["securityGroupSelectorTerms"]);
    let role = spec["role"].as_str().unwrap_or_default();
    let has_role =
        spec["instanceProfile"].is_string() || transaction.get(iam::ROLES, role).is_some();
    let images = spec["amiSelectorTerms"].as_array().cloned().unwrap_or_default();
    let mut status = if class["status"].is_object() { class["status"].clone() } else { json!({}) };
    status["subnets"] = subnets
        .iter()
        .map(|(id, subnet)| json!({"id": id, "zone": subnet["availabilityZone"]}))
        .collect();
    let keeper = json!(CLASS_TERMINATION);
    let kept = class["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&keeper));
    if !kept && !object::is_deleting(&class) {
        let mut finalizers =
            class["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.push(keeper);
        class["metadata"]["finalizers"] = json!(finalizers);
        cluster.put(transaction, AWS_GROUP, "ec2nodeclasses", class.clone());
    }
    status["securityGroups"] =
        groups.iter().map(|(id, group)| json!({"id": id, "name": group["groupName"]})).collect();
    status["instanceProfile"] = json!(format!(
        "{}_{}",
        cluster.name,
        ids::hex(cluster.context, &["profile", cluster.name, role], 12)
    ));
    let parts = [
        (
            "SubnetsReady",
            !subnets.is_empty(),
            "SubnetsNotFound",
            "SubnetSelector did not match any Subnets",
        ),
        (
            "SecurityGroupsReady",
            !groups.is_empty(),
            "SecurityGroupsNotFound",
            "SecurityGroupSelector did not match any SecurityGroups",
        ),
        ("AMIsReady", !images.is_empty(), "AMINotFound", "AMISelector did not match any AMIs"),
        ("InstanceProfileReady", has_role, "InstanceProfileNotReady", "the role does not exist"),
    ];
    let mut ready = true;
    for (kind, value, reason, message) in parts {
        let (reason, message) = if value { (kind, "") } else { (reason, message) };
        set_condition(&mut status, kind, value, reason, message, &now);
        ready &= value;
    }
    set_condition(
        &mut status,
        "ValidationSucceeded",
        ready,
        if ready { "ValidationSucceeded" } else { "DependenciesNotReady" },
        "",
        &now,
    );
    set_condition(
        &mut status,
        "Ready",
        ready,
        if ready { "Ready" } else { "UnhealthyDependents" },
        "",
        &now,
    );
    finish_status(cluster, transaction, AWS_GROUP, "ec2nodeclasses", &mut class, status);
}

/// Writes a status with its generation, when it changed.
fn finish_status(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    group: &str,
    plural: &str,
    object: &mut Value,
    mut status: Value,
) {
    let generation = object["metadata"]["generation"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["observedGeneration"] = generation.clone();
    }
    if object["status"] != status {
        object["status"] = status;
        cluster.put(transaction, group, plural, object.clone());
    }
}

fn reconcile_pool(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut pool: Value) {
    let now = object::timestamp(transaction);
    let class_name = pool["spec"]["template"]["spec"]["nodeClassRef"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let class = cluster.get(transaction, AWS_GROUP, "ec2nodeclasses", &class_name);
    let ready = class.as_ref().is_some_and(|class| is_true(class, "Ready"));
    let mut status = if pool["status"].is_object() { pool["status"].clone() } else { json!({}) };
    set_condition(
        &mut status,
        "NodeClassReady",
        ready,
        if ready { "NodeClassReady" } else { "NodeClassNotReady" },
        "",
        &now,
    );
    set_condition(&mut status, "ValidationSucceeded", true, "ValidationSucceeded", "", &now);
    set_condition(
        &mut status,
        "Ready",
        ready,
        if ready { "Ready" } else { "UnhealthyDependents" },
        "",
        &now,
    );
    let name = pool["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let claims: Vec<Value> = cluster
        .list(transaction, GROUP, "nodeclaims")
        .into_iter()
        .filter(|claim| object::label(claim, "karpenter.sh/nodepool") == Some(&name))
        .collect();
    let sum = |resource: &str| {
        claims
            .iter()
            .map(|claim| scheduler::millis(&claim["status"]["capacity"][resource]))
            .sum::<i64>()
    };
    status["resources"] = json!({"nodes": claims.len().to_string(), "cpu": format!("{}m", sum("cpu")), "memory": format!("{}", sum("memory") / 1000)});
    status["nodes"] = json!(claims.len());
    finish_status(cluster, transaction, GROUP, "nodepools", &mut pool, status);
}

/// A batch of pods has closed: machines are chosen.
pub(super) fn batch(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, _: &str) {
    transaction.delete("sandbox/batch", cluster.name);
    if !is_running(cluster, transaction) {
        return;
    }
    let all = cluster.list(transaction, "", "pods");
    let waiting: Vec<Value> =
        all.into_iter().filter(|pod| is_waiting(cluster, transaction, pod)).collect();
    let mut pools: Vec<Value> = cluster
        .list(transaction, GROUP, "nodepools")
        .into_iter()
        .filter(|pool| is_true(pool, "Ready") && !object::is_deleting(pool))
        .collect();
    pools.sort_by_key(|pool| {
        (
            std::cmp::Reverse(pool["spec"]["weight"].as_i64().unwrap_or(0)),
            std::cmp::Reverse(pool["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
        )
    });
    for pool in pools {
        let taints = json!({"spec": {"taints": pool["spec"]["template"]["spec"]["taints"]}});
        let mine: Vec<Value> = waiting
            .iter()
            .filter(|pod| {
                is_waiting(cluster, transaction, pod) && scheduler::tolerates(pod, &taints)
            })
            .cloned()
            .collect();
        if mine.is_empty() || claim(cluster, transaction, &pool, &mine) {
            continue;
        }
        for pod in &mine {
            if !claim(cluster, transaction, &pool, std::slice::from_ref(pod)) {
                let message = format!(
                    "Failed to schedule pod, incompatible with nodepool \"{}\", no instance type satisfied its resources and requirements",
                    pool["metadata"]["name"].as_str().unwrap_or_default()
                );
                cluster.event(
                    transaction,
                    pod,
                    "Warning",
                    "FailedScheduling",
                    &message,
                    "karpenter",
                );
            }
        }
    }
}
fn mark(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    claim: &mut Value,
    kinds: &[&str],
) {
    let now = object::timestamp(transaction);
    let mut status = claim["status"].clone();
    for kind in kinds {
        set_condition(&mut status, kind, true, kind, "", &now);
    }
    finish_status(cluster, transaction, GROUP, "nodeclaims", claim, status);
}

/// Lets a deleted node class go once no claim uses it; whether it is gone.
fn release_class(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, class: &Value) -> bool {
    let name = class["metadata"]["name"].as_str().unwrap_or_default();
    let is_used = cluster
        .list(transaction, GROUP, "nodeclaims")
        .iter()
        .any(|claim| claim["spec"]["nodeClassRef"]["name"] == name);
    if is_used || !object::is_deleting(class) {
        return false;
    }
    cluster.remove(transaction, AWS_GROUP, "ec2nodeclasses", name);
    true
}
