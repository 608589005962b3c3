//! An account to test AWS modules in: the sandbox, served over real sockets in this process, and
//! what the engine puts around a module.
//!
//! [`Task::run`] drives a module as the engine does: look, apply once, look again after a pause when
//! the refusal passes by itself, replace by deletion and creation, verify until it has converged, all
//! in the sandbox's time.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::aws::{self, ec2::Filter};
use runbook_clients::{Access, SilentObserver};
use runbook_core::address::{Address, Part};
use runbook_core::change::{Action, Change};
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_core::connection::{Connection, Kind};
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Intent, Module, Observation, Observed, Try, TryObserver, Values, Verdict,
};
use runbook_core::owner::{Mark, Owner};
use runbook_core::value::Value;
use runbook_sandbox::{OpenOptions, Registration, Sandbox, Served};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// The sandbox's clock, as the clients and the engine see it.
#[derive(Clone)]
pub(crate) struct WorldClock(Arc<Registration>);

fn later(at: Timestamp, duration: Duration) -> Timestamp {
    at + SignedDuration::try_from(duration).unwrap()
}

impl runbook_clients::Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.idle_until(later(self.0.now(), duration)).await.unwrap();
        })
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.idle_until(at).await.unwrap();
        })
    }

    fn hold(&self) -> Hold {
        Hold::none()
    }

    fn aside(&self) -> Hold {
        Hold::none()
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        Box::pin(async { Delegation { environment: Vec::new(), guard: Hold::none() } })
    }
}

/// Signatures are dated in real time.
#[expect(clippy::disallowed_methods, reason = "the sandbox checks signatures against real time")]
fn real_now() -> Timestamp {
    Timestamp::now()
}

struct NoTries;

impl TryObserver for NoTries {
    fn tried(&self, _: Try) {}
}

/// A sandbox with a connection to its account.
pub(crate) struct Account {
    served: Served,
    pub(crate) clock: WorldClock,
    pub(crate) aws: aws::Connection,
    folder: TempDir,
}

impl Account {
    /// The account of a scenario.
    pub(crate) async fn of(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(OpenOptions {
            state_dir: folder.path().to_owned(),
            scenario: Some(scenario.to_owned()),
            seed: "modules".to_owned(),
            real_clock: Arc::new(real_now),
            speed: 1,
            faults: Vec::new(),
            listener: Arc::new(|_| {}),
        })
        .unwrap();
        let served = sandbox.serve().await.unwrap();
        let clock = WorldClock(Arc::new(served.control().register("test").await.unwrap()));
        let (access_key_id, secret_access_key) = served.credentials();
        let settings = aws::Settings {
            region: Some(served.region().to_owned()),
            endpoint_url: Some(served.aws_endpoint()),
            credentials: Some(aws::StaticCredentials {
                access_key_id,
                secret_access_key,
                session_token: None,
            }),
            ..aws::Settings::default()
        };
        let observer = Arc::new(SilentObserver);
        let aws = aws::Connection::open(settings, Access::Write, Arc::new(clock.clone()), observer)
            .await
            .unwrap();
        Self { served, clock, aws, folder }
    }

    /// The default account.
    pub(crate) async fn new() -> Self {
        Self::of("default").await
    }

    /// A task of owner `nodeless/myeks`.
    pub(crate) fn task(&self, module: &str, arguments: Json) -> Task {
        self.task_of("nodeless/myeks", module, arguments)
    }

    /// A task of another owner.
    pub(crate) fn task_of(&self, owner: &str, module: &str, arguments: Json) -> Task {
        let connection = Connection {
            kind: Kind::Aws,
            identity: [("account".to_owned(), self.aws.account().to_owned())].into(),
            handle: Arc::new(self.aws.clone()),
        };
        let context = Context {
            connection: Some(connection),
            owner: Owner(owner.to_owned()),
            address: Address(vec![Part { id: "task".to_owned(), key: None }]),
            clock: Arc::new(self.clock.clone()),
            folder: self.folder.path().to_owned(),
            scratch: self.folder.path().join("scratch"),
            tries: Arc::new(NoTries),
        };
        let module = runbook_modules::registry().get(module).expect("a module").clone();
        Task { module, context, arguments: Values::new() }.with(arguments)
    }

