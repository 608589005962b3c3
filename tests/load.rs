//! Clients beside a running runbook: dozens of watches and a stream of requests, which
//! are no clients of the world's clock. The run takes as long as without them, and no watch
//! misses or repeats anything.

pub(crate) mod clients;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::sync::watch;

use self::clients::{Event, Load, PATH, Target, Watch, create_pods, list, requests};
use crate::support::{Folder, Said, Served};

/// Watches of what the load changes, and of what the run changes.
const WATCHES: usize = 24;
/// As much as an unoptimised server can do beside its work.
const LOAD: Load = Load { pods: 30, per_second: 50 };
/// How late an event may be; only one that never comes waits so long.
const LATEST: Duration = Duration::from_mins(2);
const ALL_PODS: &str = "/api/v1/pods";
/// A cluster that the run has nothing to do with.
const LOADED: &str = "loaded";

/// How long a run says that it took.
fn simulated(said: &Said) -> &str {
    assert_eq!(said.code, 0, "{said:#?}");
    said.last().split(" · ").nth(1).unwrap().split(" simulated").next().unwrap()
}

/// A world with a cluster of its own for the load.
fn with_cluster() -> Folder {
    let folder = Folder::new();
    let cluster = format!("cluster={LOADED}");
    folder.well(&["run", "--quiet", "00-cluster.yaml", "-i", &cluster]);
    folder
}

/// What watches that began at the same revision were told: to each the same, in the order of the
/// store, nothing twice.
fn check(told: &[Vec<Event>]) {
    for (number, events) in told.iter().enumerate() {
        let mut before = 0;
        for event in events {
            assert!(event.revision > before, "watch {number}: {event:?} after {before}");
            before = event.revision;
        }
        assert_eq!(events, &told[0], "watch {number}");
    }
}

/// The numbers of the load's writes that a watch was told of.
fn marks(events: &[Event]) -> Vec<u64> {
    let mut marks: Vec<u64> = events.iter().filter_map(|event| event.mark).collect();
    marks.sort_unstable();
    marks
}

/// Opens watches of a path that all begin at one revision; with what was there.
async fn watches(target: &Target, path: &str) -> (BTreeMap<String, u64>, Vec<Watch>) {
    let (before, revision) = list(target, path).await;
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        watches.push(Watch::open(target, path, Some(revision)).await);
    }
    (before, watches)
}

/// Closes watches that have seen a revision; what they were told.
async fn told(watches: Vec<Watch>, revision: u64) -> Vec<Vec<Event>> {
    let mut told = Vec::new();
    for (number, mut watch) in watches.into_iter().enumerate() {
        let has_seen = watch.has_seen(revision, LATEST).await;
        assert!(has_seen, "watch {number} did not see revision {revision}");
        told.push(watch.close().await);
    }
    told
}

/// What is there after all that a watch was told.
fn after(mut there: BTreeMap<String, u64>, events: &[Event]) -> BTreeMap<String, u64> {
    for event in events {
        let is_known = there.contains_key(&event.key);
        assert_eq!(event.kind == "ADDED", !is_known, "{event:?}");
        if event.kind == "DELETED" {
            there.remove(&event.key);
        } else {
            there.insert(event.key.clone(), event.revision);
        }
    }
    there
}

/// Creates a pod, after which a watch has nothing to wait for any more; the revision of its making.
async fn last_pod(target: &Target) -> u64 {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "last"},
        "spec": {"nodeSelector": {"none": "such"}, "containers": [{"name": "main", "image": "main:1"}]}});
    let (status, pod) = target.connect().await.ask(Method::POST, PATH, &pod).await;
    assert_eq!(status, 201, "{pod}");
    pod["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_takes_as_long_as_ever_beside_clients_and_no_watch_misses_or_repeats_anything() {
    let quiet = with_cluster().run(&["run", "--quiet", "nodeless.yaml"]);

    let folder = with_cluster();
    let served = Served::of(&folder);
    let target = Arc::new(Target::of(&folder, &served, LOADED).expect("the cluster is there"));
    create_pods(&target, LOAD).await;
    let (_, of_load) = watches(&target, PATH).await;
    let (stop, stopped) = watch::channel(false);
    let asked = target.clone();
    let asked = tokio::spawn(async move { requests(&asked, LOAD, stopped).await });
    let mut run =
        tokio::process::Command::from(folder.command(&["run", "--quiet", "nodeless.yaml"]));
    let run = tokio::spawn(run.output());
    // The cluster that is being made is watched from the moment that it can be.
    let made = loop {
        if let Some(target) = Target::of(&folder, &served, "myeks") {
            break target;
        }
        assert!(!run.is_finished(), "the run ended before its cluster was there");
    };
    let (before, of_run) = watches(&made, ALL_PODS).await;
    let said = Said::of(&run.await.unwrap().unwrap());
    stop.send_replace(true);
    let asked = asked.await.unwrap();

    assert_eq!(simulated(&said), simulated(&quiet));
    assert_eq!(asked.failed, 0);
    assert!(asked.written.len() > 10, "{} writes", asked.written.len());
    let of_load = told(of_load, asked.last_revision).await;
    check(&of_load);
    assert_eq!(marks(&of_load[0]), asked.written, "each write once");

    let of_run = told(of_run, last_pod(&made).await).await;
    check(&of_run);
    assert!(of_run[0].len() > 20, "{:#?}", of_run[0]);
    let (now, _) = list(&made, ALL_PODS).await;
    assert_eq!(after(before, &of_run[0]), now);
}
