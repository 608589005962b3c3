//! Customer managed policies. A policy has up to five versions, one of which is in force; making a
//! sixth is refused, so the oldest that is not in force goes first.

use jiff::Timestamp;

use super::{Client, plain_tags};
use crate::aws::document::decoded;
use crate::aws::{Tags, timestamp};
use crate::error::{Error, Outcome};

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// What it is for.
    pub description: Option<String>,
    /// The version in force, for example `v3`.
    pub default_version: String,
    /// On how many principals it is.
    pub attachments: i32,
    /// Its tags. [`Client::policies`] leaves them empty: IAM lists policies without their tags.
    pub tags: Tags,
}

/// A version of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// For example `v3`.
    pub id: String,
    /// Whether it is in force.
    pub is_default: bool,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// Who has a policy attached, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyEntities {
    /// Roles.
    pub roles: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
}

/// A policy to be made.
#[derive(Debug, Clone, Default)]
pub struct CreatePolicy {
    /// Its name.
    pub name: String,
    /// Its path; `/` when `None`.
    pub path: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The document as JSON text; at most 6,144 characters without white space.
    pub document: String,
    /// Its tags.
    pub tags: Tags,
}

impl Client {
    /// The policy of that ARN.
    pub async fn policy(&self, arn: &str) -> Result<Option<Policy>, Error> {
        let output =
            self.calls.find("GetPolicy", || self.sdk.get_policy().policy_arn(arn).send()).await?;
        match output {
            None => Ok(None),
            Some(output) => match output.policy {
                Some(found) => Ok(Some(policy(found))),
                None => Err(self.calls.incomplete("GetPolicy", "Policy")),
            },
        }
    }

    /// A version's document, decoded.
    pub async fn policy_document(&self, arn: &str, version: &str) -> Result<Option<String>, Error> {
        let output = self
            .calls
            .find("GetPolicyVersion", || {
                self.sdk.get_policy_version().policy_arn(arn).version_id(version).send()
            })
            .await?;
        let document = output.and_then(|output| output.policy_version).and_then(|it| it.document);
        Ok(document.as_deref().map(decoded))
    }

