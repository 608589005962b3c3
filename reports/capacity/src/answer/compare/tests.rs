//! A comparison as others read it.

use super::{COMPARE, CompareOptions, Comparison};
use crate::answer::{Completeness, PriceAge, schema, written};
use crate::compare::workload::Workloads;
use crate::manifest::read_pods;
use crate::prices::PriceBook;
use crate::region::Region;

fn compared(name: &str, text: &str) -> Comparison {
    let options = CompareOptions::new(Region::ApNortheast2);
    let age = PriceAge { most_days: 90, today: "2026-11-25".parse().expect("a day") };
    let workloads = Workloads::of(read_pods(name, text).expect("pods"));
    Comparison::new(&workloads, &options, PriceBook::embedded(), age, Vec::new())
}

const SMALL: &str = "name,cpu,memory,replicas,hours\nweb,500m,1Gi,12,\nbatch,1,4Gi,2,200\n";

#[test]
fn its_json_is_what_the_schema_says() {
    let comparison = compared("pods.csv", SMALL);
    let text = written::json(&comparison).expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema::mismatches(&value, COMPARE), Vec::<String>::new());
    assert_eq!(comparison.completeness(), Completeness::Complete);
    assert!(!comparison.not_simulated.is_empty());
    let sample: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/data/comparison.json")).expect("JSON");
    assert_eq!(schema::mismatches(&sample, COMPARE), Vec::<String>::new());
}

#[test]
fn a_few_small_pods_are_cheaper_without_nodes_at_all() {
    let comparison = compared("pods.csv", SMALL);
    let of = |side: &str| comparison.sides.iter().find(|one| one.side == side).expect("a side");
    assert_eq!(of("fargate").usd_per_month, Some(374.11575));
    assert_eq!(of("nodeless").usd_per_month, Some(443.40325));
    let verdict = comparison.verdicts.iter().find(|one| one.side == "fargate").expect("a verdict");
    // 69.29 cheaper; spot at half price saves 142 of NodeLess's nodes and turns it.
    assert_eq!((verdict.answer, verdict.difference_percent), ("within_uncertainty", Some(-15.63)));
    let turning: Vec<&str> =
        verdict.tornado.iter().filter(|one| one.turns).map(|one| one.lever.as_str()).collect();
    assert!(turning.contains(&"spot on Karpenter's nodes"), "{turning:?}");
    assert_eq!(verdict.by_node_shape.len(), 3);
}

#[test]
fn rows_of_the_csv_add_up_and_the_markdown_is_harmless() {
    let comparison = compared("pods.csv", "name,cpu,memory,replicas\n=x|<b>,500m,1Gi,3\n");
    let csv = comparison.csv();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let mut sum = 0_i128;
    for row in reader.records().map(|row| row.expect("a row")).filter(|row| &row[0] == "fargate") {
        assert!(!row[2].starts_with('='));
        sum += row[6].replace('.', "").parse::<i128>().expect("ten places");
    }
    let total = comparison.sides.iter().find(|one| one.side == "fargate").and_then(|one| one.total);
    assert_eq!(total.expect("a total").dollars(10).replace('.', "").parse::<i128>(), Ok(sum));
    let markdown = comparison.markdown();
    assert!(markdown.contains("=x\\|\\<b\\>") && !markdown.contains("<b>"));
}

#[test]
fn steps_free_room_and_break_even_of_each_workload() {
    let comparison = compared(
        "pods.csv",
        "name,cpu,memory,replicas\nkarpenter-like,1,1Gi,2\nedge,250m,1793Mi,1\n",
    );
    let [one, edge] = comparison.workloads.as_slice() else { panic!("two workloads") };
    // Billed 1 vCPU and 2 GB: 2,048 less 1,024 and 256 are free. Break-even as published: 81 %.
    assert_eq!((one.free_cpu_m, one.free_memory_mib), (Some(0), Some(768)));
    assert_eq!((one.break_even_percent, one.break_even_type), (Some(81.07), Some("c5a.4xlarge")));
    // One MiB over a cliff: 0.5 vCPU and 3 GB instead of 0.25 and 2.
    assert_eq!(edge.fargate_size.as_deref(), Some("0.5vCPU 3GB"));
    let step = comparison.moves.iter().find(|one| one.workload == "edge").expect("a move");
    assert_eq!(step.from, "0.5vCPU 3GB");
    assert!(comparison.moves[0].saves_usd_per_month >= comparison.moves[1].saves_usd_per_month);
}

#[test]
fn what_no_side_can_run_and_what_has_no_duration_decide_how_it_ends() {
    let huge = compared("pods.csv", "name,cpu,memory,replicas\nhuge,300,1Gi,1\n");
    assert_eq!(huge.completeness(), Completeness::Unplaced);
    assert_eq!(huge.held_by_no_side, ["huge"]);
    assert!(huge.verdicts.iter().all(|one| one.answer == "cannot_say" && one.reason.is_some()));
    let job = "
kind: Job
metadata: {name: once}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 1}}}]}}}
";
    let job = compared("job.yaml", job);
    assert_eq!(job.completeness(), Completeness::Unpriced);
    assert_eq!(job.unpriced[0].name, "once");
}
