//! Customer-managed policies with their versions; AWS-managed ones are documents of the scenario.

use serde_json::{Value, json};

use super::{
    POLICIES, Policy, ROLES, Role, check_document, encoded, exists, missing, page, tag_list,
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
            let local = input.text("Scope") == Some("Local");
            let prefix = input.text("PathPrefix").unwrap_or("/").to_owned();
            let all = transaction.list_as::<Policy>(POLICIES).into_iter();
            let wanted = all.filter(|(arn, policy)| {
                policy.path.starts_with(&prefix) && !(local && arn.contains(":aws:policy/"))
            });
            let described: Vec<Value> =
                wanted.map(|(arn, policy)| describe(transaction, &arn, &policy)).collect();
            page(input, "Policies", described)
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
        "Description": policy.description, "CreateDate": policy.created.to_string(), "UpdateDate": policy.created.to_string(),
        "Tags": tags::to_list(&policy.tags),
    })
}

fn check_size(document: &str) -> Result<(), Refusal> {
    if document.chars().filter(|one| !one.is_whitespace()).count() > MOST_CHARACTERS {
        return Err(Refusal::new(
            409,
            "LimitExceeded",
            format!("Cannot exceed quota for PolicySize: {MOST_CHARACTERS}"),
        ));
    }
    Ok(())
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = input.required("PolicyName")?;
    let document = input.required("PolicyDocument")?;
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
        tags: tag_list(input),
    };
    transaction.put_as(POLICIES, &arn, &policy);
    Ok(json!({"Policy": describe(transaction, &arn, &policy)}))
}

fn version(policy: &Policy, number: u32, with_document: bool) -> Value {
    let mut answer = json!({"VersionId": format!("v{number}"), "IsDefaultVersion": number == policy.default, "CreateDate": policy.created.to_string()});
    if with_document {
        answer["Document"] = json!(policy.versions.get(&number).map(|document| encoded(document)));
    }
    answer
}

fn on_policy(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let arn = input.required("PolicyArn")?.to_owned();
    let mut policy: Policy = transaction
        .get_as(POLICIES, &arn)
        .ok_or_else(|| missing(&format!("Policy {arn} does not exist or is not attachable.")))?;
    let asked =
        input.text("VersionId").and_then(|text| text.trim_start_matches('v').parse::<u32>().ok());
    let known = |policy: &Policy| {
        asked.filter(|number| policy.versions.contains_key(number)).ok_or_else(|| {
            missing(&format!(
                "Policy {arn} version {} does not exist or is not attachable.",
                input.text("VersionId").unwrap_or_default()
            ))
        })
    };
    match operation {
        "GetPolicy" => return Ok(json!({"Policy": describe(transaction, &arn, &policy)})),
        "GetPolicyVersion" => {
            return Ok(json!({"PolicyVersion": version(&policy, known(&policy)?, true)}));
        }
        "ListPolicyVersions" => {
            return page(
                input,
                "Versions",
                policy
                    .versions
                    .keys()
                    .rev()
                    .map(|number| version(&policy, *number, false))
                    .collect(),
            );
        }
        "ListPolicyTags" => return page(input, "Tags", tags::to_list(&policy.tags)),
        "ListEntitiesForPolicy" => {
            let roles: Vec<Value> = users(transaction, &arn)
                .into_iter()
                .map(|name| json!({"RoleName": name}))
                .collect();
            return Ok(
                json!({"PolicyRoles": roles, "PolicyUsers": [], "PolicyGroups": [], "IsTruncated": false}),
            );
        }
        "CreatePolicyVersion" => {
            let document = input.required("PolicyDocument")?;
            check_document(document)?;
            check_size(document)?;
            if policy.versions.len() >= MOST_VERSIONS {
                return Err(Refusal::new(
                    409,
                    "LimitExceeded",
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
                ));
            }
            policy.last += 1;
            policy.versions.insert(policy.last, document.to_owned());
            if input.flag("SetAsDefault") == Some(true) {
                policy.default = policy.last;
            }
            transaction.put_as(POLICIES, &arn, &policy);
            return Ok(json!({"PolicyVersion": version(&policy, policy.last, false)}));
        }
        "DeletePolicyVersion" => {
            let number = known(&policy)?;
            if number == policy.default {
                return Err(Refusal::new(
                    409,
                    "DeleteConflict",
                    "Cannot delete the default version of a policy.",
                ));
            }
            policy.versions.remove(&number);
        }
        "SetDefaultPolicyVersion" => policy.default = known(&policy)?,
        "TagPolicy" => policy.tags.extend(tag_list(input)),
        "UntagPolicy" => {
            input.texts("TagKeys").iter().for_each(|key| drop(policy.tags.remove(*key)));
        }
        _ => {
            if !users(transaction, &arn).is_empty() {
                return Err(Refusal::new(
                    409,
                    "DeleteConflict",
                    "Cannot delete a policy attached to entities.",
                ));
            }
            if policy.versions.len() > 1 {
                return Err(Refusal::new(
                    409,
                    "DeleteConflict",
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
                ));
            }
            transaction.delete(POLICIES, &arn);
            return Ok(json!({}));
        }
    }
    transaction.put_as(POLICIES, &arn, &policy);
    Ok(json!({}))
}
