//! OIDC providers: what lets a service account of a cluster take on a role.

use super::{Client, plain_tags};
use crate::aws::Tags;
use crate::error::{Error, Outcome};

/// An OIDC provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcProvider {
    /// Its ARN.
    pub arn: String,
    /// The issuer, without `https://`.
    pub url: String,
    /// The audiences that it accepts.
    pub client_ids: Vec<String>,
    /// Thumbprints of certificates; AWS does not need them for EKS issuers.
    pub thumbprints: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Client {
    /// The provider of that ARN.
    pub async fn oidc_provider(&self, arn: &str) -> Result<Option<OidcProvider>, Error> {
        let output = self
            .calls
            .find("GetOpenIDConnectProvider", || {
                self.sdk.get_open_id_connect_provider().open_id_connect_provider_arn(arn).send()
            })
            .await?;
        Ok(output.map(|output| OidcProvider {
            arn: arn.to_owned(),
            url: output.url.unwrap_or_default().trim_start_matches("https://").to_owned(),
            client_ids: output.client_id_list.unwrap_or_default(),
            thumbprints: output.thumbprint_list.unwrap_or_default(),
            tags: plain_tags(output.tags),
        }))
    }

    /// The ARNs of all providers.
    pub async fn oidc_providers(&self) -> Result<Vec<String>, Error> {
        let output = self
            .calls
            .read("ListOpenIDConnectProviders", || self.sdk.list_open_id_connect_providers().send())
            .await?;
        let list = output.open_id_connect_provider_list.unwrap_or_default();
        Ok(list.into_iter().filter_map(|entry| entry.arn).collect())
    }

    /// Makes a provider, without thumbprints; its ARN.
    pub async fn create_oidc_provider(
        &self,
        url: &str,
        client_ids: &[String],
        tags: &Tags,
    ) -> Outcome<String> {
        const NAME: &str = "CreateOpenIDConnectProvider";
        let tags = self.tags(NAME, tags)?;
        let output = self
            .calls
            .write_once(NAME, || {
                self.sdk
                    .create_open_id_connect_provider()
                    .url(url)
                    .set_client_id_list(Some(client_ids.to_vec()))
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .send()
            })
            .await?;
        output
            .open_id_connect_provider_arn
            .ok_or_else(|| self.calls.done_but_incomplete(NAME, "OpenIDConnectProviderArn"))
    }

    /// Adds an audience.
    pub async fn add_client_id(&self, arn: &str, client_id: &str) -> Outcome<()> {
        self.calls
            .write_once("AddClientIDToOpenIDConnectProvider", || {
                self.sdk
                    .add_client_id_to_open_id_connect_provider()
                    .open_id_connect_provider_arn(arn)
                    .client_id(client_id)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Removes an audience.
    pub async fn remove_client_id(&self, arn: &str, client_id: &str) -> Outcome<()> {
        self.calls
            .write_once("RemoveClientIDFromOpenIDConnectProvider", || {
                self.sdk
                    .remove_client_id_from_open_id_connect_provider()
                    .open_id_connect_provider_arn(arn)
                    .client_id(client_id)
                    .send()
            })
            .await
            .map(drop)
    }

    /// Sets tags.
    pub async fn tag_oidc_provider(&self, arn: &str, tags: &Tags) -> Outcome<()> {
        const NAME: &str = "TagOpenIDConnectProvider";
        let tags = self.tags(NAME, tags)?;
        self.calls
            .write_once(NAME, || {
                self.sdk
                    .tag_open_id_connect_provider()
                    .open_id_connect_provider_arn(arn)
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Removes tags.
    pub async fn untag_oidc_provider(&self, arn: &str, keys: &[String]) -> Outcome<()> {
        self.calls
            .write_once("UntagOpenIDConnectProvider", || {
                self.sdk
                    .untag_open_id_connect_provider()
                    .open_id_connect_provider_arn(arn)
                    .set_tag_keys(Some(keys.to_vec()))
                    .send()
            })
            .await
            .map(drop)
    }

    /// Deletes a provider.
    pub async fn delete_oidc_provider(&self, arn: &str) -> Outcome<()> {
        self.calls
            .write_once("DeleteOpenIDConnectProvider", || {
                self.sdk.delete_open_id_connect_provider().open_id_connect_provider_arn(arn).send()
            })
            .await
            .map(drop)
    }
}
