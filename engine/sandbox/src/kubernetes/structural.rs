//! Structural schemas: the defaults and the validation of custom resources.

use regex::Regex;
use serde_json::Value;

/// Defaults of a structural schema.
pub(super) fn fill(value: &mut Value, schema: &Value) {
    let properties = &schema["properties"];
    if schema["additionalProperties"].is_object() {
        let entries = value.as_object_mut().into_iter().flatten();
        entries
            .filter(|(name, _)| properties.get(name).is_none())
            .for_each(|(_, inner)| fill(inner, &schema["additionalProperties"]));
    }
    let Some(properties) = properties.as_object() else { return };
    // A value of another type is for the validation to name.
    if !(value.is_object() || value.is_null()) {
        return;
    }
    for (name, inner) in properties {
        if value[name].is_null() && !inner["default"].is_null() && value.is_object() {
            value[name] = inner["default"].clone();
        }
        match &mut value[name] {
            Value::Null => {
                if let Some(entries) = value.as_object_mut() {
                    entries.remove(name);
                }
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|item| fill(item, &inner["items"]));
            }
            child => fill(child, inner),
        }
    }
}

/// What is wrong with a value: (field, message, reason).
pub(super) fn validate(
    value: &Value,
    schema: &Value,
    path: &str,
    found: &mut Vec<(String, String, &'static str)>,
) {
    let shown = if path.is_empty() { "<nil>" } else { path };
    let right = match schema["type"].as_str() {
        _ if schema["x-kubernetes-int-or-string"] == true => value.is_string() || value.is_i64(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !right {
        let wanted = schema["type"].as_str().unwrap_or_default();
        let given = type_name(value);
        found.push((
            shown.to_owned(),
            format!(
                "Invalid value: \"{given}\": {shown} in body must be of type {wanted}: \"{given}\""
            ),
            "FieldValueTypeInvalid",
        ));
        return;
    }
    bounds(value, schema, shown, found);
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let listed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        found.push((
            shown.to_owned(),
            format!("Unsupported value: {value}: supported values: {}", listed.join(", ")),
            "FieldValueNotSupported",
        ));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value[required].is_null() {
            let inner =
                if path.is_empty() { required.to_owned() } else { format!("{path}.{required}") };
            found.push((inner, "Required value".to_owned(), "FieldValueRequired"));
        }
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if !value[name].is_null() && !(path.is_empty() && name == "metadata") {
            let inner_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            validate(&value[name], inner, &inner_path, found);
        }
    }
    if schema["additionalProperties"].is_object() {
        let own = |name: &String| schema["properties"].get(name).is_some();
        for (name, inner) in value.as_object().into_iter().flatten().filter(|(name, _)| !own(name))
        {
            let inner_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            validate(inner, &schema["additionalProperties"], &inner_path, found);
        }
    }
    duplicates(value, schema, path, found);
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        validate(item, &schema["items"], &format!("{path}[{index}]"), found);
    }
}

/// Items of a list that is a map have different keys, those of a set are different.
fn duplicates(
    value: &Value,
    schema: &Value,
    path: &str,
    found: &mut Vec<(String, String, &'static str)>,
) {
    let key = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("map") => {
            let names = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            let names = names.filter_map(Value::as_str);
            Some(names.map(|name| (name.to_owned(), item[name].clone())).collect::<Value>())
        }
        Some("set") => Some(item.clone()),
        _ => None,
    };
    let mut seen = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let Some(key) = key(item) else { return };
        if seen.contains(&key) {
            let message = format!("Duplicate value: {key}");
            found.push((format!("{path}[{index}]"), message, "FieldValueDuplicate"));
        }
        seen.push(key);
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Limits of numbers, texts, lists and maps.
fn bounds(
    value: &Value,
    schema: &Value,
    shown: &str,
    found: &mut Vec<(String, String, &'static str)>,
) {
    let mut invalid = |why: String| {
        let message = format!("Invalid value: {value}: {shown} in body should {why}");
        found.push((shown.to_owned(), message, "FieldValueInvalid"));
    };
    if let Some(number) = value.as_f64() {
        let strict = |name: &str| schema[name] == true;
        if let Some(least) = schema["minimum"].as_f64() {
            if strict("exclusiveMinimum") && number <= least {
                invalid(format!("be greater than {}", schema["minimum"]));
            } else if number < least {
                invalid(format!("be greater than or equal to {}", schema["minimum"]));
            }
        }
        if let Some(most) = schema["maximum"].as_f64() {
            if strict("exclusiveMaximum") && number >= most {
                invalid(format!("be less than {}", schema["maximum"]));
            } else if number > most {
                invalid(format!("be less than or equal to {}", schema["maximum"]));
            }
        }
    }
    let (count, least, most) = match value {
        Value::String(text) => (text.chars().count() as u64, "minLength", "maxLength"),
        Value::Array(items) => (items.len() as u64, "minItems", "maxItems"),
        Value::Object(entries) => (entries.len() as u64, "minProperties", "maxProperties"),
        _ => return,
    };
    if let Some(least_count) = schema[least].as_u64().filter(|least| count < *least) {
        match value {
            Value::String(_) => invalid(format!("be at least {least_count} chars long")),
            Value::Array(_) => invalid(format!("have at least {least_count} items")),
            _ => invalid(format!("have at least {least_count} properties")),
        }
    }
    if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str())
        // A pattern that only Go's syntax knows is not judged.
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        invalid(format!("match '{pattern}'"));
    }
    if let Some(most) = schema[most].as_u64().filter(|most| count > *most) {
        let (message, reason) = match value {
            Value::String(_) => {
                (format!("Too long: may not be more than {most} bytes"), "FieldValueTooLong")
            }
            _ => {
                (format!("Too many: {count}: must have at most {most} items"), "FieldValueTooMany")
            }
        };
        found.push((shown.to_owned(), message, reason));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(value: Value) -> Vec<String> {
        let schema = json!({"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "color": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4, "minLength": 2},
            "parts": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
        }});
        let mut found = Vec::new();
        validate(&value, &schema, "spec", &mut found);
        found.into_iter().map(|(field, message, _)| format!("{field}: {message}")).collect()
    }

    #[test]
    fn the_values_of_a_map_are_completed_and_judged_by_their_schema() {
        let inner = json!({"type": "object", "properties": {
            "size": {"type": "integer", "default": 3}, "name": {"type": "string"}}});
        let schema = json!({"type": "object", "additionalProperties": inner});
        let mut value = json!({"a": {"name": "x"}, "b": {"size": 4}});
        fill(&mut value, &schema);
        assert_eq!(value, json!({"a": {"name": "x", "size": 3}, "b": {"size": 4}}));
        let mut found = Vec::new();
        validate(&json!({"a": {"name": 7}}), &schema, "spec", &mut found);
        let fields: Vec<&str> = found.iter().map(|(field, _, _)| field.as_str()).collect();
        assert_eq!(fields, ["spec.a.name"]);
    }

    #[test]
    fn a_custom_resource_is_held_to_the_bounds_of_its_schema() {
        assert_eq!(messages(json!({"size": 9, "color": "red", "parts": ["a"]})), [""; 0]);
        let above =
            "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9";
        assert_eq!(messages(json!({"size": 10})), [above]);
        let below =
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1";
        assert_eq!(messages(json!({"size": 0})), [below]);
        assert_eq!(
            messages(json!({"size": 1, "color": "REDDER", "parts": ["a", "b"]})),
            [
                "spec.color: Invalid value: \"REDDER\": spec.color in body should match '^[a-z]+$'",
                "spec.color: Too long: may not be more than 4 bytes",
                "spec.parts: Too many: 2: must have at most 1 items",
            ]
        );
        let typed = "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"";
        assert_eq!(messages(json!({"size": "big"})), [typed]);
    }
}
