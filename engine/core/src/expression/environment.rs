//! The one minijinja environment: which functions, filters and tests a runbook may use.
//!
//! It is immutable and shared; what differs from evaluation to evaluation (files, bindings) is
//! reached through the root object. Only what is sound under read marking is offered: a filter
//! that prints a container as a whole, for example, would show an unknown leaf as text.

use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Value as Jinja, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};

use super::context::{Origin, hand_out, take_back};
use super::scope::{Root, Skipped, TaskHandle};
use crate::value::{Secret, Type, Value};

/// Steps of one evaluation.
const FUEL: u64 = 50_000;
/// Nesting of one evaluation.
const DEPTH: usize = 64;

/// Filters of minijinja that a runbook may use.
pub const FILTERS: [&str; 34] = [
    "abs",
    "batch",
    "bool",
    "capitalize",
    "dictsort",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "count",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "sum",
    "title",
    "trim",
    "upper",
];
/// Filters of ours.
pub const OWN_FILTERS: [&str; 10] = [
    "default",
    "d",
    "outputs",
    "parse_json",
    "parse_yaml",
    "to_json",
    "to_yaml",
    "unique",
    "zip",
    "merge",
];
/// Tests that a runbook may use.
pub const TESTS: [&str; 19] = [
    "defined",
    "undefined",
    "none",
    "true",
    "false",
    "boolean",
    "integer",
    "float",
    "number",
    "string",
    "sequence",
    "mapping",
    "iterable",
    "odd",
    "even",
    "divisibleby",
    "startingwith",
    "endingwith",
    "in",
];
/// Functions of ours and of minijinja.
pub const FUNCTIONS: [&str; 6] = ["secret", "file", "template", "glob", "range", "dict"];

/// The environment.
pub fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(build);
    &ENVIRONMENT
}

fn build() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("outputs", outputs);
    environment.add_filter("parse_json", parse_json);
    environment.add_filter("parse_yaml", parse_yaml);
    environment.add_filter("to_json", to_json);
    environment.add_filter("to_yaml", to_yaml);
    environment.add_filter("merge", merge);
    environment.add_function("secret", secret);
    environment.add_function("file", file);
    environment.add_function("template", template);
    environment.add_function("glob", glob);
    environment
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// `x | default(v)`: `v` when `x` is undefined, or is an output of a task that was skipped.
fn default(value: &Jinja, otherwise: Option<Jinja>) -> Jinja {
    let otherwise = otherwise.unwrap_or_else(|| Jinja::from(""));
    if let Some(skipped) = value.downcast_object_ref::<Skipped>() {
        skipped.forgive();
        return otherwise;
    }
    if value.is_undefined() { otherwise } else { value.clone() }
}

/// `tasks.x | outputs('name')`: that output of all instances, in the order of their keys.
fn outputs(value: &Jinja, name: &str) -> Result<Jinja, Error> {
    let task = value
        .downcast_object_ref::<TaskHandle>()
        .ok_or_else(|| invalid("`outputs` takes a task, as in `tasks.x | outputs('name')`"))?;
    Ok(task.all(name))
}

fn text_of(value: &Jinja) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| invalid(format!("expected text, found {}", value.kind())))
}

fn parse_json(state: &State<'_, '_>, value: &Jinja) -> Result<Jinja, Error> {
    let json: serde_json::Value = serde_json::from_str(text_of(value)?)
        .map_err(|error| invalid(format!("not JSON: {error}")))?;
    Ok(hand_out(&Value::from_json(&json), &Origin::default(), root(state)?.recorder()))
}

fn parse_yaml(state: &State<'_, '_>, value: &Jinja) -> Result<Jinja, Error> {
    let json: serde_json::Value = serde_saphyr::from_str(text_of(value)?)
        .map_err(|error| invalid(format!("not YAML: {error}")))?;
    Ok(hand_out(&Value::from_json(&json), &Origin::default(), root(state)?.recorder()))
}

