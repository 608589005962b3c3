//! Jobs: so many pods at once, until so many have done their work.
//!
//! What a container would do is not simulated: each runs for some seconds and succeeds. One whose
//! command is `sleep 240`, also within a shell, runs for as long as it says.

use serde_json::{Value, json};

use super::super::object;
use super::workloads::{make_pod, pods_of};
use super::{Cluster, cronjobs, is_true, lifecycle, set_condition};
use crate::store::Transaction;
use crate::world::ids;

/// How long a pod of a Job works, unless it says so itself by `sleep`.
const WORK_SECONDS: i64 = 10;
/// Pods whose work is under way, with their UID.
const WORKING: &str = "sandbox/working";

fn number(value: &Value, default: usize) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
}

pub(super) fn reconcile(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut job: Value) {
    if is_true(&job, "Complete") || object::is_deleting(&job) {
        return;
    }
    let before = job["status"].clone();
    let now = object::timestamp(transaction);
    let pods = pods_of(cluster, transaction, &job);
    let succeeded = pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded").count();
    let succeeded_here = succeeded;
    // A pod whose node is gone has done its work all the same.
    let succeeded = succeeded.max(number(&job["status"]["succeeded"], 0));
    let mut active = pods.len() - succeeded_here;
    let completions = number(&job["spec"]["completions"], 1);
    if job["spec"]["suspend"] != true {
        let parallelism = number(&job["spec"]["parallelism"], 1);
        let wanted = parallelism.min(completions.saturating_sub(succeeded));
        for _ in active..wanted {
            start(cluster, transaction, &job);
        }
        active = active.max(wanted);
        if job["status"]["startTime"].is_null() {
            job["status"]["startTime"] = now.clone();
        }
    }
    for pod in pods.iter().filter(|pod| pod["status"]["phase"] == "Running") {
        let (key, uid) = (object::key(pod), pod["metadata"]["uid"].clone());
        let mark = format!("{}|{key}", cluster.name);
        if transaction.get(WORKING, &mark).is_none_or(|known| *known != uid) {
            transaction.put(WORKING, &mark, uid);
            cluster.schedule(transaction, work_seconds(pod), "kubernetes.job", &key);
        }
    }
    let ready = pods.iter().filter(|pod| is_true(pod, "Ready")).count();
    job["status"]["ready"] = json!(ready);
    job["status"]["terminating"] = json!(0);
    job["status"]["uncountedTerminatedPods"] = json!({});
    for (field, count) in [("active", active), ("succeeded", succeeded)] {
        match job["status"].as_object_mut() {
            Some(status) if count == 0 => drop(status.remove(field)),
            _ => job["status"][field] = json!(count),
        }
    }
    if succeeded >= completions {
        complete(cluster, transaction, &mut job, &now);
        cluster.put(transaction, "batch", "jobs", job.clone());
        cronjobs::finished(cluster, transaction, &job);
        if let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_i64() {
            cluster.schedule(transaction, seconds, "kubernetes.expired", &object::key(&job));
        }
    } else if job["status"] != before {
        cluster.put(transaction, "batch", "jobs", job);
    }
}

fn start(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, job: &Value) {
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let made = pods_of(cluster, transaction, job).len().to_string();
    let suffix = ids::suffix(
        cluster.context,
        &["job", cluster.name, name, &made, &cluster.age(transaction)],
        5,
    );
    let pod = format!("{name}-{suffix}");
    make_pod(cluster, transaction, job, &job["spec"]["template"], &pod);
    let message = format!("Created pod: {pod}");
    cluster.event(transaction, job, "Normal", "SuccessfulCreate", &message, "job-controller");
}

fn complete(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    job: &mut Value,
    now: &Value,
) {
    let (reason, message) = ("CompletionsReached", "Reached expected number of succeeded pods");
    for condition in ["SuccessCriteriaMet", "Complete"] {
        set_condition(&mut job["status"], condition, true, reason, message, now);
    }
    for condition in job["status"]["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastProbeTime"] = now.clone();
    }
    job["status"]["completionTime"] = now.clone();
    cluster.event(transaction, job, "Normal", "Completed", "Job completed", "job-controller");
}

/// How long the longest container says that it sleeps.
fn work_seconds(pod: &Value) -> i64 {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    containers.filter_map(sleep_seconds).max().unwrap_or(WORK_SECONDS)
}

fn sleep_seconds(container: &Value) -> Option<i64> {
    let words = ["command", "args"].into_iter().filter_map(|list| container[list].as_array());
    let text: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
    let text = text.join(" ");
    let mut words = text.split_whitespace().skip_while(|word| *word != "sleep");
    words.next()?;
    words.next()?.trim_end_matches([';', 's']).parse().ok()
}

/// A finished Job has been there long enough.
pub(super) fn expire(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    let job = cluster.get(transaction, "batch", "jobs", key);
    if job.is_some_and(|job| is_true(&job, "Complete")) {
        lifecycle::delete(cluster.context, transaction, cluster.name, "batch", "jobs", key, None);
    }
}

/// A pod of a Job has done its work.
pub(super) fn finish(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    transaction.delete(WORKING, &format!("{}|{key}", cluster.name));
    let Some(mut pod) = cluster.get(transaction, "", "pods", key) else { return };
    if object::is_deleting(&pod) || object::owner(&pod, "Job").is_none() {
        return;
    }
    let now = object::timestamp(transaction);
    pod["status"]["phase"] = json!("Succeeded");
    for container in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        let started = container["state"]["running"]["startedAt"].clone();
        container["ready"] = json!(false);
        container["started"] = json!(false);
        container["state"] = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now}});
    }
    for condition in ["Ready", "ContainersReady"] {
        set_condition(&mut pod["status"], condition, false, "PodCompleted", "", &now);
    }
    cluster.put(transaction, "", "pods", pod);
}
