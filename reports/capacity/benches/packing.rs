//! What packing and settling cost in CPU time. Prints figures; asserts nothing, since machines differ.
//!
//! The pods are of the kinds of Karpenter's own benchmark and its types are those of its fake cloud;
//! the numbers are drawn here, so its figures stand beside these only as a measure. Both in one run,
//! on the same pods: `benchmark-karpenter` of `tests/real`.
//!
//! `cargo bench -p runbook-capacity --bench packing`, with `-- settle` for the second part only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

use std::fmt::Write as _;
use std::io::Write as _;

use runbook_capacity::allocatable::NodeSettings;
use runbook_capacity::consolidation::{Arrivals, ConsolidationInput, pack_settled, settled};
use runbook_capacity::karpenter::{
    InstanceOption, PackInput, Preferences, offered_types, pack, read_instance_types,
};
use runbook_capacity::manifest;
use runbook_capacity::pod::Pod;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::{REGIONS, zones};

/// CPU time of this thread so far, in microseconds.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1000
}

struct Draw(u64);

impl Draw {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = usize::try_from(self.0 >> 33).unwrap() % of.len();
        of[index]
    }

    fn resources(&mut self) -> String {
        let cpu = self.one(&["100m", "250m", "500m", "1000m", "1500m"]);
        let memory = self.one(&["100Mi", "256Mi", "512Mi", "1024Mi", "2048Mi", "4096Mi"]);
        format!(
            r#""containers": [{{"name": "c", "resources": {{"requests": {{"cpu": "{cpu}", "memory": "{memory}"}}}}}}]"#
        )
    }

    fn label(&mut self) -> String {
        format!(r#"{{"my-label": "{}"}}"#, self.one(&["a", "b", "c", "d", "e", "f", "g"]))
    }
}

/// A fifth each: generic, zone spread, host spread, zone self-affinity, host anti-affinity.
fn mixed(count: usize) -> Vec<Pod> {
    let mut draw = Draw(42);
    let mut text = String::from(r#"{"kind": "List", "items": ["#);
    for index in 0..count {
        let (zone, host) = ("topology.kubernetes.io/zone", "kubernetes.io/hostname");
        let spread = |key: &str, draw: &mut Draw| {
            format!(
                r#", "topologySpreadConstraints": [{{"maxSkew": 1, "topologyKey": "{key}", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {{"matchLabels": {}}}}}]"#,
                draw.label()
            )
        };
        let affinity = |kind: &str, key: &str, labels: &str| {
            format!(
                r#", "affinity": {{"{kind}": {{"requiredDuringSchedulingIgnoredDuringExecution": [{{"topologyKey": "{key}", "labelSelector": {{"matchLabels": {labels}}}}}]}}}}"#
            )
        };
        let (labels, rule) = match index * 5 / count {
            0 => (draw.label(), String::new()),
            1 => (draw.label(), spread(zone, &mut draw)),
            2 => (draw.label(), spread(host, &mut draw)),
            3 => {
                let labels = draw.label().replace("my-label", "my-affininity");
                (labels.clone(), affinity("podAffinity", zone, &labels))
            }
            _ => {
                let labels = r#"{"app": "nginx"}"#.to_owned();
                (labels.clone(), affinity("podAntiAffinity", host, &labels))
            }
        };
        let comma = if index == 0 { "" } else { "," };
        let resources = draw.resources();
        write!(
            text,
            r#"{comma}{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "pod-{index}", "labels": {labels}}}, "spec": {{{resources}{rule}}}}}"#
        )
        .unwrap();
    }
    text.push_str("]}");
    manifest::read("bench", &text).unwrap().pods()
}

/// Pods with one preference that can be had, and two of which one cannot.
fn wishing(count: usize) -> Vec<Pod> {
    let resources = Draw(42).resources();
    let term = |key: &str| {
        format!(
            r#"{{"topologyKey": "{key}", "labelSelector": {{"matchLabels": {{"app": "nginx"}}}}}}"#
        )
    };
    let (zone, host) = (term("topology.kubernetes.io/zone"), term("kubernetes.io/hostname"));
    let text = format!(
        r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "wishing"}}, "spec": {{"replicas": {count}, "template": {{"metadata": {{"labels": {{"app": "nginx"}}}}, "spec": {{{resources}, "affinity": {{
            "nodeAffinity": {{"preferredDuringSchedulingIgnoredDuringExecution": [{{"weight": 1, "preference": {{"matchExpressions": [{{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["test-zone-1"]}}]}}}}]}},
            "podAntiAffinity": {{"preferredDuringSchedulingIgnoredDuringExecution": [{{"weight": 10, "podAffinityTerm": {zone}}}, {{"weight": 1, "podAffinityTerm": {host}}}]}}}}}}}}}}}}"#
    );
    manifest::read("bench", &text).unwrap().pods()
}

