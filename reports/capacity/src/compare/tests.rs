//! The system layer, and what holds for every side; Seoul, list prices.

use std::collections::BTreeMap;

use super::shape::NodeShape;
use super::side::{Line, Side, SideId};
use super::sides::{Setting, side, system_on_fargate};
use super::system::{NODELESS, System};
use super::workload::Workloads;
use crate::manifest::read_pods;
use crate::money::Amount;
use crate::pod_resources::Resources;
use crate::prices::{PriceBook, Service};
use crate::quantity::{Bytes, Millicores};
use crate::region::Region;

fn seoul() -> Setting<'static> {
    Setting::new(Region::ApNortheast2, PriceBook::embedded(), NodeShape::REALISTIC)
}

fn of(name: &str, text: &str) -> Workloads {
    Workloads::of(read_pods(name, text).expect("pods"))
}

/// Twelve pods of 500m and 1 GiB all month, two of 1 vCPU and 4 GiB for 200 hours.
fn small() -> Workloads {
    of("pods.csv", "name,cpu,memory,replicas,hours\nweb,500m,1Gi,12,\nbatch,1,4Gi,2,200\n")
}

fn written(side: &Side) -> Vec<String> {
    side.lines
        .iter()
        .map(|line: &Line| {
            let amount = line.amount().map_or_else(|why| why.reason, |amount| amount.dollars(5));
            format!("{} {} h {}: {amount}", line.count, line.seconds / 3600, line.what)
        })
        .collect()
}

#[test]
fn the_system_layer_costs_what_is_published() {
    let side = system_on_fargate(&System::default().workloads(&NODELESS), &seoul());
    let pods: i64 = side.lines.iter().map(|line| line.count).sum();
    assert_eq!(pods, 9);
    let total = side.complete().expect("a total");
    assert_eq!((total.dollars(5), total.dollars(2)), ("155.43525".to_owned(), "155.44".to_owned()));
}

#[test]
fn a_smaller_karpenter_makes_the_system_cheaper() {
    let text = "
kind: Deployment
metadata: {name: karpenter, namespace: karpenter}
spec: {replicas: 2, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 700Mi}}}]}}}
";
    let found = of("karpenter.yaml", text);
    assert!(found.timed.is_empty() && found.system.found().into_iter().eq(["karpenter"]));
    let side = system_on_fargate(&found.system.workloads(&NODELESS), &seoul());
    // Adding rounded pods gives 96.98; the bill is this.
    assert_eq!(side.complete().expect("a total").dollars(5), "96.99145");
}

#[test]
fn pairs_of_nodes_cost_what_is_published() {
    let pair = |instance_type: &str| -> String {
        let book = PriceBook::embedded();
        let node = book.on_demand("ap-northeast-2", instance_type).expect("a price").price;
        let volume = book.service("ap-northeast-2", Service::EbsGp3).expect("a price").price;
        (node.monthly().times(2) + volume.monthly().times(40)).dollars(3)
    };
    // Published as 64.39: the sum of two rounded figures.
    assert_eq!(pair("t4g.medium"), "64.384");
    assert_eq!(pair("m7g.large"), "150.086");
    assert_eq!(pair("m6i.large"), "175.928");
}

#[test]
fn every_total_is_the_sum_of_its_lines_and_doubles_with_prices() {
    let doubled = PriceBook::embedded().scaled(2, 1);
    for id in SideId::ALL {
        let once = side(id, &small(), &seoul());
        let lines: Amount = once.lines.iter().map(|line| line.amount().expect("a price")).sum();
        assert_eq!(once.complete(), Some(lines), "{id:?}");
        let twice = side(id, &small(), &Setting { book: &doubled, ..seoul() });
        let nodes = |side: &Side| -> Vec<(String, i64, i64)> {
            side.lines.iter().map(|line| (line.what.clone(), line.count, line.seconds)).collect()
        };
        assert_eq!(nodes(&once), nodes(&twice), "{id:?}");
        if id != SideId::KarpenterSpot {
            assert_eq!(twice.complete(), Some(lines.times(2)), "{id:?}");
        }
    }
}

