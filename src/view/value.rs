//! Values for people: masked ones of a plan in one line, outputs of a run as tables or YAML.

use std::collections::BTreeMap;

use runbook_core::value::Value;
use serde_json::Value as Json;

use super::{table, words};
use crate::printer::harmless;
use crate::style::{Meaning, Style};

/// What is checked takes so many columns; the few longer names push what was found aside.
const CHECK: usize = 28;

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

/// The outputs of a run: first what was checked, then the tables, then all else as YAML; a blank
/// line between them. A map of `columns` and `rows` is a table; one whose first column has no name
/// is a list of checks, with their signs in it.
pub(crate) fn outputs(outputs: &BTreeMap<String, Value>, style: &Style) -> String {
    let mut plain = serde_json::Map::new();
    let mut checks: Vec<(&String, Table)> = Vec::new();
    let mut tables: Vec<(&String, Table)> = Vec::new();
    for (name, value) in outputs {
        let json = shown(value);
        match as_table(&json) {
            Some(table) if table.is_checks() => checks.push((name, table)),
            Some(table) => tables.push((name, table)),
            None => {
                plain.insert(name.clone(), json);
            }
        }
    }
    let alone = checks.len() == 1;
    let mut parts: Vec<String> =
        checks.iter().map(|(name, table)| checked(name, table, alone, style)).collect();
    parts.extend(tables.iter().map(|(name, table)| {
        let head = style.paint(Meaning::Strong, name);
        format!("{head}\n{}", table.without_empty_ends().render(style))
    }));
    if !plain.is_empty() {
        parts.push(yaml(&Json::Object(plain)));
    }
    parts.join("\n")
}

/// Checks, each behind its sign: `verified` when that is what they say.
fn checked(name: &str, table: &Table, alone: bool, style: &Style) -> String {
    let with = |sign: &str| table.rows.iter().filter(|row| row[0] == sign).count();
    let remarks = with("!");
    let title = match (alone && with("✓") + remarks == table.rows.len(), remarks) {
        (false, _) => name.to_owned(),
        (true, 0) => "verified".to_owned(),
        (true, _) => format!("verified, {} to look at", words::thousands(remarks)),
    };
    let longest = table.rows.iter().map(|row| words::width(&row[1])).max().unwrap_or_default();
    let rows = table.rows.iter().flat_map(|row| {
        let meaning = match row[0].as_str() {
            "✓" => Meaning::Good,
            "✗" => Meaning::Bad,
            _ => Meaning::Waiting,
        };
        let sign = style.paint(meaning, &row[0]);
        let what = words::padded(&row[1], longest.min(CHECK));
        let found = row[2..].join("   ");
        let beside = format!("  {sign} {what}   {found}");
        if found.is_empty() || !style.terminal || words::width(&beside) <= style.width {
            return vec![beside];
        }
        // Nothing of what was found is cut; it goes below.
        vec![format!("  {sign} {}", row[1]), format!("      {found}")]
    });
    words::lines([style.paint(Meaning::Strong, &title)].into_iter().chain(rows))
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

/// A value that is drawn as a table; each row has a cell per column.
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Whether its first column is one of signs: a column without a name.
    fn is_checks(&self) -> bool {
        self.columns.len() > 1 && self.columns[0].is_empty() && !self.rows.is_empty()
    }

    /// Without the last columns in which no row has anything: `kubectl`'s wide form ends with two
    /// that hardly ever say more than `<none>`.
    fn without_empty_ends(&self) -> Self {
        let says_nothing =
            |at: usize| self.rows.iter().all(|row| matches!(row[at].as_str(), "" | "<none>"));
        let mut kept = self.columns.len();
        while kept > 1 && !self.rows.is_empty() && says_nothing(kept - 1) {
            kept -= 1;
        }
        Self {
            columns: self.columns[..kept].to_vec(),
            rows: self.rows.iter().map(|row| row[..kept].to_vec()).collect(),
        }
    }

    fn render(&self, style: &Style) -> String {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        table::render(&columns, &self.rows, style)
    }
}

