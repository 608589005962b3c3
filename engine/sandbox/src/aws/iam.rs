//! IAM: roles, policies with versions, instance profiles, OIDC providers, service-linked roles.
//!
//! Documents are answered percent-encoded, as IAM does. A role is not usable at once: consumers ask
//! [`usable`], which is false for some seconds of world time after its creation.

mod instance_profiles;
pub(crate) mod managed;
mod policies;
pub(super) mod providers;
mod roles;
mod simulate;
pub(crate) mod trust;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::paging::{Paging, page as page_of};
use super::tags::{self, Tags};
use super::{Answer, Call, Input, Operation, Refusal, read, write};
use crate::store::Transaction;
use crate::world::Context;

pub(crate) const ROLES: &str = "iam/role";
pub(crate) const POLICIES: &str = "iam/policy";
pub(crate) const PROVIDERS: &str = "iam/oidc-provider";
pub(crate) const INSTANCE_PROFILES: &str = "iam/instance-profile";
/// Tags of one thing.
const MOST_TAGS: usize = 50;
/// Seconds until a new role is known everywhere.
const PROPAGATION_SECONDS: i64 = 8;

/// A role.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    pub(crate) attached: Vec<String>,
    pub(crate) inline: std::collections::BTreeMap<String, String>,
    pub(crate) tags: Tags,
    /// The longest session in seconds; an hour when nobody asked.
    #[serde(default)]
    pub(crate) max_session: Option<i64>,
    #[serde(default)]
    pub(crate) boundary: Option<String>,
}

/// A customer-managed policy.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) default: u32,
    pub(crate) last: u32,
    pub(crate) versions: std::collections::BTreeMap<u32, String>,
    pub(crate) tags: Tags,
}

/// A role of that ARN, when a service can see it already.
pub(crate) fn usable(transaction: &Transaction<'_>, arn: &str) -> Option<Role> {
    let role: Role = transaction.get_as(ROLES, arn.rsplit('/').next()?)?;
    let age = transaction.now().duration_since(role.created).as_secs();
    (role.arn == arn && age >= PROPAGATION_SECONDS).then_some(role)
}

pub(super) const OPERATIONS: &[Operation] = &[
    read("GetRole", "RoleName", run),
    read("ListAttachedRolePolicies", "RoleName", run),
    read("GetRolePolicy", "RoleName", run),
    read("ListRolePolicies", "RoleName", run),
    read("ListRoleTags", "RoleName", run),
    read("ListInstanceProfilesForRole", "RoleName", run),
    read("ListRoles", "PathPrefix", run),
    write("CreateRole", "RoleName", run),
    write("UpdateAssumeRolePolicy", "RoleName", run),
    write("UpdateRole", "RoleName", run),
    write("TagRole", "RoleName", run),
    write("UntagRole", "RoleName", run),
    write("AttachRolePolicy", "RoleName", run),
    write("DetachRolePolicy", "RoleName", run),
    write("PutRolePolicy", "RoleName", run),
    write("DeleteRolePolicy", "RoleName", run),
    write("DeleteRole", "RoleName", run),
    write("CreateServiceLinkedRole", "AWSServiceName", run),
    write("CreateInstanceProfile", "InstanceProfileName", run),
    read("GetInstanceProfile", "InstanceProfileName", run),
    read("ListInstanceProfiles", "PathPrefix", run),
    read("ListInstanceProfileTags", "InstanceProfileName", run),
    write("AddRoleToInstanceProfile", "InstanceProfileName/RoleName", run),
    write("RemoveRoleFromInstanceProfile", "InstanceProfileName/RoleName", run),
    write("DeleteInstanceProfile", "InstanceProfileName", run),
    write("TagInstanceProfile", "InstanceProfileName", run),
    write("UntagInstanceProfile", "InstanceProfileName", run),
    read("SimulatePrincipalPolicy", "PolicySourceArn", simulate::principal_policy),
    write("CreatePolicy", "PolicyName", run),
    read("ListPolicies", "PathPrefix", run),
    read("GetPolicy", "PolicyArn", run),
    read("GetPolicyVersion", "PolicyArn", run),
    read("ListPolicyVersions", "PolicyArn", run),
    read("ListPolicyTags", "PolicyArn", run),
    read("ListEntitiesForPolicy", "PolicyArn", run),
    write("CreatePolicyVersion", "PolicyArn", run),
    write("DeletePolicyVersion", "PolicyArn", run),
    write("SetDefaultPolicyVersion", "PolicyArn", run),
    write("DeletePolicy", "PolicyArn", run),
    write("TagPolicy", "PolicyArn", run),
    write("UntagPolicy", "PolicyArn", run),
    write("CreateOpenIDConnectProvider", "Url", run),
    read("ListOpenIDConnectProviders", "", run),
    read("GetOpenIDConnectProvider", "OpenIDConnectProviderArn", run),
    read("ListOpenIDConnectProviderTags", "OpenIDConnectProviderArn", run),
    write("DeleteOpenIDConnectProvider", "OpenIDConnectProviderArn", run),
    write("TagOpenIDConnectProvider", "OpenIDConnectProviderArn", run),
    write("UntagOpenIDConnectProvider", "OpenIDConnectProviderArn", run),
    write("AddClientIDToOpenIDConnectProvider", "OpenIDConnectProviderArn", run),
    write("UpdateOpenIDConnectProviderThumbprint", "OpenIDConnectProviderArn", run),
];

