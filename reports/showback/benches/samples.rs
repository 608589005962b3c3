//! A month of samples: 5,000 pods on 200 nodes, a look every five minutes, a fifth of the pods replaced a
//! day. How large it is, how long it takes to write, and what a showback of it by forty teams takes: to
//! read it, to allocate it, and the memory of both in one process.
//! Prints figures; asserts nothing, since machines differ.
//!
//! `cargo bench -p runbook-showback --bench samples [-- FOLDER]`; a folder that is named is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark measures this machine, and what cannot go on here is a failed one"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::quantity::{Bytes, Millicores};
use runbook_showback::allocate::showback::Basis;
use runbook_showback::allocate::{PriceOptions, Request, Rules, dimensions, showback};
use runbook_showback::observed::{CapacityType, ClusterId, Controller, Source, Window};
use runbook_showback::samples::{KEPT_DAYS, Labels, Look, NodeState, PodState, Store};

const PODS: usize = 5_000;
const NODES: usize = 200;
const TEAMS: usize = 40;
const WORKLOADS: usize = 400;
const DAYS: i64 = 30;
const EVERY: i64 = 300;
/// Of the pods, so many a day are replaced.
const REPLACED_A_DAY: usize = PODS / 5;
/// What reads, in a process of its own.
const READ: &str = "--read";

struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next()).unwrap() % count
    }

    /// As random as a real one: it does not compress.
    fn uid(&mut self) -> String {
        let (high, low) = (self.next() << 20 ^ self.next(), self.next() << 20 ^ self.next());
        let text = format!("{high:016x}{low:016x}");
        format!(
            "{}-{}-4{}-a{}-{}",
            &text[..8],
            &text[8..12],
            &text[13..16],
            &text[17..20],
            &text[20..32]
        )
    }
}

fn cluster() -> ClusterId {
    ClusterId {
        account: Some("111122223333".to_owned()),
        region: "ap-northeast-2".to_owned(),
        name: "myeks".to_owned(),
    }
}

fn begin() -> Timestamp {
    "2026-10-01T00:00:00Z".parse().unwrap()
}

fn labels(workload: usize) -> Labels {
    let label = |key: &str, value: String| (key.to_owned(), value);
    Arc::new(BTreeMap::from([
        label("app.kubernetes.io/name", format!("service-{workload}")),
        label("app.kubernetes.io/instance", format!("service-{workload}-prod")),
        label("app.kubernetes.io/version", format!("v1.{}.{}", workload % 7, workload % 11)),
        label("team", format!("team-{}", workload % TEAMS)),
        label("pod-template-hash", format!("{:010x}", workload * 7_919)),
    ]))
}

fn pod(draw: &mut Draw, workload: usize, at: Timestamp) -> Arc<PodState> {
    let cpu = [50, 100, 250, 500, 1_000][draw.below(5)];
    let suffix = format!("{:05x}", draw.next() & 0xf_ffff);
    Arc::new(PodState {
        uid: draw.uid(),
        namespace: format!("team-{}", workload % TEAMS),
        name: format!("service-{workload}-{:010x}-{suffix}", workload * 7_919),
        controller: Some(Controller {
            kind: "Deployment".to_owned(),
            name: format!("service-{workload}"),
        }),
        labels: labels(workload),
        annotations: Labels::default(),
        node: Some(node_name(draw.below(NODES))),
        fargate: None,
        requests: Resources::of(Millicores(cpu), Bytes::mebibytes(cpu)),
        phase: "Running".to_owned(),
        scheduled: Some(at),
        started: Some(at),
        finished: None,
    })
}

fn node_name(index: usize) -> String {
    format!("ip-192-168-{}-{}.ap-northeast-2.compute.internal", index / 250, index % 250)
}

fn node(draw: &mut Draw, index: usize) -> Arc<NodeState> {
    Arc::new(NodeState {
        uid: draw.uid(),
        name: node_name(index),
        instance_id: Some(format!("i-{:017x}", draw.next())),
        instance_type: Some("m7g.2xlarge".to_owned()),
        capacity_type: CapacityType::Spot,
        zone: Some("ap-northeast-2a".to_owned()),
        pool: Some("default".to_owned()),
        is_auto_mode: false,
        is_claim: false,
        capacity: Resources::of(Millicores::cores(8), Bytes::gibibytes(32)),
        allocatable: Resources::of(Millicores(7_910), Bytes::gibibytes(29)),
        volume: None,
        launched: begin(),
        ready: Some(begin()),
        drained: None,
    })
}

