//! `k8s.get`: one object as it is, or that there is none.

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::{Secret, Type, Value};
use serde_json::Value as Json;

use super::failures::Read as _;
use super::named::{
    description, kind_arguments, namespace_argument, no_change, nothing_to_compare, reference,
};
use crate::arguments::values;
use crate::connections;
use crate::schema::{identity, output};

pub(super) struct Get {
    schema: Schema,
}

impl Get {
    pub(super) fn new() -> Self {
        let mut arguments = kind_arguments().to_vec();
        arguments.push(namespace_argument("Its namespace, for a kind that has one."));
        arguments.push(identity("name", "Its name."));
        Self {
            schema: Schema {
                name: "k8s.get",
                summary: "One object as it is.",
                nature: Nature::Pure,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments,
                outputs: vec![
                    output("object", Type::Any, "The object; null when there is none."),
                    output("exists", Type::Boolean, "Whether there is one."),
                ],
                may: &[Action::None],
                iam_actions: &[],
                kubernetes_verbs: &["get *"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for Get {
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
        let object = kubernetes.get(&reference(arguments)).await.read()?;
        let exists = object.is_some();
        let object = object.map_or(Value::Null, shown);
        Ok(Verdict::Converged(values([("object", object), ("exists", exists.into())])))
    }
}

/// An object as expressions read it: without the bookkeeping of its fields, a Secret's data secret.
fn shown(mut object: Json) -> Value {
    if let Some(Json::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    let is_secret = object.get("kind").is_some_and(|kind| kind == "Secret");
    let Json::Object(fields) = object else { return Value::Null };
    Value::map(fields.iter().map(|(name, field)| {
        let value = Value::from_json(field);
        let hidden = is_secret && ["data", "stringData"].contains(&name.as_str());
        (name.clone(), if hidden { Value::Secret(Secret::new(value)) } else { value })
    }))
}
