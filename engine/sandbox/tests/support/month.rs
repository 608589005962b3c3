//! A month of a team's work in a cluster that `nodeless.yaml` has made, played at world times.
//!
//! Six deployments in four namespaces whose pods say their team, a cron job of four minutes,
//! one rollout, a burst of two days on a node of its own and on Fargate, one scale-down that leaves nodes
//! empty for Karpenter, and a job a day on Fargate whose completed pods stay. The player is a client of the world's clock from [`Month::join`] until it is
//! dropped: time passes only while it and every other client (`runbook collect --every 5m --until …`)
//! wait. Who is to see all of it comes between the two: time stands from `join` to [`Month::begin`].

use http::Method;
use jiff::{SignedDuration, Timestamp};
use runbook_sandbox::{ControlClient, Registration};
use serde_json::{Value, json};

use super::wire::{Signer, ask_cluster};

/// The namespace whose pods run on Fargate.
pub(crate) const FARGATE: &str = "batch";
/// How long a job takes.
pub(crate) const JOB_SECONDS: i64 = 240;
const POOL: &str = "search";

/// What happens so long after the beginning.
const STEPS: [(i64, Step); 5] = [
    (9, Step::Rollout),
    (10, Step::Burst(true)),
    (12, Step::Burst(false)),
    (14, Step::ScaleDown),
    (20, Step::TidyUp),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// `checkout` gets a new image.
    Rollout,
    /// `train` and `crunch` are there, or no longer.
    Burst(bool),
    /// `search` is needed no longer: its nodes are empty.
    ScaleDown,
    /// Somebody deletes the oldest jobs on Fargate.
    TidyUp,
}

/// The player.
pub(crate) struct Month {
    control: ControlClient,
    clock: Registration,
    signer: Signer,
    cluster: String,
    began: Timestamp,
    done: usize,
    /// A day of the plan; shorter for a month in miniature.
    day: SignedDuration,
}

#[allow(clippy::disallowed_methods, reason = "signatures are judged by real time")]
fn real_now() -> Timestamp {
    Timestamp::now()
}

fn deployment(
    namespace: &str,
    name: &str,
    team: &str,
    replicas: u32,
    cpu: &str,
    memory: &str,
) -> Value {
    let amounts = json!({"cpu": cpu, "memory": memory});
    let labels = json!({"app": name, "team": team});
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{
                "name": name, "image": format!("registry.example/{name}:1"),
                "resources": {"requests": amounts, "limits": {"memory": memory}},
            }]}},
        },
    });
    if ["search", "train"].contains(&name) {
        let spec = &mut deployment["spec"]["template"]["spec"];
        spec["nodeSelector"] = json!({"karpenter.sh/nodepool": POOL});
        spec["tolerations"] = json!([{"key": "team", "value": POOL, "effect": "NoSchedule"}]);
    }
    deployment
}

fn cron_job(
    namespace: &str,
    name: &str,
    team: &str,
    schedule: &str,
    kept: u32,
    seconds: i64,
) -> Value {
    let spec = json!({
        "backoffLimit": 0,
        "template": {"metadata": {"labels": {"app": name, "team": team}}, "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": name, "image": format!("registry.example/{name}:1"),
                "command": ["sleep", seconds.to_string()],
                "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}},
            }],
        }},
    });
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace, "labels": {"team": team}},
        "spec": {"schedule": schedule, "successfulJobsHistoryLimit": kept, "jobTemplate": {"spec": spec}},
    })
}

impl Month {
    /// Becomes a client of the world's clock, which stands until it begins. `day` is how long a day of the
    /// plan takes.
    pub(crate) async fn join(control: ControlClient, cluster: &str, day: SignedDuration) -> Self {
        let clock = control.register("month").await.unwrap();
        let world = control.world().await.unwrap();
        let text = |name: &str| world[name].as_str().unwrap().to_owned();
        let signer = Signer {
            key: text("access_key_id"),
            secret: text("secret_access_key"),
            token: None,
            region: text("region"),
        };
        let began = clock.now();
        let cluster = cluster.to_owned();
        Self { control, clock, signer, cluster, began, done: 0, day }
    }

    /// Sets everything up in a cluster with a ready Karpenter, a node class and a pool `default`; jobs run
    /// every so many minutes.
    pub(crate) async fn begin(&self, minutes: u32) {
        let world = self.control.world().await.unwrap();
        let text = |name: &str| world[name].as_str().unwrap().to_owned();
        self.prepare_fargate(&text("aws_endpoint"), &text("account")).await;
        self.prepare_pool().await;
        for namespace in ["shop", "data", "ops", "reports", FARGATE] {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.apply(&format!("/api/v1/namespaces/{namespace}"), &object).await;
        }
        for one in [
            deployment("shop", "web", "storefront", 4, "250m", "256Mi"),
            deployment("shop", "checkout", "storefront", 3, "500m", "512Mi"),
            deployment("data", "etl", "data", 2, "1", "2Gi"),
            deployment("data", "search", "search", 6, "1", "1Gi"),
            deployment("data", "train", "search", 0, "1500m", "2Gi"),
            deployment(FARGATE, "crunch", "data", 0, "1", "2Gi"),
            deployment("ops", "monitor", "platform", 1, "200m", "256Mi"),
            deployment("reports", "api", "finance", 2, "250m", "512Mi"),
        ] {
            self.apply(&place(&one, "apis/apps/v1", "deployments"), &one).await;
        }
        let jobs = format!("*/{minutes} * * * *");
        for one in [
            cron_job("reports", "nightly", "finance", &jobs, 3, JOB_SECONDS),
            cron_job(FARGATE, "export", "data", "0 2 * * *", 1000, 600),
        ] {
            self.apply(&place(&one, "apis/batch/v1", "cronjobs"), &one).await;
        }
    }

