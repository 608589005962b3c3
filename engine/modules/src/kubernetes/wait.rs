//! `k8s.wait`: until objects are there, have a condition, or are gone.

use async_trait::async_trait;
use runbook_clients::kubernetes::rollout::{condition, is_true};
use runbook_clients::kubernetes::{Reference, Selection};
use runbook_core::change::{Action, Change};
use runbook_core::connection::Kind as ConnectionKind;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observed, Schema, Values, Verdict,
};
use runbook_core::value::Type;
use serde_json::Value as Json;

use super::failures::Read as _;
use super::named::{
    kind, kind_arguments, namespace_argument, no_change, nothing_to_compare, reference,
};
use crate::arguments::{boolean, optional_text};
use crate::connections::{self, Cluster};
use crate::schema::{argument, defaulted};

/// How many objects a reason names.
const NAMED: usize = 3;

pub(super) struct Wait {
    schema: Schema,
}

impl Wait {
    pub(super) fn new() -> Self {
        let mut arguments = kind_arguments().to_vec();
        arguments.extend([
            namespace_argument("The namespace; all of them when neither it nor `name` is given."),
            argument("name", Type::String, "One object; or `selector`."),
            argument("selector", Type::String, "Objects with these labels; or `name`."),
            argument(
                "condition",
                Type::String,
                "A condition that each must have, for example `Ready`, or `Ready=False`.",
            ),
            defaulted("gone", Type::Boolean, false, "Wait until there is none any more."),
        ]);
        Self {
            schema: Schema {
                name: "k8s.wait",
                summary: "Until objects are there, have a condition, or are gone.",
                nature: Nature::Pure,
                follows: true,
                connection: Some(ConnectionKind::Kubernetes),
                arguments,
                outputs: Vec::new(),
                may: &[Action::None, Action::Wait],
                iam_actions: &[],
                kubernetes_verbs: &["get *", "list *"],
                bills: None,
            },
        }
    }
}

#[async_trait]
impl Module for Wait {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let given = |name: &str| optional_text(arguments, name).is_some();
        let mut problems = Vec::new();
        let mut wrong = |name: &str, text: &str| problems.push((name.to_owned(), text.to_owned()));
        if given("name") && given("selector") {
            wrong("selector", "stands beside `name`; give one of them");
        }
        if given("condition") && boolean(arguments, "gone") {
            wrong("condition", "stands beside `gone: true`; what is gone has no condition");
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let kind = kind(arguments).kind;
        let subject = match optional_text(arguments, "name") {
            Some(_) => reference(arguments).to_string(),
            None => match optional_text(arguments, "selector") {
                Some(selector) => format!("{kind} {selector}"),
                None => kind,
            },
        };
        Description { subject, detail: wanted(arguments) }
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
        let cluster = connections::cluster(context)?;
        let objects = selected(&cluster, arguments).await?;
        let subject = self.describe(arguments).subject;
        let waiting: Vec<String> = if boolean(arguments, "gone") {
            objects.iter().map(|object| format!("{} is still there", name_of(object))).collect()
        } else if objects.is_empty() {
            vec![format!("there is no {subject} yet")]
        } else {
            optional_text(arguments, "condition").map_or_else(Vec::new, |condition| {
                objects.iter().filter_map(|object| lacks(object, condition)).collect()
            })
        };
        Ok(if waiting.is_empty() {
            Verdict::Converged(Values::new())
        } else {
            Verdict::NotYet(few(&waiting))
        })
    }
}

fn wanted(arguments: &Values) -> String {
    match optional_text(arguments, "condition") {
        _ if boolean(arguments, "gone") => "gone".to_owned(),
        Some(condition) => condition.to_owned(),
        None => "there".to_owned(),
    }
}

async fn selected(cluster: &Cluster, arguments: &Values) -> Result<Vec<Json>, Failure> {
    if optional_text(arguments, "name").is_some() {
        let object = cluster.kubernetes.get(&reference(arguments)).await.read()?;
        return Ok(object.into_iter().collect());
    }
    let selection = Selection {
        namespace: optional_text(arguments, "namespace").map(str::to_owned),
        labels: optional_text(arguments, "selector").map(str::to_owned),
        fields: None,
    };
    cluster.kubernetes.list(&kind(arguments), &selection).await.read()
}

fn name_of(object: &Json) -> String {
    Reference::of(object).map_or_else(|error| error.to_string(), |object| object.to_string())
}

/// Why the object does not have the condition; `None` when it has.
fn lacks(object: &Json, wanted: &str) -> Option<String> {
    let (kind, status) = wanted.split_once('=').unwrap_or((wanted, "True"));
    let name = name_of(object);
    let Some(found) = condition(object, kind) else {
        return Some(format!("{name} has no condition {kind} yet"));
    };
    let text = |field: &str| found.get(field).and_then(Json::as_str).unwrap_or_default();
    if text("status") != status {
        let why: Vec<&str> =
            [text("reason"), text("message")].into_iter().filter(|text| !text.is_empty()).collect();
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(": ")) };
        return Some(format!("{name} has {kind}={}{why}", text("status")));
    }
    // A condition that is about an older generation says nothing about this one.
    (status == "True" && !is_true(object, kind))
        .then(|| format!("{name} has not been seen again since its change"))
}

fn few(reasons: &[String]) -> String {
    let mut lines: Vec<String> = reasons.iter().take(NAMED).cloned().collect();
    if reasons.len() > NAMED {
        lines.push(format!("and {} more", reasons.len() - NAMED));
    }
    lines.join("\n")
}
