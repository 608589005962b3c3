//! A served sandbox with a cluster in it, clients of it, and a helm that is run as the engine runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]
#![allow(dead_code, reason = "every test uses a part of it")]

pub(crate) mod month;
pub(crate) mod wire;

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use runbook_sandbox::{OpenOptions, RealClock, Registration, Sandbox, Served, helm};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use wire::{Signer, ask_cluster, encoded};

/// The cluster of every test.
pub(crate) const CLUSTER: &str = "myeks";
/// The role of Karpenter's machines.
pub(crate) const NODE_ROLE: &str = "KarpenterNodeRole-myeks";
const ACCOUNT: &str = "111122223333";

#[allow(clippy::disallowed_methods, reason = "certificates and signatures are judged by real time")]
pub(crate) fn real_now() -> Timestamp {
    Timestamp::now()
}

/// What a helm printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A served world.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) served: Served,
    clock: Registration,
    pub(crate) signer: Signer,
}

impl World {
    /// A new world with nothing in it but a network.
    pub(crate) async fn empty() -> Self {
        Self::of(None).await
    }

    /// A new world of the default scenario and what is added to it.
    pub(crate) async fn beginning(begins: &str) -> Self {
        let default = include_str!("../../scenarios/default.yaml");
        Self::of(Some(format!("{default}begins: {begins}\n"))).await
    }

    async fn of(scenario: Option<String>) -> Self {
        let folder = TempDir::new().unwrap();
        let scenario = scenario.map(|text| {
            let file = folder.path().join("scenario.yaml");
            std::fs::write(&file, text).unwrap();
            file.display().to_string()
        });
        Self::in_folder(folder, scenario, Arc::new(real_now)).await
    }

    /// An empty one whose real time another clock tells.
    pub(crate) async fn by_clock(clock: Arc<dyn RealClock>) -> Self {
        Self::in_folder(TempDir::new().unwrap(), None, clock).await
    }

    async fn in_folder(
        folder: TempDir,
        scenario: Option<String>,
        real_clock: Arc<dyn RealClock>,
    ) -> Self {
        let sandbox = Sandbox::open(OpenOptions {
            state_dir: folder.path().to_owned(),
            scenario,
            seed: "helm".to_owned(),
            real_clock,
            speed: 1,
            faults: Vec::new(),
            listener: Arc::new(|_| {}),
        })
        .unwrap();
        let served = sandbox.serve().await.unwrap();
        let clock = served.control().register("test").await.unwrap();
        let (key, secret) = served.credentials();
        let signer = Signer { key, secret, token: None, region: served.region().to_owned() };
        Self { folder, served, clock, signer }
    }

    /// A world with an active cluster, and Fargate for two namespaces.
    pub(crate) async fn with_cluster() -> Self {
        Self::empty().await.and_cluster().await
    }

    /// A cluster with Karpenter and a pool, as after the main runbook; time stands.
    pub(crate) async fn with_nodes(self) -> Self {
        let world = self.and_cluster().await;
        world.prepare_nodes().await;
        for chart in [&DEFINITIONS, &KARPENTER] {
            let values = if chart.release == "karpenter" { karpenter_values() } else { json!({}) };
            let ran = world.install(chart, &values).await;
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
        let (class, pool) = class_and_pool();
        for (path, object) in [
            ("/apis/karpenter.k8s.aws/v1/ec2nodeclasses/default", class),
            ("/apis/karpenter.sh/v1/nodepools/default", pool),
        ] {
            let (status, answer) = world.apply(path, &object).await;
            assert_eq!(status, 201, "{answer}");
        }
        world
    }

    async fn and_cluster(self) -> Self {
        let world = self;
        let subnets = world.subnets().await;
        let role = world.make_role("cluster", "eks.amazonaws.com").await;
        let cluster = json!({
            "name": CLUSTER, "version": "1.34", "roleArn": role,
            "resourcesVpcConfig": {"subnetIds": subnets},
            "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": true},
            "bootstrapSelfManagedAddons": false, "clientRequestToken": "cluster",
        });
        world.eks(Method::POST, "/clusters", &cluster).await;
        world.pass(15 * 60).await;
        for namespace in ["kube-system", "karpenter"] {
            let role = format!("pods-{namespace}");
            let role = world.make_role(&role, "eks-fargate-pods.amazonaws.com").await;
            let profile = json!({
                "fargateProfileName": namespace, "podExecutionRoleArn": role, "subnets": subnets,
                "selectors": [{"namespace": namespace}], "clientRequestToken": namespace,
            });
            let path = format!("/clusters/{CLUSTER}/fargate-profiles");
            world.eks(Method::POST, &path, &profile).await;
            world.pass(10 * 60).await;
        }
        world
    }

