//! Fargate's sizes and prices against cases with known answers.

use serde::Deserialize;

use super::*;
use crate::pod_resources::ContainerResources;
use crate::prices::PriceBook;

#[derive(Deserialize)]
struct Example {
    case: String,
    eff_cpu_m: i64,
    eff_mem_mib: i64,
    billed_vcpu: String,
    billed_gib: String,
    usd_h_ap_northeast_2: String,
    usd_h_us_east_1: String,
    usd_730h_ap_northeast_2: String,
}

#[test]
fn the_worked_examples_come_out() {
    let text = include_str!("../../tests/data/fargate_examples.csv");
    let mut count = 0;
    for row in csv::Reader::from_reader(text.as_bytes()).into_deserialize::<Example>() {
        let row = row.expect("a row");
        count += 1;
        let pod = PodResources::one(Millicores(row.eff_cpu_m), Bytes::mebibytes(row.eff_mem_mib));
        let sized = match size(&pod) {
            Ok(sized) => sized,
            Err(error) => {
                assert_eq!(row.billed_vcpu, "INFEASIBLE", "{}: {error}", row.case);
                continue;
            }
        };
        assert_eq!(
            (sized.size.vcpus(), sized.size.gibibytes()),
            (row.billed_vcpu, row.billed_gib),
            "{}",
            row.case
        );
        let book = PriceBook::embedded();
        let seoul = price(&sized, "ap-northeast-2", book).expect("a price");
        // The examples were written with floating point; six places agree to one in the last.
        for (ours, theirs) in [
            (seoul, &row.usd_h_ap_northeast_2),
            (price(&sized, "us-east-1", book).expect("a price"), &row.usd_h_us_east_1),
        ] {
            let theirs = Price::parse(theirs, Unit::Hour).expect("a price").ten_billionths();
            assert!((ours.ten_billionths() - theirs).abs() <= 10_000, "{}: {ours}", row.case);
        }
        assert_eq!(seoul.monthly().dollars(2), row.usd_730h_ap_northeast_2, "{}", row.case);
    }
    assert_eq!(count, 7);
}

use crate::money::{Price, Unit};

#[test]
fn there_are_seventy_four_sizes() {
    assert_eq!(sizes().len(), 74);
    assert_eq!(sizes()[0].to_string(), "0.25vCPU 0.5GB");
    assert_eq!(sizes()[73].to_string(), "16vCPU 120GB");
    assert!(sizes().iter().all(|size| Size::from_annotation(&size.to_string()) == Some(*size)));
    assert_eq!(Size::from_annotation("3vCPU 7GB"), None);
    assert_eq!(Size::from_annotation("free"), None);
}

#[test]
fn the_reason_shows_the_arithmetic() {
    let sized = size(&PodResources::one(Millicores(1000), Bytes::gibibytes(8))).expect("a size");
    assert_eq!(
        sized.reason,
        "1 CPU and 8Gi + 256Mi memory, rounded up to 2vCPU 9GB; memory decides"
    );
    assert_eq!(sized.confidence, Confidence::Documented);
    let nothing = size(&PodResources::default()).expect("a size");
    assert_eq!(nothing.reason, "nothing is requested: the smallest size");
}

#[test]
fn where_aws_is_silent_the_answer_says_so() {
    let sidecar = ContainerResources {
        is_sidecar: true,
        ..ContainerResources::requesting(
            "log",
            Resources::of(Millicores(100), Bytes::mebibytes(64)),
        )
    };
    let mut pod = PodResources::one(Millicores(200), Bytes::mebibytes(256));
    pod.init_containers.push(sidecar);
    pod.overhead = Resources::of(Millicores(250), Bytes::mebibytes(120));
    let sized = size(&pod).expect("a size");
    assert_eq!(sized.size.to_string(), "1vCPU 2GB");
    assert_eq!(sized.confidence, Confidence::Assumed);
    assert_eq!(
        sized.reason,
        "550m CPU and 440Mi + 256Mi memory, rounded up to 1vCPU 2GB; CPU decides; sidecars counted as Kubernetes does, AWS is silent; RuntimeClass overhead added as Kubernetes does, AWS is silent"
    );
}

#[test]
fn disk_beyond_the_included_is_billed_or_unpriced() {
    let mut pod = PodResources::one(Millicores(250), Bytes::mebibytes(256));
    pod.containers[0].requests.ephemeral_storage = Some(Bytes::gibibytes(100));
    let sized = size(&pod).expect("a size");
    assert_eq!(sized.storage, Bytes::gibibytes(115));
    let virginia = price(&sized, "us-east-1", PriceBook::embedded()).expect("a price");
    assert_eq!(virginia.ten_billionths(), 404_800_000 / 4 + 44_450_000 / 2 + 95 * 1_110_000);
    let seoul = price(&sized, "ap-northeast-2", PriceBook::embedded()).unwrap_err();
    assert!(
        seoul.reason.starts_with("no price of `fargate_ephemeral_storage` in `ap-northeast-2`"),
        "{seoul}"
    );
    pod.containers[0].requests.ephemeral_storage = Some(Bytes::gibibytes(160));
    assert_eq!(
        size(&pod).unwrap_err().to_string(),
        "needs 181Gi of disk with Fargate's 10 % and 5Gi; the most is 175Gi"
    );
}
