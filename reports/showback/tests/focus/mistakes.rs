//! Files with a mistake each, planted into a right one: each is caught by its name.

use runbook_showback::focus::{Export, Format, Rule, Version, check};
use tempfile::TempDir;

use crate::bills::BILL;
use crate::charges;
use crate::estimates::estimate;
use crate::files::lines;

/// A file of cells, to spoil.
struct Sheet {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    fn right() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("right.csv");
        let (bytes, _) = estimate(&charges::small(), Version::V1_3, Format::Csv);
        std::fs::write(&path, bytes).unwrap();
        let (header, rows) = lines(&path);
        Self { header, rows }
    }

    fn at(&self, column: &str) -> usize {
        self.header.iter().position(|name| name == column).unwrap()
    }

    fn set(mut self, row: usize, column: &str, value: &str) -> Self {
        let at = self.at(column);
        value.clone_into(&mut self.rows[row - 1][at]);
        self
    }

    fn get(&self, row: usize, column: &str) -> String {
        self.rows[row - 1][self.at(column)].clone()
    }

    fn rename(mut self, column: &str, name: &str) -> Self {
        let at = self.at(column);
        name.clone_into(&mut self.header[at]);
        self
    }

    /// What is found, as `rule column row rows`.
    fn found(&self) -> Vec<String> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("spoilt.csv");
        let mut writer = csv::Writer::from_path(&path).unwrap();
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|row| writer.write_record(row).unwrap());
        writer.flush().unwrap();
        let checked = check(&Export::open(&path).unwrap()).unwrap();
        checked
            .violations
            .iter()
            .map(|violation| {
                let row = violation.row.map_or_else(|| "-".to_owned(), |row| row.to_string());
                let column = violation.column.as_deref().unwrap_or("-");
                assert!(!violation.message.is_empty());
                format!("{} {column} {row} {}", violation.rule, violation.rows)
            })
            .collect()
    }
}

#[test]
fn a_right_file_has_none() {
    assert_eq!(Sheet::right().found(), [""; 0]);
}

#[test]
fn columns_are_what_the_version_has() {
    assert_eq!(
        Sheet::right().rename("BillingAccountName", "AccountName").found(),
        ["column BillingAccountName - 0", "custom-column AccountName - 0"]
    );
    assert_eq!(Sheet::right().rename("SkuMeter", "SkuId").found()[0], "column-once SkuId - 0");
    assert_eq!(
        Sheet::right().rename("HostProviderName", "x_Host").found(),
        ["column HostProviderName - 0"]
    );
}

#[test]
fn cells_are_what_their_column_holds() {
    for (column, value, found) in [
        ("BillingAccountId", "", "not-null BillingAccountId 2 1"),
        ("ChargeClass", "correction", "allowed-value ChargeClass 2 1"),
        ("ServiceCategory", "compute", "allowed-value ServiceCategory 2 1"),
        ("BillingCurrency", "usd", "currency BillingCurrency 2 1"),
        ("PricingCurrency", "XXY", "currency PricingCurrency 2 1"),
        ("AllocatedTags", "[1]", "json AllocatedTags 4 1"),
        ("ListUnitPrice", "$0.1", "number ListUnitPrice 2 1"),
        ("ContractedUnitPrice", "0,1003", "number ContractedUnitPrice 2 1"),
        ("BillingPeriodStart", "2026-10-01", "moment BillingPeriodStart 2 1"),
        ("BillingPeriodEnd", "2026-11-01T09:00:00+09:00", "moment BillingPeriodEnd 2 1"),
    ] {
        let row = if column == "AllocatedTags" { 4 } else { 2 };
        assert_eq!(Sheet::right().set(row, column, value).found(), [found], "{column}: {value}");
    }
}

#[test]
fn periods_have_a_length_and_a_month() {
    let backwards = Sheet::right().set(3, "ChargePeriodEnd", "2026-10-01T00:00:00Z");
    assert_eq!(backwards.found(), ["period ChargePeriodEnd 3 1"]);
    let outside = Sheet::right().set(10, "ChargePeriodEnd", "2026-11-01T01:00:00Z").set(
        11,
        "ChargePeriodStart",
        "2026-09-30T23:00:00Z",
    );
    assert_eq!(outside.found(), ["billing-period ChargePeriodStart 10 2"]);
}