    /// The versions of a policy, newest first.
    pub async fn policy_versions(&self, arn: &str) -> Result<Vec<PolicyVersion>, Error> {
        let mut versions = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("ListPolicyVersions", || {
                    self.sdk
                        .list_policy_versions()
                        .policy_arn(arn)
                        .set_marker(marker.clone())
                        .send()
                })
                .await?;
            versions.extend(page.versions.unwrap_or_default().into_iter().filter_map(|version| {
                Some(PolicyVersion {
                    created_at: timestamp(version.create_date.as_ref()),
                    is_default: version.is_default_version,
                    id: version.version_id?,
                })
            }));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => break,
            }
        }
        // Version numbers only grow: `v10` is newer than `v9`.
        versions.sort_by_key(|version| std::cmp::Reverse(number(&version.id)));
        Ok(versions)
    }

    /// Makes a policy.
    pub async fn create_policy(&self, policy: &CreatePolicy) -> Outcome<Policy> {
        const NAME: &str = "CreatePolicy";
        let tags = self.tags(NAME, &policy.tags)?;
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk
                    .create_policy()
                    .policy_name(&policy.name)
                    .set_path(policy.path.clone())
                    .set_description(policy.description.clone())
                    .policy_document(&policy.document)
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .send()
            })
            .await?;
        output
            .policy
            .map(self::policy)
            .ok_or_else(|| self.calls.done_but_incomplete(NAME, "Policy"))
    }

    /// Makes a version and puts it in force; its id.
    pub async fn create_policy_version(&self, arn: &str, document: &str) -> Outcome<String> {
        const NAME: &str = "CreatePolicyVersion";
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk
                    .create_policy_version()
                    .policy_arn(arn)
                    .policy_document(document)
                    .set_as_default(true)
                    .send()
            })
            .await?;
        let id = output.policy_version.and_then(|version| version.version_id);
        id.ok_or_else(|| self.calls.done_but_incomplete(NAME, "VersionId"))
    }

    /// Puts another version in force.
    pub async fn set_default_policy_version(&self, arn: &str, version: &str) -> Outcome<()> {
        self.calls
            .write_once("SetDefaultPolicyVersion", || {
                self.sdk.set_default_policy_version().policy_arn(arn).version_id(version).send()
            })
            .await
            .map(drop)
    }

    /// Deletes a version that is not in force.
    pub async fn delete_policy_version(&self, arn: &str, version: &str) -> Outcome<()> {
        self.calls
            .write_once("DeletePolicyVersion", || {
                self.sdk.delete_policy_version().policy_arn(arn).version_id(version).send()
            })
            .await
            .map(drop)
    }

    /// Deletes a policy. IAM refuses while it is attached or has other versions.
    pub async fn delete_policy(&self, arn: &str) -> Outcome<()> {
        self.calls
            .write_once("DeletePolicy", || self.sdk.delete_policy().policy_arn(arn).send())
            .await
            .map(drop)
    }

    /// The account's own policies under a path, without their tags.
    pub async fn policies(&self, path_prefix: Option<&str>) -> Result<Vec<Policy>, Error> {
        let mut policies = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("ListPolicies", || {
                    self.sdk
                        .list_policies()
                        .scope(aws_sdk_iam::types::PolicyScopeType::Local)
                        .set_path_prefix(path_prefix.map(str::to_owned))
                        .set_marker(marker.clone())
                        .send()
                })
                .await?;
            policies.extend(page.policies.unwrap_or_default().into_iter().map(policy));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(policies),
            }
        }
    }

    /// The tags of a policy.
    pub async fn policy_tags(&self, arn: &str) -> Result<Option<Tags>, Error> {
        let mut tags = Tags::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListPolicyTags", || {
                    self.sdk.list_policy_tags().policy_arn(arn).set_marker(marker.clone()).send()
                })
                .await?;
            let Some(page) = page else { return Ok(None) };
            tags.extend(plain_tags(Some(page.tags)));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(Some(tags)),
            }
        }
    }

    /// Sets tags.
    pub async fn tag_policy(&self, arn: &str, tags: &Tags) -> Outcome<()> {
        let tags = self.tags("TagPolicy", tags)?;
        self.calls
            .write_once("TagPolicy", || {
                self.sdk.tag_policy().policy_arn(arn).set_tags(Some(tags.clone())).send()
            })
            .await
            .map(drop)
    }

    /// Removes tags.
    pub async fn untag_policy(&self, arn: &str, keys: &[String]) -> Outcome<()> {
        self.calls
            .write_once("UntagPolicy", || {
                self.sdk.untag_policy().policy_arn(arn).set_tag_keys(Some(keys.to_vec())).send()
            })
            .await
            .map(drop)
    }

    /// Who has the policy attached; they stand in the way of its deletion.
    pub async fn policy_entities(&self, arn: &str) -> Result<PolicyEntities, Error> {
        let mut entities = PolicyEntities::default();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListEntitiesForPolicy", || {
                    self.sdk
                        .list_entities_for_policy()
                        .policy_arn(arn)
                        .set_marker(marker.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(entities) };
            let roles = page.policy_roles.unwrap_or_default();
            let users = page.policy_users.unwrap_or_default();
            let groups = page.policy_groups.unwrap_or_default();
            entities.roles.extend(roles.into_iter().filter_map(|one| one.role_name));
            entities.users.extend(users.into_iter().filter_map(|one| one.user_name));
            entities.groups.extend(groups.into_iter().filter_map(|one| one.group_name));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(entities),
            }
        }
    }
}

fn number(version: &str) -> u64 {
    version.trim_start_matches('v').parse().unwrap_or_default()
}

fn policy(policy: aws_sdk_iam::types::Policy) -> Policy {
    Policy {
        arn: policy.arn.unwrap_or_default(),
        name: policy.policy_name.unwrap_or_default(),
        path: policy.path.unwrap_or_default(),
        description: policy.description,
        default_version: policy.default_version_id.unwrap_or_default(),
        attachments: policy.attachment_count.unwrap_or_default(),
        tags: plain_tags(policy.tags),
    }
}
