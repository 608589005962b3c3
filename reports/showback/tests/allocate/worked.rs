//! Examples that can be checked by hand: one node, few pods, one hour at a dollar.
//!
//! An m5.xlarge has 4 vCPU and 16 GiB, so under 9:1 an hour at 1 $ is 52 units of 0.01923 $: a vCPU is
//! 0.17308 $ and a GiB 0.01923 $, as AWS's page on split cost allocation has it.

use std::sync::Arc;

use runbook_capacity::pod_resources::Resources;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::quantity::{Bytes, Millicores};
use runbook_showback::allocate::{Weight, charges};
use runbook_showback::observed::{
    CapacityType, ClusterId, Controller, NodeInterval, Observed, Place, PodInterval,
};

use crate::scene::{
    at, by_recipient, charged, clock, fargate, labels, lines, node, nodes_only, observed, on, pod,
    request, sums, used, window,
};

fn hour(nodes: Vec<NodeInterval>, pods: Vec<PodInterval>) -> Observed {
    observed(window("00:00", "01:00"), nodes, pods)
}

fn daemon(name: &str, cpu: &str, memory: &str) -> PodInterval {
    PodInterval {
        controller: Some(Controller { kind: "DaemonSet".to_owned(), name: "agent".to_owned() }),
        ..pod(name, on("a"), (cpu, memory), ("00:00", None))
    }
}

#[test]
fn an_hour_of_an_m5_xlarge_as_aws_divides_it() {
    let seen = hour(
        vec![node("a", "00:00", None)],
        vec![
            pod("shop/web", on("a"), ("1", "4Gi"), ("00:00", None)),
            pod("shop/api", on("a"), ("500m", "1Gi"), ("00:00", Some("00:30"))),
        ],
    );
    assert_eq!(
        lines(&charged(&seen, &nodes_only())),
        [
            "2026-10-01 a Ec2Compute Cpu shop/api 0.04327",
            "2026-10-01 a Ec2Compute Cpu shop/web 0.17308",
            "2026-10-01 a Ec2Compute Cpu idle 0.47596",
            "2026-10-01 a Ec2Compute Memory shop/api 0.00962",
            "2026-10-01 a Ec2Compute Memory shop/web 0.07692",
            "2026-10-01 a Ec2Compute Memory idle 0.22115",
        ]
    );
}

#[test]
fn the_other_weight_moves_money_between_vcpu_and_memory_but_not_in_all() {
    let seen = hour(
        vec![node("a", "00:00", None)],
        vec![pod("shop/web", on("a"), ("4", "0"), ("00:00", None))],
    );
    let mut request = request(seen.window, "namespace", "");
    let mut under = |weight| {
        request.weight = Some(weight);
        by_recipient(&charges(&seen, &nodes_only(), &request).unwrap())
    };
    assert_eq!(under(Weight::Fixed(900)), sums(&[("shop/web", "0.6923"), ("idle", "0.3077")]));
    // 4 · 7.46 of 45.84.
    assert_eq!(under(Weight::Fixed(746)), sums(&[("shop/web", "0.6510"), ("idle", "0.3490")]));
    // Fargate's prices in this book are 9:1 as well.
    assert_eq!(under(Weight::ByPrice), sums(&[("shop/web", "0.6923"), ("idle", "0.3077")]));
}

#[test]
fn what_is_used_beyond_the_request_counts_and_too_much_is_shared() {
    let mut greedy = pod("a/greedy", on("a"), ("1", "4Gi"), ("00:00", None));
    greedy.usage = used("6", "4Gi");
    let modest = pod("b/modest", on("a"), ("2", "4Gi"), ("00:00", None));
    let seen = hour(vec![node("a", "00:00", None)], vec![greedy, modest]);
    // 8 vCPU of 4: three quarters and a quarter of 36/52 $; memory fits, half of it idle.
    assert_eq!(
        by_recipient(&charged(&seen, &nodes_only())),
        sums(&[("a/greedy", "0.5962"), ("b/modest", "0.2500"), ("idle", "0.1538")])
    );
}

#[test]
fn boot_and_drain_are_the_nodes_own_and_pods_that_hold_it_pay() {
    let mut one = node("a", "00:00", Some("01:00"));
    one.ready = Some(clock("00:15"));
    one.drained = Some(clock("00:45"));
    one.allocatable = Resources::of(Millicores(3000), Bytes::gibibytes(12));
    let seen = hour(
        vec![one],
        vec![
            pod("shop/web", on("a"), ("3", "12Gi"), ("00:15", Some("00:45"))),
            pod("shop/held", on("a"), ("3", "12Gi"), ("00:45", Some("00:50"))),
        ],
    );
    // A quarter of an hour of boot; half an hour of pod and system reserve; five minutes held, the
    // system's quarter of them and ten more of drain.
    assert_eq!(
        by_recipient(&charged(&seen, &nodes_only())),
        sums(&[
            ("boot", "0.2500"),
            ("drain", "0.1875"),
            ("shop/held", "0.0625"),
            ("shop/web", "0.3750"),
            ("system reserve", "0.1250"),
        ])
    );
}

