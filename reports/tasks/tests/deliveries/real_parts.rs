//! Deliveries to a mail server and an S3 server that none of us wrote: aiosmtpd and moto.
//!
//! Both run in a Python that `RUNBOOK_PYTHON` names (`.ci/run` makes one). Where it is missing these
//! tests did not run, and say so loudly: it is no pass of what they would have asserted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{
    ClientTime, Killer, StillTime, identities, killed_pass, means, message, october, pass, passes,
    read, states, text,
};
use runbook_clients::{Access, SilentObserver, aws};
use runbook_core::clock::Clock as _;
use runbook_core::value::Value;
use runbook_tasks::message::Key;
use runbook_tasks::outbox::step::State;
use runbook_tasks::outbox::{Outbox, Silent};
use serde_json::json;

/// A server in Python: what it prints, line by line, and where it reads.
struct Served {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Served {
    /// Starts a script of `tests/foreign`; none, said loudly, where there is no Python for it.
    #[expect(clippy::disallowed_methods, reason = "who runs the tests names the Python")]
    fn start(script: &str, arguments: &[String]) -> Option<Self> {
        let Ok(python) = std::env::var("RUNBOOK_PYTHON") else {
            not_run("RUNBOOK_PYTHON names no Python with aiosmtpd and moto; .ci/run makes one");
            return None;
        };
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "..", "..", "tests", "foreign", script].iter().collect();
        let mut child = Command::new(python)
            .arg(path)
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Some(Self { child, input, lines })
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_mins(1)).expect("the server says something")
    }

    fn ask(&mut self, question: &str) -> serde_json::Value {
        writeln!(self.input.as_mut().unwrap(), "{question}").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Every message so far: those that were taken are printed before they are answered.
    fn messages(&self) -> Vec<serde_json::Value> {
        let mut messages = Vec::new();
        // A line that was written before its answer may still be on its way through the pipe.
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(300)) {
            messages.push(serde_json::from_str(&line).unwrap());
        }
        messages
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Says past the harness that something did not run: it must not look as if it had.
#[expect(clippy::explicit_write, reason = "the harness captures what `eprintln!` says")]
fn not_run(why: &str) {
    writeln!(std::io::stderr(), "NOT RUN: {why}").unwrap();
}

fn mail(port: &str, more: &[(&str, &str)]) -> Value {
    let mut entries = vec![
        ("kind", Value::from("smtp")),
        ("host", Value::from("127.0.0.1")),
        ("port", Value::from(port.parse::<i64>().unwrap())),
        ("tls", Value::from("none")),
        ("from", Value::from("Runbook <runbook@example.com>")),
        ("to", Value::list([Value::from("finance@example.com"), Value::from("cto@example.com")])),
    ];
    for (name, value) in more {
        entries.retain(|(other, _)| other != name);
        entries.push((name, Value::from(*value)));
    }
    Value::map(entries)
}

async fn account(address: &str, clock: &Arc<StillTime>) -> aws::Connection {
    let settings = aws::Settings {
        region: Some("ap-northeast-2".to_owned()),
        endpoint_url: Some(address.to_owned()),
        credentials: Some(aws::StaticCredentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
        }),
        ..aws::Settings::default()
    };
    let clock = Arc::new(ClientTime(clock.clone()));
    aws::Connection::open(settings, Access::Write, clock, Arc::new(SilentObserver)).await.unwrap()
}

