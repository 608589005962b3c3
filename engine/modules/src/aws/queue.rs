//! `sqs.queue`: a queue with its policy. SQS takes up to a minute to show changed attributes, and
//! for a minute takes no queue of a name that was deleted.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use runbook_clients::aws::Connection;
use runbook_clients::aws::sqs::Attributes;
use runbook_core::change::Action;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Charge, Context, Description, Intent, Listed, Module, Observation, Observed, Patience,
    Schema, Values, Verdict,
};
use runbook_core::owner::Owner;
use runbook_core::value::{Type, Value, duration};

use super::settling::{Stopped, ended, no_such_action, settled, touches};
use super::{documents, observable, tagged};
use crate::arguments::{boolean, optional_text, text, values};
use crate::charges::{self, Arguments};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{argument, defaulted, identity, output};

/// Requests for tags at a time while listing.
const AT_A_TIME: usize = 8;
const RETENTION: &str = "MessageRetentionPeriod";
const ENCRYPTION: &str = "SqsManagedSseEnabled";
const POLICY: &str = "Policy";

/// `sqs.queue`.
pub(super) struct Queue {
    schema: Schema,
}

impl Queue {
    pub(super) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("name", "Its name."),
                defaulted(
                    "message_retention",
                    Type::Duration,
                    "300s",
                    "How long it keeps a message, 1m to 14d.",
                ),
                defaulted(
                    "managed_encryption",
                    Type::Boolean,
                    true,
                    "Whether SQS encrypts it with its own key.",
                ),
                argument("policy", Type::Any, "Who may send to it: a policy document."),
                tagged::argument(),
            ],
            outputs: vec![
                output("url", Type::String, "Its URL."),
                output("arn", Type::String, "Its ARN."),
                output("name", Type::String, "Its name."),
            ],
            iam_actions: &[
                "sqs:CreateQueue",
                "sqs:DeleteQueue",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ListQueueTags",
                "sqs:ListQueues",
                "sqs:SetQueueAttributes",
                "sqs:TagQueue",
            ],
            bills: Some("per request, the first million a month free"),
            ..observable("sqs.queue", "Makes a queue and keeps its attributes and policy.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let aws = connections::aws(context)?;
        let sqs = aws.sqs();
        let name = text(intent.arguments, "name");
        if intent.change.action == Action::Create {
            let all = attributes(intent.arguments, |_| true);
            let url = sqs.create_queue(name, &all, &tagged::new(intent)).await?;
            return Ok(outputs(&aws, name, &url));
        }
        let Observed::Present(observation) = intent.observed else {
            return Err(no_such_action("sqs.queue", intent.change).into());
        };
        let url = text(&observation.outputs, "url");
        match intent.change.action {
            Action::Update => {
                if let Some(tags) = tagged::to_write(intent) {
                    sqs.tag_queue(url, &tags).await?;
                }
                let changed = attributes(intent.arguments, |field| touches(intent.change, field));
                if !changed.is_empty() {
                    sqs.set_queue_attributes(url, &changed).await?;
                }
            }
            Action::Delete => sqs.delete_queue(url).await?,
            _ => return Err(no_such_action("sqs.queue", intent.change).into()),
        }
        Ok(Values::new())
    }
}