#[test]
fn what_belongs_together_is_together() {
    for (row, column, value, found) in [
        (1, "PricingUnit", "", "together PricingUnit 1 1"),
        (1, "RegionName", "", "together RegionName 1 1"),
        (1, "ResourceType", "Cluster", "together ResourceType 1 1"),
        (4, "AllocatedResourceName", "", "together AllocatedResourceName 4 1"),
        (2, "AllocatedTags", "{\"a\":\"b\"}", "together AllocatedMethodId 2 1"),
        (1, "ListUnitPrice", "0.2", "product ListCost 1 1"),
    ] {
        assert_eq!(Sheet::right().set(row, column, value).found(), [found], "{column}");
    }
    assert_eq!(
        Sheet::right().set(1, "ChargeCategory", "Usages").found(),
        ["allowed-value ChargeCategory 1 1", "category ConsumedQuantity 1 1"]
    );
    assert_eq!(
        Sheet::right().set(1, "ChargeCategory", "Purchase").found(),
        ["category ChargeFrequency 1 1", "category ConsumedQuantity 1 1"]
    );
}

#[test]
fn parts_make_up_their_charge() {
    let right = Sheet::right();
    // The last digit of one cost is one too many.
    let cost = format!("{}1", right.get(5, "EffectiveCost"));
    assert_eq!(right.set(5, "EffectiveCost", &cost).found(), ["sum-of-parts EffectiveCost 4 1"]);
    let ratio = Sheet::right().get(6, "AllocatedMethodDetails").replacen("0.", "0.9", 1);
    assert_eq!(
        Sheet::right().set(6, "AllocatedMethodDetails", &ratio).found(),
        ["ratio AllocatedMethodDetails 4 1"]
    );
    let mut lost = Sheet::right();
    lost.rows.remove(6);
    assert_eq!(lost.found(), ["sum-of-parts x_Origin 4 1"]);
    let mut twice = Sheet::right();
    let again = twice.rows[6].clone();
    twice.rows.push(again);
    // The five that come first are a whole charge; the sixth is one too many.
    assert_eq!(twice.found(), ["sum-of-parts x_Origin 12 1"]);
}

#[test]
fn order_does_not_matter() {
    let mut turned = Sheet::right();
    turned.rows.reverse();
    assert_eq!(turned.found(), [""; 0]);
}

#[test]
fn a_charge_is_not_beside_its_parts() {
    let mut sheet = Sheet::right();
    let mut origin = sheet.rows[3].clone();
    for (at, name) in sheet.header.iter().enumerate() {
        if name.starts_with("Allocated") || name == "x_Origin" {
            origin[at].clear();
        }
    }
    sheet.rows.insert(0, origin);
    assert_eq!(sheet.found(), ["origin-beside-parts ResourceId 1 1"]);
}

#[test]
fn a_pod_is_no_resource_of_a_split() {
    let pod = "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/shop/web/uid-web";
    let mut sheet = Sheet::right();
    for row in 4..=8 {
        sheet = sheet.set(row, "ResourceId", pod);
    }
    assert_eq!(sheet.found(), ["pod-as-resource ResourceId 4 5"]);
    let elsewhere = Sheet::right().set(2, "ServiceName", "Amazon Elastic Compute Cloud");
    assert_eq!(elsewhere.found(), ["pod-as-resource ResourceId 2 1"]);
}

#[test]
fn an_estimate_bills_nothing_and_says_how_sure_it_is() {
    assert_eq!(
        Sheet::right().set(1, "BilledCost", "0.01").found(),
        ["estimate-is-not-billed BilledCost 1 1"]
    );
    assert_eq!(
        Sheet::right().set(1, "InvoiceId", "7").found(),
        ["estimate-is-not-billed InvoiceId 1 1"]
    );
    assert_eq!(
        Sheet::right().set(1, "x_Coverage", "").set(1, "x_PriceAsOf", "").found(),
        ["estimate-says-how x_Coverage 1 1", "estimate-says-how x_PriceAsOf 1 1"]
    );
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let rules = [
        Rule::Column,
        Rule::ColumnOnce,
        Rule::CustomColumn,
        Rule::NotNull,
        Rule::AllowedValue,
        Rule::Number,
        Rule::Moment,
        Rule::Json,
        Rule::Currency,
        Rule::Period,
        Rule::BillingPeriod,
        Rule::Together,
        Rule::Product,
        Rule::Category,
        Rule::SumOfParts,
        Rule::Ratio,
        Rule::OriginBesideParts,
        Rule::PodAsResource,
        Rule::EstimateIsNotBilled,
        Rule::EstimateSaysHow,
    ];
    let names: std::collections::BTreeSet<&str> = rules.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), rules.len());
}

#[test]
fn a_bill_is_held_to_the_same() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, BILL).unwrap();
    assert_eq!(check(&Export::open(&path).unwrap()).unwrap().violations, []);
}
