//! Values for people: masked ones of a plan in one line, outputs of a run as tables or YAML.

use std::collections::BTreeMap;

use runbook_core::value::Value;
use serde_json::Value as Json;

use super::{table, words};
use crate::printer::harmless;
use crate::style::{Meaning, Style};

/// A masked value of a plan in one line: texts bare, secrets and unknown ones by their words.
pub(crate) fn masked(value: &Json) -> String {
    match named(value) {
        Json::String(text) if text.is_empty() => "\"\"".to_owned(),
        Json::String(text) => words::one_line(&text),
        other => words::one_line(&other.to_string()),
    }
}

/// The value with `{"secret": …}` and `{"unknown": …}` replaced by what people read.
fn named(value: &Json) -> Json {
    match value {
        Json::Object(entries) if entries.len() == 1 && entries.contains_key("secret") => {
            "(secret)".into()
        }
        Json::Object(entries) if entries.len() == 1 && entries.contains_key("unknown") => {
            "(known after apply)".into()
        }
        Json::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), named(value))).collect())
        }
        Json::Array(items) => items.iter().map(named).collect(),
        other => other.clone(),
    }
}

/// The outputs of a run: a map of `columns` and `rows` is drawn as a table, all else is YAML.
pub(crate) fn outputs(outputs: &BTreeMap<String, Value>, style: &Style) -> String {
    let mut plain = serde_json::Map::new();
    let mut tables = String::new();
    for (name, value) in outputs {
        let json = shown(value);
        match as_table(&json) {
            Some((columns, rows)) => {
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                tables.push_str(&style.paint(Meaning::Strong, name));
                tables.push('\n');
                tables.push_str(&table::render(&columns, &rows, style));
            }
            None => {
                plain.insert(name.clone(), json);
            }
        }
    }
    let mut text = if plain.is_empty() { String::new() } else { yaml(&Json::Object(plain)) };
    text.push_str(&tables);
    text
}

/// One value, as [`outputs`] shows it.
pub(crate) fn output(value: &Value, style: &Style) -> String {
    let json = shown(value);
    match as_table(&json) {
        Some((columns, rows)) => {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            table::render(&columns, &rows, style)
        }
        // A text is what was asked for, without YAML's quotes.
        None => match &json {
            Json::String(text) => words::lines([text.as_str()]),
            other => yaml(other),
        },
    }
}

/// As JSON: secrets masked, unknown ones named, nothing that could drive a terminal.
fn shown(value: &Value) -> Json {
    match value {
        Value::Unknown(_) => "(known after apply)".into(),
        Value::Secret(_) => "(secret)".into(),
        Value::String(text) => harmless(text).into(),
        Value::List(items) => items.iter().map(shown).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (harmless(key), shown(value))).collect())
        }
        other => other.to_json_with(&|_| "(secret)".into()),
    }
}

fn yaml(value: &Json) -> String {
    // Maps with text keys, lists, texts and numbers: there is nothing here that YAML cannot hold.
    // If the writer objects all the same, JSON is YAML too.
    let text = serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string());
    words::lines(text.lines())
}

/// Columns and rows, when the value has that form; a row is a list, or a map by column.
fn as_table(value: &Json) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let entries = value.as_object().filter(|entries| entries.len() == 2)?;
    let columns: Vec<String> = entries
        .get("columns")?
        .as_array()?
        .iter()
        .map(|column| column.as_str().map(str::to_owned))
        .collect::<Option<_>>()?;
    let rows = entries
        .get("rows")?
        .as_array()?
        .iter()
        .map(|row| match row {
            Json::Array(cells) => Some(cells.iter().map(cell).collect()),
            Json::Object(cells) => Some(
                columns.iter().map(|name| cells.get(name).map_or_else(String::new, cell)).collect(),
            ),
            _ => None,
        })
        .collect::<Option<_>>()?;
    Some((columns, rows))
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        other => masked(other),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use runbook_core::value::{Secret, Type};
    use serde_json::json;

    use super::*;

    #[test]
    fn masks_are_read_as_words() {
        assert_eq!(masked(&json!({"secret": "0123"})), "(secret)");
        assert_eq!(masked(&json!({"a": {"unknown": "string"}})), r#"{"a":"(known after apply)"}"#);
        assert_eq!(masked(&json!("")), "\"\"");
        assert_eq!(masked(&json!("two\nlines")), "two lines");
    }

    #[test]
    fn outputs_are_yaml_and_tables() {
        let row = |name: &str, ready: i64| Value::list([name.into(), ready.into()]);
        let values = BTreeMap::from([
            ("arn".to_owned(), Value::from("arn:aws:eks:x")),
            ("token".to_owned(), Value::Secret(Secret::new("hunter2".into()))),
            ("later".to_owned(), Value::Unknown(Arc::new(Type::String))),
            (
                "pods".to_owned(),
                Value::map([
                    ("columns", Value::list(["NAME".into(), "READY".into()])),
                    ("rows", Value::list([row("coredns", 2), row("karpenter", 10)])),
                ]),
            ),
        ]);
        assert_eq!(
            outputs(&values, &Style::plain()),
            "arn: arn:aws:eks:x\n\
             later: (known after apply)\n\
             token: (secret)\n\
             pods\n\
             NAME        READY\n\
             coredns         2\n\
             karpenter      10\n"
        );
    }

    #[test]
    fn one_text_is_bare() {
        assert_eq!(output(&"a: b".into(), &Style::plain()), "a: b\n");
    }
}
