//! From documents to a graph: calls are inlined, every text with expressions is compiled.
//!
//! This is the first of two passes. It lays out scopes, vertices and programs; the second
//! ([`super::resolve`], [`super::edges`]) follows the references, since a task may refer to one
//! that stands below it. Problems of both are reported together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::inputs::{self, GivenInputs};
use super::template::{Part, Runnable, Sees};
use super::{
    Bound, BoundTo, ConnectionDeclaration, ConnectionId, ExpressionId, Graph, Member, Retry, Scope,
    ScopeId, TemplateId, Vertex, VertexId,
};
use crate::connection::Kind;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::{Document, Named, TaskDeclaration, Uses, decode};
use crate::expression::references::References;
use crate::expression::scope::Files;
use crate::module::Module;
use crate::registry::Registry;
use crate::shape::suggest;
use crate::source::{Sources, Span};
use crate::value::Value;
use crate::yaml::{self, NodeKind};

/// Calls inside calls.
const MOST_CALLS: usize = 32;

/// Reads runbooks that are called, and the files beside them.
pub trait Loader: Send + Sync {
    /// The runbook that `reference` means in a file of that folder; the error says why not.
    fn load(&self, folder: &Path, reference: &str) -> Result<Loaded, String>;
    /// What `file`, `template` and `glob` read for a file of that folder.
    fn files(&self, folder: &Path) -> Arc<dyn Files>;
}

/// A runbook's text.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// As the user would type it; equal names are the same file.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The folder it stands in.
    pub folder: PathBuf,
}

/// What a graph is compiled from.
pub struct CompileInput<'a> {
    /// The root runbook.
    pub root: Loaded,
    /// Reads what it calls.
    pub loader: &'a dyn Loader,
    /// The modules.
    pub registry: &'a Registry,
    /// Given inputs.
    pub given: &'a GivenInputs,
}

/// Why there is no graph: every problem, with the texts they point into.
#[derive(Debug)]
pub struct Refused {
    /// Sorted by place, without repetition; at least one error.
    pub problems: Vec<Diagnostic>,
    /// The files.
    pub sources: Sources,
}

/// Compiles a graph. Warnings are returned beside it.
pub fn compile(input: &CompileInput<'_>) -> Result<(Graph, Vec<Diagnostic>), Box<Refused>> {
    let mut compiler = Compiler::new(input);
    compiler.root();
    let Compiler { graph, mut problems, .. } = compiler;
    let mut graph = graph;
    if !graph.scopes.is_empty() {
        super::resolve::resolve(&graph, &mut problems);
        super::edges::connect(&mut graph, &mut problems);
        if problems.iter().all(|problem| problem.severity == Severity::Warning) {
            match graph.order() {
                Ok(order) => graph.ordered = order,
                Err(ring) => problems.push(*ring),
            }
        }
    }
    problems.sort_by_key(|problem| {
        (problem.primary.as_ref().map(|label| label.span), problem.code, problem.message.clone())
    });
    problems.dedup();
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Box::new(Refused { problems, sources: graph.sources }));
    }
    for index in 0..graph.programs.len() {
        graph.programs[index].direct = graph.direct_of(&graph.programs[index]);
    }
    graph.digest = super::digest::digest(&graph);
    Ok((graph, problems))
}

/// What is passed down from a call to its tasks.
#[derive(Clone, Default)]
struct Inherited {
    when: Vec<(ScopeId, ExpressionId)>,
    needs: Vec<(ScopeId, Named)>,
    after: Vec<(ScopeId, Named)>,
    path: Vec<String>,
}

pub(super) struct Compiler<'a> {
    pub(super) input: &'a CompileInput<'a>,
    pub(super) graph: Graph,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) documents: BTreeMap<String, Option<Arc<Document>>>,
    /// By module: the outputs of a task that has not run.
    unknown: BTreeMap<&'static str, Arc<BTreeMap<String, Value>>>,
    pub(super) compiled: IndexMap<String, (Arc<Runnable>, Arc<References>)>,
    /// Names of the files of the calls that are being inlined.
    pub(super) stack: Vec<String>,
}

