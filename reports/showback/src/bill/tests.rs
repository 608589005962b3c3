//! Bills through the public face: small files, whole results, and what is wrong with a file.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::observed::{Observed, Place};

const CUR: &str = "\
line_item_currency_code,line_item_line_item_type,line_item_product_code,line_item_resource_id,\
line_item_unblended_cost,line_item_usage_account_id,line_item_usage_amount,line_item_usage_end_date,\
line_item_usage_start_date,line_item_usage_type,line_item_operation,pricing_public_on_demand_cost,\
pricing_unit,bill_invoice_id,resource_tags,line_item_net_unblended_cost,\
savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,\
savings_plan_used_commitment,split_line_item_parent_resource_id,split_line_item_reserved_usage,\
split_line_item_actual_usage,split_line_item_split_usage_ratio,split_line_item_split_cost,\
split_line_item_unused_cost\n";

const POD: &str = "arn:aws:eks:ap-northeast-2:111122223333:pod/myeks/shop/web-0/7c1";

/// A row: kind, service, resource, cost, quantity, hour, usage type, list, tags, and the rest as it is.
struct Row<'a> {
    kind: &'a str,
    service: &'a str,
    resource: &'a str,
    cost: &'a str,
    quantity: &'a str,
    hour: u8,
    usage: &'a str,
    list: &'a str,
    tags: &'a str,
    net: &'a str,
    plan: &'a str,
    split: &'a str,
}

const USAGE: Row<'static> = Row {
    kind: "Usage",
    service: "AmazonEC2",
    resource: "i-0a",
    cost: "0.0816",
    quantity: "1",
    hour: 3,
    usage: "APN2-BoxUsage:m7g.large",
    list: "0.0816",
    tags: "",
    net: "",
    plan: ",,",
    split: ",,,,,",
};

impl Row<'_> {
    fn text(&self) -> String {
        let Self { kind, service, resource, cost, quantity, hour, usage, list, tags, .. } = self;
        let tags = tags.replace('"', "\"\"");
        format!(
            "USD,{kind},{service},{resource},{cost},111122223333,{quantity},2026-10-05T{:02}:00:00.000Z,\
             2026-10-05T{hour:02}:00:00.000Z,{usage},,{list},Hrs,INV1,\"{tags}\",{},{},{}\n",
            hour + 1,
            self.net,
            self.plan,
            self.split
        )
    }
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn wanted() -> Wanted {
    let window = Window {
        start: "2026-10-01T00:00:00Z".parse().unwrap(),
        end: "2026-11-01T00:00:00Z".parse().unwrap(),
    };
    Wanted::of(window)
}

fn cur(rows: &[Row<'_>]) -> Result<Read, BillError> {
    let text: String = rows.iter().map(Row::text).collect();
    let (_folder, path) = file("cur.csv", (CUR.to_owned() + &text).as_bytes());
    read_files(&[path], &wanted())
}

/// A line in a line: class, category, resource, usage type, quantity, list, effective.
fn shown(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            format!(
                "{:?} {:?} {} {} {} {} {}",
                line.class,
                line.category,
                line.resource_id.as_deref().unwrap_or("-"),
                line.usage_type,
                line.quantity_billionths.map_or_else(|| "-".to_owned(), |one| one.to_string()),
                line.list.map_or_else(|| "-".to_owned(), |one| one.dollars(6)),
                line.effective.dollars(6)
            )
        })
        .collect()
}

#[test]
fn rows_of_a_day_are_summed_by_resource_and_usage_type() {
    let read = cur(&[
        USAGE,
        Row { hour: 4, quantity: "0.5", cost: "0.0408", list: "0.0408", ..USAGE },
        Row { resource: "i-0b", kind: "SavingsPlanCoveredUsage", plan: "0.05,,", ..USAGE },
        Row { kind: "SavingsPlanNegation", resource: "i-0b", cost: "-0.0816", ..USAGE },
        Row {
            kind: "SavingsPlanRecurringFee",
            service: "ComputeSavingsPlans",
            plan: ",1.5,1.25",
            usage: "ComputeSP",
            ..USAGE
        },
        Row { kind: "Tax", service: "AmazonEC2", cost: "3.21", usage: "", ..USAGE },
        Row { kind: "Credit", cost: "-2", usage: "APN2-BoxUsage:m7g.large", ..USAGE },
        Row {
            service: "AmazonS3",
            resource: "bucket",
            usage: "APN2-TimedStorage-ByteHrs",
            ..USAGE
        },
    ])
    .unwrap();
    assert_eq!(
        shown(&read.bill.lines),
        [
            "Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large 1500000000 0.122400 0.122400",
            "Ec2Compute Usage i-0b APN2-BoxUsage:m7g.large 1000000000 0.081600 0.050000",
            "Ec2Compute Credit - APN2-BoxUsage:m7g.large - - -2.000000",
            "Other Usage - APN2-TimedStorage-ByteHrs 1000000000 0.081600 0.081600",
            "Other CommitmentFee - ComputeSP - - 0.250000",
            "Other Tax -  - - 3.210000",
        ]
    );
    assert_eq!(read.bill.scope, Scope::Accounts(vec!["111122223333".to_owned()]));
    assert_eq!(read.observed.findings[0].code, "tag_not_on_bill");
}

