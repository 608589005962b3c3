//! What the tests of deliveries share: time that only moves when told to, a web server that loses
//! answers, messages, and the campaign that ends a delivery at each of its steps.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::post::Poster;
use runbook_clients::{SilentObserver, aws};
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_core::value::Value;
use runbook_showback::observed::Window;
use runbook_tasks::destinations::{Destination, Means, destinations};
use runbook_tasks::message::{About, File, Key, Message, Rendered};
use runbook_tasks::outbox::step::{State, Step};
use runbook_tasks::outbox::{Backoff, Delivering, Outbox, Pass, Silent, Watch, deliver};

pub(crate) const SCOPE: &str = "showback/myeks aws 111122223333 ap-northeast-2";
pub(crate) const REPORT: &str = "showback";

/// Time that only moves when it is told to, or when somebody sleeps.
#[derive(Debug)]
pub(crate) struct StillTime(Mutex<Timestamp>);

impl StillTime {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-11-05T06:00:00Z".parse().unwrap())))
    }

    pub(crate) fn pass(&self, duration: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now += duration;
    }

    pub(crate) fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap() = at;
    }
}

impl Clock for StillTime {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn real_now(&self) -> Timestamp {
        self.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let now = self.now();
            self.set(now.max(at));
        })
    }

    fn hold(&self) -> Hold {
        Hold::none()
    }

    fn aside(&self) -> Hold {
        Hold::none()
    }

    fn delegate(&self) -> BoxFuture<'_, Delegation> {
        Box::pin(async { Delegation { environment: Vec::new(), guard: Hold::none() } })
    }
}

/// The same for the clients.
pub(crate) struct ClientTime(pub(crate) Arc<StillTime>);

impl runbook_clients::Clock for ClientTime {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn real_now(&self) -> Timestamp {
        // Signatures are judged by the machine's time; a server of the tests does not judge.
        self.0.now()
    }

    fn sleep(&self, duration: std::time::Duration) -> BoxFuture<'_, ()> {
        Box::pin(runbook_core::clock::sleep(self.0.as_ref(), duration))
    }
}

/// What came in at a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) key: String,
    pub(crate) body: String,
}

/// What it does with the next request; when there is nothing more, it takes it.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    Answer(u16),
    AnswerAfter(u16, &'static str),
    /// It took the message, and the answer is lost.
    Lose,
    /// It took the message and never answers.
    Hang,
}

/// A web server that keeps what it was sent.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) url: String,
    hits: Arc<Mutex<Vec<Hit>>>,
}

impl Hook {
    pub(crate) async fn start(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/T0/secret-part", listener.local_addr().unwrap());
        let hits = Arc::new(Mutex::new(Vec::new()));
        let reactions = Arc::new(Mutex::new(reactions.into_iter().collect::<Vec<_>>().into_iter()));
        let kept = hits.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, reactions) = (kept.clone(), reactions.clone());
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let (kept, reactions) = (kept.clone(), reactions.clone());
                    async move {
                        let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        kept.lock().unwrap().push(Hit { key, body });
                        let reaction = reactions.lock().unwrap().next();
                        respond(reaction).await
                    }
                });
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    let served = hyper::server::conn::http1::Builder::new();
                    // A connection that we broke ourselves ends in an error.
                    drop(served.serve_connection(io, service).await);
                });
            }
        });
        Self { url, hits }
    }

    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }
}

#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer is lost")
    }
}

impl std::error::Error for Lost {}

async fn respond(reaction: Option<Reaction>) -> Result<hyper::Response<Full<Bytes>>, Lost> {
    let answer = |status: u16| {
        let mut response = hyper::Response::new(Full::new(Bytes::from_static(b"said")));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
        response
    };
    match reaction {
        None => Ok(answer(200)),
        Some(Reaction::Answer(status)) => Ok(answer(status)),
        Some(Reaction::AnswerAfter(status, seconds)) => {
            let mut response = answer(status);
            response.headers_mut().insert("retry-after", seconds.parse().unwrap());
            Ok(response)
        }
        Some(Reaction::Lose) => Err(Lost),
        Some(Reaction::Hang) => match std::future::pending::<Infallible>().await {},
    }
}

pub(crate) fn october() -> About {
    let window = Window::new(
        "2026-10-01T00:00:00Z".parse().unwrap(),
        "2026-11-01T00:00:00Z".parse().unwrap(),
    );
    About { scope: SCOPE.to_owned(), report: REPORT.to_owned(), window: window.unwrap() }
}

