//! The Kubernetes modules against the sandbox, over real sockets: what they see, write, wait for,
//! and that a second look finds nothing left to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod cluster;

use std::time::Duration;

use cluster::World;
use runbook_clients::Access;
use runbook_clients::kubernetes::{Kind, Reference};
use runbook_core::change::Action;
use runbook_core::failure::Class;
use runbook_core::module::{Applied, Observed, Verdict};
use runbook_core::owner::Ownership;
use runbook_core::value::{Secret, Type, Value};
use serde_json::{Value as Json, json};

fn deployment(namespace: &str, name: &str, replicas: i64) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "creationTimestamp": null},
                "spec": {"containers": [{
                    "name": name, "image": "nginx:1.29",
                    "ports": [{"containerPort": 80}],
                    "env": [{"name": "EMPTY", "value": ""}],
                    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 1}},
                }]},
            },
        },
    })
}

fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Reference {
    Reference::new(Kind::new(api_version, kind), namespace, name)
}

/// Everything that a `NodeLess` cluster gets, and what surrounds it.
fn mixed() -> Json {
    json!([
        {"apiVersion": "v1", "kind": "ServiceAccount",
         "metadata": {"name": "app", "namespace": "demo",
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app"}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app", "namespace": "demo"},
         "spec": {"selector": {"app": "app"}, "ports": [{"port": 80, "targetPort": 8080}]}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app", "namespace": "demo"},
         "data": {"a": "1", "empty": ""}},
        {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
         "metadata": {"name": "karpenter-leader-election"},
         "spec": {"distinguisherMethod": {"type": "ByUser"}, "matchingPrecedence": 200,
            "priorityLevelConfiguration": {"name": "leader-election"},
            "rules": [{"resourceRules": [{"apiGroups": ["coordination.k8s.io"], "namespaces": ["*"],
                "resources": ["leases"], "verbs": ["get", "create", "update"]}],
              "subjects": [{"kind": "ServiceAccount",
                "serviceAccount": {"name": "karpenter", "namespace": "karpenter"}}]}]}},
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
         "metadata": {"name": "gadgets.example.com", "creationTimestamp": null},
         "spec": {"group": "example.com", "scope": "Namespaced", "preserveUnknownFields": false,
            "names": {"kind": "Gadget", "plural": "gadgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "deprecated": false,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "size": {"type": "integer"},
                        "color": {"type": "string", "default": "red"}}},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]},
         "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}},
        {"apiVersion": "example.com/v1", "kind": "Gadget",
         "metadata": {"name": "one", "namespace": "demo"}, "spec": {"size": 3}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo", "labels": {"team": "a"}}},
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_converge_and_a_second_look_finds_nothing() {
    let world = World::with_cluster().await;
    let task = world.task("k8s.apply", json!({"manifests": mixed()})).await;
    let (observed, change) = task.look().await;
    assert_eq!((observed, change.action), (Observed::Absent, Action::Create));
    let planned: Vec<String> = task.fields().await;
    assert_eq!(
        planned,
        [
            "ConfigMap demo/app: - → a, empty",
            "CustomResourceDefinition gadgets.example.com: - → Gadget v1",
            "FlowSchema karpenter-leader-election: - → 15 fields",
            "Gadget demo/one: - → 5 fields",
            "Namespace demo: - → new",
            "Service demo/app: - → 7 fields",
            "ServiceAccount demo/app: - → new",
        ]
    );
    let (action, outputs) = task.run().await;
    assert_eq!(action, Action::Create);
    assert_eq!(outputs["applied"].as_list().unwrap().len(), 7);
    assert!(outputs["uid"].as_str().is_some());
    let (observed, _) = task.look().await;
    let Observed::Present(observation) = observed else { panic!() };
    assert_eq!(observation.ownership, Ownership::Ours { address: "task".to_owned() });
    let told: Vec<&str> = observation.projection.keys().map(String::as_str).collect();
    assert_eq!(told.len(), 7, "a fact for each object: {told:?}");
    let data = observation.projection["ConfigMap demo/app"].as_map().unwrap();
    assert_eq!(data[".data.a"], Value::text("1"));
    assert!(!data.keys().any(|path| path.contains("resourceVersion")), "{data:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_needs_no_right_to_write() {
    let world = World::with_cluster().await;
    let mut task = world.task("k8s.apply", json!({"manifests": mixed()})).await;
    task.run().await;
    let before = world.served.control().requests(&runbook_sandbox::Query::default()).await.unwrap();
    let reading = runbook_modules::Cluster {
        kubernetes: world.kubernetes(Access::Read).await,
        aws: None,
        helm: runbook_clients::helm::Helm::new(vec!["helm".to_owned()]),
        exec: runbook_clients::helm::Exec::default(),
    };
    task.context.connection.as_mut().unwrap().handle = std::sync::Arc::new(reading);
    assert_eq!(task.action().await, Action::None);
    let after = world.served.control().requests(&runbook_sandbox::Query::default()).await.unwrap();
    let methods: std::collections::BTreeSet<String> = after[before.len()..]
        .iter()
        .filter(|one| one.service.starts_with("kubernetes"))
        .map(|one| format!("{:?}", one.class))
        .collect();
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["Read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_drifted_field_is_that_field() {
    let world = World::with_cluster().await;
    world.profile("default").await;
    let task = world.task("k8s.apply", json!({"manifest": deployment("default", "web", 1)})).await;
    let (action, outputs) = task.run().await;
    assert_eq!(action, Action::Create);
    assert_eq!(outputs["applied"].as_list().unwrap()[0].as_map().unwrap()["name"], "web".into());
    // Somebody edits one field; by our own hand, which is no other manager to ask.
    let kubernetes = world.kubernetes(Access::Write).await;
    let web = object("apps/v1", "Deployment", Some("default"), "web");
    kubernetes
        .json_patch(
            &web,
            &json!([{"op": "replace",
        "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.28"}]),
        )
        .await
        .unwrap();
    let path = r#"Deployment default/web .spec.template.spec.containers[name="web"].image"#;
    assert_eq!(task.fields().await, [format!("{path}: nginx:1.28 → nginx:1.29")]);
    // So does the runbook: two fields more, one fewer.
    let mut manifest = deployment("default", "web", 2);
    manifest["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("env");
    let changed = task.with(json!({"manifest": manifest}));
    assert_eq!(
        changed.fields().await,
        [
            "Deployment default/web .spec.replicas: 1 → 2".to_owned(),
            r#"Deployment default/web .spec.template.spec.containers[name="web"].env[name="EMPTY"]: {"name":"EMPTY","value":""} → -"#.to_owned(),
            format!("{path}: nginx:1.28 → nginx:1.29"),
        ]
    );
    assert_eq!(changed.run().await.0, Action::Update);
    let live = kubernetes.get(&web).await.unwrap().unwrap();
    assert_eq!(live["spec"]["replicas"], 2);
    assert_eq!(live["metadata"]["labels"]["app.kubernetes.io/managed-by"], "runbook");
    assert_eq!(live["metadata"]["annotations"]["runbook/owner"], "nodeless/myeks");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_field_of_another_manager_is_a_conflict_until_it_is_forced() {
    let world = World::with_cluster().await;
    world.addon("coredns").await;
    let kubernetes = world.kubernetes(Access::Write).await;
    let coredns = object("apps/v1", "Deployment", Some("kube-system"), "coredns");
    let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system"}, "spec": {"replicas": 5}});
    let task = world.task("k8s.apply", json!({"manifest": manifest, "wait": false})).await;
    let (observed, change) = task.look().await;
    let field = "Deployment kube-system/coredns .spec.replicas";
    assert_eq!(
        change.reasons,
        [format!("{field} belongs to eks (Apply); taking it needs `force: true`")]
    );
    let Applied::Rejected(failure) = task.apply(&observed, &change).await else { panic!() };
    assert_eq!(failure.class, Class::Conflict);
    assert_eq!(
        failure.message,
        r#"Deployment kube-system/coredns is not applied: .spec.replicas belongs to "eks""#
    );
    assert!(failure.hint.as_deref().unwrap().contains("`force: true`"), "{failure:?}");
    assert_eq!(kubernetes.get(&coredns).await.unwrap().unwrap()["spec"]["replicas"], 2);
    let forced = task.with(json!({"manifest": manifest, "wait": false, "force": true}));
    assert_eq!(forced.look().await.1.reasons, [format!("{field} is taken from eks (Apply)")]);
    assert_eq!(forced.run().await.0, Action::Update);
    assert_eq!(kubernetes.get(&coredns).await.unwrap().unwrap()["spec"]["replicas"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_compared_and_never_shown() {
    let world = World::with_cluster().await;
    let secret = |text: &str| -> runbook_core::module::Values {
        let data = Value::map([("password", Value::Secret(Secret::new(Value::text(text))))]);
        let manifest = Value::map([
            ("apiVersion", "v1".into()),
            ("kind", "Secret".into()),
            ("metadata", Value::from_json(&json!({"name": "db", "namespace": "default"}))),
            ("stringData", data),
        ]);
        let map = Value::map([
            ("apiVersion", "v1".into()),
            ("kind", "ConfigMap".into()),
            ("metadata", Value::from_json(&json!({"name": "db", "namespace": "default"}))),
            (
                "data",
                Value::map([
                    ("url", Value::Secret(Secret::new(Value::text(format!("db://{text}"))))),
                    ("mode", "fast".into()),
                ]),
            ),
        ]);
        [("manifests".to_owned(), Value::list([manifest, map]))].into()
    };
    let task = world.task("k8s.apply", json!({"manifests": mixed()})).await;
    let task = task.with_values(secret("hunter2"));
    task.run().await;
    let (observed, change) = task.look().await;
    assert!(change.fields.is_empty());
    let Observed::Present(observation) = observed else { panic!() };
    let facts = format!("{:?}", observation.projection);
    assert!(!facts.contains("hunter2") && !facts.contains("aHVudGVyMg"), "{facts}");
    assert!(facts.contains("fast"), "{facts}");
    let changed = task.with_values(secret("hunter3"));
    assert_eq!(
        changed.fields().await,
        [
            "ConfigMap default/db .data.url: (secret) → (secret)",
            "Secret default/db .data.password: (secret) → (secret)",
        ]
    );
    let kubernetes = world.kubernetes(Access::Write).await;
    changed.run().await;
    let live = kubernetes.get(&object("v1", "Secret", Some("default"), "db")).await.unwrap();
    assert_eq!(live.unwrap()["data"]["password"], "aHVudGVyMw==");
    // As a secret whole, nothing but the names is shown.
    let whole = Value::Secret(Secret::new(secret("hunter4")["manifests"].clone()));
    let whole = task.with_values([("manifests".to_owned(), whole)].into());
    let told = format!("{:?}", whole.fields().await);
    assert!(told.contains("ConfigMap default/db .data.url: (secret) → (secret)"), "{told}");
    assert!(!told.contains("hunter") && !told.contains("aHVudGVy"), "{told}");
    let Observed::Present(observation) = whole.look().await.0 else { panic!() };
    assert!(!format!("{:?}", observation.projection).contains("fast"));
    // Reading it back keeps it secret.
    let get = world
        .task(
            "k8s.get",
            json!({"api_version": "v1", "kind": "Secret", "namespace": "default", "name": "db"}),
        )
        .await;
    let outputs = get.converge().await;
    assert!(!format!("{outputs:?}").contains("aHVudGVyMw"), "{outputs:?}");
    assert!(outputs["object"].as_map().unwrap()["data"].has_secret());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_yet_is_a_change_and_an_unknown_name_is_no_object() {
    let world = World::with_cluster().await;
    let known = json!({"manifest": {"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "app", "namespace": "default", "annotations": {"role": "arn:1", "x": "y"}}}});
    let task = world.task("k8s.apply", known).await;
    task.run().await;
    let unknown = Value::Unknown(std::sync::Arc::new(Type::String));
    let manifest = |name: Value, annotations: Value| {
        Value::map([
            ("apiVersion", "v1".into()),
            ("kind", "ServiceAccount".into()),
            (
                "metadata",
                Value::map([
                    ("name", name),
                    ("namespace", "default".into()),
                    ("annotations", annotations),
                ]),
            ),
        ])
    };
    let with = |value: Value| task.with_values([("manifest".to_owned(), value)].into());
    let role = Value::map([("role", unknown.clone()), ("x", "y".into())]);
    let waiting = with(manifest("app".into(), role));
    assert!(!waiting.module.is_unnamed(&waiting.arguments));
    let field = "ServiceAccount default/app .metadata.annotations.role";
    assert_eq!(waiting.fields().await, [format!("{field}: arn:1 → (known after apply)")]);
    // All annotations unknown: none of them is known to go.
    let waiting = with(manifest("app".into(), unknown.clone()));
    assert!(waiting.fields().await.iter().all(|field| !field.ends_with("→ -")));
    let unnamed = with(manifest(unknown.clone(), Value::Null));
    assert!(unnamed.module.is_unnamed(&unnamed.arguments));
    let unknown = with(unknown);
    assert!(unknown.module.is_unnamed(&unknown.arguments));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_are_told_apart_and_adopted_objects_carry_our_mark() {
    let world = World::with_cluster().await;
    let kubernetes = world.kubernetes(Access::Write).await;
    let bare = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "found", "namespace": "default"}, "data": {"a": "1"}});
    kubernetes.create(&bare).await.unwrap();
    let task = world.task("k8s.apply", json!({"manifest": bare})).await;
    let (observed, change) = task.look().await;
    let Observed::Present(observation) = &observed else { panic!() };
    assert_eq!(observation.ownership, Ownership::Unmarked);
    assert_eq!(
        task.fields().await,
        [
            r#"ConfigMap default/found .metadata.annotations: - → {"runbook/address":"task","runbook/owner":"nodeless/myeks"}"#,
            r#"ConfigMap default/found .metadata.labels: - → {"app.kubernetes.io/managed-by":"runbook"}"#,
        ]
    );
    // The engine lets this happen with `adopt: true` only.
    assert!(matches!(task.apply(&observed, &change).await, Applied::Acknowledged(_)));
    assert_eq!(task.action().await, Action::None);
    let mut other = task.with(json!({"manifest": bare}));
    other.context.owner.0 = "other/x".to_owned();
    let Observed::Present(observation) = other.look().await.0 else { panic!() };
    assert!(
        matches!(observation.ownership, Ownership::Foreign { owner } if owner.0 == "nodeless/myeks")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_a_definition_is_absent_and_passes_when_it_is_applied() {
    let world = World::with_cluster().await;
    let gadget = mixed()[5].clone();
    let task = world.task("k8s.apply", json!({"manifest": gadget})).await;
    let (observed, change) = task.look().await;
    assert_eq!((&observed, change.action), (&Observed::Absent, Action::Create));
    let Applied::Rejected(failure) = task.apply(&observed, &change).await else { panic!() };
    assert_eq!(failure.code.as_deref(), Some("NoKindMatch"));
    assert!(failure.passes_within.is_some() && failure.message.contains("Gadget"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_what_is_ours_and_waits_until_it_is_gone() {
    let world = World::with_cluster().await;
    let task = world.task("k8s.apply", json!({"manifests": mixed()})).await;
    task.run().await;
    let (observed, _) = task.look().await;
    let delete = runbook_core::change::Change::of(Action::Delete);
    assert!(matches!(task.apply(&observed, &delete).await, Applied::Acknowledged(_)));
    world
        .until("all is gone", async || {
            let verdict = task.module.verify_absent(&task.context, &task.arguments).await.unwrap();
            matches!(verdict, Verdict::Converged(_))
        })
        .await;
    assert_eq!(task.look().await.0, Observed::Absent);
}

#[test]
fn mistakes_in_manifests_are_found_without_a_cluster() {
    let registry = runbook_modules::registry();
    let apply = registry.get("k8s.apply").unwrap();
    let wrong = |arguments: Json| {
        let Value::Map(arguments) = Value::from_json(&arguments) else { panic!() };
        apply.check(&arguments)
    };
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    assert_eq!(wrong(json!({"manifests": [manifest, null]})), []);
    assert_eq!(
        wrong(json!({"manifests": [manifest, manifest, {"kind": "Pod"}, "x"]})),
        [
            (
                "manifests".to_owned(),
                "cannot be applied: manifest 2 (ConfigMap a) is declared twice: ConfigMap a"
                    .to_owned()
            ),
            (
                "manifests".to_owned(),
                "cannot be applied: manifest 3 (Pod) has no `apiVersion`".to_owned()
            ),
            (
                "manifests".to_owned(),
                "cannot be applied: manifest 4 is text, not a manifest".to_owned()
            ),
        ]
    );
    assert_eq!(wrong(json!({"manifest": manifest, "manifests": [manifest]}))[0].0, "manifest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_sent_only_where_it_differs() {
    let world = World::with_cluster().await;
    let map = json!({"manifest": {"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "aws-auth", "namespace": "default"}, "data": {"a": "1", "gone": "x"}}});
    world.task("k8s.apply", map).await.run().await;
    let patch = json!({"api_version": "v1", "kind": "ConfigMap", "namespace": "default", "name": "aws-auth",
        "patch": {"data": {"a": "2", "gone": null, "never": null}, "metadata": {"labels": {"x.y/z": "1"}}}});
    let task = world.task("k8s.patch", patch).await;
    assert_eq!(
        task.fields().await,
        [".data.a: 1 → 2", ".data.gone: x → -", r#".metadata.labels["x.y/z"]: - → 1"#]
    );
    assert!(task.not_yet().await.contains(".data.a is not as asked"));
    assert_eq!(task.run().await.0, Action::Update);
    let Observed::Present(observation) = task.look().await.0 else { panic!() };
    assert_eq!(observation.ownership, Ownership::Setting);
    // A quantity in other words is the same.
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 0)}))
        .await
        .write()
        .await;
    let resources = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web",
        "patch": {"spec": {"template": {"spec": {"overhead": null}}, "replicas": 0}}});
    assert_eq!(task_of(&world, "k8s.patch", resources).await, Action::None);
    let missing = world
        .task(
            "k8s.patch",
            json!({"api_version": "v1", "kind": "ConfigMap",
        "namespace": "default", "name": "nobody", "patch": {"data": {"a": "1"}}}),
        )
        .await;
    let failure = missing.module.observe(&missing.context, &missing.arguments).await.unwrap_err();
    assert_eq!(failure.class, Class::NotFound);
    assert_eq!(failure.message, "there is no ConfigMap default/nobody in the cluster");
}

async fn task_of(world: &World, module: &str, arguments: Json) -> Action {
    world.task(module, arguments).await.action().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_puts_pods_on_fargate_that_were_made_before_their_profile() {
    let world = World::with_cluster().await;
    // The pods are made while there is no profile, and wait for a node that never comes.
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 2), "wait": false}))
        .await
        .run()
        .await;
    world.sleep(Duration::from_secs(30)).await;
    let placed = world
        .task("k8s.on_fargate", json!({"namespace": "default", "selector": "app=web", "minimum": 2, "minimum_zones": 4}))
        .await;
    let reason = placed.not_yet().await;
    assert!(reason.starts_with("0 of 2 pods on Fargate\ndefault/web-"), "{reason}");
    assert!(reason.contains("is Pending on no node"), "{reason}");
    assert!(reason.contains("have to be made again"), "{reason}");
    world.profile("default").await;
    let restart =
        world.task("k8s.rollout_restart", json!({"namespace": "default", "name": "web"})).await;
    let (_, change) = restart.look().await;
    assert_eq!((change.action, change.reasons.len()), (Action::Update, 2));
    assert!(change.reasons[0].contains("made before a Fargate profile took it"), "{change:?}");
    let (action, outputs) = restart.run().await;
    assert_eq!(action, Action::Update);
    assert!(outputs["restarted_at"].as_str().is_some());
    let outputs = placed.converge().await;
    assert_eq!(outputs["pods"].as_list().unwrap().len(), 2);
    assert!(outputs["warning"].as_str().unwrap().contains("of the 4 zones"));
    let rollout = world.task("k8s.rollout", json!({"namespace": "default", "name": "web"})).await;
    let outputs = rollout.converge().await;
    assert_eq!((outputs["replicas"].as_i64(), outputs["ready"].as_i64()), (Some(2), Some(2)));
    // A paused Deployment is refused, but only where there is something to do.
    let paused = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "default",
        "name": "web", "patch": {"spec": {"paused": true}}});
    world.task("k8s.patch", paused).await.run().await;
    assert_eq!(restart.action().await, Action::None);
    let always = restart.with(json!({"namespace": "default", "name": "web", "unless": "never"}));
    let failure = always.module.observe(&always.context, &always.arguments).await.unwrap_err();
    assert!(failure.message.contains("is paused"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_came_before_the_webhook_is_a_failure_that_passes() {
    let world = World::with_cluster().await;
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 1), "wait": false}))
        .await
        .run()
        .await;
    world.sleep(Duration::from_secs(30)).await;
    let restart =
        world.task("k8s.rollout_restart", json!({"namespace": "default", "name": "web"})).await;
    assert_eq!(restart.write().await, Action::Update);
    world.sleep(Duration::from_secs(30)).await;
    let failure = restart.wait().await.unwrap_err();
    assert!(failure.passes_within.is_some(), "{failure:?}");
    assert!(failure.message.contains("was restarted, and default/web-"), "{failure:?}");
    // The same attempt again writes nothing: its token is on the template.
    let (observed, change) = restart.look().await;
    let kubernetes = world.kubernetes(Access::Write).await;
    let web = object("apps/v1", "Deployment", Some("default"), "web");
    let before = kubernetes.get(&web).await.unwrap().unwrap()["metadata"]["generation"].clone();
    assert!(matches!(restart.apply(&observed, &change).await, Applied::Acknowledged(_)));
    assert_eq!(kubernetes.get(&web).await.unwrap().unwrap()["metadata"]["generation"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_says_what_it_waits_for() {
    let world = World::with_cluster().await;
    let rollout = world.task("k8s.rollout", json!({"namespace": "default", "name": "web"})).await;
    assert_eq!(rollout.not_yet().await, "there is no Deployment default/web yet");
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 1), "wait": false}))
        .await
        .run()
        .await;
    world.sleep(Duration::from_secs(30)).await;
    let reason = rollout.not_yet().await;
    assert!(reason.starts_with("0 of 1 new pods of `web` are available\ndefault/web-"), "{reason}");
    assert!(reason.contains("its last event, "), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_for_presence_conditions_and_absence() {
    let world = World::with_cluster().await;
    let named = |more: Json| {
        let mut arguments = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let wait = world.task("k8s.wait", named(json!({"condition": "Available"}))).await;
    assert_eq!(wait.not_yet().await, "there is no Deployment default/web yet");
    assert!(matches!(
        wait.with(named(json!({"gone": true}))).verify().await,
        Ok(Verdict::Converged(_))
    ));
    world.profile("default").await;
    world
        .task("k8s.apply", json!({"manifest": deployment("default", "web", 1), "wait": false}))
        .await
        .run()
        .await;
    let reason = wait.not_yet().await;
    assert!(reason.contains("Available"), "{reason}");
    wait.converge().await;
    let pods =
        json!({"api_version": "v1", "kind": "Pod", "namespace": "default", "selector": "app=web"});
    let mut ready = pods.clone();
    ready["condition"] = "Ready".into();
    wait.with(ready).converge().await;
    let mut gone = pods;
    gone["gone"] = true.into();
    let gone = wait.with(gone);
    let reason = gone.not_yet().await;
    assert!(
        reason.starts_with("Pod default/web-") && reason.ends_with("is still there"),
        "{reason}"
    );
    let both = wait.with(named(json!({"selector": "a=b"})));
    assert_eq!(both.module.check(&both.arguments)[0].0, "selector");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_and_one_that_is_not_there_is_no_error() {
    let world = World::with_cluster().await;
    let get = world
        .task("k8s.get", json!({"api_version": "v1", "kind": "Namespace", "name": "kube-system"}))
        .await;
    let outputs = get.converge().await;
    assert_eq!(outputs["exists"], true.into());
    let object = outputs["object"].as_map().unwrap();
    assert_eq!(object["status"].as_map().unwrap()["phase"], "Active".into());
    assert!(!object["metadata"].as_map().unwrap().contains_key("managedFields"));
    for (api_version, kind) in [("v1", "Namespace"), ("nobody.example.com/v1", "Thing")] {
        let outputs = get
            .with(json!({"api_version": api_version, "kind": kind, "name": "no"}))
            .converge()
            .await;
        assert_eq!((&outputs["exists"], &outputs["object"]), (&false.into(), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_what_kubectl_prints() {
    let world = World::with_cluster().await;
    world.profile("default").await;
    world.task("k8s.apply", json!({"manifest": deployment("default", "web", 1)})).await.run().await;
    let texts = |value: &Value| -> Vec<String> {
        value.as_list().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let table = world.task("k8s.table", json!({})).await;
    let outputs = table.converge().await;
    assert_eq!(
        texts(&outputs["columns"]),
        [
            "NAMESPACE",
            "NAME",
            "READY",
            "STATUS",
            "RESTARTS",
            "AGE",
            "IP",
            "NODE",
            "NOMINATED NODE",
            "READINESS GATES"
        ]
    );
    let rows = outputs["rows"].as_list().unwrap();
    let row = texts(&rows[0]);
    assert_eq!(
        (rows.len(), &row[0], &row[2], &row[3]),
        (1, &"default".to_owned(), &"1/1".to_owned(), &"Running".to_owned())
    );
    assert!(row[7].starts_with("fargate-ip-192-168-"), "{row:?}");
    assert_eq!(row[8], "<none>");
    let narrow = table.with(json!({"namespace": "default", "wide": false})).converge().await;
    assert_eq!(texts(&narrow["columns"]), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    let nodes = table.with(json!({"kind": "Node"})).converge().await;
    assert_eq!(texts(&nodes["columns"])[0], "NAME", "nodes have no namespace");
    let unknown = table.with(json!({"api_version": "no.example.com/v1", "kind": "Thing"}));
    assert_eq!(unknown.verify().await.unwrap_err().class, Class::NotFound);
}

/// A definition whose objects may hold anything in spec and status.
fn definition(group: &str, kind: &str, plural: &str) -> Json {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Cluster", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": open, "status": open}}}}]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_pool_is_ready_by_its_own_word_and_its_pods_run_on_its_nodes() {
    let world = World::with_cluster().await;
    world.profile("karpenter").await;
    world.node_role("nodes").await;
    world.addon("vpc-cni").await;
    let mut controller = deployment("karpenter", "karpenter", 1);
    controller["metadata"]["labels"]["app.kubernetes.io/name"] = "karpenter".into();
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "karpenter"}});
    let installed = json!({"manifests": [namespace, controller,
        definition("karpenter.sh", "NodePool", "nodepools"),
        definition("karpenter.sh", "NodeClaim", "nodeclaims"),
        definition("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclasses")]});
    world.task("k8s.apply", installed).await.run().await;
    let class = json!({"apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass",
        "metadata": {"name": "default"},
        "spec": {"role": "nodes", "amiSelectorTerms": [{"alias": "al2023@v20260901"}],
            "subnetSelectorTerms": [{"tags": {"Name": "nothing"}}],
            "securityGroupSelectorTerms": [{"tags": {"aws:eks:cluster-name": "myeks"}}]}});
    let pool = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "metadata": {"name": "default"},
        "spec": {"limits": {"cpu": 1000},
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"},
            "template": {"spec": {"expireAfter": "720h",
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": [
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]}]}}}});
    // A class that finds no subnet is not ready, and says why.
    let pools = world.task("k8s.apply", json!({"manifests": [class, pool]})).await;
    assert_eq!(pools.write().await, Action::Create);
    let reason = pools.not_yet().await;
    assert!(reason.contains("EC2NodeClass default is not ready: UnhealthyDependents"), "{reason}");
    let mut found = class.clone();
    found["spec"]["subnetSelectorTerms"][0]["tags"]["Name"] = "myeks-PrivateSubnet1".into();
    let pools = pools.with(json!({"manifests": [found, pool]}));
    assert_eq!(pools.run().await.0, Action::Update);
    // Pods that fit nowhere get a node of the pool.
    let placed = world
        .task("k8s.on_karpenter", json!({"namespace": "default", "selector": "app=web"}))
        .await;
    assert_eq!(placed.not_yet().await, "0 of 1 pods on nodes of Karpenter");
    world.task("k8s.apply", json!({"manifest": deployment("default", "web", 1)})).await.run().await;
    let outputs = placed.converge().await;
    let pod = outputs["pods"].as_list().unwrap()[0].as_map().unwrap().clone();
    assert_eq!(
        (&pod["node_pool"], &pod["capacity_type"]),
        (&"default".into(), &"on-demand".into())
    );
    assert_eq!(pod["zone"], "ap-northeast-2a".into());
    assert!(pod["instance_type"].as_str().is_some() && pod["node"].as_str().is_some(), "{pod:?}");
}
