//! What a client may do to a world: send too much, send nonsense, send nothing, read nothing, come
//! in hundreds. It gets an answer, and the world is as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use support::{CLUSTER, World};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
/// Longer than anything here takes; only a defect waits for it.
const FAR: Duration = Duration::from_mins(2);

async fn map(world: &World, name: &str, data: Value) {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    let (status, body) = world.ask(Method::POST, MAPS, JSON, &object).await;
    assert_eq!(status, 201, "{body}");
}

/// Everything that the cluster holds of a kind, with the version of the whole store.
async fn whole(world: &World) -> Value {
    world.get(MAPS).await.unwrap()
}

fn status_of(text: &str) -> Value {
    let status: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("no Status: {text}"));
    assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Failure")));
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_no_object_is_refused_and_changes_nothing() {
    let world = World::with_cluster().await;
    map(&world, "kept", json!({"a": "b"})).await;
    let before = whole(&world).await;

    let text = "x".repeat(50_000_000);
    let huge = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "huge"}, "data": {"a": text}});
    let (status, answer) =
        world.send(Method::POST, MAPS, JSON, huge.to_string().into_bytes()).await;
    assert_eq!(status, 413);
    let answer = status_of(&answer);
    assert_eq!(answer["reason"], "RequestEntityTooLarge");
    assert_eq!(answer["message"], "Request entity too large: limit is 3145728");

    let named = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}";
    let deep = |levels: usize| {
        format!("{named},\"data\":{{\"a\":{}{}}}}}", "[".repeat(levels), "]".repeat(levels))
    };
    let laughs: String = (1..40)
        .map(|line| format!("a{line}: &a{line} [{}]\n", format!("*a{},", line - 1).repeat(10)))
        .collect();
    let yaml = "application/yaml";
    let protobuf = "application/vnd.kubernetes.protobuf";
    for (kind, body) in [
        (JSON, named.to_owned()),
        (JSON, "no json".to_owned()),
        (JSON, "[]".to_owned()),
        (JSON, "7".to_owned()),
        (JSON, format!("{named},\"data\":7}}")),
        (JSON, format!("{named},\"data\":{{\"a\":1e999999}}}}")),
        (JSON, deep(10_000)),
        (JSON, deep(1_000_000)),
        (JSON, "{\"a\":".repeat(100_000)),
        (yaml, "a: b: c: [".to_owned()),
        (yaml, format!("a: {}", "[".repeat(10_000))),
        (yaml, format!("a: {}", "{b: ".repeat(10_000))),
        (yaml, (0..1500).map(|level| format!("{}a:\n", " ".repeat(level))).collect()),
        (yaml, format!("a: {}", "- ".repeat(100_000))),
        (yaml, format!("a0: &a0 [x]\n{laughs}")),
        (protobuf, "no protobuf".to_owned()),
        (protobuf, "k8s\0\u{a}\u{7f}".to_owned()),
        (protobuf, format!("k8s\0{}", "\u{a}\u{5}".repeat(100_000))),
    ] {
        let shown = body.chars().take(60).collect::<String>();
        for method in [Method::POST, Method::PUT] {
            let path = if method == Method::PUT { format!("{MAPS}/kept") } else { MAPS.to_owned() };
            let (status, answer) = world.send(method, &path, kind, body.clone().into_bytes()).await;
            assert!(matches!(status, 400 | 422), "{kind} {shown}: {status} {answer}");
            assert_eq!(status_of(&answer)["code"], status, "{answer}");
            assert!(answer.len() < 10_000, "{shown}: {} bytes", answer.len());
        }
    }
    let (_, answer) = world.send(Method::POST, MAPS, JSON, b"[]".to_vec()).await;
    assert_eq!(
        status_of(&answer)["message"],
        "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" } (5b5d)"
    );
    let (_, answer) = world.send(Method::POST, MAPS, protobuf, b"no protobuf".to_vec()).await;
    assert_eq!(
        status_of(&answer)["message"],
        "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (6e6f2070726f746f627566)"
    );
    let (_, answer) = world.send(Method::POST, MAPS, JSON, deep(10_000).into_bytes()).await;
    let message = status_of(&answer)["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with(" ({\"apiVersion\":\"v1\",\"kind\":\"Con ...)"), "{message}");
    let (status, answer) = world.send(Method::POST, MAPS, JSON, vec![0xff, 0xfe, 0, 1]).await;
    assert_eq!((status, &status_of(&answer)["reason"]), (400, &json!("BadRequest")));
    assert_eq!(whole(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_types_paths_and_tokens_are_refused_as_the_apiserver_does() {
    let world = World::with_cluster().await;
    map(&world, "kept", json!({"a": "b"})).await;
    let before = whole(&world).await;
    for kind in ["text/plain", "application/cbor", "application/x-www-form-urlencoded"] {
        let (status, answer) = world.send(Method::POST, MAPS, kind, b"{}".to_vec()).await;
        let answer = status_of(&answer);
        assert_eq!((status, &answer["reason"]), (415, &json!("UnsupportedMediaType")), "{kind}");
        assert_eq!(
            answer["message"],
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
    }
    let one = format!("{MAPS}/kept");
    for kind in [JSON, "application/apply-patch+cbor", "text/plain"] {
        let (status, answer) = world.send(Method::PATCH, &one, kind, vec![0xa0]).await;
        let answer = status_of(&answer);
        assert_eq!((status, &answer["reason"]), (415, &json!("UnsupportedMediaType")), "{kind}");
        assert_eq!(answer["message"], "415: Unsupported Media Type");
    }
    for path in ["/nothing", "/api/v1/nothings", "/apis/no.group/v1/things", "/%ff%00/../x"] {
        let (status, answer) = world.send(Method::GET, path, JSON, Vec::new()).await;
        assert_eq!(status, 404, "{path}: {answer}");
    }
    let (status, _) = world.send(Method::POST, &one, JSON, b"{}".to_vec()).await;
    assert_eq!(status, 405);

    let long = format!("k8s-aws-v1.{}", "A".repeat(100_000));
    let cut = world.token(CLUSTER, 0);
    let cut = &cut[..cut.len() - 8];
    for token in [
        "",
        "nonsense",
        "k8s-aws-v1.",
        "k8s-aws-v1.AAAA",
        &long,
        cut,
        &world.token(CLUSTER, 16 * 60),
        &world.token("other", 0),
    ] {
        let (status, answer) = world.ask_with(token, MAPS).await;
        assert_eq!((status, &answer["reason"]), (401, &json!("Unauthorized")), "{token:.40}");
        assert_eq!(answer["kind"], "Status");
    }
    let (status, _) = world.ask_with(&world.token(CLUSTER, 14 * 60), MAPS).await;
    assert_eq!(status, 200);
    assert_eq!(whole(&world).await, before);
}

/// The head of a request as it stands on the wire.
fn head(world: &World, host: &str, first: &str, more: &str) -> String {
    let token = world.token(CLUSTER, 0);
    format!("{first} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{more}\r\n")
}

/// What a connection answers until it is closed.
async fn answered(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    // A closed connection may end without TLS's own word.
    let _ = tokio::time::timeout(FAR, stream.read_to_end(&mut text)).await.expect("it is closed");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_a_body_that_is_too_long() {
    let world = World::with_cluster().await;
    let (host, mut stream) = world.connect().await;
    let more = "content-type: application/json\r\ncontent-length: 50000000\r\n";
    let text = head(&world, &host, &format!("POST {MAPS}"), more);
    // A client that reads nothing before it has sent everything.
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 50_000_000]).await.expect("the body is taken");
    let text = head(&world, &host, &format!("GET {MAPS}"), "connection: close\r\n");
    stream.write_all(text.as_bytes()).await.expect("the connection is there");
    let answer = answered(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:.200}");
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_longer_than_any_is_refused_and_a_long_one_is_answered() {
    let world = World::with_cluster().await;
    map(&world, "kept", json!({})).await;
    let list =
        |length: usize| format!("GET {MAPS}?labelSelector={}", "a%3Db%2C".repeat(length / 8));
    let (host, mut stream) = world.connect().await;
    let text = head(&world, &host, &list(1 << 20), "connection: close\r\n");
    // The answer may come before all was sent, and the connection end with it.
    let _ = stream.write_all(text.as_bytes()).await;
    let answer = answered(&mut stream).await;
    let code = answer.split(' ').nth(1).unwrap_or_default();
    assert!(matches!(code, "414" | "431"), "{answer}");

    let (host, mut stream) = world.connect().await;
    let text = head(&world, &host, &list(60_000), "connection: close\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let answer = answered(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"items\":[]"), "{answer}");
    assert_eq!(whole(&world).await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_or_half_a_thing_hold_nobody_up() {
    let world = World::with_cluster().await;
    map(&world, "kept", json!({})).await;
    let before = whole(&world).await;
    let mut held = Vec::new();
    let mut silent = Vec::new();
    for number in 0..60 {
        let (host, mut stream) = world.connect().await;
        let object =
            "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"half\"}";
        let long = "content-type: application/json\r\ncontent-length: 1000\r\n";
        let text = match number % 4 {
            0 => String::new(),
            1 => format!("GET {MAPS} HT"),
            2 => head(&world, &host, &format!("POST {MAPS}"), long),
            _ => head(&world, &host, &format!("POST {MAPS}"), long) + object,
        };
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        held.push(stream);
        // One that never begins TLS.
        let host = host.trim_start_matches("https://").to_owned();
        silent.push(tokio::net::TcpStream::connect(host).await.unwrap());
    }
    assert_eq!(tokio::time::timeout(FAR, whole(&world)).await.expect("others are served"), before);
    drop(held);
    drop(silent);
    assert_eq!(whole(&world).await, before);
    // No HTTP at all.
    let (_, mut stream) = world.connect().await;
    stream.write_all(b"\x00\x01nonsense\r\n\r\n").await.unwrap();
    let answer = answered(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(whole(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_clients_at_once_are_all_answered() {
    let world = World::with_cluster().await;
    for number in 0..20 {
        map(&world, &format!("map-{number}"), json!({"number": number.to_string()})).await;
    }
    let before = whole(&world).await;
    let one = |number: usize| {
        let world = &world;
        async move {
            let list = world.get(MAPS).await.unwrap();
            let path = format!("{MAPS}/map-{}", number % 20);
            (list, world.get(&path).await.unwrap()["data"]["number"].clone())
        }
    };
    let answers = join_all((0..500).map(one)).await;
    assert_eq!(answers.len(), 500);
    for (number, (list, found)) in answers.into_iter().enumerate() {
        assert_eq!(list, before, "{number}");
        assert_eq!(found, json!((number % 20).to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_nobody_reads_is_ended_and_one_that_is_read_loses_nothing() {
    const CHANGES: usize = 100;
    const END: &str = "}\n";
    let world = World::with_cluster().await;
    map(&world, "big", json!({})).await;
    let version = whole(&world).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let watch = format!("GET {MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=600");
    let (host, mut unread) = world.connect().await;
    unread
        .write_all(head(&world, &host, &watch, "connection: close\r\n").as_bytes())
        .await
        .unwrap();
    let (host, mut read) = world.connect().await;
    read.write_all(head(&world, &host, &watch, "connection: close\r\n").as_bytes()).await.unwrap();
    let reader = tokio::spawn(async move {
        let (mut text, mut seen, mut buffer) = (String::new(), 0, vec![0; 1 << 20]);
        while seen < CHANGES {
            let length = read.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the watch ended after {seen} of {CHANGES}");
            text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            seen += text.matches(END).count();
            // What may be the beginning of the next one's end.
            text = text.split_off(text.rfind(END).map_or(0, |at| at + END.len()));
            text = text.split_off(text.len().saturating_sub(END.len()));
        }
        seen
    });
    for number in 0..CHANGES {
        let data = json!({"data": {"text": format!("{number:04}{}", "x".repeat(1_000_000))}});
        let kind = "application/merge-patch+json";
        let (status, body) = world.ask(Method::PATCH, &format!("{MAPS}/big"), kind, &data).await;
        assert_eq!(status, 200, "{}", body["message"]);
    }
    assert_eq!(tokio::time::timeout(FAR, reader).await.expect("all events come").unwrap(), CHANGES);

    let answer = answered(&mut unread).await;
    let events = answer.matches("\"type\":\"MODIFIED\"").count();
    assert!(events < CHANGES, "it was given everything: {events}");
    let end = answer.rfind("{\"type\":\"ERROR\"").unwrap();
    let end = answer[end..].lines().next().unwrap();
    let end: Value = serde_json::from_str(end).unwrap();
    assert_eq!(
        (&end["type"], &end["object"]["code"]),
        (&json!("ERROR"), &json!(410)),
        "{end:.200}"
    );
    assert_eq!(end["object"]["reason"], "Expired");
    let kept = world.get(&format!("{MAPS}/big")).await.unwrap();
    assert!(kept["data"]["text"].as_str().unwrap().starts_with("0099"));
}

/// The lines of a watch, up to the first one that has this.
async fn lines_to(stream: &mut (impl AsyncRead + Unpin), last: &str) -> Vec<Value> {
    let (mut text, mut buffer) = (String::new(), vec![0; 1 << 16]);
    while !(text.contains(last) && text.ends_with('\n')) {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the watch ended: {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    let events = text.lines().filter(|line| line.starts_with("{\"type\""));
    events.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_told_after_what_happened_before_it_to_those_who_allow_bookmarks() {
    let world = World::with_cluster().await;
    map(&world, "one", json!({})).await;
    let version = whole(&world).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let opened = async |options: &str| {
        let (host, mut stream) = world.connect().await;
        let watch = format!("GET {MAPS}?watch=true&resourceVersion={version}{options}");
        let request = head(&world, &host, &watch, "connection: close\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let mut marked = opened("&allowWatchBookmarks=true&timeoutSeconds=600").await;
    let mut plain = opened("&timeoutSeconds=600").await;
    map(&world, "two", json!({})).await;
    // A change that no watch of maps tells.
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}});
    let secrets = "/api/v1/namespaces/default/secrets";
    assert_eq!(world.ask(Method::POST, secrets, JSON, &secret).await.0, 201);
    let revision = world.served.control().mark().await.unwrap();
    assert!(revision > version.parse().unwrap());

    let told = |events: &[Value]| -> Vec<(String, String)> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = |event: &Value| word(&event["object"]["metadata"]["name"]);
        events.iter().map(|event| (word(&event["type"]), name(event))).collect()
    };
    let [added, bookmark] = &lines_to(&mut marked, "BOOKMARK").await[..] else { panic!() };
    assert_eq!(told(std::slice::from_ref(added)), [("ADDED".to_owned(), "two".to_owned())]);
    let bookmarked = &bookmark["object"];
    assert_eq!(bookmarked["metadata"], json!({"resourceVersion": revision.to_string()}));
    assert_eq!(
        (&bookmarked["apiVersion"], &bookmarked["kind"]),
        (&json!("v1"), &json!("ConfigMap"))
    );

    // The same moment is told once, and nobody hears of it who did not ask.
    assert_eq!(world.served.control().mark().await.unwrap(), revision);
    map(&world, "three", json!({})).await;
    let added = |names: &[&str]| -> Vec<(String, String)> {
        names.iter().map(|name| ("ADDED".to_owned(), (*name).to_owned())).collect()
    };
    assert_eq!(told(&lines_to(&mut marked, "\"three\"").await), added(&["three"]));
    assert_eq!(told(&lines_to(&mut plain, "\"three\"").await), added(&["two", "three"]));
}
