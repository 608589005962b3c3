//! The meter: what was used, from when to when.
//!
//! After each change of the world, instances, NAT gateways, clusters and pods that appeared, changed
//! their tags or went are written down in the same transaction. What still runs is under [`OPEN`];
//! what has ended is under [`CLOSED`], named by its end, so that a bill reads only what its window
//! touches. A record is one packed text of some hundred bytes: a month with ten thousand short pods
//! is a few megabytes, and no object has to be kept for it.
//!
//! A Fargate pod uses from the beginning of its image pull until it is *gone*: completed ones go on
//! costing. A pod on an instance uses its requests from being bound until its containers ended.

use std::sync::Arc;

use runbook_capacity::quantity::Quantity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::tags::{self, Tags};
use crate::aws::{ec2, eks};
use crate::kubernetes;
use crate::store::{Key, Transaction};

/// What is used now, by identity.
const OPEN: &str = "billing/open";
/// What was used, by its end.
const CLOSED: &str = "billing/closed";
/// When the first thing was used.
const SINCE: &str = "billing/since";
/// GiB of the root volume of Karpenter's machines, unless their class says another size.
const ROOT_VOLUME: i64 = 20;

/// A use of something over some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Its first second.
    #[serde(rename = "f")]
    pub(crate) from: i64,
    /// The second in which it was over; none while it lasts.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<i64>,
    #[serde(rename = "w")]
    pub(crate) what: What,
    /// Tags, and since when it had them.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(i64, Tags)>,
}

/// What is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// An instance and its root volume.
    #[serde(rename = "i")]
    Instance {
        id: String,
        #[serde(rename = "ty")]
        instance_type: String,
        #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
        is_spot: bool,
        #[serde(rename = "z")]
        zone: String,
        #[serde(rename = "v")]
        volume_gib: i64,
    },
    /// A NAT gateway and its address.
    #[serde(rename = "n")]
    Nat { id: String, address: String },
    /// A cluster's control plane.
    #[serde(rename = "c")]
    Cluster { name: String },
    /// A pod on Fargate, with the size that is billed, in thousandths.
    #[serde(rename = "f")]
    Fargate {
        #[serde(rename = "p")]
        pod: Pod,
        #[serde(rename = "c")]
        vcpu: i64,
        #[serde(rename = "m")]
        gigabytes: i64,
    },
    /// A pod on an instance, with what it requests: thousandths of a vCPU, MiB.
    #[serde(rename = "p")]
    Pod {
        #[serde(rename = "p")]
        pod: Pod,
        #[serde(rename = "i")]
        instance: String,
        #[serde(rename = "c")]
        cpu: i64,
        #[serde(rename = "m")]
        mebibytes: i64,
        /// Kind and name of what it belongs to.
        #[serde(rename = "o")]
        owner: (String, String),
    },
}

/// A pod's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Pod {
    #[serde(rename = "c")]
    pub(crate) cluster: String,
    #[serde(rename = "n")]
    pub(crate) namespace: String,
    #[serde(rename = "p")]
    pub(crate) name: String,
    #[serde(rename = "u")]
    pub(crate) uid: String,
}

/// Writes down what this transaction began, changed and ended.
pub(crate) fn record(transaction: &mut Transaction<'_>) {
    let mut keys: Vec<Key> =
        transaction.written().iter().filter(|key| is_metered(key)).cloned().collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let before = transaction.committed(&key.collection, &key.name).map(|one| one.value.clone());
        let after = transaction.get(&key.collection, &key.name);
        let was = before.and_then(|value| identity(&key, &value));
        let is = after.as_ref().and_then(|value| identity(&key, value));
        if let Some(was) = was.filter(|was| is.as_ref() != Some(was)) {
            close(transaction, &was);
        }
        if let (Some(is), Some(value)) = (is, after) {
            open(transaction, &key, &is, &value);
        }
    }
}

fn is_metered(key: &Key) -> bool {
    matches!(&*key.collection, ec2::INSTANCES | ec2::NAT_GATEWAYS | eks::CLUSTERS)
        || cluster_of(key).is_some()
}

/// The cluster whose pod this is.
fn cluster_of(key: &Key) -> Option<&str> {
    key.collection.strip_prefix("kubernetes/")?.strip_suffix("/core/pods")
}

fn is_on_fargate(pod: &Value) -> bool {
    pod["spec"]["nodeName"].as_str().is_some_and(|node| node.starts_with("fargate-"))
}

