//! A month in miniature, and its bill: what was used, when, and what it cost; killed and opened again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use runbook_sandbox::BillFormat;
use serde_json::Value;
use support::month::{FARGATE, JOB_SECONDS, Month};
use support::{CLUSTER, World};

type Row = BTreeMap<String, String>;

fn rows(text: &[u8]) -> Vec<Row> {
    csv::Reader::from_reader(text).deserialize().map(Result::unwrap).collect()
}

/// 10⁻¹⁰ of a decimal number.
fn exact(text: &str) -> i128 {
    if text.is_empty() {
        return 0;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let sign = if text.starts_with('-') { -1 } else { 1 };
    whole.parse::<i128>().unwrap() * 10_000_000_000
        + sign * format!("{part:0<10}").parse::<i128>().unwrap()
}

fn sum(rows: &[&Row], column: &str) -> i128 {
    rows.iter().map(|row| exact(&row[column])).sum()
}

async fn bill(world: &World, window: &str, format: BillFormat) -> Vec<Row> {
    let window = window.parse().unwrap();
    rows(&world.served.control().bill(window, format, false).await.unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Seconds of Fargate by pod, from the bill.
fn fargate_seconds(rows: &[Row]) -> BTreeMap<String, i128> {
    let mut seconds: BTreeMap<String, i128> = BTreeMap::new();
    for row in
        rows.iter().filter(|row| row["line_item_usage_type"].ends_with("Fargate-vCPU-Hours:perCPU"))
    {
        // A quarter of a vCPU.
        *seconds.entry(row["line_item_resource_id"].clone()).or_default() +=
            exact(&row["line_item_usage_amount"]) * 4 * 3600;
    }
    seconds
        .into_iter()
        .map(|(pod, units)| (pod, (units + 5_000_000_000) / 10_000_000_000))
        .collect()
}

/// Jobs of four minutes ran on instances, and each is in the split rows with its requests.
fn jobs_are_in_the_split_rows(all: &[Row]) {
    let jobs: Vec<&Row> = all
        .iter()
        .filter(|row| {
            row["line_item_resource_id"].contains("/reports/nightly-")
                && row["line_item_usage_type"] == "APN2-EKS-EC2-vCPU-Hours"
        })
        .collect();
    let mut reserved: BTreeMap<&str, i128> = BTreeMap::new();
    for job in &jobs {
        *reserved.entry(&job["line_item_resource_id"]).or_default() +=
            exact(&job["split_line_item_reserved_usage"]);
    }
    assert!(reserved.len() > 150, "{} jobs", reserved.len());
    let least = i128::from(JOB_SECONDS) * 10_000_000_000 / 4 / 3600;
    for (pod, vcpu_hours) in &reserved {
        // The image is pulled before, for some seconds.
        assert!((least..least * 11 / 10).contains(vcpu_hours), "{pod}: {vcpu_hours}");
    }
}

/// The parts of an instance's hour and what is unused of them are its cost.
fn parts_add_up(all: &[Row], machines: &[&&Row]) {
    let mut parts: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for row in all.iter().filter(|row| !row["split_line_item_parent_resource_id"].is_empty()) {
        let key = (
            row["split_line_item_parent_resource_id"].as_str(),
            row["line_item_usage_start_date"].as_str(),
        );
        *parts.entry(key).or_default() +=
            exact(&row["split_line_item_split_cost"]) + exact(&row["split_line_item_unused_cost"]);
    }
    for row in machines {
        let key =
            (row["line_item_resource_id"].as_str(), row["line_item_usage_start_date"].as_str());
        if let Some(split) = parts.get(&key) {
            assert_eq!(*split, exact(&row["line_item_unblended_cost"]), "{key:?}");
        }
    }
    assert!(parts.len() > 80, "{} hours", parts.len());
}

/// Completed pods on Fargate go on costing; those whose jobs were deleted do not.
fn completed_pods_bill_on(all: &[Row], pods: &[Value], now: Timestamp) {
    let fargate = fargate_seconds(all);
    let exports: Vec<(&String, &i128)> =
        fargate.iter().filter(|(pod, _)| pod.contains("/export-")).collect();
    assert_eq!(exports.len(), 4, "{exports:?}");
    assert!(exports.iter().all(|(_, seconds)| **seconds > 600), "{exports:?}");
    for pod in pods {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let pulled = pod["status"]["conditions"].as_array().unwrap();
        let pulled = pulled.iter().find(|one| one["type"] == "PodReadyToStartContainers").unwrap();
        let pulled = at(pulled["lastTransitionTime"].as_str().unwrap());
        let scheduled = pod["status"]["conditions"].as_array().unwrap();
        let scheduled = scheduled.iter().find(|one| one["type"] == "PodScheduled").unwrap();
        let scheduled = at(scheduled["lastTransitionTime"].as_str().unwrap());
        let container = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        let started = at(container["startedAt"].as_str().unwrap());
        assert!(scheduled < pulled && pulled < started);
        let billed = exports.iter().find(|(arn, _)| arn.ends_with(uid)).unwrap().1;
        let wanted = now.duration_since(pulled).as_secs();
        assert_eq!(*billed, i128::from(wanted), "{uid}");
    }
}

/// The bill of a window is the sum of its days, in every form.
async fn a_window_is_its_days(world: &World) {
    for (format, column) in
        [(BillFormat::Cur, "line_item_unblended_cost"), (BillFormat::Focus, "BilledCost")]
    {
        let whole = bill(world, "2026-10-01..2026-10-05", format).await;
        let whole = sum(&whole.iter().collect::<Vec<_>>(), column);
        let mut days = 0;
        for day in 1..5 {
            let day = bill(world, &format!("2026-10-0{day}"), format).await;
            days += sum(&day.iter().collect::<Vec<_>>(), column);
        }
        assert!(whole > 0);
        assert_eq!(whole, days, "{}", format.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_in_miniature_is_billed_as_it_was_used() {
    let world = World::beginning("2026-10-01T00:00:00Z").await.with_nodes().await;
    let waiting = world.elsewhere().await;
    // A day of the plan takes three hours: all of it happens within three days.
    let mut month =
        Month::join(world.served.control(), CLUSTER, SignedDuration::from_hours(3)).await;
    month.begin(30).await;
    month.play(at("2026-10-05T00:00:00Z")).await;

    let pods = month.get(&format!("/api/v1/namespaces/{FARGATE}/pods")).await;
    let pods = pods["items"].as_array().unwrap();
    assert!(pods.iter().all(|pod| pod["status"]["phase"] == "Succeeded"), "{pods:#?}");
    let claims = month.get("/apis/karpenter.sh/v1/nodeclaims").await;
    let pools: Vec<&Value> = claims["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|claim| &claim["metadata"]["labels"]["karpenter.sh/nodepool"])
        .collect();
    assert!(!pools.is_empty() && pools.iter().all(|pool| **pool == "default"), "{pools:?}");

    let all = bill(&world, "2026-10-01..2026-10-06", BillFormat::Cur).await;
    let own: Vec<&Row> =
        all.iter().filter(|row| row["split_line_item_parent_resource_id"].is_empty()).collect();
    // What was deleted is billed: the machine of `search` for as long as it was there.
    let search: Vec<&&Row> =
        own.iter().filter(|row| row["line_item_usage_type"].contains("BoxUsage")).collect();
    let machines: std::collections::BTreeSet<&str> =
        search.iter().map(|row| row["line_item_resource_id"].as_str()).collect();
    assert!(machines.len() >= 2, "{machines:?}");

    jobs_are_in_the_split_rows(&all);
    parts_add_up(&all, &search);
    completed_pods_bill_on(&all, pods, month.now());
    a_window_is_its_days(&world).await;
    drop(month);
    waiting.back().await.unwrap();

    // Opened again, the world bills the same.
    let before = bill(&world, "2026-10", BillFormat::Cur).await;
    let world = world.opened_again().await;
    let after = bill(&world, "2026-10", BillFormat::Cur).await;
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
}
