//! The AWS modules against the sandbox, over real sockets: absent, made, converged, nothing left to
//! do; one field drifts and exactly that field is seen; changed; deleted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod account;

use std::time::Duration;

use account::{Account, trust};
use runbook_clients::aws::ec2::Filter;
use runbook_clients::aws::events::Target;
use runbook_core::change::{Action, Change};
use runbook_core::failure::Class;
use runbook_core::module::{Applied, Observed};
use runbook_core::owner::Ownership;
use runbook_core::value::Value;
use serde_json::json;

fn tags(pairs: &[(&str, &str)]) -> runbook_clients::aws::Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn document(action: &str) -> serde_json::Value {
    json!({"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}]})
}

#[tokio::test]
async fn every_module_is_there_and_says_what_it_needs() {
    let registry = runbook_modules::registry();
    let of_aws = registry.iter().filter(|(_, module)| {
        module.schema().connection == Some(runbook_core::connection::Kind::Aws)
    });
    let mut count = 0;
    for (name, module) in of_aws {
        let schema = module.schema();
        let actions = schema.iam_actions;
        assert!(!actions.is_empty(), "{name}");
        assert!(actions.windows(2).all(|two| two[0] < two[1]), "{name}: not sorted");
        assert!(actions.iter().all(|action| action.contains(':')), "{name}");
        assert!(!schema.outputs.is_empty(), "{name}");
        count += 1;
    }
    assert_eq!(count, 16);
}

#[tokio::test]
async fn the_caller_is_known() {
    let account = Account::new().await;
    let (action, outputs) = account.task("sts.caller_identity", json!({})).run().await;
    assert_eq!(action, Action::None);
    assert_eq!(outputs["account"], Value::from("111122223333"));
    assert_eq!(outputs["partition"], Value::from("aws"));
    assert_eq!(outputs["region"], Value::from("ap-northeast-2"));
    assert_eq!(outputs["dns_suffix"], Value::from("amazonaws.com"));
}

#[tokio::test]
async fn the_network_is_found_and_sorted() {
    let account = Account::new().await;
    let (_, vpc) = account.task("ec2.vpc", json!({"name": "myeks-VPC", "id": ""})).run().await;
    assert_eq!(vpc["cidr"], Value::from("192.168.0.0/16"));
    let id = vpc["id"].to_string();
    let (_, same) = account.task("ec2.vpc", json!({"name": "other", "id": id})).run().await;
    assert_eq!(same, vpc);

    let subnets = account.task("ec2.subnets", json!({"vpc_id": id}));
    let (_, found) = subnets.run().await;
    let private = account.subnets("myeks-PrivateSubnet").await;
    let public = account.subnets("myeks-PublicSubnet").await;
    let list = |ids: &[String]| Value::list(ids.iter().map(|id| Value::from(id.as_str())));
    assert_eq!(found["private_ids"], list(&private));
    assert_eq!(found["public_ids"], list(&public));
    assert_eq!(found["isolated_ids"], Value::list([]));
    assert_eq!(found["zones"].as_list().unwrap().len(), 3);

    let two = subnets.but(json!({"private_ids": [private[1], private[0]]}));
    assert_eq!(two.run().await.1["private_ids"], list(&private[..2]));
    let failure = subnets.but(json!({"private_ids": [public[0]]})).observe().await.unwrap_err();
    assert_eq!(failure.class, Class::Invalid);
    assert!(failure.message.contains(&format!("`{}` is public", public[0])), "{failure}");
    assert!(failure.hint.unwrap().contains("NAT gateway"));
    let few = subnets.but(json!({"private_ids": [private[0]]})).observe().await.unwrap_err();
    assert!(few.message.contains("are in 1 of 2 zones"), "{few}");
}

#[tokio::test]
async fn a_network_that_does_not_do_is_refused_with_the_way_out() {
    let account = Account::of("two-vpcs").await;
    let by_name = json!({"name": "myeks-VPC"});
    let two = account.task("ec2.vpc", by_name.clone()).observe().await.unwrap_err();
    assert!(two.message.starts_with("2 VPCs in ap-northeast-2"), "{two}");
    assert_eq!(two.evidence.len(), 2);
    assert_eq!(two.hint.as_deref(), Some("say which one is meant with `id`"));
    let none = account.task("ec2.vpc", json!({"name": "x"})).observe().await.unwrap_err();
    assert_eq!(
        (none.class, none.message.as_str()),
        (Class::NotFound, "no VPC in ap-northeast-2 is named `x`")
    );
    assert!(account.task("ec2.vpc", json!({})).observe().await.is_err());

    let account = Account::of("no-dns-attributes").await;
    let dns = account.task("ec2.vpc", by_name.clone()).observe().await.unwrap_err();
    assert!(dns.message.starts_with("enableDnsHostnames of VPC"), "{dns}");
    assert!(dns.hint.unwrap().contains("--enable-dns-hostnames"));
    let lax = json!({"name": "myeks-VPC", "require_dns": false});
    account.task("ec2.vpc", lax).run().await;

    let account = Account::of("no-private-subnet").await;
    let (_, vpc) = account.task("ec2.vpc", by_name).run().await;
    let vpc = json!({"vpc_id": vpc["id"].to_string()});
    let failure = account.task("ec2.subnets", vpc).observe().await.unwrap_err();
    assert!(failure.message.contains("has no private subnet"), "{failure}");
    assert_eq!(failure.evidence.len(), 3);
}

#[tokio::test]
async fn tags_of_foreign_resources() {
    let account = Account::new().await;
    let ids = account.subnets("myeks-PrivateSubnet").await;
    let task = account.task(
        "ec2.tags",
        json!({"resource_ids": ids, "tags": {"karpenter.sh/discovery": "myeks", "team": "a"}}),
    );
    let (action, fields) = task.change().await;
    assert_eq!((action, fields.len()), (Action::Update, 6));
    task.run().await;

    let drifted = tags(&[("team", "b")]);
    account.aws.ec2().create_tags(&ids[1..2], &drifted).await.unwrap();
    assert_eq!(task.change().await, (Action::Update, vec![format!("{}.team", ids[1])]));
    task.run().await;

    let (observed, _) = task.look().await;
    let applied = task.apply(&observed, &Change::of(Action::Delete), "t").await;
    assert!(matches!(applied, Applied::Acknowledged(_)), "{applied:?}");
    let live = account.aws.ec2().subnets(&[Filter::new("subnet-id", &ids[0])]).await.unwrap();
    assert_eq!(live[0].tags.get("team"), None);
    assert!(live[0].tags.contains_key("Name"));

    let wrong = task.but(json!({"resource_ids": ["bucket"]}));
    assert!(wrong.check()[0].contains("`bucket`, which is none of"), "{:?}", wrong.check());
    let missing = task.but(json!({"resource_ids": ["subnet-0"]})).observe().await.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
}

#[tokio::test]
async fn a_role_with_what_hangs_on_it() {
    let account = Account::new().await;
    let task = account.task(
        "iam.role",
        json!({
            "name": "nodes", "description": "Nodes", "trust": trust("ec2.amazonaws.com"), "max_session": "2h",
            "managed_policies": ["AmazonEKSWorkerNodePolicy", "service-role/AmazonEBSCSIDriverPolicy"],
            "inline_policies": {"logs": document("logs:PutLogEvents")}, "tags": {"team": "a"},
        }),
    );
    assert_eq!(task.change().await.0, Action::Create);
    let (_, outputs) = task.run().await;
    assert_eq!(outputs["arn"], Value::from("arn:aws:iam::111122223333:role/nodes"));
    assert_eq!(task.observation().await.ownership, Ownership::Ours { address: "task".to_owned() });

    // The same meaning, written otherwise.
    let same = task.but(json!({"trust": {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": ["ec2.amazonaws.com"]}}}}));
    assert_eq!(same.change().await, (Action::None, Vec::new()));

    let iam = account.aws.iam();
    let policy = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
    iam.detach_role_policy("nodes", policy).await.unwrap();
    let missing = paths(&["managed_policies.AmazonEKSWorkerNodePolicy"]);
    assert_eq!(task.change().await, (Action::Update, missing));
    task.run().await;
    // What others attach is left alone.
    iam.attach_role_policy("nodes", "arn:aws:iam::aws:policy/ReadOnlyAccess").await.unwrap();
    assert_eq!(task.change().await.0, Action::None);
    iam.update_trust("nodes", &trust("eks.amazonaws.com").to_string()).await.unwrap();
    assert_eq!(task.change().await, (Action::Update, paths(&["trust.Statement"])));
    task.run().await;
    iam.put_inline_policy("nodes", "logs", &document("logs:*").to_string()).await.unwrap();
    assert_eq!(task.change().await, (Action::Update, paths(&["inline_policies.logs.Statement"])));
    task.run().await;

    let changed = task.but(json!({"max_session": "3h", "tags": {"team": "b"}}));
    assert_eq!(changed.change().await.1, paths(&["max_session", "tags.team"]));
    changed.run().await;
    assert_eq!(iam.role("nodes").await.unwrap().unwrap().description.as_deref(), Some("Nodes"));
    let moved = task.but(json!({"path": "/x/"}));
    let (_, change) = moved.look().await;
    assert_eq!(change.action, Action::Replace);
    moved.run().await;
    moved.delete().await;
}

#[tokio::test]
async fn whose_a_role_is() {
    let account = Account::new().await;
    let arguments = json!({"name": "shared", "trust": trust("ec2.amazonaws.com")});
    account.task_of("other/one", "iam.role", arguments.clone()).run().await;
    let task = account.task("iam.role", arguments);
    let foreign = task.observation().await.ownership;
    assert!(
        matches!(&foreign, Ownership::Foreign { owner } if owner.0 == "other/one"),
        "{foreign:?}"
    );

    // Adopting an unmarked one writes the mark although no field differs.
    let mark = paths(&["runbook/owner", "runbook/address"]);
    account.aws.iam().untag_role("shared", &mark).await.unwrap();
    let observed = task.observe().await.unwrap();
    assert_eq!(task.observation().await.ownership, Ownership::Unmarked);
    let applied = task.apply(&observed, &Change::of(Action::Update), "t").await;
    assert!(matches!(applied, Applied::Acknowledged(_)), "{applied:?}");
    assert_eq!(task.observation().await.ownership, Ownership::Ours { address: "task".to_owned() });

    let long = task.but(
        json!({"name": "n".repeat(65), "trust": {"Version": "2012-10-17"}, "max_session": "13h"}),
    );
    assert_eq!(long.check().len(), 3, "{:?}", long.check());
}

#[tokio::test]
async fn a_policy_and_its_versions() {
    let account = Account::new().await;
    let task = account.task(
        "iam.policy",
        json!({"name": "controller", "document": document("a:B"), "tags": {"team": "a"}}),
    );
    let (action, outputs) = task.run().await;
    assert_eq!(action, Action::Create);
    assert_eq!(outputs["version"], Value::from("v1"));
    let arn = outputs["arn"].to_string();
    for number in 2..=8 {
        let next = task.but(json!({"document": document(&format!("a:B{number}")).to_string()}));
        assert_eq!(next.change().await, (Action::Update, paths(&["document.Statement"])));
        let (_, outputs) = next.run().await;
        assert_eq!(outputs["version"], Value::from(format!("v{number}")));
    }
    assert_eq!(account.aws.iam().policy_versions(&arn).await.unwrap().len(), 5);
    account.aws.iam().set_default_policy_version(&arn, "v5").await.unwrap();
    task.but(json!({"tags": {"team": "b"}})).run().await;

    // A policy elsewhere of that name is the same one: names are unique.
    let moved = task.but(json!({"path": "/x/"}));
    assert_eq!(moved.change().await, (Action::Replace, paths(&["path", "tags.team"])));

    let role = account.task(
        "iam.role",
        json!({"name": "r", "trust": trust("ec2.amazonaws.com"), "policy_arns": [arn]}),
    );
    role.run().await;
    let observed = task.observe().await.unwrap();
    let refused = task.apply(&observed, &Change::of(Action::Delete), "t").await;
    let Applied::Rejected(failure) = refused else { panic!("{refused:?}") };
    assert!(failure.message.ends_with("is still attached to r"), "{failure}");
    role.delete().await;
    task.delete().await;

    let long = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "x".repeat(6144), "Resource": "*"}]});
    assert!(task.but(json!({"document": long})).check()[0].contains("IAM takes at most 6144"));
}

#[tokio::test]
async fn an_oidc_provider_and_a_service_linked_role() {
    let account = Account::new().await;
    let task = account.task("iam.oidc_provider", json!({"url": "https://oidc.example/id/1"}));
    let (action, outputs) = task.run().await;
    assert_eq!(action, Action::Create);
    assert_eq!(outputs["issuer"], Value::from("oidc.example/id/1"));
    let more = task.but(json!({"client_ids": ["sts.amazonaws.com", "other"], "tags": {"a": "b"}}));
    assert_eq!(more.change().await.1, paths(&["client_ids.other", "tags.a"]));
    more.run().await;
    assert_eq!(task.change().await.0, Action::None);
    task.delete().await;
    assert_eq!(task.but(json!({"url": "http://x"})).check().len(), 1);

    let spot = json!({"service": "spot.amazonaws.com", "role": "AWSServiceRoleForEC2Spot"});
    let task = account.task("iam.service_linked_role", spot);
    assert_eq!(task.run().await.0, Action::Create);
    // Somebody was faster.
    let applied = task.apply(&Observed::Absent, &Change::of(Action::Create), "t").await;
    assert!(matches!(applied, Applied::Acknowledged(_)), "{applied:?}");
    let refused =
        task.apply(&task.observe().await.unwrap(), &Change::of(Action::Delete), "t").await;
    assert!(matches!(refused, Applied::Rejected(_)), "{refused:?}");
}

#[tokio::test]
async fn a_queue() {
    let account = Account::new().await;
    let arn = "arn:aws:sqs:ap-northeast-2:111122223333:myeks";
    let policy = |service: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": [service]},
            "Action": "sqs:SendMessage", "Resource": arn}]})
    };
    let task = account.task(
        "sqs.queue",
        json!({"name": "myeks", "policy": policy("events.amazonaws.com"), "tags": {"team": "a"}}),
    );
    let (action, outputs) = task.run().await;
    assert_eq!(action, Action::Create);
    assert_eq!(outputs["arn"], Value::from(arn));
    let url = outputs["url"].to_string();
    let drift = tags(&[("MessageRetentionPeriod", "600")]);
    account.aws.sqs().set_queue_attributes(&url, &drift).await.unwrap();
    assert_eq!(task.change().await, (Action::Update, paths(&["message_retention"])));
    task.run().await;
    let changed = task.but(json!({"policy": policy("sqs.amazonaws.com"), "managed_encryption": false, "tags": {"team": "b"}}));
    let fields = paths(&["managed_encryption", "policy.Statement", "tags.team"]);
    assert_eq!(changed.change().await, (Action::Update, fields));
    changed.run().await;
    assert_eq!(task.listed().await, ["myeks"]);
    changed.delete().await;
    // SQS takes no queue of that name for a minute; that passes.
    let applied = task.apply(&Observed::Absent, &Change::of(Action::Create), "t").await;
    let Applied::Rejected(failure) = applied else { panic!("{applied:?}") };
    assert!(failure.passes_within.is_some(), "{failure:?}");
    assert_eq!(task.run().await.0, Action::Create);
    assert_eq!(task.but(json!({"message_retention": "10s"})).check().len(), 1);
}