/// The whole value; every leaf of it counts as read.
fn plain(value: &Jinja) -> Result<serde_json::Value, Error> {
    touch(value);
    let value = take_back(value).map_err(invalid)?;
    Ok(value.to_json_exposing())
}

/// Reads every leaf of a container, so that unknown and secret ones are noticed.
fn touch(value: &Jinja) {
    if matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
        let is_map = value.kind() == ValueKind::Map;
        for key in value.try_iter().into_iter().flatten() {
            if is_map {
                let _ = value.get_item(&key).map(|inner| touch(&inner));
            } else {
                touch(&key);
            }
        }
    }
}

fn to_json(value: &Jinja) -> Result<String, Error> {
    serde_json::to_string(&plain(value)?).map_err(|error| invalid(error.to_string()))
}

fn to_yaml(value: &Jinja) -> Result<String, Error> {
    serde_saphyr::to_string(&plain(value)?).map_err(|error| invalid(error.to_string()))
}

/// `a | merge(b)`: the entries of both maps, those of `b` winning; maps inside are merged too.
fn merge(state: &State<'_, '_>, left: &Jinja, right: &Jinja) -> Result<Jinja, Error> {
    let both = (take_back(left).map_err(invalid)?, take_back(right).map_err(invalid)?);
    Ok(hand_out(&merged(&both.0, &both.1), &Origin::default(), root(state)?.recorder()))
}

fn merged(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Secret(left), right) => Value::Secret(Secret::new(merged(left.expose(), right))),
        (left, Value::Secret(right)) => Value::Secret(Secret::new(merged(left, right.expose()))),
        // What is unknown may turn out to be a map, of which entries stay.
        (Value::Unknown(_), Value::Map(_)) => Value::Unknown(Arc::new(Type::Any)),
        (Value::Map(left), Value::Map(right)) => {
            let mut entries = (**left).clone();
            for (key, value) in right.iter() {
                let value =
                    entries.get(key).map_or_else(|| value.clone(), |before| merged(before, value));
                entries.insert(key.clone(), value);
            }
            Value::Map(Arc::new(entries))
        }
        (_, right) => right.clone(),
    }
}

fn root(state: &State<'_, '_>) -> Result<Arc<Root>, Error> {
    state
        .lookup("__root")
        .and_then(|root| root.downcast_object::<Root>())
        .ok_or_else(|| invalid("evaluated outside of a runbook"))
}

fn secret(state: &State<'_, '_>, reference: &str) -> Result<Jinja, Error> {
    let root = root(state)?;
    let value = root.secret(reference).map_err(|failure| invalid(failure.message))?;
    Ok(hand_out(&value, &Root::secret_origin(), root.recorder()))
}

fn file(state: &State<'_, '_>, path: &str) -> Result<String, Error> {
    root(state)?.read(path).map_err(invalid)
}

fn glob(state: &State<'_, '_>, pattern: &str) -> Result<Vec<String>, Error> {
    root(state)?.list(pattern).map_err(invalid)
}

/// `template(path, name=value …)`: Jinja with only the named values.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands arguments over by value")]
fn template(state: &State<'_, '_>, path: &str, given: Kwargs) -> Result<String, Error> {
    let root = root(state)?;
    let text = root.read(path).map_err(&invalid)?;
    let mut named = std::collections::BTreeMap::new();
    for name in given.args() {
        let value: Jinja = given.get(name)?;
        touch(&value);
        named.insert(name.to_owned(), value);
    }
    given.assert_all_used()?;
    let values = Jinja::from(named);
    let mut environment = Environment::new();
    // A value is rendered as it is, whatever the file's name ends in: by default, `.json.j2` would
    // put quotes around it that the template has already.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment.add_filter("to_json", to_json);
    environment.add_filter("to_yaml", to_yaml);
    environment.render_named_str(path, &text, values)
}
