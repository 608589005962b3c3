//! Estimates from list prices.

use std::collections::BTreeMap;

use runbook_showback::allocate::charge::Charge;
use runbook_showback::allocate::showback::Weight;
use runbook_showback::focus::decimal::Decimal;
use runbook_showback::focus::{
    Account, Estimate, Export, Format, Version, WriteError, Written, check, from_charges,
};
use tempfile::TempDir;

use crate::charges;
use crate::files::{lines, table};

/// Writes an estimate of charges.
pub(crate) fn estimate(charges: &[Charge], version: Version, format: Format) -> (Vec<u8>, Written) {
    let account = Account { id: "999988887777".to_owned(), name: Some("payer".to_owned()) };
    let estimate = Estimate {
        charges,
        coverage: &charges::coverage(),
        prices: &charges::prices(),
        weight: Weight::Fixed(900),
        billing_account: Some(&account),
    };
    let mut out = Vec::new();
    let written = from_charges(&estimate, version, format, &mut out).unwrap();
    (out, written)
}

fn sum(rows: &[BTreeMap<String, String>], column: &str) -> String {
    rows.iter()
        .fold(Decimal::ZERO, |sum, row| sum.plus(Decimal::parse(&row[column]).unwrap()).unwrap())
        .to_string()
}

#[test]
fn the_parts_of_a_node_are_rows_of_that_node() {
    let charges = charges::small();
    let (out, written) = estimate(&charges, Version::V1_3, Format::Csv);
    let rows = table(&out);
    assert_eq!((written.rows, written.allocated, rows.len()), (11, 8, 11));
    let told: Vec<[&str; 6]> = rows
        .iter()
        .map(|row| {
            ["ResourceId", "x_Recipient", "ListCost", "PricingQuantity", "ListUnitPrice", "x_Owner"]
                .map(|name| row[name].as_str())
        })
        .collect();
    let (one, two) = ("i-0aaa1111bbbb2222c", "i-0ddd3333eeee4444f");
    let fargate =
        "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/kube-system/coredns/uid-coredns";
    assert_eq!(
        told,
        [
            ["", "shared: control plane", "2.4", "24", "0.1", ""],
            [fargate, "pod", "0.27936", "24", "0.01164", "platform"],
            [fargate, "pod", "0.06132", "24", "0.002555", "platform"],
            [one, "pod", "0.2337993", "2.331", "0.1003", "unowned"],
            [one, "pod", "1.1536506", "11.502", "0.1003", "checkout"],
            [one, "idle", "0.9054081", "9.027", "0.1003", ""],
            [one, "node overhead: daemonsets", "0.054162", "0.54", "0.1003", ""],
            [one, "node overhead: system reserve", "0.06018", "0.6", "0.1003", ""],
            [two, "pod", "0.6469907408", "3.761574074074", "0.172", "checkout"],
            [two, "idle", "0.6469907407", "3.761574074074", "0.172", ""],
            [two, "node overhead: boot", "0.6469907407", "3.761574074074", "0.172", ""],
        ]
    );
    assert_eq!(sum(&rows, "ListCost"), "7.0888522222");
    for row in &rows {
        assert_eq!((row["BilledCost"].as_str(), row["InvoiceId"].as_str()), ("0.00", ""));
        assert_eq!(row["ListCost"], row["EffectiveCost"]);
        assert_eq!(row["ListCost"], row["ContractedCost"]);
        let said =
            ["x_Estimate", "x_PriceAsOf", "x_Coverage", "x_Source"].map(|name| row[name].as_str());
        assert_eq!(said, ["true", "2026-03-30", "0.9837", "list_prices"]);
        let is_split = row["ResourceId"].starts_with("i-");
        assert_eq!(row["AllocatedMethodId"], if is_split { "runbook/9:1/v1" } else { "" });
        assert!(!row["ResourceId"].contains(":pod/") || !is_split);
    }
    let web = &rows[4];
    assert_eq!(
        web["AllocatedMethodDetails"],
        "{\"Elements\":[{\"AllocatedRatio\":0.416625,\"UsageUnit\":\"vCPU\"},\
         {\"AllocatedRatio\":0.062625,\"UsageUnit\":\"GiB\"}]}"
    );
    assert_eq!(
        web["AllocatedTags"],
        "{\"app\":\"web\",\"runbook:cluster\":\"myeks\",\"runbook:namespace\":\"shop\",\
         \"runbook:owner\":\"checkout\",\"runbook:workload\":\"Deployment/web\"}"
    );
    assert_eq!(rows[5]["AllocatedResourceId"], "", "idle cost went to nobody");
    assert_eq!(
        web["x_Origin"],
        "{\"Charge\":\"2026-10-01/ec2-compute/111122223333/ap-northeast-2/myeks/i-0aaa1111bbbb2222c\",\
         \"Parts\":5,\"Sums\":{\"BilledCost\":\"0\",\"ConsumedQuantity\":\"24\",\
         \"ContractedCost\":\"2.4072\",\"EffectiveCost\":\"2.4072\",\"ListCost\":\"2.4072\",\
         \"PricingCurrencyEffectiveCost\":\"2.4072\",\"PricingQuantity\":\"24\"}}"
    );
}

#[test]
fn each_version_and_format_says_the_same_and_breaks_no_rule() {
    let folder = TempDir::new().unwrap();
    let charges = charges::small();
    for version in [Version::V1_2, Version::V1_3] {
        let mut texts = Vec::new();
        for (format, name) in
            [(Format::Csv, "a.csv"), (Format::CsvGz, "a.csv.gz"), (Format::Parquet, "a.parquet")]
        {
            assert_eq!(Format::of(name), format);
            let (bytes, _) = estimate(&charges, version, format);
            let (again, _) = estimate(&charges, version, format);
            assert!(bytes == again, "the same charges give the same bytes");
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let checked = check(&Export::open(&path).unwrap()).unwrap();
            assert_eq!((checked.version, checked.rows), (version, 11));
            assert_eq!(checked.violations, [], "{version} {name}");
            let (header, rows) = lines(&path);
            let plain =
                |cell: String| Decimal::parse(&cell).map_or(cell, |number| number.to_string());
            let rows: Vec<Vec<String>> =
                rows.into_iter().map(|row| row.into_iter().map(plain).collect()).collect();
            texts.push((header, rows));
        }
        assert_eq!(texts[0].0.len(), if version == Version::V1_2 { 57 + 14 } else { 65 + 9 });
        assert!(texts.iter().all(|text| *text == texts[0]));
    }
}

#[test]
fn without_an_account_nothing_is_written() {
    let (charges, coverage, prices) = (charges::small(), charges::coverage(), charges::prices());
    let blank = Account { id: " ".to_owned(), name: None };
    for billing_account in [None, Some(&blank)] {
        let estimate = Estimate {
            charges: &charges,
            coverage: &coverage,
            prices: &prices,
            weight: Weight::ByPrice,
            billing_account,
        };
        let mut out = Vec::new();
        let refused = from_charges(&estimate, Version::V1_2, Format::Csv, &mut out);
        assert!(matches!(refused, Err(WriteError::NoBillingAccount)));
        assert!(out.is_empty());
    }
}