#[tokio::test]
async fn a_rule_and_its_targets() {
    let account = Account::new().await;
    let arn = "arn:aws:sqs:ap-northeast-2:111122223333:myeks";
    let task = account.task(
        "events.rule",
        json!({"name": "spot", "pattern": {"source": ["aws.ec2"], "detail-type": ["x"]},
            "description": "Interruptions", "targets": {"queue": arn}, "tags": {"team": "a"}}),
    );
    let (action, outputs) = task.run().await;
    assert_eq!(action, Action::Create);
    assert_eq!(outputs["name"], Value::from("spot"));
    let same = task.but(json!({"pattern": r#"{ "detail-type": ["x"], "source": ["aws.ec2"] }"#}));
    assert_eq!(same.change().await.0, Action::None);
    let events = account.aws.events();
    events.remove_targets("spot", &paths(&["queue"])).await.unwrap();
    assert_eq!(task.change().await, (Action::Update, paths(&["targets.queue"])));
    task.run().await;
    let other = Target { id: "other".to_owned(), arn: arn.to_owned(), ..Target::default() };
    events.put_targets("spot", &[other]).await.unwrap();
    assert_eq!(task.change().await.0, Action::None);
    let changed = task
        .but(json!({"pattern": {"source": ["aws.ec2"]}, "enabled": false, "tags": {"team": "b"}}));
    assert_eq!(changed.change().await.1, paths(&["enabled", "pattern", "tags.team"]));
    changed.run().await;
    assert_eq!(task.listed().await, ["spot"]);
    // The targets of others go too: the rule cannot be deleted before them.
    changed.delete().await;
    assert_eq!(task.but(json!({"pattern": "[]", "targets": {"a": "b"}})).check().len(), 2);
}

#[tokio::test]
async fn a_cluster_from_nothing_to_nothing() {
    let account = Account::new().await;
    let task = account.cluster().await;
    let outputs = task.wait().await.unwrap();
    assert!(outputs["endpoint"].to_string().starts_with("https://"));
    assert_eq!(outputs.len(), task.module.schema().outputs.len());
    assert_eq!(task.listed().await, ["myeks"]);

    // Several updates, which EKS takes one at a time.
    let changed = task.but(json!({"version": "1.35", "endpoint_private": false, "support_type": "EXTENDED", "tags": {"team": "a"}}));
    let fields = paths(&["endpoint_private", "support_type", "tags.team", "version"]);
    assert_eq!(changed.change().await, (Action::Update, fields));
    let (observed, change) = changed.look().await;
    let applied = changed.apply(&observed, &change, "first").await;
    let Applied::Rejected(failure) = applied else { panic!("{applied:?}") };
    assert!(failure.passes_within.is_some(), "{failure:?}");
    let (_, outputs) = changed.run().await;
    assert_eq!(outputs["version"], Value::from("1.35"));

    let back = task.observe().await.unwrap_err();
    assert_eq!(back.hint.as_deref(), Some("set `version` to `1.35`"));
    let far = task.but(json!({"version": "1.37"})).observe().await.unwrap_err();
    assert_eq!(far.hint.as_deref(), Some("set `version` to `1.36` first"));
    let subnets = account.subnets("myeks-PublicSubnet").await;
    let moved = changed.but(json!({"subnet_ids": subnets}));
    assert_eq!(moved.change().await, (Action::Replace, paths(&["subnet_ids"])));

    // Deleted by somebody else while the runbook wants it: made anew when it is gone.
    account.aws.eks().delete_cluster("myeks").await.unwrap();
    let (_, change) = changed.look().await;
    assert_eq!(change.action, Action::Create);
    assert_eq!(changed.run().await.0, Action::Create);
    changed.delete().await;
}

#[tokio::test]
async fn who_may_speak_to_a_cluster() {
    let account = Account::new().await;
    let mut arguments = account.cluster_arguments().await;
    arguments["authentication_mode"] = "CONFIG_MAP".into();
    let nodes = account.role("nodes", "ec2.amazonaws.com").await;
    let entry = account.task(
        "eks.access_entry",
        json!({"cluster": "myeks", "principal_arn": nodes, "type": "EC2_LINUX"}),
    );
    assert_eq!(entry.change().await.0, Action::Create);
    account.task("eks.cluster", arguments).run().await;
    // In this mode EKS refuses even to look; there can be none.
    assert_eq!(entry.observe().await.unwrap(), Observed::Absent);

    let mode = account
        .task("eks.authentication_mode", json!({"cluster": "myeks", "mode": "API_AND_CONFIG_MAP"}));
    let (_, change) = mode.look().await;
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.reasons, ["irreversible: EKS does not go back"]);
    mode.run().await;
    let api = mode.but(json!({"mode": "API"}));
    api.run().await;
    let back = mode.observe().await.unwrap_err();
    assert_eq!(back.hint.as_deref(), Some("set `mode` to `API`"));

    assert_eq!(entry.run().await.0, Action::Create);
    let kind = entry.but(json!({"type": "STANDARD"}));
    // Nodes are in a group by their type.
    let fields = paths(&["kubernetes_groups", "type"]);
    assert_eq!(kind.change().await, (Action::Replace, fields));
    kind.run().await;
    let admin = "AmazonEKSClusterAdminPolicy";
    let person = kind
        .but(json!({"kubernetes_groups": ["b", "a"], "tags": {"team": "a"}, "policies": {
        (admin): {}, "AmazonEKSViewPolicy": {"namespaces": ["y", "x"]}}}));
    let fields = [
        "kubernetes_groups",
        "policies.AmazonEKSClusterAdminPolicy",
        "policies.AmazonEKSViewPolicy",
        "tags.team",
    ];
    assert_eq!(person.change().await, (Action::Update, paths(&fields)));
    person.run().await;
    // By ARN it is the same policy; one that is not declared is taken off.
    let arn = format!("arn:aws:eks::aws:cluster-access-policy/{admin}");
    let fewer = person.but(json!({"policies": {(arn): {"namespaces": []}}}));
    assert_eq!(fewer.change().await, (Action::Update, paths(&["policies.AmazonEKSViewPolicy"])));
    fewer.run().await;
    assert_eq!(fewer.listed().await.len(), 1);
    assert_eq!(entry.but(json!({"policies": {(admin): {}}})).check().len(), 1);
    fewer.delete().await;
}

fn pods_trust(cluster: &str) -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "eks-fargate-pods.amazonaws.com"},
        "Condition": {"ArnLike": {"aws:SourceArn": format!("arn:aws:eks:ap-northeast-2:111122223333:fargateprofile/{cluster}/*")}}}]})
}

