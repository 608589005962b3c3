//! The judges, on small worlds.

use jiff::Timestamp;
use runbook_clients::aws::autoscaling::AutoScalingGroup;
use runbook_clients::aws::ec2::Instance;
use runbook_clients::aws::eks::{Cluster as EksCluster, FargateProfile, Selector};
use runbook_clients::aws::{HealthIssue, Tags};
use runbook_clients::kubernetes::placement::{Pod, placed};
use runbook_core::value::Value as Given;
use serde_json::{Value, json};

use super::check::{Check, Severity, missing, outputs};
use super::world::{Account, Asked, Balancer, Inside, Karpenter, Wanted, Workload};
use super::{aws, judge};

const EXECUTION: &str = "arn:aws:iam::111122223333:role/execution";
const NODES: &str = "arn:aws:iam::111122223333:role/KarpenterNodeRole-myeks";
const CONTROLLER: &str = "arn:aws:iam::111122223333:role/myeks-karpenter";
const QUEUE: &str = "arn:aws:sqs:ap-northeast-2:111122223333:myeks";

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn asked() -> Asked {
    let wanted = Wanted { namespace: "karpenter".into(), version: "1.14.1".into() };
    Asked {
        cluster: "myeks".into(),
        profiles: vec!["kube-system".into(), "karpenter".into()],
        karpenter_namespace: "karpenter".into(),
        node_pool: Some("default".into()),
        node_role_arn: Some(NODES.into()),
        execution_role_arn: Some(EXECUTION.into()),
        rules: vec!["myeks-spot".into()],
        releases: [("karpenter".to_owned(), wanted)].into(),
        workload: Some(Workload { namespace: "default".into(), selector: "app=nginx".into() }),
    }
}

fn profile(name: &str) -> FargateProfile {
    FargateProfile {
        name: name.into(),
        arn: format!("arn:aws:eks:ap-northeast-2:111122223333:fargateprofile/myeks/{name}/1"),
        cluster: "myeks".into(),
        status: "ACTIVE".into(),
        pod_execution_role_arn: EXECUTION.into(),
        subnet_ids: Vec::new(),
        selectors: vec![Selector { namespace: name.into(), labels: Tags::new() }],
        health: Vec::new(),
        tags: Tags::new(),
        created_at: None,
    }
}

fn instance(id: &str, pool: Option<&str>) -> Instance {
    let tags = pool.map(|pool| ("karpenter.sh/nodepool".to_owned(), pool.to_owned()));
    Instance {
        id: id.into(),
        instance_type: "c6g.large".into(),
        state: "running".into(),
        zone: "ap-northeast-2a".into(),
        is_spot: true,
        private_dns_name: String::new(),
        launched_at: None,
        tags: tags.into_iter().collect(),
    }
}

fn account() -> Account {
    Account {
        cluster: Some(EksCluster {
            name: "myeks".into(),
            status: "ACTIVE".into(),
            version: "1.34".into(),
            oidc_issuer: Some("https://oidc.example/id/1".into()),
            authentication_mode: Some("API_AND_CONFIG_MAP".into()),
            ..EksCluster::default()
        }),
        instances: vec![instance("i-1", Some("default"))],
        profiles: vec![profile("kube-system"), profile("karpenter")],
        has_oidc_provider: true,
        roles: [(CONTROLLER.to_owned(), true)].into(),
        queue: Some(("myeks".into(), Some(QUEUE.into()))),
        rules: [("myeks-spot".to_owned(), Some(vec![QUEUE.to_owned()]))].into(),
        access: [
            (NODES.to_owned(), Some("EC2_LINUX".to_owned())),
            (EXECUTION.to_owned(), Some("FARGATE_LINUX".to_owned())),
        ]
        .into(),
        node_role_arn: Some(NODES.into()),
        ..Account::default()
    }
}

