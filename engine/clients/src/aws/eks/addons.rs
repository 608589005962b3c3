//! Add-ons: software that EKS installs and keeps in a cluster.
//!
//! An add-on whose pods cannot run yet is `DEGRADED`; that passes as soon as they do, so whoever
//! waits for one must not take it for a failure.

use aws_sdk_eks::types::ResolveConflicts;
use serde_json::Value;

use super::clusters::{Update, update};
use super::{Client, health_issue};
use crate::aws::{HealthIssue, Tags, sorted, unsorted};
use crate::error::{Error, Outcome};
use crate::retry::Repeat;

/// An add-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addon {
    /// Its name, for example `coredns`.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its version.
    pub version: String,
    /// `CREATING`, `ACTIVE`, `CREATE_FAILED`, `UPDATING`, `DELETING`, `DELETE_FAILED`, `DEGRADED`,
    /// `UPDATE_FAILED`.
    pub status: String,
    /// Its configuration as JSON text.
    pub configuration: Option<String>,
    /// The role of its service account.
    pub service_account_role_arn: Option<String>,
    /// What is wrong with it.
    pub health: Vec<HealthIssue>,
    /// Its tags.
    pub tags: Tags,
}

/// What happens to fields in the cluster that another manager has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// The operation fails.
    #[default]
    Refuse,
    /// They are set to the add-on's value.
    Overwrite,
    /// They stay as they are.
    Preserve,
}

impl From<Conflicts> for ResolveConflicts {
    fn from(conflicts: Conflicts) -> Self {
        match conflicts {
            Conflicts::Refuse => Self::None,
            Conflicts::Overwrite => Self::Overwrite,
            Conflicts::Preserve => Self::Preserve,
        }
    }
}

/// An add-on to be made or changed.
#[derive(Debug, Clone, Default)]
pub struct ChangeAddon {
    /// The cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its version; EKS takes the default when an add-on is made without one, and leaves it as it
    /// is in an update without one.
    pub version: Option<String>,
    /// Its configuration as JSON text.
    pub configuration: Option<String>,
    /// The role of its service account.
    pub service_account_role_arn: Option<String>,
    /// What happens to fields that another manager has changed.
    pub conflicts: Conflicts,
    /// Its tags; only when it is made.
    pub tags: Tags,
    /// Our token.
    pub token: String,
}

/// A version of an add-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonVersion {
    /// For example `v1.12.4-eksbuild.1`.
    pub version: String,
    /// Whether it is what the asked Kubernetes version gets by default.
    pub is_default: bool,
}

impl Client {
    /// The add-on of that name.
    pub async fn addon(&self, cluster: &str, name: &str) -> Result<Option<Addon>, Error> {
        let output = self
            .calls
            .find("DescribeAddon", || {
                self.sdk.describe_addon().cluster_name(cluster).addon_name(name).send()
            })
            .await?;
        match output {
            None => Ok(None),
            Some(output) => match output.addon {
                Some(found) => Ok(Some(addon(found))),
                None => Err(self.calls.incomplete("DescribeAddon", "addon")),
            },
        }
    }

    /// The names of a cluster's add-ons.
    pub async fn addons(&self, cluster: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListAddons", || {
                    self.sdk
                        .list_addons()
                        .cluster_name(cluster)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(names) };
            names.extend(page.addons.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Makes an add-on.
    pub async fn create_addon(&self, addon: &ChangeAddon) -> Outcome<Addon> {
        const NAME: &str = "CreateAddon";
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || {
                self.sdk
                    .create_addon()
                    .cluster_name(&addon.cluster)
                    .addon_name(&addon.name)
                    .set_addon_version(addon.version.clone())
                    .set_configuration_values(addon.configuration.clone())
                    .set_service_account_role_arn(addon.service_account_role_arn.clone())
                    .resolve_conflicts(addon.conflicts.into())
                    .set_tags(Some(unsorted(&addon.tags)))
                    .client_request_token(&addon.token)
                    .send()
            })
            .await?;
        output.addon.map(self::addon).ok_or_else(|| self.calls.done_but_incomplete(NAME, "addon"))
    }

