//! Whole answers to small questions.

use serde_json::{Value, json};

use super::allocatable::AllocatableAnswer;
use super::fargate::FargateAnswer;
use super::pack::PackAnswer;
use super::prices::PricesAnswer;
use super::{Completeness, PriceAge, schema, written};
use crate::allocatable::NodeSettings;
use crate::karpenter::{PackInput, offered_types, read_instance_types};
use crate::manifest::{read_existing, read_node_pools, read_pods};
use crate::prices::PriceBook;
use crate::region::{Region, zones};

const TYPES: &str = "\
instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones,capacity_type
m5.large,amd64,1930,6900,29,0.1,zone-a;zone-b,
m5.xlarge,amd64,3920,14700,58,0.2,zone-a;zone-b,on-demand
m5.xlarge,amd64,3920,14700,58,0.07,zone-b,spot
p9.huge,amd64,90000,500000,110,,zone-a,
";

fn age() -> PriceAge {
    PriceAge { most_days: 90, today: "2026-11-25".parse().expect("a day") }
}

fn input(pods: &str, types: &str) -> PackInput {
    let manifests = read_pods("pods", pods).expect("pods");
    PackInput {
        pods: manifests.other_pods(),
        daemonsets: manifests.daemonset_pods(),
        instance_types: read_instance_types("types.csv", types).expect("types"),
        ..PackInput::default()
    }
}

fn packed(input: &PackInput) -> PackAnswer {
    PackAnswer::new(input, age(), false, Vec::new())
}

fn as_json(answer: &impl serde::Serialize, shape: schema::Shape) -> Value {
    let text = written::json(answer).expect("JSON");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema::mismatches(&value, shape), Vec::<String>::new());
    value
}

#[test]
fn a_packing_is_written_whole() {
    let answer =
        packed(&input("name,cpu,memory,replicas\nweb/api,1,1Gi,3\nhuge,200,1Gi,1\n", TYPES));
    assert_eq!(
        as_json(&answer, schema::PACK),
        json!({
            "nodes": [{
                "node_pool": "default", "instance_type": "m5.xlarge", "zones": ["zone-a", "zone-b"],
                "capacity_type": "on-demand", "usd_per_hour": 0.2, "usd_per_hour_at_most": 0.2,
                "pods": ["web/api-0", "web/api-1", "web/api-2"], "candidates": 1,
            }],
            "existing": [],
            "unschedulable": [{
                "pod": "huge",
                "reason": "pool `default`: no instance type that meets the requirements has enough for cpu 200, memory 1Gi and the daemonsets",
            }],
            "usd_per_hour": 0.2,
            "not_simulated": [],
            "prices": {
                "offered": 3, "priced": 2, "oldest": null, "newest": null,
                "restricted_to_priced_types": true, "max_age_days": 90, "too_old": false,
            },
            "notes": ["restricted to priced types: of 3 that are offered, 1 has no known price"],
        })
    );
    assert_eq!(answer.completeness(), Completeness::Unplaced);
    assert_eq!(
        answer.csv(),
        "node,node_pool,instance_type,zones,capacity_type,usd_per_hour,usd_per_hour_at_most,candidates,pod_count,pods,reason\n\
         1,default,m5.xlarge,zone-a;zone-b,on-demand,0.200000,0.200000,1,3,web/api-0;web/api-1;web/api-2,\n\
         ,,,,,,,,1,huge,\"pool `default`: no instance type that meets the requirements has enough for cpu 200, memory 1Gi and the daemonsets\"\n"
    );
}

