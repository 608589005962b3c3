//! Clients of a served cluster that are no clients of its clock: watches, and a stream of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::support::{Folder, Served};

/// What is asked of a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The pods that it is about.
    pub(crate) pods: u64,
    pub(crate) per_second: u32,
}

/// Where the pods are.
pub(crate) const PATH: &str = "/api/v1/namespaces/default/pods";
/// The annotation that each write of the load sets to its number.
const MARK: &str = "load";
/// Connections that the requests share.
const CONNECTIONS: usize = 32;
/// Of so many requests one is a write, and one a list.
const WRITE_EVERY: u64 = 10;
const LIST_EVERY: u64 = 5;

/// A cluster that is served, and who asks it.
pub(crate) struct Target {
    host: String,
    roots: Arc<ClientConfig>,
    token: String,
}

/// A connection to it.
pub(crate) struct Connection {
    host: String,
    token: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Target {
    /// The cluster of that name, once it can be asked; none before.
    pub(crate) fn of(folder: &Folder, served: &Served, cluster: &str) -> Option<Self> {
        let environment = folder.well(&["sandbox", "env"]).out;
        let name = format!("kubeconfig-{cluster}.yaml");
        let files = environment.lines().find_map(|line| line.strip_prefix("export KUBECONFIG="))?;
        let file = files.trim_matches('\'').split(':').find(|file| file.ends_with(&name))?;
        let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let at = &file["clusters"][0]["cluster"];
        let authority = at["certificate-authority-data"].as_str().unwrap();
        let mut asked = folder.command(&["eks-token", "--cluster", cluster]);
        let said = asked.envs(served.environment.iter().cloned()).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let credential: Value = serde_json::from_slice(&said.stdout).unwrap();
        let token = credential["status"]["token"].as_str().unwrap();
        Some(Self::at(at["server"].as_str().unwrap(), &STANDARD.decode(authority).unwrap(), token))
    }

    /// The API server of that URL, behind a certificate of one of these authorities.
    pub(crate) fn at(server: &str, authorities: &[u8], token: &str) -> Self {
        Self {
            host: server.trim_start_matches("https://").to_owned(),
            roots: trusting(authorities),
            token: token.to_owned(),
        }
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Connection {
        let name = self.host.rsplit_once(':').unwrap().0.to_owned();
        let stream = TcpStream::connect(&self.host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(self.roots.clone());
        let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Connection { host: self.host.clone(), token: self.token.clone(), sender }
    }
}

fn trusting(authorities: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

impl Connection {
    /// Sends a request; its answer's head.
    async fn send(&mut self, method: Method, path: &str, body: &Value) -> Response<Incoming> {
        let kind = if method == Method::PATCH { "merge-patch+json" } else { "json" };
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let kind = format!("application/{kind}");
        self.send_as(method, path, &[("content-type", &kind)], body).await
    }

    /// The same with headers as they are given; `authorization` takes the place of ours.
    pub(crate) async fn send_as(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        self.sender.ready().await.unwrap();
        self.sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap()
    }

    /// Sends a request; status and answer.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

/// Revisions of what is there now, and of the whole.
pub(crate) async fn list(target: &Target, path: &str) -> (BTreeMap<String, u64>, u64) {
    let mut connection = target.connect().await;
    let (status, list) = connection.ask(Method::GET, path, &Value::Null).await;
    assert_eq!(status, 200, "{list}");
    let revision =
        |one: &Value| one["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    let text = |one: &Value, name: &str| one["metadata"][name].as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    let key = |one: &Value| format!("{}/{}", text(one, "namespace"), text(one, "name"));
    (items.map(|one| (key(one), revision(one))).collect(), revision(&list))
}

/// Creates the pods that the load is about.
pub(crate) async fn create_pods(target: &Target, load: Load) {
    let mut connection = target.connect().await;
    for number in 0..load.pods {
        let (status, body) = connection.ask(Method::POST, PATH, &pod(number)).await;
        assert_eq!(status, 201, "{body}");
    }
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

/// What a watch was told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub(crate) kind: String,
    /// Namespace and name.
    pub(crate) key: String,
    pub(crate) revision: u64,
    /// The number of the load's write that it is of.
    pub(crate) mark: Option<u64>,
}

/// An open watch.
pub(crate) struct Watch {
    /// The revision that it has seen last.
    seen: watch::Receiver<u64>,
    reading: JoinHandle<Vec<Event>>,
    stop: watch::Sender<bool>,
}

impl Watch {
    /// Opens one of what is at a path, with what is there already (`revision` is none) or after a revision.
    pub(crate) async fn open(target: &Target, path: &str, revision: Option<u64>) -> Self {
        let after = revision.map_or_else(String::new, |one| format!("&resourceVersion={one}"));
        let path = format!("{path}?watch=true&timeoutSeconds=3600{after}");
        let mut connection = target.connect().await;
        let response = connection.send(Method::GET, &path, &Value::Null).await;
        assert_eq!(response.status(), 200);
        let (tell, seen) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let reading = tokio::spawn(async move {
            let events = read(response.into_body(), &tell, stopped).await;
            // The connection lives as long as its sender.
            drop(connection);
            events
        });
        Self { seen, reading, stop }
    }

    /// Waits until it has seen a revision; whether it has within that time.
    pub(crate) async fn has_seen(&mut self, revision: u64, within: Duration) -> bool {
        let waiting = self.seen.wait_for(|seen| *seen >= revision);
        matches!(tokio::time::timeout(within, waiting).await, Ok(Ok(_)))
    }

    /// Closes it; what it was told.
    pub(crate) async fn close(self) -> Vec<Event> {
        self.stop.send_replace(true);
        self.reading.await.unwrap()
    }
}

/// Reads events until the watch is over or nobody wants more.
async fn read(
    mut body: Incoming,
    tell: &watch::Sender<u64>,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Event> {
    let (mut events, mut rest): (Vec<Event>, Vec<u8>) = (Vec::new(), Vec::new());
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = stopped.wait_for(|stopped| *stopped) => return events,
        };
        let Some(Ok(frame)) = frame else { return events };
        rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let lines: Vec<u8> = rest.drain(..=end).collect();
        let lines = lines.split(|byte| *byte == b'\n').filter(|one| !one.is_empty());
        for event in lines.map(event) {
            tell.send_modify(|seen| *seen = event.revision.max(*seen));
            events.push(event);
        }
    }
}

/// The members of an event that matter here.
#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    resource_version: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn event(line: &[u8]) -> Event {
    let Line { r#type, object: Object { metadata } } = serde_json::from_slice(line)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(line)));
    Event {
        kind: r#type,
        key: format!("{}/{}", metadata.namespace, metadata.name),
        revision: metadata.resource_version.parse().unwrap(),
        mark: metadata.annotations.get(MARK).map(|mark| mark.parse().unwrap()),
    }
}

/// What became of a stream of requests.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// How long each took, from the moment it was due.
    pub(crate) times: Vec<Duration>,
    pub(crate) failed: u64,
    /// The numbers of the writes that were answered well, and the revision of the last.
    pub(crate) written: Vec<u64>,
    pub(crate) last_revision: u64,
}

/// Sends requests, so many a second, at their times, whether or not earlier ones were answered,
/// until told to stop.
pub(crate) async fn requests(target: &Target, load: Load, stop: watch::Receiver<bool>) -> Asked {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Arc::new(Mutex::new(target.connect().await)));
    }
    let mut asked = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / load.per_second);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for (number, connection) in (0..).zip(connections.iter().cycle()) {
        let due = ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        asked.spawn(one(connection.clone(), load.pods, number, due));
    }
    let mut all = Asked::default();
    while let Some(answered) = asked.join_next().await {
        let (took, number, revision) = answered.unwrap();
        all.times.push(took);
        match revision {
            None => all.failed += 1,
            Some(0) => {}
            Some(revision) => {
                all.written.push(number);
                all.last_revision = all.last_revision.max(revision);
            }
        }
    }
    all.written.sort_unstable();
    all
}

/// Sends the request of that number; how long it took, and the revision of what it wrote, 0 when it
/// only read, none when it failed.
async fn one(
    connection: Arc<Mutex<Connection>>,
    pods: u64,
    number: u64,
    due: Instant,
) -> (Duration, u64, Option<u64>) {
    let one = format!("{PATH}/pod-{}", number * 7 % pods);
    let mut connection = connection.lock().await;
    let (status, revision) = if number.is_multiple_of(WRITE_EVERY) {
        let note = json!({"metadata": {"annotations": {MARK: number.to_string()}}});
        let (status, answer) = connection.ask(Method::PATCH, &one, &note).await;
        let revision = answer["metadata"]["resourceVersion"].as_str().map(str::parse::<u64>);
        (status, revision.and_then(Result::ok))
    } else {
        let path = if number % LIST_EVERY == 1 { PATH } else { &one };
        let response = connection.send(Method::GET, path, &Value::Null).await;
        let status = response.status().as_u16();
        let is_whole = response.into_body().collect().await.is_ok();
        (status, is_whole.then_some(0))
    };
    (due.elapsed(), number, revision.filter(|_| status == 200))
}
