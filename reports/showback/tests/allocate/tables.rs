//! Whole tables: idle, overhead and shared cost by every rule; clusters; rows that are kept apart.

use std::sync::Arc;

use runbook_capacity::quantity::Bytes;
use runbook_showback::allocate::charge::PodRef;
use runbook_showback::allocate::showback;
use runbook_showback::allocate::showback::{RowKind, Showback};
use runbook_showback::observed::{ClusterId, NodeInterval, Observed, PodInterval};

use crate::scene::{
    all, book, cluster, codes, fargate, looked_at, node, observed, on, pod, request, rows, shown,
    window,
};

/// Two nodes; `big` has three quarters of the first, `small` a quarter of the second.
fn two_nodes() -> Observed {
    let volume = Some(Bytes::gibibytes(100));
    observed(
        window("00:00", "01:00"),
        vec![
            NodeInterval { volume, ..node("a", "00:00", None) },
            NodeInterval { volume, ..node("b", "00:00", None) },
        ],
        vec![
            pod("big/one", on("a"), ("3", "12Gi"), ("00:00", None)),
            pod("small/one", on("b"), ("1", "4Gi"), ("00:00", None)),
        ],
    )
}

const OWNERS: &str = "owners: [{namespace_regex: '(.*)', owner: '$1'}]\n";

fn table(rules: &str) -> Vec<String> {
    rows(&shown(&two_nodes(), "team", &format!("{OWNERS}{rules}")))
}

#[test]
fn without_rules_idle_is_apart_and_a_node_s_overhead_stays_with_its_pods() {
    assert_eq!(
        table(""),
        [
            "big = 0.7600 [cpu 0.5192, memory 0.2308, node_overhead 0.0100] 1 pods",
            "small = 0.2600 [cpu 0.1731, memory 0.0769, node_overhead 0.0100] 1 pods",
            "(unowned) unowned = 0.0000 [] 0 pods",
            "(idle)  = 1.0000 [idle 1.0000] 0 pods",
        ]
    );
}

#[test]
fn idle_in_proportion_is_within_the_node_or_the_cluster() {
    assert_eq!(
        table("idle: {rule: proportional, per: node}\nnode_overhead: {rule: apart}"),
        [
            "big = 1.0000 [cpu 0.5192, memory 0.2308, idle 0.2500] 1 pods",
            "small = 1.0000 [cpu 0.1731, memory 0.0769, idle 0.7500] 1 pods",
            "(unowned) unowned = 0.0000 [] 0 pods",
            "(overhead)  = 0.0200 [node_overhead 0.0200] 0 pods",
        ]
    );
    assert_eq!(
        table("idle: {rule: proportional}\nnode_overhead: {rule: proportional, per: cluster}"),
        [
            "big = 1.5150 [cpu 0.5192, memory 0.2308, node_overhead 0.0150, idle 0.7500] 1 pods",
            "small = 0.5050 [cpu 0.1731, memory 0.0769, node_overhead 0.0050, idle 0.2500] 1 pods",
            "(unowned) unowned = 0.0000 [] 0 pods",
        ]
    );
}

#[test]
fn idle_evenly_or_by_fixed_shares_goes_to_owners() {
    assert_eq!(
        table("idle: {rule: even}"),
        [
            "big = 1.2600 [cpu 0.5192, memory 0.2308, node_overhead 0.0100, idle 0.5000] 1 pods",
            "small = 0.7600 [cpu 0.1731, memory 0.0769, node_overhead 0.0100, idle 0.5000] 1 pods",
            "(unowned) unowned = 0.0000 [] 0 pods",
        ]
    );
    let rules = format!("{OWNERS}idle: {{rule: fixed, shares: {{small: 3, absent: 1}}}}");
    let showback = shown(&two_nodes(), "team,namespace", &rules);
    assert_eq!(
        rows(&showback),
        [
            "small,small = 1.0100 [cpu 0.1731, memory 0.0769, node_overhead 0.0100, idle 0.7500] 1 pods",
            "big,big = 0.7600 [cpu 0.5192, memory 0.2308, node_overhead 0.0100] 1 pods",
            "absent, = 0.2500 [idle 0.2500] 0 pods",
            "(unowned) unowned, = 0.0000 [] 0 pods",
        ]
    );
    assert!(codes(&showback).contains(&"fixed_share_without_pods"));
    // An owner's figure does not depend on what a table is grouped by.
    let by_namespace = shown(&two_nodes(), "namespace", &rules);
    assert_eq!(
        rows(&by_namespace),
        [
            "small = 1.0100 [cpu 0.1731, memory 0.0769, node_overhead 0.0100, idle 0.7500] 1 pods",
            "big = 0.7600 [cpu 0.5192, memory 0.2308, node_overhead 0.0100] 1 pods",
            "(idle)  = 0.2500 [idle 0.2500] 0 pods",
        ]
    );
}

