//! `k8s.rollout_restart`: new pods for a workload, where the ones that it has are in the wrong
//! place.
//!
//! The Fargate webhook acts when a pod is created, and Fargate's scheduler tries a pod once. Pods
//! that were made before their profile was active stay pending until they are made again: that, and
//! not a patch, is what puts them on Fargate. So there is something to do as long as a pod of the
//! workload's current revision is not on a Fargate node and is not on its way there, and nothing
//! else; and it is done when the rollout is done *and* the pods are on Fargate.
//!
//! The webhook may lag behind a profile that has just become active. Pods that were made again and
//! still not taken are a failure that passes: the task looks again and restarts once more.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use runbook_clients::kubernetes::placement::Pod;
use runbook_clients::kubernetes::rollout::{self, Rollout as State, is_paused};
use runbook_clients::kubernetes::{Connection, Kind, Selection};
use runbook_core::change::{Action, Change, FieldChange};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value};
use serde_json::{Value as Json, json};

use super::failures::{self, Read as _};
use super::named::{description, existing, kind_defaulting_to, reference};
use super::pods;
use super::rollout::{KINDS, failed, waiting};
use crate::arguments::{text, values};
use crate::connections;
use crate::schema::{defaulted, identity, one_of, volatile};

/// kubectl's own mark of a restart.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// Which of our attempts it was, so that one attempt restarts once.
const RESTART_FOR: &str = "runbook/restart-for";
/// How long Fargate may take to place a pod before it has to be made again.
const BEING_PLACED: SignedDuration = SignedDuration::from_mins(10);
/// How long the webhook may lag behind its profile.
const WEBHOOK_LAGS: Duration = Duration::from_mins(2);

pub(super) struct RolloutRestart {
    schema: Schema,
}

