//! `ec2.tags`: tags on things of EC2 that somebody else made, such as the subnets and the cluster's
//! security group that Karpenter discovers by tag. A setting: the resources are not ours.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::ec2::Filter;
use runbook_clients::aws::{Connection, Tags};
use runbook_core::change::Action;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Argument, Context, Description, Intent, Module, Observation, Observed, Schema, Values,
    Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::Value;

use crate::arguments::{text_list, text_map as text_map_of, text_set, values};
use crate::aws::observable;
use crate::aws::settling::{Stopped, ended, no_such_action, settled, touches};
use crate::aws::tagged::declared;
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{output, required, text_map, texts};

/// What can be tagged, by the prefix of its id.
const KINDS: [&str; 5] = ["i-", "rtb-", "sg-", "subnet-", "vpc-"];

/// `ec2.tags`.
pub(in crate::aws) struct ResourceTags {
    schema: Schema,
}

impl ResourceTags {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                Argument {
                    identity: true,
                    ..required("resource_ids", texts(), "What carries the tags.")
                },
                required("tags", text_map(), "The tags; others are left alone."),
            ],
            outputs: vec![output("resource_ids", texts(), "What carries the tags, sorted.")],
            may: &[Action::Update],
            iam_actions: &[
                "ec2:CreateTags",
                "ec2:DeleteTags",
                "ec2:DescribeInstances",
                "ec2:DescribeRouteTables",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            ..observable("ec2.tags", "Sets tags on subnets, security groups and their like.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let ec2 = connections::aws(context)?.ec2();
        let tags = text_map_of(intent.arguments, "tags");
        let ids = text_set(intent.arguments, "resource_ids");
        match intent.change.action {
            Action::Create | Action::Update => {
                let ids: Vec<String> =
                    ids.into_iter().filter(|id| touches(intent.change, id)).collect();
                if !ids.is_empty() {
                    ec2.create_tags(&ids, &tags).await?;
                }
            }
            Action::Delete => ec2.delete_tags(&ids, &tags).await?,
            _ => return Err(no_such_action("ec2.tags", intent.change).into()),
        }
        Ok(Values::new())
    }
}

#[async_trait]
impl Module for ResourceTags {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for id in text_set(arguments, "resource_ids") {
            if !KINDS.iter().any(|prefix| id.starts_with(prefix)) {
                let kinds = KINDS.map(|prefix| format!("`{prefix}…`")).join(", ");
                problems.push((
                    "resource_ids".to_owned(),
                    format!("holds `{id}`, which is none of {kinds}"),
                ));
            }
        }
        for key in text_map_of(arguments, "tags").keys() {
            if key.starts_with("aws:") {
                problems.push((
                    "tags".to_owned(),
                    format!("holds `{key}`; AWS keeps keys with `aws:` for itself"),
                ));
            }
        }
        problems
    }

    fn describe(&self, arguments: &Values) -> Description {
        let ids = text_set(arguments, "resource_ids");
        let subject = match ids.as_slice() {
            [] => "resources".to_owned(),
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} +{} more", rest.len()),
        };
        let tags = arguments.get("tags").and_then(Value::as_map).into_iter().flatten();
        let tags: Vec<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
        Description { subject, detail: tags.join(", ") }
    }

    fn identity(&self, arguments: &Values) -> String {
        text_set(arguments, "resource_ids").join(",")
    }

    fn desired(&self, arguments: &Values) -> Values {
        let tags = arguments.get("tags").cloned().unwrap_or(Value::Null);
        text_set(arguments, "resource_ids").into_iter().map(|id| (id, tags.clone())).collect()
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let ids = text_set(arguments, "resource_ids");
        let live = tags_of(&aws, &ids).await?;
        let missing: Vec<&str> =
            ids.iter().filter(|id| !live.contains_key(*id)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Failure::new(
                Class::NotFound,
                format!("no such resource in {}: {}", aws.region(), missing.join(", ")),
            )
            .hint("`resource_ids` must name what exists"));
        }
        let projection = live
            .into_iter()
            .map(|(id, tags)| (id, declared(arguments.get("tags"), tags.into_iter())));
        Ok(Observed::Present(Observation {
            projection: projection.collect(),
            ownership: Ownership::Setting,
            outputs: values([("resource_ids", text_list(ids))]),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    async fn verify_absent(
        &self,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        let live =
            tags_of(&connections::aws(context)?, &text_set(arguments, "resource_ids")).await?;
        let gone = text_map_of(arguments, "tags");
        let left = live.iter().find(|(_, tags)| {
            gone.iter().any(|(key, value)| tags.get(key).is_some_and(|there| there == value))
        });
        Ok(match left {
            None => Verdict::Converged(Values::new()),
            Some((id, _)) => Verdict::NotYet(format!("`{id}` still carries the tags")),
        })
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(1)
    }
}

/// The tags of each of these things, as far as they are there.
async fn tags_of(aws: &Connection, ids: &[String]) -> Result<BTreeMap<String, Tags>, Failure> {
    let ec2 = aws.ec2();
    let mut all = BTreeMap::new();
    for prefix in KINDS {
        let wanted: Vec<&String> = ids.iter().filter(|id| id.starts_with(prefix)).collect();
        // A filter takes 200 values.
        for some in wanted.chunks(200) {
            let filter = |name: &str| [Filter::any(name, some.iter().map(|id| id.as_str()))];
            match prefix {
                "i-" => {
                    let found = ec2.instances(&filter("instance-id")).await.read()?;
                    all.extend(found.into_iter().map(|one| (one.id, one.tags)));
                }
                "rtb-" => {
                    let found = ec2.route_tables(&filter("route-table-id")).await.read()?;
                    all.extend(found.into_iter().map(|one| (one.id, one.tags)));
                }
                "sg-" => {
                    let found = ec2.security_groups(&filter("group-id")).await.read()?;
                    all.extend(found.into_iter().map(|one| (one.id, one.tags)));
                }
                "subnet-" => {
                    let found = ec2.subnets(&filter("subnet-id")).await.read()?;
                    all.extend(found.into_iter().map(|one| (one.id, one.tags)));
                }
                _ => {
                    let found = ec2.vpcs(&filter("vpc-id")).await.read()?;
                    all.extend(found.into_iter().map(|one| (one.id, one.tags)));
                }
            }
        }
    }
    Ok(all)
}
