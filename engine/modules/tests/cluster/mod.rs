//! A world to test modules in: the sandbox, served over real sockets in this process, and what the
//! engine would put around a module.
//!
//! [`Task`] drives a module as the engine does: it fills in defaults, checks, looks (observe and
//! diff), applies once, and verifies until it has converged, in the sandbox's time.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::aws::{self, eks, iam};
use runbook_clients::helm::{Exec, Helm};
use runbook_clients::{Access, SilentObserver, kubernetes};
use runbook_core::address::{Address, Part};
use runbook_core::change::{Action, Change};
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_core::connection::{Connection, Kind};
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Intent, Module, Observed, Try, TryObserver, Values, Verdict,
};
use runbook_core::owner::{Mark, Owner};
use runbook_core::value::Value;
use runbook_modules::Cluster;
use runbook_sandbox::{OpenOptions, Registration, Sandbox, Served};
use serde_json::json;
use tempfile::TempDir;

/// The cluster of a world.
pub(crate) const CLUSTER: &str = "myeks";
/// How long anything may take in world time before a test gives up.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// The sandbox's clock, as the clients and the engine see it.
#[derive(Clone)]
pub(crate) struct WorldClock(Arc<Registration>);

impl WorldClock {
    async fn sleep_until(&self, at: Timestamp) {
        self.0.idle_until(at).await.unwrap();
    }

    pub(crate) fn world_now(&self) -> Timestamp {
        self.0.now()
    }
}

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
        Box::pin(self.sleep_until(later(self.0.now(), duration)))
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
        Box::pin(Self::sleep_until(self, at))
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
pub(crate) struct World {
    pub(crate) served: Served,
    pub(crate) clock: WorldClock,
    pub(crate) aws: aws::Connection,
    folder: TempDir,
}

impl World {
    /// A world without a cluster.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(OpenOptions {
            state_dir: folder.path().to_owned(),
            scenario: None,
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

    /// A world with an active cluster, without add-ons.
    pub(crate) async fn with_cluster() -> Self {
        let world = Self::new().await;
        let role_arn = world.role("cluster", "eks.amazonaws.com").await;
        world
            .aws
            .eks()
            .create_cluster(&eks::CreateCluster {
                name: CLUSTER.to_owned(),
                version: "1.34".to_owned(),
                role_arn,
                subnet_ids: world.private_subnets().await,
                access: eks::VpcAccess { public: true, private: true, public_cidrs: Vec::new() },
                authentication_mode: Some("API_AND_CONFIG_MAP".to_owned()),
                creator_is_admin: true,
                token: "cluster".to_owned(),
                ..eks::CreateCluster::default()
            })
            .await
            .unwrap();
        world
            .until("the cluster is active", async || {
                let cluster = world.aws.eks().cluster(CLUSTER).await.unwrap();
                cluster.is_some_and(|cluster| cluster.status == "ACTIVE")
            })
            .await;
        world
    }

    /// Sleeps in world time until it holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = self.clock.world_now() + PATIENCE;
        while !holds().await {
            assert!(self.clock.world_now() < deadline, "{what}: not within {PATIENCE}");
            self.sleep(Duration::from_secs(5)).await;
        }
    }

    /// Sleeps in world time.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.sleep_until(later(self.clock.world_now(), duration)).await;
    }

    /// A role that a service may take on, and that is known everywhere.
    pub(crate) async fn role(&self, name: &str, service: &str) -> String {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]});
        let role = iam::CreateRole {
            name: name.to_owned(),
            trust: trust.to_string(),
            ..iam::CreateRole::default()
        };
        let role = self.aws.iam().create_role(&role).await.unwrap();
        self.sleep(Duration::from_mins(1)).await;
        role.arn
    }

    /// The private subnets of the scenario.
    pub(crate) async fn private_subnets(&self) -> Vec<String> {
        let named = aws::ec2::Filter::new("tag:Name", "myeks-PrivateSubnet*");
        let subnets = self.aws.ec2().subnets(&[named]).await.unwrap();
        assert_eq!(subnets.len(), 3);
        subnets.into_iter().map(|subnet| subnet.id).collect()
    }

    /// Begins to make a Fargate profile for a namespace.
    pub(crate) async fn begin_profile(&self, namespace: &str) {
        let pod_execution_role_arn =
            self.role(&format!("pods-{namespace}"), "eks-fargate-pods.amazonaws.com").await;
        self.aws
            .eks()
            .create_fargate_profile(&eks::CreateFargateProfile {
                cluster: CLUSTER.to_owned(),
                name: namespace.to_owned(),
                pod_execution_role_arn,
                subnet_ids: self.private_subnets().await,
                selectors: vec![eks::Selector {
                    namespace: namespace.to_owned(),
                    ..eks::Selector::default()
                }],
                token: format!("profile-{namespace}"),
                ..eks::CreateFargateProfile::default()
            })
            .await
            .unwrap();
    }

    /// An active Fargate profile for a namespace.
    pub(crate) async fn profile(&self, namespace: &str) {
        self.begin_profile(namespace).await;
        self.until("the profile is active", async || {
            let profile = self.aws.eks().fargate_profile(CLUSTER, namespace).await.unwrap();
            profile.is_some_and(|profile| profile.status == "ACTIVE")
        })
        .await;
    }

    /// A role whose nodes the cluster takes.
    pub(crate) async fn node_role(&self, name: &str) {
        let entry = eks::CreateAccessEntry {
            cluster: CLUSTER.to_owned(),
            principal_arn: self.role(name, "ec2.amazonaws.com").await,
            kind: "EC2_LINUX".to_owned(),
            token: format!("entry-{name}"),
            ..eks::CreateAccessEntry::default()
        };
        self.aws.eks().create_access_entry(&entry).await.unwrap();
    }

    /// An add-on, whose objects are there.
    pub(crate) async fn addon(&self, name: &str) {
        let addon = eks::ChangeAddon {
            cluster: CLUSTER.to_owned(),
            name: name.to_owned(),
            conflicts: eks::Conflicts::Overwrite,
            token: format!("addon-{name}"),
            ..eks::ChangeAddon::default()
        };
        self.aws.eks().create_addon(&addon).await.unwrap();
        self.sleep(Duration::from_mins(1)).await;
    }

    /// The cluster's API, with that access.
    pub(crate) async fn kubernetes(&self, access: Access) -> kubernetes::Connection {
        kubernetes::Connection::eks(
            &self.aws,
            kubernetes::Eks { cluster: CLUSTER.to_owned(), ..kubernetes::Eks::default() },
            access,
            Arc::new(self.clock.clone()),
            Arc::new(SilentObserver),
        )
        .await
        .unwrap()
    }

    /// A task in the cluster, of owner `nodeless/myeks`.
    pub(crate) async fn task(&self, module: &str, arguments: serde_json::Value) -> Task {
        let cluster = Cluster {
            kubernetes: self.kubernetes(Access::Write).await,
            aws: Some(self.aws.clone()),
            helm: Helm::new(vec!["helm".to_owned()]),
            exec: Exec::default(),
        };
        let connection = Connection {
            kind: Kind::Kubernetes,
            identity: [("cluster".to_owned(), CLUSTER.to_owned())].into(),
            handle: Arc::new(cluster),
        };
        let context = Context {
            connection: Some(connection),
            owner: Owner("nodeless/myeks".to_owned()),
            address: Address(vec![Part { id: "task".to_owned(), key: None }]),
            clock: Arc::new(self.clock.clone()),
            folder: self.folder.path().to_owned(),
            scratch: self.folder.path().join("scratch"),
            tries: Arc::new(NoTries),
        };
        let module = runbook_modules::registry().get(module).expect("a module").clone();
        Task { module, context, arguments: Values::new() }.with(arguments)
    }
}

