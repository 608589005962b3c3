//! Policy documents, compared by what they mean.
//!
//! IAM and SQS give documents back as they were written, or with one-element lists as scalars; a
//! person writes either. [`canonical`] is one form for all of them: statements are a list, sets of
//! actions, resources, principals and condition values are sorted and a set of one is a scalar, an
//! account is its twelve digits, `Version` is always there. The order of statements stays.
//! Unknown values stay where they are.

use std::collections::BTreeMap;

use runbook_core::value::{Secret, Value};

/// What IAM takes a document without a version for.
const OLD_VERSION: &str = "2008-10-17";

/// The canonical form of a document, given as a map or as JSON text.
pub(super) fn canonical(document: &Value) -> Value {
    match document {
        Value::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) if json.is_object() => canonical(&Value::from_json(&json)),
            _ => document.clone(),
        },
        Value::Secret(secret) => Value::Secret(Secret::new(canonical(secret.expose()))),
        Value::Map(entries) => {
            let mut entries = (**entries).clone();
            entries.entry("Version".to_owned()).or_insert_with(|| OLD_VERSION.into());
            // Compared like the rest: a document without an `Id` must have none.
            entries.entry("Id".to_owned()).or_insert(Value::Null);
            if let Some(statements) = entries.get_mut("Statement") {
                *statements = match &*statements {
                    Value::List(items) => Value::list(items.iter().map(statement)),
                    one => Value::list([statement(one)]),
                };
            }
            Value::Map(entries.into())
        }
        other => other.clone(),
    }
}

/// The document's text as a service takes it.
pub(super) fn text(document: &Value) -> String {
    match document.as_str() {
        Some(text) => text.to_owned(),
        None => document.to_json_exposing().to_string(),
    }
}

/// A document as it is compared: canonical when it is declared.
pub(super) fn desire(value: Option<&Value>) -> Option<Value> {
    value.filter(|value| **value != Value::Null).map(canonical)
}

/// What is wrong with a document, if it can be told without a service.
pub(super) fn problem(document: &Value) -> Option<String> {
    let json = match document.as_str() {
        Some(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => json,
            Err(error) => return Some(format!("is not JSON: {error}")),
        },
        None => document.to_json_exposing(),
    };
    if !json.is_object() {
        return Some("is not a policy document: a map with `Statement`".to_owned());
    }
    json.get("Statement")
        .is_none_or(serde_json::Value::is_null)
        .then(|| "is a policy document without `Statement`".to_owned())
}

/// The characters that IAM counts.
pub(super) fn size(document: &Value) -> usize {
    text(document).chars().filter(|letter| !letter.is_whitespace()).count()
}

/// JSON given as a map or as text, in one text: keys sorted, no white space. Unknown stays.
pub(super) fn json_text(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => json_text(&Value::from_json(&json)),
            Err(_) => value.clone(),
        },
        Value::Unknown(_) => value.clone(),
        other if other.has_unknown() => {
            Value::Unknown(std::sync::Arc::new(runbook_core::value::Type::String))
        }
        other => Value::from(other.to_json_exposing().to_string()),
    }
}

fn statement(statement: &Value) -> Value {
    let Value::Map(entries) = statement else { return statement.clone() };
    let parts = entries.iter().map(|(name, part)| {
        let part = match name.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => set(part, &scalar),
            "Principal" | "NotPrincipal" => principal(part),
            "Condition" => condition(part),
            _ => part.clone(),
        };
        (name.clone(), part)
    });
    let mut parts: BTreeMap<String, Value> = parts.collect();
    parts.retain(|name, part| !(name == "Sid" && part.as_str() == Some("")));
    Value::Map(parts.into())
}

fn principal(principal: &Value) -> Value {
    match principal {
        Value::String(_) => Value::map([("AWS", principal.clone())]),
        Value::Map(kinds) => {
            Value::map(kinds.iter().map(|(kind, who)| (kind.clone(), set(who, &account))))
        }
        other => other.clone(),
    }
}

fn condition(condition: &Value) -> Value {
    let Value::Map(operators) = condition else { return condition.clone() };
    Value::map(operators.iter().map(|(operator, keys)| {
        let keys = match keys {
            Value::Map(keys) => {
                Value::map(keys.iter().map(|(key, values)| (key.clone(), set(values, &scalar))))
            }
            other => other.clone(),
        };
        (operator.clone(), keys)
    }))
}

/// A set: sorted and without doubles; a scalar when there is one.
fn set(value: &Value, each: &dyn Fn(&Value) -> Value) -> Value {
    let Value::List(items) = value else { return each(value) };
    let mut items: Vec<Value> = items.iter().map(each).collect();
    if !value.has_unknown() {
        items.sort_by_key(ToString::to_string);
        items.dedup();
    }
    match items.as_slice() {
        [one] => one.clone(),
        _ => Value::list(items),
    }
}

/// `true` and `"true"` are one.
fn scalar(value: &Value) -> Value {
    match value {
        Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => Value::from(value.to_string()),
        other => other.clone(),
    }
}

/// IAM turns `111122223333` into `arn:aws:iam::111122223333:root`.
fn account(value: &Value) -> Value {
    let digits = value
        .as_str()
        .and_then(|text| text.strip_prefix("arn:")?.strip_suffix(":root")?.rsplit(':').next());
    digits.map_or_else(|| scalar(value), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: serde_json::Value) -> Value {
        canonical(&Value::from_json(&json))
    }

    #[test]
    fn the_same_meaning_is_the_same_value() {
        let written = of(serde_json::json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"AWS": "111122223333"},
                "Action": ["sts:TagSession", "sts:AssumeRole"],
                "Condition": {"Bool": {"aws:SecureTransport": true}}},
        }));
        let answered = canonical(&Value::from(
            r#"{"Statement":[{"Action":["sts:AssumeRole","sts:TagSession"],"Sid":"","Effect":"Allow",
            "Principal":{"AWS":["arn:aws:iam::111122223333:root"]},
            "Condition":{"Bool":{"aws:SecureTransport":["true"]}}}],"Version":"2012-10-17"}"#,
        ));
        assert_eq!(written, answered);
    }

    #[test]
    fn another_meaning_is_another_value() {
        let one = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "a:B", "Resource": "*"}]});
        let mut other = one.clone();
        other["Statement"][0]["Resource"] = "x".into();
        assert_ne!(of(one.clone()), of(other));
        let mut old = one.clone();
        old.as_object_mut().unwrap().remove("Version");
        assert_ne!(of(one), of(old));
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let unknown = Value::Unknown(std::sync::Arc::new(runbook_core::value::Type::String));
        let document = Value::map([(
            "Statement",
            Value::map([("Resource", Value::list([Value::from("b"), unknown]))]),
        )]);
        assert!(canonical(&document).has_unknown());
        assert!(matches!(json_text(&document), Value::Unknown(_)));
    }

    #[test]
    fn mistakes_are_told_without_a_service() {
        assert_eq!(
            problem(&Value::map([("Version", Value::from("2012-10-17"))])).as_deref(),
            Some("is a policy document without `Statement`")
        );
        assert!(problem(&Value::from("{")).unwrap().starts_with("is not JSON"));
        assert_eq!(problem(&Value::from(r#"{"Statement":[]}"#)), None);
        assert_eq!(size(&Value::from("{ \"a\":\n 1}")), 7);
    }
}
