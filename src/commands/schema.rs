//! `runbook schema`: the JSON Schema of runbooks, made from the tables that the parser reads by.
//!
//! An editor completes `with` per `uses`. Wherever an expression may stand, a text with `${{` is
//! allowed beside the type.

use runbook_core::module::{Argument, Schema};
use runbook_core::shape::{self, Holds, Shape, Support};
use runbook_core::value::Type;
use serde_json::{Map, Value, json};

use super::Session;
use crate::exit::Exit;
use crate::trouble::Trouble;
use crate::view;

/// Prints the schema.
pub(crate) fn schema(session: &Session) -> Result<Exit, Trouble> {
    let modules: Vec<&Schema> =
        session.registry.iter().map(|(_, module)| module.schema()).collect();
    session.printer.out(&view::json::pretty(&runbook(&modules)));
    Ok(Exit::Done)
}

/// The schema of a file.
fn runbook(modules: &[&Schema]) -> Value {
    let mut root = object(shape::RUNBOOK);
    root["properties"]["apiVersion"] = json!({"const": "runbook/v1"});
    root["properties"]["inputs"] =
        json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/input"}});
    root["properties"]["schedule"] =
        json!({"type": "array", "items": {"$ref": "#/$defs/schedule"}});
    let mut schedule = object(shape::SCHEDULE);
    schedule["properties"]["dst"] = json!({"$ref": "#/$defs/dst"});
    schedule["properties"]["catch_up"] = json!({"$ref": "#/$defs/catch_up"});
    root["properties"]["tasks"] = json!({"type": "array", "items": {"$ref": "#/$defs/task"}});
    let mut task = object(shape::TASK);
    task["properties"]["id"]["pattern"] = json!("^[a-z][a-z0-9_]*$");
    task["properties"]["retry"] = json!({"$ref": "#/$defs/retry"});
    task["properties"]["poll"] = json!({"$ref": "#/$defs/poll"});
    for checks in ["preconditions", "postconditions"] {
        task["properties"][checks] = json!({"type": "array", "items": {"$ref": "#/$defs/check"}});
    }
    task["properties"]["uses"] = json!({"anyOf": [
        {"enum": modules.iter().map(|one| one.name).collect::<Vec<_>>()},
        {"type": "string", "pattern": "^\\./.*\\.ya?ml$"},
    ]});
    task["allOf"] = modules
        .iter()
        .map(|module| {
            json!({
                "if": {"properties": {"uses": {"const": module.name}}, "required": ["uses"]},
                "then": {"properties": {"with": arguments(module)}},
            })
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "runbook/v1",
        "$defs": {
            "task": task,
            "input": object(shape::INPUT),
            "retry": object(shape::RETRY),
            "poll": object(shape::POLL),
            "check": object(shape::CHECK),
            "schedule": schedule,
            "dst": object(shape::DST),
            "catch_up": object(shape::CATCH_UP),
            "expression": {"type": "string", "pattern": "\\$\\{\\{"},
        },
        "allOf": [root],
    })
}

fn object(shape: Shape) -> Value {
    let usable = || shape.iter().filter(|key| key.support == Support::Here);
    let properties: Map<String, Value> = usable()
        .map(|key| {
            let mut holds = holds(key.holds);
            holds["description"] = json!(key.text);
            (key.name.to_owned(), holds)
        })
        .collect();
    let required: Vec<&str> = usable().filter(|key| key.required).map(|key| key.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn holds(holds: Holds) -> Value {
    match holds {
        Holds::Text => json!({"type": "string"}),
        Holds::Count => json!({"type": "integer", "minimum": 1}),
        Holds::Number => json!({"type": "number", "minimum": 0}),
        Holds::Boolean => json!({"type": "boolean"}),
        Holds::Duration => json!({"type": "string", "pattern": DURATION}),
        Holds::Expression => json!({"type": ["string", "boolean"]}),
        Holds::OneOf(words) => json!({"enum": words}),
        Holds::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Holds::Map => json!({"type": "object"}),
        Holds::List => json!({"type": "array"}),
        Holds::Any => json!({}),
    }
}

const DURATION: &str = "^([0-9]+(ms|s|m|h|d))+$";

fn arguments(module: &Schema) -> Value {
    let properties: Map<String, Value> =
        module.arguments.iter().map(|one| (one.name.to_owned(), argument(one))).collect();
    let required: Vec<&str> =
        module.arguments.iter().filter(|one| one.required).map(|one| one.name).collect();
    json!({
        "type": "object",
        "description": module.summary,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn argument(argument: &Argument) -> Value {
    let mut plain = of_type(&argument.r#type);
    if !argument.allowed.is_empty() {
        plain = json!({"enum": argument.allowed});
    }
    let mut schema = json!({"anyOf": [plain, {"$ref": "#/$defs/expression"}]});
    schema["description"] = json!(argument.description);
    if let Some(default) = &argument.default {
        schema["default"] = default.to_json_with(&|_| Value::Null);
    }
    schema
}

fn of_type(kind: &Type) -> Value {
    match kind {
        Type::Any => json!({}),
        Type::String | Type::Bytes => json!({"type": "string"}),
        Type::Integer => json!({"type": "integer"}),
        Type::Number => json!({"type": "number"}),
        Type::Boolean => json!({"type": "boolean"}),
        Type::Duration => json!({"type": "string", "pattern": DURATION}),
        Type::List(items) => json!({"type": "array", "items": or_expression(items)}),
        Type::Map(values) => {
            json!({"type": "object", "additionalProperties": or_expression(values)})
        }
        Type::Object(fields) => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, field)| (name.clone(), or_expression(&field.r#type)))
                .collect();
            let required: Vec<&String> =
                fields.iter().filter(|(_, field)| field.required).map(|(name, _)| name).collect();
            json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            })
        }
        Type::Nullable(inner) => json!({"anyOf": [of_type(inner), {"type": "null"}]}),
    }
}

fn or_expression(kind: &Type) -> Value {
    json!({"anyOf": [of_type(kind), {"$ref": "#/$defs/expression"}]})
}
