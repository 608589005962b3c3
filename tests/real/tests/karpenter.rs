//! Holds our packing against Karpenter's recorded answers, case by case.
//!
//! Where all of Karpenter's runs agree, ours has the same nodes (pods, number of types left,
//! cheapest price, zones), the same pods without a place and the same multiset of prices. Where
//! Karpenter itself differs from run to run, ours lies within its range. Every answer is checked
//! to be feasible by arithmetic that shares nothing with the packer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test states what must hold, and prints the summary"
)]

use std::collections::BTreeMap;

use runbook_capacity::karpenter::{PackInput, pack, read_instance_types};
use runbook_capacity::manifest;
use runbook_real::cases::{self, COUNT, Case};
use runbook_real::feasible;
use runbook_real::records::{Answer, Distinct, Outcome, Range, Record};

/// Cases in which ours may differ, each with its reason; at most one in a hundred, and none for an
/// order or a tie.
const EXCUSED: [(&str, &str); 0] = [];

const RECORDS: &str = include_str!("../karpenter/records.jsonl");

fn records() -> Vec<Record> {
    RECORDS.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

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

/// Ours in the form of the judge's: through the JSON that others read.
fn ours(case: &Case) -> Answer {
    let mut written = serde_json::to_value(pack(&question(case))).expect("JSON");
    let names: Vec<serde_json::Value> = written["unschedulable"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            assert!(!one["reason"].as_str().expect("a reason").is_empty(), "{}", case.name);
            one["pod"].clone()
        })
        .collect();
    written["unschedulable"] = names.into();
    serde_json::from_value(written).expect("the judge's shape")
}

fn differences(record: &Record, answer: &Answer) -> Vec<String> {
    let ours = Distinct::of(answer);
    match &record.outcome {
        Outcome::Agreed(theirs) => agreed(theirs, &ours),
        Outcome::Ranged(range) => ranged(range, &ours),
    }
}

fn agreed(theirs: &Distinct, ours: &Distinct) -> Vec<String> {
    let mut found = Vec::new();
    if theirs.nodes.len() != ours.nodes.len() {
        found.push(format!("{} nodes, Karpenter {}", ours.nodes.len(), theirs.nodes.len()));
    }
    if theirs.unschedulable != ours.unschedulable {
        found.push(format!(
            "{} pods without a place, Karpenter {}",
            ours.unschedulable.len(),
            theirs.unschedulable.len()
        ));
    }
    let (left, right) = (theirs.prices(), ours.prices());
    let close = |(theirs, ours): (&u64, &u64)| theirs.abs_diff(*ours) * 10_000 <= *theirs;
    if left.len() != right.len() || !left.iter().zip(&right).all(close) {
        found.push(format!("{} in all, Karpenter {}", ours.total(), theirs.total()));
    }
    // The same nodes one by one: which pods, how many types left, and where. The type's own name is
    // left out, for of equal prices Karpenter's may be another.
    let each = |answer: &Distinct| {
        let mut nodes: Vec<_> = answer
            .nodes
            .iter()
            .map(|node| (node.pods.clone(), node.candidates, node.price))
            .collect();
        nodes.sort();
        nodes
    };
    if found.is_empty() && each(theirs) != each(ours) {
        found.push("other pods on its nodes".to_owned());
    }
    found
}

fn ranged(range: &Range, ours: &Distinct) -> Vec<String> {
    let mut found = Vec::new();
    let mut within = |what: &str, ours: u64, (least, most): (u64, u64)| {
        if ours < least || ours > most {
            found.push(format!("{what} {ours}, Karpenter {least} to {most}"));
        }
    };
    let wide = |(least, most): (usize, usize)| (least as u64, most as u64);
    within("nodes", ours.nodes.len() as u64, wide(range.nodes));
    within("total", ours.total(), range.total);
    within("pods without a place", ours.unschedulable.len() as u64, wide(range.unschedulable));
    found
}

#[derive(Default)]
struct Tally {
    agreed: usize,
    ranged: usize,
    wrong: Vec<String>,
}

