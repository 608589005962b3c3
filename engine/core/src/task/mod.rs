//! A task's instance: where it stands, what it is given, and what is known of all others.
//!
//! Planning and applying ask the same questions of an instance, in the same order: does it run
//! (`when`), what are its arguments, what does it talk to. They differ in what is known. So the
//! answers live here once: [`Instance`], [`Knowledge`], and the answers of `evaluate`.

mod by_instance;
pub mod evaluate;
mod knowledge;

pub(crate) use by_instance::ByInstance;
pub use knowledge::{Knowledge, View, Writes, knowledge_writes};

use crate::address::Address;
use crate::graph::{Graph, Keys, Place, ScopeId, VertexId};
use crate::value::Value;

/// One instance of a vertex.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The vertex.
    pub vertex: VertexId,
    /// Keys of the repeated calls around it.
    pub keys: Keys,
    /// Its own key, when it is repeated.
    pub own: Option<(String, Value)>,
}

/// An instance without the values of its keys: what state is filed under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// The vertex.
    pub vertex: VertexId,
    /// Keys of the repeated calls around it.
    pub keys: Vec<String>,
    /// Its own key.
    pub own: Option<String>,
}

impl Instance {
    /// What state is filed under.
    pub fn key(&self) -> InstanceKey {
        InstanceKey {
            vertex: self.vertex,
            keys: self.keys.iter().map(|(key, _)| key.clone()).collect(),
            own: self.own.as_ref().map(|(key, _)| key.clone()),
        }
    }

    /// Its address.
    pub fn address(&self, graph: &Graph) -> Address {
        let keys = self.keys.iter().map(|(key, _)| key.as_str());
        let own = self.own.as_ref().map(|(key, _)| key.as_str());
        graph.vertex(self.vertex).address_of(graph, keys, own)
    }

    /// Where its own expressions are evaluated.
    pub fn place(&self, graph: &Graph) -> Place {
        Place {
            scope: graph.vertex(self.vertex).scope,
            keys: self.keys.clone(),
            each: self.own.clone(),
        }
    }

    /// Where an expression of an enclosing scope is evaluated: the `when` of a call around it, or
    /// the settings of a connection. `each` is then the key of the call.
    pub fn outer_place(&self, graph: &Graph, scope: ScopeId) -> Place {
        let own = graph.vertex(self.vertex).scope;
        if scope == own {
            return self.place(graph);
        }
        let depth = graph.depth(scope);
        let mut inner = own;
        while let Some(parent) = graph.scopes[inner.0 as usize].parent {
            if parent == scope {
                break;
            }
            inner = parent;
        }
        let repeated = graph.scopes[inner.0 as usize].for_each.is_some();
        let each = if repeated { self.keys.get(depth).cloned() } else { None };
        Place { scope, keys: self.keys.iter().take(depth).cloned().collect(), each }
    }
}
