//! `k8s.patch`: fields of an object that somebody else made, by JSON merge patch.
//!
//! The patch says what shall be there; null says that nothing shall be. It is compared with the
//! live object leaf by leaf and sent only where they differ, so a second run writes nothing. A list
//! is one leaf, as merge patches have it. The object itself stays whose it is: this is a setting.

use async_trait::async_trait;
use runbook_clients::kubernetes::difference::is_same;
use runbook_clients::kubernetes::managed_fields::{Step, display};
use runbook_core::change::Action;
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Schema, Values,
    Verdict, compare,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Secret, Type, Value};
use serde_json::Value as Json;

use super::failures;
use super::named::{description, existing, kind_arguments, namespace_argument, reference};
use crate::arguments;
use crate::connections;
use crate::schema::{identity, required};

pub(super) struct Patch {
    schema: Schema,
}

impl Patch {
    pub(super) fn new() -> Self {
        let mut arguments = kind_arguments().to_vec();
        arguments.push(namespace_argument("Its namespace, for a kind that has one."));
        arguments.push(identity("name", "Its name."));
        arguments.push(required(
            "patch",
            Type::Any,
            "What shall be there, as a JSON merge patch; null removes a field.",
        ));
        Self {
            schema: Schema {
                name: "k8s.patch",
                summary: "Fields of an object that somebody else made.",
                nature: Nature::Observable,
                // The object may be the work of a task before this one.
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments,
                outputs: Vec::new(),
                may: &[Action::None, Action::Update],
                iam_actions: &[],
                kubernetes_verbs: &["get *", "patch *"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for Patch {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        match arguments.get("patch") {
            Some(patch) if patch.as_map().is_none() => {
                vec![("patch".to_owned(), format!("is {}, not a map of fields", patch.kind()))]
            }
            _ => Vec::new(),
        }
    }

    fn describe(&self, arguments: &Values) -> Description {
        description(arguments)
    }

    fn desired(&self, arguments: &Values) -> Values {
        leaves(arguments).into_iter().map(|(path, value)| (display(&path), value)).collect()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let kubernetes = connections::cluster(context)?.kubernetes;
        let live = existing(&kubernetes, &reference(arguments)).await?;
        Ok(Observed::Present(Observation {
            projection: projection(&leaves(arguments), &live),
            ownership: Ownership::Setting,
            outputs: Values::new(),
            private: Json::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let kubernetes = match connections::cluster(context) {
            Ok(cluster) => cluster.kubernetes,
            Err(failure) => return Applied::Rejected(failure),
        };
        if intent.change.action == Action::Delete {
            // A setting is put back to what it was, or stays.
            return Applied::Acknowledged(Values::new());
        }
        let patch = arguments::json(intent.arguments, "patch");
        let outcome = kubernetes.merge_patch(&reference(intent.arguments), &patch).await;
        failures::applied(outcome.map(|_| Values::new()))
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let observed = self.observe(context, arguments).await?;
        let change = compare(&self.desired(arguments), &observed, &[]);
        let different: Vec<String> =
            change.fields.iter().map(|one| format!("{} is not as asked", one.path)).collect();
        Ok(if different.is_empty() {
            Verdict::Converged(Values::new())
        } else {
            Verdict::NotYet(different.join("\n"))
        })
    }
}

/// What the patch asks for, leaf by leaf. An empty map asks for nothing.
fn leaves(arguments: &Values) -> Vec<(Vec<Step>, Value)> {
    let mut found = Vec::new();
    let hidden = arguments::text(arguments, "kind") == "Secret";
    if let Some(patch) = arguments.get("patch") {
        collect(patch, &mut Vec::new(), &mut found);
    }
    for (path, value) in &mut found {
        let data = matches!(path.first(), Some(Step::Field(name)) if name == "data" || name == "stringData");
        if hidden && data && !value.has_unknown() && *value != Value::Null {
            *value = Value::Secret(Secret::new(value.clone()));
        }
    }
    found
}

fn collect(value: &Value, path: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, Value)>) {
    match value {
        Value::Map(fields) => {
            for (name, value) in fields.iter() {
                path.push(Step::Field(name.clone()));
                collect(value, path, found);
                path.pop();
            }
        }
        leaf => found.push((path.clone(), leaf.clone())),
    }
}

/// What is there at each leaf; in the patch's own words where it is the same.
fn projection(leaves: &[(Vec<Step>, Value)], live: &Json) -> Values {
    let mut projection = Values::new();
    for (path, want) in leaves {
        let found = path.iter().try_fold(live, |value, step| match step {
            Step::Field(name) => value.get(name),
            _ => None,
        });
        let Some(found) = found.filter(|found| !found.is_null()) else { continue };
        let value = if !want.has_unknown() && is_same(path, &want.to_json_exposing(), found) {
            want.clone()
        } else if matches!(want, Value::Secret(_)) {
            Value::Secret(Secret::new(Value::from_json(found)))
        } else {
            Value::from_json(found)
        };
        projection.insert(display(path), value);
    }
    projection
}
