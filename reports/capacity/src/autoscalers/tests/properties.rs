//! What holds for every trace.

use proptest::prelude::*;

use super::{question, types};
use crate::autoscalers::made::TraceShape;
use crate::autoscalers::run::{PodEnd, Run};
use crate::autoscalers::trace::{Action, Trace, TraceEvent, TracePod};
use crate::autoscalers::{LaunchTime, Question, simulate};
use crate::karpenter::default_pool;
use crate::manifest::{BudgetSize, ConsolidationPolicy};
use crate::money::Total;
use crate::quantity::{Bytes, Millicores};

const TYPES: &str = "\
instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones
a.small,amd64,2000,4096,10,0.1,y;z
b.big,amd64,4000,8192,20,0.18,y;z
c.lean,amd64,4000,4096,20,0.15,z
d.huge,amd64,16000,65536,60,0.9,y;z
";

/// Pods that come within an hour and mostly go again; now and then one that nobody owns.
fn traces(most: usize, owned: bool) -> impl Strategy<Value = Trace> {
    let size = (0..6_usize, 0..5_usize);
    let pod = (size, 0_i64..3600, prop::option::of(1_i64..2000), 0..5_u8);
    prop::collection::vec(pod, 1..most).prop_map(move |pods| {
        let mut trace = Trace::default();
        for (index, ((cpu, memory), from, stays, owner)) in pods.into_iter().enumerate() {
            let alone = !owned && owner == 0;
            trace.pods.push(TracePod {
                name: format!("p{index}"),
                owner: if alone { String::new() } else { format!("o{owner}") },
                cpu: Millicores([100, 250, 500, 900, 1500, 3000][cpu]),
                memory: Bytes::mebibytes([64, 512, 1024, 3000, 6000][memory]),
            });
            let event = |at, action| TraceEvent { at, action, pod: index };
            trace.events.push(event(from, Action::Add));
            trace.events.extend(stays.map(|stays| event(from + stays, Action::Remove)));
        }
        trace.events.sort_by_key(|event| (event.at, event.action, event.pod));
        trace
    })
}

fn asked(trace: Trace, seed: u64) -> Question {
    let mut asked = question(trace, &types(TYPES), &["a.small:1:8", "b.big:0:20"]);
    asked.launch_time = LaunchTime::default();
    asked.seed = seed;
    asked
}

fn conserved(run: &Run, trace: &Trace) -> Result<(), TestCaseError> {
    let ends = [PodEnd::Bound, PodEnd::Pending, PodEnd::Removed, PodEnd::Lost];
    let all: usize = ends.iter().map(|end| run.ended(*end)).sum();
    prop_assert_eq!(all, trace.pods.len());
    prop_assert_eq!(run.node_seconds(), run.sampled_node_seconds());
    let last = run.samples.last().expect("a sample");
    prop_assert_eq!(
        (last.pending, last.bound),
        (run.ended(PodEnd::Pending), run.ended(PodEnd::Bound))
    );
    // The area under the pending pods is their waiting.
    let ends = run.samples.iter().skip(1).map(|next| next.at).chain([run.until]);
    let area: i64 = run
        .samples
        .iter()
        .zip(ends)
        .map(|(one, end)| (end - one.at) * i64::try_from(one.pending).expect("few"))
        .sum();
    prop_assert_eq!(area, run.pending_seconds());
    let mut total = Total::default();
    for one in run.by_type() {
        total.add(one.amount().ok_or_else(|| crate::money::Unpriced::because("none")));
    }
    prop_assert_eq!(total.complete(), run.total().complete());
    for node in &run.nodes {
        prop_assert!(node.ready.is_none_or(|ready| node.launched <= ready));
        prop_assert!(node.billed >= 60 && node.seconds >= 0);
    }
    Ok(())
}

