//! Whether a rollout is done, by kubectl's own algorithm, as a function of the object.
//!
//! The object's status counts only when it is about the generation that was asked for: right after
//! a patch the old status still says "done", and of a Deployment that never came up it still says
//! "deadline exceeded". So whoever patched hands in the generation that the patch returned.

use serde_json::Value;

/// What is to be said of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// Done.
    Done(String),
    /// Not yet.
    Waiting(String),
    /// It will not be done by waiting.
    Failed(String),
}

/// How far the rollout of a Deployment, `DaemonSet` or `StatefulSet` is. `generation`: of our own
/// patch, when there was one.
pub fn status(object: &Value, generation: Option<i64>) -> Rollout {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let wanted = integer(object, "/metadata/generation").max(generation.unwrap_or_default());
    if integer(object, "/status/observedGeneration") < wanted {
        return Rollout::Waiting(format!("the controller has not seen the change of `{name}` yet"));
    }
    match kind {
        "Deployment" => deployment(object, name),
        "DaemonSet" => daemon_set(object, name),
        "StatefulSet" => stateful_set(object, name),
        _ => Rollout::Failed(format!("`{kind}` has no rollout")),
    }
}

/// Whether a Deployment is paused: its template changes, its pods do not.
pub fn is_paused(object: &Value) -> bool {
    object.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or_default()
}

fn deployment(object: &Value, name: &str) -> Rollout {
    let progressing = condition(object, "Progressing");
    if progressing.is_some_and(|it| it.get("reason") == Some(&"ProgressDeadlineExceeded".into())) {
        let message = progressing.and_then(|it| it.get("message")).and_then(Value::as_str);
        return Rollout::Failed(message.map_or_else(
            || format!("`{name}` exceeded its progress deadline"),
            |message| format!("`{name}` exceeded its progress deadline: {message}"),
        ));
    }
    // The server sets replicas to 1 where nothing was declared.
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let updated = integer(object, "/status/updatedReplicas");
    let replicas = integer(object, "/status/replicas");
    let available = integer(object, "/status/availableReplicas");
    if updated < wanted {
        Rollout::Waiting(format!("{updated} of {wanted} new pods of `{name}` have been made"))
    } else if replicas > updated {
        Rollout::Waiting(format!("{} old pods of `{name}` are to go", replicas - updated))
    } else if available < updated {
        Rollout::Waiting(format!("{available} of {updated} new pods of `{name}` are available"))
    } else {
        Rollout::Done(format!("{available} of {wanted} pods of `{name}` are available"))
    }
}

fn daemon_set(object: &Value, name: &str) -> Rollout {
    if let Some(strategy) = not_rolling(object) {
        return Rollout::Failed(format!(
            "`{name}` has the update strategy `{strategy}`, which has no rollout to wait for"
        ));
    }
    let desired = integer(object, "/status/desiredNumberScheduled");
    let updated = integer(object, "/status/updatedNumberScheduled");
    let available = integer(object, "/status/numberAvailable");
    if updated < desired {
        Rollout::Waiting(format!("{updated} of {desired} new pods of `{name}` have been made"))
    } else if available < desired {
        Rollout::Waiting(format!("{available} of {desired} pods of `{name}` are available"))
    } else {
        Rollout::Done(format!("{available} of {desired} pods of `{name}` are available"))
    }
}

fn stateful_set(object: &Value, name: &str) -> Rollout {
    if let Some(strategy) = not_rolling(object) {
        return Rollout::Failed(format!(
            "`{name}` has the update strategy `{strategy}`, which has no rollout to wait for"
        ));
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let ready = integer(object, "/status/readyReplicas");
    let updated = integer(object, "/status/updatedReplicas");
    if ready < wanted {
        return Rollout::Waiting(format!("{ready} of {wanted} pods of `{name}` are ready"));
    }
    let partition = integer(object, "/spec/updateStrategy/rollingUpdate/partition");
    if partition > 0 {
        let asked = (wanted - partition).max(0);
        return if updated < asked {
            Rollout::Waiting(format!("{updated} of {asked} new pods of `{name}` have been made"))
        } else {
            Rollout::Done(format!("{updated} new pods of `{name}`, as its partition asks"))
        };
    }
    if object.pointer("/status/updateRevision") == object.pointer("/status/currentRevision") {
        Rollout::Done(format!("{ready} of {wanted} pods of `{name}` are ready"))
    } else {
        Rollout::Waiting(format!("{updated} of {wanted} pods of `{name}` are of the new revision"))
    }
}

/// The update strategy, when it is not the rolling one.
fn not_rolling(object: &Value) -> Option<&str> {
    let strategy = object.pointer("/spec/updateStrategy/type").and_then(Value::as_str)?;
    (strategy != "RollingUpdate").then_some(strategy)
}

/// A condition of an object by its type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition.get("type").is_some_and(|it| it == kind))
}

