//! Karpenter: node classes become ready, pods that fit nowhere get machines, empty machines go.
//!
//! It acts only while its own pods are ready. A batch of pods closes a second after the last one
//! came; they share one claim when one type holds them all, else each gets its own.

use runbook_capacity::allocatable::NodeSettings;
use runbook_capacity::launch::{self, Launch};
use runbook_capacity::node_requirement::{NodeRequirement, Operator};
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::quantity::{Bytes, Millicores};
use serde_json::{Value, json};

use super::super::{collection, object};
use super::{Cluster, is_true, leases, lifecycle, pods, scheduler, set_condition};
use crate::aws::{ec2, eks, iam};
use crate::store::Transaction;
use crate::world::ids;

const GROUP: &str = "karpenter.sh";
const AWS_GROUP: &str = "karpenter.k8s.aws";
/// Claims whose emptiness is being waited out.
const EMPTYING: &str = "sandbox/emptying";
/// Claims that are being terminated.
const TERMINATING: &str = "sandbox/terminating";
/// What keeps a claim until its machine is gone. Without a running Karpenter nobody takes it away.
const TERMINATION: &str = "karpenter.sh/termination";
/// What keeps a node class until no claim uses it.
const CLASS_TERMINATION: &str = "karpenter.k8s.aws/termination";
/// How long a machine takes to go.
const TERMINATION_SECONDS: i64 = 35;

/// Whether its controller runs.
fn is_running(cluster: &Cluster<'_>, transaction: &Transaction<'_>) -> bool {
    cluster.list(transaction, "apps", "deployments").iter().any(|one| {
        object::label(one, "app.kubernetes.io/name") == Some("karpenter")
            && one["status"]["readyReplicas"].as_i64().unwrap_or(0) > 0
    })
}

pub(super) fn react(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    leases::elect(cluster, transaction, "karpenter", "karpenter-leader-election");
    if transaction.list(&collection(cluster.name, AWS_GROUP, "ec2nodeclasses")).is_empty()
        || !is_running(cluster, transaction)
    {
        return;
    }
    terminate(cluster, transaction);
    for class in cluster.list(transaction, AWS_GROUP, "ec2nodeclasses") {
        if !release_class(cluster, transaction, &class) {
            reconcile_class(cluster, transaction, class);
        }
    }
    for pool in cluster.list(transaction, GROUP, "nodepools") {
        reconcile_pool(cluster, transaction, pool);
    }
    let waiting = cluster
        .list(transaction, "", "pods")
        .iter()
        .any(|pod| is_waiting(cluster, transaction, pod));
    if waiting && transaction.get("sandbox/batch", cluster.name).is_none() {
        transaction.put("sandbox/batch", cluster.name, json!(true));
        cluster.schedule(transaction, 1, "karpenter.batch", "batch");
    }
    watch_emptiness(cluster, transaction);
}

/// A pod that the default scheduler could not place and that no claim is meant for.
fn is_waiting(cluster: &Cluster<'_>, transaction: &Transaction<'_>, pod: &Value) -> bool {
    let unschedulable = pod["status"]["conditions"].as_array().into_iter().flatten().any(|one| {
        one["type"] == "PodScheduled"
            && one["status"] == "False"
            && one["reason"] == "Unschedulable"
    });
    let nominated = cluster.list(transaction, GROUP, "nodeclaims").iter().any(|claim| {
        claim["metadata"]["annotations"]["sandbox/pods"]
            .as_str()
            .is_some_and(|names| names.split(' ').any(|name| name == object::key(pod)))
    });
    unschedulable && !pod["spec"]["nodeName"].is_string() && !nominated && !object::is_deleting(pod)
}

