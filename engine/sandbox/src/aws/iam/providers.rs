//! OIDC providers.

use serde_json::{Value, json};

use super::{PROVIDERS, add_tags, check_arn, exists, limit, missing, owned, page, tag_list, time};
use crate::aws::tags::{self, Tags};
use crate::aws::{Answer, Input, Refusal};
use crate::store::Transaction;
use crate::world::Context;

/// Audiences of one provider.
const MOST_CLIENTS: usize = 100;
/// Thumbprints of one provider.
const MOST_THUMBPRINTS: usize = 5;

#[derive(serde::Serialize, serde::Deserialize)]
struct Provider {
    url: String,
    clients: Vec<String>,
    thumbprints: Vec<String>,
    created: String,
    tags: Tags,
}

pub(super) fn call(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Option<Answer> {
    Some(match name {
        "CreateOpenIDConnectProvider" => create(context, transaction, input),
        "ListOpenIDConnectProviders" => {
            let all: Vec<Value> =
                transaction.list(PROVIDERS).iter().map(|(arn, _)| json!({"Arn": &**arn})).collect();
            Ok(json!({"OpenIDConnectProviderList": all}))
        }
        "GetOpenIDConnectProvider"
        | "DeleteOpenIDConnectProvider"
        | "TagOpenIDConnectProvider"
        | "UntagOpenIDConnectProvider"
        | "ListOpenIDConnectProviderTags"
        | "AddClientIDToOpenIDConnectProvider"
        | "UpdateOpenIDConnectProviderThumbprint" => on_provider(transaction, name, input),
        _ => return None,
    })
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let url = input.required("Url")?;
    let bare = url.strip_prefix("https://").ok_or_else(|| {
        Refusal::bad("InvalidInput", "OpenID Connect Provider URLs must begin with https://")
    })?;
    let arn = format!("arn:aws:iam::{}:oidc-provider/{bare}", context.account);
    if transaction.get(PROVIDERS, &arn).is_some() {
        return Err(exists(format!("Provider with url {url} already exists.")));
    }
    let provider = Provider {
        url: bare.to_owned(),
        clients: owned(input.texts("ClientIDList")),
        thumbprints: thumbprints(input)?,
        created: time(transaction.now()),
        tags: tag_list(input)?,
    };
    check_clients(&provider)?;
    transaction.put_as(PROVIDERS, &arn, &provider);
    Ok(json!({"OpenIDConnectProviderArn": arn, "Tags": tags::to_list(&provider.tags)}))
}

fn thumbprints(input: &Input) -> Result<Vec<String>, Refusal> {
    let found = owned(input.texts("ThumbprintList"));
    if found.len() > MOST_THUMBPRINTS {
        return Err(Refusal::bad(
            "InvalidInput",
            "Thumbprint list must contain fewer than 5 entries.",
        ));
    }
    Ok(found)
}

fn check_clients(provider: &Provider) -> Result<(), Refusal> {
    if provider.clients.len() > MOST_CLIENTS {
        return Err(limit(format!(
            "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENTS}"
        )));
    }
    Ok(())
}

fn on_provider(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let arn = input.required("OpenIDConnectProviderArn")?.to_owned();
    check_arn(&arn, "oidc-provider/")?;
    let mut provider: Provider = transaction
        .get_as(PROVIDERS, &arn)
        .ok_or_else(|| missing(&format!("OpenIDConnect Provider not found for arn {arn}")))?;
    match operation {
        "GetOpenIDConnectProvider" => {
            return Ok(json!({
                "Url": provider.url, "ClientIDList": provider.clients, "ThumbprintList": provider.thumbprints,
                "CreateDate": provider.created, "Tags": tags::to_list(&provider.tags),
            }));
        }
        "ListOpenIDConnectProviderTags" => {
            return page(input, "Tags", tags::to_list(&provider.tags));
        }
        "DeleteOpenIDConnectProvider" => {
            transaction.delete(PROVIDERS, &arn);
            return Ok(json!({}));
        }
        "TagOpenIDConnectProvider" => add_tags(&mut provider.tags, input)?,
        "UntagOpenIDConnectProvider" => {
            input.texts("TagKeys").iter().for_each(|key| drop(provider.tags.remove(*key)));
        }
        "AddClientIDToOpenIDConnectProvider" => {
            let client = input.required("ClientID")?.to_owned();
            if !provider.clients.contains(&client) {
                provider.clients.push(client);
            }
            check_clients(&provider)?;
        }
        _ => provider.thumbprints = thumbprints(input)?,
    }
    transaction.put_as(PROVIDERS, &arn, &provider);
    Ok(json!({}))
}
