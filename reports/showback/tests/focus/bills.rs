//! Bills in which node charges are replaced.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use proptest::prelude::*;
use runbook_showback::allocate::charge::{Charge, Part, Recipient};
use runbook_showback::allocate::showback::Weight;
use runbook_showback::bill::Class;
use runbook_showback::focus::decimal::Decimal;
use runbook_showback::focus::{
    Export, ExportError, Replacement, Version, WriteError, Written, check, from_bill,
};
use runbook_showback::observed::Window;
use tempfile::TempDir;

use crate::charges;
use crate::files::{lines, table};

const NODE: &str = "i-0aaa1111bbbb2222c";

/// A bill of an hour of a node, its traffic, a bucket and a credit, as exports quote it.
pub(crate) const BILL: &str = "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,RegionId,RegionName,ResourceId,ResourceName,ResourceType,ServiceCategory,ServiceName,Tags,x_UsageType\r
0.1003000000,999988887777,payer,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,\"m7g.large, Linux\",2026-10-01T04:00:00Z,2026-10-01T03:00:00Z,1,Hours,0.1003,7.25e-2,AWS,0.1003,1.0000000000,Hours,AWS,AWS,ap-northeast-2,Seoul,i-0aaa1111bbbb2222c,,Instance,Compute,Amazon Elastic Compute Cloud,\"{\"\"app\"\":\"\"web\"\",\"\"Name\"\":\"\"node\"\"}\",APN2-BoxUsage:m7g.large\r
\"0.01\",999988887777,payer,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,\"traffic, \"\"regional\"\"\",2026-10-01T04:00:00Z,2026-10-01T03:00:00Z,1,GB,0.01,0.01,AWS,0.01,1,GB,AWS,AWS,ap-northeast-2,Seoul,i-0aaa1111bbbb2222c,,Instance,Networking,AWS Data Transfer,,APN2-DataTransfer-Regional-Bytes\r
\r
2.5,999988887777,payer,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,\"a \nbucket\",2026-10-02T00:00:00Z,2026-10-01T00:00:00Z,100,GB,2.5,2.5,AWS,2.5,100,GB,AWS,AWS,ap-northeast-2,Seoul,bucket,,Bucket,Storage,Amazon S3,,x\r
-1.00,999988887777,payer,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Credit,,credit,2026-10-02T00:00:00Z,2026-10-01T00:00:00Z,,,-1.00,-1.00,AWS,-1.00,,,AWS,AWS,,,i-0aaa1111bbbb2222c,,Instance,Compute,Amazon Elastic Compute Cloud,,x";

pub(crate) fn replacement(charges: &[Charge], version: Option<Version>) -> Replacement<'_> {
    Replacement { charges, weight: Weight::Fixed(900), version }
}

fn bill(folder: &TempDir, name: &str, bytes: &[u8]) -> Export {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Export::open(&path).unwrap()
}

fn replaced(bill: &Export, charges: &[Charge], version: Option<Version>) -> (Vec<u8>, Written) {
    let mut out = Vec::new();
    let written = from_bill(bill, &replacement(charges, version), &mut out).unwrap();
    (out, written)
}

