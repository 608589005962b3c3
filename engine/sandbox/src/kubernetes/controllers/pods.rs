//! What a kubelet does: pods that are bound start, pods that are deleted go.

use serde_json::{Value, json};

use super::super::object;
use super::{Cluster, set_condition};
use crate::store::Transaction;
use crate::world::ids;

/// Pods whose start is under way, with their UID.
const STARTING: &str = "sandbox/starting";

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for pod in cluster.see(transaction, "", "pods") {
        let bound = pod["spec"]["nodeName"].is_string()
            && pod["status"]["phase"] == "Pending"
            && !object::is_deleting(&pod)
            && pod["spec"]["schedulerName"] != "fargate-scheduler";
        if !bound {
            continue;
        }
        let (key, uid) = (object::key(&pod), pod["metadata"]["uid"].clone());
        let mark = format!("{}|{key}", cluster.name);
        if transaction.get(STARTING, &mark).is_some_and(|known| *known == uid) {
            continue;
        }
        transaction.put(STARTING, &mark, uid);
        let seconds = cluster.seconds("start", &key, 6, 6);
        cluster.schedule(transaction, seconds, "kubernetes.pod", &key);
        cluster.event(transaction, &pod, "Normal", "Pulling", "Pulling image", "kubelet");
    }
}

/// An address in the subnet of a zone, spread by name.
pub(super) fn address(
    cluster: &Cluster<'_>,
    transaction: &Transaction<'_>,
    subnet: &str,
    name: &str,
) -> String {
    let block = transaction
        .get(crate::aws::ec2::SUBNETS, subnet)
        .and_then(|subnet| subnet["cidrBlock"].as_str().map(str::to_owned))
        .unwrap_or_else(|| "192.168.11.0/24".to_owned());
    let base: Vec<u64> = block.split(['.', '/']).filter_map(|part| part.parse().ok()).collect();
    let bits = base.get(4).copied().unwrap_or(24).clamp(16, 28);
    let size = 1_u64 << (32 - bits);
    let start = base.iter().take(4).fold(0_u64, |number, part| number * 256 + part);
    let offset =
        4 + ids::below(cluster.context, &["address", cluster.name, subnet, name], size - 6);
    let number = start + offset;
    format!("{}.{}.{}.{}", number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255)
}

/// A bound pod runs and is ready.
pub(super) fn start(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    transaction.delete(STARTING, &format!("{}|{key}", cluster.name));
    let Some(mut pod) = cluster.get(transaction, "", "pods", key) else { return };
    if object::is_deleting(&pod) {
        return;
    }
    let node =
        cluster.get(transaction, "", "nodes", pod["spec"]["nodeName"].as_str().unwrap_or_default());
    let Some(node) = node else { return };
    let host = node["status"]["addresses"][0]["address"].clone();
    let is_on_fargate = pod["spec"]["schedulerName"] == "fargate-scheduler";
    let own = if pod["spec"]["hostNetwork"] == true || is_on_fargate {
        host.clone()
    } else if let Some(given) = pod["metadata"]["annotations"]["sandbox/address"].as_str() {
        json!(given)
    } else {
        let subnet =
            node["metadata"]["labels"]["sandbox/subnet"].as_str().unwrap_or_default().to_owned();
        json!(address(cluster, transaction, &subnet, key))
    };
    run(transaction, &mut pod, &host, &own);
    cluster.event(transaction, &pod, "Normal", "Started", "Started container", "kubelet");
    cluster.put(transaction, "", "pods", pod);
}

/// Writes the status of a running pod.
pub(super) fn run(transaction: &Transaction<'_>, pod: &mut Value, host: &Value, own: &Value) {
    let now = object::timestamp(transaction);
    let containers: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| json!({
            "name": container["name"], "image": container["image"], "imageID": container["image"], "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": now}}, "lastState": {},
        }))
        .collect();
    let status = &mut pod["status"];
    status["phase"] = json!("Running");
    status["hostIP"] = host.clone();
    status["podIP"] = own.clone();
    status["podIPs"] = json!([{"ip": own}]);
    if status["startTime"].is_null() {
        status["startTime"] = now.clone();
    }
    status["containerStatuses"] = json!(containers);
    for kind in
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    {
        set_condition(status, kind, true, "", "", &now);
    }
}

/// A deleted pod is gone; a Fargate pod takes its node along.
pub(super) fn gone(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    let Some(pod) = cluster.get(transaction, "", "pods", key) else { return };
    if !object::is_deleting(&pod) {
        return;
    }
    cluster.remove(transaction, "", "pods", key);
    if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|node| node.starts_with("fargate-"))
    {
        cluster.remove(transaction, "", "nodes", node);
    }
}
