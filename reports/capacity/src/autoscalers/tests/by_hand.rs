//! Small traces, every second of them worked out by hand.

use super::{TYPES, question, trace, types};
use crate::autoscalers::cluster_autoscaler::Expander;
use crate::autoscalers::run::{PodEnd, Run};
use crate::autoscalers::steps::StepKind;
use crate::autoscalers::{Outcome, Sample, simulate};
use crate::quantity::Quantity;

fn under_both(rows: &str, groups: &[&str]) -> Outcome {
    simulate(&question(trace(rows), &types(TYPES), groups))
}

/// Second, nodes, ready nodes, pending pods, bound pods.
fn samples(run: &Run) -> Vec<(i64, usize, usize, usize, usize)> {
    let written = |one: &Sample| (one.at, one.nodes, one.ready, one.pending, one.bound);
    run.samples.iter().map(written).collect()
}

/// Type, launched, ready, terminated.
fn nodes(run: &Run) -> Vec<(&str, i64, Option<i64>, Option<i64>)> {
    run.nodes
        .iter()
        .map(|node| {
            (node.machine.instance_type.as_str(), node.launched, node.ready, node.terminated)
        })
        .collect()
}

fn waited(run: &Run) -> Vec<i64> {
    run.pods.iter().map(|pod| pod.waited).collect()
}

#[test]
fn one_pod_comes_and_goes() {
    let outcome = under_both("3,add,p,1500m,1Gi,web\n1000,remove,p,,,\n", &["a.small:0:5"]);
    let run = &outcome.cluster_autoscaler;
    // The scan of 10 s sees the pod, seven seconds old. The node is not needed from the scan of 1000 s
    // on; at 1600 s that is not yet *longer* than 600 s; 5 s from taint to deletion.
    assert_eq!(nodes(run), [("a.small", 10, Some(50), Some(1615))]);
    assert_eq!(
        samples(run),
        [
            (0, 0, 0, 0, 0),
            (3, 0, 0, 1, 0),
            (10, 1, 0, 1, 0),
            (50, 1, 1, 0, 1),
            (1000, 1, 1, 0, 0),
            (1610, 1, 0, 0, 0),
            (1615, 0, 0, 0, 0),
        ]
    );
    assert_eq!((run.pods[0].end, run.pods[0].waited), (PodEnd::Removed, 47));
    assert_eq!(run.total().complete().expect("priced").dollars(10), "0.0445833333");
    let run = &outcome.karpenter;
    // The batch is idle for 1 s at 4 s. The look of 1000 s finds the node empty, 15 s later it still is.
    assert_eq!(nodes(run), [("a.small", 4, Some(44), Some(1015))]);
    assert_eq!(
        samples(run),
        [
            (0, 0, 0, 0, 0),
            (3, 0, 0, 1, 0),
            (4, 1, 0, 1, 0),
            (44, 1, 1, 0, 1),
            (1000, 1, 1, 0, 0),
            (1015, 0, 0, 0, 0),
        ]
    );
    assert_eq!((run.pods[0].waited, run.until), (41, 2800));
    // 1011 s at $0.1.
    assert_eq!(run.total().complete().expect("priced").dollars(10), "0.0280833333");
}

#[test]
fn two_pods_take_two_small_nodes_or_a_big_one() {
    let outcome = under_both("3,add,p,1500m,1Gi,web\n4,add,q,1500m,1Gi,web\n", &["a.small:0:5"]);
    let run = &outcome.cluster_autoscaler;
    assert_eq!(nodes(run), [("a.small", 10, Some(50), None), ("a.small", 10, Some(50), None)]);
    assert_eq!(waited(run), [47, 46]);
    assert_eq!((run.pending_percentile(50), run.pending_percentile(95)), (Some(46), Some(47)));
    assert_eq!((run.pending_seconds(), run.node_seconds()), (93, 2 * (1804 - 10)));
    let run = &outcome.karpenter;
    // The second pod keeps the batch open until 5 s; no smaller machine holds both.
    assert_eq!(nodes(run), [("b.big", 5, Some(45), None)]);
    assert_eq!((waited(run), run.node_seconds()), (vec![42, 41], 1799));
}

