//! Fargate: a webhook that marks pods when they are created, and a scheduler that tries each once.

use runbook_capacity::fargate::{self, Size};
use runbook_capacity::pod_resources::{ContainerResources, PodResources, Resources};
use runbook_capacity::quantity::{Bytes, Millicores};
use serde_json::{Value, json};

use super::super::{object, selector};
use super::{Cluster, pods, scheduler, set_condition};
use crate::aws::{ec2, eks};
use crate::store::Transaction;

/// Pods that were tried, with their UID.
const TRIED: &str = "sandbox/fargate-tried";

/// The mutating webhook: acts at creation only. The first matching profile by name wins.
pub(crate) fn admit(transaction: &Transaction<'_>, cluster: &str, pod: &mut Value) {
    if pod["spec"]["nodeName"].is_string() {
        return;
    }
    let Some((name, _)) = profile_for(transaction, cluster, pod) else { return };
    pod["spec"]["schedulerName"] = json!("fargate-scheduler");
    pod["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] = json!(name);
    pod["spec"]["priorityClassName"] = json!("system-node-critical");
    pod["spec"]["priority"] = json!(2_000_001_000_i64);
}

fn profile_for(
    transaction: &Transaction<'_>,
    cluster: &str,
    pod: &Value,
) -> Option<(String, Value)> {
    let prefix = format!("{cluster}/");
    let asked = object::label(pod, "eks.amazonaws.com/fargate-profile");
    let mut matching: Vec<(String, Value)> = transaction
        .list(eks::PROFILES)
        .into_iter()
        .filter_map(|(key, profile)| {
            Some((key.strip_prefix(&prefix)?.to_owned(), (*profile).clone()))
        })
        .filter(|(_, profile)| profile["status"] == "ACTIVE" && matches(profile, pod))
        .collect();
    matching.sort_by(|left, right| left.0.cmp(&right.0));
    let position =
        asked.and_then(|asked| matching.iter().position(|(name, _)| name == asked)).unwrap_or(0);
    (position < matching.len()).then(|| matching.swap_remove(position))
}

fn matches(profile: &Value, pod: &Value) -> bool {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    profile["selectors"].as_array().into_iter().flatten().any(|one| {
        let here = one["namespace"].as_str().is_some_and(|pattern| wildcard(pattern, namespace));
        here && one["labels"].as_object().into_iter().flatten().all(|(key, pattern)| {
            object::label(pod, key)
                .is_some_and(|value| wildcard(pattern.as_str().unwrap_or_default(), value))
        })
    })
}

fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| wildcard(rest, &text[at..]))
        }
        Some(first) => match text.chars().next() {
            Some(one) if first == '?' || first == one => {
                wildcard(&pattern[first.len_utf8()..], &text[one.len_utf8()..])
            }
            _ => false,
        },
    }
}

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for pod in cluster.see(transaction, "", "pods") {
        let mine = pod["spec"]["schedulerName"] == "fargate-scheduler"
            && !pod["spec"]["nodeName"].is_string();
        if !mine || object::is_deleting(&pod) {
            continue;
        }
        let (key, uid) = (object::key(&pod), pod["metadata"]["uid"].clone());
        let mark = format!("{}|{key}", cluster.name);
        if transaction.get(TRIED, &mark).is_some_and(|known| *known == uid) {
            continue;
        }
        transaction.put(TRIED, &mark, uid);
        let seconds = cluster.seconds("fargate", &key, 45, 40);
        let (network, images) = start_seconds(cluster, &key);
        cluster.schedule(transaction, seconds - network - images, "fargate.pod", &key);
    }
}

/// How long a placed pod waits for its network, and then for its images.
fn start_seconds(cluster: &Cluster<'_>, key: &str) -> (i64, i64) {
    (cluster.seconds("network", key, 2, 3), cluster.seconds("images", key, 6, 9))
}

