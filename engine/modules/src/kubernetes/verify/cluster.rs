//! K1 to K8, and the workload: what the cluster says about itself.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use runbook_clients::kubernetes::placement::{
    COMPUTE_TYPE_LABEL, FARGATE_SCHEDULER, NODE_POOL_LABEL, Pod,
};
use runbook_clients::kubernetes::rollout::{condition, is_true};
use serde_json::Value;

use super::check::Check;
use super::world::{Asked, Inside, entry, text};

/// How many pods of each system workload there must be.
const REPLICAS: usize = 2;
/// How long a pod may be on its way.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(5);
/// Where the labels of an object are.
const LABELS: &str = "/metadata/labels";
/// How many names a line shows.
const SHOWN: usize = 4;

/// The checks of the cluster.
pub(super) fn judge(asked: &Asked, inside: &Inside) -> Vec<Check> {
    let mut checks = vec![nodes(inside), system_pods(asked, inside)];
    checks.extend(dns(inside));
    checks.extend(pending(inside));
    checks.extend(karpenter(asked, inside));
    checks.extend(super::balancer::judge(asked, &inside.balancer));
    checks.extend(releases(asked, inside));
    checks.push(dns_compute_type(inside));
    checks.extend(workload(asked, inside));
    checks
}

fn nodes(inside: &Inside) -> Check {
    let fargate = |node: &&Value| entry(node, LABELS, COMPUTE_TYPE_LABEL) == Some("fargate");
    let karpenter =
        |node: &&Value| !fargate(node) && entry(node, LABELS, NODE_POOL_LABEL).is_some();
    let others: Vec<&str> = inside
        .nodes
        .iter()
        .filter(|node| !fargate(node) && !karpenter(node))
        .map(|node| text(node, "/metadata/name"))
        .collect();
    let count = inside.nodes.iter().filter(fargate).count();
    let made = inside.nodes.iter().filter(karpenter).count();
    let actual = if others.is_empty() {
        format!("{count} of Fargate, {made} of Karpenter")
    } else {
        format!("neither Fargate's nor Karpenter's: {}", some(&others))
    };
    Check::hard("K1", "nodes", "only Fargate's and Karpenter's", others.is_empty(), actual)
}

/// What keeps a system pod from being where it belongs; none when nothing does.
fn misplaced(pod: &Pod) -> Option<String> {
    let name = format!("{}/{}", pod.namespace, pod.name);
    if pod.scheduler != FARGATE_SCHEDULER {
        return Some(format!("{name} was made before its profile and must be made anew"));
    }
    if !pod.is_on_fargate() {
        let place =
            pod.node_name.as_deref().map_or("on no node".to_owned(), |it| format!("on {it}"));
        return Some(format!("{name} is {} {place}", pod.phase));
    }
    let runs = pod.phase == "Running" && pod.ready;
    (!runs).then(|| format!("{name} is {} and not ready", pod.phase))
}

fn counts(pod: &Pod) -> bool {
    !pod.belongs_to_a_node() && !pod.is_deleting && pod.phase != "Succeeded"
}

fn system_pods(asked: &Asked, inside: &Inside) -> Check {
    let pods: Vec<&Pod> = inside.pods.iter().filter(|pod| counts(pod)).collect();
    let wrong: Vec<String> = pods.iter().filter_map(|pod| misplaced(pod)).collect();
    let namespaces = asked.system_namespaces().join(" and ");
    let actual = if wrong.is_empty() {
        format!("{} of {} ready, on Fargate nodes", pods.len(), pods.len())
    } else {
        some(&wrong)
    };
    let subject = format!("pods of {namespaces}");
    let passed = wrong.is_empty() && !pods.is_empty();
    Check::hard("K2", subject, "all ready, on Fargate nodes", passed, actual)
}