#[test]
fn a_discount_counts_once_whether_it_is_a_line_or_in_the_net_cost() {
    let discount = Row { kind: "EdpDiscount", cost: "-0.00816", quantity: "", list: "", ..USAGE };
    let as_line = cur(&[USAGE, Row { ..discount }]).unwrap();
    assert_eq!(
        shown(&as_line.bill.lines),
        [
            "Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large 1000000000 0.081600 0.081600",
            "Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large - 0.000000 -0.008160",
        ]
    );
    let in_net = cur(&[Row { net: "0.07344", ..USAGE }, discount]).unwrap();
    assert_eq!(
        shown(&in_net.bill.lines),
        ["Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large 1000000000 0.081600 0.073440"]
    );
}

#[test]
fn with_our_tag_on_it_a_bill_is_ours_and_the_pods_of_fargate() {
    let owner = r#"{"user_runbook_owner":"nodeless/myeks"}"#;
    let vcpu = Row {
        service: "AmazonEKS",
        resource: POD,
        usage: "APN2-Fargate-vCPU-Hours:perCPU",
        quantity: "0.25",
        cost: "0.01164",
        list: "0.01164",
        ..USAGE
    };
    let read =
        cur(&[Row { tags: owner, ..USAGE }, Row { resource: "i-other", ..USAGE }, vcpu]).unwrap();
    assert_eq!(read.bill.scope, Scope::Tag(OWNER_TAG.to_owned()));
    assert_eq!(
        shown(&read.bill.lines),
        [
            "Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large 1000000000 0.081600 0.081600".to_owned(),
            format!(
                "FargateVcpu Usage {POD} APN2-Fargate-vCPU-Hours:perCPU 250000000 0.011640 0.011640"
            ),
        ]
    );
    let pod = read.bill.lines[1].pod.as_ref().unwrap();
    assert_eq!((&*pod.cluster, &*pod.name), ("myeks", "web-0"));
}

fn fargate_row<'a>(hour: u8, usage: &'a str, quantity: &'a str) -> Row<'a> {
    Row { service: "AmazonEKS", resource: POD, hour, usage, quantity, ..USAGE }
}

#[test]
fn a_fargate_pod_is_observed_to_the_second() {
    let read = cur(&[
        fargate_row(3, "APN2-Fargate-vCPU-Hours:perCPU", "0.0083333333"),
        fargate_row(3, "APN2-Fargate-GB-Hours", "0.0166666667"),
        fargate_row(4, "APN2-Fargate-vCPU-Hours:perCPU", "0.25"),
        fargate_row(4, "APN2-Fargate-GB-Hours", "0.5"),
        fargate_row(5, "APN2-Fargate-vCPU-Hours:perCPU", "0.0041666667"),
        fargate_row(5, "APN2-Fargate-GB-Hours", "0.0083333333"),
    ])
    .unwrap();
    // A pod is known by its name; that its lines carry our tag is not said by that.
    assert_eq!(read.bill.scope, Scope::Accounts(vec!["111122223333".to_owned()]));
    let Observed { pods, clusters, .. } = &read.observed;
    assert_eq!(pods.len(), 1);
    assert_eq!(clusters[0].id.to_string(), "111122223333/ap-northeast-2/myeks");
    assert_eq!(pods[0].started.unwrap().to_string(), "2026-10-05T03:58:00Z");
    assert_eq!(pods[0].ended.unwrap().to_string(), "2026-10-05T05:01:00Z");
    let Place::Fargate { size: Some(size), .. } = &pods[0].place else {
        panic!("{:?}", pods[0].place)
    };
    assert_eq!(size.to_string(), "0.25vCPU 0.5GB");
    assert_eq!(pods[0].source, crate::observed::Source::FargateBill);
}

fn split_row<'a>(resource: &'a str, hour: u8, usage: &'a str, split: &'a str) -> Row<'a> {
    Row {
        service: "AmazonEKS",
        resource,
        hour,
        usage,
        split,
        cost: "0",
        quantity: "0",
        list: "",
        ..USAGE
    }
}