impl<'a> Compiler<'a> {
    fn new(input: &'a CompileInput<'a>) -> Self {
        let graph = Graph {
            name: String::new(),
            description: String::new(),
            sources: Sources::default(),
            scopes: Vec::new(),
            connections: Vec::new(),
            vertices: Vec::new(),
            ordered: Vec::new(),
            inputs: BTreeMap::new(),
            instance: None,
            outputs: BTreeMap::new(),
            schedules: Vec::new(),
            programs: Vec::new(),
            templates: Vec::new(),
            digest: String::new(),
        };
        Self {
            input,
            graph,
            problems: Vec::new(),
            documents: BTreeMap::new(),
            unknown: BTreeMap::new(),
            compiled: IndexMap::new(),
            stack: Vec::new(),
        }
    }

    fn root(&mut self) {
        let loaded = self.input.root.clone();
        let Some(document) = self.document(&loaded) else { return };
        let bound = inputs::bind(&document.inputs, self.input.given, &mut self.problems);
        self.graph.name.clone_from(&document.name);
        self.graph.description.clone_from(&document.description);
        self.graph.schedules.clone_from(&document.schedules);
        for (name, one) in &bound {
            if let BoundTo::Value(value) = &one.to {
                if one.declaration.identity {
                    self.graph.instance = Some(value.to_string());
                }
                let value = if one.declaration.sensitive {
                    Value::Secret(crate::value::Secret::new(value.clone()))
                } else {
                    value.clone()
                };
                self.graph.inputs.insert(name.clone(), value);
            }
        }
        self.stack.push(loaded.name.clone());
        let scope = self.push_scope(&document, None, &loaded, bound, BTreeMap::new());
        self.own_connections(&document, scope);
        self.tasks(&document, scope, &Inherited::default());
        self.graph.outputs = self.graph.scope(scope).outputs.clone();
    }

    fn document(&mut self, loaded: &Loaded) -> Option<Arc<Document>> {
        if let Some(known) = self.documents.get(&loaded.name) {
            return known.clone();
        }
        let file = self.graph.sources.add(loaded.name.clone(), loaded.text.as_str());
        let (root, problems) = yaml::parse(file, &loaded.text);
        self.problems.extend(problems);
        let document = root.and_then(|root| decode(file, &root, &mut self.problems)).map(Arc::new);
        self.documents.insert(loaded.name.clone(), document.clone());
        document
    }

    fn push_scope(
        &mut self,
        document: &Document,
        call: Option<(ScopeId, &TaskDeclaration, Option<ExpressionId>)>,
        loaded: &Loaded,
        inputs: BTreeMap<String, Bound>,
        connections: BTreeMap<String, ConnectionId>,
    ) -> ScopeId {
        let id = ScopeId(u32::try_from(self.graph.scopes.len()).unwrap_or(u32::MAX));
        self.graph.scopes.push(Scope {
            parent: call.map(|(parent, ..)| parent),
            id: call.map(|(_, task, _)| task.id.clone()).unwrap_or_default(),
            name: document.name.clone(),
            folder: loaded.folder.clone(),
            for_each: call.and_then(|(.., for_each)| for_each),
            connections,
            inputs,
            outputs: BTreeMap::new(),
            members: IndexMap::new(),
            files: self.input.loader.files(&loaded.folder),
        });
        let mut outputs = BTreeMap::new();
        for output in &document.outputs {
            outputs.insert(output.name.clone(), self.template(&output.node, id, Sees::default()));
        }
        self.graph.scopes[id.0 as usize].outputs = outputs;
        id
    }

