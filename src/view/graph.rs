//! The graph of a runbook: Mermaid for a page, DOT for a drawing, text for a terminal.
//!
//! Edges go from what comes first to what follows. With a plan the locks are drawn too: they order
//! tasks that no edge orders. With `why`, each edge says why it exists and where that is written.

use std::collections::{BTreeMap, BTreeSet};

use runbook_core::graph::{Edge, EdgeKind, Graph, Vertex, VertexId};
use runbook_core::plan::Plan;

use super::words;
use crate::style::{Meaning, Style};

/// What is drawn.
pub(crate) struct Drawing<'a> {
    /// The graph.
    pub(crate) graph: &'a Graph,
    /// Its plan: what knows the locks.
    pub(crate) plan: Option<&'a Plan>,
    /// Whether edges say why they exist.
    pub(crate) why: bool,
}

/// As Mermaid: GitHub draws it in a comment or a README.
pub(crate) fn mermaid(drawing: &Drawing<'_>) -> String {
    let mut lines = vec!["flowchart TD".to_owned()];
    for (call, members) in by_call(drawing.graph) {
        let indent = if call.is_empty() { "  " } else { "    " };
        if !call.is_empty() {
            lines.push(format!("  subgraph \"{}\"", mermaid_text(&call)));
        }
        for (id, vertex) in members {
            let repeated = if vertex.for_each.is_some() { " ×n" } else { "" };
            let text = format!("{}{repeated}<br/>{}", id_of(vertex), vertex.module.schema().name);
            lines.push(format!("{indent}{}[\"{}\"]", node(id), mermaid_text(&text)));
        }
        if !call.is_empty() {
            lines.push("  end".to_owned());
        }
    }
    for (id, edge) in edges(drawing.graph) {
        let arrow = if edge.kind == EdgeKind::Ended { "-.->" } else { "-->" };
        let label = if drawing.why {
            format!("|\"{}\"|", mermaid_text(&reasons(drawing.graph, edge, false).join("<br/>")))
        } else {
            String::new()
        };
        lines.push(format!("  {} {arrow}{label} {}", node(edge.on), node(id)));
    }
    for (number, (lock, holders)) in locks(drawing).into_iter().enumerate() {
        lines.push(format!("  l{number}{{{{\"lock {}\"}}}}", mermaid_text(&lock)));
        lines.extend(holders.into_iter().map(|id| format!("  l{number} -.- {}", node(id))));
    }
    words::lines(lines)
}

/// As DOT: Graphviz draws it.
pub(crate) fn dot(drawing: &Drawing<'_>) -> String {
    let mut lines = vec![
        format!("digraph {} {{", dot_text(&drawing.graph.name)),
        "  node [shape=box, fontname=\"sans-serif\"];".to_owned(),
    ];
    for (number, (call, members)) in by_call(drawing.graph).into_iter().enumerate() {
        let indent = if call.is_empty() { "  " } else { "    " };
        if !call.is_empty() {
            lines.push(format!("  subgraph cluster_{number} {{"));
            lines.push(format!("    label={};", dot_text(&call)));
        }
        for (id, vertex) in members {
            let repeated = if vertex.for_each.is_some() { " ×n" } else { "" };
            let text = format!("{}{repeated}\n{}", id_of(vertex), vertex.module.schema().name);
            lines.push(format!("{indent}{} [label={}];", node(id), dot_text(&text)));
        }
        if !call.is_empty() {
            lines.push("  }".to_owned());
        }
    }
    for (id, edge) in edges(drawing.graph) {
        let mut attributes = Vec::new();
        if edge.kind == EdgeKind::Ended {
            attributes.push("style=dashed".to_owned());
        }
        if drawing.why {
            let text = reasons(drawing.graph, edge, false).join("\n");
            attributes.push(format!("label={}", dot_text(&text)));
        }
        let attributes = if attributes.is_empty() {
            String::new()
        } else {
            format!(" [{}]", attributes.join(", "))
        };
        lines.push(format!("  {} -> {}{attributes};", node(edge.on), node(id)));
    }
    for (number, (lock, holders)) in locks(drawing).into_iter().enumerate() {
        let text = dot_text(&format!("lock {lock}"));
        lines.push(format!("  l{number} [shape=hexagon, style=dashed, label={text}];"));
        lines.extend(
            holders
                .into_iter()
                .map(|id| format!("  l{number} -> {} [dir=none, style=dotted];", node(id))),
        );
    }
    lines.push("}".to_owned());
    words::lines(lines)
}

