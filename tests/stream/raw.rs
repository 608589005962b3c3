//! Requests that no kubectl sends, answered by a real control plane and by the sandbox: other shapes,
//! broken bodies, contradicting options. `foreign/stream/raw.txt` has them.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use regex::Regex;

use super::control_plane::ControlPlane;
use super::{Answer, allowed, folder, normal, problems, recorded, text, written};
use crate::foreign::finished_cluster;
use crate::load::clients::Target;
use crate::support::{not_run, variable};

/// Headers of an answer that say something about it.
const HEADERS: [&str; 3] = ["content-type", "warning", "allow"];

/// Longer than any answer takes, the watches of a second included.
const LATEST: Duration = Duration::from_mins(1);

/// A request of the file.
#[derive(Debug, Default)]
struct Request {
    /// Its name with its method and path: what it is known by.
    command: String,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn requests() -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for line in text("raw.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(command) = line.strip_prefix("$ ") {
            let (_, request) = command.split_once(": ").expect(line);
            let (method, path) = request.split_once(' ').expect(line);
            requests.push(Request {
                command: command.to_owned(),
                method: method.parse().unwrap(),
                path: path.to_owned(),
                ..Request::default()
            });
            continue;
        }
        let request = requests.last_mut().expect("a request comes first");
        match line.split_once(':').expect(line) {
            ("body", body) => request.body = body.trim().as_bytes().to_vec(),
            ("bytes", digits) => request.body = hex::decode(digits.trim()).unwrap(),
            (name, value) => request.headers.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    requests
}

async fn answers(target: &Target) -> Vec<Answer> {
    let mut answers = Vec::new();
    for request in requests() {
        let mut headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let is_typed = headers.iter().any(|(name, _)| *name == "content-type");
        if !is_typed && !request.body.is_empty() && request.method != Method::PATCH {
            headers.push(("content-type", "application/json"));
        }
        let body = Bytes::from(request.body.clone());
        let mut connection = target.connect().await;
        let asked = async {
            let answer = connection.send_as(request.method, &request.path, &headers, body).await;
            let (head, body) = answer.into_parts();
            (head, body.collect().await.unwrap().to_bytes())
        };
        let (head, body) = tokio::time::timeout(LATEST, asked)
            .await
            .unwrap_or_else(|_| panic!("no end of the answer to {}", request.command));
        let told = HEADERS.iter().flat_map(|name| {
            let values = head.headers.get_all(*name).iter();
            values.map(move |value| format!("{name}: {}", value.to_str().unwrap()))
        });
        let mut lines: Vec<String> = told.collect();
        lines.extend(of_body(&String::from_utf8_lossy(&body)));
        let code = i32::from(head.status.as_u16());
        answers.push(Answer { command: request.command, lines, code });
    }
    answers
}

/// The lines of a body: one object, or one a line, as a watch has them. Ages, pages and tokens are
/// each cluster's own.
fn of_body(body: &str) -> Vec<String> {
    static OWN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^( *)("(?:continue|token)": )?"(?:\d+[smh]|ey[\w.-]+)"$"#).unwrap()
    });
    let is_one = serde_json::from_str::<serde_json::Value>(body).is_ok();
    let lines: Vec<String> =
        if is_one { normal::lines(body) } else { body.lines().flat_map(normal::lines).collect() };
    lines.iter().map(|line| OWN.replace(line, "$1$2\"*\"").into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_no_kubectl_sends_are_answered_as_by_a_real_control_plane() {
    // The control plane is set up by it.
    let has_kubectl = Command::new("kubectl").args(["version", "--client"]).output().is_ok();
    let programs = variable("RUNBOOK_CONTROL_PLANE").filter(|_| has_kubectl);
    let real = if let Some(programs) = programs {
        let plane = ControlPlane::start(Path::new(&programs));
        let real = answers(&plane.target()).await;
        if variable("RUNBOOK_RECORD").is_some() {
            let text = written(&real, "raw.txt", "No client; the requests are sent as they are.");
            std::fs::write(folder().join("raw-recorded.txt"), text).unwrap();
        } else {
            let problems = problems(&recorded("raw-recorded.txt"), &real, &[]);
            assert!(problems.is_empty(), "the record is old:\n{}", problems.join("\n"));
        }
        real
    } else {
        not_run("RUNBOOK_CONTROL_PLANE names no real control plane; its record judges");
        recorded("raw-recorded.txt")
    };
    let (folder, served) = finished_cluster();
    let target = Target::of(&folder, &served, "myeks").expect("the cluster is there");
    let ours = answers(&target).await;
    let problems = problems(&ours, &real, &allowed("raw-differences.txt"));
    assert!(
        problems.is_empty(),
        "{} of {} requests:\n{}",
        problems.len(),
        ours.len(),
        problems.join("\n")
    );
}
