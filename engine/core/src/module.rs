//! The module contract: observe, diff, apply, verify, and a schema.
//!
//! | verb | may | returns |
//! |---|---|---|
//! | [`Module::observe`] | read only | absent, or present with a projection and ownership |
//! | [`Module::diff`] | nothing (pure) | a [`Change`] |
//! | [`Module::apply`] | write | acknowledged, rejected (known not to have happened), ambiguous |
//! | [`Module::verify`] | read only | converged with outputs, not yet with the reason, terminal |
//!
//! **Success is: the diff is empty *and* verify says converged.** A cluster that is still CREATING
//! has an empty diff and is not done. Ambiguous always goes back to observe, never to "failed",
//! never to a blind retry.
//!
//! # Guarantees that a module gives
//! `observe` and `verify` send no write. `diff` is a function of its arguments. `apply` with the
//! same [`Intent::token`] twice has the effect of once wherever the service allows it; where it
//! does not, the answer is `Ambiguous` as soon as the effect may have happened. Everything created
//! carries [`Intent::mark`] from its create call. Waiting is the engine's business: `apply` returns
//! when the service has acknowledged, and `verify` looks once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::address::Address;
use crate::change::{Action, Change, FieldChange};
use crate::clock::Clock;
use crate::connection::{Connection, Kind};
use crate::failure::Failure;
use crate::owner::{Mark, Owner, Ownership};
use crate::thread::OwnThread;
use crate::value::{Type, Value};

/// Arguments, outputs, projections: names to values.
pub type Values = BTreeMap<String, Value>;

/// How much the engine may know about a task without running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Reads only (a lookup, an assertion): no `intended` step, no lock, no lease.
    Pure,
    /// What it makes can be observed.
    Observable,
    /// A command without a guard: an interrupted attempt asks a person.
    Blind,
}

/// One argument of a module.
#[expect(clippy::struct_excessive_bools, reason = "independent declarations, written by name")]
#[derive(Debug, Clone)]
pub struct Argument {
    /// The key in `with`.
    pub name: &'static str,
    /// Its type.
    pub r#type: Type,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: Option<Value>,
    /// Part of what names the object; unknown at plan time makes the task deferred.
    pub identity: bool,
    /// The service cannot change it in place: a difference is a replacement.
    pub immutable: bool,
    /// Always secret.
    pub secret: bool,
    /// The values it may have, when they are few.
    pub allowed: &'static [&'static str],
    /// One sentence for the schema and the editor.
    pub description: &'static str,
}

/// One output of a module.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name in `tasks.x.outputs`.
    pub name: &'static str,
    /// Its type.
    pub r#type: Type,
    /// Unknown as soon as the task will write (a version number), not only when it is created.
    pub volatile: bool,
    /// Always secret.
    pub secret: bool,
    /// One sentence.
    pub description: &'static str,
}

/// What a module declares about itself.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The name in `uses`, for example `eks.fargate_profile`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// How much can be known without running it. `shell` refines this by its arguments, see
    /// [`Module::nature`].
    pub nature: Nature,
    /// What it observes is the effect of the tasks that it comes after (a check, a restart of what
    /// an update leaves behind): while one of them has something left to do, looking says nothing,
    /// and the task is deferred. Pure modules always follow.
    pub follows: bool,
    /// The connection it needs.
    pub connection: Option<Kind>,
    /// Arguments, in the order in which they are documented.
    pub arguments: Vec<Argument>,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// What a deferred task of this module may turn out to be.
    pub may: &'static [Action],
    /// The IAM actions that observing, applying and verifying need.
    pub iam_actions: &'static [&'static str],
    /// The Kubernetes verbs, as `verb resource.group`.
    pub kubernetes_verbs: &'static [&'static str],
    /// What it bills, in words ("control plane, per hour"); `None` when it costs nothing.
    pub bills: Option<&'static str>,
}

/// Something that is billed for as long as it is there. The core knows no prices: a charge names what is
/// billed and what its price depends on; who has a price book makes money of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Charge {
    /// What is billed: `eks_control_plane`, `pods`, `sqs_requests`.
    pub item: String,
    /// How many of it; none when that is not known before the task runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// What it is, in words.
    pub words: String,
    /// What its price depends on.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// What a task is billed for before it runs and after.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Billing {
    /// What is there now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Charge>,
    /// What will be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Charge>,
}

/// What a module is given besides its arguments.
#[derive(Clone)]
pub struct Context {
    /// The connection of the kind that the schema names.
    pub connection: Option<Connection>,
    /// Whose objects are ours.
    pub owner: Owner,
    /// The task.
    pub address: Address,
    /// World time.
    pub clock: Arc<dyn Clock>,
    /// The folder of the file that declares the task; relative paths are relative to it.
    pub folder: PathBuf,
    /// A folder for this task's own downloads and temporary files, made on first use.
    pub scratch: PathBuf,
    /// Where tries of requests are reported.
    pub tries: Arc<dyn TryObserver>,
}