#[tokio::test]
async fn fargate_profiles_one_at_a_time() {
    let account = Account::new().await;
    account.cluster().await;
    let role = account.task("iam.role", json!({"name": "pods", "trust": pods_trust("myeks")}));
    let role = role.run().await.1["arn"].to_string();
    let subnets = account.subnets("myeks-PrivateSubnet").await;
    let task = account.task(
        "eks.fargate_profile",
        json!({"cluster": "myeks", "name": "kube-system", "role_arn": role, "subnet_ids": subnets,
            "selectors": [{"namespace": "kube-system"}]}),
    );
    assert_eq!(task.change().await.0, Action::Create);
    // The role is new: EKS refuses at first, and that passes.
    assert_eq!(task.run().await.0, Action::Create);
    let reversed: Vec<_> = subnets.iter().rev().collect();
    let same = task.but(
        json!({"subnet_ids": reversed, "selectors": [{"namespace": "kube-system", "labels": {}}]}),
    );
    assert_eq!(same.change().await.0, Action::None);

    let tagged = task.but(json!({"tags": {"team": "a"}}));
    assert_eq!(tagged.change().await, (Action::Update, paths(&["tags.team"])));
    tagged.run().await;
    let other = task.but(json!({"name": "karpenter", "selectors": [{"namespace": "karpenter"}]}));
    other.run().await;
    assert_eq!(other.listed().await, ["myeks/karpenter", "myeks/kube-system"]);
    let wider = other.but(json!({"selectors": [{"namespace": "karpenter"}, {"namespace": "x", "labels": {"a": "b"}}]}));
    let (_, change) = wider.look().await;
    assert_eq!(change.action, Action::Replace);
    assert_eq!(
        change.fields[0].forces_replace.as_deref(),
        Some("`selectors` cannot be changed in place")
    );
    wider.run().await;

    let public = account.subnets("myeks-PublicSubnet").await;
    let wrong = task.but(json!({"name": "wrong", "subnet_ids": public}));
    let (observed, change) = wrong.look().await;
    let refused = wrong.apply(&observed, &change, "t").await;
    let Applied::Rejected(failure) = refused else { panic!("{refused:?}") };
    assert!(failure.hint.unwrap().contains("`ec2.subnets` finds them"));
    let problems = task.but(json!({"name": "eks-x", "selectors": [{"labels": {}}]})).check();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(task.but(json!({"selectors": []})).check().len(), 1);

    let lock = task.module.locks(&task.arguments);
    assert_eq!(lock[0].name, "eks/myeks/control-plane");
    // The cluster keeps its profiles.
    let refused = account.aws.eks().delete_cluster("myeks").await.unwrap_err();
    assert!(refused.error().is_conflict());
    wider.delete().await;
    task.delete().await;
}

