//! Reports about what runs in a cluster: the sandbox's, or an inventory of one.

use serde_json::Value;

use crate::support::{Folder, Said};

fn built() -> Folder {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    folder
}

/// Whatever is priced is there; only prices may be old, which is no failure.
fn told(said: &Said) -> Value {
    assert_eq!(said.code, 0, "{said:#?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_finished_cluster_is_compared_and_the_answer_says_that_it_is_simulated() {
    let folder = built();
    let before = folder.requests(true).len();
    let said = folder.well(&["report", "compare"]);
    assert!(said.err.starts_with("on the sandbox: a simulated AWS account"), "{}", said.err);
    assert!(
        said.out.starts_with(
            "nodeless or nodes?   workloads: 1, pods: 2 · ap-northeast-2 · from sandbox\n"
        ),
        "{}",
        said.out
    );
    // The system layer is the cluster's own: the pods of Karpenter, CoreDNS and the controller.
    let answer = told(&folder.run(&["report", "compare", "-o", "json"]));
    assert_eq!(answer["source"], "sandbox");
    assert_eq!(answer["workloads"][0]["workload"], "nginx");
    assert_eq!(answer["workloads"][0]["fargate_size"], "0.25vCPU 0.5GB");
    let runs = answer["sides"][0]["system"]["runs"].to_string();
    for part in ["coredns", "karpenter", "aws-load-balancer-controller"] {
        assert!(runs.contains(part), "{runs}");
    }

    // An inventory says the same, without the cluster.
    folder.well(&["collect", "--once", "--out", "inventory.json"]);
    let inventory: Value = serde_json::from_str(&folder.read("inventory.json")).unwrap();
    assert_eq!(inventory["source"], "sandbox");
    assert_eq!(inventory["cluster"], "myeks");
    assert_eq!(inventory["missing"], Value::Array(Vec::new()));
    let again = Folder::new();
    again.write("inventory.json", folder.read("inventory.json"));
    let offline =
        told(&again.run(&["report", "compare", "--inventory", "inventory.json", "-o", "json"]));
    assert_eq!(offline["sides"], answer["sides"]);
    assert!(offline["source"].as_str().unwrap().starts_with("sandbox, "), "{}", offline["source"]);
    assert_eq!((&answer["is_sandbox"], &offline["is_sandbox"]), (&true.into(), &true.into()));
    let notes = offline["notes"].to_string();
    assert!(notes.contains("what ran was seen at 20"), "{notes}");
    assert!(notes.contains("the cluster's own NodePools are not used (default)"), "{notes}");

    // Looking is all that was done.
    assert_eq!(folder.requests(true).len(), before);
}

#[test]
fn what_karpenter_would_take_away_is_told_for_each_node() {
    let folder = built();
    // The node of the smoke test has only just joined; it is empty before Karpenter itself acts.
    folder.write(
        "wait.yaml",
        "apiVersion: runbook/v1\nname: wait\ntasks:\n  - {id: wait, uses: wait, with: {for: 20s}}\n",
    );
    folder.well(&["run", "--quiet", "wait.yaml"]);
    folder.well(&["collect", "--once", "--out", "inventory.json"]);
    let arguments = ["capacity", "consolidate", "inventory.json", "-o", "json"];
    let answer = told(&folder.run(&arguments));
    // The node of the smoke test is empty now; that of the workload is needed.
    assert_eq!(answer["end"], "at_rest");
    assert_eq!(answer["steps"][0]["method"], "empty", "{answer}");
    assert_eq!(answer["steps"][0]["pods"], Value::Array(Vec::new()));
    let nodes = answer["nodes"].as_array().unwrap();
    let why = |node: &Value| node["why_not"]["words"].as_str().unwrap().to_owned();
    let fargate: Vec<_> = nodes
        .iter()
        .filter(|node| node["name"].as_str().unwrap().starts_with("fargate-"))
        .collect();
    assert_eq!(fargate.len(), 6, "{answer}");
    assert!(fargate.iter().all(|node| why(node) == "no NodePool made it"), "{answer}");
    let table = folder.well(&["capacity", "consolidate", "inventory.json"]);
    assert!(table.out.starts_with("steps: 1 · nodes that go: 1, that come: 0"), "{}", table.out);
}

#[test]
fn a_page_stands_by_itself() {
    let folder = built();
    let said = folder.well(&["report", "compare", "-o", "html", "--out", "page.html"]);
    assert!(said.last().ends_with("in page.html"), "{}", said.out);
    let page = folder.read("page.html");
    for wanted in ["<!doctype html>", "Content-Security-Policy", "sandbox", "<svg", "<title>"] {
        assert!(page.contains(wanted), "{wanted} is missing");
    }
    // The name of a language is no address.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for unwanted in ["<script", "http://", "https://", "javascript:"] {
        assert!(!page.contains(unwanted), "{unwanted} is there");
    }
    folder.well(&["report", "autoscalers", "--shape", "deploy", "-o", "html", "--out", "two.html"]);
    assert!(!folder.read("two.html").contains("<script"));
}

