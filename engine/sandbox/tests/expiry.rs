//! A session's time ends: from then on each service refuses its token in its own words.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use support::wire::{Call, Signer, encoded};
use support::{World, real_now};

const FORM: &str = "application/x-www-form-urlencoded";
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}]}"#;
/// The shortest session.
const SECONDS: i64 = 900;

/// Real time, as far ahead as the test says.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn now(&self) -> Timestamp {
        real_now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// A read of each protocol.
fn reads() -> [(&'static str, Call<'static>); 5] {
    let form = |service: &'static str, body: &str| Call {
        service,
        method: Method::POST,
        path: "/",
        content_type: FORM,
        target: None,
        body: body.to_owned(),
    };
    let json = |service: &'static str, version: &'static str, target: &'static str| Call {
        service,
        method: Method::POST,
        path: "/",
        content_type: version,
        target: Some(target),
        body: "{}".to_owned(),
    };
    let clusters = Call {
        service: "eks",
        method: Method::GET,
        path: "/clusters",
        content_type: "application/json",
        target: None,
        body: String::new(),
    };
    [
        ("query", form("sts", "Action=GetCallerIdentity&Version=2011-06-15")),
        ("ec2", form("ec2", "Action=DescribeVpcs&Version=2016-11-15")),
        ("rest-json", clusters),
        ("json 1.0", json("sqs", "application/x-amz-json-1.0", "AmazonSQS.ListQueues")),
        ("json 1.1", json("events", "application/x-amz-json-1.1", "AWSEvents.ListRules")),
    ]
}

fn between<'a>(text: &'a str, tag: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{tag}>")).expect(text);
    rest.split_once('<').unwrap().0
}

/// Credentials of a session of a new role.
async fn session(world: &World, clock: &Ahead) -> Signer {
    let ask = async |service: &'static str, body: String| {
        let call = Call {
            service,
            method: Method::POST,
            path: "/",
            content_type: FORM,
            target: None,
            body,
        };
        let (status, _, text) =
            world.signer.call(&world.served.aws_endpoint(), call, clock.now()).await;
        assert_eq!(status, 200, "{text}");
        text
    };
    let trust = encoded(TRUST);
    let made = format!(
        "Action=CreateRole&Version=2010-05-08&RoleName=short&AssumeRolePolicyDocument={trust}"
    );
    let role = ask("iam", made).await;
    world.pass(60).await;
    let role = encoded(between(&role, "Arn"));
    let asked = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=one&DurationSeconds={SECONDS}"
    );
    let text = ask("sts", asked).await;
    Signer {
        key: between(&text, "AccessKeyId").to_owned(),
        secret: between(&text, "SecretAccessKey").to_owned(),
        token: Some(between(&text, "SessionToken").to_owned()),
        region: world.signer.region.clone(),
    }
}

/// Status and code of a refusal, where its protocol has them.
fn refusal(protocol: &str, status: u16, headers: &HeaderMap, text: &str) -> (u16, String) {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let code = match protocol {
        "query" | "ec2" => between(text, "Code").to_owned(),
        "rest-json" => header("x-amzn-errortype").unwrap(),
        _ => serde_json::from_str::<Value>(text).unwrap()["__type"].as_str().unwrap().to_owned(),
    };
    (status, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_over_is_refused_as_each_protocol_words_it() {
    let clock = Ahead::default();
    let told = clock.clone();
    let world = World::by_clock(Arc::new(move || told.now())).await;
    let session = session(&world, &clock).await;
    let endpoint = world.served.aws_endpoint();
    for (protocol, call) in reads() {
        let (status, _, text) = session.call(&endpoint, call, clock.now()).await;
        assert_eq!(status, 200, "{protocol}: {text}");
    }

    clock.0.store(SECONDS + 1, Ordering::Relaxed);
    let mut found = Vec::new();
    for (protocol, call) in reads() {
        let (status, headers, text) = session.call(&endpoint, call, clock.now()).await;
        assert!(text.contains("expired"), "{protocol}: {text}");
        let (status, code) = refusal(protocol, status, &headers, &text);
        if protocol == "json 1.0" {
            assert_eq!(headers["x-amzn-query-error"], "ExpiredToken;Sender");
        }
        found.push(json!([protocol, status, code]));
        let (_, own) = reads().into_iter().find(|(one, _)| *one == protocol).unwrap();
        let (status, _, text) = world.signer.call(&endpoint, own, clock.now()).await;
        assert_eq!(status, 200, "a user's own key does not end: {text}");
    }
    assert_eq!(
        json!(found),
        json!([
            ["query", 403, "ExpiredToken"],
            ["ec2", 400, "RequestExpired"],
            ["rest-json", 403, "ExpiredTokenException"],
            ["json 1.0", 403, "com.amazonaws.sqs#ExpiredTokenException"],
            ["json 1.1", 400, "ExpiredTokenException"],
        ])
    );
}