    /// World time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When it began.
    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    /// Lets world time pass until then, with all that happens on the way.
    pub(crate) async fn play(&mut self, until: Timestamp) {
        while let Some((days, step)) = STEPS.get(self.done).copied() {
            let day = i32::try_from(days).unwrap();
            let at = self.began + self.day * day;
            if at > until {
                break;
            }
            self.clock.idle_until(at).await.unwrap();
            self.carry_out(step).await;
            self.done += 1;
        }
        self.clock.idle_until(until).await.unwrap();
    }

    async fn carry_out(&self, step: Step) {
        match step {
            Step::Rollout => {
                let path = "/apis/apps/v1/namespaces/shop/deployments/checkout";
                let container = json!({"name": "checkout", "image": "registry.example/checkout:2"});
                let change = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
                self.patch(path, &change).await;
            }
            Step::Burst(begins) => {
                let replicas = if begins { [4, 2] } else { [0, 0] };
                self.scale("data", "train", replicas[0]).await;
                self.scale(FARGATE, "crunch", replicas[1]).await;
            }
            Step::ScaleDown => self.scale("data", "search", 0).await,
            Step::TidyUp => {
                let jobs = format!("/apis/batch/v1/namespaces/{FARGATE}/jobs");
                let list = self.get(&jobs).await;
                let names = list["items"].as_array().unwrap().iter().take(5);
                for name in names.map(|job| job["metadata"]["name"].as_str().unwrap()) {
                    let path = format!("{jobs}/{name}?propagationPolicy=Background");
                    let asked =
                        self.send(Method::DELETE, &path, "application/json", &json!({})).await;
                    assert_eq!(asked.0, 200, "{}", asked.1);
                }
            }
        }
    }

    async fn scale(&self, namespace: &str, name: &str, replicas: u32) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        self.patch(&path, &json!({"spec": {"replicas": replicas}})).await;
    }

    /// A role, and a profile for the namespace of Fargate.
    async fn prepare_fargate(&self, endpoint: &str, account: &str) {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "eks-fargate-pods.amazonaws.com"},
        }]});
        let body = format!(
            "Action=CreateRole&Version=2010-05-08&RoleName=month-pods&AssumeRolePolicyDocument={}",
            super::wire::encoded(&trust.to_string())
        );
        let asked = self.signer.ask(endpoint, "iam", Method::POST, "/", body, real_now()).await;
        assert_eq!(asked.0, 200, "{}", asked.1);
        self.clock.idle_until(self.clock.now() + SignedDuration::from_mins(1)).await.unwrap();
        let private = self.private_subnets(endpoint).await;
        let profile = json!({
            "fargateProfileName": "month", "subnets": private, "clientRequestToken": "month",
            "podExecutionRoleArn": format!("arn:aws:iam::{account}:role/month-pods"),
            "selectors": [{"namespace": FARGATE}],
        });
        let path = format!("/clusters/{}/fargate-profiles", self.cluster);
        let body = profile.to_string();
        let asked = self.signer.ask(endpoint, "eks", Method::POST, &path, body, real_now()).await;
        assert_eq!(asked.0, 200, "{}", asked.1);
        self.clock.idle_until(self.clock.now() + SignedDuration::from_mins(10)).await.unwrap();
    }

    /// The subnets of a profile that is there.
    async fn private_subnets(&self, endpoint: &str) -> Value {
        let profiles = format!("/clusters/{}/fargate-profiles", self.cluster);
        let ask = async |path: &str| -> Value {
            let asked =
                self.signer.ask(endpoint, "eks", Method::GET, path, String::new(), real_now());
            let (status, text) = asked.await;
            assert_eq!(status, 200, "{path}: {text}");
            serde_json::from_str(&text).unwrap()
        };
        let names = ask(&profiles).await;
        let name = names["fargateProfileNames"][0].as_str().unwrap().to_owned();
        ask(&format!("{profiles}/{name}")).await["fargateProfile"]["subnets"].take()
    }

    /// A pool of its own for `search`, like the default one.
    async fn prepare_pool(&self) {
        let pools = "/apis/karpenter.sh/v1/nodepools";
        let mut pool = self.get(&format!("{pools}/default")).await;
        let spec = pool["spec"].take();
        let mut own = json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": POOL}, "spec": spec,
        });
        own["spec"]["template"]["spec"]["taints"] =
            json!([{"key": "team", "value": POOL, "effect": "NoSchedule"}]);
        self.apply(&format!("{pools}/{POOL}"), &own).await;
    }

    /// What is at a path of the cluster's API.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, text) = self.send(Method::GET, path, "application/json", &Value::Null).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn apply(&self, path: &str, object: &Value) {
        let path = format!("{path}?fieldManager=month&force=true");
        let (status, text) =
            self.send(Method::PATCH, &path, "application/apply-patch+yaml", object).await;
        assert!(matches!(status, 200 | 201), "{path}: {text}");
    }

    async fn patch(&self, path: &str, change: &Value) {
        let kind = "application/strategic-merge-patch+json";
        let (status, text) = self.send(Method::PATCH, path, kind, change).await;
        assert_eq!(status, 200, "{path}: {text}");
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: &Value) -> (u16, String) {
        let file = self.control.kubeconfig(&self.cluster).await.unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let token = self.signer.token(&self.cluster, real_now());
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        ask_cluster(&file, &token, method, path, kind, body).await
    }
}

fn place(object: &Value, group: &str, plural: &str) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap();
    format!("/{group}/namespaces/{}/{plural}/{}", text("namespace"), text("name"))
}
