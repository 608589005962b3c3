//! `k8s.on_karpenter`: pods run on nodes that Karpenter made.

use async_trait::async_trait;
use runbook_clients::kubernetes::Selection;
use runbook_clients::kubernetes::placement::Pod;
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};

use super::named::{no_change, nothing_to_compare};
use super::pods;
use crate::arguments::{text, values};
use crate::connections;
use crate::schema::{anythings, defaulted, identity, output};

pub(super) struct OnKarpenter {
    schema: Schema,
}

impl OnKarpenter {
    pub(super) fn new() -> Self {
        Self {
            schema: Schema {
                name: "k8s.on_karpenter",
                summary: "Pods that run on nodes that Karpenter made.",
                nature: Nature::Pure,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments: vec![
                    identity("namespace", "Their namespace."),
                    identity("selector", "Their labels, for example `app=nginx`."),
                    defaulted("minimum", Type::Integer, Value::Integer(1), "How many at least."),
                ],
                outputs: vec![output(
                    "pods",
                    anythings(),
                    "The pods: name, node, instance_type, capacity_type, zone and node_pool of each.",
                )],
                may: &[Action::None, Action::Wait],
                iam_actions: &[],
                kubernetes_verbs: &["list pods", "list nodes", "list events"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for OnKarpenter {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let subject = format!("{} {}", text(arguments, "namespace"), text(arguments, "selector"));
        let minimum = minimum(arguments);
        Description { subject, detail: format!("at least {minimum} on nodes of Karpenter") }
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
        let selection =
            Selection::namespace(text(arguments, "namespace")).labels(text(arguments, "selector"));
        let pods = pods::running(&kubernetes, &selection).await?;
        let (there, elsewhere): (Vec<&Pod>, Vec<&Pod>) =
            pods.iter().partition(|pod| pod.node_pool().is_some() && pod.ready);
        let minimum = minimum(arguments);
        if there.len() < minimum {
            let headline = format!("{} of {minimum} pods on nodes of Karpenter", there.len());
            let reason = pods::told(&kubernetes, headline, &elsewhere).await?;
            return Ok(Verdict::NotYet(reason));
        }
        let told = there.into_iter().map(told);
        Ok(Verdict::Converged(values([("pods", Value::list(told))])))
    }
}

fn minimum(arguments: &Values) -> usize {
    let minimum = arguments.get("minimum").and_then(Value::as_i64).unwrap_or(1);
    usize::try_from(minimum).unwrap_or_default()
}

fn told(pod: &Pod) -> Value {
    let node = pod.node.as_ref();
    Value::map([
        ("name", Value::from(pod.name.as_str())),
        ("node", pods::optional(pod.node_name.as_deref())),
        ("instance_type", pods::optional(node.and_then(|node| node.instance_type.as_deref()))),
        ("capacity_type", pods::optional(node.and_then(|node| node.capacity_type.as_deref()))),
        ("zone", pods::optional(node.and_then(|node| node.zone.as_deref()))),
        ("node_pool", pods::optional(pod.node_pool())),
    ])
}
