//! Questions for a packer: pods, node pools, daemonsets, instance types.
//!
//! A case is a function of its number. Its kind says which constraint it is about; sizes are
//! drawn so that most answers have 13 to 60 claims, where the order of Go's unstable sort shows,
//! and some have up to 2,000 pods.

mod constraints;
mod instance_types;

use serde_json::{Value, json};

use crate::random::Random;
use constraints::Constrain;

/// How many cases there are.
pub const COUNT: usize = 375;

/// What a case is about.
pub const KINDS: [&str; 15] = [
    "generic",
    "architectures",
    "zone-spread",
    "hostname-spread",
    "affinity",
    "anti-affinity",
    "taints",
    "preferences",
    "daemonsets",
    "host-ports",
    "pools",
    "limits",
    "min-values",
    "spot",
    "mix",
];

/// A question, as the files that `runbook capacity pack` and the judge read.
#[derive(Debug, Clone)]
pub struct Case {
    /// For example `zone-spread-07`.
    pub name: String,
    /// A Kubernetes list of pods, as JSON.
    pub pods: String,
    /// One `NodePool` per file.
    pub node_pools: Vec<String>,
    /// Daemonsets, as a list.
    pub daemonsets: Option<String>,
    /// The CSV of `--instance-types`.
    pub instance_types: String,
}

impl Case {
    /// What the record of an answer is bound to.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.pods, &self.instance_types]
            .into_iter()
            .chain(&self.node_pools)
            .chain(&self.daemonsets)
        {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finalize().to_hex().as_str()[..24].to_owned()
    }
}

/// The case of that number, below [`COUNT`].
pub fn case(number: usize) -> Case {
    let kind = KINDS[number % KINDS.len()];
    let round = number / KINDS.len();
    let mut random = Random::new(0x5eed_0000 + u64::try_from(number).unwrap_or(0));
    let count = pod_count(round, &mut random);
    let mut constrain = Constrain::new(kind, &mut random);
    let pods: Vec<Value> =
        (0..count).map(|index| pod(index, &mut constrain, &mut random)).collect();
    let node_pools = constraints::node_pools(kind, &mut random);
    let daemonsets = constraints::daemonsets(kind, &mut random);
    Case {
        name: format!("{kind}-{round:02}"),
        pods: list(pods),
        node_pools: node_pools.iter().map(Value::to_string).collect(),
        daemonsets: (!daemonsets.is_empty()).then(|| list(daemonsets)),
        instance_types: instance_types::table(kind, &mut random),
    }
}

fn list(items: Vec<Value>) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn pod_count(round: usize, random: &mut Random) -> usize {
    match round % 8 {
        0 => random.between(1, 30),
        7 => random.between(900, 2000),
        6 => random.between(400, 800),
        _ => random.between(60, 350),
    }
}

/// CPU in millicores and memory in MiB, as teams write them.
fn size(random: &mut Random) -> (usize, usize) {
    let cpu = *random.one(&[
        50, 100, 100, 200, 250, 250, 400, 500, 500, 750, 1000, 1000, 1500, 2000, 3000, 4000,
    ]);
    let memory =
        *random.one(&[64, 128, 128, 256, 256, 512, 512, 1024, 1024, 1536, 2048, 4096, 6144, 8192]);
    (cpu, memory)
}

fn pod(index: usize, constrain: &mut Constrain, random: &mut Random) -> Value {
    let (cpu, memory) = size(random);
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("pod-{index:04}"), "namespace": "default", "labels": {}},
        "spec": {"containers": [{
            "name": "main",
            "image": "example",
            "resources": {"requests": {"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi")}},
        }]},
    });
    constrain.apply(&mut pod, index, random);
    pod
}