/// In every second as many pods wait and run as have come and not gone.
fn counted(run: &Run, trace: &Trace) -> Result<(), TestCaseError> {
    let mut events = trace.events.iter().peekable();
    let mut there = 0_usize;
    for sample in &run.samples {
        while let Some(event) = events.next_if(|event| event.at <= sample.at) {
            match event.action {
                Action::Add => there += 1,
                Action::Remove => there -= 1,
            }
        }
        prop_assert_eq!(sample.pending + sample.bound, there, "at {}", sample.at);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_or_made_up(trace in traces(40, false), seed in 0..100_u64) {
        let outcome = simulate(&asked(trace.clone(), seed));
        conserved(&outcome.cluster_autoscaler, &trace)?;
        conserved(&outcome.karpenter, &trace)?;
        prop_assert_eq!(outcome, simulate(&asked(trace, seed)));
    }

    #[test]
    fn pods_with_owners_wait_or_run_until_they_are_removed(trace in traces(40, true), seed in 0..100_u64) {
        let outcome = simulate(&asked(trace.clone(), seed));
        counted(&outcome.cluster_autoscaler, &trace)?;
        counted(&outcome.karpenter, &trace)?;
    }

    #[test]
    fn a_slower_launch_never_shortens_the_waiting_of_a_single_pod(
        at in 0_i64..100, stays in prop::option::of(1_i64..400), first in 0_i64..200, more in 0_i64..200,
    ) {
        let mut rows = format!("{at},add,p,1,1Gi,web\n");
        if let Some(stays) = stays {
            rows.push_str(&format!("{},remove,p,,,\n", at + stays));
        }
        let waited = |seconds| {
            let mut asked = question(super::trace(&rows), &types(TYPES), &["a.small:0:3"]);
            asked.launch_time = LaunchTime::constant(seconds);
            let outcome = simulate(&asked);
            (outcome.cluster_autoscaler.pending_seconds(), outcome.karpenter.pending_seconds())
        };
        let (one, other) = (waited(first), waited(first + more));
        prop_assert!(one.0 <= other.0 && one.1 <= other.1, "{one:?} and {other:?}");
    }

    /// Sizes and prices alone decide as the general consolidation does.
    #[test]
    fn the_short_way_of_consolidation_decides_as_the_long_one(
        trace in traces(30, true), seed in 0..100_u64,
        percent in 10_u32..100, after in 0..3_usize, only_empty in prop::bool::weighted(0.2),
    ) {
        let run = |is_thorough| {
            let mut asked = asked(trace.clone(), seed);
            let mut pool = default_pool();
            pool.disruption.budgets[0].size = BudgetSize::Percent(percent);
            pool.disruption.consolidate_after = Some([0, 30, 300][after]);
            if only_empty {
                pool.disruption.policy = ConsolidationPolicy::WhenEmpty;
            }
            asked.karpenter.node_pools = vec![pool];
            asked.karpenter.is_thorough = is_thorough;
            // What is decided is carried out in the same second: the two only look again differently.
            asked.karpenter.validation = 0;
            simulate(&asked).karpenter
        };
        let (short, long) = (run(false), run(true));
        prop_assert_eq!(short.nodes, long.nodes);
        prop_assert_eq!(short.pods, long.pods);
    }
}

#[test]
fn ten_thousand_events_are_conserved_too() {
    let mut trace = TraceShape::Diurnal.trace(3);
    // Days after each other, pods named apart.
    for number in 1..4 {
        let next = TraceShape::Diurnal.trace(3 + number);
        let (pods, after) = (trace.pods.len(), trace.end() + 1);
        trace.pods.extend(
            next.pods
                .into_iter()
                .map(|pod| TracePod { name: format!("{}-{number}", pod.name), ..pod }),
        );
        trace.events.extend(next.events.into_iter().map(|event| TraceEvent {
            at: event.at + after,
            pod: event.pod + pods,
            ..event
        }));
    }
    assert!(trace.events.len() > 10_000, "{}", trace.events.len());
    let outcome = simulate(&asked(trace.clone(), 1));
    for run in [&outcome.cluster_autoscaler, &outcome.karpenter] {
        conserved(run, &trace).expect("conserved");
        counted(run, &trace).expect("counted");
    }
}
