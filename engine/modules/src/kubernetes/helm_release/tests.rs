//! Marks in descriptions, values, and what a person is told.

use serde_json::json;

use super::*;
use runbook_core::value::Secret;

fn release(status: Status) -> Release {
    Release {
        name: "karpenter".into(),
        namespace: "karpenter".into(),
        revision: 3,
        status,
        description: String::new(),
        chart: "karpenter".into(),
        chart_version: "1.14.1".into(),
        app_version: Some("1.14.1".into()),
        values: json!({"replicas": 2, "token": "old"}),
        deployed_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
    }
}

fn arguments(given: Value) -> Values {
    values([
        ("namespace", "karpenter".into()),
        ("name", "karpenter".into()),
        ("chart", "oci://public.ecr.aws/karpenter/karpenter".into()),
        ("version", "1.14.1".into()),
        ("values", given),
    ])
}

fn present(release: &Release, arguments: &Values) -> Observed {
    Observed::Present(Observation {
        projection: projection(release, arguments),
        ownership: Ownership::Setting,
        outputs: Values::new(),
        private: serde_json::Value::Null,
    })
}

fn paths(change: &Change) -> Vec<&str> {
    change.fields.iter().map(|field| field.path.as_str()).collect()
}

#[test]
fn a_mark_is_read_back_from_its_description() {
    assert_eq!(
        marked("runbook/owner=nodeless/my eks runbook/address=karpenter/release"),
        Some(("nodeless/my eks", "karpenter/release"))
    );
    assert_eq!(marked("Upgrade complete"), None);
}

#[test]
fn values_are_compared_whole_and_numbers_as_helm_stores_them() {
    let module = HelmRelease::new();
    let same = arguments(Value::map([("replicas", Value::Number(2.0)), ("token", "old".into())]));
    let change = module.diff(&same, &present(&release(Status::Deployed), &same));
    assert_eq!(change, Change::none());
    let less = arguments(Value::map([("replicas", Value::Integer(3))]));
    let change = module.diff(&less, &present(&release(Status::Deployed), &less));
    assert_eq!(
        (change.action, paths(&change)),
        (Action::Update, vec!["values.replicas", "values.token"])
    );
    assert_eq!(change.fields[1].after, None);
}

#[test]
fn a_secret_value_is_compared_and_neither_side_is_shown() {
    let module = HelmRelease::new();
    let secret = |text: &str| Value::Secret(Secret::new(text.into()));
    let with = |token: &str| {
        arguments(Value::map([("replicas", Value::Integer(2)), ("token", secret(token))]))
    };
    let same = module.diff(&with("old"), &present(&release(Status::Deployed), &with("old")));
    assert_eq!(same, Change::none());
    let observed = present(&release(Status::Deployed), &with("new"));
    let change = module.diff(&with("new"), &observed);
    assert_eq!(paths(&change), ["values.token"]);
    assert!(!format!("{observed:?}{change:?}").contains("old"));
}

#[test]
fn a_failed_release_is_updated_and_says_why() {
    let module = HelmRelease::new();
    let same = arguments(Value::map([("replicas", Value::Integer(2)), ("token", "old".into())]));
    let change = module.diff(&same, &present(&release(Status::Failed), &same));
    assert_eq!((change.action, paths(&change)), (Action::Update, vec!["status"]));
    assert_eq!(change.reasons, ["its last revision failed"]);
}

#[test]
fn another_helm_is_told_with_its_age_and_the_way_out() {
    let now = "2026-01-01T00:14:59Z".parse().unwrap();
    let failure = in_the_way(&release(Status::PendingUpgrade), now);
    assert!(
        failure.message.contains("`karpenter/karpenter` has been pending-upgrade for 14 min"),
        "{failure}"
    );
    let hint = failure.hint.unwrap();
    assert!(hint.contains("helm rollback karpenter -n karpenter"), "{hint}");
    assert!(hint.contains("sh.helm.release.v1.karpenter.v3"), "{hint}");
    let install = in_the_way(&release(Status::PendingInstall), now);
    assert!(install.hint.unwrap().contains("helm uninstall karpenter"));
}

#[test]
fn a_chart_is_known_by_its_name_unless_it_is_a_path() {
    assert_eq!(chart_name("oci://public.ecr.aws/karpenter/karpenter"), Some("karpenter"));
    assert_eq!(chart_name("aws-load-balancer-controller"), Some("aws-load-balancer-controller"));
    assert_eq!(chart_name("./charts/mine"), None);
    let module = HelmRelease::new();
    let mut named = arguments(Value::Null);
    named.insert("chart".to_owned(), "karpenter".into());
    assert_eq!(module.check(&named)[0].0, "chart");
    named.insert("repository".to_owned(), "https://charts.example".into());
    assert_eq!(module.check(&named), Vec::new());
}
