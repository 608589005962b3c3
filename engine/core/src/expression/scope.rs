//! The root object of an evaluation: the names that an expression may use, with what they hold.
//!
//! References are static, so everything that an expression can reach is fetched before it is
//! evaluated, and owned here: `inputs.x`, `each.value`, the outputs of the tasks that it names.
//! Fetching records nothing; reading does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja};

use super::context::{Origin, Recorder, hand_out};
use crate::failure::Failure;
use crate::graph::Read;
use crate::value::Value;

/// Files beside a runbook, read by `file`, `template` and `glob`.
pub trait Files: Send + Sync {
    /// The text of a file inside the runbook's folder.
    fn read(&self, path: &str) -> Result<String, String>;
    /// The files that match, relative to the folder, sorted.
    fn list(&self, pattern: &str) -> Result<Vec<String>, String>;
}

/// A fetched name.
#[derive(Clone)]
pub enum Fetched {
    /// A value and where it came from.
    Value(Value, Origin),
    /// A task or a call.
    Task(Arc<TaskHandle>),
}

/// The root object.
pub struct Root {
    pub(super) names: BTreeMap<String, Arc<BTreeMap<String, Fetched>>>,
    pub(super) secrets: BTreeMap<String, Result<Value, Failure>>,
    pub(super) files: Arc<dyn Files>,
    pub(super) recorder: Recorder,
}

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(the names of a runbook)")
    }
}

impl Root {
    /// A root object with these names.
    pub fn new(
        names: BTreeMap<String, Arc<BTreeMap<String, Fetched>>>,
        secrets: BTreeMap<String, Result<Value, Failure>>,
        files: Arc<dyn Files>,
        recorder: Recorder,
    ) -> Self {
        Self { names, secrets, files, recorder }
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn secret_origin() -> Origin {
        Origin { secret: true, ..Origin::default() }
    }

    pub(super) fn secret(&self, reference: &str) -> Result<Value, Failure> {
        self.secrets.get(reference).cloned().unwrap_or_else(|| {
            Err(Failure::new(
                crate::failure::Class::Invalid,
                "`secret` takes one constant text, as in `secret('env:TOKEN')`",
            ))
        })
    }

    pub(super) fn read(&self, path: &str) -> Result<String, String> {
        self.files.read(path)
    }

    pub(super) fn list(&self, pattern: &str) -> Result<Vec<String>, String> {
        self.files.list(pattern)
    }
}

impl Object for Root {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = key.as_str()?;
        if name == "__root" {
            return Some(Jinja::from_dyn_object(self.clone()));
        }
        let members = self.names.get(name)?;
        Some(Jinja::from_object(Names {
            members: members.clone(),
            recorder: self.recorder.clone(),
        }))
    }
}

/// `inputs`, `tasks`, `each`, `run`, `self`, `error`.
struct Names {
    members: Arc<BTreeMap<String, Fetched>>,
    recorder: Recorder,
}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.members.keys()).finish()
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match self.members.get(key.as_str()?)? {
            Fetched::Value(value, origin) => Some(hand_out(value, origin, &self.recorder)),
            Fetched::Task(handle) => Some(Jinja::from_dyn_object(handle.clone())),
        }
    }
}

/// The outputs of one instance, or why there are none.
#[derive(Clone, Debug)]
pub enum Instance {
    /// A map of outputs.
    Known(Value, Origin),
    /// It was skipped.
    Skipped(String),
}

/// A task or a call, with the instances that were asked for.
#[derive(Clone)]
pub struct TaskHandle {
    /// For example `tasks.profile`.
    pub(super) name: String,
    pub(super) instances: Instances,
    pub(super) recorder: Recorder,
}

/// The instances of a task or a call.
#[derive(Clone)]
pub enum Instances {
    /// It is not repeated.
    One(Instance),
    /// By key, in order; `None` while the keys are unknown, with what they wait for.
    Keyed(Result<Vec<(String, Instance)>, Vec<Read>>),
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({})", self.name)
    }
}

impl TaskHandle {
    /// A handle under that name.
    pub fn new(name: String, instances: Instances, recorder: Recorder) -> Self {
        Self { name, instances, recorder }
    }

    fn unknown(&self, waits_for: &[Read]) -> Jinja {
        let mut reads = self.recorder.reads();
        reads.saw_unknown = true;
        reads.unknown.extend(waits_for.iter().cloned());
        Jinja::UNDEFINED
    }

    fn outputs_of(&self, instance: &Instance) -> Jinja {
        match instance {
            Instance::Known(outputs, origin) => hand_out(outputs, origin, &self.recorder),
            Instance::Skipped(because) => Jinja::from_object(Skipped {
                task: self.name.clone(),
                because: because.clone(),
                recorder: self.recorder.clone(),
                steps: 0,
            }),
        }
    }

    /// That output of all instances.
    pub(super) fn all(&self, output: &str) -> Jinja {
        match &self.instances {
            Instances::One(instance) => {
                Jinja::from(vec![self.outputs_of(instance).get_attr(output).unwrap_or_default()])
            }
            Instances::Keyed(Err(waits_for)) => self.unknown(waits_for),
            Instances::Keyed(Ok(instances)) => instances
                .iter()
                .filter(|(_, instance)| !matches!(instance, Instance::Skipped(_)))
                .map(|(_, instance)| self.outputs_of(instance).get_attr(output).unwrap_or_default())
                .collect(),
        }
    }
}

impl Object for TaskHandle {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = key.as_str()?;
        match &self.instances {
            Instances::One(instance) => (name == "outputs").then(|| self.outputs_of(instance)),
            Instances::Keyed(Err(waits_for)) => Some(self.unknown(waits_for)),
            Instances::Keyed(Ok(instances)) => {
                let (_, instance) = instances.iter().find(|(key, _)| key == name)?;
                Some(Jinja::from_object(TaskHandle {
                    name: format!("{}[\"{name}\"]", self.name),
                    instances: Instances::One(instance.clone()),
                    recorder: self.recorder.clone(),
                }))
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.instances {
            Instances::One(_) => Enumerator::Str(&["outputs"]),
            Instances::Keyed(Err(waits_for)) => {
                self.unknown(waits_for);
                Enumerator::Empty
            }
            Instances::Keyed(Ok(instances)) => Enumerator::Values(
                instances.iter().map(|(key, _)| Jinja::from(key.as_str())).collect(),
            ),
        }
    }
}

/// What reading outputs of a skipped task gives: it makes the reader skipped too, unless
/// `default` forgives it.
pub struct Skipped {
    task: String,
    because: String,
    recorder: Recorder,
    /// How many reads led here: what `default` forgives, and nothing else.
    steps: usize,
}

impl fmt::Debug for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({} was skipped)", self.task)
    }
}

impl Skipped {
    fn why(&self) -> String {
        format!("needs `{}`, which was skipped because {}", self.task, self.because)
    }

    /// `default` was given.
    pub(super) fn forgive(&self) {
        let why = self.why();
        let mut reads = self.recorder.reads();
        for _ in 0..self.steps {
            if let Some(at) = reads.skipped.iter().rposition(|one| *one == why) {
                reads.skipped.remove(at);
            }
        }
    }
}

impl Object for Skipped {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _key: &Jinja) -> Option<Jinja> {
        self.recorder.reads().skipped.push(self.why());
        Some(Jinja::from_object(Self {
            task: self.task.clone(),
            because: self.because.clone(),
            recorder: self.recorder.clone(),
            steps: self.steps + 1,
        }))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }
}
