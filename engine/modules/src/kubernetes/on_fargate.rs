//! `k8s.on_fargate`: pods run on Fargate, each ready on a node of its own.
//!
//! What counts is the label of the node that a pod is on; what the pod's own labels, annotations
//! and scheduler wish does not.

use std::collections::BTreeSet;

use async_trait::async_trait;
use runbook_clients::kubernetes::placement::Pod;
use runbook_clients::kubernetes::{Connection, Selection};
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Type, Value};

use super::named::{no_change, nothing_to_compare};
use super::pods;
use crate::arguments::{boolean, text, text_list, values};
use crate::connections;
use crate::schema::{anythings, argument, defaulted, identity, output, texts};

pub(super) struct OnFargate {
    schema: Schema,
}

impl OnFargate {
    pub(super) fn new() -> Self {
        Self {
            schema: Schema {
                name: "k8s.on_fargate",
                summary: "Pods that run on Fargate, each ready on a node of its own.",
                nature: Nature::Pure,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments: vec![
                    identity("namespace", "Their namespace."),
                    identity("selector", "Their labels, for example `k8s-app=kube-dns`."),
                    defaulted("minimum", Type::Integer, Value::Integer(1), "How many at least."),
                    defaulted(
                        "distinct_nodes",
                        Type::Boolean,
                        true,
                        "Whether each must be on a node of its own.",
                    ),
                    argument(
                        "minimum_zones",
                        Type::Integer,
                        "In how many zones they should be; fewer are a warning only.",
                    ),
                ],
                outputs: vec![
                    output("pods", anythings(), "The pods: name, node and zone of each."),
                    output("zones", texts(), "The zones that they are in."),
                    output(
                        "warning",
                        Type::Nullable(Box::new(Type::String)),
                        "That they are in fewer zones than they should be.",
                    ),
                ],
                may: &[Action::None, Action::Wait],
                iam_actions: &[],
                kubernetes_verbs: &["list pods", "list nodes", "list events"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for OnFargate {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn describe(&self, arguments: &Values) -> Description {
        let subject = format!("{} {}", text(arguments, "namespace"), text(arguments, "selector"));
        let minimum = minimum(arguments);
        Description { subject, detail: format!("at least {minimum} on Fargate") }
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
        if let Some(reason) = missing(&kubernetes, &pods, minimum(arguments)).await? {
            return Ok(Verdict::NotYet(reason));
        }
        if boolean(arguments, "distinct_nodes")
            && let Some(reason) = shared_node(&pods)
        {
            return Ok(Verdict::NotYet(reason));
        }
        Ok(Verdict::Converged(outputs(&pods, arguments)))
    }
}

fn minimum(arguments: &Values) -> usize {
    let minimum = arguments.get("minimum").and_then(Value::as_i64).unwrap_or(1);
    usize::try_from(minimum).unwrap_or_default()
}

/// What is missing until all pods, and enough of them, are ready on Fargate.
async fn missing(
    kubernetes: &Connection,
    pods: &[Pod],
    minimum: usize,
) -> Result<Option<String>, Failure> {
    let (there, elsewhere): (Vec<&Pod>, Vec<&Pod>) =
        pods.iter().partition(|pod| pod.is_on_fargate() && pod.ready);
    if elsewhere.is_empty() && there.len() >= minimum {
        return Ok(None);
    }
    let wanted = pods.len().max(minimum);
    let headline = format!("{} of {wanted} pods on Fargate", there.len());
    let mut reason = pods::told(kubernetes, headline, &elsewhere).await?;
    let before_profile =
        elsewhere.iter().any(|pod| pod.node_name.is_none() && !pod.is_meant_for_fargate());
    if before_profile {
        reason.push_str("\nno Fargate profile took them when they were made: they have to be made again (`k8s.rollout_restart`)");
    }
    Ok(Some(reason))
}

/// Two pods on one node.
fn shared_node(pods: &[Pod]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let twice =
        pods.iter().filter_map(|pod| pod.node_name.as_deref()).find(|node| !seen.insert(*node))?;
    Some(format!("several of the pods are on one node, {twice}"))
}

fn outputs(pods: &[Pod], arguments: &Values) -> Values {
    let zones: BTreeSet<&str> =
        pods.iter().filter_map(|pod| pod.node.as_ref()?.zone.as_deref()).collect();
    let wanted = arguments.get("minimum_zones").and_then(Value::as_i64).unwrap_or_default();
    let few = usize::try_from(wanted).is_ok_and(|wanted| zones.len() < wanted);
    let warning = few.then(|| {
        format!("the pods are in {} of the {wanted} zones that they should be in", zones.len())
    });
    let told = pods.iter().map(|pod| {
        Value::map([
            ("name", Value::from(pod.name.as_str())),
            ("node", pods::optional(pod.node_name.as_deref())),
            ("zone", pods::optional(pod.node.as_ref().and_then(|node| node.zone.as_deref()))),
        ])
    });
    values([
        ("pods", Value::list(told)),
        ("zones", text_list(zones)),
        ("warning", pods::optional(warning.as_deref())),
    ])
}
