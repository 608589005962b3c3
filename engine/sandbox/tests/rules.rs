//! The rules of custom resources, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod support;

use http::Method;
use serde_json::{Value, json};

use support::World;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

/// A definition in the manner of Karpenter's: rules on lists, texts, maps and transitions.
fn definition(rule: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('w')", "message": "named otherwise"}],
                "properties": {"spec": {
                    "type": "object", "required": ["group"],
                    "properties": {
                        "group": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "group is immutable"}]},
                        "size": {"type": "integer", "default": 2},
                        "needs": {"type": "array", "items": {"type": "object", "properties": {
                            "operator": {"type": "string"}, "values": {"type": "array", "items": {"type": "string"}}}},
                            "x-kubernetes-validations": [{"rule": "self.all(x, x.operator == 'Gt' ? (x.values.size() == 1 && int(x.values[0]) >= 0) : true)", "message": "needs with 'Gt' have one positive value"}]},
                    },
                    "x-kubernetes-validations": [{"rule": rule}],
                }},
            }}}],
        },
    })
}

async fn create(world: &World, path: &str, object: &Value) -> (u16, Value) {
    world.ask(Method::POST, path, "application/json", object).await
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

fn said(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_resources_are_held_to_the_rules_of_their_definition() {
    let world = World::with_cluster().await;
    let refused = create(&world, DEFINITIONS, &definition("self.size < ip('::1').family()")).await;
    let (status, message) = said(&refused);
    assert_eq!(status, 422);
    let start = "CustomResourceDefinition.apiextensions.k8s.io \"widgets.example.com\" is invalid: spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: {\"Rule\":\"self.size \\u003c ip('::1').family()\"";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains("compilation failed: ERROR: <input>:1:"), "{message}");
    assert!(message.contains("undeclared reference to 'ip' (in container '')"), "{message}");
    assert_eq!(refused.1["details"]["causes"][0]["reason"], "FieldValueInvalid");
    assert!(world.get(&format!("{DEFINITIONS}/widgets.example.com")).await.is_none());

    let created = create(&world, DEFINITIONS, &definition("self.size <= 4")).await;
    assert_eq!(created.0, 201, "{}", created.1);
    world.pass(5).await;
    let good =
        widget("wide", json!({"group": "a", "needs": [{"operator": "Gt", "values": ["1"]}]}));
    let created = create(&world, WIDGETS, &good).await;
    assert_eq!(created.0, 201, "{}", created.1);

    let bad = widget(
        "narrow",
        json!({"group": "a", "size": 5, "needs": [{"operator": "Gt", "values": ["-1"]}]}),
    );
    let refused = create(&world, WIDGETS, &bad).await;
    assert_eq!(
        said(&refused),
        (
            422,
            "Widget.example.com \"narrow\" is invalid: [<nil>: Invalid value: named otherwise, spec: Invalid value: failed rule: self.size <= 4, spec.needs: Invalid value: needs with 'Gt' have one positive value]"
        )
    );
    let unjudged = create(&world, WIDGETS, &widget("wide2", json!({"size": 5}))).await;
    assert_eq!(
        said(&unjudged),
        (
            422,
            "Widget.example.com \"wide2\" is invalid: [spec.group: Required value, <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"
        )
    );

    // A transition by each way of writing.
    let path = format!("{WIDGETS}/wide");
    let moved = json!({"spec": {"group": "b"}});
    let patched = world.ask(Method::PATCH, &path, "application/merge-patch+json", &moved).await;
    let fixed = (
        422,
        "Widget.example.com \"wide\" is invalid: spec.group: Invalid value: \"b\": group is immutable",
    );
    assert_eq!(said(&patched), fixed);
    let applied = world.apply(&path, &widget("wide", json!({"group": "b"}))).await;
    assert_eq!(applied.0, 409, "{}", applied.1);
    let put = world
        .ask(Method::PUT, &path, "application/json", &widget("wide", json!({"group": "b"})))
        .await;
    assert_eq!(said(&put), fixed);
    let grown = json!({"spec": {"size": 4}});
    let patched = world.ask(Method::PATCH, &path, "application/merge-patch+json", &grown).await;
    assert_eq!(patched.0, 200, "{}", patched.1);
    let kept = world.get(&path).await.unwrap();
    assert_eq!(kept["spec"]["group"], "a");
    assert_eq!(kept["spec"]["size"], 4);
}
