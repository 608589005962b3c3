//! A release's values: compared as a whole, since an installation drops what is not declared.
//!
//! Helm stores what it was given as JSON, without telling 1.0 from 1. Where the declared value is
//! secret, the live one is hidden too: it is the same secret, or the one before.

use runbook_core::change::FieldChange;
use runbook_core::value::{Secret, Value};

/// The same value as Helm stores it: whole numbers without a point.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Null => Value::map::<String>([]),
        other => whole(other),
    }
}

fn whole(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            whole_number(*number).map_or(Value::Number(*number), Value::Integer)
        }
        Value::List(items) => Value::list(items.iter().map(whole)),
        Value::Map(entries) => {
            Value::map(entries.iter().map(|(key, value)| (key.clone(), whole(value))))
        }
        Value::Secret(secret) => Value::Secret(Secret::new(whole(secret.expose()))),
        other => other.clone(),
    }
}

/// The number, when it is whole and exactly one of 64 bits.
fn whole_number(number: f64) -> Option<i64> {
    let text = format!("{number:.0}");
    let whole: i64 = text.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "the loss is what is looked for")]
    let back = whole as f64;
    #[expect(clippy::float_cmp, reason = "equal or not the same number")]
    let same = back == number;
    same.then_some(whole)
}

/// The live values with those hidden that are declared as secret.
pub(super) fn veiled(live: &Value, declared: &Value) -> Value {
    match (live, declared) {
        (live, Value::Secret(_)) => Value::Secret(Secret::new(whole(live))),
        (Value::Map(live), Value::Map(declared)) => Value::map(live.iter().map(|(key, value)| {
            let shown = declared.get(key).map_or_else(|| whole(value), |one| veiled(value, one));
            (key.clone(), shown)
        })),
        (Value::List(live), Value::List(declared)) if declared.iter().any(Value::has_secret) => {
            // Items may have moved: what was secret at one place may stand at another.
            Value::list(live.iter().enumerate().map(|(index, value)| match declared.get(index) {
                Some(one) if !one.has_secret() && live.len() == declared.len() => whole(value),
                Some(one) if live.len() == declared.len() => veiled(value, one),
                _ => Value::Secret(Secret::new(whole(value))),
            }))
        }
        (live, declared) if declared.has_secret() => Value::Secret(Secret::new(whole(live))),
        (live, _) => whole(live),
    }
}

/// Every path at which the two differ; one that is no longer declared is to be removed.
pub(super) fn differences(
    path: &str,
    want: &Value,
    have: Option<&Value>,
    fields: &mut Vec<FieldChange>,
) {
    match (want, have) {
        (Value::Map(want), Some(Value::Map(have))) => {
            for (key, value) in want.iter() {
                differences(&format!("{path}.{key}"), value, have.get(key), fields);
            }
            for (key, value) in have.iter().filter(|(key, _)| !want.contains_key(*key)) {
                fields.push(FieldChange {
                    path: format!("{path}.{key}"),
                    before: Some(value.clone()),
                    after: None,
                    forces_replace: None,
                });
            }
        }
        (want, Some(have)) if want == have => {}
        (want, have) => fields.push(FieldChange {
            path: path.to_owned(),
            before: have.cloned(),
            after: Some(want.clone()),
            forces_replace: None,
        }),
    }
}
