//! Something that is kept of each instance.

use indexmap::IndexMap;

use super::InstanceKey;
use crate::graph::VertexId;

/// Values by instance. Most vertices have one instance, which its position in the graph finds, and
/// those of the others are found by their hash: how many tasks a run has does not show in what a
/// look-up costs.
#[derive(Debug, Clone)]
pub(crate) struct ByInstance<T>(Vec<OfVertex<T>>);

#[derive(Debug, Clone)]
enum OfVertex<T> {
    None,
    One(InstanceKey, T),
    Several(IndexMap<InstanceKey, T>),
}

impl<T> Default for ByInstance<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByInstance<T> {
    /// Room for the instances of so many vertices.
    pub(crate) fn for_vertices(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Makes room for the instances of so many vertices, if it is not there.
    pub(crate) fn make_room(&mut self, count: usize) {
        self.0.reserve_exact(count.saturating_sub(self.0.len()));
    }

    /// Makes room for so many instances of a vertex, of which nothing is kept yet.
    pub(crate) fn make_room_for(&mut self, vertex: VertexId, count: usize) {
        let index = vertex.0 as usize;
        if count > 1 {
            self.reach(index);
            if matches!(self.0[index], OfVertex::None) {
                self.0[index] = OfVertex::Several(IndexMap::with_capacity(count));
            }
        }
    }

    fn reach(&mut self, index: usize) {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || OfVertex::None);
        }
    }

    /// The value of an instance.
    pub(crate) fn get(&self, key: &InstanceKey) -> Option<&T> {
        match self.0.get(key.vertex.0 as usize)? {
            OfVertex::None => None,
            OfVertex::One(only, value) => (only == key).then_some(value),
            OfVertex::Several(values) => values.get(key),
        }
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: &InstanceKey) -> Option<&mut T> {
        match self.0.get_mut(key.vertex.0 as usize)? {
            OfVertex::None => None,
            OfVertex::One(only, value) => (only == key).then_some(value),
            OfVertex::Several(values) => values.get_mut(key),
        }
    }

    /// Files a value, in place of an earlier one.
    pub(crate) fn insert(&mut self, key: InstanceKey, value: T) {
        let VertexId(index) = key.vertex;
        let index = index as usize;
        self.reach(index);
        let of_vertex = &mut self.0[index];
        match of_vertex {
            OfVertex::Several(values) => {
                values.insert(key, value);
            }
            OfVertex::One(only, _) if *only != key => {
                if let OfVertex::One(first, its) = std::mem::replace(of_vertex, OfVertex::None) {
                    *of_vertex = OfVertex::Several(IndexMap::from([(first, its), (key, value)]));
                }
            }
            OfVertex::None | OfVertex::One(..) => *of_vertex = OfVertex::One(key, value),
        }
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, key: &InstanceKey) -> Option<T> {
        let of_vertex = self.0.get_mut(key.vertex.0 as usize)?;
        match of_vertex {
            OfVertex::Several(values) => values.swap_remove(key),
            OfVertex::One(only, _) if only == key => {
                match std::mem::replace(of_vertex, OfVertex::None) {
                    OfVertex::One(_, value) => Some(value),
                    _ => None,
                }
            }
            OfVertex::None | OfVertex::One(..) => None,
        }
    }

    /// All of them, in the order of the graph and then of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&InstanceKey, &T)> {
        self.0.iter().flat_map(|of_vertex| {
            let (one, several) = match of_vertex {
                OfVertex::None => (None, None),
                OfVertex::One(only, value) => (Some((only, value)), None),
                OfVertex::Several(values) => (None, Some(sorted(values.iter()))),
            };
            one.into_iter().chain(several.into_iter().flatten())
        })
    }

    /// All of them, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&InstanceKey, &mut T)> {
        self.0.iter_mut().flat_map(|of_vertex| {
            let (one, several) = match of_vertex {
                OfVertex::None => (None, None),
                OfVertex::One(only, value) => (Some((&*only, value)), None),
                OfVertex::Several(values) => (None, Some(sorted(values.iter_mut()))),
            };
            one.into_iter().chain(several.into_iter().flatten())
        })
    }
}

fn sorted<'a, T>(entries: impl Iterator<Item = (&'a InstanceKey, T)>) -> Vec<(&'a InstanceKey, T)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(vertex: u32, own: Option<&str>) -> InstanceKey {
        InstanceKey { vertex: VertexId(vertex), keys: Vec::new(), own: own.map(str::to_owned) }
    }

    #[test]
    fn it_is_a_map_in_the_order_of_the_graph() {
        let mut values = ByInstance::default();
        values.make_room_for(VertexId(1), 2);
        let mut expected = BTreeMap::new();
        let keys = [key(3, None), key(1, Some("b")), key(1, Some("a")), key(3, None), key(0, None)];
        for (value, key) in keys.into_iter().enumerate() {
            values.insert(key.clone(), value);
            expected.insert(key, value);
        }
        assert!(values.iter().eq(expected.iter()));
        assert_eq!(values.get(&key(1, Some("b"))), Some(&1));
        assert_eq!(values.get(&key(1, Some("c"))), None);
        assert_eq!(values.get(&key(3, Some("a"))), None, "the same vertex, another instance");
        assert_eq!(values.get(&key(2, None)), None);
        assert_eq!(values.get(&key(9, None)), None);
        assert_eq!(values.remove(&key(1, Some("c"))), None);
        assert_eq!(values.remove(&key(0, Some("c"))), None);
        assert_eq!(values.remove(&key(1, Some("b"))), Some(1));
        assert_eq!(values.get(&key(1, Some("b"))), None);
        assert_eq!(values.remove(&key(0, None)), Some(4));
        assert_eq!(values.remove(&key(0, None)), None);
        values.insert(key(0, None), 4);
        values.iter_mut().for_each(|(_, value)| *value += 10);
        *values.get_mut(&key(3, None)).unwrap() += 1;
        assert_eq!(values.get(&key(3, None)), Some(&14));
        assert_eq!(values.get(&key(0, None)), Some(&14));
    }
}
