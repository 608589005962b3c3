//! `k8s.rollout`: until a workload's pods are the ones that were asked for, by kubectl's rules.

use async_trait::async_trait;
use runbook_clients::kubernetes::rollout::{self, Rollout as State};
use runbook_clients::kubernetes::{Connection, Reference};
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};
use serde_json::Value as Json;

use super::failures::Read as _;
use super::named::{
    description, kind_defaulting_to, last_events, no_change, nothing_to_compare, reference,
};
use super::pods;
use crate::arguments::values;
use crate::connections;
use crate::schema::{identity, one_of, output};

/// The kinds that have a rollout.
pub(super) const KINDS: &[&str] = &["Deployment", "DaemonSet", "StatefulSet"];

pub(super) struct Rollout {
    schema: Schema,
}

impl Rollout {
    pub(super) fn new() -> Self {
        let [api_version, kind] = kind_defaulting_to("apps/v1", "Deployment");
        Self {
            schema: Schema {
                name: "k8s.rollout",
                summary: "Until a workload's pods are the ones that were asked for.",
                nature: Nature::Pure,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments: vec![
                    one_of(kind, KINDS),
                    api_version,
                    identity("namespace", "Its namespace."),
                    identity("name", "Its name."),
                ],
                outputs: vec![
                    output("replicas", Type::Integer, "How many pods it has."),
                    output("ready", Type::Integer, "How many of them are ready."),
                ],
                may: &[Action::None, Action::Wait],
                iam_actions: &[],
                kubernetes_verbs: &[
                    "get deployments.apps",
                    "get daemonsets.apps",
                    "get statefulsets.apps",
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
impl Module for Rollout {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        description(arguments)
    }

    async fn observe(&self, _: &Context, _: &Values) -> Result<Observed, Failure> {
        Ok(nothing_to_compare())
    }

    fn diff(&self, _: &Values, _: &Observed) -> Change {
        no_change()
    }

    async fn apply(&self, _: &Context, _: Intent<'_>) -> Applied {
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let kubernetes = connections::cluster(context)?.kubernetes;
        let object = reference(arguments);
        let Some(live) = kubernetes.get(&object).await.read()? else {
            return Ok(Verdict::NotYet(format!("there is no {object} yet")));
        };
        Ok(match rollout::status(&live, None) {
            State::Done(_) => Verdict::Converged(outputs(&live)),
            State::Waiting(reason) => Verdict::NotYet(waiting(&kubernetes, &live, reason).await?),
            State::Failed(reason) => {
                Verdict::Terminal(failed(&kubernetes, &object, &live, reason).await?)
            }
        })
    }
}

/// Why a rollout waits, and what happened last to the pods that are not ready.
pub(super) async fn waiting(
    kubernetes: &Connection,
    live: &Json,
    reason: String,
) -> Result<String, Failure> {
    let pods = pods::of_workload(kubernetes, live).await?;
    let unready: Vec<_> = pods.iter().filter(|pod| !pod.ready).collect();
    pods::told(kubernetes, reason, &unready).await
}

/// A rollout that will not be done by waiting, with what explains it.
pub(super) async fn failed(
    kubernetes: &Connection,
    object: &Reference,
    live: &Json,
    reason: String,
) -> Result<Failure, Failure> {
    let told = waiting(kubernetes, live, reason).await?;
    let mut lines = told.lines();
    let mut failure = Failure::new(Class::Terminal, lines.next().unwrap_or_default());
    failure.evidence = lines.map(str::to_owned).collect();
    failure.evidence.extend(last_events(kubernetes, object, 2).await?);
    Ok(failure)
}

fn outputs(live: &Json) -> Values {
    let number = |pointers: [&str; 2]| {
        let number = pointers.iter().find_map(|pointer| live.pointer(pointer)?.as_i64());
        Value::Integer(number.unwrap_or_default())
    };
    values([
        ("replicas", number(["/status/replicas", "/status/desiredNumberScheduled"])),
        ("ready", number(["/status/readyReplicas", "/status/numberReady"])),
    ])
}
