//! `helm.release` with a helm that only writes down what it was asked, and releases that stand in
//! the sandbox's cluster as Helm keeps them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use jiff::Timestamp;
use runbook_clients::Access;
use runbook_clients::helm::{Exec, Helm};
use runbook_clients::kubernetes::{self, Kind as ObjectKind, Reference};
use runbook_core::change::{Action, Change};
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_core::connection::{Connection, Kind};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{Applied, Observed, Verdict};
use runbook_core::owner::{Owner, Ownership};
use runbook_core::value::Value;
use runbook_modules::Cluster;
use serde_json::json;
use support::{CLUSTER, Task, World};
use tempfile::TempDir;

const MARK: &str = "runbook/owner=nodeless/myeks runbook/address=task";

/// The world's clock, which tells a child how to take part.
struct Delegating(Arc<dyn Clock>);

impl Clock for Delegating {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> Timestamp {
        self.0.real_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        self.0.sleep_until(at)
    }

    fn hold(&self) -> Hold {
        Hold::none()
    }

    fn aside(&self) -> Hold {
        Hold::none()
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        Box::pin(async {
            let environment = vec![("RUNBOOK_CLOCK".to_owned(), "delegated".to_owned())];
            Delegation { environment, guard: Hold::none() }
        })
    }
}

/// A cluster, and a helm that writes down its arguments, its environment and its values.
struct Bench {
    world: World,
    task: Task,
    kubernetes: kubernetes::Connection,
    folder: TempDir,
}

fn arguments() -> serde_json::Value {
    json!({
        "namespace": "kube-system", "name": "karpenter",
        "chart": "oci://public.ecr.aws/karpenter/karpenter", "version": "1.14.1",
        "values": {"replicas": 2, "settings": {"clusterName": CLUSTER}}, "timeout": "7m",
    })
}