/// Sees each try of each request; the engine turns them into events.
pub trait TryObserver: Send + Sync {
    /// A request was tried.
    fn tried(&self, r#try: Try);
}

/// One try of one request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Try {
    /// For example `eks:CreateCluster` or `PATCH deployments.apps/coredns`.
    pub operation: String,
    /// `read`, `dry_run` or `write`.
    pub class: String,
    /// From 1.
    pub number: u32,
    /// `ok`, or the error's code.
    pub outcome: String,
}

/// What was seen of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// It is not there.
    Absent,
    /// It is there.
    Present(Observation),
}

/// An object as a module sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Only what diff compares or expressions may read, canonical (documents parsed, sets sorted):
    /// these fields are the facts. Never versions, times or statuses.
    pub projection: Values,
    /// Who made it.
    pub ownership: Ownership,
    /// Outputs as they are now; a missing one is unknown.
    pub outputs: Values,
    /// What `apply` needs besides (ids, the versions to prune). Not compared, not stored.
    pub private: serde_json::Value,
}

/// What `apply` is asked to do. All arguments are known.
pub struct Intent<'a> {
    /// The arguments.
    pub arguments: &'a Values,
    /// The change that was planned and refined right before.
    pub change: &'a Change,
    /// What was seen right before.
    pub observed: &'a Observed,
    /// Stable over tries and ambiguity of this attempt; send it as the service's client token.
    pub token: &'a str,
    /// The mark that the object carries.
    pub mark: &'a Mark,
    /// The thread that it is carried out on, where that is for it alone: it may block there.
    pub thread: Option<&'a OwnThread>,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// The service has accepted it; outputs known so far.
    Acknowledged(Values),
    /// Known not to have happened.
    Rejected(Failure),
    /// It may have happened.
    Ambiguous(Failure),
}

/// What one look says about convergence.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Done, with all outputs.
    Converged(Values),
    /// Not yet: what a person needs to know ("CREATING", "1 of 2 pods on Fargate").
    NotYet(String),
    /// Waiting will not help.
    Terminal(Failure),
}

/// An exclusivity that a service demands, for example `eks/myeks/control-plane`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Until when it is kept.
    pub until: LockUntil,
}

/// When a lock may be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockUntil {
    /// As soon as the write was acknowledged.
    Acknowledged,
    /// When the task has converged or ended otherwise.
    Converged,
}

/// How a task is named in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// The object, for example `myeks`.
    pub subject: String,
    /// What matters about it, for example `1.34, private and public endpoint`.
    pub detail: String,
}

/// An object that carries our mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The address tag in its mark ([`Mark::address_tag`]).
    pub address_tag: String,
    /// The object, for a person.
    pub identity: String,
    /// The identity arguments with which it can be observed and deleted.
    pub arguments: Values,
}

/// Code for one kind of task; see the crate's module documentation for the contract.
#[async_trait]
pub trait Module: Send + Sync {
    /// What the module declares about itself.
    fn schema(&self) -> &Schema;

    /// The nature with these arguments (a shell command with a guard is observable).
    fn nature(&self, arguments: &Values) -> Nature {
        let _ = arguments;
        self.schema().nature
    }

