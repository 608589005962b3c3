//! The digest of a graph's meaning: what resume compares.
//!
//! Comments, the order of keys, quoting and file names do not show; tasks, expressions, inputs and
//! module names do. The scheme has a version, so that a change of it never looks like an edit.

use serde_json::{Value as Json, json};

use super::template::{Part, TextPart};
use super::{Graph, TemplateId, Vertex};

/// Version of the scheme. 1: canonical JSON of all vertices, blake3.
const SCHEME: u32 = 1;

/// The digest of the whole graph.
pub(super) fn digest(graph: &Graph) -> String {
    let tasks: Vec<Json> = graph.vertices.iter().map(|vertex| meaning(graph, vertex)).collect();
    let connections: Vec<Json> = graph
        .connections
        .iter()
        .map(|one| json!([one.name, one.kind, template(graph, one.settings)]))
        .collect();
    let inputs: serde_json::Map<String, Json> = graph
        .inputs
        .iter()
        .map(|(name, value)| (name.clone(), value.to_json_with(&|_| "(secret)".into())))
        .collect();
    hash(&json!({"name": graph.name, "inputs": inputs, "connections": connections, "tasks": tasks}))
}

fn hash(meaning: &Json) -> String {
    let hex = blake3::hash(meaning.to_string().as_bytes()).to_hex();
    format!("{SCHEME}:{}", hex.as_str().get(..32).unwrap_or_default())
}

impl Graph {
    /// The versioned digest of one task's declared meaning.
    pub fn fingerprint(&self, vertex: &Vertex) -> String {
        hash(&meaning(self, vertex))
    }
}

fn meaning(graph: &Graph, vertex: &Vertex) -> Json {
    let text = |id: super::ExpressionId| graph.program(id).text.trim().to_owned();
    let checks = |checks: &[super::Check]| -> Vec<Json> {
        checks
            .iter()
            .map(|check| json!([text(check.that), template(graph, check.message)]))
            .collect()
    };
    json!({
        "path": vertex.path,
        "module": vertex.module.schema().name,
        "with": template(graph, vertex.with),
        "when": vertex.when.iter().map(|(_, id)| text(*id)).collect::<Vec<_>>(),
        "for_each": vertex.for_each.map(text),
        "until": vertex.until.map(text),
        "locks": vertex.locks.map(|id| template(graph, id)),
        "preconditions": checks(&vertex.preconditions),
        "postconditions": checks(&vertex.postconditions),
        "adopt": vertex.adopt,
        "edges": vertex.edges.iter().map(|edge| graph.vertex(edge.on).path.join("/")).collect::<Vec<_>>(),
    })
}

fn template(graph: &Graph, id: TemplateId) -> Json {
    part(graph, &graph.templates[id.0 as usize].root)
}

fn part(graph: &Graph, tree: &Part) -> Json {
    match tree {
        Part::Literal(value) => value.to_json_with(&|_| "(secret)".into()),
        Part::Expression(id) => json!({"${{}}": graph.program(*id).text.trim()}),
        Part::Text(parts) => parts
            .iter()
            .map(|one| match one {
                TextPart::Text(text) => json!(text),
                TextPart::Expression(id) => json!({"${{}}": graph.program(*id).text.trim()}),
            })
            .collect(),
        Part::List(items) => items.iter().map(|item| part(graph, item)).collect(),
        Part::Map(entries) => entries
            .iter()
            .map(|(name, inner, _)| (name.clone(), part(graph, inner)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
