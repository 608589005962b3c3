//! What differs between declared and live objects, by the fields that are ours.

use serde_json::json;

use super::*;

/// `path: before → after`, with the owners where there are other ones.
fn told(declared: &Value, live: &Value) -> Vec<String> {
    difference(declared, live, "runbook")
        .iter()
        .map(|one| {
            let text = |value: &Option<Value>| {
                value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
            };
            let owners = match one.owners.join(", ") {
                owners if owners.is_empty() => String::new(),
                owners => format!(" [{owners}]"),
            };
            format!("{}: {} → {}{owners}", one.path, text(&one.before), text(&one.after))
        })
        .collect()
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "nginx", "namespace": "default", "labels": {"app": "nginx"}},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [{
                "name": "nginx", "image": "nginx:1.29", "command": ["a", "b"],
                "ports": [{"containerPort": 80}],
                "resources": {"requests": {"cpu": "0.5", "memory": "1Gi"}},
            }]}},
        },
    })
}

/// The declared Deployment as the server keeps it: defaults, other forms, who owns what.
fn live() -> Value {
    let ours = json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {
                ".": {}, "f:name": {}, "f:image": {}, "f:command": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                    ".": {}, "f:containerPort": {}}},
                "f:resources": {"f:requests": {"f:cpu": {}, "f:memory": {}}},
            }}}},
        },
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "nginx", "namespace": "default", "uid": "u", "generation": 1,
            "labels": {"app": "nginx", "theirs": "x"},
            "managedFields": [
                {"manager": "runbook", "operation": "Apply", "fieldsV1": ours},
                {"manager": "kube-controller-manager", "operation": "Update",
                 "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}},
            ],
        },
        "spec": {
            "replicas": 1, "revisionHistoryLimit": 10,
            "template": {"spec": {"restartPolicy": "Always", "containers": [{
                "name": "nginx", "image": "nginx:1.29", "command": ["a", "b"],
                "imagePullPolicy": "IfNotPresent",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
            }]}},
        },
        "status": {"replicas": 1},
    })
}

#[test]
fn what_was_applied_and_stored_is_no_difference() {
    assert_eq!(told(&deployment(), &live()), Vec::<String>::new());
}

#[test]
fn changed_fields_are_told_with_their_place() {
    let mut declared = deployment();
    declared["spec"]["replicas"] = 2.into();
    let container = &mut declared["spec"]["template"]["spec"]["containers"][0];
    container["image"] = "nginx:1.30".into();
    container["resources"]["requests"]["cpu"] = "1".into();
    container["command"] = json!(["b", "a"]);
    assert_eq!(
        told(&declared, &live()),
        [
            ".spec.replicas: 1 → 2",
            r#".spec.template.spec.containers[name="nginx"].command: ["a","b"] → ["b","a"]"#,
            r#".spec.template.spec.containers[name="nginx"].image: "nginx:1.29" → "nginx:1.30""#,
            r#".spec.template.spec.containers[name="nginx"].resources.requests.cpu: "500m" → "1""#,
        ]
    );
}

#[test]
fn what_we_declare_no_longer_goes_and_what_others_set_stays() {
    let mut declared = deployment();
    declared["metadata"].as_object_mut().unwrap().remove("labels");
    let container = &mut declared["spec"]["template"]["spec"]["containers"][0];
    container.as_object_mut().unwrap().remove("ports");
    assert_eq!(
        told(&declared, &live()),
        [
            r#".metadata.labels.app: "nginx" → -"#,
            r#".spec.template.spec.containers[name="nginx"].ports[containerPort=80,protocol="TCP"]: {"containerPort":80,"protocol":"TCP"} → -"#,
        ]
    );
}

#[test]
fn a_field_of_another_manager_is_told_with_its_owner() {
    let mut live = live();
    live["spec"]["replicas"] = 5.into();
    let managers = live["metadata"]["managedFields"].as_array_mut().unwrap();
    managers.push(json!({"manager": "eks", "operation": "Update",
        "fieldsV1": {"f:spec": {"f:replicas": {}}}}));
    assert_eq!(told(&deployment(), &live), [".spec.replicas: 5 → 1 [eks (Update)]"]);
}