#[async_trait]
impl Module for Queue {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn charges(&self, _: &Arguments) -> Vec<Charge> {
        vec![charges::one("sqs_requests", "requests")]
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if let Some(seconds) = retention(arguments)
            && !(60..=1_209_600).contains(&seconds)
        {
            let why = "is outside of what SQS takes: 1m to 14d".to_owned();
            problems.push(("message_retention".to_owned(), why));
        }
        let policy = arguments.get("policy").filter(|policy| **policy != Value::Null);
        if let Some(why) = policy.and_then(documents::problem) {
            problems.push(("policy".to_owned(), why));
        }
        let name = text(arguments, "name");
        if name.chars().count() > 80 {
            problems.push(("name".to_owned(), "is longer than 80 characters".to_owned()));
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let retention = optional_text(arguments, "message_retention");
        Description {
            subject: text(arguments, "name").to_owned(),
            detail: retention.map(|time| format!("messages kept {time}")).unwrap_or_default(),
        }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        match arguments.get("message_retention") {
            Some(unknown @ Value::Unknown(_)) => {
                desired.insert("message_retention".to_owned(), unknown.clone());
            }
            _ => {
                if let Some(seconds) = retention(arguments) {
                    desired.insert("message_retention".to_owned(), Value::Integer(seconds));
                }
            }
        }
        if let Some(encryption) = arguments.get("managed_encryption") {
            desired.insert("managed_encryption".to_owned(), encryption.clone());
        }
        if let Some(policy) = documents::desire(arguments.get("policy")) {
            desired.insert("policy".to_owned(), policy);
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let (sqs, name) = (aws.sqs(), text(arguments, "name"));
        let Some(url) = sqs.queue_url(name).await.read()? else { return Ok(Observed::Absent) };
        let Some(live) = sqs.queue_attributes(&url).await.read()? else {
            return Ok(Observed::Absent);
        };
        let Some(tags) = sqs.queue_tags(&url).await.read()? else { return Ok(Observed::Absent) };
        let seconds = live.get(RETENTION).and_then(|text| text.parse().ok());
        let policy = live.get(POLICY).filter(|text| !text.is_empty());
        Ok(Observed::Present(Observation {
            projection: values([
                ("message_retention", seconds.map_or(Value::Null, Value::Integer)),
                (
                    "managed_encryption",
                    Value::Boolean(live.get(ENCRYPTION).is_some_and(|text| text == "true")),
                ),
                (
                    "policy",
                    policy.map_or(Value::Null, |text| {
                        documents::canonical(&Value::from(text.as_str()))
                    }),
                ),
                ("tags", tagged::project(arguments, &tags)),
            ]),
            ownership: tagged::ownership(context, &tags),
            outputs: outputs(&aws, name, &url),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        // After a deletion SQS takes no queue of the name for a minute.
        Duration::from_secs(if action == Action::Replace { 65 } else { 2 })
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(2), timeout: Duration::from_mins(3) }
    }

    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let sqs = connections::aws(context)?.sqs();
        let urls = sqs.queues(None).await.read()?;
        let mut tagged_urls = futures::stream::iter(urls)
            .map(|url| {
                let sqs = sqs.clone();
                async move { sqs.queue_tags(&url).await.read().map(|tags| (url, tags)) }
            })
            .buffered(AT_A_TIME);
        let mut listed = Vec::new();
        while let Some(one) = tagged_urls.next().await {
            let (url, tags) = one?;
            let Some(address_tag) = tags.and_then(|tags| tagged::address_of(owner, &tags)) else {
                continue;
            };
            let name = url.rsplit('/').next().unwrap_or_default();
            listed.push(Listed {
                address_tag,
                identity: name.to_owned(),
                arguments: values([("name", Value::from(name))]),
            });
        }
        Ok(Some(listed))
    }
}

fn retention(arguments: &Values) -> Option<i64> {
    let time = duration(optional_text(arguments, "message_retention")?)?;
    i64::try_from(time.as_secs()).ok()
}

/// The attributes of the wanted arguments.
fn attributes(arguments: &Values, wanted: impl Fn(&str) -> bool) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(seconds) = retention(arguments).filter(|_| wanted("message_retention")) {
        attributes.insert(RETENTION.to_owned(), seconds.to_string());
    }
    if wanted("managed_encryption") {
        let encryption = boolean(arguments, "managed_encryption");
        attributes.insert(ENCRYPTION.to_owned(), encryption.to_string());
    }
    let policy = arguments.get("policy").filter(|policy| **policy != Value::Null);
    if let Some(policy) = policy.filter(|_| wanted("policy")) {
        attributes.insert(POLICY.to_owned(), documents::text(policy));
    }
    attributes
}

fn outputs(aws: &Connection, name: &str, url: &str) -> Values {
    let arn = format!("arn:{}:sqs:{}:{}:{name}", aws.partition(), aws.region(), aws.account());
    values([("url", Value::from(url)), ("arn", Value::from(arn)), ("name", Value::from(name))])
}
