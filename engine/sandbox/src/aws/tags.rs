//! Tags: maps inside, in each service's own shape outside.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Input;

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// `Tags.member.N.Key/Value` of the query protocol.
pub(crate) fn from_query(input: &Input, prefix: &str) -> Tags {
    (1..)
        .map_while(|number| {
            let key = input.text(&format!("{prefix}.{number}.Key"))?;
            Some((key.to_owned(), input.text(&format!("{prefix}.{number}.Value")).unwrap_or_default().to_owned()))
        })
        .collect()
}

/// `[{Key, Value}]`
pub(crate) fn to_list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// `[{key, value}]`, as EC2 writes it.
pub(crate) fn to_ec2(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// `{key: value}` of a JSON body.
pub(crate) fn from_json(value: &Value) -> Tags {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// `[{Key, Value}]` of a JSON body.
pub(crate) fn from_json_list(value: &Value) -> Tags {
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    value.as_array().into_iter().flatten().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}
