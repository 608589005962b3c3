//! The sandbox's helm, over real sockets: what it installs, what it keeps, what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use serde_json::{Value, json};

use support::{
    CLUSTER, Chart, DEFINITIONS, KARPENTER, LOAD_BALANCERS, NODE_ROLE, Ran, World,
    karpenter_values, load_balancer_values, run,
};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/karpenter/deployments/karpenter";
const ACCOUNT: &str = "/api/v1/namespaces/kube-system/serviceaccounts/aws-load-balancer-controller";
const DEFINED: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn states(history: &[Value]) -> Vec<&str> {
    history.iter().filter_map(|one| one["info"]["status"].as_str()).collect()
}

fn succeeded(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    serde_json::from_str(&ran.out).unwrap_or_default()
}

fn refused(ran: &Ran) -> &str {
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    ran.err.strip_prefix("Error: ").unwrap().trim_end()
}

#[tokio::test(flavor = "multi_thread")]
async fn karpenter_is_installed_upgraded_and_removed_in_the_runbooks_order() {
    let world = World::with_cluster().await;
    world.prepare_nodes().await;
    let before = world.now();
    succeeded(&world.install(&DEFINITIONS, &json!({})).await);
    let printed = succeeded(&world.install(&KARPENTER, &karpenter_values()).await);
    assert_eq!(printed["info"]["status"], "deployed");

    // Two pods on Fargate take their time, which is the world's.
    let took = world.now().duration_since(before).as_secs();
    assert!((40..240).contains(&took), "{took} s");
    let deployment = world.get(DEPLOYMENT).await.unwrap();
    check_deployment(&deployment);
    let account = "/api/v1/namespaces/karpenter/serviceaccounts/karpenter";
    let account = world.get(account).await.unwrap();
    let role = &account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"];
    assert_eq!(role, "arn:aws:iam::111122223333:role/myeks-karpenter");
    let history = world.history("karpenter", "karpenter").await;
    assert_eq!(history, [printed]);
    let release = &history[0];
    assert_eq!(release["version"], 1);
    let chart = &release["chart"]["metadata"];
    assert_eq!(chart["name"], "karpenter");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!("1.14.1"), &json!("1.14.1")));
    assert_eq!(release["info"]["description"], "for a test");
    assert_eq!(release["config"], karpenter_values());
    let manifest = release["manifest"].as_str().unwrap();
    assert!(manifest.contains("# Source: karpenter/templates/deployment.yaml"), "{manifest}");

    provision(&world).await;

    // The same again changes nothing but the history.
    let generation = deployment["metadata"]["generation"].clone();
    let printed = succeeded(&world.install(&KARPENTER, &karpenter_values()).await);
    assert_eq!(printed["version"], 2);
    let again = world.get(DEPLOYMENT).await.unwrap();
    assert_eq!(again["metadata"]["generation"], generation);
    let history = world.history("karpenter", "karpenter").await;
    assert_eq!(states(&history), ["superseded", "deployed"]);
    assert_eq!(history[1]["info"]["first_deployed"], release["info"]["first_deployed"]);

    let ran = world.uninstall("karpenter", "karpenter").await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "release \"karpenter\" uninstalled\n"));
    assert!(world.history("karpenter", "karpenter").await.is_empty());
    assert!(world.get(DEPLOYMENT).await.is_none());
    assert!(world.get("/api/v1/namespaces/karpenter").await.is_some());
    let gone = world.uninstall("karpenter", "karpenter").await;
    assert_eq!(refused(&gone), "uninstall: Release not loaded: karpenter: release: not found");
}

