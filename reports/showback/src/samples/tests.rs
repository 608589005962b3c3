//! The store against a model of it: any looks, written, cut anywhere, and read back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damage;
mod model;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use runbook_capacity::pod_resources::Resources;
use runbook_capacity::quantity::{Bytes, Millicores};

use super::{KEPT_DAYS, Labels, Look, NodeState, PodState, Store};
use crate::observed::{CapacityType, ClusterId, Observed, PodInterval, Source, Window};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn window(start: &str, end: &str) -> Window {
    Window::new(at(start), at(end)).unwrap()
}

pub(super) fn cluster() -> ClusterId {
    ClusterId {
        account: Some("111122223333".to_owned()),
        region: "ap-northeast-2".to_owned(),
        name: "myeks".to_owned(),
    }
}

pub(super) fn pod(uid: &str, cpu: i64, team: &str) -> Arc<PodState> {
    Arc::new(PodState {
        uid: uid.to_owned(),
        namespace: "shop".to_owned(),
        name: format!("pod-{uid}"),
        controller: None,
        labels: labels(&[("team", team)]),
        annotations: Labels::default(),
        node: Some("a".to_owned()),
        fargate: None,
        requests: Resources::of(Millicores(cpu), Bytes::gibibytes(1)),
        phase: "Running".to_owned(),
        scheduled: Some(at("2026-10-01T00:00:00Z")),
        started: None,
        finished: None,
    })
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Arc::new(pairs.collect())
}

pub(super) fn node(uid: &str) -> Arc<NodeState> {
    Arc::new(NodeState {
        uid: uid.to_owned(),
        name: format!("ip-{uid}"),
        instance_id: Some(format!("i-{uid}")),
        instance_type: Some("m7g.large".to_owned()),
        capacity_type: CapacityType::Spot,
        zone: Some("ap-northeast-2a".to_owned()),
        pool: Some("default".to_owned()),
        is_auto_mode: false,
        is_claim: false,
        capacity: Resources::of(Millicores::cores(2), Bytes::gibibytes(8)),
        allocatable: Resources::of(Millicores(1930), Bytes::gibibytes(7)),
        volume: None,
        launched: at("2026-10-01T00:00:00Z"),
        ready: None,
        drained: None,
    })
}

pub(super) fn look(moment: &str, pods: &[Arc<PodState>], nodes: &[Arc<NodeState>]) -> Look {
    look_at(at(moment), pods.to_vec(), nodes.to_vec())
}

pub(super) fn look_at(at: Timestamp, pods: Vec<Arc<PodState>>, nodes: Vec<Arc<NodeState>>) -> Look {
    Look {
        at,
        source: Source::Poll,
        every_seconds: 300,
        is_after_gap: false,
        pods,
        nodes,
        namespaces: BTreeMap::from([("shop".to_owned(), labels(&[("tier", "gold")]))]),
        created: None,
        is_in_extended_support: None,
        usage: Vec::new(),
        missing: Vec::new(),
    }
}

/// A store with these looks.
pub(super) fn written(folder: &Path, looks: &[Look]) -> Store {
    let store = Store::open(folder).unwrap();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    for look in looks {
        assert_eq!(writer.append(look).unwrap().untidied, None);
    }
    store
}

/// The sample files, by name.
pub(super) fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let cluster = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<_> = std::fs::read_dir(cluster)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name != "writer.lock")
        .collect();
    files.sort();
    files
}

/// A pod's intervals in a line each.
pub(super) fn told(observed: &Observed) -> Vec<String> {
    let mut pods: Vec<&PodInterval> = observed.pods.iter().collect();
    pods.sort_by(|left, right| {
        (&left.uid, left.seen, left.looks).cmp(&(&right.uid, right.seen, right.looks))
    });
    pods.iter()
        .map(|pod| {
            let ended = pod.ended.map_or_else(|| "there".to_owned(), |at| format!("ended {at}"));
            let part = if pod.is_part { " part" } else { "" };
            let cpu = pod.requests.cpu.map_or(0, |cpu| cpu.0);
            format!(
                "{} {cpu}m {}..{} x{} {ended}{part}",
                pod.uid, pod.seen.start, pod.seen.end, pod.looks
            )
        })
        .collect()
}