impl RolloutRestart {
    pub(super) fn new() -> Self {
        let [api_version, kind] = kind_defaulting_to("apps/v1", "Deployment");
        Self {
            schema: Schema {
                name: "k8s.rollout_restart",
                summary: "New pods for a workload whose pods are in the wrong place.",
                nature: Nature::Observable,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments: vec![
                    one_of(kind, KINDS),
                    api_version,
                    identity("namespace", "Its namespace."),
                    identity("name", "Its name."),
                    one_of(
                        defaulted(
                            "unless",
                            Type::String,
                            "on_fargate",
                            "When there is nothing to do: `on_fargate`, when all its pods are on Fargate nodes; `never` restarts each time.",
                        ),
                        &["on_fargate", "never"],
                    ),
                ],
                outputs: vec![volatile(
                    "restarted_at",
                    Type::Nullable(Box::new(Type::String)),
                    "When it was restarted last; null when it never was.",
                )],
                may: &[Action::None, Action::Wait, Action::Update],
                iam_actions: &[],
                kubernetes_verbs: &[
                    "get deployments.apps",
                    "patch deployments.apps",
                    "list replicasets.apps",
                    "list pods",
                    "list nodes",
                    "list events",
                ],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for RolloutRestart {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let detail = match text(arguments, "unless") {
            "never" => String::new(),
            _ => "unless its pods are on Fargate".to_owned(),
        };
        Description { detail, ..description(arguments) }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let kubernetes = connections::cluster(context)?.kubernetes;
        let object = reference(arguments);
        let live = existing(&kubernetes, &object).await?;
        let reasons = reasons(&kubernetes, arguments, &live).await?;
        if !reasons.is_empty() && is_paused(&live) {
            let message =
                format!("{object} is paused: its template would change and its pods would not");
            return Err(Failure::new(Class::Conflict, message).hint(format!(
                "`kubectl rollout resume` it, in {}",
                text(arguments, "namespace")
            )));
        }
        Ok(Observed::Present(Observation {
            projection: Values::new(),
            ownership: Ownership::Setting,
            outputs: outputs(&live),
            private: json!({"reasons": reasons, "for": annotation(&live, RESTART_FOR)}),
        }))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        let Observed::Present(observation) = observed else { return Change::none() };
        let reasons: Vec<String> = observation
            .private
            .get("reasons")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(|reason| reason.as_str().map(str::to_owned))
            .collect();
        if reasons.is_empty() {
            return Change::none();
        }
        let before = observation.outputs.get("restarted_at").cloned();
        let field = FieldChange {
            path: format!(".spec.template.metadata.annotations[\"{RESTARTED_AT}\"]"),
            before: before.filter(|before| *before != Value::Null),
            after: Some(Value::Unknown(std::sync::Arc::new(Type::String))),
            forces_replace: None,
        };
        Change { action: Action::Update, fields: vec![field], reasons }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let kubernetes = match connections::cluster(context) {
            Ok(cluster) => cluster.kubernetes,
            Err(failure) => return Applied::Rejected(failure),
        };
        let done = match intent.observed {
            Observed::Present(one) => one.private.get("for").and_then(Json::as_str),
            Observed::Absent => None,
        };
        if intent.change.action == Action::Delete || done == Some(intent.token) {
            return Applied::Acknowledged(Values::new());
        }
        let now = context.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let annotations = json!({RESTARTED_AT: now, RESTART_FOR: intent.token});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        let outcome = kubernetes.merge_patch(&reference(intent.arguments), &patch).await;
        failures::applied(outcome.map(|live| outputs(&live)))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let kubernetes = connections::cluster(context)?.kubernetes;
        let object = reference(arguments);
        let live = existing(&kubernetes, &object).await?;
        let state = rollout::status(&live, None);
        if is_seen(&live) && text(arguments, "unless") != "never" {
            let pods = current(&kubernetes, &live).await?;
            if let Some(pod) = pods.iter().find(|pod| was_not_taken(pod)) {
                let message = format!("{object} was restarted, and {}", pods::not_on_fargate(pod));
                return Err(Failure::new(Class::Conflict, message)
                    .hint("does an active Fargate profile select the pod's namespace and labels?")
                    .passes_within(WEBHOOK_LAGS));
            }
            if let State::Done(_) = state
                && let Some(pod) = pods.iter().find(|pod| !pod.is_on_fargate())
            {
                return Ok(Verdict::NotYet(pods::not_on_fargate(pod)));
            }
        }
        Ok(match state {
            State::Done(_) => Verdict::Converged(outputs(&live)),
            State::Waiting(reason) => Verdict::NotYet(waiting(&kubernetes, &live, reason).await?),
            State::Failed(reason) => {
                Verdict::Terminal(failed(&kubernetes, &object, &live, reason).await?)
            }
        })
    }
}

/// Why new pods are needed; nothing when they are not.
async fn reasons(
    kubernetes: &Connection,
    arguments: &Values,
    live: &Json,
) -> Result<Vec<String>, Failure> {
    if text(arguments, "unless") == "never" {
        return Ok(vec!["`unless: never` restarts each time".to_owned()]);
    }
    if !is_seen(live) {
        return Ok(Vec::new());
    }
    let now = kubernetes.now();
    let pods = current(kubernetes, live).await?;
    let wrong = pods.iter().filter(|pod| !pod.is_on_fargate() && !is_being_placed(pod, now));
    Ok(wrong.map(pods::not_on_fargate).collect())
}

/// Whether the controller has seen the template as it is: before that, the pods are old ones.
fn is_seen(live: &Json) -> bool {
    let number = |pointer: &str| live.pointer(pointer).and_then(Json::as_i64).unwrap_or_default();
    number("/status/observedGeneration") >= number("/metadata/generation")
}

/// Fargate has the pod and has not refused it.
fn is_being_placed(pod: &Pod, now: Timestamp) -> bool {
    let is_young = pod.created_at.is_none_or(|at| now.duration_since(at) < BEING_PLACED);
    pod.is_meant_for_fargate() && pod.node_name.is_none() && pod.unschedulable.is_none() && is_young
}

/// No Fargate profile took the pod when it was made.
fn was_not_taken(pod: &Pod) -> bool {
    !pod.is_on_fargate() && !pod.is_meant_for_fargate()
}

/// The pods of the workload's current revision: those of older ones are about to go. Where there
/// are none of it yet, all of them.
async fn current(kubernetes: &Connection, live: &Json) -> Result<Vec<Pod>, Failure> {
    let pods = pods::of_workload(kubernetes, live).await?;
    let Some(newest) = newest_replica_set(kubernetes, live).await? else { return Ok(pods) };
    let (new, old): (Vec<Pod>, Vec<Pod>) =
        pods.into_iter().partition(|pod| pod.owner_name.as_ref() == Some(&newest));
    Ok(if new.is_empty() { old } else { new })
}

/// The name of a Deployment's newest `ReplicaSet`.
async fn newest_replica_set(
    kubernetes: &Connection,
    live: &Json,
) -> Result<Option<String>, Failure> {
    if live.get("kind").is_none_or(|kind| kind != "Deployment") {
        return Ok(None);
    }
    let uid = live.pointer("/metadata/uid");
    let namespace = live.pointer("/metadata/namespace").and_then(Json::as_str).unwrap_or("default");
    let selection = Selection::namespace(namespace).labels(pods::selector(live));
    let sets = kubernetes.list(&Kind::new("apps/v1", "ReplicaSet"), &selection).await.read()?;
    let revision = |set: &Json| -> i64 {
        let annotations = set.pointer("/metadata/annotations");
        let revision = annotations.and_then(|all| all.get("deployment.kubernetes.io/revision"));
        revision.and_then(Json::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    let newest = sets
        .iter()
        .filter(|set| set.pointer("/metadata/ownerReferences/0/uid") == uid)
        .max_by_key(|set| revision(set));
    Ok(newest.and_then(|set| set.pointer("/metadata/name")?.as_str().map(str::to_owned)))
}

fn annotation<'a>(live: &'a Json, name: &str) -> Option<&'a str> {
    live.pointer("/spec/template/metadata/annotations")?.get(name)?.as_str()
}

fn outputs(live: &Json) -> Values {
    values([("restarted_at", pods::optional(annotation(live, RESTARTED_AT)))])
}
