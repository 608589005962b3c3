//! Runs that somebody stops: Ctrl-C and SIGTERM end them in order, and `resume` carries on; also after a
//! kill.

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

/// Short commands, of which many are intended ahead; each says when it begins.
const COMMANDS: &str = "apiVersion: runbook/v1
name: commands
tasks:
  - id: command
    for_each: ${{ range(400) | map('string') | list }}
    uses: shell
    with:
      argv: [/bin/sh, -c, 'echo \"$0\" >> begun.txt', '${{ each.value }}']
";

fn lines(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path().join("begun.txt")).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn after_a_kill_among_short_commands_only_those_that_had_begun_are_asked_about() {
    let folder = Folder::new().file("commands.yaml", COMMANDS);
    let mut child = folder
        .command(&["run", "--parallelism", "2", "commands.yaml", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let events = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let converged = events.filter(|line| line.contains("\"converged\""));
    assert_eq!(converged.take(100).count(), 100);
    child.kill().unwrap();
    child.wait().unwrap();

    let before = lines(&folder).len();
    assert!((100..400).contains(&before), "{before} had begun");
    let said = folder.run(&["resume"]);
    let shown = folder.well(&["show"]).out;
    let asked = shown.lines().filter(|line| line.contains("interrupted")).count();
    assert_eq!(said.code, if asked == 0 { 0 } else { 4 }, "{said:#?}");
    assert!(asked <= 2, "two at a time: {shown}");
    // Those were killed before or after their first word.
    let mut all = lines(&folder);
    assert!((400 - asked..=400).contains(&all.len()), "{} of 400, {asked} asked", all.len());
    let many = all.len();
    all.dedup();
    assert_eq!(all.len(), many, "none twice");
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
