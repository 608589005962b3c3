//! Deliveries over real sockets and a real file system: what arrives, how often, under which key, when
//! answers are lost and the process ends in the middle.

use std::path::Path;

use crate::support::{
    Hook, Killer, Reaction, StillTime, identities, killed_pass, means, message, october, pass,
    passes, read, states, text,
};
use jiff::SignedDuration;
use runbook_tasks::message::Key;
use runbook_tasks::outbox::step::State;
use runbook_tasks::outbox::{Error, Outbox, Silent};

fn hook(name: &str, hook: &Hook) -> runbook_core::value::Value {
    text(&[("kind", "webhook"), ("name", name), ("url", &hook.url)])
}

fn folder(path: &str) -> runbook_core::value::Value {
    text(&[("kind", "folder"), ("path", path)])
}

const HTML: &str = "out/showback/2026-10/r1/showback.html";

/// Every file below a folder, by path.
fn files(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(one) = folders.pop() {
        for entry in std::fs::read_dir(&one).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn killed_at_every_step_every_message_is_where_it_belongs_and_repetitions_are_known() {
    let mut twice = 0;
    for moment in 0.. {
        let state = tempfile::tempdir().unwrap();
        let place = tempfile::tempdir().unwrap();
        let clock = StillTime::new();
        let means = means(&clock, place.path(), None);
        let (good, lossy) = (Hook::start([]).await, Hook::start([Reaction::Lose]).await);
        let list = read(&[folder("out"), hook("good", &good), hook("lossy", &lossy)]);

        let killer = Killer::at(moment);
        let was_killed = killed_pass(state.path(), &list, &means, &killer).await;

        let mut outbox = Outbox::open(state.path()).unwrap();
        outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();
        let end = passes(&mut outbox, &list, &means, &clock).await;
        assert_eq!(end.refused, [], "{:?}", killer.seen());
        let states = states(&outbox);
        assert_eq!(states.len(), 3);
        assert!(
            states.values().all(|state| matches!(state, State::Delivered { .. })),
            "{states:?}"
        );

        assert_eq!(files(place.path()), ["out/showback/2026-10/r1/showback.csv", HTML]);
        assert_eq!(std::fs::read(place.path().join(HTML)).unwrap(), b"<p>1.50</p>");
        for (name, hook, at_least) in [("good", &good, 1), ("lossy", &lossy, 2)] {
            let key = Key::new(&october(), 1, &format!("webhook {name}"));
            let hits = hook.hits();
            assert!(hits.iter().all(|hit| hit.key == key.as_str() && hit.body == hits[0].body));
            // Once more only when it ended between what the hook took and what we noted of it.
            let extra = hits.len() - at_least;
            assert!(extra <= 1, "{name} got {} after {:?}", hits.len(), killer.seen());
            twice += extra;
        }
        // Nothing is sent again.
        let before = (good.hits().len(), lossy.hits().len());
        pass(&mut outbox, &list, &means, &Silent).await;
        assert_eq!((good.hits().len(), lossy.hits().len()), before);
        if !was_killed {
            // Three destinations with two steps each, before and after.
            assert_eq!(moment, 12, "{:?}", killer.seen());
            break;
        }
    }
    // Ended after the good one's effect and before its note: that is what may be twice. The lossy one is
    // sent twice in any case.
    assert_eq!(twice, 1);
}

fn clock_now(clock: &StillTime) -> jiff::Timestamp {
    use runbook_core::clock::Clock as _;
    clock.now()
}

#[tokio::test]
async fn a_failed_destination_is_tried_alone_later_with_the_bytes_that_were_stored() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let good = Hook::start([]).await;
    let bad = Hook::start([
        Reaction::Answer(503),
        Reaction::AnswerAfter(429, "600"),
        Reaction::Answer(200),
    ])
    .await;
    let list = read(&[hook("good", &good), hook("bad", &bad)]);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();

    let first = pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!(first.failed[0].1, "webhook bad");
    assert_eq!(first.failed[0].2, "it answered 503: said");
    let again = pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!((bad.hits().len(), again.next), (1, first.next), "it waits");

    clock.set(first.next.unwrap());
    let second = pass(&mut outbox, &list, &means, &Silent).await;
    let asked = second.next.unwrap().duration_since(clock_now(&clock));
    assert_eq!(asked, SignedDuration::from_secs(600), "it waits as long as it is asked to");
    drop(outbox);

    clock.set(second.next.unwrap());
    let mut outbox = Outbox::open(state.path()).unwrap();
    let third = pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!((third.delivered, third.next), (1, None));
    assert_eq!((good.hits().len(), bad.hits().len()), (1, 3));
    assert!(bad.hits().iter().all(|hit| hit == &bad.hits()[0]));
}

#[tokio::test]
async fn what_a_destination_refuses_waits_for_a_person() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let gone = Hook::start([Reaction::Answer(404)]).await;
    let list = read(&[hook("gone", &gone)]);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();
    let refused = passes(&mut outbox, &list, &means, &clock).await.refused;
    assert_eq!(refused[0].2, "it answered 404: said");
    clock.pass(SignedDuration::from_hours(48));
    pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!(gone.hits().len(), 1, "nothing but a person changes that");

    let work = runbook_tasks::outbox::Delivering {
        scope: crate::support::SCOPE,
        report: crate::support::REPORT,
        destinations: &list,
        means: &means,
        backoff: runbook_tasks::outbox::Backoff::default(),
        again: Some(october().window),
        watch: &Silent,
    };
    let done = runbook_tasks::outbox::deliver(&mut outbox, &work).await.unwrap();
    assert_eq!((done.delivered, gone.hits().len()), (1, 2));
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_and_asked_again() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let hangs = Hook::start([Reaction::Hang]).await;
    let list = read(&[text(&[
        ("kind", "webhook"),
        ("url", &hangs.url),
        ("timeout", "100ms"),
        ("format", "json"),
    ])]);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();
    let end = passes(&mut outbox, &list, &means, &clock).await;
    assert_eq!((end.delivered, hangs.hits().len()), (1, 2));
    let body: serde_json::Value = serde_json::from_str(&hangs.hits()[0].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "v": 1,
            "key": Key::new(&october(), 1, "webhook webhook"),
            "report": "showback",
            "scope": crate::support::SCOPE,
            "window": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
            "revision": 1,
            "made": "2026-11-05T06:00:00Z",
            "subject": "showback 2026-10: $1.50",
            "summary": "team a  1.50\nteam b  <0.01>\n",
            "totals": {"": "1.500000"},
            "files": [
                {"name": "showback.html", "media_type": "text/html; charset=utf-8", "bytes": 11},
                {"name": "showback.csv", "media_type": "text/csv; charset=utf-8", "bytes": 17},
            ],
        })
    );
}