#[test]
fn what_is_idle_names_its_node_where_nodes_are_told_apart() {
    assert_eq!(
        rows(&shown(&two_nodes(), "node", "")),
        [
            "a = 0.7600 [cpu 0.5192, memory 0.2308, node_overhead 0.0100] 1 pods",
            "b = 0.2600 [cpu 0.1731, memory 0.0769, node_overhead 0.0100] 1 pods",
            "(idle) b = 0.7500 [idle 0.7500] 0 pods",
            "(idle) a = 0.2500 [idle 0.2500] 0 pods",
        ]
    );
}

#[test]
fn a_node_without_pods_is_handed_on_within_the_cluster_and_a_cluster_without_pods_not_at_all() {
    let mut seen = two_nodes();
    seen.pods.remove(1);
    let rules = format!("{OWNERS}idle: {{rule: proportional, per: node}}");
    assert_eq!(
        rows(&shown(&seen, "team", &rules)),
        [
            "big = 2.0200 [cpu 0.5192, memory 0.2308, node_overhead 0.0200, idle 1.2500] 1 pods",
            "(unowned) unowned = 0.0000 [] 0 pods",
        ]
    );
    seen.pods.clear();
    assert_eq!(
        rows(&shown(&seen, "team", &rules)),
        [
            "(unowned) unowned = 0.0000 [] 0 pods",
            "(idle)  = 2.0000 [idle 2.0000] 0 pods",
            "(overhead)  = 0.0200 [node_overhead 0.0200] 0 pods",
        ]
    );
}

fn with_control_plane(mut seen: Observed, by: &str, rules: &str) -> Showback {
    let covered = vec![seen.window];
    seen.clusters = vec![looked_at(cluster("myeks"), covered)];
    showback(&seen, None, &book(), &request(seen.window, by, rules)).unwrap()
}

#[test]
fn shared_cost_is_the_control_plane_the_system_layer_and_what_the_rules_state() {
    let mut seen = observed(
        window("00:00", "01:00"),
        Vec::new(),
        vec![
            pod("kube-system/dns", fargate("1vCPU 2GB"), ("1", "1Gi"), ("00:00", None)),
            pod("shop/web", fargate("1vCPU 2GB"), ("1", "1Gi"), ("00:00", None)),
            pod("jobs/cron", fargate("0.25vCPU 0.5GB"), ("1", "1Gi"), ("00:00", None)),
        ],
    );
    seen.pods[2].labels = crate::scene::labels(&[("app", "cron")]);
    let rules = "
owners: [{namespace: shop, owner: shop}, {namespace: jobs, owner: jobs}]
shared:
  control_plane: {rule: even}
  system_layer: {namespaces: [kube-system], rule: proportional}
  given: [{name: nat, class: nat, monthly: 7.30, rule: apart}]
";
    let showback = with_control_plane(seen.clone(), "team,label:app", rules);
    // A control plane of 0.10, half each; 0.11 of the system, four fifths and one; a cent of NAT.
    assert_eq!(
        rows(&showback),
        [
            "shop, = 0.2480 [fargate 0.1100, shared 0.1380] 1 pods",
            "jobs,cron = 0.0995 [fargate 0.0275, shared 0.0720] 1 pods",
            "(unowned) unowned, = 0.0000 [] 0 pods",
            "(shared) nat, = 0.0100 [shared 0.0100] 0 pods",
        ]
    );
    let classes: Vec<String> = showback
        .classes
        .iter()
        .map(|(class, amount)| format!("{} {}", class.title(), amount.dollars(4)))
        .collect();
    assert_eq!(
        classes,
        [
            "Fargate vCPU 0.2025",
            "Fargate memory 0.0450",
            "control plane 0.1000",
            "NAT gateways 0.0100"
        ]
    );
    // Kept apart, the pods of the system layer stand below its row.
    let apart = "shared: {control_plane: {rule: apart}, system_layer: {namespaces: [kube-system], rule: apart}}";
    let showback = with_control_plane(seen, "namespace", apart);
    assert_eq!(
        rows(&showback),
        [
            "shop = 0.1100 [fargate 0.1100] 1 pods",
            "jobs = 0.0275 [fargate 0.0275] 1 pods",
            "(shared) system layer = 0.1100 [shared 0.1100] 1 pods",
            "(shared) control plane = 0.1000 [shared 0.1000] 0 pods",
        ]
    );
    let pods: Vec<String> = showback
        .pods
        .iter()
        .map(|line| {
            format!(
                "{} {} {} {}",
                line.group,
                line.pod.name,
                line.place,
                all(&line.cost).dollars(4)
            )
        })
        .collect();
    assert_eq!(
        pods,
        ["0 web 1vCPU 2GB 0.1100", "1 cron 0.25vCPU 0.5GB 0.0275", "2 dns 1vCPU 2GB 0.1100"]
    );
}