#[test]
fn a_node_charge_is_replaced_and_everything_else_keeps_its_bytes() {
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    let (out, written) = replaced(&bill(&folder, "bill.csv", BILL.as_bytes()), &charges, None);
    let text = String::from_utf8(out.clone()).unwrap();
    assert_eq!(
        (written.rows, written.replaced, written.allocated, written.untouched),
        (8, 1, 5, 3)
    );
    // What passes is there as it was, with cells after it.
    let added = ",,,,,,,,,,,bill";
    for row in BILL.split("\r\n").skip(2).filter(|row| !row.is_empty()) {
        assert!(text.contains(&format!("{row}{added}")), "{row}");
    }
    let header = BILL.split("\r\n").next().unwrap();
    assert!(text.starts_with(&format!(
        "{header},x_AllocatedMethodDetails,x_AllocatedMethodId,x_AllocatedResourceId,\
         x_AllocatedResourceName,x_AllocatedTags,x_Cluster,x_Namespace,x_Origin,x_Owner,x_Recipient,\
         x_Source\r\n"
    )));
    assert!(text.contains("bill\r\n\r\n2.5,"), "an empty line stays");
    assert!(!text.ends_with('\n'), "the last line had no end");
    let rows = table(&out);
    let parts: Vec<_> = rows.iter().filter(|row| !row["x_AllocatedMethodId"].is_empty()).collect();
    let told: Vec<[&str; 5]> = parts
        .iter()
        .map(|row| {
            [
                "x_Recipient",
                "BilledCost",
                "EffectiveCost",
                "PricingQuantity",
                "x_AllocatedResourceName",
            ]
            .map(|name| row[name].as_str())
        })
        .collect();
    let of = "of ip-0aaa1111bbbb2222c.ap-northeast-2.compute.internal";
    let (daemonsets, reserve) = (format!("daemonsets {of}"), format!("system reserve {of}"));
    assert_eq!(
        told,
        [
            ["pod", "0.0097416375", "0.0070415625", "0.097125", "jobs/batch"],
            ["pod", "0.048068775", "0.034745625", "0.47925", "shop/web"],
            ["idle", "0.0377253375", "0.0272690625", "0.376125", ""],
            ["node overhead: daemonsets", "0.00225675", "0.00163125", "0.0225", &daemonsets],
            ["node overhead: system reserve", "0.0025075", "0.0018125", "0.025", &reserve],
        ]
    );
    for row in &parts {
        assert_eq!(row["ResourceId"], NODE);
        assert_eq!(row["Tags"], "{\"app\":\"web\",\"Name\":\"node\"}");
        assert_eq!(row["ChargeDescription"], "m7g.large, Linux");
        assert_eq!(row["x_AllocatedMethodId"], "runbook/9:1/v1");
        assert_eq!(row["x_Source"], "bill");
        assert!(row["x_Origin"].contains("\"Charge\":\"bill row 1\""), "{}", row["x_Origin"]);
    }
    // A label that the node has as a tag already is not said twice.
    assert!(!parts[1]["x_AllocatedTags"].contains("\"app\""), "{}", parts[1]["x_AllocatedTags"]);
    assert!(parts[0]["x_AllocatedTags"].contains("\"app\":\"batch\""));
    for column in [
        "BilledCost",
        "ContractedCost",
        "EffectiveCost",
        "ListCost",
        "PricingQuantity",
        "ConsumedQuantity",
    ] {
        let sum = parts.iter().fold(Decimal::ZERO, |sum, row| {
            sum.plus(Decimal::parse(&row[column]).unwrap()).unwrap()
        });
        let whole = match column {
            "EffectiveCost" => "0.0725",
            "PricingQuantity" | "ConsumedQuantity" => "1",
            _ => "0.1003",
        };
        assert_eq!(sum.to_string(), whole, "{column}");
    }
    let codes: Vec<&str> = written.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["not_measured_in_time", "node_not_billed"]);
    let checked = check(&bill(&folder, "out.csv", &out)).unwrap();
    assert_eq!(checked.violations, []);
}

#[test]
fn compressed_it_is_the_same() {
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    let (plain, _) = replaced(&bill(&folder, "bill.csv", BILL.as_bytes()), &charges, None);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Two members, as exports that were joined have them.
    let (first, second) = BILL.as_bytes().split_at(900);
    gz.write_all(first).unwrap();
    let mut bytes = gz.finish().unwrap();
    let mut gz = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
    gz.write_all(second).unwrap();
    gz.finish().unwrap();
    let (out, _) = replaced(&bill(&folder, "bill.csv.gz", &bytes), &charges, None);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(out.as_slice()).read_to_end(&mut text).unwrap();
    assert!(text == plain);
}

#[test]
fn as_1_3_it_has_columns_of_its_own() {
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    let bill = bill(&folder, "bill.csv", BILL.as_bytes());
    let (out, _) = replaced(&bill, &charges, Some(Version::V1_3));
    let rows = table(&out);
    assert!(rows.iter().all(|row| row["ServiceProviderName"] == "AWS"));
    assert!(rows.iter().all(|row| row["HostProviderName"] == "AWS"));
    let pods: Vec<&str> = rows
        .iter()
        .filter(|row| row["x_Recipient"] == "pod")
        .map(|row| row["AllocatedResourceId"].as_str())
        .collect();
    assert_eq!(
        pods,
        [
            "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/jobs/batch/uid-batch",
            "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/shop/web/uid-web"
        ]
    );
    let path = folder.path().join("again.csv");
    std::fs::write(&path, &out).unwrap();
    let again = Export::open(&path).unwrap();
    assert_eq!(check(&again).unwrap().violations, []);
    // What is divided is not divided again, and its version is its own.
    let (twice, written) = replaced(&again, &charges, None);
    assert_eq!(written.replaced, 0);
    assert!(twice == out, "{}", String::from_utf8_lossy(&twice));
}

#[test]
fn a_bill_that_cannot_be_divided_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    let refused = |name: &str, text: &str| {
        let bill = bill(&folder, name, text.as_bytes());
        let error = from_bill(&bill, &replacement(&charges, None), Vec::new()).unwrap_err();
        let WriteError::Bill(error) = error else { panic!("{error}") };
        error.to_string().replace(&folder.path().display().to_string(), "…")
    };
    assert_eq!(
        refused("one.csv", &BILL.replacen("ResourceId", "Resource", 1)),
        "…/one.csv has no column ResourceId: it is no FOCUS bill by resource"
    );
    assert_eq!(
        refused("two.csv", &BILL.replacen("7.25e-2", "\"7,25\"", 1)),
        "row 1 of …/two.csv: EffectiveCost is `7,25`: `7,25` is no decimal number"
    );
    assert_eq!(
        refused(
            "three.csv",
            &BILL.replacen("2.5,999", "2.5\"x,999", 1).replacen(",x\r\n-1.00", "\r\n-1.00", 1)
        ),
        "failed to read …/three.csv as CSV after 2 rows"
    );
    assert!(matches!(Export::open(Path::new("/nowhere.csv")), Err(ExportError::Open { .. })));
    let empty = folder.path().join("empty.csv");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(Export::open(&empty), Err(ExportError::Empty(_))));
}