/// Two ready pods of a system workload, on nodes of their own: one machine less is no outage.
pub(super) fn fleet(id: &'static str, subject: &str, pods: &[Pod]) -> Check {
    let expected = format!("at least {REPLICAS} ready, each on a Fargate node of its own");
    let pods: Vec<&Pod> = pods.iter().filter(|pod| counts(pod)).collect();
    let ready: Vec<&&Pod> = pods.iter().filter(|pod| pod.ready && pod.phase == "Running").collect();
    let on_fargate: BTreeSet<&str> = ready
        .iter()
        .filter(|pod| pod.is_on_fargate())
        .filter_map(|pod| pod.node_name.as_deref())
        .collect();
    let mut actual = format!(
        "{} of {} ready, on {}",
        ready.len(),
        pods.len(),
        counted(on_fargate.len(), "Fargate node")
    );
    let zones = zones(&ready);
    if zones > 0 {
        actual.push_str(&format!(" in {}", counted(zones, "zone")));
    }
    let passed =
        ready.len() == pods.len() && ready.len() >= REPLICAS && on_fargate.len() == ready.len();
    if !passed && let Some(why) = pods.iter().find_map(|pod| misplaced(pod)) {
        actual.push_str(&format!("; {why}"));
    }
    Check::hard(id, subject, expected, passed, actual)
}

fn zones(pods: &[&&Pod]) -> usize {
    let zones: BTreeSet<&str> =
        pods.iter().filter_map(|pod| pod.node.as_ref()?.zone.as_deref()).collect();
    zones.len()
}

fn dns(inside: &Inside) -> [Check; 3] {
    let ready: Vec<&Pod> = inside.dns_pods.iter().filter(|pod| pod.ready).collect();
    let zones = zones(&ready.iter().collect::<Vec<_>>());
    let endpoints = ready_endpoints(&inside.dns_slices);
    [
        fleet("K3", "coredns", &inside.dns_pods),
        Check::hard("K3", "zones of coredns", "at least 2", zones >= 2, counted(zones, "zone"))
            .warning(),
        Check::hard(
            "K3",
            "Service kube-dns",
            format!("at least {REPLICAS} ready endpoints"),
            endpoints >= REPLICAS,
            counted(endpoints, "ready endpoint"),
        ),
    ]
}

/// How many endpoints of a Service are ready; one that does not say is.
pub(super) fn ready_endpoints(slices: &[Value]) -> usize {
    slices
        .iter()
        .filter_map(|slice| slice.get("endpoints")?.as_array())
        .flatten()
        .filter(|one| one.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true))
        .count()
}

fn pending(inside: &Inside) -> [Check; 2] {
    let age =
        |pod: &Pod| pod.created_at.map_or(SignedDuration::ZERO, |at| inside.now.duration_since(at));
    let stuck: Vec<String> = inside
        .pods
        .iter()
        .filter(|pod| counts(pod) && pod.phase == "Pending" && age(pod) > ON_ITS_WAY)
        .map(|pod| {
            let why = pod.unschedulable.as_deref().map(|why| format!(": {why}"));
            let minutes = age(pod).as_mins();
            format!("{}/{} for {minutes} min{}", pod.namespace, pod.name, why.unwrap_or_default())
        })
        .collect();
    let misled: BTreeSet<String> = inside
        .pods
        .iter()
        .filter(|pod| pod.belongs_to_a_node() && pod.phase == "Pending" && age(pod) > ON_ITS_WAY)
        .map(|pod| pod.owner_name.clone().unwrap_or_else(|| pod.name.clone()))
        .collect();
    let misled: Vec<String> = misled.into_iter().collect();
    let daemons = if misled.is_empty() {
        "none waits".to_owned()
    } else {
        format!(
            "{} waits on Fargate nodes: it lacks an affinity that leaves them out",
            some(&misled)
        )
    };
    let told = if stuck.is_empty() { "none".to_owned() } else { some(&stuck) };
    [
        Check::hard("K4", "pods that wait", "none for more than 5 min", stuck.is_empty(), told),
        Check::hard("K4", "DaemonSets", "none waits on a Fargate node", misled.is_empty(), daemons)
            .warning(),
    ]
}

fn karpenter(asked: &Asked, inside: &Inside) -> Vec<Check> {
    let karpenter = &inside.karpenter;
    let leader = karpenter.lease.as_ref().map_or("", |lease| text(lease, "/spec/holderIdentity"));
    let led = if leader.is_empty() { "nobody leads" } else { leader };
    let mut checks = vec![
        fleet("K5", "karpenter", &karpenter.pods),
        Check::hard("K5", "karpenter's leader", "one leads", !leader.is_empty(), led).warning(),
    ];
    checks.extend(ready_objects("EC2NodeClass", &karpenter.node_classes, None));
    checks.extend(ready_objects("NodePool", &karpenter.node_pools, asked.node_pool.as_deref()));
    checks
}