#[tokio::test]
async fn slack_gets_a_text_and_blocks_whose_markup_is_ours() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let slack = Hook::start([]).await;
    let list = read(&[hook("slack", &slack)]);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();
    pass(&mut outbox, &list, &means, &Silent).await;
    let body: serde_json::Value = serde_json::from_str(&slack.hits()[0].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "text": "showback 2026-10: $1.50",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "showback 2026-10: $1.50", "emoji": false}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "```\nteam a  1.50\nteam b  &lt;0.01&gt;\n\n```"}},
            ],
        })
    );
}

#[tokio::test]
async fn a_folder_keeps_what_is_not_ours_and_takes_a_later_revision() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let list = read(&[folder("{window}/{file}")]);
    let here = |name: &str| place.path().join("2026-10").join(name);
    std::fs::create_dir_all(place.path().join("2026-10")).unwrap();
    std::fs::write(here("showback.csv"), "mine").unwrap();
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();
    let refused = pass(&mut outbox, &list, &means, &Silent).await.refused;
    assert_eq!(
        refused[0].2,
        "`2026-10/showback.csv` is there with other content, which was not of an earlier revision; move it away, or give the path a place for {revision}"
    );
    assert_eq!(std::fs::read(here("showback.csv")).unwrap(), b"mine");
    std::fs::remove_file(here("showback.csv")).unwrap();

    outbox.put(&message(2, "1.70"), &identities(&list), clock_now(&clock)).unwrap();
    // The second revision replaces what the first one left, and nothing stays beside it.
    let end = pass(&mut outbox, &list, &means, &Silent).await;
    assert_eq!((end.delivered, end.refused.len()), (1, 0), "the first one is superseded");
    assert_eq!(std::fs::read(here("showback.csv")).unwrap(), b"team,cost\na,1.70\n");
    assert_eq!(files(place.path()), ["2026-10/showback.csv", "2026-10/showback.html"]);
}

