//! A server on loopback that answers as Prometheus does, well and badly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use runbook_clients::{Clock, SilentObserver};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Prometheus, PrometheusError};
use crate::observed::{ClusterId, Observed, Place, Source, Window};
use crate::samples::observed_looks;

/// A clock on which waiting takes no time.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn real_now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// A question: its expression, first and last moment, step, and the token.
#[derive(Debug, Clone)]
struct Asked {
    expression: String,
    start: i64,
    end: i64,
    step: i64,
    token: Option<String>,
}

/// How it is answered: a status, a body, and how many bytes more are promised than sent.
struct Said(u16, String, usize);

impl Said {
    fn rows(rows: Value) -> Self {
        let data = json!({"resultType": "matrix", "result": rows});
        Self(200, json!({"status": "success", "data": data}).to_string(), 0)
    }
}

struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    async fn start(answer: impl Fn(&Asked, usize) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/prefix", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (known, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, known.clone(), answer.clone()));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn prometheus(&self) -> Prometheus {
        Prometheus::new(&self.url, Some("secret-token"), Arc::new(Still), Arc::new(SilentObserver))
            .unwrap()
            .with_steps(3_600, 6 * 3_600)
    }

    async fn day(&self) -> Result<Observed, PrometheusError> {
        let day = "2026-10-01".parse().unwrap();
        let looks = self.prometheus().day(day).await?;
        let id = ClusterId { account: None, region: "r".to_owned(), name: "c".to_owned() };
        Ok(observed_looks(id, looks, Window::day(day)))
    }

    async fn why(&self) -> String {
        let error = self.day().await.unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default()).replace(&self.url, "URL")
    }
}

