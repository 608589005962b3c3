//! The bill as a cost and usage report: CUR 2.0, hourly, with resource ids and split cost allocation.
//!
//! Columns have the names of the real export. Of the many that only other services fill, those are here
//! that a reader asks for (reservations, Savings Plans), empty. A pod on an instance is two rows, vCPU and
//! memory, whose `split_line_item_*` are parts of their parent's cost and whose own cost is empty; they
//! are not to be added to it.

use serde_json::json;

use super::document::moment;
use super::lines::{Account, Line, Record};
use super::split::{self, Part, Resource};
use super::{decimal, month_after, month_of};

const COLUMNS: [&str; 71] = [
    "bill_bill_type",
    "bill_billing_entity",
    "bill_billing_period_end_date",
    "bill_billing_period_start_date",
    "bill_invoice_id",
    "bill_invoicing_entity",
    "bill_payer_account_id",
    "bill_payer_account_name",
    "discount",
    "discount_total_discount",
    "identity_line_item_id",
    "identity_time_interval",
    "line_item_availability_zone",
    "line_item_blended_cost",
    "line_item_blended_rate",
    "line_item_currency_code",
    "line_item_legal_entity",
    "line_item_line_item_description",
    "line_item_line_item_type",
    "line_item_net_unblended_cost",
    "line_item_net_unblended_rate",
    "line_item_normalization_factor",
    "line_item_normalized_usage_amount",
    "line_item_operation",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_tax_type",
    "line_item_unblended_cost",
    "line_item_unblended_rate",
    "line_item_usage_account_id",
    "line_item_usage_account_name",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "line_item_usage_type",
    "pricing_currency",
    "pricing_public_on_demand_cost",
    "pricing_public_on_demand_rate",
    "pricing_purchase_option",
    "pricing_rate_code",
    "pricing_rate_id",
    "pricing_term",
    "pricing_unit",
    "product",
    "product_instance_family",
    "product_instance_type",
    "product_location",
    "product_location_type",
    "product_operation",
    "product_product_family",
    "product_region_code",
    "product_servicecode",
    "product_sku",
    "product_usagetype",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_reservation_a_r_n",
    "resource_tags",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_savings_plan_a_r_n",
    "savings_plan_savings_plan_effective_cost",
    "split_line_item_actual_usage",
    "split_line_item_net_split_cost",
    "split_line_item_net_unused_cost",
    "split_line_item_parent_resource_id",
    "split_line_item_public_on_demand_split_cost",
    "split_line_item_public_on_demand_unused_cost",
    "split_line_item_reserved_usage",
    "split_line_item_split_cost",
    "split_line_item_split_usage",
    "split_line_item_split_usage_ratio",
];
/// After the split columns, as they are sorted.
const UNUSED: &str = "split_line_item_unused_cost";

impl Record {
    /// Its line item type.
    pub(super) fn cur(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Discount => "EdpDiscount",
            Self::Credit => "Credit",
            Self::Tax => "Tax",
        }
    }
}

type Out = csv::Writer<Vec<u8>>;

