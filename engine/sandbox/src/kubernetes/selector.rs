//! Label and field selectors.

use serde_json::Value;

/// A label selector as a query writes it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
pub(super) fn labels(object: &Value, selector: &str) -> bool {
    requirements(selector).iter().all(|one| label(object, one))
}

/// What is wrong with a label selector, in the words of the apiserver.
pub(super) fn problem(selector: &str) -> Option<String> {
    let word = |text: &str| {
        let text = text.trim();
        text.chars().all(|one| one.is_ascii_alphanumeric() || "-_./".contains(one))
    };
    requirements(selector).iter().find_map(|one| {
        if let Some((_, values)) = one.split_once(" notin ").or_else(|| one.split_once(" in "))
            && !values.trim().ends_with(')')
        {
            let why = "unable to parse requirement: found '', expected: ',', ')' or identifier";
            return Some(why.to_owned());
        }
        let key = one.split_once(" notin ").or_else(|| one.split_once(" in ")).map_or_else(
            || one.split(['=', '!']).find(|part| !part.is_empty()).unwrap_or_default(),
            |(key, _)| key,
        );
        let found = key.split_whitespace().nth(1).unwrap_or(key);
        (!word(key)).then(|| {
            format!("unable to parse requirement: found '{found}', expected: in, notin, =, ==, !=, gt, lt")
        })
    })
}

/// Splits at commas outside of parentheses.
fn requirements(selector: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for character in selector.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(character);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn label(object: &Value, requirement: &str) -> bool {
    let value = |key: &str| object["metadata"]["labels"].get(key.trim()).and_then(Value::as_str);
    let set = |text: &str| -> Vec<String> {
        text.trim().trim_matches(['(', ')']).split(',').map(|one| one.trim().to_owned()).collect()
    };
    if let Some((key, values)) = requirement.split_once(" notin ") {
        return value(key).is_none_or(|value| !set(values).iter().any(|one| one == value));
    }
    if let Some((key, values)) = requirement.split_once(" in ") {
        return value(key).is_some_and(|value| set(values).iter().any(|one| one == value));
    }
    if let Some((key, wanted)) = requirement.split_once("!=") {
        return value(key) != Some(wanted.trim());
    }
    if let Some((key, wanted)) =
        requirement.split_once("==").or_else(|| requirement.split_once('='))
    {
        return value(key) == Some(wanted.trim());
    }
    match requirement.strip_prefix('!') {
        Some(key) => value(key).is_none(),
        None => value(requirement).is_some(),
    }
}

/// A label selector of a spec: `matchLabels` and `matchExpressions`. An empty one matches all.
pub(super) fn matches(object: &Value, selector: &Value) -> bool {
    let own = &object["metadata"]["labels"];
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| own.get(key) == Some(value));
    equal
        && selector["matchExpressions"].as_array().into_iter().flatten().all(|one| {
            let value = own.get(one["key"].as_str().unwrap_or_default());
            let listed = value.is_some_and(|value| {
                one["values"].as_array().is_some_and(|values| values.contains(value))
            });
            match one["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => value.is_some(),
                _ => value.is_none(),
            }
        })
}

/// A field selector; the error names a field that cannot be selected by.
pub(super) fn fields(object: &Value, selector: &str) -> Result<bool, String> {
    for requirement in selector.split(',').filter(|part| !part.is_empty()) {
        let (path, wanted, equal) = if let Some((path, wanted)) = requirement.split_once("!=") {
            (path, wanted, false)
        } else {
            let (path, wanted) = requirement
                .split_once("==")
                .or_else(|| requirement.split_once('='))
                .ok_or_else(|| {
                    format!("invalid selector: '{requirement}'; can't understand '{requirement}'")
                })?;
            (path, wanted, true)
        };
        let known = [
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "status.phase",
            "spec.schedulerName",
            "type",
            "reason",
            "status.podIP",
            "spec.restartPolicy",
            "spec.unschedulable",
            "source",
            "reportingComponent",
        ];
        if !known.contains(&path) && !path.starts_with("involvedObject.") {
            return Err(format!("field label not supported: {path}"));
        }
        if object.is_null() {
            continue;
        }
        let value =
            path.split('.').fold(object, |value, part| &value[part]).as_str().unwrap_or_default();
        if (value == wanted) != equal {
            return Ok(false);
        }
    }
    Ok(true)
}
