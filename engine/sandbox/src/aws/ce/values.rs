//! Values of a dimension, keys and values of tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expression::{Expression, Key};
use super::period::Period;
use super::{bill, check_view, invalid, one_of, page};
use crate::aws::{Answer, Call, Input, Refusal};
use crate::billing::{Account, Line};

/// Values of a page.
const PAGE: usize = 1000;

pub(super) fn dimension_values(call: &mut Call<'_, '_>) -> Answer {
    check_view(call)?;
    let name = call.input.required("Dimension")?;
    let key = Key::dimension("dimension", name, false)?;
    let context = call.input.text("Context").unwrap_or("COST_AND_USAGE");
    if one_of("context", context, &["COST_AND_USAGE", "RESERVATIONS", "SAVINGS_PLANS"])?
        != "COST_AND_USAGE"
    {
        return Err(Refusal::not_simulated(&format!("context {context} of ce")));
    }
    let (account, lines) = lines(call)?;
    let mut found: BTreeMap<String, i128> = BTreeMap::new();
    for line in &lines {
        *found.entry(key.value(&account, line)).or_default() += line.unblended;
    }
    let found = sorted(call.input, found)?;
    let total = found.len();
    let (found, next) = page(call.input, "NextPageToken", size(call.input)?, found)?;
    let attributes =
        if name == "LINKED_ACCOUNT" { json!({"description": "sandbox"}) } else { json!({}) };
    let values: Vec<Value> =
        found.iter().map(|value| json!({"Value": value, "Attributes": attributes})).collect();
    Ok(json!({
        "DimensionValues": values, "ReturnSize": values.len(), "TotalSize": total,
        "NextPageToken": next,
    }))
}

pub(super) fn tags(call: &mut Call<'_, '_>) -> Answer {
    check_view(call)?;
    let (account, lines) = lines(call)?;
    let mut found: BTreeMap<String, i128> = BTreeMap::new();
    match call.input.text("TagKey").filter(|key| !key.is_empty()) {
        Some(key) => {
            let key = Key::Tag(key.to_owned());
            for line in &lines {
                *found.entry(key.value(&account, line)).or_default() += line.unblended;
            }
        }
        None => {
            for line in &lines {
                for key in account.tags(line).into_keys() {
                    *found.entry(key).or_default() += line.unblended;
                }
            }
        }
    }
    let found = sorted(call.input, found)?;
    let total = found.len();
    let (found, next) = page(call.input, "NextPageToken", size(call.input)?, found)?;
    Ok(json!({
        "Tags": found, "ReturnSize": found.len(), "TotalSize": total, "NextPageToken": next,
    }))
}

/// The lines of the period that the filter takes.
fn lines(call: &Call<'_, '_>) -> Result<(Account, Vec<Line>), Refusal> {
    let filter = call.input.value("Filter");
    let filter = (!filter.is_null()).then(|| Expression::of(filter, false)).transpose()?;
    let (account, mut lines) = bill(call, &Period::of(call)?)?;
    lines.retain(|line| filter.as_ref().is_none_or(|filter| filter.takes(&account, line)));
    Ok((account, lines))
}

fn size(input: &Input) -> Result<usize, Refusal> {
    match input.count("MaxResults")? {
        Some(0) => Err(invalid(
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
        )),
        asked => Ok(asked.unwrap_or(PAGE).min(PAGE)),
    }
}

/// Values that contain what is searched, by name, or by the cost that is asked for.
fn sorted(input: &Input, found: BTreeMap<String, i128>) -> Result<Vec<String>, Refusal> {
    let search = input.text("SearchString").unwrap_or_default().to_lowercase();
    let mut found: Vec<(String, i128)> =
        found.into_iter().filter(|(value, _)| value.to_lowercase().contains(&search)).collect();
    let by = input.list("SortBy");
    if by.len() > 1 {
        return Err(invalid("SortBy can have at most 1 sort definition"));
    }
    if let Some(by) = by.first() {
        let key = by["Key"].as_str().unwrap_or_default();
        one_of("sortBy.key", key, &["AmortizedCost", "BlendedCost", "UnblendedCost"])?;
        let order = by["SortOrder"].as_str().unwrap_or("ASCENDING");
        let order = one_of("sortBy.sortOrder", order, &["ASCENDING", "DESCENDING"])?;
        found.sort_by_key(|(_, cost)| *cost);
        if order == "DESCENDING" {
            found.reverse();
        }
    }
    Ok(found.into_iter().map(|(value, _)| value).collect())
}
