//! CUR 2.0: the columns of the table `COST_AND_USAGE_REPORT`, and what a row of each kind is.
//!
//! What is to be paid for a use stands in another column for each kind of line: a Savings Plan's and a
//! reservation's effective cost, else the unblended cost; the net column of each where the account has
//! one. Without net costs, discounts are lines of their own and belong to the use they are for; with
//! them, they are in the net amounts already and would count twice, so they are left out. Of a commitment's fees only what was
//! not used is a line, for the used part is in the effective costs.

use std::path::Path;

use super::Category;
use super::class::{classify, is_split};
use super::collect::{Collector, Row, SplitRow};
use super::columns::{Cells, Columns};
use super::decimal::Decimal;
use super::error::BillError;
use super::rows::Rows;
use crate::observed::Window;

const FORMAT: &str = "CUR 2.0";

const COLUMNS: &[&str] = &[
    "bill_invoice_id",
    "line_item_availability_zone",
    "line_item_currency_code",
    "line_item_line_item_type",
    "line_item_net_unblended_cost",
    "line_item_operation",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_unblended_cost",
    "line_item_usage_account_id",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "line_item_usage_type",
    "pricing_public_on_demand_cost",
    "pricing_unit",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "resource_tags",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "split_line_item_actual_usage",
    "split_line_item_parent_resource_id",
    "split_line_item_reserved_usage",
    "split_line_item_split_cost",
    "split_line_item_split_usage_ratio",
    "split_line_item_unused_cost",
];

const NEEDED: &[&str] = &[
    "line_item_currency_code",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_unblended_cost",
    "line_item_usage_account_id",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "line_item_usage_type",
];

/// Reads a file of this format.
pub(super) fn read(file: &Path, rows: Rows, collector: &mut Collector) -> Result<(), BillError> {
    let columns = Columns::find(COLUMNS, &rows.header);
    for name in NEEDED {
        columns.need(file, FORMAT, &[name])?;
    }
    let wanted = columns.wanted.clone();
    rows.each(&wanted, &mut |line, cells| {
        take(&Cells { file, line, columns: &columns, cells }, collector)
    })
}

fn take(cells: &Cells<'_>, collector: &mut Collector) -> Result<(), BillError> {
    let kind = cells.text("line_item_line_item_type");
    let usage_type = cells.text("line_item_usage_type");
    let is_of_pod = !cells.text("split_line_item_parent_resource_id").is_empty();
    if is_split(usage_type) || is_of_pod {
        return collector.take_split(cells, &split(cells, usage_type)?);
    }
    let Some((category, effective)) = effective(cells, kind)? else { return Ok(()) };
    let operation = cells.text("line_item_operation");
    let service = cells.text("line_item_product_code");
    let is_use = matches!(kind, "DiscountedUsage" | "SavingsPlanCoveredUsage" | "Usage");
    let list = match category {
        Category::Usage if is_use => cells.number("pricing_public_on_demand_cost")?,
        Category::Usage => {
            cells.columns.has("pricing_public_on_demand_cost").then_some(Decimal::ZERO)
        }
        _ => None,
    };
    collector.take(
        cells,
        &Row {
            period: period(cells)?,
            class: classify(service, usage_type, operation),
            category,
            resource_id: cells.text("line_item_resource_id"),
            usage_type,
            quantity: if is_use { cells.number("line_item_usage_amount")? } else { None },
            unit: cells.text("pricing_unit"),
            list,
            effective,
            is_estimated: cells.columns.has("bill_invoice_id")
                && cells.text("bill_invoice_id").is_empty(),
            is_net: is_use
                && ["line_item_net_unblended_cost", "reservation_net_effective_cost"]
                    .iter()
                    .any(|name| !cells.text(name).is_empty()),
            is_discount: kind.ends_with("Discount"),
            account: cells.text("line_item_usage_account_id"),
            currency: cells.text("line_item_currency_code"),
            zone: cells.text("line_item_availability_zone"),
            tags: cells.text("resource_tags"),
        },
    )
}

