//! Deliveries that are owed: sent by the server alone, from what was rendered, however often it dies.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::chat::{Post, failing};
use crate::support::{Folder, Said};

/// A word a day into a folder and a chat, whose address is a secret.
const DAILY: &str = r#"apiVersion: runbook/v1
name: daily
connections:
  aws: {region: ap-northeast-2}
tasks:
  - id: told
    uses: report.notify
    with:
      name: done
      slot: ${{ run.slot }}
      subject: the day is over
      text: "It is ${{ run.slot }}."
      destinations:
        - {kind: folder, path: "told/{window}/{file}"}
        - {kind: webhook, name: chat, url: "${{ secret('env:CHAT') }}"}
schedule:
  - {cron: 0 6 * * *, timezone: UTC, mode: apply}
"#;
const TOLD: &str = "told/2026-03-28T06-00-00Z/message.txt";
/// A task has patience for ten minutes: at 10 s, doubling, that is seven tries at most.
const MORE_THAN_A_TASK_TRIES: usize = 9;

fn folder() -> Folder {
    let world = include_str!("../engine/sandbox/scenarios/default.yaml");
    let world = format!("begins: 2026-03-28T00:00:00Z\n{world}");
    Folder::new().file("daily.yaml", DAILY).file("world.yaml", world)
}

fn serve(folder: &Folder, until: &str, chat: Option<&str>) -> std::process::Command {
    let mut command = folder.command(&[
        "serve",
        "--scenario",
        "world.yaml",
        "--until",
        until,
        "--output",
        "json",
    ]);
    if let Some(chat) = chat {
        command.env("CHAT", chat);
    }
    command
}

fn served(folder: &Folder, until: &str, chat: Option<&str>) -> Vec<Value> {
    let said = Said::of(&serve(folder, until, chat).output().unwrap());
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(!format!("{said:?}").contains("secret-part"), "{said:#?}");
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Outcomes of deliveries that were sent again.
fn outcomes(events: &[Value]) -> Vec<&str> {
    let retried = events.iter().filter(|event| event["event"] == "delivery_retried");
    retried.map(|event| event["outcome"].as_str().unwrap()).collect()
}

fn keys(posts: &[Post]) -> BTreeSet<&str> {
    posts.iter().map(|post| post.key.as_str()).collect()
}

#[test]
fn a_destination_that_fails_longer_than_the_task_waits_is_served_alone() {
    let folder = folder();
    let (chat, posted) = failing(MORE_THAN_A_TASK_TRIES);
    let events = served(&folder, "2026-03-29T00:00:00Z", Some(&chat));
    let ended: Vec<&Value> = events.iter().filter(|event| event["event"] == "slot_ended").collect();
    assert_eq!(ended.len(), 1, "{events:#?}");
    assert_eq!(ended[0]["outcome"], "failed", "the task lost its patience");
    let outcomes = outcomes(&events);
    assert_eq!(outcomes.last(), Some(&"delivered"), "{outcomes:?}");
    assert!(outcomes[..outcomes.len() - 1].iter().all(|one| *one == "failed"), "{outcomes:?}");
    let posts: Vec<Post> = posted.try_iter().collect();
    assert_eq!(posts.len(), MORE_THAN_A_TASK_TRIES + 1, "and then no more");
    assert_eq!(keys(&posts).len(), 1);
    assert_eq!(posts.iter().map(|post| &post.body).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(folder.read(TOLD), "It is 2026-03-28T06:00:00Z.");
    assert_eq!(folder.files("told").len(), 1);
    // Nothing was run again for it, and nothing is left.
    let runs: Value = serde_json::from_str(&folder.well(&["runs", "-o", "json"]).out).unwrap();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    assert!(served(&folder, "2026-03-29T05:00:00Z", Some(&chat)).is_empty());
    assert!(posted.try_recv().is_err());
}

#[test]
fn an_address_that_is_known_no_more_is_told_and_waits() {
    let folder = folder();
    let (chat, posted) = failing(usize::MAX);
    served(&folder, "2026-03-28T06:20:00Z", Some(&chat));
    assert!(posted.try_iter().count() >= 5);
    let events = served(&folder, "2026-03-28T12:00:00Z", None);
    assert_eq!(outcomes(&events), ["unresolved"], "{events:#?}");
    let told = events.iter().find(|event| event["event"] == "delivery_retried").unwrap();
    assert_eq!(told["destination"], "webhook chat");
    let why = told["because"].as_str().unwrap();
    assert!(why.contains("has no variable `CHAT`"), "{why}");
    // Without its task there is nobody who knows where it goes.
    folder.write("daily.yaml", DAILY.replace("name: done", "name: other"));
    let events = served(&folder, "2026-03-28T13:00:00Z", Some(&chat));
    let why = events[0]["because"].as_str().unwrap();
    assert_eq!(why, "no runbook that is served delivers `notify-done` to webhook chat");
    folder.write("daily.yaml", DAILY);
    let (chat, posted) = failing(0);
    assert_eq!(outcomes(&served(&folder, "2026-03-28T14:00:00Z", Some(&chat))), ["delivered"]);
    assert_eq!(posted.try_iter().count(), 1);
}

/// Serves and is killed after so many lines; whether it was still at work.
fn killed_after(told: usize) -> bool {
    let folder = folder();
    let (chat, posted) = failing(MORE_THAN_A_TASK_TRIES);
    let mut child = serve(&folder, "2026-03-29T00:00:00Z", Some(&chat))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let before = lines.map(Result::unwrap).take(told).count();
    // SIGKILL: nothing of ours gets a word in.
    child.kill().unwrap();
    child.wait().unwrap();
    served(&folder, "2026-03-29T00:00:00Z", Some(&chat));
    // A slot that was never planned is missed, by default; it is then the next day's.
    served(&folder, "2026-03-29T05:00:00Z", Some(&chat));
    let posts: Vec<Post> = posted.try_iter().collect();
    if folder.files("told").is_empty() {
        assert!(posts.is_empty(), "killed after {told}: {posts:#?}");
        return before == told;
    }
    assert_eq!(folder.files("told").len(), 1, "killed after {told}");
    assert_eq!(folder.read(TOLD), "It is 2026-03-28T06:00:00Z.");
    assert_eq!(keys(&posts).len(), 1, "killed after {told}: duplicates carry the same key");
    assert!(posts.iter().any(|post| post.is_taken), "killed after {told}: {posts:#?}");
    before == told
}

#[test]
fn killed_anywhere_and_served_again_every_message_is_where_it_belongs() {
    let whole = folder();
    let (chat, _posted) = failing(MORE_THAN_A_TASK_TRIES);
    let all = served(&whole, "2026-03-29T00:00:00Z", Some(&chat)).len();
    assert!(all >= 6, "{all}");
    let killed = (0..=all).filter(|told| killed_after(*told)).count();
    assert!(killed >= all, "{killed} of {all} were killed at work");
}