    /// The root's own connections; an `aws` one with the environment's settings when it declares
    /// none.
    fn own_connections(&mut self, document: &Document, scope: ScopeId) {
        let mut declared: Vec<(String, Kind, TemplateId)> = Vec::new();
        for one in &document.connections {
            declared.push((
                one.name.clone(),
                one.kind,
                self.template(&one.node, scope, Sees::default()),
            ));
        }
        if !declared.iter().any(|(_, kind, _)| *kind == Kind::Aws) {
            let span = Span { file: document.file, start: 0, end: 0 };
            let empty = self.push_template(Part::Map(Vec::new()), scope, span);
            declared.insert(0, ("aws".to_owned(), Kind::Aws, empty));
        }
        let base = self.graph.connections.len();
        let id = |index: usize| ConnectionId(u32::try_from(base + index).unwrap_or(u32::MAX));
        let through = declared
            .iter()
            .position(|(name, kind, _)| *kind == Kind::Aws && name == "aws")
            .or_else(|| declared.iter().position(|(_, kind, _)| *kind == Kind::Aws))
            .map(id);
        for (index, (name, kind, settings)) in declared.into_iter().enumerate() {
            self.graph.scopes[scope.0 as usize].connections.insert(name.clone(), id(index));
            let through = through.filter(|_| kind == Kind::Kubernetes);
            self.graph.connections.push(ConnectionDeclaration {
                name,
                kind,
                scope,
                settings,
                through,
            });
        }
    }

    fn tasks(&mut self, document: &Document, scope: ScopeId, inherited: &Inherited) {
        // A long runbook is not copied while its graph grows.
        let most = document.tasks.len();
        self.graph.vertices.reserve(most);
        self.graph.templates.reserve(most);
        self.graph.programs.reserve(most);
        self.graph.scopes[scope.0 as usize].members.reserve(most);
        for task in &document.tasks {
            match &task.uses {
                Uses::Module(name) => self.vertex(task, name, scope, inherited),
                Uses::Runbook(reference) => self.call(task, reference, scope, inherited),
            }
        }
    }

    fn call(
        &mut self,
        task: &TaskDeclaration,
        reference: &str,
        scope: ScopeId,
        inherited: &Inherited,
    ) {
        let folder = self.graph.scope(scope).folder.clone();
        let loaded = match self.input.loader.load(&folder, reference) {
            Ok(loaded) => loaded,
            Err(why) => {
                let problem = Diagnostic::error(
                    Code("RB0203"),
                    format!("failed to read `{reference}`: {why}"),
                );
                self.problems.push(problem.at(task.uses_span, "called here"));
                return;
            }
        };
        if let Some(start) = self.stack.iter().position(|name| *name == loaded.name) {
            let mut ring: Vec<&str> = self.stack[start..].iter().map(String::as_str).collect();
            ring.push(&loaded.name);
            let message = format!("a runbook calls itself: {}", ring.join(" → "));
            self.problems.push(
                Diagnostic::error(Code("RB0221"), message)
                    .at(task.uses_span, "this call closes the ring"),
            );
            return;
        }
        if self.stack.len() >= MOST_CALLS {
            let message = format!("calls are nested more than {MOST_CALLS} deep");
            self.problems
                .push(Diagnostic::error(Code("RB0001"), message).at(task.uses_span, "here"));
            return;
        }
        let Some(document) = self.document(&loaded) else { return };
        let for_each = self.for_each(task, scope);
        let arguments = self.arguments(task, &document, scope, for_each.is_some());
        let connections = self.handed_connections(task, scope);
        let child = self.push_scope(
            &document,
            Some((scope, task, for_each)),
            &loaded,
            arguments,
            connections,
        );
        self.graph.scopes[scope.0 as usize].members.insert(task.id.clone(), Member::Call(child));
        let mut down = inherited.clone();
        down.path.push(task.id.clone());
        down.when.extend(self.when(task, scope, for_each.is_some()));
        down.needs.extend(task.needs.iter().map(|one| (scope, one.clone())));
        down.after.extend(task.after.iter().map(|one| (scope, one.clone())));
        self.stack.push(loaded.name);
        self.tasks(&document, child, &down);
        self.stack.pop();
    }