impl Bench {
    /// With a helm that does this after it has written down what it was asked.
    async fn new(then: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let helm = folder.path().join("helm");
        let script = format!(
            "#!/bin/sh\n\
             if [ \"$1\" = version ]; then echo 'version.BuildInfo{{Version:\"v3.19.0\"}}'; exit 0; fi\n\
             cd {folder}\n\
             printf '%s\\n' \"$@\" > argv\n\
             env > environment\n\
             while [ $# -gt 0 ]; do case \"$1\" in\n\
             -f) cp \"$2\" values;; --kubeconfig) cp \"$2\" kubeconfig;; esac; shift; done\n\
             {then}\n",
            folder = folder.path().display()
        );
        write_program(&helm, &script);
        let world = World::with_cluster().await;
        let kubernetes = world.kubernetes(Access::Write).await;
        let mut task = world.task("helm.release", arguments()).await;
        let exec = Exec {
            command: "/usr/bin/runbook".into(),
            arguments: vec!["token".to_owned(), CLUSTER.to_owned()],
            environment: Vec::new(),
        };
        let cluster = Cluster {
            kubernetes: kubernetes.clone(),
            aws: Some(world.aws.clone()),
            helm: Helm::new(vec![helm.display().to_string()]),
            exec,
        };
        task.context.connection = Some(Connection {
            kind: Kind::Kubernetes,
            identity: [("cluster".to_owned(), CLUSTER.to_owned())].into(),
            handle: Arc::new(cluster),
        });
        task.context.clock = Arc::new(Delegating(task.context.clock.clone()));
        Self { world, task, kubernetes, folder }
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// A revision as Helm keeps it.
    async fn revision(&self, number: u64, status: &str, description: &str) {
        let deployed_at = self.world.clock.world_now();
        let release = json!({
            "name": "karpenter", "namespace": "kube-system", "version": number,
            "info": {"status": status, "description": description, "last_deployed": deployed_at},
            "chart": {"metadata": {"name": "karpenter", "version": "1.14.1", "appVersion": "1.14.1"}},
            "config": {"replicas": 2, "settings": {"clusterName": CLUSTER}},
        });
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(release.to_string().as_bytes()).unwrap();
        let packed = STANDARD.encode(packed.finish().unwrap());
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {
                "name": format!("sh.helm.release.v1.karpenter.v{number}"),
                "namespace": "kube-system",
                "labels": {"owner": "helm", "name": "karpenter", "status": status,
                    "version": number.to_string()},
            },
            "data": {"release": STANDARD.encode(packed)},
        });
        self.kubernetes.create(&secret).await.unwrap();
    }

    async fn forget(&self, number: u64) {
        let name = format!("sh.helm.release.v1.karpenter.v{number}");
        let secret = Reference::new(ObjectKind::new("v1", "Secret"), Some("kube-system"), name);
        self.kubernetes.delete(&secret, &kubernetes::Deletion::default()).await.unwrap();
    }

    async fn apply(&self) -> Applied {
        let (observed, change) = self.task.look().await;
        self.task.apply(&observed, &change).await
    }

    async fn rejected(&self) -> Failure {
        match self.apply().await {
            Applied::Rejected(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    async fn ownership(&self) -> Ownership {
        match self.task.look().await.0 {
            Observed::Present(observation) => observation.ownership,
            Observed::Absent => panic!("absent"),
        }
    }
}

/// In a process of its own: another test that starts one just now must not hold it open.
fn write_program(path: &Path, text: &str) {
    let mut file = std::fs::File::create(path.with_extension("new")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(file);
    let copied = std::process::Command::new("cp")
        .args(["-p".as_ref(), path.with_extension("new").as_os_str(), path.as_os_str()])
        .status()
        .unwrap();
    assert!(copied.success());
}

#[tokio::test]
async fn helm_is_asked_for_exactly_this_release() {
    let bench = Bench::new("echo '{}'").await;
    let (observed, change) = bench.task.look().await;
    assert_eq!((observed, change.action), (Observed::Absent, Action::Create));
    assert_eq!(bench.apply().await, Applied::Acknowledged(std::collections::BTreeMap::new()));
    let argv = bench.said("argv");
    let argv: Vec<&str> = argv.lines().collect();
    let values = argv.iter().position(|one| *one == "-f").unwrap() + 1;
    let kubeconfig = argv.iter().position(|one| *one == "--kubeconfig").unwrap() + 1;
    assert_eq!(
        argv,
        [
            "upgrade",
            "--install",
            "karpenter",
            "oci://public.ecr.aws/karpenter/karpenter",
            "--version",
            "1.14.1",
            "--namespace",
            "kube-system",
            "-f",
            argv[values],
            "--reset-values",
            "--wait",
            "--timeout",
            "420s",
            "-o",
            "json",
            "--description",
            MARK,
            "--kubeconfig",
            argv[kubeconfig],
        ]
    );
    let values: serde_json::Value = serde_json::from_str(&bench.said("values")).unwrap();
    assert_eq!(values, arguments()["values"]);
    let kubeconfig: serde_json::Value = serde_json::from_str(&bench.said("kubeconfig")).unwrap();
    let user = &kubeconfig["users"][0]["user"]["exec"];
    assert_eq!(
        (&user["command"], &user["args"]),
        (&json!("/usr/bin/runbook"), &json!(["token", CLUSTER]))
    );
    let environment = bench.said("environment");
    assert!(environment.lines().any(|line| line == "RUNBOOK_CLOCK=delegated"), "{environment}");
    assert_eq!(bench.task.not_yet().await, "there is no such release");
    bench.revision(1, "deployed", MARK).await;
    let outputs = bench.task.converge().await;
    assert_eq!(
        (&outputs["revision"], &outputs["app_version"]),
        (&Value::Integer(1), &"1.14.1".into())
    );
}

#[tokio::test]
async fn a_release_is_read_without_helm() {
    let mut bench = Bench::new("exit 1").await;
    bench.revision(1, "superseded", MARK).await;
    bench.revision(2, "deployed", MARK).await;
    assert_eq!(bench.task.look().await.1, Change::none());
    assert_eq!(bench.ownership().await, Ownership::Ours { address: "task".to_owned() });
    let mut other = arguments();
    other["version"] = "1.15.0".into();
    other["values"]["replicas"] = 3.into();
    bench.task = bench.task.with(other);
    assert_eq!(bench.task.action().await, Action::Update);
    let (_, change) = bench.task.look().await;
    let paths: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["values.replicas", "version"]);
    let (ours, theirs) = (Owner("nodeless/myeks".into()), Owner("nodeless/other".into()));
    let listed = bench.task.module.list(&bench.task.context, &ours);
    let listed = listed.await.unwrap().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&*listed[0].identity, &*listed[0].address_tag), ("kube-system/karpenter", "task"));
    let others = bench.task.module.list(&bench.task.context, &theirs);
    assert_eq!(others.await.unwrap(), Some(Vec::new()));
    assert!(!bench.folder.path().join("argv").exists(), "helm was not needed");
}

