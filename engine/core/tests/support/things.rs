//! A world of things, and the modules that look at it and write to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use runbook_core::change::Action;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Argument, Context, Description, Intent, Lock, LockUntil, Module, Nature, Observation,
    Observed, Output, Schema, Values, Verdict,
};
use runbook_core::owner::{Owner, Ownership};
use runbook_core::value::{Type, Value};

/// An object of the fake world.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thing {
    pub(crate) colour: String,
    pub(crate) size: i64,
    pub(crate) owner: Option<String>,
    pub(crate) address: String,
    pub(crate) ready_at: Timestamp,
}

/// The fake world.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) things: Mutex<BTreeMap<String, Thing>>,
    /// Every write that took effect, in order: `create a`, `update a`.
    pub(crate) log: Mutex<Vec<String>>,
    /// By name: what the next writes answer; the effect happens for `Lost`.
    pub(crate) faults: Mutex<BTreeMap<String, Vec<Fault>>>,
    pub(super) meeting: Meeting,
}

/// Where two threads meet.
pub(super) struct Meeting(Barrier);

impl Default for Meeting {
    fn default() -> Self {
        Self(Barrier::new(2))
    }
}

impl Meeting {
    pub(super) fn wait(&self) {
        self.0.wait();
    }
}

impl World {
    /// Meets the write that waits for another one.
    pub(crate) fn meet(&self) {
        self.meeting.wait();
    }

