//! The answer as others read it.

use serde_json::{Value, json};

use super::{AUTOSCALERS, AutoscalersAnswer, AutoscalersOptions, TITLE};
use crate::answer::{Completeness, PriceAge, schema, written};
use crate::autoscalers::Question;
use crate::autoscalers::launch_time::LaunchTime;
use crate::autoscalers::made::TraceShape;
use crate::autoscalers::node_group::NodeGroupSpec;
use crate::autoscalers::standard::Setting;
use crate::autoscalers::trace::{Trace, read_trace};
use crate::karpenter::read_instance_types;
use crate::manifest::read_node_pools;
use crate::prices::PriceBook;
use crate::region::Region;

const TYPES: &str = "\
instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones
a.small,amd64,2000,4096,10,0.1,z
b.big,amd64,4000,8192,20,0.18,z
";

fn answered(rows: &str, table: &str) -> AutoscalersAnswer {
    let text = format!("t_seconds,action,name,cpu,memory,owner\n{rows}");
    let trace = read_trace("trace.csv", &text).expect("a trace");
    let types = read_instance_types("types.csv", table).expect("types");
    let groups = [NodeGroupSpec::parse("a.small:0:5").expect("a group")];
    let setting = Setting {
        region: Region::ApNortheast2,
        book: PriceBook::embedded(),
        node_groups: &groups,
        node_pools: &[],
        instance_types: Some(&types),
        daemonsets: Some(&[]),
        seed: 1,
    };
    let mut question = Question::standard(trace, &setting).expect("a question");
    question.launch_time = LaunchTime::constant(40);
    AutoscalersAnswer::new(&question, &options("trace.csv"))
}

fn options(source: &str) -> AutoscalersOptions {
    AutoscalersOptions {
        region: Region::ApNortheast2,
        source: source.to_owned(),
        age: PriceAge { most_days: 90, today: "2026-11-26".parse().expect("a day") },
        is_strict: false,
        notes: Vec::new(),
    }
}

fn standard(trace: Trace, source: &str) -> AutoscalersAnswer {
    let setting = Setting {
        region: Region::ApNortheast2,
        book: PriceBook::embedded(),
        node_groups: &[],
        node_pools: &[],
        instance_types: None,
        daemonsets: None,
        seed: 1,
    };
    let question = Question::standard(trace, &setting).expect("a question");
    AutoscalersAnswer::new(&question, &options(source))
}

fn as_json(answer: &AutoscalersAnswer) -> Value {
    let text = written::json(answer).expect("JSON");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema::mismatches(&value, AUTOSCALERS), Vec::<String>::new());
    value
}

const ONE: &str = "3,add,p,1500m,1Gi,web\n1000,remove,p,,,\n";

