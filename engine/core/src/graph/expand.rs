//! Repetition: the keys of `for_each`, once they can be known.

use std::collections::BTreeSet;

use super::{Bindings, Evaluated, ExpressionId, Graph, Place, Problem, Read, ScopeId, VertexId};
use crate::value::Value;

/// The instances of something repeated.
#[derive(Debug, Clone, PartialEq)]
pub enum Expansion {
    /// It is not repeated.
    Once,
    /// Keys and values: of a list in its order, of a map by key.
    Keys(Vec<(String, Value)>),
    /// The keys wait for these reads.
    Unknown(Vec<Read>),
    /// What it is repeated over was skipped.
    Skipped(String),
}

impl Graph {
    /// The instances of a call in a place of its parent.
    pub fn expand_call(
        &self,
        call: ScopeId,
        outer: &Place,
        bindings: &dyn Bindings,
    ) -> Result<Expansion, Problem> {
        match self.scope(call).for_each {
            None => Ok(Expansion::Once),
            Some(expression) => self.expand(expression, outer, bindings),
        }
    }

    /// The instances of a vertex in a place of its scope.
    pub fn expand_vertex(
        &self,
        vertex: VertexId,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Result<Expansion, Problem> {
        match self.vertex(vertex).for_each {
            None => Ok(Expansion::Once),
            Some(expression) => self.expand(expression, place, bindings),
        }
    }

    fn expand(
        &self,
        id: ExpressionId,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Result<Expansion, Problem> {
        let Evaluated { value, unknown, skipped, reads } = self.evaluate(id, place, bindings)?;
        if let Some(skipped) = skipped {
            return Ok(Expansion::Skipped(skipped));
        }
        let problem = |message: String| Err(self.program(id).problem("RB0240", message, None));
        let keyed = match &value {
            Value::Unknown(_) => return Ok(Expansion::Unknown(unknown)),
            Value::Secret(_) => {
                return problem("what is repeated over cannot be secret".to_owned());
            }
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
            }
            Value::List(items) => {
                let mut keyed = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match item {
                        Value::String(text) => keyed.push((text.to_string(), item.clone())),
                        Value::Unknown(_) => {
                            return Ok(Expansion::Unknown(if unknown.is_empty() {
                                reads
                            } else {
                                unknown
                            }));
                        }
                        other => {
                            let found = other.kind();
                            return problem(format!(
                                "a list of `for_each` holds texts, found {found}; a map gives other values a key"
                            ));
                        }
                    }
                }
                keyed
            }
            other => {
                return problem(format!(
                    "`for_each` takes a list of texts or a map, found {}",
                    other.kind()
                ));
            }
        };
        let mut seen = BTreeSet::new();
        for (key, _) in &keyed {
            if !seen.insert(key.clone()) {
                return problem(format!("the key `{key}` comes twice"));
            }
        }
        Ok(Expansion::Keys(keyed))
    }
}
