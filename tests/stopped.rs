//! Runs that somebody stops: Ctrl-C and SIGTERM end them in order, and `resume` carries on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Folder, Said};

/// A run of nodeless.yaml that has told so many events.
fn begun(folder: &Folder, events: usize) -> (Child, impl Iterator<Item = String>) {
    let mut child = folder
        .command(&["run", "nodeless.yaml", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().take(events).count(), events);
    (child, lines)
}

fn signal(name: &str, child: &Child) {
    let sent =
        Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

fn stopped_and_resumed(name: &str, code: i32) {
    let folder = Folder::new();
    let (mut child, lines) = begun(&folder, 80);
    signal(name, &child);
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(code));
    let last: serde_json::Value = serde_json::from_str(rest.last().unwrap()).unwrap();
    assert_eq!(last["event"], "run_finished", "{last}");
    assert_eq!(last["outcome"], "cancelled", "{last}");
    let asked = format!("SIG{name}");
    assert!(rest.iter().any(|line| line.contains("cancel_requested") && line.contains(&asked)));

    let runs = folder.well(&["runs"]);
    assert!(runs.out.contains("cancelled"), "{}", runs.out);
    let resumed = folder.well(&["resume", "--quiet"]);
    assert!(resumed.out.contains("✓ coredns  "), "{}", resumed.out);
    let again = folder.well(&["run", "nodeless.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
}

#[test]
fn ctrl_c_stops_a_run_in_order_and_it_can_be_resumed() {
    stopped_and_resumed("INT", 130);
}

#[test]
fn sigterm_stops_a_run_in_order_and_it_can_be_resumed() {
    stopped_and_resumed("TERM", 143);
}

#[test]
fn a_second_run_meanwhile_is_told_who_is_at_work() {
    let folder = Folder::new();
    let (mut child, lines) = begun(&folder, 3);
    let second: Said = folder.run(&["run", "nodeless.yaml"]);
    child.kill().unwrap();
    drop(lines);
    child.wait().unwrap();
    assert_eq!(second.code, 1, "{second:#?}");
    assert!(second.err.contains(&child.id().to_string()), "{}", second.err);
}
