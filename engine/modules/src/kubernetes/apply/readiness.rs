//! When an object is what it should be: by its kind.
//!
//! | kind | ready when |
//! |---|---|
//! | Deployment, `DaemonSet`, `StatefulSet` | its rollout is done |
//! | `CustomResourceDefinition` | its names are accepted, it is established, and each of its versions is served |
//! | Namespace | it is active |
//! | Pod | it is ready, or has done its work |
//! | `NodePool`, `EC2NodeClass` and other kinds with a condition `Ready` | that is true, about the current generation |
//! | any other | it is there |

use runbook_clients::kubernetes::rollout::{self, Rollout};
use runbook_clients::kubernetes::{Connection, Kind, Reference};
use runbook_core::failure::{Class, Failure};
use serde_json::Value as Json;

use super::super::failures::Read as _;
use super::super::named::last_events;

/// Kinds that always come to say whether they are ready: without a word they are not.
const SAYS_READY: [(&str, &str); 3] = [
    ("karpenter.sh", "NodePool"),
    ("karpenter.sh", "NodeClaim"),
    ("karpenter.k8s.aws", "EC2NodeClass"),
];

/// How ready an object is.
#[derive(Debug, PartialEq)]
pub(super) enum Readiness {
    /// It is.
    Ready,
    /// Not yet, and why.
    NotYet(String),
    /// It will not be by waiting.
    Never(Failure),
}

/// How ready the live object is.
pub(super) async fn readiness(
    kubernetes: &Connection,
    object: &Reference,
    live: &Json,
) -> Result<Readiness, Failure> {
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return Ok(Readiness::NotYet(format!("{object} is being deleted")));
    }
    Ok(match object.kind.kind.as_str() {
        "Deployment" | "DaemonSet" | "StatefulSet" if object.kind.group() == "apps" => {
            rolled_out(kubernetes, object, live).await?
        }
        "CustomResourceDefinition" => definition(kubernetes, live).await?,
        "Namespace" if object.kind.group().is_empty() => namespace(live),
        "Pod" if object.kind.group().is_empty() => pod(object, live),
        _ => conditions(object, live),
    })
}

async fn rolled_out(
    kubernetes: &Connection,
    object: &Reference,
    live: &Json,
) -> Result<Readiness, Failure> {
    Ok(match rollout::status(live, None) {
        Rollout::Done(_) => Readiness::Ready,
        Rollout::Waiting(reason) => Readiness::NotYet(reason),
        Rollout::Failed(reason) => {
            let mut failure = Failure::new(Class::Terminal, reason);
            failure.evidence = last_events(kubernetes, object, 3).await?;
            Readiness::Never(failure)
        }
    })
}

async fn definition(kubernetes: &Connection, live: &Json) -> Result<Readiness, Failure> {
    let name = live.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default();
    if let Some(refused) = rollout::condition(live, "NamesAccepted")
        .filter(|condition| condition.get("status").is_some_and(|status| status == "False"))
    {
        let message = refused.get("message").and_then(Json::as_str).unwrap_or_default();
        let message = format!("the names of `{name}` are not accepted: {message}");
        return Ok(Readiness::Never(Failure::new(Class::Terminal, message)));
    }
    for wanted in ["NamesAccepted", "Established"] {
        if !rollout::is_true(live, wanted) {
            return Ok(Readiness::NotYet(format!("`{name}` is not {wanted} yet")));
        }
    }
    let text = |pointer: &str| live.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let versions = live.pointer("/spec/versions").and_then(Json::as_array);
    for version in versions.into_iter().flatten() {
        let is_served = version.get("served").and_then(Json::as_bool).unwrap_or(true);
        let Some(version) = version.get("name").and_then(Json::as_str).filter(|_| is_served) else {
            continue;
        };
        let kind =
            Kind::new(format!("{}/{version}", text("/spec/group")), text("/spec/names/kind"));
        if kubernetes.resource(&kind).await.read()?.is_none() {
            return Ok(Readiness::NotYet(format!("`{kind}` is not served yet")));
        }
    }
    Ok(Readiness::Ready)
}

fn namespace(live: &Json) -> Readiness {
    match live.pointer("/status/phase").and_then(Json::as_str) {
        Some("Active") => Readiness::Ready,
        phase => Readiness::NotYet(format!(
            "the namespace `{}` is {}",
            live.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default(),
            phase.unwrap_or("without a phase yet"),
        )),
    }
}

fn pod(object: &Reference, live: &Json) -> Readiness {
    match live.pointer("/status/phase").and_then(Json::as_str) {
        Some("Succeeded") => Readiness::Ready,
        Some("Failed") => {
            Readiness::Never(Failure::new(Class::Terminal, format!("{object} has failed")))
        }
        Some("Running") => conditions(object, live),
        phase => {
            Readiness::NotYet(format!("{object} is {}", phase.unwrap_or("without a phase yet")))
        }
    }
}

fn conditions(object: &Reference, live: &Json) -> Readiness {
    let Some(condition) = rollout::condition(live, "Ready") else {
        let kind = (object.kind.group(), object.kind.kind.as_str());
        if SAYS_READY.contains(&kind) {
            return Readiness::NotYet(format!("{object} does not say yet whether it is ready"));
        }
        return Readiness::Ready;
    };
    if rollout::is_true(live, "Ready") {
        return Readiness::Ready;
    }
    let text = |name: &str| condition.get(name).and_then(Json::as_str).unwrap_or_default();
    if text("status") == "True" {
        return Readiness::NotYet(format!("{object} has not been seen again since its change"));
    }
    let why: Vec<&str> =
        [text("reason"), text("message")].into_iter().filter(|text| !text.is_empty()).collect();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(": ")) };
    Readiness::NotYet(format!("{object} is not ready{why}"))
}
