//! The modules that need no connection: real processes, a real server on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use runbook_core::address::{Address, Part};
use runbook_core::change::{Action, Change};
use runbook_core::clock::{Clock, Delegation, Hold};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Intent, Module, Nature, Observed, Try, TryObserver, Values, Verdict,
};
use runbook_core::owner::{Mark, Owner};
use runbook_core::thread::OwnThread;
use runbook_core::value::{Secret, Value};
use runbook_modules::{Machine, registry_on};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A clock that moves when it is told to, and when somebody sleeps.
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn pass(&self, duration: SignedDuration) {
        *self.0.lock().unwrap() += duration;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn real_now(&self) -> Timestamp {
        self.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut now = self.0.lock().unwrap();
            *now = (*now).max(at);
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

#[derive(Default)]
struct Tries(Mutex<Vec<Try>>);

impl TryObserver for Tries {
    fn tried(&self, one: Try) {
        self.0.lock().unwrap().push(one);
    }
}

/// A task in a folder of its own.
struct Task {
    module: Arc<dyn Module>,
    context: Context,
    arguments: Values,
    clock: Arc<HandClock>,
    folder: TempDir,
}

impl Task {
    fn new(module: &str, arguments: serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { home: Some("/home/somebody".into()), ..Machine::default() };
        let module = registry_on(&machine).get(module).expect("a module").clone();
        let clock = Arc::new(HandClock(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap())));
        let context = Context {
            connection: None,
            owner: Owner("test/one".to_owned()),
            address: Address(vec![Part { id: "task".to_owned(), key: None }]),
            clock: clock.clone(),
            folder: folder.path().to_owned(),
            scratch: folder.path().join("scratch"),
            tries: Arc::new(Tries::default()),
        };
        let mut task = Self { module, context, arguments: Values::new(), clock, folder };
        task.with(arguments);
        task
    }

    /// Other arguments, defaults filled in.
    fn with(&mut self, arguments: serde_json::Value) {
        let Value::Map(given) = Value::from_json(&arguments) else { panic!("no map") };
        self.arguments = (*given).clone();
        for declared in &self.module.schema().arguments {
            match (self.arguments.get(declared.name), &declared.default) {
                (Some(value), _) => declared.r#type.accepts(value).unwrap(),
                (None, Some(default)) => {
                    self.arguments.insert(declared.name.to_owned(), default.clone());
                }
                (None, None) => assert!(!declared.required, "no `{}`", declared.name),
            }
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.arguments.insert(name.to_owned(), value);
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    async fn look(&self) -> Result<(Observed, Change), Failure> {
        let observed = self.module.observe(&self.context, &self.arguments).await?;
        let change = self.module.diff(&self.arguments, &observed);
        Ok((observed, change))
    }

    async fn apply(&self) -> Applied {
        self.apply_on(None).await
    }

    async fn apply_on(&self, thread: Option<&OwnThread>) -> Applied {
        let (observed, change) = self.look().await.unwrap();
        let mark =
            Mark { owner: self.context.owner.clone(), address: self.context.address.clone() };
        let intent = Intent {
            arguments: &self.arguments,
            change: &change,
            observed: &observed,
            token: "rb-test-1",
            mark: &mark,
            thread,
        };
        self.module.apply(&self.context, intent).await
    }

    async fn verify(&self) -> Verdict {
        self.module.verify(&self.context, &self.arguments).await.unwrap()
    }

    async fn converged(&self) -> Values {
        match self.verify().await {
            Verdict::Converged(outputs) => outputs,
            other => panic!("{other:?}"),
        }
    }

    /// Looks, applies, verifies.
    async fn run(&self) -> Values {
        match self.apply().await {
            Applied::Acknowledged(_) => self.converged().await,
            other => panic!("{other:?}"),
        }
    }

    async fn rejected(&self) -> Failure {
        match self.apply().await {
            Applied::Rejected(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

fn script(text: &str) -> serde_json::Value {
    json!({"argv": ["/bin/sh", "-c", text]})
}

#[tokio::test]
async fn a_command_gets_the_environment_it_was_given_and_nothing_else() {
    let task = Task::new(
        "shell",
        json!({"argv": ["env"], "environment": {"NAME": "value", "OTHER": "b c"}}),
    );
    let outputs = task.run().await;
    let mut lines: Vec<&str> = outputs["stdout"].as_str().unwrap().lines().collect();
    lines.sort_unstable();
    let path = format!("PATH={}", Machine::default().path);
    assert_eq!(lines, ["HOME=/home/somebody", "NAME=value", "OTHER=b c", &path]);
    assert_eq!(outputs["exit_code"], Value::Integer(0));
}

#[tokio::test]
async fn without_a_guard_it_is_blind_and_the_plan_says_so() {
    let task = Task::new("shell", script("true"));
    assert_eq!(task.module.nature(&task.arguments), Nature::Blind);
    for _ in 0..2 {
        let (observed, change) = task.look().await.unwrap();
        assert_eq!((observed, change.action), (Observed::Absent, Action::Create));
        assert_eq!(change.reasons, ["runs each time: what it does cannot be planned"]);
        task.run().await;
    }
}

#[tokio::test]
async fn what_it_creates_guards_it() {
    let mut task = Task::new("shell", script("echo made | tee here"));
    std::fs::create_dir(task.path("inner")).unwrap();
    task.set("cwd", "inner".into());
    task.set("creates", "here".into());
    assert_eq!(task.module.nature(&task.arguments), Nature::Observable);
    assert_eq!(task.look().await.unwrap().1.reasons, ["`here` is not there"]);
    assert_eq!(task.run().await["stdout"], "made\n".into());
    assert!(task.path("inner/here").exists());
    assert_eq!(task.look().await.unwrap().1, Change::none());
    assert_eq!(task.converged().await["stdout"], Value::Null);
}

#[tokio::test]
async fn a_guard_that_succeeds_leaves_nothing_to_do() {
    let mut task = Task::new("shell", script("echo x >> log"));
    task.set("unless", Value::list(["/bin/sh", "-c", "test -e log"].map(Value::from)));
    assert_eq!(task.look().await.unwrap().1.action, Action::Create);
    task.run().await;
    assert_eq!(task.look().await.unwrap().1, Change::none());
    assert_eq!(std::fs::read_to_string(task.path("log")).unwrap(), "x\n");
}

#[tokio::test]
async fn a_command_that_did_not_do_what_its_guard_asks_is_waited_for() {
    let mut task = Task::new("shell", script("true"));
    task.set("creates", "never".into());
    assert!(matches!(task.apply().await, Applied::Acknowledged(_)));
    let Verdict::NotYet(reason) = task.verify().await else { panic!("converged") };
    assert_eq!(reason, "it ran, and its guard says that it is still to be done");
    std::fs::write(task.path("never"), "").unwrap();
    assert_eq!(task.converged().await["exit_code"], Value::Integer(0));
}

#[tokio::test]
async fn a_command_that_fails_says_how_and_what_it_said() {
    let task = Task::new("shell", script("echo first; echo 'no such thing' >&2; exit 3"));
    let failure = task.rejected().await;
    assert_eq!(failure.message, "`/bin/sh` ended with exit code 3");
    assert_eq!(failure.evidence, ["no such thing"]);
    let task = Task::new("shell", script("kill -9 $$"));
    assert_eq!(task.rejected().await.message, "`/bin/sh` was ended by signal 9");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_with_where_it_was_looked_for() {
    let task = Task::new("shell", json!({"argv": ["no-such-program"]}));
    let failure = task.rejected().await;
    assert!(failure.message.starts_with("there is no program `no-such-program` in /usr/local"));
    assert!(failure.hint.unwrap().contains("environment"));
    let task = Task::new("shell", json!({"argv": ["/bin/true"], "cwd": "nowhere"}));
    assert!(task.rejected().await.message.contains("nowhere` is not there"));
    let task = Task::new("shell", json!({"argv": ["true"], "environment": {"PATH": "/nowhere"}}));
    assert!(task.rejected().await.message.contains("in /nowhere"));
}

#[tokio::test]
async fn what_it_knows_secretly_it_does_not_show() {
    let mut task = Task::new("shell", script("true"));
    let hidden = Value::Secret(Secret::new("hunter2".into()));
    let argv = ["/bin/sh", "-c", "echo $1; echo $1 >&2; exit $2", "-"].map(Value::from);
    let with = |code: &str| argv.iter().cloned().chain([hidden.clone(), code.into()]);
    task.set("argv", Value::list(with("0")));
    assert!(!task.module.describe(&task.arguments).subject.contains("hunter2"));
    let outputs = task.run().await;
    assert_eq!(outputs["stdout"].as_str(), Some("hunter2\n"));
    assert!(!format!("{outputs:?}").contains("hunter2"));
    task.set("argv", Value::list(with("1")));
    let failure = task.rejected().await;
    assert!(!format!("{failure:?}").contains("hunter2"));
    assert_eq!(failure.evidence, ["what it printed is not shown: it was given a secret"]);
}

#[tokio::test]
async fn a_flood_of_output_is_read_and_not_kept() {
    let task = Task::new(
        "shell",
        script(
            "head -c 1000000 /dev/zero | tr '\\0' a; (head -c 1000000 /dev/zero | tr '\\0' b; echo end) >&2",
        ),
    );
    let outputs = task.run().await;
    assert_eq!(outputs["stdout"].as_str().unwrap(), "a".repeat(65536));
    let stderr = outputs["stderr"].as_str().unwrap();
    assert!((stderr.len(), stderr.ends_with("bend\n")) == (65536, true), "{}", stderr.len());
}

#[tokio::test]
async fn it_reads_what_it_is_given_and_need_not() {
    let mut task = Task::new("shell", json!({"argv": ["cat"], "stdin": "given"}));
    assert_eq!(task.run().await["stdout"], "given".into());
    task.with(json!({"argv": ["true"], "stdin": "x".repeat(1_000_000)}));
    assert_eq!(task.run().await["exit_code"], Value::Integer(0));
    task.with(json!({"argv": ["cat"]}));
    assert_eq!(task.run().await["stdout"], "".into());
}

#[tokio::test]
async fn asked_again_after_it_converged_it_runs_again() {
    let task = Task::new("shell", script("echo x >> log; wc -l < log"));
    let first = task.run().await;
    assert_eq!(first["stdout"].as_str().unwrap().trim(), "1");
    let again = task.converged().await;
    assert_eq!(again["stdout"].as_str().unwrap().trim(), "2");
}

/// Who holds the pipe's other end is alive; its end is the death of all of them.
#[tokio::test]
async fn a_dropped_command_is_killed_with_all_that_it_started() {
    let task = Task::new("shell", script("exec 3> pipe; sleep 1000 & echo started >&3; wait"));
    let made = std::process::Command::new("mkfifo").arg(task.path("pipe")).status().unwrap();
    assert!(made.success());
    let mut pipe =
        tokio::net::unix::pipe::OpenOptions::new().open_receiver(task.path("pipe")).unwrap();
    let mut said = [0_u8; 8];
    tokio::select! {
        applied = task.apply() => panic!("{applied:?}"),
        read = started(&mut pipe, &mut said) => read.unwrap(),
    }
    assert_eq!(&said, b"started\n");
    let end = tokio::time::timeout(Duration::from_secs(30), pipe.read(&mut said)).await;
    assert_eq!(end.expect("somebody still holds the pipe").unwrap(), 0);
}

/// On a thread of its own the command is waited for right there; abandoned, it ends all the same.
#[test]
fn an_abandoned_command_is_killed_with_all_that_it_started() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let task = Task::new("shell", script("exec 3> pipe; sleep 1000 & echo started >&3; wait"));
    let made = std::process::Command::new("mkfifo").arg(task.path("pipe")).status().unwrap();
    assert!(made.success());
    let thread = OwnThread::default();
    let applied = std::thread::scope(|scope| {
        let running = scope.spawn(|| runtime.block_on(task.apply_on(Some(&thread))));
        let mut pipe = BufReader::new(std::fs::File::open(task.path("pipe")).unwrap());
        let mut said = String::new();
        pipe.read_line(&mut said).unwrap();
        assert_eq!(said, "started\n");
        thread.abandon();
        assert_eq!(pipe.read_line(&mut said).unwrap(), 0, "all who held the pipe have ended");
        running.join().unwrap()
    });
    let Applied::Ambiguous(failure) = applied else { panic!("{applied:?}") };
    assert!(failure.message.ends_with("nobody waits for it any more"), "{failure:?}");
}

#[test]
fn on_a_thread_of_its_own_a_command_does_what_it_does_elsewhere() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let thread = OwnThread::default();
    let mut task = Task::new("shell", script("cat; echo no >&2; exit 3"));
    task.set("stdin", Value::from("given\n".repeat(100_000).as_str()));
    let apart = runtime.block_on(task.apply_on(Some(&thread)));
    let among = runtime.block_on(task.apply());
    assert_eq!(apart, among);
    let Applied::Rejected(failure) = apart else { panic!("{apart:?}") };
    assert_eq!(failure.evidence, ["no"]);
    task.with(json!({"argv": ["no-such-program"]}));
    let apart = runtime.block_on(task.apply_on(Some(&thread)));
    assert_eq!(apart, runtime.block_on(task.apply()));
    assert!(matches!(apart, Applied::Rejected(_)));
}

/// A pipe without a writer reads as ended; until the command has opened it there is none.
async fn started(
    pipe: &mut tokio::net::unix::pipe::Receiver,
    said: &mut [u8; 8],
) -> std::io::Result<()> {
    loop {
        match pipe.read_exact(said).await {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                tokio::task::yield_now().await;
            }
            done => return done.map(drop),
        }
    }
}

#[tokio::test]
async fn a_wait_counts_world_time_from_its_own_look() {
    let task = Task::new("wait", json!({"for": "30s"}));
    let (_, change) = task.look().await.unwrap();
    assert_eq!(change, Change::none());
    assert_eq!(task.verify().await, Verdict::NotYet("until 2026-01-01T00:00:30Z".to_owned()));
    task.clock.pass(SignedDuration::from_secs(29));
    assert!(matches!(task.verify().await, Verdict::NotYet(_)));
    task.clock.pass(SignedDuration::from_secs(1));
    task.converged().await;
    task.look().await.unwrap();
    assert!(matches!(task.verify().await, Verdict::NotYet(_)), "a new look waits anew");
    let task = Task::new("wait", json!({}));
    task.look().await.unwrap();
    task.converged().await;
}

#[tokio::test]
async fn an_assertion_holds_or_fails_with_its_message() {
    let mut task = Task::new("assert", json!({"that": true, "message": "it should"}));
    task.converged().await;
    task.set("that", false.into());
    let Verdict::Terminal(failure) = task.verify().await else { panic!("it held") };
    assert_eq!((failure.class, failure.message.as_str()), (Class::Invalid, "it should"));
}

/// Serves scripted answers on loopback, one connection each.
struct Server {
    address: String,
    asked: Arc<AtomicUsize>,
}

const FILE: &[u8] = b"{\"Version\": \"2012-10-17\"}\n";
const FILE_SHA256: &str = "9fa41a239531415631e5e4d8ca94e619f02425ff7b7ba85d8fba3ad86e786b5d";

impl Server {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            let mut failures = 1;
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                count.fetch_add(1, Ordering::SeqCst);
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let answer = match path {
                    "/file" => answer("200 OK", "", FILE),
                    "/moved" => answer("302 Found", "Location: /file\r\n", b""),
                    "/circle" => answer("302 Found", "Location: /circle\r\n", b""),
                    "/binary" => answer("200 OK", "", &[0xff, 0xfe]),
                    "/tired" if failures > 0 => {
                        failures -= 1;
                        answer("503 Service Unavailable", "", b"")
                    }
                    "/tired" => answer("200 OK", "", FILE),
                    _ => answer("404 Not Found", "", b"no"),
                };
                // A client that has seen enough closes early.
                let _ = stream.write_all(&answer).await;
            }
        });
        Self { address, asked }
    }

    fn task(&self, path: &str, hash: &str) -> Task {
        Task::new("http.fetch", json!({"url": format!("{}{path}", self.address), "sha256": hash}))
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_file_is_fetched_once_and_found_again() {
    let server = Server::new().await;
    let task = server.task("/file", &FILE_SHA256.to_uppercase());
    assert_eq!(task.module.check(&task.arguments), Vec::new());
    assert_eq!(task.look().await.unwrap().1.action, Action::Create);
    let outputs = task.run().await;
    assert_eq!(outputs["text"].as_str().unwrap().as_bytes(), FILE);
    assert_eq!(outputs["sha256"], FILE_SHA256.into());
    let path = outputs["path"].as_str().unwrap();
    assert_eq!(std::fs::read(path).unwrap(), FILE);
    assert_eq!(task.look().await.unwrap().1, Change::none());
    assert_eq!(task.converged().await, outputs);
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    std::fs::write(path, "something else").unwrap();
    assert_eq!(task.look().await.unwrap().1.action, Action::Create, "it was tampered with");
    assert_eq!(task.run().await, outputs);
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
    assert_eq!(left_beside(Path::new(path)), 1, "nothing half written is left");
}

fn left_beside(path: &Path) -> usize {
    std::fs::read_dir(path.parent().unwrap()).unwrap().count()
}

#[tokio::test]
async fn another_file_than_expected_is_refused_and_not_kept() {
    let server = Server::new().await;
    let task = server.task("/file", &"0".repeat(64));
    let failure = task.rejected().await;
    assert!(failure.message.contains(FILE_SHA256), "{failure}");
    assert!(failure.hint.unwrap().contains("`sha256`"));
    assert_eq!(task.look().await.unwrap().0, Observed::Absent);
    assert!(!task.context.scratch.join("fetched").exists());
}

#[tokio::test]
async fn redirects_are_followed_but_not_in_circles() {
    let server = Server::new().await;
    assert_eq!(server.task("/moved", FILE_SHA256).run().await["sha256"], FILE_SHA256.into());
    let failure = server.task("/circle", FILE_SHA256).rejected().await;
    assert!(failure.message.contains("redirects"), "{failure}");
}

#[tokio::test]
async fn what_is_too_large_gone_or_unsafe_is_told() {
    let server = Server::new().await;
    let mut task = server.task("/file", FILE_SHA256);
    task.set("max_bytes", Value::Integer(10));
    let failure = task.rejected().await;
    assert!(failure.message.contains("10"), "{failure}");
    let failure = server.task("/nowhere", FILE_SHA256).rejected().await;
    assert!(failure.message.contains("404"), "{failure}");
    let plain = Task::new(
        "http.fetch",
        json!({"url": "http://files.invalid/policy.json", "sha256": FILE_SHA256}),
    );
    let failure = plain.rejected().await;
    assert!(failure.message.contains("plain HTTP"), "{failure}");
}

#[tokio::test]
async fn a_server_that_is_tired_is_asked_again_and_each_try_is_seen() {
    let server = Server::new().await;
    let mut task = server.task("/tired", FILE_SHA256);
    let tries = Arc::new(Tries::default());
    task.context.tries = tries.clone();
    task.run().await;
    let seen: Vec<u32> = tries.0.lock().unwrap().iter().map(|one| one.number).collect();
    assert_eq!(seen, [1, 2]);
}

#[tokio::test]
async fn a_file_that_is_no_text_has_none() {
    let server = Server::new().await;
    let hash = "b3d510ef04275ca8e698e5b3cbb0ece3949ef9252f0cdc839e9ee347409a2209";
    let task = server.task("/binary", hash);
    let outputs = task.run().await;
    assert_eq!(outputs["text"], Value::Null);
    assert_eq!(std::fs::read(outputs["path"].as_str().unwrap()).unwrap(), [0xff, 0xfe]);
}

#[test]
fn a_hash_and_an_address_are_checked_before_anything_runs() {
    let task = Task::new("http.fetch", json!({"url": "ftp://x/y", "sha256": "abc"}));
    let names: Vec<String> =
        task.module.check(&task.arguments).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["url", "sha256"]);
}
