//! The bill as FOCUS 1.2: one row for each line but the discounts, which are in the rates here. Service,
//! usage type and operation have AWS's own columns, as in its exports.

use serde_json::json;

use super::cur::description;
use super::document::moment;
use super::lines::{Account, Line, Record};
use super::{decimal, month_after, month_of};

const COLUMNS: [&str; 45] = [
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_Operation",
    "x_ServiceCode",
    "x_UsageType",
];

/// Writes the heading and all rows.
pub(super) fn write(
    account: &Account,
    lines: &[Line],
    out: &mut csv::Writer<Vec<u8>>,
) -> Result<(), csv::Error> {
    out.write_record(COLUMNS)?;
    for line in lines.iter().filter(|line| line.record != Record::Discount) {
        out.write_record(row(account, line))?;
    }
    Ok(())
}

fn row(account: &Account, line: &Line) -> Vec<String> {
    COLUMNS.iter().map(|column| value(account, line, column)).collect()
}

fn value(account: &Account, line: &Line, column: &str) -> String {
    let (item, place) = (&line.item, line.item.place);
    let is_usage = line.record == Record::Usage;
    let usage = |text: String| if is_usage { text } else { String::new() };
    let rate = |value: i64| usage(decimal(i128::from(value)));
    match column {
        "AvailabilityZone" => item.zone.clone().unwrap_or_default(),
        "BilledCost" | "EffectiveCost" => decimal(line.net),
        "ContractedCost" => decimal(if line.record == Record::Credit { 0 } else { line.net }),
        "ListCost" => decimal(match line.record {
            Record::Usage => line.list,
            Record::Credit => 0,
            Record::Discount | Record::Tax => line.net,
        }),
        "BillingAccountId" | "SubAccountId" => account.number.clone(),
        "BillingAccountName" | "SubAccountName" => "sandbox".to_owned(),
        "BillingAccountType" | "SubAccountType" => "Account".to_owned(),
        "BillingCurrency" => "USD".to_owned(),
        "BillingPeriodStart" => moment(month_of(line.start)),
        "BillingPeriodEnd" => moment(month_after(line.start)),
        "ChargeCategory" => match line.record {
            Record::Credit => "Credit".to_owned(),
            Record::Tax => "Tax".to_owned(),
            Record::Usage | Record::Discount => "Usage".to_owned(),
        },
        "ChargeDescription" => description(line),
        "ChargeFrequency" => if is_usage { "Usage-Based" } else { "One-Time" }.to_owned(),
        "ChargePeriodStart" => moment(line.start),
        "ChargePeriodEnd" => moment(line.end),
        "ConsumedQuantity" | "PricingQuantity" => usage(decimal(line.quantity)),
        "ConsumedUnit" | "PricingUnit" => usage(unit(place.unit).to_owned()),
        "ContractedUnitPrice" => rate(item.rate.net),
        "ListUnitPrice" => rate(item.rate.list),
        "InvoiceId" if !account.is_estimated(line.start) => {
            account.id("inv", &month_of(line.start).to_string()).to_uppercase()
        }
        "InvoiceIssuerName" | "PublisherName" => "Amazon Web Services, Inc.".to_owned(),
        "ProviderName" => "AWS".to_owned(),
        "PricingCategory" => {
            usage(if place.usage == "SpotUsage" { "Dynamic" } else { "Standard" }.to_owned())
        }
        "RegionId" | "RegionName" => usage(account.region.clone()),
        "ResourceId" => item.resource.clone(),
        "ResourceName" => item.pod.as_ref().map(|pod| pod.name.clone()).unwrap_or_default(),
        "ResourceType" => usage(place.family.to_owned()),
        "ServiceCategory" => place.category.to_owned(),
        "ServiceName" => place.product.to_owned(),
        "ServiceSubcategory" => subcategory(place.category, place.code).to_owned(),
        "SkuId" => usage(account.id("sku", &item.usage_type).to_uppercase()),
        "SkuPriceId" => usage(account.id("rate", &item.usage_type).to_uppercase()),
        "Tags" => json!(account.tags(line)).to_string(),
        "x_Operation" => place.operation.to_owned(),
        "x_ServiceCode" => place.code.to_owned(),
        "x_UsageType" => item.usage_type.clone(),
        _ => String::new(),
    }
}

fn unit(aws: &str) -> &str {
    match aws {
        "GB-Mo" => "GB-Months",
        _ => "Hours",
    }
}

fn subcategory(category: &str, code: &str) -> &'static str {
    match (category, code) {
        ("Compute", "AmazonEKS") => "Containers",
        ("Compute", _) => "Virtual Machines",
        ("Storage", _) => "Block Storage",
        ("Networking", _) => "Network Infrastructure",
        _ => "Other (Other)",
    }
}
