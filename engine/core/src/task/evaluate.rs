//! What an instance is given: whether it runs, its arguments, the settings of its connection.

use std::collections::BTreeMap;

use super::{Instance, View};
use crate::connection::Kind;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{Bindings, ConnectionId, Graph, Problem, Read};
use crate::module::Values;
use crate::value::{Secret, Value};

/// Whether an instance runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Runs {
    /// It does.
    Yes,
    /// It does not, and why.
    No(String),
    /// Not known before these were read.
    Unknown(Vec<Read>),
}

/// Arguments with what they were made of.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// By name, defaults applied; leaves may be unknown or secret.
    pub values: Values,
    /// Leaves of other tasks' outputs that were read.
    pub reads: Vec<Read>,
    /// What unknown leaves wait for.
    pub unknown: Vec<Read>,
    /// It reads outputs of a task that was skipped.
    pub skipped: Option<String>,
}

/// Evaluates all conditions, outermost first.
pub fn runs(graph: &Graph, instance: &Instance, view: &View<'_>) -> Result<Runs, Problem> {
    for (scope, expression) in &graph.vertex(instance.vertex).when {
        let evaluated = graph.evaluate(*expression, &instance.outer_place(graph, *scope), view)?;
        if let Some(skipped) = evaluated.skipped {
            return Ok(Runs::No(skipped));
        }
        match evaluated.value {
            Value::Boolean(true) => {}
            Value::Boolean(false) => {
                let text = graph.program(*expression).text.trim().to_owned();
                return Ok(Runs::No(format!("`when: {text}` is false")));
            }
            Value::Unknown(_) => return Ok(Runs::Unknown(evaluated.unknown)),
            Value::Secret(_) => {
                return Err(graph.program(*expression).problem(
                    "RB0242",
                    "a condition cannot depend on a secret",
                    None,
                ));
            }
            other => {
                let message = format!("a condition is `true` or `false`, found {}", other.kind());
                return Err(graph.program(*expression).problem("RB0242", message, None));
            }
        }
    }
    Ok(Runs::Yes)
}

/// Evaluates the arguments; each is checked against the module's schema as far as it is known.
pub fn arguments(
    graph: &Graph,
    instance: &Instance,
    view: &View<'_>,
) -> Result<Arguments, Vec<Problem>> {
    let vertex = graph.vertex(instance.vertex);
    let schema = vertex.module.schema();
    let mut arguments = Arguments::default();
    let mut problems = Vec::new();
    let place = instance.place(graph);
    for (name, span, evaluated) in graph.evaluate_entries(vertex.with, &place, view) {
        let evaluated = match evaluated {
            Ok(evaluated) => evaluated,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        arguments.reads.extend(evaluated.reads);
        arguments.unknown.extend(evaluated.unknown);
        if let Some(skipped) = evaluated.skipped {
            arguments.skipped.get_or_insert(skipped);
            continue;
        }
        let Some(declared) = schema.arguments.iter().find(|one| one.name == name) else { continue };
        let mut problem = |wrong: String| {
            let message = format!("the argument `{name}` of {} is {wrong}", schema.name);
            problems.push(Box::new(
                Diagnostic::error(Code("RB0109"), message).at(span, "this argument"),
            ));
        };
        if let Err(wrong) = declared.r#type.accepts(&evaluated.value) {
            problem(wrong);
            continue;
        }
        match &evaluated.value {
            Value::String(text)
                if !declared.allowed.is_empty() && !declared.allowed.contains(&&**text) =>
            {
                problem(format!("`{text}`, not one of {}", declared.allowed.join(", ")));
            }
            Value::Secret(_) if declared.identity => {
                problem("secret, and names an object".to_owned());
            }
            _ => {}
        }
        let value = if declared.secret {
            Value::Secret(Secret::new(evaluated.value))
        } else {
            evaluated.value
        };
        arguments.values.insert(name.to_owned(), value);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if arguments.skipped.is_none() {
        for declared in &schema.arguments {
            if let (false, Some(default)) =
                (arguments.values.contains_key(declared.name), &declared.default)
            {
                arguments.values.insert(declared.name.to_owned(), default.clone());
            }
        }
        // What is not known is not checked.
        let unknown: Vec<(String, Value)> =
            arguments.values.extract_if(.., |_, value| value.has_unknown()).collect();
        let wrong = vertex.module.check(&arguments.values);
        arguments.values.extend(unknown);
        for (name, wrong) in wrong {
            let message = format!("the argument `{name}` of {} {wrong}", schema.name);
            problems.push(Box::new(
                Diagnostic::error(Code("RB0109"), message).at(vertex.span, "this task"),
            ));
        }
    }
    if problems.is_empty() { Ok(arguments) } else { Err(problems) }
}

/// The settings of the instance's connection, and of the one it goes through.
#[derive(Debug, Clone, PartialEq)]
pub enum Settings {
    /// The task talks to nothing.
    None,
    /// All known, outermost (`aws`) first.
    Known(Vec<(ConnectionId, Kind, BTreeMap<String, Value>)>),
    /// They wait for these.
    Unknown(Vec<Read>),
    /// They read outputs of a task that was skipped.
    Skipped(String),
}

/// Evaluates the settings of the connections that the instance needs.
pub fn settings(
    graph: &Graph,
    instance: &Instance,
    view: &dyn Bindings,
) -> Result<Settings, Problem> {
    let mut next = graph.vertex(instance.vertex).connection;
    if next.is_none() {
        return Ok(Settings::None);
    }
    let mut known = Vec::new();
    while let Some(id) = next {
        let declared = &graph.connections[id.0 as usize];
        let place = instance.outer_place(graph, declared.scope);
        let evaluated = graph.evaluate_template(declared.settings, &place, view)?;
        if let Some(skipped) = evaluated.skipped {
            return Ok(Settings::Skipped(skipped));
        }
        if evaluated.value.has_unknown() {
            return Ok(Settings::Unknown(evaluated.unknown));
        }
        let mut settings = evaluated.value.as_map().cloned().unwrap_or_default();
        settings.remove("kind");
        settings.retain(|_, value| *value != Value::Null && value.as_str() != Some(""));
        known.insert(0, (id, declared.kind, settings));
        next = declared.through;
    }
    Ok(Settings::Known(known))
}