/// Columns and rows, when the value has that form; a row is a list, or a map by column.
fn as_table(value: &Json) -> Option<Table> {
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
        .map(|row| {
            let by_place = |at: usize, name: &String| match row {
                Json::Array(cells) => cells.get(at),
                other => other.get(name),
            };
            (row.is_array() || row.is_object()).then(|| {
                let cells = columns.iter().enumerate();
                cells.map(|(at, name)| by_place(at, name).map_or_else(String::new, cell)).collect()
            })
        })
        .collect::<Option<_>>()?;
    Some(Table { columns, rows })
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

    fn table(columns: &[&str], rows: &[&[&str]]) -> Value {
        let texts = |texts: &[&str]| Value::list(texts.iter().map(|text| Value::from(*text)));
        Value::map([
            ("columns", texts(columns)),
            ("rows", Value::list(rows.iter().map(|row| texts(row)))),
        ])
    }

    #[test]
    fn outputs_are_checks_then_tables_then_yaml() {
        let values = BTreeMap::from([
            ("arn".to_owned(), Value::from("arn:aws:eks:x")),
            ("token".to_owned(), Value::Secret(Secret::new("hunter2".into()))),
            ("later".to_owned(), Value::Unknown(Arc::new(Type::String))),
            (
                "pods".to_owned(),
                table(
                    &["NAME", "READY", "GATES"],
                    &[&["coredns", "2", "<none>"], &["karpenter", "10", "<none>"]],
                ),
            ),
            (
                "verification".to_owned(),
                table(
                    &["", "CHECK", "FOUND"],
                    &[&["✓", "node groups", "none"], &["!", "leader", "nobody leads"]],
                ),
            ),
        ]);
        assert_eq!(
            outputs(&values, &Style::plain()),
            "verified, 1 to look at\n\
             \x20 ✓ node groups   none\n\
             \x20 ! leader        nobody leads\n\
             \n\
             pods\n\
             NAME        READY\n\
             coredns         2\n\
             karpenter      10\n\
             \n\
             arn: arn:aws:eks:x\n\
             later: (known after apply)\n\
             token: (secret)\n"
        );
    }

    #[test]
    fn checks_that_failed_are_not_called_verified() {
        let checks = |sign: &str| {
            let values =
                BTreeMap::from([("state".to_owned(), table(&["", "CHECK"], &[&[sign, "a"]]))]);
            outputs(&values, &Style::plain())
        };
        assert_eq!(checks("✓"), "verified\n  ✓ a\n");
        assert_eq!(checks("✗"), "state\n  ✗ a\n");
        let two = BTreeMap::from(
            ["first", "second"]
                .map(|name| (name.to_owned(), table(&["", "CHECK"], &[&["✓", "a"]]))),
        );
        assert_eq!(outputs(&two, &Style::plain()), "first\n  ✓ a\n\nsecond\n  ✓ a\n");
    }

    #[test]
    fn what_was_found_is_beside_its_check_or_below() {
        let values = BTreeMap::from([(
            "checks".to_owned(),
            table(
                &["", "CHECK", "FOUND"],
                &[
                    &["✓", "nodes", "none"],
                    &["✓", "the role of the load balancer controller", "exists"],
                    &["✓", "service account", "arn:aws:iam::111122223333:role/a-long-name"],
                ],
            ),
        )]);
        assert_eq!(
            outputs(&values, &Style { colour: false, terminal: true, width: 60 }),
            "verified\n\
             \x20 ✓ nodes                          none\n\
             \x20 ✓ the role of the load balancer controller   exists\n\
             \x20 ✓ service account\n\
             \x20     arn:aws:iam::111122223333:role/a-long-name\n"
        );
    }

    #[test]
    fn a_table_keeps_its_columns_where_a_row_says_something() {
        let values = BTreeMap::from([(
            "t".to_owned(),
            table(&["A", "B", "C"], &[&["1", "<none>", "x"], &["2"]]),
        )]);
        assert_eq!(outputs(&values, &Style::plain()), "t\nA   B        C\n1   <none>   x\n2\n");
    }
}
