//! Three inputs, each worked by hand for every side that has lines of its own to argue about: Fargate,
//! a managed node group, EKS Auto Mode. Seoul, list prices, every line with its arithmetic.
//!
//! Prices an hour: a vCPU on Fargate 0.04656 and a GB 0.00511; m6i.xlarge 0.236; c5a.large 0.086,
//! c5a.xlarge 0.172, m5a.large 0.106, m5a.xlarge 0.212, m5a.2xlarge 0.424, r5a.large 0.136,
//! r5a.xlarge 0.272; the fee of Auto Mode is 12 % of that. gp3 is 0.0912 a GiB and month: 1.824 for
//! the 20 GiB of a node, 7.296 for the 80 GiB of one of Auto Mode. A node offers 1,930m of 2 vCPUs,
//! 3,920m of 4, 7,910m of 8.

#![allow(clippy::expect_used, reason = "a test")]

use runbook_capacity::compare::shape::NodeShape;
use runbook_capacity::compare::side::{Side, SideId};
use runbook_capacity::compare::sides::{Setting, side};
use runbook_capacity::compare::workload::Workloads;
use runbook_capacity::manifest::read_pods;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::Region;

fn billed(id: SideId, name: &str, text: &str) -> Side {
    let workloads = Workloads::of(read_pods(name, text).expect("pods"));
    let book = PriceBook::embedded();
    let side =
        side(id, &workloads, &Setting::new(Region::ApNortheast2, book, NodeShape::REALISTIC));
    assert!(side.not_held.is_empty(), "{:?}", side.not_held);
    side
}

/// Count, seconds, what, dollars; then the total.
fn written(side: &Side) -> Vec<String> {
    let mut lines: Vec<String> = side
        .lines
        .iter()
        .map(|line| {
            let dollars = line.amount().expect("a price").dollars(5);
            format!("{} × {} s {}: {dollars}", line.count, line.seconds, line.what)
        })
        .collect();
    lines.push(format!("total {}", side.complete().expect("a total").dollars(5)));
    lines
}

/// Twelve pods of 500m and 1 GiB all month, two of 1 vCPU and 4 GiB for 200 hours.
const MIXED: &str = "name,cpu,memory,replicas,hours\nweb,500m,1Gi,12,\nbatch,1,4Gi,2,200\n";

#[test]
fn mixed_hours_on_fargate() {
    // coredns and load balancer controller, two each, and metrics-server: 0.25 × 0.04656 + 0.5 × 0.00511
    // is 0.014195; web 0.5 × 0.04656 + 2 × 0.00511 = 0.0335; batch 0.04656 + 5 × 0.00511 = 0.07211.
    assert_eq!(
        written(&billed(SideId::Fargate, "pods.csv", MIXED)),
        [
            "2 × 2628000 s kube-system/coredns at 0.25vCPU 0.5GB: 20.72470",
            "2 × 2628000 s kube-system/aws-load-balancer-controller at 0.25vCPU 0.5GB: 20.72470",
            "1 × 2628000 s kube-system/metrics-server at 0.25vCPU 0.5GB: 10.36235",
            "12 × 2628000 s web at 0.5vCPU 2GB: 293.46000",
            "2 × 720000 s batch at 1vCPU 5GB: 28.84400",
            "total 374.11575",
        ]
    );
}

#[test]
fn mixed_hours_on_a_node_group() {
    // An m6i.xlarge offers 3,920m, less 180m of daemons 3,740m. All month: 12 × 500m and 720m of the
    // system are 6,720m, so two; with 2,000m more for 200 hours 8,720m, so three.
    // 3 × 200 × 0.236 = 141.6; 2 × 530 × 0.236 = 250.16; 3 × 1.824 × 200/730; 2 × 1.824 × 530/730.
    let side = billed(SideId::NodeGroup, "pods.csv", MIXED);
    assert_eq!(
        written(&side),
        [
            "3 × 720000 s m6i.xlarge: 141.60000",
            "3 × 720000 s gp3 volume of 20 GiB: 1.49918",
            "2 × 1908000 s m6i.xlarge: 250.16000",
            "2 × 1908000 s gp3 volume of 20 GiB: 2.64855",
            "total 395.90773",
        ]
    );
    assert_eq!(side.peak_nodes, 3);
}

#[test]
fn mixed_hours_under_auto_mode() {
    // Nothing of the system but the metrics server (100m) runs in it, and no daemons. 200 hours: 8,100m
    // would fit one node of 16 vCPUs, so larger types are left out: 7,910m and 1,930m. 530 hours:
    // 6,100m; with types up to 4 vCPUs two of 3,920m are left, with fee and volumes
    // 2 × (0.172 × 1.12 × 530 + 7.296 × 530/730) = 214.79. One cold batch of these types has a larger
    // one of two, for it keeps what all its pods need: 238.54, so that its total is 23.74 more.
    let side = billed(SideId::AutoMode, "pods.csv", MIXED);
    assert_eq!(
        written(&side),
        [
            "1 × 720000 s m5a.2xlarge: 84.80000",
            "1 × 720000 s Auto Mode's fee for m5a.2xlarge: 10.17600",
            "2 × 720000 s gp3 volume of 80 GiB: 3.99781",
            "1 × 720000 s c5a.large: 17.20000",
            "1 × 720000 s Auto Mode's fee for c5a.large: 2.06400",
            "2 × 1908000 s c5a.xlarge: 182.32000",
            "2 × 1908000 s Auto Mode's fee for c5a.xlarge: 21.87840",
            "2 × 1908000 s gp3 volume of 80 GiB: 10.59419",
            "total 333.03040",
        ]
    );
    let cold = side.cold.and_then(|cold| cold.total).expect("a total");
    assert_eq!(cold.dollars(2), "356.77");
}

