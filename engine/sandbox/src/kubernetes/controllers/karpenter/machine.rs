//! From a claim to a node: the machine starts, its kubelet joins, the node becomes ready.

use serde_json::{Value, json};

use super::{AWS_GROUP, GROUP, mark};
use crate::aws::{ec2, eks};
use crate::kubernetes::controllers::{Cluster, pods, set_condition};
use crate::kubernetes::object;
use crate::store::Transaction;
use crate::world::ids;

/// The machine is there.
pub(in crate::kubernetes::controllers) fn launched(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    name: &str,
) {
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
        "instanceType": object::label(&claim, "node.kubernetes.io/instance-type"), "launchTime": ec2::time(transaction.now()), "placement": {"availabilityZone": zone},
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
pub(in crate::kubernetes::controllers) fn registered(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    name: &str,
) {
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

pub(in crate::kubernetes::controllers) fn initialized(
    cluster: &Cluster<'_>,
    transaction: &mut Transaction<'_>,
    name: &str,
) {
    let Some(mut claim) = cluster.get(transaction, GROUP, "nodeclaims", name) else { return };
    let node = claim["status"]["nodeName"].as_str().unwrap_or_default();
    if let Some(mut node) = cluster.get(transaction, "", "nodes", node) {
        node["metadata"]["labels"]["karpenter.sh/initialized"] = json!("true");
        cluster.put(transaction, "", "nodes", node);
    }
    mark(cluster, transaction, &mut claim, &["Initialized", "Ready"]);
}