async fn serve(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<impl Fn(&Asked, usize) -> Said>,
) {
    let mut text = String::new();
    let mut buffer = [0_u8; 4096];
    loop {
        while !text.contains("\r\n\r\n") {
            let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        let head = std::mem::take(&mut text);
        let target = head.split(' ').nth(1).unwrap();
        let (path, query) = target.split_once('?').unwrap();
        assert_eq!(path, "/prefix/api/v1/query_range");
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            decoded(pair.unwrap())
        };
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        let one = Asked {
            expression: value("query"),
            start: value("start").parse().unwrap(),
            end: value("end").parse().unwrap(),
            step: value("step").parse().unwrap(),
            token: token.map(str::to_owned),
        };
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(one.clone());
            asked.len()
        };
        let Said(status, body, missing) = answer(&one, number);
        let length = body.len() + missing;
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() || missing > 0 {
            return;
        }
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A series with a value at each step of a question that lies between two hours of the day.
fn series(asked: &Asked, metric: Value, hours: (i64, i64), value: &str) -> Value {
    let midnight = 1_790_812_800_i64;
    let there = |at: &i64| (hours.0..hours.1).contains(&((at - midnight) / 3_600));
    let steps = usize::try_from(asked.step).unwrap();
    let values: Vec<Value> = (asked.start..=asked.end)
        .step_by(steps)
        .filter(there)
        .map(|at| json!([at, value]))
        .collect();
    json!({"metric": metric, "values": values})
}

/// Two pods: one all day, of a Deployment; one of a job, from six to eight, on Fargate.
fn cluster(asked: &Asked) -> Value {
    let web = |metric: Value, value: &str| series(asked, metric, (0, 24), value);
    let job = |metric: Value, value: &str| series(asked, metric, (6, 8), value);
    let all = match asked.expression.as_str() {
        "kube_pod_info" => vec![
            web(
                json!({"uid": "u1", "namespace": "shop", "pod": "web-1", "node": "ip-1",
                "created_by_kind": "ReplicaSet", "created_by_name": "web-abc"}),
                "1",
            ),
            job(
                json!({"uid": "u2", "namespace": "shop", "pod": "job-1", "node": "fargate-ip-2",
                "created_by_kind": "Job", "created_by_name": "job"}),
                "1",
            ),
        ],
        "kube_pod_labels" => {
            vec![web(json!({"uid": "u1", "label_team": "a", "namespace": "shop"}), "1")]
        }
        "kube_pod_status_phase == 1" => vec![web(json!({"uid": "u1", "phase": "Running"}), "1")],
        "max by (uid) (kube_pod_start_time)" => vec![web(json!({"uid": "u1"}), "1790800000")],
        "kube_replicaset_owner" => vec![web(
            json!({"namespace": "shop", "replicaset": "web-abc",
            "owner_kind": "Deployment", "owner_name": "web"}),
            "1",
        )],
        "kube_job_owner" => vec![job(
            json!({"namespace": "shop", "job_name": "job",
            "owner_kind": "<none>", "owner_name": "<none>"}),
            "1",
        )],
        "kube_namespace_labels" => {
            vec![web(json!({"namespace": "shop", "label_tier": "gold"}), "1")]
        }
        "kube_node_info" => vec![
            web(json!({"node": "ip-1", "provider_id": "aws:///ap-northeast-2a/i-0abc"}), "1"),
            job(json!({"node": "fargate-ip-2"}), "1"),
        ],
        "kube_node_labels" => vec![web(
            json!({"node": "ip-1",
            "label_node_kubernetes_io_instance_type": "m7g.large",
            "label_karpenter_sh_capacity_type": "spot"}),
            "1",
        )],
        "max by (node) (kube_node_created)" => vec![web(json!({"node": "ip-1"}), "1790700000")],
        text if text.starts_with("sum by (uid, resource)") => vec![
            web(json!({"uid": "u1", "resource": "cpu"}), "0.25"),
            web(json!({"uid": "u1", "resource": "memory"}), "536870912"),
            job(json!({"uid": "u2", "resource": "cpu"}), "1"),
        ],
        text if text.contains("kube_node_status_capacity") => {
            vec![web(json!({"node": "ip-1", "resource": "cpu"}), "2")]
        }
        text if text.contains("container_cpu_usage_seconds_total") => {
            vec![
                web(json!({"namespace": "shop", "pod": "web-1"}), "0.1"),
                job(json!({"namespace": "shop", "pod": "job-1"}), "NaN"),
            ]
        }
        _ => Vec::new(),
    };
    Value::Array(all)
}

#[tokio::test]
async fn a_day_becomes_intervals_with_usage() {
    let server = Server::start(|asked, _| Said::rows(cluster(asked))).await;
    let seen = server.day().await.unwrap();
    assert_eq!((seen.clusters[0].looks, seen.clusters[0].resolution_seconds), (24, 3_600));
    let pod = |uid: &str| seen.pods.iter().find(|pod| pod.uid == uid).unwrap();
    let web = pod("u1");
    assert_eq!((web.looks, web.ended, web.source), (24, None, Source::Prometheus));
    assert_eq!(web.controller.as_ref().unwrap().kind, "Deployment");
    assert_eq!(web.labels.get("team").map(String::as_str), Some("a"));
    assert_eq!(web.namespace_labels.get("tier").map(String::as_str), Some("gold"));
    assert_eq!(web.place, Place::Node("ip-1".to_owned()));
    assert_eq!((web.requests.cpu.unwrap().0, web.requests.memory.unwrap().0), (250, 536_870_912));
    assert_eq!(web.usage.unwrap().cpu.unwrap().0, 100);
    assert_eq!(web.usage.unwrap().memory, None);
    assert_eq!(web.scheduled.unwrap().as_second(), 1_790_800_000);
    let job = pod("u2");
    assert_eq!((job.looks, job.usage), (2, None));
    assert_eq!(job.ended, Some("2026-10-01T08:00:00Z".parse().unwrap()));
    assert_eq!(job.controller.as_ref().unwrap().kind, "Job");
    let Place::Fargate { size: Some(size), is_annotated: false, .. } = job.place else {
        panic!("{job:?}")
    };
    assert_eq!(size.to_string(), "1vCPU 2GB");
    assert_eq!(seen.nodes.len(), 1);
    let node = &seen.nodes[0];
    assert_eq!(node.instance_id.as_deref(), Some("i-0abc"));
    assert_eq!(node.instance_type.as_deref(), Some("m7g.large"));
    assert_eq!(node.launched.as_second(), 1_790_700_000);

    // In chunks of six hours, each metric once, with the token.
    let asked = server.asked();
    assert_eq!(asked.len(), 4 * 16);
    assert!(asked.iter().all(|one| one.end - one.start == 5 * 3_600 && one.step == 3_600));
    assert!(asked.iter().all(|one| one.token.as_deref() == Some("Bearer secret-token")));
}

#[tokio::test]
async fn an_hour_that_nobody_scraped_is_a_hole() {
    let is_scraped = |value: &Value| {
        let hour = (value[0].as_i64().unwrap() - 1_790_812_800) / 3_600;
        !(10..13).contains(&hour)
    };
    let server = Server::start(move |asked, _| {
        let mut rows = cluster(asked);
        for row in rows.as_array_mut().unwrap() {
            row["values"].as_array_mut().unwrap().retain(is_scraped);
        }
        Said::rows(rows)
    })
    .await;
    let seen = server.day().await.unwrap();
    assert_eq!(seen.clusters[0].looks, 21);
    let hole = Window::new(
        "2026-10-01T09:00:00Z".parse().unwrap(),
        "2026-10-01T13:00:00Z".parse().unwrap(),
    )
    .unwrap();
    assert_eq!(seen.clusters[0].covered[0].end, hole.start);
    assert_eq!(seen.clusters[0].covered[1].start, hole.end);
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    let server = Server::start(|asked, number| match number {
        1 => Said(503, String::new(), 0),
        2 => Said(429, String::new(), 0),
        // It promises more than it sends.
        3 => Said(200, r#"{"status":"suc"#.to_owned(), 100),
        _ => Said::rows(cluster(asked)),
    })
    .await;
    assert_eq!(server.day().await.unwrap().clusters[0].looks, 24);
    assert_eq!(server.asked().len(), 4 * 16 + 3);
}

#[tokio::test]
async fn answers_that_are_none_are_named() {
    let always = async |status, body: &'static str| {
        Server::start(move |_, _| Said(status, body.to_owned(), 0)).await.why().await
    };
    assert_eq!(
        always(422, r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples"}"#).await,
        "failed to ask `URL/` for `kube_pod_info`: `prometheus:GET api/v1/query_range` failed: the server \
         answered 422 Unprocessable Entity: {\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"query processing would load too many samples\"}"
    );
    assert!(always(200, "<html>login</html>").await.starts_with(
        "`URL/` does not answer as Prometheus does when asked for `kube_pod_info`: it is no JSON of its kind"
    ));
    assert!(
        always(200, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#)
            .await
            .ends_with("its result is of the type `scalar`, not `matrix`")
    );
    assert_eq!(
        always(200, r#"{"status":"success","warnings":["store 3 is away"],"data":{"resultType":"matrix","result":[]}}"#).await,
        "`URL/` says that its answer about `kube_pod_info` is not whole: store 3 is away"
    );
    assert_eq!(
        always(200, r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#).await,
        "`URL/` has no `kube_pod_info` of 2026-10-01: does it scrape kube-state-metrics, and does it keep samples that long?"
    );
    assert!(always(401, "").await.ends_with("the server answered 401 Unauthorized"));
}