/// Three caches of 500m and 12 GiB, four pods of 250m and 512 MiB.
const MEMORY: &str = "name,cpu,memory,replicas\ncache,500m,12Gi,3\napi,250m,512Mi,4\n";

#[test]
fn much_memory_on_fargate() {
    // cache: 12.25 GiB is 13 GB, which 1 vCPU does not have: 2 × 0.04656 + 13 × 0.00511 = 0.15955;
    // api: 0.25 × 0.04656 + 0.00511 = 0.01675.
    assert_eq!(
        written(&billed(SideId::Fargate, "pods.csv", MEMORY))[3..],
        [
            "3 × 2628000 s cache at 2vCPU 13GB: 349.41450",
            "4 × 2628000 s api at 0.25vCPU 1GB: 48.91000",
            "total 450.13625",
        ]
    );
}

#[test]
fn much_memory_on_a_node_group() {
    // An m6i.xlarge has 16 GiB: one cache each, so three, whatever else. 3 × 730 × 0.236 and 3 × 1.824.
    assert_eq!(
        written(&billed(SideId::NodeGroup, "pods.csv", MEMORY)),
        [
            "3 × 2628000 s m6i.xlarge: 516.84000",
            "3 × 2628000 s gp3 volume of 20 GiB: 5.47200",
            "total 522.31200",
        ]
    );
}

#[test]
fn much_memory_under_auto_mode() {
    // 24 of the 36 GiB on an r5a.xlarge, 12 on an r5a.large, small pods beside them.
    // 0.272 × 730 and 12 % of it; 0.136 × 730 and 12 % of it; 2 × 7.296.
    assert_eq!(
        written(&billed(SideId::AutoMode, "pods.csv", MEMORY)),
        [
            "1 × 2628000 s r5a.xlarge: 198.56000",
            "1 × 2628000 s Auto Mode's fee for r5a.xlarge: 23.82720",
            "2 × 2628000 s gp3 volume of 80 GiB: 14.59200",
            "1 × 2628000 s r5a.large: 99.28000",
            "1 × 2628000 s Auto Mode's fee for r5a.large: 11.91360",
            "total 348.17280",
        ]
    );
}

/// Ten pods of 300m and 600 MiB, a daemonset of 100m and 200 MiB, a job of 2 vCPU and 4 GiB that runs
/// for two hours each night and is deleted ten minutes later.
const NIGHTLY: &str = "
kind: Deployment
metadata: {name: web}
spec: {replicas: 10, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 300m, memory: 600Mi}}}]}}}
---
kind: DaemonSet
metadata: {name: logs}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 100m, memory: 200Mi}}}]}}}
---
kind: CronJob
metadata: {name: report, annotations: {runbook/duration: 2h}}
spec: {schedule: '0 3 * * *', jobTemplate: {spec: {ttlSecondsAfterFinished: 600, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 2, memory: 4Gi}}}]}}}}}
";

#[test]
fn nightly_on_fargate() {
    // 730/24 runs of 7,200 s, billed for 7,800 s: 237,250 s. 2 × 0.04656 + 5 × 0.00511 = 0.11867;
    // web: 300m is 0.5 vCPU, 856 MiB is 1 GB: 0.02839.
    assert_eq!(
        written(&billed(SideId::Fargate, "pods.yaml", NIGHTLY))[3..],
        [
            "10 × 2628000 s web at 0.5vCPU 1GB: 207.24700",
            "1 × 237250 s report at 2vCPU 5GB: 7.82068",
            "total 266.87943",
        ]
    );
}

#[test]
fn nightly_on_a_node_group() {
    // 3,920m less 280m of daemons is 3,640m. 3,000m and 720m of the system are more, so two; the report
    // fits beside them. 730/24 × 2 h are 60.83 h: 2 × 60.8333 × 0.236; 2 × 669.1667 × 0.236.
    assert_eq!(
        written(&billed(SideId::NodeGroup, "pods.yaml", NIGHTLY)),
        [
            "2 × 219000 s m6i.xlarge: 28.71333",
            "2 × 219000 s gp3 volume of 20 GiB: 0.30400",
            "2 × 2409000 s m6i.xlarge: 315.84667",
            "2 × 2409000 s gp3 volume of 20 GiB: 3.34400",
            "total 348.20800",
        ]
    );
}

#[test]
fn nightly_under_auto_mode() {
    // `logs` takes 100m of each node. 3,100m: 1,830m on an m5a.large and as much on a c5a.large. With
    // the report 5,100m: 3,820m on an m5a.xlarge.
    assert_eq!(
        written(&billed(SideId::AutoMode, "pods.yaml", NIGHTLY)),
        [
            "1 × 219000 s m5a.xlarge: 12.89667",
            "1 × 219000 s Auto Mode's fee for m5a.xlarge: 1.54760",
            "2 × 219000 s gp3 volume of 80 GiB: 1.21600",
            "1 × 219000 s c5a.large: 5.23167",
            "1 × 219000 s Auto Mode's fee for c5a.large: 0.62780",
            "1 × 2409000 s m5a.large: 70.93167",
            "1 × 2409000 s Auto Mode's fee for m5a.large: 8.51180",
            "2 × 2409000 s gp3 volume of 80 GiB: 13.37600",
            "1 × 2409000 s c5a.large: 57.54833",
            "1 × 2409000 s Auto Mode's fee for c5a.large: 6.90580",
            "total 178.79333",
        ]
    );
}
