//! Clusters, their updates and the versions that EKS offers.

use aws_sdk_eks::types::{
    AuthenticationMode, CreateAccessConfigRequest, SupportType, UpdateAccessConfigRequest,
    UpgradePolicyRequest, VpcConfigRequest,
};
use jiff::Timestamp;

use super::{Client, health_issue};
use crate::aws::{HealthIssue, Tags, sorted, timestamp, unsorted};
use crate::error::{Error, Outcome};
use crate::retry::Repeat;

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `CREATING`, `ACTIVE`, `DELETING`, `FAILED`, `UPDATING`, `PENDING`.
    pub status: String,
    /// Its Kubernetes version, for example `1.34`.
    pub version: String,
    /// Its platform version.
    pub platform_version: Option<String>,
    /// The role of its control plane.
    pub role_arn: String,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// The subnets of its control plane.
    pub subnet_ids: Vec<String>,
    /// Additional security groups.
    pub security_group_ids: Vec<String>,
    /// The security group that EKS made for it.
    pub cluster_security_group_id: Option<String>,
    /// Where its API server is; not before it is up.
    pub endpoint: Option<String>,
    /// Who reaches the API server, and from where.
    pub access: VpcAccess,
    /// Its certificate authority: base64 of PEM.
    pub certificate_authority: Option<String>,
    /// Its OIDC issuer, `https://…`.
    pub oidc_issuer: Option<String>,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub authentication_mode: Option<String>,
    /// Whether it is in Auto Mode.
    pub auto_mode: bool,
    /// `ipv4` or `ipv6`.
    pub ip_family: Option<String>,
    /// The network of its Services.
    pub service_cidr: Option<String>,
    /// `STANDARD` or `EXTENDED`.
    pub support_type: Option<String>,
    /// What is wrong with it.
    pub health: Vec<HealthIssue>,
    /// Its tags.
    pub tags: Tags,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// From where the API server can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VpcAccess {
    /// From the internet.
    pub public: bool,
    /// From the VPC.
    pub private: bool,
    /// Networks of the internet that may; empty means AWS's default, all.
    pub public_cidrs: Vec<String>,
}