    /// The connections that a call hands to its child: ours by the same name, save where the call
    /// says otherwise.
    fn handed_connections(
        &mut self,
        task: &TaskDeclaration,
        scope: ScopeId,
    ) -> BTreeMap<String, ConnectionId> {
        let ours = self.graph.scope(scope).connections.clone();
        let mut handed = ours.clone();
        for (theirs, named) in &task.connections {
            if let Some(id) = ours.get(&named.text) {
                handed.insert(theirs.clone(), *id);
            } else {
                let problem = Diagnostic::error(
                    Code("RB0124"),
                    format!("there is no connection `{}`", named.text),
                );
                self.problems.push(problem.at(named.span, "not declared"));
            }
        }
        handed
    }

    /// Binds a called runbook's inputs to the call's arguments and its own defaults.
    fn arguments(
        &mut self,
        task: &TaskDeclaration,
        document: &Document,
        scope: ScopeId,
        each: bool,
    ) -> BTreeMap<String, Bound> {
        let empty = Vec::new();
        let given = match task.with.as_ref().map(|node| &node.kind) {
            Some(NodeKind::Mapping(entries)) => entries,
            _ => &empty,
        };
        for entry in given {
            if !document.inputs.iter().any(|one| one.name == entry.key) {
                let message = format!("`{}` has no input `{}`", document.name, entry.key);
                let mut problem =
                    Diagnostic::error(Code("RB0107"), message).at(entry.key_span, "not an input");
                if let Some(name) =
                    suggest(&entry.key, document.inputs.iter().map(|one| one.name.as_str()))
                {
                    problem = problem.help(format!("did you mean `{name}`?"));
                }
                self.problems.push(problem);
            }
        }
        let mut bound = BTreeMap::new();
        for declaration in &document.inputs {
            let argument = given.iter().find(|entry| entry.key == declaration.name);
            let to = match (argument, &declaration.default) {
                (Some(entry), _) => {
                    let template =
                        self.template(&entry.value, scope, Sees { each, ..Sees::default() });
                    if let Part::Literal(value) = &self.graph.templates[template.0 as usize].root
                        && let Err(wrong) = declaration.check(value)
                    {
                        let message = format!(
                            "the input `{}` of `{}` {wrong}",
                            declaration.name, document.name
                        );
                        self.problems.push(
                            Diagnostic::error(Code("RB0109"), message)
                                .at(entry.value.span, "given here"),
                        );
                    }
                    BoundTo::Argument(template)
                }
                (None, Some(default)) => BoundTo::Value(default.clone()),
                (None, None) => {
                    let message =
                        format!("`{}` needs the input `{}`", document.name, declaration.name);
                    self.problems.push(
                        Diagnostic::error(Code("RB0108"), message)
                            .at(task.uses_span, "called without it")
                            .and_at(declaration.span, "declared here"),
                    );
                    continue;
                }
            };
            bound.insert(declaration.name.clone(), Bound { declaration: declaration.clone(), to });
        }
        bound
    }