#[tokio::test]
async fn no_secret_is_in_the_outbox_or_in_what_it_says() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let bad = Hook::start([Reaction::Lose, Reaction::Answer(400)]).await;
    let list = read(&[hook("chat", &bad)]);
    let mut outbox = Outbox::open(state.path()).unwrap();
    outbox.put(&message(1, "1.50"), &identities(&list), clock_now(&clock)).unwrap();
    let end = passes(&mut outbox, &list, &means, &clock).await;
    assert_eq!(end.refused.len(), 1);
    drop(outbox);
    for name in files(state.path()) {
        let bytes = std::fs::read(state.path().join(&name)).unwrap();
        let found = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!found("secret-part") && !found("127.0.0.1"), "{name}");
        assert!(name != "outbox.db" || found("webhook chat"), "the name is there");
    }
    assert!(!format!("{end:?}").contains("secret-part"));
}

#[tokio::test]
async fn one_process_delivers_at_a_time() {
    let (state, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = StillTime::new();
    let means = means(&clock, place.path(), None);
    let hangs = Hook::start([Reaction::Hang]).await;
    let list = read(&[hook("hangs", &hangs)]);
    let running = {
        let (state, list, means) = (state.path().to_owned(), list.clone(), means.clone());
        tokio::spawn(async move {
            let mut outbox = Outbox::open(&state).unwrap();
            let now = means.clock.now();
            outbox.put(&message(1, "1.50"), &identities(&list), now).unwrap();
            pass(&mut outbox, &list, &means, &Silent).await;
        })
    };
    while hangs.hits().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut second = Outbox::open(state.path()).unwrap();
    let work = runbook_tasks::outbox::Delivering {
        scope: crate::support::SCOPE,
        report: crate::support::REPORT,
        destinations: &list,
        means: &means,
        backoff: runbook_tasks::outbox::Backoff::default(),
        again: None,
        watch: &Silent,
    };
    let error = runbook_tasks::outbox::deliver(&mut second, &work).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let done = runbook_tasks::outbox::deliver(&mut second, &work).await.unwrap();
    assert_eq!((done.delivered, hangs.hits().len()), (1, 2), "the one that hung is sent again");
}

#[test]
fn a_database_that_is_not_ours_or_newer_is_refused_unharmed() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("outbox.db");
    drop(Outbox::open(state.path()).unwrap());
    let change = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    change("PRAGMA user_version = 7");
    let bytes = std::fs::read(&path).unwrap();
    let Err(newer) = Outbox::open(state.path()) else { panic!("it was opened") };
    assert!(matches!(newer, Error::Newer { found: 7, .. }), "{newer}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    change("PRAGMA user_version = 1; PRAGMA application_id = 5");
    let Err(other) = Outbox::open(state.path()) else { panic!("it was opened") };
    assert!(matches!(other, Error::NotOurs { .. }), "{other}");
    std::fs::write(&path, "this is no database at all, but long enough to be looked at").unwrap();
    assert!(matches!(Outbox::open(state.path()), Err(Error::Database { .. })));
    let none = tempfile::tempdir().unwrap();
    assert!(Outbox::look(none.path()).unwrap().is_none());
    assert!(files(none.path()).is_empty(), "a look makes nothing");
}

#[test]
fn the_same_revision_with_other_content_is_refused_and_damage_is_named() {
    let state = tempfile::tempdir().unwrap();
    let now = "2026-11-05T06:00:00Z".parse().unwrap();
    let mut outbox = Outbox::open(state.path()).unwrap();
    let to = ["webhook chat".to_owned()];
    outbox.put(&message(1, "1.50"), &to, now).unwrap();
    outbox.put(&message(1, "1.50"), &to, now).unwrap();
    let error = outbox.put(&message(1, "1.70"), &to, now).unwrap_err();
    assert!(matches!(error, Error::OtherContent { revision: 1, .. }), "{error}");
    let sent = outbox.newest(&october()).unwrap().unwrap();
    assert_eq!(outbox.message(&sent).unwrap(), message(1, "1.50"));
    let other = rusqlite::Connection::open(state.path().join("outbox.db")).unwrap();
    other.execute_batch("UPDATE blobs SET bytes = x'00'").unwrap();
    let error = outbox.message(&sent).unwrap_err();
    assert!(
        error.to_string().ends_with("is damaged: the bytes of the file `showback.html`"),
        "{error}"
    );
}
