//! JSON Schemas of the answers, generated from one table per answer.
//!
//! A test holds real answers against these tables, field by field in both directions, so a field
//! that is added to an answer and not here is a broken build.

use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// That, or null when there is none.
    Maybe(&'static Shape),
    /// A list of that.
    List(&'static Shape),
    /// An object with these fields.
    Object(&'static [Field]),
    /// An object whose fields are internal figures, not promised.
    Figures,
}

/// A field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    name: &'static str,
    shape: Shape,
    text: &'static str,
    is_always: bool,
}

/// A field that is always there.
pub const fn field(name: &'static str, shape: Shape, text: &'static str) -> Field {
    Field { name, shape, text, is_always: true }
}

const fn sometimes(name: &'static str, shape: Shape, text: &'static str) -> Field {
    Field { name, shape, text, is_always: false }
}

use Shape::{Figures, Flag, Integer, List, Maybe, Number, Object, Text, Word};

pub(super) const DOLLARS: Shape = Maybe(&Number);
/// A list of texts.
pub const NAMES: Shape = List(&Text);

pub(super) const COVERAGE: Shape = Object(&[
    field("offered", Integer, "what was looked at: types that a pool allows, or prices asked for"),
    field("priced", Integer, "how many of them have a price"),
    field("oldest", Maybe(&Text), "day of the oldest price"),
    field("newest", Maybe(&Text), "day of the newest price"),
    field(
        "restricted_to_priced_types",
        Flag,
        "whether something without a price could change the answer",
    ),
    field("max_age_days", Integer, "after how many days a price is flagged"),
    field("too_old", Flag, "whether a price is older"),
]);

/// Of `capacity pack`.
pub const PACK: Shape = Object(&[
    field(
        "nodes",
        List(&Object(&[
            field("node_pool", Text, "the pool that makes it"),
            field("instance_type", Text, "the cheapest type left, of equal prices the lowest name"),
            field("zones", NAMES, "zones its claim still allows and the type is offered in"),
            field("capacity_type", Text, "how it would be bought"),
            field("usd_per_hour", DOLLARS, "price of the cheapest type left"),
            field("usd_per_hour_at_most", DOLLARS, "of spot, the price of the fifteenth cheapest"),
            sometimes("reason", Text, "why it has no price"),
            field("pods", NAMES, "its pods"),
            field("candidates", Integer, "how many types are left"),
        ])),
        "nodes to launch",
    ),
    field(
        "existing",
        List(&Object(&[field("name", Text, "the node"), field("pods", NAMES, "pods it takes")])),
        "nodes that are there and take pods",
    ),
    field(
        "unschedulable",
        List(&Object(&[field("pod", Text, "the pod"), field("reason", Text, "why")])),
        "pods without a place",
    ),
    field("usd_per_hour", DOLLARS, "sum over the nodes, unrounded; null when one has no price"),
    field("not_simulated", NAMES, "what was asked for and is not simulated"),
    field("prices", COVERAGE, "which types had a price"),
    field("notes", NAMES, "what else is to be known"),
]);

/// Of `capacity fargate`.
pub const FARGATE: Shape = Object(&[
    field("region", Text, "the region of the prices"),
    field(
        "pods",
        List(&Object(&[
            field("pod", Text, "the pod; of a DaemonSet its name"),
            field("billed_vcpu", Maybe(&Number), "what is billed"),
            field("billed_memory_gib", Maybe(&Number), "what is billed"),
            field("ephemeral_storage_gib", Maybe(&Integer), "disk; 20 GiB are included"),
            field("usd_per_hour", DOLLARS, "what it costs"),
            field(
                "predicted",
                Maybe(&Text),
                "what the specification says, where the annotation says something else",
            ),
            field("confidence", Word(&["annotated", "documented", "assumed"]), "how sure it is"),
            field("reason", Text, "the arithmetic, or why there are no figures"),
        ])),
        "each pod",
    ),
    field("usd_per_hour", DOLLARS, "sum over the pods that fit; null when one has no price"),
    field("not_fit", Integer, "pods that cannot run there"),
    field("unpriced", Integer, "pods that fit and have no price"),
    field("prices", COVERAGE, "which prices were known"),
    field("notes", NAMES, "what else is to be known"),
]);

/// Of `capacity allocatable`.
pub const ALLOCATABLE: Shape = Object(&[
    field("settings", Figures, "what was assumed about the node besides its type"),
    field(
        "instance_types",
        List(&Object(&[
            field("instance_type", Text, "the type"),
            field("allocatable_cpu_m", Maybe(&Integer), "CPU for pods in millicores"),
            field("allocatable_memory_mib", Maybe(&Integer), "memory for pods in whole MiB"),
            field("pods", Maybe(&Integer), "how many pods"),
            field("arithmetic", Maybe(&Figures), "every term, in millicores and bytes"),
            field("reason", Maybe(&Text), "why there are no figures"),
        ])),
        "each type",
    ),
]);

/// Of `prices show`.
pub const PRICES: Shape = Object(&[
    field(
        "prices",
        List(&Object(&[
            field("item", Text, "an instance type or a service"),
            field("region", Text, "the region"),
            field(
                "kind",
                Word(&["on-demand", "spot", "auto mode fee", "surplus credits", "list price"]),
                "what kind of price",
            ),
            field("usd", DOLLARS, "the price; of spot the middle of what was seen"),
            field("usd_low", DOLLARS, "of spot, in the cheapest zone"),
            field("usd_high", DOLLARS, "of spot, in the dearest zone"),
            field("unit", Text, "what it is for one of"),
            field("as_of", Maybe(&Text), "the day it was current"),
            field("too_old", Flag, "whether it is older than asked"),
            field("source", Text, "who said so"),
            field("reason", Maybe(&Text), "why there is none"),
        ])),
        "each price",
    ),
    field("max_age_days", Integer, "after how many days a price is flagged"),
    field("unpriced", NAMES, "what has no price anywhere it was looked for"),
]);

/// The JSON Schema of an answer.
pub fn schema(title: &str, shape: Shape) -> Value {
    let mut schema = of(shape);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        fields.insert("title".to_owned(), json!(title));
    }
    schema
}

