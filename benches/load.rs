//! A world under load beside a running runbook: 500 watches of a cluster's pods and 200 requests a
//! second for a minute, while `nodeless.yaml` makes another cluster in the same world, and then
//! changes it again and again. Prints how long answers took, whether a watch missed or repeated
//! something, what the serving process held at most, and whether each run took as long in world time
//! as in a world without load; asserts nothing of these, since machines differ.
//!
//! `cargo bench --bench load [-- SECONDS]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "what cannot go on here is a failed run; of the tests' own ways some are enough"
)]

#[path = "../tests/load/clients.rs"]
mod clients;
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clients::{Asked, Event, Load, PATH, Target, Watch, create_pods, list, requests};
use support::{Folder, Said, Served};
use tokio::sync::watch;
use tokio::time::Instant;

const WATCHES: usize = 500;
const LOAD: Load = Load { pods: 300, per_second: 200 };
/// How late an event may be; one that has not come by then counts as lost.
const LATEST: Duration = Duration::from_secs(30);
/// The cluster that the load is about.
const LOADED: &str = "loaded";

fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}

/// A served world with a cluster for the load.
fn world() -> (Folder, Served) {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "00-cluster.yaml", "-i", &format!("cluster={LOADED}")]);
    let served = Served::of(&folder);
    (folder, served)
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().skip(1).find_map(|one| one.parse().ok()).unwrap_or(60);
    let (folder, served) = world();
    let target = Arc::new(Target::of(&folder, &served, LOADED).expect("the cluster is there"));
    create_pods(&target, LOAD).await;
    let (_, revision) = list(&target, PATH).await;
    let opened = Instant::now();
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        watches.push(Watch::open(&target, PATH, Some(revision)).await);
    }
    say(&format!("{WATCHES} watches of {} pods opened in {:.1?}", LOAD.pods, opened.elapsed()));
    let (stop, stopped) = watch::channel(false);
    let asking = target.clone();
    let asking = tokio::spawn(async move { requests(&asking, LOAD, stopped).await });
    let begun = Instant::now();
    let mut beside = Vec::new();
    while begun.elapsed() < Duration::from_secs(seconds) {
        beside.push(run(&folder, beside.len()).await);
    }
    stop.send_replace(true);
    let took = begun.elapsed();
    let asked = asking.await.unwrap();
    say_latency(&asked, took);
    say_events(watches, &asked).await;
    say(&format!("peak memory of the server: {}", peak_memory(&folder)));
    drop(served);

    let (folder, _served) = world();
    let mut quiet = Vec::new();
    for number in 0..beside.len() {
        quiet.push(run(&folder, number).await);
    }
    say_runs(&beside, &quiet);
}

/// Runs the runbook, changing something each time; its time in the world, and here.
async fn run(folder: &Folder, number: usize) -> (String, Duration) {
    let limit = format!("karpenter_cpu_limit={}", 100 + number);
    let begun = Instant::now();
    let arguments = ["run", "--quiet", "nodeless.yaml", "-i", &limit];
    let output = tokio::process::Command::from(folder.command(&arguments)).output().await.unwrap();
    let said = Said::of(&output);
    assert_eq!(said.code, 0, "{said:#?}");
    let part = said.last().split(" · ").nth(1).unwrap();
    (part.split(" simulated").next().unwrap().to_owned(), begun.elapsed())
}

fn say_latency(asked: &Asked, took: Duration) {
    let mut times = asked.times.clone();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)];
    say(&format!(
        "{} requests in {took:.1?}, {} failed, {} of them writes",
        times.len(),
        asked.failed,
        asked.written.len()
    ));
    say(&format!("latency: p50 {:.1?}, p99 {:.1?}, worst {:.1?}", at(500), at(990), at(1000)));
}

/// Each write is to be told to each watch, once, in the order of the store.
async fn say_events(watches: Vec<Watch>, asked: &Asked) {
    let expected = asked.written.len() * watches.len();
    let (mut told, mut lost, mut repeated, mut disordered) = (0, 0, 0, 0);
    for mut watch in watches {
        // What has not come by then is missed below.
        watch.has_seen(asked.last_revision, LATEST).await;
        let events = watch.close().await;
        let mut marks: Vec<u64> = events.iter().filter_map(|event: &Event| event.mark).collect();
        told += marks.len();
        disordered += events.windows(2).filter(|two| two[0].revision >= two[1].revision).count();
        marks.sort_unstable();
        let all = marks.len();
        marks.dedup();
        repeated += all - marks.len();
        lost += asked.written.len() - marks.len();
    }
    say(&format!(
        "events: {told} of {expected} told, {lost} lost, {repeated} repeated, {disordered} out of order"
    ));
}

/// What the process that serves the world held at most, as the system counts it.
fn peak_memory(folder: &Folder) -> String {
    let lock: serde_json::Value =
        serde_json::from_str(&folder.read(".runbook/sandbox/lock")).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", lock["pid"]));
    let status = status.unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown on this system".to_owned(), |peak| peak.trim().to_owned())
}

fn say_runs(beside: &[(String, Duration)], quiet: &[(String, Duration)]) {
    for (number, ((here, took), (there, alone))) in (1..).zip(beside.iter().zip(quiet)) {
        let verdict = if here == there { "unchanged" } else { "CHANGED" };
        say(&format!(
            "run {number}: {here} simulated in {took:.1?}; without load {there} in {alone:.1?}: {verdict}"
        ));
    }
}