    /// What the next write of that name answers, when it is scripted.
    pub(super) fn next_fault(&self, name: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let faults = faults.get_mut(name)?;
        (!faults.is_empty()).then(|| faults.remove(0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Known not to have happened.
    Reject,
    /// Passes by itself.
    Passing,
    /// It happened, the reply was lost.
    Lost,
    Panic,
    /// Of a write that occupies a thread: it waits there for another one.
    Meet,
    /// Of such a write: it waits there until the run is abandoned.
    Hang,
}

pub(super) fn argument(name: &'static str, kind: Type, required: bool) -> Argument {
    Argument {
        name,
        r#type: kind,
        required,
        default: None,
        identity: false,
        immutable: false,
        secret: false,
        allowed: &[],
        description: "for tests",
    }
}

pub(super) fn output(name: &'static str, kind: Type) -> Output {
    Output { name, r#type: kind, volatile: false, secret: false, description: "for tests" }
}

/// `fake.thing`
pub(crate) struct ThingModule {
    world: Arc<World>,
    schema: Schema,
}

impl ThingModule {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let schema = Schema {
            name: "fake.thing",
            summary: "A thing.",
            nature: Nature::Observable,
            follows: false,
            connection: None,
            arguments: vec![
                Argument { identity: true, ..argument("name", Type::String, true) },
                Argument {
                    immutable: true,
                    default: Some(Value::from("red")),
                    ..argument("colour", Type::String, false)
                },
                Argument {
                    default: Some(Value::Integer(1)),
                    ..argument("size", Type::Integer, false)
                },
                argument("takes", Type::Duration, false),
                argument("lock", Type::String, false),
                argument("uses", Type::Any, false),
            ],
            outputs: vec![
                output("name", Type::String),
                output("id", Type::String),
                output("size", Type::Integer),
            ],
            may: &[Action::Create, Action::Update, Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { world, schema }
    }
}

pub(super) fn text(arguments: &Values, name: &str) -> String {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[async_trait]
impl Module for ThingModule {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: arguments.get("name").map(ToString::to_string).unwrap_or_default(),
            detail: String::new(),
        }
    }

    fn desired(&self, arguments: &Values) -> Values {
        arguments
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "colour" | "size"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let things = self.world.things.lock().unwrap();
        let Some(thing) = things.get(&text(arguments, "name")) else { return Ok(Observed::Absent) };
        let ownership = match &thing.owner {
            None => Ownership::Unmarked,
            Some(owner) if *owner == context.owner.0 => {
                Ownership::Ours { address: thing.address.clone() }
            }
            Some(owner) => Ownership::Foreign { owner: Owner(owner.clone()) },
        };
        let values = |pairs: Vec<(&str, Value)>| {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        Ok(Observed::Present(Observation {
            projection: values(vec![
                ("colour", thing.colour.as_str().into()),
                ("size", thing.size.into()),
            ]),
            ownership,
            outputs: outputs(&text(arguments, "name"), thing),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let name = text(intent.arguments, "name");
        let fault = self.world.next_fault(&name);
        match fault {
            Some(Fault::Reject) => {
                return Applied::Rejected(Failure::new(Class::Invalid, "refused").code("Refused"));
            }
            Some(Fault::Passing) => {
                return Applied::Rejected(
                    Failure::new(Class::Conflict, "in progress")
                        .passes_within(Duration::from_mins(2)),
                );
            }
            Some(Fault::Panic) => panic!("as the test asked"),
            Some(Fault::Lost | Fault::Meet | Fault::Hang) | None => {}
        }
        let mut things = self.world.things.lock().unwrap();
        let mut log = self.world.log.lock().unwrap();
        let takes =
            runbook_core::value::duration(&text(intent.arguments, "takes")).unwrap_or_default();
        if intent.change.action == Action::Delete {
            things.remove(&name);
            log.push(format!("delete {name}"));
            return Applied::Acknowledged(Values::new());
        }
        log.push(format!("{} {name}", format!("{:?}", intent.change.action).to_lowercase()));
        things.insert(
            name,
            Thing {
                colour: text(intent.arguments, "colour"),
                size: intent.arguments.get("size").and_then(Value::as_i64).unwrap_or_default(),
                owner: Some(intent.mark.owner.0.clone()),
                address: intent.mark.address_tag(),
                ready_at: context
                    .clock
                    .now()
                    .saturating_add(SignedDuration::try_from(takes).unwrap())
                    .unwrap(),
            },
        );
        if fault == Some(Fault::Lost) {
            return Applied::Ambiguous(Failure::new(
                Class::Unavailable,
                "the connection was reset",
            ));
        }
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let name = text(arguments, "name");
        let things = self.world.things.lock().unwrap();
        Ok(match things.get(&name) {
            None => Verdict::NotYet("not there".to_owned()),
            Some(thing) if thing.ready_at > context.clock.now() => {
                Verdict::NotYet("MAKING".to_owned())
            }
            Some(thing) => Verdict::Converged(outputs(&name, thing)),
        })
    }

    fn locks(&self, arguments: &Values) -> Vec<Lock> {
        match text(arguments, "lock") {
            name if name.is_empty() => Vec::new(),
            name => vec![Lock { name, until: LockUntil::Converged }],
        }
    }

    fn expected(&self, action: Action, arguments: &Values) -> Duration {
        if action == Action::None {
            Duration::ZERO
        } else {
            runbook_core::value::duration(&text(arguments, "takes")).unwrap_or_default()
        }
    }
}

fn outputs(name: &str, thing: &Thing) -> Values {
    [
        ("name", name.into()),
        ("id", format!("id-{name}").into()),
        ("size", Value::Integer(thing.size)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// `fake.lookup`: the size of a thing, or a failure.
pub(crate) struct LookupModule {
    world: Arc<World>,
    schema: Schema,
}

impl LookupModule {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let schema = Schema {
            name: "fake.lookup",
            summary: "A thing's size.",
            nature: Nature::Pure,
            follows: false,
            connection: None,
            arguments: vec![Argument { identity: true, ..argument("name", Type::String, true) }],
            outputs: vec![
                output("size", Type::Integer),
                output("names", Type::List(Box::new(Type::String))),
            ],
            may: &[Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { world, schema }
    }
}

#[async_trait]
impl Module for LookupModule {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description {
            subject: arguments.get("name").map(ToString::to_string).unwrap_or_default(),
            detail: String::new(),
        }
    }

    async fn observe(&self, _: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let name = text(arguments, "name");
        let things = self.world.things.lock().unwrap();
        let thing = things
            .get(&name)
            .ok_or_else(|| Failure::new(Class::NotFound, format!("there is no thing `{name}`")))?;
        let names = Value::list(things.keys().map(|name| Value::from(name.as_str())));
        let outputs = Values::from([
            ("size".to_owned(), Value::Integer(thing.size)),
            ("names".to_owned(), names),
        ]);
        Ok(Observed::Present(Observation {
            projection: outputs.clone(),
            ownership: Ownership::Setting,
            outputs,
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        Applied::Rejected(Failure::new(Class::Bug, "a lookup does not write"))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        match self.observe(context, arguments).await? {
            Observed::Present(observation) => Ok(Verdict::Converged(observation.outputs)),
            Observed::Absent => Ok(Verdict::NotYet("absent".to_owned())),
        }
    }
}
