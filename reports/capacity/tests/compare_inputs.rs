//! What decides how long pods run and how many there are: autoscalers, schedules, durations, options,
//! pools; and what each of them makes of an answer.

#![allow(clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;

use runbook_capacity::answer::compare::{COMPARE, CompareOptions, Comparison, WorkloadRow};
use runbook_capacity::answer::{Completeness, PriceAge, schema, written};
use runbook_capacity::compare::options::{Options, read_options};
use runbook_capacity::compare::shape::NodeShape;
use runbook_capacity::compare::side::{LineKind, SideId};
use runbook_capacity::compare::sides::{Setting, side};
use runbook_capacity::compare::workload::Workloads;
use runbook_capacity::manifest::{read_node_pools, read_pods};
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::Region;

fn compared(name: &str, text: &str, options: &str) -> Comparison {
    let file = read_options("options.yaml", options).expect("options");
    let workloads = Workloads::with(read_pods(name, text).expect("pods"), &file).expect("names");
    of(&workloads, CompareOptions::new(Region::ApNortheast2).with(file))
}

fn of(workloads: &Workloads, options: CompareOptions) -> Comparison {
    let age = PriceAge { most_days: 90, today: "2026-11-26".parse().expect("a day") };
    let comparison = Comparison::new(workloads, &options, PriceBook::embedded(), age, Vec::new());
    let text = written::json(&comparison).expect("JSON");
    let value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(schema::mismatches(&value, COMPARE), Vec::<String>::new());
    comparison
}

fn row<'a>(comparison: &'a Comparison, name: &str) -> &'a WorkloadRow {
    comparison.workloads.iter().find(|row| row.workload == name).expect("a row")
}

fn notes(comparison: &Comparison) -> String {
    comparison.notes.join("\n")
}

fn lines(comparison: &Comparison, side: &str, of: &str) -> Vec<(i64, f64)> {
    let side = comparison.sides.iter().find(|one| one.side == side).expect("a side");
    side.lines
        .iter()
        .filter(|line| line.what.starts_with(of))
        .map(|line| (line.count, line.hours))
        .collect()
}

const SCALED: &str = "
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 512Mi}}}]}}}
---
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {minReplicas: 2, maxReplicas: 10, scaleTargetRef: {kind: Deployment, name: web}}
---
kind: HorizontalPodAutoscaler
metadata: {name: lost}
spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: gone}}
";

#[test]
fn an_autoscaled_workload_is_billed_at_its_mean_and_swings_between_its_ends() {
    let middle = compared("pods.yaml", SCALED, "");
    assert_eq!(lines(&middle, "fargate", "web at"), [(6, 730.0)]);
    let replicas = row(&middle, "web").replicas.clone().expect("replicas");
    assert_eq!(
        (replicas.min, replicas.max, replicas.how.as_str()),
        (2, 10, "the middle of min and max")
    );
    assert!(notes(&middle).contains(
        "`web` is scaled from 2 to 10 pods; the bills have 6: the middle of min and max"
    ));
    assert!(notes(&middle).contains(
        "HorizontalPodAutoscaler `lost` scales Deployment/gone, which is not among the workloads"
    ));
    // 3.6 pods: three all month, one for 0.6 of it.
    let given = compared("pods.yaml", SCALED, "workloads: {web: {mean_replicas: 3.6}}");
    assert_eq!(lines(&given, "fargate", "web at"), [(3, 730.0), (1, 438.0)]);
    assert!(notes(&given).contains("the bills have 3.6: as given"));
    // Each end of the lever is a bill of its own: 0.01675 × 730 a pod on Fargate.
    let fargate = given.verdicts.iter().find(|one| one.side == "fargate").expect("a verdict");
    let bar = fargate.tornado.iter().find(|bar| bar.lever == "HorizontalPodAutoscalers");
    assert_eq!(bar.map(|bar| bar.base.as_str()), Some("mean"));
    let current = SCALED.replace(
        "scaleTargetRef: {kind: Deployment, name: web}}",
        "scaleTargetRef: {kind: Deployment, name: web}}\nstatus: {currentReplicas: 4}",
    );
    let current = compared("pods.yaml", &current, "");
    assert_eq!(lines(&current, "fargate", "web at"), [(4, 730.0)]);
    assert!(notes(&current).contains("as many as there were when it was looked at"));
}