#[test]
fn a_run_is_written_whole() {
    let answer = answered(ONE, TYPES);
    let value = as_json(&answer);
    assert_eq!(
        value["runs"][1],
        json!({
            "autoscaler": "karpenter",
            "title": "Karpenter",
            "pending_pod_seconds": {"p50": 41, "p95": 41, "longest": 41, "total": 41},
            "node_hours": 1011.0 / 3600.0,
            "billed_node_hours": 1011.0 / 3600.0,
            "usd": 0.028_083_333_3,
            "reason": null,
            "nodes_launched": 1,
            "peak_nodes": 1,
            "pods": {"running": 0, "pending": 0, "removed": 1, "lost": 0, "never_ran": 0},
            "evictions": 0,
            "instance_types": [{
                "instance_type": "a.small", "capacity_type": "on-demand", "nodes": 1,
                "billed_node_hours": 1011.0 / 3600.0, "usd_per_hour": 0.1,
                "usd": 0.028_083_333_3, "reason": null,
            }],
            "series": [
                {"t_seconds": 0, "nodes": 0, "ready": 0, "pending": 0, "running": 0},
                {"t_seconds": 3, "nodes": 0, "ready": 0, "pending": 1, "running": 0},
                {"t_seconds": 4, "nodes": 1, "ready": 0, "pending": 1, "running": 0},
                {"t_seconds": 44, "nodes": 1, "ready": 1, "pending": 0, "running": 1},
                {"t_seconds": 1000, "nodes": 1, "ready": 1, "pending": 0, "running": 0},
                {"t_seconds": 1015, "nodes": 0, "ready": 0, "pending": 0, "running": 0},
            ],
            "first_pending_pod": "p",
            "steps": [
                {"step": "pod_pending", "title": "pending pod", "t_seconds": 3, "after_seconds": 0,
                 "text": "pod p comes and kube-scheduler finds no node for it"},
                {"step": "batch_opens", "title": "batch opens", "t_seconds": 3, "after_seconds": 0,
                 "text": "Karpenter opens a batch of pending pods"},
                {"step": "batch_closes", "title": "batch closes", "t_seconds": 4, "after_seconds": 1,
                 "text": "the batch closes: idle, or at its longest"},
                {"step": "create_fleet", "title": "CreateFleet", "t_seconds": 4, "after_seconds": 1,
                 "text": "the cheapest types that hold the pods are asked of EC2; NodeClaim of pool default for pods: 1; CreateFleet: a.small in z"},
                {"step": "node_claim", "title": "NodeClaim", "t_seconds": 4, "after_seconds": 1,
                 "text": "the NodeClaim is launched"},
                {"step": "ec2_launch", "title": "EC2 launch", "t_seconds": 4, "after_seconds": 1,
                 "text": "EC2 launches a.small in z"},
                {"step": "node_ready", "title": "kubelet joins", "t_seconds": 44, "after_seconds": 41,
                 "text": "the kubelet joins, the node is Ready"},
                {"step": "pod_bound", "title": "scheduler binds", "t_seconds": 44, "after_seconds": 41,
                 "text": "kube-scheduler binds the pod to node 1"},
            ],
            "not_held": [],
        })
    );
    assert_eq!(value["title"], json!(TITLE));
    assert_eq!(
        (&value["last_event_seconds"], &value["until_seconds"]),
        (&json!(1000), &json!(2800))
    );
    assert_eq!(answer.completeness(), Completeness::Complete);
}

#[test]
fn its_csv_is_written_whole_and_adds_up() {
    let answer = answered(ONE, TYPES);
    assert_eq!(
        answer.csv(),
        "autoscaler,figure,of,value,unit,reason\n\
         cluster_autoscaler,cost,a.small on-demand,0.0445833333,USD,\n\
         cluster_autoscaler,billed,a.small on-demand,1605,node-seconds,\n\
         cluster_autoscaler,launched,a.small on-demand,1,nodes,\n\
         cluster_autoscaler,pending p50,pod,47,seconds,\n\
         cluster_autoscaler,pending p95,pod,47,seconds,\n\
         cluster_autoscaler,pending longest,pod,47,seconds,\n\
         cluster_autoscaler,pending,all pods,47,pod-seconds,\n\
         cluster_autoscaler,there,all nodes,1605,node-seconds,\n\
         cluster_autoscaler,peak,all nodes,1,nodes,\n\
         cluster_autoscaler,evictions,all pods,0,evictions,\n\
         cluster_autoscaler,running,all pods,0,pods,\n\
         cluster_autoscaler,pending at the end,all pods,0,pods,\n\
         cluster_autoscaler,removed,all pods,1,pods,\n\
         cluster_autoscaler,lost,all pods,0,pods,\n\
         cluster_autoscaler,never ran,all pods,0,pods,\n\
         karpenter,cost,a.small on-demand,0.0280833333,USD,\n\
         karpenter,billed,a.small on-demand,1011,node-seconds,\n\
         karpenter,launched,a.small on-demand,1,nodes,\n\
         karpenter,pending p50,pod,41,seconds,\n\
         karpenter,pending p95,pod,41,seconds,\n\
         karpenter,pending longest,pod,41,seconds,\n\
         karpenter,pending,all pods,41,pod-seconds,\n\
         karpenter,there,all nodes,1011,node-seconds,\n\
         karpenter,peak,all nodes,1,nodes,\n\
         karpenter,evictions,all pods,0,evictions,\n\
         karpenter,running,all pods,0,pods,\n\
         karpenter,pending at the end,all pods,0,pods,\n\
         karpenter,removed,all pods,1,pods,\n\
         karpenter,lost,all pods,0,pods,\n\
         karpenter,never ran,all pods,0,pods,\n"
    );
    let series = answer.series_csv();
    assert!(series.starts_with(
        "autoscaler,t_seconds,nodes,ready,pending,running\ncluster_autoscaler,0,0,0,0,0\ncluster_autoscaler,3,0,0,1,0\n"
    ));
    assert_eq!(series.lines().count(), 1 + 7 + 6);
}