/// A module with its arguments and its context.
pub(crate) struct Task {
    pub(crate) module: Arc<dyn Module>,
    pub(crate) context: Context,
    pub(crate) arguments: Values,
}

impl Task {
    /// The same task with other arguments, defaults filled in.
    pub(crate) fn with(&self, arguments: serde_json::Value) -> Self {
        let Value::Map(given) = Value::from_json(&arguments) else { panic!("no map") };
        self.with_values((*given).clone())
    }

    /// The same, from values.
    pub(crate) fn with_values(&self, mut arguments: Values) -> Self {
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

    /// Observes and compares.
    pub(crate) async fn look(&self) -> (Observed, Change) {
        let wrong = self.module.check(&self.arguments);
        assert!(wrong.is_empty(), "{wrong:?}");
        let observed = self.module.observe(&self.context, &self.arguments).await.unwrap();
        let change = self.module.diff(&self.arguments, &observed);
        (observed, change)
    }

    /// What would change, as `path: before → after`.
    pub(crate) async fn fields(&self) -> Vec<String> {
        self.look().await.1.fields.iter().map(told).collect()
    }

    /// What would be done.
    pub(crate) async fn action(&self) -> Action {
        self.look().await.1.action
    }

    /// Applies a change once.
    pub(crate) async fn apply(&self, observed: &Observed, change: &Change) -> Applied {
        let mark =
            Mark { owner: self.context.owner.clone(), address: self.context.address.clone() };
        let intent = Intent {
            arguments: &self.arguments,
            change,
            observed,
            token: "rb-test-1",
            mark: &mark,
            thread: None,
        };
        self.module.apply(&self.context, intent).await
    }

    /// Looks, applies what is to be done, waits until it has converged, and looks again: nothing
    /// may be left. What was done, and the outputs.
    pub(crate) async fn run(&self) -> (Action, Values) {
        let action = self.write().await;
        let outputs = self.converge().await;
        let left = self.look().await.1;
        assert_eq!(left.action, Action::None, "left: {:?}", left.fields);
        (action, outputs)
    }

    /// Looks and applies what is to be done.
    pub(crate) async fn write(&self) -> Action {
        let (observed, change) = self.look().await;
        if change.action.writes() {
            match self.apply(&observed, &change).await {
                Applied::Acknowledged(_) => {}
                other => panic!("{other:?}"),
            }
        }
        change.action
    }

    /// Verifies until it has converged.
    pub(crate) async fn converge(&self) -> Values {
        match self.wait().await {
            Ok(outputs) => outputs,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    /// Verifies until it has converged or failed.
    pub(crate) async fn wait(&self) -> Result<Values, Failure> {
        let patience = self.module.patience();
        let deadline = self.context.clock.now() + PATIENCE;
        loop {
            match self.verify().await? {
                Verdict::Converged(outputs) => return Ok(outputs),
                Verdict::Terminal(failure) => return Err(failure),
                Verdict::NotYet(reason) => {
                    assert!(self.context.clock.now() < deadline, "still: {reason}");
                }
            }
            runbook_core::clock::sleep(self.context.clock.as_ref(), patience.interval).await;
        }
    }

    /// Looks once whether it has converged.
    pub(crate) async fn verify(&self) -> Result<Verdict, Failure> {
        self.module.verify(&self.context, &self.arguments).await
    }

    /// What it waits for.
    pub(crate) async fn not_yet(&self) -> String {
        match self.verify().await.unwrap() {
            Verdict::NotYet(reason) => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn told(field: &runbook_core::change::FieldChange) -> String {
    let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
    format!("{}: {} → {}", field.path, text(&field.before), text(&field.after))
}
