//! Deployments, replica sets, daemon sets; [`jobs`] have a file of their own.

use serde_json::{Value, json};

use super::super::object;
use super::{Cluster, jobs, lifecycle, scheduler, set_condition};
use crate::store::Transaction;
use crate::world::ids;

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for deployment in cluster.list(transaction, "apps", "deployments") {
        if !object::is_deleting(&deployment) {
            reconcile_deployment(cluster, transaction, deployment);
        }
    }
    for set in cluster.list(transaction, "apps", "replicasets") {
        if !object::is_deleting(&set) {
            reconcile_set(cluster, transaction, set);
        }
    }
    for set in cluster.list(transaction, "apps", "daemonsets") {
        if !object::is_deleting(&set) {
            reconcile_daemons(cluster, transaction, set);
        }
    }
    for job in cluster.see(transaction, "batch", "jobs") {
        if !super::is_true(&job, "Complete") {
            jobs::reconcile(cluster, transaction, (*job).clone());
        }
    }
}

/// Pods that an object owns and that are not on their way out.
pub(super) fn pods_of(
    cluster: &Cluster<'_>,
    transaction: &Transaction<'_>,
    owner: &Value,
) -> Vec<Value> {
    let uid = &owner["metadata"]["uid"];
    let owned = |pod: &Value| {
        pod["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one["uid"] == *uid)
    };
    cluster
        .see(transaction, "", "pods")
        .into_iter()
        .filter(|pod| owned(pod) && !object::is_deleting(pod))
        .map(|pod| (*pod).clone())
        .collect()
}

pub(super) fn is_ready(pod: &Value) -> bool {
    super::is_true(pod, "Ready")
}

fn hash(cluster: &Cluster<'_>, template: &Value) -> String {
    ids::suffix(cluster.context, &["template", &template.to_string()], 10)
}

/// A share such as `25%` of some replicas.
fn share(value: &Value, of: i64, up: bool) -> i64 {
    match value
        .as_str()
        .and_then(|text| text.strip_suffix('%'))
        .and_then(|text| text.parse::<i64>().ok())
    {
        Some(percent) if up => (of * percent + 99) / 100,
        Some(percent) => of * percent / 100,
        None => value.as_i64().unwrap_or(0),
    }
}

/// How many pods a rollout may have above those that are wanted.
fn surge(spec: &Value, wanted: i64) -> i64 {
    share(&spec["strategy"]["rollingUpdate"]["maxSurge"], wanted, true)
}

/// How many pods a deployment wants and has.
struct Counts {
    wanted: i64,
    /// How many may be missing.
    unavailable: i64,
    total: i64,
    available: i64,
    updated: i64,
}

/// What a deployment says of itself.
fn deployment_status(deployment: &Value, current: &str, counts: &Counts, now: &Value) -> Value {
    let Counts { wanted, unavailable, total, available, updated } = *counts;
    let mut status = deployment["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    status["observedGeneration"] = deployment["metadata"]["generation"].clone();
    for (field, value) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", available),
        ("availableReplicas", available),
        ("unavailableReplicas", (wanted.max(total) - available).max(0)),
    ] {
        if value > 0 {
            status[field] = json!(value);
        } else if let Some(entries) = status.as_object_mut() {
            entries.remove(field);
        }
    }
    let enough = available >= wanted - unavailable;
    let (reason, message) = if enough {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status, "Available", enough, reason, message, now);
    let complete = updated == wanted && available >= wanted && total == wanted;
    let (reason, message) = if complete {
        ("NewReplicaSetAvailable", format!("ReplicaSet \"{current}\" has successfully progressed."))
    } else {
        ("ReplicaSetUpdated", format!("ReplicaSet \"{current}\" is progressing."))
    };
    set_condition(&mut status, "Progressing", true, reason, &message, now);
    date_conditions(&deployment["status"], &mut status, now);
    status
}

fn reconcile_deployment(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    mut deployment: Value,
) {
    let spec = deployment["spec"].clone();
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let hash = hash(cluster, &spec["template"]);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let namespace = deployment["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let current = format!("{name}-{hash}");
    let sets = sets_of(cluster, transaction, &deployment["metadata"]["uid"]);
    let revision = |set: &Value| {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            .as_str()
            .and_then(|text| text.parse::<i64>().ok())
            .unwrap_or(0)
    };
    let last = sets.iter().map(revision).max().unwrap_or(0);
    let new = sets.iter().find(|set| set["metadata"]["name"] == current);
    let number = match new {
        Some(set) if revision(set) == last => last,
        _ => last + 1,
    };
    let old: Vec<&Value> = sets.iter().filter(|set| set["metadata"]["name"] != current).collect();
    let old_pods: Vec<Value> =
        old.iter().flat_map(|set| pods_of(cluster, transaction, set)).collect();
    let new_pods = new.map(|set| pods_of(cluster, transaction, set)).unwrap_or_default();
    let count = |pods: &[Value]| i64::try_from(pods.len()).unwrap_or(0);
    let surge = surge(&spec, wanted).max(1);
    let unavailable = share(&spec["strategy"]["rollingUpdate"]["maxUnavailable"], wanted, false);
    if spec["paused"] != true {
        let room = wanted + surge - count(&old_pods);
        let target = if old_pods.is_empty() {
            wanted
        } else {
            room.clamp(count(&new_pods).min(wanted), wanted)
        };
        ensure_set(cluster, transaction, &deployment, &namespace, &current, &hash, number, target);
        // Old pods go as new ones become ready.
        let keep = (wanted - unavailable - ready(&new_pods)).clamp(0, ready(&old_pods));
        keep_ready(cluster, transaction, &old, keep);
    }
    let counts = Counts {
        wanted,
        unavailable,
        total: count(&old_pods) + count(&new_pods),
        available: ready(&old_pods) + ready(&new_pods),
        updated: count(&new_pods),
    };
    let now = object::timestamp(transaction);
    let status = deployment_status(&deployment, &current, &counts, &now);
    let annotated = deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        == json!(number.to_string());
    if deployment["status"] != status || !annotated {
        deployment["status"] = status;
        deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] =
            json!(number.to_string());
        cluster.put(transaction, "apps", "deployments", deployment);
    }
}

/// The sets that a Deployment owns.
fn sets_of(cluster: &Cluster<'_>, transaction: &Transaction<'_>, owner: &Value) -> Vec<Value> {
    let is_owned = |set: &Value| {
        let owners = set["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|one| one["uid"] == *owner)
    };
    let all = cluster.see(transaction, "apps", "replicasets");
    all.iter().filter(|set| is_owned(set)).map(|set| (**set).clone()).collect()
}

fn ready(pods: &[Value]) -> i64 {
    i64::try_from(pods.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(0)
}

/// Of old sets so many ready pods stay together; those that never were ready go first.
fn keep_ready(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    sets: &[&Value],
    mut keep: i64,
) {
    for set in sets {
        let stays = ready(&pods_of(cluster, transaction, set)).min(keep);
        keep -= stays;
        if set["spec"]["replicas"] != json!(stays) {
            let mut smaller = (*set).clone();
            smaller["spec"]["replicas"] = json!(stays);
            cluster.put(transaction, "apps", "replicasets", smaller);
        }
    }
}

/// Conditions of a Deployment say when they were last written, too.
fn date_conditions(before: &Value, status: &mut Value, now: &Value) {
    let of = |status: &Value, kind: &Value| -> Value {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().find(|one| one["type"] == *kind).cloned().unwrap_or_default()
    };
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for one in conditions.into_iter().flatten() {
        let was = of(before, &one["type"]);
        let is_new = ["status", "reason", "message"].iter().any(|field| was[*field] != one[*field]);
        if is_new || one["lastUpdateTime"].is_null() {
            one["lastUpdateTime"] = now.clone();
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the identity of a replica set; grouping would only rename the list"
)]
fn ensure_set(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    deployment: &Value,
    namespace: &str,
    name: &str,
    hash: &str,
    revision: i64,
    replicas: i64,
) {
    let key = format!("{namespace}/{name}");
    if let Some(mut set) = cluster.get(transaction, "apps", "replicasets", &key) {
        let numbered = json!(revision.to_string());
        if set["spec"]["replicas"] != json!(replicas)
            || set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] != numbered
        {
            set["spec"]["replicas"] = json!(replicas);
            set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = numbered;
            cluster.put(transaction, "apps", "replicasets", set);
        }
        return;
    }
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": namespace, "labels": template["metadata"]["labels"], "ownerReferences": [object::reference(deployment)],
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string(), "deployment.kubernetes.io/desired-replicas": replicas.to_string(), "deployment.kubernetes.io/max-replicas": (replicas + surge(&deployment["spec"], replicas)).to_string()},
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    cluster.put(transaction, "apps", "replicasets", set);
    cluster.event(
        transaction,
        deployment,
        "Normal",
        "ScalingReplicaSet",
        &format!("Scaled up replica set {name} to {replicas}"),
        "deployment-controller",
    );
}

/// Makes a pod from a template.
pub(super) fn make_pod(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    owner: &Value,
    template: &Value,
    name: &str,
) {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"], "status": {"phase": "Pending", "qosClass": super::super::defaults::quality(&template["spec"])}});
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["generateName"] =
        json!(format!("{}-", owner["metadata"]["name"].as_str().unwrap_or_default()));
    pod["metadata"]["namespace"] = owner["metadata"]["namespace"].clone();
    pod["metadata"]["ownerReferences"] = json!([object::reference(owner)]);
    super::super::admission::pod(cluster.context, transaction, cluster.name, &mut pod);
    cluster.put(transaction, "", "pods", pod);
}

fn reconcile_set(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut set: Value) {
    let wanted = usize::try_from(set["spec"]["replicas"].as_i64().unwrap_or(0)).unwrap_or(0);
    let name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let namespace = set["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let mut pods = pods_of(cluster, transaction, &set);
    let mut ordinal = 0_u32;
    while pods.len() < wanted {
        let made = cluster.age(transaction);
        let pod = format!(
            "{name}-{}",
            ids::suffix(
                cluster.context,
                &["pod", cluster.name, &namespace, &name, &made, &ordinal.to_string()],
                5
            )
        );
        ordinal += 1;
        if cluster.get(transaction, "", "pods", &format!("{namespace}/{pod}")).is_none() {
            make_pod(cluster, transaction, &set, &set["spec"]["template"], &pod);
            pods = pods_of(cluster, transaction, &set);
        }
    }
    if pods.len() > wanted {
        // Those that are not ready go first, then the youngest.
        pods.sort_by_key(|pod| {
            (
                is_ready(pod),
                std::cmp::Reverse(
                    pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned(),
                ),
            )
        });
        for pod in pods.iter().take(pods.len() - wanted) {
            lifecycle::delete(
                cluster.context,
                transaction,
                cluster.name,
                "",
                "pods",
                &object::key(pod),
                None,
            );
        }
        pods = pods_of(cluster, transaction, &set);
    }
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let status = json!({
        "replicas": pods.len(), "fullyLabeledReplicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready,
        "observedGeneration": set["metadata"]["generation"],
    });
    if set["status"] != status {
        set["status"] = status;
        cluster.put(transaction, "apps", "replicasets", set);
    }
}

fn reconcile_daemons(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut set: Value) {
    let template = set["spec"]["template"].clone();
    let name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let pods = pods_of(cluster, transaction, &set);
    let mut wanted = 0;
    let mut probe = json!({"spec": template["spec"]});
    // The controller adds what lets daemons run on nodes under pressure; that is of no weight here.
    probe["metadata"] = template["metadata"].clone();
    for node in cluster.see(transaction, "", "nodes") {
        let node_name = node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if !scheduler::tolerates(&probe, &node) || !scheduler::selects(&probe, &node) {
            continue;
        }
        wanted += 1;
        if !pods.iter().any(|pod| pod["spec"]["nodeName"] == json!(node_name)) {
            let pod = format!(
                "{name}-{}",
                ids::suffix(cluster.context, &["daemon", cluster.name, &name, &node_name], 5)
            );
            let mut bound = template.clone();
            bound["spec"]["nodeName"] = json!(node_name);
            make_pod(cluster, transaction, &set, &bound, &pod);
        }
    }
    let pods = pods_of(cluster, transaction, &set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let status = json!({
        "desiredNumberScheduled": wanted, "currentNumberScheduled": pods.len(), "updatedNumberScheduled": pods.len(),
        "numberReady": ready, "numberAvailable": ready, "numberMisscheduled": 0, "observedGeneration": set["metadata"]["generation"],
    });
    if set["status"] != status {
        set["status"] = status;
        cluster.put(transaction, "apps", "daemonsets", set);
    }
}