/// A Fargate node for each pod, in turn in zone a and b, and one node of Karpenter.
fn nodes() -> Vec<Value> {
    let mut nodes: Vec<Value> = (1..=4)
        .map(|number| {
            json!({"metadata": {"name": format!("fargate-{number}"), "labels": {
                "eks.amazonaws.com/compute-type": "fargate",
                "topology.kubernetes.io/zone": if number % 2 == 0 {"a"} else {"b"}}}})
        })
        .collect();
    nodes.push(json!({"metadata": {"name": "ip-1", "labels": {"karpenter.sh/nodepool": "default",
        "node.kubernetes.io/instance-type": "c6g.large", "karpenter.sh/capacity-type": "spot"}}}));
    nodes
}

fn pod(namespace: &str, name: &str, node: &str) -> Value {
    let scheduler = if node.starts_with("ip-") { "default-scheduler" } else { "fargate-scheduler" };
    json!({
        "metadata": {"namespace": namespace, "name": name,
            "creationTimestamp": "2026-01-01T00:30:00Z",
            "ownerReferences": [{"kind": "ReplicaSet", "name": name}]},
        "spec": {"nodeName": node, "schedulerName": scheduler},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn dns() -> Vec<Value> {
    vec![pod("kube-system", "coredns-a", "fargate-1"), pod("kube-system", "coredns-b", "fargate-2")]
}

fn controllers() -> Vec<Value> {
    vec![pod("karpenter", "karpenter-a", "fargate-3"), pod("karpenter", "karpenter-b", "fargate-4")]
}

fn on_nodes(pods: &[Value]) -> Vec<Pod> {
    placed(pods, &nodes())
}

fn ready(kind: &str) -> Value {
    json!({"kind": kind, "metadata": {"name": "default", "generation": 2}, "status": {"conditions":
        [{"type": "Ready", "status": "True", "observedGeneration": 2}]}})
}

fn slices(ready: &[bool]) -> Vec<Value> {
    let endpoints: Vec<Value> =
        ready.iter().map(|ready| json!({"conditions": {"ready": ready}})).collect();
    vec![json!({"endpoints": endpoints})]
}

fn inside() -> Inside {
    let system: Vec<Value> = dns().into_iter().chain(controllers()).collect();
    Inside {
        now: now(),
        nodes: nodes(),
        pods: on_nodes(&system),
        dns_pods: on_nodes(&dns()),
        dns: Some(json!({"spec": {"template": {"metadata": {}}}})),
        dns_slices: slices(&[true, true]),
        karpenter: Karpenter {
            deployment: None,
            pods: on_nodes(&controllers()),
            lease: Some(json!({"spec": {"holderIdentity": "karpenter-a"}})),
            node_classes: vec![ready("EC2NodeClass")],
            node_pools: vec![ready("NodePool")],
        },
        releases: [("karpenter".to_owned(), Some(("deployed".into(), "1.14.1".into())))].into(),
        workload: on_nodes(&[pod("default", "nginx-1", "ip-1")]),
        ..Inside::default()
    }
}

fn failing(checks: &[Check]) -> Vec<String> {
    checks
        .iter()
        .filter(|one| one.fails())
        .map(|one| format!("{} {}", one.id, one.subject))
        .collect()
}

fn find<'a>(checks: &'a [Check], subject: &str) -> &'a Check {
    checks.iter().find(|check| check.subject == subject).unwrap_or_else(|| panic!("no {subject}"))
}

/// What fails in the account when that is changed.
fn in_account(change: impl FnOnce(&mut Account)) -> Vec<String> {
    let mut account = account();
    change(&mut account);
    failing(&judge(&asked(), &account, &inside()))
}

/// What fails in the cluster when that is changed.
fn in_cluster(change: impl FnOnce(&mut Inside)) -> Vec<String> {
    let mut inside = inside();
    change(&mut inside);
    failing(&judge(&asked(), &account(), &inside))
}

#[test]
fn a_nodeless_cluster_passes_and_reads_well() {
    let checks = judge(&asked(), &account(), &inside());
    assert_eq!(failing(&checks), Vec::<String>::new());
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
    assert_eq!(find(&checks, "coredns").actual, "2 of 2 ready, on 2 Fargate nodes in 2 zones");
    assert_eq!(find(&checks, "nodes").actual, "4 of Fargate, 1 of Karpenter");
    assert_eq!(find(&checks, "node groups").actual, "none");
    assert_eq!(
        find(&checks, "workload default (app=nginx)").actual,
        "1 of 1 on nodes that Karpenter made (c6g.large, spot)"
    );
    let ids: std::collections::BTreeSet<&str> = checks.iter().map(|check| check.id).collect();
    let all = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"];
    assert!(all.iter().all(|id| ids.contains(id)), "{ids:?}");
    assert!(["K1", "K2", "K3", "K4", "K5", "K7", "K8", "W1"].iter().all(|id| ids.contains(id)));
    assert_eq!(missing(&checks), None);
    let shown = outputs(&checks);
    assert_eq!(shown["passed"], Given::Boolean(true));
    assert_eq!(shown["rows"].as_list().unwrap().len(), checks.len());
    assert_eq!(
        shown["rows"].as_list().unwrap()[0].to_string(),
        r#"["✓","cluster","myeks is ACTIVE, 1.34"]"#
    );
}

#[test]
fn the_account_is_judged() {
    let unhealthy = HealthIssue {
        code: "Ec2SubnetNotFound".into(),
        message: "gone".into(),
        resources: Vec::new(),
    };
    let group = AutoScalingGroup {
        name: "workers".into(),
        arn: String::new(),
        desired_capacity: 1,
        instance_ids: Vec::new(),
        tags: Tags::new(),
    };
    type Change = Box<dyn FnOnce(&mut Account)>;
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|it| it.cluster.as_mut().unwrap().status = "UPDATING".into()), "A1 cluster"),
        (Box::new(|it| it.cluster.as_mut().unwrap().health.push(unhealthy)), "A1 cluster"),
        (Box::new(|it| it.node_groups.push("ng".into())), "A2 node groups"),
        (
            Box::new(|it| it.auto_scaling_groups.push(group)),
            "A3 Auto Scaling groups of the cluster",
        ),
        (Box::new(|it| it.instances.push(instance("i-2", None))), "A4 instances"),
        (
            Box::new(|it| it.profiles[0].status = "CREATING".into()),
            "A5 Fargate profile kube-system",
        ),
        (
            Box::new(|it| it.profiles[1].pod_execution_role_arn = NODES.into()),
            "A5 Fargate profile karpenter",
        ),
        (Box::new(|it| it.profiles.truncate(1)), "A5 Fargate profile karpenter"),
        (
            Box::new(|it| it.profiles[0].selectors[0].namespace = "*".into()),
            "A5 profiles and workloads",
        ),
        (Box::new(|it| it.cluster.as_mut().unwrap().auto_mode = true), "A6 Auto Mode"),
        (Box::new(|it| it.has_oidc_provider = false), "A7 OIDC provider"),
        (
            Box::new(|it| it.roles = [(CONTROLLER.to_owned(), false)].into()),
            "A7 role myeks-karpenter",
        ),
        (
            Box::new(|it| it.rules = [("myeks-spot".to_owned(), None)].into()),
            "A7 interruption rules",
        ),
        (
            Box::new(|it| {
                it.rules = [("myeks-spot".to_owned(), Some(vec!["arn:other".into()]))].into();
            }),
            "A7 interruption rules",
        ),
        (
            Box::new(|it| drop(it.access.insert(NODES.into(), Some("STANDARD".into())))),
            "A8 node role KarpenterNodeRole-myeks",
        ),
        (
            Box::new(|it| drop(it.access.insert(EXECUTION.into(), None))),
            "A8 pod execution role execution",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(in_account(change), [expected]);
    }
    assert_eq!(in_account(|it| it.queue = Some(("myeks".into(), None))), ["A7 queue myeks"]);
}