/// A cluster to be made.
#[derive(Debug, Clone, Default)]
pub struct CreateCluster {
    /// Its name.
    pub name: String,
    /// Its Kubernetes version.
    pub version: String,
    /// The role of its control plane.
    pub role_arn: String,
    /// The subnets of its control plane, in at least two zones.
    pub subnet_ids: Vec<String>,
    /// Additional security groups.
    pub security_group_ids: Vec<String>,
    /// From where the API server can be reached.
    pub access: VpcAccess,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`; AWS takes `CONFIG_MAP` when `None`.
    pub authentication_mode: Option<String>,
    /// Whether its maker becomes its administrator.
    pub creator_is_admin: bool,
    /// Whether EKS puts `CoreDNS`, kube-proxy and the VPC CNI into it without add-ons.
    pub bootstrap_self_managed_addons: bool,
    /// `STANDARD` or `EXTENDED`.
    pub support_type: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Our token.
    pub token: String,
}

/// A change that EKS carries out over minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its id.
    pub id: String,
    /// `InProgress`, `Successful`, `Failed`, `Cancelled`.
    pub status: String,
    /// What is being changed, for example `AccessConfigUpdate`.
    pub kind: String,
    /// Why it failed, one line each.
    pub errors: Vec<String>,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
}

/// A version that EKS offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterVersion {
    /// For example `1.34`.
    pub version: String,
    /// `STANDARD_SUPPORT`, `EXTENDED_SUPPORT`, `UNSUPPORTED`.
    pub status: String,
    /// Whether it is what a new cluster gets.
    pub is_default: bool,
    /// Until when its standard support lasts.
    pub standard_support_ends: Option<Timestamp>,
}

impl Client {
    /// The cluster of that name.
    pub async fn cluster(&self, name: &str) -> Result<Option<Cluster>, Error> {
        let output = self
            .calls
            .find("DescribeCluster", || self.sdk.describe_cluster().name(name).send())
            .await?;
        match output {
            None => Ok(None),
            Some(output) => match output.cluster {
                Some(found) => Ok(Some(cluster(found))),
                None => Err(self.calls.incomplete("DescribeCluster", "cluster")),
            },
        }
    }

    /// The names of all clusters.
    pub async fn clusters(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("ListClusters", || {
                    self.sdk.list_clusters().set_next_token(token.clone()).send()
                })
                .await?;
            names.extend(page.clusters.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// Makes a cluster.
    pub async fn create_cluster(&self, cluster: &CreateCluster) -> Outcome<Cluster> {
        const NAME: &str = "CreateCluster";
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || {
                let mode = cluster.authentication_mode.as_deref().map(AuthenticationMode::from);
                let access = CreateAccessConfigRequest::builder()
                    .set_authentication_mode(mode)
                    .bootstrap_cluster_creator_admin_permissions(cluster.creator_is_admin)
                    .build();
                self.sdk
                    .create_cluster()
                    .name(&cluster.name)
                    .version(&cluster.version)
                    .role_arn(&cluster.role_arn)
                    .resources_vpc_config(vpc(cluster))
                    .access_config(access)
                    .bootstrap_self_managed_addons(cluster.bootstrap_self_managed_addons)
                    .set_upgrade_policy(cluster.support_type.as_deref().map(support))
                    .set_tags(Some(unsorted(&cluster.tags)))
                    .client_request_token(&cluster.token)
                    .send()
            })
            .await?;
        output
            .cluster
            .map(self::cluster)
            .ok_or_else(|| self.calls.done_but_incomplete(NAME, "cluster"))
    }

    /// Changes how callers are authenticated. One way: `CONFIG_MAP` → `API_AND_CONFIG_MAP` → `API`.
    pub async fn update_authentication_mode(
        &self,
        cluster: &str,
        mode: &str,
        token: &str,
    ) -> Outcome<Update> {
        self.update_configuration(token, || {
            self.sdk.update_cluster_config().name(cluster).access_config(
                UpdateAccessConfigRequest::builder()
                    .authentication_mode(AuthenticationMode::from(mode))
                    .build(),
            )
        })
        .await
    }

    /// Changes from where the API server can be reached.
    pub async fn update_endpoint_access(
        &self,
        cluster: &str,
        access: &VpcAccess,
        token: &str,
    ) -> Outcome<Update> {
        self.update_configuration(token, || {
            let vpc = VpcConfigRequest::builder()
                .endpoint_public_access(access.public)
                .endpoint_private_access(access.private)
                .set_public_access_cidrs(some_if_any(&access.public_cidrs));
            self.sdk.update_cluster_config().name(cluster).resources_vpc_config(vpc.build())
        })
        .await
    }

    /// Changes the support policy: `STANDARD` or `EXTENDED`.
    pub async fn update_support_type(
        &self,
        cluster: &str,
        support_type: &str,
        token: &str,
    ) -> Outcome<Update> {
        self.update_configuration(token, || {
            self.sdk.update_cluster_config().name(cluster).upgrade_policy(support(support_type))
        })
        .await
    }

    /// Moves the control plane to another Kubernetes version: one minor version up.
    pub async fn update_version(
        &self,
        cluster: &str,
        version: &str,
        token: &str,
    ) -> Outcome<Update> {
        const NAME: &str = "UpdateClusterVersion";
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || {
                self.sdk
                    .update_cluster_version()
                    .name(cluster)
                    .version(version)
                    .client_request_token(token)
                    .send()
            })
            .await?;
        output.update.map(update).ok_or_else(|| self.calls.done_but_incomplete(NAME, "update"))
    }

    /// How an update goes; `addon` for an add-on's.
    pub async fn update(
        &self,
        cluster: &str,
        id: &str,
        addon: Option<&str>,
    ) -> Result<Option<Update>, Error> {
        let output = self
            .calls
            .find("DescribeUpdate", || {
                self.sdk
                    .describe_update()
                    .name(cluster)
                    .update_id(id)
                    .set_addon_name(addon.map(str::to_owned))
                    .send()
            })
            .await?;
        Ok(output.and_then(|output| output.update).map(update))
    }

    /// The ids of a cluster's updates; of an add-on's when one is named.
    pub async fn updates(&self, cluster: &str, addon: Option<&str>) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListUpdates", || {
                    self.sdk
                        .list_updates()
                        .name(cluster)
                        .set_addon_name(addon.map(str::to_owned))
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(ids) };
            ids.extend(page.update_ids.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(ids),
            }
        }
    }

    /// Deletes a cluster. EKS refuses while it has Fargate profiles or node groups.
    pub async fn delete_cluster(&self, name: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteCluster", || self.sdk.delete_cluster().name(name).send())
            .await
            .map(drop)
    }

    /// The versions that EKS offers.
    pub async fn cluster_versions(&self) -> Result<Vec<ClusterVersion>, Error> {
        let mut versions = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .read("DescribeClusterVersions", || {
                    self.sdk.describe_cluster_versions().set_next_token(token.clone()).send()
                })
                .await?;
            versions.extend(page.cluster_versions.unwrap_or_default().into_iter().filter_map(
                |version| {
                    let status = version.version_status.as_ref().map(|it| it.as_str().to_owned());
                    Some(ClusterVersion {
                        version: version.cluster_version?,
                        status: status.unwrap_or_default(),
                        is_default: version.default_version,
                        standard_support_ends: timestamp(
                            version.end_of_standard_support_date.as_ref(),
                        ),
                    })
                },
            ));
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(versions),
            }
        }
    }

    async fn update_configuration<F>(&self, token: &str, request: F) -> Outcome<Update>
    where
        F: Fn() -> aws_sdk_eks::operation::update_cluster_config::builders::UpdateClusterConfigFluentBuilder,
    {
        const NAME: &str = "UpdateClusterConfig";
        let output = self
            .calls
            .write(NAME, Repeat::WithToken, || request().client_request_token(token).send())
            .await?;
        output.update.map(update).ok_or_else(|| self.calls.done_but_incomplete(NAME, "update"))
    }
}

fn vpc(cluster: &CreateCluster) -> VpcConfigRequest {
    VpcConfigRequest::builder()
        .set_subnet_ids(Some(cluster.subnet_ids.clone()))
        .set_security_group_ids(some_if_any(&cluster.security_group_ids))
        .endpoint_public_access(cluster.access.public)
        .endpoint_private_access(cluster.access.private)
        .set_public_access_cidrs(some_if_any(&cluster.access.public_cidrs))
        .build()
}

fn some_if_any(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn support(support_type: &str) -> UpgradePolicyRequest {
    UpgradePolicyRequest::builder().support_type(SupportType::from(support_type)).build()
}

pub(super) fn update(update: aws_sdk_eks::types::Update) -> Update {
    Update {
        id: update.id.unwrap_or_default(),
        status: update.status.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        kind: update.r#type.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        errors: update
            .errors
            .unwrap_or_default()
            .into_iter()
            .map(|error| {
                let code = error.error_code.map(|it| it.as_str().to_owned()).unwrap_or_default();
                format!("{code}: {}", error.error_message.unwrap_or_default())
            })
            .collect(),
        created_at: timestamp(update.created_at.as_ref()),
    }
}

fn cluster(cluster: aws_sdk_eks::types::Cluster) -> Cluster {
    let vpc = cluster.resources_vpc_config;
    let network = cluster.kubernetes_network_config;
    let health = cluster.health.and_then(|health| health.issues).unwrap_or_default();
    Cluster {
        name: cluster.name.unwrap_or_default(),
        arn: cluster.arn.unwrap_or_default(),
        status: cluster.status.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        version: cluster.version.unwrap_or_default(),
        platform_version: cluster.platform_version,
        role_arn: cluster.role_arn.unwrap_or_default(),
        endpoint: cluster.endpoint,
        certificate_authority: cluster.certificate_authority.and_then(|it| it.data),
        oidc_issuer: cluster.identity.and_then(|it| it.oidc).and_then(|it| it.issuer),
        authentication_mode: cluster
            .access_config
            .and_then(|it| it.authentication_mode)
            .map(|it| it.as_str().to_owned()),
        auto_mode: cluster.compute_config.and_then(|it| it.enabled).unwrap_or_default(),
        ip_family: network
            .as_ref()
            .and_then(|it| it.ip_family.as_ref())
            .map(|it| it.as_str().to_owned()),
        service_cidr: network.and_then(|it| it.service_ipv4_cidr.or(it.service_ipv6_cidr)),
        support_type: cluster
            .upgrade_policy
            .and_then(|it| it.support_type)
            .map(|it| it.as_str().to_owned()),
        health: health
            .into_iter()
            .map(|issue| {
                let code = issue.code.as_ref().map(aws_sdk_eks::types::ClusterIssueCode::as_str);
                health_issue(code, issue.message, issue.resource_ids)
            })
            .collect(),
        tags: sorted(cluster.tags),
        created_at: timestamp(cluster.created_at.as_ref()),
        ..placement(vpc)
    }
}

/// The part of a cluster that is about its network.
fn placement(vpc: Option<aws_sdk_eks::types::VpcConfigResponse>) -> Cluster {
    let Some(vpc) = vpc else { return Cluster::default() };
    Cluster {
        vpc_id: vpc.vpc_id,
        subnet_ids: vpc.subnet_ids.unwrap_or_default(),
        security_group_ids: vpc.security_group_ids.unwrap_or_default(),
        cluster_security_group_id: vpc.cluster_security_group_id,
        access: VpcAccess {
            public: vpc.endpoint_public_access,
            private: vpc.endpoint_private_access,
            public_cidrs: vpc.public_access_cidrs.unwrap_or_default(),
        },
        ..Cluster::default()
    }
}
