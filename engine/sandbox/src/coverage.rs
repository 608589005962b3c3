//! What the sandbox simulates, and what it does not: the list behind `runbook sandbox coverage`.

use serde::Serialize;

use crate::aws;
use crate::kubernetes;

/// How far something is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// As the real thing answers.
    Simulated,
    /// Refused by name.
    Refused,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `eks`, `kubernetes`, `controller`, `helm`.
    pub area: String,
    /// The operation, kind or feature.
    pub name: String,
    /// How far.
    pub covered: Covered,
    /// What to know about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub note: &'static str,
}

/// Controllers and what they do.
const CONTROLLERS: [(&str, Covered, &str); 18] = [
    (
        "Deployment, ReplicaSet, DaemonSet",
        Covered::Simulated,
        "rolling update by surge and unavailability",
    ),
    ("Fargate webhook and scheduler", Covered::Simulated, "acts at pod creation, tries a pod once"),
    (
        "Karpenter: provisioning",
        Covered::Simulated,
        "the cheapest type that fits, with its NodeClaim",
    ),
    ("Karpenter: emptiness consolidation", Covered::Simulated, ""),
    (
        "Karpenter: termination",
        Covered::Simulated,
        "claims and node classes stay while no Karpenter runs",
    ),
    (
        "Karpenter: leader election",
        Covered::Simulated,
        "the Lease reads as renewed while its holder is ready",
    ),
    (
        "Karpenter: replacement consolidation, drift, interruption",
        Covered::Refused,
        "an event says so",
    ),
    ("default scheduler", Covered::Simulated, "resources, taints, selectors; no preferences"),
    ("endpoints and endpoint slices", Covered::Simulated, ""),
    ("garbage collection, namespaces", Covered::Simulated, ""),
    (
        "Job",
        Covered::Simulated,
        "parallelism, completions, ttlSecondsAfterFinished; every pod succeeds, after as long as its command says that it sleeps, else some seconds",
    ),
    (
        "CronJob",
        Covered::Simulated,
        "schedule, time zone, suspend, concurrency policy, history; a start that was missed is not made up for",
    ),
    (
        "bill",
        Covered::Simulated,
        "instances, root volumes, Fargate pods, control planes in standard support, NAT gateways by the hour, their addresses; no traffic",
    ),
    (
        "custom resources: validation rules (CEL)",
        Covered::Simulated,
        "a definition whose rule calls a function that is not here is refused by its name",
    ),
    ("StatefulSet", Covered::Refused, "objects are kept, nothing acts on them"),
    ("load balancers of Services and Ingresses", Covered::Refused, "no load balancer appears"),
    ("IAM permissions", Covered::Refused, "every signed caller may do everything"),
    ("logs, exec, port-forward, top", Covered::Refused, "containers are not run"),
];

/// Everything, in the order of areas.
pub fn coverage() -> Vec<Item> {
    let operations = aws::SERVICES.iter().flat_map(|service| {
        service.operations.iter().map(|operation| Item {
            area: service.name.to_owned(),
            name: operation.name.to_owned(),
            covered: Covered::Simulated,
            note: "",
        })
    });
    let kinds = kubernetes::built_in_kinds().into_iter().map(|name| Item {
        area: "kubernetes".to_owned(),
        name,
        covered: Covered::Simulated,
        note: "",
    });
    let controllers = CONTROLLERS.iter().map(|(name, covered, note)| Item {
        area: "controller".to_owned(),
        name: (*name).to_owned(),
        covered: *covered,
        note,
    });
    let charts = crate::helm::chart_names().map(|name| Item {
        area: "helm".to_owned(),
        name,
        covered: Covered::Simulated,
        note: "a stand-in: the objects that matter, rendered without templates",
    });
    operations.chain(kinds).chain(controllers).chain(charts).collect()
}
