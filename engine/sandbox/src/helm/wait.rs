//! Waiting, in world time, until objects are as they should be, or gone.

use jiff::Timestamp;
use serde_json::Value;

use super::clock::WorldClock;
use super::cluster::Cluster;
use super::failure::Failure;
use super::objects::Identity;

/// Waits until all objects are ready.
pub(super) async fn until_ready(
    cluster: &mut Cluster,
    clock: &WorldClock,
    objects: &[Identity],
    deadline: Timestamp,
) -> Result<(), Failure> {
    loop {
        let mut missing = Vec::new();
        for identity in objects {
            let state = match cluster.find(identity).await? {
                Some(object) => missing_in(&object),
                None => Some("NotFound, message: Resource not found".to_owned()),
            };
            if let Some(state) = state {
                let Identity { kind, namespace, name, .. } = identity;
                missing
                    .push(format!("resource {kind}/{namespace}/{name} not ready. status: {state}"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if clock.pause(deadline).await? {
            missing.push("context deadline exceeded".to_owned());
            return Err(Failure::told(missing.join("\n")));
        }
    }
}

/// Waits until all objects are gone.
pub(super) async fn until_gone(
    cluster: &mut Cluster,
    clock: &WorldClock,
    objects: &[Identity],
    deadline: Timestamp,
) -> Result<(), Failure> {
    loop {
        let mut there = Vec::new();
        for identity in objects {
            // With its definition gone, there is no such kind and no such object either.
            let found = match cluster.find(identity).await {
                Err(Failure::Told(_)) => None,
                found => found?,
            };
            if found.is_some() {
                let Identity { kind, namespace, name, .. } = identity;
                there.push(format!("resource {kind}/{namespace}/{name} still exists"));
            }
        }
        if there.is_empty() {
            return Ok(());
        }
        if clock.pause(deadline).await? {
            there.push("context deadline exceeded".to_owned());
            return Err(Failure::told(there.join("\n")));
        }
    }
}

/// What an object lacks to be ready; none when nothing.
fn missing_in(object: &Value) -> Option<String> {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Some("Terminating, message: Resource scheduled for deletion".to_owned());
    }
    let message = match object["kind"].as_str() {
        Some("Deployment") => deployment(object),
        Some("CustomResourceDefinition") => {
            (!is_true(object, "Established")).then(|| "Definition is not established".to_owned())
        }
        _ => None,
    };
    message.map(|message| format!("InProgress, message: {message}"))
}

fn deployment(object: &Value) -> Option<String> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |value: &Value| value.as_i64().unwrap_or_default();
    let generation = count(&object["metadata"]["generation"]);
    if count(&status["observedGeneration"]) < generation {
        return Some(format!(
            "Deployment generation is {generation}, but latest observed generation is {}",
            count(&status["observedGeneration"])
        ));
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let updated = count(&status["updatedReplicas"]);
    if updated < wanted {
        return Some(format!("Updated: {updated}/{wanted}"));
    }
    let total = count(&status["replicas"]);
    if total > updated {
        return Some(format!("Pending termination: {}", total - updated));
    }
    let available = count(&status["availableReplicas"]);
    (available < wanted).then(|| format!("Available: {available}/{wanted}"))
}

fn is_true(object: &Value, kind: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == kind && one["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_ready_when_all_of_the_new_and_none_of_the_old_runs() {
        let mut object = json!({
            "kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2},
            "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 1},
        });
        let missing = |object: &Value| missing_in(object).unwrap_or_default();
        assert!(missing(&object).ends_with("but latest observed generation is 1"));
        object["status"]["observedGeneration"] = json!(2);
        assert_eq!(missing(&object), "InProgress, message: Updated: 1/2");
        object["status"]["updatedReplicas"] = json!(2);
        assert_eq!(missing(&object), "InProgress, message: Pending termination: 1");
        object["status"]["replicas"] = json!(2);
        assert_eq!(missing(&object), "InProgress, message: Available: 0/2");
        object["status"]["availableReplicas"] = json!(2);
        assert_eq!(missing_in(&object), None);
    }
}
