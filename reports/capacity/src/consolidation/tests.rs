//! Small worlds drawn by chance: what a trial finds, and what must hold of every consolidation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::question::{Arrivals, ConsolidationInput, ConsolidationOptions};
use super::settle::{consolidate, settled};
use super::world::World;
use super::{End, Guards, Method, PodDisruptionBudget, Settled, WhyNot};
use crate::karpenter::cluster::Target;
use crate::karpenter::{self, ExistingNode, NodePod, PackInput, default_pool, read_instance_types};
use crate::manifest::{Budget, BudgetReason, BudgetSize, ConsolidationPolicy, NodePool};
use crate::money::Price;
use crate::pod::{
    LabelSelector, NodeInclusion, Pod, PodTemplate, PodTerm, Spread, WhenUnsatisfiable,
};
use crate::pod_resources::{PodResources, Resources};
use crate::quantity::{Bytes, Millicores};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

const TYPES: &str = "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones,capacity_type
m7g.large,arm64,1930,6844,29,0.1003,a;b;c,on-demand
m7g.xlarge,arm64,3920,14162,58,0.2006,a;b,on-demand
m7g.2xlarge,arm64,7910,29158,58,0.4012,a;b;c,on-demand
c7g.large,arm64,1930,3055,29,0.0816,b;c,on-demand
c7g.2xlarge,arm64,7910,14345,58,0.3264,a;b;c,on-demand
r7g.xlarge,arm64,3920,30047,58,0.2570,a;c,on-demand
m6i.large,amd64,1930,6903,29,0.118,a;b;c,on-demand
m6i.large,amd64,1930,6903,29,0.0413,a;b,spot
m6i.2xlarge,amd64,7910,29317,58,0.472,a;b;c,on-demand
m6i.2xlarge,amd64,7910,29317,58,0.1652,a;b,spot
";

/// A pod that is drawn: size, how many of it, rule, workload.
#[derive(Debug, Clone)]
struct Drawn {
    cpu: i64,
    memory: i64,
    replicas: usize,
    rule: u8,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let one = (
        prop::sample::select(vec![100_i64, 250, 500, 1000, 1500, 3000]),
        prop::sample::select(vec![128_i64, 512, 1024, 3000, 6000]),
        1_usize..9,
        0_u8..9,
    )
        .prop_map(|(cpu, memory, replicas, rule)| Drawn { cpu, memory, replicas, rule });
    prop::collection::vec(one, 1..9)
}

fn selector(app: &str) -> LabelSelector {
    let labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
    LabelSelector { match_labels: labels, match_expressions: Vec::new() }
}

fn template(one: &Drawn, app: &str) -> PodTemplate {
    let mut template = PodTemplate {
        labels: BTreeMap::from([("app".to_owned(), app.to_owned())]),
        resources: PodResources::one(Millicores(one.cpu), Bytes::mebibytes(one.memory)),
        ..PodTemplate::default()
    };
    let spread = |key: &str, when_unsatisfiable| Spread {
        topology_key: key.to_owned(),
        max_skew: 1,
        min_domains: None,
        when_unsatisfiable,
        selector: Some(selector(app)),
        match_label_keys: Vec::new(),
        node_affinity_policy: NodeInclusion::Honor,
        node_taints_policy: NodeInclusion::Ignore,
    };
    let term = |key: &str| PodTerm {
        topology_key: key.to_owned(),
        selector: Some(selector(app)),
        ..PodTerm::default()
    };
    match one.rule {
        0 => template.spread = vec![spread(ZONE, WhenUnsatisfiable::DoNotSchedule)],
        1 => template.spread = vec![spread(HOSTNAME, WhenUnsatisfiable::DoNotSchedule)],
        2 => template.anti_affinity = vec![term(HOSTNAME)],
        3 => template.affinity = vec![term(ZONE)],
        4 => template.spread = vec![spread(ZONE, WhenUnsatisfiable::ScheduleAnyway)],
        5 => template.preferred_anti_affinity = vec![(1, term(HOSTNAME))],
        6 => {
            template.node_selector =
                BTreeMap::from([("kubernetes.io/arch".to_owned(), "amd64".to_owned())]);
        }
        _ => {}
    }
    template
}

