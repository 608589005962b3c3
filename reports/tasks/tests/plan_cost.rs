//! What plans add to the month: whole answers of small plans.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use jiff::Timestamp;
use runbook_capacity::money::Amount;
use runbook_capacity::prices::PriceBook;
use runbook_core::plan::Plan;
use runbook_tasks::plan_cost::{ExpectedUsage, PlanCost, PlanCostError, plan_cost};
use serde_json::{Value as Json, json};

/// A plan of these tasks: address, kind, billing.
fn plan(tasks: &[(&str, &str, Json)]) -> Plan {
    let tasks: Vec<Json> = tasks
        .iter()
        .map(|(address, kind, billing)| {
            json!({"address": address, "module": "m", "kind": kind, "subject": address, "billing": billing})
        })
        .collect();
    let plan = json!({
        "format": 1, "made_by": "test", "digest": "", "world_time": Timestamp::UNIX_EPOCH,
        "runbook": "test", "owner": "test/default",
        "target": {"on": "sandbox", "connections": ["aws 111122223333 ap-northeast-2"]},
        "graph": "", "inputs": {}, "files": {}, "tasks": tasks, "facts": [], "orphans": [],
        "estimate": {"duration": {"secs": 0, "nanos": 0}, "critical_path": []},
    });
    serde_json::from_value(plan).unwrap()
}

fn pods(kind: &str, namespace: &str, count: Option<i64>, spec: Json) -> Json {
    json!({"item": "pods", "count": count, "words": format!("{kind} {namespace}/web"), "details": {
        "kind": kind, "namespace": namespace, "name": "web", "labels": {"app": "web"}, "spec": spec,
    }})
}

