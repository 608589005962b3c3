//! Expressions that are the name of an input or of a task's output and nothing else.
//!
//! Most are: `${{ inputs.size }}`, `${{ tasks.cluster.outputs.name }}`. What they give and what
//! they read can be said without running anything. Whatever is not plain here (secrets, skipped
//! tasks, repeated ones, names that are not there) is left to the evaluator, which also has the
//! words for what is wrong.

use super::evaluate::{MOST_RESULT, size};
use super::template::{Direct, Program};
use super::{
    Bindings, Bound, BoundTo, Evaluated, Graph, Member, Place, Read, TaskOutputs, VertexId,
};
use crate::value::Value;

impl Graph {
    /// What such an expression gives; `None` when it is none.
    pub(super) fn direct(
        &self,
        program: &Program,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Option<Evaluated> {
        match program.direct.as_ref().filter(|_| place.scope == program.scope)? {
            Direct::Input(name) => self.direct_input(place, name),
            Direct::Output(vertex, output) => self.direct_output(*vertex, output, place, bindings),
        }
    }

    /// What an expression names, when it does nothing else. Asked once, when all names are known.
    pub(super) fn direct_of(&self, program: &Program) -> Option<Direct> {
        let scope = self.scope(program.scope);
        let text = program.text.trim();
        if let Some(name) = text.strip_prefix("inputs.") {
            return scope.inputs.contains_key(name).then(|| Direct::Input(name.to_owned()));
        }
        let (task, output) = text.strip_prefix("tasks.")?.split_once(".outputs.")?;
        let Member::Task(vertex) = scope.members.get(task)? else { return None };
        Some(Direct::Output(*vertex, output.to_owned()))
    }

    fn direct_input(&self, place: &Place, name: &str) -> Option<Evaluated> {
        let Bound { declaration, to: BoundTo::Value(value) } =
            self.scope(place.scope).inputs.get(name)?
        else {
            return None;
        };
        if declaration.sensitive || !is_plain(value) {
            return None;
        }
        Some(Evaluated {
            value: value.clone(),
            reads: Vec::new(),
            unknown: Vec::new(),
            skipped: None,
        })
    }

    fn direct_output(
        &self,
        vertex: VertexId,
        output: &str,
        place: &Place,
        bindings: &dyn Bindings,
    ) -> Option<Evaluated> {
        if self.vertex(vertex).for_each.is_some() {
            return None;
        }
        let keys: Vec<String> = place.keys.iter().map(|(key, _)| key.clone()).collect();
        let TaskOutputs::Known(outputs) = bindings.outputs(vertex, &keys, None) else {
            return None;
        };
        let value = outputs.get(output)?;
        let read = vec![Read { vertex, keys, own: None, path: output.to_owned() }];
        let (reads, unknown) = match value {
            Value::Unknown(_) => (Vec::new(), read),
            value if is_plain(value) => (read, Vec::new()),
            _ => return None,
        };
        Some(Evaluated { value: value.clone(), reads, unknown, skipped: None })
    }
}

/// Whether it comes out of the evaluator as it went in.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Boolean(_) | Value::Integer(_) => true,
        Value::String(_) | Value::List(_) | Value::Map(_) => size(value) <= MOST_RESULT,
        Value::Null | Value::Number(_) | Value::Unknown(_) | Value::Secret(_) => false,
    }
}
