//! Edges: what a task comes after, derived from what it refers to.
//!
//! A call is no barrier. An output of a call is another name for its expression, and an input of a
//! child another name for the call's argument, so both are followed to the tasks that produce them
//! and to nothing else.

use std::rc::Rc;

use super::{
    BoundTo, Edge, EdgeKind, EdgeReason, ExpressionId, Graph, Member, NamedEdges, ScopeId,
    TemplateId, VertexId,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::expression::references::{Path, Segment};
use crate::shape::suggest;
use crate::source::Span;

/// One edge for each vertex and kind, with all its reasons.
fn merged(mut found: Vec<(VertexId, EdgeKind, EdgeReason)>) -> Vec<Edge> {
    found.sort_by_key(|(on, kind, _)| (*on, *kind));
    let mut edges: Vec<Edge> = Vec::with_capacity(found.len());
    for (on, kind, why) in found {
        match edges.last_mut().filter(|edge| edge.on == on && edge.kind == kind) {
            Some(edge) if edge.why.contains(&why) => {}
            Some(edge) => edge.why.push(why),
            None => edges.push(Edge { on, kind, why: vec![why] }),
        }
    }
    edges
}

/// A vertex that something depends on, and why.
type Dependency = (VertexId, EdgeReason);

/// Fills in the edges of all vertices, and whose outputs are read.
pub(super) fn connect(graph: &mut Graph, problems: &mut Vec<Diagnostic>) {
    let known = vec![None; graph.programs.len()];
    let mut follower = Follower { graph, known, open: Vec::new(), problems };
    let mut all = Vec::with_capacity(follower.graph.vertices.len());
    for index in 0..follower.graph.vertices.len() {
        all.push(follower.edges_of(VertexId(u32::try_from(index).unwrap_or(u32::MAX))));
    }
    // What the runbook gives is no edge, and read all the same.
    for template in follower.graph.outputs.values() {
        follower.template(*template);
    }
    let mut is_read = vec![false; all.len()];
    for (on, _) in follower.known.iter().flatten().flat_map(|known| known.iter()) {
        is_read[on.0 as usize] = true;
    }
    for ((vertex, edges), is_read) in graph.vertices.iter_mut().zip(all).zip(is_read) {
        vertex.edges = edges;
        vertex.is_read = is_read;
    }
}

struct Follower<'a> {
    graph: &'a Graph,
    /// Dependencies of expressions that were followed, by position.
    known: Vec<Option<Rc<[Dependency]>>>,
    /// Expressions that are being followed.
    open: Vec<ExpressionId>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Follower<'_> {
    fn edges_of(&mut self, id: VertexId) -> Vec<Edge> {
        let graph = self.graph;
        let vertex = graph.vertex(id);
        let mut expressions = Vec::new();
        graph.templates[vertex.with.0 as usize].root.expressions(&mut expressions);
        for template in vertex.locks.iter().chain(
            vertex.preconditions.iter().chain(&vertex.postconditions).map(|check| &check.message),
        ) {
            graph.templates[template.0 as usize].root.expressions(&mut expressions);
        }
        expressions.extend(vertex.when.iter().map(|(_, expression)| *expression));
        expressions.extend(vertex.for_each.iter().chain(&vertex.until).chain(&vertex.retry.when));
        expressions.extend(
            vertex.preconditions.iter().chain(&vertex.postconditions).map(|check| check.that),
        );
        let mut scope = Some(vertex.scope);
        while let Some(at) = scope {
            expressions.extend(graph.scope(at).for_each);
            scope = graph.scope(at).parent;
        }
        let mut found: Vec<(VertexId, EdgeKind, EdgeReason)> = Vec::new();
        for expression in expressions {
            for (on, why) in self.follow(expression).iter() {
                found.push((*on, EdgeKind::Succeeded, why.clone()));
            }
        }
        for (on, why) in self.connection(id) {
            found.push((on, EdgeKind::Succeeded, why));
        }
        let NamedEdges { needs, after } = &vertex.named;
        for (kind, word, names) in
            [(EdgeKind::Succeeded, "needs", needs), (EdgeKind::Ended, "after", after)]
        {
            for (scope, named) in names {
                for on in self.named(*scope, &named.text, named.span) {
                    if on != id || *scope == vertex.scope {
                        let text = format!("{word} `{}`", named.text);
                        found.push((on, kind, EdgeReason { text, span: named.span }));
                    }
                }
            }
        }
        merged(found)
    }

    /// What the connection of a task waits for.
    fn connection(&mut self, id: VertexId) -> Vec<Dependency> {
        let graph = self.graph;
        let mut found = Vec::new();
        let mut next = graph.vertex(id).connection;
        while let Some(connection) = next {
            let declared = &graph.connections[connection.0 as usize];
            for (on, why) in self.template(declared.settings) {
                let text = format!("connection `{}` {}", declared.name, why.text);
                found.push((on, EdgeReason { text, ..why }));
            }
            next = declared.through;
        }
        // A task that a connection is made of does not wait for itself.
        found.retain(|(on, _)| *on != id);
        found
    }

    fn named(&mut self, scope: ScopeId, name: &str, span: Span) -> Vec<VertexId> {
        match self.graph.member(scope, name) {
            Some(Member::Task(vertex)) => vec![vertex],
            Some(Member::Call(call)) => self.inside(call),
            None => {
                let mut problem =
                    Diagnostic::error(Code("RB0211"), format!("there is no task `{name}`"))
                        .at(span, "no task of this id");
                if let Some(close) =
                    suggest(name, self.graph.scope(scope).members.keys().map(String::as_str))
                {
                    problem = problem.help(format!("did you mean `{close}`?"));
                }
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                Vec::new()
            }
        }
    }

    /// All tasks of a call, those of calls inside it included.
    fn inside(&self, call: ScopeId) -> Vec<VertexId> {
        let mut found = Vec::new();
        for member in self.graph.scope(call).members.values() {
            match member {
                Member::Task(vertex) => found.push(*vertex),
                Member::Call(inner) => found.extend(self.inside(*inner)),
            }
        }
        found
    }

    fn template(&mut self, id: TemplateId) -> Vec<Dependency> {
        let mut expressions = Vec::new();
        self.graph.templates[id.0 as usize].root.expressions(&mut expressions);
        expressions.into_iter().flat_map(|expression| self.follow(expression).to_vec()).collect()
    }

    fn follow(&mut self, id: ExpressionId) -> Rc<[Dependency]> {
        if let Some(known) = &self.known[id.0 as usize] {
            return known.clone();
        }
        if self.open.contains(&id) {
            let program = self.graph.program(id);
            self.problems.push(*program.problem("RB0220", "this value depends on itself", None));
            return Rc::new([]);
        }
        self.open.push(id);
        let program = self.graph.program(id);
        let mut found = Vec::new();
        for path in &program.references.paths {
            let span = program.place(path.range.0, path.range.1);
            found.extend(self.path(program.scope, path, span));
        }
        self.open.pop();
        let found: Rc<[Dependency]> = found.into();
        self.known[id.0 as usize] = Some(found.clone());
        found
    }

    fn path(&mut self, scope: ScopeId, path: &Path, span: Span) -> Vec<Dependency> {
        let Some(Segment::Name(name)) = path.segments.first() else { return Vec::new() };
        match path.root.as_str() {
            "inputs" => match self.graph.scope(scope).inputs.get(name).map(|bound| &bound.to) {
                Some(BoundTo::Argument(template)) => self.template(*template),
                _ => Vec::new(),
            },
            "tasks" => match self.graph.member(scope, name) {
                Some(Member::Task(vertex)) => {
                    let text = format!("reads tasks.{name}{}", rest(path));
                    vec![(vertex, EdgeReason { text, span })]
                }
                Some(Member::Call(call)) => self.call(call, path),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn call(&mut self, call: ScopeId, path: &Path) -> Vec<Dependency> {
        let graph = self.graph;
        let outputs = &graph.scope(call).outputs;
        // What stands before `outputs` is the call's id and maybe a key: an output may bear the same
        // name.
        let is_outputs = |segment: &&Segment| **segment == Segment::Name("outputs".to_owned());
        let mut after = path.segments.iter().skip(1).skip_while(|segment| !is_outputs(segment));
        let named = match after.nth(1) {
            Some(Segment::Name(name)) => outputs.get(name),
            _ => None,
        };
        let templates: Vec<TemplateId> = match named {
            Some(template) => vec![*template],
            None => outputs.values().copied().collect(),
        };
        let mut found: Vec<Dependency> =
            templates.into_iter().flat_map(|template| self.template(template)).collect();
        if let Some(for_each) = graph.scope(call).for_each {
            found.extend_from_slice(&self.follow(for_each));
        }
        found
    }
}

fn rest(path: &Path) -> String {
    let mut rest = String::new();
    for segment in path.segments.iter().skip(1) {
        match segment {
            Segment::Name(name) if crate::document::is_identifier(name) => {
                rest.push('.');
                rest.push_str(name);
            }
            Segment::Name(name) => rest.push_str(&format!("[\"{name}\"]")),
            Segment::Index(index) => rest.push_str(&format!("[{index}]")),
            Segment::Computed => rest.push_str("[…]"),
        }
    }
    rest
}
