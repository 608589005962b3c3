//! The digest of a graph's meaning: what resume compares.
//!
//! Comments, the order of keys, quoting and file names do not show; tasks, expressions, inputs and
//! module names do. The scheme has a version, so that a change of it never looks like an edit.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::template::{Part, TextPart};
use super::{BoundTo, Check, Edge, EdgeKind, ExpressionId, Graph, Scope, TemplateId, Vertex};
use crate::digest::{hex, of_json};
use crate::value::Value;

/// Version of the scheme. 1: canonical JSON of all vertices, blake3. 2: with what calls are given
/// and give, and with the kind of each edge. 3: the fields of a task in a fixed
/// order, written as they are read off the graph.
const SCHEME: u32 = 3;

/// The digest of the whole graph.
pub(super) fn digest(graph: &Graph) -> String {
    #[derive(Serialize)]
    struct Whole<'a> {
        name: &'a str,
        inputs: BTreeMap<&'a str, Masked<'a>>,
        connections: Vec<(&'a str, crate::connection::Kind, Tree<'a>)>,
        tasks: Vec<Meaning<'a>>,
        outputs: Vec<BTreeMap<&'a str, Tree<'a>>>,
    }
    hash(&Whole {
        name: &graph.name,
        inputs: graph.inputs.iter().map(|(name, value)| (name.as_str(), Masked(value))).collect(),
        connections: graph
            .connections
            .iter()
            .map(|one| (one.name.as_str(), one.kind, tree(graph, one.settings)))
            .collect(),
        tasks: graph.vertices.iter().map(|vertex| Meaning { graph, vertex }).collect(),
        outputs: graph.scopes.iter().map(|scope| outputs_of(graph, scope)).collect(),
    })
}

fn outputs_of<'a>(graph: &'a Graph, scope: &'a Scope) -> BTreeMap<&'a str, Tree<'a>> {
    scope.outputs.iter().map(|(name, id)| (name.as_str(), tree(graph, *id))).collect()
}

fn hash(meaning: &impl Serialize) -> String {
    format!("{SCHEME}:{}", hex(&of_json(meaning), 32))
}

impl Graph {
    /// The versioned digest of one task's declared meaning.
    pub fn fingerprint(&self, vertex: &Vertex) -> String {
        hash(&Meaning { graph: self, vertex })
    }
}

/// What a task means.
struct Meaning<'a> {
    graph: &'a Graph,
    vertex: &'a Vertex,
}

impl<'a> Serialize for Meaning<'a> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            path: &'a [String],
            module: &'a str,
            with: Tree<'a>,
            when: Vec<&'a str>,
            for_each: Option<&'a str>,
            until: Option<&'a str>,
            locks: Option<Tree<'a>>,
            preconditions: Vec<(&'a str, Tree<'a>)>,
            postconditions: Vec<(&'a str, Tree<'a>)>,
            adopt: bool,
            calls: Vec<Call<'a>>,
            edges: Vec<(String, &'static str)>,
        }
        let Self { graph, vertex } = *self;
        let checks = |checks: &'a [Check]| -> Vec<(&'a str, Tree<'a>)> {
            checks.iter().map(|one| (text(graph, one.that), tree(graph, one.message))).collect()
        };
        let fields = Fields {
            path: &vertex.path,
            module: vertex.module.schema().name,
            with: tree(graph, vertex.with),
            when: vertex.when.iter().map(|(_, id)| text(graph, *id)).collect(),
            for_each: vertex.for_each.map(|id| text(graph, id)),
            until: vertex.until.map(|id| text(graph, id)),
            locks: vertex.locks.map(|id| tree(graph, id)),
            preconditions: checks(&vertex.preconditions),
            postconditions: checks(&vertex.postconditions),
            adopt: vertex.adopt,
            calls: calls(graph, vertex),
            edges: vertex.edges.iter().map(|edge| edge_meaning(graph, edge)).collect(),
        };
        fields.serialize(serializer)
    }
}

/// A call around a task: what it is repeated over, what it is given.
#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    for_each: Option<&'a str>,
    with: BTreeMap<&'a str, Given<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Given<'a> {
    Hidden(&'static str),
    Value(Masked<'a>),
    Argument(Tree<'a>),
}

/// The calls around a task, innermost first.
fn calls<'a>(graph: &'a Graph, vertex: &Vertex) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    let mut scope = graph.scope(vertex.scope);
    while let Some(parent) = scope.parent {
        let with = scope
            .inputs
            .iter()
            .map(|(name, bound)| {
                let given = match &bound.to {
                    BoundTo::Value(_) if bound.declaration.sensitive => Given::Hidden(HIDDEN),
                    BoundTo::Value(value) => Given::Value(Masked(value)),
                    BoundTo::Argument(id) => Given::Argument(tree(graph, *id)),
                };
                (name.as_str(), given)
            })
            .collect();
        let for_each = scope.for_each.map(|id| text(graph, id));
        calls.push(Call { id: &scope.id, for_each, with });
        scope = graph.scope(parent);
    }
    calls
}

fn edge_meaning(graph: &Graph, edge: &Edge) -> (String, &'static str) {
    let kind = if edge.kind == EdgeKind::Ended { "ended" } else { "succeeded" };
    (graph.vertex(edge.on).path.join("/"), kind)
}

fn text(graph: &Graph, id: ExpressionId) -> &str {
    graph.program(id).text.trim()
}

fn tree(graph: &Graph, id: TemplateId) -> Tree<'_> {
    Tree { graph, part: &graph.templates[id.0 as usize].root }
}

/// A template: literals as they are, expressions as `{"${{}}": text}`.
struct Tree<'a> {
    graph: &'a Graph,
    part: &'a Part,
}

/// The text of an expression.
#[derive(Serialize)]
struct Expression<'a> {
    #[serde(rename = "${{}}")]
    text: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Piece<'a> {
    Text(&'a str),
    Expression(Expression<'a>),
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { graph, part } = *self;
        match part {
            Part::Literal(value) => Masked(value).serialize(serializer),
            Part::Expression(id) => Expression { text: text(graph, *id) }.serialize(serializer),
            Part::Text(parts) => serializer.collect_seq(parts.iter().map(|piece| match piece {
                TextPart::Text(plain) => Piece::Text(plain),
                TextPart::Expression(id) => {
                    Piece::Expression(Expression { text: text(graph, *id) })
                }
            })),
            Part::List(items) => {
                serializer.collect_seq(items.iter().map(|part| Tree { graph, part }))
            }
            Part::Map(entries) => {
                // The order of keys in the file means nothing.
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|(one, ..), (other, ..)| one.cmp(other));
                serializer
                    .collect_map(sorted.iter().map(|(name, part, _)| (name, Tree { graph, part })))
            }
        }
    }
}

/// In place of a secret.
const HIDDEN: &str = "(secret)";

/// A value as JSON, secrets masked.
struct Masked<'a>(&'a Value);

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Number(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter().map(Masked)),
            Value::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, Masked(value))))
            }
            Value::Unknown(kind) => serializer.collect_map([("unknown", kind.to_string())]),
            Value::Secret(_) => serializer.serialize_str(HIDDEN),
        }
    }
}
