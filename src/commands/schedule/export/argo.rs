//! Schedules as Argo `CronWorkflow` objects; their pods are those of the `CronJob` export.

use serde_json::json;

use super::super::sources::Source;
use super::kubernetes::{concurrency, container, surroundings};
use super::{Format, Order, Unit, comments, deadline, name, yaml};
use crate::trouble::Trouble;

/// The objects of a runbook.
pub(super) fn units(source: &Source, order: &Order<'_>) -> Result<Vec<Unit>, Trouble> {
    let mut units = surroundings(source, order)?;
    for entry in &source.entries {
        let (container, volumes) = container(entry, source, order, "last");
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "CronWorkflow",
            "metadata": {"name": name(entry), "namespace": order.namespace},
            "spec": {
                "schedules": [entry.schedule.cron.text()],
                "timezone": entry.schedule.zone.name(),
                "concurrencyPolicy": concurrency(entry),
                "startingDeadlineSeconds": deadline(entry).as_secs(),
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "workflowSpec": {
                    "entrypoint": "slot",
                    // The executor of Argo reports by an account of its own.
                    "serviceAccountName": "runbook",
                    "automountServiceAccountToken": false,
                    "executor": {"serviceAccountName": "argo-executor"},
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                        "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "volumes": volumes,
                    "templates": [{"name": "slot", "container": container}],
                },
            },
        });
        let text = format!("{}{}", comments(entry, Format::Argo, order.now), yaml(&object)?);
        units.push(Unit { name: format!("{}.yaml", name(entry)), text });
    }
    Ok(units)
}