#[tokio::test]
async fn a_mail_has_the_key_as_its_message_id_and_the_files_attached() {
    let Some(server) = Served::start("smtp_server.py", &["{}".to_owned()]) else { return };
    let list = read(&[mail(&server.line(), &[])]);
    let (state, clock) = (tempfile::tempdir().unwrap(), StillTime::new());
    let means = means(&clock, state.path(), None);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock.now()).unwrap();
    assert_eq!(pass(&mut outbox, &list, &means, &Silent).await.delivered, 1);
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["from"], "runbook@example.com");
    assert_eq!(messages[0]["to"], json!(["finance@example.com", "cto@example.com"]));
    let content = messages[0]["content"].as_str().unwrap();
    let key = Key::new(&october(), 1, "smtp finance@example.com,cto@example.com");
    for line in [
        format!("Message-ID: <{key}@example.com>"),
        "Subject: showback 2026-10: $1.50".to_owned(),
        "Date: Thu, 05 Nov 2026 06:00:00 +0000".to_owned(),
        "Content-Disposition: attachment; filename=\"showback.html\"".to_owned(),
        "Content-Disposition: attachment; filename=\"showback.csv\"".to_owned(),
        "team a  1.50".to_owned(),
    ] {
        assert!(content.lines().any(|found| found == line), "{line}\n{content}");
    }
}

