//! `/allocation` as OpenCost's clients read it: its fields, its names, and sums that hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "showback/samples.rs"]
#[allow(dead_code, reason = "other tests make more of it")]
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runbook_capacity::money::Amount;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Millicores};
use runbook_showback::allocate::Charges;
use runbook_showback::allocate::charge::{Charge, Origin, Part, PodRef, Recipient};
use runbook_showback::bill::Class;
use runbook_showback::observed::{Observed, Place, PodInterval, Source, Usage, Window};
use runbook_showback::render::allocation::{Aggregate, Query, Set, allocation};
use samples::{cluster, pod, small, usd, window};
use serde_json::{Value, json};

/// The fields of an allocation in OpenCost's published example.
const FIELDS: [&str; 45] = [
    "name",
    "properties",
    "window",
    "start",
    "end",
    "minutes",
    "cpuCores",
    "cpuCoreRequestAverage",
    "cpuCoreUsageAverage",
    "cpuCoreHours",
    "cpuCost",
    "cpuCostAdjustment",
    "cpuEfficiency",
    "gpuCount",
    "gpuHours",
    "gpuCost",
    "gpuCostAdjustment",
    "networkTransferBytes",
    "networkReceiveBytes",
    "networkCost",
    "networkCrossZoneCost",
    "networkCrossRegionCost",
    "networkInternetCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "pvBytes",
    "pvByteHours",
    "pvCost",
    "pvs",
    "pvCostAdjustment",
    "ramBytes",
    "ramByteRequestAverage",
    "ramByteUsageAverage",
    "ramByteHours",
    "ramCost",
    "ramCostAdjustment",
    "ramEfficiency",
    "externalCost",
    "sharedCost",
    "totalCost",
    "totalEfficiency",
    "proportionalAssetResourceCosts",
    "lbAllocations",
    "sharedCostBreakdown",
];

fn day() -> Window {
    window("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z")
}

fn charge(
    origin: &Arc<Origin>,
    class: Class,
    recipient: Recipient,
    part: Part,
    dollars: &str,
) -> Charge {
    Charge {
        day: "2026-10-01".parse().expect("a day"),
        period: day(),
        class,
        origin: origin.clone(),
        recipient,
        part,
        amount: usd(dollars),
    }
}

fn origin(resource_id: &str, name: &str, kind: &str) -> Arc<Origin> {
    Arc::new(Origin {
        cluster: cluster("myeks"),
        resource_id: Some(resource_id.to_owned()),
        name: name.to_owned(),
        kind: kind.to_owned(),
    })
}

fn interval(
    pod: &Arc<PodRef>,
    place: Place,
    hours: (i64, i64),
    usage: Option<Usage>,
) -> PodInterval {
    let at = |hour: i64| day().start + jiff::SignedDuration::from_hours(hour);
    PodInterval {
        cluster: pod.cluster.clone(),
        uid: pod.uid.clone(),
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        controller: pod.controller.clone(),
        labels: pod.labels.clone(),
        annotations: Arc::new(BTreeMap::new()),
        namespace_labels: Arc::new(BTreeMap::new()),
        place,
        requests: Resources::of(Millicores(500), Bytes(1 << 30)),
        usage,
        phase: "Running".to_owned(),
        scheduled: Some(at(hours.0)),
        started: Some(at(hours.0)),
        finished: None,
        ended: Some(at(hours.1)),
        is_part: false,
        seen: Window { start: at(hours.0), end: at(hours.1) },
        looks: 9,
        source: Source::Poll,
    }
}

fn made() -> (Charges, Observed) {
    let node = origin("i-0abc", "ip-192-168-14-9", "m7g.large");
    let on_fargate = origin("arn:pod", "find/index", "0.5vCPU 1GB");
    let control_plane = origin("arn:cluster", "control plane", "");
    let id = cluster("myeks");
    let (one, two) = (pod(&id, "pay", "api-1", "payments"), pod(&id, "pay", "api-2", "payments"));
    let index = pod(&id, "find", "index", "search");
    let of = |pod: &Arc<PodRef>| Recipient::Pod(pod.clone());
    let charges = vec![
        charge(&node, Class::Ec2Compute, of(&one), Part::Cpu, "0.3333333333"),
        charge(&node, Class::Ec2Compute, of(&one), Part::Memory, "0.0666666667"),
        charge(&node, Class::Ec2Compute, of(&two), Part::Cpu, "0.1666666667"),
        charge(&node, Class::Ec2Compute, of(&two), Part::Memory, "0.0333333333"),
        charge(&node, Class::Ec2Compute, Recipient::Idle, Part::Cpu, "0.9000000001"),
        charge(&on_fargate, Class::FargateVcpu, of(&index), Part::Whole, "0.55872"),
        charge(&on_fargate, Class::FargateMemory, of(&index), Part::Whole, "0.12264"),
        charge(
            &control_plane,
            Class::ControlPlane,
            Recipient::Shared("control plane".into()),
            Part::Whole,
            "2.4",
        ),
    ];
    let shown = small();
    let charges = Charges {
        charges,
        unpriced: Vec::new(),
        unmeasured: Vec::new(),
        prices: shown.prices,
        coverage: shown.coverage,
        is_estimate: false,
        rules: Vec::new(),
        findings: Vec::new(),
    };
    let usage = Usage { cpu: Some(Millicores(250)), memory: Some(Bytes(2 << 30)) };
    let node = || Place::Node("ip-192-168-14-9".to_owned());
    let fargate = Place::Fargate {
        node: "fargate-1".to_owned(),
        size: None,
        storage: None,
        is_annotated: true,
    };
    let pods = vec![
        interval(&one, node(), (0, 24), Some(usage)),
        interval(&two, node(), (6, 18), None),
        interval(&index, fargate, (12, 24), None),
    ];
    let observed = Observed {
        window: day(),
        clusters: Vec::new(),
        nodes: Vec::new(),
        pods,
        findings: Vec::new(),
    };
    (charges, observed)
}

