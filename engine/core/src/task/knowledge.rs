//! What is known of all tasks: outputs, keys, what was or will be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{ByInstance, InstanceKey};
use crate::failure::{Class, Failure};
use crate::graph::{Bindings, Graph, Keys, Place, ScopeId, TaskOutputs, VertexId};
use crate::module::Values;
use crate::value::{Secret, Type, Value};

/// Whether a task writes in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// It did, or will.
    Yes,
    /// It did not, and will not.
    No,
    /// Not known yet.
    Open,
}

/// From whether it is known that something is written.
pub fn knowledge_writes(known: Option<bool>) -> Writes {
    match known {
        Some(true) => Writes::Yes,
        Some(false) => Writes::No,
        None => Writes::Open,
    }
}

/// Everything known; grows while tasks end.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    outputs: ByInstance<TaskOutputs>,
    vertex_keys: BTreeMap<(VertexId, Vec<String>), Keys>,
    call_keys: BTreeMap<(ScopeId, Vec<String>), Keys>,
    /// By vertex, as far as it is known.
    writes: Vec<Option<Writes>>,
    /// `run.id`, once there is one.
    pub run_id: Option<String>,
    /// `run.slot`: the slot of a schedule, else when the plan was made.
    pub slot: Option<Timestamp>,
    /// The environment's variables that `secret('env:…')` may read.
    pub environment: Arc<BTreeMap<String, String>>,
}

impl Knowledge {
    /// Makes room for what is learnt of so many vertices: it is not copied while it grows.
    pub(crate) fn make_room(&mut self, vertices: usize) {
        self.outputs.make_room(vertices);
        self.writes.reserve_exact(vertices.saturating_sub(self.writes.len()));
    }

    /// Makes room for what is learnt of so many instances of a vertex.
    pub(crate) fn make_room_for(&mut self, vertex: VertexId, instances: usize) {
        self.outputs.make_room_for(vertex, instances);
    }

    /// Files the outputs of an instance.
    pub fn learn(&mut self, key: InstanceKey, outputs: TaskOutputs) {
        self.outputs.insert(key, outputs);
    }

    /// What is filed of an instance.
    pub fn outputs_of(&self, key: &InstanceKey) -> Option<&TaskOutputs> {
        self.outputs.get(key)
    }

    /// Files the keys of a repeated vertex.
    pub fn learn_keys(&mut self, vertex: VertexId, keys: &[String], own: Vec<(String, Value)>) {
        self.vertex_keys.insert((vertex, keys.to_vec()), own);
    }

    /// Files the keys of a repeated call.
    pub fn learn_call_keys(&mut self, call: ScopeId, keys: &[String], own: Vec<(String, Value)>) {
        self.call_keys.insert((call, keys.to_vec()), own);
    }

    /// Files whether an instance of the vertex writes: `Yes` wins over `Open` over `No`.
    pub fn learn_writes(&mut self, vertex: VertexId, writes: Writes) {
        let index = vertex.0 as usize;
        if self.writes.len() <= index {
            self.writes.resize(index + 1, None);
        }
        let known = self.writes[index].get_or_insert(Writes::No);
        *known = match (*known, writes) {
            (Writes::Yes, _) | (_, Writes::Yes) => Writes::Yes,
            (Writes::Open, _) | (_, Writes::Open) => Writes::Open,
            _ => Writes::No,
        };
    }

    /// What an instance of that vertex sees.
    pub fn view<'a>(&'a self, graph: &'a Graph, vertex: VertexId) -> View<'a> {
        View { graph, knowledge: self, vertex: Some(vertex), own: BTreeMap::new() }
    }

    /// What the runbook's own outputs see.
    pub fn root_view<'a>(&'a self, graph: &'a Graph) -> View<'a> {
        View { graph, knowledge: self, vertex: None, own: BTreeMap::new() }
    }

    /// Whether anything that the vertex comes after writes.
    fn changed(&self, graph: &Graph, vertex: VertexId) -> Value {
        let mut seen = BTreeSet::new();
        let mut queue = vec![vertex];
        let mut open = false;
        while let Some(at) = queue.pop() {
            for edge in &graph.vertex(at).edges {
                if seen.insert(edge.on) {
                    match self.writes.get(edge.on.0 as usize).and_then(Option::as_ref) {
                        Some(Writes::Yes) => return Value::Boolean(true),
                        Some(Writes::No) => {}
                        Some(Writes::Open) | None => open = true,
                    }
                    queue.push(edge.on);
                }
            }
        }
        if open { Value::Unknown(Arc::new(Type::Boolean)) } else { Value::Boolean(false) }
    }