#[test]
fn a_terminal_shows_figures_timelines_ways_and_every_parameter() {
    let answer = answered(ONE, TYPES);
    let text = answer.text();
    let expected = "\
model: the Cluster Autoscaler beside Karpenter
pods: 1, events: 2 · ap-northeast-2 · from trace.csv
list prices in USD before tax, discounts and credits; nodes only

                                 Cluster Autoscaler  Karpenter
  pending pod-seconds, p50                       47         41
  pending pod-seconds, p95                       47         41
  pending pod-seconds, longest                   47         41
  pending pod-seconds, all pods                  47         41
  node-hours                                   0.45       0.28
  node-hours billed                            0.45       0.28
  $                                          0.0446     0.0281
  nodes launched                                  1          1
  nodes at most                                   1          1
  pods evicted                                    0          0
  pods pending at the end                         0          0
  pods that never ran                             0          0
  pods lost                                       0          0

nodes over time
  Cluster Autoscaler  ███████████████████████████████████                           peak 1
  Karpenter           ██████████████████████                                        peak 1
                      0 to 2800 s, a column is 47 s, a full one is 1 node

the first pod that waited
  Cluster Autoscaler: p
    ├       3 s  +0     pending pod                pod p comes and kube-scheduler finds no node for it
    ├      10 s  +7     scan                       the scan counts it as unschedulable
    ├      10 s  +7     node group, ASG desired +  the expander picks a node group, its Auto Scaling group grows; a.small/z: desired 0 to 1
    ├      10 s  +7     EC2 launch                 EC2 launches a.small in z
    ├      50 s  +47    kubelet joins              the kubelet joins, the node is Ready
    └      50 s  +47    scheduler binds            kube-scheduler binds the pod to node 1
  Karpenter: p
";
    assert_eq!(text[..expected.len()], *expected);
    for one in &answer.parameters {
        assert!(text.contains(&format!("{}: {}", one.name, one.value)), "{one:?}");
    }
    for line in answer.not_modelled.iter().chain(&answer.notes) {
        assert!(text.contains(line.as_str()), "{line}");
    }
}