#[test]
fn both_put_pods_together_when_room_is_left() {
    let rows =
        "3,add,p,900m,1Gi,web\n3,add,q,900m,1Gi,web\n3,add,r,900m,1Gi,web\n500,remove,q,,,\n";
    let outcome = under_both(rows, &["a.small:0:5"]);
    let run = &outcome.cluster_autoscaler;
    // Two fit on one node. From the scan of 500 s on each node is at 45 %; the first is not needed, for
    // its pod fits on the second; the second then has nowhere to go. At 1110 s the first is tainted, at
    // 1115 s drained, 30 s later gone; its pod is bound in the same second.
    assert_eq!(
        nodes(run),
        [("a.small", 10, Some(50), Some(1145)), ("a.small", 10, Some(50), None)]
    );
    assert_eq!(run.pods.iter().map(|pod| pod.evictions).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(waited(run), [47, 47, 47]);
    let run = &outcome.karpenter;
    // At 500 s a small machine would do. It is launched at 515 s, after the second look; when it is
    // ready the big one is drained and stays another 30 s.
    assert_eq!(nodes(run), [("b.big", 4, Some(44), Some(585)), ("a.small", 515, Some(555), None)]);
    assert_eq!(run.pods.iter().map(|pod| pod.evictions).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(waited(run), [41, 41, 41]);
}

#[test]
fn the_way_of_the_first_pod_that_waits_is_drawn_for_both() {
    let outcome = under_both("3,add,p,1500m,1Gi,web\n", &["a.small:0:5"]);
    let steps = |run: &Run| -> Vec<(StepKind, Option<i64>)> {
        run.steps.iter().map(|step| (step.kind, step.at)).collect()
    };
    assert_eq!(
        steps(&outcome.cluster_autoscaler),
        [
            (StepKind::PodPending, Some(3)),
            (StepKind::Scan, Some(10)),
            (StepKind::GroupGrows, Some(10)),
            (StepKind::Launch, Some(10)),
            (StepKind::NodeReady, Some(50)),
            (StepKind::Bound, Some(50)),
        ]
    );
    assert_eq!(
        outcome.cluster_autoscaler.steps[2].text,
        "the expander picks a node group, its Auto Scaling group grows; a.small/z: desired 0 to 1"
    );
    assert_eq!(
        steps(&outcome.karpenter),
        [
            (StepKind::PodPending, Some(3)),
            (StepKind::BatchOpens, Some(3)),
            (StepKind::BatchCloses, Some(4)),
            (StepKind::CreateFleet, Some(4)),
            (StepKind::NodeClaim, Some(4)),
            (StepKind::Launch, Some(4)),
            (StepKind::NodeReady, Some(44)),
            (StepKind::Bound, Some(44)),
        ]
    );
}

#[test]
fn a_batch_stays_open_for_ten_seconds_at_most() {
    // A pod a second: never idle for longer than a second, so the batch ends at 10 s.
    let rows: String = (0..20).map(|at| format!("{at},add,p{at},100m,64Mi,web\n")).collect();
    let outcome = under_both(&rows, &["a.small:0:5"]);
    assert_eq!(nodes(&outcome.karpenter)[0].1, 10);
    // The pods of the second batch have room on the node of the first.
    assert_eq!(nodes(&outcome.karpenter).len(), 1);
}

#[test]
fn pods_that_are_too_new_wait_for_the_next_scan() {
    let outcome = under_both("9,add,p,1,1Gi,web\n", &["a.small:0:5"]);
    assert_eq!(nodes(&outcome.cluster_autoscaler), [("a.small", 20, Some(60), None)]);
    let outcome = under_both("8,add,p,1,1Gi,web\n", &["a.small:0:5"]);
    assert_eq!(nodes(&outcome.cluster_autoscaler), [("a.small", 10, Some(50), None)]);
}

#[test]
fn the_least_nodes_of_a_group_stand_and_stay() {
    let outcome = under_both("100,add,p,1,1Gi,web\n", &["a.small:2:5"]);
    let run = &outcome.cluster_autoscaler;
    assert_eq!(nodes(run), [("a.small", 0, Some(0), None), ("a.small", 0, Some(0), None)]);
    assert_eq!((waited(run), run.node_seconds()), (vec![0], 2 * 1900));
    assert_eq!((run.first_pending.as_deref(), run.steps.len()), (None, 0));
}

#[test]
fn a_node_is_not_taken_within_ten_minutes_of_an_addition() {
    // The first node is not needed from 100 s on; the second is added at 700 s.
    let rows = "3,add,p,1500m,1Gi,web\n100,remove,p,,,\n695,add,q,3,1Gi,job\n2000,remove,q,,,\n";
    let outcome = under_both(rows, &["a.small:0:5", "b.big:0:5"]);
    let run = &outcome.cluster_autoscaler;
    // Without the addition it would go at 710 s; so it goes at 1300 s, when the delay is over.
    assert_eq!(nodes(run)[0], ("a.small", 10, Some(50), Some(1305)));
    assert_eq!(nodes(run)[1], ("b.big", 700, Some(740), Some(2615)));
}

#[test]
fn a_pod_on_its_own_holds_its_node_for_one_and_is_lost_to_the_other() {
    let rows = "3,add,alone,900m,1Gi,\n3,add,q,900m,1Gi,web\n3,add,r,900m,1Gi,web\n500,remove,q,,,\n600,remove,r,,,\n";
    let outcome = under_both(rows, &["a.small:0:5"]);
    let run = &outcome.cluster_autoscaler;
    assert_eq!(run.pods[0].end, PodEnd::Bound);
    assert_eq!(run.nodes.iter().filter(|node| node.terminated.is_none()).count(), 1);
    assert_eq!(outcome.karpenter.pods[0].end, PodEnd::Lost);
}

#[test]
fn what_no_node_holds_waits_and_is_named() {
    let outcome = under_both("3,add,huge,64,1Gi,web\n3,add,p,1,1Gi,web\n", &["a.small:0:5"]);
    let run = &outcome.cluster_autoscaler;
    assert_eq!(
        run.refused,
        [(
            "huge".to_owned(),
            "no node of a node group has room for cpu 64, memory 1Gi besides its daemonsets"
                .to_owned()
        )]
    );
    assert_eq!((run.pods[0].end, run.pods[0].waited), (PodEnd::Pending, 1800));
    let run = &outcome.karpenter;
    assert_eq!(run.refused[0].0, "huge");
    assert!(run.refused[0].1.contains("no instance type that meets the requirements"));
    assert_eq!((run.pods[1].end, run.nodes.len()), (PodEnd::Bound, 1));
}

#[test]
fn a_group_grows_to_its_most_and_no_further() {
    let rows: String = (0..4).map(|at| format!("3,add,p{at},1500m,1Gi,web\n")).collect();
    let outcome = under_both(&rows, &["a.small:0:3"]);
    let run = &outcome.cluster_autoscaler;
    assert_eq!((run.nodes.len(), run.ended(PodEnd::Pending), run.refused.len()), (3, 1, 0));
}

#[test]
fn each_expander_takes_its_own_group() {
    let rows = "3,add,p,1500m,1Gi,web\n3,add,q,1500m,1Gi,web\n";
    let first = |expander, priorities: &[&str], groups: &[&str]| {
        let mut asked = question(trace(rows), &types(TYPES), groups);
        asked.cluster_autoscaler.expander = expander;
        asked.cluster_autoscaler.priorities = priorities.iter().map(|one| (*one).into()).collect();
        simulate(&asked).cluster_autoscaler.nodes[0].machine.instance_type.clone()
    };
    let both = ["a.small:0:5", "b.big:0:5"];
    // Two small machines are as full as a big one: 3 of 4 cores, 2 of 8 GiB; with more room less is
    // wasted on the small ones alone.
    assert_eq!(first(Expander::LeastWaste, &[], &["b.big:0:5", "a.small:0:1"]), "a.small");
    // A single small machine takes one of the pods, a big one both.
    assert_eq!(first(Expander::MostPods, &[], &["a.small:0:1", "b.big:0:5"]), "b.big");
    assert_eq!(first(Expander::Priority, &["b.", "a."], &both), "b.big");
    assert_eq!(first(Expander::Priority, &["a."], &both), "a.small");
    // By chance, but by the same chance each time.
    let chance = first(Expander::Random, &[], &both);
    assert_eq!(first(Expander::Random, &[], &both), chance);
}

#[test]
fn a_short_node_is_billed_for_a_minute() {
    let mut asked =
        question(trace("0,add,p,1,1Gi,web\n5,remove,p,,,\n"), &types(TYPES), &["a.small:0:5"]);
    asked.launch_time = crate::autoscalers::LaunchTime::constant(5);
    let run = simulate(&asked).karpenter;
    // Launched at 1 s, ready at 6 s, found empty at 10 s, gone at 25 s.
    assert_eq!(nodes(&run), [("a.small", 1, Some(6), Some(25))]);
    assert_eq!((run.nodes[0].seconds, run.nodes[0].billed), (24, 60));
    assert_eq!(run.total().complete().expect("priced").dollars(10), "0.0016666667");
}

#[test]
fn a_machine_without_a_price_leaves_no_total() {
    let unpriced = TYPES.replace(",0.1,", ",,").replace(",0.18,", ",,");
    let asked = question(trace("0,add,p,1,1Gi,web\n"), &types(&unpriced), &["a.small:0:5"]);
    let outcome = simulate(&asked);
    for run in [&outcome.cluster_autoscaler, &outcome.karpenter] {
        assert_eq!((run.nodes.len(), run.pods[0].end), (1, PodEnd::Bound));
        assert_eq!((run.total().complete(), run.total().holes.len()), (None, 1));
    }
}

#[test]
fn limits_of_a_pool_hold_and_the_long_way_gives_nodes_up_too() {
    let rows = "3,add,p,1500m,1Gi,web\n20,add,q,1500m,1Gi,web\n1000,remove,p,,,\n";
    let mut asked = question(trace(rows), &types(TYPES), &["a.small:0:5"]);
    let mut pool = crate::karpenter::default_pool();
    pool.limits.insert("cpu".to_owned(), Quantity::units(5));
    asked.karpenter.node_pools = vec![pool];
    let run = simulate(&asked).karpenter;
    // A claim is charged with the largest type, four cores, so that the first is made and is a small
    // one; with its two cores three are left, and a big one would be too much: a small one again.
    assert_eq!(
        nodes(&run),
        [("a.small", 4, Some(44), Some(1015)), ("a.small", 21, Some(61), None)]
    );
    let mut tight = asked.clone();
    tight.karpenter.node_pools[0].limits.insert("cpu".to_owned(), Quantity::units(3));
    let run = simulate(&tight).karpenter;
    assert_eq!((run.nodes.len(), run.ended(PodEnd::Pending)), (1, 0));
    // The second pod takes the place of the first.
    assert_eq!(run.pods[1].waited, 980);
}

#[test]
fn spot_is_bought_where_the_pool_allows_it() {
    let table = "\
instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones,capacity_type
a.small,amd64,2000,4096,10,0.1,z,on-demand
a.small,amd64,2000,4096,10,0.03,z,spot
b.big,amd64,4000,8192,20,0.18,z,on-demand
b.big,amd64,4000,8192,20,0.07,z,spot
";
    let mut asked = question(
        trace("3,add,p,1500m,1Gi,web\n1000,remove,p,,,\n"),
        &types(table),
        &["a.small:0:5"],
    );
    let mut pool = crate::karpenter::default_pool();
    pool.requirements.clear();
    asked.karpenter.node_pools = vec![pool];
    let outcome = simulate(&asked);
    let bought = |run: &Run| run.nodes[0].machine.capacity_type.clone();
    assert_eq!(bought(&outcome.karpenter), "spot");
    assert_eq!(bought(&outcome.cluster_autoscaler), "on-demand");
    assert_eq!(nodes(&outcome.karpenter), [("a.small", 4, Some(44), Some(1015))]);
    assert_eq!(outcome.karpenter.total().complete().expect("priced").dollars(10), "0.0084250000");
}