#[test]
fn daemonsets_and_the_systems_share_are_overhead_and_never_pay() {
    let mut one = node("a", "00:00", None);
    one.allocatable = Resources::of(Millicores(3000), Bytes::gibibytes(12));
    one.volume = Some(Bytes::gibibytes(100));
    let seen = hour(
        vec![one],
        vec![
            daemon("kube-system/agent", "1", "4Gi"),
            pod("shop/web", on("a"), ("1", "4Gi"), ("00:00", None)),
        ],
    );
    // A quarter each; 100 GiB at 0.0744 $ of the 744 h of October is a cent.
    assert_eq!(
        by_recipient(&charged(&seen, &nodes_only())),
        sums(&[
            ("daemonsets", "0.2500"),
            ("idle", "0.2500"),
            ("shop/web", "0.2500"),
            ("system reserve", "0.2500"),
            ("volume", "0.0100"),
        ])
    );
}

#[test]
fn a_node_costs_from_launch_to_termination_by_utc_day() {
    let mut seen = observed(
        window("2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z"),
        vec![node("a", "2026-10-01T22:00:00Z", Some("2026-10-02T03:00:00Z"))],
        Vec::new(),
    );
    assert_eq!(
        lines(&charged(&seen, &nodes_only())),
        [
            "2026-10-01 a Ec2Compute Cpu idle 1.38462",
            "2026-10-01 a Ec2Compute Memory idle 0.61538",
            "2026-10-02 a Ec2Compute Cpu idle 2.07692",
            "2026-10-02 a Ec2Compute Memory idle 0.92308",
        ]
    );
    // Seen again under another UID, it is one instance.
    let mut again = seen.nodes[0].clone();
    again.uid = "another".to_owned();
    again.seen.start = at("2026-10-02T01:00:00Z");
    seen.nodes.push(again);
    assert_eq!(by_recipient(&charged(&seen, &nodes_only())), sums(&[("idle", "5.0000")]));
}

#[test]
fn a_name_that_is_used_again_belongs_to_the_later_instance() {
    let mut former = node("a", "00:00", Some("00:40"));
    former.uid = "former".to_owned();
    former.instance_id = Some("i-former".to_owned());
    let later = node("a", "00:30", None);
    let seen =
        hour(vec![former, later], vec![pod("shop/web", on("a"), ("4", "16Gi"), ("00:00", None))]);
    // The pod fills what is called `a`; the former instance is idle for its last ten minutes.
    assert_eq!(
        by_recipient(&charged(&seen, &nodes_only())),
        sums(&[("idle", "0.1667"), ("shop/web", "1.0000")])
    );
}

#[test]
fn pods_on_fargate_cost_by_size_until_they_are_deleted() {
    let mut done =
        pod("jobs/report", fargate("0.25vCPU 0.5GB"), ("250m", "128Mi"), ("00:00", None));
    done.started = Some(clock("00:01"));
    done.finished = Some(clock("00:04"));
    done.phase = "Succeeded".to_owned();
    let brief = PodInterval {
        ended: Some(at("2026-10-01T00:10:20.5Z")),
        ..pod("jobs/brief", fargate("1vCPU 2GB"), ("1", "1Gi"), ("00:10", None))
    };
    let disk = PodInterval {
        place: match fargate("1vCPU 2GB") {
            Place::Fargate { node, size, .. } => Place::Fargate {
                node,
                size,
                storage: Some(Bytes::gibibytes(30)),
                is_annotated: true,
            },
            other => other,
        },
        ..pod("jobs/disk", on("-"), ("1", "1Gi"), ("00:00", Some("00:30")))
    };
    let seen = hour(Vec::new(), vec![done, brief, disk]);
    let charges = charged(&seen, &nodes_only());
    // An hour of 0.25 · 9 + 0.5 cents; a minute of 11 cents; half an hour of 11 and of 10 GB of disk.
    assert_eq!(
        by_recipient(&charges),
        sums(&[("jobs/report", "0.0275"), ("jobs/brief", "0.0018"), ("jobs/disk", "0.0600")])
    );
    let said: Vec<String> = charges
        .findings
        .iter()
        .filter(|finding| ["lingering", "fargate_start_bounds"].contains(&finding.code))
        .map(|finding| format!("{}: {}", finding.subject, finding.message))
        .collect();
    assert_eq!(
        said,
        [
            "pods on Fargate: a pod is billed from when its images are pulled, between being scheduled and its first container's start; the earlier is charged, which is at most 0.00 $ too much",
            "jobs/report: completed pods on Fargate are billed until they are deleted: 56 min, 0.03 $ of this; set ttlSecondsAfterFinished on their Jobs",
        ]
    );
}