fn asks(cpu: &str, memory: &str) -> Json {
    json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

fn profile(namespace: &str) -> Json {
    json!({"item": "fargate_profile", "count": 1, "words": "pods that it takes",
           "details": {"selectors": [{"namespace": namespace}]}})
}

fn node_pool() -> Json {
    json!({"item": "node_pool", "count": 1, "words": "NodePool default", "details": {
    "metadata": {"name": "default"},
    "spec": {"template": {"spec": {
        "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
        "requirements": [
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
            {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m7g.large"]},
        ]}}}}})
}

fn after(charges: &[Json]) -> Json {
    json!({ "after": charges })
}

fn cost(plan: &Plan) -> PlanCost {
    plan_cost(plan, PriceBook::embedded(), &ExpectedUsage::default(), None).unwrap()
}

/// Each line as `before → after what (basis)`, then the sums.
fn shown(cost: &PlanCost) -> Vec<String> {
    let amount = |amount: &Result<Amount, runbook_capacity::money::Unpriced>| match amount {
        Ok(amount) => amount.dollars(2),
        Err(unpriced) => format!("({})", unpriced.reason),
    };
    let mut all: Vec<String> = cost
        .lines
        .iter()
        .map(|line| {
            format!(
                "{} → {} {}: {} [{}]",
                amount(&line.before),
                amount(&line.after),
                line.address,
                line.words,
                line.basis.as_deref().unwrap_or_default()
            )
        })
        .collect();
    all.push(format!(
        "fixed {} usage {} once {} holes {}",
        cost.fixed.amount.dollars(2),
        cost.usage.amount.dollars(2),
        cost.once.amount.dollars(2),
        cost.monthly().holes.len() + cost.once.holes.len()
    ));
    all
}

#[test]
fn a_profile_costs_nothing_and_the_pods_it_takes_do() {
    let control_plane = json!({"item": "eks_control_plane", "count": 1, "words": "control plane"});
    let plan = plan(&[
        ("cluster", "create", after(&[control_plane])),
        ("profile", "deferred", after(&[profile("kube-*")])),
        (
            "dns",
            "deferred",
            after(&[pods("Deployment", "kube-system", Some(2), asks("250m", "256M"))]),
        ),
        ("agents", "deferred", after(&[pods("DaemonSet", "default", Some(1), asks("1", "1Gi"))])),
        (
            "queue",
            "create",
            after(&[json!({"item": "sqs_requests", "count": 1, "words": "requests"})]),
        ),
    ]);
    let cost = cost(&plan);
    assert_eq!(
        shown(&cost),
        [
            "0.00 → 73.00 cluster: control plane []",
            "0.00 → 20.72 dns: Deployment kube-system/web on Fargate [2 × 0.25 vCPU 0.5 GB]",
            "0.00 → 0.00 queue: requests [262800 requests assumed; the account's first million a month is free]",
            "fixed 93.72 usage 0.00 once 0.00 holes 0",
        ]
    );
    assert_eq!(cost.deferred, 3);
}

#[test]
fn other_pods_are_packed_on_the_pools_of_the_plan() {
    let plan = plan(&[
        ("pool", "create", after(&[node_pool()])),
        ("web", "create", after(&[pods("Deployment", "default", Some(3), asks("900m", "1Gi"))])),
    ]);
    // Two of 900m are on an m7g.large of 1930m: 2 × (0.1003 + 20 GB of gp3 at 0.0912) for 730 hours.
    assert_eq!(
        shown(&cost(&plan)),
        [
            "0.00 → 150.09 nodes: nodes as Karpenter makes them [for 3 pods, 2 × m7g.large on-demand, all month, nothing else on them]",
            "fixed 0.00 usage 150.09 once 0.00 holes 0",
        ]
    );
}

#[test]
fn a_change_is_the_difference_and_what_stays_is_left_out() {
    let scaled = |before, after| {
        json!({"before": [pods("Deployment", "default", Some(before), asks("900m", "1Gi"))],
               "after": [pods("Deployment", "default", Some(after), asks("900m", "1Gi"))]})
    };
    let pool = json!({"before": [node_pool()], "after": [node_pool()]});
    let same = json!({"item": "eks_control_plane", "count": 1, "words": "control plane"});
    let unchanged = json!({"before": [same], "after": [same]});
    let tasks = [
        ("cluster", "no_change", unchanged),
        ("pool", "no_change", pool),
        ("web", "update", scaled(4, 2)),
    ];
    assert_eq!(
        shown(&cost(&plan(&tasks))),
        [
            "150.09 → 75.04 nodes: nodes as Karpenter makes them [for 2 pods, 1 × m7g.large on-demand, all month, nothing else on them]",
            "fixed 0.00 usage -75.04 once 0.00 holes 0",
        ]
    );
    assert!(cost(&plan(&tasks[..2])).is_empty());
}

#[test]
fn what_is_not_known_has_no_price_and_says_why() {
    let unknown = json!({"containers": [{"name": "c", "resources": {"unknown": "map"}}]});
    let chart =
        json!({"item": "unknown", "words": "pods of the chart x", "details": {"why": "unseen"}});
    let plan = plan(&[
        ("profile", "create", after(&[profile("default")])),
        ("web", "deferred", after(&[pods("Deployment", "default", Some(2), unknown)])),
        ("counted", "deferred", after(&[pods("Deployment", "default", None, asks("1", "1Gi"))])),
        ("job", "create", after(&[pods("CronJob", "default", Some(1), asks("1", "1Gi"))])),
        ("chart", "create", after(&[chart])),
        ("other", "create", after(&[pods("Deployment", "elsewhere", Some(1), asks("1", "1Gi"))])),
        (
            "balancer",
            "create",
            after(&[json!({"item": "load_balancer", "count": 1, "words": "Service a/b"})]),
        ),
    ]);
    assert_eq!(
        shown(&cost(&plan)),
        [
            "0.00 → (what its pods ask for is known only when the task runs) web: Deployment default/web []",
            "0.00 → (how many pods there will be is known only when the task runs) counted: Deployment default/web on Fargate [? × 1 vCPU 2 GB]",
            "0.00 → (unseen) chart: pods of the chart x []",
            "0.00 → (how long it runs is not known; expected usage says it (`pod_hours`)) job: CronJob default/web on Fargate [1 × 1 vCPU 2 GB]",
            "0.00 → (a load balancer: neither its price nor what goes through it is known) balancer: Service a/b [hours and what goes through it]",
            "0.00 → (no NodePool is in this plan, so its nodes are not known) nodes: nodes as Karpenter makes them [for 1 pods]",
            "fixed 0.00 usage 0.00 once 0.00 holes 6",
        ]
    );
}

#[test]
fn expected_usage_takes_the_place_of_assumptions() {
    let mut job = asks("1", "1Gi");
    job["restartPolicy"] = "Never".into();
    job["activeDeadlineSeconds"] = 1800.into();
    let plan = plan(&[
        ("profile", "create", after(&[profile("default")])),
        ("nightly", "create", after(&[pods("CronJob", "default", Some(1), asks("1", "1Gi"))])),
        ("once", "create", after(&[pods("Pod", "default", Some(1), job)])),
        (
            "queue",
            "create",
            after(&[json!({"item": "sqs_requests", "count": 1, "words": "requests"})]),
        ),
    ]);
    let text = "usage:\n  nightly: {pod_hours: 40}\n  queue: {sqs_requests: 3000000}\n";
    let addresses = ["nightly", "once", "queue"];
    let usage = ExpectedUsage::read("expected_usage.yaml", text, addresses).unwrap();
    let cost = plan_cost(&plan, PriceBook::embedded(), &usage, None).unwrap();
    // 40 h and half an hour of 1 vCPU and 2 GB at 0.05678 $.
    assert_eq!(
        shown(&cost),
        [
            "0.00 → 2.27 nightly: CronJob default/web on Fargate [1 × 1 vCPU 2 GB, 40 h a month expected]",
            "0.00 → (requests beyond the free million: no price is known) queue: requests [3000000 requests expected; the account's first million a month is free]",
            "0.00 → 0.03 once: Pod default/web on Fargate [1 × 1 vCPU 2 GB, once, for at most 30 min]",
            "fixed 0.00 usage 2.27 once 0.03 holes 1",
        ]
    );
    let wrong = ExpectedUsage::read("u.yaml", "usage: {nightl: {pod_hours: 1}}", addresses);
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "u.yaml speaks of tasks that the plan does not have: nightl"
    );
    for text in ["usage: {nightly: {hours: 1}}", "usage: {nightly: {pod_hours: -1}}", "use: {}"] {
        assert!(ExpectedUsage::read("u.yaml", text, addresses).is_err(), "{text}");
    }
}

#[test]
fn a_plan_of_no_region_or_of_several_has_no_cost() {
    let ask = |connections: Json| {
        let mut plan = plan(&[]);
        plan.target.connections = serde_json::from_value(connections).unwrap();
        plan_cost(&plan, PriceBook::embedded(), &ExpectedUsage::default(), None)
    };
    assert_eq!(ask(json!([])), Err(PlanCostError::NoRegion));
    assert_eq!(
        ask(json!(["aws 1 us-east-1", "aws 1 eu-west-1"])),
        Err(PlanCostError::SeveralRegions("eu-west-1, us-east-1".to_owned()))
    );
    assert!(ask(json!(["aws 1 us-east-1", "aws 2 us-east-1", "kubernetes x"])).is_ok());
}