#[test]
fn a_role_in_the_old_table_may_join_too() {
    let mut account = account();
    account.access.clear();
    let mut inside = inside();
    assert_eq!(failing(&judge(&asked(), &account, &inside)).len(), 2);
    inside.aws_auth = Some(
        json!({"data": {"mapRoles": format!("- rolearn: {NODES}\n- rolearn: {EXECUTION}\n")}}),
    );
    assert_eq!(failing(&judge(&asked(), &account, &inside)), Vec::<String>::new());
}

#[test]
fn selectors_may_have_wildcards() {
    let cases = [
        ("default", "default", true),
        ("def*", "default", true),
        ("*", "default", true),
        ("d?fault", "default", true),
        ("*-system", "kube-system", true),
        ("default", "default-2", false),
        ("?", "default", false),
        ("kube-*", "default", false),
    ];
    for (pattern, namespace, expected) in cases {
        assert_eq!(aws::matches(pattern, namespace), expected, "{pattern} {namespace}");
    }
    let labelled = |it: &mut Account| {
        let labels = [("on".to_owned(), "fargate".to_owned())].into();
        it.profiles[0].selectors.push(Selector { namespace: "default".into(), labels });
    };
    assert_eq!(in_account(labelled), Vec::<String>::new());
}

#[test]
fn the_cluster_is_judged() {
    let foreign = json!({"metadata": {"name": "ip-9", "labels": {}}});
    assert_eq!(in_cluster(|it| it.nodes.push(foreign)), ["K1 nodes"]);
    assert_eq!(in_cluster(|it| it.dns_slices = slices(&[true, false])), ["K3 Service kube-dns"]);
    assert_eq!(in_cluster(|it| it.karpenter.pods.truncate(1)), ["K5 karpenter"]);
    assert_eq!(
        in_cluster(|it| it.karpenter.node_pools[0]["metadata"]["generation"] = 3.into()),
        ["K5 NodePool default"]
    );
    assert_eq!(in_cluster(|it| it.karpenter.node_pools.clear()), ["K5 NodePool default"]);
    assert_eq!(in_cluster(|it| it.karpenter.node_classes.clear()), ["K5 EC2NodeClass"]);
    assert_eq!(
        in_cluster(|it| drop(
            it.releases.insert("karpenter".into(), Some(("failed".into(), "1.14.1".into())))
        )),
        ["K7 release karpenter/karpenter"]
    );
    let bound = json!({"spec": {"template": {"metadata": {"annotations": {
        "eks.amazonaws.com/compute-type": "ec2"}}}}});
    assert_eq!(in_cluster(|it| it.dns = Some(bound)), ["K8 coredns's compute type"]);
    let on_fargate = on_nodes(&[pod("default", "nginx-1", "fargate-1")]);
    assert_eq!(in_cluster(|it| it.workload = on_fargate), ["W1 workload default (app=nginx)"]);
}