    /// World time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets other clients of the clock play alone until the guard is told that it is over.
    pub(crate) async fn elsewhere(&self) -> runbook_sandbox::Elsewhere<'_> {
        self.clock.elsewhere().await.unwrap()
    }

    /// Ends the serving, and serves the same world from its files.
    pub(crate) async fn opened_again(self) -> Self {
        let Self { folder, served, clock, .. } = self;
        drop(clock);
        served.shutdown().await;
        Self::in_folder(folder, None, Arc::new(real_now)).await
    }

    /// Lets world time pass.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.clock.idle_until(self.now() + SignedDuration::from_secs(seconds)).await.unwrap();
    }

    async fn query(&self, service: &str, version: &str, parameters: &[(&str, &str)]) -> String {
        let mut body = format!("Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let endpoint = self.served.aws_endpoint();
        let asked = self.signer.ask(&endpoint, service, Method::POST, "/", body, real_now());
        let (status, text) = asked.await;
        assert_eq!(status, 200, "{text}");
        text
    }

    async fn eks(&self, method: Method, path: &str, body: &Value) -> Value {
        let endpoint = self.served.aws_endpoint();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let asked = self.signer.ask(&endpoint, "eks", method, path, body, real_now());
        let (status, text) = asked.await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn make_role(&self, name: &str, service: &str) -> String {
        let principal = json!({"Service": service});
        let statement =
            json!([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]);
        let trust = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let parameters =
            [("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", &trust)];
        self.query("iam", "2010-05-08", &parameters).await;
        self.pass(60).await;
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// The private subnets.
    async fn subnets(&self) -> Vec<String> {
        let parameters = [
            ("Action", "DescribeSubnets"),
            ("Filter.1.Name", "tag:Name"),
            ("Filter.1.Value.1", "myeks-PrivateSubnet1"),
            ("Filter.1.Value.2", "myeks-PrivateSubnet2"),
            ("Filter.1.Value.3", "myeks-PrivateSubnet3"),
        ];
        let text = self.query("ec2", "2016-11-15", &parameters).await;
        let ids = text.split("<subnetId>").skip(1).filter_map(|rest| rest.split('<').next());
        ids.map(str::to_owned).collect()
    }

    /// How many machines there are.
    pub(crate) async fn instances(&self) -> usize {
        let text = self.query("ec2", "2016-11-15", &[("Action", "DescribeInstances")]).await;
        text.matches("<instanceId>").count()
    }

    /// What Karpenter's machines need: a role that may join, and tags by which subnets and the
    /// security group are found.
    pub(crate) async fn prepare_nodes(&self) {
        let role = self.make_role(NODE_ROLE, "ec2.amazonaws.com").await;
        let entry =
            json!({"principalArn": role, "type": "EC2_LINUX", "clientRequestToken": "nodes"});
        self.eks(Method::POST, &format!("/clusters/{CLUSTER}/access-entries"), &entry).await;
        let cluster = self.eks(Method::GET, &format!("/clusters/{CLUSTER}"), &Value::Null).await;
        let group = &cluster["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"];
        let mut resources = self.subnets().await;
        resources.push(group.as_str().unwrap().to_owned());
        for resource in resources {
            let parameters = [
                ("Action", "CreateTags"),
                ("ResourceId.1", resource.as_str()),
                ("Tag.1.Key", "karpenter.sh/discovery"),
                ("Tag.1.Value", CLUSTER),
            ];
            self.query("ec2", "2016-11-15", &parameters).await;
        }
    }

    /// The cluster's kubeconfig, which holds no credentials.
    pub(crate) fn clusters_file(&self) -> Value {
        serde_json::from_str(&self.served.kubeconfig(CLUSTER).unwrap()).unwrap()
    }

    /// A request to the cluster; status and answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> (u16, Value) {
        let (status, text) = self.send(method, path, kind, body.to_string().into_bytes()).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Bytes to the cluster; status and answer as it is.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> (u16, String) {
        ask_cluster(&self.clusters_file(), &self.token(CLUSTER, 0), method, path, kind, body).await
    }

    /// A connection to the cluster's API, and the host to name on it.
    pub(crate) async fn connect(&self) -> (String, TlsStream<TcpStream>) {
        wire::connect(&self.clusters_file()).await
    }

    /// A token for a cluster, made so many seconds ago.
    pub(crate) fn token(&self, cluster: &str, age: i64) -> String {
        self.signer.token(cluster, real_now() - SignedDuration::from_secs(age))
    }

    /// A request with another token.
    pub(crate) async fn ask_with(&self, token: &str, path: &str) -> (u16, Value) {
        let file = self.clusters_file();
        let kind = "application/json";
        let (status, text) = ask_cluster(&file, token, Method::GET, path, kind, Vec::new()).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// What is at a path of the cluster's API; none when nothing is.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.ask(Method::GET, path, "application/json", &Value::Null).await;
        assert!(matches!(status, 200 | 404), "{status} {body}");
        (status == 200).then_some(body)
    }

    /// Applies an object strictly, as the engine does; status and answer.
    pub(crate) async fn apply(&self, path: &str, object: &Value) -> (u16, Value) {
        let path = format!("{path}?fieldManager=runbook&fieldValidation=Strict");
        self.ask(Method::PATCH, &path, "application/apply-patch+yaml", object).await
    }

    pub(crate) async fn delete(&self, path: &str) {
        let (status, body) = self.ask(Method::DELETE, path, "application/json", &json!({})).await;
        assert_eq!(status, 200, "{body}");
    }

    /// All revisions of a release, the oldest first: what their Secrets hold.
    pub(crate) async fn history(&self, namespace: &str, name: &str) -> Vec<Value> {
        let selector = encoded(&format!("owner=helm,name={name}"));
        let path = format!("/api/v1/namespaces/{namespace}/secrets?labelSelector={selector}");
        let list = self.get(&path).await.unwrap();
        let mut revisions: Vec<Value> =
            list["items"].as_array().unwrap().iter().map(unpacked).collect();
        revisions.sort_by_key(|one| one["version"].as_u64());
        revisions
    }

    /// A kubeconfig of the form that the engine writes, with a credential plugin.
    pub(crate) fn kubeconfig(&self) -> String {
        let credential = self.folder.path().join("credential.json");
        let token = self.signer.token(CLUSTER, real_now());
        let text = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": token},
        });
        std::fs::write(&credential, text.to_string()).unwrap();
        let mut content = self.clusters_file();
        content["users"][0]["user"] = json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/cat",
            "args": [credential], "env": [], "interactiveMode": "Never", "provideClusterInfo": false,
        }});
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(&path, content.to_string()).unwrap();
        path.display().to_string()
    }

    /// The environment of a helm that registers itself.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        helm::environment(self.served.control_address(), self.served.control_token(), None)
    }

    /// Runs helm as the engine does: as a client of the clock that was registered for it.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> Ran {
        let child = self.served.control().register("helm").await.unwrap();
        let environment = helm::environment(
            self.served.control_address(),
            self.served.control_token(),
            Some(&child),
        );
        let waiting = self.clock.elsewhere().await.unwrap();
        let ran = run(arguments, environment).await;
        waiting.back().await.unwrap();
        drop(child);
        ran
    }

    /// `helm upgrade --install` with the arguments that the engine gives.
    pub(crate) async fn install(&self, chart: &Chart<'_>, values: &Value) -> Ran {
        let arguments = self.arguments(chart, values);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.helm(&arguments).await
    }

    /// The arguments of an installation, word for word as the engine gives them.
    pub(crate) fn arguments(&self, chart: &Chart<'_>, values: &Value) -> Vec<String> {
        let file = self.folder.path().join(format!("{}.json", chart.release));
        std::fs::write(&file, values.to_string()).unwrap();
        let file = file.display().to_string();
        let kubeconfig = self.kubeconfig();
        let mut arguments = vec!["upgrade", "--install", chart.release, chart.reference];
        arguments.extend(["--version", chart.version, "--namespace", chart.namespace]);
        arguments.extend(["--create-namespace", "-f", &file, "--reset-values", "--wait"]);
        arguments.extend(["--timeout", chart.timeout, "-o", "json"]);
        if let Some(repository) = chart.repository {
            arguments.extend(["--repo", repository]);
        }
        arguments.extend(["--description", "for a test", "--kubeconfig", &kubeconfig]);
        arguments.into_iter().map(str::to_owned).collect()
    }

    pub(crate) async fn uninstall(&self, namespace: &str, release: &str) -> Ran {
        let kubeconfig = self.kubeconfig();
        let arguments = ["uninstall", release, "--namespace", namespace, "--wait"];
        let reach = ["--timeout", "300s", "--kubeconfig", &kubeconfig];
        self.helm(&[arguments.as_slice(), &reach].concat()).await
    }
}

