//! Plans that are carried out later, elsewhere, or not at all.

use std::path::PathBuf;

use crate::support::{Folder, Said, Served, writes};

/// A runbook that makes one queue, with a setting.
fn queue(seconds: u32) -> String {
    format!(
        "apiVersion: runbook/v1\nname: queue\ntasks:\n  - id: queue\n    uses: sqs.queue\n    with: {{name: orders, message_retention: {seconds}s}}\n"
    )
}

#[test]
fn a_plan_made_before_there_is_a_cluster_makes_it() {
    let folder = Folder::new();
    folder.well(&["plan", "nodeless.yaml", "--out", "all.plan"]);
    assert!(folder.requests(true).is_empty());
    let applied = folder.well(&["apply", "--quiet", "all.plan"]);
    assert!(applied.out.contains("✓ coredns  "), "{}", applied.out);
    let again = folder.well(&["run", "nodeless.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
}

#[test]
fn a_replacement_that_is_allowed_is_carried_out() {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    folder.well(&["init", "mine"]);
    let part = folder.read("mine/02-fargate.yaml");
    let changed = part.replace(
        r#"selectors: [{namespace: "${{ each.value }}"}]"#,
        r#"selectors: [{namespace: "${{ each.value }}"}, {namespace: "${{ each.value }}", labels: {tier: system}}]"#,
    );
    assert_ne!(part, changed);
    folder.write("mine/02-fargate.yaml", changed);
    let said = folder.well(&["run", "--quiet", "mine/nodeless.yaml", "--allow-destroy"]);
    assert!(!said.out.contains('✗'), "{}", said.out);
    let told: Vec<String> = folder
        .requests(true)
        .iter()
        .filter(|request| {
            request["operation"].as_str().is_some_and(|name| name.ends_with("FargateProfile"))
        })
        .map(|request| {
            let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("operation"), text("subject"))
        })
        .collect();
    // Each is gone before it is made anew, and there is one operation at a time.
    assert_eq!(told.len(), 6, "{told:#?}");
    for pair in told[2..].chunks(2) {
        assert!(pair[0].starts_with("DeleteFargateProfile "), "{told:#?}");
        assert!(pair[1].starts_with("CreateFargateProfile "), "{told:#?}");
    }
    let again = folder.well(&["run", "mine/nodeless.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
}

#[test]
fn a_stale_plan_says_what_moved_from_what_to_what() {
    let folder = Folder::new().file("queue.yaml", queue(600));
    folder.well(&["run", "--quiet", "queue.yaml"]);
    folder.write("queue.yaml", queue(1200));
    folder.well(&["plan", "queue.yaml", "--out", "longer.plan"]);
    folder.write("queue.yaml", queue(900));
    folder.well(&["run", "--quiet", "queue.yaml"]);
    let before = folder.requests(true).len();
    let stale = folder.run(&["apply", "longer.plan"]);
    assert_eq!(stale.code, 3, "{stale:#?}");
    assert!(stale.err.contains("is stale: 1 of 3 facts moved since "), "{}", stale.err);
    let moved = stale.err.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(moved, "sqs.queue orders message_retention 600 → 900 read by queue");
    assert_eq!(folder.requests(true).len(), before, "nothing was written");
}

#[test]
fn yes_on_a_real_target_does_not_ask() {
    let folder = Folder::new().file("queue.yaml", queue(600));
    let served = Served::of(&folder);
    let on_aws = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        Said::of(&command.envs(served.environment.iter().cloned()).output().unwrap())
    };
    let made = on_aws(&["run", "queue.yaml", "--on", "aws", "--yes"]);
    assert_eq!(made.code, 0, "{made:#?}");
    assert!(made.last().contains("1 changed"), "{}", made.out);
    folder.write("queue.yaml", queue(900));
    let changed = on_aws(&["run", "queue.yaml", "--on", "aws", "--yes"]);
    assert_eq!(changed.code, 0, "{changed:#?}");
    assert!(changed.last().contains("1 changed"), "{}", changed.out);
    let again = on_aws(&["run", "queue.yaml", "--on", "aws", "--yes"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
    assert_eq!(writes(&folder.plan(&["queue.yaml"])), Vec::new());
}

#[test]
fn a_world_of_a_newer_program_is_left_alone() {
    let folder = Folder::new().file("queue.yaml", queue(600));
    folder.well(&["run", "--quiet", "queue.yaml"]);
    let newer = "{\"format\":999,\"revision\":1,\"time\":\"2026-01-01T00:00:00Z\"}\n";
    folder.write(".runbook/sandbox/world.snapshot", newer);
    let log = folder.read(".runbook/sandbox/world.log");
    let said = folder.run(&["run", "queue.yaml"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("has format 999, this program reads up to"), "{}", said.err);
    assert_eq!(folder.read(".runbook/sandbox/world.snapshot"), newer, "it is unharmed");
    assert_eq!(folder.read(".runbook/sandbox/world.log"), log, "it is unharmed");
}

#[test]
fn a_plan_says_what_it_adds_to_the_month() {
    let folder = Folder::new();
    let planned = folder.well(&["plan", "nodeless.yaml", "--out", "all.plan"]);
    assert!(planned.out.contains("fixed +197.35"), "{}", planned.out);
    let report = folder.well(&["report", "plan", "all.plan", "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    let cents = |value: &serde_json::Value| -> i64 {
        let text = value.as_str().unwrap();
        text.replace('.', "").parse().unwrap()
    };
    let sum = |certainty: &str| -> i64 {
        let lines = answer["lines"].as_array().unwrap().iter();
        lines.filter(|line| line["certainty"] == certainty).map(|line| cents(&line["usd"])).sum()
    };
    assert_eq!(sum("fixed"), cents(&answer["month"]["fixed_usd"]));
    assert_eq!(sum("usage"), cents(&answer["month"]["by_use_usd"]));
    assert_eq!(sum("fixed") + sum("usage"), cents(&answer["month"]["usd"]));
    assert_eq!(answer["on"], "sandbox");
    // What is there is not counted again, only what is added to it.
    folder.well(&["apply", "--quiet", "all.plan"]);
    let more =
        folder.well(&["plan", "nodeless.yaml", "-i", "workload_replicas=30", "--out", "more.plan"]);
    assert!(more.out.contains("fixed 0.00, by use +"), "{}", more.out);
    folder.write("usage.yaml", "usage: {karpenter/quue: {sqs_requests: 1}}");
    let wrong = folder.run(&["report", "plan", "all.plan", "--expected-usage", "usage.yaml"]);
    assert_eq!(wrong.code, 64, "{wrong:#?}");
    assert!(wrong.err.contains("karpenter/quue"), "{}", wrong.err);
    folder.write("usage.yaml", "usage: {karpenter/queue: {sqs_requests: 2000000}}");
    let dear = folder.run(&["report", "plan", "all.plan", "--expected-usage", "usage.yaml"]);
    assert_eq!(dear.code, 7, "{dear:#?}");
    assert!(dear.out.contains("no price"), "{}", dear.out);
}

/// Two commands in a folder of their own; the second one fails until there is `go` beside them.
const PLACES: &str = "apiVersion: runbook/v1
name: places
tasks:
  - id: first
    uses: shell
    with: {argv: [sh, -c, pwd > first.txt], creates: first.txt}
  - id: second
    uses: shell
    needs: [first]
    with: {argv: [sh, -c, test -e ../go && pwd > second.txt], cwd: inner, creates: second.txt}
";

#[test]
fn a_stored_plan_and_a_resumed_run_work_in_the_runbooks_folder() {
    let folder = Folder::new().file("books/places.yaml", PLACES).file("books/inner/x", "");
    folder.write("elsewhere/x", "");
    folder.well(&["plan", "books/places.yaml", "--out", "places.plan"]);
    let elsewhere = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        Said::of(&command.current_dir(folder.path().join("elsewhere")).output().unwrap())
    };
    let applied = elsewhere(&["apply", "../places.plan"]);
    assert_eq!(applied.code, 1, "{applied:#?}");
    let here = std::fs::canonicalize(folder.path()).unwrap();
    let told = |name: &str| PathBuf::from(folder.read(name).trim_end());
    assert_eq!(told("books/first.txt"), here.join("books"));

    folder.write("books/go", "");
    std::fs::rename(folder.path().join("books"), folder.path().join("moved")).unwrap();
    let gone = elsewhere(&["resume"]);
    assert_eq!(gone.code, 1, "{gone:#?}");
    let books = folder.path().join("books");
    let why =
        format!("the runbook's folder `{}` is not there, and `first` works in it", books.display());
    assert!(gone.err.contains(&why), "{}", gone.err);
    std::fs::rename(folder.path().join("moved"), &books).unwrap();
    let resumed = elsewhere(&["resume"]);
    assert_eq!(resumed.code, 0, "{resumed:#?}");
    assert_eq!(told("books/inner/second.txt"), here.join("books/inner"));
    let again = folder.well(&["run", "books/places.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
}

#[test]
fn a_plan_without_commands_is_applied_without_its_runbooks_folder() {
    let folder = Folder::new().file("books/queue.yaml", queue(600));
    folder.well(&["plan", "books/queue.yaml", "--out", "queue.plan"]);
    std::fs::remove_dir_all(folder.path().join("books")).unwrap();
    let applied = folder.well(&["apply", "queue.plan"]);
    assert!(applied.last().contains("1 changed"), "{}", applied.out);
}
