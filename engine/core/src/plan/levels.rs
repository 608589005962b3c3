//! What a plan is about, and in which order it is looked at.

use std::collections::BTreeSet;

use super::PlanError;
use crate::failure::{Class, Failure};
use crate::graph::{Graph, VertexId};

/// The vertices that targets name, with all that they need.
pub(super) fn wanted(graph: &Graph, targets: &[String]) -> Result<BTreeSet<VertexId>, PlanError> {
    let all =
        (0..graph.vertices.len()).map(|index| VertexId(u32::try_from(index).unwrap_or(u32::MAX)));
    if targets.is_empty() {
        return Ok(all.collect());
    }
    let mut wanted = BTreeSet::new();
    let mut error = PlanError { problems: Vec::new(), failures: Vec::new() };
    for target in targets {
        let bare: String = strip_keys(target);
        let found: Vec<VertexId> = all
            .clone()
            .filter(|id| {
                let path = graph.vertex(*id).path.join("/");
                path == bare || path.starts_with(&format!("{bare}/"))
            })
            .collect();
        if found.is_empty() {
            let failure =
                Failure::new(Class::Invalid, format!("no task matches the target `{target}`"));
            error.failures.push((target.clone(), failure));
        }
        let mut queue = found;
        while let Some(id) = queue.pop() {
            if wanted.insert(id) {
                queue.extend(graph.vertex(id).edges.iter().map(|edge| edge.on));
            }
        }
    }
    if error.failures.is_empty() { Ok(wanted) } else { Err(error) }
}

/// Vertices in levels: each level needs only earlier ones.
pub(super) fn levels(graph: &Graph, wanted: &BTreeSet<VertexId>) -> Vec<Vec<VertexId>> {
    // One more than the level: nothing is 0.
    let mut above: Vec<usize> = vec![0; graph.vertices.len()];
    let mut levels: Vec<Vec<VertexId>> = Vec::new();
    for id in graph.ordered.iter().copied().filter(|id| wanted.contains(id)) {
        let edges = &graph.vertex(id).edges;
        let level = edges.iter().map(|edge| above[edge.on.0 as usize]).max().unwrap_or(0);
        above[id.0 as usize] = level + 1;
        if levels.len() <= level {
            levels.resize(level + 1, Vec::new());
        }
        levels[level].push(id);
    }
    levels
}

fn strip_keys(target: &str) -> String {
    let mut bare = String::new();
    let mut depth = 0;
    for character in target.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            other if depth == 0 => bare.push(other),
            _ => {}
        }
    }
    bare
}