#[test]
fn a_node_that_only_unpriced_types_could_be_has_no_price_and_neither_has_the_total() {
    let question = input("name,cpu,memory,replicas\nsmall,1,1Gi,1\nbig,40,1Gi,2\n", TYPES);
    let answer = packed(&question);
    let nodes: Vec<_> = answer
        .nodes
        .iter()
        .map(|node| (node.instance_type.as_str(), node.price.is_some(), node.pods.len()))
        .collect();
    assert_eq!(nodes, [("m5.large", true, 1), ("p9.huge", false, 2)]);
    assert_eq!(answer.nodes[1].reason.as_deref(), Some("`p9.huge` has no price"));
    assert_eq!((answer.price, answer.completeness()), (None, Completeness::Unpriced));
    assert!(answer.notes.contains(&"no price for 1 of 2 nodes, so there is no total".to_owned()));
    let value = as_json(&answer, schema::PACK);
    assert_eq!(
        (&value["usd_per_hour"], &value["nodes"][1]["usd_per_hour"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        answer.csv().contains(
            "2,default,p9.huge,zone-a,on-demand,,,1,2,big-0;big-1,`p9.huge` has no price\n"
        )
    );
    // A limit counts what has no price as well.
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "tight"}, "spec": {"limits": {"cpu": "50"}, "template": {"spec": {"requirements": []}}}});
    let node_pools = read_node_pools("pool.json", &pool.to_string()).expect("a pool");
    let limited = packed(&PackInput { node_pools, ..question });
    assert_eq!((limited.nodes.len(), limited.completeness()), (1, Completeness::Unplaced));
}

#[test]
fn a_table_without_any_price_places_pods_and_prices_none() {
    let types = "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones\nm5.large,amd64,1930,6900,29,,z\nm6.large,amd64,1930,6900,29,,z\n";
    let answer = packed(&input("name,cpu,memory,replicas\nweb,1,1Gi,2\n", types));
    assert_eq!((answer.nodes.len(), answer.unschedulable.len(), answer.price), (2, 0, None));
    assert_eq!(
        answer.nodes[0].reason.as_deref(),
        Some("none of its 2 types has a price; the lowest name is shown")
    );
}

#[test]
fn strict_prices_make_a_restricted_answer_incomplete() {
    let question = input("name,cpu,memory,replicas\nweb,1,1Gi,1\n", TYPES);
    assert_eq!(packed(&question).completeness(), Completeness::Complete);
    let strict = PackAnswer::new(&question, age(), true, Vec::new());
    assert_eq!(strict.completeness(), Completeness::Unpriced);
}

#[test]
fn nodes_that_are_there_take_pods_first() {
    let nodes = r#"{"kind": "List", "items": [
        {"kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/arch": "amd64"}}, "spec": {}, "status": {"capacity": {"cpu": "2"}, "allocatable": {"cpu": "1930m", "memory": "6900Mi", "pods": "29"}}},
        {"kind": "Pod", "metadata": {"name": "old"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "resources": {"requests": {"cpu": "900m"}}}]}}
    ]}"#;
    let question = PackInput {
        existing: read_existing("nodes.json", nodes).expect("nodes").nodes,
        ..input("name,cpu,memory,replicas\nweb,1,1Gi,2\n", TYPES)
    };
    let answer = packed(&question);
    let value = as_json(&answer, schema::PACK);
    assert_eq!(value["existing"], json!([{"name": "n1", "pods": ["web-0"]}]));
    assert_eq!(value["nodes"][0]["pods"], json!(["web-1"]));
    assert!(answer.csv().contains("n1,,,,,,,,1,web-0,this node is there already\n"));
}

#[test]
fn a_pod_that_requests_nothing_is_named_and_a_chosen_zone_is_explained() {
    let pods = "kind: Pod
metadata: {name: silent}
spec:
  containers: [{name: c}]
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}
";
    let answer = packed(&input(pods, TYPES));
    assert_eq!(answer.nodes[0].zones, ["zone-a"]);
    assert_eq!(
        answer.notes[..2],
        [
            "`silent` requests nothing and takes a place only by its number",
            "where Karpenter takes a zone by chance, this takes the lowest name"
        ]
    );
}

#[test]
fn requests_default_to_limits_and_a_daemonset_is_charged() {
    let pods = "kind: Deployment
metadata: {name: web}
spec: {replicas: 3, template: {spec: {containers: [{name: c, resources: {limits: {cpu: 900m, memory: 1Gi}}}]}}}
---
kind: DaemonSet
metadata: {name: agent}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 200m}}}]}}}
";
    let answer = packed(&input(pods, TYPES));
    let figures: Vec<_> =
        answer.nodes.iter().map(|node| (node.instance_type.as_str(), node.pods.len())).collect();
    // Two would fit a large without the agent; three and the agent fit an xlarge.
    assert_eq!(figures, [("m5.xlarge", 3)]);
}

