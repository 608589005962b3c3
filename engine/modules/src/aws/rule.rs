//! `events.rule`: a rule of the default event bus and where it sends what it matches.
//!
//! The pattern is compared whole, as JSON. Targets are a superset: those declared must be there.
//! A rule is made before its targets and deleted after them.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use runbook_clients::aws::events::{PutRule, Target};
use runbook_core::change::Action;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Listed, Module, Observation, Observed, Patience, Schema,
    Values, Verdict,
};
use runbook_core::owner::Owner;
use runbook_core::value::{Type, Value};

use super::settling::{Stopped, ended, no_such_action, settled, touches};
use super::{documents, observable, tagged};
use crate::arguments::{boolean, optional_text, text, text_map as text_map_of, values};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{argument, defaulted, identity, output, required, text_map};

/// Requests for tags at a time while listing.
const AT_A_TIME: usize = 8;

/// `events.rule`.
pub(super) struct Rule {
    schema: Schema,
}

impl Rule {
    pub(super) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("name", "Its name."),
                required("pattern", Type::Any, "What it matches: an event pattern."),
                argument("description", Type::String, "What it is for."),
                defaulted("enabled", Type::Boolean, true, "Whether it is switched on."),
                required("targets", text_map(), "Where it sends: target ids to ARNs."),
                tagged::argument(),
            ],
            outputs: vec![
                output("arn", Type::String, "Its ARN."),
                output("name", Type::String, "Its name."),
            ],
            iam_actions: &[
                "events:DeleteRule",
                "events:DescribeRule",
                "events:ListRules",
                "events:ListTagsForResource",
                "events:ListTargetsByRule",
                "events:PutRule",
                "events:PutTargets",
                "events:RemoveTargets",
                "events:TagResource",
            ],
            ..observable("events.rule", "Makes a rule and keeps its pattern and targets.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let events = connections::aws(context)?.events();
        let (arguments, change) = (intent.arguments, intent.change);
        let name = text(arguments, "name");
        match change.action {
            Action::Create => {
                let arn = events.put_rule(&rule(intent)).await?;
                events.put_targets(name, &targets(intent, |_| true)).await?;
                return Ok(values([("arn", Value::from(arn)), ("name", Value::from(name))]));
            }
            Action::Update => {
                if let (Some(tags), Observed::Present(observation)) =
                    (tagged::to_write(intent), intent.observed)
                {
                    events.tag(text(&observation.outputs, "arn"), &tags).await?;
                }
                if ["pattern", "description", "enabled"].iter().any(|name| touches(change, name)) {
                    events.put_rule(&rule(intent)).await?;
                }
                let changed = targets(intent, |id| touches(change, &format!("targets.{id}")));
                if !changed.is_empty() {
                    events.put_targets(name, &changed).await?;
                }
            }
            Action::Delete => {
                let ids: Vec<String> = events
                    .targets(name)
                    .await?
                    .unwrap_or_default()
                    .into_iter()
                    .map(|target| target.id)
                    .collect();
                if !ids.is_empty() {
                    events.remove_targets(name, &ids).await?;
                }
                events.delete_rule(name).await?;
            }
            _ => return Err(no_such_action("events.rule", change).into()),
        }
        Ok(Values::new())
    }
}