fn pods(drawn: &[Drawn]) -> Vec<Pod> {
    let mut pods = Vec::new();
    for (index, one) in drawn.iter().enumerate() {
        let app = format!("app-{index}");
        let template = Arc::new(template(one, &app));
        for replica in 0..one.replicas {
            let name = format!("{app}-{replica}");
            pods.push(Pod {
                template: Arc::clone(&template),
                ..Pod::new(&name, PodTemplate::default())
            });
        }
    }
    pods
}

fn pool(spot: bool) -> NodePool {
    let mut pool = default_pool();
    if spot {
        pool.requirements.clear();
    }
    pool
}

fn question(drawn: &[Drawn], spot: bool) -> ConsolidationInput {
    ConsolidationInput {
        pack: PackInput {
            pods: pods(drawn),
            node_pools: vec![pool(spot)],
            instance_types: read_instance_types("types.csv", TYPES).expect("types"),
            ..PackInput::default()
        },
        options: ConsolidationOptions { spot_to_spot: true, ..ConsolidationOptions::default() },
        ..ConsolidationInput::default()
    }
}

/// What a scheduler made for it answers: where each pod goes, and which types each claim has left.
fn fresh(
    world: &World,
    input: &ConsolidationInput,
    hosts: &[usize],
) -> (Vec<(usize, Target)>, Vec<usize>, Vec<usize>) {
    let cluster = &world.cluster;
    let mut moving: Vec<usize> =
        hosts.iter().flat_map(|host| cluster.hosts[*host].pods.clone()).collect();
    moving.sort_unstable();
    let standing: Vec<usize> = world.there().filter(|host| !hosts.contains(host)).collect();
    let on_it = |pod: &usize| NodePod { pod: cluster.pods[*pod].clone(), is_daemon: false };
    let existing: Vec<ExistingNode> = standing
        .iter()
        .map(|host| ExistingNode {
            pods: cluster.hosts[*host].pods.iter().map(on_it).collect(),
            ..cluster.hosts[*host].node.clone()
        })
        .collect();
    let pods = moving.iter().map(|pod| cluster.pods[*pod].clone()).collect();
    let question = PackInput { pods, existing, ..input.pack.clone() };
    let mut scheduler = karpenter::prepared(&question, karpenter::columns(&input.pack));
    let unplaced = scheduler.solve(&question.pods);
    let mut moves = Vec::new();
    for node in &scheduler.nodes {
        moves.extend(node.pods.iter().map(|pod| (moving[*pod], Target::Host(standing[node.host]))));
    }
    for (claim, open) in scheduler.claims.iter().enumerate() {
        moves.extend(open.pods.iter().map(|pod| (moving[*pod], Target::Claim(claim))));
    }
    moves.sort_unstable_by_key(|(pod, _)| *pod);
    let types = scheduler.claims.iter().map(|claim| claim.types.count()).collect();
    (moves, unplaced.into_iter().map(|(pod, _)| moving[pod]).collect(), types)
}

fn assert_trials_are_fresh(world: &mut World, input: &ConsolidationInput) {
    let hosts: Vec<usize> = world.there().collect();
    let mut sets: Vec<Vec<usize>> = hosts.iter().map(|host| vec![*host]).collect();
    sets.extend(hosts.windows(3).map(<[usize]>::to_vec));
    sets.push(hosts.clone());
    for set in sets {
        let trial = world.cluster.try_without(&set, &[], usize::MAX);
        let claims = &world.cluster.scheduler.claims;
        let types: Vec<usize> = claims.iter().map(|claim| claim.types.count()).collect();
        let unplaced: Vec<usize> = trial.unplaced.iter().map(|(pod, _)| *pod).collect();
        let found = (world.cluster.moves(), unplaced, types);
        world.cluster.end(&trial);
        assert_eq!(found, fresh(world, input, &set), "without {set:?}");
    }
}