const JOBS: &str = "
kind: CronJob
metadata: {name: frequent, annotations: {runbook/duration: 20s}}
spec: {schedule: '*/5 * * * *', jobTemplate: {spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}}}
---
kind: CronJob
metadata: {name: overlapping}
spec: {schedule: '0 * * * *', jobTemplate: {spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}}}
---
kind: CronJob
metadata: {name: alone}
spec: {schedule: '0 * * * *', concurrencyPolicy: Forbid, jobTemplate: {spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}}}
---
kind: CronJob
metadata: {name: kept}
spec: {schedule: '0 * * * *', concurrencyPolicy: Forbid, jobTemplate: {spec: {ttlSecondsAfterFinished: 1800, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}}}
---
kind: CronJob
metadata: {name: replaced}
spec: {schedule: '0 * * * *', concurrencyPolicy: Replace, jobTemplate: {spec: {ttlSecondsAfterFinished: 1800, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}}}
---
kind: CronJob
metadata: {name: resting}
spec: {schedule: '@daily', suspend: true, jobTemplate: {spec: {template: {spec: {containers: [{name: c}]}}}}}
---
kind: CronJob
metadata: {name: never}
spec: {schedule: '0 0 30 2 *', jobTemplate: {spec: {template: {spec: {containers: [{name: c}]}}}}}
---
kind: Job
metadata: {name: done}
spec: {completions: 3, parallelism: 5, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 1}}}]}}}
status: {startTime: '2026-11-01T00:00:00Z', completionTime: '2026-11-01T02:00:00Z'}
---
kind: Job
metadata: {name: unknown}
spec: {activeDeadlineSeconds: 900, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 1}}}]}}}
---
kind: CronJob
metadata: {name: wrong}
spec: {schedule: 'at noon', jobTemplate: {spec: {template: {spec: {containers: [{name: c}]}}}}}
";

#[test]
fn jobs_run_by_schedule_and_duration_or_are_unpriced() {
    let found = compared(
        "pods.yaml",
        JOBS,
        "workloads: {overlapping: {duration: 90m}, alone: {duration: 90m}, kept: {duration: 90m}, replaced: {duration: 90m}, wrong: {duration: 1h}, never: {duration: 1h}}",
    );
    // 8,760 runs a month; Fargate bills a minute of each, a node is held for 20 s of each.
    assert_eq!(lines(&found, "fargate", "frequent"), [(1, 146.0)]);
    assert!((row(&found, "frequent").hours - 730.0 * 12.0 * 20.0 / 3600.0).abs() < 1e-9);
    // 730 runs of 1.5 h are one and a half pods all month; alone it cannot be more than one.
    assert_eq!(lines(&found, "fargate", "overlapping"), [(1, 730.0), (1, 365.0)]);
    assert_eq!(lines(&found, "fargate", "alone"), [(1, 730.0)]);
    assert!((row(&found, "alone").hours - 730.0).abs() < 1e-9);
    // Of 730 hours 486 runs of 90 minutes come to an end, each kept for half an hour; one that is
    // replaced is deleted.
    assert_eq!(lines(&found, "fargate", "kept"), [(1, 730.0 + 243.0)]);
    assert_eq!(lines(&found, "fargate", "replaced"), [(1, 730.0)]);
    // Its three pods took two hours, as it says itself.
    assert_eq!(lines(&found, "fargate", "done"), [(3, 2.0)]);
    let unpriced: Vec<(&str, &str)> =
        found.unpriced.iter().map(|one| (one.name.as_str(), one.reason.as_str())).collect();
    assert_eq!(unpriced[0], ("never", "its schedule never comes"));
    assert_eq!(
        unpriced[1],
        (
            "unknown",
            "duration unknown (it is stopped after 900 s, which is a bound and no duration): annotate it with `runbook/duration: 15m`, name it under `workloads` in the options, or give it as a row with `hours`"
        )
    );
    assert_eq!(unpriced[2], ("wrong", "`at noon` is no schedule: it has 2 fields, not 5"));
    assert_eq!(found.completeness(), Completeness::Unpriced);
    let notes = notes(&found);
    assert!(notes.contains("`resting`: it is suspended and on no bill"), "{notes}");
    assert!(notes.contains("`frequent`: 8760 times a month for 20 s, as annotated"), "{notes}");
    assert!(
        notes.contains(
            "`alone`: 730 times a month for 5400 s, as given; one run at a time, all month"
        ),
        "{notes}"
    );
    assert!(notes.contains("`done`: once a month for 7200 s, as its last run took"), "{notes}");
    // Ended pods that nobody deletes: three kept runs of 0.014195 an hour.
    assert!(
        notes.contains("`frequent` has no `ttlSecondsAfterFinished`: Fargate bills its ended pods until they are deleted, and 3 that stay would add up to 31.09 $ a month"),
        "{notes}"
    );
}