/// Whether a condition is `True` and, where it says so, about the current generation.
pub fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| {
        let about = condition.get("observedGeneration").and_then(Value::as_i64);
        condition.get("status").is_some_and(|it| it == "True")
            && about.is_none_or(|about| about >= integer(object, "/metadata/generation"))
    })
}

fn integer(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment_with(spec: &Value, status: &Value) -> Value {
        json!({
            "kind": "Deployment",
            "metadata": {"name": "coredns", "generation": 3},
            "spec": spec,
            "status": status,
        })
    }

    #[test]
    fn a_deployment_goes_through_kubectls_states() {
        let spec = json!({"replicas": 2});
        let cases = [
            (
                json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}),
                Rollout::Waiting("the controller has not seen the change of `coredns` yet".into()),
            ),
            (
                json!({"observedGeneration": 3, "replicas": 2}),
                Rollout::Waiting("0 of 2 new pods of `coredns` have been made".into()),
            ),
            (
                json!({"observedGeneration": 3, "updatedReplicas": 2, "replicas": 3}),
                Rollout::Waiting("1 old pods of `coredns` are to go".into()),
            ),
            (
                json!({"observedGeneration": 3, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1}),
                Rollout::Waiting("1 of 2 new pods of `coredns` are available".into()),
            ),
            (
                json!({"observedGeneration": 3, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}),
                Rollout::Done("2 of 2 pods of `coredns` are available".into()),
            ),
            (
                json!({"observedGeneration": 3, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]}),
                Rollout::Failed("`coredns` exceeded its progress deadline: timed out".into()),
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(status(&deployment_with(&spec, &given), None), expected);
        }
    }

    #[test]
    fn an_old_status_says_nothing_about_our_own_patch() {
        let stale = deployment_with(
            &json!({"replicas": 1}),
            &json!({"observedGeneration": 3, "conditions": [
                {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}),
        );
        assert!(matches!(status(&stale, Some(4)), Rollout::Waiting(_)));
        assert!(matches!(status(&stale, Some(3)), Rollout::Failed(_)));
    }

    #[test]
    fn a_daemon_set_counts_nodes_and_none_is_enough() {
        let set = |status: Value| {
            json!({"kind": "DaemonSet", "metadata": {"name": "aws-node", "generation": 1},
                "spec": {"updateStrategy": {"type": "RollingUpdate"}}, "status": status})
        };
        let empty = set(json!({"observedGeneration": 1}));
        assert_eq!(
            status(&empty, None),
            Rollout::Done("0 of 0 pods of `aws-node` are available".into())
        );
        let pending = set(json!({"observedGeneration": 1, "desiredNumberScheduled": 2,
            "updatedNumberScheduled": 2, "numberAvailable": 1}));
        assert_eq!(
            status(&pending, None),
            Rollout::Waiting("1 of 2 pods of `aws-node` are available".into())
        );
        let mut on_delete = set(json!({"observedGeneration": 1}));
        on_delete["spec"]["updateStrategy"]["type"] = "OnDelete".into();
        assert!(matches!(status(&on_delete, None), Rollout::Failed(_)));
    }

    #[test]
    fn a_stateful_set_waits_for_its_revision_or_its_partition() {
        let set = |partition: i64, status: Value| {
            json!({"kind": "StatefulSet", "metadata": {"name": "db", "generation": 1},
                "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"partition": partition}}}, "status": status})
        };
        let moving = json!({"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 1,
            "updateRevision": "b", "currentRevision": "a"});
        assert_eq!(
            status(&set(0, moving.clone()), None),
            Rollout::Waiting("1 of 3 pods of `db` are of the new revision".into())
        );
        assert!(matches!(status(&set(2, moving), None), Rollout::Done(_)));
    }

    #[test]
    fn a_condition_about_an_old_generation_is_not_true() {
        let mut pool = json!({"metadata": {"generation": 2}, "status": {"conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 1}]}});
        assert!(!is_true(&pool, "Ready"));
        pool["status"]["conditions"][0]["observedGeneration"] = 2.into();
        assert!(is_true(&pool, "Ready"));
    }
}
