//! What consolidation leaves can be carried out, and costs less step by step.
//!
//! The cases are those that Karpenter judges; here their pods arrive in portions. Every end is checked
//! by arithmetic that shares nothing with the packer: each pod once, on a node that holds it, under
//! every selector, taint, spread, affinity, host port and limit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test states what must hold, and prints the summary"
)]

use runbook_capacity::consolidation::{
    Arrivals, ConsolidationInput, ConsolidationOptions, End, Settled, settled,
};
use runbook_capacity::karpenter::{PackInput, read_instance_types};
use runbook_capacity::manifest;
use runbook_real::cases::{self, COUNT, Case};
use runbook_real::feasible;
use runbook_real::records::{Answer, AnsweredNode};

fn question(case: &Case) -> PackInput {
    let pods = |text: &str| manifest::read(&case.name, text).expect("manifests").pods();
    PackInput {
        pods: pods(&case.pods),
        node_pools: case
            .node_pools
            .iter()
            .flat_map(|text| manifest::read_node_pools(&case.name, text).expect("pools"))
            .collect(),
        daemonsets: case.daemonsets.as_deref().map(pods).unwrap_or_default(),
        instance_types: read_instance_types(&case.name, &case.instance_types).expect("types"),
        ..PackInput::default()
    }
}

fn answer(settled: &Settled) -> Answer {
    let outcome = settled.outcome();
    Answer {
        nodes: outcome
            .nodes
            .into_iter()
            .map(|node| AnsweredNode {
                instance_type: node.instance_type,
                zones: node.zones,
                usd_per_hour: node.price.expect("a price").dollars(),
                pods: node.pods,
                candidates: node.candidates,
                node_pool: Some(node.node_pool),
            })
            .collect(),
        unschedulable: outcome.unschedulable.into_iter().map(|one| one.pod).collect(),
    }
}

#[test]
fn what_is_settled_can_be_carried_out_and_only_becomes_cheaper() {
    let (mut steps, mut cold, mut warm, mut wrong) = (0, 0, 0, Vec::new());
    for number in (0..COUNT).filter(|number| number / 15 % 8 < 3 || number % 15 == number / 15) {
        let case = cases::case(number);
        let pack = question(&case);
        let pods = pack.pods.len();
        let input = ConsolidationInput {
            pack,
            options: ConsolidationOptions { spot_to_spot: number % 2 == 0, ..Default::default() },
            ..ConsolidationInput::default()
        };
        let settled = settled(&input, Arrivals { pods_at_once: pods.div_ceil(4).max(1) });
        assert_eq!(settled.end, End::AtRest, "{}", case.name);
        let found = feasible::problems_after_moves(&case, &answer(&settled));
        if !found.is_empty() {
            wrong.push(format!("{}: {found:?}", case.name));
        }
        for step in &settled.steps {
            let saved = step.saved.expect("all prices are known").ten_billionths();
            assert!(saved > 0, "{}: {step:?}", case.name);
        }
        steps += settled.steps.len();
        cold += settled.cold.price.expect("a price").ten_billionths();
        warm += settled.price.expect("a price").ten_billionths();
    }
    println!("{steps} steps; {} % of the cold price", warm * 100 / cold);
    assert!(wrong.is_empty(), "{} are not feasible: {wrong:#?}", wrong.len());
    assert!(steps > 300, "too few steps to show anything");
}

/// Pods of one spread over two zones, all of them on one node in the first; some without the rule.
fn lopsided(with_rule: usize, without: usize) -> (Case, Answer) {
    let pod = |number: usize| {
        let spread = serde_json::json!([{
            "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "a"}}
        }]);
        let mut pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("p{number}"), "labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}
        });
        if number < with_rule {
            pod["spec"]["topologySpreadConstraints"] = spread;
        }
        pod
    };
    let pods: Vec<_> = (0..with_rule + without).map(pod).collect();
    let case = Case {
        name: "lopsided".to_owned(),
        pods: serde_json::json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string(),
        node_pools: Vec::new(),
        daemonsets: None,
        instance_types: "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones,capacity_type\na.big,amd64,4000,8192,20,0.18,z1;z2,on-demand\n".to_owned(),
    };
    let node = AnsweredNode {
        instance_type: "a.big".to_owned(),
        zones: vec!["z1".to_owned()],
        usd_per_hour: 0.18,
        pods: (0..with_rule + without).map(|number| format!("p{number}")).collect(),
        candidates: 1,
        node_pool: Some("default".to_owned()),
    };
    (case, Answer { nodes: vec![node], unschedulable: Vec::new() })
}

#[test]
fn only_what_may_have_moved_excuses_a_spread() {
    let found = |with_rule, without| {
        let (case, answer) = lopsided(with_rule, without);
        feasible::problems_after_moves(&case, &answer)
    };
    // The second one was placed when another zone had none.
    let said = found(2, 0);
    assert!(said.len() == 1 && said[0].starts_with("no order gives this spread"), "{said:?}");
    // One that the rule counts without having it may have stood in the other zone then.
    assert_eq!(found(2, 1), Vec::<String>::new());
    assert_eq!(found(3, 1).len(), 1);
}