/// The identity of what a document uses now, if it uses anything.
fn identity(key: &Key, value: &Value) -> Option<String> {
    let Some(cluster) = cluster_of(key) else {
        return Some(format!("{}/{}", key.collection, key.name));
    };
    let uid = value["metadata"]["uid"].as_str()?;
    value["spec"]["nodeName"].as_str()?;
    let uses = if is_on_fargate(value) {
        has_begun_pulling(value)
    } else {
        !matches!(value["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
    };
    uses.then(|| format!("pod/{cluster}/{uid}"))
}

/// A pod has its network, and its images are being pulled: what Fargate bills from.
fn has_begun_pulling(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|one| one["type"] == "PodReadyToStartContainers" && one["status"] == "True")
        || !matches!(pod["status"]["phase"].as_str(), None | Some("Pending"))
}

fn open(transaction: &mut Transaction<'_>, key: &Key, identity: &str, value: &Value) {
    let now = transaction.now().as_second();
    let tags = tags::from_map(&value["tags"]);
    if let Some(mut there) = transaction.get(OPEN, identity).and_then(|text| unpack(&text)) {
        let last = there.tags.last().map(|(_, tags)| tags.clone()).unwrap_or_default();
        if last != tags {
            there.tags.push((now, tags));
            transaction.put(OPEN, identity, pack(&there));
        }
        return;
    }
    let Some(what) = describe(transaction, key, value) else { return };
    if transaction.get(SINCE, SINCE).is_none() {
        transaction.put(SINCE, SINCE, json!(now));
    }
    let tags = if tags.is_empty() { Vec::new() } else { vec![(now, tags)] };
    transaction.put(OPEN, identity, pack(&Usage { from: now, to: None, what, tags }));
}

fn close(transaction: &mut Transaction<'_>, identity: &str) {
    let Some(mut usage) = transaction.get(OPEN, identity).and_then(|text| unpack(&text)) else {
        return;
    };
    transaction.delete(OPEN, identity);
    // A second that was begun counts.
    let now = transaction.now();
    usage.to = Some(now.as_second() + i64::from(now.subsec_nanosecond() > 0));
    put_closed(transaction, identity, &usage);
}

/// Files what has ended.
pub(crate) fn put_closed(transaction: &mut Transaction<'_>, identity: &str, usage: &Usage) {
    let end = usage.to.unwrap_or(usage.from);
    transaction.put(CLOSED, &format!("{end:012}/{identity}/{}", usage.from), pack(usage));
}

fn describe(transaction: &Transaction<'_>, key: &Key, value: &Value) -> Option<What> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match &*key.collection {
        ec2::INSTANCES => Some(What::Instance {
            id: key.name.to_string(),
            instance_type: text(&value["instanceType"]),
            is_spot: value["instanceLifecycle"] == "spot",
            zone: text(&value["placement"]["availabilityZone"]),
            volume_gib: root_volume_gib(transaction, &value["tags"]),
        }),
        ec2::NAT_GATEWAYS => Some(What::Nat {
            id: key.name.to_string(),
            address: text(&value["natGatewayAddressSet"][0]["allocationId"]),
        }),
        eks::CLUSTERS => Some(What::Cluster { name: key.name.to_string() }),
        _ => pod(transaction, cluster_of(key)?, value),
    }
}

/// GiB of the root volume of a machine with these tags.
pub(crate) fn root_volume_gib(transaction: &Transaction<'_>, tags: &Value) -> i64 {
    root_volume(transaction, tags).unwrap_or(ROOT_VOLUME)
}

/// The size that the machine's class gives its root volume.
fn root_volume(transaction: &Transaction<'_>, tags: &Value) -> Option<i64> {
    let cluster = tags["eks:eks-cluster-name"].as_str()?;
    let class = tags["karpenter.k8s.aws/ec2nodeclass"].as_str()?;
    let classes = kubernetes::collection(cluster, "karpenter.k8s.aws", "ec2nodeclasses");
    let class = transaction.get(&classes, class)?;
    let devices = class["spec"]["blockDeviceMappings"].as_array()?;
    let root = devices.iter().find(|one| one["rootVolume"] == true).or_else(|| devices.first())?;
    let size = Quantity::parse(root["ebs"]["volumeSize"].as_str()?).ok()?;
    Some(size.millis() / 1000 / (1 << 30))
}