#[async_trait]
impl Module for Rule {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if let Some(pattern) = arguments.get("pattern") {
            let json: Option<serde_json::Value> = match pattern.as_str() {
                Some(text) => serde_json::from_str(text).ok(),
                None => Some(pattern.to_json_exposing()),
            };
            if !json.is_some_and(|json| json.is_object()) {
                let why = "is not an event pattern: a map, or its JSON".to_owned();
                problems.push(("pattern".to_owned(), why));
            }
        }
        for (id, arn) in text_map_of(arguments, "targets") {
            if !arn.starts_with("arn:") {
                problems.push(("targets".to_owned(), format!("holds `{id}`: `{arn}` is no ARN")));
            }
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let targets = arguments.get("targets").and_then(Value::as_map);
        let targets: Vec<String> =
            targets.into_iter().flatten().map(|(id, _)| id.clone()).collect();
        Description { subject: text(arguments, "name").to_owned(), detail: targets.join(", ") }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let mut desired = Values::new();
        if let Some(pattern) = arguments.get("pattern") {
            desired.insert("pattern".to_owned(), documents::json_text(pattern));
        }
        for name in ["description", "enabled", "targets"] {
            if let Some(value) = arguments.get(name).filter(|value| **value != Value::Null) {
                desired.insert(name.to_owned(), value.clone());
            }
        }
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let events = connections::aws(context)?.events();
        let name = text(arguments, "name");
        let Some(rule) = events.rule(name).await.read()? else { return Ok(Observed::Absent) };
        let Some(targets) = events.targets(name).await.read()? else {
            return Ok(Observed::Absent);
        };
        let Some(tags) = events.tags(&rule.arn).await.read()? else { return Ok(Observed::Absent) };
        let pattern = rule.pattern.as_deref().map(Value::from);
        let description = rule.description.as_deref().filter(|text| !text.is_empty());
        let targets = targets.into_iter().map(|target| (target.id, target.arn));
        Ok(Observed::Present(Observation {
            projection: values([
                ("pattern", pattern.as_ref().map_or(Value::Null, documents::json_text)),
                ("description", description.map_or(Value::Null, Value::from)),
                ("enabled", Value::Boolean(rule.enabled)),
                ("targets", tagged::declared(arguments.get("targets"), targets)),
                ("tags", tagged::project(arguments, &tags)),
            ]),
            ownership: tagged::ownership(context, &tags),
            outputs: values([("arn", Value::from(rule.arn)), ("name", Value::from(rule.name))]),
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
        Patience { interval: Duration::from_secs(2), timeout: Duration::from_mins(2) }
    }

    async fn list(&self, context: &Context, owner: &Owner) -> Result<Option<Vec<Listed>>, Failure> {
        let events = connections::aws(context)?.events();
        let rules = events.rules(None).await.read()?;
        // A service keeps its own rules; they carry no mark of ours.
        let rules = rules.into_iter().filter(|rule| rule.managed_by.is_none());
        let mut tagged_rules = futures::stream::iter(rules)
            .map(|rule| {
                let events = events.clone();
                async move { events.tags(&rule.arn).await.read().map(|tags| (rule.name, tags)) }
            })
            .buffered(AT_A_TIME);
        let mut listed = Vec::new();
        while let Some(one) = tagged_rules.next().await {
            let (name, tags) = one?;
            let Some(address_tag) = tags.and_then(|tags| tagged::address_of(owner, &tags)) else {
                continue;
            };
            let arguments = values([("name", Value::from(name.as_str()))]);
            listed.push(Listed { address_tag, identity: name, arguments });
        }
        Ok(Some(listed))
    }
}

/// The rule as asked for; a description that is not declared stays as it is.
fn rule(intent: &Intent<'_>) -> PutRule {
    let arguments = intent.arguments;
    let live = match intent.observed {
        Observed::Present(observation) => optional_text(&observation.projection, "description"),
        Observed::Absent => None,
    };
    PutRule {
        name: text(arguments, "name").to_owned(),
        pattern: arguments.get("pattern").map(documents::text).unwrap_or_default(),
        enabled: boolean(arguments, "enabled"),
        description: optional_text(arguments, "description").or(live).map(str::to_owned),
        tags: if intent.change.action == Action::Create { tagged::new(intent) } else { [].into() },
    }
}

fn targets(intent: &Intent<'_>, wanted: impl Fn(&str) -> bool) -> Vec<Target> {
    text_map_of(intent.arguments, "targets")
        .into_iter()
        .filter(|(id, _)| wanted(id))
        .map(|(id, arn)| Target { id, arn, ..Target::default() })
        .collect()
}
