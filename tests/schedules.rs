//! Schedules through the command: served over a change of clocks, killed, missed, exported.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Folder, Said, not_run};

/// A note per slot; a run that is resumed writes no second one.
const NIGHTLY: &str = "apiVersion: runbook/v1
name: nightly
tasks:
  - id: note
    uses: shell
    with:
      argv: [sh, -c, 'echo \"$SLOT\" >> slots.txt']
      environment: {SLOT: \"${{ run.slot }}\"}
      unless: [grep, -qx, \"${{ run.slot }}\", slots.txt]
schedule:
  - {cron: 30 2 * * *, timezone: Europe/Paris, mode: apply}
";

/// The slots of three days, with 29 March 2026, when Paris puts its clocks forward at 02:00.
const SLOTS: [&str; 3] = ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"];

/// A folder with that runbook and a world that begins before these days.
fn folder(runbook: &str) -> Folder {
    let world = include_str!("../engine/sandbox/scenarios/default.yaml");
    let world = format!("begins: 2026-03-28T00:00:00Z\n{world}");
    Folder::new().file("nightly.yaml", runbook).file("world.yaml", world)
}

const SERVE: [&str; 7] =
    ["serve", "--scenario", "world.yaml", "--until", "2026-03-31T00:00:00Z", "--output", "json"];

fn events(out: &str) -> Vec<Value> {
    let told = out.lines().filter(|line| !line.is_empty());
    told.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Events of that name, by slot.
fn by_slot(events: &[Value], name: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == name) {
        *found.entry(event["slot"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    found
}

fn once() -> BTreeMap<String, usize> {
    SLOTS.map(|slot| (slot.to_owned(), 1)).into()
}

fn lines(folder: &Folder) -> Vec<String> {
    folder.read("slots.txt").lines().map(str::to_owned).collect()
}

/// Serves, is killed after so many lines, and is served again; whether it was still at work.
fn killed_after(told: usize) -> bool {
    let folder = folder(NIGHTLY);
    let mut child =
        folder.command(&SERVE).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let before: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .take(told)
        .collect();
    // SIGKILL: nothing of ours gets a word in.
    child.kill().unwrap();
    child.wait().unwrap();
    let again = folder.well(&SERVE);
    assert_eq!(lines(&folder), SLOTS, "killed after {told} lines: {again:#?}");
    let runs: Value = serde_json::from_str(&folder.well(&["runs", "-o", "json"]).out).unwrap();
    let runs = runs["runs"].as_array().unwrap_or_else(|| panic!("{runs}"));
    assert_eq!(runs.len(), 3, "killed after {told} lines: one run per slot: {runs:#?}");
    // Whatever both of them said: each slot ended once, unless the kill came between row and word.
    let all = events(&[before.join("\n"), again.out.clone()].join("\n"));
    let ended = by_slot(&all, "slot_ended");
    assert!(ended.values().all(|times| *times == 1), "killed after {told} lines: {ended:?}");
    assert!(ended.len() >= 2, "killed after {told} lines: {ended:?}");
    before.len() == told
}

#[test]
fn three_days_over_a_change_of_clocks_killed_anywhere_and_served_again() {
    let whole = folder(NIGHTLY);
    let said = whole.well(&SERVE);
    assert_eq!(lines(&whole), SLOTS);
    let all = events(&said.out);
    for name in ["slot_planned", "slot_started", "slot_ended", "run_started"] {
        assert_eq!(by_slot(&all, name), once(), "{name}");
    }
    let ended = all.iter().filter(|event| event["event"] == "slot_ended");
    assert!(ended.clone().all(|event| event["outcome"] == "succeeded"), "{}", said.out);
    // Nothing is left for a second one.
    assert_eq!(events(&whole.well(&SERVE).out).len(), 0);
    let killed = (0..=all.len() + 1).filter(|told| killed_after(*told)).count();
    assert!(killed >= all.len(), "{killed} of {} were killed at work", all.len());
}

#[test]
fn slots_that_were_missed_go_by_catch_up() {
    let wait = "apiVersion: runbook/v1\nname: wait\ntasks:\n  - {id: a, uses: wait, with: {for: 47h}, timeout: 50h}\n";
    let folder = folder(&NIGHTLY.replace("mode: apply", "mode: apply, catch_up: {window: 3d}"))
        .file("elsewhere/wait.yaml", wait);
    let serve = |until: &str| {
        let all = ["serve", "--scenario", "world.yaml", "--until", until, "-o", "json"];
        events(&folder.well(&all).out)
    };
    assert_eq!(serve("2026-03-28T01:00:00Z").len(), 0, "no slot yet");
    // Two days pass in which nobody serves.
    folder.well(&["run", "-q", "--scenario", "world.yaml", "elsewhere/wait.yaml"]);
    let told = serve("2026-03-30T00:20:00Z");
    assert_eq!(by_slot(&told, "slot_skipped"), BTreeMap::from([(SLOTS[0].to_owned(), 1)]));
    let skipped = told.iter().find(|event| event["event"] == "slot_skipped").unwrap();
    assert_eq!(skipped["reason"], "superseded", "{skipped}");
    assert_eq!(lines(&folder), [SLOTS[1]]);
    serve("2026-03-31T00:00:00Z");
    assert_eq!(lines(&folder), SLOTS[1..]);
    // The skipped one can be had by hand, once.
    let one = ["schedule", "run", "nightly", "--scenario", "world.yaml", "--slot", SLOTS[0]];
    folder.well(&one);
    assert_eq!(lines(&folder), [SLOTS[1], SLOTS[2], SLOTS[0]]);
    let again = folder.well(&one);
    assert!(again.out.contains("has run already: succeeded"), "{}", again.out);
    assert_eq!(lines(&folder).len(), 3);
}

#[test]
fn two_servers_of_one_state_folder_have_each_slot_once() {
    let folder = folder(&NIGHTLY.replace("mode: apply", "mode: plan"));
    let serve = |until: &str| {
        let mut command = folder.command(&["serve", "--until", until, "--output", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    folder.well(&["serve", "--scenario", "world.yaml", "--until", "2026-03-28T00:10:00Z"]);
    // Who comes second talks to the world that the first one serves, and is left behind when that one
    // ends; the third takes over what is left.
    let both = [serve("2026-03-31T00:00:00Z"), serve("2026-03-31T00:00:00Z")];
    let mut said: Vec<Said> =
        both.into_iter().map(|child| Said::of(&child.wait_with_output().unwrap())).collect();
    assert!(said.iter().any(|said| said.code == 0), "{said:#?}");
    said.push(Said::of(&serve("2026-03-31T00:00:00Z").wait_with_output().unwrap()));
    let all: Vec<Value> = said.iter().flat_map(|said| events(&said.out)).collect();
    for name in ["slot_planned", "slot_ended"] {
        assert_eq!(by_slot(&all, name), once(), "{name}: {said:#?}");
    }
}

#[test]
fn failures_in_a_row_pause_it_until_a_person_has_run_it_well() {
    let failing = "apiVersion: runbook/v1
name: nightly
tasks:
  - {id: note, uses: shell, with: {argv: [test, -e, mended.txt]}}
schedule:
  - {cron: 0 * * * *, timezone: UTC, mode: apply, pause_after_failures: 2}
";
    let folder = folder(failing);
    let serve = |until: &str| {
        let all = ["serve", "--scenario", "world.yaml", "--until", until, "-o", "json"];
        events(&folder.well(&all).out)
    };
    let told = serve("2026-03-28T05:30:00Z");
    let outcomes: Vec<&str> = told
        .iter()
        .filter_map(|event| match event["event"].as_str() {
            Some("slot_ended") => event["outcome"].as_str(),
            Some("slot_skipped") => event["reason"].as_str(),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, ["failed", "failed", "paused", "paused", "paused", "paused"]);
    folder.write("mended.txt", "");
    folder.well(&["schedule", "run", "nightly", "--scenario", "world.yaml"]);
    let told = serve("2026-03-28T06:30:00Z");
    let ended: Vec<&Value> = told.iter().filter(|event| event["event"] == "slot_ended").collect();
    assert_eq!(ended.len(), 1, "{told:#?}");
    assert_eq!(ended[0]["outcome"], "succeeded");
}

/// What a served address answers: the status line and the body.
pub(crate) fn ask(address: &str, path: &str, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn a_server_answers_for_itself_keeps_what_was_right_and_ends_in_order() {
    let folder = folder(NIGHTLY);
    let mut child = folder
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address =
        said.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
    let address = address.unwrap();
    let mut of = |name: &str, what: &str| {
        said.find(|line| line.starts_with(name) && line.contains(what)).unwrap()
    };
    // As a program saves it that empties the file first: a look finds no schedule in it just then. The
    // second file is broken from the beginning; whoever tells of it has seen the first one empty.
    folder.write("nightly.yaml", "");
    folder.write("other.yaml", NIGHTLY.replace("30 2", "61 2"));
    assert_eq!(of("other.yaml", "cannot be used"), "other.yaml cannot be used");
    // The first look may not have come yet; a broken file is seen by a later one.
    folder.write("nightly.yaml", NIGHTLY.replace("30 2", "61 2"));
    let told = of("nightly.yaml", "cannot be used");
    assert_eq!(told, "nightly.yaml cannot be used; its old schedules are kept");
    std::fs::remove_file(folder.path().join("other.yaml")).unwrap();
    assert_eq!(ask(&address, "/healthz", "localhost"), ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    assert_eq!(ask(&address, "/readyz", &address).0, "HTTP/1.1 200 OK");
    let (status, _) = ask(&address, "/metrics", "rebound.example.com");
    assert_eq!(status, "HTTP/1.1 421 Misdirected Request");
    folder.write("nightly.yaml", NIGHTLY);
    // The look that says so is not the first one, so an earlier one has decided what is next.
    of("nightly.yaml", "is right again");
    // A look counts when it has ended, which is after it has told. The other file is in none any more.
    let metrics = || ask(&address, "/metrics", "localhost").1;
    let none_is_broken = |_| metrics().contains("\nrunbook_runbooks_broken 0\n");
    assert!((0..1_000).any(none_is_broken), "{}", metrics());
    let metrics = metrics();
    assert!(metrics.contains("\nrunbook_runs_in_progress 0\n"), "{metrics}");
    let next = "\nrunbook_schedule_next_slot_timestamp_seconds{schedule=\"nightly/default#";
    assert!(metrics.contains(next), "{metrics}");
    let term = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &term]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn an_address_that_others_reach_and_a_broken_schedule_are_refused() {
    let folder = folder(NIGHTLY);
    let said = folder.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("is not on loopback"), "{}", said.err);
    folder.write("nightly.yaml", NIGHTLY.replace("Europe/Paris", "Europe/Pari"));
    let said = folder.run(&["serve"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("error[RB0132]"), "{}", said.err);
    assert!(said.err.contains("did you mean `Europe/Paris`?"), "{}", said.err);
    let said = folder.run(&["serve", "world.yaml"]);
    assert_eq!(said.code, 64, "{said:#?}");
}

#[test]
fn the_next_slots_and_what_daylight_saving_does_to_them() {
    let folder = folder(&NIGHTLY.replace(
        "mode: apply}",
        "mode: apply}\n  - {cron: 30 2 * * *, timezone: Europe/Paris, dst: {gap: skip, fold: both}}",
    ));
    let table = |from: &str| {
        let said = folder.well(&["schedule", "preview", "-n", "2", "--from", from]);
        // The letters of each schedule are a digest.
        let plain = regex::Regex::new("#[0-9a-f]{6}").unwrap();
        plain.replace_all(&said.out, "#……").into_owned()
    };
    assert_eq!(
        table("2026-03-28T12:00:00Z"),
        "SCHEDULE                 LOCAL TIME                    SLOT                   DAYLIGHT SAVING\n\
         nightly/default#……   Sun 2026-03-29 03:30 +02:00   2026-03-29T01:30:00Z   ! 02:30 does not exist: runs later\n\
         nightly/default#……   Mon 2026-03-30 02:30 +02:00   2026-03-30T00:30:00Z\n\
         nightly/default#……   does not run                  does not run           ! 02:30 does not exist: dropped\n\
         nightly/default#……   Mon 2026-03-30 02:30 +02:00   2026-03-30T00:30:00Z\n"
    );
    let autumn = table("2026-10-24T12:00:00Z");
    assert!(autumn.contains("! 02:30 comes twice: the first\n"), "{autumn}");
    assert!(autumn.contains("! 02:30 comes twice: the second of two\n"), "{autumn}");
}

/// The documents of a YAML stream.
fn documents(text: &str) -> Vec<Value> {
    text.split("---\n")
        .filter(|part| !part.trim().is_empty())
        .map(|part| serde_saphyr::from_str(part).unwrap())
        .collect()
}

#[test]
fn exports_for_kubernetes_and_argo_are_read_back() {
    let folder = folder(NIGHTLY);
    let said = folder.well(&["schedule", "export", "--format", "kubernetes"]);
    assert!(said.err.contains("daylight saving moves slots of it"), "{}", said.err);
    let objects = documents(&said.out);
    let kinds: Vec<&str> = objects.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ServiceAccount", "PersistentVolumeClaim", "ConfigMap", "CronJob"]);
    assert_eq!(objects[2]["data"]["file-0"], NIGHTLY);
    let spec = &objects[3]["spec"];
    assert_eq!(spec["schedule"], "30 2 * * *");
    assert_eq!(spec["timeZone"], "Europe/Paris");
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    assert_eq!(spec["startingDeadlineSeconds"], 3600);
    let pod = &spec["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let container = &pod["containers"][0];
    let arguments: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let identity = arguments[2];
    assert_eq!(
        arguments,
        [
            "schedule",
            "run",
            identity,
            "/runbooks/nightly.yaml",
            "--slot",
            "last",
            "--on",
            "aws",
            "--yes"
        ]
    );
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    let argo = documents(&folder.well(&["schedule", "export", "--format", "argo"]).out);
    assert_eq!(argo[3]["kind"], "CronWorkflow");
    assert_eq!(argo[3]["spec"]["schedules"][0], "30 2 * * *");
    assert_eq!(argo[3]["spec"]["timezone"], "Europe/Paris");
    let template = &argo[3]["spec"]["workflowSpec"]["templates"][0]["container"];
    assert_eq!(template["args"], container["args"]);
}

#[test]
fn timers_of_systemd_say_the_same() {
    let folder = folder(&NIGHTLY.replace(
        "mode: apply}",
        "mode: apply, jitter: 5m}\n  - {cron: '*/30 6-8 1 jan mon-fri', timezone: Asia/Seoul}",
    ));
    folder.well(&["schedule", "export", "--format", "systemd", "--out", "units"]);
    let mut timers: Vec<String> = std::fs::read_dir(folder.path().join("units"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.strip_suffix(".timer").is_some())
        .map(|name| folder.read(&format!("units/{name}")))
        .collect();
    timers.sort_by_key(|text| text.contains("Asia/Seoul"));
    let calendar = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("OnCalendar=")).map(str::to_owned).collect()
    };
    assert_eq!(calendar(&timers[0]), ["OnCalendar=*-*-* 02:30:00 Europe/Paris"]);
    assert!(timers[0].contains("\nRandomizedDelaySec=300\nFixedRandomDelay=true\n"));
    assert_eq!(
        calendar(&timers[1]),
        [
            "OnCalendar=*-01-01 06,07,08:00,30:00 Asia/Seoul",
            "OnCalendar=Mon,Tue,Wed,Thu,Fri *-01-* 06,07,08:00,30:00 Asia/Seoul",
        ]
    );
    if folder.foreign("systemd-analyze", &["--version"]).output().is_err() {
        not_run("systemd-analyze is not here to read the calendar events");
        return;
    }
    for event in timers.iter().flat_map(|text| calendar(text)) {
        let event = event.trim_start_matches("OnCalendar=");
        let read = folder.foreign("systemd-analyze", &["calendar", event]).output().unwrap();
        assert!(read.status.success(), "{event}: {read:?}");
    }
}
