//! `iam.policy`: a customer policy. A changed document is a new version, put in force at once; IAM
//! keeps five, so the oldest that is not in force makes room.

use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::Connection;
use runbook_clients::aws::iam::{Client, CreatePolicy, Policy as LivePolicy};
use runbook_core::change::Action;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observation, Observed, Patience, Schema, Values,
    Verdict,
};
use runbook_core::value::{Type, Value};

use super::PATIENCE;
use crate::arguments::{optional_text, text, values};
use crate::aws::settling::{Stopped, ended, no_such_action, settled, touches};
use crate::aws::{documents, observable, tagged};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{argument, defaulted, identity, immutable, output, required, volatile};

/// The longest document, in characters that are not white space.
const LONGEST_DOCUMENT: usize = 6144;
/// The longest name.
const LONGEST_NAME: usize = 128;
/// The versions that a policy can have.
const MOST_VERSIONS: usize = 5;

/// `iam.policy`.
pub(in crate::aws) struct Policy {
    schema: Schema,
}

impl Policy {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("name", "Its name, unique in the account."),
                immutable(defaulted("path", Type::String, "/", "Its path.")),
                immutable(argument("description", Type::String, "What it is for.")),
                required("document", Type::Any, "The policy document."),
                tagged::argument(),
            ],
            outputs: vec![
                output("arn", Type::String, "Its ARN."),
                output("name", Type::String, "Its name."),
                volatile("version", Type::String, "The version in force."),
            ],
            iam_actions: &[
                "iam:CreatePolicy",
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:GetPolicy",
                "iam:GetPolicyVersion",
                "iam:ListEntitiesForPolicy",
                "iam:ListPolicies",
                "iam:ListPolicyVersions",
                "iam:TagPolicy",
            ],
            ..observable("iam.policy", "Makes a customer policy and keeps its document.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let iam = connections::aws(context)?.iam();
        let arguments = intent.arguments;
        let document = arguments.get("document").map(documents::text).unwrap_or_default();
        if intent.change.action == Action::Create {
            let policy = iam
                .create_policy(&CreatePolicy {
                    name: text(arguments, "name").to_owned(),
                    path: optional_text(arguments, "path").map(str::to_owned),
                    description: optional_text(arguments, "description").map(str::to_owned),
                    document,
                    tags: tagged::new(intent),
                })
                .await?;
            return Ok(outputs(&policy));
        }
        let Observed::Present(observation) = intent.observed else {
            return Err(no_such_action("iam.policy", intent.change).into());
        };
        let arn = text(&observation.outputs, "arn");
        match intent.change.action {
            Action::Update => {
                if let Some(tags) = tagged::to_write(intent) {
                    iam.tag_policy(arn, &tags).await?;
                }
                if touches(intent.change, "document") {
                    make_room(&iam, arn).await?;
                    iam.create_policy_version(arn, &document).await?;
                }
                Ok(Values::new())
            }
            Action::Delete => delete(&iam, arn).await.map(|()| Values::new()),
            _ => Err(no_such_action("iam.policy", intent.change).into()),
        }
    }
}

#[async_trait]
impl Module for Policy {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let length = text(arguments, "name").chars().count();
        if length > LONGEST_NAME {
            let why = format!("has {length} characters; IAM takes at most {LONGEST_NAME}");
            problems.push(("name".to_owned(), why));
        }
        if let Some(document) = arguments.get("document") {
            let size = documents::size(document);
            if let Some(why) = documents::problem(document) {
                problems.push(("document".to_owned(), why));
            } else if size > LONGEST_DOCUMENT {
                let why = format!(
                    "has {size} characters without white space; IAM takes at most {LONGEST_DOCUMENT}, so split it into several policies"
                );
                problems.push(("document".to_owned(), why));
            }
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let detail = optional_text(arguments, "description").unwrap_or_default().to_owned();
        Description { subject: text(arguments, "name").to_owned(), detail }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        for name in ["path", "description"] {
            if let Some(value) = arguments.get(name).filter(|value| **value != Value::Null) {
                desired.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(document) = documents::desire(arguments.get("document")) {
            desired.insert("document".to_owned(), document);
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let Some(policy) = find(&aws, arguments).await? else { return Ok(Observed::Absent) };
        let document =
            aws.iam().policy_document(&policy.arn, &policy.default_version).await.read()?;
        let Some(document) = document else { return Ok(Observed::Absent) };
        let description = policy.description.as_deref().filter(|text| !text.is_empty());
        let projection = values([
            ("path", Value::from(policy.path.as_str())),
            ("description", description.map_or(Value::Null, Value::from)),
            ("document", documents::canonical(&Value::from(document))),
            ("tags", tagged::project(arguments, &policy.tags)),
        ]);
        Ok(Observed::Present(Observation {
            projection,
            ownership: tagged::ownership(context, &policy.tags),
            outputs: outputs(&policy),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(2)
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }
}

fn outputs(policy: &LivePolicy) -> Values {
    values([
        ("arn", Value::from(policy.arn.as_str())),
        ("name", Value::from(policy.name.as_str())),
        ("version", Value::from(policy.default_version.as_str())),
    ])
}

/// The policy of that name: at the declared path, else wherever it is, since names are unique in
/// the account whatever the path.
async fn find(aws: &Connection, arguments: &Values) -> Result<Option<LivePolicy>, Failure> {
    let iam = aws.iam();
    let name = text(arguments, "name");
    let path = optional_text(arguments, "path").unwrap_or("/");
    let arn = format!("arn:{}:iam::{}:policy{path}{name}", aws.partition(), aws.account());
    if let Some(policy) = iam.policy(&arn).await.read()? {
        return Ok(Some(policy));
    }
    let elsewhere = iam.policies(None).await.read()?.into_iter().find(|one| one.name == name);
    match elsewhere {
        // Listed without its tags.
        Some(policy) => iam.policy(&policy.arn).await.read(),
        None => Ok(None),
    }
}

/// Deletes the oldest version that is not in force when there is no room for another.
async fn make_room(iam: &Client, arn: &str) -> Result<(), Stopped> {
    let versions = iam.policy_versions(arn).await?;
    if versions.len() >= MOST_VERSIONS
        && let Some(oldest) = versions.iter().rev().find(|version| !version.is_default)
    {
        iam.delete_policy_version(arn, &oldest.id).await?;
    }
    Ok(())
}

async fn delete(iam: &Client, arn: &str) -> Result<(), Stopped> {
    let users = iam.policy_entities(arn).await?;
    let names: Vec<&str> =
        users.roles.iter().chain(&users.users).chain(&users.groups).map(String::as_str).collect();
    if !names.is_empty() {
        return Err(Failure::new(
            Class::Conflict,
            format!("policy `{arn}` is still attached to {}", names.join(", ")),
        )
        .hint("detach it there, or delete what it is attached to")
        .into());
    }
    for version in iam.policy_versions(arn).await?.iter().filter(|one| !one.is_default) {
        iam.delete_policy_version(arn, &version.id).await?;
    }
    iam.delete_policy(arn).await?;
    Ok(())
}