pub(super) fn codes(observed: &Observed) -> Vec<&'static str> {
    observed.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn looks_become_intervals_by_day() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (pod("a", 100, "x"), pod("b", 200, "x"));
    let looks = [
        look("2026-10-01T23:50:00Z", &[a.clone(), b.clone()], &[node("1")]),
        look("2026-10-01T23:55:00Z", &[a.clone(), b.clone()], &[node("1"), node("2")]),
        look("2026-10-02T00:00:00Z", &[a.clone(), pod("c", 50, "y")], &[node("1")]),
        look("2026-10-02T00:05:00Z", &[pod("a", 300, "x"), pod("c", 50, "y")], &[node("1")]),
        look("2026-10-02T00:10:00Z", &[pod("a", 300, "x")], &[node("1")]),
    ];
    let store = written(folder.path(), &looks);
    let names: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["2026-10-01.jsonl.gz", "2026-10-02.jsonl"]);

    let all = store.observed(None, window("2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z")).unwrap();
    assert_eq!(
        told(&all),
        [
            "a 100m 2026-10-01T23:50:00Z..2026-10-02T00:00:00Z x3 ended 2026-10-02T00:05:00Z part",
            "a 300m 2026-10-02T00:05:00Z..2026-10-02T00:10:00Z x2 there part",
            "b 200m 2026-10-01T23:50:00Z..2026-10-01T23:55:00Z x2 ended 2026-10-02T00:00:00Z",
            "c 50m 2026-10-02T00:00:00Z..2026-10-02T00:05:00Z x2 ended 2026-10-02T00:10:00Z",
        ]
    );
    let seen = &all.clusters[0];
    assert_eq!(seen.covered, [window("2026-10-01T23:50:00Z", "2026-10-02T00:10:00Z")]);
    assert_eq!((seen.looks, seen.resolution_seconds), (5, 300));
    assert_eq!(all.nodes.len(), 2);
    let second = all.nodes.iter().find(|node| node.uid == "2").unwrap();
    assert_eq!((second.ended, second.looks), (Some(at("2026-10-02T00:00:00Z")), 1));
    assert_eq!(all.pods[0].namespace_labels.get("tier").map(String::as_str), Some("gold"));

    // A day alone: what ran at midnight was seen at midnight, and what ended right then did not run.
    let second = store.observed(None, Window::day("2026-10-02".parse().unwrap())).unwrap();
    assert_eq!(
        told(&second),
        [
            "a 100m 2026-10-02T00:00:00Z..2026-10-02T00:00:00Z x2 ended 2026-10-02T00:05:00Z part",
            "a 300m 2026-10-02T00:05:00Z..2026-10-02T00:10:00Z x2 there part",
            "b 200m 2026-10-02T00:00:00Z..2026-10-02T00:00:00Z x1 ended 2026-10-02T00:00:00Z",
            "c 50m 2026-10-02T00:00:00Z..2026-10-02T00:05:00Z x2 ended 2026-10-02T00:10:00Z",
        ]
    );
    assert_eq!(
        second.clusters[0].covered,
        [window("2026-10-02T00:00:00Z", "2026-10-02T00:10:00Z")]
    );
    // The first day is covered to its end by the look after it.
    let first = store.observed(None, Window::day("2026-10-01".parse().unwrap())).unwrap();
    assert_eq!(first.clusters[0].covered, [window("2026-10-01T23:50:00Z", "2026-10-02T00:00:00Z")]);
}

