//! Against a helm that writes down how it was called.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::*;
use crate::helm::Exec;
use crate::kubernetes::Server;

/// A helm made of a shell script, in a folder where it writes what it saw.
struct Script {
    folder: TempDir,
    helm: Helm,
}

impl Script {
    fn new(body: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("helm");
        let text = format!("#!/bin/sh\ncd {}\n{body}\n", folder.path().display());
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let executable = vec!["/bin/sh".to_owned(), path.display().to_string()];
        Self { folder, helm: Helm::new(executable) }
    }

    fn saw(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }
}

const RECORD: &str = r#"
printf '%s\n' "$@" > arguments
env | sort > environment
while [ $# -gt 0 ]; do
  case "$1" in
    -f) cp "$2" values; stat -c %a "$2" > mode ;;
    --kubeconfig) cp "$2" kubeconfig; stat -c %a "$2" >> mode ;;
  esac
  shift
done
echo '{"name":"karpenter"}'
"#;

fn installation() -> Installation {
    Installation {
        release: "karpenter".to_owned(),
        namespace: "karpenter".to_owned(),
        create_namespace: true,
        chart: Chart {
            reference: "oci://public.ecr.aws/karpenter/karpenter".to_owned(),
            repository: None,
            version: "1.14.1".to_owned(),
        },
        values: json!({"replicas": 2}),
        timeout: Duration::from_mins(10),
        description: Some("runbook: nodeless/myeks karpenter/release".to_owned()),
    }
}

fn access() -> Access {
    let server = Server::Eks {
        cluster: "myeks".to_owned(),
        endpoint: "https://127.0.0.1:6443".to_owned(),
        certificate_authority: "Q0E=".to_owned(),
    };
    let exec = Exec {
        command: "/usr/bin/runbook".into(),
        arguments: vec!["eks-token".to_owned(), "--cluster".to_owned(), "myeks".to_owned()],
        environment: vec![("AWS_REGION".to_owned(), "ap-northeast-2".to_owned())],
    };
    Access::to(&server, &exec)
}

#[tokio::test]
async fn an_installation_is_this_command_line_and_nothing_of_the_persons_own() {
    let script = Script::new(RECORD);
    let clock = [("RUNBOOK_SANDBOX_CONTROL".to_owned(), "http://127.0.0.1:1".to_owned())];
    let helm = script.helm.clone().with_environment(&clock);
    let report = helm.upgrade_install(&installation(), &access()).await.unwrap();
    assert_eq!(report, json!({"name": "karpenter"}));
    let arguments = script.saw("arguments");
    let shown: Vec<&str> = arguments
        .lines()
        .map(|line| if line.starts_with('/') { line.rsplit('/').next().unwrap() } else { line })
        .collect();
    assert_eq!(
        shown.join(" "),
        "upgrade --install karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.14.1 \
         --namespace karpenter --create-namespace -f values.json --reset-values --wait \
         --timeout 600s -o json --description runbook: nodeless/myeks karpenter/release \
         --kubeconfig kubeconfig"
    );
    assert_eq!(script.saw("values"), r#"{"replicas":2}"#);
    assert_eq!(script.saw("mode"), "600\n600\n");
    let environment = script.saw("environment");
    for variable in [
        "HELM_CACHE_HOME=",
        "HELM_CONFIG_HOME=",
        "HELM_DATA_HOME=",
        "HELM_REGISTRY_CONFIG=",
        "DOCKER_CONFIG=",
        "RUNBOOK_SANDBOX_CONTROL=http://127.0.0.1:1",
    ] {
        assert!(environment.lines().any(|line| line.starts_with(variable)), "{variable}");
    }
    let kubeconfig: Value = serde_json::from_str(&script.saw("kubeconfig")).unwrap();
    assert_eq!(
        kubeconfig["users"][0]["user"]["exec"],
        json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "/usr/bin/runbook",
            "args": ["eks-token", "--cluster", "myeks"],
            "env": [{"name": "AWS_REGION", "value": "ap-northeast-2"}],
            "interactiveMode": "Never", "provideClusterInfo": false})
    );
}