/// The network of a placed pod is there: its images are pulled. Fargate bills from here.
pub(super) fn pull(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    let Some(mut pod) = cluster.get(transaction, "", "pods", key) else { return };
    if object::is_deleting(&pod) || pod["status"]["phase"] != "Pending" {
        return;
    }
    let now = object::timestamp(transaction);
    set_condition(&mut pod["status"], "PodReadyToStartContainers", true, "", "", &now);
    pod["status"]["startTime"] = now;
    cluster.event(transaction, &pod, "Normal", "Pulling", "Pulling image", "kubelet");
    cluster.put(transaction, "", "pods", pod);
    cluster.schedule(transaction, start_seconds(cluster, key).1, "kubernetes.pod", key);
}

fn sized(pod: &Value) -> Result<Size, String> {
    let resources = |container: &Value| {
        let amount =
            |list: &str, name: &str| scheduler::millis(&container["resources"][list][name]);
        let cpu = amount("requests", "cpu").max(0);
        let memory = amount("requests", "memory").max(0) / 1000;
        ContainerResources::requesting(
            container["name"].as_str().unwrap_or_default(),
            Resources::of(Millicores(cpu), Bytes(memory)),
        )
    };
    let list =
        |name: &str| pod["spec"][name].as_array().into_iter().flatten().map(resources).collect();
    let figures = PodResources {
        containers: list("containers"),
        init_containers: list("initContainers"),
        ..PodResources::default()
    };
    fargate::size(&figures).map(|sized| sized.size).map_err(|error| error.to_string())
}

/// Why a pod cannot run on Fargate at all.
fn unsupported(pod: &Value) -> Option<&'static str> {
    let spec = &pod["spec"];
    let containers = || spec["containers"].as_array().into_iter().flatten();
    if spec["hostNetwork"] == true {
        return Some("hostNetwork is not supported");
    }
    if containers().any(|one| one["securityContext"]["privileged"] == true) {
        return Some("invalid SecurityContext fields: Privileged");
    }
    if containers().any(|one| {
        one["ports"].as_array().into_iter().flatten().any(|port| !port["hostPort"].is_null())
    }) {
        return Some("port HostPort is not supported");
    }
    None
}

/// The scheduler's one try.
pub(super) fn schedule(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, key: &str) {
    let Some(pod) = cluster.get(transaction, "", "pods", key) else { return };
    if object::is_deleting(&pod) {
        return;
    }
    let (size, profile) = match fitting(cluster, transaction, &pod) {
        Ok(fitting) => fitting,
        Err(why) => return refuse(cluster, transaction, pod, &why),
    };
    if let Some(subnet) = subnet_for(cluster, transaction, &profile, &pod) {
        place(cluster, transaction, key, pod, size, &subnet);
    }
}

/// The size that a pod gets, and the profile that it runs under.
fn fitting(
    cluster: &Cluster<'_>,
    transaction: &Transaction<'_>,
    pod: &Value,
) -> Result<(Size, Value), String> {
    let Some((_, profile)) = profile_for(transaction, cluster.name, pod) else {
        return Err("Misconfigured Fargate Profile: fargate profile not found".to_owned());
    };
    let role = profile["podExecutionRoleArn"].as_str().unwrap_or_default();
    if !eks::access::has_type(transaction, cluster.name, role, "FARGATE_LINUX") {
        return Err("Misconfigured Fargate Profile: fargate profile blocked for new launches due to: Pod execution role is not found in auth config or does not have all required permissions for launching fargate pods.".to_owned());
    }
    if let Some(why) = unsupported(pod) {
        return Err(format!("Pod not supported on Fargate: {why}"));
    }
    let size = sized(pod).map_err(|why| {
        format!("Your pod's cpu/memory requirements exceed the max Fargate configuration: {why}")
    })?;
    Ok((size, profile))
}

