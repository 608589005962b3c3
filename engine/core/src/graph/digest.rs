//! The digest of a graph's meaning: what resume compares.
//!
//! Comments, the order of keys, quoting and file names do not show; tasks, expressions, inputs and
//! module names do. The scheme has a version, so that a change of it never looks like an edit.

use serde_json::{Value as Json, json};

use super::template::{Part, TextPart};
use super::{BoundTo, Edge, EdgeKind, Graph, Scope, TemplateId, Vertex};

/// Version of the scheme. 1: canonical JSON of all vertices, blake3. 2: with what calls are given
/// and give, and with the kind of each edge.
const SCHEME: u32 = 2;

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
    let outputs: Vec<Json> = graph.scopes.iter().map(|scope| outputs_of(graph, scope)).collect();
    hash(&json!({
        "name": graph.name,
        "inputs": inputs,
        "connections": connections,
        "tasks": tasks,
        "outputs": outputs,
    }))
}

fn outputs_of(graph: &Graph, scope: &Scope) -> Json {
    let outputs = scope.outputs.iter().map(|(name, id)| (name.clone(), template(graph, *id)));
    outputs.collect::<serde_json::Map<_, _>>().into()
}

/// The calls around a task, innermost first: what they are repeated over, what they are given.
fn calls(graph: &Graph, vertex: &Vertex) -> Vec<Json> {
    let mut calls = Vec::new();
    let mut scope = graph.scope(vertex.scope);
    while let Some(parent) = scope.parent {
        let given: serde_json::Map<String, Json> = scope
            .inputs
            .iter()
            .map(|(name, bound)| {
                let meaning = match &bound.to {
                    BoundTo::Value(_) if bound.declaration.sensitive => "(secret)".into(),
                    BoundTo::Value(value) => value.to_json_with(&|_| "(secret)".into()),
                    BoundTo::Argument(id) => template(graph, *id),
                };
                (name.clone(), meaning)
            })
            .collect();
        let for_each = scope.for_each.map(|id| graph.program(id).text.trim());
        calls.push(json!({"id": scope.id, "for_each": for_each, "with": given}));
        scope = graph.scope(parent);
    }
    calls
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
        "calls": calls(graph, vertex),
        "edges": vertex.edges.iter().map(|edge| edge_meaning(graph, edge)).collect::<Vec<_>>(),
    })
}

fn edge_meaning(graph: &Graph, edge: &Edge) -> Json {
    let ended = edge.kind == EdgeKind::Ended;
    json!([graph.vertex(edge.on).path.join("/"), if ended { "ended" } else { "succeeded" }])
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