fn in_cluster(
    id: &Arc<ClusterId>,
    node: NodeInterval,
    pod: PodInterval,
) -> (NodeInterval, PodInterval) {
    (
        NodeInterval { cluster: Arc::clone(id), ..node },
        PodInterval { cluster: Arc::clone(id), ..pod },
    )
}

#[test]
fn equal_namespaces_of_two_clusters_never_merge() {
    let (blue, green) = (cluster("blue"), cluster("green"));
    let one = in_cluster(
        &blue,
        node("a", "00:00", None),
        pod("shop/web", on("a"), ("4", "16Gi"), ("00:00", None)),
    );
    let two = in_cluster(
        &green,
        node("a", "00:00", None),
        pod("shop/web", on("a"), ("2", "8Gi"), ("00:00", None)),
    );
    let seen = observed(window("00:00", "01:00"), vec![one.0, two.0], vec![one.1, two.1]);
    let keys = |by: &str| -> Vec<String> {
        shown(&seen, by, "owners: [{namespace: shop, owner: shop}]")
            .groups
            .iter()
            .map(|group| format!("{} {}", group.key.join(","), all(&group.cost).dollars(2)))
            .collect()
    };
    assert_eq!(keys("namespace"), ["blue/shop 1.00", "green/shop 0.50", " 0.50"]);
    assert_eq!(keys("cluster,namespace"), ["blue,shop 1.00", "green,shop 0.50", "green, 0.50"]);
    assert_eq!(keys("team"), ["shop 1.50", "unowned 0.00", " 0.50"]);
    assert_eq!(
        keys("team,controller"),
        [
            "shop,blue/shop/Deployment/web 1.00",
            "shop,green/shop/Deployment/web 0.50",
            "unowned, 0.00",
            ", 0.50"
        ]
    );
    assert_eq!(keys("node"), ["blue/a 1.00", "green/a 0.50", "green/a 0.50"]);
}

#[test]
fn shared_cost_of_no_named_cluster_is_unpriced_where_there_are_two() {
    let (blue, green) = (cluster("blue"), cluster("green"));
    let mut seen = observed(window("00:00", "01:00"), Vec::new(), Vec::new());
    seen.clusters = [blue, green].map(|id| looked_at(id, vec![window("00:00", "01:00")])).to_vec();
    let rules = "
shared:
  given:
    - {name: nat, hourly: 1}
    - {name: alb, hourly: 1, cluster: red}
    - {name: waf, hourly: 1, cluster: green}
";
    let showback =
        showback(&seen, None, &book(), &request(seen.window, "namespace", rules)).unwrap();
    let unpriced: Vec<String> =
        showback.unpriced.iter().map(|(what, why)| format!("{what}: {}", why.reason)).collect();
    assert_eq!(
        unpriced,
        [
            "shared cost alb: its cluster `red` is not in this report (there: blue, green)",
            "shared cost nat: it names no cluster and there are 2; say `cluster:` in the rules",
        ]
    );
    assert_eq!(
        rows(&showback),
        [
            "(shared) waf = 1.0000 [shared 1.0000] 0 pods",
            "(shared) control plane = 0.2000 [shared 0.2000] 0 pods",
        ]
    );
}

#[test]
fn the_other_weight_stands_beside_and_pods_stand_below_their_rows() {
    let showback = shown(&two_nodes(), "namespace", "weight: 7.46:1");
    assert_eq!(showback.weight.to_string(), "7.46:1");
    assert_eq!(showback.other_weight.to_string(), "9:1");
    let below: Vec<(usize, &PodRef)> =
        showback.pods.iter().map(|line| (line.group, &*line.pod)).collect();
    assert_eq!(below.len(), 2);
    for (group, pod) in below {
        assert_eq!(showback.groups[group].key, [pod.namespace.as_str()]);
    }
    let other: String = showback
        .groups
        .iter()
        .map(|group| group.under_other_weight)
        .sum::<runbook_capacity::money::Amount>()
        .dollars(4);
    assert_eq!(other, all(&showback.total).dollars(4));
    assert!(showback.groups.iter().all(|group| group.kind != RowKind::Unowned));
}