#[test]
fn very_many_lengths_of_runs_are_a_few_packings_and_never_cost_less() {
    let rows: String = (1..=40).map(|hours| format!("job-{hours},1,2Gi,1,{hours}\n")).collect();
    let text = format!("name,cpu,memory,replicas,hours\nweb,1,2Gi,3,\n{rows}");
    let workloads = Workloads::of(read_pods("pods.csv", &text).expect("pods"));
    // One size of nodes, so that each packing is small.
    let shape = NodeShape::up_to(Some(2));
    let setting = Setting::new(Region::ApNortheast2, PriceBook::embedded(), shape);
    let side = side(SideId::Nodeless, &workloads, &Setting { settles: false, ..setting });
    let lengths: BTreeSet<i64> = side
        .lines
        .iter()
        .filter(|line| line.kind == LineKind::Node)
        .map(|line| line.seconds)
        .collect();
    assert!(lengths.len() <= 12, "{lengths:?}");
    // 820 hours of jobs, each rounded up to the next of the lengths that are looked at.
    let held: i64 = side
        .lines
        .iter()
        .filter(|line| line.kind == LineKind::Node)
        .map(|line| line.count * line.seconds / 3600 * 2)
        .sum();
    assert!(held >= 820 + 3 * 730, "{held}");
}

const AGENT: &str = "
kind: Deployment
metadata: {name: web}
spec: {replicas: 4, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}
---
kind: DaemonSet
metadata: {name: agent}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 200m, memory: 256Mi}}}]}}}
";

#[test]
fn a_daemonset_is_overhead_on_nodes_and_what_the_options_say_on_fargate() {
    let without = compared("pods.yaml", AGENT, "");
    let with =
        compared("pods.yaml", AGENT, "fargate: {sidecar_for: {agent: {cpu: 10m, memory: 16Mi}}}");
    let total = |comparison: &Comparison, side: &str| {
        comparison
            .sides
            .iter()
            .find(|one| one.side == side)
            .and_then(|one| one.total)
            .expect("a total")
    };
    assert_eq!(total(&without, "node_group"), total(&with, "node_group"));
    // 260m and 272Mi: 0.5 vCPU and 1 GB, 0.02839 instead of 0.014195, for four pods.
    let more = total(&with, "fargate") - total(&without, "fargate");
    assert_eq!(more.dollars(4), "41.4494");
    assert_eq!(row(&with, "web").fargate_size.as_deref(), Some("0.5vCPU 1GB"));
    assert!(row(&with, "web").break_even_percent < row(&without, "web").break_even_percent);
    let wrong =
        read_options("o.yaml", "fargate: {sidecar_for: [agnet]}\nworkloads: {wbe: {hours: 3}}")
            .expect("options");
    let problems = Workloads::with(read_pods("pods.yaml", AGENT).expect("pods"), &wrong)
        .expect_err("problems");
    assert_eq!(
        problems,
        [
            "`workloads.wbe`: there is no workload `wbe`; did you mean `web`?",
            "`fargate.sidecar_for.agnet`: there is no DaemonSet `agnet`; did you mean `agent`?",
        ]
    );
}

