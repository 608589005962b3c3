//! Reading arguments: typed, with an absent argument for what it is.
//!
//! Arguments were checked against the schema before a module sees them, so a wrong type here is an
//! unknown value of a plan; it reads as absent.

use std::collections::BTreeMap;

use runbook_core::module::Values;
use runbook_core::value::Value;

/// Text; empty when absent or unknown.
pub(crate) fn text<'a>(arguments: &'a Values, name: &str) -> &'a str {
    optional_text(arguments, name).unwrap_or_default()
}

/// Text, when it is given and not empty.
pub(crate) fn optional_text<'a>(arguments: &'a Values, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A boolean; false when absent.
pub(crate) fn boolean(arguments: &Values, name: &str) -> bool {
    arguments.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// A list of texts.
pub(crate) fn texts(arguments: &Values, name: &str) -> Vec<String> {
    list(arguments, name).iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// A list of texts, sorted and without doubles: what a set is compared as.
pub(crate) fn text_set(arguments: &Values, name: &str) -> Vec<String> {
    let mut texts = texts(arguments, name);
    texts.sort();
    texts.dedup();
    texts
}

/// A list.
pub(crate) fn list<'a>(arguments: &'a Values, name: &str) -> &'a [Value] {
    arguments.get(name).and_then(Value::as_list).unwrap_or_default()
}

/// Texts by name.
pub(crate) fn text_map(arguments: &Values, name: &str) -> BTreeMap<String, String> {
    arguments
        .get(name)
        .and_then(Value::as_map)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Plain JSON for the service, secrets exposed; null when absent.
pub(crate) fn json(arguments: &Values, name: &str) -> serde_json::Value {
    arguments.get(name).map_or(serde_json::Value::Null, Value::to_json_exposing)
}

/// A name and its value, for outputs and projections.
pub(crate) fn values<const N: usize>(entries: [(&str, Value); N]) -> Values {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A list of texts as a value.
pub(crate) fn text_list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::list(texts.into_iter().map(|text| Value::from(text.as_ref())))
}