/// Every pod once, on a node that holds it and that its rules allow.
fn assert_stands(settled: &Settled, input: &ConsolidationInput) {
    let pods = &input.pack.pods;
    let mut seen: BTreeSet<usize> = settled.unschedulable.iter().map(|one| one.position).collect();
    let mut in_zones: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for node in &settled.nodes {
        let kind = input.pack.instance_types.iter().find(|one| one.name == node.instance_type);
        let kind = kind.expect("a type");
        let (mut cpu, mut memory) = (0, 0);
        let mut apps: BTreeMap<&str, usize> = BTreeMap::new();
        for position in &node.positions {
            assert!(seen.insert(*position), "pod {position} twice");
            let template = &pods[*position].template;
            let requests = template.resources.kubernetes_requests();
            cpu += requests.cpu.expect("cpu").0;
            memory += requests.memory.expect("memory").0;
            *apps.entry(&template.labels["app"]).or_default() += 1;
            if template.spread.iter().any(|one| one.topology_key == ZONE) {
                *in_zones.entry((&template.labels["app"], &node.zone)).or_default() += 1;
            }
            let alone = template.anti_affinity.len()
                + template.spread.iter().filter(|one| one.topology_key == HOSTNAME).count();
            assert!(
                alone == 0 || apps[template.labels["app"].as_str()] == 1,
                "two on {}",
                node.name
            );
            if let Some(arch) = template.node_selector.get("kubernetes.io/arch") {
                assert!(
                    kind.labels.contains(&("kubernetes.io/arch".to_owned(), vec![arch.clone()]))
                );
            }
        }
        assert!(cpu <= kind.allocatable.cpu.expect("cpu").0, "{}", node.name);
        assert!(memory <= kind.allocatable.memory.expect("memory").0, "{}", node.name);
    }
    assert_eq!(seen.len(), pods.len(), "a pod is lost");
    for pod in pods.iter().filter(|pod| {
        pod.template.spread.iter().any(|one| {
            one.topology_key == ZONE && one.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule
        })
    }) {
        let app = pod.template.labels["app"].as_str();
        let counts = ["a", "b", "c"].map(|zone| in_zones.get(&(app, zone)).copied().unwrap_or(0));
        let (most, least) =
            (counts.iter().max().expect("zones"), counts.iter().min().expect("zones"));
        assert!(most - least <= 1, "{app}: {counts:?}");
    }
}

fn paid(settled: &Settled) -> i64 {
    settled.price.map_or(0, Price::ten_billionths)
}

fn shape_of(settled: &Settled) -> Vec<(String, String, Vec<usize>)> {
    let node = |node: &super::SettledNode| {
        (node.instance_type.clone(), node.zone.clone(), node.positions.clone())
    };
    settled.nodes.iter().map(node).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The cluster that stays finds what a scheduler made for the question finds.
    #[test]
    fn a_trial_finds_what_a_fresh_scheduler_finds(
        drawn in drawn(), spot in any::<bool>(), at_once in 3_usize..20,
    ) {
        let input = question(&drawn, spot);
        let mut world = World::new(&input);
        let pods: Vec<usize> = (0..input.pack.pods.len()).collect();
        for portion in pods.chunks(at_once) {
            world.waiting.extend(portion);
            world.provision();
            world.waiting.clear();
            assert_trials_are_fresh(&mut world, &input);
            for _ in 0..3 {
                world.improve();
            }
            assert_trials_are_fresh(&mut world, &input);
        }
    }

    #[test]
    fn consolidation_never_raises_the_price_and_leaves_every_pod_in_its_place(
        drawn in drawn(), spot in any::<bool>(), at_once in 3_usize..20,
    ) {
        let input = question(&drawn, spot);
        let answer = settled(&input, Arrivals { pods_at_once: at_once });
        prop_assert_eq!(answer.end, End::AtRest);
        assert_stands(&answer, &input);
        for step in &answer.steps {
            prop_assert!(step.saved.expect("prices").ten_billionths() > 0, "{:?}", step);
        }
        for node in &answer.nodes {
            prop_assert!(!node.positions.is_empty(), "{} is empty", node.name);
            prop_assert!(node.why_not != WhyNot::NotAsked, "{} has no reason", node.name);
        }
        // In one portion, the beginning is the cold packing.
        let at_once = settled(&input, Arrivals { pods_at_once: 10_000 });
        let saved: i64 =
            at_once.steps.iter().map(|step| step.saved.expect("prices").ten_billionths()).sum();
        let cold = at_once.cold.price.expect("a price").ten_billionths();
        prop_assert_eq!(paid(&at_once), cold - saved);
    }

    #[test]
    fn doubled_prices_other_names_and_useless_types_change_nothing(
        drawn in drawn(), spot in any::<bool>(),
    ) {
        let input = question(&drawn, spot);
        let arrivals = Arrivals { pods_at_once: 12 };
        let answer = settled(&input, arrivals);
        let mut doubled = input.clone();
        for offering in doubled.pack.instance_types.iter_mut().flat_map(|one| &mut one.offerings) {
            offering.price = offering.price.map(|price| price.times(2));
        }
        let twice = settled(&doubled, arrivals);
        prop_assert_eq!(paid(&twice), 2 * paid(&answer));
        prop_assert_eq!(shape_of(&twice), shape_of(&answer));
        let mut renamed = input.clone();
        for (index, pod) in renamed.pack.pods.iter_mut().enumerate() {
            pod.name = format!("other-{}", 10_000 - index);
        }
        prop_assert_eq!(shape_of(&settled(&renamed, arrivals)), shape_of(&answer));
        // Nothing fits on it, nothing is cheaper.
        let mut more = input.clone();
        let mut useless = more.pack.instance_types[0].clone();
        useless.name = "m7g.nano".to_owned();
        useless.allocatable = Resources::of(Millicores(50), Bytes::mebibytes(60));
        more.pack.instance_types.push(useless);
        prop_assert_eq!(shape_of(&settled(&more, arrivals)), shape_of(&answer));
    }

    #[test]
    fn an_empty_node_goes_unless_its_pool_forbids_it(
        empty in 1_usize..7, allowed in 0_u32..4, policy in 0_u8..3, never in any::<bool>(),
    ) {
        let mut input = question(&[], false);
        input.pack.existing = (0..empty).map(|index| node(&format!("n{index}"), "m7g.large", "a", &[])).collect();
        let pool = &mut input.pack.node_pools[0];
        pool.disruption.policy = match policy {
            0 => ConsolidationPolicy::WhenEmpty,
            1 => ConsolidationPolicy::WhenEmptyOrUnderutilized,
            _ => ConsolidationPolicy::Balanced,
        };
        pool.disruption.consolidate_after = (!never).then_some(30);
        pool.disruption.budgets = vec![Budget {
            size: BudgetSize::Nodes(allowed), reasons: vec![BudgetReason::Empty], is_scheduled: false,
        }];
        let answer = consolidate(&input);
        let stays = if never || allowed == 0 { empty } else { 0 };
        prop_assert_eq!(answer.nodes.len(), stays);
        prop_assert!(answer.steps.iter().all(|step| step.method == Method::Empty && step.launched.is_empty()));
        for one in &answer.nodes {
            let expected = if never { "disabled" } else { "budget" };
            prop_assert_eq!(one.why_not.kind(), expected);
        }
    }
}