#[tokio::test]
async fn a_repository_and_the_persons_own_kubeconfig_are_named() {
    let script = Script::new(RECORD);
    let mut installation = installation();
    installation.chart.reference = "aws-load-balancer-controller".to_owned();
    installation.chart.repository = Some("https://aws.github.io/eks-charts".to_owned());
    installation.create_namespace = false;
    installation.description = None;
    let access = Access::Existing { path: None, context: Some("mine".to_owned()) };
    script.helm.upgrade_install(&installation, &access).await.unwrap();
    let arguments = script.saw("arguments").replace('\n', " ");
    assert!(
        arguments.ends_with("-o json --repo https://aws.github.io/eks-charts --kube-context mine "),
        "{arguments}"
    );
    assert!(!arguments.contains("--create-namespace"));
}

#[tokio::test]
async fn a_removal_waits() {
    let script = Script::new(RECORD);
    let uninstallation = Uninstallation {
        release: "karpenter".to_owned(),
        namespace: "karpenter".to_owned(),
        timeout: Duration::from_secs(90),
    };
    script.helm.uninstall(&uninstallation, &access()).await.unwrap();
    let arguments = script.saw("arguments").replace('\n', " ");
    assert!(
        arguments.starts_with(
            "uninstall karpenter --namespace karpenter --wait --timeout 90s --kubeconfig /"
        ),
        "{arguments}"
    );
}

#[tokio::test]
async fn a_failure_carries_the_end_of_what_helm_said() {
    let script = Script::new(
        "i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done\n\
         echo 'Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress' >&2\n\
         exit 1",
    );
    let error = script.helm.upgrade_install(&installation(), &access()).await.unwrap_err();
    assert!(error.in_progress() && error.may_have_happened() && !error.is_not_found());
    let text = error.to_string();
    assert!(
        text.starts_with("`helm upgrade karpenter` failed with exit code 1: line 11\n"),
        "{text}"
    );
    assert!(text.ends_with("is in progress"), "{text}");
}

#[tokio::test]
async fn who_was_too_late_to_write_a_revision_knows_that_another_is_at_work() {
    let script = Script::new("echo 'Error: UPGRADE FAILED: release: already exists' >&2; exit 1");
    let error = script.helm.upgrade_install(&installation(), &access()).await.unwrap_err();
    assert!(error.in_progress(), "{error}");
    let script = Script::new("echo 'Error: namespaces \"a\" already exists' >&2; exit 1");
    let error = script.helm.upgrade_install(&installation(), &access()).await.unwrap_err();
    assert!(!error.in_progress(), "{error}");
}

#[tokio::test]
async fn the_version_is_read_from_helm_three_and_four() {
    let says = |text: &str| Script::new(&format!("echo '{text}'"));
    let three =
        says(r#"version.BuildInfo{Version:"v3.22.0", GitCommit:"abc", GoVersion:"go1.26.8"}"#);
    assert_eq!(three.helm.version().await.unwrap(), "3.22.0");
    let four = says("v4.3.1+gdeadbee");
    assert_eq!(four.helm.version().await.unwrap(), "4.3.1");
    let old = says(r#"version.BuildInfo{Version:"v3.7.2", GoVersion:"go1.16"}"#);
    let error = old.helm.version().await.unwrap_err();
    assert!(matches!(&error, Error::TooOld { found, .. } if found == "3.7.2"), "{error}");
    let other = says("hello");
    assert!(matches!(other.helm.version().await, Err(Error::NotHelm { .. })));
}

#[tokio::test]
async fn no_helm_is_an_error_that_says_so() {
    let helm = Helm::new(vec!["/nowhere/helm".to_owned()]);
    let error = helm.version().await.unwrap_err();
    assert_eq!(error.to_string(), "there is no `/nowhere/helm` to install charts with");
    assert!(!error.may_have_happened());
}
