//! `iam.oidc_provider`: lets service accounts of a cluster take on roles. Without thumbprints: AWS
//! needs none for EKS issuers.

use std::time::Duration;

use async_trait::async_trait;
use runbook_clients::aws::Connection;
use runbook_core::change::Action;
use runbook_core::failure::Failure;
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Observation, Observed, Patience, Schema, Values,
    Verdict,
};
use runbook_core::value::{Type, Value};

use super::PATIENCE;
use crate::arguments::{text, text_set, values};
use crate::aws::settling::{Stopped, ended, no_such_action, settled};
use crate::aws::{observable, tagged};
use crate::connections;
use crate::failures::Read as _;
use crate::schema::{defaulted, identity, output, texts};

/// `iam.oidc_provider`.
pub(in crate::aws) struct OidcProvider {
    schema: Schema,
}

impl OidcProvider {
    pub(in crate::aws) fn new() -> Self {
        let schema = Schema {
            arguments: vec![
                identity("url", "The issuer, `https://…`."),
                defaulted(
                    "client_ids",
                    texts(),
                    Value::list([Value::from("sts.amazonaws.com")]),
                    "Audiences that it must accept.",
                ),
                tagged::argument(),
            ],
            outputs: vec![
                output("arn", Type::String, "Its ARN."),
                output("issuer", Type::String, "The issuer without `https://`, as trusts name it."),
            ],
            iam_actions: &[
                "iam:AddClientIDToOpenIDConnectProvider",
                "iam:CreateOpenIDConnectProvider",
                "iam:DeleteOpenIDConnectProvider",
                "iam:GetOpenIDConnectProvider",
                "iam:TagOpenIDConnectProvider",
            ],
            ..observable("iam.oidc_provider", "Makes the OIDC provider of a cluster's issuer.")
        };
        Self { schema }
    }

    async fn carry_out(&self, context: &Context, intent: &Intent<'_>) -> Result<Values, Stopped> {
        let aws = connections::aws(context)?;
        let (iam, arn) = (aws.iam(), arn(&aws, intent.arguments));
        match intent.change.action {
            Action::Create => {
                let (url, clients) =
                    (text(intent.arguments, "url"), text_set(intent.arguments, "client_ids"));
                iam.create_oidc_provider(url, &clients, &tagged::new(intent)).await?;
                return Ok(outputs(&arn, intent.arguments));
            }
            Action::Update => {
                if let Some(tags) = tagged::to_write(intent) {
                    iam.tag_oidc_provider(&arn, &tags).await?;
                }
                for field in &intent.change.fields {
                    if let Some(client) = field.path.strip_prefix("client_ids.") {
                        iam.add_client_id(&arn, client).await?;
                    }
                }
            }
            Action::Delete => iam.delete_oidc_provider(&arn).await?,
            _ => return Err(no_such_action("iam.oidc_provider", intent.change).into()),
        }
        Ok(Values::new())
    }
}

#[async_trait]
impl Module for OidcProvider {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        let url = text(arguments, "url");
        if url.is_empty() || url.starts_with("https://") {
            return Vec::new();
        }
        vec![("url".to_owned(), format!("is `{url}`; an issuer begins with `https://`"))]
    }

    fn describe(&self, arguments: &Values) -> Description {
        let detail = text_set(arguments, "client_ids").join(", ");
        Description { subject: issuer(arguments).to_owned(), detail }
    }

    fn desired(&self, arguments: &Values) -> Values {
        let clients = text_set(arguments, "client_ids").into_iter();
        let clients = Value::map(clients.map(|client| (client, Value::Boolean(true))));
        let mut desired = values([("client_ids", clients)]);
        tagged::desire(arguments, &mut desired);
        desired
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        let aws = connections::aws(context)?;
        let arn = arn(&aws, arguments);
        let Some(provider) = aws.iam().oidc_provider(&arn).await.read()? else {
            return Ok(Observed::Absent);
        };
        let mut clients = text_set(arguments, "client_ids");
        clients.retain(|client| provider.client_ids.contains(client));
        let clients = clients.into_iter().map(|client| (client, Value::Boolean(true)));
        Ok(Observed::Present(Observation {
            projection: values([
                ("client_ids", Value::map(clients)),
                ("tags", tagged::project(arguments, &provider.tags)),
            ]),
            ownership: tagged::ownership(context, &provider.tags),
            outputs: outputs(&arn, arguments),
            private: serde_json::Value::Null,
        }))
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        ended(self.carry_out(context, &intent).await)
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        settled(self, context, arguments).await
    }

    fn expected(&self, _: Action, _: &Values) -> Duration {
        Duration::from_secs(1)
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }
}

fn issuer(arguments: &Values) -> &str {
    text(arguments, "url").trim_start_matches("https://").trim_end_matches('/')
}

fn arn(aws: &Connection, arguments: &Values) -> String {
    let issuer = issuer(arguments);
    format!("arn:{}:iam::{}:oidc-provider/{issuer}", aws.partition(), aws.account())
}

fn outputs(arn: &str, arguments: &Values) -> Values {
    values([("arn", Value::from(arn)), ("issuer", Value::from(issuer(arguments)))])
}