/// The 400 types of Karpenter's fake cloud.
fn fake_types() -> Vec<InstanceOption> {
    let mut text = String::from(
        "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones\n",
    );
    for size in 1..=400_u64 {
        let price = size * 1_000_000 + size * 2 * 1024 * 1024 * 1024 / 1000;
        writeln!(
            text,
            "fake-it-{},amd64,{},{},{},{}.{:07},test-zone-1;test-zone-2;test-zone-3",
            size - 1,
            size * 1000 - 100,
            size * 2048 - 10,
            size * 10,
            price / 10_000_000,
            price % 10_000_000
        )
        .unwrap();
    }
    read_instance_types("bench", &text).unwrap()
}

/// As a cluster has them: workloads of some replicas each.
fn workloads(count: usize) -> Vec<Pod> {
    let mut draw = Draw(7);
    let mut text = String::new();
    for index in 0..count / 20 {
        let resources = draw.resources();
        let spread = match index % 4 {
            0 => {
                r#", "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "APP"}}}]"#
            }
            _ => "",
        };
        let spread = spread.replace("APP", &format!("app-{index}"));
        writeln!(
            text,
            r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "app-{index}"}}, "spec": {{"replicas": 20, "template": {{"metadata": {{"labels": {{"app": "app-{index}"}}}}, "spec": {{{resources}{spread}}}}}}}}}"#
        )
        .unwrap();
    }
    manifest::read("bench", &text).unwrap().pods()
}

fn real_types(most_vcpus: i64) -> Vec<InstanceOption> {
    let region = REGIONS.into_iter().find(|one| one.name() == "us-east-1").unwrap();
    let open: Vec<String> = zones(region).iter().map(|zone| (*zone).to_owned()).collect();
    let mut types = offered_types(region, &open, &NodeSettings::default(), PriceBook::embedded());
    types.retain(|one| {
        let cpu = one.capacity.cpu.unwrap_or_default().0;
        cpu <= most_vcpus * 1000
            && ["c", "m", "r"].iter().any(|family| one.name.starts_with(family))
            && one.offerings.iter().any(|offering| offering.price.is_some())
    });
    types
}

fn main() {
    let mut out = std::io::stdout();
    let fake = fake_types();
    let settles_only = std::env::args().any(|argument| argument == "settle");
    for count in [1_000, 5_000].into_iter().filter(|_| !settles_only) {
        for (name, pods, preferences) in [
            ("Karpenter's mix", mixed(count), Preferences::Respect),
            ("preferences respected", wishing(count), Preferences::Respect),
            ("preferences ignored", wishing(count), Preferences::Ignore),
        ] {
            let input = PackInput {
                pods,
                instance_types: fake.clone(),
                preferences,
                ..PackInput::default()
            };
            // The clock ticks coarsely: it is read over many packings.
            let (before, mut answer, mut packings) = (cpu(), pack(&input), 1);
            while packings < 10 || cpu() - before < 200_000 {
                answer = pack(&input);
                packings += 1;
            }
            let spent = (cpu() - before) / packings;
            writeln!(
                out,
                "pack {count} pods, 400 types, {name}: {spent} µs of CPU; {} pods/s, {} nodes, {} without a place, {} $/h",
                u64::try_from(count).unwrap() * 1_000_000 / spent.max(1),
                answer.nodes.len(),
                answer.unschedulable.len(),
                answer.price.map_or_else(String::new, |price| price.to_string())
            )
            .unwrap();
        }
    }
    for (count, most_vcpus) in [(1_000, 16), (10_000, 4), (10_000, 16), (10_000, 192)] {
        let pods = workloads(count);
        let pack =
            PackInput { pods, instance_types: real_types(most_vcpus), ..PackInput::default() };
        let input = ConsolidationInput { pack, ..ConsolidationInput::default() };
        let arrivals = Arrivals::default_for(count);
        let before = cpu();
        let answer = settled(&input, arrivals);
        let spent = cpu() - before;
        let before = cpu();
        let alone = pack_settled(&input.pack);
        let spent_alone = cpu() - before;
        assert_eq!(alone.price, answer.price, "the same in two forms");
        writeln!(
            out,
            "settle {count} pods, {} types up to {most_vcpus} vCPU, {} at once: {spent_alone} µs of CPU, with the cold answer and reasons {spent}; {} steps, {} nodes at {} $/h, cold {} nodes at {} $/h",
            input.pack.instance_types.len(),
            arrivals.pods_at_once,
            answer.steps.len(),
            answer.nodes.len(),
            answer.price.map_or_else(String::new, |price| price.to_string()),
            answer.cold.nodes.len(),
            answer.cold.price.map_or_else(String::new, |price| price.to_string())
        )
        .unwrap();
    }
}
