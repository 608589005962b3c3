//! The instances of a vertex: which there are, which of them belong together, what is checked of each.

use crate::graph::{Expansion, Graph, Keys, Place, Problem, Read, ScopeId, VertexId};
use crate::task::{Instance, InstanceKey, Knowledge, knowledge_writes};
use crate::value::Value;

/// Whether an instance needs that instance of a vertex it depends on: the loops around both have
/// the same keys.
pub(crate) fn related(graph: &Graph, dependent: &InstanceKey, on: &InstanceKey) -> bool {
    if dependent.keys.is_empty() || on.keys.is_empty() {
        return true;
    }
    let shared =
        shared_depth(graph, graph.vertex(dependent.vertex).scope, graph.vertex(on.vertex).scope);
    dependent.keys.iter().zip(&on.keys).take(shared).all(|(left, right)| left == right)
}

/// How many repeated calls lie around both scopes.
fn shared_depth(graph: &Graph, left: ScopeId, right: ScopeId) -> usize {
    let ancestors = |from: ScopeId| {
        let mut chain = Vec::new();
        let mut at = Some(from);
        while let Some(id) = at {
            chain.push(id);
            at = graph.scopes[id.0 as usize].parent;
        }
        chain
    };
    let others = ancestors(right);
    ancestors(left)
        .into_iter()
        .find(|id| others.contains(id))
        .map_or(0, |common| graph.depth(common))
}

/// The instances of a vertex, or what they wait for.
pub(crate) enum Expanded {
    Instances(Vec<Instance>),
    Unknown(Vec<Read>),
    Skipped(String),
}

/// Expands a vertex and the calls around it, filing the keys.
pub(crate) fn expand_vertex(
    graph: &Graph,
    knowledge: &mut Knowledge,
    id: VertexId,
) -> Result<Expanded, Problem> {
    let scope = graph.vertex(id).scope;
    let mut chain = Vec::new();
    let mut at = Some(scope);
    while let Some(one) = at {
        chain.insert(0, one);
        at = graph.scopes[one.0 as usize].parent;
    }
    for call in chain {
        let Some(parent) = graph.scopes[call.0 as usize].parent else { continue };
        for keys in knowledge.scope_instances(graph, parent).unwrap_or_default() {
            let place = Place { scope: parent, keys: keys.clone(), each: None };
            match graph.expand_call(call, &place, &knowledge.view(graph, id))? {
                Expansion::Once => {}
                Expansion::Keys(own) => knowledge.learn_call_keys(call, &texts(&keys), own),
                Expansion::Unknown(reads) => return Ok(Expanded::Unknown(reads)),
                Expansion::Skipped(why) => return Ok(Expanded::Skipped(why)),
            }
        }
    }
    let Some(all) = knowledge.scope_instances(graph, scope) else {
        return Ok(Expanded::Unknown(Vec::new()));
    };
    let mut instances = Vec::new();
    for keys in all {
        let place = Place { scope, keys: keys.clone(), each: None };
        let expansion = graph.expand_vertex(id, &place, &knowledge.view(graph, id))?;
        match expansion {
            Expansion::Once => instances.push(Instance { vertex: id, keys, own: None }),
            Expansion::Keys(own) => {
                knowledge.learn_keys(id, &texts(&keys), own.clone());
                instances.extend(own.into_iter().map(|own| Instance {
                    vertex: id,
                    keys: keys.clone(),
                    own: Some(own),
                }));
            }
            Expansion::Unknown(reads) => return Ok(Expanded::Unknown(reads)),
            Expansion::Skipped(why) => return Ok(Expanded::Skipped(why)),
        }
    }
    knowledge.make_room_for(id, instances.len());
    if instances.is_empty() {
        // Nobody else says so, and `run.changed` asks.
        knowledge.learn_writes(id, knowledge_writes(Some(false)));
    }
    Ok(Expanded::Instances(instances))
}

fn texts(keys: &Keys) -> Vec<String> {
    keys.iter().map(|(key, _)| key.clone()).collect()
}

/// Checks one condition with its message; unknown conditions are checked at apply.
pub(crate) fn check_one(
    graph: &Graph,
    check: crate::graph::Check,
    place: &Place,
    view: &crate::task::View<'_>,
) -> Result<(), Problem> {
    let evaluated = graph.evaluate(check.that, place, view)?;
    match evaluated.value {
        Value::Boolean(true) | Value::Unknown(_) => Ok(()),
        Value::Boolean(false) => {
            let message = graph.evaluate_template(check.message, place, view)?;
            Err(graph.program(check.that).problem("RB0250", message.value.to_string(), None))
        }
        other => {
            let found = other.kind();
            Err(graph.program(check.that).problem(
                "RB0242",
                format!("a condition is `true` or `false`, found {found}"),
                None,
            ))
        }
    }
}
