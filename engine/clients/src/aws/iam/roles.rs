//! Roles: trust, attached and inline policies, tags, and what stands in the way of deletion.

use jiff::Timestamp;

use super::{Client, plain_tags};
use crate::aws::document::decoded;
use crate::aws::{Tags, timestamp};
use crate::error::{Error, Outcome};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its unique id (`AROA…`).
    pub id: String,
    /// Its path.
    pub path: String,
    /// Who may take it on: the trust policy as JSON text, decoded.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session_seconds: Option<i32>,
    /// The policy that bounds its permissions.
    pub permissions_boundary: Option<String>,
    /// Its tags. [`Client::roles`] leaves them empty: IAM lists roles without their tags.
    pub tags: Tags,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// A managed policy on a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttachedPolicy {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
}

/// A role to be made.
#[derive(Debug, Clone, Default)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// Its path; `/` when `None`.
    pub path: Option<String>,
    /// The trust policy as JSON text.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session_seconds: Option<i32>,
    /// The policy that bounds its permissions.
    pub permissions_boundary: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Client {
    /// The role of that name.
    pub async fn role(&self, name: &str) -> Result<Option<Role>, Error> {
        let output =
            self.calls.find("GetRole", || self.sdk.get_role().role_name(name).send()).await?;
        match output {
            None => Ok(None),
            Some(output) => match output.role {
                Some(found) => Ok(Some(role(found))),
                None => Err(self.calls.incomplete("GetRole", "Role")),
            },
        }
    }

    /// All roles under a path, without their tags.
    pub async fn roles(&self, path_prefix: Option<&str>) -> Result<Vec<Role>, Error> {
        let mut roles = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("ListRoles", || {
                    self.sdk
                        .list_roles()
                        .set_path_prefix(path_prefix.map(str::to_owned))
                        .set_marker(marker.clone())
                        .send()
                })
                .await?;
            roles.extend(page.roles.into_iter().map(role));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(roles),
            }
        }
    }

    /// The tags of a role.
    pub async fn role_tags(&self, name: &str) -> Result<Option<Tags>, Error> {
        let mut tags = Tags::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListRoleTags", || {
                    self.sdk.list_role_tags().role_name(name).set_marker(marker.clone()).send()
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

    /// Makes a role.
    pub async fn create_role(&self, role: &CreateRole) -> Outcome<Role> {
        const NAME: &str = "CreateRole";
        let tags = self.tags(NAME, &role.tags)?;
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk
                    .create_role()
                    .role_name(&role.name)
                    .set_path(role.path.clone())
                    .assume_role_policy_document(&role.trust)
                    .set_description(role.description.clone())
                    .set_max_session_duration(role.max_session_seconds)
                    .set_permissions_boundary(role.permissions_boundary.clone())
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .send()
            })
            .await?;
        output.role.map(self::role).ok_or_else(|| self.calls.done_but_incomplete(NAME, "Role"))
    }

    /// Replaces the trust policy.
    pub async fn update_trust(&self, role: &str, trust: &str) -> Outcome<()> {
        self.calls
            .write_once("UpdateAssumeRolePolicy", || {
                self.sdk.update_assume_role_policy().role_name(role).policy_document(trust).send()
            })
            .await
            .map(drop)
    }

    /// Changes description and longest session; `None` leaves as it is.
    pub async fn update_role(
        &self,
        role: &str,
        description: Option<&str>,
        max_session_seconds: Option<i32>,
    ) -> Outcome<()> {
        self.calls
            .write_once("UpdateRole", || {
                self.sdk
                    .update_role()
                    .role_name(role)
                    .set_description(description.map(str::to_owned))
                    .set_max_session_duration(max_session_seconds)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Sets tags.
    pub async fn tag_role(&self, role: &str, tags: &Tags) -> Outcome<()> {
        let tags = self.tags("TagRole", tags)?;
        self.calls
            .write_once("TagRole", || {
                self.sdk.tag_role().role_name(role).set_tags(Some(tags.clone())).send()
            })
            .await
            .map(drop)
    }

    /// Removes tags.
    pub async fn untag_role(&self, role: &str, keys: &[String]) -> Outcome<()> {
        self.calls
            .write_once("UntagRole", || {
                self.sdk.untag_role().role_name(role).set_tag_keys(Some(keys.to_vec())).send()
            })
            .await
            .map(drop)
    }

    /// The managed policies on a role; `None` when there is no such role.
    pub async fn attached_policies(
        &self,
        role: &str,
    ) -> Result<Option<Vec<AttachedPolicy>>, Error> {
        let mut policies = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListAttachedRolePolicies", || {
                    self.sdk
                        .list_attached_role_policies()
                        .role_name(role)
                        .set_marker(marker.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(None) };
            policies.extend(page.attached_policies.unwrap_or_default().into_iter().filter_map(
                |policy| {
                    let arn = policy.policy_arn?;
                    Some(AttachedPolicy { name: policy.policy_name.unwrap_or_default(), arn })
                },
            ));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(Some(policies)),
            }
        }
    }

    /// Attaches a managed policy.
    pub async fn attach_role_policy(&self, role: &str, policy_arn: &str) -> Outcome<()> {
        self.calls
            .write_once("AttachRolePolicy", || {
                self.sdk.attach_role_policy().role_name(role).policy_arn(policy_arn).send()
            })
            .await
            .map(drop)
    }

    /// Detaches a managed policy.
    pub async fn detach_role_policy(&self, role: &str, policy_arn: &str) -> Outcome<()> {
        self.calls
            .write_once("DetachRolePolicy", || {
                self.sdk.detach_role_policy().role_name(role).policy_arn(policy_arn).send()
            })
            .await
            .map(drop)
    }

    /// The names of a role's inline policies; `None` when there is no such role.
    pub async fn inline_policies(&self, role: &str) -> Result<Option<Vec<String>>, Error> {
        let mut names = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListRolePolicies", || {
                    self.sdk.list_role_policies().role_name(role).set_marker(marker.clone()).send()
                })
                .await?;
            let Some(page) = page else { return Ok(None) };
            names.extend(page.policy_names);
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(Some(names)),
            }
        }
    }

    /// An inline policy's document, decoded.
    pub async fn inline_policy(&self, role: &str, policy: &str) -> Result<Option<String>, Error> {
        let output = self
            .calls
            .find("GetRolePolicy", || {
                self.sdk.get_role_policy().role_name(role).policy_name(policy).send()
            })
            .await?;
        Ok(output.map(|output| decoded(&output.policy_document)))
    }

    /// Writes an inline policy.
    pub async fn put_inline_policy(&self, role: &str, policy: &str, document: &str) -> Outcome<()> {
        self.calls
            .write_once("PutRolePolicy", || {
                self.sdk
                    .put_role_policy()
                    .role_name(role)
                    .policy_name(policy)
                    .policy_document(document)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Removes an inline policy.
    pub async fn delete_inline_policy(&self, role: &str, policy: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteRolePolicy", || {
                self.sdk.delete_role_policy().role_name(role).policy_name(policy).send()
            })
            .await
            .map(drop)
    }

    /// The instance profiles that carry a role; they stand in the way of its deletion.
    pub async fn instance_profiles_of(&self, role: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListInstanceProfilesForRole", || {
                    self.sdk
                        .list_instance_profiles_for_role()
                        .role_name(role)
                        .set_marker(marker.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(names) };
            names.extend(page.instance_profiles.into_iter().map(|one| one.instance_profile_name));
            match page.marker.filter(|_| page.is_truncated) {
                Some(next) => marker = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Takes a role out of an instance profile.
    pub async fn remove_role_from_instance_profile(
        &self,
        profile: &str,
        role: &str,
    ) -> Outcome<()> {
        self.calls
            .write_once("RemoveRoleFromInstanceProfile", || {
                self.sdk
                    .remove_role_from_instance_profile()
                    .instance_profile_name(profile)
                    .role_name(role)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Deletes a role. IAM refuses while policies or instance profiles hang on it.
    pub async fn delete_role(&self, role: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteRole", || self.sdk.delete_role().role_name(role).send())
            .await
            .map(drop)
    }

    /// Makes the role that an AWS service (`spot.amazonaws.com`) keeps for itself. Exists already:
    /// rejected, and [`Error::already_exists`].
    pub async fn create_service_linked_role(&self, service: &str) -> Outcome<Role> {
        const NAME: &str = "CreateServiceLinkedRole";
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk.create_service_linked_role().aws_service_name(service).send()
            })
            .await?;
        output.role.map(role).ok_or_else(|| self.calls.done_but_incomplete(NAME, "Role"))
    }
}

fn role(role: aws_sdk_iam::types::Role) -> Role {
    Role {
        created_at: timestamp(Some(&role.create_date)),
        name: role.role_name,
        arn: role.arn,
        id: role.role_id,
        path: role.path,
        trust: decoded(role.assume_role_policy_document.as_deref().unwrap_or_default()),
        description: role.description,
        max_session_seconds: role.max_session_duration,
        permissions_boundary: role
            .permissions_boundary
            .and_then(|boundary| boundary.permissions_boundary_arn),
        tags: plain_tags(role.tags),
    }
}
