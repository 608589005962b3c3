//! Auto Scaling: the groups that carry certain tags. Read only.

use super::Tags;
use super::call::Calls;
use crate::error::Error;

/// Calls Auto Scaling.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_autoscaling::Client,
    calls: Calls,
}

/// A group of instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoScalingGroup {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How many instances it should have.
    pub desired_capacity: i32,
    /// The ids of those that it has.
    pub instance_ids: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_autoscaling::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// All groups that have a tag of that key and, if given, that value.
    pub async fn groups_tagged(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<AutoScalingGroup>, Error> {
        let mut groups = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("DescribeAutoScalingGroups", || {
                    let filter = |name: String, value: &str| {
                        aws_sdk_autoscaling::types::Filter::builder()
                            .name(name)
                            .values(value)
                            .build()
                    };
                    let filter = match value {
                        Some(value) => filter(format!("tag:{key}"), value),
                        None => filter("tag-key".to_owned(), key),
                    };
                    self.sdk
                        .describe_auto_scaling_groups()
                        .filters(filter)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            groups.extend(page.auto_scaling_groups.unwrap_or_default().into_iter().map(group));
            match page.next_token {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => return Ok(groups),
            }
        }
    }
}

fn group(group: aws_sdk_autoscaling::types::AutoScalingGroup) -> AutoScalingGroup {
    AutoScalingGroup {
        name: group.auto_scaling_group_name.unwrap_or_default(),
        arn: group.auto_scaling_group_arn.unwrap_or_default(),
        desired_capacity: group.desired_capacity.unwrap_or_default(),
        instance_ids: group
            .instances
            .unwrap_or_default()
            .into_iter()
            .filter_map(|instance| instance.instance_id)
            .collect(),
        tags: group
            .tags
            .unwrap_or_default()
            .into_iter()
            .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
            .collect(),
    }
}