#[test]
fn a_new_item_of_a_list_is_one_difference() {
    let mut declared = deployment();
    let containers = declared["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    containers.insert(0, json!({"name": "side", "image": "s"}));
    assert_eq!(
        told(&declared, &live()),
        [r#".spec.template.spec.containers[name="side"]: - → {"image":"s","name":"side"}"#]
    );
}

#[test]
fn sets_are_compared_by_their_members() {
    let declared = json!({"kind": "X", "metadata": {"finalizers": ["b", "a"]}});
    let live = json!({"kind": "X", "metadata": {"finalizers": ["a", "other"], "managedFields": [
        {"manager": "m", "operation": "Update",
         "fieldsV1": {"f:metadata": {"f:finalizers": {"v:\"a\"": {}, "v:\"other\"": {}}}}}]}});
    assert_eq!(told(&declared, &live), [r#".metadata.finalizers[="b"]: - → "b""#]);
}

#[test]
fn a_list_without_keys_is_a_whole_whose_defaults_do_not_count() {
    let declared = json!({"kind": "NodePool", "spec": {
        "limits": {"cpu": 1000},
        "requirements": [{"key": "arch", "operator": "In", "values": ["amd64"]}],
        "empty": {}, "none": null, "list": []}});
    let live = json!({"kind": "NodePool", "metadata": {}, "spec": {
        "limits": {"cpu": "1000"},
        "requirements": [
            {"key": "arch", "operator": "In", "values": ["amd64"], "minValues": 1}]}});
    assert_eq!(told(&declared, &live), Vec::<String>::new());
    let mut moved = declared.clone();
    moved["spec"]["requirements"][0]["values"] = json!(["amd64", "arm64"]);
    assert_eq!(told(&moved, &live).len(), 1);
    moved["spec"]["limits"]["cpu"] = 500.into();
    assert_eq!(told(&moved, &live)[0], r#".spec.limits.cpu: "1000" → 500"#);
}

#[test]
fn string_data_is_compared_where_the_server_keeps_it() {
    let declared = json!({"kind": "Secret", "stringData": {"a": "x"}, "data": {"b": "eQ=="}});
    let live = json!({"kind": "Secret", "data": {"a": "eA==", "b": "eQ=="}});
    assert_eq!(told(&declared, &live), Vec::<String>::new());
    let other = json!({"kind": "Secret", "data": {"a": "eQ==", "b": "eQ=="}});
    assert_eq!(told(&declared, &other), [r#".data.a: "eQ==" → "eA==""#]);
}

#[test]
fn what_the_server_leaves_out_is_no_difference_once_it_is_ours() {
    let declared = json!({"kind": "Pod", "spec": {"hostNetwork": false, "containers": [
        {"name": "a", "stdin": false, "env": [{"name": "E", "value": ""}]}]}});
    let mut live = json!({"kind": "Pod", "metadata": {}, "spec": {"containers": [
        {"name": "a", "env": [{"name": "E"}]}]}});
    // Not applied yet: a missing field may mean something else than its zero.
    assert_eq!(told(&declared, &live), [".spec.hostNetwork: - → false"]);
    live["metadata"]["managedFields"] = json!([{"manager": "runbook", "operation": "Apply",
        "fieldsV1": {"f:spec": {"f:hostNetwork": {}, "f:containers": {"k:{\"name\":\"a\"}": {
            ".": {}, "f:name": {}, "f:stdin": {}, "f:env": {"k:{\"name\":\"E\"}": {
                ".": {}, "f:name": {}, "f:value": {}}}}}}}}]);
    assert_eq!(told(&declared, &live), Vec::<String>::new());
    live["spec"]["hostNetwork"] = true.into();
    assert_eq!(told(&declared, &live), [".spec.hostNetwork: true → false"]);
}

#[test]
fn equal_fields_are_told_with_what_is_there() {
    let compared = compare(&deployment(), &live(), "runbook");
    assert!(compared.different.is_empty());
    let equal: Vec<_> = compared.equal.keys().map(String::as_str).collect();
    assert_eq!(
        equal,
        [
            ".metadata.labels.app",
            ".spec.replicas",
            r#".spec.template.spec.containers[name="nginx"].command"#,
            r#".spec.template.spec.containers[name="nginx"].image"#,
            r#".spec.template.spec.containers[name="nginx"].name"#,
            r#".spec.template.spec.containers[name="nginx"].ports[containerPort=80,protocol="TCP"].containerPort"#,
            r#".spec.template.spec.containers[name="nginx"].resources.requests.cpu"#,
            r#".spec.template.spec.containers[name="nginx"].resources.requests.memory"#,
        ]
    );
    let cpu = r#".spec.template.spec.containers[name="nginx"].resources.requests.cpu"#;
    assert_eq!(compared.equal[cpu], "500m", "as the server keeps it");
}

#[test]
fn a_label_too_many_in_a_selector_is_a_difference() {
    let declared = json!({"kind": "Service", "spec": {"selector": {"app": "a"}}});
    let mut live = json!({"kind": "Service", "spec": {"selector": {"app": "a", "tier": "b"}},
        "metadata": {"managedFields": [{"manager": "runbook", "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:selector": {}}}}]}});
    assert_eq!(told(&declared, &live), [r#".spec.selector: {"app":"a","tier":"b"} → {"app":"a"}"#]);
    live["spec"]["selector"] = json!({"app": "a"});
    assert_eq!(told(&declared, &live), Vec::<String>::new());
}