/// A node of the default pool with pods of so many millicores.
fn node(name: &str, instance_type: &str, zone: &str, pods: &[i64]) -> ExistingNode {
    let types = read_instance_types("types.csv", TYPES).expect("types");
    let kind = types.iter().find(|one| one.name == instance_type).expect("a type");
    let labels = [
        ("node.kubernetes.io/instance-type", instance_type),
        (ZONE, zone),
        ("karpenter.sh/capacity-type", "on-demand"),
        ("karpenter.sh/nodepool", "default"),
        ("kubernetes.io/arch", if instance_type.starts_with("m6i") { "amd64" } else { "arm64" }),
    ];
    let pod = |(index, cpu): (usize, &i64)| {
        let drawn = Drawn { cpu: *cpu, memory: 100, replicas: 1, rule: 9 };
        let pod = Pod::new(&format!("{name}-{index}"), template(&drawn, name));
        NodePod { pod, is_daemon: false }
    };
    ExistingNode {
        name: name.to_owned(),
        node_pool: Some("default".to_owned()),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        taints: Vec::new(),
        capacity: kind.capacity.clone(),
        allocatable: kind.allocatable.clone(),
        max_pods: kind.pods,
        is_initialized: true,
        pods: pods.iter().enumerate().map(pod).collect(),
    }
}

fn standing(nodes: Vec<ExistingNode>) -> ConsolidationInput {
    let mut input = question(&[], false);
    input.options.spot_to_spot = false;
    input.pack.existing = nodes;
    input
}

fn told(input: &ConsolidationInput) -> (Vec<String>, Vec<String>) {
    let answer = consolidate(input);
    let steps = answer.steps.iter().map(|step| {
        let gone: Vec<&str> = step.removed.iter().map(|one| one.name.as_str()).collect();
        let new: Vec<String> = step
            .launched
            .iter()
            .map(|one| format!("{} {} in {}", one.name, one.instance_type, one.zone))
            .collect();
        format!(
            "{}: {} → {}, {} $/h, {} pods",
            step.method.word(),
            gone.join(" "),
            if new.is_empty() { "nothing".to_owned() } else { new.join(" ") },
            step.saved.map_or_else(|| "?".to_owned(), |saved| saved.to_string()),
            step.pods.len()
        )
    });
    let nodes = answer.nodes.iter().map(|node| format!("{}: {}", node.name, node.why_not));
    (steps.collect(), nodes.collect())
}