/// As JSON: tasks by path, and edges with their reasons.
pub(crate) fn json(drawing: &Drawing<'_>) -> String {
    let graph = drawing.graph;
    let path = |id: VertexId| graph.vertex(id).path.join("/");
    let tasks: Vec<serde_json::Value> = (0..graph.vertices.len())
        .filter_map(|index| u32::try_from(index).ok().map(VertexId))
        .map(|id| {
            let vertex = graph.vertex(id);
            let edges: Vec<serde_json::Value> = vertex
                .edges
                .iter()
                .map(|edge| {
                    let why: Vec<&str> = edge.why.iter().map(|why| why.text.as_str()).collect();
                    serde_json::json!({"on": path(edge.on), "why": why})
                })
                .collect();
            serde_json::json!({
                "path": path(id), "module": vertex.module.schema().name, "after": edges,
            })
        })
        .collect();
    super::json::pretty(&serde_json::json!({"v": 1, "tasks": tasks}))
}

/// As text: each task with what it comes after, in an order in which they can run.
pub(crate) fn text(drawing: &Drawing<'_>, style: &Style) -> String {
    let graph = drawing.graph;
    let locks = locks(drawing);
    let order = graph.order().unwrap_or_else(|_| all(graph).collect());
    let paths: Vec<usize> = order.iter().map(|id| words::width(&path(graph.vertex(*id)))).collect();
    let widest = paths.into_iter().max().unwrap_or_default().min(style.width / 2);
    let mut lines = Vec::new();
    for id in order {
        let vertex = graph.vertex(id);
        let mut notes = vec![vertex.module.schema().name.to_owned()];
        if vertex.for_each.is_some() {
            notes.push("for each".to_owned());
        }
        notes.extend(
            locks
                .iter()
                .filter(|(_, holders)| holders.contains(&id))
                .map(|(lock, _)| format!("locks {lock}")),
        );
        let name = style.paint(Meaning::Strong, &words::left(&path(vertex), widest));
        let room = style.width.saturating_sub(widest + 2);
        lines.push(format!("{name}  {}", words::fit(&notes.join(" · "), room)));
        for edge in &vertex.edges {
            lines.extend(after(drawing, edge, style));
        }
    }
    words::lines(lines)
}

/// What one edge says below its task.
fn after(drawing: &Drawing<'_>, edge: &Edge, style: &Style) -> Vec<String> {
    let graph = drawing.graph;
    let how = if edge.kind == EdgeKind::Ended { " (however it ends)" } else { "" };
    let first = format!("  after {}{how}", path(graph.vertex(edge.on)));
    let mut lines = vec![words::fit(&first, style.width)];
    if drawing.why {
        lines.extend(reasons(graph, edge, true).into_iter().map(|reason| {
            style.paint(Meaning::Quiet, &words::fit(&format!("    {reason}"), style.width))
        }));
    }
    lines
}

/// `reads tasks.cluster.outputs.name`, with its place where there is room for it.
fn reasons(graph: &Graph, edge: &Edge, with_place: bool) -> Vec<String> {
    edge.why
        .iter()
        .map(|why| {
            let text = words::one_line(&why.text);
            let place = graph
                .sources
                .get(why.span.file)
                .zip(graph.sources.position(why.span.file, why.span.start))
                .filter(|_| with_place);
            match place {
                Some((file, (line, column))) => {
                    format!("{text}   {}:{line}:{column}", words::one_line(&file.name))
                }
                None => text,
            }
        })
        .collect()
}

fn all(graph: &Graph) -> impl Iterator<Item = VertexId> {
    (0..graph.vertices.len()).map(|index| VertexId(u32::try_from(index).unwrap_or(u32::MAX)))
}

fn edges(graph: &Graph) -> impl Iterator<Item = (VertexId, &Edge)> {
    all(graph).flat_map(|id| graph.vertex(id).edges.iter().map(move |edge| (id, edge)))
}

/// Vertices by the call they stand in, in the order of the files.
fn by_call(graph: &Graph) -> Vec<(String, Vec<(VertexId, &Vertex)>)> {
    let mut calls: Vec<(String, Vec<(VertexId, &Vertex)>)> = Vec::new();
    for id in all(graph) {
        let vertex = graph.vertex(id);
        let call = vertex.path.split_last().map(|(_, call)| call.join("/")).unwrap_or_default();
        match calls.iter_mut().find(|(known, _)| *known == call) {
            Some((_, members)) => members.push((id, vertex)),
            None => calls.push((call, vec![(id, vertex)])),
        }
    }
    calls
}

