//! A peer for tests: a server on loopback that answers as it is told, in order, and keeps what it
//! was asked; a clock that only moves when someone sleeps; an observer that remembers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{Clock, Observer, Try};

/// What to do with the next request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Answer with this status, content type and body, and these further headers.
    Say(u16, &'static str, String, Vec<(&'static str, &'static str)>),
    /// Take the request and close the connection: it happened, the reply was lost.
    LoseTheReply,
    /// Promise more than is sent.
    BreakOff,
}

impl Answer {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Say(status, "application/json", body.into(), Vec::new())
    }

    pub(crate) fn xml(status: u16, body: impl Into<String>) -> Self {
        Self::Say(status, "text/xml", body.into(), Vec::new())
    }

    /// An error of a REST-JSON service.
    pub(crate) fn refuse(status: u16, code: &'static str, message: &str) -> Self {
        let body = serde_json::json!({ "message": message }).to_string();
        Self::Say(status, "application/json", body, vec![("x-amzn-errortype", code)])
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and path with query.
    pub(crate) line: String,
    /// Headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// A server that answers in order. One request more than it has answers for is closed without one.
pub(crate) struct Peer {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Peer {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let (record, script) = (Arc::clone(&asked), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (record, script) = (Arc::clone(&record), Arc::clone(&script));
                tokio::spawn(serve(stream, record, script));
            }
        });
        Self { url, asked, answers }
    }

    /// Adds answers to the script.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// What has been asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Forgets what has been asked so far.
    pub(crate) fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }
}

async fn serve(
    mut stream: TcpStream,
    record: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
) {
    while let Some(asked) = request(&mut stream).await {
        record.lock().unwrap().push(asked);
        let answer = script.lock().unwrap().pop_front();
        match answer {
            None | Some(Answer::LoseTheReply) => return,
            Some(Answer::BreakOff) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                            content-length: 100\r\n\r\n{";
                let _ = stream.write_all(head.as_bytes()).await;
                return;
            }
            Some(Answer::Say(status, content_type, body, headers)) => {
                let mut head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n",
                    body.len()
                );
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                if stream.write_all((head + &body).as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head_end + length {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    let body = String::from_utf8(bytes[head_end..].to_vec()).unwrap();
    Some(Asked { line, headers, body })
}

/// A clock that stands still, and goes exactly as far as it is asked to sleep.
pub(crate) struct StillClock {
    now: Mutex<Timestamp>,
    slept: Mutex<Vec<Duration>>,
}

impl StillClock {
    pub(crate) fn new() -> Arc<Self> {
        let now = Mutex::new("2026-11-24T10:00:00Z".parse().unwrap());
        Arc::new(Self { now, slept: Mutex::default() })
    }

    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }

    pub(crate) fn pass(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = crate::clock::after(*now, duration);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn real_now(&self) -> Timestamp {
        self.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        async move {
            self.slept.lock().unwrap().push(duration);
            self.pass(duration);
        }
        .boxed()
    }
}

/// An observer that remembers `operation class number outcome`.
#[derive(Default)]
pub(crate) struct Tries(Mutex<Vec<String>>);

impl Tries {
    pub(crate) fn seen(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Tries {
    fn tried(&self, r#try: Try) {
        let Try { operation, class, number, outcome } = r#try;
        self.0.lock().unwrap().push(format!("{operation} {class} {number} {outcome}"));
    }
}
