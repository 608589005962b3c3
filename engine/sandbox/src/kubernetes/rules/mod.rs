//! The rules of custom resources (`x-kubernetes-validations`), which are written in CEL.
//!
//! A definition whose rules do not compile, or call what is not implemented here, is refused
//! ([`definition`]); objects are held to the rules of their definition ([`problems`]). What a rule
//! may cost is bounded before it begins ([`bounds`]), and it runs on a thread of its own, so that
//! neither a deep rule nor a panic of the interpreter reaches the world.
//!
//! Three things of the apiserver's are not here: static types (a comparison of a number with a text
//! is found when it is evaluated), the estimate of a rule's cost from its schema's bounds (it is
//! judged on the value), and the equality of lists that are sets or maps without regard to order.

mod bounds;
mod compile;
mod definition;
mod functions;
#[cfg(test)]
mod tests;
mod values;

use cel::common::types::CelOptional;
use cel::common::value::Val;
use cel::{Context, ExecutionError, Value as CelValue};
use serde_json::Value;

use super::validate::Problem;
use bounds::{Extent, shown, verdict};
use compile::Compiled;

pub(super) use definition::problems as definition_problems;

/// The apiserver's limit of all rules of an object.
const MOST_WORK: u64 = 10_000_000;
/// Enough for the deepest rule that is taken.
const STACK: usize = 64 << 20;
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
/// Problems after which rules are not judged: the value may not be what they expect.
const BLOCKING: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

/// The rules that an object breaks, given what is wrong with it already.
pub(super) fn problems(
    value: &Value,
    before: Option<&Value>,
    schema: &Value,
    found: &mut Vec<Problem>,
) {
    if !has_rules(schema) {
        return;
    }
    if found.iter().any(|(_, _, reason)| BLOCKING.contains(reason)) {
        let why = "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        found.push(("<nil>".to_owned(), why.to_owned(), "FieldValueInvalid"));
        return;
    }
    let judge = || {
        let mut walk = Walk { found: Vec::new(), left: MOST_WORK };
        walk.node(value, before, schema, "");
        walk.found
    };
    // The interpreter calls itself for every level of a rule, with frames of many kilobytes.
    let judged = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, judge);
        thread.ok().and_then(|thread| thread.join().ok())
    });
    found.extend(judged.unwrap_or_else(|| {
        let why = "Internal error: the interpreter of validation rules gave up".to_owned();
        vec![("<nil>".to_owned(), why, "InternalError")]
    }));
}

/// Whether there is a rule anywhere in a schema.
fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(entries) => entries
            .iter()
            .any(|(name, inner)| name == "x-kubernetes-validations" || has_rules(inner)),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

struct Walk {
    found: Vec<Problem>,
    left: u64,
}

/// Where rules stand.
struct Place<'a> {
    value: &'a Value,
    before: Option<&'a Value>,
    schema: &'a Value,
    path: &'a str,
}

impl Walk {
    /// Judges a value, then what is in it.
    fn node(&mut self, value: &Value, before: Option<&Value>, schema: &Value, path: &str) {
        if value.is_null() {
            return;
        }
        let before = before.filter(|before| !before.is_null());
        self.rules(&Place { value, before, schema, path });
        for (name, inner) in value.as_object().into_iter().flatten() {
            let old = before.and_then(|before| before.get(name));
            if let Some(schema) = schema["properties"].get(name) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                self.node(inner, old, schema, &path);
            } else if schema["additionalProperties"].is_object() {
                let path = format!("{path}[{name}]");
                self.node(inner, old, &schema["additionalProperties"], &path);
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            let old = before.and_then(|before| counterpart(item, before, schema));
            self.node(item, old, &schema["items"], &format!("{path}[{index}]"));
        }
    }

    fn rules(&mut self, place: &Place<'_>) {
        let rules = place.schema["x-kubernetes-validations"].as_array().map(Vec::as_slice);
        let rules = rules.unwrap_or_default();
        if rules.is_empty() || self.left == 0 {
            return;
        }
        let Ok(environment) = functions::environment() else { return };
        let typed = |value: &Value| match place.path {
            "" => values::of_root(value, place.schema),
            _ => values::of(value, place.schema),
        };
        let (value, before) = (typed(place.value), place.before.map(typed));
        let none = Extent::default();
        let extent = Extent::of(place.value).and(place.before.map_or(none, Extent::of));
        for rule in rules {
            let mut context = Context::with_env(environment.clone());
            context.add_variable_from_value("self", value.clone());
            if rule["optionalOldSelf"] == true {
                context.add_variable_as_val("oldSelf", optional(before.clone()));
            } else if let Some(before) = &before {
                context.add_variable_from_value("oldSelf", before.clone());
            }
            self.rule(rule, place, extent, &context);
            if self.left == 0 {
                return;
            }
        }
    }

