//! `report focus-check` as people meet it: what it says, and how it ends.

use crate::support::Folder;

/// A bill of one charge, with the mandatory columns.
const BILL: &str = "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,ServiceCategory,ServiceName
0.1,999988887777,payer,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,a bucket,2026-10-02T00:00:00Z,2026-10-01T00:00:00Z,0.1,0.1,AWS,0.1,1,GB,AWS,AWS,Storage,Amazon S3
";

#[test]
fn a_right_file_is_said_to_be_right() {
    let folder = Folder::new().file("bill.csv", BILL);
    let said = folder.well(&["report", "focus-check", "bill.csv"]);
    assert_eq!(said.out, "✓ bill.csv: FOCUS 1.2, 1 row, nothing is wrong with it\n");
    let said = folder.well(&["report", "focus-check", "bill.csv", "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({"v": 1, "focus_version": "1.2", "rows": 1, "violations": []})
    );
}

#[test]
fn mistakes_are_named_with_their_row_and_it_exits_with_1() {
    let wrong = BILL.replace("0.1,999988887777", "0.1 USD,999988887777").replace("Usage", "Use");
    let folder = Folder::new().file("bill.csv", wrong);
    let said = folder.run(&["report", "focus-check", "bill.csv", "-o", "csv"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert_eq!(
        said.out,
        "RULE,COLUMN,FIRST ROW,ROWS,WHAT\n\
         allowed-value,ChargeCategory,1,1,ChargeCategory is `Use`: that is none of the allowed values\n\
         number,BilledCost,1,1,\"BilledCost is `0.1 USD`: a number has digits, a point and a minus at most\"\n"
    );
    let said = folder.run(&["report", "focus-check", "bill.csv"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert_eq!(said.last(), "✗ bill.csv: FOCUS 1.2, 1 row, 2 mistakes");
}

#[test]
fn what_cannot_be_read_exits_with_64() {
    let folder = Folder::new().file("empty.csv", "").file("cut.parquet", "PAR1 and no more");
    for (file, why) in [
        ("nowhere.csv", "failed to open"),
        ("empty.csv", "is empty: a FOCUS file has a header at least"),
        ("cut.parquet", "as Parquet"),
    ] {
        let said = folder.run(&["report", "focus-check", file]);
        assert_eq!(said.code, 64, "{said:#?}");
        assert!(said.err.contains(why) && said.err.contains(file), "{}", said.err);
        assert_eq!(said.out, "");
    }
}
