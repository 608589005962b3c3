//! Asking over a real socket: what is paid for, what is kept, what happens when the budget ends.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use runbook_capacity::money::Unit;
use runbook_clients::aws::{Settings, StaticCredentials};
use runbook_clients::{Access, Clock, SilentObserver};
use serde_json::{Value, json};

use super::*;
use crate::bill::{Category, Class};

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::111122223333:user/runbook</Arn><UserId>A</UserId><Account>111122223333</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

/// A server that answers in order, and keeps what it was asked.
struct Peer {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
}

impl Peer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<(u16, Value)>>> = Arc::default();
        let (record, script) = (Arc::clone(&asked), Arc::clone(&answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut length, mut is_json) = (0, false);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    let lower = line.to_ascii_lowercase();
                    if let Some(text) = lower.strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap();
                    }
                    is_json |= lower.starts_with("x-amz-target:");
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let (status, text) = if is_json {
                    record.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    let (status, answer) =
                        script.lock().unwrap().pop_front().unwrap_or((500, json!({})));
                    (status, answer.to_string())
                } else {
                    (200, IDENTITY.to_owned())
                };
                let head = format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n\
                     content-length: {}\r\n\r\n",
                    text.len()
                );
                reader.get_mut().write_all((head + &text).as_bytes()).unwrap();
            }
        });
        Self { url, asked, answers }
    }

    fn then(&self, answers: impl IntoIterator<Item = (u16, Value)>) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-05T10:00:00Z".parse().unwrap()
    }

    fn real_now(&self) -> Timestamp {
        self.now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

struct World {
    peer: Peer,
    connection: Connection,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let peer = Peer::start();
        let settings = Settings {
            region: Some("ap-northeast-2".to_owned()),
            endpoint_url: Some(peer.url.clone()),
            credentials: Some(StaticCredentials {
                access_key_id: "a".to_owned(),
                secret_access_key: "b".to_owned(),
                session_token: None,
            }),
            ..Settings::default()
        };
        let connection =
            Connection::open(settings, Access::Read, Arc::new(Still), Arc::new(SilentObserver));
        let connection = connection.await.unwrap();
        Self { peer, connection, folder: tempfile::tempdir().unwrap() }
    }

    async fn ask(&self, question: &Question) -> Result<Asked, AskError> {
        ask(&self.connection, &Cache::at(self.folder.path()), question).await
    }
}

fn question(days: &str, most_requests: u32) -> Question {
    let (first, last) = days.split_once(' ').unwrap();
    Question {
        window: Window {
            start: Window::day(first.parse().unwrap()).start,
            end: Window::day(last.parse().unwrap()).end,
        },
        owners: Vec::new(),
        regions: vec!["ap-northeast-2".to_owned()],
        most_requests,
        price: Price::new(100_000_000, Unit::Piece),
        now: "2026-11-05T10:00:00Z".parse().unwrap(),
    }
}

fn day(date: &str, is_estimated: bool, groups: &[(&str, &str, &str, &str)]) -> Value {
    let groups: Vec<Value> = groups
        .iter()
        .map(|(first, second, amount, quantity)| {
            json!({"Keys": [first, second], "Metrics": {
                "NetAmortizedCost": {"Amount": amount, "Unit": "USD"},
                "UsageQuantity": {"Amount": quantity, "Unit": "N/A"},
            }})
        })
        .collect();
    let period = json!({"Start": date, "End": date});
    json!({"TimePeriod": period, "Estimated": is_estimated, "Groups": groups, "Total": {}})
}

fn page(days: &[Value], next: Option<&str>) -> (u16, Value) {
    (200, json!({"ResultsByTime": days, "NextPageToken": next}))
}

const EC2: &str = "Amazon Elastic Compute Cloud - Compute";
const M7G: (&str, &str, &str, &str) = (EC2, "APN2-BoxUsage:m7g.large", "2.4072", "24");
const TAX: (&str, &str, &str, &str) = ("Tax", "AWS", "0.24", "0");

