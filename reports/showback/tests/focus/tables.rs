//! Charges and a showback's days as Parquet, read back by the parquet crate.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use runbook_capacity::money::Amount;
use runbook_showback::allocate::showback::{Basis, Breakdown, Group, RowKind, Showback, Weight};
use runbook_showback::observed::Window;
use runbook_showback::render::parquet as tables;
use tempfile::TempDir;

use crate::charges;
use crate::files::lines;

fn window() -> Window {
    Window {
        start: Window::day(charges::day()).start,
        end: "2026-10-03T00:00:00Z".parse().unwrap(),
    }
}

/// A file's metadata of ours, its schema, and the sum of its cost in 10⁻¹⁰ $.
fn looked_at(bytes: Vec<u8>) -> (Vec<String>, Vec<(String, DataType)>, i128) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::write(&path, bytes).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut said: Vec<String> = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap()
        .iter()
        .filter(|pair| pair.key.starts_with("runbook."))
        .map(|pair| format!("{}={}", pair.key, pair.value.as_deref().unwrap_or("")))
        .collect();
    said.sort();
    let fields = builder.schema().fields().iter();
    let schema = fields.map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let sum = builder
        .build()
        .unwrap()
        .map(|batch| {
            let batch = batch.unwrap();
            let cost = batch.column_by_name("cost").unwrap().as_primitive::<Decimal128Type>();
            cost.iter().map(Option::unwrap).sum::<i128>()
        })
        .sum();
    (said, schema, sum)
}

#[test]
fn charges_are_rows_that_add_up() {
    let (charges, mut out) = (charges::small(), Vec::new());
    let rows = tables::charges(&charges, window(), &mut out).unwrap();
    assert_eq!(rows, charges.len() as u64);
    let mut again = Vec::new();
    tables::charges(&charges, window(), &mut again).unwrap();
    assert!(out == again, "the same charges give the same bytes");
    let (said, schema, sum) = looked_at(out.clone());
    assert_eq!(
        said,
        [
            "runbook.currency=USD",
            "runbook.schema_version=1",
            "runbook.table=charges",
            "runbook.window_end=2026-10-03T00:00:00Z",
            "runbook.window_start=2026-10-01T00:00:00Z"
        ]
    );
    let kind = |name: &str| schema.iter().find(|(column, _)| column == name).unwrap().1.clone();
    assert_eq!(kind("cost"), DataType::Decimal128(38, 10));
    assert_eq!(kind("day"), DataType::Date32);
    assert_eq!(
        kind("period_start"),
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    );
    let exact: Amount = charges.iter().map(|charge| charge.amount).sum();
    assert_eq!(runbook_showback::focus::decimal::Decimal::new(sum, 10).to_string(), {
        let text = exact.dollars(10);
        text.trim_end_matches('0').to_owned()
    });
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("charges.parquet");
    std::fs::write(&path, out).unwrap();
    let (_, all) = lines(&path);
    assert_eq!(
        all[1].join("|"),
        "2026-10-01|2026-10-01T00:00:00Z|2026-10-02T00:00:00Z|EC2 compute|myeks|ap-northeast-2|\
         i-0aaa1111bbbb2222c|ip-0aaa1111bbbb2222c.ap-northeast-2.compute.internal|m7g.large|pod|shop|\
         web|uid-web|Deployment/web|checkout|memory|0.1507509"
    );
}

fn group(kind: RowKind, key: &[&str], by_day: &[i128]) -> Group {
    Group {
        kind,
        key: key.iter().map(|value| (*value).to_owned()).collect(),
        cost: Breakdown {
            cpu: by_day.iter().copied().map(Amount::from_raw).sum(),
            ..Breakdown::default()
        },
        pods: 1,
        cpu_millicore_seconds: 0,
        memory_byte_seconds: 0,
        by_day: by_day.iter().copied().map(Amount::from_raw).collect(),
        before: None,
        under_other_weight: Amount::ZERO,
    }
}

/// Two days, two teams, and idle cost; no amount is a whole number of digits.
fn showback(basis: Basis) -> Showback {
    let first = charges::day();
    Showback {
        window: window(),
        basis,
        from: "sandbox".to_owned(),
        clusters: vec![charges::cluster()],
        by: vec!["team".to_owned(), "namespace".to_owned()],
        is_estimate: false,
        is_provisional: false,
        as_of: "2026-10-05T00:00:00Z".parse().unwrap(),
        weight: Weight::Fixed(900),
        other_weight: Weight::Fixed(746),
        total: Breakdown::default(),
        classes: Vec::new(),
        days: vec![first, first.tomorrow().unwrap()],
        groups: vec![
            group(RowKind::Owned, &["checkout", "shop"], &[3_941_999, 1_314_001]),
            group(RowKind::Unowned, &["unowned", "jobs"], &[1_314_000, 1_314_000]),
            group(RowKind::Idle, &["idle", ""], &[1, 2_628_000]),
        ],
        pods: Vec::new(),
        coverage: charges::coverage(),
        prices: charges::prices(),
        change: None,
        budgets: Vec::new(),
        unpriced: Vec::new(),
        unmeasured: Vec::new(),
        rules: Vec::new(),
        findings: Vec::new(),
    }
}

#[test]
fn a_showback_is_rows_by_day_that_add_up() {
    let mut out = Vec::new();
    assert_eq!(tables::showback(&showback(Basis::Period), &mut out).unwrap(), 6);
    let (said, _, sum) = looked_at(out.clone());
    assert_eq!(said[2], "runbook.table=showback");
    // 10 512 001 of 2 628 000 each are four and a bit.
    assert_eq!(sum, 4);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("showback.parquet");
    std::fs::write(&path, out).unwrap();
    let (header, all) = lines(&path);
    assert_eq!(
        header,
        [
            "day",
            "window_start",
            "window_end",
            "basis",
            "row_kind",
            "key:team",
            "key:namespace",
            "cost"
        ]
    );
    let told: Vec<String> = all
        .iter()
        .map(|row| [&row[0], &row[4], &row[5], &row[7]].map(String::as_str).join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "2026-10-01 owned checkout 0.0000000001",
            "2026-10-02 owned checkout 0.0000000001",
            "2026-10-01 unowned unowned 0.0000000001",
            "2026-10-02 unowned unowned 0",
            "2026-10-01 idle idle 0",
            "2026-10-02 idle idle 0.0000000001",
        ]
    );
}

#[test]
fn a_rate_has_no_days() {
    let mut out = Vec::new();
    assert_eq!(tables::showback(&showback(Basis::HourlyRate), &mut out).unwrap(), 3);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rate.parquet");
    std::fs::write(&path, out).unwrap();
    let (_, all) = lines(&path);
    assert!(all.iter().all(|row| row[0].is_empty() && row[3] == "per_hour"));
}
