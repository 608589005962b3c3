//! The main job: a cluster becomes `NodeLess` on the sandbox, and stays what the runbook says.

use std::process::Command;

use serde_json::Value;

use crate::support::{Folder, Served, changes, not_run, writes};

fn built() -> Folder {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    folder
}

fn simulated(line: &str) -> &str {
    line.split(" · ").nth(1).unwrap().split(" simulated").next().unwrap()
}

#[test]
fn two_commands_and_the_cluster_is_nodeless_each_time_in_the_same_time() {
    let mut times = Vec::new();
    for _ in 0..2 {
        let folder = Folder::new();
        let said = folder.well(&["run", "--quiet", "nodeless.yaml"]);
        let first = said.out.lines().next().unwrap();
        assert!(
            first.starts_with("on the sandbox: a simulated AWS account 111122223333"),
            "{first}"
        );
        assert!(said.last().ends_with("on the sandbox"), "{}", said.last());
        times.push(simulated(said.last()).to_owned());
        assert!(!said.out.contains('✗'), "{}", said.out);
        for line in [
            "✓ node groups  ",
            "✓ coredns  ",
            "✓ karpenter  ",
            "✓ load balancer controller  ",
            "✓ workload default (app=nginx)",
        ] {
            assert!(said.out.contains(line), "{line} is missing in {}", said.out);
        }
        let pods: Vec<&str> =
            said.out.lines().skip_while(|line| !line.starts_with("NAMESPACE")).collect();
        let on = |name: &str, node: &str| {
            let rows: Vec<_> = pods.iter().filter(|row| row.contains(name)).collect();
            assert!(rows.len() >= 2, "{name}: {pods:#?}");
            assert!(rows.iter().all(|row| row.contains(node)), "{rows:#?}");
        };
        on(" coredns-", " fargate-ip-192-168-");
        on(" karpenter-", " fargate-ip-192-168-");
        on(" aws-load-balancer-controller-", " fargate-ip-192-168-");
        on(" nginx-", " ip-192-168-");

        // The second run has nothing to do, says so in one line, and writes nothing.
        let before = folder.requests(true).len();
        let again = folder.well(&["run", "nodeless.yaml"]);
        assert!(again.last().contains("nothing to change"), "{}", again.out);
        assert_eq!(again.out.lines().count(), 3, "{}", again.out);
        assert_eq!(folder.requests(true).len(), before);
    }
    assert_eq!(times[0], times[1]);
    let minutes: u64 = times[0].split('m').next().unwrap().parse().unwrap();
    assert!(minutes >= 12, "{}", times[0]);
}

#[test]
fn a_plan_writes_nothing_and_counts_what_is_deferred_apart() {
    let folder = Folder::new();
    let plan = folder.plan(&["nodeless.yaml"]);
    assert!(folder.requests(true).is_empty());
    assert!(folder.requests(false).len() > 10);
    let kinds = |wanted: &str| changes(&plan).iter().filter(|(_, kind)| kind == wanted).count();
    assert!(kinds("create") >= 15, "{plan}");
    assert!(kinds("deferred") >= 25, "{plan}");
    assert_eq!(kinds("replace") + kinds("delete"), 0);
    assert_eq!(
        folder.run(&["plan", "nodeless.yaml", "--detailed-exitcode"]).code,
        2,
        "there are changes"
    );
}

#[test]
fn one_input_is_one_update_and_a_plan_can_be_applied_later() {
    let folder = built();
    let plan = folder.plan(&["nodeless.yaml", "-i", "karpenter_cpu_limit=200"]);
    // One update; and since something changes, the smoke test's throw-away pod.
    assert_eq!(
        writes(&plan),
        [
            ("karpenter/node_pool".to_owned(), "update".to_owned()),
            ("smoke/pod".to_owned(), "create".to_owned())
        ],
        "{:#?}",
        changes(&plan)
    );
    let finished = folder.plan(&["nodeless.yaml"]);
    assert_eq!(changes(&finished), Vec::new());

    folder.well(&["plan", "nodeless.yaml", "-i", "karpenter_cpu_limit=200", "--out", "x.plan"]);
    // An hour of controllers later the plan still holds.
    folder.write(
        "hour.yaml",
        "apiVersion: runbook/v1\nname: hour\ntasks:\n  - {id: hour, uses: wait, with: {for: 1h}, timeout: 2h}\n",
    );
    folder.well(&["run", "hour.yaml"]);
    let applied = folder.well(&["apply", "--quiet", "x.plan"]);
    assert!(applied.last().contains("3 changed"), "{}", applied.out);
    // A plan that was applied is stale: what it relied on has moved.
    let stale = folder.run(&["apply", "x.plan"]);
    assert_eq!(stale.code, 3, "{stale:#?}");
    assert!(stale.err.contains("is stale"), "{}", stale.err);
    assert!(stale.err.contains("NodePool"), "{}", stale.err);
}

#[test]
fn a_changed_selector_is_a_replacement_that_wants_to_be_allowed() {
    let folder = built();
    folder.well(&["init", "mine"]);
    let part = folder.read("mine/02-fargate.yaml");
    let changed = part.replace(
        r#"selectors: [{namespace: "${{ each.value }}"}]"#,
        r#"selectors: [{namespace: "${{ each.value }}", labels: {tier: system}}]"#,
    );
    assert_ne!(part, changed);
    folder.write("mine/02-fargate.yaml", changed);
    let before = folder.requests(true).len();
    let said = folder.run(&["run", "mine/nodeless.yaml"]);
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.out.contains("`selectors` cannot be changed in place"), "{}", said.out);
    assert!(said.err.contains("--allow-destroy"), "{}", said.err);
    assert_eq!(folder.requests(true).len(), before, "nothing was written");
}

