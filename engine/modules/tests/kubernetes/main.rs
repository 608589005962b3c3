//! The Kubernetes modules against the sandbox, over real sockets: what they see, write, wait for,
//! and that a second look finds nothing left to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

#[path = "../cluster/mod.rs"]
mod cluster;
mod manifests;
mod waits;

use cluster::World;
use runbook_clients::kubernetes::{Kind, Reference};
use runbook_core::change::Action;
use serde_json::{Value as Json, json};

pub(crate) fn deployment(namespace: &str, name: &str, replicas: i64) -> Json {
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

pub(crate) fn object(
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
) -> Reference {
    Reference::new(Kind::new(api_version, kind), namespace, name)
}

pub(crate) async fn task_of(world: &World, module: &str, arguments: Json) -> Action {
    world.task(module, arguments).await.action().await
}