fn pod(transaction: &Transaction<'_>, cluster: &str, value: &Value) -> Option<What> {
    let meta = &value["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pod = Pod {
        cluster: cluster.to_owned(),
        namespace: text(&meta["namespace"]),
        name: text(&meta["name"]),
        uid: text(&meta["uid"]),
    };
    if is_on_fargate(value) {
        let size = runbook_capacity::fargate::Size::from_annotation(
            meta["annotations"]["CapacityProvisioned"].as_str()?,
        )?;
        return Some(What::Fargate {
            pod,
            vcpu: thousandths(&size.vcpus())?,
            gigabytes: thousandths(&size.gibibytes())?,
        });
    }
    let node = value["spec"]["nodeName"].as_str()?;
    let node = transaction.get(&kubernetes::collection(cluster, "", "nodes"), node);
    let provider = node.as_ref().and_then(|node| node["spec"]["providerID"].as_str());
    let owner = &meta["ownerReferences"][0];
    Some(What::Pod {
        pod,
        instance: provider.and_then(|id| id.rsplit('/').next()).unwrap_or_default().to_owned(),
        cpu: kubernetes::request(value, "cpu"),
        mebibytes: kubernetes::request(value, "memory") / 1000 / (1 << 20),
        owner: workload(&text(&owner["kind"]), &text(&owner["name"]), meta),
    })
}

/// A replica set's pods belong to its deployment.
fn workload(kind: &str, name: &str, meta: &Value) -> (String, String) {
    let hash = meta["labels"]["pod-template-hash"].as_str().unwrap_or_default();
    let stem = name.strip_suffix(hash).and_then(|rest| rest.strip_suffix('-'));
    match stem.filter(|_| kind == "ReplicaSet" && !hash.is_empty()) {
        Some(deployment) => ("Deployment".to_owned(), deployment.to_owned()),
        None => (kind.to_owned(), name.to_owned()),
    }
}

/// `0.25` as 250.
fn thousandths(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: i64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    Some(whole.parse::<i64>().ok()? * 1000 + part)
}

fn pack(usage: &Usage) -> Value {
    json!(json!(usage).to_string())
}

fn unpack(value: &Value) -> Option<Usage> {
    serde_json::from_str(value.as_str()?).ok()
}

/// Every use that touches the time after `from`.
pub(crate) fn usages(transaction: &Transaction<'_>, from: i64) -> Vec<Usage> {
    // The minute that is billed at least, and the hour of a gateway, may reach into a window.
    let least = format!("{:012}", from.saturating_sub(super::HOUR).max(0));
    let read = |(_, value): (Arc<str>, Arc<Value>)| unpack(&value);
    let closed = transaction.list(CLOSED).into_iter().filter(|(name, _)| **name >= *least);
    closed.chain(transaction.list(OPEN)).filter_map(read).collect()
}

/// The second in which the account first used anything.
pub(crate) fn since(transaction: &Transaction<'_>) -> Option<i64> {
    transaction.get(SINCE, SINCE)?.as_i64()
}

/// The tag keys of everything that was ever used.
pub(crate) fn tag_keys(transaction: &Transaction<'_>) -> std::collections::BTreeSet<String> {
    let all = usages(transaction, 0).into_iter().flat_map(|usage| usage.tags);
    all.flat_map(|(_, tags)| tags.into_keys()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_replica_sets_are_their_deployments() {
        assert_eq!(thousandths("0.25"), Some(250));
        assert_eq!(thousandths("16"), Some(16_000));
        let meta = json!({"labels": {"pod-template-hash": "7f9c"}});
        let deployment = ("Deployment".to_owned(), "web".to_owned());
        assert_eq!(workload("ReplicaSet", "web-7f9c", &meta), deployment);
        let bare = ("ReplicaSet".to_owned(), "web-7f9c".to_owned());
        assert_eq!(workload("ReplicaSet", "web-7f9c", &json!({})), bare);
    }

    #[test]
    fn a_record_is_small_and_reads_back() {
        let usage = Usage {
            from: 1_790_000_000,
            to: Some(1_790_000_241),
            what: What::Pod {
                pod: Pod {
                    cluster: "myeks".to_owned(),
                    namespace: "reports".to_owned(),
                    name: "nightly-29843210-x7k2p".to_owned(),
                    uid: "0f3a9c2e-1111-4222-8333-444455556666".to_owned(),
                },
                instance: "i-0123456789abcdef0".to_owned(),
                cpu: 250,
                mebibytes: 256,
                owner: ("Job".to_owned(), "nightly-29843210".to_owned()),
            },
            tags: Vec::new(),
        };
        let packed = pack(&usage);
        assert!(packed.as_str().unwrap().len() < 300, "{packed}");
        assert_eq!(unpack(&packed), Some(usage));
    }
}