#[test]
fn split_rows_are_pods_on_their_instance_and_no_lines_of_the_bill() {
    let (cpu, memory) = ("APN2-EKS-EC2-vCPU-Hours", "APN2-EKS-EC2-GB-Hours");
    let read = cur(&[
        USAGE,
        Row { hour: 4, ..USAGE },
        split_row(POD, 3, cpu, "i-0a,0.5,0.2,\"0.25\",0.02,0.03"),
        split_row(POD, 3, memory, "i-0a,1,,0.125,0.001,0.002"),
        split_row(POD, 4, cpu, "i-0a,0.5,0.2,0.25,0.02,0.03"),
        split_row(POD, 4, memory, "i-0a,1,,0.125,0.001,0.002"),
    ])
    .unwrap();
    assert_eq!(
        shown(&read.bill.lines),
        ["Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large 2000000000 0.163200 0.163200"]
    );
    let pod = &read.observed.pods[0];
    assert_eq!(read.observed.pods.len(), 1);
    assert_eq!((pod.requests.cpu.unwrap().0, pod.requests.memory.unwrap().0), (500, 1 << 30));
    assert_eq!(pod.usage.unwrap().cpu.unwrap().0, 200);
    assert_eq!(pod.place, Place::Node("i-0a".to_owned()));
    assert_eq!(
        (pod.seen.seconds(), pod.source),
        (7_200, crate::observed::Source::SplitCostAllocation)
    );
    // The bill speaks of two hours, and of no more of the window.
    let covered = &read.observed.clusters[0].covered;
    assert_eq!((covered.len(), covered[0].seconds()), (1, 7_200));
    let node = &read.observed.nodes[0];
    assert_eq!(node.instance_type.as_deref(), Some("m7g.large"));
    assert_eq!(
        (node.launched.to_string(), node.capacity.cpu.unwrap().0),
        ("2026-10-05T03:00:00Z".to_owned(), 2000)
    );
}

#[test]
fn unused_cost_of_an_instance_counts_once() {
    let cpu = "APN2-EKS-EC2-vCPU-Hours";
    let pod = || split_row(POD, 3, cpu, "i-0a,0.5,,0.25,0.02,0.03");
    // Without records of their own, what nobody asked for is with the pods.
    let with_pods = cur(&[USAGE, pod()]).unwrap().split;
    assert_eq!(with_pods.total().dollars(4), "0.0500");
    // With a record of its own it is the same money a second time.
    let record = split_row("i-0a/Unused", 3, cpu, "i-0a,,,0.75,0.03,");
    let as_record = cur(&[USAGE, pod(), record]).unwrap().split;
    assert_eq!(as_record.total().dollars(4), "0.0500");
    assert_eq!(as_record.unused_records.unwrap().dollars(4), "0.0300");
}

const FOCUS: &str = "\
BillingAccountId,BillingCurrency,ChargeCategory,ChargePeriodEnd,ChargePeriodStart,ConsumedQuantity,\
ConsumedUnit,EffectiveCost,ListCost,ResourceId,ServiceName,Tags,x_ServiceCode,x_UsageType,InvoiceId\n\
1,USD,Usage,2026-10-05T04:00:00Z,2026-10-05T03:00:00Z,1,Hours,0.07344,0.0816,i-0a,\
Amazon Elastic Compute Cloud,\"{\"\"runbook/owner\"\":\"\"nodeless/myeks\"\"}\",AmazonEC2,\
APN2-BoxUsage:m7g.large,\n\
1,USD,Tax,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,,,1.5,1.5,,,,,,INV\n";

const FOCUS_LINES: [&str; 2] = [
    "Other Tax -  - - 1.500000",
    "Ec2Compute Usage i-0a APN2-BoxUsage:m7g.large 1000000000 0.081600 0.073440",
];

#[test]
fn focus_is_read_plain_and_compressed() {
    let (_folder, plain) = file("focus.csv", FOCUS.as_bytes());
    let read = read_files(&[plain], &wanted()).unwrap();
    assert_eq!(shown(&read.bill.lines), FOCUS_LINES);
    assert!(read.bill.lines[1].is_estimated && !read.bill.lines[0].is_estimated);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(FOCUS.as_bytes()).unwrap();
    // The name says nothing; the first bytes do.
    let (_folder, compressed) = file("export", &encoder.finish().unwrap());
    assert_eq!(shown(&read_files(&[compressed], &wanted()).unwrap().bill.lines), FOCUS_LINES);
}