/// What a line is and what it costs; none for a line that only balances others.
fn effective(cells: &Cells<'_>, kind: &str) -> Result<Option<(Category, Decimal)>, BillError> {
    let unblended = &["line_item_net_unblended_cost", "line_item_unblended_cost"];
    let of = |names: &[&'static str]| -> Result<Decimal, BillError> {
        Ok(cells.first_number(names)?.unwrap_or_default())
    };
    let reserved = ["reservation_net_effective_cost", "reservation_effective_cost"];
    let planned = [
        "savings_plan_net_savings_plan_effective_cost",
        "savings_plan_savings_plan_effective_cost",
    ];
    Ok(match kind {
        "Usage" => Some((Category::Usage, of(unblended)?)),
        "DiscountedUsage" => Some((Category::Usage, covered(cells, &reserved)?)),
        "SavingsPlanCoveredUsage" => Some((Category::Usage, covered(cells, &planned)?)),
        "SavingsPlanNegation" | "SavingsPlanUpfrontFee" => None,
        "SavingsPlanRecurringFee" => Some((Category::CommitmentFee, unused_plan(cells)?)),
        "RIFee" => Some((
            Category::CommitmentFee,
            sum(
                cells,
                of(&["reservation_unused_amortized_upfront_fee_for_billing_period"])?,
                of(&["reservation_unused_recurring_fee"])?,
            )?,
        )),
        "Fee" => Some((Category::CommitmentFee, of(unblended)?)),
        "Credit" => Some((Category::Credit, of(unblended)?)),
        "Refund" => Some((Category::Refund, of(unblended)?)),
        "Tax" => Some((Category::Tax, of(unblended)?)),
        // Left out at the end where net costs have it in them.
        _ if kind.ends_with("Discount") => {
            Some((Category::Usage, of(&["line_item_unblended_cost"])?))
        }
        _ => {
            return Err(cells.wrong("line_item_line_item_type", "is no kind of line that is known"));
        }
    })
}

/// What a commitment made of a use; a use that it covers has no other price.
fn covered(cells: &Cells<'_>, names: &[&'static str; 2]) -> Result<Decimal, BillError> {
    if let Some(cost) = cells.first_number(names)? {
        return Ok(cost);
    }
    let column = names.join("` or `");
    Err(BillError::MissingColumn { file: cells.file.to_owned(), column, format: FORMAT })
}

fn unused_plan(cells: &Cells<'_>) -> Result<Decimal, BillError> {
    let total = cells.number("savings_plan_total_commitment_to_date")?.unwrap_or_default();
    let used = cells.number("savings_plan_used_commitment")?.unwrap_or_default();
    total
        .less(used)
        .ok_or_else(|| cells.wrong("savings_plan_total_commitment_to_date", "is too large"))
}

fn sum(cells: &Cells<'_>, one: Decimal, other: Decimal) -> Result<Decimal, BillError> {
    one.plus(other).ok_or_else(|| cells.wrong("reservation_unused_recurring_fee", "is too large"))
}

fn period(cells: &Cells<'_>) -> Result<Window, BillError> {
    let start = cells.moment("line_item_usage_start_date")?;
    let end = cells.moment("line_item_usage_end_date")?;
    Window::new(start, end)
        .map_err(|_| cells.wrong("line_item_usage_end_date", "is before the line's beginning"))
}

fn split<'a>(cells: &Cells<'a>, usage_type: &'a str) -> Result<SplitRow<'a>, BillError> {
    // It is a double by the documentation and text in tables that were seen; either way a number.
    cells.number("split_line_item_split_usage_ratio")?;
    Ok(SplitRow {
        period: period(cells)?,
        is_memory: usage_type.ends_with("GB-Hours"),
        is_cpu: usage_type.ends_with("vCPU-Hours"),
        resource_id: cells.text("line_item_resource_id"),
        parent: cells.text("split_line_item_parent_resource_id"),
        reserved: cells.number("split_line_item_reserved_usage")?,
        used: cells.number("split_line_item_actual_usage")?,
        split_cost: cells.number("split_line_item_split_cost")?.unwrap_or_default(),
        unused_cost: cells.number("split_line_item_unused_cost")?.unwrap_or_default(),
    })
}
