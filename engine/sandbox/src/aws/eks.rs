//! EKS: clusters, Fargate profiles, add-ons, access entries, pod identities, updates, insights.
//!
//! Lifecycles take world time and refuse what EKS refuses: one profile operation at a time per
//! cluster and none during an update, profiles that cannot be changed, a cluster that keeps its
//! profiles. Durations are spread by name, the same each time.

pub(crate) mod access;
pub(crate) mod addons;
pub(crate) mod clusters;
mod insights;
mod pod_identity;
pub(crate) mod profiles;
pub(super) mod routes;

use serde_json::{Value, json};

use super::paging::{Paging, page as page_of};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::{Context, Timer};

pub(crate) const CLUSTERS: &str = "eks/cluster";
pub(crate) const PROFILES: &str = "eks/fargate-profile";
pub(crate) const ADDONS: &str = "eks/addon";
pub(crate) const ENTRIES: &str = "eks/access-entry";
pub(crate) const UPDATES: &str = "eks/update";
pub(crate) const POD_IDENTITIES: &str = "eks/pod-identity";

pub(super) const OPERATIONS: &[Operation] = &[
    write("CreateCluster", "name", run),
    read("DescribeCluster", "clusterName", run),
    read("ListNodegroups", "clusterName", run),
    read("ListUpdates", "clusterName", run),
    read("ListFargateProfiles", "clusterName", run),
    read("ListAddons", "clusterName", run),
    read("ListAccessEntries", "clusterName", run),
    read("ListClusters", "", run),
    read("DescribeClusterVersions", "", run),
    write("DeleteCluster", "clusterName", run),
    write("UpdateClusterConfig", "clusterName", run),
    write("UpdateClusterVersion", "clusterName", run),
    read("DescribeUpdate", "clusterName/updateId", run),
    read("DescribeNodegroup", "clusterName/nodegroupName", run),
    write("CreateFargateProfile", "clusterName/fargateProfileName", run),
    write("DeleteFargateProfile", "clusterName/fargateProfileName", run),
    read("DescribeFargateProfile", "clusterName/fargateProfileName", run),
    write("CreateAddon", "clusterName/addonName", run),
    write("UpdateAddon", "clusterName/addonName", run),
    write("DeleteAddon", "clusterName/addonName", run),
    read("DescribeAddon", "clusterName/addonName", run),
    read("DescribeAddonVersions", "addonName", run),
    read("DescribeAddonConfiguration", "addonName", run),
    write("CreateAccessEntry", "clusterName/principalArn", run),
    write("UpdateAccessEntry", "clusterName/principalArn", run),
    write("DeleteAccessEntry", "clusterName/principalArn", run),
    write("AssociateAccessPolicy", "clusterName/principalArn", run),
    write("DisassociateAccessPolicy", "clusterName/principalArn", run),
    read("DescribeAccessEntry", "clusterName/principalArn", run),
    read("ListAssociatedAccessPolicies", "clusterName/principalArn", run),
    write("CreatePodIdentityAssociation", "clusterName/namespace/serviceAccount", run),
    write("UpdatePodIdentityAssociation", "clusterName/associationId", run),
    write("DeletePodIdentityAssociation", "clusterName/associationId", run),
    read("DescribePodIdentityAssociation", "clusterName/associationId", run),
    read("ListPodIdentityAssociations", "clusterName", run),
    read("ListInsights", "clusterName", run),
    read("DescribeInsight", "clusterName/id", run),
    write("TagResource", "resourceArn", run),
    write("UntagResource", "resourceArn", run),
    read("ListTagsForResource", "resourceArn", run),
];

fn run(call: &mut Call<'_, '_>) -> Answer {
    match call.name {
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            tag(call.transaction, call.name, call.input)
        }
        name if name.contains("FargateProfile") => profiles::run(call),
        name if name.contains("Addon") => addons::run(call),
        name if name.contains("Access") => access::run(call),
        name if name.contains("PodIdentity") => pod_identity::run(call),
        name if name.contains("Insight") => insights::run(call),
        _ => clusters::run(call),
    }
}

/// The cluster that a request is about.
fn owner_of(input: &Input) -> &str {
    input.text("clusterName").unwrap_or_default()
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

fn not_found(message: String) -> Refusal {
    Refusal::new(404, "ResourceNotFoundException", message)
}

fn in_use(message: String) -> Refusal {
    Refusal::new(409, "ResourceInUseException", message)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

/// The cluster, or EKS' refusal.
pub(crate) fn cluster(transaction: &Transaction<'_>, name: &str) -> Answer {
    transaction
        .get(CLUSTERS, name)
        .map(|cluster| (*cluster).clone())
        .ok_or_else(|| not_found(format!("No cluster found for name: {name}.")))
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
        .filter_map(|(name, value)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), (*value).clone()))
        })
        .collect()
}

const PAGING: Paging = Paging {
    token: "nextToken",
    limit: "maxResults",
    most: 100,
    least: 1,
    bad_token: "InvalidParameterException",
};

/// A page of names.
fn page(input: &Input, name: &str, names: Vec<String>) -> Answer {
    let keyed = names.into_iter().map(|one| (one.clone(), Value::String(one)));
    let (items, next) = page_of(PAGING, input, keyed.collect())?;
    let mut answer = json!({"nextToken": next});
    answer[name] = items.into();
    Ok(answer)
}

/// Names of the parts of a cluster in a collection.
fn names(transaction: &Transaction<'_>, collection: &str, cluster: &str) -> Vec<String> {
    parts(transaction, collection, cluster).into_iter().map(|(name, _)| name).collect()
}

/// Seconds since the epoch, as REST-JSON writes times.
fn time(transaction: &Transaction<'_>) -> Value {
    json!(transaction.now().as_second())
}

fn tag(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let arn = input.required("resourceArn")?.to_owned();
    if !arn.starts_with("arn:aws:eks:") {
        return Err(Refusal::bad("BadRequestException", format!("Invalid Resource Arn: {arn}")));
    }
    let missing = || Refusal::new(404, "NotFoundException", format!("no resource {arn}"));
    let (collection, name, document) = [CLUSTERS, PROFILES, ADDONS, ENTRIES, POD_IDENTITIES]
        .iter()
        .find_map(|collection| {
            let (name, value) = transaction.list(collection).into_iter().find(|(_, value)| {
                ["arn", "fargateProfileArn", "addonArn", "accessEntryArn", "associationArn"]
                    .iter()
                    .any(|key| value[*key] == json!(arn))
            })?;
            Some((*collection, name, value))
        })
        .ok_or_else(missing)?;
    let mut document = (*document).clone();
    match operation {
        "ListTagsForResource" => return Ok(json!({"tags": document["tags"]})),
        "TagResource" => {
            for (key, value) in input.value("tags").as_object().into_iter().flatten() {
                document["tags"][key] = value.clone();
            }
        }
        _ => {
            // One key is a text, several are a list.
            let keys = input.text("tagKeys").into_iter().chain(input.texts("tagKeys"));
            for key in keys {
                if let Some(tags) = document["tags"].as_object_mut() {
                    tags.remove(key);
                }
            }
        }
    }
    transaction.put(collection, &name, document);
    Ok(json!({}))
}