#[tokio::test]
async fn mail_is_tried_again_when_the_server_says_later_and_never_after_a_final_no() {
    let answers = json!({"answers": ["451 later", "lose", "250 taken", "550 nobody here"]});
    let Some(server) = Served::start("smtp_server.py", &[answers.to_string()]) else { return };
    let list = read(&[mail(&server.line(), &[])]);
    let (state, clock) = (tempfile::tempdir().unwrap(), StillTime::new());
    let means = means(&clock, state.path(), None);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock.now()).unwrap();
    assert_eq!(passes(&mut outbox, &list, &means, &clock).await.delivered, 1);
    let ids: Vec<String> = server
        .messages()
        .iter()
        .flat_map(|message| {
            let content = message["content"].as_str().unwrap().to_owned();
            content
                .lines()
                .filter(|line| line.starts_with("Message-ID"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(ids.len(), 2, "the answer to the first was lost");
    assert_eq!(ids[0], ids[1]);

    outbox.put(&message(2, "1.70"), &identities(&list), clock.now()).unwrap();
    let refused = passes(&mut outbox, &list, &means, &clock).await.refused;
    assert!(refused[0].2.contains("nobody here"), "{refused:?}");
}

#[tokio::test]
async fn mail_goes_through_starttls_with_a_password_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(at("server.pem"), pair.cert.pem()).unwrap();
    std::fs::write(at("server.key"), pair.signing_key.serialize_pem()).unwrap();
    let asked = json!({
        "certificate": at("server.pem"), "key": at("server.key"), "user": "reports", "password": "hush",
    });
    let Some(server) = Served::start("smtp_server.py", &[asked.to_string()]) else { return };
    let port = server.line();
    let signed_in = |password| [("tls", "starttls"), ("user", "reports"), ("password", password)];
    let authorities = at("server.pem");
    let trusting =
        |password| [&signed_in(password)[..], &[("authorities", &*authorities)]].concat();
    let (state, clock) = (tempfile::tempdir().unwrap(), StillTime::new());
    let means = means(&clock, state.path(), None);
    let mut outbox = Outbox::open(state.path()).unwrap();
    let list = read(&[mail(&port, &signed_in("hush"))]);
    outbox.put(&message(1, "1.50"), &identities(&list), clock.now()).unwrap();
    let strangers = pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!(strangers.delivered, 0, "nobody vouches for the certificate");
    clock.set(strangers.next.unwrap());
    let wrong = pass(&mut outbox, &read(&[mail(&port, &trusting("wrong"))]), &means, &Silent).await;
    assert_eq!(wrong.delivered, 0);
    assert!(!format!("{wrong:?}").contains("wrong"), "{wrong:?}");
    let work = runbook_tasks::outbox::Delivering {
        scope: crate::support::SCOPE,
        report: crate::support::REPORT,
        destinations: &read(&[mail(&port, &trusting("hush"))]),
        means: &means,
        backoff: runbook_tasks::outbox::Backoff::default(),
        again: Some(october().window),
        watch: &Silent,
    };
    if let Some(next) = wrong.next {
        clock.set(next);
    }
    let done = runbook_tasks::outbox::deliver(&mut outbox, &work).await.unwrap();
    assert_eq!(done.delivered, 1, "{done:?}");
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!((&messages[0]["tls"], &messages[0]["user"]), (&json!(true), &json!("reports")));
}

#[tokio::test]
async fn objects_are_put_once_and_what_is_there_is_left() {
    let Some(mut server) = Served::start("s3_server.py", &[]) else { return };
    let (state, clock) = (tempfile::tempdir().unwrap(), StillTime::new());
    let aws = account(&server.line(), &clock).await;
    let means = means(&clock, state.path(), Some(aws));
    let list = read(&[text(&[("kind", "s3"), ("bucket", "reports")])]);
    server.ask("put showback/2026-10/r2/showback.csv mine");
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock.now()).unwrap();
    assert_eq!(pass(&mut outbox, &list, &means, &Silent).await.delivered, 1);
    outbox.put(&message(2, "1.70"), &identities(&list), clock.now()).unwrap();
    let end = pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!(
        end.refused[0].2,
        "s3://reports/showback/2026-10/r2/showback.csv is there with other content; move it away, or give the key a place for {revision}"
    );
    let key = Key::new(&october(), 1, list[0].identity());
    let there = server.ask("list");
    assert_eq!(
        there["showback/2026-10/r1/showback.csv"],
        json!({
            "content": "team,cost\na,1.50\n", "media_type": "text/csv; charset=utf-8",
            "metadata": {"runbook-key": key}, "puts": 1,
        })
    );
    assert_eq!(there["showback/2026-10/r2/showback.csv"]["content"], "mine");

    let nowhere = read(&[text(&[("kind", "s3"), ("bucket", "elsewhere")])]);
    outbox.put(&message(2, "1.70"), &identities(&nowhere), clock.now()).unwrap();
    let refused = pass(&mut outbox, &nowhere, &means, &Silent).await.refused;
    assert!(refused[0].2.contains("NoSuchBucket"), "{refused:?}");
}

#[tokio::test]
async fn killed_at_every_step_mail_and_objects_are_where_they_belong() {
    let (mut mails, mut moments) = (0, 0);
    let Some(mut s3) = Served::start("s3_server.py", &[]) else { return };
    let address = s3.line();
    for moment in 0.. {
        let Some(smtp) = Served::start("smtp_server.py", &["{}".to_owned()]) else { return };
        let (state, clock) = (tempfile::tempdir().unwrap(), StillTime::new());
        let means = means(&clock, state.path(), Some(account(&address, &clock).await));
        let key = format!("run-{moment}/{{file}}");
        let bucket = text(&[("kind", "s3"), ("bucket", "reports"), ("key", &key)]);
        let list = read(&[bucket, mail(&smtp.line(), &[])]);
        let killer = Killer::at(moment);
        let was_killed = killed_pass(state.path(), &list, &means, &killer).await;
        let mut outbox = Outbox::open(state.path()).unwrap();
        outbox.put(&message(1, "1.50"), &identities(&list), clock.now()).unwrap();
        passes(&mut outbox, &list, &means, &clock).await;
        let states = states(&outbox);
        assert!(
            states.len() == 2 && states.values().all(|one| matches!(one, State::Delivered { .. })),
            "{states:?}"
        );
        let there = s3.ask("list");
        for (file, content) in
            [("showback.html", "<p>1.50</p>"), ("showback.csv", "team,cost\na,1.50\n")]
        {
            let object = &there[format!("run-{moment}/{file}")];
            assert_eq!((&object["content"], &object["puts"]), (&json!(content), &json!(1)));
        }
        let id = Key::new(&october(), 1, "smtp finance@example.com,cto@example.com");
        let received = smtp.messages();
        assert!((1..=2).contains(&received.len()));
        for one in &received {
            assert!(one["content"].as_str().unwrap().contains(&format!("<{id}@example.com>")));
        }
        mails += received.len();
        if !was_killed {
            moments = moment;
            break;
        }
    }
    assert_eq!(moments, 8);
    assert_eq!(mails, 10, "one for each, and one more where it ended between effect and note");
}