    /// Sleeps in world time.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.0.idle_until(later(self.clock.0.now(), duration)).await.unwrap();
    }

    /// The ids of the scenario's subnets whose names begin so.
    pub(crate) async fn subnets(&self, prefix: &str) -> Vec<String> {
        let named = Filter::new("tag:Name", format!("{prefix}*"));
        let mut ids: Vec<String> =
            self.aws.ec2().subnets(&[named]).await.unwrap().into_iter().map(|one| one.id).collect();
        ids.sort();
        ids
    }

    /// The ARN of a role that a service may take on, made by the module.
    pub(crate) async fn role(&self, name: &str, service: &str) -> String {
        let role = self.task("iam.role", json!({"name": name, "trust": trust(service)}));
        let (_, outputs) = role.run().await;
        outputs["arn"].to_string()
    }

    /// The arguments of a cluster `myeks` that can be made.
    pub(crate) async fn cluster_arguments(&self) -> Json {
        let role_arn = self.role("myeks-cluster", "eks.amazonaws.com").await;
        let subnet_ids = self.subnets("myeks-PrivateSubnet").await;
        json!({"name": "myeks", "version": "1.34", "role_arn": role_arn, "subnet_ids": subnet_ids})
    }

    /// An active cluster `myeks`.
    pub(crate) async fn cluster(&self) -> Task {
        let task = self.task("eks.cluster", self.cluster_arguments().await);
        assert_eq!(task.run().await.0, Action::Create);
        task
    }
}

/// A trust policy for a service.
pub(crate) fn trust(service: &str) -> Json {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]})
}

/// A module with its arguments and its context.
pub(crate) struct Task {
    pub(crate) module: Arc<dyn Module>,
    pub(crate) context: Context,
    pub(crate) arguments: Values,
}

impl Task {
    /// The same task with other arguments, defaults filled in.
    pub(crate) fn with(&self, arguments: Json) -> Self {
        let Value::Map(given) = Value::from_json(&arguments) else { panic!("no map") };
        let mut arguments = (*given).clone();
        let schema = self.module.schema();
        for name in arguments.keys() {
            assert!(schema.arguments.iter().any(|one| one.name == name), "no argument `{name}`");
        }
        for declared in &schema.arguments {
            match (arguments.get(declared.name), &declared.default) {
                (Some(value), _) => declared.r#type.accepts(value).unwrap(),
                (None, Some(default)) => {
                    arguments.insert(declared.name.to_owned(), default.clone());
                }
                (None, None) => assert!(!declared.required, "no `{}`", declared.name),
            }
        }
        Self { module: self.module.clone(), context: self.context.clone(), arguments }
    }