fn asked(aggregate: &[&str], include_idle: bool) -> Value {
    let (charges, observed) = made();
    let aggregate = aggregate.iter().map(|one| one.parse::<Aggregate>().expect("a name")).collect();
    let set = Set { window: day(), charges: &charges, observed: &observed };
    allocation(&[set], &Query { aggregate, include_idle, ..Query::default() })
}

/// Hundred-thousandths of a dollar.
fn fine(value: &Value) -> i64 {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<5}").parse().expect("five places")
}

#[test]
fn fields_are_opencosts() {
    let answer = asked(&["namespace"], true);
    assert_eq!((&answer["code"], &answer["status"]), (&json!(200), &json!("success")));
    let set = answer["data"][0].as_object().expect("a set");
    let names: Vec<&String> = set.keys().collect();
    assert_eq!(names, ["__idle__", "__unallocated__", "find", "pay"]);
    let known: BTreeSet<&str> = FIELDS.into_iter().collect();
    for allocation in set.values() {
        let fields: BTreeSet<&str> =
            allocation.as_object().expect("fields").keys().map(String::as_str).collect();
        assert_eq!(fields, known);
    }
}

#[test]
fn a_whole_allocation() {
    let answer = asked(&["namespace"], false);
    let mut pay = answer["data"][0]["pay"].clone();
    let fields = pay.as_object_mut().expect("fields");
    fields
        .retain(|_, value| value.as_f64() != Some(0.0) && *value != json!({}) && !value.is_null());
    assert_eq!(
        pay,
        json!({
            "name": "pay",
            "properties": {
                "cluster": "myeks",
                "controller": "api",
                "controllerKind": "deployment",
                "namespace": "pay",
                "node": "ip-192-168-14-9",
                "providerID": "i-0abc",
            },
            "window": {"start": "2026-10-01T00:00:00Z", "end": "2026-10-02T00:00:00Z"},
            "start": "2026-10-01T00:00:00Z",
            "end": "2026-10-02T00:00:00Z",
            "minutes": 1440.0,
            // Half a core for 24 h and half a core for 12 h.
            "cpuCores": 0.75,
            "cpuCoreRequestAverage": 0.75,
            "cpuCoreUsageAverage": 0.25,
            "cpuCoreHours": 18.0,
            "cpuCost": 0.5,
            "cpuEfficiency": 0.33333,
            // 2 GiB were used for 24 h where one was asked for, and one was asked for 12 h.
            "ramBytes": 2_684_354_560.0,
            "ramByteRequestAverage": 1_610_612_736.0,
            "ramByteUsageAverage": 2_147_483_648.0,
            "ramByteHours": 64_424_509_440.0,
            "ramCost": 0.1,
            "ramEfficiency": 1.33333,
            "totalCost": 0.6,
            "totalEfficiency": 0.5,
        })
    );
    assert!(answer["data"][0].get("__idle__").is_none(), "OpenCost leaves it out unless asked");
}

#[test]
fn money_adds_up_in_every_aggregation() {
    let (charges, _) = made();
    let whole: Amount = charges.charges.iter().map(|charge| charge.amount).sum();
    let whole: i64 = whole.dollars(5).replace('.', "").parse().expect("five places");
    for aggregate in [
        &["namespace"][..],
        &["cluster"],
        &["node", "pod"],
        &["controllerKind", "controller"],
        &["team"],
        &["label:app"],
        &[],
    ] {
        let answer = asked(aggregate, true);
        let set = answer["data"][0].as_object().expect("a set");
        let mut sum = 0;
        for one in set.values() {
            let parts = [
                "cpuCost",
                "ramCost",
                "pvCost",
                "networkCost",
                "loadBalancerCost",
                "externalCost",
                "sharedCost",
            ];
            assert_eq!(
                parts.iter().map(|part| fine(&one[*part])).sum::<i64>(),
                fine(&one["totalCost"])
            );
            sum += fine(&one["totalCost"]);
        }
        assert_eq!(sum, whole, "{aggregate:?}");
    }
}

#[test]
fn names_are_as_clients_ask_for_them() {
    let names = |aggregate: &[&str]| -> Vec<String> {
        asked(aggregate, false)["data"][0].as_object().expect("a set").keys().cloned().collect()
    };
    assert_eq!(names(&["controller"]), ["__unallocated__", "deployment:api"]);
    assert_eq!(names(&["label:app"]), ["__unallocated__"]);
    assert_eq!(names(&["cluster", "namespace"]), ["__unallocated__", "myeks/find", "myeks/pay"]);
    let wrong = "colour".parse::<Aggregate>().expect_err("no aggregation").to_string();
    assert!(wrong.starts_with("`colour` is nothing to aggregate by: cluster, "), "{wrong}");
    assert!("label:".parse::<Aggregate>().is_err());
}