fn write(store: &Store) -> u64 {
    let mut draw = Draw(7);
    let mut pods: Vec<_> = (0..PODS).map(|at| pod(&mut draw, at % WORKLOADS, begin())).collect();
    let nodes: Vec<_> = (0..NODES).map(|at| node(&mut draw, at)).collect();
    let namespaces = (0..TEAMS).map(|team| (format!("team-{team}"), Labels::default())).collect();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    let looks_a_day = 86_400 / EVERY;
    let mut look = Look {
        at: begin(),
        source: Source::Poll,
        every_seconds: EVERY,
        is_after_gap: false,
        pods: Vec::new(),
        nodes,
        namespaces,
        created: None,
        is_in_extended_support: None,
        usage: Vec::new(),
        missing: Vec::new(),
    };
    let (mut replaced, mut bytes) = (0, 0);
    for number in 0..DAYS * looks_a_day {
        let day_part = usize::try_from(number + 1).unwrap() * REPLACED_A_DAY;
        let due = day_part / usize::try_from(looks_a_day).unwrap();
        while replaced < due {
            let at = draw.below(PODS);
            let workload = draw.below(WORKLOADS);
            pods[at] = pod(&mut draw, workload, look.at);
            replaced += 1;
        }
        look.pods.clone_from(&pods);
        bytes += writer.append(&look).unwrap().bytes;
        look.at = look.at.checked_add(SignedDuration::from_secs(EVERY)).unwrap();
    }
    bytes
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(
            |path| {
                if path.is_dir() { size(&path) } else { std::fs::metadata(&path).unwrap().len() }
            },
        )
        .sum()
}

/// The most memory this process ever had, in KiB.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// CPU time of this thread so far, in milliseconds.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        / 1_000_000
}

fn read(folder: &str, out: &mut impl std::io::Write) {
    let before = cpu();
    let end = begin().checked_add(SignedDuration::from_hours(24 * DAYS)).unwrap();
    let window = Window::new(begin(), end).unwrap();
    let observed = Store::open(folder).unwrap().observed(None, window).unwrap();
    writeln!(
        out,
        "read:    {} looks, {} pod intervals, {} nodes, {} findings in {} ms of CPU, peak {} MiB",
        observed.clusters[0].looks,
        observed.pods.len(),
        observed.nodes.len(),
        observed.findings.len(),
        cpu() - before,
        peak() / 1024
    )
    .unwrap();
    let rules = "owners: [{label: team}]\nidle: {rule: proportional}\n";
    let request = Request {
        window,
        basis: Basis::Period,
        by: dimensions("team,namespace").unwrap(),
        weight: None,
        as_of: end + SignedDuration::from_hours(72),
        from: "a bench".to_owned(),
        is_provisional: false,
        rules: Rules::read("rules.yaml", rules).unwrap(),
        prices: PriceOptions::default(),
    };
    let answer = showback(&observed, None, PriceBook::embedded(), &request).unwrap();
    writeln!(
        out,
        "read and allocated: {} rows in {} ms of CPU, peak {} MiB",
        answer.groups.len(),
        cpu() - before,
        peak() / 1024
    )
    .unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout();
    if let [command, folder] = arguments.as_slice()
        && command == READ
    {
        return read(folder, &mut out);
    }
    let temporary = tempfile::tempdir().unwrap();
    let folder = arguments.iter().find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| temporary.path().to_owned(), Into::into);
    let store = Store::open(&folder).unwrap();
    let before = Instant::now();
    let bytes = write(&store);
    let looks = DAYS * 86_400 / EVERY;
    writeln!(
        out,
        "written: {looks} looks, {bytes} bytes of lines, in {} s, peak {} MiB",
        before.elapsed().as_secs(),
        peak() / 1024
    )
    .unwrap();
    let kept = size(&folder);
    let pod_days = u64::try_from(PODS).unwrap() * u64::try_from(DAYS).unwrap();
    writeln!(out, "kept:    {kept} bytes, {} per pod and day", kept / pod_days).unwrap();
    let program = std::env::current_exe().unwrap();
    let read = std::process::Command::new(program).arg(READ).arg(&folder).status().unwrap();
    assert!(read.success());
}