/// Locks with the vertices that take them; those that only one instance takes order nothing.
fn locks(drawing: &Drawing<'_>) -> BTreeMap<String, BTreeSet<VertexId>> {
    let by_path: BTreeMap<String, VertexId> =
        all(drawing.graph).map(|id| (path(drawing.graph.vertex(id)), id)).collect();
    let mut locks: BTreeMap<String, (usize, BTreeSet<VertexId>)> = BTreeMap::new();
    for task in drawing.plan.iter().flat_map(|plan| &plan.tasks) {
        let Some(id) = by_path.get(&words::bare_path(&task.address)) else { continue };
        for lock in &task.locks {
            let holders = locks.entry(words::one_line(lock)).or_default();
            holders.0 += 1;
            holders.1.insert(*id);
        }
    }
    locks
        .into_iter()
        .filter(|(_, (number, _))| *number > 1)
        .map(|(lock, (_, holders))| (lock, holders))
        .collect()
}

fn path(vertex: &Vertex) -> String {
    vertex.path.join("/")
}

fn id_of(vertex: &Vertex) -> &str {
    vertex.path.last().map_or("", String::as_str)
}

fn node(id: VertexId) -> String {
    format!("t{}", id.0)
}

/// Text inside of Mermaid's quotes; `<br/>` is ours.
fn mermaid_text(text: &str) -> String {
    words::one_line(text).replace('"', "#quot;")
}

fn dot_text(text: &str) -> String {
    let text = crate::printer::harmless(text);
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::support::Workshop;

    const ROOT: &str = r#"
apiVersion: runbook/v1
name: shop
tasks:
  - id: cluster
    uses: fake.thing
    with: {name: c, lock: plane}
  - id: part
    uses: ./part.yaml
    with: {name: "${{ tasks.cluster.outputs.name }}"}
  - id: last
    uses: fake.thing
    with: {name: z}
    after: [part]
"#;

    const PART: &str = r#"
apiVersion: runbook/v1
name: part
inputs:
  name: {type: string}
tasks:
  - id: profile
    uses: fake.thing
    for_each: [a, b]
    with: {name: "${{ each.value }}", uses: "${{ inputs.name }}", lock: plane}
"#;

    async fn drawn(draw: impl Fn(&Drawing<'_>) -> String, why: bool) -> Vec<String> {
        let workshop = Workshop::new(ROOT).file("part.yaml", PART);
        let graph = workshop.compile().unwrap_or_else(|refused| panic!("{:#?}", refused.problems));
        let plan = workshop.plan().await.unwrap().plan;
        let text = draw(&Drawing { graph: &graph, plan: Some(&plan), why });
        assert!(text.lines().all(|line| line == line.trim_end()));
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn text_says_what_comes_after_what_and_why() {
        let lines = drawn(|drawing| text(drawing, &Style::plain()), true).await;
        assert_eq!(
            lines,
            [
                "cluster       fake.thing · locks plane",
                "part/profile  fake.thing · for each · locks plane",
                "  after cluster",
                "    reads tasks.cluster.outputs.name   root.yaml:10:23",
                "last          fake.thing",
                "  after part/profile (however it ends)",
                "    after `part`   root.yaml:14:13",
            ]
        );
    }

    #[tokio::test]
    async fn mermaid_has_calls_edges_and_locks() {
        assert_eq!(
            drawn(mermaid, false).await,
            [
                "flowchart TD",
                "  t0[\"cluster<br/>fake.thing\"]",
                "  t2[\"last<br/>fake.thing\"]",
                "  subgraph \"part\"",
                "    t1[\"profile ×n<br/>fake.thing\"]",
                "  end",
                "  t0 --> t1",
                "  t1 -.-> t2",
                "  l0{{\"lock plane\"}}",
                "  l0 -.- t0",
                "  l0 -.- t1",
            ]
        );
    }

    #[tokio::test]
    async fn dot_says_why() {
        assert_eq!(
            drawn(dot, true).await,
            [
                "digraph \"shop\" {",
                "  node [shape=box, fontname=\"sans-serif\"];",
                "  t0 [label=\"cluster\\nfake.thing\"];",
                "  t2 [label=\"last\\nfake.thing\"];",
                "  subgraph cluster_1 {",
                "    label=\"part\";",
                "    t1 [label=\"profile ×n\\nfake.thing\"];",
                "  }",
                "  t0 -> t1 [label=\"reads tasks.cluster.outputs.name\"];",
                "  t1 -> t2 [style=dashed, label=\"after `part`\"];",
                "  l0 [shape=hexagon, style=dashed, label=\"lock plane\"];",
                "  l0 -> t0 [dir=none, style=dotted];",
                "  l0 -> t1 [dir=none, style=dotted];",
                "}",
            ]
        );
    }
}
