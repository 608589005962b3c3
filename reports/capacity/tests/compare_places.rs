//! Where pods may run: processors, node groups, and what a pod without a place counts for.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use runbook_capacity::compare::node_group;
use runbook_capacity::compare::shape::NodeShape;
use runbook_capacity::compare::side::{LineKind, Side, SideId};
use runbook_capacity::compare::sides::{Setting, side};
use runbook_capacity::compare::workload::{Images, Workloads};
use runbook_capacity::manifest::read_pods;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::Region;

fn seoul() -> Setting<'static> {
    Setting::new(Region::ApNortheast2, PriceBook::embedded(), NodeShape::REALISTIC)
}

fn of(name: &str, text: &str) -> Workloads {
    Workloads::of(read_pods(name, text).expect("pods"))
}

fn deployment(name: &str, replicas: u32, more: &str) -> Workloads {
    let text = format!(
        "kind: Deployment\nmetadata: {{name: {name}}}\nspec: {{replicas: {replicas}, template: {{spec: {{{more} containers: [{{name: c, resources: {{requests: {{cpu: 500m, memory: 1Gi}}}}}}]}}}}}}\n"
    );
    of("pods.yaml", &text)
}

/// The types of nodes that come and go; of spot the line says it.
fn types_of(side: &Side) -> Vec<&str> {
    let nodes = side.lines.iter().filter(|line| line.kind == LineKind::Node);
    nodes.filter_map(|line| line.what.split(',').next()).collect()
}

fn is_arm(name: &str) -> bool {
    runbook_capacity::catalogue::instance_type(name)
        .is_some_and(|one| one.architecture == runbook_capacity::catalogue::Architecture::Arm64)
}

/// Every side that Karpenter or Auto Mode makes nodes for.
const MADE: [SideId; 5] = [
    SideId::Nodeless,
    SideId::Karpenter,
    SideId::KarpenterSpot,
    SideId::KarpenterGraviton,
    SideId::AutoMode,
];

#[test]
fn an_arm_node_group_is_billed_in_every_shape() {
    let workloads = of("pods.csv", "name,cpu,memory,replicas\nweb,500m,1Gi,12\n");
    // The first shape has none of the group's types, the second has.
    let asked = Setting { node_group: "m7g.4xlarge", shape: NodeShape::up_to(Some(4)), ..seoul() };
    let wider = Setting { shape: NodeShape::REALISTIC, ..asked };
    let sides = node_group::sides(&workloads, &[asked, wider]);
    assert_eq!(sides[0].not_held[0].reason, "no m7g.4xlarge is ≤ 4 vCPU here");
    assert_eq!(types_of(&sides[1]), ["m7g.4xlarge"]);
    let alone = node_group::side(&workloads, &wider);
    assert_eq!(sides[1].complete(), alone.complete());
    assert!(alone.complete().is_some_and(|total| total.raw() > 0));
}

#[test]
fn a_pod_that_asks_for_arm64_has_a_place_where_nodes_are_made_for_it() {
    for asked in [
        "nodeSelector: {kubernetes.io/arch: arm64},",
        "nodeSelector: {beta.kubernetes.io/arch: arm64},",
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [arm64]}]}]}}},",
    ] {
        let workloads = deployment("web", 40, asked);
        for id in MADE {
            let side = side(id, &workloads, &seoul());
            assert_eq!(side.not_held, [], "{id:?}, {asked}");
            assert!(types_of(&side).into_iter().any(is_arm), "{id:?}: {:?}", types_of(&side));
        }
        let group = side(SideId::NodeGroup, &workloads, &seoul());
        assert_eq!(group.not_held.len(), 40, "a group has the nodes that it has");
    }
}

#[test]
fn other_pods_stay_on_amd64_unless_images_are_for_both() {
    let mut workloads = deployment("web", 40, "");
    let arm = deployment("arm", 40, "nodeSelector: {kubernetes.io/arch: arm64},");
    let alone = side(SideId::Nodeless, &workloads, &seoul());
    assert!(!types_of(&alone).into_iter().any(is_arm), "{:?}", types_of(&alone));
    workloads.timed.extend(arm.timed);
    let both = side(SideId::Nodeless, &workloads, &seoul());
    let types = types_of(&both);
    assert!(
        types.iter().any(|one| is_arm(one)) && types.iter().any(|one| !is_arm(one)),
        "{types:?}"
    );
}

#[test]
fn images_for_both_are_for_both_under_auto_mode_too() {
    let workloads = deployment("web", 40, "");
    let asked = |images| side(SideId::AutoMode, &workloads, &Setting { images, ..seoul() });
    let (plain, both) = (asked(None), asked(Some(Images::Both)));
    assert!(!types_of(&plain).into_iter().any(is_arm));
    assert!(types_of(&both).into_iter().all(is_arm), "{:?}", types_of(&both));
    assert!(both.complete() < plain.complete());
}

#[test]
fn a_pod_without_a_place_fills_no_node() {
    let placed = "name,cpu,memory,replicas\nweb,500m,1Gi,40\n";
    let with_huge = format!("{placed}huge,300,1Gi,1\n");
    for id in MADE {
        let alone = side(id, &of("pods.csv", placed), &seoul());
        let beside = side(id, &of("pods.csv", &with_huge), &seoul());
        assert_eq!(beside.not_held.len(), 1, "{id:?}");
        assert_eq!(beside.utilisation, alone.utilisation, "{id:?}");
        assert_eq!(beside.cold.map(|one| one.utilisation), alone.cold.map(|one| one.utilisation));
    }
}
