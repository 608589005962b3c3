//! What is declared: applied, patched, adopted, deleted.

use runbook_clients::Access;
use runbook_core::change::Action;
use runbook_core::failure::Class;
use runbook_core::module::{Applied, Observed, Verdict};
use runbook_core::owner::Ownership;
use runbook_core::value::{Secret, Type, Value};
use serde_json::{Value as Json, json};

use crate::cluster::World;
use crate::{deployment, object, task_of};

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
