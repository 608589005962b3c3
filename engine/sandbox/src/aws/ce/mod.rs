//! Cost Explorer: the simulated bill by day and month, grouped and filtered, in pages.
//!
//! On AWS every page costs a cent; here it costs nothing, so nothing here may teach a caller to ask
//! twice. Tags count from their activation on, months are `Estimated` until they close, data comes as
//! late as the scenario says. Dimensions that the sandbox's bill does not have are refused by name.

mod expression;
mod period;
mod results;
mod tags;
#[cfg(test)]
mod tests;
mod values;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use runbook_capacity::money::Unpriced;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Call, Input, Operation, Refusal, read, write};
use crate::billing::{Account, Line, month_of};
use period::Period;

pub(super) const OPERATIONS: &[Operation] = &[
    read("GetCostAndUsage", "Granularity", results::cost_and_usage),
    read("GetCostAndUsageWithResources", "Granularity", results::with_resources),
    read("GetDimensionValues", "Dimension", values::dimension_values),
    read("GetTags", "TagKey", values::tags),
    read("ListCostAllocationTags", "Status", tags::list),
    write("UpdateCostAllocationTagsStatus", "", tags::update),
];

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("ValidationException", message)
}

fn unavailable() -> Refusal {
    Refusal::bad(
        "DataUnavailableException",
        "Data is not available. Please try to adjust the time period. If just enabled Cost Explorer, data might not be ingested yet",
    )
}

/// The value of an enumeration, or the words of a service for another one.
fn one_of<'a>(name: &str, value: &'a str, known: &[&str]) -> Result<&'a str, Refusal> {
    if known.contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
        known.join(", ")
    )))
}

/// The lines of a period. What has no price is no data, and the message says which.
fn bill(call: &Call<'_, '_>, period: &Period) -> Result<(Account, Vec<Line>), Refusal> {
    let account = Account::of(call.context, call.transaction, month_of(period.from));
    let unpriced = |error: Unpriced| Refusal::bad("DataUnavailableException", error.to_string());
    let lines = account.lines(period.from, period.to).map_err(unpriced)?;
    Ok((account, lines))
}

/// A billing view other than the account's own is not there.
fn check_view(call: &Call<'_, '_>) -> Result<(), Refusal> {
    let Some(arn) = call.input.text("BillingViewArn") else { return Ok(()) };
    if arn == format!("arn:aws:billing::{}:billingview/primary", call.context.account) {
        return Ok(());
    }
    Err(Refusal::bad("ResourceNotFoundException", format!("Billing view {arn} was not found")))
}

/// What pages of one question have in common.
fn question(input: &Input) -> String {
    let mut whole = input.whole().clone();
    if let Some(entries) = whole.as_object_mut() {
        for name in ["NextPageToken", "NextToken", "MaxResults"] {
            entries.remove(name);
        }
    }
    let mut digits = hex::encode(Sha256::digest(whole.to_string()));
    digits.truncate(16);
    digits
}

/// A page of rows; the token of the next one.
fn page<T>(
    input: &Input,
    token: &str,
    size: usize,
    rows: Vec<T>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let question = question(input);
    let start = match input.text(token) {
        None => 0,
        Some(text) => read_token(text, &question)?,
    };
    let size = size.min(input.page_limit.unwrap_or(size)).max(1);
    let is_last = rows.len() <= start + size;
    let next = format!("{question} {}", start + size);
    let next = (!is_last).then(|| URL_SAFE_NO_PAD.encode(next));
    Ok((rows.into_iter().skip(start).take(size).collect(), next))
}

fn read_token(text: &str, question: &str) -> Result<usize, Refusal> {
    let bad = || {
        Refusal::bad(
            "InvalidNextTokenException",
            "The pagination token is invalid. Try again without a pagination token.",
        )
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let (of, start) = text.split_once(' ').ok_or_else(bad)?;
    let start = start.parse().map_err(|_| bad())?;
    if of == question {
        return Ok(start);
    }
    Err(Refusal::bad(
        "RequestChangedException",
        "Your request parameters changed between pages. Try again with the old parameters or without a pagination token.",
    ))
}

/// A list of texts of a JSON value.
fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
