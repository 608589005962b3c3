//! FOCUS 1.0 to 1.3 as AWS exports it.
//!
//! The columns that this needs are in all of these versions. A usage type is AWS's own column
//! `x_UsageType`, since 1.2 also `SkuMeter`; the service's code and the operation are AWS's as well.
//! `EffectiveCost` is net of discounts with commitments amortised, `ListCost` is list.

use std::path::Path;

use super::Category;
use super::class::classify;
use super::collect::{Collector, Row};
use super::columns::{Cells, Columns};
use super::decimal::Decimal;
use super::error::BillError;
use super::rows::Rows;
use crate::observed::Window;

const FORMAT: &str = "FOCUS";

const COLUMNS: &[&str] = &[
    "AvailabilityZone",
    "BillingAccountId",
    "BillingCurrency",
    "ChargeCategory",
    "ChargeClass",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "EffectiveCost",
    "InvoiceId",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ResourceId",
    "ServiceName",
    "SkuMeter",
    "SubAccountId",
    "Tags",
    "x_Operation",
    "x_ServiceCode",
    "x_UsageType",
];

const NEEDED: &[&[&str]] = &[
    &["BillingCurrency"],
    &["ChargeCategory"],
    &["ChargePeriodEnd"],
    &["ChargePeriodStart"],
    &["ConsumedQuantity", "PricingQuantity"],
    &["EffectiveCost"],
    &["ListCost"],
    &["ResourceId"],
    &["SubAccountId", "BillingAccountId"],
    &["x_ServiceCode", "ServiceName"],
    &["x_UsageType", "SkuMeter"],
];

/// Reads a file of this format.
pub(super) fn read(file: &Path, rows: Rows, collector: &mut Collector) -> Result<(), BillError> {
    let columns = Columns::find(COLUMNS, &rows.header);
    for any in NEEDED {
        columns.need(file, FORMAT, any)?;
    }
    let wanted = columns.wanted.clone();
    rows.each(&wanted, &mut |line, cells| {
        take(&Cells { file, line, columns: &columns, cells }, collector)
    })
}

fn take(cells: &Cells<'_>, collector: &mut Collector) -> Result<(), BillError> {
    let kind = cells.text("ChargeCategory");
    let is_correction = cells.text("ChargeClass") == "Correction";
    let category = match kind {
        // A correction of another month's use is money that comes back, or goes.
        "Usage" | "Purchase" if is_correction => Category::Refund,
        "Usage" => Category::Usage,
        "Purchase" => Category::CommitmentFee,
        "Tax" => Category::Tax,
        "Credit" => Category::Credit,
        "Adjustment" => Category::Refund,
        _ => return Err(cells.wrong("ChargeCategory", "is none of FOCUS's categories")),
    };
    let usage_type = cells.first(&["x_UsageType", "SkuMeter"]);
    let service = cells.first(&["x_ServiceCode", "ServiceName"]);
    let is_use = category == Category::Usage;
    let start = cells.moment("ChargePeriodStart")?;
    let end = cells.moment("ChargePeriodEnd")?;
    let period = Window::new(start, end)
        .map_err(|_| cells.wrong("ChargePeriodEnd", "is before the charge's beginning"))?;
    let effective: Option<Decimal> = cells.number("EffectiveCost")?;
    let effective =
        effective.ok_or_else(|| cells.wrong("EffectiveCost", "is empty, and must not be"))?;
    collector.take(
        cells,
        &Row {
            period,
            class: classify(service, usage_type, cells.text("x_Operation")),
            category,
            resource_id: cells.text("ResourceId"),
            usage_type,
            quantity: if is_use {
                cells.first_number(&["ConsumedQuantity", "PricingQuantity"])?
            } else {
                None
            },
            unit: cells.first(&["ConsumedUnit", "PricingUnit"]),
            list: if is_use { cells.number("ListCost")? } else { None },
            effective,
            is_estimated: cells.columns.has("InvoiceId") && cells.text("InvoiceId").is_empty(),
            is_net: false,
            is_discount: false,
            account: cells.first(&["SubAccountId", "BillingAccountId"]),
            currency: cells.text("BillingCurrency"),
            zone: cells.text("AvailabilityZone"),
            tags: cells.text("Tags"),
        },
    )
}
