//! What admission gives a new pod: the token of its service account, its priority, how long it bears
//! a node that does not answer; then Fargate's webhook.

use serde_json::{Value, json};

use super::controllers::admit_to_fargate;
use super::object;
use crate::store::Transaction;
use crate::world::{Context, ids};

/// Where containers find the token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Completes a pod that is about to be created.
pub(super) fn pod(
    context: &Context,
    transaction: &Transaction<'_>,
    cluster: &str,
    pod: &mut Value,
) {
    token(context, transaction, cluster, pod);
    let class = pod["spec"]["priorityClassName"].as_str().and_then(|class| {
        super::get(transaction, cluster, "scheduling.k8s.io", "priorityclasses", class)
    });
    let spec = &mut pod["spec"];
    let value = class.map_or_else(|| json!(0), |class| class["value"].clone());
    for (field, value) in [
        ("priority", value),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("enableServiceLinks", json!(true)),
    ] {
        if spec[field].is_null() {
            spec[field] = value;
        }
    }
    patience(spec);
    admit_to_fargate(transaction, cluster, pod);
}

fn token(context: &Context, transaction: &Transaction<'_>, cluster: &str, pod: &mut Value) {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let name = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default").to_owned();
    pod["spec"]["serviceAccountName"] = json!(name);
    pod["spec"]["serviceAccount"] = json!(name);
    let account =
        super::get(transaction, cluster, "", "serviceaccounts", &format!("{namespace}/{name}"));
    let refuses = |value: &Value| value["automountServiceAccountToken"] == false;
    if refuses(&pod["spec"]) || account.as_ref().is_some_and(refuses) {
        return;
    }
    let suffix = ids::suffix(context, &["token", cluster, &object::key(pod)], 5);
    let volume = format!("kube-api-access-{suffix}");
    let mount = json!({"mountPath": TOKEN, "name": volume, "readOnly": true});
    for list in ["containers", "initContainers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mounted = |one: &Value| one["mountPath"] == TOKEN;
            if !container["volumeMounts"].as_array().is_some_and(|all| all.iter().any(mounted)) {
                push(&mut container["volumeMounts"], mount.clone());
            }
        }
    }
    let field = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"fieldRef": field, "path": "namespace"}]}},
    ]);
    let projected = json!({"defaultMode": 420, "sources": sources});
    push(&mut pod["spec"]["volumes"], json!({"name": volume, "projected": projected}));
}

/// Five minutes, unless the pod says otherwise.
fn patience(spec: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let says = |one: &Value| {
            (one["key"] == key || one["key"].is_null())
                && (one["effect"] == "NoExecute" || one["effect"].is_null())
        };
        if !spec["tolerations"].as_array().is_some_and(|all| all.iter().any(says)) {
            let toleration = json!({"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300});
            push(&mut spec["tolerations"], toleration);
        }
    }
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}