/// Spread over the profile's zones: the subnet with the fewest pods of the same owner, then of all.
fn subnet_for(
    cluster: &Cluster<'_>,
    transaction: &Transaction<'_>,
    profile: &Value,
    pod: &Value,
) -> Option<String> {
    let nodes = cluster.list(transaction, "", "nodes");
    let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
    let siblings: Vec<_> = cluster
        .see(transaction, "", "pods")
        .into_iter()
        .filter(|one| {
            one["metadata"]["ownerReferences"][0]["uid"] == *owner
                && one["spec"]["nodeName"].is_string()
        })
        .collect();
    let used = |subnet: &str| {
        let of = |node: &&Value| node["metadata"]["labels"]["sandbox/subnet"] == subnet;
        let near = nodes
            .iter()
            .filter(of)
            .filter(|node| {
                siblings.iter().any(|pod| pod["spec"]["nodeName"] == node["metadata"]["name"])
            })
            .count();
        (near, nodes.iter().filter(of).count())
    };
    let subnets = profile["subnets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    subnets.min_by_key(|subnet| (used(subnet), (*subnet).to_owned())).map(str::to_owned)
}

/// Makes the pod a node of its own, on which it starts.
fn place(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    key: &str,
    mut pod: Value,
    size: Size,
    subnet: &str,
) {
    let address = pods::address(cluster, transaction, subnet, key);
    let node = make_node(cluster, transaction, subnet, &address);
    pod["spec"]["nodeName"] = json!(node);
    pod["metadata"]["annotations"]["CapacityProvisioned"] =
        json!(format!("{}vCPU {}GB", size.vcpus(), size.gibibytes()));
    pod["metadata"]["annotations"]["Logging"] =
        json!("LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND");
    cluster.event(transaction, &pod, "Warning", "LoggingDisabled", "Disabled logging because aws-logging configmap was not found. configmap \"aws-logging\" not found", "fargate-scheduler");
    let assigned = format!("Successfully assigned {key} to {node}");
    cluster.event(transaction, &pod, "Normal", "Scheduled", &assigned, "fargate-scheduler");
    let now = object::timestamp(transaction);
    set_condition(&mut pod["status"], "PodScheduled", true, "", "", &now);
    pod["status"]["hostIP"] = json!(address);
    cluster.put(transaction, "", "pods", pod);
    transaction.delete(TRIED, &format!("{}|{key}", cluster.name));
    cluster.schedule(transaction, start_seconds(cluster, key).0, "fargate.pull", key);
}

fn refuse(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut pod: Value, message: &str) {
    let now = object::timestamp(transaction);
    set_condition(&mut pod["status"], "PodScheduled", false, "FailedScheduling", message, &now);
    cluster.event(transaction, &pod, "Warning", "FailedScheduling", message, "fargate-scheduler");
    cluster.put(transaction, "", "pods", pod);
}

fn make_node(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    subnet: &str,
    address: &str,
) -> String {
    let region = &cluster.context.region;
    let domain = if region == "us-east-1" {
        "ec2.internal".to_owned()
    } else {
        format!("{region}.compute.internal")
    };
    let name = format!("fargate-ip-{}.{domain}", address.replace('.', "-"));
    let zone = transaction
        .get(ec2::SUBNETS, subnet)
        .and_then(|subnet| subnet["availabilityZone"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let version = transaction
        .get("eks/cluster", cluster.name)
        .and_then(|cluster| cluster["version"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let now = object::timestamp(transaction);
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "eks.amazonaws.com/compute-type": "fargate", "topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": region,
            "failure-domain.beta.kubernetes.io/zone": zone, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name, "sandbox/subnet": subnet,
        }},
        "spec": {"providerID": format!("aws:///{zone}/{}/{name}", cluster.name), "taints": [{"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "capacity": {"cpu": "2", "memory": "3977148Ki", "pods": "1"}, "allocatable": {"cpu": "2", "memory": "3874748Ki", "pods": "1"},
            "nodeInfo": {
                "kubeletVersion": format!("v{version}.1-eks-sandbox"), "osImage": "Amazon Linux 2", "kernelVersion": "5.10.240-238.955.amzn2.x86_64", "containerRuntimeVersion": "containerd://1.7.27",
                "architecture": "amd64", "operatingSystem": "linux", "bootID": "", "machineID": "", "systemUUID": "", "kubeProxyVersion": "",
            },
            "conditions": [],
        },
    });
    set_condition(
        &mut node["status"],
        "Ready",
        true,
        "KubeletReady",
        "kubelet is posting ready status",
        &now,
    );
    cluster.put(transaction, "", "nodes", node);
    name
}

/// Whether a selector of a set matches a pod: used by the disruption budgets.
pub(super) fn set_matches(pod: &Value, set: &Value) -> bool {
    selector::matches(pod, set)
}