pub(crate) fn message(revision: u32, text: &str) -> Message {
    Message {
        about: october(),
        revision,
        made: "2026-11-05T06:00:00Z".parse().unwrap(),
        rendered: Rendered {
            subject: format!("showback 2026-10: ${text}"),
            summary: format!("team a  {text}\nteam b  <0.01>\n"),
            files: vec![
                File {
                    name: "showback.html".to_owned(),
                    media_type: "text/html; charset=utf-8".to_owned(),
                    bytes: format!("<p>{text}</p>").into_bytes(),
                },
                File {
                    name: "showback.csv".to_owned(),
                    media_type: "text/csv; charset=utf-8".to_owned(),
                    bytes: format!("team,cost\na,{text}\n").into_bytes(),
                },
            ],
            totals: BTreeMap::from([(String::new(), 1_500_000)]),
            basis: BTreeMap::new(),
        },
    }
}

pub(crate) fn means(clock: &Arc<StillTime>, folder: &Path, aws: Option<aws::Connection>) -> Means {
    let poster = Poster::new(Arc::new(ClientTime(clock.clone())), Arc::new(SilentObserver));
    Means {
        clock: clock.clone(),
        aws,
        poster: poster.unwrap(),
        working_directory: folder.to_owned(),
    }
}

pub(crate) fn text(entries: &[(&str, &str)]) -> Value {
    Value::map(entries.iter().map(|(name, value)| (*name, Value::from(*value))))
}

pub(crate) fn read(list: &[Value]) -> Vec<Destination> {
    destinations(list, Path::new("/")).unwrap()
}

pub(crate) fn identities(list: &[Destination]) -> Vec<String> {
    list.iter().map(|one| one.identity().to_owned()).collect()
}

/// One pass as a task runs it.
pub(crate) async fn pass(
    outbox: &mut Outbox,
    destinations: &[Destination],
    means: &Means,
    watch: &dyn Watch,
) -> Pass {
    let work = Delivering {
        scope: SCOPE,
        report: REPORT,
        destinations,
        means,
        backoff: Backoff::default(),
        again: None,
        watch,
    };
    deliver(outbox, &work).await.unwrap()
}

/// Passes until nothing is left that waiting helps.
pub(crate) async fn passes(
    outbox: &mut Outbox,
    destinations: &[Destination],
    means: &Means,
    clock: &StillTime,
) -> Pass {
    let mut all = Pass::default();
    for _ in 0..50 {
        let pass = pass(outbox, destinations, means, &Silent).await;
        all.delivered += pass.delivered;
        all.refused.extend(pass.refused);
        let Some(next) = pass.next else { return all };
        clock.set(next);
    }
    panic!("after 50 passes something still waits");
}

/// The states of all deliveries, by revision and destination.
pub(crate) fn states(outbox: &Outbox) -> BTreeMap<String, State> {
    let mut states = BTreeMap::new();
    for sent in outbox.messages(SCOPE, REPORT).unwrap() {
        for delivery in outbox.deliveries(&sent).unwrap() {
            states.insert(
                format!("r{} {}", sent.revision, delivery.destination),
                delivery.standing.state,
            );
        }
    }
    states
}

/// Ends the process, as far as a test can, at one moment: before or after a step is durable.
pub(crate) struct Killer {
    left: Mutex<usize>,
    seen: Mutex<Vec<String>>,
}

impl Killer {
    pub(crate) fn at(moment: usize) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(moment), seen: Mutex::default() })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn moment(&self, when: &str, step: &Step) {
        let is_last = {
            let mut left = self.left.lock().unwrap();
            self.seen.lock().unwrap().push(format!("{when} {}", step.name()));
            let is_last = *left == 0;
            *left = left.saturating_sub(1);
            is_last
        };
        assert!(!is_last, "killed {when} {}", step.name());
    }
}

impl Watch for Killer {
    fn before(&self, _: &Key, step: &Step) {
        self.moment("before", step);
    }

    fn after(&self, _: &Key, step: &Step) {
        self.moment("after", step);
    }
}

/// Runs one pass in a task of its own that dies at the moment; whether it did.
pub(crate) async fn killed_pass(
    folder: &Path,
    destinations: &[Destination],
    means: &Means,
    killer: &Arc<Killer>,
) -> bool {
    let (folder, destinations) = (folder.to_owned(), destinations.to_vec());
    let (means, killer) = (means.clone(), killer.clone());
    let running = tokio::spawn(async move {
        let mut outbox = Outbox::open(&folder).unwrap();
        outbox.put(&message(1, "1.50"), &identities(&destinations), means.clock.now()).unwrap();
        pass(&mut outbox, &destinations, &means, killer.as_ref()).await;
    });
    running.await.is_err()
}