/// Each object is ready at its current generation; the named one, or at least one, is there.
fn ready_objects(kind: &str, objects: &[Value], wanted: Option<&str>) -> Vec<Check> {
    let mut checks: Vec<Check> = objects
        .iter()
        .map(|object| {
            let ready = is_true(object, "Ready");
            let why = condition(object, "Ready").map_or("", |it| text(it, "/message"));
            let actual = match (ready, why) {
                (true, _) => "ready".to_owned(),
                (false, "") => "not ready".to_owned(),
                (false, why) => format!("not ready: {why}"),
            };
            let subject = format!("{kind} {}", text(object, "/metadata/name"));
            Check::hard("K5", subject, "ready at its generation", ready, actual)
        })
        .collect();
    let is_there = |name: &str| objects.iter().any(|one| text(one, "/metadata/name") == name);
    match wanted {
        Some(name) if !is_there(name) => {
            let subject = format!("{kind} {name}");
            checks.push(Check::hard("K5", subject, "ready", false, "it is not there"));
        }
        None if objects.is_empty() => {
            checks.push(Check::hard("K5", kind, "at least one", false, "there is none"));
        }
        _ => {}
    }
    checks
}

fn releases(asked: &Asked, inside: &Inside) -> Vec<Check> {
    asked
        .releases
        .iter()
        .map(|(name, wanted)| {
            let found = inside.releases.get(name).and_then(Option::as_ref);
            let passed = found.is_some_and(|(status, version)| {
                status == "deployed" && *version == wanted.version
            });
            let actual = found.map_or_else(
                || "there is no such release".to_owned(),
                |(status, version)| format!("{status}, {version}"),
            );
            let subject = format!("release {}/{name}", wanted.namespace);
            Check::hard("K7", subject, format!("deployed, {}", wanted.version), passed, actual)
        })
        .collect()
}

fn dns_compute_type(inside: &Inside) -> Check {
    let kind = inside.dns.as_ref().map(|deployment| {
        entry(deployment, "/spec/template/metadata/annotations", COMPUTE_TYPE_LABEL)
            .unwrap_or("not bound")
    });
    let passed = kind.is_some_and(|kind| kind != "ec2");
    let actual = match kind {
        None => "there is no Deployment coredns",
        Some("ec2") => "bound to ec2",
        Some(kind) => kind,
    };
    Check::hard("K8", "coredns's compute type", "not ec2", passed, actual)
}

fn workload(asked: &Asked, inside: &Inside) -> Option<Check> {
    let workload = asked.workload.as_ref()?;
    let pods: Vec<&Pod> = inside.workload.iter().filter(|pod| counts(pod)).collect();
    let placed: Vec<&&Pod> =
        pods.iter().filter(|pod| pod.ready && pod.node_pool().is_some()).collect();
    let machines: BTreeSet<String> = placed
        .iter()
        .filter_map(|pod| pod.node.as_ref())
        .map(|node| {
            let parts = [node.instance_type.as_deref(), node.capacity_type.as_deref()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        })
        .filter(|machine| !machine.is_empty())
        .collect();
    let passed = !placed.is_empty() && placed.len() == pods.len();
    let actual = if passed {
        let machines: Vec<String> = machines.into_iter().collect();
        let mut actual = format!("{} of {} on nodes that Karpenter made", placed.len(), pods.len());
        if !machines.is_empty() {
            actual.push_str(&format!(" ({})", machines.join("; ")));
        }
        actual
    } else {
        let stray = pods.iter().find(|pod| !pod.ready || pod.node_pool().is_none());
        let stray = stray.map(|pod| {
            let place = pod.node_name.as_deref().unwrap_or("no node");
            format!("; {} is {} on {place}", pod.name, pod.phase)
        });
        format!(
            "{} of {} ready on nodes that Karpenter made{}",
            placed.len(),
            pods.len(),
            stray.unwrap_or_default()
        )
    };
    let subject = format!("workload {} ({})", workload.namespace, workload.selector);
    let expected = "at least one, all ready, on nodes that Karpenter made";
    Some(Check::hard("W1", subject, expected, passed, actual))
}

/// `1 zone`, `2 zones`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The first few, and how many there are besides.
fn some<T: AsRef<str>>(all: &[T]) -> String {
    let shown: Vec<&str> = all.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    if all.len() > SHOWN { format!("{shown} and {} more", all.len() - SHOWN) } else { shown }
}
