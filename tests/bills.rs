//! The simulated bill, through the command: after the main job, and after a day.

use std::io::Read as _;

use crate::support::Folder;

/// The main job's world on 1 October, a day later.
fn billed() -> Folder {
    let default = include_str!("../engine/sandbox/scenarios/default.yaml");
    let folder = Folder::new()
        .file("october.yaml", format!("{default}begins: 2026-10-01T00:00:00Z\n"))
        .file(
            "discount.yaml",
            "billing:\n  discount: {nat: 10%}\n  prices: {eks_control_plane: 0.2}\n",
        )
        .file("wrong.yaml", "discount: {nut: 10%}\n");
    folder.well(&["run", "--quiet", "nodeless.yaml", "--scenario", "october.yaml"]);
    let said = folder.well(&["sandbox", "advance", "--until", "2026-10-03T00:00:00Z"]);
    assert_eq!(said.out, "world time is 2026-10-03T00:00:00Z\n");
    folder
}

/// A line of the sums, by its usage type.
fn line<'a>(bill: &'a str, usage: &str) -> &'a str {
    let of = |line: &&str| line.split(',').nth(1) == Some(usage);
    bill.lines().find(of).unwrap_or_else(|| panic!("no {usage} in {bill}"))
}

#[test]
fn a_day_is_billed_to_the_second_and_as_the_settings_say() {
    let folder = billed();
    let day = ["sandbox", "bill", "--window", "2026-10-02"];
    let bill = folder.well(&day).out;
    assert_eq!(
        bill.lines().next(),
        Some("service,usage_type,charge,unit,quantity,list,unblended,net")
    );
    assert_eq!(
        line(&bill, "APN2-NatGateway-Hours"),
        "EC2 - Other,APN2-NatGateway-Hours,Usage,Hrs,24.0000000000,1.4160000000,1.4160000000,1.4160000000"
    );
    assert!(
        line(&bill, "APN2-AmazonEKS-Hours:perCluster")
            .ends_with(",24.0000000000,2.4000000000,2.4000000000,2.4000000000")
    );
    // Two Karpenter of 1 vCPU and 2 GB; two CoreDNS and two load balancer controllers of 0.25 and 0.5.
    assert!(
        line(&bill, "APN2-Fargate-vCPU-Hours:perCPU")
            .contains(",hours,72.0000000000,3.3523200000,"),
        "{bill}"
    );
    assert!(
        line(&bill, "APN2-Fargate-GB-Hours").contains(",hours,144.0000000000,0.7358400000,"),
        "{bill}"
    );

    // The day after the beginning of the world has no other day's rows.
    let earlier = folder.well(&["sandbox", "bill", "--window", "2026-09"]).out;
    assert_eq!(earlier.lines().nth(1), Some("total,,,,,0.0000000000,0.0000000000,0.0000000000"));

    let with = |settings: &'static str| {
        let mut arguments = day.to_vec();
        arguments.extend(["--settings", settings]);
        arguments
    };
    let refused = folder.run(&with("wrong.yaml"));
    assert_ne!(refused.code, 0);
    assert!(
        refused.err.contains("billing.discount.nut: is none of ec2, ebs, fargate, eks, nat, vpc"),
        "{}",
        refused.err
    );
    folder.well(&with("discount.yaml"));
    // What was set stays.
    let bill = folder.well(&day).out;
    assert!(
        line(&bill, "APN2-NatGateway-Hours").ends_with(",1.4160000000,1.4160000000,1.2744000000"),
        "{bill}"
    );
    assert!(
        line(&bill, "APN2-AmazonEKS-Hours:perCluster")
            .ends_with(",4.8000000000,4.8000000000,4.8000000000")
    );

    folder.well(&[
        "sandbox",
        "bill",
        "--window",
        "2026-10",
        "--format",
        "cur",
        "--out",
        "bill.csv.gz",
    ]);
    let packed = std::fs::File::open(folder.path().join("bill.csv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let columns = rows.headers().unwrap().clone();
    let place = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (resource, operation) = (place("line_item_resource_id"), place("line_item_operation"));
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let pods = rows.iter().filter(|row| &row[operation] == "FargatePod");
    for pod in pods {
        let prefix = "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/";
        assert!(pod[resource].starts_with(prefix), "{}", &pod[resource]);
        assert_eq!(pod[resource].split('/').count(), 5, "{}", &pod[resource]);
    }
    let focus = folder.well(&["sandbox", "bill", "--window", "2026-10", "--format", "focus"]).out;
    assert!(focus.starts_with("AvailabilityZone,BilledCost,BillingAccountId,"), "{focus}");
}

#[test]
fn a_window_that_is_none_is_refused() {
    let folder = Folder::new();
    let said = folder.run(&["sandbox", "bill", "--window", "october"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("give a month (2026-10)"), "{}", said.err);
}
