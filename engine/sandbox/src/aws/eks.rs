//! EKS: clusters, Fargate profiles, add-ons, access entries, updates.
//!
//! Lifecycles take world time and refuse what EKS refuses: one profile operation at a time per
//! cluster and none during an update, profiles that cannot be changed, a cluster that keeps its
//! profiles. Durations are spread by name, the same each time.

pub(crate) mod access;
pub(crate) mod addons;
pub(crate) mod clusters;
pub(crate) mod profiles;
mod routes;

use serde_json::{Value, json};

pub(super) use routes::route;

use super::{AwsError, Input, Principal};
use crate::store::Transaction;
use crate::world::{Context, Timer};

pub(crate) const CLUSTERS: &str = "eks/cluster";
pub(crate) const PROFILES: &str = "eks/fargate-profile";
pub(crate) const ADDONS: &str = "eks/addon";
pub(crate) const ENTRIES: &str = "eks/access-entry";
pub(crate) const UPDATES: &str = "eks/update";

pub(super) fn call(
    context: &Context,
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    name: &str,
    input: &Input,
) -> Result<Value, AwsError> {
    match name {
        "CreateCluster" | "DescribeCluster" | "ListClusters" | "DeleteCluster" | "UpdateClusterConfig" | "UpdateClusterVersion" | "DescribeUpdate"
        | "ListUpdates" | "DescribeClusterVersions" | "ListNodegroups" | "DescribeNodegroup" => clusters::call(context, transaction, principal, name, input),
        "CreateFargateProfile" | "DescribeFargateProfile" | "ListFargateProfiles" | "DeleteFargateProfile" => profiles::call(context, transaction, name, input),
        "CreateAddon" | "DescribeAddon" | "ListAddons" | "UpdateAddon" | "DeleteAddon" | "DescribeAddonVersions" | "DescribeAddonConfiguration" => {
            addons::call(context, transaction, name, input)
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => tag(transaction, name, input),
        other => access::call(context, transaction, other, input),
    }
}

/// A timer of EKS is due.
pub(crate) fn due(context: &Context, transaction: &mut Transaction<'_>, timer: &Timer) {
    match timer.kind.as_str() {
        "eks.cluster" => clusters::due(context, transaction, timer),
        "eks.update" => clusters::update_due(transaction, timer),
        "eks.profile" => profiles::due(context, transaction, timer),
        "eks.addon" => addons::due(context, transaction, timer),
        _ => {}
    }
}

fn not_found(message: String) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message)
}

fn in_use(message: String) -> AwsError {
    AwsError::new(409, "ResourceInUseException", message)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterException", message)
}

/// The cluster, or EKS' refusal.
pub(crate) fn cluster(transaction: &Transaction<'_>, name: &str) -> Result<Value, AwsError> {
    transaction.get(CLUSTERS, name).map(|cluster| (*cluster).clone()).ok_or_else(|| not_found(format!("No cluster found for name: {name}.")))
}

/// Keys of parts of a cluster: `cluster/name`.
fn part(cluster: &str, name: &str) -> String {
    format!("{cluster}/{name}")
}

/// Names of the parts of a cluster in a collection.
fn parts(transaction: &Transaction<'_>, collection: &str, cluster: &str) -> Vec<(String, Value)> {
    let prefix = format!("{cluster}/");
    transaction
        .list(collection)
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), (*value).clone())))
        .collect()
}

/// A page of names: `nextToken`, by `maxResults`.
fn page(input: &Input, name: &str, items: Vec<Value>) -> Value {
    let start: usize = input.text("nextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let most: usize = input.text("maxResults").and_then(|most| most.parse().ok()).unwrap_or(100);
    let total = items.len();
    let page: Vec<Value> = items.into_iter().skip(start).take(most).collect();
    let next = start + page.len();
    let mut answer = json!({});
    answer[name] = page.into();
    if next < total {
        answer["nextToken"] = json!(next.to_string());
    }
    answer
}

/// Seconds since the epoch, as REST-JSON writes times.
fn time(transaction: &Transaction<'_>) -> Value {
    json!(transaction.now().as_second())
}

fn tag(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Result<Value, AwsError> {
    let arn = input.label(0).to_owned();
    let missing = || AwsError::new(404, "NotFoundException", format!("no resource {arn}"));
    let (collection, name, document) = [CLUSTERS, PROFILES, ADDONS, ENTRIES]
        .iter()
        .find_map(|collection| {
            let (name, value) = transaction.list(collection).into_iter().find(|(_, value)| {
                ["arn", "fargateProfileArn", "addonArn", "accessEntryArn"].iter().any(|key| value[*key] == json!(arn))
            })?;
            Some((*collection, name, value))
        })
        .ok_or_else(missing)?;
    let mut document = (*document).clone();
    match operation {
        "ListTagsForResource" => return Ok(json!({"tags": document["tags"]})),
        "TagResource" => {
            for (key, value) in input.json["tags"].as_object().into_iter().flatten() {
                document["tags"][key] = value.clone();
            }
        }
        _ => {
            for key in input.form.iter().filter(|(key, _)| key.starts_with("tagKeys")).map(|(_, value)| value) {
                if let Some(tags) = document["tags"].as_object_mut() {
                    tags.remove(key);
                }
            }
        }
    }
    transaction.put(collection, &name, document);
    Ok(json!({}))
}
