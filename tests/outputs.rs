//! What small runbooks print, whole: nothing may come or go unnoticed.

use std::process::Stdio;

use crate::support::{Folder, Said};

const SMALL: &str = "\
apiVersion: runbook/v1
name: small
inputs:
  name: {type: string, default: you, identity: true}
tasks:
  - id: hello
    uses: shell
    with: {argv: [printf, \"hello ${{ inputs.name }}\"]}
  - id: pause
    uses: wait
    needs: [hello]
    with: {for: 90s}
  - id: fine
    uses: assert
    after: [pause]
    with: {that: \"${{ tasks.hello.outputs.stdout == 'hello you' }}\", message: not polite}
outputs:
  said: ${{ tasks.hello.outputs.stdout }}
";

const HEAD: &str = "on the sandbox: a simulated AWS account 111122223333, nothing real is touched (--on aws for yours) · state in ./.runbook\n\n";

const PLAN: &str = "\
plan for small/you · on sandbox
  hello  +  shell    printf hello you                              ~1s
            runs each time: what it does cannot be planned
  pause  …  wait     90s               after hello             ~1m 30s
  fine   …  1 check  assert            after hello and 1 more
  1 to create now, 1 deferred until hello ran, 1 check after that, 0 to change, 0 to destroy
  about 1m 31s of simulated time; the critical path is hello → pause
";

fn small() -> Folder {
    Folder::new().file("small.yaml", SMALL)
}

/// The name of the newest run.
fn newest(folder: &Folder) -> String {
    let show = folder.well(&["show"]).out;
    show.strip_prefix("run ").unwrap().split(' ').next().unwrap().to_owned()
}

/// The text with the seconds that something really took made equal: they follow the machine.
fn without_seconds(text: &str) -> String {
    let (before, rest) = text.split_once(" simulated in ").unwrap();
    let (_, after) = rest.split_once(" s · ").unwrap();
    format!("{before} simulated in N s · {after}")
}

#[test]
fn a_plan() {
    let said = small().well(&["plan", "small.yaml"]);
    assert_eq!(said.out, format!("{HEAD}{PLAN}"));
    assert_eq!(said.err, "");
}

#[test]
fn a_run_and_what_is_known_of_it_later() {
    let folder = small();
    let said = folder.well(&["run", "small.yaml"]);
    let run = newest(&folder);
    assert_eq!(
        without_seconds(&said.out),
        format!(
            "{HEAD}{PLAN}\nsaid: hello you\n\n✓ small/you: 3 tasks, 1 changed · 1m 30s simulated in N s · on the sandbox\n"
        )
    );
    // How often a wait is told of follows the machine: on a busy one time passes in smaller steps.
    let told = said.err.lines().filter(|line| !line.contains(" ◔ waiting: "));
    assert_eq!(
        told.map(|line| format!("{line}\n")).collect::<String>(),
        format!(
            "00:00 ▶ run {run} of small/you, 3 tasks\n00:00 ▶ hello creating\n00:00 ✓ hello created\n01:30 ✓ pause converged (1m 30s)\n01:30 ✓ fine converged\n"
        )
    );
    let show = folder.well(&["show"]).out;
    let (first, table) = show.split_once('\n').unwrap();
    let start =
        format!("run {run} of small/you on sandbox · succeeded · 1 task changed · 1m 30s from ");
    assert!(first.starts_with(&start), "{first}");
    assert_eq!(
        table,
        "\nTASK      STATE       ATTEMPTS   TOOK     BECAUSE\n✓ hello   created            1   0s\n✓ pause   unchanged          1   1m 30s\n✓ fine    unchanged          1   0s\n"
    );
    let runs = folder.well(&["runs"]).out;
    let rows: Vec<&str> = runs.lines().collect();
    assert_eq!(rows.len(), 2, "{runs}");
    let cells: Vec<&str> = rows[1].split_whitespace().collect();
    assert_eq!(
        cells[..8],
        [&run, "small/you", "sandbox", "succeeded", "3", "1", "1m", "30s"],
        "{runs}"
    );
}

#[test]
fn a_run_that_fails() {
    let folder = small();
    let said = folder.run(&["run", "small.yaml", "-i", "name=Bob"]);
    let run = newest(&folder);
    assert_eq!(said.code, 1);
    assert_eq!(
        without_seconds(said.out.split_once("pause\n").unwrap().1),
        format!(
            "✗ fine   not polite\n    → runbook resume {run}          carries on from here; 2 tasks done, nothing will be repeated\n      runbook show {run} --task fine --requests\n✗ small/Bob: 2 of 3 tasks done, 1 failed · 1m 30s simulated in N s · on the sandbox\n"
        )
    );
    assert!(said.err.ends_with("01:30 ✗ fine failed: not polite\n"), "{}", said.err);
    // The reason did not go away, so neither does the failure; what is done is not done again.
    let resumed = folder.run(&["resume", &run]);
    assert_eq!(resumed.code, 1, "{resumed:#?}");
    assert!(resumed.out.contains("✗ fine   not polite"), "{}", resumed.out);
    assert!(!resumed.err.contains("hello creating"), "{}", resumed.err);
}

#[test]
fn a_graph_in_each_form() {
    let folder = small();
    let graph = |form: &[&str]| {
        let mut arguments = vec!["graph", "small.yaml"];
        arguments.extend(form);
        let said = folder.well(&arguments);
        assert_eq!(said.err, "");
        said.out
    };
    assert_eq!(
        graph(&[]),
        "flowchart TD\n  t0[\"hello<br/>shell\"]\n  t1[\"pause<br/>wait\"]\n  t2[\"fine<br/>assert\"]\n  t0 --> t1\n  t0 --> t2\n  t1 -.-> t2\n"
    );
    assert_eq!(
        graph(&["-o", "dot"]),
        "digraph \"small\" {\n  node [shape=box, fontname=\"sans-serif\"];\n  t0 [label=\"hello\\nshell\"];\n  t1 [label=\"pause\\nwait\"];\n  t2 [label=\"fine\\nassert\"];\n  t0 -> t1;\n  t0 -> t2;\n  t1 -> t2 [style=dashed];\n}\n"
    );
    assert_eq!(
        graph(&["-o", "text", "--why"]),
        "hello  shell\npause  wait\n  after hello\n    needs `hello`   small.yaml:11:13\nfine   assert\n  after hello\n    reads tasks.hello.outputs.stdout   small.yaml:16:23\n  after pause (however it ends)\n    after `pause`   small.yaml:15:13\n"
    );
}

/// What a command says when its reader went away after the first line.
fn read_one_line(folder: &Folder, arguments: &[&str]) -> Said {
    use std::io::{BufRead as _, BufReader};
    let mut child =
        folder.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Said::of(&child.wait_with_output().unwrap())
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = small();
    for arguments in [
        ["plan", "nodeless.yaml"].as_slice(),
        &["graph", "nodeless.yaml"],
        &["list"],
        &["explain"],
        &["sandbox", "coverage"],
        &["run", "small.yaml"],
        &["show"],
    ] {
        let said = read_one_line(&folder, arguments);
        assert!(!said.err.contains("panicked"), "{arguments:?}: {}", said.err);
        assert_ne!(said.code, 101, "{arguments:?}");
    }
    // Nobody reading did not keep the run from its end.
    assert!(folder.well(&["show"]).out.contains("succeeded"));
}
