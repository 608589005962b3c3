//! Fargate profiles: which pods run on Fargate. They cannot be changed, only made and deleted, and
//! a cluster takes one such operation at a time.

use aws_sdk_eks::types::FargateProfileSelector;
use jiff::Timestamp;

use super::{Client, health_issue};
use crate::aws::{HealthIssue, Tags, sorted, timestamp, unsorted};
use crate::error::{Error, Outcome};
use crate::retry::Repeat;

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FargateProfile {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its cluster.
    pub cluster: String,
    /// `CREATING`, `ACTIVE`, `DELETING`, `CREATE_FAILED`, `DELETE_FAILED`.
    pub status: String,
    /// The role that its nodes register with.
    pub pod_execution_role_arn: String,
    /// The subnets of its pods.
    pub subnet_ids: Vec<String>,
    /// Which pods it takes.
    pub selectors: Vec<Selector>,
    /// What is wrong with it.
    pub health: Vec<HealthIssue>,
    /// Its tags.
    pub tags: Tags,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// Which pods a profile takes: those of a namespace that carry all these labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The namespace; `*` and `?` are wildcards.
    pub namespace: String,
    /// Labels that a pod must carry.
    pub labels: Tags,
}

/// A profile to be made.
#[derive(Debug, Clone, Default)]
pub struct CreateFargateProfile {
    /// The cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// The role that its nodes register with.
    pub pod_execution_role_arn: String,
    /// Private subnets.
    pub subnet_ids: Vec<String>,
    /// Which pods it takes; at least one, at most five.
    pub selectors: Vec<Selector>,
    /// Its tags.
    pub tags: Tags,
    /// Our token.
    pub token: String,
}

impl Client {
    /// The profile of that name.
    pub async fn fargate_profile(
        &self,
        cluster: &str,
        name: &str,
    ) -> Result<Option<FargateProfile>, Error> {
        const NAME: &str = "DescribeFargateProfile";
        let output = self
            .calls
            .find(NAME, || {
                self.sdk
                    .describe_fargate_profile()
                    .cluster_name(cluster)
                    .fargate_profile_name(name)
                    .send()
            })
            .await?;
        match output {
            None => Ok(None),
            Some(output) => match output.fargate_profile {
                Some(found) => Ok(Some(profile(found))),
                None => Err(self.calls.incomplete(NAME, "fargateProfile")),
            },
        }
    }

    /// The names of a cluster's profiles; empty when there is no such cluster.
    pub async fn fargate_profiles(&self, cluster: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListFargateProfiles", || {
                    self.sdk
                        .list_fargate_profiles()
                        .cluster_name(cluster)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(names) };
            names.extend(page.fargate_profile_names.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Makes a profile.
    pub async fn create_fargate_profile(
        &self,
        profile: &CreateFargateProfile,
    ) -> Outcome<FargateProfile> {
        const NAME: &str = "CreateFargateProfile";
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || {
                let selectors = profile.selectors.iter().map(|selector| {
                    FargateProfileSelector::builder()
                        .namespace(&selector.namespace)
                        .set_labels(
                            (!selector.labels.is_empty()).then(|| unsorted(&selector.labels)),
                        )
                        .build()
                });
                self.sdk
                    .create_fargate_profile()
                    .cluster_name(&profile.cluster)
                    .fargate_profile_name(&profile.name)
                    .pod_execution_role_arn(&profile.pod_execution_role_arn)
                    .set_subnets(Some(profile.subnet_ids.clone()))
                    .set_selectors(Some(selectors.collect()))
                    .set_tags(Some(unsorted(&profile.tags)))
                    .client_request_token(&profile.token)
                    .send()
            })
            .await?;
        output
            .fargate_profile
            .map(self::profile)
            .ok_or_else(|| self.calls.done_but_incomplete(NAME, "fargateProfile"))
    }

    /// Deletes a profile; its pods are deleted with it.
    pub async fn delete_fargate_profile(&self, cluster: &str, name: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteFargateProfile", || {
                self.sdk
                    .delete_fargate_profile()
                    .cluster_name(cluster)
                    .fargate_profile_name(name)
                    .send()
            })
            .await
            .map(drop)
    }
}

fn profile(profile: aws_sdk_eks::types::FargateProfile) -> FargateProfile {
    let health = profile.health.and_then(|health| health.issues).unwrap_or_default();
    let selectors = profile.selectors.unwrap_or_default();
    FargateProfile {
        name: profile.fargate_profile_name.unwrap_or_default(),
        arn: profile.fargate_profile_arn.unwrap_or_default(),
        cluster: profile.cluster_name.unwrap_or_default(),
        status: profile.status.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        pod_execution_role_arn: profile.pod_execution_role_arn.unwrap_or_default(),
        subnet_ids: profile.subnets.unwrap_or_default(),
        selectors: selectors
            .into_iter()
            .map(|selector| Selector {
                namespace: selector.namespace.unwrap_or_default(),
                labels: sorted(selector.labels),
            })
            .collect(),
        health: health
            .into_iter()
            .map(|issue| {
                let code =
                    issue.code.as_ref().map(aws_sdk_eks::types::FargateProfileIssueCode::as_str);
                health_issue(code, issue.message, issue.resource_ids)
            })
            .collect(),
        tags: sorted(profile.tags),
        created_at: timestamp(profile.created_at.as_ref()),
    }
}