#[test]
fn parameters_are_all_there() {
    let answer = standard(TraceShape::Deploy.trace(1), "shape deploy, seed 1");
    let value = |of: &str, name: &str| -> Vec<&str> {
        let named = answer.parameters.iter().filter(|one| one.of == of && one.name == name);
        named.map(|one| one.value.as_str()).collect()
    };
    assert_eq!(
        value("cluster_autoscaler", "node group"),
        [
            "m6i.large/ap-northeast-2a: 2 to 100 nodes, 0.118 $/h",
            "m6i.large/ap-northeast-2b: 2 to 100 nodes, 0.118 $/h",
            "m6i.large/ap-northeast-2c: 2 to 100 nodes, 0.118 $/h",
        ]
    );
    for (of, name, expected) in [
        ("both", "seed", "1"),
        ("both", "a drained node stays", "30 s"),
        (
            "both",
            "daemonsets on every node",
            "aws-node, kube-proxy, ebs-csi-node (180m, 200Mi, 3 pods)",
        ),
        ("cluster_autoscaler", "--expander", "least-waste"),
        ("cluster_autoscaler", "--scan-interval", "10 s"),
        ("cluster_autoscaler", "--scale-down-delay-after-add", "10 min"),
        ("cluster_autoscaler", "--scale-down-unneeded-time", "10 min"),
        ("cluster_autoscaler", "--scale-down-utilization-threshold", "0.5"),
        (
            "karpenter",
            "instance types it may launch",
            "144: families c, m, r; amd64; up to 16 vCPU",
        ),
        ("karpenter", "BATCH_IDLE_DURATION", "1 s"),
        ("karpenter", "BATCH_MAX_DURATION", "10 s"),
        ("karpenter", "validation before it acts", "15 s"),
        (
            "karpenter",
            "node pool",
            "default: WhenEmptyOrUnderutilized, consolidateAfter 0 s, budget 10 %",
        ),
    ] {
        assert_eq!(value(of, name), [expected], "{name}");
    }
    as_json(&answer);
}

#[test]
fn markdown_and_terminal_stay_whole_whatever_a_trace_is_called() {
    let rows = "0,add,=x|<b>\u{1b}[31m,99999m,1Gi,web\n";
    let answer = answered(rows, TYPES);
    let markdown = answer.markdown();
    assert!(markdown.starts_with("## Model: the Cluster Autoscaler beside Karpenter\n"));
    assert!(markdown.contains("=x\\|\\<b\\>\\\\u{1b}\\[31m") && !markdown.contains("<b>"));
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 30);
    for text in [markdown, answer.text(), answer.csv()] {
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    assert!(answer.csv().contains(",'=x|<b>"));
    assert_eq!(answer.completeness(), Completeness::Unplaced);
    assert_eq!(as_json(&answer)["runs"][0]["not_held"].as_array().map(Vec::len), Some(1));
}

#[test]
fn pods_that_nothing_holds_are_named_though_they_go_and_are_not_listed_without_end() {
    let rows: String = (0..30)
        .map(|pod| format!("0,add,p{pod:02},64,1Gi,web\n"))
        .chain((0..30).map(|pod| format!("90,remove,p{pod:02},,,\n")))
        .chain(["95,add,q,1,1Gi,web\n99,remove,q,,,\n".to_owned()])
        .collect();
    let answer = answered(&rows, TYPES);
    let run = &answer.runs[0];
    assert_eq!((run.pods.removed, run.pods.never_ran, run.not_held.len()), (31, 31, 30));
    assert_eq!(answer.completeness(), Completeness::Unplaced);
    assert!(answer.notes.contains(
        &"Cluster Autoscaler: 1 pod that a node could hold never ran: it went or the clock stopped before a node had room".to_owned()
    ));
    let text = answer.text();
    assert_eq!(text.matches("not held       Cluster Autoscaler: p").count(), 10);
    assert!(text.contains("Cluster Autoscaler: and 20 more; JSON and CSV have them all"));
    assert!(answer.markdown().contains("| not held: and 20 more; JSON and CSV have them all |"));
    assert_eq!(answer.csv().matches("cluster_autoscaler,not held,").count(), 30);
}