#[test]
fn cliffs_headroom_and_moves_are_priced_on_the_steps() {
    let text = "name,cpu,memory,replicas\nedge,250m,1792Mi,1\nbig,4,30464Mi,1\n";
    let found = compared("pods.csv", text, "workloads: {big: {usage: {cpu: 1, memory: 4Gi}}}");
    let cliff = |name: &str, resource: &str| {
        let row = row(&found, name);
        row.cliffs.iter().find(|one| one.resource == resource).cloned().expect("a cliff")
    };
    // 250m/1792Mi is exactly 0.25 vCPU and 2 GB; one MiB more is 0.5 and 3: 77 % dearer.
    let edge = cliff("edge", "memory");
    assert_eq!((edge.above.as_str(), edge.to.as_str()), ("1792Mi", "0.5vCPU 3GB"));
    assert_eq!(format!("{:.0}", edge.adds_percent), "77");
    assert_eq!(
        (row(&found, "edge").free_cpu_m, row(&found, "edge").free_memory_mib),
        (Some(0), Some(0))
    );
    // 4 vCPU and 30 GB is the largest of its kind; a quarter of a GiB more is 8 and 32: 58 % dearer.
    let big = cliff("big", "memory");
    assert_eq!(
        (big.to.as_str(), format!("{:.0}", big.adds_percent).as_str()),
        ("8vCPU 32GB", "58")
    );
    // 1 vCPU, and 4 GiB with 15 % more and 256 MiB are 5 GB.
    let found_move = found.moves.iter().find(|one| one.workload == "big").expect("a move");
    assert_eq!((found_move.by, found_move.to.as_str()), ("usage", "1vCPU 5GB"));
    // (4 − 1) × 0.04656 + (30 − 5) × 0.00511, all month.
    assert!(
        (found_move.saves_usd_per_month - 730.0 * (3.0 * 0.04656 + 25.0 * 0.00511)).abs() < 1e-6
    );
}

const ARM_POOL: &str = "
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: graviton}
spec:
  template:
    spec:
      requirements:
        - {key: karpenter.k8s.aws/instance-family, operator: In, values: [m7g]}
        - {key: kubernetes.io/arch, operator: In, values: [arm64]}
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
";

#[test]
fn given_pools_say_which_nodes_karpenter_makes() {
    let pods = read_pods("pods.csv", "name,cpu,memory,replicas\nweb,1,2Gi,6\n").expect("pods");
    let workloads = Workloads::of(pods);
    let mut options = CompareOptions::new(Region::ApNortheast2);
    options.node_pools = read_node_pools("pool.yaml", ARM_POOL).expect("a pool");
    options.source = "pods.csv".to_owned();
    let found = of(&workloads, options);
    for side in ["nodeless", "karpenter_on_demand", "karpenter_spot"] {
        let side = found.sides.iter().find(|one| one.side == side).expect("a side");
        let mut nodes = side.lines.iter().filter(|line| line.kind == "node");
        assert!(nodes.all(|line| line.what.starts_with("m7g.")), "{}", side.side);
        assert!(side.not_held.is_empty() && side.total.is_some());
    }
    let auto = found.sides.iter().find(|one| one.side == "auto_mode").expect("a side");
    assert!(auto.lines.iter().all(|line| !line.what.contains("m7g.")));
    assert_eq!(found.shape.node_pools, ["graviton"]);
    assert_eq!(found.source, "pods.csv");
}

#[test]
fn the_verdict_uses_what_settles_and_shows_one_cold_batch_beside_it() {
    let found = compared(
        "pods.csv",
        "name,cpu,memory,replicas,hours\nweb,500m,1Gi,12,\nbatch,1,4Gi,2,200\n",
        "",
    );
    for side in &found.sides {
        let has_both = side.cold.is_some() && side.settled.is_some();
        assert_eq!(has_both, !["fargate", "node_group"].contains(&side.side), "{}", side.side);
        if let (Some(settled), Some(cold)) = (&side.settled, &side.cold) {
            assert_eq!(settled.usd_per_month, side.usd_per_month, "{}", side.side);
            assert!(settled.usd_per_month <= cold.usd_per_month, "{}", side.side);
        }
    }
    let fargate = found.verdicts.iter().find(|one| one.side == "fargate").expect("a verdict");
    let own = fargate.tornado.iter().find(|bar| bar.lever == "Karpenter's own range").expect("it");
    // NodeLess alone has a cold batch, which is dearer, so Fargate would be cheaper by more.
    assert_eq!((own.base.as_str(), own.low.setting.as_str()), ("settled", "one cold batch"));
    let shapes: Vec<&str> =
        fargate.by_node_shape.iter().map(|one| one.node_shape.as_str()).collect();
    assert_eq!(shapes, ["≤ 4 vCPU", "≤ 16 vCPU", "any size"]);
}

