//! What an expression sees: containers that record each leaf that is read.
//!
//! A [`Container`] hands out its parts one at a time. Reading a scalar records a read; handing a
//! container on records nothing, so that one that is passed through whole keeps its unknown leaves
//! in place. The length of a known list with unknown elements is known.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};

use crate::graph::Read;
use crate::value::{Secret, Type, Value};

/// What one evaluation has read.
#[derive(Debug, Default)]
pub struct Reads {
    /// Leaves of other tasks' outputs.
    pub all: BTreeSet<Read>,
    /// The unknown ones, and what made inputs unknown.
    pub unknown: BTreeSet<Read>,
    /// Whether anything unknown was read; the verdict.
    pub saw_unknown: bool,
    /// The type of an unknown leaf, when exactly that was asked for.
    pub unknown_type: Option<Type>,
    /// Whether anything secret was read.
    pub saw_secret: bool,
    /// Reads of outputs of skipped tasks that no `default` forgave, each with its reason.
    pub skipped: Vec<String>,
    /// A problem that evaluation of something nested raised.
    pub problem: Option<String>,
}

/// Shared by all containers of one evaluation.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Reads>>);

impl Recorder {
    /// The reads so far; locked for a moment only.
    pub fn reads(&self) -> MutexGuard<'_, Reads> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Where a container came from, for the reads of its leaves.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The task whose output it is; `None` for inputs, `each` and results of functions.
    pub read: Option<Read>,
    /// What makes unknown leaves of it known (for inputs that were evaluated elsewhere).
    pub waits_for: Arc<Vec<Read>>,
    /// It was inside a secret.
    pub secret: bool,
}

impl Origin {
    fn inside(&self, key: &str) -> Self {
        let mut inner = self.clone();
        if let Some(read) = &mut inner.read {
            if !read.path.is_empty() {
                read.path.push('.');
            }
            read.path.push_str(key);
        }
        inner
    }
}

/// A list or a map of ours, as minijinja sees it.
#[derive(Clone)]
pub struct Container {
    value: Value,
    origin: Origin,
    recorder: Recorder,
}

impl fmt::Debug for Container {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.value)
    }
}

impl Container {
    /// The value as a whole, with its unknown and secret leaves.
    pub fn whole(&self) -> Value {
        if self.origin.secret {
            Value::Secret(Secret::new(self.value.clone()))
        } else {
            self.value.clone()
        }
    }

    /// The origin and the recorder, to record that it was passed on whole.
    pub fn record_whole(&self) {
        if let Some(read) = &self.origin.read {
            self.recorder.reads().all.insert(read.clone());
        }
    }
}

/// Hands a value to minijinja: containers as [`Container`], scalars as they are, recorded.
pub fn hand_out(value: &Value, origin: &Origin, recorder: &Recorder) -> Jinja {
    match value {
        Value::List(_) | Value::Map(_) => Jinja::from_object(Container {
            value: value.clone(),
            origin: origin.clone(),
            recorder: recorder.clone(),
        }),
        Value::Secret(secret) => {
            let origin = Origin { secret: true, ..origin.clone() };
            hand_out(secret.expose(), &origin, recorder)
        }
        Value::Unknown(kind) => {
            let mut reads = recorder.reads();
            reads.saw_unknown = true;
            reads.unknown_type.get_or_insert_with(|| (**kind).clone());
            reads.unknown.extend(origin.read.clone());
            reads.unknown.extend(origin.waits_for.iter().cloned());
            Jinja::UNDEFINED
        }
        scalar => {
            {
                let mut reads = recorder.reads();
                reads.saw_secret |= origin.secret;
                reads.all.extend(origin.read.clone());
            }
            scalar_to_jinja(scalar)
        }
    }
}

fn scalar_to_jinja(value: &Value) -> Jinja {
    match value {
        Value::Boolean(value) => Jinja::from(*value),
        Value::Integer(value) => Jinja::from(*value),
        Value::Number(value) => Jinja::from(*value),
        Value::String(value) => Jinja::from(value.clone()),
        _ => Jinja::from(()),
    }
}

impl Object for Container {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.value, Value::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let found = match &self.value {
            Value::List(items) => {
                key.as_usize().and_then(|index| Some((index.to_string(), items.get(index)?)))
            }
            Value::Map(entries) => {
                key.as_str().and_then(|name| Some((name.to_owned(), entries.get(name)?)))
            }
            _ => None,
        };
        // That it has such a part, or has none, was read.
        self.recorder.reads().saw_secret |= self.origin.secret;
        let Some((name, item)) = found else {
            self.record_whole();
            return None;
        };
        Some(hand_out(item, &self.origin.inside(&name), &self.recorder))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // How many there are, and which keys, is a read of the container itself.
        self.recorder.reads().saw_secret |= self.origin.secret;
        self.record_whole();
        match &self.value {
            Value::List(items) => Enumerator::Seq(items.len()),
            Value::Map(entries) => {
                Enumerator::Values(entries.keys().map(|key| Jinja::from(key.as_str())).collect())
            }
            _ => Enumerator::NonEnumerable,
        }
    }
}

/// What came out of minijinja, as a value of ours. Undefined anywhere is an error: strict mode
/// alone lets an undefined *result* pass.
pub fn take_back(value: &Jinja) -> Result<Value, String> {
    if let Some(container) = value.downcast_object_ref::<Container>() {
        container.record_whole();
        return Ok(container.whole());
    }
    match value.kind() {
        ValueKind::Undefined => Err("the value is undefined".to_owned()),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Boolean(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => {
            Ok(Value::String(value.as_str().map(Arc::from).ok_or("text that is not UTF-8")?))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?;
            Ok(Value::List(Arc::new(items.map(|item| take_back(&item)).collect::<Result<_, _>>()?)))
        }
        ValueKind::Map => {
            let mut entries = std::collections::BTreeMap::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let name =
                    key.as_str().ok_or_else(|| format!("the key {key} is not text"))?.to_owned();
                let inner = value.get_item(&key).map_err(|error| error.to_string())?;
                entries.insert(name, take_back(&inner)?);
            }
            Ok(Value::Map(Arc::new(entries)))
        }
        other => Err(format!("{other} is not a value of a runbook")),
    }
}

fn number(value: &Jinja) -> Result<Value, String> {
    if value.is_integer() {
        return value.as_i64().map(Value::Integer).ok_or_else(|| format!("{value} is too large"));
    }
    f64::try_from(value.clone()).map(Value::Number).map_err(|error| error.to_string())
}