fn of(shape: Shape) -> Value {
    match shape {
        Text => json!({"type": "string"}),
        Number => json!({"type": "number"}),
        Integer => json!({"type": "integer"}),
        Flag => json!({"type": "boolean"}),
        Figures => json!({"type": "object"}),
        Word(words) => json!({"type": "string", "enum": words}),
        Maybe(shape) => json!({"anyOf": [of(*shape), {"type": "null"}]}),
        List(shape) => json!({"type": "array", "items": of(*shape)}),
        Object(fields) => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|field| {
                    let mut property = of(field.shape);
                    property["description"] = json!(field.text);
                    (field.name.to_owned(), property)
                })
                .collect();
            let always: Vec<&str> =
                fields.iter().filter(|field| field.is_always).map(|field| field.name).collect();
            json!({"type": "object", "properties": properties, "required": always, "additionalProperties": false})
        }
    }
}

/// Where a value is not of a shape; nothing when it is.
pub fn mismatches(value: &Value, shape: Shape) -> Vec<String> {
    let mut found = Vec::new();
    compare("", value, shape, &mut found);
    found
}

fn compare(at: &str, value: &Value, shape: Shape, found: &mut Vec<String>) {
    let fits = match shape {
        Text => value.is_string(),
        Number => value.is_number(),
        Integer => value.is_i64() || value.is_u64(),
        Flag => value.is_boolean(),
        Figures => value.is_object(),
        Word(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Maybe(shape) => {
            if !value.is_null() {
                compare(at, value, *shape, found);
            }
            return;
        }
        List(shape) => match value.as_array() {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    compare(&format!("{at}[{index}]"), item, *shape, found);
                }
                return;
            }
            None => false,
        },
        Object(fields) => match value.as_object() {
            Some(object) => return compare_fields(at, object, fields, found),
            None => false,
        },
    };
    if !fits {
        found.push(format!("{at}: {value} is not {shape:?}"));
    }
}

fn compare_fields(
    at: &str,
    object: &Map<String, Value>,
    fields: &[Field],
    found: &mut Vec<String>,
) {
    for field in fields {
        match object.get(field.name) {
            Some(value) => compare(&format!("{at}.{}", field.name), value, field.shape, found),
            None if field.is_always => found.push(format!("{at}.{} is missing", field.name)),
            None => {}
        }
    }
    for name in object.keys().filter(|name| fields.iter().all(|field| field.name != *name)) {
        found.push(format!("{at}.{name} is not in the schema"));
    }
}
