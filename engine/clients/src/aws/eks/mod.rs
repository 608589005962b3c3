//! EKS: clusters, their updates, access entries, add-ons, Fargate profiles, node groups.
//!
//! Writes that take a client token take *ours*, so they may be repeated after a lost reply. Two
//! traps of this API are met here once: `ResourceInUseException` is thrown by operations that do
//! not model it (it is matched by code like any other), and a route that an endpoint does not know
//! answers 404 without a code, which is not absence.

mod access;
mod addons;
mod clusters;
mod fargate;

use super::call::Calls;
use super::{HealthIssue, Tags, unsorted};
use crate::error::{Error, Outcome};

pub use access::{AccessEntry, AssociatedPolicy, CreateAccessEntry};
pub use addons::{Addon, AddonVersion, ChangeAddon, Conflicts};
pub use clusters::{Cluster, ClusterVersion, CreateCluster, Update, VpcAccess};
pub use fargate::{CreateFargateProfile, FargateProfile, Selector};

/// Calls EKS.
#[derive(Clone)]
pub struct Client {
    sdk: aws_sdk_eks::Client,
    calls: Calls,
}

impl Client {
    pub(super) fn new(sdk: aws_sdk_eks::Client, calls: Calls) -> Self {
        Self { sdk, calls }
    }

    /// The names of a cluster's managed node groups; empty when there is no such cluster.
    pub async fn node_groups(&self, cluster: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .calls
                .find("ListNodegroups", || {
                    self.sdk
                        .list_nodegroups()
                        .cluster_name(cluster)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            let Some(page) = page else { return Ok(names) };
            names.extend(page.nodegroups.unwrap_or_default());
            match page.next_token {
                Some(next) => token = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// The tags of anything of EKS.
    pub async fn tags(&self, arn: &str) -> Result<Option<Tags>, Error> {
        let output = self
            .calls
            .find("ListTagsForResource", || {
                self.sdk.list_tags_for_resource().resource_arn(arn).send()
            })
            .await?;
        Ok(output.map(|output| super::sorted(output.tags)))
    }

    /// Sets tags on anything of EKS.
    pub async fn tag(&self, arn: &str, tags: &Tags) -> Outcome<()> {
        self.calls
            .write_once("TagResource", || {
                self.sdk.tag_resource().resource_arn(arn).set_tags(Some(unsorted(tags))).send()
            })
            .await
            .map(drop)
    }

    /// Removes tags from anything of EKS.
    pub async fn untag(&self, arn: &str, keys: &[String]) -> Outcome<()> {
        self.calls
            .write_once("UntagResource", || {
                self.sdk.untag_resource().resource_arn(arn).set_tag_keys(Some(keys.to_vec())).send()
            })
            .await
            .map(drop)
    }
}

fn health_issue(
    code: Option<&str>,
    message: Option<String>,
    resources: Option<Vec<String>>,
) -> HealthIssue {
    HealthIssue {
        code: code.unwrap_or("Unknown").to_owned(),
        message: message.unwrap_or_default(),
        resources: resources.unwrap_or_default(),
    }
}
