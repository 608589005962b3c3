//! Claims: the machine that some pods need is chosen, and asked for.

use runbook_capacity::allocatable::NodeSettings;
use runbook_capacity::catalogue::{self, InstanceType};
use runbook_capacity::launch::{self, Launch, Offering};
use runbook_capacity::node_requirement::{NodeRequirement, Operator};
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::quantity::{Bytes, Millicores};
use serde_json::{Value, json};

use super::super::{Cluster, scheduler};
use super::{AWS_GROUP, GROUP, TERMINATION};
use crate::kubernetes::object;
use crate::store::Transaction;
use crate::world::ids;

/// A machine for some pods.
struct Choice {
    offering: Offering,
    machine: &'static InstanceType,
    /// What they ask of it, with the daemons that every node runs: thousandths of a core.
    cpu: i64,
    /// The same in bytes.
    memory: i64,
}

/// Makes a claim that holds some pods; whether one could be made.
pub(super) fn claim(
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
    let Some(choice) = choose(cluster, transaction, pool, &class, pods) else { return false };
    let pool_name = pool["metadata"]["name"].as_str().unwrap_or_default();
    let first = pods.first().map(object::key).unwrap_or_default();
    let age = cluster.age(transaction);
    let seed = ["claim", cluster.name, pool_name, &first, &age];
    let name = format!("{pool_name}-{}", ids::suffix(cluster.context, &seed, 5));
    let made = node_claim(cluster, pool, class_name, pods, &name, &choice);
    cluster.put(transaction, GROUP, "nodeclaims", made);
    for pod in pods {
        let message = format!("Pod should schedule on: nodeclaim/{name}");
        cluster.event(transaction, pod, "Normal", "Nominated", &message, "karpenter");
    }
    cluster.schedule(transaction, 3, "karpenter.launched", &name);
    true
}

/// The cheapest machine that holds the pods and the daemons, within the pool's limit.
fn choose(
    cluster: &Cluster<'_>,
    transaction: &Transaction<'_>,
    pool: &Value,
    class: &Value,
    pods: &[Value],
) -> Option<Choice> {
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
    let (cpu, memory) = (total("cpu"), total("memory") / 1000);
    let answer = launch::cheapest(&Launch {
        region: cluster.context.region.parse().ok()?,
        zones: &zones,
        requirements: &requirements(pool, pods),
        requests: &Resources::of(Millicores(cpu), Bytes(memory)),
        pods: u32::try_from(pods.len() + daemons.len()).unwrap_or(u32::MAX),
        settings: &NodeSettings::default(),
        prices: PriceBook::embedded(),
    });
    let offering = answer.offering?;
    let machine = catalogue::instance_type(offering.instance_type)?;
    let limit = scheduler::millis(&pool["spec"]["limits"]["cpu"]);
    let used = scheduler::millis(&pool["status"]["resources"]["cpu"]);
    let is_beyond = limit > 0 && used + i64::from(machine.vcpus) * 1000 > limit;
    (!is_beyond).then_some(Choice { offering, machine, cpu, memory })
}

fn node_claim(
    cluster: &Cluster<'_>,
    pool: &Value,
    class_name: &str,
    pods: &[Value],
    name: &str,
    choice: &Choice,
) -> Value {
    let Choice { offering, machine, cpu, memory } = choice;
    let pool_name = pool["metadata"]["name"].as_str().unwrap_or_default();
    let template = &pool["spec"]["template"]["spec"];
    let keys: Vec<String> = pods.iter().map(object::key).collect();
    let most_pods = offering.allocatable.pods.to_string();
    json!({
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
            "nodeClassRef": template["nodeClassRef"], "requirements": template["requirements"],
            "taints": template["taints"], "expireAfter": template["expireAfter"].as_str().unwrap_or("720h"),
            "resources": {"requests": {"cpu": format!("{cpu}m"), "memory": memory.to_string(), "pods": pods.len().to_string()}},
        },
        "status": {
            "capacity": {"cpu": machine.vcpus.to_string(), "memory": machine.memory.0.to_string(), "pods": most_pods},
            "allocatable": {"cpu": format!("{}m", offering.allocatable.cpu.0), "memory": offering.allocatable.memory.0.to_string(), "pods": most_pods},
            "conditions": [],
        },
    })
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
