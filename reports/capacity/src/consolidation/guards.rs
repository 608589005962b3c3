//! What forbids disruption, read from an inventory: annotations of nodes, static pods, budgets.

use serde_json::Value;

use super::question::{Guards, PodDisruptionBudget};
use crate::manifest::{Object, Problem, inventory_objects};
use crate::pod::LabelSelector;

/// Reads it from the text that [`crate::manifest::read_existing`] reads; every problem is reported. A
/// budget without a status is taken by its specification: it allows none to go when it says that all
/// must stay, and one otherwise.
pub fn read_guards(source_name: &str, text: &str) -> Result<Guards, Vec<Problem>> {
    let objects = inventory_objects(source_name, text).map_err(|problem| vec![problem])?;
    let mut guards = Guards::default();
    let mut problems = Vec::new();
    for object in &objects {
        match object.kind() {
            "Node" if is_protected(object) => {
                guards.protected_nodes.extend(object.text("/metadata/name").map(str::to_owned));
            }
            "Pod" if is_static(object) => {
                let namespace = object.text("/metadata/namespace").unwrap_or("default");
                let name = object.text("/metadata/name").unwrap_or_default();
                guards.static_pods.insert((namespace.to_owned(), name.to_owned()));
            }
            "PodDisruptionBudget" => match budget(object) {
                Ok(budget) => guards.budgets.push(budget),
                Err(why) => problems.push(Problem::of_object(source_name, &object.label(), why)),
            },
            _ => {}
        }
    }
    if problems.is_empty() { Ok(guards) } else { Err(problems) }
}

fn is_protected(object: &Object) -> bool {
    let annotations = object.fields.pointer("/metadata/annotations");
    annotations.and_then(|all| all.get("karpenter.sh/do-not-disrupt")).and_then(Value::as_str)
        == Some("true")
}

/// A pod that belongs to its node.
fn is_static(object: &Object) -> bool {
    let owners = object.fields.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| {
        owners.iter().any(|owner| owner.get("kind").and_then(Value::as_str) == Some("Node"))
    })
}

fn budget(object: &Object) -> Result<PodDisruptionBudget, String> {
    let selector: Option<LabelSelector> = object.read("/spec/selector")?;
    let name = object.text("/metadata/name").ok_or("it has no name")?.to_owned();
    let spec = |field: &str| object.fields.pointer(&format!("/spec/{field}"));
    let all_stay = matches!(spec("maxUnavailable"), Some(Value::Number(number)) if number.as_i64() == Some(0))
        || spec("maxUnavailable").and_then(Value::as_str) == Some("0%")
        || spec("minAvailable").and_then(Value::as_str) == Some("100%");
    let status = object.fields.pointer("/status/disruptionsAllowed").and_then(Value::as_i64);
    Ok(PodDisruptionBudget {
        namespace: object.text("/metadata/namespace").unwrap_or("default").to_owned(),
        name,
        selector,
        disruptions_allowed: status.unwrap_or(i64::from(!all_stay)),
    })
}
