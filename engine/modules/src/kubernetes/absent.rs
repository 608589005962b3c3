//! `k8s.absent`: an object of ours is taken away.
//!
//! What makes something for a while (a smoke test) ends with this. Only what carries our mark is
//! deleted; the engine refuses the rest by its rule of ownership.

use async_trait::async_trait;
use runbook_clients::kubernetes::{Deletion, Propagation};
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict,
};
use serde_json::Value as Json;

use super::failures::{self, Read as _};
use super::named::{description, kind_arguments, last_events, namespace_argument, reference};
use crate::connections;
use crate::marks;
use crate::schema::identity;

/// How many events explain why it is still there.
const EVENTS: usize = 3;

pub(super) struct Absent {
    schema: Schema,
}

impl Absent {
    pub(super) fn new() -> Self {
        let mut arguments = kind_arguments().to_vec();
        arguments.extend([
            namespace_argument("Its namespace, when it has one."),
            identity("name", "Its name."),
        ]);
        Self {
            schema: Schema {
                name: "k8s.absent",
                summary: "An object that carries our mark is deleted, with what it owns.",
                nature: Nature::Observable,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments,
                outputs: Vec::new(),
                may: &[Action::None, Action::Wait, Action::Delete],
                iam_actions: &[],
                kubernetes_verbs: &["get *", "delete *"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for Absent {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description { detail: "gone".to_owned(), ..description(arguments) }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let cluster = connections::cluster(context)?;
        let Some(object) = cluster.kubernetes.get(&reference(arguments)).await.read()? else {
            return Ok(Observed::Absent);
        };
        let annotations = object
            .pointer("/metadata/annotations")
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        Ok(Observed::Present(Observation {
            projection: Values::new(),
            ownership: marks::ownership(context, &annotations),
            outputs: Values::new(),
            private: object,
        }))
    }

    fn diff(&self, _: &Values, observed: &Observed) -> Change {
        match observed {
            Observed::Absent => Change::none(),
            // It is on its way out already: only the waiting is left, which verify sees to.
            Observed::Present(one) if is_deleting(&one.private) => Change::none(),
            Observed::Present(_) => Change::of(Action::Delete),
        }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let cluster = match connections::cluster(context) {
            Ok(cluster) => cluster,
            Err(failure) => return Applied::Rejected(failure),
        };
        let uid = match intent.observed {
            Observed::Present(one) => {
                one.private.pointer("/metadata/uid").and_then(Json::as_str).map(str::to_owned)
            }
            Observed::Absent => None,
        };
        let deletion =
            Deletion { propagation: Propagation::Background, uid, resource_version: None };
        let outcome = cluster.kubernetes.delete(&reference(intent.arguments), &deletion).await;
        failures::applied(outcome.map(|()| Values::new()))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let cluster = connections::cluster(context)?;
        let object = reference(arguments);
        let Some(found) = cluster.kubernetes.get(&object).await.read()? else {
            return Ok(Verdict::Converged(Values::new()));
        };
        let mut reason = format!("{object} is still there");
        let finalizers: Vec<&str> = ["/metadata/finalizers", "/spec/finalizers"]
            .iter()
            .filter_map(|path| found.pointer(path).and_then(Json::as_array))
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        if !finalizers.is_empty() {
            reason.push_str(&format!("; finalizers: {}", finalizers.join(", ")));
        }
        for event in last_events(&cluster.kubernetes, &object, EVENTS).await? {
            reason.push_str(&format!("\n{event}"));
        }
        Ok(Verdict::NotYet(reason))
    }
}

fn is_deleting(object: &Json) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}