#[test]
fn shared_steps_stand_in_one_row_of_the_markdown() {
    let markdown = answered(ONE, TYPES).markdown();
    let steps: Vec<&str> = markdown
        .lines()
        .skip_while(|line| !line.starts_with("| Cluster Autoscaler | at |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(steps.len(), 8);
    let both = |line: &str, step: &str| line.matches(step).count() == 2;
    assert!(both(steps[0], "pending pod:"));
    assert!(steps[1].contains("| scan:") && steps[1].contains("| batch opens:"));
    assert!(both(steps[5], "EC2 launch:") && both(steps[7], "scheduler binds:"));
}

#[test]
fn a_missing_price_leaves_no_figure_and_says_why() {
    let answer = answered(ONE, &TYPES.replace(",0.1,", ",,"));
    let value = as_json(&answer);
    let run = &value["runs"][0];
    assert_eq!(
        (&run["usd"], &run["reason"]),
        (&Value::Null, &json!("no price of `a.small` in `z`"))
    );
    // Karpenter takes the machine that has a price.
    assert_eq!(value["runs"][1]["instance_types"][0]["instance_type"], json!("b.big"));
    assert_eq!(answer.completeness(), Completeness::Unpriced);
    assert!(
        answer.csv().contains(
            "cluster_autoscaler,cost,a.small on-demand,,USD,no price of `a.small` in `z`\n"
        )
    );
}

#[test]
fn every_shape_is_answered_whole() {
    for shape in [TraceShape::Diurnal, TraceShape::Burst, TraceShape::Deploy] {
        let answer = standard(shape.trace(1), shape.name());
        as_json(&answer);
        assert_eq!(answer.completeness(), Completeness::Complete, "{}", shape.name());
        for run in &answer.runs {
            let ends = run.pods.running + run.pods.pending + run.pods.removed + run.pods.lost;
            assert_eq!(ends, answer.pod_count);
        }
    }
}

/// A day of pods with Karpenter's nodes of one pool.
fn in_pool(requirements: &str, rows: &str) -> AutoscalersAnswer {
    let text = format!("t_seconds,action,name,cpu,memory,owner\n{rows}");
    let trace = read_trace("trace.csv", &text).expect("a trace");
    let pool = format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: mine}}\nspec: {{template: {{spec: {{nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}, requirements: [{requirements}]}}}}}}\n"
    );
    let pools = read_node_pools("pool.yaml", &pool).expect("a pool");
    let setting = Setting {
        region: Region::ApNortheast2,
        book: PriceBook::embedded(),
        node_groups: &[],
        node_pools: &pools,
        instance_types: None,
        daemonsets: None,
        seed: 1,
    };
    let question = Question::standard(trace, &setting).expect("a question");
    AutoscalersAnswer::new(&question, &options("trace.csv"))
}

#[test]
fn a_pool_is_taken_as_it_is() {
    let types = |requirements: &str| -> Vec<String> {
        let answer = in_pool(requirements, ONE);
        let run = &answer.runs[1];
        assert!(run.not_held.is_empty() && run.total.is_some_and(|total| total.raw() > 0));
        run.instance_types.iter().map(|one| one.instance_type.clone()).collect()
    };
    // Neither burstable nor arm64 nor large types are in the shape that is used without a pool.
    let of_type = |name: &str| {
        format!("{{key: node.kubernetes.io/instance-type, operator: In, values: [{name}]}}")
    };
    assert_eq!(types(&of_type("t3.medium")), ["t3.medium"]);
    assert_eq!(types(&of_type("m6i.24xlarge")), ["m6i.24xlarge"]);
    let arm = "{key: kubernetes.io/arch, operator: In, values: [arm64]}";
    assert_eq!(types(&format!("{}, {arm}", of_type("m7g.large"))), ["m7g.large"]);
}

#[test]
fn pods_that_no_node_of_a_pool_holds_are_named_and_cost_no_zero() {
    let none = "{key: node.kubernetes.io/instance-type, operator: In, values: [m6i.huge]}";
    let answer = in_pool(none, ONE);
    let run = &answer.runs[1];
    assert_eq!((run.usd, run.total), (None, None));
    assert_eq!(run.not_held[0].pod, "p");
    let reason = run.reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("1 pod has no node: `p`: "), "{reason}");
    assert!(answer.text().contains("not held       Karpenter: p: "), "{}", answer.text());
    assert_eq!(answer.completeness(), Completeness::Unplaced);
}
