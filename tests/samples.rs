//! Samples over time: looks at the sandbox's cluster, kept in the store and read back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use runbook_showback::observed::{CapacityType, Observed, Place, Source, Window};
use runbook_showback::samples::Store;
use serde_json::Value;

use crate::support::{Folder, Said};

fn built() -> Folder {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    folder
}

/// The time of the sandbox's cluster.
fn now(folder: &Folder) -> Timestamp {
    let said = folder.well(&["collect", "--once", "--out", "-"]);
    let inventory: Value = serde_json::from_str(&said.out).unwrap();
    inventory["collectedAt"].as_str().unwrap().parse().unwrap()
}

fn later(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

fn collected(folder: &Folder, arguments: &[&str]) -> Said {
    folder.well(&[&["collect"], arguments].concat())
}

/// What the store says of everything until a moment.
fn observed(folder: &Folder, until: Timestamp) -> Observed {
    let store = Store::open(folder.path().join(".runbook/sandbox/samples")).unwrap();
    let window = Window { start: Timestamp::UNIX_EPOCH, end: later(until, 1) };
    store.observed(None, window).unwrap()
}

#[test]
fn hours_of_looks_become_intervals_of_pods_and_nodes() {
    let folder = built();
    let writes = folder.requests(true).len();
    let begin = now(&folder);
    let until = later(begin, 180);
    let said = collected(&folder, &["--every", "5m", "--until", &until.to_string()]);
    assert!(said.err.starts_with("on the sandbox: a simulated AWS account"), "{}", said.err);
    let looks = said.out.lines().filter(|line| line.starts_with('✓')).count();
    // One at once, one each five minutes, and a last one at the end.
    assert!((37..=38).contains(&looks), "{}", said.out);
    assert_eq!(said.last(), format!("myeks: {looks} looks · on the sandbox"));

    let seen = observed(&folder, until);
    let cluster = &seen.clusters[0];
    assert_eq!(cluster.id.to_string(), "111122223333/ap-northeast-2/myeks");
    assert_eq!((cluster.looks, cluster.resolution_seconds), (looks as u64, 300));
    assert_eq!(cluster.covered.len(), 1, "{:?}", cluster.covered);
    assert_eq!(cluster.covered[0].end, until);
    assert!(cluster.covered[0].seconds() >= 179 * 60, "{:?}", cluster.covered);
    assert!(cluster.created.is_some());

    // The system layer runs on Fargate, and its size is what is billed.
    let dns: Vec<_> = seen.pods.iter().filter(|pod| pod.name.starts_with("coredns-")).collect();
    assert_eq!(dns.len(), 2);
    for pod in dns {
        let Place::Fargate { size: Some(size), is_annotated: true, .. } = &pod.place else {
            panic!("{pod:?}");
        };
        assert_eq!(size.to_string(), "0.25vCPU 0.5GB");
        let controller = pod.controller.as_ref().unwrap();
        assert_eq!((controller.kind.as_str(), controller.name.as_str()), ("Deployment", "coredns"));
        assert!(pod.scheduled.unwrap() <= pod.started.unwrap());
        assert_eq!((pod.looks, pod.ended, pod.is_part), (looks as u64, None, false));
        assert_eq!(pod.source, Source::Poll);
    }
    // The workload runs on a node that Karpenter made; its time is the instance's.
    let nginx = seen.pods.iter().find(|pod| pod.name.starts_with("nginx-")).unwrap();
    let Place::Node(name) = &nginx.place else { panic!("{nginx:?}") };
    let node = seen.nodes.iter().find(|node| node.name == *name).unwrap();
    assert_eq!(node.capacity_type, CapacityType::OnDemand);
    assert!(node.instance_id.as_ref().unwrap().starts_with("i-"));
    assert!(node.instance_type.is_some() && node.pool.as_deref() == Some("default"));
    assert!(node.launched < node.ready.unwrap() && node.ready.unwrap() < begin);
    // The node of the smoke test was empty, and was taken away while we looked.
    let gone = seen.nodes.iter().find(|node| node.ended.is_some()).unwrap();
    assert!(gone.seen.end < gone.ended.unwrap(), "{gone:?}");
    assert!(seen.nodes.iter().all(|node| !node.name.starts_with("fargate-")));

    // A second series goes on in the same file; what lies between is no hole.
    let further = later(until, 10);
    collected(&folder, &["--every", "5m", "--until", &further.to_string()]);
    let seen = observed(&folder, further);
    assert_eq!(seen.clusters[0].covered.len(), 1);
    assert_eq!(seen.clusters[0].covered[0].end, further);
    // Looking is all that was done.
    assert_eq!(folder.requests(true).len(), writes);
}

#[test]
fn watching_and_looking_see_the_same() {
    let folder = built();
    let begin = now(&folder);
    let until = later(begin, 45);
    let twin = Folder::new();
    let copied =
        twin.foreign("cp", &["-r", &folder.path().join(".runbook").display().to_string(), "."]);
    assert!({ copied }.status().unwrap().success());
    collected(&folder, &["--every", "1m", "--until", &until.to_string()]);
    let said = collected(&twin, &["--watch", "--until", &until.to_string()]);
    assert!(!said.out.contains('✗') && !said.err.contains('✗'), "{said:?}");
    let (polled, watched) = (observed(&folder, until), observed(&twin, until));

    let of = |seen: &Observed| {
        let mut pods: Vec<_> = seen
            .pods
            .iter()
            .map(|pod| (pod.namespace.clone(), pod.name.clone(), pod.place.clone(), pod.started))
            .collect();
        pods.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
        pods
    };
    assert_eq!(of(&polled), of(&watched));
    let nodes = |seen: &Observed| {
        let mut nodes: Vec<_> = seen
            .nodes
            .iter()
            .map(|node| (node.name.clone(), node.launched, node.ended.is_some()))
            .collect();
        nodes.sort();
        nodes
    };
    assert_eq!(nodes(&polled), nodes(&watched));
    // A node that went is known to have gone within a minute by looking, within seconds by watching.
    for node in watched.nodes.iter().filter(|node| node.ended.is_some()) {
        let same = polled.nodes.iter().find(|one| one.uid == node.uid).unwrap();
        let apart = same.ended.unwrap().duration_since(node.ended.unwrap()).as_secs();
        assert!((-30..=90).contains(&apart), "{node:?} {same:?}");
    }
    assert!(watched.pods.iter().all(|pod| pod.source == Source::Watch));
    assert_eq!(watched.clusters[0].covered.len(), 1, "{:?}", watched.clusters[0].covered);
    assert_eq!(watched.clusters[0].covered[0].end, until);
}

#[test]
fn one_process_collects_and_ctrl_c_ends_it() {
    let folder = built();
    let mut child = folder
        .command(&["collect", "--every", "5m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.starts_with('✓') && first.contains(" myeks: "), "{first}");

    let second = folder.run(&["collect", "--once"]);
    assert_eq!(second.code, 1, "{second:?}");
    let said = format!("are written by another process already: process {}", child.id());
    assert!(second.err.contains(&said), "{}", second.err);

    let sent =
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(rest, ["myeks: 1 look · on the sandbox"]);

    let said = collected(&folder, &["--once"]);
    assert!(said.out.starts_with('✓') && said.out.ends_with("changed\n"), "{}", said.out);
    assert_eq!(observed(&folder, now(&folder)).clusters[0].looks, 2);
}

#[test]
fn a_look_that_fails_is_told_and_the_next_one_goes_on() {
    let folder = built();
    // More refusals than one look tries.
    folder.write(
        "faults.yaml",
        "- {operation: 'kubernetes:list pods', kind: server_error, nth: 3, count: 7}\n",
    );
    let until = later(now(&folder), 30);
    let said = collected(
        &folder,
        &["--every", "5m", "--until", &until.to_string(), "--faults", "faults.yaml"],
    );
    assert!(said.err.contains("failed to list Pods of the cluster `myeks`"), "{said:?}");
    assert!(said.last().ends_with("1 failed · on the sandbox"), "{}", said.out);
    let seen = observed(&folder, until);
    let finding = seen.findings.iter().find(|one| one.code == "look_failed").unwrap();
    assert!(finding.message.contains("failed to list Pods"), "{}", finding.message);
    assert!(seen.clusters[0].looks >= 5);
}

#[test]
fn a_watch_that_cannot_be_opened_is_told_and_opened_later() {
    let folder = built();
    folder.write(
        "faults.yaml",
        "- {operation: 'kubernetes:watch pods', kind: server_error, count: 7}\n",
    );
    let until = later(now(&folder), 30);
    let said =
        collected(&folder, &["--watch", "--until", &until.to_string(), "--faults", "faults.yaml"]);
    assert!(said.err.contains("failed to list Pods of the cluster `myeks`"), "{said:?}");
    assert!(said.last().ends_with("1 failed · on the sandbox"), "{}", said.out);
    let seen = observed(&folder, until);
    assert_eq!(seen.clusters[0].covered.last().unwrap().end, until);
    assert!(seen.pods.iter().any(|pod| pod.name.starts_with("nginx-")));
}

/// A Prometheus that knows one pod, all of the time; for as many questions as are asked.
fn prometheus() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&mut stream.unwrap());
        }
    });
    url
}

