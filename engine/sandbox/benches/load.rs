//! A cluster under load: 500 watches of its pods and 200 requests a second. Prints how long answers
//! took, whether a watch missed a change, and what the server's process held; asserts nothing,
//! since machines differ.
//!
//! The world is served by a process of its own, so that its memory is its own.
//!
//! `cargo bench -p runbook-sandbox --bench load -- 60`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::{CLUSTER, World, wire};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

/// The allocator of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PODS: u64 = 300;
const WATCHES: u64 = 500;
const PER_SECOND: u64 = 200;
/// Connections that the requests share.
const CONNECTIONS: usize = 32;
/// Of so many requests one is a write, and one a list.
const WRITE_EVERY: u64 = 10;
const LIST_EVERY: u64 = 5;
const PATH: &str = "/api/v1/namespaces/default/pods";
/// How long events may be under way when the last request is answered.
const LATEST: Duration = Duration::from_secs(30);

/// Where the load goes.
struct Target {
    kubeconfig: Value,
    token: String,
}

/// Events that arrived.
#[derive(Default)]
struct Seen {
    count: AtomicU64,
    more: Notify,
}

type Sender = SendRequest<Full<Bytes>>;

impl Target {
    async fn sender(&self) -> (String, Sender) {
        let (host, stream) = wire::connect(&self.kubeconfig).await;
        let io = TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        (host, sender)
    }

    fn request(
        &self,
        host: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Request<Full<Bytes>> {
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(body))
            .unwrap()
    }
}

fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|one| one == "serve") {
        return serve().await;
    }
    let seconds = arguments.iter().find_map(|one| one.parse().ok()).unwrap_or(60);
    let mut server = tokio::process::Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the server says where it is");
    let said: Value = serde_json::from_str(&line).unwrap();
    let token = said["token"].as_str().unwrap().to_owned();
    let target = Arc::new(Target { kubeconfig: said["kubeconfig"].clone(), token });
    load(&target, seconds).await;
    let status = format!("/proc/{}/status", server.id().unwrap());
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    say(&format!("peak memory of the server: {}", peak.trim()));
}

/// Serves a world with a cluster and its pods until the other side is gone.
async fn serve() {
    let world = World::with_cluster().await;
    for number in 0..PODS {
        let (status, body) = world.ask(Method::POST, PATH, "application/json", &pod(number)).await;
        assert_eq!(status, 201, "{body}");
    }
    let said = json!({"kubeconfig": world.clusters_file(), "token": world.token(CLUSTER, 0)});
    say(&said.to_string());
    let mut nothing = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut nothing).await;
}

fn pod(number: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{number}"), "labels": {"app": format!("app-{}", number % 10)}},
        "spec": {"containers": [{
            "name": "main", "image": "registry.example/main:1.0",
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
            "env": [{"name": "NUMBER", "value": number.to_string()}],
        }]},
    })
}

async fn load(target: &Arc<Target>, seconds: u64) {
    let (host, mut sender) = target.sender().await;
    let list = sender.send_request(target.request(&host, Method::GET, PATH, &Value::Null)).await;
    let list = list.unwrap().into_body().collect().await.unwrap().to_bytes();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let seen = Arc::new(Seen::default());
    let mut watches = tokio::task::JoinSet::new();
    let opened = Instant::now();
    for _ in 0..WATCHES {
        let path = format!("{PATH}?watch=true&resourceVersion={version}&timeoutSeconds=3600");
        let (host, mut sender) = target.sender().await;
        let request = target.request(&host, Method::GET, &path, &Value::Null);
        let body = sender.send_request(request).await.unwrap().into_body();
        let seen = seen.clone();
        watches.spawn(async move {
            // The connection lives as long as its sender.
            let _sender = sender;
            watch(body, &seen).await;
        });
    }
    say(&format!("{WATCHES} watches of {PODS} pods opened in {:.1?}", opened.elapsed()));
    let (mut times, failed, written) = requests(target, seconds).await;
    let expected = written * WATCHES;
    let last = Instant::now();
    let all = async {
        while seen.count.load(Ordering::Relaxed) < expected {
            seen.more.notified().await;
        }
    };
    // Whatever is missing then is printed below.
    drop(tokio::time::timeout(LATEST, all).await);
    let late = last.elapsed();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    say(&format!(
        "{} requests in {seconds} s, {failed} failed, {written} of them writes",
        times.len()
    ));
    say(&format!(
        "latency: p50 {:.1?}, p99 {:.1?}, worst {:.1?}",
        at(500),
        at(990),
        times.last().copied().unwrap_or_default()
    ));
    let seen = seen.count.load(Ordering::Relaxed);
    let ended = std::iter::from_fn(|| watches.try_join_next()).count();
    say(&format!(
        "events: {seen} of {expected} delivered, the last {late:.1?} after the last answer; {ended} watches ended early"
    ));
}

/// Counts the events of a watch.
async fn watch(mut body: hyper::body::Incoming, seen: &Seen) {
    while let Some(Ok(frame)) = body.frame().await {
        let lines =
            frame.data_ref().map_or(0, |data| data.split(|byte| *byte == b'\n').count() - 1);
        seen.count.fetch_add(lines as u64, Ordering::Relaxed);
        seen.more.notify_one();
    }
}

/// Sends requests at their times, whether or not earlier ones were answered; how long each took
/// from its time, how many failed, how many wrote.
async fn requests(target: &Arc<Target>, seconds: u64) -> (Vec<Duration>, u64, u64) {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Arc::new(Mutex::new(target.sender().await)));
    }
    let mut asked = tokio::task::JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for number in 0..PER_SECOND * seconds {
        let due = ticks.tick().await;
        let connection = connections[usize::try_from(number).unwrap() % CONNECTIONS].clone();
        let target = target.clone();
        asked.spawn(async move {
            let (method, path, body) = what(number);
            let mut connection = connection.lock().await;
            let request = target.request(&connection.0, method.clone(), &path, &body);
            let response = connection.1.send_request(request).await.unwrap();
            let is_good = response.status().is_success();
            let whole = response.into_body().collect().await.is_ok();
            (due.elapsed(), is_good && whole, method == Method::PATCH)
        });
    }
    let (mut times, mut failed, mut written) = (Vec::new(), 0, 0);
    while let Some(answered) = asked.join_next().await {
        let (time, is_good, is_write) = answered.unwrap();
        times.push(time);
        failed += u64::from(!is_good);
        written += u64::from(is_good && is_write);
    }
    (times, failed, written)
}

/// The request of that number.
fn what(number: u64) -> (Method, String, Value) {
    let one = format!("{PATH}/pod-{}", number * 7 % PODS);
    if number.is_multiple_of(WRITE_EVERY) {
        let note = json!({"metadata": {"annotations": {"load": number.to_string()}}});
        (Method::PATCH, one, note)
    } else if number % LIST_EVERY == 1 {
        (Method::GET, PATH.to_owned(), Value::Null)
    } else {
        (Method::GET, one, Value::Null)
    }
}