/// A node class, and a pool of on-demand machines.
fn class_and_pool() -> (Value, Value) {
    let found = json!([{"tags": {"karpenter.sh/discovery": CLUSTER}}]);
    let class = json!({
        "apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass", "metadata": {"name": "default"},
        "spec": {
            "role": NODE_ROLE, "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "subnetSelectorTerms": found, "securityGroupSelectorTerms": found,
            "tags": {"runbook/owner": "nodeless/myeks"},
        },
    });
    let one = |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
    let pool = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
        "spec": {
            "template": {"spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": [
                    one("kubernetes.io/arch", json!(["amd64"])),
                    one("karpenter.sh/capacity-type", json!(["on-demand"])),
                    one("karpenter.k8s.aws/instance-category", json!(["c", "m", "r"])),
                ],
                "expireAfter": "720h",
            }},
            "limits": {"cpu": 1000},
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"},
        },
    });
    (class, pool)
}

/// The release in a Secret: base64, base64 again, gzip, JSON.
fn unpacked(secret: &Value) -> Value {
    assert_eq!(secret["type"], "helm.sh/release.v1");
    let outer = STANDARD.decode(secret["data"]["release"].as_str().unwrap()).unwrap();
    let packed = STANDARD.decode(outer).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let release: Value = serde_json::from_str(&text).unwrap();
    let labels = &secret["metadata"]["labels"];
    assert_eq!(labels["status"], release["info"]["status"]);
    assert_eq!(labels["version"], json!(release["version"].to_string()));
    let name = release["name"].as_str().unwrap();
    let named = format!("sh.helm.release.v1.{name}.v{}", release["version"]);
    assert_eq!(secret["metadata"]["name"], json!(named));
    assert!(labels["createdAt"].as_str().unwrap().parse::<i64>().is_ok());
    release
}