/// Resources that some selector terms mean.
fn selected(
    transaction: &Transaction<'_>,
    collection: &str,
    terms: &Value,
) -> Vec<(String, Value)> {
    transaction
        .list(collection)
        .into_iter()
        .filter(|(id, value)| {
            terms.as_array().into_iter().flatten().any(|term| {
                let by_id = term["id"].as_str().is_some_and(|wanted| *wanted == **id);
                let tags = term["tags"].as_object();
                let by_tags = tags.is_some_and(|tags| {
                    tags.iter().all(|(key, wanted)| {
                        value["tags"].get(key).is_some_and(|value| wanted == "*" || value == wanted)
                    })
                });
                by_id || by_tags
            })
        })
        .map(|(id, value)| (id.to_string(), (*value).clone()))
        .collect()
}

fn reconcile_class(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut class: Value) {
    let spec = class["spec"].clone();
    let now = object::timestamp(transaction);
    let subnets = selected(transaction, ec2::SUBNETS, &spec["subnetSelectorTerms"]);
    let groups = selected(transaction, ec2::SECURITY_GROUPS, &spec["securityGroupSelectorTerms"]);
    let role = spec["role"].as_str().unwrap_or_default();
    let has_role =
        spec["instanceProfile"].is_string() || transaction.get(iam::ROLES, role).is_some();
    let images = spec["amiSelectorTerms"].as_array().cloned().unwrap_or_default();
    let mut status = if class["status"].is_object() { class["status"].clone() } else { json!({}) };
    status["subnets"] = subnets
        .iter()
        .map(|(id, subnet)| json!({"id": id, "zone": subnet["availabilityZone"]}))
        .collect();
    let keeper = json!(CLASS_TERMINATION);
    let kept = class["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&keeper));
    if !kept && !object::is_deleting(&class) {
        let mut finalizers =
            class["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.push(keeper);
        class["metadata"]["finalizers"] = json!(finalizers);
        cluster.put(transaction, AWS_GROUP, "ec2nodeclasses", class.clone());
    }
    status["securityGroups"] =
        groups.iter().map(|(id, group)| json!({"id": id, "name": group["groupName"]})).collect();
    status["instanceProfile"] = json!(format!(
        "{}_{}",
        cluster.name,
        ids::hex(cluster.context, &["profile", cluster.name, role], 12)
    ));
    let parts = [
        (
            "SubnetsReady",
            !subnets.is_empty(),
            "SubnetsNotFound",
            "SubnetSelector did not match any Subnets",
        ),
        (
            "SecurityGroupsReady",
            !groups.is_empty(),
            "SecurityGroupsNotFound",
            "SecurityGroupSelector did not match any SecurityGroups",
        ),
        ("AMIsReady", !images.is_empty(), "AMINotFound", "AMISelector did not match any AMIs"),
        ("InstanceProfileReady", has_role, "InstanceProfileNotReady", "the role does not exist"),
    ];
    let mut ready = true;
    for (kind, value, reason, message) in parts {
        let (reason, message) = if value { (kind, "") } else { (reason, message) };
        set_condition(&mut status, kind, value, reason, message, &now);
        ready &= value;
    }
    set_condition(
        &mut status,
        "ValidationSucceeded",
        ready,
        if ready { "ValidationSucceeded" } else { "DependenciesNotReady" },
        "",
        &now,
    );
    set_condition(
        &mut status,
        "Ready",
        ready,
        if ready { "Ready" } else { "UnhealthyDependents" },
        "",
        &now,
    );
    finish_status(cluster, transaction, AWS_GROUP, "ec2nodeclasses", &mut class, status);
}

/// Writes a status with its generation, when it changed.
fn finish_status(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    group: &str,
    plural: &str,
    object: &mut Value,
    mut status: Value,
) {
    let generation = object["metadata"]["generation"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["observedGeneration"] = generation.clone();
    }
    if object["status"] != status {
        object["status"] = status;
        cluster.put(transaction, group, plural, object.clone());
    }
}

fn reconcile_pool(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, mut pool: Value) {
    let now = object::timestamp(transaction);
    let class_name = pool["spec"]["template"]["spec"]["nodeClassRef"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let class = cluster.get(transaction, AWS_GROUP, "ec2nodeclasses", &class_name);
    let ready = class.as_ref().is_some_and(|class| is_true(class, "Ready"));
    let mut status = if pool["status"].is_object() { pool["status"].clone() } else { json!({}) };
    set_condition(
        &mut status,
        "NodeClassReady",
        ready,
        if ready { "NodeClassReady" } else { "NodeClassNotReady" },
        "",
        &now,
    );
    set_condition(&mut status, "ValidationSucceeded", true, "ValidationSucceeded", "", &now);
    set_condition(
        &mut status,
        "Ready",
        ready,
        if ready { "Ready" } else { "UnhealthyDependents" },
        "",
        &now,
    );
    let name = pool["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let claims: Vec<Value> = cluster
        .list(transaction, GROUP, "nodeclaims")
        .into_iter()
        .filter(|claim| object::label(claim, "karpenter.sh/nodepool") == Some(&name))
        .collect();
    let sum = |resource: &str| {
        claims
            .iter()
            .map(|claim| scheduler::millis(&claim["status"]["capacity"][resource]))
            .sum::<i64>()
    };
    status["resources"] = json!({"nodes": claims.len().to_string(), "cpu": format!("{}m", sum("cpu")), "memory": format!("{}", sum("memory") / 1000)});
    status["nodes"] = json!(claims.len());
    finish_status(cluster, transaction, GROUP, "nodepools", &mut pool, status);
}

/// The requirements of a pool as the catalogue understands them.
fn requirements(pool: &Value, pods: &[Value]) -> Vec<NodeRequirement> {
    let one = |key: &str, operator: &str, values: &Value| {
        let operator = match operator {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            _ => Operator::Lt,
        };
        let values: Vec<&str> =
            values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        NodeRequirement::new(key, operator, &values)
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<NodeRequirement> = pool["spec"]["template"]["spec"]["requirements"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| one(&text(&item["key"]), &text(&item["operator"]), &item["values"]))
        .collect();
    for pod in pods {
        for (key, value) in pod["spec"]["nodeSelector"].as_object().into_iter().flatten() {
            all.push(NodeRequirement::new(
                key,
                Operator::In,
                &[value.as_str().unwrap_or_default()],
            ));
        }
        let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"][0]["matchExpressions"];
        all.extend(
            terms
                .as_array()
                .into_iter()
                .flatten()
                .map(|item| one(&text(&item["key"]), &text(&item["operator"]), &item["values"])),
        );
    }
    all
}

/// A batch of pods has closed: machines are chosen.
pub(super) fn batch(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, _: &str) {
    transaction.delete("sandbox/batch", cluster.name);
    if !is_running(cluster, transaction) {
        return;
    }
    let all = cluster.list(transaction, "", "pods");
    let waiting: Vec<Value> =
        all.into_iter().filter(|pod| is_waiting(cluster, transaction, pod)).collect();
    let mut pools: Vec<Value> = cluster
        .list(transaction, GROUP, "nodepools")
        .into_iter()
        .filter(|pool| is_true(pool, "Ready") && !object::is_deleting(pool))
        .collect();
    pools.sort_by_key(|pool| {
        (
            std::cmp::Reverse(pool["spec"]["weight"].as_i64().unwrap_or(0)),
            std::cmp::Reverse(pool["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
        )
    });
    for pool in pools {
        let taints = json!({"spec": {"taints": pool["spec"]["template"]["spec"]["taints"]}});
        let mine: Vec<Value> = waiting
            .iter()
            .filter(|pod| {
                is_waiting(cluster, transaction, pod) && scheduler::tolerates(pod, &taints)
            })
            .cloned()
            .collect();
        if mine.is_empty() || claim(cluster, transaction, &pool, &mine) {
            continue;
        }
        for pod in &mine {
            if !claim(cluster, transaction, &pool, std::slice::from_ref(pod)) {
                let message = format!(
                    "Failed to schedule pod, incompatible with nodepool \"{}\", no instance type satisfied its resources and requirements",
                    pool["metadata"]["name"].as_str().unwrap_or_default()
                );
                cluster.event(
                    transaction,
                    pod,
                    "Warning",
                    "FailedScheduling",
                    &message,
                    "karpenter",
                );
            }
        }
    }
}

/// Makes a claim that holds some pods; whether one could be made.
fn claim(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    pool: &Value,
    pods: &[Value],
) -> bool {
    let class_name =
        pool["spec"]["template"]["spec"]["nodeClassRef"]["name"].as_str().unwrap_or_default();
    let Some(class) = cluster.get(transaction, AWS_GROUP, "ec2nodeclasses", class_name) else {
        return false;
    };
    let zones: Vec<String> = class["status"]["subnets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["zone"].as_str().map(str::to_owned))
        .collect();
    let daemons: Vec<Value> = cluster
        .list(transaction, "apps", "daemonsets")
        .into_iter()
        .map(|set| json!({"spec": set["spec"]["template"]["spec"]}))
        .collect();
    let total = |resource: &str| {
        pods.iter().chain(&daemons).map(|pod| scheduler::request(pod, resource)).sum::<i64>()
    };
    let requests = Resources::of(Millicores(total("cpu")), Bytes(total("memory") / 1000));
    let Ok(region) = cluster.context.region.parse() else { return false };
    let requirements = requirements(pool, pods);
    let settings = NodeSettings::default();
    let answer = launch::cheapest(&Launch {
        region,
        zones: &zones,
        requirements: &requirements,
        requests: &requests,
        pods: u32::try_from(pods.len() + daemons.len()).unwrap_or(u32::MAX),
        settings: &settings,
        prices: PriceBook::embedded(),
    });
    let Some(offering) = answer.offering else { return false };
    let Some(machine) = runbook_capacity::catalogue::instance_type(offering.instance_type) else {
        return false;
    };
    let limit = scheduler::millis(&pool["spec"]["limits"]["cpu"]);
    let used = scheduler::millis(&pool["status"]["resources"]["cpu"]);
    if limit > 0 && used + i64::from(machine.vcpus) * 1000 > limit {
        return false;
    }
    let pool_name = pool["metadata"]["name"].as_str().unwrap_or_default();
    let first = pods.first().map(object::key).unwrap_or_default();
    let name = format!(
        "{pool_name}-{}",
        ids::suffix(
            cluster.context,
            &["claim", cluster.name, pool_name, &first, &cluster.age(transaction)],
            5
        )
    );
    let keys: Vec<String> = pods.iter().map(object::key).collect();
    let capacity = json!({"cpu": machine.vcpus.to_string(), "memory": format!("{}", machine.memory.0), "pods": offering.allocatable.pods.to_string()});
    let allocatable = json!({"cpu": format!("{}m", offering.allocatable.cpu.0), "memory": format!("{}", offering.allocatable.memory.0), "pods": offering.allocatable.pods.to_string()});
    let made = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {
            "name": name, "generateName": format!("{pool_name}-"), "ownerReferences": [object::reference(pool)],
            "finalizers": [TERMINATION],
            "labels": {
                "karpenter.sh/nodepool": pool_name, "karpenter.sh/capacity-type": offering.capacity_type.label(), "node.kubernetes.io/instance-type": offering.instance_type,
                "topology.kubernetes.io/zone": offering.zone, "topology.kubernetes.io/region": cluster.context.region, "kubernetes.io/arch": machine.architecture.kubernetes().unwrap_or("amd64"), "kubernetes.io/os": "linux",
                "karpenter.k8s.aws/instance-category": machine.category(), "karpenter.k8s.aws/instance-family": machine.family(), "karpenter.k8s.aws/instance-size": machine.size(),
                "karpenter.k8s.aws/instance-generation": machine.generation(), "karpenter.k8s.aws/ec2nodeclass": class_name,
            },
            "annotations": {"sandbox/pods": keys.join(" "), "compatibility.karpenter.sh/v1beta1-nodeclass-reference": ""},
        },
        "spec": {
            "nodeClassRef": pool["spec"]["template"]["spec"]["nodeClassRef"], "requirements": pool["spec"]["template"]["spec"]["requirements"],
            "taints": pool["spec"]["template"]["spec"]["taints"], "expireAfter": pool["spec"]["template"]["spec"]["expireAfter"].as_str().unwrap_or("720h"),
            "resources": {"requests": {"cpu": format!("{}m", total("cpu")), "memory": (total("memory") / 1000).to_string(), "pods": pods.len().to_string()}},
        },
        "status": {"capacity": capacity, "allocatable": allocatable, "conditions": []},
    });
    cluster.put(transaction, GROUP, "nodeclaims", made);
    for pod in pods {
        cluster.event(
            transaction,
            pod,
            "Normal",
            "Nominated",
            &format!("Pod should schedule on: nodeclaim/{name}"),
            "karpenter",
        );
    }
    cluster.schedule(transaction, 3, "karpenter.launched", &name);
    true
}

fn mark(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    claim: &mut Value,
    kinds: &[&str],
) {
    let now = object::timestamp(transaction);
    let mut status = claim["status"].clone();
    for kind in kinds {
        set_condition(&mut status, kind, true, kind, "", &now);
    }
    finish_status(cluster, transaction, GROUP, "nodeclaims", claim, status);
}

/// The machine is there.
pub(super) fn launched(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, name: &str) {
    let Some(mut claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    let class_name = claim["spec"]["nodeClassRef"]["name"].as_str().unwrap_or_default();
    let Some(class) = cluster.get(transaction, AWS_GROUP, "ec2nodeclasses", class_name) else {
        return;
    };
    let zone = object::label(&claim, "topology.kubernetes.io/zone").unwrap_or_default().to_owned();
    let subnet = class["status"]["subnets"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["zone"] == zone)
        .and_then(|one| one["id"].as_str())
        .unwrap_or_default()
        .to_owned();
    let id = ids::ec2(cluster.context, "i", &format!("{}/{name}", cluster.name));
    let address = pods::address(cluster, transaction, &subnet, &id);
    let mut tags = class["spec"]["tags"].as_object().cloned().unwrap_or_default();
    let pool = object::label(&claim, "karpenter.sh/nodepool").unwrap_or_default().to_owned();
    for (key, value) in [
        ("Name".to_owned(), format!("{pool}/{name}")),
        (format!("kubernetes.io/cluster/{}", cluster.name), "owned".to_owned()),
        ("karpenter.sh/nodepool".to_owned(), pool),
        ("karpenter.sh/nodeclaim".to_owned(), name.to_owned()),
        ("karpenter.k8s.aws/ec2nodeclass".to_owned(), class_name.to_owned()),
        ("eks:eks-cluster-name".to_owned(), cluster.name.to_owned()),
    ] {
        tags.insert(key, json!(value));
    }
    let spot = object::label(&claim, "karpenter.sh/capacity-type") == Some("spot");
    let instance = json!({
        "instanceId": id, "imageId": ids::ec2(cluster.context, "ami", "al2023"), "instanceState": {"code": 16, "name": "running"}, "privateIpAddress": address,
        "privateDnsName": format!("ip-{}.{}.compute.internal", address.replace('.', "-"), cluster.context.region),
        "instanceType": object::label(&claim, "node.kubernetes.io/instance-type"), "launchTime": transaction.now().to_string(), "placement": {"availabilityZone": zone},
        "subnetId": subnet, "instanceLifecycle": if spot { json!("spot") } else { Value::Null }, "architecture": if object::label(&claim, "kubernetes.io/arch") == Some("arm64") { "arm64" } else { "x86_64" },
        "reservationId": ids::ec2(cluster.context, "r", &id), "ownerId": cluster.context.account, "tags": tags,
    });
    transaction.put(ec2::INSTANCES, &id, instance);
    claim["status"]["providerID"] = json!(format!("aws:///{zone}/{id}"));
    claim["status"]["imageID"] = json!(ids::ec2(cluster.context, "ami", "al2023"));
    mark(cluster, transaction, &mut claim, &["Launched"]);
    let seconds = cluster.seconds("register", name, 35, 15);
    cluster.schedule(transaction, seconds, "karpenter.registered", name);
}

/// The kubelet has joined, if the node role may.
pub(super) fn registered(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, name: &str) {
    let Some(mut claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    let class_name = claim["spec"]["nodeClassRef"]["name"].as_str().unwrap_or_default();
    let class =
        cluster.get(transaction, AWS_GROUP, "ec2nodeclasses", class_name).unwrap_or_default();
    let role = format!(
        "arn:aws:iam::{}:role/{}",
        cluster.context.account,
        class["spec"]["role"].as_str().unwrap_or_default()
    );
    if !eks::access::has_type(transaction, cluster.name, &role, "EC2_LINUX") {
        // The kubelet is turned away and tries again.
        cluster.schedule(transaction, 30, "karpenter.registered", name);
        return;
    }
    let provider = claim["status"]["providerID"].as_str().unwrap_or_default().to_owned();
    let id = provider.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(instance) = transaction.get(ec2::INSTANCES, &id) else { return };
    let node_name = instance["privateDnsName"].as_str().unwrap_or_default().to_owned();
    let version = transaction
        .get("eks/cluster", cluster.name)
        .and_then(|cluster| cluster["version"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let mut labels = claim["metadata"]["labels"].clone();
    labels["kubernetes.io/hostname"] = json!(node_name);
    labels["sandbox/subnet"] = instance["subnetId"].clone();
    labels["karpenter.sh/registered"] = json!("true");
    let now = object::timestamp(transaction);
    let architecture = object::label(&claim, "kubernetes.io/arch").unwrap_or("amd64").to_owned();
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node_name, "labels": labels, "ownerReferences": [object::reference(&claim)]},
        "spec": {"providerID": provider, "taints": claim["spec"]["taints"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": instance["privateIpAddress"]}, {"type": "Hostname", "address": node_name}],
            "capacity": claim["status"]["capacity"], "allocatable": claim["status"]["allocatable"],
            "nodeInfo": {
                "kubeletVersion": format!("v{version}.1-eks-sandbox"), "osImage": "Amazon Linux 2023.9.20251105", "kernelVersion": "6.12.53-69.119.amzn2023", "containerRuntimeVersion": "containerd://2.1.4",
                "architecture": architecture, "operatingSystem": "linux", "bootID": "", "machineID": "", "systemUUID": "", "kubeProxyVersion": "",
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
    claim["status"]["nodeName"] = json!(node_name);
    mark(cluster, transaction, &mut claim, &["Registered"]);
    cluster.schedule(transaction, 10, "karpenter.initialized", name);
}

pub(super) fn initialized(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, name: &str) {
    let Some(mut claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    mark(cluster, transaction, &mut claim, &["Initialized", "Ready"]);
}

/// Pods that keep a node from being empty.
fn occupants(cluster: &Cluster<'_>, transaction: &Transaction<'_>, claim: &Value) -> usize {
    let node = &claim["status"]["nodeName"];
    cluster
        .list(transaction, "", "pods")
        .iter()
        .filter(|pod| {
            pod["spec"]["nodeName"] == *node
                && object::owner(pod, "DaemonSet").is_none()
                && pod["status"]["phase"] != "Succeeded"
        })
        .count()
}

/// Empty nodes are watched for as long as their pool says.
fn watch_emptiness(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for claim in cluster.list(transaction, GROUP, "nodeclaims") {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let is_empty = is_true(&claim, "Initialized")
            && !object::is_deleting(&claim)
            && occupants(cluster, transaction, &claim) == 0;
        let key = format!("{}/{name}", cluster.name);
        if !is_empty {
            transaction.delete(EMPTYING, &key);
            continue;
        }
        if transaction.get(EMPTYING, &key).is_none() {
            let since = transaction.now().to_string();
            transaction.put(EMPTYING, &key, json!(since));
            let seconds = consolidate_after(cluster, transaction, &claim);
            cluster.schedule(transaction, seconds + 15, "karpenter.empty", &name);
        }
    }
}

fn consolidate_after(cluster: &Cluster<'_>, transaction: &Transaction<'_>, claim: &Value) -> i64 {
    let pool = object::label(claim, "karpenter.sh/nodepool")
        .and_then(|pool| cluster.get(transaction, GROUP, "nodepools", pool))
        .unwrap_or_default();
    let text = pool["spec"]["disruption"]["consolidateAfter"].as_str().unwrap_or("0s");
    let (digits, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    digits.parse::<i64>().unwrap_or(0) * factor
}

/// A node was empty long enough: its claim, itself and its machine go.
pub(super) fn empty(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, name: &str) {
    let Some(claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    let key = format!("{}/{name}", cluster.name);
    let Some(since) = transaction.get(EMPTYING, &key) else { return };
    let since: Option<jiff::Timestamp> = since.as_str().and_then(|text| text.parse().ok());
    let waited = since.map_or(0, |since| transaction.now().duration_since(since).as_secs());
    if waited < consolidate_after(cluster, transaction, &claim)
        || occupants(cluster, transaction, &claim) > 0
    {
        return;
    }
    transaction.delete(EMPTYING, &key);
    lifecycle::delete(cluster.context, transaction, cluster.name, GROUP, "nodeclaims", name, None);
}

/// Drains the nodes of claims that are being deleted; their machines go a moment later.
fn terminate(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>) {
    for claim in cluster.list(transaction, GROUP, "nodeclaims") {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = format!("{}/{name}", cluster.name);
        if !object::is_deleting(&claim) || transaction.get(TERMINATING, &key).is_some() {
            continue;
        }
        transaction.put(TERMINATING, &key, json!(true));
        cluster.schedule(transaction, TERMINATION_SECONDS, "karpenter.terminated", &name);
        let node = claim["status"]["nodeName"].as_str().unwrap_or_default().to_owned();
        if let Some(mut cordoned) = cluster.get(transaction, "", "nodes", &node) {
            cordoned["spec"]["unschedulable"] = json!(true);
            cluster.put(transaction, "", "nodes", cordoned);
        }
        for pod in pods_on(cluster, transaction, &node) {
            if object::owner(&pod, "DaemonSet").is_none() {
                let key = object::key(&pod);
                lifecycle::delete(
                    cluster.context,
                    transaction,
                    cluster.name,
                    "",
                    "pods",
                    &key,
                    None,
                );
            }
        }
    }
}

fn pods_on(cluster: &Cluster<'_>, transaction: &Transaction<'_>, node: &str) -> Vec<Value> {
    let all = cluster.list(transaction, "", "pods");
    all.into_iter().filter(|pod| !node.is_empty() && pod["spec"]["nodeName"] == node).collect()
}

/// The machine of a deleted claim is gone: so are its node, what ran on it, and the claim.
pub(super) fn terminated(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, name: &str) {
    let key = format!("{}/{name}", cluster.name);
    transaction.delete(TERMINATING, &key);
    let Some(claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    if !is_running(cluster, transaction) {
        // The next Karpenter begins again.
        return;
    }
    let provider = claim["status"]["providerID"].as_str().unwrap_or_default();
    if let Some(id) = provider.rsplit('/').next().filter(|id| !id.is_empty()) {
        transaction.delete(ec2::INSTANCES, id);
    }
    let node = claim["status"]["nodeName"].as_str().unwrap_or_default();
    for pod in pods_on(cluster, transaction, node) {
        cluster.remove(transaction, "", "pods", &object::key(&pod));
    }
    if !node.is_empty() {
        cluster.remove(transaction, "", "nodes", node);
    }
    cluster.remove(transaction, GROUP, "nodeclaims", name);
}

/// Lets a deleted node class go once no claim uses it; whether it is gone.
fn release_class(cluster: &Cluster<'_>, transaction: &mut Transaction<'_>, class: &Value) -> bool {
    let name = class["metadata"]["name"].as_str().unwrap_or_default();
    let is_used = cluster
        .list(transaction, GROUP, "nodeclaims")
        .iter()
        .any(|claim| claim["spec"]["nodeClassRef"]["name"] == name);
    if is_used || !object::is_deleting(class) {
        return false;
    }
    cluster.remove(transaction, AWS_GROUP, "ec2nodeclasses", name);
    true
}