#[tokio::test]
async fn pages_are_counted_and_answers_are_never_paid_for_twice() {
    let world = World::new().await;
    let vcpu = (
        "Amazon Elastic Container Service for Kubernetes",
        "APN2-Fargate-vCPU-Hours:perCPU",
        "1.1",
        "24",
    );
    world.peer.then([
        page(&[day("2026-10-01", false, &[M7G])], Some("n")),
        page(&[day("2026-10-01", false, &[vcpu]), day("2026-10-02", true, &[M7G])], None),
        page(&[day("2026-10-01", false, &[TAX]), day("2026-10-02", true, &[])], None),
    ]);
    let asked = world.ask(&question("2026-10-01 2026-10-02", 10)).await.unwrap();
    assert_eq!((asked.requests, asked.bill.asking.dollars(2)), (3, "0.03".to_owned()));
    let lines: Vec<_> = asked
        .bill
        .lines
        .iter()
        .map(|one| {
            (
                one.period.to_string(),
                one.class,
                one.category,
                one.effective.dollars(4),
                one.is_estimated,
            )
        })
        .collect();
    let (first, second) = ("2026-10-01".to_owned(), "2026-10-02".to_owned());
    assert_eq!(
        lines,
        [
            (first.clone(), Class::Ec2Compute, Category::Usage, "2.4072".to_owned(), false),
            (first.clone(), Class::FargateVcpu, Category::Usage, "1.1000".to_owned(), false),
            (first, Class::Other, Category::Tax, "0.2400".to_owned(), false),
            (second, Class::Ec2Compute, Category::Usage, "2.4072".to_owned(), true),
        ]
    );
    assert_eq!(asked.bill.lines[0].quantity_billionths, Some(24_000_000_000));
    world.peer.asked();

    // The same day again: what is estimated was asked for today.
    let again = world.ask(&question("2026-10-01 2026-10-02", 10)).await.unwrap();
    assert_eq!((again.requests, &again.bill.lines), (0, &asked.bill.lines));
    assert!(world.peer.asked().is_empty());

    // Tomorrow only what was estimated, until it is not.
    world.peer.then([
        page(&[day("2026-10-02", false, &[M7G])], None),
        page(&[day("2026-10-02", false, &[])], None),
    ]);
    let now = "2026-11-06T10:00:00Z".parse().unwrap();
    let tomorrow = Question { now, ..question("2026-10-01 2026-10-02", 10) };
    let final_one = world.ask(&tomorrow).await.unwrap();
    assert_eq!(final_one.requests, 2);
    assert_eq!(
        world.peer.asked()[0]["TimePeriod"],
        json!({"Start": "2026-10-02", "End": "2026-10-03"})
    );
    assert!(final_one.bill.lines.iter().all(|line| !line.is_estimated));
    assert_eq!(world.ask(&tomorrow).await.unwrap().requests, 0);
}

#[tokio::test]
async fn over_budget_it_stops_with_the_days_that_are_whole() {
    let world = World::new().await;
    world.peer.then([page(
        &[day("2026-10-01", false, &[M7G]), day("2026-10-02", false, &[M7G])],
        Some("n"),
    )]);
    let asked = world.ask(&question("2026-10-01 2026-10-03", 1)).await.unwrap();
    // The second day may go on in the page that was not asked for, and what is no use is not known at all.
    assert_eq!(asked.requests, 1);
    assert_eq!(asked.unknown.len(), 3);
    assert!(asked.bill.lines.is_empty());
    assert_eq!(
        (asked.findings[0].code, asked.findings[0].subject.as_str()),
        ("over_budget", "2026-10-01 to 2026-10-03")
    );
    world.peer.asked();

    // With more, the day that is known is not asked for again.
    world.peer.then([
        page(&[day("2026-10-02", false, &[M7G]), day("2026-10-03", false, &[M7G])], None),
        page(&["2026-10-01", "2026-10-02", "2026-10-03"].map(|date| day(date, false, &[])), None),
    ]);
    let rest = world.ask(&question("2026-10-01 2026-10-03", 2)).await.unwrap();
    assert_eq!((rest.requests, rest.unknown.len(), rest.bill.lines.len()), (2, 0, 3));
    assert_eq!(world.peer.asked()[0]["TimePeriod"]["Start"], "2026-10-02");
}

