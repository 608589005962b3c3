//! Customer-managed policies with their versions; AWS-managed ones are documents of the scenario.

use serde_json::{Value, json};

use super::{
    POLICIES, Policy, ROLES, Role, add_tags, check_arn, check_document, check_name, encoded,
    exists, limit, missing, page, size, tag_list, time,
};
use crate::aws::tags;
use crate::aws::{Answer, Input, Refusal};
use crate::store::Transaction;
use crate::world::{Context, ids};

/// Versions of one policy.
const MOST_VERSIONS: usize = 5;
/// Characters of a document, white space not counted.
const MOST_CHARACTERS: usize = 6144;

pub(super) fn call(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Option<Answer> {
    Some(match name {
        "CreatePolicy" => create(context, transaction, input),
        "ListPolicies" => {
            let scope = input.text("Scope").unwrap_or("All");
            let only_attached = input.flag("OnlyAttached") == Some(true);
            let prefix = input.text("PathPrefix").unwrap_or("/").to_owned();
            let all = transaction.list_as::<Policy>(POLICIES).into_iter();
            let wanted = all.filter(|(arn, policy)| {
                let is_in_scope =
                    scope == "All" || (scope == "AWS") == arn.contains(":aws:policy/");
                policy.path.starts_with(&prefix)
                    && is_in_scope
                    && !(only_attached && users(transaction, arn).is_empty())
            });
            let listed: Vec<Value> =
                wanted.map(|(arn, policy)| listed(transaction, &arn, &policy)).collect();
            page(input, "Policies", listed)
        }
        "GetPolicy"
        | "GetPolicyVersion"
        | "ListPolicyVersions"
        | "CreatePolicyVersion"
        | "DeletePolicyVersion"
        | "SetDefaultPolicyVersion"
        | "DeletePolicy"
        | "TagPolicy"
        | "UntagPolicy"
        | "ListPolicyTags"
        | "ListEntitiesForPolicy" => on_policy(transaction, name, input),
        _ => return None,
    })
}

fn users(transaction: &Transaction<'_>, arn: &str) -> Vec<String> {
    let roles = transaction.list_as::<Role>(ROLES).into_iter();
    roles
        .filter(|(_, role)| role.attached.iter().any(|one| one == arn))
        .map(|(name, _)| name.to_string())
        .collect()
}

fn describe(transaction: &Transaction<'_>, arn: &str, policy: &Policy) -> Value {
    json!({
        "PolicyName": policy.name, "PolicyId": policy.id, "Arn": arn, "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default), "AttachmentCount": users(transaction, arn).len(), "IsAttachable": true,
        "Description": policy.description, "CreateDate": time(policy.created), "UpdateDate": time(policy.created),
        "Tags": tags::to_list(&policy.tags),
    })
}

/// As a listing has it: without description and tags.
fn listed(transaction: &Transaction<'_>, arn: &str, policy: &Policy) -> Value {
    let mut answer = describe(transaction, arn, policy);
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("Description");
        entries.remove("Tags");
    }
    answer
}

