//! A chart's life in the sandbox, by Helm itself, and our own `helm.release` beside it.
//!
//! `RUNBOOK_HELM_3` and `RUNBOOK_HELM_4` name the programs; `.ci/run` builds both.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::foreign::finished_cluster;
use crate::support::{Folder, Said, Served, not_run, variable};

const RUNBOOK: &str = "\
apiVersion: runbook/v1
name: charts
connections:
  aws: {region: ap-northeast-2}
  kubernetes: {eks_cluster: myeks}
tasks:
  - id: web
    uses: helm.release
    with:
      namespace: ours
      name: web
      chart: ./chart
      version: 0.1.0
      create_namespace: true
      timeout: 5m
      values: {replicas: 1}
";

/// A helm, pointed at a cluster of the sandbox.
struct Helm {
    program: String,
    folder: Folder,
    served: Served,
}

impl Helm {
    fn new(variable_name: &str) -> Option<Self> {
        let Some(program) = variable(variable_name) else {
            not_run(&format!("{variable_name} names no helm; .ci/run builds it"));
            return None;
        };
        let (folder, served) = finished_cluster();
        let chart: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "tests", "foreign", "chart"].iter().collect();
        for file in ["Chart.yaml", "values.yaml", "templates/web.yaml"] {
            folder.write(&format!("chart/{file}"), std::fs::read(chart.join(file)).unwrap());
        }
        folder.write("charts.yaml", RUNBOOK);
        Some(Self { program, folder, served })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.folder.foreign(program, arguments);
        command.envs(self.served.environment.iter().cloned()).output().unwrap()
    }

    fn well(&self, arguments: &[&str]) -> String {
        let said = Said::of(&self.run(&self.program, arguments));
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        said.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        serde_json::from_str(&self.well(&arguments)).unwrap()
    }

    /// A word of kubectl about the namespace; nothing when there is no such object.
    fn asked(&self, arguments: &[&str]) -> String {
        Said::of(&self.run("kubectl", arguments)).out
    }

    /// Our own command, against the served sandbox as if it were AWS, with this helm.
    fn own(&self, arguments: &[&str]) -> Said {
        let arguments = [arguments, &["charts.yaml", "--on", "aws", "--state-dir", "own"]].concat();
        let mut command = self.folder.command(&arguments);
        command.envs(self.served.environment.iter().cloned());
        let said = Said::of(&command.env("RUNBOOK_HELM", &self.program).output().unwrap());
        assert_eq!(said.code, 0, "{arguments:?}: {said:#?}");
        said
    }
}

/// Status and description of each revision.
fn revisions(history: &Value) -> Vec<(&str, &str)> {
    let entries = history.as_array().unwrap().iter();
    entries
        .map(|one| (one["status"].as_str().unwrap(), one["description"].as_str().unwrap()))
        .collect()
}

fn lives_and_goes(helm: &Helm) {
    let (wait, namespace) = (["--wait", "--timeout", "5m"], ["-n", "charts"]);
    let installed = helm.json(
        &[&["install", "web", "./chart", "--create-namespace"], &wait[..], &namespace[..]].concat(),
    );
    assert_eq!(
        (&installed["info"]["status"], &installed["version"]),
        (&"deployed".into(), &1.into())
    );
    let listed = helm.json(&[&["list"], &namespace[..]].concat());
    assert_eq!((&listed[0]["name"], &listed[0]["chart"]), (&"web".into(), &"web-0.1.0".into()));
    // What our own stand-in has written is a release like any other.
    let all: Vec<String> = helm
        .json(&["list", "-A"])
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(all, ["aws-load-balancer-controller", "karpenter", "karpenter-crd", "web"]);

    let replicas = || {
        helm.asked(&[
            "get",
            "deployment",
            "web",
            "-n",
            "charts",
            "-o",
            "jsonpath={.status.readyReplicas}",
        ])
    };
    assert_eq!(replicas(), "1");
    helm.well(
        &[
            &["upgrade", "web", "./chart", "--set", "replicas=2,greeting=bye"],
            &wait[..],
            &namespace[..],
        ]
        .concat(),
    );
    assert_eq!(replicas(), "2");
    let greeting = ["get", "configmap", "web", "-n", "charts", "-o", "jsonpath={.data.greeting}"];
    assert_eq!(helm.asked(&greeting), "bye");
    let values = helm.json(&[&["get", "values", "web"], &namespace[..]].concat());
    assert_eq!(values, serde_json::json!({"greeting": "bye", "replicas": 2}));

    helm.well(&[&["rollback", "web", "1"], &wait[..], &namespace[..]].concat());
    assert_eq!((replicas().as_str(), helm.asked(&greeting).as_str()), ("1", "hello"));
    let history = helm.json(&[&["history", "web"], &namespace[..]].concat());
    assert_eq!(
        revisions(&history),
        [
            ("superseded", "Install complete"),
            ("superseded", "Upgrade complete"),
            ("deployed", "Rollback to 1"),
        ]
    );
    let manifest = helm.well(&[&["get", "manifest", "web"], &namespace[..]].concat());
    assert!(manifest.contains("# Source: web/templates/web.yaml"), "{manifest}");

    helm.well(&[&["uninstall", "web", "--wait"], &namespace[..]].concat());
    assert_eq!(helm.json(&[&["list"], &namespace[..]].concat()), Value::Array(Vec::new()));
    let left = helm.asked(&["get", "deployments,services,secrets", "-n", "charts", "-o", "name"]);
    assert_eq!(left, "");
}

/// `helm.release` installs by this helm, sees what was installed, and what somebody changed since.
fn ours_agrees(helm: &Helm) {
    let first = helm.own(&["run", "--yes"]);
    assert!(first.last().contains("1 task, 1 changed"), "{}", first.out);
    let history = helm.json(&["history", "web", "-n", "ours"]);
    assert_eq!(revisions(&history)[0].0, "deployed");
    let again = helm.own(&["run", "--yes"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
    helm.well(&["upgrade", "web", "./chart", "-n", "ours", "--set", "replicas=2", "--wait"]);
    let plan = helm.own(&["plan"]);
    assert!(plan.out.contains("replicas: 2 → 1"), "{}", plan.out);
    helm.well(&["uninstall", "web", "-n", "ours", "--wait"]);
    let plan = helm.own(&["plan"]);
    assert!(plan.out.contains("1 to create now"), "{}", plan.out);
}

#[test]
fn helm_3_finds_a_cluster_that_it_knows() {
    if let Some(helm) = Helm::new("RUNBOOK_HELM_3") {
        lives_and_goes(&helm);
        ours_agrees(&helm);
    }
}

#[test]
fn helm_4_finds_a_cluster_that_it_knows() {
    if let Some(helm) = Helm::new("RUNBOOK_HELM_4") {
        lives_and_goes(&helm);
        ours_agrees(&helm);
    }
}
