//! A month as samples see it, from a fixed draw: 200 nodes that live for three days each, 25 pods on each,
//! as long as their node, but for one place in so many that is held by Jobs of about four hours; 40 teams.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Millicores};
use runbook_showback::observed::{
    CapacityType, ClusterId, ClusterObserved, Controller, NodeInterval, Observed, Place,
    PodInterval, Source, Window,
};

pub(crate) const DAY: i64 = 86_400;
pub(crate) const DAYS: i64 = 31;
const NODES: i64 = 200;
const PODS_PER_NODE: i64 = 25;
const TEAMS: u64 = 40;
/// 2026-10-01.
const START: i64 = 1_790_812_800;

struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

pub(crate) fn at(offset: i64) -> Timestamp {
    Timestamp::from_second(START + offset).unwrap()
}

fn ended(offset: i64) -> Option<Timestamp> {
    (offset < DAYS * DAY).then(|| at(offset))
}

pub(crate) struct Month {
    cluster: Arc<ClusterId>,
    draw: Draw,
    teams: Vec<Arc<BTreeMap<String, String>>>,
    nothing: Arc<BTreeMap<String, String>>,
    observed: Observed,
    jobs: i64,
}

impl Month {
    /// A month in which one place in so many is held by Jobs.
    pub(crate) fn new(jobs: i64) -> Self {
        let cluster = Arc::new(ClusterId {
            account: Some("111122223333".to_owned()),
            region: "ap-northeast-2".to_owned(),
            name: "myeks".to_owned(),
        });
        let window = Window { start: at(0), end: at(DAYS * DAY) };
        let known = ClusterObserved {
            id: Arc::clone(&cluster),
            covered: vec![window],
            resolution_seconds: 300,
            looks: 8928,
            is_in_extended_support: Some(false),
            created: None,
            sources: [Source::Poll].into(),
        };
        let teams = (0..TEAMS)
            .map(|team| Arc::new([("team".to_owned(), format!("team-{team}"))].into()))
            .collect();
        let observed = Observed {
            window,
            clusters: vec![known],
            nodes: Vec::new(),
            pods: Vec::new(),
            findings: Vec::new(),
        };
        Self { cluster, draw: Draw(7), teams, nothing: Arc::default(), observed, jobs }
    }

    pub(crate) fn fill(mut self) -> Observed {
        for slot in 0..NODES {
            let mut from = -i64::try_from(self.draw.below(3 * 86_400)).unwrap();
            while from < DAYS * DAY {
                let until = from + 3 * DAY;
                self.node(slot, from, until);
                from = until;
            }
        }
        self.observed
    }

    fn node(&mut self, slot: i64, from: i64, until: i64) {
        let name = format!("ip-10-0-{slot}-{}.compute.internal", from + 3 * DAY);
        let size = Resources::of(Millicores(16_000), Bytes::gibibytes(64));
        let ready = from + 60;
        self.observed.nodes.push(NodeInterval {
            cluster: Arc::clone(&self.cluster),
            name: name.clone(),
            uid: format!("node-{slot}-{from}"),
            instance_id: Some(format!("i-{slot}-{from}")),
            instance_type: Some("m7g.4xlarge".to_owned()),
            capacity_type: CapacityType::OnDemand,
            zone: None,
            pool: None,
            is_auto_mode: false,
            capacity: size.clone(),
            allocatable: Resources::of(Millicores(15_890), Bytes::gibibytes(58)),
            volume: Some(Bytes::gibibytes(20)),
            launched: at(from),
            ready: Some(at(ready)),
            drained: ended(until - 60),
            ended: ended(until),
            seen: Window { start: at(ready), end: at(until) },
            looks: 864,
            source: Source::Poll,
        });
        for place in 0..PODS_PER_NODE {
            let lasts = if place % self.jobs == 0 { 4 * 3600 } else { 3 * DAY };
            let mut begin = ready;
            while begin < (until - 60).min(DAYS * DAY) {
                let end = (begin + lasts).min(until - 60);
                if end > 0 {
                    self.pod(&name, place, (begin, end));
                }
                begin = end;
            }
        }
    }

    fn pod(&mut self, node: &str, place: i64, (from, until): (i64, i64)) {
        let team = usize::try_from(self.draw.below(TEAMS)).unwrap();
        let number = self.observed.pods.len();
        let cpu = 100 + i64::try_from(self.draw.below(10)).unwrap() * 100;
        let kind = match place {
            0 | 5 => "Job",
            1 => "DaemonSet",
            _ => "Deployment",
        };
        let namespace = format!("space-{}", team % 20);
        self.observed.pods.push(PodInterval {
            cluster: Arc::clone(&self.cluster),
            uid: format!("{number:08x}-0000-4000-8000-000000000000"),
            name: format!("workload-{team}-{place}-{number:x}"),
            controller: Some(Controller {
                kind: kind.to_owned(),
                name: format!("workload-{team}-{place}"),
            }),
            labels: Arc::clone(&self.teams[team]),
            annotations: Arc::clone(&self.nothing),
            namespace_labels: Arc::clone(&self.nothing),
            place: Place::Node(node.to_owned()),
            requests: Resources::of(Millicores(cpu), Bytes::mebibytes(cpu * 4)),
            usage: None,
            phase: "Running".to_owned(),
            scheduled: Some(at(from)),
            started: Some(at(from + 5)),
            finished: None,
            ended: ended(until),
            is_part: false,
            seen: Window { start: at(from), end: at(until) },
            looks: 40,
            source: Source::Poll,
            namespace,
        });
    }
}