fn check_size(document: &str) -> Result<(), Refusal> {
    if size(document) > MOST_CHARACTERS {
        return Err(limit(format!("Cannot exceed quota for PolicySize: {MOST_CHARACTERS}")));
    }
    Ok(())
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = input.required("PolicyName")?;
    let document = input.required("PolicyDocument")?;
    check_name(name, "policyName", 128)?;
    check_document(document)?;
    check_size(document)?;
    let path = input.text("Path").unwrap_or("/").to_owned();
    let arn = format!("arn:aws:iam::{}:policy{path}{name}", context.account);
    if transaction.get(POLICIES, &arn).is_some() {
        return Err(exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let policy = Policy {
        name: name.to_owned(),
        path,
        id: ids::iam(context, "ANPA", name),
        created: transaction.now(),
        description: input.text("Description").map(str::to_owned),
        default: 1,
        last: 1,
        versions: [(1, document.to_owned())].into(),
        tags: tag_list(input)?,
    };
    transaction.put_as(POLICIES, &arn, &policy);
    Ok(json!({"Policy": describe(transaction, &arn, &policy)}))
}

fn version(policy: &Policy, number: u32, with_document: bool) -> Value {
    let mut answer = json!({"VersionId": format!("v{number}"), "IsDefaultVersion": number == policy.default, "CreateDate": time(policy.created)});
    if with_document {
        answer["Document"] = json!(policy.versions.get(&number).map(|document| encoded(document)));
    }
    answer
}

fn on_policy(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let arn = input.required("PolicyArn")?.to_owned();
    check_arn(&arn, "policy/")?;
    let policy: Policy = transaction
        .get_as(POLICIES, &arn)
        .ok_or_else(|| missing(&format!("Policy {arn} does not exist or is not attachable.")))?;
    if operation.starts_with("Get") || operation.starts_with("List") {
        return tell(transaction, operation, input, &arn, &policy);
    }
    if arn.contains(":aws:policy/") {
        return Err(Refusal::new(403, "AccessDenied", "Policy is outside your own account."));
    }
    match operation {
        "CreatePolicyVersion" => create_version(transaction, input, &arn, policy),
        "DeletePolicy" => delete(transaction, &arn, &policy),
        _ => change(transaction, operation, input, &arn, policy),
    }
}

/// The version that a request names, when there is one.
fn asked_version(policy: &Policy, arn: &str, input: &Input) -> Result<u32, Refusal> {
    let text = input.text("VersionId").unwrap_or_default();
    let number = text.trim_start_matches('v').parse::<u32>().ok();
    number.filter(|number| policy.versions.contains_key(number)).ok_or_else(|| {
        missing(&format!("Policy {arn} version {text} does not exist or is not attachable."))
    })
}

/// What only reads.
fn tell(
    transaction: &Transaction<'_>,
    operation: &str,
    input: &Input,
    arn: &str,
    policy: &Policy,
) -> Answer {
    match operation {
        "GetPolicy" => Ok(json!({"Policy": describe(transaction, arn, policy)})),
        "GetPolicyVersion" => {
            let number = asked_version(policy, arn, input)?;
            Ok(json!({"PolicyVersion": version(policy, number, true)}))
        }
        "ListPolicyVersions" => {
            let numbers = policy.versions.keys().rev();
            let versions = numbers.map(|number| version(policy, *number, false));
            page(input, "Versions", versions.collect())
        }
        "ListPolicyTags" => page(input, "Tags", tags::to_list(&policy.tags)),
        _ => {
            let wanted = matches!(input.text("EntityFilter"), None | Some("Role"));
            let roles = users(transaction, arn).into_iter().filter(|_| wanted);
            let roles = roles.filter_map(|name| {
                let role: Role = transaction.get_as(ROLES, &name)?;
                Some(json!({"RoleName": name, "RoleId": role.id}))
            });
            let mut answer = page(input, "PolicyRoles", roles.collect())?;
            answer["PolicyUsers"] = json!([]);
            answer["PolicyGroups"] = json!([]);
            Ok(answer)
        }
    }
}

fn create_version(
    transaction: &mut Transaction<'_>,
    input: &Input,
    arn: &str,
    mut policy: Policy,
) -> Answer {
    let document = input.required("PolicyDocument")?;
    check_document(document)?;
    check_size(document)?;
    if policy.versions.len() >= MOST_VERSIONS {
        return Err(limit(
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
        ));
    }
    policy.last += 1;
    policy.versions.insert(policy.last, document.to_owned());
    if input.flag("SetAsDefault") == Some(true) {
        policy.default = policy.last;
    }
    transaction.put_as(POLICIES, arn, &policy);
    Ok(json!({"PolicyVersion": version(&policy, policy.last, false)}))
}

/// Its versions and tags.
fn change(
    transaction: &mut Transaction<'_>,
    operation: &str,
    input: &Input,
    arn: &str,
    mut policy: Policy,
) -> Answer {
    match operation {
        "DeletePolicyVersion" => {
            let number = asked_version(&policy, arn, input)?;
            if number == policy.default {
                return Err(conflict("Cannot delete the default version of a policy."));
            }
            policy.versions.remove(&number);
        }
        "SetDefaultPolicyVersion" => policy.default = asked_version(&policy, arn, input)?,
        "TagPolicy" => add_tags(&mut policy.tags, input)?,
        _ => input.texts("TagKeys").iter().for_each(|key| drop(policy.tags.remove(*key))),
    }
    transaction.put_as(POLICIES, arn, &policy);
    Ok(json!({}))
}

fn conflict(why: &str) -> Refusal {
    Refusal::new(409, "DeleteConflict", why)
}

fn delete(transaction: &mut Transaction<'_>, arn: &str, policy: &Policy) -> Answer {
    if !users(transaction, arn).is_empty() {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    transaction.delete(POLICIES, arn);
    Ok(json!({}))
}