    /// The scope instances of a scope: keys of the repeated calls around it. `None` while one of
    /// them is unknown.
    pub fn scope_instances(&self, graph: &Graph, scope: ScopeId) -> Option<Vec<Keys>> {
        let one = &graph.scopes[scope.0 as usize];
        let Some(parent) = one.parent else { return Some(vec![Vec::new()]) };
        let outer = self.scope_instances(graph, parent)?;
        if one.for_each.is_none() {
            return Some(outer);
        }
        let mut instances = Vec::new();
        for keys in outer {
            let texts: Vec<String> = keys.iter().map(|(key, _)| key.clone()).collect();
            for own in self.call_keys.get(&(scope, texts))? {
                let mut inside = keys.clone();
                inside.push(own.clone());
                instances.push(inside);
            }
        }
        Some(instances)
    }

    /// The place of a scope instance, from its keys.
    pub fn place_of_call(graph: &Graph, call: ScopeId, keys: &Keys) -> Option<Place> {
        let parent = graph.scopes[call.0 as usize].parent?;
        Some(Place {
            scope: parent,
            keys: keys.iter().take(graph.depth(parent)).cloned().collect(),
            each: None,
        })
    }
}

/// Knowledge as one instance sees it.
pub struct View<'a> {
    graph: &'a Graph,
    knowledge: &'a Knowledge,
    vertex: Option<VertexId>,
    own: BTreeMap<String, Value>,
}

impl View<'_> {
    /// The same with `self.outputs`.
    #[must_use]
    pub fn with_own_outputs(mut self, outputs: &Values) -> Self {
        let own = Value::map([("outputs", Value::Map(Arc::new(outputs.clone())))]);
        self.own.insert("self".to_owned(), own);
        self
    }

    /// The same with `error`.
    #[must_use]
    pub fn with_error(mut self, failure: &Failure) -> Self {
        let class = serde_json::to_value(failure.class).unwrap_or_default();
        let error = Value::map([
            ("code", failure.code.as_deref().map_or(Value::Null, Value::from)),
            ("class", Value::from_json(&class)),
            ("message", Value::from(failure.message.as_str())),
        ]);
        self.own.insert("error".to_owned(), error);
        self
    }
}

impl Bindings for View<'_> {
    fn outputs(&self, vertex: VertexId, keys: &[String], own: Option<&str>) -> TaskOutputs {
        let key = InstanceKey { vertex, keys: keys.to_vec(), own: own.map(str::to_owned) };
        self.knowledge
            .outputs
            .get(&key)
            .cloned()
            .unwrap_or_else(|| TaskOutputs::Known(self.graph.vertex(vertex).unknown.clone()))
    }

    fn keys(&self, vertex: VertexId, keys: &[String]) -> Option<Vec<String>> {
        let own = self.knowledge.vertex_keys.get(&(vertex, keys.to_vec()))?;
        Some(own.iter().map(|(key, _)| key.clone()).collect())
    }

    fn call_keys(&self, call: ScopeId, keys: &[String]) -> Option<Vec<(String, Value)>> {
        self.knowledge.call_keys.get(&(call, keys.to_vec())).cloned()
    }

    fn run(&self, field: &str) -> Value {
        match (field, self.vertex) {
            ("changed", Some(vertex)) => self.knowledge.changed(self.graph, vertex),
            ("id", _) => self
                .knowledge
                .run_id
                .as_deref()
                .map_or_else(|| Value::Unknown(Arc::new(Type::String)), Value::from),
            ("slot", _) => self.knowledge.slot.map_or_else(
                || Value::Unknown(Arc::new(Type::String)),
                |slot| Value::from(slot.to_string().as_str()),
            ),
            _ => Value::Unknown(Arc::new(Type::Any)),
        }
    }

    fn own(&self, root: &str) -> Option<Value> {
        self.own.get(root).cloned()
    }

    fn secret(&self, reference: &str) -> Result<Value, Failure> {
        let missing = |what: String| Failure::new(Class::Invalid, what);
        match reference.split_once(':') {
            Some(("env", name)) => match self.knowledge.environment.get(name) {
                Some(text) => Ok(Value::Secret(Secret::new(Value::from(text.as_str())))),
                None => Err(missing(format!("the environment has no variable `{name}`"))),
            },
            Some(("file", path)) => match std::fs::read_to_string(path) {
                Ok(text) => {
                    Ok(Value::Secret(Secret::new(Value::from(text.trim_end_matches('\n')))))
                }
                Err(error) => {
                    Err(missing(format!("failed to read the secret file `{path}`: {error}")))
                }
            },
            _ => Err(missing(format!("`{reference}` is not a kind of secret"))),
        }
    }
}
