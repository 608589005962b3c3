//! `EventBridge`: rules of the default bus and their targets.
//!
//! Putting or removing targets answers 200 and says in its body which of them failed; those are
//! rejected here, by name.

use aws_sdk_eventbridge::types::{RuleState, Tag};

use super::Tags;
use super::call::Calls;
use crate::error::{Class, Error, Outcome, Said, Undone};

/// Calls `EventBridge`.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_eventbridge::Client,
    calls: Calls,
}

/// A rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What it matches, as JSON text.
    pub pattern: Option<String>,
    /// When it fires by the clock.
    pub schedule: Option<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// What it is for.
    pub description: Option<String>,
    /// The service that keeps it; such a rule is not ours to change.
    pub managed_by: Option<String>,
}

/// A rule to be made or replaced.
#[derive(Debug, Clone, Default)]
pub struct PutRule {
    /// Its name.
    pub name: String,
    /// What it matches, as JSON text.
    pub pattern: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Its tags. `EventBridge` takes them only when the rule is made, and ignores them after that.
    pub tags: Tags,
}

/// Where a rule sends what it matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its id within the rule.
    pub id: String,
    /// The ARN.
    pub arn: String,
    /// The role to send with.
    pub role_arn: Option<String>,
    /// A constant that stands instead of the event.
    pub input: Option<String>,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_eventbridge::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// The rule of that name.
    pub async fn rule(&self, name: &str) -> Result<Option<Rule>, Error> {
        let output =
            self.calls.find("DescribeRule", || self.sdk.describe_rule().name(name).send()).await?;
        Ok(output.map(|output| Rule {
            name: output.name.unwrap_or_default(),
            arn: output.arn.unwrap_or_default(),
            pattern: output.event_pattern,
            schedule: output.schedule_expression,
            enabled: is_enabled(output.state.as_ref()),
            description: output.description,
            managed_by: output.managed_by,
        }))
    }

    /// All rules whose names begin so.
    pub async fn rules(&self, prefix: Option<&str>) -> Result<Vec<Rule>, Error> {
        let mut rules = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("ListRules", || {
                    self.sdk
                        .list_rules()
                        .set_name_prefix(prefix.map(str::to_owned))
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            rules.extend(page.rules.unwrap_or_default().into_iter().map(|rule| Rule {
                enabled: is_enabled(rule.state.as_ref()),
                name: rule.name.unwrap_or_default(),
                arn: rule.arn.unwrap_or_default(),
                pattern: rule.event_pattern,
                schedule: rule.schedule_expression,
                description: rule.description,
                managed_by: rule.managed_by,
            }));
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(rules),
            }
        }
    }

    /// Makes or replaces a rule; its ARN.
    pub async fn put_rule(&self, rule: &PutRule) -> Outcome<String> {
        const NAME: &str = "PutRule";
        let tags = self.tags_of(NAME, &rule.tags)?;
        let output = self
            .calls
            .write_once(NAME, || {
                let state = if rule.enabled { RuleState::Enabled } else { RuleState::Disabled };
                self.sdk
                    .put_rule()
                    .name(&rule.name)
                    .event_pattern(&rule.pattern)
                    .state(state)
                    .set_description(rule.description.clone())
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .send()
            })
            .await?;
        output.rule_arn.ok_or_else(|| self.calls.done_but_incomplete(NAME, "RuleArn"))
    }

    /// The targets of a rule; `None` when there is no such rule.
    pub async fn targets(&self, rule: &str) -> Result<Option<Vec<Target>>, Error> {
        let mut targets = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListTargetsByRule", || {
                    self.sdk.list_targets_by_rule().rule(rule).set_next_token(token.clone()).send()
                })
                .await?;
            let Some(page) = page else { return Ok(None) };
            targets.extend(page.targets.unwrap_or_default().into_iter().map(|target| Target {
                id: target.id,
                arn: target.arn,
                role_arn: target.role_arn,
                input: target.input,
            }));
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(Some(targets)),
            }
        }
    }

    /// Sets targets by their ids; the others stay.
    pub async fn put_targets(&self, rule: &str, targets: &[Target]) -> Outcome<()> {
        const NAME: &str = "PutTargets";
        let built: Vec<_> = targets
            .iter()
            .map(|target| {
                aws_sdk_eventbridge::types::Target::builder()
                    .id(&target.id)
                    .arn(&target.arn)
                    .set_role_arn(target.role_arn.clone())
                    .set_input(target.input.clone())
                    .build()
                    .map_err(|problem| self.calls.unbuilt(NAME, &problem))
            })
            .collect::<Result<_, _>>()?;
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk.put_targets().rule(rule).set_targets(Some(built.clone())).send()
            })
            .await?;
        let failed = output.failed_entries.unwrap_or_default().into_iter();
        let failed = failed.map(|one| (one.target_id, one.error_code, one.error_message)).collect();
        self.all_entries(NAME, targets.len(), output.failed_entry_count, failed)
    }

    /// Removes targets by their ids.
    pub async fn remove_targets(&self, rule: &str, ids: &[String]) -> Outcome<()> {
        const NAME: &str = "RemoveTargets";
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk.remove_targets().rule(rule).set_ids(Some(ids.to_vec())).send()
            })
            .await?;
        let failed = output.failed_entries.unwrap_or_default().into_iter();
        let failed = failed.map(|one| (one.target_id, one.error_code, one.error_message)).collect();
        self.all_entries(NAME, ids.len(), output.failed_entry_count, failed)
    }

    /// Deletes a rule. `EventBridge` refuses while it has targets.
    pub async fn delete_rule(&self, name: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteRule", || self.sdk.delete_rule().name(name).send())
            .await
            .map(drop)
    }

    /// The tags of a rule.
    pub async fn tags(&self, rule_arn: &str) -> Result<Option<Tags>, Error> {
        let output = self
            .calls
            .find("ListTagsForResource", || {
                self.sdk.list_tags_for_resource().resource_arn(rule_arn).send()
            })
            .await?;
        Ok(output.map(|output| {
            output.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
        }))
    }

    /// Sets tags on a rule.
    pub async fn tag(&self, rule_arn: &str, tags: &Tags) -> Outcome<()> {
        const NAME: &str = "TagResource";
        let tags = self.tags_of(NAME, tags)?;
        self.calls
            .write_once(NAME, || {
                self.sdk.tag_resource().resource_arn(rule_arn).set_tags(Some(tags.clone())).send()
            })
            .await
            .map(drop)
    }

    /// Removes tags from a rule.
    pub async fn untag(&self, rule_arn: &str, keys: &[String]) -> Outcome<()> {
        self.calls
            .write_once("UntagResource", || {
                self.sdk
                    .untag_resource()
                    .resource_arn(rule_arn)
                    .set_tag_keys(Some(keys.to_vec()))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Success only when no entry failed. When all of them failed, nothing happened; when some
    /// did, another look has to tell.
    fn all_entries(
        &self,
        name: &'static str,
        asked: usize,
        failed_count: i32,
        failed: Vec<(Option<String>, Option<String>, Option<String>)>,
    ) -> Outcome<()> {
        let failed_count = usize::try_from(failed_count).unwrap_or_default().max(failed.len());
        if failed_count == 0 {
            return Ok(());
        }
        let code = failed.first().and_then(|(_, code, _)| code.clone());
        let told: Vec<String> = failed
            .into_iter()
            .map(|(id, code, message)| {
                format!(
                    "target `{}`: {} {}",
                    id.unwrap_or_default(),
                    code.unwrap_or_default(),
                    message.unwrap_or_default()
                )
            })
            .collect();
        let message = format!("{failed_count} of {asked} targets failed: {}", told.join("; "));
        let class = code
            .as_deref()
            .map_or(Class::Invalid, |code| super::classify::class_of_code(code, 400));
        let said = Said { code, ..Said::unsent(class, message) };
        let error = self.calls.error(name, said);
        Err(if failed_count >= asked { Undone::Rejected(error) } else { Undone::Ambiguous(error) })
    }

    fn tags_of(&self, name: &'static str, tags: &Tags) -> Result<Vec<Tag>, Error> {
        tags.iter()
            .map(|(key, value)| {
                let tag = Tag::builder().key(key).value(value).build();
                tag.map_err(|problem| self.calls.unbuilt(name, &problem))
            })
            .collect()
    }
}

fn is_enabled(state: Option<&RuleState>) -> bool {
    state.is_some_and(|state| state.as_str().starts_with("ENABLED"))
}
