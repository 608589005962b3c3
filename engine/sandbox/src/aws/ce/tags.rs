//! Cost allocation tags: keys that were seen on what is billed, switched on and off.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{invalid, one_of, page, texts};
use crate::aws::{Answer, Call, Refusal};
use crate::billing::{activations, meter, switch};

/// Tags of a page.
const PAGE: usize = 100;
const MOST: usize = 1000;
/// Changes of one request.
const MOST_CHANGES: usize = 20;
const STATUSES: [&str; 2] = ["Active", "Inactive"];

pub(super) fn list(call: &mut Call<'_, '_>) -> Answer {
    let input = call.input;
    let status = input.text("Status").map(|text| one_of("status", text, &STATUSES)).transpose()?;
    let types = ["AWSGenerated", "UserDefined"];
    let kind = input.text("Type").map(|text| one_of("type", text, &types)).transpose()?;
    let keys = texts(input.value("TagKeys"));
    let size = match input.count("MaxResults")? {
        None => PAGE,
        Some(size @ 1..=MOST) => size.min(PAGE),
        Some(size) => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and {MOST}"
            )));
        }
    };
    let active = activations(call.transaction);
    let found: Vec<Value> = known(call)
        .into_iter()
        .filter(|key| keys.is_empty() || keys.contains(&key.as_str()))
        .filter(|key| kind.is_none_or(|kind| kind == type_of(key)))
        .map(|key| {
            let one = active.get(&key);
            let is_active = one.is_some_and(crate::billing::Activation::is_active);
            let updated = one.map(|one| moment(one.updated));
            json!({
                "TagKey": key, "Type": type_of(&key), "LastUpdatedDate": updated,
                "Status": if is_active { "Active" } else { "Inactive" },
            })
        })
        .filter(|one| status.is_none_or(|status| one["Status"] == status))
        .collect();
    let (found, next) = page(input, "NextToken", size, found)?;
    Ok(json!({"CostAllocationTags": found, "NextToken": next}))
}

pub(super) fn update(call: &mut Call<'_, '_>) -> Answer {
    let changes = call.input.list("CostAllocationTagsStatus");
    if changes.is_empty() || changes.len() > MOST_CHANGES {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'costAllocationTagsStatus' failed to satisfy constraint: Member must have length between 1 and {MOST_CHANGES}"
        )));
    }
    let mut wanted = Vec::new();
    for change in changes {
        let key = change["TagKey"].as_str();
        let key = key.ok_or_else(|| Refusal::missing("costAllocationTagsStatus.tagKey"))?;
        let status = change["Status"].as_str().unwrap_or_default();
        wanted
            .push((key, one_of("costAllocationTagsStatus.status", status, &STATUSES)? == "Active"));
    }
    let known = known(call);
    let mut errors = Vec::new();
    for (key, on) in wanted {
        if known.contains(key) {
            switch(call.transaction, key, on);
        } else {
            errors.push(json!({
                "TagKey": key, "Code": "TagKeysNotFoundException",
                "Message": format!("Tag keys not found: {key}"),
            }));
        }
    }
    Ok(json!({"Errors": errors}))
}

/// Keys that were ever on what is billed.
fn known(call: &Call<'_, '_>) -> BTreeSet<String> {
    let mut keys = meter::tag_keys(call.transaction);
    keys.extend(activations(call.transaction).into_keys());
    keys
}

fn type_of(key: &str) -> &'static str {
    if key.starts_with("aws:") { "AWSGenerated" } else { "UserDefined" }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