/// A row: what is not put stays empty.
struct Row(Vec<(&'static str, String)>);

impl Row {
    fn put(&mut self, column: &'static str, value: impl Into<String>) {
        self.0.push((column, value.into()));
    }

    fn write(self, out: &mut Out) -> Result<(), csv::Error> {
        let of = |column: &str| {
            self.0.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value.as_str())
        };
        out.write_record(COLUMNS.iter().chain([&UNUSED]).map(|column| of(column)))
    }
}

/// Writes the heading and all rows.
pub(super) fn write(account: &Account, lines: &[Line], out: &mut Out) -> Result<(), csv::Error> {
    out.write_record(COLUMNS.iter().chain([&UNUSED]))?;
    let pods = split::by_instance(account);
    for line in lines {
        row(account, line).write(out)?;
        let running = pods.get(line.item.resource.as_str()).map_or(&[][..], Vec::as_slice);
        for part in split::parts(account, line, running) {
            split_row(account, line, &part).write(out)?;
        }
    }
    Ok(())
}

fn date(second: i64) -> String {
    moment(second).replace('Z', ".000Z")
}

/// What rows of both kinds have.
fn bare(account: &Account, line: &Line, id: &str) -> Row {
    let mut row = Row(Vec::with_capacity(48));
    let is_open = account.is_estimated(line.start);
    row.put("bill_bill_type", "Anniversary");
    row.put("bill_billing_entity", "AWS");
    row.put("bill_billing_period_start_date", date(month_of(line.start)));
    row.put("bill_billing_period_end_date", date(month_after(line.start)));
    let invoice = || account.id("inv", &month_of(line.start).to_string()).to_uppercase();
    row.put("bill_invoice_id", if is_open { String::new() } else { invoice() });
    row.put("bill_invoicing_entity", "Amazon Web Services, Inc.");
    row.put("bill_payer_account_id", &account.number);
    row.put("bill_payer_account_name", "sandbox");
    row.put("identity_line_item_id", account.id("line", &format!("{id}/{}", line.start)));
    row.put("identity_time_interval", format!("{}/{}", moment(line.start), moment(line.end)));
    row.put("line_item_currency_code", "USD");
    row.put("line_item_legal_entity", "Amazon Web Services, Inc.");
    row.put("line_item_usage_account_id", &account.number);
    row.put("line_item_usage_account_name", "sandbox");
    row.put("line_item_usage_start_date", date(line.start));
    row.put("line_item_usage_end_date", date(line.end));
    row.put("product_location", &account.region);
    row.put("product_location_type", "AWS Region");
    row.put("product_region_code", &account.region);
    row
}

fn row(account: &Account, line: &Line) -> Row {
    let (item, place) = (&line.item, line.item.place);
    let id = format!("{:?}/{}/{}", line.record, item.usage_type, item.resource);
    let mut row = bare(account, line, &id);
    row.put("line_item_line_item_type", line.record.cur());
    row.put("line_item_product_code", place.code);
    row.put("line_item_usage_type", &item.usage_type);
    row.put("line_item_operation", place.operation);
    row.put("line_item_resource_id", &item.resource);
    row.put("line_item_availability_zone", item.zone.clone().unwrap_or_default());
    row.put("line_item_unblended_cost", decimal(line.unblended));
    row.put("line_item_blended_cost", decimal(line.unblended));
    row.put("line_item_line_item_description", description(line));
    if line.record == Record::Tax {
        row.put("line_item_tax_type", "VAT");
    }
    if account.settings.net_amortized {
        row.put("line_item_net_unblended_cost", decimal(line.net));
        row.put("line_item_net_unblended_rate", decimal(i128::from(item.rate.net)));
        let discount = if line.record == Record::Usage { line.net - line.unblended } else { 0 };
        row.put("discount_total_discount", decimal(discount));
    }
    row.put("product", json!({"product_name": place.product}).to_string());
    row.put("product_servicecode", place.code);
    row.put("product_product_family", place.family);
    row.put("product_operation", place.operation);
    row.put("product_usagetype", &item.usage_type);
    row.put("product_sku", account.id("sku", &item.usage_type).to_uppercase());
    row.put("product_instance_type", item.instance_type.clone().unwrap_or_default());
    let tags = account.tags(line);
    let tags: serde_json::Map<String, serde_json::Value> =
        tags.into_iter().map(|(key, value)| (tag_column(&key), json!(value))).collect();
    row.put("resource_tags", serde_json::Value::Object(tags).to_string());
    if line.record == Record::Usage {
        let rate = |value: i64| decimal(i128::from(value));
        row.put("line_item_usage_amount", decimal(line.quantity));
        row.put("line_item_unblended_rate", rate(item.rate.unblended));
        row.put("line_item_blended_rate", rate(item.rate.unblended));
        row.put("pricing_public_on_demand_cost", decimal(line.list));
        row.put("pricing_public_on_demand_rate", rate(item.rate.list));
        row.put("pricing_term", if place.usage == "SpotUsage" { "Spot" } else { "OnDemand" });
        row.put("pricing_unit", place.unit);
        row.put("pricing_currency", "USD");
    }
    row
}

/// `runbook/owner` as the map of tags has it.
fn tag_column(key: &str) -> String {
    let plain: String = key
        .chars()
        .map(
            |letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' },
        )
        .collect();
    format!("user_{plain}")
}

pub(super) fn description(line: &Line) -> String {
    let (item, place) = (&line.item, line.item.place);
    match line.record {
        Record::Usage => {
            let rate = decimal(i128::from(item.rate.unblended));
            format!("${} per {} of {}", rate.trim_end_matches('0'), place.unit, item.usage_type)
        }
        Record::Discount => format!("Enterprise Discount Program discount on {}", item.usage_type),
        Record::Credit => "AWS credit".to_owned(),
        Record::Tax => "Tax of the month".to_owned(),
    }
}

fn split_row(account: &Account, line: &Line, part: &Part<'_>) -> Row {
    let (usage, unit) = match part.resource {
        Resource::Vcpu => ("EKS-EC2-vCPU-Hours", "vCPU-Hours"),
        Resource::Memory => ("EKS-EC2-GB-Hours", "GB-Hours"),
    };
    let arn = account.pod_arn(part.pod);
    let mut row = bare(account, line, &format!("split/{usage}/{arn}"));
    row.put("line_item_line_item_type", "Usage");
    row.put("line_item_product_code", "AmazonEKS");
    row.put("line_item_usage_type", format!("{}{usage}", account.prefix("AmazonEKS")));
    row.put("line_item_operation", "EKSPod-EC2");
    row.put("line_item_resource_id", arn);
    row.put("line_item_usage_amount", decimal(0));
    row.put("line_item_unblended_cost", decimal(0));
    row.put("line_item_blended_cost", decimal(0));
    if account.settings.net_amortized {
        row.put("line_item_net_unblended_cost", decimal(0));
        row.put("split_line_item_net_split_cost", decimal(part.cost.net));
        row.put("split_line_item_net_unused_cost", decimal(part.unused.net));
    }
    row.put("pricing_unit", unit);
    let (kind, name) = part.owner;
    let tags = json!({
        "aws_eks_cluster_name": part.pod.cluster, "aws_eks_namespace": part.pod.namespace,
        "aws_eks_node": line.item.resource, "aws_eks_workload_type": kind, "aws_eks_workload_name": name,
    });
    row.put("resource_tags", tags.to_string());
    row.put("split_line_item_parent_resource_id", &line.item.resource);
    row.put("split_line_item_reserved_usage", decimal(part.reserved));
    row.put("split_line_item_split_usage", decimal(part.reserved));
    row.put("split_line_item_split_usage_ratio", decimal(part.ratio));
    row.put("split_line_item_split_cost", decimal(part.cost.unblended));
    row.put("split_line_item_unused_cost", decimal(part.unused.unblended));
    row.put("split_line_item_public_on_demand_split_cost", decimal(part.cost.list));
    row.put("split_line_item_public_on_demand_unused_cost", decimal(part.unused.list));
    row
}