const FARGATE_PODS: &str = "
kind: Pod
metadata: {name: ran, annotations: {CapacityProvisioned: 0.5vCPU 1GB}}
spec: {nodeName: fargate-ip-1, containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}
---
kind: Pod
metadata: {name: forged, annotations: {CapacityProvisioned: 0.25vCPU 0.5GB}}
spec: {nodeName: ip-2, containers: [{name: c, resources: {limits: {cpu: 1, memory: 8Gi}}}]}
---
kind: Pod
metadata: {name: arm}
spec: {nodeSelector: {kubernetes.io/arch: arm64}, containers: [{name: c, securityContext: {privileged: true}, ports: [{containerPort: 1, hostPort: 80}], resources: {limits: {nvidia.com/gpu: 1}}}]}
---
kind: DaemonSet
metadata: {name: agent, namespace: kube-system}
spec: {template: {spec: {containers: [{name: c}]}}}
---
kind: StatefulSet
metadata: {name: db}
spec: {volumeClaimTemplates: [{metadata: {name: data}, spec: {}}], template: {spec: {containers: [{name: c}]}}}
---
kind: Pod
metadata: {name: claims}
spec: {volumes: [{name: v, persistentVolumeClaim: {claimName: shared}}], containers: [{name: c}]}
---
kind: Pod
metadata: {name: path}
spec: {volumes: [{name: v, hostPath: {path: /}}], containers: [{name: c}]}
";

fn sized(pods: &str, region: &str) -> FargateAnswer {
    let read = read_pods("pods.yaml", pods).expect("pods");
    FargateAnswer::new(
        &read.workloads,
        &read.storage,
        region,
        PriceBook::embedded(),
        age(),
        Vec::new(),
    )
}

#[test]
fn fargate_is_written_whole() {
    let answer = sized(FARGATE_PODS, "us-east-1");
    assert_eq!(
        answer.csv(),
        "\
pod,billed_vcpu,billed_memory_gib,usd_per_hour,usd_per_month,ephemeral_storage_gib,confidence,predicted,reason
ran,0.5,1,0.024685,18.02,20,annotated,0.25vCPU 0.5GB,\"CapacityProvisioned says 0.5vCPU 1GB; predicted was 0.25vCPU 0.5GB: 250m CPU and 256Mi + 256Mi memory, rounded up to 0.25vCPU 0.5GB; both fit it\"
forged,2,9,0.120965,88.30,20,documented,,\"1 CPU and 8Gi + 256Mi memory, rounded up to 2vCPU 9GB; memory decides; its annotation CapacityProvisioned is not trusted, for it runs on no Fargate node\"
arm,,,,,,documented,,\"cannot run on Fargate: a container is privileged; it wants arm64, and Fargate on EKS is amd64 only; it takes hostPort 80; it asks for `nvidia.com/gpu`, a GPU or accelerator that Fargate does not have\"
kube-system/agent,,,,,,documented,,cannot run on Fargate: a DaemonSet: Fargate has no node to run it on
db-0,,,,,,documented,,cannot run on Fargate: its volume claim `data` is a volume of EBS
claims,0.25,0.5,0.0123425,9.01,20,assumed,,\"nothing is requested: the smallest size; volume claim `shared` taken for a file system of EFS, nothing says what it is\"
path,,,,,,assumed,,cannot run on Fargate: it mounts a path of the node
"
    );
    assert_eq!((answer.not_fit, answer.unpriced), (4, 0));
    assert_eq!(answer.completeness(), Completeness::Unplaced);
    let value = as_json(&answer, schema::FARGATE);
    assert_eq!(value["pods"][1]["billed_memory_gib"], json!(9.0));
    assert_eq!(value["pods"][3]["usd_per_hour"], Value::Null);
}

#[test]
fn disk_beyond_the_included_is_unpriced_where_nobody_knows() {
    let pod = "kind: Pod\nmetadata: {name: disk}\nspec: {containers: [{name: c, resources: {requests: {ephemeral-storage: 40Gi}}}]}";
    let seoul = sized(pod, "ap-northeast-2");
    assert_eq!((seoul.price, seoul.completeness()), (None, Completeness::Unpriced));
    assert_eq!((seoul.prices.offered, seoul.prices.priced), (3, 2));
    assert!(seoul.pods[0].reason.contains("no price of `fargate_ephemeral_storage`"));
    assert_eq!(sized(pod, "us-east-1").completeness(), Completeness::Complete);
}