#[test]
fn without_a_cluster_there_is_nothing_to_compare() {
    let folder = Folder::new();
    let said = folder.run(&["report", "compare"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
    assert!(
        said.err.contains("there is no cluster in 111122223333 ap-northeast-2"),
        "{}",
        said.err
    );
    assert!(said.err.contains("→ runbook run nodeless.yaml makes one"), "{}", said.err);
    // An inventory is one look.
    let said = folder.run(&["collect", "--out", "x.json"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("runbook collect --once --out <FILE>"), "{}", said.err);
    let said = folder.run(&["collect", "--once"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
    assert!(said.err.contains("→ runbook run nodeless.yaml makes one"), "{}", said.err);
}

#[test]
fn names_from_a_cluster_are_only_names() {
    let pod = |name: &str| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default",
                "labels": {"team": "<script>alert(1)</script>\u{1b}[31m"}},
            "spec": {"containers": [{"name": "c", "image": "i",
                "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}}}]},
        })
    };
    let names = [
        "=HYPERLINK(\"x\")",
        "@SUM(1)",
        "+1|x",
        "-1+1|x",
        "<img src=x onerror=alert(1)>",
        "a\u{1b}[2Jb\u{202e}c",
    ];
    let items = names.map(pod);
    let inventory = serde_json::json!({"kind": "Inventory", "version": 1, "items": items});
    let folder = Folder::new().file("i.json", inventory.to_string());
    let compare = |output: &str| {
        let said = folder.run(&[
            "report",
            "compare",
            "--inventory",
            "i.json",
            "--region",
            "ap-northeast-2",
            "-o",
            output,
        ]);
        assert_eq!(said.code, 0, "{said:#?}");
        said.out
    };
    assert!(!compare("text").contains('\u{1b}'));
    let page = compare("html");
    assert!(!page.contains("<img") && !page.contains("<script"), "{page}");
    let table = compare("csv");
    // As a spreadsheet reads it: no cell of text begins like a formula.
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let cells: Vec<String> = reader
        .records()
        .flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let is_formula =
        |cell: &&String| cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
    assert_eq!(cells.iter().find(is_formula), None);
    for name in ["'=HYPERLINK(\"x\")", "'@SUM(1)", "'+1|x", "'-1+1|x"] {
        assert!(cells.iter().any(|cell| cell.starts_with(name)), "{name} in {table}");
    }
}

#[test]
fn the_head_of_an_inventory_counts_in_yaml_as_in_json() {
    let folder = Folder::new();
    folder.write(
        "i.yaml",
        "kind: Inventory\nversion: 1\nsource: sandbox\nregion: eu-west-1\nmissing: ['NodePools: forbidden']\n\
         collectedAt: 2026-11-25T00:00:00Z\nitems: []\n",
    );
    let answer = told(&folder.run(&["report", "compare", "--inventory", "i.yaml", "-o", "json"]));
    assert_eq!((&answer["is_sandbox"], &answer["region"]), (&true.into(), &"eu-west-1".into()));
    let notes = answer["notes"].to_string();
    assert!(notes.contains("not seen: NodePools: forbidden"), "{notes}");
    assert_eq!(answer["verdicts"], Value::Array(Vec::new()));
    let said = folder.well(&["report", "compare", "--inventory", "i.yaml"]);
    assert!(said.out.contains("not seen: NodePools: forbidden"), "{}", said.out);
}

#[test]
fn an_inventory_that_is_cut_off_or_newer_is_refused() {
    let folder = built();
    folder.well(&["collect", "--once", "--out", "i.json"]);
    let whole = folder.read("i.json");
    folder.write("cut.json", &whole[..whole.len() / 2]);
    folder.write("newer.json", whole.replace("\"version\": 1", "\"version\": 9"));
    for (name, words) in [("cut.json", "cut.json"), ("newer.json", "is of version 9")] {
        let said = folder.run(&["report", "compare", "--inventory", name]);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{name}: {said:#?}");
        assert!(said.err.contains(words), "{name}: {}", said.err);
    }
}