#[test]
fn every_recorded_case_comes_out_as_karpenter_has_it() {
    let records = records();
    assert_eq!(records.len(), COUNT, "one record per case");
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut widest = Vec::new();
    for (number, record) in records.iter().enumerate() {
        let case = cases::case(number);
        assert_eq!((&record.case, &record.digest), (&case.name, &case.digest()), "another case");
        assert!(record.runs >= 20, "{}: {} runs", record.case, record.runs);
        let answer = ours(&case);
        let infeasible = feasible::problems(&case, &answer);
        assert!(infeasible.is_empty(), "{} is not feasible: {infeasible:#?}", case.name);
        let kind = case.name.rsplit_once('-').expect("kind and round").0.to_owned();
        let tally = tallies.entry(kind).or_default();
        match &record.outcome {
            Outcome::Agreed(_) => tally.agreed += 1,
            Outcome::Ranged(range) => {
                tally.ranged += 1;
                widest.push(format!(
                    "{}: ours {} nodes {} $·10⁻⁵, Karpenter {:?} nodes {:?} ({} answers)",
                    case.name,
                    answer.nodes.len(),
                    Distinct::of(&answer).total(),
                    range.nodes,
                    range.total,
                    range.distinct
                ));
            }
        }
        let found = differences(record, &answer);
        if !found.is_empty() {
            tally.wrong.push(format!("{}: {}", case.name, found.join("; ")));
        }
    }
    summary(&tallies, &widest);
    let wrong: Vec<&String> = tallies.values().flat_map(|tally| &tally.wrong).collect();
    let excused = |text: &str| {
        EXCUSED.iter().any(|(name, _)| text.split_once(':').is_some_and(|(case, _)| case == *name))
    };
    assert!(EXCUSED.len() * 100 <= COUNT, "at most one case in a hundred is excused");
    assert!(
        EXCUSED.iter().all(|(_, why)| !why.contains("order") && !why.contains("tie")),
        "no excuse is an order or a tie"
    );
    let unexcused: Vec<_> = wrong.iter().filter(|text| !excused(text)).collect();
    assert!(unexcused.is_empty(), "{} of {COUNT} differ: {unexcused:#?}", unexcused.len());
}

fn summary(tallies: &BTreeMap<String, Tally>, ranges: &[String]) {
    println!("{:18} {:>6} {:>6} {:>6}", "kind", "agreed", "ranged", "differ");
    for (kind, tally) in tallies {
        println!("{kind:18} {:>6} {:>6} {:>6}", tally.agreed, tally.ranged, tally.wrong.len());
    }
    println!("where Karpenter's own runs differ:");
    for range in ranges {
        println!("  {range}");
    }
}

/// A checker that finds nothing wrong with anything is none.
#[test]
fn the_checker_sees_what_is_wrong() {
    let broken = |number: usize, name: &str, bend: &dyn Fn(&mut Answer)| {
        let case = cases::case(number);
        assert!(case.name.starts_with(name), "{}", case.name);
        let mut answer = ours(&case);
        assert_eq!(feasible::problems(&case, &answer), Vec::<String>::new());
        bend(&mut answer);
        let found = feasible::problems(&case, &answer);
        assert!(!found.is_empty(), "{}", case.name);
    };
    let merge = |answer: &mut Answer| {
        let last = answer.nodes.pop().expect("a node");
        answer.nodes[0].pods.extend(last.pods);
    };
    broken(15, "generic", &merge);
    broken(15, "generic", &|answer| {
        answer.nodes[0].pods.pop();
    });
    broken(15, "generic", &|answer| answer.nodes[0].usd_per_hour *= 0.99);
    broken(20, "anti-affinity", &merge);
    broken(17, "zone-spread", &|answer| {
        for node in &mut answer.nodes {
            node.zones = vec!["zone-a".to_owned()];
        }
    });
    broken(26, "limits", &|answer| {
        let pods = std::mem::take(&mut answer.unschedulable);
        let mut node = answer.nodes[0].clone();
        node.pods = pods;
        answer.nodes.extend(std::iter::repeat_n(node, 200));
    });
    broken(21, "taints", &|answer| {
        for node in &mut answer.nodes {
            node.node_pool = Some("data".to_owned());
        }
    });
}
