//! Roles.

use serde_json::{Value, json};

use super::{
    POLICIES, ROLES, Role, add_tags, check_arn, check_document, check_name, encoded, exists,
    instance_profiles, limit, missing, page, size, tag_list, time,
};
use crate::aws::tags;
use crate::aws::{Answer, Input, Refusal};
use crate::store::Transaction;
use crate::world::{Context, ids};

/// Characters of a trust policy.
const MOST_TRUST: usize = 2048;
/// Characters of all policies inside a role.
const MOST_INLINE: usize = 10_240;
/// Managed policies of one role.
const MOST_ATTACHED: usize = 10;
/// Where the roles of services are, and the policies that only these may have.
const OF_SERVICES: &str = "/aws-service-role/";

pub(super) fn call(
    context: &Context,
    transaction: &mut Transaction<'_>,
    name: &str,
    input: &Input,
) -> Option<Answer> {
    Some(match name {
        "CreateRole" => create(context, transaction, input),
        "CreateServiceLinkedRole" => create_linked(context, transaction, input),
        "ListRoles" => {
            let prefix = input.text("PathPrefix").unwrap_or("/").to_owned();
            let roles = transaction
                .list_as::<Role>(ROLES)
                .into_iter()
                .filter(|(_, role)| role.path.starts_with(&prefix));
            page(input, "Roles", roles.map(|(name, role)| listed(&name, &role)).collect())
        }
        "GetRole"
        | "UpdateAssumeRolePolicy"
        | "UpdateRole"
        | "TagRole"
        | "UntagRole"
        | "ListRoleTags"
        | "AttachRolePolicy"
        | "DetachRolePolicy"
        | "ListAttachedRolePolicies"
        | "PutRolePolicy"
        | "GetRolePolicy"
        | "DeleteRolePolicy"
        | "ListRolePolicies"
        | "DeleteRole" => on_role(transaction, name, input),
        _ => return None,
    })
}

fn describe(name: &str, role: &Role) -> Value {
    let mut answer = json!({
        "Path": role.path, "RoleName": name, "RoleId": role.id, "Arn": role.arn, "CreateDate": time(role.created),
        "AssumeRolePolicyDocument": encoded(&role.trust), "Description": role.description,
        "MaxSessionDuration": role.max_session.unwrap_or(3600), "Tags": tags::to_list(&role.tags),
    });
    if let Some(boundary) = &role.boundary {
        answer["PermissionsBoundary"] =
            json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary});
    }
    answer
}

/// As a listing has it: without tags and boundary.
pub(super) fn listed(name: &str, role: &Role) -> Value {
    let mut answer = describe(name, role);
    if let Some(entries) = answer.as_object_mut() {
        entries.remove("Tags");
        entries.remove("PermissionsBoundary");
    }
    answer
}

fn check_trust(trust: &str) -> Result<(), Refusal> {
    check_document(trust)?;
    if size(trust) > MOST_TRUST {
        return Err(limit(format!("Cannot exceed quota for ACLSizePerRole: {MOST_TRUST}")));
    }
    Ok(())
}

fn create(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let name = input.required("RoleName")?;
    let trust = input.required("AssumeRolePolicyDocument")?;
    check_name(name, "roleName", 64)?;
    check_trust(trust)?;
    if transaction.get(ROLES, name).is_some() {
        return Err(exists(format!("Role with name {name} already exists.")));
    }
    let path = input.text("Path").unwrap_or("/").to_owned();
    let role = Role {
        arn: format!("arn:aws:iam::{}:role{path}{name}", context.account),
        path,
        id: ids::iam(context, "AROA", name),
        created: transaction.now(),
        trust: trust.to_owned(),
        description: input.text("Description").map(str::to_owned),
        attached: Vec::new(),
        inline: std::collections::BTreeMap::default(),
        tags: tag_list(input)?,
        max_session: max_session(input)?,
        boundary: input.text("PermissionsBoundary").map(str::to_owned),
    };
    transaction.put_as(ROLES, name, &role);
    Ok(json!({"Role": describe(name, &role)}))
}

fn max_session(input: &Input) -> Result<Option<i64>, Refusal> {
    let Some(text) = input.text("MaxSessionDuration") else { return Ok(None) };
    match text.parse() {
        Ok(seconds @ 3600..=43_200) => Ok(Some(seconds)),
        _ => Err(Refusal::bad(
            "ValidationError",
            "1 validation error detected: Value at 'maxSessionDuration' must be between 3600 and 43200",
        )),
    }
}

