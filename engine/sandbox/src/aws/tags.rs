//! Tags: maps inside, in each service's own shape outside.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Refusal;

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// `[{Key, Value}]` of a request.
pub(crate) fn from_list(list: &[Value]) -> Tags {
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    list.iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// `{key: value}` of a request or a document.
pub(crate) fn from_map(value: &Value) -> Tags {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// `[{Key, Value}]`
pub(crate) fn to_list(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// What every service refuses.
pub(crate) fn check(tags: &Tags, invalid: impl Fn(String) -> Refusal) -> Result<(), Refusal> {
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid(format!("The tag key '{key}' must have 1 to 128 characters")));
        }
        if value.chars().count() > 256 {
            return Err(invalid(format!(
                "The value of tag '{key}' must have at most 256 characters"
            )));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid(format!(
                "The tag key '{key}' begins with aws:, which is reserved for AWS"
            )));
        }
    }
    if tags.len() > 50 {
        return Err(invalid("A resource can have at most 50 tags".to_owned()));
    }
    Ok(())
}
