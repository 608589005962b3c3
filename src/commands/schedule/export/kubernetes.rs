//! Schedules as Kubernetes `CronJob` objects, with what they mount and who they are.

use serde_json::{Value, json};

use runbook_core::schedule::Overlap;

use super::super::sources::{Entry, Source};
use super::{Format, Order, Unit, command, comments, deadline, files, name, yaml};
use crate::trouble::Trouble;

/// Where the runbook's files are in the container.
const FILES: &str = "/runbooks";
/// Where the state folder is.
const STATE: &str = "/state";

/// The objects of a runbook.
pub(super) fn units(source: &Source, order: &Order<'_>) -> Result<Vec<Unit>, Trouble> {
    let mut units = surroundings(source, order)?;
    for entry in &source.entries {
        let object = json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": name(entry), "namespace": order.namespace},
            "spec": {
                "schedule": entry.schedule.cron.text(),
                "timeZone": entry.schedule.zone.name(),
                "concurrencyPolicy": concurrency(entry),
                "startingDeadlineSeconds": deadline(entry).as_secs(),
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {"spec": {
                    // A slot runs once; what failed is resumed by a person.
                    "backoffLimit": 0,
                    "template": {"spec": pod(entry, source, order, "last")},
                }},
            },
        });
        let text = format!("{}{}", comments(entry, Format::Kubernetes, order.now), yaml(&object)?);
        units.push(Unit { name: format!("{}.yaml", name(entry)), text });
    }
    Ok(units)
}

/// As Kubernetes and Argo call it.
pub(super) fn concurrency(entry: &Entry) -> &'static str {
    match entry.schedule.overlap {
        Overlap::Skip | Overlap::BufferOne | Overlap::BufferAll => "Forbid",
        Overlap::CancelOther => "Replace",
        Overlap::AllowAll => "Allow",
    }
}

/// The name of the `ConfigMap` of a runbook's files.
fn files_name(source: &Source) -> String {
    let stem = std::path::Path::new(&source.runbook)
        .file_stem()
        .map(|stem| stem.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let plain: String =
        stem.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).collect();
    format!("runbook-{}-files", plain.trim_matches('-'))
}

/// The account of the pods, their state volume, and the runbook's files.
pub(super) fn surroundings(source: &Source, order: &Order<'_>) -> Result<Vec<Unit>, Trouble> {
    let metadata = |name: &str| json!({"name": name, "namespace": order.namespace});
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata("runbook"),
        "automountServiceAccountToken": false,
    });
    let note = "# Who it is in AWS is decided by a Pod Identity association or an IRSA role of this account:\n\
                # reads are enough for mode plan (ReadOnlyAccess), mode apply needs the actions of its tasks.\n";
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata("runbook-state"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    let kept = "# The state folder: which slots have run, and the journal of runs. It must outlive the pods,\n\
                # and be on a file system with locks (not on NFS without them).\n";
    let mut units = vec![
        Unit {
            name: "runbook-account.yaml".to_owned(),
            text: format!("{note}{}", yaml(&account)?),
        },
        Unit { name: "runbook-state.yaml".to_owned(), text: format!("{kept}{}", yaml(&volume)?) },
    ];
    if !source.entries.iter().any(|entry| entry.is_shipped) {
        let data: serde_json::Map<String, Value> =
            files(source).into_iter().map(|(key, _, text)| (key, json!(text))).collect();
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(&files_name(source)),
            "data": data,
        });
        units.push(Unit { name: format!("{}.yaml", files_name(source)), text: yaml(&map)? });
    }
    Ok(units)
}

/// The pod of a slot: no privileges, no token of the cluster, a root that cannot be written.
pub(super) fn pod(entry: &Entry, source: &Source, order: &Order<'_>, slot: &str) -> Value {
    let (container, volumes) = container(entry, source, order, slot);
    json!({
        "serviceAccountName": "runbook",
        "automountServiceAccountToken": false,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    })
}

/// The container, and the volumes that it mounts.
pub(super) fn container(
    entry: &Entry,
    source: &Source,
    order: &Order<'_>,
    slot: &str,
) -> (Value, Value) {
    let mut volumes = vec![
        json!({"name": "state", "persistentVolumeClaim": {"claimName": "runbook-state"}}),
        json!({"name": "scratch", "emptyDir": {}}),
    ];
    let mut mounts = vec![
        json!({"name": "state", "mountPath": STATE}),
        json!({"name": "scratch", "mountPath": "/tmp"}),
    ];
    let mut runbook = entry.runbook.clone();
    if !entry.is_shipped {
        let items: Vec<Value> = files(source)
            .into_iter()
            .map(|(key, path, _)| json!({"key": key, "path": path}))
            .collect();
        volumes.push(json!({
            "name": "files", "configMap": {"name": files_name(source), "items": items},
        }));
        mounts.push(json!({"name": "files", "mountPath": FILES, "readOnly": true}));
        runbook = format!("{FILES}/{}", source.root_name);
    }
    let container = json!({
        "name": "runbook",
        "image": order.image,
        "args": command(entry, &runbook, slot),
        "env": [{"name": "RUNBOOK_STATE", "value": STATE}, {"name": "HOME", "value": "/tmp"}],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    });
    (container, json!(volumes))
}
