//! Evaluation: the names that an expression can reach are fetched, it runs, the verdict falls.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Value as Jinja;

use super::template::{Part, Program, TextPart};
use super::{
    Bindings, Bound, BoundTo, Evaluated, ExpressionId, Graph, Member, Place, Problem, Read,
    ScopeId, TaskOutputs, TemplateId, VertexId,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::expression::context::{Origin, Recorder, take_back};
use crate::expression::references::{Path, Segment, UseKind};
use crate::expression::scope::{Fetched, Instance, Instances, Root, TaskHandle};
use crate::source::Span;
use crate::value::{Secret, Type, Value};

/// The largest result of one expression, in bytes of text.
pub(super) const MOST_RESULT: usize = 1 << 20;

impl Graph {
    pub(crate) fn program(&self, id: ExpressionId) -> &Program {
        &self.programs[id.0 as usize]
    }

    pub(crate) fn scope(&self, id: ScopeId) -> &super::Scope {
        &self.scopes[id.0 as usize]
    }

    /// The vertex of that id.
    pub fn vertex(&self, id: VertexId) -> &super::Vertex {
        &self.vertices[id.0 as usize]
    }

    /// How many repeated calls lie around a scope, itself included.
    pub fn depth(&self, scope: ScopeId) -> usize {
        let mut depth = 0;
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            depth += usize::from(scope.for_each.is_some());
            at = scope.parent;
        }
        depth
    }

    /// Evaluates an expression.
    pub fn evaluate(
        &self,
        id: ExpressionId,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Result<Evaluated, Problem> {
        let program = self.program(id);
        if let Some(evaluated) = self.direct(program, place, bindings) {
            return Ok(evaluated);
        }
        let recorder = Recorder::default();
        let root = self.root(program, place, bindings, &recorder)?;
        let code = program.code.of(&program.text).map_err(|error| {
            program.problem("RB0201", format!("not an expression: {error}"), None)
        })?;
        let outcome = code.eval(Jinja::from_object(root));
        let outcome = match outcome {
            Ok(value) => take_back(&value).map_err(|wrong| (wrong, None)),
            Err(error) => Err((
                error.detail().map_or_else(|| error.to_string(), str::to_owned),
                error.range(),
            )),
        };
        let reads = std::mem::take(&mut *recorder.reads());
        let mut evaluated = Evaluated {
            value: Value::Null,
            reads: reads.all.into_iter().collect(),
            unknown: reads.unknown.into_iter().collect(),
            skipped: reads.skipped.into_iter().next(),
        };
        if reads.saw_unknown {
            evaluated.value = Value::Unknown(Arc::new(reads.unknown_type.unwrap_or(Type::Any)));
            return Ok(evaluated);
        }
        if evaluated.skipped.is_some() {
            return Ok(evaluated);
        }
        match outcome {
            Ok(value) if size(&value) > MOST_RESULT => Err(program.problem(
                "RB0230",
                format!("the result is larger than {MOST_RESULT} bytes"),
                None,
            )),
            Ok(value) => {
                evaluated.value =
                    if reads.saw_secret { Value::Secret(Secret::new(value)) } else { value };
                Ok(evaluated)
            }
            // What a filter says may quote its argument.
            Err((_, range)) if reads.saw_secret => Err(program.problem(
                "RB0231",
                "failed to evaluate (the detail is left out, a secret was read)",
                range,
            )),
            Err((message, range)) => Err(program.problem("RB0231", message, range)),
        }
    }

    /// Evaluates a tree; unknown leaves stay in place.
    pub fn evaluate_template(
        &self,
        id: TemplateId,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Result<Evaluated, Problem> {
        let template = &self.templates[id.0 as usize];
        let place = Place { scope: template.scope, ..place.clone() };
        self.evaluate_part(&template.root, &place, bindings)
    }

    /// Evaluates each entry of a map template by itself: name, value, and where it stands.
    pub fn evaluate_entries<'a>(
        &'a self,
        id: TemplateId,
        place: &'a Place,
        bindings: &'a dyn Bindings,
    ) -> impl Iterator<Item = (&'a str, Span, Result<Evaluated, Problem>)> {
        let entries = match &self.templates[id.0 as usize].root {
            Part::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(move |(name, part, span)| {
            (name.as_str(), *span, self.evaluate_part(part, place, bindings))
        })
    }

    fn evaluate_part(
        &self,
        part: &Part,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Result<Evaluated, Problem> {
        let mut whole =
            Evaluated { value: Value::Null, reads: Vec::new(), unknown: Vec::new(), skipped: None };
        whole.value = match part {
            Part::Literal(value) => value.clone(),
            Part::Expression(id) => return self.evaluate(*id, place, bindings),
            Part::Text(parts) => self.evaluate_text(parts, place, bindings, &mut whole)?,
            Part::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(whole.absorb(self.evaluate_part(item, place, bindings)?));
                }
                Value::list(values)
            }
            Part::Map(entries) => {
                let mut values = BTreeMap::new();
                for (name, item, _) in entries {
                    values.insert(
                        name.clone(),
                        whole.absorb(self.evaluate_part(item, place, bindings)?),
                    );
                }
                Value::Map(Arc::new(values))
            }
        };
        Ok(whole)
    }

    fn evaluate_text(
        &self,
        parts: &[TextPart],
        place: &Place,
        bindings: &dyn Bindings,
        whole: &mut Evaluated,
    ) -> Result<Value, Problem> {
        let mut text = String::new();
        let (mut unknown, mut secret) = (false, false);
        for part in parts {
            match part {
                TextPart::Text(plain) => text.push_str(plain),
                TextPart::Expression(id) => {
                    let value = whole.absorb(self.evaluate(*id, place, bindings)?);
                    unknown |= value.has_unknown();
                    secret |= value.has_secret();
                    let shown =
                        if let Value::Secret(hidden) = &value { hidden.expose() } else { &value };
                    match shown {
                        Value::List(_) | Value::Map(_) if !unknown => {
                            let found = shown.kind();
                            let message = format!("{found} cannot stand inside text");
                            return Err(self.program(*id).problem("RB0232", message, None));
                        }
                        other => text.push_str(&other.to_string()),
                    }
                }
            }
        }
        Ok(match (unknown, secret) {
            (true, _) => Value::Unknown(Arc::new(Type::String)),
            (false, true) => Value::Secret(Secret::new(Value::from(text))),
            (false, false) => Value::from(text),
        })
    }

    fn root(
        &self,
        program: &Program,
        place: &Place,
        bindings: &dyn Bindings,
        recorder: &Recorder,
    ) -> Result<Root, Problem> {
        let mut names: BTreeMap<String, BTreeMap<String, Fetched>> = BTreeMap::new();
        for path in &program.references.paths {
            let entry = names.entry(path.root.clone()).or_default();
            let Some(Segment::Name(name)) = path.segments.first() else { continue };
            if path.root != "tasks" && entry.contains_key(name) {
                continue;
            }
            let fetched = match path.root.as_str() {
                "inputs" => self.fetch_input(place, name, bindings, recorder)?,
                "each" => fetch_each(place, name),
                "run" => Some(Fetched::Value(bindings.run(name), Origin::default())),
                "tasks" => {
                    self.fetch_task(place, name, path, bindings, recorder, entry.get(name))?
                }
                own => bindings.own(own).and_then(|value| {
                    let inner = value.as_map()?.get(name)?.clone();
                    Some(Fetched::Value(inner, Origin::default()))
                }),
            };
            if let Some(fetched) = fetched {
                entry.insert(name.clone(), fetched);
            }
        }
        let secrets = program
            .references
            .uses
            .iter()
            .filter(|one| one.kind == UseKind::Function && one.name == "secret")
            .filter_map(|one| one.constants.first()?.as_ref()?.as_str().map(str::to_owned))
            .map(|reference| (reference.clone(), bindings.secret(&reference)))
            .collect();
        let files = self.scope(program.scope).files.clone();
        let names = names.into_iter().map(|(name, members)| (name, Arc::new(members))).collect();
        Ok(Root::new(names, secrets, files, recorder.clone()))
    }

    /// The value of an input in that place, and what it was read from.
    pub fn input(
        &self,
        place: &Place,
        name: &str,
        bindings: &dyn Bindings,
    ) -> Result<Option<Evaluated>, Problem> {
        let scope = self.scope(place.scope);
        let Some(Bound { declaration, to }) = scope.inputs.get(name) else { return Ok(None) };
        let mut evaluated = match to {
            BoundTo::Value(value) => Evaluated {
                value: value.clone(),
                reads: Vec::new(),
                unknown: Vec::new(),
                skipped: None,
            },
            BoundTo::Argument(template) => {
                let outer = self.outer(place);
                let evaluated = self.evaluate_template(*template, &outer, bindings)?;
                if evaluated.skipped.is_none() {
                    declaration.check(&evaluated.value).map_err(|wrong| {
                        let message = format!("the input `{name}` of `{}` {wrong}", scope.name);
                        let span = self.templates[template.0 as usize].span;
                        Box::new(Diagnostic::error(Code("RB0212"), message).at(span, "given here"))
                    })?;
                }
                evaluated
            }
        };
        if declaration.sensitive {
            evaluated.value = Value::Secret(Secret::new(evaluated.value));
        }
        Ok(Some(evaluated))
    }

    /// The place of a call, seen from inside it.
    fn outer(&self, place: &Place) -> Place {
        let scope = self.scope(place.scope);
        let mut keys = place.keys.clone();
        let each = if scope.for_each.is_some() { keys.pop() } else { None };
        Place { scope: scope.parent.unwrap_or(place.scope), keys, each }
    }

    fn fetch_input(
        &self,
        place: &Place,
        name: &str,
        bindings: &dyn Bindings,
        recorder: &Recorder,
    ) -> Result<Option<Fetched>, Problem> {
        let Some(evaluated) = self.input(place, name, bindings)? else { return Ok(None) };
        let mut reads = recorder.reads();
        reads.all.extend(evaluated.reads);
        reads.skipped.extend(evaluated.skipped);
        let origin = Origin { waits_for: Arc::new(evaluated.unknown), ..Origin::default() };
        Ok(Some(Fetched::Value(evaluated.value, origin)))
    }

    fn fetch_task(
        &self,
        place: &Place,
        name: &str,
        path: &Path,
        bindings: &dyn Bindings,
        recorder: &Recorder,
        before: Option<&Fetched>,
    ) -> Result<Option<Fetched>, Problem> {
        let texts: Vec<String> = place.keys.iter().map(|(key, _)| key.clone()).collect();
        match self.scope(place.scope).members.get(name) {
            None => Ok(None),
            Some(Member::Task(vertex)) => {
                let instances = self.instances_of(*vertex, &texts, bindings);
                Ok(Some(Fetched::Task(Arc::new(TaskHandle::new(
                    format!("tasks.{name}"),
                    instances,
                    recorder.clone(),
                )))))
            }
            Some(Member::Call(call)) => {
                let wanted = wanted_outputs(self, *call, path, before);
                let instances =
                    self.instances_of_call(*call, place, &texts, &wanted, bindings, recorder)?;
                Ok(Some(Fetched::Task(Arc::new(TaskHandle::new(
                    format!("tasks.{name}"),
                    instances,
                    recorder.clone(),
                )))))
            }
        }
    }

    fn instances_of(
        &self,
        vertex: VertexId,
        keys: &[String],
        bindings: &dyn Bindings,
    ) -> Instances {
        let instance = |own: Option<&str>| {
            let read = Read {
                vertex,
                keys: keys.to_vec(),
                own: own.map(str::to_owned),
                path: String::new(),
            };
            match bindings.outputs(vertex, keys, own) {
                TaskOutputs::Known(outputs) => Instance::Known(
                    Value::Map(outputs),
                    Origin { read: Some(read), ..Origin::default() },
                ),
                TaskOutputs::Skipped(because) => Instance::Skipped(because),
            }
        };
        if self.vertex(vertex).for_each.is_none() {
            return Instances::One(instance(None));
        }
        Instances::Keyed(match bindings.keys(vertex, keys) {
            Some(own) => {
                Ok(own.into_iter().map(|key| (key.clone(), instance(Some(&key)))).collect())
            }
            None => Err(vec![Read { vertex, keys: keys.to_vec(), own: None, path: String::new() }]),
        })
    }

    fn instances_of_call(
        &self,
        call: ScopeId,
        place: &Place,
        keys: &[String],
        wanted: &[String],
        bindings: &dyn Bindings,
        recorder: &Recorder,
    ) -> Result<Instances, Problem> {
        let inner = |own: Option<(String, Value)>| -> Result<Instance, Problem> {
            let mut inside = place.keys.clone();
            inside.extend(own);
            let place = Place { scope: call, keys: inside, each: None };
            self.call_outputs(&place, wanted, bindings, recorder)
        };
        if self.scope(call).for_each.is_none() {
            return Ok(Instances::One(inner(None)?));
        }
        let Some(own) = bindings.call_keys(call, keys) else {
            return Ok(Instances::Keyed(Err(Vec::new())));
        };
        let mut instances = Vec::new();
        for (key, value) in own {
            instances.push((key.clone(), inner(Some((key, value)))?));
        }
        Ok(Instances::Keyed(Ok(instances)))
    }

    /// The outputs of a call, by evaluating what they are other names for.
    fn call_outputs(
        &self,
        place: &Place,
        wanted: &[String],
        bindings: &dyn Bindings,
        recorder: &Recorder,
    ) -> Result<Instance, Problem> {
        let mut values = BTreeMap::new();
        let mut waits_for = Vec::new();
        for name in wanted {
            let Some(template) = self.scope(place.scope).outputs.get(name) else { continue };
            let evaluated = self.evaluate_template(*template, place, bindings)?;
            if let Some(skipped) = evaluated.skipped {
                return Ok(Instance::Skipped(skipped));
            }
            waits_for.extend(evaluated.unknown);
            recorder.reads().all.extend(evaluated.reads);
            values.insert(name.clone(), evaluated.value);
        }
        let origin = Origin { waits_for: Arc::new(waits_for), ..Origin::default() };
        Ok(Instance::Known(Value::Map(Arc::new(values)), origin))
    }
}

/// The outputs of a call that a path names; all of them where it names none.
fn wanted_outputs(
    graph: &Graph,
    call: ScopeId,
    path: &Path,
    before: Option<&Fetched>,
) -> Vec<String> {
    let named = path
        .segments
        .iter()
        .skip(1)
        .skip_while(|segment| **segment != Segment::Name("outputs".to_owned()));
    match (named.into_iter().nth(1), before) {
        (Some(Segment::Name(output)), None) => vec![output.clone()],
        _ => graph.scope(call).outputs.keys().cloned().collect(),
    }
}

fn fetch_each(place: &Place, name: &str) -> Option<Fetched> {
    let (key, value) = place.each.as_ref()?;
    match name {
        "key" => Some(Fetched::Value(Value::text(key.as_str()), Origin::default())),
        "value" => Some(Fetched::Value(value.clone(), Origin::default())),
        _ => None,
    }
}

pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(size).sum::<usize>() + 2,
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>() + 2
        }
        Value::Secret(secret) => size(secret.expose()),
        _ => 8,
    }
}

impl Evaluated {
    /// Takes over what another evaluation read, and returns its value.
    pub(crate) fn absorb(&mut self, other: Self) -> Value {
        self.reads.extend(other.reads);
        self.unknown.extend(other.unknown);
        if self.skipped.is_none() {
            self.skipped = other.skipped;
        }
        other.value
    }
}

impl Program {
    /// A problem in this expression, at a range of its text or at the whole.
    pub(crate) fn problem(
        &self,
        code: &'static str,
        message: impl Into<String>,
        range: Option<std::ops::Range<usize>>,
    ) -> Problem {
        let range = range.unwrap_or(0..self.text.len());
        Box::new(
            Diagnostic::error(Code(code), message)
                .at(self.place(range.start, range.end), "in this expression"),
        )
    }

    /// Where bytes of the expression's text stand in the file.
    pub(crate) fn place(&self, start: usize, end: usize) -> Span {
        self.scalar.place(&self.source, self.start + start, self.start + end)
    }
}