fn check_deployment(deployment: &Value) {
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    let metadata = &deployment["metadata"];
    assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "Helm");
    assert_eq!(metadata["labels"]["helm.sh/chart"], "karpenter-1.14.1");
    assert_eq!(metadata["annotations"]["meta.helm.sh/release-name"], "karpenter");
    assert_eq!(metadata["annotations"]["meta.helm.sh/release-namespace"], "karpenter");
    let managers = metadata["managedFields"].as_array().unwrap();
    let applied = |one: &Value| one["manager"] == "helm" && one["operation"] == "Apply";
    assert!(managers.iter().any(applied), "{managers:?}");
    let pod = &deployment["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"], "karpenter");
    assert_eq!(pod["spec"]["dnsPolicy"], "Default");
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["image"], "public.ecr.aws/karpenter/controller:1.14.1");
    assert_eq!(container["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
    let variables = container["env"].as_array().unwrap();
    for (name, value) in [("CLUSTER_NAME", CLUSTER), ("INTERRUPTION_QUEUE", CLUSTER)] {
        assert!(variables.contains(&json!({"name": name, "value": value})), "{name}");
    }
}

/// A node class and a pool become ready, and a pod that fits nowhere gets a machine.
async fn provision(world: &World) {
    let class = json!({
        "apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass", "metadata": {"name": "default"},
        "spec": {
            "role": NODE_ROLE, "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "subnetSelectorTerms": [{"tags": {"karpenter.sh/discovery": CLUSTER}}],
            "securityGroupSelectorTerms": [{"tags": {"karpenter.sh/discovery": CLUSTER}}],
        },
    });
    let requirement =
        |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
    let pool = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
        "spec": {
            "template": {"spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": [
                    requirement("kubernetes.io/arch", json!(["amd64"])),
                    requirement("karpenter.sh/capacity-type", json!(["on-demand"])),
                    requirement("karpenter.k8s.aws/instance-category", json!(["c", "m", "r"])),
                ],
                "expireAfter": "720h",
            }},
            "limits": {"cpu": 1000},
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"},
        },
    });
    let (pools, classes) =
        ("/apis/karpenter.sh/v1/nodepools", "/apis/karpenter.k8s.aws/v1/ec2nodeclasses");
    let mut wrong = pool.clone();
    wrong["spec"]["template"]["spec"]["nodeClassReff"] = json!({});
    let (status, answer) = world.apply(&format!("{pools}/default"), &wrong).await;
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("nodeClassReff"), "{answer}");
    for (path, object) in [(classes, &class), (pools, &pool)] {
        let (status, answer) = world.apply(&format!("{path}/default"), object).await;
        assert_eq!(status, 201, "{answer}");
    }
    let resources = json!({"requests": {"cpu": "1"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "work", "namespace": "default"},
        "spec": {"containers": [{"name": "work", "image": "pause", "resources": resources}]},
    });
    let path = "/api/v1/namespaces/default/pods/work";
    assert_eq!(world.apply(path, &pod).await.0, 201);
    world.pass(180).await;
    let pod = world.get(path).await.unwrap();
    assert_eq!(pod["status"]["phase"], "Running", "{pod:#}");

    let table = world.get(&format!("{pools}?table")).await.unwrap();
    let columns = table["columnDefinitions"].as_array().unwrap();
    let names: Vec<&Value> = columns.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["Name", "NodeClass", "Nodes", "Ready", "Age", "Weight", "CPU", "Memory"]);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..4], [json!("default"), json!("default"), json!(1), json!("True")]);

    // The way back: the pool goes at once, its claims when their machines are gone, and the class
    // when no claim uses it any more.
    let count =
        async |path: &str| world.get(path).await.unwrap()["items"].as_array().unwrap().len();
    let claims = "/apis/karpenter.sh/v1/nodeclaims";
    let nodes = "/api/v1/nodes?labelSelector=karpenter.sh%2Fnodepool";
    assert_eq!((count(claims).await, count(nodes).await, world.instances().await), (1, 1, 1));
    world.delete(&format!("{classes}/default")).await;
    world.delete(&format!("{pools}/default")).await;
    assert_eq!((count(pools).await, count(claims).await, count(classes).await), (0, 1, 1));
    world.pass(60).await;
    assert_eq!((count(claims).await, count(nodes).await, count(classes).await), (0, 0, 0));
    assert_eq!(world.instances().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_balancer_controller_comes_with_its_webhooks_and_class() {
    let world = World::with_cluster().await;
    let name = LOAD_BALANCERS.release;
    let ran = world.install(&LOAD_BALANCERS, &json!({"region": "ap-northeast-2"})).await;
    assert!(refused(&ran).contains("clusterName is required"), "{}", ran.err);
    assert!(world.history("kube-system", name).await.is_empty());

    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": "kube-system"},
    });
    assert_eq!(world.apply(ACCOUNT, &account).await.0, 201);
    succeeded(&world.install(&LOAD_BALANCERS, &load_balancer_values()).await);

    let deployment = format!("/apis/apps/v1/namespaces/kube-system/deployments/{name}");
    let deployment = world.get(&deployment).await.unwrap();
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let wanted = [
        "--cluster-name=myeks",
        "--ingress-class=alb",
        "--aws-region=ap-northeast-2",
        "--aws-vpc-id=vpc-0123456789abcdef0",
        "--default-target-type=ip",
    ];
    assert_eq!(*arguments, json!(wanted));
    let webhook = "aws-load-balancer-webhook";
    for path in [
        format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}-role"),
        "/apis/networking.k8s.io/v1/ingressclasses/alb".to_owned(),
        "/apis/elbv2.k8s.aws/v1beta1/ingressclassparams/alb".to_owned(),
        format!("{DEFINED}/targetgroupbindings.elbv2.k8s.aws"),
        format!("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{webhook}"),
        format!("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{webhook}"),
    ] {
        assert!(world.get(&path).await.is_some(), "{path}");
    }
    let budget = format!("/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/{name}");
    assert_eq!(world.get(&budget).await.unwrap()["spec"]["maxUnavailable"], 1);
    let slices = format!(
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{webhook}-service"
    );
    let slices = world.get(&slices).await.unwrap();
    assert_eq!(slices["items"][0]["endpoints"].as_array().unwrap().len(), 2);

    // The webhooks' certificate survives an upgrade; the service account stays ours.
    let secret = "/api/v1/namespaces/kube-system/secrets/aws-load-balancer-tls";
    let first = world.get(secret).await.unwrap()["data"].clone();
    let mut values = load_balancer_values();
    values["podDisruptionBudget"] = Value::Null;
    succeeded(&world.install(&LOAD_BALANCERS, &values).await);
    assert_eq!(world.get(secret).await.unwrap()["data"], first);
    assert!(world.get(&budget).await.is_none(), "the new revision has no such object");
    values["keepTLSSecret"] = json!(false);
    succeeded(&world.install(&LOAD_BALANCERS, &values).await);
    assert_ne!(world.get(secret).await.unwrap()["data"], first);
    let account = world.get(ACCOUNT).await.unwrap();
    assert!(account["metadata"]["annotations"]["meta.helm.sh/release-name"].is_null());

    // Definitions beside the chart outlive the release.
    let ran = world.uninstall("kube-system", name).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let definition = format!("{DEFINED}/targetgroupbindings.elbv2.k8s.aws");
    assert!(world.get(&definition).await.is_some());
    assert!(world.get("/apis/networking.k8s.io/v1/ingressclasses/alb").await.is_none());
    assert!(world.get(ACCOUNT).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_somebody_else_is_refused_and_nothing_is_made() {
    let world = World::with_cluster().await;
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {
            "name": LOAD_BALANCERS.release, "namespace": "kube-system",
            "labels": {"app.kubernetes.io/managed-by": "eksctl"},
        },
    });
    assert_eq!(world.apply(ACCOUNT, &account).await.0, 201);
    let mut values = load_balancer_values();
    values["serviceAccount"] = json!({"create": true});
    let ran = world.install(&LOAD_BALANCERS, &values).await;
    assert_eq!(
        refused(&ran),
        "Unable to continue with install: ServiceAccount \"aws-load-balancer-controller\" in \
         namespace \"kube-system\" exists and cannot be imported into the current release: invalid \
         ownership metadata; label validation error: key \"app.kubernetes.io/managed-by\" must \
         equal \"Helm\": current value is \"eksctl\"; annotation validation error: missing key \
         \"meta.helm.sh/release-name\": must be set to \"aws-load-balancer-controller\"; annotation \
         validation error: missing key \"meta.helm.sh/release-namespace\": must be set to \
         \"kube-system\""
    );
    assert!(world.history("kube-system", LOAD_BALANCERS.release).await.is_empty());
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/aws-load-balancer-controller-role";
    assert!(world.get(role).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_become_ready_fails_at_its_time_and_can_be_repeated() {
    let world = World::with_cluster().await;
    // No profile takes this namespace, and there is no other node.
    let nowhere = Chart { namespace: "nowhere", timeout: "90s", ..KARPENTER };
    let before = world.now();
    let ran = world.install(&nowhere, &karpenter_values()).await;
    assert_eq!(
        refused(&ran),
        "resource Deployment/nowhere/karpenter not ready. status: InProgress, message: Available: \
         0/2\ncontext deadline exceeded"
    );
    let took = world.now().duration_since(before).as_secs();
    assert!((90..95).contains(&took), "{took} s");
    let history = world.history("nowhere", "karpenter").await;
    assert_eq!(states(&history), ["failed"]);
    let description = history[0]["info"]["description"].as_str().unwrap();
    assert!(description.starts_with("Release \"karpenter\" failed: resource"), "{description}");

    let mut values = karpenter_values();
    values["replicas"] = json!(0);
    succeeded(&world.install(&nowhere, &values).await);
    assert_eq!(states(&world.history("nowhere", "karpenter").await), ["failed", "deployed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helm_that_was_cut_off_leaves_a_pending_release_that_the_next_one_respects() {
    let world = World::with_cluster().await;
    let arguments = world.arguments(&KARPENTER, &karpenter_values());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The definitions need a second of world time; the pods need a minute, which does not come:
    // this test keeps the clock, and drops the helm that waits for them.
    succeeded(&world.install(&DEFINITIONS, &json!({})).await);
    tokio::select! {
        ran = run(&arguments, world.environment()) => panic!("{ran:?}"),
        () = appeared(&world) => {}
    }
    assert_eq!(states(&world.history("karpenter", "karpenter").await), ["pending-install"]);
    let ran = world.install(&KARPENTER, &karpenter_values()).await;
    let told = "UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress";
    assert_eq!(refused(&ran), told);
    // What the engine does about it, once it knows that the other helm is gone.
    let secrets = "/api/v1/namespaces/karpenter/secrets";
    world.delete(&format!("{secrets}/sh.helm.release.v1.karpenter.v1")).await;
    succeeded(&world.install(&KARPENTER, &karpenter_values()).await);
    assert_eq!(states(&world.history("karpenter", "karpenter").await), ["deployed"]);
}

/// Ready when the release's deployment is there.
async fn appeared(world: &World) {
    while world.get(DEPLOYMENT).await.is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_revisions_are_kept_and_the_deployed_one_is_the_last() {
    let world = World::with_cluster().await;
    for number in 0..12 {
        let annotations = json!({"additionalAnnotations": {"number": number.to_string()}});
        succeeded(&world.install(&DEFINITIONS, &annotations).await);
    }
    let history = world.history("karpenter", "karpenter-crd").await;
    let versions: Vec<u64> = history.iter().filter_map(|one| one["version"].as_u64()).collect();
    assert_eq!(versions, (3..=12).collect::<Vec<u64>>());
    let mut expected = vec!["superseded"; 9];
    expected.push("deployed");
    assert_eq!(states(&history), expected);
    let pools = world.get(&format!("{DEFINED}/nodepools.karpenter.sh")).await.unwrap();
    assert_eq!(pools["metadata"]["annotations"]["number"], "11");
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_and_clusters_that_are_not_there_are_named() {
    let world = World::with_cluster().await;
    let newer = Chart { version: "2.0.0", ..KARPENTER };
    let ran = world.install(&newer, &json!({})).await;
    let told = refused(&ran);
    let first = "chart \"oci://public.ecr.aws/karpenter/karpenter\" version \"2.0.0\" not found";
    assert_eq!(told.lines().next(), Some(first));
    assert!(told.contains("aws-load-balancer-controller --repo https://aws.github.io/eks-charts"));

    let arguments = ["uninstall", "a", "--kubeconfig", "/nowhere/kubeconfig"];
    let ran = run(&arguments, world.environment()).await;
    assert!(refused(&ran).starts_with("Kubernetes cluster unreachable: kubeconfig"), "{ran:?}");
    let ran = run(&arguments, Vec::new()).await;
    assert!(refused(&ran).starts_with("RUNBOOK_SANDBOX_CONTROL is not set"), "{ran:?}");
    let ran = run(&["version"], Vec::new()).await;
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("version.BuildInfo{Version:\"v4."), "{}", ran.out);
    let ran = run(&["upgrade", "--install", "a", "b", "--set", "x=y"], Vec::new()).await;
    assert_eq!(refused(&ran), "unknown flag: --set");
}