#[test]
fn what_is_not_declared_any_more_is_an_orphan() {
    let folder = Folder::new();
    folder.well(&[
        "run",
        "--quiet",
        "nodeless.yaml",
        "-i",
        "system_namespaces=[kube-system, karpenter, extra]",
    ]);
    let plan = folder.plan(&["nodeless.yaml"]);
    let orphans: Vec<&str> = plan["orphans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|orphan| orphan["address"].as_str().unwrap())
        .collect();
    assert_eq!(orphans, ["fargate/profile:extra"]);
    assert_eq!(writes(&plan), Vec::new(), "nothing implies its deletion");
}

/// A runbook that makes one role, without and with `adopt`.
fn role(name: &str, owner: &str, more: &str) -> String {
    format!(
        "apiVersion: runbook/v1\nname: {owner}\ntasks:\n  - id: role\n    uses: iam.role\n{more}    with:\n      name: {name}\n      trust: {{Version: '2012-10-17', Statement: [{{Effect: Allow, Principal: {{Service: eks.amazonaws.com}}, Action: sts:AssumeRole}}]}}\n"
    )
}

#[test]
fn what_is_another_runbooks_is_not_touched() {
    let folder = Folder::new()
        .file("other.yaml", role("myeks-cluster", "other", ""))
        .file("mine.yaml", role("myeks-cluster", "mine", ""));
    folder.well(&["run", "--quiet", "other.yaml"]);
    let said = folder.run(&["run", "mine.yaml"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(
        said.err.contains("iam.role `myeks-cluster` exists and belongs to `other/default`"),
        "{}",
        said.err
    );
}

#[test]
fn broken_networks_are_told_before_the_first_write() {
    for (scenario, words) in [
        ("two-vpcs", "myeks-VPC"),
        ("no-private-subnet", "private"),
        ("no-dns-attributes", "enableDnsHostnames"),
    ] {
        let folder = Folder::new();
        let said = folder.run(&["run", "nodeless.yaml", "--scenario", scenario]);
        assert_eq!(said.code, 1, "{scenario}: {said:#?}");
        assert!(said.err.contains(words), "{scenario}: {}", said.err);
        assert!(folder.requests(true).is_empty(), "{scenario}");
    }
}

#[test]
fn the_wrong_account_is_refused() {
    let folder = Folder::new();
    let said = folder.run(&["run", "nodeless.yaml", "-i", "account=999988887777"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("is `111122223333`"), "{}", said.err);
    assert!(said.err.contains("not `999988887777`"), "{}", said.err);
    assert!(folder.requests(true).is_empty());
}

#[test]
fn a_real_target_asks_and_a_stored_plan_answers() {
    let folder = Folder::new();
    let served = Served::of(&folder);
    let on_aws = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.envs(served.environment.iter().cloned());
        crate::support::Said::of(&command.output().unwrap())
    };
    folder.write("role.yaml", role("asked", "asked", ""));
    let said = on_aws(&["run", "role.yaml", "--on", "aws"]);
    assert_eq!(said.code, 4, "{said:#?}");
    assert!(said.out.starts_with("aws: the account of your credentials"), "{}", said.out);
    let hint = said.err.lines().find_map(|line| line.trim().strip_prefix("→ runbook ")).unwrap();
    let arguments: Vec<&str> = hint.split(' ').collect();
    assert_eq!(arguments[0], "apply");
    let applied = on_aws(&arguments);
    assert_eq!(applied.code, 0, "{applied:#?}");
    assert!(applied.last().contains("1 changed"), "{}", applied.out);
    assert!(applied.last().ends_with("on aws 111122223333 ap-northeast-2"), "{}", applied.out);
    let again = on_aws(&["run", "role.yaml", "--on", "aws", "--yes"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
}

#[test]
fn kubectl_finds_the_cluster_as_it_would_on_aws() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        not_run("there is no kubectl on this machine");
        return;
    }
    let folder = built();
    let served = Served::of(&folder);
    let kubeconfig = served.kubeconfig().expect("the cluster has a kubeconfig");
    let kubectl = |arguments: &[&str]| {
        let output = Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &kubeconfig)
            .env("HOME", folder.path())
            .output()
            .unwrap();
        crate::support::Said::of(&output)
    };
    let nodes = kubectl(&["get", "nodes", "-o", "json"]);
    assert_eq!(nodes.code, 0, "{nodes:#?}");
    let nodes: Value = serde_json::from_str(&nodes.out).unwrap();
    let fargate =
        |node: &&Value| node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] == "fargate";
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.iter().filter(fargate).count(), 6);
    assert!(
        nodes.iter().any(|node| !fargate(&node)
            && node["metadata"]["labels"]["karpenter.sh/nodepool"] == "default")
    );
    let pods = kubectl(&["get", "pods", "-A", "-o", "wide"]);
    assert_eq!(pods.code, 0, "{pods:#?}");
    assert!(pods.out.starts_with("NAMESPACE     NAME "), "{}", pods.out);
    let described = kubectl(&["describe", "deployment", "coredns", "-n", "kube-system"]);
    assert_eq!(described.code, 0, "{described:#?}");
    assert!(
        described
            .out
            .contains("Replicas:               2 desired | 2 updated | 2 total | 2 available"),
        "{}",
        described.out
    );
    let rollout = kubectl(&["rollout", "status", "deployment/karpenter", "-n", "karpenter"]);
    assert_eq!(rollout.code, 0, "{rollout:#?}");
    let pools = kubectl(&["get", "nodepools"]);
    assert!(pools.out.contains("default"), "{pools:#?}");
    let refused = kubectl(&["get", "pods", "nothing"]);
    assert_eq!(refused.code, 1);
    assert_eq!(refused.err, "Error from server (NotFound): pods \"nothing\" not found\n");
}