    /// The same with some arguments changed.
    pub(crate) fn but(&self, changed: Json) -> Self {
        let mut arguments: Json = self
            .arguments
            .iter()
            .map(|(name, value)| (name.clone(), value.to_json_exposing()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        for (name, value) in changed.as_object().unwrap() {
            arguments[name] = value.clone();
        }
        self.with(arguments)
    }

    /// What `check` says, as `argument why`.
    pub(crate) fn check(&self) -> Vec<String> {
        let problems = self.module.check(&self.arguments);
        problems.into_iter().map(|(name, why)| format!("{name} {why}")).collect()
    }

    /// Observes.
    pub(crate) async fn observe(&self) -> Result<Observed, Failure> {
        self.module.observe(&self.context, &self.arguments).await
    }

    /// What is there.
    pub(crate) async fn observation(&self) -> Observation {
        match self.observe().await.unwrap() {
            Observed::Present(observation) => observation,
            Observed::Absent => panic!("absent"),
        }
    }

    /// Observes and compares.
    pub(crate) async fn look(&self) -> (Observed, Change) {
        assert_eq!(self.check(), Vec::<String>::new());
        let observed = self.observe().await.unwrap();
        let change = self.module.diff(&self.arguments, &observed);
        (observed, change)
    }

    /// What is to be done, and the paths of what changes.
    pub(crate) async fn change(&self) -> (Action, Vec<String>) {
        let (_, change) = self.look().await;
        (change.action, change.fields.into_iter().map(|field| field.path).collect())
    }

    /// Applies a change once.
    pub(crate) async fn apply(&self, observed: &Observed, change: &Change, token: &str) -> Applied {
        let mark =
            Mark { owner: self.context.owner.clone(), address: self.context.address.clone() };
        let arguments = &self.arguments;
        let intent = Intent { arguments, change, observed, token, mark: &mark, thread: None };
        self.module.apply(&self.context, intent).await
    }

    /// Does what is to be done, waits until it has converged, and looks again: nothing may be left.
    /// What was done first, and the outputs.
    pub(crate) async fn run(&self) -> (Action, Values) {
        let mut first = None;
        for attempt in 0.. {
            let (observed, change) = self.look().await;
            first.get_or_insert(change.action);
            let applied = match change.action {
                Action::None => break,
                Action::Replace => {
                    self.delete_seen(&observed).await;
                    let create = Change { action: Action::Create, ..change };
                    self.apply(&observed, &create, &format!("rb-{attempt}")).await
                }
                _ => self.apply(&observed, &change, &format!("rb-{attempt}")).await,
            };
            match applied {
                Applied::Acknowledged(_) => break,
                Applied::Rejected(failure) if failure.passes_within.is_some() => {
                    assert!(attempt < 1000, "{failure:?}");
                    runbook_core::clock::sleep(&*self.context.clock, Duration::from_secs(5)).await;
                }
                other => panic!("{other:?}"),
            }
        }
        let outputs = self.wait().await.unwrap();
        assert_eq!(self.change().await, (Action::None, Vec::new()));
        (first.unwrap(), outputs)
    }

    /// Verifies once.
    pub(crate) async fn verify(&self) -> Verdict {
        self.module.verify(&self.context, &self.arguments).await.unwrap()
    }

    /// Verifies until it has converged or failed.
    pub(crate) async fn wait(&self) -> Result<Values, Failure> {
        let patience = self.module.patience();
        let deadline = later(self.context.clock.now(), patience.timeout);
        loop {
            match self.verify().await {
                Verdict::Converged(outputs) => return Ok(outputs),
                Verdict::Terminal(failure) => return Err(failure),
                Verdict::NotYet(reason) => {
                    assert!(self.context.clock.now() < deadline, "still: {reason}");
                }
            }
            runbook_core::clock::sleep(&*self.context.clock, patience.interval).await;
        }
    }

    /// Deletes what is there, and waits until it is gone.
    pub(crate) async fn delete(&self) {
        let observed = self.observe().await.unwrap();
        self.delete_seen(&observed).await;
        assert_eq!(self.observe().await.unwrap(), Observed::Absent);
    }

    async fn delete_seen(&self, observed: &Observed) {
        match self.apply(observed, &Change::of(Action::Delete), "rb-d").await {
            Applied::Acknowledged(_) => {}
            other => panic!("{other:?}"),
        }
        let deadline = later(self.context.clock.now(), Duration::from_mins(40));
        loop {
            match self.module.verify_absent(&self.context, &self.arguments).await.unwrap() {
                Verdict::Converged(_) => return,
                Verdict::NotYet(reason) => {
                    assert!(self.context.clock.now() < deadline, "still: {reason}");
                }
                Verdict::Terminal(failure) => panic!("{failure:?}"),
            }
            runbook_core::clock::sleep(&*self.context.clock, Duration::from_secs(5)).await;
        }
    }

    /// Identities of what carries the owner's mark.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let owner = &self.context.owner;
        let listed = self.module.list(&self.context, owner).await.unwrap().unwrap();
        assert!(listed.iter().all(|one| one.address_tag == "task"), "{listed:?}");
        listed.into_iter().map(|one| one.identity).collect()
    }
}