#[tokio::test]
async fn whose_a_release_is_its_description_says_and_a_failed_ones_the_one_before() {
    let bench = Bench::new("exit 1").await;
    bench.revision(1, "deployed", "Install complete").await;
    assert_eq!(bench.ownership().await, Ownership::Unmarked);
    bench.forget(1).await;
    bench.revision(1, "deployed", "runbook/owner=other/one runbook/address=a/b").await;
    assert_eq!(bench.ownership().await, Ownership::Foreign { owner: Owner("other/one".into()) });
    bench.revision(2, "failed", "Upgrade \"karpenter\" failed: timed out").await;
    assert_eq!(bench.ownership().await, Ownership::Foreign { owner: Owner("other/one".into()) });
    bench.forget(1).await;
    assert_eq!(bench.ownership().await, Ownership::Setting, "it never succeeded for anybody");
    bench.revision(1, "superseded", MARK).await;
    assert_eq!(bench.ownership().await, Ownership::Ours { address: "task".to_owned() });
}

#[tokio::test]
async fn a_failed_release_is_updated_and_one_in_the_way_is_not_touched() {
    let bench = Bench::new("exit 1").await;
    bench.revision(1, "failed", "Release \"karpenter\" failed: timed out").await;
    let (_, change) = bench.task.look().await;
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.reasons, ["its last revision failed"]);
    let Ok(Verdict::Terminal(failure)) = bench.task.verify().await else { panic!("no failure") };
    assert!(failure.message.contains("timed out"), "{failure}");
    bench.revision(2, "pending-upgrade", "Preparing upgrade").await;
    let (observed, change) = bench.task.look().await;
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.reasons, ["another helm works on it, or was cut off; that is waited for"]);
    let Applied::Rejected(failure) = bench.task.apply(&observed, &change).await else {
        panic!("it was touched")
    };
    assert_eq!(failure.class, Class::Conflict);
    assert!(failure.passes_within.is_some());
    assert!(failure.message.contains("has been pending-upgrade for 0 min"), "{failure}");
    assert!(failure.hint.unwrap().contains("sh.helm.release.v1.karpenter.v2"));
    // Beyond the time that helm gives itself no helm is at work on it any more.
    bench.world.sleep(std::time::Duration::from_mins(20)).await;
    let (observed, change) = bench.task.look().await;
    let applied = bench.task.apply(&observed, &change).await;
    let Applied::Rejected(failure) = applied else { panic!("helm was not asked: {applied:?}") };
    assert_eq!(failure.code.as_deref(), Some("HelmFailed"));
    assert!(failure.message.contains("`helm upgrade karpenter` failed"), "{failure}");
}

#[tokio::test]
async fn what_helm_says_is_told_and_a_missing_helm_is_named() {
    let bench = Bench::new("echo 'Error: chart not found' >&2; exit 1").await;
    let failure = bench.rejected().await;
    assert_eq!(failure.class, Class::Terminal);
    assert_eq!(
        failure.message,
        "`helm upgrade karpenter` failed with exit code 1: Error: chart not found"
    );
    std::fs::remove_file(bench.folder.path().join("helm")).unwrap();
    let failure = bench.rejected().await;
    assert_eq!(failure.code.as_deref(), Some("HelmAbsent"));
    assert!(failure.message.ends_with("to install charts with; `task` needs it"), "{failure}");
    assert!(failure.hint.unwrap().contains("3.8"));
}

#[tokio::test]
async fn a_release_is_removed_by_helm_and_one_that_is_gone_is_gone() {
    let bench = Bench::new("echo 'Error: uninstall: release: not found' >&2; exit 1").await;
    let delete = Change::of(Action::Delete);
    let applied = bench.task.apply(&Observed::Absent, &delete).await;
    assert!(matches!(applied, Applied::Acknowledged(_)), "{applied:?}");
    let argv = bench.said("argv");
    assert!(argv.starts_with("uninstall\nkarpenter\n--namespace\nkube-system\n--wait\n"), "{argv}");
    let absent = || bench.task.module.verify_absent(&bench.task.context, &bench.task.arguments);
    assert!(matches!(absent().await, Ok(Verdict::Converged(_))));
    bench.revision(1, "uninstalling", MARK).await;
    assert_eq!(absent().await.unwrap(), Verdict::NotYet("uninstalling".to_owned()));
}
