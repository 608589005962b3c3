//! A chart's values: its defaults, and over them what the user gave.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::failure::Failure;

/// The values of the files, the later ones over the earlier ones.
pub(super) fn read(files: &[PathBuf]) -> Result<Value, Failure> {
    let mut values = Value::Object(Map::new());
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::told(format!("open {}: {error}", file.display())))?;
        let given: Value = serde_saphyr::from_str(&text).map_err(|error| {
            Failure::told(format!("failed to parse {}: {error}", file.display()))
        })?;
        match given {
            Value::Null => {}
            Value::Object(_) => lay_over(&mut values, &given, false),
            _ => {
                return Err(Failure::told(format!(
                    "failed to parse {}: values are a mapping",
                    file.display()
                )));
            }
        }
    }
    Ok(values)
}

/// The defaults of a chart with the user's values over them; null takes a default away.
pub(super) fn merged(defaults: &Value, given: &Value) -> Value {
    let mut values = defaults.clone();
    lay_over(&mut values, given, true);
    values
}

fn lay_over(below: &mut Value, above: &Value, null_removes: bool) {
    let (Value::Object(entries), Value::Object(given)) = (&mut *below, above) else {
        *below = above.clone();
        return;
    };
    for (name, value) in given {
        if value.is_null() && null_removes {
            entries.remove(name);
        } else if value.is_object() {
            lay_over(
                entries.entry(name).or_insert_with(|| Value::Object(Map::new())),
                value,
                null_removes,
            );
        } else {
            entries.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_given_lies_over_the_defaults() {
        let defaults = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x", "e": {"f": 1}});
        let given = json!({"a": {"c": [3], "g": {}}, "d": null, "e": 2, "h": {"i": null}});
        assert_eq!(
            merged(&defaults, &given),
            json!({"a": {"b": 1, "c": [3], "g": {}}, "e": 2, "h": {}})
        );
    }
}