    fn vertex(
        &mut self,
        task: &TaskDeclaration,
        name: &str,
        scope: ScopeId,
        inherited: &Inherited,
    ) {
        let Some(module) = self.input.registry.get(name).cloned() else {
            self.problems.push(unknown_module(task, name, self.input.registry));
            return;
        };
        let for_each = self.for_each(task, scope);
        let sees = Sees { each: for_each.is_some(), ..Sees::default() };
        let with = match &task.with {
            Some(node) => self.template(node, scope, sees),
            None => self.push_template(Part::Map(Vec::new()), scope, task.id_span),
        };
        super::resolve::arguments(
            &self.graph.templates[with.0 as usize],
            task,
            module.as_ref(),
            &mut self.problems,
        );
        if (task.until.is_some() || task.poll.is_some()) && !matches!(name, "wait" | "shell") {
            let problem = Diagnostic::error(
                Code("RB0117"),
                format!(
                    "`until` and `poll` are for `wait` and `shell`, `{name}` verifies by itself"
                ),
            );
            self.problems.push(problem.at(task.uses_span, "this module"));
        }
        let own = Sees { own: true, ..sees };
        let mut when = inherited.when.clone();
        when.extend(self.when(task, scope, for_each.is_some()));
        let mut path = inherited.path.clone();
        path.push(task.id.clone());
        let until = task.until.as_ref().and_then(|scalar| self.condition(scalar, scope, own));
        let retry_when = task
            .retry_when
            .as_ref()
            .and_then(|scalar| self.condition(scalar, scope, Sees { error: true, ..sees }));
        let locks = task.locks.as_ref().map(|node| self.template(node, scope, sees));
        let preconditions = self.checks(&task.preconditions, scope, sees);
        let postconditions = self.checks(&task.postconditions, scope, own);
        let connection = self.connection(task, module.schema().connection, scope);
        let mut needs = inherited.needs.clone();
        needs.extend(task.needs.iter().map(|one| (scope, one.clone())));
        let mut after = inherited.after.clone();
        after.extend(task.after.iter().map(|one| (scope, one.clone())));
        let id = VertexId(u32::try_from(self.graph.vertices.len()).unwrap_or(u32::MAX));
        self.graph.scopes[scope.0 as usize].members.insert(task.id.clone(), Member::Task(id));
        let unknown = self.unknown_outputs(module.as_ref());
        self.graph.vertices.push(Vertex {
            path,
            scope,
            unknown,
            module,
            with,
            when,
            for_each,
            max_parallel: task.max_parallel,
            connection,
            edges: Vec::new(),
            is_read: false,
            retry: Retry { when: retry_when, ..task.retry.clone() },
            timeout: task.timeout,
            until,
            poll: task.poll,
            locks,
            preconditions,
            postconditions,
            adopt: task.adopt,
            span: task.id_span,
            named: super::NamedEdges { needs, after },
        });
    }

    fn unknown_outputs(&mut self, module: &dyn Module) -> Arc<BTreeMap<String, Value>> {
        let schema = module.schema();
        let unknown = || {
            let outputs = schema.outputs.iter().map(|output| {
                (output.name.to_owned(), Value::Unknown(Arc::new(output.r#type.clone())))
            });
            Arc::new(outputs.collect())
        };
        self.unknown.entry(schema.name).or_insert_with(unknown).clone()
    }

    fn connection(
        &mut self,
        task: &TaskDeclaration,
        kind: Option<Kind>,
        scope: ScopeId,
    ) -> Option<ConnectionId> {
        let kind = kind?;
        let available = &self.graph.scope(scope).connections;
        if let Some(named) = &task.connection {
            let found = available.get(&named.text).copied();
            if found.is_none() {
                let problem = Diagnostic::error(
                    Code("RB0124"),
                    format!("there is no connection `{}`", named.text),
                );
                self.problems.push(problem.at(named.span, "not declared"));
            }
            return found;
        }
        let name = if kind == Kind::Aws { "aws" } else { "kubernetes" };
        let of_kind = |id: &&ConnectionId| self.graph.connections[id.0 as usize].kind == kind;
        let found = available
            .get(name)
            .filter(|id| of_kind(id))
            .or_else(|| available.values().find(of_kind))
            .copied();
        if found.is_none() {
            let problem = Diagnostic::error(
                Code("RB0125"),
                format!(
                    "`{}` talks to a cluster, and no `kubernetes` connection is declared",
                    task.id
                ),
            );
            self.problems.push(
                problem
                    .at(task.uses_span, "needs a connection")
                    .help("connections: {kubernetes: {eks_cluster: \"${{ … }}\"}}   or {kubeconfig: …, context: …}"),
            );
        }
        found
    }
}

fn unknown_module(task: &TaskDeclaration, name: &str, registry: &Registry) -> Diagnostic {
    if name == "gate.approve" || name.starts_with("report.") {
        return crate::shape::not_yet(name, task.uses_span);
    }
    let mut problem = Diagnostic::error(Code("RB0106"), format!("there is no module `{name}`"))
        .at(task.uses_span, "not a module");
    if let Some(close) = suggest(name, registry.iter().map(|(name, _)| name)) {
        problem = problem.help(format!("did you mean `{close}`?"));
    }
    problem
}