#[test]
fn two_pods_on_one_node_are_one_outage() {
    let same = on_nodes(&[
        pod("kube-system", "coredns-a", "fargate-1"),
        pod("kube-system", "coredns-b", "fargate-1"),
    ]);
    let mut inside = inside();
    inside.dns_pods = same;
    let checks = judge(&asked(), &account(), &inside);
    assert_eq!(failing(&checks), ["K3 coredns"]);
    assert_eq!(find(&checks, "coredns").actual, "2 of 2 ready, on 1 Fargate node in 1 zone");
    let zones = find(&checks, "zones of coredns");
    assert_eq!((zones.passed, zones.severity), (false, Severity::Warning));
}

#[test]
fn a_pod_made_before_its_profile_is_named_with_what_keeps_it() {
    let mut stray = pod("kube-system", "coredns-c", "ip-1");
    let mut inside = inside();
    inside.pods.extend(on_nodes(&[stray.clone()]));
    let checks = judge(&asked(), &account(), &inside);
    assert_eq!(failing(&checks), ["K2 pods of kube-system and karpenter"]);
    let told = missing(&checks).unwrap();
    assert!(told.starts_with("1 of "), "{told}");
    assert!(told.contains("kube-system/coredns-c was made before its profile"), "{told}");
    stray["spec"]["nodeName"] = Value::Null;
    stray["spec"]["schedulerName"] = "fargate-scheduler".into();
    stray["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
        "status": "False", "message": "Misconfigured Fargate Profile"}]});
    inside.pods.pop();
    inside.pods.extend(on_nodes(&[stray]));
    let checks = judge(&asked(), &account(), &inside);
    assert_eq!(failing(&checks), ["K2 pods of kube-system and karpenter", "K4 pods that wait"]);
    assert_eq!(
        find(&checks, "pods that wait").actual,
        "kube-system/coredns-c for 30 min: Misconfigured Fargate Profile"
    );
}