    fn rule(&mut self, rule: &Value, place: &Place<'_>, extent: Extent, context: &Context<'_, '_>) {
        let said = said(rule);
        let compiled = match compile::compile(rule["rule"].as_str().unwrap_or_default()) {
            Ok(compiled) => compiled,
            Err(why) => return self.failed(place, &format!("rule compile error: {why}")),
        };
        if compiled.uses_old && place.before.is_none() && rule["optionalOldSelf"] != true {
            return;
        }
        // What was there and is as it was is let be.
        if !compiled.uses_old && place.before == Some(place.value) {
            return;
        }
        let verdict = match self.evaluate(&compiled, extent, context) {
            Some(Ok(value)) => verdict(&value),
            Some(Err(why)) if why.starts_with("no such overload") => {
                return self.failed(place, &format!("'{why}': call arguments did not match a supported operator, function or macro signature for rule: {said}"));
            }
            Some(Err(why)) => return self.failed(place, &format!("{why} evaluating rule: {said}")),
            None => return self.failed(place, OUT_OF_BUDGET),
        };
        match verdict {
            Some(true) => {}
            Some(false) => {
                let why = self.why(rule, extent, context).unwrap_or_else(|| message(rule));
                self.found.push(problem(rule, place, &why));
            }
            None => self.failed(place, &format!("must evaluate to a bool evaluating rule: {said}")),
        }
    }

    /// Evaluates within the budget; none when it is beyond it.
    fn evaluate(
        &mut self,
        compiled: &Compiled,
        extent: Extent,
        context: &Context<'_, '_>,
    ) -> Option<Result<CelValue, String>> {
        let cost = compiled.shape.cost(extent);
        self.left = cost.map_or(0, |cost| self.left.saturating_sub(cost));
        cost?;
        Some(CelValue::resolve(&compiled.expression, context).map_err(|error| in_words(&error)))
    }

    /// The message that the rule makes itself; none when it makes no good one.
    fn why(&mut self, rule: &Value, extent: Extent, context: &Context<'_, '_>) -> Option<String> {
        const MOST: usize = 5 << 10;
        let compiled = compile::compile(rule["messageExpression"].as_str()?).ok()?;
        let Some(Ok(CelValue::String(text))) = self.evaluate(&compiled, extent, context) else {
            return None;
        };
        let text = text.trim();
        let is_good = !text.is_empty() && !text.contains(['\n', '\r']) && text.len() <= MOST;
        is_good.then(|| text.to_owned())
    }

    /// A rule that could not be judged.
    fn failed(&mut self, place: &Place<'_>, why: &str) {
        let kind = place.schema["type"].as_str().unwrap_or_default();
        let field = if place.path.is_empty() { "<nil>" } else { place.path };
        let message = format!("Invalid value: \"{kind}\": {why}");
        self.found.push((field.to_owned(), message, "FieldValueInvalid"));
    }
}

/// The item of the former list that has the same keys; only in lists that are maps can that be told.
fn counterpart<'a>(item: &Value, before: &'a Value, schema: &Value) -> Option<&'a Value> {
    if schema["x-kubernetes-list-type"] != "map" {
        return None;
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let same = |other: &&Value| keys.iter().all(|key| other.get(*key) == item.get(*key));
    before.as_array()?.iter().find(same)
}

fn optional(value: Option<CelValue>) -> Box<dyn Val> {
    let value = value.and_then(|value| <Box<dyn Val>>::try_from(value).ok());
    Box::new(value.map_or_else(CelOptional::none, CelOptional::of))
}

/// A broken rule, in the way its author wants it said.
fn problem(rule: &Value, place: &Place<'_>, why: &str) -> Problem {
    let inner = rule["fieldPath"].as_str().unwrap_or_default().trim().trim_start_matches('.');
    let field = match (place.path, inner) {
        ("", "") => "<nil>".to_owned(),
        ("", inner) => inner.to_owned(),
        (path, "") => path.to_owned(),
        (path, inner) if inner.starts_with('[') => format!("{path}{inner}"),
        (path, inner) => format!("{path}.{inner}"),
    };
    let is_plain = !place.value.is_object() && !place.value.is_array();
    let value = if is_plain { format!("{}: ", place.value) } else { String::new() };
    match rule["reason"].as_str() {
        Some("FieldValueForbidden") => (field, format!("Forbidden: {why}"), "FieldValueForbidden"),
        Some("FieldValueRequired") => {
            (field, format!("Required value: {why}"), "FieldValueRequired")
        }
        Some("FieldValueDuplicate") => {
            let text = format!("Duplicate value: {value}");
            (field, text.trim_end_matches([':', ' ']).to_owned(), "FieldValueDuplicate")
        }
        _ => (field, format!("Invalid value: {value}{why}"), "FieldValueInvalid"),
    }
}

/// What errors say of a rule.
fn said(rule: &Value) -> &str {
    let message = rule["message"].as_str().filter(|message| !message.is_empty());
    message.or(rule["rule"].as_str()).unwrap_or_default().trim()
}

fn message(rule: &Value) -> String {
    match rule["message"].as_str().filter(|message| !message.is_empty()) {
        Some(message) => message.trim().to_owned(),
        None => format!("failed rule: {}", said(rule)),
    }
}

/// An error of the interpreter in the words of the apiserver's.
fn in_words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..) => "no such overload".to_owned(),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::FunctionError { function, .. }
            if ["int", "uint", "double", "bool"].contains(&function.as_str()) =>
        {
            format!("type conversion error from 'string' to '{function}'")
        }
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => {
            format!("index out of bounds: {index}")
        }
        other => shown(&other.to_string()),
    }
}
