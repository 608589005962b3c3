//! What an operation was given, whichever protocol it came by: one JSON value.
//!
//! Forms are turned into the same shape as JSON bodies: `Filter.1.Value.2` and
//! `Tags.member.1.Key` become lists and maps. Scalars of forms stay text, so the accessors take
//! text for numbers and truth too.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Refusal;
use super::refusal::Code;

/// Parts of a form field's name; more is not a parameter of any operation.
const MOST_PARTS: usize = 12;

/// The input of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Input {
    value: Value,
    /// Items of a page at most, whatever is asked for: a fault's doing.
    pub(crate) page_limit: Option<usize>,
}

enum Node {
    Leaf(String),
    Inner(BTreeMap<String, Self>),
}

impl Input {
    /// Of a JSON body, or of parts of a request gathered in one map.
    pub(crate) const fn from_json(value: Value) -> Self {
        Self { value, page_limit: None }
    }

    /// Of the fields of a form.
    pub(crate) fn from_form(
        fields: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Refusal> {
        let mut root = BTreeMap::new();
        for (name, value) in fields {
            let all: Vec<&str> = name.split('.').collect();
            let is_misplaced =
                |pair: &[&str]| matches!(pair, ["member", place] if place.parse::<u32>().is_err());
            if all.windows(2).any(is_misplaced) {
                let why = format!("`{name}` names no place in a list");
                return Err(Refusal::of(400, Code::Unreadable, why));
            }
            let parts: Vec<&str> = all.into_iter().filter(|part| *part != "member").collect();
            if parts.len() <= MOST_PARTS {
                insert(&mut root, &parts, value);
            }
        }
        Ok(Self::from_json(to_json(Node::Inner(root))))
    }

    /// All of it.
    pub(crate) const fn whole(&self) -> &Value {
        &self.value
    }

    /// A parameter; null when absent.
    pub(crate) fn value(&self, name: &str) -> &Value {
        self.value.get(name).unwrap_or(&Value::Null)
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).as_str()
    }

    /// A text that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        match self.value(name) {
            Value::String(text) if !text.is_empty() => Ok(text),
            Value::Null | Value::String(_) => Err(Refusal::missing(name)),
            other => Err(Refusal::untyped(format!(
                "{} can not be converted to a String",
                kind_of(other)
            ))),
        }
    }

    /// The items of a list.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.value(name).as_array().map_or(&[], Vec::as_slice)
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    /// Truth, said either way.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A count, said either way.
    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let wrong = || Refusal::untyped(format!("Value of '{name}' is not a number"));
        match self.value(name) {
            Value::Null => Ok(None),
            Value::Number(number) => {
                let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
                number.map(Some).ok_or_else(wrong)
            }
            Value::String(text) => text.parse().map(Some).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// What AWS calls a JSON value of another type than text.
const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) | Value::String(_) | Value::Null => "START_OBJECT",
    }
}

fn insert(into: &mut BTreeMap<String, Node>, parts: &[&str], value: String) {
    match parts {
        [] => {}
        [last] => {
            into.insert((*last).to_owned(), Node::Leaf(value));
        }
        [first, rest @ ..] => {
            let inner =
                into.entry((*first).to_owned()).or_insert_with(|| Node::Inner(BTreeMap::new()));
            if matches!(inner, Node::Leaf(_)) {
                *inner = Node::Inner(BTreeMap::new());
            }
            if let Node::Inner(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A map whose keys are all numbers is a list, in their order.
fn to_json(node: Node) -> Value {
    let entries = match node {
        Node::Leaf(text) => return Value::String(text),
        Node::Inner(entries) => entries,
    };
    let numbers: Option<Vec<u32>> = entries.keys().map(|key| key.parse().ok()).collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let mut items: Vec<(u32, Value)> =
                numbers.into_iter().zip(entries.into_values().map(to_json)).collect();
            items.sort_by_key(|(number, _)| *number);
            items.into_iter().map(|(_, value)| value).collect()
        }
        _ => {
            let entries = entries.into_iter().map(|(name, node)| (name, to_json(node)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_become_trees() {
        let fields = [
            ("Action", "X"),
            ("Filter.2.Name", "b"),
            ("Filter.1.Name", "a"),
            ("Filter.1.Value.1", "x"),
            ("Filter.1.Value.10", "z"),
            ("Filter.1.Value.2", "y"),
            ("Tags.member.1.Key", "k"),
            ("Tags.member.1.Value", "v"),
            ("Empty", ""),
        ];
        let input = Input::from_form(
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
        .unwrap();
        assert_eq!(
            *input.whole(),
            json!({
                "Action": "X", "Empty": "",
                "Filter": [{"Name": "a", "Value": ["x", "y", "z"]}, {"Name": "b"}],
                "Tags": [{"Key": "k", "Value": "v"}],
            })
        );
    }

    #[test]
    fn a_name_with_endless_parts_is_no_parameter() {
        let name = "a.".repeat(100_000);
        let input = Input::from_form([(name, "x".to_owned())].into_iter()).unwrap();
        assert_eq!(*input.whole(), json!({}));
    }
}