/// A chart to be installed.
#[derive(Clone, Copy)]
pub(crate) struct Chart<'a> {
    pub(crate) release: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) repository: Option<&'a str>,
    pub(crate) version: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) timeout: &'a str,
}

pub(crate) const KARPENTER: Chart<'_> = Chart {
    release: "karpenter",
    reference: "oci://public.ecr.aws/karpenter/karpenter",
    repository: None,
    version: "1.14.1",
    namespace: "karpenter",
    timeout: "600s",
};

pub(crate) const DEFINITIONS: Chart<'_> = Chart {
    release: "karpenter-crd",
    reference: "oci://public.ecr.aws/karpenter/karpenter-crd",
    ..KARPENTER
};

pub(crate) const LOAD_BALANCERS: Chart<'_> = Chart {
    release: "aws-load-balancer-controller",
    reference: "aws-load-balancer-controller",
    repository: Some("https://aws.github.io/eks-charts"),
    version: "3.5.0",
    namespace: "kube-system",
    timeout: "600s",
};

/// Karpenter's values, as the runbook gives them.
pub(crate) fn karpenter_values() -> Value {
    let amounts = json!({"cpu": "1", "memory": "1Gi"});
    json!({
        "replicas": 2, "dnsPolicy": "Default",
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/myeks-karpenter"}},
        "podLabels": {"eks.amazonaws.com/fargate-profile": "karpenter"},
        "settings": {"clusterName": CLUSTER, "interruptionQueue": CLUSTER},
        "controller": {"resources": {"requests": amounts, "limits": amounts}},
    })
}

/// The load balancer controller's values, as the runbook gives them.
pub(crate) fn load_balancer_values() -> Value {
    let amounts = json!({"cpu": "250m", "memory": "256M"});
    let profile = json!({"eks.amazonaws.com/fargate-profile": "kube-system"});
    json!({
        "clusterName": CLUSTER, "region": "ap-northeast-2", "vpcId": "vpc-0123456789abcdef0",
        "defaultTargetType": "ip", "keepTLSSecret": true,
        "serviceAccount": {"create": false, "name": "aws-load-balancer-controller"},
        "podLabels": profile, "podAnnotations": profile,
        "podDisruptionBudget": {"maxUnavailable": 1},
        "resources": {"requests": amounts, "limits": amounts},
    })
}

/// Runs helm in an environment.
pub(crate) async fn run(arguments: &[&str], environment: Vec<(String, String)>) -> Ran {
    let look_up = move |name: &str| {
        environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
    let code = helm::main(arguments, &look_up, &mut out, &mut err).await;
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}