fn answer(stream: &mut TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let _rest: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let value = |name: &str| -> i64 {
        let mut query = first.split(['?', '&', ' ']);
        query.find_map(|part| part.strip_prefix(name)?.parse().ok()).unwrap()
    };
    let values: Vec<Value> = (value("start=")..=value("end="))
        .step_by(usize::try_from(value("step=")).unwrap())
        .map(|at| serde_json::json!([at, "1"]))
        .collect();
    let metric = serde_json::json!({"uid": "u", "namespace": "shop", "pod": "web", "node": "n"});
    let rows = if first.contains("query=kube_pod_info&") {
        serde_json::json!([{"metric": metric, "values": values}])
    } else {
        serde_json::json!([])
    };
    let body = serde_json::json!({
        "status": "success", "data": {"resultType": "matrix", "result": rows}
    });
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
}

#[test]
fn whole_days_come_out_of_a_prometheus_once() {
    let folder = Folder::new();
    let url = prometheus();
    let arguments = [
        "collect",
        "--prometheus",
        &url,
        "--window",
        "2026-10-01..2026-10-02",
        "--cluster",
        "shop",
        "--region",
        "ap-northeast-2",
    ];
    let said = folder.well(&arguments);
    assert_eq!(
        said.out,
        "✓ 2026-10-01 shop: 288 looks\n✓ 2026-10-02 shop: 288 looks\nshop: 2 days imported\n"
    );
    let window = "2026-10-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let seen = Store::open(folder.path().join(".runbook/samples"))
        .unwrap()
        .observed(None, Window { start: window, end: later(window, 2 * 24 * 60) })
        .unwrap();
    assert_eq!((seen.pods.len(), seen.pods[0].looks), (1, 576));
    assert_eq!(seen.pods[0].source, Source::Prometheus);
    // The last look of the window covers five minutes less than all of it.
    assert_eq!(seen.clusters[0].covered[0].seconds(), 2 * 86_400 - 300);
    let again = folder.well(&arguments);
    assert!(again.err.contains("there are samples of 2026-10-01 of `ap-northeast-2/shop` already"));
    assert_eq!(again.out, "shop: 0 days imported, 2 left as they are\n");
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_looked_at() {
    let folder = Folder::new();
    let refused = |arguments: &[&str], why: &str| {
        let said = folder.run(&[&["collect"], arguments].concat());
        assert_eq!(said.code, 64, "{arguments:?}: {said:?}");
        assert!(said.err.contains(why), "{arguments:?}: {}", said.err);
    };
    refused(&["--every", "0s"], "it is between 1s and 1d");
    refused(&["--every", "often"], "`often` is no duration such as 5m or 1h30m");
    refused(&["--out", "inventory.json"], "--once");
    refused(&["--until", "tomorrow"], "--until");
    refused(&["--once", "--watch"], "cannot be used with");
    refused(&["--keep", "0"], "--keep");
    refused(&["--window", "previous_day"], "--prometheus");
    refused(
        &["--prometheus", "http://127.0.0.1:9", "--window", "previous_day"],
        "of which cluster does the Prometheus tell?",
    );
    refused(
        &[
            "--prometheus",
            "http://127.0.0.1:9",
            "--window",
            "now",
            "--cluster",
            "c",
            "--region",
            "r",
        ],
        "a Prometheus is asked about days that are over",
    );
    let built = built();
    let said = built.run(&["collect", "--until", "2020-01-01T00:00:00Z"]);
    assert_eq!(said.code, 64, "{said:?}");
    assert!(
        said.err.contains("2020-01-01T00:00:00Z is over: the cluster's time is 20"),
        "{}",
        said.err
    );
}