fn run(call: &mut Call<'_, '_>) -> Answer {
    let Call { context, transaction, name, input, .. } = call;
    dispatch(context, transaction, name, input)
}

fn dispatch(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Answer {
    if let Some(answer) = roles::call(context, transaction, name, input) {
        return answer;
    }
    if let Some(answer) = policies::call(context, transaction, name, input) {
        return answer;
    }
    if let Some(answer) = instance_profiles::call(context, transaction, name, input) {
        return answer;
    }
    if let Some(answer) = providers::call(context, transaction, name, input) {
        return answer;
    }
    Err(Refusal::unknown_operation("iam", name))
}

fn encoded(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

fn missing(what: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", what)
}

fn exists(what: String) -> Refusal {
    Refusal::new(409, "EntityAlreadyExists", what)
}

/// An ARN of one of IAM's kinds in one account; what is none is refused before anything is looked up.
fn check_arn(arn: &str, kind: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let is_account = |text: &str| {
        text == "aws" || (text.len() == 12 && text.bytes().all(|one| one.is_ascii_digit()))
    };
    match parts.as_slice() {
        ["arn", _, "iam", "", account, what] if is_account(account) && what.starts_with(kind) => {
            Ok(())
        }
        _ => Err(Refusal::bad("InvalidInput", format!("ARN {arn} is not valid."))),
    }
}

/// Names of roles and policies.
fn check_name(name: &str, parameter: &str, most: usize) -> Result<(), Refusal> {
    let is_taken = |one: char| one.is_ascii_alphanumeric() || "+=,.@_-".contains(one);
    let constraint = if name.len() > most {
        format!("Member must have length less than or equal to {most}")
    } else if !name.chars().all(is_taken) {
        "Member must satisfy regular expression pattern: [\\w+=,.@-]+".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(format!(
        "1 validation error detected: Value '{name}' at '{parameter}' failed to satisfy constraint: {constraint}"
    )))
}

/// Characters of a document, white space not counted: what quotas are about.
fn size(document: &str) -> usize {
    document.chars().filter(|one| !one.is_whitespace()).count()
}

/// A moment as IAM writes it: to the second.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A quota is reached.
fn limit(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "LimitExceeded", message)
}

/// A policy document must be JSON with statements.
pub(crate) fn check_document(text: &str) -> Result<(), Refusal> {
    let malformed = |why: &str| Err(Refusal::bad("MalformedPolicyDocument", why));
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return malformed("Syntax errors in policy.");
    };
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        Value::Object(_) => vec![document["Statement"].clone()],
        _ => return malformed("Missing required field Statement"),
    };
    if statements.iter().any(|one| !matches!(one["Effect"].as_str(), Some("Allow" | "Deny"))) {
        return malformed("Statement's Effect must be Allow or Deny");
    }
    if statements.iter().any(|one| one["Action"].is_null() && one["NotAction"].is_null()) {
        return malformed("Policy statement must contain actions.");
    }
    Ok(())
}

const PAGING: Paging = Paging {
    token: "Marker",
    limit: "MaxItems",
    most: 1000,
    least: 1,
    bad_token: "ValidationError",
};

/// A page of a list, by the order given.
fn page(input: &Input, name: &str, items: Vec<Value>) -> Answer {
    let keyed = items.into_iter().enumerate().map(|(index, value)| (format!("{index:06}"), value));
    let (items, next) = page_of(PAGING, input, keyed.collect())?;
    let mut answer = json!({"IsTruncated": next.is_some(), "Marker": next});
    answer[name] = items.into();
    Ok(answer)
}

/// The tags of a request.
fn tag_list(input: &Input) -> Result<Tags, Refusal> {
    let invalid = |why: &str| Err(Refusal::bad("InvalidInput", why));
    let mut keys = std::collections::BTreeSet::new();
    for tag in input.list("Tags") {
        let key = tag["Key"].as_str().ok_or_else(|| Refusal::missing("tags.1.member.key"))?;
        if key.to_lowercase().starts_with("aws:") {
            return invalid("aws: prefixed tag key names are not allowed for external use.");
        }
        if !keys.insert(key.to_lowercase()) {
            return invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            );
        }
    }
    let found = tags::from_list(input.list("Tags"));
    check_count(&found)?;
    tags::check(&found, Refusal::invalid)?;
    Ok(found)
}

fn check_count(tags: &Tags) -> Result<(), Refusal> {
    if tags.len() > MOST_TAGS {
        return Err(limit("The number of tags has reached the maximum limit."));
    }
    Ok(())
}

/// Adds the tags of a request to those that are there.
fn add_tags(there: &mut Tags, input: &Input) -> Result<(), Refusal> {
    there.extend(tag_list(input)?);
    check_count(there)
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}