#[test]
fn a_look_without_a_change_is_a_short_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut writer = store.writer(&cluster(), KEPT_DAYS).unwrap();
    writer.append(&look("2026-10-01T10:00:00Z", &[pod("a", 1, "x")], &[node("1")])).unwrap();
    let said =
        writer.append(&look("2026-10-01T10:05:00Z", &[pod("a", 1, "x")], &[node("1")])).unwrap();
    let text = std::fs::read_to_string(&files(folder.path())[0].1).unwrap();
    assert_eq!(text.lines().last(), Some(r#"{"at":"2026-10-01T10:05:00Z"}"#));
    assert_eq!((said.changed_pods, said.bytes), (0, 30));
}

#[test]
fn one_look_is_a_snapshot_and_says_nothing_of_the_past() {
    let folder = tempfile::tempdir().unwrap();
    let looks = [look("2026-10-01T10:00:00Z", &[pod("a", 1, "x")], &[node("1")])];
    let store = written(folder.path(), &looks);
    let day = store.observed(None, Window::day("2026-10-01".parse().unwrap())).unwrap();
    assert_eq!(day.clusters[0].covered, []);
    assert_eq!(day.pods[0].source, Source::Snapshot);
    assert_eq!(day.nodes[0].source, Source::Snapshot);

    let moment = |text: &str| store.observed(None, window(text, text)).unwrap();
    let now = moment("2026-10-01T10:04:00Z");
    assert_eq!((now.pods.len(), now.pods[0].source), (1, Source::Snapshot));
    assert_eq!(codes(&now), Vec::<&str>::new());
    let later = moment("2026-10-02T00:00:00Z");
    assert_eq!(
        later.findings[0].message,
        "the last look before 2026-10-02T00:00:00Z was at 2026-10-01T10:00:00Z"
    );
    assert_eq!(moment("2026-09-30T00:00:00Z").clusters[0].looks, 0);
}

#[test]
fn clusters_are_found_by_name_and_equal_names_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let whole = Window::day("2026-10-01".parse().unwrap());
    assert_eq!(
        store.observed(None, whole).unwrap_err().to_string(),
        format!(
            "there are no samples in `{}`; `runbook collect` takes them",
            folder.path().display()
        )
    );
    let other = ClusterId { region: "eu-west-1".to_owned(), ..cluster() };
    let odd = ClusterId { account: None, region: "a/b".to_owned(), name: "ö/../x".repeat(40) };
    for id in [cluster(), other, odd.clone()] {
        let mut writer = store.writer(&id, KEPT_DAYS).unwrap();
        writer.append(&look("2026-10-01T10:00:00Z", &[pod("a", 1, "x")], &[])).unwrap();
    }
    assert_eq!(store.observed(None, whole).unwrap().clusters.len(), 3);
    let asked = |name: &str| store.observed(Some(&[name.to_owned()]), whole);
    let found = asked("111122223333/eu-west-1/myeks").unwrap();
    assert_eq!(found.clusters[0].id.region, "eu-west-1");
    assert_eq!(*asked(&odd.name).unwrap().clusters[0].id, odd);
    assert_eq!(
        asked("myeks").unwrap_err().to_string(),
        "`myeks` is the name of several clusters: 111122223333/ap-northeast-2/myeks, \
         111122223333/eu-west-1/myeks; name one of them in full"
    );
    assert!(
        asked("yours")
            .unwrap_err()
            .to_string()
            .starts_with("there are no samples of the cluster `yours`")
    );
}

#[test]
fn a_second_writer_is_refused_by_name_and_the_next_one_carries_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut first = store.writer(&cluster(), KEPT_DAYS).unwrap();
    first
        .append(&look("2026-10-01T10:00:00Z", &[pod("a", 1, "x"), pod("b", 1, "x")], &[]))
        .unwrap();
    assert_eq!(
        store.writer(&cluster(), KEPT_DAYS).unwrap_err().to_string(),
        format!(
            "samples of `111122223333/ap-northeast-2/myeks` are written by another process already: process {}",
            std::process::id()
        )
    );
    drop(first);
    let mut second = store.writer(&cluster(), KEPT_DAYS).unwrap();
    let said = second.append(&look("2026-10-01T10:05:00Z", &[pod("a", 1, "x")], &[])).unwrap();
    assert_eq!((said.changed_pods, said.gone_pods), (0, 1));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn the_newest_days_are_kept_whatever_the_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut writer = store.writer(&cluster(), 2).unwrap();
    let days = ["2026-10-01", "2026-10-02", "2026-10-03", "2031-10-03"];
    for day in days {
        writer.append(&look(&format!("{day}T10:00:00Z"), &[pod("a", 1, "x")], &[])).unwrap();
    }
    let names: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["2026-10-03.jsonl.gz", "2031-10-03.jsonl"]);
}

#[test]
fn a_claim_that_became_a_node_is_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut claim = (*node("1")).clone();
    (claim.uid, claim.name) = ("claim".to_owned(), "default-x2x7q".to_owned());
    claim.is_claim = true;
    claim.launched = at("2026-09-30T23:59:00Z");
    let looks = [
        look("2026-10-01T10:00:00Z", &[], &[Arc::new(claim)]),
        look("2026-10-01T10:05:00Z", &[], &[node("1")]),
    ];
    let store = written(folder.path(), &looks);
    let day = store.observed(None, Window::day("2026-10-01".parse().unwrap())).unwrap();
    assert_eq!(day.nodes.len(), 1);
    let only = &day.nodes[0];
    assert_eq!((only.name.as_str(), only.looks, only.ended), ("ip-1", 2, None));
    assert_eq!(only.launched, at("2026-09-30T23:59:00Z"));
    assert_eq!(only.seen, window("2026-10-01T10:00:00Z", "2026-10-01T10:05:00Z"));
}