/// A bill in Parquet as AWS exports it: binary numbers, tags as a map.
fn parquet_bill(folder: &TempDir, rows: usize) -> (PathBuf, f64) {
    let (cost, mut tags) = (
        0.123_456_789_012_345_67,
        MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()),
    );
    for _ in 0..rows {
        tags.keys().append_value("Name");
        tags.values().append_value("node");
        tags.append(true).unwrap();
    }
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value; rows])) };
    let ids: Vec<&str> = (0..rows).map(|row| if row % 2 == 0 { NODE } else { "bucket" }).collect();
    let hour = |hour: i64| -> ArrayRef {
        let start: jiff::Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
        let at = start.as_millisecond() + hour * 3_600_000;
        Arc::new(TimestampMillisecondArray::from(vec![at; rows]))
    };
    let costs: Vec<Option<f64>> = (0..rows).map(|row| (row != 3).then_some(cost)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("BilledCost", Arc::new(Float64Array::from(costs.clone()))),
        ("ChargeCategory", text("Usage")),
        ("ChargePeriodEnd", hour(4)),
        ("ChargePeriodStart", hour(3)),
        ("ListCost", Arc::new(Float64Array::from(costs))),
        ("PricingUnit", text("Hours")),
        ("ResourceId", Arc::new(StringArray::from(ids))),
        ("ServiceCategory", text("Compute")),
        ("Tags", Arc::new(tags.finish())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let path = folder.path().join("bill.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    (path, cost)
}

#[test]
fn parquet_is_divided_without_a_float() {
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    let rows = 3000;
    let (path, cost) = parquet_bill(&folder, rows);
    let bill = Export::open(&path).unwrap();
    let (out, written) = replaced(&bill, &charges, None);
    assert_eq!((written.replaced, written.allocated, written.untouched), (1500, 7500, 1500));
    let path = folder.path().join("out.parquet");
    std::fs::write(&path, &out).unwrap();
    let (header, all) = lines(&path);
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let sum = |column: &str| {
        all.iter().filter(|row| !row[at(column)].is_empty()).fold(Decimal::ZERO, |sum, row| {
            sum.plus(Decimal::parse(&row[at(column)]).unwrap()).unwrap()
        })
    };
    let whole = Decimal::parse(&cost.to_string()).unwrap().times(Decimal::new(2999, 0)).unwrap();
    assert_eq!((sum("BilledCost"), sum("ListCost")), (whole, whole));
    assert!(all.iter().all(|row| row[at("Tags")] == "{\"Name\":\"node\"}"));
    assert!(all.iter().all(|row| row[at("x_Source")] == "bill"));
    let empty: Vec<usize> =
        (0..all.len()).filter(|row| all[*row][at("BilledCost")].is_empty()).collect();
    assert_eq!(empty.len(), 1, "what had no cost has none");
    let checked = check(&Export::open(&path).unwrap()).unwrap();
    let sums: Vec<_> = checked
        .violations
        .iter()
        .filter(|violation| {
            matches!(violation.rule.name(), "sum-of-parts" | "ratio" | "origin-beside-parts")
        })
        .collect();
    assert!(sums.is_empty(), "{sums:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bill_is_conserved_in_every_column(
        costs in prop::collection::vec((-1_000_000_000_i64..1_000_000_000, 0_u32..15), 1..8),
        weights in prop::collection::vec(0_u64..1_000_000, 1..12),
    ) {
        let folder = TempDir::new().unwrap();
        let whole = Window::day(charges::day());
        let to = weights
            .iter()
            .enumerate()
            .map(|(at, weight)| {
                let pod = charges::pod("any", &format!("pod-{at}"), "team");
                (Recipient::Pod(pod), Part::Cpu, *weight)
            })
            .collect();
        let charges = charges::divided(&charges::node(NODE, "m7g.large"), Class::Ec2Compute, whole, "0.1", to);
        let mut text = "ResourceId,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,BilledCost,ListCost,x_CreditedCost,PricingUnit,ServiceCategory\n".to_owned();
        for (units, scale) in &costs {
            let cost = Decimal::new((*units).into(), *scale);
            text.push_str(&format!("{NODE},Usage,2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,{cost},{units},{cost},Hrs,Compute\n"));
        }
        let (out, written) = replaced(&bill(&folder, "bill.csv", text.as_bytes()), &charges, None);
        prop_assert_eq!(written.replaced, costs.len() as u64);
        let sums = |bytes: &[u8], column: &str| {
            table(bytes).iter().fold(Decimal::ZERO, |sum, row| sum.plus(Decimal::parse(&row[column]).unwrap()).unwrap())
        };
        for column in ["BilledCost", "ListCost", "x_CreditedCost"] {
            prop_assert_eq!(sums(&out, column), sums(text.as_bytes(), column));
        }
    }
}
