//! The other commands: small runbooks, whole outputs.

use std::process::Stdio;

use crate::support::{Folder, Said};

const HELLO: &str = "\
apiVersion: runbook/v1
name: hello
description: Says hello.
inputs:
  who: {type: string, default: world}
tasks:
  - id: greet
    uses: shell
    with: {argv: [sh, -c, \"echo hello ${{ inputs.who }} > greeting\"], creates: greeting}
  - id: pause
    uses: wait
    needs: [greet]
    with: {for: 90s}
outputs:
  who: ${{ inputs.who }}
";

fn hello() -> Folder {
    Folder::new().file("hello.yaml", HELLO)
}

#[test]
fn check_says_what_it_read() {
    let folder = hello();
    let said = folder.well(&["check", "hello.yaml"]);
    assert_eq!(said.out, "✓ hello.yaml: 2 tasks in 1 file, no problems\n");
    assert_eq!(said.err, "");
    let shipped = folder.well(&["check", "nodeless.yaml"]);
    assert!(shipped.out.starts_with("✓ nodeless.yaml (the shipped one): "), "{}", shipped.out);
}

#[test]
fn a_run_from_its_first_line_to_its_last() {
    let folder = hello();
    let said = folder.well(&["run", "hello.yaml"]);
    assert_eq!(folder.read("greeting"), "hello world\n");
    let last = said.last();
    assert!(
        last.starts_with("✓ hello/default: 2 tasks, 1 changed · 1m 30s simulated in "),
        "{last}"
    );
    assert!(last.ends_with(" · on the sandbox"), "{last}");
    assert!(said.out.contains("\nwho: world\n"), "{}", said.out);
    assert!(said.err.contains("00:00 ✓ greet created\n"), "{}", said.err);
    assert!(said.err.contains("01:30 ✓ pause converged"), "{}", said.err);
    let again = folder.well(&["run", "hello.yaml"]);
    assert!(again.last().contains("nothing to change"), "{again:#?}");
}

#[test]
fn events_are_one_json_document_per_line() {
    let folder = hello();
    let said = folder.well(&["run", "hello.yaml", "--output", "json"]);
    let events: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (position, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], position + 1);
        for field in ["v", "time", "world_time", "run", "event"] {
            assert!(!event[field].is_null(), "{field} is missing in {event}");
        }
    }
    assert_eq!(events.first().unwrap()["event"], "run_started");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
}

#[test]
fn runs_and_what_they_did_can_be_seen_later() {
    let folder = hello();
    assert_eq!(folder.well(&["runs"]).out, "no runs yet in ./.runbook\n");
    folder.well(&["run", "--quiet", "hello.yaml"]);
    let runs = folder.well(&["runs"]);
    assert!(runs.out.contains("hello/default"), "{}", runs.out);
    let show = folder.well(&["show"]);
    assert!(show.out.contains("greet") && show.out.contains("pause"), "{}", show.out);
    assert_eq!(folder.run(&["show", "nonsense"]).code, 64);
    let resume = folder.well(&["resume"]);
    assert_eq!(resume.out, "there is no run that could be resumed: all ended well\n");
}

#[test]
fn a_graph_in_each_form() {
    let folder = hello();
    let mermaid = folder.well(&["graph", "hello.yaml"]).out;
    assert!(mermaid.starts_with("flowchart") || mermaid.starts_with("graph"), "{mermaid}");
    let dot = folder.well(&["graph", "hello.yaml", "-o", "dot"]).out;
    assert!(dot.starts_with("digraph"), "{dot}");
    let why = folder.well(&["graph", "hello.yaml", "-o", "text", "--why"]).out;
    assert!(why.contains("needs"), "{why}");
}

#[test]
fn shipped_runbooks_are_listed_written_out_and_not_overwritten() {
    let folder = Folder::new();
    let list = folder.well(&["list"]).out;
    for name in ["nodeless.yaml", "00-cluster.yaml", "03-karpenter.yaml"] {
        assert!(list.contains(name), "{list}");
    }
    folder.well(&["init", "mine"]);
    folder.well(&["check", "mine/nodeless.yaml"]);
    folder.well(&["init", "mine"]);
    folder.write("mine/nodeless.yaml", "mine\n");
    let said = folder.run(&["init", "mine"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("mine/nodeless.yaml"), "{}", said.err);
    assert_eq!(folder.read("mine/nodeless.yaml"), "mine\n");
}

#[test]
fn schema_completions_explanations_and_coverage() {
    let folder = Folder::new();
    let schema: serde_json::Value = serde_json::from_str(&folder.well(&["schema"]).out).unwrap();
    assert_eq!(schema["title"], "runbook/v1");
    for shell in ["bash", "zsh", "fish"] {
        assert!(folder.well(&["completions", shell]).out.contains("runbook"));
    }
    assert!(folder.well(&["explain", "RB0107"]).out.contains("RB0107"));
    assert_eq!(folder.run(&["explain", "RB9999"]).code, 64);
    let coverage = folder.well(&["sandbox", "coverage"]).out;
    assert!(coverage.contains("CreateFargateProfile"), "{coverage}");
}

#[test]
fn the_sandbox_is_forgotten_on_request() {
    let folder = hello();
    let reset = |folder: &Folder| folder.well(&["sandbox", "reset"]).out;
    assert_eq!(reset(&folder), "there is no sandbox's world to forget\n");
    folder.well(&["run", "--quiet", "hello.yaml"]);
    assert_eq!(
        reset(&folder),
        "the sandbox's world is forgotten; the next run begins with a new one\n"
    );
    let env = folder.run(&["sandbox", "env"]);
    assert_eq!(env.code, 1);
    assert!(env.err.contains("runbook sandbox up"), "{}", env.err);
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let folder = Folder::new();
    let mut child =
        folder.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn a_failure_says_what_to_do_and_can_be_resumed_when_it_is_mended() {
    let folder = Folder::new().file(
        "t.yaml",
        "apiVersion: runbook/v1\nname: t\ntasks:\n  - {id: needs_file, uses: shell, with: {argv: [cat, there], unless: [\"false\"]}}\n  - {id: later, uses: wait, needs: [needs_file], with: {for: 1s}}\n",
    );
    let said = folder.run(&["run", "t.yaml"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.out.contains("✗ needs_file"), "{}", said.out);
    assert!(said.out.contains("→ runbook resume "), "{}", said.out);
    assert!(said.out.contains("1 failed, 1 blocked"), "{}", said.out);
    folder.write("there", "x");
    let resumed = folder.run(&["resume"]);
    assert!(!resumed.out.contains("panicked"), "{resumed:#?}");
}
