//! Cron jobs: a Job at each of their times, the oldest finished ones taken away.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::cron::Schedule;
use super::super::{defaults, object};
use super::{Cluster, is_true, lifecycle};
use crate::store::Transaction;
use crate::world::Timer;

/// The next time of each cron job, and the schedule that it is of.
const NEXT: &str = "sandbox/cron";

fn mark(cluster: &Cluster<'_>, key: &str) -> String {
    format!("{}|{key}", cluster.name)
}

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for cron in cluster.see(transaction, "batch", "cronjobs") {
        if object::is_deleting(&cron) || cron["spec"]["suspend"] == true {
            continue;
        }
        let key = object::key(&cron);
        let when =
            json!([cron["spec"]["schedule"], cron["spec"]["timeZone"], cron["metadata"]["uid"]]);
        let known = transaction.get(NEXT, &mark(cluster, &key));
        if known.is_none_or(|known| known["when"] != when) {
            plan(cluster, transaction, &cron);
        }
    }
}

/// Files the timer of the next time.
fn plan(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, cron: &Value) {
    let key = object::key(cron);
    let spec = &cron["spec"];
    let when = json!([spec["schedule"], spec["timeZone"], cron["metadata"]["uid"]]);
    let zone = spec["timeZone"].as_str().map_or(Ok(TimeZone::UTC), TimeZone::get);
    let schedule = Schedule::parse(spec["schedule"].as_str().unwrap_or_default());
    let next = match (&zone, &schedule) {
        (Ok(zone), Ok(schedule)) => schedule.after(transaction.now(), zone),
        _ => None,
    };
    transaction.put(NEXT, &mark(cluster, &key), json!({"when": when, "at": next}));
    match next {
        Some(at) => transaction.schedule(&Timer {
            at,
            kind: "kubernetes.cron".to_owned(),
            subject: mark(cluster, &key),
            payload: Value::Null,
        }),
        None if zone.is_err() => {
            let message = format!("invalid timeZone: {}", spec["timeZone"]);
            cluster.event(
                transaction,
                cron,
                "Warning",
                "UnknownTimeZone",
                &message,
                "cronjob-controller",
            );
        }
        None => {}
    }
}

/// A time has come.
pub(super) fn due(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    let planned = transaction.get(NEXT, &mark(cluster, key));
    let is_current = planned.is_some_and(|planned| planned["at"] == json!(transaction.now()));
    let cron = cluster.get(transaction, "batch", "cronjobs", key);
    let Some(cron) = cron.filter(|cron| !object::is_deleting(cron)) else {
        transaction.delete(NEXT, &mark(cluster, key));
        return;
    };
    if !is_current {
        return;
    }
    if cron["spec"]["suspend"] == true {
        // Planned anew when it goes on.
        transaction.delete(NEXT, &mark(cluster, key));
        return;
    }
    plan(cluster, transaction, &cron);
    let jobs = jobs_of(cluster, transaction, &cron);
    let active: Vec<&Value> = jobs.iter().filter(|job| !is_finished(job)).collect();
    match cron["spec"]["concurrencyPolicy"].as_str() {
        Some("Forbid") if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            cluster.event(
                transaction,
                &cron,
                "Normal",
                "JobAlreadyActive",
                message,
                "cronjob-controller",
            );
            return;
        }
        Some("Replace") => {
            for job in active {
                remove(cluster, transaction, job);
            }
        }
        _ => {}
    }
    start(cluster, transaction, cron);
}

fn start(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut cron: Value) {
    let template = &cron["spec"]["jobTemplate"];
    let name = format!(
        "{}-{}",
        cron["metadata"]["name"].as_str().unwrap_or_default(),
        transaction.now().as_second() / 60
    );
    let now = object::timestamp(transaction);
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": cron["metadata"]["namespace"], "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"].as_object().cloned().unwrap_or_default(),
            "ownerReferences": [object::reference(&cron)],
        },
        "spec": template["spec"], "status": {},
    });
    job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] = now.clone();
    if job["metadata"]["labels"].is_null() {
        job["metadata"]["labels"] = json!({});
    }
    defaults::job(cluster.context, &mut job);
    let key = object::key(&job);
    cluster.put(transaction, "batch", "jobs", job);
    if let Some(job) = cluster.get(transaction, "batch", "jobs", &key) {
        let mut active = active(&cron);
        active.push(json!({
            "apiVersion": job["apiVersion"], "kind": job["kind"], "name": job["metadata"]["name"],
            "namespace": job["metadata"]["namespace"], "uid": job["metadata"]["uid"],
            "resourceVersion": job["metadata"]["resourceVersion"],
        }));
        cron["status"]["active"] = Value::Array(active);
    }
    cron["status"]["lastScheduleTime"] = now;
    let message = format!("Created job {name}");
    cluster.event(transaction, &cron, "Normal", "SuccessfulCreate", &message, "cronjob-controller");
    cluster.put(transaction, "batch", "cronjobs", cron);
}

fn jobs_of(cluster: &Cluster<'_>, transaction: &Transaction<'_>, cron: &Value) -> Vec<Value> {
    let uid = &cron["metadata"]["uid"];
    let owned = |job: &Value| {
        let owners = job["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|owner| owner["uid"] == *uid)
    };
    let all = cluster.see(transaction, "batch", "jobs").into_iter();
    all.filter(|job| owned(job) && !object::is_deleting(job)).map(|job| (*job).clone()).collect()
}

fn is_finished(job: &Value) -> bool {
    is_true(job, "Complete") || is_true(job, "Failed")
}

fn remove(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, job: &Value) {
    let key = object::key(job);
    lifecycle::delete(cluster.context, transaction, cluster.name, "batch", "jobs", &key, None);
}

/// What its cron job says of active ones.
fn active(cron: &Value) -> Vec<Value> {
    cron["status"]["active"].as_array().cloned().unwrap_or_default()
}

/// A Job has finished: it is active no longer, and the oldest finished ones go.
pub(super) fn finished(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, job: &Value) {
    let Some(name) = object::owner(job, "CronJob") else { return };
    let namespace = job["metadata"]["namespace"].as_str().unwrap_or_default();
    let key = format!("{namespace}/{name}");
    let Some(mut cron) = cluster.get(transaction, "batch", "cronjobs", &key) else { return };
    let mut still = active(&cron);
    still.retain(|one| one["uid"] != job["metadata"]["uid"]);
    if let Some(status) = cron["status"].as_object_mut() {
        status.remove("active");
        if !still.is_empty() {
            status.insert("active".to_owned(), Value::Array(still));
        }
    }
    if is_true(job, "Complete") {
        cron["status"]["lastSuccessfulTime"] = object::timestamp(transaction);
    }
    for (condition, limit, default) in
        [("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)]
    {
        let limit = cron["spec"][limit].as_u64().unwrap_or(default);
        let mut ended = jobs_of(cluster, transaction, &cron);
        ended.retain(|job| is_true(job, condition));
        ended.sort_by_key(|job| job["status"]["startTime"].as_str().unwrap_or_default().to_owned());
        let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for old in ended.iter().take(surplus) {
            remove(cluster, transaction, old);
        }
    }
    cluster.put(transaction, "batch", "cronjobs", cron);
}