#[test]
fn daemon_sets_on_fargate_and_a_missing_leader_are_warnings() {
    let mut daemon = pod("kube-system", "agent-x", "fargate-1");
    daemon["metadata"]["ownerReferences"] = json!([{"kind": "DaemonSet", "name": "agent"}]);
    daemon["status"] = json!({"phase": "Pending"});
    let mut inside = inside();
    inside.pods.extend(on_nodes(&[daemon]));
    inside.karpenter.lease = None;
    let checks = judge(&asked(), &account(), &inside);
    assert_eq!(failing(&checks), Vec::<String>::new());
    assert!(find(&checks, "DaemonSets").actual.starts_with("agent waits on Fargate nodes"));
    assert!(!find(&checks, "karpenter's leader").passed);
    assert_eq!(missing(&checks), None);
}

#[test]
fn the_load_balancer_controller_is_judged_where_there_is_one() {
    assert!(!judge(&asked(), &account(), &inside()).iter().any(|check| check.id == "K6"));
    let mut inside = inside();
    let whole = Balancer {
        deployment: Some(json!({"spec": {"template": {"spec": {"containers": [{"args":
            ["--cluster-name=myeks", "--aws-region=ap-northeast-2", "--aws-vpc-id=vpc-1"]}]}}}})),
        pods: on_nodes(&[
            pod("kube-system", "aws-load-balancer-controller-a", "fargate-3"),
            pod("kube-system", "aws-load-balancer-controller-b", "fargate-4"),
        ]),
        webhook_slices: slices(&[true]),
        service_account: Some(json!({"metadata": {"annotations": {
            "eks.amazonaws.com/role-arn": CONTROLLER}}})),
        ingress_class: Some(json!({"metadata": {"name": "alb"}})),
    };
    inside.balancer = whole.clone();
    let checks = judge(&asked(), &account(), &inside);
    assert_eq!(checks.iter().filter(|check| check.id == "K6" && check.passed).count(), 5);
    inside.balancer = Balancer {
        deployment: Some(json!({"spec": {"template": {"spec": {"containers": [{"args":
            ["--cluster-name=myeks"]}]}}}})),
        webhook_slices: slices(&[false]),
        ..whole
    };
    let checks = judge(&asked(), &account(), &inside);
    assert_eq!(failing(&checks), ["K6 its webhook", "K6 its arguments"]);
    assert_eq!(find(&checks, "its arguments").actual, "without --aws-region, --aws-vpc-id");
    inside.balancer = Balancer::default();
    let mut asked = asked();
    asked.releases.insert("aws-load-balancer-controller".into(), Wanted::default());
    let checks = judge(&asked, &account(), &inside);
    assert_eq!(checks.iter().filter(|check| check.id == "K6" && check.fails()).count(), 5);
}