#[test]
fn a_savings_plan_moves_both_and_is_missing_where_no_rate_is_known() {
    let text = "name,cpu,memory,replicas\nweb,500m,1Gi,40\n";
    let bar = |found: &Comparison| {
        let fargate = found.verdicts.iter().find(|one| one.side == "fargate").expect("a verdict");
        fargate.tornado.iter().find(|bar| bar.lever == "Savings Plan").cloned()
    };
    // Half off EC2 and nothing off Fargate: the difference grows by half of NodeLess's instances.
    let found = compared(
        "pods.csv",
        text,
        "savings_plan: {one_year: {ec2: 0, fargate: 0}, three_years: {ec2: 50, fargate: 0}}",
    );
    let given = bar(&found).expect("a bar");
    let nodes: f64 = found.sides[0]
        .lines
        .iter()
        .filter(|line| line.kind == "node")
        .filter_map(|line| line.usd_per_month)
        .sum();
    let moved = given.high.difference_usd - given.low.difference_usd;
    assert!((moved - nodes / 2.0).abs() < 1e-6, "{moved} of {nodes}");
    assert_eq!(given.high.setting, "3 years");
    assert!(bar(&compared("pods.csv", text, "")).is_some());
    let workloads = Workloads::of(read_pods("pods.csv", text).expect("pods"));
    let elsewhere = of(&workloads, CompareOptions::new(Region::EuWest1));
    assert_eq!(bar(&elsewhere), None);
    assert!(notes(&elsewhere).contains("no Savings Plan rate of"), "{}", notes(&elsewhere));
}

#[test]
fn a_shape_from_the_options_holds_for_every_node() {
    let text = "name,cpu,memory,replicas\nweb,500m,1Gi,12\n";
    let found = compared(
        "pods.csv",
        text,
        "nodes: {largest_vcpus: 2, least_nodes: 4, zones: 3, most_pods: 12, root_volume_gib: 50, node_group: m7i.large}",
    );
    for side in found.sides.iter().filter(|side| side.side != "fargate" && side.side != "auto_mode")
    {
        let volumes = side.lines.iter().filter(|line| line.kind.ends_with("root_volume"));
        let mut volumes = volumes.map(|line| line.what.as_str());
        assert!(volumes.all(|what| what == "gp3 volume of 50 GiB"), "{}", side.side);
        assert!(side.nodes >= 4, "{} has {}", side.side, side.nodes);
    }
    let group = found.sides.iter().find(|one| one.side == "node_group").expect("a side");
    assert!(group.lines.iter().any(|line| line.what == "m7i.large"));
    assert_eq!(group.notes, ["nodes of m7i.large, as asked for"]);
    assert_eq!((found.shape.vcpus_at_most, found.shape.zones_at_least), (Some(2), 3));
    assert_eq!(found.verdicts[0].by_node_shape.len(), 4);
}

#[test]
fn a_tornado_and_a_curve_are_drawn_from_the_same_figures() {
    let found = compared("pods.csv", "name,cpu,memory,replicas\nweb,500m,1Gi,40\n", "");
    let curve = found.curve.as_ref().expect("a curve");
    let last = curve.points.last().expect("points");
    let web = row(&found, "web");
    assert_eq!(last.utilisation_percent, 100);
    assert_eq!(web.node_usd_per_month_full, Some(last.karpenter_usd_per_month));
    assert_eq!(web.fargate_usd_per_month, Some(last.fargate_usd_per_month));
    assert_eq!(curve.break_even_percent, web.break_even_percent);
    let verdict = found.verdicts.iter().find(|one| one.side == "fargate").expect("a verdict");
    let rows = found.tornado("fargate");
    assert_eq!(rows.len(), verdict.tornado.len());
    for (drawn, bar) in rows.iter().zip(&verdict.tornado) {
        assert_eq!(drawn[2].chars().count(), 24);
        assert!(drawn[2].contains('●') && drawn[2].contains('│'), "{drawn:?}");
        assert!(drawn[0].starts_with(&bar.lever));
    }
    let widths: Vec<f64> = verdict
        .tornado
        .iter()
        .map(|bar| bar.high.difference_usd - bar.low.difference_usd)
        .collect();
    assert!(widths.windows(2).all(|pair| pair[0] >= pair[1]), "{widths:?}");
    assert!(found.headline.starts_with("the cheapest besides NodeLess is"), "{}", found.headline);
    assert_eq!(Options::default(), read_options("o.yaml", "").expect("options"));
}