#[test]
fn spot_has_a_range_around_its_total() {
    let side = side(SideId::KarpenterSpot, &small(), &seoul());
    let (low, high) = side.range.expect("a range");
    let total = side.complete().expect("a total");
    assert!(low < total && total < high);
}

#[test]
fn what_cannot_run_somewhere_is_named_and_what_has_no_duration_is_unpriced() {
    let workloads = of(
        "pods.yaml",
        "
kind: Deployment
metadata: {name: port}
spec: {replicas: 2, template: {spec: {containers: [{name: c, ports: [{containerPort: 80, hostPort: 80}], resources: {requests: {cpu: 1, memory: 1Gi}}}]}}}
---
kind: Job
metadata: {name: once}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 1, memory: 1Gi}}}]}}}
---
kind: Pod
metadata: {name: huge}
spec: {containers: [{name: c, resources: {requests: {cpu: 300, memory: 1Gi}}}]}
",
    );
    assert_eq!(workloads.unpriced.len(), 1);
    assert_eq!(workloads.unpriced[0].0, "once");
    let held = |id| -> Vec<String> {
        side(id, &workloads, &seoul()).not_held.into_iter().map(|one| one.pod).collect()
    };
    assert_eq!(held(SideId::Fargate), ["port-0", "port-1", "huge"]);
    assert_eq!(held(SideId::Nodeless), ["huge"]);
    assert_eq!(side(SideId::Nodeless, &workloads, &seoul()).complete(), None);
}

#[test]
fn a_sidecar_is_paid_for_in_every_pod_on_fargate() {
    let workloads = of(
        "pods.yaml",
        "
kind: Deployment
metadata: {name: web}
spec: {replicas: 2, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 256Mi}}}]}}}
---
kind: DaemonSet
metadata: {name: logs}
spec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 50m, memory: 64Mi}}}]}}}
",
    );
    let without = side(SideId::Fargate, &workloads, &seoul());
    assert!(without.notes[0].contains("`logs` does not run here"));
    let last = |side: &Side, lines: usize| {
        let mut all = written(side);
        all.split_off(all.len() - lines)
    };
    let plain = "2 730 h web at 0.25vCPU 0.5GB: 20.72470";
    assert_eq!(last(&without, 1), [plain]);
    // With the daemonset's own requests it is 300m: 0.5 vCPU, 1 GB at 0.02839, twice 0.014195 more.
    let billed = |asked: Option<Resources>| {
        let sidecars = BTreeMap::from([("logs".to_owned(), asked)]);
        last(&side(SideId::Fargate, &workloads, &Setting { sidecars: &sidecars, ..seoul() }), 2)
    };
    assert_eq!(
        billed(None),
        [plain, "2 730 h sidecars in web (logs): 0.25vCPU 0.5GB becomes 0.5vCPU 1GB: 20.72470"]
    );
    // A sidecar that asks for nothing more than what is free costs nothing, and is a line all the same.
    assert_eq!(
        billed(Some(Resources::of(Millicores(0), Bytes::mebibytes(0)))),
        [plain, "2 730 h sidecars in web (logs): they fit into 0.25vCPU 0.5GB: 0.00000"]
    );
}

#[test]
fn a_running_system_is_counted_once() {
    let pods = "
kind: Pod
metadata: {name: coredns-5f6d8c7b9-2kq4z, namespace: kube-system}
spec: {containers: [{name: c, resources: {requests: {cpu: 100m, memory: 70Mi}}}]}
---
kind: Pod
metadata: {name: coredns-5f6d8c7b9-zzt4p, namespace: kube-system}
spec: {containers: [{name: c, resources: {requests: {cpu: 100m, memory: 70Mi}}}]}
";
    let found = of("pods.yaml", pods);
    assert!(found.timed.is_empty());
    let side = system_on_fargate(&found.system.workloads(&NODELESS), &seoul());
    assert_eq!(side.complete().expect("a total").dollars(5), "155.43525");
}