    /// Changes an add-on.
    pub async fn update_addon(&self, addon: &ChangeAddon) -> Outcome<Update> {
        const NAME: &str = "UpdateAddon";
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || {
                self.sdk
                    .update_addon()
                    .cluster_name(&addon.cluster)
                    .addon_name(&addon.name)
                    .set_addon_version(addon.version.clone())
                    .set_configuration_values(addon.configuration.clone())
                    .set_service_account_role_arn(addon.service_account_role_arn.clone())
                    .resolve_conflicts(addon.conflicts.into())
                    .client_request_token(&addon.token)
                    .send()
            })
            .await?;
        output.update.map(update).ok_or_else(|| self.calls.done_but_incomplete(NAME, "update"))
    }

    /// Deletes an add-on; `preserve` leaves its software in the cluster.
    pub async fn delete_addon(&self, cluster: &str, name: &str, preserve: bool) -> Outcome<()> {
        self.calls
            .write_once("DeleteAddon", || {
                self.sdk
                    .delete_addon()
                    .cluster_name(cluster)
                    .addon_name(name)
                    .preserve(preserve)
                    .send()
            })
            .await
            .map(drop)
    }

    /// The versions of an add-on for a Kubernetes version, in EKS's order, newest first.
    pub async fn addon_versions(
        &self,
        name: &str,
        kubernetes_version: &str,
    ) -> Result<Vec<AddonVersion>, Error> {
        let mut versions = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("DescribeAddonVersions", || {
                    self.sdk
                        .describe_addon_versions()
                        .addon_name(name)
                        .kubernetes_version(kubernetes_version)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            for addon in page.addons.unwrap_or_default() {
                let listed = addon.addon_versions.unwrap_or_default();
                versions.extend(listed.into_iter().filter_map(|version| {
                    let compatibilities = version.compatibilities.unwrap_or_default();
                    let is_default = compatibilities.iter().any(|one| {
                        one.default_version
                            && one.cluster_version.as_deref() == Some(kubernetes_version)
                    });
                    Some(AddonVersion { version: version.addon_version?, is_default })
                }));
            }
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(versions),
            }
        }
    }

    /// The JSON schema that an add-on's configuration must satisfy.
    pub async fn addon_configuration_schema(
        &self,
        name: &str,
        version: &str,
    ) -> Result<Option<Value>, Error> {
        const NAME: &str = "DescribeAddonConfiguration";
        let output = self
            .calls
            .find(NAME, || {
                self.sdk
                    .describe_addon_configuration()
                    .addon_name(name)
                    .addon_version(version)
                    .send()
            })
            .await?;
        let Some(schema) = output.and_then(|output| output.configuration_schema) else {
            return Ok(None);
        };
        serde_json::from_str(&schema)
            .map(Some)
            .map_err(|_| self.calls.incomplete(NAME, "configurationSchema as JSON"))
    }
}

fn addon(addon: aws_sdk_eks::types::Addon) -> Addon {
    let health = addon.health.and_then(|health| health.issues).unwrap_or_default();
    Addon {
        name: addon.addon_name.unwrap_or_default(),
        arn: addon.addon_arn.unwrap_or_default(),
        version: addon.addon_version.unwrap_or_default(),
        status: addon.status.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        configuration: addon.configuration_values,
        service_account_role_arn: addon.service_account_role_arn,
        health: health
            .into_iter()
            .map(|issue| {
                let code = issue.code.as_ref().map(aws_sdk_eks::types::AddonIssueCode::as_str);
                health_issue(code, issue.message, issue.resource_ids)
            })
            .collect(),
        tags: sorted(addon.tags),
    }
}