fn create_linked(context: &Context, transaction: &mut Transaction<'_>, input: &Input) -> Answer {
    let service = input.required("AWSServiceName")?;
    let name = match service {
        "spot.amazonaws.com" => "AWSServiceRoleForEC2Spot",
        "eks.amazonaws.com" => "AWSServiceRoleForAmazonEKS",
        "eks-fargate.amazonaws.com" => "AWSServiceRoleForAmazonEKSForFargate",
        other => {
            return Err(Refusal::bad(
                "InvalidInput",
                format!("{other} does not have a service-linked role in the sandbox"),
            ));
        }
    };
    if transaction.get(ROLES, name).is_some() {
        return Err(Refusal::bad(
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    let path = format!("/aws-service-role/{service}/");
    let role = Role {
        arn: format!("arn:aws:iam::{}:role{path}{name}", context.account),
        path,
        id: ids::iam(context, "AROA", name),
        created: transaction.now(),
        trust: json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}).to_string(),
        description: None,
        attached: Vec::new(),
        inline: std::collections::BTreeMap::default(),
        tags: tags::Tags::new(),
        max_session: None,
        boundary: None,
    };
    transaction.put_as(ROLES, name, &role);
    Ok(json!({"Role": describe(name, &role)}))
}

/// The role of that name.
pub(super) fn find(transaction: &Transaction<'_>, name: &str) -> Result<Role, Refusal> {
    let found = transaction.get_as(ROLES, name);
    found.ok_or_else(|| missing(&format!("The role with name {name} cannot be found.")))
}

/// Whether it is a service's own.
pub(super) fn is_of_service(role: &Role) -> bool {
    role.path.starts_with(OF_SERVICES)
}

fn on_role(transaction: &mut Transaction<'_>, operation: &str, input: &Input) -> Answer {
    let name = input.required("RoleName")?.to_owned();
    let mut role = find(transaction, &name)?;
    if is_of_service(&role) {
        check_protected(&name, operation, input)?;
    }
    match operation {
        "GetRole" => return Ok(json!({"Role": describe(&name, &role)})),
        "ListRoleTags" => return page(input, "Tags", tags::to_list(&role.tags)),
        "ListAttachedRolePolicies" => {
            let attached = role
                .attached
                .iter()
                .map(|arn| json!({"PolicyArn": arn, "PolicyName": arn.rsplit('/').next()}))
                .collect();
            return page(input, "AttachedPolicies", attached);
        }
        "ListRolePolicies" => {
            return page(
                input,
                "PolicyNames",
                role.inline.keys().map(|name| json!(name)).collect(),
            );
        }
        "GetRolePolicy" => {
            let policy = input.required("PolicyName")?;
            let document = role.inline.get(policy).ok_or_else(|| {
                missing(&format!("The role policy with name {policy} cannot be found."))
            })?;
            return Ok(
                json!({"RoleName": name, "PolicyName": policy, "PolicyDocument": encoded(document)}),
            );
        }
        "UpdateAssumeRolePolicy" => {
            let document = input.required("PolicyDocument")?;
            check_trust(document)?;
            document.clone_into(&mut role.trust);
        }
        "UpdateRole" => {
            role.description = input.text("Description").map(str::to_owned);
            role.max_session = max_session(input)?;
        }
        "TagRole" => add_tags(&mut role.tags, input)?,
        "UntagRole" => input.texts("TagKeys").iter().for_each(|key| drop(role.tags.remove(*key))),
        "AttachRolePolicy" => attach(transaction, &mut role, input)?,
        "DetachRolePolicy" => {
            let arn = input.required("PolicyArn")?;
            check_arn(arn, "policy/")?;
            if !role.attached.iter().any(|one| one == arn) {
                return Err(missing(&format!("Policy {arn} was not found.")));
            }
            role.attached.retain(|one| one != arn);
        }
        "PutRolePolicy" => {
            let document = input.required("PolicyDocument")?;
            check_document(document)?;
            role.inline.insert(input.required("PolicyName")?.to_owned(), document.to_owned());
            if role.inline.values().map(|one| size(one)).sum::<usize>() > MOST_INLINE {
                return Err(limit(format!(
                    "Maximum policy size of {MOST_INLINE} bytes exceeded for role {name}"
                )));
            }
        }
        "DeleteRolePolicy" => {
            let policy = input.required("PolicyName")?;
            role.inline.remove(policy).ok_or_else(|| {
                missing(&format!("The role policy with name {policy} cannot be found."))
            })?;
        }
        _ => return delete(transaction, &name, &role),
    }
    transaction.put_as(ROLES, &name, &role);
    Ok(json!({}))
}

/// A role of a service is the service's to change: what it may do, who may be it, how long.
fn check_protected(name: &str, operation: &str, input: &Input) -> Result<(), Refusal> {
    let changes = match operation {
        "UpdateAssumeRolePolicy"
        | "AttachRolePolicy"
        | "DetachRolePolicy"
        | "PutRolePolicy"
        | "DeleteRolePolicy"
        | "DeleteRole" => true,
        "UpdateRole" => !input.value("MaxSessionDuration").is_null(),
        _ => false,
    };
    if changes { Err(protected(name)) } else { Ok(()) }
}

pub(super) fn protected(name: &str) -> Refusal {
    Refusal::bad(
        "UnmodifiableEntity",
        format!(
            "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        ),
    )
}

fn attach(transaction: &Transaction<'_>, role: &mut Role, input: &Input) -> Result<(), Refusal> {
    let arn = input.required("PolicyArn")?.to_owned();
    check_arn(&arn, "policy/")?;
    if transaction.get(POLICIES, &arn).is_none() {
        return Err(missing(&format!("Policy {arn} does not exist or is not attachable.")));
    }
    if arn.contains(OF_SERVICES) {
        return Err(Refusal::bad(
            "PolicyNotAttachable",
            "Cannot attach a Service Role Policy to a Customer Role.",
        ));
    }
    if role.attached.contains(&arn) {
        return Ok(());
    }
    if role.attached.len() >= MOST_ATTACHED {
        return Err(limit(format!("Cannot exceed quota for PoliciesPerRole: {MOST_ATTACHED}")));
    }
    role.attached.push(arn);
    Ok(())
}

fn delete(transaction: &mut Transaction<'_>, name: &str, role: &Role) -> Answer {
    let conflict = |why: &str| Err(Refusal::new(409, "DeleteConflict", why));
    if !role.attached.is_empty() {
        return conflict("Cannot delete entity, must detach all policies first.");
    }
    if !role.inline.is_empty() {
        return conflict("Cannot delete entity, must delete policies first.");
    }
    if instance_profiles::hold(transaction, name) {
        return conflict("Cannot delete entity, must remove roles from instance profile first.");
    }
    transaction.delete(ROLES, name);
    Ok(json!({}))
}
