//! Access entries: who may speak to a cluster, and as what.

use aws_sdk_eks::types::{AccessScope, AccessScopeType};

use super::Client;
use crate::aws::{Tags, sorted, unsorted};
use crate::error::{Error, Outcome};
use crate::retry::Repeat;

/// An access entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// Whose it is.
    pub principal_arn: String,
    /// Its own ARN.
    pub arn: String,
    /// `STANDARD`, `EC2_LINUX`, `FARGATE_LINUX`, …
    pub kind: String,
    /// The user name in the cluster.
    pub username: String,
    /// The groups in the cluster.
    pub kubernetes_groups: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

/// An access policy on an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssociatedPolicy {
    /// For example `arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy`.
    pub policy_arn: String,
    /// The namespaces that it is limited to; empty means the whole cluster.
    pub namespaces: Vec<String>,
}

/// An access entry to be made.
#[derive(Debug, Clone, Default)]
pub struct CreateAccessEntry {
    /// The cluster.
    pub cluster: String,
    /// Whose it is.
    pub principal_arn: String,
    /// `STANDARD`, `EC2_LINUX`, `FARGATE_LINUX`, …
    pub kind: String,
    /// The user name in the cluster; AWS chooses when `None`.
    pub username: Option<String>,
    /// The groups in the cluster.
    pub kubernetes_groups: Vec<String>,
    /// Its tags.
    pub tags: Tags,
    /// Our token.
    pub token: String,
}

impl Client {
    /// The entry of a principal.
    pub async fn access_entry(
        &self,
        cluster: &str,
        principal_arn: &str,
    ) -> Result<Option<AccessEntry>, Error> {
        let output = self
            .calls
            .find("DescribeAccessEntry", || {
                self.sdk
                    .describe_access_entry()
                    .cluster_name(cluster)
                    .principal_arn(principal_arn)
                    .send()
            })
            .await?;
        match output {
            None => Ok(None),
            Some(output) => match output.access_entry {
                Some(found) => Ok(Some(entry(found))),
                None => Err(self.calls.incomplete("DescribeAccessEntry", "accessEntry")),
            },
        }
    }

    /// The principals that have an entry.
    pub async fn access_entries(&self, cluster: &str) -> Result<Vec<String>, Error> {
        let mut principals = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListAccessEntries", || {
                    self.sdk
                        .list_access_entries()
                        .cluster_name(cluster)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(principals) };
            principals.extend(page.access_entries.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(principals),
            }
        }
    }

    /// Makes an entry.
    pub async fn create_access_entry(&self, entry: &CreateAccessEntry) -> Outcome<AccessEntry> {
        const NAME: &str = "CreateAccessEntry";
        let groups = &entry.kubernetes_groups;
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || {
                self.sdk
                    .create_access_entry()
                    .cluster_name(&entry.cluster)
                    .principal_arn(&entry.principal_arn)
                    .r#type(&entry.kind)
                    .set_username(entry.username.clone())
                    .set_kubernetes_groups((!groups.is_empty()).then(|| groups.clone()))
                    .set_tags(Some(unsorted(&entry.tags)))
                    .client_request_token(&entry.token)
                    .send()
            })
            .await?;
        output
            .access_entry
            .map(self::entry)
            .ok_or_else(|| self.calls.done_but_incomplete(NAME, "accessEntry"))
    }

    /// Changes user name and groups; the type cannot be changed.
    pub async fn update_access_entry(&self, entry: &CreateAccessEntry) -> Outcome<()> {
        self.calls
            .write("UpdateAccessEntry", Repeat::WithToken, || {
                self.sdk
                    .update_access_entry()
                    .cluster_name(&entry.cluster)
                    .principal_arn(&entry.principal_arn)
                    .set_username(entry.username.clone())
                    .set_kubernetes_groups(Some(entry.kubernetes_groups.clone()))
                    .client_request_token(&entry.token)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Deletes an entry, and with it its policies.
    pub async fn delete_access_entry(&self, cluster: &str, principal_arn: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteAccessEntry", || {
                self.sdk
                    .delete_access_entry()
                    .cluster_name(cluster)
                    .principal_arn(principal_arn)
                    .send()
            })
            .await
            .map(drop)
    }

    /// The access policies on an entry; `None` when there is no such entry.
    pub async fn associated_policies(
        &self,
        cluster: &str,
        principal_arn: &str,
    ) -> Result<Option<Vec<AssociatedPolicy>>, Error> {
        let mut policies = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListAssociatedAccessPolicies", || {
                    self.sdk
                        .list_associated_access_policies()
                        .cluster_name(cluster)
                        .principal_arn(principal_arn)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(None) };
            let listed = page.associated_access_policies.unwrap_or_default();
            policies.extend(listed.into_iter().filter_map(|policy| {
                Some(AssociatedPolicy {
                    policy_arn: policy.policy_arn?,
                    namespaces: policy
                        .access_scope
                        .and_then(|scope| scope.namespaces)
                        .unwrap_or_default(),
                })
            }));
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(Some(policies)),
            }
        }
    }

    /// Puts an access policy on an entry, or changes its scope.
    pub async fn associate_access_policy(
        &self,
        cluster: &str,
        principal_arn: &str,
        policy: &AssociatedPolicy,
    ) -> Outcome<()> {
        self.calls
            .write_once("AssociateAccessPolicy", || {
                let scope = if policy.namespaces.is_empty() {
                    AccessScope::builder().r#type(AccessScopeType::Cluster)
                } else {
                    AccessScope::builder()
                        .r#type(AccessScopeType::Namespace)
                        .set_namespaces(Some(policy.namespaces.clone()))
                };
                self.sdk
                    .associate_access_policy()
                    .cluster_name(cluster)
                    .principal_arn(principal_arn)
                    .policy_arn(&policy.policy_arn)
                    .access_scope(scope.build())
                    .send()
            })
            .await
            .map(drop)
    }

    /// Takes an access policy from an entry.
    pub async fn disassociate_access_policy(
        &self,
        cluster: &str,
        principal_arn: &str,
        policy_arn: &str,
    ) -> Outcome<()> {
        self.calls
            .write_once("DisassociateAccessPolicy", || {
                self.sdk
                    .disassociate_access_policy()
                    .cluster_name(cluster)
                    .principal_arn(principal_arn)
                    .policy_arn(policy_arn)
                    .send()
            })
            .await
            .map(drop)
    }
}

fn entry(entry: aws_sdk_eks::types::AccessEntry) -> AccessEntry {
    AccessEntry {
        principal_arn: entry.principal_arn.unwrap_or_default(),
        arn: entry.access_entry_arn.unwrap_or_default(),
        kind: entry.r#type.unwrap_or_default(),
        username: entry.username.unwrap_or_default(),
        kubernetes_groups: entry.kubernetes_groups.unwrap_or_default(),
        tags: sorted(entry.tags),
    }
}