    /// Problems that can be found in the arguments alone, each with the argument's name. Called
    /// for known arguments; unknown ones are left out.
    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let _ = arguments;
        Vec::new()
    }

    /// Whether these arguments do not say yet which object they are about, beyond the identity
    /// arguments of the schema (a manifest whose name is unknown). The task is deferred then.
    fn is_unnamed(&self, arguments: &Values) -> bool {
        let _ = arguments;
        false
    }

    /// Whether a look costs money. A plan does not look then: the task is deferred in every plan, and
    /// looks right before it would write.
    fn looking_costs(&self) -> bool {
        false
    }

    /// Whether it works in the folder that its runbook lies in: where that folder is gone, a stored plan
    /// is refused before anything is done.
    fn works_in_folder(&self) -> bool {
        false
    }

    /// Whether carrying out a change keeps a thread busy until it is done, since it waits for a process of
    /// this machine. It then gets one for itself, unless the task has a `timeout` ([`Intent::thread`]).
    fn occupies_thread(&self) -> bool {
        false
    }

    /// The arguments by which alone what it does can be observed, of a module that is blind without them:
    /// a look finds nothing then, and at once. None for every other module.
    fn guards(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// Whether a look at these arguments is free after all. Asked only where looking costs.
    fn is_free(&self, arguments: &Values) -> bool {
        let _ = arguments;
        false
    }

    /// How the task is named in a plan; arguments may be unknown.
    fn describe(&self, arguments: &Values) -> Description;

    /// The object's identity in one line, from known identity arguments; part of facts.
    fn identity(&self, arguments: &Values) -> String {
        self.describe(arguments).subject
    }

    /// What should be there, in the shape of [`Observation::projection`]; unknown leaves allowed.
    /// Pure tasks return nothing.
    fn desired(&self, arguments: &Values) -> Values {
        let _ = arguments;
        Values::new()
    }

    /// What is billed once these arguments are true, as far as they say. They are masked: a secret is
    /// `{"secret": …}`, what is not known yet `{"unknown": …}`. Asked only of a module whose schema says
    /// that it bills something.
    fn charges(&self, arguments: &serde_json::Map<String, serde_json::Value>) -> Vec<Charge> {
        let _ = arguments;
        Vec::new()
    }

    /// What is billed for what is there; without an answer of its own, what the arguments would be
    /// billed for with the observed fields in their places.
    fn charges_of(
        &self,
        arguments: &serde_json::Map<String, serde_json::Value>,
        observed: &serde_json::Map<String, serde_json::Value>,
        private: &serde_json::Value,
    ) -> Vec<Charge> {
        let _ = private;
        let mut before = arguments.clone();
        before.extend(observed.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.charges(&before)
    }

    /// Looks at the object. Identity arguments are known, others may be unknown.
    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure>;

    /// What is to be done. The default compares [`Module::desired`] with the projection field by
    /// field ([`compare`]) and replaces where an immutable argument of that name differs.
    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        let immutable: Vec<&str> = self
            .schema()
            .arguments
            .iter()
            .filter(|one| one.immutable)
            .map(|one| one.name)
            .collect();
        compare(&self.desired(arguments), observed, &immutable)
    }

    /// Carries out a change.
    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied;

    /// Looks whether the object is what it should be and ready. After a deletion, whether it is
    /// gone ([`Module::verify_absent`]).
    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure>;

    /// Looks whether a deleted object is gone. The default observes.
    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        Ok(match self.observe(context, arguments).await? {
            Observed::Absent => Verdict::Converged(Values::new()),
            Observed::Present(_) => Verdict::NotYet("still there".to_owned()),
        })
    }

    /// The locks that a write with these arguments needs.
    fn locks(&self, arguments: &Values) -> Vec<Lock> {
        let _ = arguments;
        Vec::new()
    }

    /// How long the action usually takes, in world time.
    fn expected(&self, action: Action, arguments: &Values) -> Duration {
        let _ = (action, arguments);
        Duration::ZERO
    }

    /// How often verify looks, and after how long it gives up when the task has no `timeout`.
    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(5), timeout: Duration::from_mins(10) }
    }

    /// The objects marked with that owner, where the service can list them; `None` where not.
    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let _ = (context, owner);
        Ok(None)
    }
}

/// How verify waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between two looks.
    pub interval: Duration,
    /// Until it gives up.
    pub timeout: Duration,
}

/// Compares what should be with what is, top-level field by field and inside maps key by key:
/// only declared fields count. A field that is null in `desired` must be absent.
pub fn compare(desired: &Values, observed: &Observed, immutable: &[&str]) -> Change {
    let Observed::Present(observation) = observed else {
        let fields = desired
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Null))
            .map(|(path, value)| FieldChange {
                path: path.clone(),
                before: None,
                after: Some(value.clone()),
                forces_replace: None,
            })
            .collect();
        return Change { action: Action::Create, fields, reasons: Vec::new() };
    };
    let mut fields = Vec::new();
    for (name, want) in desired {
        compare_field(name, want, observation.projection.get(name), &mut fields);
    }
    for field in &mut fields {
        let top = field.path.split('.').next().unwrap_or_default();
        if immutable.contains(&top) {
            field.forces_replace = Some(format!("`{top}` cannot be changed in place"));
        }
    }
    let action = if fields.is_empty() {
        Action::None
    } else if fields.iter().any(|field| field.forces_replace.is_some()) {
        Action::Replace
    } else {
        Action::Update
    };
    Change { action, fields, reasons: Vec::new() }
}

fn compare_field(path: &str, want: &Value, have: Option<&Value>, fields: &mut Vec<FieldChange>) {
    match (want, have) {
        (Value::Null, None | Some(Value::Null)) => {}
        (Value::Map(want), Some(Value::Map(have))) => {
            for (key, value) in want.iter() {
                compare_field(&format!("{path}.{key}"), value, have.get(key), fields);
            }
        }
        (want, Some(have)) if want == have => {}
        (want, have) => fields.push(FieldChange {
            path: path.to_owned(),
            before: have.cloned(),
            after: if matches!(want, Value::Null) { None } else { Some(want.clone()) },
            forces_replace: None,
        }),
    }
}
