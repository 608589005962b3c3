//! Edges: what a task comes after, derived from what it refers to.
//!
//! A call is no barrier. An output of a call is another name for its expression, and an input of a
//! child another name for the call's argument, so both are followed to the tasks that produce them
//! and to nothing else.

use std::collections::BTreeMap;

use super::{
    BoundTo, Edge, EdgeKind, EdgeReason, ExpressionId, Graph, Member, NamedEdges, ScopeId,
    TemplateId, VertexId,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::expression::references::{Path, Segment};
use crate::shape::suggest;
use crate::source::Span;

/// A vertex that something depends on, and why.
type Dependency = (VertexId, EdgeReason);

/// Fills in the edges of all vertices.
pub(super) fn connect(graph: &mut Graph, problems: &mut Vec<Diagnostic>) {
    let mut follower = Follower { graph, known: BTreeMap::new(), open: Vec::new(), problems };
    let mut all = Vec::with_capacity(follower.graph.vertices.len());
    for index in 0..follower.graph.vertices.len() {
        all.push(follower.edges_of(VertexId(u32::try_from(index).unwrap_or(u32::MAX))));
    }
    for (vertex, edges) in graph.vertices.iter_mut().zip(all) {
        vertex.edges = edges;
    }
}

struct Follower<'a> {
    graph: &'a Graph,
    /// Dependencies of expressions that were followed.
    known: BTreeMap<ExpressionId, Vec<Dependency>>,
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
        let mut found: BTreeMap<(VertexId, EdgeKind), Vec<EdgeReason>> = BTreeMap::new();
        let mut add = |on: VertexId, kind: EdgeKind, why: EdgeReason| {
            let reasons = found.entry((on, kind)).or_default();
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        };
        for expression in expressions {
            for (on, why) in self.follow(expression) {
                add(on, EdgeKind::Succeeded, why);
            }
        }
        for (on, why) in self.connection(id) {
            add(on, EdgeKind::Succeeded, why);
        }
        let NamedEdges { needs, after } = &vertex.named;
        for (kind, word, names) in
            [(EdgeKind::Succeeded, "needs", needs), (EdgeKind::Ended, "after", after)]
        {
            for (scope, named) in names {
                for on in self.named(*scope, &named.text, named.span) {
                    if on != id || *scope == vertex.scope {
                        add(
                            on,
                            kind,
                            EdgeReason {
                                text: format!("{word} `{}`", named.text),
                                span: named.span,
                            },
                        );
                    }
                }
            }
        }
        found.into_iter().map(|((on, kind), why)| Edge { on, kind, why }).collect()
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
        expressions.into_iter().flat_map(|expression| self.follow(expression)).collect()
    }

    fn follow(&mut self, id: ExpressionId) -> Vec<Dependency> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        if self.open.contains(&id) {
            let program = self.graph.program(id);
            self.problems.push(*program.problem("RB0220", "this value depends on itself", None));
            return Vec::new();
        }
        self.open.push(id);
        let program = self.graph.program(id);
        let mut found = Vec::new();
        for path in &program.references.paths {
            let span = program.place(path.range.0, path.range.1);
            found.extend(self.path(program.scope, path, span));
        }
        self.open.pop();
        self.known.insert(id, found.clone());
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
            found.extend(self.follow(for_each));
        }
        found
    }
}

fn rest(path: &Path) -> String {
    path.segments
        .iter()
        .skip(1)
        .map(|segment| match segment {
            Segment::Name(name) if crate::document::is_identifier(name) => format!(".{name}"),
            Segment::Name(name) => format!("[\"{name}\"]"),
            Segment::Index(index) => format!("[{index}]"),
            Segment::Computed => "[…]".to_owned(),
        })
        .collect()
}