/// The same charge as a Parquet file with doubles, times and a map.
fn parquet() -> Vec<u8> {
    let text = |one: &str| Arc::new(StringArray::from(vec![one])) as ArrayRef;
    let number = |one: f64| Arc::new(Float64Array::from(vec![one])) as ArrayRef;
    let time = |one: i64| {
        Arc::new(TimestampMillisecondArray::from(vec![one]).with_timezone("UTC")) as ArrayRef
    };
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    tags.keys().append_value("user_runbook_owner");
    tags.values().append_value("nodeless/myeks");
    tags.append(true).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("resource_tags", Arc::new(tags.finish()) as ArrayRef),
        ("line_item_currency_code", text("USD")),
        ("line_item_line_item_type", text("Usage")),
        ("line_item_product_code", text("AmazonEC2")),
        ("line_item_resource_id", text("i-0a")),
        ("line_item_unblended_cost", number(0.1 + 0.2)),
        ("line_item_usage_account_id", text("1")),
        ("line_item_usage_amount", number(1.0)),
        ("line_item_usage_end_date", time(1_791_172_800_000)),
        ("line_item_usage_start_date", time(1_791_169_200_000)),
        ("line_item_usage_type", text("APN2-BoxUsage:m7g.large")),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn parquet_doubles_are_their_shortest_decimals() {
    let (_folder, path) = file("cur.parquet", &parquet());
    let read = read_files(&[path], &wanted()).unwrap();
    let line = &read.bill.lines[0];
    assert_eq!(line.effective, decimal::Decimal::parse("0.30000000000000004").unwrap().dollars());
    assert_eq!(line.period.to_string(), "2026-10-05");
    assert_eq!(read.bill.scope, Scope::Tag(OWNER_TAG.to_owned()));
}

/// What is said of a file; its folder is not.
fn refusal(name: &str, bytes: &[u8]) -> String {
    let (folder, path) = file(name, bytes);
    let error = read_files(&[path], &wanted()).unwrap_err();
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_bill_that_is_none_or_not_whole_is_refused_by_name_and_line() {
    let row = USAGE.text();
    let cut = format!("{CUR}{row}{}", &row[..60]);
    assert_eq!(
        refusal("cur.csv", cut.as_bytes()),
        "`cur.csv` is cut off at line 3: it has 8 fields, and the header has 25; nothing was used of it: \
         download it again"
    );
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all((CUR.to_owned() + &row.repeat(50)).as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    assert!(refusal("cur.csv.gz", &whole[..whole.len() - 12]).contains("is cut off at line"));
    let whole = parquet();
    assert!(
        refusal("cur.parquet", &whole[..whole.len() - 9])
            .contains("it has no end that a Parquet file must have")
    );
    assert_eq!(
        refusal("notes.csv", b"a,b\n1,2\n"),
        "`notes.csv` is no bill: its columns are neither those of CUR 2.0 (`line_item_usage_type` …) nor of \
         FOCUS (`ChargePeriodStart` …)"
    );
    assert!(
        refusal("old.csv", b"identity/LineItemId,lineItem/UsageType\n")
            .contains("legacy Cost and Usage Report")
    );
    assert_eq!(refusal("empty.csv", b""), "`empty.csv` is no bill: it is empty");
    assert_eq!(
        refusal("cur.csv", CUR.replace("line_item_usage_amount", "other").as_bytes()),
        "`cur.csv` has no column `line_item_usage_amount`, which a CUR 2.0 export must have; choose it in \
         the export's settings, and export again"
    );
    let second = row.replacen("USD", "EUR", 1);
    assert_eq!(
        refusal("cur.csv", format!("{CUR}{row}{second}").as_bytes()),
        "`cur.csv`, line 3: the amount is in `EUR`, and prices are in `USD`; amounts are never converted: \
         give a bill in one currency"
    );
    assert_eq!(
        refusal(
            "cur.csv",
            format!("{CUR}{}", Row { cost: "12,5", ..USAGE }.text().replace("12,5", "1O"))
                .as_bytes()
        ),
        "`cur.csv`, line 2: line_item_unblended_cost `1O` is no number"
    );
    let month = row.replacen("2026-10-05T04", "2026-10-07T04", 1);
    assert!(
        refusal("cur.csv", format!("{CUR}{month}").as_bytes())
            .contains("is longer than its UTC day")
    );
}

#[test]
fn one_file_given_twice_would_count_twice() {
    let (folder, path) = file("cur.csv", CUR.as_bytes());
    let again = folder.path().join(".").join("cur.csv");
    assert!(matches!(read_files(&[path, again], &wanted()), Err(BillError::Twice { .. })));
    let missing = folder.path().join("none.csv");
    assert!(matches!(read_files(&[missing], &wanted()), Err(BillError::Io { .. })));
}