#[tokio::test]
async fn an_addon_waits_for_its_pods() {
    let account = Account::new().await;
    account.cluster().await;
    // No node will ever come: a DaemonSet's add-on is done all the same when that is accepted.
    let proxy = account.task(
        "eks.addon",
        json!({"cluster": "myeks", "name": "kube-proxy", "accept_degraded": true}),
    );
    assert_eq!(proxy.run().await.0, Action::Create);
    let coredns = account.task(
        "eks.addon",
        json!({"cluster": "myeks", "name": "coredns", "configuration": {"computeType": "Fargate", "replicaCount": 2}}),
    );
    let (observed, change) = coredns.look().await;
    let applied = coredns.apply(&observed, &change, "t").await;
    assert!(matches!(applied, Applied::Acknowledged(_)), "{applied:?}");
    account.sleep(Duration::from_mins(2)).await;
    let verdict = format!("{:?}", coredns.verify().await);
    assert!(verdict.starts_with("NotYet(\"DEGRADED: InsufficientNumberOfReplicas"), "{verdict}");
    assert_eq!(coredns.change().await, (Action::None, Vec::new()));

    let proxy_role = account.role("proxy", "eks.amazonaws.com").await;
    let changed = coredns
        .but(json!({"accept_degraded": true, "service_account_role_arn": proxy_role,
        "configuration": {"computeType": "ec2"}, "tags": {"team": "a"}}));
    let fields = [
        "configuration.computeType",
        "service_account_role_arn",
        "tags.team",
        "configuration.replicaCount",
    ];
    assert_eq!(changed.change().await, (Action::Update, paths(&fields)));
    let (_, outputs) = changed.run().await;
    assert_eq!(outputs["version"], Value::from("v1.12.3-eksbuild.1"));
    let newer = changed.but(json!({"version": "v1.12.4-eksbuild.1"}));
    assert_eq!(newer.change().await, (Action::Update, paths(&["version"])));
    newer.run().await;
    assert_eq!(newer.listed().await, ["myeks/coredns", "myeks/kube-proxy"]);
    newer.delete().await;

    let (_, nodes) = account.task("eks.nodes", json!({"cluster": "myeks"})).run().await;
    assert_eq!(nodes["node_groups"], Value::list([]));
    assert_eq!(nodes["auto_scaling_groups"], Value::list([]));
    assert_eq!(nodes["instances"], Value::list([]));
    assert_eq!(nodes["auto_mode"], Value::Boolean(false));
    let missing = account.task("eks.nodes", json!({"cluster": "x"})).observe().await.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
}