#[test]
fn nodes_merge_shrink_and_go_as_karpenter_has_it() {
    let two =
        vec![node("big", "m7g.2xlarge", "a", &[500, 500]), node("half", "m7g.large", "b", &[900])];
    // Their pods fill one c7g.large, so both go for it at once: the budget of a tenth of two is one
    // node, and several need two.
    let (steps, _) = told(&standing(two.clone()));
    assert_eq!(
        steps,
        [
            "single_node: big → nothing, 0.4012 $/h, 2 pods",
            "single_node: half → new-00001 c7g.large in b, 0.0187 $/h, 3 pods"
        ]
    );
    let mut wide = standing(two.clone());
    wide.pack.node_pools[0].disruption.budgets.clear();
    let (steps, nodes) = told(&wide);
    assert_eq!(steps, ["multi_node: big half → new-00001 c7g.large in b, 0.4199 $/h, 3 pods"]);
    assert_eq!(nodes, ["new-00001: no type that would hold its pods is strictly cheaper"]);
    let mut when_empty = standing(two);
    when_empty.pack.node_pools[0].disruption.policy = ConsolidationPolicy::WhenEmpty;
    let (steps, nodes) = told(&when_empty);
    assert!(steps.is_empty());
    assert_eq!(
        nodes,
        [
            "big: it has pods, and its NodePool says `WhenEmpty`",
            "half: it has pods, and its NodePool says `WhenEmpty`"
        ]
    );
}

#[test]
fn what_forbids_disruption_is_named() {
    let mut nodes = vec![
        node("annotated", "m7g.2xlarge", "a", &[500]),
        node("foreign", "m7g.2xlarge", "a", &[1900, 1900, 1900, 1900]),
        node("guarded", "m7g.2xlarge", "a", &[500]),
        node("kept", "m7g.2xlarge", "a", &[500]),
        node("starting", "m7g.2xlarge", "a", &[500]),
        node("strange", "m7g.2xlarge", "a", &[500]),
    ];
    nodes[1].node_pool = None;
    nodes[4].is_initialized = false;
    nodes[5].labels.insert("node.kubernetes.io/instance-type".to_owned(), "m1.old".to_owned());
    let template = Arc::make_mut(&mut nodes[3].pods[0].pod.template);
    template.annotations.insert("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned());
    let mut input = standing(nodes);
    input.guards = Guards {
        protected_nodes: BTreeSet::from(["annotated".to_owned()]),
        static_pods: BTreeSet::new(),
        budgets: vec![PodDisruptionBudget {
            namespace: "default".to_owned(),
            name: "all".to_owned(),
            selector: Some(selector("guarded")),
            disruptions_allowed: 0,
        }],
    };
    let (steps, nodes) = told(&input);
    assert!(steps.is_empty(), "{steps:?}");
    assert_eq!(
        nodes,
        [
            "annotated: its annotation `karpenter.sh/do-not-disrupt` forbids it",
            "foreign: no NodePool made it",
            "guarded: pod disruption budget `all` keeps `guarded-0` where it is",
            "kept: `kept-0` has the annotation `karpenter.sh/do-not-disrupt`",
            "starting: it is not ready for pods yet",
            "strange: its instance type `m1.old` is not known",
        ]
    );
}

#[test]
fn balanced_leaves_what_is_not_worth_the_disruption() {
    // Of nine pods' disruption, moving eight for a fifth of the price is not worth it.
    let mut input = standing(vec![
        node("many", "m7g.large", "a", &[100; 8]),
        node("one", "m7g.2xlarge", "a", &[7900]),
    ]);
    let (steps, _) = told(&input);
    assert_eq!(steps.len(), 2, "{steps:?}");
    input.pack.node_pools[0].disruption.policy = ConsolidationPolicy::Balanced;
    let (steps, nodes) = told(&input);
    assert_eq!(steps, ["single_node: one → new-00001 c7g.2xlarge in a, 0.0748 $/h, 1 pods"]);
    assert!(nodes[0].ends_with("(`Balanced`)"), "{nodes:?}");
}