#[test]
fn spot_auto_mode_and_unknown_prices() {
    let mut spot = node("spot", "00:00", None);
    spot.capacity_type = CapacityType::Spot;
    let mut unknown = node("unknown", "00:00", None);
    unknown.instance_type = Some("x99.large".to_owned());
    let mut bare = node("bare", "00:00", None);
    bare.instance_type = None;
    let mut graphics = node("graphics", "00:00", None);
    graphics.instance_type = Some("p3.2xlarge".to_owned());
    let seen = hour(
        vec![spot, unknown, bare, graphics],
        vec![pod("shop/web", on("unknown"), ("1", "1Gi"), ("00:00", None))],
    );
    let charges = charged(&seen, &nodes_only());
    assert_eq!(lines(&charges), [""; 0]);
    let unpriced: Vec<String> =
        charges.unpriced.iter().map(|(what, why)| format!("{what}: {}", why.reason)).collect();
    assert_eq!(
        unpriced[1..],
        [
            "node bare (of an unknown type): no label says its instance type (node.kubernetes.io/instance-type)",
            "node graphics (p3.2xlarge): it has accelerators (family p3); dividing a node with accelerators among its pods is not built, so it is in no total",
            "node spot (m5.xlarge): no spot price of family `m5` was seen in `us-east-1`",
            "node unknown (x99.large): no on-demand price of `x99.large` in `us-east-1`; `runbook prices refresh --on aws --region us-east-1` asks AWS",
        ]
    );
    let codes: Vec<&str> = charges.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&"gpu_node"), "{codes:?}");
    assert!(codes.contains(&"pods_on_unpriced_nodes"), "{codes:?}");
    // Where both have a price, the fee is divided like its instance.
    let mut seen = seen;
    seen.nodes.truncate(1);
    seen.nodes[0].is_auto_mode = true;
    seen.nodes[0].cluster = Arc::new(ClusterId {
        account: None,
        region: "ap-northeast-2".to_owned(),
        name: "myeks".to_owned(),
    });
    seen.pods.clear();
    let charges = charged(&seen, PriceBook::embedded());
    assert!(charges.prices.has_spot);
    let classes: Vec<String> =
        charges.charges.iter().map(|charge| format!("{:?}", charge.class)).collect();
    assert_eq!(classes, ["Ec2Compute", "Ec2Compute", "AutoModeFee", "AutoModeFee", "ControlPlane"]);
}

#[test]
fn a_pod_without_request_and_usage_is_listed_and_charged_nothing() {
    let seen = hour(
        vec![node("a", "00:00", None)],
        vec![
            pod("shop/quiet", on("a"), ("-", "-"), ("00:00", None)),
            pod("shop/lost", on("nowhere"), ("1", "1Gi"), ("00:00", None)),
            PodInterval {
                phase: "Pending".to_owned(),
                started: None,
                ..pod("shop/pulling", on("a"), ("2", "8Gi"), ("00:00", None))
            },
        ],
    );
    let charges = charged(&seen, &nodes_only());
    assert_eq!(by_recipient(&charges), sums(&[("idle", "0.5000"), ("shop/pulling", "0.5000")]));
    let unmeasured: Vec<&str> = charges.unmeasured.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(unmeasured, ["quiet"]);
    let codes: Vec<&str> = charges.findings.iter().map(|finding| finding.code).collect();
    for code in ["unmeasured", "pod_without_node", "pending_on_a_node"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
}

#[test]
fn rows_of_a_pod_that_changes_follow_each_other() {
    // Its requests were doubled in place at half past; the second row still knows when it was scheduled.
    let mut first = pod("shop/web", on("a"), ("1", "4Gi"), ("00:00", Some("00:30")));
    let mut second = pod("shop/web", on("a"), ("2", "8Gi"), ("00:00", None));
    (first.is_part, second.is_part) = (true, true);
    second.seen.start = clock("00:30");
    second.seen.end = clock("01:00");
    second.labels = labels(&[("size", "large")]);
    let seen = hour(vec![node("a", "00:00", None)], vec![second, first]);
    assert_eq!(
        by_recipient(&charged(&seen, &nodes_only())),
        sums(&[("shop/web", "0.3750"), ("idle", "0.6250")])
    );
}
