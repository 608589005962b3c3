//! Cycles, shown whole, and the order of what has none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Graph, VertexId};
use crate::diagnostic::{Code, Diagnostic};

impl Graph {
    /// Vertices such that each comes after what it depends on; between equals, in file order. On a
    /// cycle, the diagnostic that shows the ring.
    pub fn order(&self) -> Result<Vec<VertexId>, Box<Diagnostic>> {
        let count = self.vertices.len();
        let mut waiting: Vec<usize> =
            self.vertices.iter().map(|vertex| vertex.edges.len()).collect();
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (index, vertex) in self.vertices.iter().enumerate() {
            for edge in &vertex.edges {
                followers[edge.on.0 as usize].push(index);
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..count).filter(|index| waiting[*index] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(Reverse(index)) = ready.pop() {
            order.push(VertexId(u32::try_from(index).unwrap_or(u32::MAX)));
            for follower in &followers[index] {
                waiting[*follower] -= 1;
                if waiting[*follower] == 0 {
                    ready.push(Reverse(*follower));
                }
            }
        }
        if order.len() == count { Ok(order) } else { Err(Box::new(self.ring(&waiting))) }
    }

    /// The shortest way to see why: from a vertex that waits, along what it waits for, until one
    /// comes again.
    fn ring(&self, waiting: &[usize]) -> Diagnostic {
        let mut path: Vec<(usize, &super::Edge)> = Vec::new();
        let mut at = waiting.iter().position(|count| *count > 0).unwrap_or(0);
        let start = loop {
            if let Some(start) = path.iter().position(|(index, _)| *index == at) {
                break start;
            }
            let next = self.vertices[at].edges.iter().find(|edge| waiting[edge.on.0 as usize] > 0);
            let Some(edge) = next else { break 0 };
            path.push((at, edge));
            at = edge.on.0 as usize;
        };
        let ring = path.get(start..).unwrap_or_default();
        let mut names: Vec<String> =
            ring.iter().map(|(index, _)| self.vertices[*index].path.join("/")).collect();
        names.extend(names.first().cloned());
        let mut problem = Diagnostic::error(
            Code("RB0220"),
            format!("the tasks wait for each other: {}", names.join(" → ")),
        );
        for (position, (index, edge)) in ring.iter().enumerate() {
            let on = self.vertices[edge.on.0 as usize].path.join("/");
            let why = edge.why.first();
            let text = format!("`{}` waits for `{on}`", self.vertices[*index].path.join("/"));
            let span = why.map_or(self.vertices[*index].span, |why| why.span);
            problem =
                if position == 0 { problem.at(span, text) } else { problem.and_at(span, text) };
        }
        problem
    }
}