#[tokio::test]
async fn without_net_costs_it_is_the_amortized_cost_and_both_requests_count() {
    let world = World::new().await;
    let gross = |date: &str| {
        let mut one = day(date, false, &[M7G]);
        let metrics = one["Groups"][0]["Metrics"].as_object_mut().unwrap();
        let cost = metrics.remove("NetAmortizedCost").unwrap();
        metrics.insert("AmortizedCost".to_owned(), cost);
        one
    };
    world.peer.then([
        (400, json!({"__type": "DataUnavailableException", "message": "The requested data is unavailable."})),
        page(&[gross("2026-10-01")], None),
        page(&[day("2026-10-01", false, &[])], None),
    ]);
    let asked = world.ask(&question("2026-10-01 2026-10-01", 10)).await.unwrap();
    assert_eq!((asked.requests, asked.findings[0].code), (3, "no_net_costs"));
    assert_eq!(asked.bill.lines[0].effective.dollars(4), "2.4072");
    let bodies = world.peer.asked();
    // The second question knows.
    assert_eq!(bodies[2]["Metrics"][0], "AmortizedCost");
}

#[tokio::test]
async fn a_tag_that_is_not_active_is_account_scope_in_words() {
    let world = World::new().await;
    let tags = |status: &str| json!({"CostAllocationTags": [{"TagKey": "runbook/owner", "Type": "UserDefined", "Status": status}]});
    let empty = || page(&[day("2026-10-01", false, &[])], None);
    world.peer.then([(200, tags("Inactive")), empty(), empty()]);
    let owned = Question {
        owners: vec!["nodeless/myeks".to_owned()],
        ..question("2026-10-01 2026-10-01", 10)
    };
    let asked = world.ask(&owned).await.unwrap();
    assert_eq!(asked.bill.scope, Scope::Accounts(vec!["111122223333".to_owned()]));
    assert_eq!((asked.requests, asked.findings[0].code), (3, "tag_not_active"));
    assert!(asked.findings[0].message.contains("is not active, so this is account scope"));

    let world = World::new().await;
    world.peer.then([(200, tags("Active")), empty(), empty()]);
    let asked = world.ask(&owned).await.unwrap();
    assert_eq!(asked.bill.scope, Scope::Tag("nodeless/myeks".to_owned()));
    // Fargate's lines are asked for whatever they carry.
    let either = &world.peer.asked()[1]["Filter"]["And"][2]["Or"];
    assert_eq!(either[0]["Tags"]["Values"], json!(["nodeless/myeks"]));
    assert_eq!(either[1]["Dimensions"]["Values"][0], "APN2-Fargate-vCPU-Hours:perCPU");
}

#[tokio::test]
async fn throttling_is_repeated_at_no_cost_and_a_lost_answer_counts() {
    let world = World::new().await;
    let throttled =
        || (400, json!({"__type": "LimitExceededException", "message": "Rate exceeded"}));
    world.peer.then([
        throttled(),
        page(&[day("2026-10-01", false, &[M7G])], None),
        (500, json!({"__type": "InternalServerError", "message": "oops"})),
        page(&[day("2026-10-01", false, &[])], None),
    ]);
    let asked = world.ask(&question("2026-10-01 2026-10-01", 10)).await.unwrap();
    assert_eq!(world.peer.asked().len(), 4);
    assert_eq!(asked.requests, 3);
}

#[tokio::test]
async fn a_refusal_and_a_strange_answer_are_errors_and_lose_nothing() {
    let world = World::new().await;
    world
        .peer
        .then([(400, json!({"__type": "AccessDeniedException", "message": "not authorized"}))]);
    let error = world.ask(&question("2026-10-01 2026-10-01", 10)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to ask Cost Explorer for use, after 1 of at most 10 requests"
    );
    let wrong = day("2026-10-01", false, &[(EC2, "APN2-BoxUsage:m7g.large", "1O", "24")]);
    world.peer.then([page(&[wrong], None)]);
    let error = world.ask(&question("2026-10-01 2026-10-01", 10)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cost Explorer's answer about 2026-10-01 cannot be used: `1O` is no number"
    );
    // It is not kept, so a better answer is asked for.
    world.peer.then([
        page(&[day("2026-10-01", false, &[M7G])], None),
        page(&[day("2026-10-01", false, &[TAX])], None),
    ]);
    let asked = world.ask(&question("2026-10-01 2026-10-01", 10)).await.unwrap();
    assert_eq!(asked.bill.lines.len(), 2);
}

#[test]
fn a_cache_of_another_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    cache.keep("a question", &BTreeMap::new()).unwrap();
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    for (text, why) in
        [("{\"version\":2}", "it is of version 2"), ("{", "EOF"), ("{}", "it says no version")]
    {
        std::fs::write(&path, text).unwrap();
        let error = cache.days("a question").unwrap_err().to_string();
        assert!(
            error.contains(why) && error.contains("remove it, and it is asked again"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