#[test]
fn names_from_elsewhere_do_nothing() {
    let pod =
        "kind: Pod\nmetadata: {name: \"=cmd|'\\x1b[2J,\\\"x\"}\nspec: {containers: [{name: c}]}";
    let csv = sized(pod, "us-east-1").csv();
    assert!(csv.contains("\n\"'=cmd|'\\u{1b}[2J,\"\"x\",0.25,"), "{csv}");
}

#[test]
fn allocatable_is_written_whole() {
    let names = ["m6i.large", "m7g.large", "mac2.metal"].map(str::to_owned);
    let answer = AllocatableAnswer::new(&names, NodeSettings::default()).expect("types");
    assert_eq!(
        answer.csv(),
        "\
instance_type,allocatable_cpu_m,allocatable_memory_mib,pods,capacity_cpu_m,kube_reserved_cpu_m,system_reserved_cpu_m,sold_memory_mib,memory_overhead_mib,kube_reserved_memory_mib,system_reserved_memory_mib,eviction_memory_mib,allocatable_storage_mib,reason
m6i.large,1930,6903,29,2000,70,0,8192,615,574,0,100,17408,
m7g.large,1930,6844,29,2000,70,0,8192,674,574,0,100,17408,
mac2.metal,,,,,,,,,,,,,a Mac runs no Kubernetes node
"
    );
    as_json(&answer, schema::ALLOCATABLE);
    let all = AllocatableAnswer::new(&[], NodeSettings::default()).expect("the catalogue");
    assert_eq!(all.instance_types.len(), crate::catalogue::catalogue().len());
    assert!(
        all.instance_types.iter().any(|one| one.instance_type == "m6i.metal" && one.pods.is_some())
    );
    let unknown = AllocatableAnswer::new(&["m6i.lrge".to_owned()], NodeSettings::default());
    let said = unknown.expect_err("unknown")[0].to_string();
    assert!(
        said.starts_with(
            "no instance type `m6i.lrge` in the catalogue; of its family there are: m6i.12xlarge, "
        ),
        "{said}"
    );
}

#[test]
fn prices_are_written_with_their_source() {
    let names = ["m7g.large".to_owned(), "fargate_vcpu".to_owned()];
    let answer = PricesAnswer::new(&names, Some("ap-northeast-2"), PriceBook::embedded(), age())
        .expect("prices");
    let value = as_json(&answer, schema::PRICES);
    assert_eq!(value["prices"][0]["usd"], json!(0.1003));
    assert_eq!(value["prices"][0]["too_old"], json!(true));
    assert!(
        answer
            .csv()
            .contains("fargate_vcpu,ap-northeast-2,list price,0.046560,,,hour,2026-10-05,false,")
    );
    let elsewhere = PricesAnswer::new(&names, Some("sa-east-1"), PriceBook::embedded(), age());
    assert_eq!(elsewhere.expect("an answer").completeness(), Completeness::Unpriced);
}

#[test]
fn doubled_prices_double_the_bill_and_keep_the_nodes() {
    let pods = "name,cpu,memory,replicas\na,1,2Gi,20\nb,3,1Gi,7\nc,250m,4Gi,30\n";
    let with = |book: &PriceBook| {
        let zones: Vec<String> =
            zones(Region::ApNortheast2).iter().map(|zone| (*zone).to_owned()).collect();
        let question = PackInput {
            instance_types: offered_types(
                Region::ApNortheast2,
                &zones,
                &NodeSettings::default(),
                book,
            ),
            ..input(pods, TYPES)
        };
        packed(&question)
    };
    let (once, twice) = (with(PriceBook::embedded()), with(&PriceBook::embedded().scaled(2, 1)));
    assert_eq!(once.price.expect("a price").times(2), twice.price.expect("a price"));
    let nodes =
        |answer: &PackAnswer| answer.nodes.iter().map(|node| node.pods.clone()).collect::<Vec<_>>();
    assert_eq!(nodes(&once), nodes(&twice));
}
